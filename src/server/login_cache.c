/* login_cache.c - logins that were proved lately.
 *
 * Owns the process's key and the table of hashes, the one that was proved first
 * at the front. Promises: no password and nothing that a password can be tried
 * against without the key stays; what was not proved is never put, so that a
 * guess always pays; a login is proved anew when its time is over, however
 * often it came meanwhile; the table is bounded, and what its time took is gone
 * from it with the next login that is put.
 * Thread: any; one mutex, not held while a hash is made. */
#include "server/login_cache.h"

#include "base/limits.h"
#include "base/mem.h"
#include "platform/random.h"
#include "platform/thread.h"

#include <string.h>

/* The key comes behind it, in the table. */
struct login {
    uint64_t proved_ms;
    int which;
    uint8_t digest[MM_SHA256_SIZE];
};

/* A name, numbers, keys and a password. */
#define FACTS_MAX                                                              \
    (MM_LIMIT_USER_NAME + 1 + sizeof(uint64_t) +                               \
     sizeof(struct mm_scram_verifier) + sizeof(uint64_t) +                     \
     MM_SCRAM_FURTHER_MAX * sizeof(struct mm_scram_further) +                  \
     MM_LIMIT_PASSWORD)

/* Loops read one clock, but not at one moment. */
static bool is_old(const struct mm_login_cache *cache,
                   const struct login *login, uint64_t now_ms)
{
    uint64_t age_ms = now_ms > login->proved_ms ? now_ms - login->proved_ms : 0;

    return age_ms >= cache->time_ms;
}

static struct mm_span octets(const void *octets, size_t size)
{
    return mm_span(octets, size);
}

enum mailmod_error mm_login_cache_init(struct mm_login_cache *cache,
                                       uint64_t seed)
{
    enum mailmod_error error = mm_random(cache->key, sizeof cache->key);

    mm_recent_init(&cache->logins, MM_LIMIT_CACHED_LOGINS, sizeof(struct login),
                   seed);
    return error == MAILMOD_OK ? mm_mutex_new(&cache->mutex) : error;
}

/* Locked. The oldest are at the front. */
static void drop_old(struct mm_login_cache *cache, uint64_t now_ms)
{
    struct login *login;

    while ((login = mm_recent_first(&cache->logins)) != NULL &&
           is_old(cache, login, now_ms)) {
        uint8_t digest[MM_SHA256_SIZE];

        memcpy(digest, login->digest, sizeof digest);
        mm_recent_remove(&cache->logins, octets(digest, sizeof digest));
    }
}

void mm_login_cache_set_time(struct mm_login_cache *cache, uint64_t time_ms,
                             uint64_t now_ms)
{
    mm_mutex_lock(cache->mutex);
    cache->time_ms = time_ms;
    drop_old(cache, now_ms);
    mm_mutex_unlock(cache->mutex);
}

void mm_login_cache_fini(struct mm_login_cache *cache)
{
    mm_recent_fini(&cache->logins);
    mm_secret_clear(cache->key, sizeof cache->key);
    mm_mutex_free(&cache->mutex);
}

/* Each part has its size or its end, and the password is the rest: no two sets
 * of facts are the same octets. */
static enum mailmod_error digest_of(const struct mm_login_cache *cache,
                                    const struct mm_login_facts *facts,
                                    uint8_t digest_out[MM_SHA256_SIZE])
{
    const struct mm_scram_verifier *verifier = facts->verifier;
    uint64_t count = facts->further_count;
    struct mm_buf text;

    mm_buf_init(&text, FACTS_MAX);
    (void)mm_buf_append(&text, facts->user, strlen(facts->user) + 1);
    const struct mm_span parts[] = {
        octets(&facts->mailbox_id, sizeof facts->mailbox_id),
        octets(verifier->salt, sizeof verifier->salt),
        octets(&verifier->iterations, sizeof verifier->iterations),
        octets(verifier->stored_key, sizeof verifier->stored_key),
        octets(verifier->server_key, sizeof verifier->server_key),
        octets(&count, sizeof count),
        octets(facts->further, facts->further_count * sizeof *facts->further),
        facts->password};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        (void)mm_buf_append_span(&text, parts[i]);
    }
    enum mailmod_error error = mm_buf_error(&text);
    if (error == MAILMOD_OK) {
        error = mm_hmac_sha256(octets(cache->key, sizeof cache->key),
                               mm_buf_span(&text), digest_out);
    }
    mm_buf_wipe(&text);
    return error;
}

int mm_login_cache_find(struct mm_login_cache *cache,
                        const struct mm_login_facts *facts, uint64_t now_ms)
{
    uint8_t digest[MM_SHA256_SIZE];
    int which = -1;

    if (digest_of(cache, facts, digest) != MAILMOD_OK) {
        return -1;
    }
    mm_mutex_lock(cache->mutex);
    const struct login *login =
        mm_recent_get(&cache->logins, octets(digest, sizeof digest));
    if (login != NULL && !is_old(cache, login, now_ms)) {
        which = login->which;
    }
    mm_mutex_unlock(cache->mutex);
    return which;
}

void mm_login_cache_put(struct mm_login_cache *cache,
                        const struct mm_login_facts *facts, int which,
                        uint64_t now_ms)
{
    uint8_t digest[MM_SHA256_SIZE];

    if (digest_of(cache, facts, digest) != MAILMOD_OK) {
        return;
    }
    mm_mutex_lock(cache->mutex);
    drop_old(cache, now_ms);
    struct login *login =
        cache->time_ms > 0
            ? mm_recent_use(&cache->logins, octets(digest, sizeof digest))
            : NULL;
    if (login != NULL) {
        login->proved_ms = now_ms;
        login->which = which;
        memcpy(login->digest, digest, sizeof login->digest);
    }
    mm_mutex_unlock(cache->mutex);
}

size_t mm_login_cache_count(struct mm_login_cache *cache)
{
    mm_mutex_lock(cache->mutex);
    size_t count = cache->logins.map.count;
    mm_mutex_unlock(cache->mutex);
    return count;
}
