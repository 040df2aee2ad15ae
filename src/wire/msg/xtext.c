/* xtext.c - the encoding of DSN parameters.
 *
 * Owns nothing. Promises: encoding takes any octets and gives only octets
 * that an SMTP parameter may hold; decoding is strict, and what it gives is
 * printable ASCII, so that a parameter can never bring a line end or a NUL
 * into a header or a report.
 *
 * Any thread. RFC 3461 4 (xtext), 4.2 and 4.4 (what the decoded values are). */
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
