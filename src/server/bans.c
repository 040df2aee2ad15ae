/* bans.c - writes bans down, and reads what others wrote.
 *
 * Owns its job of reading. Promises: the network's table decides, the store
 * follows; a ban that was lifted in another process is not written again by a
 * try that came before the lifting was read. What cannot be written holds until
 * a restart.
 * Thread: any; `was_lifted` on the writer, `look` on a worker and once before
 * the workers run. */
#include "server/bans.h"

#include "base/log.h"
#include "platform/clock.h"
#include "server/sightings.h"

#define LOOK_AGAIN_MS 3000

void mm_ban_key(const struct mm_netaddr *peer,
                char text_out[MM_STORE_SIGHTING_KEY_MAX])
{
    struct mm_netaddr network =
        mm_netaddr_of_key(peer->family, mm_netaddr_limit_key(peer));
    char text[MM_NETADDR_TEXT_MAX];

    mm_netaddr_format_ip(&network, text);
    (void)mm_span_copy(mm_span_cstr(text), text_out, MM_STORE_SIGHTING_KEY_MAX);
}

static bool was_lifted(struct mm_store *store,
                       const struct mm_store_sighting *ban)
{
    struct mm_store_sighting known;

    return mm_store_find_sighting(store, MM_SIGHTING_BANNED, ban->key,
                                  &known) == MAILMOD_OK &&
           known.count == 0 && known.first_ms >= ban->first_ms;
}

void mm_bans_note(struct mm_bans *bans, const struct mm_config *config,
                  const struct mm_netaddr *peer, uint64_t now_ms,
                  int64_t wall_ms)
{
    struct mm_ban ban;

    if (bans->store == NULL ||
        !mm_networks_take_ban(bans->networks, config, peer, now_ms, wall_ms,
                              &ban)) {
        return;
    }
    struct mm_store_sighting sighting = {
        .kind = MM_SIGHTING_BANNED,
        .first_ms = ban.began_ms,
        .last_ms = wall_ms,
        .until_ms = wall_ms + (int64_t)(ban.until_ms - now_ms),
        .count = ban.is_operators ? 1 : (uint64_t)ban.failures + 1};
    mm_ban_key(peer, sighting.key);
    mm_sighting_write(
        bans->store, &sighting,
        &(struct mm_sighting_options){.sweep_rows = MM_SIGHTING_SWEEP_ROWS,
                                      .is_outdated = was_lifted});
}

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    struct mm_bans *bans = context;
    struct mm_netaddr peer;

    if (!mm_netaddr_parse_ip(mm_span_cstr(sighting->key), &peer)) {
        return true;
    }
    if (sighting->count == 0) {
        mm_networks_lift(bans->networks, &peer, sighting->first_ms);
    } else if (sighting->until_ms > bans->wall_ms) {
        const struct mm_ban ban = {
            .began_ms = sighting->first_ms,
            .until_ms =
                bans->now_ms + (uint64_t)(sighting->until_ms - bans->wall_ms),
            .failures = (unsigned)(sighting->count - 1),
            .is_operators = sighting->count == 1};
        mm_networks_set_ban(bans->networks, &peer, &ban);
    }
    return true;
}

static void look(struct mm_job *job)
{
    struct mm_bans *bans = MM_LIST_OBJECT(job, struct mm_bans, job);
    enum mailmod_error error = mm_store_each_sighting(
        bans->store, MM_SIGHTING_BANNED, on_sighting, bans);

    if (error != MAILMOD_OK) {
        MM_LOG(bans->log, MM_LOG_ERROR, "bans", "bans not read",
               MM_TEXT("error", mm_error_name(error)));
    }
}

static void look_done(struct mm_job *job)
{
    atomic_flag_clear(&MM_LIST_OBJECT(job, struct mm_bans, job)->is_busy);
}

void mm_bans_init(struct mm_bans *bans, struct mm_networks *networks,
                  const struct mm_log *log)
{
    bans->networks = networks;
    bans->log = log;
    bans->job.run = look;
    bans->job.done = look_done; /* no loop: on the worker */
    atomic_flag_clear(&bans->is_busy);
}

void mm_bans_attach(struct mm_bans *bans, struct mm_store *store,
                    struct mm_workers *workers)
{
    bans->store = store;
    bans->workers = workers;
    bans->now_ms = mm_clock_monotonic_ms();
    bans->wall_ms = mm_clock_wall_ms();
    look(&bans->job);
}

void mm_bans_look(struct mm_bans *bans, uint64_t now_ms, int64_t wall_ms)
{
    long long looked_ms = atomic_load(&bans->looked_ms);

    if (bans->store == NULL || (long long)now_ms - looked_ms < LOOK_AGAIN_MS ||
        atomic_flag_test_and_set(&bans->is_busy)) {
        return;
    }
    atomic_store(&bans->looked_ms, (long long)now_ms);
    bans->now_ms = now_ms;
    bans->wall_ms = wall_ms;
    if (mm_workers_submit(bans->workers, &bans->job) != MAILMOD_OK) {
        atomic_flag_clear(&bans->is_busy);
    }
}
