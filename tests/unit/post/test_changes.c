/* test_changes.c - the list of what judges want changed. */
#include "post/changes.h"

#include "base/limits.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_what_can_be_none(void **state)
{
    static const struct {
        struct mm_change change;
        enum mailmod_error expected;
    } rows[] = {
        {{MM_CHANGE_ADD_FIELD, 0, "X-A", "b"}, MAILMOD_OK},
        {{MM_CHANGE_ADD_FIELD, 0, "X A", "b"}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_SET_FIELD, 1, "X-A", NULL}, MAILMOD_OK},
        {{MM_CHANGE_INSERT_FIELD, 1, "X-A", "a\nb"}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_SENDER, 0, NULL, ""}, MAILMOD_OK},
        {{MM_CHANGE_SENDER, 0, NULL, "a@b.test"}, MAILMOD_OK},
        {{MM_CHANGE_SENDER, 0, NULL, "a b"}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_ADD_RECIPIENT, 0, NULL, "<a@b.test>"}, MAILMOD_OK},
        {{MM_CHANGE_ADD_RECIPIENT, 0, NULL, ""}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_REMOVE_RECIPIENT, 0, "", NULL}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_REDIRECT, 0, "", "a@b.test"}, MAILMOD_OK},
        {{MM_CHANGE_REDIRECT, 0, "x", "a@b.test"}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_FOLDER, 0, "", "Junk"}, MAILMOD_OK},
        {{MM_CHANGE_FOLDER, 0, "", "gr\xc3\xbc\xc3\x9f"}, MAILMOD_OK},
        {{MM_CHANGE_FOLDER, 0, "", ""}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_FOLDER, 0, "", "a@b"}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_FOLDER, 0, "", "\xc3"}, MAILMOD_ERROR_ARGUMENT},
        {{MM_CHANGE_QUARANTINE, 0, "host", "why"}, MAILMOD_OK},
        {{MM_CHANGE_QUARANTINE, 0, "host", "a\nb"}, MAILMOD_ERROR_ARGUMENT},
    };
    struct mm_changes changes;

    (void)state;
    mm_changes_init(&changes);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%u\n", (unsigned)i);
        assert_int_equal(mm_changes_add(&changes, &rows[i].change),
                         rows[i].expected);
    }
    mm_changes_clear(&changes);
    assert_int_equal(changes.count, 0);
}

static void test_bounds(void **state)
{
    const struct mm_change field = {MM_CHANGE_ADD_FIELD, 0, "X", "v"};
    struct mm_changes changes;
    char value[5001];
    size_t count = 0;

    (void)state;
    mm_changes_init(&changes);
    while (mm_changes_add(&changes, &field) == MAILMOD_OK) {
        count++;
    }
    assert_int_equal(count, MM_LIMIT_CHANGES);
    mm_changes_clear(&changes);
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    const struct mm_change large = {MM_CHANGE_ADD_FIELD, 0, "X", value};
    for (count = 0; count < MM_LIMIT_CHANGES_OCTETS / sizeof value; count++) {
        assert_int_equal(mm_changes_add(&changes, &large), MAILMOD_OK);
    }
    assert_int_equal(mm_changes_add(&changes, &large), MAILMOD_ERROR_LIMIT);
    assert_true(changes.octets <= MM_LIMIT_CHANGES_OCTETS);
    mm_changes_clear(&changes);
}

/* Those of a RCPT are its recipient's. */
static void test_of_one_recipient(void **state)
{
    const struct mm_change folder = {MM_CHANGE_FOLDER, 0, "", "Junk"};
    const struct mm_change here = {MM_CHANGE_REDIRECT, 0, "", "x@b.test"};
    const struct mm_change other = {MM_CHANGE_REDIRECT, 0, "O@b.test",
                                    "y@b.test"};
    struct mm_changes from;
    struct mm_changes to;

    (void)state;
    mm_changes_init(&from);
    mm_changes_init(&to);
    assert_int_equal(mm_changes_add(&from, &folder), MAILMOD_OK);
    assert_int_equal(mm_changes_add(&from, &here), MAILMOD_OK);
    assert_int_equal(mm_changes_add(&from, &other), MAILMOD_OK);
    assert_string_equal(mm_changes_redirect(&from, "a@b.test"), "x@b.test");
    assert_string_equal(mm_changes_redirect(&from, "o@b.test"), "y@b.test");
    assert_int_equal(mm_changes_add_all(&to, &from, "a@b.test"), MAILMOD_OK);
    assert_int_equal(to.count, 2);
    assert_string_equal(mm_changes_find(&to, MM_CHANGE_FOLDER)->name,
                        "a@b.test");
    assert_null(mm_changes_redirect(&to, "a@b.test"));
    assert_string_equal(mm_changes_redirect(&to, "o@b.test"), "y@b.test");
    assert_null(mm_changes_find(&to, MM_CHANGE_QUARANTINE));
    mm_changes_clear(&from);
    mm_changes_clear(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_can_be_none),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_of_one_recipient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
