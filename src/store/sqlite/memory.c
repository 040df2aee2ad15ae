/* memory.c - SQLite on base/mem.h.
 *
 * Owns nothing: SQLite keeps the functions for the whole process. It asks how
 * large a piece of memory is, so that each has its size in front.
 * Thread: any, before SQLite's first use. */
#include "store/ops.h"

#include "base/mem.h"

#include <sqlite3.h>
#include <stdalign.h>
#include <string.h>

#define FRONT alignof(max_align_t)

static void *with_size(void *memory, int size)
{
    if (memory == NULL) {
        return NULL;
    }
    memcpy(memory, &size, sizeof size);
    return (char *)memory + FRONT;
}

static void *begin_of(void *memory)
{
    return memory != NULL ? (char *)memory - FRONT : NULL;
}

static void *allocate(int size)
{
    return with_size(mm_realloc(NULL, FRONT + (size_t)size), size);
}

static void *resize(void *memory, int size)
{
    return with_size(mm_realloc(begin_of(memory), FRONT + (size_t)size), size);
}

static void release(void *memory)
{
    mm_free(begin_of(memory));
}

static int size_of(void *memory)
{
    int size = 0;

    if (memory != NULL) {
        memcpy(&size, begin_of(memory), sizeof size);
    }
    return size;
}

static int round_up(int size)
{
    return (size + 7) & ~7;
}

static int begin(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void end(void *unused)
{
    (void)unused;
}

enum mailmod_error mm_sqlite_stop_counting(void)
{
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK
               ? MAILMOD_OK
               : MAILMOD_ERROR_STATE;
}

enum mailmod_error mm_sqlite_use_memory(void)
{
    static const struct sqlite3_mem_methods methods = {.xMalloc = allocate,
                                                       .xFree = release,
                                                       .xRealloc = resize,
                                                       .xSize = size_of,
                                                       .xRoundup = round_up,
                                                       .xInit = begin,
                                                       .xShutdown = end};

    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK
               ? MAILMOD_OK
               : MAILMOD_ERROR_STATE;
}
