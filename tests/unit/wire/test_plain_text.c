/* test_plain_text.c - transfer encodings and encoded words undone: each form,
 * parts in parts, and what is broken. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/msg/plain_text.h"

#include <stdlib.h>
#include <string.h>

struct row {
    const char *message, *text;
};

#define MIXED                                                                  \
    "Content-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n\r\nfirst\r\n"     \
    "--a b\r\n"

static const struct row bodies[] = {
    {"Subject: x\r\n\r\nplain =41 text\r\n", "plain =41 text\r\n"},
    {"Subject: x\r\n", ""},
    {"", ""},
    {"\r\nno header\r\n", "no header\r\n"},
    {"A: b\r\nno field\r\nC: d\r\n\r\ne", "no field\r\nC: d\r\n\r\ne"},
    {"Content-Transfer-Encoding: quoted-printable\r\n\r\nb=75y=\r\n now \r\n"
     "=zz=\r\n",
     "buy now\r\n=zz"},
    {"Content-Transfer-Encoding: BASE64\r\n\r\nYnV5\r\nIG5v\r\ndw==\r\n",
     "buy now"},
    {"Content-Transfer-Encoding: base64\r\n\r\nYn V5*I!G5vdw", "buy now"},
    {MIXED "Content-Transfer-Encoding: base64\r\n\r\nYnV5\r\n--a b\r\n\r\n"
           "more\r\n--a b--\r\nlast\r\n",
     "first\r\nbuymore\r\nlast\r\n"},
    {MIXED "Content-Type: multipart/x; charset=y; boundary=in\r\n\r\n--in\r\n"
           "Content-Transfer-Encoding: base64\r\n\r\nYnV5\r\n--in--\r\n"
           "--a b\r\nContent-Type: text/plain\r\n\r\nend",
     "first\r\nbuyend"},
    {MIXED "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n"
           "Content-Transfer-Encoding: base64\r\n\r\nYnV5\r\n",
     "first\r\nbuy"},
    {MIXED "Content-Type: message/rfc822\r\n", "first\r\n"},
    {"Content-Type: multipart/mixed; boundary=\"a\r\n\r\n--a\r\n", "--a\r\n"},
    {"Content-Type: multipart/mixed; boundary=a\r\n\r\n-- a\r\n--ab\r\n",
     "-- a\r\n--ab\r\n"},
};

static const struct row values[] = {
    {"plain", "plain"},
    {"=?utf-8?B?YnV5?=", "buy"},
    {"=?utf-8?q?b=75y_n?= =?UTF-8?Q?ow?= then", "buy now then"},
    {"=?x?B?Yg0KWDo=?=", "b  X:"},
    {"=?utf-8?X?abc?= =?utf-8?B?YnV5", "=?utf-8?X?abc?= =?utf-8?B?YnV5"},
    {"=?=?=?", "=?=?=?"},
    {"", ""},
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct mm_buf out;

        mm_buf_init(&out, strlen(bodies[i].message));
        assert_int_equal(
            mm_plain_text_body(mm_span_cstr(bodies[i].message), &out),
            MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), bodies[i].text);
        mm_buf_fini(&out);
    }
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct mm_buf out;

        mm_buf_init(&out, strlen(values[i].message));
        assert_int_equal(
            mm_plain_text_value(mm_span_cstr(values[i].message), &out),
            MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), values[i].text);
        mm_buf_fini(&out);
    }
}

/* Cut off anywhere it is read, and never more than it has. */
static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        for (size_t size = 0; size <= strlen(bodies[i].message); size++) {
            char *copy = malloc(size + 1);
            struct mm_buf out;

            assert_non_null(copy);
            memcpy(copy, bodies[i].message, size);
            mm_buf_init(&out, size);
            assert_int_equal(mm_plain_text_body(mm_span(copy, size), &out),
                             MAILMOD_OK);
            mm_buf_fini(&out);
            free(copy);
        }
    }
}

/* More boundaries than are kept: the parts are one text. */
static void test_many_boundaries(void **state)
{
    struct mm_buf message, out;

    (void)state;
    mm_buf_init(&message, 1 << 20);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(
            mm_buf_appendf(&message,
                           "Content-Type: multipart/mixed; boundary=b%d\r\n"
                           "\r\n--b%d\r\n",
                           i, i),
            MAILMOD_OK);
    }
    mm_buf_init(&out, mm_buf_size(&message));
    assert_int_equal(mm_plain_text_body(mm_buf_span(&message), &out),
                     MAILMOD_OK);
    assert_non_null(strstr(mm_buf_cstr(&out), "--b39"));
    assert_null(strstr(mm_buf_cstr(&out), "--b15"));
    mm_buf_fini(&out);
    mm_buf_fini(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies), cmocka_unit_test(test_values),
        cmocka_unit_test(test_cut), cmocka_unit_test(test_many_boundaries)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
