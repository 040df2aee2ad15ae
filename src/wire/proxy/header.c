/* header.c - reads the PROXY protocol's header.
 *
 * Owns nothing. Promises: it reads no octet behind the header; a header that is
 * not exactly what the protocol allows is broken, at its first wrong octet
 * where that can be told; TLVs (sections 2.2.1 to 2.2.7) are skipped, the
 * server's own address is checked for its form and not kept.
 * "The PROXY protocol" 2.1 (version 1), 2.2 (version 2).
 * Thread: any. */
#include "wire/proxy/header.h"

#include <string.h>

/* 2.1: with its CRLF. */
#define LINE_MAX_SIZE 107

/* 2.2: the signature, version and command, family and transport, length. */
#define SIGNATURE_SIZE MM_PROXY_SIGNATURE_SIZE
#define FIXED_SIZE 16
#define TCP4_SIZE 12 /* two addresses, two ports */
#define TCP6_SIZE 36

static const char line_start[] = "PROXY ";
static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

static struct mm_span start_of_line(void)
{
    return mm_span(line_start, sizeof line_start - 1);
}

static struct mm_span start_of_binary(void)
{
    return mm_span(signature, SIGNATURE_SIZE);
}

/* As far as both go. */
static bool is_like(struct mm_span bytes, struct mm_span start)
{
    size_t size = bytes.size < start.size ? bytes.size : start.size;
    return memcmp(bytes.data, start.data, size) == 0;
}

/* ---- version 1 ---- */

static bool take_port(struct mm_span text, uint16_t *port_out)
{
    uint64_t value;
    bool has_zeros = text.size > 1 && text.data[0] == '0';
    if (has_zeros || !mm_span_to_u64(text, &value) || value > UINT16_MAX) {
        return false;
    }
    *port_out = (uint16_t)value;
    return true;
}

static bool take_address(struct mm_span text, bool is_v6,
                         struct mm_netaddr *address_out)
{
    bool has_colon = text.size > 0 && memchr(text.data, ':', text.size) != NULL;
    return has_colon == is_v6 && mm_netaddr_parse_ip(text, address_out);
}

/* "TCP4 SP client SP server SP port SP port" */
static bool read_addresses(struct mm_span line, struct mm_netaddr *peer_out)
{
    struct mm_span words[5];
    for (size_t i = 0; i < 5; i++) {
        bool is_last = i == 4;
        if (mm_span_cut(line, ' ', &words[i], &line) == is_last) {
            return false;
        }
    }
    struct mm_netaddr server;
    bool is_v6 = mm_span_is(words[0], "TCP6");
    return (is_v6 || mm_span_is(words[0], "TCP4")) &&
           take_address(words[1], is_v6, peer_out) &&
           take_address(words[2], is_v6, &server) &&
           take_port(words[3], &peer_out->port) &&
           take_port(words[4], &server.port);
}

static enum mm_proxy_result parse_line(struct mm_span bytes,
                                       struct mm_proxy_header *header_out)
{
    static const char unknown[] = "UNKNOWN";
    size_t size_max = bytes.size < LINE_MAX_SIZE ? bytes.size : LINE_MAX_SIZE;
    const char *end = memchr(bytes.data, '\n', size_max);
    if (end == NULL) {
        return bytes.size < LINE_MAX_SIZE ? MM_PROXY_MORE : MM_PROXY_BROKEN;
    }
    header_out->size = (size_t)(end - bytes.data) + 1;
    if (end[-1] != '\r') {
        return MM_PROXY_BROKEN;
    }
    struct mm_span line = mm_span(bytes.data, header_out->size - 2);
    line = mm_span_from(line, sizeof line_start - 1);
    struct mm_span rest = mm_span_from(line, sizeof unknown - 1);
    /* 2.1: whatever follows UNKNOWN is ignored. */
    bool is_unknown =
        mm_span_is(mm_span(line.data, line.size - rest.size), unknown) &&
        (rest.size == 0 || rest.data[0] == ' ');
    if (is_unknown) {
        return MM_PROXY_WHOLE;
    }
    return read_addresses(line, &header_out->peer) ? MM_PROXY_WHOLE
                                                   : MM_PROXY_BROKEN;
}

/* ---- version 2 ---- */

static uint16_t number_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The families and transports of 2.2; others "must be rejected". */
static bool read_binary_addresses(unsigned kind, struct mm_span addresses,
                                  struct mm_netaddr *peer_out)
{
    const uint8_t *bytes = (const uint8_t *)addresses.data;
    switch (kind) {
    case 0x00: /* UNSPEC */
    case 0x31: /* a UNIX stream: it has no address */
        return true;
    case 0x11: /* TCP over IPv4 */
        if (addresses.size < TCP4_SIZE) {
            return false;
        }
        *peer_out = mm_netaddr_v4(bytes, number_at(bytes + 8));
        return true;
    case 0x21: /* TCP over IPv6 */
        if (addresses.size < TCP6_SIZE) {
            return false;
        }
        *peer_out = mm_netaddr_v6(bytes, number_at(bytes + 32));
        return true;
    default: /* datagrams carry no mail */
        return false;
    }
}

static enum mm_proxy_result parse_binary(struct mm_span bytes,
                                         struct mm_proxy_header *header_out)
{
    const uint8_t *octets = (const uint8_t *)bytes.data;
    if (bytes.size > SIGNATURE_SIZE && octets[12] != 0x20 &&
        octets[12] != 0x21) {
        return MM_PROXY_BROKEN; /* another version or command */
    }
    if (bytes.size < FIXED_SIZE) {
        return MM_PROXY_MORE;
    }
    size_t size = (size_t)number_at(octets + 14);
    header_out->size = FIXED_SIZE + size;
    if (header_out->size > MM_PROXY_HEADER_MAX) {
        return MM_PROXY_BROKEN;
    }
    if (bytes.size < header_out->size) {
        return MM_PROXY_MORE;
    }
    /* LOCAL: the proxy's own connection; what follows is skipped. */
    bool is_local = octets[12] == 0x20;
    struct mm_span addresses = mm_span(bytes.data + FIXED_SIZE, size);
    return is_local || read_binary_addresses(octets[13], addresses,
                                             &header_out->peer)
               ? MM_PROXY_WHOLE
               : MM_PROXY_BROKEN;
}

/* ---- both ---- */

enum mm_proxy_result mm_proxy_header_parse(struct mm_span bytes,
                                           struct mm_proxy_header *header_out)
{
    *header_out = (struct mm_proxy_header){0};
    bool is_line = is_like(bytes, start_of_line());
    if (!is_line && !is_like(bytes, start_of_binary())) {
        return MM_PROXY_BROKEN;
    }
    if (bytes.size < sizeof line_start - 1) {
        return MM_PROXY_MORE;
    }
    enum mm_proxy_result result = is_line ? parse_line(bytes, header_out)
                                          : parse_binary(bytes, header_out);
    if (result != MM_PROXY_WHOLE) {
        *header_out = (struct mm_proxy_header){0};
    }
    return result;
}

bool mm_proxy_start_is_header(struct mm_proxy_start *start,
                              struct mm_span piece)
{
    size_t room = sizeof start->octets - start->size;
    size_t size = piece.size < room ? piece.size : room;
    if (room == 0 || size == 0) {
        return false;
    }
    memcpy(start->octets + start->size, piece.data, size);
    start->size += size;
    struct mm_span octets = mm_span(start->octets, start->size);
    bool is_line = start->size >= sizeof line_start - 1 &&
                   is_like(octets, start_of_line());
    bool is_binary =
        start->size == SIGNATURE_SIZE && is_like(octets, start_of_binary());
    return is_line || is_binary;
}
