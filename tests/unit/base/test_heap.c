/* test_heap.c - the heap gives the least key, whatever was moved or removed.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/mem.h"

enum { NODE_COUNT = 200 };

static void check(const struct mm_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        assert_int_equal(heap->nodes[i]->place, i + 1);
        if (i > 0) {
            assert_true(heap->nodes[(i - 1) / 2]->key <= heap->nodes[i]->key);
        }
    }
}

static void test_sorts(void **state)
{
    static const uint64_t keys[] = {5, 3, 9, 3, 0, UINT64_MAX, 7, 1, 1, 8};
    static const uint64_t sorted[] = {0, 1, 1, 3, 3, 5, 7, 8, 9, UINT64_MAX};
    struct mm_heap_node nodes[10] = {{0, 0}};
    struct mm_heap heap;
    (void)state;
    mm_heap_init(&heap, 10);
    assert_null(mm_heap_first(&heap));
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(mm_heap_add(&heap, &nodes[i], keys[i]), MAILMOD_OK);
        check(&heap);
    }
    for (size_t i = 0; i < 10; i++) {
        struct mm_heap_node *first = mm_heap_first(&heap);
        assert_true(first->key == sorted[i]);
        mm_heap_remove(&heap, first);
        assert_int_equal(first->place, 0);
        check(&heap);
    }
    assert_null(mm_heap_first(&heap));
    mm_heap_fini(&heap);
}

static void test_limit(void **state)
{
    struct mm_heap_node nodes[3] = {{0, 0}};
    struct mm_heap heap;
    (void)state;
    mm_heap_init(&heap, 2);
    assert_int_equal(mm_heap_add(&heap, &nodes[0], 1), MAILMOD_OK);
    assert_int_equal(mm_heap_add(&heap, &nodes[1], 2), MAILMOD_OK);
    assert_int_equal(mm_heap_add(&heap, &nodes[2], 0), MAILMOD_ERROR_LIMIT);
    assert_int_equal(nodes[2].place, 0);
    assert_int_equal(mm_heap_add(&heap, &nodes[1], 0), MAILMOD_OK);
    assert_ptr_equal(mm_heap_first(&heap), &nodes[1]);
    mm_heap_remove(&heap, &nodes[2]); /* harmless */
    assert_int_equal(heap.count, 2);
    mm_heap_fini(&heap);
    assert_int_equal(nodes[0].place, 0);
}

static void test_random_walk(void **state)
{
    static struct mm_heap_node nodes[NODE_COUNT];
    struct mm_heap heap;
    uint32_t random = 4711;
    (void)state;
    mm_heap_init(&heap, NODE_COUNT);
    for (int round = 0; round < 20000; round++) {
        random = random * 1103515245u + 12345u;
        struct mm_heap_node *node = &nodes[(random >> 8) % NODE_COUNT];
        if (random >> 31 == 0) {
            assert_int_equal(mm_heap_add(&heap, node, random >> 20),
                             MAILMOD_OK);
        } else {
            mm_heap_remove(&heap, node);
        }
        check(&heap);
    }
    mm_heap_fini(&heap);
}

static void test_out_of_memory(void **state)
{
    struct mm_heap_node nodes[17] = {{0, 0}};
    struct mm_heap heap;
    (void)state;
    mm_heap_init(&heap, 100);
    mm_mem_set_fault(2, 0);
    for (uint64_t i = 0; i < 16; i++) {
        assert_int_equal(mm_heap_add(&heap, &nodes[i], i), MAILMOD_OK);
    }
    assert_int_equal(mm_heap_add(&heap, &nodes[16], 0), MAILMOD_ERROR_MEMORY);
    mm_mem_set_fault(1, 1);
    mm_heap_remove(&heap, &nodes[3]);
    assert_int_equal(mm_heap_add(&heap, &nodes[3], 50), MAILMOD_OK);
    mm_mem_set_fault(0, 0);
    assert_int_equal(heap.count, 16);
    check(&heap);
    mm_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorts),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_random_walk),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
