/* net.c - sockets that listen, and addresses as Windows writes them.
 *
 * Owns nothing: a socket is the caller's from the moment it is given out.
 * Winsock is started once, before the first socket, and never ended: libuv
 * does the same and takes over sockets of ours, so that no count of them could
 * say when the last is gone. Promises non-blocking sockets that no child
 * inherits, overlapped as a completion port wants them. Not SO_REUSEADDR:
 * here it lets another process steal the port. SO_EXCLUSIVEADDRUSE forbids
 * that, whatever the other one sets.
 * Thread: any. */
#include "platform/net.h"
#include "platform/windows/system.h"

#include <string.h>

static BOOL CALLBACK start_winsock(PINIT_ONCE once, PVOID parameter,
                                   PVOID *context)
{
    (void)once;
    (void)parameter;
    (void)context;
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data) == 0;
}

static enum mailmod_error need_winsock(void)
{
    /* Winsock itself is the process's, and so is the mark that it runs. */
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    return InitOnceExecuteOnce(&once, start_winsock, NULL, NULL)
               ? MAILMOD_OK
               : MAILMOD_ERROR_SYSTEM;
}

static enum mailmod_error last_error(void)
{
    return mm_windows_error((unsigned long)WSAGetLastError());
}

static enum mailmod_error set_options(SOCKET handle,
                                      enum mm_netaddr_family family)
{
    DWORD on = 1;
    u_long is_non_blocking = 1;
    if (setsockopt(handle, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&on,
                   sizeof on) != 0 ||
        ioctlsocket(handle, FIONBIO, &is_non_blocking) != 0) {
        return last_error();
    }
    /* On by default here; said all the same. */
    if (family == MM_NETADDR_V6 &&
        setsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, (const char *)&on,
                   sizeof on) != 0) {
        return last_error();
    }
    return MAILMOD_OK;
}

static enum mailmod_error bind_and_listen(SOCKET handle,
                                          const struct mm_netaddr *address,
                                          int backlog,
                                          struct mm_netaddr *bound_out)
{
    struct sockaddr_storage storage;
    int length = mm_net_to_sockaddr(address, &storage);
    if (bind(handle, (const struct sockaddr *)&storage, length) != 0 ||
        listen(handle, backlog) != 0) {
        return last_error();
    }
    length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    if (getsockname(handle, (struct sockaddr *)&storage, &length) != 0) {
        return last_error();
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
    enum mailmod_error error = need_winsock();
    if (error != MAILMOD_OK) {
        return error;
    }
    int family = address->family == MM_NETADDR_V4 ? AF_INET : AF_INET6;
    SOCKET handle =
        WSASocketW(family, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                   WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (handle == INVALID_SOCKET) {
        return last_error();
    }
    error = set_options(handle, address->family);
    if (error == MAILMOD_OK) {
        error = bind_and_listen(handle, address, backlog, bound_out);
    }
    if (error != MAILMOD_OK) {
        (void)closesocket(handle);
        return error;
    }
    *socket_out = (mm_socket)handle;
    return MAILMOD_OK;
}

enum mailmod_error mm_net_open_local(const char *path, mm_socket *socket_out)
{
    (void)path;
    *socket_out = MM_SOCKET_NONE;
    return MAILMOD_ERROR_UNSUPPORTED;
}

enum mailmod_error mm_net_share(mm_socket socket, mm_socket *socket_out)
{
    (void)socket;
    (void)socket_out;
    return MAILMOD_ERROR_STATE;
}

void mm_net_close(mm_socket socket)
{
    if (socket != MM_SOCKET_NONE) {
        (void)closesocket((SOCKET)socket);
    }
}

/* There is no fork, and no child inherits a socket of ours. */
void mm_net_end(mm_socket socket)
{
    (void)socket;
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
        struct mm_netaddr address = mm_netaddr_v6(
            (const uint8_t *)&in6.sin6_addr, ntohs(in6.sin6_port));
        if (address.family == MM_NETADDR_V6) {
            address.scope = in6.sin6_scope_id;
        }
        return address;
    }
    return none;
}

enum mailmod_error mm_net_host_name(char *name_out, size_t size)
{
    WCHAR wide[256];
    DWORD count = sizeof wide / sizeof wide[0];
    if (!GetComputerNameExW(ComputerNameDnsHostname, wide, &count)) {
        return mm_windows_error(GetLastError());
    }
    return mm_windows_utf8(wide, name_out, size);
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

/* The adapters' settings, which no file shows. */
uint64_t mm_net_servers_stamp(const char *file)
{
    (void)file;
    return GetTickCount64() / 60000;
}

bool mm_net_hosts_file(char path_out[MM_NET_PATH_MAX])
{
    static const WCHAR tail[] = L"\\drivers\\etc\\hosts";
    WCHAR wide[MAX_PATH + sizeof tail / sizeof tail[0]];
    UINT size = GetSystemDirectoryW(wide, MAX_PATH);
    if (size == 0 || size >= MAX_PATH) {
        return false;
    }
    memcpy(wide + size, tail, sizeof tail);
    return mm_windows_utf8(wide, path_out, MM_NET_PATH_MAX) == MAILMOD_OK;
}
