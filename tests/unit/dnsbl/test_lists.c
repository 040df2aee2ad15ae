/* test_lists.c - zones as an operator writes them, and lists with weights,
 * tests and a memory, on names and a clock of the test's. RFC 5782. */
#include "dnsbl/dnsbl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { QUESTIONS_MAX = 64 };

struct question {
    char name[DNSBL_NAME_MAX];
    dnsbl_on_addresses *on_addresses;
    dnsbl_on_text *on_text;
    void *context;
    bool is_open;
};

static struct {
    struct question questions[QUESTIONS_MAX];
    size_t count;
    uint64_t now_ms;
    char told[400];
    int done;
} world;

static struct question *put(const char *name, void *context, void **query_out)
{
    struct question *question = &world.questions[world.count++];
    assert_true(world.count <= QUESTIONS_MAX);
    memset(question, 0, sizeof *question);
    snprintf(question->name, sizeof question->name, "%s", name);
    question->context = context;
    question->is_open = true;
    *query_out = question;
    return question;
}

static enum mailmod_error ask_addresses(void *names, const char *name,
                                        dnsbl_on_addresses *on_addresses,
                                        void *context, void **query_out)
{
    (void)names;
    put(name, context, query_out)->on_addresses = on_addresses;
    return MAILMOD_OK;
}

static enum mailmod_error ask_text(void *names, const char *name,
                                   dnsbl_on_text *on_text, void *context,
                                   void **query_out)
{
    (void)names;
    put(name, context, query_out)->on_text = on_text;
    return MAILMOD_OK;
}

static void cancel(void *names, void *query)
{
    (void)names;
    assert_true(((struct question *)query)->is_open);
    ((struct question *)query)->is_open = false;
}

static uint64_t now_ms(void *names)
{
    (void)names;
    return world.now_ms;
}

static void note_health(void *names, const char *label, bool is_v6,
                        enum dnsbl_health health)
{
    size_t used = strlen(world.told);
    (void)names;
    snprintf(world.told + used, sizeof world.told - used, "%s/%d/%d ", label,
             is_v6 ? 6 : 4, (int)health);
}

static const struct dnsbl_names names = {NULL,   ask_addresses, ask_text,
                                         cancel, now_ms,        note_health};

static struct dnsbl *open_with(const char *const *zones,
                               struct dnsbl_options options)
{
    struct dnsbl *lists;
    memset(&world, 0, sizeof world);
    world.now_ms = 1000;
    assert_int_equal(dnsbl_new(&lists, &names, &options), MAILMOD_OK);
    for (; *zones != NULL; zones++) {
        assert_int_equal(dnsbl_add(lists, mm_span_cstr(*zones)), MAILMOD_OK);
    }
    return lists;
}

static struct dnsbl *open_lists(const char *const *zones, int threshold,
                                bool tests, uint64_t cache_ms)
{
    return open_with(zones, (struct dnsbl_options){
                                threshold, tests, cache_ms, {1, 2}, false});
}

static struct question *find(const char *name)
{
    for (size_t i = 0; i < world.count; i++) {
        if (world.questions[i].is_open &&
            strcmp(world.questions[i].name, name) == 0) {
            return &world.questions[i];
        }
    }
    return NULL;
}

/* `code` 0: no such name; -1: a failure; else 127.0.0.code. */
static void answer(const char *name, int code)
{
    struct question *question = find(name);
    struct mm_netaddr address = {.family = MM_NETADDR_V4,
                                 .bytes = {127, 0, 0, (uint8_t)code}};
    if (question == NULL) {
        fail_msg("nobody asks for %s", name);
        return;
    }
    question->is_open = false;
    question->on_addresses(question->context,
                           code == 0    ? MAILMOD_ERROR_DNS_NO_NAME
                           : code == -1 ? MAILMOD_ERROR_TIMEOUT
                                        : MAILMOD_OK,
                           &address, code > 0 ? 1 : 0);
}

static void say(const char *name, const char *text)
{
    struct question *question = find(name);
    assert_non_null(question);
    question->is_open = false;
    question->on_text(question->context, MAILMOD_OK, mm_span_cstr(text));
}

static size_t open_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < world.count; i++) {
        count += world.questions[i].is_open;
    }
    return count;
}

static void on_done(void *context)
{
    (void)context;
    world.done++;
}

static struct dnsbl_check *check(struct dnsbl *lists, const char *ip)
{
    struct mm_netaddr peer;
    struct dnsbl_check *made;
    world.done = 0;
    assert_true(mm_netaddr_parse_ip(mm_span_cstr(ip), &peer));
    assert_int_equal(dnsbl_check_begin(&made, lists, &peer, on_done, NULL),
                     MAILMOD_OK);
    assert_int_equal(world.done, 0); /* never from inside */
    return made;
}

static void test_zones(void **state)
{
    static const struct {
        const char *text, *name, *label, *shown;
        int weight;
        size_t codes;
    } rows[] = {
        {"bl.test", "bl.test", "bl.test", "bl.test", 1, 0},
        {"zen.bl.test", "zen.bl.test", "bl.test", "bl.test:********", 1, 0},
        {"key.zen.bl.test*3", "key.zen.bl.test", "zen.bl.test",
         "zen.bl.test:*********3", 3, 0},
        {"mine:bl.test=127.0.0.2;127.0.0.4-11*-2", "bl.test", "mine",
         "mine:********=127.0.0.2;127.0.0.4-11*-2", -2, 2},
        {"bl.test=127.0.1.2-127.0.1.9", "bl.test", "bl.test",
         "bl.test=127.0.1.2-127.0.1.9", 1, 1},
    };
    static const char *const bad[] = {"",
                                      ":bl.test",
                                      "a b",
                                      "x:",
                                      "bl..test",
                                      "bl.test=",
                                      "bl.test=1.2.3.4",
                                      "bl.test=127.0.0.9-2",
                                      "bl.test=127.0.0.2-256",
                                      "bl.test*0",
                                      "bl.test*101",
                                      "bl.test*",
                                      "bl.test*x",
                                      "********",
                                      "a:********",
                                      "a:b:c.test",
                                      "bl.test=127.0.0.2;"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dnsbl_zone zone;
        struct mm_buf shown;
        mm_buf_init(&shown, 1000);
        assert_int_equal(dnsbl_zone_parse(mm_span_cstr(rows[i].text), &zone),
                         MAILMOD_OK);
        assert_string_equal(zone.name, rows[i].name);
        assert_string_equal(zone.label, rows[i].label);
        assert_int_equal(zone.weight, rows[i].weight);
        assert_int_equal(zone.code_count, rows[i].codes);
        assert_int_equal(dnsbl_zone_mask(mm_span_cstr(rows[i].text), &shown),
                         MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&shown), rows[i].shown);
        mm_buf_fini(&shown);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dnsbl_zone zone;
        if (dnsbl_zone_parse(mm_span_cstr(bad[i]), &zone) !=
            MAILMOD_ERROR_SYNTAX) {
            fail_msg("%s is taken", bad[i]);
        }
    }
}

/* Codes, weights, a threshold; over as soon as nothing can change it. */
static void test_weights(void **state)
{
    static const char *const zones[] = {"a.test=127.0.0.2-4*2", "b.test",
                                        "white.test*-5", NULL};
    struct dnsbl *lists = open_lists(zones, 3, false, 0);
    struct dnsbl_check *made = check(lists, "192.0.2.7");
    (void)state;
    answer("7.2.0.192.a.test", 3);
    answer("7.2.0.192.b.test", 9);
    assert_false(dnsbl_check_is_done(made)); /* white.test may speak for it */
    answer("7.2.0.192.white.test", 0);
    assert_false(dnsbl_check_is_done(made)); /* the reason */
    say("7.2.0.192.a.test", "see\r\nhttps://a.test");
    assert_int_equal(world.done, 1);
    assert_string_equal(dnsbl_check_label(made), "a.test");
    assert_string_equal(dnsbl_check_reason(made), "see??https://a.test");
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.8");
    answer("8.2.0.192.white.test", 2);
    assert_int_equal(world.done, 1); /* 3 - 5 is out of reach */
    assert_null(dnsbl_check_label(made));
    assert_int_equal(open_count(), 0);
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.9");
    answer("9.2.0.192.a.test", 10); /* a code that does not count */
    assert_int_equal(world.done, 1);
    assert_null(dnsbl_check_label(made));
    dnsbl_check_free(&made);
    dnsbl_free(&lists);
}

/* Where all labels are wanted each list is heard, and none for its words. */
static void test_labels(void **state)
{
    static const char *const zones[] = {"a.test", "white.test*-1", "b.test",
                                        "c.test", NULL};
    struct dnsbl *lists = open_with(
        zones, (struct dnsbl_options){.threshold = 1, .wants_labels = true});
    struct dnsbl_check *made = check(lists, "192.0.2.7");
    (void)state;
    answer("7.2.0.192.a.test", 2);
    answer("7.2.0.192.white.test", 2);
    assert_null(dnsbl_check_label_at(made, 0));
    answer("7.2.0.192.c.test", 2);
    assert_false(dnsbl_check_is_done(made));
    answer("7.2.0.192.b.test", 0);
    assert_int_equal(world.done, 1);
    assert_string_equal(dnsbl_check_label_at(made, 0), "a.test");
    assert_string_equal(dnsbl_check_label_at(made, 1), "c.test");
    assert_null(dnsbl_check_label_at(made, 2));
    assert_string_equal(dnsbl_check_reason(made), "");
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.8"); /* late: who has answered */
    answer("8.2.0.192.b.test", 2);
    dnsbl_check_end(made);
    assert_int_equal(world.done, 1);
    assert_string_equal(dnsbl_check_label_at(made, 0), "b.test");
    assert_null(dnsbl_check_label_at(made, 1));
    assert_int_equal(open_count(), 0);
    dnsbl_check_free(&made);
    dnsbl_free(&lists);
}

static void test_late(void **state)
{
    static const char *const zones[] = {"a.test", "b.test*-1", NULL};
    struct dnsbl *lists = open_lists(zones, 1, false, 0);
    struct dnsbl_check *made = check(lists, "192.0.2.7");
    (void)state;
    answer("7.2.0.192.a.test", 2);
    dnsbl_check_end(made);
    assert_int_equal(world.done, 1);
    assert_string_equal(dnsbl_check_label(made), "a.test");
    assert_string_equal(dnsbl_check_reason(made), "");
    assert_int_equal(open_count(), 0);
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.8"); /* left while it is open */
    dnsbl_check_free(&made);
    assert_int_equal(open_count(), 0);
    dnsbl_free(&lists);
}

/* F30: the words of a list that quotes the question are not passed on. */
static void test_F30_reason_with_key(void **state)
{
    static const char *const zones[] = {"secretkey.bl.test", NULL};
    struct dnsbl *lists = open_lists(zones, 1, false, 0);
    struct dnsbl_check *made = check(lists, "192.0.2.7");
    (void)state;
    answer("7.2.0.192.secretkey.bl.test", 2);
    say("7.2.0.192.secretkey.bl.test", "ask SecretKey.bl.test why");
    assert_string_equal(dnsbl_check_label(made), "bl.test");
    assert_string_equal(dnsbl_check_reason(made), "");
    dnsbl_check_free(&made);
    dnsbl_free(&lists);
}

/* RFC 5782 5: an answer waits for the first test; what fails is off. */
static void test_self_test(void **state)
{
    static const char *const zones[] = {"a.test", "b.test", "c.test", "d.test",
                                        NULL};
    struct dnsbl *lists = open_lists(zones, 1, true, 0);
    struct dnsbl_check *made = check(lists, "192.0.2.7");
    (void)state;
    answer("7.2.0.192.a.test", 2);
    answer("7.2.0.192.b.test", 2);
    answer("7.2.0.192.c.test", 2);
    answer("7.2.0.192.d.test", 0);
    assert_false(dnsbl_check_is_done(made));
    answer("2.0.0.127.a.test", 2); /* lists everybody */
    answer("1.0.0.127.a.test", 2);
    answer("2.0.0.127.b.test", 0); /* has closed */
    answer("1.0.0.127.b.test", 0);
    answer("2.0.0.127.c.test", -1); /* is silent */
    assert_false(dnsbl_check_is_done(made));
    answer("1.0.0.127.c.test", 0);
    assert_int_equal(world.done, 1);
    assert_null(dnsbl_check_label(made));
    dnsbl_check_free(&made);
    answer("2.0.0.127.d.test", 2); /* well */
    answer("1.0.0.127.d.test", 0);
    assert_string_equal(world.told, "a.test/4/4 b.test/4/3 c.test/4/2 ");
    /* d.test alone is asked, and the others for their tests after a while. */
    made = check(lists, "192.0.2.8");
    assert_int_equal(open_count(), 1);
    answer("8.2.0.192.d.test", 2);
    dnsbl_check_free(&made);
    world.now_ms += 301 * 1000;
    made = check(lists, "192.0.2.9");
    assert_null(find("9.2.0.192.c.test"));
    answer("2.0.0.127.c.test", 2);
    answer("1.0.0.127.c.test", 0);
    assert_non_null(strstr(world.told, "c.test/4/1 ")); /* is on again */
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.10");
    assert_non_null(find("10.2.0.192.c.test"));
    dnsbl_check_free(&made);
    dnsbl_free(&lists);
    assert_int_equal(open_count(), 0);
}

#define V6_ENTRY(n)                                                            \
#n ".0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
#define V6_PEER                                                                \
    "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."

/* The test of IPv6 is one of its own: ::FFFF:7F00:2 and :1. */
static void test_self_test_v6(void **state)
{
    static const char *const zones[] = {"a.test", "b.test", NULL};
    struct dnsbl *lists = open_lists(zones, 1, true, 0);
    struct dnsbl_check *made = check(lists, "2001:db8::7");
    (void)state;
    answer(V6_ENTRY(2) "a.test", 2);
    answer(V6_ENTRY(1) "a.test", 0);
    answer(V6_ENTRY(2) "b.test",
           0); /* a list of IPv4: nothing to note_health */
    answer(V6_ENTRY(1) "b.test", 0);
    assert_string_equal(world.told, "");
    answer(V6_PEER "a.test", 2);
    say(V6_PEER "a.test", "");
    assert_string_equal(dnsbl_check_label(made), "a.test");
    dnsbl_check_free(&made);
    dnsbl_free(&lists);
    assert_int_equal(open_count(), 0);
}

static void test_memory(void **state)
{
    static const char *const zones[] = {"a.test", NULL};
    struct dnsbl *lists = open_lists(zones, 1, false, 60000);
    struct dnsbl_check *made = check(lists, "192.0.2.7");
    (void)state;
    answer("7.2.0.192.a.test", 0);
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.7");
    assert_true(dnsbl_check_is_done(made)); /* at once, and on_done not */
    assert_int_equal(open_count(), 0);
    dnsbl_check_free(&made);
    world.now_ms += 60000;
    made = check(lists, "192.0.2.7");
    answer("7.2.0.192.a.test", -1); /* no answer is none to know */
    assert_int_equal(world.done, 1);
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.7");
    answer("7.2.0.192.a.test", 2);
    say("7.2.0.192.a.test", "words");
    dnsbl_check_free(&made);
    made = check(lists, "192.0.2.7"); /* known, but for the reason */
    assert_false(dnsbl_check_is_done(made));
    say("7.2.0.192.a.test", "words");
    assert_string_equal(dnsbl_check_reason(made), "words");
    assert_int_equal(world.done, 1);
    dnsbl_check_free(&made);
    dnsbl_free(&lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_F30_reason_with_key),
        cmocka_unit_test(test_self_test),
        cmocka_unit_test(test_self_test_v6),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
