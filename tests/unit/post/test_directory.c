/* test_directory.c - whose mailbox an address is, in the order of directory.h.
 * Thread: the test's. */
#include "crypto/scram.h"
#include "people.h"
#include "post/directory.h"

struct world_of_users {
    struct mm_store *store;
    uint64_t plain;    /* "alice" */
    uint64_t domain;   /* "alice@example.org" */
    uint64_t bob;      /* "bob" */
    uint64_t root;     /* "root": postmaster's stand-in */
    uint64_t everyone; /* "everyone": the catch-all */
};

static int begin(void **state)
{
    struct world_of_users *w = mm_alloc(sizeof *w);

    assert_non_null(w);
    assert_int_equal(mm_store_open_memory(&w->store, NULL), MAILMOD_OK);
    w->plain = rig_add_user(w->store, "alice", false);
    w->domain = rig_add_user(w->store, "alice@example.org", false);
    w->bob = rig_add_user(w->store, "bob", false);
    w->root = rig_add_user(w->store, "root", false);
    w->everyone = rig_add_user(w->store, "everyone", false);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world_of_users *w = *state;

    mm_store_close(&w->store);
    mm_free(w);
    return 0;
}

/* 0: no such user. */
static uint64_t find(struct world_of_users *w, const char *path,
                     const char *const *settings)
{
    struct mm_config *config = rig_config(settings);
    struct mm_address address = rig_address(path);
    struct mm_store_addressee user;
    enum mailmod_error error =
        mm_directory_find(w->store, config, &address, &user);

    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND);
    mm_config_unref(&config);
    return error == MAILMOD_OK ? user.mailbox_id : 0;
}

static const char *const two[] = {"local.domains=example.org, example.com",
                                  NULL};

static void test_users(void **state)
{
    struct world_of_users *w = *state;

    assert_int_equal(find(w, "<alice@example.org>", two), w->domain);
    assert_int_equal(find(w, "<alice@example.com>", two), w->plain);
    assert_int_equal(find(w, "<ALICE@EXAMPLE.com>", two), w->plain);
    assert_int_equal(find(w, "<\"alice\"@example.com>", two), w->plain);
    assert_int_equal(find(w, "<bob@example.org>", two), w->bob);
    assert_int_equal(find(w, "<bob@[127.0.0.1]>", two), w->bob);
    assert_int_equal(find(w, "<carol@example.org>", two), 0);
    assert_int_equal(find(w, "<bo@example.org>", two), 0);
}

static void test_plus(void **state)
{
    struct world_of_users *w = *state;
    static const char *const off[] = {"local.plus_separator=", NULL};
    static const char *const minus[] = {"local.plus_separator=-", NULL};

    assert_int_equal(find(w, "<bob+x@example.org>", two), w->bob);
    assert_int_equal(find(w, "<bob+x+y@example.org>", two), w->bob);
    assert_int_equal(find(w, "<bob+@example.org>", two), w->bob);
    assert_int_equal(find(w, "<alice+x@example.org>", two), w->domain);
    assert_int_equal(find(w, "<+bob@example.org>", two), 0);
    assert_int_equal(find(w, "<bob+x@example.org>", off), 0);
    assert_int_equal(find(w, "<bob-x@example.org>", minus), w->bob);
    assert_int_equal(find(w, "<bob+x@example.org>", minus), 0);
}

static void test_exact_before_plus(void **state)
{
    struct world_of_users *w = *state;
    uint64_t exact = rig_add_user(w->store, "bob+tag", false);

    assert_int_equal(find(w, "<bob+tag@example.org>", two), exact);
    assert_int_equal(find(w, "<bob+other@example.org>", two), w->bob);
}

/* A quoted at-sign names nobody else's mailbox. */
static void test_quoted_at(void **state)
{
    struct world_of_users *w = *state;

    assert_int_equal(find(w, "<\"alice@example.org\"@example.com>", two), 0);
    assert_int_equal(find(w, "<\"alice@example.org\"@example.org>", two), 0);
    assert_int_equal(find(w, "<\"bob@\"@example.org>", two), 0);
    assert_int_equal(find(w, "<\"@bob\"@example.org>", two), 0);
    assert_int_equal(find(w, "<\"\"@example.org>", two), 0);
}

static void test_postmaster(void **state)
{
    struct world_of_users *w = *state;
    static const char *const stand_in[] = {"local.postmaster=root", NULL};
    static const char *const capitals[] = {"local.postmaster=Root", NULL};
    static const char *const gone[] = {"local.postmaster=nobody", NULL};
    static const char *const whole[] = {"local.postmaster=alice@example.org",
                                        NULL};
    uint64_t own;

    assert_int_equal(find(w, "<Postmaster>", two), 0);
    assert_int_equal(find(w, "<Postmaster>", stand_in), w->root);
    assert_int_equal(find(w, "<PostMaster@example.org>", stand_in), w->root);
    assert_int_equal(find(w, "<postmaster+x@example.org>", stand_in), w->root);
    own = rig_add_user(w->store, "postmaster", false);
    assert_int_equal(find(w, "<Postmaster>", two), own);
    /* O02: it may have been made before the stand-in was there. */
    assert_int_equal(find(w, "<Postmaster>", stand_in), w->root);
    assert_int_equal(find(w, "<postmaster@example.org>", stand_in), w->root);
    assert_int_equal(find(w, "<postmaster@example.org>", capitals), w->root);
    assert_int_equal(find(w, "<postmaster@example.org>", gone), own);
    assert_int_equal(find(w, "<postmaster@example.org>", whole), w->domain);
    own = rig_add_user(w->store, "postmaster@example.org", false);
    assert_int_equal(find(w, "<postmaster@example.org>", stand_in), own);
}

static void test_catch_all(void **state)
{
    struct world_of_users *w = *state;
    static const char *const all[] = {"local.catch_all=everyone",
                                      "local.postmaster=root", NULL};
    static const char *const gone[] = {"local.catch_all=nobody", NULL};

    assert_int_equal(find(w, "<carol@example.org>", all), w->everyone);
    assert_int_equal(find(w, "<\"a@b\"@example.org>", all), w->everyone);
    assert_int_equal(find(w, "<bob@example.org>", all), w->bob);
    assert_int_equal(find(w, "<postmaster@example.org>", all), w->root);
    assert_int_equal(find(w, "<carol@example.org>", gone), 0);
}

static void test_longest_names(void **state)
{
    struct world_of_users *w = *state;
    char path[400];
    char local[65];
    char domain[200];
    char setting[260];
    const char *settings[] = {setting, NULL};

    memset(local, 'l', 64);
    local[64] = '\0';
    memset(domain, 'd', sizeof domain);
    for (size_t i = 60; i < 180; i += 60) {
        domain[i] = '.';
    }
    domain[180] = '\0';
    snprintf(setting, sizeof setting, "local.domains=%s", domain);
    snprintf(path, sizeof path, "<%s@%s>", local, domain);
    assert_int_equal(find(w, path, settings), 0);
    assert_true(rig_add_user(w->store, local, false) != 0);
    assert_int_not_equal(find(w, path, settings), 0);
}

static void test_is_local(void **state)
{
    static const struct {
        const char *path;
        bool is_local;
    } rows[] = {{"<a@example.org>", true},    {"<a@EXAMPLE.ORG>", true},
                {"<a@mx.example.org>", true}, /* the host's own name */
                {"<a@example.net>", false},   {"<a@sub.example.org>", false},
                {"<Postmaster>", true},       {"<>", false},
                {"<a@[192.0.2.25]>", true},   {"<a@[192.0.2.26]>", false},
                {"<a@[tag:x]>", false}};
    struct mm_config *config = rig_config(NULL);
    struct mm_netaddr local;

    (void)state;
    assert_true(mm_netaddr_parse_ip(mm_span_cstr("192.0.2.25"), &local));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_address address = rig_address(rows[i].path);

        if (mm_directory_is_local(config, &address, &local) !=
            rows[i].is_local) {
            fail_msg("%s", rows[i].path);
        }
        assert_true(address.domain_form != MM_DOMAIN_ADDRESS ||
                    !mm_directory_is_local(config, &address, NULL));
    }
    mm_config_unref(&config);
}

static void test_ensure(void **state)
{
    struct world_of_users *w = *state;
    struct mm_store_user user;
    char name[MM_STORE_USER_MAX + 10];
    uint64_t first = 0;
    uint64_t second = 0;

    assert_int_equal(mm_directory_ensure(w->store, "bob", &first), MAILMOD_OK);
    assert_int_equal(first, w->bob);
    assert_int_equal(mm_directory_ensure(w->store, "dave", &first), MAILMOD_OK);
    assert_int_equal(mm_directory_ensure(w->store, "dave", &second),
                     MAILMOD_OK);
    assert_int_equal(first, second);
    assert_int_equal(mm_store_find_user(w->store, "dave", &user), MAILMOD_OK);
    assert_false(user.has_password);
    assert_true(user.iterations >= MM_SCRAM_ITERATIONS);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mm_directory_ensure(w->store, name, &first),
                     MAILMOD_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_users, begin, end),
        cmocka_unit_test_setup_teardown(test_plus, begin, end),
        cmocka_unit_test_setup_teardown(test_exact_before_plus, begin, end),
        cmocka_unit_test_setup_teardown(test_quoted_at, begin, end),
        cmocka_unit_test_setup_teardown(test_postmaster, begin, end),
        cmocka_unit_test_setup_teardown(test_catch_all, begin, end),
        cmocka_unit_test_setup_teardown(test_longest_names, begin, end),
        cmocka_unit_test_setup_teardown(test_is_local, begin, end),
        cmocka_unit_test_setup_teardown(test_ensure, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
