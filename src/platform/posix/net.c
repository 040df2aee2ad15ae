/* net.c - sockets that listen, and addresses as the system writes them.
 *
 * Owns nothing: a socket is the caller's from the moment it is given out.
 * Promises non-blocking sockets that no child inherits. SO_REUSEADDR is set
 * because here it only lets a restart bind over connections in TIME_WAIT; two
 * listeners on one address are still refused, so nobody steals the port.
 * Thread: any. */
#include "platform/net.h"
#include "platform/posix/system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum mailmod_error set_options(int fd, enum mm_netaddr_family family)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        return mm_posix_error(errno);
    }
    /* Without it [::]:25 would take IPv4 too on some systems and not on
     * others, and 0.0.0.0:25 beside it would be refused. */
    if (family == MM_NETADDR_V6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
        return mm_posix_error(errno);
    }
    return MAILMOD_OK;
}

static enum mailmod_error bind_and_listen(int fd,
                                          const struct mm_netaddr *address,
                                          int backlog,
                                          struct mm_netaddr *bound_out)
{
    struct sockaddr_storage storage;
    socklen_t length = (socklen_t)mm_net_to_sockaddr(address, &storage);
    if (bind(fd, (const struct sockaddr *)&storage, length) != 0 ||
        listen(fd, backlog) != 0) {
        return mm_posix_error(errno);
    }
    length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &length) != 0) {
        return mm_posix_error(errno);
    }
    *bound_out = mm_net_from_sockaddr(&storage);
    return MAILMOD_OK;
}

enum mailmod_error mm_net_listen(const struct mm_netaddr *address, int backlog,
                                 mm_socket *socket_out,
                                 struct mm_netaddr *bound_out)
{
    if (address->family == MM_NETADDR_NONE || backlog < 1) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    int family = address->family == MM_NETADDR_V4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    fd = mm_posix_own(fd);
    if (fd < 0) {
        return mm_posix_error(errno);
    }
    enum mailmod_error error = set_options(fd, address->family);
    if (error == MAILMOD_OK) {
        error = bind_and_listen(fd, address, backlog, bound_out);
    }
    if (error != MAILMOD_OK) {
        mm_posix_close(fd);
        return error;
    }
    *socket_out = fd;
    return MAILMOD_OK;
}

enum mailmod_error mm_net_open_local(const char *path, mm_socket *socket_out)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    *socket_out = MM_SOCKET_NONE;
    if (strlen(path) >= sizeof name.sun_path) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        return mm_posix_error(errno);
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        connect(fd, (const struct sockaddr *)&name, sizeof name) != 0) {
        enum mailmod_error error = mm_posix_error(errno);
        close(fd);
        return error;
    }
    *socket_out = fd;
    return MAILMOD_OK;
}

enum mailmod_error mm_net_share(mm_socket socket, mm_socket *socket_out)
{
    int fd = fcntl((int)socket, F_DUPFD_CLOEXEC, MM_POSIX_FIRST_OWN);
    if (fd < 0) {
        return mm_posix_error(errno);
    }
    *socket_out = fd;
    return MAILMOD_OK;
}

void mm_net_close(mm_socket socket)
{
    mm_posix_close((int)socket);
}

void mm_net_end(mm_socket socket)
{
    (void)shutdown((int)socket, SHUT_RDWR);
}

int mm_net_to_sockaddr(const struct mm_netaddr *address,
                       struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    if (address->family == MM_NETADDR_V4) {
        struct sockaddr_in in4 = {.sin_family = AF_INET};
        in4.sin_port = htons(address->port);
        memcpy(&in4.sin_addr, address->bytes, 4);
        memcpy(storage, &in4, sizeof in4);
        return (int)sizeof in4;
    }
    if (address->family == MM_NETADDR_V6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
        in6.sin6_port = htons(address->port);
        in6.sin6_scope_id = address->scope;
        memcpy(&in6.sin6_addr, address->bytes, 16);
        memcpy(storage, &in6, sizeof in6);
        return (int)sizeof in6;
    }
    return 0;
}

struct mm_netaddr mm_net_from_sockaddr(const struct sockaddr_storage *storage)
{
    struct mm_netaddr none = {MM_NETADDR_NONE, {0}, 0, 0};
    if (storage->ss_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, storage, sizeof in4);
        return mm_netaddr_v4((const uint8_t *)&in4.sin_addr,
                             ntohs(in4.sin_port));
    }
    if (storage->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, storage, sizeof in6);
        struct mm_netaddr address =
            mm_netaddr_v6(in6.sin6_addr.s6_addr, ntohs(in6.sin6_port));
        if (address.family == MM_NETADDR_V6) {
            address.scope = in6.sin6_scope_id;
        }
        return address;
    }
    return none;
}

enum mailmod_error mm_net_host_name(char *name_out, size_t size)
{
    /* gethostname leaves out the NUL, in silence, when the name does not
     * fit: ask with room to spare and measure. */
    char name[512];
    if (gethostname(name, sizeof name - 1) != 0) {
        return mm_posix_error(errno);
    }
    name[sizeof name - 1] = '\0';
    size_t length = strlen(name);
    if (length == 0) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    if (length >= size) {
        return MAILMOD_ERROR_LIMIT;
    }
    memcpy(name_out, name, length + 1);
    return MAILMOD_OK;
}

int mm_net_copy_sockaddr(const struct mm_netaddr *address, void *out, int size)
{
    struct sockaddr_storage storage;
    int length = mm_net_to_sockaddr(address, &storage);

    if (length > size) {
        return -length;
    }
    memcpy(out, &storage, (size_t)length);
    return length;
}

/* One number of what an entry has that changes with its file. */
static uint64_t mix(uint64_t stamp, uint64_t value)
{
    return (stamp ^ value) * UINT64_C(0x9e3779b97f4a7c15) + (stamp >> 29);
}

uint64_t mm_net_servers_stamp(const char *file)
{
    struct stat status;
    if (stat(file != NULL ? file : "/etc/resolv.conf", &status) != 0) {
        return 0;
    }
    uint64_t stamp = mix(1, (uint64_t)status.st_dev);
    stamp = mix(stamp, (uint64_t)status.st_ino);
    stamp = mix(stamp, (uint64_t)status.st_size);
    stamp = mix(stamp, (uint64_t)status.st_mtim.tv_sec);
    return mix(stamp, (uint64_t)status.st_mtim.tv_nsec);
}

bool mm_net_hosts_file(char path_out[MM_NET_PATH_MAX])
{
    return mm_span_copy(mm_span_cstr("/etc/hosts"), path_out, MM_NET_PATH_MAX);
}
