/* handles.c - which handles are alive, in the whole process.
 *
 * Owns a bounded map from pointer to kind and holders, which is there while
 * there is a handle, so that nothing is left when the last one is gone; the
 * objects themselves are never touched. Promises: between mm_handle_hold and
 * mm_handle_let the object is not given to whoever frees it, and the thread is
 * not cancelled (both are the same thread's); of several that
 * remove one handle at once, one gets it.
 *
 * Law of an entry: here -> leaving (nobody holds it anew) -> gone.
 * Thread: any; one mutex of the process, held for a look-up alone. */
#include "api/handles.h"

#include "api/instance.h"
#include "base/map.h"
#include "base/mem.h"
#include "platform/random.h"
#include "platform/thread.h"

/* Instances, messages and requests at once: a million handles are a leak. */
#define HANDLES_MAX 1000000

struct entry {
    enum mm_handle_kind kind;
    unsigned holds;
    bool is_leaving;
};

struct table {
    struct mm_condition *was_let;
    struct mm_map entries; /* the pointer's own octets: struct entry */
};

/* The process's; behind the mutex. */
static struct table *table;

static void lock(void)
{
    mm_process_lock(MM_PROCESS_HANDLES);
}

static void unlock(void)
{
    mm_process_unlock(MM_PROCESS_HANDLES);
}

static struct mm_span key_of(const void *const *handle)
{
    return mm_span((const char *)handle, sizeof *handle);
}

/* Locked, as is all that follows. */
static struct entry *find(const void *handle)
{
    return table != NULL ? mm_map_get(&table->entries, key_of(&handle)) : NULL;
}

/* Not one that is leaving. */
static struct entry *find_here(enum mm_handle_kind kind, const void *handle)
{
    struct entry *entry = find(handle);

    return entry != NULL && entry->kind == kind && !entry->is_leaving ? entry
                                                                      : NULL;
}

static void free_table_if_empty(void)
{
    if (table != NULL && table->entries.count == 0) {
        mm_map_fini(&table->entries);
        mm_condition_free(&table->was_let);
        mm_free(table);
        table = NULL;
    }
}

static enum mailmod_error make_table(void)
{
    uint64_t seed = 0;

    if (table != NULL) {
        return MAILMOD_OK;
    }
    table = mm_alloc(sizeof *table);
    if (table == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_random(&seed, sizeof seed);
    mm_map_init(&table->entries, HANDLES_MAX, seed);
    return error == MAILMOD_OK ? mm_condition_new(&table->was_let) : error;
}

enum mailmod_error mm_handle_add(enum mm_handle_kind kind, const void *handle)
{
    struct entry *entry = mm_alloc(sizeof *entry);

    if (entry == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    entry->kind = kind;
    lock();
    enum mailmod_error error = make_table();
    if (error == MAILMOD_OK) {
        error = mm_map_put(&table->entries, key_of(&handle), entry);
    }
    free_table_if_empty();
    unlock();
    if (error != MAILMOD_OK) {
        mm_free(entry);
        return mm_fail(error, "a handle: %s", mm_error_text(error));
    }
    return MAILMOD_OK;
}

static enum mailmod_error refuse(const void *handle)
{
    return handle == NULL
               ? mm_fail(MAILMOD_ERROR_ARGUMENT, "the handle is NULL")
               : mm_fail(MAILMOD_ERROR_HANDLE,
                         "the handle is finished, or is none of this kind");
}

enum mailmod_error mm_handle_hold(enum mm_handle_kind kind, const void *handle)
{
    lock();
    struct entry *entry = find_here(kind, handle);
    if (entry != NULL) {
        entry->holds++;
        mm_cancel_defer();
    }
    unlock();
    return entry != NULL ? MAILMOD_OK : refuse(handle);
}

void mm_handle_let(const void *handle)
{
    lock();
    struct entry *entry = find(handle);
    if (entry != NULL && entry->holds > 0) {
        entry->holds--;
        if (entry->is_leaving) {
            mm_condition_broadcast(table->was_let);
        }
        mm_cancel_allow();
    }
    unlock();
}

enum mm_handle_kind mm_handle_kind(const void *handle)
{
    enum mm_handle_kind kind = MM_HANDLE_NONE;

    lock();
    struct entry *entry = find(handle);
    if (entry != NULL && !entry->is_leaving) {
        kind = entry->kind;
    }
    unlock();
    return kind;
}

enum mailmod_error mm_handle_remove(enum mm_handle_kind kind,
                                    const void *handle, unsigned own_holds)
{
    lock();
    struct entry *entry = find_here(kind, handle);
    if (entry != NULL) {
        entry->is_leaving = true;
        while (entry->holds > own_holds) {
            mm_condition_wait(table->was_let,
                              mm_process_mutex(MM_PROCESS_HANDLES));
        }
        (void)mm_map_remove(&table->entries, key_of(&handle));
        free_table_if_empty();
    }
    for (unsigned i = 0; entry != NULL && i < own_holds; i++) {
        mm_cancel_allow();
    }
    unlock();
    mm_free(entry);
    return entry != NULL ? MAILMOD_OK : refuse(handle);
}
