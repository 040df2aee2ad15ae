/* test_open.c - who may open a store, and what refuses to be opened: the lock,
 * tools beside, versions, foreign and missing files, rights. */
#include "../fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static enum mailmod_error try_open(struct fixture *fixture,
                                   enum mm_store_mode mode, char *reason_out)
{
    struct mm_store *store = NULL;
    struct mm_buf reason;
    mm_buf_init(&reason, 4096);
    enum mailmod_error error = fixture_open_as(fixture, mode, &store, &reason);
    if (reason_out != NULL) {
        snprintf(reason_out, 4096, "%s", mm_buf_cstr(&reason));
    }
    assert_int_equal(store != NULL, error == MAILMOD_OK);
    mm_store_close(&store);
    mm_buf_fini(&reason);
    /* The words are not needed. */
    assert_int_equal(fixture_open_as(fixture, mode, &store, NULL), error);
    mm_store_close(&store);
    return error;
}

static void sql(struct fixture *fixture, const char *text)
{
    char path[128];
    sqlite3 *db;
    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_one_owner(void **state)
{
    struct fixture *fixture = *state;
    char reason[4096];
    int status;
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, reason),
                     MAILMOD_ERROR_BUSY);
    assert_non_null(strstr(reason, fixture->folder));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mm_store *store = NULL;
        enum mailmod_error error =
            fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &store, NULL);
        _exit(error == MAILMOD_ERROR_BUSY ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_killed_owner_leaves_no_lock(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];
    char octet;
    mm_store_close(&fixture->store);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mm_store *store = NULL;
        enum mailmod_error error =
            fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &store, NULL);
        if (write(ends[1], error == MAILMOD_OK ? "o" : "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    assert_int_equal(read(ends[0], &octet, 1), 1);
    assert_int_equal(octet, 'o');
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, NULL),
                     MAILMOD_ERROR_BUSY);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, NULL), MAILMOD_OK);
    close(ends[0]);
    close(ends[1]);
}

/* A tool beside the owner: both write, each sees the other. */
static void test_tool_beside(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *tool = NULL;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    (void)fixture_deliver(fixture->store, 100, &mailbox, 1);
    assert_int_equal(fixture_open_as(fixture, MM_STORE_SHARED, &tool, NULL),
                     MAILMOD_OK);
    assert_int_equal(fixture_count_entries(tool, mailbox), 1);
    uint64_t id = fixture_deliver(tool, 200, &mailbox, 1);
    fixture_check_body(fixture->store, id, 200);
    for (int i = 0; i < 2000; i++) {
        uint64_t own = mm_store_new_message_id(fixture->store);
        /* The node's bits tell who made it. */
        assert_int_equal(own >> 12 & 1023, 0);
        assert_true((mm_store_new_message_id(tool) >> 12 & 1023) >= 512);
    }
    mm_store_close(&tool);
    assert_int_equal(fixture_count_entries(fixture->store, mailbox), 2);
    fixture_verify(fixture->store);
}

static enum mailmod_error put_pending(struct mm_store_transaction *t,
                                      void *context)
{
    return fixture_put_body(t, *(uint64_t *)context, 10);
}

/* What the owner is about to finish is not a tool's to sweep. */
static void test_tool_sweeps_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint64_t id = mm_store_new_message_id(fixture->store);
    assert_int_equal(fixture_run(fixture->store, put_pending, &id), MAILMOD_OK);
    assert_int_equal(try_open(fixture, MM_STORE_SHARED, NULL), MAILMOD_OK);
    fixture_check_body(fixture->store, id, 10);
}

static void test_tool_on_a_stopped_system(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *tool = NULL;
    mm_store_close(&fixture->store);
    assert_int_equal(fixture_open_as(fixture, MM_STORE_SHARED, &tool, NULL),
                     MAILMOD_OK);
    uint64_t mailbox = fixture_add_user(tool, "alice");
    uint64_t id = fixture_deliver(tool, 10, &mailbox, 1);
    mm_store_close(&tool);
    assert_int_equal(
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL),
        MAILMOD_OK);
    fixture_check_body(fixture->store, id, 10);
}

static void test_tool_makes_nothing(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    mm_store_close(&fixture->store);
    fixture_remove_folder(fixture->folder);
    assert_int_equal(try_open(fixture, MM_STORE_SHARED, NULL),
                     MAILMOD_ERROR_NOT_FOUND);
    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(access(path, F_OK), -1);
}

/* Attack 84: refused in words, and not touched. */
static void test_newer_version(void **state)
{
    struct fixture *fixture = *state;
    char reason[4096];
    mm_store_close(&fixture->store);
    sql(fixture, "PRAGMA user_version=10");
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, reason),
                     MAILMOD_ERROR_STORAGE_VERSION);
    assert_non_null(strstr(reason, "mailmod.db"));
    assert_int_equal(try_open(fixture, MM_STORE_SHARED, NULL),
                     MAILMOD_ERROR_STORAGE_VERSION);
    sql(fixture, "PRAGMA user_version=9");
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, NULL), MAILMOD_OK);
}

static enum mailmod_error put_queued(struct mm_store_transaction *t,
                                     void *context)
{
    const uint64_t *id = context;
    struct mm_store_recipient recipient = {.message_id = *id, .attempts = 3};
    enum mailmod_error error = fixture_put_body(t, *id, 100);
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, *id, 100);
    }
    strcpy(recipient.path, "bob@a.net");
    strcpy(recipient.destination, "a.net");
    strcpy(recipient.unsure_host, "mx.a.net");
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &recipient) : error;
}

static bool on_queued(void *context, const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient)
{
    (void)message;
    *(struct mm_store_recipient *)context = *recipient;
    return true;
}

/* A queue of version 8, as it was left, is one of now. */
static void test_queue_of_version_8(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store_recipient row = {.attempts = 0};
    uint64_t id = mm_store_new_message_id(fixture->store);
    assert_int_equal(fixture_run(fixture->store, put_queued, &id), MAILMOD_OK);
    mm_store_close(&fixture->store);
    sql(fixture, "ALTER TABLE recipient DROP COLUMN unsure_host;"
                 "PRAGMA user_version=8");
    assert_int_equal(
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL),
        MAILMOD_OK);
    assert_int_equal(
        mm_store_each_recipient(fixture->store, id, on_queued, &row),
        MAILMOD_OK);
    assert_int_equal(row.attempts, 3);
    assert_string_equal(row.path, "bob@a.net");
    assert_string_equal(row.unsure_host, "");
    fixture_verify(fixture->store);
}

static void test_foreign_database(void **state)
{
    struct fixture *fixture = *state;
    char reason[4096];
    mm_store_close(&fixture->store);
    sql(fixture, "PRAGMA application_id=7");
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, reason),
                     MAILMOD_ERROR_STORAGE_DAMAGED);
    assert_non_null(strstr(reason, "mailmod.db"));
    assert_non_null(strstr(reason, "mailmodctl store verify"));
    assert_non_null(strstr(reason, ".dump"));
    assert_non_null(strstr(reason, "backup"));
}

/* The database is gone, the log is not: no empty store is made of that. */
static void test_missing_beside_its_log(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    char reason[4096];
    mm_store_close(&fixture->store);
    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(unlink(path), 0);
    fixture_path(fixture, "mailmod.db-wal", path);
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, reason),
                     MAILMOD_ERROR_STORAGE_DAMAGED);
    assert_non_null(strstr(reason, "mailmod.db-wal"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(fixture, MM_STORE_EXCLUSIVE, NULL), MAILMOD_OK);
}

static unsigned mode_of(const struct fixture *fixture, const char *name)
{
    char path[128];
    struct stat status;
    fixture_path(fixture, name, path);
    assert_int_equal(stat(path, &status), 0);
    return (unsigned)status.st_mode & 0777;
}

/* Mail and passwords are the owner's, also in a folder that others read. */
static void test_private_files(void **state)
{
    struct fixture *fixture = *state;
    mode_t mask = umask(0);
    mm_store_close(&fixture->store);
    fixture_remove_folder(fixture->folder);
    assert_int_equal(mkdir(fixture->folder, 0755), 0);
    assert_int_equal(
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL),
        MAILMOD_OK);
    (void)fixture_add_user(fixture->store, "alice");
    umask(mask);
    assert_int_equal(mode_of(fixture, "mailmod.db"), 0600);
    assert_int_equal(mode_of(fixture, "mailmod.db-wal"), 0600);
    assert_int_equal(mode_of(fixture, "mailmod.db-shm"), 0600);
}

/* As an ordinary user: root may write everywhere. */
static void test_no_right_to_write(void **state)
{
    struct fixture *fixture = *state;
    int status;
    mm_store_close(&fixture->store);
    fixture_remove_folder(fixture->folder);
    assert_int_equal(mkdir(fixture->folder, 0755), 0);
    assert_int_equal(chmod(fixture->folder, 0555), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mm_store *store = NULL;
        if (geteuid() == 0 && setuid(65534) != 0) {
            _exit(2);
        }
        _exit(fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &store, NULL) ==
                      MAILMOD_ERROR_ACCESS
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod(fixture->folder, 0755), 0);
}

static void test_secret_stays(void **state)
{
    struct fixture *fixture = *state;
    uint8_t first[32];
    uint8_t second[32];
    static const uint8_t zeros[32];
    assert_int_equal(mm_store_secret(fixture->store, first), MAILMOD_OK);
    assert_memory_not_equal(first, zeros, sizeof first);
    fixture_reopen(fixture);
    assert_int_equal(mm_store_secret(fixture->store, second), MAILMOD_OK);
    assert_memory_equal(first, second, sizeof first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(test_one_owner),
        ON_DISK(test_killed_owner_leaves_no_lock),
        ON_DISK(test_tool_beside),
        ON_DISK(test_tool_sweeps_nothing),
        ON_DISK(test_tool_on_a_stopped_system),
        ON_DISK(test_tool_makes_nothing),
        ON_DISK(test_newer_version),
        ON_DISK(test_queue_of_version_8),
        ON_DISK(test_foreign_database),
        ON_DISK(test_missing_beside_its_log),
        ON_DISK(test_private_files),
        ON_DISK(test_no_right_to_write),
        ON_DISK(test_secret_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
