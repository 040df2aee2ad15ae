/* pop3_load.c - readers that measure a POP3 server.
 *
 * pop3_load HOST PORT USER PASSWORD SESSIONS
 *
 * One session after another: login, STAT, RETR of every message, QUIT. A USER
 * with %d in it gets the session's number. Prints one line: sessions, messages
 * and megabytes a second, and the median time of a login. Exits 1 when anything
 * was refused. A host program of the tests: it may print. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct reader {
    int socket;
    char data[65536];
    size_t start;
    size_t end;
    unsigned long octets;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The next line without its end; NULL when the server is gone. */
static char *read_line(struct reader *reader)
{
    for (;;) {
        char *start = reader->data + reader->start;
        char *end = memchr(start, '\n', reader->end - reader->start);
        if (end != NULL) {
            *end = '\0';
            reader->octets += (size_t)(end - start) + 1;
            reader->start = (size_t)(end - reader->data) + 1;
            return start;
        }
        memmove(reader->data, start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
        ssize_t got = recv(reader->socket, reader->data + reader->end,
                           sizeof reader->data - reader->end, 0);
        if (got <= 0) {
            return NULL;
        }
        reader->end += (size_t)got;
    }
}

static bool ask(struct reader *reader, const char *text)
{
    size_t size = strlen(text);
    if (send(reader->socket, text, size, MSG_NOSIGNAL) != (ssize_t)size) {
        return false;
    }
    char *line = read_line(reader);
    return line != NULL && strncmp(line, "+OK", 3) == 0;
}

static bool login(struct reader *reader, const struct sockaddr_in *address,
                  const char *user, const char *password)
{
    char text[512];
    int on = 1;
    reader->socket = socket(AF_INET, SOCK_STREAM, 0);
    reader->start = 0;
    reader->end = 0;
    (void)setsockopt(reader->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(reader->socket, (const struct sockaddr *)address,
                sizeof *address) != 0 ||
        read_line(reader) == NULL) {
        return false;
    }
    (void)snprintf(text, sizeof text, "USER %s\r\n", user);
    if (!ask(reader, text)) {
        return false;
    }
    (void)snprintf(text, sizeof text, "PASS %s\r\n", password);
    return ask(reader, text);
}

static bool retrieve_all(struct reader *reader, unsigned long *count_out)
{
    if (send(reader->socket, "STAT\r\n", 6, MSG_NOSIGNAL) != 6) {
        return false;
    }
    char *line = read_line(reader);
    unsigned long count = line != NULL && strncmp(line, "+OK ", 4) == 0
                              ? strtoul(line + 4, NULL, 10)
                              : 0;
    for (unsigned long i = 1; i <= count; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "RETR %lu\r\n", i);
        if (!ask(reader, text)) {
            return false;
        }
        do {
            line = read_line(reader);
        } while (line != NULL && strcmp(line, ".\r") != 0);
        if (line == NULL) {
            return false;
        }
    }
    *count_out += count;
    return line != NULL;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static struct reader reader;
    struct sockaddr_in address = {.sin_family = AF_INET};

    if (argc != 6) {
        fprintf(stderr, "usage: pop3_load HOST PORT USER PASSWORD SESSIONS\n");
        return 2;
    }
    size_t sessions = strtoul(argv[5], NULL, 10);
    double *logins = calloc(sessions + 1, sizeof *logins);
    address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    if (logins == NULL || sessions == 0 ||
        inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        return 2;
    }
    unsigned long messages = 0;
    double start = now();
    for (size_t i = 0; i < sessions; i++) {
        double begin = now();
        if (!login(&reader, &address, argv[3], argv[4])) {
            fprintf(stderr, "pop3_load: the login was refused\n");
            return 1;
        }
        logins[i] = now() - begin;
        if (!retrieve_all(&reader, &messages) || !ask(&reader, "QUIT\r\n")) {
            fprintf(stderr, "pop3_load: a message was refused\n");
            return 1;
        }
        close(reader.socket);
    }
    double seconds = now() - start;
    qsort(logins, sessions, sizeof *logins, compare);
    printf("%zu sessions, %lu messages in %.2f s: %.0f messages/s, %.0f MB/s, "
           "login %.1f ms (median)\n",
           sessions, messages, seconds, (double)messages / seconds,
           (double)reader.octets / seconds / 1e6, logins[sessions / 2] * 1e3);
    free(logins);
    return 0;
}
