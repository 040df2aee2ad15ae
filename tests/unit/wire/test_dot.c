/* test_dot.c - the dot both ways, whole and cut at every place; the forms by
 * which a second message could be smuggled behind the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/dot.h"

#include <string.h>

#define BYTES(text) (text), sizeof(text) - 1

struct write_case {
    const char *name;
    const char *input;
    size_t size;
    const char *expected;
    size_t expected_size;
};

static const struct write_case write_cases[] = {
    {"empty", BYTES(""), BYTES(".\r\n")},
    {"one line", BYTES("a\r\n"), BYTES("a\r\n.\r\n")},
    {"no final line end", BYTES("a"), BYTES("a\r\n.\r\n")},
    {"lone dot", BYTES("."), BYTES("..\r\n.\r\n")},
    {"lone dot line", BYTES(".\r\n"), BYTES("..\r\n.\r\n")},
    {"dots", BYTES("..a\r\n...\r\n"), BYTES("...a\r\n....\r\n.\r\n")},
    {"dot not first", BYTES("a.b\r\n.c\r\n"), BYTES("a.b\r\n..c\r\n.\r\n")},
    {"bare LF", BYTES("a\n.\nb"), BYTES("a\r\n..\r\nb\r\n.\r\n")},
    {"bare CR", BYTES("a\r.\rb"), BYTES("a\r\n..\r\nb\r\n.\r\n")},
    {"CR at the end", BYTES("a\r"), BYTES("a\r\n.\r\n")},
    {"CR CR LF", BYTES("a\r\r\nb"), BYTES("a\r\n\r\nb\r\n.\r\n")},
    {"LF CR", BYTES("a\n\rb"), BYTES("a\r\n\r\nb\r\n.\r\n")},
    {"empty lines", BYTES("\r\n\r\n"), BYTES("\r\n\r\n.\r\n")},
    {"smuggled end", BYTES("a\n.\r\nMAIL FROM:<x@y>\r\n"),
     BYTES("a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n")},
    {"NUL and 8-bit", BYTES("a\0\xFF\r\n.\0"),
     BYTES("a\0\xFF\r\n..\0\r\n.\r\n")},
};

static void check_written(const char *name, struct mm_buf *out,
                          const struct write_case *c)
{
    struct mm_span written = mm_buf_span(out);
    if (!mm_span_equal(written, mm_span(c->expected, c->expected_size))) {
        fail_msg("%s (%s): %.*s", c->name, name, (int)written.size,
                 written.data);
    }
}

static void writer_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof write_cases / sizeof write_cases[0]; i++) {
        const struct write_case *c = &write_cases[i];
        for (size_t cut = 0; cut <= c->size; cut++) {
            struct mm_dot_writer writer;
            struct mm_buf out;
            mm_dot_writer_init(&writer);
            mm_buf_init(&out, 1024);
            assert_int_equal(mm_dot_write(&writer, &out, c->input, cut), cut);
            assert_int_equal(
                mm_dot_write(&writer, &out, c->input + cut, c->size - cut),
                c->size - cut);
            assert_int_equal(mm_dot_write_end(&writer, &out), MAILMOD_OK);
            check_written("cut", &out, c);
            mm_buf_fini(&out);
        }
    }
}

/* Output of every size: what has no room is taken later, nothing is lost. */
static void writer_with_little_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof write_cases / sizeof write_cases[0]; i++) {
        const struct write_case *c = &write_cases[i];
        for (size_t room = 2; room < 12; room++) {
            struct mm_dot_writer writer;
            struct mm_buf small;
            struct mm_buf out;
            mm_dot_writer_init(&writer);
            mm_buf_init(&small, room);
            mm_buf_init(&out, 1024);
            size_t at = 0;
            for (int round = 0; at < c->size && round < 1000; round++) {
                at +=
                    mm_dot_write(&writer, &small, c->input + at, c->size - at);
                assert_int_equal(mm_buf_error(&small), MAILMOD_OK);
                mm_buf_append_span(&out, mm_buf_span(&small));
                mm_buf_clear(&small);
            }
            assert_int_equal(at, c->size);
            assert_int_equal(mm_dot_write_end(&writer, &out), MAILMOD_OK);
            check_written("small", &out, c);
            mm_buf_fini(&small);
            mm_buf_fini(&out);
        }
    }
}

static void writer_end_needs_room(void **state)
{
    (void)state;
    struct mm_dot_writer writer;
    struct mm_buf out;
    mm_dot_writer_init(&writer);
    mm_buf_init(&out, 5);
    assert_int_equal(mm_dot_write(&writer, &out, "a", 1), 1);
    assert_int_equal(mm_dot_write_end(&writer, &out), MAILMOD_ERROR_LIMIT);
    assert_int_equal(mm_buf_size(&out), 1);
    mm_buf_clear(&out);
    assert_int_equal(mm_dot_write_end(&writer, &out), MAILMOD_OK);
    assert_true(mm_span_is(mm_buf_span(&out), "\r\n.\r\n"));
    mm_buf_fini(&out);
}

struct read_case {
    const char *name;
    const char *input;
    size_t size;
    const char *plain; /* the body as it is given out without `normalizes` */
    size_t plain_size;
    const char *normal; /* and with it */
    size_t normal_size;
    bool is_done;
    bool is_bare;
    unsigned line_size_max;
};

#define SECOND "MAIL FROM:<x@y>\r\n"

static const struct read_case read_cases[] = {
    {"empty", BYTES(".\r\n"), BYTES(""), BYTES(""), true, false, 0},
    {"line", BYTES("a\r\n.\r\n"), BYTES("a\r\n"), BYTES("a\r\n"), true, false,
     1},
    {"stuffed", BYTES("..\r\n...\r\n..a\r\n.\r\n"), BYTES(".\r\n..\r\n.a\r\n"),
     BYTES(".\r\n..\r\n.a\r\n"), true, false, 2},
    {"dot that was not stuffed", BYTES(".a\r\n.\r\n"), BYTES("a\r\n"),
     BYTES("a\r\n"), true, false, 1},
    {"dots inside", BYTES("a.b.\r\n.\r\n"), BYTES("a.b.\r\n"),
     BYTES("a.b.\r\n"), true, false, 4},
    {"octets after the end", BYTES("a\r\n.\r\n" SECOND), BYTES("a\r\n"),
     BYTES("a\r\n"), true, false, 1},
    /* attacks: a bare newline on either side of the dot never ends a body */
    {"LF . LF", BYTES("a\n.\n" SECOND "\r\n.\r\n"),
     BYTES("a\n.\n" SECOND "\r\n"), BYTES("a\r\n.\r\n" SECOND "\r\n"), true,
     true, 15},
    {"LF . CRLF", BYTES("a\n.\r\n" SECOND ".\r\n"), BYTES("a\n.\r\n" SECOND),
     BYTES("a\r\n.\r\n" SECOND), true, true, 15},
    {"CRLF . LF", BYTES("a\r\n.\n" SECOND ".\r\n"), BYTES("a\r\n\n" SECOND),
     BYTES("a\r\n\r\n" SECOND), true, true, 15},
    {"CR . CR", BYTES("a\r.\r" SECOND ".\r\n"), BYTES("a\r.\r" SECOND),
     BYTES("a\r\n.\r\n" SECOND), true, true, 15},
    {"CR . CRLF", BYTES("a\r.\r\n" SECOND ".\r\n"), BYTES("a\r.\r\n" SECOND),
     BYTES("a\r\n.\r\n" SECOND), true, true, 15},
    {"CRLF . CR", BYTES("a\r\n.\r" SECOND ".\r\n"), BYTES("a\r\n\r" SECOND),
     BYTES("a\r\n\r\n" SECOND), true, true, 15},
    {"CRLF . CR CRLF", BYTES("a\r\n.\r\r\n" SECOND ".\r\n"),
     BYTES("a\r\n\r\r\n" SECOND), BYTES("a\r\n\r\n" SECOND), true, true, 15},
    {"CRLF NUL . CRLF", BYTES("a\r\n\0.\r\n" SECOND ".\r\n"),
     BYTES("a\r\n\0.\r\n" SECOND), BYTES("a\r\n\0.\r\n" SECOND), true, false,
     15},
    {"CRLF . NUL CRLF", BYTES("a\r\n.\0\r\n" SECOND ".\r\n"),
     BYTES("a\r\n\0\r\n" SECOND), BYTES("a\r\n\0\r\n" SECOND), true, false, 15},
    {"LF CR . LF CR", BYTES("a\n\r.\n\r" SECOND ".\r\n"),
     BYTES("a\n\r.\n\r" SECOND), BYTES("a\r\n\r\n.\r\n\r\n" SECOND), true, true,
     15},
    {"CR CRLF . CRLF", BYTES("a\r\r\n.\r\n" SECOND), BYTES("a\r\r\n"),
     BYTES("a\r\n"), true, true, 1},
    {"F08: every line ends CR CRLF", BYTES("a: b\r\r\n\r\r\nc\r\r\n.\r\n"),
     BYTES("a: b\r\r\n\r\r\nc\r\r\n"), BYTES("a: b\r\n\r\nc\r\n"), true, true,
     4},
    {"F08: three CRs", BYTES("a\r\r\r\nb\r\n.\r\n"), BYTES("a\r\r\r\nb\r\n"),
     BYTES("a\r\nb\r\n"), true, true, 1},
    {"CRs alone are line ends each", BYTES("a\r\r\rb\r\n.\r\n"),
     BYTES("a\r\r\rb\r\n"), BYTES("a\r\n\r\n\r\nb\r\n"), true, true, 1},
    {"CRLF . CR CR x", BYTES("\r\n.\r\rx\r\n.\r\n"), BYTES("\r\n\r\rx\r\n"),
     BYTES("\r\n\r\n\r\nx\r\n"), true, true, 1},
    {"LF CRLF . CRLF", BYTES("a\n\r\n.\r\n" SECOND), BYTES("a\n\r\n"),
     BYTES("a\r\n\r\n"), true, true, 1},
    {"LF at the start", BYTES("\n.\r\n.\r\n"), BYTES("\n.\r\n"),
     BYTES("\r\n.\r\n"), true, true, 1},
    {"unfinished", BYTES("a\r\n"), BYTES("a\r\n"), BYTES("a\r\n"), false, false,
     1},
    {"unfinished dot", BYTES("a\r\n."), BYTES("a\r\n"), BYTES("a\r\n"), false,
     false, 1},
    {"unfinished dot CR", BYTES("a\r\n.\r"), BYTES("a\r\n"), BYTES("a\r\n"),
     false, false, 1},
    {"NUL is data", BYTES("\0\0\r\n.\r\n"), BYTES("\0\0\r\n"),
     BYTES("\0\0\r\n"), true, false, 2},
};

/* Feeds up to the end; the octets used are returned. */
static size_t read_into(struct mm_dot_reader *reader, struct mm_span input,
                        struct mm_buf *body, enum mm_dot_result *result_out)
{
    size_t total = 0;
    enum mm_dot_result result = MM_DOT_RUN;
    while (result == MM_DOT_RUN) {
        size_t used = 0;
        struct mm_span run;
        result = mm_dot_read(reader, input, &used, &run);
        assert_true(used <= input.size);
        total += used;
        input = mm_span_from(input, used);
        assert_int_equal(run.size > 0, result == MM_DOT_RUN);
        assert_int_equal(mm_buf_append_span(body, run), MAILMOD_OK);
    }
    assert_true(result == MM_DOT_DONE || input.size == 0);
    *result_out = result;
    return total;
}

static void check_read(const struct read_case *c, bool normalizes, size_t first,
                       size_t second)
{
    struct mm_dot_reader reader;
    struct mm_buf body;
    const size_t ends[] = {first, second, c->size};
    enum mm_dot_result result = MM_DOT_MORE;
    size_t at = 0;
    mm_dot_reader_init(&reader, true, normalizes);
    mm_buf_init(&body, 1024);
    for (size_t i = 0; i < 3 && result != MM_DOT_DONE; i++) {
        struct mm_span piece = mm_span(c->input + at, ends[i] - at);
        at += read_into(&reader, piece, &body, &result);
    }
    struct mm_span expected = normalizes ? mm_span(c->normal, c->normal_size)
                                         : mm_span(c->plain, c->plain_size);
    if (!mm_span_equal(mm_buf_span(&body), expected)) {
        fail_msg("%s (%d), cut at %zu and %zu: %s", c->name, normalizes, first,
                 second, mm_buf_cstr(&body));
    }
    assert_int_equal(result == MM_DOT_DONE, c->is_done);
    assert_int_equal(reader.has_bare_newline, c->is_bare);
    if (reader.line_size_max != c->line_size_max) {
        fail_msg("%s: longest line %u", c->name,
                 (unsigned)reader.line_size_max);
    }
    if (strstr(c->name, "octets after") != NULL) {
        assert_int_equal(c->size - at, strlen(SECOND));
    }
    mm_buf_fini(&body);
}

static void reader_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read_cases / sizeof read_cases[0]; i++) {
        const struct read_case *c = &read_cases[i];
        for (size_t first = 0; first <= c->size; first++) {
            for (size_t second = first; second <= c->size; second++) {
                check_read(c, false, first, second);
                check_read(c, true, first, second);
            }
        }
    }
}

static void reader_octet_by_octet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read_cases / sizeof read_cases[0]; i++) {
        const struct read_case *c = &read_cases[i];
        struct mm_dot_reader reader;
        struct mm_buf body;
        enum mm_dot_result result = MM_DOT_MORE;
        mm_dot_reader_init(&reader, true, true);
        mm_buf_init(&body, 1024);
        for (size_t at = 0; at < c->size && result != MM_DOT_DONE; at++) {
            read_into(&reader, mm_span(c->input + at, 1), &body, &result);
        }
        assert_true(mm_span_equal(mm_buf_span(&body),
                                  mm_span(c->normal, c->normal_size)));
        mm_buf_fini(&body);
    }
}

/* Many lines without a leading dot are one run, not one a line. */
static void many_lines_are_one_run(void **state)
{
    (void)state;
    static char text[200 * 80 + 3];
    for (size_t i = 0; i < 200; i++) {
        memset(text + i * 80, 'x', 78);
        text[i * 80 + 78] = '\r';
        text[i * 80 + 79] = '\n';
    }
    memcpy(text + sizeof text - 3, ".\r\n", 3);
    struct mm_dot_reader reader;
    struct mm_span run;
    size_t used = 0;
    mm_dot_reader_init(&reader, true, true);
    assert_int_equal(
        mm_dot_read(&reader, mm_span(text, sizeof text), &used, &run),
        MM_DOT_RUN);
    assert_int_equal(run.size, 200 * 80);
    assert_ptr_equal(run.data, text);
    assert_int_equal(used, 200 * 80);
    assert_int_equal(mm_dot_read(&reader, mm_span(text + used, 3), &used, &run),
                     MM_DOT_DONE);
    assert_int_equal(used, 3);
    assert_int_equal(reader.line_size_max, 78);
}

static void long_lines_are_measured(void **state)
{
    (void)state;
    static const size_t sizes[] = {511,  512,  513,  998,  999,
                                   1000, 1001, 1024, 65536};
    static char text[65536 + 5];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(text, 'x', sizes[i]);
        memcpy(text + sizes[i], "\r\n.\r\n", 5);
        struct mm_dot_reader reader;
        struct mm_buf body;
        enum mm_dot_result result = MM_DOT_MORE;
        mm_dot_reader_init(&reader, true, false);
        mm_buf_init(&body, sizeof text);
        size_t used =
            read_into(&reader, mm_span(text, sizes[i] + 5), &body, &result);
        assert_int_equal(result, MM_DOT_DONE);
        assert_int_equal(used, sizes[i] + 5);
        assert_int_equal(mm_buf_size(&body), sizes[i] + 2);
        assert_int_equal(reader.line_size_max, sizes[i]);
        mm_buf_fini(&body);
    }
}

/* All texts of up to seven octets over the alphabet that matters: what the
 * writer makes of one, the reader turns into the normalised text again. */
static void every_short_text_comes_back(void **state)
{
    (void)state;
    static const char alphabet[4] = {'.', '\r', '\n', 'x'};
    for (unsigned size = 0; size <= 7; size++) {
        for (unsigned number = 0; number < 1u << (2 * size); number++) {
            char text[7];
            for (unsigned i = 0; i < size; i++) {
                text[i] = alphabet[number >> (2 * i) & 3];
            }
            char normal[16];
            size_t normal_size = 0;
            for (unsigned i = 0; i < size; i++) {
                bool ends =
                    text[i] == '\r' ||
                    (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'));
                if (ends) {
                    normal[normal_size++] = '\r';
                    normal[normal_size++] = '\n';
                } else if (text[i] != '\n') {
                    normal[normal_size++] = text[i];
                }
            }
            if (normal_size > 0 && normal[normal_size - 1] != '\n') {
                normal[normal_size++] = '\r';
                normal[normal_size++] = '\n';
            }
            struct mm_dot_writer writer;
            struct mm_dot_reader reader;
            struct mm_buf wire;
            struct mm_buf body;
            enum mm_dot_result result = MM_DOT_MORE;
            mm_dot_writer_init(&writer);
            mm_dot_reader_init(&reader, true, false);
            mm_buf_init(&wire, 64);
            mm_buf_init(&body, 64);
            assert_int_equal(mm_dot_write(&writer, &wire, text, size), size);
            assert_int_equal(mm_dot_write_end(&writer, &wire), MAILMOD_OK);
            size_t used =
                read_into(&reader, mm_buf_span(&wire), &body, &result);
            assert_int_equal(result, MM_DOT_DONE);
            assert_int_equal(used, mm_buf_size(&wire));
            assert_false(reader.has_bare_newline);
            assert_true(mm_span_equal(mm_buf_span(&body),
                                      mm_span(normal, normal_size)));
            mm_buf_fini(&wire);
            mm_buf_fini(&body);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_cut_everywhere),
        cmocka_unit_test(writer_with_little_room),
        cmocka_unit_test(writer_end_needs_room),
        cmocka_unit_test(reader_cut_everywhere),
        cmocka_unit_test(reader_octet_by_octet),
        cmocka_unit_test(many_lines_are_one_run),
        cmocka_unit_test(long_lines_are_measured),
        cmocka_unit_test(every_short_text_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
