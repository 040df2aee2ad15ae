/* test_header_edit.c - what is left out of a header, what is added, and where
 * it ends; the same however the message is cut. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/msg/header_edit.h"

#define RETURN_PATH MM_HEADER_DROPS_RETURN_PATH
#define BCC MM_HEADER_DROPS_BCC

static const struct row {
    unsigned edits;
    const char *text;
    const char *kept;
    unsigned received;
    const char *message_id;
} rows[] = {
    {0, "", "", 0, ""},
    {0, "A: b\r\n\r\nbody\r\n", "A: b\r\n\r\nbody\r\n", 0, ""},
    {0, "\r\nA: b\r\n", "\r\nA: b\r\n", 0, ""},
    /* F06: no header, or one that begins with a blank. */
    {0, "Hello,\r\nA: b\r\n", "\r\nHello,\r\nA: b\r\n", 0, ""},
    {0, " A: b\r\n", "\r\n A: b\r\n", 0, ""},
    {0, "\tA: b\r\n", "\r\n\tA: b\r\n", 0, ""},
    {0, ": b\r\n", "\r\n: b\r\n", 0, ""},
    {0, "x", "\r\nx", 0, ""},
    {0, "\r", "\r\n\r", 0, ""},
    {0, "\rA: b\r\n", "\r\n\rA: b\r\n", 0, ""},
    {0, "\xc3\xa9: b\r\n", "\r\n\xc3\xa9: b\r\n", 0, ""},
    {0, "A b: c\r\n", "\r\nA b: c\r\n", 0, ""},
    /* Text in the middle ends the header there. */
    {0, "A: b\r\nno field\r\nReceived: x\r\n\r\n",
     "A: b\r\n\r\nno field\r\nReceived: x\r\n\r\n", 0, ""},
    /* A line of a mailbox file. */
    {0, "From a@b Mon\r\nA: b\r\n\r\n",
     "X-Mailbox-Line: From a@b Mon\r\nA: b\r\n\r\n", 0, ""},
    {0, ">From a@b Mon\r\nA: b\r\n\r\n",
     "X-Mailbox-Line: >From a@b Mon\r\nA: b\r\n\r\n", 0, ""},
    {0, "A: b\r\nFrom a@b Mon\r\n\r\n", "A: b\r\n\r\nFrom a@b Mon\r\n\r\n", 0,
     ""},
    {0, "From : a@b\r\n\r\n", "From : a@b\r\n\r\n", 0, ""},
    /* F09, in every spelling, folded, and no other field. */
    {RETURN_PATH, "Return-Path: <a@b>\r\nA: b\r\n\r\n", "A: b\r\n\r\n", 0, ""},
    {RETURN_PATH, "A: b\r\nreturn-path \t:\r\n <a@b>\r\n\t\r\nC: d\r\n",
     "A: b\r\nC: d\r\n", 0, ""},
    {RETURN_PATH, "RETURN-PATH:x\r\n\r\nReturn-Path: y\r\n",
     "\r\nReturn-Path: y\r\n", 0, ""},
    {RETURN_PATH, "X-Return-Path: x\r\nReturn-Paths: y\r\n",
     "X-Return-Path: x\r\nReturn-Paths: y\r\n", 0, ""},
    {RETURN_PATH, "Return-Path: x\r\n folded\r\ntext\r\n", "\r\ntext\r\n", 0,
     ""},
    {RETURN_PATH, "Return-Path: x", "", 0, ""},
    {0, "Return-Path: x\r\n", "Return-Path: x\r\n", 0, ""},
    {MM_HEADER_DROPS_BLOCKLIST,
     "x-BlockList : a,\r\n b\r\nX-Blocklists: c\r\n\r\nX-Blocklist: d\r\n",
     "X-Blocklists: c\r\n\r\nX-Blocklist: d\r\n", 0, ""},
    {0, "X-Blocklist: a\r\n", "X-Blocklist: a\r\n", 0, ""},
    /* F23 */
    {BCC, "To: a\r\nBcc: b,\r\n c\r\nBCC:\r\nResent-Bcc: d\r\nCc: e\r\n\r\n",
     "To: a\r\nCc: e\r\n\r\n", 0, ""},
    {0,
     "Received: x\r\n y\r\nreceived : z\r\nX-Received: q\r\n\r\n"
     "Received: body\r\n",
     "Received: x\r\n y\r\nreceived : z\r\nX-Received: q\r\n\r\n"
     "Received: body\r\n",
     2, ""},
    {0, "Message-Id: <1@x>\r\nMESSAGE-ID: <2@x>\r\n\r\n",
     "Message-Id: <1@x>\r\nMESSAGE-ID: <2@x>\r\n\r\n", 0, "<1@x>"},
    {0, "Message-ID:\r\n <1@x>\r\nA: b\r\n c\r\n\r\n",
     "Message-ID:\r\n <1@x>\r\nA: b\r\n c\r\n\r\n", 0, "<1@x>"},
};

/* The kept octets of `text` fed in pieces of `step`. */
static void run(struct mm_header_edit *edit, struct mm_span text, size_t step,
                struct mm_buf *out)
{
    while (text.size > 0) {
        struct mm_span piece =
            mm_span(text.data, text.size < step ? text.size : step);
        size_t used = 0;
        struct mm_span kept = mm_header_edit_next(edit, piece, &used);

        assert_true(kept.size <= piece.size || kept.size <= MM_HEADER_KEPT_MAX);
        assert_true(used > 0 || kept.size > 0);
        assert_int_equal(mm_buf_append_span(out, kept), MAILMOD_OK);
        text = mm_span_from(text, used);
    }
    assert_int_equal(mm_buf_append_span(out, mm_header_edit_end(edit)),
                     MAILMOD_OK);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step <= strlen(rows[i].text) + 1; step++) {
            struct mm_header_edit edit;
            struct mm_buf out;

            mm_buf_init(&out, 10000);
            mm_header_edit_init(&edit, rows[i].edits);
            run(&edit, mm_span_cstr(rows[i].text), step, &out);
            assert_string_equal(mm_buf_cstr(&out), rows[i].kept);
            assert_int_equal(edit.received_count, rows[i].received);
            assert_string_equal(edit.message_id, rows[i].message_id);
            mm_buf_fini(&out);
        }
    }
}

/* A name as long as a line may be is a name; a longer one is text. */
static void test_long_names(void **state)
{
    static const size_t sizes[] = {1, 900, MM_HEADER_NAME_MAX,
                                   MM_HEADER_NAME_MAX + 1, 5000};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        for (size_t step = 1; step < 2000; step += 333) {
            static char text[6000];
            struct mm_header_edit edit;
            struct mm_buf out;

            memset(text, 'n', sizes[i]);
            memcpy(text + sizes[i], ": x\r\n\r\n", 8);
            mm_buf_init(&out, 10000);
            mm_header_edit_init(&edit, RETURN_PATH);
            run(&edit, mm_span_cstr(text), step, &out);
            assert_string_equal(mm_buf_cstr(&out) +
                                    (sizes[i] > MM_HEADER_NAME_MAX ? 2 : 0),
                                text);
            mm_buf_fini(&out);
        }
    }
}

static void test_missing(void **state)
{
    const struct mm_header_missing missing = {.host_name = "mx.example.org",
                                              .identifier = "ID",
                                              .reverse_path = "a@b",
                                              .now_ms = 0};
    static const struct {
        const char *text;
        const char *added;
        const char *message_id;
    } cases[] = {
        {"\r\nx\r\n",
         "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: <a@b>\r\n"
         "Message-ID: <ID@mx.example.org>\r\n",
         "<ID@mx.example.org>"},
        {"date: x\r\nFROM : y\r\nMessage-id: z\r\n\r\n", "", "z"},
        {"X-Date: x\r\nFrom: y\r\n\r\nDate: x\r\n",
         "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
         "Message-ID: <ID@mx.example.org>\r\n",
         "<ID@mx.example.org>"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mm_header_edit edit;
        struct mm_buf out;

        mm_buf_init(&out, 10000);
        mm_header_edit_init(&edit, MM_HEADER_ADDS_DATE | MM_HEADER_ADDS_FROM |
                                       MM_HEADER_ADDS_MESSAGE_ID);
        run(&edit, mm_span_cstr(cases[i].text), 1000, &out);
        mm_buf_clear(&out);
        assert_int_equal(mm_header_edit_write_missing(&edit, &out, &missing),
                         MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), cases[i].added);
        assert_string_equal(edit.message_id, cases[i].message_id);
        mm_buf_fini(&out);
    }
}

/* What a host gave as fields is not continued by the text behind. */
static void test_end_fields(void **state)
{
    static const struct {
        const char *in, *out;
    } ends[] = {{" x\r\n", "\r\n x\r\n"},
                {"\tx: y\r\n", "\r\n\tx: y\r\n"},
                {"B: c\r\n d\r\n\r\n", "B: c\r\n d\r\n\r\n"},
                {"From x\r\n", "X-Mailbox-Line: From x\r\n"},
                {"\r\n", "\r\n"},
                {": x\r\n", "\r\n: x\r\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct mm_header_edit edit;
        struct mm_buf out;
        const char *parts[] = {"A: b\r\n", ends[i].in};

        mm_header_edit_init(&edit, 0);
        mm_buf_init(&out, 1000);
        for (size_t part = 0; part < 2; part++) {
            struct mm_span data = mm_span_cstr(parts[part]);

            while (data.size > 0) {
                size_t used = 0;

                assert_int_equal(
                    mm_buf_append_span(&out,
                                       mm_header_edit_next(&edit, data, &used)),
                    MAILMOD_OK);
                data = mm_span_from(data, used);
            }
            mm_header_edit_end_fields(&edit);
        }
        assert_int_equal(mm_buf_append_span(&out, mm_header_edit_end(&edit)),
                         MAILMOD_OK);
        assert_memory_equal(mm_buf_cstr(&out), "A: b\r\n", 6);
        assert_string_equal(mm_buf_cstr(&out) + 6, ends[i].out);
        mm_buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_end_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
