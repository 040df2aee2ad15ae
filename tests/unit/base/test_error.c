/* test_error.c - every code has one name and one text, and so has any other
 * value: the list in mailmod/error.h is checked against itself.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

#include <string.h>

static const struct {
    enum mailmod_error error;
    int code;
    const char *name;
} codes[] = {{MAILMOD_OK, 0, "OK"},
#define CODE(name, code, text) {MAILMOD_ERROR_##name, code, #name},
             MAILMOD_ERROR_LIST(CODE)
#undef CODE
};

enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

static void test_names_and_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODE_COUNT; i++) {
        assert_int_equal(codes[i].error, codes[i].code);
        assert_string_equal(mm_error_name(codes[i].error), codes[i].name);
        assert_true(strlen(mm_error_text(codes[i].error)) > 3);
    }
    assert_string_equal(mm_error_text(MAILMOD_ERROR_MEMORY), "out of memory");
}

/* Codes are part of the ABI: each is its own, negative, and so is its text. */
static void test_are_distinct(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODE_COUNT; i++) {
        for (size_t j = i + 1; j < CODE_COUNT; j++) {
            assert_true(codes[j].code < 0);
            assert_int_not_equal(codes[i].code, codes[j].code);
            assert_string_not_equal(mm_error_text(codes[i].error),
                                    mm_error_text(codes[j].error));
        }
    }
}

static void test_unknown(void **state)
{
    static const int unknown[] = {1, 99, -1, -99, -9999, -123456};
    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        enum mailmod_error error = (enum mailmod_error)unknown[i];
        assert_string_equal(mm_error_name(error), "UNKNOWN");
        assert_string_equal(mm_error_text(error), "unknown error");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_texts),
        cmocka_unit_test(test_are_distinct),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
