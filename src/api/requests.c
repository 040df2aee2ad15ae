/* requests.c - questions to the host: mailmod_request_set_callback and what a
 * callback may ask and do.
 *
 * Owns: one small object a question, with a share of the server's mm_request,
 * so that its texts live as long as the handle does: until the question is
 * answered and the callback has returned, whichever comes last. Promises: a
 * callback runs on a thread that may stand still; it is answered once, by its
 * return value or by mailmod_request_answer; what the session does meanwhile
 * (the peer hangs up, the instance stops) never pulls the question away under
 * the host; who was to be asked when the question was put is asked.
 *
 * Thread: `mm_request_put` on a loop, all else on the host's. */
#include "api/handles.h"
#include "api/host_threads.h"
#include "api/instance.h"
#include "api/later.h"
#include "api/reading.h"

#include "base/mem.h"
#include "platform/net.h"
#include "server/request.h"

#include <assert.h>

struct mailmod_request {
    struct mm_host_job job;
    struct mm_request *inner;
    struct mm_asker *asker;       /* who was to be asked when it was put */
    struct mm_context context;    /* of the host's; the asker's mutex */
    struct mm_readings *readings; /* a reference */
    struct mm_later later;
    char peer[MM_NETADDR_TEXT_MAX];
};

static enum mm_verdict verdict_of(enum mailmod_verdict verdict)
{
    switch (verdict) {
    case MAILMOD_ACCEPT:
        return MM_VERDICT_ACCEPT;
    case MAILMOD_REJECT:
        return MM_VERDICT_REJECT;
    case MAILMOD_TAKEN:
        return MM_VERDICT_TAKEN;
    case MAILMOD_REJECT_FOR_NOW:
    case MAILMOD_LATER:
        break;
    }
    return MM_VERDICT_REJECT_FOR_NOW; /* and any value that is none of ours */
}

/* Once for a request: by who has answered it. */
static enum mailmod_error settle(mailmod_request *request,
                                 enum mailmod_verdict verdict)
{
    return mm_request_settle(request->inner, verdict_of(verdict));
}

static void free_request(mailmod_request *request)
{
    struct mm_asker *asker = request->asker;

    mm_request_unref(&request->inner);
    mm_readings_unref(&request->readings);
    mm_context_release(&request->context);
    mm_free(request);
    mm_asker_unref(&asker);
}

/* Answered, and the callback has returned. `own_holds` are the caller's; of
 * others the last one is waited for. */
static void finish(mailmod_request *request, unsigned own_holds)
{
    if (mm_handle_remove(MM_HANDLE_REQUEST, request, own_holds) == MAILMOD_OK) {
        free_request(request);
    }
}

static void run_request(struct mm_host_job *job)
{
    mailmod_request *request = MM_LIST_OBJECT(job, mailmod_request, job);
    enum mailmod_verdict verdict =
        request->asker->on_request(request->asker->context.value, request);

    if (verdict == MAILMOD_LATER && mm_later_wait(&request->later)) {
        return; /* mailmod_request_answer has it now */
    }
    if (mm_later_answer(&request->later, NULL)) {
        (void)settle(request, verdict);
    }
    finish(request, 0);
}

static enum mailmod_error put(struct mm_host_threads *threads,
                              mailmod_request *request)
{
    enum mailmod_error error = mm_handle_add(MM_HANDLE_REQUEST, request);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_host_threads_run(threads, &request->job);
    if (error != MAILMOD_OK) {
        enum mailmod_error other =
            mm_handle_remove(MM_HANDLE_REQUEST, request, 0);
        assert(other == MAILMOD_OK); /* nobody knows it yet */
        (void)other;
    }
    return error;
}

enum mailmod_error mm_request_put(void *context, struct mm_request *inner)
{
    struct mailmod *instance = context;
    const struct mm_request_facts *facts = mm_request_facts(inner);
    mailmod_request *request = mm_alloc(sizeof *request);

    if (request == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    request->inner = mm_request_ref(inner);
    request->readings = mm_readings_ref(instance->readings);
    request->job.run = run_request;
    mm_later_init(&request->later);
    mm_netaddr_format_ip(&facts->peer, request->peer);
    mm_mutex_lock(instance->asked.mutex);
    bool asks = (instance->asked.moments & (unsigned)facts->moment) != 0;
    enum mailmod_error error = MAILMOD_OK;
    if (asks) {
        request->asker = mm_asker_ref(instance->asked.asker);
        error = put(instance->host_threads, request);
    }
    if (!asks || error != MAILMOD_OK) {
        /* With the mutex: a loop never has the last reference on an asker. */
        free_request(request);
    }
    mm_mutex_unlock(instance->asked.mutex);
    /* The host changed its mind between the session's look and this one. */
    return asks ? error : mm_request_settle(inner, MM_VERDICT_ACCEPT);
}

enum mailmod_error mailmod_request_set_callback(mailmod *instance,
                                                unsigned moments,
                                                mailmod_on_request on_request,
                                                void *context,
                                                mailmod_on_release on_release)
{
    struct mm_asker *asker;

    if ((moments & ~(unsigned)MAILMOD_ALL_MOMENTS) != 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "moments has unknown bits");
    }
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_asker_new(&asker, on_request,
                         (struct mm_context){context, on_release});
    if (error == MAILMOD_OK) {
        mm_mutex_lock(instance->asked.mutex);
        struct mm_asker *former = instance->asked.asker;
        instance->asked.moments = on_request != NULL ? moments : 0;
        instance->asked.asker = asker;
        mm_mutex_unlock(instance->asked.mutex);
        asker = former;
        if (instance->server != NULL) {
            mm_server_set_moments(instance->server, instance->asked.moments);
        }
    }
    mm_instance_unlock(instance);
    mm_asker_unref(&asker);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}

enum mailmod_error mailmod_request_set_context(mailmod_request *request,
                                               void *context,
                                               mailmod_on_release on_release)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_REQUEST, request);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_mutex_lock(request->asker->mutex);
    struct mm_context former = mm_context_take(&request->context);
    request->context = (struct mm_context){context, on_release};
    mm_mutex_unlock(request->asker->mutex);
    mm_handle_let(request);
    mm_context_release(&former);
    return MAILMOD_OK;
}

void *mailmod_request_context(const mailmod_request *request)
{
    void *context = NULL;

    if (mm_handle_hold(MM_HANDLE_REQUEST, request) == MAILMOD_OK) {
        mm_mutex_lock(request->asker->mutex);
        context = request->context.value;
        mm_mutex_unlock(request->asker->mutex);
        mm_handle_let(request);
    }
    return context;
}

enum mailmod_error mm_request_hold(mailmod_request *request,
                                   struct mm_request **inner_out)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_REQUEST, request);

    *inner_out = error == MAILMOD_OK ? request->inner : NULL;
    return error;
}

static enum mailmod_error set_reply(mailmod_request *request, int code,
                                    const char *text)
{
    enum mailmod_error error = mm_request_set_reply(request->inner, code, text);

    return error == MAILMOD_ERROR_ARGUMENT
               ? mm_fail(error, "a reply code is from 400 to 599")
           : error != MAILMOD_OK
               ? mm_fail(error, "the request is answered already")
               : MAILMOD_OK;
}

enum mailmod_error mailmod_request_answer(mailmod_request *request,
                                          enum mailmod_verdict verdict,
                                          int code, const char *text)
{
    bool is_waiting = false;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_REQUEST, request);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (code == 0 && text != NULL && request->inner != NULL) {
        /* Words without a code come with the verdict's own. */
        code = mm_request_default_code(request->inner, verdict_of(verdict));
    }
    if (verdict == MAILMOD_LATER) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "an answer is not \"later\"");
    } else if (code != 0) {
        error = set_reply(request, code, text);
    }
    if (error == MAILMOD_OK) {
        error = mm_later_answer(&request->later, &is_waiting)
                    ? settle(request, verdict)
                    : mm_fail(MAILMOD_ERROR_STATE,
                              "the request is answered already");
    }
    if (is_waiting) {
        finish(request, 1);
    } else {
        mm_handle_let(request);
    }
    return error;
}

enum mailmod_error mailmod_request_set_reply(mailmod_request *request, int code,
                                             const char *text)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_REQUEST, request);

    if (error == MAILMOD_OK) {
        error = set_reply(request, code, text);
        mm_handle_let(request);
    }
    return error;
}

/* All that is known; nothing, for a handle that is none. The texts live as
 * long as the request. */
static struct mm_request_facts facts_of(const mailmod_request *request)
{
    struct mm_request_facts facts = {.socket = -1};

    if (mm_handle_hold(MM_HANDLE_REQUEST, request) == MAILMOD_OK) {
        facts = *mm_request_facts(request->inner);
        mm_handle_let(request);
    }
    return facts;
}

enum mailmod_moment mailmod_request_moment(const mailmod_request *request)
{
    return (enum mailmod_moment)facts_of(request).moment;
}

const char *mailmod_request_user(const mailmod_request *request)
{
    return facts_of(request).user;
}

const char *mailmod_request_password(const mailmod_request *request)
{
    return facts_of(request).password;
}

const char *mailmod_request_token(const mailmod_request *request)
{
    return facts_of(request).token;
}

const char *mailmod_request_certificate(const mailmod_request *request)
{
    return facts_of(request).certificate;
}

const char *mailmod_request_fingerprint(const mailmod_request *request)
{
    return facts_of(request).fingerprint;
}

const char *mailmod_request_reverse_path(const mailmod_request *request)
{
    return facts_of(request).reverse_path;
}

const char *mailmod_request_recipient(const mailmod_request *request,
                                      size_t index)
{
    const char *recipient = NULL;

    if (mm_handle_hold(MM_HANDLE_REQUEST, request) == MAILMOD_OK) {
        recipient = mm_request_recipient(request->inner, index);
        mm_handle_let(request);
    }
    return recipient;
}

const char *mailmod_request_message(const mailmod_request *request)
{
    return facts_of(request).message;
}

uint64_t mailmod_request_number(const mailmod_request *request)
{
    return facts_of(request).number;
}

uint64_t mailmod_request_connection(const mailmod_request *request)
{
    return facts_of(request).connection;
}

int mailmod_request_is_tls(const mailmod_request *request)
{
    return facts_of(request).is_tls;
}

const char *mailmod_request_peer(const mailmod_request *request)
{
    const char *peer = NULL;

    if (mm_handle_hold(MM_HANDLE_REQUEST, request) == MAILMOD_OK) {
        peer = request->peer;
        mm_handle_let(request);
    }
    return peer;
}

int mailmod_request_address(const mailmod_request *request, void *address_out,
                            int size)
{
    const struct mm_request_facts facts = facts_of(request);

    return facts.peer.family != MM_NETADDR_NONE && address_out != NULL
               ? mm_net_copy_sockaddr(&facts.peer, address_out, size)
               : 0;
}

intptr_t mailmod_request_socket(const mailmod_request *request)
{
    return facts_of(request).socket;
}

static enum mailmod_error hold_to_move(const mailmod_request *request,
                                       const void *octets, size_t size)
{
    if (octets == NULL && size > 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the octets are NULL");
    }
    return mm_handle_hold(MM_HANDLE_REQUEST, request);
}

size_t mailmod_request_read(mailmod_request *request, void *buffer, size_t size,
                            enum mailmod_error *error_out)
{
    enum mailmod_error error = hold_to_move(request, buffer, size);
    size_t got = 0;

    if (error == MAILMOD_OK) {
        got = mm_request_read(request->inner, buffer, size, &error);
        mm_handle_let(request);
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "%s", mm_error_text(error));
        }
    }
    if (error_out != NULL) {
        *error_out = error;
    }
    return got;
}

struct request_text {
    struct mm_text_source source;
    struct mm_request *inner; /* a reference */
    mailmod_reading *reading;
};

static enum mailmod_error take_body(struct mm_text_source *source,
                                    struct mm_buf *out)
{
    return mm_request_take(
        MM_LIST_OBJECT(source, struct request_text, source)->inner, out);
}

static void end_body(struct mm_text_source *source)
{
    struct request_text *text =
        MM_LIST_OBJECT(source, struct request_text, source);

    mm_request_unfollow(text->inner);
    mm_request_unref(&text->inner);
    mm_free(text);
}

static void on_news(void *context)
{
    mm_reading_wake(((struct request_text *)context)->reading);
}

static void body_begun(struct mm_text_source *source, mailmod_reading *reading)
{
    MM_LIST_OBJECT(source, struct request_text, source)->reading = reading;
}

/* Asks for the body at its first turn, for the session's answer may come from
 * another thread at once. */
static enum mailmod_error follow_body(struct mm_text_source *source,
                                      struct mm_buf *out)
{
    struct request_text *text =
        MM_LIST_OBJECT(source, struct request_text, source);
    enum mailmod_error error = mm_request_follow(text->inner, on_news, text);

    source->next = take_body;
    return error == MAILMOD_OK ? take_body(source, out) : error;
}

/* Held. */
static enum mailmod_error begin_pieces(mailmod_request *request,
                                       mailmod_on_piece on_piece, void *context,
                                       mailmod_reading **reading_out)
{
    struct request_text *text = mm_alloc(sizeof *text);

    if (text == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    text->source = (struct mm_text_source){
        .next = follow_body, .end = end_body, .begun = body_begun};
    text->inner = mm_request_ref(request->inner);
    enum mailmod_error error = mm_reading_begin(
        request->readings, &text->source, on_piece, context, reading_out);
    if (error != MAILMOD_OK) {
        mm_request_unref(&text->inner);
        mm_free(text);
    }
    return error;
}

enum mailmod_error mailmod_request_read_pieces(mailmod_request *request,
                                               mailmod_on_piece on_piece,
                                               void *context,
                                               mailmod_reading **reading_out)
{
    if (on_piece == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
    }
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_REQUEST, request);
    if (error != MAILMOD_OK) {
        return error;
    }
    error =
        mm_request_facts(request->inner)->moment == MAILMOD_SMTP_MESSAGE
            ? begin_pieces(request, on_piece, context, reading_out)
            : mm_fail(MAILMOD_ERROR_STATE, "there is no text at this moment");
    mm_handle_let(request);
    return error;
}

enum mailmod_error mailmod_request_write(mailmod_request *request,
                                         const void *octets, size_t size)
{
    enum mailmod_error error = hold_to_move(request, octets, size);

    if (error == MAILMOD_OK) {
        error = mm_request_write(request->inner, octets, size);
        if (error == MAILMOD_ERROR_STATE) {
            (void)mm_fail(error, "the request is answered already");
        } else if (error == MAILMOD_ERROR_LIMIT) {
            (void)mm_fail(error, "a request takes %zu octets at this moment",
                          mm_request_facts(request->inner)->written_max);
        } else if (error != MAILMOD_OK) {
            (void)mm_fail(error, "%s", mm_error_text(error));
        }
        mm_handle_let(request);
    }
    return error;
}
