/* test_user_accounts.c - quota, disabled users and further passwords by the
 * API: what is told of them, and what is refused. Thread: the test's. */
#include "srv_rig.h"

#include <stdint.h>
#include <stdio.h>

struct seen {
    struct mailmod_user demo;
    unsigned count;
    char labels[64];
};

static void on_user(void *context, const struct mailmod_user *user)
{
    struct seen *seen = context;

    if (strcmp(user->name, "demo") == 0) {
        seen->demo = *user;
        seen->count++;
    }
}

static void on_secret(void *context, const char *label, int64_t created_ms)
{
    struct seen *seen = context;
    size_t used = strlen(seen->labels);

    assert_true(created_ms > 0);
    snprintf(seen->labels + used, sizeof seen->labels - used, "%s;", label);
}

static struct seen look(void)
{
    struct seen seen = {.count = 0};

    assert_int_equal(mailmod_user_list(SRVInstance(), on_user, &seen),
                     MAILMOD_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(
        mailmod_user_secret_list(SRVInstance(), "demo", on_secret, &seen),
        MAILMOD_OK);
    return seen;
}

static int begin(void **state)
{
    return srv_rig_open(state) != 0 ||
           mailmod_user_add(SRVInstance(), "demo", "secret", 0) != MAILMOD_OK;
}

static void test_quota_and_disabled(void **state)
{
    mailmod *mail = SRVInstance();

    (void)state;
    assert_int_equal(look().demo.quota, MAILMOD_QUOTA_DEFAULT);
    assert_int_equal(mailmod_user_set_quota(mail, "DEMO", 5000), MAILMOD_OK);
    assert_int_equal(mailmod_user_set_disabled(mail, "demo", 1), MAILMOD_OK);
    assert_int_equal(look().demo.quota, 5000);
    assert_int_equal(look().demo.flags, MAILMOD_USER_DISABLED);
    assert_int_equal(look().demo.octets, 0);
    assert_int_equal(
        mailmod_user_set_quota(mail, "demo", MAILMOD_QUOTA_UNLIMITED),
        MAILMOD_OK);
    /* Each leaves the other alone, and so does a password. */
    assert_int_equal(mailmod_user_set_password(mail, "demo", "other", 0),
                     MAILMOD_OK);
    assert_true(look().demo.quota == MAILMOD_QUOTA_UNLIMITED);
    assert_int_equal(look().demo.flags, MAILMOD_USER_DISABLED);
    assert_int_equal(mailmod_user_set_disabled(mail, "demo", 0), MAILMOD_OK);
    assert_int_equal(look().demo.flags, 0);
    assert_int_equal(mailmod_user_set_quota(mail, "nobody", 1),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mailmod_user_set_quota(mail, NULL, 1),
                     MAILMOD_ERROR_ARGUMENT);
}

static void test_secrets(void **state)
{
    mailmod *mail = SRVInstance();
    char label[70];

    (void)state;
    assert_int_equal(mailmod_user_secret_add(mail, "demo", "phone", "one"),
                     MAILMOD_OK);
    assert_int_equal(mailmod_user_secret_add(mail, "demo", "desk", "two"),
                     MAILMOD_OK);
    assert_int_equal(mailmod_user_secret_add(mail, "demo", "desk", "three"),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(look().demo.secrets, 2);
    assert_non_null(strstr(look().labels, "phone;"));
    assert_int_equal(mailmod_user_secret_remove(mail, "demo", "phone"),
                     MAILMOD_OK);
    assert_int_equal(mailmod_user_secret_remove(mail, "demo", "phone"),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_string_equal(look().labels, "desk;");
    for (int i = 0; i < 15; i++) {
        snprintf(label, sizeof label, "device %d", i);
        assert_int_equal(mailmod_user_secret_add(mail, "demo", label, "x"),
                         MAILMOD_OK);
    }
    assert_int_equal(mailmod_user_secret_add(mail, "demo", "17th", "x"),
                     MAILMOD_ERROR_LIMIT);
    /* The main password draws a new salt. */
    assert_int_equal(mailmod_user_set_password(mail, "demo", "new", 0),
                     MAILMOD_OK);
    assert_int_equal(look().demo.secrets, 0);
}

static void test_refused(void **state)
{
    mailmod *mail = SRVInstance();
    static const char *const labels[] = {"", "a\nb", "\xff", NULL};
    char label[70];

    (void)state;
    memset(label, 'l', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        assert_int_equal(mailmod_user_secret_add(mail, "demo", labels[i], "x"),
                         MAILMOD_ERROR_ARGUMENT);
    }
    assert_int_equal(mailmod_user_secret_add(mail, "demo", label, "x"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_user_secret_add(mail, "demo", "phone", ""),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_user_secret_add(mail, "nobody", "phone", "x"),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(look().demo.secrets, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, srv_rig_close)
    const struct CMUnitTest tests[] = {
        TEST(test_quota_and_disabled),
        TEST(test_secrets),
        TEST(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
