/* thread: loop (whoever owns the lists, one at a time)
 * dnsbl_internal.h - between the lists, their tests, the memory of answers and
 * the checks. */
#ifndef DNSBL_DNSBL_INTERNAL_H
#define DNSBL_DNSBL_INTERNAL_H

#include "base/list.h"
#include "dnsbl/dnsbl.h"

enum { DNSBL_V4, DNSBL_V6, DNSBL_FAMILIES };

struct dnsbl_member;
/* One of the two questions of a list's test. */
struct dnsbl_probe {
    struct dnsbl_test *test;
    void *query;
    enum dnsbl_verdict verdict;
};
/* A list's test for one family of addresses, and what came of the last. */
struct dnsbl_test {
    struct dnsbl_member *member;
    bool is_v6;
    enum dnsbl_health health;
    struct dnsbl_probe listed; /* the entry that must be there */
    struct dnsbl_probe clean;  /* the one that must not */
    unsigned pending;
    bool has_run;
    uint64_t next_ms;
};

struct dnsbl_member {
    struct dnsbl *lists;
    size_t index;
    struct dnsbl_zone zone;
    struct dnsbl_test tests[DNSBL_FAMILIES];
};

struct dnsbl_cache;
struct dnsbl {
    struct dnsbl_names names;
    struct dnsbl_options options;
    struct dnsbl_member members[DNSBL_ZONES_MAX];
    size_t count;
    struct mm_list checks; /* open ones */
    struct dnsbl_cache *cache;
};

/* test.c: begins a test when it is time for one. */
void dnsbl_test_when_due(struct dnsbl_test *test);
void dnsbl_test_cancel(struct dnsbl_test *test);
/* check.c: a list's health is another one now. */
void dnsbl_check_again(struct dnsbl *lists);

/* cache.c: bounded; a newcomer takes the place of who has it. NULL is none. */
struct dnsbl_cache *dnsbl_cache_new(const struct dnsbl_options *options);
void dnsbl_cache_put(struct dnsbl_cache *cache, const struct mm_netaddr *peer,
                     size_t zone, enum dnsbl_verdict verdict, uint64_t now_ms);
/* UNKNOWN when it is not known. */
enum dnsbl_verdict dnsbl_cache_find(const struct dnsbl_cache *cache,
                                    const struct mm_netaddr *peer, size_t zone,
                                    uint64_t now_ms);

#endif
