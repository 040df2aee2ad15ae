/* thread: loop (the connection's)
 * proxied.h - connections from the proxies of general.proxy_from: each tells
 * in a header of its own which client it carries. */
#ifndef MM_SERVER_PROXIED_H
#define MM_SERVER_PROXIED_H

#include "io/io.h"
#include "server/server.h"

struct mm_server_loop;

/* The header is waited for, then the session begins; else the connection ends.
 */
void mm_proxied_accept(struct mm_server *server, enum mm_service service,
                       struct mm_conn *conn);
/* Ends those of the loop that wait for their header in a former round of their
 * service: see struct mm_server. */
void mm_proxied_stop(struct mm_server_loop *server_loop,
                     const unsigned *rounds);

#endif
