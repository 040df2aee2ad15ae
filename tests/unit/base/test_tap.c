/* test_tap.c - what a listener sees of a conversation: lines as they are, and
 * of each line that may carry a secret the words before it. Thread: the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/tap.h"

#include <stdio.h>
#include <string.h>

struct seen {
    char text[512];
};

static void add(struct seen *seen, const char *text)
{
    strncat(seen->text, text, sizeof seen->text - strlen(seen->text) - 1);
}

static void on_line(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked)
{
    struct seen *seen = context;
    char text[128];

    assert_true(mm_span_copy(line, text, sizeof text));
    add(seen, way == MM_TAP_RECEIVED ? "<" : ">");
    add(seen, text);
    add(seen, is_masked ? " ***|" : "|");
}

static void on_octets(void *context, enum mm_tap_way way, uint64_t count)
{
    char text[64];

    snprintf(text, sizeof text, "%c%lu octets|",
             way == MM_TAP_RECEIVED ? '<' : '>', (unsigned long)count);
    add(context, text);
}

static void test_F29_commands(void **state)
{
    static const struct {
        const char *line, *seen;
        bool is_secret;
    } rows[] = {
        {"EHLO c.test", "<EHLO c.test|", false},
        {"MAIL FROM:<a@b.test>", "<MAIL FROM:<a@b.test>|", false},
        {"AUTH PLAIN AGEAYg==", "<AUTH PLAIN ***|", false},
        {"auth  plain  AGEAYg==", "<auth  plain ***|", false},
        {"AUTH\tPLAIN\tAGEAYg==", "<AUTH\tPLAIN ***|", false},
        {"AUTH LOGIN", "<AUTH LOGIN|", false},
        {"AUTH", "<AUTH|", false},
        {"PASS open sesame", "<PASS ***|", false},
        {"Pass x", "<Pass ***|", false},
        {"USER tim", "<USER tim|", false},
        {"APOP tim c4c9334bac560ecc979e58001b3e22fb", "<APOP tim ***|", false},
        {"AGFsaWNlAHB3", "< ***|", false}, /* out of turn */
        {"c2VjcmV0", "< ***|", false},
        {"sesame=", "< ***|", false},
        {"AGFsaWNlAHB3", "< ***|", true},
        {"*", "< ***|", true},
        {"", "<|", false},
        {"QUIT", "<QUIT|", false},
        {"STARTTLS", "<STARTTLS|", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen seen = {""};
        struct mm_tap tap = {on_line, on_octets, &seen};

        mm_tap_command(&tap, MM_TAP_RECEIVED, mm_span_cstr(rows[i].line),
                       rows[i].is_secret);
        assert_string_equal(seen.text, rows[i].seen);
    }
}

static void test_F29_replies(void **state)
{
    struct seen seen = {""};
    struct mm_tap tap = {on_line, on_octets, &seen};

    (void)state;
    mm_tap_reply(
        &tap, MM_TAP_SENT,
        mm_span_cstr("250-mx.test\r\n250 AUTH PLAIN\r\n334 cmVhbG0=\r\n"
                     "334 \r\n+ cmVhbG0=\r\n+OK 2 messages\r\n"
                     "-ERR [AUTH] no\r\n"));
    assert_string_equal(seen.text,
                        ">250-mx.test|>250 AUTH PLAIN|>334 ***|>334 ***|>+ ***|"
                        ">+OK 2 messages|>-ERR [AUTH] no|");
    seen.text[0] = '\0';
    mm_tap_octets(&tap, MM_TAP_RECEIVED, 1234);
    mm_tap_octets(&tap, MM_TAP_SENT, 0);
    assert_string_equal(seen.text, "<1234 octets|");
    /* Nobody listens. */
    mm_tap_command(NULL, MM_TAP_SENT, mm_span_cstr("QUIT"), false);
    mm_tap_reply(NULL, MM_TAP_SENT, mm_span_cstr("221 bye\r\n"));
    mm_tap_octets(NULL, MM_TAP_SENT, 1);
}

static void count_log(void *context, enum mm_log_level level,
                      const char *component, const char *text,
                      const struct mm_log_field *fields, size_t count)
{
    struct seen *seen = context;

    (void)level;
    (void)component;
    assert_int_equal(count, 2);
    add(seen, text);
    add(seen, " ");
    add(seen, fields[1].text);
    add(seen, "|");
}

static void test_F29_log_lines(void **state)
{
    struct seen seen = {""};
    struct mm_log log = {.sink = count_log, .context = &seen};
    char longest[2000];

    (void)state;
    atomic_init(&log.level, MM_LOG_DEBUG);
    mm_tap_log_line(&log, "smtp", MM_TEXT("session", "1"), MM_TAP_SENT,
                    mm_span_cstr("221 bye"), false);
    assert_string_equal(seen.text, "");
    atomic_store(&log.level, MM_LOG_WIRE);
    mm_tap_log_line(&log, "smtp", MM_TEXT("session", "1"), MM_TAP_RECEIVED,
                    mm_span_cstr("PASS"), true);
    assert_string_equal(seen.text, "received PASS ***|");
    seen.text[0] = '\0';
    memset(longest, 'x', sizeof longest);
    mm_tap_log_line(&log, "smtp", MM_TEXT("session", "1"), MM_TAP_SENT,
                    mm_span(longest, sizeof longest), false);
    assert_memory_equal(seen.text, "sent xxxx", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F29_commands),
        cmocka_unit_test(test_F29_replies),
        cmocka_unit_test(test_F29_log_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
