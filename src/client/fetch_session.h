/* thread: loop
 * fetch_session.h - one visit to a mailbox elsewhere: looks what is there,
 * takes over what is new, deletes what is to go. */
#ifndef MM_CLIENT_FETCH_SESSION_H
#define MM_CLIENT_FETCH_SESSION_H

#include "client/peer_tls.h"
#include "client/token.h"
#include "config/config.h"
#include "io/io.h"
#include "post/post.h"
#include "store/store.h"

struct mm_fetch_session;

struct mm_fetch_session_options {
    struct mm_loop *loop;
    struct mm_resolver *resolver;
    struct mm_workers *workers;
    struct mm_store *store;
    struct mm_post *post;
    const struct mm_log *log;
    struct mm_token_source tokens;
    struct mm_config *config;              /* a reference is taken */
    struct mm_peer_tls tls;                /* likewise */
    const struct mm_config_fetch *account; /* copied */
    bool only_counts;                      /* nothing is fetched or deleted */
    /* A message that was refused here some time ago, and one that is now: it
     * need not be read again at every visit. */
    bool (*was_left)(void *context, const char *key);
    void (*leave)(void *context, const char *key);
    /* It came on. */
    void (*on_progress)(void *context, const struct mm_store_fetch *result);
    /* The end, once; never from inside a call of the owner's. What it came to
     * is on disk, or cannot be put there. */
    void (*on_gone)(void *context, enum mailmod_error error,
                    const struct mm_store_fetch *result);
    void *context;
};

MM_CHECK enum mailmod_error
mm_fetch_session_new(struct mm_fetch_session **session_out,
                     const struct mm_fetch_session_options *options);
/* Before the start, or from on_gone on. */
void mm_fetch_session_free(struct mm_fetch_session **session);
void mm_fetch_session_start(struct mm_fetch_session *session);
/* After the message that is being read. */
void mm_fetch_session_stop(struct mm_fetch_session *session);
/* Now; what was not taken over whole stays there. */
void mm_fetch_session_cut(struct mm_fetch_session *session);

#endif
