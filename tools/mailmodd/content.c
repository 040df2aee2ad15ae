/* content.c - messages judged by a program, content.command.
 *
 * The message goes to a file without a name in the data folder while it comes,
 * so that a slow peer holds no program, and is the program's standard input
 * when it is whole. The program is the operator's; it is told of the envelope
 * by its environment, in which peers' texts stand as they are. How many run at
 * once, for how long, and how much of what it prints is read have bounds. A
 * message keeps the settings that there were when it came. A host program like
 * any other: it asks for MAILMOD_SMTP_MESSAGE, on a thread of the library that
 * may wait. */
#include "content.h"

#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_MAX = 4200,
    VARIABLE_MAX = 2000,
    RECIPIENTS_MAX = 16384,
    PIECE_MAX = 16384,
    REPLY_MAX = 400,
    REFUSED = 550,
    PUT_OFF = 451
};

/* What a program's end may mean; the names are those of content.exit_codes. */
enum meaning { ACCEPT, REFUSE, DEFER, MARK, QUARANTINE, DISCARD, MEANINGS };
static const char *const names[MEANINGS] = {"accept", "refuse",     "defer",
                                            "mark",   "quarantine", "discard"};

struct settings {
    char command[TEXT_MAX];
    char exit_codes[TEXT_MAX];
    char folder[TEXT_MAX];
    unsigned timeout_ms;
    unsigned count_max;
    unsigned long long size_max;
    int accepts_without; /* while it cannot be asked */
    int exempts_logins;
};

/* "30s", "32M", as mailmod_config_get writes them. */
static unsigned long long scaled(const char *text)
{
    static const struct {
        const char *unit;
        unsigned long long factor;
    } units[] = {{"ms", 1},        {"s", 1000},       {"m", 60000},
                 {"h", 3600000},   {"K", 1ull << 10}, {"M", 1ull << 20},
                 {"G", 1ull << 30}};
    char *unit;
    unsigned long long value = strtoull(text, &unit, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            return value * units[i].factor;
        }
    }
    return value;
}

static enum mailmod_error read_settings(mailmod *instance,
                                        struct settings *settings)
{
    char timeout[TEXT_MAX];
    char count[TEXT_MAX];
    char size[TEXT_MAX];
    char away[TEXT_MAX];
    char exempts[TEXT_MAX];
    const struct {
        const char *name;
        char *text;
    } rows[] = {{"content.command", settings->command},
                {"content.exit_codes", settings->exit_codes},
                {"general.data_folder", settings->folder},
                {"content.command_timeout", timeout},
                {"content.commands_max", count},
                {"content.command_size_max", size},
                {"content.command_away", away},
                {"content.exempts_logins", exempts}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum mailmod_error error =
            mailmod_config_get(instance, rows[i].name, rows[i].text, TEXT_MAX);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    settings->timeout_ms = (unsigned)scaled(timeout);
    settings->count_max = (unsigned)scaled(count);
    settings->size_max = scaled(size);
    settings->accepts_without = strcmp(away, "accept") == 0;
    settings->exempts_logins = strcmp(exempts, "true") == 0;
    return MAILMOD_OK;
}

/* ---- the verdict ---- */

/* It cannot be asked. */
static enum mailmod_verdict fail(mailmod_request *request,
                                 const struct settings *settings,
                                 const char *words)
{
    char line[1000];
    const char *message = mailmod_request_message(request);
    snprintf(line, sizeof line,
             "mailmodd: content.command cannot be asked message=%s "
             "reason=\"%s\" means=\"%s\"",
             message != NULL ? message : "", words,
             settings->accepts_without ? "mail passes without it"
                                       : "mail is put off");
    system_log(NULL, MAILMOD_LOG_WARNING, line);
    if (settings->accepts_without) {
        return MAILMOD_ACCEPT;
    }
    (void)mailmod_request_set_reply(
        request, PUT_OFF, "A filter of mail cannot be asked, try again later");
    return MAILMOD_REJECT_FOR_NOW;
}

/* What "75=defer" and the like say of the code; MEANINGS: nothing. */
static enum meaning meaning_of(const char *text, int code)
{
    while (*text != '\0') {
        char *end;
        long number = strtol(text, &end, 10);
        size_t size = strcspn(end, " ");
        for (int i = 0; number == code && i < MEANINGS; i++) {
            if (*end == '=' && strlen(names[i]) == size - 1 &&
                strncmp(end + 1, names[i], size - 1) == 0) {
                return (enum meaning)i;
            }
        }
        text = end + size;
        text += strspn(text, " ");
    }
    return code == 0 ? ACCEPT : MEANINGS;
}

/* Its first line, as far as a reply and a field may have it. */
static void clean(char *text)
{
    text[strcspn(text, "\r\n")] = '\0';
    if (strlen(text) > REPLY_MAX) {
        text[REPLY_MAX] = '\0';
    }
    for (char *at = text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
    size_t size = strlen(text);
    while (size > 0 && text[size - 1] == ' ') {
        text[--size] = '\0';
    }
}

static enum mailmod_verdict refuse(mailmod_request *request, int code,
                                   const char *text, const char *without)
{
    (void)mailmod_request_set_reply(request, code,
                                    text[0] != '\0' ? text : without);
    return code == REFUSED ? MAILMOD_REJECT : MAILMOD_REJECT_FOR_NOW;
}

static enum mailmod_error mark(mailmod_request *request, const char *text)
{
    enum mailmod_error error =
        mailmod_request_add_field(request, "X-Spam-Flag", "YES");
    return error == MAILMOD_OK && text[0] != '\0'
               ? mailmod_request_add_field(request, "X-Spam-Report", text)
               : error;
}

static void log_verdict(mailmod_request *request, enum meaning meaning,
                        const char *text)
{
    char line[1000];
    const char *message = mailmod_request_message(request);
    snprintf(line, sizeof line,
             "mailmodd: content.command has judged message=%s verdict=%s "
             "text=\"%.*s\"",
             message != NULL ? message : "", names[meaning], REPLY_MAX, text);
    system_log(NULL, MAILMOD_LOG_INFO, line);
}

static enum mailmod_verdict judge(mailmod_request *request,
                                  const struct settings *settings, int code,
                                  char *text)
{
    enum meaning meaning = meaning_of(settings->exit_codes, code);
    enum mailmod_error error = MAILMOD_OK;
    char words[60];
    clean(text);
    if (meaning == MEANINGS) {
        snprintf(words, sizeof words, "exit code %d", code);
        return fail(request, settings, words);
    }
    if (meaning != ACCEPT) {
        log_verdict(request, meaning, text);
    }
    switch (meaning) {
    case REFUSE:
        return refuse(request, REFUSED, text, "This message is not taken");
    case DEFER:
        return refuse(request, PUT_OFF, text,
                      "This message is not taken now, try again later");
    case MARK:
        error = mark(request, text);
        break;
    case QUARANTINE:
        error = mailmod_request_quarantine(
            request, text[0] != '\0' ? text : "by content.command");
        break;
    case DISCARD:
        return MAILMOD_TAKEN;
    case ACCEPT:
    case MEANINGS:
        break;
    }
    return error == MAILMOD_OK
               ? MAILMOD_ACCEPT
               : fail(request, settings, mailmod_error_text(error));
}

/* ---- the message ---- */

/* Into the file. -1: it was given up, or nobody hears; 1: it is larger than the
 * program is shown. */
static int take(mailmod_request *request, const struct settings *settings,
                FILE *file, int *is_written)
{
    char piece[PIECE_MAX];
    unsigned long long size = 0;
    enum mailmod_error error = MAILMOD_OK;
    size_t count;
    *is_written = 1;
    while ((count = mailmod_request_read(request, piece, sizeof piece,
                                         &error)) > 0) {
        size += count;
        if (settings->size_max > 0 && size > settings->size_max) {
            return 1;
        }
        if (*is_written && fwrite(piece, 1, count, file) != count) {
            *is_written = 0; /* the rest is read all the same */
        }
    }
    if (fflush(file) != 0) {
        *is_written = 0;
    }
    return error == MAILMOD_OK ? 0 : -1;
}

/* "MAILMOD_RECIPIENTS=" and addresses, as many as there is room for. */
static void list_recipients(mailmod_request *request, char *text, size_t size)
{
    const char *recipient;
    const char *between = "";
    size_t used = (size_t)snprintf(text, size, "MAILMOD_RECIPIENTS=");
    for (size_t i = 0;
         (recipient = mailmod_request_recipient(request, i)) != NULL; i++) {
        if (strlen(recipient) + 2 > size - used) {
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", between,
                                 recipient);
        between = " ";
    }
}

static const char *text_of(const char *text)
{
    return text != NULL ? text : "";
}

static int run(mailmod_request *request, struct system_command *command)
{
    char sender[VARIABLE_MAX];
    char peer[VARIABLE_MAX];
    char user[VARIABLE_MAX];
    char message[VARIABLE_MAX];
    char *recipients = malloc(RECIPIENTS_MAX);
    char *environment[] = {sender, peer, user, message, recipients, NULL};
    if (recipients == NULL) {
        snprintf(command->words, sizeof command->words, "out of memory");
        return -1;
    }
    snprintf(sender, sizeof sender, "MAILMOD_SENDER=%s",
             text_of(mailmod_request_reverse_path(request)));
    snprintf(peer, sizeof peer, "MAILMOD_PEER=%s",
             text_of(mailmod_request_peer(request)));
    snprintf(user, sizeof user, "MAILMOD_USER=%s",
             text_of(mailmod_request_user(request)));
    snprintf(message, sizeof message, "MAILMOD_MESSAGE=%s",
             text_of(mailmod_request_message(request)));
    list_recipients(request, recipients, RECIPIENTS_MAX);
    command->environment = environment;
    int result = system_run(command);
    free(recipients);
    return result;
}

/* With the whole message, when it is this one's turn. */
static enum mailmod_verdict ask(mailmod_request *request,
                                const struct settings *settings, FILE *file)
{
    char text[1000];
    struct system_command command = {.line = settings->command,
                                     .input = file,
                                     .text_out = text,
                                     .size = sizeof text,
                                     .drops_more = 1};
    if (system_turn_begin(settings->count_max, settings->timeout_ms,
                          &command.wait_ms) != 0) {
        return fail(request, settings, "too many programs run");
    }
    int result = run(request, &command);
    system_turn_end();
    if (result != 0) {
        return fail(request, settings, command.words);
    }
    if (command.exit_code < 0) {
        return fail(request, settings,
                    "it took too long, or was ended by a signal");
    }
    return judge(request, settings, command.exit_code, text);
}

static enum mailmod_verdict on_message(void *context, mailmod_request *request)
{
    const struct settings *settings = context;
    enum mailmod_verdict verdict = MAILMOD_REJECT_FOR_NOW;
    int is_written = 0;
    if (settings->exempts_logins && mailmod_request_user(request) != NULL) {
        return MAILMOD_ACCEPT;
    }
    FILE *file = system_spool(settings->folder);
    int result = file != NULL ? take(request, settings, file, &is_written) : 0;
    if (result > 0) {
        verdict = MAILMOD_ACCEPT;
    } else if (result == 0) {
        verdict = is_written ? ask(request, settings, file)
                             : fail(request, settings,
                                    "the data folder takes no message");
    }
    if (file != NULL) {
        fclose(file);
    }
    return verdict;
}

enum mailmod_error content_begin(mailmod *instance)
{
    struct settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = read_settings(instance, settings);
    if (error != MAILMOD_OK || settings->command[0] == '\0') {
        free(settings);
        return error == MAILMOD_OK
                   ? mailmod_request_set_callback(instance, 0, NULL, NULL, NULL)
                   : error;
    }
    error = mailmod_request_set_callback(instance, MAILMOD_SMTP_MESSAGE,
                                         on_message, settings, free);
    if (error != MAILMOD_OK) {
        free(settings);
    }
    return error;
}
