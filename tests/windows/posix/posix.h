/* posix.h - what the unit tests take of POSIX, for the Windows build alone: it
 * is put before each of their sources. Not for the library: these are the
 * short cuts of tests, which hold a few small sockets as numbers.
 * Thread: any. */
#ifndef TESTS_WINDOWS_POSIX_H
#define TESTS_WINDOWS_POSIX_H

#include <winsock2.h>
#include <ws2tcpip.h>

#include <direct.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Names that tests may have for themselves. */
#undef far
#undef near
#undef FAR
#undef NEAR
#undef small
#undef interface
#define FAR
#define NEAR

#define SOCK_CLOEXEC 0
#define MSG_NOSIGNAL 0
#define SHUT_WR SD_SEND
#define SIGPIPE 21 /* SIGBREAK: a number that signal takes */
#define RLIMIT_NOFILE 0

typedef int rlim_t;

static inline char *posix_mkdtemp(char *name)
{
    char *end = name + strlen(name) - 6;
    for (unsigned i = 0; i < 1000; i++) {
        unsigned number = 0;
        char digits[9];
        (void)rand_s(&number);
        snprintf(digits, sizeof digits, "%06x", number & 0xffffffU);
        memcpy(end, digits, 6);
        if (_mkdir(name) == 0) {
            return name;
        }
    }
    return NULL;
}

static inline int posix_socket(int family, int type, int protocol)
{
    WSADATA data;
    (void)WSAStartup(MAKEWORD(2, 2), &data);
    return (int)socket(family, type, protocol);
}

static inline int posix_close(int fd)
{
    return closesocket((SOCKET)fd) == 0 ? 0 : _close(fd);
}

static inline int posix_setsockopt(int fd, int level, int name,
                                   const void *value, int size)
{
    DWORD wait_ms;
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO)) {
        const struct timeval *wait = value;
        wait_ms = (DWORD)(wait->tv_sec * 1000 + wait->tv_usec / 1000);
        value = &wait_ms;
        size = sizeof wait_ms;
    }
    return setsockopt((SOCKET)fd, level, name, value, size);
}

static inline ssize_t posix_recv(int fd, void *bytes, size_t size, int flags)
{
    return recv((SOCKET)fd, bytes, (int)size, flags);
}

static inline ssize_t posix_send(int fd, const void *bytes, size_t size,
                                 int flags)
{
    return send((SOCKET)fd, bytes, (int)size, flags);
}

/* Two ends of a connection on loopback: poll takes nothing else here. */
static inline int posix_pipe(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int size = sizeof address;
    int listener = posix_socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ends[1] = posix_socket(AF_INET, SOCK_STREAM, 0);
    int result =
        bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                listen(listener, 1) == 0 &&
                getsockname(listener, (struct sockaddr *)&address, &size) ==
                    0 &&
                connect(ends[1], (struct sockaddr *)&address, sizeof address) ==
                    0
            ? 0
            : -1;
    ends[0] = (int)accept(listener, NULL, NULL);
    (void)closesocket(listener);
    return result;
}

#define mkdtemp posix_mkdtemp
#define socket(family, type, protocol) posix_socket(family, type, protocol)
#define close(fd) posix_close(fd)
#define setsockopt(fd, level, name, value, size)                               \
    posix_setsockopt(fd, level, name, value, size)
#define recv(fd, bytes, size, flags) posix_recv(fd, bytes, size, flags)
#define send(fd, bytes, size, flags) posix_send(fd, bytes, size, flags)
#define recvfrom(fd, bytes, size, flags, from, length)                         \
    recvfrom((SOCKET)(fd), (char *)(bytes), (int)(size), flags, from, length)
#define sendto(fd, bytes, size, flags, to, length)                             \
    sendto((SOCKET)(fd), (const char *)(bytes), (int)(size), flags, to, length)
#define write(fd, bytes, size) posix_send(fd, bytes, size, 0)
#define pipe(ends) posix_pipe(ends)
#define poll(fds, count, wait_ms) WSAPoll(fds, count, wait_ms)

#endif
