/* write_message.c - messages, chunks and mailbox entries, written.
 *
 * The law of a message: it counts who refers to it (queue recipients and
 * mailbox entries), and goes with its chunks when the last one lets go. Its row
 * is written behind those of its referrers, with their count in it. What
 * nobody refers to yet (chunks whose message is still coming, a message whose
 * users went away meanwhile) stands in `pending` when its job ends, so that
 * the next opening sweeps it; what is referred to within the job that wrote it
 * never touches that table. Thread: writer. */
#include "base/checksum.h"
#include "base/mem.h"
#include "store/sqlite/internal.h"

#include <stdlib.h>
#include <string.h>

#define FLAG_8BIT 1
#define FLAG_SMTPUTF8 2
#define FLAG_REPORT 4
#define FLAG_KEEPS_FAILED 8
/* Chunks of a body that go with its message at once; of a larger one the rest
 * goes in slices. */
#define DROPPED_AT_ONCE 16
/* Entries that are removed row by row at once; of more only the promise. */
#define REMOVED_AT_ONCE 64

/* From now on `id` is what the job has written without a referrer. */
static enum mailmod_error note_unreferred(struct mm_sqlite_transaction *t,
                                          uint64_t id, bool is_first_seen)
{
    enum mailmod_error error = MAILMOD_OK;

    if (t->unreferred_id == id) {
        return MAILMOD_OK;
    }
    if (t->unreferred_id != 0) {
        error = mm_sql_run_with(t->connection, MM_SQL_PUT_PENDING,
                                t->unreferred_id);
    }
    t->unreferred_id = id;
    t->is_first_seen = is_first_seen;
    t->referred_id = 0;
    return error;
}

static enum mailmod_error forget_pending(struct mm_sqlite_transaction *t,
                                         uint64_t id)
{
    enum mailmod_error error = MAILMOD_OK;

    if (t->referred_id == id) {
        return MAILMOD_OK;
    }
    if (t->unreferred_id != id || !t->is_first_seen) {
        error = mm_sql_run_with(t->connection, MM_SQL_DROP_PENDING, id);
    }
    if (t->unreferred_id == id) {
        t->unreferred_id = 0;
    }
    if (error == MAILMOD_OK) {
        t->referred_id = id;
    }
    return error;
}

/* The row of the message that waits for its referrers, if one does. */
static enum mailmod_error put_waiting(struct mm_sqlite_transaction *t)
{
    const struct mm_store_message *message = &t->message;
    enum mailmod_error error;

    if (!t->has_message) {
        return MAILMOD_OK;
    }
    t->has_message = false;
    sqlite3_stmt *statement = mm_sql(t->connection, MM_SQL_PUT_MESSAGE, &error);
    if (statement == NULL) {
        return error;
    }
    int flags = (message->is_8bit ? FLAG_8BIT : 0) |
                (message->is_smtputf8 ? FLAG_SMTPUTF8 : 0) |
                (message->is_report ? FLAG_REPORT : 0) |
                (message->keeps_failed ? FLAG_KEEPS_FAILED : 0);
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)message->id);
    mm_sql_bind_text(statement, 2, message->reverse_path);
    (void)sqlite3_bind_int64(statement, 3, message->arrival_ms);
    (void)sqlite3_bind_int64(statement, 4, (sqlite3_int64)message->size);
    (void)sqlite3_bind_int(statement, 5, flags);
    (void)sqlite3_bind_int(statement, 6, message->dsn_return);
    mm_sql_bind_text(statement, 7, message->envelope_id);
    (void)sqlite3_bind_int64(statement, 8, (sqlite3_int64)t->message_referrers);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_put_message(struct mm_store_transaction *base,
                                         const struct mm_store_message *message)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error = put_waiting(transaction);
    if (error != MAILMOD_OK) {
        return error;
    }
    transaction->message = *message;
    transaction->message_referrers = 0;
    transaction->has_message = true;
    return note_unreferred(transaction, message->id, false);
}

enum mailmod_error
mm_sqlite_settle_job(struct mm_sqlite_transaction *transaction)
{
    enum mailmod_error error = put_waiting(transaction);
    return error == MAILMOD_OK ? note_unreferred(transaction, 0, false) : error;
}

static bool is_waiting(const struct mm_sqlite_transaction *transaction,
                       uint64_t message_id)
{
    return transaction->has_message && transaction->message.id == message_id;
}

enum mailmod_error mm_sqlite_refer(struct mm_sqlite_transaction *transaction,
                                   uint64_t message_id)
{
    if (is_waiting(transaction, message_id)) {
        transaction->message_referrers++;
        return forget_pending(transaction, message_id);
    }
    enum mailmod_error error =
        mm_sql_run_with(transaction->connection, MM_SQL_REFER, message_id);
    if (error == MAILMOD_OK &&
        sqlite3_changes(transaction->connection->db) == 0) {
        /* Not NOT_FOUND, which means a mailbox or a recipient that is gone. */
        return MAILMOD_ERROR_ARGUMENT;
    }
    return error == MAILMOD_OK ? forget_pending(transaction, message_id)
                               : error;
}

enum mailmod_error mm_sqlite_put_chunk(struct mm_store_transaction *base,
                                       uint64_t id, unsigned number,
                                       struct mm_span data)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    transaction->store->space_written += data.size;
    if (!mm_sqlite_has_space(transaction->store)) {
        return MAILMOD_ERROR_STORAGE_FULL;
    }
    enum mailmod_error error = MAILMOD_OK;
    /* The first piece may come last, behind those of earlier jobs. */
    if (number <= 1) {
        error = note_unreferred(transaction, id, number == 0);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    sqlite3_stmt *statement =
        mm_sql(transaction->connection,
               number == 0 ? MM_SQL_PUT_BODY : MM_SQL_PUT_CHUNK, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)mm_checksum(data));
    (void)sqlite3_bind_blob(statement, 3, data.data, (int)data.size,
                            SQLITE_STATIC);
    if (number > 0) {
        (void)sqlite3_bind_int64(statement, 4, number);
    }
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_drop_chunks(struct mm_store_transaction *base,
                                         uint64_t id)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error =
        mm_sql_run_with(transaction->connection, MM_SQL_DROP_BODY, id);
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_DROP_CHUNKS, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    (void)sqlite3_bind_int64(statement, 2, DROPPED_AT_ONCE + 1);
    error = mm_sql_run(statement);
    if (error == MAILMOD_OK &&
        sqlite3_changes(transaction->connection->db) == DROPPED_AT_ONCE) {
        error = mm_sql_run_with(transaction->connection, MM_SQL_PUT_LITTER, id);
        atomic_store(&transaction->store->has_chores, true);
    }
    return error == MAILMOD_OK ? forget_pending(transaction, id) : error;
}

void mm_row_message(sqlite3_stmt *statement, int first,
                    struct mm_store_message *message_out)
{
    int flags = sqlite3_column_int(statement, first + 4);

    message_out->id = (uint64_t)sqlite3_column_int64(statement, first);
    mm_sql_text(statement, first + 1, message_out->reverse_path,
                sizeof message_out->reverse_path);
    message_out->arrival_ms = sqlite3_column_int64(statement, first + 2);
    message_out->size = (uint64_t)sqlite3_column_int64(statement, first + 3);
    message_out->is_8bit = (flags & FLAG_8BIT) != 0;
    message_out->is_smtputf8 = (flags & FLAG_SMTPUTF8) != 0;
    message_out->is_report = (flags & FLAG_REPORT) != 0;
    message_out->keeps_failed = (flags & FLAG_KEEPS_FAILED) != 0;
    message_out->dsn_return =
        (enum mm_dsn_return)sqlite3_column_int(statement, first + 5);
    mm_sql_text(statement, first + 6, message_out->envelope_id,
                sizeof message_out->envelope_id);
}

enum mailmod_error mm_sqlite_unrefer(struct mm_sqlite_transaction *transaction,
                                     uint64_t message_id)
{
    struct mm_connection *connection = transaction->connection;
    enum mailmod_error error = is_waiting(transaction, message_id)
                                   ? put_waiting(transaction)
                                   : MAILMOD_OK;
    if (error == MAILMOD_OK) {
        error = mm_sql_run_with(connection, MM_SQL_DROP_LAST, message_id);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    return sqlite3_changes(connection->db) > 0
               ? mm_sqlite_drop_chunks(&transaction->base, message_id)
               : mm_sql_run_with(connection, MM_SQL_UNREFER, message_id);
}

enum mailmod_error mm_sqlite_count_entry(struct mm_connection *connection,
                                         uint64_t mailbox_id, uint64_t size)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_COUNT_NUMBER, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)size);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_next_number(struct mm_connection *connection,
                                         uint64_t mailbox_id,
                                         int64_t *number_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_NEXT_NUMBER, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    if (mm_sql_step(statement, &error)) {
        *number_out = sqlite3_column_int64(statement, 0);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_sql_end(statement);
    return error;
}

enum mailmod_error mm_sqlite_octets_of(struct mm_store_transaction *base,
                                       uint64_t mailbox_id,
                                       uint64_t *octets_out)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_MAILBOX_USE, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    if (mm_sql_step(statement, &error)) {
        *octets_out = (uint64_t)sqlite3_column_int64(statement, 1);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_sql_end(statement);
    return error;
}

static void bind_detail(sqlite3_stmt *statement,
                        const struct mm_store_entry_detail *detail)
{
    mm_sql_bind_filled(statement, 5, detail->uidl);
    (void)sqlite3_bind_int64(statement, 6, detail->notify);
    mm_sql_bind_filled(statement, 7, detail->original_recipient);
    if (detail->has_reverse_path) {
        mm_sql_bind_text(statement, 8, detail->reverse_path);
    }
    mm_sql_bind_filled(statement, 9, detail->delivered_to);
    mm_sql_bind_filled(statement, 10, detail->original_to);
}

enum mailmod_error
mm_sqlite_put_entry(struct mm_store_transaction *base, uint64_t mailbox_id,
                    uint64_t message_id, uint64_t served_size,
                    const struct mm_store_entry_detail *detail)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_PUT_ENTRY, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)message_id);
    (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)served_size);
    (void)sqlite3_bind_int64(statement, 4, mm_store_entry_flags(detail));
    if (detail != NULL) {
        bind_detail(statement, detail);
    }
    /* Counted when it is there: a unique-id text that is one already changes
     * nothing. */
    error = mm_sql_run_on_row(statement);
    if (error == MAILMOD_OK) {
        error = mm_sqlite_count_entry(transaction->connection, mailbox_id,
                                      served_size);
    }
    return error == MAILMOD_OK ? mm_sqlite_refer(transaction, message_id)
                               : error;
}

/* What was taken out of a mailbox. */
struct taken {
    uint64_t entries;
    uint64_t octets;
};

/* The entry's message; 0 when there is no such entry. */
static enum mailmod_error find_entry(struct mm_connection *connection,
                                     uint64_t mailbox_id,
                                     uint64_t unique_number,
                                     uint64_t *message_id_out,
                                     struct taken *taken)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_FIND_ENTRY, &error);
    *message_id_out = 0;
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)unique_number);
    if (mm_sql_step(statement, &error)) {
        *message_id_out = (uint64_t)sqlite3_column_int64(statement, 0);
        taken->octets += (uint64_t)sqlite3_column_int64(statement, 1);
        taken->entries++;
    }
    mm_sql_end(statement);
    return error;
}

static enum mailmod_error take_entry(struct mm_sqlite_transaction *transaction,
                                     uint64_t mailbox_id,
                                     uint64_t unique_number, int64_t keep_ms,
                                     struct taken *taken)
{
    uint64_t message_id;
    enum mailmod_error error = find_entry(transaction->connection, mailbox_id,
                                          unique_number, &message_id, taken);
    if (error != MAILMOD_OK || message_id == 0) {
        return error;
    }
    if (keep_ms > 0) {
        error = mm_sqlite_keep_entry(transaction, mailbox_id, unique_number,
                                     keep_ms);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_DROP_ENTRY, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)unique_number);
    error = mm_sql_run(statement);
    /* Kept, the message has the same number of those who refer to it. */
    return error == MAILMOD_OK && keep_ms == 0
               ? mm_sqlite_unrefer(transaction, message_id)
               : error;
}

enum mailmod_error
mm_sqlite_take_entries(struct mm_sqlite_transaction *transaction,
                       uint64_t mailbox_id, const uint64_t *unique_numbers,
                       size_t count, int64_t keep_ms)
{
    struct taken taken = {0, 0};
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        error = take_entry(transaction, mailbox_id, unique_numbers[i], keep_ms,
                           &taken);
    }
    if (error != MAILMOD_OK || taken.entries == 0) {
        return error;
    }
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_USE_MAILBOX, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)taken.entries);
    (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)taken.octets);
    return mm_sql_run(statement);
}

enum mailmod_error
mm_sqlite_put_removal(struct mm_sqlite_transaction *transaction,
                      uint64_t mailbox_id, uint64_t first, uint64_t last,
                      int64_t keep_ms)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_PUT_REMOVAL, &error);
    if (statement == NULL) {
        return error;
    }
    atomic_store(&transaction->store->has_chores, true);
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)first);
    (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)last);
    (void)sqlite3_bind_int64(statement, 4, keep_ms);
    return mm_sql_run(statement);
}

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* One row for each run of numbers that follow one another. Numbers that no
 * entry had yet are left out: the rows are looked at later, when one may. */
static enum mailmod_error
put_removals(struct mm_sqlite_transaction *transaction, uint64_t mailbox_id,
             const uint64_t *numbers, size_t count, int64_t keep_ms)
{
    int64_t next = 0;
    enum mailmod_error error =
        mm_sqlite_next_number(transaction->connection, mailbox_id, &next);
    while (count > 0 && numbers[count - 1] >= (uint64_t)next) {
        count--;
    }
    for (size_t i = 0; error == MAILMOD_OK && i < count;) {
        uint64_t first = numbers[i];
        uint64_t last = first;
        while (i < count && numbers[i] <= last + 1) {
            last = numbers[i++];
        }
        error = mm_sqlite_put_removal(transaction, mailbox_id, first, last,
                                      keep_ms);
    }
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

enum mailmod_error mm_sqlite_remove_entries(struct mm_store_transaction *base,
                                            uint64_t mailbox_id,
                                            const uint64_t *unique_numbers,
                                            size_t count, int64_t keep_ms)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    if (count <= REMOVED_AT_ONCE) {
        return mm_sqlite_take_entries(transaction, mailbox_id, unique_numbers,
                                      count, keep_ms);
    }
    uint64_t *sorted = mm_alloc_array(count, sizeof *sorted);
    if (sorted == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(sorted, unique_numbers, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_numbers);
    enum mailmod_error error =
        put_removals(transaction, mailbox_id, sorted, count, keep_ms);
    mm_free(sorted);
    return error;
}
