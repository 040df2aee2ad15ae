/* test_map.c - the bounded map, held against a plain array.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { KEY_COUNT = 300 };

static struct mm_span key_of(int number, char text[16])
{
    snprintf(text, 16, "key-%d", number);
    return mm_span_cstr(text);
}

static void test_few(void **state)
{
    struct mm_map map;
    int one = 1;
    int two = 2;
    (void)state;
    mm_map_init(&map, 2, 7);
    assert_null(mm_map_get(&map, mm_span_cstr("a")));
    assert_null(mm_map_remove(&map, mm_span_cstr("a")));
    assert_int_equal(mm_map_put(&map, mm_span_cstr("a"), &one), MAILMOD_OK);
    assert_int_equal(mm_map_put(&map, mm_span(NULL, 0), &two), MAILMOD_OK);
    assert_ptr_equal(mm_map_get(&map, mm_span_cstr("a")), &one);
    assert_ptr_equal(mm_map_get(&map, mm_span_cstr("")), &two);
    assert_null(mm_map_get(&map, mm_span_cstr("A")));
    assert_int_equal(mm_map_put(&map, mm_span_cstr("b"), &one),
                     MAILMOD_ERROR_LIMIT);
    assert_int_equal(mm_map_put(&map, mm_span_cstr("a"), &two), MAILMOD_OK);
    assert_ptr_equal(mm_map_remove(&map, mm_span_cstr("a")), &two);
    assert_null(mm_map_remove(&map, mm_span_cstr("a")));
    assert_int_equal(mm_map_put(&map, mm_span_cstr("b"), &one), MAILMOD_OK);
    assert_int_equal(map.count, 2);
    mm_map_fini(&map);
    assert_null(mm_map_get(&map, mm_span_cstr("b")));
}

/* Keys are bytes, NUL and all, and the map has its own copy. */
static void test_keys_are_bytes(void **state)
{
    struct mm_map map;
    char key[4] = {'a', '\0', 'b', 'c'};
    (void)state;
    mm_map_init(&map, 10, 0);
    assert_int_equal(mm_map_put(&map, mm_span(key, 3), &map), MAILMOD_OK);
    assert_null(mm_map_get(&map, mm_span(key, 4)));
    assert_null(mm_map_get(&map, mm_span(key, 1)));
    key[0] = 'x';
    assert_null(mm_map_get(&map, mm_span(key, 3)));
    key[0] = 'a';
    assert_ptr_equal(mm_map_get(&map, mm_span(key, 3)), &map);
    mm_map_fini(&map);
}

static void test_against_array(void **state)
{
    static int values[KEY_COUNT];
    void *expected[KEY_COUNT] = {NULL};
    struct mm_map map;
    uint32_t random = 99;
    size_t count = 0;
    char text[16];
    (void)state;
    mm_map_init(&map, KEY_COUNT, 1234);
    for (int round = 0; round < 60000; round++) {
        random = random * 1103515245u + 12345u;
        int n = (int)((random >> 8) % KEY_COUNT);
        struct mm_span key = key_of(n, text);
        if ((random >> 28) % 2 == 0) {
            count += expected[n] == NULL;
            expected[n] = &values[random >> 20 & 255];
            assert_int_equal(mm_map_put(&map, key, expected[n]), MAILMOD_OK);
        } else {
            count -= expected[n] != NULL;
            assert_ptr_equal(mm_map_remove(&map, key), expected[n]);
            expected[n] = NULL;
        }
        assert_int_equal(map.count, count);
        assert_true(map.count + map.tombs < map.capacity);
    }
    for (int n = 0; n < KEY_COUNT; n++) {
        assert_ptr_equal(mm_map_get(&map, key_of(n, text)), expected[n]);
    }
    mm_map_fini(&map);
}

/* Put and removed for ever, a map of few keys does not grow: what was
 * removed is swept. */
static void test_tombs_are_swept(void **state)
{
    struct mm_map map;
    char text[16];
    (void)state;
    mm_map_init(&map, 8, 5);
    for (int i = 0; i < 50000; i++) {
        assert_int_equal(mm_map_put(&map, key_of(i, text), &map), MAILMOD_OK);
        if (i >= 5) {
            assert_ptr_equal(mm_map_remove(&map, key_of(i - 5, text)), &map);
        }
    }
    assert_int_equal(map.count, 5);
    assert_true(map.capacity <= 32);
    mm_map_fini(&map);
}

struct visits {
    struct mm_map *map;
    unsigned char seen[KEY_COUNT];
    int is_removing;
};

static void on_entry(void *context, struct mm_span key, void *value)
{
    struct visits *visits = context;
    uint64_t number;
    assert_ptr_equal(value, visits->map);
    assert_true(mm_span_to_u64(mm_span_from(key, 4), &number));
    visits->seen[number]++;
    if (visits->is_removing && number % 3 != 0) {
        assert_ptr_equal(mm_map_remove(visits->map, key), visits->map);
    }
}

static void test_each(void **state)
{
    struct mm_map map;
    struct visits visits = {&map, {0}, 1};
    char text[16];
    (void)state;
    mm_map_init(&map, KEY_COUNT, 5);
    for (int i = 0; i < KEY_COUNT; i++) {
        assert_int_equal(mm_map_put(&map, key_of(i, text), &map), MAILMOD_OK);
    }
    mm_map_each(&map, on_entry, &visits);
    for (int i = 0; i < KEY_COUNT; i++) {
        assert_int_equal(visits.seen[i], 1);
        assert_int_equal(mm_map_get(&map, key_of(i, text)) != NULL, i % 3 == 0);
    }
    mm_map_each(&map, on_entry, &visits);
    for (int i = 0; i < KEY_COUNT; i++) {
        assert_int_equal(visits.seen[i], i % 3 == 0 ? 2 : 1);
    }
    mm_map_fini(&map);
}

static void on_order(void *context, struct mm_span key, void *value)
{
    char **at = context;
    (void)value;
    **at = key.data[key.size - 1];
    (*at)++;
}

/* The places of keys depend on the seed: whoever does not know it cannot
 * choose keys that fall together. */
static void test_seed_moves_keys(void **state)
{
    char orders[2][10] = {"", ""};
    (void)state;
    for (unsigned seed = 0; seed < 2; seed++) {
        struct mm_map map;
        char text[16];
        char *at = orders[seed];
        mm_map_init(&map, 10, seed);
        for (int i = 0; i < 9; i++) {
            assert_int_equal(mm_map_put(&map, key_of(i, text), &map),
                             MAILMOD_OK);
        }
        mm_map_each(&map, on_order, &at);
        mm_map_fini(&map);
    }
    assert_int_equal(strlen(orders[0]), 9);
    assert_string_not_equal(orders[0], orders[1]);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < 4; n++) {
        struct mm_map map;
        mm_map_init(&map, 100, 5);
        mm_mem_set_fault(n, 0);
        enum mailmod_error error = mm_map_put(&map, mm_span_cstr("k"), &map);
        mm_mem_set_fault(0, 0);
        assert_int_equal(error, n < 3 ? MAILMOD_ERROR_MEMORY : MAILMOD_OK);
        assert_int_equal(map.count, n < 3 ? 0 : 1);
        assert_int_equal(mm_map_put(&map, mm_span_cstr("k"), &map), MAILMOD_OK);
        assert_ptr_equal(mm_map_get(&map, mm_span_cstr("k")), &map);
        mm_map_fini(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_keys_are_bytes),
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_tombs_are_swept),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_seed_moves_keys),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
