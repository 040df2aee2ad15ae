/* test_seven_bit.c - messages of 8 bits made 7 (S21): which bodies become
 * quoted-printable, and which stay as they are, cut at every octet. */
#include "wire/msg/seven_bit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define QP "Content-Transfer-Encoding: quoted-printable\r\n"

static const struct {
    const char *name;
    const char *message;
    const char *wanted; /* NULL: as it came */
} rows[] = {
    {"declared",
     "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
     "Content-Type: text/plain; charset=utf-8\r\nSubject: x\r\n\r\n"
     "gr\xc3\xbc\xc3\x9f"
     "e = x \r\n\r\n.\tdot\t\r\n",
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
     "Subject: x\r\n" QP "\r\ngr=C3=BC=C3=9Fe =3D x=20\r\n\r\n.\tdot=09\r\n"},
    {"undeclared", "Subject: x\r\n\r\n\xfc\r\n",
     "Subject: x\r\nMIME-Version: 1.0\r\n"
     "Content-Type: text/plain; charset=unknown-8bit\r\n" QP "\r\n=FC\r\n"},
    {"no header", "\r\n\xfc",
     "MIME-Version: 1.0\r\n"
     "Content-Type: text/plain; charset=unknown-8bit\r\n" QP "\r\n=FC"},
    {"encoded already",
     "mime-version: 1.0\r\ncontent-type: image/png\r\n"
     "content-transfer-encoding:\r\n base64\r\n\r\nAAAA\r\n",
     NULL},
    {"bare line ends", "A: b\n\nx\ry\n",
     "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
     "charset=unknown-8bit\r\n" QP "\r\nx\r\ny\r\n"},
    {"parts",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n"
     "\tboundary=\"b \\\"1\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
     "pre\xe4mble\r\n--b \"1\r\n\r\n\xe4\r\n--b \"1 \r\n"
     "Content-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "R0lG\r\n--b \"1--\r\nepilogue\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n"
     "\tboundary=\"b \\\"1\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
     "pre\xe4mble\r\n--b \"1\r\n" QP "\r\n=E4\r\n--b \"1 \r\n"
     "Content-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "R0lG\r\n--b \"1--\r\nepilogue\r\n"},
    {"parts of parts",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
     "--a\r\nContent-Type: MULTIPART/Alternative; x=y; BOUNDARY = ab\r\n\r\n"
     "--ab\r\n\r\n\xe4\r\n--ab--\r\n\r\n--a\r\n\r\n--a-\xe4\r\n--a--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
     "--a\r\nContent-Type: MULTIPART/Alternative; x=y; BOUNDARY = ab\r\n\r\n"
     "--ab\r\n" QP "\r\n=E4\r\n--ab--\r\n\r\n--a\r\n" QP "\r\n--a-=E4\r\n"
     "--a--\r\n"},
    {"an outer boundary ends the inner",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
     "--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
     "\xe4\r\n--a\r\n\r\n\xe4\r\n--a--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
     "--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" QP
     "\r\n=E4\r\n--a\r\n" QP "\r\n=E4\r\n--a--\r\n"},
    {"a message in a message",
     "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
     "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: y\r\n\r\n\xe4\r\n",
     "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
     "Content-Transfer-Encoding: 7bit\r\n\r\nSubject: y\r\n"
     "MIME-Version: 1.0\r\nContent-Type: text/plain; "
     "charset=unknown-8bit\r\n" QP "\r\n=E4\r\n"},
    {"a digest",
     "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n"
     "--d\r\n\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\xe4\r\n"
     "--d--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n"
     "--d\r\n\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n" QP
     "\r\n=E4\r\n--d--\r\n"},
    {"a report's machine part",
     "MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=r\r\n\r\n"
     "--r\r\nContent-Type: message/delivery-status\r\n\r\nA: b\r\n--r--\r\n",
     NULL},
    /* RFC 6376 5.3, RFC 1847 2.1: others signed these octets. */
    {"signed by DKIM",
     "DKIM-Signature: v=1;\r\n b=x\r\nContent-Type: text/plain\r\n"
     "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4 \r\n",
     NULL},
    {"signed part",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
     "--a\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n"
     "Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n--s--\r\n--a\r\n\r\n"
     "\xe4\r\n--a--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
     "--a\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n"
     "Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n--s--\r\n--a\r\n" QP
     "\r\n=E4\r\n--a--\r\n"},
    {"encrypted",
     "MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; boundary=s\r\n"
     "Content-Transfer-Encoding: 8bit\r\n\r\n--s\r\n\r\n\xe4\r\n--s--\r\n",
     NULL},
    {"no boundary",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n--\r\n\xe4\r\n",
     NULL},
    {"a header alone", "A: b\r\nContent-Transfer-Encoding: 8bit\r\n", NULL},
};

static void run(struct mm_seven_bit *message, struct mm_buf *out,
                struct mm_span input, size_t piece)
{
    mm_seven_bit_init(message);
    mm_buf_clear(out);
    while (input.size > 0) {
        size_t size = piece < input.size ? piece : input.size;
        size_t taken = mm_seven_bit_write(message, out, input.data, size);
        assert_true(taken > 0);
        input = mm_span_from(input, taken);
    }
    mm_seven_bit_end(message, out);
    assert_int_equal(mm_buf_error(out), MAILMOD_OK);
}

static void test_S21_rows(void **state)
{
    static struct mm_seven_bit message;
    struct mm_buf out;
    (void)state;
    mm_buf_init(&out, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span input = mm_span_cstr(rows[i].message);
        const char *wanted =
            rows[i].wanted != NULL ? rows[i].wanted : rows[i].message;
        for (size_t piece = 1; piece <= input.size; piece++) {
            run(&message, &out, input, piece);
            if (strcmp(mm_buf_cstr(&out), wanted) != 0) {
                fail_msg("%s, pieces of %zu:\n%s", rows[i].name, piece,
                         mm_buf_cstr(&out));
            }
        }
    }
    mm_buf_fini(&out);
}

/* Lines of any length become short ones, and nothing is lost. */
static void test_long_lines(void **state)
{
    static struct mm_seven_bit message;
    static char text[20000];
    struct mm_buf out;
    (void)state;
    memset(text, 0xe4, sizeof text);
    memcpy(text, "A: b\r\n\r\n", 8);
    mm_buf_init(&out, 200000);
    run(&message, &out, mm_span(text, sizeof text), sizeof text);
    struct mm_span rest = mm_buf_span(&out);
    struct mm_span line;
    size_t coded = 0;
    while (mm_span_cut(rest, '\n', &line, &rest) || line.size > 0) {
        assert_true(line.size <= 77);
        for (size_t i = 0; i + 2 < line.size; i++) {
            coded += memcmp(line.data + i, "=E4", 3) == 0;
        }
    }
    assert_int_equal(coded, sizeof text - 8);
    mm_buf_fini(&out);
}

/* Without room nothing is taken, and later it goes on. */
static void test_room(void **state)
{
    static struct mm_seven_bit message;
    struct mm_buf out;
    (void)state;
    mm_buf_init(&out, MM_SEVEN_BIT_ROOM);
    mm_seven_bit_init(&message);
    assert_int_equal(mm_seven_bit_write(&message, &out, "A: b\r\nC", 7), 5);
    assert_int_equal(mm_seven_bit_write(&message, &out, "\nC", 2), 0);
    mm_buf_clear(&out);
    assert_int_equal(mm_seven_bit_write(&message, &out, "\nC: d", 5), 5);
    mm_buf_fini(&out);
}

/* Parts in parts without end: the deepest stay as they are. */
static void test_depth(void **state)
{
    static struct mm_seven_bit message;
    struct mm_buf in;
    struct mm_buf out;
    (void)state;
    mm_buf_init(&in, 65536);
    mm_buf_init(&out, 65536);
    (void)mm_buf_append_cstr(&in, "MIME-Version: 1.0\r\n");
    for (int i = 0; i < 20; i++) {
        (void)mm_buf_appendf(
            &in, "Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n",
            i, i);
    }
    (void)mm_buf_append_cstr(&in, "\r\n\xe4\r\n--n0\r\n\r\n\xe4\r\n");
    run(&message, &out, mm_buf_span(&in), 7);
    const char *text = mm_buf_cstr(&out);
    assert_non_null(
        strstr(text, "--n19\r\n\r\n\xe4\r\n--n0\r\n" QP "\r\n=E4\r\n"));
    mm_buf_fini(&in);
    mm_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_S21_rows),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
