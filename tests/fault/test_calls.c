/* test_calls.c - each system call on each file of the library's own fails: once
 * and for good, at each place, in each way that a disk knows. What was
 * acknowledged is there, also after a power cut behind it; what was not is
 * there whole or not at all; and when the disk is well again the same is done
 * without a word (attacks 79, 80; field D04). SQLite's calls are test_disk.c's.
 * Thread: the test's; the store's writer is real. */
#include "disk.h"
#include "disk_calls.h"
#include "fault_vfs.h"
#include "fixture.h"

#include "base/limits.h"
#include "mailbox/maildir.h"
#include "platform/fs.h"
#include "tests/unit/remove_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGES = 3, TRIES_MAX = 400 };

static const int errors[] = {ENOSPC, EIO, EROFS, ESTALE};
enum { ERRORS = sizeof errors / sizeof errors[0] };

struct world {
    char root[40];
    char folder[64];
    struct mm_store *sessions; /* who has which Maildir open */
    bool is_put[MESSAGES];
    bool is_dropped[MESSAGES];
    size_t tries;
};

static int begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    fault_install();
    strcpy(world->root, access("/dev/shm", W_OK) == 0
                            ? "/dev/shm/mailmod-calls-XXXXXX"
                            : "/tmp/mailmod-calls-XXXXXX");
    assert_non_null(mkdtemp(world->root));
    snprintf(world->folder, sizeof world->folder, "%s/at", world->root);
    assert_int_equal(mm_store_open_memory(&world->sessions, NULL), MAILMOD_OK);
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;

    disk_calls_fail("", DISK_CALL_NONE, 0, 0, false);
    mm_store_close(&world->sessions);
    fault_remove();
    remove_tree(world->root);
    free(world);
    return 0;
}

/* ---- Maildirs ---- */

/* Some hundred octets, by which a message is known. */
static void text_of(size_t which, char out[400])
{
    memset(out, 'a' + (int)which, 398);
    memcpy(out + 398, "\r\n", 2);
}

static enum mailmod_error deliver(struct world *world, size_t which)
{
    const struct mm_maildir_place place = {.base = world->folder,
                                           .below = "alice/Maildir"};
    struct mm_maildir_delivery *delivery = NULL;
    char name[64];
    char text[400];

    text_of(which, text);
    snprintf(name, sizeof name, "%zu.M1R0.mail.test", 1000 + which);
    enum mailmod_error error = mm_maildir_delivery_new(&delivery, &place, name);
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_write(delivery, mm_span(text, 400));
    }
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_finish(delivery);
    }
    mm_maildir_delivery_free(&delivery);
    return error;
}

static enum mailmod_error open_maildir(struct world *world, const char *folder,
                                       struct mm_mailbox **mailbox_out)
{
    static struct mm_mailbox_provider maildirs;
    const struct mm_mailbox_owner owner = {.user = "alice",
                                           .mailbox_id = 1,
                                           .base = folder,
                                           .below = "alice/Maildir"};

    mm_maildirs_init(&maildirs, world->sessions);
    return mm_mailbox_open(&maildirs, &owner, mailbox_out);
}

/* Which message it is: read whole, or an error. */
static enum mailmod_error identify(struct mm_mailbox *mailbox, size_t index,
                                   size_t *which_out)
{
    struct mm_buf piece;
    uint64_t size = 0;
    char text[400];

    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    enum mailmod_error error =
        mm_mailbox_read(mailbox, index, 0, &piece, &size);
    if (error == MAILMOD_OK) {
        struct mm_span octets = mm_buf_span(&piece);

        assert_int_equal(octets.size, 400);
        *which_out = (size_t)(octets.data[0] - 'a');
        assert_true(*which_out < MESSAGES);
        text_of(*which_out, text);
        assert_memory_equal(octets.data, text, 400);
    }
    mm_buf_fini(&piece);
    return error;
}

static void on_removed(struct mm_mailbox_removal *removal,
                       enum mailmod_error error)
{
    removal->keep_ms = error == MAILMOD_OK ? -1 : -2;
}

/* The first two at QUIT. */
static void quit(struct world *world)
{
    static const size_t indexes[] = {0, 1};
    struct mm_mailbox_removal removal = {
        .indexes = indexes, .count = 2, .done = on_removed};
    struct mm_mailbox *mailbox = NULL;
    size_t which[2];

    if (open_maildir(world, world->folder, &mailbox) != MAILMOD_OK) {
        return;
    }
    if (mm_mailbox_count(mailbox) >= 2 &&
        identify(mailbox, 0, &which[0]) == MAILMOD_OK &&
        identify(mailbox, 1, &which[1]) == MAILMOD_OK) {
        (void)!mm_mailbox_mark_seen(mailbox, indexes, 2);
        mm_mailbox_remove_list(mailbox, &removal);
        for (size_t i = 0; i < 2; i++) {
            /* Without an answer nothing is known. */
            world->is_put[which[i]] = false;
            world->is_dropped[which[i]] = removal.keep_ms == -1;
        }
    }
    mm_mailbox_close(&mailbox);
}

static void work_of_maildir(struct world *world)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        world->is_put[i] = deliver(world, i) == MAILMOD_OK;
    }
    quit(world);
}

static void check_maildir(struct world *world, const char *folder)
{
    struct mm_mailbox *mailbox = NULL;
    unsigned times[MESSAGES] = {0};

    assert_int_equal(open_maildir(world, folder, &mailbox), MAILMOD_OK);
    for (size_t i = 0; i < mm_mailbox_count(mailbox); i++) {
        size_t which = 0;

        assert_int_equal(identify(mailbox, i, &which), MAILMOD_OK);
        times[which]++;
    }
    mm_mailbox_close(&mailbox);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_true(times[i] <= 1);
        assert_true(times[i] == 1 || !world->is_put[i]);
        assert_true(times[i] == 0 || !world->is_dropped[i]);
    }
}

/* What was not taken is delivered again, as the queue does. */
static void again_maildir(struct world *world)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        if (!world->is_put[i] && !world->is_dropped[i]) {
            assert_int_equal(deliver(world, i), MAILMOD_OK);
            world->is_put[i] = true;
        }
    }
    check_maildir(world, world->folder);
}

/* ---- a store's beginning: folder, database, lock ---- */

static enum mailmod_error add_user(struct mm_store_transaction *t,
                                   void *context)
{
    return mm_store_add_user(t, context);
}

static void work_of_store(struct world *world)
{
    struct fixture fixture = {.store = NULL};
    struct mm_store_options options = {.description = fixture.folder,
                                       .mode = MM_STORE_EXCLUSIVE,
                                       .syncs = true};
    struct mm_buf reason;

    snprintf(fixture.folder, sizeof fixture.folder, "%.50s/data",
             world->folder);
    mm_buf_init(&reason, 2000);
    if (mm_store_open(&fixture.store, &options, &reason) == MAILMOD_OK) {
        struct mm_store_user user = {.iterations = 4096, .name = "alice"};

        world->is_put[0] =
            mm_store_find_user(fixture.store, "alice", &user) == MAILMOD_OK ||
            fixture_run(fixture.store, add_user, &user) == MAILMOD_OK;
    } else {
        assert_true(mm_buf_size(&reason) > 0);
    }
    mm_buf_fini(&reason);
    mm_store_close(&fixture.store);
}

static void check_store(struct world *world, const char *folder)
{
    struct fixture fixture = {.store = NULL};
    struct mm_store_user user;

    snprintf(fixture.folder, sizeof fixture.folder, "%.50s/data", folder);
    assert_int_equal(
        fixture_open_as(&fixture, MM_STORE_EXCLUSIVE, &fixture.store, NULL),
        MAILMOD_OK);
    fixture_verify(fixture.store);
    enum mailmod_error error =
        mm_store_find_user(fixture.store, "alice", &user);
    assert_true(error == MAILMOD_OK ||
                (error == MAILMOD_ERROR_NOT_FOUND && !world->is_put[0]));
    mm_store_close(&fixture.store);
}

static void again_store(struct world *world)
{
    world->is_put[0] = false;
    work_of_store(world);
    assert_true(world->is_put[0]);
}

/* ---- files that are replaced: certificates, keys, zones ---- */

enum { REPLACED = 6000 };

static enum mailmod_error replace(struct world *world, char octet)
{
    char path[128];
    char text[REPLACED];

    memset(text, octet, sizeof text);
    snprintf(path, sizeof path, "%s/self-signed.key", world->folder);
    return mm_fs_replace(path, mm_span(text, sizeof text), true);
}

static enum mailmod_error read_octet(const char *folder, char *octet_out)
{
    struct mm_buf text;
    char path[128];

    snprintf(path, sizeof path, "%s/self-signed.key", folder);
    mm_buf_init(&text, 2 * REPLACED);
    enum mailmod_error error = mm_fs_read(path, &text);
    if (error == MAILMOD_OK) {
        struct mm_span octets = mm_buf_span(&text);

        assert_int_equal(octets.size, REPLACED);
        *octet_out = octets.data[0];
        for (size_t i = 0; i < octets.size; i++) {
            assert_int_equal(octets.data[i], *octet_out);
        }
    }
    mm_buf_fini(&text);
    return error;
}

/* Put: the old one; dropped: the new one is in its place. */
static void work_of_replacing(struct world *world)
{
    char octet;

    world->is_put[0] = replace(world, 'a') == MAILMOD_OK;
    world->is_dropped[0] = replace(world, 'b') == MAILMOD_OK;
    (void)!read_octet(world->folder, &octet);
}

static void check_replaced(struct world *world, const char *folder)
{
    char octet = 0;
    enum mailmod_error error = read_octet(folder, &octet);

    assert_true(error == MAILMOD_OK ||
                (error == MAILMOD_ERROR_NOT_FOUND && !world->is_put[0] &&
                 !world->is_dropped[0]));
    assert_true(octet == 'b' || !world->is_dropped[0]);
}

static void again_replacing(struct world *world)
{
    assert_int_equal(replace(world, 'b'), MAILMOD_OK);
    world->is_dropped[0] = true;
}

/* ---- all ---- */

struct story {
    void (*work)(struct world *world);
    void (*check)(struct world *world, const char *folder);
    void (*again)(struct world *world);
};

/* What is on the disk when the power fails now. */
static void check_cut(struct world *world, const struct story *story)
{
    char after[64];

    snprintf(after, sizeof after, "%s/after", world->root);
    assert_int_equal(mkdir(after, 0700), 0);
    assert_true(disk_play(after, &(struct disk_cut){.step = disk_steps()}));
    story->check(world, after);
    remove_tree(after);
}

/* False when there was no such call any more. */
static bool try_call(struct world *world, const struct story *story,
                     enum disk_call call, unsigned number, int error,
                     bool is_for_good)
{
    remove_tree(world->folder);
    assert_int_equal(mkdir(world->folder, 0700), 0);
    memset(world->is_put, 0, sizeof world->is_put);
    memset(world->is_dropped, 0, sizeof world->is_dropped);
    disk_begin(world->folder);
    disk_calls_fail(world->folder, call, number, error, is_for_good);
    story->work(world);
    unsigned made = disk_calls_made();
    disk_calls_fail("", DISK_CALL_NONE, 0, 0, false);
    story->check(world, world->folder);
    story->again(world);
    check_cut(world, story);
    world->tries++;
    return made >= number;
}

static void try_all(struct world *world, const struct story *story)
{
    for (int call = DISK_CALL_NONE + 1; call < DISK_CALL_COUNT; call++) {
        for (unsigned i = 0; i < 2 * ERRORS; i++) {
            unsigned number = 1;

            while (try_call(world, story, (enum disk_call)call, number,
                            errors[i / 2], i % 2 == 1)) {
                assert_true(number++ < TRIES_MAX);
            }
        }
    }
    /* Short ones, which are no error. */
    for (unsigned number = 1;
         try_call(world, story, DISK_CALL_WRITE, number, 0, true); number++) {
        assert_true(number < TRIES_MAX);
    }
    for (unsigned number = 1;
         try_call(world, story, DISK_CALL_READ, number, 0, true); number++) {
        assert_true(number < TRIES_MAX);
    }
    print_message("%zu faults\n", world->tries);
}

static void test_maildir(void **state)
{
    const struct story story = {work_of_maildir, check_maildir, again_maildir};

    try_all(*state, &story);
    assert_true(((struct world *)*state)->tries > 300);
}

static void test_beginning_of_a_store(void **state)
{
    const struct story story = {work_of_store, check_store, again_store};

    try_all(*state, &story);
    assert_true(((struct world *)*state)->tries > 100);
}

static void test_replaced_files(void **state)
{
    const struct story story = {work_of_replacing, check_replaced,
                                again_replacing};

    try_all(*state, &story);
    assert_true(((struct world *)*state)->tries > 50);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {TEST(test_maildir),
                                       TEST(test_beginning_of_a_store),
                                       TEST(test_replaced_files)};

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]); /* one of them, by name */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
