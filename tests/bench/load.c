/* load.c - what the load generators share: lines from a socket, times.
 *
 * Every wait is bounded by the socket's own time-out, so that a server that
 * hangs ends the run with an error and not with a wait.
 * Thread: any, each its own peer. */
#include "load.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S 120

double load_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int load_connect(struct load_peer *peer, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *address = NULL;
    struct timeval wait = {.tv_sec = WAIT_S};
    int one = 1;

    peer->begin = 0;
    peer->end = 0;
    peer->socket = -1;
    if (getaddrinfo(host, port, &hints, &address) != 0) {
        return -1;
    }
    peer->socket = socket(address->ai_family, SOCK_STREAM, 0);
    if (peer->socket >= 0 &&
        connect(peer->socket, address->ai_addr, address->ai_addrlen) != 0) {
        load_close(peer);
    }
    freeaddrinfo(address);
    if (peer->socket < 0) {
        return -1;
    }
    (void)setsockopt(peer->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(peer->socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(peer->socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    return 0;
}

void load_close(struct load_peer *peer)
{
    if (peer->socket >= 0) {
        (void)close(peer->socket);
    }
    peer->socket = -1;
}

int load_send(struct load_peer *peer, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(peer->socket, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0) {
            return -1;
        }
        bytes += sent;
        size -= (size_t)sent;
    }
    return 0;
}

/* More input behind what is there; the rest moves to the front. */
static int fill(struct load_peer *peer)
{
    ssize_t got;

    if (peer->begin > 0) {
        memmove(peer->input, peer->input + peer->begin,
                peer->end - peer->begin);
        peer->end -= peer->begin;
        peer->begin = 0;
    }
    if (peer->end == sizeof peer->input) {
        return -1;
    }
    got = recv(peer->socket, peer->input + peer->end,
               sizeof peer->input - peer->end, 0);
    if (got <= 0) {
        return -1;
    }
    peer->end += (size_t)got;
    peer->received += (unsigned long long)got;
    return 0;
}

int load_line(struct load_peer *peer, const char **line_out, size_t *size_out)
{
    for (;;) {
        const char *start = peer->input + peer->begin;
        const char *end = memchr(start, '\n', peer->end - peer->begin);

        if (end != NULL) {
            *line_out = start;
            *size_out = (size_t)(end - start) + 1;
            peer->begin += *size_out;
            return 0;
        }
        if (fill(peer) != 0) {
            return -1;
        }
    }
}

int load_reply(struct load_peer *peer)
{
    const char *line;
    size_t size;

    do {
        if (load_line(peer, &line, &size) != 0 || size < 5) {
            return -1;
        }
    } while (line[3] == '-');
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

int load_ask(struct load_peer *peer, const char *line)
{
    if (load_send(peer, line, strlen(line)) != 0) {
        return -1;
    }
    return load_reply(peer);
}

unsigned long load_number(const char *text, unsigned long max)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || value > max) {
        (void)fprintf(stderr, "not a number up to %lu: %s\n", max, text);
        exit(2);
    }
    return value;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

double load_quantile(double *values, size_t count, double share)
{
    if (count == 0) {
        return 0;
    }
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)(share * (double)(count - 1) + 0.5)];
}
