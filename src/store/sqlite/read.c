/* read.c - what is read of users, messages and the queue.
 *
 * Promises: each call sees one committed state. A visitor is called while a
 * read connection is held, so it must not call into the store again for long.
 * Thread: any; look-ups by key touch a few pages, the rest belongs on workers.
 */
#include "store/sqlite/internal.h"

#include "base/checksum.h"
#include "base/mem.h"

#include <string.h>

static void row_user(sqlite3_stmt *statement, struct mm_store_user *user_out)
{
    memset(user_out, 0, sizeof *user_out);
    mm_sql_text(statement, 0, user_out->name, sizeof user_out->name);
    user_out->mailbox_id = (uint64_t)sqlite3_column_int64(statement, 1);
    mm_sql_octets(statement, 2, user_out->salt, sizeof user_out->salt);
    user_out->iterations = (uint32_t)sqlite3_column_int64(statement, 3);
    mm_sql_octets(statement, 4, user_out->stored_key,
                  sizeof user_out->stored_key);
    mm_sql_octets(statement, 5, user_out->server_key,
                  sizeof user_out->server_key);
    user_out->has_password = sqlite3_column_type(statement, 6) != SQLITE_NULL;
    mm_sql_text(statement, 6, user_out->password, sizeof user_out->password);
    user_out->is_disabled = sqlite3_column_int(statement, 7) != 0;
    user_out->quota = (uint64_t)sqlite3_column_int64(statement, 8);
}

enum mailmod_error mm_sqlite_find_user(struct mm_store *base, const char *name,
                                       struct mm_store_user *user_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error = mm_read_open(&reading, store, MM_SQL_FIND_USER);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_sql_bind_text(reading.statement, 1, name);
    if (mm_sql_step(reading.statement, &error)) {
        row_user(reading.statement, user_out);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error
mm_sqlite_find_addressee(struct mm_store *base, const char *const *names,
                         size_t count, struct mm_store_addressee *addressee_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_FIND_ADDRESSEE);

    if (error != MAILMOD_OK) {
        return error;
    }
    for (size_t i = 0; i < count; i++) {
        mm_sql_bind_text(reading.statement, (int)i + 1, names[i]);
    }
    if (mm_sql_step(reading.statement, &error)) {
        sqlite3_stmt *row = reading.statement;

        (void)mm_span_copy(mm_span_cstr(names[sqlite3_column_int(row, 0)]),
                           addressee_out->name, sizeof addressee_out->name);
        addressee_out->mailbox_id = (uint64_t)sqlite3_column_int64(row, 1);
        addressee_out->is_disabled = sqlite3_column_int(row, 2) != 0;
        addressee_out->quota = (uint64_t)sqlite3_column_int64(row, 3);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_each_user(
    struct mm_store *base, const char *after_name,
    bool (*visit)(void *context, const struct mm_store_user *user),
    void *context)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error = mm_read_open(&reading, store, MM_SQL_EACH_USER);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_store_user user;
    mm_sql_bind_text(reading.statement, 1, after_name);
    while (mm_sql_step(reading.statement, &error)) {
        row_user(reading.statement, &user);
        if (!visit(context, &user)) {
            break;
        }
    }
    mm_read_close(&reading);
    mm_secret_clear(&user, sizeof user);
    return error;
}

enum mailmod_error mm_sqlite_list_secrets(
    struct mm_store *base, uint64_t mailbox_id,
    struct mm_store_secret_key secrets_out[MM_STORE_SECRETS_MAX],
    size_t *count_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_LIST_SECRETS);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(reading.statement, 2, MM_STORE_SECRETS_MAX);
    while (mm_sql_step(reading.statement, &error)) {
        struct mm_store_secret_key *secret = &secrets_out[(*count_out)++];

        memset(secret, 0, sizeof *secret);
        mm_sql_text(reading.statement, 0, secret->label, sizeof secret->label);
        mm_sql_octets(reading.statement, 1, secret->stored_key,
                      sizeof secret->stored_key);
        mm_sql_octets(reading.statement, 2, secret->server_key,
                      sizeof secret->server_key);
        secret->created_ms = sqlite3_column_int64(reading.statement, 3);
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_find_message(struct mm_store *base,
                                          uint64_t message_id,
                                          struct mm_store_message *message_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_FIND_MESSAGE);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1, (sqlite3_int64)message_id);
    if (mm_sql_step(reading.statement, &error)) {
        mm_row_message(reading.statement, 0, message_out);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}

/* A chunk that is not there: the end, or a hole when later ones are. */
static enum mailmod_error judge_missing(struct mm_sqlite *store,
                                        uint64_t message_id, unsigned number)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_CHUNK_EXISTS);
    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1, (sqlite3_int64)message_id);
    (void)sqlite3_bind_int64(reading.statement, 2, number);
    if (mm_sql_step(reading.statement, &error)) {
        error = MAILMOD_ERROR_STORAGE_DAMAGED;
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}

/* Copies the chunk out; one that is not what was put is damage. */
static enum mailmod_error copy_chunk(struct mm_sqlite *store,
                                     uint64_t message_id,
                                     sqlite3_stmt *statement,
                                     struct mm_buf *out)
{
    struct mm_span data = mm_span(sqlite3_column_blob(statement, 0),
                                  (size_t)sqlite3_column_bytes(statement, 0));
    if (mm_checksum(data) == (uint64_t)sqlite3_column_int64(statement, 1)) {
        return mm_buf_append(out, data.data, data.size);
    }
    char text[MM_MESSAGE_ID_TEXT_MAX];
    mm_message_id_format(message_id, text);
    MM_LOG(store->log, MM_LOG_ERROR, "store",
           "the body of a message was changed on the disk; it is not served",
           MM_TEXT("id", text), MM_TEXT("path", store->path));
    return MAILMOD_ERROR_STORAGE_DAMAGED;
}

enum mailmod_error mm_sqlite_read_chunk(struct mm_store *base,
                                        uint64_t message_id, unsigned number,
                                        struct mm_buf *out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    bool is_missing = false;
    enum mailmod_error error = mm_read_open(
        &reading, store, number == 0 ? MM_SQL_READ_BODY : MM_SQL_READ_CHUNK);
    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1, (sqlite3_int64)message_id);
    if (number > 0) {
        (void)sqlite3_bind_int64(reading.statement, 2, number);
    }
    if (mm_sql_step(reading.statement, &error)) {
        error = copy_chunk(store, message_id, reading.statement, out);
    } else {
        is_missing = error == MAILMOD_OK;
    }
    mm_read_close(&reading);
    return is_missing ? judge_missing(store, message_id, number) : error;
}

void mm_row_recipient(sqlite3_stmt *statement, int first,
                      struct mm_store_recipient *recipient_out)
{
    struct mm_store_recipient *r = recipient_out;

    memset(r, 0, sizeof *r);
    r->message_id = (uint64_t)sqlite3_column_int64(statement, first);
    r->number = (unsigned)sqlite3_column_int64(statement, first + 1);
    mm_sql_text(statement, first + 2, r->path, sizeof r->path);
    mm_sql_text(statement, first + 3, r->destination, sizeof r->destination);
    r->state = sqlite3_column_int(statement, first + 4) != 0
                   ? MM_RECIPIENT_HELD
                   : MM_RECIPIENT_WAITING;
    r->next_attempt_ms = sqlite3_column_int64(statement, first + 5);
    r->read_attempt_ms = r->next_attempt_ms;
    r->expires_ms = sqlite3_column_int64(statement, first + 6);
    r->attempts = (unsigned)sqlite3_column_int64(statement, first + 7);
    r->was_warned = sqlite3_column_int(statement, first + 8) != 0;
    mm_sql_take_notify(sqlite3_column_int64(statement, first + 9), r);
    mm_sql_text(statement, first + 10, r->original_recipient,
                sizeof r->original_recipient);
    mm_sql_text(statement, first + 11, r->last_reply, sizeof r->last_reply);
    r->has_reverse_path =
        sqlite3_column_type(statement, first + 12) != SQLITE_NULL;
    mm_sql_text(statement, first + 12, r->reverse_path, sizeof r->reverse_path);
    mm_sql_text(statement, first + 13, r->delivered_to, sizeof r->delivered_to);
    mm_sql_text(statement, first + 14, r->original_to, sizeof r->original_to);
    mm_sql_text(statement, first + 15, r->unsure_host, sizeof r->unsure_host);
}

enum mailmod_error
mm_sqlite_list_destinations(struct mm_store *base, const char *after,
                            struct mm_store_destination *destinations_out,
                            size_t count_max, size_t *count_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_LIST_DESTINATIONS);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_sql_bind_text(reading.statement, 1, after);
    (void)sqlite3_bind_int64(reading.statement, 2, (sqlite3_int64)count_max);
    while (*count_out < count_max && mm_sql_step(reading.statement, &error)) {
        struct mm_store_destination *d = &destinations_out[(*count_out)++];

        mm_sql_text(reading.statement, 0, d->name, sizeof d->name);
        d->next_attempt_ms = sqlite3_column_int64(reading.statement, 1);
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_list_due(
    struct mm_store *base, const char *destination, int64_t now_ms,
    const struct mm_due_key *after,
    bool (*visit)(void *context, const struct mm_store_recipient *recipient),
    void *context)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error = mm_read_open(&reading, store, MM_SQL_LIST_DUE);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_sql_bind_text(reading.statement, 1, destination);
    (void)sqlite3_bind_int64(reading.statement, 2, now_ms);
    (void)sqlite3_bind_int64(reading.statement, 3, after->next_attempt_ms);
    (void)sqlite3_bind_int64(reading.statement, 4,
                             (sqlite3_int64)after->message_id);
    (void)sqlite3_bind_int64(reading.statement, 5, after->number);
    struct mm_store_recipient recipient;
    while (mm_sql_step(reading.statement, &error)) {
        mm_row_recipient(reading.statement, 0, &recipient);
        if (!visit(context, &recipient)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_each_recipient(
    struct mm_store *base, const struct mm_due_key *after,
    uint64_t last_message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_recipient *recipient),
    void *context)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_EACH_RECIPIENT);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1,
                             (sqlite3_int64)after->message_id);
    (void)sqlite3_bind_int64(reading.statement, 2, after->number);
    (void)sqlite3_bind_int64(reading.statement, 3,
                             (sqlite3_int64)last_message_id);
    struct mm_store_message message;
    struct mm_store_recipient recipient;
    while (mm_sql_step(reading.statement, &error)) {
        mm_row_message(reading.statement, 0, &message);
        mm_row_recipient(reading.statement, 7, &recipient);
        if (!visit(context, &message, &recipient)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_read_count(struct mm_store *base, enum mm_statement which,
                                 uint64_t *count_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error = mm_read_open(&reading, store, which);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (mm_sql_step(reading.statement, &error)) {
        *count_out = (uint64_t)sqlite3_column_int64(reading.statement, 0);
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_flush_count(struct mm_store *base,
                                         uint64_t *count_out)
{
    return mm_read_count(base, MM_SQL_FLUSHES, count_out);
}

enum mailmod_error mm_sqlite_user_changes(struct mm_store *base,
                                          uint64_t *count_out)
{
    return mm_read_count(base, MM_SQL_USER_CHANGES, count_out);
}
