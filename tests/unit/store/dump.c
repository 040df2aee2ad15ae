/* dump.c - see dump.h. */
#include "dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "base/limits.h"
#include "base/mem.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static void copy_file(const char *from, const char *to)
{
    char octets[65536];
    FILE *in = fopen(from, "rb");
    FILE *out;
    if (in == NULL) {
        return; /* no log where it was stopped */
    }
    out = fopen(to, "wb");
    assert_non_null(out);
    for (;;) {
        size_t size = fread(octets, 1, sizeof octets, in);
        if (size == 0) {
            break;
        }
        assert_int_equal(fwrite(octets, 1, size, out), size);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

void dump_copy_fixture(const char *which, const char *folder)
{
    static const char *const names[] = {"mailmod.db", "mailmod.db-wal",
                                        "mailmod.db-shm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char from[512];
        char to[512];
        snprintf(from, sizeof from,
                 MAILMOD_SOURCE_DIR "/tests/fixtures/data-0.1.0/%s/%s", which,
                 names[i]);
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        copy_file(from, to);
    }
}

static void add(struct mm_buf *out, const char *text)
{
    assert_int_equal(mm_buf_append(out, text, strlen(text)), MAILMOD_OK);
}

static void add_user(struct mm_buf *out, const char *name, const char *password)
{
    char line[2000];
    snprintf(line, sizeof line, "user %s %s\n", name, password);
    add(out, line);
}

static void add_entry(struct mm_buf *out, uint32_t tag, uint64_t number,
                      uint64_t size, uint64_t id)
{
    char line[200];
    char text[MM_MESSAGE_ID_TEXT_MAX];
    mm_message_id_format(id, text);
    snprintf(line, sizeof line, "entry %08x.%012llx %llu %s\n", tag,
             (unsigned long long)number, (unsigned long long)size, text);
    add(out, line);
}

static void add_chunk(struct mm_buf *out, struct mm_span data)
{
    char line[100];
    snprintf(line, sizeof line, "chunk %zu %llx\n", data.size,
             (unsigned long long)mm_checksum(data));
    add(out, line);
}

static void add_recipient(struct mm_buf *out, const char *reverse_path,
                          const struct mm_store_recipient *r)
{
    char line[4000];
    snprintf(line, sizeof line, "recipient <%s> %u <%s> %s %d %u %d %u %s|%s\n",
             reverse_path, r->number, r->path, r->destination, (int)r->state,
             r->attempts, r->was_warned, r->notify, r->original_recipient,
             r->last_reply);
    add(out, line);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL),
                     SQLITE_OK);
    return statement;
}

static void old_body(sqlite3 *db, struct mm_buf *out, sqlite3_int64 id)
{
    sqlite3_stmt *row =
        prepare(db, "SELECT data FROM chunk WHERE id BETWEEN ?1*16384 AND "
                    "?1*16384+16383 ORDER BY id");
    sqlite3_bind_int64(row, 1, id);
    while (sqlite3_step(row) == SQLITE_ROW) {
        add_chunk(out, mm_span(sqlite3_column_blob(row, 0),
                               (size_t)sqlite3_column_bytes(row, 0)));
    }
    sqlite3_finalize(row);
}

static void old_entries(sqlite3 *db, struct mm_buf *out, sqlite3_int64 mailbox)
{
    sqlite3_stmt *row =
        prepare(db, "SELECT b.tag,e.number,e.size,e.message_id FROM entry e "
                    "JOIN mailbox b ON b.id=e.mailbox_id WHERE b.id=? "
                    "ORDER BY e.number");
    sqlite3_bind_int64(row, 1, mailbox);
    while (sqlite3_step(row) == SQLITE_ROW) {
        sqlite3_int64 id = sqlite3_column_int64(row, 3);
        add_entry(out, (uint32_t)sqlite3_column_int64(row, 0),
                  (uint64_t)sqlite3_column_int64(row, 1),
                  (uint64_t)sqlite3_column_int64(row, 2), (uint64_t)id);
        old_body(db, out, id);
    }
    sqlite3_finalize(row);
}

static const char *text_of(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL ? text : "";
}

static void old_queue(sqlite3 *db, struct mm_buf *out)
{
    sqlite3_stmt *row = prepare(
        db, "SELECT m.reverse_path,r.number,r.path,r.destination,r.state,"
            "r.attempts,r.was_warned,r.notify,r.original_recipient,"
            "r.last_reply,m.id FROM recipient r JOIN message m ON "
            "m.id=r.message_id ORDER BY r.message_id,r.number");
    while (sqlite3_step(row) == SQLITE_ROW) {
        struct mm_store_recipient r = {
            .number = (unsigned)sqlite3_column_int(row, 1),
            .state = sqlite3_column_int(row, 4) != 0 ? MM_RECIPIENT_HELD
                                                     : MM_RECIPIENT_WAITING,
            .attempts = (unsigned)sqlite3_column_int(row, 5),
            .was_warned = sqlite3_column_int(row, 6) != 0,
            .notify = (unsigned)sqlite3_column_int(row, 7)};
        snprintf(r.path, sizeof r.path, "%s", text_of(row, 2));
        snprintf(r.destination, sizeof r.destination, "%s", text_of(row, 3));
        snprintf(r.original_recipient, sizeof r.original_recipient, "%s",
                 text_of(row, 8));
        snprintf(r.last_reply, sizeof r.last_reply, "%s", text_of(row, 9));
        add_recipient(out, text_of(row, 0), &r);
        old_body(db, out, sqlite3_column_int64(row, 10));
    }
    sqlite3_finalize(row);
}

void dump_old(const char *path, struct mm_buf *out)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_stmt *row =
        prepare(db, "SELECT name,mailbox_id,0,password FROM user "
                    "ORDER BY name");
    while (sqlite3_step(row) == SQLITE_ROW) {
        add_user(out, text_of(row, 0), text_of(row, 3));
        old_entries(db, out, sqlite3_column_int64(row, 1));
    }
    sqlite3_finalize(row);
    old_queue(db, out);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct dump {
    struct mm_store *store;
    struct mm_buf *out;
    uint64_t boxes[16];
    char names[16][64];
    char passwords[16][64];
    size_t count;
};

static void store_body(struct mm_store *store, struct mm_buf *out, uint64_t id)
{
    struct mm_buf chunk;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    enum mailmod_error error = MAILMOD_OK;
    for (unsigned number = 0; error == MAILMOD_OK; number++) {
        error = mm_store_read_chunk(store, id, number, &chunk);
        if (error == MAILMOD_OK) {
            add_chunk(out, mm_buf_span(&chunk));
        }
    }
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&chunk);
}

static bool keep_user(void *context, const struct mm_store_user *user)
{
    struct dump *dump = context;
    assert_true(dump->count < 16);
    assert_false(user->is_disabled);
    assert_int_equal(user->quota, 0);
    dump->boxes[dump->count] = user->mailbox_id;
    assert_true(mm_span_copy(mm_span_cstr(user->password),
                             dump->passwords[dump->count], 64));
    assert_true(
        mm_span_copy(mm_span_cstr(user->name), dump->names[dump->count++], 64));
    return true;
}

static void store_entries(struct dump *dump, uint64_t mailbox_id)
{
    struct mm_store_entry *entries;
    size_t count;
    uint32_t tag;
    assert_int_equal(mm_store_mailbox_tag(dump->store, mailbox_id, &tag),
                     MAILMOD_OK);
    assert_int_equal(
        mm_store_list_entries(dump->store, mailbox_id, &entries, &count),
        MAILMOD_OK);
    for (size_t i = 0; i < count; i++) {
        add_entry(dump->out, tag, entries[i].unique_number, entries[i].size,
                  entries[i].message_id);
        store_body(dump->store, dump->out, entries[i].message_id);
    }
    mm_free(entries);
}

/* A visitor must not call the store: the rows first, then their bodies. */
struct queue_dump {
    size_t count;
    struct {
        struct mm_store_message message;
        struct mm_store_recipient recipient;
    } rows[64];
};

static bool keep_recipient(void *context,
                           const struct mm_store_message *message,
                           const struct mm_store_recipient *recipient)
{
    struct queue_dump *queue = context;
    assert_false(recipient->has_reverse_path);
    assert_true(queue->count < sizeof queue->rows / sizeof queue->rows[0]);
    queue->rows[queue->count].message = *message;
    queue->rows[queue->count++].recipient = *recipient;
    return true;
}

static void store_queue(struct dump *dump)
{
    static struct queue_dump queue;
    queue.count = 0;
    assert_int_equal(
        mm_store_each_recipient(dump->store, 0, keep_recipient, &queue),
        MAILMOD_OK);
    for (size_t i = 0; i < queue.count; i++) {
        add_recipient(dump->out, queue.rows[i].message.reverse_path,
                      &queue.rows[i].recipient);
        store_body(dump->store, dump->out, queue.rows[i].message.id);
    }
}

void dump_store(struct mm_store *store, struct mm_buf *out)
{
    struct dump dump = {.store = store, .out = out};
    assert_int_equal(mm_store_each_user(store, keep_user, &dump), MAILMOD_OK);
    for (size_t i = 0; i < dump.count; i++) {
        add_user(out, dump.names[i], dump.passwords[i]);
        store_entries(&dump, dump.boxes[i]);
    }
    store_queue(&dump);
}
