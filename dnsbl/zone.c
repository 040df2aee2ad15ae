/* zone.c - one list as an operator writes it: [label:]zone[=codes][*weight].
 *
 * Pure. Promises: what can be told of a zone never holds the zone's first
 * label unless the zone has two labels alone, for there the keys stand that a
 * list is paid for; with a label of the operator's own it holds none.
 * Thread: any. RFC 5782 2.1 (codes). */
#include "dnsbl/dnsbl.h"

#include <string.h>

#define MASK "********" /* as the configuration shows a secret */
#define WEIGHT_MAX 100

static bool is_word(struct mm_span text, const char *others)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.data[i];
        if (!mm_ascii_is_alnum(c) && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return text.size > 0;
}

/* A name of the DNS (RFC 1035 2.3.1, and underscores). */
static bool is_zone(struct mm_span text)
{
    struct mm_span label;
    bool has_more = text.size < DNSBL_NAME_MAX;
    bool is_good = has_more;
    while (is_good && has_more) {
        has_more = mm_span_cut(text, '.', &label, &text);
        is_good = label.size <= 63 && is_word(label, "-_");
    }
    return is_good;
}

static bool read_weight(struct mm_span text, int *weight_out)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    uint64_t value;
    if (!mm_span_to_u64(mm_span_from(text, is_negative ? 1 : 0), &value) ||
        value == 0 || value > WEIGHT_MAX) {
        return false;
    }
    *weight_out = is_negative ? -(int)value : (int)value;
    return true;
}

static bool read_code(struct mm_span text, uint32_t *code_out)
{
    struct mm_netaddr address;
    if (!mm_netaddr_parse_ip(text, &address) ||
        address.family != MM_NETADDR_V4 || address.bytes[0] != 127) {
        return false;
    }
    *code_out = dnsbl_code(&address);
    return true;
}

/* "127.0.0.2", "127.0.0.2-127.0.0.11" or, short, "127.0.0.2-11". */
static bool read_codes(struct mm_span text, struct dnsbl_codes *codes_out)
{
    struct mm_span first;
    struct mm_span last;
    uint64_t number;
    bool is_range = mm_span_cut(text, '-', &first, &last);
    if (!read_code(first, &codes_out->first)) {
        return false;
    }
    codes_out->last = codes_out->first;
    if (is_range && mm_span_to_u64(last, &number)) {
        codes_out->last =
            (codes_out->first & ~UINT32_C(255)) | (uint32_t)(number & 255);
        return number <= 255 && codes_out->first <= codes_out->last;
    }
    return !is_range || (read_code(last, &codes_out->last) &&
                         codes_out->first <= codes_out->last);
}

static bool read_filter(struct mm_span text, struct dnsbl_zone *zone)
{
    bool has_more = true;
    while (has_more) {
        struct mm_span item;
        has_more = mm_span_cut(text, ';', &item, &text);
        if (zone->code_count == DNSBL_CODES_MAX ||
            !read_codes(item, &zone->codes[zone->code_count])) {
            return false;
        }
        zone->code_count++;
    }
    return true;
}

/* Without a label of its own a zone is told less its first one. */
static struct mm_span label_of(struct mm_span zone)
{
    struct mm_span first;
    struct mm_span rest;
    bool is_long = mm_span_cut(zone, '.', &first, &rest) &&
                   memchr(rest.data, '.', rest.size) != NULL;
    return is_long ? rest : zone;
}

enum mailmod_error dnsbl_zone_parse(struct mm_span text,
                                    struct dnsbl_zone *zone_out)
{
    struct mm_span label;
    struct mm_span zone;
    struct mm_span filter;
    struct mm_span weight;
    memset(zone_out, 0, sizeof *zone_out);
    zone_out->weight = 1;
    bool has_weight = mm_span_cut(text, '*', &text, &weight);
    bool has_filter = mm_span_cut(text, '=', &text, &filter);
    bool has_label = mm_span_cut(text, ':', &label, &zone);
    if (!has_label) {
        zone = text;
        label = label_of(zone);
    }
    bool is_good = is_zone(zone) && is_word(label, "-_.") &&
                   (!has_weight || read_weight(weight, &zone_out->weight)) &&
                   (!has_filter || read_filter(filter, zone_out)) &&
                   mm_span_copy(zone, zone_out->name, DNSBL_NAME_MAX) &&
                   mm_span_copy(label, zone_out->label, DNSBL_LABEL_MAX);
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX;
}

enum mailmod_error dnsbl_zone_mask(struct mm_span text, struct mm_buf *out)
{
    struct dnsbl_zone zone;
    enum mailmod_error error = dnsbl_zone_parse(text, &zone);
    if (error != MAILMOD_OK) {
        return error;
    }
    size_t size = 0;
    while (size < text.size && strchr("=*", text.data[size]) == NULL) {
        size++;
    }
    struct mm_span head = mm_span(text.data, size);
    struct mm_span tail = mm_span_from(text, size);
    if (mm_span_is(head, zone.label)) {
        return mm_buf_append_span(out, text); /* nothing is hidden */
    }
    error = mm_buf_append_cstr(out, zone.label);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_cstr(out, ":" MASK);
    }
    return error == MAILMOD_OK ? mm_buf_append_span(out, tail) : error;
}
