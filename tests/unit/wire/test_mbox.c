/* test_mbox.c - which lines begin a message of an mbox, and which are text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/msg/mbox.h"

/* The texts, with "[" at the beginning of each; "" when it is no mbox. */
static void read_all(const char *file, struct mm_buf *out)
{
    struct mm_mbox_reader reader;
    struct mm_span input = mm_span_cstr(file);
    enum mailmod_error error = MAILMOD_OK;
    bool is_over = false;

    mm_buf_clear(out);
    mm_mbox_reader_init(&reader);
    while (error == MAILMOD_OK && !is_over) {
        enum mm_mbox_event event;
        struct mm_span text;
        size_t used = 0;

        is_over = input.size == 0;
        error = mm_mbox_read(&reader, input, &used, &event, &text);
        input = mm_span_from(input, used);
        is_over = is_over && event == MM_MBOX_MORE;
        if (error == MAILMOD_OK) {
            error = event == MM_MBOX_BEGIN ? mm_buf_append_char(out, '[')
                                           : mm_buf_append_span(out, text);
        }
    }
    mm_mbox_reader_fini(&reader);
    if (error != MAILMOD_OK) {
        assert_int_equal(error, MAILMOD_ERROR_SYNTAX);
        mm_buf_clear(out);
    }
}

static void test_lines(void **state)
{
    static const struct {
        const char *file;
        const char *texts;
    } rows[] = {
        {"From a@b.test\nA: 1\n\nx\n\nFrom c@d.test\ny\n",
         "[A: 1\r\n\r\nx\r\n[y\r\n"},
        {"From a@b.test\nx\nFrom c\n", "[x\r\nFrom c\r\n"},
        {"From a@b.test\n\n>From c\n>>From d\n", "[\r\nFrom c\r\n>From d\r\n"},
        {"From a@b.test\n\nFROM US:\n\nFrOm you\n\nFrom:x\n",
         "[\r\nFROM US:\r\n\r\nFrOm you\r\n\r\nFrom:x\r\n"},
        {"From a@b.test\n\n>FROM US:\n>from you\n",
         "[\r\n>FROM US:\r\n>from you\r\n"},
        {"FROM a@b.test\nx\n", ""},
        {"x\n", ""},
    };
    struct mm_buf texts;

    (void)state;
    mm_buf_init(&texts, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        read_all(rows[i].file, &texts);
        assert_true(mm_span_is(mm_buf_span(&texts), rows[i].texts));
    }
    mm_buf_fini(&texts);
}

static void test_written(void **state)
{
    struct mm_mbox_writer writer;
    struct mm_buf out;

    (void)state;
    mm_buf_init(&out, 64 * 1024);
    mm_mbox_writer_init(&writer);
    assert_int_equal(mm_mbox_write_from(&out, mm_span_cstr("a@b.test"),
                                        INT64_C(533240568000)),
                     MAILMOD_OK);
    assert_int_equal(
        mm_mbox_write(&writer, mm_span_cstr("From c\r\n>From d\r\nFROM e\r\n"),
                      &out),
        MAILMOD_OK);
    assert_int_equal(mm_mbox_write_end(&writer, &out), MAILMOD_OK);
    assert_true(mm_span_is(mm_buf_span(&out),
                           "From a@b.test Mon Nov 24 18:22:48 1986\n"
                           ">From c\n>>From d\nFROM e\n\n"));
    mm_mbox_writer_fini(&writer);
    mm_buf_fini(&out);
}

static void test_from_line(void **state)
{
    static const struct {
        const char *line;
        const char *sender;
        int64_t unix_ms;
    } rows[] = {
        {"From a@b.test Mon Nov 24 18:22:48 1986", "a@b.test",
         INT64_C(533240568000)},
        {"From MAILER-DAEMON  Mon Nov  3 08:02:01 1986", "",
         INT64_C(531388921000)},
        {"From a@b.test", "a@b.test", 0},
        {"From a@b.test Mon Nov 24 18:22:48", "a@b.test", 0},
        {"From a@b.test Mon Nov 99 18:22:48 1986", "a@b.test", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span sender;
        int64_t unix_ms = -1;

        mm_mbox_from(mm_span_cstr(rows[i].line), &sender, &unix_ms);
        assert_true(mm_span_is(sender, rows[i].sender));
        assert_int_equal(unix_ms, rows[i].unix_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_from_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
