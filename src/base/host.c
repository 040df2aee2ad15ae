/* host.c - a host as people write it: a name, an address, one in brackets.
 *
 * Pure. Promises that what it takes is either an address or can stand in a
 * question to a name server, and that every spelling of one host gives one
 * text.
 * Thread: any. RFC 1123 2.1, RFC 5321 4.1.3. */
#include "base/host.h"

#include "base/limits.h"

#include <string.h>

static bool is_label_octet(unsigned char c, bool is_edge, bool allows_8bit)
{
    return mm_ascii_is_alnum(c) || c == '_' || (c == '-' && !is_edge) ||
           (c >= 128 && allows_8bit);
}

bool mm_host_is_name(struct mm_span text, bool allows_8bit)
{
    size_t label = 0;
    if (text.size == 0 || text.size > MM_LIMIT_DOMAIN) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_edge =
            label == 0 || i + 1 == text.size || text.data[i + 1] == '.';
        if (c == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
            continue;
        }
        label++;
        if (label > 63 || !is_label_octet(c, is_edge, allows_8bit)) {
            return false;
        }
    }
    return label > 0;
}

bool mm_host_is_within(struct mm_span name, struct mm_span domain)
{
    if (name.size < domain.size) {
        return false;
    }
    size_t front = name.size - domain.size;
    return mm_span_equal_nocase(mm_span_from(name, front), domain) &&
           (front == 0 || name.data[front - 1] == '.');
}

static struct mm_span without_brackets(struct mm_span text)
{
    if (text.size < 2 || text.data[0] != '[' ||
        text.data[text.size - 1] != ']') {
        return text;
    }
    text = mm_span(text.data + 1, text.size - 2);
    return mm_span_starts_nocase(text, "IPv6:") ? mm_span_from(text, 5) : text;
}

bool mm_host_parse(struct mm_span text, struct mm_host *host_out)
{
    memset(host_out, 0, sizeof *host_out);
    if (mm_netaddr_parse_ip(without_brackets(text), &host_out->address)) {
        host_out->is_address = true;
        mm_netaddr_format_ip(&host_out->address, host_out->text);
        return true;
    }
    if (text.size > 0 && text.data[text.size - 1] == '.') {
        text.size--;
    }
    if (!mm_host_is_name(text, true) || !mm_span_is_utf8(text) ||
        !mm_span_copy(text, host_out->text, sizeof host_out->text)) {
        return false;
    }
    mm_ascii_lower_cstr(host_out->text);
    return true;
}

bool mm_host_parse_port(struct mm_span text, struct mm_host *host_out,
                        unsigned *port_out)
{
    uint64_t port = 0;
    size_t at = text.size;
    while (at > 0 && mm_ascii_is_digit((unsigned char)text.data[at - 1])) {
        at--;
    }
    *port_out = 0;
    if (at > 1 && at < text.size && text.data[at - 1] == ':' &&
        (text.data[at - 2] == ']' || memchr(text.data, ':', at - 1) == NULL)) {
        if (!mm_span_to_u64(mm_span_from(text, at), &port) || port == 0 ||
            port > UINT16_MAX) {
            return false;
        }
        text.size = at - 1;
    }
    *port_out = (unsigned)port;
    return mm_host_parse(text, host_out);
}
