/* test_smtp_server.c - the SMTP server engine's bounds: input, output, lines,
 * chunks, what is thrown away; its clockwork for deadlines; and no memory. */
#include "base/mem.h"
#include "wire/smtp/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char envelope[] = "EHLO x\r\nMAIL FROM:<a@b.example>\r\n"
                               "RCPT TO:<c@d.example>\r\n";

static struct mm_smtpd *new_engine(const struct mm_smtpd_options *given)
{
    struct mm_smtpd *engine = NULL;
    struct mm_smtpd_options options = *given;
    options.host_name = "mail.example";
    assert_int_equal(mm_smtpd_new(&engine, &options), MAILMOD_OK);
    return engine;
}

/* Answers all, keeps count of the body; the last event that is not BODY. */
static enum mm_smtpd_event settle(struct mm_smtpd *engine, uint64_t *body_out)
{
    struct mm_smtpd_info info;
    enum mm_smtpd_event last = MM_SMTPD_NEED_INPUT;
    enum mm_smtpd_event event = mm_smtpd_next(engine, &info);
    while (event != MM_SMTPD_NEED_INPUT) {
        if (event == MM_SMTPD_BODY) {
            assert_true(info.data.size <= MM_LIMIT_INPUT);
            *body_out += info.data.size;
        } else {
            last = event;
        }
        assert_int_equal(mm_smtpd_answer(engine, NULL), MAILMOD_OK);
        event = mm_smtpd_next(engine, &info);
    }
    return last;
}

/* Feeds all, settling; drops the output unless it is wanted. */
static enum mm_smtpd_event feed_all(struct mm_smtpd *engine, const char *bytes,
                                    size_t size, uint64_t *body_out)
{
    enum mm_smtpd_event last = settle(engine, body_out);
    while (size > 0) {
        size_t taken = mm_smtpd_feed(engine, bytes, size);
        assert_true(taken > 0);
        enum mm_smtpd_event event = settle(engine, body_out);
        last = event != MM_SMTPD_NEED_INPUT ? event : last;
        bytes += taken;
        size -= taken;
        if (size > 0) {
            mm_smtpd_sent(engine, mm_smtpd_output(engine).size);
        }
    }
    return last;
}

static enum mm_smtpd_event say(struct mm_smtpd *engine, const char *text)
{
    uint64_t body = 0;
    mm_smtpd_sent(engine, mm_smtpd_output(engine).size);
    return feed_all(engine, text, strlen(text), &body);
}

static void expect_last_reply(struct mm_smtpd *engine, const char *start)
{
    struct mm_span output = mm_smtpd_output(engine);
    size_t at = output.size;
    assert_true(at > 2);
    at -= 2;
    while (at > 0 && output.data[at - 1] != '\n') {
        at--;
    }
    assert_true(output.size - at >= strlen(start));
    assert_memory_equal(output.data + at, start, strlen(start));
}

/* A peer that never reads: the engine stops, holds what it may, goes on. */
static void test_back_pressure(void **unused)
{
    (void)unused;
    struct mm_smtpd *engine = new_engine(&(struct mm_smtpd_options){0});
    struct mm_smtpd_info info;
    uint64_t body = 0;
    size_t fed = 0;
    size_t count = 0;
    settle(engine, &body);
    for (int i = 0; i < 100000; i++) {
        fed += mm_smtpd_feed(engine, &"NOOP\r\n"[fed % 6], 6 - fed % 6);
        assert_int_equal(mm_smtpd_next(engine, &info), MM_SMTPD_NEED_INPUT);
        assert_true(mm_smtpd_output(engine).size <= MM_LIMIT_OUTPUT);
    }
    assert_true(fed < MM_LIMIT_INPUT + MM_LIMIT_OUTPUT);
    assert_true(mm_smtpd_output(engine).size >
                MM_LIMIT_OUTPUT - 2 * MM_LIMIT_REPLY);
    assert_int_equal(mm_smtpd_feed(engine, "x", 1), 0);
    for (int i = 0; i < 100; i++) {
        struct mm_span output = mm_smtpd_output(engine);
        for (size_t k = 0; k < output.size; k++) {
            count += output.data[k] == '\n';
        }
        mm_smtpd_sent(engine, output.size);
        assert_int_equal(mm_smtpd_next(engine, &info), MM_SMTPD_NEED_INPUT);
    }
    assert_int_equal(count, 1 + fed / 6); /* the greeting's, and all */
    mm_smtpd_free(&engine);
}

static void test_text_line_cap(void **unused)
{
    (void)unused;
    static const struct {
        size_t size;
        const char *reply;
    } rows[] = {
        {998, "250"},  {999, "250"},   {1000, "250"},
        {1001, "250"}, {70000, "250"}, {70001, "500 5.5.6"},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct mm_smtpd *engine =
            new_engine(&(struct mm_smtpd_options){.line_size_max = 70000});
        size_t size = rows[i / 2].size;
        bool is_chunk = i % 2 == 1;
        char *text = malloc(size + 64);
        char command[64];
        uint64_t body = 0;
        assert_non_null(text);
        memset(text, 'x', size);
        memcpy(text + size, "\r\n.\r\n", 5);
        mm_smtpd_sent(engine, 0);
        say(engine, envelope);
        snprintf(command, sizeof command,
                 is_chunk ? "BDAT %zu LAST\r\n" : "DATA\r\n", size + 2);
        say(engine, command);
        feed_all(engine, text, size + (is_chunk ? 2 : 5), &body);
        expect_last_reply(engine, rows[i / 2].reply);
        if (rows[i / 2].reply[0] == '2') {
            assert_int_equal(body, size + 2);
        }
        assert_string_equal(mm_smtpd_state_name(engine), "ready");
        free(text);
        mm_smtpd_free(&engine);
    }
}

/* F26: a line may be as long as the message; it is never held. */
static void test_F26_any_line(void **unused)
{
    (void)unused;
    static char block[65536];
    memset(block, 'x', sizeof block);
    struct mm_smtpd *engine = new_engine(&(struct mm_smtpd_options){0});
    uint64_t body = 0;
    say(engine, envelope);
    say(engine, "DATA\r\n");
    mm_smtpd_sent(engine, mm_smtpd_output(engine).size);
    for (int i = 0; i < 64; i++) {
        feed_all(engine, block, sizeof block, &body);
    }
    feed_all(engine, "\r\n.\r\n", 5, &body);
    expect_last_reply(engine, "250");
    assert_int_equal(body, 64 * sizeof block + 2);
    mm_smtpd_free(&engine);
}

/* One million chunks of an octet end by a limit (attack 28). */
static void test_small_chunks(void **unused)
{
    (void)unused;
    struct mm_smtpd *engine =
        new_engine(&(struct mm_smtpd_options){.errors_max = 10});
    size_t count = 0;
    say(engine, envelope);
    while (count < 1000000 && say(engine, "BDAT 1\r\nx") != MM_SMTPD_BROKEN) {
        count++;
    }
    assert_in_range(count, MM_LIMIT_SMALL_CHUNKS, MM_LIMIT_SMALL_CHUNKS + 10);
    expect_last_reply(engine, "421 4.7.0");
    mm_smtpd_free(&engine);
}

/* A refused body that does not end is not read for ever. */
static void test_discard_ends(void **unused)
{
    (void)unused;
    struct mm_smtpd *engine =
        new_engine(&(struct mm_smtpd_options){.message_size_max = 1000});
    static char block[65536];
    uint64_t fed = 0;
    uint64_t body = 0;
    enum mm_smtpd_event event = MM_SMTPD_NEED_INPUT;
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
    }
    say(engine, envelope);
    say(engine, "DATA\r\n");
    mm_smtpd_sent(engine, mm_smtpd_output(engine).size);
    while (event != MM_SMTPD_BROKEN && fed < 4ull * MM_LIMIT_DISCARD) {
        event = feed_all(engine, block, sizeof block, &body);
        fed += sizeof block;
    }
    assert_int_equal(event, MM_SMTPD_BROKEN);
    assert_true(fed <= MM_LIMIT_DISCARD + 4 * sizeof block);
    assert_true(body <= 1000);
    assert_memory_equal(mm_smtpd_output(engine).data, "552 5.3.4", 9);
    expect_last_reply(engine, "421 4.7.0");
    mm_smtpd_free(&engine);
}

/* A command line of a mebibyte costs one reply and no memory. */
static void test_long_command(void **unused)
{
    (void)unused;
    struct mm_smtpd *engine = new_engine(&(struct mm_smtpd_options){0});
    static char line[1 << 20];
    uint64_t body = 0;
    memset(line, 'x', sizeof line);
    memcpy(line, "EHLO ", 5);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    feed_all(engine, line, sizeof line, &body);
    expect_last_reply(engine, "500 5.5.6");
    say(engine, "NOOP\r\n");
    expect_last_reply(engine, "250 2.0.0");
    mm_smtpd_free(&engine);
}

static void test_progress_and_wait(void **unused)
{
    (void)unused;
    struct mm_smtpd *engine = new_engine(
        &(struct mm_smtpd_options){.mechanisms_clear = MM_SASL_LOGIN});
    struct mm_smtpd_info info;
    static char text[4096];
    uint64_t body = 0;
    memset(text, 'x', sizeof text);
    settle(engine, &body);
    assert_int_equal(mm_smtpd_progress(engine), 0);
    say(engine, "EHLO");
    assert_int_equal(mm_smtpd_progress(engine), 0);
    say(engine, " x\r\n");
    assert_int_equal(mm_smtpd_progress(engine), 1);
    assert_int_equal(mm_smtpd_feed(engine, "AUTH LOGIN\r\n", 12), 12);
    assert_int_equal(mm_smtpd_next(engine, &info), MM_SMTPD_AUTH);
    assert_int_equal(mm_smtpd_challenge(engine, mm_span("", 0)), MAILMOD_OK);
    assert_int_equal(mm_smtpd_next(engine, &info), MM_SMTPD_NEED_INPUT);
    assert_int_equal(mm_smtpd_wait(engine), MM_SMTPD_WAIT_AUTH);
    assert_int_equal(mm_smtpd_challenge(engine, mm_span("", 0)),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_smtpd_answer(engine, NULL), MAILMOD_ERROR_STATE);
    say(engine, "*\r\n");
    assert_int_equal(mm_smtpd_wait(engine), MM_SMTPD_WAIT_COMMAND);
    say(engine, envelope);
    say(engine, "DATA\r\n");
    assert_int_equal(mm_smtpd_wait(engine), MM_SMTPD_WAIT_DATA);
    uint64_t before = mm_smtpd_progress(engine);
    for (int i = 0; i < 4095; i++) {
        feed_all(engine, "x", 1, &body);
    }
    assert_int_equal(mm_smtpd_progress(engine), before);
    feed_all(engine, "x", 1, &body);
    assert_int_equal(mm_smtpd_progress(engine), before + 1);
    feed_all(engine, text, sizeof text, &body);
    assert_int_equal(mm_smtpd_progress(engine), before + 2);
    mm_smtpd_free(&engine);
}

/* The host's text forges no line; a reply without end is refused, not cut. */
static void test_host_text(void **unused)
{
    (void)unused;
    struct mm_smtpd *engine = new_engine(&(struct mm_smtpd_options){0});
    struct mm_smtpd_info info;
    uint64_t body = 0;
    settle(engine, &body);
    say(engine, "EHLO x\r\n");
    mm_smtpd_sent(engine, mm_smtpd_output(engine).size);
    assert_int_equal(mm_smtpd_feed(engine, "MAIL FROM:<>\r\n", 14), 14);
    assert_int_equal(mm_smtpd_next(engine, &info), MM_SMTPD_MAIL);
    struct mm_reply reply = {550, "5.7.1", "a\r250 b\n c"};
    assert_int_equal(mm_smtpd_answer(engine, &reply), MAILMOD_OK);
    struct mm_span output = mm_smtpd_output(engine);
    static const char wanted[] = "550-5.7.1 a?250 b\r\n550 5.7.1  c\r\n";
    assert_int_equal(output.size, sizeof wanted - 1);
    assert_memory_equal(output.data, wanted, output.size);
    mm_smtpd_free(&engine);
}

/* The dialogue that must stand each allocation's failure. */
static const char dialogue[] =
    "EHLO x\r\nAUTH LOGIN dXNlcg==\r\ncGFzcw==\r\n"
    "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME ENVID=a+2Bb RET=HDRS "
    "AUTH=<>\r\n"
    "RCPT TO:<c@d.example> NOTIFY=SUCCESS ORCPT=rfc822;c@d.example\r\n"
    "DATA\r\nSubject: x\r\n\r\n..\r\n.\r\n"
    "MAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\n\r\n"
    "MAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nBDAT 2\r\nxxQUIT\r\n";

static enum mailmod_error answer(struct mm_smtpd *engine,
                                 enum mm_smtpd_event event)
{
    if (event == MM_SMTPD_AUTH) {
        return mm_smtpd_challenge(engine, mm_span("Password:", 9));
    }
    return mm_smtpd_answer(engine, NULL);
}

/* No reply of the good dialogue is a 5xx, so no failure may make one: that
 * would bounce a mail for our own want. (What is pipelined behind the first
 * 4xx may then be out of order.) */
static void check_output(struct mm_smtpd *engine)
{
    struct mm_span output = mm_smtpd_output(engine);
    struct mm_span line;
    bool has_failed = false;
    while (mm_span_cut(output, '\n', &line, &output)) {
        assert_true(line.size > 4 && line.data[line.size - 1] == '\r');
        assert_in_range(line.data[0], '2', has_failed ? '5' : '4');
        has_failed = has_failed || line.data[0] == '4';
    }
    assert_int_equal(output.size, 0);
}

/* Runs it in pieces; true when it came to its end as if nothing was. */
static bool run_dialogue(size_t piece)
{
    struct mm_smtpd *engine = NULL;
    struct mm_smtpd_info info;
    struct mm_smtpd_options options = {.host_name = "mail.example",
                                       .mechanisms_clear = MM_SASL_LOGIN};
    if (mm_smtpd_new(&engine, &options) != MAILMOD_OK) {
        assert_null(engine);
        return false;
    }
    size_t at = 0;
    bool is_well = true;
    enum mm_smtpd_event event = mm_smtpd_next(engine, &info);
    while (event != MM_SMTPD_QUIT && event != MM_SMTPD_BROKEN && is_well) {
        if (event != MM_SMTPD_NEED_INPUT) {
            is_well = answer(engine, event) == MAILMOD_OK;
        } else {
            size_t size = sizeof dialogue - 1 - at;
            if (size == 0) {
                break; /* a 4xx in the midst swallowed QUIT */
            }
            at += mm_smtpd_feed(engine, dialogue + at,
                                size < piece ? size : piece);
        }
        event = mm_smtpd_next(engine, &info);
    }
    is_well = is_well && event == MM_SMTPD_QUIT;
    if (is_well) {
        expect_last_reply(engine, "221");
    }
    check_output(engine);
    mm_smtpd_free(&engine);
    return is_well;
}

static void test_no_memory(void **unused)
{
    (void)unused;
    for (size_t piece = 1; piece < sizeof dialogue; piece += 97) {
        (void)mm_mem_set_fault(0, 0);
        assert_true(run_dialogue(piece));
        unsigned long count = mm_mem_set_fault(0, 0);
        assert_true(count > 3);
        for (int sticky = 0; sticky <= 1; sticky++) {
            for (unsigned long n = 1; n <= count; n++) {
                (void)mm_mem_set_fault(n, sticky);
                (void)run_dialogue(piece);
            }
        }
    }
    (void)mm_mem_set_fault(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_text_line_cap),
        cmocka_unit_test(test_F26_any_line),
        cmocka_unit_test(test_small_chunks),
        cmocka_unit_test(test_discard_ends),
        cmocka_unit_test(test_long_command),
        cmocka_unit_test(test_progress_and_wait),
        cmocka_unit_test(test_host_text),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
