/* aside.c - mail that was set aside, on its way again.
 *
 * Owns each batch's work from its taking until it is settled or cancelled.
 * Promises: an address is looked up when the operator releases it, by the one
 * function that knows addresses; the entry in a mailbox, or the new row of the
 * queue, is in the transaction that settles the released row, so a kill loses
 * nothing and repeats nothing; who cannot get fetched mail now is held again by
 * the queue's settlement, for such a message keeps who failed. What the sender
 * wants to be told (RFC 3461 4.1) goes on with a row that is sent on.
 * Thread: the outbound's first loop; `put` on the store's writer. */
#include "post/aside.h"

#include "base/limits.h"
#include "base/mem.h"
#include "post/goal.h"
#include "post/resolve.h"

/* Rows that are released have numbers below this one; the rows that they become
 * are behind it, MM_LIMIT_TARGETS to each. */
#define FIRST_NUMBER ((size_t)MM_LIMIT_FETCH_RECIPIENTS * MM_LIMIT_TARGETS)

/* Where one recipient's mail goes now. */
struct goal {
    struct mm_goal to;
    size_t recipient; /* of the batch */
};

struct work {
    struct mm_consumption *consumption;
    struct mm_resolve resolve;
    struct mm_address address;
    size_t at; /* recipient that is looked up */
    struct goal *goals;
    size_t count;
    size_t capacity;
};

static void free_work(struct work *work)
{
    mm_resolve_cancel(&work->resolve);
    mm_free(work->goals);
    mm_free(work);
}

/* False: there is no memory. */
static bool add_goal(struct work *work, const struct mm_target *target)
{
    struct goal *goals =
        mm_array_grow(work->goals, work->count, &work->capacity, sizeof *goals);
    if (goals == NULL) {
        return false;
    }
    work->goals = goals;
    struct goal *goal = &goals[work->count++];
    goal->recipient = work->at;
    mm_goal_of(target, &goal->to);
    return true;
}

static void add_goals(struct work *work, struct mq_outcome *outcome)
{
    size_t before = work->count;
    bool has_memory = true;

    for (size_t i = 0; has_memory && i < work->resolve.target_count; i++) {
        if (work->resolve.targets[i].kind < MM_TARGET_EXPANDED) {
            has_memory = add_goal(work, &work->resolve.targets[i]);
            /* Who sends it on from there tells. */
            outcome->relayed_dsn |=
                work->resolve.targets[i].kind != MM_TARGET_MAILBOX;
        }
    }
    if (!has_memory) {
        work->count = before;
        outcome->relayed_dsn = false;
        mm_consumption_set(outcome, MAILMOD_ERROR_MEMORY, "4.3.0",
                           "out of memory");
    }
}

static void take_targets(struct work *work)
{
    struct mq_outcome *outcome = &work->consumption->outcomes[work->at];
    const struct mm_target *first = &work->resolve.targets[0];

    if (first->kind == MM_TARGET_REFUSED) {
        mm_consumption_set(outcome, MAILMOD_ERROR_REFUSED,
                           first->reply->enhanced, first->reply->text);
    } else if (first->kind == MM_TARGET_FOR_NOW) {
        mm_consumption_set(outcome, first->error, "4.3.0",
                           mm_error_text(first->error));
    } else {
        add_goals(work, outcome);
    }
    mm_resolve_cancel(&work->resolve);
}

/* True: it was answered at once. */
static bool look_up(struct work *work)
{
    const struct mq_batch *batch = work->consumption->batch;

    if (mm_address_parse(mm_span_cstr(batch->recipients[work->at].path), false,
                         true, &work->address) != MAILMOD_OK) {
        mm_consumption_set(&work->consumption->outcomes[work->at],
                           MAILMOD_ERROR_ARGUMENT, "5.1.3",
                           "this is no address");
        return true;
    }
    work->resolve.address = &work->address;
    work->resolve.size = batch->message.size;
    work->resolve.notify = batch->recipients[work->at].notify;
    work->resolve.original_recipient =
        batch->recipients[work->at].original_recipient;
    if (mm_resolve_ask(&work->resolve) != MM_ANSWERED) {
        return false;
    }
    take_targets(work);
    return true;
}

static void go_on(struct work *work)
{
    size_t count = work->consumption->batch->recipient_count;

    while (work->at < count && look_up(work)) {
        work->at++;
    }
    if (work->at == count) {
        mm_consumption_done(work->consumption);
    }
}

static void on_resolved(struct mm_resolve *resolve)
{
    struct work *work = resolve->context;

    take_targets(work);
    work->at++;
    go_on(work);
}

/* thread: writer. A row of the queue as the released one was, and due at once.
 */
static enum mailmod_error send_on(const struct mm_consumption *consumption,
                                  const struct goal *goal, size_t number,
                                  struct mm_store_transaction *t)
{
    const struct mm_store_recipient *released =
        &consumption->batch->recipients[goal->recipient];
    struct mm_store_recipient row = {
        .message_id = released->message_id,
        .number =
            (unsigned)(FIRST_NUMBER +
                       (size_t)released->number * MM_LIMIT_TARGETS + number),
        .next_attempt_ms = released->next_attempt_ms,
        .expires_ms = released->next_attempt_ms +
                      (int64_t)consumption->config->queue.lifetime_ms,
        .notify = goal->to.notify};

    (void)mm_span_copy(mm_span_cstr(released->original_recipient),
                       row.original_recipient, sizeof row.original_recipient);
    mm_goal_address(&goal->to, &row);
    return mm_store_put_recipient(t, &row);
}

/* What became of a goal is said of its recipient, for the settlement that
 * follows: he has it when one of his goals has. thread: writer */
static enum mailmod_error put(struct mm_consumption *consumption,
                              struct mm_store_transaction *t)
{
    const struct work *work = consumption->context;
    size_t number = 0; /* of the recipient's goals */

    for (size_t i = 0; i < work->count; i++) {
        const struct goal *goal = &work->goals[i];
        bool is_first = i == 0 || goal[-1].recipient != goal->recipient;
        struct mq_outcome *outcome = &consumption->outcomes[goal->recipient];
        number = is_first ? 0 : number + 1;
        enum mailmod_error error =
            goal->to.kind == MM_TARGET_MAILBOX
                ? mm_goal_enter(&goal->to, &consumption->batch->message, t)
                : send_on(consumption, goal, number, t);
        if (error == MAILMOD_OK) {
            *outcome = (struct mq_outcome){.verdict = MQ_DELIVERED,
                                           .relayed_dsn = outcome->relayed_dsn};
        } else if (error != MAILMOD_ERROR_LIMIT &&
                   error != MAILMOD_ERROR_NOT_FOUND) {
            return error;
        } else if (is_first) {
            bool is_full = error == MAILMOD_ERROR_LIMIT;
            mm_consumption_set(outcome, error, is_full ? "5.2.2" : "5.1.1",
                               is_full ? "the mailbox is full"
                                       : "the mailbox was removed");
        }
    }
    return MAILMOD_OK;
}

static void on_settled(struct mm_consumption *consumption)
{
    free_work(consumption->context);
}

static void take(struct mm_consumer *consumer,
                 struct mm_consumption *consumption)
{
    struct work *work = mm_alloc(sizeof *work);

    if (work == NULL) {
        mm_consumption_set_all(consumption, MAILMOD_ERROR_MEMORY, "4.3.0");
        mm_consumption_done(consumption);
        return;
    }
    work->consumption = consumption;
    work->resolve.post = consumer->context;
    work->resolve.config = consumption->config;
    work->resolve.loop = consumption->loop;
    work->resolve.done = on_resolved;
    work->resolve.context = work;
    consumption->context = work;
    consumption->put = put;
    consumption->settled = on_settled;
    go_on(work);
}

static void cancel(struct mm_consumer *consumer,
                   struct mm_consumption *consumption)
{
    (void)consumer;
    free_work(consumption->context);
}

enum mailmod_error mm_aside_consumer_new(struct mm_consumer **consumer_out,
                                         const char *name, struct mm_post *post)
{
    struct mm_consumer *consumer = mm_alloc(sizeof *consumer);

    *consumer_out = consumer;
    if (consumer == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    consumer->name = name;
    consumer->take = take;
    consumer->cancel = cancel;
    consumer->context = post;
    return mm_consumer_register(post, consumer);
}
