/* allocator.c - the host's memory for this library, and for those below where
 * the host says so; what SQLite need not do with it.
 *
 * Owns nothing: base/mem.c and the libraries keep the functions for as long as
 * the process lives. Those below go through base/mem.c, so that one of them
 * that refuses leaves the others on the C library's memory as before. Promises:
 * what cannot be changed any more is STATE, and the words say which library it
 * was. Thread: any, before any other call. */
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "crypto/crypto.h"
#include "io/memory.h"

static const struct library {
    unsigned bit;
    const char *name;
    enum mailmod_error (*use)(void);
} libraries[] = {
    {MAILMOD_MEMORY_OPENSSL, "OpenSSL", mm_crypto_use_memory},
    {MAILMOD_MEMORY_SQLITE, "SQLite", mm_store_use_memory},
    {MAILMOD_MEMORY_LIBUV, "libuv", mm_io_use_memory_uv},
    {MAILMOD_MEMORY_CARES, "c-ares", mm_io_use_memory_ares},
};

#define ALL_LIBRARIES                                                          \
    ((size_t)MAILMOD_MEMORY_OPENSSL | MAILMOD_MEMORY_SQLITE |                  \
     MAILMOD_MEMORY_LIBUV | MAILMOD_MEMORY_CARES)

static enum mailmod_error check(const struct mailmod_allocator *allocator)
{
    if (allocator->allocate == NULL || allocator->resize == NULL ||
        allocator->release == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a function is NULL");
    }
    if ((allocator->covers & ~ALL_LIBRARIES) != 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "covers has unknown bits");
    }
    return mm_mem_is_used()
               ? mm_fail(MAILMOD_ERROR_STATE, "mailmod has memory already")
               : MAILMOD_OK;
}

static enum mailmod_error cover(size_t covers)
{
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        if ((covers & libraries[i].bit) != 0 &&
            libraries[i].use() != MAILMOD_OK) {
            return mm_fail(MAILMOD_ERROR_STATE, "%s has memory already",
                           libraries[i].name);
        }
    }
    return MAILMOD_OK;
}

enum mailmod_error
mailmod_allocator_set(const struct mailmod_allocator *allocator)
{
    struct mailmod_allocator known;
    enum mailmod_error error = mm_sized_take(&known, sizeof known, allocator,
                                             MM_ALLOCATOR_SIZE_1, "allocator");

    if (error == MAILMOD_OK) {
        error = check(&known);
    }
    if (error == MAILMOD_OK) {
        error = cover(known.covers);
    }
    if (error == MAILMOD_OK) {
        const struct mm_mem_source source = {.allocate = known.allocate,
                                             .resize = known.resize,
                                             .release = known.release,
                                             .context = known.context};

        mm_mem_use(&source);
    }
    return error;
}

enum mailmod_error mailmod_sqlite_stop_counting(void)
{
    return mm_store_stop_counting() == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_STATE, "SQLite is in use already");
}
