/* test_disk.c - the store on a disk that fails at every call, and loses its
 * power after that: what was acknowledged is there, whole and once; what was
 * not is there whole or not at all (attack 79). A power cut alone is
 * test_power.c's. Thread: the test's; the store's writer is real. */
#include "fixture.h"

#include "base/limits.h"
#include "disk.h"
#include "fault_vfs.h"
#include "platform/clock.h"
#include "store/sqlite/internal.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAIL_MAX = 24 };

static const uint64_t sizes[] = {10, 3000, 70000, 1, 4096, 140000, 511, 9000};

struct mail {
    uint64_t id;
    uint64_t size;
    bool is_put;       /* acknowledged */
    bool is_dropped;   /* its removal was acknowledged */
    size_t put_step;   /* of the disk, when it was acknowledged */
    size_t drop_begin; /* SIZE_MAX: nobody removed it */
    size_t drop_step;
};

struct post {
    struct fixture disk;  /* where the store works */
    struct fixture after; /* what is left of it */
    uint64_t mailbox_id;
    size_t user_step;
    struct mail mails[MAIL_MAX];
    size_t count;
    unsigned stride; /* between the calls that fail */
    unsigned tries_min;
};

static void open_synced(struct fixture *disk)
{
    struct mm_store_options options = {
        .description = disk->folder, .mode = MM_STORE_EXCLUSIVE, .syncs = true};

    assert_int_equal(mm_store_open(&disk->store, &options, NULL), MAILMOD_OK);
}

static void make_folder(struct fixture *disk)
{
    strcpy(disk->folder, "/tmp/mailmod-fault-XXXXXX");
    assert_non_null(mkdtemp(disk->folder));
}

static int begin(void **state)
{
    struct post *post = calloc(1, sizeof *post);

    assert_non_null(post);
    fault_install();
    make_folder(&post->disk);
    make_folder(&post->after);
    post->stride = 3;
    post->tries_min = 20;
    *state = post;
    return 0;
}

static int begin_powersafe(void **state)
{
    int result = begin(state);
    struct post *post = *state;

    /* A commit's frames are one call, and each is tried. */
    post->stride = 1;
    post->tries_min = 5;
    fault_set_powersafe(true);
    return result;
}

static int end(void **state)
{
    struct post *post = *state;

    mm_store_close(&post->disk.store);
    mm_store_close(&post->after.store);
    fixture_remove_folder(post->disk.folder);
    fixture_remove_folder(post->after.folder);
    fault_set_powersafe(false);
    fault_remove();
    free(post);
    return 0;
}

struct half {
    struct mail *mail;
    uint64_t mailbox_id;
};

static enum mailmod_error put_body(struct mm_store_transaction *t,
                                   void *context)
{
    struct half *half = context;

    return fixture_put_body(t, half->mail->id, half->mail->size);
}

static enum mailmod_error put_rest(struct mm_store_transaction *t,
                                   void *context)
{
    struct half *half = context;
    enum mailmod_error error =
        fixture_put_row(t, half->mail->id, half->mail->size);

    return error == MAILMOD_OK
               ? mm_store_put_entry(t, half->mailbox_id, half->mail->id,
                                    half->mail->size + 34)
               : error;
}

static enum mailmod_error put_whole(struct mm_store_transaction *t,
                                    void *context)
{
    enum mailmod_error error = put_body(t, context);

    return error == MAILMOD_OK ? put_rest(t, context) : error;
}

/* Every third one in two transactions, as a large body comes in. */
static enum mailmod_error deliver(struct post *post)
{
    struct mail *mail = &post->mails[post->count];
    struct half half = {mail, post->mailbox_id};
    enum mailmod_error error;

    assert_true(post->count < MAIL_MAX);
    *mail = (struct mail){.id = mm_store_new_message_id(post->disk.store),
                          .size = sizes[post->count % 8],
                          .drop_begin = SIZE_MAX};
    if (post->count % 3 == 2) {
        error = fixture_run(post->disk.store, put_body, &half);
        if (error == MAILMOD_OK) {
            error = fixture_run(post->disk.store, put_rest, &half);
        }
    } else {
        error = fixture_run(post->disk.store, put_whole, &half);
    }
    mail->is_put = error == MAILMOD_OK;
    mail->put_step = mail->is_put ? disk_steps() : SIZE_MAX;
    post->count++;
    return error;
}

/* The entry of a message that is there. */
static uint64_t number_of(struct post *post, struct mm_store *store,
                          uint64_t id)
{
    uint64_t number = 0;

    assert_int_equal(fixture_find_entry(store, post->mailbox_id, id, &number),
                     MAILMOD_OK);
    return number;
}

static enum mailmod_error drop(struct post *post, struct mail *mail)
{
    uint64_t number = number_of(post, post->disk.store, mail->id);
    enum mailmod_error error;

    mail->drop_begin = disk_steps();
    error = fixture_remove(post->disk.store, post->mailbox_id, number);
    mail->is_dropped = error == MAILMOD_OK;
    mail->drop_step = disk_steps();
    return error;
}

/* Copies the log back, as the writer does when it has grown; so the log is
 * used anew from its beginning by what comes next. */
static void checkpoint(struct post *post)
{
    char path[128];
    sqlite3 *db;

    fixture_path(&post->disk, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA wal_checkpoint(PASSIVE)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void work(struct post *post)
{
    open_synced(&post->disk);
    post->mailbox_id = fixture_add_user(post->disk.store, "alice");
    post->user_step = disk_steps();
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(deliver(post), MAILMOD_OK);
    }
    assert_int_equal(drop(post, &post->mails[1]), MAILMOD_OK);
    checkpoint(post);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(deliver(post), MAILMOD_OK);
    }
    assert_int_equal(drop(post, &post->mails[2]), MAILMOD_OK);
    mm_store_close(&post->disk.store);
    open_synced(&post->disk);
    assert_int_equal(deliver(post), MAILMOD_OK);
    assert_int_equal(drop(post, &post->mails[5]), MAILMOD_OK);
    assert_int_equal(deliver(post), MAILMOD_OK);
    mm_store_close(&post->disk.store);
}

static void check_mail(struct post *post, const struct mail *mail, bool must,
                       bool must_not, size_t step)
{
    uint64_t number = number_of(post, post->after.store, mail->id);

    if (must && number == 0) {
        fail_msg("step %zu: an acknowledged message is not there", step);
    }
    if (must_not && number != 0) {
        fail_msg("step %zu: a removed message is back", step);
    }
    assert_int_equal(number != 0,
                     fixture_has_message(post->after.store, mail->id));
    if (number != 0) {
        fixture_check_body(post->after.store, mail->id, mail->size);
    } else {
        assert_false(fixture_has_chunk(post->after.store, mail->id, 0));
    }
}

/* Each step, or under a sanitizer each fifth, and the last: what the disk has
 * is the same there. */
static size_t next_cut(size_t step, size_t steps)
{
    size_t next = step + MAILMOD_CUT_STRIDE;

    return step < steps && next > steps ? steps : next;
}

static void check_cut(struct post *post, size_t step,
                      enum disk_survival survival)
{
    struct mm_store_user user;
    struct mm_buf reason;
    struct mm_store_options options = {.description = post->after.folder,
                                       .mode = MM_STORE_EXCLUSIVE};
    enum mailmod_error error;

    fixture_remove_folder(post->after.folder);
    make_folder(&post->after);
    assert_true(disk_play(post->after.folder,
                          &(struct disk_cut){.step = step,
                                             .survival = survival,
                                             .seed = step * 2654435761u}));
    mm_buf_init(&reason, 2000);
    options.description = post->after.folder;
    error = mm_store_open(&post->after.store, &options, &reason);
    if (error != MAILMOD_OK) {
        fail_msg("step %zu, %d: %s", step, (int)survival, mm_buf_cstr(&reason));
    }
    mm_buf_fini(&reason);
    fixture_verify(post->after.store);
    error = mm_store_find_user(post->after.store, "alice", &user);
    assert_true(error == MAILMOD_OK ||
                (error == MAILMOD_ERROR_NOT_FOUND && step < post->user_step));
    for (size_t i = 0; i < post->count; i++) {
        const struct mail *mail = &post->mails[i];

        check_mail(
            post, mail, mail->put_step <= step && mail->drop_begin > step,
            mail->drop_begin != SIZE_MAX && mail->drop_step <= step, step);
    }
    mm_store_close(&post->after.store);
}

/* The harness can fail: a disk that forgets what was synced is found out. */
static void test_a_lying_disk_is_seen(void **state)
{
    struct post *post = *state;
    struct mm_store_options options = {.description = post->after.folder,
                                       .mode = MM_STORE_EXCLUSIVE};
    size_t step;

    disk_begin(post->disk.folder);
    work(post);
    step = disk_sync_before(post->mails[3].put_step);
    assert_true(
        disk_play(post->after.folder, &(struct disk_cut){.step = step}));
    assert_int_equal(mm_store_open(&post->after.store, &options, NULL),
                     MAILMOD_OK);
    assert_int_equal(number_of(post, post->after.store, post->mails[3].id), 0);
    assert_int_not_equal(number_of(post, post->after.store, post->mails[0].id),
                         0);
}

/* The same store on a disk whose n-th call fails. False when there was no such
 * call any more. */
static bool work_with_fault(struct post *post, enum fault_kind kind,
                            unsigned number, bool is_sticky)
{
    bool was_refused = false;
    bool happened;

    post->count = 0;
    open_synced(&post->disk);
    post->mailbox_id = fixture_add_user(post->disk.store, "alice");
    assert_int_equal(deliver(post), MAILMOD_OK);
    fault_set(kind, number, is_sticky);
    for (unsigned i = 0; i < 5; i++) {
        enum mailmod_error error =
            i == 3 ? drop(post, &post->mails[0]) : deliver(post);

        /* A failed sync is not retried and believed. */
        assert_false(kind == FAULT_SYNC && was_refused && error == MAILMOD_OK);
        was_refused = was_refused || error != MAILMOD_OK;
        assert_true(error == MAILMOD_OK || fault_happened());
        if (kind == FAULT_WRITE_FULL && error != MAILMOD_OK) {
            assert_int_equal(error, MAILMOD_ERROR_STORAGE_FULL);
        }
    }
    happened = fault_happened();
    if (!is_sticky) {
        fault_set(FAULT_NONE, 0, false);
        if (kind == FAULT_WRITE_FULL) {
            assert_int_equal(deliver(post), MAILMOD_OK); /* that passes */
        }
    }
    mm_store_close(&post->disk.store);
    fault_set(FAULT_NONE, 0, false);
    return happened;
}

static void check_after_fault(struct post *post, enum fault_kind kind,
                              unsigned number)
{
    struct mm_buf reason;
    struct mm_store_options options = {.description = post->disk.folder,
                                       .mode = MM_STORE_EXCLUSIVE};

    mm_buf_init(&reason, 2000);
    if (mm_store_open(&post->after.store, &options, &reason) != MAILMOD_OK) {
        fail_msg("fault %d at %u: %s", (int)kind, number, mm_buf_cstr(&reason));
    }
    mm_buf_fini(&reason);
    fixture_verify(post->after.store);
    for (size_t i = 0; i < post->count; i++) {
        const struct mail *mail = &post->mails[i];

        check_mail(post, mail, mail->is_put && mail->drop_begin == SIZE_MAX,
                   mail->is_dropped, number);
    }
    assert_int_not_equal(
        fixture_deliver(post->after.store, 100, &post->mailbox_id, 1), 0);
    mm_store_close(&post->after.store);
}

static unsigned try_faults(struct post *post, enum fault_kind kind,
                           unsigned stride)
{
    unsigned count = 0;
    bool happened = true;

    for (unsigned number = 1; happened && number < 2000; number += stride) {
        happened = work_with_fault(post, kind, number, count % 2 == 1);
        check_after_fault(post, kind, number);
        fixture_remove_folder(post->disk.folder);
        make_folder(&post->disk);
        count++;
    }
    assert_false(happened);
    return count;
}

static void test_failing_syncs(void **state)
{
    assert_true(try_faults(*state, FAULT_SYNC, 1) > 4);
}

static void test_failing_writes(void **state)
{
    struct post *post = *state;

    assert_true(try_faults(post, FAULT_WRITE, post->stride) > post->tries_min);
}

static void test_short_writes(void **state)
{
    struct post *post = *state;

    assert_true(try_faults(post, FAULT_WRITE_SHORT, post->stride) >
                post->tries_min);
}

static void test_full_disk(void **state)
{
    struct post *post = *state;

    assert_true(try_faults(post, FAULT_WRITE_FULL, post->stride) >
                post->tries_min);
}

static void await_writable(struct mm_store *store)
{
    uint64_t begin_ms = mm_clock_monotonic_ms();
    while (!mm_store_is_writable(store)) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < 20000);
        mm_clock_sleep_ms(20);
    }
}

/* A sync fails, the store is mended, the power is cut at each later step: what
 * was acknowledged before and after is there. */
static void test_D03_mended_after_a_failed_sync(void **state)
{
    struct post *post = *state;
    disk_begin(post->disk.folder);
    open_synced(&post->disk);
    post->mailbox_id = fixture_add_user(post->disk.store, "alice");
    post->user_step = disk_steps();
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(deliver(post), MAILMOD_OK);
        fault_set(FAULT_SYNC, 1, false);
        assert_int_not_equal(deliver(post), MAILMOD_OK);
        assert_false(mm_store_is_writable(post->disk.store));
        assert_int_not_equal(deliver(post), MAILMOD_OK);
        await_writable(post->disk.store);
        assert_int_equal(deliver(post), MAILMOD_OK);
    }
    size_t steps = disk_steps();
    for (size_t step = 0; step <= steps; step = next_cut(step, steps)) {
        check_cut(post, step, DISK_SOME);
        check_cut(post, step, DISK_NOTHING);
    }
}

/* Copies the log back after few pages already. */
static enum mailmod_error copy_often(struct mm_store_transaction *t,
                                     void *context)
{
    struct mm_sqlite *store = mm_sqlite_of(t->store);
    store->copy_pages = *(int *)context;
    store->copy_at = store->copy_pages;
    return MAILMOD_OK;
}

/* Reads one state of the database until it is closed. */
static sqlite3 *begin_reading(struct post *post)
{
    char path[128];
    sqlite3 *db;
    fixture_path(&post->disk, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM message",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    return db;
}

/* The log is copied back in part, for somebody reads, and the sync of that
 * fails: it is copied once more, also where a later sync would say that all is
 * well, and also when the store is closed at once. */
static void fail_the_copier(struct post *post, bool is_closed_at_once)
{
    int pages = 8;
    disk_begin(post->disk.folder);
    open_synced(&post->disk);
    post->count = 0;
    post->mailbox_id = fixture_add_user(post->disk.store, "alice");
    post->user_step = disk_steps();
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(deliver(post), MAILMOD_OK);
    }
    sqlite3 *reader = begin_reading(post);
    assert_int_equal(deliver(post), MAILMOD_OK);
    fault_set(FAULT_SYNC_DATABASE, 1, false);
    assert_int_equal(fixture_run(post->disk.store, copy_often, &pages),
                     MAILMOD_OK);
    uint64_t begin_ms = mm_clock_monotonic_ms();
    while (mm_store_is_writable(post->disk.store)) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < 20000);
        mm_clock_sleep_ms(5);
    }
    assert_true(fault_happened());
    assert_int_not_equal(deliver(post), MAILMOD_OK);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    if (!is_closed_at_once) {
        await_writable(post->disk.store);
        assert_int_equal(deliver(post), MAILMOD_OK);
        assert_int_equal(deliver(post), MAILMOD_OK);
        checkpoint(post);
        assert_int_equal(deliver(post), MAILMOD_OK);
    }
    mm_store_close(&post->disk.store);
    size_t steps = disk_steps();
    for (size_t step = 0; step <= steps; step = next_cut(step, steps)) {
        check_cut(post, step, DISK_SOME);
        check_cut(post, step, DISK_NOTHING);
    }
    check_cut(post, steps, DISK_ALL);
}

static void test_D18_the_copier_cannot_sync(void **state)
{
    fail_the_copier(*state, false);
}

static void test_D18_the_copier_cannot_sync_and_the_store_closes(void **state)
{
    fail_the_copier(*state, true);
}

/* The index of the log cannot grow for want of room: that passes. */
static void test_D04_no_room_for_the_index(void **state)
{
    struct post *post = *state;
    open_synced(&post->disk);
    post->mailbox_id = fixture_add_user(post->disk.store, "alice");
    fault_set(FAULT_INDEX_FULL, 1, true);
    uint64_t count = 0;
    while (!fault_happened()) { /* an index of 32 KiB holds 4062 pages */
        enum mailmod_error error = MAILMOD_OK;
        if (fixture_try_deliver(post->disk.store, 4000000, &post->mailbox_id,
                                1) == 0) {
            error = MAILMOD_ERROR_STORAGE_FULL;
        }
        assert_true(error == MAILMOD_OK || fault_happened());
        assert_true(++count < 30);
    }
    /* The log is begun anew by then, and what fits the index is written. */
    await_writable(post->disk.store);
    assert_int_equal(deliver(post), MAILMOD_OK);
    fault_set(FAULT_NONE, 0, false);
    await_writable(post->disk.store);
    assert_int_equal(deliver(post), MAILMOD_OK);
    fixture_verify(post->disk.store);
}

/* Where SQLite need not fill up sectors, the frames of a commit go into the log
 * with one write, and so they do however many there are. */
static void test_a_commit_is_one_write(void **state)
{
    struct post *post = *state;

    open_synced(&post->disk);
    post->mailbox_id = fixture_add_user(post->disk.store, "alice");
    for (unsigned i = 0; i < 2; i++) {
        fault_set(FAULT_WRITE, UINT_MAX, false);
        assert_int_equal(deliver(post), MAILMOD_OK);
        assert_int_equal(fault_calls(), 1);
    }
    fault_set(FAULT_NONE, 0, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define TEST_POWERSAFE(name)                                                   \
    {                                                                          \
#name "_powersafe", name, begin_powersafe, end, NULL                   \
    }
    const struct CMUnitTest tests[] = {
        TEST(test_a_lying_disk_is_seen),
        TEST_POWERSAFE(test_a_lying_disk_is_seen),
        TEST(test_failing_syncs),
        TEST_POWERSAFE(test_failing_syncs),
        TEST(test_failing_writes),
        TEST_POWERSAFE(test_failing_writes),
        TEST(test_short_writes),
        TEST_POWERSAFE(test_short_writes),
        TEST(test_full_disk),
        TEST_POWERSAFE(test_full_disk),
        TEST_POWERSAFE(test_a_commit_is_one_write),
        TEST(test_D03_mended_after_a_failed_sync),
        TEST_POWERSAFE(test_D03_mended_after_a_failed_sync),
        TEST(test_D18_the_copier_cannot_sync),
        TEST_POWERSAFE(test_D18_the_copier_cannot_sync),
        TEST(test_D18_the_copier_cannot_sync_and_the_store_closes),
        TEST_POWERSAFE(test_D18_the_copier_cannot_sync_and_the_store_closes),
        TEST(test_D04_no_room_for_the_index),
        TEST_POWERSAFE(test_D04_no_room_for_the_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
