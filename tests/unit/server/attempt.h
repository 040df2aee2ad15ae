/* thread: any (the test's)
 * attempt.h - one login attempt on the fake io, of users alice, bob and
 * carol@example.org, for tests of auth.h. */
#ifndef MM_TEST_SERVER_ATTEMPT_H
#define MM_TEST_SERVER_ATTEMPT_H

#include "rig.h"
#include "server/auth.h"

struct attempt {
    struct mm_store *store;
    struct mm_config *config;
    struct mm_auth auth;
    enum mm_auth_verdict verdict;
    unsigned done;
    bool asks; /* the host is asked */
    char seen_user[MM_STORE_USER_MAX];
    char seen_password[MM_LIMIT_PASSWORD + 1];
    struct mm_login_cache cache; /* auth.cache: where a test wants it */
};

/* cmocka's setup and teardown; late: over a network, what reads the store comes
 * later. */
int attempt_begin(void **state);
int attempt_begin_late(void **state);
int attempt_end(void **state);
/* A host that answers when the test does, where it `asks`. */
bool attempt_on_ask(struct mm_auth *auth);
/* What it comes to, whether at once or on a worker. */
enum mm_auth_verdict attempt_settle(struct attempt *a,
                                    enum mm_auth_verdict verdict);
/* Nothing of the password is left. */
bool attempt_is_wiped(const struct attempt *a);
enum mm_auth_verdict attempt_by_password(struct attempt *a, const char *user,
                                         const char *password);

#endif
