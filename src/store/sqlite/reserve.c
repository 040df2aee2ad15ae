/* reserve.c - which identifiers of messages are used up.
 *
 * The owner of the folder is node 0 of message_id.c; a tool beside it draws a
 * node from the upper half. The store notes ahead, a minute at a time, up to
 * where identifiers are used: so a clock that is set back repeats none, even
 * when the messages are gone. Thread: the writer's, but mm_sqlite_choose_node,
 * which is the opener's. */
#include "platform/random.h"
#include "store/sqlite/internal.h"

#define TOOL_NODES 512 /* of the tools: 512 to 1023 */
#define RESERVE_MS 60000

enum mailmod_error mm_sqlite_choose_node(struct mm_sqlite *store)
{
    uint16_t drawn = 0;
    if (!store->is_shared) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_random(&drawn, sizeof drawn);
    store->ids.node = TOOL_NODES + drawn % TOOL_NODES;
    return error;
}

enum mailmod_error mm_sqlite_note_ids(struct mm_sqlite *store,
                                      uint64_t reserved)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(&store->writer, MM_SQL_RESERVE_IDS, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)reserved);
    error = mm_sql_run(statement);
    if (error == MAILMOD_OK) {
        store->reserved_id = reserved;
    }
    return error;
}

enum mailmod_error mm_sqlite_reserve_ids(struct mm_sqlite *store,
                                         bool is_closing)
{
    uint64_t used = mm_message_id_last(&store->ids, 0);
    if (store->is_shared || used == store->reserved_id ||
        (!is_closing && used < store->reserved_id)) {
        return MAILMOD_OK;
    }
    return mm_sqlite_note_ids(
        store, is_closing ? used : mm_message_id_last(&store->ids, RESERVE_MS));
}
