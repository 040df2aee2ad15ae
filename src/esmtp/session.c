/* session.c - libESMTP's sessions: what they are made of and what is set.
 *
 * Owns an instance and a client of it for each. The instance keeps its store in
 * memory and opens nothing; it is started by smtp_start_session (start.c).
 * Thread: the session's. */
#include "esmtp/esmtp.h"

#include <stdio.h>
#include <string.h>

#define PORT_SUBMISSION 587
#define PORT_SUBMISSIONS 465
#define SERVERS_MAX 2048

/* ---- versions ------------------------------------------------------------ */

int smtp_version(void *buf, size_t len, int what)
{
    static const char *const versions[] = {[Ver_VERSION] = "1.1.0",
                                           [Ver_SO_VERSION] = "6.2.0",
                                           [Ver_LT_VERSION] = "8:0:2"};

    if (buf == NULL || (unsigned)what > Ver_LT_VERSION ||
        len <= strlen(versions[what])) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    memcpy(buf, versions[what], strlen(versions[what]) + 1);
    return 1;
}

/* ---- making and ending --------------------------------------------------- */

static const struct {
    const char *name;
    const char *value;
} settings[] = {
    {"general.data_folder", "memory:"},
    {"general.free_space_min", "0"},
    {"general.loops", "1"},
    {"general.workers", "1"},
    {"smtp.listen", ""},
    {"submission.listen", ""},
    {"submissions.listen", ""},
    {"pop3.listen", ""},
    {"pop3s.listen", ""},
};

/* libESMTP's, RFC 5321 4.5.3.2. */
static const struct time {
    enum mailmod_client_time which;
    long minimum;
} times[MM_ESMTP_TIMES] = {
    [Timeout_GREETING] = {MAILMOD_CLIENT_GREETING, 5 * 60 * 1000L},
    [Timeout_ENVELOPE] = {MAILMOD_CLIENT_ENVELOPE, 5 * 60 * 1000L},
    [Timeout_DATA] = {MAILMOD_CLIENT_DATA, 2 * 60 * 1000L},
    [Timeout_TRANSFER] = {MAILMOD_CLIENT_TRANSFER, 3 * 60 * 1000L},
    [Timeout_DATA2] = {MAILMOD_CLIENT_END, 10 * 60 * 1000L}};
#define TIME_MIN_MS 1000L
#define TIME_MAX_MS 3600000L /* of mailmod/client.h */

static enum mailmod_error open_session(smtp_session_t session)
{
    enum mailmod_error error = mailmod_new(&session->instance);

    for (size_t i = 0;
         error == MAILMOD_OK && i < sizeof settings / sizeof settings[0]; i++) {
        error = mailmod_config_set(session->instance, settings[i].name,
                                   settings[i].value);
    }
    if (error == MAILMOD_OK) {
        error = mailmod_services_set_wait(session->instance, 1);
    }
    if (error == MAILMOD_OK) {
        error = mailmod_client_new(session->instance, &session->client);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < MM_ESMTP_TIMES; i++) {
        error = mailmod_client_set_timeout(session->client, times[i].which,
                                           (uint64_t)times[i].minimum);
    }
    if (error == MAILMOD_OK) {
        error = mailmod_client_set_event_callback(
            session->client, mm_esmtp_on_event, session, NULL);
    }
    if (error == MAILMOD_OK) {
        error = mailmod_client_set_login_callback(
            session->client, mm_esmtp_on_login, session, NULL);
    }
    return error;
}

static void dispose(smtp_session_t session)
{
    while (session->first != NULL) {
        smtp_message_t message = session->first;

        session->first = message->next;
        mm_esmtp_message_free(message);
    }
    mm_esmtp_etrn_free(session);
    (void)mailmod_client_free(&session->client);
    (void)mailmod_free(&session->instance);
    mm_esmtp_data_set(&session->data, NULL, NULL);
    mm_esmtp_free(session->host);
    mm_esmtp_free(session);
}

smtp_session_t smtp_create_session(void)
{
    smtp_session_t session = mm_esmtp_alloc(sizeof *session);

    if (session == NULL) {
        return NULL;
    }
    if (!mm_esmtp_result(open_session(session))) {
        dispose(session);
        return NULL;
    }
    return session;
}

int smtp_destroy_session(smtp_session_t session)
{
    if (session == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (session->is_running) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, "the session runs");
    }
    dispose(session);
    return 1;
}

/* ---- the server ---------------------------------------------------------- */

static const struct {
    const char *name;
    int port;
} services[] = {{"smtp", 25},
                {"mail", 25},
                {"submission", PORT_SUBMISSION},
                {"submissions", PORT_SUBMISSIONS},
                {"smtps", PORT_SUBMISSIONS},
                {"ssmtp", PORT_SUBMISSIONS}};

/* 0: a service that is not known. */
static int read_service(const char *text)
{
    int port = 0;

    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (mm_esmtp_is_name(text, services[i].name)) {
            return services[i].port;
        }
    }
    for (; *text >= '0' && *text <= '9' && port <= 65535; text++) {
        port = port * 10 + (*text - '0');
    }
    return *text == '\0' && port <= 65535 ? port : 0;
}

/* Where the service begins behind a host, or NULL. */
static char *find_service(char *item)
{
    char *bracket = strrchr(item, ']');
    char *colon = strchr(bracket != NULL ? bracket : item, ':');
    bool is_address =
        bracket == NULL && colon != NULL && strchr(colon + 1, ':') != NULL;

    return is_address ? NULL : colon;
}

struct servers {
    char text[SERVERS_MAX]; /* as mailmod_client_set_servers takes them */
    char *host;             /* the first one */
    bool is_implicit;
};

/* An item, cut out of its list, is added behind those before it. */
static int add_server(struct servers *servers, char *item)
{
    size_t used = strlen(servers->text);
    int port = PORT_SUBMISSION;

    item += strspn(item, " \t");
    char *colon = find_service(item);
    if (colon != NULL) {
        *colon = '\0';
        port = colon[1] != '\0' ? read_service(colon + 1) : PORT_SUBMISSION;
        if (port == 0) {
            return mm_esmtp_fail(SMTP_ERR_EAI_SERVICE, NULL);
        }
    }
    bool is_bare = colon == NULL && strchr(item, ':') != NULL && *item != '[';
    int size = snprintf(servers->text + used, sizeof servers->text - used,
                        "%s%s%s%s:%d", used > 0 ? "," : "", is_bare ? "[" : "",
                        item, is_bare ? "]" : "", port);
    if (size < 0 || (size_t)size >= sizeof servers->text - used) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, "the list is too long");
    }
    if (used == 0) {
        servers->is_implicit = port == PORT_SUBMISSIONS;
        return mm_esmtp_replace(&servers->host, item);
    }
    return 1;
}

int smtp_set_server(smtp_session_t session, const char *hostport)
{
    struct servers servers = {.text = ""};

    if (session == NULL || hostport == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    char *copy = mm_esmtp_copy(hostport);
    int is_good = copy != NULL;
    for (char *item = copy; is_good && item != NULL;) {
        char *comma = strchr(item, ',');

        if (comma != NULL) {
            *comma++ = '\0';
        }
        is_good = add_server(&servers, item);
        item = comma;
    }
    is_good = is_good && mm_esmtp_result(mailmod_client_set_servers(
                             session->client, servers.text));
    mm_esmtp_free(copy);
    if (!is_good) {
        mm_esmtp_free(servers.host);
        return 0;
    }
    mm_esmtp_free(session->host);
    session->host = servers.host;
    session->is_implicit = servers.is_implicit;
    return 1;
}

const char *smtp_get_server_name(smtp_session_t session)
{
    return session != NULL ? session->host : NULL;
}

int smtp_set_hostname(smtp_session_t session, const char *hostname)
{
    return session != NULL ? mm_esmtp_result(mailmod_client_set_host_name(
                                 session->client, hostname))
                           : mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
}

/* ---- the rest ------------------------------------------------------------ */

int smtp_option_require_all_recipients(smtp_session_t session, int state)
{
    return session != NULL ? mm_esmtp_result(mailmod_client_require_all(
                                 session->client, state))
                           : mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
}

long smtp_set_timeout(smtp_session_t session, int which, long value)
{
    bool is_exact = (which & Timeout_OVERRIDE_RFC2822_MINIMUM) != 0;

    which &= ~Timeout_OVERRIDE_RFC2822_MINIMUM;
    if (session == NULL || (unsigned)which >= MM_ESMTP_TIMES) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    long minimum = is_exact ? TIME_MIN_MS : times[which].minimum;
    if (value < minimum) {
        value = minimum;
    }
    if (value > TIME_MAX_MS) {
        value = TIME_MAX_MS;
    }
    return mm_esmtp_result(mailmod_client_set_timeout(
               session->client, times[which].which, (uint64_t)value))
               ? value
               : 0;
}

int smtp_auth_set_context(smtp_session_t session, struct auth_context *context)
{
    if (session == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    session->auth = context;
    return 1;
}

int smtp_set_eventcb(smtp_session_t session, smtp_eventcb_t cb, void *arg)
{
    if (session == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    session->event = cb;
    session->event_arg = arg;
    return 1;
}

int smtp_set_monitorcb(smtp_session_t session, smtp_monitorcb_t cb, void *arg,
                       int headers)
{
    if (session == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    session->monitor = cb;
    session->monitor_arg = arg;
    session->shows_headers = headers != 0;
    return 1;
}

int smtp_starttls_enable(smtp_session_t session, enum starttls_option how)
{
    if (session == NULL || (unsigned)how > Starttls_REQUIRED) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    session->tls = how;
    return 1;
}

int smtp_starttls_set_ctx(smtp_session_t session, struct ssl_ctx_st *ctx)
{
    (void)ctx;
    return mm_esmtp_fail(session != NULL ? SMTP_ERR_EXTENSION_NOT_AVAILABLE
                                         : SMTP_ERR_INVAL,
                         NULL);
}

struct ssl_ctx_st *smtp_starttls_get_ctx(smtp_session_t session)
{
    (void)smtp_starttls_set_ctx(session, NULL);
    return NULL;
}

int smtp_starttls_set_password_cb(smtp_starttls_passwordcb_t cb, void *arg)
{
    (void)cb;
    (void)arg;
    return 1;
}
