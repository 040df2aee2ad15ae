/* test_datetime.c - dates out; expectations were computed with another
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
