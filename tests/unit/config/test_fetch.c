/* test_fetch.c - accounts of fetch.accounts: lines of words, read, described,
 * and refused without showing a password. */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fetch_accounts_are_lines(void **state)
{
    (void)state;
#define WHOLE "name=a host=pop.example.com user=joe to=joe "
    static const struct {
        const char *text;
        const char *mistake; /* NULL: taken */
    } rows[] = {
        {"", NULL},
        {WHOLE "password=s e=cret", NULL},
        {WHOLE "password=x\nname=b host=192.0.2.1 port=1 tls=implicit "
               "verify=no user=a@b to=c@d interval=0 delete_after=7d "
               "size_max=1G password=y",
         NULL},
        {WHOLE "timeout=10s multidrop=X-Original-To refused=aside keep_uidl "
               "password=x",
         NULL},
        {WHOLE "timeout=2h password=x", "timeout"},
        {WHOLE "multidrop=a:b password=x", "multidrop"},
        {WHOLE "refused=bounce password=x", "refused"},
        {WHOLE "token", NULL},
        {WHOLE "token password=x", "a password, or a token"},
        {WHOLE, "password is missing"},
        {WHOLE "password=", "password"},
        {"host=h user=u to=t password=x", "name is missing"},
        {WHOLE "password=x\n" WHOLE "password=y", "twice"},
        {WHOLE "host=b password=x", "host is there twice"},
        {WHOLE "keep delete password=x", "twice"},
        {WHOLE "what=ever password=x", "no setting"},
        {WHOLE "what password=x", "no setting"},
        {WHOLE "port=0 password=x", "port"},
        {WHOLE "port=65536 password=x", "port"},
        {WHOLE "tls=maybe password=x", "tls"},
        {WHOLE "interval=1s password=x", "interval"},
        {WHOLE "delete_after=0 password=x", "delete_after"},
        {"name=a/b host=h user=u to=t password=x", "name"},
        {"name=a host=h_:x user=u to=t password=x", "host"},
        {WHOLE "password=se\tcret", "password"},
        {WHOLE "password=se\xff\xffret", "password"},
    };
    struct mm_config_builder *builder;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_buf words;
        mm_buf_init(&words, 1024);
        enum mailmod_error error =
            mm_config_set(builder, "fetch.accounts", rows[i].text, &words);
        const char *told = mm_buf_cstr(&words);
        if ((error == MAILMOD_OK) != (rows[i].mistake == NULL) ||
            (error != MAILMOD_OK &&
             (error != MAILMOD_ERROR_ARGUMENT || told == NULL ||
              strstr(told, rows[i].mistake) == NULL))) {
            fail_msg("%s: %s", rows[i].text, told);
        }
        assert_null(strstr(told, "cret")); /* it shows no secret */
        mm_buf_fini(&words);
    }
    mm_config_builder_free(&builder);
}

static void fetch_accounts_are_read(void **state)
{
    (void)state;
    struct mm_span text = mm_span_cstr(
        WHOLE "password=a b\nname=b host=h tls=implicit user=u to=t "
              "delete_after=2d password=x");
    struct mm_config_fetch account;
    assert_true(mm_config_next_fetch(&text, &account));
    assert_string_equal(account.name, "a");
    assert_string_equal(account.host, "pop.example.com");
    assert_string_equal(account.user, "joe");
    assert_string_equal(account.to, "joe");
    assert_string_equal(account.password, "a b");
    assert_int_equal(account.port, 110);
    assert_int_equal(account.tls, MM_CONFIG_TLS_MUST);
    assert_true(account.verifies);
    assert_int_equal(account.interval_ms, 5 * 60 * 1000);
    assert_int_equal(account.policy, MM_CONFIG_FETCH_KEEP);
    assert_true(mm_config_next_fetch(&text, &account));
    assert_int_equal(account.port, 995);
    assert_int_equal(account.policy, MM_CONFIG_FETCH_DELETE_AFTER);
    assert_int_equal(account.delete_after_ms, 2 * 24 * 3600 * 1000);
    assert_false(mm_config_next_fetch(&text, &account));
}

static void fetch_accounts_are_described(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *words;
    } rows[] = {
        {WHOLE "password=cret",
         "host=pop.example.com port=110 tls=must user=joe to=joe keep "
         "interval=5m size_max=50M timeout=2m refused=leave"},
        {WHOLE "tls=implicit verify=no delete_after=7d timeout=5s "
               "multidrop=Delivered-To refused=aside keep_uidl interval=0 "
               "proxy=http://u:cret@p.example.com:3128 "
               "size_max=1K password=x",
         "host=pop.example.com port=995 tls=implicit verify=no user=joe "
         "to=joe multidrop=Delivered-To delete_after=168h interval=0s "
         "size_max=1K timeout=5s refused=aside keep_uidl "
         "proxy=http://p.example.com:3128"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_config_fetch account;
        struct mm_buf words;
        mm_buf_init(&words, 1024);
        assert_int_equal(
            mm_config_fetch_parse(mm_span_cstr(rows[i].line), &account, NULL),
            MAILMOD_OK);
        assert_int_equal(mm_config_fetch_describe(&account, 120000, &words),
                         MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&words), rows[i].words);
        mm_buf_fini(&words);
    }
#undef WHOLE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetch_accounts_are_lines),
        cmocka_unit_test(fetch_accounts_are_read),
        cmocka_unit_test(fetch_accounts_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
