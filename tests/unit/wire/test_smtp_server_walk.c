/* test_smtp_server_walk.c - random walks of 10 000 steps through the SMTP
 * server engine, beside a model (attack 24).
 *
 * The model is a table, what each command answers in each state and where it
 * leads, and a handful of facts that change it: TLS, a login, what the options
 * offer and require. It shares no code with the engine. After each command the
 * one reply, the state and the host's view of the transaction must agree. When
 * a conversation ends (QUIT, 421, a refused connection) the walk goes on with
 * another one of other options. The seed is printed and may be given as the
 * program's argument. One thread. */
#include "wire/smtp/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WALKS 40
#define STEPS 10000
#define RECIPIENTS_MAX 3
#define SIZE_MAX_OCTETS 1000

enum state { REFUSED, HELLO, READY, MAIL, RCPT, BDAT, CLOSED, STATE_COUNT };
static const char *const state_names[] = {"refused", "hello", "ready", "mail",
                                          "rcpt",    "bdat",  "closed"};

/* By state: the code and the state that follow an acceptance, then those of a
 * refusal. Code 0: none possible. A refusal by the host is 450, so that the
 * wanted code tells who spoke. */
struct outcome {
    int code;
    enum state next;
    int refused_code; /* 0: the host is not asked */
    enum state refused_next;
};

enum rule {
    BY_TABLE,
    NEEDS_TLS = 1 << 0,   /* 530 before TLS where it is required */
    NEEDS_LOGIN = 1 << 1, /* likewise before a login */
    COUNTS = 1 << 2,      /* one recipient more */
    IS_BINARY = 1 << 3,   /* the body comes by BDAT alone */
    IS_STARTTLS = 1 << 4,
    IS_ETRN = 1 << 5,     /* 502 where it is not offered */
    IS_OWN = 1 << 6,      /* a verb of the host's, 500 where there is none */
    IS_AUTH = 1 << 7,     /* 502 where nothing can be offered */
    IS_EXCHANGE = 1 << 8, /* with a challenge between */
    IS_FLAWED = 1 << 9    /* no command at all: the same when refused */
};

struct command {
    const char *text;
    unsigned rules;
    struct outcome by_state[CLOSED]; /* from HELLO on; REFUSED is one rule */
};

#define SAME(code, state)                                                      \
    {                                                                          \
        code, state, 0, state                                                  \
    }
#define EVERYWHERE(code)                                                       \
    {                                                                          \
        {0}, SAME(code, HELLO), SAME(code, READY), SAME(code, MAIL),           \
            SAME(code, RCPT), SAME(code, BDAT)                                 \
    }
#define READY_ALONE(...)                                                       \
    {                                                                          \
        {0}, SAME(503, HELLO), __VA_ARGS__, SAME(503, MAIL), SAME(503, RCPT),  \
            SAME(503, BDAT)                                                    \
    }
#define HELLO_ROW(text)                                                        \
    {                                                                          \
        text, BY_TABLE,                                                        \
        {                                                                      \
            {0}, {250, READY, 450, HELLO}, {250, READY, 450, READY},           \
                {250, READY, 450, READY}, {250, READY, 450, READY},            \
            {                                                                  \
                250, READY, 450, READY                                         \
            }                                                                  \
        }                                                                      \
    }
#define MAIL_ROW(text, more)                                                   \
    {                                                                          \
        text, NEEDS_TLS | NEEDS_LOGIN | (more),                                \
            READY_ALONE({250, MAIL, 450, READY})                               \
    }

static const struct command commands[] = {
    HELLO_ROW("EHLO x\r\n"),
    HELLO_ROW("helo x\r\n"),
    MAIL_ROW("MAIL FROM:<a@b.example>\r\n", 0),
    MAIL_ROW("MAIL FROM:<> SIZE=1000 BODY=8BITMIME\r\n", 0),
    MAIL_ROW("MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n", IS_BINARY),
    {"MAIL FROM:<a@b.example> SIZE=1001\r\n", NEEDS_TLS | NEEDS_LOGIN,
     READY_ALONE(SAME(552, READY))},
    {"MAIL FROM:<a@b.example> FROB=1\r\n", NEEDS_TLS | NEEDS_LOGIN,
     READY_ALONE(SAME(555, READY))},
    {"MAIL a@b.example\r\n", NEEDS_TLS | NEEDS_LOGIN,
     READY_ALONE(SAME(501, READY))},
    {"RCPT TO:<c@d.example>\r\n",
     COUNTS,
     {{0},
      SAME(503, HELLO),
      SAME(503, READY),
      {250, RCPT, 450, MAIL},
      {250, RCPT, 450, RCPT},
      SAME(503, BDAT)}},
    {"RCPT TO:<c@d.example> NOTIFY=NOW\r\n",
     BY_TABLE,
     {{0},
      SAME(503, HELLO),
      SAME(503, READY),
      SAME(501, MAIL),
      SAME(501, RCPT),
      SAME(503, BDAT)}},
    {"DATA\r\n",
     BY_TABLE,
     {{0},
      SAME(503, HELLO),
      SAME(503, READY),
      SAME(554, MAIL),
      {354, READY, 450, READY},
      SAME(503, BDAT)}},
    {"BDAT 6\r\nQUIT\r\n",
     BY_TABLE,
     {{0},
      SAME(503, HELLO),
      SAME(503, READY),
      SAME(554, READY),
      {250, BDAT, 450, READY},
      SAME(250, BDAT)}},
    {"BDAT 6 LAST\r\nQUIT\r\n",
     BY_TABLE,
     {{0},
      SAME(503, HELLO),
      SAME(503, READY),
      SAME(554, READY),
      {250, READY, 450, READY},
      {250, READY, 450, READY}}},
    {"BDAT 0 LAST\r\n",
     BY_TABLE,
     {{0},
      SAME(503, HELLO),
      SAME(503, READY),
      SAME(554, READY),
      {250, READY, 450, READY},
      {250, READY, 450, READY}}},
    {"BDAT 6 x\r\nQUIT\r\n",
     BY_TABLE,
     {{0},
      SAME(503, HELLO),
      SAME(503, READY),
      SAME(501, READY),
      SAME(501, READY),
      SAME(501, READY)}},
    {"RSET\r\n",
     BY_TABLE,
     {{0},
      SAME(250, HELLO),
      SAME(250, READY),
      SAME(250, READY),
      SAME(250, READY),
      SAME(250, READY)}},
    {"RSET x\r\n", BY_TABLE, EVERYWHERE(501)},
    {"NOOP\r\n", BY_TABLE, EVERYWHERE(250)},
    {"VRFY x\r\n", NEEDS_TLS, EVERYWHERE(252)},
    {"VRFY\r\n", NEEDS_TLS, EVERYWHERE(501)},
    {"HELP\r\n", BY_TABLE, EVERYWHERE(214)},
    {"EXPN x\r\n", BY_TABLE, EVERYWHERE(502)},
    {"SEND FROM:<a@b.example>\r\n", BY_TABLE, EVERYWHERE(502)},
    {"SOML FROM:<a@b.example>\r\n", BY_TABLE, EVERYWHERE(502)},
    {"SAML FROM:<a@b.example>\r\n", BY_TABLE, EVERYWHERE(502)},
    {"TURN\r\n", BY_TABLE, EVERYWHERE(502)},
    {"FROB\r\n", BY_TABLE, EVERYWHERE(500)},
    {"BURL imap://x/ LAST\r\n", BY_TABLE, EVERYWHERE(500)},
    {"XCLIENT ADDR=192.0.2.1\r\n", BY_TABLE, EVERYWHERE(500)},
    {"NOOP\nQUIT\r\n", IS_FLAWED, EVERYWHERE(500)},
    {"HELO\r\n", BY_TABLE, EVERYWHERE(501)},
    {"AUTH PLAIN AGEAYg==\r\n", IS_AUTH, READY_ALONE({235, READY, 450, READY})},
    {"AUTH PLAIN =\r\n", IS_AUTH, READY_ALONE({235, READY, 450, READY})},
    {"AUTH PLAIN AGE\r\n", IS_AUTH, READY_ALONE(SAME(501, READY))},
    {"AUTH PLAIN\r\nAGEAYg==\r\n", IS_AUTH | IS_EXCHANGE,
     READY_ALONE({235, READY, 450, READY})},
    {"AUTH PLAIN\r\n*\r\n", IS_AUTH | IS_EXCHANGE,
     READY_ALONE(SAME(501, READY))},
    {"AUTH PLAIN\r\nno base64\r\n", IS_AUTH | IS_EXCHANGE,
     READY_ALONE(SAME(501, READY))},
    {"AUTH FROB\r\n", IS_AUTH, READY_ALONE(SAME(504, READY))},
    {"AUTH\r\n", IS_AUTH, READY_ALONE(SAME(501, READY))},
    {"ETRN d.example\r\n", NEEDS_TLS | IS_ETRN,
     READY_ALONE({250, READY, 450, READY})},
    {"ETRN\r\n", NEEDS_TLS | IS_ETRN, READY_ALONE(SAME(501, READY))},
    {"XOWN some words\r\n",
     IS_OWN,
     {{0},
      {250, HELLO, 450, HELLO},
      {250, READY, 450, READY},
      {250, MAIL, 450, MAIL},
      {250, RCPT, 450, RCPT},
      {250, BDAT, 450, BDAT}}},
    {"STARTTLS\r\n", IS_STARTTLS, READY_ALONE({220, HELLO, 450, READY})},
    {"STARTTLS x\r\n", BY_TABLE, READY_ALONE(SAME(501, READY))},
    {"QUIT x\r\n", BY_TABLE, EVERYWHERE(501)},
    {"QUIT\r\n",
     BY_TABLE,
     {{0},
      SAME(221, CLOSED),
      SAME(221, CLOSED),
      SAME(221, CLOSED),
      SAME(221, CLOSED),
      SAME(221, CLOSED)}},
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

struct walk {
    struct mm_smtpd *engine;
    struct mm_smtpd_options options;
    uint32_t random;
    enum state state;
    bool is_tls;
    bool is_in;
    bool is_binary;
    bool has_own;
    unsigned recipients;
    bool has_transaction; /* the host's view: MAIL to END or RESET */
    bool is_over;         /* likewise: QUIT or BROKEN */
    size_t visits[COMMAND_COUNT][STATE_COUNT];
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

/* Keeps the host's view of the transaction, as a session would. */
static void note_event(struct walk *walk, enum mm_smtpd_event event,
                       bool refuses)
{
    assert_false(walk->is_over);
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
    case MM_SMTPD_AUTH:
    case MM_SMTPD_ETRN:
    case MM_SMTPD_STARTTLS:
        assert_false(walk->has_transaction);
        break;
    case MM_SMTPD_QUIT:
        walk->is_over = true;
        break;
    default:
        break;
    }
}

static bool is_question(enum mm_smtpd_event event)
{
    return event != MM_SMTPD_BODY && event != MM_SMTPD_RESET &&
           event != MM_SMTPD_QUIT;
}

/* Answers all events, the first question of them by `refusal` if there is one;
 * true when a question was refused. */
static bool settle_all(struct walk *walk, const struct mm_reply *refusal)
{
    struct mm_smtpd_info info;
    bool has_refused = false;
    enum mm_smtpd_event event = mm_smtpd_next(walk->engine, &info);
    while (event != MM_SMTPD_NEED_INPUT) {
        bool is_asked = is_question(event);
        const struct mm_reply *reply = is_asked ? refusal : NULL;
        assert_int_not_equal(event, MM_SMTPD_BROKEN);
        note_event(walk, event, reply != NULL);
        if (event == MM_SMTPD_AUTH && !info.has_data) {
            assert_int_equal(mm_smtpd_challenge(walk->engine, mm_span(NULL, 0)),
                             MAILMOD_OK);
            assert_string_equal(mm_smtpd_state_name(walk->engine), "auth");
        } else {
            has_refused = has_refused || reply != NULL;
            assert_int_equal(mm_smtpd_answer(walk->engine, reply), MAILMOD_OK);
        }
        if (walk->is_over) {
            return has_refused;
        }
        event = mm_smtpd_next(walk->engine, &info);
    }
    return has_refused;
}

static bool feed(struct walk *walk, const char *text,
                 const struct mm_reply *refusal)
{
    size_t size = strlen(text);
    bool has_refused = false;
    while (size > 0 && !walk->is_over) {
        size_t piece = 1 + next_random(walk) % size;
        size_t taken = mm_smtpd_feed(walk->engine, text, piece);
        assert_int_equal(taken, piece);
        has_refused = settle_all(walk, refusal) || has_refused;
        text += piece;
        size -= piece;
    }
    return has_refused;
}

/* The code of the last of so many replies that are owed, and no more. */
static int take_code(struct walk *walk, unsigned count)
{
    struct mm_span output = mm_smtpd_output(walk->engine);
    struct mm_span line;
    unsigned found = 0;
    int code = 0;
    while (mm_span_cut(output, '\n', &line, &output)) {
        assert_true(line.size > 4);
        if (line.data[3] == ' ') {
            code = (int)strtol(line.data, NULL, 10);
            found++;
        }
    }
    if (found != count || output.size != 0) {
        fail_msg("%u replies, not %u: %.*s", found, count,
                 (int)mm_smtpd_output(walk->engine).size,
                 mm_smtpd_output(walk->engine).data);
    }
    mm_smtpd_sent(walk->engine, mm_smtpd_output(walk->engine).size);
    return code;
}

/* RFC 4954 4: what AUTH is told before anybody looks at its argument. */
static int auth_code(const struct walk *walk, const struct command *command)
{
    unsigned clear = walk->options.mechanisms_clear;
    unsigned usable = walk->is_tls ? walk->options.mechanisms_tls : clear;
    unsigned later = walk->is_tls ? 0 : walk->options.mechanisms_tls;
    bool is_plain = strncmp(command->text, "AUTH PLAIN", 10) == 0;
    if (walk->is_in) {
        return 503;
    }
    if (usable == 0 && later == 0) {
        return 502;
    }
    return is_plain && (usable & MM_SASL_PLAIN) == 0
               ? (later & MM_SASL_PLAIN) != 0 ? 538 : 504
               : 0;
}

/* The code by which a fact is in the command's way, or 0. */
static int fact_code(const struct walk *walk, const struct command *command)
{
    unsigned rules = command->rules;
    bool is_data = strcmp(command->text, "DATA\r\n") == 0;
    if ((rules & NEEDS_TLS) != 0 && walk->options.requires_tls &&
        !walk->is_tls) {
        return 530;
    }
    if ((rules & NEEDS_LOGIN) != 0 && walk->options.requires_auth &&
        !walk->is_in) {
        return 530;
    }
    if ((rules & IS_AUTH) != 0) {
        return auth_code(walk, command);
    }
    if ((rules & IS_ETRN) != 0 && !walk->options.has_etrn) {
        return 502;
    }
    if ((rules & IS_STARTTLS) != 0 &&
        (walk->is_tls || !walk->options.has_starttls)) {
        return walk->is_tls ? 503 : 502;
    }
    if ((rules & COUNTS) != 0 && walk->recipients == RECIPIENTS_MAX) {
        return 452;
    }
    return is_data && walk->state == RCPT && walk->is_binary ? 503 : 0;
}

static struct outcome expect(const struct walk *walk,
                             const struct command *command)
{
    enum state state = walk->state;
    if (state == REFUSED) { /* RFC 5321 3.1: QUIT, and else 503 */
        bool is_quit = strcmp(command->text, "QUIT\r\n") == 0;
        int code = is_quit                                    ? 221
                   : (command->rules & IS_FLAWED) != 0        ? 500
                   : strcmp(command->text, "QUIT x\r\n") == 0 ? 501
                                                              : 503;
        return (struct outcome){code, is_quit ? CLOSED : REFUSED, 0, REFUSED};
    }
    if ((command->rules & IS_OWN) != 0 && !walk->has_own) {
        return (struct outcome){500, state, 0, state};
    }
    struct outcome outcome = command->by_state[state];
    int code = outcome.code == 503 ? 0 : fact_code(walk, command);
    return code != 0 ? (struct outcome){code, state, 0, state} : outcome;
}

static void expect_state(const struct walk *walk, const char *name)
{
    assert_string_equal(mm_smtpd_state_name(walk->engine), name);
}

/* What follows an acceptance in the same step. */
static void go_on(struct walk *walk, const struct command *command, int code)
{
    static const struct mm_reply no = {450, "4.0.0", "no"};
    if (code == 220) {
        expect_state(walk, "tls");
        mm_smtpd_tls_begun(walk->engine);
        walk->is_tls = true;
        walk->is_in = false;
    }
    if (code == 235) {
        walk->is_in = true;
    }
    if (code == 250 && (command->rules & NEEDS_LOGIN) != 0) {
        walk->is_binary = (command->rules & IS_BINARY) != 0;
        walk->recipients = 0;
    }
    if (code == 250 && (command->rules & COUNTS) != 0) {
        walk->recipients++;
    }
    if (code == 354) {
        expect_state(walk, "data");
        bool is_no =
            feed(walk, "RSET\r\n..\r\n.\r\n", chance(walk, 4) ? &no : NULL);
        assert_int_equal(take_code(walk, 1), is_no ? 450 : 250);
    }
}

/* Each second step goes on towards a message, so that walks come deep. */
static size_t choose(struct walk *walk)
{
    static const char *const ways[STATE_COUNT] = {
        [HELLO] = "EHLO x\r\n",
        [READY] = "MAIL FROM:<a@b.example>\r\n",
        [MAIL] = "RCPT TO:<c@d.example>\r\n",
        [RCPT] = "BDAT 6\r\nQUIT\r\n",
    };
    size_t number = next_random(walk) % COMMAND_COUNT;
    const char *way = ways[walk->state];
    if (way != NULL && chance(walk, 2)) {
        for (number = 0; strcmp(commands[number].text, way) != 0;) {
            number++;
        }
    }
    return number;
}

static void step(struct walk *walk)
{
    static const struct mm_reply no = {450, "4.0.0", "no"};
    static const struct mm_reply bye = {421, "4.3.2", "bye"};
    size_t number = choose(walk);
    const struct command *command = &commands[number];
    if (walk->state != REFUSED && strncmp(command->text, "QUIT\r", 5) == 0 &&
        !chance(walk, 3)) {
        return; /* conversations are to be long */
    }
    struct outcome outcome = expect(walk, command);
    const struct mm_reply *refusal = chance(walk, 200) ? &bye
                                     : chance(walk, 4) ? &no
                                                       : NULL;
    /* RFC 4954 4: a line of an exchange that never began is a command. */
    bool has_two = (command->rules & IS_EXCHANGE) != 0;
    bool is_asked = outcome.refused_code != 0;
    walk->visits[number][walk->state]++;
    bool has_refused = feed(walk, command->text, refusal);
    assert_true(!has_refused || is_asked);
    int code = take_code(walk, has_two ? 2 : 1);
    bool has_begun = outcome.code == 235 || outcome.code == 501;
    if (has_two && !has_begun) {
        code = outcome.code; /* and the second line was 500 */
    }
    if (has_refused) {
        bool is_bye = refusal == &bye;
        assert_int_equal(code, is_bye ? 421 : outcome.refused_code);
        walk->state = is_bye ? CLOSED : outcome.refused_next;
        return;
    }
    if (code != outcome.code) {
        fail_msg("seed %u: %s in %s: %d, not %d", (unsigned)seed, command->text,
                 state_names[walk->state], code, outcome.code);
    }
    go_on(walk, command, code);
    walk->state = outcome.next;
}

static void begin(struct walk *walk)
{
    static const struct mm_reply no = {554, "5.7.1", "no"};
    static const struct mm_smtpd_verb own = {"XOWN", "XOWN"};
    static const unsigned masks[] = {0, MM_SASL_PLAIN, MM_SASL_SCRAM_SHA_256,
                                     MM_SASL_PLAIN | MM_SASL_SCRAM_SHA_256};
    uint32_t bits = next_random(walk);
    walk->options = (struct mm_smtpd_options){
        .host_name = "mail.example",
        .message_size_max = SIZE_MAX_OCTETS,
        .recipients_max = RECIPIENTS_MAX,
        .mechanisms_clear = masks[bits >> 8 & 3],
        .mechanisms_tls = masks[bits >> 10 & 3],
        .has_starttls = (bits & 1) != 0,
        .has_etrn = (bits & 2) != 0,
        .is_tls = (bits & 12) == 12,
        .requires_tls = (bits & 48) == 48,
        .requires_auth = (bits & 192) == 192,
    };
    walk->is_tls = walk->options.is_tls;
    walk->is_in = false;
    walk->is_over = false;
    walk->has_transaction = false;
    walk->has_own = (bits >> 12 & 1) != 0;
    assert_int_equal(mm_smtpd_new(&walk->engine, &walk->options), MAILMOD_OK);
    mm_smtpd_set_verbs(walk->engine, &own, walk->has_own ? 1 : 0);
    bool is_refused = settle_all(walk, chance(walk, 10) ? &no : NULL);
    assert_int_equal(take_code(walk, 1), is_refused ? 554 : 220);
    walk->state = is_refused ? REFUSED : HELLO;
}

/* From our side, at any moment (a time-out, a stop). */
static void close_it(struct walk *walk)
{
    static const struct mm_reply bye = {421, "4.4.2", "too slow"};
    assert_int_equal(mm_smtpd_close(walk->engine, &bye), MAILMOD_OK);
    (void)settle_all(walk, NULL);
    assert_true(walk->is_over);
    assert_int_equal(take_code(walk, 1), 421);
    walk->state = CLOSED;
}

static void walk_once(struct walk *walk)
{
    begin(walk);
    for (int i = 0; i < STEPS; i++) {
        if (chance(walk, 500)) {
            close_it(walk);
        } else {
            step(walk);
        }
        expect_state(walk, state_names[walk->state]);
        bool is_inside = walk->state >= MAIL && walk->state <= BDAT;
        assert_true(walk->is_over || walk->has_transaction == is_inside);
        assert_int_equal(walk->is_over, walk->state == CLOSED);
        if (walk->state == CLOSED) {
            mm_smtpd_free(&walk->engine);
            begin(walk);
        }
    }
    mm_smtpd_free(&walk->engine);
}

static void test_walks(void **unused)
{
    static struct walk walk;
    (void)unused;
    walk.random = seed * 2654435761u | 1;
    for (int i = 0; i < WALKS; i++) {
        walk_once(&walk);
    }
    /* A state that no walk came to would prove nothing. */
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        for (int state = REFUSED; state < CLOSED; state++) {
            if (walk.visits[i][state] == 0) {
                fail_msg("seed %u: no %s in %s", (unsigned)seed,
                         commands[i].text, state_names[state]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walks)};
    seed =
        argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : (uint32_t)time(NULL);
    printf("seed %u\n", (unsigned)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
