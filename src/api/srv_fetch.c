/* srv_fetch.c - SRVCheckMsgPOP3, SRVRecvMsgPOP3, SRVSetFetch, SRVStopFetch.
 *
 * Owns the words of a visit that is under way. Promises: an account stands in
 * the settings for the time of its visit alone, so that a host may look into
 * any number of mailboxes; its name is made of whose mailbox it is and who gets
 * it, so that what was received is known the next time; DONE comes once for
 * each call that has a callback and returned zero.
 * Thread: any; with a callback, on a thread of the host's pool. */
#include "api/host_threads.h"
#include "api/instance.h"
#include "api/srv_state.h"

#include "base/mem.h"
#include "crypto/crypto.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Another call for the same mailbox may end, and take the account away, before
 * this one's visit has begun. */
#define TRIES 8
#define WORDS_SIZE_MAX 4096
#define PORT_TLS 995 /* RFC 8314 7.1 */

struct visit {
    struct mm_host_job job;
    mailmod *instance;
    char name[MM_STORE_FETCH_NAME_MAX];
    struct mm_buf line; /* has the password */
    enum mailmod_fetch_action action;
    FetchCallback callback; /* NULL: the caller waits */
    void *callback_param;
    struct mailmod_fetch_account last; /* its texts are gone */
};

struct words {
    const char *pop_host;
    int port;
    const char *user;
    const char *password;
    const char *to;
    int flags;
};

static void free_visit(struct visit *visit)
{
    mm_buf_wipe(&visit->line);
    mm_free(visit);
}

/* ---- what is asked for ---- */

/* A word of the account's line. */
static bool is_word(const char *text)
{
    return text != NULL && text[0] != '\0' && strpbrk(text, " \t\r\n") == NULL;
}

static enum mailmod_error check(const struct words *words)
{
    if (!is_word(words->pop_host) || !is_word(words->user) ||
        !is_word(words->to) || words->password == NULL ||
        words->password[0] == '\0' ||
        strpbrk(words->password, "\r\n") != NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "host, user, password and to must be there, and but for "
                       "the password without blanks");
    }
    if (words->port < 1 || words->port > 65535) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%d is no port", words->port);
    }
    return (words->flags & ~(POP3_DELETE | POP3_NO_TLS)) == 0
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "flags has unknown bits");
}

/* The same for the same mailbox and the same recipient. */
static enum mailmod_error make_name(const struct words *words,
                                    char name_out[MM_STORE_FETCH_NAME_MAX])
{
    uint8_t hash[MM_SHA256_SIZE];
    struct mm_buf whole;
    mm_buf_init(&whole, WORDS_SIZE_MAX);
    (void)mm_buf_appendf(&whole, "%s %s %d %s", words->user, words->pop_host,
                         words->port, words->to);
    enum mailmod_error error = mm_buf_error(&whole);
    if (error == MAILMOD_OK) {
        error = mm_sha256(mm_buf_span(&whole), hash);
    }
    mm_buf_fini(&whole);
    if (error == MAILMOD_OK) {
        memcpy(name_out, "srv-", 4);
        mm_hex(hash, 16, name_out + 4);
    }
    return error;
}

static const char *tls_of(const struct words *words)
{
    return (words->flags & POP3_NO_TLS) != 0 ? "off"
           : words->port == PORT_TLS         ? "implicit"
                                             : "must";
}

static enum mailmod_error new_visit(struct visit **visit_out,
                                    const struct words *words)
{
    enum mailmod_error error = check(words);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct visit *visit = mm_alloc(sizeof *visit);
    if (visit == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    mm_buf_init(&visit->line, WORDS_SIZE_MAX);
    error = make_name(words, visit->name);
    (void)mm_buf_appendf(&visit->line,
                         "name=%s host=%s port=%d tls=%s user=%s to=%s "
                         "interval=0 %s password=%s",
                         visit->name, words->pop_host, words->port,
                         tls_of(words), words->user, words->to,
                         (words->flags & POP3_DELETE) != 0 ? "delete" : "keep",
                         words->password);
    if (error == MAILMOD_OK) {
        error = mm_buf_error(&visit->line);
    }
    if (error != MAILMOD_OK) {
        free_visit(visit);
        return mm_fail(error, "%s", mm_error_text(error));
    }
    *visit_out = visit;
    return MAILMOD_OK;
}

/* ---- the visit ---- */

static int as_int(uint64_t number)
{
    return number < INT_MAX ? (int)number : INT_MAX;
}

static void tell(const struct visit *visit, int state, int number)
{
    mm_srv_callback_begins();
    visit->callback(visit->callback_param, state, number,
                    as_int(visit->last.fresh));
    mm_srv_callback_ends();
}

static void on_account(void *context,
                       const struct mailmod_fetch_account *account)
{
    struct visit *visit = context;
    visit->last = *account;
    if (visit->callback != NULL && account->ended_ms == 0) {
        bool is_known = account->listed > 0;
        tell(visit, is_known ? STATE_POP3_RECEIVING : STATE_POP3_CONNECTING,
             as_int(account->fetched));
    }
}

static enum mailmod_error make(struct visit *visit)
{
    enum mailmod_error error = MAILMOD_ERROR_NOT_FOUND;
    for (int i = 0; i < TRIES && error == MAILMOD_ERROR_NOT_FOUND; i++) {
        const char *line = mm_buf_cstr(&visit->line);
        error = line != NULL ? mailmod_fetch_set(visit->instance, line)
                             : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
        if (error == MAILMOD_OK) {
            error = mailmod_fetch_visit(visit->instance, visit->name,
                                        visit->action, on_account, visit);
        }
    }
    return error;
}

/* What the call comes to. */
static int finish(struct visit *visit)
{
    char words[512];
    enum mailmod_error error = make(visit);
    (void)snprintf(words, sizeof words, "%s",
                   error != MAILMOD_OK ? mailmod_last_error_text() : "");
    (void)mailmod_fetch_remove(visit->instance, visit->name);
    if (mm_srv_note(error != MAILMOD_OK ? mm_fail(error, "%s", words)
                                        : MAILMOD_OK) != MAILMOD_OK) {
        return error;
    }
    return as_int(visit->action == MAILMOD_FETCH_CHECK ? visit->last.fresh
                                                       : visit->last.fetched);
}

static void run(struct mm_host_job *job)
{
    struct visit *visit = MM_LIST_OBJECT(job, struct visit, job);
    tell(visit, STATE_POP3_DONE, finish(visit));
    free_visit(visit);
}

/* With the mutex held the threads are there. */
static enum mailmod_error start(struct visit *visit)
{
    enum mailmod_error error = mm_instance_lock(visit->instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (visit->instance->state == MM_INSTANCE_RUNNING) {
        error = mm_host_threads_run(visit->instance->host_threads, &visit->job);
    } else {
        error = MAILMOD_ERROR_STOPPED;
    }
    mm_instance_unlock(visit->instance);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}

static int begin(const struct words *words, enum mailmod_fetch_action action,
                 FetchCallback callback, void *callback_param)
{
    struct visit *visit = NULL;
    enum mailmod_error error = new_visit(&visit, words);
    if (error != MAILMOD_OK) {
        return mm_srv_note(error);
    }
    visit->action = action;
    visit->callback = callback;
    visit->callback_param = callback_param;
    visit->job.run = run;
    error = mm_srv_instance(true, &visit->instance);
    if (error == MAILMOD_OK && callback != NULL) {
        error = start(visit);
        if (error == MAILMOD_OK) {
            return mm_srv_note(MAILMOD_OK); /* the visit is its thread's */
        }
    }
    int result = error == MAILMOD_OK ? finish(visit) : (int)mm_srv_note(error);
    free_visit(visit);
    return result;
}

int SRVCheckMsgPOP3(const char *pop_host, int port, const char *user,
                    const char *passw, const char *to, int flags,
                    FetchCallback callback, void *callback_param)
{
    const struct words words = {pop_host, port, user, passw, to, flags};
    return begin(&words, MAILMOD_FETCH_CHECK, callback, callback_param);
}

int SRVRecvMsgPOP3(const char *pop_host, int port, const char *user,
                   const char *passw, const char *to, int flags,
                   FetchCallback callback, void *callback_param)
{
    const struct words words = {pop_host, port, user, passw, to, flags};
    return begin(&words, MAILMOD_FETCH_RUN, callback, callback_param);
}

int SRVSetFetch(const char *account)
{
    mailmod *instance;
    enum mailmod_error error = mm_srv_instance(false, &instance);
    return mm_srv_note(
        error == MAILMOD_OK ? mailmod_fetch_set(instance, account) : error);
}

int SRVStopFetch(const char *name)
{
    mailmod *instance;
    enum mailmod_error error = mm_srv_instance(false, &instance);
    return mm_srv_note(
        error == MAILMOD_OK ? mailmod_fetch_remove(instance, name) : error);
}
