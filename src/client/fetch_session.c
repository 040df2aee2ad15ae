/* fetch_session.c - one visit: what was seen, the way there, and the end.
 *
 * Owns the connection and what stands about it. Promises: each address of the
 * host is tried until one answers (a proxy looks the host up itself, and is
 * asked once); no wait is without an end; what the visit
 * came to is written, in slices, before on_gone.
 * Thread: loop; `load` and the login's proof on a worker, `run` in the store's
 * writer. RFC 1939 3; RFC 8314 3 (implicit TLS), RFC 9525 (names). */
#include "client/fetch_internal.h"

#include "base/host.h"
#include "base/limits.h"
#include "base/mem.h"
#include "platform/idn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Changes of one transaction. */
#define SLICE 500

static void end_visit(struct mm_fetch_session *session);
static void dial(struct mm_fetch_session *session);

void mm_fetch_fail(struct mm_fetch_session *session, enum mailmod_error error,
                   const char *format, ...)
{
    if (session->is_failed) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(session->result.result, sizeof session->result.result, format,
                  arguments) < 0) {
        session->result.result[0] = '\0';
    }
    va_end(arguments);
    session->is_failed = true;
    session->error = error != MAILMOD_OK ? error : MAILMOD_ERROR_CLOSED;
}

/* Past what the host may have to hear the visit ends early, and the next one
 * goes on where it was. */
void mm_fetch_tell(struct mm_fetch_session *session, struct mm_news *news)
{
    const struct mm_fetch_session_options *options = &session->options;
    if (session->stage != MM_FETCH_GONE) { /* on_gone tells the end */
        options->on_progress(options->context, &session->result);
    }
    if (news != NULL) {
        news->reverse_path = "";
        news->recipient = "";
        news->status = "";
        news->host = session->account.host;
        news->attempts = session->result.failures;
        news->fetch = &session->result;
        mm_post_tell(options->post, news);
        session->is_stopping =
            session->is_stopping || mm_post_is_behind(options->post);
    }
}

uint64_t mm_fetch_timeout_ms(const struct mm_fetch_session *session)
{
    return session->account.timeout_ms != 0
               ? session->account.timeout_ms
               : session->options.config->fetch.timeout_ms;
}

/* ---- the store ---- */

static bool on_fetch(void *context, const struct mm_store_fetch *fetch)
{
    struct mm_fetch_session *session = context;
    if (strcmp(fetch->name, session->account.name) != 0) {
        return true;
    }
    session->is_other = fetch->source[0] != '\0' &&
                        strcmp(fetch->source, session->result.source) != 0;
    session->result.failures = fetch->failures;
    return false;
}

static bool on_seen(void *context, const struct mm_store_seen *seen)
{
    struct mm_fetch_session *session = context;
    session->load_error = mm_fetch_plan_add_row(&session->plan, seen);
    return session->load_error == MAILMOD_OK;
}

/* thread: worker */
static void load(struct mm_fetch_session *session)
{
    struct mm_store *store = session->options.store;
    enum mailmod_error error = mm_store_each_fetch(store, on_fetch, session);
    if (error == MAILMOD_OK && !session->is_other) {
        error =
            mm_store_each_seen(store, session->account.name, on_seen, session);
    }
    if (error != MAILMOD_OK) {
        session->load_error = error;
    }
}

static void run_job(struct mm_job *job)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(job, struct mm_fetch_session, job);
    if (session->work == MM_FETCH_LOAD) {
        load(session);
    } else {
        mm_login_work(&session->login, session->account.password);
    }
}

enum mailmod_error mm_fetch_start_work(struct mm_fetch_session *session,
                                       enum mm_fetch_work work)
{
    session->work = work;
    enum mailmod_error error =
        mm_workers_submit(session->options.workers, &session->job);
    if (error != MAILMOD_OK) {
        session->work = MM_FETCH_NO_WORK;
    }
    return error;
}

/* thread: writer */
static enum mailmod_error write_changes(struct mm_fetch_session *session,
                                        struct mm_store_transaction *t)
{
    const char *name = session->account.name;
    enum mailmod_error error = mm_store_put_fetch(t, &session->result);
    session->next_change = session->change; /* it may be run again */
    session->has_more = false;
    for (int i = 0; i < SLICE && error == MAILMOD_OK; i++) {
        struct mm_store_seen seen;
        bool is_dropped;
        if (!mm_fetch_plan_next_change(&session->plan, &session->next_change,
                                       &seen, &is_dropped)) {
            return MAILMOD_OK;
        }
        error = is_dropped ? mm_store_drop_seen(t, name, seen.key)
                           : mm_store_put_seen(t, name, &seen);
    }
    session->has_more = true;
    return error;
}

static enum mailmod_error run_call(struct mm_call *call,
                                   struct mm_store_transaction *transaction)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(call, struct mm_fetch_session, call);
    const char *name = session->account.name;
    if (session->is_begun) {
        return write_changes(session, transaction);
    }
    enum mailmod_error error = session->is_other
                                   ? mm_store_forget_fetch(transaction, name)
                                   : MAILMOD_OK;
    return error == MAILMOD_OK
               ? mm_store_wish_fetch(transaction, name, MM_STORE_FETCH_NO_WISH)
               : error;
}

static void gone(struct mm_fetch_session *session)
{
    session->stage = MM_FETCH_GONE;
    mm_loop_post(session->options.loop, &session->gone_task);
}

static void run_gone(struct mm_task *task)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(task, struct mm_fetch_session, gone_task);
    struct mm_news news = {.kind = MAILMOD_EVENT_FETCH_ENDED,
                           .error = session->error,
                           .reply = ""};
    if (session->is_failed) {
        news.reply = session->result.result;
    }
    mm_fetch_tell(session, &news);
    session->options.on_gone(session->options.context, session->error,
                             &session->result);
}

static void find_host(struct mm_fetch_session *session);

static void call_done(struct mm_call *call, enum mailmod_error error)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(call, struct mm_fetch_session, call);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "the store: %s", mm_error_text(error));
    }
    if (session->stage == MM_FETCH_WRITING) {
        session->change = session->next_change;
        if (error == MAILMOD_OK && session->has_more) {
            mm_call_submit(&session->call);
        } else {
            gone(session);
        }
        return;
    }
    session->is_begun = true;
    if (session->is_failed) {
        end_visit(session);
    } else {
        find_host(session);
    }
}

static void count_end(struct mm_fetch_session *session)
{
    struct mm_fetch_plan *plan = &session->plan;
    const struct mm_fetch_end end = {
        .is_whole = session->is_settled,
        .is_updated = session->is_updated,
        .now_ms = mm_loop_wall_ms(session->options.loop)};
    struct mm_fetch_end told = end;
    for (size_t i = 0; i < plan->count && session->is_settled; i++) {
        /* A header that nobody looked at may be any row's. */
        told.is_whole = told.is_whole && plan->items[i].state != MM_FETCH_LOOK;
    }
    mm_fetch_plan_end(plan, &told);
    for (size_t i = 0; i < plan->count; i++) {
        session->result.deleted += plan->items[i].is_deleted;
    }
    session->result.fresh = plan->fresh;
    session->result.ended_ms = end.now_ms;
    session->result.failures =
        session->is_failed ? session->result.failures + 1 : 0;
    if (!session->is_failed) {
        memcpy(session->result.result, "ok", sizeof "ok");
    }
}

static void log_end(const struct mm_fetch_session *session)
{
    const struct mm_store_fetch *result = &session->result;
    MM_LOG(session->options.log,
           session->is_failed ? MM_LOG_WARNING : MM_LOG_INFO, "fetch",
           session->is_failed ? "fetching failed" : "fetched",
           MM_TEXT("account", result->name), MM_TEXT("result", result->result),
           MM_NUMBER("listed", (int64_t)result->listed),
           MM_NUMBER("fetched", (int64_t)result->fetched),
           MM_NUMBER("left", (int64_t)result->left),
           MM_NUMBER("deleted", (int64_t)result->deleted));
}

/* There is no connection any more. */
static void end_visit(struct mm_fetch_session *session)
{
    if (session->work == MM_FETCH_TOKEN) {
        session->work = MM_FETCH_NO_WORK;
        session->options.tokens.cancel(session->options.tokens.context,
                                       &session->question);
    }
    if (session->work != MM_FETCH_NO_WORK || mm_call_is_out(&session->call) ||
        session->stage == MM_FETCH_WRITING || session->stage == MM_FETCH_GONE) {
        return; /* that comes home first */
    }
    mm_timer_cancel(&session->timer);
    mm_resolve_cancel(&session->resolve);
    session->is_resolving = false;
    mm_fetch_message_drop(session);
    mm_pop3c_free(&session->engine);
    if (session->is_cut) {
        mm_fetch_fail(session, MAILMOD_ERROR_STOPPED, "mailmod was stopped");
    }
    count_end(session);
    log_end(session);
    session->stage = MM_FETCH_WRITING;
    session->is_begun = true;
    mm_call_submit(&session->call);
}

/* ---- the way ---- */

static void job_done(struct mm_job *job)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(job, struct mm_fetch_session, job);
    enum mm_fetch_work work = session->work;
    session->work = MM_FETCH_NO_WORK;
    if (work == MM_FETCH_LOAD && session->load_error != MAILMOD_OK) {
        mm_fetch_fail(session, session->load_error,
                      "what was seen cannot be read: %s",
                      mm_error_text(session->load_error));
    }
    if (work == MM_FETCH_LOAD && !session->is_failed && !session->is_cut) {
        mm_call_submit(&session->call);
    } else if (session->conn == NULL) {
        end_visit(session);
    } else if (session->stage == MM_FETCH_TALKING) {
        mm_fetch_login_done(session);
        mm_fetch_go_on(session);
    }
}

static void on_addresses(struct mm_host_addresses *addresses)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(addresses, struct mm_fetch_session, addresses);
    if (addresses->count == 0) {
        mm_fetch_fail(session, MAILMOD_ERROR_DNS, "the host has no address");
    }
    session->stage = MM_FETCH_DIALLING;
    dial(session);
}

static const struct mm_config_proxy *
proxy_for(const struct mm_fetch_session *session,
          const struct mm_endpoint *target)
{
    return mm_config_proxy_for(session->options.config, &session->account.proxy,
                               target);
}

/* In A-labels: SNI, the certificate and a proxy know no others. */
static bool is_by_proxy(struct mm_fetch_session *session, const char *host)
{
    if (mm_idn_to_ascii(mm_span_cstr(host), session->host) != MAILMOD_OK) {
        return false;
    }
    const struct mm_endpoint target = {.host = session->host};
    return proxy_for(session, &target) != NULL;
}

static void find_host(struct mm_fetch_session *session)
{
    struct mm_host host;
    session->stage = MM_FETCH_RESOLVING;
    session->addresses.on_answer = on_addresses;
    if (session->is_cut) {
        end_visit(session);
        return;
    }
    if (mm_host_parse(mm_span_cstr(session->account.host), &host) &&
        host.is_address) {
        mm_host_addresses_set(&session->addresses, &host.address);
        on_addresses(&session->addresses);
        return;
    }
    if (is_by_proxy(session, host.text)) {
        session->stage = MM_FETCH_DIALLING;
        dial(session);
        return;
    }
    const struct mm_host_question question = {
        .resolver = session->options.resolver,
        .host = host.text,
        .wants_v6 = session->options.config->delivery.uses_ipv6,
        .wants_v4 = session->options.config->delivery.uses_ipv4,
        .prefers = session->options.config->delivery.prefers,
        .is_chosen = true};
    if (!mm_host_addresses_ask(&session->addresses, &question)) {
        on_addresses(&session->addresses);
    }
}

void mm_fetch_leave(struct mm_fetch_session *session, bool is_polite)
{
    session->stage = MM_FETCH_LEAVING;
    mm_timer_set(&session->timer, mm_fetch_timeout_ms(session));
    if (is_polite) {
        mm_conn_close(session->conn);
    } else {
        mm_conn_abort(session->conn);
    }
}

enum mailmod_error mm_fetch_start_tls(struct mm_fetch_session *session)
{
    const struct mm_config_fetch *account = &session->account;
    bool verifies = account->verifies && account->tls != MM_CONFIG_TLS_MAY;
    struct mm_host host;
    (void)mm_host_parse(mm_span_cstr(account->host), &host);
    session->in_handshake = true;
    return mm_conn_start_tls_client(
        session->conn, mm_peer_tls_get(&session->options.tls, verifies),
        host.text, verifies, mm_fetch_timeout_ms(session));
}

static void on_open(void *context, struct mm_conn *conn)
{
    struct mm_fetch_session *session = context;
    session->conn = conn;
    mm_conn_set_write_timeout(conn, mm_fetch_timeout_ms(session));
    session->stage = MM_FETCH_TALKING;
    enum mailmod_error error = mm_fetch_dialogue_open(session);
    if (error == MAILMOD_OK && session->account.tls == MM_CONFIG_TLS_IMPLICIT) {
        error = mm_fetch_start_tls(session);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "the connection: %s",
                      mm_error_text(error));
        mm_fetch_leave(session, false);
        return;
    }
    mm_fetch_pump(session);
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_fetch_session *session = context;
    size_t used = 0;
    (void)conn;
    while (used < size && session->stage == MM_FETCH_TALKING) {
        /* Octets behind the +OK to STLS: left, the connection breaks on them
         * (RFC 2595 4). */
        if (session->in_handshake) {
            return used;
        }
        size_t taken =
            mm_pop3c_feed(session->engine, bytes + used, size - used);
        used += taken;
        mm_fetch_pump(session);
        if (taken == 0) {
            return used;
        }
    }
    return size; /* after the end nobody listens */
}

void mm_fetch_go_on(struct mm_fetch_session *session)
{
    if (session->stage != MM_FETCH_TALKING) {
        return;
    }
    mm_fetch_advance(session);
    mm_fetch_pump(session);
    if (session->stage == MM_FETCH_TALKING && !session->is_pumping) {
        mm_conn_resume(session->conn);
    }
}

static void on_drained(void *context, struct mm_conn *conn)
{
    (void)conn;
    mm_fetch_go_on(context);
}

static void on_tls(void *context, struct mm_conn *conn)
{
    struct mm_fetch_session *session = context;
    (void)conn;
    session->in_handshake = false;
    if (session->account.tls != MM_CONFIG_TLS_IMPLICIT &&
        mm_pop3c_tls_begun(session->engine) != MAILMOD_OK) {
        mm_fetch_fail(session, MAILMOD_ERROR_PROTOCOL,
                      "the server talked before TLS began");
        mm_fetch_leave(session, false);
        return;
    }
    mm_fetch_go_on(session);
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_fetch_session *session = context;
    const char *words = mm_conn_failure(conn);
    if (words[0] == '\0') {
        words = mm_error_text(reason);
    }
    session->conn = NULL;
    session->in_handshake = false;
    if (session->stage != MM_FETCH_LEAVING) {
        mm_fetch_fail(session, reason, "the connection: %s", words);
    }
    session->stage = MM_FETCH_LEAVING;
    end_visit(session);
}

static const struct mm_conn_handler conn_handler = {.on_open = on_open,
                                                    .on_input = on_input,
                                                    .on_drained = on_drained,
                                                    .on_tls = on_tls,
                                                    .on_closed = on_closed};

static void on_failed(void *context, enum mailmod_error error,
                      const char *words)
{
    struct mm_fetch_session *session = context;
    session->address++;
    if (!session->is_cut && session->address < session->addresses.count) {
        dial(session);
        return;
    }
    mm_fetch_fail(session, error, "connecting: %s", words);
    session->stage = MM_FETCH_LEAVING;
    end_visit(session);
}

/* The address that is next, or what the proxy finds. */
static enum mailmod_error dial_one(struct mm_fetch_session *session)
{
    uint64_t timeout_ms = mm_fetch_timeout_ms(session);
    struct mm_dialler_options options = {
        .loop = session->options.loop,
        .resolver = session->options.resolver,
        .target.host = session->host,
        .timeout_ms = timeout_ms,
        .proxy_ms = session->options.config->proxy.timeout_ms,
        .handler = &conn_handler,
        .on_failed = on_failed,
        .context = session};
    if (session->address < session->addresses.count) {
        options.target.address = session->addresses.items[session->address];
    }
    options.proxy = proxy_for(session, &options.target);
    options.target.address.port = (uint16_t)session->account.port;
    return mm_dialler_start(&session->dialler, &options);
}

static void dial(struct mm_fetch_session *session)
{
    enum mailmod_error error = MAILMOD_ERROR_STATE;
    bool has_next = !session->is_failed && !session->is_cut;
    while (has_next && error != MAILMOD_OK) {
        error = dial_one(session);
        if (error != MAILMOD_OK) {
            session->address++;
            has_next = session->address < session->addresses.count;
        }
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "connecting: %s", mm_error_text(error));
        end_visit(session);
    }
}

static void on_expired(struct mm_timer *timer)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(timer, struct mm_fetch_session, timer);
    if (session->stage == MM_FETCH_TALKING) {
        mm_fetch_fail(session, MAILMOD_ERROR_TIMEOUT,
                      session->work == MM_FETCH_TOKEN
                          ? "no token came in time"
                          : "the server did not answer in time");
        mm_fetch_leave(session, false);
    } else if (session->stage == MM_FETCH_LEAVING && session->conn != NULL) {
        mm_conn_abort(session->conn);
    }
}

/* ---- its life ---- */

static void take_account(struct mm_fetch_session *session,
                         const struct mm_config_fetch *account)
{
    struct mm_store_fetch *result = &session->result;
    session->account = *account;
    memcpy(result->name, account->name, sizeof result->name);
    if (snprintf(result->source, sizeof result->source, "%s@%s", account->user,
                 account->host) < 0) {
        result->source[0] = '\0';
    }
    mm_ascii_lower_cstr(strrchr(result->source, '@'));
}

enum mailmod_error
mm_fetch_session_new(struct mm_fetch_session **session_out,
                     const struct mm_fetch_session_options *options)
{
    struct mm_fetch_session *session = mm_alloc(sizeof *session);
    *session_out = NULL;
    if (session == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error =
        mm_timer_open(&session->timer, options->loop, on_expired);
    if (error != MAILMOD_OK) {
        mm_free(session);
        return error;
    }
    session->options = *options;
    session->options.config = mm_config_ref(options->config);
    session->options.tls = mm_peer_tls_ref(&options->tls);
    take_account(session, options->account);
    mm_fetch_plan_init(&session->plan, mm_store_new_message_id(options->store));
    mm_login_init(&session->login);
    session->call.store = options->store;
    session->call.loop = options->loop;
    session->call.run = run_call;
    session->call.done = call_done;
    session->job.loop = options->loop;
    session->job.run = run_job;
    session->job.done = job_done;
    session->gone_task.run = run_gone;
    *session_out = session;
    return MAILMOD_OK;
}

void mm_fetch_session_free(struct mm_fetch_session **session)
{
    struct mm_fetch_session *freed = *session;
    if (freed == NULL) {
        return;
    }
    *session = NULL;
    mm_timer_close(&freed->timer);
    mm_dialler_stop(&freed->dialler);
    mm_fetch_message_drop(freed);
    mm_fetch_plan_fini(&freed->plan);
    mm_login_fini(&freed->login);
    mm_pop3c_free(&freed->engine);
    mm_config_unref(&freed->options.config);
    mm_peer_tls_unref(&freed->options.tls);
    mm_secret_clear(&freed->account, sizeof freed->account);
    mm_free(freed);
}

void mm_fetch_session_start(struct mm_fetch_session *session)
{
    struct mm_loop *loop = session->options.loop;
    session->stage = MM_FETCH_LOADING;
    session->result.begun_ms = mm_loop_wall_ms(loop);
    session->end_ms = mm_loop_now_ms(loop) + MM_LIMIT_FETCH_SESSION_MS;
    struct mm_news news = {.kind = MAILMOD_EVENT_FETCH_BEGUN, .reply = ""};
    mm_fetch_tell(session, &news);
    enum mailmod_error error = mm_fetch_start_work(session, MM_FETCH_LOAD);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "too much to do: %s",
                      mm_error_text(error));
        end_visit(session);
    }
}

void mm_fetch_session_stop(struct mm_fetch_session *session)
{
    session->is_stopping = true;
    if (session->stage < MM_FETCH_TALKING) {
        mm_fetch_session_cut(session);
    } else {
        mm_fetch_go_on(session);
    }
}

void mm_fetch_session_cut(struct mm_fetch_session *session)
{
    session->is_cut = true;
    if (session->conn != NULL) {
        mm_fetch_fail(session, MAILMOD_ERROR_STOPPED, "mailmod was stopped");
        mm_fetch_leave(session, false);
    } else if (session->stage == MM_FETCH_RESOLVING ||
               session->stage == MM_FETCH_DIALLING) {
        mm_host_addresses_cancel(&session->addresses);
        mm_dialler_stop(&session->dialler);
        end_visit(session);
    }
}
