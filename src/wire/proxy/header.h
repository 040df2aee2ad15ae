/* thread: any
 * header.h - the PROXY protocol's header: what a proxy in front of us says of
 * the client whose octets follow. Versions 1 (a line of text) and 2 (binary) of
 * "The PROXY protocol", HAProxy Technologies, 2020. */
#ifndef MM_WIRE_PROXY_HEADER_H
#define MM_WIRE_PROXY_HEADER_H

#include "base/netaddr.h"

/* Section 2: a receiver takes 536 octets at least, the least TCP segment. */
#define MM_PROXY_HEADER_MAX 536
/* Section 2.2: what version 2 begins with. */
#define MM_PROXY_SIGNATURE_SIZE 12

enum mm_proxy_result {
    MM_PROXY_MORE,  /* good so far, not whole */
    MM_PROXY_WHOLE, /* the header is read */
    MM_PROXY_BROKEN /* no header, or one that nobody may send */
};

struct mm_proxy_header {
    size_t size;            /* octets of it; the client's follow */
    struct mm_netaddr peer; /* the client; family NONE: LOCAL, UNKNOWN, or a
                               socket that is no TCP */
};

/* Reads the header at the beginning of `bytes`. Never MORE with
 * MM_PROXY_HEADER_MAX octets. */
enum mm_proxy_result mm_proxy_header_parse(struct mm_span bytes,
                                           struct mm_proxy_header *header_out);

/* A client's first octets, to be told from such a header. */
struct mm_proxy_start {
    size_t size;
    char octets[MM_PROXY_SIGNATURE_SIZE];
};
/* Adds a piece of what a client sends, from its first octet on; true as soon as
 * it is the beginning of a header, wherever the pieces are cut. */
bool mm_proxy_start_is_header(struct mm_proxy_start *start,
                              struct mm_span piece);

#endif
