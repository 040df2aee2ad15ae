/* trace.c - the host's view of Received fields and of a message's way.
 *
 * Owns each trace: the steps, and a copy of their texts with a NUL behind each.
 * Promises: a handle that is none is an error; what the host reads stays as it
 * is until the trace is freed.
 * Thread: any, one at a time for a trace. RFC 5321 4.4. */
#include "mailmod/received.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "platform/clock.h"
#include "wire/trace/drawing.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum {
    READ_SIZE = 16384,
    WRITTEN_MAX = 3 * MM_TRACE_FIELD_MAX,
    /* All steps that are kept, each as long as may be, twice: a graph names
     * who sent and who took, and quotes. */
    DRAWING_MAX = 5 * MM_TRACE_STEPS_MAX * MM_TRACE_FIELD_MAX
};

struct mailmod_trace {
    struct mm_trace *inner;
    struct shown {
        struct mailmod_received received;
        const char *address;
    } * shown; /* one a step */
    char *texts;
    size_t used;
};

/* The texts of the host's structure and of ours, in one order. */
static const struct {
    size_t host;
    size_t own;
} texts[] = {
#define TEXT_PAIR(name)                                                        \
    {                                                                          \
        offsetof(struct mailmod_received, name),                               \
            offsetof(struct mm_trace_field, name)                              \
    }
    TEXT_PAIR(from), TEXT_PAIR(from_info), TEXT_PAIR(by), TEXT_PAIR(by_info),
    TEXT_PAIR(via),  TEXT_PAIR(with),      TEXT_PAIR(id), TEXT_PAIR(recipient),
#undef TEXT_PAIR
};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static const char **host_text(struct mailmod_received *received, int index)
{
    return (const char **)(void *)((char *)received + texts[index].host);
}

static struct mm_span *own_text(struct mm_trace_field *field, int index)
{
    return (struct mm_span *)(void *)((char *)field + texts[index].own);
}

const char *mailmod_received_fault_text(enum mailmod_received_fault fault)
{
    for (unsigned i = 0; i < MM_TRACE_FAULT_COUNT; i++) {
        if (fault == 1U << i) {
            return mm_trace_fault_text(i);
        }
    }
    return "";
}

/* The host's structure in our form; its texts stay the host's. */
static enum mailmod_error take_received(const struct mailmod_received *given,
                                        struct mm_trace_field *field_out)
{
    struct mailmod_received received;
    enum mailmod_error error =
        mm_sized_take(&received, sizeof received, given, MM_RECEIVED_SIZE_1,
                      "mailmod_received");

    *field_out = (struct mm_trace_field){.faults = 0};
    for (int i = 0; i < TEXTS; i++) {
        *own_text(field_out, i) = mm_span_cstr(*host_text(&received, i));
    }
    field_out->has_time = received.has_time != 0;
    field_out->time_ms = received.time_ms;
    field_out->zone_minutes = received.zone_minutes;
    return error;
}

static enum mailmod_error write_received(const struct mm_trace_field *field,
                                         mailmod_on_octets on_octets,
                                         void *context)
{
    struct mm_buf out;

    mm_buf_init(&out, WRITTEN_MAX);
    enum mailmod_error error = mm_trace_field_write(&out, field);
    if (error == MAILMOD_OK) {
        on_octets(context, mm_buf_span(&out).data, mm_buf_size(&out));
    } else {
        error = mm_fail(error, "%s",
                        error == MAILMOD_ERROR_ARGUMENT
                            ? "the field would not read back as it is"
                            : mm_error_text(error));
    }
    mm_buf_fini(&out);
    return error;
}

enum mailmod_error
mailmod_received_write(mailmod *instance,
                       const struct mailmod_received *received,
                       mailmod_on_octets on_octets, void *context)
{
    struct mm_trace_field field;
    struct mm_config *config = NULL;
    enum mailmod_error error = take_received(received, &field);

    if (error == MAILMOD_OK && on_octets == NULL) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "on_octets: NULL");
    }
    if (error == MAILMOD_OK && instance != NULL) {
        error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
        if (error == MAILMOD_OK) {
            error = mm_instance_draft(instance, &config);
            mm_handle_let(instance);
        }
    }
    if (config != NULL && field.by.size == 0) {
        field.by = mm_span_cstr(config->host_name);
    }
    if (config != NULL && !field.has_time) {
        field.has_time = true;
        field.time_ms = mm_clock_wall_ms();
    }
    if (error == MAILMOD_OK) {
        error = write_received(&field, on_octets, context);
    }
    mm_config_unref(&config);
    return error;
}

int mailmod_received_compare(const struct mailmod_received *a,
                             const struct mailmod_received *b)
{
    struct mm_trace_field left;
    struct mm_trace_field right;

    if (take_received(a, &left) != MAILMOD_OK ||
        take_received(b, &right) != MAILMOD_OK) {
        return INT_MIN;
    }
    return mm_trace_field_compare(&left, &right);
}

/* The text with its NUL, in memory that was counted before. */
static const char *keep_text(struct mailmod_trace *trace, struct mm_span text)
{
    char *kept = trace->texts + trace->used;

    memcpy(kept, text.data, text.size);
    kept[text.size] = '\0';
    trace->used += text.size + 1;
    return kept;
}

static size_t count_octets(const struct mailmod_trace *trace)
{
    size_t size = 1;

    for (size_t i = 0; i < mm_trace_step_count(trace->inner); i++) {
        struct mm_trace_field field = mm_trace_step(trace->inner, i)->field;
        size += mm_trace_field_address(&field).size + 1;
        for (int t = 0; t < TEXTS; t++) {
            size += own_text(&field, t)->size + 1;
        }
    }
    return size;
}

static enum mailmod_error show_steps(struct mailmod_trace *trace)
{
    size_t count = mm_trace_step_count(trace->inner);

    trace->texts = mm_alloc(count_octets(trace));
    trace->shown = mm_alloc_array(count, sizeof *trace->shown);
    if (trace->texts == NULL || trace->shown == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct mm_trace_field field = mm_trace_step(trace->inner, i)->field;
        struct shown *shown = &trace->shown[i];
        shown->received = (struct mailmod_received){
            .size = sizeof shown->received,
            .has_time = field.has_time,
            .time_ms = field.time_ms,
            .zone_minutes = field.zone_minutes,
            .faults = field.faults,
        };
        for (int t = 0; t < TEXTS; t++) {
            *host_text(&shown->received, t) =
                keep_text(trace, *own_text(&field, t));
        }
        shown->address = keep_text(trace, mm_trace_field_address(&field));
    }
    return MAILMOD_OK;
}

static enum mailmod_error read_all(struct mm_trace *trace,
                                   mailmod_reader reader, void *context)
{
    char *octets = mm_alloc(READ_SIZE);
    enum mailmod_error error =
        octets != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
    bool is_ended = false;

    while (error == MAILMOD_OK && !is_ended) {
        size_t size = reader(context, octets, READ_SIZE);
        if (size == (size_t)-1) {
            error = mm_fail(MAILMOD_ERROR_CANCELLED, "the reader gave up");
        } else if (size > READ_SIZE) {
            error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                            "the reader gave more than there was room for");
        } else {
            is_ended = size == 0 || mm_trace_feed(trace, mm_span(octets, size));
        }
    }
    mm_free(octets);
    return error == MAILMOD_OK ? mm_trace_end(trace) : error;
}

static void dispose(struct mailmod_trace *trace)
{
    if (trace == NULL) {
        return;
    }
    mm_trace_free(&trace->inner);
    mm_free(trace->shown);
    mm_free(trace->texts);
    mm_free(trace);
}

enum mailmod_error mailmod_trace_new(mailmod_reader reader,
                                     void *reader_context,
                                     mailmod_trace **trace_out)
{
    if (trace_out != NULL) {
        *trace_out = NULL;
    }
    if (reader == NULL || trace_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "reader or trace_out: NULL");
    }
    struct mailmod_trace *trace = mm_alloc(sizeof *trace);
    enum mailmod_error error =
        trace != NULL ? mm_trace_new(&trace->inner) : MAILMOD_ERROR_MEMORY;
    if (error == MAILMOD_OK) {
        error = read_all(trace->inner, reader, reader_context);
    }
    if (error == MAILMOD_OK) {
        error = show_steps(trace);
    }
    if (error == MAILMOD_OK) {
        error = mm_handle_add(MM_HANDLE_TRACE, trace);
    }
    if (error == MAILMOD_ERROR_MEMORY) {
        (void)mm_fail(error, "%s", mm_error_text(error));
    }
    if (error != MAILMOD_OK) {
        dispose(trace);
        return error;
    }
    *trace_out = trace;
    return MAILMOD_OK;
}

size_t mailmod_trace_count(const mailmod_trace *trace)
{
    if (mm_handle_hold(MM_HANDLE_TRACE, trace) != MAILMOD_OK) {
        return 0;
    }
    size_t count = mm_trace_step_count(trace->inner);
    mm_handle_let(trace);
    return count;
}

enum mailmod_error mailmod_trace_step(const mailmod_trace *trace, size_t index,
                                      struct mailmod_trace_step *step_out)
{
    enum mailmod_error error =
        mm_sized_check(step_out, MM_TRACE_STEP_SIZE_1, "mailmod_trace_step");
    if (error == MAILMOD_OK) {
        error = mm_handle_hold(MM_HANDLE_TRACE, trace);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_trace_step *inner = mm_trace_step(trace->inner, index);
    if (inner != NULL) {
        const struct mailmod_trace_step step = {
            .size = sizeof step,
            .received = &trace->shown[index].received,
            .address = trace->shown[index].address,
            .has_delay = inner->has_delay,
            .delay_ms = inner->delay_ms,
            .is_loop = inner->is_loop,
            .loop_to = inner->loop_to,
        };
        mm_sized_give(step_out, &step, sizeof step);
    } else {
        error = mm_fail(MAILMOD_ERROR_NOT_FOUND, "there is no step %zu", index);
    }
    mm_handle_let(trace);
    return error;
}

static enum mailmod_error draw(const struct mailmod_trace *trace,
                               enum mailmod_trace_drawing drawing,
                               mailmod_on_octets on_octets, void *context)
{
    struct mm_buf out;

    mm_buf_init(&out, DRAWING_MAX);
    enum mailmod_error error = drawing == MAILMOD_TRACE_DOT
                                   ? mm_trace_draw_dot(trace->inner, &out)
                                   : mm_trace_draw_text(trace->inner, &out);
    if (error == MAILMOD_OK) {
        on_octets(context, mm_buf_span(&out).data, mm_buf_size(&out));
    } else {
        error = mm_fail(error, "%s", mm_error_text(error));
    }
    mm_buf_fini(&out);
    return error;
}

enum mailmod_error mailmod_trace_draw(const mailmod_trace *trace,
                                      enum mailmod_trace_drawing drawing,
                                      mailmod_on_octets on_octets,
                                      void *context)
{
    if (on_octets == NULL ||
        (drawing != MAILMOD_TRACE_TEXT && drawing != MAILMOD_TRACE_DOT)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "on_octets: NULL, or no such drawing");
    }
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_TRACE, trace);
    if (error == MAILMOD_OK) {
        error = draw(trace, drawing, on_octets, context);
        mm_handle_let(trace);
    }
    return error;
}

enum mailmod_error mailmod_trace_free(mailmod_trace **trace)
{
    if (trace == NULL || *trace == NULL) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_handle_remove(MM_HANDLE_TRACE, *trace, 0);
    if (error == MAILMOD_OK) {
        dispose(*trace);
        *trace = NULL;
    }
    return error;
}
