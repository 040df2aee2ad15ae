/* thread: any
 * fuzz.h - what all fuzz targets share: the entry point, a check that stays
 * in every build, and a reader of the octets that steer a target. */
#ifndef MM_TESTS_FUZZ_FUZZ_H
#define MM_TESTS_FUZZ_FUZZ_H

#include "base/span.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* Takes one octet from the front; 0 when there is none. */
static inline uint8_t fuzz_octet(struct mm_span *input)
{
    if (input->size == 0) {
        return 0;
    }
    uint8_t octet = (uint8_t)input->data[0];
    *input = mm_span_from(*input, 1);
    return octet;
}

/* Takes a piece of at most `size` octets, at least one, from the front. */
static inline struct mm_span fuzz_piece(struct mm_span *input, size_t size)
{
    size_t taken = size == 0 ? 1 : size;
    if (taken > input->size) {
        taken = input->size;
    }
    struct mm_span piece = mm_span(input->data, taken);
    *input = mm_span_from(*input, taken);
    return piece;
}

#endif
