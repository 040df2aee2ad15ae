/* news.c - which destinations a commit may have made due, and from when on.
 *
 * Owns two bounded lists: what the writer changed since the last commit, and
 * what was committed and not yet taken. Promises that nothing is published
 * before it is on disk, and that what finds no room (or no memory) is not
 * forgotten: who takes is told that the list is not whole.
 * Thread: see the header. */
#include "store/news.h"

#include "base/mem.h"

#include <string.h>

enum mailmod_error mm_store_news_init(struct mm_store_news *news)
{
    memset(news, 0, sizeof *news);
    atomic_init(&news->has_some, false);
    return mm_mutex_new(&news->mutex);
}

void mm_store_news_fini(struct mm_store_news *news)
{
    mm_free(news->coming.items);
    mm_free(news->there.items);
    mm_mutex_free(&news->mutex);
    memset(news, 0, sizeof *news);
}

static bool has_room(struct mm_store_news_list *list)
{
    struct mm_store_destination *grown = NULL;
    if (list->count < MM_STORE_NEWS_MAX) {
        grown = mm_array_grow(list->items, list->count, &list->capacity,
                              sizeof *grown);
    }
    if (grown == NULL) {
        return false;
    }
    list->items = grown;
    return true;
}

static void add(struct mm_store_news_list *list, const char *destination,
                int64_t next_attempt_ms)
{
    if (list->count > 0) {
        struct mm_store_destination *last = &list->items[list->count - 1];
        if (strcmp(last->name, destination) == 0) {
            if (next_attempt_ms < last->next_attempt_ms) {
                last->next_attempt_ms = next_attempt_ms;
            }
            return;
        }
    }
    if (!has_room(list)) {
        list->is_short = true;
        return;
    }
    struct mm_store_destination *item = &list->items[list->count++];
    (void)mm_span_copy(mm_span_cstr(destination), item->name,
                       sizeof item->name);
    item->next_attempt_ms = next_attempt_ms;
}

void mm_store_news_add(struct mm_store_news *news, const char *destination,
                       int64_t next_attempt_ms)
{
    add(&news->coming, destination, next_attempt_ms);
}

void mm_store_news_add_all(struct mm_store_news *news)
{
    news->coming.is_short = true;
}

void mm_store_news_publish(struct mm_store_news *news)
{
    struct mm_store_news_list *coming = &news->coming;
    if (coming->count == 0 && !coming->is_short) {
        return;
    }
    mm_mutex_lock(news->mutex);
    for (size_t i = 0; i < coming->count; i++) {
        add(&news->there, coming->items[i].name,
            coming->items[i].next_attempt_ms);
    }
    news->there.is_short = news->there.is_short || coming->is_short;
    atomic_store(&news->has_some, true);
    if (news->on_news != NULL) {
        news->on_news(news->context);
    }
    mm_mutex_unlock(news->mutex);
    coming->count = 0;
    coming->is_short = false;
}

void mm_store_news_watch(struct mm_store_news *news,
                         void (*on_news)(void *context), void *context)
{
    mm_mutex_lock(news->mutex);
    news->on_news = on_news;
    news->context = context;
    mm_mutex_unlock(news->mutex);
}

size_t mm_store_news_take(struct mm_store_news *news,
                          struct mm_store_destination *destinations_out,
                          size_t count_max, bool *is_whole_out)
{
    *is_whole_out = true;
    if (!atomic_load(&news->has_some)) {
        return 0;
    }
    mm_mutex_lock(news->mutex);
    struct mm_store_news_list *there = &news->there;
    size_t count = there->count < count_max ? there->count : count_max;
    /* The last ones: the order says nothing, and the others stay in place. */
    there->count -= count;
    if (count > 0) {
        memcpy(destinations_out, there->items + there->count,
               count * sizeof *destinations_out);
    }
    *is_whole_out = !there->is_short;
    there->is_short = false;
    atomic_store(&news->has_some, there->count > 0);
    mm_mutex_unlock(news->mutex);
    return count;
}
