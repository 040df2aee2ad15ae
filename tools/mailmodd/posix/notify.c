/* notify.c - sd_notify(3) without libsystemd: one datagram to the socket that
 * NOTIFY_SOCKET names, a path or, with @ in front, an abstract name. Without
 * the variable nothing happens; a failure is nobody's loss. */
#include "../system.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int system_has_status(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

void system_notify(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    size_t size = name == NULL ? 0 : strlen(name);
    if (size < 2 || size >= sizeof address.sun_path ||
        (name[0] != '/' && name[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, name, size);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) {
        return;
    }
    ssize_t sent =
        sendto(socket_fd, state, strlen(state), MSG_NOSIGNAL,
               (const struct sockaddr *)(const void *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
    (void)sent;
    (void)close(socket_fd);
}

/* Type=notify-reload wants the moment at which the reload began. */
void system_notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char state[96];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)now.tv_sec * 1000000ULL +
                 (unsigned long long)now.tv_nsec / 1000ULL);
    system_notify(state);
}
