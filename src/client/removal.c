/* removal.c - who was taken out of the queue is told to the observer.
 *
 * Owns nothing for longer than a call. Promises that a slice of removed
 * recipients has been told before the next one is removed, so that memory is
 * bounded.
 * Thread: any. */
#include "client/outbound_internal.h"

#include "base/mem.h"

#include <string.h>

void mm_outbound_tell_removed(const struct mm_outbound *outbound)
{
    struct mq_removed *removed;
    while ((removed = mq_take_removed(outbound->queue)) != NULL) {
        struct mm_store_recipient recipient = {
            .message_id = removed->message_id, .number = removed->number};
        struct mq_outcome outcome;
        memcpy(recipient.path, removed->path, sizeof recipient.path);
        mq_removal_outcome(&outcome);
        mm_outbound_note_outcome(outbound, removed->message_id, &recipient,
                                 &outcome, true);
        struct mm_store_message message = {.id = removed->message_id,
                                           .is_report = removed->is_report};
        memcpy(message.reverse_path, removed->reverse_path,
               sizeof message.reverse_path);
        mm_outbound_tell(outbound, MAILMOD_EVENT_REMOVED, &message, &recipient,
                         &outcome, removed->attempts);
        mm_free(removed);
    }
}

static void on_slice(void *context)
{
    mm_outbound_tell_removed(context);
}

enum mailmod_error mm_outbound_remove(struct mm_outbound *outbound,
                                      uint64_t message_id, size_t *count_out)
{
    return mq_remove(outbound->queue, message_id, on_slice, outbound,
                     count_out);
}
