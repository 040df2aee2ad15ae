/* test_message_events.c - progress in order, DONE once and never lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/message/message.h"
#include "base/mem.h"
#include "platform/clock.h"

#define SEEN_MAX 256
#define TEXT_SIZE 1000

struct stage {
    struct mm_messages *messages;
    struct mm_host_threads *host_threads;
    struct mm_config *config;
    struct mm_outbound_observer observer;
};

/* What the host's callback was told. */
struct audience {
    struct mm_mutex *lock;
    struct mm_condition *changed;
    struct mm_message_event seen[SEEN_MAX];
    size_t count;
    unsigned inside;
    bool was_crowded; /* two at a time */
    bool is_shut;     /* the callback stands still */
    enum mailmod_error wait_error;
    bool waits;
};

static void begin_stage(struct stage *stage, unsigned thread_max)
{
    struct mm_config_builder *builder;

    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    assert_int_equal(mm_config_build(builder, &stage->config, NULL),
                     MAILMOD_OK);
    mm_config_builder_free(&builder);
    assert_int_equal(mm_host_threads_new(&stage->host_threads, thread_max),
                     MAILMOD_OK);
    struct mm_messages_options options = {.config = stage->config,
                                          .host_threads = stage->host_threads};

    assert_int_equal(mm_messages_new(&stage->messages, &options), MAILMOD_OK);
    mm_messages_observer(stage->messages, &stage->observer);
    mm_messages_open(stage->messages, NULL, NULL);
}

static void end_stage(struct stage *stage)
{
    mm_messages_close(stage->messages);
    mm_host_threads_free(&stage->host_threads);
    mm_messages_unref(&stage->messages);
    mm_config_unref(&stage->config);
}

static void begin_audience(struct audience *audience)
{
    *audience = (struct audience){.count = 0};
    assert_int_equal(mm_mutex_new(&audience->lock), MAILMOD_OK);
    assert_int_equal(mm_condition_new(&audience->changed), MAILMOD_OK);
}

static void end_audience(struct audience *audience)
{
    mm_condition_free(&audience->changed);
    mm_mutex_free(&audience->lock);
}

static void on_progress(void *context,
                        const struct mailmod_progress_report *report)
{
    struct audience *audience = context;
    mailmod_message *message = report->message;

    if (audience->waits) {
        mm_mutex_lock(message->messages->mutex);
        audience->wait_error =
            mm_host_threads_is_current(message->messages->host_threads)
                ? MAILMOD_ERROR_STATE
                : MAILMOD_OK;
        mm_mutex_unlock(message->messages->mutex);
    }
    mm_mutex_lock(audience->lock);
    audience->was_crowded |= audience->inside++ > 0;
    if (audience->count < SEEN_MAX) {
        audience->seen[audience->count++] =
            (struct mm_message_event){report->progress, report->sent};
    }
    mm_condition_broadcast(audience->changed);
    while (audience->is_shut) {
        mm_condition_wait(audience->changed, audience->lock);
    }
    audience->inside--;
    mm_mutex_unlock(audience->lock);
}

static void set_shut(struct audience *audience, bool is_shut)
{
    mm_mutex_lock(audience->lock);
    audience->is_shut = is_shut;
    mm_condition_broadcast(audience->changed);
    mm_mutex_unlock(audience->lock);
}

static void wait_seen(struct audience *audience, size_t count)
{
    mm_mutex_lock(audience->lock);
    while (audience->count < count) {
        mm_condition_wait(audience->changed, audience->lock);
    }
    mm_mutex_unlock(audience->lock);
}

/* A message that is on its way, without a handle. */
static mailmod_message *depart(struct stage *stage, struct audience *audience,
                               const char *recipients,
                               enum mailmod_send_mode mode, uint64_t id)
{
    mailmod_message *message = mm_alloc(sizeof *message);

    message->messages = stage->messages;
    mm_mutex_lock(stage->messages->mutex);
    stage->messages->references++;
    mm_list_init(&message->node);
    mm_list_append(&stage->messages->all, &message->node);
    mm_mutex_unlock(stage->messages->mutex);
    mm_list_init(&message->waiting_node);
    message->config = mm_config_ref(stage->config);
    message->references = 1;
    message->id = id;
    message->mode = mode;
    message->size = TEXT_SIZE;
    message->on_progress = audience != NULL ? on_progress : NULL;
    message->context = audience;
    assert_int_equal(mm_condition_new(&message->changed), MAILMOD_OK);
    assert_int_equal(
        mm_message_recipients_parse(&message->recipients, recipients, 10),
        MAILMOD_OK);
    assert_int_equal(mm_message_depart(message), MAILMOD_OK);
    return message;
}

static void step(struct stage *stage, uint64_t id,
                 enum mailmod_progress progress, uint64_t octets)
{
    stage->observer.on_progress(stage->observer.context, id, progress, octets);
}

static void outcome(struct stage *stage, uint64_t id, const char *path,
                    const char *status, bool is_final)
{
    struct mm_store_recipient recipient = {.message_id = id};
    struct mq_outcome told = {.host = "mx.test"};

    (void)mm_span_copy(mm_span_cstr(path), recipient.path,
                       sizeof recipient.path);
    (void)mm_span_copy(mm_span_cstr(status), told.status, sizeof told.status);
    told.verdict = status[0] == '2'   ? MQ_DELIVERED
                   : status[0] == '4' ? MQ_DEFERRED
                                      : MQ_FAILED;
    told.error = status[0] == '2' ? MAILMOD_OK : MAILMOD_ERROR_REFUSED;
    (void)mm_span_copy(mm_span_cstr(status[0] == '2'   ? "250 2.0.0 taken"
                                    : status[0] == '4' ? "450 4.2.1 not now"
                                                       : "550 5.1.1 no"),
                       told.reply, sizeof told.reply);
    stage->observer.on_outcome(stage->observer.context, id, &recipient, &told,
                               is_final);
}

static enum mailmod_error await(mailmod_message *message, uint64_t timeout_ms)
{
    enum mailmod_error error;

    mm_mutex_lock(message->messages->mutex);
    error = mm_message_await(message, timeout_ms);
    mm_mutex_unlock(message->messages->mutex);
    return error;
}

static void assert_seen(const struct audience *audience, const char *expected)
{
    char text[SEEN_MAX + 1];

    for (size_t i = 0; i < audience->count; i++) {
        text[i] = (char)('0' + audience->seen[i].progress);
        assert_true(i == 0 ||
                    audience->seen[i].sent >= audience->seen[i - 1].sent);
        assert_true(audience->seen[i].sent <= TEXT_SIZE);
    }
    text[audience->count] = '\0';
    assert_string_equal(text, expected);
    assert_false(audience->was_crowded);
}

static void one_attempt(void **state)
{
    struct stage stage;
    struct audience audience;
    mailmod_message *message;

    (void)state;
    begin_stage(&stage, 4);
    begin_audience(&audience);
    audience.waits = true;
    message = depart(&stage, &audience, "a@b.test", MAILMOD_SEND_NOW, 7);
    step(&stage, 7, MAILMOD_FINDING_HOST, 0);
    wait_seen(&audience, 1);
    step(&stage, 7, MAILMOD_CONNECTING, 0);
    wait_seen(&audience, 2);
    step(&stage, 7, MAILMOD_CONNECTING, 0); /* the next address */
    step(&stage, 7, MAILMOD_IN_DIALOG, 0);
    wait_seen(&audience, 3);
    step(&stage, 7, MAILMOD_SENDING, 400);
    wait_seen(&audience, 4);
    step(&stage, 7, MAILMOD_SENDING, 400); /* no news */
    step(&stage, 7, MAILMOD_SENDING, 5000);
    wait_seen(&audience, 5);
    assert_int_equal(await(message, 0), MAILMOD_ERROR_TIMEOUT);
    outcome(&stage, 7, "a@b.test", "2.0.0", true);
    assert_int_equal(await(message, 10000), MAILMOD_OK);
    assert_seen(&audience, "123445");
    assert_int_equal(audience.seen[3].sent, 400);
    assert_int_equal(audience.seen[5].sent, TEXT_SIZE);
    assert_int_equal(audience.wait_error, MAILMOD_ERROR_STATE);
    step(&stage, 7, MAILMOD_SENDING, 10); /* nobody is there any more */
    outcome(&stage, 7, "a@b.test", "5.1.1", true);
    assert_int_equal(message->recipients.items[0].outcome, MAILMOD_DELIVERED);
    mm_message_unref(message);
    end_stage(&stage);
    assert_seen(&audience, "123445");
    end_audience(&audience);
}

/* The callback stands still: what comes meanwhile is put together. */
static void a_slow_callback(void **state)
{
    struct stage stage;
    struct audience audience;
    mailmod_message *message;

    (void)state;
    begin_stage(&stage, 4);
    begin_audience(&audience);
    audience.is_shut = true;
    message = depart(&stage, &audience, "a@b.test", MAILMOD_SEND_NOW, 7);
    step(&stage, 7, MAILMOD_FINDING_HOST, 0);
    wait_seen(&audience, 1);
    step(&stage, 7, MAILMOD_CONNECTING, 0);
    step(&stage, 7, MAILMOD_IN_DIALOG, 0);
    for (uint64_t octets = 1; octets <= TEXT_SIZE; octets++) {
        step(&stage, 7, MAILMOD_SENDING, octets);
    }
    outcome(&stage, 7, "a@b.test", "5.1.1", true);
    assert_int_equal(await(message, 20), MAILMOD_ERROR_TIMEOUT);
    set_shut(&audience, false);
    assert_int_equal(await(message, 10000), MAILMOD_OK);
    assert_seen(&audience, "12345");
    assert_int_equal(audience.seen[3].sent, TEXT_SIZE);
    mm_message_unref(message);
    end_stage(&stage);
    end_audience(&audience);
}

/* More attempts than there is room for: the newest replaces the one before,
 * and DONE has its place. */
static void many_attempts_and_a_slow_callback(void **state)
{
    struct stage stage;
    struct audience audience;
    mailmod_message *message;

    (void)state;
    begin_stage(&stage, 4);
    begin_audience(&audience);
    audience.is_shut = true;
    message = depart(&stage, &audience, "a@b.test", MAILMOD_SEND_QUEUE, 7);
    step(&stage, 7, MAILMOD_FINDING_HOST, 0);
    wait_seen(&audience, 1);
    for (unsigned i = 0; i < 20; i++) {
        step(&stage, 7, MAILMOD_FINDING_HOST, 0);
        step(&stage, 7, MAILMOD_IN_DIALOG, 0);
        outcome(&stage, 7, "a@b.test", "4.2.1", false);
        assert_int_equal(message->recipients.items[0].outcome,
                         MAILMOD_DEFERRED);
    }
    outcome(&stage, 7, "a@b.test", "4.2.1", true);
    assert_int_equal(message->recipients.items[0].outcome, MAILMOD_FAILED);
    set_shut(&audience, false);
    assert_int_equal(await(message, 10000), MAILMOD_OK);
    assert_int_equal(audience.count, 1 + MM_MESSAGE_EVENTS_MAX);
    assert_int_equal(audience.seen[audience.count - 1].progress, MAILMOD_DONE);
    mm_message_unref(message);
    end_stage(&stage);
    end_audience(&audience);
}

/* The furthest counts; a new round begins when all were tried. */
static void rounds(void **state)
{
    struct stage stage;
    struct audience audience;
    mailmod_message *message;

    (void)state;
    begin_stage(&stage, 1);
    begin_audience(&audience);
    message =
        depart(&stage, &audience, "a@b.test c@d.test", MAILMOD_SEND_QUEUE, 7);
    step(&stage, 7, MAILMOD_FINDING_HOST, 0);
    wait_seen(&audience, 1);
    step(&stage, 7, MAILMOD_SENDING, 1000);
    wait_seen(&audience, 2);
    step(&stage, 7, MAILMOD_FINDING_HOST, 0); /* the other one's */
    outcome(&stage, 7, "a@b.test", "4.2.1", false);
    step(&stage, 7, MAILMOD_FINDING_HOST, 0);
    outcome(&stage, 7, "c@d.test", "2.0.0", true);
    step(&stage, 7, MAILMOD_FINDING_HOST, 0); /* all were tried: anew */
    wait_seen(&audience, 3);
    step(&stage, 7, MAILMOD_SENDING, 10);
    wait_seen(&audience, 4);
    outcome(&stage, 7, "a@b.test", "2.0.0", true);
    assert_int_equal(await(message, 10000), MAILMOD_OK);
    assert_seen(&audience, "14145");
    assert_int_equal(audience.seen[3].sent, 1000);
    mm_message_unref(message);
    end_stage(&stage);
    end_audience(&audience);
}

static void results_stay_where_they_were_read(void **state)
{
    struct stage stage;
    mailmod_message *message;
    struct mm_message_recipient *recipient;
    const struct mm_message_words *first;
    struct mm_buf words;

    (void)state;
    begin_stage(&stage, 1);
    message = depart(&stage, NULL, "a@b.test", MAILMOD_SEND_QUEUE, 7);
    recipient = &message->recipients.items[0];
    outcome(&stage, 7, "a@b.test", "4.2.1", false);
    first = recipient->words;
    assert_int_equal(first->code, 450);
    assert_string_equal(first->enhanced, "4.2.1");
    assert_string_equal(first->text, "not now");
    assert_string_equal(first->host, "mx.test");
    recipient->was_read = true;
    outcome(&stage, 7, "a@b.test", "5.1.1", true);
    assert_string_equal(first->text, "not now");
    assert_int_equal(recipient->words->code, 550);
    assert_string_equal(recipient->words->text, "no");
    assert_int_equal(await(message, 0), MAILMOD_OK);
    mm_buf_init(&words, 1000);
    assert_int_equal(mm_message_verdict(message, &words),
                     MAILMOD_ERROR_REFUSED);
    assert_string_equal(mm_buf_cstr(&words), "a@b.test: mx.test: 550 5.1.1 no");
    mm_buf_fini(&words);
    mm_message_unref(message);
    end_stage(&stage);
}

/* No thread is to be had for any of them, until there is. */
static void no_thread_for_a_while(void **state)
{
    enum { COUNT = 20 };
    struct stage stage;
    struct audience audience;
    mailmod_message *messages[COUNT];

    (void)state;
    begin_stage(&stage, 2);
    begin_audience(&audience);
    for (uint64_t i = 0; i < COUNT; i++) {
        messages[i] =
            depart(&stage, &audience, "a@b.test", MAILMOD_SEND_NOW, i);
    }
    mm_mem_set_fault(1, 1); /* a thread needs memory */
    for (uint64_t i = 0; i < COUNT; i++) {
        outcome(&stage, i, "a@b.test", "2.0.0", true);
    }
    assert_int_equal(audience.count, 0);
    mm_mem_set_fault(0, 0);
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_int_equal(await(messages[i], 10000), MAILMOD_OK);
        mm_message_unref(messages[i]);
    }
    assert_int_equal(audience.count, COUNT);
    end_stage(&stage);
    end_audience(&audience);
}

/* And when there is none to the end, the one who closes tells. */
static void no_thread_at_all(void **state)
{
    struct stage stage;
    struct audience audience;
    mailmod_message *done;
    mailmod_message *open;

    (void)state;
    begin_stage(&stage, 2);
    begin_audience(&audience);
    done = depart(&stage, &audience, "a@b.test", MAILMOD_SEND_NOW, 1);
    open = depart(&stage, &audience, "a@b.test", MAILMOD_SEND_QUEUE, 2);
    mm_mem_set_fault(1, 1);
    outcome(&stage, 1, "a@b.test", "2.0.0", true);
    mm_messages_close(stage.messages);
    mm_mem_set_fault(0, 0);
    assert_int_equal(audience.count, 2);
    assert_int_equal(await(done, 0), MAILMOD_OK);
    assert_int_equal(await(open, 0), MAILMOD_ERROR_STOPPED);
    assert_int_equal(open->recipients.items[0].outcome, MAILMOD_DEFERRED);
    assert_string_equal(open->recipients.items[0].words->enhanced, "4.3.2");
    end_stage(&stage);
    mm_message_unref(done); /* after the instance */
    mm_message_unref(open);
    end_audience(&audience);
}

/* S14: the cause that the attempt kept, whatever its code says. */
static void causes_are_kept(void **state)
{
    static const enum mailmod_error causes[] = {
        MAILMOD_ERROR_TIMEOUT, MAILMOD_ERROR_TLS_CERTIFICATE,
        MAILMOD_ERROR_CONNECTION_REFUSED, MAILMOD_ERROR_REFUSED,
        MAILMOD_ERROR_DNS_NULL_MX};
    struct stage stage;

    (void)state;
    begin_stage(&stage, 1);
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        mailmod_message *message =
            depart(&stage, NULL, "a@b.test", MAILMOD_SEND_NOW, i);
        struct mq_outcome told = {
            .verdict = MQ_DEFERRED, .error = causes[i], .status = "4.4.1"};

        mm_mutex_lock(stage.messages->mutex);
        mm_message_note(message, 0, &told, true);
        mm_message_end_if_over(message);
        mm_mutex_unlock(stage.messages->mutex);
        assert_int_equal(message->recipients.items[0].error, causes[i]);
        mm_message_unref(message);
    }
    end_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_attempt),
        cmocka_unit_test(a_slow_callback),
        cmocka_unit_test(many_attempts_and_a_slow_callback),
        cmocka_unit_test(rounds),
        cmocka_unit_test(results_stay_where_they_were_read),
        cmocka_unit_test(no_thread_for_a_while),
        cmocka_unit_test(no_thread_at_all),
        cmocka_unit_test(causes_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
