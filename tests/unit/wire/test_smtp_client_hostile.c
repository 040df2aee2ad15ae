/* test_smtp_client_hostile.c - the SMTP client engine against what no honest
 * server or host program gives it: replies of a million lines and lines of
 * 100 MiB in each phase (attack 53), a hello of 10,000 keywords (55), fields
 * with line ends in them (59), a size that is known to be too large (61). */
#include "base/mem.h"
#include "wire/sasl/sasl.h"
#include "wire/smtp/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PIECE 65536
#define LINES_ENOUGH 1000000
#define LINE_ENOUGH (100u << 20)

static const struct mm_smtpc_recipient recipient = {"c@d.example", 0, ""};
static const struct mm_smtpc_message message = {
    .reverse_path = "a@b.example",
    .envelope_id = "",
    .recipients = &recipient,
    .recipient_count = 1,
};

/* What the server says before it goes mad, and where that leaves us. */
static const struct {
    const char *name;
    enum mm_smtpc_phase phase;
    const char *before;
    const char *code;
    bool wants_auth;
    bool has_message;
    bool has_body;
} phases[] = {
    {"greeting", MM_SMTPC_PHASE_GREETING, "", "220", false, false, false},
    {"hello", MM_SMTPC_PHASE_HELLO, "220 x\r\n", "250", false, false, false},
    {"login", MM_SMTPC_PHASE_AUTH, "220 x\r\n250-x\r\n250 AUTH PLAIN\r\n",
     "334", true, false, false},
    {"idle", MM_SMTPC_PHASE_IDLE, "220 x\r\n250 x\r\n", "250", false, false,
     false},
    {"mail", MM_SMTPC_PHASE_MAIL, "220 x\r\n250 x\r\n", "250", false, true,
     false},
    {"rcpt", MM_SMTPC_PHASE_RCPT, "220 x\r\n250 x\r\n250 ok\r\n", "550", false,
     true, false},
    {"data", MM_SMTPC_PHASE_DATA, "220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n",
     "354", false, true, false},
    {"body", MM_SMTPC_PHASE_BODY,
     "220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n", "552", false, true,
     false},
    {"end", MM_SMTPC_PHASE_END,
     "220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n", "250", false, true,
     true},
};

/* Tells the engine one line; it must take all of it. */
static void say_line(struct mm_smtpc *engine, const char **rest)
{
    const char *end = strchr(*rest, '\n') + 1;
    size_t size = (size_t)(end - *rest);
    assert_int_equal(mm_smtpc_feed(engine, *rest, size), size);
    *rest = end;
}

/* Brings an engine to the phase of a row. */
static struct mm_smtpc *open_at(size_t row)
{
    struct mm_smtpc *engine = NULL;
    struct mm_smtpc_options options = {
        .host_name = "client.example",
        .mechanisms = phases[row].wants_auth ? MM_SASL_PASSWORD : 0,
        .allows_clear_auth = true};
    const char *rest = phases[row].before;
    bool is_there = false;
    assert_int_equal(mm_smtpc_new(&engine, &options), MAILMOD_OK);
    while (!is_there) {
        struct mm_smtpc_info info;
        enum mm_smtpc_event event = mm_smtpc_next(engine, &info);
        mm_smtpc_sent(engine, mm_smtpc_output(engine).size);
        if (event == MM_SMTPC_AUTH) {
            assert_int_equal(
                mm_smtpc_auth(engine, MM_SASL_PLAIN, false, mm_span(NULL, 0)),
                MAILMOD_OK);
        } else if (event == MM_SMTPC_NEED_MESSAGE && phases[row].has_message) {
            assert_int_equal(mm_smtpc_send(engine, &message), MAILMOD_OK);
        } else if (event == MM_SMTPC_NEED_BODY && phases[row].has_body) {
            assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_OK);
        } else if (event == MM_SMTPC_NEED_INPUT && rest[0] != '\0') {
            say_line(engine, &rest);
        } else {
            is_there = event != MM_SMTPC_RCPT_REPLY;
        }
    }
    mm_smtpc_sent(engine, mm_smtpc_output(engine).size);
    if (mm_smtpc_phase(engine) != phases[row].phase) {
        fail_msg("%s: is at %d", phases[row].name, mm_smtpc_phase(engine));
    }
    return engine;
}

/* Pushes `total` octets, of `size` at a time. Whatever the engine still wants
 * to take, it must have given up before it held more than one reply; after
 * that it takes all without a look, and tells one FAILED. */
static void flood(size_t row, const char *bytes, size_t size, size_t total)
{
    struct mm_smtpc *engine = open_at(row);
    struct mm_smtpc_info info;
    enum mailmod_error error = MAILMOD_OK;
    for (size_t fed = 0; fed < total;) {
        size_t taken =
            mm_smtpc_feed(engine, bytes + fed % size, size - fed % size);
        enum mm_smtpc_event event = mm_smtpc_next(engine, &info);
        if (event == MM_SMTPC_FAILED) {
            assert_int_equal(error, MAILMOD_OK);
            error = info.error;
            assert_int_equal(info.phase, phases[row].phase);
            assert_null(info.reply); /* half a reply says nothing */
        } else if (event == MM_SMTPC_MESSAGE_DONE ||
                   event == MM_SMTPC_RCPT_REPLY ||
                   event == MM_SMTPC_AUTH_DONE) {
            fail_msg("%s: told %d", phases[row].name, event);
        }
        if (taken == 0 && error == MAILMOD_OK) {
            fail_msg("%s: stuck at %zu", phases[row].name, fed);
        }
        fed += taken;
        assert_true(error != MAILMOD_OK || fed <= 2 * PIECE);
    }
    assert_int_equal(error, MAILMOD_ERROR_LIMIT);
    assert_int_equal(mm_smtpc_output(engine).size, 0);
    mm_smtpc_free(&engine);
}

static void test_million_lines(void **unused)
{
    (void)unused;
    static char piece[6 * 10000 + 1];
    for (size_t row = 0; row < sizeof phases / sizeof phases[0]; row++) {
        for (size_t at = 0; at < 10000; at++) {
            snprintf(piece + 6 * at, 7, "%s-\r\n", phases[row].code);
        }
        flood(row, piece, 60000, (size_t)6 * LINES_ENOUGH);
    }
}

static void test_endless_line(void **unused)
{
    (void)unused;
    static char piece[PIECE];
    for (size_t row = 0; row < sizeof phases / sizeof phases[0]; row++) {
        memset(piece, 'x', sizeof piece);
        memcpy(piece, phases[row].code, 3);
        piece[3] = ' ';
        flood(row, piece, sizeof piece, LINE_ENOUGH);
    }
}

/* Answers EHLO with `text`; FAILED's error, or OK when the engine is idle. */
static enum mailmod_error greet(struct mm_smtpc **engine_out, const char *text)
{
    struct mm_smtpc *engine = open_at(1);
    size_t size = strlen(text);
    size_t fed = 0;
    struct mm_smtpc_info info = {0};
    enum mm_smtpc_event event = MM_SMTPC_NEED_INPUT;
    while (event == MM_SMTPC_NEED_INPUT && fed < size) {
        fed += mm_smtpc_feed(engine, text + fed, size - fed);
        event = mm_smtpc_next(engine, &info);
    }
    *engine_out = engine;
    if (event == MM_SMTPC_FAILED) {
        return info.error;
    }
    assert_int_equal(event, MM_SMTPC_NEED_MESSAGE);
    return MAILMOD_OK;
}

/* The first line names the host, `count` - 2 say nothing to us, the last one
 * does. */
static char *make_hello(size_t count)
{
    static char text[10000 * 16 + 64];
    size_t used = (size_t)snprintf(text, sizeof text, "250-mail.example\r\n");
    for (size_t i = 2; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "250-XKEY%zu\r\n", i);
    }
    snprintf(text + used, sizeof text - used, "250 PIPELINING\r\n");
    return text;
}

static void test_many_keywords(void **unused)
{
    (void)unused;
    static const size_t counts[] = {2, MM_LIMIT_REPLY_LINES,
                                    MM_LIMIT_REPLY_LINES + 1, 10000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct mm_smtpc *engine = NULL;
        bool is_taken = counts[i] <= MM_LIMIT_REPLY_LINES;
        assert_int_equal(greet(&engine, make_hello(counts[i])),
                         is_taken ? MAILMOD_OK : MAILMOD_ERROR_LIMIT);
        assert_int_equal(mm_smtpc_extensions(engine)->has_pipelining, is_taken);
        mm_smtpc_free(&engine);
    }
}

static void test_keywords(void **unused)
{
    (void)unused;
    static const struct {
        const char *line;
        bool has_size;
        uint64_t size_max;
        unsigned mechanisms;
    } rows[] = {
        {"SIZE", true, 0, 0},
        {"size 0", true, 0, 0},
        {"SIZE 1000", true, 1000, 0},
        {"SIZE 18446744073709551615", true, UINT64_MAX, 0},
        /* RFC 1870 4 knows no such number: no limit is told. */
        {"SIZE 18446744073709551616", true, 0, 0},
        {"SIZE 1000000000000000000000000000000", true, 0, 0},
        {"SIZE -1", true, 0, 0},
        {"SIZE x", true, 0, 0},
        {"SIZE 10 20", true, 0, 0},
        {"SIZES 10", false, 0, 0},
        {"AUTH PLAIN LOGIN", false, 0, MM_SASL_PLAIN | MM_SASL_LOGIN},
        {"AUTH=PLAIN LOGIN", false, 0, MM_SASL_PLAIN | MM_SASL_LOGIN},
        {"AUTH LOGIN\r\n250-AUTH=PLAIN", false, 0,
         MM_SASL_PLAIN | MM_SASL_LOGIN},
        {"AUTH", false, 0, 0},
        {"AUTH=", false, 0, 0},
        {"AUTH  PLAIN ", false, 0, MM_SASL_PLAIN},
        {"AUTH PLAINX XPLAIN", false, 0, 0},
        {"AUTHPLAIN", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        struct mm_smtpc *engine = NULL;
        snprintf(text, sizeof text, "250-x\r\n250-%s\r\n250 X\r\n",
                 rows[i].line);
        assert_int_equal(greet(&engine, text), MAILMOD_OK);
        const struct mm_smtpc_extensions *offered = mm_smtpc_extensions(engine);
        if (offered->has_size != rows[i].has_size ||
            offered->size_max != rows[i].size_max ||
            offered->mechanisms != rows[i].mechanisms) {
            fail_msg("%s", rows[i].line);
        }
        mm_smtpc_free(&engine);
    }
}

enum { FIELD_SENDER, FIELD_RECIPIENT, FIELD_ENVELOPE_ID, FIELD_ORIGINAL };

/* A message whose `field` is `text`. */
static enum mailmod_error send_field(struct mm_smtpc *engine, int field,
                                     const char *text)
{
    struct mm_smtpc_recipient odd = recipient;
    struct mm_smtpc_message with = message;
    with.recipients = &odd;
    switch (field) {
    case FIELD_SENDER:
        with.reverse_path = text;
        break;
    case FIELD_RECIPIENT:
        odd.path = text;
        break;
    case FIELD_ENVELOPE_ID:
        with.envelope_id = text;
        break;
    default:
        odd.original_recipient = text;
        break;
    }
    return mm_smtpc_send(engine, &with);
}

/* Attack 59: whatever could end a line or hide what follows, anywhere in any
 * field, is refused ahead of the first octet. */
static void test_fields(void **unused)
{
    (void)unused;
    struct mm_smtpc *engine = NULL;
    struct mm_smtpc_info info;
    assert_int_equal(greet(&engine, "250-x\r\n250-DSN\r\n250 SMTPUTF8\r\n"),
                     MAILMOD_OK);
    for (int field = FIELD_SENDER; field <= FIELD_ORIGINAL; field++) {
        for (int c = 1; c < 128; c = c == 31 ? 127 : c + 1) {
            for (size_t at = 0; at < 16; at += 5) {
                char text[] = "rfc822;a@b.examp";
                text[at] = (char)c;
                assert_int_equal(send_field(engine, field, text),
                                 MAILMOD_ERROR_ARGUMENT);
            }
        }
        assert_int_equal(send_field(engine, field, "a@b.c>\r\nRSET\r\nX:<"),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(send_field(engine, field, NULL),
                         MAILMOD_ERROR_ARGUMENT);
    }
    /* Without SMTPUTF8 asked for, no octet above 127 in a path either. */
    assert_int_equal(send_field(engine, FIELD_SENDER, "\xc3\xa9@b.example"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(send_field(engine, FIELD_RECIPIENT, "\xc3\xa9@b.example"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(send_field(engine, FIELD_RECIPIENT, ""),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_smtpc_output(engine).size, 0);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_MESSAGE);
    assert_int_equal(mm_smtpc_send(engine, &message), MAILMOD_OK);
    mm_smtpc_free(&engine);
}

/* A field that is over-long is refused as well, whatever it holds. */
static void test_long_fields(void **unused)
{
    (void)unused;
    static char text[100000];
    struct mm_smtpc *engine = NULL;
    assert_int_equal(greet(&engine, "250-x\r\n250 DSN\r\n"), MAILMOD_OK);
    memset(text, 'x', sizeof text - 1);
    for (int field = FIELD_SENDER; field <= FIELD_ORIGINAL; field++) {
        assert_int_equal(send_field(engine, field, text),
                         MAILMOD_ERROR_ARGUMENT);
    }
    assert_int_equal(mm_smtpc_output(engine).size, 0);
    mm_smtpc_free(&engine);
}

/* Attack 61: one octet past the limit and nothing is said; the next message
 * goes over the same connection. */
static void test_size_known_beforehand(void **unused)
{
    (void)unused;
    struct mm_smtpc *engine = NULL;
    struct mm_smtpc_info info;
    struct mm_smtpc_message sized = message;
    assert_int_equal(greet(&engine, "250-x\r\n250 SIZE 1000\r\n"), MAILMOD_OK);
    sized.size = 1001;
    assert_int_equal(mm_smtpc_send(engine, &sized), MAILMOD_ERROR_TOO_LARGE);
    sized.size = UINT64_MAX;
    assert_int_equal(mm_smtpc_send(engine, &sized), MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(mm_smtpc_output(engine).size, 0);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_MESSAGE);
    sized.size = 1000;
    assert_int_equal(mm_smtpc_send(engine, &sized), MAILMOD_OK);
    assert_true(mm_span_is(mm_smtpc_output(engine),
                           "MAIL FROM:<a@b.example> SIZE=1000\r\n"));
    mm_smtpc_free(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_million_lines),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_many_keywords),
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_long_fields),
        cmocka_unit_test(test_size_known_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
