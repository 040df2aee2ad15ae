/* arrival.c - see arrival.h. */
#include "arrival.h"

#include "post/mailboxes.h"

char arrival_big[200000];

static void on_room(void *context)
{
    ((struct arrival *)context)->rooms++;
}

static void on_finished(void *context, enum mailmod_error error)
{
    struct arrival *a = context;

    a->finished++;
    a->error = error;
}

static void wake(void *context)
{
    ((struct arrival *)context)->wakes++;
}

int arrival_begin(void **state)
{
    static const char *const settings[] = {"queue.lifetime=12h",
                                           "queue.warn_after=1h", NULL};
    struct arrival *a = mm_alloc(sizeof *a);
    const struct mm_post_options post = {.log = fake_log()};

    assert_non_null(a);
    assert_int_equal(mm_store_open_memory(&a->store, NULL), MAILMOD_OK);
    mm_store_watch(a->store, wake, a);
    fake_open(a->store);
    a->alice = rig_add_user(a->store, "alice", false);
    a->bob = rig_add_user(a->store, "bob", false);
    a->config = rig_config(settings);
    assert_int_equal(mm_post_new(&a->post, &post), MAILMOD_OK);
    mm_post_attach(a->post, a->store, fake_workers());
    a->options = (struct mm_deposit_options){.post = a->post,
                                             .loop = fake_loop(),
                                             .config = a->config,
                                             .on_room = on_room,
                                             .on_finished = on_finished,
                                             .context = a};
    *state = a;
    return 0;
}

int arrival_end(void **state)
{
    struct arrival *a = *state;

    mm_deposit_abandon(&a->deposit);
    fake_run(1);
    assert_int_equal(mm_post_busy(a->post), 0);
    mm_post_free(&a->post);
    mm_config_unref(&a->config);
    mm_store_close(&a->store);
    fake_close();
    mm_free(a);
    return 0;
}

enum mailmod_error arrival_try_start(struct arrival *a, const char *path)
{
    const struct mm_envelope envelope = {.reverse_path = path,
                                         .arrival_ms = FAKE_WALL_MS,
                                         .dsn_return = MM_DSN_RETURN_FULL,
                                         .envelope_id = "env-1",
                                         .session = "s1",
                                         .peer = "192.0.2.1",
                                         .user = "carol"};

    return mm_deposit_new(&a->deposit, &a->options, &envelope);
}

void arrival_start(struct arrival *a, const char *path)
{
    assert_int_equal(arrival_try_start(a, path), MAILMOD_OK);
}

enum mailmod_error arrival_try_mailbox(struct arrival *a, uint64_t mailbox_id)
{
    const struct mm_target target = {.kind = MM_TARGET_MAILBOX,
                                     .path = "alice@example.org",
                                     .mailbox_id = mailbox_id,
                                     .mailbox_name = "alice"};

    return mm_deposit_add(a->deposit, &target);
}

void arrival_add_mailbox(struct arrival *a, uint64_t mailbox_id)
{
    assert_int_equal(arrival_try_mailbox(a, mailbox_id), MAILMOD_OK);
}

enum mailmod_error arrival_try_remote(struct arrival *a, const char *path,
                                      const char *destination)
{
    const struct mm_target target = {.kind = MM_TARGET_REMOTE,
                                     .path = path,
                                     .destination = destination,
                                     .notify = MM_DSN_NOTIFY_FAILURE,
                                     .original_recipient =
                                         "rfc822;dave@example.com"};

    return mm_deposit_add(a->deposit, &target);
}

void arrival_add_remote(struct arrival *a, const char *path,
                        const char *destination)
{
    assert_int_equal(arrival_try_remote(a, path, destination), MAILMOD_OK);
}

/* Writes all in pieces of `step`, waiting for room as a session does. */
void arrival_write_all(struct arrival *a, struct mm_span data, size_t step)
{
    while (data.size > 0) {
        size_t size = data.size < step ? data.size : step;
        unsigned rooms = a->rooms;
        size_t used = 0;

        assert_int_equal(
            mm_deposit_write(a->deposit, mm_span(data.data, size), &used),
            MAILMOD_OK);
        data = mm_span_from(data, used);
        if (used < size) {
            fake_run(0);
            assert_int_equal(a->rooms, rooms + 1);
        }
    }
}

void arrival_finish(struct arrival *a)
{
    unsigned finished = a->finished;

    mm_deposit_finish(a->deposit, false);
    assert_int_equal(a->finished, finished); /* not before it is on disk */
    fake_run(0);
    assert_int_equal(a->finished, finished + 1);
}

void arrival_read_whole(struct arrival *a, uint64_t mailbox_id,
                        struct mm_buf *text, uint64_t *size_out)
{
    struct mm_mailbox *mailbox = NULL;
    struct mm_buf piece;
    size_t last;
    enum mailmod_error error = MAILMOD_OK;

    assert_int_equal(
        mm_mailboxes_open(a->post, a->config, "alice", mailbox_id, &mailbox),
        MAILMOD_OK);
    assert_true(mm_mailbox_count(mailbox) > 0);
    last = mm_mailbox_count(mailbox) - 1;
    *size_out = mm_mailbox_size(mailbox, last);
    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    for (unsigned i = 0; error == MAILMOD_OK; i++) {
        error = mm_mailbox_read(mailbox, last, i, &piece, size_out);
        if (error == MAILMOD_OK) {
            assert_int_equal(mm_buf_append_span(text, mm_buf_span(&piece)),
                             MAILMOD_OK);
        }
    }
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&piece);
    mm_mailbox_close(&mailbox);
}

size_t arrival_entries(struct arrival *a, uint64_t mailbox_id)
{
    struct mm_store_entry *list = NULL;
    size_t count = 0;

    assert_int_equal(mm_store_list_entries(a->store, mailbox_id, &list, &count),
                     MAILMOD_OK);
    mm_free(list);
    return count;
}

bool arrival_has_chunk(struct arrival *a, uint64_t id, unsigned number)
{
    struct mm_buf chunk;
    enum mailmod_error error;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    error = mm_store_read_chunk(a->store, id, number, &chunk);
    mm_buf_fini(&chunk);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND);
    return error == MAILMOD_OK;
}

static bool on_row(void *context, const struct mm_store_message *message,
                   const struct mm_store_recipient *recipient)
{
    struct arrival_rows *rows = context;

    rows->message = *message;
    rows->items[rows->count++] = *recipient;
    return rows->count < 8;
}

void arrival_list(struct arrival *a, struct arrival_rows *rows)
{
    rows->count = 0;
    assert_int_equal(mm_store_each_recipient(a->store, 0, on_row, rows),
                     MAILMOD_OK);
}
