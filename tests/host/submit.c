/* submit.c - a host program that talks to a submission server as its test tells
 * it to, through mailmod/client.h.
 *
 * submit: reads one command a line from standard input, its words split by
 * tabs, and answers each with lines on standard output: what came of it, then
 * the command with its error. Messages have names that the test gives. A host
 * program: it may print. */
#include "mailmod.h"

#include "mailmod/client.h"
#include "old.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 8, LINE_SIZE = 65536, MESSAGES_MAX = 64 };

static mailmod *mail;
static mailmod_client *client;
static struct entry {
    char name[32];
    mailmod_client_message *message;
} entries[MESSAGES_MAX];

static struct entry *entry_of(const char *name)
{
    for (int i = 0; i < MESSAGES_MAX; i++) {
        if (entries[i].name[0] == '\0') {
            snprintf(entries[i].name, sizeof entries[i].name, "%s", name);
        }
        if (strcmp(entries[i].name, name) == 0) {
            return &entries[i];
        }
    }
    exit(3);
}

/* ---- a text that the program gives piece by piece ------------------------ */

struct source {
    FILE *file;
    char manner[32]; /* what goes wrong */
    int rewinds;
    long given;
};

/* What may not be called from here. */
static void call_in(void)
{
    mailmod_client *another = client;

    printf("inner\t%d\t%d\t%d\t%d\n", mailmod_client_send(client),
           mailmod_client_set_servers(client, "x.test"),
           mailmod_client_free(&another), mailmod_drain(mail, 0));
}

static size_t read_source(void *context, void *buffer, size_t size)
{
    struct source *source = context;

    if (strcmp(source->manner, "calls") == 0 && source->given == 0) {
        call_in();
    }
    if (strcmp(source->manner, "slow") == 0) {
        usleep(500000);
    }
    if (strcmp(source->manner, "fails") == 0) {
        return (size_t)-1;
    }
    if (strcmp(source->manner, "fails-later") == 0 && source->rewinds > 1) {
        return (size_t)-1;
    }
    if (strcmp(source->manner, "shrinks") == 0 && source->rewinds > 1 &&
        source->given > 0) {
        return 0;
    }
    size_t read = fread(buffer, 1, size < 1000 ? size : 1000, source->file);
    source->given += (long)read;
    return read;
}

static int rewind_source(void *context)
{
    struct source *source = context;

    source->rewinds++;
    source->given = 0;
    return strcmp(source->manner, "fixed") != 0 &&
           fseek(source->file, 0, SEEK_SET) == 0;
}

static void release_source(void *context)
{
    struct source *source = context;

    printf("released\t%d\n", source->rewinds);
    fclose(source->file);
    free(source);
}

static enum mailmod_error use_source(mailmod_client_message *message,
                                     const char *file, const char *manner)
{
    struct source *source = calloc(1, sizeof *source);
    struct mailmod_client_content content = {.size = sizeof content,
                                             .read = read_source,
                                             .rewind = rewind_source,
                                             .context = source,
                                             .on_release = release_source};

    source->file = fopen(file, "rb");
    snprintf(source->manner, sizeof source->manner, "%s", manner);
    return mailmod_client_message_set_content(message, &content);
}

static void release_file(void *file)
{
    fclose(file);
}

static enum mailmod_error use_file(mailmod_client_message *message,
                                   const char *name)
{
    struct mailmod_client_content content = {.size = sizeof content,
                                             .read = mailmod_file_read,
                                             .rewind = mailmod_file_rewind,
                                             .context = fopen(name, "rb"),
                                             .on_release = release_file};

    return mailmod_client_message_set_content(message, &content);
}

static enum mailmod_error use_text(mailmod_client_message *message,
                                   const char *name)
{
    static char text[4 * 1024 * 1024];
    FILE *file = fopen(name, "rb");
    size_t size = fread(text, 1, sizeof text, file);

    fclose(file);
    enum mailmod_error error =
        mailmod_client_message_set_text(message, text, size);
    memset(text, 'x', size); /* a copy was taken */
    return error;
}

/* The content of a host that is older than the library, newer, and wrong. */
static enum mailmod_error give_sizes(mailmod_client_message *message)
{
    struct {
        struct old_client_content old;
        char newer[32];
    } given = {.old = {.read = read_source, .rewind = rewind_source}};
    static const size_t more[] = {0, 32, (size_t)-8};

    for (int i = 0; i < 3; i++) {
        given.old.size = sizeof given.old + more[i];
        enum mailmod_error error = mailmod_client_message_set_content(
            message, (const struct mailmod_client_content *)(void *)&given);
        if (error != (i < 2 ? MAILMOD_OK : MAILMOD_ERROR_ARGUMENT)) {
            return MAILMOD_ERROR_SYSTEM;
        }
    }
    return MAILMOD_OK;
}

/* ---- what came of it ----------------------------------------------------- */

static void print_result(const char *part, enum mailmod_error error,
                         const struct mailmod_result *result)
{
    printf("result\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%d\t%d\n", part,
           result->recipient, error, result->outcome, result->code,
           result->enhanced, result->text, result->host, result->error,
           result->is_final);
}

static enum mailmod_error print_status(mailmod_client_message *message)
{
    struct mailmod_result result = {.size = sizeof result};
    mailmod_client_recipient *recipient = NULL;
    enum mailmod_error error =
        mailmod_client_reverse_path_status(message, &result);

    print_result("mail", error, &result);
    error = mailmod_client_transfer_status(message, &result);
    print_result("text", error, &result);
    while ((recipient = mailmod_client_recipient_next(message, recipient)) !=
           NULL) {
        error = mailmod_client_recipient_status(recipient, &result);
        print_result("rcpt", error, &result);
    }
    return error;
}

static enum mailmod_error print_etrns(void)
{
    struct mailmod_result result = {.size = sizeof result};
    size_t i = 0;
    enum mailmod_error error = MAILMOD_OK;

    while ((error = mailmod_client_etrn_status(client, i++, &result)) ==
           MAILMOD_OK) {
        print_result("etrn", error, &result);
    }
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static mailmod_client_recipient *recipient_of(mailmod_client_message *message,
                                              const char *number)
{
    mailmod_client_recipient *recipient = NULL;

    for (int i = atoi(number); i >= 0; i--) {
        recipient = mailmod_client_recipient_next(message, recipient);
    }
    return recipient;
}

static void on_context_release(void *context)
{
    printf("context\t%s\n", (const char *)context);
}

static enum mailmod_error use_contexts(mailmod_client_message *message)
{
    static char of_client[] = "client", of_message[] = "message",
                of_recipient[] = "recipient";
    mailmod_client_recipient *recipient =
        mailmod_client_recipient_next(message, NULL);
    enum mailmod_error error =
        mailmod_client_set_context(client, of_client, on_context_release);

    if (error == MAILMOD_OK) {
        error = mailmod_client_message_set_context(message, of_message,
                                                   on_context_release);
    }
    if (error == MAILMOD_OK) {
        error = mailmod_client_recipient_set_context(recipient, of_recipient,
                                                     on_context_release);
    }
    return mailmod_client_context(client) == of_client &&
                   mailmod_client_message_context(message) == of_message &&
                   mailmod_client_recipient_context(recipient) == of_recipient
               ? error
               : MAILMOD_ERROR_SYSTEM;
}

/* ---- while it happens ---------------------------------------------------- */

static enum mailmod_client_decision decision;

static enum mailmod_client_decision
on_event(void *context, const struct mailmod_client_event *event)
{
    struct mailmod_result result = {.size = sizeof result};

    (void)context;
    if (event->recipient != NULL) {
        (void)mailmod_client_recipient_status(event->recipient, &result);
    } else if (event->kind == MAILMOD_CLIENT_REVERSE_PATH) {
        (void)mailmod_client_reverse_path_status(event->message, &result);
    } else if (event->kind == MAILMOD_CLIENT_TRANSFERRED) {
        (void)mailmod_client_transfer_status(event->message, &result);
    }
    printf("event\t%d\t%d\t%lu\t%u\t%s\t%s\t%d\t%d\t%ld\n", event->kind,
           event->progress, (unsigned long)event->octets, event->missing,
           event->host, event->text, result.code, mailmod_client_send(client),
           (long)event->seconds);
    return decision;
}

static void on_line(void *context, const struct mailmod_client_line *line)
{
    (void)context;
    printf("line\t%d\t%d\t%.*s\n", line->way, line->is_masked,
           line->way == MAILMOD_CLIENT_TEXT ? 0 : (int)line->count,
           line->octets);
    if (line->way == MAILMOD_CLIENT_TEXT) {
        printf("octets\t%lu\n", (unsigned long)line->count);
    }
}

static char asked_user[80], asked_password[80];

static void on_login(void *context, struct mailmod_client_login *login)
{
    (void)context;
    printf("login\t%s\n", login->server);
    login->user = asked_user;
    login->password = asked_password;
}

static enum mailmod_error run_listener(char **w)
{
    static char of_events[] = "events", of_lines[] = "lines",
                of_login[] = "login";

    if (strcmp(w[0], "events") == 0) {
        decision = (enum mailmod_client_decision)atoi(w[2]);
        return mailmod_client_set_event_callback(
            client, w[1][0] != '\0' ? on_event : NULL, of_events,
            on_context_release);
    }
    if (strcmp(w[0], "monitor") == 0) {
        return mailmod_client_set_monitor(client, on_line, atoi(w[1]), of_lines,
                                          on_context_release);
    }
    snprintf(asked_user, sizeof asked_user, "%s", w[1]);
    snprintf(asked_password, sizeof asked_password, "%s", w[2]);
    return mailmod_client_set_login_callback(client, on_login, of_login,
                                             on_context_release);
}

/* ---- commands ------------------------------------------------------------ */

static const char *or_null(const char *word)
{
    return word[0] != '\0' ? word : NULL;
}

static enum mailmod_error run_instance(char **w)
{
    if (strcmp(w[0], "set") == 0) {
        return mailmod_config_set(mail, w[1], w[2]);
    }
    if (strcmp(w[0], "start") == 0) {
        return mailmod_start(mail);
    }
    if (strcmp(w[0], "stop") == 0) {
        enum mailmod_error error = mailmod_stop(mail);
        return error == MAILMOD_OK ? mailmod_drain(mail, 10000) : error;
    }
    if (strcmp(w[0], "new") == 0) {
        return mailmod_client_new(mail, &client);
    }
    return MAILMOD_ERROR_UNKNOWN_NAME;
}

static enum mailmod_error run_client(char **w)
{
    if (strcmp(w[0], "servers") == 0) {
        return mailmod_client_set_servers(client, w[1]);
    }
    if (strcmp(w[0], "login") == 0) {
        return mailmod_client_set_login(client, w[1], w[2]);
    }
    if (strcmp(w[0], "mechanisms") == 0) {
        return mailmod_client_set_mechanisms(client, w[1]);
    }
    if (strcmp(w[0], "tls") == 0) {
        return mailmod_client_set_tls(client,
                                      (enum mailmod_relay_tls)atoi(w[1]), w[2]);
    }
    if (strcmp(w[0], "certificate") == 0) {
        return mailmod_client_set_certificate(client, w[1], or_null(w[2]));
    }
    if (strcmp(w[0], "login-external") == 0) {
        return mailmod_client_set_login(client, w[1], NULL);
    }
    if (strcmp(w[0], "name") == 0) {
        return mailmod_client_set_host_name(client, w[1]);
    }
    if (strcmp(w[0], "time") == 0) {
        return mailmod_client_set_timeout(client,
                                          (enum mailmod_client_time)atoi(w[1]),
                                          strtoull(w[2], NULL, 10));
    }
    if (strcmp(w[0], "all") == 0) {
        return mailmod_client_require_all(client, atoi(w[1]));
    }
    if (strcmp(w[0], "etrn") == 0) {
        return w[1][0] != '\0' ? mailmod_client_etrn_add(client, w[1])
                               : mailmod_client_etrn_clear(client);
    }
    if (strcmp(w[0], "etrns") == 0) {
        return print_etrns();
    }
    if (strcmp(w[0], "message") == 0) {
        return mailmod_client_message_add(client, &entry_of(w[1])->message);
    }
    if (strcmp(w[0], "send") == 0) {
        return mailmod_client_send(client);
    }
    if (strcmp(w[0], "free") == 0) {
        return mailmod_client_free(&client);
    }
    if (strcmp(w[0], "events") == 0 || strcmp(w[0], "monitor") == 0 ||
        strcmp(w[0], "ask-login") == 0) {
        return run_listener(w);
    }
    return run_instance(w);
}

static enum mailmod_error run_header(mailmod_client_message *message, char **w)
{
    if (strcmp(w[0], "header") == 0) {
        return mailmod_client_message_set_header(message, w[2], w[3]);
    }
    if (strcmp(w[0], "mailbox") == 0) {
        return mailmod_client_message_add_mailbox(message, w[2], or_null(w[3]),
                                                  or_null(w[4]));
    }
    if (strcmp(w[0], "date") == 0) {
        return mailmod_client_message_set_date(message, strtoll(w[2], NULL, 10),
                                               atoi(w[3]));
    }
    if (strcmp(w[0], "option") == 0) {
        return mailmod_client_message_set_header_option(
            message, w[2], (enum mailmod_header_option)atoi(w[3]), atoi(w[4]));
    }
    return run_client(w);
}

static enum mailmod_error run_message(char **w)
{
    struct entry *entry = entry_of(w[1]);
    mailmod_client_message *message = entry->message;

    if (strcmp(w[0], "from") == 0) {
        return mailmod_client_message_set_reverse_path(message, w[2]);
    }
    if (strcmp(w[0], "rcpt") == 0) {
        return mailmod_client_recipient_add(message, w[2], NULL);
    }
    if (strcmp(w[0], "text") == 0) {
        return use_text(message, w[2]);
    }
    if (strcmp(w[0], "file") == 0) {
        return use_file(message, w[2]);
    }
    if (strcmp(w[0], "callback") == 0) {
        return use_source(message, w[2], w[3]);
    }
    if (strcmp(w[0], "dsn") == 0) {
        return mailmod_client_message_set_dsn(
            message, (enum mailmod_dsn_return)atoi(w[2]), or_null(w[3]));
    }
    if (strcmp(w[0], "binary") == 0) {
        return mailmod_client_message_set_binary(message, atoi(w[2]));
    }
    if (strcmp(w[0], "by") == 0) {
        return mailmod_client_message_set_deliver_by(
            message, (enum mailmod_deliver_by)atoi(w[2]), atol(w[3]),
            atoi(w[4]));
    }
    if (strcmp(w[0], "rcpt-dsn") == 0) {
        return mailmod_client_recipient_set_dsn(
            recipient_of(message, w[2]), (unsigned)atoi(w[3]), or_null(w[4]));
    }
    if (strcmp(w[0], "status") == 0) {
        return print_status(message);
    }
    if (strcmp(w[0], "reset") == 0) {
        return mailmod_client_message_reset(message);
    }
    if (strcmp(w[0], "rcpt-reset") == 0) {
        return mailmod_client_recipient_reset(recipient_of(message, w[2]));
    }
    if (strcmp(w[0], "sizes") == 0) {
        return give_sizes(message);
    }
    if (strcmp(w[0], "contexts") == 0) {
        return use_contexts(message);
    }
    if (strcmp(w[0], "remove") == 0) {
        entry->name[0] = '-';
        return mailmod_client_message_remove(&entry->message);
    }
    return run_header(message, w);
}

static int is_of_client(const char *verb)
{
    static const char *const verbs[] = {
        "set",       "start",       "stop",           "new",    "servers",
        "login",     "tls",         "name",           "time",   "all",
        "message",   "send",        "free",           "events", "monitor",
        "ask-login", "certificate", "login-external", "etrn",   "etrns",
        "mechanisms"};

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

int main(void)
{
    static char line[LINE_SIZE];

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (mailmod_new(&mail) != MAILMOD_OK) {
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        static char empty[1];
        char *words[WORDS_MAX];
        char *at = line;

        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < WORDS_MAX; i++) {
            words[i] = at != NULL ? at : empty;
            at = at != NULL ? strchr(at, '\t') : NULL;
            if (at != NULL) {
                *at++ = '\0';
            }
        }
        enum mailmod_error error =
            is_of_client(words[0]) ? run_client(words) : run_message(words);
        printf("%s\t%d\t%s\n", words[0], (int)error,
               error != MAILMOD_OK ? mailmod_last_error_text() : "");
    }
    (void)mailmod_client_free(&client);
    return mailmod_free(&mail) == MAILMOD_OK ? 0 : 1;
}
