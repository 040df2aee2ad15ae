/* thread: any, except where a function says otherwise
 * fetch.h - fetches mail from mailboxes elsewhere, by the accounts of the
 * configuration: at their intervals, some at a time, and when a tool or the
 * host wishes it (mm_store_wish_fetch). One value an instance, on one loop. */
#ifndef MM_CLIENT_FETCH_H
#define MM_CLIENT_FETCH_H

#include "client/token.h"
#include "config/config.h"
#include "io/io.h"
#include "post/post.h"
#include "store/store.h"

struct mm_fetcher;

/* A configuration and the TLS contexts made from it. */
struct mm_fetch_settings;
MM_CHECK enum mailmod_error
mm_fetch_settings_new(struct mm_fetch_settings **settings_out,
                      struct mm_config *config, struct mm_buf *reason_out);
void mm_fetch_settings_free(struct mm_fetch_settings **settings);

struct mm_fetcher_options {
    struct mm_loop *loop;
    struct mm_resolver *resolver; /* the loop's */
    struct mm_workers *workers;
    struct mm_store *store;
    struct mm_post *post;
    const struct mm_log *log;
    struct mm_token_source tokens;
};
/* Before the loop runs. Takes the settings, also on an error. */
MM_CHECK enum mailmod_error
mm_fetcher_new(struct mm_fetcher **fetcher_out,
               const struct mm_fetcher_options *options,
               struct mm_fetch_settings **settings);
/* After the loop stopped. */
void mm_fetcher_free(struct mm_fetcher **fetcher);
/* From then on it fetches. */
void mm_fetcher_start(struct mm_fetcher *fetcher);
/* Takes the settings: for the visits that begin from now on. */
void mm_fetcher_use(struct mm_fetcher *fetcher,
                    struct mm_fetch_settings **settings);
/* One visit that somebody waits for; lives in his object until on_end. */
struct mm_fetch_visit {
    /* His, before the call. */
    char name[MM_STORE_FETCH_NAME_MAX];
    bool only_counts;
    /* thread: loop. on_end comes once: OK, the cause, NOT_FOUND, STOPPED; with
     * `result` NULL when no visit was made. */
    void (*on_progress)(struct mm_fetch_visit *visit,
                        const struct mm_store_fetch *result);
    void (*on_end)(struct mm_fetch_visit *visit, enum mailmod_error error,
                   const struct mm_store_fetch *result);
    /* The fetcher's. */
    struct mm_task task;
    struct mm_fetcher *fetcher;
    struct mm_list node;
};
/* Before the stop. */
void mm_fetcher_visit(struct mm_fetcher *fetcher, struct mm_fetch_visit *visit);
/* No new visits; those that run end after their present message. */
void mm_fetcher_stop(struct mm_fetcher *fetcher);
/* Visits in work. */
size_t mm_fetcher_visits(const struct mm_fetcher *fetcher);
/* These, and questions to the store and tasks that are still to run. */
size_t mm_fetcher_busy(const struct mm_fetcher *fetcher);
/* Ends them now; what was not taken over whole stays at its server. */
void mm_fetcher_cut(struct mm_fetcher *fetcher);

#endif
