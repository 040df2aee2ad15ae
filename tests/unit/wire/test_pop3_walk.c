/* test_pop3_walk.c - random walks of 10 000 steps through the POP3 engine
 * beside a model (attacks 24 and 88).
 *
 * The model is a table: which command is good in which of three states, and a
 * handful of facts (TLS, name given, which messages are marked, what the
 * options offer). It shares no code with the engine. The host refuses what it
 * is asked now and then, which must leave all as it was. After each command the
 * reply's first line, the state and the counts must agree; a conversation that
 * ended is followed by another one of other options. The seed is printed and
 * may be given as the program's argument. One thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire/pop3_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WALKS 40
#define STEPS 10000

enum effect {
    REFUSED, /* wrong in form, whatever the state */
    PLAIN,
    ASKED, /* the host may refuse it, and else nothing changes */
    OWN,   /* likewise, where there is such a verb */
    LIST_MECHANISMS,
    GIVE_USER,
    TRY_PASS,
    TRY_WRONG_PASS,
    LOG_IN,               /* by APOP or AUTH, when it may be tried */
    FAIL_LOGIN,           /* likewise, with wrong credentials */
    FAIL_SYNTAX_OF_LOGIN, /* likewise, with what is not base64 */
    BEGIN_TLS,
    SHOW_STAT,
    SHOW,
    MARK,
    UNMARK,
    FALL_ASLEEP,
    WAKE_UP,
    LOG_OUT,
    LEAVE
};

enum { BEFORE = 1, AFTER = 2, BOTH = 3, ASLEEP = 4, ANY = 7 };

static const struct model_row {
    const char *line;
    unsigned states;
    enum effect effect;
    size_t number;      /* a message, or 0 */
    unsigned extension; /* that it is of; 0: always there */
} rows[] = {
    {"USER tim", BEFORE, GIVE_USER, 0, 0},
    {"user nobody", BEFORE, GIVE_USER, 0, 0},
    {"USER", BOTH, REFUSED, 0, 0},
    {"USER a b", BOTH, REFUSED, 0, 0},
    {"PASS tanstaaf", BEFORE, TRY_PASS, 0, 0},
    {"PASS wrong", BEFORE, TRY_WRONG_PASS, 0, 0},
    {"PASS ", BOTH, REFUSED, 0, 0},
    {"APOP tim c4c9334bac560ecc979e58001b3e22fb", BEFORE, LOG_IN, 1, 0},
    {"APOP tim 00c9334bac560ecc979e58001b3e22fb", BEFORE, FAIL_LOGIN, 1, 0},
    {"APOP tim c4", BOTH, REFUSED, 0, 0},
    {"AUTH PLAIN AHRpbQB0YW5zdGFhZg==", BEFORE, LOG_IN, 0, 0},
    {"AUTH PLAIN\r\nAHRpbQB0YW5zdGFhZg==", BEFORE, LOG_IN, 2, 0},
    {"AUTH PLAIN AHRpbQB0", BEFORE, FAIL_LOGIN, 0, 0},
    {"AUTH PLAIN =", BEFORE, FAIL_LOGIN, 0, 0},
    {"AUTH PLAIN AHR", BEFORE, FAIL_SYNTAX_OF_LOGIN, 0, 0},
    {"AUTH PLAIN\r\n*", BEFORE, FAIL_SYNTAX_OF_LOGIN, 2, 0},
    {"AUTH LOGIN", BOTH, REFUSED, 0, 0},
    {"STLS", BEFORE, BEGIN_TLS, 0, 0},
    {"STLS x", BOTH, REFUSED, 0, 0},
    {"CAPA", BOTH, PLAIN, 0, 0},
    {"CAPA x", BOTH, REFUSED, 0, 0},
    {"STAT", AFTER, SHOW_STAT, 0, 0},
    {"LIST", AFTER, PLAIN, 0, 0},
    {"list 1", AFTER, SHOW, 1, 0},
    {"LIST 3", AFTER, SHOW, 3, 0},
    {"LIST 4", AFTER, SHOW, 4, 0},
    {"LIST 0", BOTH, REFUSED, 0, 0},
    {"UIDL", AFTER, PLAIN, 0, 0},
    {"UIDL 2", AFTER, SHOW, 2, 0},
    {"UIDL -1", BOTH, REFUSED, 0, 0},
    {"RETR 1", AFTER, SHOW, 1, 0},
    {"RETR 2", AFTER, SHOW, 2, 0},
    {"Retr 9", AFTER, SHOW, 9, 0},
    {"RETR 18446744073709551616", BOTH, REFUSED, 0, 0},
    {"TOP 1 0", AFTER, SHOW, 1, 0},
    {"TOP 2 99999999999", AFTER, SHOW, 2, 0},
    {"TOP 1 -1", BOTH, REFUSED, 0, 0},
    {"TOP 1", BOTH, REFUSED, 0, 0},
    {"DELE 1", AFTER, MARK, 1, 0},
    {"DELE 2", AFTER, MARK, 2, 0},
    {"dele 3", AFTER, MARK, 3, 0},
    {"DELE 4294967297", AFTER, SHOW, 9, 0},
    {"DELE +1", BOTH, REFUSED, 0, 0},
    {"RSET", AFTER, UNMARK, 0, 0},
    {"SLEE", AFTER, FALL_ASLEEP, 0, MM_POP3D_WITH_SLEE},
    {"wake", ASLEEP, WAKE_UP, 0, MM_POP3D_WITH_SLEE},
    {"SLEE 1", ANY, REFUSED, 0, MM_POP3D_WITH_SLEE},
    {"QAUT", AFTER, LOG_OUT, 0, MM_POP3D_WITH_QAUT},
    {"CORE", AFTER, ASKED, 0, MM_POP3D_WITH_CORE},
    {"XLOG tim tanstaaf", BEFORE, LOG_IN, 0, MM_POP3D_WITH_XLOG},
    {"XLOG tim wrong", BEFORE, FAIL_LOGIN, 0, MM_POP3D_WITH_XLOG},
    {"XLOG tim", ANY, REFUSED, 0, MM_POP3D_WITH_XLOG},
    {"DELI 1", AFTER, MARK, 1, MM_POP3D_WITH_DELI},
    {"DELI UID:id-2", AFTER, MARK, 2, MM_POP3D_WITH_DELI | MM_POP3D_UID_PARAM},
    {"DELE uid:id-3", AFTER, MARK, 3, MM_POP3D_UID_PARAM},
    {"LIST UID:id-1", AFTER, SHOW, 1, MM_POP3D_UID_PARAM},
    {"RETR UID:none", AFTER, SHOW, 9, MM_POP3D_UID_PARAM},
    {"RETR UID:_", ANY, REFUSED, 0, MM_POP3D_UID_PARAM},
    {"REFR", AFTER, ASKED, 0, MM_POP3D_WITH_REFR},
    {"UTF8", BEFORE, PLAIN, 0, 0},
    {"UTF8 1", BOTH, REFUSED, 0, 0},
    {"LANG", BOTH, PLAIN, 0, 0},
    {"LANG en-GB", BOTH, PLAIN, 0, 0},
    {"LANG *", BOTH, PLAIN, 0, 0},
    {"LANG xx", BOTH, REFUSED, 0, 0},
    {"AUTH", BEFORE, LIST_MECHANISMS, 0, 0},
    {"AUTH PLAIN x y", ANY, REFUSED, 0, 0},
    {"XOWN some words", BOTH, OWN, 0, 0},
    {"xown", BOTH, OWN, 0, 0},
    {"XTND XMIT", ANY, REFUSED, 0, 0},
    {"NOOP", AFTER | ASLEEP, PLAIN, 0, 0},
    {"NOOP 1", BOTH, REFUSED, 0, 0},
    {"QUIT 1", BOTH, REFUSED, 0, 0},
    {"QUIT", ANY, LEAVE, 0, 0},
    {"", BOTH, REFUSED, 0, 0},
    {"EHLO me", BOTH, REFUSED, 0, 0},
    {"RETRIEVE 1", BOTH, REFUSED, 0, 0},
    {"USER\ttim", BOTH, REFUSED, 0, 0},
};

struct model {
    unsigned state; /* BEFORE, AFTER, ASLEEP or 0: closed */
    bool is_tls;
    bool allows_clear;
    bool has_stls;
    bool has_stamp;
    bool has_user;
    bool is_tim;
    bool has_own;
    bool refuses; /* the host, in this step */
    unsigned extensions;
    bool is_marked[3];
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

static struct pop3_host host;
static size_t visits[ROW_COUNT][3]; /* before, after, asleep */
static uint32_t seed;

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* What the model says of a login; RETURN true for +OK. */
static bool step_login(struct model *model, const struct model_row *row)
{
    bool may_try = model->is_tls || model->allows_clear;
    bool is_apop = strncmp(row->line, "APOP", 4) == 0;
    if (!may_try || (is_apop && !model->has_stamp)) {
        return false;
    }
    model->has_user = false;
    if (row->effect == LOG_IN) {
        model->state = AFTER;
    }
    return row->effect == LOG_IN;
}

static bool step_pass(struct model *model, bool is_right)
{
    bool may_try = model->is_tls || model->allows_clear;
    if (!may_try || !model->has_user) {
        return false;
    }
    model->has_user = false;
    if (!is_right || !model->is_tim) {
        return false;
    }
    model->state = AFTER;
    return true;
}

static bool step_before(struct model *model, const struct model_row *row)
{
    switch (row->effect) {
    case GIVE_USER:
        if (!model->is_tls && !model->allows_clear) {
            return false;
        }
        model->has_user = true;
        model->is_tim = strstr(row->line, "tim") != NULL;
        return true;
    case TRY_PASS:
        return step_pass(model, true);
    case TRY_WRONG_PASS:
        return step_pass(model, false);
    case BEGIN_TLS:
        if (model->is_tls || !model->has_stls) {
            return false;
        }
        model->is_tls = true;
        model->has_user = false;
        return true;
    case LIST_MECHANISMS:
        return model->is_tls || model->allows_clear;
    default:
        return step_login(model, row);
    }
}

/* What the host alone decides; logins and messages have rows of their own. */
static bool is_hosts(enum effect effect)
{
    return effect == ASKED || effect == OWN || effect == FALL_ASLEEP ||
           effect == WAKE_UP || effect == LOG_OUT || effect == LEAVE;
}

/* Changes the model; true when the engine must say +OK. */
static bool step_model(struct model *model, const struct model_row *row)
{
    if (row->effect == REFUSED || (row->states & model->state) == 0 ||
        (row->extension & ~model->extensions) != 0) {
        return false;
    }
    if (is_hosts(row->effect) && model->refuses) {
        /* RFC 1939 6: an update that failed ends the session all the same. */
        bool is_asked = row->effect != LEAVE || model->state == AFTER;
        model->state = row->effect == LEAVE ? 0 : model->state;
        return !is_asked;
    }
    bool has = row->number >= 1 && row->number <= 3 &&
               !model->is_marked[row->number - 1];
    switch (row->effect) {
    case PLAIN:
    case ASKED:
    case SHOW_STAT:
        return true;
    case OWN:
        return model->has_own;
    case SHOW:
        return has;
    case MARK:
        if (has) {
            model->is_marked[row->number - 1] = true;
        }
        return has;
    case UNMARK:
        memset(model->is_marked, 0, sizeof model->is_marked);
        return true;
    case FALL_ASLEEP:
        model->state = ASLEEP;
        return true;
    case WAKE_UP:
        model->state = AFTER;
        return true;
    case LOG_OUT:
        model->state = BEFORE;
        return true;
    case LEAVE:
        model->state = 0;
        return true;
    default:
        return step_before(model, row);
    }
}

static const char *state_of(const struct model *model)
{
    return model->state == BEFORE   ? "authorization"
           : model->state == AFTER  ? "transaction"
           : model->state == ASLEEP ? "asleep"
                                    : "closed";
}

static void compare(const struct model *model, const struct model_row *row,
                    bool is_ok)
{
    host.output[host.output_size] = '\0';
    const char *reply = host.output;
    if (row->number == 2 && row->effect != SHOW && row->effect != MARK &&
        strncmp(reply, "+ \r\n", 4) == 0) {
        reply += 4; /* the challenge between AUTH and its response */
    }
    const char *wanted = is_ok ? "+OK " : "-ERR ";
    if (strncmp(reply, wanted, strlen(wanted)) != 0 ||
        strcmp(mm_pop3d_state_name(host.engine), state_of(model)) != 0) {
        fail_msg("seed %u: %s: expected %s and %s, got %s and %s",
                 (unsigned)seed, row->line, wanted, state_of(model), reply,
                 mm_pop3d_state_name(host.engine));
    }
    if (row->effect == SHOW_STAT && is_ok) {
        char text[64];
        size_t count = 0;
        size_t octets = 0;
        for (size_t i = 0; i < 3; i++) {
            count += !model->is_marked[i];
            octets += model->is_marked[i] ? 0 : host.messages[i].size;
        }
        snprintf(text, sizeof text, "+OK %zu %zu\r\n", count, octets);
        assert_string_equal(reply, text);
    }
}

/* A refused AUTH of two lines leaves its second line: that is a command of its
 * own then, unknown and refused. */
static void feed_row(const struct model_row *row)
{
    host.output_size = 0;
    pop3_host_feed(&host, row->line, strlen(row->line));
    pop3_host_feed(&host, "\r\n", 2);
}

static unsigned random_extensions(uint32_t bits)
{
    unsigned all = MM_POP3D_UID_PARAM | MM_POP3D_WITH_DELI |
                   MM_POP3D_WITH_SLEE | MM_POP3D_WITH_QAUT |
                   MM_POP3D_WITH_XLOG | MM_POP3D_MULTI_LINE_IND |
                   MM_POP3D_WITH_CORE | MM_POP3D_WITH_REFR;
    return (bits & 1) != 0 ? all : bits >> 8 & all;
}

static void begin(struct model *model, uint32_t *random)
{
    static const struct mm_pop3d_verb own = {"XOWN", "XOWN"};
    *model = (struct model){
        .state = BEFORE,
        .allows_clear = next_random(random) % 3 != 0,
        .has_stls = next_random(random) % 3 != 0,
        .is_tls = next_random(random) % 4 == 0,
        .has_own = next_random(random) % 2 == 0,
        .extensions = random_extensions(next_random(random)),
    };
    model->has_stamp = model->is_tls || model->allows_clear;
    const struct mm_pop3d_options options = {
        .host_name = "mail.example",
        .apop_stamp = POP3_HOST_STAMP,
        .extensions = model->extensions,
        .mechanisms_clear = model->allows_clear ? MM_SASL_PLAIN : 0,
        .mechanisms_tls = MM_SASL_PLAIN,
        .has_stls = model->has_stls,
        .is_tls = model->is_tls,
        .allows_clear_login = model->allows_clear,
    };
    assert_int_equal(pop3_host_open(&host, &options), MAILMOD_OK);
    mm_pop3d_set_verbs(host.engine, &own, model->has_own ? 1 : 0);
    host.starts_tls = true;
    pop3_host_pump(&host);
}

static void step(struct model *model, uint32_t *random)
{
    const struct model_row *row = &rows[next_random(random) % ROW_COUNT];
    if (row->effect == LEAVE && next_random(random) % 4 != 0) {
        return; /* conversations are to be long */
    }
    bool was_after = model->state == AFTER;
    bool was_in = was_after || model->state == ASLEEP;
    visits[row - rows][model->state == ASLEEP ? 2 : model->state - 1]++;
    model->refuses = next_random(random) % 4 == 0;
    host.refuses = model->refuses;
    host.is_updated = false;
    bool is_ok = step_model(model, row);
    feed_row(row);
    compare(model, row, is_ok);
    assert_int_equal(mm_pop3d_is_authenticated(host.engine),
                     model->state == 0 ? was_in : model->state != BEFORE);
    assert_int_equal(host.is_updated, model->state == 0 && was_after);
    assert_int_equal(host.is_closed, model->state == 0);
}

static void walk(uint32_t *random)
{
    struct model model;
    begin(&model, random);
    for (int i = 0; i < STEPS; i++) {
        step(&model, random);
        if (model.state == 0) {
            pop3_host_close(&host);
            begin(&model, random);
        }
    }
    pop3_host_close(&host);
}

static void test_walks(void **state)
{
    uint32_t random = seed | 1;
    (void)state;
    for (int i = 0; i < WALKS; i++) {
        walk(&random);
    }
    /* A state that no walk came to would prove nothing. */
    for (size_t i = 0; i < ROW_COUNT; i++) {
        for (int at = 0; at < 3; at++) {
            if (visits[i][at] == 0) {
                fail_msg("seed %u: no %s in state %d", (unsigned)seed,
                         rows[i].line, at);
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
