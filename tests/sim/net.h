/* net.h - an end of a connection, as net.c moves it and conn.c shows it to the
 * library. Thread: the run's. */
#ifndef MM_SIM_NET_H
#define MM_SIM_NET_H

#include "base/limits.h"
#include "sim.h"

enum { SIM_LOOPS_MAX = 8 };

enum chunk_kind {
    CHUNK_OPENED,
    CHUNK_DATA,
    CHUNK_HELLO,
    CHUNK_HELLO_DONE,
    CHUNK_FIN,
    CHUNK_RESET
};
struct chunk {
    struct mm_list node;
    enum chunk_kind kind;
    uint64_t at_ms;
    size_t size;
    char bytes[];
};

enum end_tls { TLS_OFF, TLS_WAITS, TLS_ASKED, TLS_ON };

struct mm_conn {
    struct end *end;
};

/* Law: opening (a client's) -> open -> closing (its output goes out) -> ending
 * (an event will say on_closed) -> conn is NULL. */
struct end {
    struct mm_list node;
    unsigned references; /* its connection's, its peer's, and each event's */
    struct mm_conn *conn;
    struct mm_loop *loop;
    const struct mm_conn_handler *handler;
    void *context;
    struct end *peer; /* NULL: not yet, or not any more */
    struct mm_netaddr local, remote;
    bool is_client, is_opening, is_closing, is_ending;
    bool is_mute;   /* its machine is dead: nothing goes out or comes in */
    bool is_silent; /* what it sends is lost */
    enum mailmod_error reason;

    struct mm_list inbox;
    size_t in_flight;
    uint64_t last_at_ms;
    struct mm_buf in, out;
    bool is_stalled, has_fin, has_told_fin, was_full;
    bool is_flush_due, is_pump_due, is_watched;
    unsigned latency_ms;
    uint64_t octets_left; /* then the line breaks */
    uint64_t write_timeout_ms, moved_ms;

    enum end_tls tls;
    bool has_hello, verifies, is_implicit;

    unsigned last_token; /* of the message that goes by */
    char tail[16];
    size_t tail_size;
};

struct mm_listener {
    struct mm_list node;
    struct mm_netaddr address;
    struct mm_loop *loops[SIM_LOOPS_MAX];
    size_t loop_count, next;
    mm_on_connection on_connection;
    void *context;
};

void sim_end_finish(struct end *end, enum mailmod_error reason);
/* Behind what was written so far. */
void sim_end_send(struct end *end, enum chunk_kind kind);
void sim_end_answer_hello(struct end *end);
void sim_end_hear_hello(struct end *end); /* soon, when it came already */
void sim_end_limit_hello(struct end *end, uint64_t timeout_ms);
void sim_end_wake(struct end *end); /* it is looked at soon */

#endif
