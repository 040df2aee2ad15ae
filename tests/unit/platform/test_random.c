/* test_random.c - octets from the system: all of them, and not the same.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/random.h"

#include <string.h>

enum { BIG = 100000 };

/* Every octet is written (a zero twice in one place has one chance in 65536
 * at each, so a run of 16 zeros means that it was not). */
static void test_fills(void **state)
{
    static unsigned char bytes[BIG + 1];
    int zeros = 0;
    (void)state;
    assert_int_equal(mm_random(bytes, BIG), MAILMOD_OK);
    assert_int_equal(bytes[BIG], 0);
    for (int i = 0; i < BIG; i++) {
        zeros = bytes[i] == 0 ? zeros + 1 : 0;
        assert_true(zeros < 16);
    }
}

static void test_differs(void **state)
{
    unsigned char a[16] = {0};
    unsigned char b[16] = {0};
    (void)state;
    assert_int_equal(mm_random(a, sizeof a), MAILMOD_OK);
    assert_int_equal(mm_random(b, sizeof b), MAILMOD_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(mm_random(NULL, 0), MAILMOD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
