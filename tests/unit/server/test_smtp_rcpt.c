/* test_smtp_rcpt.c - RCPT whose address is looked up slowly, and addresses that
 * stand for several: the session waits, answers once, and may end meanwhile.
 * Thread: the test's (the loop). */
#include "post/resolve.h"
#include "rig.h"

#define PEER "192.0.2.1:4000"

struct session {
    struct rig rig;
    struct fake_peer peer;
};

static struct mm_resolve *waiting;

static enum mm_step_verdict hold(struct mm_resolve *resolve,
                                 struct mm_resolve_item *item)
{
    if (strcmp(item->address->local_part, "slow") != 0) {
        return MM_STEP_PASS;
    }
    waiting = resolve;
    return MM_STEP_PENDING;
}

static void forget(struct mm_resolve *resolve)
{
    assert_ptr_equal(resolve, waiting);
    waiting = NULL;
}

static int begin(void **state)
{
    static struct mm_resolve_step steps[6];
    struct session *s = mm_alloc(sizeof *s);
    size_t count = 0;

    assert_non_null(s);
    rig_open(&s->rig, NULL, NULL);
    const struct mm_resolve_step *own = mm_resolve_steps(&count);
    assert_int_equal(count + 1, sizeof steps / sizeof steps[0]);
    steps[0] = (struct mm_resolve_step){.run = hold, .cancel = forget};
    memcpy(&steps[1], own, count * sizeof *own);
    s->rig.post->steps = steps;
    s->rig.post->step_count = count + 1;
    waiting = NULL;
    fake_connect(&s->peer, PORT_SMTP, PEER);
    (void)fake_talk(&s->peer, "EHLO c\r\n");
    rig_expect(&s->peer, "MAIL FROM:<carol@example.net>\r\n", "250");
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct session *s = *state;

    fake_hang_up(&s->peer);
    fake_run(1000);
    fake_forget_peer(&s->peer);
    assert_null(waiting);
    rig_close(&s->rig);
    mm_free(s);
    return 0;
}

static void resume(enum mm_step_verdict verdict)
{
    struct mm_resolve *resolve = waiting;

    waiting = NULL;
    mm_resolve_resume(resolve, verdict);
    fake_run(1);
}

static void test_later(void **state)
{
    struct session *s = *state;
    static const struct mm_reply full = {452, "4.2.2", "mailbox full"};

    /* What is pipelined behind it waits, too. */
    assert_string_equal(fake_talk(&s->peer, "RCPT TO:<slow@example.org>\r\n"
                                            "RCPT TO:<alice@example.org>\r\n"),
                        "");
    assert_non_null(waiting);
    const struct mm_target target = {.kind = MM_TARGET_MAILBOX,
                                     .path = "slow@example.org",
                                     .mailbox_id = s->rig.bob,
                                     .mailbox_name = "bob"};
    mm_resolve_add(waiting, &target);
    waiting->is_local = true;
    resume(MM_STEP_TAKEN);
    assert_string_equal(fake_heard(&s->peer), "250 2.1.5 Recipient OK\r\n"
                                              "250 2.1.5 Recipient OK\r\n");
    assert_string_equal(fake_talk(&s->peer, "RCPT TO:<slow@example.org>\r\n"),
                        "");
    const struct mm_target refused = {.kind = MM_TARGET_REFUSED,
                                      .reply = &full};
    mm_resolve_add(waiting, &refused);
    waiting->is_local = true;
    resume(MM_STEP_TAKEN);
    assert_string_equal(fake_heard(&s->peer), "452 4.2.2 mailbox full\r\n");
    rig_expect(&s->peer, "DATA\r\n", "354");
    rig_expect(&s->peer, "Hi\r\n.\r\n", "250");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
    assert_int_equal(rig_entries(&s->rig, s->rig.bob), 1);
}

/* The peer goes while it waits: the look-up is cancelled. */
static void test_gone_meanwhile(void **state)
{
    struct session *s = *state;

    assert_string_equal(fake_talk(&s->peer, "RCPT TO:<slow@example.org>\r\n"),
                        "");
    assert_non_null(waiting);
    fake_hang_up(&s->peer);
    fake_run(1000);
    assert_null(waiting);
}

/* F11: the mailbox goes between RCPT and the dot. */
static void test_F11_user_goes_meanwhile(void **state)
{
    struct session *s = *state;

    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&s->peer, "DATA\r\n", "354");
    rig_remove_user(s->rig.store, "alice");
    rig_expect(&s->peer, "Hi\r\n.\r\n", "550 5.1.1");
    rig_expect(&s->peer, "NOOP\r\n", "250");
}

/* F06: what is no header does not stand in the header, and our field is as we
 * wrote it. */
static void test_F06_text_without_a_header(void **state)
{
    struct session *s = *state;
    struct mm_buf text;

    mm_buf_init(&text, 65536);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&s->peer, "DATA\r\n", "354");
    rig_expect(&s->peer, " folded\r\nSubject: no\r\n.\r\n", "250");
    const char *stored = rig_newest(&s->rig, s->rig.alice, &text);
    assert_non_null(strstr(stored, " +0000\r\n\r\n folded\r\nSubject: no\r\n"));
    mm_buf_fini(&text);
}

static const char *submit(struct session *s, struct fake_peer *peer,
                          struct mm_buf *text)
{
    (void)fake_talk(peer, "EHLO c\r\n");
    rig_expect(peer, "MAIL FROM:<carol@example.net>\r\n", "250");
    rig_expect(peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(peer, "DATA\r\n", "354");
    rig_expect(peer,
               "To: a@b\r\nBcc: c@d,\r\n e@f\r\nSubject: x\r\n\r\nBcc: x"
               "\r\n.\r\n",
               "250");
    return rig_newest(&s->rig, s->rig.alice, text);
}

/* F23: RFC 6409 8 on the submission services, and nowhere else. */
static void test_F23_submitted_header(void **state)
{
    static const char *const settings[] = {"smtp.relay_from=192.0.2.0/24",
                                           NULL};
    static const char *const off[] = {"smtp.relay_from=192.0.2.0/24",
                                      "smtp.edits_submitted=false", NULL};
    static const struct {
        const char *const *settings;
        unsigned port;
        bool edits;
    } rows[] = {{settings, PORT_SUBMISSION, true},
                {settings, PORT_SMTP, false},
                {off, PORT_SUBMISSION, false}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct session s = {0};
        struct mm_buf text;

        mm_buf_init(&text, 65536);
        rig_open(&s.rig, rows[i].settings, NULL);
        fake_connect(&s.peer, rows[i].port, PEER);
        const char *stored = submit(&s, &s.peer, &text);
        assert_int_equal(strstr(stored, "\r\nDate: ") != NULL, rows[i].edits);
        assert_int_equal(strstr(stored, "\r\nMessage-ID: <") != NULL,
                         rows[i].edits);
        assert_int_equal(strstr(stored, "c@d") == NULL, rows[i].edits);
        assert_int_equal(strstr(stored, "e@f") == NULL, rows[i].edits);
        assert_non_null(strstr(stored, "To: a@b\r\n"));
        assert_non_null(strstr(stored, "Subject: x\r\n\r\nBcc: x\r\n"));
        mm_buf_fini(&text);
        fake_hang_up(&s.peer);
        fake_run(1000);
        fake_forget_peer(&s.peer);
        rig_close(&s.rig);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_later),
        TEST(test_gone_meanwhile),
        TEST(test_F11_user_goes_meanwhile),
        TEST(test_F06_text_without_a_header),
        cmocka_unit_test(test_F23_submitted_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
