/* verify.c - the integrity check for tools.
 *
 * Promises: what SQLite finds wrong with its pages, and what is wrong between
 * sound pages: sizes that the chunks do not add up to, references that are
 * counted wrong, rows whose message is missing, chunks without an owner. Each
 * complaint is one line that names the file; nothing is repaired. One read
 * transaction sees one committed state, beside a running daemon too.
 * Thread: worker; minutes on a large store. */
#include "base/checksum.h"
#include "store/sqlite/internal.h"

#include <string.h>

/* What must be 0, and the words for it when it is not. */
static const struct {
    const char *words;
    const char *query;
} counts[] = {
    {"messages whose chunks do not add up to their size",
     "SELECT count(*) FROM message m WHERE m.size<>(SELECT "
     "coalesce(sum(length(c.data)),0) FROM chunk c WHERE c.message_id=m.id)+"
     "coalesce((SELECT length(data) FROM body WHERE id=m.id),0)"},
    {"messages whose chunks are not numbered from 1 without gaps",
     "SELECT count(*) FROM (SELECT 1 FROM chunk WHERE message_id NOT IN "
     "(SELECT id FROM litter) GROUP BY message_id HAVING "
     "max(number)<>count(*))"},
    {"mailboxes that count their entries or octets wrong",
     "SELECT count(*) FROM mailbox b WHERE (b.entries,b.octets)<>(SELECT "
     "count(*),coalesce(sum(size),0) FROM entry WHERE mailbox_id=b.id)"},
    {"messages that count their references wrong",
     "SELECT count(*) FROM message m LEFT JOIN (SELECT message_id,count(*) AS "
     "n FROM (SELECT message_id FROM recipient UNION ALL SELECT message_id "
     "FROM kept UNION ALL SELECT message_id FROM deleted UNION ALL SELECT "
     "message_id FROM entry) GROUP BY message_id) u "
     "ON u.message_id=m.id WHERE "
     "m.reference_count<>coalesce(u.n,0)"},
    {"messages that nobody has and no opening will sweep",
     "SELECT count(*) FROM message m WHERE m.reference_count=0 AND m.id NOT IN "
     "(SELECT id FROM pending)"},
    {"recipients without their message",
     "SELECT count(*) FROM recipient WHERE message_id NOT IN (SELECT id FROM "
     "message)"},
    {"kept recipients without their message",
     "SELECT count(*) FROM kept WHERE message_id NOT IN (SELECT id FROM "
     "message)"},
    {"mailbox entries without their message",
     "SELECT count(*) FROM entry WHERE message_id NOT IN (SELECT id FROM "
     "message)"},
    {"mailbox entries without their mailbox",
     "SELECT count(*) FROM entry WHERE mailbox_id NOT IN (SELECT id FROM "
     "mailbox)"},
    {"mailbox entries numbered beyond their mailbox's next number",
     "SELECT count(*) FROM mailbox b WHERE b.next_number<=(SELECT "
     "max(number) FROM entry e WHERE e.mailbox_id=b.id)"},
    {"deleted mail without its message",
     "SELECT count(*) FROM deleted WHERE message_id NOT IN (SELECT id FROM "
     "message)"},
    {"deleted mail without its mailbox",
     "SELECT count(*) FROM deleted WHERE mailbox_id NOT IN (SELECT id FROM "
     "mailbox)"},
    {"mail that is deleted and in the mailbox",
     "SELECT count(*) FROM deleted d JOIN entry e ON (e.mailbox_id,e.number)="
     "(d.mailbox_id,d.number)"},
    {"users without their mailbox",
     "SELECT count(*) FROM user WHERE mailbox_id NOT IN (SELECT id FROM "
     "mailbox)"},
    {"bodies of no message",
     "SELECT count(*) FROM body WHERE id NOT IN (SELECT id FROM message UNION "
     "ALL SELECT id FROM pending)"},
    {"chunks of no message",
     "SELECT count(*) FROM chunk WHERE message_id NOT IN (SELECT id FROM "
     "message UNION ALL SELECT id FROM pending UNION ALL SELECT id FROM "
     "litter)"},
    {"rules of no list", "SELECT count(*) FROM rule WHERE list NOT IN (0,1,2)"},
};

static enum mailmod_error check_count(const char *path, sqlite3 *db,
                                      size_t which, struct mm_buf *report_out,
                                      bool *is_sound)
{
    sqlite3_stmt *statement = NULL;
    int64_t count = 0;
    enum mailmod_error error = mm_sql_error(
        sqlite3_prepare_v2(db, counts[which].query, -1, &statement, NULL));

    if (error == MAILMOD_OK && mm_sql_step(statement, &error)) {
        count = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    if (count > 0) {
        *is_sound = false;
        (void)mm_buf_appendf(report_out, "%s: %lld %s\n", path,
                             (long long)count, counts[which].words);
    }
    return error;
}

static enum mailmod_error check_pages(const char *path, sqlite3 *db,
                                      struct mm_buf *report_out, bool *is_sound)
{
    sqlite3_stmt *statement = NULL;
    enum mailmod_error error = mm_sql_error(sqlite3_prepare_v2(
        db, "PRAGMA integrity_check(20)", -1, &statement, NULL));

    while (error == MAILMOD_OK && mm_sql_step(statement, &error)) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);

        if (text == NULL || strcmp(text, "ok") != 0) {
            *is_sound = false;
            (void)mm_buf_appendf(report_out, "%s: %s\n", path,
                                 text != NULL ? text : "?");
        }
    }
    sqlite3_finalize(statement);
    return error;
}

/* Every body once more against what was noted when it was put. */
static enum mailmod_error check_bodies(const char *path, sqlite3 *db,
                                       struct mm_buf *report_out,
                                       bool *is_sound)
{
    sqlite3_stmt *statement = NULL;
    enum mailmod_error error = mm_sql_error(
        sqlite3_prepare_v2(db,
                           "SELECT id,0,checksum,data FROM body UNION ALL "
                           "SELECT message_id,number,checksum,data FROM chunk",
                           -1, &statement, NULL));
    while (error == MAILMOD_OK && mm_sql_step(statement, &error)) {
        struct mm_span data =
            mm_span(sqlite3_column_blob(statement, 3),
                    (size_t)sqlite3_column_bytes(statement, 3));
        if (mm_checksum(data) != (uint64_t)sqlite3_column_int64(statement, 2)) {
            char text[MM_MESSAGE_ID_TEXT_MAX];
            mm_message_id_format((uint64_t)sqlite3_column_int64(statement, 0),
                                 text);
            *is_sound = false;
            (void)mm_buf_appendf(report_out,
                                 "%s: message %s: piece %d of its body was "
                                 "changed\n",
                                 path, text, sqlite3_column_int(statement, 1));
        }
    }
    sqlite3_finalize(statement);
    return error;
}

enum mailmod_error mm_sqlite_check_all(const char *path, sqlite3 *db,
                                       struct mm_buf *report_out)
{
    bool is_sound = true;
    enum mailmod_error error = check_pages(path, db, report_out, &is_sound);
    int64_t version = 0;
    if (error == MAILMOD_OK) {
        error = mm_sql_number(db, "PRAGMA user_version", &version);
    }
    if (error != MAILMOD_OK || version < MM_STORE_SCHEMA_VERSION) {
        /* An older copy: its own opening brings it up to date. */
        return error == MAILMOD_OK && !is_sound ? MAILMOD_ERROR_STORAGE_DAMAGED
                                                : error;
    }

    for (size_t i = 0;
         error == MAILMOD_OK && i < sizeof counts / sizeof counts[0]; i++) {
        error = check_count(path, db, i, report_out, &is_sound);
    }
    if (error == MAILMOD_OK) {
        error = check_bodies(path, db, report_out, &is_sound);
    }
    return error == MAILMOD_OK && !is_sound ? MAILMOD_ERROR_STORAGE_DAMAGED
                                            : error;
}

enum mailmod_error mm_sqlite_verify(struct mm_store *base,
                                    struct mm_buf *report_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_connection *reader;
    enum mailmod_error error = mm_reader_take(store, &reader);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_sql_error(sqlite3_exec(reader->db, "BEGIN", NULL, NULL, NULL));
    if (error == MAILMOD_OK) {
        error = mm_sqlite_check_all(store->path, reader->db, report_out);
        (void)sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
    }
    mm_reader_put(store, reader);
    return error;
}
