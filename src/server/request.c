/* request.c - one question to the host.
 *
 * Owns: copies of the facts, the piece of body between loop and host, what the
 * host wrote. Promises: the loop never waits for the host (it offers, and is
 * told when there is room); the host never touches a session; a peer or a
 * server that goes away wakes a host that reads.
 *
 * Law of the object: asked -> (body wanted) -> settled, each once. It is freed
 * when both the session has left and the host has settled.
 * Threads: see request.h. */
#include "server/request.h"

#include "base/limits.h"
#include "base/mem.h"
#include "platform/thread.h"

#include <stdatomic.h>
#include <string.h>

#define REPLY_TEXT_MAX 1024
#define STATUS_TEXT_MAX 512 /* RFC 2449 4: the longest reply line of POP3 */

struct recipient {
    struct mm_list node;
    char *path;
};

struct mm_request {
    struct mm_loop *loop;
    const struct mm_request_handler *handler;
    void *context; /* NULL once the session left */
    struct mm_request_facts facts;
    struct mm_list recipients;

    atomic_int owners; /* session, host, and each task that is posted */
    struct mm_task settled_task;
    struct mm_task body_task;
    struct mm_task room_task;
    bool is_settled; /* the loop's view */

    struct mm_mutex *mutex; /* guards what follows */
    struct mm_condition *condition;
    struct mm_buf body;
    bool wants_body;
    void (*on_news)(void *context); /* NULL: nobody follows */
    void *news_context;
    bool body_ended;
    bool body_failed;
    bool has_left;
    bool awaits_room;  /* an offer was cut short */
    bool room_is_told; /* room_task is posted and has not run */
    bool host_settled;
    enum mm_verdict verdict;
    struct mm_buf written;
    struct mm_changes changes;
    unsigned delay_ms;
    struct mm_reply reply;
    char enhanced[12];
    char text[REPLY_TEXT_MAX];
};

static char *copy(const char *text, bool *failed)
{
    char *value = text != NULL ? mm_strdup(text) : NULL;

    *failed = *failed || (text != NULL && value == NULL);
    return value;
}

static void free_secret(const char *text)
{
    char *value = (char *)(uintptr_t)text;

    if (value != NULL) {
        mm_secret_clear(value, strlen(value));
        mm_free(value);
    }
}

static void free_request(struct mm_request *request)
{
    struct mm_list *node;

    while ((node = mm_list_take_first(&request->recipients)) != NULL) {
        struct recipient *recipient =
            MM_LIST_OBJECT(node, struct recipient, node);

        mm_free(recipient->path);
        mm_free(recipient);
    }
    free_secret(request->facts.user);
    free_secret(request->facts.password);
    free_secret(request->facts.token);
    free_secret(request->facts.certificate);
    free_secret(request->facts.fingerprint);
    free_secret(request->facts.reverse_path);
    free_secret(request->facts.message);
    free_secret(request->facts.recipient);
    mm_buf_fini(&request->body);
    mm_buf_fini(&request->written);
    mm_changes_clear(&request->changes);
    mm_condition_free(&request->condition);
    mm_mutex_free(&request->mutex);
    mm_free(request);
}

static void let_go(struct mm_request *request)
{
    if (atomic_fetch_sub(&request->owners, 1) == 1) {
        free_request(request);
    }
}

struct mm_request *mm_request_ref(struct mm_request *request)
{
    atomic_fetch_add(&request->owners, 1);
    return request;
}

void mm_request_unref(struct mm_request **request_in)
{
    struct mm_request *request = *request_in;

    *request_in = NULL;
    if (request != NULL) {
        let_go(request);
    }
}

/* Under the lock. */
static void tell_news(struct mm_request *request)
{
    mm_condition_broadcast(request->condition);
    if (request->on_news != NULL) {
        request->on_news(request->news_context);
    }
}

static void run_settled(struct mm_task *task)
{
    struct mm_request *request =
        MM_LIST_OBJECT(task, struct mm_request, settled_task);

    request->is_settled = true;
    if (request->context != NULL) {
        request->handler->on_settled(request->context);
    }
    let_go(request);
}

static void run_body(struct mm_task *task)
{
    struct mm_request *request =
        MM_LIST_OBJECT(task, struct mm_request, body_task);

    if (request->context != NULL) {
        request->handler->on_wants_body(request->context);
    }
    let_go(request);
}

static void run_room(struct mm_task *task)
{
    struct mm_request *request =
        MM_LIST_OBJECT(task, struct mm_request, room_task);

    mm_mutex_lock(request->mutex);
    request->room_is_told = false;
    mm_mutex_unlock(request->mutex);
    if (request->context != NULL) {
        request->handler->on_room(request->context);
    }
    let_go(request);
}

static void post(struct mm_request *request, struct mm_task *task)
{
    atomic_fetch_add(&request->owners, 1);
    mm_loop_post(request->loop, task);
}

enum mailmod_error mm_request_new(struct mm_request **request_out,
                                  struct mm_loop *loop,
                                  const struct mm_request_facts *facts,
                                  const struct mm_request_handler *handler,
                                  void *context)
{
    struct mm_request *request = mm_alloc(sizeof *request);
    bool failed = false;

    *request_out = NULL;
    if (request == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    atomic_init(&request->owners, 1);
    request->loop = loop;
    request->handler = handler;
    request->context = context;
    mm_list_init(&request->recipients);
    mm_changes_init(&request->changes);
    mm_buf_init(&request->body, MM_LIMIT_CHUNK);
    mm_buf_init(&request->written, facts->written_max);
    request->settled_task.run = run_settled;
    request->body_task.run = run_body;
    request->room_task.run = run_room;
    request->facts = *facts;
    request->facts.user = copy(facts->user, &failed);
    request->facts.password = copy(facts->password, &failed);
    request->facts.token = copy(facts->token, &failed);
    request->facts.certificate = copy(facts->certificate, &failed);
    request->facts.fingerprint = copy(facts->fingerprint, &failed);
    request->facts.reverse_path = copy(facts->reverse_path, &failed);
    request->facts.message = copy(facts->message, &failed);
    request->facts.recipient = copy(facts->recipient, &failed);
    if (failed || mm_mutex_new(&request->mutex) != MAILMOD_OK ||
        mm_condition_new(&request->condition) != MAILMOD_OK) {
        let_go(request);
        return MAILMOD_ERROR_MEMORY;
    }
    *request_out = request;
    return MAILMOD_OK;
}

enum mailmod_error mm_request_add_recipient(struct mm_request *request,
                                            const char *path)
{
    struct recipient *recipient = mm_alloc(sizeof *recipient);

    if (recipient == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    recipient->path = mm_strdup(path);
    if (recipient->path == NULL) {
        mm_free(recipient);
        return MAILMOD_ERROR_MEMORY;
    }
    mm_list_append(&request->recipients, &recipient->node);
    return MAILMOD_OK;
}

enum mailmod_error mm_request_ask(struct mm_request *request,
                                  const struct mm_hooks *hooks)
{
    atomic_fetch_add(&request->owners, 1); /* the host's share */
    enum mailmod_error error = hooks->ask(hooks->context, request);
    if (error != MAILMOD_OK) {
        let_go(request);
    }
    return error;
}

void mm_request_leave(struct mm_request **request_in)
{
    struct mm_request *request = *request_in;

    *request_in = NULL;
    if (request == NULL) {
        return;
    }
    request->context = NULL;
    mm_mutex_lock(request->mutex);
    request->has_left = true;
    tell_news(request);
    mm_mutex_unlock(request->mutex);
    let_go(request);
}

bool mm_request_is_settled(const struct mm_request *request)
{
    return request->is_settled;
}

enum mm_verdict mm_request_verdict(const struct mm_request *request)
{
    return request->verdict;
}

const struct mm_reply *mm_request_reply(const struct mm_request *request)
{
    return request->reply.code != 0 ? &request->reply : NULL;
}

struct mm_span mm_request_written(const struct mm_request *request)
{
    return mm_buf_span(&request->written);
}

size_t mm_request_offer(struct mm_request *request, struct mm_span data)
{
    mm_mutex_lock(request->mutex);
    size_t size = mm_buf_room(&request->body);
    if (size > data.size) {
        size = data.size;
    }
    if (mm_buf_append(&request->body, data.data, size) != MAILMOD_OK) {
        /* Out of memory: the host sees an end that is an error. */
        request->body_failed = true;
        size = data.size;
    }
    request->awaits_room = size < data.size;
    tell_news(request);
    mm_mutex_unlock(request->mutex);
    return size;
}

void mm_request_offer_end(struct mm_request *request)
{
    mm_mutex_lock(request->mutex);
    request->body_ended = true;
    tell_news(request);
    mm_mutex_unlock(request->mutex);
}

const struct mm_request_facts *
mm_request_facts(const struct mm_request *request)
{
    return &request->facts;
}

const char *mm_request_recipient(const struct mm_request *request, size_t index)
{
    if (request->facts.recipient != NULL && index-- == 0) {
        return request->facts.recipient;
    }
    for (const struct mm_list *node = request->recipients.next;
         node != &request->recipients; node = node->next) {
        if (index-- == 0) {
            return ((const struct recipient
                         *)(const void *)((const char *)node -
                                          offsetof(struct recipient, node)))
                ->path;
        }
    }
    return NULL;
}

/* What a host says with a reply code alone, by RFC 3463 3; the class is the
 * code's. Any other refusal is a policy's: X.7.1. */
static const char *enhanced_for(int code)
{
    switch (code) {
    case 421:
        return "4.3.2"; /* not accepting network messages */
    case 452:
        return "4.3.1"; /* mail system full */
    case 454:
        return "4.7.0"; /* temporary authentication failure (RFC 4954 4) */
    case 530:
        return "5.7.0"; /* authentication required */
    case 535:
        return "5.7.8"; /* credentials invalid (RFC 5248) */
    case 552:
        return "5.3.4"; /* message too big for system */
    default:
        return code < 500 ? "4.7.1" : "5.7.1"; /* not authorized, refused */
    }
}

/* A connection is refused with 554 (RFC 5321 3.1, 4.3.2) or, for now, 421; a
 * login with 535 or, for now, 454 (RFC 4954 6). */
int mm_request_default_code(const struct mm_request *request,
                            enum mm_verdict verdict)
{
    enum mailmod_moment moment = request->facts.moment;
    bool is_login = moment == MAILMOD_SMTP_AUTH ||
                    moment == MAILMOD_LOGIN_TOKEN ||
                    moment == MAILMOD_LOGIN_CERTIFICATE;

    switch (verdict) {
    case MM_VERDICT_REJECT:
        return moment == MAILMOD_SMTP_CONNECT ? 554 : is_login ? 535 : 550;
    case MM_VERDICT_REJECT_FOR_NOW:
        return moment == MAILMOD_SMTP_CONNECT ? 421 : is_login ? 454 : 451;
    case MM_VERDICT_ACCEPT:
    case MM_VERDICT_TAKEN:
        break;
    }
    return 0;
}

static void set_reply(struct mm_request *request, int code, const char *text)
{
    memcpy(request->enhanced, enhanced_for(code), sizeof "4.7.1");
    request->reply.code = code;
    request->reply.enhanced = request->enhanced;
    if (text == NULL || text[0] == '\0') {
        text = code < 500 ? "not now, try again later" : "refused";
    }
    (void)mm_span_copy(mm_span(text, strlen(text) < REPLY_TEXT_MAX
                                         ? strlen(text)
                                         : REPLY_TEXT_MAX - 1),
                       request->text, sizeof request->text);
    request->reply.text = request->text;
}

enum mailmod_error mm_request_set_reply(struct mm_request *request, int code,
                                        const char *text)
{
    enum mailmod_error error = MAILMOD_OK;

    if (code < 400 || code > 599) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    mm_mutex_lock(request->mutex);
    if (request->host_settled) {
        error = MAILMOD_ERROR_STATE;
    } else {
        set_reply(request, code, text);
    }
    mm_mutex_unlock(request->mutex);
    return error;
}

enum mailmod_error mm_request_change(struct mm_request *request,
                                     const struct mm_change *change)
{
    enum mailmod_moment moment = request->facts.moment;
    enum mailmod_error error = MAILMOD_ERROR_STATE;

    mm_mutex_lock(request->mutex);
    if (!request->host_settled &&
        (moment == MAILMOD_SMTP_RCPT || moment == MAILMOD_SMTP_MESSAGE)) {
        error = mm_changes_add(&request->changes, change);
    }
    mm_mutex_unlock(request->mutex);
    return error;
}

enum mailmod_error mm_request_set_delay(struct mm_request *request,
                                        unsigned delay_ms)
{
    enum mailmod_error error = MAILMOD_ERROR_STATE;

    if (delay_ms > MM_LIMIT_DELAY_MS) {
        return MAILMOD_ERROR_LIMIT;
    }
    mm_mutex_lock(request->mutex);
    if (!request->host_settled && request->facts.moment == MAILMOD_SMTP_RCPT) {
        request->delay_ms = delay_ms;
        error = MAILMOD_OK;
    }
    mm_mutex_unlock(request->mutex);
    return error;
}

const struct mm_changes *mm_request_changes(const struct mm_request *request)
{
    return &request->changes;
}

unsigned mm_request_delay_ms(const struct mm_request *request)
{
    return request->delay_ms;
}

/* The words of "+OK [CODE] words\r\n", without what the session gives itself.
 */
static struct mm_span status_words(struct mm_span line, size_t status_size)
{
    struct mm_span rest;

    (void)mm_span_cut(line, '\n', &line, &rest);
    (void)mm_span_cut(line, '\r', &line, &rest);
    line = mm_span_trim(mm_span_from(line, status_size));
    struct mm_span code;
    if (line.size > 0 && line.data[0] == '[' &&
        mm_span_cut(line, ']', &code, &rest)) {
        line = mm_span_trim(rest);
    }
    return line;
}

/* "+OK words" or "-ERR words" of a host that answers a POP3 client for itself;
 * -ERR refuses. */
static void parse_status(struct mm_request *request)
{
    struct mm_span written = mm_buf_span(&request->written);
    bool is_ok = mm_span_starts_nocase(written, "+OK");

    if (!is_ok && !mm_span_starts_nocase(written, "-ERR")) {
        return;
    }
    written = status_words(written, is_ok ? 3 : 4);
    char text[STATUS_TEXT_MAX];
    if (!mm_span_copy(written, text, sizeof text)) {
        text[0] = '\0'; /* longer than a reply line: the standard words */
    }
    if (!is_ok) {
        request->verdict = MM_VERDICT_REJECT;
        set_reply(request, 550, text);
    } else if (text[0] != '\0') {
        set_reply(request, 250, text);
    }
}

/* "250 2.6.0 thanks" of a host that answers for itself; anything that is no
 * reply line, or asks the peer for more (3xx), is left out, so that a host
 * cannot break the dialogue. */
static void parse_reply(struct mm_request *request)
{
    struct mm_span written = mm_buf_span(&request->written);
    size_t used = 0;
    struct mm_reply_parser parser;

    mm_reply_parser_init(&parser);
    if (written.size > 0 &&
        mm_reply_parser_feed(&parser, written.data, written.size, &used) ==
            MAILMOD_OK) {
        if ((parser.is_complete ||
             mm_reply_parser_feed(&parser, "\r\n", 2, &used) == MAILMOD_OK) &&
            parser.is_complete && parser.reply.code >= 200 &&
            parser.reply.code / 100 != 3) {
            set_reply(request, parser.reply.code,
                      mm_buf_cstr(&parser.reply.text));
            request->reply.enhanced = NULL;
        }
    }
    mm_reply_parser_fini(&parser);
}

/* Who writes a refusal refuses; a login that is taken is vouched for. */
static void parse_login_reply(struct mm_request *request)
{
    parse_reply(request);
    if (request->reply.code >= 400) {
        request->verdict = request->reply.code < 500 ? MM_VERDICT_REJECT_FOR_NOW
                                                     : MM_VERDICT_REJECT;
    }
}

static void parse_written(struct mm_request *request)
{
    switch (request->facts.moment) {
    case MAILMOD_POP3_LOGIN:
    case MAILMOD_POP3_DELETE:
        parse_status(request);
        break;
    case MAILMOD_SMTP_CONNECT:
    case MAILMOD_SMTP_MAIL:
    case MAILMOD_SMTP_RCPT:
    case MAILMOD_SMTP_MESSAGE:
        parse_reply(request);
        break;
    case MAILMOD_SMTP_AUTH:
    case MAILMOD_LOGIN_TOKEN:
    case MAILMOD_LOGIN_CERTIFICATE:
        parse_login_reply(request);
        break;
    case MAILMOD_POP3_RETRIEVE: /* it is the message */
    case MAILMOD_ALL_MOMENTS:   /* never one question's */
        break;
    }
}

enum mailmod_error mm_request_settle(struct mm_request *request,
                                     enum mm_verdict verdict)
{
    mm_mutex_lock(request->mutex);
    if (request->host_settled) {
        mm_mutex_unlock(request->mutex);
        return MAILMOD_ERROR_STATE;
    }
    request->host_settled = true;
    request->verdict = verdict;
    if (verdict == MM_VERDICT_TAKEN) {
        request->reply.code = 0;
        parse_written(request);
    } else if (verdict == MM_VERDICT_ACCEPT) {
        request->reply.code = 0;
    } else if (request->reply.code == 0) {
        set_reply(request, mm_request_default_code(request, verdict), NULL);
    }
    tell_news(request); /* nobody reads on */
    /* Under the lock: once the session has left, its loop may be gone. */
    if (!request->has_left) {
        post(request, &request->settled_task);
    }
    mm_mutex_unlock(request->mutex);
    let_go(request);
    return MAILMOD_OK;
}

enum mailmod_error mm_request_write(struct mm_request *request,
                                    const void *octets, size_t size)
{
    enum mailmod_error error = MAILMOD_ERROR_STATE;

    mm_mutex_lock(request->mutex);
    if (!request->host_settled) {
        error = mm_buf_append(&request->written, octets, size);
    }
    mm_mutex_unlock(request->mutex);
    return error;
}

static bool has_news(const struct mm_request *request)
{
    return mm_buf_size(&request->body) > 0 || request->body_ended ||
           request->body_failed || request->has_left || request->host_settled;
}

/* Under the lock. */
static size_t take_body(struct mm_request *request, void *buffer, size_t size,
                        enum mailmod_error *error_out)
{
    size_t there = mm_buf_size(&request->body);

    if (there == 0) {
        *error_out = request->has_left      ? MAILMOD_ERROR_CLOSED
                     : request->body_failed ? MAILMOD_ERROR_MEMORY
                                            : MAILMOD_OK;
        return 0;
    }
    if (size > there) {
        size = there;
    }
    memcpy(buffer, mm_buf_span(&request->body).data, size);
    mm_buf_consume(&request->body, size);
    if (request->awaits_room && !request->room_is_told && !request->has_left) {
        request->awaits_room = false;
        request->room_is_told = true;
        post(request, &request->room_task);
    }
    *error_out = MAILMOD_OK;
    return size;
}

/* Under the lock. The session is told once that the body is wanted. */
static void want_body(struct mm_request *request)
{
    if (!request->wants_body && !request->has_left) {
        request->wants_body = true;
        post(request, &request->body_task);
    }
}

enum mailmod_error mm_request_follow(struct mm_request *request,
                                     void (*on_news)(void *context),
                                     void *context)
{
    enum mailmod_error error = MAILMOD_ERROR_STATE;

    mm_mutex_lock(request->mutex);
    if (request->facts.moment == MAILMOD_SMTP_MESSAGE &&
        !request->host_settled && !request->wants_body) {
        request->on_news = on_news;
        request->news_context = context;
        want_body(request);
        error = MAILMOD_OK;
    }
    mm_mutex_unlock(request->mutex);
    return error;
}

void mm_request_unfollow(struct mm_request *request)
{
    mm_mutex_lock(request->mutex);
    request->on_news = NULL;
    mm_mutex_unlock(request->mutex);
}

enum mailmod_error mm_request_take(struct mm_request *request,
                                   struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_ERROR_BUSY;
    char octets[4096];
    size_t got = 0;

    mm_buf_clear(out);
    mm_mutex_lock(request->mutex);
    if (request->host_settled) {
        error = MAILMOD_ERROR_STATE;
    } else if (has_news(request)) {
        do {
            got = take_body(request, octets, sizeof octets, &error);
            if (got > 0) {
                error = mm_buf_append(out, octets, got);
            }
        } while (error == MAILMOD_OK && got > 0 &&
                 mm_buf_size(&request->body) > 0);
        if (error == MAILMOD_OK && mm_buf_size(out) == 0) {
            error = MAILMOD_ERROR_NOT_FOUND;
        }
    }
    mm_mutex_unlock(request->mutex);
    return error;
}

size_t mm_request_read(struct mm_request *request, void *buffer, size_t size,
                       enum mailmod_error *error_out)
{
    size_t got = 0;

    *error_out = MAILMOD_ERROR_STATE;
    if (request->facts.moment != MAILMOD_SMTP_MESSAGE || size == 0) {
        return 0;
    }
    mm_mutex_lock(request->mutex);
    if (request->on_news != NULL) {
        mm_mutex_unlock(request->mutex);
        return 0; /* a follower has it */
    }
    if (!request->host_settled) {
        want_body(request);
        while (!has_news(request)) {
            mm_condition_wait(request->condition, request->mutex);
        }
    }
    if (!request->host_settled) {
        got = take_body(request, buffer, size, error_out);
    }
    mm_mutex_unlock(request->mutex);
    return got;
}
