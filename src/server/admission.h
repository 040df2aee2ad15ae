/* thread: loop (its server_loop's)
 * admission.h - who is logged in may stay, until the user is disabled or
 * removed, here or by a tool in another process. */
#ifndef MM_SERVER_ADMISSION_H
#define MM_SERVER_ADMISSION_H

#include "io/io.h"

struct mm_server_loop;
struct mm_session;

struct mm_admission_row;

/* One a loop. */
struct mm_admission {
    struct mm_timer timer;
    uint64_t changes; /* mm_store_user_changes at the last look */
    /* Of a store that waits: who is looked at, the worker's meanwhile. */
    struct mm_job job;
    struct mm_admission_row *rows; /* NULL: no look is in work */
    size_t row_count;
};

/* Before the loop runs. */
MM_CHECK enum mailmod_error
mm_admission_open(struct mm_server_loop *server_loop);
/* After it stopped. */
void mm_admission_close(struct mm_server_loop *server_loop);
/* A user (text of the session's) has logged in: looked after from here on. */
void mm_admission_begin(struct mm_session *session, const char *user);

#endif
