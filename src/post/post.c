/* post.c - the value that all doors share.
 *
 * Owns itself, the aliases and the consumers of its own: the store, the workers
 * and the log are the instance's. Promises: fixed once it is attached, so that
 * every thread may read it without a lock. Thread: any. */
#include "post/post.h"

#include "base/limits.h"
#include "base/mem.h"
#include "post/aliases.h"
#include "post/aside.h"
#include "post/auto_reply.h"
#include "post/forward_files.h"
#include "post/maildirs.h"
#include "post/maillist.h"
#include "post/resolve.h"

enum mailmod_error mm_post_new(struct mm_post **post_out,
                               const struct mm_post_options *options)
{
    struct mm_post *post = mm_alloc(sizeof *post);

    *post_out = post;
    if (post == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    post->log = options->log;
    post->tell = options->tell;
    post->is_behind = options->is_behind;
    post->news_context = options->news_context;
    post->visits = options->visits;
    post->backends = options->backends;
    post->steps = mm_resolve_steps(&post->step_count);
    mm_list_init(&post->consumers);
    atomic_init(&post->busy, 0);
    mm_budget_init(&post->texts, MM_LIMIT_TEXTS);
    enum mailmod_error error = mm_aliases_new(&post->aliases, post);
    if (error == MAILMOD_OK) {
        error = mm_maildirs_consumer_new(&post->maildir_consumer, post);
    }
    if (error == MAILMOD_OK) {
        error = mm_aside_consumer_new(&post->aside_consumer, MM_ASIDE_CONSUMER,
                                      post);
    }
    if (error == MAILMOD_OK) {
        error = mm_aside_consumer_new(&post->quarantine_consumer,
                                      MM_QUARANTINE_CONSUMER, post);
    }
    if (error == MAILMOD_OK) {
        error = mm_maillists_new(&post->maillists, post);
    }
    if (error == MAILMOD_OK) {
        error = mm_auto_replies_new(&post->auto_replies, post);
    }
    if (error == MAILMOD_OK) {
        error = mm_forward_files_new(&post->forward_files, post);
    }
    if (error != MAILMOD_OK) {
        mm_post_free(post_out);
    }
    return error;
}

void mm_post_free(struct mm_post **post_in)
{
    struct mm_post *post = *post_in;

    *post_in = NULL;
    if (post != NULL) {
        mm_free(post->maildir_consumer);
        mm_free(post->aside_consumer);
        mm_free(post->quarantine_consumer);
        mm_free(post->auto_replies);
        mm_free(post->forward_files);
        mm_maillists_free(&post->maillists);
        mm_aliases_free(&post->aliases);
        mm_free(post);
    }
}

void mm_post_attach(struct mm_post *post, struct mm_store *store,
                    struct mm_workers *workers)
{
    post->store = store;
    post->workers = workers;
    mm_maildirs_init(&post->maildirs, store);
    mm_store_mailboxes_init(&post->store_mailboxes, store);
}

size_t mm_post_busy(const struct mm_post *post)
{
    return atomic_load(&post->busy);
}

void mm_post_tell(const struct mm_post *post, const struct mm_news *news)
{
    if (post->tell != NULL) {
        post->tell(post->news_context, news);
    }
}

bool mm_post_is_behind(const struct mm_post *post)
{
    return post->is_behind != NULL && post->is_behind(post->news_context);
}
