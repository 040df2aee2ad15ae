/* greylist.c - greylisting by network, sender and recipient.
 *
 * Owns nothing: what is remembered is the store's, so it outlives a restart.
 * Promises: a network (IPv4 /24, IPv6 /64) that came again after
 * greylisting.delay passes without a wait for greylisting.memory from its last
 * mail on; a first attempt is remembered for greylisting.window; the table is
 * bounded, and swept in small jobs by those who fill it. Thread: loop. RFC 6647
 * 2 and 5. */
#include "server/greylist.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "server/sightings.h"

#include <string.h>

/* Each so many writes take some of what is over with them. */
#define SWEEP_EVERY 64
#define SWEEP_ROWS 256
/* A network's last mail is written down anew after so long. */
#define TOUCH_MS (INT64_C(3600) * 1000)

/* What was not written is a first attempt once more. */
static void submit(struct mm_greylist *greylist,
                   const struct mm_store_sighting *sighting, const char *passed)
{
    bool sweeps = atomic_fetch_add(&greylist->puts, 1) % SWEEP_EVERY == 0;

    mm_sighting_write(
        greylist->store, sighting,
        &(struct mm_sighting_options){.passed = passed,
                                      .sweep_rows = sweeps ? SWEEP_ROWS : 0});
}

static void network_of(const struct mm_netaddr *peer,
                       char text_out[MM_STORE_SIGHTING_KEY_MAX])
{
    struct mm_span key = peer->family == MM_NETADDR_V4
                             ? mm_netaddr_network_key(peer)
                             : mm_netaddr_limit_key(peer);
    struct mm_netaddr network = mm_netaddr_of_key(peer->family, key);
    char text[MM_NETADDR_TEXT_MAX];

    mm_netaddr_format_ip(&network, text);
    (void)mm_span_copy(mm_span_cstr(text), text_out, MM_STORE_SIGHTING_KEY_MAX);
}

/* A hash, for addresses are longer than keys. False: it cannot be made. */
static bool triplet_of(const char *network, const char *sender,
                       const char *recipient,
                       char text_out[MM_STORE_SIGHTING_KEY_MAX])
{
    struct mm_buf text;
    uint8_t hash[MM_SHA256_SIZE];

    mm_buf_init(&text, 64 + 2 * MM_LIMIT_PATH);
    (void)mm_buf_appendf(&text, "%s %s %s", network, sender, recipient);
    for (size_t i = 0; i < mm_buf_size(&text); i++) {
        char *octet = text.data + text.start + i;
        *octet = (char)mm_ascii_lower((unsigned char)*octet);
    }
    bool is_made = mm_buf_error(&text) == MAILMOD_OK &&
                   mm_sha256(mm_buf_span(&text), hash) == MAILMOD_OK;
    mm_buf_fini(&text);
    if (is_made) {
        mm_hex(hash, sizeof hash, text_out);
    }
    return is_made;
}

/* The network has come again, or passes anyway. */
static void remember(struct mm_greylist *greylist,
                     const struct mm_config *config,
                     struct mm_store_sighting network, const char *triplet,
                     int64_t now_ms)
{
    bool is_new = network.count == 0;

    if (!is_new && now_ms - network.last_ms < TOUCH_MS) {
        return;
    }
    network.first_ms = is_new ? now_ms : network.first_ms;
    network.last_ms = now_ms;
    network.until_ms = now_ms + (int64_t)config->greylisting.memory_ms;
    network.count++;
    submit(greylist, &network, triplet);
    if (is_new) {
        MM_LOG(greylist->log, MM_LOG_INFO, "greylist", "network came again",
               MM_TEXT("network", network.key));
    }
}

bool mm_greylist_knows(const struct mm_greylist *greylist,
                       const struct mm_netaddr *peer, int64_t now_ms)
{
    struct mm_store_sighting network;
    char key[MM_STORE_SIGHTING_KEY_MAX];

    network_of(peer, key);
    return mm_store_find_sighting(greylist->store, MM_SIGHTING_NETWORK, key,
                                  &network) == MAILMOD_OK &&
           network.until_ms > now_ms;
}

bool mm_greylist_lets_in(struct mm_greylist *greylist,
                         const struct mm_config *config,
                         const struct mm_netaddr *peer, const char *sender,
                         const char *recipient, int64_t now_ms)
{
    struct mm_store_sighting network = {.kind = MM_SIGHTING_NETWORK};
    struct mm_store_sighting triplet = {.kind = MM_SIGHTING_TRIPLET};
    char key[MM_STORE_SIGHTING_KEY_MAX];

    network_of(peer, key);
    enum mailmod_error error = mm_store_find_sighting(
        greylist->store, MM_SIGHTING_NETWORK, key, &network);
    if (error == MAILMOD_OK && network.until_ms > now_ms) {
        remember(greylist, config, network, "", now_ms);
        return true;
    }
    network = (struct mm_store_sighting){.kind = MM_SIGHTING_NETWORK};
    memcpy(network.key, key, sizeof network.key);
    if (!triplet_of(network.key, sender, recipient, key)) {
        return true;
    }
    error = mm_store_find_sighting(greylist->store, MM_SIGHTING_TRIPLET, key,
                                   &triplet);
    if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
        return true;
    }
    if (error == MAILMOD_OK && triplet.until_ms > now_ms) {
        if (now_ms - triplet.first_ms < (int64_t)config->greylisting.delay_ms) {
            return false;
        }
        remember(greylist, config, network, key, now_ms);
        return true;
    }
    triplet = (struct mm_store_sighting){
        .kind = MM_SIGHTING_TRIPLET,
        .first_ms = now_ms,
        .last_ms = now_ms,
        .until_ms = now_ms + (int64_t)config->greylisting.window_ms,
        .count = 1};
    memcpy(triplet.key, key, sizeof triplet.key);
    submit(greylist, &triplet, "");
    return false;
}
