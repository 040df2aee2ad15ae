/* maillist_text.c - the header of what a list passes on, and its answers.
 *
 * Owns nothing. Promises: fields that name another list, or that were for the
 * list alone, do not reach the members; what is written for them is true here:
 * there is no one-click field, for nothing of ours speaks HTTP (RFC 8058 3.1);
 * an answer says that it is automatic and has the null path, so that nothing
 * answers it.
 * Thread: any. RFC 2369 3, RFC 2919 2, RFC 3834 2, 3, RFC 5322 2.2. */
#include "post/maillist_text.h"

#include "base/datetime.h"
#include "wire/msg/field.h"

#include <stdio.h>
#include <string.h>

/* Of a post that waits, in the notice of it. */
enum { EXCERPT_LINES = 60, EXCERPT_COLUMNS = 900 };

/* "news.example.org" of "news@example.org". */
static void list_id(const struct mm_maillist *list,
                    char id_out[MM_STORE_REVERSE_PATH_MAX])
{
    memcpy(id_out, list->name, MM_STORE_REVERSE_PATH_MAX);
    char *at = strrchr(id_out, '@');
    if (at != NULL) {
        *at = '.';
    }
}

/* The address of the first author. The value may be folded behind it. */
static void read_from(struct mm_span value,
                      char from_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address address;
    struct mm_span text;

    if (mm_field_next_address(&value, &text) &&
        mm_address_parse(mm_header_trim(text), false, true, &address) ==
            MAILMOD_OK) {
        (void)mm_span_copy(mm_span_cstr(address.text), from_out,
                           MM_STORE_REVERSE_PATH_MAX);
    }
}

static void read_field(const char *id, struct mm_span field,
                       struct mm_maillist_facts *facts)
{
    struct mm_span value = mm_header_value(field);

    if (mm_header_is(field, "List-Id")) {
        facts->is_ours = facts->is_ours || mm_span_has_nocase(value, id);
        facts->is_automatic = true;
    } else if (mm_header_is(field, "Auto-Submitted")) {
        facts->is_automatic =
            facts->is_automatic || !mm_span_starts_nocase(value, "no");
    } else if (mm_header_is(field, "Precedence")) {
        facts->is_automatic = facts->is_automatic ||
                              mm_span_is_nocase(value, "bulk") ||
                              mm_span_is_nocase(value, "junk") ||
                              mm_span_is_nocase(value, "list");
    } else if (mm_header_is(field, "From") && facts->from[0] == '\0') {
        read_from(value, facts->from);
    }
}

void mm_maillist_read_facts(const struct mm_maillist *list, struct mm_span text,
                            struct mm_maillist_facts *facts_out)
{
    char id[MM_STORE_REVERSE_PATH_MAX + 2];
    char name[MM_STORE_REVERSE_PATH_MAX];
    struct mm_span rest = text;
    struct mm_span field;

    memset(facts_out, 0, sizeof *facts_out);
    list_id(list, name);
    (void)snprintf(id, sizeof id, "<%s>", name);
    while (mm_header_next(&rest, &field)) {
        read_field(id, field, facts_out);
    }
    facts_out->is_report = mm_span_has_nocase(text, "delivery-status") &&
                           mm_span_has_nocase(rest, "\nAction: failed");
}

/* Fields that are the list's to write, or were for the list alone. */
static bool is_dropped(struct mm_span field)
{
    static const char *const names[] = {"List-Id",
                                        "List-Post",
                                        "List-Help",
                                        "List-Subscribe",
                                        "List-Owner",
                                        "List-Unsubscribe",
                                        "List-Unsubscribe-Post",
                                        "List-Archive",
                                        "Precedence",
                                        "Delivered-To",
                                        "X-Original-To",
                                        "Return-Path",
                                        "Return-Receipt-To",
                                        "Disposition-Notification-To",
                                        "Errors-To",
                                        "Bcc"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (mm_header_is(field, names[i])) {
            return true;
        }
    }
    return false;
}

static void write_mailto(struct mm_buf *out, const char *field,
                         const struct mm_maillist *list, const char *word)
{
    char path[MM_STORE_REVERSE_PATH_MAX];

    if (mm_maillist_write(list, word, NULL, path) == MAILMOD_OK) {
        (void)mm_buf_appendf(out, "%s: <mailto:%s>\r\n", field, path);
    }
}

void mm_maillist_write_fields(struct mm_buf *out,
                              const struct mm_maillist *list)
{
    char id[MM_STORE_REVERSE_PATH_MAX];

    list_id(list, id);
    (void)mm_buf_appendf(out, "List-Id: <%s>\r\nList-Post: <mailto:%s>\r\n", id,
                         list->name);
    if (!list->is_closed) {
        write_mailto(out, "List-Subscribe", list, "subscribe");
    }
    write_mailto(out, "List-Unsubscribe", list, "unsubscribe");
    write_mailto(out, "List-Owner", list, "owner");
    (void)mm_buf_append_cstr(out, "Precedence: list\r\n");
}

/* The author's address moves to Reply-To, unless there is one. */
static void write_from(struct mm_buf *out, const struct mm_maillist *list,
                       struct mm_span from, bool has_reply_to)
{
    (void)mm_buf_appendf(out, "From: <%s>\r\n", list->name);
    if (!has_reply_to) {
        (void)mm_buf_append_cstr(out, "Reply-To: ");
        (void)mm_buf_append_span(out, mm_header_value(from));
        (void)mm_buf_append_cstr(out, "\r\n");
    }
}

enum mailmod_error mm_maillist_write_header(struct mm_buf *out,
                                            const struct mm_maillist *list,
                                            struct mm_span text,
                                            struct mm_span *rest_out)
{
    struct mm_span rest = text;
    struct mm_span field;
    struct mm_span from = mm_span(NULL, 0);
    bool has_reply_to = false;

    mm_maillist_write_fields(out, list);
    while (mm_header_next(&rest, &field)) {
        bool is_moved = list->rewrites_from && mm_header_is(field, "From");

        has_reply_to = has_reply_to || mm_header_is(field, "Reply-To");
        if (is_moved) {
            from = field;
        } else if (!is_dropped(field) &&
                   !(list->rewrites_from &&
                     mm_header_is(field, "DKIM-Signature"))) {
            (void)mm_buf_append_span(out, field);
        }
    }
    if (from.size > 0) {
        write_from(out, list, from, has_reply_to);
    }
    *rest_out = rest; /* the empty line and the body */
    return rest.size == 0 ? MAILMOD_ERROR_TOO_LARGE : mm_buf_error(out);
}

/* The fields that all messages of ours have, and the empty line. */
static void write_common(struct mm_buf *out, const struct mm_maillist *list,
                         int64_t now_ms, const char *identifier)
{
    mm_datetime_rfc5322(out, now_ms);
    (void)mm_buf_appendf(out,
                         "\r\nMessage-ID: <%s%s>\r\nAuto-Submitted: "
                         "auto-replied\r\nPrecedence: bulk\r\n"
                         "MIME-Version: 1.0\r\nContent-Type: text/plain; "
                         "charset=utf-8\r\n\r\n",
                         identifier, strrchr(list->name, '@'));
}

static const char *what(enum mm_maillist_command command)
{
    return command == MM_MAILLIST_SUBSCRIBE ? "subscribe" : "unsubscribe";
}

static void write_words(struct mm_buf *out, const struct mm_maillist *list,
                        enum mm_maillist_command command, const char *member,
                        bool asks)
{
    bool joins = command == MM_MAILLIST_SUBSCRIBE;

    if (asks) {
        (void)mm_buf_appendf(
            out,
            "Somebody, perhaps you, asked to %s\r\n\r\n    %s\r\n\r\n%s the "
            "mailing list %s.\r\n\r\nIf it is what you want, answer this "
            "message; nothing need be\r\nwritten. If not, do nothing.\r\n",
            what(command), member, joins ? "to" : "from", list->name);
    } else {
        (void)mm_buf_appendf(
            out, "%s\r\n\r\n%s the mailing list %s.\r\n", member,
            joins ? "is now a member of" : "is no longer a member of",
            list->name);
    }
}

enum mailmod_error mm_maillist_write_answer(struct mm_buf *out,
                                            const struct mm_maillist *list,
                                            enum mm_maillist_command command,
                                            const char *member,
                                            const char *token, int64_t now_ms,
                                            const char *identifier)
{
    char path[MM_STORE_REVERSE_PATH_MAX];
    enum mailmod_error error = mm_maillist_write(
        list, token != NULL ? "confirm" : "owner", token, path);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)mm_buf_appendf(
        out, "From: <%s>\r\nTo: <%s>\r\nSubject: %s %s: %s\r\nDate: ", path,
        member, token != NULL ? "Confirm to" : "Done:", what(command),
        list->name);
    write_common(out, list, now_ms, identifier);
    write_words(out, list, command, member, token != NULL);
    return mm_buf_error(out);
}

/* Its lines behind "> ": enough to judge, and nothing that a terminal or a mail
 * program takes for more than text. */
static void write_excerpt(struct mm_buf *out, struct mm_span text)
{
    size_t column = 0;
    size_t lines = 0;

    (void)mm_buf_append_cstr(out, "> ");
    for (size_t i = 0; i < text.size && lines < EXCERPT_LINES; i++) {
        char c = text.data[i];

        if (c == '\n' || column == EXCERPT_COLUMNS) {
            (void)mm_buf_append_cstr(out, "\r\n> ");
            lines++;
            column = 0;
        }
        if (c != '\n' && c != '\r') {
            (void)mm_buf_append_char(
                out, mm_ascii_is_printable((unsigned char)c) ? c : '?');
            column++;
        }
    }
    (void)mm_buf_append_cstr(out, "\r\n");
}

enum mailmod_error
mm_maillist_write_notice(struct mm_buf *out, const struct mm_maillist *list,
                         const struct mm_maillist_notice *notice,
                         int64_t now_ms, const char *identifier)
{
    char approve[MM_STORE_REVERSE_PATH_MAX];
    char reject[MM_STORE_REVERSE_PATH_MAX];
    enum mailmod_error error =
        mm_maillist_write(list, "confirm", notice->approve, approve);

    if (error == MAILMOD_OK) {
        error = mm_maillist_write(list, "confirm", notice->reject, reject);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    (void)mm_buf_appendf(out,
                         "From: <%s>\r\nTo: <%s>\r\nSubject: To moderate: a "
                         "message waits: %s\r\nDate: ",
                         approve, list->owner, list->name);
    write_common(out, list, now_ms, identifier);
    (void)mm_buf_appendf(
        out,
        "A message to the mailing list %s\r\nwaits for a moderator. To let it "
        "pass, answer this message; nothing\r\nneed be written. To drop it "
        "without a word to its sender, write to\r\n\r\n    <%s>\r\n\r\nBoth "
        "work for a week. The operator can do the same:\r\n\r\n"
        "    mailmodctl queue show %s\r\n    mailmodctl queue release %s\r\n"
        "    mailmodctl queue delete %s\r\n\r\nIt begins so:\r\n\r\n",
        list->name, reject, notice->identifier, notice->identifier,
        notice->identifier);
    write_excerpt(out, notice->text);
    return mm_buf_error(out);
}
