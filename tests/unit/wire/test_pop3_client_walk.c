/* test_pop3_client_walk.c - random walks of 10 000 replies through the POP3
 * client engine, beside a model (attack 97).
 *
 * A server of this file's own reads what the client says and answers at random:
 * it takes or refuses, tells CAPA or knows none, offers ways to log in and
 * STLS, lists, and gives messages with dots and without an end of line; now and
 * then it says what nobody asked. The model knows what it answered: each
 * question has one answer, in its order, with just those rows and octets; after
 * the end nothing is told, and all of it ends. The seed is printed and may be
 * given as the program's argument. One thread. */
#include "base/buf.h"
#include "wire/pop3/client.h"

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
#define ASKED_MAX 64
#define ROUNDS 4         /* of questions, in a conversation */
#define ROUNDS_MAX 10000 /* of talk: more is no end */
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb"

static const struct {
    const char *sent;
    const char *octets; /* as the client is to give them */
} bodies[] = {
    {"Subject: x\r\n\r\nbody\r\n.\r\n", "Subject: x\r\n\r\nbody\r\n"},
    {"\r\n..\r\n...b\r\n.\r\n", "\r\n.\r\n..b\r\n"},
    {".\r\n", ""},
};

/* One question, what it was answered, and what was told of that. */
struct question {
    enum mm_pop3c_verb verb;
    uint64_t number;
    bool is_answered; /* by the server */
    bool is_ok;
    unsigned rows;
    const char *octets;
};

struct walk {
    uint32_t random;
    size_t replies;
    size_t answers[2];
    size_t failures;
    struct mm_pop3c *engine;
    struct mm_buf input; /* the server's, from the client */
    struct mm_buf replies_owed;
    struct mm_buf octets; /* of the message that is now told */
    bool is_tls, is_odd, is_gone, is_over;
    bool must_tls;
    unsigned login_lines; /* of an exchange, that are still to come */
    bool in_login;
    struct question asked[ASKED_MAX];
    size_t asked_count;
    size_t served; /* of them, by the server */
    size_t told;   /* of them, by the client */
    bool in_answer;
    unsigned rows;
    unsigned rounds;
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
    assert_int_equal(mm_buf_append_cstr(&walk->replies_owed, text), MAILMOD_OK);
    walk->replies++;
}

/* +OK and the words, or a refusal; false for that, and for what is odd. */
static bool answer(struct walk *walk, const char *words,
                   unsigned refuses_one_in)
{
    static const char *const odd[] = {"+OK\r\n+OK\r\n", "* BAD\r\n", "+ x\r\n",
                                      "250 ok\r\n", "\r\n"};
    char line[128];
    if (chance(walk, 80)) {
        walk->is_odd = true;
        say(walk, odd[next_random(walk) % 5]);
        return false;
    }
    bool is_ok = refuses_one_in == 0 || !chance(walk, refuses_one_in);
    snprintf(line, sizeof line, "%s%s\r\n", is_ok ? "+OK" : "-ERR",
             is_ok             ? words
             : chance(walk, 2) ? " [SYS/TEMP] later"
                               : "");
    say(walk, line);
    return is_ok;
}

static void serve_capa(struct walk *walk)
{
    static const char *const offers[] = {
        "TOP\r\n",         "UIDL\r\n", "PIPELINING\r\n",
        "STLS\r\n",        "USER\r\n", "SASL PLAIN LOGIN\r\n",
        "EXPIRE NEVER\r\n"};
    if (!answer(walk, "", 6)) {
        return;
    }
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        if (!chance(walk, 3)) {
            say(walk, offers[i]);
        }
    }
    say(walk, ".\r\n");
}

static void serve_list(struct walk *walk, struct question *question)
{
    unsigned rows = next_random(walk) % 4;
    question->is_ok = answer(walk, " rows", 4);
    for (unsigned i = 1; question->is_ok && i <= rows; i++) {
        char line[64];
        snprintf(line, sizeof line,
                 question->verb == MM_POP3C_LIST ? "%u %u00\r\n"
                                                 : "%u id-%u\r\n",
                 i, i);
        say(walk, line);
    }
    question->rows = rows;
    if (question->is_ok) {
        say(walk, ".\r\n");
    }
}

static void serve_body(struct walk *walk, struct question *question)
{
    size_t i = next_random(walk) % (sizeof bodies / sizeof bodies[0]);
    question->octets = bodies[i].octets;
    question->is_ok = answer(walk, " octets", 4);
    if (question->is_ok) {
        say(walk, bodies[i].sent);
    }
}

static const char *word_of(const struct question *question)
{
    static const char *const words[] = {"STAT", "LIST", "UIDL", "RETR", "TOP",
                                        "DELE", "NOOP", "RSET", "XOWN"};
    return words[question->verb];
}

static void serve_question(struct walk *walk, struct mm_span line)
{
    struct question *question = &walk->asked[walk->served];
    if (walk->served == walk->asked_count ||
        !mm_span_starts_nocase(line, word_of(question))) {
        assert_true(walk->is_odd);
        return;
    }
    walk->served++;
    question->is_answered = true;
    if (question->verb == MM_POP3C_STAT) {
        question->is_ok = answer(walk, " 3 600", 4);
    } else if (question->verb == MM_POP3C_RETR ||
               question->verb == MM_POP3C_TOP) {
        serve_body(walk, question);
    } else if (question->verb != MM_POP3C_LIST &&
               question->verb != MM_POP3C_UIDL) {
        question->is_ok = answer(walk, "", 4);
    } else if (question->number == 0) {
        serve_list(walk, question);
    } else {
        question->is_ok = answer(
            walk, question->verb == MM_POP3C_LIST ? " 2 200" : " 2 id-2", 4);
    }
}

static void serve_login(struct walk *walk, struct mm_span line)
{
    walk->login_lines -= walk->login_lines > 0;
    walk->in_login = walk->login_lines > 0 && !mm_span_is(line, "*");
    if (mm_span_is(line, "*")) {
        say(walk, "-ERR cancelled\r\n");
    } else if (walk->in_login) {
        say(walk, "+ VXNlcg==\r\n");
    } else {
        (void)answer(walk, "", 3);
    }
}

static void serve_line(struct walk *walk, struct mm_span line)
{
    bool is_secret = mm_span_starts_nocase(line, "AUTH ") ||
                     mm_span_starts_nocase(line, "APOP ") ||
                     mm_span_starts_nocase(line, "USER ") ||
                     mm_span_starts_nocase(line, "PASS ");
    assert_true(!is_secret || walk->is_tls || !walk->must_tls);
    if (walk->in_login) {
        serve_login(walk, line);
    } else if (mm_span_is(line, "CAPA")) {
        serve_capa(walk);
    } else if (mm_span_is(line, "STLS")) {
        assert_false(walk->is_tls);
        (void)answer(walk, "", 4);
    } else if (mm_span_starts_nocase(line, "AUTH ")) {
        walk->login_lines = mm_span_starts_nocase(line, "AUTH LOGIN") ? 3 : 1;
        serve_login(walk, line);
    } else if (is_secret) {
        (void)answer(walk, "", 4);
    } else if (mm_span_is(line, "QUIT")) {
        walk->is_gone = true;
        (void)answer(walk, " bye", 4);
    } else {
        serve_question(walk, line);
    }
}

static void serve(struct walk *walk)
{
    struct mm_span line;
    struct mm_span rest;
    while (!walk->is_gone &&
           mm_span_cut(mm_buf_span(&walk->input), '\n', &line, &rest)) {
        size_t used = mm_buf_size(&walk->input) - rest.size;
        assert_true(line.size > 0 && line.data[line.size - 1] == '\r');
        line.size--;
        assert_null(memchr(line.data, '\r', line.size));
        serve_line(walk, line);
        mm_buf_consume(&walk->input, used);
    }
}

/* ---- the client's side ---- */

static void log_in(struct walk *walk, const struct mm_pop3c_info *info)
{
    unsigned lowest = info->ways & (~info->ways + 1);
    enum mailmod_error error;
    if (lowest == MM_POP3C_WAY_APOP) {
        error = mm_pop3c_apop(walk->engine, "u", DIGEST);
    } else if (lowest == MM_POP3C_WAY_USER) {
        error = mm_pop3c_user(walk->engine, "u", "p");
    } else {
        error = mm_pop3c_auth(walk->engine, (enum mm_sasl_mechanism)lowest,
                              lowest == MM_SASL_PLAIN, mm_span("\0u\0p", 4));
    }
    assert_int_equal(error, MAILMOD_OK);
}

static void ask_some(struct walk *walk)
{
    /* READY says that all is answered. */
    assert_true(walk->told == walk->asked_count && !walk->in_answer);
    walk->asked_count = 0;
    walk->served = 0;
    walk->told = 0;
    if (++walk->rounds > ROUNDS) {
        mm_pop3c_quit(walk->engine);
        return;
    }
    unsigned count = 1 + next_random(walk) % 12;
    for (unsigned i = 0; i < count; i++) {
        enum mm_pop3c_verb verb =
            (enum mm_pop3c_verb)(next_random(walk) % MM_POP3C_OWN);
        bool is_list = verb == MM_POP3C_LIST || verb == MM_POP3C_UIDL;
        bool has_number = verb >= MM_POP3C_RETR && verb <= MM_POP3C_DELE;
        uint64_t number = has_number || (is_list && chance(walk, 2)) ? 2 : 0;
        assert_int_equal(mm_pop3c_ask(walk->engine, verb, number, 3),
                         MAILMOD_OK);
        walk->asked[walk->asked_count++] =
            (struct question){.verb = verb, .number = number};
    }
}

static bool goes_on(const struct question *question)
{
    bool is_list =
        question->verb == MM_POP3C_LIST || question->verb == MM_POP3C_UIDL;
    return question->verb == MM_POP3C_RETR || question->verb == MM_POP3C_TOP ||
           (is_list && question->number == 0);
}

static void hear_answer(struct walk *walk, const struct mm_pop3c_info *info)
{
    const struct question *question = &walk->asked[walk->told];
    assert_true(walk->told < walk->asked_count && !walk->in_answer);
    assert_true(info->reply != NULL && info->verb == question->verb &&
                info->number == question->number);
    assert_true(walk->is_odd || (question->is_answered &&
                                 info->reply->is_ok == question->is_ok));
    if (!walk->is_odd && info->reply->is_ok &&
        question->verb == MM_POP3C_STAT) {
        assert_true(info->count == 3 && info->size == 600);
    }
    walk->answers[info->reply->is_ok ? 1 : 0]++;
    walk->in_answer = info->reply->is_ok && goes_on(question);
    walk->told += !walk->in_answer;
    walk->rows = 0;
    mm_buf_clear(&walk->octets);
}

static void hear_end(struct walk *walk)
{
    const struct question *question = &walk->asked[walk->told];
    assert_true(walk->in_answer);
    if (!walk->is_odd && question->octets != NULL) {
        assert_true(mm_span_is(mm_buf_span(&walk->octets), question->octets));
    } else if (!walk->is_odd) {
        assert_int_equal(walk->rows, question->rows);
    }
    walk->in_answer = false;
    walk->told++;
}

static void settle(struct walk *walk, enum mm_pop3c_event event,
                   const struct mm_pop3c_info *info)
{
    if (walk->is_over) {
        fail_msg("seed %u: %d behind the end", (unsigned)seed, (int)event);
    }
    switch (event) {
    case MM_POP3C_STLS:
        walk->is_tls = mm_pop3c_tls_begun(walk->engine) == MAILMOD_OK;
        break;
    case MM_POP3C_LOGIN:
        log_in(walk, info);
        break;
    case MM_POP3C_CHALLENGE:
        assert_int_equal(chance(walk, 8) ? mm_pop3c_auth_cancel(walk->engine)
                                         : mm_pop3c_auth_response(
                                               walk->engine, mm_span("u", 1)),
                         MAILMOD_OK);
        break;
    case MM_POP3C_READY:
        ask_some(walk);
        break;
    case MM_POP3C_ANSWER:
        hear_answer(walk, info);
        break;
    case MM_POP3C_ROW:
        assert_true(walk->in_answer);
        walk->rows++;
        assert_true(walk->is_odd || info->number == walk->rows);
        break;
    case MM_POP3C_BODY: {
        size_t taken = (info->data.size + 1) / 2;
        assert_true(walk->in_answer && info->data.size > 0);
        assert_int_equal(mm_buf_append(&walk->octets, info->data.data, taken),
                         MAILMOD_OK);
        mm_pop3c_body_taken(walk->engine, taken);
        break;
    }
    case MM_POP3C_END:
        hear_end(walk);
        break;
    case MM_POP3C_CLOSED:
    case MM_POP3C_FAILED:
        assert_true(event == MM_POP3C_CLOSED || info->error != MAILMOD_OK);
        walk->failures += event == MM_POP3C_FAILED;
        walk->is_over = true;
        break;
    default:
        break;
    }
}

static void pump(struct walk *walk)
{
    struct mm_pop3c_info info;
    enum mm_pop3c_event event = mm_pop3c_next(walk->engine, &info);
    while (event != MM_POP3C_NEED_INPUT) {
        assert_true(info.phase < MM_POP3C_PHASE_COUNT);
        settle(walk, event, &info);
        event = mm_pop3c_next(walk->engine, &info);
    }
    struct mm_span output = mm_pop3c_output(walk->engine);
    assert_int_equal(mm_buf_append_span(&walk->input, output), MAILMOD_OK);
    mm_pop3c_sent(walk->engine, output.size);
}

static void begin(struct walk *walk)
{
    struct walk kept = *walk;
    const struct mm_pop3c_options options = {
        .tls = (enum mm_pop3c_tls)(next_random(walk) % 4),
        .allows_clear_auth = !chance(walk, 4),
    };
    kept.random = walk->random;
    *walk = (struct walk){.random = kept.random,
                          .replies = kept.replies,
                          .failures = kept.failures};
    memcpy(walk->answers, kept.answers, sizeof walk->answers);
    mm_buf_init(&walk->input, 1u << 20);
    mm_buf_init(&walk->replies_owed, 1u << 20);
    mm_buf_init(&walk->octets, 1u << 20);
    walk->must_tls = options.tls == MM_POP3C_TLS_MUST;
    walk->is_tls = options.tls == MM_POP3C_TLS_ON;
    assert_int_equal(mm_pop3c_new(&walk->engine, &options), MAILMOD_OK);
    (void)answer(walk, chance(walk, 2) ? " <1.2@pop.example>" : " ready", 20);
}

/* Some of the replies that are owed, as many as are taken. */
static void hear(struct walk *walk)
{
    struct mm_span replies = mm_buf_span(&walk->replies_owed);
    size_t piece =
        chance(walk, 2) ? replies.size : 1 + next_random(walk) % replies.size;
    size_t taken = mm_pop3c_feed(walk->engine, replies.data, piece);
    mm_buf_consume(&walk->replies_owed, taken);
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
        if (mm_buf_size(&walk->replies_owed) == 0) {
            /* Nobody has anything to say: who waits for what an odd server
             * never says is ended by a time-out. */
            assert_true(walk->is_odd);
            break;
        }
        hear(walk);
        pump(walk);
    }
    mm_pop3c_free(&walk->engine);
    mm_buf_fini(&walk->input);
    mm_buf_fini(&walk->replies_owed);
    mm_buf_fini(&walk->octets);
}

static void test_walks(void **unused)
{
    static struct walk walk;
    (void)unused;
    walk.random = seed * 2654435761u | 1;
    while (walk.replies < (size_t)WALKS * REPLIES) {
        talk_once(&walk);
    }
    printf("%zu taken, %zu refused, %zu conversations failed\n",
           walk.answers[1], walk.answers[0], walk.failures);
    assert_true(walk.answers[0] > 0 && walk.answers[1] > 0);
    assert_true(walk.failures > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walks)};
    seed =
        argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : (uint32_t)time(NULL);
    printf("seed %u\n", (unsigned)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
