/* test_srv_config.c - settings through the documented names: text and number
 * in, text and number out, and what is wrong with them. Thread: the test's. */
#include "srv_rig.h"

#include "platform/thread.h"

#include <limits.h>
#include <stdlib.h>

static void expect_text(const char *param, const char *text)
{
    const char *value = GetConfigParamStr(param);

    assert_non_null(value);
    assert_string_equal(value, text);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
}

/* The documented defaults, when nothing was set. */
static void test_defaults(void **state)
{
    (void)state;
    expect_text("smtp.listen", "0.0.0.0:25");
    expect_text("pop3.listen", "0.0.0.0:110");
    assert_int_equal(GetConfigParamInt("smtp_port"), 25);
    assert_int_equal(GetConfigParamInt("pop_port"), 110);
    assert_int_equal(GetConfigParamInt("queue.lifetime"), 24 * 3600);
    assert_int_equal(SRVShutdown(), 0);
}

static void test_text_and_number(void **state)
{
    (void)state;
    SetConfigParamString("smtp.recipients_max", "77");
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(GetConfigParamInt("smtp.recipients_max"), 77);
    SetConfigParamInt("smtp.recipients_max", 78);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    expect_text("smtp.recipients_max", "78");
    SetConfigParam("smtp.recipients_max", 79);
    SetConfigParam("general.host_name", "other.test");
    assert_int_equal(GetConfigParamInt("smtp.recipients_max"), 79);
    expect_text("general.host_name", "other.test");
}

static void test_natural_units(void **state)
{
    (void)state;
    SetConfigParamInt("pop3.idle_timeout", 900);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(GetConfigParamInt("pop3.idle_timeout"), 900);
    SetConfigParam("pop3.idle_timeout", "20m");
    assert_int_equal(GetConfigParamInt("pop3.idle_timeout"), 1200);
    SetConfigParam("smtp.message_size_max", "1M");
    assert_int_equal(GetConfigParamInt("smtp.message_size_max"), 1048576);
    SetConfigParamInt("pop3.allows_clear_login", 1);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(GetConfigParamInt("pop3.allows_clear_login"), 1);
    expect_text("pop3.allows_clear_login", "true");
    SetConfigParamInt("pop3.allows_clear_login", 0);
    assert_int_equal(GetConfigParamInt("pop3.allows_clear_login"), 0);
}

static void test_old_names(void **state)
{
    (void)state;
    SetConfigParamInt("smtp_port", 2526);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(GetConfigParamInt("smtp_port"), 2526);
    SetConfigParam("smtp_msg_limit", 100000);
    assert_int_equal(GetConfigParamInt("smtp.message_size_max"), 100000);
}

/* More than an int can say is INT_MAX, not something else. */
static void test_large_number(void **state)
{
    (void)state;
    assert_int_equal(SRVSetConfigParam("smtp.message_size_max", "3G"), 0);
    assert_int_equal(GetConfigParamInt("smtp.message_size_max"), INT_MAX);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
}

static void test_mistakes(void **state)
{
    (void)state;
    SetConfigParam("no.such_key", "1");
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_UNKNOWN_NAME);
    SetConfigParamInt("no.such_key", 1);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_UNKNOWN_NAME);
    assert_null(GetConfigParamStr("no.such_key"));
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_UNKNOWN_NAME);
    assert_int_equal(GetConfigParamInt("no.such_key"), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_UNKNOWN_NAME);
    assert_non_null(strstr(SRVLastErrorText(), "no.such_key"));
    assert_int_equal(GetConfigParamInt("general.host_name"), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SRVSetConfigParam("smtp.recipients_max", "many"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_string_equal(
        SRVLastErrorText(),
        "smtp.recipients_max: must be from 1 to 100000, not \"many\"");
    assert_int_equal(SRVSetConfigParam(NULL, "1"), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SRVSetConfigParam("smtp.recipients_max", NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_null(GetConfigParamStr(NULL));
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(GetConfigParamInt(NULL), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    expect_text("general.host_name", "mail.test");
    assert_string_equal(SRVLastErrorText(), mailmod_error_text(MAILMOD_OK));
}

static void test_secrets_do_not_show(void **state)
{
    (void)state;
    SetConfigParam("smarthost.password", "very secret");
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_null(strstr(GetConfigParamStr("smarthost.password"), "very"));
}

static void test_file(void **state)
{
    char path[200];

    (void)state;
    srv_rig_write_file("good.cfg", "smtp: { recipients_max = 55; };\n", path,
                       sizeof path);
    assert_int_equal(LoadConfig(path), 0);
    assert_int_equal(GetConfigParamInt("smtp.recipients_max"), 55);
    expect_text("general.host_name", "mail.test"); /* it lies over the rest */
    srv_rig_write_file("bad.cfg",
                       "smtp: { recipients_max = 56; nonsense = 1; };\n", path,
                       sizeof path);
    assert_true(LoadConfig(path) < 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_CONFIG);
    assert_non_null(strstr(SRVLastErrorText(), "nonsense"));
    assert_int_equal(GetConfigParamInt("smtp.recipients_max"), 55);
    assert_true(LoadConfig("/nowhere/at/all.cfg") < 0);
    assert_true(LoadConfig(NULL) < 0); /* there is no mailmod.cfg here */
}

/* A running instance: applied at once, kept for later, or refused. */
static void test_while_running(void **state)
{
    (void)state;
    assert_int_equal(SRVStart(), 0);
    assert_int_equal(SRVSetConfigParam("smtp.recipients_max", "5"), 0);
    assert_null(SRVInitSendMsgBackground(
        "x@x.test", "a@x.test b@x.test c@x.test d@x.test e@x.test f@x.test",
        NULL, NULL));
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_LIMIT);
    /* At the next start; what follows is applied all the same. */
    assert_int_equal(SRVSetConfigParam("general.loops", "2"), 0);
    expect_text("general.loops", "2");
    SetConfigParamInt("smtp.recipients_max", 1);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_null(
        SRVInitSendMsgBackground("x@x.test", "a@x.test b@x.test", NULL, NULL));
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_LIMIT);
    expect_text("general.loops", "2");
}

/* Settings that contradict each other for a moment. */
static void test_contradiction(void **state)
{
    (void)state;
    assert_int_equal(SRVStart(), 0);
    assert_int_equal(SRVSetConfigParam("tls.certificate_file", "/no/such.crt"),
                     MAILMOD_ERROR_CONFIG);
    expect_text("tls.certificate_file", "/no/such.crt");
    assert_int_equal(SRVSetConfigParam("tls.certificate_file", ""), 0);
}

static void read_other(void *context)
{
    const char *value = GetConfigParamStr("local.domains");

    *(int *)context = value != NULL && strcmp(value, "a.test") == 0;
}

/* Each thread has its own copy, which lasts until its next call. */
static void test_copies(void **state)
{
    const char *value = GetConfigParamStr("general.host_name");
    struct mm_thread *thread;
    int is_right = 0;

    (void)state;
    assert_int_equal(mm_thread_start(&thread, "reader", read_other, &is_right),
                     MAILMOD_OK);
    mm_thread_join(&thread);
    assert_true(is_right);
    SetConfigParam("general.host_name", "third.test");
    assert_string_equal(value, "mail.test");
}

/* A compiler knows that two names are two functions: it is not asked. */
static void expect_same(void (*volatile a)(void), void (*volatile b)(void))
{
    assert_true(a == b);
}

static void test_same_function(void **state)
{
    (void)state;
    expect_same((void (*)(void))SetConfigParamStr,
                (void (*)(void))GetConfigParamStr);
    expect_same((void (*)(void))SRVInitSendMsgImmediately,
                (void (*)(void))SRVInitSendMsgImidiatly);
    expect_same((void (*)(void))SRVInitSendMsgBackground,
                (void (*)(void))SRVInitSendMsgBackgaund);
    assert_string_equal(SetConfigParamStr("general.host_name"), "mail.test");
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, srv_rig_open, srv_rig_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        TEST(test_text_and_number),
        TEST(test_natural_units),
        TEST(test_old_names),
        TEST(test_large_number),
        TEST(test_mistakes),
        TEST(test_secrets_do_not_show),
        TEST(test_file),
        TEST(test_while_running),
        TEST(test_contradiction),
        TEST(test_copies),
        TEST(test_same_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
