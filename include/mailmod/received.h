/* received.h - the way of a message: its Received fields read, written,
 * compared and drawn.
 *
 * To be included beside mailmod.h, which says what holds for ownership and
 * errors. All of it is values in memory: no instance has to run, and none has
 * to be there. RFC 5321 4.4. */
#ifndef MAILMOD_RECEIVED_H
#define MAILMOD_RECEIVED_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is wrong with a field: enum mailmod_received_fault, in terms.h. Words
 * for one of them, as in "this field ..."; "" for what is none. */
MAILMOD_API const char *
mailmod_received_fault_text(enum mailmod_received_fault fault);

/* One field: what one server says of the message it took. What is not there is
 * "" when it was read, and may be NULL when it is to be written. Texts that
 * were read are printable ASCII or UTF-8, on one line. */
struct mailmod_received {
    size_t size;           /* of this structure */
    const char *from;      /* who sent it, as it called itself */
    const char *from_info; /* the comments behind it, with their brackets */
    const char *by;        /* who took it */
    const char *by_info;
    const char *via;
    const char *with; /* the protocol (RFC 3848, RFC 6531 4.3) */
    const char *id;
    const char *recipient; /* "for", as it stands: "<u@example.org>" */
    int has_time;
    int64_t time_ms;  /* since 1970, UTC */
    int zone_minutes; /* before UTC, of the clock that was read */
    unsigned faults;  /* mailmod_received_fault bits; when written: nothing */
};

/* "Received: ...", with CRLF, folded at the clauses, in one call of
 * `on_octets`. It reads back as it was given, but that a registered protocol is
 * in capitals and a time in whole seconds. `instance`: NULL, or whose
 * general.host_name stands for a `by` that is not there, and the present time
 * for a time that is not there. ARGUMENT: a text would read back as something
 * else (a name with a blank, a comment without its end, a line end). Any
 * thread. */
MAILMOD_API enum mailmod_error
mailmod_received_write(mailmod *instance,
                       const struct mailmod_received *received,
                       mailmod_on_octets on_octets, void *context);
/* An order by server, in any case of letters, and identifier. 0: the same step
 * of the same message; two fields without identifiers are never the same.
 * INT_MIN for NULL or a structure that is too small. Any thread. */
MAILMOD_API int mailmod_received_compare(const struct mailmod_received *a,
                                         const struct mailmod_received *b);

/* The steps of one message, the oldest first. Any thread, one at a time. */
typedef struct mailmod_trace mailmod_trace;

/* Reads a message's header, or a single field, up to where the body begins;
 * what is not a Received field is passed over. 1000 steps are kept. CANCELLED
 * (the reader gave up), MEMORY, ARGUMENT. */
MAILMOD_API enum mailmod_error mailmod_trace_new(mailmod_reader reader,
                                                 void *reader_context,
                                                 mailmod_trace **trace_out);
/* 0 for a pointer to none. */
MAILMOD_API size_t mailmod_trace_count(const mailmod_trace *trace);

struct mailmod_trace_step {
    size_t size; /* of this structure */
    /* Until the trace is freed. */
    const struct mailmod_received *received;
    const char *address; /* of who sent it, out of the comments; "" */
    /* After the last step before that told its time; below 0: the clocks of
     * two servers disagree. */
    int has_delay;
    int64_t delay_ms;
    /* The same server had the message before, at step `loop_to`, and another
     * one in between. */
    int is_loop;
    size_t loop_to;
};
/* `step_out`, whose size is set, is filled. NOT_FOUND: there is none of that
 * index. ARGUMENT, HANDLE. */
MAILMOD_API enum mailmod_error
mailmod_trace_step(const mailmod_trace *trace, size_t index,
                   struct mailmod_trace_step *step_out);

enum mailmod_trace_drawing {
    MAILMOD_TRACE_TEXT, /* lines for people, and what is wrong */
    MAILMOD_TRACE_DOT   /* a graph for Graphviz: servers and steps */
};
/* In one call of `on_octets`. ARGUMENT, HANDLE, MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_trace_draw(const mailmod_trace *trace,
                   enum mailmod_trace_drawing drawing,
                   mailmod_on_octets on_octets, void *context);
/* Nulls the handle; NULL or a pointer to NULL does nothing. HANDLE. */
MAILMOD_API enum mailmod_error mailmod_trace_free(mailmod_trace **trace);

#ifdef __cplusplus
}
#endif

#endif
