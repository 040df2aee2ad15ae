/* test_mailbox.c - the store's mailboxes as POP3 sees them: one session a
 * mailbox, a listing that does not move, and messages with Return-Path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "mailbox/mailbox.h"
#include "platform/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct world {
    struct mm_store *store;
    struct mm_mailbox_locks *locks;
    uint64_t alice;
    uint64_t bob;
};

struct work {
    struct mm_store_job job;
    struct mm_store_user user;
    struct mm_store_message message;
    uint64_t mailbox_id;
    const char *body;
    size_t size;
    size_t lie; /* octets that the listing tells too many */
};

static enum mailmod_error run_user(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    return mm_store_add_user(t, &MM_LIST_OBJECT(job, struct work, job)->user);
}

static uint64_t add_user(struct mm_store *store, const char *name)
{
    struct work work = {.job.run = run_user};
    strcpy(work.user.name, name);
    assert_int_equal(mm_store_run(store, &work.job), MAILMOD_OK);
    return work.user.mailbox_id;
}

static enum mailmod_error run_message(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);
    uint64_t id = work->message.id;
    enum mailmod_error error = MAILMOD_OK;
    for (size_t at = 0; error == MAILMOD_OK && at < work->size;
         at += MM_LIMIT_CHUNK) {
        size_t rest = work->size - at;
        error = mm_store_put_chunk(
            t, id, (unsigned)(at / MM_LIMIT_CHUNK),
            mm_span(work->body + at,
                    rest < MM_LIMIT_CHUNK ? rest : MM_LIMIT_CHUNK));
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &work->message);
    }
    return error == MAILMOD_OK
               ? mm_store_put_entry(t, work->mailbox_id, id,
                                    work->size + work->lie +
                                        mm_mailbox_return_path_size(
                                            work->message.reverse_path))
               : error;
}

static uint64_t put(struct world *world, uint64_t mailbox_id,
                    const char *reverse_path, const char *body, size_t size)
{
    struct work work = {.job.run = run_message,
                        .mailbox_id = mailbox_id,
                        .body = body,
                        .size = size};
    work.message.id = mm_store_new_message_id(world->store);
    work.message.size = size;
    strcpy(work.message.reverse_path, reverse_path);
    assert_int_equal(mm_store_run(world->store, &work.job), MAILMOD_OK);
    return work.message.id;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    assert_int_equal(mm_store_open_memory(&world->store, NULL), MAILMOD_OK);
    assert_int_equal(mm_mailbox_locks_new(&world->locks), MAILMOD_OK);
    world->alice = add_user(world->store, "alice");
    world->bob = add_user(world->store, "bob");
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    mm_mailbox_locks_free(&world->locks);
    mm_store_close(&world->store);
    free(world);
    return 0;
}

static struct mm_mailbox *open_box(struct world *world, uint64_t mailbox_id)
{
    struct mm_mailbox *mailbox = NULL;
    assert_int_equal(
        mm_mailbox_open(&mailbox, world->store, world->locks, mailbox_id),
        MAILMOD_OK);
    return mailbox;
}

/* RFC 1939 4: an exclusive-access lock for the session. */
static void test_one_session(void **state)
{
    struct world *world = *state;
    struct mm_mailbox *second = NULL;
    struct mm_mailbox *first = open_box(world, world->alice);
    struct mm_mailbox *other = open_box(world, world->bob);
    assert_int_equal(
        mm_mailbox_open(&second, world->store, world->locks, world->alice),
        MAILMOD_ERROR_BUSY);
    assert_null(second);
    mm_mailbox_close(&first);
    assert_null(first);
    mm_mailbox_close(&first);
    second = open_box(world, world->alice);
    mm_mailbox_close(&second);
    mm_mailbox_close(&other);
}

/* An opening that fails leaves no lock. */
static void test_no_mailbox(void **state)
{
    struct world *world = *state;
    struct mm_mailbox *mailbox = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            mm_mailbox_open(&mailbox, world->store, world->locks, 4711),
            MAILMOD_ERROR_NOT_FOUND);
        assert_null(mailbox);
    }
}

static void test_empty(void **state)
{
    struct world *world = *state;
    struct mm_buf out;
    struct mm_mailbox *mailbox = open_box(world, world->alice);
    mm_buf_init(&out, 1000);
    assert_int_equal(mm_mailbox_count(mailbox), 0);
    assert_null(mm_mailbox_entry(mailbox, 0));
    assert_int_equal(mm_mailbox_read(mailbox, 0, 0, &out),
                     MAILMOD_ERROR_ARGUMENT);
    mm_buf_fini(&out);
    mm_mailbox_close(&mailbox);
}

/* All pieces together; their octets are what the listing says. */
static void read_whole(struct mm_mailbox *mailbox, size_t index,
                       struct mm_buf *whole)
{
    struct mm_buf piece;
    unsigned number = 0;
    enum mailmod_error error;
    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    do {
        error = mm_mailbox_read(mailbox, index, number++, &piece);
        if (error == MAILMOD_OK) {
            (void)mm_buf_append_span(whole, mm_buf_span(&piece));
        }
    } while (error == MAILMOD_OK);
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&piece);
    assert_int_equal(mm_buf_size(whole),
                     mm_mailbox_entry(mailbox, index)->size);
}

static void test_served_octets(void **state)
{
    static const struct {
        const char *reverse_path;
        const char *field;
        size_t size;
    } rows[] = {
        {"a@example.org", "Return-Path: <a@example.org>\r\n", 0},
        {"", "Return-Path: <>\r\n", 1},
        {"\"q q\"@x.net", "Return-Path: <\"q q\"@x.net>\r\n", MM_LIMIT_CHUNK},
        {"b@x.net", "Return-Path: <b@x.net>\r\n", 2 * MM_LIMIT_CHUNK + 3}};
    struct world *world = *state;
    char *body = malloc(3 * MM_LIMIT_CHUNK);
    assert_non_null(body);
    for (size_t i = 0; i < 3 * MM_LIMIT_CHUNK; i++) {
        body[i] = (char)(i * 31 >> 3);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)put(world, world->alice, rows[i].reverse_path, body,
                  rows[i].size);
    }
    struct mm_mailbox *mailbox = open_box(world, world->alice);
    assert_int_equal(mm_mailbox_count(mailbox), 4);
    for (size_t i = 0; i < 4; i++) {
        struct mm_buf whole;
        size_t field_size = strlen(rows[i].field);
        mm_buf_init(&whole, 4 * MM_LIMIT_CHUNK);
        read_whole(mailbox, i, &whole);
        struct mm_span octets = mm_buf_span(&whole);
        assert_int_equal(octets.size, field_size + rows[i].size);
        assert_memory_equal(octets.data, rows[i].field, field_size);
        assert_memory_equal(octets.data + field_size, body, rows[i].size);
        mm_buf_fini(&whole);
    }
    mm_mailbox_close(&mailbox);
    free(body);
}

/* The longest Return-Path and a full chunk fit one piece's buffer. */
static void test_longest_return_path(void **state)
{
    static char path[MM_STORE_REVERSE_PATH_MAX];
    static char body[MM_LIMIT_CHUNK];
    struct world *world = *state;
    struct mm_buf whole;
    memset(path, 'p', sizeof path - 1);
    memset(body, 'b', sizeof body);
    (void)put(world, world->alice, path, body, sizeof body);
    struct mm_mailbox *mailbox = open_box(world, world->alice);
    mm_buf_init(&whole, 2 * MM_LIMIT_CHUNK);
    read_whole(mailbox, 0, &whole);
    mm_buf_fini(&whole);
    mm_mailbox_close(&mailbox);
}

/* RFC 1939 7: 1 to 70 characters from 33 to 126, the same in every session,
 * never given again. */
static void check_unique_id(const char *text)
{
    size_t length = strlen(text);
    assert_true(length >= 1 && length <= 70);
    for (size_t i = 0; i < length; i++) {
        assert_true(text[i] >= 33 && text[i] <= 126);
    }
}

static void test_unique_ids(void **state)
{
    struct world *world = *state;
    char ids[3][MM_UNIQUE_ID_MAX];
    char again[MM_UNIQUE_ID_MAX];
    (void)put(world, world->alice, "", "x", 1);
    (void)put(world, world->alice, "", "x", 1);
    (void)put(world, world->bob, "", "x", 1);
    struct mm_mailbox *mailbox = open_box(world, world->alice);
    struct mm_mailbox *other = open_box(world, world->bob);
    mm_mailbox_unique_id(mailbox, 0, ids[0]);
    mm_mailbox_unique_id(mailbox, 1, ids[1]);
    mm_mailbox_unique_id(other, 0, ids[2]);
    for (int i = 0; i < 3; i++) {
        check_unique_id(ids[i]);
    }
    assert_string_not_equal(ids[0], ids[1]);
    assert_string_not_equal(ids[0], ids[2]);
    mm_mailbox_close(&mailbox);
    mm_mailbox_close(&other);
    mailbox = open_box(world, world->alice);
    mm_mailbox_unique_id(mailbox, 1, again);
    assert_string_equal(again, ids[1]);
    mm_mailbox_close(&mailbox);
}

struct waiting {
    struct mm_mailbox_removal removal;
    enum mailmod_error error;
    atomic_bool is_done;
};

static void on_removed(struct mm_mailbox_removal *removal,
                       enum mailmod_error error)
{
    struct waiting *waiting = MM_LIST_OBJECT(removal, struct waiting, removal);
    waiting->error = error;
    atomic_store(&waiting->is_done, true);
}

static enum mailmod_error run_nothing(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    (void)job;
    (void)t;
    return MAILMOD_OK;
}

/* Jobs are told in order: when this one is, those before have been. */
static void wait_for_store(struct mm_store *store)
{
    struct mm_store_job job = {.run = run_nothing};
    assert_int_equal(mm_store_run(store, &job), MAILMOD_OK);
}

/* The listing stays as it was while mail comes and goes; what is removed is
 * what the session says, by number, not by place. */
static void test_removal_and_snapshot(void **state)
{
    struct world *world = *state;
    uint64_t numbers[2];
    struct waiting waiting = {.error = MAILMOD_ERROR_CANCELLED};
    uint64_t kept = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t id = put(world, world->alice, "", "body\r\n", 6);
        kept = i == 1 ? id : kept;
    }
    struct mm_mailbox *mailbox = open_box(world, world->alice);
    uint64_t late = put(world, world->alice, "", "late", 4);
    assert_int_equal(mm_mailbox_count(mailbox), 4);
    numbers[0] = mm_mailbox_entry(mailbox, 0)->unique_number;
    numbers[1] = mm_mailbox_entry(mailbox, 3)->unique_number;
    waiting.removal.unique_numbers = numbers;
    waiting.removal.count = 2;
    waiting.removal.done = on_removed;
    mm_mailbox_remove(mailbox, &waiting.removal);
    wait_for_store(world->store);
    assert_true(atomic_load(&waiting.is_done));
    assert_int_equal(waiting.error, MAILMOD_OK);
    assert_int_equal(mm_mailbox_count(mailbox), 4);
    mm_mailbox_close(&mailbox);
    mailbox = open_box(world, world->alice);
    assert_int_equal(mm_mailbox_count(mailbox), 3);
    assert_int_equal(mm_mailbox_entry(mailbox, 0)->message_id, kept);
    assert_int_equal(mm_mailbox_entry(mailbox, 2)->message_id, late);
    mm_mailbox_close(&mailbox);
}

/* Its chunks end before its size does: not served as a shorter message. */
static void test_lost_end(void **state)
{
    struct world *world = *state;
    struct work work = {.job.run = run_message,
                        .mailbox_id = world->alice,
                        .body = "body\r\n",
                        .size = 6};
    struct mm_buf out;
    for (size_t i = 0; i < 2; i++) {
        work.message.id = mm_store_new_message_id(world->store);
        work.lie = i; /* one octet short is enough */
        assert_int_equal(mm_store_run(world->store, &work.job), MAILMOD_OK);
    }
    struct mm_mailbox *mailbox = open_box(world, world->alice);
    mm_buf_init(&out, MM_LIMIT_CHUNK + 512);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(mm_mailbox_read(mailbox, i, 0, &out), MAILMOD_OK);
        assert_int_equal(mm_mailbox_read(mailbox, i, 1, &out),
                         i == 0 ? MAILMOD_ERROR_NOT_FOUND
                                : MAILMOD_ERROR_STORAGE_DAMAGED);
    }
    mm_buf_fini(&out);
    mm_mailbox_close(&mailbox);
}

/* A message that a tool took away in the middle of a session. */
static void test_message_gone(void **state)
{
    struct world *world = *state;
    struct waiting waiting = {.error = MAILMOD_ERROR_CANCELLED};
    struct mm_buf out;
    (void)put(world, world->alice, "", "body\r\n", 6);
    struct mm_mailbox *mailbox = open_box(world, world->alice);
    uint64_t number = mm_mailbox_entry(mailbox, 0)->unique_number;
    waiting.removal.unique_numbers = &number;
    waiting.removal.count = 1;
    waiting.removal.done = on_removed;
    mm_mailbox_remove(mailbox, &waiting.removal);
    wait_for_store(world->store);
    mm_buf_init(&out, MM_LIMIT_CHUNK + 512);
    /* Not NOT_FOUND, which is the end of a message. */
    assert_int_equal(mm_mailbox_read(mailbox, 0, 0, &out),
                     MAILMOD_ERROR_STORAGE_DAMAGED);
    mm_buf_fini(&out);
    mm_mailbox_close(&mailbox);
}

static void test_allocations(void **state)
{
    struct world *world = *state;
    unsigned long number = 0;
    bool is_met = true;
    (void)put(world, world->alice, "a@b.net", "body\r\n", 6);
    while (is_met) {
        struct mm_mailbox *mailbox = NULL;
        struct mm_mailbox_locks *locks = NULL;
        struct mm_buf out;
        mm_buf_init(&out, MM_LIMIT_CHUNK + 512);
        (void)mm_mem_set_fault(++number, 0);
        enum mailmod_error error = mm_mailbox_locks_new(&locks);
        if (error == MAILMOD_OK) {
            error =
                mm_mailbox_open(&mailbox, world->store, locks, world->alice);
        }
        if (error == MAILMOD_OK) {
            error = mm_mailbox_read(mailbox, 0, 0, &out);
        }
        is_met = mm_mem_set_fault(0, 0) >= number;
        assert_int_equal(error, is_met ? MAILMOD_ERROR_MEMORY : MAILMOD_OK);
        mm_mailbox_close(&mailbox);
        mm_buf_fini(&out);
        /* No lock is left by an opening that failed. */
        if (locks != NULL) {
            assert_int_equal(
                mm_mailbox_open(&mailbox, world->store, locks, world->alice),
                MAILMOD_OK);
            mm_mailbox_close(&mailbox);
        }
        mm_mailbox_locks_free(&locks);
    }
    assert_true(number > 4);
}

struct contender {
    struct world *world;
    struct mm_thread *thread;
    atomic_int *inside;
    unsigned opened;
    unsigned broken;
};

static void contend(void *context)
{
    struct contender *contender = context;
    for (int i = 0; i < 500; i++) {
        struct mm_mailbox *mailbox = NULL;
        enum mailmod_error error =
            mm_mailbox_open(&mailbox, contender->world->store,
                            contender->world->locks, contender->world->alice);
        if (error == MAILMOD_OK) {
            contender->opened++;
            contender->broken += atomic_fetch_add(contender->inside, 1) != 0;
            atomic_fetch_sub(contender->inside, 1);
            mm_mailbox_close(&mailbox);
        } else {
            contender->broken += error != MAILMOD_ERROR_BUSY;
        }
    }
}

static void test_many_threads(void **state)
{
    struct contender contenders[6];
    atomic_int inside = 0;
    unsigned opened = 0;
    unsigned broken = 0;
    for (int i = 0; i < 6; i++) {
        contenders[i] = (struct contender){*state, NULL, &inside, 0, 0};
        assert_int_equal(mm_thread_start(&contenders[i].thread, "contender",
                                         contend, &contenders[i]),
                         MAILMOD_OK);
    }
    for (int i = 0; i < 6; i++) {
        mm_thread_join(&contenders[i].thread);
        broken += contenders[i].broken;
        opened += contenders[i].opened;
    }
    assert_int_equal(broken, 0);
    assert_true(opened > 0);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {EACH(test_one_session),
                                       EACH(test_no_mailbox),
                                       EACH(test_empty),
                                       EACH(test_served_octets),
                                       EACH(test_longest_return_path),
                                       EACH(test_unique_ids),
                                       EACH(test_removal_and_snapshot),
                                       EACH(test_message_gone),
                                       EACH(test_lost_end),
                                       EACH(test_allocations),
                                       EACH(test_many_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
