/* test_srs.c - reverse-paths of ours for others' mail, and the way back.
 * Thread: the test's. */
#include "people.h"
#include "post/srs.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define NOW_MS (INT64_C(20000) * DAY_MS + 5)

struct world {
    struct mm_store *store;
    struct mm_store *other; /* another host's */
    struct mm_config *config;
    struct mm_config *other_config;
};

static int begin(void **state)
{
    static const char *const settings[] = {"local.srs_domain=example.org",
                                           NULL};
    static const char *const others[] = {"local.domains=other.test",
                                         "local.srs_domain=other.test", NULL};
    struct world *w = mm_alloc(sizeof *w);

    assert_non_null(w);
    assert_int_equal(mm_store_open_memory(&w->store, NULL), MAILMOD_OK);
    assert_int_equal(mm_store_open_memory(&w->other, NULL), MAILMOD_OK);
    w->config = rig_config(settings);
    w->other_config = rig_config(others);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;

    mm_config_unref(&w->config);
    mm_config_unref(&w->other_config);
    mm_store_close(&w->store);
    mm_store_close(&w->other);
    mm_free(w);
    return 0;
}

static enum mm_srs_verdict back(struct mm_store *store, const char *path,
                                int64_t now_ms,
                                char out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address address;

    assert_int_equal(
        mm_address_parse(mm_span_cstr(path), false, true, &address),
        MAILMOD_OK);
    return mm_srs_reverse(store, &address, now_ms, out);
}

static void test_what_is_rewritten(void **state)
{
    struct world *w = *state;
    char path[MM_STORE_REVERSE_PATH_MAX];
    char text[MM_STORE_REVERSE_PATH_MAX];
    char longest[300];
    static const struct {
        const char *reverse_path;
        bool is_rewritten;
    } rows[] = {
        {"alice@far.test", true},
        {"Al.ice+x=y-z@far.test", true},
        {"gr\xc3\xbcn@f\xc3\xa4r.test", true},
        {"SRS0@far.test", true},
        {"srs1=x@far.test", true},        /* no chain: as any path */
        {"SRS1=x=b.&==y@far.test", true}, /* nor one: there is no such host */
        {"SRS0=@far.test", true},
        {"SRS1=x=b.test==@far.test", true},
        {"", false},
        {"bob@example.org", false},
        {"bob@[192.0.2.1]", false},
        {"\"a b\"@far.test", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum mailmod_error error = mm_srs_forward(
            w->store, w->config, rows[i].reverse_path, NOW_MS, path);

        if (error !=
            (rows[i].is_rewritten ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND)) {
            fail_msg("%s: %d", rows[i].reverse_path, (int)error);
        }
        if (rows[i].is_rewritten) {
            assert_int_equal(strncmp(path, "SRS0=", 5), 0);
            assert_non_null(strstr(path, "@example.org"));
            assert_int_equal(back(w->store, path, NOW_MS, text), MM_SRS_OURS);
            assert_string_equal(text, rows[i].reverse_path);
        }
    }
    memset(longest, 'a', 250);
    snprintf(longest + 250, sizeof longest - 250, "@far.test");
    assert_int_equal(mm_srs_forward(w->store, w->config, longest, NOW_MS, path),
                     MAILMOD_ERROR_NOT_FOUND);
}

/* Each octet counts, in any case of letters; another store's is not ours. */
static void test_forged(void **state)
{
    struct world *w = *state;
    char path[MM_STORE_REVERSE_PATH_MAX];
    char text[MM_STORE_REVERSE_PATH_MAX];

    assert_int_equal(
        mm_srs_forward(w->store, w->config, "alice@far.test", NOW_MS, path),
        MAILMOD_OK);
    size_t size = (size_t)(strchr(path, '@') - path);
    for (size_t i = 5; i < size; i++) {
        char changed[MM_STORE_REVERSE_PATH_MAX];

        memcpy(changed, path, sizeof changed);
        changed[i] = changed[i] == 'q' ? 'r' : 'q';
        assert_int_equal(back(w->store, changed, NOW_MS, text), MM_SRS_FORGED);
        memcpy(changed, path, sizeof changed);
        memmove(changed + i, changed + i + 1, strlen(changed + i));
        assert_int_equal(back(w->store, changed, NOW_MS, text), MM_SRS_FORGED);
    }
    assert_int_equal(back(w->other, path, NOW_MS, text), MM_SRS_FORGED);
    char upper[MM_STORE_REVERSE_PATH_MAX];
    for (size_t i = 0; i < sizeof path; i++) {
        upper[i] =
            (char)(path[i] >= 'a' && path[i] <= 'z' ? path[i] - 32 : path[i]);
    }
    assert_int_equal(back(w->store, upper, NOW_MS, text), MM_SRS_OURS);
    assert_string_equal(text, "ALICE@far.test");
    static const char *const none[] = {"alice@example.org", "srs@example.org",
                                       "SRS0@example.org", "srs2=x@example.org",
                                       "srs0x@example.org"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(back(w->store, none[i], NOW_MS, text), MM_SRS_NONE);
    }
    static const char *const bad[] = {
        "SRS0=@example.org",        "SRS0=a@example.org",
        "SRS0=a=b=c@example.org",   "SRS0====@example.org",
        "SRS1=a@example.org",       "SRS1=a=b@example.org",
        "SRS1=a=b=@example.org",    "SRS1====@example.org",
        "SRS1=a=b==c=d@example.org"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(back(w->store, bad[i], NOW_MS, text), MM_SRS_FORGED);
    }
}

static void test_time(void **state)
{
    struct world *w = *state;
    char path[MM_STORE_REVERSE_PATH_MAX];
    char text[MM_STORE_REVERSE_PATH_MAX];
    static const struct {
        int days;
        enum mm_srs_verdict verdict;
    } rows[] = {
        {0, MM_SRS_OURS},     {MM_SRS_DAYS, MM_SRS_OURS},
        {-1, MM_SRS_OURS},    {MM_SRS_DAYS + 1, MM_SRS_EXPIRED},
        {-2, MM_SRS_EXPIRED}, {500, MM_SRS_EXPIRED},
    };

    /* Over the place where the days begin anew, too. */
    for (int64_t begin_day = 1020; begin_day < 1027; begin_day++) {
        assert_int_equal(mm_srs_forward(w->store, w->config, "alice@far.test",
                                        begin_day * DAY_MS, path),
                         MAILMOD_OK);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            assert_int_equal(
                back(w->store, path, (begin_day + rows[i].days) * DAY_MS, text),
                rows[i].verdict);
        }
    }
}

/* far.test -> other.test -> example.org -> third: the way back from us goes to
 * other.test, and leaves out who stands between. */
static void test_chain(void **state)
{
    struct world *w = *state;
    char first[MM_STORE_REVERSE_PATH_MAX];
    char second[MM_STORE_REVERSE_PATH_MAX];
    char text[MM_STORE_REVERSE_PATH_MAX];
    char back_to[MM_STORE_REVERSE_PATH_MAX];

    assert_int_equal(mm_srs_forward(w->other, w->other_config, "alice@far.test",
                                    NOW_MS, first),
                     MAILMOD_OK);
    assert_int_equal(mm_srs_forward(w->store, w->config, first, NOW_MS, second),
                     MAILMOD_OK);
    assert_int_equal(strncmp(second, "SRS1=", 5), 0);
    assert_non_null(strstr(second, "=other.test=="));
    assert_int_equal(back(w->store, second, NOW_MS, text), MM_SRS_OURS);
    assert_string_equal(text, first);
    assert_int_equal(back(w->other, text, NOW_MS, back_to), MM_SRS_OURS);
    assert_string_equal(back_to, "alice@far.test");
    /* One more between: the same length, and straight back to the first. */
    char foreign[] = "SRS1=zzzzzzzz=other.test==hash=tt=far.test=alice@third."
                     "test";
    assert_int_equal(
        mm_srs_forward(w->store, w->config, foreign, NOW_MS, second),
        MAILMOD_OK);
    assert_int_equal(back(w->store, second, NOW_MS, text), MM_SRS_OURS);
    assert_string_equal(text, "SRS0=hash=tt=far.test=alice@other.test");
    second[5] = second[5] == 'q' ? 'r' : 'q';
    assert_int_equal(back(w->store, second, NOW_MS, text), MM_SRS_FORGED);
    /* Names with underscores, which are no hosts' by RFC 1123, are known. */
    assert_int_equal(mm_srs_forward(w->store, w->config,
                                    "SRS0=a=b=c=d@two_words.test", NOW_MS,
                                    second),
                     MAILMOD_OK);
    assert_int_equal(back(w->store, second, NOW_MS, text), MM_SRS_OURS);
    assert_string_equal(text, "SRS0=a=b=c=d@two_words.test");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {TEST(test_what_is_rewritten),
                                       TEST(test_forged), TEST(test_time),
                                       TEST(test_chain)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
