/* thread: any
 * splitmix.h - numbers that spread: for retries, orders and seeds. They guard
 * nothing; who needs secrecy takes platform/random.h. */
#ifndef MM_BASE_SPLITMIX_H
#define MM_BASE_SPLITMIX_H

#include <stdint.h>

/* The next number; `state` goes on with it. */
uint64_t mm_splitmix_next(uint64_t *state);

#endif
