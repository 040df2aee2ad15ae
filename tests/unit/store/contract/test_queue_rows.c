/* test_queue_rows.c - the queue's rows, on disk and in memory: what is due and
 * in which order, what operators do, and who takes the message along. */
#include "../fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    uint64_t id;
    unsigned number;
    const char *path;
    const char *destination;
    int64_t due_ms;
    bool is_first; /* the message too */
};

static enum mailmod_error put_row(struct mm_store_transaction *t, void *context)
{
    const struct row *row = context;
    struct mm_store_recipient recipient = {.message_id = row->id,
                                           .number = row->number,
                                           .next_attempt_ms = row->due_ms,
                                           .expires_ms = 9000,
                                           .attempts = 3,
                                           .was_warned = true,
                                           .notify = 5};
    enum mailmod_error error =
        row->is_first ? fixture_put_body(t, row->id, 100) : MAILMOD_OK;
    if (error == MAILMOD_OK && row->is_first) {
        error = fixture_put_row(t, row->id, 100);
    }
    strcpy(recipient.path, row->path);
    strcpy(recipient.destination, row->destination);
    strcpy(recipient.original_recipient, "rfc822;x@example.org");
    strcpy(recipient.last_reply, "mx: 450 4.2.1 later");
    strcpy(recipient.unsure_host, "mx.a.net");
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &recipient) : error;
}

static uint64_t put(struct mm_store *store, uint64_t id, unsigned number,
                    const char *path, const char *destination, int64_t due_ms)
{
    struct row row = {id != 0 ? id : mm_store_new_message_id(store),
                      number,
                      path,
                      destination,
                      due_ms,
                      id == 0};
    assert_int_equal(fixture_run(store, put_row, &row), MAILMOD_OK);
    return row.id;
}

struct seen {
    size_t count;
    size_t count_max;
    struct mm_store_recipient rows[64];
};

static bool on_due(void *context, const struct mm_store_recipient *recipient)
{
    struct seen *seen = context;
    seen->rows[seen->count++] = *recipient;
    return seen->count < seen->count_max;
}

static bool on_each(void *context, const struct mm_store_message *message,
                    const struct mm_store_recipient *recipient)
{
    assert_int_equal(message->id, recipient->message_id);
    assert_string_equal(message->reverse_path, "sender@example.org");
    return on_due(context, recipient);
}

static struct seen *list(struct mm_store *store, uint64_t id)
{
    static struct seen seen;
    seen.count = 0;
    seen.count_max = 64;
    assert_int_equal(mm_store_each_recipient(store, id, on_each, &seen),
                     MAILMOD_OK);
    return &seen;
}

static void test_row_is_kept(void **state)
{
    struct fixture *fixture = *state;
    uint64_t id = put(fixture->store, 0, 0, "bob@a.net", "a.net", 1000);
    struct seen *seen = list(fixture->store, id);
    struct mm_store_recipient *row = &seen->rows[0];
    assert_int_equal(seen->count, 1);
    assert_int_equal(row->message_id, id);
    assert_string_equal(row->path, "bob@a.net");
    assert_string_equal(row->destination, "a.net");
    assert_int_equal(row->state, MM_RECIPIENT_WAITING);
    assert_int_equal(row->next_attempt_ms, 1000);
    assert_int_equal(row->expires_ms, 9000);
    assert_int_equal(row->attempts, 3);
    assert_true(row->was_warned);
    assert_int_equal(row->notify, 5);
    assert_string_equal(row->original_recipient, "rfc822;x@example.org");
    assert_string_equal(row->last_reply, "mx: 450 4.2.1 later");
    assert_string_equal(row->unsure_host, "mx.a.net");
}

static enum mailmod_error update(struct mm_store_transaction *t, void *context)
{
    return mm_store_update_recipient(t, context);
}

/* An attempt changes who may have it; what is kept, and comes back, begins
 * anew. */
static enum mailmod_error keep_and_requeue(struct mm_store_transaction *t,
                                           void *context)
{
    struct mm_store_recipient *row = context;
    struct mm_store_kept kept = {
        .kind = MAILMOD_KEPT_DEAD, .kept_ms = 1, .recipient = *row};
    enum mailmod_error error = mm_store_keep_recipient(t, &kept);
    return error == MAILMOD_OK
               ? mm_store_requeue_kept(t, row->message_id, row->number, 2, 3)
               : error;
}

static void test_unsure_host(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t id = put(store, 0, 0, "bob@a.net", "a.net", 1000);
    struct mm_store_recipient row = list(store, id)->rows[0];
    strcpy(row.unsure_host, "other.a.net");
    assert_int_equal(fixture_run(store, update, &row), MAILMOD_OK);
    assert_string_equal(list(store, id)->rows[0].unsure_host, "other.a.net");
    row.unsure_host[0] = '\0';
    assert_int_equal(fixture_run(store, update, &row), MAILMOD_OK);
    assert_string_equal(list(store, id)->rows[0].unsure_host, "");
    strcpy(row.unsure_host, "mx.a.net");
    assert_int_equal(fixture_run(store, update, &row), MAILMOD_OK);
    assert_int_equal(fixture_run(store, keep_and_requeue, &row), MAILMOD_OK);
    assert_string_equal(list(store, id)->rows[0].unsure_host, "");
    fixture_verify(store);
}

/* Of all that wait. */
static int64_t earliest(struct mm_store *store)
{
    struct mm_store_destination found[8];
    int64_t next = INT64_MAX;
    size_t count;
    assert_int_equal(mm_store_list_destinations(store, "", found, 8, &count),
                     MAILMOD_OK);
    for (size_t i = 0; i < count; i++) {
        next =
            found[i].next_attempt_ms < next ? found[i].next_attempt_ms : next;
    }
    return next;
}

static void test_what_is_due(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    struct mm_store_destination found[8];
    static struct seen seen;
    size_t count;
    assert_int_equal(earliest(store), INT64_MAX);
    uint64_t first = put(store, 0, 0, "x@b.net", "b.net", 500);
    (void)put(store, first, 1, "y@b.net", "b.net", 300);
    (void)put(store, first, 2, "z@c.net", "c.net", 400);
    uint64_t second = put(store, 0, 0, "x@b.net", "b.net", 300);
    (void)put(store, second, 1, "x@d.net", "d.net", 900);
    assert_int_equal(earliest(store), 300);
    assert_int_equal(mm_store_list_destinations(store, "", found, 8, &count),
                     MAILMOD_OK);
    assert_int_equal(count, 3);
    assert_string_equal(found[0].name, "b.net");
    assert_int_equal(found[0].next_attempt_ms, 300);
    assert_string_equal(found[1].name, "c.net");
    assert_string_equal(found[2].name, "d.net");
    assert_int_equal(found[2].next_attempt_ms, 900);
    assert_int_equal(
        mm_store_list_destinations(store, "b.net", found, 1, &count),
        MAILMOD_OK);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].name, "c.net");
    assert_int_equal(
        mm_store_list_destinations(store, "d.net", found, 8, &count),
        MAILMOD_OK);
    assert_int_equal(count, 0);
    seen.count = 0;
    seen.count_max = 64;
    assert_int_equal(mm_store_list_due(store, "b.net", 400, on_due, &seen),
                     MAILMOD_OK);
    assert_int_equal(seen.count, 2); /* by time, then message */
    assert_int_equal(seen.rows[0].message_id, first);
    assert_int_equal(seen.rows[0].number, 1);
    assert_int_equal(seen.rows[1].message_id, second);
    seen.count = 0;
    seen.count_max = 1; /* the visitor stops */
    assert_int_equal(
        mm_store_list_due(store, "b.net", INT64_MAX, on_due, &seen),
        MAILMOD_OK);
    assert_int_equal(seen.count, 1);
}

/* The earliest that is told of a destination; -1: nothing is. */
static int64_t told_of(struct mm_store *store, const char *destination,
                       bool *is_whole_out)
{
    struct mm_store_destination news[2];
    int64_t told_ms = -1;
    size_t count = 0;
    *is_whole_out = true;
    do {
        bool is_whole = true;
        count = mm_store_take_news(store, news, 2, &is_whole);
        *is_whole_out = *is_whole_out && is_whole;
        for (size_t i = 0; i < count && i < 2; i++) {
            if (strcmp(news[i].name, destination) == 0 &&
                (told_ms < 0 || news[i].next_attempt_ms < told_ms)) {
                told_ms = news[i].next_attempt_ms;
            }
        }
    } while (count > 0);
    return told_ms;
}

struct key {
    uint64_t id;
    unsigned number;
};

static enum mailmod_error remove_row(struct mm_store_transaction *t,
                                     void *context)
{
    struct key *key = context;
    return mm_store_remove_recipient(t, key->id, key->number);
}

static void test_last_one_takes_message(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t id = put(store, 0, 0, "x@b.net", "b.net", 1);
    (void)put(store, id, 1, "y@b.net", "b.net", 1);
    struct key key = {id, 0};
    assert_int_equal(fixture_run(store, remove_row, &key), MAILMOD_OK);
    assert_int_equal(fixture_run(store, remove_row, &key),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_true(fixture_has_message(store, id));
    key.number = 1;
    assert_int_equal(fixture_run(store, remove_row, &key), MAILMOD_OK);
    assert_false(fixture_has_message(store, id));
    assert_false(fixture_has_chunk(store, id, 0));
}

static enum mailmod_error put_entry(struct mm_store_transaction *t,
                                    void *context)
{
    uint64_t *pair = context;
    return mm_store_put_entry(t, pair[0], pair[1], 134);
}

/* A mailbox has it too: the queue lets go first, then the user. */
static void test_mailbox_keeps_message(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t pair[2] = {fixture_add_user(store, "alice"),
                        put(store, 0, 0, "x@b.net", "b.net", 1)};
    struct key key = {pair[1], 0};
    assert_int_equal(fixture_run(store, put_entry, pair), MAILMOD_OK);
    assert_int_equal(fixture_run(store, remove_row, &key), MAILMOD_OK);
    fixture_check_body(store, pair[1], 100);
    assert_int_equal(fixture_remove(store, pair[0], 1), MAILMOD_OK);
    assert_false(fixture_has_message(store, pair[1]));
    fixture_verify(store);
}

struct act {
    uint64_t id;
    enum mailmod_queue_action action;
    int64_t now_ms;
    size_t count;
};

static enum mailmod_error run_act(struct mm_store_transaction *t, void *context)
{
    struct act *act = context;
    return mm_store_act(t, act->id, act->action, act->now_ms, &act->count);
}

static size_t act(struct mm_store *store, uint64_t id,
                  enum mailmod_queue_action action, int64_t now_ms)
{
    struct act one = {id, action, now_ms, 0};
    assert_int_equal(fixture_run(store, run_act, &one), MAILMOD_OK);
    return one.count;
}

struct one {
    uint64_t id;
    unsigned number;
    enum mailmod_queue_action action;
    int64_t now_ms;
    size_t count;
};

static enum mailmod_error run_one(struct mm_store_transaction *t, void *context)
{
    struct one *one = context;
    one->count = 0;
    return mm_store_act_on_one(t, one->id, one->number, one->action,
                               one->now_ms, &one->count);
}

/* O10: the others of the message stay as they are. */
static void test_act_on_one(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t id = put(store, 0, 0, "x@b.net", "b.net", 1);
    (void)put(store, id, 1, "y@b.net", "b.net", 1);
    uint64_t flushes[2];
    struct one one = {id, 1, MAILMOD_QUEUE_HOLD, 9, 0};
    assert_int_equal(fixture_run(store, run_one, &one), MAILMOD_OK);
    assert_int_equal(one.count, 1);
    assert_int_equal(list(store, id)->rows[0].state, MM_RECIPIENT_WAITING);
    assert_int_equal(list(store, id)->rows[1].state, MM_RECIPIENT_HELD);
    one.action = MAILMOD_QUEUE_FLUSH; /* not for who is held */
    assert_int_equal(fixture_run(store, run_one, &one), MAILMOD_OK);
    assert_int_equal(one.count, 0);
    assert_int_equal(mm_store_flush_count(store, &flushes[0]), MAILMOD_OK);
    one.action = MAILMOD_QUEUE_RELEASE;
    assert_int_equal(fixture_run(store, run_one, &one), MAILMOD_OK);
    assert_int_equal(one.count, 1);
    assert_int_equal(mm_store_flush_count(store, &flushes[1]), MAILMOD_OK);
    assert_true(flushes[1] > flushes[0]);
    assert_int_equal(list(store, id)->rows[1].state, MM_RECIPIENT_WAITING);
    assert_int_equal(list(store, id)->rows[1].next_attempt_ms, 9);
    one.action = MAILMOD_QUEUE_DELETE;
    assert_int_equal(fixture_run(store, run_one, &one), MAILMOD_OK);
    assert_int_equal(one.count, 1);
    assert_int_equal(list(store, id)->count, 1);
    assert_int_equal(fixture_run(store, run_one, &one),
                     MAILMOD_ERROR_NOT_FOUND);
}

/* O10: an attempt that began before a flush does not put the row off. */
static void test_flush_outlives_an_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t id = put(store, 0, 0, "x@b.net", "b.net", 1);
    struct mm_store_recipient row = list(store, id)->rows[0];
    assert_int_equal(act(store, id, MAILMOD_QUEUE_FLUSH, 4242), 1);
    row.attempts = 4;
    row.next_attempt_ms = 7777777;
    assert_int_equal(fixture_run(store, update, &row), MAILMOD_OK);
    row = list(store, id)->rows[0];
    assert_int_equal(row.attempts, 4);
    assert_int_equal(row.next_attempt_ms, 4242);
    row.next_attempt_ms = 7777777;
    assert_int_equal(fixture_run(store, update, &row), MAILMOD_OK);
    assert_int_equal(list(store, id)->rows[0].next_attempt_ms, 7777777);
}

/* An attempt that ends after the operator's word does not undo it. */
static void test_hold_outlives_an_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t id = put(store, 0, 0, "x@b.net", "b.net", 1);
    struct mm_store_recipient row = list(store, id)->rows[0];
    assert_int_equal(act(store, id, MAILMOD_QUEUE_HOLD, 0), 1);
    row.attempts = 4;
    row.next_attempt_ms = 7777;
    strcpy(row.last_reply, "mx: 451 later");
    assert_int_equal(fixture_run(store, update, &row), MAILMOD_OK);
    struct mm_store_recipient *found = &list(store, id)->rows[0];
    assert_int_equal(found->state, MM_RECIPIENT_HELD);
    assert_int_equal(found->attempts, 4);
    assert_string_equal(found->last_reply, "mx: 451 later");
    assert_int_equal(act(store, id, MAILMOD_QUEUE_DELETE, 0), 1);
    assert_int_equal(fixture_run(store, update, &row), MAILMOD_ERROR_NOT_FOUND);
}

static uint64_t flush_count(struct mm_store *store)
{
    uint64_t count;
    assert_int_equal(mm_store_flush_count(store, &count), MAILMOD_OK);
    return count;
}

static void test_actions(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t a = put(store, 0, 0, "x@b.net", "b.net", 5000);
    (void)put(store, a, 1, "y@b.net", "b.net", 5000);
    uint64_t b = put(store, 0, 0, "x@c.net", "c.net", 6000);
    assert_int_equal(act(store, a, MAILMOD_QUEUE_HOLD, 0), 2);
    assert_int_equal(flush_count(store), 0);
    assert_int_equal(earliest(store), 6000);
    assert_int_equal(act(store, 0, MAILMOD_QUEUE_FLUSH, 100),
                     1); /* not the held */
    assert_int_equal(earliest(store), 100);
    assert_int_equal(act(store, 0, MAILMOD_QUEUE_RELEASE, 50), 2);
    assert_int_equal(earliest(store), 50);
    assert_int_equal(act(store, b, MAILMOD_QUEUE_FLUSH, 10), 1);
    assert_int_equal(list(store, b)->rows[0].next_attempt_ms, 10);
    assert_int_equal(list(store, a)->rows[1].next_attempt_ms, 50);
    assert_int_equal(flush_count(store), 3);
    assert_int_equal(act(store, 4711, MAILMOD_QUEUE_DELETE, 0), 0);
    assert_int_equal(act(store, a, MAILMOD_QUEUE_DELETE, 0), 2);
    assert_false(fixture_has_message(store, a));
    assert_true(fixture_has_message(store, b));
    assert_int_equal(act(store, 0, MAILMOD_QUEUE_DELETE, 0), 1);
    assert_int_equal(list(store, 0)->count, 0);
    assert_int_equal(flush_count(store), 3);
    fixture_verify(store);
}

/* D19: who schedules hears what a commit may have made due. */
static void test_D19_news(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    bool is_whole = true;
    assert_false(mm_store_has_news(store));
    uint64_t a = put(store, 0, 0, "x@b.net", "b.net", 500);
    (void)put(store, a, 1, "y@c.net", "c.net", 300);
    (void)put(store, a, 2, "y@d.net", "d.net", 400);
    assert_true(mm_store_has_news(store));
    assert_int_equal(told_of(store, "b.net", &is_whole), 500);
    assert_true(is_whole);
    assert_int_equal(told_of(store, "b.net", &is_whole), -1); /* once */
    assert_false(mm_store_has_news(store));
    assert_int_equal(act(store, a, MAILMOD_QUEUE_HOLD, 0), 3);
    assert_int_equal(told_of(store, "c.net", &is_whole), -1);
    assert_int_equal(act(store, a, MAILMOD_QUEUE_RELEASE, 50), 3);
    assert_int_equal(told_of(store, "c.net", &is_whole), 50);
    assert_int_equal(act(store, 0, MAILMOD_QUEUE_FLUSH, 20), 3);
    assert_int_equal(told_of(store, "d.net", &is_whole), 20);
    assert_true(is_whole);
}

static void count_news(void *context)
{
    ++*(unsigned *)context;
}

/* Who watches is told before the job is answered, and of what waits alone. */
static void test_watched(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t box = fixture_add_user(store, "alice");
    unsigned told = 0;
    mm_store_watch(store, count_news, &told);
    (void)fixture_deliver(store, 10, &box, 1);
    assert_int_equal(told, 0);
    uint64_t a = put(store, 0, 0, "x@b.net", "b.net", 500);
    assert_int_equal(told, 1);
    assert_int_equal(act(store, a, MAILMOD_QUEUE_FLUSH, 20), 1);
    assert_int_equal(told, 2);
    mm_store_watch(store, NULL, NULL);
    (void)put(store, 0, 0, "x@b.net", "b.net", 500);
    assert_int_equal(told, 2);
}

static enum mailmod_error put_thousands(struct mm_store_transaction *t,
                                        void *context)
{
    uint64_t *id = context;
    enum mailmod_error error = fixture_put_row(t, *id, 0);
    for (unsigned i = 0; error == MAILMOD_OK && i < 2500; i++) {
        struct mm_store_recipient recipient = {.message_id = *id, .number = i};
        snprintf(recipient.path, sizeof recipient.path, "u@d%u.net", i % 9);
        strcpy(recipient.destination, "relay.net");
        error = mm_store_put_recipient(t, &recipient);
    }
    return error;
}

static enum mailmod_error reroute(struct mm_store_transaction *t, void *context)
{
    return mm_store_reroute(t, context);
}

static bool on_own_domain(void *context, const struct mm_store_message *message,
                          const struct mm_store_recipient *recipient)
{
    (void)message;
    *(size_t *)context +=
        strcmp(strchr(recipient->path, '@') + 1, recipient->destination) == 0;
    return true;
}

/* More than are deleted or moved at a time. */
static void test_many(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t id = mm_store_new_message_id(store);
    size_t own = 0;
    char relay[] = "other.net";
    struct mm_store_destination found[16];
    size_t count;
    assert_int_equal(fixture_run(store, put_thousands, &id), MAILMOD_OK);
    bool is_whole = true;
    (void)told_of(store, "relay.net", &is_whole);
    assert_int_equal(fixture_run(store, reroute, NULL), MAILMOD_OK);
    mm_store_settle(store);
    (void)told_of(store, "relay.net", &is_whole);
    assert_false(is_whole);
    assert_int_equal(mm_store_each_recipient(store, 0, on_own_domain, &own),
                     MAILMOD_OK);
    assert_int_equal(own, 2500);
    assert_int_equal(fixture_run(store, reroute, relay), MAILMOD_OK);
    mm_store_settle(store);
    assert_int_equal(mm_store_list_destinations(store, "", found, 16, &count),
                     MAILMOD_OK);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].name, "other.net");
    assert_int_equal(act(store, 0, MAILMOD_QUEUE_DELETE, 0), 2500);
    mm_store_settle(store);
    assert_false(fixture_has_message(store, id));
    fixture_verify(store);
}

static void test_odd_paths(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t id = put(store, 0, 0, "postmaster", "relay.net", 1);
    (void)put(store, id, 1, "\"a@b\"@c.net", "relay.net", 1);
    (void)put(store, id, 2, "x@[192.0.2.1]", "relay.net", 1);
    (void)put(store, id, 3, "x@B\u00fccher.test", "relay.net", 1);
    assert_int_equal(fixture_run(store, reroute, NULL), MAILMOD_OK);
    struct seen *seen = list(store, id);
    assert_string_equal(seen->rows[0].destination, "relay.net");
    assert_string_equal(seen->rows[1].destination, "c.net");
    assert_string_equal(seen->rows[2].destination, "[192.0.2.1]");
    assert_string_equal(seen->rows[3].destination, "xn--bcher-kva.test");
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_row_is_kept),
        FIXTURE_TEST(test_unsure_host),
        FIXTURE_TEST(test_what_is_due),
        FIXTURE_TEST(test_D19_news),
        FIXTURE_TEST(test_watched),
        FIXTURE_TEST(test_last_one_takes_message),
        FIXTURE_TEST(test_mailbox_keeps_message),
        FIXTURE_TEST(test_act_on_one),
        FIXTURE_TEST(test_flush_outlives_an_attempt),
        FIXTURE_TEST(test_hold_outlives_an_attempt),
        FIXTURE_TEST(test_actions),
        FIXTURE_TEST(test_many),
        FIXTURE_TEST(test_odd_paths)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
