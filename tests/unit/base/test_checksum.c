/* test_checksum.c - XXH64's own values, and that a changed octet is seen
 * wherever it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/checksum.h"

#include <string.h>

static void test_known_values(void **state)
{
    (void)state;
    assert_true(mm_checksum(mm_span(NULL, 0)) == 0xEF46DB3751D8E999u);
    assert_true(mm_checksum(mm_span_cstr("a")) == 0xD24EC4F1A98C6E5Bu);
    assert_true(mm_checksum(mm_span_cstr("abc")) == 0x44BC2CF5AD770999u);
    /* Longer than a stripe: all four lanes, words and octets behind them. */
    assert_true(
        mm_checksum(mm_span_cstr("Nobody inspects the spammish repetition")) ==
        0xFBCEA83C8A378BF1u);
}

static void test_each_octet_counts(void **state)
{
    (void)state;
    char data[101];
    memset(data, 'x', sizeof data);
    uint64_t whole = mm_checksum(mm_span(data, sizeof data));
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] ^= 1;
        assert_true(mm_checksum(mm_span(data, sizeof data)) != whole);
        data[i] ^= 1;
    }
    assert_true(mm_checksum(mm_span(data, sizeof data)) == whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_each_octet_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
