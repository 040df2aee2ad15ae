/* test_binary_parts.c - messages with binary parts made lines (RFC 3030 3):
 * which become base64, which stay, which cannot be taken; no octet is lost, cut
 * at every octet. */
#include "wire/msg/seven_bit.h"

#include "base/base64.h"
#include "base/splitmix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define B64 "Content-Transfer-Encoding: base64\r\n"
#define EIGHT "Content-Transfer-Encoding: 8bit\r\n"
#define BINARY "Content-Transfer-Encoding: binary\r\n"
#define MIME "MIME-Version: 1.0\r\n"
#define OUT_MAX (1024 * 1024)
#define OCTETS(text) text, sizeof text - 1

static const struct {
    const char *name;
    const char *message;
    size_t size;
    const char *wanted; /* NULL: as it came */
    bool is_stuck;
} rows[] = {
    {"one body, bare CR, LF and NUL",
     OCTETS(MIME BINARY "Content-Type: image/x\r\n\r\na\rb\nc\0\xff\r\n"),
     MIME "Content-Type: image/x\r\n" B64 "\r\nYQ1iCmMA/w0K\r\n", false},
    {"no last line end", OCTETS(MIME BINARY "\r\nab\r"),
     MIME "Content-Type: text/plain; charset=unknown-8bit\r\n" B64
          "\r\nYWIN\r\n",
     false},
    {"an empty body", OCTETS(MIME BINARY "Content-Type: a/b\r\n\r\n"),
     MIME "Content-Type: a/b\r\n" B64 "\r\n", false},
    {"a label that is a comment away",
     OCTETS(MIME "Content-Type: a/b\r\n"
                 "content-transfer-encoding:\r\n BINARY (raw)\r\n\r\nx"),
     MIME "Content-Type: a/b\r\n" B64 "\r\neA==\r\n", false},
    {"parts: the line end before a boundary is the boundary's",
     OCTETS(MIME BINARY "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                        "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
                        "--b\r\nContent-Type: a/b\r\n" BINARY
                        "\r\n\r\n\n--b\r\r\n--b \r\n" BINARY
                        "Content-Type: a/c\r\n\r\n\r\n--b\r\n" BINARY
                        "Content-Type: a/d\r\n\r\n--b--\r\nend\r\n"),
     MIME "Content-Type: multipart/mixed; boundary=b\r\n" EIGHT "\r\n"
          "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
          "--b\r\nContent-Type: a/b\r\n" B64 "\r\nDQoKLS1iDQ==\r\n"
          "--b \r\nContent-Type: a/c\r\n" B64 "\r\n\r\n"
          "--b\r\nContent-Type: a/d\r\n" B64 "\r\n--b--\r\nend\r\n",
     false},
    {"a message in a message",
     OCTETS(MIME BINARY "Content-Type: message/rfc822\r\n\r\n" MIME BINARY
                        "Content-Type: a/b\r\n\r\n\n"),
     MIME "Content-Type: message/rfc822\r\n" EIGHT "\r\n" MIME
          "Content-Type: a/b\r\n" B64 "\r\nCg==\r\n",
     false},
    {"what is no binary stays, 8 bits and bare line ends too",
     OCTETS(MIME "Content-Type: text/plain\r\n" EIGHT "\r\n\xe4\rb\nc"), NULL,
     false},
    {"what is encoded stays", OCTETS(MIME B64 "\r\nAAAA\r\n"), NULL, false},
    {"signed, and no part is binary",
     OCTETS("DKIM-Signature: x\r\n" MIME "\r\nab\r\n"), NULL, false},
    {"a part of a signed message",
     OCTETS("DKIM-Signature: x\r\n" MIME
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" BINARY
            "\r\n\n\r\n--b--\r\n"),
     NULL, true},
    {"multipart/signed",
     OCTETS(MIME BINARY "Content-Type: multipart/signed; boundary=b\r\n\r\n"
                        "--b\r\n"),
     NULL, true},
    {"no boundary", OCTETS(MIME BINARY "Content-Type: multipart/mixed\r\n\r\n"),
     NULL, true},
    {"a part of a message",
     OCTETS(MIME BINARY "Content-Type: message/partial\r\n\r\n\n"), NULL,
     true}};

static void convert(struct mm_buf *out, const char *octets, size_t size,
                    size_t cut, bool *is_stuck)
{
    static struct mm_seven_bit message;

    mm_buf_init(out, OUT_MAX);
    mm_seven_bit_init_binary(&message);
    assert_int_equal(mm_seven_bit_write(&message, out, octets, cut), cut);
    assert_int_equal(
        mm_seven_bit_write(&message, out, octets + cut, size - cut),
        size - cut);
    mm_seven_bit_end(&message, out);
    assert_int_equal(mm_buf_error(out), MAILMOD_OK);
    *is_stuck = message.is_stuck;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t cut = 0; cut <= rows[i].size; cut++) {
            struct mm_buf out;
            bool is_stuck = false;

            convert(&out, rows[i].message, rows[i].size, cut, &is_stuck);
            struct mm_span got = mm_buf_span(&out);
            struct mm_span wanted =
                rows[i].wanted != NULL ? mm_span_cstr(rows[i].wanted)
                                       : mm_span(rows[i].message, rows[i].size);
            if (is_stuck != rows[i].is_stuck ||
                (!is_stuck && (got.size != wanted.size ||
                               memcmp(got.data, wanted.data, got.size) != 0))) {
                fail_msg("%s, cut at %zu: stuck %d, \"%.*s\"", rows[i].name,
                         cut, is_stuck, (int)got.size, got.data);
            }
            mm_buf_fini(&out);
        }
    }
}

/* The octets between two lines of the text. */
static struct mm_span between(struct mm_span text, const char *first,
                              const char *last)
{
    const char *from = strstr(text.data, first) + strlen(first);

    return mm_span(from, (size_t)(strstr(from, last) - from));
}

static bool has_boundary(struct mm_span octets)
{
    while (octets.size >= 5 && memcmp(octets.data, "\r\n--b", 5) != 0) {
        octets = mm_span_from(octets, 1);
    }
    return octets.size >= 5;
}

/* Any octets come back from base64, in lines of 76 at most. */
static void test_octets_come_back(void **state)
{
    (void)state;
    static const char head[] =
        MIME BINARY "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                    "Content-Type: a/b\r\n" BINARY "\r\n";
    static const char tail[] = "\r\n--b--\r\n";
    static const char letters[] = "\r\n-b=.\0x";
    static char text[8192];
    uint64_t seed = 30;

    for (size_t round = 0; round < 300; round++) {
        size_t size =
            (size_t)(mm_splitmix_next(&seed) % (round < 200 ? 80 : 4000));
        char *body = text + sizeof head - 1;

        memcpy(text, head, sizeof head - 1);
        for (size_t i = 0; i < size; i++) {
            body[i] = letters[mm_splitmix_next(&seed) % (sizeof letters - 1)];
        }
        memcpy(body + size, tail, sizeof tail);
        if (has_boundary(mm_span(body, size))) {
            continue; /* a boundary by chance */
        }
        struct mm_buf out;
        struct mm_buf flat;
        struct mm_buf back;
        bool is_stuck = false;
        convert(&out, text, sizeof head - 1 + size + sizeof tail - 1,
                sizeof head, &is_stuck);
        assert_false(is_stuck);
        struct mm_span coded = between(
            mm_span(mm_buf_cstr(&out), mm_buf_size(&out)), B64 "\r\n", "--b--");
        mm_buf_init(&flat, OUT_MAX);
        mm_buf_init(&back, OUT_MAX);
        struct mm_span line;
        while (coded.size > 0) {
            (void)mm_span_cut(coded, '\n', &line, &coded);
            assert_true(line.size <= 77);
            (void)mm_buf_append(&flat, line.data, line.size - 1);
        }
        assert_int_equal(mm_base64_decode(&back, mm_buf_span(&flat)),
                         MAILMOD_OK);
        assert_int_equal(mm_buf_size(&back), size);
        assert_memory_equal(mm_buf_span(&back).data, body, size);
        mm_buf_fini(&out);
        mm_buf_fini(&flat);
        mm_buf_fini(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_octets_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
