/* test_line.c - lines good and flawed, fed whole and cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/line.h"

#include <stdio.h>
#include <string.h>

#define SIZE_MAX_ 8

struct line_case {
    const char *name;
    const char *input;
    size_t size;
    /* Each line as "text/flaws;"; the flaws as letters L C N T. */
    const char *expected;
};

#define BYTES(text) (text), sizeof(text) - 1

static const struct line_case cases[] = {
    {"one line", BYTES("NOOP\r\n"), "NOOP/;"},
    {"empty line", BYTES("\r\n"), "/;"},
    {"no line end yet", BYTES("NOOP"), ""},
    {"CR without LF yet", BYTES("NOOP\r"), ""},
    {"two lines", BYTES("NOOP\r\nQUIT\r\n"), "NOOP/;QUIT/;"},
    {"longest", BYTES("12345678\r\n"), "12345678/;"},
    {"one too many", BYTES("123456789\r\nQUIT\r\n"), "12345678/T;QUIT/;"},
    {"far too many", BYTES("12345678901234567890\r\nQUIT\r\n"),
     "12345678/T;QUIT/;"},
    {"too long by its CR", BYTES("12345678\rx\r\nQ\r\n"), "12345678/T;Q/;"},
    {"too long, LF only", BYTES("123456789\nQ\r\nX\r\n"), "12345678/LT;X/;"},
    {"longest, LF only", BYTES("12345678\n"), "12345678/L;"},
    {"nine, LF only", BYTES("123456789\n"), "12345678/LT;"},
    {"F13: one line up to its CRLF", BYTES("RSET\nMAIL\nX\r\nQUIT\r\n"),
     "RSET/L;QUIT/;"},
    {"F13: no CR before the LFs", BYTES("A\nB\nC\n\n\r\nQ\r\n"), "A/L;Q/;"},
    {"F13: a CR in the rest", BYTES("A\n\rB\r\r\nQ\r\n"), "A/L;Q/;"},
    {"F13: the rest is long", BYTES("A\nBBBBBBBBBBBBBB\r\nQ\r\n"), "A/L;Q/;"},
    {"F13: no CRLF yet", BYTES("A\nB\r"), "A/L;"},
    {"LF alone", BYTES("\n\r\nQ\r\n"), "/L;Q/;"},
    {"CR inside", BYTES("NO\rOP\r\n"), "NO\rOP/C;"},
    {"CR CR LF", BYTES("NOOP\r\r\n"), "NOOP\r/C;"},
    {"CR at the start", BYTES("\rNOOP\r\n"), "\rNOOP/C;"},
    {"CR only, then LF", BYTES("A\rB\rC\n"), "A\rB\rC/LC;"},
    {"NUL inside", BYTES("NO\0OP\r\n"), "NO@OP/N;"},
    {"NUL and bare LF", BYTES("N\0\n"), "N@/LN;"},
    {"8-bit is no flaw", BYTES("\xC3\xA9\xFF\r\n"), "\xC3\xA9\xFF/;"},
};

static void describe(struct mm_buf *seen, const struct mm_line *line)
{
    for (size_t i = 0; i < line->text.size; i++) {
        char c = line->text.data[i];
        mm_buf_append_char(seen, c == '\0' ? '@' : c);
    }
    mm_buf_append_char(seen, '/');
    const char *letters = "LCNT";
    for (unsigned bit = 0; bit < 4; bit++) {
        if ((line->flaws & (1u << bit)) != 0) {
            mm_buf_append_char(seen, letters[bit]);
        }
    }
    mm_buf_append_char(seen, ';');
}

static void feed(struct mm_line_reader *reader, struct mm_span input,
                 struct mm_buf *seen)
{
    enum mm_line_result result = MM_LINE_WHOLE;
    while (result == MM_LINE_WHOLE) {
        size_t used = 0;
        struct mm_line line;
        result = mm_line_read(reader, input, &used, &line);
        assert_true(used <= input.size);
        input = mm_span_from(input, used);
        if (result == MM_LINE_WHOLE) {
            describe(seen, &line);
        }
    }
    assert_int_equal(result, MM_LINE_MORE);
    assert_int_equal(input.size, 0);
}

static void check_pieces(const struct line_case *c, size_t first, size_t second)
{
    struct mm_line_reader reader;
    struct mm_buf seen;
    mm_line_reader_init(&reader, SIZE_MAX_);
    mm_buf_init(&seen, 1024);
    feed(&reader, mm_span(c->input, first), &seen);
    feed(&reader, mm_span(c->input + first, second - first), &seen);
    feed(&reader, mm_span(c->input + second, c->size - second), &seen);
    if (strcmp(mm_buf_cstr(&seen), c->expected) != 0) {
        fail_msg("%s, cut at %zu and %zu: %s", c->name, first, second,
                 mm_buf_cstr(&seen));
    }
    assert_true(reader.buf.capacity <= SIZE_MAX_ + 2);
    mm_buf_fini(&seen);
    mm_line_reader_fini(&reader);
}

static void lines_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t first = 0; first <= cases[i].size; first++) {
            for (size_t second = first; second <= cases[i].size; second++) {
                check_pieces(&cases[i], first, second);
            }
        }
    }
}

static void lines_octet_by_octet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mm_line_reader reader;
        struct mm_buf seen;
        mm_line_reader_init(&reader, SIZE_MAX_);
        mm_buf_init(&seen, 1024);
        for (size_t at = 0; at < cases[i].size; at++) {
            feed(&reader, mm_span(cases[i].input + at, 1), &seen);
        }
        assert_string_equal(mm_buf_cstr(&seen), cases[i].expected);
        mm_buf_fini(&seen);
        mm_line_reader_fini(&reader);
    }
}

static void part_and_cap(void **state)
{
    (void)state;
    struct mm_line_reader reader;
    struct mm_line line;
    size_t used = 0;
    mm_line_reader_init(&reader, 4);
    assert_false(mm_line_has_part(&reader));
    assert_int_equal(
        mm_line_read(&reader, mm_span_cstr("AUTH\r\nlong"), &used, &line),
        MM_LINE_WHOLE);
    assert_int_equal(used, 6);
    assert_int_equal(line.flaws, 0);
    assert_false(mm_line_has_part(&reader));
    mm_line_set_max(&reader, 12);
    assert_int_equal(
        mm_line_read(&reader, mm_span_cstr("longer line"), &used, &line),
        MM_LINE_MORE);
    assert_true(mm_line_has_part(&reader));
    assert_int_equal(mm_line_read(&reader, mm_span_cstr("\r\n"), &used, &line),
                     MM_LINE_WHOLE);
    assert_int_equal(line.flaws, 0);
    assert_true(mm_span_is(line.text, "longer line"));
    mm_line_reader_fini(&reader);
}

static void over_long_line_is_a_part(void **state)
{
    (void)state;
    struct mm_line_reader reader;
    struct mm_line line;
    size_t used = 0;
    mm_line_reader_init(&reader, 4);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(
            mm_line_read(&reader, mm_span_cstr("0123456789"), &used, &line),
            MM_LINE_MORE);
    }
    assert_true(mm_line_has_part(&reader));
    assert_true(reader.buf.capacity <= 6);
    mm_line_wipe(&reader);
    assert_false(mm_line_has_part(&reader));
    mm_line_reader_fini(&reader);
}

static void wipe_leaves_nothing(void **state)
{
    (void)state;
    struct mm_line_reader reader;
    struct mm_line line;
    size_t used = 0;
    mm_line_reader_init(&reader, 64);
    assert_int_equal(
        mm_line_read(&reader, mm_span_cstr("PASS hunter2\r\n"), &used, &line),
        MM_LINE_WHOLE);
    mm_line_wipe(&reader);
    for (size_t i = 0; i < reader.buf.capacity; i++) {
        assert_int_equal(reader.buf.data[i], 0);
    }
    mm_line_reader_fini(&reader);
}

/* A line that outgrows its block again and again, and no memory for that. */
static void long_line_grows(void **state)
{
    (void)state;
    static char text[3000];
    for (unsigned long fault = 0; fault < 2; fault++) {
        struct mm_line_reader reader;
        struct mm_line line;
        size_t used = 0;
        memset(text, 'x', sizeof text);
        mm_line_reader_init(&reader, 40000);
        for (size_t at = 0; at < sizeof text; at += 50) {
            assert_int_equal(
                mm_line_read(&reader, mm_span(text + at, 50), &used, &line),
                MM_LINE_MORE);
        }
        struct mm_span end = mm_span_cstr("more of it, and so much that the "
                                          "block must grow once again\r\n");
        size_t fill = reader.buf.capacity - mm_buf_size(&reader.buf);
        while (fill > 50) {
            mm_line_read(&reader, mm_span(text, 50), &used, &line);
            fill -= 50;
        }
        size_t size = mm_buf_size(&reader.buf);
        if (fault != 0) {
            mm_mem_set_fault(1, 0);
            assert_int_equal(mm_line_read(&reader, end, &used, &line),
                             MM_LINE_NO_MEMORY);
            mm_mem_set_fault(0, 0);
            assert_int_equal(used, 0);
            assert_int_equal(mm_buf_size(&reader.buf), size);
        }
        assert_int_equal(mm_line_read(&reader, end, &used, &line),
                         MM_LINE_WHOLE);
        assert_int_equal(line.text.size, size + end.size - 2);
        assert_int_equal(line.flaws, 0);
        mm_line_reader_fini(&reader);
    }
}

/* F13: a wipe (after a refused AUTH line) does not end the swallowing. */
static void refused_rest_outlives_a_wipe(void **state)
{
    (void)state;
    struct mm_line_reader reader;
    struct mm_line line;
    size_t used = 0;
    struct mm_span input = mm_span_cstr("NOOP\nMAIL\r\nQUIT\r\n");
    mm_line_reader_init(&reader, 64);
    assert_int_equal(mm_line_read(&reader, input, &used, &line), MM_LINE_WHOLE);
    assert_int_equal(line.flaws, MM_LINE_BARE_LF);
    assert_true(mm_line_has_part(&reader));
    mm_line_wipe(&reader);
    assert_true(mm_line_has_part(&reader));
    input = mm_span_from(input, used);
    assert_int_equal(mm_line_read(&reader, input, &used, &line), MM_LINE_WHOLE);
    assert_true(mm_span_is(line.text, "QUIT"));
    assert_false(mm_line_has_part(&reader));
    mm_line_reader_fini(&reader);
}

static void no_memory_is_told(void **state)
{
    (void)state;
    struct mm_line_reader reader;
    struct mm_line line;
    size_t used = 1;
    mm_line_reader_init(&reader, 64);
    mm_mem_set_fault(1, 0);
    assert_int_equal(
        mm_line_read(&reader, mm_span_cstr("NOOP\r\n"), &used, &line),
        MM_LINE_NO_MEMORY);
    mm_mem_set_fault(0, 0);
    assert_int_equal(used, 0);
    assert_int_equal(
        mm_line_read(&reader, mm_span_cstr("NOOP\r\n"), &used, &line),
        MM_LINE_WHOLE);
    assert_true(mm_span_is(line.text, "NOOP"));
    mm_line_reader_fini(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_cut_everywhere),
        cmocka_unit_test(lines_octet_by_octet),
        cmocka_unit_test(part_and_cap),
        cmocka_unit_test(over_long_line_is_a_part),
        cmocka_unit_test(wipe_leaves_nothing),
        cmocka_unit_test(long_line_grows),
        cmocka_unit_test(refused_rest_outlives_a_wipe),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
