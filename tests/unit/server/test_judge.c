/* test_judge.c - the way through a table of judges: order, who is waited for,
 * what is kept for RCPT, and who postmaster does not hear. Thread: the test's.
 */
#include "fake_world.h"
#include "server/judge.h"

/* What each judge says now: 'p'ass, 'r'efuse, 'l'ater; how often it was asked;
 * and the effects of its answers. */
struct court {
    char says[5];
    unsigned asked[5];
    unsigned fields[5];
    unsigned delay_ms[5];
};

static void write_field(const void *subject, struct mm_buf *out)
{
    const struct court *court = subject;

    (void)mm_buf_appendf(out, "asked %u %u\r\n", court->asked[1],
                         court->asked[3]);
}

static const struct mm_reply refusals[5] = {{550, "5.7.1", "0"},
                                            {550, "5.7.1", "1"},
                                            {550, "5.7.1", "2"},
                                            {550, "5.7.1", "3"},
                                            {550, "5.7.1", "4"}};

static enum mm_judgement say(void *subject, size_t index,
                             struct mm_finding *finding)
{
    struct court *court = subject;

    court->asked[index]++;
    for (unsigned i = 0; i < court->fields[index]; i++) {
        mm_finding_add(finding, (struct mm_effect){.kind = MM_EFFECT_FIELD,
                                                   .write = write_field});
    }
    if (court->delay_ms[index] > 0) {
        mm_finding_add(finding,
                       (struct mm_effect){.kind = MM_EFFECT_DELAY,
                                          .delay_ms = court->delay_ms[index]});
    }
    if (court->says[index] == 'r') {
        finding->reply = &refusals[index];
        return MM_JUDGE_REPLY;
    }
    finding->wait = MM_WAIT_NAMES;
    return court->says[index] == 'l' ? MM_JUDGE_LATER : MM_JUDGE_PASS;
}

static enum mm_judgement say_0(void *subject, struct mm_finding *finding)
{
    return say(subject, 0, finding);
}

static enum mm_judgement say_1(void *subject, struct mm_finding *finding)
{
    return say(subject, 1, finding);
}

static enum mm_judgement say_2(void *subject, struct mm_finding *finding)
{
    return say(subject, 2, finding);
}

static enum mm_judgement say_3(void *subject, struct mm_finding *finding)
{
    return say(subject, 3, finding);
}

static enum mm_judgement say_4(void *subject, struct mm_finding *finding)
{
    return say(subject, 4, finding);
}

static const struct mm_judge table[] = {
    {"ban", MM_STAGE_CONNECT, true, say_0},
    {"list", MM_STAGE_CONNECT, false, say_1},
    {"sender", MM_STAGE_MAIL, false, say_2},
    {"relay", MM_STAGE_RCPT, true, say_3},
    {"loop", MM_STAGE_END, true, say_4},
};

/* The answers of CONNECT, HELO, MAIL, RCPT, DATA and END, one letter each: 'p'
 * or 'l' or the number of the judge who refused. */
static void walk(const char *says, bool is_postmaster, const char *wanted)
{
    struct court court;
    struct mm_judging judging;
    char got[7] = "";

    memset(&court, 0, sizeof court);
    memcpy(court.says, says, sizeof court.says);
    mm_judging_init(&judging, table, 5, &court);
    for (int stage = MM_STAGE_CONNECT; stage <= MM_STAGE_END; stage++) {
        struct mm_finding finding = {0};

        judging.next = 0;
        switch (mm_judging_ask(&judging, (enum mm_stage)stage, is_postmaster,
                               &finding)) {
        case MM_JUDGE_PASS:
            got[stage] = 'p';
            break;
        case MM_JUDGE_LATER:
            assert_int_equal(finding.wait, MM_WAIT_NAMES);
            got[stage] = 'l';
            break;
        case MM_JUDGE_REPLY:
            got[stage] = finding.reply->text[0];
            break;
        }
    }
    assert_string_equal(got, wanted);
}

static void test_R13_stages(void **state)
{
    static const struct {
        const char *says;
        bool is_postmaster;
        const char *wanted;
    } rows[] = {
        {"ppppp", false, "pppppp"},
        {"rpppp", false, "0ppppp"}, /* at once */
        {"lpppp", false, "lppppp"},
        {"prppp", false, "ppp1pp"}, /* kept, and said at RCPT */
        {"pprpp", false, "ppp2pp"},
        {"prrpp", false, "ppp1pp"}, /* the first one is the reply */
        {"prprp", false, "ppp1pp"},
        {"plppp", false, "ppplpp"}, /* holds up nobody before RCPT */
        {"pplrp", false, "ppplpp"},
        {"ppprp", false, "ppp3pp"},
        {"ppppr", false, "ppppp4"},
        {"prrpp", true, "pppppp"}, /* postmaster hears everybody */
        {"plppp", true, "pppppp"},
        {"ppprp", true, "ppp3pp"}, /* but relays for nobody */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        walk(rows[i].says, rows[i].is_postmaster, rows[i].wanted);
    }
}

/* Each is asked once for what it judges, and goes on where it waited. */
static void test_each_is_asked_once(void **state)
{
    struct court court = {.says = {'l', 'l', 'p', 'p', 'p'}};
    struct mm_judging judging;
    struct mm_finding finding;

    (void)state;
    mm_judging_init(&judging, table, 5, &court);
    assert_int_equal(
        mm_judging_ask(&judging, MM_STAGE_CONNECT, false, &finding),
        MM_JUDGE_LATER);
    assert_int_equal(court.asked[1], 0);
    court.says[0] = 'p';
    assert_int_equal(
        mm_judging_ask(&judging, MM_STAGE_CONNECT, false, &finding),
        MM_JUDGE_PASS);
    assert_int_equal(court.asked[0], 2);
    assert_int_equal(court.asked[1], 1);
    assert_int_equal(mm_judging_ask(&judging, MM_STAGE_MAIL, false, &finding),
                     MM_JUDGE_PASS);
    assert_int_equal(mm_judging_ask(&judging, MM_STAGE_RCPT, false, &finding),
                     MM_JUDGE_LATER);
    court.says[1] = 'p';
    for (int i = 0; i < 3; i++) { /* three recipients */
        assert_int_equal(
            mm_judging_ask(&judging, MM_STAGE_RCPT, false, &finding),
            MM_JUDGE_PASS);
    }
    assert_int_equal(court.asked[1], 3);
    assert_int_equal(court.asked[2], 1);
    assert_int_equal(court.asked[3], 3);
}

/* A new message forgets what its sender earned, and not what the peer did. */
static void test_begin_anew(void **state)
{
    struct court court = {.says = {'p', 'p', 'r', 'p', 'p'}};
    struct mm_judging judging;
    struct mm_finding finding;

    (void)state;
    mm_judging_init(&judging, table, 5, &court);
    (void)mm_judging_ask(&judging, MM_STAGE_CONNECT, false, &finding);
    (void)mm_judging_ask(&judging, MM_STAGE_MAIL, false, &finding);
    assert_int_equal(mm_judging_ask(&judging, MM_STAGE_RCPT, false, &finding),
                     MM_JUDGE_REPLY);
    court.says[2] = 'p';
    mm_judging_begin(&judging, MM_STAGE_MAIL);
    (void)mm_judging_ask(&judging, MM_STAGE_MAIL, false, &finding);
    assert_int_equal(mm_judging_ask(&judging, MM_STAGE_RCPT, false, &finding),
                     MM_JUDGE_PASS);
    assert_int_equal(court.asked[1], 1);
    assert_int_equal(court.asked[2], 2);
}

static void expect_fields(const struct mm_judging *judging, const char *wanted)
{
    struct mm_buf out;

    mm_buf_init(&out, 4096);
    assert_int_equal(mm_judging_write_fields(judging, &out), MAILMOD_OK);
    assert_true(mm_span_is(mm_buf_span(&out), wanted));
    mm_buf_fini(&out);
}

/* A field of the peer's goes on each of its messages; one of a recipient's
 * once on its message; one of an answer that has not come on none. */
static void test_fields(void **state)
{
    struct court court = {.says = {'p', 'l', 'p', 'p', 'p'},
                          .fields = {0, 1, 0, 1, 0}};
    struct mm_judging judging;
    struct mm_finding finding;

    (void)state;
    mm_judging_init(&judging, table, 5, &court);
    (void)mm_judging_ask(&judging, MM_STAGE_CONNECT, false, &finding);
    expect_fields(&judging, "");
    court.says[1] = 'p';
    for (int i = 0; i < 2; i++) { /* two recipients */
        (void)mm_judging_ask(&judging, MM_STAGE_RCPT, false, &finding);
        assert_int_equal(judging.field_count, 2);
    }
    expect_fields(&judging, "asked 2 2\r\nasked 2 2\r\n");
    mm_judging_begin(&judging, MM_STAGE_MAIL);
    expect_fields(&judging, "asked 2 2\r\n");
    mm_judging_begin(&judging, MM_STAGE_CONNECT);
    expect_fields(&judging, "");
}

/* Neither an answer nor a message takes more than there is room for. */
static void test_effects_are_bounded(void **state)
{
    struct court court = {.says = {'p', 'p', 'p', 'p', 'p'},
                          .fields = {3, MM_LIMIT_EFFECTS + 1, 0, 0, 0}};
    struct mm_judging judging;
    struct mm_finding finding;

    (void)state;
    mm_judging_init(&judging, table, 5, &court);
    (void)mm_judging_ask(&judging, MM_STAGE_CONNECT, false, &finding);
    assert_int_equal(judging.field_count, MM_LIMIT_EFFECTS);
    assert_int_equal(judging.fields[2].by, 0);
    assert_int_equal(judging.fields[3].by, 1);
}

/* The longest one of an event, with its refusal, and of that event alone. */
static void test_delay(void **state)
{
    struct court court = {.says = {'p', 'p', 'p', 'r', 'p'},
                          .delay_ms = {0, 7, 0, 5, 3}};
    struct mm_judging judging;
    struct mm_finding finding;

    (void)state;
    mm_judging_init(&judging, table, 5, &court);
    (void)mm_judging_ask(&judging, MM_STAGE_CONNECT, false, &finding);
    assert_int_equal(judging.delay_ms, 7);
    assert_int_equal(mm_judging_ask(&judging, MM_STAGE_RCPT, false, &finding),
                     MM_JUDGE_REPLY);
    assert_int_equal(judging.delay_ms, 5);
    (void)mm_judging_ask(&judging, MM_STAGE_DATA, false, &finding);
    assert_int_equal(judging.delay_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R13_stages),
        cmocka_unit_test(test_each_is_asked_once),
        cmocka_unit_test(test_begin_anew),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_effects_are_bounded),
        cmocka_unit_test(test_delay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
