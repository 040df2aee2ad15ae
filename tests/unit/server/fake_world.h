/* thread: any (see each part)
 * fake_world.h - the state that fake_io.c (time) and fake_conn.c (listeners and
 * connections) share. The test's thread; `tasks` and `log_text` have a lock. */
#ifndef MM_TEST_SERVER_FAKE_WORLD_H
#define MM_TEST_SERVER_FAKE_WORLD_H

#include "base/limits.h"
#include "base/mem.h"
#include "fake_io.h"
#include "platform/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FAKE_TEXT_MAX = 1 << 25, FAKE_LATENCY_MS = 1 };

struct mm_loop {
    int unused;
};
struct mm_workers {
    int unused;
};
struct mm_tls {
    int references;
};
struct mm_certificates {
    int references;
    size_t count;
};

struct mm_listener {
    struct mm_list node;
    struct mm_netaddr address;
    mm_on_connection on_connection;
    void *context;
};

struct mm_conn {
    struct mm_list node;
    const struct mm_conn_handler *handler;
    void *context;
    struct mm_netaddr peer_address;
    struct mm_netaddr local;
    struct fake_peer *peer;
    struct mm_buf in;
    struct mm_buf out;
    uint64_t write_timeout_ms;
    uint64_t stuck_since_ms; /* of output that the peer does not take */
    uint64_t tls_at_ms;      /* 0: no handshake */
    uint64_t end_at_ms;      /* 0: not ending; then on_closed */
    enum mailmod_error reason;
    bool is_left; /* the session closed: it hears no more input */
    bool is_tls;
    bool is_stalled; /* took less than it was offered */
    bool was_full;
};

struct fake_world {
    struct mm_store *store;
    bool is_store_held;
    struct mm_loop loop;
    struct mm_workers workers;
    struct mm_tls tls;
    struct mm_tls lenient_tls;
    struct mm_certificates certificates;
    struct mm_log log;
    struct mm_buf log_text;
    uint64_t now_ms;
    struct mm_mutex *lock;
    struct mm_list tasks; /* lock */
    struct mm_list jobs;
    bool is_workers_full;
    bool holds_jobs;
    struct mm_heap timers;
    struct mm_list conns;
    struct mm_list listeners;
    uint16_t next_port; /* for listeners without one, from FAKE_PORT_FIRST on */
};

extern struct fake_world world;

/* fake_conn.c: what connections do now; true when something was. */
bool fake_run_conns(void);
uint64_t fake_next_conn_ms(void);
void fake_close_conns(void);

#endif
