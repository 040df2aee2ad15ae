/* test_header_change.c - changes in a header that is whole. */
#include "wire/msg/header_change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HEADER                                                                 \
    "From: a@a.test\r\n"                                                       \
    "Subject: one\r\n two\r\n"                                                 \
    "X-Mark: 1\r\n"                                                            \
    "subject : three\n"

static const struct {
    const char *what;
    struct mm_header_change change;
    const char *expected;
} rows[] = {
    {"added behind all",
     {MM_HEADER_CHANGE_ADD, 0, "X-New", "v"},
     HEADER "X-New: v\r\n"},
    {"inserted in front",
     {MM_HEADER_CHANGE_INSERT, 0, "X-New", "v"},
     "X-New: v\r\n" HEADER},
    {"inserted behind a folded field",
     {MM_HEADER_CHANGE_INSERT, 2, "X-New", "v"},
     "From: a@a.test\r\nSubject: one\r\n two\r\nX-New: v\r\n"
     "X-Mark: 1\r\nsubject : three\n"},
    {"inserted past the end",
     {MM_HEADER_CHANGE_INSERT, 99, "X-New", "v"},
     HEADER "X-New: v\r\n"},
    {"the first of two, folded",
     {MM_HEADER_CHANGE_SET, 1, "SUBJECT", "new"},
     "From: a@a.test\r\nSUBJECT: new\r\nX-Mark: 1\r\nsubject : three\n"},
    {"the second of two, with a blank before the colon",
     {MM_HEADER_CHANGE_SET, 2, "Subject", "new"},
     "From: a@a.test\r\nSubject: one\r\n two\r\nX-Mark: 1\r\n"
     "Subject: new\r\n"},
    {"taken away",
     {MM_HEADER_CHANGE_SET, 1, "X-Mark", ""},
     "From: a@a.test\r\nSubject: one\r\n two\r\nsubject : three\n"},
    {"one that is not there is added",
     {MM_HEADER_CHANGE_SET, 1, "X-No", "v"},
     HEADER "X-No: v\r\n"},
    {"one that is not there cannot be taken away",
     {MM_HEADER_CHANGE_SET, 3, "Subject", ""},
     HEADER},
    {"folded by LF as milters do",
     {MM_HEADER_CHANGE_ADD, 0, "X-New", "a\n\tb\r\n c"},
     HEADER "X-New: a\r\n\tb\r\n c\r\n"},
    {"a value with its own blank",
     {MM_HEADER_CHANGE_ADD, 0, "X-New", " v"},
     HEADER "X-New: v\r\n"},
};

static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_buf out;

        mm_buf_init(&out, 1024);
        print_message("%s\n", rows[i].what);
        assert_int_equal(
            mm_header_change_apply(mm_span_cstr(HEADER), &rows[i].change, &out),
            MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), rows[i].expected);
        mm_buf_fini(&out);
    }
}

static void test_an_empty_header(void **state)
{
    static const struct mm_header_change changes[] = {
        {MM_HEADER_CHANGE_ADD, 0, "A", "b"},
        {MM_HEADER_CHANGE_INSERT, 0, "A", "b"},
        {MM_HEADER_CHANGE_SET, 1, "A", "b"}};

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct mm_buf out;

        mm_buf_init(&out, 64);
        assert_int_equal(
            mm_header_change_apply(mm_span("", 0), &changes[i], &out),
            MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), "A: b\r\n");
        mm_buf_fini(&out);
    }
}

static void test_no_room(void **state)
{
    const struct mm_header_change change = {MM_HEADER_CHANGE_ADD, 0, "A", "b"};
    struct mm_buf out;

    (void)state;
    mm_buf_init(&out, sizeof HEADER);
    assert_int_equal(
        mm_header_change_apply(mm_span_cstr(HEADER), &change, &out),
        MAILMOD_ERROR_LIMIT);
    mm_buf_fini(&out);
}

/* What could become a second field, or the end of the header, is none. */
static void test_soundness(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        bool is_sound;
    } pairs[] = {
        {"Subject", "x", true},
        {"X-A_b.c!", "", true},
        {"", "x", false},
        {"Sub ject", "x", false},
        {"Subject:", "x", false},
        {"S\r\nBcc", "x", false},
        {"S\xc3\xbc", "x", false},
        {"S", "a\r\n b", true},
        {"S", "a\n\tb", true},
        {"S", "a\nBcc: x", false},
        {"S", "a\r\nBcc: x", false},
        {"S", "a\r\n\r\nbody", false},
        {"S", "a\rb", false},
        {"S", "a\n", false},
        {"S", "\x01", false},
        {"S", "gr\xc3\xbc\xc3\x9f", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        print_message("%u\n", (unsigned)i);
        assert_int_equal(
            mm_header_change_is_sound(pairs[i].name, pairs[i].value),
            pairs[i].is_sound);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_an_empty_header),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_soundness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
