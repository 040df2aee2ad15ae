/* smtp_client.c - the host's SMTP client, one conversation.
 *
 * Owns the engine, a copy of the message's envelope until the next one, and a
 * login that is under way. Promises: no address can end its command; a call out
 * of turn is an error; where the server closes, the last event tells it.
 * Thread: any, one at a time. RFC 5321, 4954. */
#include "api/wire/login.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "wire/smtp/client.h"

#include <string.h>

#define MINUTE_MS (UINT64_C(60) * 1000)
#define RECIPIENTS_MAX 10000

struct client {
    struct mailmod_wire wire;
    struct mm_smtpc *engine;
    struct mm_wire_login login;
    bool is_over; /* the last event was told */
    char *command;
    struct mm_smtpc_recipient *recipients;
    struct mm_buf texts; /* of the message; never moves */
    struct mm_buf shown; /* of the event's reply */
};

static struct client *client_of(const struct mailmod_wire *wire)
{
    return (struct client *)(uintptr_t)wire;
}

static size_t feed(struct mailmod_wire *wire, const char *octets, size_t size)
{
    return mm_smtpc_feed(client_of(wire)->engine, octets, size);
}

static struct mm_span output(const struct mailmod_wire *wire)
{
    return mm_smtpc_output(client_of(wire)->engine);
}

static void sent(struct mailmod_wire *wire, size_t size)
{
    mm_smtpc_sent(client_of(wire)->engine, size);
}

static enum mailmod_error tls_begun(struct mailmod_wire *wire)
{
    return mm_smtpc_tls_begun(client_of(wire)->engine);
}

/* RFC 5321 4.5.3.2. */
static uint64_t timeout_ms(const struct mailmod_wire *wire)
{
    switch (mm_smtpc_phase(client_of(wire)->engine)) {
    case MM_SMTPC_PHASE_DATA:
        return 2 * MINUTE_MS;
    case MM_SMTPC_PHASE_BODY:
        return 3 * MINUTE_MS;
    case MM_SMTPC_PHASE_END:
        return 10 * MINUTE_MS;
    default:
        return 5 * MINUTE_MS;
    }
}

static struct mm_wire_login *login_of(struct mailmod_wire *wire)
{
    return &client_of(wire)->login;
}

static void dispose(struct mailmod_wire *wire)
{
    struct client *client = client_of(wire);
    mm_smtpc_free(&client->engine);
    mm_wire_login_fini(&client->login);
    mm_buf_fini(&client->texts);
    mm_buf_fini(&client->shown);
    mm_free(client->recipients);
    mm_free(client->command);
    mm_free(client);
}

static const struct mm_wire_protocol protocol = {
    feed, output, sent, tls_begun, timeout_ms, dispose, login_of,
};

static struct mm_smtpc_options
read_options(const struct client *client,
             const struct mailmod_smtp_client_options *given)
{
    unsigned flags = given->flags;
    bool is_clear = (flags & MAILMOD_SMTP_CLIENT_CLEAR_LOGIN) != 0;
    bool logs_in = is_clear || (flags & MAILMOD_SMTP_CLIENT_LOGIN_FIRST) != 0;
    return (struct mm_smtpc_options){
        .tap = &client->wire.tap,
        .host_name = given->host_name,
        .tls =
            (flags & MAILMOD_SMTP_CLIENT_IN_TLS) != 0      ? MM_SMTPC_TLS_ON
            : (flags & MAILMOD_SMTP_CLIENT_NEEDS_TLS) != 0 ? MM_SMTPC_TLS_MUST
            : (flags & MAILMOD_SMTP_CLIENT_TAKES_TLS) != 0 ? MM_SMTPC_TLS_MAY
                                                           : MM_SMTPC_TLS_OFF,
        .mechanisms = logs_in ? MM_SASL_PASSWORD | MM_SASL_BEARER |
                                    (unsigned)MM_SASL_EXTERNAL
                              : 0,
        .allows_clear_auth = is_clear,
        .chunks = (flags & MAILMOD_SMTP_CLIENT_TAKES_CHUNKING) != 0,
        .keeps_hello = true,
    };
}

enum mailmod_error
mailmod_smtp_client_new(const struct mailmod_smtp_client_options *options,
                        mailmod_wire **wire_out)
{
    struct mailmod_smtp_client_options given;
    enum mailmod_error error = mm_wire_take_options(
        &given, sizeof given, options, MM_SMTP_CLIENT_OPTIONS_SIZE_1,
        "mailmod_smtp_client_options", wire_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct client *client = mm_wire_new(sizeof *client, &protocol);
    if (client == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_buf_init(&client->texts, SIZE_MAX / 2);
    mm_buf_init(&client->shown, MM_LIMIT_REPLY + 1);
    struct mm_smtpc_options inner = read_options(client, &given);
    error = mm_smtpc_new(&client->engine, &inner);
    mm_wire_login_init(&client->login, mm_login_over_smtp(client->engine));
    return mm_wire_give(&client->wire, error, wire_out);
}

/* ---- events -------------------------------------------------------------- */

static const enum mailmod_smtp_client_event_kind kinds[] = {
    [MM_SMTPC_NEED_INPUT] = MAILMOD_SMTP_CLIENT_NEED_INPUT,
    [MM_SMTPC_STARTTLS] = MAILMOD_SMTP_CLIENT_STARTTLS,
    [MM_SMTPC_AUTH] = MAILMOD_SMTP_CLIENT_LOGIN,
    [MM_SMTPC_CHALLENGE] = MAILMOD_SMTP_CLIENT_CHALLENGE,
    [MM_SMTPC_AUTH_DONE] = MAILMOD_SMTP_CLIENT_LOGIN_REPLY,
    [MM_SMTPC_NEED_MESSAGE] = MAILMOD_SMTP_CLIENT_READY,
    [MM_SMTPC_MAIL_REPLY] = MAILMOD_SMTP_CLIENT_MAIL_REPLY,
    [MM_SMTPC_RCPT_REPLY] = MAILMOD_SMTP_CLIENT_RCPT_REPLY,
    [MM_SMTPC_NEED_BODY] = MAILMOD_SMTP_CLIENT_NEED_BODY,
    [MM_SMTPC_MESSAGE_DONE] = MAILMOD_SMTP_CLIENT_MESSAGE_DONE,
    [MM_SMTPC_COMMAND_REPLY] = MAILMOD_SMTP_CLIENT_COMMAND_REPLY,
    [MM_SMTPC_ETRN_REPLY] = MAILMOD_SMTP_CLIENT_COMMAND_REPLY,
    [MM_SMTPC_CLOSED] = MAILMOD_SMTP_CLIENT_CLOSED,
    [MM_SMTPC_FAILED] = MAILMOD_SMTP_CLIENT_FAILED,
};

/* Events after which the server, or the host, would have to go on. */
static bool is_waiting(enum mm_smtpc_event event)
{
    return event == MM_SMTPC_NEED_INPUT || event == MM_SMTPC_STARTTLS ||
           event == MM_SMTPC_AUTH || event == MM_SMTPC_CHALLENGE ||
           event == MM_SMTPC_NEED_MESSAGE || event == MM_SMTPC_NEED_BODY;
}

/* The server is gone, and all that it said has been told. */
static enum mm_smtpc_event tell_cut(struct client *client,
                                    struct mm_smtpc_info *info)
{
    client->is_over = true;
    *info = (struct mm_smtpc_info){.error = MAILMOD_ERROR_CLOSED};
    /* RFC 5321 4.1.1.10: one that closes instead of an answer to QUIT has
     * understood. */
    return mm_smtpc_phase(client->engine) == MM_SMTPC_PHASE_QUIT
               ? MM_SMTPC_CLOSED
               : MM_SMTPC_FAILED;
}

static enum mailmod_error find_event(struct client *client,
                                     enum mm_smtpc_event *kind_out,
                                     struct mm_smtpc_info *info_out)
{
    enum mailmod_error error = MAILMOD_OK;
    *info_out = (struct mm_smtpc_info){0};
    if (client->is_over) {
        *kind_out = MM_SMTPC_NEED_INPUT;
        return MAILMOD_OK;
    }
    do {
        *kind_out = mm_smtpc_next(client->engine, info_out);
        if (*kind_out != MM_SMTPC_CHALLENGE || !client->login.is_ours) {
            break;
        }
        error = mm_wire_login_answer(&client->login, info_out->data);
    } while (error == MAILMOD_OK);
    if (error == MAILMOD_OK && client->wire.is_input_ended &&
        is_waiting(*kind_out)) {
        *kind_out = tell_cut(client, info_out);
    }
    client->is_over = client->is_over || *kind_out == MM_SMTPC_FAILED ||
                      *kind_out == MM_SMTPC_CLOSED;
    if (*kind_out == MM_SMTPC_AUTH) {
        mm_wire_login_offer(&client->login, info_out->mechanisms);
    }
    if (*kind_out == MM_SMTPC_AUTH_DONE && !mm_wire_login_end(&client->login) &&
        info_out->reply->code == 235) {
        client->is_over = true;
        info_out->error = MAILMOD_ERROR_AUTHENTICATION;
        *kind_out = MM_SMTPC_FAILED;
    }
    return error;
}

static enum mailmod_error tell(struct client *client,
                               struct mailmod_smtp_client_event *event)
{
    enum mm_smtpc_event kind;
    struct mm_smtpc_info info;
    enum mailmod_error error = find_event(client, &kind, &info);
    if (error != MAILMOD_OK) {
        return error;
    }
    event->kind = kinds[kind];
    event->error = kind == MM_SMTPC_FAILED || kind == MM_SMTPC_MESSAGE_DONE
                       ? info.error
                       : MAILMOD_OK;
    event->mechanisms = client->login.names;
    event->recipient = info.recipient;
    event->was_sent = info.was_sent;
    event->enhanced = "";
    event->text = "";
    event->octets = info.data.data;
    event->count = info.data.size;
    if (info.reply != NULL) {
        event->code = info.reply->code;
        event->enhanced = info.reply->enhanced;
        mm_buf_clear(&client->shown);
        (void)mm_buf_append_span(&client->shown,
                                 mm_buf_span(&info.reply->text));
        event->text = mm_buf_cstr(&client->shown);
    }
    return event->text != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

enum mailmod_error
mailmod_smtp_client_next(mailmod_wire *wire,
                         struct mailmod_smtp_client_event *event_out)
{
    struct mailmod_smtp_client_event event = {.size = sizeof event};
    enum mailmod_error error = mm_sized_check(
        event_out, MM_SMTP_CLIENT_EVENT_SIZE_1, "mailmod_smtp_client_event");
    if (error == MAILMOD_OK) {
        error = mm_wire_hold(wire, &protocol);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = tell(client_of(wire), &event);
    if (error == MAILMOD_OK) {
        mm_sized_give(event_out, &event, sizeof event);
    }
    return mm_wire_end(wire, error);
}

/* ---- what is said -------------------------------------------------------- */

/* The mailbox in its one form, in memory that was reserved; NULL: none. */
static const char *keep_address(struct client *client, const char *mailbox,
                                bool is_reverse, bool allow_utf8)
{
    struct mm_address address;
    if (mailbox == NULL && !is_reverse) {
        return NULL;
    }
    if (mm_address_parse(mm_span_cstr(mailbox), is_reverse, allow_utf8,
                         &address) != MAILMOD_OK) {
        (void)mm_fail(MAILMOD_ERROR_ARGUMENT, "%.200s: this is no mailbox",
                      mailbox);
        return NULL;
    }
    const char *at = client->texts.data + client->texts.end;
    size_t size = strlen(address.text) + 1;
    return mm_buf_append(&client->texts, address.text, size) == MAILMOD_OK
               ? at
               : NULL;
}

static enum mailmod_error
keep_envelope(struct client *client,
              const struct mailmod_smtp_client_message *given,
              struct mm_smtpc_message *message)
{
    size_t count = given->recipient_count;
    bool allow_utf8 = (given->flags & MAILMOD_SMTP_CLIENT_SMTPUTF8) != 0;
    mm_free(client->recipients);
    mm_buf_release(&client->texts);
    client->recipients = mm_alloc_array(count, sizeof *client->recipients);
    if (client->recipients == NULL ||
        mm_buf_reserve(&client->texts, (count + 1) * MM_ADDRESS_TEXT_MAX +
                                           MM_DSN_ENVELOPE_ID_MAX + 1) ==
            NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    message->reverse_path =
        keep_address(client, given->reverse_path, true, allow_utf8);
    bool is_good = message->reverse_path != NULL;
    for (size_t i = 0; is_good && i < count; i++) {
        client->recipients[i] = (struct mm_smtpc_recipient){
            .path =
                keep_address(client, given->recipients[i], false, allow_utf8),
            .notify = given->dsn_notify,
            .original_recipient = "",
        };
        is_good = client->recipients[i].path != NULL;
    }
    message->recipients = client->recipients;
    message->recipient_count = count;
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_ARGUMENT;
}

static enum mailmod_error
begin_message(struct client *client,
              const struct mailmod_smtp_client_message *given)
{
    const char *identifier =
        given->envelope_id != NULL ? given->envelope_id : "";
    struct mm_smtpc_message message = {
        .size = given->message_size,
        .is_8bit = (given->flags & MAILMOD_SMTP_CLIENT_8BIT) != 0,
        .is_smtputf8 = (given->flags & MAILMOD_SMTP_CLIENT_SMTPUTF8) != 0,
        .requires_all = (given->flags & MAILMOD_SMTP_CLIENT_ALL_OR_NONE) != 0,
        .tells_mail = true,
        .dsn_return = (enum mm_dsn_return)given->dsn_return,
        .envelope_id = "",
    };
    if (given->recipients == NULL || given->recipient_count == 0 ||
        given->recipient_count > RECIPIENTS_MAX ||
        (unsigned)given->dsn_return > MAILMOD_DSN_RETURN_HEADERS ||
        given->dsn_notify > 15 || strlen(identifier) > MM_DSN_ENVELOPE_ID_MAX) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "no recipients, too many, or no such report");
    }
    enum mailmod_error error = keep_envelope(client, given, &message);
    if (error != MAILMOD_OK) {
        return error;
    }
    message.envelope_id = client->texts.data + client->texts.end;
    error = mm_buf_append(&client->texts, identifier, strlen(identifier) + 1);
    if (error == MAILMOD_OK) {
        error = mm_smtpc_send(client->engine, &message);
    }
    return error == MAILMOD_ERROR_UNKNOWN_NAME
               ? mm_fail(MAILMOD_ERROR_UNSUPPORTED,
                         "the server does not offer SMTPUTF8")
           : error == MAILMOD_OK ? MAILMOD_OK
                                 : mm_fail(error, "%s", mm_error_text(error));
}

/* The engine waits for a message or a command. */
static bool is_idle(const struct client *client)
{
    return !client->is_over && mm_smtpc_is_idle(client->engine);
}

enum mailmod_error
mailmod_smtp_client_send(mailmod_wire *wire,
                         const struct mailmod_smtp_client_message *message)
{
    struct mailmod_smtp_client_message given;
    enum mailmod_error error = mm_sized_take(&given, sizeof given, message,
                                             MM_SMTP_CLIENT_MESSAGE_SIZE_1,
                                             "mailmod_smtp_client_message");
    if (error == MAILMOD_OK) {
        error = mm_wire_hold(wire, &protocol);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    struct client *client = client_of(wire);
    error = is_idle(client)
                ? begin_message(client, &given)
                : mm_fail(MAILMOD_ERROR_STATE,
                          "the conversation does not wait for a message");
    mm_wire_let(wire);
    return error;
}

size_t mailmod_smtp_client_body(mailmod_wire *wire, const char *octets,
                                size_t size)
{
    if (mm_wire_hold(wire, &protocol) != MAILMOD_OK) {
        return 0;
    }
    size_t taken = !client_of(wire)->is_over && octets != NULL && size > 0
                       ? mm_smtpc_body(client_of(wire)->engine, octets, size)
                       : 0;
    mm_wire_let(wire);
    return taken;
}

enum mailmod_error mailmod_smtp_client_body_end(mailmod_wire *wire)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_wire_end(wire, client_of(wire)->is_over
                                 ? MAILMOD_ERROR_STATE
                                 : mm_smtpc_body_end(client_of(wire)->engine));
}

static enum mailmod_error say(struct client *client, const char *line)
{
    if (!is_idle(client)) {
        return MAILMOD_ERROR_STATE;
    }
    mm_free(client->command);
    client->command = line != NULL ? mm_strdup(line) : NULL;
    if (line != NULL && client->command == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    return mm_smtpc_command(client->engine, client->command);
}

enum mailmod_error mailmod_smtp_client_command(mailmod_wire *wire,
                                               const char *line)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    return error == MAILMOD_OK ? mm_wire_end(wire, say(client_of(wire), line))
                               : error;
}

enum mailmod_error mailmod_smtp_client_quit(mailmod_wire *wire)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error == MAILMOD_OK) {
        mm_smtpc_quit(client_of(wire)->engine);
        mm_wire_let(wire);
    }
    return error;
}

/* The line of EHLO's reply that begins with the keyword. */
static enum mailmod_error find_extension(struct mm_span hello,
                                         const char *keyword, char *value_out,
                                         size_t size)
{
    struct mm_span line;
    bool has_more = mm_span_cut(hello, '\n', &line, &hello);
    while (has_more) {
        struct mm_span name;
        struct mm_span value;
        has_more = mm_span_cut(hello, '\n', &line, &hello);
        if (!mm_span_cut(line, ' ', &name, &value)) {
            value = mm_span(NULL, 0);
        }
        if (mm_span_is_nocase(name, keyword)) {
            return mm_span_copy(value, value_out, size)
                       ? MAILMOD_OK
                       : MAILMOD_ERROR_TOO_LARGE;
        }
    }
    return MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mailmod_smtp_client_extension(mailmod_wire *wire,
                                                 const char *keyword,
                                                 char *value_out, size_t size)
{
    if (keyword == NULL || value_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "keyword or value_out: NULL");
    }
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    return error == MAILMOD_OK
               ? mm_wire_end(wire, find_extension(
                                       mm_smtpc_hello(client_of(wire)->engine),
                                       keyword, value_out, size))
               : error;
}
