/* srv_server.c - the SMTP and POP3 server of the default instance, and what
 * their callbacks answer.
 *
 * Owns: callback, mask and asked port of each server. Promises: one question of
 * an instance's goes to one callback, that of its server, if its mask has the
 * action; the return rules of SMTPReqCallback are kept here alone. A server
 * whose port changes is opened again as it was when the new one cannot be had.
 * Thread: any; callbacks on the host's threads, without the lock.
 * RFC 5321 4.2 (reply codes), RFC 3206 and 2449 (codes of -ERR). */
#include "api/instance.h"
#include "api/srv_state.h"

#include <stdio.h>

#define SMTP_ACTIONS (ACTION_SMTP_CONNECT | ACTION_SMTP_SENDMSG)
#define POP_ACTIONS (ACTION_POP_LOGIN | ACTION_POP_GETMSG | ACTION_POP_DELMSG)
#define WORDS_MAX 4096
/* Paths of all recipients of a message, each with its comma. */
#define RECIPIENTS_TEXT_MAX (4 * 1024 * 1024)

static const struct {
    enum mm_service service;
    const char *port_key; /* the port of its first listener */
    unsigned actions;
} kinds[MM_SRV_SERVER_COUNT] = {
    [MM_SRV_SMTP] = {MM_SERVICE_SMTP, "smtp_port", SMTP_ACTIONS},
    [MM_SRV_POP3] = {MM_SERVICE_POP3, "pop_port", POP_ACTIONS},
};

static const char *name_of(enum mm_srv_server_kind kind)
{
    return mm_service_name(kinds[kind].service);
}

/* ---- questions -------------------------------------------------------- */

static SMTPReqCallback callback_for(unsigned action)
{
    SMTPReqCallback callback = NULL;

    mm_srv_lock();
    for (int i = 0; mm_srv_peek() != NULL && i < MM_SRV_SERVER_COUNT; i++) {
        const struct mm_srv_server *server = &mm_srv_peek()->servers[i];

        if ((server->mask & kinds[i].actions & action) != 0) {
            callback = server->callback;
        }
    }
    mm_srv_unlock();
    return callback;
}

/* The type of the callback has no const; it is documented as not written to. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static enum mailmod_error list_recipients(mailmod_request *request,
                                          struct mm_buf *text)
{
    const char *path;

    for (size_t i = 0; (path = mailmod_request_recipient(request, i)) != NULL;
         i++) {
        if (i > 0) {
            (void)mm_buf_append_char(text, ',');
        }
        (void)mm_buf_append_cstr(text, path);
    }
    return mm_buf_error(text);
}

static int ask_about_message(SMTPReqCallback callback, mailmod_request *request)
{
    char *from = text_of(mailmod_request_reverse_path(request));
    int answer = 451; /* out of memory: the peer comes again */

    struct mm_buf recipients;
    mm_buf_init(&recipients, RECIPIENTS_TEXT_MAX);
    if (list_recipients(request, &recipients) == MAILMOD_OK) {
        const char *text = mm_buf_cstr(&recipients);
        if (text != NULL) {
            answer = callback((ServerStream *)request, from,
                              ACTION_SMTP_SENDMSG, (const char *)from, text);
        }
    }
    mm_buf_fini(&recipients);
    return answer;
}

static int ask(SMTPReqCallback callback, mailmod_request *request, int action)
{
    ServerStream *stream = (ServerStream *)request;
    unsigned number = (unsigned)mailmod_request_number(request);

    switch (action) {
    case ACTION_SMTP_SENDMSG:
        return ask_about_message(callback, request);
    case ACTION_POP_LOGIN:
        return callback(stream, text_of(mailmod_request_user(request)), action);
    case ACTION_POP_GETMSG:
    case ACTION_POP_DELMSG:
        return callback(stream, text_of(mailmod_request_message(request)),
                        action, number);
    default:
        return callback(stream, text_of(mailmod_request_peer(request)), action);
    }
}

/* Above 0: a reply code, or a number that a client of POP3 is to see. */
static enum mailmod_verdict refuse(mailmod_request *request, int action,
                                   int answer)
{
    int code = answer >= 400 && answer <= 599 ? answer : 554;
    char text[64];

    if ((action & SMTP_ACTIONS) != 0) {
        (void)mailmod_request_set_reply(request, code, NULL);
    } else {
        (void)snprintf(text, sizeof text, "refused (%d)", answer);
        (void)mailmod_request_set_reply(request, code, text);
    }
    return code < 500 && action != ACTION_POP_LOGIN ? MAILMOD_REJECT_FOR_NOW
                                                    : MAILMOD_REJECT;
}

/* The bits of enum mailmod_moment are those of ACTION_... */
static enum mailmod_verdict on_request(void *context, mailmod_request *request)
{
    int action = (int)mailmod_request_moment(request);
    SMTPReqCallback callback = callback_for((unsigned)action);

    (void)context;
    if (callback == NULL) {
        return MAILMOD_ACCEPT;
    }
    mm_srv_callback_begins();
    int answer = ask(callback, request, action);
    mm_srv_callback_ends();
    if (answer > 0) {
        return refuse(request, action, answer);
    }
    return answer == 0 ? MAILMOD_ACCEPT : MAILMOD_TAKEN;
}

/* ---- servers ---------------------------------------------------------- */

/* Moments that nobody asked for cost nothing. */
static enum mailmod_error set_moments(const struct mm_srv *srv)
{
    unsigned moments = 0;

    for (int i = 0; i < MM_SRV_SERVER_COUNT; i++) {
        if (srv->servers[i].callback != NULL) {
            moments |= srv->servers[i].mask & kinds[i].actions;
        }
    }
    return mailmod_request_set_callback(
        srv->instance, moments, moments != 0 ? on_request : NULL, NULL, NULL);
}

static bool is_another_port(const struct mm_srv *srv,
                            enum mm_srv_server_kind kind, int port, int bound)
{
    int asked_port = srv->servers[kind].asked_port;

    if (port > 0) {
        return port != bound;
    }
    if (port < 0) {
        return asked_port >= 0;
    }
    int64_t configured;
    return mm_srv_number(srv, kinds[kind].port_key, &configured) !=
                       MAILMOD_OK ||
                   configured == 0
               ? asked_port != 0
               : configured != bound;
}

static bool has_new_addresses(struct mailmod *instance, const char *key)
{
    bool differ = true;

    if (mm_instance_lock(instance) != MAILMOD_OK) {
        return false; /* the host has freed it: the next call says so */
    }
    struct mm_buf running;
    mm_buf_init(&running, WORDS_MAX);
    struct mm_buf present;
    mm_buf_init(&present, WORDS_MAX);
    if (instance->config != NULL &&
        mm_config_get(instance->config, key, &running) == MAILMOD_OK &&
        mm_config_get(mm_config_peek(instance->builder), key, &present) ==
            MAILMOD_OK) {
        differ = !mm_span_equal(mm_buf_span(&running), mm_buf_span(&present));
    }
    mm_instance_unlock(instance);
    mm_buf_fini(&present);
    mm_buf_fini(&running);
    return differ;
}

/* On the addresses that the settings have by now: while it was open, what runs
 * kept those that it had. */
static enum mailmod_error open_service(const struct mm_srv *srv,
                                       enum mm_srv_server_kind kind, int port)
{
    enum mailmod_error error = MAILMOD_OK;

    if (has_new_addresses(srv->instance,
                          mm_service_row(kinds[kind].service)->listen_key)) {
        error = mm_instance_change(srv->instance, NULL);
    }
    return error == MAILMOD_OK
               ? mailmod_service_start(srv->instance, name_of(kind), port)
               : error;
}

static enum mailmod_error reopen(const struct mm_srv *srv,
                                 enum mm_srv_server_kind kind, int port,
                                 int former_port)
{
    const char *service = name_of(kind);
    enum mailmod_error error = mailmod_service_stop(srv->instance, service);

    if (error == MAILMOD_OK) {
        error = open_service(srv, kind, port);
    }
    if (error == MAILMOD_OK) {
        return MAILMOD_OK;
    }
    struct mm_buf words;
    mm_buf_init(&words, WORDS_MAX);
    (void)mm_buf_append_cstr(&words, mailmod_last_error_text());
    if (mailmod_service_start(srv->instance, service, former_port) !=
        MAILMOD_OK) {
        (void)mm_buf_appendf(&words, "; and port %d could not be opened again",
                             former_port);
    }
    (void)mm_fail_buf(error, &words);
    mm_buf_fini(&words);
    return error;
}

static enum mailmod_error open_server(struct mm_srv *srv,
                                      enum mm_srv_server_kind kind, int port)
{
    int bound = mailmod_service_port(srv->instance, name_of(kind));

    if (bound != 0 && !is_another_port(srv, kind, port, bound)) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = bound == 0 ? open_service(srv, kind, port)
                                          : reopen(srv, kind, port, bound);
    if (error == MAILMOD_OK) {
        srv->servers[kind].asked_port = port;
    }
    return error;
}

/* Locked. The callback comes first, so that the first session is asked. */
static enum mailmod_error set_locked(struct mm_srv *srv,
                                     enum mm_srv_server_kind kind,
                                     SMTPReqCallback callback, int port,
                                     int mask)
{
    struct mm_srv_server former = srv->servers[kind];

    srv->servers[kind].callback = callback;
    srv->servers[kind].mask = (unsigned)mask;
    enum mailmod_error error = set_moments(srv);
    if (error == MAILMOD_OK) {
        error = open_server(srv, kind, port);
    }
    if (error != MAILMOD_OK) {
        srv->servers[kind] = former;
        (void)set_moments(srv);
    }
    return error;
}

static int set_server(enum mm_srv_server_kind kind, SMTPReqCallback callback,
                      int port, int mask)
{
    if (port > 65535) {
        return mm_srv_note(
            mm_fail(MAILMOD_ERROR_ARGUMENT, "port: %d is above 65535", port));
    }
    struct mm_srv *srv;
    enum mailmod_error error = mm_srv_enter(true, &srv);
    if (error == MAILMOD_OK) {
        error = set_locked(srv, kind, callback, port, mask);
        mm_srv_unlock();
    }
    return mm_srv_note(error);
}

int SetSMTPServer(SMTPReqCallback callback, int port, int mask)
{
    return set_server(MM_SRV_SMTP, callback, port, mask);
}

int SetPOP3Server(SMTPReqCallback callback, int port, int mask)
{
    return set_server(MM_SRV_POP3, callback, port, mask);
}

/* The callback stays for sessions that are still open: it may be all that
 * guards them. */
static int stop_server(enum mm_srv_server_kind kind)
{
    mm_srv_lock();
    struct mm_srv *srv = mm_srv_peek();
    enum mailmod_error error =
        srv != NULL && srv->is_running
            ? mailmod_service_stop(srv->instance, name_of(kind))
            : mm_fail(MAILMOD_ERROR_NOT_FOUND, "%s: the server is not open",
                      name_of(kind));
    mm_srv_unlock();
    return mm_srv_note(error);
}

int SRVStopSMTPServer(void)
{
    return stop_server(MM_SRV_SMTP);
}

int SRVStopPOP3Server(void)
{
    return stop_server(MM_SRV_POP3);
}

int SRVGetPort(const char *service)
{
    int port = 0;

    if (service == NULL) {
        (void)mm_srv_note(mm_fail(MAILMOD_ERROR_ARGUMENT, "service is NULL"));
        return 0;
    }
    mm_srv_lock();
    const struct mm_srv *srv = mm_srv_peek();
    if (srv != NULL) {
        port = mailmod_service_port(srv->instance, service);
    }
    mm_srv_unlock();
    (void)mm_srv_note(MAILMOD_OK);
    return port;
}
