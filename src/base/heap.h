/* thread: any (the owner's)
 * heap.h - a binary min-heap of nodes that live in their objects; each node
 * knows its place, so that removal from the middle is O(log n). */
#ifndef MM_BASE_HEAP_H
#define MM_BASE_HEAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mm_heap_node {
    uint64_t key;
    size_t place; /* 0: in no heap; else index + 1 */
};

struct mm_heap {
    struct mm_heap_node **nodes;
    size_t count;
    size_t capacity;
    size_t count_max;
};

void mm_heap_init(struct mm_heap *heap, size_t count_max);
void mm_heap_fini(struct mm_heap *heap);
/* LIMIT or MEMORY, and nothing is changed. A node that is in the heap already
 * is moved to its new key, which cannot fail; memory is never given back
 * before fini, so neither can a remove and an add of one node. */
enum mailmod_error mm_heap_add(struct mm_heap *heap, struct mm_heap_node *node,
                               uint64_t key);
void mm_heap_remove(struct mm_heap *heap, struct mm_heap_node *node);
struct mm_heap_node *mm_heap_first(const struct mm_heap *heap);

#endif
