/* server_reply.c - every text that the POP3 server says, and how a reply is
 * put on the wire.
 *
 * Owns the table of texts. Promises: a reply is one line of at most 512 octets
 * (RFC 2449 4) of printable ASCII whatever text the host gave, so that nobody's
 * text can forge a second line or a response code; it is written whole or not
 * at all. Lives on its conversation's thread.
 *
 * RFC 1939 3 (replies), RFC 2449 4 and 8 (length, response codes), RFC 3206
 * (AUTH, SYS/TEMP, SYS/PERM). */
#include "wire/pop3/server_internal.h"

#include <string.h>

static const struct mm_pop3_reply texts[MM_POP3D_TEXT_COUNT] = {
    [MM_POP3D_OK_PLAIN] = {true, NULL, "Done."},
    [MM_POP3D_OK_USER] = {true, NULL, "Send the password."},
    [MM_POP3D_OK_LOGIN] = {true, NULL, "Logged in."},
    [MM_POP3D_OK_CAPA] = {true, NULL, "Capabilities follow."},
    [MM_POP3D_OK_MECHANISMS] = {true, NULL, "Mechanisms follow."},
    [MM_POP3D_OK_STLS] = {true, NULL, "Begin TLS now."},
    [MM_POP3D_OK_UTF8] = {true, NULL, "UTF-8 is taken and served."},
    /* RFC 6856 3: the tag stands before the text. */
    [MM_POP3D_OK_LANGUAGE] = {true, NULL, "en The texts are in English."},
    [MM_POP3D_OK_LANGUAGES] = {true, NULL, "Languages follow."},
    [MM_POP3D_OK_LIST] = {true, NULL, "Sizes follow."},
    [MM_POP3D_OK_UIDL] = {true, NULL, "Unique identifiers follow."},
    [MM_POP3D_OK_MESSAGE] = {true, NULL, "Message follows."},
    [MM_POP3D_OK_DELE] = {true, NULL, "Marked for deletion."},
    [MM_POP3D_OK_DELI] = {true, NULL, "Deleted."},
    [MM_POP3D_OK_SLEE] = {true, NULL, "Asleep."},
    [MM_POP3D_OK_WAKE] = {true, NULL, "Awake."},
    [MM_POP3D_OK_CORE] = {true, NULL, "Listed anew."},
    [MM_POP3D_OK_QAUT] = {true, NULL, "Logged out."},
    [MM_POP3D_OK_RSET] = {true, NULL, "No message is marked."},
    [MM_POP3D_OK_BYE] = {true, NULL, "Goodbye."},
    [MM_POP3D_ERR_CONNECT] = {false, "SYS/TEMP", "No service now."},
    [MM_POP3D_ERR_UNKNOWN] = {false, NULL, "Unknown command."},
    [MM_POP3D_ERR_TOO_LONG] = {false, NULL, "Line too long."},
    [MM_POP3D_ERR_LINE_END] = {false, NULL, "Only CRLF ends a line."},
    [MM_POP3D_ERR_OCTETS] = {false, NULL, "Only printable ASCII, please."},
    [MM_POP3D_ERR_ARGUMENTS] = {false, NULL, "Wrong number of arguments."},
    [MM_POP3D_ERR_NUMBER] = {false, NULL, "Not a number allowed here."},
    [MM_POP3D_ERR_UNIQUE_ID] = {false, "UID/NOT-FOUND", "No such UID."},
    [MM_POP3D_ERR_ASLEEP] = {false, NULL, "Asleep: WAKE, NOOP or QUIT."},
    [MM_POP3D_ERR_AWAKE] = {false, NULL, "Not asleep."},
    [MM_POP3D_ERR_LOGIN_FIRST] = {false, NULL, "Log in first."},
    [MM_POP3D_ERR_LOGGED_IN] = {false, NULL, "Not after the login."},
    [MM_POP3D_ERR_NEEDS_TLS] = {false, NULL, "A login needs TLS first."},
    [MM_POP3D_ERR_USER_FIRST] = {false, NULL, "USER first."},
    [MM_POP3D_ERR_NO_APOP] = {false, NULL, "APOP is not offered."},
    [MM_POP3D_ERR_MECHANISM] = {false, NULL, "No such mechanism."},
    [MM_POP3D_ERR_CANCELLED] = {false, NULL, "Login cancelled."},
    [MM_POP3D_ERR_BASE64] = {false, NULL, "Not base64."},
    [MM_POP3D_ERR_LANGUAGE] = {false, NULL, "No texts in that language."},
    [MM_POP3D_ERR_NO_STLS] = {false, NULL, "STLS is not offered."},
    [MM_POP3D_ERR_IS_TLS] = {false, NULL, "TLS has begun before."},
    [MM_POP3D_ERR_STLS_FAILED] = {false, "SYS/TEMP", "No TLS now."},
    [MM_POP3D_ERR_EARLY_INPUT] = {false, NULL, "Input before TLS began."},
    /* RFC 3206 4: the code says that the credentials are at fault. */
    [MM_POP3D_ERR_LOGIN] = {false, "AUTH", "Wrong user name or password."},
    [MM_POP3D_ERR_MESSAGE] = {false, NULL, "No such message."},
    [MM_POP3D_ERR_TEMPORARY] = {false, "SYS/TEMP", "Cannot do that now."},
    [MM_POP3D_ERR_UPDATE] = {false, "SYS/TEMP", "Messages not removed."},
};

/* One line being made in a fixed space; what does not fit is left out. Two
 * octets are kept for CRLF. */
struct line_maker {
    char text[MM_POP3D_REPLY_LINE];
    size_t size;
};

static void put(struct line_maker *line, const char *text)
{
    for (; *text != '\0' && line->size < sizeof line->text - 2; text++) {
        unsigned char c = (unsigned char)*text;
        line->text[line->size++] = mm_ascii_is_printable(c) ? (char)c : '?';
    }
}

static void put_line(struct mm_pop3d *pop3d, struct line_maker *line)
{
    memcpy(line->text + line->size, "\r\n", 2);
    size_t size = mm_buf_size(&pop3d->output);
    if (mm_buf_append(&pop3d->output, line->text, line->size + 2) !=
        MAILMOD_OK) {
        mm_pop3d_break_off(pop3d, "no memory for a reply");
    }
    mm_pop3d_tell_output(pop3d, size);
}

/* RFC 2449 8: with RESP-CODES announced, a text that begins with "[" would be
 * read as a response code; only a code may. */
static void put_text(struct line_maker *line, const char *text)
{
    if (*text == '[') {
        put(line, "?");
        text++;
    }
    put(line, text);
}

/* The replies that go on behind their first line. */
static bool is_multi_line(enum mm_pop3d_text id)
{
    switch (id) {
    case MM_POP3D_OK_CAPA:
    case MM_POP3D_OK_MECHANISMS:
    case MM_POP3D_OK_LANGUAGES:
    case MM_POP3D_OK_LIST:
    case MM_POP3D_OK_UIDL:
    case MM_POP3D_OK_MESSAGE:
        return true;
    default:
        return false;
    }
}

/* pop3svc's MULTI-LINE-IND: a blank and "_" end the first line of several, and
 * no other one, whatever the host's text is. */
static void put_indication(struct line_maker *line, bool is_first_of_several)
{
    static const char mark[] = " _";
    size_t mark_size = sizeof mark - 1;
    size_t room = sizeof line->text - 2 - mark_size;

    if (is_first_of_several) {
        line->size = line->size < room ? line->size : room;
        put(line, mark);
    } else if (line->size > mark_size &&
               memcmp(line->text + line->size - mark_size, mark, mark_size) ==
                   0) {
        line->text[line->size - 1] = '-';
    }
}

static void put_status(struct line_maker *line,
                       const struct mm_pop3_reply *reply)
{
    put(line, reply->is_ok ? "+OK " : "-ERR ");
    if (reply->code != NULL) {
        put(line, "[");
        put(line, reply->code);
        put(line, "] ");
    }
}

void mm_pop3d_write(struct mm_pop3d *pop3d, const struct mm_pop3_reply *reply,
                    enum mm_pop3d_text standard)
{
    struct line_maker line = {.size = 0};
    struct mm_pop3_reply merged = reply != NULL ? *reply : texts[standard];
    if (merged.text == NULL) {
        merged.text = texts[standard].text;
        /* A bare "no" is the standard one, with its code. */
        merged.code = merged.code != NULL ? merged.code : texts[standard].code;
    }
    put_status(&line, &merged);
    put_text(&line, merged.text);
    if (mm_pop3d_has(pop3d, MM_POP3D_MULTI_LINE_IND) && merged.is_ok) {
        put_indication(&line, is_multi_line(standard));
    }
    put_line(pop3d, &line);
}

void mm_pop3d_say(struct mm_pop3d *pop3d, enum mm_pop3d_text id)
{
    mm_pop3d_write(pop3d, NULL, id);
}

/* RFC 1939 7: APOP's time stamp stands in the greeting, and stands last. */
void mm_pop3d_write_greeting(struct mm_pop3d *pop3d,
                             const struct mm_pop3_reply *reply)
{
    struct line_maker line = {.size = 0};
    put(&line, "+OK ");
    if (reply != NULL && reply->text != NULL) {
        put_text(&line, reply->text);
    } else {
        put(&line, pop3d->options.host_name);
        put(&line, " ");
        put(&line, pop3d->options.greeting_name != NULL
                       ? pop3d->options.greeting_name
                       : "POP3");
        put(&line, " ready");
    }
    if (pop3d->stamp != NULL) {
        size_t room = sizeof line.text - 3 - strlen(pop3d->stamp);
        line.size = line.size < room ? line.size : room;
        put(&line, " ");
        put(&line, pop3d->stamp);
    }
    put_line(pop3d, &line);
}

void mm_pop3d_write_line(struct mm_pop3d *pop3d, const char *word,
                         const char *rest)
{
    struct line_maker line = {.size = 0};
    put(&line, word);
    if (rest != NULL) {
        put(&line, " ");
        put(&line, rest);
    }
    put_line(pop3d, &line);
}
