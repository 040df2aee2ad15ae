/* dnsbl.c - the query name of an address, and the verdict of an answer.
 *
 * Pure: no look-up, no clock, no memory. Promises: an answer that no list
 * gives (a public address from a resolver that answers everything) lists
 * nobody, and a failure is never a listing.
 * Thread: any. RFC 5782 2.1, 2.3, 2.4, 5. */
#include "dnsbl/dnsbl.h"

#include <string.h>

#define OCTETS_V4 4
#define OCTETS_V6 16

static char *put_number(char *out, unsigned value)
{
    if (value >= 100) {
        *out++ = (char)('0' + value / 100);
    }
    if (value >= 10) {
        *out++ = (char)('0' + value / 10 % 10);
    }
    *out++ = (char)('0' + value % 10);
    return out;
}

/* Octets from the last to the first, each in decimal. */
static char *put_v4(char *out, const uint8_t *octets)
{
    for (int i = OCTETS_V4 - 1; i >= 0; i--) {
        out = put_number(out, octets[i]);
        *out++ = '.';
    }
    return out;
}

/* Nibbles from the last to the first, each in hexadecimal. */
static char *put_v6(char *out, const uint8_t *octets)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = OCTETS_V6 - 1; i >= 0; i--) {
        *out++ = digits[octets[i] & 15];
        *out++ = '.';
        *out++ = digits[octets[i] >> 4];
        *out++ = '.';
    }
    return out;
}

enum mailmod_error dnsbl_query_name(const struct mm_netaddr *address,
                                    const char *zone,
                                    char name_out[DNSBL_NAME_MAX])
{
    char reversed[4 * OCTETS_V6 + 1];
    char *end = reversed;
    size_t zone_size = strlen(zone);

    if (address->family == MM_NETADDR_NONE || zone_size == 0) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    end = address->family == MM_NETADDR_V4 ? put_v4(end, address->bytes)
                                           : put_v6(end, address->bytes);
    size_t size = (size_t)(end - reversed);
    if (size + zone_size >= DNSBL_NAME_MAX - 1) {
        return MAILMOD_ERROR_LIMIT;
    }
    memcpy(name_out, reversed, size);
    memcpy(name_out + size, zone, zone_size + 1);
    return MAILMOD_OK;
}

static bool is_listing(const struct mm_netaddr *address)
{
    const uint8_t *octets = address->bytes;
    bool is_resolver = octets[1] == 0 && octets[2] == 0 && octets[3] == 1;
    bool is_list_error = octets[1] == 255 && octets[2] == 255;

    return address->family == MM_NETADDR_V4 && octets[0] == 127 &&
           !is_resolver && !is_list_error;
}

uint32_t dnsbl_code(const struct mm_netaddr *address)
{
    return (uint32_t)address->bytes[0] << 24 |
           (uint32_t)address->bytes[1] << 16 |
           (uint32_t)address->bytes[2] << 8 | address->bytes[3];
}

static bool is_chosen(const struct dnsbl_zone *zone, uint32_t code)
{
    bool is_in = zone == NULL || zone->code_count == 0;
    for (size_t i = 0; !is_in && i < zone->code_count; i++) {
        is_in = code >= zone->codes[i].first && code <= zone->codes[i].last;
    }
    return is_in;
}

enum dnsbl_verdict dnsbl_judge(const struct dnsbl_zone *zone,
                               enum mailmod_error error,
                               const struct mm_netaddr *addresses, size_t count)
{
    bool has_code = false;
    if (error == MAILMOD_ERROR_DNS_NO_NAME ||
        error == MAILMOD_ERROR_DNS_NO_DATA) {
        return DNSBL_NOT_LISTED;
    }
    if (error != MAILMOD_OK) {
        return DNSBL_UNKNOWN;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_listing(&addresses[i])) {
            has_code = true;
            if (is_chosen(zone, dnsbl_code(&addresses[i]))) {
                return DNSBL_LISTED;
            }
        }
    }
    /* Listed for what the operator does not mind. */
    return has_code ? DNSBL_NOT_LISTED : DNSBL_UNKNOWN;
}
