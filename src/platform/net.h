/* thread: any
 * net.h - what sockets need of the system that libuv does not give. */
#ifndef MM_PLATFORM_NET_H
#define MM_PLATFORM_NET_H

#include "base/error.h"
#include "base/netaddr.h"

#if defined(__GNUC__) || defined(_MSC_VER)
typedef intptr_t mm_socket; /* a descriptor, or a SOCKET: never truncated */
#endif
#define MM_SOCKET_NONE ((mm_socket)-1)

struct sockaddr_storage;

/* Binds and listens, with the options that are safe on the system: address
 * reuse where it only skips TIME_WAIT, exclusive use where reuse would let
 * another process steal the port; IPv6 sockets take IPv6 only.
 * ADDRESS_IN_USE, ACCESS, ARGUMENT, SYSTEM. The bound address (with the
 * real port when 0 was asked) goes to `bound_out`. */
MM_CHECK enum mailmod_error mm_net_listen(const struct mm_netaddr *address,
                                          int backlog, mm_socket *socket_out,
                                          struct mm_netaddr *bound_out);
/* A connection to a socket in the file system (AF_UNIX). NOT_FOUND, ACCESS,
 * CONNECTION_REFUSED, ARGUMENT for a path that is too long; UNSUPPORTED where
 * the system has none. */
MM_CHECK enum mailmod_error mm_net_open_local(const char *path,
                                              mm_socket *socket_out);
/* Another descriptor of the same listening socket for another loop, or
 * STATE where the system has one completion port a socket. */
MM_CHECK enum mailmod_error mm_net_share(mm_socket socket,
                                         mm_socket *socket_out);
void mm_net_close(mm_socket socket);
/* Before the close: ends the connection, or the listening, whoever else has a
 * descriptor of it. A worker that the host forks and does not execute has one
 * of each, and would keep it open. */
void mm_net_end(mm_socket socket);

/* `storage` has room for a sockaddr_storage; returns the length used. */
int mm_net_to_sockaddr(const struct mm_netaddr *address,
                       struct sockaddr_storage *storage);
/* The same into memory of any size: the length, or negated when `size` is too
 * small and nothing was written. */
int mm_net_copy_sockaddr(const struct mm_netaddr *address, void *out, int size);
struct mm_netaddr mm_net_from_sockaddr(const struct sockaddr_storage *storage);
/* Room for a path of the system's own, with NUL. */
#define MM_NET_PATH_MAX 512
/* Another number when the system's choice of name servers may be another one:
 * from the entry of `file`, or of the system's resolv.conf (NULL). Where there
 * is no such file it changes once a minute. */
uint64_t mm_net_servers_stamp(const char *file);
/* The system's hosts file; false when its path does not fit. */
bool mm_net_hosts_file(char path_out[MM_NET_PATH_MAX]);
/* The host's own name as the system knows it, NUL-terminated. */
MM_CHECK enum mailmod_error mm_net_host_name(char *name_out, size_t size);

#endif
