/* run_pop3_client.c - holds the POP3 client engine to
 * tests/transcripts/pop3_client.
 *
 * Options: tls (off, may, must, on), clear-auth ("yes"). Events are told as
 * NAME and arguments; a message's octets with its END. Answers:
 *     LOGIN       auth MECHANISM, auth MECHANISM initial TEXT, apop USER
 * DIGEST, user USER PASSWORD; fail ERROR and one of these, when it must be
 * refused; quit CHALLENGE   response TEXT; cancel READY       ask VERB [NUMBER
 * [LINES]], any number of them with ";" between, then perhaps quit; wait Waits:
 * tls, tls-refused (octets came before the handshake). One thread. */
#include "dialogue.h"

#include "wire/pop3/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 65536

struct peer {
    struct mm_pop3c *engine;
    bool is_waiting;
    bool was_tls_told;
    struct mm_buf body;
};

static bool option_is(const struct dialogue *dialogue, const char *name,
                      const char *value)
{
    return strcmp(dialogue_option(dialogue, name, ""), value) == 0;
}

static enum mm_pop3c_tls option_tls(const struct dialogue *dialogue)
{
    if (option_is(dialogue, "tls", "may")) {
        return MM_POP3C_TLS_MAY;
    }
    if (option_is(dialogue, "tls", "must")) {
        return MM_POP3C_TLS_MUST;
    }
    return option_is(dialogue, "tls", "on") ? MM_POP3C_TLS_ON
                                            : MM_POP3C_TLS_OFF;
}

static void *open_peer(const struct dialogue *dialogue)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct mm_pop3c_options options = {
        .tls = option_tls(dialogue),
        .allows_clear_auth = option_is(dialogue, "clear-auth", "yes"),
        .tries_twice = MM_SASL_BEARER,
    };
    if (peer == NULL || mm_pop3c_new(&peer->engine, &options) != MAILMOD_OK) {
        free(peer);
        return NULL;
    }
    mm_buf_init(&peer->body, TEXT_SIZE);
    return peer;
}

static void close_peer(void *engine)
{
    struct peer *peer = engine;
    mm_pop3c_free(&peer->engine);
    mm_buf_fini(&peer->body);
    free(peer);
}

static size_t feed_peer(void *engine, const char *bytes, size_t size)
{
    struct peer *peer = engine;
    return mm_pop3c_feed(peer->engine, bytes, size);
}

static const char *const event_names[] = {
    [MM_POP3C_STLS] = "STLS",
    [MM_POP3C_LOGIN] = "LOGIN",
    [MM_POP3C_CHALLENGE] = "CHALLENGE",
    [MM_POP3C_LOGIN_DONE] = "LOGIN_DONE",
    [MM_POP3C_READY] = "READY",
    [MM_POP3C_ANSWER] = "ANSWER",
    [MM_POP3C_ROW] = "ROW",
    [MM_POP3C_END] = "END",
    [MM_POP3C_CLOSED] = "CLOSED",
    [MM_POP3C_FAILED] = "FAILED",
};
static const char *const verb_names[] = {"STAT", "LIST", "UIDL", "RETR",
                                         "TOP",  "DELE", "NOOP", "RSET"};
#define VERB_COUNT (sizeof verb_names / sizeof verb_names[0])
static const char *const phase_names[MM_POP3C_PHASE_COUNT] = {
    "greeting", "capa", "tls", "login", "idle", "command", "body", "quit"};

static void add_octets(struct mm_buf *out, struct mm_span octets)
{
    static char words[TEXT_SIZE * 4];
    dialogue_escape(octets.data, octets.size, words, sizeof words);
    mm_buf_append_char(out, ' ');
    mm_buf_append_cstr(out, words);
}

static void add_ways(struct mm_buf *out, const struct mm_pop3c_info *info)
{
    mm_sasl_write_names(out, info->ways);
    if ((info->ways & MM_POP3C_WAY_APOP) != 0) {
        mm_buf_append_cstr(out, " APOP");
        add_octets(out, info->data);
    }
    if ((info->ways & MM_POP3C_WAY_USER) != 0) {
        mm_buf_append_cstr(out, " USER");
    }
}

static void add_mailbox(struct mm_buf *out, enum mm_pop3c_event event,
                        const struct mm_pop3c_info *info, struct peer *peer)
{
    mm_buf_appendf(out, " %s %u", verb_names[info->verb],
                   (unsigned)info->number);
    bool is_list = info->verb == MM_POP3C_LIST;
    bool is_told = info->reply == NULL || info->reply->is_ok;
    if (is_told && event != MM_POP3C_END && is_list) {
        mm_buf_appendf(out, " size=%llu", (unsigned long long)info->size);
    }
    if (is_told && event == MM_POP3C_ANSWER && info->verb == MM_POP3C_STAT) {
        mm_buf_appendf(out, " count=%u size=%llu", (unsigned)info->count,
                       (unsigned long long)info->size);
    }
    if (is_told && event != MM_POP3C_END && info->verb == MM_POP3C_UIDL) {
        add_octets(out, info->data);
    }
    if (event == MM_POP3C_END && mm_buf_size(&peer->body) > 0) {
        add_octets(out, mm_buf_span(&peer->body));
        mm_buf_clear(&peer->body);
    }
}

static void describe(struct peer *peer, enum mm_pop3c_event event,
                     const struct mm_pop3c_info *info, struct mm_buf *out)
{
    mm_buf_append_cstr(out, event_names[event]);
    if (event == MM_POP3C_LOGIN) {
        add_ways(out, info);
    } else if (event == MM_POP3C_CHALLENGE) {
        add_octets(out, info->data);
    } else if (event == MM_POP3C_ANSWER || event == MM_POP3C_ROW ||
               event == MM_POP3C_END) {
        add_mailbox(out, event, info, peer);
    } else if (event == MM_POP3C_FAILED) {
        mm_buf_appendf(out, " %s %s", mm_error_name(info->error),
                       phase_names[info->phase]);
    }
    if (info->reply != NULL) {
        mm_buf_append_cstr(out, info->reply->is_ok ? " ok |" : " err ");
        if (!info->reply->is_ok) {
            mm_buf_append_span(out, info->reply->code);
            mm_buf_append_cstr(out, "|");
        }
        add_octets(out, info->reply->text);
    }
}

static bool event_peer(void *engine, char *text_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_pop3c_info info;
    enum mm_pop3c_event event = mm_pop3c_next(peer->engine, &info);
    while (event == MM_POP3C_BODY) {
        size_t taken = info.data.size < 3 ? info.data.size : 3;
        mm_buf_append(&peer->body, info.data.data, taken);
        mm_pop3c_body_taken(peer->engine, taken);
        event = mm_pop3c_next(peer->engine, &info);
    }
    if (event == MM_POP3C_NEED_INPUT ||
        (event == MM_POP3C_READY && peer->is_waiting) ||
        (event == MM_POP3C_STLS && peer->was_tls_told)) {
        return false;
    }
    peer->was_tls_told = event == MM_POP3C_STLS;
    struct mm_buf words;
    mm_buf_init(&words, TEXT_SIZE * 4);
    describe(peer, event, &info, &words);
    (void)mm_span_copy(mm_buf_span(&words), text_out, size);
    mm_buf_fini(&words);
    return true;
}

static enum mailmod_error send_auth(struct peer *peer, const char *words)
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
    return mm_pop3c_auth(peer->engine, (enum mm_sasl_mechanism)mechanism,
                         initial != NULL, mm_span(text, size));
}

/* USER and what stands behind the first blank. */
static enum mailmod_error send_two(struct peer *peer, const char *words,
                                   bool is_apop)
{
    char text[8192];
    snprintf(text, sizeof text, "%s", words);
    size_t size = dialogue_unescape(text, sizeof text - 1);
    text[size] = '\0';
    char *second = strchr(text, ' ');
    if (second == NULL) {
        return MAILMOD_ERROR_SYNTAX;
    }
    *second++ = '\0';
    return is_apop ? mm_pop3c_apop(peer->engine, text, second)
                   : mm_pop3c_user(peer->engine, text, second);
}

static enum mailmod_error send_login(struct peer *peer, const char *words)
{
    if (strncmp(words, "auth ", 5) == 0) {
        return send_auth(peer, words + 5);
    }
    if (strncmp(words, "apop ", 5) == 0) {
        return send_two(peer, words + 5, true);
    }
    return strncmp(words, "user ", 5) == 0 ? send_two(peer, words + 5, false)
                                           : MAILMOD_ERROR_SYNTAX;
}

static bool send_response(struct peer *peer, const char *words)
{
    char text[8192];
    snprintf(text, sizeof text, "%s", words);
    size_t size = dialogue_unescape(text, sizeof text);
    return mm_pop3c_auth_response(peer->engine, mm_span(text, size)) ==
           MAILMOD_OK;
}

static bool ask_one(struct peer *peer, const char *words)
{
    char verb[16];
    unsigned number = 0;
    unsigned lines = 0;
    if (strcmp(words, "quit") == 0) {
        mm_pop3c_quit(peer->engine);
        return true;
    }
    if (sscanf(words, "ask %15s %u %u", verb, &number, &lines) < 1) {
        return false;
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verb, verb_names[i]) == 0) {
            return mm_pop3c_ask(peer->engine, (enum mm_pop3c_verb)i, number,
                                lines) == MAILMOD_OK;
        }
    }
    return false;
}

static bool ask_all(struct peer *peer, const char *words)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", words);
    char *at = text;
    while (at != NULL) {
        char *next = strstr(at, "; ");
        if (next != NULL) {
            *next = '\0';
            next += 2;
        }
        if (!ask_one(peer, at)) {
            return false;
        }
        at = next;
    }
    return true;
}

static bool send_refused(struct peer *peer, const char *words)
{
    size_t length = strcspn(words, " ");
    const char *name = mm_error_name(send_login(peer, words + length + 1));
    return strlen(name) == length && strncmp(name, words, length) == 0;
}

static bool answer_peer(void *engine, const char *answer)
{
    struct peer *peer = engine;
    size_t length = strcspn(answer, " ");
    struct mm_span word = mm_span(answer, length);
    const char *rest = answer + length + (answer[length] == ' ');
    if (mm_span_is(word, "fail")) {
        /* More than one, each refused; then what is taken. */
        const char *next = strstr(rest, "; ");
        char text[1024];
        snprintf(text, sizeof text, "%.*s",
                 next != NULL ? (int)(next - rest) : (int)strlen(rest), rest);
        return send_refused(peer, text) &&
               (next == NULL || answer_peer(peer, next + 2));
    }
    if (mm_span_is(word, "auth") || mm_span_is(word, "apop") ||
        mm_span_is(word, "user")) {
        return send_login(peer, answer) == MAILMOD_OK;
    }
    if (mm_span_is(word, "response")) {
        return send_response(peer, rest);
    }
    if (mm_span_is(word, "cancel")) {
        return mm_pop3c_auth_cancel(peer->engine) == MAILMOD_OK;
    }
    if (mm_span_is(word, "ask") || mm_span_is(word, "quit")) {
        return ask_all(peer, answer);
    }
    peer->is_waiting = mm_span_is(word, "wait");
    return peer->is_waiting || length == 0;
}

static size_t take_peer(void *engine, char *bytes_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_span output = mm_pop3c_output(peer->engine);
    size_t taken = output.size < size ? output.size : size;
    if (taken > 0) {
        memcpy(bytes_out, output.data, taken);
    }
    mm_pop3c_sent(peer->engine, taken);
    return taken;
}

static bool wait_peer(void *engine, const char *name)
{
    struct peer *peer = engine;
    if (strcmp(name, "tls") == 0) {
        return mm_pop3c_tls_begun(peer->engine) == MAILMOD_OK;
    }
    if (strcmp(name, "tls-refused") == 0) {
        return mm_pop3c_tls_begun(peer->engine) == MAILMOD_ERROR_PROTOCOL;
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
