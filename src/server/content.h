/* thread: any
 * content.h - the rules of content.rules_file: what mail may be about, judged
 * at the end of a message. */
#ifndef MM_SERVER_CONTENT_H
#define MM_SERVER_CONTENT_H

#include "config/config.h"
#include "io/io.h"
#include "server/content_rule.h"

#include <stdatomic.h>

struct mm_mutex;
struct mm_content_rules; /* all rules of one moment; they never change */

/* Those of a server. Zeroed, then mm_content_init. */
struct mm_content {
    struct mm_workers *workers;
    const struct mm_log *log;
    struct mm_job job;
    atomic_flag is_busy; /* a look is on its way */
    atomic_llong looked_ms;
    atomic_bool is_set;               /* false spares every message the lock */
    struct mm_mutex *mutex;           /* guards what follows */
    struct mm_config *config;         /* a reference */
    struct mm_content_rules *present; /* NULL: there is no rule */
    uint64_t state;                   /* of the file, as a hash */
    struct mm_config *read_by;        /* ... and under which configuration */
};

MM_CHECK enum mailmod_error mm_content_init(struct mm_content *content,
                                            const struct mm_log *log);
void mm_content_fini(struct mm_content *content); /* without workers */
/* Before the loops run: reads them. */
void mm_content_attach(struct mm_content *content, struct mm_workers *workers);
/* From now on; reads them anew once it is attached. thread: not a loop */
void mm_content_set_config(struct mm_content *content,
                           struct mm_config *config);
/* Reads them once and tells the log what is wrong with them. MEMORY.
 * thread: not a loop */
MM_CHECK enum mailmod_error mm_content_check(const struct mm_log *log,
                                             struct mm_config *config);
/* The present rules, a reference; NULL: none. The file is looked at again on a
 * worker, every few seconds at most. `now_ms` is a loop's. */
struct mm_content_rules *mm_content_use(struct mm_content *content,
                                        uint64_t now_ms);
void mm_content_rules_unref(struct mm_content_rules **rules); /* or NULL */

struct mm_content_verdict {
    const struct mm_reply *reply; /* NULL: it passes; as long as the rules */
    struct mm_changes changes;    /* what is wanted then */
    const char *rule; /* the last that was meant, for logs; NULL: none was */
};
/* By the rules, in their order. `verdict` is zeroed, and its changes are to be
 * cleared. MEMORY, LIMIT: there is no verdict. Takes long: on a worker. */
MM_CHECK enum mailmod_error
mm_content_rules_ask(const struct mm_content_rules *rules,
                     const struct mm_content_facts *facts,
                     struct mm_content_verdict *verdict);

#endif
