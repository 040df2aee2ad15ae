/* thread: any
 * login_cache.h - logins that were proved lately, so that the same one need not
 * pay for the password's hash again.
 *
 * A login is a keyed hash of the user, of all that the store checks him by, and
 * of the password, by a key that this process alone has. So another password,
 * another or a revoked verifier, a user who was renamed or made anew are
 * another login, which was never proved. */
#ifndef MM_SERVER_LOGIN_CACHE_H
#define MM_SERVER_LOGIN_CACHE_H

#include "base/recent.h"
#include "crypto/scram.h"

struct mm_mutex;

struct mm_login_cache {
    uint8_t key[MM_SHA256_SIZE];
    struct mm_mutex *mutex; /* guards what follows */
    struct mm_recent logins;
    uint64_t time_ms; /* 0: off */
};

/* What a password is checked against. */
struct mm_login_facts {
    const char *user; /* canonical name */
    uint64_t mailbox_id;
    const struct mm_scram_verifier *verifier;
    const struct mm_scram_further *further;
    size_t further_count;
    struct mm_span password;
};

MM_CHECK enum mailmod_error mm_login_cache_init(struct mm_login_cache *cache,
                                                uint64_t seed);
/* How long a login is remembered; what is older is forgotten now. */
void mm_login_cache_set_time(struct mm_login_cache *cache, uint64_t time_ms,
                             uint64_t now_ms);
void mm_login_cache_fini(struct mm_login_cache *cache);
/* Which of the secrets it was, as mm_scram_verifier_check_any tells; -1: it was
 * not proved lately. The same work either way. */
int mm_login_cache_find(struct mm_login_cache *cache,
                        const struct mm_login_facts *facts, uint64_t now_ms);
/* The login was proved by the whole hash. Without memory it is not kept. */
void mm_login_cache_put(struct mm_login_cache *cache,
                        const struct mm_login_facts *facts, int which,
                        uint64_t now_ms);
size_t mm_login_cache_count(struct mm_login_cache *cache);

#endif
