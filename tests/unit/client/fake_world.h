/* fake_world.h - the state that fake_io.c (time), fake_host.c (connections and
 * peers) and fake_dns.c (names) share. Thread: the test's, but for `tasks` and
 * `log_text`, which have a lock. */
#ifndef MM_TEST_FAKE_WORLD_H
#define MM_TEST_FAKE_WORLD_H

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

enum { HOSTS_MAX = 32, NAMES_MAX = 1024, TEXT_MAX = 1 << 22, LATENCY_MS = 1 };

/* Events of one millisecond keep the order of their making. */
#define TICKS (UINT64_C(1) << 24)

struct mm_loop {
    int unused;
};
struct mm_workers {
    int unused;
};
struct mm_resolver {
    int unused;
};
struct mm_tls {
    int unused;
};

enum event_kind {
    EVENT_OPEN,
    EVENT_INPUT,
    EVENT_TLS,
    EVENT_CLOSED,
    EVENT_DRAINED,
    EVENT_ANSWER
};

struct event {
    struct mm_heap_node node;
    uint64_t order;
    enum event_kind kind;
    struct mm_conn *conn;
    struct mm_query *query;
    enum mailmod_error reason;
    char *bytes;
};

enum peer_state { PEER_COMMAND, PEER_BODY, PEER_AUTH, PEER_DEAF };

struct host {
    struct fake_host host;
    struct mm_netaddr address;
    unsigned used[8];
    unsigned connections;
    unsigned taken;
    struct mm_buf said;
    unsigned session_max; /* messages, then session_rule; 0: no limit */
    const struct fake_rule *session_rule;
};

struct mm_conn {
    struct mm_list node;
    const struct mm_conn_handler *handler;
    void *context;
    struct mm_netaddr peer;
    struct host *host;
    bool is_open;
    bool is_closing; /* EVENT_CLOSED is on its way */
    bool is_left;    /* the client closed: it hears no more */
    bool is_tls;
    struct mm_buf in;  /* to the client, not taken yet */
    struct mm_buf out; /* from the client, not read by the peer yet */
    enum peer_state state;
    uint64_t said_at_ms;
    unsigned accepted_rcpt;
    unsigned taken;
    bool is_mail_refused;
    const char *failure;
};

struct name {
    char name[256];
    struct mm_mx records[64];
    size_t record_count;
    struct mm_srv_record services[8];
    size_t service_count;
    struct mm_netaddr v4[16], v6[16];
    size_t v4_count, v6_count;
    enum mailmod_error mx_error, v4_error, v6_error;
    uint64_t silence_ms;
};

struct mm_query {
    bool is_cancelled;
    bool has_hosts; /* the hosts file is asked too */
    char type;
    char name[256];
    mm_on_mx on_mx;
    mm_on_srv on_srv;
    mm_on_addresses on_addresses;
    void *context;
};

struct fake_world {
    struct mm_store *store;
    struct mm_loop loop;
    struct mm_workers workers;
    struct mm_resolver resolver;
    struct mm_tls tls;
    struct mm_log log;
    struct mm_buf log_text;
    uint64_t now_ms;
    int64_t wall_shift_ms;
    uint64_t order;
    struct mm_mutex *lock;
    struct mm_list tasks; /* lock */
    struct mm_list jobs;
    bool is_workers_full;
    struct mm_heap timers;
    struct mm_heap events;
    struct mm_list conns;
    struct host hosts[HOSTS_MAX];
    size_t host_count;
    struct name names[NAMES_MAX];
    size_t name_count;
    unsigned questions;
    struct mm_buf said;
    struct mm_buf body;
    unsigned long fault_number; /* of allocations, the one that fails; or 0 */
    bool is_fault_met;
};

extern struct fake_world world;

struct event *fake_add_event(enum event_kind kind, struct mm_conn *conn,
                             uint64_t after_ms);
/* Those of a connection, as it ends. */
void fake_drop_events(const struct mm_conn *conn);
/* What is not the fake's own runs between resume(true) and pause(); what is,
 * inside that, between pause() and resume() with what pause() gave. */
bool fake_pause_faults(void);
void fake_resume_faults(bool may_fail);
/* fake_host.c */
void fake_free_conn(struct mm_conn *conn);
void fake_run_conn_event(const struct event *event);
/* fake_dns.c */
void fake_answer(const struct mm_query *query);

#endif
