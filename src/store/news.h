/* thread: add and publish: the writer; the rest any
 * news.h - which destinations a commit may have made due, and from when on.
 *
 * A store of any kind holds one. The writer adds while it changes rows and
 * publishes when they are on disk; who schedules takes what was published. */
#ifndef MM_STORE_NEWS_H
#define MM_STORE_NEWS_H

#include "platform/thread.h"
#include "store/store.h"

#include <stdatomic.h>

/* Destinations that are kept for who takes them; past it he is told to look at
 * all. 268 octets each. */
#define MM_STORE_NEWS_MAX 4096

struct mm_store_news_list {
    struct mm_store_destination *items;
    size_t count;
    size_t capacity;
    bool is_short; /* some were left out */
};

struct mm_store_news {
    struct mm_mutex *mutex;
    struct mm_store_news_list coming; /* the writer's */
    struct mm_store_news_list there;  /* the mutex's */
    atomic_bool has_some;
    void (*on_news)(void *context); /* the mutex's; NULL: nobody */
    void *context;
};

MM_CHECK enum mailmod_error mm_store_news_init(struct mm_store_news *news);
void mm_store_news_fini(struct mm_store_news *news);
/* A row of this destination waits, and is due then. Told although its
 * transaction is rolled back it does no harm. */
void mm_store_news_add(struct mm_store_news *news, const char *destination,
                       int64_t next_attempt_ms);
/* More rows were changed than can be told one by one. */
void mm_store_news_add_all(struct mm_store_news *news);
/* What was added is on disk. */
void mm_store_news_publish(struct mm_store_news *news);
/* As mm_store_watch. */
void mm_store_news_watch(struct mm_store_news *news,
                         void (*on_news)(void *context), void *context);
/* As mm_store_take_news. */
size_t mm_store_news_take(struct mm_store_news *news,
                          struct mm_store_destination *destinations_out,
                          size_t count_max, bool *is_whole_out);

#endif
