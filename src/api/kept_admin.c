/* kept_admin.c - sent mail and dead letters that are kept, under an operator's
 * hands.
 *
 * Owns nothing. Promises: an act on many is one durable step after the other,
 * each of STEP_MAX recipients, so that other mail goes on meanwhile; what is
 * kept after the act began is not met by it.
 * Thread: any but a loop's. */
#include "api/instance.h"

#include "platform/clock.h"

#define STEP_MAX 256

struct look {
    enum mailmod_kept_kind kind;
    uint64_t message_id; /* 0: all */
    mailmod_on_kept on_kept;
    void *context;
    /* Of an act. */
    struct mm_store_job job;
    enum mailmod_queue_action action;
    int64_t now_ms;
    int64_t expires_ms;
    struct {
        uint64_t message_id;
        unsigned number;
    } chosen[STEP_MAX];
    size_t chosen_count;
    size_t acted; /* in the step at work */
    size_t count;
};

static enum mailmod_error take(struct look *look, enum mailmod_kept_kind kind,
                               const char *message)
{
    look->kind = kind;
    look->now_ms = mm_clock_wall_ms();
    if (kind != MAILMOD_KEPT_SENT && kind != MAILMOD_KEPT_DEAD) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "nothing of that kind is kept");
    }
    if (message != NULL &&
        !mm_message_id_parse(mm_span_cstr(message), &look->message_id)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: no queue identifier",
                       message);
    }
    return MAILMOD_OK;
}

static bool list_one(void *context, const struct mm_store_message *message,
                     const struct mm_store_kept *kept)
{
    const struct look *look = context;
    const struct mm_store_recipient *recipient = &kept->recipient;
    char identifier[MM_MESSAGE_ID_TEXT_MAX];
    const struct mailmod_kept told = {
        .size = sizeof told,
        .kind = kept->kind,
        .message = identifier,
        .reverse_path = recipient->has_reverse_path ? recipient->reverse_path
                                                    : message->reverse_path,
        .recipient = recipient->path,
        .destination = recipient->destination,
        .last_reply = recipient->last_reply,
        .message_size = message->size,
        .arrival_ms = message->arrival_ms,
        .kept_ms = kept->kept_ms,
        .attempts = recipient->attempts};

    mm_message_id_format(message->id, identifier);
    look->on_kept(look->context, &told);
    return true;
}

enum mailmod_error mailmod_kept_list(mailmod *instance,
                                     enum mailmod_kept_kind kind,
                                     const char *message,
                                     mailmod_on_kept on_kept, void *context)
{
    struct look look = {.on_kept = on_kept, .context = context};
    struct mm_admin admin;
    enum mailmod_error error =
        on_kept != NULL
            ? take(&look, kind, message)
            : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");

    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error =
        mm_store_each_kept(admin.store, kind, look.message_id, list_one, &look);
    mm_admin_end(&admin);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}

/* ---- acts ---- */

static bool choose(void *context, const struct mm_store_message *message,
                   const struct mm_store_kept *kept)
{
    struct look *look = context;

    if (kept->kept_ms <= look->now_ms) {
        look->chosen[look->chosen_count].message_id = message->id;
        look->chosen[look->chosen_count].number = kept->recipient.number;
        look->chosen_count++;
    }
    return look->chosen_count < STEP_MAX;
}

/* What is gone meanwhile was swept, or another operator's. */
static enum mailmod_error run_step(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    struct look *look = MM_LIST_OBJECT(job, struct look, job);
    enum mailmod_error error = MAILMOD_OK;

    look->acted = 0;
    for (size_t i = 0; error == MAILMOD_OK && i < look->chosen_count; i++) {
        uint64_t id = look->chosen[i].message_id;
        unsigned number = look->chosen[i].number;

        error = look->action == MAILMOD_QUEUE_DELETE
                    ? mm_store_drop_kept(transaction, id, number)
                    : mm_store_requeue_kept(transaction, id, number,
                                            look->now_ms, look->expires_ms);
        look->acted += error == MAILMOD_OK ? 1 : 0;
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error;
}

/* What was met is no longer kept: each step begins at the front. */
static enum mailmod_error act(struct mm_store *store, struct look *look)
{
    enum mailmod_error error;

    do {
        look->chosen_count = 0;
        error = mm_store_each_kept(store, look->kind, look->message_id, choose,
                                   look);
        if (error == MAILMOD_OK && look->chosen_count > 0) {
            error = mm_store_run(store, &look->job);
            look->count += error == MAILMOD_OK ? look->acted : 0;
        }
    } while (error == MAILMOD_OK && look->chosen_count == STEP_MAX);
    return error == MAILMOD_OK && look->message_id != 0 && look->count == 0
               ? MAILMOD_ERROR_NOT_FOUND
               : error;
}

enum mailmod_error mailmod_kept_act(mailmod *instance,
                                    enum mailmod_kept_kind kind,
                                    const char *message,
                                    enum mailmod_queue_action action,
                                    size_t *count_out)
{
    struct look look = {.job.run = run_step, .action = action};
    struct mm_admin admin;
    enum mailmod_error error = take(&look, kind, message);

    if (count_out != NULL) {
        *count_out = 0;
    }
    if (error == MAILMOD_OK && action != MAILMOD_QUEUE_RELEASE &&
        action != MAILMOD_QUEUE_DELETE) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "no such action");
    }
    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    look.expires_ms = look.now_ms + (int64_t)admin.config->queue.lifetime_ms;
    error = act(admin.store, &look);
    if (instance->outbound != NULL) {
        mm_outbound_wake(instance->outbound);
    }
    mm_admin_end(&admin);
    if (count_out != NULL) {
        *count_out = look.count;
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: %s", message != NULL ? message : "kept",
                         mm_error_text(error));
}
