/* thread: any
 * log.h - one line a fact, to a sink that the host gives.
 *
 * A log value is shared and immutable; the level may be changed at any time.
 * Nothing is formatted while the level is off. Keys are stable: session=,
 * message= (the queue identifier), peer=, user=, recipient=, destination=,
 * dsn=, error=. Values from peers are passed through; the sink's renderer
 * (mm_log_render) quotes and escapes them. No password is ever a field. */
#ifndef MM_BASE_LOG_H
#define MM_BASE_LOG_H

#include "base/buf.h"
#include "base/error.h"

#include <stdatomic.h>

enum mm_log_level {
    MM_LOG_ERROR,
    MM_LOG_WARNING,
    MM_LOG_INFO,
    MM_LOG_DEBUG,
    MM_LOG_WIRE
};

struct mm_log_field {
    const char *key;
    const char *text; /* NULL: `number` counts */
    int64_t number;
};

typedef void (*mm_log_sink)(void *context, enum mm_log_level level,
                            const char *component, const char *text,
                            const struct mm_log_field *fields, size_t count);

struct mm_log {
    mm_log_sink sink; /* NULL: silent */
    void *context;
    atomic_int level;
};

#define MM_TEXT(key, value) ((struct mm_log_field){(key), (value), 0})
#define MM_NUMBER(key, value) ((struct mm_log_field){(key), NULL, (value)})

bool mm_log_is_on(const struct mm_log *log, enum mm_log_level level);
void mm_log_write(const struct mm_log *log, enum mm_log_level level,
                  const char *component, const char *text,
                  const struct mm_log_field *fields, size_t count);
/* MM_LOG(log, MM_LOG_INFO, "smtp", "message accepted", MM_TEXT(...), ...);
 * at least one field. */
#define MM_LOG(log, level, component, text, ...)                               \
    do {                                                                       \
        if (mm_log_is_on((log), (level))) {                                    \
            const struct mm_log_field mm_fields_[] = {__VA_ARGS__};            \
            mm_log_write((log), (level), (component), (text), mm_fields_,      \
                         sizeof mm_fields_ / sizeof mm_fields_[0]);            \
        }                                                                      \
    } while (0)
/* Renders "component: text key=value key=\"va lue\"" without a line end. */
void mm_log_render(struct mm_buf *line, const char *component, const char *text,
                   const struct mm_log_field *fields, size_t count);

#endif
