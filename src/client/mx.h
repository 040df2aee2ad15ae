/* thread: any
 * mx.h - what an answer to an MX question means: the hosts of a domain in their
 * order. The one reader for routes and for searches. */
#ifndef MM_CLIENT_MX_H
#define MM_CLIENT_MX_H

#include "base/limits.h"
#include "io/io.h"

struct mm_mx_host {
    char name[256];
    unsigned preference;
    uint64_t order; /* among equals */
};

/* The best MM_LIMIT_MX_HOSTS, sorted. */
struct mm_mx_list {
    struct mm_mx_host hosts[MM_LIMIT_MX_HOSTS];
    size_t count;
    bool is_implicit; /* no MX: the domain is its own host */
};

struct mm_mx_answer {
    const char *domain;
    enum mailmod_error error;
    const struct mm_mx *records;
    size_t count;
};

void mm_mx_list_add(struct mm_mx_list *list, const char *name,
                    unsigned preference, uint64_t order);
/* OK with the hosts (none: no record names one); DNS_NULL_MX; or the answer's
 * error. Equal preferences stand in random order by the state `random`, or
 * (NULL) as they came. */
MM_CHECK enum mailmod_error mm_mx_list_read(struct mm_mx_list *list_out,
                                            const struct mm_mx_answer *answer,
                                            uint64_t *random);

#endif
