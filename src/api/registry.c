/* registry.c - which handles are alive.
 *
 * Owns a bounded map from pointer to kind and holders; the objects themselves
 * are never touched. Promises: between mm_registry_hold and mm_registry_let the
 * object is not given to whoever frees it; of several that remove one handle
 * at once, one gets it.
 * Thread: any; one mutex, held for a look-up alone. */
#include "api/registry.h"

#include "base/map.h"
#include "base/mem.h"
#include "platform/random.h"
#include "platform/thread.h"

/* Messages and requests of a host at once: a million handles are a leak. */
#define HANDLES_MAX 1000000

struct entry {
    enum mm_handle_kind kind;
    unsigned holds;
    bool is_leaving;
};

struct mm_registry {
    struct mm_mutex *lock;
    struct mm_condition *was_let;
    struct mm_map entries; /* the pointer's own octets: struct entry */
};

static struct mm_span key_of(const void *const *handle)
{
    return mm_span((const char *)handle, sizeof *handle);
}

static struct entry *find(struct mm_registry *registry, const void *handle)
{
    return mm_map_get(&registry->entries, key_of(&handle));
}

enum mailmod_error mm_registry_new(struct mm_registry **registry_out)
{
    struct mm_registry *registry = mm_alloc(sizeof *registry);
    uint64_t seed = 0;
    enum mailmod_error error;

    *registry_out = NULL;
    if (registry == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    error = mm_random(&seed, sizeof seed);
    mm_map_init(&registry->entries, HANDLES_MAX, seed);
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&registry->lock);
    }
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&registry->was_let);
    }
    *registry_out = registry;
    if (error != MAILMOD_OK) {
        mm_registry_free(registry_out);
    }
    return error;
}

static void free_entry(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    mm_free(value);
}

void mm_registry_free(struct mm_registry **registry)
{
    if (*registry == NULL) {
        return;
    }
    mm_map_each(&(*registry)->entries, free_entry, NULL);
    mm_map_fini(&(*registry)->entries);
    mm_condition_free(&(*registry)->was_let);
    mm_mutex_free(&(*registry)->lock);
    mm_free(*registry);
    *registry = NULL;
}

enum mailmod_error mm_registry_add(struct mm_registry *registry,
                                   enum mm_handle_kind kind, const void *handle)
{
    struct entry *entry = mm_alloc(sizeof *entry);
    enum mailmod_error error = MAILMOD_ERROR_EXISTS;

    if (entry == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    entry->kind = kind;
    mm_mutex_lock(registry->lock);
    if (find(registry, handle) == NULL) {
        error = mm_map_put(&registry->entries, key_of(&handle), entry);
    }
    mm_mutex_unlock(registry->lock);
    if (error != MAILMOD_OK) {
        mm_free(entry);
    }
    return error;
}

enum mm_handle_kind mm_registry_hold(struct mm_registry *registry,
                                     const void *handle)
{
    enum mm_handle_kind kind = MM_HANDLE_NONE;
    struct entry *entry;

    mm_mutex_lock(registry->lock);
    entry = find(registry, handle);
    if (entry != NULL && !entry->is_leaving) {
        kind = entry->kind;
        entry->holds++;
    }
    mm_mutex_unlock(registry->lock);
    return kind;
}

void mm_registry_let(struct mm_registry *registry, const void *handle)
{
    struct entry *entry;

    mm_mutex_lock(registry->lock);
    entry = find(registry, handle);
    if (entry != NULL && entry->holds > 0) {
        entry->holds--;
        mm_condition_broadcast(registry->was_let);
    }
    mm_mutex_unlock(registry->lock);
}

enum mailmod_error mm_registry_remove(struct mm_registry *registry,
                                      enum mm_handle_kind kind,
                                      const void *handle, unsigned own_holds)
{
    enum mailmod_error error = MAILMOD_ERROR_HANDLE;
    struct entry *entry;

    mm_mutex_lock(registry->lock);
    entry = find(registry, handle);
    if (entry != NULL && !entry->is_leaving && entry->kind == kind) {
        entry->is_leaving = true;
        while (entry->holds > own_holds) {
            mm_condition_wait(registry->was_let, registry->lock);
        }
        (void)mm_map_remove(&registry->entries, key_of(&handle));
        mm_free(entry);
        error = MAILMOD_OK;
    }
    mm_mutex_unlock(registry->lock);
    return error;
}
