/* test_message_text.c - one result however the text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/message/message.h"
#include "base/limits.h"
#include "base/mem.h"

#define OUT_MAX (4 * 1024 * 1024)

/* A text and what it gives. */
struct text_test {
    struct mm_message_text text;
    struct mm_buf out;
    unsigned puts;
    enum mailmod_error put_error;
};

static enum mailmod_error put(void *context, struct mm_span data)
{
    struct text_test *test = context;

    test->puts++;
    assert_int_equal(mm_buf_append_span(&test->out, data), MAILMOD_OK);
    return test->put_error;
}

static void begin(struct text_test *test, uint64_t size_max)
{
    const struct mm_message_text_options options = {
        .size_max = size_max, .put = put, .context = test};

    *test = (struct text_test){.puts = 0};
    mm_buf_init(&test->out, OUT_MAX);
    mm_message_text_init(&test->text, &options);
}

static void finish(struct text_test *test)
{
    assert_int_equal(mm_message_text_finish(&test->text), MAILMOD_OK);
    assert_int_equal(mm_buf_size(&test->out), test->text.taken);
}

static void end(struct text_test *test)
{
    mm_buf_fini(&test->out);
}

static void write_in_pieces(struct text_test *test, struct mm_span octets,
                            size_t piece)
{
    while (octets.size > 0) {
        size_t size = octets.size < piece ? octets.size : piece;

        assert_int_equal(
            mm_message_text_write(&test->text, mm_span(octets.data, size)),
            MAILMOD_OK);
        octets = mm_span_from(octets, size);
    }
}

static void assert_out(struct text_test *test, struct mm_span expected,
                       const char *name, size_t piece)
{
    if (!mm_span_equal(mm_buf_span(&test->out), expected)) {
        fail_msg("%s by %zu: %.*s", name, piece, (int)mm_buf_size(&test->out),
                 mm_buf_span(&test->out).data);
    }
}

struct vector {
    const char *name;
    struct mm_span in;
    struct mm_span out;
};
#define OCTETS(literal)                                                        \
    {                                                                          \
        literal, sizeof(literal) - 1                                           \
    }

static void check(const struct vector *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t piece = 1; piece <= vectors[i].in.size + 1; piece++) {
            struct text_test test;

            begin(&test, UINT64_MAX);
            write_in_pieces(&test, vectors[i].in, piece);
            finish(&test);
            assert_out(&test, vectors[i].out, vectors[i].name, piece);
            end(&test);
        }
    }
}

static void line_ends(void **state)
{
    static const struct vector vectors[] = {
        {"empty", OCTETS(""), OCTETS("")},
        {"whole", OCTETS("a\r\n"), OCTETS("a\r\n")},
        {"lf", OCTETS("a\nb\n"), OCTETS("a\r\nb\r\n")},
        {"cr", OCTETS("a\rb\r"), OCTETS("a\r\nb\r\n")},
        {"F08: crcrlf", OCTETS("a\r\r\nb"), OCTETS("a\r\nb\r\n")},
        {"crs", OCTETS("a\r\rb\r\r"), OCTETS("a\r\n\r\nb\r\n\r\n")},
        {"lfcr", OCTETS("a\n\rb"), OCTETS("a\r\n\r\nb\r\n")},
        {"crlflf", OCTETS("a\r\n\nb"), OCTETS("a\r\n\r\nb\r\n")},
        {"no end", OCTETS("a\r\nb"), OCTETS("a\r\nb\r\n")},
        {"nul", OCTETS("a\0b\n\0"), OCTETS("a\0b\r\n\0\r\n")},
        {"8bit", OCTETS("\xff\xfe\n"), OCTETS("\xff\xfe\r\n")},
        {"dots", OCTETS(".\n..\n.\n"), OCTETS(".\r\n..\r\n.\r\n")},
        {"only ends", OCTETS("\n\r\r\n"), OCTETS("\r\n\r\n")},
    };

    (void)state;
    check(vectors, sizeof vectors / sizeof vectors[0]);
}

static void a_limit_that_is_reached_exactly(void **state)
{
    struct text_test test;

    (void)state;
    begin(&test, 6);
    write_in_pieces(&test, mm_span_cstr("ab\ncd"), 1);
    assert_int_equal(mm_message_text_finish(&test.text),
                     MAILMOD_ERROR_TOO_LARGE);
    end(&test);
    begin(&test, 8);
    write_in_pieces(&test, mm_span_cstr("ab\ncd"), 1);
    finish(&test);
    assert_out(&test, mm_span_cstr("ab\r\ncd\r\n"), "limit", 1);
    end(&test);
    begin(&test, 3);
    assert_int_equal(mm_message_text_write(&test.text, mm_span_cstr("abcd")),
                     MAILMOD_ERROR_TOO_LARGE);
    end(&test);
}

/* Odd pieces of many lines, with every kind of line end. */
static void long_texts_are_whole(void **state)
{
    enum { LINES = 4000 };
    static const char *const ends[] = {"\r\n", "\n", "\r"};
    struct mm_buf in;
    struct mm_buf expected;

    (void)state;
    mm_buf_init(&in, OUT_MAX);
    mm_buf_init(&expected, OUT_MAX);
    for (unsigned i = 0; i < LINES; i++) {
        char line[128];

        memset(line, 'a' + (int)(i % 26), sizeof line);
        (void)mm_buf_append(&in, line, 1 + i % sizeof line);
        (void)mm_buf_append(&expected, line, 1 + i % sizeof line);
        (void)mm_buf_append_cstr(&in, ends[i % 3]);
        (void)mm_buf_append_cstr(&expected, "\r\n");
    }
    for (size_t piece = 1; piece < 300000; piece = piece * 7 + 1) {
        struct text_test test;

        begin(&test, UINT64_MAX);
        write_in_pieces(&test, mm_buf_span(&in), piece);
        finish(&test);
        assert_out(&test, mm_buf_span(&expected), "long", piece);
        end(&test);
    }
    mm_buf_fini(&in);
    mm_buf_fini(&expected);
}

static void what_is_refused_ends_it(void **state)
{
    struct text_test test;
    size_t size = 2 * MM_LIMIT_CHUNK;
    char *octets = mm_alloc(size);

    (void)state;
    begin(&test, UINT64_MAX);
    test.put_error = MAILMOD_ERROR_STORAGE_FULL;
    assert_int_equal(mm_message_text_write(&test.text, mm_span(octets, size)),
                     MAILMOD_ERROR_STORAGE_FULL);
    assert_int_equal(test.puts, 1);
    end(&test);
    mm_free(octets);
}

static void eight_bits_are_noted(void **state)
{
    struct text_test test;

    (void)state;
    begin(&test, 1000);
    write_in_pieces(&test, mm_span_cstr("A: b\n\nc\n"), 3);
    finish(&test);
    assert_false(test.text.is_8bit);
    end(&test);
    begin(&test, 1000);
    write_in_pieces(&test, mm_span_cstr("A: b\n\nc\xc3\xa4\n"), 3);
    finish(&test);
    assert_true(test.text.is_8bit);
    end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends),
        cmocka_unit_test(a_limit_that_is_reached_exactly),
        cmocka_unit_test(long_texts_are_whole),
        cmocka_unit_test(what_is_refused_ends_it),
        cmocka_unit_test(eight_bits_are_noted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
