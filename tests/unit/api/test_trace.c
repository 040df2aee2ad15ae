/* test_trace.c - Received fields and ways of messages in the host's hands.
 *
 * T-168 to T-170 through mailmod/received.h. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmod/received.h"

#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct input {
    const char *text;
    size_t piece_size;
};

static size_t read_input(void *context, void *buffer, size_t size)
{
    struct input *input = context;
    size_t left = strlen(input->text);
    size_t taken = input->piece_size < size ? input->piece_size : size;
    taken = left < taken ? left : taken;
    memcpy(buffer, input->text, taken);
    input->text += taken;
    return taken;
}

static size_t give_up(void *context, void *buffer, size_t size)
{
    (void)context;
    (void)buffer;
    (void)size;
    return (size_t)-1;
}

static size_t give_too_much(void *context, void *buffer, size_t size)
{
    (void)context;
    (void)buffer;
    return size + 1;
}

static char drawn[65536];

static void on_octets(void *context, const char *octets, size_t size)
{
    ++*(int *)context;
    assert_true(size < sizeof drawn);
    memcpy(drawn, octets, size);
    drawn[size] = '\0';
}

static const char way[] =
    "Received: from a.example (a.example [192.0.2.1])\r\n"
    "\tby mx.example with ESMTPS id 2\r\n"
    "\tfor <u@x.example>; Mon, 30 Nov 2026 11:00:05 +0100\r\n"
    "Received: by a.example with HTTP; Mon, 30 Nov 2026 10:00:00 +0000\r\n"
    "\r\nbody\r\n";

static mailmod_trace *read_way(void)
{
    mailmod_trace *trace = NULL;
    struct input input = {way, 5};
    assert_int_equal(mailmod_trace_new(read_input, &input, &trace), MAILMOD_OK);
    return trace;
}

static void test_steps(void **state)
{
    (void)state;
    mailmod_trace *trace = read_way();
    struct mailmod_trace_step step = {.size = sizeof step};
    assert_int_equal(mailmod_trace_count(trace), 2);
    assert_int_equal(mailmod_trace_step(trace, 0, &step), MAILMOD_OK);
    assert_string_equal(step.received->by, "a.example");
    assert_string_equal(step.received->with, "HTTP");
    assert_string_equal(step.received->from, "");
    assert_string_equal(step.address, "");
    assert_false(step.has_delay);
    assert_int_equal(mailmod_trace_step(trace, 1, &step), MAILMOD_OK);
    const struct mailmod_received *received = step.received;
    assert_int_equal(received->size, sizeof *received);
    assert_string_equal(received->from, "a.example");
    assert_string_equal(received->from_info, "(a.example [192.0.2.1])");
    assert_string_equal(received->by, "mx.example");
    assert_string_equal(received->id, "2");
    assert_string_equal(received->recipient, "<u@x.example>");
    assert_int_equal(received->time_ms, INT64_C(1796032805000));
    assert_int_equal(received->zone_minutes, 60);
    assert_int_equal(received->faults, 0);
    assert_string_equal(step.address, "192.0.2.1");
    assert_true(step.has_delay);
    assert_int_equal(step.delay_ms, 5000);
    assert_false(step.is_loop);
    assert_int_equal(mailmod_trace_step(trace, 2, &step),
                     MAILMOD_ERROR_NOT_FOUND);
    step.size = 8;
    assert_int_equal(mailmod_trace_step(trace, 0, &step),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_trace_free(&trace), MAILMOD_OK);
    assert_null(trace);
    assert_int_equal(mailmod_trace_free(&trace), MAILMOD_OK);
}

static void test_drawings(void **state)
{
    (void)state;
    mailmod_trace *trace = read_way();
    int calls = 0;
    assert_int_equal(
        mailmod_trace_draw(trace, MAILMOD_TRACE_TEXT, on_octets, &calls),
        MAILMOD_OK);
    assert_non_null(strstr(drawn, "2 steps, in all +5s\n"));
    assert_int_equal(
        mailmod_trace_draw(trace, MAILMOD_TRACE_DOT, on_octets, &calls),
        MAILMOD_OK);
    assert_non_null(strstr(drawn, "digraph"));
    assert_int_equal(calls, 2);
    assert_int_equal(mailmod_trace_draw(trace, MAILMOD_TRACE_DOT, NULL, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_trace_draw(trace, (enum mailmod_trace_drawing)7,
                                        on_octets, &calls),
                     MAILMOD_ERROR_ARGUMENT);
    (void)mailmod_trace_free(&trace);
}

static void test_wrong_calls(void **state)
{
    (void)state;
    mailmod_trace *trace = read_way();
    mailmod_trace *former = trace;
    mailmod_trace *none = (mailmod_trace *)(void *)&former;
    struct mailmod_trace_step step = {.size = sizeof step};
    int calls = 0;
    assert_int_equal(mailmod_trace_new(NULL, NULL, &none),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_trace_new(give_up, NULL, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_trace_new(give_up, NULL, &none),
                     MAILMOD_ERROR_CANCELLED);
    assert_null(none);
    assert_int_equal(mailmod_trace_new(give_too_much, NULL, &none),
                     MAILMOD_ERROR_ARGUMENT);
    (void)mailmod_trace_free(&trace);
    assert_int_equal(mailmod_trace_count(former), 0);
    assert_int_equal(mailmod_trace_count(NULL), 0);
    assert_int_equal(mailmod_trace_step(former, 0, &step),
                     MAILMOD_ERROR_HANDLE);
    assert_int_equal(
        mailmod_trace_draw(former, MAILMOD_TRACE_DOT, on_octets, &calls),
        MAILMOD_ERROR_HANDLE);
    trace = former;
    assert_int_equal(mailmod_trace_free(&trace), MAILMOD_ERROR_HANDLE);
    assert_int_equal(calls, 0);
}

static void test_written(void **state)
{
    (void)state;
    int calls = 0;
    struct mailmod_received received = {
        .size = sizeof received,
        .from = "a.example",
        .by = "mx.example",
        .with = "esmtp",
        .has_time = 1,
        .time_ms = INT64_C(1796032805000),
        .zone_minutes = 60,
    };
    assert_int_equal(mailmod_received_write(NULL, &received, on_octets, &calls),
                     MAILMOD_OK);
    assert_string_equal(drawn, "Received: from a.example\r\n"
                               "\tby mx.example with ESMTP;\r\n"
                               "\tMon, 30 Nov 2026 11:00:05 +0100\r\n");
    received.id = "a b";
    assert_int_equal(mailmod_received_write(NULL, &received, on_octets, &calls),
                     MAILMOD_ERROR_ARGUMENT);
    assert_true(mailmod_last_error_text()[0] != '\0');
    assert_int_equal(mailmod_received_write(NULL, NULL, on_octets, &calls),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_received_write(NULL, &received, NULL, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(calls, 1);
}

/* An instance says who takes the message, and when. */
static void test_written_by_an_instance(void **state)
{
    (void)state;
    int calls = 0;
    mailmod *instance;
    mailmod_trace *trace;
    struct mailmod_received received = {.size = sizeof received,
                                        .from = "a.example"};
    struct mailmod_trace_step step = {.size = sizeof step};
    assert_int_equal(mailmod_new(&instance), MAILMOD_OK);
    assert_int_equal(
        mailmod_config_set(instance, "general.host_name", "me.example"),
        MAILMOD_OK);
    assert_int_equal(
        mailmod_received_write(instance, &received, on_octets, &calls),
        MAILMOD_OK);
    struct input input = {drawn, 4096};
    assert_int_equal(mailmod_trace_new(read_input, &input, &trace), MAILMOD_OK);
    assert_int_equal(mailmod_trace_step(trace, 0, &step), MAILMOD_OK);
    assert_string_equal(step.received->by, "me.example");
    assert_true(step.received->has_time &&
                step.received->time_ms > INT64_C(1700000000000));
    (void)mailmod_trace_free(&trace);
    (void)mailmod_free(&instance);
    assert_int_equal(
        mailmod_received_write(instance, &received, on_octets, &calls),
        MAILMOD_OK); /* NULL now: no server, no time */
    assert_string_equal(drawn, "Received: from a.example\r\n");
}

static void test_compared(void **state)
{
    (void)state;
    struct mailmod_received a = {.size = sizeof a, .by = "MX", .id = "1"};
    struct mailmod_received b = {.size = sizeof b, .by = "mx", .id = "1"};
    assert_int_equal(mailmod_received_compare(&a, &b), 0);
    b.id = "2";
    assert_true(mailmod_received_compare(&a, &b) < 0);
    assert_true(mailmod_received_compare(&b, &a) > 0);
    a.id = b.id = NULL;
    assert_int_not_equal(mailmod_received_compare(&a, &b), 0);
    b.size = 8;
    assert_int_equal(mailmod_received_compare(&a, &b), INT_MIN);
    assert_int_equal(mailmod_received_compare(NULL, &a), INT_MIN);
}

static void test_fault_texts(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit <= MAILMOD_RECEIVED_CUT; bit <<= 1) {
        assert_true(mailmod_received_fault_text(
                        (enum mailmod_received_fault)bit)[0] != '\0');
    }
    assert_string_equal(
        mailmod_received_fault_text((enum mailmod_received_fault)0), "");
    assert_string_equal(
        mailmod_received_fault_text((enum mailmod_received_fault)(1 << 30)),
        "");
}

static void test_no_memory(void **state)
{
    (void)state;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    for (unsigned long number = 1; error != MAILMOD_OK; number++) {
        mailmod_trace *trace;
        struct input input = {way, 4096};
        mm_mem_set_fault(number, 0);
        error = mailmod_trace_new(read_input, &input, &trace);
        mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        assert_true((error == MAILMOD_OK) == (trace != NULL));
        (void)mailmod_trace_free(&trace);
        assert_true(number < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_drawings),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_written_by_an_instance),
        cmocka_unit_test(test_compared),
        cmocka_unit_test(test_fault_texts),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
