/* test_trace.c - a message's way from its header: steps, delays, clocks, loops,
 * and how they are drawn. T-170.
 *
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/trace/drawing.h"
#include "wire/trace/trace.h"

#include <stdio.h>
#include <string.h>

#define DAY "Mon, 30 Nov 2026 "

static struct mm_trace *read_trace(const char *text, size_t piece_size)
{
    struct mm_trace *trace;
    struct mm_span rest = mm_span_cstr(text);
    assert_int_equal(mm_trace_new(&trace), MAILMOD_OK);
    while (rest.size > 0) {
        size_t size = rest.size < piece_size ? rest.size : piece_size;
        (void)mm_trace_feed(trace, mm_span(rest.data, size));
        rest = mm_span_from(rest, size);
    }
    assert_int_equal(mm_trace_end(trace), MAILMOD_OK);
    return trace;
}

static void check_drawing(const char *text,
                          enum mailmod_error (*draw)(const struct mm_trace *,
                                                     struct mm_buf *),
                          const char *expected)
{
    /* However the octets come. */
    static const size_t piece_sizes[] = {1, 7, 4096};
    for (size_t i = 0; i < 3; i++) {
        struct mm_trace *trace = read_trace(text, piece_sizes[i]);
        struct mm_buf out;
        mm_buf_init(&out, 65536);
        assert_int_equal(draw(trace, &out), MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), expected);
        mm_buf_fini(&out);
        mm_trace_free(&trace);
    }
}

static const char way[] =
    "Return-Path: <a@a.example>\r\n"
    "Received: from mx.b.example (mx.b.example [192.0.2.2])\r\n"
    "\tby store.b.example with LMTP id 3; " DAY "10:00:03 +0000\r\n"
    "received : from a.example ([192.0.2.1])\r\n"
    "\tby MX.b.example with ESMTPS id 2;\r\n\t" DAY "11:02:05 +0100\r\n"
    "Subject: Received: is not here\r\n"
    " Received: nor here\r\n"
    "Received: by a.example id 1; " DAY "10:00:00 +0000\r\n"
    "\r\n"
    "Received: from the body; " DAY "10:00:00 +0000\r\n";

static void test_text(void **state)
{
    (void)state;
    check_drawing(
        way, mm_trace_draw_text,
        "  1  " DAY "10:00:00 +0000\n"
        "     by a.example id 1\n"
        "  2  " DAY "11:02:05 +0100  +2m5s\n"
        "     from a.example ([192.0.2.1]) by MX.b.example with ESMTPS id 2\n"
        "  3  " DAY "10:00:03 +0000  -2m2s\n"
        "     from mx.b.example (mx.b.example [192.0.2.2]) by "
        "store.b.example with LMTP id 3\n"
        "     the clocks of this server and the one before disagree\n"
        "3 steps, in all +3s\n");
    check_drawing("Subject: x\n\nbody\n", mm_trace_draw_text, "0 steps\n");
    check_drawing("", mm_trace_draw_text, "0 steps\n");
    check_drawing("Received: hello world\n", mm_trace_draw_text,
                  "  1  at a time not told\n"
                  "    \n"
                  "     this field says not by whom, has no date\n"
                  "1 step\n");
}

static void test_graph(void **state)
{
    (void)state;
    check_drawing(way, mm_trace_draw_dot,
                  "digraph way {\n"
                  "  s0 [label=\"unknown\"];\n"
                  "  s1 [label=\"a.example\"];\n"
                  "  s0 -> s1 [label=\"1\"];\n"
                  "  s2 [label=\"MX.b.example\"];\n"
                  "  s1 -> s2 [label=\"2 +2m5s\"];\n"
                  "  s3 [label=\"store.b.example\"];\n"
                  "  s2 -> s3 [label=\"3 -2m2s\"];\n"
                  "}\n");
    check_drawing("Received: from \"q\\\"\" by c.example; " DAY
                  "10:00:01 +0000\n"
                  "Received: by b.example; " DAY "10:00:00 +0000\n",
                  mm_trace_draw_dot,
                  "digraph way {\n"
                  "  s0 [label=\"unknown\"];\n"
                  "  s1 [label=\"b.example\"];\n"
                  "  s0 -> s1 [label=\"1\"];\n"
                  "  s2 [label=\"\\\"q\\\\\\\"\\\"\"];\n"
                  "  s1 -> s2 [style=dotted, dir=none];\n"
                  "  s3 [label=\"c.example\"];\n"
                  "  s2 -> s3 [label=\"2 +1s\"];\n"
                  "}\n");
}

/* The servers of `by`, the newest first, with an identifier or none. */
static struct mm_trace *of_servers(const char *const *by, const char *id)
{
    char text[4096];
    size_t size = 0;
    for (; *by != NULL; by++) {
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "Received: by %s%s; " DAY "10:00:00 +0000\n",
                                 *by, id);
    }
    return read_trace(text, 4096);
}

static void test_loops(void **state)
{
    (void)state;
    static const struct {
        const char *by[6];
        const char *id;
        size_t step, loop_to; /* step 0: no loop */
    } rows[] = {
        {{"a", "b", "a"}, "", 2, 0},      {{"c", "B", "x", "b", "a"}, "", 3, 1},
        {{"a", "a", "a"}, "", 0, 0}, /* within one server */
        {{"a", "a"}, " id 7", 1, 0}, /* the very same step */
        {{"c", "b", "a"}, " id 7", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_trace *trace = of_servers(rows[i].by, rows[i].id);
        for (size_t s = 0; s < mm_trace_step_count(trace); s++) {
            const struct mm_trace_step *step = mm_trace_step(trace, s);
            bool is_it = rows[i].step > 0 && s == rows[i].step;
            assert_int_equal(step->is_loop, is_it);
            assert_true(!is_it || step->loop_to == rows[i].loop_to);
        }
        assert_null(mm_trace_step(trace, mm_trace_step_count(trace)));
        mm_trace_free(&trace);
    }
}

/* Where the header ends, in files of several kinds. */
static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t steps;
    } rows[] = {
        {"From a@a Mon Nov 30\nReceived: by a\n\n", 1}, /* mbox */
        {"Received: by a\nno field\nReceived: by b\n", 1},
        {"Received: by a\nReceived:by b", 2},
        {"Received-SPF: pass\nX-Received: by a\nReceive: by b\n", 0},
        {" Received: by a\nReceived: by b\n", 1},
        {"\nReceived: by b\n", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_trace *trace = read_trace(rows[i].text, 5);
        assert_int_equal(mm_trace_step_count(trace), rows[i].steps);
        mm_trace_free(&trace);
    }
}

static void test_many(void **state)
{
    (void)state;
    struct mm_trace *trace;
    struct mm_buf out;
    assert_int_equal(mm_trace_new(&trace), MAILMOD_OK);
    for (int i = 0; i < MM_TRACE_STEPS_MAX + 5; i++) {
        char field[64];
        snprintf(field, sizeof field, "Received: by a%d id %d\r\n", i % 7, i);
        assert_false(mm_trace_feed(trace, mm_span_cstr(field)));
    }
    assert_true(mm_trace_feed(trace, mm_span_cstr("\r\n")));
    assert_true(mm_trace_feed(trace, mm_span_cstr("Received: by z\r\n")));
    assert_int_equal(mm_trace_end(trace), MAILMOD_OK);
    assert_int_equal(mm_trace_step_count(trace), MM_TRACE_STEPS_MAX);
    assert_int_equal(mm_trace_left_out(trace), 5);
    mm_buf_init(&out, 1 << 20);
    assert_int_equal(mm_trace_draw_text(trace, &out), MAILMOD_OK);
    assert_non_null(strstr(mm_buf_cstr(&out), "5 older steps are left out"));
    mm_buf_fini(&out);
    mm_trace_free(&trace);
}

/* A field of any length takes bounded memory, and says that it was cut. */
static void test_endless_field(void **state)
{
    (void)state;
    struct mm_trace *trace;
    static char blanks[65536];
    memset(blanks, 'x', sizeof blanks);
    assert_int_equal(mm_trace_new(&trace), MAILMOD_OK);
    (void)mm_trace_feed(trace, mm_span_cstr("Received: by a; "));
    for (int i = 0; i < 64; i++) {
        (void)mm_trace_feed(trace, mm_span(blanks, sizeof blanks));
    }
    assert_int_equal(mm_trace_end(trace), MAILMOD_OK);
    assert_int_equal(mm_trace_step(trace, 0)->field.faults,
                     MAILMOD_RECEIVED_CUT | MAILMOD_RECEIVED_BAD_DATE);
    mm_trace_free(&trace);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned long number = 1; number < 40; number++) {
        struct mm_trace *trace;
        mm_mem_set_fault(number, 0);
        enum mailmod_error error = mm_trace_new(&trace);
        if (error == MAILMOD_OK) {
            struct mm_buf out;
            mm_buf_init(&out, 65536);
            (void)mm_trace_feed(trace, mm_span_cstr(way));
            error = mm_trace_end(trace);
            if (error == MAILMOD_OK) {
                error = mm_trace_draw_dot(trace, &out);
            }
            mm_buf_fini(&out);
        }
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        mm_trace_free(&trace);
        mm_mem_set_fault(0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),      cmocka_unit_test(test_graph),
        cmocka_unit_test(test_loops),     cmocka_unit_test(test_headers),
        cmocka_unit_test(test_many),      cmocka_unit_test(test_endless_field),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
