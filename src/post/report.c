/* report.c - delivery status notifications as new messages in the store.
 *
 * Owns nothing past a call. Promises: a report has the null reverse-path and is
 * never reported itself; it goes by the same door as all mail, into the
 * sender's mailbox when he lives here, else into the queue; it stands in the
 * transaction of what it tells, so there is never one without the other. A
 * sender without a mailbox in a local domain gets none, nor does one whose
 * mailbox is disabled, or full with its reserve: nobody could read it.
 *
 * The original comes back whole only when it failed, RET=FULL asked for it and
 * it is no larger than ORIGINAL_MAX; else its header block alone.
 * Thread: see report.h. RFC 3461 4.3, 5.2, 6; RFC 3464; RFC 5321 4.5.5, 6.1. */
#include "post/report.h"

#include "base/limits.h"
#include "post/deposit.h"
#include "post/srs.h"

#include <string.h>

/* Octets of an original that a report carries; headers past it are cut. */
enum { ORIGINAL_MAX = 1024 * 1024, HEADER_MAX = 64 * 1024 };
/* The text before and after the original: a few lines a recipient. */
enum { FRAME_MAX = 4 * 1024 * 1024 };

enum mm_answer mm_report_sender_ask(struct mm_report_sender *sender,
                                    const char *reverse_path)
{
    if (mm_address_parse(mm_span_cstr(reverse_path), true, true,
                         &sender->address) != MAILMOD_OK ||
        sender->address.is_null ||
        sender->address.domain_form == MM_DOMAIN_NONE) {
        return MM_ANSWERED; /* without a target */
    }
    sender->resolve.address = &sender->address;
    sender->resolve.is_report = true;
    sender->resolve.notify = MM_DSN_NOTIFY_NEVER; /* RFC 3461 6.1 */
    return mm_resolve_ask(&sender->resolve);
}

enum mailmod_error mm_report_sender_state(const struct mm_report_sender *sender)
{
    if (sender->resolve.target_count == 0 ||
        sender->resolve.targets[0].kind == MM_TARGET_REFUSED) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    return sender->resolve.targets[0].kind == MM_TARGET_FOR_NOW
               ? sender->resolve.targets[0].error
               : MAILMOD_OK;
}

bool mm_report_sender_is_remote(const struct mm_report_sender *sender)
{
    for (size_t i = 0; i < sender->resolve.target_count; i++) {
        if (sender->resolve.targets[i].kind == MM_TARGET_REMOTE ||
            sender->resolve.targets[i].kind == MM_TARGET_LOCAL) {
            return true;
        }
    }
    return false;
}

void mm_report_sender_cancel(struct mm_report_sender *sender)
{
    mm_resolve_cancel(&sender->resolve);
}

/* The report on its way into the store. */
struct writer {
    const struct mm_post_report *report;
    struct mm_deposit *deposit;
    bool has_8bit;
};

static enum mailmod_error write_octets(struct writer *writer,
                                       struct mm_span data)
{
    size_t used = 0;

    writer->has_8bit = writer->has_8bit || mm_span_has_8bit(data);
    return mm_deposit_write(writer->deposit, data, &used);
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

static enum mailmod_error write_header(struct writer *writer,
                                       struct mm_span text)
{
    bool is_whole = false;

    text.size = text.size < HEADER_MAX ? text.size : HEADER_MAX;
    text.size = header_size(text, &is_whole);
    if (!is_whole) {
        text.size = whole_lines(text);
    }
    return write_octets(writer, text);
}

/* Piece `number` of the original; NOT_FOUND behind the last. */
static enum mailmod_error find_piece(const struct mm_post_report *report,
                                     unsigned number, struct mm_buf *chunk,
                                     struct mm_span *piece_out)
{
    bool is_new = report->first.data != NULL;

    if (is_new && number == 0) {
        *piece_out = report->first;
        return MAILMOD_OK;
    }
    if (is_new && number >= report->last_number) {
        *piece_out = report->last;
        return number == report->last_number && report->last.size > 0
                   ? MAILMOD_OK
                   : MAILMOD_ERROR_NOT_FOUND;
    }
    enum mailmod_error error = mm_store_read_chunk(
        report->post->store, report->original->id, number, chunk);
    *piece_out = mm_buf_span(chunk);
    return error;
}

static enum mailmod_error write_original(struct writer *writer, bool is_whole)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf chunk;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (unsigned i = 0; error == MAILMOD_OK && (i == 0 || is_whole); i++) {
        struct mm_span piece = mm_span(NULL, 0);

        error = find_piece(writer->report, i, &chunk, &piece);
        if (error == MAILMOD_OK) {
            error = is_whole ? write_octets(writer, piece)
                             : write_header(writer, piece);
        }
    }
    mm_buf_fini(&chunk);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mailmod_error
write_frame(struct writer *writer, const struct mm_report *text, bool is_begin)
{
    struct mm_buf frame;

    mm_buf_init(&frame, FRAME_MAX);
    enum mailmod_error error = is_begin ? mm_report_write_begin(&frame, text)
                                        : mm_report_write_end(&frame, text);
    if (error == MAILMOD_OK) {
        error = write_octets(writer, mm_buf_span(&frame));
    }
    mm_buf_fini(&frame);
    return error;
}

/* To whom it goes: of a path that we made (srs.h), whom it was made for. */
static void told_path(const struct mm_post_report *report,
                      const struct mm_report_sender *sender,
                      char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    if (mm_srs_reverse(report->post->store, &sender->address, report->now_ms,
                       path_out) != MM_SRS_OURS) {
        memcpy(path_out, report->original->reverse_path,
               MM_STORE_REVERSE_PATH_MAX);
    }
}

static struct mm_report make_text(const struct mm_post_report *report)
{
    const struct mm_store_message *original = report->original;

    return (struct mm_report){
        .host_name = report->config->host_name,
        .envelope_id = original->envelope_id,
        .arrival_ms = original->arrival_ms,
        .now_ms = report->now_ms,
        .retry_until_ms = report->retry_until_ms,
        .recipients = report->recipients,
        .recipient_count = report->recipient_count,
        .is_original_smtputf8 = original->is_smtputf8,
        .is_original_8bit = original->is_8bit,
        .includes_body = report->recipients[0].action == MM_REPORT_FAILED &&
                         original->dsn_return == MM_DSN_RETURN_FULL &&
                         original->size <= ORIGINAL_MAX};
}

static enum mailmod_error write_report(struct writer *writer,
                                       const struct mm_report_sender *sender,
                                       const struct mm_report *text)
{
    enum mailmod_error error = mm_deposit_add_all(
        writer->deposit, sender->resolve.targets, sender->resolve.target_count);

    if (error == MAILMOD_OK) {
        error = write_frame(writer, text, true);
    }
    if (error == MAILMOD_OK) {
        error = write_original(writer, text->includes_body);
    }
    if (error == MAILMOD_OK) {
        error = write_frame(writer, text, false);
    }
    return error == MAILMOD_OK
               ? mm_deposit_put(writer->deposit, writer->has_8bit)
               : error;
}

static const char *kind_name(const struct mm_post_report *report)
{
    switch (report->recipients[0].action) {
    case MM_REPORT_FAILED:
        return "failed";
    case MM_REPORT_DELAYED:
        return "delayed";
    case MM_REPORT_DELIVERED:
        return "delivered";
    case MM_REPORT_EXPANDED:
        return "expanded";
    case MM_REPORT_RELAYED:
        break;
    }
    return "relayed";
}

static void log_report(const struct mm_post_report *report, const char *text,
                       const char *report_text)
{
    char original[MM_MESSAGE_ID_TEXT_MAX];

    mm_message_id_format(report->original->id, original);
    MM_LOG(report->post->log, MM_LOG_INFO, "bounce", text,
           MM_TEXT("message", original), MM_TEXT("report", report_text),
           MM_TEXT("kind", kind_name(report)),
           MM_TEXT("recipient", report->original->reverse_path));
}

/* The sender's mailbox may have gone since he was asked for: what was put of
 * the report then belongs to nobody, and the store sweeps it. */
static enum mailmod_error note_put(const struct mm_post_report *report,
                                   const struct mm_report_sender *sender,
                                   const char *report_text,
                                   enum mailmod_error error)
{
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        log_report(report, "report dropped: nobody to tell", "");
        return MAILMOD_OK;
    }
    if (error == MAILMOD_OK) {
        log_report(report,
                   mm_report_sender_is_remote(sender) ? "report queued"
                                                      : "report kept",
                   report_text);
    }
    return error;
}

enum mailmod_error mm_post_report_put(const struct mm_post_report *report,
                                      const struct mm_report_sender *sender,
                                      struct mm_store_transaction *transaction,
                                      bool *is_told_out)
{
    const struct mm_deposit_options options = {.post = report->post,
                                               .config = report->config};
    struct mm_envelope envelope = {
        .id = mm_store_new_message_id(report->post->store),
        .arrival_ms = report->now_ms,
        .is_report = true};
    struct writer writer = {.report = report};
    char original_text[MM_MESSAGE_ID_TEXT_MAX];
    char report_text[MM_MESSAGE_ID_TEXT_MAX];

    *is_told_out = false;
    if (report->recipient_count == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_report_sender_state(sender);
    if (error != MAILMOD_OK) {
        return note_put(report, sender, "", error);
    }
    char path[MM_STORE_REVERSE_PATH_MAX];
    struct mm_report text = make_text(report);
    told_path(report, sender, path);
    text.reverse_path = path;
    mm_message_id_format(report->original->id, original_text);
    mm_message_id_format(envelope.id, report_text);
    text.identifier = original_text;
    text.report_identifier = report_text;
    envelope.is_smtputf8 = mm_report_is_smtputf8(&text);
    error = mm_deposit_new(&writer.deposit, &options, &envelope);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_deposit_join(writer.deposit, transaction);
    error = write_report(&writer, sender, &text);
    mm_deposit_abandon(&writer.deposit);
    *is_told_out = error == MAILMOD_OK;
    return note_put(report, sender, report_text, error);
}

bool mm_post_hides(const struct mm_config *config,
                   enum mm_store_visibility visibility)
{
    return visibility == MM_VISIBILITY_HIDDEN ||
           (visibility == MM_VISIBILITY_UNSET && config->local.hides_targets);
}

void mm_post_report_hide(const struct mm_config *config,
                         const char *original_to,
                         enum mm_store_visibility visibility,
                         struct mm_report_recipient *recipient)
{
    bool is_bad = recipient->action == MM_REPORT_FAILED ||
                  recipient->action == MM_REPORT_DELAYED;

    if (mm_post_hides(config, visibility) && original_to[0] != '\0') {
        recipient->recipient = original_to;
        recipient->remote_host = "";
        recipient->unsure_host = "";
        recipient->is_reply = false;
        recipient->diagnostic =
            is_bad ? "who is behind this address gets no mail" : "";
    }
}
