/* thread: any, except where said
 * server.h - listeners and sessions of one instance, SMTP and POP3.
 *
 * Owns the listeners, the settings snapshot that new sessions begin with, the
 * counts of sessions, and on each loop the list of its sessions. */
#ifndef MM_SERVER_SERVER_H
#define MM_SERVER_SERVER_H

#include "post/post.h"
#include "server/observer.h"
#include "server/request.h"
#include "server/settings.h"

struct mm_server;

struct mm_server_options {
    struct mm_loop *const *loops;
    struct mm_resolver *const *resolvers; /* one for each of the loops */
    size_t loop_count;
    const struct mm_log *log;
    struct mm_settings *settings; /* a reference is taken */
    struct mm_post *post;         /* who gets a message, and the way of it */
    struct mm_hooks hooks;        /* ask NULL: the host is never asked */
    struct mm_observer observer;  /* of sessions */
};

MM_CHECK enum mailmod_error
mm_server_new(struct mm_server **server_out,
              const struct mm_server_options *options);
/* After the loops stopped, or before they ran. */
void mm_server_free(struct mm_server **server);
/* Before the loops run: what sessions work with. Apart from mm_server_new,
 * because listeners may be bound with rights that the store must not have. */
void mm_server_attach(struct mm_server *server, struct mm_store *store,
                      struct mm_workers *workers);
/* Binds every address of the configuration: all or none. The address that
 * failed is named in `reason_out`. Accepting begins when the loops run. */
MM_CHECK enum mailmod_error mm_server_listen(struct mm_server *server,
                                             struct mm_buf *reason_out);
/* The same for one service, while the loops run or before. `port` 0: those of
 * the configuration; above: that one; below: a free one, the same for all its
 * addresses. EXISTS when it is open, CONFIG when it has no address, the
 * network's errors. thread: not a loop */
MM_CHECK enum mailmod_error mm_server_open_service(struct mm_server *server,
                                                   enum mm_service service,
                                                   int port,
                                                   struct mm_buf *reason_out);
/* Closes its listeners; its sessions are told as by mm_server_stop. It may be
 * opened again while they end. NOT_FOUND when it is not open. thread: not a
 * loop */
MM_CHECK enum mailmod_error mm_server_close_service(struct mm_server *server,
                                                    enum mm_service service);
/* Appends the addresses of its listeners, "127.0.0.1:2525,[::1]:2525"; nothing
 * when it is not open. thread: not a loop */
MM_CHECK enum mailmod_error mm_server_addresses(struct mm_server *server,
                                                enum mm_service service,
                                                struct mm_buf *out);
/* The port of the service's first listener; 0: none. thread: not a loop */
unsigned mm_server_port(struct mm_server *server, enum mm_service service);
/* New sessions begin with these. Takes a reference. */
void mm_server_set_settings(struct mm_server *server,
                            struct mm_settings *settings);
/* At which moments the host is asked from now on; open questions stay. */
void mm_server_set_moments(struct mm_server *server, unsigned moments);
/* Not from a loop. No new sessions; those between two commands are told 421 or
 * [SYS/TEMP] and closed, the others when they get there. */
void mm_server_stop(struct mm_server *server);
/* Sessions. What the store still has in hand for them is the post office's. */
size_t mm_server_busy(struct mm_server *server);
/* Not from a loop. Cuts what is left, on each loop. */
void mm_server_cut(struct mm_server *server);

#endif
