/* report.c - writes delivery status notifications.
 *
 * Owns the form of a report: its header, the part for people, the part for
 * programs, and the frame of the returned message. Pure: times, names and
 * texts come from the caller. Promises: texts of other hosts are cleaned of
 * control characters and folded, so they can end no field and open no part;
 * machine-readable parts are ASCII, an address beyond it is written in RFC
 * 6533's escaped form. Its header is ASCII unless the reverse-path is not, so
 * that a report needs SMTPUTF8 for its own way alone. Lines are at most 998
 * octets.
 *
 * Any thread. RFC 3464 2 (fields), RFC 3461 6.3 (what goes in), RFC 6522 3
 * (multipart/report), RFC 3834 5 (Auto-Submitted), RFC 6533 3 and 4. */
#include "wire/msg/report.h"

#include "base/datetime.h"
#include "wire/msg/message.h"

#include <string.h>

/* Where a field is folded: RFC 5322 2.1.1 asks for 78. A word that is longer
 * is cut, before the 998 that no line may pass. */
#define FOLD_AT 78
#define WORD_MAX 900

struct action {
    const char *name; /* RFC 3464 2.3.3 */
    const char *subject;
    const char *sentence;
};

static const struct action actions[] = {
    [MM_REPORT_FAILED] = {"failed", "Mail could not be delivered",
                          "could not be delivered; no more attempts follow"},
    [MM_REPORT_DELAYED] = {"delayed", "Mail is delayed",
                           "has not been delivered yet; attempts go on"},
    [MM_REPORT_DELIVERED] = {"delivered", "Mail was delivered",
                             "was delivered"},
    [MM_REPORT_EXPANDED] = {"expanded", "Mail was passed on to several",
                            "stands for several addresses and was passed on "
                            "to them"},
    [MM_REPORT_RELAYED] = {"relayed", "Mail was passed on",
                           "was passed on to a system that gives no reports"},
};

/* The gravest action gives the subject: the order of the enum. */
static const struct action *gravest(const struct mm_report *report)
{
    enum mm_report_action action = MM_REPORT_RELAYED;
    for (size_t i = 0; i < report->recipient_count; i++) {
        if (report->recipients[i].action < action) {
            action = report->recipients[i].action;
        }
    }
    return &actions[action];
}

/* The next word of a text: blanks and control characters part words. */
static struct mm_span next_word(struct mm_span *text)
{
    size_t at = 0;
    while (at < text->size && (unsigned char)text->data[at] <= ' ') {
        at++;
    }
    *text = mm_span_from(*text, at);
    size_t size = 0;
    while (size < text->size && size < WORD_MAX &&
           (unsigned char)text->data[size] > ' ') {
        size++;
    }
    struct mm_span word = mm_span(text->data, size);
    *text = mm_span_from(*text, size);
    return word;
}

static void append_ascii(struct mm_buf *out, struct mm_span word)
{
    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i];
        bool is_ascii = mm_ascii_is_printable((unsigned char)c);
        mm_buf_append_char(out, is_ascii ? c : '?');
    }
}

/* "Name: text" cleaned and folded at blanks; nothing for an empty text. */
static void write_field(struct mm_buf *out, const char *name, const char *text)
{
    struct mm_span rest = mm_span_cstr(text);
    struct mm_span word = next_word(&rest);
    size_t column = strlen(name);
    if (word.size == 0) {
        return;
    }
    mm_buf_append_cstr(out, name);
    while (word.size > 0) {
        if (column + 1 + word.size > FOLD_AT && column > 1) {
            mm_buf_append_cstr(out, "\r\n");
            column = 0;
        }
        mm_buf_append_char(out, ' ');
        append_ascii(out, word);
        column += 1 + word.size;
        word = next_word(&rest);
    }
    mm_buf_append_cstr(out, "\r\n");
}

static void write_time(struct mm_buf *out, const char *name, int64_t time_ms)
{
    mm_buf_append_cstr(out, name);
    mm_buf_append_char(out, ' ');
    mm_datetime_rfc5322(out, time_ms);
    mm_buf_append_cstr(out, "\r\n");
}

static bool is_utf8(const char *text)
{
    struct mm_span span = mm_span_cstr(text);
    return mm_span_has_8bit(span) && mm_span_is_utf8(span);
}

bool mm_report_is_smtputf8(const struct mm_report *report)
{
    return is_utf8(report->reverse_path);
}

/* The part for people names addresses as they are. */
static bool has_utf8_text(const struct mm_report *report)
{
    for (size_t i = 0; i < report->recipient_count; i++) {
        if (is_utf8(report->recipients[i].recipient)) {
            return true;
        }
    }
    return false;
}

static bool has_8bit(const struct mm_report *report)
{
    return has_utf8_text(report) || mm_report_is_smtputf8(report) ||
           report->is_original_8bit || report->is_original_smtputf8;
}

static void write_encoding(struct mm_buf *out, bool is_8bit)
{
    if (is_8bit) {
        mm_buf_append_cstr(out, "Content-Transfer-Encoding: 8bit\r\n");
    }
}

/* "Final-Recipient: rfc822; user@example.com" */
static void write_address(struct mm_buf *out, const char *name,
                          const char *address)
{
    struct mm_span text = mm_span_cstr(address);
    if (is_utf8(address)) {
        mm_buf_append_cstr(out, name);
        mm_buf_append_cstr(out, " utf-8; ");
        (void)mm_utf8_xtext_encode(out, text);
        mm_buf_append_cstr(out, "\r\n");
        return;
    }
    mm_buf_append_cstr(out, name);
    mm_buf_append_cstr(out, " rfc822; ");
    append_ascii(out, text); /* its blanks are the quoted local part's own */
    mm_buf_append_cstr(out, "\r\n");
}

/* The address that the sender gave. RFC 3461 4.2 has a type before it. */
static void write_original(struct mm_buf *out, const char *original)
{
    const char *address = original != NULL ? strchr(original, ';') : NULL;
    if (address != NULL &&
        mm_span_starts_nocase(mm_span_cstr(original), "utf-8;")) {
        mm_buf_append_cstr(out, "Original-Recipient: utf-8; ");
        (void)mm_utf8_xtext_encode(out, mm_span_cstr(address + 1));
        mm_buf_append_cstr(out, "\r\n");
    } else if (address != NULL && is_utf8(address + 1)) {
        write_address(out, "Original-Recipient:", address + 1);
    } else {
        write_field(out, "Original-Recipient:", original);
    }
}

/* An address for people: as it is. */
static void append_address(struct mm_buf *out, const char *address)
{
    struct mm_span text = mm_span_cstr(address);
    bool keeps_8bit = is_utf8(address);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_kept = c >= 0x80 ? keeps_8bit : mm_ascii_is_printable(c);
        mm_buf_append_char(out, is_kept ? (char)c : '?');
    }
}

static void write_boundary(struct mm_buf *out, const struct mm_report *report,
                           const char *end)
{
    mm_buf_append_cstr(out, "\r\n--=_");
    mm_buf_append_cstr(out, report->report_identifier);
    mm_buf_append_cstr(out, end);
}

static void write_header(struct mm_buf *out, const struct mm_report *report)
{
    /* RFC 3464 2: from an address that takes mail; the envelope's sender is
     * null, which is the queue's to see to. */
    mm_buf_appendf(out, "From: Mail delivery <postmaster@%s>\r\nTo: <",
                   report->host_name);
    append_address(out, report->reverse_path);
    mm_buf_append_cstr(out, ">\r\n");
    write_field(out, "Subject:", gravest(report)->subject);
    write_time(out, "Date:", report->now_ms);
    mm_buf_appendf(out, "Message-ID: <%s@%s>\r\n", report->report_identifier,
                   report->host_name);
    mm_buf_append_cstr(out, "Auto-Submitted: auto-replied\r\n"
                            "MIME-Version: 1.0\r\n"
                            "Content-Type: multipart/report;"
                            " report-type=delivery-status;\r\n");
    mm_buf_appendf(out, "\tboundary=\"=_%s\"\r\n", report->report_identifier);
    write_encoding(out, has_8bit(report));
}

/* Who reads that it failed, or is late, may ask there before he sends again. */
static void write_doubt(struct mm_buf *out,
                        const struct mm_report_recipient *recipient)
{
    const char *host = recipient->unsure_host;
    if (host != NULL && host[0] != '\0') {
        write_field(out,
                    "   It may have arrived: no answer came when all of "
                    "it had been sent to",
                    host);
    }
}

static void write_person_recipient(struct mm_buf *out,
                                   const struct mm_report_recipient *recipient)
{
    mm_buf_append_cstr(out, "<");
    append_address(out, recipient->recipient);
    mm_buf_append_cstr(out, ">\r\n   ");
    mm_buf_append_cstr(out, actions[recipient->action].sentence);
    mm_buf_append_cstr(out, ".\r\n");
    write_field(out, "   Host:", recipient->remote_host);
    write_field(out, "   Answer:", recipient->diagnostic);
    write_doubt(out, recipient);
    mm_buf_append_cstr(out, "\r\n");
}

/* The part for people: RFC 6522 3 (a). */
static void write_person_part(struct mm_buf *out,
                              const struct mm_report *report)
{
    write_boundary(out, report, "\r\n");
    bool is_8bit = has_utf8_text(report);
    mm_buf_appendf(out, "Content-Type: text/plain; charset=%s\r\n",
                   is_8bit ? "utf-8" : "us-ascii");
    write_encoding(out, is_8bit);
    mm_buf_append_cstr(out, "\r\n");
    mm_buf_appendf(out, "This report comes from the mail system of %s.\r\n",
                   report->host_name);
    write_time(out, "It is about a message that you sent, received here on\r\n",
               report->arrival_ms);
    write_field(out, "and known here as", report->identifier);
    mm_buf_append_cstr(out, "\r\n");
    bool is_delayed = false;
    for (size_t i = 0; i < report->recipient_count; i++) {
        write_person_recipient(out, &report->recipients[i]);
        is_delayed =
            is_delayed || report->recipients[i].action == MM_REPORT_DELAYED;
    }
    if (is_delayed) {
        mm_buf_append_cstr(out, "You need not send the message again. If it"
                                " cannot be delivered,\r\nyou will be told."
                                " Attempts are made until\r\n");
        write_time(out, "", report->retry_until_ms);
    }
}

/* RFC 3464 2.3: per-recipient fields, after an empty line. */
static void write_status_recipient(struct mm_buf *out,
                                   const struct mm_report *report,
                                   const struct mm_report_recipient *recipient)
{
    mm_buf_append_cstr(out, "\r\n");
    write_original(out, recipient->original_recipient);
    write_address(out, "Final-Recipient:", recipient->recipient);
    write_field(out, "Action:", actions[recipient->action].name);
    write_field(out, "Status:", recipient->status);
    if (recipient->remote_host != NULL && recipient->remote_host[0] != '\0') {
        write_field(out, "Remote-MTA: dns;", recipient->remote_host);
    }
    if (recipient->diagnostic != NULL && recipient->diagnostic[0] != '\0') {
        /* RFC 3464 2.3.6: smtp is for what a host said by SMTP. */
        write_field(out,
                    recipient->is_reply ? "Diagnostic-Code: smtp;"
                                        : "Diagnostic-Code: x-mailmod;",
                    recipient->diagnostic);
    }
    write_time(out, "Last-Attempt-Date:", report->now_ms);
    if (recipient->action == MM_REPORT_DELAYED) {
        write_time(out, "Will-Retry-Until:", report->retry_until_ms);
    }
}

/* The part for programs: RFC 3464 2.1 and 2.2, RFC 6533 4. */
static void write_status_part(struct mm_buf *out,
                              const struct mm_report *report)
{
    write_boundary(out, report, "\r\n");
    mm_buf_append_cstr(out, mm_report_is_smtputf8(report)
                                ? "Content-Type:"
                                  " message/global-delivery-status\r\n\r\n"
                                : "Content-Type:"
                                  " message/delivery-status\r\n\r\n");
    write_field(out, "Original-Envelope-Id:", report->envelope_id);
    write_field(out, "Reporting-MTA: dns;", report->host_name);
    write_time(out, "Arrival-Date:", report->arrival_ms);
    for (size_t i = 0; i < report->recipient_count; i++) {
        write_status_recipient(out, report, &report->recipients[i]);
    }
}

/* The head of the returned message; its octets follow: RFC 6522 3 (c). */
static void write_original_head(struct mm_buf *out,
                                const struct mm_report *report)
{
    const char *type =
        report->includes_body ? "message/rfc822" : "text/rfc822-headers";
    if (report->is_original_smtputf8) {
        type =
            report->includes_body ? "message/global" : "message/global-headers";
    }
    write_boundary(out, report, "\r\n");
    mm_buf_appendf(out, "Content-Type: %s\r\n", type);
    write_encoding(out,
                   report->is_original_smtputf8 || report->is_original_8bit);
    mm_buf_append_cstr(out, "\r\n");
}

/* What goes into the frame itself must be harmless as it is: it is ours. */
static bool is_frame_word(const char *text, size_t size_max)
{
    struct mm_span span = mm_span_cstr(text);
    for (size_t i = 0; i < span.size; i++) {
        unsigned char c = (unsigned char)span.data[i];
        if (!mm_ascii_is_printable(c) || strchr(" \"\\<>()@;", c) != NULL) {
            return false;
        }
    }
    return span.size > 0 && span.size <= size_max;
}

static enum mailmod_error check(const struct mm_report *report)
{
    /* RFC 2046 5.1.1: a boundary is at most 70 octets. No report is ever
     * made for the null reverse-path (RFC 5321 6.1, RFC 3464 2). */
    bool is_good = is_frame_word(report->host_name, 255) &&
                   is_frame_word(report->report_identifier, 60) &&
                   report->recipient_count > 0 &&
                   report->reverse_path != NULL &&
                   report->reverse_path[0] != '\0';
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_ARGUMENT;
}

enum mailmod_error mm_report_write_begin(struct mm_buf *out,
                                         const struct mm_report *report)
{
    enum mailmod_error error = check(report);
    if (error != MAILMOD_OK) {
        return error;
    }
    write_header(out, report);
    write_person_part(out, report);
    write_status_part(out, report);
    write_original_head(out, report);
    return mm_buf_error(out);
}

enum mailmod_error mm_report_write_end(struct mm_buf *out,
                                       const struct mm_report *report)
{
    enum mailmod_error error = check(report);
    if (error != MAILMOD_OK) {
        return error;
    }
    write_boundary(out, report, "--\r\n");
    return mm_buf_error(out);
}
