/* mem.c - the heap behind one door, so that every failure can be provoked.
 *
 * Owns mutable globals: the source that the host gave, and the fault counters
 * of the tests. They are process-wide because an allocation has no context to
 * carry them in. The source is written before any memory is taken, and read
 * afterwards alone. The counters are atomic because allocations come from all
 * threads, and untouched until a test first calls mm_mem_set_fault(): a host
 * pays one relaxed load.
 * Promises zeroed memory from mm_alloc and mm_alloc_array, NULL (never an
 * abort) when there is none, and a usable pointer for size 0.
 * Thread: any. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 16 };

static struct mm_mem_source source; /* allocate NULL: the C library */
static atomic_bool is_used;

static atomic_bool fault_is_counting;
static atomic_ulong fault_count;  /* allocations since the last call */
static atomic_ulong fault_number; /* the one to fail; 0 none */
static atomic_bool fault_is_sticky;

static int is_fault(void)
{
    if (!atomic_load_explicit(&fault_is_counting, memory_order_relaxed)) {
        return 0;
    }
    unsigned long count = atomic_fetch_add(&fault_count, 1) + 1;
    unsigned long number = atomic_load(&fault_number);
    if (number == 0 || count < number) {
        return 0;
    }
    return count == number || atomic_load(&fault_is_sticky);
}

bool mm_mem_is_used(void)
{
    return atomic_load(&is_used);
}

void mm_mem_use(const struct mm_mem_source *wanted)
{
    source = *wanted;
}

/* Written once: the line of the cache is everybody's. */
static void note_use(void)
{
    if (!atomic_load_explicit(&is_used, memory_order_relaxed)) {
        atomic_store(&is_used, true);
    }
}

static void *take_zeroed(size_t size)
{
    if (source.allocate == NULL) {
        return calloc(1, size);
    }
    void *memory = source.allocate(source.context, size);
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void *mm_alloc(size_t size)
{
    return mm_alloc_array(1, size);
}

void *mm_alloc_array(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    if (is_fault()) {
        return NULL;
    }
    note_use();
    /* calloc(0) may give NULL, which here would read as "out of memory". */
    return take_zeroed(count == 0 || size == 0 ? 1 : count * size);
}

void *mm_realloc(void *memory, size_t size)
{
    if (is_fault()) {
        return NULL;
    }
    note_use();
    /* realloc(p, 0) frees on some systems and not on others. */
    size = size == 0 ? 1 : size;
    if (source.allocate == NULL) {
        return realloc(memory, size);
    }
    return memory == NULL ? source.allocate(source.context, size)
                          : source.resize(source.context, memory, size);
}

void *mm_array_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    size_t wanted = *capacity == 0 ? CAPACITY_FIRST : 2 * *capacity;
    /* No object is larger than PTRDIFF_MAX (C11 7.20.3): not asked for. */
    if (wanted < *capacity || wanted > PTRDIFF_MAX / size) {
        return NULL;
    }
    void *grown = mm_realloc(items, wanted * size);
    if (grown != NULL) {
        *capacity = wanted;
    }
    return grown;
}

void mm_free(void *memory)
{
    if (source.allocate == NULL) {
        free(memory);
    } else if (memory != NULL) {
        source.release(source.context, memory);
    }
}

char *mm_strdup(const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    return mm_memdup0(text, strlen(text));
}

const char *mm_text_put(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = *at;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

char *mm_memdup0(const void *bytes, size_t size)
{
    if (size == SIZE_MAX) {
        return NULL;
    }
    char *copy = mm_alloc(size + 1);
    if (copy != NULL && size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

void mm_secret_clear(void *memory, size_t size)
{
    /* Through a pointer that may change: a plain memset of memory that is freed
     * next is a dead store, and compilers drop it. */
    static void *(*const volatile set)(void *, int, size_t) = memset;

    if (size > 0) {
        set(memory, 0, size);
    }
}

unsigned long mm_mem_set_fault(unsigned long number, int sticky)
{
    atomic_store(&fault_number, 0);
    unsigned long count = atomic_exchange(&fault_count, 0);
    atomic_store(&fault_is_sticky, sticky != 0);
    atomic_store(&fault_number, number);
    atomic_store(&fault_is_counting, true);
    return count;
}
