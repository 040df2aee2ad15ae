/* test_damage.c - a damaged file: refused when it is opened, or an error when
 * it is read; never a crash, never an empty store in its place. */
#include "../fixture.h"

#include "base/limits.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOXES 3
#define MESSAGES 40

struct image {
    char *octets;
    size_t size;
};

static struct image load(const char *path)
{
    struct image image = {NULL, 0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    image.size = (size_t)ftell(file);
    rewind(file);
    image.octets = malloc(image.size);
    assert_non_null(image.octets);
    assert_int_equal(fread(image.octets, 1, image.size, file), image.size);
    fclose(file);
    return image;
}

static void save(const char *path, const char *octets, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(octets, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void lay(const struct fixture *fixture, const char *octets, size_t size)
{
    char path[128];
    fixture_path(fixture, "mailmod.db-wal", path);
    unlink(path);
    fixture_path(fixture, "mailmod.db-shm", path);
    unlink(path);
    fixture_path(fixture, "mailmod.db", path);
    save(path, octets, size);
}

static enum mailmod_error put_recipient(struct mm_store_transaction *t,
                                        void *context)
{
    struct mm_store_recipient recipient = {.message_id = *(uint64_t *)context};
    strcpy(recipient.path, "bob@example.net");
    strcpy(recipient.destination, "example.net");
    return mm_store_put_recipient(t, &recipient);
}

static struct image make_image(struct fixture *fixture)
{
    uint64_t boxes[BOXES];
    char path[128];
    for (int i = 0; i < BOXES; i++) {
        snprintf(path, sizeof path, "user%d", i);
        boxes[i] = fixture_add_user(fixture->store, path);
    }
    for (uint64_t i = 0; i < MESSAGES; i++) {
        uint64_t id =
            fixture_deliver(fixture->store, 1 + i * i * 7, boxes, i % 3 + 1);
        assert_int_equal(fixture_run(fixture->store, put_recipient, &id),
                         MAILMOD_OK);
    }
    mm_store_close(&fixture->store);
    fixture_path(fixture, "mailmod.db", path);
    return load(path);
}

static bool on_recipient(void *context, const struct mm_store_message *message,
                         const struct mm_store_recipient *recipient)
{
    (void)message;
    (void)recipient;
    ++*(size_t *)context;
    return true;
}

static bool on_user(void *context, const struct mm_store_user *user)
{
    (void)user;
    ++*(size_t *)context;
    return true;
}

static size_t read_box(struct mm_store *store, uint64_t box)
{
    struct mm_store_entry *entries = NULL;
    struct mm_buf chunk;
    size_t count = 0;
    size_t errors =
        mm_store_list_entries(store, box, &entries, &count) != MAILMOD_OK;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (size_t i = 0; i < count && i < 1000; i++) {
        struct mm_store_message message;
        unsigned number = 0;
        enum mailmod_error error;
        errors += mm_store_find_message(store, entries[i].message_id,
                                        &message) != MAILMOD_OK;
        do {
            error = mm_store_read_chunk(store, entries[i].message_id, number++,
                                        &chunk);
        } while (error == MAILMOD_OK);
        errors += error != MAILMOD_ERROR_NOT_FOUND;
    }
    mm_buf_fini(&chunk);
    mm_free(entries);
    return errors;
}

/* Reads all and writes some; only that it comes back counts. */
static size_t use(struct mm_store *store)
{
    size_t errors = 0;
    size_t count = 0;
    struct mm_store_user user;
    struct mm_store_destination due[8];
    size_t due_count;
    for (uint64_t box = 1; box <= BOXES; box++) {
        uint32_t tag;
        errors += read_box(store, box);
        errors += mm_store_mailbox_tag(store, box, &tag) != MAILMOD_OK;
        errors += fixture_remove(store, box, 1) != MAILMOD_OK;
    }
    errors +=
        mm_store_each_recipient(store, 0, on_recipient, &count) != MAILMOD_OK;
    errors += mm_store_each_user(store, on_user, &count) != MAILMOD_OK;
    errors += mm_store_find_user(store, "user1", &user) != MAILMOD_OK;
    errors +=
        mm_store_list_destinations(store, "", due, 8, &due_count) != MAILMOD_OK;
    errors += count != MESSAGES + BOXES;
    return errors;
}

/* Opens what lies there. Counts refusals and errors met afterwards. */
struct tally {
    size_t refused;
    size_t met;
    size_t unnoticed;
};

static void try_as(struct fixture *fixture, enum mm_store_mode mode,
                   struct tally *tally)
{
    struct mm_store *store = NULL;
    struct mm_buf reason;
    mm_buf_init(&reason, 4096);
    enum mailmod_error error = fixture_open_as(fixture, mode, &store, &reason);
    if (error != MAILMOD_OK) {
        assert_true(mm_buf_size(&reason) > 0);
        assert_non_null(strstr(mm_buf_cstr(&reason), "mailmod.db"));
        tally->refused++;
    } else if (use(store) > 0) {
        tally->met++;
    } else {
        tally->unnoticed++;
    }
    mm_store_close(&store);
    mm_buf_fini(&reason);
}

static void try_image(struct fixture *fixture, struct tally *tally)
{
    try_as(fixture, MM_STORE_EXCLUSIVE, tally);
}

static void test_header(void **state)
{
    struct fixture *fixture = *state;
    struct image image = make_image(fixture);
    struct tally tally = {0, 0, 0};
    memset(image.octets, 'x', 100);
    lay(fixture, image.octets, image.size);
    try_image(fixture, &tally);
    assert_int_equal(tally.refused, 1);
    free(image.octets);
}

static void test_cut(void **state)
{
    struct fixture *fixture = *state;
    struct image image = make_image(fixture);
    static const size_t lengths[] = {0, 1, 16, 99, 100, 512, 1000, 4095};
    struct tally tally = {0, 0, 0};
    size_t count = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++, count++) {
        lay(fixture, image.octets, lengths[i]);
        try_image(fixture, &tally);
        if (tally.refused != count + 1) {
            fail_msg("cut to %zu octets: opened", lengths[i]);
        }
    }
    for (size_t size = 4096; size < image.size; size += 4096, count++) {
        lay(fixture, image.octets, size);
        try_image(fixture, &tally);
        if (tally.refused != count + 1) {
            fail_msg("cut to %zu of %zu octets: opened", size, image.size);
        }
    }
    print_message("%zu cuts, all refused\n", count);
    free(image.octets);
}

/* A database cut to nothing beside a log with mail in it: SQLite itself would
 * throw that log away, and with it what a repair could still use. */
static void test_cut_keeps_log(void **state)
{
    struct fixture *fixture = *state;
    struct tally tally = {0, 0, 0};
    char log[128];
    uint64_t box = fixture_add_user(fixture->store, "user0");
    (void)fixture_deliver(fixture->store, 5000, &box, 1);
    fixture_path(fixture, "mailmod.db-wal", log);
    struct image before = load(log);
    mm_store_close(&fixture->store);
    lay(fixture, "", 0);
    save(log, before.octets, before.size);
    try_image(fixture, &tally);
    try_as(fixture, MM_STORE_SHARED, &tally);
    assert_int_equal(tally.refused, 2);
    assert_int_equal(access(log, F_OK), 0);
    struct image after = load(log);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.octets, before.octets, before.size);
    free(before.octets);
    free(after.octets);
}

/* Noise over the head of each page, and over one octet of it. */
static void test_pages(void **state)
{
    struct fixture *fixture = *state;
    struct image image = make_image(fixture);
    struct tally noise = {0, 0, 0};
    struct tally flips = {0, 0, 0};
    struct tally tool = {0, 0, 0}; /* opens without a check of all pages */
    char *copy = malloc(image.size);
    unsigned seed = 20240607;
    assert_non_null(copy);
    for (size_t page = 0; page < image.size; page += 4096) {
        memcpy(copy, image.octets, image.size);
        for (size_t i = 0; i < 64; i++) {
            seed = seed * 1103515245 + 12345;
            copy[page + i] = (char)(seed >> 16);
        }
        lay(fixture, copy, image.size);
        try_image(fixture, &noise);
        lay(fixture, copy, image.size);
        try_as(fixture, MM_STORE_SHARED, &tool);
        memcpy(copy, image.octets, image.size);
        seed = seed * 1103515245 + 12345;
        copy[page + (seed >> 16) % 4096] ^= 0x55;
        lay(fixture, copy, image.size);
        try_image(fixture, &flips);
    }
    print_message("pages with noise: %zu refused, %zu met, %zu unnoticed; by a "
                  "tool: %zu, %zu, %zu; one octet: %zu, %zu, %zu\n",
                  noise.refused, noise.met, noise.unnoticed, tool.refused,
                  tool.met, tool.unnoticed, flips.refused, flips.met,
                  flips.unnoticed);
    /* What lies in a body's octets nobody can tell; the trees' is told. */
    assert_int_equal(noise.unnoticed, 0);
    assert_true(tool.met > 0);
    lay(fixture, image.octets, image.size);
    assert_int_equal(
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL),
        MAILMOD_OK);
    assert_int_equal(use(fixture->store), 0);
    free(copy);
    free(image.octets);
}

/* A log that was cut or hit: what was checkpointed is there, no crash. */
static void test_log(void **state)
{
    struct fixture *fixture = *state;
    char database[128];
    char log[128];
    struct tally tally = {0, 0, 0};
    uint64_t box = fixture_add_user(fixture->store, "user0");
    for (uint64_t i = 0; i < 10; i++) {
        (void)fixture_deliver(fixture->store, 5000, &box, 1);
    }
    fixture_path(fixture, "mailmod.db", database);
    fixture_path(fixture, "mailmod.db-wal", log);
    struct image main_image = load(database);
    struct image log_image = load(log);
    mm_store_close(&fixture->store);
    for (size_t at = 0; at < log_image.size; at += 997) {
        lay(fixture, main_image.octets, main_image.size);
        save(log, log_image.octets, at);
        try_image(fixture, &tally);
        lay(fixture, main_image.octets, main_image.size);
        log_image.octets[at] ^= 0x55;
        save(log, log_image.octets, log_image.size);
        log_image.octets[at] ^= 0x55;
        try_image(fixture, &tally);
    }
    lay(fixture, main_image.octets, main_image.size);
    save(log, log_image.octets, log_image.size);
    assert_int_equal(
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL),
        MAILMOD_OK);
    assert_int_equal(fixture_count_entries(fixture->store, box), 10);
    free(main_image.octets);
    free(log_image.octets);
}

/* Changes the database behind the store's back. */
static void change(const struct fixture *fixture, const char *text)
{
    char path[128];
    sqlite3 *db;

    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Attack 81: an octet of the header is another one. It is refused, an error is
 * met, or all of the mail is there: nothing is wrong in silence. */
static void test_attack_81_octets_of_the_header(void **state)
{
    struct fixture *fixture = *state;
    struct image image = make_image(fixture);
    struct tally tally = {0, 0, 0};
    size_t count = 0;
    for (size_t i = 0; i < 100; i += 4, count++) {
        image.octets[i] ^= 0x55;
        lay(fixture, image.octets, image.size);
        image.octets[i] ^= 0x55;
        try_image(fixture, &tally);
    }
    print_message("octets of the header: %zu refused, %zu met, %zu do not "
                  "matter\n",
                  tally.refused, tally.met, tally.unnoticed);
    assert_int_equal(tally.refused + tally.met + tally.unnoticed, count);
    assert_true(tally.refused >= 4);
    free(image.octets);
}

/* Attack 81: something else in the file's place. What a link leads to is not
 * written over, and the octets of two files are no mailbox of two. */
static void test_attack_81_in_its_place(void **state)
{
    struct fixture *fixture = *state;
    struct image image = make_image(fixture);
    struct tally tally = {0, 0, 0};
    char database[128];
    char victim[128];
    fixture_path(fixture, "mailmod.db", database);
    fixture_path(fixture, "victim", victim);
    lay(fixture, "", 0);
    assert_int_equal(unlink(database), 0);
    assert_int_equal(mkdir(database, 0700), 0);
    try_image(fixture, &tally);
    assert_int_equal(rmdir(database), 0);
    save(victim, "root:x:0:0:\n", 12);
    assert_int_equal(symlink(victim, database), 0);
    try_image(fixture, &tally);
    assert_int_equal(unlink(database), 0);
    assert_int_equal(symlink("nowhere/at/all", database), 0);
    try_image(fixture, &tally);
    try_as(fixture, MM_STORE_SHARED, &tally);
    assert_int_equal(unlink(database), 0); /* it was not replaced */
    assert_int_equal(tally.refused, 4);
    struct image after = load(victim);
    assert_int_equal(after.size, 12);
    assert_memory_equal(after.octets, "root:x:0:0:\n", 12);
    free(after.octets);
    char *twice = malloc(2 * image.size);
    assert_non_null(twice);
    memcpy(twice, image.octets, image.size);
    memcpy(twice + image.size, image.octets, image.size);
    lay(fixture, twice, 2 * image.size);
    try_image(fixture, &tally); /* refused, or just what was there */
    assert_int_equal(tally.met, 0);
    free(twice);
    free(image.octets);
}

/* The check for tools finds what is wrong between sound pages too. */
static void test_verify_counts(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "user0");
    uint64_t id = fixture_deliver(fixture->store, 70000, &box, 1);
    struct mm_buf report;
    fixture_verify(fixture->store);
    static const char *const wrongs[] = {
        "UPDATE message SET size=size+1",
        "UPDATE message SET size=size-1",
        "UPDATE message SET reference_count=2",
        "UPDATE message SET reference_count=1",
        ("INSERT INTO entry(mailbox_id,number,message_id,size,flags) "
         "VALUES(1,900,4711,1,0)"),
        "DELETE FROM entry WHERE number=900"};
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        change(fixture, wrongs[i]);
        mm_buf_init(&report, 65536);
        assert_int_equal(mm_store_verify(fixture->store, &report),
                         i % 2 == 0 ? MAILMOD_ERROR_STORAGE_DAMAGED
                                    : MAILMOD_OK);
        assert_int_equal(mm_buf_size(&report) > 0, i % 2 == 0);
        mm_buf_fini(&report);
    }
    fixture_check_body(fixture->store, id, 70000);
}

static enum mailmod_error put_rule(struct mm_store_transaction *t,
                                   void *context)
{
    return mm_store_add_rule(t, context);
}

static bool on_rule(void *context, const struct mm_store_rule *rule)
{
    assert_in_range(rule->list, 0, MM_RULE_LISTS - 1);
    ++*(size_t *)context;
    return true;
}

/* A number that stands for no list is damage, and no place in a table. */
static void test_rule_of_no_list(void **state)
{
    static const char *const wrongs[] = {"3", "4294967296"};
    struct fixture *fixture = *state;
    struct mm_store_rule rule = {.list = MM_RULE_GREY, .text = "x@y.test"};
    struct mm_buf report;
    size_t count = 0;

    assert_int_equal(fixture_run(fixture->store, put_rule, &rule), MAILMOD_OK);
    assert_int_equal(mm_store_each_rule(fixture->store, on_rule, &count),
                     MAILMOD_OK);
    assert_int_equal(count, 1);
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        char text[100];
        snprintf(text, sizeof text, "UPDATE rule SET list=%s", wrongs[i]);
        change(fixture, text);
        assert_int_equal(mm_store_each_rule(fixture->store, on_rule, &count),
                         MAILMOD_ERROR_STORAGE_DAMAGED);
        mm_buf_init(&report, 65536);
        assert_int_equal(mm_store_verify(fixture->store, &report),
                         MAILMOD_ERROR_STORAGE_DAMAGED);
        assert_non_null(strstr(mm_buf_cstr(&report), "1 rules of no list"));
        mm_buf_fini(&report);
    }
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(test_header),
        ON_DISK(test_cut),
        ON_DISK(test_cut_keeps_log),
        ON_DISK(test_pages),
        ON_DISK(test_log),
        ON_DISK(test_verify_counts),
        ON_DISK(test_attack_81_octets_of_the_header),
        ON_DISK(test_attack_81_in_its_place),
        ON_DISK(test_rule_of_no_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
