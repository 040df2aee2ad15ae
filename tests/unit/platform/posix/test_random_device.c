/* test_random_device.c - random.c where the kernel or a sandbox refuses
 * getrandom(2): the source is compiled in here with a refusing one.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

/* Gives a few octets, is interrupted, then refuses for good. */
static int call_count;

static ssize_t refusing_getrandom(unsigned char *at, size_t size, unsigned f)
{
    (void)f;
    call_count++;
    if (call_count == 1) {
        at[0] = 77;
        return size > 1 ? 1 : (ssize_t)size;
    }
    errno = call_count == 2 ? EINTR : ENOSYS;
    return -1;
}

#define getrandom refusing_getrandom
#include "platform/posix/random.c"
#undef getrandom

static void test_falls_back(void **state)
{
    static unsigned char bytes[4001];
    int zeros = 0;
    (void)state;
    call_count = 0;
    assert_int_equal(mm_random(bytes, 4000), MAILMOD_OK);
    assert_int_equal(call_count, 3);
    assert_int_equal(bytes[0], 77);
    assert_int_equal(bytes[4000], 0);
    for (int i = 0; i < 4000; i++) {
        zeros = bytes[i] == 0 ? zeros + 1 : 0;
        assert_true(zeros < 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_falls_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
