/* events.c - progress to the host: in order, one at a time, DONE last.
 *
 * Owns the events that wait in each message and the list of messages that wait
 * for a thread. Promises: DONE comes once and is never lost: where no thread is
 * to be had the message stays on the list, and whoever comes next (an event of
 * any message, a thread that has told another's, a waiting call, the close)
 * takes it up again. A slow callback costs its message single steps, never
 * memory: SENDING after SENDING is one event, and past MM_MESSAGE_EVENTS_MAX
 * the newest replaces the one before it.
 *
 * A round of attempts is over when each recipient whose outcome is open was
 * tried; within a round the progress is the furthest and never falls.
 * Law of has_job: set while the message is on the list or being told.
 * Thread: any, locked; `run` on a host thread. */
#include "api/message/message.h"

#include "api/handles.h"
#include "platform/clock.h"

/* A waiting call looks whether a thread can be had by now. */
#define AWAIT_STEP_MS 500

static _Thread_local const mailmod_message *in_callback_of;

static void run(struct mm_host_job *job);

bool mm_messages_is_callback(struct mm_messages *messages)
{
    return in_callback_of != NULL ||
           (messages->host_threads != NULL &&
            mm_host_threads_is_current(messages->host_threads));
}

static mailmod_message *take_waiting(struct mm_messages *messages)
{
    struct mm_list *node = mm_list_take_first(&messages->waiting);

    return node != NULL ? MM_LIST_OBJECT(node, mailmod_message, waiting_node)
                        : NULL;
}

void mm_messages_pump(struct mm_messages *messages)
{
    while (!mm_list_is_empty(&messages->waiting) &&
           messages->threads < MM_MESSAGE_THREADS_MAX &&
           messages->host_threads != NULL) {
        mailmod_message *message = take_waiting(messages);

        mm_list_init(&message->waiting_node);
        message->job.run = run;
        if (mm_host_threads_run(messages->host_threads, &message->job) !=
            MAILMOD_OK) {
            mm_list_prepend(&messages->waiting, &message->waiting_node);
            return;
        }
        messages->threads++;
    }
}

static void tell(mailmod_message *message, struct mm_message_event event)
{
    struct mm_messages *messages = message->messages;
    const struct mailmod_progress_report report = {.size = sizeof report,
                                                   .message = message,
                                                   .progress = event.progress,
                                                   .sent = event.sent};

    message->in_callback = true;
    mm_mutex_unlock(messages->mutex);
    in_callback_of = message;
    message->on_progress(message->context, &report);
    in_callback_of = NULL;
    mm_mutex_lock(messages->mutex);
    message->in_callback = false;
    message->is_told = message->is_told || event.progress == MAILMOD_DONE;
    mm_condition_broadcast(message->changed);
}

/* All events of one message, and its job is done. Locked; comes back unlocked,
 * for the message may be gone then. */
static void tell_all(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    while (message->event_count > 0 && !message->is_freed) {
        struct mm_message_event event = message->events[0];

        message->event_count--;
        for (size_t i = 0; i < message->event_count; i++) {
            message->events[i] = message->events[i + 1];
        }
        tell(message, event);
    }
    message->has_job = false;
    messages->jobs--;
    bool frees =
        message->frees_itself && message->is_told && !message->is_freed;
    struct mm_context owed = {.value = NULL};
    if (message->releases_later) {
        owed = mm_context_take(&message->release);
    }
    mm_mutex_unlock(messages->mutex);
    mm_context_release(&owed);
    if (frees) {
        mailmod_message *handle = message;

        (void)mailmod_message_free(&handle);
    }
    mm_message_unref(message);
}

static void run(struct mm_host_job *job)
{
    mailmod_message *message = MM_LIST_OBJECT(job, mailmod_message, job);
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    while (message != NULL) {
        tell_all(message);
        mm_mutex_lock(messages->mutex);
        message = take_waiting(messages);
    }
    messages->threads--;
    mm_condition_broadcast(messages->changed);
    mm_mutex_unlock(messages->mutex);
}

void mm_messages_tell_one(struct mm_messages *messages)
{
    mailmod_message *message = take_waiting(messages);

    if (message != NULL) {
        tell_all(message);
        mm_mutex_lock(messages->mutex);
    }
}

static void schedule(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    if (!message->has_job) {
        message->has_job = true;
        message->references++;
        messages->jobs++;
        mm_list_append(&messages->waiting, &message->waiting_node);
    }
    mm_messages_pump(messages);
}

static void push(mailmod_message *message, enum mailmod_progress progress)
{
    struct mm_message_event event = {progress, message->sent};
    size_t count = message->event_count;
    size_t place = count;

    if (count > 0 && progress == MAILMOD_SENDING &&
        message->events[count - 1].progress == MAILMOD_SENDING) {
        place = count - 1;
    } else if (count >= MM_MESSAGE_EVENTS_MAX - 1 && progress != MAILMOD_DONE) {
        place = MM_MESSAGE_EVENTS_MAX - 2;
    }
    message->events[place] = event;
    message->event_count = place + 1;
    schedule(message);
}

static void begin_round(mailmod_message *message)
{
    message->progress = (enum mailmod_progress)0;
    message->untried_count = message->open_count;
    for (size_t i = 0; i < message->recipients.count; i++) {
        message->recipients.items[i].was_tried =
            message->recipients.items[i].is_final;
    }
}

void mm_message_advance(mailmod_message *message,
                        enum mailmod_progress progress, uint64_t octets)
{
    uint64_t sent = octets < message->size ? octets : message->size;

    if (message->state != MM_MESSAGE_SENT) {
        return;
    }
    if (message->untried_count == 0) {
        begin_round(message);
    }
    bool is_news = progress > message->progress;
    message->progress = is_news ? progress : message->progress;
    if (progress == MAILMOD_SENDING && sent > message->sent) {
        message->sent = sent;
        is_news = true;
    }
    if (is_news && message->on_progress != NULL && !message->is_freed) {
        push(message, message->progress);
    }
}

void mm_message_end_if_over(mailmod_message *message)
{
    if (message->state != MM_MESSAGE_SENT || message->open_count > 0) {
        return;
    }
    message->state = MM_MESSAGE_DONE;
    message->progress = MAILMOD_DONE;
    mm_message_forget(message);
    for (size_t i = 0; i < message->recipients.count; i++) {
        if (message->recipients.items[i].outcome == MAILMOD_DELIVERED) {
            message->sent = message->size; /* somebody has it all */
        }
    }
    if (message->on_progress != NULL && !message->is_freed) {
        push(message, MAILMOD_DONE);
    } else {
        message->is_told = true;
        mm_condition_broadcast(message->changed);
    }
}

enum mailmod_error mm_message_await(mailmod_message *message,
                                    uint64_t timeout_ms)
{
    struct mm_messages *messages = message->messages;
    uint64_t begin_ms = mm_clock_monotonic_ms();

    while (!message->is_told && !message->is_freed) {
        uint64_t passed_ms = mm_clock_monotonic_ms() - begin_ms;
        uint64_t wait_ms = timeout_ms - passed_ms;

        if (passed_ms >= timeout_ms) {
            return MAILMOD_ERROR_TIMEOUT;
        }
        mm_messages_pump(messages);
        mm_turning_wait_for(messages->turning, message->changed,
                            messages->mutex,
                            wait_ms < AWAIT_STEP_MS ? wait_ms : AWAIT_STEP_MS);
    }
    if (message->is_freed) {
        return MAILMOD_ERROR_HANDLE;
    }
    return message->was_stopped ? MAILMOD_ERROR_STOPPED : MAILMOD_OK;
}

bool mm_message_await_callback(mailmod_message *message)
{
    while (message->in_callback && in_callback_of != message) {
        mm_condition_wait(message->changed, message->messages->mutex);
    }
    return message->in_callback;
}
