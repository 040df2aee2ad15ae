/* test_login_cache.c - logins that were proved: what makes another login of
 * one, the time, the bound, and threads that use it at once. Thread: the
 * test's, and its own. */
#include "fake_world.h"
#include "server/login_cache.h"

#include <stdatomic.h>

enum { TIME_MS = 1000, THREADS = 4, ROUNDS = 300 };

static const char *const passwords[] = {"", "a", "secret"};

static int begin(void **state)
{
    struct mm_login_cache *cache = mm_alloc(sizeof *cache);

    assert_non_null(cache);
    assert_int_equal(mm_login_cache_init(cache, 5), MAILMOD_OK);
    mm_login_cache_set_time(cache, TIME_MS, 0);
    *state = cache;
    return 0;
}

static int end(void **state)
{
    mm_login_cache_fini(*state);
    mm_free(*state);
    return 0;
}

/* One of many sets of facts that differ in one place. */
struct variant {
    struct mm_login_facts facts;
    struct mm_scram_verifier verifier;
    struct mm_scram_further further[2];
};

static void make(struct variant *v, unsigned which)
{
    memset(v, 0, sizeof *v);
    v->facts = (struct mm_login_facts){.user = "alice",
                                       .mailbox_id = 7,
                                       .verifier = &v->verifier,
                                       .further = v->further,
                                       .further_count = 1,
                                       .password = mm_span_cstr("secret")};
    v->verifier.iterations = 4096;
    switch (which) {
    case 1:
        v->facts.user = "alic";
        break;
    case 2:
        v->facts.mailbox_id = 8;
        break;
    case 3:
        v->verifier.salt[15] = 1;
        break;
    case 4:
        v->verifier.iterations = 4097;
        break;
    case 5:
        v->verifier.stored_key[0] = 1;
        break;
    case 6:
        v->verifier.server_key[31] = 1;
        break;
    case 7:
        v->facts.further_count = 2;
        break;
    case 8:
        v->further[0].stored_key[0] = 1;
        break;
    case 9:
        v->facts.password = mm_span_cstr("secre");
        break;
    case 10:
        v->facts.password = mm_span("secret", 7);
        break;
    default:
        break;
    }
}

static void test_each_fact_counts(void **state)
{
    struct mm_login_cache *cache = *state;
    struct variant v;

    for (unsigned i = 0; i <= 10; i++) {
        make(&v, i);
        if (mm_login_cache_find(cache, &v.facts, 10) != -1) {
            fail_msg("%u is one of those before it", i);
        }
        mm_login_cache_put(cache, &v.facts, (int)i, 10);
    }
    for (unsigned i = 0; i <= 10; i++) {
        make(&v, i);
        assert_int_equal(mm_login_cache_find(cache, &v.facts, 11), (int)i);
    }
}

static void test_time(void **state)
{
    struct mm_login_cache *cache = *state;
    struct variant v;

    make(&v, 0);
    mm_login_cache_put(cache, &v.facts, 0, 5000);
    assert_int_equal(mm_login_cache_find(cache, &v.facts, 5999), 0);
    assert_int_equal(mm_login_cache_find(cache, &v.facts, 4990), 0);
    assert_int_equal(mm_login_cache_find(cache, &v.facts, 6000), -1);
    /* It goes with the next one, and not before its own time. */
    make(&v, 1);
    mm_login_cache_put(cache, &v.facts, 0, 5500);
    assert_int_equal(mm_login_cache_count(cache), 2);
    make(&v, 2);
    mm_login_cache_put(cache, &v.facts, 0, 6100);
    assert_int_equal(mm_login_cache_count(cache), 2);
    mm_login_cache_set_time(cache, 100, 6150);
    assert_int_equal(mm_login_cache_count(cache), 1);
    mm_login_cache_set_time(cache, 0, 6150);
    assert_int_equal(mm_login_cache_count(cache), 0);
    mm_login_cache_put(cache, &v.facts, 0, 6150);
    assert_int_equal(mm_login_cache_find(cache, &v.facts, 6150), -1);
    assert_int_equal(mm_login_cache_count(cache), 0);
}

static void test_bound(void **state)
{
    struct mm_login_cache *cache = *state;
    struct variant v;

    make(&v, 0);
    for (uint64_t i = 0; i < MM_LIMIT_CACHED_LOGINS + 100; i++) {
        v.facts.mailbox_id = i;
        mm_login_cache_put(cache, &v.facts, 0, 10);
    }
    assert_int_equal(mm_login_cache_count(cache), MM_LIMIT_CACHED_LOGINS);
    v.facts.mailbox_id = 99; /* the first ones went */
    assert_int_equal(mm_login_cache_find(cache, &v.facts, 10), -1);
    v.facts.mailbox_id = 100;
    assert_int_equal(mm_login_cache_find(cache, &v.facts, 10), 0);
}

/* Two processes, or two starts of one, have keys of their own. */
static void test_key(void **state)
{
    struct mm_login_cache *cache = *state;
    struct mm_login_cache other;

    assert_int_equal(mm_login_cache_init(&other, 5), MAILMOD_OK);
    assert_memory_not_equal(cache->key, other.key, sizeof other.key);
    mm_login_cache_fini(&other);
    assert_true(other.key[0] == 0 && other.key[31] == 0);
}

static atomic_bool is_wrong; /* cmocka fails on its own thread alone */

static void use(void *context)
{
    struct mm_login_cache *cache = context;
    struct variant v;

    for (unsigned i = 0; i < ROUNDS; i++) {
        make(&v, i % 3);
        v.facts.password = mm_span_cstr(passwords[i % 3]);
        int which = mm_login_cache_find(cache, &v.facts, i);
        if (which != -1 && which != (int)(i % 3)) {
            atomic_store(&is_wrong, true);
        }
        mm_login_cache_put(cache, &v.facts, (int)(i % 3), i);
        if (i % 16 == 0) {
            mm_login_cache_set_time(cache, TIME_MS, i);
        }
    }
}

static void test_threads(void **state)
{
    struct mm_thread *threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(mm_thread_start(&threads[i], "login", use, *state),
                         MAILMOD_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        mm_thread_join(&threads[i]);
    }
    assert_false(atomic_load(&is_wrong));
    assert_int_equal(mm_login_cache_count(*state), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_each_fact_counts),
        TEST(test_time),
        TEST(test_bound),
        TEST(test_key),
        TEST(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
