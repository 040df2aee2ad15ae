/* test_datetime.c - dates out and in; expectations were computed with another
 * calendar (GNU date). Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/datetime.h"

#define S(seconds) (INT64_C(seconds) * 1000)

static const struct {
    int64_t unix_ms;
    const char *rfc5322;
} written[] = {
    {0, "Thu, 01 Jan 1970 00:00:00 +0000"},
    {-1, "Wed, 31 Dec 1969 23:59:59 +0000"},
    {S(1795242618) + 123, "Sat, 21 Nov 2026 06:30:18 +0000"},
    {S(951782400), "Tue, 29 Feb 2000 00:00:00 +0000"},
    {S(4107542400), "Mon, 01 Mar 2100 00:00:00 +0000"},
    {S(2147483648), "Tue, 19 Jan 2038 03:14:08 +0000"},
    {S(253402300799), "Fri, 31 Dec 9999 23:59:59 +0000"},
    {S(-62167219200), "Sat, 01 Jan 0000 00:00:00 +0000"},
};

static void test_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct mm_buf out;
        mm_buf_init(&out, 64);
        assert_int_equal(mm_datetime_rfc5322(&out, written[i].unix_ms),
                         MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), written[i].rfc5322);
        mm_buf_fini(&out);
    }
}

static void test_out_of_range(void **state)
{
    static const int64_t times[] = {S(253402300800), S(-62167219201), INT64_MAX,
                                    INT64_MIN};
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct mm_buf out;
        mm_buf_init(&out, 64);
        assert_int_equal(mm_datetime_rfc5322(&out, times[i]),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mm_buf_size(&out), 0);
        mm_buf_fini(&out);
    }
}

static void test_written_in_a_zone(void **state)
{
    static const struct {
        int64_t unix_ms;
        int zone_minutes;
        const char *rfc5322; /* NULL: ARGUMENT */
    } rows[] = {
        {S(1795242618), 60, "Sat, 21 Nov 2026 07:30:18 +0100"},
        {S(1795242618), -570, "Fri, 20 Nov 2026 21:00:18 -0930"},
        {S(1795242618), 1439, "Sun, 22 Nov 2026 06:29:18 +2359"},
        {S(1795242618), 1440, NULL},
        {S(253402300799), 1, NULL},
        {INT64_MAX, 1, NULL},
        {INT64_MIN, -1, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_buf out;
        mm_buf_init(&out, 64);
        enum mailmod_error error =
            mm_datetime_rfc5322_in(&out, rows[i].unix_ms, rows[i].zone_minutes);
        assert_int_equal(error, rows[i].rfc5322 == NULL ? MAILMOD_ERROR_ARGUMENT
                                                        : MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out),
                            rows[i].rfc5322 != NULL ? rows[i].rfc5322 : "");
        mm_buf_fini(&out);
    }
}

static const struct {
    const char *text;
    int64_t unix_ms;
    int zone_minutes;
} read_dates[] = {
    {"Sat, 21 Nov 2026 06:30:18 +0000", S(1795242618), 0},
    {"21 Nov 2026 07:30 +0100", S(1795242600), 60},
    {" Sat,\r\n\t21 nov 2026 (St. Nicholas (soon)) 06:30:18 GMT ",
     S(1795242618), 0},
    {"Sat 21-Nov-26 01:30:18 EST", S(1795242618), -300},
    {"Mon, 04 Mar 2024 05:10:43 -0800 (PST)", S(1709557843), -480},
    {"Sunday, 06-Nov-94 08:49:37 GMT", S(784111777), 0},
    {"1 Jan 70 00:00:00 -0000", 0, 0},
    {"1 Jan 100 00:00:00 +0000", S(946684800), 0}, /* of the year 2000 */
    {"29 Feb 2000 00:00:00 Z", S(951782400), 0},
    {"31 Dec 1969 23:59:60 UT", 0, 0}, /* a leap second */
    {"2026-11-21T06:30:18Z", S(1795242618), 0},
    {"2026-11-21t07:30:18.123456+01:00", S(1795242618) + 123, 60},
    {"2026-11-21 06:30:18z", S(1795242618), 0},
};

static const char *const no_dates[] = {
    "",
    "now",
    "Sat, 21 Nov 2026",
    "Sat, 21 Nov 2026 06:30:18",
    "Sat, 21 Nov 2026 06:30:18 +0000 again",
    "Xyz, 21 Nov 2026 06:30:18 +0000",
    "29 Feb 2100 00:00:00 +0000",
    "31 Apr 2026 00:00:00 +0000",
    "0 Apr 2026 00:00:00 +0000",
    "1 Apr 2026 24:00:00 +0000",
    "1 Apr 2026 00:60:00 +0000",
    "1 Apr 2026 00:00:61 +0000",
    "1 Apr 2026 00:00:00 +2400",
    "1 Apr 2026 00:00:00 +0160",
    "1 Apr 2026 00:00:00 +1",
    "1 Apr 20261 00:00:00 +0000",
    "1 Foo 2026 00:00:00 +0000",
    "2026-13-01T00:00:00Z",
    "2026-11-21T06:30:18",
    "2026-11-21T06:30:18.Z",
    "2026-11-21T06:30:18+01:60",
    "(",
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read_dates / sizeof read_dates[0]; i++) {
        struct mm_datetime date;
        assert_true(mm_datetime_parse(mm_span_cstr(read_dates[i].text), &date));
        assert_int_equal(date.unix_ms, read_dates[i].unix_ms);
        assert_int_equal(date.zone_minutes, read_dates[i].zone_minutes);
    }
    for (size_t i = 0; i < sizeof no_dates / sizeof no_dates[0]; i++) {
        struct mm_datetime date;
        assert_false(mm_datetime_parse(mm_span_cstr(no_dates[i]), &date));
    }
}

/* What is written is read, in every zone. */
static void test_there_and_back(void **state)
{
    (void)state;
    for (int64_t ms = S(-62000000000); ms < S(253000000000);
         ms += S(1234567891)) {
        int zone = (int)(ms / 1000 % MM_ZONE_MINUTES_MAX);
        struct mm_datetime date;
        struct mm_buf out;
        mm_buf_init(&out, 64);
        assert_int_equal(mm_datetime_rfc5322_in(&out, ms, zone), MAILMOD_OK);
        assert_true(mm_datetime_parse(mm_buf_span(&out), &date));
        assert_int_equal(date.unix_ms, ms);
        assert_int_equal(date.zone_minutes, zone);
        mm_buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_written_in_a_zone),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
