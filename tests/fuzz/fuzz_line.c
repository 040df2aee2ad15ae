/* fuzz_line.c - any octets as command lines. The lines do not depend on how
 * the octets were cut, keep their cap, and each begins behind a CRLF. */
#include "tests/fuzz/fuzz.h"
#include "wire/line.h"

#include <string.h>

/* Each line as its text, an octet of flaws and an LF. */
static unsigned collect(struct mm_span input, size_t size_max,
                        size_t piece_size, struct mm_buf *seen)
{
    struct mm_line_reader reader;
    unsigned count = 0;
    mm_line_reader_init(&reader, size_max);
    while (input.size > 0) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        enum mm_line_result result = MM_LINE_WHOLE;
        while (result == MM_LINE_WHOLE) {
            struct mm_line line;
            size_t used = 0;
            result = mm_line_read(&reader, piece, &used, &line);
            FUZZ_CHECK(result != MM_LINE_NO_MEMORY && used <= piece.size);
            piece = mm_span_from(piece, used);
            if (result == MM_LINE_WHOLE) {
                FUZZ_CHECK(line.text.size <= size_max);
                mm_buf_append_span(seen, line.text);
                mm_buf_append_char(seen, (char)line.flaws);
                mm_buf_append_char(seen, '\n');
                count++;
            }
        }
        FUZZ_CHECK(piece.size == 0);
    }
    FUZZ_CHECK(reader.buf.capacity <= size_max + 2);
    mm_line_reader_fini(&reader);
    return count;
}

/* Every CRLF ends one line; a bare LF gives it out before that. */
static unsigned count_lines(struct mm_span input)
{
    unsigned count = 0;
    bool is_rest = false;
    for (size_t i = 0; i < input.size; i++) {
        if (input.data[i] == '\n') {
            count += is_rest ? 0 : 1;
            is_rest = i == 0 || input.data[i - 1] != '\r';
        }
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    size_t piece_size = fuzz_octet(&input);
    size_t size_max = (size_t)fuzz_octet(&input) + 1;
    struct mm_buf whole;
    struct mm_buf cut;
    unsigned ends = count_lines(input);
    mm_buf_init(&whole, 3 * input.size + 1);
    mm_buf_init(&cut, 3 * input.size + 1);
    FUZZ_CHECK(collect(input, size_max, input.size, &whole) == ends);
    FUZZ_CHECK(collect(input, size_max, piece_size, &cut) == ends);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&whole), mm_buf_span(&cut)));
    mm_buf_fini(&whole);
    mm_buf_fini(&cut);
    return 0;
}
