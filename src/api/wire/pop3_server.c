/* pop3_server.c - the host's POP3 server, one conversation.
 *
 * Owns the engine, its texts, the host's own verbs, and a login that is under
 * way. Promises: a login comes as a name and a password, whichever way it was
 * said, and both are wiped when it is answered; a call out of turn is an error.
 * Thread: any, one at a time. RFC 1939, 2449, 2595, 5034. */
#include "api/wire/credentials.h"
#include "api/wire/own_verbs.h"
#include "api/wire/wire.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "wire/pop3/server.h"

#include <string.h>

enum {
    ERRORS_DEFAULT = 20,
    UNIQUE_ID_MAX = 70 /* RFC 1939 7 */
};
/* RFC 1939 3: at least ten minutes. */
#define TIMEOUT_MS (UINT64_C(10) * 60 * 1000)

struct server {
    struct mailmod_wire wire;
    struct mm_pop3d *engine;
    char *host_name;
    struct mm_wire_own_verbs own;
    struct mm_pop3d_verb verbs[MM_WIRE_OWN_VERBS_MAX]; /* `own`'s */
    bool is_cut; /* the input ended before QUIT, and the host knows it */
    char argument[MM_LIMIT_POP3_COMMAND + 1]; /* of the event that was told */
    struct mm_wire_credentials login;
};

static struct server *server_of(const struct mailmod_wire *wire)
{
    return (struct server *)(uintptr_t)wire;
}

static size_t feed(struct mailmod_wire *wire, const char *octets, size_t size)
{
    return mm_pop3d_feed(server_of(wire)->engine, octets, size);
}

static struct mm_span output(const struct mailmod_wire *wire)
{
    return mm_pop3d_output(server_of(wire)->engine);
}

static void sent(struct mailmod_wire *wire, size_t size)
{
    mm_pop3d_sent(server_of(wire)->engine, size);
}

static enum mailmod_error tls_begun(struct mailmod_wire *wire)
{
    struct mm_pop3d *engine = server_of(wire)->engine;
    if (strcmp(mm_pop3d_state_name(engine), "stls") != 0) {
        return MAILMOD_ERROR_STATE;
    }
    mm_pop3d_tls_begun(engine);
    return MAILMOD_OK;
}

static uint64_t timeout_ms(const struct mailmod_wire *wire)
{
    (void)wire;
    return TIMEOUT_MS;
}

static void dispose(struct mailmod_wire *wire)
{
    struct server *server = server_of(wire);
    mm_wire_credentials_forget(&server->login);
    mm_pop3d_free(&server->engine);
    mm_free(server->host_name);
    mm_free(server);
}

static const struct mm_wire_protocol protocol = {
    feed, output, sent, tls_begun, timeout_ms, dispose, NULL,
};

static struct mm_pop3d_options
read_options(const struct server *server,
             const struct mailmod_pop3_server_options *given)
{
    size_t flags = given->flags;
    unsigned mechanisms = (unsigned)MM_SASL_PLAIN | MM_SASL_LOGIN;
    bool is_clear = (flags & MAILMOD_POP3_SERVER_WITH_CLEAR_LOGIN) != 0;
    return (struct mm_pop3d_options){
        .tap = &server->wire.tap,
        .host_name = server->host_name,
        .errors_max = ERRORS_DEFAULT,
        .mechanisms_clear = is_clear ? mechanisms : 0,
        .mechanisms_tls = mechanisms,
        .has_stls = (flags & MAILMOD_POP3_SERVER_WITH_STLS) != 0,
        .is_tls = (flags & MAILMOD_POP3_SERVER_IN_TLS) != 0,
        .allows_clear_login = is_clear,
    };
}

enum mailmod_error
mailmod_pop3_server_new(const struct mailmod_pop3_server_options *options,
                        mailmod_wire **wire_out)
{
    struct mailmod_pop3_server_options given;
    enum mailmod_error error = mm_wire_take_options(
        &given, sizeof given, options, MM_POP3_SERVER_OPTIONS_SIZE_1,
        "mailmod_pop3_server_options", wire_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct server *server = mm_wire_new(sizeof *server, &protocol);
    if (server == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    error = mm_wire_copy_name("host_name", given.host_name, &server->host_name);
    if (error != MAILMOD_OK) {
        dispose(&server->wire);
        return error;
    }
    struct mm_pop3d_options inner = read_options(server, &given);
    error = mm_pop3d_new(&server->engine, &inner);
    return mm_wire_give(&server->wire, error, wire_out);
}

static enum mailmod_error add_verb(struct server *server, const char *verb,
                                   const char *capability)
{
    size_t i = server->own.count;
    enum mailmod_error error = mm_wire_own_verbs_add(
        &server->own, verb, capability, mm_pop3d_may_add_verb, "capability");
    if (error == MAILMOD_OK) {
        server->verbs[i] = (struct mm_pop3d_verb){
            .name = server->own.names[i],
            .capability = server->own.lines[i],
        };
        mm_pop3d_set_verbs(server->engine, server->verbs, i + 1);
    }
    return error;
}

enum mailmod_error mailmod_pop3_server_add_verb(mailmod_wire *wire,
                                                const char *verb,
                                                const char *capability)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error == MAILMOD_OK) {
        error = add_verb(server_of(wire), verb, capability);
        mm_wire_let(wire);
    }
    return error;
}

/* ---- events -------------------------------------------------------------- */

static const enum mailmod_pop3_server_event_kind kinds[] = {
    [MM_POP3D_NEED_INPUT] = MAILMOD_POP3_SERVER_NEED_INPUT,
    [MM_POP3D_CONNECT] = MAILMOD_POP3_SERVER_CONNECT,
    [MM_POP3D_LOGIN] = MAILMOD_POP3_SERVER_LOGIN,
    [MM_POP3D_AUTH] = MAILMOD_POP3_SERVER_LOGIN,
    [MM_POP3D_AUTH_DATA] = MAILMOD_POP3_SERVER_LOGIN,
    [MM_POP3D_STAT] = MAILMOD_POP3_SERVER_STAT,
    [MM_POP3D_LIST] = MAILMOD_POP3_SERVER_LIST,
    [MM_POP3D_UIDL] = MAILMOD_POP3_SERVER_UIDL,
    [MM_POP3D_RETR] = MAILMOD_POP3_SERVER_RETR,
    [MM_POP3D_TOP] = MAILMOD_POP3_SERVER_TOP,
    [MM_POP3D_DELE] = MAILMOD_POP3_SERVER_DELE,
    [MM_POP3D_RSET] = MAILMOD_POP3_SERVER_RSET,
    [MM_POP3D_NEED_ROWS] = MAILMOD_POP3_SERVER_NEED_ROWS,
    [MM_POP3D_NEED_BODY] = MAILMOD_POP3_SERVER_NEED_BODY,
    [MM_POP3D_STLS] = MAILMOD_POP3_SERVER_STLS,
    [MM_POP3D_UPDATE] = MAILMOD_POP3_SERVER_UPDATE,
    [MM_POP3D_COMMAND] = MAILMOD_POP3_SERVER_COMMAND,
    [MM_POP3D_QUIT] = MAILMOD_POP3_SERVER_QUIT,
    [MM_POP3D_BROKEN] = MAILMOD_POP3_SERVER_BROKEN,
};

static bool is_login(enum mm_pop3d_event event)
{
    return event == MM_POP3D_LOGIN || event == MM_POP3D_AUTH ||
           event == MM_POP3D_AUTH_DATA;
}

/* One message of a login; after it either the login is whole, or the engine
 * goes on with a challenge or a refusal. */
static enum mailmod_error take_login(struct server *server,
                                     enum mm_pop3d_event event,
                                     const struct mm_pop3d_info *info)
{
    const char *prompt = "";
    if (event == MM_POP3D_AUTH) {
        server->login.has_user = false; /* a cancelled one ends unseen */
    }
    bool is_good = event == MM_POP3D_LOGIN
                       ? mm_wire_credentials_set(&server->login, info->user,
                                                 info->password)
                       : mm_wire_credentials_take(
                             &server->login, info->mechanism,
                             event == MM_POP3D_AUTH_DATA || info->has_data,
                             info->data, &prompt);
    if (!is_good) {
        mm_wire_credentials_forget(&server->login);
        return mm_pop3d_answer(server->engine,
                               &(struct mm_pop3_reply){false, "AUTH", NULL});
    }
    return server->login.is_whole
               ? MAILMOD_OK
               : mm_pop3d_challenge(server->engine, mm_span_cstr(prompt));
}

static enum mailmod_error find_event(struct server *server,
                                     enum mm_pop3d_event *kind_out,
                                     struct mm_pop3d_info *info_out)
{
    enum mailmod_error error = MAILMOD_OK;
    do {
        *kind_out = mm_pop3d_next(server->engine, info_out);
        if (!is_login(*kind_out) || server->login.is_whole) {
            break;
        }
        error = take_login(server, *kind_out, info_out);
    } while (error == MAILMOD_OK);
    bool is_waiting = *kind_out == MM_POP3D_NEED_INPUT ||
                      *kind_out == MM_POP3D_NEED_ROWS ||
                      *kind_out == MM_POP3D_NEED_BODY;
    if (error == MAILMOD_OK && server->wire.is_input_ended && is_waiting) {
        *kind_out = server->is_cut ? MM_POP3D_NEED_INPUT : MM_POP3D_BROKEN;
        *info_out =
            (struct mm_pop3d_info){.text = "the client closed the connection"};
        server->is_cut = true;
    }
    return error;
}

static enum mailmod_error tell(struct server *server,
                               struct mailmod_pop3_server_event *event)
{
    enum mm_pop3d_event kind;
    struct mm_pop3d_info info;
    enum mailmod_error error = find_event(server, &kind, &info);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (!mm_span_copy(info.argument, server->argument,
                      sizeof server->argument)) {
        server->argument[0] = '\0';
    }
    event->kind = kinds[kind];
    event->is_of_one =
        info.number != 0 && (kind == MM_POP3D_LIST || kind == MM_POP3D_UIDL);
    event->number = info.number;
    event->lines = info.lines;
    event->user = server->login.user;
    event->password = server->login.password;
    event->name = info.verb != NULL ? info.verb : "";
    event->argument = server->argument;
    event->text = info.text != NULL ? info.text : "";
    return MAILMOD_OK;
}

enum mailmod_error
mailmod_pop3_server_next(mailmod_wire *wire,
                         struct mailmod_pop3_server_event *event_out)
{
    struct mailmod_pop3_server_event event = {.size = sizeof event};
    enum mailmod_error error = mm_sized_check(
        event_out, MM_POP3_SERVER_EVENT_SIZE_1, "mailmod_pop3_server_event");
    if (error == MAILMOD_OK) {
        error = mm_wire_hold(wire, &protocol);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = tell(server_of(wire), &event);
    if (error == MAILMOD_OK) {
        mm_sized_give(event_out, &event, sizeof event);
    }
    return mm_wire_end(wire, error);
}

/* ---- answers ------------------------------------------------------------- */

enum mailmod_error mailmod_pop3_server_answer(mailmod_wire *wire, int is_ok,
                                              const char *code,
                                              const char *text)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct server *server = server_of(wire);
    const struct mm_pop3_reply reply = {is_ok != 0, code, text};
    if (!server->is_cut) {
        error = mm_pop3d_answer(server->engine, &reply);
        mm_wire_credentials_forget(&server->login);
    }
    return mm_wire_end(wire, error);
}

enum mailmod_error mailmod_pop3_server_answer_stat(mailmod_wire *wire,
                                                   uint64_t count,
                                                   uint64_t octets)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    return error == MAILMOD_OK
               ? mm_wire_end(wire, mm_pop3d_answer_stat(server_of(wire)->engine,
                                                        count, octets))
               : error;
}

enum mailmod_error mailmod_pop3_server_answer_row(mailmod_wire *wire,
                                                  uint64_t number,
                                                  uint64_t octets,
                                                  const char *unique_id)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    return error == MAILMOD_OK
               ? mm_wire_end(wire,
                             mm_pop3d_answer_row(server_of(wire)->engine,
                                                 number, octets, unique_id))
               : error;
}

int mailmod_pop3_server_row(mailmod_wire *wire, uint64_t number,
                            uint64_t octets, const char *unique_id)
{
    if (mm_wire_hold(wire, &protocol) != MAILMOD_OK) {
        return 0;
    }
    int is_taken =
        mm_pop3d_row(server_of(wire)->engine, number, octets, unique_id);
    mm_wire_let(wire);
    return is_taken;
}

/* The list or the message that is being given ends. */
static enum mailmod_error end(mailmod_wire *wire, const char *state,
                              void (*end_it)(struct mm_pop3d *pop3d))
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_pop3d *engine = server_of(wire)->engine;
    if (strcmp(mm_pop3d_state_name(engine), state) == 0) {
        end_it(engine);
    } else {
        error = MAILMOD_ERROR_STATE;
    }
    return mm_wire_end(wire, error);
}

enum mailmod_error mailmod_pop3_server_rows_end(mailmod_wire *wire)
{
    return end(wire, "rows", mm_pop3d_rows_end);
}

size_t mailmod_pop3_server_body(mailmod_wire *wire, const char *octets,
                                size_t size)
{
    if (mm_wire_hold(wire, &protocol) != MAILMOD_OK) {
        return 0;
    }
    size_t taken = octets != NULL && size > 0
                       ? mm_pop3d_body(server_of(wire)->engine, octets, size)
                       : 0;
    mm_wire_let(wire);
    return taken;
}

enum mailmod_error mailmod_pop3_server_body_end(mailmod_wire *wire)
{
    return end(wire, "body", mm_pop3d_body_end);
}

enum mailmod_error mailmod_pop3_server_body_abort(mailmod_wire *wire)
{
    return end(wire, "body", mm_pop3d_body_abort);
}

enum mailmod_error mailmod_pop3_server_close(mailmod_wire *wire,
                                             const char *code, const char *text)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_pop3_reply reply = {false, code, text};
    error =
        mm_pop3d_close(server_of(wire)->engine, text != NULL ? &reply : NULL);
    mm_wire_credentials_forget(&server_of(wire)->login);
    return mm_wire_end(wire, error);
}
