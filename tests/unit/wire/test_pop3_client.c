/* test_pop3_client.c - the POP3 client engine against what no honest server or
 * caller gives it: lines without an end, lists without an end, more questions
 * than it keeps, calls out of turn; every allocation fails once; and what of a
 * login may be seen. What an honest dialogue is: tests/transcripts/pop3_client.
 * One thread. */
#include "base/limits.h"
#include "base/mem.h"
#include "wire/pop3/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LINE_ENOUGH (8u << 20)
#define BODY_ENOUGH (4u << 20)

static const char login[] = "+OK hello\r\n+OK\r\nPIPELINING\r\nUSER\r\n.\r\n";

static struct mm_pop3c *begin(void)
{
    struct mm_pop3c_options options = {.tls = MM_POP3C_TLS_ON};
    struct mm_pop3c *engine;
    assert_int_equal(mm_pop3c_new(&engine, &options), MAILMOD_OK);
    return engine;
}

static enum mm_pop3c_event say(struct mm_pop3c *engine, const char *text,
                               struct mm_pop3c_info *info_out)
{
    struct mm_span rest = mm_span_cstr(text);
    enum mm_pop3c_event event = MM_POP3C_NEED_INPUT;
    while (rest.size > 0) {
        size_t taken = mm_pop3c_feed(engine, rest.data, rest.size);
        rest = mm_span_from(rest, taken);
        event = mm_pop3c_next(engine, info_out);
        if (event != MM_POP3C_NEED_INPUT) {
            assert_int_equal(rest.size, 0);
        }
    }
    return event;
}

static void drop_output(struct mm_pop3c *engine)
{
    mm_pop3c_sent(engine, mm_pop3c_output(engine).size);
}

static struct mm_pop3c *begin_logged_in(void)
{
    struct mm_pop3c *engine = begin();
    struct mm_pop3c_info info;
    assert_int_equal(say(engine, login, &info), MM_POP3C_LOGIN);
    assert_int_equal(mm_pop3c_user(engine, "u", "p"), MAILMOD_OK);
    assert_int_equal(say(engine, "+OK\r\n+OK\r\n", &info), MM_POP3C_LOGIN_DONE);
    assert_int_equal(mm_pop3c_next(engine, &info), MM_POP3C_READY);
    drop_output(engine);
    return engine;
}

/* The server says one text again and again; true: the conversation failed. */
static bool fails_in_the_end(struct mm_pop3c *engine, const char *text,
                             size_t enough, enum mailmod_error error)
{
    struct mm_pop3c_info info;
    for (size_t said = 0; said < enough; said += strlen(text)) {
        assert_int_equal(mm_pop3c_feed(engine, text, strlen(text)),
                         strlen(text));
        enum mm_pop3c_event event = mm_pop3c_next(engine, &info);
        while (event == MM_POP3C_ROW || event == MM_POP3C_BODY) {
            mm_pop3c_body_taken(engine, info.data.size);
            event = mm_pop3c_next(engine, &info);
        }
        if (event == MM_POP3C_FAILED) {
            assert_int_equal(info.error, error);
            return true;
        }
        assert_int_equal(event, MM_POP3C_NEED_INPUT);
    }
    return false;
}

static void test_a_line_without_end_is_bounded(void **state)
{
    (void)state;
    struct mm_pop3c *engine = begin();
    assert_false(fails_in_the_end(engine, "+OK aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                  LINE_ENOUGH, MAILMOD_OK));
    (void)mm_mem_set_fault(0, 0);
    assert_false(fails_in_the_end(engine, "+OK aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                  LINE_ENOUGH, MAILMOD_OK));
    /* What it holds did not grow. */
    assert_int_equal(mm_mem_set_fault(0, 0), 0);
    mm_pop3c_free(&engine);
}

static void test_capabilities_without_end_fail(void **state)
{
    (void)state;
    struct mm_pop3c *engine = begin();
    assert_true(
        fails_in_the_end(engine, "+OK\r\n", LINE_ENOUGH, MAILMOD_ERROR_LIMIT));
    mm_pop3c_free(&engine);
}

static void test_a_list_without_end_fails(void **state)
{
    (void)state;
    struct mm_pop3c *engine = begin_logged_in();
    struct mm_pop3c_info info;
    assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_UIDL, 0, 0), MAILMOD_OK);
    assert_int_equal(mm_pop3c_next(engine, &info), MM_POP3C_NEED_INPUT);
    assert_int_equal(say(engine, "+OK\r\n", &info), MM_POP3C_ANSWER);
    assert_true(fails_in_the_end(engine, "1 a\r\n",
                                 5 * ((size_t)MM_LIMIT_MAILBOX_ENTRIES + 2),
                                 MAILMOD_ERROR_LIMIT));
    mm_pop3c_free(&engine);
}

/* A body that nobody takes stops the reading: back-pressure, not memory. */
static void test_a_body_waits_to_be_taken(void **state)
{
    (void)state;
    struct mm_pop3c *engine = begin_logged_in();
    struct mm_pop3c_info info;
    static char octets[MM_LIMIT_INPUT];
    size_t taken = 0;
    memset(octets, 'a', sizeof octets);
    assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_RETR, 1, 0), MAILMOD_OK);
    assert_int_equal(mm_pop3c_next(engine, &info), MM_POP3C_NEED_INPUT);
    assert_int_equal(say(engine, "+OK\r\n", &info), MM_POP3C_ANSWER);
    for (int i = 0; i < 16; i++) {
        taken += mm_pop3c_feed(engine, octets, sizeof octets);
        assert_int_equal(mm_pop3c_next(engine, &info), MM_POP3C_BODY);
    }
    assert_true(taken < 2 * sizeof octets);
    assert_false(fails_in_the_end(engine, "", 0, MAILMOD_OK));
    while (mm_pop3c_next(engine, &info) == MM_POP3C_BODY) {
        mm_pop3c_body_taken(engine, 1000);
    }
    assert_false(fails_in_the_end(engine, "a\r\n", BODY_ENOUGH, MAILMOD_OK));
    mm_pop3c_free(&engine);
}

static void test_questions_are_bounded(void **state)
{
    (void)state;
    struct mm_pop3c *engine = begin_logged_in();
    struct mm_pop3c_info info;
    unsigned asked = 0;
    while (mm_pop3c_ask(engine, MM_POP3C_DELE, asked + 1, 0) == MAILMOD_OK) {
        asked++;
    }
    assert_in_range(asked, 2, 1000);
    assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_NOOP, 0, 0),
                     MAILMOD_ERROR_LIMIT);
    mm_pop3c_quit(engine);
    assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_NOOP, 0, 0),
                     MAILMOD_ERROR_STATE);
    for (unsigned i = 0; i < asked; i++) {
        assert_int_equal(say(engine, "+OK\r\n", &info), MM_POP3C_ANSWER);
        assert_int_equal(info.number, i + 1);
    }
    assert_int_equal(say(engine, "+OK\r\n", &info), MM_POP3C_CLOSED);
    mm_pop3c_free(&engine);
}

static void test_calls_out_of_turn_are_refused(void **state)
{
    (void)state;
    struct mm_pop3c *engine = begin();
    assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_NOOP, 0, 0),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_pop3c_user(engine, "u", "p"), MAILMOD_ERROR_STATE);
    assert_int_equal(mm_pop3c_tls_begun(engine), MAILMOD_ERROR_STATE);
    assert_int_equal(mm_pop3c_auth_cancel(engine), MAILMOD_ERROR_STATE);
    mm_pop3c_free(&engine);

    engine = begin_logged_in();
    assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_RETR, 0, 0),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_STAT, 1, 0),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_pop3c_user(engine, "u", "p"), MAILMOD_ERROR_STATE);
    mm_pop3c_free(&engine);
}

static void on_line(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked)
{
    struct mm_buf *seen = context;
    (void)way;
    (void)is_masked;
    mm_buf_append_span(seen, line);
    mm_buf_append_char(seen, '\n');
}

static void on_octets(void *context, enum mm_tap_way way, uint64_t count)
{
    (void)context;
    (void)way;
    (void)count;
}

static void test_no_password_is_shown(void **state)
{
    (void)state;
    struct mm_buf seen;
    struct mm_tap tap = {on_line, on_octets, &seen};
    struct mm_pop3c_options options = {.tap = &tap, .tls = MM_POP3C_TLS_ON};
    struct mm_pop3c *engine;
    struct mm_pop3c_info info;
    mm_buf_init(&seen, 65536);
    assert_int_equal(mm_pop3c_new(&engine, &options), MAILMOD_OK);
    assert_int_equal(say(engine, login, &info), MM_POP3C_LOGIN);
    assert_int_equal(mm_pop3c_user(engine, "tim", "sesame"), MAILMOD_OK);
    assert_int_equal(say(engine, "+OK\r\n", &info), MM_POP3C_NEED_INPUT);
    struct mm_span output = mm_pop3c_output(engine);
    const char *place = output.data + output.size - 8;
    assert_memory_equal(place, "sesame\r\n", 8);
    mm_pop3c_sent(engine, output.size);
    assert_memory_not_equal(place, "sesame", 6); /* wiped */
    const char *text = mm_buf_cstr(&seen);
    assert_non_null(text);
    assert_non_null(strstr(text, "\nUSER tim\n"));
    assert_non_null(strstr(text, "\nPASS\n"));
    assert_null(strstr(text, "sesame"));
    mm_buf_fini(&seen);
    mm_pop3c_free(&engine);
}

/* One conversation with all kinds of steps; whatever allocation fails, it
 * ends. */
static bool converse(void)
{
    struct mm_pop3c_options options = {.tls = MM_POP3C_TLS_ON};
    struct mm_pop3c *engine;
    struct mm_pop3c_info info;
    static const char said[] = "+OK\r\n1 a\r\n.\r\n+OK\r\nbody\r\n.\r\n+OK\r\n";
    if (mm_pop3c_new(&engine, &options) != MAILMOD_OK) {
        return false;
    }
    bool is_good = false;
    (void)mm_pop3c_feed(engine, login, sizeof login - 1);
    if (mm_pop3c_next(engine, &info) == MM_POP3C_LOGIN &&
        mm_pop3c_user(engine, "u", "p") == MAILMOD_OK) {
        (void)mm_pop3c_feed(engine, "+OK\r\n+OK\r\n", 10);
        if (mm_pop3c_next(engine, &info) == MM_POP3C_LOGIN_DONE) {
            assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_UIDL, 0, 0),
                             MAILMOD_OK);
            assert_int_equal(mm_pop3c_ask(engine, MM_POP3C_RETR, 1, 0),
                             MAILMOD_OK);
            mm_pop3c_quit(engine);
            (void)mm_pop3c_feed(engine, said, sizeof said - 1);
        }
        enum mm_pop3c_event event = mm_pop3c_next(engine, &info);
        while (event != MM_POP3C_NEED_INPUT) {
            is_good |= event == MM_POP3C_CLOSED;
            mm_pop3c_body_taken(engine, 1);
            event = mm_pop3c_next(engine, &info);
        }
    }
    mm_pop3c_free(&engine);
    return is_good;
}

static void test_memory_fails_everywhere(void **state)
{
    (void)state;
    bool is_good = false;
    unsigned long number = 0;
    while (!is_good) {
        number++;
        assert_in_range(number, 1, 200);
        (void)mm_mem_set_fault(number, 0);
        is_good = converse();
    }
    (void)mm_mem_set_fault(0, 0);
    assert_in_range(number, 5, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_without_end_is_bounded),
        cmocka_unit_test(test_capabilities_without_end_fail),
        cmocka_unit_test(test_a_list_without_end_fails),
        cmocka_unit_test(test_a_body_waits_to_be_taken),
        cmocka_unit_test(test_questions_are_bounded),
        cmocka_unit_test(test_calls_out_of_turn_are_refused),
        cmocka_unit_test(test_no_password_is_shown),
        cmocka_unit_test(test_memory_fails_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
