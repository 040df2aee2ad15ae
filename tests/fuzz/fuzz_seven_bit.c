/* fuzz_seven_bit.c - any octets as a message for a host of 7 bits: the same
 * in one piece and in others, and no line end but CRLF; and as one with binary
 * parts: the same in one piece and in others. */
#include "base/buf.h"
#include "tests/fuzz/fuzz.h"
#include "wire/msg/seven_bit.h"

#include <string.h>

static struct mm_seven_bit message;

static void run(struct mm_buf *out, struct mm_span input, size_t piece,
                bool is_binary)
{
    if (is_binary) {
        mm_seven_bit_init_binary(&message);
    } else {
        mm_seven_bit_init(&message);
    }
    while (input.size > 0) {
        struct mm_span next = fuzz_piece(&input, piece);
        FUZZ_CHECK(mm_seven_bit_write(&message, out, next.data, next.size) ==
                   next.size);
    }
    mm_seven_bit_end(&message, out);
    FUZZ_CHECK(mm_buf_error(out) == MAILMOD_OK);
}

static void check_lines(struct mm_span a)
{
    for (size_t i = 0; i < a.size; i++) {
        FUZZ_CHECK(a.data[i] != '\r' ||
                   (i + 1 < a.size && a.data[i + 1] == '\n'));
        FUZZ_CHECK(a.data[i] != '\n' || (i > 0 && a.data[i - 1] == '\r'));
    }
}

static void run_both(struct mm_span input, size_t piece, bool is_binary)
{
    struct mm_buf whole;
    struct mm_buf parts;
    mm_buf_init(&whole, SIZE_MAX / 2);
    mm_buf_init(&parts, SIZE_MAX / 2);
    run(&whole, input, input.size, is_binary);
    run(&parts, input, piece + 1, is_binary);
    struct mm_span a = mm_buf_span(&whole);
    FUZZ_CHECK(mm_span_equal(a, mm_buf_span(&parts)));
    if (!is_binary) {
        check_lines(a);
    }
    mm_buf_fini(&whole);
    mm_buf_fini(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    size_t piece = fuzz_octet(&input);

    run_both(input, piece, false);
    run_both(input, piece, true);
    return 0;
}
