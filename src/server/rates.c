/* rates.c - limits of mail in a window of time.
 *
 * Owns one bounded table of counts, which the server keeps over a reload, and
 * the replies: one for each scope and kind. Promises: a window begins with the
 * first thing counted and ends rates.window later; what is refused counts
 * nothing; made-up senders grow nothing, the one that was heard of least lately
 * is forgotten first.
 * Thread: any; one mutex, held for a few look-ups. */
#include "server/rates.h"

#include "base/buf.h"
#include "base/limits.h"
#include "platform/thread.h"

#include <string.h>

/* A session ends where all its mail is meant; one user or sender among many is
 * put off. No recipient ends the session of those before it. */
static const struct mm_reply replies[MM_CONFIG_RATE_COUNT][MM_RATE_KIND_COUNT] =
    {[MM_CONFIG_RATE_ADDRESS] =
         {{421, "4.7.0", "Too many messages from your address; come later"},
          {450, "4.7.1", "Too many recipients from your address; come later"},
          {421, "4.7.0", "Too much mail from your address; come later"}},
     [MM_CONFIG_RATE_NETWORK] =
         {{421, "4.7.0", "Too many messages from your network; come later"},
          {450, "4.7.1", "Too many recipients from your network; come later"},
          {421, "4.7.0", "Too much mail from your network; come later"}},
     [MM_CONFIG_RATE_USER] =
         {{450, "4.7.1", "Too many messages of this user; come later"},
          {450, "4.7.1", "Too many recipients of this user; come later"},
          {450, "4.7.1", "Too much mail of this user; come later"}},
     [MM_CONFIG_RATE_SENDER] =
         {{450, "4.7.1", "Too many messages of this sender; come later"},
          {450, "4.7.1", "Too many recipients of this sender; come later"},
          {450, "4.7.1", "Too much mail of this sender; come later"}},
     [MM_CONFIG_RATE_TOTAL] = {
         {421, "4.7.0", "Too many messages in all; come later"},
         {450, "4.7.1", "Too many recipients in all; come later"},
         {421, "4.7.0", "Too much mail in all; come later"}}};

enum mailmod_error mm_rates_init(struct mm_rates *rates, uint64_t seed)
{
    mm_recent_init(&rates->table, MM_LIMIT_RATES, sizeof(struct mm_rate_counts),
                   seed);
    return mm_mutex_new(&rates->mutex);
}

void mm_rates_fini(struct mm_rates *rates)
{
    mm_recent_fini(&rates->table);
    mm_mutex_free(&rates->mutex);
}

static uint64_t max_of(const struct mm_config *config, size_t scope,
                       enum mm_rate_kind kind)
{
    const struct mm_config_rate *rate = &config->rates.per[scope];

    return kind == MM_RATE_MESSAGES     ? rate->messages_max
           : kind == MM_RATE_RECIPIENTS ? rate->recipients_max
                                        : rate->octets_max;
}

bool mm_rates_are_set(const struct mm_config *config)
{
    for (size_t scope = 0; scope < MM_CONFIG_RATE_COUNT; scope++) {
        const struct mm_config_rate *rate = &config->rates.per[scope];

        if ((rate->messages_max | rate->recipients_max | rate->octets_max) !=
            0) {
            return true;
        }
    }
    return false;
}

#define KEY_MAX (1 + MM_LIMIT_PATH)

/* The scope in one octet, then who it is; false: nobody. */
static bool write_key(const struct mm_rate_subject *subject, size_t scope,
                      struct mm_buf *key)
{
    struct mm_span who = mm_span(NULL, 0);

    switch ((enum mm_config_rate_scope)scope) {
    case MM_CONFIG_RATE_ADDRESS:
        who = mm_netaddr_limit_key(subject->peer);
        break;
    case MM_CONFIG_RATE_NETWORK:
        who = mm_netaddr_network_key(subject->peer);
        break;
    case MM_CONFIG_RATE_USER:
        who = mm_span_cstr(subject->user != NULL ? subject->user : "");
        break;
    case MM_CONFIG_RATE_SENDER:
        who = mm_span_cstr(subject->sender);
        break;
    case MM_CONFIG_RATE_TOTAL:
    case MM_CONFIG_RATE_COUNT:
        break;
    }
    (void)mm_buf_append_char(key, (char)('0' + scope));
    for (size_t i = 0; i < who.size; i++) {
        char c = who.data[i];
        /* RFC 5321 2.4: only domains have no case, but senders rarely do */
        (void)mm_buf_append_char(
            key, scope == MM_CONFIG_RATE_SENDER ? mm_ascii_lower(c) : c);
    }
    return who.size > 0 && mm_buf_error(key) == MAILMOD_OK;
}

/* Locked. The counts of the present window; NULL: nobody's, or no memory. */
static struct mm_rate_counts *counts_of(struct mm_rates *rates,
                                        const struct mm_rate_subject *subject,
                                        size_t scope, uint64_t now_ms)
{
    struct mm_rate_counts *counts = &rates->total;

    if (scope != MM_CONFIG_RATE_TOTAL) {
        struct mm_buf key;
        mm_buf_init(&key, KEY_MAX);
        counts = write_key(subject, scope, &key)
                     ? mm_recent_use(&rates->table, mm_buf_span(&key))
                     : NULL;
        mm_buf_fini(&key);
    }
    if (counts != NULL &&
        (counts->since_ms == 0 ||
         now_ms >= counts->since_ms + subject->config->rates.window_ms)) {
        memset(counts, 0, sizeof *counts);
        counts->since_ms = now_ms > 0 ? now_ms : 1;
    }
    return counts;
}

/* Locked. */
static const struct mm_reply *check(struct mm_rates *rates,
                                    const struct mm_rate_subject *subject,
                                    enum mm_rate_kind kind, uint64_t amount,
                                    uint64_t now_ms)
{
    for (size_t scope = 0; scope < MM_CONFIG_RATE_COUNT; scope++) {
        uint64_t max = max_of(subject->config, scope, kind);
        const struct mm_rate_counts *counts =
            max > 0 ? counts_of(rates, subject, scope, now_ms) : NULL;

        if (counts != NULL && (counts->count[kind] >= max ||
                               amount > max - counts->count[kind])) {
            return &replies[scope][kind];
        }
    }
    return NULL;
}

/* Locked. */
static void count(struct mm_rates *rates, const struct mm_rate_subject *subject,
                  enum mm_rate_kind kind, uint64_t amount, uint64_t now_ms)
{
    for (size_t scope = 0; scope < MM_CONFIG_RATE_COUNT; scope++) {
        struct mm_rate_counts *counts =
            max_of(subject->config, scope, kind) > 0
                ? counts_of(rates, subject, scope, now_ms)
                : NULL;

        if (counts != NULL) {
            counts->count[kind] += amount;
        }
    }
}

const struct mm_reply *mm_rates_check(struct mm_rates *rates,
                                      const struct mm_rate_subject *subject,
                                      enum mm_rate_kind kind, uint64_t amount,
                                      uint64_t now_ms)
{
    mm_mutex_lock(rates->mutex);
    const struct mm_reply *reply = check(rates, subject, kind, amount, now_ms);
    mm_mutex_unlock(rates->mutex);
    return reply;
}

const struct mm_reply *mm_rates_take(struct mm_rates *rates,
                                     const struct mm_rate_subject *subject,
                                     enum mm_rate_kind kind, uint64_t amount,
                                     uint64_t now_ms)
{
    mm_mutex_lock(rates->mutex);
    const struct mm_reply *reply = check(rates, subject, kind, amount, now_ms);
    if (reply == NULL) {
        count(rates, subject, kind, amount, now_ms);
    }
    mm_mutex_unlock(rates->mutex);
    return reply;
}

void mm_rates_count(struct mm_rates *rates,
                    const struct mm_rate_subject *subject,
                    enum mm_rate_kind kind, uint64_t amount, uint64_t now_ms)
{
    mm_mutex_lock(rates->mutex);
    count(rates, subject, kind, amount, now_ms);
    mm_mutex_unlock(rates->mutex);
}
