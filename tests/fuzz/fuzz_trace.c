/* fuzz_trace.c - any octets as a message whose way is read.
 *
 * What is read does not depend on how the octets came; drawings are printable;
 * a field that can be written reads back as it was. */
#include "tests/fuzz/fuzz.h"
#include "wire/msg/message.h"
#include "wire/trace/drawing.h"
#include "wire/trace/trace.h"

#include <string.h>

static struct mm_trace *read_trace(struct mm_span input, size_t piece_size)
{
    struct mm_trace *trace;
    FUZZ_CHECK(mm_trace_new(&trace) == MAILMOD_OK);
    while (input.size > 0) {
        (void)mm_trace_feed(trace, fuzz_piece(&input, piece_size));
    }
    FUZZ_CHECK(mm_trace_end(trace) == MAILMOD_OK);
    return trace;
}

static void check_drawing(const struct mm_trace *whole,
                          const struct mm_trace *cut,
                          enum mailmod_error (*draw)(const struct mm_trace *,
                                                     struct mm_buf *))
{
    struct mm_buf a;
    struct mm_buf b;
    mm_buf_init(&a, (size_t)1 << 26);
    mm_buf_init(&b, (size_t)1 << 26);
    FUZZ_CHECK(draw(whole, &a) == MAILMOD_OK);
    FUZZ_CHECK(draw(cut, &b) == MAILMOD_OK);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&a), mm_buf_span(&b)));
    for (size_t i = 0; i < mm_buf_size(&a); i++) {
        unsigned char c = (unsigned char)mm_buf_span(&a).data[i];
        FUZZ_CHECK(c == '\n' || (c >= 32 && c != 127));
    }
    mm_buf_fini(&a);
    mm_buf_fini(&b);
}

/* T-169: parse(generate(x)) = x, or x is refused. */
static void check_back(const struct mm_trace_field *field)
{
    struct mm_trace *trace;
    struct mm_buf out;
    mm_buf_init(&out, (size_t)1 << 20);
    if (mm_trace_field_write(&out, field) == MAILMOD_OK) {
        struct mm_buf again;
        mm_buf_init(&again, (size_t)1 << 20);
        trace = read_trace(mm_buf_span(&out), mm_buf_size(&out));
        FUZZ_CHECK(mm_trace_step_count(trace) == 1);
        FUZZ_CHECK(mm_trace_field_write(
                       &again, &mm_trace_step(trace, 0)->field) == MAILMOD_OK);
        FUZZ_CHECK(mm_span_equal(mm_buf_span(&out), mm_buf_span(&again)));
        mm_trace_free(&trace);
        mm_buf_fini(&again);
    }
    mm_buf_fini(&out);
}

/* T-095: our own stamp has no fault, whatever the peer calls itself. */
static void check_stamp(struct mm_span name)
{
    static const uint8_t ip[4] = {192, 0, 2, 1};
    struct mm_received received = {
        .helo_name = name,
        .peer = mm_netaddr_v4(ip, 25),
        .host_name = "mx.example",
        .identifier = "A1",
        .recipient = "u@x.org",
        .is_extended = true,
    };
    struct mm_buf out;
    mm_buf_init(&out, 4096);
    FUZZ_CHECK(mm_received_write(&out, &received) == MAILMOD_OK);
    struct mm_trace *trace = read_trace(mm_buf_span(&out), 4096);
    FUZZ_CHECK(mm_trace_step_count(trace) == 1);
    const struct mm_trace_field *field = &mm_trace_step(trace, 0)->field;
    FUZZ_CHECK(field->faults == 0 && field->has_time);
    FUZZ_CHECK(mm_span_is(field->by, "mx.example"));
    FUZZ_CHECK(mm_span_is(field->id, "A1"));
    FUZZ_CHECK(mm_span_is(field->recipient, "<u@x.org>"));
    mm_trace_free(&trace);
    mm_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct mm_span input = mm_span((const char *)data + 1, size - 1);
    struct mm_trace *whole = read_trace(input, input.size);
    struct mm_trace *cut = read_trace(input, 1 + data[0] % 16);
    check_drawing(whole, cut, mm_trace_draw_text);
    check_drawing(whole, cut, mm_trace_draw_dot);
    for (size_t i = 0; i < mm_trace_step_count(whole); i++) {
        check_back(&mm_trace_step(whole, i)->field);
    }
    check_stamp(input);
    mm_trace_free(&whole);
    mm_trace_free(&cut);
    return 0;
}
