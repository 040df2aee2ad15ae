/* datetime.c - dates of mail without libc's calendar.
 *
 * Pure: the caller supplies the time. Own arithmetic instead of gmtime and
 * strftime because those know locales, zones and 32-bit time_t. Years 0 to
 * 9999. Reads what old and odd programs write, and says no to what no calendar
 * has.
 * Thread: any. RFC 5322 3.3 and 4.3, RFC 3339 5.6. */
#include "base/datetime.h"

#include <string.h>

enum { MS_PER_DAY = 86400000, MS_PER_MINUTE = 60000, MINUTES_PER_DAY = 1440 };

/* Beyond what `split` takes, and far from what 64 bits hold. */
#define MS_YEARS_10000 (INT64_C(10000) * 366 * MS_PER_DAY)

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed",
                                     "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                        "May", "Jun", "Jul", "Aug",
                                        "Sep", "Oct", "Nov", "Dec"};

struct civil {
    int year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
    int weekday;
    int hour;
    int minute;
    int second;
};

/* Days since 1970-01-01 in the proleptic Gregorian calendar. The year is
 * taken to begin in March, so that the leap day is its last: then the days
 * before a month are (153 * month + 2) / 5, and 400 years are 146097 days. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct civil *civil)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / 146096) /
                          365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    civil->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    civil->month = (int)(month_from_march < 10 ? month_from_march + 3
                                               : month_from_march - 9);
    civil->year = (int)(year_of_era + era * 400 + (civil->month <= 2));
}

static enum mailmod_error split(int64_t unix_ms, struct civil *civil)
{
    int64_t days = unix_ms / MS_PER_DAY;
    int64_t rest = unix_ms % MS_PER_DAY;
    if (rest < 0) {
        rest += MS_PER_DAY;
        days--;
    }
    if (days < days_from_civil(0, 1, 1) ||
        days > days_from_civil(9999, 12, 31)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    civil_from_days(days, civil);
    civil->weekday = (int)(((days + 4) % 7 + 7) % 7); /* day 0: a Thursday */
    rest /= 1000;
    civil->second = (int)(rest % 60);
    civil->minute = (int)(rest / 60 % 60);
    civil->hour = (int)(rest / 3600);
    return MAILMOD_OK;
}

static void put_two(char *at, int value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

static enum mailmod_error write_date(struct mm_buf *out, int64_t unix_ms,
                                     int zone_minutes)
{
    struct civil c;
    enum mailmod_error error =
        split(unix_ms + (int64_t)zone_minutes * MS_PER_MINUTE, &c);
    if (error != MAILMOD_OK) {
        return error;
    }
    char text[] = "Mon, 01 Jan 2000 00:00:00 +0000";
    int zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;
    memcpy(text, day_names[c.weekday], 3);
    put_two(text + 5, c.day);
    memcpy(text + 8, month_names[c.month - 1], 3);
    put_two(text + 12, c.year / 100);
    put_two(text + 14, c.year % 100);
    put_two(text + 17, c.hour);
    put_two(text + 20, c.minute);
    put_two(text + 23, c.second);
    text[26] = zone_minutes < 0 ? '-' : '+';
    put_two(text + 27, zone / 60);
    put_two(text + 29, zone % 60);
    return mm_buf_append(out, text, sizeof text - 1);
}

enum mailmod_error mm_datetime_rfc5322(struct mm_buf *out, int64_t unix_ms)
{
    return write_date(out, unix_ms, 0);
}

enum mailmod_error mm_datetime_rfc5322_in(struct mm_buf *out, int64_t unix_ms,
                                          int zone_minutes)
{
    if (zone_minutes < -MM_ZONE_MINUTES_MAX ||
        zone_minutes > MM_ZONE_MINUTES_MAX || unix_ms < -MS_YEARS_10000 ||
        unix_ms > MS_YEARS_10000) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return write_date(out, unix_ms, zone_minutes);
}

static bool take_char(struct mm_span *text, char c)
{
    mm_span_skip_comments(text);
    if (text->size == 0 || text->data[0] != c) {
        return false;
    }
    *text = mm_span_from(*text, 1);
    return true;
}

/* A number of `digits_min` to `digits_max` digits; -1: there is none. */
static int take_number(struct mm_span *text, size_t digits_min,
                       size_t digits_max, size_t *digits_out)
{
    size_t digits = 0;
    int value = 0;
    while (digits < text->size && mm_ascii_is_digit(text->data[digits]) &&
           digits <= digits_max) {
        value = value * 10 + (text->data[digits] - '0');
        digits++;
    }
    if (digits < digits_min || digits > digits_max) {
        return -1;
    }
    if (digits_out != NULL) {
        *digits_out = digits;
    }
    *text = mm_span_from(*text, digits);
    return value;
}

static struct mm_span take_letters(struct mm_span *text)
{
    size_t size = 0;
    mm_span_skip_comments(text);
    while (size < text->size && mm_ascii_is_alpha(text->data[size])) {
        size++;
    }
    struct mm_span word = mm_span(text->data, size);
    *text = mm_span_from(*text, size);
    return word;
}

static int find_name(struct mm_span word, const char (*names)[4], int count)
{
    for (int i = 0; i < count; i++) {
        if (mm_span_is_nocase(word, names[i])) {
            return i;
        }
    }
    return -1;
}

static bool is_day_of_month(int year, int month, int day)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30,
                                 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12) {
        return false;
    }
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day >= 1 && day <= days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

/* "12:34", "12:34:56", "12:34:56.789"; a second of 60 is a leap second. */
static bool take_time(struct mm_span *text, struct civil *civil, int *ms_out)
{
    *ms_out = 0;
    civil->hour = take_number(text, 1, 2, NULL);
    if (civil->hour < 0 || civil->hour > 23 || !take_char(text, ':')) {
        return false;
    }
    mm_span_skip_comments(text);
    civil->minute = take_number(text, 2, 2, NULL);
    civil->second = 0;
    if (civil->minute < 0 || civil->minute > 59) {
        return false;
    }
    if (!take_char(text, ':')) {
        return true;
    }
    mm_span_skip_comments(text);
    civil->second = take_number(text, 2, 2, NULL);
    if (civil->second < 0 || civil->second > 60) {
        return false;
    }
    if (text->size > 1 && text->data[0] == '.') {
        *text = mm_span_from(*text, 1);
        int weight = 100;
        size_t digits = 0;
        for (; digits < text->size && mm_ascii_is_digit(text->data[digits]);
             digits++) {
            *ms_out += weight * (text->data[digits] - '0');
            weight /= 10;
        }
        *text = mm_span_from(*text, digits);
        return digits > 0;
    }
    return true;
}

/* "+0100" or, in RFC 3339, "+01:00". */
static bool take_offset(struct mm_span *text, int *minutes_out)
{
    int sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
    int hours = sign != 0 ? take_number(text, 2, 4, NULL) : -1;
    int minutes = hours % 100;
    if (hours < 0) {
        return false;
    }
    if (text->size > 0 && text->data[0] == ':') {
        *text = mm_span_from(*text, 1);
        minutes = take_number(text, 2, 2, NULL);
    } else {
        hours /= 100;
    }
    *minutes_out = sign * (hours * 60 + minutes);
    return hours < 24 && minutes >= 0 && minutes < 60;
}

/* RFC 5322 4.3: the names of North America and of Greenwich; all others, the
 * military letters too, say nothing that can be believed. */
static bool take_zone(struct mm_span *text, int *minutes_out)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    *minutes_out = 0;
    mm_span_skip_comments(text);
    if (text->size > 0 && (text->data[0] == '+' || text->data[0] == '-')) {
        return take_offset(text, minutes_out);
    }
    struct mm_span name = take_letters(text);
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        if (mm_span_is_nocase(name, zones[i].name)) {
            *minutes_out = zones[i].hours * 60;
        }
    }
    return name.size > 0;
}

/* RFC 5322 4.3: two digits are 1950 to 2049, three are from 1900 on. */
static int full_year(int year, size_t digits)
{
    if (digits == 2) {
        return year + (year < 50 ? 2000 : 1900);
    }
    return digits == 3 ? year + 1900 : year;
}

/* [day-of-week [","]] day month year time zone */
static bool take_rfc5322(struct mm_span *text, struct civil *civil, int *ms_out,
                         int *zone_out)
{
    size_t digits = 0;
    struct mm_span weekday = take_letters(text);
    if (weekday.size > 0) {
        (void)take_char(text, ',');
        if (weekday.size < 3 ||
            find_name(mm_span(weekday.data, 3), day_names, 7) < 0) {
            return false;
        }
    }
    mm_span_skip_comments(text);
    civil->day = take_number(text, 1, 2, NULL);
    if (civil->day < 0) {
        return false;
    }
    (void)take_char(text, '-'); /* "21-Nov-2026" of some */
    civil->month = find_name(take_letters(text), month_names, 12) + 1;
    (void)take_char(text, '-');
    mm_span_skip_comments(text);
    civil->year = take_number(text, 2, 4, &digits);
    if (civil->month < 1 || civil->year < 0) {
        return false;
    }
    civil->year = full_year(civil->year, digits);
    mm_span_skip_comments(text);
    return take_time(text, civil, ms_out) && take_zone(text, zone_out);
}

/* 2026-11-21T06:30:18.5+01:00; a blank may stand for the T (RFC 3339 5.6). */
static bool take_rfc3339(struct mm_span *text, struct civil *civil, int *ms_out,
                         int *zone_out)
{
    civil->year = take_number(text, 4, 4, NULL);
    if (civil->year < 0 || !take_char(text, '-')) {
        return false;
    }
    civil->month = take_number(text, 2, 2, NULL);
    if (civil->month < 0 || !take_char(text, '-')) {
        return false;
    }
    civil->day = take_number(text, 2, 2, NULL);
    if (civil->day < 0 || text->size == 0 ||
        strchr("Tt ", text->data[0]) == NULL || text->data[0] == '\0') {
        return false;
    }
    *text = mm_span_from(*text, 1);
    if (!take_time(text, civil, ms_out)) {
        return false;
    }
    *zone_out = 0;
    return take_char(text, 'Z') || take_char(text, 'z') ||
           take_offset(text, zone_out);
}

bool mm_datetime_parse(struct mm_span text, struct mm_datetime *date_out)
{
    struct civil c = {0};
    int ms = 0;
    int zone = 0;
    mm_span_skip_comments(&text);
    bool is_rfc3339 = text.size > 4 && text.data[4] == '-';
    bool is_date = is_rfc3339 ? take_rfc3339(&text, &c, &ms, &zone)
                              : take_rfc5322(&text, &c, &ms, &zone);
    mm_span_skip_comments(&text);
    if (!is_date || text.size > 0 || !is_day_of_month(c.year, c.month, c.day)) {
        return false;
    }
    int64_t minutes =
        days_from_civil(c.year, c.month, c.day) * MINUTES_PER_DAY +
        c.hour * 60 + c.minute - zone;
    date_out->unix_ms = minutes * MS_PER_MINUTE + c.second * 1000 + ms;
    date_out->zone_minutes = zone;
    return true;
}
