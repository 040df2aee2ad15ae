/* sender.c - a host program that sends what its test tells it to.
 *
 * sender: reads one command a line from standard input, its words split by
 * tabs, and answers each with lines on standard output; progress comes in
 * between. "+" in front of a command runs it on a thread of its own. Messages
 * have names that the test gives. A host program: it may print. */
#include "mailmod.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 16
#define LINE_MAX_OCTETS 1000000
#define MESSAGES_MAX 512

struct entry {
    char name[32];
    char manner[16]; /* what its callback does */
    mailmod_message *message;
};

static mailmod *mail;
static struct entry entries[MESSAGES_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct entry *entry_of(const char *name)
{
    struct entry *found = NULL;

    pthread_mutex_lock(&lock);
    for (int i = 0; i < MESSAGES_MAX && found == NULL; i++) {
        if (entries[i].name[0] == '\0') {
            snprintf(entries[i].name, sizeof entries[i].name, "%s", name);
        }
        if (strcmp(entries[i].name, name) == 0) {
            found = &entries[i];
        }
    }
    pthread_mutex_unlock(&lock);
    if (found == NULL) {
        _exit(3);
    }
    return found;
}

static void answer(const char *what, const char *name, enum mailmod_error error)
{
    printf("%s\t%s\t%d\t%s\n", what, name, (int)error,
           error != MAILMOD_OK ? mailmod_last_error_text() : "");
}

static void on_progress(void *context,
                        const struct mailmod_progress_report *report)
{
    struct entry *entry = context;
    mailmod_message *message = report->message;
    enum mailmod_progress progress = report->progress;

    printf("event\t%s\t%d\t%lu\n", entry->name, (int)progress,
           (unsigned long)report->sent);
    if (strcmp(entry->manner, "slow") == 0) {
        usleep(200000);
    }
    if (strcmp(entry->manner, "wait") == 0) {
        answer("inner-wait", entry->name, mailmod_message_wait(message, 1000));
        answer("inner-send", entry->name, mailmod_message_send(message));
        answer("inner-drain", entry->name, mailmod_drain(mail, 0));
    }
    if (strcmp(entry->manner, "free-first") == 0 ||
        (strcmp(entry->manner, "free-done") == 0 && progress == MAILMOD_DONE)) {
        answer("inner-free", entry->name, mailmod_message_free(&message));
    }
    printf("event-end\t%s\t%d\n", entry->name, (int)progress);
}

/* NAME MODE FROM RECIPIENTS MANNER [HOST PORT USER PASSWORD TLS [token]] */
static void fill(struct mailmod_envelope *envelope, char **words, int count)
{
    struct entry *entry = entry_of(words[1]);

    snprintf(entry->manner, sizeof entry->manner, "%s", words[5]);
    *envelope = (struct mailmod_envelope){
        .size = sizeof *envelope,
        .mode = (enum mailmod_send_mode)atoi(words[2]),
        .reverse_path = words[3],
        .recipients = words[4]};
    if (strcmp(words[5], "none") != 0) {
        envelope->on_progress = on_progress;
        envelope->context = entry;
    }
    if (count > 7) {
        envelope->relay_host = words[6];
        envelope->relay_port = atoi(words[7]);
    }
    if (count > 10) {
        envelope->relay_user = words[8][0] != '\0' ? words[8] : NULL;
        envelope->relay_password = words[9];
        envelope->relay_tls = (enum mailmod_relay_tls)atoi(words[10]);
        envelope->relay_token_account = count > 11 ? words[11] : NULL;
    }
}

static char *read_whole(const char *path, size_t *size_out)
{
    FILE *file = fopen(path, "rb");
    char *octets = NULL;

    *size_out = 0;
    if (file != NULL) {
        fseek(file, 0, SEEK_END);
        *size_out = (size_t)ftell(file);
        rewind(file);
        octets = malloc(*size_out + 1);
        if (octets != NULL) {
            *size_out = fread(octets, 1, *size_out, file);
        }
        fclose(file);
    }
    return octets;
}

/* FILE in pieces of PIECE and PIECE + 1, PIECE + 2 ... octets */
static enum mailmod_error write_file(struct entry *entry, const char *path,
                                     size_t piece)
{
    size_t size;
    char *octets = read_whole(path, &size);
    enum mailmod_error error = MAILMOD_OK;

    for (size_t at = 0; at < size && error == MAILMOD_OK;) {
        size_t count = piece < size - at ? piece : size - at;

        error = mailmod_message_write(entry->message, octets + at, count);
        at += count;
        piece += 1;
    }
    free(octets);
    return error;
}

static void results(struct entry *entry)
{
    struct mailmod_result result = {.size = sizeof result};
    size_t i = 0;
    enum mailmod_error error;

    while ((error = mailmod_message_result(entry->message, i, &result)) ==
           MAILMOD_OK) {
        printf("result\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", entry->name,
               result.recipient, (int)result.outcome, result.code,
               result.enhanced, result.text, result.host);
        printf("cause\t%s\t%d\t%s\n", entry->name, (int)result.error,
               result.recipient);
        i++;
    }
    answer("results", entry->name,
           error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error);
}

static size_t give_up_late(void *context, void *buffer, size_t size)
{
    int *left = context;

    memset(buffer, 'x', size);
    return (*left)-- > 0 ? size : (size_t)-1;
}

static void submit(char **words, int count, int keeps)
{
    struct entry *entry = entry_of(words[1]);
    struct mailmod_envelope envelope;
    size_t size;
    char *octets = read_whole(words[count - 1], &size);

    fill(&envelope, words, count - 1);
    answer("submit", words[1],
           mailmod_message_submit(mail, &envelope, octets, size,
                                  keeps ? &entry->message : NULL));
    free(octets);
}

static void submit_reader(char **words, int count)
{
    struct entry *entry = entry_of(words[1]);
    struct mailmod_envelope envelope;
    int left = 3;
    FILE *file;

    fill(&envelope, words, count - 1);
    if (strcmp(words[count - 1], "give-up") == 0) {
        answer("reader", words[1],
               mailmod_message_submit_reader(mail, &envelope, give_up_late,
                                             &left, &entry->message));
        return;
    }
    file = fopen(words[count - 1], "rb");
    answer("reader", words[1],
           mailmod_message_submit_reader(mail, &envelope, mailmod_file_read,
                                         file, &entry->message));
    fclose(file);
}

/* Every call with what is no message of ours. */
static void strange(const char *name, mailmod_message *message)
{
    struct mailmod_result result = {.size = sizeof result};
    mailmod_message *copy = message;

    answer("strange-write", name, mailmod_message_write(message, "x", 1));
    answer("strange-send", name, mailmod_message_send(message));
    answer("strange-wait", name, mailmod_message_wait(message, 0));
    answer("strange-result", name, mailmod_message_result(message, 0, &result));
    answer("strange-identifier", name,
           mailmod_message_identifier(message) == NULL ? MAILMOD_ERROR_HANDLE
                                                       : MAILMOD_OK);
    answer("strange-free", name, mailmod_message_free(&copy));
}

static void strangers(char **words)
{
    struct entry *entry = entry_of(words[1]);
    mailmod_message *finished = entry->message;
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .recipients = "a@one.test"};
    mailmod_message *made = NULL;
    int number = 1;

    answer("free", words[1], mailmod_message_free(&entry->message));
    strange("null", NULL);
    strange("finished", finished);
    strange("foreign", (mailmod_message *)(void *)&number);
    strange("instance", (mailmod_message *)(void *)mail);
    strange("address", (mailmod_message *)(void *)&entry->message);
    answer("free-null", "null", mailmod_message_free(NULL));
    answer("new-message", "x",
           mailmod_message_new((mailmod *)(void *)&number, &envelope, &made));
    answer("new-null", "x", mailmod_message_new(NULL, &envelope, &made));
    answer("new-out", "x", mailmod_message_new(mail, &envelope, NULL));
    answer("new-envelope", "x", mailmod_message_new(mail, NULL, &made));
    answer("write-null", "x", mailmod_message_write(NULL, NULL, 1));
    answer("strangers", words[1], MAILMOD_OK);
}

static int instance_command(char **words)
{
    if (strcmp(words[0], "set") == 0) {
        answer("set", words[1], mailmod_config_set(mail, words[1], words[2]));
    } else if (strcmp(words[0], "user") == 0) {
        answer("user", words[1], mailmod_user_add(mail, words[1], "secret", 0));
    } else if (strcmp(words[0], "start") == 0) {
        answer("start", "-", mailmod_start(mail));
    } else if (strcmp(words[0], "stop") == 0) {
        answer("stop", "-", mailmod_stop(mail));
    } else if (strcmp(words[0], "drain") == 0) {
        answer("drain", "-", mailmod_drain(mail, strtoull(words[1], NULL, 10)));
    } else if (strcmp(words[0], "reload") == 0) {
        answer("reload", "-", mailmod_reload(mail));
    } else if (strcmp(words[0], "delete") == 0) {
        answer("delete", words[1],
               mailmod_queue_act(
                   mail,
                   mailmod_message_identifier(entry_of(words[1])->message),
                   MAILMOD_QUEUE_DELETE, NULL));
    } else if (strcmp(words[0], "port") == 0) {
        printf("port\t%s\t0\t%d\n", words[1],
               mailmod_service_port(mail, words[1]));
    } else if (strcmp(words[0], "destroy") == 0) {
        answer("destroy", "-", mailmod_free(&mail));
    } else {
        return 0;
    }
    return 1;
}

/* NAME FROM RECIPIENT NOTIFY RETURN ENVID ORCPT: a message for one recipient,
 * with wishes; empty words are not given. */
static void new_with_wishes(struct entry *entry, char **words)
{
    struct mailmod_recipient recipient = {
        .size = sizeof recipient,
        .address = words[3],
        .dsn_original_recipient = words[7][0] != '\0' ? words[7] : NULL};
    struct mailmod_envelope envelope = {
        .size = sizeof envelope,
        .mode = MAILMOD_SEND_QUEUE,
        .reverse_path = words[2],
        .recipient_list = &recipient,
        .recipient_count = 1,
        .dsn_notify = (unsigned)atoi(words[4]),
        .dsn_return = (enum mailmod_dsn_return)atoi(words[5]),
        .dsn_envelope_id = words[6][0] != '\0' ? words[6] : NULL};

    snprintf(entry->manner, sizeof entry->manner, "none");
    answer("new-dsn", words[1],
           mailmod_message_new(mail, &envelope, &entry->message));
}

/* NAME MODE RECIPIENT FIELD VALUE FIELD VALUE ...: "\\n" in a value is LF. */
static void new_with_fields(struct entry *entry, char **words, int count)
{
    struct mailmod_header_field fields[WORDS_MAX];
    struct mailmod_envelope envelope = {
        .size = sizeof envelope,
        .mode = (enum mailmod_send_mode)atoi(words[2]),
        .reverse_path = "me@mail.test",
        .recipients = words[3],
        .header_list = fields};

    for (int i = 4; i + 1 < count; i += 2) {
        char *end = strstr(words[i + 1], "\\n");

        if (end != NULL) {
            memcpy(end, "\r\n", 2);
        }
        fields[envelope.header_count++] = (struct mailmod_header_field){
            .size = sizeof *fields, .name = words[i], .value = words[i + 1]};
    }
    snprintf(entry->manner, sizeof entry->manner, "none");
    answer("new-fields", words[1],
           mailmod_message_new(mail, &envelope, &entry->message));
}

static int message_command(char **words, int count)
{
    struct entry *entry = count > 1 ? entry_of(words[1]) : NULL;

    if (entry == NULL) {
        return 0;
    }
    if (strcmp(words[0], "new") == 0) {
        struct mailmod_envelope envelope;

        fill(&envelope, words, count);
        answer("new", words[1],
               mailmod_message_new(mail, &envelope, &entry->message));
    } else if (strcmp(words[0], "new-dsn") == 0 && count > 7) {
        new_with_wishes(entry, words);
    } else if (strcmp(words[0], "new-fields") == 0 && count > 3) {
        new_with_fields(entry, words, count);
    } else if (strcmp(words[0], "write") == 0) {
        answer("write", words[1],
               write_file(entry, words[2], strtoull(words[3], NULL, 10)));
    } else if (strcmp(words[0], "all") == 0) {
        answer("all", words[1], mailmod_message_require_all(entry->message, 1));
    } else if (strcmp(words[0], "send") == 0) {
        answer("send", words[1], mailmod_message_send(entry->message));
    } else if (strcmp(words[0], "wait") == 0) {
        answer(
            "wait", words[1],
            mailmod_message_wait(entry->message, strtoull(words[2], NULL, 10)));
    } else if (strcmp(words[0], "id") == 0) {
        printf("id\t%s\t0\t%s\n", words[1],
               mailmod_message_identifier(entry->message));
    } else if (strcmp(words[0], "free") == 0) {
        answer("free", words[1], mailmod_message_free(&entry->message));
    } else if (strcmp(words[0], "results") == 0) {
        results(entry);
    } else if (strcmp(words[0], "submit") == 0) {
        submit(words, count, 1);
    } else if (strcmp(words[0], "submit-away") == 0) {
        submit(words, count, 0);
    } else if (strcmp(words[0], "reader") == 0) {
        submit_reader(words, count);
    } else if (strcmp(words[0], "strangers") == 0) {
        strangers(words);
    } else {
        return 0;
    }
    return 1;
}

static void run_line(char *line)
{
    char *words[WORDS_MAX];
    int count = 0;

    while (line != NULL && count < WORDS_MAX) {
        words[count++] = strsep(&line, "\t");
    }
    if (!instance_command(words) && !message_command(words, count)) {
        printf("unknown\t%s\t-1\t\n", words[0]);
    }
}

static void *run_thread(void *line)
{
    run_line(line);
    free(line);
    return NULL;
}

/* "host.0", and where that was refused "host.1". */
static enum mailmod_error on_token(void *context,
                                   const struct mailmod_token_question *asked,
                                   char *token_out, size_t size)
{
    (void)context;
    printf("token\t%d\t%s\t%s\t%s\t%u\t%d\n", (int)asked->use, asked->account,
           asked->user, asked->host, asked->port, asked->is_refresh);
    snprintf(token_out, size, "host.%d", asked->is_refresh);
    return MAILMOD_OK;
}

int main(void)
{
    static char line[LINE_MAX_OCTETS];

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (mailmod_new(&mail) ||
        mailmod_token_set_callback(mail, on_token, NULL, NULL)) {
        return 2;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '+') {
            pthread_t thread;

            pthread_create(&thread, NULL, run_thread, strdup(line + 1));
            pthread_detach(thread);
        } else {
            run_line(line);
        }
    }
    for (int i = 0; i < MESSAGES_MAX; i++) {
        (void)mailmod_message_free(&entries[i].message);
    }
    (void)mailmod_free(&mail);
    return 0;
}
