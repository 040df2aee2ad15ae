/* bounce.c - delivery status notifications as new messages in the store.
 *
 * Owns nothing past a call. Promises: a report has the null reverse-path and
 * is never reported itself; it goes into the sender's mailbox when he lives
 * here, else into the queue; it stands in the same transaction as the outcome
 * that it tells, so there is never one without the other. A sender without a
 * mailbox in a local domain gets none: nobody could read it.
 *
 * A report needs SMTPUTF8 when its own recipient does, whatever it tells of: a
 * sender with an ASCII address always hears of a failure.
 *
 * The original comes back whole only when it failed, RET=FULL asked for it and
 * it is no larger than ORIGINAL_MAX; else its header block alone.
 * Thread: the store's writer. RFC 3461 4.3, 5.2, 6; RFC 3464; RFC 5321 4.5.5,
 * 6.1; RFC 6533 3, 4. */
#include "client/bounce.h"

#include "base/limits.h"
#include "base/mem.h"
#include "post/destination.h"
#include "wire/msg/message.h"
#include "wire/msg/report.h"

#include <string.h>

/* Octets of an original that a report carries; headers past it are cut. */
enum { ORIGINAL_MAX = 1024 * 1024, HEADER_MAX = 64 * 1024 };
/* The text before and after the original: a few lines a recipient. */
enum { FRAME_MAX = 4 * 1024 * 1024 };

/* Cuts a stream into chunks of the store. */
struct writer {
    struct mm_store_transaction *transaction;
    uint64_t id;
    unsigned number;
    uint64_t size;
    bool has_8bit;
    bool is_smtputf8;
    struct mm_buf pending; /* cap MM_LIMIT_CHUNK */
};

static enum mailmod_error write_chunk(struct writer *writer)
{
    struct mm_span data = mm_buf_span(&writer->pending);
    if (data.size == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_store_put_chunk(
        writer->transaction, writer->id, writer->number, data);
    if (error == MAILMOD_OK) {
        writer->number++;
        writer->size += data.size;
        mm_buf_clear(&writer->pending);
    }
    return error;
}

static enum mailmod_error write_octets(struct writer *writer,
                                       struct mm_span data)
{
    writer->has_8bit = writer->has_8bit || mm_span_has_8bit(data);
    while (data.size > 0) {
        size_t room = mm_buf_room(&writer->pending);
        size_t size = data.size < room ? data.size : room;
        enum mailmod_error error =
            mm_buf_append(&writer->pending, data.data, size);
        if (error == MAILMOD_OK && mm_buf_room(&writer->pending) == 0) {
            error = write_chunk(writer);
        }
        if (error != MAILMOD_OK) {
            return error;
        }
        data = mm_span_from(data, size);
    }
    return MAILMOD_OK;
}

/* Octets up to and with the end of the last header line; all without a blank
 * line. `is_whole_out`: the blank line was there. */
static size_t header_size(struct mm_span text, bool *is_whole_out)
{
    for (size_t i = 0; i + 3 < text.size; i++) {
        if (memcmp(text.data + i, "\r\n\r\n", 4) == 0) {
            *is_whole_out = true;
            return i + 2;
        }
    }
    *is_whole_out = false;
    return text.size;
}

/* A header block without its end must not swallow the report's own lines. */
static size_t whole_lines(struct mm_span text)
{
    size_t size = text.size;
    while (size > 0 && text.data[size - 1] != '\n') {
        size--;
    }
    return size;
}

static enum mailmod_error write_headers(const struct mm_bounce *bounce,
                                        uint64_t id, struct writer *writer)
{
    struct mm_buf chunk;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    enum mailmod_error error =
        mm_store_read_chunk(bounce->store, id, 0, &chunk);
    if (error == MAILMOD_OK) {
        struct mm_span text = mm_buf_span(&chunk);
        bool is_whole = false;
        text.size = text.size < HEADER_MAX ? text.size : HEADER_MAX;
        text.size = header_size(text, &is_whole);
        if (!is_whole) {
            text.size = whole_lines(text);
        }
        error = write_octets(writer, text);
    }
    mm_buf_fini(&chunk);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mailmod_error write_whole(const struct mm_bounce *bounce,
                                      uint64_t id, struct writer *writer)
{
    struct mm_buf chunk;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    enum mailmod_error error = MAILMOD_OK;
    for (unsigned number = 0; error == MAILMOD_OK; number++) {
        error = mm_store_read_chunk(bounce->store, id, number, &chunk);
        if (error == MAILMOD_OK) {
            error = write_octets(writer, mm_buf_span(&chunk));
        }
    }
    mm_buf_fini(&chunk);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mm_report_action action_of(enum mq_report kind)
{
    switch (kind) {
    case MQ_REPORT_DELAYED:
        return MM_REPORT_DELAYED;
    case MQ_REPORT_DELIVERED:
        /* RFC 3461 5.2.2 (c): taken by a host without DSN. */
        return MM_REPORT_RELAYED;
    case MQ_REPORT_FAILED:
    case MQ_REPORT_NONE:
        break;
    }
    return MM_REPORT_FAILED;
}

static const char *status_of(const struct mq_outcome *outcome,
                             enum mq_report kind)
{
    if (kind == MQ_REPORT_FAILED && outcome->verdict == MQ_DEFERRED) {
        return "4.4.7"; /* RFC 3463 3.5: delivery time expired */
    }
    return outcome->status[0] != '\0' ? outcome->status : "4.0.0";
}

static size_t select_recipients(const struct mq_settlement *settlement,
                                enum mq_report kind,
                                struct mm_report_recipient *out)
{
    size_t count = 0;
    for (size_t i = 0; i < settlement->batch->recipient_count; i++) {
        const struct mm_store_recipient *row =
            &settlement->batch->recipients[i];
        const struct mq_outcome *outcome = &settlement->outcomes[i];
        if (settlement->reports[i] != kind) {
            continue;
        }
        out[count++] = (struct mm_report_recipient){
            .recipient = row->path,
            .original_recipient = row->original_recipient,
            .action = action_of(kind),
            .status = status_of(outcome, kind),
            .remote_host = outcome->host,
            .diagnostic = outcome->reply,
            .is_reply = outcome->is_reply};
    }
    return count;
}

static enum mailmod_error write_frame(struct writer *writer,
                                      const struct mm_report *report,
                                      bool is_begin)
{
    struct mm_buf text;
    mm_buf_init(&text, FRAME_MAX);
    enum mailmod_error error = is_begin ? mm_report_write_begin(&text, report)
                                        : mm_report_write_end(&text, report);
    if (error == MAILMOD_OK) {
        error = write_octets(writer, mm_buf_span(&text));
    }
    mm_buf_fini(&text);
    return error;
}

static enum mailmod_error write_body(const struct mm_bounce *bounce,
                                     const struct mm_report *report,
                                     uint64_t original_id,
                                     struct writer *writer)
{
    enum mailmod_error error = write_frame(writer, report, true);
    if (error == MAILMOD_OK) {
        error = report->includes_body
                    ? write_whole(bounce, original_id, writer)
                    : write_headers(bounce, original_id, writer);
    }
    if (error == MAILMOD_OK) {
        error = write_frame(writer, report, false);
    }
    if (error == MAILMOD_OK) {
        error = write_chunk(writer);
    }
    return error;
}

struct target {
    bool is_local;
    uint64_t mailbox_id;
    char destination[MM_STORE_DESTINATION_MAX];
};

/* NOT_FOUND: nobody can be told. */
static enum mailmod_error find_target(const struct mm_bounce *bounce,
                                      const char *reverse_path,
                                      struct target *target_out)
{
    memset(target_out, 0, sizeof *target_out);
    struct mm_address address;
    if (mm_address_parse(mm_span_cstr(reverse_path), true, true, &address) !=
            MAILMOD_OK ||
        address.is_null || address.domain_form == MM_DOMAIN_NONE) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    enum mailmod_error error = MAILMOD_ERROR_NOT_FOUND;
    if (bounce->find_mailbox != NULL) {
        error =
            bounce->find_mailbox(bounce->find_mailbox_context, bounce->config,
                                 &address, &target_out->mailbox_id);
    }
    target_out->is_local = error == MAILMOD_OK;
    if (error != MAILMOD_ERROR_NOT_FOUND ||
        mm_config_is_local_domain(bounce->config, address.domain)) {
        return error;
    }
    mm_destination_of(bounce->config, address.domain, target_out->destination);
    return MAILMOD_OK;
}

static enum mailmod_error put_recipient(const struct mm_bounce *bounce,
                                        const struct mq_settlement *settlement,
                                        struct mm_store_transaction *t,
                                        const struct target *target,
                                        uint64_t id)
{
    struct mm_store_recipient row;
    memset(&row, 0, sizeof row);
    row.message_id = id;
    row.next_attempt_ms = settlement->now_ms;
    row.expires_ms =
        settlement->now_ms + (int64_t)bounce->config->queue.lifetime_ms;
    row.notify = MM_DSN_NOTIFY_NEVER; /* RFC 3461 6.1: a DSN asks for none */
    memcpy(row.path, settlement->batch->message.reverse_path, sizeof row.path);
    memcpy(row.destination, target->destination, sizeof row.destination);
    return mm_store_put_recipient(t, &row);
}

static enum mailmod_error put_entry(struct mm_store_transaction *t,
                                    const struct target *target,
                                    const struct mm_store_message *message)
{
    struct mm_buf line;
    mm_buf_init(&line, MM_LIMIT_PATH);
    enum mailmod_error error = mm_return_path_write(&line, "");
    if (error == MAILMOD_OK) {
        error = mm_store_put_entry(t, target->mailbox_id, message->id,
                                   message->size + mm_buf_size(&line));
    }
    mm_buf_fini(&line);
    return error;
}

static enum mailmod_error put_report(const struct mm_bounce *bounce,
                                     const struct mq_settlement *settlement,
                                     struct mm_store_transaction *t,
                                     const struct target *target,
                                     const struct writer *writer)
{
    struct mm_store_message message;
    memset(&message, 0, sizeof message);
    message.id = writer->id;
    message.arrival_ms = settlement->now_ms;
    message.size = writer->size;
    message.is_8bit = writer->has_8bit;
    message.is_smtputf8 = writer->is_smtputf8;
    message.is_report = true;
    enum mailmod_error error = mm_store_put_message(t, &message);
    if (error != MAILMOD_OK) {
        return error;
    }
    return target->is_local
               ? put_entry(t, target, &message)
               : put_recipient(bounce, settlement, t, target, writer->id);
}

static const char *kind_name(enum mq_report kind)
{
    switch (kind) {
    case MQ_REPORT_FAILED:
        return "failed";
    case MQ_REPORT_DELAYED:
        return "delayed";
    case MQ_REPORT_DELIVERED:
        return "relayed";
    case MQ_REPORT_NONE:
        break;
    }
    return "none";
}

static void log_report(const struct mm_bounce *bounce,
                       const struct mq_settlement *settlement,
                       enum mq_report kind, const char *text,
                       const char *report_text)
{
    char original[MM_MESSAGE_ID_TEXT_MAX];
    mm_message_id_format(settlement->batch->message.id, original);
    MM_LOG(bounce->log, MM_LOG_INFO, "bounce", text,
           MM_TEXT("message", original), MM_TEXT("report", report_text),
           MM_TEXT("kind", kind_name(kind)),
           MM_TEXT("recipient", settlement->batch->message.reverse_path));
}

static void fill_report(const struct mm_bounce *bounce,
                        const struct mq_settlement *settlement,
                        enum mq_report kind, struct mm_report *report)
{
    const struct mm_store_message *original = &settlement->batch->message;
    report->host_name = bounce->config->host_name;
    report->reverse_path = original->reverse_path;
    report->envelope_id = original->envelope_id;
    report->arrival_ms = original->arrival_ms;
    report->now_ms = settlement->now_ms;
    report->retry_until_ms = settlement->batch->recipients[0].expires_ms;
    report->is_original_smtputf8 = original->is_smtputf8;
    report->is_original_8bit = original->is_8bit;
    report->includes_body = kind == MQ_REPORT_FAILED &&
                            original->dsn_return == MM_DSN_RETURN_FULL &&
                            original->size <= ORIGINAL_MAX;
}

static enum mailmod_error write_kind(const struct mm_bounce *bounce,
                                     const struct mq_settlement *settlement,
                                     struct mm_store_transaction *t,
                                     const struct target *target,
                                     enum mq_report kind,
                                     struct mm_report_recipient *recipients)
{
    char original_text[MM_MESSAGE_ID_TEXT_MAX];
    char report_text[MM_MESSAGE_ID_TEXT_MAX];
    struct mm_report report = {
        .identifier = original_text,
        .report_identifier = report_text,
        .recipients = recipients,
        .recipient_count = select_recipients(settlement, kind, recipients)};
    if (report.recipient_count == 0) {
        return MAILMOD_OK;
    }
    struct writer writer = {.transaction = t,
                            .id = mm_store_new_message_id(bounce->store)};
    mm_message_id_format(settlement->batch->message.id, original_text);
    mm_message_id_format(writer.id, report_text);
    fill_report(bounce, settlement, kind, &report);
    writer.is_smtputf8 = mm_report_is_smtputf8(&report);
    mm_buf_init(&writer.pending, MM_LIMIT_CHUNK);
    enum mailmod_error error =
        write_body(bounce, &report, settlement->batch->message.id, &writer);
    if (error == MAILMOD_OK) {
        error = put_report(bounce, settlement, t, target, &writer);
    }
    mm_buf_fini(&writer.pending);
    if (error == MAILMOD_OK) {
        log_report(bounce, settlement, kind,
                   target->is_local ? "report kept" : "report queued",
                   report_text);
    }
    return error;
}

/* An operator may have removed the message since it was claimed. */
static bool is_still_there(const struct mm_bounce *bounce, uint64_t id)
{
    struct mm_store_message message;
    return mm_store_find_message(bounce->store, id, &message) !=
           MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_bounce_write(const struct mm_bounce *bounce,
                                   const struct mq_settlement *settlement,
                                   struct mm_store_transaction *transaction)
{
    static const enum mq_report kinds[] = {MQ_REPORT_FAILED, MQ_REPORT_DELAYED,
                                           MQ_REPORT_DELIVERED};
    if (!is_still_there(bounce, settlement->batch->message.id)) {
        return MAILMOD_OK;
    }
    struct target target;
    enum mailmod_error error =
        find_target(bounce, settlement->batch->message.reverse_path, &target);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        log_report(bounce, settlement, MQ_REPORT_NONE,
                   "report dropped: nobody to tell", "");
        return MAILMOD_OK;
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_report_recipient *recipients =
        mm_alloc_array(settlement->batch->recipient_count, sizeof *recipients);
    if (recipients == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (error == MAILMOD_OK) {
            error = write_kind(bounce, settlement, transaction, &target,
                               kinds[i], recipients);
        }
    }
    mm_free(recipients);
    return error;
}
