/* rig.c - see rig.h. */
#include "rig.h"

#include "mailbox/store_mailbox.h"

static void wake(void *context)
{
    ((struct rig *)context)->wakes++;
}

void rig_open(struct rig *rig, const char *const *settings,
              const struct mm_hooks *hooks)
{
    struct mm_server_options options = {.loop_count = 1};
    const struct mm_post_options post = {.log = fake_log()};

    memset(rig, 0, sizeof *rig);
    assert_int_equal(mm_store_open_memory(&rig->store, NULL), MAILMOD_OK);
    mm_store_watch(rig->store, wake, rig);
    fake_open(rig->store);
    rig->alice = rig_add_user(rig->store, "alice", true);
    rig->bob = rig_add_user(rig->store, "bob", true);
    rig->config = rig_config(settings);
    assert_int_equal(mm_settings_new(&rig->settings, rig->config, NULL),
                     MAILMOD_OK);
    rig->loop = fake_loop();
    struct mm_resolver_options resolver = {.servers = ""};
    assert_int_equal(mm_resolver_new(&rig->resolver, rig->loop, &resolver),
                     MAILMOD_OK);
    options.loops = &rig->loop;
    options.resolvers = &rig->resolver;
    options.log = fake_log();
    options.settings = rig->settings;
    assert_int_equal(mm_post_new(&rig->post, &post), MAILMOD_OK);
    options.post = rig->post;
    if (hooks != NULL) {
        options.hooks = *hooks;
    }
    assert_int_equal(mm_server_new(&rig->server, &options), MAILMOD_OK);
    mm_post_attach(rig->post, rig->store, fake_workers());
    mm_server_attach(rig->server, rig->store, fake_workers());
    assert_int_equal(mm_server_listen(rig->server, NULL), MAILMOD_OK);
}

void rig_close(struct rig *rig)
{
    fake_run(1000);
    assert_int_equal(mm_server_busy(rig->server), 0);
    mm_server_free(&rig->server);
    mm_resolver_free(&rig->resolver);
    mm_post_free(&rig->post);
    mm_settings_unref(&rig->settings);
    mm_config_unref(&rig->config);
    mm_store_close(&rig->store);
    fake_close();
}

struct deliver_job {
    struct mm_store_job job;
    struct mm_store *store;
    uint64_t mailbox_id;
    struct mm_span body;
};

static enum mailmod_error run_deliver(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    struct deliver_job *deliver = MM_LIST_OBJECT(job, struct deliver_job, job);
    struct mm_store_message message = {
        .id = mm_store_new_message_id(deliver->store),
        .reverse_path = "carol@example.net",
        .arrival_ms = FAKE_WALL_MS,
        .size = deliver->body.size};
    struct mm_span rest = deliver->body;
    enum mailmod_error error = MAILMOD_OK;

    for (unsigned i = 0; error == MAILMOD_OK && rest.size > 0; i++) {
        size_t size = rest.size < 65534 ? rest.size : 65534;

        error = mm_store_put_chunk(transaction, message.id, i,
                                   mm_span(rest.data, size));
        rest = mm_span_from(rest, size);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(transaction, &message);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_entry(
            transaction, deliver->mailbox_id, message.id,
            message.size +
                mm_mailbox_fields_size(message.reverse_path, "", ""));
    }
    return error;
}

void rig_deliver(struct rig *rig, uint64_t mailbox_id, const char *body)
{
    struct deliver_job job = {.job.run = run_deliver,
                              .store = rig->store,
                              .mailbox_id = mailbox_id,
                              .body = mm_span_cstr(body)};

    assert_int_equal(mm_store_run(rig->store, &job.job), MAILMOD_OK);
}

size_t rig_entries(struct rig *rig, uint64_t mailbox_id)
{
    struct mm_store_entry *entries = NULL;
    size_t count = 0;

    assert_int_equal(
        mm_store_list_entries(rig->store, mailbox_id, &entries, &count),
        MAILMOD_OK);
    mm_free(entries);
    return count;
}

const char *rig_newest(struct rig *rig, uint64_t mailbox_id,
                       struct mm_buf *text_out)
{
    struct mm_store_entry *entries = NULL;
    struct mm_buf chunk;
    size_t count = 0;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_clear(text_out);
    assert_int_equal(
        mm_store_list_entries(rig->store, mailbox_id, &entries, &count),
        MAILMOD_OK);
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (unsigned i = 0; count > 0 && error == MAILMOD_OK; i++) {
        error = mm_store_read_chunk(rig->store, entries[count - 1].message_id,
                                    i, &chunk);
        if (error == MAILMOD_OK) {
            assert_int_equal(mm_buf_append_span(text_out, mm_buf_span(&chunk)),
                             MAILMOD_OK);
        }
    }
    assert_true(count == 0 || error == MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&chunk);
    mm_free(entries);
    return mm_buf_cstr(text_out);
}

static bool count_one(void *context, const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient)
{
    (void)message;
    (void)recipient;
    ++*(size_t *)context;
    return true;
}

size_t rig_recipients(struct rig *rig)
{
    size_t count = 0;

    assert_int_equal(mm_store_each_recipient(rig->store, 0, count_one, &count),
                     MAILMOD_OK);
    return count;
}

void rig_expect(struct fake_peer *peer, const char *text, const char *reply)
{
    const char *heard = fake_talk(peer, text);

    if (strncmp(heard, reply, strlen(reply)) != 0) {
        fail_msg("%s -> %s, not %s", text, heard, reply);
    }
}

struct rig_talk *rig_talk_open(const char *const *settings)
{
    struct rig_talk *talk = mm_alloc(sizeof *talk);

    assert_non_null(talk);
    rig_open(&talk->rig, settings, NULL);
    return talk;
}

int rig_talk_end(void **state)
{
    struct rig_talk *talk = *state;

    fake_hang_up(&talk->peer);
    fake_hang_up(&talk->other);
    rig_close(&talk->rig);
    fake_forget_peer(&talk->peer);
    fake_forget_peer(&talk->other);
    mm_free(talk);
    return 0;
}
