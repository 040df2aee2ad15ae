/* run_smtp.c - holds the SMTP server engine to tests/transcripts/smtp.
 *
 * Options: size, recipients, errors, empty (numbers), clear, tls (mechanism
 * names), newline ("normalize"), starttls, implicit-tls, requires-tls,
 * requires-auth, lenient, etrn ("yes"). Events are told as NAME and arguments;
 * the pieces of a body are put together and told with END, for how a body is
 * cut is no part of the outcome. Answers are code [enhanced] [text] | challenge
 * octets | (nothing: the usual one) Waits: tls (the handshake is done), close
 * (we end it: time-out). One thread. */
#include "dialogue.h"

#include "wire/sasl/sasl.h"
#include "wire/smtp/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_SIZE 65536

struct peer {
    struct mm_smtpd *engine;
    char body[BODY_SIZE];
    size_t body_size;
};

static bool option_is_yes(const struct dialogue *dialogue, const char *name)
{
    return strcmp(dialogue_option(dialogue, name, "no"), "yes") == 0;
}

static unsigned option_number(const struct dialogue *dialogue, const char *name)
{
    return (unsigned)strtoul(dialogue_option(dialogue, name, "0"), NULL, 10);
}

static unsigned option_mechanisms(const struct dialogue *dialogue,
                                  const char *name)
{
    struct mm_span rest = mm_span_cstr(dialogue_option(dialogue, name, ""));
    unsigned mechanisms = 0;
    while (rest.size > 0) {
        struct mm_span word;
        (void)mm_span_cut(rest, ' ', &word, &rest);
        mechanisms |= mm_sasl_find(word);
    }
    return mechanisms;
}

static void *open_peer(const struct dialogue *dialogue)
{
    struct peer *peer = calloc(1, sizeof *peer);
    bool normalizes =
        strcmp(dialogue_option(dialogue, "newline", ""), "normalize") == 0;
    struct mm_smtpd_options options = {
        .host_name = "mail.example",
        .message_size_max = option_number(dialogue, "size"),
        .recipients_max = option_number(dialogue, "recipients"),
        .errors_max = option_number(dialogue, "errors"),
        .refused_recipients_max = option_number(dialogue, "refused"),
        .empty_commands_max = option_number(dialogue, "empty"),
        .normalizes_bare_newline = normalizes,
        .leniencies = option_is_yes(dialogue, "lenient") ? MM_LENIENT_ALL : 0,
        .mechanisms_clear = option_mechanisms(dialogue, "clear"),
        .mechanisms_tls = option_mechanisms(dialogue, "tls"),
        .has_starttls = option_is_yes(dialogue, "starttls"),
        .is_tls = option_is_yes(dialogue, "implicit-tls"),
        .requires_tls = option_is_yes(dialogue, "requires-tls"),
        .requires_auth = option_is_yes(dialogue, "requires-auth"),
        .has_etrn = option_is_yes(dialogue, "etrn"),
    };
    if (peer == NULL || mm_smtpd_new(&peer->engine, &options) != MAILMOD_OK) {
        free(peer);
        return NULL;
    }
    return peer;
}

static void close_peer(void *engine)
{
    struct peer *peer = engine;
    mm_smtpd_free(&peer->engine);
    free(peer);
}

static size_t feed_peer(void *engine, const char *bytes, size_t size)
{
    struct peer *peer = engine;
    return mm_smtpd_feed(peer->engine, bytes, size);
}

static const char *const event_names[] = {
    [MM_SMTPD_CONNECT] = "CONNECT",   [MM_SMTPD_HELO] = "HELO",
    [MM_SMTPD_AUTH] = "AUTH",         [MM_SMTPD_AUTH_DATA] = "AUTH_DATA",
    [MM_SMTPD_MAIL] = "MAIL",         [MM_SMTPD_RCPT] = "RCPT",
    [MM_SMTPD_DATA] = "DATA",         [MM_SMTPD_END] = "END",
    [MM_SMTPD_STARTTLS] = "STARTTLS", [MM_SMTPD_RESET] = "RESET",
    [MM_SMTPD_ETRN] = "ETRN",         [MM_SMTPD_QUIT] = "QUIT",
    [MM_SMTPD_BROKEN] = "BROKEN",     [MM_SMTPD_COMMAND] = "COMMAND",
};

static void describe_mail(const struct mm_smtpd_info *info, char *text,
                          size_t size)
{
    static const char *const returns[] = {"", " ret=full", " ret=headers"};
    const struct mm_mail_parameters *mail = info->mail;
    char path[1024];
    char number[32] = "";
    dialogue_escape(info->path->text, strlen(info->path->text), path,
                    sizeof path);
    if (mail->size > 0) {
        snprintf(number, sizeof number, " size=%llu",
                 (unsigned long long)mail->size);
    }
    snprintf(text, size, " <%s>%s%s%s%s%s%s%s", path, number,
             mail->is_8bit ? " 8bit" : "", mail->is_binary ? " binary" : "",
             mail->is_smtputf8 ? " utf8" : "", returns[mail->dsn_return],
             mail->envelope_id[0] != '\0' ? " envid=" : "", mail->envelope_id);
}

static void describe_rcpt(const struct mm_smtpd_info *info, char *text,
                          size_t size)
{
    const struct mm_rcpt_parameters *rcpt = info->rcpt;
    char path[1024];
    char notify[32] = "";
    dialogue_escape(info->path->text, strlen(info->path->text), path,
                    sizeof path);
    if (rcpt->notify != 0) {
        snprintf(notify, sizeof notify, " notify=%s%s%s%s",
                 rcpt->notify & MM_DSN_NOTIFY_NEVER ? "n" : "",
                 rcpt->notify & MM_DSN_NOTIFY_SUCCESS ? "s" : "",
                 rcpt->notify & MM_DSN_NOTIFY_FAILURE ? "f" : "",
                 rcpt->notify & MM_DSN_NOTIFY_DELAY ? "d" : "");
    }
    char original[1024];
    dialogue_escape(rcpt->original_recipient, strlen(rcpt->original_recipient),
                    original, sizeof original);
    snprintf(text, size, " <%s>%s%s%s", path, notify,
             original[0] != '\0' ? " orcpt=" : "", original);
}

static void describe_auth(const struct mm_smtpd_info *info, char *text,
                          size_t size)
{
    char data[8192];
    dialogue_escape(info->data.data, info->data.size, data, sizeof data);
    snprintf(text, size, " %s%s%s", mm_sasl_name(info->mechanism),
             info->has_data ? " " : "", info->has_data ? data : "");
}

static void describe_end(const struct peer *peer,
                         const struct mm_smtpd_info *info, char *text,
                         size_t size)
{
    size_t used =
        (size_t)snprintf(text, size, " %llu%s ", (unsigned long long)info->size,
                         info->has_8bit ? " 8bit" : "");
    if (peer->body_size <= 1000) {
        dialogue_escape(peer->body, peer->body_size, text + used, size - used);
    } else {
        snprintf(text + used, size - used, "(%zu octets)", peer->body_size);
    }
}

static void describe(struct peer *peer, const struct mm_smtpd_info *info,
                     enum mm_smtpd_event event, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", event_names[event]);
    text += used;
    size -= used;
    switch (event) {
    case MM_SMTPD_HELO:
        snprintf(text, size, " %s %.*s", info->is_extended ? "EHLO" : "HELO",
                 (int)info->name.size, info->name.data);
        break;
    case MM_SMTPD_AUTH:
    case MM_SMTPD_AUTH_DATA:
        describe_auth(info, text, size);
        break;
    case MM_SMTPD_MAIL:
        describe_mail(info, text, size);
        break;
    case MM_SMTPD_RCPT:
        describe_rcpt(info, text, size);
        break;
    case MM_SMTPD_END:
        describe_end(peer, info, text, size);
        break;
    case MM_SMTPD_ETRN:
        snprintf(text, size, " %.*s%s", (int)info->name.size, info->name.data,
                 info->has_subdomains ? " below" : "");
        break;
    case MM_SMTPD_BROKEN:
        snprintf(text, size, " %s", info->text);
        break;
    default:
        break;
    }
}

static void keep_body(struct peer *peer, struct mm_span data)
{
    size_t room = sizeof peer->body - peer->body_size;
    size_t size = data.size < room ? data.size : room;
    memcpy(peer->body + peer->body_size, data.data, size);
    peer->body_size += size;
}

static bool event_peer(void *engine, char *text_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_smtpd_info info;
    enum mm_smtpd_event event = mm_smtpd_next(peer->engine, &info);
    while (event == MM_SMTPD_BODY) {
        /* Octets between an event and its answer must wait outside. */
        if (mm_smtpd_feed(peer->engine, "x", 1) != 0) {
            snprintf(text_out, size, "fed while BODY was pending");
            return true;
        }
        keep_body(peer, info.data);
        if (mm_smtpd_answer(peer->engine, NULL) != MAILMOD_OK) {
            snprintf(text_out, size, "BODY could not be answered");
            return true;
        }
        event = mm_smtpd_next(peer->engine, &info);
    }
    if (event == MM_SMTPD_NEED_INPUT) {
        return false;
    }
    describe(peer, &info, event, text_out, size);
    if (event != MM_SMTPD_END) {
        peer->body_size = 0;
    }
    return true;
}

static bool answer_words(struct peer *peer, const char *words)
{
    char enhanced[16] = "";
    struct mm_reply reply = {(int)strtol(words, NULL, 10), NULL, NULL};
    words += strcspn(words, " ");
    words += strspn(words, " ");
    size_t length = strspn(words, "0123456789.");
    if (length > 0 && length < sizeof enhanced) {
        memcpy(enhanced, words, length);
        reply.enhanced = enhanced;
        words += length;
        words += strspn(words, " ");
    }
    if (words[0] != '\0') {
        reply.text = words;
    }
    return mm_smtpd_answer(peer->engine, &reply) == MAILMOD_OK;
}

static bool answer_peer(void *engine, const char *answer)
{
    struct peer *peer = engine;
    char octets[8192];
    peer->body_size = 0;
    if (answer[0] == '\0') {
        return mm_smtpd_answer(peer->engine, NULL) == MAILMOD_OK;
    }
    if (strncmp(answer, "challenge", 9) != 0) {
        return answer_words(peer, answer);
    }
    snprintf(octets, sizeof octets, "%s", answer + 9 + (answer[9] == ' '));
    size_t size = dialogue_unescape(octets, sizeof octets);
    return size != (size_t)-1 &&
           mm_smtpd_challenge(peer->engine, mm_span(octets, size)) ==
               MAILMOD_OK;
}

static size_t take_peer(void *engine, char *bytes_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_span output = mm_smtpd_output(peer->engine);
    size_t taken = output.size < size ? output.size : size;
    if (taken > 0) {
        memcpy(bytes_out, output.data, taken);
    }
    mm_smtpd_sent(peer->engine, taken);
    return taken;
}

static bool wait_peer(void *engine, const char *name)
{
    struct peer *peer = engine;
    if (strcmp(name, "tls") == 0) {
        mm_smtpd_tls_begun(peer->engine);
        return true;
    }
    if (strcmp(name, "close") == 0) {
        return mm_smtpd_close(peer->engine, mm_reply_get(MM_REPLY_TIMEOUT)) ==
               MAILMOD_OK;
    }
    if (strncmp(name, "state ", 6) == 0) {
        return strcmp(mm_smtpd_state_name(peer->engine), name + 6) == 0;
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
    };
    return dialogue_main(argc, argv, &peer);
}
