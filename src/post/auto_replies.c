/* auto_replies.c - the consumer that answers mail by automatic replies.
 *
 * Owns each batch's work from its taking until it is settled or cancelled.
 * Promises: the answer, the note that the sender got it, and the end of the row
 * that asked for it are one transaction, so a kill repeats nothing and loses
 * nothing; of a message one answer comes from a name, and within its period one
 * to a sender; the answer has the null path, so nobody is told when it fails.
 * What is not answered is a line in the log with the reason.
 * Thread: the outbound's first loop; `run` a worker; `put` the store's writer.
 * RFC 3834 2, 3.3 (the null path), 4 (to the reverse-path). */
#include "base/limits.h"
#include "base/mem.h"
#include "platform/clock.h"
#include "post/auto_reply_text.h"
#include "post/consumer_work.h"
#include "post/deposit.h"
#include "post/report.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
/* Addresses of a message that are looked up, whether they are the user's. */
enum { LOOK_UPS_MAX = 50 };

struct work {
    struct mm_consumer_work base;
    struct mm_auto_reply reply;
    struct mm_buf reply_text;
    struct mm_buf text; /* of the message: its first piece */
    struct mm_auto_reply_page page;
    int64_t now_ms;
    unsigned look_ups;
    bool answers;
    bool is_put_off; /* it cannot be said now */
    bool is_early;   /* the sender got one within the period */
    const char *reason;
    struct mm_resolve resolve; /* of the sender */
    struct mm_address sender;
};

/* Whom an alias stands for may be hidden. */
static const char *own_path(const struct work *work)
{
    const struct mm_store_recipient *row = &work->base.recipients[0];

    return mm_post_hides(work->base.config, row->visibility) &&
                   row->original_to[0] != '\0'
               ? row->original_to
               : row->path;
}

/* An alias's own address is the one that was written to. */
static bool is_own(void *context, const struct mm_address *address)
{
    struct work *work = context;

    return work->look_ups++ < LOOK_UPS_MAX &&
           mm_resolve_owns(work->base.post, work->base.config, work->base.rest,
                           address) &&
           address->domain_form != MM_DOMAIN_NONE;
}

static struct mm_auto_reply_question question_of(struct work *work)
{
    const struct mm_store_recipient *row = &work->base.recipients[0];

    return (struct mm_auto_reply_question){
        .reverse_path = work->base.message.reverse_path,
        .text = mm_buf_span(&work->text),
        .path = own_path(work),
        .more = own_path(work) == row->path ? row->original_to : row->path,
        .wants_name = work->base.config->local.replies_to_named,
        .is_own = is_own,
        .context = work};
}

static enum mailmod_error ask_sender(struct work *work)
{
    if (mm_address_parse(mm_span_cstr(work->base.message.reverse_path), false,
                         true, &work->sender) != MAILMOD_OK) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    work->resolve.post = work->base.post;
    work->resolve.config = work->base.config;
    work->resolve.address = &work->sender;
    work->resolve.notify = MM_DSN_NOTIFY_NEVER;
    work->resolve.is_report = true;       /* nothing answers it */
    (void)mm_resolve_ask(&work->resolve); /* no loop: never PENDING */
    const struct mm_target *first = &work->resolve.targets[0];
    return first->kind == MM_TARGET_REFUSED   ? MAILMOD_ERROR_NOT_FOUND
           : first->kind == MM_TARGET_FOR_NOW ? first->error
                                              : MAILMOD_OK;
}

/* NOT_FOUND: it is not answered, for `reason`. */
static enum mailmod_error decide(struct work *work)
{
    struct mm_store *store = work->base.post->store;
    enum mailmod_error error = mm_auto_reply_find(
        store, work->base.rest, &work->reply, &work->reply_text);

    work->reason = "there is no reply any more";
    if (error == MAILMOD_OK &&
        !mm_auto_reply_is_on(&work->reply, work->base.message.arrival_ms)) {
        work->reason = "it came before or after the reply's time";
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    if (error == MAILMOD_OK) {
        error =
            mm_store_read_chunk(store, work->base.message.id, 0, &work->text);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_auto_reply_question question = question_of(work);
    work->reason = mm_auto_reply_refusal(&question);
    if (work->reason != NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    work->reason = "the sender gets no mail";
    error = ask_sender(work);
    return error == MAILMOD_OK
               ? mm_auto_reply_read_page(store, work->base.rest, &work->page)
               : error;
}

static void run(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);
    enum mailmod_error error = decide(work);

    work->answers = error == MAILMOD_OK;
    if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
        work->is_put_off = true;
        work->reason = mm_error_text(error);
        mm_consumer_work_set_all(base, error, "4.3.0", mm_error_text(error));
    }
}

/* ---- on the writer ---- */

static enum mailmod_error write_answer(struct work *work,
                                       struct mm_deposit *deposit)
{
    const struct mm_auto_reply_question question = question_of(work);
    struct mm_buf text;
    size_t used = 0;

    /* base64 of the largest text, and the header. */
    mm_buf_init(&text, 4 * MM_AUTO_REPLY_TEXT_MAX);
    enum mailmod_error error = mm_auto_reply_write(
        &text, &question, &work->reply, work->now_ms,
        mm_deposit_identifier(deposit), work->base.config->host_name);
    struct mm_span rest = mm_buf_span(&text);
    if (error == MAILMOD_OK) {
        error = mm_deposit_write(deposit, rest, &used);
    }
    if (error == MAILMOD_OK) {
        error = mm_deposit_put(deposit, mm_span_has_8bit(rest));
    }
    mm_buf_fini(&text);
    return error;
}

static enum mailmod_error put_answer(struct work *work,
                                     struct mm_store_transaction *t)
{
    const struct mm_deposit_options options = {.post = work->base.post,
                                               .config = work->base.config};
    const struct mm_envelope envelope = {
        .reverse_path = "",
        .arrival_ms = work->now_ms,
        .is_smtputf8 =
            mm_span_has_8bit(mm_span_cstr(own_path(work))) ||
            mm_span_has_8bit(mm_span_cstr(work->base.message.reverse_path)),
        .session = "reply",
        .user = work->base.rest};
    struct mm_deposit *deposit = NULL;
    enum mailmod_error error = mm_deposit_new(&deposit, &options, &envelope);

    if (error == MAILMOD_OK) {
        mm_deposit_join(deposit, t);
        error = mm_deposit_add_all(deposit, work->resolve.targets,
                                   work->resolve.target_count);
    }
    if (error == MAILMOD_OK) {
        error = write_answer(work, deposit);
    }
    mm_deposit_abandon(&deposit);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mailmod_error put(struct mm_consumption *consumption,
                              struct mm_store_transaction *t)
{
    struct work *work = MM_LIST_OBJECT(consumption->context, struct work, base);
    int64_t period_ms = (int64_t)work->reply.days * DAY_MS;

    work->is_early = false;
    if (!work->answers) {
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        mm_auto_reply_note(t, work->base.rest, work->base.message.reverse_path,
                           work->now_ms, period_ms);
    if (error == MAILMOD_ERROR_EXISTS) {
        work->is_early = true;
        return MAILMOD_OK;
    }
    if (error == MAILMOD_OK) {
        error = mm_auto_reply_sweep(t, work->base.rest, &work->page,
                                    work->now_ms, period_ms);
    }
    return error == MAILMOD_OK ? put_answer(work, t) : error;
}

static void settled(struct mm_consumer_work *base)
{
    const struct work *work = MM_LIST_OBJECT(base, struct work, base);
    char id[MM_MESSAGE_ID_TEXT_MAX];
    bool is_sent = work->answers && !work->is_early;

    mm_message_id_format(base->message.id, id);
    MM_LOG(base->post->log, work->is_put_off ? MM_LOG_WARNING : MM_LOG_INFO,
           "reply",
           is_sent            ? "automatic reply sent"
           : work->is_put_off ? "automatic reply put off"
                              : "no automatic reply",
           MM_TEXT("name", base->rest), MM_TEXT("message", id),
           MM_TEXT("to", base->message.reverse_path),
           MM_TEXT("reason", is_sent          ? ""
                             : work->is_early ? "the sender has one already"
                                              : work->reason));
}

/* ---- on the loop ---- */

static bool begin_work(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    work->now_ms = mm_clock_wall_ms();
    mm_buf_init(&work->text, MM_LIMIT_CHUNK);
    mm_buf_init(&work->reply_text, MM_AUTO_REPLY_TEXT_MAX);
    return true;
}

static void no_room(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    work->is_put_off = true;
    work->reason = mm_error_text(MAILMOD_ERROR_LIMIT);
    mm_consumer_work_set_all(base, MAILMOD_ERROR_LIMIT, "4.3.0", work->reason);
}

static void end_work(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    mm_resolve_cancel(&work->resolve);
    mm_buf_fini(&work->text);
    mm_buf_fini(&work->reply_text);
}

static const struct mm_consumer_verbs verbs = {.size = sizeof(struct work),
                                               .begin = begin_work,
                                               .run = run,
                                               .no_room = no_room,
                                               .put = put,
                                               .settled = settled,
                                               .end = end_work};

enum mailmod_error mm_auto_replies_new(struct mm_consumer **consumer_out,
                                       struct mm_post *post)
{
    struct mm_consumer *consumer = mm_alloc(sizeof *consumer);

    *consumer_out = consumer;
    if (consumer == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *consumer = mm_consumer_of_work(MM_AUTO_REPLY_CONSUMER, post, &verbs);
    consumer->is_silent = true;
    return mm_consumer_register(post, consumer);
}
