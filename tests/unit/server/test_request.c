/* test_request.c - one question to the host: who lets go first, who frees, and
 * the piece of body between the two threads. Under the thread sanitizer, too.
 * Threads: the test's is the loop; hosts are threads of their own. */
#include "rig.h"
#include "server/request.h"

#include "platform/clock.h"

struct question {
    struct mm_request *request;
    struct mm_request *host; /* the host's share */
    struct mm_thread *thread;
    unsigned settled, wants_body, rooms;
    enum mailmod_error ask_error;
    /* the host's thread: */
    struct mm_buf read;
    enum mailmod_error read_error;
    size_t piece;
    uint64_t pause_ms;
};

static void on_settled(void *context)
{
    ((struct question *)context)->settled++;
}

static void on_wants_body(void *context)
{
    ((struct question *)context)->wants_body++;
}

static void on_room(void *context)
{
    ((struct question *)context)->rooms++;
}

static const struct mm_request_handler handler = {on_settled, on_wants_body,
                                                  on_room};

static enum mailmod_error ask(void *context, struct mm_request *request)
{
    struct question *q = context;

    q->host = request;
    return q->ask_error;
}

static int begin(void **state)
{
    struct question *q = mm_alloc(sizeof *q);

    assert_non_null(q);
    fake_open(NULL);
    mm_buf_init(&q->read, FAKE_TEXT_MAX);
    q->piece = 1000;
    *state = q;
    return 0;
}

static int end(void **state)
{
    struct question *q = *state;

    mm_buf_fini(&q->read);
    mm_free(q);
    fake_run_tasks();
    fake_close();
    return 0;
}

static void put(struct question *q, enum mailmod_moment moment)
{
    struct mm_request_facts facts = {.moment = moment,
                                     .user = "alice",
                                     .password = "secret",
                                     .reverse_path = "a@b",
                                     .message = "ID",
                                     .number = 7,
                                     .written_max = 100};
    struct mm_hooks hooks = {.ask = ask, .context = q};

    assert_int_equal(
        mm_request_new(&q->request, fake_loop(), &facts, &handler, q),
        MAILMOD_OK);
    assert_int_equal(mm_request_add_recipient(q->request, "x@example.org"),
                     MAILMOD_OK);
    assert_int_equal(mm_request_add_recipient(q->request, "y@example.org"),
                     MAILMOD_OK);
    assert_int_equal(mm_request_ask(q->request, &hooks), q->ask_error);
}

static void test_facts(void **state)
{
    struct question *q = *state;
    const struct mm_request_facts *facts;

    put(q, MAILMOD_SMTP_MESSAGE);
    facts = mm_request_facts(q->host);
    assert_string_equal(facts->user, "alice");
    assert_string_equal(facts->password, "secret");
    assert_string_equal(facts->reverse_path, "a@b");
    assert_string_equal(facts->message, "ID");
    assert_int_equal(facts->number, 7);
    assert_string_equal(mm_request_recipient(q->host, 0), "x@example.org");
    assert_string_equal(mm_request_recipient(q->host, 1), "y@example.org");
    assert_null(mm_request_recipient(q->host, 2));
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_ACCEPT), MAILMOD_OK);
    fake_run_tasks();
    mm_request_leave(&q->request);
    mm_request_leave(&q->request); /* NULL does nothing */
}

static void test_settle_then_leave(void **state)
{
    struct question *q = *state;

    put(q, MAILMOD_SMTP_CONNECT);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_REJECT), MAILMOD_OK);
    assert_false(mm_request_is_settled(q->request)); /* the loop's view */
    fake_run_tasks();
    assert_int_equal(q->settled, 1);
    assert_true(mm_request_is_settled(q->request));
    assert_int_equal(mm_request_verdict(q->request), MM_VERDICT_REJECT);
    assert_int_equal(mm_request_reply(q->request)->code, 554);
    mm_request_leave(&q->request);
}

static void test_leave_between_settle_and_task(void **state)
{
    struct question *q = *state;

    put(q, MAILMOD_SMTP_CONNECT);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_ACCEPT), MAILMOD_OK);
    mm_request_leave(&q->request);
    fake_run_tasks();
    assert_int_equal(q->settled, 0); /* the session is gone: not called */
}

static void test_leave_then_settle(void **state)
{
    struct question *q = *state;
    enum mailmod_error error;
    char buffer[10];

    put(q, MAILMOD_SMTP_MESSAGE);
    mm_request_leave(&q->request);
    assert_int_equal(mm_request_read(q->host, buffer, sizeof buffer, &error),
                     0);
    assert_int_equal(error, MAILMOD_ERROR_CLOSED);
    assert_int_equal(mm_request_write(q->host, "x", 1), MAILMOD_OK);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_TAKEN), MAILMOD_OK);
    fake_run_tasks();
    assert_int_equal(q->settled + q->wants_body, 0);
}

static void test_ask_fails(void **state)
{
    struct question *q = *state;

    q->ask_error = MAILMOD_ERROR_LIMIT;
    put(q, MAILMOD_SMTP_CONNECT);
    mm_request_leave(&q->request); /* frees: the host has no share */
}

static void test_replies(void **state)
{
    struct question *q = *state;
    char text[3000];

    put(q, MAILMOD_SMTP_MESSAGE);
    assert_int_equal(mm_request_set_reply(q->host, 399, "no"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_request_set_reply(q->host, 600, "no"),
                     MAILMOD_ERROR_ARGUMENT);
    memset(text, 't', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(mm_request_set_reply(q->host, 452, text), MAILMOD_OK);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_REJECT_FOR_NOW),
                     MAILMOD_OK);
    assert_int_equal(mm_request_verdict(q->request), MM_VERDICT_REJECT_FOR_NOW);
    assert_int_equal(mm_request_reply(q->request)->code, 452);
    assert_string_equal(mm_request_reply(q->request)->enhanced, "4.3.1");
    assert_true(strlen(mm_request_reply(q->request)->text) < 1024);
    fake_run_tasks();
    mm_request_leave(&q->request);
}

/* A host says a code alone: its class and what RFC 3463 has for it. */
static void test_enhanced_codes(void **state)
{
    static const struct {
        int code;
        const char *enhanced;
    } rows[] = {{400, "4.7.1"}, {421, "4.3.2"}, {450, "4.7.1"}, {452, "4.3.1"},
                {499, "4.7.1"}, {500, "5.7.1"}, {530, "5.7.0"}, {535, "5.7.8"},
                {550, "5.7.1"}, {552, "5.3.4"}, {599, "5.7.1"}};
    struct question *q = *state;

    put(q, MAILMOD_SMTP_MESSAGE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mm_request_set_reply(q->host, rows[i].code, NULL),
                         MAILMOD_OK);
        assert_int_equal(mm_request_reply(q->request)->code, rows[i].code);
        assert_string_equal(mm_request_reply(q->request)->enhanced,
                            rows[i].enhanced);
    }
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_REJECT), MAILMOD_OK);
    fake_run_tasks();
    mm_request_leave(&q->request);
}

/* What the host wrote counts when it took the message, if it is a reply. */
static void test_written_replies(void **state)
{
    static const struct {
        const char *text;
        int code; /* 0: the standard one */
    } rows[] = {{"250 2.0.0 mine\r\n", 250},
                {"250 mine", 250},
                {"554-a\r\n554 b\r\n", 554},
                {"", 0},
                {"hello\r\n", 0},
                {"99 x\r\n", 0},
                {"354 go on\r\n", 0}};
    struct question *q = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct mm_reply *reply;

        put(q, MAILMOD_SMTP_MESSAGE);
        assert_int_equal(
            mm_request_write(q->host, rows[i].text, strlen(rows[i].text)),
            MAILMOD_OK);
        assert_int_equal(mm_request_settle(q->host, MM_VERDICT_TAKEN),
                         MAILMOD_OK);
        reply = mm_request_reply(q->request);
        if ((reply != NULL ? reply->code : 0) != rows[i].code) {
            fail_msg("%s: %d", rows[i].text, reply != NULL ? reply->code : 0);
        }
        fake_run_tasks();
        mm_request_leave(&q->request);
    }
}

static void test_written_is_bounded(void **state)
{
    struct question *q = *state;
    char octets[101] = {0};

    put(q, MAILMOD_POP3_RETRIEVE);
    assert_int_equal(mm_request_write(q->host, octets, 100), MAILMOD_OK);
    assert_int_equal(mm_request_write(q->host, octets, 1), MAILMOD_ERROR_LIMIT);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_TAKEN), MAILMOD_OK);
    fake_run_tasks();
    assert_int_equal(mm_request_written(q->request).size, 100);
    mm_request_leave(&q->request);
}

/* A host that reads in its own pace. */
static void run_reader(void *context)
{
    struct question *q = context;
    char *buffer = malloc(q->piece);
    size_t got;

    do {
        mm_clock_sleep_ms(q->pause_ms);
        got = mm_request_read(q->host, buffer, q->piece, &q->read_error);
        mm_buf_append(&q->read, buffer, got);
    } while (got > 0);
    free(buffer);
    if (mm_request_settle(q->host, MM_VERDICT_ACCEPT) != MAILMOD_OK) {
        q->read_error = MAILMOD_ERROR_SYSTEM;
    }
}

static void await(const unsigned *count, unsigned wanted)
{
    for (unsigned i = 0; *count < wanted; i++) {
        assert_true(i < 20000);
        if (!fake_run_tasks()) {
            mm_clock_sleep_ms(1);
        }
    }
}

static void test_body(void **state)
{
    struct question *q = *state;
    static char body[500000];
    size_t offered = 0;

    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = (char)(i * 7 + i / 251);
    }
    put(q, MAILMOD_SMTP_MESSAGE);
    assert_int_equal(mm_thread_start(&q->thread, "host", run_reader, q),
                     MAILMOD_OK);
    await(&q->wants_body, 1);
    while (offered < sizeof body) {
        unsigned rooms = q->rooms;
        size_t used = mm_request_offer(
            q->request, mm_span(body + offered, sizeof body - offered));

        offered += used;
        if (offered < sizeof body) {
            await(&q->rooms, rooms + 1); /* back-pressure, no waiting inside */
        }
    }
    mm_request_offer_end(q->request);
    await(&q->settled, 1);
    mm_thread_join(&q->thread);
    assert_int_equal(q->wants_body, 1);
    assert_int_equal(q->read_error, MAILMOD_OK);
    assert_int_equal(mm_buf_size(&q->read), sizeof body);
    assert_memory_equal(mm_buf_span(&q->read).data, body, sizeof body);
    mm_request_leave(&q->request);
}

static void run_waiting(void *context)
{
    struct question *q = context;
    char octet;

    if (mm_request_read(q->host, &octet, 1, &q->read_error) != 0) {
        q->read_error = MAILMOD_ERROR_SYSTEM;
    }
}

/* The peer goes while the host waits for octets. */
static void test_leave_wakes_the_reader(void **state)
{
    struct question *q = *state;

    put(q, MAILMOD_SMTP_MESSAGE);
    assert_int_equal(mm_thread_start(&q->thread, "host", run_reader, q),
                     MAILMOD_OK);
    await(&q->wants_body, 1);
    assert_int_equal(mm_request_offer(q->request, mm_span_cstr("half")), 4);
    mm_request_leave(&q->request);
    mm_thread_join(&q->thread);
    assert_int_equal(q->read_error, MAILMOD_ERROR_CLOSED);
    fake_run_tasks();
    assert_int_equal(q->settled, 0);
}

/* Another thread of the host's answers while one waits for octets; the share of
 * the reader outlives that of the answer and the session. */
static void test_an_answer_wakes_the_reader(void **state)
{
    struct question *q = *state;
    struct mm_request *share;

    put(q, MAILMOD_SMTP_MESSAGE);
    share = mm_request_ref(q->host);
    assert_int_equal(mm_thread_start(&q->thread, "host", run_waiting, q),
                     MAILMOD_OK);
    await(&q->wants_body, 1);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_REJECT), MAILMOD_OK);
    mm_thread_join(&q->thread);
    assert_int_equal(q->read_error, MAILMOD_ERROR_STATE);
    await(&q->settled, 1);
    mm_request_leave(&q->request);
    assert_string_equal(mm_request_facts(share)->user, "alice");
    assert_string_equal(mm_request_recipient(share, 1), "y@example.org");
    assert_int_equal(mm_request_settle(share, MM_VERDICT_ACCEPT),
                     MAILMOD_ERROR_STATE);
    mm_request_unref(&share);
    mm_request_unref(&share); /* NULL does nothing */
}

static void test_only_messages_are_read(void **state)
{
    struct question *q = *state;
    enum mailmod_error error;
    char buffer[10];

    put(q, MAILMOD_POP3_LOGIN);
    assert_int_equal(mm_request_read(q->host, buffer, sizeof buffer, &error),
                     0);
    assert_int_equal(error, MAILMOD_ERROR_STATE);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_ACCEPT), MAILMOD_OK);
    fake_run_tasks();
    mm_request_leave(&q->request);
}

static void run_settler(void *context)
{
    struct question *q = context;

    mm_clock_sleep_ms(q->pause_ms);
    if (mm_request_settle(q->host, MM_VERDICT_ACCEPT) != MAILMOD_OK) {
        q->read_error = MAILMOD_ERROR_SYSTEM;
    }
}

/* Both let go at about the same time: freed once, whoever is second. */
static void test_race_of_the_two(void **state)
{
    struct question *q = *state;

    for (unsigned i = 0; i < 300; i++) {
        put(q, MAILMOD_SMTP_CONNECT);
        q->pause_ms = i % 3 == 0;
        assert_int_equal(mm_thread_start(&q->thread, "host", run_settler, q),
                         MAILMOD_OK);
        if (i % 2 == 0) {
            mm_clock_sleep_ms(i % 4 == 0);
        }
        fake_run_tasks();
        mm_request_leave(&q->request);
        mm_thread_join(&q->thread);
        fake_run_tasks();
    }
    assert_int_equal(q->read_error, MAILMOD_OK);
}

static void test_no_memory(void **state)
{
    struct question *q = *state;
    struct mm_request_facts facts = {.user = "alice", .written_max = 10};

    for (unsigned long n = 1; n < 20; n++) {
        enum mailmod_error error;

        mm_mem_set_fault(n, 0);
        error = mm_request_new(&q->request, fake_loop(), &facts, &handler, q);
        if (error == MAILMOD_OK) {
            error = mm_request_add_recipient(q->request, "x@y");
        }
        mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        mm_request_leave(&q->request);
    }
}

static void count_news(void *context)
{
    (*(unsigned *)context)++;
}

/* A follower: what is there, BUSY for nothing, NOT_FOUND at the end; a call for
 * each change, and none after it went. */
static void test_a_follower(void **state)
{
    struct question *q = *state;
    struct mm_buf out;
    unsigned news = 0;
    char octet;
    enum mailmod_error error;

    mm_buf_init(&out, 100000);
    put(q, MAILMOD_SMTP_MESSAGE);
    assert_int_equal(mm_request_follow(q->host, count_news, &news), MAILMOD_OK);
    assert_int_equal(mm_request_follow(q->host, count_news, &news),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_request_read(q->host, &octet, 1, &error), 0);
    assert_int_equal(error, MAILMOD_ERROR_STATE);
    fake_run_tasks();
    assert_int_equal(q->wants_body, 1);
    assert_int_equal(mm_request_take(q->host, &out), MAILMOD_ERROR_BUSY);
    assert_int_equal(mm_request_offer(q->request, mm_span_cstr("abc")), 3);
    assert_int_equal(news, 1);
    assert_int_equal(mm_request_take(q->host, &out), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&out), "abc");
    assert_int_equal(mm_request_take(q->host, &out), MAILMOD_ERROR_BUSY);
    mm_request_offer_end(q->request);
    assert_int_equal(news, 2);
    assert_int_equal(mm_request_take(q->host, &out), MAILMOD_ERROR_NOT_FOUND);
    mm_request_unfollow(q->host);
    assert_int_equal(mm_request_settle(q->host, MM_VERDICT_ACCEPT), MAILMOD_OK);
    assert_int_equal(news, 2);
    fake_run_tasks();
    mm_request_leave(&q->request);
    mm_buf_fini(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_facts),
        TEST(test_settle_then_leave),
        TEST(test_leave_between_settle_and_task),
        TEST(test_leave_then_settle),
        TEST(test_ask_fails),
        TEST(test_replies),
        TEST(test_enhanced_codes),
        TEST(test_written_replies),
        TEST(test_written_is_bounded),
        TEST(test_body),
        TEST(test_leave_wakes_the_reader),
        TEST(test_an_answer_wakes_the_reader),
        TEST(test_only_messages_are_read),
        TEST(test_race_of_the_two),
        TEST(test_no_memory),
        TEST(test_a_follower),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
