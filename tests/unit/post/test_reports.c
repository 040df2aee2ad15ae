/* test_reports.c - what a sender is told of recipients with a mailbox here:
 * asked for, found gone, not asked for; by the queue or in his own mailbox.
 * Thread: the test's (the loop). */
#include "arrival.h"
#include "post/resolve.h"

static void add(struct arrival *a, uint64_t mailbox_id, const char *path,
                unsigned notify)
{
    const struct mm_target target = {.kind = MM_TARGET_MAILBOX,
                                     .path = path,
                                     .mailbox_id = mailbox_id,
                                     .mailbox_name = path,
                                     .notify = notify,
                                     .original_recipient =
                                         "rfc822;first@example.com"};

    assert_int_equal(mm_deposit_add(a->deposit, &target), MAILMOD_OK);
}

static void end_message(struct arrival *a)
{
    arrival_write_all(a, mm_span_cstr("Subject: it\r\n\r\nthe body\r\n"), 9);
    arrival_finish(a);
    assert_int_equal(a->error, MAILMOD_OK);
}

static const char *newest(struct arrival *a, uint64_t mailbox_id,
                          struct mm_buf *text)
{
    uint64_t size = 0;

    mm_buf_init(text, 1 << 22);
    arrival_read_whole(a, mailbox_id, text, &size);
    assert_int_equal(mm_buf_size(text), size);
    return mm_buf_cstr(text);
}

/* F05: RFC 3461 5.2.3, into the sender's mailbox, in the same transaction. */
static void test_F05_delivered(void **state)
{
    struct arrival *a = *state;
    struct mm_buf text;

    arrival_start(a, "bob@example.org");
    add(a, a->alice, "alice@example.org", MM_DSN_NOTIFY_SUCCESS);
    end_message(a);
    assert_int_equal(arrival_entries(a, a->alice), 1);
    assert_int_equal(arrival_entries(a, a->bob), 1);
    const char *report = newest(a, a->bob, &text);
    assert_int_equal(strncmp(report, "Return-Path: <>\r\nFrom: ", 23), 0);
    assert_non_null(strstr(report, "Original-Envelope-Id: env-1\r\n"));
    assert_non_null(strstr(report,
                           "Original-Recipient: rfc822;first@example.com\r\n"
                           "Final-Recipient: rfc822; alice@example.org\r\n"
                           "Action: delivered\r\nStatus: 2.1.5\r\n"));
    assert_non_null(strstr(report, "Subject: it\r\n"));
    assert_null(strstr(report, "the body")); /* RFC 3461 4.3 */
    assert_int_equal(a->wakes, 0);
    mm_buf_fini(&text);
}

/* By the queue to a sender elsewhere, who is told once. */
static void test_F05_remote_sender(void **state)
{
    struct arrival *a = *state;
    static struct arrival_rows rows;

    arrival_start(a, "carol@example.net");
    add(a, a->alice, "alice@example.org", MM_DSN_NOTIFY_SUCCESS);
    add(a, a->bob, "bob@example.org",
        MM_DSN_NOTIFY_SUCCESS | MM_DSN_NOTIFY_FAILURE);
    end_message(a);
    arrival_list(a, &rows);
    assert_int_equal(rows.count, 1);
    assert_string_equal(rows.items[0].path, "carol@example.net");
    assert_string_equal(rows.items[0].destination, "example.net");
    assert_int_equal(rows.items[0].notify, MM_DSN_NOTIFY_NEVER);
    assert_true(rows.message.is_report);
    assert_string_equal(rows.message.reverse_path, "");
    assert_int_equal(a->wakes, 1);
}

/* Nobody asked, or nobody can be told. */
static void test_F05_no_report(void **state)
{
    struct arrival *a = *state;
    static const struct {
        const char *sender;
        unsigned notify;
    } rows[] = {{"bob@example.org", 0},
                {"bob@example.org", MM_DSN_NOTIFY_NEVER},
                {"bob@example.org", MM_DSN_NOTIFY_FAILURE},
                {"bob@example.org", MM_DSN_NOTIFY_DELAY},
                {"", MM_DSN_NOTIFY_SUCCESS},
                {"nobody@example.org", MM_DSN_NOTIFY_SUCCESS}};
    static struct arrival_rows queued;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        arrival_start(a, rows[i].sender);
        add(a, a->alice, "alice@example.org", rows[i].notify);
        end_message(a);
        mm_deposit_abandon(&a->deposit);
        assert_int_equal(arrival_entries(a, a->alice), i + 1);
        assert_int_equal(arrival_entries(a, a->bob), 0);
        arrival_list(a, &queued);
        assert_int_equal(queued.count, 0);
    }
}

/* F11: one mailbox is gone, the other is not: he is told of the one. */
static void test_F11_one_goes_meanwhile(void **state)
{
    struct arrival *a = *state;
    struct mm_buf text;
    uint64_t dave = rig_add_user(a->store, "dave", false);

    arrival_start(a, "dave@example.org");
    add(a, a->alice, "alice@example.org", 0);
    add(a, a->bob, "bob@example.org", 0);
    rig_remove_user(a->store, "alice");
    end_message(a);
    assert_int_equal(arrival_entries(a, a->bob), 1);
    assert_int_equal(arrival_entries(a, dave), 1);
    const char *report = newest(a, dave, &text);
    assert_non_null(strstr(report, "Final-Recipient: rfc822; alice@example.org"
                                   "\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
    assert_null(strstr(report, "bob@example.org"));
    assert_non_null(strstr(report, "the body")); /* RET=FULL, a failure */
    mm_buf_fini(&text);
}

static void test_F11_unless_never(void **state)
{
    struct arrival *a = *state;
    static const unsigned notify[] = {MM_DSN_NOTIFY_NEVER,
                                      MM_DSN_NOTIFY_SUCCESS};
    uint64_t dave = rig_add_user(a->store, "dave", false);

    for (size_t i = 0; i < 2; i++) {
        uint64_t eve = rig_add_user(a->store, "eve", false);

        arrival_start(a, "dave@example.org");
        add(a, eve, "eve@example.org", notify[i]);
        add(a, a->bob, "bob@example.org", 0);
        rig_remove_user(a->store, "eve");
        end_message(a);
        mm_deposit_abandon(&a->deposit);
        assert_int_equal(arrival_entries(a, dave), 0);
    }
}

/* The whole original, of several pieces of which the first and the last are not
 * in the store yet. */
static void test_F11_large_original(void **state)
{
    struct arrival *a = *state;
    struct mm_buf text;
    uint64_t dave = rig_add_user(a->store, "dave", false);

    memset(arrival_big, 'c', sizeof arrival_big);
    arrival_start(a, "dave@example.org");
    add(a, a->alice, "alice@example.org", 0);
    add(a, a->bob, "bob@example.org", 0);
    rig_remove_user(a->store, "alice");
    arrival_write_all(a, mm_span_cstr("Subject: it\r\n\r\n"), 100);
    arrival_write_all(a, mm_span(arrival_big, sizeof arrival_big), 60000);
    arrival_finish(a);
    assert_int_equal(a->error, MAILMOD_OK);
    const char *report = newest(a, dave, &text);
    const char *body = strstr(report, "Subject: it\r\n\r\nccc");
    assert_non_null(body);
    assert_int_equal(strspn(body + 15, "c"), sizeof arrival_big);
    mm_buf_fini(&text);
}

static struct mm_resolve *waiting;

static enum mm_step_verdict hold(struct mm_resolve *resolve,
                                 struct mm_resolve_item *item)
{
    (void)item;
    waiting = resolve;
    return MM_STEP_PENDING;
}

static void forget(struct mm_resolve *resolve)
{
    (void)resolve;
    waiting = NULL;
}

/* The sender is looked up slowly: the end waits; abandoned meanwhile, nothing
 * is kept. */
static void test_slow_sender(void **state)
{
    struct arrival *a = *state;
    static struct mm_resolve_step steps[6];
    size_t count = 0;
    const struct mm_resolve_step *own = mm_resolve_steps(&count);

    assert_int_equal(count + 1, sizeof steps / sizeof steps[0]);
    steps[0] = (struct mm_resolve_step){.run = hold, .cancel = forget};
    memcpy(&steps[1], own, count * sizeof *own);
    a->post->steps = steps;
    a->post->step_count = count + 1;
    for (int i = 0; i < 2; i++) {
        arrival_start(a, "bob@example.org");
        add(a, a->alice, "alice@example.org", MM_DSN_NOTIFY_SUCCESS);
        arrival_write_all(a, mm_span(arrival_big, sizeof arrival_big), 60000);
        mm_deposit_finish(a->deposit, false);
        fake_run(0);
        assert_int_equal(a->finished, 0);
        assert_non_null(waiting);
        if (i == 0) {
            mm_deposit_abandon(&a->deposit);
            assert_null(waiting);
            fake_run(0);
            assert_int_equal(mm_post_busy(a->post), 0);
            assert_int_equal(arrival_entries(a, a->alice), 0);
        }
    }
    mm_resolve_resume(waiting, MM_STEP_PASS);
    fake_run(0);
    assert_int_equal(a->finished, 1);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(arrival_entries(a, a->alice), 1);
    assert_int_equal(arrival_entries(a, a->bob), 1);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, arrival_begin, arrival_end)
    const struct CMUnitTest tests[] = {
        TEST(test_F05_delivered),    TEST(test_F05_remote_sender),
        TEST(test_F05_no_report),    TEST(test_F11_one_goes_meanwhile),
        TEST(test_F11_unless_never), TEST(test_F11_large_original),
        TEST(test_slow_sender),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
