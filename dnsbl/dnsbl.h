/* thread: any, one at a time for the lists of one value
 * dnsbl.h - DNS block lists: what to ask about a peer, what the answers mean,
 * and which lists can be believed. RFC 5782.
 *
 * A library of its own that opens no socket and knows no clock: it asks and is
 * answered through a table of functions of its owner's. It owns the lists, what
 * is known of their health, and a bounded memory of answers. A list that is
 * silent, fails, lies or has no entry for itself lists nobody. */
#ifndef DNSBL_DNSBL_H
#define DNSBL_DNSBL_H

#include "base/buf.h"
#include "base/netaddr.h"

#define DNSBL_NAME_MAX 256 /* with NUL: RFC 1035 2.3.4 */
#define DNSBL_LABEL_MAX 254
#define DNSBL_CODES_MAX 16
#define DNSBL_ZONES_MAX 16
#define DNSBL_REASON_MAX 200 /* of a list's own words, with NUL */

struct dnsbl_codes { /* of return codes, 127.0.0.0/8 as numbers */
    uint32_t first, last;
};
struct dnsbl_zone {
    char name[DNSBL_NAME_MAX];   /* may hold a key: never told */
    char label[DNSBL_LABEL_MAX]; /* what is told in its place */
    struct dnsbl_codes codes[DNSBL_CODES_MAX];
    size_t code_count; /* 0: every code lists */
    int weight;        /* below 0: speaks for the peer */
};
/* "[label:]zone[=code[-code][;code...]][*weight]"; a zone of three labels or
 * more is called by all but its first. SYNTAX. */
MM_CHECK enum mailmod_error dnsbl_zone_parse(struct mm_span text,
                                             struct dnsbl_zone *zone_out);
/* The same text, with asterisks for what its label hides. */
MM_CHECK enum mailmod_error dnsbl_zone_mask(struct mm_span text,
                                            struct mm_buf *out);

/* "1.2.0.192.zone" of 192.0.2.1, or the 32 nibbles of an IPv6 address in
 * reverse order (RFC 5782 2.1, 2.4). LIMIT when it is no possible name. */
MM_CHECK enum mailmod_error dnsbl_query_name(const struct mm_netaddr *address,
                                             const char *zone,
                                             char name_out[DNSBL_NAME_MAX]);

enum dnsbl_verdict {
    DNSBL_NOT_LISTED,
    DNSBL_LISTED,
    DNSBL_UNKNOWN /* no usable answer: must never reject */
};

/* An IPv4 address as a number. */
uint32_t dnsbl_code(const struct mm_netaddr *address);
/* `error` is the look-up's: OK with the addresses, DNS_NO_NAME, DNS_NO_DATA or
 * a failure. Only 127.0.0.0/8 lists, and of that neither 127.0.0.1 (a resolver
 * that lies, RFC 5782 5) nor 127.255.255.0/24 (the list's own errors); and of
 * a zone (NULL: any) only the codes that were chosen. */
enum dnsbl_verdict dnsbl_judge(const struct dnsbl_zone *zone,
                               enum mailmod_error error,
                               const struct mm_netaddr *addresses,
                               size_t count);

/* RFC 5782 5: 127.0.0.2 (::FFFF:7F00:2) is listed, 127.0.0.1 (::FFFF:7F00:1)
 * is not. */
enum dnsbl_health {
    DNSBL_UNTESTED, /* its answers wait for the test */
    DNSBL_GOOD,
    DNSBL_SILENT, /* the test had no usable answer */
    DNSBL_EMPTY,  /* no entry for itself: dead, or not of this family */
    DNSBL_LYING   /* lists everybody */
};

typedef void dnsbl_on_addresses(void *context, enum mailmod_error error,
                                const struct mm_netaddr *addresses,
                                size_t count);
typedef void dnsbl_on_text(void *context, enum mailmod_error error,
                           struct mm_span text);
/* What is asked of the owner. Answers come later, never inside a question. */
struct dnsbl_names {
    void *context;
    enum mailmod_error (*ask_addresses)(void *names_context, const char *name,
                                        dnsbl_on_addresses *on_addresses,
                                        void *context, void **query_out);
    enum mailmod_error (*ask_text)(void *names_context, const char *name,
                                   dnsbl_on_text *on_text, void *context,
                                   void **query_out);
    void (*cancel)(void *names_context, void *query); /* nothing comes then */
    uint64_t (*now_ms)(void *names_context);          /* monotonic */
    /* A list was switched off, or on again. */
    void (*tell)(void *names_context, const char *label, bool is_v6,
                 enum dnsbl_health health);
};
struct dnsbl_options {
    int threshold;     /* a peer is refused from this sum of weights on */
    bool tests;        /* the lists test themselves */
    uint64_t cache_ms; /* how long an answer is known; 0: not at all */
    uint64_t seed[2];  /* of the memory's order */
    bool wants_labels; /* of each list that has a listed peer; no reason */
};

struct dnsbl; /* the lists of one configuration */
MM_CHECK enum mailmod_error dnsbl_new(struct dnsbl **lists_out,
                                      const struct dnsbl_names *names,
                                      const struct dnsbl_options *options);
/* Before the first check. SYNTAX, LIMIT (DNSBL_ZONES_MAX). */
MM_CHECK enum mailmod_error dnsbl_add(struct dnsbl *lists, struct mm_span text);
/* When no check is open. */
void dnsbl_free(struct dnsbl **lists);

struct dnsbl_check; /* the question about one peer */
/* `on_done` comes once, never from inside this call; not at all for a check
 * that is done when this call returns, as one is whose answers are known. STATE
 * when there is nobody to ask; MEMORY. */
MM_CHECK enum mailmod_error dnsbl_check_begin(struct dnsbl_check **check_out,
                                              struct dnsbl *lists,
                                              const struct mm_netaddr *peer,
                                              void (*on_done)(void *context),
                                              void *context);
/* It is late: what has come so far decides, in on_done, inside this call. */
void dnsbl_check_end(struct dnsbl_check *check);
void dnsbl_check_free(struct dnsbl_check **check); /* no on_done any more */
bool dnsbl_check_is_done(const struct dnsbl_check *check);
/* The label of the heaviest list that has the peer, once it is done and the
 * threshold is reached; else NULL. */
const char *dnsbl_check_label(const struct dnsbl_check *check);
/* The label of each list that has a listed peer and weighs against it, in the
 * order of the lists; NULL from their number on. */
const char *dnsbl_check_label_at(const struct dnsbl_check *check, size_t index);
/* What the heaviest list says of it, printable ASCII; "" without words. */
const char *dnsbl_check_reason(const struct dnsbl_check *check);

#endif
