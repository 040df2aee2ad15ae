/* guest.h - what the programs guest_*.c share: a peer that speaks a line at a
 * time, the settings of a host that keeps to itself, and a count of what a
 * process holds. Linux's /proc tells that. */
#ifndef GUEST_H
#define GUEST_H

#include "mailmod.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Under a sanitizer the heap is its own, and freed memory is kept. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GUEST_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GUEST_IS_SANITIZED 1
#endif
#endif
#ifndef GUEST_IS_SANITIZED
#define GUEST_IS_SANITIZED 0
#endif

/* A connected socket that gives up after a minute, or -1. */
static inline int guest_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct timeval wait = {.tv_sec = 60};
    int peer = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(peer, (struct sockaddr *)&address, sizeof address) != 0) {
        close(peer);
        return -1;
    }
    return peer;
}

/* Sends a line and reads until `expected` came: true, or the peer closed. */
static inline int guest_ask(int peer, const char *line, const char *expected)
{
    char answer[8192];
    size_t size = 0;

    if (send(peer, line, strlen(line), MSG_NOSIGNAL) < 0) {
        return 0;
    }
    while (size < sizeof answer - 1) {
        ssize_t got = recv(peer, answer + size, sizeof answer - 1 - size, 0);

        if (got <= 0) {
            return 0;
        }
        size += (size_t)got;
        answer[size] = '\0';
        if (strstr(answer, expected) != NULL) {
            return 1;
        }
    }
    return 0;
}

static inline int guest_deliver(int port)
{
    int peer = guest_connect(port);
    int is_good =
        guest_ask(peer, "", "220 ") &&
        guest_ask(peer, "EHLO c.test\r\n", "250 ") &&
        guest_ask(peer, "MAIL FROM:<a@c.test>\r\n", "250 2.1.0") &&
        guest_ask(peer, "RCPT TO:<demo@mail.test>\r\n", "250 2.1.5") &&
        guest_ask(peer, "DATA\r\n", "354") &&
        guest_ask(peer, "Subject: x\r\n\r\nhello\r\n.\r\n", "250 2.6.0") &&
        guest_ask(peer, "QUIT\r\n", "221");

    close(peer);
    return is_good;
}

/* A POP3 session of demo's, or -1. The mailbox may still be that of a session
 * that has just ended (RFC 1939, section 3: one at a time). */
static inline int guest_log_in(int port)
{
    for (int i = 0; i < 500; i++) {
        char answer[256];
        int peer = guest_connect(port);
        int is_asked = guest_ask(peer, "", "+OK") &&
                       guest_ask(peer, "USER demo\r\n", "+OK") &&
                       send(peer, "PASS secret\r\n", 13, MSG_NOSIGNAL) > 0;

        if (is_asked && recv(peer, answer, sizeof answer, 0) > 0 &&
            answer[0] == '+') {
            return peer;
        }
        close(peer);
        usleep(10000);
    }
    return -1;
}

/* Reads the first message there is, and deletes it. */
static inline int guest_read_back(int port)
{
    int peer = guest_log_in(port);
    int is_good = guest_ask(peer, "RETR 1\r\n", "\r\nhello\r\n.\r\n") &&
                  guest_ask(peer, "DELE 1\r\n", "+OK") &&
                  guest_ask(peer, "QUIT\r\n", "+OK");

    close(peer);
    return is_good;
}

/* Name and value by turns, ended by NULL: loopback, ports of the system's. */
static const char *const guest_settings[] = {"general.host_name",
                                             "mail.test",
                                             "local.domains",
                                             "mail.test",
                                             "smtp.listen",
                                             "127.0.0.1:0",
                                             "submission.listen",
                                             "",
                                             "submissions.listen",
                                             "",
                                             "pop3.listen",
                                             "127.0.0.1:0",
                                             "pop3s.listen",
                                             "",
                                             "pop3.allows_clear_login",
                                             "true",
                                             NULL};

struct guest_holdings {
    size_t threads;
    size_t descriptors;
    size_t regions; /* of memory that is mapped */
    size_t heap;    /* octets in use; 0 under a sanitizer */
    size_t resident_kb;
};

static inline size_t guest_count_entries(const char *folder)
{
    DIR *handle = opendir(folder);
    size_t count = 0;

    while (handle != NULL && readdir(handle) != NULL) {
        count++;
    }
    if (handle != NULL) {
        closedir(handle);
    }
    return count;
}

static inline void guest_measure(struct guest_holdings *holdings_out)
{
    char line[512];
    FILE *file;

    memset(holdings_out, 0, sizeof *holdings_out);
    /* Both with "." and ".."; the second with the folder's own descriptor. */
    holdings_out->threads = guest_count_entries("/proc/self/task") - 2;
    holdings_out->descriptors = guest_count_entries("/proc/self/fd") - 3;
    holdings_out->heap = GUEST_IS_SANITIZED ? 0 : mallinfo2().uordblks;
    file = fopen("/proc/self/maps", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        holdings_out->regions++;
    }
    if (file != NULL) {
        fclose(file);
    }
    file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            holdings_out->resident_kb = strtoul(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

#endif
