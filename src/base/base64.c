/* base64.c - RFC 4648 section 4, both ways, strict.
 *
 * Owns nothing. Promises that a failure adds nothing to the output. Strict
 * (sections 3.2, 3.3, 3.5): padding must be there, no octet outside the
 * alphabet is skipped, and the bits that padding leaves unused must be zero,
 * so that one value has exactly one text.
 * Thread: any. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789+/";

enum mailmod_error mm_base64_encode(struct mm_buf *out, const void *bytes,
                                    size_t size)
{
    const unsigned char *at = bytes;
    if (size > SIZE_MAX / 4) {
        return MAILMOD_ERROR_LIMIT;
    }
    size_t length = (size + 2) / 3 * 4;
    char *text = mm_buf_reserve(out, length);
    if (text == NULL) {
        return mm_buf_error(out);
    }
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)at[i] << 16;
        group |= left > 1 ? (uint32_t)at[i + 1] << 8 : 0;
        group |= left > 2 ? at[i + 2] : 0;
        text[0] = alphabet[group >> 18];
        text[1] = alphabet[group >> 12 & 63];
        text[2] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        text[3] = left > 2 ? alphabet[group & 63] : '=';
        text += 4;
    }
    mm_buf_added(out, length);
    return MAILMOD_OK;
}

/* The value of a character, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* `count` characters of a group (2, 3 or 4) into count - 1 octets. */
static bool decode_group(const char *text, size_t count, char *bytes_out)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < count ? value_of(text[i]) : 0;
        if (value < 0) {
            return false;
        }
        group = group << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i < 3; i++) {
        char octet = (char)(unsigned char)(group >> (16 - 8 * i));
        if (i < count - 1) {
            bytes_out[i] = octet;
        } else if (octet != 0) {
            return false; /* RFC 4648 3.5: pad bits must be zero */
        }
    }
    return true;
}

enum mailmod_error mm_base64_decode(struct mm_buf *out, struct mm_span text)
{
    if (text.size % 4 != 0) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (text.size == 0) {
        return MAILMOD_OK;
    }
    size_t padding = 0;
    while (padding < 2 && text.data[text.size - 1 - padding] == '=') {
        padding++;
    }
    size_t size = text.size / 4 * 3 - padding;
    char *bytes = mm_buf_reserve(out, size);
    if (bytes == NULL) {
        return mm_buf_error(out);
    }
    for (size_t i = 0; i < text.size; i += 4) {
        size_t count = i + 4 == text.size ? 4 - padding : 4;
        if (!decode_group(text.data + i, count, bytes)) {
            return MAILMOD_ERROR_SYNTAX;
        }
        bytes += count - 1;
    }
    mm_buf_added(out, size);
    return MAILMOD_OK;
}
