/* smtp_server.c - the host's SMTP server, one conversation.
 *
 * Owns the engine, its host name, the host's own verbs, and a login that is
 * under way. Promises: the host sees PLAIN and LOGIN as a name and a password
 * and nothing of how they were said; both are wiped when it has answered; a
 * call out of turn is an error.
 * Thread: any, one at a time. RFC 5321, 4954; 4616 (PLAIN). */
#include "api/wire/wire.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"
#include "api/wire/credentials.h"
#include "api/wire/own_verbs.h"

#include "base/mem.h"
#include "wire/smtp/server.h"

#include <string.h>

/* What the host need not choose. */
enum {
    RECIPIENTS_DEFAULT = 100, /* RFC 5321 4.5.3.1.8 */
    ERRORS_DEFAULT = 20,
    EMPTY_COMMANDS_MAX = 100
};
/* RFC 5321 4.5.3.2.7. */
#define TIMEOUT_MS (UINT64_C(5) * 60 * 1000)

struct server {
    struct mailmod_wire wire;
    struct mm_smtpd *engine;
    char *host_name;
    struct mm_wire_own_verbs own;
    struct mm_smtpd_verb verbs[MM_WIRE_OWN_VERBS_MAX]; /* `own`'s */
    bool is_cut; /* the input ended before QUIT, and the host knows it */
    /* Of the event that was told. */
    char name[MM_LIMIT_SMTP_COMMAND];
    char argument[MM_LIMIT_SMTP_COMMAND];
    struct mm_wire_credentials login;
};

static struct server *server_of(const struct mailmod_wire *wire)
{
    return (struct server *)(uintptr_t)wire;
}

static size_t feed(struct mailmod_wire *wire, const char *octets, size_t size)
{
    return mm_smtpd_feed(server_of(wire)->engine, octets, size);
}

static struct mm_span output(const struct mailmod_wire *wire)
{
    return mm_smtpd_output(server_of(wire)->engine);
}

static void sent(struct mailmod_wire *wire, size_t size)
{
    mm_smtpd_sent(server_of(wire)->engine, size);
}

static enum mailmod_error tls_begun(struct mailmod_wire *wire)
{
    struct mm_smtpd *engine = server_of(wire)->engine;
    if (strcmp(mm_smtpd_state_name(engine), "tls") != 0) {
        return MAILMOD_ERROR_STATE;
    }
    mm_smtpd_tls_begun(engine);
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
    mm_smtpd_free(&server->engine);
    mm_free(server->host_name);
    mm_free(server);
}

static const struct mm_wire_protocol protocol = {
    feed, output, sent, tls_begun, timeout_ms, dispose, NULL,
};

static struct mm_smtpd_options
read_options(const struct server *server,
             const struct mailmod_smtp_server_options *given)
{
    unsigned flags = given->flags;
    unsigned mechanisms = (unsigned)MM_SASL_PLAIN | MM_SASL_LOGIN;
    bool is_clear = (flags & MAILMOD_SMTP_SERVER_WITH_CLEAR_LOGIN) != 0;
    bool is_offered = is_clear || (flags & MAILMOD_SMTP_SERVER_WITH_LOGIN) != 0;
    return (struct mm_smtpd_options){
        .tap = &server->wire.tap,
        .host_name = server->host_name,
        .message_size_max = given->message_size_max,
        .recipients_max = given->recipients_max != 0 ? given->recipients_max
                                                     : RECIPIENTS_DEFAULT,
        .errors_max =
            given->errors_max != 0 ? given->errors_max : ERRORS_DEFAULT,
        .empty_commands_max = EMPTY_COMMANDS_MAX,
        .leniencies =
            ((flags & MAILMOD_SMTP_SERVER_TAKES_BARE_LF) != 0
                 ? (unsigned)MM_LENIENT_LF_COMMANDS
                 : 0) |
            ((flags & MAILMOD_SMTP_SERVER_LENIENT) != 0
                 ? (unsigned)MM_LENIENT_NO_BRACKETS | MM_LENIENT_DOTS |
                       MM_LENIENT_UNDERSCORES | MM_LENIENT_HELLO
                 : 0),
        .mechanisms_clear = is_clear ? mechanisms : 0,
        .mechanisms_tls = is_offered ? mechanisms : 0,
        .has_starttls = (flags & MAILMOD_SMTP_SERVER_WITH_STARTTLS) != 0,
        .has_etrn = (flags & MAILMOD_SMTP_SERVER_WITH_ETRN) != 0,
        .is_tls = (flags & MAILMOD_SMTP_SERVER_IN_TLS) != 0,
        .requires_tls = (flags & MAILMOD_SMTP_SERVER_NEEDS_TLS) != 0,
        .requires_auth = (flags & MAILMOD_SMTP_SERVER_NEEDS_LOGIN) != 0,
    };
}

enum mailmod_error
mailmod_smtp_server_new(const struct mailmod_smtp_server_options *options,
                        mailmod_wire **wire_out)
{
    struct mailmod_smtp_server_options given;
    enum mailmod_error error = mm_wire_take_options(
        &given, sizeof given, options, MM_SMTP_SERVER_OPTIONS_SIZE_1,
        "mailmod_smtp_server_options", wire_out);
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
    struct mm_smtpd_options inner = read_options(server, &given);
    error = mm_smtpd_new(&server->engine, &inner);
    if (error == MAILMOD_OK) {
        mm_smtpd_set_verbs(server->engine, server->verbs, 0);
    }
    return mm_wire_give(&server->wire, error, wire_out);
}

/* ---- own verbs ----------------------------------------------------------- */

static enum mailmod_error add_verb(struct server *server, const char *verb,
                                   const char *keyword)
{
    size_t i = server->own.count;
    enum mailmod_error error = mm_wire_own_verbs_add(
        &server->own, verb, keyword, mm_smtpd_may_add_verb, "keyword");
    if (error == MAILMOD_OK) {
        server->verbs[i] = (struct mm_smtpd_verb){
            .name = server->own.names[i],
            .keyword = server->own.lines[i],
        };
        mm_smtpd_set_verbs(server->engine, server->verbs, i + 1);
    }
    return error;
}

enum mailmod_error mailmod_smtp_server_add_verb(mailmod_wire *wire,
                                                const char *verb,
                                                const char *keyword)
{
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error == MAILMOD_OK) {
        error = add_verb(server_of(wire), verb, keyword);
        mm_wire_let(wire);
    }
    return error;
}

/* ---- logins -------------------------------------------------------------- */

/* One message of an exchange; after it either the login is whole, or the
 * engine goes on with a challenge or a refusal. */
static enum mailmod_error take_auth(struct server *server,
                                    const struct mm_smtpd_info *info)
{
    const char *prompt;
    bool is_good = mm_wire_credentials_take(
        &server->login, info->mechanism, info->has_data, info->data, &prompt);
    if (!is_good) {
        mm_wire_credentials_forget(&server->login);
        return mm_smtpd_answer(server->engine,
                               mm_reply_get(MM_REPLY_AUTH_FAILED));
    }
    return server->login.is_whole
               ? MAILMOD_OK
               : mm_smtpd_challenge(server->engine, mm_span_cstr(prompt));
}

/* ---- events -------------------------------------------------------------- */

static const enum mailmod_smtp_server_event_kind kinds[] = {
    [MM_SMTPD_NEED_INPUT] = MAILMOD_SMTP_SERVER_NEED_INPUT,
    [MM_SMTPD_CONNECT] = MAILMOD_SMTP_SERVER_CONNECT,
    [MM_SMTPD_HELO] = MAILMOD_SMTP_SERVER_HELO,
    [MM_SMTPD_AUTH] = MAILMOD_SMTP_SERVER_LOGIN,
    [MM_SMTPD_AUTH_DATA] = MAILMOD_SMTP_SERVER_LOGIN,
    [MM_SMTPD_MAIL] = MAILMOD_SMTP_SERVER_MAIL,
    [MM_SMTPD_RCPT] = MAILMOD_SMTP_SERVER_RCPT,
    [MM_SMTPD_DATA] = MAILMOD_SMTP_SERVER_DATA,
    [MM_SMTPD_BODY] = MAILMOD_SMTP_SERVER_BODY,
    [MM_SMTPD_END] = MAILMOD_SMTP_SERVER_END,
    [MM_SMTPD_STARTTLS] = MAILMOD_SMTP_SERVER_STARTTLS,
    [MM_SMTPD_ETRN] = MAILMOD_SMTP_SERVER_ETRN,
    [MM_SMTPD_COMMAND] = MAILMOD_SMTP_SERVER_COMMAND,
    [MM_SMTPD_RESET] = MAILMOD_SMTP_SERVER_RESET,
    [MM_SMTPD_QUIT] = MAILMOD_SMTP_SERVER_QUIT,
    [MM_SMTPD_BROKEN] = MAILMOD_SMTP_SERVER_BROKEN,
};

static void show(const struct server *server, enum mm_smtpd_event kind,
                 const struct mm_smtpd_info *info,
                 struct mailmod_smtp_server_event *event)
{
    event->kind = kinds[kind];
    event->is_extended = info->is_extended;
    event->has_subdomains = info->has_subdomains;
    event->has_8bit = info->has_8bit;
    event->name = server->name;
    event->argument = server->argument;
    event->user = server->login.user;
    event->password = server->login.password;
    event->address = info->path != NULL ? info->path->text : "";
    event->envelope_id = info->mail != NULL ? info->mail->envelope_id : "";
    event->original_recipient =
        info->rcpt != NULL ? info->rcpt->original_recipient : "";
    event->text = info->text != NULL ? info->text : "";
    event->message_size = kind == MM_SMTPD_END ? info->size : 0;
    if (info->mail != NULL) {
        event->message_size = info->mail->size;
        event->is_8bit = info->mail->is_8bit;
        event->is_smtputf8 = info->mail->is_smtputf8;
        event->dsn_return = (enum mailmod_dsn_return)info->mail->dsn_return;
    }
    if (info->rcpt != NULL) {
        event->dsn_notify = info->rcpt->notify;
    }
    if (kind == MM_SMTPD_BODY) {
        event->octets = info->data.data;
        event->count = info->data.size;
    }
}

/* The next event that is the host's; what of a login comes before its end is
 * answered here. */
static enum mailmod_error find_event(struct server *server,
                                     enum mm_smtpd_event *kind_out,
                                     struct mm_smtpd_info *info_out)
{
    enum mailmod_error error = MAILMOD_OK;
    do {
        *kind_out = mm_smtpd_next(server->engine, info_out);
        if (*kind_out == MM_SMTPD_AUTH && !server->login.is_whole) {
            server->login.has_user = false; /* a cancelled one ends unseen */
        }
        if ((*kind_out != MM_SMTPD_AUTH && *kind_out != MM_SMTPD_AUTH_DATA) ||
            server->login.is_whole) {
            return MAILMOD_OK;
        }
        error = take_auth(server, info_out);
    } while (error == MAILMOD_OK);
    return error;
}

static enum mailmod_error tell(struct server *server,
                               struct mailmod_smtp_server_event *event)
{
    enum mm_smtpd_event kind;
    struct mm_smtpd_info info;
    enum mailmod_error error = find_event(server, &kind, &info);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (kind == MM_SMTPD_NEED_INPUT && server->wire.is_input_ended &&
        !server->is_cut) {
        server->is_cut = true;
        kind = MM_SMTPD_BROKEN;
        info.text = "the client closed the connection";
    }
    if (kind == MM_SMTPD_AUTH || kind == MM_SMTPD_AUTH_DATA) {
        info.name = mm_span_cstr(mm_sasl_name(info.mechanism));
    }
    if (!mm_span_copy(info.name, server->name, sizeof server->name)) {
        server->name[0] = '\0';
    }
    if (kind != MM_SMTPD_COMMAND ||
        !mm_span_copy(info.data, server->argument, sizeof server->argument)) {
        server->argument[0] = '\0';
    }
    show(server, kind, &info, event);
    return MAILMOD_OK;
}

enum mailmod_error
mailmod_smtp_server_next(mailmod_wire *wire,
                         struct mailmod_smtp_server_event *event_out)
{
    struct mailmod_smtp_server_event event = {.size = sizeof event};
    enum mailmod_error error = mm_sized_check(
        event_out, MM_SMTP_SERVER_EVENT_SIZE_1, "mailmod_smtp_server_event");
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

/* 0 is the usual answer; 3xx are the engine's own. */
static bool is_code(int code)
{
    return code == 0 || (code >= 200 && code < 300) ||
           (code >= 400 && code < 600);
}

static enum mailmod_error answer(struct server *server,
                                 const struct mm_reply *reply)
{
    if (server->is_cut) {
        return MAILMOD_OK; /* nobody is there to hear it */
    }
    enum mailmod_error error = mm_smtpd_answer(server->engine, reply);
    mm_wire_credentials_forget(&server->login);
    return error;
}

enum mailmod_error mailmod_smtp_server_answer(mailmod_wire *wire, int code,
                                              const char *enhanced,
                                              const char *text)
{
    if (!is_code(code)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%d: it is no answer", code);
    }
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_reply reply = {code, enhanced, text};
    return mm_wire_end(wire,
                       answer(server_of(wire), code != 0 ? &reply : NULL));
}

enum mailmod_error mailmod_smtp_server_close(mailmod_wire *wire, int code,
                                             const char *enhanced,
                                             const char *text)
{
    if (code != 0 && (code < 400 || code > 599)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%d: it closes nothing", code);
    }
    enum mailmod_error error = mm_wire_hold(wire, &protocol);
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_reply reply = {code, enhanced, text};
    error = mm_smtpd_close(server_of(wire)->engine,
                           code != 0 ? &reply : mm_reply_get(MM_REPLY_TIMEOUT));
    mm_wire_credentials_forget(&server_of(wire)->login);
    return mm_wire_end(wire, error);
}
