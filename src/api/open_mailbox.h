/* thread: any
 * open_mailbox.h - mailboxes that the host has open. */
#ifndef MM_API_OPEN_MAILBOX_H
#define MM_API_OPEN_MAILBOX_H

#include "mailmod.h"

#include "post/post.h"

#include <stdbool.h>

/* The mailboxes of one run of an instance: made at its start, ended by its
 * drain, and there as long as a handle is. */
struct mm_open_mailboxes;
struct mm_readings;

MM_CHECK enum mailmod_error
mm_open_mailboxes_new(struct mm_open_mailboxes **mailboxes_out,
                      struct mm_post *post, struct mm_readings *readings);
/* Calls in work come to their end, then all are closed: further ones get
 * STOPPED. Not in a callback of such a call. */
void mm_open_mailboxes_end(struct mm_open_mailboxes *mailboxes);
void mm_open_mailboxes_unref(struct mm_open_mailboxes **mailboxes);
/* The calling thread is in a callback of a call for an open mailbox. */
bool mm_open_mailboxes_is_callback(void);

#endif
