/* test_pattern.c - regular expressions of rules: what matches, what is no
 * pattern, and that nothing takes long. Thread: the test's. */
#include "base/mem.h"
#include "base/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *pattern;
    bool ignores_case;
    const char *yes, *no; /* NULL: none to ask */
};

static const struct row rows[] = {
    {"abc", false, "xxabcxx", "abxc"},
    {"abc", true, "ABC", "ab"},
    {"abc", false, NULL, "ABC"},
    {"", false, "anything", NULL},
    {"^a", false, "ab", "ba"},
    {"^b", false, "a\nb", "ab"},
    {"b$", false, "ab", "ba"},
    {"a.c", false, "abc", "a\nc"},
    {"a*b", false, "b", "a"},
    {"a+b", false, "aab", "b"},
    {"^a?b$", false, "ab", "aab"},
    {"^a{2}$", false, "aa", "aaa"},
    {"^a{2,}$", false, "aaaa", "a"},
    {"^a{1,3}$", false, "aaa", "aaaa"},
    {"^a{0,2}b$", false, "aab", "aaab"},
    {"^a{0,2}b$", false, "b", NULL},
    {"^xa{0}b$", false, "xb", "xab"},
    {"^(ab|cd)+$", false, "abcdab", "abc"},
    {"^(a|b|c)d$", false, "cd", "dd"},
    {"^(|x)y$", false, "y", "xxy"},
    {"^(ab){2,3}$", false, "ababab", "ab"},
    {"^((a|b)c){2}$", false, "acbc", "ac"},
    {"[0-9]", false, "a1", "ab"},
    {"^[^@\\-]+$", false, "abc", "a-b"},
    {"[]x]", false, "]", "a"},
    {"[a-]", false, "-", "b"},
    {"^[A-Z]$", true, "q", "1"},
    {"\\.", false, ".", "a"},
    {"\\x41\\o102\\067\\065", false, "AB75", "AB7A"},
    {"a\\n\\r\\t", false, "a\n\r\t", "anrt"},
    /* of the original engine's manual */
    {".+\\.[a-z]{2,4}", false, "mx.example.com", "localhost"},
    {"\\[64.156.215.*\\]", false, "From a (b [64.156.215.9]) x", "[64.1.2.3]"},
    {"(a*)*b", false, "b", "c"},
    {"(a|a)*$", false, "", NULL},
    {"a*?b", false, "aab", "a"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_pattern *pattern;

        if (mm_pattern_new(&pattern, mm_span_cstr(rows[i].pattern),
                           rows[i].ignores_case, NULL) != MAILMOD_OK) {
            fail_msg("%s: no pattern", rows[i].pattern);
        }
        if ((rows[i].yes != NULL &&
             !mm_pattern_matches(pattern, mm_span_cstr(rows[i].yes))) ||
            (rows[i].no != NULL &&
             mm_pattern_matches(pattern, mm_span_cstr(rows[i].no)))) {
            fail_msg("%s", rows[i].pattern);
        }
        mm_pattern_free(&pattern);
    }
}

static void test_mistakes(void **state)
{
    static const char *const wrong[] = {"*a",    "(",      "a)",   "[a",
                                        "[z-a]", "a{",     "a{x}", "a{3,1}",
                                        "\\",    "a{999}", "a**"};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct mm_pattern *pattern;
        struct mm_buf words;

        mm_buf_init(&words, 200);
        if (mm_pattern_new(&pattern, mm_span_cstr(wrong[i]), false, &words) !=
            MAILMOD_ERROR_SYNTAX) {
            fail_msg("%s", wrong[i]);
        }
        assert_null(pattern);
        assert_true(mm_buf_size(&words) > 0);
        mm_buf_fini(&words);
    }
}

/* What takes others exponential time; what is too large or too deep. */
static void test_bounds(void **state)
{
    struct mm_pattern *pattern;
    char text[4096];
    char deep[200];

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(mm_pattern_new(&pattern,
                                    mm_span_cstr("^(a|aa|a*)*(a*)*(a+)+b$"),
                                    false, NULL),
                     MAILMOD_OK);
    assert_false(mm_pattern_matches(pattern, mm_span(text, sizeof text)));
    mm_pattern_free(&pattern);
    assert_int_equal(mm_pattern_new(&pattern,
                                    mm_span_cstr("((a{100}){100}){100}"), false,
                                    NULL),
                     MAILMOD_ERROR_LIMIT);
    memset(deep, '(', sizeof deep);
    assert_int_equal(
        mm_pattern_new(&pattern, mm_span(deep, sizeof deep), false, NULL),
        MAILMOD_ERROR_SYNTAX);
}

static void test_no_memory(void **state)
{
    struct mm_pattern *pattern;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    (void)state;
    for (unsigned n = 1; error == MAILMOD_ERROR_MEMORY; n++) {
        mm_mem_set_fault(n, 1);
        error =
            mm_pattern_new(&pattern, mm_span_cstr("(a|b){20}"), false, NULL);
        mm_mem_set_fault(0, 0);
    }
    assert_int_equal(error, MAILMOD_OK);
    mm_mem_set_fault(1, 1);
    assert_false(mm_pattern_matches(pattern, mm_span_cstr("")));
    mm_mem_set_fault(0, 0);
    mm_pattern_free(&pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
