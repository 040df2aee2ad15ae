/* test_siphash.c - SipHash-2-4 against the vectors that its authors published.
 * Key 00 01 .. 0f; the message of row n is 00 01 .. n-1. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"

static const struct {
    size_t size;
    uint64_t hash;
} vectors[] = {
    {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
    {2, UINT64_C(0x0d6c8009d9a94f5a)},  {3, UINT64_C(0x85676696d7fb7e2d)},
    {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
    {15, UINT64_C(0xa129ca6149be45e5)}, {16, UINT64_C(0x3f2acc7f57c29bdb)},
};

static void test_vectors(void **state)
{
    char message[64];
    (void)state;
    for (int i = 0; i < 64; i++) {
        message[i] = (char)i;
    }
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint64_t hash = mm_siphash(mm_span(message, vectors[i].size),
                                   UINT64_C(0x0706050403020100),
                                   UINT64_C(0x0f0e0d0c0b0a0908));
        assert_true(hash == vectors[i].hash);
    }
}

static void test_empty(void **state)
{
    (void)state;
    assert_true(mm_siphash(mm_span(NULL, 0), 1, 2) ==
                mm_siphash(mm_span_cstr(""), 1, 2));
    assert_false(mm_siphash(mm_span_cstr(""), 1, 2) ==
                 mm_siphash(mm_span_cstr(""), 2, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
