/* test_xtext.c - xtext both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/msg/message.h"

#include <string.h>

#define BYTES(text) (text), sizeof(text) - 1

struct xtext_case {
    const char *name;
    const char *xtext;
    size_t size;
    const char *text; /* NULL: refused */
};

static const struct xtext_case cases[] = {
    {"empty", BYTES(""), ""},
    {"plain", BYTES("QQ314159"), "QQ314159"},
    {"hex", BYTES("a+2Bb+3Dc+20d"), "a+b=c d"},
    {"hex of what needs none", BYTES("+41"), "A"},
    {"address", BYTES("rfc822;u+2Bx@example.com"), "rfc822;u+x@example.com"},
    {"plus alone", BYTES("a+"), NULL},
    {"plus and one digit", BYTES("a+4"), NULL},
    {"lower case digit", BYTES("a+2b"), NULL},
    {"no digit", BYTES("+G0"), NULL},
    {"equals sign", BYTES("a=b"), NULL},
    {"blank", BYTES("a b"), NULL},
    {"CR LF", BYTES("a+0D+0A"), NULL},
    {"NUL", BYTES("a+00"), NULL},
    {"8-bit", BYTES("a+E9"), NULL},
    {"DEL", BYTES("a+7F"), NULL},
    {"raw NUL", BYTES("a\0"), NULL},
    {"raw 8-bit", BYTES("\xe9"), NULL},
};

static void decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mm_buf out;
        mm_buf_init(&out, 100);
        enum mailmod_error error =
            mm_xtext_decode(&out, mm_span(cases[i].xtext, cases[i].size));
        if (error !=
            (cases[i].text != NULL ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX)) {
            fail_msg("%s: %d", cases[i].name, (int)error);
        }
        assert_true(
            mm_span_equal(mm_buf_span(&out), mm_span_cstr(cases[i].text)));
        mm_buf_fini(&out);
    }
}

static void encodes_any_octet(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char octet = (char)c;
        struct mm_buf encoded;
        struct mm_buf decoded;
        mm_buf_init(&encoded, 3);
        mm_buf_init(&decoded, 1);
        assert_int_equal(mm_xtext_encode(&encoded, mm_span(&octet, 1)),
                         MAILMOD_OK);
        bool is_plain = c > 32 && c < 127 && c != '+' && c != '=';
        assert_int_equal(mm_buf_size(&encoded), is_plain ? 1 : 3);
        enum mailmod_error error =
            mm_xtext_decode(&decoded, mm_buf_span(&encoded));
        assert_int_equal(error == MAILMOD_OK, mm_ascii_is_printable(c));
        if (error == MAILMOD_OK) {
            assert_int_equal(mm_buf_span(&decoded).data[0], octet);
        }
        mm_buf_fini(&encoded);
        mm_buf_fini(&decoded);
    }
}

static void limits_are_told(void **state)
{
    (void)state;
    struct mm_buf out;
    mm_buf_init(&out, 4);
    assert_int_equal(mm_xtext_decode(&out, mm_span_cstr("12345")),
                     MAILMOD_ERROR_LIMIT);
    mm_buf_clear(&out);
    assert_int_equal(mm_xtext_encode(&out, mm_span_cstr("ab c")),
                     MAILMOD_ERROR_LIMIT);
    mm_buf_fini(&out);
}

/* F14: RFC 6533 3. */
static void test_F14_utf8_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *encoded;
        const char *text; /* NULL: refused */
        const char *again;
    } rows[] = {
        {"a@b.test", "a@b.test", "a@b.test"},
        {"\xc3\xa9@b.test", "\xc3\xa9@b.test", "\\x{E9}@b.test"},
        {"\\x{E9}@b.test", "\xc3\xa9@b.test", "\\x{E9}@b.test"},
        {"\\x{2b}\\x{3D}\\x{5C}\\x{20}", "+=\\ ",
         "\\x{2B}\\x{3D}\\x{5C}\\x{20}"},
        {"a+b", "a+b", "a\\x{2B}b"},
        {"\\x{1F4E7}\\x{4E2D}", "\xf0\x9f\x93\xa7\xe4\xb8\xad",
         "\\x{1F4E7}\\x{4E2D}"},
        {"\\x{10FFFD}", "\xf4\x8f\xbf\xbd", "\\x{10FFFD}"},
        {"\\x{110000}", NULL, NULL},
        {"\\x{D800}", NULL, NULL},
        {"\\x{FFFFFF}", NULL, NULL},
        {"\\x{1234567}", NULL, NULL},
        {"\\x{0}", NULL, NULL},
        {"\\x{85}", NULL, NULL},
        {"\\x{}", NULL, NULL},
        {"\\x{G}", NULL, NULL},
        {"\\x{E9", NULL, NULL},
        {"\\E9", NULL, NULL},
        {"\xc3", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_buf out;
        struct mm_buf again;
        mm_buf_init(&out, 100);
        mm_buf_init(&again, 100);
        enum mailmod_error error =
            mm_utf8_xtext_decode(&out, mm_span_cstr(rows[i].encoded));
        if (error !=
            (rows[i].text != NULL ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX)) {
            fail_msg("%s: %d", rows[i].encoded, (int)error);
        }
        if (error == MAILMOD_OK) {
            assert_string_equal(mm_buf_cstr(&out), rows[i].text);
            assert_int_equal(mm_utf8_xtext_encode(&again, mm_buf_span(&out)),
                             MAILMOD_OK);
            assert_string_equal(mm_buf_cstr(&again), rows[i].again);
        }
        mm_buf_fini(&out);
        mm_buf_fini(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(encodes_any_octet),
        cmocka_unit_test(limits_are_told),
        cmocka_unit_test(test_F14_utf8_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
