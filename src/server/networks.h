/* thread: any
 * networks.h - what is remembered of the networks that logins come from: those
 * that failed, bans, and those that came in. A network is an IPv4 address or an
 * IPv6 /64; all services and mechanisms share one count. */
#ifndef MM_SERVER_NETWORKS_H
#define MM_SERVER_NETWORKS_H

#include "base/recent.h"
#include "config/config.h"

struct mm_mutex;

/* One as the store has it. */
struct mm_ban {
    int64_t began_ms;  /* by the wall clock */
    uint64_t until_ms; /* by the monotonic one */
    unsigned failures;
    bool is_operators; /* counts whatever logins.ban_time is */
};

struct mm_networks {
    struct mm_mutex *mutex; /* guards what follows */
    struct mm_recent table;
};

MM_CHECK enum mailmod_error mm_networks_init(struct mm_networks *networks,
                                             uint64_t seed);
void mm_networks_fini(struct mm_networks *networks);

/* Is a login from there refused unseen? Asking makes the ban last from now on:
 * it ends when its network has been silent for logins.ban_time. */
bool mm_networks_is_banned(struct mm_networks *networks,
                           const struct mm_config *config,
                           const struct mm_netaddr *peer, uint64_t now_ms);
/* A ban there that the store does not have, or not for as long: it is taken for
 * written. `wall_ms`: now. */
bool mm_networks_take_ban(struct mm_networks *networks,
                          const struct mm_config *config,
                          const struct mm_netaddr *peer, uint64_t now_ms,
                          int64_t wall_ms, struct mm_ban *ban_out);
/* A ban of the store's holds here, unless a longer one does. */
void mm_networks_set_ban(struct mm_networks *networks,
                         const struct mm_netaddr *peer,
                         const struct mm_ban *ban);
/* A ban that began before `lifted_ms` is over, and its failures are forgotten.
 */
void mm_networks_lift(struct mm_networks *networks,
                      const struct mm_netaddr *peer, int64_t lifted_ms);
struct mm_failed_login {
    uint64_t delay_ms; /* the answer is held back for this long */
    bool begins_ban;
};
/* `may_ban` false: it is counted for the delay alone. */
struct mm_failed_login mm_networks_fail(struct mm_networks *networks,
                                        const struct mm_config *config,
                                        const struct mm_netaddr *peer,
                                        bool may_ban, uint64_t now_ms);
/* Somebody came in from there. */
void mm_networks_enter(struct mm_networks *networks,
                       const struct mm_netaddr *peer, bool is_pop3,
                       uint64_t now_ms);
/* Did somebody come in from there, by POP3 where `is_pop3`, within the time? */
bool mm_networks_entered(struct mm_networks *networks,
                         const struct mm_netaddr *peer, bool is_pop3,
                         uint64_t within_ms, uint64_t now_ms);

#endif
