/* test_smtp_lists.c - what the white, black and grey list do to mail: their
 * order, users, the DNS, files that change. Thread: the test's. */
#include "rig.h"

#include "platform/fs.h"

#define PEER "192.0.2.7:4000"

struct listed {
    struct rig rig;
    struct fake_peer peer;
};

struct rule_job {
    struct mm_store_job job;
    struct mm_store_rule rule;
};

static enum mailmod_error run_rule(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    return mm_store_add_rule(transaction,
                             &MM_LIST_OBJECT(job, struct rule_job, job)->rule);
}

static void add_rule(struct listed *l, uint64_t mailbox_id,
                     enum mm_rule_list list, const char *text)
{
    struct rule_job job = {.job.run = run_rule,
                           .rule = {.mailbox_id = mailbox_id, .list = list}};

    snprintf(job.rule.text, sizeof job.rule.text, "%s", text);
    assert_int_equal(mm_store_run(l->rig.store, &job.job), MAILMOD_OK);
}

static int begin(void **state)
{
    *state = mm_alloc(sizeof(struct listed));
    assert_non_null(*state);
    return 0;
}

static int end(void **state)
{
    struct listed *l = *state;

    fake_hang_up(&l->peer);
    rig_close(&l->rig);
    fake_dns_forget();
    fake_forget_peer(&l->peer);
    mm_free(l);
    return 0;
}

static void open_with(struct listed *l, const char *const *settings)
{
    rig_open(&l->rig, settings, NULL);
}

/* The rules are read anew beside a session, and count for the next one. */
static void settle(struct listed *l)
{
    for (int i = 0; i < 2; i++) {
        fake_run(4000);
        fake_connect(&l->peer, PORT_SMTP, PEER);
        rig_expect(&l->peer, "", "220");
        fake_hang_up(&l->peer);
        fake_run(1);
        fake_forget_peer(&l->peer);
    }
}

static void expect(struct listed *l, const char *sender, const char *recipient,
                   const char *reply)
{
    char text[300];

    fake_connect(&l->peer, PORT_SMTP, PEER);
    rig_expect(&l->peer, "", "220");
    rig_expect(&l->peer, "EHLO mx.example.com\r\n", "250-");
    snprintf(text, sizeof text, "MAIL FROM:<%s>\r\n", sender);
    rig_expect(&l->peer, text, "250");
    snprintf(text, sizeof text, "RCPT TO:<%s>\r\n", recipient);
    fake_say(&l->peer, text);
    fake_run(6000); /* the DNS has its time */
    rig_expect(&l->peer, "", reply);
    fake_hang_up(&l->peer);
    fake_run(1);
    fake_forget_peer(&l->peer);
}

static void test_order_and_users(void **state)
{
    static const char *const settings[] = {
        "lists.black_senders=*@spam.example, both@example.com",
        "lists.refusal_text=go away", "local.postmaster=alice", NULL};
    struct listed *l = *state;

    open_with(l, settings);
    add_rule(l, 0, MM_RULE_WHITE, "both@example.com");
    add_rule(l, l->rig.bob, MM_RULE_WHITE, "@spam.example");
    add_rule(l, l->rig.bob, MM_RULE_BLACK, "carol@example.net");
    settle(l);
    expect(l, "a@spam.example", "alice@example.org", "550 5.7.1 go away");
    expect(l, "a@spam.example", "bob@example.org", "250");
    expect(l, "both@example.com", "alice@example.org", "250");
    expect(l, "carol@example.net", "alice@example.org", "250");
    expect(l, "carol@example.net", "bob@example.org", "550 5.7.1");
    expect(l, "a@spam.example", "postmaster@example.org", "250");
    expect(l, "both@example.com", "x@elsewhere.example", "550 5.7.1 Relaying");
    assert_non_null(strstr(fake_log_text(), "on a list"));
}

/* R13: a white sender lifts a DNS block list; T-111: so does a white zone. */
static void test_white_lifts_block_lists(void **state)
{
    static const char *const settings[] = {
        "dnsbl.zones=bl.example", "dnsbl.self_test=false",
        "lists.white_zones=wl.example", NULL};
    struct listed *l = *state;

    open_with(l, settings);
    fake_dns_say("7.2.0.192.bl.example", MAILMOD_OK, "127.0.0.2", 5);
    add_rule(l, 0, MM_RULE_WHITE, "joe@example.com");
    settle(l);
    expect(l, "joe@example.com", "alice@example.org", "250");
    expect(l, "ann@example.com", "alice@example.org", "550 5.7.1");
    fake_run(400000); /* the lists' answers are forgotten */
    fake_dns_say("7.2.0.192.wl.example", MAILMOD_OK, "127.0.0.5", 5);
    expect(l, "ann@example.com", "alice@example.org", "250");
}

static void test_zones_and_checkhello(void **state)
{
    static const char *const settings[] = {"dnsbl.self_test=false", NULL};
    struct listed *l = *state;

    open_with(l, settings);
    add_rule(l, 0, MM_RULE_BLACK, "?? bad.example");
    add_rule(l, 0, MM_RULE_BLACK, "? $checkhello == 0 && $sender ~ 'liar'");
    settle(l);
    expect(l, "liar@example.com", "alice@example.org", "550 5.7.1");
    fake_dns_say("mx.example.com", MAILMOD_OK, "192.0.2.7", 5);
    expect(l, "liar@example.com", "alice@example.org", "250");
    fake_run(400000);
    fake_dns_say("7.2.0.192.bad.example", MAILMOD_OK, "127.0.0.2", 5);
    expect(l, "joe@example.com", "alice@example.org", "550 5.7.1");
}

static void test_tag(void **state)
{
    static const char *const settings[] = {
        "lists.black_senders=joe@example.com", "lists.action=tag", NULL};
    struct listed *l = *state;
    struct mm_buf text;

    open_with(l, settings);
    settle(l);
    fake_connect(&l->peer, PORT_SMTP, PEER);
    rig_expect(&l->peer, "", "220");
    rig_expect(&l->peer, "EHLO mx.example.com\r\n", "250-");
    rig_expect(&l->peer, "MAIL FROM:<joe@example.com>\r\n", "250");
    rig_expect(&l->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&l->peer, "DATA\r\n", "354");
    rig_expect(&l->peer,
               "X-Blocklist: forged\r\nSubject: x\r\n\r\ntext\r\n.\r\n", "250");
    mm_buf_init(&text, 100000);
    const char *stored = rig_newest(&l->rig, l->rig.alice, &text);
    assert_non_null(strstr(stored, "X-Blocklist: black list\r\n"));
    assert_null(strstr(stored, "forged"));
    mm_buf_fini(&text);
}

/* A file of the original engine; what changes in it counts; what is left out is
 * told, and a file that goes leaves its rules. */
static void test_file(void **state)
{
    static const char first[] = "# Begin of file\r\n"
                                "4.79.181.\r\n"
                                "one@address.com\r\n"
                                "? $msg ~ lotto\r\n"
                                "? ! $hello =~ /.+\\.[a-z]{2,4}/\r\n"
                                "# End of file";
    static const char *const settings[] = {
        "lists.black_file=test_smtp_lists.lst", NULL};
    struct listed *l = *state;

    assert_int_equal(
        mm_fs_replace("test_smtp_lists.lst", mm_span_cstr(first), false),
        MAILMOD_OK);
    open_with(l, settings);
    assert_non_null(strstr(fake_log_text(), "rule left out"));
    assert_non_null(strstr(fake_log_text(), "test_smtp_lists.lst:4"));
    expect(l, "one@address.com", "alice@example.org", "550 5.7.1");
    expect(l, "two@address.com", "alice@example.org", "250");
    assert_int_equal(mm_fs_replace("test_smtp_lists.lst",
                                   mm_span_cstr("two@address.com\n"), false),
                     MAILMOD_OK);
    settle(l);
    expect(l, "one@address.com", "alice@example.org", "250");
    expect(l, "two@address.com", "alice@example.org", "550 5.7.1");
    assert_int_equal(mm_fs_remove("test_smtp_lists.lst"), MAILMOD_OK);
    settle(l);
    expect(l, "two@address.com", "alice@example.org", "550 5.7.1");
    assert_non_null(strstr(fake_log_text(), "its former rules stay"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_and_users, begin, end),
        cmocka_unit_test_setup_teardown(test_white_lifts_block_lists, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_zones_and_checkhello, begin, end),
        cmocka_unit_test_setup_teardown(test_tag, begin, end),
        cmocka_unit_test_setup_teardown(test_file, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
