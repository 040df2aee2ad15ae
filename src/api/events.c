/* events.c - what became of mail, told to the host: once each, in order.
 *
 * Owns the events that wait. Promises: those of telling.h; what waits is
 * bounded by what is in work, for nothing new is begun past
 * MM_EVENTS_OCTETS_MAX. Without memory for an event the log has it alone.
 * Thread: any; `tell` on a host thread. */
#include "api/events.h"

#include "api/fetch.h"
#include "api/handles.h"
#include "api/instance.h"
#include "api/message/message.h"
#include "api/telling.h"
#include "base/mem.h"

#include <string.h>

struct event {
    struct mm_told told;
    struct mailmod_event shown;
    struct mailmod_fetch_account account; /* shown.fetch */
    char texts[];
};

struct mm_events {
    const struct mm_log *log;
    struct mm_telling telling;
};

static void tell(mm_callback callback, void *context, struct mm_told *told)
{
    mailmod_on_event on_event = (mailmod_on_event)callback;

    on_event(context, &MM_LIST_OBJECT(told, struct event, told)->shown);
}

enum mailmod_error mm_events_new(struct mm_events **events_out,
                                 const struct mm_log *log)
{
    struct mm_events *events = mm_alloc(sizeof *events);

    *events_out = events;
    if (events == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    events->log = log;
    enum mailmod_error error = mm_telling_init(&events->telling, tell);
    if (error != MAILMOD_OK) {
        mm_events_free(events_out);
    }
    return error;
}

void mm_events_free(struct mm_events **events_in)
{
    struct mm_events *events = *events_in;

    *events_in = NULL;
    if (events != NULL) {
        mm_telling_fini(&events->telling);
        mm_free(events);
    }
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
    event->told.octets = size;
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

static bool is_wanted(struct mm_events *events, const struct mm_news *news)
{
    return (atomic_load(&events->telling.kinds) & (unsigned)news->kind) != 0;
}

void mm_events_tell(void *context, const struct mm_news *news)
{
    struct mm_events *events = context;

    if (!is_wanted(events, news)) {
        return;
    }
    struct event *event = new_event(news);
    if (event == NULL) {
        MM_LOG(events->log, MM_LOG_ERROR, "events",
               "no memory to tell the host",
               MM_TEXT("recipient", news->recipient));
        return;
    }
    mm_telling_put(&events->telling, (unsigned)news->kind, &event->told);
}

bool mm_events_is_behind(void *context)
{
    struct mm_events *events = context;

    return atomic_load(&events->telling.octets) >= MM_EVENTS_OCTETS_MAX;
}

void mm_events_begin(struct mm_events *events, struct mm_host_threads *threads)
{
    mm_telling_begin(&events->telling, threads);
}

void mm_events_end(struct mm_events *events)
{
    mm_telling_end(&events->telling);
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
    error = mm_telling_listen(&instance->events->telling, kinds,
                              (mm_callback)on_event,
                              (struct mm_context){context, on_release});
    mm_handle_let(instance);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
