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

/* A text and where it is kept in memory. */
struct text_test {
    struct mm_message_text text;
    struct mm_message_held held;
    const char *reverse_path;
    struct mm_buf out;
    unsigned puts;
    enum mailmod_error put_error;
};

static enum mailmod_error put(void *context, struct mm_span data)
{
    struct text_test *test = context;

    test->puts++;
    assert_int_equal(mm_message_held_write(&test->held, data), MAILMOD_OK);
    return test->put_error;
}

static void begin(struct text_test *test, bool adds_headers, uint64_t size_max)
{
    const struct mm_message_text_options options = {
        .size_max = size_max, .put = put, .context = test};

    *test = (struct text_test){.reverse_path = "me@here.test"};
    mm_buf_init(&test->out, OUT_MAX);
    mm_message_text_init(&test->text, &options);
    mm_message_held_init(
        &test->held, adds_headers ? MM_HEADER_ADDS_DATE | MM_HEADER_ADDS_FROM |
                                        MM_HEADER_ADDS_MESSAGE_ID
                                  : 0);
}

static void finish(struct text_test *test)
{
    const struct mm_header_missing missing = {.host_name = "mail.test",
                                              .identifier = "abc",
                                              .reverse_path =
                                                  test->reverse_path,
                                              .now_ms = 0};

    assert_int_equal(mm_message_text_finish(&test->text), MAILMOD_OK);
    assert_int_equal(mm_message_held_finish(&test->held, &missing), MAILMOD_OK);
    for (unsigned i = 0; i < test->held.piece_count; i++) {
        assert_true(test->held.pieces[i].size <= MM_LIMIT_CHUNK);
        assert_int_equal(mm_buf_append_span(&test->out, test->held.pieces[i]),
                         MAILMOD_OK);
    }
    assert_int_equal(mm_buf_size(&test->out), test->held.size);
}

static void end(struct text_test *test)
{
    mm_message_held_fini(&test->held);
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

#define DATE "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
#define FROM "From: <me@here.test>\r\n"
#define ID "Message-ID: <abc@mail.test>\r\n"

static void check(const struct vector *vectors, size_t count, bool adds)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t piece = 1; piece <= vectors[i].in.size + 1; piece++) {
            struct text_test test;

            begin(&test, adds, UINT64_MAX);
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
        {"whole", OCTETS("a\r\n"), OCTETS("\r\na\r\n")},
        {"lf", OCTETS("a\nb\n"), OCTETS("\r\na\r\nb\r\n")},
        {"cr", OCTETS("a\rb\r"), OCTETS("\r\na\r\nb\r\n")},
        {"F08: crcrlf", OCTETS("a\r\r\nb"), OCTETS("\r\na\r\nb\r\n")},
        {"crs", OCTETS("a\r\rb\r\r"), OCTETS("\r\na\r\n\r\nb\r\n\r\n")},
        {"lfcr", OCTETS("a\n\rb"), OCTETS("\r\na\r\n\r\nb\r\n")},
        {"crlflf", OCTETS("a\r\n\nb"), OCTETS("\r\na\r\n\r\nb\r\n")},
        {"no end", OCTETS("a\r\nb"), OCTETS("\r\na\r\nb\r\n")},
        {"nul", OCTETS("a\0b\n\0"), OCTETS("\r\na\0b\r\n\0\r\n")},
        {"8bit", OCTETS("\xff\xfe\n"), OCTETS("\r\n\xff\xfe\r\n")},
        {"dots", OCTETS(".\n..\n.\n"), OCTETS("\r\n.\r\n..\r\n.\r\n")},
        {"only ends", OCTETS("\n\r\r\n"), OCTETS("\r\n\r\n")},
    };

    (void)state;
    check(vectors, sizeof vectors / sizeof vectors[0], false);
}

static void fields(void **state)
{
    static const struct vector vectors[] = {
        {"none is there", OCTETS("Subject: x\n\nb\n"),
         OCTETS(DATE FROM ID "Subject: x\r\n\r\nb\r\n")},
        {"all are there", OCTETS("date: x\nFROM : y\nMessage-Id: z\n\nb\n"),
         OCTETS("date: x\r\nFROM : y\r\nMessage-Id: z\r\n\r\nb\r\n")},
        {"in the body", OCTETS("From: y\n\nDate: x\n"),
         OCTETS(DATE ID "From: y\r\n\r\nDate: x\r\n")},
        {"folded", OCTETS("X: y\n Date: x\n\n"),
         OCTETS(DATE FROM ID "X: y\r\n Date: x\r\n\r\n")},
        {"no header", OCTETS("\nb\n"), OCTETS(DATE FROM ID "\r\nb\r\n")},
        {"all body", OCTETS("Hello\nDate: now\n"),
         OCTETS(DATE FROM ID "\r\nHello\r\nDate: now\r\n")},
        {"one word", OCTETS("Hello"), OCTETS(DATE FROM ID "\r\nHello\r\n")},
        {"header alone", OCTETS("Date: x"), OCTETS(FROM ID "Date: x\r\n")},
        {"empty", OCTETS(""), OCTETS(DATE FROM ID)},
    };

    (void)state;
    check(vectors, sizeof vectors / sizeof vectors[0], true);
}

static void null_path_gets_no_from(void **state)
{
    struct text_test test;

    (void)state;
    begin(&test, true, 1000);
    test.reverse_path = "";
    write_in_pieces(&test, mm_span_cstr("Subject: x\n\nb\n"), 100);
    finish(&test);
    assert_out(&test, mm_span_cstr(DATE ID "Subject: x\r\n\r\nb\r\n"), "null",
               100);
    end(&test);
}

static void a_limit_that_is_reached_exactly(void **state)
{
    struct text_test test;

    (void)state;
    begin(&test, false, 6);
    write_in_pieces(&test, mm_span_cstr("ab\ncd"), 1);
    assert_int_equal(mm_message_text_finish(&test.text),
                     MAILMOD_ERROR_TOO_LARGE);
    end(&test);
    begin(&test, false, 8);
    write_in_pieces(&test, mm_span_cstr("ab\ncd"), 1);
    finish(&test);
    assert_out(&test, mm_span_cstr("\r\nab\r\ncd\r\n"), "limit", 1);
    end(&test);
    begin(&test, false, 3);
    assert_int_equal(mm_message_text_write(&test.text, mm_span_cstr("abcd")),
                     MAILMOD_ERROR_TOO_LARGE);
    end(&test);
}

/* Odd pieces over many chunks, with every kind of line end. */
static void chunks_are_whole(void **state)
{
    enum { LINES = 4000 };
    static const char *const ends[] = {"\r\n", "\n", "\r"};
    struct mm_buf in;
    struct mm_buf expected;

    (void)state;
    mm_buf_init(&in, OUT_MAX);
    mm_buf_init(&expected, OUT_MAX);
    (void)mm_buf_append_cstr(&in, "\n");
    (void)mm_buf_append_cstr(&expected, "\r\n");
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

        begin(&test, false, UINT64_MAX);
        write_in_pieces(&test, mm_buf_span(&in), piece);
        finish(&test);
        assert_true(test.held.piece_count >= 3);
        assert_out(&test, mm_buf_span(&expected), "chunks", piece);
        end(&test);
    }
    mm_buf_fini(&in);
    mm_buf_fini(&expected);
}

static void a_header_without_an_end(void **state)
{
    struct text_test test;
    size_t size = MM_LIMIT_CHUNK + 1000;
    char *octets = mm_alloc(size);

    (void)state;
    memset(octets, 'x', size);
    memcpy(octets, "X: ", 3);
    begin(&test, true, UINT64_MAX);
    write_in_pieces(&test, mm_span(octets, size), 4099);
    finish(&test);
    assert_true(test.held.piece_count > 1);
    assert_int_equal(test.text.taken, size + 2);
    assert_int_equal(test.held.size, size + 2 + sizeof(DATE FROM ID) - 1);
    end(&test);
    mm_free(octets);
}

static void what_is_refused_ends_it(void **state)
{
    struct text_test test;
    size_t size = 2 * MM_LIMIT_CHUNK;
    char *octets = mm_alloc(size);

    (void)state;
    begin(&test, false, UINT64_MAX);
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
    begin(&test, true, 1000);
    write_in_pieces(&test, mm_span_cstr("A: b\n\nc\n"), 3);
    finish(&test);
    assert_false(test.text.is_8bit);
    end(&test);
    begin(&test, true, 1000);
    write_in_pieces(&test, mm_span_cstr("A: b\n\nc\xc3\xa4\n"), 3);
    finish(&test);
    assert_true(test.text.is_8bit);
    end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends),
        cmocka_unit_test(fields),
        cmocka_unit_test(null_path_gets_no_from),
        cmocka_unit_test(a_limit_that_is_reached_exactly),
        cmocka_unit_test(chunks_are_whole),
        cmocka_unit_test(a_header_without_an_end),
        cmocka_unit_test(what_is_refused_ends_it),
        cmocka_unit_test(eight_bits_are_noted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
