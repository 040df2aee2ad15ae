/* thread: any
 * telling.h - what a host is told: things that wait for one callback of the
 * host's, and are told on a host thread, one at a time and in order.
 *
 * Each thing goes to the callback that there was when it was put; a former
 * one's context is released when it has been told its own. Whose it is bounds
 * what waits: by what it begins (events), or by leaving out (sessions). */
#ifndef MM_API_TELLING_H
#define MM_API_TELLING_H

#include "api/context.h"
#include "api/host_threads.h"

/* Any callback of the host's; who put it knows its type. */
typedef void (*mm_callback)(void);
struct mm_listener;

/* Begins the object of what is told, which is one piece of memory. */
struct mm_told {
    struct mm_list node;
    struct mm_listener *listener;
    size_t octets; /* that the object takes */
};

struct mm_telling {
    atomic_uint kinds;    /* bits that the host wants; 0: nobody listens */
    atomic_size_t octets; /* of what waits */
    /* thread: host. Calls it; what was told is freed behind. Fixed. */
    void (*tell)(mm_callback callback, void *context, struct mm_told *told);
    struct mm_mutex *mutex; /* the lock: all below */
    struct mm_condition *has_told;
    struct mm_listener *listener; /* NULL: nobody */
    struct mm_list waiting;
    struct mm_host_threads *threads; /* NULL unless it runs */
    struct mm_host_job job;
    bool has_job;
};

/* In zeroed memory; after an error, too, it is ended with fini. */
MM_CHECK enum mailmod_error mm_telling_init(struct mm_telling *telling,
                                            void (*tell)(mm_callback callback,
                                                         void *context,
                                                         struct mm_told *told));
/* After mm_telling_end. Releases the host's context. */
void mm_telling_fini(struct mm_telling *telling);
/* Takes the context when it is OK. `callback` NULL: nobody is told. */
MM_CHECK enum mailmod_error mm_telling_listen(struct mm_telling *telling,
                                              unsigned kinds,
                                              mm_callback callback,
                                              struct mm_context context);
/* Puts it, or frees it when nobody wants its kind any more. */
void mm_telling_put(struct mm_telling *telling, unsigned kind,
                    struct mm_told *told);
/* From now on there are threads to tell on. */
void mm_telling_begin(struct mm_telling *telling,
                      struct mm_host_threads *threads);
/* All has been told when it returns; on the calling thread what no other one
 * can be had for. Nothing more may come meanwhile. Not on a host thread. */
void mm_telling_end(struct mm_telling *telling);

#endif
