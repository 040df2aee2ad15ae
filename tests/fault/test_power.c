/* test_power.c - a power cut at each step of the store's work, of an upgrade,
 * of deliveries to a Maildir and of the making of a certificate: what was
 * acknowledged is there, whole and once; what was not is there whole or not at
 * all; what was removed together is there together (attack 78).
 * Thread: the test's; the store's writer is real. */
#include "dump.h"
#include "power.h"

#include "base/limits.h"
#include "platform/clock.h"
#include "store/sqlite/internal.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 120000
#define ACCOUNT "elsewhere"

/* ---- the store ---- */

struct mail {
    uint64_t id;
    uint64_t size;
    uint64_t mailbox_id;
    bool is_queued;
    bool is_fetched;
};

static void key_of(uint64_t id, char *key_out, size_t size)
{
    snprintf(key_out, size, "%llu", (unsigned long long)id);
}

static enum mailmod_error put_body(struct mm_store_transaction *t,
                                   void *context)
{
    const struct mail *mail = context;

    return fixture_put_body(t, mail->id, mail->size);
}

static enum mailmod_error put_rows(struct mm_store_transaction *t,
                                   void *context)
{
    const struct mail *mail = context;
    struct mm_store_recipient recipient = {.message_id = mail->id};
    struct mm_store_seen seen = {.size = mail->size, .seen_ms = 1};
    enum mailmod_error error = fixture_put_row(t, mail->id, mail->size);

    if (error == MAILMOD_OK) {
        error =
            mm_store_put_entry(t, mail->mailbox_id, mail->id, mail->size + 34);
    }
    if (error == MAILMOD_OK && mail->is_queued) {
        strcpy(recipient.path, "bob@example.net");
        strcpy(recipient.destination, "example.net");
        error = mm_store_put_recipient(t, &recipient);
    }
    if (error == MAILMOD_OK && mail->is_fetched) {
        key_of(mail->id, seen.key, sizeof seen.key);
        error = mm_store_put_seen(t, ACCOUNT, &seen);
    }
    return error;
}

static enum mailmod_error put_whole(struct mm_store_transaction *t,
                                    void *context)
{
    enum mailmod_error error = put_body(t, context);

    return error == MAILMOD_OK ? put_rows(t, context) : error;
}

/* A message of more than a piece comes in two transactions. */
static uint64_t deliver(struct power *power, uint64_t mailbox_id, uint64_t size,
                        bool is_queued, bool is_fetched)
{
    struct mail mail = {mm_store_new_message_id(power->disk.store), size,
                        mailbox_id, is_queued, is_fetched};
    size_t first = power->count;
    struct power_item *entry = power_put(power, POWER_ENTRY, mail.id, size);

    entry->mailbox_id = mailbox_id;
    entry->is_alone = !is_queued;
    if (is_queued) {
        (void)power_put(power, POWER_RECIPIENT, mail.id, 0);
    }
    if (is_fetched) {
        (void)power_put(power, POWER_SEEN, mail.id, size);
    }
    if (size > MM_LIMIT_CHUNK) {
        assert_int_equal(fixture_run(power->disk.store, put_body, &mail),
                         MAILMOD_OK);
        assert_int_equal(fixture_run(power->disk.store, put_rows, &mail),
                         MAILMOD_OK);
    } else {
        assert_int_equal(fixture_run(power->disk.store, put_whole, &mail),
                         MAILMOD_OK);
    }
    for (size_t i = first; i < power->count; i++) {
        power->items[i].put_step = disk_steps();
    }
    return mail.id;
}

static uint64_t number_of(struct mm_store *store, uint64_t mailbox_id,
                          uint64_t id)
{
    uint64_t number = 0;
    enum mailmod_error error =
        fixture_find_entry(store, mailbox_id, id, &number);

    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND);
    return number;
}

struct removal {
    uint64_t mailbox_id;
    uint64_t numbers[POWER_ITEMS];
    size_t count;
};

static enum mailmod_error remove_entries(struct mm_store_transaction *t,
                                         void *context)
{
    const struct removal *removal = context;

    return mm_store_remove_entries(t, removal->mailbox_id, removal->numbers,
                                   removal->count);
}

/* What QUIT removes: of those of a mailbox that are there `count` from the
 * `first` on, together. */
static void quit(struct power *power, uint64_t mailbox_id, size_t first,
                 size_t count, unsigned group)
{
    struct removal removal = {.mailbox_id = mailbox_id};
    struct power_item *taken[POWER_ITEMS] = {NULL};

    for (size_t i = 0; i < power->count && removal.count < count; i++) {
        struct power_item *item = &power->items[i];

        if (item->kind == POWER_ENTRY && item->mailbox_id == mailbox_id &&
            item->drop_begin == SIZE_MAX && first-- == 0) {
            first = 0;
            taken[removal.count] = item;
            removal.numbers[removal.count++] =
                number_of(power->disk.store, mailbox_id, item->id);
            item->drop_begin = disk_steps();
            item->group = group;
            item->is_alone = item->is_alone && group == 0;
        }
    }
    assert_int_equal(removal.count, count);
    assert_int_equal(fixture_run(power->disk.store, remove_entries, &removal),
                     MAILMOD_OK);
    for (size_t i = 0; i < count; i++) {
        taken[i]->drop_step = disk_steps();
    }
}

static enum mailmod_error settle_recipient(struct mm_store_transaction *t,
                                           void *context)
{
    return mm_store_remove_recipient(t, *(uint64_t *)context, 0);
}

static void settle(struct power *power, uint64_t id)
{
    for (size_t i = 0; i < power->count; i++) {
        struct power_item *item = &power->items[i];

        if (item->kind == POWER_RECIPIENT && item->id == id) {
            item->drop_begin = disk_steps();
            assert_int_equal(
                fixture_run(power->disk.store, settle_recipient, &id),
                MAILMOD_OK);
            item->drop_step = disk_steps();
        }
    }
}

static void open_store(struct power *power)
{
    struct mm_store_options options = {.description = power->disk.folder,
                                       .mode = MM_STORE_EXCLUSIVE,
                                       .syncs = true};

    assert_int_equal(mm_store_open(&power->disk.store, &options, NULL),
                     MAILMOD_OK);
}

static void begin_store(struct power *power)
{
    open_store(power);
    power->alice = fixture_add_user(power->disk.store, "alice");
    power->bob = fixture_add_user(power->disk.store, "bob");
}

static bool on_seen(void *context, const struct mm_store_seen *seen)
{
    char key[32];

    key_of(((uint64_t *)context)[0], key, sizeof key);
    if (strcmp(seen->key, key) == 0) {
        ((uint64_t *)context)[1] = 1;
    }
    return true;
}

static bool on_recipient(void *context, const struct mm_store_message *message,
                         const struct mm_store_recipient *recipient)
{
    assert_int_equal(message->id, recipient->message_id);
    assert_string_equal(recipient->path, "bob@example.net");
    ++*(size_t *)context;
    return true;
}

static bool has_entry(struct mm_store *store, const struct power_item *item)
{
    bool is_there = number_of(store, item->mailbox_id, item->id) != 0;

    if (is_there) {
        fixture_check_body(store, item->id, item->size);
    } else if (item->is_alone) {
        if (fixture_has_message(store, item->id)) {
            fail_msg("message %llx of %zu octets has no entry",
                     (unsigned long long)item->id, (size_t)item->size);
        }
        assert_false(fixture_has_chunk(store, item->id, 0));
    }
    return is_there;
}

static bool is_in_store(struct power *power, const struct power_item *item)
{
    struct mm_store *store = power->after.store;
    uint64_t seen[2] = {item->id, 0};
    size_t count = 0;

    switch (item->kind) {
    case POWER_ENTRY:
        return has_entry(store, item);
    case POWER_RECIPIENT:
        assert_int_equal(
            mm_store_each_recipient(store, item->id, on_recipient, &count),
            MAILMOD_OK);
        assert_true(count <= 1);
        return count == 1;
    case POWER_SEEN:
        assert_int_equal(mm_store_each_seen(store, ACCOUNT, on_seen, seen),
                         MAILMOD_OK);
        /* They came together; the message may have gone since. */
        assert_true(seen[1] != 0 || !fixture_has_message(store, item->id));
        return seen[1] != 0;
    case POWER_FILE:
        break;
    }
    return false;
}

static void open_image(struct power *power, size_t step)
{
    struct mm_store_options options = {.description = power->after.folder,
                                       .mode = MM_STORE_EXCLUSIVE};
    struct mm_buf reason;

    mm_buf_init(&reason, 2000);
    if (mm_store_open(&power->after.store, &options, &reason) != MAILMOD_OK) {
        fail_msg("step %zu: %s", step, mm_buf_cstr(&reason));
    }
    mm_buf_fini(&reason);
}

/* The opening looks at each page; at each row only now and then. */
static void verify_some(struct power *power)
{
    static unsigned count;

    if (count++ % 4 == 0) {
        fixture_verify(power->after.store);
    }
}

static void check_store(struct power *power, size_t step)
{
    open_image(power, step);
    verify_some(power);
    power_check_items(power, step, is_in_store);
    mm_store_close(&power->after.store);
}

static void path_in(const struct power *power, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", power->disk.folder, name);
}

static void checkpoint(struct power *power)
{
    char path[128];
    sqlite3 *db;

    path_in(power, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA wal_checkpoint(PASSIVE)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* All that a day brings, over two restarts. */
static void work_of_mail(struct power *power)
{
    static const uint64_t sizes[] = {10, 3000, 70000, 1, 4096, 511};
    uint64_t ids[6];

    begin_store(power);
    for (size_t i = 0; i < 6; i++) {
        ids[i] = deliver(power, power->alice, sizes[i], i % 2 == 0, i == 3);
    }
    quit(power, power->alice, 1, 1, 0);
    settle(power, ids[0]);
    checkpoint(power);
    (void)deliver(power, power->bob, 9000, true, true);
    (void)deliver(power, power->bob, 200, false, false);
    quit(power, power->alice, 1, 2, 1);
    mm_store_close(&power->disk.store);
    open_store(power);
    settle(power, ids[2]);
    (void)deliver(power, power->alice, 1000, true, false);
    quit(power, power->bob, 1, 1, 0);
    mm_store_close(&power->disk.store);
}

/* Copies the log back after few pages, and begins it anew. */
static enum mailmod_error copy_often(struct mm_store_transaction *t,
                                     void *context)
{
    struct mm_sqlite *store = mm_sqlite_of(t->store);

    (void)context;
    store->copy_pages = 8;
    store->copy_at = 8;
    store->restart_at = 40;
    return MAILMOD_OK;
}

static void wait_for(struct power *power, size_t (*count)(const char *path),
                     size_t least)
{
    uint64_t begin_ms = mm_clock_monotonic_ms();
    char path[128];

    path_in(power, "mailmod.db", path);
    while (count(path) < least) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < PATIENCE_MS);
        mm_clock_sleep_ms(1);
    }
}

/* The store's own copier beside the mail that comes. */
static void work_of_copier(struct power *power)
{
    char path[128];

    begin_store(power);
    assert_int_equal(fixture_run(power->disk.store, copy_often, NULL),
                     MAILMOD_OK);
    path_in(power, "mailmod.db", path);
    for (unsigned i = 0; i < 8; i++) {
        size_t syncs = disk_syncs_of(path);

        for (unsigned k = 0; k < 3; k++) {
            (void)deliver(power, power->alice, 100 + 1500 * k, k == 0, false);
        }
        wait_for(power, disk_syncs_of, syncs + 1);
        quit(power, power->alice, i, 1, 0);
    }
    mm_store_close(&power->disk.store);
}

/* The pages of a large message go back to the volume. */
static void work_of_shrink(struct power *power)
{
    char path[128];

    begin_store(power);
    (void)deliver(power, power->alice, 20, true, false);
    (void)deliver(power, power->bob, 1400000, false, false);
    (void)deliver(power, power->alice, 3000, false, true);
    path_in(power, "mailmod.db", path);
    size_t cuts = disk_cuts_of(path);
    quit(power, power->bob, 0, 1, 1);
    wait_for(power, disk_cuts_of, cuts + 1);
    (void)deliver(power, power->alice, 30, false, false);
    mm_store_close(&power->disk.store);
}

static enum mailmod_error remove_bob(struct mm_store_transaction *t,
                                     void *context)
{
    (void)context;
    return mm_store_remove_user(t, "bob");
}

static void wait_for_chores(struct power *power)
{
    uint64_t begin_ms = mm_clock_monotonic_ms();
    char path[128];
    int64_t count = 1;
    sqlite3 *db;

    path_in(power, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    while (count > 0) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < PATIENCE_MS);
        assert_int_equal(
            mm_sql_number(db, "SELECT count(*) FROM removal", &count),
            MAILMOD_OK);
        mm_clock_sleep_ms(1);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A user goes with all mail, and of another many messages at one QUIT. */
static void work_of_user_removal(struct power *power)
{
    begin_store(power);
    for (unsigned i = 0; i < 70; i++) {
        (void)deliver(power, i % 7 == 0 ? power->alice : power->bob, 20 + i,
                      i % 9 == 0, false);
    }
    for (size_t i = 0; i < power->count; i++) {
        struct power_item *item = &power->items[i];

        if (item->kind == POWER_ENTRY && item->mailbox_id == power->bob) {
            item->group = 1;
            item->is_alone = false;
            item->drop_begin = disk_steps();
        }
    }
    assert_int_equal(fixture_run(power->disk.store, remove_bob, NULL),
                     MAILMOD_OK);
    for (size_t i = 0; i < power->count; i++) {
        if (power->items[i].group == 1) {
            power->items[i].drop_step = disk_steps();
        }
    }
    wait_for_chores(power);
    (void)deliver(power, power->alice, 100, false, false);
    mm_store_close(&power->disk.store);
}

/* ---- an upgrade ---- */

static void prepare_old(struct power *power, const char *which)
{
    struct mm_buf *expected = calloc(1, sizeof *expected);
    struct fixture old = {.folder = ""};
    char path[128];

    assert_int_equal(mkdir(power->disk.folder, 0700), 0);
    strcpy(old.folder, "/tmp/mailmod-power-XXXXXX");
    assert_non_null(mkdtemp(old.folder));
    dump_copy_fixture(which, old.folder);
    fixture_path(&old, "mailmod.db", path);
    mm_buf_init(expected, 1 << 20);
    dump_old(path, expected);
    fixture_remove_folder(old.folder);
    dump_copy_fixture(which, power->disk.folder);
    power->own = expected;
}

static void prepare_stopped(struct power *power)
{
    prepare_old(power, "stopped");
}

static void prepare_killed(struct power *power)
{
    prepare_old(power, "killed");
}

static void work_of_upgrade(struct power *power)
{
    open_store(power);
    mm_store_close(&power->disk.store);
}

static void check_upgraded(struct power *power, size_t step)
{
    struct mm_buf text;

    open_image(power, step);
    mm_buf_init(&text, 1 << 20);
    dump_store(power->after.store, &text);
    if (strcmp(mm_buf_cstr(&text), mm_buf_cstr(power->own)) != 0) {
        fail_msg("step %zu: the upgrade changed something", step);
    }
    mm_buf_fini(&text);
    verify_some(power);
    mm_store_close(&power->after.store);
}

static void end_upgrade(struct power *power)
{
    mm_buf_fini(power->own);
    free(power->own);
}

/* ---- all ---- */

static size_t images; /* of all tests */

static void run(const char *name, struct power_scenario scenario)
{
    scenario.name = name;
    images += power_run(&scenario);
}

static void test_mail(void **state)
{
    (void)state;
    run("mail",
        (struct power_scenario){.work = work_of_mail, .check = check_store});
}

/* As on Linux and Windows: a commit is one write. */
static void test_mail_in_one_write(void **state)
{
    (void)state;
    run("mail, commits in one write",
        (struct power_scenario){
            .is_powersafe = true, .work = work_of_mail, .check = check_store});
}

static void test_copier(void **state)
{
    (void)state;
    run("copier",
        (struct power_scenario){.work = work_of_copier, .check = check_store});
}

static void test_copier_in_one_write(void **state)
{
    (void)state;
    run("copier, commits in one write",
        (struct power_scenario){.is_powersafe = true,
                                .work = work_of_copier,
                                .check = check_store});
}

static void test_shrink(void **state)
{
    (void)state;
    run("shrink", (struct power_scenario){.is_powersafe = true,
                                          .work = work_of_shrink,
                                          .check = check_store});
}

static void test_user_removal(void **state)
{
    (void)state;
    run("user removal", (struct power_scenario){.is_powersafe = true,
                                                .work = work_of_user_removal,
                                                .check = check_store});
}

static void test_upgrade_of_a_stopped_store(void **state)
{
    (void)state;
    run("upgrade of a stopped store",
        (struct power_scenario){.prepare = prepare_stopped,
                                .every = 2, /* the two do much the same */
                                .work = work_of_upgrade,
                                .check = check_upgraded,
                                .end = end_upgrade});
}

static void test_upgrade_of_a_killed_store(void **state)
{
    (void)state;
    run("upgrade of a killed store",
        (struct power_scenario){.prepare = prepare_killed,
                                .every = 2, /* the two do much the same */
                                .work = work_of_upgrade,
                                .check = check_upgraded,
                                .end = end_upgrade});
}

/* What is promised of a whole run: docs/reliability.md. */
static void test_images(void **state)
{
    (void)state;
    print_message("%zu distinct images\n", images);
    assert_true(images >= MAILMOD_IMAGES_MIN);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_mail_in_one_write),
        cmocka_unit_test(test_copier),
        cmocka_unit_test(test_copier_in_one_write),
        cmocka_unit_test(test_shrink),
        cmocka_unit_test(test_user_removal),
        cmocka_unit_test(test_upgrade_of_a_stopped_store),
        cmocka_unit_test(test_upgrade_of_a_killed_store),
        cmocka_unit_test(test_images)};

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]); /* one of them, by name */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
