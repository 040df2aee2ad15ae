/* fuzz_message_text.c - any octets as the text of a message that a host program
 * writes, in pieces of any size, up to any largest size.
 *
 * The same octets come out however they were cut; all of them are whole CRLF
 * lines, whose octets are those that were given; what came out is never more
 * than is allowed, and a text that would be is TOO_LARGE however it is cut. */
#include "api/message/text.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static enum mailmod_error put(void *context, struct mm_span data)
{
    struct mm_buf *out = context;

    FUZZ_CHECK(data.size > 0);
    return mm_buf_append_span(out, data);
}

static enum mailmod_error write_all(struct mm_span input, size_t piece_size,
                                    uint64_t size_max, struct mm_buf *out,
                                    bool *is_8bit_out)
{
    struct mm_message_text text;
    const struct mm_message_text_options options = {
        .size_max = size_max, .put = put, .context = out};
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(out, 1 << 22);
    mm_message_text_init(&text, &options);
    while (error == MAILMOD_OK && input.size > 0) {
        error = mm_message_text_write(&text, fuzz_piece(&input, piece_size));
    }
    if (error == MAILMOD_OK) {
        error = mm_message_text_finish(&text);
    }
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_TOO_LARGE);
    FUZZ_CHECK(text.taken <= size_max && text.taken == mm_buf_size(out));
    *is_8bit_out = text.is_8bit;
    return error;
}

/* The octets that are no line end, one behind the other. */
static void take_others(struct mm_span text, struct mm_buf *out)
{
    mm_buf_init(out, 1 << 22);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\r' && text.data[i] != '\n') {
            (void)mm_buf_append_char(out, text.data[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    size_t piece_size = fuzz_octet(&input);
    uint8_t limit = fuzz_octet(&input);
    uint64_t size_max = limit < 128 ? UINT64_MAX : (limit - 128) * UINT64_C(4);
    struct mm_buf whole;
    struct mm_buf cut;
    struct mm_buf others[2];
    bool is_8bit[2];
    struct mm_span line;
    enum mailmod_error error =
        write_all(input, input.size, size_max, &whole, &is_8bit[0]);

    FUZZ_CHECK(write_all(input, piece_size, size_max, &cut, &is_8bit[1]) ==
               error);
    if (error == MAILMOD_OK) {
        struct mm_span rest = mm_buf_span(&whole);

        FUZZ_CHECK(mm_span_equal(rest, mm_buf_span(&cut)));
        FUZZ_CHECK(is_8bit[0] == is_8bit[1] &&
                   is_8bit[0] == mm_span_has_8bit(input));
        take_others(input, &others[0]);
        take_others(rest, &others[1]);
        FUZZ_CHECK(
            mm_span_equal(mm_buf_span(&others[0]), mm_buf_span(&others[1])));
        while (mm_span_cut(rest, '\n', &line, &rest)) {
            FUZZ_CHECK(line.size > 0 && line.data[line.size - 1] == '\r');
            FUZZ_CHECK(memchr(line.data, '\r', line.size) ==
                       line.data + line.size - 1);
        }
        FUZZ_CHECK(rest.size == 0);
        mm_buf_fini(&others[0]);
        mm_buf_fini(&others[1]);
    }
    mm_buf_fini(&whole);
    mm_buf_fini(&cut);
    return 0;
}
