/* test_pop3_server.c - what a dialogue file cannot say of the POP3 engine:
 * arguments of its calls, bounds, flow control, what it forgets. The dialogues
 * themselves are in tests/transcripts/pop3. One thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/wire/pop3_host.h"
/* For what the engine holds: secrets that must be gone, memory at rest. */
#include "wire/pop3/server_internal.h"

#include <stdio.h>
#include <stdlib.h>

static struct pop3_host host;

static const struct mm_pop3d_options clear_options = {
    .host_name = "mail.example",
    .apop_stamp = POP3_HOST_STAMP,
    .mechanisms_clear = MM_SASL_PLAIN,
    .mechanisms_tls = MM_SASL_PLAIN,
    .has_stls = true,
    .allows_clear_login = true,
};

static void open_with(const struct mm_pop3d_options *options)
{
    assert_int_equal(pop3_host_open(&host, options), MAILMOD_OK);
    host.starts_tls = true;
    pop3_host_pump(&host);
}

static void say(const char *text)
{
    assert_int_equal(pop3_host_feed(&host, text, strlen(text)), strlen(text));
}

static void forget_output(void)
{
    host.output_size = 0;
}

static void expect(const char *text)
{
    host.output[host.output_size] = '\0';
    assert_string_equal(host.output, text);
    forget_output();
}

static void open_logged_in(void)
{
    open_with(&clear_options);
    say("USER tim\r\nPASS tanstaaf\r\n");
    assert_true(mm_pop3d_is_authenticated(host.engine));
    forget_output();
}

static void test_options(void **state)
{
    static const struct {
        const char *name;
        const char *stamp;
        enum mailmod_error error;
    } rows[] = {
        {"mail.example", NULL, MAILMOD_OK},
        {"mail.example", "<1.a-b@c.d-e>", MAILMOD_OK},
        {NULL, NULL, MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<>", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<1>", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<@a>", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<a@>", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<a@@b>", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "1@a", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<1 2@a>", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<1\r\n@a>", MAILMOD_ERROR_ARGUMENT},
        {"mail.example", "<1_2@a>", MAILMOD_ERROR_ARGUMENT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_pop3d *engine = NULL;
        struct mm_pop3d_options options = clear_options;
        options.host_name = rows[i].name;
        options.apop_stamp = rows[i].stamp;
        assert_int_equal(mm_pop3d_new(&engine, &options), rows[i].error);
        assert_true((engine != NULL) == (rows[i].error == MAILMOD_OK));
        mm_pop3d_free(&engine);
        assert_null(engine);
    }
}

/* Every way to log in, with and without TLS, allowed and not: PB-08. */
static void test_login_matrix(void **state)
{
    static const char *const logins[] = {
        "USER tim\r\nPASS tanstaaf\r\n",
        "APOP tim c4c9334bac560ecc979e58001b3e22fb\r\n",
        "AUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\n",
        "AUTH PLAIN\r\nAHRpbQB0YW5zdGFhZg==\r\n",
    };
    (void)state;
    for (unsigned i = 0; i < 4 * 4; i++) {
        struct mm_pop3d_options options = clear_options;
        bool is_tls = (i & 1) != 0;
        bool is_allowed = (i & 2) != 0;
        const char *login = logins[i / 4];
        options.is_tls = is_tls;
        options.allows_clear_login = is_allowed;
        options.mechanisms_clear = is_allowed ? MM_SASL_PLAIN : 0;
        open_with(&options);
        size_t events = host.events;
        say(login);
        assert_int_equal(mm_pop3d_is_authenticated(host.engine),
                         is_tls || is_allowed);
        if (!is_tls && !is_allowed) {
            /* Refused before anybody looked at it. */
            assert_int_equal(host.events, events);
        }
        pop3_host_close(&host);
    }
}

static bool holds(const struct mm_buf *buf, const char *secret)
{
    size_t length = strlen(secret);
    for (size_t i = 0; buf->data != NULL && i + length <= buf->capacity; i++) {
        if (memcmp(buf->data + i, secret, length) == 0) {
            return true;
        }
    }
    return false;
}

static void expect_gone(const char *secret)
{
    assert_false(holds(&host.engine->input, secret));
    assert_false(holds(&host.engine->reader.buf, secret));
    assert_false(holds(&host.engine->sasl, secret));
}

static void test_secrets_are_wiped(void **state)
{
    struct mm_pop3d_options options = clear_options;
    (void)state;
    /* A long tail keeps the input's memory in use all the while. */
    open_with(&options);
    say("USER tim\r\nPASS opensesame\r\nUSER tom\r\nUS");
    expect_gone("opensesame");
    say("ER x\r\nAUTH PLAIN b3BlbnNlc2FtZQ==\r\nCA");
    expect_gone("opensesame");
    expect_gone("b3BlbnNlc2FtZQ");
    say("PA\r\nAUTH PLAIN\r\nb3BlbnNlc2FtZQ==\r\nCA");
    expect_gone("opensesame");
    expect_gone("b3BlbnNlc2FtZQ");
    pop3_host_close(&host);
    /* Refused for want of TLS, and refused for its form. */
    options.allows_clear_login = false;
    open_with(&options);
    say("PASS opensesame\r\nCA");
    expect_gone("opensesame");
    say("PA\r\nPASS opensesame\tx\r\nCA");
    expect_gone("opensesame");
    pop3_host_close(&host);
}

static void test_input_after_stls(void **state)
{
    static const char *const tails[] = {"NOOP\r\n", "N", "\r\n",
                                        "USER tim\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char text[64];
        open_with(&clear_options);
        forget_output();
        snprintf(text, sizeof text, "STLS\r\n%s", tails[i]);
        say(text);
        expect("-ERR Input before TLS began.\r\n");
        assert_true(host.is_closed);
        assert_string_equal(host.broken, "input between STLS and TLS");
        pop3_host_close(&host);
        /* Behind the +OK, before the handshake is over. */
        open_with(&clear_options);
        forget_output();
        host.starts_tls = false;
        say("STLS\r\n");
        expect("+OK Begin TLS now.\r\n");
        say(tails[i]);
        expect("");
        assert_true(host.is_closed);
        pop3_host_close(&host);
    }
}

static void test_tls_begun_needs_stls(void **state)
{
    struct mm_pop3d_options options = clear_options;
    (void)state;
    options.allows_clear_login = false;
    options.mechanisms_clear = 0;
    open_with(&options);
    mm_pop3d_tls_begun(host.engine);
    say("USER tim\r\nPASS tanstaaf\r\n");
    assert_false(mm_pop3d_is_authenticated(host.engine));
    pop3_host_close(&host);
}

/* Base64 of every length, right and wrong: attack 44. */
static void test_base64_lengths(void **state)
{
    (void)state;
    open_with(&clear_options);
    for (size_t size = 1; size <= 100; size++) {
        char text[160] = "AUTH PLAIN ";
        size_t start = strlen(text);
        memset(text + start, 'A', size);
        memcpy(text + start + size, "\r\n", 3);
        forget_output();
        say(text);
        expect(size % 4 == 0 ? "-ERR [AUTH] Wrong user name or password.\r\n"
                             : "-ERR Not base64.\r\n");
        assert_string_equal(mm_pop3d_state_name(host.engine), "authorization");
    }
    pop3_host_close(&host);
}

/* Between an event and its answer nothing is consumed: attack 95. */
static void test_pending_event_stops(void **state)
{
    struct mm_pop3d_info info;
    static const char text[] = "USER tim\r\nPASS a\r\nUSER tom\r\nPASS b\r\n";
    const struct mm_pop3_reply bad = {false, NULL, NULL};
    (void)state;
    open_with(&clear_options);
    assert_int_equal(mm_pop3d_feed(host.engine, text, sizeof text - 1),
                     sizeof text - 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mm_pop3d_next(host.engine, &info), MM_POP3D_LOGIN);
        assert_true(mm_span_is(info.user, "tim"));
        assert_true(mm_span_is(info.password, "a"));
    }
    assert_int_equal(mm_pop3d_answer(host.engine, &bad), MAILMOD_OK);
    assert_int_equal(mm_pop3d_next(host.engine, &info), MM_POP3D_LOGIN);
    assert_true(mm_span_is(info.user, "tom"));
    assert_int_equal(mm_pop3d_answer(host.engine, NULL), MAILMOD_OK);
    assert_int_equal(mm_pop3d_answer(host.engine, NULL), MAILMOD_ERROR_STATE);
    pop3_host_close(&host);
}

static void test_wrong_answers(void **state)
{
    struct mm_pop3d_info info;
    static char big[MM_POP3D_CHALLENGE_MAX + 1];
    (void)state;
    open_logged_in();
    struct mm_pop3d *engine = host.engine;
    assert_int_equal(mm_pop3d_answer_stat(engine, 1, 1), MAILMOD_ERROR_STATE);
    assert_int_equal(mm_pop3d_answer_row(engine, 1, 1, "x"),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_pop3d_challenge(engine, mm_span("", 0)),
                     MAILMOD_ERROR_STATE);
    assert_false(mm_pop3d_row(engine, 1, 1, NULL));
    assert_int_equal(mm_pop3d_feed(engine, "STAT\r\nUIDL 1\r\nLIST\r\n", 20),
                     20);
    assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_STAT);
    assert_int_equal(mm_pop3d_answer(engine, NULL), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_pop3d_answer_stat(engine, 2, UINT64_MAX), MAILMOD_OK);
    assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_UIDL);
    assert_int_equal(mm_pop3d_answer(engine, NULL), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_pop3d_answer_row(engine, 1, 0, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_pop3d_answer_row(engine, 1, 0, "a b"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_pop3d_answer_row(engine, 1, 0, "\x7f"),
                     MAILMOD_ERROR_ARGUMENT);
    memset(big, 'i', 71);
    assert_int_equal(mm_pop3d_answer_row(engine, 1, 0, big),
                     MAILMOD_ERROR_ARGUMENT);
    big[70] = '\0';
    assert_int_equal(mm_pop3d_answer_row(engine, 1, 0, big), MAILMOD_OK);
    assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_LIST);
    assert_int_equal(mm_pop3d_answer_row(engine, 1, 0, "x"),
                     MAILMOD_ERROR_STATE);
    pop3_host_close(&host);
    open_with(&clear_options);
    assert_int_equal(mm_pop3d_feed(host.engine, "AUTH PLAIN\r\n", 12), 12);
    assert_int_equal(mm_pop3d_next(host.engine, &info), MM_POP3D_AUTH);
    assert_int_equal(mm_pop3d_challenge(host.engine, mm_span(big, sizeof big)),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(
        mm_pop3d_challenge(host.engine, mm_span(big, sizeof big - 1)),
        MAILMOD_OK);
    pop3_host_close(&host);
}

/* A client that sends and never reads: the output has its bound, the input
 * too, and all comes right when it reads at last. */
static void test_output_is_bounded(void **state)
{
    enum { COMMANDS = 40000 };
    static char text[COMMANDS * 6];
    (void)state;
    for (size_t i = 0; i < COMMANDS; i++) {
        memcpy(text + 6 * i, "CAPA\r\n", 6);
    }
    open_logged_in();
    host.is_stalled = true;
    size_t taken = pop3_host_feed(&host, text, sizeof text);
    assert_true(taken < sizeof text);
    assert_true(mm_pop3d_output(host.engine).size <= MM_LIMIT_OUTPUT);
    assert_true(mm_buf_size(&host.engine->input) <= MM_LIMIT_INPUT);
    uint64_t progress = mm_pop3d_progress(host.engine);
    pop3_host_pump(&host);
    assert_true(mm_pop3d_progress(host.engine) == progress);
    host.is_stalled = false;
    pop3_host_pump(&host);
    forget_output();
    while (taken < sizeof text) {
        size_t size = sizeof text - taken < 4096 ? sizeof text - taken : 4096;
        taken += pop3_host_feed(&host, text + taken, size);
        assert_int_equal(host.output_lost, 0);
        forget_output();
    }
    say("NOOP\r\n");
    expect("+OK Done.\r\n");
    assert_int_equal(mm_pop3d_progress(host.engine), COMMANDS + 3);
    pop3_host_close(&host);
}

/* 100 000 rows through a bounded output. */
static void test_rows_flow(void **state)
{
    enum { ROWS = 100000 };
    struct mm_pop3d_info info;
    size_t next = 1;
    size_t seen = 0;
    size_t size_max = 0;
    (void)state;
    open_logged_in();
    struct mm_pop3d *engine = host.engine;
    assert_int_equal(mm_pop3d_feed(engine, "UIDL\r\nNOOP\r\n", 12), 12);
    assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_UIDL);
    assert_int_equal(mm_pop3d_answer(engine, NULL), MAILMOD_OK);
    while (strcmp(mm_pop3d_state_name(engine), "rows") == 0) {
        assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_NEED_ROWS);
        char id[32];
        snprintf(id, sizeof id, "identifier-%zu", next);
        while (next <= ROWS && mm_pop3d_row(engine, next, 0, id)) {
            next++;
            snprintf(id, sizeof id, "identifier-%zu", next);
        }
        struct mm_span out = mm_pop3d_output(engine);
        size_max = out.size > size_max ? out.size : size_max;
        if (next <= ROWS) {
            assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_NEED_INPUT);
        } else {
            mm_pop3d_rows_end(engine);
            (void)mm_pop3d_next(engine, &info); /* takes NOOP */
        }
        out = mm_pop3d_output(engine);
        for (size_t i = 0; i < out.size; i++) {
            seen += out.data[i] == '\n';
        }
        mm_pop3d_sent(engine, out.size);
    }
    assert_int_equal(seen, 1 + ROWS + 1 + 1);
    assert_true(size_max <= MM_LIMIT_OUTPUT);
    pop3_host_close(&host);
}

/* A body larger than the output, in pieces of every kind: dots once, all of
 * it, at any pace of the reader. */
static void test_body_flow(void **state)
{
    static char body[3 * MM_LIMIT_OUTPUT];
    static const size_t pieces[] = {1, 2, 3, 1000, 65536, sizeof body};
    (void)state;
    /* ".\r\n" again and again: the greatest growth there is. */
    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = ".\r\n"[i % 3];
    }
    size_t lines = sizeof body / 3;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        open_logged_in();
        host.messages[0] = mm_span(body, sizeof body);
        host.piece = pieces[i];
        host.is_stalled = true;
        say("RETR 1\r\n");
        assert_true(mm_pop3d_output(host.engine).size <= MM_LIMIT_OUTPUT);
        assert_string_equal(mm_pop3d_state_name(host.engine), "body");
        host.is_stalled = false;
        pop3_host_pump(&host);
        assert_string_equal(mm_pop3d_state_name(host.engine), "transaction");
        size_t head = strlen("+OK Message follows.\r\n");
        assert_int_equal(host.output_size, head + 4 * lines + 3);
        for (size_t k = 0; k < lines; k++) {
            assert_memory_equal(host.output + head + 4 * k, "..\r\n", 4);
        }
        assert_memory_equal(host.output + head + 4 * lines, ".\r\n", 3);
        pop3_host_close(&host);
    }
}

/* TOP says by wants_body that it has enough, and takes the rest unseen. */
static void test_top_is_over_early(void **state)
{
    struct mm_pop3d_info info;
    static const char text[] = "A: b\r\n\r\none\r";
    (void)state;
    open_logged_in();
    struct mm_pop3d *engine = host.engine;
    assert_int_equal(mm_pop3d_feed(engine, "TOP 1 1\r\n", 9), 9);
    assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_TOP);
    assert_int_equal(mm_pop3d_answer(engine, NULL), MAILMOD_OK);
    assert_true(mm_pop3d_wants_body(engine));
    assert_int_equal(mm_pop3d_body(engine, text, sizeof text - 1),
                     sizeof text - 1);
    assert_false(mm_pop3d_wants_body(engine));
    assert_int_equal(mm_pop3d_next(engine, &info), MM_POP3D_NEED_BODY);
    assert_int_equal(mm_pop3d_body(engine, "\ntwo", 4), 4);
    mm_pop3d_body_end(engine);
    pop3_host_pump(&host);
    expect("+OK Message follows.\r\nA: b\r\n\r\none\r\n.\r\n");
    pop3_host_close(&host);
}

/* TOP against a plain reckoning, for every count of lines and every piece. */
static void test_top_pieces(void **state)
{
    static const char message[] =
        "A: b\r\n.C: d\r\n\r\n.one\r\n\r\nthree\r\n.\r\nfive\r\n";
    static const size_t ends[] = {15, 21, 23, 30, 33, 39, 39};
    (void)state;
    for (size_t lines = 0; lines < 7; lines++) {
        for (size_t piece = 1; piece < sizeof message; piece++) {
            char command[32];
            char wanted[128] = "+OK Message follows.\r\n";
            size_t used = strlen(wanted);
            for (size_t i = 0; i < ends[lines]; i++) {
                if (message[i] == '.' && message[i - 1] == '\n') {
                    wanted[used++] = '.';
                }
                wanted[used++] = message[i];
            }
            memcpy(wanted + used, ".\r\n", 4);
            open_logged_in();
            host.messages[0] = mm_span(message, sizeof message - 1);
            host.piece = piece;
            snprintf(command, sizeof command, "TOP 1 %zu\r\n", lines);
            say(command);
            expect(wanted);
            pop3_host_close(&host);
        }
    }
}

static void test_close(void **state)
{
    const struct mm_pop3_reply bye = {false, "SYS/TEMP", "Shutting down."};
    struct mm_pop3d_info info;
    (void)state;
    open_logged_in();
    assert_int_equal(mm_pop3d_close(host.engine, &bye), MAILMOD_OK);
    pop3_host_pump(&host);
    expect("-ERR [SYS/TEMP] Shutting down.\r\n");
    assert_true(host.is_closed);
    assert_false(host.is_updated);
    assert_int_equal(mm_pop3d_close(host.engine, &bye), MAILMOD_OK);
    say("QUIT\r\n");
    expect("");
    assert_false(host.is_updated);
    pop3_host_close(&host);
    /* Inside a message a word of ours would be read as the message's. */
    open_logged_in();
    assert_int_equal(mm_pop3d_feed(host.engine, "RETR 1\r\n", 8), 8);
    assert_int_equal(mm_pop3d_next(host.engine, &info), MM_POP3D_RETR);
    assert_int_equal(mm_pop3d_answer(host.engine, NULL), MAILMOD_OK);
    assert_int_equal(mm_pop3d_body(host.engine, "half", 4), 4);
    assert_int_equal(mm_pop3d_close(host.engine, &bye), MAILMOD_OK);
    pop3_host_pump(&host);
    expect("+OK Message follows.\r\nhalf");
    assert_true(host.is_closed);
    pop3_host_close(&host);
}

/* A session that waits holds no buffers. */
static void test_rest_is_cheap(void **state)
{
    (void)state;
    open_logged_in();
    say("CAPA\r\nRETR 1\r\n");
    assert_null(host.engine->input.data);
    assert_null(host.engine->output.data);
    assert_null(host.engine->sasl.data);
    assert_true(host.engine->reader.buf.capacity <= MM_LIMIT_POP3_COMMAND);
    pop3_host_close(&host);
}

/* 10 MiB without a line end, and a million bad commands: attack 89. */
static void test_floods(void **state)
{
    static char text[65536];
    struct mm_pop3d_options options = clear_options;
    (void)state;
    memset(text, 'A', sizeof text);
    open_logged_in();
    for (int i = 0; i < 160; i++) {
        assert_int_equal(pop3_host_feed(&host, text, sizeof text), sizeof text);
        assert_null(host.engine->input.data);
    }
    assert_true(host.engine->reader.buf.capacity <= 2 * MM_LIMIT_POP3_COMMAND);
    expect("");
    say("\r\nNOOP\r\n");
    expect("-ERR Line too long.\r\n+OK Done.\r\n");
    pop3_host_close(&host);
    for (size_t i = 0; i < sizeof text; i += 4) {
        memcpy(text + i, "XX\r\n", 4);
    }
    options.errors_max = 20;
    open_with(&options);
    forget_output();
    for (int i = 0; i < 62; i++) {
        assert_int_equal(pop3_host_feed(&host, text, sizeof text), sizeof text);
    }
    assert_int_equal(mm_pop3d_progress(host.engine), 20);
    assert_int_equal(host.output_size,
                     20 * strlen("-ERR Unknown command.\r\n"));
    assert_true(host.is_closed);
    pop3_host_close(&host);
}

static void test_reply_line_is_bounded(void **state)
{
    static char text[2000];
    struct mm_pop3_reply reply = {false, NULL, text};
    struct mm_pop3d_info info;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "[AUTH] a\r\n.\r\n+OK", 16);
    assert_int_equal(pop3_host_open(&host, &clear_options), MAILMOD_OK);
    assert_int_equal(mm_pop3d_next(host.engine, &info), MM_POP3D_CONNECT);
    assert_int_equal(mm_pop3d_answer(host.engine, &reply), MAILMOD_OK);
    pop3_host_pump(&host);
    assert_int_equal(host.output_size, 512);
    assert_memory_equal(host.output, "-ERR ?AUTH] a??.??+OKxx", 23);
    assert_memory_equal(host.output + 509, "x\r\n", 3);
    assert_true(host.is_closed);
    pop3_host_close(&host);
    /* The stamp stands at the greeting's end however long the text is. */
    reply.is_ok = true;
    assert_int_equal(pop3_host_open(&host, &clear_options), MAILMOD_OK);
    assert_int_equal(mm_pop3d_next(host.engine, &info), MM_POP3D_CONNECT);
    assert_int_equal(mm_pop3d_answer(host.engine, &reply), MAILMOD_OK);
    pop3_host_pump(&host);
    assert_int_equal(host.output_size, 512);
    size_t length = strlen(POP3_HOST_STAMP);
    assert_memory_equal(host.output + 510 - length, POP3_HOST_STAMP "\r\n",
                        length + 2);
    pop3_host_close(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_login_matrix),
        cmocka_unit_test(test_secrets_are_wiped),
        cmocka_unit_test(test_input_after_stls),
        cmocka_unit_test(test_tls_begun_needs_stls),
        cmocka_unit_test(test_base64_lengths),
        cmocka_unit_test(test_pending_event_stops),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_output_is_bounded),
        cmocka_unit_test(test_rows_flow),
        cmocka_unit_test(test_body_flow),
        cmocka_unit_test(test_top_is_over_early),
        cmocka_unit_test(test_top_pieces),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_rest_is_cheap),
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_reply_line_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
