/* plain_text.c - transfer encodings and encoded words undone.
 *
 * Owns nothing. Promises: each octet is looked at a bounded number of times,
 * whatever the message says of its parts; no line of a body is lost but
 * boundaries, and what stands in an encoded body that its encoding does not
 * have is passed over (RFC 2045 6.8) or taken as it is (6.7).
 *
 * Law of a line: of a header until an empty one; then of a body until a
 * boundary that some header named, behind which a header begins, or, behind a
 * last one, a plain body.
 * Thread: any. RFC 2045 6; RFC 2046 5.1.1, 5.2.1; RFC 2047 2, 6.2. */
#include "wire/msg/plain_text.h"

#include "wire/msg/field.h"

#include <string.h>

enum coding { PLAIN, QUOTED, BASE64 };

struct reader {
    struct mm_buf *out;
    struct mm_span boundaries[MM_PLAIN_TEXT_BOUNDARIES_MAX];
    size_t boundary_count;
    enum coding coding;
    uint32_t bits; /* BASE64: not written yet, so many */
    unsigned bit_count;
};

static int base64_value(char c)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? strchr(letters, c) : NULL;

    return found != NULL ? (int)(found - letters) : -1;
}

/* ---- lines of bodies ---- */

static void add_base64(struct reader *reader, struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        int value = base64_value(text.data[i]);

        if (value < 0) {
            continue;
        }
        reader->bits = (reader->bits << 6 | (uint32_t)value) & 0xffffff;
        reader->bit_count += 6;
        if (reader->bit_count >= 8) {
            reader->bit_count -= 8;
            (void)mm_buf_append_char(
                reader->out,
                (char)(unsigned char)(reader->bits >> reader->bit_count));
        }
    }
}

/* The octet of "=41" at the place; -1: it is none. */
static int quoted_octet(struct mm_span text, size_t at)
{
    int high = at + 2 < text.size
                   ? mm_ascii_hex_value((unsigned char)text.data[at + 1])
                   : -1;
    int low =
        high >= 0 ? mm_ascii_hex_value((unsigned char)text.data[at + 2]) : -1;

    return low < 0 ? -1 : high << 4 | low;
}

static void add_quoted(struct mm_buf *out, struct mm_span text, bool is_word)
{
    for (size_t i = 0; i < text.size; i++) {
        int octet = text.data[i] == '=' ? quoted_octet(text, i) : -1;

        if (octet >= 0) {
            (void)mm_buf_append_char(out, (char)(unsigned char)octet);
            i += 2;
        } else {
            bool is_blank = is_word && text.data[i] == '_'; /* RFC 2047 4.2 */
            (void)mm_buf_append_char(out, is_blank ? ' ' : text.data[i]);
        }
    }
}

/* Without blanks and its end. */
static struct mm_span without_end(struct mm_span line)
{
    while (line.size > 0 && strchr(" \t\r\n", line.data[line.size - 1]) &&
           line.data[line.size - 1] != '\0') {
        line.size--;
    }
    return line;
}

static void add_line(struct reader *reader, struct mm_span line)
{
    struct mm_span text = without_end(line);

    if (reader->coding == BASE64) {
        add_base64(reader, text);
        return;
    }
    if (reader->coding == PLAIN) {
        (void)mm_buf_append_span(reader->out, line);
        return;
    }
    /* RFC 2045 6.7: "=" at its end leads into the next one. */
    bool is_soft = text.size > 0 && text.data[text.size - 1] == '=';
    text.size -= is_soft;
    add_quoted(reader->out, text, false);
    size_t end = line.size; /* of its CRLF; blanks ahead of it were none */
    while (end > 0 &&
           (line.data[end - 1] == '\n' || line.data[end - 1] == '\r')) {
        end--;
    }
    if (!is_soft) {
        (void)mm_buf_append_span(reader->out, mm_span_from(line, end));
    }
}

/* ---- headers ---- */

/* The value of the parameter, without quotes. RFC 2045 5.1. */
static struct mm_span boundary_of(struct mm_span value)
{
    struct mm_span before;

    while (mm_span_cut(value, ';', &before, &value)) {
        struct mm_span rest = mm_header_trim(value);

        if (!mm_span_starts_nocase(rest, "boundary")) {
            continue;
        }
        rest = mm_header_trim(mm_span_from(rest, sizeof "boundary" - 1));
        if (rest.size == 0 || rest.data[0] != '=') {
            continue;
        }
        rest = mm_header_trim(mm_span_from(rest, 1));
        struct mm_span text = rest;
        if (rest.size > 0 && rest.data[0] == '"') {
            return mm_span_cut(mm_span_from(rest, 1), '"', &text, &rest)
                       ? text
                       : mm_span("", 0);
        }
        text.size = 0;
        while (text.size < rest.size &&
               strchr("; \t\r\n", rest.data[text.size]) == NULL) {
            text.size++;
        }
        return text;
    }
    return mm_span("", 0);
}

static void note_type(struct reader *reader, struct mm_span value,
                      bool *is_message_out)
{
    *is_message_out = mm_span_starts_nocase(value, "message/rfc822");
    if (mm_span_starts_nocase(value, "multipart/") &&
        reader->boundary_count < MM_PLAIN_TEXT_BOUNDARIES_MAX) {
        struct mm_span boundary = boundary_of(value);
        if (boundary.size > 0) {
            reader->boundaries[reader->boundary_count++] = boundary;
        }
    }
}

/* A line that is no field, and no mailbox file's in front, is the body's. */
static bool next_field(struct mm_span *rest, struct mm_span *field_out)
{
    struct mm_span behind = *rest;

    if (!mm_header_next(&behind, field_out) ||
        (memchr(field_out->data, ':', field_out->size) == NULL &&
         !mm_span_starts_nocase(*field_out, "From "))) {
        return false;
    }
    *rest = behind;
    return true;
}

/* A header, and those of messages that are the part. */
static void read_header(struct reader *reader, struct mm_span *rest)
{
    struct mm_span field;
    bool is_message = true;

    while (is_message) {
        is_message = false;
        reader->coding = PLAIN;
        reader->bit_count = 0;
        while (next_field(rest, &field)) {
            struct mm_span value = mm_header_trim(mm_header_value(field));
            if (mm_header_is(field, "Content-Type")) {
                note_type(reader, value, &is_message);
            } else if (mm_header_is(field, "Content-Transfer-Encoding")) {
                reader->coding =
                    mm_span_starts_nocase(value, "base64")             ? BASE64
                    : mm_span_starts_nocase(value, "quoted-printable") ? QUOTED
                                                                       : PLAIN;
            }
        }
        struct mm_span line;
        struct mm_span behind;
        bool has_end = mm_span_cut(*rest, '\n', &line, &behind);
        if (without_end(line).size == 0) {
            *rest = has_end ? behind : mm_span_from(*rest, rest->size);
        }
        is_message = is_message && rest->size > 0;
    }
}

/* ---- the whole ---- */

/* RFC 2046 5.1.1. */
static bool is_boundary(const struct reader *reader, struct mm_span line,
                        bool *is_last_out)
{
    struct mm_span text = without_end(line);

    if (text.size < 3 || text.data[0] != '-' || text.data[1] != '-') {
        return false;
    }
    text = mm_span_from(text, 2);
    for (size_t i = 0; i < reader->boundary_count; i++) {
        struct mm_span boundary = reader->boundaries[i];

        if (text.size < boundary.size ||
            memcmp(text.data, boundary.data, boundary.size) != 0) {
            continue;
        }
        struct mm_span tail = mm_span_from(text, boundary.size);
        *is_last_out = mm_span_is(tail, "--");
        if (tail.size == 0 || *is_last_out) {
            return true;
        }
    }
    return false;
}

enum mailmod_error mm_plain_text_body(struct mm_span message,
                                      struct mm_buf *out)
{
    struct reader reader = {.out = out};

    read_header(&reader, &message);
    while (message.size > 0 && mm_buf_error(out) == MAILMOD_OK) {
        const char *end = memchr(message.data, '\n', message.size);
        size_t size =
            end != NULL ? (size_t)(end - message.data) + 1 : message.size;
        struct mm_span line = mm_span(message.data, size);
        bool is_last = false;

        message = mm_span_from(message, size);
        if (!is_boundary(&reader, line, &is_last)) {
            add_line(&reader, line);
        } else if (is_last) {
            reader.coding = PLAIN;
        } else {
            read_header(&reader, &message);
        }
    }
    return mm_buf_error(out);
}

/* ---- encoded words ---- */

/* "=?charset?B?text?=" at the beginning of `rest`. RFC 2047 2. */
static bool take_word(struct mm_span *rest, char *encoding_out,
                      struct mm_span *text_out)
{
    struct mm_span charset;
    struct mm_span encoding;
    struct mm_span after;

    if (rest->size < 2 || memcmp(rest->data, "=?", 2) != 0 ||
        !mm_span_cut(mm_span_from(*rest, 2), '?', &charset, &after) ||
        !mm_span_cut(after, '?', &encoding, &after) || encoding.size != 1 ||
        charset.size > 75 || !mm_span_cut(after, '?', text_out, &after) ||
        after.size == 0 || after.data[0] != '=') {
        return false;
    }
    *encoding_out = (char)mm_ascii_lower((unsigned char)encoding.data[0]);
    if (*encoding_out != 'b' && *encoding_out != 'q') {
        return false;
    }
    *rest = mm_span_from(after, 1);
    return true;
}

static void add_word(struct mm_buf *out, char encoding, struct mm_span text)
{
    struct mm_buf word;
    struct reader reader = {.out = &word};

    mm_buf_init(&word, text.size);
    if (encoding == 'b') {
        add_base64(&reader, text);
    } else {
        add_quoted(&word, text, true);
    }
    for (size_t i = 0; i < mm_buf_size(&word); i++) {
        char c = mm_buf_span(&word).data[i];
        (void)mm_buf_append_char(out, c == '\r' || c == '\n' ? ' ' : c);
    }
    mm_buf_fini(&word);
}

enum mailmod_error mm_plain_text_value(struct mm_span value, struct mm_buf *out)
{
    while (value.size > 0 && mm_buf_error(out) == MAILMOD_OK) {
        struct mm_span text;
        char encoding;

        if (!take_word(&value, &encoding, &text)) {
            (void)mm_buf_append_char(out, value.data[0]);
            value = mm_span_from(value, 1);
            continue;
        }
        add_word(out, encoding, text);
        /* RFC 2047 6.2: blanks between two of them are none. */
        size_t blanks = 0;
        while (blanks < value.size && value.data[blanks] <= ' ' &&
               value.data[blanks] > '\0') {
            blanks++;
        }
        struct mm_span next = mm_span_from(value, blanks);
        struct mm_span probe = next;
        if (take_word(&probe, &encoding, &text)) {
            value = next;
        }
    }
    return mm_buf_error(out);
}
