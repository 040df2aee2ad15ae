/* thread: any
 * random.h - bytes from the system's generator. */
#ifndef MM_PLATFORM_RANDOM_H
#define MM_PLATFORM_RANDOM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

MM_CHECK enum mailmod_error mm_random(void *bytes_out, size_t size);

#endif
