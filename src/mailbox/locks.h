/* thread: any
 * locks.h - which mailboxes are open in this instance (RFC 1939 4): one value
 * an instance, shared by its providers. */
#ifndef MM_MAILBOX_LOCKS_H
#define MM_MAILBOX_LOCKS_H

#include "base/error.h"

#include <stdint.h>

struct mm_mailbox_locks;

MM_CHECK enum mailmod_error mm_mailbox_locks_new(struct mm_mailbox_locks **out);
void mm_mailbox_locks_free(struct mm_mailbox_locks **locks);
/* BUSY when another session has it. */
MM_CHECK enum mailmod_error mm_mailbox_lock(struct mm_mailbox_locks *locks,
                                            uint64_t mailbox_id);
void mm_mailbox_unlock(struct mm_mailbox_locks *locks, uint64_t mailbox_id);

#endif
