/* test_power.c - a power cut at each step of the store's work, of an upgrade,
 * of deliveries to a Maildir and of the making of a certificate: what was
 * acknowledged is there, whole and once; what was not is there whole or not at
 * all; what was removed together is there together (attack 78).
 * Thread: the test's; the store's writer is real. */
#include "disk_calls.h"
#include "dump.h"
#include "power.h"

#include "api/instance.h"
#include "base/limits.h"
#include "mailbox/maildir.h"
#include "platform/clock.h"
#include "store/sqlite/internal.h"

#include <errno.h>
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
    struct mm_store_entry *entries = NULL;
    size_t count = 0;
    uint64_t number = 0;
    unsigned times = 0;
    enum mailmod_error error =
        mm_store_list_entries(store, mailbox_id, &entries, &count);

    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].message_id == id) {
            number = entries[i].unique_number;
            times++;
        }
    }
    mm_free(entries);
    assert_true(times <= 1);
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
    struct power_item *taken[POWER_ITEMS];

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

/* ---- a Maildir ---- */

static void prepare_folder(struct power *power)
{
    assert_int_equal(mkdir(power->disk.folder, 0700), 0);
}

static void text_of(const struct power_item *item, struct mm_buf *out)
{
    assert_int_equal(mm_buf_appendf(out, "Subject: %llu.\r\n\r\n",
                                    (unsigned long long)item->id),
                     MAILMOD_OK);
    while (mm_buf_size(out) < item->size) {
        assert_int_equal(
            mm_buf_appendf(out, "line %0400zu\r\n", mm_buf_size(out)),
            MAILMOD_OK);
    }
}

static void deliver_to_maildir(struct power *power, uint64_t size)
{
    struct mm_maildir_place place = {.base = power->disk.folder,
                                     .below = "alice/Maildir"};
    struct power_item *item = power_put(power, POWER_FILE, power->count, size);
    struct mm_maildir_delivery *delivery = NULL;
    struct mm_buf text;
    char name[64];

    mm_buf_init(&text, 1 << 20);
    text_of(item, &text);
    snprintf(name, sizeof name, "%u.M1R0.mail.test", 1000 + (unsigned)item->id);
    assert_int_equal(mm_maildir_delivery_new(&delivery, &place, name),
                     MAILMOD_OK);
    for (struct mm_span rest = mm_buf_span(&text); rest.size > 0;) {
        size_t part = rest.size < 5000 ? rest.size : 5000;

        assert_int_equal(
            mm_maildir_delivery_write(delivery, mm_span(rest.data, part)),
            MAILMOD_OK);
        rest = mm_span_from(rest, part);
    }
    assert_int_equal(mm_maildir_delivery_finish(delivery), MAILMOD_OK);
    item->put_step = disk_steps();
    mm_maildir_delivery_free(&delivery);
    mm_buf_fini(&text);
}

/* Reads the message; the item that it is. */
static struct power_item *item_of(struct power *power,
                                  struct mm_mailbox *mailbox, size_t index)
{
    struct mm_buf piece;
    struct mm_buf whole;
    struct mm_buf expected;
    uint64_t size = 0;
    unsigned long long id = POWER_ITEMS;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    mm_buf_init(&whole, 1 << 20);
    mm_buf_init(&expected, 1 << 20);
    for (unsigned number = 0; error == MAILMOD_OK; number++) {
        error = mm_mailbox_read(mailbox, index, number, &piece, &size);
        if (error == MAILMOD_OK) {
            assert_int_equal(mm_buf_append_span(&whole, mm_buf_span(&piece)),
                             MAILMOD_OK);
        }
    }
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(sscanf(mm_buf_cstr(&whole), "Subject: %llu.", &id), 1);
    assert_true(id < power->count);
    text_of(&power->items[id], &expected);
    assert_string_equal(mm_buf_cstr(&whole), mm_buf_cstr(&expected));
    mm_buf_fini(&piece);
    mm_buf_fini(&whole);
    mm_buf_fini(&expected);
    return &power->items[id];
}

static struct mm_mailbox *open_maildir(struct mm_mailbox_provider *maildirs,
                                       const char *folder)
{
    struct mm_mailbox_owner owner = {.user = "alice",
                                     .mailbox_id = 1,
                                     .base = folder,
                                     .below = "alice/Maildir"};
    struct mm_mailbox *mailbox = NULL;

    assert_int_equal(mm_mailbox_open(maildirs, &owner, &mailbox), MAILMOD_OK);
    return mailbox;
}

static void on_removed(struct mm_mailbox_removal *removal,
                       enum mailmod_error error)
{
    assert_int_equal(error, MAILMOD_OK);
    removal->keep_ms = -1;
}

/* The first ones of the listing go at QUIT, as one. */
static void quit_maildir(struct power *power,
                         struct mm_mailbox_provider *maildirs, size_t count,
                         unsigned group)
{
    static const size_t indexes[] = {0, 1, 2, 3, 4};
    struct mm_mailbox_removal removal = {
        .indexes = indexes, .count = count, .done = on_removed};
    struct mm_mailbox *mailbox = open_maildir(maildirs, power->disk.folder);

    for (size_t i = 0; i < count; i++) {
        struct power_item *item = item_of(power, mailbox, i);

        item->group = group;
        item->drop_begin = disk_steps();
    }
    assert_int_equal(mm_mailbox_mark_seen(mailbox, indexes, count + 1),
                     MAILMOD_OK);
    mm_mailbox_remove_list(mailbox, &removal);
    assert_int_equal(removal.keep_ms, -1); /* a Maildir answers at once */
    for (size_t i = 0; i < power->count; i++) {
        if (power->items[i].drop_begin != SIZE_MAX &&
            power->items[i].drop_step == SIZE_MAX) {
            power->items[i].drop_step = disk_steps();
        }
    }
    mm_mailbox_close(&mailbox);
}

static void work_of_maildir(struct power *power)
{
    static const uint64_t sizes[] = {20, 9000, 1, 20000, 3000, 40, 12000};
    struct mm_mailbox_provider maildirs;
    struct mm_store *store = NULL;

    assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    mm_maildirs_init(&maildirs, store);
    for (size_t i = 0; i < 7; i++) {
        deliver_to_maildir(power, sizes[i]);
    }
    quit_maildir(power, &maildirs, 1, 1);
    deliver_to_maildir(power, 500);
    quit_maildir(power, &maildirs, 4, 2);
    deliver_to_maildir(power, 600);
    quit_maildir(power, &maildirs, 2, 3);
    mm_store_close(&store);
}

static void work_of_plain_maildir(struct power *power)
{
    disk_calls_fail(power->disk.folder, DISK_CALL_RENAME, 1, EINVAL, true);
    work_of_maildir(power);
    assert_true(disk_calls_made() > 10);
    disk_calls_fail("", DISK_CALL_NONE, 0, 0, false);
}

/* Which of the items are there. */
static bool is_in_maildir(struct power *power, const struct power_item *item)
{
    return ((bool *)power->own)[item - power->items];
}

static void check_maildir(struct power *power, size_t step)
{
    static struct mm_store *store; /* which sessions there are; for all cuts */
    struct mm_mailbox_provider maildirs;
    bool is_there[POWER_ITEMS] = {false};

    if (store == NULL) {
        assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    }
    mm_maildirs_init(&maildirs, store);
    struct mm_mailbox *mailbox = open_maildir(&maildirs, power->after.folder);
    for (size_t i = 0; i < mm_mailbox_count(mailbox); i++) {
        struct power_item *item = item_of(power, mailbox, i);

        assert_false(is_there[item - power->items]);
        is_there[item - power->items] = true;
    }
    mm_mailbox_close(&mailbox);
    power->own = is_there;
    power_check_items(power, step, is_in_maildir);
    power->own = NULL;
}

/* ---- the certificate ---- */

enum { KINDS = 2, GENERATIONS = 3 };
static const char *const certificates[KINDS] = {"self-signed",
                                                "self-signed-rsa"};

struct generations {
    struct mm_buf texts[GENERATIONS][KINDS][2];
    size_t made_step[GENERATIONS];
    size_t broken_step[GENERATIONS]; /* the operator takes a file away */
};

static enum mailmod_error read_part(const char *folder, size_t kind, bool key,
                                    struct mm_buf *out)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s.%s", folder, certificates[kind],
             key ? "key" : "crt");
    return mm_fs_read(path, out);
}

static void settle_certificate(struct power *power, size_t generation)
{
    struct generations *all = power->own;
    struct mm_config *config = calloc(1, sizeof *config);

    config->data_folder = power->disk.folder;
    config->host_name = (char *)"mail.test";
    config->tls.self_signed = true;
    config->tls.certificate_file = mm_strdup("");
    config->tls.key_file = mm_strdup("");
    config->tls.more_certificates = mm_strdup("");
    assert_int_equal(mm_settle_certificate(config), MAILMOD_OK);
    all->made_step[generation] = disk_steps();
    all->broken_step[generation] = SIZE_MAX;
    mm_free(config->tls.certificate_file);
    mm_free(config->tls.key_file);
    mm_free(config->tls.more_certificates);
    free(config);
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (int key = 0; key < 2; key++) {
            struct mm_buf *text = &all->texts[generation][kind][key];

            mm_buf_init(text, 8192);
            assert_int_equal(
                read_part(power->disk.folder, kind, key != 0, text),
                MAILMOD_OK);
        }
    }
}

/* An operator removes one of the two files; both are made anew. */
static void remove_part(struct power *power, size_t generation,
                        const char *name)
{
    char path[128];

    ((struct generations *)power->own)->broken_step[generation] = disk_steps();
    path_in(power, name, path);
    assert_int_equal(unlink(path), 0);
}

static void work_of_certificate(struct power *power)
{
    power->own = calloc(1, sizeof(struct generations));
    settle_certificate(power, 0);
    remove_part(power, 0, "self-signed.key");
    settle_certificate(power, 1);
    remove_part(power, 1, "self-signed-rsa.crt");
    settle_certificate(power, 2);
}

/* A certificate beside a key is one with that key: else nobody would make them
 * anew, and the next start would fail. */
static void check_certificate(struct power *power, size_t step)
{
    struct generations *all = power->own;

    for (size_t kind = 0; kind < KINDS; kind++) {
        struct mm_buf parts[2];
        bool is_pair = false;

        mm_buf_init(&parts[0], 8192);
        mm_buf_init(&parts[1], 8192);
        bool has_both =
            read_part(power->after.folder, kind, false, &parts[0]) ==
                MAILMOD_OK &&
            read_part(power->after.folder, kind, true, &parts[1]) == MAILMOD_OK;
        for (size_t i = 0; has_both && i < GENERATIONS; i++) {
            is_pair =
                is_pair || (strcmp(mm_buf_cstr(&parts[0]),
                                   mm_buf_cstr(&all->texts[i][kind][0])) == 0 &&
                            strcmp(mm_buf_cstr(&parts[1]),
                                   mm_buf_cstr(&all->texts[i][kind][1])) == 0);
        }
        if (has_both && !is_pair) {
            fail_msg("step %zu: a certificate beside another's key", step);
        }
        for (size_t i = 0; i < GENERATIONS; i++) {
            if (all->made_step[i] <= step && all->broken_step[i] > step) {
                assert_true(has_both);
            }
        }
        mm_buf_fini(&parts[0]);
        mm_buf_fini(&parts[1]);
    }
}

static void end_certificate(struct power *power)
{
    struct generations *all = power->own;

    for (size_t i = 0; i < GENERATIONS; i++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            mm_buf_fini(&all->texts[i][kind][0]);
            mm_buf_fini(&all->texts[i][kind][1]);
        }
    }
    free(all);
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
                                .work = work_of_upgrade,
                                .check = check_upgraded,
                                .end = end_upgrade});
}

static void test_upgrade_of_a_killed_store(void **state)
{
    (void)state;
    run("upgrade of a killed store",
        (struct power_scenario){.prepare = prepare_killed,
                                .work = work_of_upgrade,
                                .check = check_upgraded,
                                .end = end_upgrade});
}

static void test_maildir(void **state)
{
    (void)state;
    run("Maildir", (struct power_scenario){.prepare = prepare_folder,
                                           .work = work_of_maildir,
                                           .check = check_maildir});
}

/* On a file system without a rename that never replaces. */
static void test_maildir_by_links(void **state)
{
    (void)state;
    run("Maildir, by links",
        (struct power_scenario){.prepare = prepare_folder,
                                .work = work_of_plain_maildir,
                                .check = check_maildir});
}

static void test_certificate(void **state)
{
    (void)state;
    run("certificate", (struct power_scenario){.prepare = prepare_folder,
                                               .work = work_of_certificate,
                                               .check = check_certificate,
                                               .end = end_certificate});
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
        cmocka_unit_test(test_maildir),
        cmocka_unit_test(test_maildir_by_links),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_images)};

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]); /* one of them, by name */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
