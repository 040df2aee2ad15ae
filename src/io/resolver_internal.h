/* thread: loop (resolver_answer.c: any)
 * resolver_internal.h - between the resolver and its reader of answers. */
#ifndef MM_IO_RESOLVER_INTERNAL_H
#define MM_IO_RESOLVER_INTERNAL_H

#include "base/limits.h"
#include "io/io.h"

/* RFC 1035 3.2.2 and 3.3.14, RFC 3596 2.1. */
enum mm_dns_type {
    MM_DNS_A = 1,
    MM_DNS_MX = 15,
    MM_DNS_TXT = 16,
    MM_DNS_AAAA = 28
};

/* What an answer came to; only the part of the question's type is used. */
struct mm_dns_result {
    enum mailmod_error error;
    size_t count;
    struct mm_mx *hosts;          /* MM_LIMIT_MX_HOSTS at most */
    struct mm_netaddr *addresses; /* MM_LIMIT_HOST_ADDRESSES at most */
    struct mm_buf text;
};

void mm_dns_result_init(struct mm_dns_result *result);
void mm_dns_result_fini(struct mm_dns_result *result);
/* Reads an answer of the asked type; all that it holds is copied and
 * checked. */
void mm_dns_read_answer(struct mm_dns_result *result, enum mm_dns_type type,
                        const uint8_t *answer, size_t size);
/* Letters, digits, hyphens, underscores in labels of 1 to 63, 253 in all. A
 * final dot is allowed; `host_out` gets the name in lower case without it. */
bool mm_dns_is_name(struct mm_span name, char host_out[256]);

#endif
