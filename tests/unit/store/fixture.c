/* fixture.c - see fixture.h. */
#include "fixture.h"

#include "base/limits.h"
#include "platform/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void begin_disk(struct fixture *fixture)
{
    strcpy(fixture->folder, "/tmp/mailmod-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
}

static enum mailmod_error open_disk(struct fixture *fixture)
{
    return fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL);
}

static void end_disk(struct fixture *fixture)
{
    fixture_remove_folder(fixture->folder);
}

static void damage_disk(struct fixture *fixture, uint64_t id, unsigned number)
{
    char path[128];
    char text[200];
    sqlite3 *db;
    snprintf(text, sizeof text,
             number == 0
                 ? "UPDATE body SET data=CAST(x'0000'||substr(data,3) AS "
                   "BLOB) WHERE id=%llu"
                 : "UPDATE chunk SET data=CAST(x'0000'||substr(data,3) "
                   "AS BLOB) WHERE message_id=%llu AND number=%u",
             (unsigned long long)id, number);
    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void begin_memory(struct fixture *fixture)
{
    assert_int_equal(mm_memory_disk_new(&fixture->disk, 0), MAILMOD_OK);
}

static enum mailmod_error open_memory(struct fixture *fixture)
{
    struct mm_memory_options options = {.disk = fixture->disk};
    return mm_memory_open(&fixture->store, &options);
}

/* Whoever cannot bear that its job is run again is found. */
static enum mailmod_error open_rerunning(struct fixture *fixture)
{
    struct mm_memory_options options = {.disk = fixture->disk, .reruns = true};
    return mm_memory_open(&fixture->store, &options);
}

static void end_memory(struct fixture *fixture)
{
    mm_memory_disk_free(&fixture->disk);
}

static void damage_memory(struct fixture *fixture, uint64_t id, unsigned number)
{
    assert_true(mm_memory_damage(fixture->disk, id, number));
}

const struct fixture_kind fixture_kinds[] = {
    {"disk", begin_disk, open_disk, end_disk, damage_disk},
    {"memory", begin_memory, open_memory, end_memory, damage_memory},
    {"memory, each job twice", begin_memory, open_rerunning, end_memory,
     damage_memory}};
const size_t fixture_kind_count =
    sizeof fixture_kinds / sizeof fixture_kinds[0];

static int begin(void **state, const struct fixture_kind *kind)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    *state = fixture;
    fixture->kind = kind;
    kind->begin(fixture);
    return kind->open(fixture) == MAILMOD_OK ? 0 : -1;
}

int fixture_disk(void **state)
{
    return begin(state, &fixture_kinds[0]);
}

int fixture_end(void **state)
{
    struct fixture *fixture = *state;
    mm_store_close(&fixture->store);
    fixture->kind->end(fixture);
    free(fixture);
    return 0;
}

static int begin_kind(void **state)
{
    return begin(state, *state);
}

int fixture_run_contract(const struct fixture_test *tests, size_t count)
{
    int failed = 0;
    for (size_t k = 0; k < fixture_kind_count; k++) {
        struct CMUnitTest rows[64];
        char names[64][100];
        assert_true(count <= 64);
        for (size_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "%s (%s)", tests[i].name,
                     fixture_kinds[k].name);
            rows[i] =
                (struct CMUnitTest){names[i], tests[i].run, begin_kind,
                                    fixture_end, (void *)&fixture_kinds[k]};
        }
        failed += _cmocka_run_group_tests(fixture_kinds[k].name, rows, count,
                                          NULL, NULL);
    }
    return failed;
}

enum mailmod_error fixture_open_as(struct fixture *fixture,
                                   enum mm_store_mode mode,
                                   struct mm_store **store_out,
                                   struct mm_buf *reason_out)
{
    struct mm_store_options options = {.description = fixture->folder,
                                       .mode = mode};
    return mm_store_open(store_out, &options, reason_out);
}

void fixture_reopen(struct fixture *fixture)
{
    mm_store_close(&fixture->store);
    assert_int_equal(fixture->kind->open(fixture), MAILMOD_OK);
}

void fixture_path(const struct fixture *fixture, const char *name,
                  char path_out[128])
{
    snprintf(path_out, 128, "%s/%s", fixture->folder, name);
}

void fixture_remove_folder(const char *folder)
{
    static const char *const names[] = {"mailmod.db", "mailmod.db-wal",
                                        "mailmod.db-shm", "mailmod.lock",
                                        "good.db"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

struct run {
    struct mm_store_job job;
    fixture_work work;
    void *context;
};

static enum mailmod_error run_work(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct run *run = MM_LIST_OBJECT(job, struct run, job);
    return run->work(t, run->context);
}

enum mailmod_error fixture_run(struct mm_store *store, fixture_work work,
                               void *context)
{
    struct run run = {.job.run = run_work, .work = work, .context = context};
    return mm_store_run(store, &run.job);
}

char fixture_octet(uint64_t id, uint64_t at)
{
    return (char)((id ^ (at >> 8) ^ at * 7) & 0xff);
}

enum mailmod_error fixture_put_body(struct mm_store_transaction *t, uint64_t id,
                                    uint64_t size)
{
    enum mailmod_error error = MAILMOD_OK;
    char *chunk = malloc(MM_LIMIT_CHUNK);
    if (chunk == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (uint64_t at = 0; error == MAILMOD_OK && at < size;) {
        size_t part =
            size - at < MM_LIMIT_CHUNK ? (size_t)(size - at) : MM_LIMIT_CHUNK;
        for (size_t i = 0; i < part; i++) {
            chunk[i] = fixture_octet(id, at + i);
        }
        error = mm_store_put_chunk(t, id, (unsigned)(at / MM_LIMIT_CHUNK),
                                   mm_span(chunk, part));
        at += part;
    }
    free(chunk);
    return error;
}

enum mailmod_error fixture_put_row(struct mm_store_transaction *t, uint64_t id,
                                   uint64_t size)
{
    struct mm_store_message message = {
        .id = id, .size = size, .arrival_ms = 1700000000000};
    strcpy(message.reverse_path, "sender@example.org");
    return mm_store_put_message(t, &message);
}

struct delivery {
    uint64_t id;
    uint64_t size;
    const uint64_t *mailbox_ids;
    size_t count;
};

static enum mailmod_error deliver(struct mm_store_transaction *t, void *context)
{
    struct delivery *delivery = context;
    enum mailmod_error error =
        fixture_put_body(t, delivery->id, delivery->size);
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, delivery->id, delivery->size);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < delivery->count; i++) {
        error = mm_store_put_entry(t, delivery->mailbox_ids[i], delivery->id,
                                   delivery->size + 34);
    }
    return error;
}

uint64_t fixture_try_deliver(struct mm_store *store, uint64_t size,
                             const uint64_t *mailbox_ids, size_t count)
{
    struct delivery delivery = {mm_store_new_message_id(store), size,
                                mailbox_ids, count};
    return fixture_run(store, deliver, &delivery) == MAILMOD_OK ? delivery.id
                                                                : 0;
}

uint64_t fixture_deliver(struct mm_store *store, uint64_t size,
                         const uint64_t *mailbox_ids, size_t count)
{
    uint64_t id = fixture_try_deliver(store, size, mailbox_ids, count);
    assert_int_not_equal(id, 0);
    return id;
}

void fixture_check_body(struct mm_store *store, uint64_t id, uint64_t size)
{
    struct mm_buf chunk;
    uint64_t at = 0;
    unsigned number = 0;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    enum mailmod_error error = mm_store_read_chunk(store, id, number, &chunk);
    while (error == MAILMOD_OK) {
        struct mm_span octets = mm_buf_span(&chunk);
        for (size_t i = 0; i < octets.size; i++) {
            if (octets.data[i] != fixture_octet(id, at + i)) {
                fail_msg("octet %llu differs", (unsigned long long)(at + i));
            }
        }
        at += octets.size;
        error = mm_store_read_chunk(store, id, ++number, &chunk);
    }
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(at, size);
    mm_buf_fini(&chunk);
}

bool fixture_has_message(struct mm_store *store, uint64_t id)
{
    struct mm_store_message message;
    enum mailmod_error error = mm_store_find_message(store, id, &message);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND);
    return error == MAILMOD_OK;
}

bool fixture_has_chunk(struct mm_store *store, uint64_t id, unsigned number)
{
    struct mm_buf chunk;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    enum mailmod_error error = mm_store_read_chunk(store, id, number, &chunk);
    mm_buf_fini(&chunk);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND);
    return error == MAILMOD_OK;
}

static enum mailmod_error add_user(struct mm_store_transaction *t,
                                   void *context)
{
    return mm_store_add_user(t, context);
}

uint64_t fixture_add_user(struct mm_store *store, const char *name)
{
    struct mm_store_user user = {.iterations = 4096};
    strcpy(user.name, name);
    assert_int_equal(fixture_run(store, add_user, &user), MAILMOD_OK);
    return user.mailbox_id;
}

size_t fixture_count_entries(struct mm_store *store, uint64_t mailbox_id)
{
    struct mm_store_entry *entries;
    size_t count;
    assert_int_equal(mm_store_list_entries(store, mailbox_id, &entries, &count),
                     MAILMOD_OK);
    mm_free(entries);
    return count;
}

enum mailmod_error fixture_find_entry(struct mm_store *store,
                                      uint64_t mailbox_id, uint64_t id,
                                      uint64_t *number_out)
{
    struct mm_store_entry *entries = NULL;
    size_t count = 0;
    unsigned times = 0;
    enum mailmod_error error =
        mm_store_list_entries(store, mailbox_id, &entries, &count);

    *number_out = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].message_id == id) {
            *number_out = entries[i].unique_number;
            times++;
        }
    }
    mm_free(entries);
    assert_true(times <= 1);
    return error;
}

struct removal {
    uint64_t mailbox_id;
    uint64_t unique_number;
};

static enum mailmod_error remove_one(struct mm_store_transaction *t,
                                     void *context)
{
    struct removal *removal = context;
    return mm_store_remove_entries(t, removal->mailbox_id,
                                   &removal->unique_number, 1);
}

enum mailmod_error fixture_remove(struct mm_store *store, uint64_t mailbox_id,
                                  uint64_t unique_number)
{
    struct removal removal = {mailbox_id, unique_number};
    return fixture_run(store, remove_one, &removal);
}

void fixture_verify(struct mm_store *store)
{
    struct mm_buf report;
    mm_buf_init(&report, 65536);
    enum mailmod_error error = mm_store_verify(store, &report);
    if (error != MAILMOD_OK) {
        fail_msg("verify: %s", mm_buf_cstr(&report));
    }
    mm_buf_fini(&report);
}

void fixture_pause(void)
{
    mm_clock_sleep_ms(1);
}
