/* test_smtp_client_walk.c - random walks of 10 000 replies through the SMTP
 * client engine, beside a model (attacks 57, 58 and 60).
 *
 * A server of this file's own reads what the client says and answers at random:
 * it takes, refuses for now or for good, offers this and that, pipelined or
 * not, by DATA and by BDAT, with a login and with STARTTLS; now and then it
 * says what nobody asked. The model knows what it answered: each message has
 * one outcome, the one that its replies make, or the conversation fails, and
 * never both; each recipient hears its own reply, once; all of it ends. The
 * seed is printed and may be given as the program's argument. One thread. */
#include "base/buf.h"
#include "wire/sasl/sasl.h"
#include "wire/smtp/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WALKS 20
#define REPLIES 10000
#define RECIPIENTS 3
#define MESSAGES 6
#define ROUNDS_MAX 10000 /* of one conversation: more is no end */
#define SERVER_SIZE_MAX 1000

enum mode { COMMANDS, DATA, CHUNK, LOGIN, GONE };

/* The server, and what it answered to the message that is now sent. */
struct server {
    enum mode mode;
    struct mm_buf input;   /* from the client */
    struct mm_buf replies; /* not fed yet */
    bool is_tls;
    bool is_odd; /* it said what no server should */
    size_t chunk_left;
    bool is_chunk_last;
    unsigned login_lines; /* that are still to come */
    int mail;
    int rcpt[RECIPIENTS];
    size_t rcpt_count;
    int data;
    int end; /* of the body, or of the first chunk that was refused */
};

struct walk {
    uint32_t random;
    size_t replies;
    size_t outcomes[6]; /* by the hundreds of the code */
    size_t failures;
    struct mm_smtpc *engine;
    struct server server;
    bool is_over;
    bool in_message;
    bool by_chunks;
    unsigned messages;
    unsigned told[RECIPIENTS];
};

static uint32_t seed;

static uint32_t next_random(struct walk *walk)
{
    walk->random ^= walk->random << 13;
    walk->random ^= walk->random >> 17;
    walk->random ^= walk->random << 5;
    return walk->random;
}

static bool chance(struct walk *walk, unsigned one_in)
{
    return next_random(walk) % one_in == 0;
}

/* ---- the server ---- */

static void say(struct walk *walk, const char *text)
{
    assert_int_equal(mm_buf_append_cstr(&walk->server.replies, text),
                     MAILMOD_OK);
    walk->replies++;
}

/* `good`, or a refusal; the code that was said. */
static int answer(struct walk *walk, int good, unsigned refuses_one_in)
{
    static const int refusals[] = {450, 451, 550, 552, 554};
    static const char *const odd[] = {
        "421 4.3.2 going down\r\n", "299 2.0.0 odd\r\n", "354 odd\r\n",
        "no reply at all\r\n",      "600 x\r\n",         "250-a\r\n550 b\r\n"};
    char line[64];
    int code = good;
    if (chance(walk, 60)) {
        walk->server.is_odd = true;
        say(walk, odd[next_random(walk) % 6]);
        return 0;
    }
    if (refuses_one_in > 0 && chance(walk, refuses_one_in)) {
        code = refusals[next_random(walk) % 5];
    }
    bool has_more = chance(walk, 5);
    snprintf(line, sizeof line, "%s%d %s\r\n", "", code,
             chance(walk, 2) ? "2.0.0 text" : "");
    if (has_more) {
        char first[64];
        snprintf(first, sizeof first, "%d-more\r\n", code);
        assert_int_equal(mm_buf_append_cstr(&walk->server.replies, first),
                         MAILMOD_OK);
    }
    say(walk, line);
    return code;
}

static void answer_hello(struct walk *walk)
{
    static const char *const offers[] = {
        "PIPELINING", "8BITMIME",   "SIZE 1000",
        "DSN",        "SMTPUTF8",   "CHUNKING",
        "STARTTLS",   "BINARYMIME", "AUTH PLAIN LOGIN"};
    if (chance(walk, 12)) {
        (void)answer(walk, 502, 0);
        return;
    }
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        bool is_tls = strcmp(offers[i], "STARTTLS") == 0;
        if (!chance(walk, 3) && !(is_tls && walk->server.is_tls)) {
            assert_int_equal(
                mm_buf_appendf(&walk->server.replies, "250-%s\r\n", offers[i]),
                MAILMOD_OK);
        }
    }
    say(walk, "250 HELP\r\n");
}

static void answer_body(struct walk *walk)
{
    int code = answer(walk, 250, 4);
    bool was_good = walk->server.end < 400;
    walk->server.end = was_good ? code : walk->server.end;
}

static void answer_login(struct walk *walk, struct mm_span line)
{
    struct server *server = &walk->server;
    server->login_lines -= server->login_lines > 0;
    server->mode = server->login_lines > 0 ? LOGIN : COMMANDS;
    if (mm_span_is(line, "*")) {
        server->mode = COMMANDS;
        (void)answer(walk, 501, 0);
    } else if (server->mode == LOGIN) {
        say(walk, "334 VXNlcg==\r\n");
    } else {
        (void)answer(walk, 235, 3);
    }
}

static void answer_envelope(struct walk *walk, struct mm_span line)
{
    struct server *server = &walk->server;
    if (mm_span_starts_nocase(line, "MAIL ")) {
        server->rcpt_count = 0;
        server->data = 0;
        server->end = 0;
        server->mail = answer(walk, 250, 6);
    } else if (mm_span_starts_nocase(line, "RCPT ")) {
        bool is_lost = server->mail >= 400;
        assert_true(server->rcpt_count < RECIPIENTS);
        server->rcpt[server->rcpt_count++] =
            answer(walk, is_lost ? 503 : 250, is_lost ? 0 : 2);
    } else if (mm_span_is(line, "DATA")) {
        bool has_one = false;
        for (size_t i = 0; i < server->rcpt_count; i++) {
            has_one = has_one || server->rcpt[i] / 100 == 2;
        }
        /* RFC 2920 3.1: some say 354 although nobody is there. */
        server->data = answer(walk, has_one || chance(walk, 4) ? 354 : 554,
                              has_one ? 6 : 0);
        server->mode = server->data == 354 ? DATA : COMMANDS;
    } else if (!server->is_odd) {
        fail_msg("seed %u: the client said %.*s", (unsigned)seed,
                 (int)line.size, line.data);
    }
}

static void answer_line(struct walk *walk, struct mm_span line)
{
    struct server *server = &walk->server;
    if (server->mode == LOGIN) {
        answer_login(walk, line);
    } else if (mm_span_starts_nocase(line, "EHLO ")) {
        answer_hello(walk);
    } else if (mm_span_starts_nocase(line, "HELO ")) {
        (void)answer(walk, 250, 4);
    } else if (mm_span_is(line, "STARTTLS")) {
        assert_false(server->is_tls);
        (void)answer(walk, 220, 4);
    } else if (mm_span_starts_nocase(line, "AUTH ")) {
        bool is_login = mm_span_starts_nocase(line, "AUTH LOGIN");
        server->login_lines = is_login ? 3 : 1;
        answer_login(walk, line);
    } else if (mm_span_is(line, "RSET") || mm_span_is(line, "NOOP")) {
        (void)answer(walk, 250, 0);
    } else if (mm_span_is(line, "QUIT")) {
        server->mode = GONE;
        (void)answer(walk, 221, 4);
    } else if (mm_span_starts_nocase(line, "BDAT ")) {
        unsigned long size = strtoul(line.data + 5, NULL, 10);
        server->chunk_left = size;
        server->is_chunk_last = memchr(line.data, 'L', line.size) != NULL;
        server->mode = CHUNK;
    } else {
        answer_envelope(walk, line);
    }
}

/* How many octets of the input it has done with; 0: more must come. */
static size_t serve_some(struct walk *walk)
{
    struct server *server = &walk->server;
    struct mm_span input = mm_buf_span(&server->input);
    struct mm_span line;
    struct mm_span rest;
    if (server->mode == CHUNK) {
        size_t taken =
            input.size < server->chunk_left ? input.size : server->chunk_left;
        server->chunk_left -= taken;
        if (server->chunk_left == 0) {
            server->mode = COMMANDS;
            answer_body(walk);
        }
        return taken;
    }
    if (server->mode == GONE || !mm_span_cut(input, '\n', &line, &rest)) {
        return 0;
    }
    assert_true(line.size > 0 && line.data[line.size - 1] == '\r');
    line.size--;
    if (server->mode != DATA) {
        answer_line(walk, line);
    } else if (mm_span_is(line, ".")) {
        server->mode = COMMANDS;
        answer_body(walk);
    }
    return input.size - rest.size;
}

static void serve(struct walk *walk)
{
    size_t used;
    do {
        bool is_empty_chunk =
            walk->server.mode == CHUNK && walk->server.chunk_left == 0;
        used = serve_some(walk);
        mm_buf_consume(&walk->server.input, used);
        used += is_empty_chunk;
    } while (used > 0);
}

/* ---- the client's side ---- */

static const struct mm_smtpc_recipient recipients[RECIPIENTS] = {
    {"c@d.example", MM_DSN_NOTIFY_FAILURE, "rfc822;c@d.example"},
    {"e@d.example", 0, ""},
    {"f@d.example", 0, ""}};

static void begin_message(struct walk *walk)
{
    const struct mm_smtpc_message message = {
        .reverse_path = chance(walk, 3) ? "" : "a@b.example",
        .size = chance(walk, 10) ? SERVER_SIZE_MAX + 1 : 20,
        .is_8bit = chance(walk, 2),
        .envelope_id = "a+b",
        .recipients = recipients,
        .recipient_count = 1 + next_random(walk) % RECIPIENTS,
        .waits_for_replies = chance(walk, 2),
    };
    assert_false(walk->in_message);
    if (walk->messages++ == MESSAGES) {
        mm_smtpc_quit(walk->engine);
        return;
    }
    memset(walk->told, 0, sizeof walk->told);
    walk->server.mail = 0;
    walk->server.end = 0;
    enum mailmod_error error = mm_smtpc_send(walk->engine, &message);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_TOO_LARGE);
    walk->in_message = error == MAILMOD_OK;
}

/* What the replies come to: that of MAIL, of the last recipient where all are
 * refused, of DATA, or of the body. */
static int outcome(const struct server *server)
{
    bool has_one = false;
    for (size_t i = 0; i < server->rcpt_count; i++) {
        has_one = has_one || server->rcpt[i] / 100 == 2;
    }
    if (server->mail >= 400) {
        return server->mail;
    }
    if (!has_one) {
        return server->rcpt[server->rcpt_count - 1];
    }
    return server->data >= 400 ? server->data : server->end;
}

static void end_message(struct walk *walk, const struct mm_smtpc_info *info)
{
    assert_true(walk->in_message && info->reply != NULL);
    walk->in_message = false;
    walk->outcomes[info->reply->code / 100]++;
    if (walk->server.is_odd) {
        return;
    }
    int wanted = outcome(&walk->server);
    if (info->reply->code != wanted) {
        fail_msg("seed %u: %d, not %d (mail %d, data %d, end %d)",
                 (unsigned)seed, info->reply->code, wanted, walk->server.mail,
                 walk->server.data, walk->server.end);
    }
    assert_true(info->was_sent || wanted >= 400);
    for (size_t i = 0; i < walk->server.rcpt_count; i++) {
        assert_int_equal(walk->told[i], walk->server.mail < 400 ? 1 : 0);
    }
}

static void hear_recipient(struct walk *walk, const struct mm_smtpc_info *info)
{
    assert_true(walk->in_message && info->recipient < RECIPIENTS);
    assert_int_equal(++walk->told[info->recipient], 1);
    if (!walk->server.is_odd) {
        assert_int_equal(info->reply->code, walk->server.rcpt[info->recipient]);
    }
}

static void send_body(struct walk *walk)
{
    static const char text[] = "Subject: x\r\n\r\n.\r\nQUIT\r\n";
    assert_true(walk->in_message);
    (void)mm_smtpc_body(walk->engine, text, sizeof text - 1);
    if (chance(walk, 2)) {
        assert_int_equal(mm_smtpc_body_end(walk->engine), MAILMOD_OK);
    }
}

static void log_in(struct walk *walk, const struct mm_smtpc_info *info)
{
    unsigned lowest = info->mechanisms & (~info->mechanisms + 1);
    assert_int_equal(mm_smtpc_auth(walk->engine, (enum mm_sasl_mechanism)lowest,
                                   lowest == MM_SASL_PLAIN,
                                   mm_span("\0u\0p", 4)),
                     MAILMOD_OK);
}

static void settle(struct walk *walk, enum mm_smtpc_event event,
                   const struct mm_smtpc_info *info)
{
    if (walk->is_over) {
        fail_msg("seed %u: %d behind the end", (unsigned)seed, (int)event);
    }
    switch (event) {
    case MM_SMTPC_STARTTLS:
        walk->server.is_tls = mm_smtpc_tls_begun(walk->engine) == MAILMOD_OK;
        break;
    case MM_SMTPC_AUTH:
        log_in(walk, info);
        break;
    case MM_SMTPC_CHALLENGE:
        assert_int_equal(chance(walk, 8) ? mm_smtpc_auth_cancel(walk->engine)
                                         : mm_smtpc_auth_response(
                                               walk->engine, mm_span("u", 1)),
                         MAILMOD_OK);
        break;
    case MM_SMTPC_NEED_MESSAGE:
        begin_message(walk);
        break;
    case MM_SMTPC_RCPT_REPLY:
        hear_recipient(walk, info);
        break;
    case MM_SMTPC_NEED_BODY:
        send_body(walk);
        break;
    case MM_SMTPC_MESSAGE_DONE:
        end_message(walk, info);
        break;
    case MM_SMTPC_CLOSED:
    case MM_SMTPC_FAILED:
        /* One that is under way has no other outcome than this. */
        assert_true(event == MM_SMTPC_CLOSED || info->error != MAILMOD_OK);
        walk->failures += event == MM_SMTPC_FAILED;
        walk->is_over = true;
        break;
    default:
        break;
    }
}

static void pump(struct walk *walk)
{
    struct mm_smtpc_info info;
    enum mm_smtpc_event event = mm_smtpc_next(walk->engine, &info);
    while (event != MM_SMTPC_NEED_INPUT) {
        assert_true(info.phase < MM_SMTPC_PHASE_COUNT);
        settle(walk, event, &info);
        event = mm_smtpc_next(walk->engine, &info);
    }
    struct mm_span output = mm_smtpc_output(walk->engine);
    assert_int_equal(mm_buf_append_span(&walk->server.input, output),
                     MAILMOD_OK);
    mm_smtpc_sent(walk->engine, output.size);
}

static void begin(struct walk *walk)
{
    const struct mm_smtpc_options options = {
        .host_name = "client.example",
        .tls = (enum mm_smtpc_tls)(next_random(walk) % 4),
        .mechanisms = chance(walk, 2) ? MM_SASL_PLAIN | MM_SASL_LOGIN : 0,
        .allows_clear_auth = chance(walk, 2),
        .chunks = chance(walk, 2),
    };
    memset(&walk->server, 0, sizeof walk->server);
    mm_buf_init(&walk->server.input, 1u << 20);
    mm_buf_init(&walk->server.replies, 1u << 20);
    walk->server.is_tls = options.tls == MM_SMTPC_TLS_ON;
    walk->is_over = false;
    walk->in_message = false;
    walk->messages = 0;
    assert_int_equal(mm_smtpc_new(&walk->engine, &options), MAILMOD_OK);
    (void)answer(walk, 220, 20);
}

/* Some of the replies that are owed. */
static void hear(struct walk *walk)
{
    struct mm_span replies = mm_buf_span(&walk->server.replies);
    size_t piece =
        chance(walk, 2) ? replies.size : 1 + next_random(walk) % replies.size;
    size_t taken = mm_smtpc_feed(walk->engine, replies.data, piece);
    assert_int_equal(taken, piece);
    mm_buf_consume(&walk->server.replies, taken);
}

static void talk_once(struct walk *walk)
{
    unsigned rounds = 0;
    begin(walk);
    pump(walk);
    while (!walk->is_over) {
        if (++rounds == ROUNDS_MAX) {
            fail_msg("seed %u: no end", (unsigned)seed);
        }
        serve(walk);
        if (mm_buf_size(&walk->server.replies) == 0) {
            /* Nobody has anything to say: a server that was odd may wait for
             * what does not come, and a time-out ends it. */
            assert_true(walk->server.is_odd);
            break;
        }
        hear(walk);
        pump(walk);
    }
    mm_smtpc_free(&walk->engine);
    mm_buf_fini(&walk->server.input);
    mm_buf_fini(&walk->server.replies);
}

static void test_walks(void **unused)
{
    static struct walk walk;
    (void)unused;
    walk.random = seed * 2654435761u | 1;
    while (walk.replies < (size_t)WALKS * REPLIES) {
        talk_once(&walk);
    }
    printf("%zu taken, %zu put off, %zu refused, %zu conversations failed\n",
           walk.outcomes[2], walk.outcomes[4], walk.outcomes[5], walk.failures);
    assert_true(walk.outcomes[2] > 0 && walk.outcomes[4] > 0);
    assert_true(walk.outcomes[5] > 0 && walk.failures > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walks)};
    seed =
        argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : (uint32_t)time(NULL);
    printf("seed %u\n", (unsigned)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
