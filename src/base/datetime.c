/* datetime.c - dates of mail without libc's calendar.
 *
 * Pure: the caller supplies the time. Own arithmetic instead of gmtime and
 * strftime because those know locales, zones and 32-bit time_t. Writes UTC
 * alone, years 0 to 9999.
 * Thread: any. RFC 5322 section 3.3. */
#include "base/datetime.h"

#include <string.h>

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

enum mailmod_error mm_datetime_rfc5322(struct mm_buf *out, int64_t unix_ms)
{
    struct civil c;
    enum mailmod_error error = split(unix_ms, &c);
    if (error != MAILMOD_OK) {
        return error;
    }
    char text[] = "Mon, 01 Jan 2000 00:00:00 +0000";
    memcpy(text, day_names[c.weekday], 3);
    put_two(text + 5, c.day);
    memcpy(text + 8, month_names[c.month - 1], 3);
    put_two(text + 12, c.year / 100);
    put_two(text + 14, c.year % 100);
    put_two(text + 17, c.hour);
    put_two(text + 20, c.minute);
    put_two(text + 23, c.second);
    return mm_buf_append(out, text, sizeof text - 1);
}
