/* thread: loop (the session's); its store jobs run on the writer
 * incoming.h - one message on its way from the wire into the store.
 *
 * Collects envelope and body; body pieces of MM_LIMIT_CHUNK octets go to the
 * store as they arrive, at most one on its way while the next one fills, so
 * the size of a message is not the size of its memory. Finishing is one
 * durable transaction: message, queue recipients, mailbox entries. */
#ifndef MM_SERVER_INCOMING_H
#define MM_SERVER_INCOMING_H

#include "io/io.h"
#include "store/store.h"
#include "wire/msg/message.h"
#include "wire/smtp/server.h"

#include <stdatomic.h>

struct mm_incoming;

struct mm_incoming_options {
    struct mm_loop *loop;
    struct mm_store *store;
    uint64_t lifetime_ms; /* of its queue recipients */
    /* A chunk is on disk, there is room again (error: it failed, and so has
     * the message). Not called after mm_incoming_abandon. */
    void (*on_room)(void *context);
    /* The answer to mm_incoming_finish. */
    void (*on_finished)(void *context, enum mailmod_error error);
    void *context;
    /* Something new is in the queue, even if the session is gone by now. */
    void (*wake)(void *wake_context);
    void *wake_context;
    atomic_size_t *live; /* counts messages that are not freed yet */
};

MM_CHECK enum mailmod_error
mm_incoming_new(struct mm_incoming **incoming_out,
                const struct mm_incoming_options *options,
                const struct mm_address *reverse_path,
                const struct mm_mail_parameters *parameters);
/* Forgets the message, whatever it is doing; sweeps what it stored. The
 * pointer is gone for the caller; callbacks come no more. */
void mm_incoming_abandon(struct mm_incoming **incoming);

/* A recipient with a mailbox here; the same mailbox twice is one copy. */
MM_CHECK enum mailmod_error mm_incoming_add_local(struct mm_incoming *incoming,
                                                  uint64_t mailbox_id);
/* A recipient for the queue. */
MM_CHECK enum mailmod_error
mm_incoming_add_remote(struct mm_incoming *incoming,
                       const struct mm_address *path, const char *destination,
                       const struct mm_rcpt_parameters *parameters);
size_t mm_incoming_recipient_count(const struct mm_incoming *incoming);
/* Whether it has a recipient for the queue. */
bool mm_incoming_is_outgoing(const struct mm_incoming *incoming);
bool mm_incoming_is_smtputf8(const struct mm_incoming *incoming);
const char *mm_incoming_identifier(const struct mm_incoming *incoming);
const char *mm_incoming_reverse_path(const struct mm_incoming *incoming);
uint64_t mm_incoming_size(const struct mm_incoming *incoming);
/* Received fields seen so far: RFC 5321 6.3. */
unsigned mm_incoming_received_count(const struct mm_incoming *incoming);

/* The first octets of the message, ours: not counted as the peer's header. */
MM_CHECK enum mailmod_error mm_incoming_stamp(struct mm_incoming *incoming,
                                              struct mm_span header);
/* Takes what has room; less than all means on_room comes. An error is final:
 * STORAGE_FULL, STORAGE, MEMORY. */
MM_CHECK enum mailmod_error mm_incoming_write(struct mm_incoming *incoming,
                                              struct mm_span data,
                                              size_t *used_out);
/* The whole is there: on_finished tells when it is durable. */
void mm_incoming_finish(struct mm_incoming *incoming, bool has_8bit);

#endif
