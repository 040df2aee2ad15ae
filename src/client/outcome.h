/* thread: any
 * outcome.h - how far an attempt has come, and what came of it: fills
 * mq_outcome from a peer's reply, or in our own words. */
#ifndef MM_CLIENT_OUTCOME_H
#define MM_CLIENT_OUTCOME_H

#include "mailmod/terms.h"
#include "queue/queue.h"
#include "wire/smtp/reply.h"

/* Our own words: a permanent one when `status` begins with 5. `error` is the
 * cause, which is kept and never guessed from the status. */
void mm_outcome_set(struct mq_outcome *outcome, enum mailmod_error error,
                    const char *status, const char *host, const char *text);
/* What came of recipient `index` of an attempt that told `outcomes`. NULL: it
 * was broken off, which `untried` then says. */
const struct mq_outcome *mm_outcome_of(const struct mq_outcome *outcomes,
                                       size_t index,
                                       struct mq_outcome *untried);
/* A reply: 2xx delivered, 4xx deferred, 5xx failed, both REFUSED; the status is
 * the reply's own enhanced code or its class with 0.0 (RFC 3464 2.3.4). */
void mm_outcome_from_reply(struct mq_outcome *outcome, const char *host,
                           const struct mm_reply_in *reply);
/* The same for a reply that speaks of the host and not of the mail (greeting,
 * EHLO, AUTH, 421): never permanent, backs off the destination. */
void mm_outcome_from_refusal(struct mq_outcome *outcome, const char *host,
                             const struct mm_reply_in *reply,
                             const char *status);

/* The one line in the log of a recipient's outcome. `what`: "delivered" and so
 * on; `attempts` with this one. */
void mm_outcome_log(const struct mm_log *log, const char *what,
                    const struct mm_store_message *message,
                    const struct mm_store_recipient *recipient,
                    const struct mq_outcome *outcome, int64_t now_ms,
                    unsigned attempts);

#endif
