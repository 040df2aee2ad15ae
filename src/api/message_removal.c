/* message_removal.c - recipients whom an operator took out of the queue.
 *
 * Owns its list while it is on its way to the outbound's loop. Promises: who is
 * in the queue no more and got no outcome is FAILED, so that nobody waits for
 * ever; an outcome that came to the disk before the removal is told first.
 *
 * Why the detour: a recipient leaves the store a moment before the outbound
 * tells why. What is missing now is therefore looked at again behind all that:
 * an empty job of the writer (the jobs before it have been answered then), and
 * a task of the loop (what they posted has run then).
 * Thread: any that may wait for the store; `run_task` on the loop. */
#include "api/message.h"

#include "base/mem.h"
#include "platform/random.h"

#include <string.h>

struct missing { /* a key: no octet is left open */
    uint64_t message_id;
    uint64_t number;
};

struct removal {
    struct mm_task task;
    struct mm_messages *messages; /* entered */
    struct mm_map missing;        /* values mean nothing */
};

static void free_removal(struct removal *removal)
{
    mm_mutex_lock(removal->messages->mutex);
    mm_messages_leave(removal->messages);
    mm_mutex_unlock(removal->messages->mutex);
    mm_map_fini(&removal->missing);
    mm_free(removal);
}

static struct mm_span key_of(const struct missing *missing)
{
    return mm_span((const char *)missing, sizeof *missing);
}

/* Locked. */
static void end_one(void *context, struct mm_span key, void *value)
{
    static const struct mm_message_words words = {
        .enhanced = "5.0.0", .text = "taken out of the queue by an operator"};
    const struct mm_messages *messages = context;

    (void)value;
    struct missing missing;
    memcpy(&missing, key.data, sizeof missing);
    mailmod_message *message =
        mm_map_get(&messages->map, mm_span((const char *)&missing.message_id,
                                           sizeof missing.message_id));
    if (message != NULL) {
        mm_message_note_own(message, missing.number, MAILMOD_FAILED, &words);
        mm_message_end_if_over(message);
    }
}

static void run_task(struct mm_task *task)
{
    struct removal *removal = MM_LIST_OBJECT(task, struct removal, task);
    struct mm_messages *messages = removal->messages;

    mm_mutex_lock(messages->mutex);
    mm_map_each(&removal->missing, end_one, messages);
    mm_mutex_unlock(messages->mutex);
    free_removal(removal);
}

/* The recipients of a message who should be in the queue. Locked. */
static enum mailmod_error collect_one(struct removal *removal,
                                      const mailmod_message *message)
{
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < message->recipients.count;
         i++) {
        struct missing missing = {message->id, i};

        if (!message->recipients.items[i].is_final) {
            error = mm_map_put(&removal->missing, key_of(&missing), removal);
        }
    }
    return error;
}

/* Not those that are just being stored. Locked. */
static enum mailmod_error collect(struct removal *removal, uint64_t message_id)
{
    enum mailmod_error error = MAILMOD_OK;

    MM_LIST_EACH(node, &removal->messages->all)
    {
        const mailmod_message *message =
            MM_LIST_OBJECT(node, mailmod_message, node);

        if (error == MAILMOD_OK && message->mode == MAILMOD_SEND_QUEUE &&
            message->state == MM_MESSAGE_SENT && !message->is_busy &&
            (message_id == 0 || message->id == message_id)) {
            error = collect_one(removal, message);
        }
    }
    return error;
}

static bool drop_present(void *context, const struct mm_store_message *message,
                         const struct mm_store_recipient *recipient)
{
    struct removal *removal = context;
    struct missing missing = {message->id, recipient->number};

    (void)mm_map_remove(&removal->missing, key_of(&missing));
    return true;
}

static enum mailmod_error run_nothing(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    (void)job;
    (void)transaction;
    return MAILMOD_OK;
}

/* What is still in the store is not missing. */
static enum mailmod_error look_up(struct removal *removal, uint64_t message_id)
{
    struct mm_store_job barrier = {.run = run_nothing};
    struct mm_store *store = removal->messages->store;
    enum mailmod_error error =
        mm_store_each_recipient(store, message_id, drop_present, removal);

    return error == MAILMOD_OK ? mm_store_run(store, &barrier) : error;
}

static struct removal *begin(struct mm_messages *messages)
{
    struct removal *removal = mm_alloc(sizeof *removal);
    uint64_t seed;

    if (removal == NULL || mm_random(&seed, sizeof seed) != MAILMOD_OK) {
        mm_free(removal);
        return NULL;
    }
    mm_map_init(&removal->missing, MM_MESSAGES_MAX, seed);
    removal->messages = messages;
    removal->task.run = run_task;
    mm_mutex_lock(messages->mutex);
    if (mm_messages_enter(messages) != MAILMOD_OK) {
        mm_free(removal);
        removal = NULL;
    }
    mm_mutex_unlock(messages->mutex);
    return removal;
}

void mm_messages_note_removal(struct mm_messages *messages, uint64_t message_id)
{
    struct removal *removal = begin(messages);

    if (removal == NULL) {
        return;
    }
    mm_mutex_lock(messages->mutex);
    enum mailmod_error error = collect(removal, message_id);
    mm_mutex_unlock(messages->mutex);
    if (error == MAILMOD_OK && removal->missing.count > 0) {
        error = look_up(removal, message_id);
    }
    if (error == MAILMOD_OK && removal->missing.count > 0) {
        mm_loop_post(messages->loop, &removal->task);
    } else {
        free_removal(removal);
    }
}
