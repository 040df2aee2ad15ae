/* sized.c - structures that begin with their size, from and to the host.
 *
 * Owns nothing. Promises: no octet past the size that the host wrote is read or
 * written, whatever this library's own size is.
 * Thread: any. */
#include "api/sized.h"

#include "api/instance.h"

#include <string.h>

/* The first member of all of them. */
static size_t size_of(const void *structure)
{
    size_t size;

    memcpy(&size, structure, sizeof size);
    return size;
}

enum mailmod_error mm_sized_check(const void *lent, size_t size_1,
                                  const char *name)
{
    if (lent == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: NULL", name);
    }
    return size_of(lent) >= size_1 ? MAILMOD_OK
                                   : mm_fail(MAILMOD_ERROR_ARGUMENT,
                                             "%s: its size %zu is below %zu",
                                             name, size_of(lent), size_1);
}

enum mailmod_error mm_sized_take(void *known_out, size_t known_size,
                                 const void *given, size_t size_1,
                                 const char *name)
{
    enum mailmod_error error = mm_sized_check(given, size_1, name);

    memset(known_out, 0, known_size);
    if (error == MAILMOD_OK) {
        size_t size = size_of(given);

        memcpy(known_out, given, size < known_size ? size : known_size);
    }
    return error;
}

enum mailmod_error mm_sized_take_at(void *known_out, size_t known_size,
                                    const void *list, size_t i, size_t size_1,
                                    const char *name)
{
    enum mailmod_error error = mm_sized_check(list, size_1, name);

    if (error != MAILMOD_OK) {
        return error;
    }
    const char *at = (const char *)list + i * size_of(list);
    return size_of(at) == size_of(list)
               ? mm_sized_take(known_out, known_size, at, size_1, name)
               : mm_fail(MAILMOD_ERROR_ARGUMENT,
                         "%s: number %zu has another size", name, i);
}

void mm_sized_give(void *lent, const void *known, size_t known_size)
{
    size_t size = size_of(lent);
    size_t shared = size < known_size ? size : known_size;

    memcpy((char *)lent + sizeof size, (const char *)known + sizeof size,
           shared - sizeof size);
    memset((char *)lent + shared, 0, size - shared);
}
