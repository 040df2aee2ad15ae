/* news.c - what the loop says of a session, and the thread that waits for it.
 *
 * Owns what waits in the client's queue. Promises: statuses change, and the
 * host is called, on the waiting thread alone and with no lock held; replies
 * and lines come in their order; what waits has a bound: replies are as many
 * as the envelope has parts, progress is one, and of lines those beyond
 * MM_CLIENT_LINES_MAX are counted. Without memory a reply, a line or a
 * progress is not told; the outcome is never lost.
 * Thread: as each function says. */
#include "api/client/sending.h"
#include "api/instance.h"

#include "base/mem.h"
#include "client/outcome.h"

#include <string.h>

_Static_assert((int)MAILMOD_CLIENT_STARTTLS == (int)MM_MISSING_STARTTLS &&
                   (int)MAILMOD_CLIENT_8BITMIME == (int)MM_MISSING_8BITMIME &&
                   (int)MAILMOD_CLIENT_DSN == (int)MM_MISSING_DSN &&
                   (int)MAILMOD_CLIENT_DELIVERBY == (int)MM_MISSING_DELIVERBY &&
                   (int)MAILMOD_CLIENT_BINARYMIME == (int)MM_MISSING_BINARYMIME,
               "the public bits are those of delivery.h");

enum news_kind { NEWS_REPLY, NEWS_PROGRESS, NEWS_LINE };

struct news {
    struct mm_list node;
    enum news_kind kind;
    size_t item;
    /* NEWS_REPLY */
    size_t recipient;
    enum mm_delivery_reply part;
    struct mq_outcome said;
    /* NEWS_PROGRESS */
    enum mailmod_progress progress;
    uint64_t octets;
};

struct line_news { /* the same with a line behind it */
    struct news news;
    enum mm_tap_way way;
    bool is_masked;
    uint64_t left_out;
    size_t size;
    char octets[];
};

/* ---- the loop's side ----------------------------------------------------- */

static void put(mailmod_client *client, struct mm_list *list,
                struct mm_list *node)
{
    mm_mutex_lock(client->mutex);
    mm_list_init(node);
    mm_list_append(list, node);
    mm_condition_signal(client->has_work);
    mm_mutex_unlock(client->mutex);
}

/* thread: loop */
static enum mailmod_error submit(void *context, struct mm_job *job)
{
    struct mm_sending *sending = context;

    put(sending->client, &sending->client->jobs, &job->node);
    return MAILMOD_OK;
}

/* thread: loop */
static void on_reply(void *context, size_t message, enum mm_delivery_reply part,
                     size_t recipient, const char *host,
                     const struct mm_reply_in *reply)
{
    struct mm_sending *sending = context;
    struct news *news = mm_alloc(sizeof *news);

    if (news == NULL) {
        return;
    }
    news->kind = NEWS_REPLY;
    news->item = message;
    news->recipient = recipient;
    news->part = part;
    mm_outcome_from_reply(&news->said, host, reply);
    put(sending->client, &sending->client->news, &news->node);
}

/* The last that waits, when it is of the same kind and message. Locked. */
static struct news *last_progress(mailmod_client *client, size_t message)
{
    struct news *last =
        MM_LIST_OBJECT(client->news.previous, struct news, node);

    return !mm_list_is_empty(&client->news) && last->kind == NEWS_PROGRESS &&
                   last->item == message
               ? last
               : NULL;
}

/* thread: loop */
static void on_progress(void *context, size_t message,
                        enum mailmod_progress progress, uint64_t octets)
{
    struct mm_sending *sending = context;
    mailmod_client *client = sending->client;
    struct news *fresh = mm_alloc(sizeof *fresh);

    mm_mutex_lock(client->mutex);
    struct news *news = last_progress(client, message);
    if (news == NULL && fresh != NULL) {
        news = fresh;
        fresh = NULL;
        news->kind = NEWS_PROGRESS;
        news->item = message;
        mm_list_init(&news->node);
        mm_list_append(&client->news, &news->node);
        mm_condition_signal(client->has_work);
    }
    if (news != NULL) {
        news->progress = progress;
        news->octets = octets;
    }
    mm_mutex_unlock(client->mutex);
    mm_free(fresh);
}

/* thread: loop */
static void on_line(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked)
{
    struct mm_sending *sending = context;
    mailmod_client *client = sending->client;
    struct line_news *told = mm_alloc(sizeof *told + line.size);

    mm_mutex_lock(client->mutex);
    if (told == NULL || client->line_octets + line.size > MM_CLIENT_LINES_MAX) {
        client->left_out++;
        mm_mutex_unlock(client->mutex);
        mm_free(told);
        return;
    }
    told->news.kind = NEWS_LINE;
    told->way = way;
    told->is_masked = is_masked;
    told->left_out = client->left_out;
    told->size = line.size;
    if (line.size > 0) {
        memcpy(told->octets, line.data, line.size);
    }
    client->left_out = 0;
    client->line_octets += line.size;
    mm_list_init(&told->news.node);
    mm_list_append(&client->news, &told->news.node);
    mm_condition_signal(client->has_work);
    mm_mutex_unlock(client->mutex);
}

/* thread: loop. Nobody reads them before on_gone. */
static void on_outcome(void *context, size_t message, size_t recipient,
                       const struct mq_outcome *outcome)
{
    struct mm_sending *sending = context;

    if (message == MM_SUBMISSION_ETRN) {
        sending->etrn_outcomes[recipient] = *outcome;
    } else {
        sending->items[message].outcomes[recipient] = *outcome;
    }
}

/* thread: loop */
static void on_gone(void *context)
{
    struct mm_sending *sending = context;
    mailmod_client *client = sending->client;

    /* Under the mutex: the waiter frees it all as soon as it knows. */
    mm_mutex_lock(client->mutex);
    client->is_gone = true;
    mm_condition_signal(client->has_work);
    mm_mutex_unlock(client->mutex);
}

/* ---- the waiting side ---------------------------------------------------- */

struct mm_sending_item *mm_sending_item_of(struct mm_sending *sending,
                                           uint64_t message_id)
{
    while (sending->items[sending->reading].message->id != message_id) {
        sending->reading = (sending->reading + 1) % sending->item_count;
    }
    return &sending->items[sending->reading];
}

static enum mailmod_client_decision
tell(const mailmod_client *client, const struct mailmod_client_event *event)
{
    if (client->on_event == NULL) {
        return MAILMOD_CLIENT_AS_SET;
    }
    mm_client_enter_callback();
    enum mailmod_client_decision decision =
        client->on_event(client->event_context.value, event);
    mm_client_leave_callback();
    return decision;
}

/* A delivery's question, as a job of its on this thread. */
static enum mm_delivery_answer ask(void *context,
                                   const struct mm_delivery_question *question)
{
    static const enum mailmod_client_event_kind kinds[] = {
        [MM_QUESTION_MISSING] = MAILMOD_CLIENT_MISSING,
        [MM_QUESTION_CERTIFICATE] = MAILMOD_CLIENT_CERTIFICATE,
        [MM_QUESTION_EXPIRED] = MAILMOD_CLIENT_EXPIRED};
    struct mm_sending *sending = context;
    const struct mailmod_client_event event = {
        .size = sizeof event,
        .kind = kinds[question->kind],
        .message = mm_sending_item_of(sending, question->message_id)->message,
        .missing = question->missing,
        .host = question->host,
        .text = question->words,
        .seconds = question->seconds};

    switch (tell(sending->client, &event)) {
    case MAILMOD_CLIENT_GO_ON:
        return MM_ANSWER_GO_ON;
    case MAILMOD_CLIENT_STOP:
        return MM_ANSWER_STOP;
    case MAILMOD_CLIENT_AS_SET:
        break;
    }
    return MM_ANSWER_AS_SET;
}

static void show(const mailmod_client *client,
                 const struct mailmod_client_line *line)
{
    mm_client_enter_callback();
    client->on_line(client->line_context.value, line);
    mm_client_leave_callback();
}

void mm_sending_show_text(const struct mm_sending *sending,
                          struct mm_span octets)
{
    const mailmod_client *client = sending->client;
    const struct mailmod_client_line line = {.size = sizeof line,
                                             .way = MAILMOD_CLIENT_TEXT,
                                             .octets = octets.data,
                                             .count = octets.size};

    if (client->on_line != NULL && client->shows_text && octets.size > 0) {
        show(client, &line);
    }
}

/* A part of a message that the server spoke of. */
static void note_part(struct mm_client_status *status,
                      const struct mq_outcome *said)
{
    mm_client_status_clear(status);
    mm_client_status_set(status, said);
}

static void take_reply(struct mm_sending *sending, const struct news *news)
{
    const struct mm_sending_item *item = &sending->items[news->item];
    struct mailmod_client_event event = {.size = sizeof event,
                                         .message = item->message,
                                         .host = news->said.host,
                                         .text = ""};

    switch (news->part) {
    case MM_DELIVERY_MAIL_REPLY:
        event.kind = MAILMOD_CLIENT_REVERSE_PATH;
        note_part(&item->message->reverse_path_status, &news->said);
        break;
    case MM_DELIVERY_RCPT_REPLY:
        event.kind = MAILMOD_CLIENT_RECIPIENT;
        event.recipient = item->recipients[news->recipient];
        mm_client_status_note(&event.recipient->status, &news->said);
        break;
    case MM_DELIVERY_DATA_REPLY:
        event.kind = MAILMOD_CLIENT_TRANSFERRED;
        note_part(&item->message->transfer_status, &news->said);
        break;
    }
    (void)tell(sending->client, &event);
}

static void take_line(const struct mm_sending *sending,
                      const struct line_news *told)
{
    const struct mailmod_client_line line = {
        .size = sizeof line,
        .way = told->way == MM_TAP_SENT ? MAILMOD_CLIENT_SENT
                                        : MAILMOD_CLIENT_RECEIVED,
        .octets = told->octets,
        .count = told->size,
        .is_masked = told->is_masked,
        .left_out = told->left_out};

    show(sending->client, &line);
}

static void take_progress(struct mm_sending *sending, const struct news *news)
{
    const struct mailmod_client_event event = {
        .size = sizeof event,
        .kind = MAILMOD_CLIENT_PROGRESS,
        .message = sending->items[news->item].message,
        .progress = news->progress,
        .octets = news->octets,
        .host = "",
        .text = ""};

    (void)tell(sending->client, &event);
}

static void take_news(struct mm_sending *sending, struct news *news)
{
    switch (news->kind) {
    case NEWS_REPLY:
        take_reply(sending, news);
        break;
    case NEWS_PROGRESS:
        take_progress(sending, news);
        break;
    case NEWS_LINE:
        take_line(sending, MM_LIST_OBJECT(news, struct line_news, news));
        break;
    }
}

/* Locked. */
static struct news *next_news(mailmod_client *client)
{
    struct mm_list *node = mm_list_take_first(&client->news);
    struct news *news =
        node != NULL ? MM_LIST_OBJECT(node, struct news, node) : NULL;

    if (news != NULL && news->kind == NEWS_LINE) {
        client->line_octets -=
            MM_LIST_OBJECT(news, struct line_news, news)->size;
    }
    return news;
}

/* Its line_news begins with it, so one free is for both. */
static void free_news(struct news *news)
{
    mm_free(news);
}

void mm_sending_drop_news(mailmod_client *client)
{
    struct news *news;

    while ((news = next_news(client)) != NULL) {
        free_news(news);
    }
    client->left_out = 0;
}

static void finish_job(struct mm_task *task)
{
    struct mm_job *job = MM_LIST_OBJECT(task, struct mm_job, task);

    job->done(job);
}

static void run_job(struct mm_job *job)
{
    struct mm_loop *loop = job->loop;

    job->run(job);
    job->task.run = finish_job;
    mm_loop_post(loop, &job->task);
}

void mm_sending_wait(struct mm_sending *sending)
{
    mailmod_client *client = sending->client;
    bool is_over = false;

    while (!is_over) {
        mm_mutex_lock(client->mutex);
        struct news *news = next_news(client);
        struct mm_list *job =
            news == NULL ? mm_list_take_first(&client->jobs) : NULL;
        is_over = news == NULL && job == NULL && client->is_gone;
        if (news == NULL && job == NULL && !is_over) {
            mm_turning_wait(&client->instance->turning, client->has_work,
                            client->mutex);
        }
        mm_mutex_unlock(client->mutex);
        if (news != NULL) {
            take_news(sending, news);
            free_news(news);
        } else if (job != NULL) {
            run_job(MM_LIST_OBJECT(job, struct mm_job, node));
        }
    }
}

void mm_sending_listen(struct mm_sending *sending)
{
    const mailmod_client *client = sending->client;
    struct mm_submission *submission = &sending->submission;

    submission->submit = submit;
    submission->on_reply = on_reply;
    submission->on_outcome = on_outcome;
    submission->on_gone = on_gone;
    submission->context = sending;
    if (client->on_event != NULL) {
        submission->ask = ask;
        submission->on_progress = on_progress;
    }
    if (client->on_line != NULL) {
        submission->on_line = on_line;
    }
}
