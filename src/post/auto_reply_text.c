/* auto_reply_text.c - the rules of automatic replies, and their form.
 *
 * Owns nothing. Promises: each rule is one row of one table, with its source;
 * what a sender wrote goes into the answer's Subject, In-Reply-To and
 * References alone, and can end no field; the answer says that it is automatic,
 * so that nothing that keeps to RFC 3834 answers it; it is ASCII unless an
 * address is not.
 * Thread: any. RFC 3834 2 (when), 3.1 (the fields), 4 (to whom), 5
 * (Auto-Submitted); RFC 5322 3.6.4 (References). */
#include "post/auto_reply_text.h"

#include "base/base64.h"
#include "base/datetime.h"
#include "wire/msg/field.h"
#include "wire/msg/header_edit.h"
#include "wire/msg/header_field.h"

#include <string.h>

/* Addresses of To and Cc that are looked at; a message to more is no letter. */
#define ADDRESSES_MAX 200
/* Of what is taken from the message's own fields. */
#define SUBJECT_TAKEN_MAX 300
#define REFERENCES_MAX 1500
#define MESSAGE_ID_MAX 250
#define LINE_MAX_OCTETS 998   /* RFC 5322 2.1.1 */
#define BASE64_LINE_OCTETS 57 /* RFC 2045 6.8: 76 characters */

/* The value of the first field of that name; empty when there is none. */
static struct mm_span find_field(struct mm_span text, const char *name)
{
    struct mm_span field;

    while (mm_header_next(&text, &field)) {
        if (mm_header_is(field, name)) {
            return mm_header_value(field);
        }
    }
    return mm_span(NULL, 0);
}

/* ---- the rules ---- */

static bool is_from_nobody(const struct mm_auto_reply_question *question)
{
    return question->reverse_path[0] == '\0';
}

static bool has_end(struct mm_span text, const char *end)
{
    size_t size = strlen(end);

    return text.size >= size &&
           mm_span_is_nocase(mm_span_from(text, text.size - size), end);
}

/* By the local part in front of a plus or an equals sign (VERP). */
static bool is_from_program(const struct mm_auto_reply_question *question)
{
    static const char *const begins[] = {
        "owner-",   "mailer-daemon", "mailerdaemon", "noreply",
        "no-reply", "no_reply",      "donotreply",   "do-not-reply",
        "listserv", "majordomo",     "bounce-",      "bounces-"};
    static const char *const ends[] = {"-request", "-owner", "-bounces",
                                       "-bounce", "-relay"};
    static const char *const wholes[] = {"bounce", "bounces"};
    struct mm_span local = mm_span_cstr(question->reverse_path);
    size_t size = strcspn(question->reverse_path, "@+=");
    bool is_program = false;

    local.size = size < local.size ? size : local.size;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        is_program = is_program || mm_span_starts_nocase(local, begins[i]);
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        is_program = is_program || has_end(local, ends[i]);
    }
    for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++) {
        is_program = is_program || mm_span_is_nocase(local, wholes[i]);
    }
    return is_program;
}

/* The first word, without comments (RFC 3834 5.1). */
static struct mm_span first_word(struct mm_span value)
{
    mm_span_skip_comments(&value);
    struct mm_span word = mm_span(value.data, 0);

    while (word.size < value.size &&
           strchr(" \t\r\n(;", value.data[word.size]) == NULL) {
        word.size++;
    }
    return word;
}

static bool is_automatic(const struct mm_auto_reply_question *question)
{
    struct mm_span rest = question->text;
    struct mm_span field;

    while (mm_header_next(&rest, &field)) {
        if (mm_header_is(field, "Auto-Submitted") &&
            !mm_span_is_nocase(first_word(mm_header_value(field)), "no")) {
            return true;
        }
    }
    return false;
}

static bool is_of_list(const struct mm_auto_reply_question *question)
{
    struct mm_span rest = question->text;
    struct mm_span field;

    while (mm_header_next(&rest, &field)) {
        if (mm_span_starts_nocase(field, "List-")) {
            return true;
        }
    }
    return false;
}

static bool is_bulk(const struct mm_auto_reply_question *question)
{
    struct mm_span value = find_field(question->text, "Precedence");

    return mm_span_is_nocase(value, "bulk") ||
           mm_span_is_nocase(value, "junk") || mm_span_is_nocase(value, "list");
}

static bool is_report(const struct mm_auto_reply_question *question)
{
    return mm_span_starts_nocase(find_field(question->text, "Content-Type"),
                                 "multipart/report");
}

static bool is_suppressed(const struct mm_auto_reply_question *question)
{
    struct mm_span value =
        find_field(question->text, "X-Auto-Response-Suppress");

    return mm_span_has_nocase(value, "all") ||
           mm_span_has_nocase(value, "oof") ||
           mm_span_has_nocase(value, "autoreply");
}

static bool is_marked_spam(const struct mm_auto_reply_question *question)
{
    return mm_span_starts_nocase(find_field(question->text, "X-Spam-Flag"),
                                 "yes") ||
           find_field(question->text, MM_HEADER_BLOCKLIST).size > 0;
}

static bool is_own(const struct mm_auto_reply_question *question,
                   struct mm_span text)
{
    struct mm_address address;

    return mm_address_parse(mm_header_trim(text), false, true, &address) ==
               MAILMOD_OK &&
           (mm_cstr_equal_nocase(address.text, question->path) ||
            mm_cstr_equal_nocase(address.text, question->more) ||
            question->is_own(question->context, &address));
}

static bool is_from_itself(const struct mm_auto_reply_question *question)
{
    return is_own(question, mm_span_cstr(question->reverse_path));
}

static bool is_not_named(const struct mm_auto_reply_question *question)
{
    static const char *const names[] = {"To", "Cc", "Resent-To", "Resent-Cc",
                                        "Bcc"};
    struct mm_span rest = question->text;
    struct mm_span field;
    struct mm_span address;
    size_t count = 0;

    if (!question->wants_name) {
        return false;
    }
    while (mm_header_next(&rest, &field)) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            struct mm_span value = mm_header_is(field, names[i])
                                       ? mm_header_value(field)
                                       : mm_span(NULL, 0);

            while (count < ADDRESSES_MAX &&
                   mm_field_next_address(&value, &address)) {
                count++;
                if (is_own(question, address)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* RFC 3834 2 forbids or advises against each; what has another source says so.
 * The period, which needs the store, is auto_reply.c's. */
static const struct {
    bool (*forbids)(const struct mm_auto_reply_question *question);
    const char *words;
} rules[] = {
    {is_from_nobody, "the reverse-path is null"},
    {is_from_program, "the sender's name is a program's or a list's"},
    {is_automatic, "Auto-Submitted says that it is automatic"}, /* also 5 */
    {is_of_list, "a mailing list's"}, /* fields of RFC 2369, RFC 2919 */
    {is_bulk, "Precedence says bulk, junk or list"},
    {is_report, "a report"},                                   /* RFC 6522 */
    {is_suppressed, "X-Auto-Response-Suppress asks for none"}, /* MS-OXCMAIL
                                                                  2.2.3.2.14 */
    {is_marked_spam, "it is marked as unwanted"},
    {is_from_itself, "the sender is who would answer"},
    {is_not_named, "no address of who would answer is in To or Cc"},
};

const char *mm_auto_reply_refusal(const struct mm_auto_reply_question *question)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].forbids(question)) {
            return rules[i].words;
        }
    }
    return NULL;
}

/* ---- the answer ---- */

/* A value without its folds, cut between words; false when it has what a field
 * of ours cannot have. */
static bool take_value(struct mm_span value, size_t size_max,
                       struct mm_buf *out)
{
    size_t begin = mm_buf_size(out);
    size_t last_blank = 0;

    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        bool is_blank = c == '\r' || c == '\n' || c == '\t' || c == ' ';

        if (mm_buf_size(out) - begin >= size_max) {
            break;
        }
        last_blank = is_blank ? mm_buf_size(out) : last_blank;
        if (c != '\r' && c != '\n') {
            (void)mm_buf_append_char(out, is_blank ? ' ' : c);
        }
    }
    if (mm_buf_size(out) - begin >= size_max) {
        out->end = out->start + last_blank;
    }
    return mm_buf_error(out) == MAILMOD_OK &&
           mm_span_is_printable_utf8(mm_buf_span(out));
}

/* One that cannot be written is left out. */
static bool put_field(struct mm_buf *out, const char *name,
                      struct mm_span value)
{
    struct mm_buf field;

    mm_buf_init(&field, 8192);
    bool is_good = value.size > 0 &&
                   mm_header_field_write(&field, mm_span_cstr(name), value) ==
                       MM_HEADER_FIELD_OK;
    if (is_good) {
        (void)mm_buf_append_span(out, mm_buf_span(&field));
    }
    mm_buf_fini(&field);
    return is_good;
}

/* RFC 3834 3.1.5: the operator's or the user's own words, else the message's
 * subject behind "Auto:". */
static void write_subject(struct mm_buf *out, struct mm_span text,
                          const struct mm_auto_reply *reply)
{
    struct mm_buf value;

    mm_buf_init(&value, 2048);
    if (reply->subject[0] != '\0') {
        (void)mm_buf_append_cstr(&value, reply->subject);
    } else {
        (void)mm_buf_append_cstr(&value, "Auto: ");
        if (!take_value(find_field(text, "Subject"), SUBJECT_TAKEN_MAX,
                        &value) ||
            mm_buf_size(&value) <= strlen("Auto: ")) {
            mm_buf_clear(&value);
        }
    }
    if (!put_field(out, "Subject", mm_buf_span(&value))) {
        (void)mm_buf_append_cstr(out, "Subject: Auto: your message\r\n");
    }
    mm_buf_fini(&value);
}

/* RFC 5322 3.6.4: one, without blanks. */
static bool is_message_id(struct mm_span id)
{
    if (id.size < 3 || id.size > MESSAGE_ID_MAX || id.data[0] != '<' ||
        id.data[id.size - 1] != '>') {
        return false;
    }
    for (size_t i = 0; i < id.size; i++) {
        if (id.data[i] <= ' ' || id.data[i] >= 127) {
            return false;
        }
    }
    return memchr(id.data + 1, '<', id.size - 1) == NULL;
}

/* The last ones, where there are many. */
static struct mm_span last_of(struct mm_span list)
{
    if (list.size > REFERENCES_MAX) {
        list = mm_span_from(list, list.size - REFERENCES_MAX);
        const char *begin = memchr(list.data, '<', list.size);
        list = begin != NULL ? mm_span_from(list, (size_t)(begin - list.data))
                             : mm_span(NULL, 0);
    }
    return list;
}

/* RFC 3834 3.1.6, 3.1.7. */
static void write_references(struct mm_buf *out, struct mm_span text)
{
    struct mm_span id = find_field(text, "Message-ID");
    struct mm_span former = find_field(text, "References");
    struct mm_buf value;

    if (!is_message_id(id) || !put_field(out, "In-Reply-To", id)) {
        return;
    }
    if (former.size == 0) {
        former = find_field(text, "In-Reply-To");
        former = is_message_id(former) ? former : mm_span(NULL, 0);
    }
    former = last_of(former);
    mm_buf_init(&value, 4096);
    if (mm_span_has_8bit(former) ||
        !take_value(former, REFERENCES_MAX + 1, &value)) {
        mm_buf_clear(&value);
    }
    if (mm_buf_size(&value) > 0) {
        (void)mm_buf_append_char(&value, ' ');
    }
    (void)mm_buf_append_span(&value, id);
    if (!put_field(out, "References", mm_buf_span(&value))) {
        (void)put_field(out, "References", id);
    }
    mm_buf_fini(&value);
}

/* The text with the line ends of mail, and one at its end. */
static void write_lines(struct mm_buf *out, struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        if (c == '\n') {
            (void)mm_buf_append_cstr(out, "\r\n");
        } else if (c != '\r') {
            (void)mm_buf_append_char(out, c);
        }
    }
    if (text.size == 0 || text.data[text.size - 1] != '\n') {
        (void)mm_buf_append_cstr(out, "\r\n");
    }
}

static bool is_plain(struct mm_span lines)
{
    bool is_short = true;

    while (lines.size > 0) {
        const char *lf = memchr(lines.data, '\n', lines.size);
        size_t size = lf != NULL ? (size_t)(lf - lines.data) + 1 : lines.size;

        is_short = is_short && size <= LINE_MAX_OCTETS + 2 &&
                   !mm_span_has_8bit(mm_span(lines.data, size));
        lines = mm_span_from(lines, size);
    }
    return is_short;
}

static enum mailmod_error write_body(struct mm_buf *out, struct mm_span text)
{
    struct mm_buf lines;

    mm_buf_init(&lines, 2 * MM_AUTO_REPLY_TEXT_MAX + 2);
    write_lines(&lines, text);
    struct mm_span rest = mm_buf_span(&lines);
    bool plain = is_plain(rest);
    (void)mm_buf_appendf(out,
                         "MIME-Version: 1.0\r\nContent-Type: text/plain; "
                         "charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n"
                         "\r\n",
                         plain ? "7bit" : "base64");
    if (plain) {
        (void)mm_buf_append_span(out, rest);
    }
    while (!plain && rest.size > 0) {
        size_t size =
            rest.size < BASE64_LINE_OCTETS ? rest.size : BASE64_LINE_OCTETS;

        (void)mm_base64_encode(out, rest.data, size);
        (void)mm_buf_append_cstr(out, "\r\n");
        rest = mm_span_from(rest, size);
    }
    enum mailmod_error error = mm_buf_error(&lines);
    mm_buf_fini(&lines);
    return error == MAILMOD_OK ? mm_buf_error(out) : error;
}

enum mailmod_error
mm_auto_reply_write(struct mm_buf *out,
                    const struct mm_auto_reply_question *question,
                    const struct mm_auto_reply *reply, int64_t now_ms,
                    const char *identifier, const char *host_name)
{
    /* RFC 3834 3.1.3, 3.1.4: from whose mail it was, to the reverse-path. */
    (void)mm_buf_appendf(out,
                         "From: <%s>\r\nTo: <%s>\r\nDate: ", question->path,
                         question->reverse_path);
    mm_datetime_rfc5322(out, now_ms);
    (void)mm_buf_appendf(out, "\r\nMessage-ID: <%s@%s>\r\n", identifier,
                         host_name);
    write_subject(out, question->text, reply);
    write_references(out, question->text);
    /* RFC 3834 5; Precedence for those that are older: 3.1.8. */
    (void)mm_buf_append_cstr(out, "Auto-Submitted: auto-replied\r\n"
                                  "Precedence: bulk\r\n");
    return write_body(out, reply->text);
}
