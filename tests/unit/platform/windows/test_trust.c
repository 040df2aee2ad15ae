/* test_trust.c - the system's authorities are there, each a certificate.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "platform/trust.h"

static void count_one(void *context, struct mm_span der)
{
    unsigned *count = context;
    const unsigned char *bytes = (const unsigned char *)der.data;
    /* A sequence with two octets of length, which is that of the whole. */
    assert_true(der.size > 200);
    assert_int_equal(bytes[0], 0x30);
    assert_int_equal(bytes[1], 0x82);
    assert_int_equal(bytes[2] * 256u + bytes[3] + 4, der.size);
    (*count)++;
}

static void test_each(void **state)
{
    unsigned count = 0;
    (void)state;
    assert_int_equal(mm_trust_each(count_one, &count), MAILMOD_OK);
    assert_true(count > 10);
}

/* Without memory to ask for its uses an authority is left out. */
static void test_no_memory(void **state)
{
    unsigned count = 0;
    (void)state;
    mm_mem_set_fault(1, 1);
    enum mailmod_error error = mm_trust_each(count_one, &count);
    mm_mem_set_fault(0, 0);
    assert_int_equal(error, MAILMOD_OK);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
