/* seven_bit.c - a message of 8 bits for a host of 7, and one of binary parts
 * for who takes lines.
 *
 * Owns nothing but the structure that the caller holds. Promises: each body
 * that is not encoded yet becomes quoted-printable and is labelled so; parts of
 * parts, and messages in messages, likewise; multipart/signed and
 * multipart/encrypted, what a DKIM-Signature covers, and what cannot be
 * understood stay octet for octet, but for line ends. Header fields keep their
 * order but Content-Transfer-Encoding, which becomes the last one. Of a message
 * with binary parts those alone are encoded, as base64, without the loss of an
 * octet; what cannot be is told.
 *
 * Law of a part: HEADER -> CODED (its body is encoded) or PLAIN (it is not);
 * a line with the boundary of an open multipart leads to the next HEADER, or
 * to PLAIN behind the last part.
 * RFC 6152 3, RFC 3030 3, RFC 2045 6, 6.7 and 6.8, RFC 2046 5.1 and 5.2, RFC
 * 6376 5.3.
 * Thread: any. */
#include "wire/msg/seven_bit.h"

#include "base/base64.h"

#include <string.h>

enum { HEADER, CODED, PLAIN };
enum { FIELD_OTHER, FIELD_TYPE, FIELD_ENCODING };

/* RFC 2045 6.7: 76 with the "=" of a soft line break. */
#define COLUMN_MAX 75u
/* RFC 2045 6.8: 76 octets, of base64. */
#define BASE64_COLUMN_MAX 76u

static void put(struct mm_buf *out, struct mm_span octets)
{
    (void)mm_buf_append_span(out, octets); /* its error stays with it */
}

static void put_line(struct mm_buf *out, struct mm_span line, bool has_end)
{
    put(out, line);
    if (has_end) {
        (void)mm_buf_append_cstr(out, "\r\n");
    }
}

/* ---- quoted-printable ---- */

static void put_coded(struct mm_seven_bit *message, struct mm_buf *out,
                      unsigned char octet, bool is_plain)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned size = is_plain ? 1 : 3;
    if (message->column + size > COLUMN_MAX) {
        (void)mm_buf_append_cstr(out, "=\r\n");
        message->column = 0;
    }
    message->column += size;
    if (is_plain) {
        (void)mm_buf_append_char(out, (char)octet);
        return;
    }
    (void)mm_buf_append_char(out, '=');
    (void)mm_buf_append_char(out, digits[octet >> 4]);
    (void)mm_buf_append_char(out, digits[octet & 15]);
}

static void code(struct mm_seven_bit *message, struct mm_buf *out,
                 struct mm_span piece, bool has_end)
{
    for (size_t i = 0; i < piece.size; i++) {
        unsigned char octet = (unsigned char)piece.data[i];
        bool is_blank = octet == ' ' || octet == '\t';
        /* No blank may end a line; a piece may be followed by its end. */
        bool is_plain = is_blank ? i + 1 < piece.size
                                 : octet > 32 && octet < 127 && octet != '=';
        put_coded(message, out, octet, is_plain);
    }
    if (has_end) {
        (void)mm_buf_append_cstr(out, "\r\n");
        message->column = 0;
    }
}

/* ---- base64 ---- */

/* What is gathered, with its padding. */
static void put_group(struct mm_seven_bit *message, struct mm_buf *out)
{
    if (message->group_size == 0) {
        return;
    }
    if (message->column == BASE64_COLUMN_MAX) {
        (void)mm_buf_append_cstr(out, "\r\n");
        message->column = 0;
    }
    (void)mm_base64_encode(out, message->group, message->group_size);
    message->column += 4;
    message->group_size = 0;
}

static void put_octets(struct mm_seven_bit *message, struct mm_buf *out,
                       struct mm_span octets)
{
    for (size_t i = 0; i < octets.size; i++) {
        message->group[message->group_size++] = (unsigned char)octets.data[i];
        if (message->group_size == sizeof message->group) {
            put_group(message, out);
        }
    }
}

static void put_owed_end(struct mm_seven_bit *message, struct mm_buf *out)
{
    if (message->owes_end) {
        message->owes_end = false;
        put_octets(message, out, mm_span("\r\n", 2));
    }
}

static void code_base64(struct mm_seven_bit *message, struct mm_buf *out,
                        struct mm_span piece, bool has_end)
{
    put_owed_end(message, out);
    put_octets(message, out, piece);
    message->owes_end = has_end;
}

/* The body is over: at a boundary, whose the last CRLF was (RFC 2046 5.1.1), or
 * with the message. */
static void end_base64(struct mm_seven_bit *message, struct mm_buf *out)
{
    put_group(message, out);
    if (message->column > 0 || message->owes_end) {
        (void)mm_buf_append_cstr(out, "\r\n");
    }
    message->owes_end = false;
    message->column = 0;
}

/* ---- Content-Type ---- */

/* The value behind "name:" or in a parameter, to the next separator. */
static struct mm_span take_token(struct mm_span *rest)
{
    size_t size = 0;
    *rest = mm_span_trim(*rest);
    while (size < rest->size && rest->data[size] != ';' &&
           rest->data[size] != ' ' && rest->data[size] != '\t' &&
           rest->data[size] != '(') {
        size++;
    }
    struct mm_span token = mm_span(rest->data, size);
    *rest = mm_span_from(*rest, size);
    return token;
}

static bool add_octet(struct mm_seven_bit_boundary *boundary, char octet)
{
    if (boundary->size == sizeof boundary->text) {
        return false;
    }
    boundary->text[boundary->size++] = octet;
    return true;
}

/* A value with quotes or without; what follows it stays in `rest`. */
static bool take_value(struct mm_span *rest,
                       struct mm_seven_bit_boundary *boundary)
{
    if (rest->size == 0 || rest->data[0] != '"') {
        struct mm_span token = take_token(rest);
        bool fits = true;
        for (size_t i = 0; fits && i < token.size; i++) {
            fits = add_octet(boundary, token.data[i]);
        }
        return fits;
    }
    size_t at = 1;
    while (at < rest->size && rest->data[at] != '"') {
        at += rest->data[at] == '\\' && at + 1 < rest->size ? 1 : 0;
        if (!add_octet(boundary, rest->data[at++])) {
            return false;
        }
    }
    *rest = mm_span_from(*rest, at + 1);
    return true;
}

/* Its line begins with "--" and the parameter. */
static bool find_boundary(struct mm_span rest,
                          struct mm_seven_bit_boundary *boundary)
{
    struct mm_span before;
    while (mm_span_cut(rest, ';', &before, &rest)) {
        rest = mm_span_trim(rest);
        if (!mm_span_starts_nocase(rest, "boundary")) {
            continue;
        }
        struct mm_span value = mm_span_trim(mm_span_from(rest, 8));
        if (value.size == 0 || value.data[0] != '=') {
            continue;
        }
        value = mm_span_trim(mm_span_from(value, 1));
        *boundary = (struct mm_seven_bit_boundary){.text = "--", .size = 2};
        return take_value(&value, boundary) && boundary->size > 2;
    }
    return false;
}

static struct mm_span type_of(const struct mm_seven_bit *message)
{
    if (message->has_type) {
        return mm_span(message->type, message->type_size);
    }
    return mm_span_cstr(message->is_digest ? "message/rfc822" : "text/plain");
}

/* ---- the end of a header ---- */

/* The word of its label; "" without one. */
static struct mm_span encoding_of(const struct mm_seven_bit *message)
{
    struct mm_span name;
    struct mm_span rest;
    (void)mm_span_cut(mm_span(message->encoding, message->encoding_size), ':',
                      &name, &rest);
    struct mm_span end = mm_span(rest.data, rest.size);
    while (end.size > 0 &&
           (end.data[end.size - 1] == '\n' || end.data[end.size - 1] == '\r')) {
        end.size--;
    }
    mm_span_skip_comments(&end);
    return take_token(&end);
}

static bool is_encoded(const struct mm_seven_bit *message)
{
    static const char *const identities[] = {"", "7bit", "8bit", "binary"};
    struct mm_span token = encoding_of(message);
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
        if (mm_span_is_nocase(token, identities[i])) {
            return false;
        }
    }
    return true;
}

static void keep_encoding(const struct mm_seven_bit *message,
                          struct mm_buf *out)
{
    put(out, mm_span(message->encoding, message->encoding_size));
}

static void put_encoding(const struct mm_seven_bit *message, struct mm_buf *out,
                         const char *encoding)
{
    if (message->is_message && !message->is_mime) {
        (void)mm_buf_append_cstr(out, "MIME-Version: 1.0\r\n");
    }
    if (message->is_message && !message->has_type) {
        /* RFC 1428 3: nobody said which letters these are. */
        (void)mm_buf_append_cstr(
            out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
    }
    (void)mm_buf_appendf(out, "Content-Transfer-Encoding: %s\r\n", encoding);
}

/* A part of parts, or of a message: its own label is about them all. */
static void put_composite(const struct mm_seven_bit *message,
                          struct mm_buf *out)
{
    if (message->encoding_size > 0) {
        (void)mm_buf_append_cstr(out, "Content-Transfer-Encoding: 7bit\r\n");
    }
}

static bool open_multipart(struct mm_seven_bit *message, struct mm_span type)
{
    struct mm_seven_bit_boundary boundary;
    if (message->depth == MM_SEVEN_BIT_DEPTH_MAX || is_encoded(message) ||
        mm_span_starts_nocase(type, "multipart/signed") ||
        mm_span_starts_nocase(type, "multipart/encrypted") ||
        !find_boundary(type, &boundary)) {
        return false;
    }
    boundary.is_digest = mm_span_starts_nocase(type, "multipart/digest");
    message->boundaries[message->depth++] = boundary;
    return true;
}

static void begin_header(struct mm_seven_bit *message, bool is_message,
                         bool is_digest)
{
    message->mode = HEADER;
    message->is_message = is_message;
    message->is_mime = false;
    message->field = FIELD_OTHER;
    message->has_type = false;
    message->is_digest = is_digest;
    message->type_size = 0;
    message->encoding_size = 0;
}

/* RFC 2045 6.4: what holds other parts is 8bit when none is binary any more. */
static void relabel_binary(struct mm_seven_bit *message, struct mm_buf *out,
                           bool is_binary)
{
    if (is_binary) {
        (void)mm_buf_append_cstr(out, "Content-Transfer-Encoding: 8bit\r\n");
    } else {
        keep_encoding(message, out);
    }
}

/* Of a message whose binary parts are encoded: the body's mode, and what is
 * said of its encoding. */
static void end_binary_header(struct mm_seven_bit *message, struct mm_buf *out)
{
    struct mm_span type = type_of(message);
    bool is_binary = mm_span_is_nocase(encoding_of(message), "binary");
    message->mode = PLAIN;
    message->is_top = false;
    if (is_binary && message->is_signed) {
        message->is_stuck = true;
    } else if (mm_span_starts_nocase(type, "multipart/")) {
        bool is_open = open_multipart(message, type);
        relabel_binary(message, out, is_binary && is_open);
        message->is_stuck = message->is_stuck || (is_binary && !is_open);
    } else if (mm_span_starts_nocase(type, "message/rfc822") &&
               !is_encoded(message)) {
        relabel_binary(message, out, is_binary);
        begin_header(message, true, false);
    } else if (!is_binary) {
        keep_encoding(message, out);
    } else if (mm_span_starts_nocase(type, "message/")) {
        message->is_stuck = true; /* RFC 2046 5.2: it may not be encoded */
    } else {
        put_encoding(message, out, "base64");
        message->mode = CODED;
        message->column = 0;
    }
}

/* The body's mode; what is to be said of its encoding. */
static void end_header(struct mm_seven_bit *message, struct mm_buf *out)
{
    if (message->is_binary) {
        end_binary_header(message, out);
        return;
    }
    struct mm_span type = type_of(message);
    bool is_left = message->is_signed || is_encoded(message);
    message->mode = PLAIN;
    if (is_left) {
        keep_encoding(message, out);
    } else if (mm_span_starts_nocase(type, "multipart/")) {
        if (open_multipart(message, type)) {
            put_composite(message, out);
        } else {
            keep_encoding(message, out);
        }
    } else if (mm_span_starts_nocase(type, "message/rfc822")) {
        put_composite(message, out);
        begin_header(message, true, false);
    } else if (mm_span_starts_nocase(type, "message/")) {
        keep_encoding(message, out); /* RFC 2046 5.2: 7bit by its nature */
    } else {
        put_encoding(message, out, "quoted-printable");
        message->mode = CODED;
        message->column = 0;
    }
    message->is_top = false;
}

/* ---- lines ---- */

static void note_field(struct mm_seven_bit *message, struct mm_span line)
{
    struct mm_span name;
    struct mm_span value;
    (void)mm_span_cut(line, ':', &name, &value);
    name = mm_span_trim(name);
    message->field = FIELD_OTHER;
    if (mm_span_is_nocase(name, "Content-Type") && !message->has_type) {
        message->field = FIELD_TYPE;
        message->has_type = true;
    } else if (mm_span_is_nocase(name, "Content-Transfer-Encoding")) {
        message->field = FIELD_ENCODING;
        message->encoding_size = 0; /* the last one counts, alone */
    } else if (mm_span_is_nocase(name, "MIME-Version")) {
        message->is_mime = true;
    } else if (message->is_top && mm_span_is_nocase(name, "DKIM-Signature")) {
        message->is_signed = true;
    }
}

static void copy(char *to, size_t *size, size_t size_max, struct mm_span from)
{
    size_t room = size_max - *size;
    size_t count = from.size < room ? from.size : room;
    memcpy(to + *size, from.data, count);
    *size += count;
}

/* Of a field, perhaps its continuation. */
static void take_header(struct mm_seven_bit *message, struct mm_buf *out,
                        struct mm_span line, bool begins, bool has_end)
{
    bool is_folded = !begins || (line.size > 0 &&
                                 (line.data[0] == ' ' || line.data[0] == '\t'));
    if (begins && line.size == 0) {
        end_header(message, out);
        put_line(out, line, has_end);
        return;
    }
    if (!is_folded) {
        note_field(message, line);
    }
    if (message->field == FIELD_ENCODING) {
        copy(message->encoding, &message->encoding_size,
             sizeof message->encoding - 2, line);
        if (has_end) {
            copy(message->encoding, &message->encoding_size,
                 sizeof message->encoding, mm_span_cstr("\r\n"));
        }
        return;
    }
    if (message->field == FIELD_TYPE) {
        struct mm_span text = line;
        struct mm_span name;
        if (!is_folded) {
            (void)mm_span_cut(line, ':', &name, &text);
        }
        if (message->type_size == 0) {
            text = mm_span_trim(text);
        }
        copy(message->type, &message->type_size, sizeof message->type, text);
    }
    put_line(out, line, has_end);
}

/* Which open multipart the line is of; depth: none. */
static size_t boundary_of(const struct mm_seven_bit *message,
                          struct mm_span line, bool *is_last)
{
    while (line.size > 0 && (line.data[line.size - 1] == ' ' ||
                             line.data[line.size - 1] == '\t')) {
        line.size--;
    }
    for (size_t i = message->depth; i-- > 0;) {
        const struct mm_seven_bit_boundary *boundary = &message->boundaries[i];
        struct mm_span text = mm_span(boundary->text, boundary->size);
        if (line.size < text.size ||
            memcmp(line.data, text.data, text.size) != 0) {
            continue;
        }
        struct mm_span rest = mm_span_from(line, text.size);
        *is_last = mm_span_is(rest, "--");
        if (*is_last || rest.size == 0) {
            return i;
        }
    }
    return message->depth;
}

static void take_piece(struct mm_seven_bit *message, struct mm_buf *out,
                       bool has_end)
{
    struct mm_span line = mm_span(message->piece, message->piece_size);
    bool begins = !message->in_line;
    bool is_last = false;
    size_t at = begins ? boundary_of(message, line, &is_last) : message->depth;
    if (at < message->depth) {
        if (message->mode == HEADER) {
            keep_encoding(message, out); /* a part without a body */
        } else if (message->mode == CODED && message->is_binary) {
            end_base64(message, out);
        }
        message->depth = is_last ? at : at + 1;
        if (is_last) {
            message->mode = PLAIN;
        } else {
            begin_header(message, false, message->boundaries[at].is_digest);
        }
        put_line(out, line, has_end);
    } else if (message->mode == HEADER) {
        take_header(message, out, line, begins, has_end);
    } else if (message->mode == CODED && message->is_binary) {
        code_base64(message, out, line, has_end);
    } else if (message->mode == CODED) {
        code(message, out, line, has_end);
    } else {
        put_line(out, line, has_end);
    }
    message->piece_size = 0;
    message->in_line = !has_end;
}

void mm_seven_bit_init(struct mm_seven_bit *message)
{
    memset(message, 0, sizeof *message);
    begin_header(message, true, false);
    message->is_top = true;
}

void mm_seven_bit_init_binary(struct mm_seven_bit *message)
{
    mm_seven_bit_init(message);
    message->is_binary = true;
}

static void add_octet_of_line(struct mm_seven_bit *message, struct mm_buf *out,
                              char octet)
{
    message->piece[message->piece_size++] = octet;
    if (message->piece_size == sizeof message->piece) {
        take_piece(message, out, false);
    }
}

/* CRLF alone ends a line: a CR or LF by itself is an octet as others are. */
static void take_binary(struct mm_seven_bit *message, struct mm_buf *out,
                        char octet)
{
    if (message->after_cr && octet == '\n') {
        message->after_cr = false;
        take_piece(message, out, true);
        return;
    }
    if (message->after_cr) {
        add_octet_of_line(message, out, '\r');
    }
    message->after_cr = octet == '\r';
    if (!message->after_cr) {
        add_octet_of_line(message, out, octet);
    }
}

static void take_lines(struct mm_seven_bit *message, struct mm_buf *out,
                       char octet)
{
    bool is_pair = message->after_cr && octet == '\n';
    message->after_cr = octet == '\r';
    if (is_pair) {
        return; /* the CR ended the line */
    }
    if (octet == '\r' || octet == '\n') {
        take_piece(message, out, true);
        return;
    }
    add_octet_of_line(message, out, octet);
}

size_t mm_seven_bit_write(struct mm_seven_bit *message, struct mm_buf *out,
                          const char *octets, size_t size)
{
    size_t at = 0;
    while (at < size && mm_buf_room(out) >= MM_SEVEN_BIT_ROOM) {
        if (message->is_binary) {
            take_binary(message, out, octets[at++]);
        } else {
            take_lines(message, out, octets[at++]);
        }
    }
    return at;
}

void mm_seven_bit_end(struct mm_seven_bit *message, struct mm_buf *out)
{
    if (message->is_binary && message->after_cr) {
        add_octet_of_line(message, out, '\r');
    }
    if (message->piece_size > 0 || message->in_line) {
        take_piece(message, out, false);
    }
    if (message->mode == HEADER) {
        keep_encoding(message, out);
    } else if (message->mode == CODED && message->is_binary) {
        put_owed_end(message, out);
        end_base64(message, out);
    }
}
