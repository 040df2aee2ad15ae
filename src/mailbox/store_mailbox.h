/* thread: worker, or any, as provider.h says
 * store_mailbox.h - the provider of the mailboxes that the store keeps. */
#ifndef MM_MAILBOX_STORE_MAILBOX_H
#define MM_MAILBOX_STORE_MAILBOX_H

#include "mailbox/provider.h"

/* Owns nothing: needs no end. */
void mm_store_mailboxes_init(struct mm_mailbox_provider *mailboxes,
                             struct mm_store *store);
/* The unique-id of a message that was not imported with one (RFC 1939 7). */
void mm_store_unique_id(uint32_t tag, uint64_t number,
                        char text_out[MM_UNIQUE_ID_MAX]);
/* The fields that a served message begins with: Return-Path (RFC 5321 4.4) and
 * for whom the copy was meant; "" for one that is not told. And their octets.
 */
MM_CHECK enum mailmod_error mm_mailbox_fields_write(struct mm_buf *out,
                                                    const char *reverse_path,
                                                    const char *delivered_to,
                                                    const char *original_to);
size_t mm_mailbox_fields_size(const char *reverse_path,
                              const char *delivered_to,
                              const char *original_to);

#endif
