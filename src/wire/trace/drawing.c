/* drawing.c - writes a message's way as lines and as a graph.
 *
 * Pure. Servers are numbered as they appear, by a walk over those before: a
 * header has few. Thread: any. RFC 5321 4.4; the DOT language of Graphviz. */
#include "wire/trace/drawing.h"

#include "base/datetime.h"
#include "base/mem.h"

static void put_delay(struct mm_buf *out, int64_t ms)
{
    int64_t seconds = (ms < 0 ? -ms : ms) / 1000;
    (void)mm_buf_append_char(out, ms < 0 ? '-' : '+');
    if (seconds >= 86400) {
        (void)mm_buf_appendf(out, "%lldd", (long long)(seconds / 86400));
        seconds %= 86400;
    }
    if (seconds >= 3600) {
        (void)mm_buf_appendf(out, "%lldh", (long long)(seconds / 3600));
        seconds %= 3600;
    }
    if (seconds >= 60) {
        (void)mm_buf_appendf(out, "%lldm", (long long)(seconds / 60));
        seconds %= 60;
    }
    (void)mm_buf_appendf(out, "%llds", (long long)seconds);
}

static void put_part(struct mm_buf *out, const char *name, struct mm_span value)
{
    if (value.size > 0) {
        (void)mm_buf_append_cstr(out, name);
        (void)mm_buf_append_span(out, value);
    }
}

static void put_faults(struct mm_buf *out, unsigned faults)
{
    const char *between = "     this field ";
    for (unsigned i = 0; i < MM_TRACE_FAULT_COUNT; i++) {
        if ((faults & 1U << i) != 0) {
            (void)mm_buf_append_cstr(out, between);
            (void)mm_buf_append_cstr(out, mm_trace_fault_text(i));
            between = ", ";
        }
    }
    (void)mm_buf_append_cstr(out, faults != 0 ? "\n" : "");
}

static void put_step(struct mm_buf *out, const struct mm_trace_step *step,
                     size_t number)
{
    const struct mm_trace_field *field = &step->field;

    (void)mm_buf_appendf(out, "%3zu  ", number);
    if (!field->has_time ||
        mm_datetime_rfc5322_in(out, field->time_ms, field->zone_minutes) !=
            MAILMOD_OK) {
        (void)mm_buf_append_cstr(out, "at a time not told");
    }
    if (step->has_delay) {
        (void)mm_buf_append_cstr(out, "  ");
        put_delay(out, step->delay_ms);
    }
    (void)mm_buf_append_cstr(out, "\n    ");
    put_part(out, " from ", field->from);
    put_part(out, " ", field->from_info);
    put_part(out, " by ", field->by);
    put_part(out, " via ", field->via);
    put_part(out, " with ", field->with);
    put_part(out, " id ", field->id);
    put_part(out, " for ", field->recipient);
    (void)mm_buf_append_char(out, '\n');
    if (step->has_delay && step->delay_ms < 0) {
        (void)mm_buf_append_cstr(out,
                                 "     the clocks of this server and the one "
                                 "before disagree\n");
    }
    if (step->is_loop) {
        (void)mm_buf_appendf(
            out, "     a loop: the same server had it at step %zu\n",
            step->loop_to + 1);
    }
    put_faults(out, field->faults);
}

static void put_whole(struct mm_buf *out, const struct mm_trace *trace)
{
    const struct mm_trace_step *first = NULL;
    const struct mm_trace_step *last = NULL;
    size_t count = mm_trace_step_count(trace);

    for (size_t i = 0; i < count; i++) {
        const struct mm_trace_step *step = mm_trace_step(trace, i);
        if (step->field.has_time) {
            first = first == NULL ? step : first;
            last = step;
        }
    }
    (void)mm_buf_appendf(out, "%zu step%s", count, count == 1 ? "" : "s");
    if (last != first) {
        (void)mm_buf_append_cstr(out, ", in all ");
        put_delay(out, last->field.time_ms - first->field.time_ms);
    }
    (void)mm_buf_append_char(out, '\n');
    if (mm_trace_left_out(trace) > 0) {
        (void)mm_buf_appendf(out, "%zu older steps are left out\n",
                             mm_trace_left_out(trace));
    }
}

enum mailmod_error mm_trace_draw_text(const struct mm_trace *trace,
                                      struct mm_buf *out)
{
    for (size_t i = 0; i < mm_trace_step_count(trace); i++) {
        put_step(out, mm_trace_step(trace, i), i + 1);
    }
    put_whole(out, trace);
    return mm_buf_error(out);
}

struct servers {
    struct mm_span *names;
    size_t count;
    struct mm_buf *out;
};

/* The server's number; a new one is a node of the graph. */
static size_t number_of(struct servers *servers, struct mm_span name)
{
    for (size_t i = 0; i < servers->count; i++) {
        if (mm_span_equal_nocase(servers->names[i], name)) {
            return i;
        }
    }
    servers->names[servers->count] = name;
    (void)mm_buf_appendf(servers->out, "  s%zu [label=\"", servers->count);
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        (void)mm_buf_append_cstr(servers->out,
                                 c == '"' || c == '\\' ? "\\" : "");
        (void)mm_buf_append_char(servers->out, c);
    }
    (void)mm_buf_append_cstr(servers->out, "\"];\n");
    return servers->count++;
}

static void put_edge(struct servers *servers, const struct mm_trace_step *step,
                     size_t number)
{
    const struct mm_trace_field *field = &step->field;
    struct mm_span from =
        field->from.size > 0 ? field->from : mm_span_cstr("unknown");
    size_t sender = number_of(servers, from);
    size_t taker = number_of(servers, field->by);

    (void)mm_buf_appendf(servers->out, "  s%zu -> s%zu [label=\"%zu", sender,
                         taker, number);
    if (step->has_delay) {
        (void)mm_buf_append_char(servers->out, ' ');
        put_delay(servers->out, step->delay_ms);
    }
    (void)mm_buf_append_char(servers->out, '"');
    (void)mm_buf_append_cstr(servers->out, step->is_loop ? ", color=red" : "");
    (void)mm_buf_append_cstr(servers->out, "];\n");
}

static void put_graph(struct servers *servers, const struct mm_trace *trace)
{
    struct mm_span last_by = mm_span("", 0);

    (void)mm_buf_append_cstr(servers->out, "digraph way {\n");
    for (size_t i = 0; i < mm_trace_step_count(trace); i++) {
        const struct mm_trace_step *step = mm_trace_step(trace, i);
        if (step->field.by.size == 0) {
            continue;
        }
        if (last_by.size > 0 && step->field.from.size > 0 &&
            !mm_span_equal_nocase(last_by, step->field.from)) {
            size_t itself = number_of(servers, last_by);
            size_t known = number_of(servers, step->field.from);
            (void)mm_buf_appendf(servers->out,
                                 "  s%zu -> s%zu [style=dotted, dir=none];\n",
                                 itself, known);
        }
        put_edge(servers, step, i + 1);
        last_by = step->field.by;
    }
    (void)mm_buf_append_cstr(servers->out, "}\n");
}

enum mailmod_error mm_trace_draw_dot(const struct mm_trace *trace,
                                     struct mm_buf *out)
{
    struct servers servers = {.out = out};

    /* Two names a step, and "unknown". */
    servers.names = mm_alloc_array(2 * mm_trace_step_count(trace) + 1,
                                   sizeof *servers.names);
    if (servers.names == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    put_graph(&servers, trace);
    mm_free(servers.names);
    return mm_buf_error(out);
}
