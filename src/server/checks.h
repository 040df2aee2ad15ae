/* thread: any
 * checks.h - the password checks of all sessions on their way to the workers.
 *
 * A check costs a worker milliseconds on purpose. So only logins.checks_max run
 * at a time, and those that wait take turns by network: whoever sends many
 * waits for himself. */
#ifndef MM_SERVER_CHECKS_H
#define MM_SERVER_CHECKS_H

#include "base/map.h"
#include "io/io.h"

struct mm_mutex;

/* One check; lives in its owner's object. */
struct mm_check {
    struct mm_list node;
    struct mm_job *job;
};

struct mm_checks {
    struct mm_workers *workers;
    struct mm_mutex *mutex; /* guards what follows */
    unsigned running_max;
    unsigned running;
    struct mm_map networks; /* those with a check that waits */
    struct mm_list known;   /* of them those where somebody came in lately */
    struct mm_list strange; /* the others */
    bool is_strangers_turn;
};

MM_CHECK enum mailmod_error mm_checks_init(struct mm_checks *checks,
                                           uint64_t seed);
/* One at first. */
void mm_checks_set_max(struct mm_checks *checks, unsigned running_max);
void mm_checks_fini(struct mm_checks *checks); /* when none is out */
/* Runs the job on a worker, at once or later; `is_known`: somebody came in from
 * there lately. On an error its `done` never comes. A check whose turn comes
 * when the workers have no room is done without having run. */
MM_CHECK enum mailmod_error mm_checks_submit(struct mm_checks *checks,
                                             struct mm_check *check,
                                             const struct mm_netaddr *peer,
                                             bool is_known);
/* thread: worker. To be called by the job itself when it has run. */
void mm_checks_leave(struct mm_checks *checks);

#endif
