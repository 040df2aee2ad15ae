/* incoming.c - one message from the wire into the store.
 *
 * Owns: the envelope, one piece that fills and at most one piece that is on
 * its way to the writer. Promises: on_finished with OK comes only after the
 * transaction with message, recipients and entries is on disk; whatever ends
 * it before leaves nothing behind (pieces are dropped by a job of their own, or
 * by the sweep at the next start).
 *
 * Law of the object: it belongs to the session until finish is answered or it
 * is abandoned; an abandoned one lives on, unseen, until the writer gave its
 * job back, and frees itself then. One store job at a time.
 * Thread: the session's loop; `run_*` and `on_written` run on the writer, and
 * only while a job is submitted. RFC 5321 4.1.1.4, 6.1. */
#include "server/incoming.h"

#include "base/mem.h"
#include "mailbox/mailbox.h"

#include <string.h>

/* Each piece keeps room for the CRLF that a last line may lack. */
#define END_ROOM 2

/* Queue recipients keep what the store needs and no more: at the limit of
 * recipients a session's envelope is tens of kilobytes. */
struct remote {
    struct mm_list node;
    char *path;
    char *destination;
    char *original_recipient;
    unsigned notify;
};

struct local {
    struct mm_list node;
    uint64_t mailbox_id;
};

enum work { WORK_NONE, WORK_CHUNK, WORK_FINISH, WORK_DROP };

struct mm_incoming {
    struct mm_incoming_options options;
    struct mm_store_message message;
    char identifier[MM_MESSAGE_ID_TEXT_MAX];
    struct mm_list locals;
    struct mm_list remotes;
    size_t recipient_count;
    struct mm_header_scan scan;
    struct mm_buf filling;
    struct mm_buf writing;
    unsigned chunk_number; /* of the piece in `writing` or to come */
    bool has_stored;       /* a piece was submitted */
    bool wants_room;       /* a write was cut short */
    char last[2];          /* octets of the body */
    bool is_abandoned;
    bool wants_finish;
    enum mailmod_error error;

    enum work work; /* what the writer has in hand */
    struct mm_store_job job;
    struct mm_task task;
    enum mailmod_error job_error;
};

static enum mailmod_error run_job(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction);
static void on_written(struct mm_store_job *job, enum mailmod_error error);
static void settle(struct mm_task *task);

enum mailmod_error mm_incoming_new(struct mm_incoming **incoming_out,
                                   const struct mm_incoming_options *options,
                                   const struct mm_address *reverse_path,
                                   const struct mm_mail_parameters *parameters)
{
    struct mm_incoming *incoming = mm_alloc(sizeof *incoming);

    *incoming_out = NULL;
    if (incoming == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    incoming->options = *options;
    atomic_fetch_add(options->live, 1);
    incoming->message.id = mm_store_new_message_id(options->store);
    mm_message_id_format(incoming->message.id, incoming->identifier);
    (void)mm_span_copy(mm_span_cstr(reverse_path->text),
                       incoming->message.reverse_path,
                       sizeof incoming->message.reverse_path);
    incoming->message.arrival_ms = mm_loop_wall_ms(options->loop);
    incoming->message.is_smtputf8 = parameters->is_smtputf8;
    incoming->message.dsn_return = parameters->dsn_return;
    (void)mm_span_copy(mm_span_cstr(parameters->envelope_id),
                       incoming->message.envelope_id,
                       sizeof incoming->message.envelope_id);
    mm_list_init(&incoming->locals);
    mm_list_init(&incoming->remotes);
    mm_header_scan_init(&incoming->scan);
    mm_buf_init(&incoming->filling, MM_LIMIT_CHUNK);
    mm_buf_init(&incoming->writing, MM_LIMIT_CHUNK);
    incoming->job.run = run_job;
    incoming->job.done = on_written;
    incoming->task.run = settle;
    *incoming_out = incoming;
    return MAILMOD_OK;
}

static void free_remote(struct remote *remote)
{
    mm_free(remote->path);
    mm_free(remote->destination);
    mm_free(remote->original_recipient);
    mm_free(remote);
}

static void free_incoming(struct mm_incoming *incoming)
{
    struct mm_list *node;

    while ((node = mm_list_take_first(&incoming->locals)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct local, node));
    }
    while ((node = mm_list_take_first(&incoming->remotes)) != NULL) {
        free_remote(MM_LIST_OBJECT(node, struct remote, node));
    }
    mm_buf_fini(&incoming->filling);
    mm_buf_fini(&incoming->writing);
    atomic_fetch_sub(incoming->options.live, 1);
    mm_free(incoming);
}

static void submit(struct mm_incoming *incoming, enum work work)
{
    incoming->work = work;
    mm_store_submit(incoming->options.store, &incoming->job);
}

/* Frees an abandoned message that the writer does not hold; what it stored is
 * dropped first. */
static void bury(struct mm_incoming *incoming)
{
    if (incoming->has_stored) {
        incoming->has_stored = false;
        submit(incoming, WORK_DROP);
        return;
    }
    free_incoming(incoming);
}

void mm_incoming_abandon(struct mm_incoming **incoming_in)
{
    struct mm_incoming *incoming = *incoming_in;

    *incoming_in = NULL;
    if (incoming == NULL) {
        return;
    }
    incoming->is_abandoned = true;
    if (incoming->work == WORK_NONE) {
        bury(incoming);
    }
}

enum mailmod_error mm_incoming_add_local(struct mm_incoming *incoming,
                                         uint64_t mailbox_id)
{
    MM_LIST_EACH(node, &incoming->locals)
    {
        if (MM_LIST_OBJECT(node, struct local, node)->mailbox_id ==
            mailbox_id) {
            incoming->recipient_count++;
            return MAILMOD_OK;
        }
    }
    struct local *local = mm_alloc(sizeof *local);
    if (local == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    local->mailbox_id = mailbox_id;
    mm_list_append(&incoming->locals, &local->node);
    incoming->recipient_count++;
    return MAILMOD_OK;
}

enum mailmod_error
mm_incoming_add_remote(struct mm_incoming *incoming,
                       const struct mm_address *path, const char *destination,
                       const struct mm_rcpt_parameters *parameters)
{
    struct remote *remote = mm_alloc(sizeof *remote);

    if (remote == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    remote->path = mm_strdup(path->text);
    remote->destination = mm_strdup(destination);
    remote->original_recipient = mm_strdup(parameters->original_recipient);
    remote->notify = parameters->notify;
    if (remote->path == NULL || remote->destination == NULL ||
        remote->original_recipient == NULL) {
        free_remote(remote);
        return MAILMOD_ERROR_MEMORY;
    }
    mm_list_append(&incoming->remotes, &remote->node);
    incoming->recipient_count++;
    return MAILMOD_OK;
}

size_t mm_incoming_recipient_count(const struct mm_incoming *incoming)
{
    return incoming->recipient_count;
}

bool mm_incoming_is_outgoing(const struct mm_incoming *incoming)
{
    return !mm_list_is_empty(&incoming->remotes);
}

bool mm_incoming_is_smtputf8(const struct mm_incoming *incoming)
{
    return incoming->message.is_smtputf8;
}

const char *mm_incoming_identifier(const struct mm_incoming *incoming)
{
    return incoming->identifier;
}

const char *mm_incoming_reverse_path(const struct mm_incoming *incoming)
{
    return incoming->message.reverse_path;
}

uint64_t mm_incoming_size(const struct mm_incoming *incoming)
{
    return incoming->message.size;
}

unsigned mm_incoming_received_count(const struct mm_incoming *incoming)
{
    return incoming->scan.received_count;
}

enum mailmod_error mm_incoming_stamp(struct mm_incoming *incoming,
                                     struct mm_span header)
{
    enum mailmod_error error = mm_buf_append_span(&incoming->filling, header);

    if (error == MAILMOD_OK) {
        incoming->message.size += header.size;
    }
    return error;
}

/* The full piece becomes the one that is written; the written one is empty. */
static void send_chunk(struct mm_incoming *incoming)
{
    struct mm_buf full = incoming->filling;

    incoming->filling = incoming->writing;
    incoming->writing = full;
    incoming->has_stored = true;
    submit(incoming, WORK_CHUNK);
}

static void note_last(struct mm_incoming *incoming, struct mm_span data)
{
    incoming->last[0] =
        data.size > 1 ? data.data[data.size - 2] : incoming->last[1];
    incoming->last[1] = data.data[data.size - 1];
}

/* A body by BDAT need not end with CRLF (RFC 3030 2), but every message that
 * is served or sent does: it is stored so, and its size is true. */
static void end_last_line(struct mm_incoming *incoming)
{
    if (incoming->error != MAILMOD_OK) {
        return; /* a piece is missing: it stays an error */
    }
    if (incoming->last[0] != '\r' || incoming->last[1] != '\n') {
        incoming->error = mm_buf_append(&incoming->filling, "\r\n", END_ROOM);
        incoming->message.size += END_ROOM;
    }
}

enum mailmod_error mm_incoming_write(struct mm_incoming *incoming,
                                     struct mm_span data, size_t *used_out)
{
    size_t total = data.size;

    while (incoming->error == MAILMOD_OK && data.size > 0) {
        size_t room = mm_buf_room(&incoming->filling) - END_ROOM;
        size_t size = data.size < room ? data.size : room;

        if (room == 0) {
            if (incoming->work != WORK_NONE) {
                incoming->wants_room = true;
                break;
            }
            send_chunk(incoming);
            continue;
        }
        incoming->error = mm_buf_append(&incoming->filling, data.data, size);
        if (incoming->error == MAILMOD_OK) {
            mm_header_scan_feed(&incoming->scan, mm_span(data.data, size));
            incoming->message.size += size;
            note_last(incoming, mm_span(data.data, size));
            data = mm_span_from(data, size);
        }
    }
    *used_out = total - data.size;
    return incoming->error;
}

void mm_incoming_finish(struct mm_incoming *incoming, bool has_8bit)
{
    incoming->message.is_8bit = has_8bit;
    end_last_line(incoming);
    incoming->wants_finish = true;
    if (incoming->work == WORK_NONE) {
        submit(incoming, WORK_FINISH);
    }
}

static enum mailmod_error
put_recipients(struct mm_incoming *incoming,
               struct mm_store_transaction *transaction)
{
    struct mm_store_recipient recipient = {
        .message_id = incoming->message.id,
        .state = MM_RECIPIENT_WAITING,
        .next_attempt_ms = incoming->message.arrival_ms,
        .expires_ms = incoming->message.arrival_ms +
                      (int64_t)incoming->options.lifetime_ms};

    MM_LIST_EACH(node, &incoming->remotes)
    {
        struct remote *remote = MM_LIST_OBJECT(node, struct remote, node);

        (void)mm_span_copy(mm_span_cstr(remote->path), recipient.path,
                           sizeof recipient.path);
        (void)mm_span_copy(mm_span_cstr(remote->destination),
                           recipient.destination, sizeof recipient.destination);
        (void)mm_span_copy(mm_span_cstr(remote->original_recipient),
                           recipient.original_recipient,
                           sizeof recipient.original_recipient);
        recipient.notify = remote->notify;
        enum mailmod_error error =
            mm_store_put_recipient(transaction, &recipient);
        if (error != MAILMOD_OK) {
            return error;
        }
        recipient.number++;
    }
    return MAILMOD_OK;
}

static enum mailmod_error put_entries(struct mm_incoming *incoming,
                                      struct mm_store_transaction *transaction)
{
    uint64_t size = incoming->message.size +
                    mm_mailbox_return_path_size(incoming->message.reverse_path);

    MM_LIST_EACH(node, &incoming->locals)
    {
        struct local *local = MM_LIST_OBJECT(node, struct local, node);
        enum mailmod_error error = mm_store_put_entry(
            transaction, local->mailbox_id, incoming->message.id, size);

        /* The user was removed since RCPT: the others get theirs. */
        if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
            return error;
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error put_all(struct mm_incoming *incoming,
                                  struct mm_store_transaction *transaction)
{
    enum mailmod_error error = incoming->error;

    if (error == MAILMOD_OK && mm_buf_size(&incoming->filling) > 0) {
        error = mm_store_put_chunk(transaction, incoming->message.id,
                                   incoming->chunk_number,
                                   mm_buf_span(&incoming->filling));
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(transaction, &incoming->message);
    }
    if (error == MAILMOD_OK) {
        error = put_recipients(incoming, transaction);
    }
    if (error == MAILMOD_OK) {
        error = put_entries(incoming, transaction);
    }
    return error;
}

static enum mailmod_error run_job(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    struct mm_incoming *incoming = MM_LIST_OBJECT(job, struct mm_incoming, job);

    switch (incoming->work) {
    case WORK_CHUNK:
        return mm_store_put_chunk(transaction, incoming->message.id,
                                  incoming->chunk_number,
                                  mm_buf_span(&incoming->writing));
    case WORK_FINISH:
        return put_all(incoming, transaction);
    case WORK_DROP:
        return mm_store_drop_chunks(transaction, incoming->message.id);
    case WORK_NONE:
        break;
    }
    return MAILMOD_ERROR_STATE;
}

static void on_written(struct mm_store_job *job, enum mailmod_error error)
{
    struct mm_incoming *incoming = MM_LIST_OBJECT(job, struct mm_incoming, job);

    incoming->job_error = error;
    mm_loop_post(incoming->options.loop, &incoming->task);
}

static void settle_chunk(struct mm_incoming *incoming)
{
    mm_buf_clear(&incoming->writing);
    incoming->chunk_number++;
    if (incoming->job_error != MAILMOD_OK) {
        incoming->error = incoming->job_error;
    }
    if (incoming->wants_finish && incoming->error == MAILMOD_OK) {
        submit(incoming, WORK_FINISH);
    } else if (incoming->wants_finish) {
        incoming->options.on_finished(incoming->options.context,
                                      incoming->error);
    } else if (incoming->wants_room) {
        incoming->wants_room = false;
        incoming->options.on_room(incoming->options.context);
    }
}

static void settle(struct mm_task *task)
{
    struct mm_incoming *incoming =
        MM_LIST_OBJECT(task, struct mm_incoming, task);
    enum work work = incoming->work;

    incoming->work = WORK_NONE;
    if (work == WORK_FINISH && incoming->job_error == MAILMOD_OK) {
        incoming->has_stored = false; /* the message owns its pieces */
        if (mm_incoming_is_outgoing(incoming)) {
            incoming->options.wake(incoming->options.wake_context);
        }
    }
    if (work == WORK_DROP) {
        free_incoming(incoming);
    } else if (incoming->is_abandoned) {
        /* Abandoned while its last transaction ran, it is kept all the same:
         * the client may take it for accepted. */
        bury(incoming);
    } else if (work == WORK_CHUNK) {
        settle_chunk(incoming);
    } else {
        incoming->options.on_finished(incoming->options.context,
                                      incoming->job_error);
    }
}
