/* thread: worker (calls may block), one session at a time
 * mailbox.h - the contract of mailbox providers for POP3.
 *
 * A session holds its mailbox exclusively from open to close (RFC 1939 4). The
 * listing is read once, at open, and never changes in the session. */
#ifndef MM_MAILBOX_MAILBOX_H
#define MM_MAILBOX_MAILBOX_H

#include "store/store.h"

#define MM_UNIQUE_ID_MAX 71 /* RFC 1939 7: 1 to 70 characters 33..126, NUL */

struct mm_mailbox; /* one open session */

struct mm_mailbox_entry {
    uint64_t unique_number;
    uint64_t size; /* octets as served, before dot-stuffing */
    uint64_t message_id;
};

/* Which mailboxes are open: one value an instance, shared by its sessions. */
struct mm_mailbox_locks;
MM_CHECK enum mailmod_error mm_mailbox_locks_new(struct mm_mailbox_locks **out);
void mm_mailbox_locks_free(struct mm_mailbox_locks **locks);

/* BUSY when another session has it. */
MM_CHECK enum mailmod_error mm_mailbox_open(struct mm_mailbox **mailbox_out,
                                            struct mm_store *store,
                                            struct mm_mailbox_locks *locks,
                                            uint64_t mailbox_id);
void mm_mailbox_close(struct mm_mailbox **mailbox);

size_t mm_mailbox_count(const struct mm_mailbox *mailbox);
/* By index from 0; the entry lives until close. thread: any. */
const struct mm_mailbox_entry *
mm_mailbox_entry(const struct mm_mailbox *mailbox, size_t index);
void mm_mailbox_unique_id(const struct mm_mailbox *mailbox, size_t index,
                          char text_out[MM_UNIQUE_ID_MAX]);
/* Piece `number` of the message as served (Return-Path first) into `out`;
 * NOT_FOUND after the last, STORAGE_DAMAGED instead when pieces read in turn
 * have fewer octets than the listing says. Blocks: on a worker. */
MM_CHECK enum mailmod_error mm_mailbox_read(struct mm_mailbox *mailbox,
                                            size_t index, unsigned number,
                                            struct mm_buf *out);
/* Octets of the Return-Path field that a served message begins with. */
size_t mm_mailbox_return_path_size(const char *reverse_path);
/* Removes all of them in one transaction; `job` answers when it is on disk.
 * The job and the numbers live in `removal`, which the caller keeps. */
struct mm_mailbox_removal {
    struct mm_store_job job;
    uint64_t mailbox_id;
    uint64_t *unique_numbers; /* mm_alloc'd by the caller, freed by it */
    size_t count;
    void (*done)(struct mm_mailbox_removal *removal, enum mailmod_error error);
};
/* thread: any; `done` on the writer. */
void mm_mailbox_remove(struct mm_mailbox *mailbox,
                       struct mm_mailbox_removal *removal);

#endif
