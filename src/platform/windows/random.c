/* random.c - the system's generator on Windows (CNG's preferred one).
 *
 * Promises all the octets or an error, never weaker ones.
 * Thread: any. */
#include "platform/random.h"
#include "platform/windows/system.h"

#include <bcrypt.h>

enum { SIZE_AT_ONCE = 1 << 20 };

enum mailmod_error mm_random(void *bytes_out, size_t size)
{
    unsigned char *at = bytes_out;
    while (size > 0) {
        ULONG part = size < SIZE_AT_ONCE ? (ULONG)size : SIZE_AT_ONCE;
        if (BCryptGenRandom(NULL, at, part, BCRYPT_USE_SYSTEM_PREFERRED_RNG) !=
            0) {
            return MAILMOD_ERROR_SYSTEM;
        }
        at += part;
        size -= part;
    }
    return MAILMOD_OK;
}
