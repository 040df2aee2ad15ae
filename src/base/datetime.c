/* datetime.c - dates of mail without libc's calendar.
 *
 * Pure: the caller supplies the time. Own arithmetic instead of gmtime and
 * strptime because those know locales, zones and 32-bit time_t. Writes UTC
 * alone, years 0 to 9999. Reads RFC 5322 section 3.3 with section 4.3's
 * obsolete years and zones, comments and folding white space anywhere
 * between the parts, and two things peers do: no zone at all (then UTC) and
 * a day name that does not fit the date (then the date counts).
 * Thread: any. RFC 5322 sections 3.2.2, 3.3, 4.3; RFC 3339 section 5.6. */
#include "base/datetime.h"

enum { MS_PER_DAY = 86400000 };

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
    int millisecond;
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
    civil->millisecond = (int)(rest % 1000);
    rest /= 1000;
    civil->second = (int)(rest % 60);
    civil->minute = (int)(rest / 60 % 60);
    civil->hour = (int)(rest / 3600);
    return MAILMOD_OK;
}

enum mailmod_error mm_datetime_rfc5322(struct mm_buf *out, int64_t unix_ms)
{
    struct civil c;
    enum mailmod_error error = split(unix_ms, &c);
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_buf_appendf(out, "%s, %02d %s %04d %02d:%02d:%02d +0000",
                          day_names[c.weekday], c.day, month_names[c.month - 1],
                          c.year, c.hour, c.minute, c.second);
}

enum mailmod_error mm_datetime_rfc3339(struct mm_buf *out, int64_t unix_ms)
{
    struct civil c;
    enum mailmod_error error = split(unix_ms, &c);
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_buf_appendf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year,
                          c.month, c.day, c.hour, c.minute, c.second,
                          c.millisecond);
}

/* Past white space and comments: CFWS of RFC 5322 3.2.2. Comments nest; a
 * count and no recursion, so that depth costs nothing. False: one is open. */
static bool skip_cfws(struct mm_span *text)
{
    size_t depth = 0;
    size_t at = 0;
    for (; at < text->size; at++) {
        char c = text->data[at];
        if (c == '(') {
            depth++;
        } else if (depth > 0 && c == ')') {
            depth--;
        } else if (depth > 0 && c == '\\') {
            at++; /* quoted-pair */
        } else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' &&
                   c != '\n') {
            break;
        }
    }
    *text = mm_span_from(*text, at);
    return depth == 0;
}

static struct mm_span take_while(struct mm_span *text, bool (*is_wanted)(int))
{
    size_t size = 0;
    while (size < text->size && is_wanted((unsigned char)text->data[size])) {
        size++;
    }
    struct mm_span taken = mm_span(text->data, size);
    *text = mm_span_from(*text, size);
    return taken;
}

/* digits_min to digits_max digits, then CFWS. */
static bool take_number(struct mm_span *text, size_t digits_min,
                        size_t digits_max, int *value_out, size_t *digits_out)
{
    struct mm_span digits = take_while(text, mm_ascii_is_digit);
    uint64_t value;
    if (digits.size < digits_min || digits.size > digits_max ||
        !mm_span_to_u64(digits, &value)) {
        return false;
    }
    *value_out = (int)value;
    if (digits_out != NULL) {
        *digits_out = digits.size;
    }
    return skip_cfws(text);
}

static bool take_char(struct mm_span *text, char wanted)
{
    if (text->size == 0 || text->data[0] != wanted) {
        return false;
    }
    *text = mm_span_from(*text, 1);
    return skip_cfws(text);
}

static int index_of(struct mm_span name, const char (*names)[4], int count)
{
    for (int i = 0; i < count; i++) {
        if (mm_span_is_nocase(name, names[i])) {
            return i;
        }
    }
    return -1;
}

/* [ day-name "," ]  - the comma is what some peers leave out. */
static bool take_day_name(struct mm_span *text)
{
    struct mm_span name = take_while(text, mm_ascii_is_alpha);
    if (name.size == 0) {
        return true;
    }
    if (index_of(name, day_names, 7) < 0 || !skip_cfws(text)) {
        return false;
    }
    if (text->size > 0 && text->data[0] == ',') {
        return take_char(text, ',');
    }
    return true;
}

static int month_days(int year, int month)
{
    static const char days[12] = {31, 28, 31, 30, 31, 30,
                                  31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

/* date = day month year; obs-year of RFC 5322 4.3: two digits 00-49 are
 * 2000 on, 50-99 are 1900 on, three digits are counted from 1900. */
static bool take_date(struct mm_span *text, struct civil *civil)
{
    if (!take_number(text, 1, 2, &civil->day, NULL)) {
        return false;
    }
    civil->month =
        index_of(take_while(text, mm_ascii_is_alpha), month_names, 12) + 1;
    size_t digits;
    if (civil->month == 0 || !skip_cfws(text) ||
        !take_number(text, 2, 4, &civil->year, &digits)) {
        return false;
    }
    if (digits == 2) {
        civil->year += civil->year < 50 ? 2000 : 1900;
    } else if (digits == 3) {
        civil->year += 1900;
    }
    return civil->year >= 1900 && civil->day >= 1 &&
           civil->day <= month_days(civil->year, civil->month);
}

/* time-of-day = hour ":" minute [ ":" second ] */
static bool take_time(struct mm_span *text, struct civil *civil)
{
    civil->second = 0;
    if (!take_number(text, 1, 2, &civil->hour, NULL) || !take_char(text, ':') ||
        !take_number(text, 2, 2, &civil->minute, NULL)) {
        return false;
    }
    if (text->size > 0 && text->data[0] == ':') {
        if (!take_char(text, ':') ||
            !take_number(text, 2, 2, &civil->second, NULL)) {
            return false;
        }
    }
    /* 60: a leap second, RFC 5322 3.3. */
    return civil->hour <= 23 && civil->minute <= 59 && civil->second <= 60;
}

/* obs-zone: the North American names; "UT", "GMT", the military letters
 * (which RFC 822 defined the wrong way round) and all other names are UTC by
 * RFC 5322 4.3. */
static int named_zone(struct mm_span name)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"EDT", -4}, {"EST", -5}, {"CDT", -5}, {"CST", -6},
                 {"MDT", -6}, {"MST", -7}, {"PDT", -7}, {"PST", -8}};
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        if (mm_span_is_nocase(name, zones[i].name)) {
            return zones[i].hours * 60;
        }
    }
    return 0;
}

static bool take_zone(struct mm_span *text, int *minutes_out)
{
    *minutes_out = 0;
    if (text->size == 0) {
        return true;
    }
    char sign = text->data[0];
    if (sign != '+' && sign != '-') {
        struct mm_span name = take_while(text, mm_ascii_is_alpha);
        *minutes_out = named_zone(name);
        return name.size > 0 && skip_cfws(text);
    }
    *text = mm_span_from(*text, 1);
    int zone;
    if (!take_number(text, 4, 4, &zone, NULL) || zone % 100 > 59) {
        return false;
    }
    *minutes_out = zone / 100 * 60 + zone % 100;
    if (sign == '-') {
        *minutes_out = -*minutes_out;
    }
    return true;
}

enum mailmod_error mm_datetime_parse_rfc5322(struct mm_span text,
                                             int64_t *unix_ms_out)
{
    struct civil civil = {0};
    int zone_minutes;
    if (!skip_cfws(&text) || !take_day_name(&text) ||
        !take_date(&text, &civil) || !take_time(&text, &civil) ||
        !take_zone(&text, &zone_minutes) || text.size != 0) {
        return MAILMOD_ERROR_SYNTAX;
    }
    int64_t seconds =
        days_from_civil(civil.year, civil.month, civil.day) * 86400 +
        civil.hour * 3600 + (civil.minute - zone_minutes) * 60 + civil.second;
    *unix_ms_out = seconds * 1000;
    return MAILMOD_OK;
}
