/* logins.c - a session's logins: from the first octet to the answer.
 *
 * Owns: one login attempt, the count of failed ones. Promises: whatever the
 * verb (AUTH, PASS, APOP), one path leads to the answer: the ban, the host's
 * word if it is asked, the check, the count, the delay; one log line a login
 * that was taken or refused, with the name as it was given, for the name that
 * it was reduced to may be somebody else's. A question that cannot be put
 * refuses for now, for the host may be all that guards. A login from a banned
 * network is answered like a wrong password, and nobody is asked.
 * Thread: the session's loop. RFC 4954 4 and 6, RFC 1939 7, RFC 5034. */
#include "server/logins.h"

#include "server/admission.h"
#include "server/server_internal.h"

/* A network where somebody came in so lately is known. */
#define KNOWN_MS (UINT64_C(24) * 3600 * 1000)

static void use(struct mm_logins *login, enum mm_auth_verdict verdict);

static bool on_ask(struct mm_auth *auth)
{
    struct mm_logins *login = MM_LIST_OBJECT(auth, struct mm_logins, auth);
    struct mm_peer_certificate certificate = {.name = ""};
    struct mm_request_facts facts = {.user = auth->user_name,
                                     .password = mm_auth_password_text(auth),
                                     .token = mm_auth_token_text(auth)};
    enum mailmod_moment moment =
        facts.token != NULL ? MAILMOD_LOGIN_TOKEN : login->words->moment;

    if (auth->proof == MM_AUTH_PROOF_CERTIFICATE) {
        moment = MAILMOD_LOGIN_CERTIFICATE;
        if (mm_conn_peer_certificate(login->session->conn, &certificate) !=
            MAILMOD_OK) {
            return false; /* nobody vouches then */
        }
        facts.certificate = mm_buf_cstr(&certificate.pem);
        facts.fingerprint = certificate.fingerprint;
    }
    login->is_asking = mm_session_ask(login->session, &login->session->question,
                                      moment, &facts) != MM_ASK_NOBODY;
    mm_buf_fini(&certificate.pem);
    return login->is_asking;
}

static bool on_check(struct mm_auth *auth, enum mm_auth_verdict *verdict_out)
{
    struct mm_logins *login = MM_LIST_OBJECT(auth, struct mm_logins, auth);

    return login->words->check(login->session, auth, verdict_out);
}

static void on_done(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    struct mm_logins *login = MM_LIST_OBJECT(auth, struct mm_logins, auth);

    if (mm_session_job_done(login->session)) {
        use(login, verdict);
        mm_session_pump(login->session);
    }
}

void mm_logins_init(struct mm_logins *login, struct mm_session *session,
                    const struct mm_login_words *words, unsigned failures_max)
{
    login->session = session;
    login->words = words;
    login->failures_max = failures_max;
    mm_auth_init(&login->auth, session->loop, session->server->workers,
                 session->server->store, mm_session_config(session), on_done);
    login->auth.on_ask = words->moment != 0 ? on_ask : NULL;
    login->auth.on_check = words->check != NULL ? on_check : NULL;
    login->auth.checks = &session->server->checks;
    login->auth.peer = &session->peer;
    login->auth.cache = &session->server->login_cache;
}

/* Neither delayed nor banned. A proxy that tells this machine's address, or its
 * own, may have been talked into it. */
static bool is_exempt(const struct mm_session *session)
{
    return mm_session_is_from(session,
                              &mm_session_config(session)->logins.exempt) ||
           (session->peer_origin == MM_PEER_DIRECT &&
            mm_netaddr_is_loopback(&session->peer));
}

/* A peer that its proxy hides is never banned: that would be the proxy. */
static bool may_ban(const struct mm_session *session)
{
    return !is_exempt(session) && session->peer_origin != MM_PEER_HIDDEN;
}

/* Before anything of a login is looked at. */
static void look_at_network(struct mm_logins *login)
{
    const struct mm_session *session = login->session;
    struct mm_networks *networks = &session->server->networks;
    uint64_t now_ms = mm_loop_now_ms(session->loop);
    int64_t wall_ms = mm_loop_wall_ms(session->loop);

    mm_bans_look(&session->server->bans, now_ms, wall_ms);
    login->auth.is_barred =
        may_ban(session) &&
        mm_networks_is_banned(networks, mm_session_config(session),
                              &session->peer, now_ms);
    if (login->auth.is_barred) {
        mm_bans_note(&session->server->bans, mm_session_config(session),
                     &session->peer, now_ms, wall_ms);
    }
    login->auth.is_known =
        mm_networks_entered(networks, &session->peer, false, KNOWN_MS, now_ms);
}

void mm_logins_fini(struct mm_logins *login)
{
    mm_auth_fini(&login->auth);
}

void mm_logins_forget(struct mm_logins *login)
{
    login->is_asking = false;
}

/* Whoever watches hears it with the name as it was given. */
static void observe_refusal(const struct mm_logins *login, const char *why)
{
    mm_observe(login->session, MAILMOD_SESSION_LOGIN_REFUSED,
               login->auth.given_name, why, MAILMOD_OK);
}

static void log_login(const struct mm_logins *login, enum mm_log_level level,
                      const char *text, const char *name)
{
    const struct mm_session *session = login->session;

    MM_LOG(session->server->options.log, level, session->protocol->component,
           text, MM_TEXT("session", session->identifier), MM_TEXT("user", name),
           MM_TEXT("peer", session->peer_text));
}

/* Which of several secrets it was, too. */
static void log_entry(const struct mm_logins *login)
{
    const struct mm_session *session = login->session;

    if (login->auth.secret[0] == '\0') {
        log_login(login, MM_LOG_INFO, "login", login->auth.user_name);
        return;
    }
    MM_LOG(session->server->options.log, MM_LOG_INFO,
           session->protocol->component, "login",
           MM_TEXT("session", session->identifier),
           MM_TEXT("user", login->auth.user_name),
           MM_TEXT("secret", login->auth.secret),
           MM_TEXT("peer", session->peer_text));
}

/* Counts a failed login of the network: how long the answer is held back. */
static uint64_t count_failure(const struct mm_logins *login)
{
    const struct mm_session *session = login->session;
    const struct mm_config *config = mm_session_config(session);

    if (is_exempt(session)) {
        return 0;
    }
    struct mm_failed_login failed =
        mm_networks_fail(&session->server->networks, config, &session->peer,
                         may_ban(session), mm_loop_now_ms(session->loop));
    if (failed.begins_ban) {
        mm_bans_note(&session->server->bans, config, &session->peer,
                     mm_loop_now_ms(session->loop),
                     mm_loop_wall_ms(session->loop));
        MM_LOG(session->server->options.log, MM_LOG_WARNING,
               session->protocol->component, "network banned",
               MM_TEXT("session", session->identifier),
               MM_TEXT("peer", session->peer_text),
               MM_NUMBER("failures", config->logins.failures_max),
               MM_NUMBER("seconds", (int64_t)(config->logins.ban_ms / 1000)));
    }
    return failed.delay_ms;
}

void mm_logins_answer_held(struct mm_logins *login)
{
    if (mm_auth_tells_refusal(&login->auth)) {
        login->words->challenge(login->session,
                                mm_buf_span(&login->auth.challenge));
        return; /* the answer is the next response's */
    }
    login->words->answer(login->session, login->held_outcome,
                         login->held_reply);
}

static void refuse(struct mm_logins *login, const struct mm_reply *reply)
{
    bool is_last = ++login->failures >= login->failures_max;

    const char *why =
        login->auth.is_barred     ? "login refused: its network is banned"
        : login->auth.is_disabled ? "login refused: the user is disabled"
                                  : "login refused";
    log_login(login, MM_LOG_WARNING, why, login->auth.given_name);
    observe_refusal(login, why);
    login->held_outcome = is_last ? MM_LOGIN_REFUSED_LAST : MM_LOGIN_REFUSED;
    login->held_reply = reply;
    uint64_t delay_ms = count_failure(login);
    if (delay_ms > 0 && mm_session_set_delay(login->session, delay_ms,
                                             login->words->answer_held)) {
        mm_wait_begin(&login->session->wait, MM_WAIT_DELAY);
        return;
    }
    mm_logins_answer_held(login);
}

/* What the host has to say; words that do not fit are left out. */
static void keep_reply(struct mm_logins *login, const struct mm_reply *reply)
{
    const char *enhanced =
        reply != NULL && reply->enhanced != NULL ? reply->enhanced : "";

    if (reply == NULL || !mm_span_copy(mm_span_cstr(reply->text), login->text,
                                       sizeof login->text)) {
        login->text[0] = '\0';
    }
    (void)mm_span_copy(mm_span_cstr(enhanced), login->enhanced,
                       sizeof login->enhanced);
    login->reply = (struct mm_reply){
        reply != NULL ? reply->code : 0,
        login->enhanced[0] != '\0' ? login->enhanced : NULL, login->text};
}

static const struct mm_reply *kept_reply(const struct mm_logins *login)
{
    return login->text[0] != '\0' ? &login->reply : NULL;
}

/* The host's verdict is there, or it could not be asked. */
static void settle(struct mm_logins *login)
{
    struct mm_request *request = login->session->question.request;
    enum mm_verdict verdict = request != NULL ? mm_request_verdict(request)
                                              : MM_VERDICT_REJECT_FOR_NOW;

    login->is_asking = false;
    keep_reply(login, request != NULL ? mm_request_reply(request) : NULL);
    mm_session_forget(&login->session->question);
    const struct mm_reply *reply = kept_reply(login);
    switch (verdict) {
    case MM_VERDICT_ACCEPT:
        use(login, mm_auth_decide(&login->auth, MM_AUTH_CHECK));
        return;
    case MM_VERDICT_TAKEN:
        use(login, mm_auth_decide(&login->auth, MM_AUTH_VOUCH));
        return;
    case MM_VERDICT_REJECT:
        (void)mm_auth_decide(&login->auth, MM_AUTH_REFUSE);
        refuse(login, reply);
        return;
    case MM_VERDICT_REJECT_FOR_NOW:
        (void)mm_auth_decide(&login->auth, MM_AUTH_REFUSE);
        log_login(login, MM_LOG_WARNING, "login refused for now",
                  login->auth.given_name);
        observe_refusal(login, "login refused for now");
        login->words->answer(login->session, MM_LOGIN_REFUSED_FOR_NOW, reply);
        return;
    }
}

static void wait(struct mm_logins *login)
{
    const struct mm_request *request = login->session->question.request;

    if (!login->is_asking) {
        mm_wait_begin(&login->session->wait, MM_WAIT_JOB);
    } else if (request != NULL && !mm_request_is_settled(request)) {
        mm_wait_begin(&login->session->wait, MM_WAIT_HOST);
    } else {
        settle(login);
    }
}

static void note_entry(const struct mm_session *session)
{
    bool is_pop3 =
        mm_service_row(session->service)->protocol == MM_PROTOCOL_POP3;

    if (session->peer_origin == MM_PEER_DIRECT) {
        mm_networks_enter(&session->server->networks, &session->peer, is_pop3,
                          mm_loop_now_ms(session->loop));
    }
}

static void use(struct mm_logins *login, enum mm_auth_verdict verdict)
{
    const struct mm_login_words *words = login->words;

    switch (verdict) {
    case MM_AUTH_WAIT:
        wait(login);
        break;
    case MM_AUTH_NAMED:
        use(login, mm_auth_go_on(&login->auth));
        break;
    case MM_AUTH_CHALLENGE:
        words->challenge(login->session, mm_buf_span(&login->auth.challenge));
        break;
    case MM_AUTH_OK:
        log_entry(login);
        mm_observe(login->session, MAILMOD_SESSION_LOGIN, login->auth.user_name,
                   NULL, MAILMOD_OK);
        note_entry(login->session);
        if (!login->auth.is_elsewhere) {
            mm_admission_begin(login->session, login->auth.user_name);
        }
        words->answer(login->session, MM_LOGIN_OK, kept_reply(login));
        break;
    case MM_AUTH_REFUSED:
        refuse(login, NULL);
        break;
    case MM_AUTH_SYNTAX:
        words->answer(login->session, MM_LOGIN_SYNTAX, NULL);
        break;
    case MM_AUTH_TEMPORARY:
        observe_refusal(login, "the login cannot be checked now");
        words->answer(login->session, MM_LOGIN_TEMPORARY, NULL);
        break;
    }
}

/* True when the pending event was asked about and the verdict is used now. */
static bool was_asked(struct mm_logins *login)
{
    if (login->is_asking) {
        settle(login);
        return true;
    }
    login->text[0] = '\0';
    look_at_network(login);
    return false;
}

static void read_certificate(struct mm_logins *login)
{
    struct mm_peer_certificate certificate = {.name = ""};

    if (mm_conn_peer_certificate(login->session->conn, &certificate) !=
        MAILMOD_OK) {
        certificate.name[0] = '\0';
    }
    (void)mm_span_copy(mm_span_cstr(certificate.name),
                       login->auth.certificate_name,
                       sizeof login->auth.certificate_name);
    mm_buf_fini(&certificate.pem);
}

void mm_logins_begin(struct mm_logins *login, enum mm_sasl_mechanism mechanism,
                     bool has_data, struct mm_span data)
{
    if (!was_asked(login)) {
        if (mechanism == MM_SASL_EXTERNAL) {
            read_certificate(login);
        }
        use(login, mm_auth_begin(&login->auth, mechanism, has_data, data));
    }
}

void mm_logins_continue(struct mm_logins *login, struct mm_span data)
{
    if (login->auth.is_refusal_told) { /* counted when it was told */
        login->words->answer(login->session, login->held_outcome,
                             login->held_reply);
        return;
    }
    if (!was_asked(login)) {
        use(login, mm_auth_continue(&login->auth, data));
    }
}

void mm_logins_password(struct mm_logins *login, struct mm_span user,
                        struct mm_span password)
{
    if (!was_asked(login)) {
        use(login, mm_auth_password(&login->auth, user, password));
    }
}

void mm_logins_apop(struct mm_logins *login, struct mm_span user,
                    struct mm_span stamp, struct mm_span digest)
{
    if (!was_asked(login)) {
        use(login, mm_auth_apop(&login->auth, user, stamp, digest));
    }
}
