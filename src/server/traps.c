/* traps.c - who wrote to a trap is refused for a time.
 *
 * Owns a bounded table of such peers, which the store has, too, so that a
 * restart forgets nobody. Promises: a connection costs no look at the store,
 * and nothing at all while nobody is caught; the zone file is written as a
 * whole, in the place of the former one, by a worker, whenever somebody was
 * caught. Ends are on the wall clock.
 * Thread: any; the job on a worker. */
#include "server/traps.h"

#include "base/limits.h"
#include "base/log.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/thread.h"
#include "server/sightings.h"

/* The zone is written so often at most: a flood of spam must not keep the disk
 * busy. What is caught meanwhile goes with the next connection after that. */
#define ZONE_EVERY_MS 5000
#define ZONE_SIZE_MAX (64 * 1024 * 1024)

struct caught {
    int64_t until_ms;
    struct mm_netaddr address; /* the /64's first one */
};

static struct mm_netaddr address_of(const struct mm_netaddr *peer)
{
    return mm_netaddr_of_key(peer->family, mm_netaddr_limit_key(peer));
}

/* Locked. */
static void keep(struct mm_traps *traps, const struct mm_netaddr *peer,
                 int64_t until_ms)
{
    struct caught *caught =
        mm_recent_use(&traps->table, mm_netaddr_limit_key(peer));

    if (caught != NULL) {
        *caught = (struct caught){until_ms, address_of(peer)};
        traps->is_changed = true;
    }
    atomic_store(&traps->count, traps->table.map.count);
}

/* ---- the zone ---- */

/* "2.2.0.192" and what it says; a /64 is a wildcard of 16 nibbles. */
static void write_record(struct mm_buf *out, const struct mm_netaddr *address)
{
    static const char digits[] = "0123456789abcdef";

    if (address->family == MM_NETADDR_V4) {
        (void)mm_buf_appendf(out, "%u.%u.%u.%u", address->bytes[3],
                             address->bytes[2], address->bytes[1],
                             address->bytes[0]);
    } else {
        (void)mm_buf_append_char(out, '*');
        for (int i = 7; i >= 0; i--) {
            (void)mm_buf_appendf(out, ".%c.%c", digits[address->bytes[i] & 15],
                                 digits[address->bytes[i] >> 4]);
        }
    }
    (void)mm_buf_append_cstr(out, " A 127.0.0.2\n");
}

/* RFC 1035 5: with a name it is a master file, without one the lines that
 * rbldnsd calls generic. RFC 5782 5: 127.0.0.2 is listed, as a test. */
static void write_head(struct mm_buf *out, const struct mm_config *config,
                       int64_t now_ms)
{
    const char *name = config->traps.zone_name;

    if (name[0] != '\0') {
        (void)mm_buf_appendf(out,
                             "$ORIGIN %s.\n$TTL 300\n"
                             "@ SOA %s. postmaster.%s. %lld 300 300 86400 300\n"
                             "@ NS %s.\n",
                             name, config->host_name, config->host_name,
                             (long long)(now_ms / 1000), config->host_name);
    }
    (void)mm_buf_append_cstr(out, "2.0.0.127 A 127.0.0.2\n");
}

/* Locked. */
static enum mailmod_error write_zone(struct mm_traps *traps, struct mm_buf *out)
{
    int64_t now_ms = mm_clock_wall_ms();

    write_head(out, traps->config, now_ms);
    for (const void *record = mm_recent_first(&traps->table); record != NULL;
         record = mm_recent_next(&traps->table, record)) {
        const struct caught *caught = record;

        if (caught->until_ms > now_ms) {
            write_record(out, &caught->address);
        }
    }
    return mm_buf_error(out);
}

static void run_zone(struct mm_job *job)
{
    struct mm_traps *traps = MM_LIST_OBJECT(job, struct mm_traps, job);
    struct mm_buf text;

    mm_buf_init(&text, ZONE_SIZE_MAX);
    mm_mutex_lock(traps->mutex);
    traps->is_changed = false;
    struct mm_config *config = mm_config_ref(traps->config);
    enum mailmod_error error = write_zone(traps, &text);
    mm_mutex_unlock(traps->mutex);
    if (error == MAILMOD_OK) {
        error =
            mm_fs_replace(config->traps.zone_file, mm_buf_span(&text), false);
    }
    if (error != MAILMOD_OK) {
        MM_LOG(traps->log, MM_LOG_ERROR, "traps", "zone not written",
               MM_TEXT("path", config->traps.zone_file),
               MM_TEXT("error", mm_error_name(error)));
    }
    mm_buf_fini(&text);
    mm_config_unref(&config);
}

static void submit_zone(struct mm_traps *traps)
{
    if (!atomic_flag_test_and_set(&traps->is_writing) &&
        mm_workers_submit(traps->workers, &traps->job) != MAILMOD_OK) {
        atomic_flag_clear(&traps->is_writing);
    }
}

static void done_zone(struct mm_job *job)
{
    atomic_flag_clear(&MM_LIST_OBJECT(job, struct mm_traps, job)->is_writing);
}

/* Locked. True: the caller has it written. */
static bool is_zone_due(struct mm_traps *traps, int64_t now_ms)
{
    bool is_due = traps->is_changed &&
                  traps->config->traps.zone_file[0] != '\0' &&
                  (now_ms < traps->written_ms ||
                   now_ms - traps->written_ms >= ZONE_EVERY_MS);

    traps->written_ms = is_due ? now_ms : traps->written_ms;
    return is_due;
}

/* ---- who is caught ---- */

enum mailmod_error mm_traps_init(struct mm_traps *traps, uint64_t seed,
                                 const struct mm_log *log)
{
    mm_recent_init(&traps->table, MM_LIMIT_KNOWN_NETWORKS,
                   sizeof(struct caught), seed);
    traps->log = log;
    traps->job.run = run_zone;
    traps->job.done = done_zone; /* no loop: on the worker */
    atomic_init(&traps->count, 0);
    atomic_flag_clear(&traps->is_writing);
    return mm_mutex_new(&traps->mutex);
}

void mm_traps_fini(struct mm_traps *traps)
{
    mm_recent_fini(&traps->table);
    mm_config_unref(&traps->config);
    mm_mutex_free(&traps->mutex);
}

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    struct mm_netaddr peer;

    if (sighting->until_ms > mm_clock_wall_ms() &&
        mm_netaddr_parse_ip(mm_span_cstr(sighting->key), &peer)) {
        keep(context, &peer, sighting->until_ms);
    }
    return true;
}

void mm_traps_attach(struct mm_traps *traps, struct mm_store *store,
                     struct mm_workers *workers)
{
    traps->store = store;
    traps->workers = workers;
    mm_mutex_lock(traps->mutex);
    enum mailmod_error error =
        mm_store_each_sighting(store, MM_SIGHTING_TRAPPED, on_sighting, traps);
    bool has_zone = traps->config->traps.zone_file[0] != '\0';
    mm_mutex_unlock(traps->mutex);
    if (error != MAILMOD_OK) {
        MM_LOG(traps->log, MM_LOG_ERROR, "traps", "peers not read",
               MM_TEXT("error", mm_error_name(error)));
    }
    if (has_zone) {
        submit_zone(traps);
    }
}

void mm_traps_set_config(struct mm_traps *traps, struct mm_config *config)
{
    mm_mutex_lock(traps->mutex);
    struct mm_config *former = traps->config;
    traps->config = mm_config_ref(config);
    mm_mutex_unlock(traps->mutex);
    mm_config_unref(&former);
    if (traps->workers != NULL && config->traps.zone_file[0] != '\0') {
        submit_zone(traps);
    }
}

bool mm_traps_is_trap(const struct mm_config *config,
                      const struct mm_address *recipient)
{
    for (size_t i = 0; i < config->traps.addresses.count; i++) {
        if (mm_cstr_equal_nocase(config->traps.addresses.items[i],
                                 recipient->text)) {
            return true;
        }
    }
    return false;
}

bool mm_traps_has(struct mm_traps *traps, const struct mm_netaddr *peer,
                  int64_t now_ms)
{
    if (atomic_load(&traps->count) == 0) {
        return false;
    }
    mm_mutex_lock(traps->mutex);
    const struct caught *caught =
        mm_recent_get(&traps->table, mm_netaddr_limit_key(peer));
    bool is_refused = caught != NULL && caught->until_ms > now_ms;
    bool is_due = is_zone_due(traps, now_ms);
    mm_mutex_unlock(traps->mutex);
    if (is_due) {
        submit_zone(traps);
    }
    return is_refused;
}

/* This process knows it, whether it is written or not. */
static void submit_catch(struct mm_traps *traps, const struct mm_netaddr *peer,
                         int64_t now_ms, int64_t until_ms)
{
    struct mm_store_sighting sighting = {.kind = MM_SIGHTING_TRAPPED,
                                         .first_ms = now_ms,
                                         .last_ms = now_ms,
                                         .until_ms = until_ms,
                                         .count = 1};
    struct mm_netaddr address = address_of(peer);
    char text[MM_NETADDR_TEXT_MAX];

    mm_netaddr_format_ip(&address, text);
    (void)mm_span_copy(mm_span_cstr(text), sighting.key, sizeof sighting.key);
    mm_sighting_write(
        traps->store, &sighting,
        &(struct mm_sighting_options){.sweep_rows = MM_SIGHTING_SWEEP_ROWS});
}

void mm_traps_catch(struct mm_traps *traps, const struct mm_config *config,
                    const struct mm_netaddr *peer, int64_t now_ms)
{
    int64_t until_ms = now_ms + (int64_t)config->traps.time_ms;

    mm_mutex_lock(traps->mutex);
    keep(traps, peer, until_ms);
    bool is_due = is_zone_due(traps, now_ms);
    mm_mutex_unlock(traps->mutex);
    submit_catch(traps, peer, now_ms, until_ms);
    if (is_due) {
        submit_zone(traps);
    }
}
