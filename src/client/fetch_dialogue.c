/* fetch_dialogue.c - what is said at a mailbox elsewhere: the engine's events.
 *
 * Owns nothing of its own; it works on a session. Promises: a password goes
 * out under TLS alone, but where the operator switched TLS off; after a refused
 * login no other way is tried with the same password, unless the mechanism
 * itself was refused before any secret was said; nothing is deleted that is
 * not on our disk. Thread: loop. RFC 1939 4 to 7; RFC 2595 4; RFC 5034 4. */
#include "client/fetch_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "platform/random.h"

#include <stdio.h>
#include <string.h>

/* Messages that are asked for before the first of them has come. */
#define WINDOW 4
/* Questions in all; the deletions among them may be many. */
#define ASKED_MAX 32

static enum mm_pop3c_tls engine_tls(const struct mm_fetch_session *session)
{
    switch (session->account.tls) {
    case MM_CONFIG_TLS_MAY:
        return MM_POP3C_TLS_MAY;
    case MM_CONFIG_TLS_MUST:
        return MM_POP3C_TLS_MUST;
    case MM_CONFIG_TLS_IMPLICIT:
        return MM_POP3C_TLS_ON;
    case MM_CONFIG_TLS_OFF:
        break;
    }
    return MM_POP3C_TLS_OFF;
}

static void on_line(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked)
{
    const struct mm_fetch_session *session = context;
    mm_tap_log_line(session->options.log, "fetch",
                    MM_TEXT("account", session->account.name), way, line,
                    is_masked);
}

static void on_octets(void *context, enum mm_tap_way way, uint64_t count)
{
    const struct mm_fetch_session *session = context;
    mm_tap_log_octets(session->options.log, "fetch",
                      MM_TEXT("account", session->account.name), way, count);
}

enum mailmod_error mm_fetch_dialogue_open(struct mm_fetch_session *session)
{
    session->tap = (struct mm_tap){
        .line = on_line, .octets = on_octets, .context = session};
    const struct mm_pop3c_options options = {
        .tap = mm_log_is_on(session->options.log, MM_LOG_WIRE) ? &session->tap
                                                               : NULL,
        .tls = engine_tls(session),
        .allows_clear_auth = session->account.tls == MM_CONFIG_TLS_OFF,
        .tries_twice = MM_SASL_BEARER};
    mm_pop3c_free(&session->engine);
    return mm_pop3c_new(&session->engine, &options);
}

static void fail_by_reply(struct mm_fetch_session *session,
                          enum mailmod_error error, const char *what,
                          const struct mm_pop3c_reply *reply)
{
    size_t size = reply->text.size < 120 ? reply->text.size : 120;
    mm_fetch_fail(session, error, "%s: the server says %s %.*s", what,
                  reply->is_ok ? "+OK" : "-ERR", (int)size, reply->text.data);
}

/* ---- the login ---- */

/* RFC 1939 7: MD5 of the stamp and the password. */
static enum mailmod_error log_in_apop(struct mm_fetch_session *session,
                                      struct mm_span stamp)
{
    uint8_t digest[MM_MD5_SIZE];
    char text[2 * MM_MD5_SIZE + 1];
    struct mm_buf both;
    mm_buf_init(&both, MM_LIMIT_REPLY_LINE + MM_LIMIT_PASSWORD);
    (void)mm_buf_append_span(&both, stamp);
    (void)mm_buf_append_cstr(&both, session->account.password);
    enum mailmod_error error = mm_buf_error(&both);
    if (error == MAILMOD_OK) {
        error = mm_md5(mm_buf_span(&both), digest);
    }
    mm_buf_wipe(&both);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_hex(digest, sizeof digest, text);
    return mm_pop3c_apop(session->engine, session->account.user, text);
}

static enum mailmod_error log_in_sasl(struct mm_fetch_session *session,
                                      unsigned mechanisms, const char *secret)
{
    uint8_t nonce[18];
    enum mailmod_error error = mm_random(nonce, sizeof nonce);
    return error == MAILMOD_OK
               ? mm_login_begin(&session->login,
                                mm_login_over_pop3(session->engine), mechanisms,
                                session->account.user, secret, nonce)
               : error;
}

static void on_token(struct mm_token_question *question)
{
    struct mm_fetch_session *session =
        MM_LIST_OBJECT(question, struct mm_fetch_session, question);
    enum mailmod_error error = question->error;
    session->work = MM_FETCH_NO_WORK;
    if (error == MAILMOD_OK) {
        error = log_in_sasl(session, session->bearers, question->token);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "no token to log in with: %s",
                      mm_error_text(error));
        mm_fetch_leave(session, false);
        return;
    }
    mm_fetch_go_on(session);
}

/* Asked for at each login: it is worth something for a while only. */
static enum mailmod_error ask_token(struct mm_fetch_session *session,
                                    unsigned bearers)
{
    const struct mm_config_fetch *account = &session->account;
    struct mm_token_question *question = &session->question;
    bool is_refresh = question->done != NULL;
    *question =
        (struct mm_token_question){.use = MM_TOKEN_FOR_POP3,
                                   .account = account->name,
                                   .user = account->user,
                                   .host = account->host,
                                   .port = account->port,
                                   .is_refresh = is_refresh,
                                   .wait_ms = mm_fetch_timeout_ms(session),
                                   .loop = session->options.loop,
                                   .done = on_token};
    session->bearers = bearers;
    enum mailmod_error error =
        session->options.tokens.ask(session->options.tokens.context, question);
    session->work = error == MAILMOD_OK ? MM_FETCH_TOKEN : MM_FETCH_NO_WORK;
    return error;
}

static enum mailmod_error log_in_by_token(struct mm_fetch_session *session,
                                          unsigned ways)
{
    unsigned bearers = ways & MM_SASL_BEARER;
    if (bearers == 0) {
        return MAILMOD_ERROR_UNSUPPORTED;
    }
    return ask_token(session, bearers);
}

/* CRAM-MD5 and APOP show no password; but a server may offer them and have no
 * password to compare with, so that under TLS they come last. */
static enum mailmod_error log_in(struct mm_fetch_session *session,
                                 const struct mm_pop3c_info *info)
{
    const struct mm_config_fetch *account = &session->account;
    bool is_private = mm_conn_is_tls(session->conn);
    if (account->has_token) {
        return log_in_by_token(session, info->ways);
    }
    unsigned proving = info->ways & (MM_SASL_SCRAM_SHA_256 | MM_SASL_CRAM_MD5);
    unsigned sure =
        info->ways & (MM_SASL_SCRAM_SHA_256 | MM_SASL_PLAIN | MM_SASL_LOGIN);
    bool has_apop = (info->ways & MM_POP3C_WAY_APOP) != 0 &&
                    strchr(account->user, ' ') == NULL;
    bool has_user = (info->ways & MM_POP3C_WAY_USER) != 0;
    if (proving != 0 && (!is_private || (sure == 0 && !has_user))) {
        return log_in_sasl(session, proving, account->password);
    }
    if (has_apop && (!is_private || (sure == 0 && !has_user))) {
        return log_in_apop(session, info->data);
    }
    if (sure != 0) {
        return log_in_sasl(session, sure, account->password);
    }
    return has_user ? mm_pop3c_user(session->engine, account->user,
                                    account->password)
                    : MAILMOD_ERROR_AUTHENTICATION;
}

static bool on_login(struct mm_fetch_session *session,
                     const struct mm_pop3c_info *info)
{
    enum mailmod_error error = log_in(session, info);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "the login cannot be made: %s",
                      mm_error_text(error));
        mm_fetch_leave(session, false);
    }
    return error == MAILMOD_OK;
}

static bool on_challenge(struct mm_fetch_session *session,
                         const struct mm_pop3c_info *info)
{
    const struct mm_config_fetch *account = &session->account;
    bool needs_worker = false;
    enum mailmod_error error =
        mm_login_challenge(&session->login, info->data, account->user,
                           account->password, &needs_worker);
    if (error == MAILMOD_OK && needs_worker) {
        error = mm_fetch_start_work(session, MM_FETCH_LOGIN);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "the login cannot be made: %s",
                      mm_error_text(error));
        mm_fetch_leave(session, false);
    }
    return error == MAILMOD_OK;
}

void mm_fetch_login_done(struct mm_fetch_session *session)
{
    enum mailmod_error error = mm_login_finish(&session->login);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "the login cannot be made: %s",
                      mm_error_text(error));
        mm_fetch_leave(session, false);
    }
}

/* Only the mechanism was refused, and nothing of the password was said. */
static bool allows_another(const struct mm_fetch_session *session,
                           const struct mm_pop3c_reply *reply)
{
    enum mm_sasl_mechanism mechanism = session->login.mechanism;
    return mechanism != 0 && mechanism != MM_SASL_PLAIN &&
           session->login.step == 0 && reply->code.size == 0;
}

/* A token that was good an hour ago: a new one, once. RFC 3206: any other code
 * says that it is not the token. */
static bool allows_refresh(const struct mm_fetch_session *session,
                           const struct mm_pop3c_reply *reply)
{
    return !session->question.is_refresh &&
           (reply->code.size == 0 || mm_span_is_nocase(reply->code, "AUTH"));
}

/* "login by PLAIN", for the one who must set it right. */
static const char *login_words(unsigned way, char words_out[40])
{
    snprintf(words_out, 40, "login by %s",
             way == MM_POP3C_WAY_APOP ? "APOP"
             : way == MM_POP3C_WAY_USER
                 ? "USER and PASS"
                 : mm_sasl_name((enum mm_sasl_mechanism)way));
    return words_out;
}

static bool on_login_done(struct mm_fetch_session *session,
                          const struct mm_pop3c_info *info)
{
    const struct mm_pop3c_reply *reply = info->reply;
    char words[40];
    if (!reply->is_ok &&
        (session->account.has_token ? allows_refresh(session, reply)
                                    : allows_another(session, reply))) {
        return true;
    }
    if (!reply->is_ok) {
        fail_by_reply(session, MAILMOD_ERROR_AUTHENTICATION,
                      login_words(info->ways, words), reply);
    } else if (!mm_login_is_proven(&session->login)) {
        mm_fetch_fail(session, MAILMOD_ERROR_AUTHENTICATION,
                      "the server did not prove that it knows the password");
    } else {
        return true;
    }
    mm_fetch_leave(session, false);
    return false;
}

/* ---- the lists ---- */

static bool ask(struct mm_fetch_session *session, enum mm_pop3c_verb verb,
                uint64_t number)
{
    enum mailmod_error error = mm_pop3c_ask(session->engine, verb, number, 0);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "a command cannot be said: %s",
                      mm_error_text(error));
        return false;
    }
    session->asked++;
    return true;
}

/* Who gets the mail. */
static void take_targets(struct mm_fetch_session *session)
{
    const struct mm_target *first = &session->resolve.targets[0];
    session->is_resolving = false;
    session->refusal = NULL;
    if (first->kind == MM_TARGET_REFUSED && session->account.sets_aside) {
        session->refusal = first->reply;
        session->has_targets = true;
    } else if (first->kind == MM_TARGET_REFUSED) {
        mm_fetch_fail(session, MAILMOD_ERROR_REFUSED,
                      "%s gets no mail here: %s", session->to.text,
                      first->reply->text);
    } else if (first->kind == MM_TARGET_FOR_NOW) {
        mm_fetch_fail(session, first->error, "%s gets no mail now: %s",
                      session->to.text, mm_error_text(first->error));
    } else {
        session->has_targets = true;
    }
}

static void on_resolved(struct mm_resolve *resolve)
{
    struct mm_fetch_session *session = resolve->context;
    take_targets(session);
    mm_fetch_go_on(session);
}

static void begin_resolve(struct mm_fetch_session *session)
{
    struct mm_resolve *resolve = &session->resolve;
    /* A user of this system is written without a domain. */
    if (mm_address_parse_in(session->account.to,
                            session->options.config->host_name,
                            &session->to) != MAILMOD_OK) {
        mm_fetch_fail(session, MAILMOD_ERROR_ARGUMENT, "%s is no address",
                      session->account.to);
        return;
    }
    resolve->post = session->options.post;
    resolve->config = session->options.config;
    resolve->address = &session->to;
    resolve->loop = session->options.loop;
    resolve->done = on_resolved;
    resolve->context = session;
    session->is_resolving = true;
    if (mm_resolve_ask(resolve) == MM_ANSWERED) {
        take_targets(session);
    }
}

static void settle(struct mm_fetch_session *session)
{
    enum mailmod_error error = mm_fetch_plan_settle(&session->plan);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "the list cannot be kept: %s",
                      mm_error_text(error));
        return;
    }
    session->is_settled = true;
    session->result.listed = session->plan.count;
    session->result.octets = session->plan.octets;
    session->result.fresh = session->plan.fresh;
    mm_fetch_tell(session, NULL);
    if (!session->options.only_counts) {
        begin_resolve(session);
    }
}

/* ---- the messages ---- */

void mm_fetch_decided(struct mm_fetch_session *session,
                      struct mm_fetch_item *item)
{
    const struct mm_fetch_session_options *options = &session->options;
    if (session->is_failed) {
        return;
    }
    if (options->only_counts) {
        bool is_left = item->state == MM_FETCH_FRESH &&
                       item->size > session->account.size_max;
        session->result.left += is_left;
        return;
    }
    if (mm_fetch_item_is_due(item, &session->account,
                             mm_loop_wall_ms(options->loop))) {
        (void)ask(session, MM_POP3C_DELE, item->number);
    } else if (item->state == MM_FETCH_FRESH) {
        if (item->size > session->account.size_max ||
            options->was_left(options->context, item->key)) {
            item->state = MM_FETCH_LEFT;
            session->result.left++;
        } else if (ask(session, MM_POP3C_RETR, item->number)) {
            session->in_flight++;
        }
    } else if (item->state == MM_FETCH_LOOK &&
               ask(session, MM_POP3C_TOP, item->number)) {
        session->in_flight++;
    }
}

static unsigned window(const struct mm_fetch_session *session)
{
    return mm_pop3c_capabilities(session->engine)->has_pipelining ? WINDOW : 1;
}

void mm_fetch_advance(struct mm_fetch_session *session)
{
    struct mm_fetch_plan *plan = &session->plan;
    if (!session->is_settled || session->is_resolving || session->is_failed ||
        session->is_quitting) {
        return;
    }
    while (!session->is_stopping && session->next < plan->count &&
           session->in_flight < window(session) && session->asked < ASKED_MAX &&
           !session->is_failed) {
        struct mm_fetch_item *item = &plan->items[session->next++];
        if (session->options.only_counts && item->state == MM_FETCH_LOOK &&
            ask(session, MM_POP3C_TOP, item->number)) {
            session->in_flight++;
        }
        mm_fetch_decided(session, item);
    }
    bool is_done = session->is_stopping || session->next == plan->count;
    if (is_done && session->in_flight == 0 && session->asked == 0) {
        session->is_quitting = true;
        mm_pop3c_quit(session->engine);
    }
}

static bool on_ready(struct mm_fetch_session *session)
{
    if (!session->has_asked) {
        session->has_asked = true;
        return ask(session, MM_POP3C_LIST, 0) && ask(session, MM_POP3C_UIDL, 0);
    }
    mm_fetch_advance(session);
    return true;
}

/* A message that cannot be had stays there; the next one is asked for. */
static void note_unread(struct mm_fetch_session *session,
                        struct mm_fetch_item *item, enum mm_pop3c_verb verb)
{
    session->in_flight--;
    if (verb == MM_POP3C_TOP && !session->options.only_counts) {
        if (ask(session, MM_POP3C_RETR, item->number)) {
            session->in_flight++;
        }
        return;
    }
    item->state = MM_FETCH_LEFT;
    session->result.left++;
}

static void on_refused(struct mm_fetch_session *session,
                       const struct mm_pop3c_info *info)
{
    session->asked--;
    if (info->verb == MM_POP3C_LIST) {
        fail_by_reply(session, MAILMOD_ERROR_REFUSED, "LIST", info->reply);
    } else if (info->verb == MM_POP3C_UIDL) {
        settle(session); /* the headers name the messages */
    } else if (info->verb == MM_POP3C_RETR || info->verb == MM_POP3C_TOP) {
        note_unread(session, mm_fetch_plan_find(&session->plan, info->number),
                    info->verb);
    }
}

static void on_answer(struct mm_fetch_session *session,
                      const struct mm_pop3c_info *info)
{
    struct mm_fetch_item *item =
        mm_fetch_plan_find(&session->plan, info->number);
    if (!info->reply->is_ok) {
        on_refused(session, info);
    } else if (info->verb == MM_POP3C_DELE) {
        session->asked--;
        item->is_deleted = true;
    } else if (info->verb == MM_POP3C_RETR || info->verb == MM_POP3C_TOP) {
        (void)mm_fetch_message_begin(session, item, info->verb == MM_POP3C_TOP);
    }
}

static void on_row(struct mm_fetch_session *session,
                   const struct mm_pop3c_info *info)
{
    enum mailmod_error error = MAILMOD_OK;
    if (info->verb == MM_POP3C_UIDL) {
        mm_fetch_plan_name(&session->plan, info->number, info->data);
    } else {
        error = mm_fetch_plan_add(&session->plan, info->number, info->size);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "the list cannot be kept: %s",
                      error == MAILMOD_ERROR_LIMIT ? "too many messages"
                                                   : mm_error_text(error));
    }
}

static void on_end(struct mm_fetch_session *session,
                   const struct mm_pop3c_info *info)
{
    session->asked--;
    if (info->verb == MM_POP3C_LIST) {
        mm_fetch_plan_sort(&session->plan);
    } else if (info->verb == MM_POP3C_UIDL) {
        settle(session);
    } else {
        mm_fetch_message_end(session);
    }
}

/* ---- the events ---- */

static bool on_stls(struct mm_fetch_session *session)
{
    mm_timer_cancel(&session->timer);
    enum mailmod_error error = mm_fetch_start_tls(session);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "TLS: %s", mm_error_text(error));
        mm_fetch_leave(session, false);
    }
    return false;
}

static const char *const phases[MM_POP3C_PHASE_COUNT] = {
    "the greeting", "CAPA",      "STLS",      "the login",
    "a command",    "a command", "a message", "QUIT"};

static const char *reason_of(enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_ERROR_AUTHENTICATION:
        return "no way to log in; a password goes under TLS alone";
    case MAILMOD_ERROR_TLS_UNAVAILABLE:
        return "the server offers no TLS";
    default:
        return mm_error_text(error);
    }
}

static bool on_failed(struct mm_fetch_session *session,
                      const struct mm_pop3c_info *info)
{
    if (info->reply != NULL) {
        fail_by_reply(session, info->error, phases[info->phase], info->reply);
    } else {
        mm_fetch_fail(session, info->error, "%s: %s", phases[info->phase],
                      reason_of(info->error));
    }
    return false;
}

static bool on_closed(struct mm_fetch_session *session,
                      const struct mm_pop3c_info *info)
{
    session->is_updated = info->reply != NULL && info->reply->is_ok;
    if (!session->is_updated && info->reply != NULL) {
        fail_by_reply(session, MAILMOD_ERROR_REFUSED, "QUIT", info->reply);
    }
    mm_fetch_leave(session, true);
    return false;
}

static bool handle(struct mm_fetch_session *session, enum mm_pop3c_event event,
                   const struct mm_pop3c_info *info)
{
    switch (event) {
    case MM_POP3C_STLS:
        return on_stls(session);
    case MM_POP3C_LOGIN:
        return on_login(session, info);
    case MM_POP3C_CHALLENGE:
        return on_challenge(session, info);
    case MM_POP3C_LOGIN_DONE:
        return on_login_done(session, info);
    case MM_POP3C_READY:
        return on_ready(session);
    case MM_POP3C_ANSWER:
        on_answer(session, info);
        break;
    case MM_POP3C_ROW:
        on_row(session, info);
        break;
    case MM_POP3C_BODY:
        mm_pop3c_body_taken(session->engine,
                            mm_fetch_message_octets(session, info->data));
        break;
    case MM_POP3C_END:
        on_end(session, info);
        break;
    case MM_POP3C_CLOSED:
        return on_closed(session, info);
    case MM_POP3C_FAILED:
        return on_failed(session, info);
    case MM_POP3C_NEED_INPUT:
        return false;
    }
    mm_fetch_advance(session);
    return true;
}

/* Moves what the engine owes to the connection, as far as that has room. */
static void flush(struct mm_fetch_session *session)
{
    struct mm_span owed = mm_pop3c_output(session->engine);
    size_t room = mm_conn_write_room(session->conn);
    size_t size = owed.size < room ? owed.size : room;
    if (size > 0 &&
        mm_conn_write(session->conn, owed.data, size) == MAILMOD_OK) {
        mm_pop3c_sent(session->engine, size);
    }
}

static bool is_waiting(const struct mm_fetch_session *session)
{
    return session->in_handshake || session->work != MM_FETCH_NO_WORK ||
           session->is_resolving || session->incoming.waits;
}

/* A time runs from the last event, and not while we are the ones who wait. */
static void arm(struct mm_fetch_session *session, bool has_moved)
{
    uint64_t now_ms = mm_loop_now_ms(session->options.loop);
    if (is_waiting(session) && session->work != MM_FETCH_TOKEN) {
        mm_timer_cancel(&session->timer);
    } else if (has_moved || !mm_timer_is_set(&session->timer)) {
        uint64_t left_ms =
            session->end_ms > now_ms ? session->end_ms - now_ms : 0;
        uint64_t wait_ms = mm_fetch_timeout_ms(session);
        mm_timer_set(&session->timer, left_ms < wait_ms ? left_ms : wait_ms);
    }
}

void mm_fetch_pump(struct mm_fetch_session *session)
{
    bool has_moved = false;
    if (session->is_pumping || session->stage != MM_FETCH_TALKING) {
        return;
    }
    session->is_pumping = true;
    while (session->stage == MM_FETCH_TALKING) {
        struct mm_pop3c_info info;
        flush(session);
        if (is_waiting(session) || session->is_failed) {
            break;
        }
        enum mm_pop3c_event event = mm_pop3c_next(session->engine, &info);
        has_moved = has_moved || event != MM_POP3C_NEED_INPUT;
        if (!handle(session, event, &info)) {
            break;
        }
    }
    if (session->stage == MM_FETCH_TALKING) {
        flush(session); /* QUIT too, where it failed */
    }
    session->is_pumping = false;
    if (session->stage == MM_FETCH_TALKING && session->is_failed) {
        mm_fetch_leave(session, true);
    } else if (session->stage == MM_FETCH_TALKING) {
        arm(session, has_moved);
    }
}
