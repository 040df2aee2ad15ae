/* client.c - the handle of a client, and its settings.
 *
 * Owns the client: its messages, its copies of texts, the settings that its
 * last send was made with. Promises: a password is wiped; a call that fails has
 * changed nothing; nothing changes while the client sends.
 * Thread: the host's, one at a time. */
#include "api/client/client.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/relay_tls.h"

#include "base/host.h"
#include "base/mem.h"
#include "config/words.h"
#include "wire/addr/address.h"

#include <string.h>

#define SHOWN_MAX 200
#define FILE_NAME_MAX 4096
/* As the settings delivery.*_timeout have it. */
#define TIME_MIN_MS 100
#define TIME_MAX_MS 3600000

static _Thread_local unsigned callback_depth;

void mm_client_enter_callback(void)
{
    callback_depth++;
}

void mm_client_leave_callback(void)
{
    callback_depth--;
}

bool mm_client_is_callback(void)
{
    return callback_depth > 0;
}

static enum mailmod_error check_idle(const mailmod_client *client,
                                     const void *handle)
{
    if (!atomic_load(&client->is_sending)) {
        return MAILMOD_OK;
    }
    mm_handle_let(handle);
    return mm_fail(MAILMOD_ERROR_STATE, "not while the client sends");
}

enum mailmod_error mm_client_begin(mailmod_client *client)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_CLIENT, client);

    return error == MAILMOD_OK ? check_idle(client, client) : error;
}

enum mailmod_error mm_client_message_begin(mailmod_client_message *message)
{
    enum mailmod_error error =
        mm_handle_hold(MM_HANDLE_CLIENT_MESSAGE, message);

    return error == MAILMOD_OK ? check_idle(message->client, message) : error;
}

enum mailmod_error
mm_client_recipient_begin(mailmod_client_recipient *recipient)
{
    enum mailmod_error error =
        mm_handle_hold(MM_HANDLE_CLIENT_RECIPIENT, recipient);

    return error == MAILMOD_OK
               ? check_idle(recipient->message->client, recipient)
               : error;
}

void mm_client_forget_settings(mailmod_client *client)
{
    mm_outbound_settings_unref(&client->settings);
    mm_config_unref(&client->base);
}

void mm_client_forget_login(mailmod_client *client)
{
    if (client->password != NULL) {
        mm_secret_clear(client->password, strlen(client->password));
    }
    mm_free(client->password);
    mm_free(client->user);
    client->password = NULL;
    client->user = NULL;
}

static void dispose(mailmod_client *client)
{
    MM_LIST_EACH(node, &client->messages)
    {
        mm_client_message_dispose(
            MM_LIST_OBJECT(node, struct mailmod_client_message, node));
    }
    mm_client_etrn_dispose(client);
    mm_context_release(&client->login_context);
    mm_context_release(&client->event_context);
    mm_context_release(&client->line_context);
    mm_context_release(&client->context);
    mm_client_forget_login(client);
    mm_free(client->authority_file);
    mm_free(client->certificate_file);
    mm_free(client->key_file);
    mm_client_forget_settings(client);
    mm_condition_free(&client->has_work);
    mm_mutex_free(&client->mutex);
    mm_free(client);
}

enum mailmod_error mailmod_client_new(mailmod *instance,
                                      mailmod_client **client_out)
{
    if (client_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "client_out: NULL");
    }
    *client_out = NULL;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_handle_let(instance);
    mailmod_client *client = mm_alloc(sizeof *client);
    if (client == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    client->instance = instance;
    mm_list_init(&client->messages);
    mm_list_init(&client->etrns);
    mm_list_init(&client->jobs);
    mm_list_init(&client->news);
    error = mm_mutex_new(&client->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&client->has_work);
    }
    if (error == MAILMOD_OK) {
        error = mm_handle_add(MM_HANDLE_CLIENT, client);
    }
    if (error != MAILMOD_OK) {
        dispose(client);
        return mm_fail(error, "%s", mm_error_text(error));
    }
    *client_out = client;
    return MAILMOD_OK;
}

enum mailmod_error mailmod_client_free(mailmod_client **client_in)
{
    if (client_in == NULL || *client_in == NULL) {
        return MAILMOD_OK;
    }
    mailmod_client *client = *client_in;
    enum mailmod_error error = mm_client_begin(client);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_handle_remove(MM_HANDLE_CLIENT, client, 1);
    if (error != MAILMOD_OK) {
        mm_handle_let(client);
        return error;
    }
    *client_in = NULL;
    dispose(client);
    return MAILMOD_OK;
}

enum mailmod_error mailmod_client_set_context(mailmod_client *client,
                                              void *context,
                                              mailmod_on_release on_release)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_CLIENT, client);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_context former = mm_context_take(&client->context);
    client->context = (struct mm_context){context, on_release};
    mm_handle_let(client);
    mm_context_release(&former);
    return MAILMOD_OK;
}

void *mailmod_client_context(mailmod_client *client)
{
    if (mm_handle_hold(MM_HANDLE_CLIENT, client) != MAILMOD_OK) {
        return NULL;
    }
    void *context = client->context.value;
    mm_handle_let(client);
    return context;
}

static enum mailmod_error read_servers(struct mm_span text,
                                       struct mm_config_relay *servers_out,
                                       size_t *count_out)
{
    size_t count = 0;

    while (text.size > 0) {
        struct mm_span item;
        struct mm_host host;
        unsigned port = 0;
        (void)mm_span_cut(text, ',', &item, &text);
        item = mm_span_trim(item);
        if (count == MM_CONFIG_RELAYS_MAX) {
            return mm_fail(MAILMOD_ERROR_ARGUMENT,
                           "servers: there are more than %d",
                           MM_CONFIG_RELAYS_MAX);
        }
        if (!mm_host_parse_port(item, &host, &port) ||
            !mm_span_copy(mm_span_cstr(host.text), servers_out[count].host,
                          sizeof servers_out[count].host)) {
            return mm_fail(
                MAILMOD_ERROR_ARGUMENT,
                "servers: \"%.*s\" is neither a name nor an address, with or "
                "without a port",
                (int)(item.size < SHOWN_MAX ? item.size : SHOWN_MAX),
                item.data);
        }
        servers_out[count++].port = port;
    }
    *count_out = count;
    return count > 0
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "servers: there is none");
}

/* A domain whose SRV records name the servers and their ports. */
static enum mailmod_error check_srv(const struct mm_config_relay *servers,
                                    size_t count)
{
    struct mm_netaddr address;

    return count == 1 && servers[0].port == 0 &&
                   !mm_netaddr_parse_ip(mm_span_cstr(servers[0].host), &address)
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT,
                         "servers: srv: needs one domain, without a port");
}

enum mailmod_error mailmod_client_set_servers(mailmod_client *client,
                                              const char *servers)
{
    struct mm_config_relay read[MM_CONFIG_RELAYS_MAX];
    struct mm_span text = mm_span_cstr(servers);
    bool has_srv = mm_span_starts_nocase(text, MM_CONFIG_SRV);
    size_t count = 0;
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (has_srv) {
        text = mm_span_from(text, strlen(MM_CONFIG_SRV));
    }
    error = read_servers(text, read, &count);
    if (error == MAILMOD_OK && has_srv) {
        error = check_srv(read, count);
    }
    if (error == MAILMOD_OK) {
        client->has_srv = has_srv;
        memcpy(client->servers, read, count * sizeof read[0]);
        client->server_count = count;
    }
    mm_handle_let(client);
    return error;
}

enum mailmod_error mm_client_use_login(mailmod_client *client, const char *user,
                                       const char *password)
{
    if (user == NULL || user[0] == '\0') {
        mm_client_forget_login(client);
        return MAILMOD_OK;
    }
    if (strlen(user) > MM_LIMIT_USER_NAME) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "user: it is too long");
    }
    bool has_certificate =
        client->certificate_file != NULL && client->certificate_file[0] != '\0';
    if (password == NULL && has_certificate) {
        password = "";
    }
    if (password == NULL || strlen(password) > MM_LIMIT_PASSWORD) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "password: it is missing or too long");
    }
    char *own_user = mm_strdup(user);
    char *own_password = mm_strdup(password);
    if (own_user == NULL || own_password == NULL) {
        mm_free(own_user);
        mm_free(own_password);
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    mm_client_forget_login(client);
    client->user = own_user;
    client->password = own_password;
    return MAILMOD_OK;
}

enum mailmod_error mailmod_client_set_login(mailmod_client *client,
                                            const char *user,
                                            const char *password)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_client_use_login(client, user, password);
    mm_handle_let(client);
    return error;
}

enum mailmod_error mailmod_client_set_mechanisms(mailmod_client *client,
                                                 const char *mechanisms)
{
    unsigned named = 0;
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_span text = mm_span_trim(mm_span_cstr(mechanisms));
    if (text.size == 0 || mm_sasl_read_names(text, &named)) {
        client->mechanisms = named;
    } else {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "mechanisms: it must be " MM_CONFIG_MECHANISMS_TEXT);
    }
    mm_handle_let(client);
    return error;
}

enum mailmod_error mailmod_client_set_tls(mailmod_client *client,
                                          enum mailmod_relay_tls tls,
                                          const char *authority_file)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    const char *file = authority_file != NULL ? authority_file : "";
    char *own = NULL;
    if ((unsigned)tls > MAILMOD_RELAY_TLS_IMPLICIT) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "tls: %d is no such value",
                        (int)tls);
    } else if (strlen(file) > FILE_NAME_MAX) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "authority_file: the name is too long");
    } else {
        own = mm_strdup(file);
        error = own != NULL ? MAILMOD_OK
                            : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    if (error == MAILMOD_OK) {
        client->tls = tls;
        mm_free(client->authority_file);
        client->authority_file = own;
        mm_client_forget_settings(client);
    }
    mm_handle_let(client);
    return error;
}

static enum mailmod_error take_certificate(mailmod_client *client,
                                           const char *certificate_file,
                                           const char *key_file)
{
    if (strlen(certificate_file) > FILE_NAME_MAX ||
        strlen(key_file) > FILE_NAME_MAX) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "the name of a file is too long");
    }
    if (certificate_file[0] == '\0' && key_file[0] != '\0') {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "certificate_file: there is none for the key");
    }
    char *own = mm_strdup(certificate_file);
    char *own_key = mm_strdup(key_file);
    if (own == NULL || own_key == NULL) {
        mm_free(own);
        mm_free(own_key);
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    mm_free(client->certificate_file);
    mm_free(client->key_file);
    client->certificate_file = own;
    client->key_file = own_key;
    mm_client_forget_settings(client);
    return MAILMOD_OK;
}

enum mailmod_error mailmod_client_set_certificate(mailmod_client *client,
                                                  const char *certificate_file,
                                                  const char *key_file)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error == MAILMOD_OK) {
        error = take_certificate(
            client, certificate_file != NULL ? certificate_file : "",
            key_file != NULL ? key_file : "");
        mm_handle_let(client);
    }
    return error;
}

/* RFC 5321 4.1.1.1 */
static bool is_own_name(const char *name)
{
    char text[MM_LIMIT_DOMAIN + 1];

    return mm_domain_parse_host_name(name, text);
}

enum mailmod_error mailmod_client_set_host_name(mailmod_client *client,
                                                const char *name)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    const char *wanted = name != NULL ? name : "";
    if (wanted[0] != '\0' && !is_own_name(wanted)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "name: \"%.*s\" is no whole domain name", SHOWN_MAX,
                        wanted);
    } else {
        (void)mm_span_copy(mm_span_cstr(wanted), client->host_name,
                           sizeof client->host_name);
        mm_client_forget_settings(client);
    }
    mm_handle_let(client);
    return error;
}

enum mailmod_error mailmod_client_set_timeout(mailmod_client *client,
                                              enum mailmod_client_time which,
                                              uint64_t timeout_ms)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    if ((unsigned)which >= MM_CLIENT_TIMES) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "which: %d is no such time",
                        (int)which);
    } else if (timeout_ms != 0 &&
               (timeout_ms < TIME_MIN_MS || timeout_ms > TIME_MAX_MS)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "timeout_ms: it is not from %d to %d", TIME_MIN_MS,
                        TIME_MAX_MS);
    } else {
        client->times_ms[which] = timeout_ms;
        mm_client_forget_settings(client);
    }
    mm_handle_let(client);
    return error;
}

enum mailmod_error mailmod_client_require_all(mailmod_client *client,
                                              int requires_all)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    client->requires_all = requires_all != 0;
    mm_handle_let(client);
    return MAILMOD_OK;
}

/* Another context, and the former one released. */
static enum mailmod_error end_change(mailmod_client *client,
                                     struct mm_context *place, void *context,
                                     mailmod_on_release on_release)
{
    struct mm_context former = mm_context_take(place);

    *place = (struct mm_context){context, on_release};
    mm_handle_let(client);
    mm_context_release(&former);
    return MAILMOD_OK;
}

enum mailmod_error
mailmod_client_set_login_callback(mailmod_client *client,
                                  mailmod_on_client_login on_login,
                                  void *context, mailmod_on_release on_release)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    client->on_login = on_login;
    return end_change(client, &client->login_context, context, on_release);
}

enum mailmod_error
mailmod_client_set_event_callback(mailmod_client *client,
                                  mailmod_on_client_event on_event,
                                  void *context, mailmod_on_release on_release)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    client->on_event = on_event;
    return end_change(client, &client->event_context, context, on_release);
}

enum mailmod_error mailmod_client_set_monitor(mailmod_client *client,
                                              mailmod_on_client_line on_line,
                                              int shows_text, void *context,
                                              mailmod_on_release on_release)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error != MAILMOD_OK) {
        return error;
    }
    client->on_line = on_line;
    client->shows_text = shows_text != 0;
    return end_change(client, &client->line_context, context, on_release);
}
