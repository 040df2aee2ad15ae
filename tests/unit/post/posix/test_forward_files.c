/* test_forward_files.c - the consumer of forward files: where the mail goes,
 * circles, what keeps it, cancelled, no memory. Thread: the test's (the loop).
 */
#include "../arrival.h"

#include "post/consumer.h"
#include "post/forward_files.h"
#include "post/resolve.h"
#include "tests/unit/remove_tree.h"

#include <sys/stat.h>
#include <unistd.h>

static const char text[] = "Delivered-To: back@example.org\r\n"
                           "Subject: sale\r\n\r\nbody\r\n";

struct batch {
    struct mm_store *store;
    struct mm_post *post;
    struct mm_config *config;
    char folder[64];
    struct mq_batch batch;
    struct mm_store_recipient recipient;
    struct mq_outcome outcome;
    struct mm_consumption work;
    unsigned answers;
    struct mm_store_job job;
    char found[2048];
};

static void on_done(struct mm_consumption *work)
{
    MM_LIST_OBJECT(work, struct batch, work)->answers++;
}

static enum mailmod_error run_message(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    struct mm_store_message message = {.id = 77, .size = sizeof text - 1};
    struct mm_store_recipient row = {.message_id = 77};

    (void)job;
    snprintf(message.reverse_path, sizeof message.reverse_path,
             "carol@example.net");
    snprintf(row.path, sizeof row.path, "alice@example.org");
    snprintf(row.destination, sizeof row.destination, "forward:alice");
    enum mailmod_error error =
        mm_store_put_chunk(t, 77, 0, mm_span(text, sizeof text - 1));
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &message);
    }
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &row) : error;
}

static int begin(void **state)
{
    static const char *const users[] = {"alice", "bob", "back"};
    struct batch *b = mm_alloc(sizeof *b);
    char setting[128];
    const char *const settings[] = {setting, "local.forward_file=forward",
                                    "smarthost.host=", NULL};
    const struct mm_post_options post = {.log = NULL};
    struct mm_store_job job = {.run = run_message};

    assert_non_null(b);
    snprintf(b->folder, sizeof b->folder, "/tmp/mailmod-forward-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(setting, sizeof setting, "local.homes=*:%s/%%u", b->folder);
    assert_int_equal(mm_store_open_memory(&b->store, NULL), MAILMOD_OK);
    fake_open(b->store);
    for (size_t i = 0; i < 3; i++) {
        char path[128];

        rig_add_user(b->store, users[i], false);
        snprintf(path, sizeof path, "%s/%s", b->folder, users[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    b->config = rig_config(settings);
    assert_int_equal(mm_post_new(&b->post, &post), MAILMOD_OK);
    mm_post_attach(b->post, b->store, fake_workers());
    assert_int_equal(mm_store_run(b->store, &job), MAILMOD_OK);
    b->batch.message.id = 77;
    b->batch.message.size = sizeof text - 1;
    snprintf(b->batch.message.reverse_path,
             sizeof b->batch.message.reverse_path, "carol@example.net");
    b->batch.recipients = &b->recipient;
    b->batch.recipient_count = 1;
    b->work = (struct mm_consumption){.batch = &b->batch,
                                      .config = b->config,
                                      .loop = fake_loop(),
                                      .outcomes = &b->outcome,
                                      .done = on_done};
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct batch *b = *state;

    assert_int_equal(mm_post_busy(b->post), 0);
    mm_post_free(&b->post);
    mm_config_unref(&b->config);
    mm_store_close(&b->store);
    fake_close();
    remove_tree(b->folder);
    mm_free(b);
    return 0;
}

static void write_file(const struct batch *b, const char *user,
                       const char *lines)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s/forward", b->folder, user);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(lines, 1, strlen(lines), file), strlen(lines));
    assert_int_equal(fclose(file), 0);
}

static struct mm_consumer *take(struct batch *b, const char *user)
{
    snprintf(b->batch.destination, sizeof b->batch.destination, "forward:%s",
             user);
    b->recipient = (struct mm_store_recipient){.message_id = 77};
    snprintf(b->recipient.path, sizeof b->recipient.path, "%s@example.org",
             user);
    b->outcome = (struct mq_outcome){.verdict = MQ_DELIVERED};
    struct mm_consumer *consumer =
        mm_consumer_of(b->post, b->batch.destination);

    assert_non_null(consumer);
    consumer->take(consumer, &b->work);
    return consumer;
}

static void note(struct batch *b, const char *place, const char *detail)
{
    size_t size = strlen(b->found);

    snprintf(b->found + size, sizeof b->found - size, "%s%s%s%s",
             size > 0 ? " " : "", place, detail[0] != '\0' ? "/" : "", detail);
}

static bool on_row(void *context, const struct mm_store_message *message,
                   const struct mm_store_recipient *row)
{
    (void)message;
    if (row->number != 0) {
        note(context, row->path, row->delivered_to);
    }
    return true;
}

/* How much a user's mailbox has got. */
static void note_entries(struct batch *b, const char *user)
{
    const char *const names[] = {user};
    struct mm_store_addressee found;
    uint64_t count = 0;
    uint64_t octets = 0;

    assert_int_equal(mm_store_find_addressee(b->store, names, 1, &found),
                     MAILMOD_OK);
    assert_int_equal(
        mm_store_mailbox_use(b->store, found.mailbox_id, &count, &octets),
        MAILMOD_OK);
    for (uint64_t i = 0; i < count; i++) {
        note(b, user, "");
    }
}

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct batch *b = MM_LIST_OBJECT(job, struct batch, job);

    return b->work.put(&b->work, t);
}

/* The file of the user is run, and what it says is put. */
static const char *run(struct batch *b, const char *user)
{
    static const char *const users[] = {"alice", "bob", "back"};

    b->answers = 0;
    take(b, user);
    fake_run(1);
    assert_int_equal(b->answers, 1);
    b->found[0] = '\0';
    b->job = (struct mm_store_job){.run = run_put};
    assert_int_equal(mm_store_run(b->store, &b->job), MAILMOD_OK);
    b->work.settled(&b->work);
    for (size_t i = 0; i < 3; i++) {
        note_entries(b, users[i]);
    }
    assert_int_equal(mm_store_each_recipient(b->store, 0, on_row, b),
                     MAILMOD_OK);
    return b->found;
}

static void test_places(void **state)
{
    struct batch *b = *state;

    assert_string_equal(run(b, "alice"), "alice"); /* no file */
    write_file(b, "alice", "#if $in_text(no such)\n#rm\n#endif\n!x\n");
    assert_string_equal(run(b, "alice"), "alice alice");
    write_file(b, "alice", "#rm\n");
    assert_string_equal(run(b, "alice"), "alice alice");
    assert_int_equal(b->outcome.verdict, MQ_DELIVERED);
    write_file(b, "alice", "#mv spam\n#cp old\n#cp OLD");
    assert_string_equal(run(b, "alice"), "alice alice alice alice alice");
    write_file(b, "alice", "#mv bob@example.org\n");
    assert_string_equal(run(b, "alice"), "alice alice alice alice alice bob");
}

static void test_elsewhere(void **state)
{
    struct batch *b = *state;

    write_file(b, "alice", "#rm\nfar@a.test other@b.test FAR@a.test\n");
    assert_string_equal(run(b, "alice"), "far@a.test/alice@example.org "
                                         "other@b.test/alice@example.org");
    assert_false(b->outcome.relayed_dsn);
}

static void test_one_elsewhere(void **state)
{
    struct batch *b = *state;

    write_file(b, "alice", "#mv far@a.test\n");
    (void)run(b, "alice");
    assert_true(b->outcome.relayed_dsn);
}

/* A circle ends in the mailboxes; a file that leads to itself is no circle. */
static void test_circles(void **state)
{
    struct batch *b = *state;

    write_file(b, "alice", "#mv bob@example.org\n");
    write_file(b, "bob", "#mv alice@example.org\n");
    assert_string_equal(run(b, "alice"), "alice");
    write_file(b, "bob", "#rm\nalice@example.org\nbob@example.org\n");
    assert_string_equal(run(b, "bob"), "alice bob");
}

/* What names nobody, or came back, stays in the mailbox. */
static void test_nothing_is_lost(void **state)
{
    struct batch *b = *state;

    write_file(b, "alice", "#mv nobody@example.org\n");
    assert_string_equal(run(b, "alice"), "alice");
    write_file(b, "back", "#mv far@a.test\n");
    assert_string_equal(run(b, "back"), "alice back");
}

/* Only a regular file below the operator's folder is read. */
static void test_links(void **state)
{
    struct batch *b = *state;
    char from[128];
    char to[128];

    write_file(b, "bob", "#rm\n");
    snprintf(from, sizeof from, "%s/bob/forward", b->folder);
    snprintf(to, sizeof to, "%s/alice/forward", b->folder);
    assert_int_equal(symlink(from, to), 0);
    assert_string_equal(run(b, "alice"), "alice");
    assert_int_equal(unlink(to), 0);
    assert_int_equal(mkfifo(to, 0600), 0);
    assert_string_equal(run(b, "alice"), "alice alice");
}

static void test_gone(void **state)
{
    struct batch *b = *state;

    rig_remove_user(b->store, "alice");
    take(b, "alice");
    fake_run(1);
    assert_int_equal(b->outcome.verdict, MQ_FAILED);
    assert_string_equal(b->outcome.status, "5.1.1");
    b->work.settled(&b->work);
}

static void test_cancelled(void **state)
{
    struct batch *b = *state;
    struct mm_consumer *consumer = take(b, "alice");

    assert_int_equal(mm_post_busy(b->post), 1);
    consumer->cancel(consumer, &b->work);
    fake_run(1);
    assert_int_equal(b->answers, 0);
}

static void test_workers_are_full(void **state)
{
    struct batch *b = *state;

    fake_set_workers_full(true);
    take(b, "alice");
    fake_run(1);
    assert_int_equal(b->outcome.verdict, MQ_DEFERRED);
    fake_set_workers_full(false);
    b->work.settled(&b->work);
}

static void test_no_memory(void **state)
{
    struct batch *b = *state;
    bool is_met = true;

    write_file(b, "alice",
               "#if $in_text(sale)\n#mv spam\nbob@example.org\n"
               "far@a.test\n#endif\n");
    for (unsigned long number = 1; is_met; number++) {
        b->answers = 0;
        b->work.settled = NULL;
        (void)mm_mem_set_fault(number, 0);
        take(b, "alice");
        fake_run(1);
        is_met = mm_mem_set_fault(0, 0) >= number;
        assert_int_equal(b->answers, 1);
        if (b->work.settled != NULL) {
            b->work.settled(&b->work);
        }
    }
    assert_int_equal(b->outcome.verdict, MQ_DELIVERED);
}

/* Who gets it is a destination of the queue, with the quota's word before. */
static void test_resolved(void **state)
{
    struct batch *b = *state;
    struct mm_address address = rig_address("<alice+x@example.org>");
    struct mm_resolve resolve = {
        .post = b->post, .config = b->config, .address = &address};

    assert_int_equal(mm_resolve_ask(&resolve), MM_ANSWERED);
    assert_int_equal(resolve.target_count, 1);
    assert_int_equal(resolve.targets[0].kind, MM_TARGET_LOCAL);
    assert_string_equal(resolve.targets[0].destination, "forward:alice");
    mm_resolve_cancel(&resolve);
    assert_true(mm_resolve_owns(b->post, b->config, "alice", &address));
    rig_change_user(b->store, "alice", true, 0);
    assert_int_equal(mm_resolve_ask(&resolve), MM_ANSWERED);
    assert_int_equal(resolve.targets[0].kind, MM_TARGET_REFUSED);
    mm_resolve_cancel(&resolve);
    take(b, "alice"); /* disabled meanwhile */
    fake_run(1);
    assert_int_equal(b->outcome.verdict, MQ_FAILED);
    assert_string_equal(b->outcome.status, "5.2.1");
    b->work.settled(&b->work);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_places),
        TEST(test_elsewhere),
        TEST(test_one_elsewhere),
        TEST(test_circles),
        TEST(test_nothing_is_lost),
        TEST(test_links),
        TEST(test_gone),
        TEST(test_cancelled),
        TEST(test_no_memory),
        TEST(test_resolved),
        TEST(test_workers_are_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
