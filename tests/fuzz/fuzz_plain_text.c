/* fuzz_plain_text.c - any octets as a message whose words are looked for, and
 * as a field's value with encoded words.
 *
 * Never more octets come out than went in; a value has no line ends but its
 * own; and a text that an encoding of ours was given comes back. */
#include "base/base64.h"
#include "tests/fuzz/fuzz.h"
#include "wire/msg/plain_text.h"
#include "wire/msg/seven_bit.h"

#include <string.h>

static void check_bounds(struct mm_span input)
{
    struct mm_buf out;

    mm_buf_init(&out, input.size);
    FUZZ_CHECK(mm_plain_text_body(input, &out) == MAILMOD_OK);
    mm_buf_clear(&out);
    FUZZ_CHECK(mm_plain_text_value(input, &out) == MAILMOD_OK);
    mm_buf_fini(&out);
    /* Without room there is an error, and no more than the room. */
    mm_buf_init(&out, input.size / 3);
    enum mailmod_error error = mm_plain_text_body(input, &out);
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_LIMIT);
    FUZZ_CHECK(mm_buf_size(&out) <= input.size / 3);
    mm_buf_fini(&out);
}

/* A body in base64, in a part of its own behind a part of the input's. */
static void check_base64(struct mm_span input)
{
    struct mm_buf text;
    struct mm_buf out;
    struct mm_span body = mm_span(input.data, input.size % 4096);

    mm_buf_init(&text, 65536);
    mm_buf_init(&out, 65536);
    (void)mm_buf_append_cstr(
        &text, "Content-Type: multipart/mixed; boundary=\"b c\"\r\n\r\n"
               "--b c\r\nContent-Transfer-Encoding: BASE64\r\n\r\n");
    for (size_t at = 0; at < body.size; at += 57) {
        size_t size = body.size - at < 57 ? body.size - at : 57;

        FUZZ_CHECK(mm_base64_encode(&text, body.data + at, size) == MAILMOD_OK);
        (void)mm_buf_append_cstr(&text, "\r\n");
    }
    (void)mm_buf_append_cstr(&text, "--b c--\r\n");
    FUZZ_CHECK(mm_buf_error(&text) == MAILMOD_OK);
    FUZZ_CHECK(mm_plain_text_body(mm_buf_span(&text), &out) == MAILMOD_OK);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&out), body));
    mm_buf_fini(&text);
    mm_buf_fini(&out);
}

/* What our own 7-bit form of a message shows is what the message showed. */
static void check_seven_bit(struct mm_span input)
{
    struct mm_seven_bit message;
    struct mm_buf text;
    struct mm_buf form;
    struct mm_buf out;
    struct mm_span line;
    struct mm_span rest = input;

    mm_buf_init(&text, 1 << 20);
    mm_buf_init(&form, 1 << 22);
    mm_buf_init(&out, 1 << 22);
    (void)mm_buf_append_cstr(&text, "MIME-Version: 1.0\r\n\r\n");
    while (mm_buf_size(&text) < 4096 && mm_span_cut(rest, '\n', &line, &rest)) {
        for (size_t i = 0; i < line.size && i < 900; i++) {
            char c = line.data[i];
            (void)mm_buf_append_char(&text, c == '\r' || c == '\0' ? 'r' : c);
        }
        (void)mm_buf_append_cstr(&text, "\r\n");
    }
    mm_seven_bit_init(&message);
    struct mm_span given = mm_buf_span(&text);
    while (given.size > 0) {
        size_t taken =
            mm_seven_bit_write(&message, &form, given.data, given.size);

        FUZZ_CHECK(taken > 0);
        given = mm_span_from(given, taken);
    }
    mm_seven_bit_end(&message, &form);
    FUZZ_CHECK(!mm_span_has_8bit(mm_buf_span(&form)));
    FUZZ_CHECK(mm_plain_text_body(mm_buf_span(&form), &out) == MAILMOD_OK);
    FUZZ_CHECK(
        mm_span_equal(mm_buf_span(&out), mm_span_from(mm_buf_span(&text), 21)));
    mm_buf_fini(&text);
    mm_buf_fini(&form);
    mm_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);

    check_bounds(input);
    check_base64(input);
    check_seven_bit(input);
    return 0;
}
