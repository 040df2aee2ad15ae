/* test_traps.c - T-114: who writes to a trap, for how long, over a restart; and
 * T-115: the zone of those peers. Thread: the test's. */
#include "rig.h"

#include "platform/fs.h"

#define SPAMMER "192.0.2.7:4000"
#define ZONE "test_traps.zone"

static const char *const settings[] = {
    "traps.addresses=trap@example.org", "traps.time=24h",
    "traps.zone_file=" ZONE, "traps.zone_name=bl.example.org", NULL};

static void hello(struct fake_peer *peer, const char *from)
{
    fake_connect(peer, PORT_SMTP, from);
    rig_expect(peer, "", "220");
    rig_expect(peer, "EHLO client.example\r\n", "250-");
    rig_expect(peer, "MAIL FROM:<carol@example.net>\r\n", "250");
}

static void leave(struct fake_peer *peer)
{
    fake_hang_up(peer);
    fake_run(1);
    fake_forget_peer(peer);
}

static void expect_at(struct fake_peer *peer, unsigned port, const char *from,
                      const char *reply)
{
    fake_connect(peer, port, from);
    rig_expect(peer, "", reply);
    leave(peer);
}

static void test_trap(void **state)
{
    struct rig rig;
    struct fake_peer peer = {.conn = NULL};
    struct mm_buf zone;

    (void)state;
    rig_open(&rig, settings, NULL);
    hello(&peer, SPAMMER);
    rig_expect(&peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&peer, "RCPT TO:<Trap@Example.org>\r\n", "550 5.1.1 No such");
    leave(&peer);
    assert_non_null(strstr(fake_log_text(), "wrote to a trap"));
    expect_at(&peer, PORT_SMTP, SPAMMER, "421 4.7.1");
    expect_at(&peer, PORT_SUBMISSION, SPAMMER, "220"); /* users log in */
    expect_at(&peer, PORT_SMTP, "192.0.2.8:4000", "220");
    hello(&peer, "[2001:db8:0:1::7]:4000");
    rig_expect(&peer, "RCPT TO:<trap@example.org>\r\n", "550 5.1.1");
    leave(&peer);
    expect_at(&peer, PORT_SMTP, "[2001:db8:0:1::8]:4000", "421 4.7.1");
    fake_run(6000); /* the second one goes with a later connection */
    expect_at(&peer, PORT_SMTP, SPAMMER, "421 4.7.1");
    fake_run(10);
    mm_buf_init(&zone, 100000);
    assert_int_equal(mm_fs_read(ZONE, &zone), MAILMOD_OK);
    const char *text = mm_buf_cstr(&zone);
    assert_int_equal(strncmp(text, "$ORIGIN bl.example.org.\n", 24), 0);
    assert_non_null(strstr(text, "\n2.0.0.127 A 127.0.0.2\n"));
    assert_non_null(strstr(text, "\n7.2.0.192 A 127.0.0.2\n"));
    assert_non_null(
        strstr(text, "\n*.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 A 127.0.0.2\n"));
    mm_buf_fini(&zone);
    fake_run(24 * 3600000);
    expect_at(&peer, PORT_SMTP, SPAMMER, "220");
    rig_close(&rig);
    assert_int_equal(mm_fs_remove(ZONE), MAILMOD_OK);
}

static enum mailmod_error run_note(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    const struct mm_store_sighting sighting = {
        .kind = MM_SIGHTING_TRAPPED, .key = "192.0.2.7", .until_ms = INT64_MAX};

    (void)job;
    return mm_store_note_sighting(transaction, &sighting);
}

/* What the store has counts from the start on. */
static void test_restart(void **state)
{
    struct mm_traps traps = {.store = NULL};
    struct mm_store_job job = {.run = run_note};
    struct mm_store *store;
    struct mm_netaddr peer;

    (void)state;
    assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    fake_open(store);
    struct mm_config *config = rig_config(NULL);
    assert_int_equal(mm_store_run(store, &job), MAILMOD_OK);
    assert_int_equal(mm_traps_init(&traps, 7, fake_log()), MAILMOD_OK);
    mm_traps_set_config(&traps, config);
    assert_true(mm_netaddr_parse_ip(mm_span_cstr("192.0.2.7"), &peer));
    assert_false(mm_traps_has(&traps, &peer, 0));
    mm_traps_attach(&traps, store, fake_workers());
    assert_true(mm_traps_has(&traps, &peer, 0));
    mm_traps_fini(&traps);
    mm_config_unref(&config);
    mm_store_close(&store);
    fake_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trap),
        cmocka_unit_test(test_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
