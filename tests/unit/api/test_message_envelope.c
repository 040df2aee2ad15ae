/* test_message_envelope.c - recipients as hosts write them; relays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/message/message.h"
#include "base/mem.h"

struct good {
    const char *text;
    const char *paths; /* joined by "|" */
};

static void expect(const char *text, const char *paths)
{
    struct mm_message_recipients recipients;
    struct mm_buf joined;

    assert_int_equal(mm_message_recipients_parse(&recipients, text, 10),
                     MAILMOD_OK);
    mm_buf_init(&joined, 4096);
    for (size_t i = 0; i < recipients.count; i++) {
        (void)mm_buf_appendf(&joined, i > 0 ? "|%s" : "%s",
                             recipients.items[i].path);
        assert_int_equal(recipients.items[i].outcome, MAILMOD_PENDING);
        assert_string_equal(recipients.items[i].words->text, "");
    }
    assert_string_equal(mm_buf_cstr(&joined), paths);
    mm_buf_fini(&joined);
    mm_message_recipients_fini(&recipients);
}

static void lists(void **state)
{
    static const struct good goods[] = {
        {"a@b.test", "a@b.test"},
        {"<a@b.test>", "a@b.test"},
        {"a@b.test,c@d.test;e@f.test g@h.test",
         "a@b.test|c@d.test|e@f.test|g@h.test"},
        {" ,;\t<a@b.test>\r\n , c@d.test; ", "a@b.test|c@d.test"},
        {"a@b.test, a@B.TEST, <a@b.Test>", "a@b.test"},
        {"a@b.test A@b.test", "a@b.test|A@b.test"},
        {"\"a b,c\"@d.test x@y.test", "\"a b,c\"@d.test|x@y.test"},
        {"\"a\\\" b\"@d.test", "\"a\\\" b\"@d.test"},
        {"\"ab\"@d.test ab@d.test", "ab@d.test"},
        {"<\"<;>\"@d.test>,x@y.test", "\"<;>\"@d.test|x@y.test"},
        {"<@r.test,@s.test:a@b.test> c@d.test", "a@b.test|c@d.test"},
        {"a@[192.0.2.1] b@[IPv6:2001:db8::1]",
         "a@[192.0.2.1]|b@[IPv6:2001:db8::1]"},
        {"POSTMASTER", "postmaster"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        expect(goods[i].text, goods[i].paths);
    }
}

static void mistakes_are_named(void **state)
{
    static const char *const bads[][2] = {
        {"", "none"},
        {" ,; ", "none"},
        {"a@b.test, nobody", "\"nobody\""},
        {"a@b.test <>", "\"<>\""},
        {"Bob <a@b.test>", "\"Bob\""},
        {"a@b..test", "\"a@b..test\""},
        {"a@b.test<c@d.test>", "\"a@b.test<c@d.test>\""},
        {"\"open@b.test c@d.test", "\"\"open@b.test c@d.test\""},
        {"<a@b.test", "\"<a@b.test\""},
        {"a@b.test\xff", "a@b.test\xff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct mm_message_recipients recipients;

        assert_int_equal(
            mm_message_recipients_parse(&recipients, bads[i][0], 10),
            MAILMOD_ERROR_ARGUMENT);
        if (strstr(mailmod_last_error_text(), bads[i][1]) == NULL) {
            fail_msg("%s: %s", bads[i][0], mailmod_last_error_text());
        }
        assert_null(recipients.items);
    }
}

static void too_many(void **state)
{
    struct mm_message_recipients recipients;

    (void)state;
    assert_int_equal(mm_message_recipients_parse(
                         &recipients, "a@b.test c@d.test a@b.test", 2),
                     MAILMOD_OK);
    assert_int_equal(recipients.count, 2);
    mm_message_recipients_fini(&recipients);
    assert_int_equal(mm_message_recipients_parse(
                         &recipients, "a@b.test c@d.test e@f.test", 2),
                     MAILMOD_ERROR_LIMIT);
    assert_non_null(strstr(mailmod_last_error_text(), "e@f.test"));
}

static void no_memory(void **state)
{
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    (void)state;
    for (unsigned long n = 1; error != MAILMOD_OK; n++) {
        struct mm_message_recipients recipients;

        mm_mem_set_fault(n, 0);
        error =
            mm_message_recipients_parse(&recipients, "a@b.test,c@d.test", 10);
        mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        mm_message_recipients_fini(&recipients);
        assert_true(n < 1000);
    }
}

struct relay_vector {
    const char *host;
    int port;
    const char *user;
    enum mailmod_relay_tls tls;
    const char *want_host;
    enum mm_config_tls_policy want_tls;
    bool want_verifies;
};

static struct mm_config *make_config(void)
{
    struct mm_config_builder *builder;
    struct mm_config *config;

    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    assert_int_equal(
        mm_config_set(builder, "smarthost.host", "smart.test", NULL),
        MAILMOD_OK);
    assert_int_equal(mm_config_set(builder, "smarthost.port", "2525", NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_config_set(builder, "smarthost.user", "us", NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_config_set(builder, "smarthost.password", "pw", NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_config_build(builder, &config, NULL), MAILMOD_OK);
    mm_config_builder_free(&builder);
    return config;
}

static void begin_envelope(struct mailmod_envelope *envelope)
{
    *envelope = (struct mailmod_envelope){.size = sizeof *envelope,
                                          .mode = MAILMOD_SEND_RELAY,
                                          .reverse_path = "me@here.test",
                                          .recipients = "a@b.test",
                                          .relay_host = "relay.test"};
}

static void relays(void **state)
{
    static const struct relay_vector vectors[] = {
        {"Relay.test", 0, NULL, MAILMOD_RELAY_TLS_DEFAULT, "relay.test",
         MM_CONFIG_TLS_MAY, false},
        {"relay.test", 465, NULL, MAILMOD_RELAY_TLS_DEFAULT, "relay.test",
         MM_CONFIG_TLS_IMPLICIT, true},
        {"relay.test", 587, "u", MAILMOD_RELAY_TLS_DEFAULT, "relay.test",
         MM_CONFIG_TLS_MUST, true},
        {"relay.test", 465, "u", MAILMOD_RELAY_TLS_DEFAULT, "relay.test",
         MM_CONFIG_TLS_IMPLICIT, true},
        {"relay.test", 25, "u", MAILMOD_RELAY_TLS_OFF, "relay.test",
         MM_CONFIG_TLS_OFF, false},
        {"127.0.0.1", 25, NULL, MAILMOD_RELAY_TLS_MUST, "127.0.0.1",
         MM_CONFIG_TLS_MUST, true},
        {"[127.0.0.1]", 25, NULL, MAILMOD_RELAY_TLS_IMPLICIT, "127.0.0.1",
         MM_CONFIG_TLS_IMPLICIT, true},
        {"[IPv6:::1]", 25, NULL, MAILMOD_RELAY_TLS_OFF, "::1",
         MM_CONFIG_TLS_OFF, false},
        {"::1", 25, NULL, MAILMOD_RELAY_TLS_OFF, "::1", MM_CONFIG_TLS_OFF,
         false},
        {"smart.test", 2525, "u", MAILMOD_RELAY_TLS_OFF, "smart.test",
         MM_CONFIG_TLS_OFF, false},
    };
    mailmod_message message = {.config = make_config()};

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct relay_vector *vector = &vectors[i];
        struct mailmod_envelope envelope;
        struct mm_relay relay;

        begin_envelope(&envelope);
        envelope.relay_host = vector->host;
        envelope.relay_port = vector->port;
        envelope.relay_user = vector->user;
        envelope.relay_password = "secret";
        envelope.relay_tls = vector->tls;
        assert_int_equal(mm_message_take_envelope(&message, &envelope),
                         MAILMOD_OK);
        mm_message_relay(&message, &relay);
        assert_string_equal(relay.host, vector->want_host);
        assert_int_equal(relay.port, vector->port != 0 ? vector->port : 25);
        assert_int_equal(relay.tls, vector->want_tls);
        assert_int_equal(relay.verifies, vector->want_verifies);
        assert_string_equal(relay.user,
                            vector->user != NULL ? vector->user : "");
        mm_message_relay_fini(&message.relay);
        mm_message_recipients_fini(&message.recipients);
    }
    mm_config_unref(&message.config);
}

static void the_smarthost_by_its_name(void **state)
{
    mailmod_message message = {.config = make_config()};
    struct mailmod_envelope envelope;
    struct mm_relay relay;

    (void)state;
    begin_envelope(&envelope);
    envelope.relay_host = "SMART.test";
    envelope.relay_port = 2525;
    assert_int_equal(mm_message_take_envelope(&message, &envelope), MAILMOD_OK);
    mm_message_relay(&message, &relay);
    assert_string_equal(relay.user, "us");
    assert_string_equal(relay.password, "pw");
    mm_message_relay_fini(&message.relay);
    mm_message_recipients_fini(&message.recipients);
    mm_config_unref(&message.config);
}

static void refuse(mailmod_message *message,
                   const struct mailmod_envelope *envelope, const char *field)
{
    assert_int_equal(mm_message_take_envelope(message, envelope),
                     MAILMOD_ERROR_ARGUMENT);
    if (strncmp(mailmod_last_error_text(), field, strlen(field)) != 0) {
        fail_msg("%s: %s", field, mailmod_last_error_text());
    }
    mm_message_relay_fini(&message->relay);
    mm_message_recipients_fini(&message->recipients);
}

static void fields_that_are_wrong(void **state)
{
    mailmod_message message = {.config = make_config()};
    struct mailmod_envelope envelope;

    (void)state;
    begin_envelope(&envelope);
    envelope.mode = (enum mailmod_send_mode)3;
    refuse(&message, &envelope, "mode");
    begin_envelope(&envelope);
    envelope.reverse_path = "me";
    refuse(&message, &envelope, "reverse_path");
    begin_envelope(&envelope);
    envelope.recipients = NULL;
    refuse(&message, &envelope, "recipients");
    begin_envelope(&envelope);
    envelope.relay_host = NULL;
    refuse(&message, &envelope, "relay_host");
    begin_envelope(&envelope);
    envelope.relay_host = "a b";
    refuse(&message, &envelope, "relay_host");
    begin_envelope(&envelope);
    envelope.relay_port = 65536;
    refuse(&message, &envelope, "relay_port");
    begin_envelope(&envelope);
    envelope.relay_port = -1;
    refuse(&message, &envelope, "relay_port");
    begin_envelope(&envelope);
    envelope.relay_user = "u";
    refuse(&message, &envelope, "relay_password");
    begin_envelope(&envelope);
    envelope.relay_tls = (enum mailmod_relay_tls)9;
    refuse(&message, &envelope, "relay_tls");
    mm_config_unref(&message.config);
}

static void null_paths(void **state)
{
    static const char *const paths[] = {NULL, "", "<>", " <> "};
    mailmod_message message = {.config = make_config()};

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct mailmod_envelope envelope;

        begin_envelope(&envelope);
        envelope.mode = MAILMOD_SEND_QUEUE;
        envelope.reverse_path = paths[i];
        assert_int_equal(mm_message_take_envelope(&message, &envelope),
                         MAILMOD_OK);
        assert_string_equal(message.reverse_path, "");
        assert_null(message.relay.host);
        mm_message_recipients_fini(&message.recipients);
    }
    mm_config_unref(&message.config);
}

static void test_S15_port_of_implicit_tls(void **state)
{
    static const struct {
        enum mailmod_relay_tls tls;
        int port;
        unsigned wanted;
    } rows[] = {{MAILMOD_RELAY_TLS_IMPLICIT, 0, 465},
                {MAILMOD_RELAY_TLS_IMPLICIT, 2525, 2525},
                {MAILMOD_RELAY_TLS_DEFAULT, 0, 25},
                {MAILMOD_RELAY_TLS_MUST, 0, 25}};
    mailmod_message message = {.config = make_config()};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mailmod_envelope envelope;
        struct mm_relay relay;

        begin_envelope(&envelope);
        envelope.relay_host = "relay.test";
        envelope.relay_port = rows[i].port;
        envelope.relay_tls = rows[i].tls;
        assert_int_equal(mm_message_take_envelope(&message, &envelope),
                         MAILMOD_OK);
        mm_message_relay(&message, &relay);
        assert_int_equal(relay.port, rows[i].wanted);
        mm_message_relay_fini(&message.relay);
        mm_message_recipients_fini(&message.recipients);
    }
    mm_config_unref(&message.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(too_many),
        cmocka_unit_test(test_S15_port_of_implicit_tls),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(relays),
        cmocka_unit_test(the_smarthost_by_its_name),
        cmocka_unit_test(fields_that_are_wrong),
        cmocka_unit_test(null_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
