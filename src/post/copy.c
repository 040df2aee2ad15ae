/* copy.c - one entry of a mailbox, whichever way its message came by.
 *
 * Owns nothing. Promises: the size that is kept is that of what is served, with
 * the fields that are made then; the quota's last word is said here. An entry
 * that tells nothing of its own costs no more than its four numbers.
 * Thread: the store's writer. RFC 5321 4.4; RFC 1939 7. */
#include "post/copy.h"

#include "mailbox/store_mailbox.h"
#include "post/quota.h"

static enum mailmod_error put_detail(const struct mm_copy *copy, uint64_t size,
                                     struct mm_store_transaction *t)
{
    struct mm_store_entry_detail detail = {.marks = copy->marks};

    (void)mm_span_copy(mm_span_cstr(copy->uidl), detail.uidl,
                       sizeof detail.uidl);
    (void)mm_span_copy(mm_span_cstr(copy->delivered_to), detail.delivered_to,
                       sizeof detail.delivered_to);
    (void)mm_span_copy(mm_span_cstr(copy->original_to), detail.original_to,
                       sizeof detail.original_to);
    enum mailmod_error error = mm_store_put_entry_with(
        t, copy->mailbox_id, copy->message->id, size, &detail);
    if (error != MAILMOD_ERROR_EXISTS) {
        return error;
    }
    detail.uidl[0] = '\0';
    return mm_store_put_entry_with(t, copy->mailbox_id, copy->message->id, size,
                                   &detail);
}

enum mailmod_error mm_copy_put(const struct mm_copy *copy,
                               struct mm_store_transaction *transaction)
{
    uint64_t size =
        copy->message->size +
        mm_mailbox_fields_size(copy->message->reverse_path, copy->delivered_to,
                               copy->original_to);
    enum mailmod_error error =
        mm_quota_check(transaction, copy->mailbox_id, copy->limit, size);

    if (error != MAILMOD_OK) {
        return error;
    }
    return copy->uidl[0] == '\0' && copy->delivered_to[0] == '\0' &&
                   copy->marks == 0
               ? mm_store_put_entry(transaction, copy->mailbox_id,
                                    copy->message->id, size)
               : put_detail(copy, size, transaction);
}
