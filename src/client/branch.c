/* branch.c - the part of an outbound that lives on one loop.
 *
 * Owns the branch: its lists (lane.c, handover.c, unstored.c, submission.c
 * and mail_hosts.c keep them), its timers, its reference on the settings, and
 * the box in which others put what they want of it. Promises: what is in the
 * box is done on the branch's loop, in this order: what goes back, the new
 * settings, batches, a stop, a cut. A batch in the box counts as busy. Thread:
 * the branch's loop, and others where the header says so. */
#include "client/outbound_internal.h"

#include <string.h>

static void on_retry(struct mm_timer *timer)
{
    mm_lane_retry_settlements(
        MM_LIST_OBJECT(timer, struct mm_branch, retry_timer));
}

static void on_quiet(struct mm_timer *timer)
{
    mm_lane_park_quiet(MM_LIST_OBJECT(timer, struct mm_branch, quiet_timer));
}

static void stop(struct mm_branch *branch)
{
    if (branch->number == 0) {
        mm_timer_cancel(&branch->outbound->poll_timer);
    }
    mm_lane_quit_all(branch);
    mm_unstored_quit_resting(branch);
    mm_host_search_stop_all(branch);
}

static void cut(struct mm_branch *branch)
{
    branch->is_cut = true;
    mm_timer_cancel(&branch->retry_timer);
    mm_timer_cancel(&branch->quiet_timer);
    mm_lane_cut_all(branch);
    mm_handover_cut_all(branch);
    mm_unstored_cut_all(branch);
    mm_submission_cut_all(branch);
}

struct box {
    struct mm_list given;
    struct mm_list returned;
    struct mm_outbound_settings *settings;
    bool stops;
    bool cuts;
};

static void move_all(struct mm_list *from, struct mm_list *to)
{
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(from)) != NULL) {
        mm_list_append(to, node);
    }
}

static void empty_box(struct mm_branch *branch, struct box *box)
{
    mm_list_init(&box->given);
    mm_list_init(&box->returned);
    mm_mutex_lock(branch->outbound->lock);
    move_all(&branch->given, &box->given);
    move_all(&branch->returned, &box->returned);
    box->settings = branch->next_settings;
    box->stops = branch->is_stop_asked;
    box->cuts = branch->is_cut_asked;
    branch->next_settings = NULL;
    branch->is_stop_asked = false;
    branch->is_cut_asked = false;
    branch->is_posted = false;
    mm_mutex_unlock(branch->outbound->lock);
}

/* Each is counted by itself, or gone, before it is no longer counted as given.
 */
static void take_batches(struct mm_branch *branch, struct mm_list *batches,
                         bool starts)
{
    struct mm_outbound *outbound = branch->outbound;
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(batches)) != NULL) {
        struct mq_batch *batch = MM_LIST_OBJECT(node, struct mq_batch, node);
        if (starts && !mm_outbound_is_stopped(outbound)) {
            mm_lane_start_batch(branch, batch);
        } else {
            mm_lane_release(outbound, batch);
        }
        atomic_fetch_sub(&outbound->busy, 1);
    }
}

static void use(struct mm_branch *branch, struct mm_outbound_settings *settings)
{
    mm_outbound_settings_unref(&branch->settings);
    branch->settings = settings;
}

static void run_box(struct mm_task *task)
{
    struct mm_branch *branch = MM_LIST_OBJECT(task, struct mm_branch, task);
    struct box box;
    empty_box(branch, &box);
    if (!mm_list_is_empty(&box.returned)) {
        take_batches(branch, &box.returned, false);
        mm_branch_poll(branch);
    }
    if (box.settings != NULL) {
        use(branch, box.settings);
    }
    take_batches(branch, &box.given, true);
    if (box.stops || box.cuts) {
        stop(branch);
    }
    if (box.cuts) {
        cut(branch);
    }
}

/* The outbound's lock is held. */
static void post_box(struct mm_branch *branch)
{
    if (!branch->is_posted) {
        branch->is_posted = true;
        mm_loop_post(branch->loop, &branch->task);
    }
}

void mm_branch_give(struct mm_branch *branch, struct mq_batch *batch)
{
    atomic_fetch_add(&branch->outbound->busy, 1);
    mm_mutex_lock(branch->outbound->lock);
    mm_list_append(&branch->given, &batch->node);
    post_box(branch);
    mm_mutex_unlock(branch->outbound->lock);
}

void mm_branch_use(struct mm_branch *branch,
                   struct mm_outbound_settings *settings)
{
    struct mm_outbound_settings *next = mm_outbound_settings_ref(settings);
    if (branch->number == 0) {
        use(branch, next); /* its own loop: nothing is in the box */
        return;
    }
    mm_mutex_lock(branch->outbound->lock);
    struct mm_outbound_settings *missed = branch->next_settings;
    branch->next_settings = next;
    move_all(&branch->given, &branch->returned);
    post_box(branch);
    mm_mutex_unlock(branch->outbound->lock);
    mm_outbound_settings_unref(&missed);
}

void mm_branch_stop(struct mm_branch *branch, bool cuts)
{
    mm_mutex_lock(branch->outbound->lock);
    branch->is_stop_asked = true;
    branch->is_cut_asked = branch->is_cut_asked || cuts;
    post_box(branch);
    mm_mutex_unlock(branch->outbound->lock);
}

static void init_lists(struct mm_branch *branch)
{
    mm_list_init(&branch->lanes);
    mm_list_init(&branch->settlings);
    mm_list_init(&branch->unstored);
    mm_list_init(&branch->unstored_works);
    mm_list_init(&branch->submissions);
    mm_list_init(&branch->handovers);
    mm_list_init(&branch->searches);
    mm_list_init(&branch->given);
    mm_list_init(&branch->returned);
}

enum mailmod_error mm_branch_open(struct mm_branch *branch,
                                  struct mm_outbound *outbound, size_t number,
                                  struct mm_outbound_settings *settings)
{
    branch->outbound = outbound;
    branch->number = number;
    branch->loop = outbound->options.loops[number];
    branch->resolver = outbound->options.resolvers[number];
    branch->settings = mm_outbound_settings_ref(settings);
    branch->task.run = run_box;
    init_lists(branch);
    mm_host_loop_init(&branch->hosts, &outbound->hosts, branch->loop);
    enum mailmod_error error =
        mm_timer_open(&branch->retry_timer, branch->loop, on_retry);
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&branch->quiet_timer, branch->loop, on_quiet);
    }
    if (error != MAILMOD_OK) {
        mm_branch_close(branch);
    }
    return error;
}

void mm_branch_close(struct mm_branch *branch)
{
    mm_handover_cut_all(branch);
    mm_lane_free_all(branch);
    mm_unstored_free_all(branch);
    mm_submission_free_all(branch);
    mm_host_search_stop_all(branch);
    take_batches(branch, &branch->given, false);
    take_batches(branch, &branch->returned, false);
    mm_timer_close(&branch->retry_timer);
    mm_timer_close(&branch->quiet_timer);
    mm_outbound_settings_unref(&branch->next_settings);
    mm_outbound_settings_unref(&branch->settings);
}
