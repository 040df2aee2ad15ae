/* header_field.c - a header field from its name and its value.
 *
 * Owns nothing. Promises: the value cannot end the field, so nobody who has a
 * part of it writes fields of his own; unfolded and decoded the field is the
 * value, but for blanks at its ends; a text cut into encoded words is cut
 * between characters.
 *
 * Any thread. RFC 5322 2.1.1 (lengths), 2.2 (names and values), 2.2.3
 * (folding); RFC 2047 2, 5 (encoded words, and where none may stand). */
#include "wire/msg/header_field.h"

#include "base/base64.h"

#include <string.h>

/* RFC 5322 2.1.1: of a line, without its end. */
#define LINE_MAX_OCTETS 998
#define LINE_WISHED_OCTETS 78
/* RFC 2047 2: an encoded word has 75 characters at most, 12 of them its frame;
 * base64 makes 60 of 45. */
#define ENCODED_OCTETS 45

struct writer {
    struct mm_buf *out;
    size_t column;
    bool is_empty; /* the line has nothing but the name yet */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name(struct mm_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];

        if (c <= ' ' || c >= 127 || c == ':') {
            return false;
        }
    }
    return name.size > 0 && name.size <= MM_HEADER_FIELD_NAME_MAX;
}

/* RFC 5322 3.6.2, 3.6.3, 3.6.6: fields with addresses, in which no encoded word
 * may stand for one (RFC 2047 5). */
static bool has_addresses(struct mm_span name)
{
    static const char *const names[] = {
        "From",        "Sender",        "Reply-To",  "To",        "Cc",
        "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Bcc"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (mm_span_is_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* The blanks in front of a word, then the word; a new line between where the
 * old one is full. */
static void put_word(struct writer *writer, struct mm_span blanks,
                     struct mm_span word)
{
    if (writer->column + blanks.size + word.size > LINE_WISHED_OCTETS &&
        !writer->is_empty && blanks.size > 0) {
        (void)mm_buf_append_cstr(writer->out, "\r\n");
        writer->column = 0;
    }
    (void)mm_buf_append_span(writer->out, blanks);
    (void)mm_buf_append_span(writer->out, word);
    writer->column += blanks.size + word.size;
    writer->is_empty = false;
}

/* How many octets of the text one encoded word takes: whole characters. */
static size_t encoded_part(struct mm_span text)
{
    size_t size = text.size < ENCODED_OCTETS ? text.size : ENCODED_OCTETS;

    while (size < text.size &&
           ((unsigned char)text.data[size] & 0xc0) == 0x80) {
        size--;
    }
    return size;
}

static enum mm_header_field_fault
put_encoded(struct writer *writer, struct mm_span blanks, struct mm_span text)
{
    struct mm_buf word;

    mm_buf_init(&word, LINE_WISHED_OCTETS);
    while (text.size > 0) {
        size_t size = encoded_part(text);

        mm_buf_clear(&word);
        (void)mm_buf_append_cstr(&word, "=?utf-8?B?");
        (void)mm_base64_encode(&word, text.data, size);
        (void)mm_buf_append_cstr(&word, "?=");
        if (mm_buf_error(&word) != MAILMOD_OK) {
            break;
        }
        put_word(writer, blanks, mm_buf_span(&word));
        /* RFC 2047 6.2: a blank between two of them is none of the text's. */
        blanks = mm_span(" ", 1);
        text = mm_span_from(text, size);
    }
    mm_buf_fini(&word);
    return text.size == 0 ? MM_HEADER_FIELD_OK : MM_HEADER_FIELD_ROOM;
}

/* The blanks and the word at the front of `text`, which loses them. */
static void next_word(struct mm_span *text, struct mm_span *blanks_out,
                      struct mm_span *word_out)
{
    size_t begin = 0;

    while (begin < text->size && is_blank(text->data[begin])) {
        begin++;
    }
    size_t end = begin;
    while (end < text->size && !is_blank(text->data[end])) {
        end++;
    }
    *blanks_out = mm_span(text->data, begin);
    *word_out = mm_span(text->data + begin, end - begin);
    *text = mm_span_from(*text, end);
}

/* `word` grows by those behind it that are to be encoded too, for the blanks
 * between encoded words would be lost. */
static void join_encoded(struct mm_span *text, struct mm_span *word)
{
    struct mm_span rest = *text;
    struct mm_span blanks;
    struct mm_span next;

    next_word(&rest, &blanks, &next);
    while (next.size > 0 && mm_span_has_8bit(next)) {
        word->size += blanks.size + next.size;
        *text = rest;
        next_word(&rest, &blanks, &next);
    }
}

static bool has_controls(struct mm_span word)
{
    for (size_t i = 0; i < word.size; i++) {
        unsigned char c = (unsigned char)word.data[i];

        if (c < ' ' || c == 127) {
            return true;
        }
    }
    return false;
}

static enum mm_header_field_fault check_word(struct mm_span word,
                                             bool has_addresses)
{
    if (has_controls(word) || !mm_span_is_utf8(word)) {
        return MM_HEADER_FIELD_VALUE;
    }
    if (!mm_span_has_8bit(word)) {
        return word.size < LINE_MAX_OCTETS - MM_HEADER_FIELD_NAME_MAX
                   ? MM_HEADER_FIELD_OK
                   : MM_HEADER_FIELD_LONG;
    }
    return has_addresses && memchr(word.data, '@', word.size) != NULL
               ? MM_HEADER_FIELD_ADDRESS
               : MM_HEADER_FIELD_OK;
}

static enum mm_header_field_fault check_value(struct mm_span name,
                                              struct mm_span value)
{
    bool is_of_addresses = has_addresses(name);
    enum mm_header_field_fault fault = MM_HEADER_FIELD_OK;

    while (fault == MM_HEADER_FIELD_OK && value.size > 0) {
        struct mm_span blanks;
        struct mm_span word;

        next_word(&value, &blanks, &word);
        fault = check_word(word, is_of_addresses);
        if (blanks.size >= LINE_WISHED_OCTETS) {
            fault = MM_HEADER_FIELD_LONG;
        }
    }
    return fault;
}

enum mm_header_field_fault mm_header_field_write(struct mm_buf *out,
                                                 struct mm_span name,
                                                 struct mm_span value)
{
    struct writer writer = {
        .out = out, .column = name.size + 1, .is_empty = true};

    value = mm_span_trim(value);
    enum mm_header_field_fault fault =
        is_name(name) ? check_value(name, value) : MM_HEADER_FIELD_NAME;
    (void)mm_buf_append_span(out, name);
    (void)mm_buf_append_cstr(out, ":");
    struct mm_span before = mm_span(" ", 1);
    while (fault == MM_HEADER_FIELD_OK && value.size > 0) {
        struct mm_span blanks;
        struct mm_span word;

        next_word(&value, &blanks, &word);
        blanks = writer.is_empty ? before : blanks;
        if (mm_span_has_8bit(word)) {
            join_encoded(&value, &word);
            fault = put_encoded(&writer, blanks, word);
        } else {
            put_word(&writer, blanks, word);
        }
    }
    (void)mm_buf_append_cstr(out, "\r\n");
    return fault == MM_HEADER_FIELD_OK && mm_buf_error(out) != MAILMOD_OK
               ? MM_HEADER_FIELD_ROOM
               : fault;
}
