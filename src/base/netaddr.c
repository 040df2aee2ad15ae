/* netaddr.c - addresses as values: texts in, texts out, comparisons.
 *
 * Pure and without the system's types, so that the engines, the configuration
 * and the DNSBL code can use it everywhere. Reads strictly: four decimal
 * numbers without leading zeros (a zero in front is octal to some readers),
 * IPv6 by RFC 4291 section 2.2. Writes IPv6 by RFC 5952. An IPv4-mapped IPv6
 * address is turned into the IPv4 address that it means at every door, so
 * that a rule for one cannot be passed by writing the other.
 * Thread: any. */
#include "base/netaddr.h"

#include <stdio.h>
#include <string.h>

struct mm_netaddr mm_netaddr_v4(const uint8_t bytes[4], uint16_t port)
{
    struct mm_netaddr address = {MM_NETADDR_V4, {0}, port, 0};
    memcpy(address.bytes, bytes, 4);
    return address;
}

struct mm_netaddr mm_netaddr_v6(const uint8_t bytes[16], uint16_t port)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};
    if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        return mm_netaddr_v4(bytes + 12, port);
    }
    struct mm_netaddr address = {MM_NETADDR_V6, {0}, port, 0};
    memcpy(address.bytes, bytes, 16);
    return address;
}

/* A decimal number up to `max` without a leading zero. */
static bool parse_number(struct mm_span text, uint64_t max, uint64_t *value_out)
{
    return text.size > 0 && (text.size == 1 || text.data[0] != '0') &&
           mm_span_to_u64(text, value_out) && *value_out <= max;
}

static bool parse_v4(struct mm_span text, uint8_t bytes_out[4])
{
    for (int i = 0; i < 4; i++) {
        struct mm_span part;
        bool is_cut = mm_span_cut(text, '.', &part, &text);
        uint64_t value;
        if (is_cut != (i < 3) || !parse_number(part, 255, &value)) {
            return false;
        }
        bytes_out[i] = (uint8_t)value;
    }
    return true;
}

static bool parse_group(struct mm_span text, uint8_t bytes_out[2])
{
    unsigned value = 0;
    if (text.size < 1 || text.size > 4) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        int digit = mm_ascii_hex_value((unsigned char)text.data[i]);
        if (digit < 0) {
            return false;
        }
        value = value << 4 | (unsigned)digit;
    }
    bytes_out[0] = (uint8_t)(value >> 8);
    bytes_out[1] = (uint8_t)value;
    return true;
}

/* Groups with single colons between; the last may be a dotted quad where
 * `may_end_v4` is set. `size_out`: the octets written; empty text is none. */
static bool parse_groups(struct mm_span text, bool may_end_v4,
                         uint8_t bytes_out[16], size_t *size_out)
{
    size_t size = 0;
    bool is_more = text.size > 0;
    while (is_more) {
        struct mm_span group;
        is_more = mm_span_cut(text, ':', &group, &text);
        if (!is_more && may_end_v4 && size <= 12 &&
            parse_v4(group, bytes_out + size)) {
            size += 4;
        } else if (size <= 14 && parse_group(group, bytes_out + size)) {
            size += 2;
        } else {
            return false;
        }
    }
    *size_out = size;
    return true;
}

/* RFC 4291 2.2: "::" stands for one or more groups of zeros, once. */
static bool parse_v6(struct mm_span text, uint8_t bytes_out[16])
{
    size_t gap = 0;
    while (gap + 1 < text.size &&
           (text.data[gap] != ':' || text.data[gap + 1] != ':')) {
        gap++;
    }
    size_t head_size;
    if (gap + 1 >= text.size) {
        return parse_groups(text, true, bytes_out, &head_size) &&
               head_size == 16;
    }
    uint8_t tail[16];
    size_t tail_size;
    if (!parse_groups(mm_span(text.data, gap), false, bytes_out, &head_size) ||
        !parse_groups(mm_span_from(text, gap + 2), true, tail, &tail_size) ||
        head_size + tail_size > 14) {
        return false;
    }
    memset(bytes_out + head_size, 0, 16 - head_size - tail_size);
    memcpy(bytes_out + 16 - tail_size, tail, tail_size);
    return true;
}

bool mm_netaddr_parse_ip(struct mm_span text, struct mm_netaddr *address_out)
{
    uint64_t scope = 0;
    uint8_t bytes[16];
    if (parse_v4(text, bytes)) {
        *address_out = mm_netaddr_v4(bytes, 0);
        return true;
    }
    struct mm_span ip;
    struct mm_span zone;
    /* RFC 4007 11.2; a number only: names of interfaces are the system's. */
    if (mm_span_cut(text, '%', &ip, &zone) &&
        (!parse_number(zone, UINT32_MAX, &scope) || scope == 0)) {
        return false;
    }
    if (!parse_v6(ip, bytes)) {
        return false;
    }
    struct mm_netaddr address = mm_netaddr_v6(bytes, 0);
    if (scope != 0 && address.family != MM_NETADDR_V6) {
        return false;
    }
    address.scope = (uint32_t)scope;
    *address_out = address;
    return true;
}

/* Parts "host:port" or "[host]:port" at the last colon. */
static bool cut_port(struct mm_span text, struct mm_span *host_out,
                     uint16_t *port_out)
{
    size_t at = text.size;
    while (at > 0 && text.data[at - 1] != ':') {
        at--;
    }
    uint64_t port;
    if (at == 0 || !parse_number(mm_span_from(text, at), 65535, &port)) {
        return false;
    }
    *host_out = mm_span(text.data, at - 1);
    *port_out = (uint16_t)port;
    return true;
}

bool mm_netaddr_parse(struct mm_span text, struct mm_netaddr *address_out)
{
    struct mm_span host;
    uint16_t port;
    if (!cut_port(text, &host, &port)) {
        return false;
    }
    bool has_brackets = host.size >= 2 && host.data[0] == '[' &&
                        host.data[host.size - 1] == ']';
    if (has_brackets) {
        host = mm_span(host.data + 1, host.size - 2);
    }
    if (!has_brackets && mm_span_is(host, "*")) {
        host = mm_span_cstr("0.0.0.0");
    }
    /* Brackets say IPv6 (RFC 3986 3.2.2), and IPv6 needs them; a mapped
     * address is written as IPv6 and comes out as IPv4. */
    bool has_colon = host.size > 0 && memchr(host.data, ':', host.size) != NULL;
    struct mm_netaddr address;
    if (has_colon != has_brackets || !mm_netaddr_parse_ip(host, &address)) {
        return false;
    }
    address.port = port;
    *address_out = address;
    return true;
}

/* RFC 5952 4.2.3: the longest run of two or more zero groups, the first of
 * equal ones. `start_out` is 8 when there is none. */
static void find_zeros(const uint8_t bytes[16], int *start_out, int *count_out)
{
    int start = 0;
    *start_out = 8;
    *count_out = 1;
    for (int i = 0; i < 8; i++) {
        if (bytes[2 * i] != 0 || bytes[2 * i + 1] != 0) {
            start = i + 1;
        } else if (i + 1 - start > *count_out) {
            *start_out = start;
            *count_out = i + 1 - start;
        }
    }
}

static int format_v6(const struct mm_netaddr *address,
                     char text_out[MM_NETADDR_TEXT_MAX])
{
    int used = 0;
    int zeros;
    int zero_count;
    find_zeros(address->bytes, &zeros, &zero_count);
    for (int i = 0; i < 8; i++) {
        size_t room = MM_NETADDR_TEXT_MAX - (size_t)used;
        if (i == zeros) {
            used += snprintf(text_out + used, room, "::");
            i += zero_count - 1;
            continue;
        }
        unsigned group = (unsigned)address->bytes[2 * i] << 8 |
                         (unsigned)address->bytes[2 * i + 1];
        bool needs_colon = i > 0 && i != zeros + zero_count;
        used +=
            snprintf(text_out + used, room, needs_colon ? ":%x" : "%x", group);
    }
    if (address->scope != 0) {
        used += snprintf(text_out + used, MM_NETADDR_TEXT_MAX - (size_t)used,
                         "%%%lu", (unsigned long)address->scope);
    }
    return used;
}

static void format_v4(const uint8_t bytes[4], char *text_out)
{
    for (int i = 0; i < 4; i++) {
        unsigned value = bytes[i];
        if (i > 0) {
            *text_out++ = '.';
        }
        if (value >= 100) {
            *text_out++ = (char)('0' + value / 100);
        }
        if (value >= 10) {
            *text_out++ = (char)('0' + value / 10 % 10);
        }
        *text_out++ = (char)('0' + value % 10);
    }
    *text_out = '\0';
}

void mm_netaddr_format_ip(const struct mm_netaddr *address,
                          char text_out[MM_NETADDR_TEXT_MAX])
{
    switch (address->family) {
    case MM_NETADDR_V4:
        format_v4(address->bytes, text_out);
        return;
    case MM_NETADDR_V6:
        format_v6(address, text_out);
        return;
    case MM_NETADDR_NONE:
        break;
    }
    snprintf(text_out, MM_NETADDR_TEXT_MAX, "none");
}

void mm_netaddr_format(const struct mm_netaddr *address,
                       char text_out[MM_NETADDR_TEXT_MAX])
{
    char ip[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format_ip(address, ip);
    bool is_v6 = address->family == MM_NETADDR_V6;
    /* 39 of IPv6, 11 of scope, 2 brackets, 6 of port, NUL: it always fits. */
    snprintf(text_out, MM_NETADDR_TEXT_MAX, "%s%.60s%s:%u", is_v6 ? "[" : "",
             ip, is_v6 ? "]" : "", (unsigned)address->port);
}

static size_t ip_size(const struct mm_netaddr *address)
{
    switch (address->family) {
    case MM_NETADDR_V4:
        return 4;
    case MM_NETADDR_V6:
        return 16;
    case MM_NETADDR_NONE:
        break;
    }
    return 0;
}

bool mm_netaddr_equal_ip(const struct mm_netaddr *a, const struct mm_netaddr *b)
{
    return a->family == b->family && a->scope == b->scope &&
           memcmp(a->bytes, b->bytes, ip_size(a)) == 0;
}

bool mm_netaddr_is_loopback(const struct mm_netaddr *address)
{
    static const uint8_t loopback[16] = {[15] = 1};
    if (address->family == MM_NETADDR_V4) {
        return address->bytes[0] == 127; /* RFC 1122 3.2.1.3 (g) */
    }
    return address->family == MM_NETADDR_V6 &&
           memcmp(address->bytes, loopback, 16) == 0;
}

bool mm_netaddr_is_any(const struct mm_netaddr *address)
{
    static const uint8_t any[16] = {0};
    return address->family != MM_NETADDR_NONE &&
           memcmp(address->bytes, any, ip_size(address)) == 0;
}

struct mm_span mm_netaddr_limit_key(const struct mm_netaddr *address)
{
    /* One customer has a /64 of IPv6 at least: RFC 6177 section 2. */
    size_t size = address->family == MM_NETADDR_V6 ? 8 : ip_size(address);
    return mm_span((const char *)address->bytes, size);
}

struct mm_span mm_netaddr_network_key(const struct mm_netaddr *address)
{
    /* What is given to one site: RFC 6177 2; the smallest route of IPv4. */
    size_t size = address->family == MM_NETADDR_V6   ? 6
                  : address->family == MM_NETADDR_V4 ? 3
                                                     : 0;
    return mm_span((const char *)address->bytes, size);
}

struct mm_netaddr mm_netaddr_of_key(enum mm_netaddr_family family,
                                    struct mm_span key)
{
    struct mm_netaddr address = {.family = family};
    memcpy(address.bytes, key.data, key.size);
    return address;
}

bool mm_netrange_parse(struct mm_span text, struct mm_netrange *range_out)
{
    struct mm_span ip;
    struct mm_span bits;
    bool has_prefix = mm_span_cut(text, '/', &ip, &bits);
    struct mm_netrange range;
    if (!mm_netaddr_parse_ip(ip, &range.address)) {
        return false;
    }
    unsigned width = (unsigned)ip_size(&range.address) * 8;
    /* A mapped address has 96 bits that are gone once it is IPv4. */
    bool is_mapped = width == 32 && memchr(ip.data, ':', ip.size) != NULL;
    uint64_t prefix = is_mapped ? 128 : width;
    if (has_prefix && !parse_number(bits, prefix, &prefix)) {
        return false;
    }
    if (is_mapped) {
        if (prefix < 96) {
            return false;
        }
        prefix -= 96;
    }
    range.prefix = (unsigned)prefix;
    *range_out = range;
    return true;
}

bool mm_netrange_has(const struct mm_netrange *range,
                     const struct mm_netaddr *address)
{
    if (range->address.family != address->family ||
        range->prefix > ip_size(address) * 8) {
        return false;
    }
    size_t whole = range->prefix / 8;
    unsigned rest = range->prefix % 8;
    if (memcmp(range->address.bytes, address->bytes, whole) != 0) {
        return false;
    }
    if (rest == 0) {
        return address->family != MM_NETADDR_NONE;
    }
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return ((range->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}
