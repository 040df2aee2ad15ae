/* srv_send.c - SRVInit..., SRVEndOfMsg, SRVGetResult: messages of the default
 * instance.
 *
 * Owns: one small record a stream, found by its handle. Promises: a stream that
 * ended is no handle any more, though its message lives on while somebody needs
 * it: the host that ends it, a callback whose DONE is still to come, the thread
 * that may ask for the results. DONE comes once for each message that has a
 * callback, also when it cannot be begun.
 *
 * Law of a record: OPEN -> ENDED; it goes with its last owner.
 * Thread: any; the lock of srv_state.h guards the records. */
#include "api/handles.h"
#include "api/instance.h"
#include "api/message/message.h"
#include "api/srv_alias.h"
#include "api/srv_state.h"

#include "base/mem.h"

#include <limits.h>

enum owner { OWNER_HOST = 1, OWNER_DONE = 2, OWNER_THREAD = 4 };

struct mm_srv_stream {
    mailmod_message *message;
    MsgCallback callback; /* fixed, as is the next */
    void *callback_param;
    bool is_open;
    bool is_mapped;    /* in the map of the default instance that there is */
    bool is_done_told; /* DONE went to the host, or is on its way */
    unsigned owners;
    uint64_t number;     /* of the thread's last end */
    struct mm_list node; /* in `kept` */
};

/* What this thread ended last; 0: nothing. Numbers are never used again, so
 * that a message that is no longer kept is just not found. */
static _Thread_local uint64_t thread_number;
static uint64_t last_number; /* behind the lock */

static struct mm_span key_of(const ServerStream *handle)
{
    return mm_span((const char *)handle, sizeof *handle);
}

/* Locked. */
static struct mm_srv_stream *find(ServerStream handle)
{
    struct mm_srv *srv = mm_srv_peek();

    return srv != NULL && handle != NULL
               ? mm_map_get(&srv->streams, key_of(&handle))
               : NULL;
}

static enum mailmod_error no_stream(ServerStream handle)
{
    return handle == NULL
               ? mm_fail(MAILMOD_ERROR_ARGUMENT, "the stream is NULL")
               : mm_fail(MAILMOD_ERROR_HANDLE,
                         "the stream is none of ours or has ended");
}

/* Locked. */
static void unmap(struct mm_srv_stream *stream)
{
    ServerStream handle = stream->message;

    if (stream->is_mapped) {
        stream->is_mapped = false;
        (void)mm_map_remove(&mm_srv_peek()->streams, key_of(&handle));
    }
}

/* Locked. */
static void unkeep(struct mm_srv *srv, struct mm_srv_stream *stream)
{
    mm_list_remove(&stream->node);
    srv->kept_count--;
    stream->owners &= ~(unsigned)OWNER_THREAD;
}

static void free_stream(struct mm_srv_stream *stream)
{
    (void)mailmod_message_free(&stream->message);
    mm_free(stream);
}

static void let_go(struct mm_srv_stream *stream, enum owner owner)
{
    mm_srv_lock();
    stream->owners &= ~(unsigned)owner;
    bool is_last = stream->owners == 0;
    if (is_last) {
        unmap(stream);
    }
    mm_srv_unlock();
    if (is_last) {
        free_stream(stream);
    }
}

/* ---- progress -------------------------------------------------------- */

/* Whether the host is still to hear of it. */
static bool is_told(struct mm_srv_stream *stream, bool is_done)
{
    mm_srv_lock();
    bool is_late = stream->is_done_told;
    stream->is_done_told = is_late || is_done;
    mm_srv_unlock();
    return !is_late;
}

static void tell(struct mm_srv_stream *stream, int state, uint64_t sent)
{
    mm_srv_callback_begins();
    stream->callback((ServerStream *)stream->message, stream->callback_param,
                     state, sent < INT_MAX ? (int)sent : INT_MAX);
    mm_srv_callback_ends();
}

/* The numbers of enum mailmod_progress are those of STATE_SMTP_... */
static void on_progress(void *context,
                        const struct mailmod_progress_report *report)
{
    struct mm_srv_stream *stream = context;
    bool is_done = report->progress == MAILMOD_DONE;

    if (is_told(stream, is_done)) {
        tell(stream, (int)report->progress, report->sent);
        if (is_done) {
            let_go(stream, OWNER_DONE);
        }
    }
}

/* ---- beginning ------------------------------------------------------- */

static enum mailmod_error enter_stream(struct mm_srv_stream *stream)
{
    ServerStream handle = stream->message;

    mm_srv_lock();
    struct mm_srv *srv = mm_srv_peek();
    enum mailmod_error error;
    if (srv == NULL || srv->is_ending) {
        error = mm_fail(MAILMOD_ERROR_STOPPED,
                        "the default instance is shutting down");
    } else {
        error = mm_map_put(&srv->streams, key_of(&handle), stream);
        stream->is_mapped = error == MAILMOD_OK;
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "a stream more cannot be kept: %s",
                          mm_error_text(error));
        }
    }
    mm_srv_unlock();
    return error;
}

static enum mailmod_error new_message(struct mm_srv_stream *stream,
                                      struct mailmod_envelope *envelope)
{
    mailmod *instance;
    enum mailmod_error error = mm_srv_instance(true, &instance);

    envelope->size = sizeof *envelope;
    if (stream->callback != NULL) {
        envelope->on_progress = on_progress;
        envelope->context = stream;
    }
    if (error == MAILMOD_OK) {
        error = mailmod_message_new(instance, envelope, &stream->message);
    }
    if (error == MAILMOD_OK) {
        mm_message_show_context(stream->message, stream->callback_param);
        error = enter_stream(stream);
    }
    return error;
}

static ServerStream begin(struct mailmod_envelope *envelope,
                          MsgCallback callback, void *callback_param)
{
    struct mm_srv_stream *stream = mm_alloc(sizeof *stream);

    if (stream == NULL) {
        (void)mm_srv_note(mm_fail(MAILMOD_ERROR_MEMORY, "out of memory"));
        return NULL;
    }
    mm_list_init(&stream->node);
    stream->callback = callback;
    stream->callback_param = callback_param;
    stream->is_open = true;
    stream->owners = OWNER_HOST | (callback != NULL ? OWNER_DONE : 0);
    enum mailmod_error error = new_message(stream, envelope);
    if (error != MAILMOD_OK) {
        free_stream(stream);
        stream = NULL;
    }
    (void)mm_srv_note(error);
    return stream != NULL ? stream->message : NULL;
}

ServerStream SRVInitSendMsgImidiatly(const char *from, const char *to,
                                     MsgCallback callback, void *callback_param)
{
    struct mailmod_envelope envelope = {
        .mode = MAILMOD_SEND_NOW, .reverse_path = from, .recipients = to};

    return begin(&envelope, callback, callback_param);
}
MM_SRV_ALIAS(SRVInitSendMsgImidiatly, SRVInitSendMsgImmediately);

ServerStream SRVInitSendMsgSMTP(const char *from, const char *to,
                                const char *smtp_host, int port,
                                MsgCallback callback, void *callback_param)
{
    struct mailmod_envelope envelope = {.mode = MAILMOD_SEND_RELAY,
                                        .reverse_path = from,
                                        .recipients = to,
                                        .relay_host = smtp_host,
                                        .relay_port = port};

    if (port < 1 || port > 65535) { /* 0 is 25 to mailmod_message_new */
        (void)mm_srv_note(mm_fail(MAILMOD_ERROR_ARGUMENT,
                                  "port: %d is not from 1 to 65535", port));
        return NULL;
    }
    return begin(&envelope, callback, callback_param);
}

ServerStream SRVInitSendMsgBackgaund(const char *from, const char *to,
                                     MsgCallback callback, void *callback_param)
{
    struct mailmod_envelope envelope = {
        .mode = MAILMOD_SEND_QUEUE, .reverse_path = from, .recipients = to};

    return begin(&envelope, callback, callback_param);
}
MM_SRV_ALIAS(SRVInitSendMsgBackgaund, SRVInitSendMsgBackground);

/* ---- ending ---------------------------------------------------------- */

enum mailmod_error mm_srv_check_open(ServerStream handle)
{
    mm_srv_lock();
    const struct mm_srv_stream *stream = find(handle);
    bool is_open = stream != NULL && stream->is_open;
    mm_srv_unlock();
    return is_open ? MAILMOD_OK : no_stream(handle);
}

int SRVRequireAll(ServerStream handle, int requires_all)
{
    enum mailmod_error error = mm_srv_check_open(handle);

    return mm_srv_note(error == MAILMOD_OK
                           ? mailmod_message_require_all(handle, requires_all)
                           : error);
}

/* The caller has the host's ownership from here on. */
static struct mm_srv_stream *close_stream(ServerStream handle)
{
    mm_srv_lock();
    struct mm_srv_stream *stream = find(handle);
    if (stream != NULL && !stream->is_open) {
        stream = NULL;
    }
    if (stream != NULL) {
        stream->is_open = false;
    }
    mm_srv_unlock();
    return stream;
}

/* Locked. The one that gives way; NULL: none, or it has other owners. */
static struct mm_srv_stream *keep(struct mm_srv *srv,
                                  struct mm_srv_stream *stream)
{
    struct mm_srv_stream *former = NULL;

    MM_LIST_EACH(node, &srv->kept)
    {
        struct mm_srv_stream *kept =
            MM_LIST_OBJECT(node, struct mm_srv_stream, node);

        if (kept->number == thread_number) {
            former = kept;
        }
    }
    if (former == NULL && srv->kept_count == MM_SRV_KEPT_MAX) {
        former = MM_LIST_OBJECT(mm_list_first(&srv->kept), struct mm_srv_stream,
                                node);
    }
    if (former != NULL) {
        unkeep(srv, former);
    }
    stream->number = ++last_number;
    thread_number = stream->number;
    stream->owners |= OWNER_THREAD;
    mm_list_append(&srv->kept, &stream->node);
    srv->kept_count++;
    if (former == NULL || former->owners != 0) {
        return NULL;
    }
    unmap(former);
    return former;
}

/* Its results are this thread's to ask for, unless the instance ended. */
static void keep_results(struct mm_srv_stream *stream)
{
    struct mm_srv_stream *former = NULL;

    mm_srv_lock();
    if (stream->is_mapped) {
        former = keep(mm_srv_peek(), stream);
    }
    mm_srv_unlock();
    if (former != NULL) {
        free_stream(former);
    }
    let_go(stream, OWNER_HOST);
}

void SRVEndOfMsg(ServerStream handle)
{
    struct mm_srv_stream *stream = close_stream(handle);

    if (stream == NULL) {
        (void)mm_srv_note(mm_handle_kind(handle) == MM_HANDLE_REQUEST
                              ? MAILMOD_OK /* its callback's return ends it */
                              : no_stream(handle));
        return;
    }
    enum mailmod_error error = mailmod_message_send(stream->message);
    /* A message that could not be begun has no other DONE. */
    if (error != MAILMOD_OK && stream->callback != NULL &&
        is_told(stream, true)) {
        tell(stream, STATE_SMTP_DONE, 0);
        let_go(stream, OWNER_DONE);
    }
    keep_results(stream);
    (void)mm_srv_note(error);
}

/* The handle whose results are asked for; NULL: there is none. */
static ServerStream settle_handle(ServerStream handle)
{
    ServerStream found = NULL;

    mm_srv_lock();
    struct mm_srv *srv = mm_srv_peek();
    if (handle != NULL) {
        found = find(handle) != NULL ? handle : NULL;
    } else if (srv != NULL) {
        MM_LIST_EACH(node, &srv->kept)
        {
            const struct mm_srv_stream *kept =
                MM_LIST_OBJECT(node, struct mm_srv_stream, node);

            if (kept->number == thread_number) {
                found = kept->message;
            }
        }
    }
    mm_srv_unlock();
    return found;
}

int SRVGetResult(ServerStream handle, int index, struct mailmod_result *result)
{
    ServerStream message = settle_handle(handle);

    if (index < 0 || result == NULL) {
        return mm_srv_note(mm_fail(MAILMOD_ERROR_ARGUMENT,
                                   result == NULL ? "the result is NULL"
                                                  : "the index is below 0"));
    }
    if (message == NULL) {
        return mm_srv_note(handle != NULL
                               ? no_stream(handle)
                               : mm_fail(MAILMOD_ERROR_HANDLE,
                                         "this thread has ended no message"));
    }
    return mm_srv_note(mailmod_message_result(message, (size_t)index, result));
}

/* ---- the end of all -------------------------------------------------- */

/* Locked. Takes a record out of the map; a thread that still stands in
 * SRVEndOfMsg has it to free. */
static void end_stream(void *context, struct mm_span key, void *value)
{
    struct mm_list *orphans = context;
    struct mm_srv_stream *stream = value;

    (void)key;
    stream->owners &= ~(unsigned)(OWNER_DONE | OWNER_THREAD);
    if (stream->is_open) {
        stream->is_open = false;
        stream->owners &= ~(unsigned)OWNER_HOST;
    }
    unmap(stream);
    mm_list_remove(&stream->node);
    if (stream->owners == 0) {
        mm_list_append(orphans, &stream->node);
    }
}

void mm_srv_end_streams(struct mm_srv *srv)
{
    struct mm_list orphans;

    mm_list_init(&orphans);
    mm_srv_lock();
    mm_map_each(&srv->streams, end_stream, &orphans);
    srv->kept_count = 0;
    mm_srv_unlock();
    struct mm_list *node;
    while ((node = mm_list_take_first(&orphans)) != NULL) {
        free_stream(MM_LIST_OBJECT(node, struct mm_srv_stream, node));
    }
}
