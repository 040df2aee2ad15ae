/* test_mbox_status.c - Status and X-Status: taken out of a header however that
 * is cut, and written. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/msg/mbox_status.h"

enum {
    ALL_MARKS = MAILMOD_MAIL_SEEN | MAILMOD_MAIL_ANSWERED |
                MAILMOD_MAIL_FLAGGED | MAILMOD_MAIL_DRAFT | MAILMOD_MAIL_TRASHED
};

#define LONG_FIELD                                                             \
    "X-Long: 0123456789012345678901234567890123456789012345678901234567890123" \
    "456789\r\n"

static const struct {
    const char *text;
    const char *plain;
    unsigned marks;
} rows[] = {
    {"", "", 0},
    {"Subject: x\r\n\r\nStatus: RO\r\n", "Subject: x\r\n\r\nStatus: RO\r\n", 0},
    {"Status: RO\r\nSubject: x\r\n\r\nb\r\n", "Subject: x\r\n\r\nb\r\n",
     MAILMOD_MAIL_SEEN},
    {"A: b\r\nstatus:O\r\nX-STATUS: FA\r\n\r\n", "A: b\r\n\r\n",
     MAILMOD_MAIL_FLAGGED | MAILMOD_MAIL_ANSWERED},
    {"X-Status: TD\nStatus: R\n\nx\n", "\nx\n",
     MAILMOD_MAIL_TRASHED | MAILMOD_MAIL_DRAFT | MAILMOD_MAIL_SEEN},
    {"Status: O\r\n R\r\nA: b\r\n c\r\n\r\n", "A: b\r\n c\r\n\r\n", 0},
    {"Statuses: R\r\nX-Status-2: A\r\n\r\n",
     "Statuses: R\r\nX-Status-2: A\r\n\r\n", 0},
    {LONG_FIELD "Status: R\r\n" LONG_FIELD "\r\n" LONG_FIELD,
     LONG_FIELD LONG_FIELD "\r\n" LONG_FIELD, MAILMOD_MAIL_SEEN},
    {"Status: RO" LONG_FIELD "A: b\r\n\r\n", "A: b\r\n\r\n", MAILMOD_MAIL_SEEN},
    {"Subject: no end", "Subject: no end", 0},
    {"Status: R", "", MAILMOD_MAIL_SEEN},
};
enum { COUNT = sizeof rows / sizeof rows[0] };

static void expect(size_t row, size_t step)
{
    struct mm_mbox_status status = {.marks = 0};
    struct mm_span text = mm_span_cstr(rows[row].text);
    struct mm_buf plain;

    mm_buf_init(&plain, 1000);
    while (text.size > 0) {
        size_t size = text.size < step ? text.size : step;

        assert_int_equal(
            mm_mbox_status_take(&status, mm_span(text.data, size), &plain),
            MAILMOD_OK);
        text = mm_span_from(text, size);
    }
    assert_int_equal(mm_mbox_status_end(&status, &plain), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&plain), rows[row].plain);
    assert_int_equal(status.marks, rows[row].marks);
    mm_buf_fini(&plain);
}

static void test_taken_out(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT; row++) {
        for (size_t step = 1; step < 200; step++) {
            expect(row, step);
        }
    }
}

/* What is written is what is read. */
static void test_written(void **state)
{
    static const struct {
        unsigned marks;
        const char *text;
    } written[] = {{0, ""},
                   {MAILMOD_MAIL_PASSED | MAILMOD_MAIL_8BIT, ""},
                   {MAILMOD_MAIL_SEEN, "Status: RO\r\n"},
                   {MAILMOD_MAIL_FLAGGED, "X-Status: F\r\n"},
                   {ALL_MARKS, "Status: RO\r\nX-Status: AFDT\r\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct mm_mbox_status status = {.marks = 0};
        struct mm_buf text;
        struct mm_buf plain;

        mm_buf_init(&text, 100);
        mm_buf_init(&plain, 100);
        assert_int_equal(mm_mbox_status_write(written[i].marks, &text),
                         MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&text), written[i].text);
        assert_int_equal(
            mm_mbox_status_take(&status, mm_buf_span(&text), &plain),
            MAILMOD_OK);
        assert_int_equal(mm_buf_size(&plain), 0);
        assert_int_equal(status.marks, written[i].marks & ALL_MARKS);
        mm_buf_fini(&plain);
        mm_buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_taken_out),
                                       cmocka_unit_test(test_written)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
