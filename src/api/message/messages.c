/* messages.c - the messages of one running instance: who is on its way.
 *
 * Owns: the lock of all its messages, the map from identifier to message for
 * the outbound's observer, the list of all for the end. Promises: what the
 * outbound tells reaches the message or nobody; no call is in the store or the
 * outbound once mm_messages_close has returned, every open message is DONE, and
 * every callback has returned.
 *
 * It lives from start to drain in the instance, and after that as long as a
 * message has it: then it is closed, and calls get STOPPED.
 * Thread: any; the observer's functions too, for the outbound tells from all of
 * its loops, of one message perhaps from several at once: the lock is the order
 * of what a message hears. */
#include "api/message/message.h"

#include "base/mem.h"
#include "platform/random.h"

/* How often a close looks again for a thread that tells events. */
#define CLOSE_STEP_MS 50

static void free_messages(struct mm_messages *messages)
{
    mm_map_fini(&messages->map);
    mm_config_unref(&messages->config);
    mm_condition_free(&messages->changed);
    mm_mutex_free(&messages->mutex);
    mm_free(messages);
}

enum mailmod_error mm_messages_new(struct mm_messages **messages_out,
                                   const struct mm_messages_options *options)
{
    struct mm_messages *messages = mm_alloc(sizeof *messages);
    uint64_t seed = 0;

    *messages_out = NULL;
    if (messages == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    messages->references = 1;
    messages->post = options->post;
    messages->store = options->store;
    messages->config = mm_config_ref(options->config);
    messages->host_threads = options->host_threads;
    messages->log = options->log;
    mm_list_init(&messages->waiting);
    mm_list_init(&messages->all);
    enum mailmod_error error = mm_random(&seed, sizeof seed);
    mm_map_init(&messages->map, MM_MESSAGES_MAX, seed);
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&messages->mutex);
    }
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&messages->changed);
    }
    if (error != MAILMOD_OK) {
        free_messages(messages);
        return error;
    }
    *messages_out = messages;
    return MAILMOD_OK;
}

void mm_messages_unref(struct mm_messages **messages_in)
{
    struct mm_messages *messages = *messages_in;

    *messages_in = NULL;
    if (messages == NULL) {
        return;
    }
    mm_mutex_lock(messages->mutex);
    bool is_last = --messages->references == 0;
    mm_mutex_unlock(messages->mutex);
    if (is_last) {
        free_messages(messages);
    }
}

static mailmod_message *find(const struct mm_messages *messages, uint64_t id)
{
    return mm_map_get(&messages->map, mm_span((const char *)&id, sizeof id));
}

static void on_progress(void *context, uint64_t message_id,
                        enum mailmod_progress progress, uint64_t octets)
{
    struct mm_messages *messages = context;

    mm_mutex_lock(messages->mutex);
    mailmod_message *message = find(messages, message_id);
    if (message != NULL) {
        mm_message_advance(message, progress, octets);
    }
    mm_messages_pump(messages);
    mm_mutex_unlock(messages->mutex);
}

/* Numbers are places in the list of recipients, less those that were left out
 * before: the place is never in front of the number. */
static size_t place_of(const mailmod_message *message, const char *path,
                       unsigned number)
{
    size_t i = number;

    while (i < message->recipients.count &&
           !mm_span_is(mm_span_cstr(message->recipients.items[i].path), path)) {
        i++;
    }
    return i;
}

static void on_outcome(void *context, uint64_t message_id,
                       const struct mm_store_recipient *recipient,
                       const struct mq_outcome *outcome, bool is_final)
{
    struct mm_messages *messages = context;

    mm_mutex_lock(messages->mutex);
    mailmod_message *message = find(messages, message_id);
    if (message != NULL) {
        bool is_other = recipient->original_to[0] != '\0';
        size_t i = place_of(message,
                            is_other ? recipient->original_to : recipient->path,
                            recipient->number);

        if (i < message->recipients.count) {
            mm_message_note(message, i, outcome, is_final);
            mm_message_end_if_over(message);
        }
    }
    mm_messages_pump(messages);
    mm_mutex_unlock(messages->mutex);
}

void mm_messages_observer(struct mm_messages *messages,
                          struct mm_outbound_observer *observer_out)
{
    *observer_out = (struct mm_outbound_observer){.on_progress = on_progress,
                                                  .on_outcome = on_outcome,
                                                  .context = messages};
}

void mm_messages_open(struct mm_messages *messages,
                      struct mm_outbound *outbound, struct mm_turning *turning)
{
    mm_mutex_lock(messages->mutex);
    messages->outbound = outbound;
    messages->turning = turning;
    messages->is_open = true;
    mm_mutex_unlock(messages->mutex);
}

void mm_messages_use_config(struct mm_messages *messages,
                            struct mm_config *config)
{
    mm_mutex_lock(messages->mutex);
    struct mm_config *former = messages->config;
    messages->config = mm_config_ref(config);
    mm_mutex_unlock(messages->mutex);
    mm_config_unref(&former);
}

enum mailmod_error mm_messages_enter(struct mm_messages *messages)
{
    if (!messages->is_open) {
        return MAILMOD_ERROR_STOPPED;
    }
    messages->working++;
    return MAILMOD_OK;
}

void mm_messages_leave(struct mm_messages *messages)
{
    if (--messages->working == 0) {
        mm_condition_broadcast(messages->changed);
    }
}

/* What is queued stays so; of the rest nothing is left in work. */
static void stop(mailmod_message *message)
{
    static const struct mm_message_words words = {
        .error = MAILMOD_ERROR_STOPPED,
        .enhanced = "4.3.2",
        .text = "the instance stopped"};

    if (message->state != MM_MESSAGE_SENT) {
        return;
    }
    message->was_stopped = true;
    for (size_t i = 0; i < message->recipients.count; i++) {
        struct mm_message_recipient *recipient = &message->recipients.items[i];

        if (recipient->outcome == MAILMOD_PENDING) {
            mm_message_note_own(message, i, MAILMOD_DEFERRED, &words);
        }
        recipient->is_final = true;
    }
    message->open_count = 0;
    mm_message_end_if_over(message);
}

/* The first message that was never sent; its calls get STOPPED by now. */
static struct mm_deposit *take_deposit(struct mm_messages *messages)
{
    MM_LIST_EACH(node, &messages->all)
    {
        mailmod_message *message = MM_LIST_OBJECT(node, mailmod_message, node);
        struct mm_deposit *deposit = message->deposit;

        if (deposit != NULL) {
            message->deposit = NULL;
            return deposit;
        }
    }
    return NULL;
}

/* No call is in the store any more, and no message has anything there that is
 * not sent. Locked. */
static void end_work(struct mm_messages *messages)
{
    struct mm_deposit *deposit;

    while (messages->working > 0) {
        mm_condition_wait(messages->changed, messages->mutex);
    }
    while ((deposit = take_deposit(messages)) != NULL) {
        mm_mutex_unlock(messages->mutex);
        mm_deposit_abandon(&deposit);
        mm_mutex_lock(messages->mutex);
    }
}

void mm_messages_close(struct mm_messages *messages)
{
    if (messages == NULL) {
        return;
    }
    mm_mutex_lock(messages->mutex);
    messages->is_open = false;
    end_work(messages);
    MM_LIST_EACH(node, &messages->all)
    {
        stop(MM_LIST_OBJECT(node, mailmod_message, node));
    }
    while (messages->jobs > 0 || messages->threads > 0) {
        mm_messages_pump(messages);
        if (messages->threads == 0) {
            mm_messages_tell_one(messages); /* no thread is to be had */
        } else {
            (void)mm_condition_wait_for(messages->changed, messages->mutex,
                                        CLOSE_STEP_MS);
        }
    }
    while (messages->working > 0) { /* a handle is being given back */
        mm_condition_wait(messages->changed, messages->mutex);
    }
    messages->host_threads = NULL;
    messages->outbound = NULL;
    messages->turning = NULL;
    messages->store = NULL;
    messages->post = NULL;
    mm_mutex_unlock(messages->mutex);
}
