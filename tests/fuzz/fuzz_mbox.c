/* fuzz_mbox.c - any octets as an mbox: what is read does not depend on how it
 * was cut, has CRLF line ends alone, and is the same when it is written and
 * read again. */
#include "tests/fuzz/fuzz.h"
#include "wire/msg/mbox.h"
#include "wire/msg/mbox_status.h"

#include <string.h>

#define SIZE_MAX_ (4 * 1024 * 1024)

/* The texts one behind the other, a NUL before each; false: no mbox. */
static bool read_all(struct mm_span input, size_t piece_size,
                     struct mm_buf *out)
{
    struct mm_mbox_reader reader;
    enum mailmod_error error = MAILMOD_OK;
    bool is_over = false;

    mm_mbox_reader_init(&reader);
    while (error == MAILMOD_OK && !is_over) {
        is_over = input.size == 0;
        struct mm_span piece = fuzz_piece(&input, piece_size);
        enum mm_mbox_event event = MM_MBOX_TEXT;

        while (error == MAILMOD_OK && event != MM_MBOX_MORE) {
            struct mm_span text;
            size_t used = 0;

            error = mm_mbox_read(&reader, piece, &used, &event, &text);
            FUZZ_CHECK(used <= piece.size);
            piece = mm_span_from(piece, used);
            if (event == MM_MBOX_BEGIN) {
                struct mm_span sender;
                int64_t unix_ms;

                mm_mbox_from(text, &sender, &unix_ms);
                FUZZ_CHECK(mm_buf_append_char(out, '\0') == MAILMOD_OK);
            } else {
                FUZZ_CHECK(mm_buf_append_span(out, text) == MAILMOD_OK);
            }
        }
        FUZZ_CHECK(error != MAILMOD_OK || piece.size == 0);
    }
    mm_mbox_reader_fini(&reader);
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_SYNTAX);
    return error == MAILMOD_OK;
}

/* Texts without a NUL of their own. */
static void write_all(struct mm_span texts, struct mm_buf *out)
{
    struct mm_mbox_writer writer;
    struct mm_span rest = mm_span_from(texts, 1);
    bool goes_on = true;

    mm_mbox_writer_init(&writer);
    while (goes_on) {
        struct mm_span text;

        goes_on = mm_span_cut(rest, '\0', &text, &rest);
        FUZZ_CHECK(mm_mbox_write_from(out, mm_span("", 0), 0) == MAILMOD_OK);
        FUZZ_CHECK(mm_mbox_write(&writer, text, out) == MAILMOD_OK);
        FUZZ_CHECK(mm_mbox_write_end(&writer, out) == MAILMOD_OK);
    }
    mm_mbox_writer_fini(&writer);
}

/* A message with fields of a reader's marks. */
static unsigned take_marks(struct mm_span input, size_t piece_size,
                           struct mm_buf *out)
{
    struct mm_mbox_status status = {0};

    mm_buf_init(out, SIZE_MAX_);
    while (input.size > 0) {
        FUZZ_CHECK(mm_mbox_status_take(&status, fuzz_piece(&input, piece_size),
                                       out) == MAILMOD_OK);
    }
    FUZZ_CHECK(mm_mbox_status_end(&status, out) == MAILMOD_OK);
    return status.marks;
}

/* The marks and the rest do not depend on the cuts, and what is written for the
 * marks reads back to them. */
static void check_marks(struct mm_span input, size_t piece_size)
{
    struct mm_buf outs[3];
    struct mm_buf fields;
    unsigned marks = take_marks(input, input.size + 1, &outs[0]);

    FUZZ_CHECK(take_marks(input, piece_size, &outs[1]) == marks);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&outs[0]), mm_buf_span(&outs[1])));
    FUZZ_CHECK(mm_buf_size(&outs[0]) <= input.size);
    mm_buf_init(&fields, 4096);
    FUZZ_CHECK(mm_mbox_status_write(marks, &fields) == MAILMOD_OK);
    FUZZ_CHECK(take_marks(mm_buf_span(&fields), 4096, &outs[2]) == marks);
    FUZZ_CHECK(mm_buf_size(&outs[2]) == 0);
    mm_buf_fini(&outs[0]);
    mm_buf_fini(&outs[1]);
    mm_buf_fini(&outs[2]);
    mm_buf_fini(&fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > SIZE_MAX_ / 8) {
        return 0;
    }
    struct mm_span input = mm_span((const char *)data + 1, size - 1);
    struct mm_buf whole;
    struct mm_buf cut;
    struct mm_buf file;

    check_marks(input, 1 + (size_t)data[0] % 7);
    mm_buf_init(&whole, SIZE_MAX_);
    mm_buf_init(&cut, SIZE_MAX_);
    mm_buf_init(&file, SIZE_MAX_);
    bool is_mbox = read_all(input, input.size + 1, &whole);
    FUZZ_CHECK(read_all(input, 1 + (size_t)data[0] % 7, &cut) == is_mbox);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&whole), mm_buf_span(&cut)));
    if (is_mbox && memchr(input.data, '\0', input.size) == NULL &&
        mm_buf_size(&whole) > 0 && input.data[input.size - 1] == '\n') {
        write_all(mm_buf_span(&whole), &file);
        mm_buf_clear(&cut);
        FUZZ_CHECK(read_all(mm_buf_span(&file), 4096, &cut));
        FUZZ_CHECK(mm_span_equal(mm_buf_span(&whole), mm_buf_span(&cut)));
    }
    mm_buf_fini(&whole);
    mm_buf_fini(&cut);
    mm_buf_fini(&file);
    return 0;
}
