/* thread: any
 * siphash.h - SipHash-2-4, a short-input keyed hash: whoever does not know
 * the key cannot choose inputs that collide. No hash for signatures. */
#ifndef MM_BASE_SIPHASH_H
#define MM_BASE_SIPHASH_H

#include "base/span.h"

uint64_t mm_siphash(struct mm_span data, uint64_t key0, uint64_t key1);

#endif
