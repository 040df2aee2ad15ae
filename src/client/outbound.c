/* outbound.c - all that leaves: its life and its settings.
 *
 * Owns the queue's tables, the table of mail hosts, the branches (one a loop),
 * and, by handout.c, the poll that hands out what is due. Promises: after stop
 * nothing new begins, on any loop; after cut nothing runs; a reload takes
 * effect whole or not at all, and what is claimed after it is tried by it.
 * Thread: any, as the header says; tasks on the first loop. */
#include "client/outbound_internal.h"

#include "base/mem.h"
#include "post/destination.h"

#include <string.h>

static struct mq_options queue_options(const struct mm_config *config,
                                       uint64_t seed)
{
    return (struct mq_options){.steps_s = config->queue.steps.items,
                               .step_count = config->queue.steps.count,
                               .jitter_percent = config->queue.jitter_percent,
                               .lifetime_ms = config->queue.lifetime_ms,
                               .warn_after_ms = config->queue.warn_after_ms,
                               .unsure_wait_ms =
                                   config->delivery.unsure_wait_ms,
                               .attempts_max = config->queue.attempts_max,
                               .destination_max = config->queue.destination_max,
                               .recipients_max = config->queue.recipients_max,
                               .seed = seed};
}

static void run_start(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, start_task);
    outbound->is_started = true;
    mm_handout_reroute(outbound);
    outbound->poll(outbound);
}

static void run_wake(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, wake_task);
    atomic_store(&outbound->is_wake_posted, false);
    if (atomic_exchange(&outbound->is_flush_asked, false)) {
        mq_flush(outbound->queue);
    }
    outbound->poll(outbound);
}

static enum mailmod_error open_queue(struct mm_outbound *outbound,
                                     const struct mm_config *config)
{
    enum mailmod_error error =
        mm_store_secret(outbound->options.store, outbound->secret);
    if (error != MAILMOD_OK) {
        return error;
    }
    uint64_t seed = mm_store_new_message_id(outbound->options.store);
    struct mq_options options = queue_options(config, seed);
    error = mm_host_table_init(&outbound->hosts, seed);
    if (error == MAILMOD_OK) {
        error = mm_pace_init(&outbound->pace, seed);
    }
    return error == MAILMOD_OK
               ? mq_new(&outbound->queue, outbound->options.store, &options)
               : error;
}

static void set_unstored_loops(struct mm_outbound *outbound,
                               const struct mm_config *config)
{
    size_t max = config->queue.attempts_max;
    size_t count = outbound->options.loop_count;
    atomic_store(&outbound->unstored_loops, max < count ? max : count);
}

static enum mailmod_error open_branches(struct mm_outbound *outbound,
                                        struct mm_outbound_settings *settings)
{
    size_t count = outbound->options.loop_count;
    enum mailmod_error error = MAILMOD_OK;
    set_unstored_loops(outbound, settings->config);
    outbound->branches = mm_alloc_array(count, sizeof *outbound->branches);
    if (outbound->branches == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        error = mm_branch_open(&outbound->branches[i], outbound, i, settings);
        outbound->branch_count = error == MAILMOD_OK ? i + 1 : i;
    }
    return error == MAILMOD_OK ? mm_handout_open(outbound) : error;
}

static enum mailmod_error open_parts(struct mm_outbound *outbound,
                                     struct mm_buf *reason_out)
{
    struct mm_outbound_settings *settings = NULL;
    enum mailmod_error error = mm_outbound_settings_new(
        &settings, outbound->options.config, reason_out);
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&outbound->lock);
    }
    if (error == MAILMOD_OK) {
        error = open_queue(outbound, settings->config);
    }
    if (error == MAILMOD_OK) {
        error = open_branches(outbound, settings);
    }
    mm_outbound_settings_unref(&settings);
    return error;
}

static void free_parts(struct mm_outbound *outbound)
{
    if (outbound->poll != NULL) {
        mm_handout_close(outbound);
    }
    for (size_t i = 0; i < outbound->branch_count; i++) {
        mm_branch_close(&outbound->branches[i]);
    }
    mm_free(outbound->branches);
    mm_host_table_fini(&outbound->hosts);
    mm_pace_fini(&outbound->pace);
    mq_free(&outbound->queue);
    mm_mutex_free(&outbound->lock);
    mm_secret_clear(outbound->secret, sizeof outbound->secret);
    mm_free(outbound);
}

enum mailmod_error mm_outbound_new(struct mm_outbound **outbound_out,
                                   const struct mm_outbound_options *options,
                                   struct mm_buf *reason_out)
{
    struct mm_outbound *outbound = mm_alloc(sizeof *outbound);
    if (outbound == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    outbound->options = *options;
    outbound->start_task.run = run_start;
    outbound->wake_task.run = run_wake;
    enum mailmod_error error = open_parts(outbound, reason_out);
    /* The caller's arrays: each branch has its own of them by now. */
    outbound->options.loops = NULL;
    outbound->options.resolvers = NULL;
    if (error != MAILMOD_OK) {
        free_parts(outbound);
        return error;
    }
    *outbound_out = outbound;
    return MAILMOD_OK;
}

void mm_outbound_free(struct mm_outbound **outbound)
{
    struct mm_outbound *freed = *outbound;
    *outbound = NULL;
    if (freed != NULL) {
        atomic_store(&freed->is_stopped, true);
        free_parts(freed);
    }
}

/* A task may be posted again only after it ran: the flags see to that. */
void mm_outbound_start(struct mm_outbound *outbound)
{
    if (!atomic_exchange(&outbound->is_start_posted, true)) {
        mm_loop_post(outbound->branches[0].loop, &outbound->start_task);
    }
}

void mm_outbound_wake(struct mm_outbound *outbound)
{
    if (!atomic_exchange(&outbound->is_wake_posted, true)) {
        mm_loop_post(outbound->branches[0].loop, &outbound->wake_task);
    }
}

void mm_outbound_flush(struct mm_outbound *outbound)
{
    atomic_store(&outbound->is_flush_asked, true);
    mm_outbound_wake(outbound);
}

static void end_all(struct mm_outbound *outbound, bool cuts)
{
    atomic_store(&outbound->is_stopped, true);
    for (size_t i = 0; i < outbound->branch_count; i++) {
        mm_branch_stop(&outbound->branches[i], cuts);
    }
}

void mm_outbound_stop(struct mm_outbound *outbound)
{
    end_all(outbound, false);
}

void mm_outbound_cut(struct mm_outbound *outbound)
{
    end_all(outbound, true);
}

size_t mm_outbound_busy(const struct mm_outbound *outbound)
{
    return atomic_load(&outbound->busy);
}

struct mm_outbound_change {
    struct mm_task task;
    struct mm_outbound *outbound;
    struct mm_outbound_settings *settings;
};

static bool is_way_changed(const struct mm_config *a, const struct mm_config *b)
{
    char before[MM_STORE_DESTINATION_MAX];
    char after[MM_STORE_DESTINATION_MAX];
    mm_destination_common(a, before);
    mm_destination_common(b, after);
    return strcmp(before, after) != 0;
}

static enum mailmod_error take_settings(struct mm_outbound *outbound,
                                        const struct mm_outbound_change *change)
{
    const struct mm_config *config = change->settings->config;
    struct mq_options options = queue_options(config, 0);
    enum mailmod_error error = mq_set_options(outbound->queue, &options);
    if (error != MAILMOD_OK) {
        return error;
    }
    bool changes_way =
        is_way_changed(mm_branch_config(&outbound->branches[0]), config);
    outbound->settings_round++;
    set_unstored_loops(outbound, config);
    for (size_t i = 0; i < outbound->branch_count; i++) {
        mm_branch_use(&outbound->branches[i], change->settings);
    }
    if (changes_way) {
        mm_handout_reroute(outbound);
    }
    return MAILMOD_OK;
}

static void run_change(struct mm_task *task)
{
    struct mm_outbound_change *change =
        MM_LIST_OBJECT(task, struct mm_outbound_change, task);
    struct mm_outbound *outbound = change->outbound;
    enum mailmod_error error = take_settings(outbound, change);
    if (error != MAILMOD_OK) {
        MM_LOG(outbound->options.log, MM_LOG_ERROR, "delivery",
               "the former settings stay",
               MM_TEXT("error", mm_error_name(error)));
    }
    mm_outbound_settings_unref(&change->settings);
    mm_free(change);
    /* What was decided under the old settings is tried under the new. */
    mq_flush(outbound->queue);
    outbound->poll(outbound);
}

enum mailmod_error mm_outbound_prepare(struct mm_outbound *outbound,
                                       struct mm_config *config,
                                       struct mm_outbound_change **change_out,
                                       struct mm_buf *reason_out)
{
    struct mm_outbound_change *change = mm_alloc(sizeof *change);

    *change_out = NULL;
    if (change == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error =
        mm_outbound_settings_new(&change->settings, config, reason_out);
    if (error != MAILMOD_OK) {
        mm_free(change);
        return error;
    }
    change->outbound = outbound;
    change->task.run = run_change;
    *change_out = change;
    return MAILMOD_OK;
}

void mm_outbound_use(struct mm_outbound_change **change)
{
    mm_loop_post((*change)->outbound->branches[0].loop, &(*change)->task);
    *change = NULL; /* run_change frees it */
}

void mm_outbound_discard(struct mm_outbound_change **change_in)
{
    struct mm_outbound_change *change = *change_in;

    *change_in = NULL;
    if (change != NULL) {
        mm_outbound_settings_unref(&change->settings);
        mm_free(change);
    }
}
