/* outbound_parts.c - what the parts of an outbound ask of it.
 *
 * Owns nothing: lanes, unstored messages and searches stand on it, and the
 * outbound itself stands on them.
 * Thread: loop, and any where the header says so. */
#include "client/outbound_internal.h"

#include "base/siphash.h"
#include "post/news.h"

#include <string.h>

bool mm_outbound_is_stopped(const struct mm_outbound *outbound)
{
    return atomic_load(&outbound->is_stopped);
}

uint64_t mm_outbound_home(const struct mm_outbound *outbound,
                          const char *destination)
{
    uint64_t keys[2];
    memcpy(keys, outbound->secret, sizeof keys);
    return mm_siphash(mm_span_cstr(destination), keys[0], keys[1]);
}

const struct mm_config *mm_branch_config(const struct mm_branch *branch)
{
    return branch->settings->config;
}

size_t mm_branch_share(const struct mm_branch *branch, size_t max)
{
    size_t count = branch->outbound->branch_count;
    size_t share = max / count + (branch->number < max % count ? 1 : 0);
    return share > 0 ? share : 1;
}

void mm_branch_poll(const struct mm_branch *branch)
{
    struct mm_outbound *outbound = branch->outbound;
    if (branch->number == 0) {
        outbound->poll(outbound);
    } else {
        mm_outbound_wake(outbound);
    }
}

struct mm_delivery_options mm_branch_delivery(struct mm_branch *branch,
                                              const char *destination)
{
    const struct mm_outbound *outbound = branch->outbound;
    return (struct mm_delivery_options){.loop = branch->loop,
                                        .resolver = branch->resolver,
                                        .workers = outbound->options.workers,
                                        .store = outbound->options.store,
                                        .log = outbound->options.log,
                                        .settings = branch->settings,
                                        .destination = destination,
                                        .hosts = &branch->hosts,
                                        .secret = outbound->secret,
                                        .tokens = outbound->options.tokens};
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

void mm_outbound_tell(const struct mm_outbound *outbound,
                      enum mailmod_event_kind kind,
                      const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient,
                      const struct mq_outcome *outcome, unsigned attempts)
{
    const struct mm_news news = {.kind = kind,
                                 .connection = outcome->connection,
                                 .message_id = message->id,
                                 .reverse_path = message->reverse_path,
                                 .recipient = recipient->path,
                                 .error = outcome->error,
                                 .status = outcome->status,
                                 .reply = outcome->reply,
                                 .host = outcome->host,
                                 .attempts = attempts};
    if (!message->is_report) {
        mm_post_tell(outbound->options.post, &news);
    }
}
