/* test_sasl.c - PLAIN messages, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "wire/sasl/sasl.h"

#include <string.h>

#define BYTES(text) (text), sizeof(text) - 1

struct plain_case {
    const char *name;
    const char *message;
    size_t size;
    const char *authzid; /* NULL: refused */
    const char *authcid;
    const char *password;
};

static const struct plain_case plain_cases[] = {
    {"usual", BYTES("\0tim\0tanstaafl"), "", "tim", "tanstaafl"},
    {"authzid", BYTES("Ursel\0Kurt\0xipj3plmq"), "Ursel", "Kurt", "xipj3plmq"},
    {"UTF-8", BYTES("\0\xc3\xa9\0\xe2\x82\xac"), "", "\xc3\xa9",
     "\xe2\x82\xac"},
    {"blanks", BYTES("\0a b\0 c "), "", "a b", " c "},
    {"empty", BYTES(""), NULL, NULL, NULL},
    {"no NUL", BYTES("tim"), NULL, NULL, NULL},
    {"one NUL", BYTES("tim\0tanstaafl"), NULL, NULL, NULL},
    {"three NULs", BYTES("\0tim\0tan\0staafl"), NULL, NULL, NULL},
    {"NUL behind", BYTES("\0tim\0tan\0"), NULL, NULL, NULL},
    {"empty name", BYTES("\0\0tanstaafl"), NULL, NULL, NULL},
    {"empty password", BYTES("\0tim\0"), NULL, NULL, NULL},
    {"only NULs", BYTES("\0\0"), NULL, NULL, NULL},
    {"not UTF-8", BYTES("\0t\xff\0x"), NULL, NULL, NULL},
    {"overlong", BYTES("\0t\xc0\x80\0x"), NULL, NULL, NULL},
};

static void plain_is_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plain_cases / sizeof plain_cases[0]; i++) {
        const struct plain_case *c = &plain_cases[i];
        struct mm_span authzid;
        struct mm_span authcid;
        struct mm_span password;
        enum mailmod_error error = mm_sasl_plain_parse(
            mm_span(c->message, c->size), &authzid, &authcid, &password);
        if (error != (c->authzid != NULL ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX)) {
            fail_msg("%s: %d", c->name, (int)error);
        }
        assert_true(mm_span_equal(authzid, mm_span_cstr(c->authzid)));
        assert_true(mm_span_equal(authcid, mm_span_cstr(c->authcid)));
        assert_true(mm_span_equal(password, mm_span_cstr(c->password)));
    }
}

static void plain_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t name_size;
        size_t password_size;
        bool is_good;
    } rows[] = {
        {MM_LIMIT_USER_NAME, MM_LIMIT_PASSWORD, true},
        {MM_LIMIT_USER_NAME + 1, 1, false},
        {1, MM_LIMIT_PASSWORD + 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[MM_LIMIT_USER_NAME + 2] = {0};
        char password[MM_LIMIT_PASSWORD + 1];
        char message[sizeof name + sizeof password + 2] = {0};
        struct mm_span parts[3];
        struct mm_buf out;
        memset(name, 'n', rows[i].name_size);
        memset(password, 'p', sizeof password);
        memcpy(message + 1, name, rows[i].name_size);
        memcpy(message + 2 + rows[i].name_size, password,
               rows[i].password_size);
        size_t size = 2 + rows[i].name_size + rows[i].password_size;
        mm_buf_init(&out, 2048);
        assert_int_equal(mm_sasl_plain_parse(mm_span(message, size), &parts[0],
                                             &parts[1],
                                             &parts[2]) == MAILMOD_OK,
                         rows[i].is_good);
        enum mailmod_error error = mm_sasl_plain_write(
            &out, name, mm_span(password, rows[i].password_size));
        assert_int_equal(error,
                         rows[i].is_good ? MAILMOD_OK : MAILMOD_ERROR_ARGUMENT);
        if (rows[i].is_good) {
            assert_true(
                mm_span_equal(mm_buf_span(&out), mm_span(message, size)));
        }
        mm_buf_fini(&out);
    }
}

static void plain_write_refuses(void **state)
{
    (void)state;
    struct mm_buf out;
    mm_buf_init(&out, 6);
    assert_int_equal(mm_sasl_plain_write(&out, "", mm_span_cstr("x")),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_sasl_plain_write(&out, NULL, mm_span_cstr("x")),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_sasl_plain_write(&out, "u", mm_span(BYTES("a\0b"))),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_sasl_plain_write(&out, "u", mm_span_cstr("")),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_buf_size(&out), 0);
    mm_mem_set_fault(1, 0);
    assert_int_equal(mm_sasl_plain_write(&out, "u", mm_span_cstr("p")),
                     MAILMOD_ERROR_MEMORY);
    mm_mem_set_fault(0, 0);
    mm_buf_clear(&out);
    assert_int_equal(mm_sasl_plain_write(&out, "user", mm_span_cstr("p")),
                     MAILMOD_ERROR_LIMIT);
    assert_int_equal(mm_sasl_plain_write(&out, "usr", mm_span_cstr("p")),
                     MAILMOD_OK);
    mm_buf_fini(&out);
}

/* RFC 7628 3.1, 4.1; RFC 5801 4. */
static void bearers_come_back(void **state)
{
    (void)state;
    static const struct {
        enum mm_sasl_mechanism mechanism;
        const char *user;
        const char *message;
    } rows[] = {
        {MM_SASL_OAUTHBEARER, "joe@example.com",
         "n,a=joe@example.com,\x01"
         "auth=Bearer vF9d.t~+/=\x01\x01"},
        {MM_SASL_OAUTHBEARER, "a,b=c",
         "n,a=a=2Cb=3Dc,\x01"
         "auth=Bearer vF9d.t~+/=\x01\x01"},
        {MM_SASL_XOAUTH2, "a,b=c",
         "user=a,b=c\x01"
         "auth=Bearer vF9d.t~+/=\x01\x01"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span token = mm_span_cstr("vF9d.t~+/=");
        struct mm_span found;
        struct mm_buf out;
        struct mm_buf user;
        mm_buf_init(&out, 1000);
        mm_buf_init(&user, MM_LIMIT_USER_NAME);
        assert_int_equal(
            mm_sasl_bearer_write(&out, rows[i].mechanism, rows[i].user, token),
            MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), rows[i].message);
        assert_int_equal(mm_sasl_bearer_parse(rows[i].mechanism,
                                              mm_buf_span(&out), &user, &found),
                         MAILMOD_OK);
        assert_true(mm_span_equal(found, token));
        assert_string_equal(mm_buf_cstr(&user), rows[i].user);
        mm_buf_fini(&out);
        mm_buf_fini(&user);
    }
    assert_int_equal(mm_sasl_bearer_reply(MM_SASL_OAUTHBEARER).size, 1);
    assert_int_equal(mm_sasl_bearer_reply(MM_SASL_XOAUTH2).size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_is_split),
        cmocka_unit_test(plain_sizes),
        cmocka_unit_test(plain_write_refuses),
        cmocka_unit_test(bearers_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
