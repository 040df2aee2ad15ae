/* test_crypto.c - digests and keyed digests against published vectors: RFC
 * 1321 A.5, FIPS 180-4's examples, RFC 2202 2, RFC 4231 4, RFC 7914 11.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/crypto.h"

#include <string.h>

#define BYTES(text) mm_span((text), sizeof(text) - 1)

#define DIGITS "1234567890"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TEN_AA "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
#define TEN_DD "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
#define EIGHT_0B "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"

static void check_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char text[2 * MM_SHA256_SIZE + 1];
    mm_hex(bytes, size, text);
    assert_string_equal(text, expected);
}

static void test_md5(void **state)
{
    static const struct {
        const char *text;
        const char *digest;
    } rows[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {LOWER, "c3fcd3d76192e4007dfb496cca67e13b"},
        {UPPER LOWER "0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
        {DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS,
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t digest[MM_MD5_SIZE];
        assert_int_equal(mm_md5(mm_span_cstr(rows[i].text), digest),
                         MAILMOD_OK);
        check_hex(digest, sizeof digest, rows[i].digest);
    }
}

/* RFC 2195 2. */
static void test_hmac_md5(void **state)
{
    uint8_t digest[MM_MD5_SIZE];
    (void)state;
    assert_int_equal(
        mm_hmac_md5(mm_span_cstr("tanstaaftanstaaf"),
                    mm_span_cstr("<1896.697170952@postoffice.reston.mci.net>"),
                    digest),
        MAILMOD_OK);
    check_hex(digest, sizeof digest, "b913a602c7eda7a495b4e6e7334d3890");
}

/* In pieces, begun anew, and given up. */
static void test_sha256_stream(void **state)
{
    struct mm_sha256_stream stream = {NULL};
    uint8_t digest[MM_SHA256_SIZE];
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mm_sha256_begin(&stream), MAILMOD_OK);
        assert_int_equal(mm_sha256_add(&stream, mm_span_cstr("a")), MAILMOD_OK);
        assert_int_equal(mm_sha256_add(&stream, mm_span(NULL, 0)), MAILMOD_OK);
        assert_int_equal(mm_sha256_begin(&stream), MAILMOD_OK);
        assert_int_equal(mm_sha256_add(&stream, mm_span_cstr("a")), MAILMOD_OK);
        assert_int_equal(mm_sha256_add(&stream, mm_span_cstr("bc")),
                         MAILMOD_OK);
        assert_int_equal(mm_sha256_end(&stream, digest), MAILMOD_OK);
        check_hex(digest, sizeof digest,
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f200"
                  "15ad");
    }
    mm_sha256_drop(&stream);
    mm_sha256_drop(&stream);
}

static void test_sha256(void **state)
{
    static const struct {
        const char *text;
        const char *digest;
    } rows[] = {
        {NULL, "e3b0c44298fc1c149afbf4c8996fb924"
               "27ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223"
                "b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039"
         "a33ce45964ff2167f6ecedd419db06c1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t digest[MM_SHA256_SIZE];
        assert_int_equal(mm_sha256(mm_span_cstr(rows[i].text), digest),
                         MAILMOD_OK);
        check_hex(digest, sizeof digest, rows[i].digest);
    }
}

static void test_hmac_sha256(void **state)
{
    static const struct {
        const char *key;
        const char *text;
        const char *digest;
    } rows[] = {
        {EIGHT_0B EIGHT_0B "\x0b\x0b\x0b\x0b", "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b"
         "881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c7"
         "5a003f089d2739839dec58b964ec3843"},
        {NULL, NULL,
         "b613679a0814d9ec772f95d778c35fc5"
         "ff1697c493715653c6c712144292c5ad"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t digest[MM_SHA256_SIZE];
        assert_int_equal(mm_hmac_sha256(mm_span_cstr(rows[i].key),
                                        mm_span_cstr(rows[i].text), digest),
                         MAILMOD_OK);
        check_hex(digest, sizeof digest, rows[i].digest);
    }
}

static void test_pbkdf2(void **state)
{
    uint8_t key[MM_SHA256_SIZE];
    (void)state;
    assert_int_equal(mm_pbkdf2_sha256(BYTES("passwd"), BYTES("salt"), 1, key),
                     MAILMOD_OK);
    check_hex(key, sizeof key,
              "55ac046e56e3089fec1691c22544b605"
              "f94185216dde0465e68b9d57c20dacbc");
    assert_int_equal(
        mm_pbkdf2_sha256(BYTES("Password"), BYTES("NaCl"), 80000, key),
        MAILMOD_OK);
    check_hex(key, sizeof key,
              "4ddcd8f60b98be21830cee5ef22701f9"
              "641a4418d04c0414aeff08876b34ab56");
    assert_int_equal(mm_pbkdf2_sha256(BYTES("p"), BYTES("s"), 0, key),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_pbkdf2_sha256(BYTES("p"), BYTES("s"), 1u << 31, key),
                     MAILMOD_ERROR_ARGUMENT);
}

static void test_constant_time_equal(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        int same;
    } rows[] = {
        {"", "", 1},       {"a", "a", 1},     {"a", "b", 0},
        {"a", "", 0},      {"ab", "abc", 0},  {"abc", "abd", 0},
        {"abc", "bbc", 0}, {"abc", "abc", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mm_constant_time_equal(mm_span_cstr(rows[i].a),
                                                mm_span_cstr(rows[i].b)),
                         rows[i].same);
    }
    assert_true(mm_constant_time_equal(mm_span(NULL, 0), mm_span_cstr("")));
}

static void test_hex(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x0f, 0xa5, 0xff};
    char text[9];
    (void)state;
    mm_hex(bytes, 4, text);
    assert_string_equal(text, "000fa5ff");
    mm_hex(NULL, 0, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_md5),
        cmocka_unit_test(test_hmac_md5),
        cmocka_unit_test(test_sha256_stream),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac_sha256),
        cmocka_unit_test(test_pbkdf2),
        cmocka_unit_test(test_constant_time_equal),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
