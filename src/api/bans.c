/* bans.c - bans of networks, under an operator's hands.
 *
 * Owns nothing. Promises: a change is committed when the call returns; what a
 * lifting tells is kept for a while, for whoever has the ban in memory.
 * Thread: any but a loop's. */
#include "api/instance.h"

#include "platform/clock.h"
#include "server/bans.h"

#include <stdio.h>
#include <string.h>

#define TIME_MAX_MS (UINT64_C(3650) * 24 * 3600 * 1000)

struct change {
    struct mm_store_job job;
    struct mm_store_sighting sighting;
};

/* "192.0.2.1", "2001:db8::1", "2001:db8::/64". */
static enum mailmod_error take_key(const char *address,
                                   char key_out[MM_STORE_SIGHTING_KEY_MAX])
{
    struct mm_span text = mm_span_cstr(address != NULL ? address : "");
    struct mm_netaddr peer;

    if (text.size > 3 && strcmp(text.data + text.size - 3, "/64") == 0) {
        text.size -= 3;
    }
    if (!mm_netaddr_parse_ip(text, &peer) ||
        (text.data[text.size] != '\0' && peer.family != MM_NETADDR_V6)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "%s: no IPv4 address and no IPv6 address or /64",
                       address != NULL ? address : "NULL");
    }
    mm_ban_key(&peer, key_out);
    return MAILMOD_OK;
}

struct listing {
    mailmod_on_ban on_ban;
    void *context;
    int64_t now_ms;
};

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    const struct listing *listing = context;
    char address[MM_STORE_SIGHTING_KEY_MAX + sizeof "/64"];
    bool is_v6 = strchr(sighting->key, ':') != NULL;
    const struct mailmod_ban told = {.size = sizeof told,
                                     .address = address,
                                     .since_ms = sighting->first_ms,
                                     .until_ms = sighting->until_ms,
                                     .failures =
                                         (unsigned)(sighting->count - 1)};

    if (sighting->count > 0 && sighting->until_ms > listing->now_ms) {
        (void)snprintf(address, sizeof address, "%s%s", sighting->key,
                       is_v6 ? "/64" : "");
        listing->on_ban(listing->context, &told);
    }
    return true;
}

enum mailmod_error mailmod_ban_list(mailmod *instance, mailmod_on_ban on_ban,
                                    void *context)
{
    struct listing listing = {on_ban, context, mm_clock_wall_ms()};

    return on_ban != NULL
               ? mm_admin_each_sighting(instance, MM_SIGHTING_BANNED,
                                        on_sighting, &listing)
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
}

static enum mailmod_error run(struct mm_store_job *job,
                              struct mm_store_transaction *transaction)
{
    const struct change *change = MM_LIST_OBJECT(job, struct change, job);

    return mm_store_note_sighting(transaction, &change->sighting);
}

static enum mailmod_error write(struct mm_store *store, struct change *change)
{
    change->job.run = run;
    change->sighting.kind = MM_SIGHTING_BANNED;
    return mm_store_run(store, &change->job);
}

enum mailmod_error mailmod_ban_add(mailmod *instance, const char *address,
                                   uint64_t time_ms)
{
    int64_t now_ms = mm_clock_wall_ms();
    struct change change = {
        .sighting = {.first_ms = now_ms, .last_ms = now_ms, .count = 1}};
    struct mm_admin admin;
    enum mailmod_error error = take_key(address, change.sighting.key);

    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    time_ms = time_ms != 0 ? time_ms : admin.config->logins.ban_ms;
    if (time_ms == 0 || time_ms > TIME_MAX_MS) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "say a time, up to 3650 days: logins.ban_time is 0");
    } else {
        change.sighting.until_ms = now_ms + (int64_t)time_ms;
        error = write(admin.store, &change);
        error = error == MAILMOD_OK
                    ? error
                    : mm_fail(error, "%s: %s", address, mm_error_text(error));
    }
    mm_admin_end(&admin);
    return error;
}

enum mailmod_error mailmod_ban_lift(mailmod *instance, const char *address)
{
    int64_t now_ms = mm_clock_wall_ms();
    struct change change = {
        .sighting = {.first_ms = now_ms,
                     .last_ms = now_ms,
                     .until_ms = now_ms + MM_BAN_LIFTED_MS}};
    struct mm_store_sighting known;
    struct mm_admin admin;
    enum mailmod_error error = take_key(address, change.sighting.key);

    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_find_sighting(admin.store, MM_SIGHTING_BANNED,
                                   change.sighting.key, &known);
    if (error == MAILMOD_OK && known.count == 0) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    if (error == MAILMOD_OK) {
        error = write(admin.store, &change);
    }
    mm_admin_end(&admin);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: %s", address, mm_error_text(error));
}
