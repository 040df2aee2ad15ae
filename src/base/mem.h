/* thread: any
 * mem.h - the only way the library takes heap memory.
 *
 * Every allocation may fail and returns NULL then; nothing aborts. A test
 * makes the n-th allocation fail with mm_mem_set_fault(). Memory that holds
 * secrets is wiped by mm_secret_clear() before it is freed. */
#ifndef MM_BASE_MEM_H
#define MM_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

void *mm_alloc(size_t size);                     /* zeroed */
void *mm_alloc_array(size_t count, size_t size); /* zeroed, overflow checked */
void *mm_realloc(void *memory, size_t size);
/* Room for one item of `size` octets more than `count`: `items` itself while
 * they have it, else moved into twice the room, and `*capacity` says so. NULL:
 * no memory, and nothing changed. */
void *mm_array_grow(void *items, size_t count, size_t *capacity, size_t size);
void mm_free(void *memory); /* NULL does nothing */
char *mm_strdup(const char *text);
/* Copies a text with its NUL to `*at`, which moves behind it: texts that are
 * freed together with what they belong to. */
const char *mm_text_put(char **at, const char *text);
char *mm_memdup0(const void *bytes, size_t size); /* copies, adds a NUL */

/* Where memory comes from instead of the C library. `allocate` and `resize`
 * take 1 octet or more, `resize` and `release` never take NULL. Called from any
 * thread. */
struct mm_mem_source {
    void *(*allocate)(void *context, size_t size);
    void *(*resize)(void *context, void *memory, size_t size);
    void (*release)(void *context, void *memory);
    void *context;
};
/* Any memory was taken through this door in this process. */
bool mm_mem_is_used(void);
/* For as long as the process lives. Before memory is taken, and with nobody
 * else at it. */
void mm_mem_use(const struct mm_mem_source *source);

/* Overwrites memory in a way that the compiler may not drop. */
void mm_secret_clear(void *memory, size_t size);

/* For tests: the allocation with this number (1 is the next) fails, and with
 * `sticky` every later one too; 0 switches faults off. Returns how many
 * allocations were made since the last call. Process-wide. */
unsigned long mm_mem_set_fault(unsigned long number, int sticky);

#endif
