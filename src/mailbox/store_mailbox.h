/* thread: worker, or any, as provider.h says
 * store_mailbox.h - the provider of the mailboxes that the store keeps. */
#ifndef MM_MAILBOX_STORE_MAILBOX_H
#define MM_MAILBOX_STORE_MAILBOX_H

#include "mailbox/provider.h"

/* Owns nothing: needs no end. */
void mm_store_mailboxes_init(struct mm_mailbox_provider *mailboxes,
                             struct mm_store *store);
/* Octets of the Return-Path field that a served message begins with. */
size_t mm_mailbox_return_path_size(const char *reverse_path);

#endif
