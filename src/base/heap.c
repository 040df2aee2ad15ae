/* heap.c - the binary min-heap of embedded nodes.
 *
 * Owns the array of pointers, grown by doubling and never shrunk: once a node
 * has been in the heap, taking it out and putting it back cannot fail while
 * nothing else was added. Nodes with equal keys come out in no promised
 * order. A node is in one heap at most; adding one that is in moves it.
 * Thread: any (the owner's). */
#include "base/heap.h"
#include "base/mem.h"

#include <string.h>

void mm_heap_init(struct mm_heap *heap, size_t count_max)
{
    memset(heap, 0, sizeof *heap);
    heap->count_max = count_max;
}

void mm_heap_fini(struct mm_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        heap->nodes[i]->place = 0;
    }
    mm_free(heap->nodes);
    mm_heap_init(heap, heap->count_max);
}

static void set(struct mm_heap *heap, size_t at, struct mm_heap_node *node)
{
    heap->nodes[at] = node;
    node->place = at + 1;
}

static void sift_up(struct mm_heap *heap, size_t at)
{
    struct mm_heap_node *node = heap->nodes[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (heap->nodes[parent]->key <= node->key) {
            break;
        }
        set(heap, at, heap->nodes[parent]);
        at = parent;
    }
    set(heap, at, node);
}

static void sift_down(struct mm_heap *heap, size_t at)
{
    struct mm_heap_node *node = heap->nodes[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count &&
            heap->nodes[child + 1]->key < heap->nodes[child]->key) {
            child++;
        }
        if (node->key <= heap->nodes[child]->key) {
            break;
        }
        set(heap, at, heap->nodes[child]);
        at = child;
    }
    set(heap, at, node);
}

static enum mailmod_error make_room(struct mm_heap *heap)
{
    if (heap->count >= heap->count_max) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_heap_node **nodes = mm_array_grow(
        heap->nodes, heap->count, &heap->capacity, sizeof *heap->nodes);
    if (nodes == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    heap->nodes = nodes;
    return MAILMOD_OK;
}

enum mailmod_error mm_heap_add(struct mm_heap *heap, struct mm_heap_node *node,
                               uint64_t key)
{
    if (node->place != 0) {
        node->key = key;
        sift_up(heap, node->place - 1);
        sift_down(heap, node->place - 1);
        return MAILMOD_OK;
    }
    enum mailmod_error error = make_room(heap);
    if (error != MAILMOD_OK) {
        return error;
    }
    node->key = key;
    heap->nodes[heap->count] = node;
    heap->count++;
    sift_up(heap, heap->count - 1);
    return MAILMOD_OK;
}

void mm_heap_remove(struct mm_heap *heap, struct mm_heap_node *node)
{
    if (node->place == 0) {
        return;
    }
    size_t at = node->place - 1;
    node->place = 0;
    heap->count--;
    if (at == heap->count) {
        return;
    }
    set(heap, at, heap->nodes[heap->count]);
    sift_up(heap, at);
    sift_down(heap, heap->nodes[at]->place - 1);
}

struct mm_heap_node *mm_heap_first(const struct mm_heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}
