/* test_maildir.c - local.maildirs: whose folder, and that no name leads out of
 * it. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/maildir.h"

#include <string.h>

static void test_form(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        {"*:/home/%u/Maildir", true},
        {"@example.org:/srv/mail/%d/%n", true},
        {"alice:/home/alice/Maildir", true},
        {"alice@example.org:/m", true},
        {"postmaster:", true},
        {"*:C:/mail/%u", true},
        {"*:/100%%/%u", true},
        {"", false},
        {"*", false},
        {":/home/%u", false},
        {"*:home/%u", false},
        {"*:/", false},
        {"*:/home/../%u", false},
        {"*:/home//%u", false},
        {"*:/home/%u/", false},
        {"*:/home/.mail/%u", false},
        {"*:/home/%x", false},
        {"*:/home/%", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (mm_config_is_maildir(mm_span_cstr(rows[i].text)) !=
            rows[i].is_good) {
            fail_msg("%s", rows[i].text);
        }
    }
}

static char all[] = "*:/home/%u/Maildir";
static char domain[] = "@example.org:/srv/%d/box-%n/m";
static char bob[] = "bob:/boxes/bob/Maildir";
static char postmaster[] = "postmaster:";
static char two[] = "@two.test:/%n";
static char *items[] = {all, domain, bob, postmaster, two};

static void expect(const char *user, const char *base, const char *below)
{
    struct mm_config config;
    struct mm_config_maildir got;

    memset(&config, 0, sizeof config);
    config.local.maildirs.items = items;
    config.local.maildirs.count = sizeof items / sizeof items[0];
    enum mailmod_error error = mm_config_find_maildir(&config, user, &got);
    assert_int_equal(error,
                     base != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND);
    if (base != NULL) {
        assert_string_equal(got.base, base);
        assert_string_equal(got.below, below);
    }
}

static void test_places(void **state)
{
    (void)state;
    expect("alice", "/home", "alice/Maildir");
    expect("alice@example.com", "/home", "alice@example.com/Maildir");
    expect("alice@example.org", "/srv", "example.org/box-alice/m");
    expect("bob", "/boxes/bob", "Maildir");
    expect("x@two.test", "/", "x");
    expect("postmaster", NULL, NULL);
}

/* A local part may hold nearly anything (RFC 5321 4.1.2). */
static void test_names_that_are_no_folders(void **state)
{
    static const char *const users[] = {
        "a/b",          "a\\b",           ".",
        "..",           ".ssh",           "a/../b",
        "c:d",          "a\nb",           "../../etc",
        "/etc",         "..@example.org", "a/b@example.org",
        "@example.org",
    };

    (void)state;
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        expect(users[i], NULL, NULL);
    }
}

static void test_too_long(void **state)
{
    struct mm_config config;
    struct mm_config_maildir got;
    static char item[MM_CONFIG_MAILDIR_MAX];
    static char user[255];
    char *one[] = {item};

    (void)state;
    memset(&config, 0, sizeof config);
    strcpy(item, "*:/m");
    for (size_t i = strlen(item); i + 4 < 64; i += 3) {
        memcpy(item + i, "/%u", 4);
    }
    memset(user, 'u', sizeof user - 1);
    config.local.maildirs.items = one;
    config.local.maildirs.count = 1;
    assert_int_equal(mm_config_find_maildir(&config, user, &got),
                     MAILMOD_ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_names_that_are_no_folders),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
