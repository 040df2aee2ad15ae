/* mailmod/kept.h - what is kept of mail that has left the queue: what other
 * hosts took, and dead letters, of whose failure nobody could be told. Included
 * by mailmod.h.
 *
 * For how long: archive.sent_days, archive.dead_letter_days. All calls may
 * block and come from any thread but a callback's of a session; a change is on
 * disk when the call returns. The octets of a message are read by
 * mailmod_queue_read. */
#ifndef MAILMOD_KEPT_H
#define MAILMOD_KEPT_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mailmod_kept { /* one recipient of one message */
    size_t size;      /* of this structure as the library filled it */
    enum mailmod_kept_kind kind;
    const char *message; /* queue identifier */
    const char *reverse_path;
    const char *recipient;
    const char *destination;
    const char *last_reply; /* the words of its end */
    uint64_t message_size;
    int64_t arrival_ms, kept_ms; /* since 1970, UTC */
    unsigned attempts;
};
typedef void (*mailmod_on_kept)(void *context, const struct mailmod_kept *kept);

/* Those of a kind, oldest message first; `message` NULL: all. What the callback
 * is lent lives until it returns. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_kept_list(mailmod *instance, enum mailmod_kept_kind kind,
                  const char *message, mailmod_on_kept on_kept, void *context);
/* MAILMOD_QUEUE_RELEASE: it is queued again, due now, for queue.lifetime; sent
 * mail so goes out once more. MAILMOD_QUEUE_DELETE: it is gone. `message` NULL:
 * all that are kept now, in steps that are durable one by one: on an error
 * `count_out` (may be NULL) recipients were done. NOT_FOUND: nothing of that
 * message is kept; ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_kept_act(mailmod *instance, enum mailmod_kept_kind kind,
                 const char *message, enum mailmod_queue_action action,
                 size_t *count_out);

#ifdef __cplusplus
}
#endif

#endif
