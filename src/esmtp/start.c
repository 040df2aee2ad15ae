/* start.c - smtp_start_session: starts the instance, sends, and ends it.
 *
 * Promises: when it returns no thread of the session's is left, and each text
 * was asked for once. It succeeds when a server talked to us and took the
 * session, whatever it said of messages; what kept all of them from being said
 * (a login, TLS) is a failure. Thread: the session's. */
#include "esmtp/esmtp.h"

#define DRAIN_MS 5000

/* Texts of all messages that somebody waits for; how many, -1: smtp_errno. */
static int read_texts(smtp_session_t session)
{
    int count = 0;

    for (smtp_message_t message = session->first; message != NULL;
         message = message->next) {
        bool is_open = false;

        for (smtp_recipient_t recipient = message->first; recipient != NULL;
             recipient = recipient->next) {
            is_open = is_open || !smtp_recipient_check_complete(recipient);
        }
        if (is_open && message->callback == NULL) {
            (void)mm_esmtp_fail(SMTP_ERR_INVAL, "a message has no callback");
            return -1;
        }
        if (is_open && !mm_esmtp_spool_fill(message)) {
            return -1;
        }
        message->told = 0;
        count += is_open;
    }
    return count;
}

static void drop_texts(smtp_session_t session)
{
    for (smtp_message_t message = session->first; message != NULL;
         message = message->next) {
        mm_esmtp_spool_free(message);
    }
}

static enum mailmod_relay_tls tls_of(smtp_session_t session)
{
    if (session->is_implicit) {
        return MAILMOD_RELAY_TLS_IMPLICIT;
    }
    if (session->tls == Starttls_REQUIRED ||
        mm_esmtp_auth_needs_tls(session->auth)) {
        return MAILMOD_RELAY_TLS_MUST;
    }
    return session->tls == Starttls_ENABLED ? MAILMOD_RELAY_TLS_DEFAULT
                                            : MAILMOD_RELAY_TLS_OFF;
}

/* What counts for this time. */
static enum mailmod_error prepare(smtp_session_t session)
{
    char path[MM_ESMTP_PATH_MAX];

    mm_esmtp_file(session->host, "ca.pem", path);
    enum mailmod_error error =
        mailmod_client_set_tls(session->client, tls_of(session), path);
    if (error == MAILMOD_OK) {
        mm_esmtp_file(session->host, "private/smtp-starttls.pem", path);
        session->has_certificate = path[0] != '\0';
        error = mailmod_client_set_certificate(session->client, path, NULL);
    }
    if (error == MAILMOD_OK) {
        error = mailmod_client_set_mechanisms(
            session->client, mm_esmtp_auth_mechanisms(session->auth));
    }
    if (error == MAILMOD_OK) {
        error =
            mailmod_client_set_monitor(session->client, mm_esmtp_on_line,
                                       session->shows_headers, session, NULL);
    }
    return error;
}

/* libESMTP goes on without a login where the server knows of none. */
static enum mailmod_error send_all(smtp_session_t session)
{
    session->watch = (struct mm_esmtp_watch){.is_connected = false};
    session->leaves_login_out = false;
    session->has_login = false;
    enum mailmod_error error = mailmod_client_send(session->client);

    if (error == MAILMOD_ERROR_UNSUPPORTED && session->has_login &&
        session->watch.has_talked && !session->watch.offers_auth &&
        !session->watch.has_stopped) {
        mm_esmtp_watch_end(session);
        session->leaves_login_out = true;
        error = mailmod_client_send(session->client);
    }
    if (error == MAILMOD_ERROR_TLS_UNAVAILABLE) {
        mm_esmtp_say(session, SMTP_EV_EXTNA_STARTTLS);
    }
    mm_esmtp_watch_end(session);
    mm_esmtp_etrn_tell(session);
    return error;
}

/* The server's word on mail, and what happens to mail after one, is in the
 * statuses. */
static int verdict(smtp_session_t session, enum mailmod_error error)
{
    int is_good = mm_esmtp_result(error);

    switch (error) {
    case MAILMOD_ERROR_AUTHENTICATION:
    case MAILMOD_ERROR_UNSUPPORTED:
    case MAILMOD_ERROR_TLS:
    case MAILMOD_ERROR_TLS_CERTIFICATE:
    case MAILMOD_ERROR_TLS_UNAVAILABLE:
        return is_good;
    default:
        return is_good || session->watch.has_talked;
    }
}

static int run(smtp_session_t session)
{
    enum mailmod_error error = prepare(session);

    if (error == MAILMOD_OK) {
        error = mailmod_start(session->instance);
    }
    if (error != MAILMOD_OK) {
        return mm_esmtp_result(error);
    }
    error = send_all(session);
    int is_good = verdict(session, error);
    (void)mailmod_stop(session->instance);
    (void)mailmod_drain(session->instance, DRAIN_MS);
    return is_good;
}

int smtp_start_session(smtp_session_t session)
{
    if (session == NULL || session->is_running) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (session->host == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, "no server is set");
    }
    session->is_running = true;
    int count = read_texts(session);
    int is_good = 0;
    if (count > 0 || (count == 0 && session->first_node != NULL)) {
        is_good = run(session);
    } else if (count == 0) {
        (void)mm_esmtp_fail(SMTP_ERR_NOTHING_TO_DO, NULL);
    }
    drop_texts(session);
    session->is_running = false;
    return is_good;
}
