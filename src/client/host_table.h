/* thread: loop
 * host_table.h - what is known of mail hosts, by address and port: how many
 * connections we have to each, who waits for one, which stand idle, and whether
 * the host ever answered. */
#ifndef MM_CLIENT_HOST_TABLE_H
#define MM_CLIENT_HOST_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "base/netaddr.h"

struct mm_host_table {
    struct mm_map hosts; /* address and port: struct known_host */
};

struct mm_known_host;

enum mm_place_state {
    MM_PLACE_NONE,
    MM_PLACE_WAITS, /* in the host's queue */
    MM_PLACE_BUSY,  /* a connection, or a dial for one */
    MM_PLACE_IDLE   /* a connection that may be handed to another destination */
};

/* Lives in its owner's object, zeroed before its first use. */
struct mm_place {
    struct mm_list node;
    struct mm_known_host *host; /* NULL: none, or not counted (no memory) */
    enum mm_place_state state;
    bool is_refused; /* BUSY, and the host said no to it */
    /* A place that waited is BUSY now; the host's limit allows it. */
    void (*on_granted)(struct mm_place *place);
};

void mm_host_table_init(struct mm_host_table *table, uint64_t seed);
/* No place is held any more. */
void mm_host_table_fini(struct mm_host_table *table);

/* Another connection to the host: the place is BUSY, or it WAITS until one of
 * the `max` (or fewer, as the host has shown) is free. */
void mm_place_take(struct mm_place *place, struct mm_host_table *table,
                   const struct mm_netaddr *address, unsigned max);
/* From any state; the next in the queue is granted. */
void mm_place_give(struct mm_place *place);
/* The same at the end of all, when nobody is granted any more. */
void mm_place_drop(struct mm_place *place);
void mm_place_set_idle(struct mm_place *place, bool is_idle);
/* The connection of `from` is `to`'s now, and so is its place. */
void mm_place_move(struct mm_place *from, struct mm_place *to);
/* The first in the host's idle ones, or its waiting ones, that `fits`; NULL
 * none. The host is the address's, or that of a place. */
struct mm_place *mm_place_find_idle(
    const struct mm_host_table *table, const struct mm_netaddr *address,
    bool (*fits)(void *context, struct mm_place *place), void *context);
struct mm_place *mm_place_find_waiting(const struct mm_place *place,
                                       bool (*fits)(void *context,
                                                    struct mm_place *place),
                                       void *context);

/* The host said something. */
void mm_place_note_answer(struct mm_place *place);
/* The first try of a host that never said anything. */
bool mm_place_is_stranger(const struct mm_place *place);
/* The host refused this connection while others to it stand: it takes no more
 * than those, as long as one of them stands. False: there are no others. */
bool mm_place_note_full(struct mm_place *place);

#endif
