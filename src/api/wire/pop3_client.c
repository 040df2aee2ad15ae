/* pop3_client.c - the host's POP3 client, one conversation.
 *
 * Owns the engine, a copy of an own command until it is answered, and a login
 * that is under way. Promises: a call out of turn is an error; where the server
 * closes, the last event tells it.
 * Thread: any, one at a time. RFC 1939, 2449, 2595, 5034. */
#include "api/wire/login.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "wire/pop3/client.h"

#include <string.h>

/* No RFC says how long a client is to wait. */
#define TIMEOUT_MS (UINT64_C(5) * 60 * 1000)

struct client {
    struct mailmod_wire wire;
    struct mm_pop3c *engine;
    struct mm_wire_login login;
    bool is_over;      /* the last event was told */
    size_t body_count; /* octets of the BODY that was told */
    char command[MM_LIMIT_POP3_COMMAND + 1];
    char code[64]; /* of the event */
    char unique_id[72];
    struct mm_buf shown;
};

static struct client *client_of(const struct mailmod_wire *wire)
{
    return (struct client *)(uintptr_t)wire;
}

static size_t feed(struct mailmod_wire *wire, const char *octets, size_t size)
{
    return mm_pop3c_feed(client_of(wire)->engine, octets, size);
}

static struct mm_span output(const struct mailmod_wire *wire)
{
    return mm_pop3c_output(client_of(wire)->engine);
}

static void sent(struct mailmod_wire *wire, size_t size)
{
    mm_pop3c_sent(client_of(wire)->engine, size);
}

static enum mailmod_error tls_begun(struct mailmod_wire *wire)
{
    return mm_pop3c_tls_begun(client_of(wire)->engine);
}

static uint64_t timeout_ms(const struct mailmod_wire *wire)
{
    (void)wire;
    return TIMEOUT_MS;
}

static struct mm_wire_login *login_of(struct mailmod_wire *wire)
{
    return &client_of(wire)->login;
}

static void dispose(struct mailmod_wire *wire)
{
    struct client *client = client_of(wire);
    mm_pop3c_free(&client->engine);
    mm_wire_login_fini(&client->login);
    mm_buf_fini(&client->shown);
    mm_free(client);
}

static const struct mm_wire_protocol protocol = {
    feed, output, sent, tls_begun, timeout_ms, dispose, login_of,
};

static enum mailmod_error say_user(void *engine, const char *user,
                                   const char *password)
{
    return mm_pop3c_user(engine, user, password);
}

enum mailmod_error
mailmod_pop3_client_new(const struct mailmod_pop3_client_options *options,
                        mailmod_wire **wire_out)
{
    struct mailmod_pop3_client_options given;
    enum mailmod_error error = mm_wire_take_options(
        &given, sizeof given, options, MM_POP3_CLIENT_OPTIONS_SIZE_1,
        "mailmod_pop3_client_options", wire_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct client *client = mm_wire_new(sizeof *client, &protocol);
    if (client == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_buf_init(&client->shown, MM_LIMIT_REPLY + 1);
    const struct mm_pop3c_options inner = {
        .tap = &client->wire.tap,
        .tls = (given.flags & MAILMOD_POP3_CLIENT_IN_TLS) != 0 ? MM_POP3C_TLS_ON
               : (given.flags & MAILMOD_POP3_CLIENT_NEEDS_TLS) != 0
                   ? MM_POP3C_TLS_MUST
               : (given.flags & MAILMOD_POP3_CLIENT_TAKES_TLS) != 0
                   ? MM_POP3C_TLS_MAY
                   : MM_POP3C_TLS_OFF,
        .allows_clear_auth =
            (given.flags & MAILMOD_POP3_CLIENT_CLEAR_LOGIN) != 0,
    };
    error = mm_pop3c_new(&client->engine, &inner);
    mm_wire_login_init(&client->login, mm_login_over_pop3(client->engine));
    client->login.plain = say_user;
    return mm_wire_give(&client->wire, error, wire_out);
}

/* ---- events -------------------------------------------------------------- */

static const enum mailmod_pop3_client_event_kind kinds[] = {
    [MM_POP3C_NEED_INPUT] = MAILMOD_POP3_CLIENT_NEED_INPUT,
    [MM_POP3C_STLS] = MAILMOD_POP3_CLIENT_STLS,
    [MM_POP3C_LOGIN] = MAILMOD_POP3_CLIENT_LOGIN,
    [MM_POP3C_CHALLENGE] = MAILMOD_POP3_CLIENT_CHALLENGE,
    [MM_POP3C_LOGIN_DONE] = MAILMOD_POP3_CLIENT_LOGIN_REPLY,
    [MM_POP3C_READY] = MAILMOD_POP3_CLIENT_READY,
    [MM_POP3C_ANSWER] = MAILMOD_POP3_CLIENT_REPLY,
    [MM_POP3C_ROW] = MAILMOD_POP3_CLIENT_ROW,
    [MM_POP3C_BODY] = MAILMOD_POP3_CLIENT_BODY,
    [MM_POP3C_END] = MAILMOD_POP3_CLIENT_END,
    [MM_POP3C_CLOSED] = MAILMOD_POP3_CLIENT_CLOSED,
    [MM_POP3C_FAILED] = MAILMOD_POP3_CLIENT_FAILED,
};

/* Events after which the server, or the host, would have to go on. */
static bool is_waiting(enum mm_pop3c_event event)
{
    return event == MM_POP3C_NEED_INPUT || event == MM_POP3C_STLS ||
           event == MM_POP3C_LOGIN || event == MM_POP3C_CHALLENGE ||
           event == MM_POP3C_READY;
}

static enum mailmod_error find_event(struct client *client,
                                     enum mm_pop3c_event *kind_out,
                                     struct mm_pop3c_info *info_out)
{
    enum mailmod_error error = MAILMOD_OK;
    *info_out = (struct mm_pop3c_info){.number = 0};
    *kind_out = MM_POP3C_NEED_INPUT;
    if (client->is_over) {
        return MAILMOD_OK;
    }
    mm_pop3c_body_taken(client->engine, client->body_count);
    client->body_count = 0;
    do {
        *kind_out = mm_pop3c_next(client->engine, info_out);
        if (*kind_out != MM_POP3C_CHALLENGE || !client->login.is_ours) {
            break;
        }
        error = mm_wire_login_answer(&client->login, info_out->data);
    } while (error == MAILMOD_OK);
    if (error == MAILMOD_OK && client->wire.is_input_ended &&
        is_waiting(*kind_out)) {
        *kind_out = mm_pop3c_phase(client->engine) == MM_POP3C_PHASE_QUIT
                        ? MM_POP3C_CLOSED
                        : MM_POP3C_FAILED;
        *info_out = (struct mm_pop3c_info){.error = MAILMOD_ERROR_CLOSED};
    }
    if (*kind_out == MM_POP3C_LOGIN) {
        mm_wire_login_offer(&client->login,
                            info_out->ways & (2U * MM_SASL_LAST - 1));
    }
    if (*kind_out == MM_POP3C_LOGIN_DONE &&
        !mm_wire_login_end(&client->login) && info_out->reply->is_ok) {
        info_out->error = MAILMOD_ERROR_AUTHENTICATION;
        *kind_out = MM_POP3C_FAILED;
    }
    client->is_over =
        *kind_out == MM_POP3C_FAILED || *kind_out == MM_POP3C_CLOSED;
    return error;
}

static enum mailmod_error show_reply(struct client *client,
                                     const struct mm_pop3c_reply *reply,
                                     struct mailmod_pop3_client_event *event)
{
    client->code[0] = '\0';
    mm_buf_clear(&client->shown);
    if (reply != NULL) {
        event->is_ok = reply->is_ok;
        (void)mm_span_copy(reply->code, client->code, sizeof client->code);
        (void)mm_buf_append_span(&client->shown, reply->text);
    }
    event->code = client->code;
    event->text = mm_buf_cstr(&client->shown);
    return event->text != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

static enum mailmod_error tell(struct client *client,
                               struct mailmod_pop3_client_event *event)
{
    enum mm_pop3c_event kind;
    struct mm_pop3c_info info;
    enum mailmod_error error = find_event(client, &kind, &info);
    if (error != MAILMOD_OK) {
        return error;
    }
    bool is_body = kind == MM_POP3C_BODY;
    bool is_about = kind == MM_POP3C_ANSWER || kind == MM_POP3C_ROW ||
                    kind == MM_POP3C_END || is_body;
    event->kind = kinds[kind];
    event->error = kind == MM_POP3C_FAILED ? info.error : MAILMOD_OK;
    event->verb =
        is_about ? (enum mailmod_pop3_verb)info.verb : MAILMOD_POP3_VERB_STAT;
    event->number = info.number;
    event->message_count = info.count;
    event->message_size = info.size;
    event->mechanisms = client->login.names;
    client->unique_id[0] = '\0';
    if (kind == MM_POP3C_ROW || kind == MM_POP3C_ANSWER) {
        (void)mm_span_copy(info.data, client->unique_id,
                           sizeof client->unique_id);
    } else {
        event->octets = info.data.data;
        event->count = info.data.size;
    }
    event->unique_id = client->unique_id;
    client->body_count = is_body ? info.data.size : 0;
    return show_reply(client, info.reply, event);
}

enum mailmod_error
mailmod_pop3_client_next(mailmod_wire *wire,
                         struct mailmod_pop3_client_event *event_out)
{
    struct mailmod_pop3_client_event event = {.size = sizeof event};
    enum mailmod_error error = mm_sized_check(
        event_out, MM_POP3_CLIENT_EVENT_SIZE_1, "mailmod_pop3_client_event");
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

enum mailmod_error mailmod_pop3_client_ask(mailmod_wire *wire,
                                           enum mailmod_pop3_verb verb,
                                           uint64_t number, uint64_t lines)
{
    if ((unsigned)verb >= MAILMOD_POP3_VERB_OWN) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "there is no such verb");
    }
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_wire_end(wire, client_of(wire)->is_over
                                 ? MAILMOD_ERROR_STATE
                                 : mm_pop3c_ask(client_of(wire)->engine,
                                                (enum mm_pop3c_verb)verb,
                                                number, lines));
}

enum mailmod_error mailmod_pop3_client_command(mailmod_wire *wire,
                                               const char *line)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct client *client = client_of(wire);
    char kept[sizeof client->command];
    if (line == NULL || !mm_span_copy(mm_span_cstr(line), kept, sizeof kept)) {
        error = MAILMOD_ERROR_ARGUMENT;
    } else if (client->is_over) {
        error = MAILMOD_ERROR_STATE;
    } else if (mm_pop3c_is_commanding(client->engine)) {
        error = MAILMOD_ERROR_LIMIT;
    } else {
        memcpy(client->command, kept, sizeof kept);
        error = mm_pop3c_command(client->engine, client->command);
    }
    return mm_wire_end(wire, error);
}

enum mailmod_error mailmod_pop3_client_quit(mailmod_wire *wire)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error == MAILMOD_OK) {
        mm_pop3c_quit(client_of(wire)->engine);
        mm_wire_let(wire);
    }
    return error;
}
