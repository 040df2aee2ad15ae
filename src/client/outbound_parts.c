/* outbound_parts.c - what the parts of an outbound ask of it.
 *
 * Owns nothing: lanes, unstored messages and searches stand on it, and the
 * outbound itself stands on them.
 * Thread: loop. */
#include "client/outbound_internal.h"

bool mm_outbound_is_stopped(const struct mm_outbound *outbound)
{
    return atomic_load(&outbound->is_stopped);
}

const struct mm_config *mm_outbound_config(const struct mm_outbound *outbound)
{
    return outbound->settings->config;
}

struct mm_delivery_options
mm_outbound_delivery(const struct mm_outbound *outbound,
                     const char *destination)
{
    return (struct mm_delivery_options){
        .loop = outbound->options.loop,
        .workers = outbound->options.workers,
        .store = outbound->options.store,
        .log = outbound->options.log,
        .settings = outbound->settings,
        .destination = destination,
        .hosts = (struct mm_host_table *)&outbound->hosts,
        .secret = outbound->secret};
}

void mm_outbound_note_progress(const struct mm_outbound *outbound,
                               const struct mq_batch *batch,
                               enum mailmod_progress progress, uint64_t octets)
{
    const struct mm_outbound_observer *observer = &outbound->options.observer;
    if (observer->on_progress != NULL) {
        observer->on_progress(observer->context, batch->message.id, progress,
                              octets);
    }
}

void mm_outbound_note_outcome(const struct mm_outbound *outbound,
                              uint64_t message_id,
                              const struct mm_store_recipient *recipient,
                              const struct mq_outcome *outcome, bool is_final)
{
    const struct mm_outbound_observer *observer = &outbound->options.observer;
    if (observer->on_outcome != NULL) {
        observer->on_outcome(observer->context, message_id, recipient, outcome,
                             is_final);
    }
}
