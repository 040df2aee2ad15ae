/* span.c - views of bytes, and ASCII without a locale.
 *
 * Owns nothing and allocates nothing. Promises that no byte outside the span
 * is read; that an empty span made here has a pointer, for memcpy and memcmp
 * may not be given NULL even for no octets; and that the answers do not depend
 * on the locale of the host: <ctype.h> is not used, because "i" has two
 * capitals in Turkish and mail has one. Thread: any. UTF-8 is RFC 3629 section
 * 4, strict. */
#include "base/span.h"

#include <string.h>

struct mm_span mm_span(const char *data, size_t size)
{
    struct mm_span span = {data != NULL ? data : "", size};
    return span;
}

struct mm_span mm_span_cstr(const char *text)
{
    return mm_span(text, text == NULL ? 0 : strlen(text));
}

struct mm_span mm_span_from(struct mm_span span, size_t offset)
{
    if (span.data == NULL) {
        return mm_span(NULL, 0);
    }
    if (offset > span.size) {
        offset = span.size;
    }
    return mm_span(span.data + offset, span.size - offset);
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

/* Words of a table: the first octet tells most of them apart. */
bool mm_span_is_nocase(struct mm_span span, const char *text)
{
    if (span.size == 0 || mm_ascii_lower((unsigned char)span.data[0]) !=
                              mm_ascii_lower((unsigned char)text[0])) {
        return span.size == 0 && text[0] == '\0';
    }
    return mm_span_equal_nocase(span, mm_span_cstr(text));
}

bool mm_span_starts_nocase(struct mm_span span, const char *prefix)
{
    struct mm_span wanted = mm_span_cstr(prefix);
    return span.size >= wanted.size &&
           mm_span_equal_nocase(mm_span(span.data, wanted.size), wanted);
}

bool mm_span_has_nocase(struct mm_span span, const char *part)
{
    struct mm_span wanted = mm_span_cstr(part);
    for (size_t i = 0; i + wanted.size <= span.size; i++) {
        if (mm_span_equal_nocase(mm_span(span.data + i, wanted.size), wanted)) {
            return true;
        }
    }
    return false;
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

void mm_span_skip_comments(struct mm_span *text)
{
    size_t depth = 0;
    size_t at = 0;
    for (; at < text->size; at++) {
        char c = text->data[at];
        if (depth > 0 && c == '\\' && at + 1 < text->size) {
            at++;
        } else if (c == '(') {
            depth++;
        } else if (depth > 0) {
            depth -= c == ')' ? 1 : 0;
        } else if (!is_blank(c) && c != '\r' && c != '\n') {
            break;
        }
    }
    *text = mm_span_from(*text, at);
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

bool mm_span_to_u64_capped(struct mm_span span, uint64_t *value_out)
{
    for (size_t i = 0; i < span.size; i++) {
        if (!mm_ascii_is_digit((unsigned char)span.data[i])) {
            return false;
        }
    }
    if (!mm_span_to_u64(span, value_out)) {
        *value_out = UINT64_MAX;
    }
    return span.size > 0;
}

/* Every octet of a message comes by here: eight at a time. */
bool mm_span_has_8bit(struct mm_span span)
{
    size_t i = 0;
    for (; span.size - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t octets;
        memcpy(&octets, span.data + i, sizeof octets);
        if ((octets & UINT64_C(0x8080808080808080)) != 0) {
            return true;
        }
    }
    for (; i < span.size; i++) {
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

/* RFC 5198 2 has no C1 controls and no separators of lines and paragraphs in
 * text; marks and overrides of direction and other format characters show an
 * address as another one. The joiners U+200C and U+200D are letters' parts. */
static const struct {
    uint32_t first;
    uint32_t last;
} unprintable[] = {
    {0x0000, 0x001f}, {0x007f, 0x009f}, {0x061c, 0x061c}, {0x200e, 0x200f},
    {0x2028, 0x202e}, {0x2066, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
};

static bool is_printable(uint32_t code)
{
    for (size_t i = 0; i < sizeof unprintable / sizeof unprintable[0]; i++) {
        if (code >= unprintable[i].first && code <= unprintable[i].last) {
            return false;
        }
    }
    return (code & 0xfffe) != 0xfffe; /* no character at all */
}

uint32_t mm_span_take_code_point(struct mm_span *text)
{
    unsigned char lead = (unsigned char)text->data[0];
    size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t value = size == 1 ? lead : lead & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        value = value << 6 | ((unsigned char)text->data[i] & 0x3fU);
    }
    *text = mm_span_from(*text, size);
    return value;
}

bool mm_span_is_printable_utf8(struct mm_span span)
{
    while (span.size > 0 && mm_ascii_is_printable((unsigned char)*span.data)) {
        span = mm_span_from(span, 1);
    }
    if (!mm_span_is_utf8(span)) {
        return false;
    }
    while (span.size > 0) {
        if (!is_printable(mm_span_take_code_point(&span))) {
            return false;
        }
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

int mm_ascii_hex_value(int c)
{
    int lower = mm_ascii_lower(c);
    if (mm_ascii_is_digit(c)) {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
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
    size_t i = 0;
    while (a[i] != '\0' && mm_ascii_lower((unsigned char)a[i]) ==
                               mm_ascii_lower((unsigned char)b[i])) {
        i++;
    }
    return a[i] == b[i];
}
