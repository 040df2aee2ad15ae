/* thread: any
 * rates.h - how much mail came lately: messages, recipients and octets in a
 * window of time, by address, network, user, sender and in all. */
#ifndef MM_SERVER_RATES_H
#define MM_SERVER_RATES_H

#include "base/recent.h"
#include "config/config.h"
#include "wire/smtp/reply.h"

struct mm_mutex;

enum mm_rate_kind {
    MM_RATE_MESSAGES,
    MM_RATE_RECIPIENTS,
    MM_RATE_OCTETS,
    MM_RATE_KIND_COUNT
};

struct mm_rate_counts {
    uint64_t since_ms; /* the window's first moment */
    uint64_t count[MM_RATE_KIND_COUNT];
};

struct mm_rates {
    struct mm_mutex *mutex; /* guards what follows */
    struct mm_recent table; /* scope and key -> counts */
    struct mm_rate_counts total;
};

/* Whose mail it is. */
struct mm_rate_subject {
    const struct mm_config *config;
    const struct mm_netaddr *peer;
    const char *user;   /* who logged in; NULL: nobody */
    const char *sender; /* the reverse-path; "": null, which is not counted */
};

MM_CHECK enum mailmod_error mm_rates_init(struct mm_rates *rates,
                                          uint64_t seed);
void mm_rates_fini(struct mm_rates *rates);
/* Has the configuration any such limit? The others need not be called then. */
bool mm_rates_are_set(const struct mm_config *config);
/* NULL: so much more is within all limits. Else the reply of the first limit
 * that it is above. */
const struct mm_reply *mm_rates_check(struct mm_rates *rates,
                                      const struct mm_rate_subject *subject,
                                      enum mm_rate_kind kind, uint64_t amount,
                                      uint64_t now_ms);
/* Checks, and counts it if it is within them. */
const struct mm_reply *mm_rates_take(struct mm_rates *rates,
                                     const struct mm_rate_subject *subject,
                                     enum mm_rate_kind kind, uint64_t amount,
                                     uint64_t now_ms);
/* Counts it in any case: it has come. */
void mm_rates_count(struct mm_rates *rates,
                    const struct mm_rate_subject *subject,
                    enum mm_rate_kind kind, uint64_t amount, uint64_t now_ms);

#endif
