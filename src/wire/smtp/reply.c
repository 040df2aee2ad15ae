/* reply.c - one SMTP reply: the table of texts, the writer, the parser.
 *
 * Owns every text that the server says on its own. Promises: whatever text a
 * host or peer had a hand in, the writer gives out whole lines of printable
 * ASCII that no octet of that text can end or forge, or nothing at all; the
 * parser holds at most MM_LIMIT_REPLY octets and MM_LIMIT_REPLY_LINES lines,
 * takes not one octet past the reply's end, and gives a text that is safe in
 * a log, an event and a bounce.
 *
 * Any thread. RFC 5321 4.2, 4.2.1, 4.5.3.1.5; RFC 2034 4; RFC 3463. */
#include "wire/smtp/reply.h"

#include <string.h>

/* The order is enum mm_reply_id's; the first entry of a code also gives the
 * standard text of that code. */
static const struct mm_reply replies[MM_REPLY_COUNT] = {
    [MM_REPLY_OK] = {250, "2.0.0", "OK"},
    [MM_REPLY_SENDER_OK] = {250, "2.1.0", "Sender OK"},
    [MM_REPLY_RECIPIENT_OK] = {250, "2.1.5", "Recipient OK"},
    [MM_REPLY_MESSAGE_ACCEPTED] = {250, "2.6.0", "Message accepted"},
    [MM_REPLY_START_INPUT] = {354, NULL,
                              "Start mail input; end with <CRLF>.<CRLF>"},
    [MM_REPLY_START_TLS] = {220, "2.0.0", "Ready to start TLS"},
    [MM_REPLY_BYE] = {221, "2.0.0", "Bye"},
    [MM_REPLY_AUTH_OK] = {235, "2.7.0", "Authentication successful"},
    [MM_REPLY_VRFY_UNSURE] = {252, "2.5.0",
                              "Cannot verify the user; send mail to find out"},
    [MM_REPLY_ETRN_STARTED] = {250, "2.0.0", "Queuing for the node started"},
    [MM_REPLY_ETRN_NOTHING] = {251, "2.0.0",
                               "No messages waiting for the node"},
    [MM_REPLY_ETRN_FAILED] = {458, "4.3.0",
                              "Unable to queue messages for the node"},
    [MM_REPLY_HELP] = {214, "2.0.0", "See RFC 5321"},
    [MM_REPLY_SHUTTING_DOWN] = {421, "4.3.2", "Service shutting down"},
    [MM_REPLY_TIMEOUT] = {421, "4.4.2", "Timeout; closing connection"},
    [MM_REPLY_TOO_MANY_CONNECTIONS] = {421, "4.3.2", "Too many connections"},
    [MM_REPLY_TOO_MANY_OF_ADDRESS] = {421, "4.7.0",
                                      "Too many connections from your address"},
    [MM_REPLY_TOO_MANY_OF_NETWORK] = {421, "4.7.0",
                                      "Too many connections from your network"},
    [MM_REPLY_NO_SERVICE] = {421, "4.7.1",
                             "No connections are taken from your address"},
    [MM_REPLY_TOO_MANY_ERRORS] = {421, "4.7.0", "Too many errors"},
    [MM_REPLY_TOO_MANY_EMPTY] = {421, "4.7.0",
                                 "Too many commands that send no mail"},
    [MM_REPLY_TOO_MANY_REFUSED] = {421, "4.7.0", "Too many refused recipients"},
    [MM_REPLY_USER_DISABLED] = {421, "4.7.0",
                                "This user may not log in any more"},
    [MM_REPLY_LOCAL_ERROR] = {451, "4.3.0", "Local error; try again later"},
    [MM_REPLY_NOT_NOW] = {451, "4.3.2", "Too much to do; try again later"},
    [MM_REPLY_GREYLISTED] = {451, "4.7.1", "Greylisted; try again later"},
    [MM_REPLY_FILTER_REFUSES] = {550, "5.7.1", "Refused by a filter of mail"},
    [MM_REPLY_FILTER_DEFERS] = {451, "4.7.1",
                                "Put off by a filter of mail, try again later"},
    [MM_REPLY_FILTER_AWAY] = {451, "4.3.2",
                              "A filter of mail cannot be asked, try again "
                              "later"},
    [MM_REPLY_FILTER_GONE] = {550, "5.3.2", "A filter of mail cannot be asked"},
    [MM_REPLY_KNOWN_SPAM] = {550, "5.7.1", "This text was refused as spam"},
    [MM_REPLY_HEADER_TOO_LARGE] = {552, "5.3.4",
                                   "Header too large to be changed"},
    [MM_REPLY_STORAGE_FULL] = {452, "4.3.1", "Insufficient system storage"},
    [MM_REPLY_MAILBOX_FULL] = {452, "4.2.2", "Mailbox full; try again later"},
    [MM_REPLY_TOO_MANY_RECIPIENTS] = {452, "4.5.3", "Too many recipients"},
    [MM_REPLY_TOO_MANY_MESSAGES] = {421, "4.7.0",
                                    "Too many messages in one session"},
    [MM_REPLY_TLS_UNAVAILABLE] = {454, "4.7.0", "TLS not available now"},
    [MM_REPLY_AUTH_TEMPORARY] = {454, "4.7.0",
                                 "Temporary authentication failure"},
    [MM_REPLY_LINE_TOO_LONG] = {500, "5.5.6", "Line too long"},
    [MM_REPLY_BARE_NEWLINE_COMMAND] = {500, "5.5.2",
                                       "Commands must end with CRLF"},
    [MM_REPLY_UNKNOWN_COMMAND] = {500, "5.5.1", "Command not recognized"},
    [MM_REPLY_SYNTAX] = {501, "5.5.2", "Syntax error"},
    [MM_REPLY_BAD_ARGUMENTS] = {501, "5.5.4", "Invalid arguments"},
    [MM_REPLY_BAD_SENDER] = {501, "5.1.7", "Bad sender address syntax"},
    [MM_REPLY_BAD_RECIPIENT] = {501, "5.1.3", "Bad recipient address syntax"},
    [MM_REPLY_AUTH_CANCELLED] = {501, "5.7.0", "Authentication cancelled"},
    [MM_REPLY_BAD_BASE64] = {501, "5.5.2", "Cannot decode the response"},
    [MM_REPLY_NOT_IMPLEMENTED] = {502, "5.5.1", "Command not implemented"},
    [MM_REPLY_BAD_SEQUENCE] = {503, "5.5.1", "Bad sequence of commands"},
    [MM_REPLY_HELLO_FIRST] = {503, "5.5.1", "Send EHLO or HELO first"},
    [MM_REPLY_ALREADY_TLS] = {503, "5.5.1", "TLS is already active"},
    [MM_REPLY_ALREADY_AUTHENTICATED] = {503, "5.5.1", "Already authenticated"},
    [MM_REPLY_MECHANISM_UNKNOWN] = {504, "5.5.4",
                                    "Authentication mechanism not supported"},
    [MM_REPLY_TLS_REQUIRED] = {530, "5.7.0",
                               "Must issue a STARTTLS command first"},
    [MM_REPLY_AUTH_REQUIRED] = {530, "5.7.0", "Authentication required"},
    [MM_REPLY_AUTH_FAILED] = {535, "5.7.8",
                              "Authentication credentials invalid"},
    [MM_REPLY_AUTH_NEEDS_TLS] = {538, "5.7.11",
                                 "Encryption required for this mechanism"},
    [MM_REPLY_NO_SUCH_USER] = {550, "5.1.1", "No such user here"},
    [MM_REPLY_MAILBOX_DISABLED] = {550, "5.2.1",
                                   "Mailbox disabled, not accepting messages"},
    [MM_REPLY_RELAY_DENIED] = {550, "5.7.1", "Relaying denied"},
    [MM_REPLY_BARE_NEWLINE] = {550, "5.6.11",
                               "Message has a CR or LF that is not CRLF"},
    [MM_REPLY_LOOP] = {554, "5.4.6", "Too many hops: mail loop"},
    [MM_REPLY_TOO_LARGE] = {552, "5.3.4", "Message too large"},
    [MM_REPLY_NEEDS_SMTPUTF8] = {553, "5.6.7",
                                 "Address needs the SMTPUTF8 parameter"},
    [MM_REPLY_NO_RECIPIENTS] = {554, "5.5.1", "No valid recipients"},
    [MM_REPLY_NOT_CONVERTED] = {554, "5.6.3",
                                "Binary part that cannot be converted"},
    [MM_REPLY_EARLY_TALKER] = {554, "5.5.1", "You spoke before the greeting"},
    [MM_REPLY_TRANSACTION_FAILED] = {554, "5.0.0", "Transaction failed"},
    [MM_REPLY_BAD_PARAMETER] = {555, "5.5.4",
                                "Parameter not recognized or not implemented"},
};

/* RFC 5321 4.5.3.1.5: 512 octets with code and CRLF; 12 more are kept for the
 * longest enhanced code that is written ("5.999.999 " and some). */
#define TEXT_LINE_MAX (512 - 4 - 12 - 2)

const struct mm_reply *mm_reply_get(enum mm_reply_id id)
{
    return &replies[id];
}

/* The text for a reply that has none of its own. */
static const char *standard_text(const struct mm_reply *reply)
{
    const char *text = NULL;
    for (size_t i = 0; i < MM_REPLY_COUNT; i++) {
        const struct mm_reply *entry = &replies[i];
        if (entry->code != reply->code) {
            continue;
        }
        if (reply->enhanced != NULL && entry->enhanced != NULL &&
            strcmp(reply->enhanced, entry->enhanced) == 0) {
            return entry->text;
        }
        if (text == NULL) {
            text = entry->text;
        }
    }
    if (text != NULL) {
        return text;
    }
    static const char *const classes[] = {
        "OK", "Go ahead", "Temporary failure; try again later", "Refused"};
    return classes[(reply->code / 100 - 2) & 3];
}

/* RFC 3463 2:  status-code = class "." subject "." detail
 *              class = "2" / "4" / "5" ; subject, detail = 1*3digit
 * and RFC 2034 4: the class is the reply code's. Returns its length or 0. */
static size_t match_enhanced(struct mm_span text, int code)
{
    size_t at = 0;
    if (text.size < 5 || text.data[0] != '0' + code / 100 || code / 100 == 3) {
        return 0;
    }
    at++;
    for (int part = 0; part < 2; part++) {
        if (at >= text.size || text.data[at] != '.') {
            return 0;
        }
        at++;
        size_t first = at;
        while (at < text.size && at - first < 3 &&
               mm_ascii_is_digit((unsigned char)text.data[at])) {
            at++;
        }
        if (at == first) {
            return 0;
        }
    }
    return at == text.size || text.data[at] == ' ' ? at : 0;
}

/* RFC 5321 4.2:  textstring = 1*(%d09 / %d32-126) */
static void append_clean(struct mm_buf *out, struct mm_span text)
{
    char piece[64];
    while (text.size > 0) {
        size_t size = text.size < sizeof piece ? text.size : sizeof piece;
        for (size_t i = 0; i < size; i++) {
            unsigned char c = (unsigned char)text.data[i];
            bool is_text = c == '\t' || mm_ascii_is_printable(c);
            piece[i] = is_text ? (char)c : '?';
        }
        if (mm_buf_append(out, piece, size) != MAILMOD_OK) {
            return;
        }
        text = mm_span_from(text, size);
    }
}

/* The part of a line that fits, cut at a blank where there is one. */
static size_t fold_size(struct mm_span line, int code)
{
    /* RFC 4954 4: a 334 challenge may be longer and is one line. */
    if (line.size <= TEXT_LINE_MAX || code == 334) {
        return line.size;
    }
    for (size_t at = TEXT_LINE_MAX; at > TEXT_LINE_MAX / 2; at--) {
        if (line.data[at] == ' ') {
            return at;
        }
    }
    return TEXT_LINE_MAX;
}

/* RFC 5321 4.2.1:  *( Reply-code "-" [ textstring ] CRLF )
 *                  Reply-code [ SP textstring ] CRLF
 * The blank is always written: RFC 4954 4 wants it for an empty challenge. */
static void append_line(struct mm_buf *out, const struct mm_reply *reply,
                        struct mm_span enhanced, struct mm_span text,
                        bool is_last)
{
    char code[4] = {(char)('0' + reply->code / 100),
                    (char)('0' + reply->code / 10 % 10),
                    (char)('0' + reply->code % 10), is_last ? ' ' : '-'};
    mm_buf_append(out, code, sizeof code);
    if (enhanced.size > 0) {
        mm_buf_append_span(out, enhanced);
        mm_buf_append_char(out, ' ');
    }
    append_clean(out, text);
    mm_buf_append_cstr(out, "\r\n");
}

enum mailmod_error mm_reply_write(struct mm_buf *out,
                                  const struct mm_reply *reply,
                                  bool with_enhanced)
{
    if (reply->code < 200 || reply->code > 599) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_span enhanced = mm_span_cstr(reply->enhanced);
    if (!with_enhanced || match_enhanced(enhanced, reply->code) == 0 ||
        memchr(enhanced.data, ' ', enhanced.size) != NULL) {
        enhanced = mm_span(NULL, 0);
    }
    /* All of the reply or nothing: half a line would be read as another. */
    size_t size_before = mm_buf_size(out);
    enum mailmod_error error_before = out->error;
    out->error = MAILMOD_OK;
    struct mm_span rest =
        mm_span_cstr(reply->text != NULL ? reply->text : standard_text(reply));
    bool is_last = false;
    while (!is_last && mm_buf_error(out) == MAILMOD_OK) {
        struct mm_span line;
        struct mm_span tail;
        bool has_more = mm_span_cut(rest, '\n', &line, &tail);
        size_t size = fold_size(line, reply->code);
        bool is_folded = size < line.size;
        is_last = !has_more && !is_folded;
        append_line(out, reply, enhanced, mm_span(line.data, size), is_last);
        if (is_folded) {
            size += line.data[size] == ' ' ? 1 : 0;
            rest = mm_span_from(rest, size);
        } else {
            rest = tail;
        }
    }
    enum mailmod_error error = mm_buf_error(out);
    if (error != MAILMOD_OK) {
        out->end = out->start + size_before;
    } else {
        out->error = error_before;
    }
    return error;
}

void mm_reply_parser_init(struct mm_reply_parser *parser)
{
    *parser = (struct mm_reply_parser){.is_complete = false};
    mm_buf_init(&parser->reply.text, MM_LIMIT_REPLY);
    mm_buf_init(&parser->line, MM_LIMIT_REPLY_LINE);
}

void mm_reply_parser_fini(struct mm_reply_parser *parser)
{
    mm_buf_fini(&parser->reply.text);
    mm_buf_fini(&parser->line);
}

void mm_reply_parser_reset(struct mm_reply_parser *parser)
{
    mm_buf_clear(&parser->reply.text);
    mm_buf_clear(&parser->line);
    parser->reply.code = 0;
    parser->reply.enhanced[0] = '\0';
    parser->reply.line_count = 0;
    parser->size = 0;
    parser->is_complete = false;
}

/* A text line that is safe to show: no control character, and 8-bit octets
 * only as UTF-8 (RFC 6531 3.7.4.2) without the C1 controls. */
static enum mailmod_error append_shown(struct mm_buf *out, struct mm_span text)
{
    bool keeps_8bit = mm_span_is_utf8(text);
    for (size_t i = 0; i < text.size && mm_buf_room(out) > 0; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_shown = c >= 0x80 ? keeps_8bit : mm_ascii_is_printable(c);
        if (keeps_8bit && c == 0xC2 && (unsigned char)text.data[i + 1] < 0xA0) {
            is_shown = false; /* U+0080 to U+009F: one mark for both octets */
            i++;
        }
        enum mailmod_error error = mm_buf_append_char(out, is_shown    ? (char)c
                                                           : c == '\t' ? ' '
                                                                       : '?');
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

/* Reply-code = %x32-35 %x30-35 %x30-39; the middle digit is not held to its
 * range, as codes outside it are sent. -1 when there is none. */
static int read_code(struct mm_span line, bool takes_any)
{
    if (line.size < 3 ||
        (!takes_any && (line.data[0] < '2' || line.data[0] > '5'))) {
        return -1;
    }
    int code = 0;
    for (size_t i = 0; i < 3; i++) {
        if (!mm_ascii_is_digit((unsigned char)line.data[i])) {
            return -1;
        }
        code = code * 10 + (line.data[i] - '0');
    }
    return code;
}

/* One line of the reply, without its line end. */
static enum mailmod_error take_line(struct mm_reply_parser *parser,
                                    struct mm_span line, bool *is_last_out)
{
    struct mm_reply_in *reply = &parser->reply;
    int code = read_code(line, parser->takes_any_code);
    if (code < 0 || (reply->line_count > 0 && code != reply->code)) {
        return MAILMOD_ERROR_PROTOCOL;
    }
    if (line.size > 3 && line.data[3] != ' ' && line.data[3] != '-') {
        return MAILMOD_ERROR_PROTOCOL;
    }
    if (reply->line_count >= MM_LIMIT_REPLY_LINES) {
        return MAILMOD_ERROR_LIMIT;
    }
    *is_last_out = line.size == 3 || line.data[3] == ' ';
    struct mm_span text = mm_span_from(line, line.size > 3 ? 4 : 3);
    reply->code = code;
    reply->line_count++;
    size_t enhanced_size = match_enhanced(text, code);
    if (enhanced_size > 0) { /* the last line's stands, as its code does */
        mm_span_copy(mm_span(text.data, enhanced_size), reply->enhanced,
                     sizeof reply->enhanced);
    }
    if (reply->line_count > 1 && mm_buf_room(&reply->text) > 0) {
        enum mailmod_error error = mm_buf_append_char(&reply->text, '\n');
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return append_shown(&reply->text, text);
}

enum mailmod_error mm_reply_parser_feed(struct mm_reply_parser *parser,
                                        const char *bytes, size_t size,
                                        size_t *used_out)
{
    *used_out = 0;
    while (!parser->is_complete && *used_out < size) {
        const char *at = bytes + *used_out;
        size_t left = size - *used_out;
        const char *lf = memchr(at, '\n', left);
        size_t taken = lf != NULL ? (size_t)(lf - at) : left;
        /* An over-long line is cut: its code counts, its text is for a log. */
        size_t room = mm_buf_room(&parser->line);
        enum mailmod_error error =
            mm_buf_append(&parser->line, at, taken < room ? taken : room);
        if (error != MAILMOD_OK) {
            return error;
        }
        *used_out += taken;
        parser->size += taken;
        if (parser->size > MM_LIMIT_REPLY_WHOLE) {
            return MAILMOD_ERROR_LIMIT;
        }
        if (lf == NULL) {
            break;
        }
        *used_out += 1;
        struct mm_span line = mm_buf_span(&parser->line);
        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        error = take_line(parser, line, &parser->is_complete);
        mm_buf_clear(&parser->line);
        if (error != MAILMOD_OK) {
            parser->is_complete = false;
            return error;
        }
    }
    return MAILMOD_OK;
}
