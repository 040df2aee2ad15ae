/* tokens.c - tokens to log in elsewhere with, from the host.
 *
 * Owns who is asked, and each question until the host has answered it, whether
 * anybody still waits or not. Promises: the callback stands on a thread of the
 * host's pool and holds up its own login alone; a token is wiped as soon as it
 * was used; what the host gives that is no token is an error and is not said to
 * any server.
 * Thread: any; `answer` on the asker's loop. */
#include "api/tokens.h"

#include "api/handles.h"
#include "api/instance.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/sasl/sasl.h"

struct giver {
    unsigned references; /* the lock */
    mailmod_on_token on_token;
    struct mm_context context;
};

struct mm_tokens {
    struct mm_mutex *mutex; /* the lock: all below */
    struct giver *giver;    /* NULL: nobody */
    struct mm_host_threads *threads;
};

struct ask {
    struct mm_host_job job;
    struct mm_task task;
    struct mm_tokens *tokens;
    struct giver *giver;
    struct mm_loop *loop;
    struct mm_token_question *question; /* NULL: cancelled; loop */
    char account[MM_STORE_FETCH_NAME_MAX];
    char user[MM_LIMIT_USER_NAME + 1];
    char host[MM_LIMIT_DOMAIN + 1];
    unsigned port;
    enum mailmod_token_use use;
    bool is_refresh;
    uint64_t wait_ms;
    enum mailmod_error error;
    char token[MM_LIMIT_TOKEN + 1];
};

static void let_go(struct mm_tokens *tokens, struct giver *giver)
{
    if (giver == NULL) {
        return;
    }
    mm_mutex_lock(tokens->mutex);
    bool is_last = --giver->references == 0;
    mm_mutex_unlock(tokens->mutex);
    if (is_last) {
        mm_context_release(&giver->context);
        mm_free(giver);
    }
}

enum mailmod_error mm_tokens_new(struct mm_tokens **tokens_out)
{
    struct mm_tokens *tokens = mm_alloc(sizeof *tokens);
    *tokens_out = NULL;
    if (tokens == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_mutex_new(&tokens->mutex);
    if (error != MAILMOD_OK) {
        mm_free(tokens);
        return error;
    }
    *tokens_out = tokens;
    return MAILMOD_OK;
}

void mm_tokens_free(struct mm_tokens **tokens)
{
    struct mm_tokens *freed = *tokens;
    *tokens = NULL;
    if (freed != NULL) {
        let_go(freed, freed->giver);
        mm_mutex_free(&freed->mutex);
        mm_free(freed);
    }
}

void mm_tokens_use(struct mm_tokens *tokens, struct mm_host_threads *threads)
{
    mm_mutex_lock(tokens->mutex);
    tokens->threads = threads;
    mm_mutex_unlock(tokens->mutex);
}

/* ---- one question ---- */

static void free_ask(struct ask *ask)
{
    let_go(ask->tokens, ask->giver);
    mm_secret_clear(ask->token, sizeof ask->token);
    mm_free(ask);
}

static void answer(struct mm_task *task)
{
    struct ask *ask = MM_LIST_OBJECT(task, struct ask, task);
    struct mm_token_question *question = ask->question;
    if (question != NULL) {
        question->work = NULL;
        question->error = ask->error;
        question->token = ask->token;
        question->done(question);
    }
    free_ask(ask);
}

static void run(struct mm_host_job *job)
{
    struct ask *ask = MM_LIST_OBJECT(job, struct ask, job);
    const struct mailmod_token_question shown = {.size = sizeof shown,
                                                 .account = ask->account,
                                                 .user = ask->user,
                                                 .host = ask->host,
                                                 .port = ask->port,
                                                 .is_refresh = ask->is_refresh,
                                                 .wait_ms = ask->wait_ms,
                                                 .use = ask->use};
    ask->error = ask->giver->on_token(ask->giver->context.value, &shown,
                                      ask->token, sizeof ask->token);
    ask->token[sizeof ask->token - 1] = '\0';
    if (ask->error == MAILMOD_OK &&
        !mm_sasl_is_token(mm_span_cstr(ask->token))) {
        ask->error = MAILMOD_ERROR_SYNTAX;
    }
    mm_loop_post(ask->loop, &ask->task);
}

static void fill(struct ask *ask, struct mm_token_question *question)
{
    ask->job.run = run;
    ask->task.run = answer;
    ask->loop = question->loop;
    ask->question = question;
    ask->port = question->port;
    ask->use = question->use == MM_TOKEN_FOR_SMTP ? MAILMOD_TOKEN_SEND
                                                  : MAILMOD_TOKEN_FETCH;
    ask->is_refresh = question->is_refresh;
    ask->wait_ms = question->wait_ms;
    (void)mm_span_copy(mm_span_cstr(question->account), ask->account,
                       sizeof ask->account);
    (void)mm_span_copy(mm_span_cstr(question->user), ask->user,
                       sizeof ask->user);
    (void)mm_span_copy(mm_span_cstr(question->host), ask->host,
                       sizeof ask->host);
}

static enum mailmod_error put(void *context, struct mm_token_question *question)
{
    struct mm_tokens *tokens = context;
    struct ask *ask = mm_alloc(sizeof *ask);
    if (ask == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    fill(ask, question);
    ask->tokens = tokens;
    question->work = ask;
    mm_mutex_lock(tokens->mutex);
    ask->giver = tokens->giver;
    enum mailmod_error error = MAILMOD_ERROR_STATE;
    if (ask->giver != NULL && ask->giver->on_token != NULL &&
        tokens->threads != NULL) {
        ask->giver->references++;
        error = mm_host_threads_run(tokens->threads, &ask->job);
        ask->giver->references -= error != MAILMOD_OK;
    }
    mm_mutex_unlock(tokens->mutex);
    if (error != MAILMOD_OK) {
        question->work = NULL;
        mm_free(ask);
    }
    return error;
}

static void cancel(void *context, struct mm_token_question *question)
{
    struct ask *ask = question->work;
    (void)context;
    question->work = NULL;
    if (ask != NULL) {
        ask->question = NULL;
    }
}

struct mm_token_source mm_tokens_source(struct mm_tokens *tokens)
{
    return (struct mm_token_source){tokens, put, cancel};
}

enum mailmod_error mailmod_token_set_callback(mailmod *instance,
                                              mailmod_on_token on_token,
                                              void *context,
                                              mailmod_on_release on_release)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_tokens *tokens = instance->tokens;
    struct giver *giver = mm_alloc(sizeof *giver);
    if (giver == NULL) {
        mm_handle_let(instance);
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    *giver = (struct giver){1, on_token, {context, on_release}};
    mm_mutex_lock(tokens->mutex);
    struct giver *former = tokens->giver;
    tokens->giver = giver;
    mm_mutex_unlock(tokens->mutex);
    let_go(tokens, former);
    mm_handle_let(instance);
    return MAILMOD_OK;
}
