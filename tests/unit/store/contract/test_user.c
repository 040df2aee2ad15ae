/* test_user.c - users and the mailboxes that come and go with them, on disk
 * and in memory. */
#include "../fixture.h"

#include "platform/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum mailmod_error add(struct mm_store_transaction *t, void *context)
{
    return mm_store_add_user(t, context);
}

static enum mailmod_error change(struct mm_store_transaction *t, void *context)
{
    return mm_store_change_user(t, context);
}

static enum mailmod_error remove_user(struct mm_store_transaction *t,
                                      void *context)
{
    return mm_store_remove_user(t, context);
}

static struct mm_store_user make(const char *name, bool has_password)
{
    struct mm_store_user user = {.iterations = 4096,
                                 .has_password = has_password};
    strcpy(user.name, name);
    memset(user.salt, 0, sizeof user.salt); /* octets of every value */
    for (unsigned i = 0; i < 32; i++) {
        user.stored_key[i] = (uint8_t)(i * 8);
        user.server_key[i] = (uint8_t)(255 - i);
    }
    if (has_password) {
        strcpy(user.password, "p\xc3\xa4ssword 'quoted\"");
    }
    return user;
}

static void check_same(const struct mm_store_user *a,
                       const struct mm_store_user *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->mailbox_id, b->mailbox_id);
    assert_memory_equal(a->salt, b->salt, sizeof a->salt);
    assert_int_equal(a->iterations, b->iterations);
    assert_memory_equal(a->stored_key, b->stored_key, sizeof a->stored_key);
    assert_memory_equal(a->server_key, b->server_key, sizeof a->server_key);
    assert_int_equal(a->has_password, b->has_password);
    assert_string_equal(a->password, b->password);
}

static void test_add_find_change(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store_user user = make("Alice@Example.ORG", true);
    struct mm_store_user found;
    assert_int_equal(fixture_run(fixture->store, add, &user), MAILMOD_OK);
    assert_string_equal(user.name, "alice@example.org");
    assert_int_not_equal(user.mailbox_id, 0);
    assert_int_equal(
        mm_store_find_user(fixture->store, "alice@example.org", &found),
        MAILMOD_OK);
    check_same(&user, &found);
    assert_int_equal(mm_store_find_user(fixture->store, "alice", &found),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_store_find_user(fixture->store, "", &found),
                     MAILMOD_ERROR_NOT_FOUND);
    struct mm_store_user again = make("ALICE@example.org", false);
    assert_int_equal(fixture_run(fixture->store, add, &again),
                     MAILMOD_ERROR_EXISTS);
    user.has_password = false;
    user.password[0] = '\0';
    user.iterations = 10000;
    user.server_key[7] = 99;
    assert_int_equal(fixture_run(fixture->store, change, &user), MAILMOD_OK);
    assert_int_equal(
        mm_store_find_user(fixture->store, "alice@example.org", &found),
        MAILMOD_OK);
    check_same(&user, &found);
    again = make("nobody", false);
    assert_int_equal(fixture_run(fixture->store, change, &again),
                     MAILMOD_ERROR_NOT_FOUND);
}

static void test_longest_names(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store_user user = make("", true);
    struct mm_store_user found;
    memset(user.name, 'n', sizeof user.name - 1);
    memset(user.password, 'p', sizeof user.password - 1);
    assert_int_equal(fixture_run(fixture->store, add, &user), MAILMOD_OK);
    assert_int_equal(mm_store_find_user(fixture->store, user.name, &found),
                     MAILMOD_OK);
    check_same(&user, &found);
}

/* The mailbox goes too, but not what others have of its mail. */
static void test_remove(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    char name[] = "alice";
    uint32_t tag;
    uint32_t new_tag;
    uint64_t boxes[2] = {fixture_add_user(store, name),
                         fixture_add_user(store, "bob")};
    uint64_t both = fixture_deliver(store, 100, boxes, 2);
    uint64_t one = 0;
    for (int i = 0; i < 1500; i++) { /* more than are removed at a time */
        one = fixture_deliver(store, 10, boxes, 1);
    }
    assert_int_equal(mm_store_mailbox_tag(store, boxes[0], &tag), MAILMOD_OK);
    assert_int_equal(fixture_run(store, remove_user, name), MAILMOD_OK);
    assert_int_equal(fixture_run(store, remove_user, name),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(fixture_count_entries(store, boxes[0]), 0);
    assert_int_equal(mm_store_mailbox_tag(store, boxes[0], &new_tag),
                     MAILMOD_ERROR_NOT_FOUND);
    while (fixture_has_message(store, one)) { /* goes in slices */
        mm_clock_sleep_ms(5);
    }
    fixture_check_body(store, both, 100);
    /* Made anew it is another mailbox with another tag. */
    uint64_t again = fixture_add_user(store, name);
    assert_int_not_equal(again, boxes[0]);
    assert_int_equal(mm_store_mailbox_tag(store, again, &new_tag), MAILMOD_OK);
    assert_int_not_equal(new_tag, tag);
    fixture_verify(store);
}

struct names {
    size_t count;
    size_t count_max;
    char names[8][MM_STORE_USER_MAX];
};

static bool on_user(void *context, const struct mm_store_user *user)
{
    struct names *names = context;
    strcpy(names->names[names->count++], user->name);
    return names->count < names->count_max;
}

static void test_each(void **state)
{
    struct fixture *fixture = *state;
    struct names names = {0, 8, {{0}}};
    (void)fixture_add_user(fixture->store, "carol");
    (void)fixture_add_user(fixture->store, "alice");
    (void)fixture_add_user(fixture->store, "bob");
    assert_int_equal(mm_store_each_user(fixture->store, on_user, &names),
                     MAILMOD_OK);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[0], "alice");
    assert_string_equal(names.names[1], "bob");
    assert_string_equal(names.names[2], "carol");
    names.count = 0;
    names.count_max = 1;
    assert_int_equal(mm_store_each_user(fixture->store, on_user, &names),
                     MAILMOD_OK);
    assert_int_equal(names.count, 1);
}

/* Every spelling of a name is one user (F04, F15). */
static void test_F15_spellings(void **state)
{
    static const char *const spellings[] = {
        "\u00c9lan@B\u00dcCHER.example", "\u00e9lan@xn--bcher-kva.example",
        "e\u0301lan@b\u00fccher.Example", "E\u0301LAN@XN--BCHER-KVA.EXAMPLE"};
    struct fixture *fixture = *state;
    struct mm_store_user user = make(spellings[0], false);
    struct mm_store_user found;
    assert_int_equal(fixture_run(fixture->store, add, &user), MAILMOD_OK);
    assert_string_equal(user.name, "\u00e9lan@xn--bcher-kva.example");
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        struct mm_store_user again = make(spellings[i], false);
        assert_int_equal(
            mm_store_find_user(fixture->store, spellings[i], &found),
            MAILMOD_OK);
        assert_int_equal(found.mailbox_id, user.mailbox_id);
        assert_int_equal(fixture_run(fixture->store, add, &again),
                         MAILMOD_ERROR_EXISTS);
    }
    assert_int_equal(mm_store_find_user(fixture->store, "\xff", &found),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_store_find_user(fixture->store, "a@\xff", &found),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(
        fixture_run(fixture->store, remove_user, (void *)spellings[2]),
        MAILMOD_OK);
    assert_int_equal(mm_store_find_user(fixture->store, spellings[0], &found),
                     MAILMOD_ERROR_NOT_FOUND);
}

/* The first of several names that somebody has, in the caller's order and not
 * the table's; what can be no name stands in nobody's way. */
static void test_first_of_names(void **state)
{
    static const struct {
        const char *names[MM_STORE_NAMES_MAX];
        size_t count;
        const char *found; /* NULL: nobody */
    } rows[] = {
        {{"zoe"}, 1, "zoe"},
        {{"zoe", "alice"}, 2, "zoe"},
        {{"alice", "zoe"}, 2, "alice"},
        {{"nobody", "zoe"}, 2, "zoe"},
        {{"nobody", "no-one", "ALICE"}, 3, "alice"},
        {{"zoe", "alice", "zoe"}, 3, "zoe"},
        {{"\xff", "a@\xff", "zoe"}, 3, "zoe"},
        {{"\xff", "alice"}, 2, "alice"},
        {{"", "zoe"}, 2, "zoe"},
        {{"nobody", "no-one"}, 2, NULL},
        {{"nobody", "no-one", "none"}, 3, NULL},
        {{"\xff", ""}, 2, NULL},
    };
    struct fixture *fixture = *state;
    struct mm_store_user zoe = make("zoe", true);
    struct mm_store_user alice = make("alice", false);
    struct mm_store_addressee found;
    zoe.quota = 4096;
    alice.is_disabled = true;
    assert_int_equal(fixture_run(fixture->store, add, &zoe), MAILMOD_OK);
    assert_int_equal(fixture_run(fixture->store, add, &alice), MAILMOD_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum mailmod_error error = mm_store_find_addressee(
            fixture->store, rows[i].names, rows[i].count, &found);
        if (rows[i].found == NULL) {
            assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
            continue;
        }
        assert_int_equal(error, MAILMOD_OK);
        const struct mm_store_user *user =
            strcmp(rows[i].found, "zoe") == 0 ? &zoe : &alice;
        assert_string_equal(found.name, user->name);
        assert_int_equal(found.mailbox_id, user->mailbox_id);
        assert_int_equal(found.is_disabled, user->is_disabled);
        assert_int_equal(found.quota, user->quota);
    }
}

struct renaming {
    const char *from;
    const char *to;
};

static enum mailmod_error rename_user(struct mm_store_transaction *t,
                                      void *context)
{
    const struct renaming *names = context;
    return mm_store_rename_user(t, names->from, names->to);
}

/* O08: the same mailbox and verifier under another name. */
static void test_O08_rename(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    struct mm_store_user user = {.name = "anna", .iterations = 7};
    struct mm_store_user other = {.name = "otto"};
    struct mm_store_user found;
    struct renaming names[] = {
        {"Anna", "Berta"}, {"anna", "x"}, {"berta", "otto"}};
    assert_int_equal(fixture_run(store, add, &user), MAILMOD_OK);
    assert_int_equal(fixture_run(store, add, &other), MAILMOD_OK);
    assert_int_equal(fixture_run(store, rename_user, &names[0]), MAILMOD_OK);
    assert_int_equal(fixture_run(store, rename_user, &names[1]),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(fixture_run(store, rename_user, &names[2]),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(mm_store_find_user(store, "berta", &found), MAILMOD_OK);
    assert_int_equal(found.mailbox_id, user.mailbox_id);
    assert_int_equal(found.iterations, 7);
    assert_int_equal(mm_store_find_user(store, "anna", &found),
                     MAILMOD_ERROR_NOT_FOUND);
}

/* Attack 31: a name is no path that leads upwards. */
static void test_F15_good_names(void **state)
{
    static const char *const good[] = {"alice", "\u00e9lan", "a.b+c@d.example",
                                       "\u674e@b\u00fccher.example"};
    static const char *const bad[] = {
        "",         "@",          "a@",     "@b",        "a@b@c", "a b",
        "a,b",      "\ufb01n",    "\uff41", "x\u00b2",   ".",     "..",
        "../../x",  ".a",         "a.",     "a..b",      "a.@b",  "a\u200db",
        "a\u202eb", "a\xc2\x85-", "\xff",   "a@b\uff20c"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(mm_user_name_is_good(mm_span_cstr(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(mm_user_name_is_good(mm_span_cstr(bad[i])));
    }
}

static uint64_t changes(struct mm_store *store)
{
    uint64_t count;
    assert_int_equal(mm_store_user_changes(store, &count), MAILMOD_OK);
    return count;
}

/* Users that were there; a new one is nobody's session. */
static void test_changes_are_counted(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store_user user = make("alice", false);
    char name[] = "alice";
    uint64_t before = changes(fixture->store);
    assert_int_equal(fixture_run(fixture->store, add, &user), MAILMOD_OK);
    assert_int_equal(changes(fixture->store), before);
    assert_int_equal(fixture_run(fixture->store, change, &user), MAILMOD_OK);
    assert_int_equal(changes(fixture->store), before + 1);
    assert_int_equal(fixture_run(fixture->store, remove_user, name),
                     MAILMOD_OK);
    assert_int_equal(changes(fixture->store), before + 2);
    assert_int_equal(fixture_run(fixture->store, remove_user, name),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(changes(fixture->store), before + 2);
}

struct octets {
    uint64_t box;
    uint64_t octets;
    enum mailmod_error error;
};

static enum mailmod_error ask_octets(struct mm_store_transaction *t,
                                     void *context)
{
    struct octets *octets = context;
    octets->error = mm_store_octets_of(t, octets->box, &octets->octets);
    return MAILMOD_OK;
}

static void test_octets_inside_a_job(void **state)
{
    struct fixture *fixture = *state;
    struct octets octets = {.box = fixture_add_user(fixture->store, "alice")};
    (void)fixture_deliver(fixture->store, 100, &octets.box, 1);
    assert_int_equal(fixture_run(fixture->store, ask_octets, &octets),
                     MAILMOD_OK);
    assert_int_equal(octets.error, MAILMOD_OK);
    assert_int_equal(octets.octets, 134);
    octets.box += 9;
    assert_int_equal(fixture_run(fixture->store, ask_octets, &octets),
                     MAILMOD_OK);
    assert_int_equal(octets.error, MAILMOD_ERROR_NOT_FOUND);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_add_find_change),
        FIXTURE_TEST(test_first_of_names),
        FIXTURE_TEST(test_longest_names),
        FIXTURE_TEST(test_remove),
        FIXTURE_TEST(test_changes_are_counted),
        FIXTURE_TEST(test_octets_inside_a_job),
        FIXTURE_TEST(test_each),
        FIXTURE_TEST(test_F15_spellings),
        FIXTURE_TEST(test_F15_good_names),
        FIXTURE_TEST(test_O08_rename)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
