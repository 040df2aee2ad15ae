/* test_srv_send.c - streams from SRVInit... to SRVGetResult, handles that are
 * none, and the default instance's begin and end. Nothing leaves: the queue
 * holds. Thread: the test's and some of its own. */
#include "srv_rig.h"

#include "platform/thread.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static const char text[] = "Subject: x\r\n\r\nbody\r\n";

static ServerStream begin(const char *to)
{
    ServerStream stream = SRVInitSendMsgBackground("me@x.test", to, NULL, NULL);

    if (stream == NULL) {
        fail_msg("%s: %s", to, SRVLastErrorText());
    }
    return stream;
}

static void send_one(const char *to)
{
    ServerStream stream = begin(to);

    assert_int_equal(SRVSend(stream, text, sizeof text - 1), sizeof text - 1);
    SRVEndOfMsg(stream);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
}

static void count_entry(void *context, const struct mailmod_queue_entry *entry)
{
    (void)entry;
    ++*(size_t *)context;
}

static size_t queued(void)
{
    size_t count = 0;

    assert_int_equal(
        mailmod_queue_list(SRVInstance(), NULL, count_entry, &count),
        MAILMOD_OK);
    return count;
}

static void expect_result(const char *recipient)
{
    struct mailmod_result result = {.size = sizeof result};

    assert_int_equal(SRVGetResult(NULL, 0, &result), 0);
    assert_string_equal(result.recipient, recipient);
    assert_int_equal(result.outcome, MAILMOD_PENDING);
    assert_int_equal(SRVGetResult(NULL, 1, &result), MAILMOD_ERROR_NOT_FOUND);
}

static void test_queue(void **state)
{
    (void)state;
    send_one("<you@y.test>");
    expect_result("you@y.test");
    assert_int_equal(queued(), 1);
    send_one("a@y.test, b@z.test");
    assert_int_equal(queued(), 3);
}

/* A stream is a handle until its end, and then none, for every function. */
static void expect_none(ServerStream stream, int error)
{
    char octets[100];

    assert_int_equal(SRVSend(stream, text, 1), 0);
    assert_int_equal(SRVLastError(), error);
    assert_int_equal(SRVprintf(stream, "%d", 1), 0);
    assert_int_equal(SRVLastError(), error);
    assert_int_equal(SRVRecv(stream, octets, sizeof octets), 0);
    assert_int_equal(SRVLastError(), error);
    assert_null(GetAUTHName(stream));
    assert_int_equal(SRVLastError(), error);
    assert_null(GetAUTHPassw(stream));
    assert_int_equal(SRVLastError(), error);
    assert_int_equal(GetRemoteIP(stream), 0);
    assert_int_equal(SRVLastError(), error);
    assert_int_equal(GetRemoteAddr(stream, octets, sizeof octets), 0);
    assert_int_equal(SRVLastError(), error);
    assert_int_equal(GetSocket(stream), -1);
    assert_int_equal(SRVLastError(), error);
    SRVEndOfMsg(stream);
    assert_int_equal(SRVLastError(), error);
}

static void test_handles(void **state)
{
    ServerStream stream;
    char octets[64] = "";

    (void)state;
    expect_none(NULL, MAILMOD_ERROR_ARGUMENT);
    expect_none(octets, MAILMOD_ERROR_HANDLE);
    stream = begin("you@y.test");
    expect_none(&stream, MAILMOD_ERROR_HANDLE);
    expect_none((char *)stream + 1, MAILMOD_ERROR_HANDLE);
    expect_none(SRVInstance(), MAILMOD_ERROR_HANDLE);
    assert_int_equal(SRVSend(stream, text, sizeof text - 1), sizeof text - 1);
    SRVEndOfMsg(stream);
    expect_none(stream, MAILMOD_ERROR_HANDLE);
    expect_result("you@y.test"); /* none of that has replaced it */
}

/* A message that is written has no peer. */
static void test_message_has_no_peer(void **state)
{
    ServerStream stream = begin("you@y.test");
    char octets[100];

    (void)state;
    assert_int_equal(SRVRecv(stream, octets, sizeof octets), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_STATE);
    assert_null(GetAUTHName(stream));
    assert_null(GetAUTHPassw(stream));
    assert_int_equal(GetRemoteIP(stream), 0);
    assert_int_equal(GetRemoteAddr(stream, octets, sizeof octets), 0);
    assert_int_equal(GetSocket(stream), -1);
    SRVEndOfMsg(stream);
}

static void take_octets(void *context, const char *octets, size_t size)
{
    char *all = context;
    size_t length = strlen(all);

    assert_true(length + size < 300000);
    memcpy(all + length, octets, size);
    all[length + size] = '\0';
}

static void test_writing(void **state)
{
    ServerStream stream = begin("you@y.test");
    const char *end;
    char *all = calloc(1, 300000);
    char *identifier;

    (void)state;
    assert_non_null(all);
    assert_int_equal(SRVSend(stream, text, 0), 0);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(SRVSend(stream, text, -1), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SRVSend(stream, NULL, 1), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SRVprintf(stream, NULL), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SRVprintf(stream, "Subject: %s %d\n\n", "x", 7), 14);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    /* Longer than any buffer. */
    assert_int_equal(SRVprintf(stream, "%0*d\n", 200000, 9), 200001);
    assert_int_equal(SRVprintf(stream, "%s", ""), 0);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(SRVSend(stream, "end", 3), 3);
    identifier = strdup(mailmod_message_identifier(stream));
    SRVEndOfMsg(stream);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(
        mailmod_queue_read(SRVInstance(), identifier, take_octets, all),
        MAILMOD_OK);
    end = strstr(all, "\r\n\r\n");
    assert_non_null(end);
    assert_non_null(strstr(all, "Subject: x 7\r\n"));
    assert_int_equal(strlen(end + 4), 200000 + 2 + 5);
    assert_string_equal(end + 4 + 200000 - 1, "9\r\nend\r\n");
    free(identifier);
    free(all);
}

static void test_bad_envelopes(void **state)
{
    static const char *const nobody[] = {NULL, "", " ,; ", "no-domain@",
                                         "two words@x.test"};
    static const int ports[] = {INT_MIN, -1, 0, 65536, INT_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        assert_null(
            SRVInitSendMsgBackground("me@x.test", nobody[i], NULL, NULL));
        assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
        assert_null(
            SRVInitSendMsgImmediately("me@x.test", nobody[i], NULL, NULL));
        assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    }
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        assert_null(SRVInitSendMsgSMTP("me@x.test", "you@y.test", "127.0.0.1",
                                       ports[i], NULL, NULL));
        assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    }
    assert_null(
        SRVInitSendMsgSMTP("me@x.test", "you@y.test", NULL, 25, NULL, NULL));
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    assert_null(
        SRVInitSendMsgBackground("not an address", "you@y.test", NULL, NULL));
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    SRVEndOfMsg(SRVInitSendMsgBackground(NULL, "you@y.test", NULL, NULL));
    assert_int_equal(SRVLastError(), MAILMOD_OK); /* the null path */
}

static void test_results_of_nothing(void **state)
{
    struct mailmod_result result = {.size = sizeof result};

    (void)state;
    assert_int_equal(SRVGetResult(NULL, 0, &result), MAILMOD_ERROR_HANDLE);
    assert_int_equal(SRVGetResult(&result, 0, &result), MAILMOD_ERROR_HANDLE);
    send_one("you@y.test");
    assert_int_equal(SRVGetResult(NULL, -1, &result), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SRVGetResult(NULL, 0, NULL), MAILMOD_ERROR_ARGUMENT);
}

/* ---- threads ------------------------------------------------------------ */

static void send_from_thread(void *context)
{
    char to[64];

    snprintf(to, sizeof to, "t%d@y.test", *(int *)context);
    send_one(to);
    expect_result(to);
}

/* Each thread has its own last message; more threads than are kept push the
 * oldest out, and nothing is lost or left. */
static void test_each_thread_has_its_own(void **state)
{
    struct mailmod_result result = {.size = sizeof result};
    int number = 0;

    (void)state;
    send_one("mine@y.test");
    for (number = 0; number < 300; number++) {
        struct mm_thread *thread;

        assert_int_equal(
            mm_thread_start(&thread, "sender", send_from_thread, &number),
            MAILMOD_OK);
        mm_thread_join(&thread);
        if (number == 100) {
            expect_result("mine@y.test");
        }
    }
    assert_int_equal(SRVGetResult(NULL, 0, &result), MAILMOD_ERROR_HANDLE);
    assert_int_equal(queued(), 301);
}

/* ---- callbacks ---------------------------------------------------------- */

struct told {
    int done;
    int shutdown;
    ServerStream stream;
    struct mailmod_result result;
};

static void on_state(ServerStream *stream, void *usr_par, int state, int sent)
{
    struct told *told = usr_par;

    (void)sent;
    told->stream = stream;
    if (state == STATE_SMTP_DONE) {
        told->result.size = sizeof told->result;
        told->done++;
        told->shutdown = SRVShutdown();
        assert_int_equal(SRVGetResult(stream, 0, &told->result), 0);
    }
}

/* A mailbox here: DONE comes soon, once, with the result; and a callback cannot
 * wait for itself. */
static void test_callback(void **state)
{
    struct told told = {0};
    ServerStream stream;

    (void)state;
    assert_int_equal(mailmod_user_add(SRVInstance(), "demo", "secret", 0),
                     MAILMOD_OK);
    stream =
        SRVInitSendMsgImmediately("me@x.test", "demo@a.test", on_state, &told);
    assert_non_null(stream);
    assert_int_equal(SRVSend(stream, text, sizeof text - 1), sizeof text - 1);
    SRVEndOfMsg(stream);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(SRVShutdown(), 0);
    assert_int_equal(told.done, 1);
    assert_ptr_equal(told.stream, stream);
    assert_int_equal(told.shutdown, MAILMOD_ERROR_STATE);
    assert_int_equal(told.result.outcome, MAILMOD_DELIVERED);
}

static void shut_down_at_done(void *context,
                              const struct mailmod_progress_report *report)
{
    if (report->progress == MAILMOD_DONE) {
        *(int *)context = SRVShutdown();
    }
}

/* A callback of mailmod.h's on the default instance cannot end it either, and
 * nothing is stopped by the attempt. */
static void test_shutdown_in_another_callback(void **state)
{
    int told = 0;
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_NOW,
                                        .recipients = "demo@a.test",
                                        .on_progress = shut_down_at_done,
                                        .context = &told};
    mailmod_message *message = NULL;

    (void)state;
    assert_int_equal(SRVStart(), 0);
    assert_int_equal(mailmod_user_add(SRVInstance(), "demo", "secret", 0),
                     MAILMOD_OK);
    assert_int_equal(mailmod_message_submit(SRVInstance(), &envelope, text,
                                            sizeof text - 1, &message),
                     MAILMOD_OK);
    assert_int_equal(mailmod_message_wait(message, 10000), MAILMOD_OK);
    assert_int_equal(told, MAILMOD_ERROR_STATE);
    send_one("you@y.test");
    assert_int_equal(mailmod_message_free(&message), MAILMOD_OK);
}

/* A message that cannot be sent has its DONE, too. */
static void test_done_of_a_failure(void **state)
{
    struct told told = {0};
    ServerStream stream;
    char *much = calloc(1, 70000);

    (void)state;
    assert_non_null(much);
    SetConfigParamInt("smtp.message_size_max", 65536);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    stream =
        SRVInitSendMsgBackground("me@x.test", "you@y.test", on_state, &told);
    assert_non_null(stream);
    memset(much, 'x', 70000);
    assert_int_equal(SRVSend(stream, much, 70000), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_TOO_LARGE);
    SRVEndOfMsg(stream);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(told.done, 1);
    assert_int_equal(told.result.outcome, MAILMOD_PENDING);
    assert_int_equal(SRVShutdown(), 0);
    assert_int_equal(told.done, 1);
    free(much);
}

/* The queue's message stays; its callback is told that the waiting is over. */
static void test_shutdown_ends_waiting(void **state)
{
    struct told told = {0};
    ServerStream stream =
        SRVInitSendMsgBackground("me@x.test", "you@y.test", on_state, &told);

    (void)state;
    assert_int_equal(SRVSend(stream, text, sizeof text - 1), sizeof text - 1);
    SRVEndOfMsg(stream);
    assert_int_equal(told.done, 0);
    assert_int_equal(SRVShutdown(), 0);
    assert_int_equal(told.done, 1);
    assert_int_not_equal(told.result.outcome, MAILMOD_DELIVERED);
}

/* ---- the default instance -------------------------------------------------
 */

/* A new one has the defaults and knows nothing of the one before. */
static void test_begins_anew(void **state)
{
    struct mailmod_result result = {.size = sizeof result};
    ServerStream stream = begin("you@y.test");

    (void)state;
    send_one("other@y.test");
    assert_int_equal(SRVShutdown(), 0); /* with an open stream */
    expect_none(stream, MAILMOD_ERROR_HANDLE);
    assert_int_equal(SRVGetResult(NULL, 0, &result), MAILMOD_ERROR_HANDLE);
    assert_string_equal(GetConfigParamStr("smtp.listen"), "0.0.0.0:25");
    assert_int_equal(SRVShutdown(), 0);
    assert_int_equal(SRVShutdown(), 0);
}

static void ignore_line(void *context, enum mailmod_log_level level,
                        const char *line)
{
    (void)level;
    (void)line;
    ++*(int *)context;
}

static void test_log_and_start(void **state)
{
    int lines = 0;

    (void)state;
    assert_int_equal(SRVSetLog(ignore_line, &lines), 0);
    assert_int_equal(SRVStart(), 0);
    assert_int_equal(SRVStart(), 0);
    assert_true(lines > 0);
    assert_int_equal(SRVSetLog(NULL, NULL), MAILMOD_ERROR_STATE);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_STATE);
    assert_string_equal(SRVVersion(), mailmod_version());
    assert_int_equal(SRVShutdown(), 0);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, srv_rig_open, srv_rig_close)
    const struct CMUnitTest tests[] = {
        TEST(test_queue),
        TEST(test_handles),
        TEST(test_message_has_no_peer),
        TEST(test_writing),
        TEST(test_bad_envelopes),
        TEST(test_results_of_nothing),
        TEST(test_each_thread_has_its_own),
        TEST(test_callback),
        TEST(test_shutdown_in_another_callback),
        TEST(test_done_of_a_failure),
        TEST(test_shutdown_ends_waiting),
        TEST(test_begins_anew),
        TEST(test_log_and_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
