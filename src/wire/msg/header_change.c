/* header_change.c - one change in a header that is whole.
 *
 * Owns nothing. Promises: what is not changed stays octet for octet; a value
 * never becomes a second field or the end of the header, for a line end in it
 * is followed by a blank; each line that is written ends with CRLF.
 * Any thread. RFC 5322 2.2 (fields), 2.2.3 (folding), 3.6.8 (names). */
#include "wire/msg/header_change.h"

#include <string.h>

/* RFC 5322 2.1.1 for the line that the name stands in. */
#define NAME_MAX_SIZE 256

static bool is_name(const char *name)
{
    size_t size = 0;

    for (; name[size] != '\0' && size <= NAME_MAX_SIZE; size++) {
        if (name[size] <= ' ' || name[size] >= 127 || name[size] == ':') {
            return false; /* RFC 5322 3.6.8: ftext */
        }
    }
    return size > 0 && size <= NAME_MAX_SIZE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* No line end but those of folding, no other controls. */
static bool is_value(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\r' && c[1] != '\n') {
            return false;
        }
        if (*c == '\n' && !is_blank(c[1])) {
            return false;
        }
        if ((unsigned char)*c < ' ' && *c != '\t' && *c != '\r' && *c != '\n') {
            return false;
        }
    }
    return true;
}

bool mm_header_change_is_sound(const char *name, const char *value)
{
    return is_name(name) && is_value(value);
}

static void write_field(const struct mm_header_change *change,
                        struct mm_buf *out)
{
    (void)mm_buf_append_cstr(out, change->name);
    (void)mm_buf_append_cstr(out, is_blank(change->value[0]) ? ":" : ": ");
    for (const char *c = change->value; *c != '\0'; c++) {
        if (*c == '\n') {
            (void)mm_buf_append_cstr(out, "\r\n");
        } else if (*c != '\r') {
            (void)mm_buf_append_char(out, *c);
        }
    }
    (void)mm_buf_append_cstr(out, "\r\n");
}

/* The first field of `rest` with its lines, which it leaves. */
static struct mm_span take_field(struct mm_span *rest)
{
    struct mm_span all = *rest;
    size_t size = 0;
    const char *lf;

    do {
        lf = memchr(all.data + size, '\n', all.size - size);
        size = lf != NULL ? (size_t)(lf - all.data) + 1 : all.size;
    } while (size < all.size && is_blank(all.data[size]));
    *rest = mm_span_from(all, size);
    return mm_span(all.data, size);
}

static bool is_of(struct mm_span field, const char *name)
{
    struct mm_span head;
    struct mm_span value;

    return mm_span_cut(field, ':', &head, &value) &&
           mm_span_is_nocase(mm_span_trim(head), name);
}

enum mailmod_error mm_header_change_apply(struct mm_span header,
                                          const struct mm_header_change *change,
                                          struct mm_buf *out)
{
    struct mm_span rest = header;
    bool is_done = false;
    unsigned seen = 0; /* fields, or those of the name */

    while (rest.size > 0) {
        if (change->kind == MM_HEADER_CHANGE_INSERT && !is_done &&
            seen == change->number) {
            write_field(change, out);
            is_done = true;
        }
        struct mm_span field = take_field(&rest);
        bool counts =
            change->kind != MM_HEADER_CHANGE_SET || is_of(field, change->name);
        seen += counts ? 1 : 0;
        if (change->kind == MM_HEADER_CHANGE_SET && counts && !is_done &&
            seen == change->number) {
            is_done = true;
            if (change->value[0] != '\0') {
                write_field(change, out);
            }
            continue;
        }
        (void)mm_buf_append_span(out, field);
    }
    if (!is_done &&
        (change->kind != MM_HEADER_CHANGE_SET || change->value[0] != '\0')) {
        write_field(change, out);
    }
    return mm_buf_error(out);
}
