/* session_events.c - what sessions do, told to the host.
 *
 * Owns the events that wait. Promises: those of telling.h for what was put; no
 * loop waits, and what waits is bounded: past it events are left out and
 * counted, and the next one that is told says how many.
 * Thread: any; `put` on a session's loop, `tell` on a host thread. */
#include "api/session_events.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/message/message.h"
#include "api/telling.h"
#include "base/mem.h"

#include <string.h>

struct event {
    struct mm_told told;
    struct mailmod_session_event shown;
    char texts[];
};

struct mm_session_events {
    const struct mm_log *log;
    struct mm_telling telling;
    atomic_uint services; /* bits that the host wants */
    atomic_ullong left_out;
};

static void tell(mm_callback callback, void *context, struct mm_told *told)
{
    mailmod_on_session on_session = (mailmod_on_session)callback;

    on_session(context, &MM_LIST_OBJECT(told, struct event, told)->shown);
}

enum mailmod_error mm_session_events_new(struct mm_session_events **events_out,
                                         const struct mm_log *log)
{
    struct mm_session_events *events = mm_alloc(sizeof *events);

    *events_out = events;
    if (events == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    events->log = log;
    atomic_init(&events->services, 0);
    atomic_init(&events->left_out, 0);
    enum mailmod_error error = mm_telling_init(&events->telling, tell);
    if (error != MAILMOD_OK) {
        mm_session_events_free(events_out);
    }
    return error;
}

void mm_session_events_free(struct mm_session_events **events_in)
{
    struct mm_session_events *events = *events_in;

    *events_in = NULL;
    if (events != NULL) {
        mm_telling_fini(&events->telling);
        mm_free(events);
    }
}

static const char *text_of(const char *text)
{
    return text != NULL ? text : "";
}

/* NULL: no memory. */
static struct event *new_event(const struct mm_session_news *news)
{
    size_t size = sizeof(struct event) + strlen(news->peer) +
                  strlen(text_of(news->user)) + strlen(text_of(news->text)) +
                  strlen(text_of(news->command)) + 4;
    struct event *event = mm_alloc(size);

    if (event == NULL) {
        return NULL;
    }
    char *at = event->texts;
    event->told.octets = size;
    event->shown = (struct mailmod_session_event){
        .size = sizeof event->shown,
        .kind = news->kind,
        .connection = news->connection,
        .service = mm_service_name(news->service),
        .peer = mm_text_put(&at, news->peer),
        .is_tls = news->is_tls,
        .user = mm_text_put(&at, text_of(news->user)),
        .text = mm_text_put(&at, text_of(news->text)),
        .command = mm_text_put(&at, text_of(news->command)),
        .error = news->error,
        .time_ms = news->time_ms};
    return event;
}

static bool has_room(struct mm_session_events *events,
                     enum mailmod_session_kind kind)
{
    size_t max = MM_SESSION_EVENTS_OCTETS_MAX;

    if (kind == MAILMOD_SESSION_COMMAND || kind == MAILMOD_SESSION_REPLY) {
        max = max / 4 * 3;
    }
    return atomic_load(&events->telling.octets) < max;
}

/* One line for a host that is behind, not one for each event. */
static void leave_out(struct mm_session_events *events)
{
    if (atomic_fetch_add(&events->left_out, 1) == 0) {
        MM_LOG(events->log, MM_LOG_WARNING, "events",
               "events of sessions are left out: the host is behind",
               MM_NUMBER("octets", MM_SESSION_EVENTS_OCTETS_MAX));
    }
}

static void put(void *context, const struct mm_session_news *news)
{
    struct mm_session_events *events = context;

    if ((atomic_load(&events->services) & 1u << news->service) == 0) {
        return;
    }
    struct event *event = has_room(events, news->kind) ? new_event(news) : NULL;
    if (event == NULL) {
        leave_out(events);
        return;
    }
    event->shown.left_out = atomic_exchange(&events->left_out, 0);
    mm_telling_put(&events->telling, (unsigned)news->kind, &event->told);
}

struct mm_observer mm_session_events_observer(struct mm_session_events *events)
{
    return (struct mm_observer){&events->telling.kinds, put, events};
}

void mm_session_events_begin(struct mm_session_events *events,
                             struct mm_host_threads *threads)
{
    mm_telling_begin(&events->telling, threads);
}

void mm_session_events_end(struct mm_session_events *events)
{
    mm_telling_end(&events->telling);
}

static enum mailmod_error read_services(const char *names, unsigned *bits_out)
{
    struct mm_span rest = mm_span_cstr(names != NULL ? names : "");
    bool has_more = names != NULL;

    *bits_out = names != NULL ? 0 : (1u << MM_SERVICE_COUNT) - 1;
    while (has_more) {
        struct mm_span name;
        char text[32];

        has_more = mm_span_cut(rest, ',', &name, &rest);
        enum mm_service service =
            mm_span_copy(mm_span_trim(name), text, sizeof text)
                ? mm_service_find(text)
                : MM_SERVICE_COUNT;
        if (service == MM_SERVICE_COUNT) {
            return mm_fail(MAILMOD_ERROR_UNKNOWN_NAME,
                           "there is no service \"%.*s\"", (int)name.size,
                           name.data);
        }
        *bits_out |= 1u << service;
    }
    return MAILMOD_OK;
}

enum mailmod_error mailmod_session_set_callback(
    mailmod *instance, unsigned kinds, const char *services,
    mailmod_on_session on_session, void *context, mailmod_on_release on_release)
{
    unsigned bits;

    if ((kinds & ~(unsigned)MAILMOD_ALL_SESSION_KINDS) != 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "kinds has unknown bits");
    }
    enum mailmod_error error = read_services(services, &bits);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_session_events *events = instance->session_events;
    error = mm_telling_listen(&events->telling, kinds, (mm_callback)on_session,
                              (struct mm_context){context, on_release});
    if (error == MAILMOD_OK) {
        atomic_store(&events->services, bits);
    }
    mm_handle_let(instance);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
