/* test_server.c - listeners, stop and cut, reload, and what the host is asked:
 * the server as its sessions see it. Thread: the test's; hosts answer from the
 * test itself or from a thread of their own. */
#include "rig.h"

#include "platform/clock.h"

#define PEER "198.51.100.7:4000"

struct world_of_hosts {
    struct rig rig;
    struct fake_peer peer;
    struct fake_peer other;
    struct mm_hooks hooks;
    struct mm_request *asked;
    unsigned questions;
    enum mailmod_error ask_error;
};

static enum mailmod_error ask(void *context, struct mm_request *request)
{
    struct world_of_hosts *w = context;

    w->questions++;
    if (w->ask_error == MAILMOD_OK) {
        w->asked = request;
    }
    return w->ask_error;
}

static int begin(void **state)
{
    static const char *const settings[] = {"smtp.allows_clear_auth=true",
                                           "pop3.allows_clear_login=true",
                                           "smtp.command_timeout=30s", NULL};
    struct world_of_hosts *w = mm_alloc(sizeof *w);

    assert_non_null(w);
    w->hooks = (struct mm_hooks){.ask = ask, .context = w};
    rig_open(&w->rig, settings, &w->hooks);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world_of_hosts *w = *state;

    fake_hang_up(&w->peer);
    fake_hang_up(&w->other);
    rig_close(&w->rig);
    fake_forget_peer(&w->peer);
    fake_forget_peer(&w->other);
    mm_free(w);
    return 0;
}

static void listen_to(struct world_of_hosts *w, unsigned moments)
{
    mm_server_set_moments(w->rig.server, moments);
}

static void settle(struct world_of_hosts *w, enum mm_verdict verdict)
{
    assert_non_null(w->asked);
    assert_int_equal(mm_request_settle(w->asked, verdict), MAILMOD_OK);
    w->asked = NULL;
    fake_run(5);
}

static void test_ports(void **state)
{
    struct world_of_hosts *w = *state;

    assert_int_equal(mm_server_port(w->rig.server, MM_SERVICE_SMTP), PORT_SMTP);
    assert_int_equal(mm_server_port(w->rig.server, MM_SERVICE_POP3S),
                     PORT_POP3S);
    assert_int_equal(fake_listener_count(), 5);
}

/* One address that is taken, and none is bound. */
static void test_listen_is_all_or_nothing(void **state)
{
    struct world_of_hosts *w = *state;
    struct mm_server *second = NULL;
    struct mm_buf reason;
    struct mm_config *config = rig_config((const char *const[]){
        "smtp.listen=127.0.0.1:2626, 127.0.0.1:25", NULL});
    struct mm_settings *settings = NULL;
    struct mm_server_options options = w->rig.server->options;

    assert_int_equal(mm_settings_new(&settings, config, NULL), MAILMOD_OK);
    options.settings = settings;
    assert_int_equal(mm_server_new(&second, &options), MAILMOD_OK);
    mm_buf_init(&reason, 1000);
    assert_int_equal(mm_server_listen(second, &reason),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_non_null(strstr(mm_buf_cstr(&reason), "smtp: cannot listen on "
                                                 "127.0.0.1:25"));
    assert_int_equal(fake_listener_count(), 5);
    assert_int_equal(mm_server_port(second, MM_SERVICE_SMTP), 0);
    mm_buf_fini(&reason);
    mm_server_free(&second);
    mm_settings_unref(&settings);
    mm_config_unref(&config);
}

/* Those between two commands are told; nobody new comes in. */
static void test_stop_while_idle(void **state)
{
    struct world_of_hosts *w = *state;

    fake_connect(&w->peer, PORT_SMTP, PEER);
    rig_expect(&w->peer, "EHLO c\r\n", "220");
    fake_connect(&w->other, PORT_POP3, PEER);
    rig_expect(&w->other, "", "+OK");
    mm_server_stop(w->rig.server);
    mm_server_stop(w->rig.server);
    fake_run(10);
    assert_non_null(strstr(fake_heard(&w->peer), "421 4.3.2"));
    assert_non_null(strstr(fake_heard(&w->other), "-ERR [SYS/TEMP]"));
    assert_true(w->peer.is_closed && w->other.is_closed);
    assert_int_equal(fake_listener_count(), 0);
    assert_int_equal(mm_server_busy(w->rig.server), 0);
}

/* A message that is coming in is taken to its end, and acknowledged. */
static void test_stop_while_busy(void **state)
{
    struct world_of_hosts *w = *state;
    const char *heard;

    fake_connect(&w->peer, PORT_SMTP, PEER);
    (void)fake_talk(&w->peer, "EHLO c\r\nMAIL FROM:<>\r\n"
                              "RCPT TO:<alice@example.org>\r\nDATA\r\n");
    mm_server_stop(w->rig.server);
    fake_run(100);
    assert_false(w->peer.is_closed);
    fake_say(&w->peer, "x\r\n");
    fake_run(100);
    fake_say(&w->peer, ".\r\n");
    fake_run(100);
    heard = fake_heard(&w->peer);
    assert_non_null(strstr(heard, "250 2.6.0"));
    assert_non_null(strstr(heard, "421 4.3.2"));
    assert_true(w->peer.is_closed);
    assert_int_equal(rig_entries(&w->rig, w->rig.alice), 1);
}

/* Sessions between two commands are told at once, wherever they stand; marks do
 * nothing without QUIT (RFC 1939 6). */
static void test_F28_stop_tells_who_waits(void **state)
{
    struct world_of_hosts *w = *state;
    static const char *const dialogues[] = {
        "", "EHLO c\r\n", "EHLO c\r\nMAIL FROM:<>\r\n",
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n"};

    rig_deliver(&w->rig, w->rig.alice, "x\r\n");
    fake_connect(&w->peer, PORT_POP3, PEER);
    rig_expect(&w->peer, "USER alice\r\n", "+OK");
    rig_expect(&w->peer, "PASS secret-alice\r\n", "+OK");
    rig_expect(&w->peer, "DELE 1\r\n", "+OK");
    struct fake_peer peers[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        fake_connect(&peers[i], PORT_SMTP, PEER);
        (void)fake_talk(&peers[i], dialogues[i]);
        (void)fake_heard(&peers[i]);
    }
    mm_server_stop(w->rig.server);
    fake_run(5);
    assert_non_null(strstr(fake_heard(&w->peer), "-ERR [SYS/TEMP]"));
    assert_true(w->peer.is_closed);
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(strstr(fake_heard(&peers[i]), "421 4.3.2"));
        assert_true(peers[i].is_closed);
        fake_forget_peer(&peers[i]);
    }
    assert_int_equal(rig_entries(&w->rig, w->rig.alice), 1);
    assert_int_equal(mm_server_busy(w->rig.server), 0);
}

/* A session that waits for a mailbox that another one has, likewise. */
static void test_F28_stop_ends_a_wait(void **state)
{
    struct world_of_hosts *w = *state;

    fake_connect(&w->peer, PORT_POP3, PEER);
    rig_expect(&w->peer, "USER alice\r\n", "+OK");
    rig_expect(&w->peer, "PASS secret-alice\r\n", "+OK");
    fake_connect(&w->other, PORT_POP3, PEER);
    rig_expect(&w->other, "USER alice\r\n", "+OK");
    fake_say(&w->other, "PASS secret-alice\r\n");
    fake_run(50);
    mm_server_stop(w->rig.server);
    fake_run(5);
    assert_true(w->peer.is_closed && w->other.is_closed);
    assert_non_null(strstr(fake_heard(&w->other), "-ERR [SYS/TEMP]"));
}

/* Cut: whatever they do, they are gone; work that is out comes back. */
static void test_cut(void **state)
{
    struct world_of_hosts *w = *state;

    fake_connect(&w->peer, PORT_SMTP, PEER);
    (void)fake_talk(&w->peer, "EHLO c\r\nMAIL FROM:<>\r\n"
                              "RCPT TO:<alice@example.org>\r\nDATA\r\nx\r\n");
    fake_connect(&w->other, PORT_POP3, PEER);
    rig_expect(&w->other, "USER alice\r\n", "+OK");
    fake_hold_jobs(true);
    fake_say(&w->other, "PASS secret-alice\r\n");
    fake_run(5);
    mm_server_stop(w->rig.server);
    mm_server_cut(w->rig.server);
    mm_server_cut(w->rig.server);
    fake_run(5);
    assert_true(w->peer.is_closed && w->other.is_closed);
    assert_int_equal(mm_server_busy(w->rig.server), 1); /* the worker's */
    fake_hold_jobs(false);
    fake_run(5);
    assert_int_equal(mm_server_busy(w->rig.server), 0);
    assert_int_equal(rig_entries(&w->rig, w->rig.alice), 0);
}

/* The loops stop under open sessions: each hears it and is freed. */
static void test_loop_stops(void **state)
{
    struct world_of_hosts *w = *state;

    fake_connect(&w->peer, PORT_SMTP, PEER);
    (void)fake_talk(&w->peer, "EHLO c\r\nMAIL FROM:<>\r\n");
    fake_close_conns();
    assert_true(w->peer.is_closed);
    assert_int_equal(w->peer.reason, MAILMOD_ERROR_STOPPED);
    assert_int_equal(mm_server_busy(w->rig.server), 0);
}

/* New sessions go by the new snapshot, open ones keep theirs. */
static void test_reload(void **state)
{
    struct world_of_hosts *w = *state;
    struct mm_config *config = rig_config((const char *const[]){
        "local.domains=new.example", "smtp.connections_max=1",
        "smtp.connections_per_address_max=1", NULL});
    struct mm_settings *settings = NULL;

    fake_connect(&w->peer, PORT_SMTP, PEER);
    (void)fake_talk(&w->peer, "EHLO c\r\nMAIL FROM:<>\r\n");
    assert_int_equal(mm_settings_new(&settings, config, NULL), MAILMOD_OK);
    mm_server_set_settings(w->rig.server, settings);
    mm_settings_unref(&settings);
    mm_config_unref(&config);
    rig_expect(&w->peer, "RCPT TO:<alice@new.example>\r\n", "550");
    rig_expect(&w->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    fake_connect(&w->other, PORT_SMTP, PEER);
    rig_expect(&w->other, "", "421 4.7.0"); /* one is open already */
    fake_forget_peer(&w->other);
    rig_expect(&w->peer, "QUIT\r\n", "221");
    fake_connect(&w->other, PORT_SMTP, PEER);
    (void)fake_talk(&w->other, "EHLO c\r\nMAIL FROM:<>\r\n");
    rig_expect(&w->other, "RCPT TO:<alice@new.example>\r\n", "250");
}

/* A maximum that was raised is in force at once, for as many addresses. */
static void test_reload_raises_the_maximum(void **state)
{
    struct world_of_hosts *w = *state;
    static const char *const maxima[] = {"smtp.connections_max=1",
                                         "smtp.connections_max=40"};
    struct fake_peer peers[40] = {{0}};

    for (size_t i = 0; i < 2; i++) {
        struct mm_config *config = rig_config((const char *const[]){
            maxima[i], "smtp.connections_per_address_max=1", NULL});
        struct mm_settings *settings = NULL;

        assert_int_equal(mm_settings_new(&settings, config, NULL), MAILMOD_OK);
        mm_server_set_settings(w->rig.server, settings);
        mm_settings_unref(&settings);
        mm_config_unref(&config);
    }
    for (unsigned i = 0; i < 40; i++) {
        char from[32];

        snprintf(from, sizeof from, "192.0.2.%u:1000", i + 1);
        fake_connect(&peers[i], PORT_SMTP, from);
        rig_expect(&peers[i], "", "220");
    }
    fake_connect(&w->peer, PORT_SMTP, PEER);
    rig_expect(&w->peer, "", "421");
    for (unsigned i = 0; i < 40; i++) {
        fake_hang_up(&peers[i]);
        fake_run(1);
        fake_forget_peer(&peers[i]);
    }
}

static void test_host_refuses_a_peer(void **state)
{
    struct world_of_hosts *w = *state;

    listen_to(w, MAILMOD_SMTP_CONNECT);
    fake_connect(&w->peer, PORT_SMTP, PEER);
    fake_run(100000); /* the host's time is not the peer's */
    assert_string_equal(fake_heard(&w->peer), "");
    assert_int_equal(mm_request_set_reply(w->asked, 554, "not you"),
                     MAILMOD_OK);
    settle(w, MM_VERDICT_REJECT);
    assert_non_null(strstr(fake_heard(&w->peer), "554 "));
    fake_connect(&w->other, PORT_SMTP, PEER);
    fake_run(5);
    settle(w, MM_VERDICT_ACCEPT);
    assert_non_null(strstr(fake_heard(&w->other), "220 "));
}

static void test_host_cannot_be_asked(void **state)
{
    struct world_of_hosts *w = *state;

    listen_to(w,
              MAILMOD_SMTP_CONNECT | MAILMOD_SMTP_MESSAGE | MAILMOD_POP3_LOGIN);
    w->ask_error = MAILMOD_ERROR_LIMIT;
    fake_connect(&w->peer, PORT_SMTP, PEER);
    rig_expect(&w->peer, "", "421");
    fake_connect(&w->other, PORT_POP3, PEER);
    rig_expect(&w->other, "USER alice\r\n", "+OK");
    rig_expect(&w->other, "PASS secret-alice\r\n", "-ERR [SYS/TEMP]");
    assert_int_equal(w->questions, 2);
}

static void begin_message(struct world_of_hosts *w)
{
    listen_to(w, MAILMOD_SMTP_MESSAGE);
    fake_connect(&w->peer, PORT_SMTP, PEER);
    (void)fake_talk(&w->peer, "EHLO c\r\nMAIL FROM:<c@example.net>\r\n"
                              "RCPT TO:<alice@example.org>\r\n");
    rig_expect(&w->peer, "DATA\r\n", "");
    assert_non_null(w->asked);
    assert_string_equal(mm_request_recipient(w->asked, 0), "alice@example.org");
}

static void test_host_judges_the_envelope(void **state)
{
    struct world_of_hosts *w = *state;

    begin_message(w);
    settle(w, MM_VERDICT_REJECT_FOR_NOW);
    assert_non_null(strstr(fake_heard(&w->peer), "451 4.7.1"));
    fake_hang_up(&w->peer);
    fake_run(5);
    fake_forget_peer(&w->peer);
    begin_message(w);
    settle(w, MM_VERDICT_ACCEPT);
    assert_non_null(strstr(fake_heard(&w->peer), "354 "));
    rig_expect(&w->peer, "x\r\n.\r\n", "250 2.6.0");
    assert_int_equal(rig_entries(&w->rig, w->rig.alice), 1);
}

static void test_peer_goes_while_the_host_thinks(void **state)
{
    struct world_of_hosts *w = *state;

    begin_message(w);
    fake_hang_up(&w->peer);
    fake_run(5);
    assert_int_equal(mm_server_busy(w->rig.server), 0);
    settle(w, MM_VERDICT_ACCEPT);
    assert_int_equal(rig_entries(&w->rig, w->rig.alice), 0);
}

struct reader {
    struct mm_request *request;
    struct mm_thread *thread;
    enum mm_verdict verdict;
    struct mm_buf text;
    size_t stops_at; /* settles after so many octets; 0: reads to the end */
};

static void run_reader(void *context)
{
    struct reader *reader = context;
    enum mailmod_error error = MAILMOD_OK;
    char buffer[5000];
    size_t got;

    do {
        got = mm_request_read(reader->request, buffer, sizeof buffer, &error);
        mm_buf_append(&reader->text, buffer, got);
    } while (got > 0 && (reader->stops_at == 0 ||
                         mm_buf_size(&reader->text) < reader->stops_at));
    if (mm_request_settle(reader->request, reader->verdict) != MAILMOD_OK) {
        mm_buf_clear(&reader->text);
    }
}

/* A host that reads a body larger than all buffers, then decides; or decides
 * in its middle, and the rest is still taken from the peer. */
static void test_host_reads_the_body(void **state)
{
    static const struct {
        enum mm_verdict verdict;
        size_t stops_at;
        const char *reply;
        size_t entries;
    } rows[] = {{MM_VERDICT_ACCEPT, 0, "250 2.6.0", 1},
                {MM_VERDICT_REJECT, 0, "550 5.7.1", 1},
                {MM_VERDICT_TAKEN, 0, "250 2.6.0", 1},
                {MM_VERDICT_ACCEPT, 20000, "250 2.6.0", 2},
                {MM_VERDICT_REJECT_FOR_NOW, 20000, "451 4.7.1", 2}};
    struct world_of_hosts *w = *state;
    struct mm_buf body;

    mm_buf_init(&body, 1 << 21);
    for (unsigned i = 0; i < 20000; i++) {
        mm_buf_appendf(&body, "line %u of a body\r\n", i);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reader reader = {.verdict = rows[i].verdict,
                                .stops_at = rows[i].stops_at};
        const char *heard = "";

        begin_message(w);
        reader.request = w->asked;
        w->asked = NULL;
        mm_buf_init(&reader.text, 1 << 21);
        assert_int_equal(
            mm_thread_start(&reader.thread, "host", run_reader, &reader),
            MAILMOD_OK);
        fake_say_octets(&w->peer, mm_buf_span(&body).data, mm_buf_size(&body));
        fake_say(&w->peer, ".\r\n");
        for (unsigned turn = 0; turn < 20000; turn++) {
            fake_run(0);
            heard = mm_buf_cstr(&w->peer.heard);
            if (strstr(heard, rows[i].reply) != NULL) {
                break;
            }
            mm_clock_sleep_ms(1);
        }
        assert_non_null(strstr(heard, "354 "));
        assert_non_null(strstr(heard, rows[i].reply));
        mm_thread_join(&reader.thread);
        if (rows[i].stops_at == 0) {
            assert_string_equal(mm_buf_cstr(&reader.text), mm_buf_cstr(&body));
        }
        assert_int_equal(rig_entries(&w->rig, w->rig.alice), rows[i].entries);
        mm_buf_fini(&reader.text);
        fake_hang_up(&w->peer);
        fake_run(5);
        fake_forget_peer(&w->peer);
    }
    mm_buf_fini(&body);
}

static void test_host_decides_a_login(void **state)
{
    struct world_of_hosts *w = *state;

    listen_to(w, MAILMOD_POP3_LOGIN);
    fake_connect(&w->peer, PORT_POP3, PEER);
    rig_expect(&w->peer, "USER newcomer\r\n", "+OK");
    fake_say(&w->peer, "PASS anything\r\n");
    fake_run(5);
    assert_string_equal(mm_request_facts(w->asked)->user, "newcomer");
    assert_string_equal(mm_request_facts(w->asked)->password, "anything");
    settle(w, MM_VERDICT_TAKEN);
    rig_expect(&w->peer, "STAT\r\n", "+OK");
    fake_connect(&w->other, PORT_POP3, PEER);
    rig_expect(&w->other, "USER alice\r\n", "+OK");
    fake_say(&w->other, "PASS secret-alice\r\n");
    fake_run(5);
    settle(w, MM_VERDICT_REJECT);
    assert_non_null(strstr(fake_heard(&w->other), "-ERR [AUTH]"));
    rig_expect(&w->other, "STAT\r\n", "-ERR");
    rig_expect(&w->other, "USER alice\r\n", "+OK");
    fake_say(&w->other, "PASS secret-alice\r\n");
    fake_run(5);
    fake_hang_up(&w->other);
    fake_run(5);
    settle(w, MM_VERDICT_ACCEPT); /* too late: nobody is there */
    assert_int_equal(mm_server_busy(w->rig.server), 1);
}

static void test_host_serves_and_keeps_messages(void **state)
{
    struct world_of_hosts *w = *state;

    rig_deliver(&w->rig, w->rig.alice, "x\r\n");
    listen_to(w, MAILMOD_POP3_RETRIEVE | MAILMOD_POP3_DELETE);
    fake_connect(&w->peer, PORT_POP3, PEER);
    rig_expect(&w->peer, "USER alice\r\n", "+OK");
    rig_expect(&w->peer, "PASS secret-alice\r\n", "+OK");
    fake_say(&w->peer, "RETR 1\r\n");
    fake_run(5);
    assert_int_equal(mm_request_facts(w->asked)->number, 1);
    assert_int_equal(mm_request_write(w->asked, "mine\r\n.own\r\n", 12),
                     MAILMOD_OK);
    settle(w, MM_VERDICT_TAKEN);
    assert_non_null(strstr(fake_heard(&w->peer), "mine\r\n..own\r\n.\r\n"));
    fake_say(&w->peer, "DELE 1\r\n");
    fake_run(5);
    settle(w, MM_VERDICT_REJECT);
    assert_non_null(strstr(fake_heard(&w->peer), "-ERR"));
    rig_expect(&w->peer, "QUIT\r\n", "+OK");
    assert_int_equal(rig_entries(&w->rig, w->rig.alice), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_ports),
        TEST(test_listen_is_all_or_nothing),
        TEST(test_stop_while_idle),
        TEST(test_stop_while_busy),
        TEST(test_F28_stop_tells_who_waits),
        TEST(test_F28_stop_ends_a_wait),
        TEST(test_cut),
        TEST(test_loop_stops),
        TEST(test_reload),
        TEST(test_reload_raises_the_maximum),
        TEST(test_host_refuses_a_peer),
        TEST(test_host_cannot_be_asked),
        TEST(test_host_judges_the_envelope),
        TEST(test_peer_goes_while_the_host_thinks),
        TEST(test_host_reads_the_body),
        TEST(test_host_decides_a_login),
        TEST(test_host_serves_and_keeps_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
