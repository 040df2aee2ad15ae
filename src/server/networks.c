/* networks.c - failed logins and bans, by network.
 *
 * Owns one bounded table, which the server keeps over a reload. Promises: a
 * network whose logins failed as often as logins.failures_max within
 * logins.failures_window is banned until it has been silent for
 * logins.ban_time; each failure before that is answered later than the one
 * before; made-up networks grow nothing, the one that was heard of least lately
 * is forgotten first. Bans alone are kept over a restart: bans.h.
 * Thread: any; one mutex, held for a look. */
#include "server/networks.h"

#include "base/limits.h"
#include "platform/thread.h"

/* What the first failure is held back; each further one twice as long. */
#define FIRST_DELAY_MS 500
#define DOUBLINGS_MAX 16

/* Times are of the monotonic clock. */
struct network {
    uint64_t first_failure; /* of those that are counted */
    uint64_t banned_until;
    uint64_t login; /* the last one, plus 1; 0: never */
    uint64_t pop3_login;
    unsigned failures;
    /* Of the ban; `stored_until` is how long the store's lasts. */
    bool is_operators;
    int64_t began_ms; /* by the wall clock; 0: nobody has asked */
    uint64_t stored_until;
};

enum mailmod_error mm_networks_init(struct mm_networks *networks, uint64_t seed)
{
    mm_recent_init(&networks->table, MM_LIMIT_KNOWN_NETWORKS,
                   sizeof(struct network), seed);
    return mm_mutex_new(&networks->mutex);
}

void mm_networks_fini(struct mm_networks *networks)
{
    mm_recent_fini(&networks->table);
    mm_mutex_free(&networks->mutex);
}

/* Locked. */
static struct network *get(const struct mm_networks *networks,
                           const struct mm_netaddr *peer)
{
    return mm_recent_get(&networks->table, mm_netaddr_limit_key(peer));
}

/* Locked. NULL: out of memory. */
static struct network *use(struct mm_networks *networks,
                           const struct mm_netaddr *peer)
{
    return mm_recent_use(&networks->table, mm_netaddr_limit_key(peer));
}

static bool bans(const struct mm_config *config)
{
    return config->logins.failures_max > 0 && config->logins.ban_ms > 0;
}

/* Locked. `network` NULL: nothing is known of it. */
static bool holds(const struct network *network, const struct mm_config *config,
                  uint64_t now_ms)
{
    return network != NULL && network->banned_until > now_ms &&
           (bans(config) || network->is_operators);
}

/* Locked. */
static void forget_ban(struct network *network)
{
    network->failures = 0;
    network->banned_until = 0;
    network->is_operators = false;
    network->began_ms = 0;
    network->stored_until = 0;
}

bool mm_networks_is_banned(struct mm_networks *networks,
                           const struct mm_config *config,
                           const struct mm_netaddr *peer, uint64_t now_ms)
{
    mm_mutex_lock(networks->mutex);
    struct network *network = get(networks, peer);
    bool is_banned = holds(network, config, now_ms);
    if (is_banned) {
        uint64_t until_ms = now_ms + config->logins.ban_ms;
        network->banned_until =
            until_ms > network->banned_until ? until_ms : network->banned_until;
        (void)use(networks, peer);
    }
    mm_mutex_unlock(networks->mutex);
    return is_banned;
}

static uint64_t delay_of(const struct mm_config *config, unsigned failures)
{
    unsigned doublings =
        failures - 1 < DOUBLINGS_MAX ? failures - 1 : DOUBLINGS_MAX;
    uint64_t delay_ms = (uint64_t)FIRST_DELAY_MS << doublings;

    return delay_ms < config->logins.delay_max_ms ? delay_ms
                                                  : config->logins.delay_max_ms;
}

/* Those of a ban that is over count no more; during one they go on, so that no
 * delay tells where it began. */
static void count_failure(struct network *network,
                          const struct mm_config *config, uint64_t now_ms)
{
    uint64_t window_end =
        network->first_failure + config->logins.failures_window_ms;
    bool is_over = network->banned_until != 0 ? now_ms >= network->banned_until
                                              : now_ms >= window_end;

    if (is_over) {
        forget_ban(network);
        network->first_failure = now_ms;
    }
    network->failures++;
}

struct mm_failed_login mm_networks_fail(struct mm_networks *networks,
                                        const struct mm_config *config,
                                        const struct mm_netaddr *peer,
                                        bool may_ban, uint64_t now_ms)
{
    struct mm_failed_login outcome = {.delay_ms = config->logins.delay_max_ms};

    mm_mutex_lock(networks->mutex);
    struct network *network = use(networks, peer);
    if (network == NULL) { /* no memory: it is held back all the same */
        mm_mutex_unlock(networks->mutex);
        return outcome;
    }
    count_failure(network, config, now_ms);
    outcome.delay_ms = delay_of(config, network->failures);
    if (may_ban && bans(config) && network->banned_until == 0 &&
        network->failures >= config->logins.failures_max) {
        network->banned_until = now_ms + config->logins.ban_ms;
        outcome.begins_ban = true;
    }
    mm_mutex_unlock(networks->mutex);
    return outcome;
}

/* Each try lets the ban last longer; the store hears of it when a quarter of
 * the time has passed, and not at each. */
bool mm_networks_take_ban(struct mm_networks *networks,
                          const struct mm_config *config,
                          const struct mm_netaddr *peer, uint64_t now_ms,
                          int64_t wall_ms, struct mm_ban *ban_out)
{
    mm_mutex_lock(networks->mutex);
    struct network *network = get(networks, peer);
    bool wants = holds(network, config, now_ms) &&
                 network->stored_until < network->banned_until &&
                 network->stored_until < now_ms + config->logins.ban_ms / 4 * 3;
    if (wants) {
        network->began_ms =
            network->began_ms != 0 ? network->began_ms : wall_ms;
        network->stored_until = network->banned_until;
        *ban_out = (struct mm_ban){.began_ms = network->began_ms,
                                   .until_ms = network->banned_until,
                                   .failures = network->failures,
                                   .is_operators = network->is_operators};
    }
    mm_mutex_unlock(networks->mutex);
    return wants;
}

void mm_networks_set_ban(struct mm_networks *networks,
                         const struct mm_netaddr *peer,
                         const struct mm_ban *ban)
{
    mm_mutex_lock(networks->mutex);
    struct network *network = use(networks, peer);
    if (network != NULL && ban->until_ms > network->banned_until) {
        network->banned_until = ban->until_ms;
        network->stored_until = ban->until_ms;
        network->began_ms = ban->began_ms;
        network->is_operators = ban->is_operators;
        network->failures = ban->failures > network->failures
                                ? ban->failures
                                : network->failures;
    }
    mm_mutex_unlock(networks->mutex);
}

void mm_networks_lift(struct mm_networks *networks,
                      const struct mm_netaddr *peer, int64_t lifted_ms)
{
    mm_mutex_lock(networks->mutex);
    struct network *network = get(networks, peer);
    if (network != NULL && network->banned_until != 0 &&
        network->began_ms <= lifted_ms) {
        forget_ban(network);
    }
    mm_mutex_unlock(networks->mutex);
}

void mm_networks_enter(struct mm_networks *networks,
                       const struct mm_netaddr *peer, bool is_pop3,
                       uint64_t now_ms)
{
    mm_mutex_lock(networks->mutex);
    struct network *network = use(networks, peer);
    if (network != NULL) {
        network->login = now_ms + 1;
        network->pop3_login = is_pop3 ? now_ms + 1 : network->pop3_login;
    }
    mm_mutex_unlock(networks->mutex);
}

bool mm_networks_entered(struct mm_networks *networks,
                         const struct mm_netaddr *peer, bool is_pop3,
                         uint64_t within_ms, uint64_t now_ms)
{
    mm_mutex_lock(networks->mutex);
    const struct network *network = get(networks, peer);
    uint64_t login = network == NULL ? 0
                     : is_pop3       ? network->pop3_login
                                     : network->login;
    mm_mutex_unlock(networks->mutex);
    return login != 0 && now_ms < login - 1 + within_ms;
}
