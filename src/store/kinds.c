/* kinds.c - the kinds of stores, by what their descriptions begin with.
 *
 * Promises: one table says what there is; a kind that is known by name alone is
 * refused in words that do not have the description, which may hold a password.
 * Thread: any. */
#include "store/ops.h"

#include <string.h>

#define MEMORY "memory:"

/* The first row that a description begins with; a folder is what is none of
 * them. `open` NULL: known by name alone. */
static const struct {
    const char *prefix;
    enum mailmod_error (*open)(struct mm_store **store_out,
                               const struct mm_store_options *options,
                               struct mm_buf *reason_out);
    /* A kind's own verb: what can be damaged, and how it is mended, is its
     * affair. NULL: there is none. */
    enum mailmod_error (*repair)(const char *description,
                                 mm_store_on_line on_line, void *context,
                                 struct mm_buf *reason_out);
} kinds[] = {{MEMORY, mm_memory_open_described, NULL},
             {"postgresql:", NULL, NULL},
             {"postgres:", NULL, NULL},
             {"", mm_sqlite_open, mm_sqlite_repair}};

static size_t kind_of(const char *description)
{
    size_t i = 0;
    while (strncmp(description, kinds[i].prefix, strlen(kinds[i].prefix)) !=
           0) {
        i++;
    }
    return i;
}

bool mm_store_is_memory(const char *description)
{
    return strncmp(description, MEMORY, strlen(MEMORY)) == 0;
}

enum mailmod_error mm_store_open(struct mm_store **store_out,
                                 const struct mm_store_options *options,
                                 struct mm_buf *reason_out)
{
    size_t i = kind_of(options->description);
    *store_out = NULL;
    if (kinds[i].open != NULL) {
        return kinds[i].open(store_out, options, reason_out);
    }
    if (reason_out != NULL) {
        /* The rest may hold a password. */
        (void)mm_buf_appendf(reason_out,
                             "%s...: this version of mailmod has no store of "
                             "this kind; name a folder",
                             kinds[i].prefix);
    }
    return MAILMOD_ERROR_ARGUMENT;
}

enum mailmod_error mm_store_open_memory(struct mm_store **store_out,
                                        const struct mm_log *log)
{
    struct mm_store_options options = {.description = MEMORY, .log = log};
    return mm_store_open(store_out, &options, NULL);
}

enum mailmod_error mm_store_repair(const char *description,
                                   mm_store_on_line on_line, void *context,
                                   struct mm_buf *reason_out)
{
    size_t i = kind_of(description);
    if (kinds[i].repair != NULL) {
        return kinds[i].repair(description, on_line, context, reason_out);
    }
    if (reason_out != NULL) {
        (void)mm_buf_appendf(reason_out,
                             "%s...: a store of this kind has no repair of "
                             "mailmod's",
                             kinds[i].prefix);
    }
    return MAILMOD_ERROR_ARGUMENT;
}
