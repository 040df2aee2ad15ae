/* room.c - the room on the store's volume, and what is said of it.
 *
 * The volume keeps a reserve (general.free_space_min), so that deletions always
 * have room to work: below it nothing new is taken. The system is asked at most
 * twice a second, or when much was written or the limit changed since. Each
 * change is one line of the log that names folder, octets left and the limit: a
 * warning while there still is as much again, an error at the limit, and that
 * there is room again. Thread: writer; once the opener, before the writer runs;
 * mm_sqlite_has_room_for any. */
#include "platform/clock.h"
#include "store/sqlite/internal.h"

#define CHECK_MS 500
/* Warned below this many times the limit; good again an eighth above that. */
#define WARN_TIMES 2

static enum mm_sqlite_room room_of(const struct mm_sqlite *store, uint64_t free,
                                   uint64_t limit)
{
    /* What the log holds alone will take its size once more. */
    uint64_t log =
        (uint64_t)(store->log_pages - store->copied_pages) * store->page_size;
    uint64_t warned = store->room == MM_SQLITE_ROOM_ENOUGH ? 0 : limit / 8;
    if (free < limit + log) {
        return MM_SQLITE_ROOM_NONE;
    }
    return free < WARN_TIMES * limit + log + warned ? MM_SQLITE_ROOM_SHORT
                                                    : MM_SQLITE_ROOM_ENOUGH;
}

static const char *text_of(enum mm_sqlite_room before, enum mm_sqlite_room now)
{
    switch (now) {
    case MM_SQLITE_ROOM_ENOUGH:
        return "the disk has room again";
    case MM_SQLITE_ROOM_SHORT:
        return before == MM_SQLITE_ROOM_NONE
                   ? "mail is taken again; the disk has little room"
                   : "the disk is getting full; below the limit mail is "
                     "refused";
    case MM_SQLITE_ROOM_NONE:
        break;
    }
    return "the disk has less room than the limit; mail is refused until there "
           "is more";
}

static void tell(const struct mm_sqlite *store, enum mm_sqlite_room before,
                 uint64_t free, uint64_t limit)
{
    static const enum mm_log_level levels[] = {
        [MM_SQLITE_ROOM_ENOUGH] = MM_LOG_INFO,
        [MM_SQLITE_ROOM_SHORT] = MM_LOG_WARNING,
        [MM_SQLITE_ROOM_NONE] = MM_LOG_ERROR};
    MM_LOG(store->log, levels[store->room], "store",
           text_of(before, store->room), MM_TEXT("folder", store->folder),
           MM_NUMBER("free_octets", (int64_t)free),
           MM_NUMBER("limit_octets", (int64_t)limit));
}

static void look(struct mm_sqlite *store, uint64_t now_ms)
{
    uint64_t limit = atomic_load(&store->free_space_min);
    uint64_t free = mm_fs_free_space(store->folder);
    enum mm_sqlite_room before = store->room;
    store->space_written = 0;
    store->space_checked_ms = now_ms;
    store->room_limit = limit;
    store->room = room_of(store, free, limit);
    if (store->room != before) {
        tell(store, before, free, limit);
    }
}

bool mm_sqlite_has_space(struct mm_sqlite *store)
{
    uint64_t now_ms = mm_clock_monotonic_ms();
    uint64_t limit = atomic_load(&store->free_space_min);
    if (limit == 0) {
        return true;
    }
    if (store->space_checked_ms == 0 || store->room_limit != limit ||
        now_ms - store->space_checked_ms >= CHECK_MS ||
        store->space_written >= limit / 16) {
        look(store, now_ms);
    }
    return store->room != MM_SQLITE_ROOM_NONE;
}

void mm_sqlite_look_if_asked(struct mm_sqlite *store)
{
    if (atomic_exchange(&store->wants_look, false)) {
        look(store, mm_clock_monotonic_ms());
    }
}

static void wake_writer(struct mm_sqlite *store)
{
    mm_mutex_lock(store->mutex);
    atomic_store(&store->wants_look, true);
    mm_condition_signal(store->condition);
    mm_mutex_unlock(store->mutex);
}

bool mm_sqlite_has_room_for(struct mm_store *base, uint64_t octets)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    uint64_t limit = atomic_load(&store->free_space_min);
    uint64_t asked_ms = atomic_load(&store->asked_ms);
    uint64_t now_ms = mm_clock_monotonic_ms();
    if (limit == 0) {
        return true;
    }
    if (asked_ms == 0 || now_ms - asked_ms >= CHECK_MS) {
        atomic_store(&store->asked_octets, mm_fs_free_space(store->folder));
        atomic_store(&store->asked_ms, now_ms);
    }
    uint64_t free = atomic_load(&store->asked_octets);
    bool refuses = free < limit;
    /* What is refused before it is written would never be told. */
    if (atomic_load(&store->is_refusing) != refuses) {
        atomic_store(&store->is_refusing, refuses);
        wake_writer(store);
    }
    return !refuses && free - limit >= octets;
}
