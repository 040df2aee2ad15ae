/* thread: loop, except where a function says any
 * mail_hosts.h - a search for all hosts that take a domain's mail at once
 * (RFC 5321 5.1). */
#ifndef MM_CLIENT_MAIL_HOSTS_H
#define MM_CLIENT_MAIL_HOSTS_H

#include "client/host_addresses.h"
#include "client/outbound.h"

struct mm_host_search;
struct mm_branch;

struct mm_mail_host {
    char name[256];
    unsigned preference;
    struct mm_host_addresses addresses; /* none: not known, or none there */
    struct mm_host_search *search;
};

/* One search; its owner's, from mm_outbound_find_hosts to on_done, which comes
 * exactly once and after which the search is not touched any more. The owner
 * fills in `domain`, `on_done` and zeroes the rest. */
struct mm_host_search {
    char domain[256];
    void (*on_done)(struct mm_host_search *search); /* thread: loop */
    /* The result: OK with hosts by preference, equal ones as the name server
     * gave them; SYNTAX (no name); DNS_NULL_MX; DNS_NO_NAME; DNS_NO_DATA (no
     * mail host at all); DNS, TIMEOUT (no answer); STOPPED; MEMORY. */
    enum mailmod_error error;
    struct mm_mail_host hosts[MM_LIMIT_MX_HOSTS];
    size_t host_count;

    struct mm_branch *branch;
    struct mm_list node;
    struct mm_task task;
    struct mm_query *mx_query;
    size_t pending; /* hosts whose addresses are asked for */
    bool is_implicit;
};

/* thread: any. The outbound must not have been stopped before this call; a stop
 * from now on ends the search with STOPPED. It counts as busy. */
void mm_outbound_find_hosts(struct mm_outbound *outbound,
                            struct mm_host_search *search);

#endif
