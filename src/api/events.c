/* events.c - what became of mail, told to the host: once each, in order.
 *
 * Owns the events that wait and who hears them. Promises: an event goes to the
 * callback that there was when it came true; one call at a time; none is lost
 * for want of a thread, for whoever comes next (an event, the end) tries again;
 * what waits is bounded by what is in work, for nothing new is begun past
 * MM_EVENTS_OCTETS_MAX. Without memory for an event the log has it alone.
 *
 * Law of has_job: set while a thread tells, or is on its way to.
 * Thread: any; `run` on a host thread. */
#include "api/events.h"

#include "api/fetch.h"
#include "api/handles.h"
#include "api/instance.h"
#include "api/message/message.h"
#include "base/mem.h"

#include <string.h>

struct listener {
    unsigned references; /* the lock */
    mailmod_on_event on_event;
    struct mm_context context;
};

struct event {
    struct mm_list node;
    struct listener *listener;
    struct mailmod_event shown;
    struct mailmod_fetch_account account; /* shown.fetch */
    size_t octets;
    char texts[];
};

struct mm_events {
    const struct mm_log *log;
    atomic_uint kinds;
    atomic_size_t octets;
    struct mm_mutex *mutex; /* the lock: all below */
    struct mm_condition *has_told;
    struct listener *listener; /* NULL: nobody */
    struct mm_list waiting;
    struct mm_host_threads *threads; /* NULL unless it runs */
    struct mm_host_job job;
    bool has_job;
};

static void run(struct mm_host_job *job);

enum mailmod_error mm_events_new(struct mm_events **events_out,
                                 const struct mm_log *log)
{
    struct mm_events *events = mm_alloc(sizeof *events);

    *events_out = events;
    if (events == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    events->log = log;
    events->job.run = run;
    mm_list_init(&events->waiting);
    atomic_init(&events->kinds, 0);
    atomic_init(&events->octets, 0);
    enum mailmod_error error = mm_mutex_new(&events->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&events->has_told);
    }
    if (error != MAILMOD_OK) {
        mm_events_free(events_out);
    }
    return error;
}

/* Without the lock: the host hears that its context is released. */
static void let_go(struct mm_events *events, struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    mm_mutex_lock(events->mutex);
    bool is_last = --listener->references == 0;
    mm_mutex_unlock(events->mutex);
    if (is_last) {
        mm_context_release(&listener->context);
        mm_free(listener);
    }
}

void mm_events_free(struct mm_events **events_in)
{
    struct mm_events *events = *events_in;

    *events_in = NULL;
    if (events != NULL) {
        let_go(events, events->listener);
        mm_condition_free(&events->has_told);
        mm_mutex_free(&events->mutex);
        mm_free(events);
    }
}

enum mailmod_error mm_events_listen(struct mm_events *events, unsigned kinds,
                                    mailmod_on_event on_event,
                                    struct mm_context context)
{
    struct listener *listener = mm_alloc(sizeof *listener);

    if (listener == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    listener->references = 1;
    listener->on_event = on_event;
    listener->context = context;
    mm_mutex_lock(events->mutex);
    struct listener *former = events->listener;
    events->listener = listener;
    atomic_store(&events->kinds, on_event != NULL ? kinds : 0);
    mm_mutex_unlock(events->mutex);
    let_go(events, former);
    return MAILMOD_OK;
}

static size_t account_size(const struct mm_store_fetch *fetch)
{
    return fetch == NULL ? 0
                         : strlen(fetch->name) + strlen(fetch->source) +
                               strlen(fetch->result) + 3;
}

static void copy_account(struct event *event,
                         const struct mm_store_fetch *fetch, char **at)
{
    struct mailmod_fetch_account *account = &event->account;

    mm_fetch_account_of(fetch, account);
    account->name = mm_text_put(at, fetch->name);
    account->source = mm_text_put(at, fetch->source);
    account->result = mm_text_put(at, fetch->result);
    event->shown.fetch = account;
}

/* NULL: no memory. */
static struct event *new_event(const struct mm_news *news)
{
    struct mm_message_words words;
    char identifier[MM_MESSAGE_ID_TEXT_MAX];

    mm_message_words_split(&words, news->host, news->status, news->reply);
    mm_message_id_format(news->message_id, identifier);
    if (news->message_id == 0) {
        identifier[0] = '\0';
    }
    size_t size = sizeof(struct event) + strlen(identifier) +
                  strlen(news->reverse_path) + strlen(news->recipient) +
                  strlen(words.enhanced) + strlen(words.text) +
                  strlen(words.host) + 6 + account_size(news->fetch);
    struct event *event = mm_alloc(size);
    if (event == NULL) {
        return NULL;
    }
    char *at = event->texts;
    event->octets = size;
    event->shown.size = sizeof event->shown;
    event->shown.kind = news->kind;
    event->shown.connection = news->connection;
    event->shown.message = mm_text_put(&at, identifier);
    event->shown.reverse_path = mm_text_put(&at, news->reverse_path);
    event->shown.recipient = mm_text_put(&at, news->recipient);
    event->shown.error = news->error;
    event->shown.code = words.code;
    event->shown.enhanced = mm_text_put(&at, words.enhanced);
    event->shown.text = mm_text_put(&at, words.text);
    event->shown.host = mm_text_put(&at, words.host);
    event->shown.attempts = news->attempts;
    if (news->fetch != NULL) {
        copy_account(event, news->fetch, &at);
    }
    return event;
}

/* Locked. */
static void schedule(struct mm_events *events)
{
    if (!events->has_job && events->threads != NULL &&
        !mm_list_is_empty(&events->waiting)) {
        events->has_job =
            mm_host_threads_run(events->threads, &events->job) == MAILMOD_OK;
    }
}

void mm_events_tell(void *context, const struct mm_news *news)
{
    struct mm_events *events = context;

    if ((atomic_load(&events->kinds) & (unsigned)news->kind) == 0) {
        return;
    }
    struct event *event = new_event(news);
    if (event == NULL) {
        MM_LOG(events->log, MM_LOG_ERROR, "events",
               "no memory to tell the host",
               MM_TEXT("recipient", news->recipient));
        return;
    }
    mm_mutex_lock(events->mutex);
    bool is_wanted = (atomic_load(&events->kinds) & (unsigned)news->kind) != 0;
    if (is_wanted) {
        event->listener = events->listener;
        event->listener->references++;
        mm_list_append(&events->waiting, &event->node);
        atomic_fetch_add(&events->octets, event->octets);
        schedule(events);
    }
    mm_mutex_unlock(events->mutex);
    if (!is_wanted) {
        mm_free(event);
    }
}

bool mm_events_is_behind(void *context)
{
    struct mm_events *events = context;

    return atomic_load(&events->octets) >= MM_EVENTS_OCTETS_MAX;
}

/* Locked; not while the host is told. */
static void tell_all(struct mm_events *events)
{
    struct mm_list *node;

    while ((node = mm_list_take_first(&events->waiting)) != NULL) {
        struct event *event = MM_LIST_OBJECT(node, struct event, node);

        mm_mutex_unlock(events->mutex);
        event->listener->on_event(event->listener->context.value,
                                  &event->shown);
        let_go(events, event->listener);
        atomic_fetch_sub(&events->octets, event->octets);
        mm_free(event);
        mm_mutex_lock(events->mutex);
    }
    events->has_job = false;
    mm_condition_broadcast(events->has_told);
}

static void run(struct mm_host_job *job)
{
    struct mm_events *events = MM_LIST_OBJECT(job, struct mm_events, job);

    mm_mutex_lock(events->mutex);
    tell_all(events);
    mm_mutex_unlock(events->mutex);
}

void mm_events_begin(struct mm_events *events, struct mm_host_threads *threads)
{
    mm_mutex_lock(events->mutex);
    events->threads = threads;
    mm_mutex_unlock(events->mutex);
}

void mm_events_end(struct mm_events *events)
{
    mm_mutex_lock(events->mutex);
    while (events->has_job || !mm_list_is_empty(&events->waiting)) {
        schedule(events);
        if (events->has_job) {
            mm_condition_wait(events->has_told, events->mutex);
        } else {
            events->has_job = true; /* no thread is to be had */
            tell_all(events);
        }
    }
    events->threads = NULL;
    mm_mutex_unlock(events->mutex);
}

enum mailmod_error mailmod_event_set_callback(mailmod *instance, unsigned kinds,
                                              mailmod_on_event on_event,
                                              void *context,
                                              mailmod_on_release on_release)
{
    if ((kinds & ~(unsigned)MAILMOD_ALL_EVENTS) != 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "kinds has unknown bits");
    }
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_events_listen(instance->events, kinds, on_event,
                             (struct mm_context){context, on_release});
    mm_handle_let(instance);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
