/* span.c - views of bytes, and ASCII without a locale.
 *
 * Owns nothing and allocates nothing. Promises that an empty span may have a
 * NULL pointer, that no byte outside the span is read, and that the answers
 * do not depend on the locale of the host: <ctype.h> is not used, because
 * "i" has two capitals in Turkish and mail has one.
 * Thread: any. UTF-8 is RFC 3629 section 4, strict. */
#include "base/span.h"

#include <string.h>

struct mm_span mm_span(const char *data, size_t size)
{
    struct mm_span span = {data, size};
    return span;
}

struct mm_span mm_span_cstr(const char *text)
{
    return mm_span(text, text == NULL ? 0 : strlen(text));
}

struct mm_span mm_span_from(struct mm_span span, size_t offset)
{
    if (offset == 0) {
        return span;
    }
    if (offset > span.size) {
        offset = span.size;
    }
    return mm_span(span.data == NULL ? NULL : span.data + offset,
                   span.size - offset);
}

bool mm_span_equal(struct mm_span a, struct mm_span b)
{
    return a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool mm_span_equal_nocase(struct mm_span a, struct mm_span b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (mm_ascii_lower((unsigned char)a.data[i]) !=
            mm_ascii_lower((unsigned char)b.data[i])) {
            return false;
        }
    }
    return true;
}

bool mm_span_is(struct mm_span span, const char *text)
{
    return mm_span_equal(span, mm_span_cstr(text));
}

bool mm_span_is_nocase(struct mm_span span, const char *text)
{
    return mm_span_equal_nocase(span, mm_span_cstr(text));
}

bool mm_span_starts_nocase(struct mm_span span, const char *prefix)
{
    struct mm_span wanted = mm_span_cstr(prefix);
    return span.size >= wanted.size &&
           mm_span_equal_nocase(mm_span(span.data, wanted.size), wanted);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct mm_span mm_span_trim(struct mm_span span)
{
    while (span.size > 0 && is_blank(span.data[0])) {
        span = mm_span_from(span, 1);
    }
    while (span.size > 0 && is_blank(span.data[span.size - 1])) {
        span.size--;
    }
    return span;
}

bool mm_span_cut(struct mm_span span, char separator, struct mm_span *head_out,
                 struct mm_span *tail_out)
{
    const char *found =
        span.size == 0 ? NULL : memchr(span.data, separator, span.size);
    if (found == NULL) {
        *head_out = span;
        *tail_out = mm_span_from(span, span.size);
        return false;
    }
    size_t at = (size_t)(found - span.data);
    *head_out = mm_span(span.data, at);
    *tail_out = mm_span_from(span, at + 1);
    return true;
}

bool mm_span_to_u64(struct mm_span span, uint64_t *value_out)
{
    uint64_t value = 0;
    if (span.size == 0) {
        return false;
    }
    for (size_t i = 0; i < span.size; i++) {
        if (!mm_ascii_is_digit((unsigned char)span.data[i])) {
            return false;
        }
        unsigned digit = (unsigned)(span.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *value_out = value;
    return true;
}

bool mm_span_has_8bit(struct mm_span span)
{
    for (size_t i = 0; i < span.size; i++) {
        if ((unsigned char)span.data[i] >= 0x80) {
            return true;
        }
    }
    return false;
}

/* The length of the sequence that starts with `lead`, and the range of its
 * second octet; this is where overlong forms, surrogates and code points
 * past U+10FFFF are shut out. 0: no lead octet. RFC 3629 section 4:
 *   UTF8-3 = E0 A0-BF tail / E1-EC 2tail / ED 80-9F tail / EE-EF 2tail
 *   UTF8-4 = F0 90-BF 2tail / F1-F3 3tail / F4 80-8F 2tail */
static size_t utf8_length(unsigned char lead, unsigned char *low_out,
                          unsigned char *high_out)
{
    *low_out = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *high_out = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        return 4;
    }
    return 0;
}

bool mm_span_is_utf8(struct mm_span span)
{
    const unsigned char *at = (const unsigned char *)span.data;
    size_t left = span.size;
    while (left > 0) {
        unsigned char low;
        unsigned char high;
        size_t length = utf8_length(at[0], &low, &high);
        if (length == 0 || length > left) {
            return false;
        }
        if (length > 1 && (at[1] < low || at[1] > high)) {
            return false;
        }
        for (size_t i = 2; i < length; i++) {
            if ((at[i] & 0xc0) != 0x80) {
                return false;
            }
        }
        at += length;
        left -= length;
    }
    return true;
}

bool mm_span_copy(struct mm_span span, char *text_out, size_t size)
{
    if (size == 0) {
        return false;
    }
    text_out[0] = '\0';
    if (span.size >= size ||
        (span.size > 0 && memchr(span.data, '\0', span.size) != NULL)) {
        return false;
    }
    if (span.size > 0) {
        memcpy(text_out, span.data, span.size);
    }
    text_out[span.size] = '\0';
    return true;
}

bool mm_ascii_is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool mm_ascii_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

bool mm_ascii_is_alnum(int c)
{
    return mm_ascii_is_alpha(c) || mm_ascii_is_digit(c);
}

bool mm_ascii_is_printable(int c)
{
    return c >= 32 && c <= 126;
}

int mm_ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

int mm_ascii_upper(int c)
{
    return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
}

void mm_ascii_lower_cstr(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)mm_ascii_lower((unsigned char)*text);
    }
}

bool mm_cstr_equal_nocase(const char *a, const char *b)
{
    return mm_span_equal_nocase(mm_span_cstr(a), mm_span_cstr(b));
}
