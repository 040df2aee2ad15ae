/* thread: loop
 * dialler.h - the way to an open connection: straight, or through a proxy. All
 * that goes out dials here.
 *
 * Law: start -> exactly one of handler->on_open and on_failed, neither from
 * inside the call; none of them after mm_dialler_stop. From on_open on the
 * connection is its owner's, with the owner's handler. */
#ifndef MM_CLIENT_DIALLER_H
#define MM_CLIENT_DIALLER_H

#include "config/proxy.h"
#include "io/io.h"

struct mm_dialler_options {
    struct mm_loop *loop;
    struct mm_resolver *resolver; /* for a proxy that is given by its name */
    /* The name in A-labels, which outlives the dial. Without an address the
     * proxy looks it up. */
    struct mm_endpoint target;
    struct mm_netaddr source; /* of a straight connection; NONE: any */
    uint64_t timeout_ms;      /* of a straight connection */
    const struct mm_config_proxy *proxy; /* NULL: straight; outlives the dial */
    uint64_t proxy_ms;                   /* of each step through it */
    const struct mm_conn_handler *handler; /* of the open connection */
    /* `words` say what failed, and through which proxy. */
    void (*on_failed)(void *context, enum mailmod_error error,
                      const char *words);
    void *context;
};

struct mm_dialler_proxied;

/* Lives in its owner's object, zeroed before its first use. */
struct mm_dialler {
    struct mm_dialler_options options;
    struct mm_conn *conn; /* NULL: none that is not open */
    struct mm_dialler_proxied *proxied;
};

/* Again once it has told its end. An error is the end, too. */
MM_CHECK enum mailmod_error
mm_dialler_start(struct mm_dialler *dialler,
                 const struct mm_dialler_options *options);
/* At once; harmless when nothing runs. */
void mm_dialler_stop(struct mm_dialler *dialler);

#endif
