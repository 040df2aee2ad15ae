/* thread: any
 * mem.h - the only way the library takes heap memory.
 *
 * Every allocation may fail and returns NULL then; nothing aborts. A test
 * makes the n-th allocation fail with mm_mem_set_fault(). Memory that holds
 * secrets is wiped by mm_secret_clear() before it is freed. */
#ifndef MM_BASE_MEM_H
#define MM_BASE_MEM_H

#include <stddef.h>

void *mm_alloc(size_t size);                     /* zeroed */
void *mm_alloc_array(size_t count, size_t size); /* zeroed, overflow checked */
void *mm_realloc(void *memory, size_t size);
void mm_free(void *memory); /* NULL does nothing */
char *mm_strdup(const char *text);
char *mm_memdup0(const void *bytes, size_t size); /* copies, adds a NUL */

/* Overwrites memory in a way that the compiler may not drop. */
void mm_secret_clear(void *memory, size_t size);

/* For tests: the allocation with this number (1 is the next) fails, and with
 * `sticky` every later one too; 0 switches faults off. Returns how many
 * allocations were made since the last call. Process-wide. */
unsigned long mm_mem_set_fault(unsigned long number, int sticky);

#endif
