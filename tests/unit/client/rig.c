/* rig.c - see rig.h. */
#include "rig.h"

#include "post/news.h"

#include "base/limits.h"
#include "base/mem.h"
#include "post/destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct user_job {
    struct mm_store_job job;
    struct mm_store_user user;
};

static enum mailmod_error run_add_user(struct mm_store_job *job,
                                       struct mm_store_transaction *t)
{
    return mm_store_add_user(t,
                             &MM_LIST_OBJECT(job, struct user_job, job)->user);
}

static void add_user(struct rig *rig)
{
    struct user_job add;
    memset(&add, 0, sizeof add);
    add.job.run = run_add_user;
    strcpy(add.user.name, "bob");
    assert_int_equal(mm_store_run(rig->store, &add.job), MAILMOD_OK);
    struct mm_store_user user;
    assert_int_equal(mm_store_find_user(rig->store, "bob", &user), MAILMOD_OK);
    rig->mailbox_id = user.mailbox_id;
}

static void note(struct rig *rig, const char *format, ...) MM_PRINTF(2, 3);

static void note(struct rig *rig, const char *format, ...)
{
    size_t room = sizeof rig->told - rig->told_size;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(rig->told + rig->told_size, room, format, arguments);
    va_end(arguments);
    if (size > 0 && (size_t)size < room) {
        rig->told_size += (size_t)size;
    }
}

static void on_progress(void *context, uint64_t message_id,
                        enum mailmod_progress progress, uint64_t octets)
{
    struct rig *rig = context;
    (void)message_id;
    note(rig, "progress %d %u\n", (int)progress, (unsigned)octets);
}

static void on_outcome(void *context, uint64_t message_id,
                       const struct mm_store_recipient *recipient,
                       const struct mq_outcome *outcome, bool is_final)
{
    struct rig *rig = context;
    (void)message_id;
    note(rig, "outcome %s %d %s %s%s\n", recipient->path, (int)outcome->verdict,
         outcome->status, outcome->reply, is_final ? " final" : "");
    note(rig, "cause %s %s\n", recipient->path, mm_error_name(outcome->error));
}

static void on_news(void *context, const struct mm_news *news)
{
    note(context, "news %d %s %s %u %s %s\n", (int)news->kind,
         news->reverse_path, news->recipient, news->attempts,
         mm_error_name(news->error), news->reply);
}

static bool is_behind(void *context)
{
    return ((struct rig *)context)->is_behind;
}

/* One fake loop plays all of them: a branch knows itself. */
static size_t loop_count = 1;

static struct rig_tokens *rig_tokens;

struct token_answer {
    struct mm_task task;
    struct mm_token_question *question; /* NULL: cancelled */
};

static void give_token(struct mm_task *task)
{
    struct token_answer *answer =
        MM_LIST_OBJECT(task, struct token_answer, task);
    struct mm_token_question *question = answer->question;
    mm_free(answer);
    if (question != NULL) {
        question->work = NULL;
        question->error = rig_tokens->error;
        question->token =
            question->is_refresh ? rig_tokens->next : rig_tokens->first;
        question->done(question);
    }
}

static enum mailmod_error ask_token(void *context,
                                    struct mm_token_question *question)
{
    struct token_answer *answer = mm_alloc(sizeof *answer);
    (void)context;
    if (answer == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    rig_tokens->asked++;
    rig_tokens->renewed += question->is_refresh;
    rig_tokens->use = question->use;
    (void)mm_span_copy(mm_span_cstr(question->account), rig_tokens->account,
                       sizeof rig_tokens->account);
    answer->task.run = give_token;
    answer->question = question;
    question->work = answer;
    if (!rig_tokens->is_silent) {
        mm_loop_post(question->loop, &answer->task);
    }
    return MAILMOD_OK;
}

static void cancel_token(void *context, struct mm_token_question *question)
{
    struct token_answer *answer = question->work;
    (void)context;
    question->work = NULL;
    rig_tokens->cancelled++;
    if (rig_tokens->is_silent) {
        mm_free(answer);
    } else {
        answer->question = NULL;
    }
}

void rig_set_tokens(struct rig_tokens *tokens)
{
    rig_tokens = tokens;
}

void rig_set_loops(size_t count)
{
    loop_count = count;
}

void rig_open(struct rig *rig, const char *const *settings)
{
    struct mm_loop *loops[8];
    struct mm_resolver *resolvers[8] = {NULL};
    assert_true(loop_count <= 8);
    for (size_t i = 0; i < loop_count; i++) {
        loops[i] = fake_loop();
    }
    memset(rig, 0, sizeof *rig);
    assert_int_equal(mm_store_open_memory(&rig->store, NULL), MAILMOD_OK);
    add_user(rig);
    fake_open(rig->store);
    /* Reports to the sender wait in the queue. */
    fake_dns_error("sender.example", 0, MAILMOD_ERROR_TIMEOUT);
    rig->config = test_config(settings);
    const struct mm_post_options post = {.log = fake_log(),
                                         .tell = on_news,
                                         .is_behind = is_behind,
                                         .news_context = rig};
    assert_int_equal(mm_post_new(&rig->post, &post), MAILMOD_OK);
    mm_post_attach(rig->post, rig->store, fake_workers());
    struct mm_outbound_options options = {
        .loops = loops,
        .resolvers = resolvers,
        .loop_count = loop_count,
        .workers = fake_workers(),
        .store = rig->store,
        .post = rig->post,
        .log = fake_log(),
        .config = rig->config,
        .observer = {on_progress, on_outcome, rig}};
    if (rig_tokens != NULL) {
        options.tokens =
            (struct mm_token_source){NULL, ask_token, cancel_token};
    }
    assert_int_equal(mm_outbound_new(&rig->outbound, &options, NULL),
                     MAILMOD_OK);
    mm_outbound_start(rig->outbound);
    fake_run(0);
}

void rig_close(struct rig *rig)
{
    mm_outbound_cut(rig->outbound);
    fake_run(HOUR_MS);
    assert_int_equal(mm_outbound_busy(rig->outbound), 0);
    assert_int_equal(fake_open_connections(), 0);
    mm_outbound_free(&rig->outbound);
    mm_post_free(&rig->post);
    mm_config_unref(&rig->config);
    mm_store_close(&rig->store);
    fake_close();
}

struct put_job {
    struct mm_store_job job;
    struct rig *rig;
    const struct rig_message *message;
    uint64_t id;
};

static enum mailmod_error put_body(const struct put_job *put,
                                   struct mm_store_transaction *t,
                                   struct mm_span body)
{
    enum mailmod_error error = MAILMOD_OK;
    for (unsigned number = 0; body.size > 0 && error == MAILMOD_OK; number++) {
        size_t size = body.size < MM_LIMIT_CHUNK ? body.size : MM_LIMIT_CHUNK;
        error =
            mm_store_put_chunk(t, put->id, number, mm_span(body.data, size));
        body = mm_span_from(body, size);
    }
    return error;
}

static enum mailmod_error put_recipient(const struct put_job *put,
                                        struct mm_store_transaction *t,
                                        unsigned number, struct mm_span path)
{
    struct mm_store_recipient row;
    memset(&row, 0, sizeof row);
    row.message_id = put->id;
    row.number = number;
    assert_true(mm_span_copy(path, row.path, sizeof row.path));
    mm_destination_of(put->rig->config, strchr(row.path, '@') + 1,
                      row.destination);
    if (put->message->destination != NULL) {
        assert_true(mm_span_copy(mm_span_cstr(put->message->destination),
                                 row.destination, sizeof row.destination));
    }
    row.next_attempt_ms = mm_loop_wall_ms(fake_loop());
    row.expires_ms =
        row.next_attempt_ms + (int64_t)put->rig->config->queue.lifetime_ms;
    row.notify = put->message->notify;
    return mm_store_put_recipient(t, &row);
}

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct put_job *put = MM_LIST_OBJECT(job, struct put_job, job);
    const struct rig_message *given = put->message;
    const char *text =
        given->body != NULL ? given->body : "Subject: hello\r\n\r\nbody\r\n";
    struct mm_span body = given->body_size > 0 ? mm_span(text, given->body_size)
                                               : mm_span_cstr(text);
    struct mm_store_message row;
    memset(&row, 0, sizeof row);
    row.id = put->id;
    strcpy(row.reverse_path,
           given->reverse_path != NULL ? given->reverse_path : SENDER);
    row.arrival_ms = mm_loop_wall_ms(fake_loop());
    row.size = given->size_lie > 0 ? given->size_lie : body.size;
    row.is_8bit = given->is_8bit;
    row.is_smtputf8 = given->is_smtputf8;
    row.is_report = given->is_report;
    row.dsn_return = given->dsn_return;
    if (given->envelope_id != NULL) {
        strcpy(row.envelope_id, given->envelope_id);
    }
    enum mailmod_error error = put_body(put, t, body);
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &row);
    }
    struct mm_span rest = mm_span_cstr(given->recipients);
    for (unsigned i = 0; rest.size > 0 && error == MAILMOD_OK; i++) {
        struct mm_span path;
        if (!mm_span_cut(rest, ',', &path, &rest)) {
            rest = mm_span(NULL, 0);
        }
        error = put_recipient(put, t, i, mm_span_trim(path));
    }
    return error;
}

uint64_t rig_send(struct rig *rig, const struct rig_message *message)
{
    struct put_job put = {.job.run = run_put,
                          .rig = rig,
                          .message = message,
                          .id = mm_store_new_message_id(rig->store)};
    assert_int_equal(mm_store_run(rig->store, &put.job), MAILMOD_OK);
    mm_outbound_wake(rig->outbound);
    return put.id;
}

struct find {
    const char *path;
    struct mm_store_message message;
    struct mm_store_recipient row;
    size_t count;
    bool is_found;
};

static bool on_row(void *context, const struct mm_store_message *message,
                   const struct mm_store_recipient *row)
{
    struct find *find = context;
    find->count++;
    if (find->path != NULL && strcmp(find->path, row->path) == 0) {
        find->message = *message;
        find->row = *row;
        find->is_found = true;
    }
    return true;
}

static struct find search(struct rig *rig, const char *path)
{
    struct find find;
    memset(&find, 0, sizeof find);
    find.path = path;
    assert_int_equal(mm_store_each_recipient(rig->store, 0, on_row, &find),
                     MAILMOD_OK);
    return find;
}

const char *rig_row(struct rig *rig, const char *path)
{
    static char text[600];
    struct find find = search(rig, path);
    strcpy(text, find.is_found ? find.row.last_reply : "gone");
    return text;
}

struct mm_store_recipient rig_recipient(struct rig *rig, const char *path)
{
    struct find find = search(rig, path);
    assert_true(find.is_found);
    return find.row;
}

size_t rig_count(struct rig *rig)
{
    return search(rig, NULL).count;
}

static char *read_message(struct rig *rig, uint64_t id)
{
    struct mm_buf text;
    struct mm_buf chunk;
    mm_buf_init(&text, 1 << 24);
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (unsigned number = 0;
         mm_store_read_chunk(rig->store, id, number, &chunk) == MAILMOD_OK;
         number++) {
        assert_int_equal(mm_buf_append_span(&text, mm_buf_span(&chunk)),
                         MAILMOD_OK);
    }
    struct mm_store_message message;
    assert_int_equal(mm_store_find_message(rig->store, id, &message),
                     MAILMOD_OK);
    assert_int_equal(message.size, mm_buf_size(&text));
    assert_true(message.is_report);
    assert_string_equal(message.reverse_path, "");
    char *copy = mm_strdup(mm_buf_cstr(&text));
    mm_buf_fini(&text);
    mm_buf_fini(&chunk);
    return copy;
}

struct act_job {
    struct mm_store_job job;
    uint64_t id;
    enum mailmod_queue_action action;
    uint64_t mailbox_id;
    uint64_t unique_number;
};

static enum mailmod_error run_act(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct act_job *act = MM_LIST_OBJECT(job, struct act_job, job);
    size_t count = 0;
    if (act->mailbox_id != 0) {
        return mm_store_remove_entries(t, act->mailbox_id, &act->unique_number,
                                       1);
    }
    return mm_store_act(t, act->id, act->action, mm_loop_wall_ms(fake_loop()),
                        &count);
}

enum mailmod_error rig_reload(struct rig *rig, struct mm_config *config,
                              struct mm_buf *reason)
{
    struct mm_outbound_change *change = NULL;
    enum mailmod_error error =
        mm_outbound_prepare(rig->outbound, config, &change, reason);

    if (error == MAILMOD_OK) {
        mm_outbound_use(&change);
    }
    mm_outbound_discard(&change);
    return error;
}

void rig_act(struct rig *rig, uint64_t id, enum mailmod_queue_action action)
{
    struct act_job act = {.job.run = run_act, .id = id, .action = action};
    assert_int_equal(mm_store_run(rig->store, &act.job), MAILMOD_OK);
}

static char *take_from_mailbox(struct rig *rig)
{
    struct mm_store_entry *entries = NULL;
    size_t count = 0;
    char *text = NULL;
    assert_int_equal(
        mm_store_list_entries(rig->store, rig->mailbox_id, &entries, &count),
        MAILMOD_OK);
    if (count > 0) {
        text = read_message(rig, entries[0].message_id);
        /* "Return-Path: <>" and its CRLF stand in front when it is served. */
        assert_int_equal(entries[0].size, strlen(text) + 17);
        struct act_job act = {.job.run = run_act,
                              .mailbox_id = rig->mailbox_id,
                              .unique_number = entries[0].unique_number};
        assert_int_equal(mm_store_run(rig->store, &act.job), MAILMOD_OK);
    }
    mm_free(entries);
    return text;
}

char *rig_take_report(struct rig *rig, const char *path)
{
    if (strcmp(path, "bob@example.org") == 0) {
        return take_from_mailbox(rig);
    }
    struct find find = search(rig, path);
    if (!find.is_found) {
        return NULL;
    }
    assert_int_equal(find.row.notify, MM_TEST_NOTIFY_NEVER);
    char *text = read_message(rig, find.row.message_id);
    rig_act(rig, find.row.message_id, MAILMOD_QUEUE_DELETE);
    return text;
}

unsigned rig_count_text(const char *text, const char *part)
{
    unsigned count = 0;
    for (const char *at = strstr(text, part); at != NULL;
         at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}
