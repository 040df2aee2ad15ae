/* memory.c - libuv and c-ares on base/mem.h.
 *
 * Owns nothing: both keep the functions for the whole process.
 * Thread: any, before the first use. */
#include "io/memory.h"

#include "base/mem.h"

#include <ares.h>
#include <uv.h>

static void *allocate(size_t size)
{
    return mm_realloc(NULL, size);
}

enum mailmod_error mm_io_use_memory_uv(void)
{
    return uv_replace_allocator(allocate, mm_realloc, mm_alloc_array,
                                mm_free) == 0
               ? MAILMOD_OK
               : MAILMOD_ERROR_STATE;
}

enum mailmod_error mm_io_use_memory_ares(void)
{
    return ares_library_init_mem(ARES_LIB_INIT_ALL, allocate, mm_free,
                                 mm_realloc) == ARES_SUCCESS
               ? MAILMOD_OK
               : MAILMOD_ERROR_STATE;
}
