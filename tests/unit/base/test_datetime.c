/* test_datetime.c - dates out and in; expectations were computed with another
 * calendar (GNU date). Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/datetime.h"

#include <string.h>

#define S(seconds) (INT64_C(seconds) * 1000)

static const struct {
    int64_t unix_ms;
    const char *rfc5322;
    const char *rfc3339;
} written[] = {
    {0, "Thu, 01 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"},
    {-1, "Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59.999Z"},
    {S(1795242618) + 123, "Sat, 21 Nov 2026 06:30:18 +0000",
     "2026-11-21T06:30:18.123Z"},
    {S(951782400), "Tue, 29 Feb 2000 00:00:00 +0000",
     "2000-02-29T00:00:00.000Z"},
    {S(4107542400), "Mon, 01 Mar 2100 00:00:00 +0000",
     "2100-03-01T00:00:00.000Z"},
    {S(2147483648), "Tue, 19 Jan 2038 03:14:08 +0000",
     "2038-01-19T03:14:08.000Z"},
    {S(253402300799), "Fri, 31 Dec 9999 23:59:59 +0000",
     "9999-12-31T23:59:59.000Z"},
    {S(-62167219200), "Sat, 01 Jan 0000 00:00:00 +0000",
     "0000-01-01T00:00:00.000Z"},
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
        mm_buf_clear(&out);
        assert_int_equal(mm_datetime_rfc3339(&out, written[i].unix_ms),
                         MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), written[i].rfc3339);
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
        assert_int_equal(mm_datetime_rfc3339(&out, times[i]),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mm_buf_size(&out), 0);
        mm_buf_fini(&out);
    }
}

static const struct {
    const char *text;
    int64_t unix_ms;
} read_rows[] = {
    {"Sat, 21 Nov 2026 06:30:18 +0000", S(1795242618)},
    {"21 Nov 2026 06:30:18 +0000", S(1795242618)},
    {"Sat, 21 Nov 2026 07:30:18 +0100", S(1795242618)},
    {"Fri, 20 Nov 2026 22:00:18 -0830", S(1795242618)},
    {"Sat,21 Nov 2026 06:30:18 -0000", S(1795242618)},
    {"sat, 21 nOV 2026 06:30:18 gmt", S(1795242618)},
    {"Sat, 21 Nov 2026 01:30:18 EST", S(1795242618)},
    {"Sat, 21 Nov 2026 02:30:18 EDT", S(1795242618)},
    {"Sat, 21 Nov 2026 00:30:18 CST", S(1795242618)},
    {"Fri, 20 Nov 2026 22:30:18 PST", S(1795242618)},
    {"Fri, 20 Nov 2026 23:30:18 PDT", S(1795242618)},
    {"Sat, 21 Nov 2026 06:30:18 UT", S(1795242618)},
    {"Sat, 21 Nov 2026 06:30:18 Z", S(1795242618)},
    {"Sat, 21 Nov 2026 06:30:18 A", S(1795242618)},
    {"Sat, 21 Nov 2026 06:30:18 CEST", S(1795242618)},
    {"Sat, 21 Nov 2026 06:30:18", S(1795242618)},
    {"Sat, 21 Nov 26 06:30:18 +0000", S(1795242618)},
    {"Sat, 21 Nov 126 06:30:18 +0000", S(1795242618)},
    {"Mon, 21 Nov 2026 06:30:18 +0000", S(1795242618)},
    {"Sat 21 Nov 2026 06:30:18 +0000", S(1795242618)},
    {"Sat, 21 Nov 2026 06:30:18 +0000 (UTC)", S(1795242618)},
    {"Sat, 21 Nov 2026 06:30:18 +0000 (a (b\\)) c)", S(1795242618)},
    {"(x) Sat (x) , (x) 21 (x) Nov (x) 2026 (x) 06 (x) : (x) 30 : 18 +0000",
     S(1795242618)},
    {"Sat,\r\n\t21 Nov 2026 06:30:18 +0000\r\n", S(1795242618)},
    {"Thu, 1 Jan 1970 0:00 +0000", 0},
    {"Wed, 31 Dec 1969 23:59:59 GMT", S(-1)},
    {"31 Dec 99 23:59:59 +0000", S(946684799)},
    {"31 Dec 49 23:59:59 +0000", S(2524607999)},
    {"31 Dec 50 23:59:59 +0000", S(-599616001)},
    {"Tue, 29 Feb 2000 00:00:00 +0000", S(951782400)},
    {"31 Dec 2016 23:59:60 +0000", S(1483228800)},
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read_rows / sizeof read_rows[0]; i++) {
        int64_t unix_ms = 42;
        assert_int_equal(mm_datetime_parse_rfc5322(
                             mm_span_cstr(read_rows[i].text), &unix_ms),
                         MAILMOD_OK);
        assert_int_equal(unix_ms, read_rows[i].unix_ms);
    }
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "Sat",
        "Sat,",
        "21 Nov",
        "21 Nov 2026",
        "Xyz, 21 Nov 2026 06:30:18 +0000",
        "21 Foo 2026 06:30:18 +0000",
        "21 November 2026 06:30:18 +0000",
        "0 Nov 2026 06:30:18 +0000",
        "31 Nov 2026 06:30:18 +0000",
        "29 Feb 2026 06:30:18 +0000",
        "29 Feb 2100 06:30:18 +0000",
        "121 Nov 2026 06:30:18 +0000",
        "21 Nov 12026 06:30:18 +0000",
        "21 Nov 1899 06:30:18 +0000",
        "21 Nov 6 06:30:18 +0000",
        "21 Nov 2026 24:00:00 +0000",
        "21 Nov 2026 06:60:00 +0000",
        "21 Nov 2026 06:30:61 +0000",
        "21 Nov 2026 06:3:00 +0000",
        "21 Nov 2026 06:30:0 +0000",
        "21 Nov 2026 06 30 +0000",
        "21 Nov 2026 06:30: +0000",
        "21 Nov 2026 06:30:18 +000",
        "21 Nov 2026 06:30:18 +00000",
        "21 Nov 2026 06:30:18 +0060",
        "21 Nov 2026 06:30:18 +0000 x",
        "21 Nov 2026 06:30:18 (open",
        "21 Nov 2026 06:30:18 +0000 (open\\)",
        "2026-11-21T06:30:18Z",
        "-1 Nov 2026 06:30:18 +0000",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t unix_ms = 42;
        assert_int_equal(
            mm_datetime_parse_rfc5322(mm_span_cstr(texts[i]), &unix_ms),
            MAILMOD_ERROR_SYNTAX);
        assert_int_equal(unix_ms, 42);
    }
}

/* Every day of eight centuries comes back as it was, whatever the hour. */
static void test_round_trip(void **state)
{
    struct mm_buf out;
    (void)state;
    mm_buf_init(&out, 64);
    for (int64_t day = -25567; day < 266000; day += 3) {
        int64_t unix_ms =
            (day * 86400 + (day * 7919 % 86400 + 86400) % 86400) * 1000;
        int64_t back = 0;
        mm_buf_clear(&out);
        assert_int_equal(mm_datetime_rfc5322(&out, unix_ms), MAILMOD_OK);
        assert_int_equal(mm_datetime_parse_rfc5322(mm_buf_span(&out), &back),
                         MAILMOD_OK);
        assert_int_equal(back, unix_ms);
    }
    mm_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),    cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_read),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
