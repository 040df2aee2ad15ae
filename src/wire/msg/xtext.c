/* xtext.c - the encoding of DSN parameters.
 *
 * Owns nothing. Promises: encoding takes any octets and gives only octets
 * that an SMTP parameter may hold; decoding is strict, and what it gives is
 * printable, in ASCII or UTF-8, so that a parameter can never bring a line end
 * or a NUL into a header or a report.
 *
 * Any thread. RFC 3461 4 (xtext), 4.2 and 4.4 (what the decoded values are);
 * RFC 6533 3 (addresses of the type utf-8). */
#include "wire/msg/message.h"

/* xtext   = *( xchar / hexchar )
 * xchar   = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except
 *           for "+" and "="
 * hexchar = ASCII "+" immediately followed by two upper case hex digits */
static bool is_xchar(unsigned char c)
{
    return c > 32 && c < 127 && c != '+' && c != '=';
}

enum mailmod_error mm_xtext_encode(struct mm_buf *out, struct mm_span text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        char code[3] = {'+', digits[c >> 4], digits[c & 15]};
        enum mailmod_error error = is_xchar(c)
                                       ? mm_buf_append_char(out, (char)c)
                                       : mm_buf_append(out, code, sizeof code);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

/* The value of an upper-case hexadecimal digit, or -1. */
static int hex_value(char c)
{
    if (mm_ascii_is_digit((unsigned char)c)) {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One octet from the front of `text`, or -1. */
static int decode_octet(struct mm_span *text)
{
    unsigned char c = (unsigned char)text->data[0];
    if (is_xchar(c)) {
        *text = mm_span_from(*text, 1);
        return c;
    }
    if (c != '+' || text->size < 3) {
        return -1;
    }
    int high = hex_value(text->data[1]);
    int low = hex_value(text->data[2]);
    *text = mm_span_from(*text, 3);
    return high >= 0 && low >= 0 ? high << 4 | low : -1;
}

enum mailmod_error mm_xtext_decode(struct mm_buf *out, struct mm_span text)
{
    struct mm_span rest = text;
    while (rest.size > 0) {
        if (!mm_ascii_is_printable(decode_octet(&rest))) {
            return MAILMOD_ERROR_SYNTAX;
        }
    }
    rest = text;
    while (rest.size > 0) {
        enum mailmod_error error =
            mm_buf_append_char(out, (char)decode_octet(&rest));
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

/* RFC 6533 3:  utf-8-addr-xtext    = 1*( QCHAR / EmbeddedUnicodeChar )
 *              QCHAR               = %x21-2A / %x2C-3C / %x3E-5B / %x5D-7E
 *              EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}"
 * so "+", "=", the backslash and the blank are embedded too. */
enum mailmod_error mm_utf8_xtext_encode(struct mm_buf *out, struct mm_span text)
{
    if (!mm_span_is_utf8(text)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    while (text.size > 0) {
        uint32_t value = mm_span_take_code_point(&text);
        bool is_plain =
            value < 128 && is_xchar((unsigned char)value) && value != '\\';
        enum mailmod_error error =
            is_plain ? mm_buf_append_char(out, (char)value)
                     : mm_buf_appendf(out, "\\x{%lX}", (unsigned long)value);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

/* The code point of "\x{...}" at the front of `text`; false when it is none. */
static bool take_embedded(struct mm_span *text, uint32_t *value_out)
{
    struct mm_span digits;
    struct mm_span rest;
    uint32_t value = 0;
    if (!mm_span_starts_nocase(*text, "\\x{") ||
        !mm_span_cut(mm_span_from(*text, 3), '}', &digits, &rest) ||
        digits.size == 0 || digits.size > 6) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        int digit =
            hex_value((char)mm_ascii_upper((unsigned char)digits.data[i]));
        if (digit < 0) {
            return false;
        }
        value = value << 4 | (uint32_t)digit;
    }
    *text = rest;
    *value_out = value;
    return true;
}

static void append_code_point(struct mm_buf *out, uint32_t value)
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = value < 0x80      ? 1
                  : value < 0x800   ? 2
                  : value < 0x10000 ? 3
                                    : 4;
    mm_buf_append_char(out, (char)(leads[size] | value >> 6 * (size - 1)));
    for (size_t i = size - 1; i > 0; i--) {
        mm_buf_append_char(out, (char)(0x80 | (value >> 6 * (i - 1) & 0x3f)));
    }
}

/* RFC 6533 3:  utf-8-enc-addr = utf-8-addr-xtext / utf-8-addr-unitext
 *                               / utf-8-address
 * A "+" should be embedded; who sends it as it is means a plus. */
enum mailmod_error mm_utf8_xtext_decode(struct mm_buf *out, struct mm_span text)
{
    size_t before = mm_buf_size(out);
    while (text.size > 0) {
        uint32_t value;
        if (text.data[0] != '\\') {
            mm_buf_append_char(out, text.data[0]);
            text = mm_span_from(text, 1);
        } else if (take_embedded(&text, &value)) {
            append_code_point(out, value);
        } else {
            return MAILMOD_ERROR_SYNTAX;
        }
    }
    struct mm_span decoded = mm_span_from(mm_buf_span(out), before);
    if (mm_buf_error(out) != MAILMOD_OK) {
        return mm_buf_error(out);
    }
    return mm_span_is_printable_utf8(decoded) ? MAILMOD_OK
                                              : MAILMOD_ERROR_SYNTAX;
}
