/* calls.c - every function of libmailmod-esmtp is called, with what it takes
 * and with what it does not take.
 *
 * What goes over a connection is sessions.py's; here nothing is connected. */
#define LIBESMTP_ENABLE_DEPRECATED_SYMBOLS
#include <auth-client.h>
#include <libesmtp.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>

#include <cmocka.h>

#define assert_refused(call, error)                                            \
    do {                                                                       \
        assert_false(call);                                                    \
        assert_int_equal(smtp_errno(), error);                                 \
    } while (0)

static int released;

static void release(void *data)
{
    (void)data;
    released++;
}

/* ---- sessions ------------------------------------------------------------ */

static void test_version(void **state)
{
    char text[8];

    (void)state;
    assert_true(smtp_version(text, sizeof text, Ver_VERSION));
    assert_string_equal(text, "1.1.0");
    assert_true(smtp_version(text, 6, Ver_SO_VERSION));
    assert_string_equal(text, "6.2.0");
    assert_true(smtp_version(text, sizeof text, Ver_LT_VERSION));
    assert_refused(smtp_version(text, 5, Ver_VERSION), SMTP_ERR_INVAL);
    assert_refused(smtp_version(text, 0, Ver_VERSION), SMTP_ERR_INVAL);
    assert_refused(smtp_version(NULL, 9, Ver_VERSION), SMTP_ERR_INVAL);
    assert_refused(smtp_version(text, sizeof text, 3), SMTP_ERR_INVAL);
}

static const struct {
    const char *text;
    int error;
    const char *host;
} servers[] = {{"mail.test", 0, "mail.test"},
               {"mail.test:25", 0, "mail.test"},
               {"mail.test:smtp", 0, "mail.test"},
               {"mail.test:SUBMISSIONS", 0, "mail.test"},
               {"mail.test:", 0, "mail.test"},
               {"192.0.2.1:587", 0, "192.0.2.1"},
               {"2001:db8::1", 0, "2001:db8::1"},
               {"[2001:db8::1]:25", 0, "[2001:db8::1]"},
               {"a.test:25, b.test:submission", 0, "a.test"},
               {"mail.test:nntp", SMTP_ERR_EAI_SERVICE, NULL},
               {"mail.test:0", SMTP_ERR_EAI_SERVICE, NULL},
               {"mail.test:65536", SMTP_ERR_EAI_SERVICE, NULL},
               {"mail test:25", SMTP_ERR_INVAL, NULL},
               {"a.test,,b.test", SMTP_ERR_INVAL, NULL},
               {"", SMTP_ERR_INVAL, NULL},
               {NULL, SMTP_ERR_INVAL, NULL}};

static void test_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
        smtp_session_t session = smtp_create_session();

        assert_non_null(session);
        assert_null(smtp_get_server_name(session));
        if (servers[i].error == 0) {
            assert_true(smtp_set_server(session, servers[i].text));
            assert_string_equal(smtp_get_server_name(session), servers[i].host);
        } else {
            assert_refused(smtp_set_server(session, servers[i].text),
                           servers[i].error);
            assert_null(smtp_get_server_name(session));
        }
        assert_true(smtp_destroy_session(session));
    }
    assert_refused(smtp_set_server(NULL, "mail.test"), SMTP_ERR_INVAL);
    assert_null(smtp_get_server_name(NULL));
}

static void test_session(void **state)
{
    smtp_session_t session = smtp_create_session();
    auth_context_t login = auth_create_context();

    (void)state;
    assert_true(smtp_set_hostname(session, "me.test"));
    assert_true(smtp_set_hostname(session, NULL));
    assert_refused(smtp_set_hostname(session, "a b"), SMTP_ERR_INVAL);
    assert_true(smtp_option_require_all_recipients(session, 1));
    assert_true(smtp_auth_set_context(session, login));
    assert_true(smtp_auth_set_context(session, NULL));
    assert_true(smtp_set_eventcb(session, NULL, NULL));
    assert_true(smtp_set_monitorcb(session, NULL, NULL, 1));
    assert_true(smtp_starttls_enable(session, Starttls_REQUIRED));
    assert_refused(smtp_starttls_enable(session, (enum starttls_option)3),
                   SMTP_ERR_INVAL);
    assert_refused(smtp_starttls_set_ctx(session, NULL),
                   SMTP_ERR_EXTENSION_NOT_AVAILABLE);
    assert_null(smtp_starttls_get_ctx(session));
    assert_true(smtp_starttls_set_password_cb(NULL, NULL));
    assert_refused(smtp_start_session(session), SMTP_ERR_INVAL);
    assert_true(smtp_set_server(session, "mail.test"));
    assert_refused(smtp_start_session(session), SMTP_ERR_NOTHING_TO_DO);
    smtp_message_t message = smtp_add_message(session);
    assert_refused(smtp_start_session(session), SMTP_ERR_NOTHING_TO_DO);
    assert_non_null(smtp_add_recipient(message, "a@x.test"));
    assert_refused(smtp_start_session(session), SMTP_ERR_INVAL);
    assert_true(smtp_destroy_session(session));
    assert_true(auth_destroy_context(login));
}

static const struct {
    int which;
    long value, set;
} times[] = {
    {Timeout_GREETING, 1, 300000},
    {Timeout_ENVELOPE, 400000, 400000},
    {Timeout_DATA, 1, 120000},
    {Timeout_TRANSFER, 1, 180000},
    {Timeout_DATA2, 1, 600000},
    {Timeout_DATA2 | Timeout_OVERRIDE_RFC2822_MINIMUM, 2000, 2000},
    {Timeout_DATA2 | Timeout_OVERRIDE_RFC2822_MINIMUM, 1, 1000},
    {Timeout_GREETING, 99999999, 3600000},
};

static void test_timeout(void **state)
{
    smtp_session_t session = smtp_create_session();

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        assert_int_equal(
            smtp_set_timeout(session, times[i].which, times[i].value),
            times[i].set);
    }
    assert_refused(smtp_set_timeout(session, 5, 1), SMTP_ERR_INVAL);
    assert_refused(smtp_set_timeout(NULL, 0, 1), SMTP_ERR_INVAL);
    assert_true(smtp_destroy_session(session));
}

static void test_null_session(void **state)
{
    (void)state;
    assert_refused(smtp_destroy_session(NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_start_session(NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_set_hostname(NULL, "x"), SMTP_ERR_INVAL);
    assert_refused(smtp_option_require_all_recipients(NULL, 1), SMTP_ERR_INVAL);
    assert_refused(smtp_auth_set_context(NULL, NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_set_eventcb(NULL, NULL, NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_set_monitorcb(NULL, NULL, NULL, 0), SMTP_ERR_INVAL);
    assert_refused(smtp_starttls_enable(NULL, Starttls_ENABLED),
                   SMTP_ERR_INVAL);
    assert_refused(smtp_starttls_set_ctx(NULL, NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_add_message(NULL) != NULL, SMTP_ERR_INVAL);
    assert_refused(smtp_enumerate_messages(NULL, NULL, NULL), SMTP_ERR_INVAL);
}

/* ---- messages and recipients --------------------------------------------- */

static void count_message(smtp_message_t message, void *arg)
{
    assert_non_null(message);
    ++*(int *)arg;
}

static void append_recipient(smtp_recipient_t recipient, const char *mailbox,
                             void *arg)
{
    assert_non_null(recipient);
    strncat(arg, mailbox, 20);
}

static void test_messages(void **state)
{
    char all[64] = "";
    int count = 0;
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = smtp_add_message(session);

    (void)state;
    assert_non_null(smtp_add_message(session));
    assert_true(smtp_enumerate_messages(session, count_message, &count));
    assert_int_equal(count, 2);
    assert_refused(smtp_enumerate_messages(session, NULL, NULL),
                   SMTP_ERR_INVAL);
    assert_non_null(smtp_add_recipient(message, "a@x.test"));
    assert_non_null(smtp_add_recipient(message, "<b@x.test>"));
    assert_refused(smtp_add_recipient(message, "no one") != NULL,
                   SMTP_ERR_INVAL);
    assert_refused(smtp_add_recipient(message, NULL) != NULL, SMTP_ERR_INVAL);
    assert_refused(smtp_add_recipient(NULL, "a@x.test") != NULL,
                   SMTP_ERR_INVAL);
    assert_true(smtp_enumerate_recipients(message, append_recipient, all));
    assert_string_equal(all, "a@x.test<b@x.test>");
    assert_refused(smtp_enumerate_recipients(NULL, append_recipient, all),
                   SMTP_ERR_INVAL);
    assert_true(smtp_set_reverse_path(message, "me@x.test"));
    assert_true(smtp_set_reverse_path(message, ""));
    assert_true(smtp_set_reverse_path(message, NULL));
    assert_refused(smtp_set_reverse_path(message, "a b"), SMTP_ERR_INVAL);
    assert_refused(smtp_set_reverse_path(NULL, ""), SMTP_ERR_INVAL);
    assert_refused(smtp_set_messagecb(message, NULL, NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_set_messagecb(NULL, _smtp_message_str_cb, NULL),
                   SMTP_ERR_INVAL);
    assert_true(smtp_destroy_session(session));
}

static void test_status(void **state)
{
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = smtp_add_message(session);
    smtp_recipient_t recipient = smtp_add_recipient(message, "a@x.test");
    const smtp_status_t *status = smtp_recipient_status(recipient);

    (void)state;
    assert_int_equal(status->code, 0);
    assert_null(status->text);
    assert_int_equal(smtp_message_transfer_status(message)->code, 0);
    assert_int_equal(smtp_reverse_path_status(message)->code, 0);
    assert_false(smtp_recipient_check_complete(recipient));
    assert_true(smtp_message_reset_status(message));
    assert_true(smtp_recipient_reset_status(recipient));
    assert_refused(smtp_message_transfer_status(NULL) != NULL, SMTP_ERR_INVAL);
    assert_refused(smtp_reverse_path_status(NULL) != NULL, SMTP_ERR_INVAL);
    assert_refused(smtp_recipient_status(NULL) != NULL, SMTP_ERR_INVAL);
    assert_refused(smtp_recipient_check_complete(NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_message_reset_status(NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_recipient_reset_status(NULL), SMTP_ERR_INVAL);
    assert_true(smtp_destroy_session(session));
}

static void test_extensions(void **state)
{
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = smtp_add_message(session);
    smtp_recipient_t recipient = smtp_add_recipient(message, "a@x.test");

    (void)state;
    assert_true(smtp_dsn_set_ret(message, Ret_HDRS));
    assert_refused(smtp_dsn_set_ret(message, (enum ret_flags)3),
                   SMTP_ERR_INVAL);
    assert_true(smtp_dsn_set_envid(message, "id-1"));
    assert_true(smtp_dsn_set_envid(message, NULL));
    assert_refused(smtp_dsn_set_envid(message, "a\nb"), SMTP_ERR_INVAL);
    assert_true(smtp_dsn_set_notify(recipient, Notify_NEVER));
    assert_true(smtp_dsn_set_notify(
        recipient, (enum notify_flags)(Notify_SUCCESS | Notify_DELAY)));
    assert_refused(smtp_dsn_set_notify(recipient, (enum notify_flags)8),
                   SMTP_ERR_INVAL);
    assert_true(smtp_dsn_set_orcpt(recipient, "rfc822", "b@x.test"));
    assert_true(smtp_dsn_set_orcpt(recipient, NULL, NULL));
    assert_refused(smtp_dsn_set_orcpt(recipient, "rfc822", NULL),
                   SMTP_ERR_INVAL);
    assert_true(smtp_size_set_estimate(message, 1));
    assert_refused(smtp_size_set_estimate(NULL, 1), SMTP_ERR_INVAL);
    assert_true(smtp_8bitmime_set_body(message, E8bitmime_BINARYMIME));
    assert_true(smtp_8bitmime_set_body(message, E8bitmime_8BITMIME));
    assert_refused(smtp_8bitmime_set_body(message, (enum e8bitmime_body)4),
                   SMTP_ERR_INVAL);
    assert_true(smtp_deliverby_set_mode(message, 0, By_NOTSET, 0));
    assert_refused(smtp_deliverby_set_mode(message, 1, (enum by_mode)3, 0),
                   SMTP_ERR_INVAL);
    assert_true(smtp_deliverby_set_mode(message, 60, By_RETURN, 1));
    assert_refused(smtp_deliverby_set_mode(message, 0, By_RETURN, 0),
                   SMTP_ERR_INVAL);
    assert_refused(smtp_etrn_add_node(session, 0, NULL) != NULL,
                   SMTP_ERR_INVAL);
    assert_refused(smtp_etrn_add_node(session, 'x', "x.test") != NULL,
                   SMTP_ERR_INVAL);
    assert_refused(smtp_etrn_add_node(session, 0, "a b") != NULL,
                   SMTP_ERR_INVAL);
    assert_refused(smtp_etrn_enumerate_nodes(NULL, NULL, NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_etrn_node_status(NULL) != NULL, SMTP_ERR_INVAL);
    assert_true(smtp_destroy_session(session));
}

static void append_node(smtp_etrn_node_t node, int option, const char *domain,
                        void *arg)
{
    assert_int_equal(smtp_etrn_node_status(node)->code, 0);
    assert_int_equal(option, domain[0] == 'a' ? '@' : 0);
    strncat(arg, domain, 20);
}

static void test_nodes(void **state)
{
    char all[64] = "";
    int data = 0;
    smtp_session_t session = smtp_create_session();
    smtp_etrn_node_t node = smtp_etrn_add_node(session, '@', "a.test");

    (void)state;
    assert_non_null(node);
    assert_non_null(smtp_etrn_add_node(session, 0, "b.test"));
    assert_true(smtp_etrn_enumerate_nodes(session, append_node, all));
    assert_string_equal(all, "a.testb.test");
    released = 0;
    smtp_etrn_set_application_data_release(node, &data, release);
    assert_ptr_equal(smtp_etrn_get_application_data(node), &data);
    assert_ptr_equal(smtp_etrn_set_application_data(node, NULL), &data);
    assert_int_equal(released, 0);
    smtp_etrn_set_application_data_release(node, &data, release);
    assert_true(smtp_destroy_session(session));
    assert_int_equal(released, 1);
}

static void test_headers(void **state)
{
    static const char *const refused[] = {
        "Return-Path", "Received",    "Content-Type", "MIME-Version",
        "Resent-To",   "Resent-From", "a b",          "Original-Recipient"};
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = smtp_add_message(session);
    time_t now = 86400;

    (void)state;
    assert_true(smtp_set_reverse_path(message, "me@x.test"));
    assert_true(smtp_set_header(message, "Date", &now));
    assert_true(smtp_set_header(message, "date", (time_t *)NULL));
    assert_true(smtp_set_header(message, "From", "Me", "me@x.test"));
    assert_true(smtp_set_header(message, "From", NULL, NULL));
    assert_true(smtp_set_header(message, "To", NULL, NULL));
    assert_true(smtp_set_header(message, "Bcc", NULL, "b@x.test"));
    assert_true(smtp_set_header(message, "Subject", "x\r\n y"));
    assert_true(smtp_set_header(message, "Message-Id", NULL));
    assert_true(
        smtp_set_header(message, "Disposition-Notification-To", NULL, NULL));
    assert_refused(smtp_set_header(message, "Subject", "a\nb"), SMTP_ERR_INVAL);
    assert_refused(smtp_set_header(message, "Subject", NULL), SMTP_ERR_INVAL);
    assert_refused(smtp_set_header(message, NULL, "x"), SMTP_ERR_INVAL);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_refused(smtp_set_header(message, refused[i], "x"),
                       SMTP_ERR_INVAL);
    }
    assert_true(smtp_set_header_option(message, "Subject", Hdr_OVERRIDE, 1));
    assert_true(smtp_set_header_option(message, "Message-Id", Hdr_PROHIBIT, 1));
    assert_true(smtp_set_header_option(message, "Bcc", Hdr_PROHIBIT, 1));
    assert_refused(smtp_set_header_option(message, "From", Hdr_PROHIBIT, 1),
                   SMTP_ERR_INVAL);
    assert_refused(smtp_set_header_option(NULL, "From", Hdr_OVERRIDE, 1),
                   SMTP_ERR_INVAL);
    assert_true(smtp_set_resent_headers(message, 0));
    assert_refused(smtp_set_resent_headers(message, 1), SMTP_ERR_INVAL);
    assert_true(smtp_destroy_session(session));
}

/* ---- pointers of the program's ------------------------------------------- */

static void test_data(void **state)
{
    int a = 0;
    int b = 0;
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = smtp_add_message(session);
    smtp_recipient_t recipient = smtp_add_recipient(message, "a@x.test");

    (void)state;
    released = 0;
    smtp_set_application_data_release(session, &a, release);
    smtp_message_set_application_data_release(message, &a, release);
    smtp_recipient_set_application_data_release(recipient, &a, release);
    assert_ptr_equal(smtp_get_application_data(session), &a);
    assert_ptr_equal(smtp_message_get_application_data(message), &a);
    assert_ptr_equal(smtp_recipient_get_application_data(recipient), &a);
    smtp_set_application_data_release(session, &b, release);
    assert_int_equal(released, 1);
    assert_ptr_equal(smtp_set_application_data(session, &a), &b);
    assert_ptr_equal(smtp_message_set_application_data(message, &b), &a);
    assert_int_equal(released, 1);
    assert_ptr_equal(smtp_recipient_set_application_data(recipient, &b), &a);
    smtp_recipient_set_application_data_release(recipient, &a, release);
    assert_true(smtp_destroy_session(session));
    assert_int_equal(released, 2);
    assert_null(smtp_get_application_data(NULL));
    assert_null(smtp_message_get_application_data(NULL));
    assert_null(smtp_recipient_get_application_data(NULL));
    assert_null(smtp_etrn_get_application_data(NULL));
    assert_null(smtp_etrn_set_application_data(NULL, &a));
    smtp_etrn_set_application_data_release(NULL, &a, release);
    assert_int_equal(released, 2);
}

/* ---- texts and errors ---------------------------------------------------- */

static void test_ready_callbacks(void **state)
{
    static char text[] = "Subject: x\r\n\r\nbody\r\n";
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    fputs(text, file);
    for (int round = 0; round < 2; round++) {
        void *ctx = NULL;
        int len = 0;
        assert_null(_smtp_message_str_cb(&ctx, NULL, text));
        assert_ptr_equal(_smtp_message_str_cb(&ctx, &len, text), text);
        assert_int_equal(len, strlen(text));
        (void)_smtp_message_str_cb(&ctx, &len, text);
        assert_int_equal(len, 0);
        free(ctx);
        ctx = NULL;
        (void)_smtp_message_fp_cb(&ctx, NULL, file);
        const char *got = _smtp_message_fp_cb(&ctx, &len, file);
        assert_int_equal(len, strlen(text));
        assert_memory_equal(got, text, strlen(text));
        (void)_smtp_message_fp_cb(&ctx, &len, file);
        assert_int_equal(len, 0);
        free(ctx);
    }
    fclose(file);
}

static void test_errors(void **state)
{
    char text[64];

    (void)state;
    for (int error = SMTP_ERR_NOTHING_TO_DO; error <= SMTP_ERR_CLIENT_ERROR;
         error++) {
        assert_ptr_equal(smtp_strerror(error, text, sizeof text), text);
        assert_true(strlen(text) > 5);
        assert_null(strstr(text, "no words"));
    }
    assert_non_null(smtp_strerror(-ENOMEM, text, sizeof text));
    assert_string_equal(text, "out of memory");
    assert_non_null(smtp_strerror(7777, text, 4));
    assert_string_equal(text, "an ");
    assert_null(smtp_strerror(2, NULL, 9));
    assert_null(smtp_strerror(2, text, 0));
}

/* ---- authentication ------------------------------------------------------ */

static int give_alice(auth_client_request_t request, char **result, int fields,
                      void *arg)
{
    static char user[] = "alice", password[] = "wonderland";

    for (int i = 0; i < fields; i++) {
        result[i] = (request[i].flags & AUTH_PASS) != 0 ? password : user;
    }
    return arg == NULL;
}

static void test_auth(void **state)
{
    auth_context_t context = auth_create_context();
    int len = 0;

    (void)state;
    auth_client_init();
    assert_false(auth_client_enabled(context));
    assert_true(auth_set_interact_cb(context, give_alice, NULL));
    assert_true(auth_client_enabled(context));
    assert_null(auth_mechanism_name(context));
    assert_int_equal(auth_get_ssf(context), -1);
    assert_refused(auth_set_mechanism(context, "PLAIN"),
                   SMTP_ERR_EXTENSION_NOT_AVAILABLE);
    assert_refused(auth_response(context, NULL, &len) != NULL, SMTP_ERR_INVAL);
    assert_true(auth_set_mechanism_flags(context, AUTH_PLUGIN_PLAIN, 0));
    assert_true(auth_set_mechanism(context, "plain"));
    assert_string_equal(auth_mechanism_name(context), "PLAIN");
    assert_int_equal(auth_get_ssf(context), 0);
    const char *answer = auth_response(context, NULL, &len);
    assert_int_equal(len, 17);
    assert_memory_equal(answer, "\0alice\0wonderland", 17);
    assert_true(auth_set_mechanism(context, "LOGIN"));
    assert_null(auth_response(context, NULL, &len));
    assert_memory_equal(auth_response(context, "Username:", &len), "alice", 5);
    assert_memory_equal(auth_response(context, "Password:", &len), "wonderland",
                        10);
    assert_int_equal(len, 10);
    assert_null(auth_response(context, "More:", &len));
    assert_false(auth_set_mechanism(context, "EXTERNAL"));
    assert_true(auth_set_external_id(context, "me@x.test"));
    assert_true(auth_set_mechanism(context, "EXTERNAL"));
    assert_memory_equal(auth_response(context, NULL, &len), "me@x.test", 9);
    assert_true(auth_set_external_id(context, NULL));
    assert_false(auth_set_mechanism(context, "EXTERNAL"));
    assert_true(auth_set_mechanism_ssf(context, 56));
    assert_false(auth_set_mechanism(context, "PLAIN"));
    assert_true(auth_destroy_context(context));
    auth_client_exit();
}

static void test_auth_null(void **state)
{
    char octets[] = "abc";
    char *out = NULL;
    int len = 0;

    (void)state;
    assert_false(auth_client_enabled(NULL));
    assert_refused(auth_destroy_context(NULL), SMTP_ERR_INVAL);
    assert_refused(auth_set_mechanism_flags(NULL, 0, 0), SMTP_ERR_INVAL);
    assert_refused(auth_set_mechanism_ssf(NULL, 0), SMTP_ERR_INVAL);
    assert_refused(auth_set_interact_cb(NULL, NULL, NULL), SMTP_ERR_INVAL);
    assert_refused(auth_set_mechanism(NULL, "PLAIN"), SMTP_ERR_INVAL);
    assert_refused(auth_set_external_id(NULL, "x"), SMTP_ERR_INVAL);
    assert_null(auth_mechanism_name(NULL));
    assert_int_equal(auth_get_ssf(NULL), -1);
    auth_encode(&out, &len, octets, 3, NULL);
    assert_ptr_equal(out, octets);
    assert_int_equal(len, 3);
    auth_decode(&out, &len, octets, 2, NULL);
    assert_ptr_equal(out, octets);
    assert_int_equal(len, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_null_session),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_ready_callbacks),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_auth_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
