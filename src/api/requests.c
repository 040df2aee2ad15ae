/* requests.c - questions to the host: mailmod_set_on_request and what a
 * callback may ask and do.
 *
 * Owns: one small object a question, on top of the server's mm_request. It
 * lives until the question is answered and the callback has returned, whichever
 * comes last. Promises: a callback runs on a thread that may stand still; it is
 * answered once, by its return value or by mailmod_answer; what the session
 * does meanwhile (the peer hangs up, the instance stops) never pulls the
 * question away under the host.
 *
 * Law of the state: RUNNING -> ANSWERED, or RUNNING -> WAITING -> ANSWERED.
 * Thread: `ask` on a loop, all else on the host's. */
#include "api/host_threads.h"
#include "api/instance.h"

#include "base/mem.h"
#include "platform/net.h"
#include "server/request.h"

enum request_state { REQUEST_RUNNING, REQUEST_WAITING, REQUEST_ANSWERED };

struct mailmod_request {
    struct mm_host_job job;
    struct mailmod *instance;
    struct mm_request *request;
    atomic_int state;
    char peer[MM_NETADDR_TEXT_MAX];
};

static bool move(mailmod_request *request, int from, int to)
{
    return atomic_compare_exchange_strong(&request->state, &from, to);
}

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

static enum mailmod_error settle(mailmod_request *request,
                                 enum mailmod_verdict verdict)
{
    struct mm_request *inner = request->request;

    request->request = NULL;
    return mm_request_settle(inner, verdict_of(verdict));
}

static void run_request(struct mm_host_job *job)
{
    mailmod_request *request = MM_LIST_OBJECT(job, mailmod_request, job);
    struct mailmod *instance = request->instance;
    enum mailmod_verdict verdict =
        instance->on_request(instance->request_context, request);

    if (verdict == MAILMOD_LATER &&
        move(request, REQUEST_RUNNING, REQUEST_WAITING)) {
        return; /* mailmod_answer has it now */
    }
    if (move(request, REQUEST_RUNNING, REQUEST_ANSWERED)) {
        (void)settle(request, verdict);
    }
    mm_free(request);
}

enum mailmod_error mm_request_put(void *context, struct mm_request *inner)
{
    struct mailmod *instance = context;
    mailmod_request *request = mm_alloc(sizeof *request);
    enum mailmod_error error;

    if (request == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    request->instance = instance;
    request->request = inner;
    request->job.run = run_request;
    atomic_init(&request->state, REQUEST_RUNNING);
    mm_netaddr_format_ip(&mm_request_facts(inner)->peer, request->peer);
    error = mm_host_threads_run(instance->host_threads, &request->job);
    if (error != MAILMOD_OK) {
        mm_free(request);
    }
    return error;
}

enum mailmod_error mailmod_set_on_request(mailmod *instance, unsigned moments,
                                          mailmod_on_request on_request,
                                          void *context)
{
    enum mailmod_error error = MAILMOD_OK;

    if (instance == NULL || (moments & ~(unsigned)MAILMOD_ALL_MOMENTS) != 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       instance == NULL ? "the instance is NULL"
                                        : "moments has unknown bits");
    }
    mm_mutex_lock(instance->mutex);
    if (instance->state != MM_INSTANCE_NEW) {
        error = mm_fail(MAILMOD_ERROR_STATE,
                        "the callback is set before the instance starts");
    } else {
        instance->moments = on_request != NULL ? moments : 0;
        instance->on_request = on_request;
        instance->request_context = context;
    }
    mm_mutex_unlock(instance->mutex);
    return error;
}

enum mailmod_error mailmod_answer(mailmod_request *request,
                                  enum mailmod_verdict verdict, int code,
                                  const char *text)
{
    bool is_waiting;
    enum mailmod_error error = MAILMOD_OK;

    if (request == NULL || verdict == MAILMOD_LATER) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "an answer needs a request and "
                                               "a verdict that is one");
    }
    if (code != 0 && request->request != NULL) {
        error = mailmod_request_set_reply(request, code, text);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    is_waiting = move(request, REQUEST_WAITING, REQUEST_ANSWERED);
    if (!is_waiting && !move(request, REQUEST_RUNNING, REQUEST_ANSWERED)) {
        return mm_fail(MAILMOD_ERROR_STATE, "the request is answered already");
    }
    error = settle(request, verdict);
    if (is_waiting) {
        mm_free(request);
    }
    return error;
}

/* NULL for a request that is none, or answered. */
static const struct mm_request_facts *facts_of(const mailmod_request *request)
{
    return request != NULL && request->request != NULL
               ? mm_request_facts(request->request)
               : NULL;
}

enum mailmod_error mailmod_request_set_reply(mailmod_request *request, int code,
                                             const char *text)
{
    enum mailmod_error error = MAILMOD_ERROR_ARGUMENT;

    if (facts_of(request) != NULL) {
        error = mm_request_set_reply(request->request, code, text);
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "a reply code is from 400 to 599");
}

enum mailmod_moment mailmod_request_moment(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL ? (enum mailmod_moment)facts->moment
                         : (enum mailmod_moment)0;
}

const char *mailmod_request_user(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL ? facts->user : NULL;
}

const char *mailmod_request_password(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL ? facts->password : NULL;
}

const char *mailmod_request_reverse_path(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL ? facts->reverse_path : NULL;
}

const char *mailmod_request_recipient(const mailmod_request *request,
                                      size_t index)
{
    return facts_of(request) != NULL
               ? mm_request_recipient(request->request, index)
               : NULL;
}

const char *mailmod_request_message(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL ? facts->message : NULL;
}

uint64_t mailmod_request_number(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL ? facts->number : 0;
}

int mailmod_request_is_tls(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL && facts->is_tls;
}

const char *mailmod_request_peer(const mailmod_request *request)
{
    return request != NULL ? request->peer : NULL;
}

int mailmod_request_address(const mailmod_request *request, void *address_out,
                            int size)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL && address_out != NULL
               ? mm_net_copy_sockaddr(&facts->peer, address_out, size)
               : 0;
}

intptr_t mailmod_request_socket(const mailmod_request *request)
{
    const struct mm_request_facts *facts = facts_of(request);

    return facts != NULL ? facts->socket : -1;
}

size_t mailmod_request_read(mailmod_request *request, void *buffer, size_t size,
                            enum mailmod_error *error_out)
{
    enum mailmod_error error = MAILMOD_ERROR_ARGUMENT;
    size_t got = 0;

    if (facts_of(request) != NULL && buffer != NULL) {
        got = mm_request_read(request->request, buffer, size, &error);
    }
    if (error_out != NULL) {
        *error_out = error;
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail(error, "%s", mm_error_text(error));
    }
    return got;
}

enum mailmod_error mailmod_request_write(mailmod_request *request,
                                         const void *octets, size_t size)
{
    enum mailmod_error error = MAILMOD_ERROR_ARGUMENT;

    if (facts_of(request) != NULL && (octets != NULL || size == 0)) {
        error = mm_request_write(request->request, octets, size);
    }
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
