/* pop3_load.c - readers that empty no mailbox but read it again and again.
 *
 *   pop3_load HOST PORT USER PASSWORD READERS SESSIONS MODE
 *
 * Each reader is a thread with a mailbox of its own: a "%" in USER becomes its
 * number. MODE is login: USER, PASS, STAT, QUIT; uidl: UIDL besides; list: LIST
 * too; or retr: every message besides, which is counted and held against its
 * listed size. Prints one line of JSON: sessions, messages, octets, seconds,
 * rates, and the time from the connection to the answer of PASS. Ends with 1
 * when a session failed. Thread: the readers', each its own peer. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 1000000ul
#define SIZES_MAX 100000

enum mode { MODE_LOGIN, MODE_UIDL, MODE_LIST, MODE_RETR };

struct plan {
    const char *host;
    const char *port;
    const char *user;
    const char *password;
    size_t each;
    enum mode mode;
};

struct reader {
    const struct plan *plan;
    pthread_t thread;
    size_t number;
    size_t sessions;
    size_t failed;
    size_t messages;
    double *logins_ms;
    unsigned long sizes[SIZES_MAX];
    struct load_peer peer;
};

static int is_ok(struct load_peer *peer, unsigned long *number_out)
{
    const char *line;
    size_t size;

    if (load_line(peer, &line, &size) != 0 || size < 5 ||
        memcmp(line, "+OK", 3) != 0) {
        return -1;
    }
    if (number_out != NULL) {
        *number_out = strtoul(line + 3, NULL, 10);
    }
    return 0;
}

static int ask(struct load_peer *peer, const char *line, unsigned long *out)
{
    return load_send(peer, line, strlen(line)) != 0 ? -1 : is_ok(peer, out);
}

/* A multi-line answer: its lines, and its octets without the stuffed dots. */
static int ask_lines(struct load_peer *peer, const char *command,
                     size_t *lines_out, size_t *octets_out)
{
    const char *line;
    size_t size;

    *lines_out = 0;
    *octets_out = 0;
    if (ask(peer, command, NULL) != 0) {
        return -1;
    }
    for (;;) {
        if (load_line(peer, &line, &size) != 0) {
            return -1;
        }
        if (line[0] == '.') {
            if (size == 3) {
                return 0;
            }
            size--;
        }
        *octets_out += size;
        *lines_out += 1;
    }
}

/* LIST, the sizes kept when each message is to be held against its own. */
static int list(struct reader *reader, unsigned long count)
{
    const char *line;
    size_t size;

    if (ask(&reader->peer, "LIST\r\n", NULL) != 0) {
        return -1;
    }
    for (unsigned long i = 0; i < count; i++) {
        const char *blank;

        if (load_line(&reader->peer, &line, &size) != 0) {
            return -1;
        }
        blank = memchr(line, ' ', size);
        if (blank == NULL) {
            return -1;
        }
        if (i < SIZES_MAX) {
            reader->sizes[i] = strtoul(blank, NULL, 10);
        }
    }
    return load_line(&reader->peer, &line, &size) == 0 && line[0] == '.' ? 0
                                                                         : -1;
}

static int retrieve(struct reader *reader, unsigned long index)
{
    char command[64];
    size_t lines;
    size_t octets;

    (void)snprintf(command, sizeof command, "RETR %lu\r\n", index + 1);
    if (ask_lines(&reader->peer, command, &lines, &octets) != 0) {
        return -1;
    }
    reader->messages++;
    return index >= SIZES_MAX || octets == reader->sizes[index] ? 0 : -1;
}

static int read_mailbox(struct reader *reader)
{
    struct load_peer *peer = &reader->peer;
    enum mode mode = reader->plan->mode;
    unsigned long count = 0;
    size_t lines;
    size_t octets;

    if (ask(peer, "STAT\r\n", &count) != 0) {
        return -1;
    }
    if (mode >= MODE_LIST && list(reader, count) != 0) {
        return -1;
    }
    if (mode >= MODE_UIDL &&
        (ask_lines(peer, "UIDL\r\n", &lines, &octets) != 0 || lines != count)) {
        return -1;
    }
    for (unsigned long i = 0; mode == MODE_RETR && i < count; i++) {
        if (retrieve(reader, i) != 0) {
            return -1;
        }
    }
    return ask(peer, "QUIT\r\n", NULL);
}

static int run_session(struct reader *reader)
{
    const struct plan *plan = reader->plan;
    const char *mark = strchr(plan->user, '%');
    char text[512];
    double start = load_now_ms();

    if (load_connect(&reader->peer, plan->host, plan->port) != 0 ||
        is_ok(&reader->peer, NULL) != 0) {
        return -1;
    }
    if (mark == NULL) {
        (void)snprintf(text, sizeof text, "USER %s\r\n", plan->user);
    } else {
        (void)snprintf(text, sizeof text, "USER %.*s%zu%s\r\n",
                       (int)(mark - plan->user), plan->user, reader->number,
                       mark + 1);
    }
    if (ask(&reader->peer, text, NULL) != 0) {
        return -1;
    }
    (void)snprintf(text, sizeof text, "PASS %s\r\n", plan->password);
    if (ask(&reader->peer, text, NULL) != 0) {
        return -1;
    }
    reader->logins_ms[reader->sessions] = load_now_ms() - start;
    return read_mailbox(reader);
}

static void *run_reader(void *argument)
{
    struct reader *reader = argument;

    while (reader->sessions < reader->plan->each && reader->failed < 3) {
        reader->peer.socket = -1;
        if (run_session(reader) == 0) {
            reader->sessions++;
        } else {
            reader->failed++;
        }
        load_close(&reader->peer);
    }
    return NULL;
}

static int report(const struct reader *readers, size_t count, double ms)
{
    size_t sessions = 0;
    size_t failed = 0;
    size_t messages = 0;
    unsigned long long octets = 0;
    double *logins;

    for (size_t i = 0; i < count; i++) {
        sessions += readers[i].sessions;
        failed += readers[i].failed;
        messages += readers[i].messages;
        octets += readers[i].peer.received;
    }
    logins = calloc(sessions + 1, sizeof *logins);
    if (logins == NULL) {
        return 1;
    }
    sessions = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(logins + sessions, readers[i].logins_ms,
               readers[i].sessions * sizeof *logins);
        sessions += readers[i].sessions;
    }
    (void)printf("{\"sessions\": %zu, \"failed\": %zu, \"messages\": %zu, "
                 "\"octets\": %llu, \"seconds\": %.3f, "
                 "\"session_rate\": %.1f, \"message_rate\": %.1f, "
                 "\"login_median_ms\": %.3f, \"login_p99_ms\": %.3f}\n",
                 sessions, failed, messages, octets, ms / 1e3,
                 (double)sessions / (ms / 1e3), (double)messages / (ms / 1e3),
                 load_quantile(logins, sessions, 0.5),
                 load_quantile(logins, sessions, 0.99));
    free(logins);
    return failed > 0 ? 1 : 0;
}

static int read_mode(const char *word, enum mode *out)
{
    static const char *const names[] = {"login", "uidl", "list", "retr"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(word, names[i]) == 0) {
            *out = (enum mode)i;
            return 0;
        }
    }
    return -1;
}

int main(int count, char **words)
{
    struct plan plan = {0};
    struct reader *readers;
    size_t threads;
    double start;
    int code;

    if (count != 8 || read_mode(words[7], &plan.mode) != 0) {
        (void)fprintf(stderr, "usage: pop3_load HOST PORT USER PASSWORD "
                              "READERS SESSIONS login|uidl|list|retr\n");
        return 2;
    }
    plan.host = words[1];
    plan.port = words[2];
    plan.user = words[3];
    plan.password = words[4];
    threads = load_number(words[5], LOAD_THREADS_MAX);
    plan.each = load_number(words[6], SESSIONS_MAX) / (threads ? threads : 1);
    readers = calloc(threads, sizeof *readers);
    if (readers == NULL) {
        return 1;
    }
    start = load_now_ms();
    for (size_t i = 0; i < threads; i++) {
        readers[i].plan = &plan;
        readers[i].number = i;
        readers[i].logins_ms = calloc(plan.each + 1, sizeof(double));
        if (readers[i].logins_ms == NULL ||
            pthread_create(&readers[i].thread, NULL, run_reader, readers + i)) {
            return 1;
        }
    }
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(readers[i].thread, NULL);
    }
    code = report(readers, threads, load_now_ms() - start);
    for (size_t i = 0; i < threads; i++) {
        free(readers[i].logins_ms);
    }
    free(readers);
    return code;
}
