/* thread: any - what the load generators share: lines from a socket, times.
 *
 * Blocking sockets and a thread a client: the generator must cost little and
 * be simple, not scale. */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <stddef.h>

#define LOAD_THREADS_MAX 256

/* A connection with what was read of it and not yet taken. */
struct load_peer {
    int socket;
    size_t begin;
    size_t end;
    unsigned long long received;
    char input[65536];
};

double load_now_ms(void);
/* 0, or -1 with everything closed. */
int load_connect(struct load_peer *peer, const char *host, const char *port);
void load_close(struct load_peer *peer);
int load_send(struct load_peer *peer, const char *bytes, size_t size);
/* The next line with its end; it lives until the next call. */
int load_line(struct load_peer *peer, const char **line_out, size_t *size_out);
/* Reads a whole SMTP reply; its code, or -1. */
int load_reply(struct load_peer *peer);
/* Sends a line of SMTP and reads its reply. */
int load_ask(struct load_peer *peer, const char *line);
unsigned long load_number(const char *text, unsigned long max);
/* The value at `share` (0 to 1) of the sorted values. */
double load_quantile(double *values, size_t count, double share);

#endif
