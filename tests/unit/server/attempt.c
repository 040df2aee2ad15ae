/* attempt.c - see attempt.h. */
#include "attempt.h"

#include "store/memory/memory.h"

static void on_done(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    struct attempt *a = MM_LIST_OBJECT(auth, struct attempt, auth);

    a->verdict = verdict;
    a->done++;
}

bool attempt_on_ask(struct mm_auth *auth)
{
    struct attempt *a = MM_LIST_OBJECT(auth, struct attempt, auth);
    const char *password = mm_auth_password_text(auth);

    snprintf(a->seen_user, sizeof a->seen_user, "%s", auth->user_name);
    snprintf(a->seen_password, sizeof a->seen_password, "%s",
             password != NULL ? password : "(none)");
    return a->asks;
}

int attempt_begin(void **state)
{
    struct attempt *a = mm_alloc(sizeof *a);

    assert_non_null(a);
    assert_int_equal(mm_store_open_memory(&a->store, NULL), MAILMOD_OK);
    fake_open(a->store);
    rig_add_user(a->store, "alice", true);
    rig_add_user(a->store, "bob", false);
    rig_add_user(a->store, "carol@example.org", true);
    a->config = rig_config(NULL);
    mm_auth_init(&a->auth, fake_loop(), fake_workers(), a->store, a->config,
                 on_done);
    *state = a;
    return 0;
}

/* Over a network: what reads the store comes later. */
int attempt_begin_late(void **state)
{
    (void)attempt_begin(state);
    mm_memory_answer_late(((struct attempt *)*state)->store);
    return 0;
}

int attempt_end(void **state)
{
    struct attempt *a = *state;

    mm_auth_fini(&a->auth);
    if (a->auth.cache != NULL) {
        mm_login_cache_fini(&a->cache);
    }
    mm_config_unref(&a->config);
    mm_store_close(&a->store);
    fake_close();
    mm_free(a);
    return 0;
}

/* What it comes to, whether at once or on a worker. */
enum mm_auth_verdict attempt_settle(struct attempt *a,
                                    enum mm_auth_verdict verdict)
{
    unsigned done = a->done;

    if (verdict != MM_AUTH_WAIT) {
        fake_run(1);
        assert_int_equal(a->done, done);
        return verdict;
    }
    assert_true(a->auth.is_busy);
    fake_run(1);
    assert_int_equal(a->done, done + 1);
    assert_false(a->auth.is_busy);
    return a->verdict == MM_AUTH_NAMED
               ? attempt_settle(a, mm_auth_go_on(&a->auth))
               : a->verdict;
}

bool attempt_is_wiped(const struct attempt *a)
{
    for (size_t i = 0; i < sizeof a->auth.password; i++) {
        if (a->auth.password[i] != '\0') {
            return false;
        }
    }
    return true;
}

enum mm_auth_verdict attempt_by_password(struct attempt *a, const char *user,
                                         const char *password)
{
    return attempt_settle(a, mm_auth_password(&a->auth, mm_span_cstr(user),
                                              mm_span_cstr(password)));
}
