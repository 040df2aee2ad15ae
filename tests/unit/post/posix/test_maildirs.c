/* test_maildirs.c - the consumer of Maildirs: delivered, put off, given up,
 * cancelled. Thread: the test's (the loop). */
#include "../arrival.h"

#include "config/maildir.h"
#include "post/consumer.h"
#include "post/maildirs.h"
#include "post/resolve.h"
#include "tests/unit/remove_tree.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

struct batch {
    struct mm_store *store;
    struct mm_post *post;
    struct mm_config *config;
    char folder[64];
    struct mq_batch batch;
    struct mm_store_recipient recipients[2];
    struct mq_outcome outcomes[2];
    struct mm_consumption work;
    unsigned answers;
};

static void on_done(struct mm_consumption *work)
{
    MM_LIST_OBJECT(work, struct batch, work)->answers++;
}

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct mm_store_message message = {.id = 77, .size = 6};
    struct mm_store_recipient row = {.message_id = 77};

    (void)job;
    snprintf(row.path, sizeof row.path, "alice@example.org");
    snprintf(row.destination, sizeof row.destination, "maildir:alice");
    enum mailmod_error error =
        mm_store_put_chunk(t, 77, 0, mm_span("a\r\nb\r\n", 6));
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &message);
    }
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &row) : error;
}

static int begin(void **state)
{
    struct batch *b = mm_alloc(sizeof *b);
    char setting[128];
    const char *const settings[] = {setting, "local.quota=4096", NULL};
    const struct mm_post_options post = {.log = NULL};
    struct mm_store_job job = {.run = run_put};

    assert_non_null(b);
    snprintf(b->folder, sizeof b->folder, "/tmp/mailmod-maildirs-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(setting, sizeof setting, "local.maildirs=*:%s/%%u", b->folder);
    assert_int_equal(mm_store_open_memory(&b->store, NULL), MAILMOD_OK);
    fake_open(b->store);
    rig_add_user(b->store, "alice", false);
    b->config = rig_config(settings);
    assert_int_equal(mm_post_new(&b->post, &post), MAILMOD_OK);
    mm_post_attach(b->post, b->store, fake_workers());
    assert_int_equal(mm_store_run(b->store, &job), MAILMOD_OK);
    snprintf(b->batch.destination, sizeof b->batch.destination,
             "maildir:alice");
    b->batch.message.id = 77;
    snprintf(b->batch.message.reverse_path,
             sizeof b->batch.message.reverse_path, "carol@example.net");
    b->batch.recipients = b->recipients;
    b->batch.recipient_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        b->recipients[i].message_id = 77;
        b->recipients[i].number = i;
        snprintf(b->recipients[i].path, sizeof b->recipients[i].path,
                 "alice+%u@example.org", i);
    }
    b->work = (struct mm_consumption){.batch = &b->batch,
                                      .config = b->config,
                                      .loop = fake_loop(),
                                      .outcomes = b->outcomes,
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

static struct mm_consumer *take(struct batch *b)
{
    struct mm_consumer *consumer =
        mm_consumer_of(b->post, b->batch.destination);

    assert_non_null(consumer);
    consumer->take(consumer, &b->work);
    return consumer;
}

static unsigned count_files(const struct batch *b)
{
    char path[128];
    unsigned count = 0;

    snprintf(path, sizeof path, "%s/alice/new", b->folder);
    DIR *folder = opendir(path);
    for (struct dirent *entry = folder != NULL ? readdir(folder) : NULL;
         entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void expect(const struct batch *b, enum mq_verdict verdict,
                   const char *status)
{
    assert_int_equal(b->answers, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(b->outcomes[i].verdict, verdict);
        assert_string_equal(b->outcomes[i].status, status);
    }
}

static void test_delivered(void **state)
{
    struct batch *b = *state;

    take(b);
    assert_int_equal(b->answers, 0);
    fake_run(1);
    expect(b, MQ_DELIVERED, "");
    assert_int_equal(count_files(b), 2);
    /* Again, as after a crash before it was settled. */
    b->answers = 0;
    take(b);
    fake_run(1);
    expect(b, MQ_DELIVERED, "");
    assert_int_equal(count_files(b), 2);
}

static void test_put_off(void **state)
{
    struct batch *b = *state;

    assert_int_equal(rmdir(b->folder), 0);
    take(b);
    fake_run(1);
    expect(b, MQ_DEFERRED, "4.2.0");
    assert_non_null(strstr(b->outcomes[0].reply, "is missing"));
    assert_int_equal(b->outcomes[0].error, MAILMOD_ERROR_NOT_FOUND);
}

static void test_no_such_user(void **state)
{
    struct batch *b = *state;

    rig_remove_user(b->store, "alice");
    take(b);
    fake_run(1);
    expect(b, MQ_FAILED, "5.1.1");
}

/* The setting was changed since the message was accepted. */
static void test_no_place(void **state)
{
    struct batch *b = *state;
    static const char *const settings[] = {"local.maildirs=", NULL};

    b->work.config = rig_config(settings);
    take(b);
    fake_run(1);
    expect(b, MQ_DEFERRED, "4.3.5");
    mm_config_unref(&b->work.config);
}

static void test_workers_are_full(void **state)
{
    struct batch *b = *state;

    fake_set_workers_full(true);
    take(b);
    assert_int_equal(b->answers, 0);
    fake_run(1);
    expect(b, MQ_DEFERRED, "4.3.2");
    fake_set_workers_full(false);
}

/* The batch is gone while the worker is at it. */
static void test_cancelled(void **state)
{
    struct batch *b = *state;

    struct mm_consumer *consumer = take(b);
    assert_int_equal(mm_post_busy(b->post), 1);
    consumer->cancel(consumer, &b->work);
    memset(&b->work, 0x55, sizeof b->work);
    memset(b->recipients, 0x55, sizeof b->recipients);
    fake_run(1);
    assert_int_equal(b->answers, 0);
}

static void test_no_memory(void **state)
{
    struct batch *b = *state;
    bool is_met = true;

    for (unsigned long number = 1; is_met; number++) {
        b->answers = 0;
        memset(b->outcomes, 0, sizeof b->outcomes);
        (void)mm_mem_set_fault(number, 0);
        take(b);
        fake_run(1);
        is_met = mm_mem_set_fault(0, 0) >= number;
        assert_int_equal(b->answers, 1);
    }
    expect(b, MQ_DELIVERED, "");
}

/* Who gets it is a destination of the queue; no quota of ours counts there. */
static void test_resolved(void **state)
{
    struct batch *b = *state;
    struct mm_address address = rig_address("<alice+x@example.org>");
    struct mm_resolve resolve = {.post = b->post,
                                 .config = b->config,
                                 .address = &address,
                                 .size = 1000000};

    assert_int_equal(mm_resolve_ask(&resolve), MM_ANSWERED);
    assert_int_equal(resolve.target_count, 1);
    assert_int_equal(resolve.targets[0].kind, MM_TARGET_LOCAL);
    assert_string_equal(resolve.targets[0].destination, "maildir:alice");
    mm_resolve_cancel(&resolve);
    rig_change_user(b->store, "alice", true, 0);
    assert_int_equal(mm_resolve_ask(&resolve), MM_ANSWERED);
    assert_int_equal(resolve.targets[0].kind, MM_TARGET_REFUSED);
    assert_string_equal(resolve.targets[0].reply->enhanced, "5.2.1");
    mm_resolve_cancel(&resolve);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_delivered),        TEST(test_put_off),
        TEST(test_no_such_user),     TEST(test_no_place),
        TEST(test_workers_are_full), TEST(test_cancelled),
        TEST(test_no_memory),        TEST(test_resolved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
