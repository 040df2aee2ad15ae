/* test_smtp_server_walk.c - 10 000 random walks of commands through the SMTP
 * server engine, beside a model that is a table: what each command answers in
 * each state, and where it leads (attack 24). The seed is printed when a walk
 * fails. */
#include "wire/smtp/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALKS 10000
#define STEPS 40

enum state { HELLO, READY, MAIL, RCPT, BDAT, STATE_COUNT };
static const char *const state_names[] = {"hello", "ready", "mail", "rcpt",
                                          "bdat"};

/* What is said, how the host may answer, and by state: the code and the state
 * that follow an acceptance, then those of a refusal. Code 0: none possible.
 * A refusal by the host is 450, so that the wanted code tells who spoke. */
struct outcome {
    int code;
    enum state next;
    int refused_code; /* 0: the host is not asked */
    enum state refused_next;
};
struct command {
    const char *text;
    struct outcome by_state[STATE_COUNT];
};

#define SAME(code, state)                                                      \
    {                                                                          \
        code, state, 0, state                                                  \
    }
#define EVERYWHERE(code)                                                       \
    {                                                                          \
        SAME(code, HELLO), SAME(code, READY), SAME(code, MAIL),                \
            SAME(code, RCPT), SAME(code, BDAT)                                 \
    }

static const struct command commands[] = {
    {"EHLO x\r\n",
     {{250, READY, 450, HELLO},
      {250, READY, 450, READY},
      {250, READY, 450, READY},
      {250, READY, 450, READY},
      {250, READY, 450, READY}}},
    {"MAIL FROM:<a@b.example>\r\n",
     {SAME(503, HELLO),
      {250, MAIL, 450, READY},
      SAME(503, MAIL),
      SAME(503, RCPT),
      SAME(503, BDAT)}},
    {"RCPT TO:<c@d.example>\r\n",
     {SAME(503, HELLO),
      SAME(503, READY),
      {250, RCPT, 450, MAIL},
      {250, RCPT, 450, RCPT},
      SAME(503, BDAT)}},
    {"DATA\r\n",
     {SAME(503, HELLO),
      SAME(503, READY),
      SAME(554, MAIL),
      {354, READY, 450, READY},
      SAME(503, BDAT)}},
    {"BDAT 6\r\nQUIT\r\n",
     {SAME(503, HELLO),
      SAME(503, READY),
      SAME(554, READY),
      {250, BDAT, 450, READY},
      SAME(250, BDAT)}},
    {"BDAT 6 LAST\r\nQUIT\r\n",
     {SAME(503, HELLO),
      SAME(503, READY),
      SAME(554, READY),
      {250, READY, 450, READY},
      {250, READY, 450, READY}}},
    {"BDAT 6 x\r\nQUIT\r\n",
     {SAME(503, HELLO), SAME(503, READY), SAME(501, READY), SAME(501, READY),
      SAME(501, READY)}},
    {"RSET\r\n",
     {SAME(250, HELLO), SAME(250, READY), SAME(250, READY), SAME(250, READY),
      SAME(250, READY)}},
    {"RSET x\r\n", EVERYWHERE(501)},
    {"NOOP\r\n", EVERYWHERE(250)},
    {"VRFY x\r\n", EVERYWHERE(252)},
    {"HELP\r\n", EVERYWHERE(214)},
    {"EXPN x\r\n", EVERYWHERE(502)},
    {"FROB\r\n", EVERYWHERE(500)},
    {"NOOP\nQUIT\r\n", EVERYWHERE(500)},
    {"HELO\r\n", EVERYWHERE(501)},
    {"AUTH PLAIN AGEAYg==\r\n",
     {SAME(503, HELLO), SAME(504, READY), SAME(503, MAIL), SAME(503, RCPT),
      SAME(503, BDAT)}},
    {"STARTTLS\r\n",
     {SAME(503, HELLO),
      {220, HELLO, 450, READY},
      SAME(503, MAIL),
      SAME(503, RCPT),
      SAME(503, BDAT)}},
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

struct walk {
    struct mm_smtpd *engine;
    uint32_t random;
    bool is_tls;
    bool has_transaction; /* the host's view: MAIL to END or RESET */
};

static uint32_t next_random(struct walk *walk)
{
    walk->random ^= walk->random << 13;
    walk->random ^= walk->random >> 17;
    walk->random ^= walk->random << 5;
    return walk->random;
}

/* Keeps the host's view of the transaction, as a session would. */
static void note_event(struct walk *walk, enum mm_smtpd_event event,
                       bool refuses)
{
    switch (event) {
    case MM_SMTPD_MAIL:
        assert_false(walk->has_transaction);
        walk->has_transaction = !refuses;
        break;
    case MM_SMTPD_RCPT:
    case MM_SMTPD_DATA:
    case MM_SMTPD_BODY:
        assert_true(walk->has_transaction);
        break;
    case MM_SMTPD_END:
    case MM_SMTPD_RESET:
        assert_true(walk->has_transaction);
        walk->has_transaction = false;
        break;
    case MM_SMTPD_HELO:
    case MM_SMTPD_STARTTLS:
        assert_false(walk->has_transaction);
        break;
    default:
        break;
    }
}

/* Answers all events; true when the host refused one of them. */
static bool settle_all(struct walk *walk, bool refuses)
{
    static const struct mm_reply refusal = {450, "4.0.0", "no"};
    struct mm_smtpd_info info;
    bool has_refused = false;
    enum mm_smtpd_event event = mm_smtpd_next(walk->engine, &info);
    while (event != MM_SMTPD_NEED_INPUT) {
        bool is_asked = event != MM_SMTPD_BODY && event != MM_SMTPD_RESET;
        assert_int_not_equal(event, MM_SMTPD_BROKEN);
        note_event(walk, event, refuses && is_asked);
        has_refused = has_refused || (refuses && is_asked);
        assert_int_equal(mm_smtpd_answer(walk->engine,
                                         refuses && is_asked ? &refusal : NULL),
                         MAILMOD_OK);
        event = mm_smtpd_next(walk->engine, &info);
    }
    return has_refused;
}

static void feed(struct walk *walk, const char *text, bool *has_refused,
                 bool refuses)
{
    size_t size = strlen(text);
    while (size > 0) {
        size_t piece = 1 + next_random(walk) % size;
        size_t taken = mm_smtpd_feed(walk->engine, text, piece);
        assert_int_equal(taken, piece);
        *has_refused = settle_all(walk, refuses) || *has_refused;
        text += piece;
        size -= piece;
    }
}

/* The code of the one reply that is owed; the output is then empty. */
static int take_code(struct walk *walk)
{
    struct mm_span output = mm_smtpd_output(walk->engine);
    assert_true(output.size > 5);
    int code = (int)strtol(output.data, NULL, 10);
    mm_smtpd_sent(walk->engine, output.size);
    return code;
}

static struct outcome expect(const struct walk *walk, size_t number,
                             enum state state)
{
    struct outcome outcome = commands[number].by_state[state];
    bool is_starttls = strncmp(commands[number].text, "STARTTLS", 8) == 0;
    if (is_starttls && state == READY && walk->is_tls) {
        outcome = (struct outcome){503, READY, 0, READY};
    }
    return outcome;
}

static enum state step(struct walk *walk, enum state state)
{
    size_t number = next_random(walk) % COMMAND_COUNT;
    bool refuses = next_random(walk) % 4 == 0;
    bool has_refused = false;
    struct outcome outcome = expect(walk, number, state);
    feed(walk, commands[number].text, &has_refused, refuses);
    int code = take_code(walk);
    assert_true(!has_refused || outcome.refused_code != 0);
    if (has_refused) {
        assert_int_equal(code, outcome.refused_code);
        return outcome.refused_next;
    }
    assert_int_equal(code, outcome.code);
    if (code == 220) {
        assert_string_equal(mm_smtpd_state_name(walk->engine), "tls");
        mm_smtpd_tls_begun(walk->engine);
        walk->is_tls = true;
    }
    if (code == 354) {
        assert_string_equal(mm_smtpd_state_name(walk->engine), "data");
        refuses = next_random(walk) % 4 == 0;
        feed(walk, "RSET\r\n..\r\n.\r\n", &has_refused, refuses);
        assert_int_equal(take_code(walk), has_refused ? 450 : 250);
    }
    return outcome.next;
}

static void walk_once(uint32_t seed)
{
    static const struct mm_smtpd_options options = {
        .host_name = "mail.example",
        .mechanisms_clear = MM_SASL_SCRAM_SHA_256,
        .mechanisms_tls = MM_SASL_SCRAM_SHA_256,
        .has_starttls = true,
    };
    struct walk walk = {.random = seed};
    enum state state = HELLO;
    assert_int_equal(mm_smtpd_new(&walk.engine, &options), MAILMOD_OK);
    assert_false(settle_all(&walk, false));
    assert_int_equal(take_code(&walk), 220);
    for (int i = 0; i < STEPS; i++) {
        state = step(&walk, state);
        if (strcmp(mm_smtpd_state_name(walk.engine), state_names[state]) != 0) {
            fail_msg("seed %u, step %d: the model is in %s, the engine in %s",
                     (unsigned)seed, i, state_names[state],
                     mm_smtpd_state_name(walk.engine));
        }
        assert_int_equal(walk.has_transaction, state >= MAIL);
    }
    mm_smtpd_free(&walk.engine);
}

static void test_walks(void **unused)
{
    (void)unused;
    for (uint32_t seed = 1; seed <= WALKS; seed++) {
        walk_once(seed * 2654435761u | 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
