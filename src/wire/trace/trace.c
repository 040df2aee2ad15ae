/* trace.c - collects Received fields, and says what their order tells.
 *
 * Owns the texts of the fields, unfolded, in one buffer; a field's views point
 * into it once the header has ended. Bounded: MM_TRACE_STEPS_MAX fields of
 * MM_TRACE_FIELD_MAX octets, and one field that is being read.
 * A loop: a server that is named behind "by" had the message before and
 * another one in between (servers pass mail on within themselves, to a filter
 * for instance), or the very same step is there twice.
 * Pure. Thread: one at a time. RFC 5321 4.4 (each server puts its field in
 * front) and 6.3 (loops). */
#include "wire/trace/trace.h"

#include "base/mem.h"

#include <string.h>

enum {
    NAME_SIZE = sizeof "Received" - 1,
    /* A body, and what mm_trace_unfold needs to see that it is longer. */
    BODY_MAX = MM_TRACE_FIELD_MAX + 1
};

struct place { /* of a field's text */
    size_t start;
    size_t size;
    unsigned faults;
};

enum where {
    AT_NAME,   /* of a field, in its first octets */
    IN_FIELD,  /* in a Received field, behind the colon */
    PASS_LINE, /* in a line that is not kept */
    AT_LINE,   /* at the first octet of a line */
    ENDED
};

struct mm_trace {
    enum where where;
    bool keeps; /* a line that goes on belongs to `body` */
    size_t name_size;
    bool is_received;   /* the name so far */
    bool has_any_field; /* an mbox's "From " line is none */
    struct mm_buf body; /* of the field that is being read */
    struct mm_buf texts;
    struct place *places; /* the newest first */
    size_t count;
    size_t capacity;
    size_t left_out;
    struct mm_trace_step *steps; /* the oldest first */
    enum mailmod_error error;
};

enum mailmod_error mm_trace_new(struct mm_trace **trace_out)
{
    struct mm_trace *trace = mm_alloc(sizeof *trace);

    *trace_out = trace;
    if (trace == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    trace->where = AT_LINE;
    mm_buf_init(&trace->body, BODY_MAX);
    mm_buf_init(&trace->texts, (size_t)MM_TRACE_STEPS_MAX * MM_TRACE_FIELD_MAX);
    return MAILMOD_OK;
}

void mm_trace_free(struct mm_trace **trace_in)
{
    struct mm_trace *trace = *trace_in;

    *trace_in = NULL;
    if (trace != NULL) {
        mm_buf_fini(&trace->body);
        mm_buf_fini(&trace->texts);
        mm_free(trace->places);
        mm_free(trace->steps);
        mm_free(trace);
    }
}

static void keep_field(struct mm_trace *trace)
{
    struct place place = {.start = mm_buf_size(&trace->texts)};
    struct place *grown = mm_array_grow(trace->places, trace->count,
                                        &trace->capacity, sizeof place);
    if (grown == NULL) {
        trace->error = MAILMOD_ERROR_MEMORY;
        return;
    }
    trace->places = grown;
    place.faults = mm_trace_unfold(mm_buf_span(&trace->body), &trace->texts);
    place.size = mm_buf_size(&trace->texts) - place.start;
    trace->places[trace->count] = place;
    trace->count++;
}

/* The field that was being read, if any, is whole. */
static void end_field(struct mm_trace *trace)
{
    if (!trace->keeps) {
        return;
    }
    trace->keeps = false;
    if (trace->count == MM_TRACE_STEPS_MAX) {
        trace->left_out++;
    } else {
        keep_field(trace);
    }
    mm_buf_clear(&trace->body);
}

static void begin_line(struct mm_trace *trace, char c)
{
    if (c == ' ' || c == '\t') {
        trace->where = trace->keeps ? IN_FIELD : PASS_LINE;
        return;
    }
    end_field(trace);
    trace->name_size = 0;
    trace->is_received = true;
    trace->where = AT_NAME;
}

/* A line without a colon is the body's, but for the first of an mbox. */
static void end_name_line(struct mm_trace *trace)
{
    trace->where = trace->has_any_field ? ENDED : AT_LINE;
    trace->has_any_field = true;
}

static void take_name_char(struct mm_trace *trace, char c)
{
    static const char name[] = "Received";

    if (c == ':') {
        trace->has_any_field = true;
        trace->keeps = trace->is_received && trace->name_size == NAME_SIZE;
        trace->where = trace->keeps ? IN_FIELD : PASS_LINE;
    } else if (c == '\n') {
        bool is_empty = trace->name_size == 0;
        trace->where = ENDED;
        if (!is_empty) {
            end_name_line(trace);
        }
    } else if (c != '\r' && c != ' ' && c != '\t') { /* RFC 5322 4.5 */
        trace->is_received =
            trace->is_received && trace->name_size < NAME_SIZE &&
            mm_ascii_lower((unsigned char)c) ==
                mm_ascii_lower((unsigned char)name[trace->name_size]);
        trace->name_size++;
    }
}

/* Of a line that needs no look at each octet; gives what is behind it. */
static struct mm_span pass_line(struct mm_trace *trace, struct mm_span octets)
{
    const char *end = memchr(octets.data, '\n', octets.size);
    size_t size = end != NULL ? (size_t)(end - octets.data) + 1 : octets.size;

    if (trace->where == IN_FIELD) {
        size_t room = mm_buf_room(&trace->body);
        (void)mm_buf_append(&trace->body, octets.data,
                            size < room ? size : room);
    }
    trace->where = end != NULL ? AT_LINE : trace->where;
    return mm_span_from(octets, size);
}

bool mm_trace_feed(struct mm_trace *trace, struct mm_span octets)
{
    while (octets.size > 0 && trace->where != ENDED) {
        if (trace->where == AT_LINE) {
            begin_line(trace, octets.data[0]);
        }
        if (trace->where == AT_NAME) {
            take_name_char(trace, octets.data[0]);
            octets = mm_span_from(octets, 1);
        } else {
            octets = pass_line(trace, octets);
        }
    }
    return trace->where == ENDED;
}

static void find_loop(struct mm_trace *trace, size_t index)
{
    struct mm_trace_step *step = &trace->steps[index];
    struct mm_span by = step->field.by;
    bool has_other = false; /* server in between */

    for (size_t i = index; by.size > 0 && i > 0 && !step->is_loop; i--) {
        const struct mm_trace_field *before = &trace->steps[i - 1].field;
        if (mm_span_equal_nocase(by, before->by)) {
            step->is_loop =
                has_other || mm_trace_field_compare(&step->field, before) == 0;
            step->loop_to = i - 1;
        }
        has_other = has_other || (before->by.size > 0 &&
                                  !mm_span_equal_nocase(by, before->by));
    }
}

static void read_steps(struct mm_trace *trace)
{
    const struct mm_trace_step *last = NULL; /* that told its time */

    for (size_t i = 0; i < trace->count; i++) {
        struct place place = trace->places[trace->count - 1 - i];
        struct mm_trace_step *step = &trace->steps[i];
        mm_trace_field_read(
            mm_span(mm_buf_span(&trace->texts).data + place.start, place.size),
            &step->field);
        step->field.faults |= place.faults;
        if (step->field.has_time && last != NULL) {
            step->has_delay = true;
            step->delay_ms = step->field.time_ms - last->field.time_ms;
        }
        last = step->field.has_time ? step : last;
        find_loop(trace, i);
    }
}

enum mailmod_error mm_trace_end(struct mm_trace *trace)
{
    end_field(trace);
    trace->where = ENDED;
    if (trace->error == MAILMOD_OK) {
        trace->error = mm_buf_error(&trace->texts);
    }
    if (trace->error == MAILMOD_OK && trace->count > 0) {
        trace->steps = mm_alloc_array(trace->count, sizeof *trace->steps);
        if (trace->steps == NULL) {
            trace->error = MAILMOD_ERROR_MEMORY;
        } else {
            read_steps(trace);
        }
    }
    return trace->error;
}

size_t mm_trace_step_count(const struct mm_trace *trace)
{
    return trace->steps != NULL ? trace->count : 0;
}

const struct mm_trace_step *mm_trace_step(const struct mm_trace *trace,
                                          size_t index)
{
    return index < mm_trace_step_count(trace) ? &trace->steps[index] : NULL;
}

size_t mm_trace_left_out(const struct mm_trace *trace)
{
    return trace->left_out;
}
