/* test_resolve.c - who gets what is sent to an address: one target, many, none,
 * later. Thread: the test's (the loop). */
#include "people.h"
#include "post/resolve.h"

struct asker {
    struct mm_store *store;
    struct mm_post *post;
    struct mm_config *config;
    struct mm_address address;
    struct mm_resolve resolve;
    unsigned answers;
};

static unsigned cancelled;

static void on_done(struct mm_resolve *resolve)
{
    MM_LIST_OBJECT(resolve, struct asker, resolve)->answers++;
}

static int begin(void **state)
{
    static const char *const settings[] = {"smarthost.host=", NULL};
    struct asker *a = mm_alloc(sizeof *a);
    const struct mm_post_options post = {.log = NULL};

    assert_non_null(a);
    assert_int_equal(mm_store_open_memory(&a->store, NULL), MAILMOD_OK);
    fake_open(a->store);
    rig_add_user(a->store, "alice", false);
    a->config = rig_config(settings);
    assert_int_equal(mm_post_new(&a->post, &post), MAILMOD_OK);
    mm_post_attach(a->post, a->store, fake_workers());
    cancelled = 0;
    *state = a;
    return 0;
}

static int end(void **state)
{
    struct asker *a = *state;

    mm_resolve_cancel(&a->resolve);
    mm_post_free(&a->post);
    mm_config_unref(&a->config);
    mm_store_close(&a->store);
    fake_close();
    mm_free(a);
    return 0;
}

static enum mm_answer ask(struct asker *a, const char *path)
{
    mm_resolve_cancel(&a->resolve);
    a->address = rig_address(path);
    a->resolve.post = a->post;
    a->resolve.config = a->config;
    a->resolve.address = &a->address;
    a->resolve.notify = 5;
    a->resolve.original_recipient = "rfc822;x@y";
    a->resolve.loop = fake_loop();
    a->resolve.done = on_done;
    return mm_resolve_ask(&a->resolve);
}

static const struct mm_target *only(struct asker *a)
{
    assert_int_equal(a->resolve.target_count, 1);
    return &a->resolve.targets[0];
}

static void test_one(void **state)
{
    struct asker *a = *state;

    assert_int_equal(ask(a, "<Alice+box@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_MAILBOX);
    assert_string_equal(only(a)->mailbox_name, "alice");
    assert_string_equal(only(a)->path, "Alice+box@example.org");
    assert_int_equal(only(a)->notify, 5);
    assert_string_equal(only(a)->original_recipient, "rfc822;x@y");
    assert_true(a->resolve.is_local);
    assert_int_equal(ask(a, "<nobody@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_REFUSED);
    assert_int_equal(only(a)->reply->code, 550);
    assert_true(a->resolve.is_local);
    assert_int_equal(ask(a, "<Dave@EXAMPLE.net>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_REMOTE);
    assert_string_equal(only(a)->destination, "example.net");
    assert_string_equal(only(a)->path, "Dave@example.net");
    assert_false(a->resolve.is_local);
    assert_int_equal(a->answers, 0); /* never from inside the question */
}

/* Steps of the test's own: "many" stands for 3, "ring" for itself, "crowd" for
 * more than there may be; "later" waits. */
static enum mm_step_verdict test_step(struct mm_resolve *resolve,
                                      struct mm_resolve_item *item)
{
    const char *local = item->address->local_part;
    struct mm_address other;

    if (strcmp(local, "many") == 0) {
        other = rig_address("<alice@example.org>");
        mm_resolve_expand(resolve, item, &other);
        other = rig_address("<bob@example.net>");
        mm_resolve_expand(resolve, item, &other);
        other = rig_address("<later@example.net>");
        mm_resolve_expand(resolve, item, &other);
        return MM_STEP_TAKEN;
    }
    if (strcmp(local, "ring") == 0) {
        mm_resolve_expand(resolve, item, item->address);
        return MM_STEP_TAKEN;
    }
    if (strcmp(local, "crowd") == 0) {
        const struct mm_target target = {
            .kind = MM_TARGET_REMOTE, .path = "x@y", .destination = "y"};

        for (unsigned i = 0; i <= MM_LIMIT_TARGETS; i++) {
            mm_resolve_add(resolve, &target);
        }
        return MM_STEP_TAKEN;
    }
    if (strcmp(local, "empty") == 0) {
        return MM_STEP_TAKEN;
    }
    return strcmp(local, "later") == 0 ? MM_STEP_PENDING : MM_STEP_PASS;
}

static void cancel_step(struct mm_resolve *resolve)
{
    (void)resolve;
    cancelled++;
}

static void use_test_steps(struct asker *a)
{
    static struct mm_resolve_step steps[3];
    size_t count = 0;
    const struct mm_resolve_step *own = mm_resolve_steps(&count);

    assert_int_equal(count, 2);
    steps[0].run = test_step;
    steps[0].cancel = cancel_step;
    steps[1] = own[0];
    steps[2] = own[1];
    a->post->steps = steps;
    a->post->step_count = 3;
}

static void test_many_and_later(void **state)
{
    struct asker *a = *state;

    use_test_steps(a);
    assert_int_equal(ask(a, "<many@example.org>"), MM_PENDING);
    assert_int_equal(a->answers, 0);
    mm_resolve_resume(&a->resolve, MM_STEP_PASS);
    assert_int_equal(a->answers, 1);
    assert_int_equal(a->resolve.target_count, 3);
    assert_int_equal(a->resolve.targets[0].kind, MM_TARGET_MAILBOX);
    assert_string_equal(a->resolve.targets[0].path, "alice@example.org");
    assert_string_equal(a->resolve.targets[0].mailbox_name, "alice");
    assert_string_equal(a->resolve.targets[1].path, "bob@example.net");
    assert_string_equal(a->resolve.targets[1].destination, "example.net");
    assert_string_equal(a->resolve.targets[2].path, "later@example.net");
    assert_int_equal(cancelled, 0);
}

/* After a cancel no `done` comes, and the step forgets what it had in work. */
static void test_cancel(void **state)
{
    struct asker *a = *state;

    use_test_steps(a);
    assert_int_equal(ask(a, "<later@example.org>"), MM_PENDING);
    mm_resolve_cancel(&a->resolve);
    assert_int_equal(cancelled, 1);
    mm_resolve_cancel(&a->resolve);
    assert_int_equal(cancelled, 1);
    assert_int_equal(a->answers, 0);
    assert_int_equal(ask(a, "<alice@example.org>"), MM_ANSWERED);
}

static void test_bounds(void **state)
{
    struct asker *a = *state;
    static const char *const paths[] = {"<ring@example.org>",
                                        "<crowd@example.org>"};

    use_test_steps(a);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ask(a, paths[i]), MM_ANSWERED);
        assert_int_equal(only(a)->kind, MM_TARGET_REFUSED);
        assert_string_equal(only(a)->reply->enhanced, "5.4.6");
    }
    assert_int_equal(ask(a, "<empty@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_REFUSED);
    assert_string_equal(only(a)->reply->enhanced, "5.1.1");
}

/* Out of memory it is "for now", and the other targets are dropped. */
static void test_no_memory(void **state)
{
    struct asker *a = *state;
    bool is_spoilt = true;

    use_test_steps(a);
    for (unsigned long n = 1; is_spoilt; n++) {
        assert_true(n < 50);
        mm_mem_set_fault(n, 0);
        if (ask(a, "<many@example.org>") == MM_PENDING) {
            mm_resolve_resume(&a->resolve, MM_STEP_PASS);
        }
        mm_mem_set_fault(0, 0);
        is_spoilt = a->resolve.targets[0].kind == MM_TARGET_FOR_NOW;
        assert_int_equal(a->resolve.target_count, is_spoilt ? 1 : 3);
        if (is_spoilt) {
            assert_int_equal(only(a)->error, MAILMOD_ERROR_MEMORY);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_one),    TEST(test_many_and_later), TEST(test_cancel),
        TEST(test_bounds), TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
