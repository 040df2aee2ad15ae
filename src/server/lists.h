/* thread: any
 * lists.h - the white, black and grey list: rules of files, of settings and of
 * the store, common ones and those of users. */
#ifndef MM_SERVER_LISTS_H
#define MM_SERVER_LISTS_H

#include "config/config.h"
#include "io/io.h"
#include "server/rule.h"
#include "store/store.h"

#include <stdatomic.h>

struct mm_mutex;
struct mm_rules; /* all rules of one moment; they never change */

/* Those of a server. Zeroed, then mm_lists_init. */
struct mm_lists {
    struct mm_store *store;
    struct mm_workers *workers;
    const struct mm_log *log;
    struct mm_job job;
    atomic_flag is_busy; /* a look is on its way */
    atomic_llong looked_ms;
    atomic_bool has_rules;     /* false spares every connection the lock */
    struct mm_mutex *mutex;    /* guards what follows */
    struct mm_config *config;  /* what they are read by; a reference */
    struct mm_rules *present;  /* NULL: there is no rule */
    uint64_t state;            /* of all they were read from, as a hash */
    struct mm_config *read_by; /* ... and under which configuration */
};

MM_CHECK enum mailmod_error mm_lists_init(struct mm_lists *lists,
                                          const struct mm_log *log);
void mm_lists_fini(struct mm_lists *lists); /* when the workers are gone */
/* Before the loops run: reads them. */
void mm_lists_attach(struct mm_lists *lists, struct mm_store *store,
                     struct mm_workers *workers);
/* From now on; reads them anew when there is a store. thread: not a loop */
void mm_lists_set_config(struct mm_lists *lists, struct mm_config *config);
/* Reads them once and tells the log what is wrong with them; `store` may be
 * NULL. MEMORY. thread: not a loop */
MM_CHECK enum mailmod_error mm_lists_check(const struct mm_log *log,
                                           struct mm_config *config,
                                           struct mm_store *store);
/* The present rules, a reference; NULL: none. Files and store are looked at
 * again on a worker, every few seconds at most. `now_ms` is a loop's. */
struct mm_rules *mm_lists_use(struct mm_lists *lists, uint64_t now_ms);

struct mm_rules *mm_rules_ref(struct mm_rules *rules);
void mm_rules_unref(struct mm_rules **rules); /* NULL is all right */
/* Has any user a rule? */
bool mm_rules_have_users(const struct mm_rules *rules);
/* The first rule of the list that answers something else than no, common ones
 * (mailbox 0) or those of a user. `text_out`: that rule, for logs. */
enum mm_rule_answer mm_rules_ask(const struct mm_rules *rules,
                                 enum mm_rule_list list, uint64_t mailbox_id,
                                 const struct mm_rule_facts *facts,
                                 const char **text_out);
/* The zones of the DNS that belong to the list. */
const struct mm_string_list *mm_rules_zones(const struct mm_rules *rules,
                                            enum mm_rule_list list);
const char *mm_rule_list_name(enum mm_rule_list list);

#endif
