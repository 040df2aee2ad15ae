/* maillist_send.c - a list's copy, to the members, some at a time.
 *
 * A row "maillist-send:list" stands for the members behind a place, which its
 * `original_to` names ("": all). Taken, it becomes rows and mailbox copies for
 * the next BATCH members and a row for those behind them, in the transaction
 * that settles it: a kill repeats nobody and skips nobody (one cursor, one
 * transaction). Promises: each row has a path back of its own (VERP); a member
 * without a mailbox here, or with a full one, counts as one that bounced; who
 * is suspended gets nothing; "maillist-digest-send:list" stands for the members
 * that get digests, the other for those that get single posts.
 * Thread: the outbound's first loop; `run` a worker (one page of members, and
 * their look-ups); `put` the store's writer. RFC 2369; RFC 3461 5.2.7.1. */
#include "base/limits.h"
#include "base/mem.h"
#include "post/consumer_work.h"
#include "post/goal.h"
#include "post/maillist.h"

#include <string.h>

enum { BATCH = 50, TARGETS = 8 };
/* Of one cursor's rows; the next cursor's number is behind them. */
#define NUMBERS (BATCH * TARGETS + 1)

struct goal {
    struct mm_goal to;
    char member[MM_STORE_REVERSE_PATH_MAX];
};

/* Whom one row is for. */
struct work {
    struct mm_consumer_work base;
    struct mm_maillist list;
    struct mm_maillist_member members[BATCH];
    size_t member_count;
    bool has_more;
    char last[MM_STORE_REVERSE_PATH_MAX]; /* the cursor's next place */
    struct goal *goals;
    size_t goal_count;
    size_t capacity;
};

/* While the list makes digests who wants them gets no single posts. */
static bool is_meant(const struct work *work,
                     const struct mm_maillist_member *member)
{
    bool sends_digest =
        strcmp(work->base.consumer->name, MM_MAILLIST_DIGEST_SEND) == 0;
    bool gets_digest =
        member->is_digest && (sends_digest || work->list.digest_hours > 0);

    return !member->is_suspended && gets_digest == sends_digest;
}

static bool on_member(void *context, const struct mm_store_record *record)
{
    struct work *work = context;

    if (work->member_count == BATCH) {
        work->has_more = true;
        return false;
    }
    struct mm_maillist_member *member = &work->members[work->member_count];
    mm_maillist_member_of(record, member);
    memcpy(work->last, record->key, sizeof work->last);
    work->member_count += is_meant(work, member) ? 1 : 0;
    return true;
}

static bool add_goal(struct work *work, const char *member,
                     const struct mm_target *target)
{
    struct goal *goals = mm_array_grow(work->goals, work->goal_count,
                                       &work->capacity, sizeof *goals);
    if (goals == NULL) {
        return false;
    }
    work->goals = goals;
    struct goal *goal = &goals[work->goal_count++];
    (void)mm_span_copy(mm_span_cstr(member), goal->member, sizeof goal->member);
    mm_goal_of(target, &goal->to);
    return true;
}

/* Where one member's copy goes. */
static enum mailmod_error look_up(struct work *work, const char *member)
{
    struct mm_address address;
    struct mm_resolve resolve = {.post = work->base.post,
                                 .config = work->base.config,
                                 .address = &address,
                                 .size = work->base.message.size};
    struct mm_target nobody = {.kind = MM_TARGET_REFUSED, .path = member};
    size_t before = work->goal_count;
    enum mailmod_error error = MAILMOD_OK;

    if (mm_address_parse(mm_span_cstr(member), false, true, &address) !=
        MAILMOD_OK) {
        return add_goal(work, member, &nobody) ? MAILMOD_OK
                                               : MAILMOD_ERROR_MEMORY;
    }
    (void)mm_resolve_ask(&resolve); /* no loop: never PENDING */
    for (size_t i = 0; error == MAILMOD_OK && i < resolve.target_count &&
                       work->goal_count - before < TARGETS;
         i++) {
        const struct mm_target *target = &resolve.targets[i];

        if (target->kind == MM_TARGET_FOR_NOW) {
            error = target->error;
        } else if (target->kind != MM_TARGET_EXPANDED &&
                   target->kind != MM_TARGET_REPLY && /* RFC 3834 2 */
                   !add_goal(work, member, target)) {
            error = MAILMOD_ERROR_MEMORY;
        }
    }
    mm_resolve_cancel(&resolve);
    return error;
}

static enum mailmod_error look_all_up(struct work *work)
{
    const struct mm_store_recipient *row = &work->base.recipients[0];
    enum mailmod_error error = mm_store_each_record(
        work->base.post->store, MM_RECORD_MEMBER, work->list.name,
        row->original_to, true, on_member, work);

    for (size_t i = 0; error == MAILMOD_OK && i < work->member_count; i++) {
        error = look_up(work, work->members[i].address);
    }
    return error;
}

/* thread: writer */
static enum mailmod_error bounce(const struct work *work,
                                 const struct goal *goal,
                                 struct mm_store_transaction *t)
{
    return mm_maillist_bounced(t, work->base.post->log, work->list.name,
                               goal->member,
                               work->base.config->local.maillist_bounces_max);
}

static enum mailmod_error put_goal(const struct work *work,
                                   const struct goal *goal, unsigned number,
                                   struct mm_store_transaction *t)
{
    if (goal->to.kind >= MM_TARGET_EXPANDED) {
        return bounce(work, goal, t);
    }
    if (goal->to.kind == MM_TARGET_MAILBOX) {
        enum mailmod_error error =
            mm_goal_enter(&goal->to, &work->base.message, t);

        return error == MAILMOD_ERROR_NOT_FOUND || error == MAILMOD_ERROR_LIMIT
                   ? bounce(work, goal, t)
                   : error;
    }
    int64_t now_ms = work->base.recipients[0].next_attempt_ms;
    struct mm_store_recipient row = {
        .message_id = work->base.message.id,
        .number = number,
        .next_attempt_ms = now_ms,
        .expires_ms = now_ms + (int64_t)work->base.config->queue.lifetime_ms,
        .notify = MM_DSN_NOTIFY_FAILURE,
        .has_reverse_path = true};
    mm_goal_address(&goal->to, &row);
    mm_maillist_verp(work->base.post->store, &work->list, goal->member,
                     row.reverse_path);
    return mm_store_put_recipient(t, &row);
}

static enum mailmod_error put_next(const struct work *work, unsigned number,
                                   struct mm_store_transaction *t)
{
    struct mm_store_recipient row = work->base.recipients[0];

    row.number = number;
    row.attempts = 0;
    row.read_attempt_ms = 0;
    row.last_reply[0] = '\0';
    memcpy(row.original_to, work->last, sizeof row.original_to);
    return mm_store_put_recipient(t, &row);
}

static enum mailmod_error put(struct mm_consumption *consumption,
                              struct mm_store_transaction *t)
{
    const struct work *work =
        MM_LIST_OBJECT(consumption->context, const struct work, base);
    unsigned number = work->base.recipients[0].number;
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < work->goal_count; i++) {
        error = put_goal(work, &work->goals[i], number + 1 + (unsigned)i, t);
    }
    return error == MAILMOD_OK && work->has_more
               ? put_next(work, number + NUMBERS, t)
               : error;
}

/* A batch has one row: there is one cursor to a copy. */
static void run(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);
    enum mailmod_error error =
        mm_maillist_find(base->post->store, base->rest, &work->list);

    if (error == MAILMOD_OK) {
        error = look_all_up(work);
    }
    if (error != MAILMOD_OK) {
        work->goal_count = 0;
        work->has_more = false;
        mm_consumer_work_set_all(
            base, error, error == MAILMOD_ERROR_NOT_FOUND ? "5.1.1" : "4.3.0",
            mm_error_text(error));
    }
}

static void end_work(struct mm_consumer_work *base)
{
    mm_free(MM_LIST_OBJECT(base, struct work, base)->goals);
}

static const struct mm_consumer_verbs verbs = {
    .size = sizeof(struct work), .run = run, .put = put, .end = end_work};

void mm_maillist_send_consumer(struct mm_consumer *consumer,
                               struct mm_post *post, bool sends_digests)
{
    *consumer = mm_consumer_of_work(sends_digests ? MM_MAILLIST_DIGEST_SEND
                                                  : MM_MAILLIST_SEND,
                                    post, &verbs);
}
