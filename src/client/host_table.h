/* thread: the loop of the place, or of the struct mm_host_loop
 * host_table.h - what is known of mail hosts, by address and port (by the name
 * where a proxy looks it up): how many connections we have to each, who waits
 * for one, which stand idle, and whether the host ever answered.
 *
 * One table for all loops, behind a lock. A place lives on one loop, and so
 * does its connection: places of one loop may hand connections to each other,
 * those of different loops share the limit alone. What another loop does to a
 * place (a grant, a call) is told on the place's own loop. */
#ifndef MM_CLIENT_HOST_TABLE_H
#define MM_CLIENT_HOST_TABLE_H

#include "base/host.h"
#include "base/list.h"
#include "base/map.h"
#include "io/io.h"
#include "platform/thread.h"

struct mm_host_table {
    struct mm_mutex *lock;
    struct mm_map hosts; /* by target: struct mm_known_host; lock */
};

/* The places of one loop. */
struct mm_host_loop {
    struct mm_host_table *table;
    struct mm_loop *loop;
    struct mm_task task;
    struct mm_list told; /* places that are to be told; lock */
    bool is_posted;      /* lock */
};

struct mm_known_host;

enum mm_place_state {
    MM_PLACE_NONE,
    MM_PLACE_WAITS, /* in the host's queue */
    MM_PLACE_BUSY,  /* a connection, or a dial for one */
    MM_PLACE_IDLE   /* a connection that may be handed to another destination */
};

/* Lives in its owner's object; zeroed, with its functions set, before its first
 * use. */
struct mm_place {
    struct mm_list node;
    struct mm_host_loop *at;
    struct mm_known_host *host; /* NULL: none, or not counted (no memory) */
    enum mm_place_state state;  /* the table's lock */
    unsigned max;               /* that it was asked for with */
    bool is_refused;            /* BUSY, and the host said no to it */
    bool has_answered;          /* noted already */
    /* A place that waited is BUSY now; the host's limit allows it. Never from
     * inside a call. */
    void (*on_granted)(struct mm_place *place);
    /* An IDLE one: somebody waits for the host who cannot use this connection.
     */
    void (*on_called)(struct mm_place *place);
};

/* thread: any */
MM_CHECK enum mailmod_error mm_host_table_init(struct mm_host_table *table,
                                               uint64_t seed);
/* thread: any. No place is held any more. */
void mm_host_table_fini(struct mm_host_table *table);
/* thread: any. Before the loop runs; nothing to end. */
void mm_host_loop_init(struct mm_host_loop *at, struct mm_host_table *table,
                       struct mm_loop *loop);

/* Another connection to the host: true, the place is BUSY; or it WAITS until
 * one of the `max` (or fewer, as the host has shown) is free. */
MM_CHECK bool mm_place_take(struct mm_place *place, struct mm_host_loop *at,
                            const struct mm_endpoint *target, unsigned max);
/* From any state; the next in the queue is granted. */
void mm_place_give(struct mm_place *place);
/* The same at the end of all, when nobody is granted any more. */
void mm_place_drop(struct mm_place *place);
void mm_place_set_idle(struct mm_place *place, bool is_idle);
/* The connection of `from` is `to`'s now, and so is its place. */
void mm_place_move(struct mm_place *from, struct mm_place *to);
/* The first idle one of this loop at the host that `fits`; NULL none. */
struct mm_place *
mm_place_find_idle(struct mm_host_loop *at, const struct mm_endpoint *target,
                   bool (*fits)(void *context, struct mm_place *place),
                   void *context);
/* Who of this loop waits for the host and `fits`; NULL none. `yields_out`: none
 * may have the connection, for others have waited longer or cannot use it. */
struct mm_place *mm_place_find_waiting(struct mm_place *place,
                                       bool (*fits)(void *context,
                                                    struct mm_place *place),
                                       void *context, bool *yields_out);

/* The host said something. */
void mm_place_note_answer(struct mm_place *place);
/* The host offers CHUNKING and cannot do it: it gets DATA until then, in the
 * time of its loop. */
void mm_place_note_no_chunks(struct mm_place *place, uint64_t until_ms);
bool mm_place_takes_chunks(const struct mm_place *place, uint64_t now_ms);
/* The first try of a host that never said anything. */
bool mm_place_is_stranger(const struct mm_place *place);
/* The host refused this connection while others to it stand: it takes no more
 * than those, as long as one of them stands. False: there are no others. */
bool mm_place_note_full(struct mm_place *place);

#endif
