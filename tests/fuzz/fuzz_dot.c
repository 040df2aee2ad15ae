/* fuzz_dot.c - any octets as a body to send and as a body that is received.
 * What is stuffed comes back as the text with its line ends made CRLF; what is
 * received does not depend on how it was cut, has no bare newline when it is
 * normalised, and ends only at CRLF.CRLF. */
#include "tests/fuzz/fuzz.h"
#include "wire/dot.h"

#include <string.h>

#define SIZE_MAX_ (4 * 1024 * 1024)

/* Octets of the input up to and with the end, or all of them. */
static size_t receive(struct mm_dot_reader *reader, struct mm_span input,
                      size_t piece_size, struct mm_buf *body)
{
    size_t total = 0;
    while (input.size > 0 && reader->state != MM_DOT_END) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        enum mm_dot_result result = MM_DOT_RUN;
        while (result == MM_DOT_RUN) {
            struct mm_span run;
            size_t used = 0;
            result = mm_dot_read(reader, piece, &used, &run);
            FUZZ_CHECK(used <= piece.size);
            FUZZ_CHECK((run.size > 0) == (result == MM_DOT_RUN));
            FUZZ_CHECK(mm_buf_append_span(body, run) == MAILMOD_OK);
            piece = mm_span_from(piece, used);
            total += used;
        }
        FUZZ_CHECK(result == MM_DOT_DONE || piece.size == 0);
        FUZZ_CHECK((result == MM_DOT_DONE) == (reader->state == MM_DOT_END));
    }
    return total;
}

static bool has_bare_newline(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r')) {
            return true;
        }
        if (text.data[i] == '\r' && i + 1 < text.size &&
            text.data[i + 1] != '\n') {
            return true;
        }
    }
    return false;
}

/* Line ends as CRLF, one at the end of a text that is not empty. */
static void normalize(struct mm_buf *out, struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool after_cr = i > 0 && text.data[i - 1] == '\r';
        if (c == '\r' || (c == '\n' && !after_cr)) {
            mm_buf_append_cstr(out, "\r\n");
        } else if (c != '\n') {
            mm_buf_append_char(out, c);
        }
    }
    struct mm_span made = mm_buf_span(out);
    if (made.size > 0 && made.data[made.size - 1] != '\n') {
        mm_buf_append_cstr(out, "\r\n");
    }
}

/* Stuffs through an output of little room, then unstuffs. */
static void check_round_trip(struct mm_span text, size_t room)
{
    struct mm_dot_writer writer;
    struct mm_dot_reader reader;
    struct mm_buf small;
    struct mm_buf wire;
    struct mm_buf body;
    struct mm_buf expected;
    struct mm_span rest = text;
    mm_dot_writer_init(&writer);
    mm_dot_reader_init(&reader, true, false);
    mm_buf_init(&small, room + 5);
    mm_buf_init(&wire, SIZE_MAX_);
    mm_buf_init(&body, SIZE_MAX_);
    mm_buf_init(&expected, SIZE_MAX_);
    while (rest.size > 0) {
        size_t used = mm_dot_write(&writer, &small, rest.data, rest.size);
        FUZZ_CHECK(used > 0 && used <= rest.size);
        rest = mm_span_from(rest, used);
        mm_buf_append_span(&wire, mm_buf_span(&small));
        mm_buf_clear(&small);
    }
    FUZZ_CHECK(mm_dot_write_end(&writer, &wire) == MAILMOD_OK);
    FUZZ_CHECK(!has_bare_newline(mm_buf_span(&wire)));
    size_t used = receive(&reader, mm_buf_span(&wire), room, &body);
    FUZZ_CHECK(reader.state == MM_DOT_END && used == mm_buf_size(&wire));
    FUZZ_CHECK(!reader.has_bare_newline);
    normalize(&expected, text);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&body), mm_buf_span(&expected)));
    mm_buf_fini(&small);
    mm_buf_fini(&wire);
    mm_buf_fini(&body);
    mm_buf_fini(&expected);
}

static void check_received(struct mm_span input, size_t piece_size,
                           bool normalizes)
{
    struct mm_dot_reader whole;
    struct mm_dot_reader cut;
    struct mm_buf whole_body;
    struct mm_buf cut_body;
    mm_dot_reader_init(&whole, true, normalizes);
    mm_dot_reader_init(&cut, true, normalizes);
    mm_buf_init(&whole_body, SIZE_MAX_);
    mm_buf_init(&cut_body, SIZE_MAX_);
    size_t used = receive(&whole, input, input.size, &whole_body);
    FUZZ_CHECK(receive(&cut, input, piece_size, &cut_body) == used);
    FUZZ_CHECK(whole.state == cut.state);
    FUZZ_CHECK(whole.has_bare_newline == cut.has_bare_newline);
    FUZZ_CHECK(whole.line_size_max == cut.line_size_max);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&whole_body), mm_buf_span(&cut_body)));
    if (normalizes) {
        FUZZ_CHECK(!has_bare_newline(mm_buf_span(&whole_body)));
    }
    if (whole.state == MM_DOT_END) {
        FUZZ_CHECK(used == 3
                       ? memcmp(input.data, ".\r\n", 3) == 0
                       : memcmp(input.data + used - 5, "\r\n.\r\n", 5) == 0);
        struct mm_span taken = mm_span(input.data, used);
        FUZZ_CHECK(whole.has_bare_newline == has_bare_newline(taken));
    }
    mm_buf_fini(&whole_body);
    mm_buf_fini(&cut_body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    size_t piece_size = fuzz_octet(&input);
    if (input.size > 100000) {
        return 0;
    }
    check_round_trip(input, piece_size);
    check_received(input, piece_size, false);
    check_received(input, piece_size, true);
    return 0;
}
