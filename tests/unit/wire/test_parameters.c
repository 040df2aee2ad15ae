/* test_parameters.c - what is written for MAIL and RCPT reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/smtp/parameters.h"

#include <string.h>

static void mail_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct mm_mail_parameters mail;
    } rows[] = {
        {"", {.size = 0}},
        {" SIZE=18446744073709551614", {.size = UINT64_MAX - 1}},
        {" SIZE=1 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+2Bb+20c",
         {.size = 1,
          .is_8bit = true,
          .is_smtputf8 = true,
          .dsn_return = MM_DSN_RETURN_FULL,
          .envelope_id = "a+b c"}},
        {" RET=HDRS", {.dsn_return = MM_DSN_RETURN_HEADERS}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_buf out;
        struct mm_mail_parameters read;
        mm_buf_init(&out, 1000);
        mm_mail_parameters_write(&out, &rows[i].mail);
        assert_true(mm_span_is(mm_buf_span(&out), rows[i].text));
        assert_null(mm_mail_parameters_parse(mm_buf_span(&out), &read));
        assert_true(read.size == rows[i].mail.size);
        assert_int_equal(read.is_8bit, rows[i].mail.is_8bit);
        assert_int_equal(read.is_smtputf8, rows[i].mail.is_smtputf8);
        assert_int_equal(read.dsn_return, rows[i].mail.dsn_return);
        assert_string_equal(read.envelope_id, rows[i].mail.envelope_id);
        mm_buf_fini(&out);
    }
}

static void rcpt_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct mm_rcpt_parameters rcpt;
    } rows[] = {
        {"", {.notify = 0}},
        {" NOTIFY=NEVER", {.notify = MM_DSN_NOTIFY_NEVER}},
        {" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb@c.test",
         {.notify = MM_DSN_NOTIFY_SUCCESS | MM_DSN_NOTIFY_FAILURE |
                    MM_DSN_NOTIFY_DELAY,
          .original_recipient = "rfc822;a+b@c.test"}},
        {" ORCPT=utf-8;\\x{E9}\\x{2B}@c.test",
         {.original_recipient = "utf-8;\xc3\xa9+@c.test"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_buf out;
        struct mm_rcpt_parameters read;
        mm_buf_init(&out, 1000);
        mm_rcpt_parameters_write(&out, &rows[i].rcpt);
        assert_true(mm_span_is(mm_buf_span(&out), rows[i].text));
        assert_null(mm_rcpt_parameters_parse(mm_buf_span(&out), &read));
        assert_int_equal(read.notify, rows[i].rcpt.notify);
        assert_string_equal(read.original_recipient,
                            rows[i].rcpt.original_recipient);
        mm_buf_fini(&out);
    }
}

static void no_memory_is_told(void **state)
{
    (void)state;
    struct mm_mail_parameters mail;
    mm_mem_set_fault(1, 0);
    const struct mm_reply *refusal =
        mm_mail_parameters_parse(mm_span_cstr(" ENVID=x"), &mail);
    mm_mem_set_fault(0, 0);
    assert_non_null(refusal);
    assert_int_equal(refusal->code, 451);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_both_ways),
        cmocka_unit_test(rcpt_both_ways),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
