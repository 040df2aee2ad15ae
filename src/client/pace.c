/* pace.c - how many messages a destination is sent in a window of time.
 *
 * Owns one bounded table of counts. Whom it counts for is a row of the table of
 * routes with the destination, or the row alone where it has relays: they take
 * all of it. Promises: a window begins with its first message; what may not go
 * counts nothing; a reload changes the limits and keeps the counts; a restart
 * begins anew.
 * Thread: any; one mutex, held for a look-up. */
#include "client/pace.h"

#include "base/buf.h"
#include "base/limits.h"

#include <string.h>

struct count {
    uint64_t since_ms; /* 0: never */
    unsigned messages;
};

#define KEY_MAX (MM_CONFIG_ROUTE_NAME_MAX + 1 + MM_LIMIT_PATH)

enum mailmod_error mm_pace_init(struct mm_pace *pace, uint64_t seed)
{
    mm_recent_init(&pace->table, MM_LIMIT_PACES, sizeof(struct count), seed);
    return mm_mutex_new(&pace->mutex);
}

void mm_pace_fini(struct mm_pace *pace)
{
    mm_recent_fini(&pace->table);
    mm_mutex_free(&pace->mutex);
}

/* Locked. NULL without memory. */
static struct count *count_of(struct mm_pace *pace,
                              const struct mm_config_route *route,
                              const char *destination)
{
    struct mm_buf key;
    struct count *count = NULL;
    mm_buf_init(&key, KEY_MAX);
    (void)mm_buf_append_cstr(&key, route->name);
    (void)mm_buf_append_char(&key, '\n');
    (void)mm_buf_append_cstr(&key, route->relay_count > 0 ? "" : destination);
    if (mm_buf_error(&key) == MAILMOD_OK) {
        count = mm_recent_use(&pace->table, mm_buf_span(&key));
    }
    mm_buf_fini(&key);
    return count;
}

uint64_t mm_pace_take(struct mm_pace *pace, const struct mm_config *config,
                      const struct mm_config_route *route,
                      const char *destination, uint64_t now_ms)
{
    struct mm_config_pace limit = mm_config_pace_for(config, route);
    uint64_t wait_ms = 0;
    if (limit.messages_max == 0) {
        return 0;
    }
    mm_mutex_lock(pace->mutex);
    struct count *count = count_of(pace, route, destination);
    if (count != NULL &&
        (count->since_ms == 0 || now_ms >= count->since_ms + limit.window_ms)) {
        *count = (struct count){.since_ms = now_ms > 0 ? now_ms : 1};
    }
    if (count != NULL && count->messages >= limit.messages_max) {
        wait_ms = count->since_ms + limit.window_ms - now_ms;
    } else if (count != NULL) {
        count->messages++;
    }
    mm_mutex_unlock(pace->mutex);
    return wait_ms;
}
