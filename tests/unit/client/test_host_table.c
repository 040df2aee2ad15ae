/* test_host_table.c - S12, S22, D21: connections shared by mail host, and
 * attempts that wait in silence beside those that come on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/host_table.h"
#include "rig.h"

#define HOST "192.0.2.1:25"

static bool is_one_loop = true;

static void send_to(struct rig *rig, const char *domain, int number)
{
    char path[64];
    snprintf(path, sizeof path, "u@%s%d.net", domain, number);
    struct rig_message message = {.recipients = path};
    rig_send(rig, &message);
}

/* `count` domains with one MX, and a message to each, put in while nothing
 * runs. */
static void open_domains(struct rig *rig, const struct fake_host *given,
                         int count)
{
    static const char *const holds[] = {"queue.holds=true", NULL};
    struct fake_host host = *given;
    host.address = HOST;
    rig_open(rig, holds);
    fake_dns_addresses("mx.big.net", "192.0.2.1");
    fake_add_host(&host);
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.net", i);
        fake_dns_mx(name, "10 mx.big.net");
        send_to(rig, "d", i);
    }
    struct mm_config *config = test_config(NULL);
    assert_int_equal(rig_reload(rig, config, NULL), MAILMOD_OK);
    mm_config_unref(&config);
}

/* Thirty domains share what their host takes, be it less than we would. */
static void test_S12_host_takes_less(void **state)
{
    (void)state;
    static const unsigned takes[] = {1, 3, 10, 30};
    for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++) {
        struct rig rig;
        struct fake_host host = {.open_max = takes[i]};
        open_domains(&rig, &host, 30);
        fake_run(20000);
        if (fake_taken(HOST) != 30 || rig_count(&rig) != 0) {
            fail_msg("%u: %u taken\n%s", takes[i], fake_taken(HOST),
                     fake_log_text());
        }
        assert_null(strstr(fake_log_text(), "deferred"));
        /* queue.host_max, or what the host showed, and its refusals; and a
         * connection that ends for who waits on another loop. */
        if (fake_connections(HOST) > (is_one_loop ? 20 : 40)) {
            fail_msg("%u: %u connections\n%s", takes[i], fake_connections(HOST),
                     fake_log_text());
        }
        rig_close(&rig);
    }
}

/* A kept connection serves the next domain of its host. */
static void test_S12_reuse(void **state)
{
    (void)state;
    struct rig rig;
    struct fake_host host = {.extensions = "PIPELINING"};
    open_domains(&rig, &host, 0);
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.net", i);
        fake_dns_mx(name, "10 mx.big.net");
        send_to(&rig, "d", i);
        fake_run(2000);
    }
    assert_int_equal(fake_taken(HOST), 20);
    /* Each loop keeps its own, for 10 s. */
    assert_in_range(fake_connections(HOST), 1, is_one_loop ? 1 : 10);
    rig_close(&rig);
}

/* A handed-over connection that died meanwhile costs nothing but a dial. */
static void test_S12_dead_connection(void **state)
{
    (void)state;
    static const struct fake_rule gone = {"MAIL", "", FAKE_CLOSE, 0, 0};
    struct rig rig;
    struct fake_host host = {.extensions = ""};
    open_domains(&rig, &host, 2);
    fake_limit_session(HOST, 1, &gone);
    fake_run(10000);
    assert_int_equal(fake_taken(HOST), 2);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

/* D21: names that nobody answers for, and a live one behind all of them. */
static void test_S22_silence_holds_up_nobody(void **state)
{
    (void)state;
    struct rig rig;
    struct fake_host host = {.extensions = ""};
    open_domains(&rig, &host, 0);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.net", i);
        fake_dns_silence(name);
        send_to(&rig, "s", i);
    }
    fake_dns_mx("live0.net", "10 mx.big.net");
    send_to(&rig, "live", 0);
    fake_run(15000);
    assert_int_equal(fake_taken(HOST), 1);
    rig_close(&rig);
}

/* The table alone: places of two loops at one host that takes two. */
struct spot {
    struct mm_place place;
    unsigned granted;
    unsigned called;
};

static void on_granted(struct mm_place *place)
{
    MM_LIST_OBJECT(place, struct spot, place)->granted++;
}

static void on_called(struct mm_place *place)
{
    MM_LIST_OBJECT(place, struct spot, place)->called++;
}

static bool fits_all(void *context, struct mm_place *place)
{
    (void)context;
    (void)place;
    return true;
}

struct two_loops {
    struct mm_host_table table;
    struct mm_host_loop loops[2];
    struct mm_endpoint host;
    struct spot spots[8];
};

static void open_two(struct two_loops *two)
{
    memset(two, 0, sizeof *two);
    fake_open(NULL);
    assert_int_equal(mm_host_table_init(&two->table, 1), MAILMOD_OK);
    for (size_t i = 0; i < 2; i++) {
        mm_host_loop_init(&two->loops[i], &two->table, fake_loop());
    }
    for (size_t i = 0; i < 8; i++) {
        two->spots[i].place.on_granted = on_granted;
        two->spots[i].place.on_called = on_called;
    }
    assert_true(
        mm_netaddr_parse_ip(mm_span_cstr("192.0.2.1"), &two->host.address));
}

static void close_two(struct two_loops *two)
{
    for (size_t i = 0; i < 8; i++) {
        mm_place_drop(&two->spots[i].place);
    }
    fake_run(1);
    mm_host_table_fini(&two->table);
    fake_close();
}

static bool take(struct two_loops *two, size_t spot, size_t loop)
{
    return mm_place_take(&two->spots[spot].place, &two->loops[loop], &two->host,
                         2);
}

/* The limit is one for both loops, and who waits is granted in order; who gave
 * up before he was told is passed over. */
static void test_two_loops_one_limit(void **state)
{
    (void)state;
    struct two_loops two;
    open_two(&two);
    assert_true(take(&two, 0, 0));
    assert_true(take(&two, 1, 1));
    for (size_t i = 2; i < 6; i++) {
        assert_false(take(&two, i, i % 2));
    }
    mm_place_give(&two.spots[0].place);
    assert_int_equal(two.spots[2].granted, 0); /* on its loop, not here */
    mm_place_give(&two.spots[2].place);        /* before it hears */
    fake_run(1);
    assert_int_equal(two.spots[2].granted, 0);
    assert_int_equal(two.spots[3].granted, 1);
    assert_int_equal(two.spots[4].granted, 0);
    mm_place_give(&two.spots[1].place);
    fake_run(1);
    assert_int_equal(two.spots[4].granted, 1);
    assert_int_equal(two.spots[5].granted, 0);
    close_two(&two);
}

/* What stands idle on one loop is called when another loop waits for the host;
 * a connection is handed over on its own loop alone, and not for ever. */
static void test_two_loops_share(void **state)
{
    (void)state;
    struct two_loops two;
    open_two(&two);
    assert_true(take(&two, 0, 0));
    assert_true(take(&two, 1, 0));
    mm_place_set_idle(&two.spots[0].place, true);
    assert_null(mm_place_find_idle(&two.loops[1], &two.host, fits_all, NULL));
    assert_ptr_equal(
        mm_place_find_idle(&two.loops[0], &two.host, fits_all, NULL),
        &two.spots[0].place);
    /* The place of one that never waited hears a call as well. */
    mm_place_move(&two.spots[0].place, &two.spots[7].place);
    mm_place_set_idle(&two.spots[7].place, true);
    assert_false(take(&two, 2, 1));
    fake_run(1);
    assert_int_equal(two.spots[7].called, 1);
    assert_int_equal(two.spots[2].granted, 0);
    bool yields = false;
    assert_false(take(&two, 3, 0));
    unsigned passed = 0;
    while (mm_place_find_waiting(&two.spots[1].place, fits_all, NULL,
                                 &yields) != NULL) {
        assert_false(yields);
        passed++;
        assert_true(passed < 100);
    }
    assert_true(yields); /* the other loop's waits longer */
    mm_place_give(&two.spots[7].place);
    fake_run(1);
    assert_int_equal(two.spots[2].granted, 1);
    assert_ptr_equal(
        mm_place_find_waiting(&two.spots[1].place, fits_all, NULL, &yields),
        &two.spots[3].place);
    close_two(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_loops_one_limit),
        cmocka_unit_test(test_two_loops_share),
        cmocka_unit_test(test_S12_host_takes_less),
        cmocka_unit_test(test_S12_reuse),
        cmocka_unit_test(test_S12_dead_connection),
        cmocka_unit_test(test_S22_silence_holds_up_nobody),
    };
    int failures = cmocka_run_group_tests_name("one loop", tests, NULL, NULL);
    rig_set_loops(4);
    is_one_loop = false;
    return failures +
           cmocka_run_group_tests_name("four loops", tests, NULL, NULL);
}
