/* message_id.c - identifiers of messages: unique for ever, rising with time.
 *
 * An identifier is milliseconds since 2020 in the upper bits and a count in the
 * lower 8, whose lowest bit says whether the owner of the folder or a tool
 * beside it made it. It is always above the last one given out or found in the
 * store, and the store notes ahead, a minute at a time, up to where they are
 * used: so a clock that is set back repeats none, even when the messages are
 * gone. 49 bits last until 2089; with the chunk's number beside them they fit
 * SQLite's 63. Thread: any; the notes are the writer's. */
#include "platform/clock.h"
#include "store/sqlite/internal.h"

#include <string.h>

#define EPOCH_MS 1577836800000 /* 2020-01-01 */
#define COUNT_BITS 8
#define ID_BITS 49
#define RESERVE (60000ull << COUNT_BITS) /* one minute */
#define TEXT_DIGITS 10                   /* 10 * 5 bits hold 49 */

/* Crockford's digits: no I, L, O, U to be misread. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

uint64_t mm_store_new_message_id(struct mm_store *store)
{
    int64_t now_ms = mm_clock_wall_ms() - EPOCH_MS;
    unsigned long long wanted =
        now_ms > 0 ? (unsigned long long)now_ms << COUNT_BITS : 2;
    unsigned long long last = atomic_load(&store->last_id);
    unsigned long long next;

    do {
        next = wanted > last ? wanted : last + 2;
        next = (next & ~1ull) | (store->is_shared ? 1 : 0);
    } while (!atomic_compare_exchange_weak(&store->last_id, &last, next));
    return next;
}

enum mailmod_error mm_store_note_ids(struct mm_store *store,
                                     unsigned long long reserved)
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

enum mailmod_error mm_store_reserve_ids(struct mm_store *store, bool is_closing)
{
    unsigned long long last = atomic_load(&store->last_id);
    unsigned long long reserved = is_closing ? last : last + RESERVE;
    if (store->is_shared || last == store->reserved_id ||
        (!is_closing && last < store->reserved_id)) {
        return MAILMOD_OK;
    }
    return mm_store_note_ids(store, reserved);
}

void mm_message_id_format(uint64_t id, char text_out[MM_MESSAGE_ID_TEXT_MAX])
{
    for (int i = TEXT_DIGITS - 1; i >= 0; i--) {
        text_out[i] = digits[id & 31];
        id >>= 5;
    }
    text_out[TEXT_DIGITS] = '\0';
}

bool mm_message_id_parse(struct mm_span text, uint64_t *id_out)
{
    uint64_t id = 0;

    if (text.size != TEXT_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *digit =
            text.data[i] != '\0'
                ? strchr(digits, mm_ascii_upper((unsigned char)text.data[i]))
                : NULL;

        if (digit == NULL) {
            return false;
        }
        id = id << 5 | (uint64_t)(digit - digits);
    }
    *id_out = id;
    return id != 0 && id >> ID_BITS == 0;
}
