/* test_resolve.c - who gets what is sent to an address: one target, many, none,
 * later. Thread: the test's (the loop). */
#include "people.h"
#include "post/resolve.h"
#include "store/memory/memory.h"

struct put {
    struct mm_store_job job;
    struct mm_store_record record;
};

struct asker {
    struct mm_store *store;
    struct mm_post *post;
    struct mm_config *config;
    struct mm_address address;
    struct mm_resolve resolve;
    unsigned notify; /* 0: 5 */
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
    a->resolve.notify = a->notify != 0 ? a->notify : 5;
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
    static struct mm_resolve_step steps[6];
    size_t count = 0;
    const struct mm_resolve_step *own = mm_resolve_steps(&count);

    assert_int_equal(count + 1, sizeof steps / sizeof steps[0]);
    steps[0].run = test_step;
    steps[0].cancel = cancel_step;
    memcpy(&steps[1], own, count * sizeof *own);
    a->post->steps = steps;
    a->post->step_count = count + 1;
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

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    return mm_store_keep_record(t,
                                &MM_LIST_OBJECT(job, struct put, job)->record);
}

static void put_text(struct asker *a, enum mm_store_record_kind kind,
                     const char *name, const char *key, const char *value)
{
    struct put put = {.job.run = run_put,
                      .record.kind = kind,
                      .record.value = mm_span_cstr(value)};

    snprintf(put.record.name, sizeof put.record.name, "%s", name);
    snprintf(put.record.key, sizeof put.record.key, "%s", key);
    assert_int_equal(mm_store_run(a->store, &put.job), MAILMOD_OK);
}

static void put(struct asker *a, enum mm_store_record_kind kind,
                const char *name, const char *key)
{
    put_text(a, kind, name, key, NULL);
}

/* "kind path original_to notify," for each target; kinds: m mailbox, r remote,
 * e expanded, a automatic reply, f failed, x refused. */
static const char *told(struct asker *a, const char *path)
{
    static char out[2000];
    size_t at = 0;

    a->notify = MM_DSN_NOTIFY_SUCCESS | MM_DSN_NOTIFY_FAILURE;
    assert_int_equal(ask(a, path), MM_ANSWERED);
    for (size_t i = 0; i < a->resolve.target_count; i++) {
        const struct mm_target *target = &a->resolve.targets[i];

        at += (size_t)snprintf(
            out + at, sizeof out - at, "%c %s %s %u,", "mrleafxn"[target->kind],
            target -> path,
            target -> original_to != NULL ? target -> original_to : "-",
            target->notify);
    }
    return out;
}

static const struct {
    const char *path;
    const char *told; /* wishes: SUCCESS 2, FAILURE 4 */
} alias_rows[] = {
    {"<team@example.org>",
     "e team@example.org - 6,m alice@example.org team@example.org 4,"
     "r bob@example.net team@example.org 4,"},
    {"<TEAM+x@Example.Org>",
     "e TEAM+x@example.org - 6,m alice@example.org TEAM+x@example.org 4,"
     "r bob@example.net TEAM+x@example.org 4,"},
    {"<one@example.org>", "r bob@example.net one@example.org 6,"},
    {"<deep@example.org>", "m alice@example.org deep@example.org 6,"},
    {"<half@example.org>",
     "e half@example.org - 6,m alice@example.org half@example.org 4,"
     "f nobody@example.org half@example.org 4,"},
    {"<dead@example.org>", "x dead@example.org - 0,"},
    {"<ring@example.org>", "x ring@example.org - 0,"},
    {"<frank@example.org>",
     "e frank@example.org - 6,r bob@example.net frank@example.org 4,"
     "m frank@example.org - 4,"},
    {"<carol@example.org>", "m carol@example.org - 6,"}, /* a user there */
    {"<carol@mx.example.org>", "r bob@example.net carol@mx.example.org 6,"},
    {"<any@mx.example.org>", "m alice@example.org any@mx.example.org 6,"},
    {"<dave@example.net>", "r dave@example.net - 6,"}, /* not ours */
    {"<\"team@example.org\"@example.org>",
     "x \"team@example.org\"@example.org - 0,"},
};
static const char *const aliases[][2] = {
    {"team@example.org", "alice"},
    {"team@example.org", "bob@example.net"},
    {"one", "bob@example.net"},
    {"deep", "deeper"},
    {"deeper", "\\alice"},
    {"half", "alice"},
    {"half", "nobody"},
    {"dead", "nobody@example.org"},
    {"ring", "round"},
    {"round", "ring"},
    {"frank@example.org", "frank"},
    {"frank@example.org", "bob@example.net"},
    {"carol", "bob@example.net"},
    {"@mx.example.org", "\\alice@example.org"},
    {"postmaster", "nobody"},
};

static void test_aliases(void **state)
{
    struct asker *a = *state;
    rig_add_user(a->store, "carol@example.org", false);
    rig_add_user(a->store, "frank", false);
    rig_add_user(a->store, "postmaster", false);
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        put(a, MM_RECORD_ALIAS, aliases[i][0], aliases[i][1]);
    }
    for (size_t i = 0; i < sizeof alias_rows / sizeof alias_rows[0]; i++) {
        const char *found = told(a, alias_rows[i].path);

        if (strcmp(found, alias_rows[i].told) != 0) {
            fail_msg("%s: %s", alias_rows[i].path, found);
        }
    }
    assert_int_equal(ask(a, "<ring@example.org>"), MM_ANSWERED);
    assert_string_equal(only(a)->reply->enhanced, "5.4.6");
    /* RFC 5321 4.5.1: somebody, whatever the alias says. */
    assert_int_equal(ask(a, "<postmaster@example.org>"), MM_ANSWERED);
    assert_string_equal(only(a)->mailbox_name, "postmaster");
}

/* What each target of `path` is, and is marked: "mailbox or path/visibility".
 */
static const char *marks(struct asker *a, const char *path)
{
    static char text[256];
    size_t size = 0;

    text[0] = '\0';
    assert_int_equal(ask(a, path), MM_ANSWERED);
    for (size_t i = 0; i < a->resolve.target_count; i++) {
        const struct mm_target *target = &a->resolve.targets[i];

        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s/%d",
                                 i > 0 ? " " : "", target->path,
                                 (int)target->visibility);
    }
    return text;
}

static void put_mark(struct asker *a, enum mm_store_record_kind kind,
                     const char *name, const char *target, int mark)
{
    struct put put = {.job.run = run_put,
                      .record = {.kind = kind, .number = mark}};

    snprintf(put.record.name, sizeof put.record.name, "%s", name);
    snprintf(put.record.key, sizeof put.record.key, "%s", target);
    assert_int_equal(mm_store_run(a->store, &put.job), MAILMOD_OK);
}

/* Hidden once on the way is hidden; shown all the way is shown. */
static void test_visibility(void **state)
{
    static const char *const hiding[] = {
        "smarthost.host=", "local.hides_targets=true", NULL};
    struct asker *a = *state;

    a->notify = MM_DSN_NOTIFY_FAILURE;
    put_mark(a, MM_RECORD_ALIAS, "plain", "x@example.net", 0);
    put_mark(a, MM_RECORD_ALIAS, "secret", "x@example.net", 1);
    put_mark(a, MM_RECORD_ALIAS, "open", "x@example.net", 2);
    put_mark(a, MM_RECORD_ALIAS, "above", "plain", 2);
    put_mark(a, MM_RECORD_ALIAS, "over", "secret", 2);
    put_mark(a, MM_RECORD_ALIAS, "all", "open", 2);
    put_mark(a, MM_RECORD_ALIAS, "some", "secret", 0);
    put_mark(a, MM_RECORD_FORWARD, "alice", "y@example.net", 1);
    assert_string_equal(marks(a, "<plain@example.org>"), "x@example.net/0");
    assert_string_equal(marks(a, "<secret@example.org>"), "x@example.net/1");
    assert_string_equal(marks(a, "<open@example.org>"), "x@example.net/2");
    assert_string_equal(marks(a, "<above@example.org>"), "x@example.net/0");
    assert_string_equal(marks(a, "<over@example.org>"), "x@example.net/1");
    assert_string_equal(marks(a, "<all@example.org>"), "x@example.net/2");
    assert_string_equal(marks(a, "<some@example.org>"), "x@example.net/1");
    assert_string_equal(marks(a, "<alice@example.org>"), "y@example.net/1");
    mm_resolve_cancel(&a->resolve);
    mm_config_unref(&a->config);
    a->config = rig_config(hiding);
    assert_string_equal(marks(a, "<plain@example.org>"), "x@example.net/1");
    assert_string_equal(marks(a, "<above@example.org>"), "x@example.net/1");
    assert_string_equal(marks(a, "<all@example.org>"), "x@example.net/2");
}

static void test_crowd(void **state)
{
    struct asker *a = *state;

    /* As many as there may be, and one more. */
    a->notify = MM_DSN_NOTIFY_FAILURE;
    for (unsigned i = 0; i <= MM_LIMIT_TARGETS; i++) {
        char target[40];

        snprintf(target, sizeof target, "u%u@example.net", i);
        put(a, MM_RECORD_ALIAS, "crowd", target);
        if (i == MM_LIMIT_TARGETS - 1) {
            assert_int_equal(ask(a, "<crowd@example.org>"), MM_ANSWERED);
            assert_int_equal(a->resolve.target_count, MM_LIMIT_TARGETS);
        }
    }
    assert_int_equal(ask(a, "<crowd@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_FOR_NOW);
}

static void test_forwards(void **state)
{
    struct asker *a = *state;
    struct mm_address address = rig_address("<alice@example.org>");

    put(a, MM_RECORD_FORWARD, "alice", "bob@example.net");
    assert_string_equal(told(a, "<alice+x@example.org>"),
                        "r bob@example.net alice+x@example.org 6,");
    assert_string_equal(a->resolve.targets[0].delivered_to,
                        "alice+x@example.org");
    put(a, MM_RECORD_FORWARD, "alice", "\\");
    assert_string_equal(told(a, "<alice@example.org>"),
                        "e alice@example.org - 6,m alice@example.org - 4,"
                        "r bob@example.net alice@example.org 4,");
    assert_true(mm_resolve_owns(a->post, a->config, "alice", &address));
    /* To oneself: the mailbox. */
    rig_add_user(a->store, "erin", false);
    put(a, MM_RECORD_FORWARD, "erin", "erin@example.org");
    assert_string_equal(told(a, "<erin@example.org>"),
                        "m erin@example.org - 6,");
    rig_change_user(a->store, "alice", true, 0);
    assert_int_equal(ask(a, "<alice@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_REFUSED);
}

/* An automatic reply is a target behind the others, where there is one now. */
static void test_auto_replies(void **state)
{
    struct asker *a = *state;

    put(a, MM_RECORD_ALIAS, "info", "alice");
    put(a, MM_RECORD_ALIAS, "info", "nobody@example.org");
    put(a, MM_RECORD_FORWARD, "erin", "bob@example.net"); /* looked at once */
    put_text(a, MM_RECORD_AUTO_REPLY, "alice", "reply", "0 0\n\nx");
    assert_string_equal(told(a, "<alice@example.org>"),
                        "m alice@example.org - 6,a alice@example.org - 1,");
    assert_string_equal(a->resolve.targets[1].mailbox_name, "alice");
    assert_int_equal(a->resolve.targets[1].mailbox_id,
                     a->resolve.targets[0].mailbox_id);
    /* One of an alias, and those of who is behind it. */
    put_text(a, MM_RECORD_AUTO_REPLY, "info", "reply", "0 0\n\nx");
    assert_string_equal(told(a, "<info@example.org>"),
                        "e info@example.org - 6,m alice@example.org "
                        "info@example.org 4,f nobody@example.org "
                        "info@example.org 4,a info@example.org - 1,"
                        "a alice@example.org info@example.org 1,");
    /* With a forward, too; not when its time is over, or nobody gets it. */
    put(a, MM_RECORD_FORWARD, "alice", "bob@example.net");
    assert_string_equal(told(a, "<alice@example.org>"),
                        "r bob@example.net alice@example.org 6,"
                        "a alice@example.org - 1,");
    put_text(a, MM_RECORD_AUTO_REPLY, "alice", "reply", "0 5\n\nx");
    assert_int_equal(ask(a, "<alice@example.org>"), MM_ANSWERED);
    assert_int_equal(a->resolve.target_count, 1);
    put_text(a, MM_RECORD_AUTO_REPLY, "alice", "reply", "0 0\n\nx");
    rig_change_user(a->store, "alice", true, 0);
    assert_int_equal(ask(a, "<alice@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_REFUSED);
    assert_int_equal(ask(a, "<info@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_REFUSED);
    rig_change_user(a->store, "alice", false, 0);
    a->resolve.is_report = true;
    assert_int_equal(ask(a, "<alice@example.org>"), MM_ANSWERED);
    assert_int_equal(a->resolve.target_count, 1);
    a->resolve.is_report = false;
}

/* Of a store over a network nothing is asked on the loop. */
static void test_late(void **state)
{
    struct asker *a = *state;

    mm_memory_answer_late(a->store);
    put(a, MM_RECORD_ALIAS, "team", "alice");
    put(a, MM_RECORD_ALIAS, "team", "bob@example.net");
    assert_int_equal(ask(a, "<team@example.org>"), MM_PENDING);
    assert_int_equal(a->resolve.target_count, 0);
    a->address =
        rig_address("<other@example.org>"); /* the worker has its own */
    fake_run(1);
    assert_int_equal(a->answers, 1);
    assert_true(a->resolve.is_local);
    assert_true(a->resolve.target_count >= 2);
    assert_string_equal(a->resolve.targets[0].original_recipient, "rfc822;x@y");
    /* Cancelled while the worker has it: no answer comes. */
    assert_int_equal(ask(a, "<alice@example.org>"), MM_PENDING);
    mm_resolve_cancel(&a->resolve);
    assert_int_equal(mm_post_busy(a->post), 1);
    fake_run(1);
    assert_int_equal(a->answers, 1);
    assert_int_equal(mm_post_busy(a->post), 0);
    assert_int_equal(ask(a, "<nobody@example.org>"), MM_PENDING);
    fake_run(1);
    assert_int_equal(a->answers, 2);
    assert_int_equal(only(a)->reply->code, 550);
    /* No worker takes it: for now. */
    fake_set_workers_full(true);
    assert_int_equal(ask(a, "<alice@example.org>"), MM_ANSWERED);
    assert_int_equal(only(a)->kind, MM_TARGET_FOR_NOW);
    assert_int_equal(only(a)->error, MAILMOD_ERROR_LIMIT);
    fake_set_workers_full(false);
    /* Who may block is answered at once. */
    mm_resolve_cancel(&a->resolve);
    a->resolve.loop = NULL;
    assert_int_equal(mm_resolve_ask(&a->resolve), MM_ANSWERED);
    assert_string_equal(only(a)->mailbox_name, "alice");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_one),      TEST(test_many_and_later), TEST(test_cancel),
        TEST(test_bounds),   TEST(test_no_memory),      TEST(test_aliases),
        TEST(test_forwards), TEST(test_auto_replies),   TEST(test_crowd),
        TEST(test_late),     TEST(test_visibility),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
