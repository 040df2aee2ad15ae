/* run_smtp_client.c - holds the SMTP client engine to
 * tests/transcripts/smtp_client.
 *
 * Options: tls (off, may, must, on), auth ("yes", "token"), clear-auth ("yes"),
 * chunks ("yes"), submission ("yes").
 * Events are told as NAME and arguments. Answers: NEED_MESSAGE   send SENDER
 * RECIPIENT,RECIPIENT [size=N] [8bit] [utf8] [binary] [ret=full|hdrs] [envid=X]
 * [notify=nsfd] [orcpt=X] [by=SECONDSn|r[t]], where
 *                    "-" is the null path; fail ERROR and the same, when it
 *                    must be refused; etrn NAME; quit; wait
 *     NEED_BODY      body TEXT
 *     AUTH           auth MECHANISM, or auth MECHANISM initial TEXT; quit
 *     CHALLENGE      response TEXT; cancel
 * Waits: tls, tls-refused (octets came before the handshake).
 * One thread. */
#include "dialogue.h"

#include "wire/sasl/sasl.h"
#include "wire/smtp/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_MAX 16
#define TEXT_SIZE 65536

struct peer {
    struct mm_smtpc *engine;
    bool is_waiting; /* for what comes unasked */
    bool was_tls_told;
    char words[TEXT_SIZE]; /* of the message now sent */
    struct mm_smtpc_recipient recipients[RECIPIENTS_MAX];
};

static bool option_is(const struct dialogue *dialogue, const char *name,
                      const char *value)
{
    return strcmp(dialogue_option(dialogue, name, ""), value) == 0;
}

static enum mm_smtpc_tls option_tls(const struct dialogue *dialogue)
{
    if (option_is(dialogue, "tls", "may")) {
        return MM_SMTPC_TLS_MAY;
    }
    if (option_is(dialogue, "tls", "must")) {
        return MM_SMTPC_TLS_MUST;
    }
    return option_is(dialogue, "tls", "on") ? MM_SMTPC_TLS_ON
                                            : MM_SMTPC_TLS_OFF;
}

static void *open_peer(const struct dialogue *dialogue)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct mm_smtpc_options options = {
        .host_name = "client.example",
        .tls = option_tls(dialogue),
        .mechanisms = option_is(dialogue, "auth", "yes")     ? MM_SASL_PASSWORD
                      : option_is(dialogue, "auth", "token") ? MM_SASL_BEARER
                                                             : 0,
        .tries_twice = MM_SASL_BEARER,
        .allows_clear_auth = option_is(dialogue, "clear-auth", "yes"),
        .chunks = option_is(dialogue, "chunks", "yes"),
        .is_submission = option_is(dialogue, "submission", "yes"),
    };
    if (peer == NULL || mm_smtpc_new(&peer->engine, &options) != MAILMOD_OK) {
        free(peer);
        return NULL;
    }
    return peer;
}

static void close_peer(void *engine)
{
    struct peer *peer = engine;
    mm_smtpc_free(&peer->engine);
    free(peer);
}

static size_t feed_peer(void *engine, const char *bytes, size_t size)
{
    struct peer *peer = engine;
    return mm_smtpc_feed(peer->engine, bytes, size);
}

static const char *const event_names[] = {
    [MM_SMTPC_STARTTLS] = "STARTTLS",
    [MM_SMTPC_AUTH] = "AUTH",
    [MM_SMTPC_CHALLENGE] = "CHALLENGE",
    [MM_SMTPC_AUTH_DONE] = "AUTH_DONE",
    [MM_SMTPC_NEED_MESSAGE] = "NEED_MESSAGE",
    [MM_SMTPC_MAIL_REPLY] = "MAIL_REPLY",
    [MM_SMTPC_RCPT_REPLY] = "RCPT_REPLY",
    [MM_SMTPC_NEED_BODY] = "NEED_BODY",
    [MM_SMTPC_MESSAGE_DONE] = "MESSAGE_DONE",
    [MM_SMTPC_ETRN_REPLY] = "ETRN_REPLY",
    [MM_SMTPC_COMMAND_REPLY] = "COMMAND_REPLY",
    [MM_SMTPC_CLOSED] = "CLOSED",
    [MM_SMTPC_FAILED] = "FAILED",
};

static const char *const phase_names[MM_SMTPC_PHASE_COUNT] = {
    "greeting", "hello", "tls",  "auth", "idle", "mail",
    "rcpt",     "data",  "body", "end",  "quit"};

static void describe_reply(const struct mm_reply_in *reply, char *text,
                           size_t size)
{
    char words[2048];
    struct mm_span said = mm_buf_span(&reply->text);
    dialogue_escape(said.data, said.size, words, sizeof words);
    snprintf(text, size, " %d %s%s%s", reply->code, reply->enhanced,
             reply->enhanced[0] != '\0' ? " | " : "| ", words);
}

static void describe(const struct mm_smtpc_info *info,
                     enum mm_smtpc_event event, char *text, size_t size)
{
    char data[8192];
    struct mm_buf names;
    size_t used = (size_t)snprintf(text, size, "%s", event_names[event]);
    if (event == MM_SMTPC_AUTH) {
        mm_buf_init(&names, 1024);
        mm_sasl_write_names(&names, info->mechanisms);
        snprintf(text + used, size - used, "%s", mm_buf_cstr(&names));
        mm_buf_fini(&names);
        return;
    }
    if (event == MM_SMTPC_CHALLENGE) {
        dialogue_escape(info->data.data, info->data.size, data, sizeof data);
        snprintf(text + used, size - used, " %s", data);
        return;
    }
    if (event == MM_SMTPC_RCPT_REPLY) {
        used +=
            (size_t)snprintf(text + used, size - used, " %zu", info->recipient);
    }
    if (event == MM_SMTPC_MESSAGE_DONE) {
        used += (size_t)snprintf(text + used, size - used, " %s",
                                 info->was_sent ? "sent" : "unsent");
        if (info->error != MAILMOD_OK) {
            used += (size_t)snprintf(text + used, size - used, " %s",
                                     mm_error_name(info->error));
        }
    }
    if (event == MM_SMTPC_FAILED) {
        used += (size_t)snprintf(text + used, size - used, " %s %s",
                                 mm_error_name(info->error),
                                 phase_names[info->phase]);
    }
    if (info->reply != NULL) {
        describe_reply(info->reply, text + used, size - used);
    }
}

static bool event_peer(void *engine, char *text_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_smtpc_info info;
    enum mm_smtpc_event event = mm_smtpc_next(peer->engine, &info);
    if (event == MM_SMTPC_NEED_INPUT ||
        (event == MM_SMTPC_NEED_MESSAGE && peer->is_waiting) ||
        (event == MM_SMTPC_STARTTLS && peer->was_tls_told)) {
        return false;
    }
    peer->was_tls_told = event == MM_SMTPC_STARTTLS;
    describe(&info, event, text_out, size);
    return true;
}

static void add_recipients(struct peer *peer, struct mm_smtpc_message *message,
                           char *paths)
{
    message->recipients = peer->recipients;
    for (char *path = strtok(paths, ",");
         path != NULL && message->recipient_count < RECIPIENTS_MAX;
         path = strtok(NULL, ",")) {
        peer->recipients[message->recipient_count++] =
            (struct mm_smtpc_recipient){path, 0, ""};
    }
}

static void add_flag(struct peer *peer, struct mm_smtpc_message *message,
                     const char *word)
{
    struct mm_smtpc_recipient *first = &peer->recipients[0];
    if (strncmp(word, "size=", 5) == 0) {
        message->size = strtoull(word + 5, NULL, 10);
    } else if (strncmp(word, "envid=", 6) == 0) {
        message->envelope_id = word + 6;
    } else if (strncmp(word, "orcpt=", 6) == 0) {
        first->original_recipient = word + 6;
    } else if (strncmp(word, "by=", 3) == 0) {
        char *mode = NULL;
        message->by.seconds = strtoll(word + 3, &mode, 10);
        message->by.mode =
            *mode == 'r' ? MM_DELIVER_BY_RETURN : MM_DELIVER_BY_NOTIFY;
        message->by.is_traced = mode[1] == 't';
    } else if (strncmp(word, "notify=", 7) == 0) {
        first->notify = (strchr(word + 7, 'n') ? MM_DSN_NOTIFY_NEVER : 0) |
                        (strchr(word + 7, 's') ? MM_DSN_NOTIFY_SUCCESS : 0) |
                        (strchr(word + 7, 'f') ? MM_DSN_NOTIFY_FAILURE : 0) |
                        (strchr(word + 7, 'd') ? MM_DSN_NOTIFY_DELAY : 0);
    } else {
        message->is_8bit |= strcmp(word, "8bit") == 0;
        message->is_binary |= strcmp(word, "binary") == 0;
        message->is_smtputf8 |= strcmp(word, "utf8") == 0;
        if (strncmp(word, "ret=", 4) == 0) {
            message->dsn_return =
                word[4] == 'f' ? MM_DSN_RETURN_FULL : MM_DSN_RETURN_HEADERS;
        }
    }
}

static enum mailmod_error send_message(struct peer *peer, const char *words)
{
    struct mm_smtpc_message message = {.envelope_id = ""};
    char *flags[16];
    size_t count = 0;
    snprintf(peer->words, sizeof peer->words, "%s", words);
    for (char *word = strtok(peer->words, " "); word != NULL && count < 16;
         word = strtok(NULL, " ")) {
        size_t size = dialogue_unescape(word, strlen(word) + 1);
        word[size] = '\0';
        flags[count++] = word;
    }
    if (count < 2) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    message.reverse_path = strcmp(flags[0], "-") == 0 ? "" : flags[0];
    add_recipients(peer, &message, flags[1]);
    for (size_t i = 2; i < count; i++) {
        add_flag(peer, &message, flags[i]);
    }
    return mm_smtpc_send(peer->engine, &message);
}

/* Odd pieces, so that cuts fall everywhere. */
static bool send_body(struct peer *peer, const char *text)
{
    static char body[TEXT_SIZE];
    snprintf(body, sizeof body, "%s", text);
    size_t size = dialogue_unescape(body, sizeof body);
    size_t at = 0;
    while (size != (size_t)-1 && at < size) {
        size_t piece = size - at < 3 ? size - at : 3;
        size_t taken = mm_smtpc_body(peer->engine, body + at, piece);
        if (taken == 0) {
            return false;
        }
        at += taken;
    }
    return size != (size_t)-1 && mm_smtpc_body_end(peer->engine) == MAILMOD_OK;
}

static bool send_auth(struct peer *peer, const char *words)
{
    char text[8192];
    size_t length = strcspn(words, " ");
    unsigned mechanism = mm_sasl_find(mm_span(words, length));
    const char *initial = strstr(words, " initial ");
    size_t size = 0;
    if (initial != NULL) {
        snprintf(text, sizeof text, "%s", initial + 9);
        size = dialogue_unescape(text, sizeof text);
    }
    return mm_smtpc_auth(peer->engine, (enum mm_sasl_mechanism)mechanism,
                         initial != NULL, mm_span(text, size)) == MAILMOD_OK;
}

static bool send_response(struct peer *peer, const char *words)
{
    char text[8192];
    snprintf(text, sizeof text, "%s", words);
    size_t size = dialogue_unescape(text, sizeof text);
    return mm_smtpc_auth_response(peer->engine, mm_span(text, size)) ==
           MAILMOD_OK;
}

static enum mailmod_error ask_etrn(struct peer *peer, const char *name)
{
    snprintf(peer->words, sizeof peer->words, "%s", name);
    size_t size = dialogue_unescape(peer->words, strlen(peer->words) + 1);
    peer->words[size] = '\0';
    return mm_smtpc_etrn(peer->engine, peer->words);
}

static bool send_refused(struct peer *peer, const char *words)
{
    size_t length = strcspn(words, " ");
    const char *rest = words + length + 1;
    const char *name = mm_error_name(strncmp(rest, "etrn ", 5) == 0
                                         ? ask_etrn(peer, rest + 5)
                                         : send_message(peer, rest));
    return strlen(name) == length && strncmp(name, words, length) == 0;
}

static bool answer_peer(void *engine, const char *answer)
{
    struct peer *peer = engine;
    size_t length = strcspn(answer, " ");
    struct mm_span word = mm_span(answer, length);
    const char *rest = answer + length + (answer[length] == ' ');
    if (mm_span_is(word, "send")) {
        return send_message(peer, rest) == MAILMOD_OK;
    }
    if (mm_span_is(word, "fail")) {
        return send_refused(peer, rest);
    }
    if (mm_span_is(word, "etrn")) {
        return ask_etrn(peer, rest) == MAILMOD_OK;
    }
    if (mm_span_is(word, "body")) {
        return send_body(peer, rest);
    }
    if (mm_span_is(word, "auth")) {
        return send_auth(peer, rest);
    }
    if (mm_span_is(word, "response")) {
        return send_response(peer, rest);
    }
    if (mm_span_is(word, "cancel")) {
        return mm_smtpc_auth_cancel(peer->engine) == MAILMOD_OK;
    }
    if (mm_span_is(word, "quit")) {
        mm_smtpc_quit(peer->engine);
        return true;
    }
    peer->is_waiting = mm_span_is(word, "wait");
    return peer->is_waiting || length == 0;
}

static size_t take_peer(void *engine, char *bytes_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_span output = mm_smtpc_output(peer->engine);
    size_t taken = output.size < size ? output.size : size;
    if (taken > 0) {
        memcpy(bytes_out, output.data, taken);
    }
    mm_smtpc_sent(peer->engine, taken);
    return taken;
}

static bool wait_peer(void *engine, const char *name)
{
    struct peer *peer = engine;
    if (strcmp(name, "tls") == 0) {
        return mm_smtpc_tls_begun(peer->engine) == MAILMOD_OK;
    }
    if (strcmp(name, "tls-refused") == 0) {
        return mm_smtpc_tls_begun(peer->engine) == MAILMOD_ERROR_PROTOCOL;
    }
    return strcmp(name, "wait") == 0;
}

int main(int argc, char **argv)
{
    static const struct dialogue_peer peer = {
        .open = open_peer,
        .close = close_peer,
        .feed = feed_peer,
        .event = event_peer,
        .answer = answer_peer,
        .take = take_peer,
        .wait = wait_peer,
        .is_client = true,
    };
    return dialogue_main(argc, argv, &peer);
}
