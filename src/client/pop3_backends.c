/* pop3_backends.c - logs users in at other POP3 servers.
 *
 * Owns the TLS contexts (behind a lock, for a reload changes them), and for
 * each question a call: addresses, a connection, an engine. Promises: one end
 * for each question, by a task of its loop; a password goes out under TLS with
 * a certificate that was verified, unless pop3.backend_tls says may or off;
 * each step has pop3.backend_timeout; a refusal has the server's code and
 * words.
 *
 * Law of a call: RESOLVING -> DIALLING (again for each address) -> TALKING ->
 * OVER, and OVER from each of them.
 * Thread: as pop3_backends.h says. RFC 1939 4 and 7, 2595 4, 5034 4. */
#include "client/pop3_backends.h"

#include "base/mem.h"
#include "client/dialler.h"
#include "client/host_addresses.h"
#include "client/login.h"
#include "client/peer_tls.h"
#include "config/proxy.h"
#include "platform/idn.h"
#include "platform/thread.h"
#include "wire/pop3/client.h"

#include <stdio.h>

struct mm_pop3_backends {
    const struct mm_log *log;
    struct mm_mutex *mutex; /* guards what follows */
    struct mm_peer_tls tls; /* none: no backend is named */
};

struct call {
    struct mm_pop3_backends *backends;
    struct mm_backend_question *question;
    struct mm_tls *tls;
    bool verifies;
    struct mm_host_addresses addresses;
    size_t next;
    char host[MM_LIMIT_DOMAIN + 1];
    struct mm_dialler dialler;
    struct mm_conn *conn;
    struct mm_pop3c *engine;
    struct mm_timer timer;
    struct mm_task over_task;
    bool in_handshake;
    bool is_pumping;
    bool is_over;
};

static void dial(struct call *call);
static void pump(struct call *call);

/* ---- the end ---- */

static void end(struct call *call, enum mailmod_error error, const char *words)
{
    struct mm_backend_question *question = call->question;

    if (call->is_over) {
        return;
    }
    call->is_over = true;
    question->error = error;
    (void)snprintf(question->words, sizeof question->words, "%s", words);
    mm_timer_cancel(&call->timer);
    mm_host_addresses_cancel(&call->addresses);
    mm_dialler_stop(&call->dialler);
    mm_loop_post(question->loop, &call->over_task);
}

static void run_over(struct mm_task *task)
{
    struct call *call = MM_LIST_OBJECT(task, struct call, over_task);
    struct mm_backend_question *question = call->question;

    if (call->conn == NULL && question->error == MAILMOD_OK) {
        question->error = MAILMOD_ERROR_CLOSED;
    }
    if (call->conn != NULL && question->error != MAILMOD_OK) {
        mm_conn_forget(call->conn);
        call->conn = NULL;
    }
    question->conn = call->conn;
    question->call = NULL;
    mm_pop3c_free(&call->engine);
    mm_timer_close(&call->timer);
    mm_tls_unref(&call->tls);
    mm_free(call);
    question->done(question);
}

static void on_expired(struct mm_timer *timer)
{
    end(MM_LIST_OBJECT(timer, struct call, timer), MAILMOD_ERROR_TIMEOUT,
        "the server of this mailbox does not answer");
}

static void restart_timer(struct call *call)
{
    mm_timer_set(&call->timer, call->question->config->pop3.backend_timeout_ms);
}

/* ---- what is said ---- */

static enum mm_pop3c_tls engine_tls(enum mm_config_tls_policy policy)
{
    static const enum mm_pop3c_tls table[] = {
        [MM_CONFIG_TLS_OFF] = MM_POP3C_TLS_OFF,
        [MM_CONFIG_TLS_MAY] = MM_POP3C_TLS_MAY,
        [MM_CONFIG_TLS_MUST] = MM_POP3C_TLS_MUST,
        [MM_CONFIG_TLS_IMPLICIT] = MM_POP3C_TLS_ON};

    return table[policy];
}

static void start_tls(struct call *call)
{
    call->in_handshake = true;
    enum mailmod_error error = mm_conn_start_tls_client(
        call->conn, call->tls, call->question->backend.host.text,
        call->verifies, call->question->config->pop3.backend_timeout_ms);
    if (error != MAILMOD_OK) {
        end(call, error, "TLS with the server of this mailbox cannot begin");
    }
}

static void log_in(struct call *call, unsigned ways)
{
    const struct mm_backend_question *question = call->question;
    const struct mm_pop3c_capabilities *can =
        mm_pop3c_capabilities(call->engine);
    enum mailmod_error error = MAILMOD_ERROR_AUTHENTICATION;
    struct mm_login login;

    mm_login_init(&login);
    if ((ways & MM_SASL_PLAIN) != 0) {
        error = mm_login_begin(&login, mm_login_over_pop3(call->engine),
                               MM_SASL_PLAIN, question->user,
                               question->password, NULL);
    } else if ((ways & MM_POP3C_WAY_USER) != 0 &&
               (!can->is_known || can->has_user)) {
        error = mm_pop3c_user(call->engine, question->user, question->password);
    }
    mm_login_fini(&login);
    if (error != MAILMOD_OK) {
        end(call, MAILMOD_ERROR_PROTOCOL,
            "the server of this mailbox takes no such login");
    }
}

static void take_verdict(struct call *call, const struct mm_pop3c_reply *reply)
{
    struct mm_backend_question *question = call->question;
    char words[MM_BACKEND_WORDS_MAX];

    if (reply->is_ok) {
        return; /* READY comes */
    }
    (void)mm_span_copy(reply->code, question->code, sizeof question->code);
    size_t size =
        reply->text.size < sizeof words ? reply->text.size : sizeof words - 1;
    (void)mm_span_copy(mm_span(reply->text.data, size), words, sizeof words);
    bool is_no = reply->code.size == 0 || mm_span_is(reply->code, "AUTH");
    end(call, is_no ? MAILMOD_ERROR_AUTHENTICATION : MAILMOD_ERROR_REFUSED,
        words);
}

static void fail(struct call *call, const struct mm_pop3c_info *info)
{
    enum mailmod_error error =
        info->error != MAILMOD_OK ? info->error : MAILMOD_ERROR_CLOSED;

    end(call, error,
        info->phase == MM_POP3C_PHASE_TLS
            ? "the server of this mailbox offers no TLS"
            : "the server of this mailbox speaks no POP3 that can be used");
}

/* False: nothing more to do for now. */
static bool step(struct call *call)
{
    struct mm_pop3c_info info;

    switch (mm_pop3c_next(call->engine, &info)) {
    case MM_POP3C_NEED_INPUT:
        return false;
    case MM_POP3C_STLS:
        start_tls(call);
        return false;
    case MM_POP3C_LOGIN:
        log_in(call, info.ways);
        return true;
    case MM_POP3C_CHALLENGE:
        return mm_pop3c_auth_cancel(call->engine) == MAILMOD_OK;
    case MM_POP3C_LOGIN_DONE:
        take_verdict(call, info.reply);
        return true;
    case MM_POP3C_READY:
        end(call, MAILMOD_OK, "");
        return false;
    default:
        fail(call, &info);
        return false;
    }
}

static void flush(struct call *call)
{
    struct mm_span out = mm_pop3c_output(call->engine);

    if (out.size > 0 && call->conn != NULL) {
        if (mm_conn_write(call->conn, out.data, out.size) != MAILMOD_OK) {
            end(call, MAILMOD_ERROR_CLOSED,
                "the server of this mailbox takes nothing");
            return;
        }
        mm_pop3c_sent(call->engine, out.size);
    }
}

static void pump(struct call *call)
{
    bool goes_on = !call->is_pumping;

    while (goes_on && !call->is_over && !call->in_handshake) {
        call->is_pumping = true;
        goes_on = step(call);
        flush(call);
        call->is_pumping = false;
    }
}

/* ---- the connection ---- */

static void on_open(void *context, struct mm_conn *conn)
{
    struct call *call = context;
    enum mm_config_tls_policy policy = call->question->config->pop3.backend_tls;
    const struct mm_pop3c_options options = {.tls = engine_tls(policy),
                                             .allows_clear_auth =
                                                 policy == MM_CONFIG_TLS_OFF ||
                                                 policy == MM_CONFIG_TLS_MAY};

    call->conn = conn;
    restart_timer(call);
    enum mailmod_error error = mm_pop3c_new(&call->engine, &options);
    if (error != MAILMOD_OK) {
        end(call, error, mm_error_text(error));
    } else if (policy == MM_CONFIG_TLS_IMPLICIT) {
        start_tls(call);
    } else {
        pump(call);
    }
}

/* Once the call is over its input is the next owner's. */
static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct call *call = context;
    size_t used = 0;

    (void)conn;
    while (used < size && !call->is_over && !call->in_handshake) {
        size_t taken = mm_pop3c_feed(call->engine, bytes + used, size - used);

        used += taken;
        restart_timer(call);
        pump(call);
        if (taken == 0) {
            break;
        }
    }
    return used;
}

static void on_drained(void *context, struct mm_conn *conn)
{
    (void)conn;
    pump(context);
}

static void on_tls(void *context, struct mm_conn *conn)
{
    struct call *call = context;
    bool is_implicit =
        call->question->config->pop3.backend_tls == MM_CONFIG_TLS_IMPLICIT;

    (void)conn;
    call->in_handshake = false;
    if (!is_implicit && mm_pop3c_tls_begun(call->engine) != MAILMOD_OK) {
        end(call, MAILMOD_ERROR_PROTOCOL,
            "the server of this mailbox talked before TLS began");
        return;
    }
    pump(call);
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct call *call = context;

    MM_LOG(call->backends->log, MM_LOG_WARNING, "pop3",
           "backend closed the connection",
           MM_TEXT("host", call->question->backend.host.text),
           MM_TEXT("error", mm_error_name(reason)),
           MM_TEXT("failure", mm_conn_failure(conn)));
    call->conn = NULL;
    call->in_handshake = false;
    end(call, reason != MAILMOD_OK ? reason : MAILMOD_ERROR_CLOSED,
        reason == MAILMOD_ERROR_TLS
            ? "TLS with the server of this mailbox fails"
            : "the server of this mailbox ended the connection");
}

static const struct mm_conn_handler conn_handler = {.on_open = on_open,
                                                    .on_input = on_input,
                                                    .on_drained = on_drained,
                                                    .on_tls = on_tls,
                                                    .on_closed = on_closed};

static void on_failed(void *context, enum mailmod_error error,
                      const char *words)
{
    struct call *call = context;

    call->next++;
    MM_LOG(call->backends->log, MM_LOG_WARNING, "pop3", "backend not reached",
           MM_TEXT("host", call->question->backend.host.text),
           MM_TEXT("error", mm_error_name(error)), MM_TEXT("failure", words));
    dial(call);
}

/* The next address, or what the proxy finds. */
static void dial(struct call *call)
{
    const struct mm_backend_question *question = call->question;
    const struct mm_config *config = question->config;
    bool is_named = call->addresses.count == 0; /* a proxy looks it up */
    enum mailmod_error error = MAILMOD_ERROR_NETWORK;

    while (error != MAILMOD_OK &&
           call->next < (is_named ? 1 : call->addresses.count)) {
        struct mm_dialler_options options = {
            .loop = question->loop,
            .resolver = question->resolver,
            .target.host = call->host,
            .timeout_ms = config->pop3.backend_timeout_ms,
            .proxy_ms = config->proxy.timeout_ms,
            .handler = &conn_handler,
            .on_failed = on_failed,
            .context = call};
        if (!is_named) {
            options.target.address = call->addresses.items[call->next];
        }
        options.proxy = mm_config_proxy_for(config, NULL, &options.target);
        options.target.address.port = (uint16_t)question->backend.port;
        error = is_named && options.proxy == NULL
                    ? MAILMOD_ERROR_DNS
                    : mm_dialler_start(&call->dialler, &options);
        call->next += error != MAILMOD_OK;
    }
    if (error != MAILMOD_OK) {
        end(call, error, "the server of this mailbox cannot be reached");
    }
}

static void on_addresses(struct mm_host_addresses *addresses)
{
    dial(MM_LIST_OBJECT(addresses, struct call, addresses));
}

static void find_host(struct call *call)
{
    const struct mm_backend_question *question = call->question;
    const struct mm_host *host = &question->backend.host;
    const struct mm_endpoint target = {.host = call->host};
    const struct mm_host_question ask = {
        .resolver = question->resolver,
        .host = host->text,
        .wants_v6 = question->config->delivery.uses_ipv6,
        .wants_v4 = question->config->delivery.uses_ipv4,
        .prefers = question->config->delivery.prefers,
        .is_chosen = true};

    call->addresses.on_answer = on_addresses;
    if (host->is_address) {
        mm_host_addresses_set(&call->addresses, &host->address);
    } else if (mm_idn_to_ascii(mm_span_cstr(host->text), call->host) ==
                   MAILMOD_OK &&
               mm_config_proxy_for(question->config, NULL, &target) != NULL) {
        call->addresses.count = 0;
    } else if (mm_host_addresses_ask(&call->addresses, &ask)) {
        return;
    }
    dial(call);
}

/* ---- questions ---- */

static enum mailmod_error take_tls(struct mm_pop3_backends *backends,
                                   struct call *call)
{
    enum mm_config_tls_policy policy = call->question->config->pop3.backend_tls;

    call->verifies =
        policy == MM_CONFIG_TLS_MUST || policy == MM_CONFIG_TLS_IMPLICIT;
    mm_mutex_lock(backends->mutex);
    call->tls = mm_tls_ref(mm_peer_tls_get(&backends->tls, call->verifies));
    mm_mutex_unlock(backends->mutex);
    return call->tls != NULL ? MAILMOD_OK : MAILMOD_ERROR_STATE;
}

static enum mailmod_error ask(void *context,
                              struct mm_backend_question *question)
{
    struct call *call = mm_alloc(sizeof *call);

    if (call == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    call->question = question;
    call->over_task.run = run_over;
    enum mailmod_error error = take_tls(context, call);
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&call->timer, question->loop, on_expired);
    }
    if (error != MAILMOD_OK) {
        mm_tls_unref(&call->tls);
        mm_free(call);
        return error;
    }
    question->call = call;
    call->backends = context;
    question->code[0] = '\0';
    restart_timer(call);
    find_host(call);
    return MAILMOD_OK;
}

static void cut(struct mm_backend_question *question)
{
    if (question->call != NULL) {
        end(question->call, MAILMOD_ERROR_STOPPED, "");
    }
}

/* ---- life ---- */

enum mailmod_error mm_pop3_backends_open_tls(const struct mm_config *config,
                                             struct mm_peer_tls *tls_out,
                                             struct mm_buf *reason_out)
{
    *tls_out = (struct mm_peer_tls){.verifying = NULL};
    /* The system's authorities are many: not where nobody is passed on. */
    return config->pop3.backends.count == 0
               ? MAILMOD_OK
               : mm_peer_tls_open(
                     tls_out,
                     &(struct mm_peer_tls_options){
                         .authority_file = config->pop3.backend_authority_file,
                         .about = "pop3 backends"},
                     reason_out);
}

void mm_pop3_backends_use(struct mm_pop3_backends *backends,
                          struct mm_peer_tls *tls)
{
    mm_mutex_lock(backends->mutex);
    struct mm_peer_tls former = backends->tls;
    backends->tls = *tls;
    mm_mutex_unlock(backends->mutex);
    *tls = (struct mm_peer_tls){.verifying = NULL};
    mm_peer_tls_unref(&former);
}

enum mailmod_error mm_pop3_backends_new(struct mm_pop3_backends **backends_out,
                                        const struct mm_log *log,
                                        const struct mm_config *config,
                                        struct mm_buf *reason_out)
{
    struct mm_pop3_backends *backends = mm_alloc(sizeof *backends);

    *backends_out = NULL;
    if (backends == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    backends->log = log;
    enum mailmod_error error = mm_mutex_new(&backends->mutex);
    if (error == MAILMOD_OK) {
        error = mm_pop3_backends_open_tls(config, &backends->tls, reason_out);
    }
    if (error != MAILMOD_OK) {
        mm_pop3_backends_free(&backends);
        return error;
    }
    *backends_out = backends;
    return MAILMOD_OK;
}

void mm_pop3_backends_free(struct mm_pop3_backends **backends_in)
{
    struct mm_pop3_backends *backends = *backends_in;

    *backends_in = NULL;
    if (backends != NULL) {
        mm_peer_tls_unref(&backends->tls);
        mm_mutex_free(&backends->mutex);
        mm_free(backends);
    }
}

struct mm_backend_door mm_pop3_backends_door(struct mm_pop3_backends *backends)
{
    return (struct mm_backend_door){
        .context = backends, .ask = ask, .cut = cut};
}
