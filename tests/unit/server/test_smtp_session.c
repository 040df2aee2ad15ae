/* test_smtp_session.c - an SMTP session on virtual time: mail in, deadlines
 * that trickling octets do not move, a store that is slow or fails, and peers
 * that go at the wrong moment. Thread: the test's. */
#include "rig.h"
#include "store/memory/memory.h"

#define PEER "198.51.100.7:4000"

static const char *const options[] = {"smtp.greeting_timeout=20s",
                                      "smtp.command_timeout=30s",
                                      "smtp.data_timeout=40s",
                                      "smtp.session_timeout=1h",
                                      "smtp.write_timeout=50s",
                                      "smtp.allows_clear_auth=true",
                                      "smtp.connections_per_address_max=3",
                                      NULL};

static int begin(void **state)
{
    *state = rig_talk_open(options);
    return 0;
}

/* Over a network: whom a path means, and who logs in, is told later. */
static int begin_late(void **state)
{
    (void)begin(state);
    mm_memory_answer_late(((struct rig_talk *)*state)->rig.store);
    return 0;
}

static int begin_small(void **state)
{
    static const char *const few[] = {"smtp.connections_max=4",
                                      "smtp.connections_per_address_max=4",
                                      "smtp.greeting_timeout=5m", NULL};

    *state = rig_talk_open(few);
    return 0;
}

static void greet(struct rig_talk *s, unsigned port)
{
    fake_connect(&s->peer, port, PEER);
    rig_expect(&s->peer, "", "220 mx.example.org");
    rig_expect(&s->peer, "EHLO client.example\r\n", "250-mx.example.org");
}

static void envelope(struct rig_talk *s, const char *recipient)
{
    char text[400];

    rig_expect(&s->peer, "MAIL FROM:<carol@example.net>\r\n", "250 2.1.0");
    snprintf(text, sizeof text, "RCPT TO:<%s>\r\n", recipient);
    rig_expect(&s->peer, text, "250 2.1.5");
}

static void login(struct rig_talk *s)
{
    /* NUL alice NUL secret-alice */
    rig_expect(&s->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n",
               "235 2.7.0");
}

static void test_mail(void **state)
{
    struct rig_talk *s = *state;
    struct mm_buf text;
    const char *body;

    greet(s, PORT_SMTP);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "DATA\r\n", "354 ");
    rig_expect(&s->peer, "Subject: x\r\n\r\n..dot\r\n.\r\n", "250 2.6.0");
    mm_buf_init(&text, 65536);
    body = rig_newest(&s->rig, s->rig.alice, &text);
    assert_non_null(strstr(body, "Received: from client.example"));
    assert_non_null(strstr(body, "for <alice@example.org>"));
    assert_non_null(strstr(body, "\r\nSubject: x\r\n\r\n.dot\r\n"));
    mm_buf_fini(&text);
    assert_int_equal(s->rig.wakes, 0);
    rig_expect(&s->peer, "QUIT\r\n", "221 ");
    assert_true(s->peer.is_closed);
    assert_int_equal(s->peer.reason, MAILMOD_OK);
}

/* Everything in one go (RFC 2920), three messages one behind the other. */
static void test_pipeline(void **state)
{
    struct rig_talk *s = *state;
    const char *heard;

    fake_connect(&s->peer, PORT_SMTP, PEER);
    rig_expect(&s->peer, "", "220");
    fake_say(&s->peer, "EHLO c\r\n");
    for (unsigned i = 0; i < 3; i++) {
        fake_say(&s->peer,
                 "MAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n"
                 "RCPT TO:<nobody@example.org>\r\nRCPT TO:<bob@example.org>\r\n"
                 "DATA\r\n");
        fake_run(10);
        fake_say(&s->peer, "x\r\n.\r\n");
    }
    fake_say(&s->peer, "QUIT\r\n");
    heard = fake_talk(&s->peer, "");
    assert_non_null(strstr(heard, "550 5.1.1"));
    assert_non_null(strstr(heard, "221 2.0.0"));
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 3);
    assert_int_equal(rig_entries(&s->rig, s->rig.bob), 3);
    assert_true(s->peer.is_closed);
}

static void test_queue(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SUBMISSION);
    rig_expect(&s->peer, "MAIL FROM:<alice@example.org>\r\n", "530 5.7.0");
    login(s);
    rig_expect(&s->peer, "MAIL FROM:<alice@example.org>\r\n", "250");
    rig_expect(&s->peer, "RCPT TO:<dave@example.net>\r\n", "250");
    rig_expect(&s->peer, "DATA\r\n", "354");
    rig_expect(&s->peer, "x\r\n.\r\n", "250");
    assert_int_equal(rig_recipients(&s->rig), 1);
    assert_int_equal(s->rig.wakes, 1);
}

static void test_no_relay_and_no_auth_on_25(void **state)
{
    struct rig_talk *s = *state;
    const char *heard;

    fake_connect(&s->peer, PORT_SMTP, PEER);
    (void)fake_talk(&s->peer, "");
    heard = fake_talk(&s->peer, "EHLO c\r\n");
    assert_null(strstr(heard, "AUTH"));
    assert_non_null(strstr(heard, "STARTTLS"));
    rig_expect(&s->peer, "MAIL FROM:<a@example.net>\r\n", "250");
    rig_expect(&s->peer, "RCPT TO:<b@example.net>\r\n", "550 5.7.1");
    rig_expect(&s->peer, "RCPT TO:<\"alice@example.org\"@example.net>\r\n",
               "550 5.7.1");
    rig_expect(&s->peer, "RCPT TO:<nobody@example.org>\r\n", "550 5.1.1");
    rig_expect(&s->peer, "DATA\r\n", "554 5.5.1");
}

static void test_starttls(void **state)
{
    struct rig_talk *s = *state;
    const char *heard;

    greet(s, PORT_SUBMISSION);
    login(s);
    rig_expect(&s->peer, "MAIL FROM:<alice@example.org>\r\n", "250");
    rig_expect(&s->peer, "RSET\r\n", "250");
    rig_expect(&s->peer, "STARTTLS\r\n", "220 2.0.0");
    assert_true(s->peer.is_tls);
    /* Nothing of the clear session is left. */
    rig_expect(&s->peer, "MAIL FROM:<alice@example.org>\r\n", "503");
    heard = fake_talk(&s->peer, "EHLO c\r\n");
    assert_null(strstr(heard, "STARTTLS"));
    rig_expect(&s->peer, "MAIL FROM:<alice@example.org>\r\n", "530");
}

/* RFC 3207 6: what came behind STARTTLS is no command. */
static void test_starttls_injection(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SMTP);
    fake_say(&s->peer, "STARTTLS\r\nMAIL FROM:<x@example.net>\r\n");
    fake_run(100);
    assert_null(strstr(fake_heard(&s->peer), "250"));
    assert_true(s->peer.is_closed);
    assert_false(s->peer.is_tls);
}

static void test_tls_handshake_hangs(void **state)
{
    struct rig_talk *s = *state;

    s->peer.fails_tls = true;
    fake_connect(&s->peer, PORT_SUBMISSIONS, PEER);
    fake_run(59000);
    assert_false(s->peer.is_closed);
    fake_run(2000);
    assert_true(s->peer.is_closed);
    assert_string_equal(fake_heard(&s->peer), "");
}

static void test_implicit_tls(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_SUBMISSIONS, PEER);
    rig_expect(&s->peer, "", "220 mx");
    assert_true(s->peer.is_tls);
}

/* Says one octet a second; the wait ends when it would have ended anyway. */
static uint64_t trickle(struct rig_talk *s, const char *octet)
{
    uint64_t start = fake_now_ms();

    while (!s->peer.is_closed && fake_now_ms() - start < 200000) {
        fake_say(&s->peer, octet);
        fake_run(1000);
    }
    assert_true(s->peer.is_closed);
    return fake_now_ms() - start;
}

static void test_deadline_of_the_hello(void **state)
{
    struct rig_talk *s = *state;
    uint64_t took;

    fake_connect(&s->peer, PORT_SMTP, PEER);
    rig_expect(&s->peer, "", "220");
    took = trickle(s, "E");
    assert_in_range(took, 19000, 22000);
    assert_non_null(strstr(fake_heard(&s->peer), "421 4.4.2"));
}

static void test_deadline_of_a_command(void **state)
{
    struct rig_talk *s = *state;
    uint64_t took;

    greet(s, PORT_SMTP);
    took = trickle(s, "N");
    assert_in_range(took, 29000, 32000);
    assert_non_null(strstr(fake_heard(&s->peer), "421 4.4.2"));
}

static void test_deadline_of_a_body(void **state)
{
    struct rig_talk *s = *state;
    uint64_t took;

    greet(s, PORT_SMTP);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "DATA\r\n", "354");
    took = trickle(s, "x");
    assert_in_range(took, 39000, 42000);
    assert_non_null(strstr(fake_heard(&s->peer), "421 4.4.2"));
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 0);
}

/* A body that moves on is not cut, however long it takes. */
static void test_slow_body(void **state)
{
    struct rig_talk *s = *state;
    static char lines[4098];

    memset(lines, 'b', sizeof lines);
    for (size_t i = 511; i < sizeof lines; i += 512) {
        lines[i - 1] = '\r';
        lines[i] = '\n';
    }
    lines[4096] = '\r';
    lines[4097] = '\n';
    greet(s, PORT_SMTP);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "DATA\r\n", "354");
    for (unsigned i = 0; i < 20; i++) {
        fake_say_octets(&s->peer, lines, sizeof lines);
        fake_run(30000);
        assert_false(s->peer.is_closed);
    }
    rig_expect(&s->peer, ".\r\n", "250");
}

/* Commands without end are ended by the life of the session. */
static void test_session_life(void **state)
{
    struct rig_talk *s = *state;
    uint64_t start = fake_now_ms();

    greet(s, PORT_SMTP);
    while (!s->peer.is_closed && fake_now_ms() - start < 7200000) {
        fake_say(&s->peer, "MAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n");
        fake_say(&s->peer, "RSET\r\n");
        fake_run(25000);
    }
    assert_in_range(fake_now_ms() - start, 3595000, 3630000);
    assert_non_null(strstr(fake_heard(&s->peer), "421 4.4.2"));
}

/* While the store works the peer's time stands still. */
static void test_slow_store(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SMTP);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "DATA\r\n", "354");
    fake_hold_store(s->rig.store);
    fake_say(&s->peer, "x\r\n.\r\n");
    fake_run(300000);
    assert_string_equal(fake_heard(&s->peer), ""); /* no 250 before it is so */
    assert_false(s->peer.is_closed);
    fake_release_store();
    rig_expect(&s->peer, "", "250 2.6.0");
    rig_expect(&s->peer, "NOOP\r\n", "250");
}

/* A big body over a slow store: taken as there is room, never kept. */
static void test_back_pressure(void **state)
{
    struct rig_talk *s = *state;
    struct mm_buf body;
    struct mm_buf text;

    mm_buf_init(&body, 1 << 22);
    for (unsigned i = 0; i < 20000; i++) {
        mm_buf_appendf(&body, "line %u of many that are sent\r\n", i);
    }
    greet(s, PORT_SMTP);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "DATA\r\n", "354");
    fake_hold_store(s->rig.store);
    fake_say_octets(&s->peer, mm_buf_span(&body).data, mm_buf_size(&body));
    fake_say(&s->peer, ".\r\n");
    fake_run(1000);
    /* At most two pieces and the session's own input were taken. */
    assert_true(mm_buf_size(&s->peer.conn->in) >
                mm_buf_size(&body) - 3 * MM_LIMIT_CHUNK - MM_LIMIT_INPUT);
    fake_release_store();
    rig_expect(&s->peer, "", "250 2.6.0");
    mm_buf_init(&text, 1 << 22);
    assert_non_null(
        strstr(rig_newest(&s->rig, s->rig.alice, &text), mm_buf_cstr(&body)));
    mm_buf_fini(&text);
    mm_buf_fini(&body);
}

/* BDAT without a final line end, and with bare ones. */
static void test_bdat(void **state)
{
    struct rig_talk *s = *state;
    struct mm_buf text;
    const char *stored;

    greet(s, PORT_SMTP);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "BDAT 5\r\na\r\nbc", "250");
    rig_expect(&s->peer, "BDAT 1 LAST\r\nd", "250 2.6.0");
    mm_buf_init(&text, 65536);
    stored = rig_newest(&s->rig, s->rig.alice, &text);
    assert_string_equal(stored + strlen(stored) - 9, "\na\r\nbcd\r\n");
    mm_buf_fini(&text);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "BDAT 4 LAST\r\na\nb\r", "550 5.6.11");
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "BDAT 2\r\na\r", "250"); /* it may still be a CRLF */
    rig_expect(&s->peer, "BDAT 2 LAST\r\nb\n", "550 5.6.11");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
    rig_expect(&s->peer, "NOOP\r\n", "250");
}

/* RFC 5321 6.3, attack 40: as many trace fields as smtp.received_max are mail,
 * one more is a loop; other fields and the body do not count. */
static void test_loop(void **state)
{
    struct rig_talk *s = *state;
    static const char field[] = "Received: from a by b;\r\n\tdate\r\n";

    greet(s, PORT_SMTP);
    for (unsigned count = 100; count <= 101; count++) {
        struct mm_buf text;

        mm_buf_init(&text, 65536);
        for (unsigned i = 0; i < count; i++) {
            mm_buf_append_cstr(&text, field);
        }
        mm_buf_append_cstr(&text, "X-Received: x\r\n\r\n");
        mm_buf_append_cstr(&text, field);
        assert_int_equal(mm_buf_append_cstr(&text, ".\r\n"), MAILMOD_OK);
        envelope(s, "alice@example.org");
        rig_expect(&s->peer, "DATA\r\n", "354 ");
        rig_expect(&s->peer, mm_buf_cstr(&text),
                   count == 100 ? "250 2.6.0" : "554 5.4.6");
        mm_buf_fini(&text);
    }
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "503 ");
}

static void test_peer_goes(void **state)
{
    static const char *const texts[] = {
        "",
        "EHLO c\r\n",
        "EHLO c\r\nMAIL FROM:<>\r\n",
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n",
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nx",
        ("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n"
         "DATA\r\nx\r\n.")};
    struct rig_talk *s = *state;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        fake_connect(&s->peer, PORT_SMTP, PEER);
        (void)fake_talk(&s->peer, texts[i]);
        fake_hang_up(&s->peer);
        fake_run(10);
        assert_true(s->peer.is_closed);
        assert_int_equal(mm_server_busy(s->rig.server), 0);
        assert_int_equal(mm_post_busy(s->rig.post), 0);
        fake_forget_peer(&s->peer);
    }
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 0);
}

/* Gone between the last dot and our 250: the message is kept. */
static void test_peer_goes_before_the_answer(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SMTP);
    envelope(s, "alice@example.org");
    rig_expect(&s->peer, "DATA\r\n", "354");
    fake_hold_store(s->rig.store);
    fake_say(&s->peer, "x\r\n.\r\n");
    fake_run(5);
    fake_hang_up(&s->peer);
    fake_run(5);
    assert_true(s->peer.is_closed);
    assert_int_equal(mm_server_busy(s->rig.server), 0);
    assert_true(mm_post_busy(s->rig.post) > 0); /* the store has it */
    fake_release_store();
    fake_run(5);
    assert_int_equal(mm_post_busy(s->rig.post), 0);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
}

static void test_peer_goes_during_a_login(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SUBMISSION);
    fake_hold_jobs(true);
    fake_say(&s->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n");
    fake_run(5);
    fake_hang_up(&s->peer);
    fake_run(5);
    assert_true(s->peer.is_closed);
    assert_int_equal(mm_server_busy(s->rig.server), 1); /* the worker has it */
    fake_hold_jobs(false);
    fake_run(5);
    assert_int_equal(mm_server_busy(s->rig.server), 0);
}

/* Its life ends while a login is checked: 421 alone is said, and the verdict
 * changes nothing any more. */
static void test_life_ends_during_a_login(void **state)
{
    struct rig_talk *s = *state;
    const char *heard;

    greet(s, PORT_SUBMISSION);
    fake_hold_jobs(true);
    s->peer.reads_nothing = true;
    fake_say(&s->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n");
    fake_run(3600000);
    fake_hold_jobs(false);
    fake_run(10);
    s->peer.reads_nothing = false;
    fake_run(10);
    heard = fake_heard(&s->peer);
    assert_non_null(strstr(heard, "421 4.4.2"));
    assert_null(strstr(heard, "235"));
    assert_true(s->peer.is_closed);
}

/* RCPT is asked of a slow store, and the peer goes meanwhile. */
static void test_peer_goes_during_rcpt(void **state)
{
    struct rig_talk *s = *state;

    mm_memory_answer_late(s->rig.store);
    greet(s, PORT_SMTP);
    rig_expect(&s->peer, "MAIL FROM:<carol@example.net>\r\n", "250");
    fake_hold_jobs(true);
    fake_say(&s->peer, "RCPT TO:<alice@example.org>\r\n");
    fake_run(5);
    assert_string_equal(fake_heard(&s->peer), "");
    fake_hang_up(&s->peer);
    fake_run(5);
    assert_true(s->peer.is_closed);
    assert_int_equal(mm_post_busy(s->rig.post), 1); /* the worker has it */
    fake_hold_jobs(false);
    fake_run(5);
    assert_int_equal(mm_post_busy(s->rig.post), 0);
    assert_int_equal(mm_server_busy(s->rig.server), 0);
}

static void test_login_failures(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SUBMISSION);
    rig_expect(&s->peer, "AUTH PLAIN AGFsaWNlAHdyb25n\r\n", "535 5.7.8");
    rig_expect(&s->peer, "AUTH PLAIN AG5vYm9keQB3cm9uZw==\r\n", "535 5.7.8");
    rig_expect(&s->peer, "AUTH PLAIN AGFsaWNlAHdyb25n\r\n", "421 4.7.0");
    assert_true(s->peer.is_closed);
    assert_null(strstr(fake_log_text(), "wrong")); /* no password in a log */
}

/* A peer that asks and never reads: bounded, and cut by the write's time. */
static void test_peer_reads_nothing(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SMTP);
    s->peer.reads_nothing = true;
    for (unsigned i = 0; i < 60; i++) {
        fake_say(&s->peer, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@x.x>\r\n"
                           "RSET\r\n");
        fake_run(1000);
    }
    assert_true(s->peer.is_closed);
    assert_int_equal(s->peer.reason, MAILMOD_ERROR_TIMEOUT);
}

/* From the 21st on a refusal comes a second late; good ones come at once. */
static void test_F27_refused_recipients(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SMTP);
    rig_expect(&s->peer, "MAIL FROM:<>\r\n", "250");
    for (unsigned i = 0; i < 20; i++) {
        rig_expect(&s->peer, "RCPT TO:<nobody@example.org>\r\n", "550 5.1.1");
    }
    fake_say(&s->peer, "RCPT TO:<nobody@example.org>\r\n"
                       "RCPT TO:<alice@example.org>\r\n");
    fake_run(1000 - 1);
    assert_string_equal(fake_heard(&s->peer), "");
    fake_run(2);
    const char *heard = fake_heard(&s->peer);
    assert_true(mm_span_starts_nocase(mm_span_cstr(heard), "550 5.1.1"));
    assert_non_null(strstr(heard, "250 2.1.5"));
    fake_say(&s->peer, "RCPT TO:<nobody@example.org>\r\n");
    fake_run(1);
    mm_server_stop(s->rig.server); /* a delay is no work */
    fake_run(1);
    assert_non_null(strstr(fake_heard(&s->peer), "421 4.3.2"));
    assert_true(s->peer.is_closed);
}

/* RFC 6409 6.1, as it comes: a login sends as itself, or from nobody. */
static void test_O07_sender_must_match(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SUBMISSION);
    login(s);
    rig_expect(&s->peer, "MAIL FROM:<bob@example.org>\r\n", "550 5.7.1");
    rig_expect(&s->peer, "MAIL FROM:<carol@example.net>\r\n", "550 5.7.1");
    rig_expect(&s->peer, "MAIL FROM:<Alice+x@Example.org>\r\n", "250");
    rig_expect(&s->peer, "RSET\r\n", "250");
    rig_expect(&s->peer, "MAIL FROM:<>\r\n", "250");
}

/* Places are a service's own, and silent peers of a crowded one get less time
 * from then on. */
static void test_D08_crowd(void **state)
{
    struct rig_talk *s = *state;
    struct fake_peer silent[3] = {0};
    struct fake_peer late = {0};

    for (size_t i = 0; i < 3; i++) {
        fake_connect(&silent[i], PORT_SMTP, PEER);
        fake_run(1);
    }
    greet(s, PORT_SUBMISSION);
    fake_run(60000); /* 3 of 4 are no crowd yet */
    assert_false(silent[0].is_closed);
    fake_connect(&late, PORT_SMTP, "192.0.2.99:1");
    fake_run(9000);
    assert_false(silent[0].is_closed || late.is_closed);
    fake_run(2000);
    for (size_t i = 0; i < 3; i++) {
        assert_true(silent[i].is_closed);
        fake_forget_peer(&silent[i]);
    }
    assert_true(late.is_closed);
    assert_false(s->peer.is_closed);
    fake_forget_peer(&late);
}

static void test_too_many(void **state)
{
    struct rig_talk *s = *state;
    struct fake_peer peers[4] = {{0}};

    for (size_t i = 0; i < 4; i++) {
        fake_connect(&peers[i], PORT_SMTP, PEER);
    }
    fake_run(10);
    assert_non_null(strstr(fake_heard(&peers[2]), "220 "));
    assert_non_null(strstr(fake_heard(&peers[3]), "421 4.7.0"));
    assert_true(peers[3].is_closed);
    fake_hang_up(&peers[0]);
    fake_run(10);
    fake_connect(&s->peer, PORT_SMTP, PEER);
    rig_expect(&s->peer, "", "220 ");
    for (size_t i = 0; i < 4; i++) {
        fake_hang_up(&peers[i]);
        fake_run(1);
        fake_forget_peer(&peers[i]);
    }
}

/* Every allocation of a whole session fails once: no crash, and an answer of
 * 250 means a message that is there. */
static void test_no_memory(void **state)
{
    struct rig_talk *s = *state;
    size_t accepted = 0;

    for (unsigned long n = 1; n < 160; n++) {
        struct fake_peer peer = {0};
        const char *heard;

        mm_mem_set_fault(0, 0);
        fake_connect(&peer, PORT_SMTP, PEER);
        fake_run(1);
        fake_say(&peer, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>"
                        "\r\nDATA\r\n");
        mm_mem_set_fault(n, 0);
        /* The peer's own buffers are the test's: they may fail, too. */
        if (peer.conn != NULL && mm_buf_reserve(&peer.heard, 8192) != NULL &&
            mm_buf_reserve(&peer.conn->out, 8192) != NULL) {
            fake_run(1);
            fake_say(&peer, "x\r\n.\r\nQUIT\r\n");
            fake_run(1);
        }
        mm_mem_set_fault(0, 0);
        fake_run(1);
        heard = fake_heard(&peer);
        accepted += strstr(heard, "250 2.6.0") != NULL;
        fake_hang_up(&peer);
        fake_run(10);
        assert_true(peer.is_closed);
        fake_forget_peer(&peer);
        assert_int_equal(mm_server_busy(s->rig.server), 0);
        assert_true(rig_entries(&s->rig, s->rig.alice) >= accepted);
    }
    assert_true(accepted > 50);
}

/* Told at MAIL, not after the whole body; and over when there is room. */
static void test_D07_no_room_is_told_at_mail(void **state)
{
    struct rig_talk *s = *state;

    greet(s, PORT_SMTP);
    mm_store_set_free_space_min(s->rig.store, UINT64_MAX - 100000);
    rig_expect(&s->peer, "MAIL FROM:<a@example.net> SIZE=200000\r\n",
               "452 4.3.1");
    rig_expect(&s->peer, "MAIL FROM:<a@example.net> SIZE=2000\r\n", "250");
    rig_expect(&s->peer, "RSET\r\n", "250");
    mm_store_set_free_space_min(s->rig.store, UINT64_MAX);
    rig_expect(&s->peer, "MAIL FROM:<a@example.net>\r\n", "250");
    rig_expect(&s->peer, "RSET\r\n", "250");
    rig_expect(&s->peer, "MAIL FROM:<a@example.net> SIZE=1\r\n", "452 4.3.1");
    mm_store_set_free_space_min(s->rig.store, 0);
    rig_expect(&s->peer, "MAIL FROM:<a@example.net> SIZE=200000\r\n", "250");
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, begin, rig_talk_end),                \
    {                                                                          \
#name " (late)", name, begin_late, rig_talk_end, NULL                  \
    }
    const struct CMUnitTest tests[] = {
        TEST(test_mail),
        TEST(test_pipeline),
        TEST(test_queue),
        TEST(test_no_relay_and_no_auth_on_25),
        TEST(test_starttls),
        TEST(test_starttls_injection),
        TEST(test_tls_handshake_hangs),
        TEST(test_implicit_tls),
        TEST(test_deadline_of_the_hello),
        TEST(test_deadline_of_a_command),
        TEST(test_deadline_of_a_body),
        TEST(test_slow_body),
        TEST(test_session_life),
        TEST(test_slow_store),
        TEST(test_back_pressure),
        TEST(test_bdat),
        TEST(test_loop),
        TEST(test_peer_goes),
        TEST(test_peer_goes_before_the_answer),
        TEST(test_peer_goes_during_a_login),
        TEST(test_life_ends_during_a_login),
        TEST(test_peer_goes_during_rcpt),
        TEST(test_login_failures),
        TEST(test_peer_reads_nothing),
        TEST(test_F27_refused_recipients),
        cmocka_unit_test_setup_teardown(test_D08_crowd, begin_small,
                                        rig_talk_end),
        TEST(test_O07_sender_must_match),
        TEST(test_D07_no_room_is_told_at_mail),
        TEST(test_too_many),
        TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
