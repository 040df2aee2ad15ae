/* test_smtp_client.c - the SMTP client engine's bounds: endless replies, a
 * server that reads slowly, many recipients; replies that come early or when
 * the caller looks away; and no memory. */
#include "base/mem.h"
#include "wire/smtp/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char hello[] = "220 mail.example\r\n"
                            "250-mail.example\r\n250 PIPELINING\r\n";

static const struct mm_smtpc_recipient recipient = {"c@d.example", 0, ""};
static const struct mm_smtpc_message message = {
    .reverse_path = "a@b.example",
    .envelope_id = "",
    .recipients = &recipient,
    .recipient_count = 1,
};

static struct mm_smtpc *new_engine(void)
{
    struct mm_smtpc *engine = NULL;
    struct mm_smtpc_options options = {.host_name = "client.example"};
    assert_int_equal(mm_smtpc_new(&engine, &options), MAILMOD_OK);
    return engine;
}

static enum mm_smtpc_event next(struct mm_smtpc *engine,
                                struct mm_smtpc_info *info)
{
    enum mm_smtpc_event event = mm_smtpc_next(engine, info);
    mm_smtpc_sent(engine, mm_smtpc_output(engine).size);
    return event;
}

static void feed(struct mm_smtpc *engine, const char *text)
{
    assert_int_equal(mm_smtpc_feed(engine, text, strlen(text)), strlen(text));
}

static struct mm_smtpc *new_idle_engine(void)
{
    struct mm_smtpc *engine = new_engine();
    struct mm_smtpc_info info;
    assert_int_equal(next(engine, &info), MM_SMTPC_NEED_INPUT);
    feed(engine, hello);
    assert_int_equal(next(engine, &info), MM_SMTPC_NEED_MESSAGE);
    return engine;
}

static void test_options(void **unused)
{
    (void)unused;
    static const char *const names[] = {NULL, "", "a b", "a\r\nRSET", "\x80"};
    struct mm_smtpc *engine = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mm_smtpc_options options = {.host_name = names[i]};
        assert_int_equal(mm_smtpc_new(&engine, &options),
                         MAILMOD_ERROR_ARGUMENT);
        assert_null(engine);
    }
}

/* Attacks 53, 55: replies without end are bounded and end it. */
static void test_endless_replies(void **unused)
{
    (void)unused;
    static const char *const pieces[] = {"220-x\r\n", "220-xxxxxxxxxxxxxxx",
                                         "x",         "220 x\r\n250-X\r\n",
                                         "22",        "2200 x"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct mm_smtpc *engine = new_engine();
        struct mm_smtpc_info info = {0};
        enum mm_smtpc_event event = next(engine, &info);
        size_t fed = 0;
        while (event == MM_SMTPC_NEED_INPUT && fed < 10u << 20) {
            feed(engine, pieces[i]);
            fed += strlen(pieces[i]);
            event = next(engine, &info);
        }
        assert_int_equal(event, MM_SMTPC_FAILED);
        assert_true(info.error == MAILMOD_ERROR_PROTOCOL ||
                    info.error == MAILMOD_ERROR_LIMIT);
        assert_true(fed <= 2 * MM_LIMIT_REPLY);
        assert_int_equal(next(engine, &info), MM_SMTPC_NEED_INPUT);
        mm_smtpc_free(&engine);
    }
}

/* A server that reads nothing: the body waits, the output is bounded, and the
 * end fits still. */
static void test_slow_server(void **unused)
{
    (void)unused;
    struct mm_smtpc *engine = new_idle_engine();
    struct mm_smtpc_info info;
    static char text[4096];
    size_t taken_all = 0;
    memset(text, '.', sizeof text);
    assert_int_equal(mm_smtpc_send(engine, &message), MAILMOD_OK);
    feed(engine, "250 ok\r\n250 ok\r\n354 go\r\n");
    assert_int_equal(next(engine, &info), MM_SMTPC_RCPT_REPLY);
    assert_int_equal(next(engine, &info), MM_SMTPC_NEED_BODY);
    size_t taken = 1;
    while (taken > 0) {
        taken = mm_smtpc_body(engine, text, sizeof text);
        taken_all += taken;
        assert_true(mm_smtpc_output(engine).size <= MM_LIMIT_OUTPUT);
    }
    assert_in_range(taken_all, MM_LIMIT_OUTPUT - 4096, MM_LIMIT_OUTPUT);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_INPUT);
    assert_int_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_BODY);
    assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_OK);
    assert_int_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_END);
    struct mm_span output = mm_smtpc_output(engine);
    assert_memory_equal(output.data + output.size - 5, "\r\n.\r\n", 5);
    assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_ERROR_STATE);
    assert_int_equal(mm_smtpc_body(engine, "x", 1), 0);
    feed(engine, "250 done\r\n");
    assert_int_equal(next(engine, &info), MM_SMTPC_MESSAGE_DONE);
    assert_true(info.was_sent);
    mm_smtpc_free(&engine);
}

/* All or nothing: no DATA beside RCPTs, and none behind a refusal, which
 * settles the message; the next one begins with RSET. */
static void test_requires_all(void **unused)
{
    (void)unused;
    static const struct mm_smtpc_recipient three[] = {
        {"a@d.example", 0, ""}, {"b@d.example", 0, ""}, {"c@d.example", 0, ""}};
    struct mm_smtpc_message to_three = message;
    struct mm_smtpc *engine = new_idle_engine();
    struct mm_smtpc_info info;
    to_three.recipients = three;
    to_three.recipient_count = 3;
    to_three.requires_all = true;
    to_three.tells_mail = true;
    assert_int_equal(mm_smtpc_send(engine, &to_three), MAILMOD_OK);
    struct mm_span output = mm_smtpc_output(engine);
    assert_true(mm_span_has_nocase(output, "RCPT TO:<c@d.example>\r\n"));
    assert_false(mm_span_has_nocase(output, "DATA\r\n"));
    mm_smtpc_sent(engine, output.size);
    feed(engine, "250 2.1.0 you\r\n250 ok\r\n550 no\r\n250 ok\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_MAIL_REPLY);
    assert_int_equal(info.reply->code, 250);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_RCPT_REPLY);
        assert_int_equal(info.recipient, i);
        assert_int_equal(info.reply->code, i == 1 ? 550 : 250);
    }
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_MESSAGE_DONE);
    assert_int_equal(info.reply->code, 550);
    assert_false(info.was_sent);
    assert_int_equal(mm_smtpc_output(engine).size, 0);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_MESSAGE);
    assert_int_equal(mm_smtpc_send(engine, &to_three), MAILMOD_OK);
    output = mm_smtpc_output(engine);
    assert_memory_equal(output.data, "RSET\r\n", 6);
    mm_smtpc_sent(engine, output.size);
    feed(engine, "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n");
    for (int i = 0; i < 4; i++) {
        (void)mm_smtpc_next(engine, &info);
    }
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_INPUT);
    assert_memory_equal(mm_smtpc_output(engine).data, "DATA\r\n", 6);
    mm_smtpc_free(&engine);
}

#define MANY 5000

/* More commands than the output holds: each reply still meets its own. */
static void test_many_recipients(void **unused)
{
    (void)unused;
    struct mm_smtpc *engine = new_idle_engine();
    struct mm_smtpc_info info;
    static struct mm_smtpc_recipient many[MANY];
    static char paths[MANY][48];
    struct mm_smtpc_message to_many = message;
    size_t answered = 0;
    size_t said = 0;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(paths[i], sizeof paths[i], "recipient-number-%zu@d.example",
                 i);
        many[i] = (struct mm_smtpc_recipient){paths[i], 0, ""};
    }
    to_many.recipients = many;
    to_many.recipient_count = MANY;
    assert_int_equal(mm_smtpc_send(engine, &to_many), MAILMOD_OK);
    feed(engine, "250 ok\r\n");
    enum mm_smtpc_event event = mm_smtpc_next(engine, &info);
    while (event != MM_SMTPC_NEED_BODY) {
        struct mm_span output = mm_smtpc_output(engine);
        for (size_t k = 0; k < output.size; k++) {
            said += output.data[k] == '\n';
        }
        assert_true(output.size <= MM_LIMIT_OUTPUT);
        mm_smtpc_sent(engine, output.size);
        if (event == MM_SMTPC_RCPT_REPLY) {
            assert_int_equal(info.recipient, answered);
            assert_int_equal(info.reply->code, answered % 2 ? 250 : 550);
            answered++;
        } else {
            assert_int_equal(event, MM_SMTPC_NEED_INPUT);
            assert_true(said > answered + 1);
            feed(engine, answered == MANY ? "354 go\r\n"
                         : answered % 2   ? "250 ok\r\n"
                                          : "550 no\r\n");
        }
        event = mm_smtpc_next(engine, &info);
    }
    assert_int_equal(answered, MANY);
    assert_int_equal(said, MANY + 2);
    mm_smtpc_free(&engine);
}

/* S04: a reply in the midst of the body is the verdict, and no end of the body
 * follows it; an acceptance is an error. */
static void test_S04_early_replies(void **unused)
{
    (void)unused;
    static const struct {
        const char *reply;
        enum mm_smtpc_event event;
        enum mailmod_error error;
    } rows[] = {
        {"552 5.3.4 too large\r\n", MM_SMTPC_MESSAGE_DONE, MAILMOD_OK},
        {"451 4.3.0 later\r\n", MM_SMTPC_MESSAGE_DONE, MAILMOD_OK},
        {"421 4.3.2 going\r\n", MM_SMTPC_FAILED, MAILMOD_ERROR_CLOSED},
        {"250 taken\r\n", MM_SMTPC_FAILED, MAILMOD_ERROR_PROTOCOL},
        {"frob\r\n", MM_SMTPC_FAILED, MAILMOD_ERROR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_smtpc *engine = new_idle_engine();
        struct mm_smtpc_info info;
        assert_int_equal(mm_smtpc_send(engine, &message), MAILMOD_OK);
        feed(engine, "250 ok\r\n250 ok\r\n354 go\r\n");
        assert_int_equal(next(engine, &info), MM_SMTPC_RCPT_REPLY);
        assert_int_equal(next(engine, &info), MM_SMTPC_NEED_BODY);
        assert_int_equal(mm_smtpc_body(engine, "x", 1), 1);
        feed(engine, rows[i].reply);
        assert_int_equal(next(engine, &info), rows[i].event);
        if (rows[i].event == MM_SMTPC_FAILED) {
            assert_int_equal(info.error, rows[i].error);
            assert_int_equal(info.phase, MM_SMTPC_PHASE_BODY);
            assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_ERROR_STATE);
        } else {
            assert_int_equal(info.reply->code, atoi(rows[i].reply));
            assert_false(info.was_sent);
            assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_ERROR_STATE);
            assert_int_equal(next(engine, &info), MM_SMTPC_CLOSED);
        }
        mm_smtpc_free(&engine);
    }
}

/* What came while the caller looked away is no answer to the next MAIL. */
static void test_unasked_before_send(void **unused)
{
    (void)unused;
    static const char *const texts[] = {"250 ok\r\n", "2", "250-ok\r\n"};
    for (size_t i = 0; i < 2 * sizeof texts / sizeof texts[0]; i++) {
        struct mm_smtpc *engine = new_idle_engine();
        struct mm_smtpc_info info;
        feed(engine, texts[i / 2]);
        if (i % 2 == 0 || i / 2 == 0) {
            assert_int_equal(mm_smtpc_send(engine, &message),
                             MAILMOD_ERROR_PROTOCOL);
        } else {
            assert_int_equal(next(engine, &info), MM_SMTPC_NEED_MESSAGE);
            assert_int_equal(mm_smtpc_send(engine, &message),
                             MAILMOD_ERROR_PROTOCOL);
        }
        assert_int_equal(next(engine, &info), MM_SMTPC_FAILED);
        assert_int_equal(mm_smtpc_output(engine).size, 0);
        mm_smtpc_free(&engine);
    }
}

static void test_quit_anywhere(void **unused)
{
    (void)unused;
    struct mm_smtpc *engine = new_engine();
    struct mm_smtpc_info info;
    mm_smtpc_quit(engine);
    assert_int_equal(next(engine, &info), MM_SMTPC_CLOSED);
    assert_int_equal(next(engine, &info), MM_SMTPC_NEED_INPUT);
    assert_int_equal(mm_smtpc_send(engine, &message), MAILMOD_ERROR_STATE);
    assert_int_equal(mm_smtpc_tls_begun(engine), MAILMOD_ERROR_STATE);
    mm_smtpc_free(&engine);
}

static const char *const replies[] = {
    "220 mail.example\r\n",
    "250-mail.example\r\n250-AUTH LOGIN PLAIN\r\n250-PIPELINING\r\n"
    "250-SIZE 1000\r\n250-DSN\r\n250 8BITMIME\r\n",
    "334 VXNlcm5hbWU6\r\n",
    "334 UGFzc3dvcmQ6\r\n",
    "235 2.7.0 ok\r\n",
    "250 2.1.0 ok\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n250 2.1.5 ok\r\n"
    "354 go\r\n",
    "250 2.0.0 done\r\n",
    "221 bye\r\n",
};

struct run {
    struct mm_smtpc *engine;
    size_t fed;
    bool has_sent;
    bool is_taken; /* the message was reported as accepted */
};

static enum mailmod_error answer(struct run *run, enum mm_smtpc_event event,
                                 const struct mm_smtpc_info *info)
{
    static const struct mm_smtpc_recipient two[] = {
        {"c@d.example", MM_DSN_NOTIFY_FAILURE, "rfc822;c+d@e.example"},
        {"e@d.example", 0, ""}};
    struct mm_smtpc_message to_two = message;
    to_two.recipients = two;
    to_two.recipient_count = 2;
    to_two.envelope_id = "a+b";
    to_two.size = 3;
    switch (event) {
    case MM_SMTPC_NEED_INPUT:
        if (run->fed == sizeof replies / sizeof replies[0]) {
            return MAILMOD_ERROR_CLOSED;
        }
        feed(run->engine, replies[run->fed++]);
        return MAILMOD_OK;
    case MM_SMTPC_AUTH:
        return mm_smtpc_auth(run->engine, MM_SASL_LOGIN, false,
                             mm_span(NULL, 0));
    case MM_SMTPC_CHALLENGE:
        return mm_smtpc_auth_response(run->engine, mm_span("user", 4));
    case MM_SMTPC_NEED_MESSAGE:
        if (run->has_sent) {
            mm_smtpc_quit(run->engine);
            return MAILMOD_OK;
        }
        run->has_sent = true;
        return mm_smtpc_send(run->engine, &to_two);
    case MM_SMTPC_NEED_BODY:
        return mm_smtpc_body(run->engine, "x\n", 2) == 2
                   ? mm_smtpc_body_end(run->engine)
                   : MAILMOD_ERROR_MEMORY;
    case MM_SMTPC_MESSAGE_DONE:
        run->is_taken = info->reply->code == 250 && info->was_sent;
        return MAILMOD_OK;
    default:
        return MAILMOD_OK;
    }
}

/* True when all went as if nothing was. */
static bool run_dialogue(void)
{
    struct run run = {0};
    struct mm_smtpc_info info = {0};
    struct mm_smtpc_options options = {.host_name = "client.example",
                                       .mechanisms = MM_SASL_PASSWORD,
                                       .allows_clear_auth = true};
    if (mm_smtpc_new(&run.engine, &options) != MAILMOD_OK) {
        assert_null(run.engine);
        return false;
    }
    enum mm_smtpc_event event = next(run.engine, &info);
    enum mailmod_error error = MAILMOD_OK;
    while (event != MM_SMTPC_CLOSED && event != MM_SMTPC_FAILED &&
           error == MAILMOD_OK) {
        error = answer(&run, event, &info);
        event = next(run.engine, &info);
    }
    if (event == MM_SMTPC_FAILED) {
        assert_int_equal(info.error, MAILMOD_ERROR_MEMORY);
    }
    mm_smtpc_free(&run.engine);
    return event == MM_SMTPC_CLOSED && run.is_taken;
}

static void test_no_memory(void **unused)
{
    (void)unused;
    (void)mm_mem_set_fault(0, 0);
    assert_true(run_dialogue());
    unsigned long count = mm_mem_set_fault(0, 0);
    assert_true(count > 5);
    for (int sticky = 0; sticky <= 1; sticky++) {
        for (unsigned long n = 1; n <= count; n++) {
            (void)mm_mem_set_fault(n, sticky);
            (void)run_dialogue();
        }
    }
    (void)mm_mem_set_fault(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_endless_replies),
        cmocka_unit_test(test_slow_server),
        cmocka_unit_test(test_requires_all),
        cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_S04_early_replies),
        cmocka_unit_test(test_unasked_before_send),
        cmocka_unit_test(test_quit_anywhere),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
