/* smtp_load.c - senders that measure: how many messages a second a server
 * acknowledges, and how long it thinks between the final dot and its reply.
 *
 * smtp_load HOST PORT RECIPIENT SENDERS MESSAGES OCTETS
 *
 * Each sender is a thread with one connection; it sends its share one after
 * another. Prints one line: messages, seconds, messages a second, and the
 * median and 99th of 100 of the time to the reply, in milliseconds. Exits 1
 * when anything was refused. A host program of the tests: it may print. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SENDERS_MAX 256

struct run {
    struct sockaddr_in address;
    const char *recipient;
    size_t messages; /* of each sender */
    char *body;
    size_t body_size;
};

struct sender {
    pthread_t thread;
    const struct run *run;
    int socket;
    double *waits; /* seconds, one a message */
    bool failed;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool send_all(int descriptor, const char *octets, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(descriptor, octets, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        octets += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Reads `count` replies that came whole lines; each must begin as `digits`. */
static bool expect(int descriptor, const char *digits)
{
    size_t count = strlen(digits);
    char line[4096];
    size_t used = 0;
    size_t seen = 0;

    while (seen < count) {
        ssize_t got = recv(descriptor, line + used, sizeof line - used, 0);
        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
        char *start = line;
        char *end;
        while ((end = memchr(start, '\n', used - (size_t)(start - line)))) {
            if (end - start > 3 && start[3] != '-') {
                if (start[0] != digits[seen++]) {
                    return false;
                }
            }
            start = end + 1;
        }
        used -= (size_t)(start - line);
        memmove(line, start, used);
    }
    return true;
}

static bool connect_sender(struct sender *sender)
{
    int on = 1;
    sender->socket = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(sender->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connect(sender->socket,
                   (const struct sockaddr *)&sender->run->address,
                   sizeof sender->run->address) == 0 &&
           expect(sender->socket, "2") &&
           send_all(sender->socket, "EHLO load.test\r\n", 16) &&
           expect(sender->socket, "2");
}

static bool send_message(struct sender *sender, size_t number)
{
    char envelope[512];
    int size = snprintf(envelope, sizeof envelope,
                        "MAIL FROM:<load@client.test>\r\nRCPT TO:<%s>\r\n"
                        "DATA\r\n",
                        sender->run->recipient);
    if (!send_all(sender->socket, envelope, (size_t)size) ||
        !expect(sender->socket, "223") ||
        !send_all(sender->socket, sender->run->body, sender->run->body_size)) {
        return false;
    }
    double start = now();
    if (!expect(sender->socket, "2")) {
        return false;
    }
    sender->waits[number] = now() - start;
    return true;
}

static void *run_sender(void *context)
{
    struct sender *sender = context;
    sender->failed = !connect_sender(sender);
    for (size_t i = 0; !sender->failed && i < sender->run->messages; i++) {
        sender->failed = !send_message(sender, i);
    }
    (void)send_all(sender->socket, "QUIT\r\n", 6);
    close(sender->socket);
    return NULL;
}

static bool make_body(struct run *run, size_t octets)
{
    static const char head[] = "From: load@client.test\r\nSubject: load\r\n"
                               "\r\n";
    run->body = malloc(octets + 256);
    if (run->body == NULL) {
        return false;
    }
    memcpy(run->body, head, sizeof head - 1);
    run->body_size = sizeof head - 1;
    while (run->body_size < octets) {
        memset(run->body + run->body_size, 'x', 70);
        memcpy(run->body + run->body_size + 70, "\r\n", 2);
        run->body_size += 72;
    }
    memcpy(run->body + run->body_size, ".\r\n", 3);
    run->body_size += 3;
    return true;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static int report(struct run *run, double *waits, size_t count, double seconds)
{
    qsort(waits, count, sizeof *waits, compare);
    printf("%zu messages in %.2f s: %.0f messages/s, reply after %.2f ms "
           "(median), %.2f ms (99 of 100)\n",
           count, seconds, (double)count / seconds, waits[count / 2] * 1e3,
           waits[count * 99 / 100] * 1e3);
    free(run->body);
    free(waits);
    return 0;
}

int main(int argc, char **argv)
{
    static struct sender senders[SENDERS_MAX];
    struct run run = {.address = {.sin_family = AF_INET}};

    if (argc != 7) {
        fprintf(stderr, "usage: smtp_load HOST PORT RECIPIENT SENDERS "
                        "MESSAGES OCTETS\n");
        return 2;
    }
    size_t count = strtoul(argv[4], NULL, 10);
    run.messages = strtoul(argv[5], NULL, 10) / (count > 0 ? count : 1);
    run.recipient = argv[3];
    run.address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    if (count == 0 || count > SENDERS_MAX || run.messages == 0 ||
        inet_pton(AF_INET, argv[1], &run.address.sin_addr) != 1 ||
        !make_body(&run, strtoul(argv[6], NULL, 10))) {
        return 2;
    }
    double *waits = calloc(count * run.messages, sizeof *waits);
    if (waits == NULL) {
        return 2;
    }
    double start = now();
    for (size_t i = 0; i < count; i++) {
        senders[i].run = &run;
        senders[i].waits = waits + i * run.messages;
        pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]);
    }
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        pthread_join(senders[i].thread, NULL);
        failed = failed || senders[i].failed;
    }
    double seconds = now() - start;
    if (failed) {
        fprintf(stderr, "smtp_load: a message was refused\n");
        return 1;
    }
    return report(&run, waits, count * run.messages, seconds);
}
