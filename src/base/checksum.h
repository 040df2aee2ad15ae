/* thread: any
 * checksum.h - a fast checksum of octets at rest (XXH64, seed 0): finds what a
 * disk or a copy changed by accident, and nothing that somebody made on
 * purpose. The same on every machine. */
#ifndef MM_BASE_CHECKSUM_H
#define MM_BASE_CHECKSUM_H

#include "base/span.h"

uint64_t mm_checksum(struct mm_span data);

#endif
