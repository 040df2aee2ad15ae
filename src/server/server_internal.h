/* thread: any; the lists are their loop's
 * server_internal.h - what sessions see of their server. */
#ifndef MM_SERVER_SERVER_INTERNAL_H
#define MM_SERVER_SERVER_INTERNAL_H

#include "platform/thread.h"
#include "server/admission.h"
#include "server/apop.h"
#include "server/bans.h"
#include "server/blocklist.h"
#include "server/checks.h"
#include "server/content.h"
#include "server/deleted_mail.h"
#include "server/greylist.h"
#include "server/limits.h"
#include "server/login_cache.h"
#include "server/login_times.h"
#include "server/networks.h"
#include "server/proxied.h"
#include "server/rates.h"
#include "server/server.h"
#include "server/session.h"
#include "server/traps.h"

struct mm_server_loop {
    struct mm_server *server;
    struct mm_loop *loop;
    struct mm_list sessions;
    struct mm_list proxied; /* wait for their header: proxied.c */
    struct mm_task stop_task;
    struct mm_task cut_task;
    struct mm_resolver *resolver;
    struct mm_blocklists *blocklists[MM_BLOCKLISTS_MAX]; /* NULL before use */
    bool has_stop_task; /* it is posted; the server's mutex */
    struct mm_admission admission;
    uint64_t hurried_ms; /* when silent peers were last given less time */
};

struct mm_server_listener {
    struct mm_list node;
    struct mm_server *server;
    enum mm_service service;
    struct mm_listener *listener;
};

struct mm_server {
    struct mm_server_options options;
    struct mm_store *store;
    struct mm_workers *workers;
    struct mm_server_loop *loops;
    atomic_uint moments;                      /* at which the host is asked */
    atomic_bool is_crowded[MM_SERVICE_COUNT]; /* most places are taken */
    struct mm_apop apop;
    struct mm_networks networks;
    struct mm_bans bans; /* of them, in the store */
    struct mm_checks checks;
    struct mm_login_cache login_cache;
    struct mm_budget ahead_memory; /* of POP3 sessions: pop3_ahead */
    struct mm_rates rates;
    struct mm_login_times *login_times;
    struct mm_lists lists;
    struct mm_content content;
    struct mm_greylist greylist;
    struct mm_traps traps;
    struct mm_deleted_mail *deleted_mail; /* the end of deleted mail */

    /* Held while listeners open and close, which waits for the loops: never
     * taken on a loop. Before `mutex`. */
    struct mm_mutex *listening; /* guards the next one */
    struct mm_list listeners;

    struct mm_mutex *mutex; /* guards what follows */
    struct mm_settings *settings;
    /* Sessions of a former round of their service are to end. */
    unsigned rounds[MM_SERVICE_COUNT];
    /* A service each: silent peers of port 25 take no place of submission. */
    struct mm_limits limits[MM_SERVICE_COUNT];
    size_t proxied[MM_SERVICE_COUNT]; /* connections without their header */
    uint64_t next_number;             /* of sessions; from a random one on */
    bool is_stopped;
    bool is_cut;
};

/* One place for "may it come in": counts it and gives it its settings, its
 * identifier and its round. FULL, too, when the server is stopping. */
enum mm_limits_entry mm_server_enter(struct mm_session *session);
void mm_server_leave(struct mm_session *session);
struct mm_server_loop *mm_server_loop(struct mm_server *server,
                                      const struct mm_loop *loop);

/* Is it one of general.proxy_from, which must send a header first? */
bool mm_server_is_proxy(struct mm_server *server,
                        const struct mm_netaddr *peer);
/* Counts a connection that waits for its header, which must be left again;
 * false: too many do, or the server is stopping. */
bool mm_server_enter_proxied(struct mm_server *server, enum mm_service service,
                             unsigned *round_out, uint64_t *timeout_ms_out);
void mm_server_leave_proxied(struct mm_server *server, enum mm_service service);

/* All services. thread: not a loop */
void mm_server_close_listeners(struct mm_server *server);
/* The sessions that there are of the service end at their next idle moment. */
void mm_server_end_round(struct mm_server *server, enum mm_service service);

extern const struct mm_session_protocol mm_smtp_session_protocol;
extern const struct mm_session_protocol mm_pop3_session_protocol;
const struct mm_session_protocol *
mm_session_protocol_of(enum mm_service service);

#endif
