/* thread: any
 * post.h - the post office of one instance: who gets a message, and the way of
 * a message into the store.
 *
 * Every door (SMTP, the API, reports of our own) asks here who an address is
 * (resolve.h) and deposits here (deposit.h); so there is one answer and one
 * form in the store. A question and a deposit work by the configuration that
 * the asker began with; the post office keeps none of its own, for one message
 * judged by two snapshots would be judged by neither.
 *
 * The law of what is asked for (a look-up, a job of the store): the call
 * answers at once, or says that it is pending; then `done` comes exactly once,
 * on the asker's loop, never from inside the call, and never after the asker
 * cancelled or abandoned it. */
#ifndef MM_POST_POST_H
#define MM_POST_POST_H

#include "base/budget.h"
#include "base/log.h"
#include "io/io.h"
#include "mailbox/maildir.h"
#include "mailbox/store_mailbox.h"
#include "post/backend.h"
#include "store/store.h"

#include <stdatomic.h>

struct mm_aliases;
struct mm_consumer;
struct mm_forward_files;
struct mm_maillists;
struct mm_news;
struct mm_resolve_step;

struct mm_post {
    const struct mm_log *log;
    /* NULL before mm_post_attach. */
    struct mm_store *store;
    struct mm_workers *workers;
    /* What became of mail (news.h); NULL: nobody hears it. `is_behind`: not
     * more than what is in work may be told now. thread: any, cheap. */
    void (*tell)(void *news_context, const struct mm_news *news);
    bool (*is_behind)(void *news_context);
    void *news_context;
    /* The rows of resolve.c; a test puts its own here. */
    const struct mm_resolve_step *steps;
    size_t step_count;
    struct mm_aliases *aliases;     /* aliases.h */
    struct mm_maillists *maillists; /* maillist.h */
    struct mm_list consumers;       /* consumer.h */
    /* Where mailboxes lie (mailboxes.h). */
    struct mm_mailbox_provider store_mailboxes;
    struct mm_mailbox_provider maildirs;
    struct mm_mailbox_visits visits;      /* the host's; NULL in it: none */
    struct mm_backend_door backends;      /* other servers' mailboxes */
    struct mm_consumer *maildir_consumer; /* maildirs.h */
    struct mm_consumer *aside_consumer;   /* aside.h */
    struct mm_consumer *auto_replies;     /* auto_reply.h */
    struct mm_consumer *quarantine_consumer;
    struct mm_forward_files *forward_files; /* forward_files.h */
    atomic_size_t busy;     /* deposits of loops, not freed yet */
    struct mm_budget texts; /* of those deposits: MM_LIMIT_TEXTS */
};

/* Who hears the news. */
struct mm_post_options {
    const struct mm_log *log;
    void (*tell)(void *news_context, const struct mm_news *news);
    bool (*is_behind)(void *news_context);
    void *news_context;
    struct mm_mailbox_visits visits; /* the host's mailboxes */
    struct mm_backend_door backends; /* zeroed: nobody is passed on */
};

MM_CHECK enum mailmod_error mm_post_new(struct mm_post **post_out,
                                        const struct mm_post_options *options);
/* When nothing is in work any more. */
void mm_post_free(struct mm_post **post);
/* Before anybody asks. Apart from mm_post_new, because listeners may be bound
 * with rights that the store must not have. */
void mm_post_attach(struct mm_post *post, struct mm_store *store,
                    struct mm_workers *workers);
/* Deposits of loops in work, abandoned ones too: what a stop waits for. Those
 * of threads that block end with their call, or are their owner's. */
size_t mm_post_busy(const struct mm_post *post);
void mm_post_tell(const struct mm_post *post, const struct mm_news *news);
/* Who hears the news is behind: nothing new is begun. */
bool mm_post_is_behind(const struct mm_post *post);

#endif
