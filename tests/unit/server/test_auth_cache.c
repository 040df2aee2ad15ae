/* test_auth_cache.c - passwords that are not hashed again, and those that are:
 * the hashes are counted. Thread: the test's. */
#include "attempt.h"
#include "crypto/scram.h"

/* The linker gives it each call of mm_pbkdf2_sha256: the hashes are counted. */
enum mailmod_error __wrap_mm_pbkdf2_sha256(struct mm_span password,
                                           struct mm_span salt,
                                           unsigned iterations,
                                           uint8_t key_out[MM_SHA256_SIZE]);
enum mailmod_error __real_mm_pbkdf2_sha256(struct mm_span password,
                                           struct mm_span salt,
                                           unsigned iterations,
                                           uint8_t key_out[MM_SHA256_SIZE]);
static unsigned hashes;
static unsigned hash_rounds; /* of the last one */

enum mailmod_error __wrap_mm_pbkdf2_sha256(struct mm_span password,
                                           struct mm_span salt,
                                           unsigned iterations,
                                           uint8_t key_out[MM_SHA256_SIZE])
{
    hashes++;
    hash_rounds = iterations;
    return __real_mm_pbkdf2_sha256(password, salt, iterations, key_out);
}

enum { CACHE_MS = 3600000 };

static void use_cache(struct attempt *a)
{
    assert_int_equal(mm_login_cache_init(&a->cache, 1), MAILMOD_OK);
    mm_login_cache_set_time(&a->cache, CACHE_MS, fake_now_ms());
    a->auth.cache = &a->cache;
}

/* The hashes that it cost. */
static unsigned cost(struct attempt *a, const char *user, const char *password,
                     enum mm_auth_verdict verdict)
{
    unsigned before = hashes;

    assert_int_equal(attempt_by_password(a, user, password), verdict);
    assert_true(attempt_is_wiped(a));
    return hashes - before;
}

static void test_cache(void **state)
{
    struct attempt *a = *state;
    static const char plain[] = "\0alice\0secret-alice";

    use_cache(a);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 0);
    assert_int_not_equal(a->auth.mailbox_id, 0);
    assert_int_equal(cost(a, "ALICE@example.org", "secret-alice", MM_AUTH_OK),
                     0);
    assert_string_equal(a->auth.user_name, "alice");
    /* By whatever shows it. */
    unsigned before = hashes;
    assert_int_equal(
        attempt_settle(a, mm_auth_begin(&a->auth, MM_SASL_PLAIN, true,
                                        mm_span(plain, sizeof plain - 1))),
        MM_AUTH_OK);
    assert_int_equal(
        mm_auth_begin(&a->auth, MM_SASL_LOGIN, true, mm_span_cstr("alice")),
        MM_AUTH_CHALLENGE);
    assert_int_equal(
        attempt_settle(
            a, mm_auth_continue(&a->auth, mm_span_cstr("secret-alice"))),
        MM_AUTH_OK);
    assert_int_equal(hashes, before);
    /* Each user's own. */
    assert_int_equal(cost(a, "bob", "secret-alice", MM_AUTH_REFUSED), 1);
    assert_int_equal(cost(a, "bob", "secret-bob", MM_AUTH_OK), 1);
    assert_int_equal(mm_login_cache_count(&a->cache), 2);
}

/* A guess pays, however often it is made, and whoever's name it has. */
static void test_cache_is_of_no_use_to_guesses(void **state)
{
    struct attempt *a = *state;

    use_cache(a);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cost(a, "alice", "wrong", MM_AUTH_REFUSED), 1);
        assert_int_equal(cost(a, "nobody", "secret-alice", MM_AUTH_REFUSED), 1);
    }
    assert_int_equal(mm_login_cache_count(&a->cache), 1);
}

/* What changes a user counts with the next login. */
static void test_cache_and_changes(void **state)
{
    struct attempt *a = *state;

    use_cache(a);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    rig_change_user(a->store, "alice", true, 0);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_REFUSED), 1);
    assert_true(a->auth.is_disabled);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_REFUSED), 1);
    rig_change_user(a->store, "alice", false, 0);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 0);
    rig_set_password(a->store, "alice", "another");
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_REFUSED), 1);
    assert_int_equal(cost(a, "alice", "another", MM_AUTH_OK), 1);
    assert_int_equal(cost(a, "alice", "another", MM_AUTH_OK), 0);
    rig_rename_user(a->store, "alice", "anna");
    assert_int_equal(cost(a, "alice", "another", MM_AUTH_REFUSED), 1);
    assert_int_equal(cost(a, "anna", "another", MM_AUTH_OK), 1);
    rig_remove_user(a->store, "bob");
    rig_remove_user(a->store, "anna");
    assert_int_equal(cost(a, "anna", "another", MM_AUTH_REFUSED), 1);
}

/* The same name, password, salt and keys: another user all the same. */
static void test_cache_and_a_new_user(void **state)
{
    struct attempt *a = *state;

    use_cache(a);
    assert_int_equal(cost(a, "bob", "secret-bob", MM_AUTH_OK), 1);
    uint64_t former = a->auth.mailbox_id;
    rig_remove_user(a->store, "bob");
    assert_int_equal(cost(a, "bob", "secret-bob", MM_AUTH_REFUSED), 1);
    rig_add_user(a->store, "bob", false);
    assert_int_equal(cost(a, "bob", "secret-bob", MM_AUTH_OK), 1);
    assert_int_not_equal(a->auth.mailbox_id, former);
}

static void test_cache_and_several_secrets(void **state)
{
    struct attempt *a = *state;

    use_cache(a);
    rig_put_secret(a->store, "alice", "phone", "app-phone");
    assert_int_equal(cost(a, "alice", "app-phone", MM_AUTH_OK), 1);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    assert_int_equal(cost(a, "alice", "app-phone", MM_AUTH_OK), 0);
    assert_string_equal(a->auth.secret, "phone");
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 0);
    assert_string_equal(a->auth.secret, "");
    rig_remove_secret(a->store, "alice", "phone");
    assert_int_equal(cost(a, "alice", "app-phone", MM_AUTH_REFUSED), 1);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
}

/* From the proof on, however often it came meanwhile. */
static void test_cache_ends(void **state)
{
    struct attempt *a = *state;

    use_cache(a);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    fake_run(CACHE_MS / 2);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 0);
    fake_run(CACHE_MS / 2);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 0);
    mm_login_cache_set_time(&a->cache, 0, fake_now_ms());
    assert_int_equal(mm_login_cache_count(&a->cache), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    }
    assert_int_equal(mm_login_cache_count(&a->cache), 0);
}

/* The host is asked each time, and what it refuses is refused. */
static void test_cache_and_the_host(void **state)
{
    struct attempt *a = *state;
    unsigned before = 0;

    use_cache(a);
    a->auth.on_ask = attempt_on_ask;
    a->asks = true;
    for (int i = 0; i < 4; i++) {
        static const enum mm_auth_decision decisions[] = {
            MM_AUTH_CHECK, MM_AUTH_CHECK, MM_AUTH_REFUSE, MM_AUTH_CHECK};

        a->seen_password[0] = '\0';
        assert_int_equal(mm_auth_password(&a->auth, mm_span_cstr("alice"),
                                          mm_span_cstr("secret-alice")),
                         MM_AUTH_WAIT);
        assert_string_equal(a->seen_password, "secret-alice");
        assert_int_equal(
            attempt_settle(a, mm_auth_decide(&a->auth, decisions[i])),
            decisions[i] == MM_AUTH_REFUSE ? MM_AUTH_REFUSED : MM_AUTH_OK);
        before = i == 0 ? hashes : before;
    }
    assert_int_equal(hashes, before);
}

/* A banned network is not told by the cache that it has the password. */
static void test_cache_and_a_ban(void **state)
{
    struct attempt *a = *state;

    use_cache(a);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    a->auth.is_barred = true;
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_REFUSED), 0);
    assert_int_equal(cost(a, "alice", "wrong", MM_AUTH_REFUSED), 0);
}

/* Who is unknown pays as much as who got a password by the present setting. */
static void test_iterations(void **state)
{
    struct attempt *a = *state;
    static const char *const settings[] = {"logins.iterations=5000", NULL};
    mm_config_unref(&a->config);
    a->config = rig_config(settings);
    a->auth.config = a->config;
    assert_int_equal(cost(a, "nobody", "x", MM_AUTH_REFUSED), 1);
    assert_int_equal(hash_rounds, 5000);
    assert_int_equal(cost(a, "alice", "secret-alice", MM_AUTH_OK), 1);
    assert_int_equal(hash_rounds, MM_SCRAM_ITERATIONS);
    assert_int_equal(
        attempt_settle(a, mm_auth_begin(&a->auth, MM_SASL_SCRAM_SHA_256, true,
                                        mm_span_cstr("n,,n=nobody,r=abcdef"))),
        MM_AUTH_CHALLENGE);
    assert_non_null(strstr(mm_buf_cstr(&a->auth.challenge), ",i=5000"));
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, attempt_begin, attempt_end),         \
    {                                                                          \
#name " (late)", name, attempt_begin_late, attempt_end, NULL           \
    }
    const struct CMUnitTest tests[] = {
        TEST(test_cache),
        TEST(test_cache_is_of_no_use_to_guesses),
        TEST(test_cache_and_changes),
        TEST(test_cache_and_a_new_user),
        TEST(test_cache_and_several_secrets),
        TEST(test_cache_ends),
        TEST(test_cache_and_the_host),
        TEST(test_cache_and_a_ban),
        TEST(test_iterations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
