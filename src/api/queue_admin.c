/* queue_admin.c - the queue under an operator's hands, and the store's check.
 *
 * Promises: an action is promised in one transaction, also while the daemon
 * runs on the same folder; but a deletion in the process that sends is made by
 * its queue, in slices, and is an outcome of each recipient. A message that is
 * being sent meanwhile has one end.
 * Thread: any but a loop's. */
#include "api/instance.h"
#include "api/message/message.h"
#include "api/reading.h"

#include "base/mem.h"
#include "platform/clock.h"

#define WORDS_MAX 4096

static enum mailmod_error parse_message(const char *message, uint64_t *id_out)
{
    *id_out = 0;
    if (message == NULL || mm_message_id_parse(mm_span_cstr(message), id_out)) {
        return MAILMOD_OK;
    }
    return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: no queue identifier", message);
}

enum mailmod_error mailmod_queue_list(mailmod *instance, const char *message,
                                      mailmod_on_queue_entry on_entry,
                                      void *context)
{
    const struct mailmod_queue_filter filter = {.size = sizeof filter,
                                                .message = message};

    return mailmod_queue_find(instance, &filter, on_entry, context);
}

struct queue_text {
    struct mm_text_source source;
    struct mm_store *store;
    uint64_t id;
    unsigned number; /* of the next chunk */
    uint64_t left;   /* octets */
};

/* A message that goes while it is read is not a shorter one. */
static enum mailmod_error next_chunk(struct mm_text_source *source,
                                     struct mm_buf *out)
{
    struct queue_text *text = MM_LIST_OBJECT(source, struct queue_text, source);
    enum mailmod_error error =
        mm_store_read_chunk(text->store, text->id, text->number++, out);

    if (error == MAILMOD_OK) {
        text->left -= mm_buf_size(out);
    } else if (error == MAILMOD_ERROR_NOT_FOUND && text->left > 0) {
        error = MAILMOD_ERROR_CANCELLED;
    }
    return error;
}

static enum mailmod_error find_text(struct queue_text *text,
                                    struct mm_store *store, uint64_t id)
{
    struct mm_store_message message;
    enum mailmod_error error = mm_store_find_message(store, id, &message);

    if (error == MAILMOD_OK) {
        *text = (struct queue_text){.source.next = next_chunk,
                                    .store = store,
                                    .id = id,
                                    .left = message.size};
    }
    return error;
}

static void free_text(struct mm_text_source *source)
{
    mm_free(MM_LIST_OBJECT(source, struct queue_text, source));
}

/* Locked: it runs, and will until the reading is over. */
static enum mailmod_error begin_pieces(mailmod *instance, const char *message,
                                       uint64_t id, mailmod_on_piece on_piece,
                                       void *context,
                                       mailmod_reading **reading_out)
{
    struct queue_text *text = mm_alloc(sizeof *text);

    if (text == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    enum mailmod_error error = find_text(text, instance->store, id);
    if (error != MAILMOD_OK) {
        (void)mm_fail(error, "%s: %s", message, mm_error_text(error));
    } else {
        text->source.end = free_text;
        error = mm_reading_begin(instance->readings, &text->source, on_piece,
                                 context, reading_out);
    }
    if (error != MAILMOD_OK) {
        mm_free(text);
    }
    return error;
}

enum mailmod_error mailmod_queue_read_pieces(mailmod *instance,
                                             const char *message,
                                             mailmod_on_piece on_piece,
                                             void *context,
                                             mailmod_reading **reading_out)
{
    uint64_t id = 0;

    if (message == NULL || on_piece == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL");
    }
    enum mailmod_error error = parse_message(message, &id);
    if (error == MAILMOD_OK) {
        error = mm_instance_lock(instance);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = instance->readings != NULL
                ? begin_pieces(instance, message, id, on_piece, context,
                               reading_out)
                : mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
    mm_instance_unlock(instance);
    return error;
}

enum mailmod_error mailmod_queue_read(mailmod *instance, const char *message,
                                      mailmod_on_octets on_octets,
                                      void *context)
{
    uint64_t id = 0;

    if (message == NULL || on_octets == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL");
    }
    enum mailmod_error error = parse_message(message, &id);
    struct mm_admin admin;
    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    struct queue_text text;
    error = find_text(&text, admin.store, id);
    if (error == MAILMOD_OK) {
        error = mm_text_read_all(&text.source, on_octets, context);
    }
    mm_admin_end(&admin);
    return error == MAILMOD_OK ? MAILMOD_OK : mm_fail_text(error, message);
}

struct act_job {
    struct mm_store_job job;
    uint64_t id;
    enum mailmod_queue_action action;
    int64_t now_ms;
    size_t count;
};

static enum mailmod_error run_act(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    struct act_job *act = MM_LIST_OBJECT(job, struct act_job, job);

    return mm_store_act(transaction, act->id, act->action, act->now_ms,
                        &act->count);
}

static enum mailmod_error run(mailmod *instance, struct mm_store *store,
                              struct act_job *act)
{
    enum mailmod_error error = mm_store_run(store, &act->job);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_store_settle(store); /* what a caller lists next is so */
    if (instance->outbound != NULL) {
        if (act->action == MAILMOD_QUEUE_FLUSH) {
            mm_outbound_flush(instance->outbound);
        }
        mm_outbound_wake(instance->outbound);
    }
    return MAILMOD_OK;
}

/* Beside what sends here: the queue itself takes them out and tells so. That
 * waits for the loop, so the instance is let go first; `messages`, which is
 * entered, keeps store and outbound. */
static enum mailmod_error take_out(struct mm_messages *messages,
                                   struct mm_outbound *outbound,
                                   struct act_job *act)
{
    enum mailmod_error error =
        mm_outbound_remove(outbound, act->id, &act->count);

    mm_outbound_wake(outbound);
    mm_mutex_lock(messages->mutex);
    mm_messages_leave(messages);
    mm_mutex_unlock(messages->mutex);
    return error;
}

static bool enter(mailmod *instance)
{
    if (instance->outbound == NULL) {
        return false;
    }
    mm_mutex_lock(instance->messages->mutex);
    bool is_entered = mm_messages_enter(instance->messages) == MAILMOD_OK;
    mm_mutex_unlock(instance->messages->mutex);
    return is_entered;
}

/* With words of its own unless it is OK. */
static enum mailmod_error act_on(mailmod *instance, const char *message,
                                 struct act_job *act)
{
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (act->action == MAILMOD_QUEUE_DELETE && enter(instance)) {
        struct mm_messages *messages = instance->messages;
        struct mm_outbound *outbound = instance->outbound;

        mm_admin_end(&admin);
        error = take_out(messages, outbound, act);
    } else {
        error = run(instance, admin.store, act);
        mm_admin_end(&admin);
    }
    if (error == MAILMOD_OK && message != NULL && act->count == 0) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: %s", message != NULL ? message : "queue",
                         mm_error_text(error));
}

enum mailmod_error mailmod_queue_act(mailmod *instance, const char *message,
                                     enum mailmod_queue_action action,
                                     size_t *count_out)
{
    struct act_job act = {
        .job.run = run_act, .action = action, .now_ms = mm_clock_wall_ms()};
    enum mailmod_error error = parse_message(message, &act.id);

    if (error == MAILMOD_OK && (unsigned)action > MAILMOD_QUEUE_DELETE) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "no such action");
    }
    if (error == MAILMOD_OK) {
        error = act_on(instance, message, &act);
    }
    if (count_out != NULL) {
        *count_out = act.count;
    }
    return error;
}
