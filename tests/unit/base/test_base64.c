/* test_base64.c - RFC 4648 section 10's vectors, and what strict refuses.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/mem.h"

static const struct {
    const char *bytes;
    size_t size;
    const char *text;
} vectors[] = {
    {"", 0, ""},
    {"f", 1, "Zg=="},
    {"fo", 2, "Zm8="},
    {"foo", 3, "Zm9v"},
    {"foob", 4, "Zm9vYg=="},
    {"fooba", 5, "Zm9vYmE="},
    {"foobar", 6, "Zm9vYmFy"},
    {"\0test\0pass", 10, "AHRlc3QAcGFzcw=="},
    {"\xfb\xff\xbf", 3, "+/+/"},
    {"\0\0\0", 3, "AAAA"},
    {"\0", 1, "AA=="},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct mm_buf out;
        mm_buf_init(&out, 64);
        assert_int_equal(
            mm_base64_encode(&out, vectors[i].bytes, vectors[i].size),
            MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), vectors[i].text);
        mm_buf_clear(&out);
        assert_int_equal(mm_base64_decode(&out, mm_span_cstr(vectors[i].text)),
                         MAILMOD_OK);
        assert_int_equal(mm_buf_size(&out), vectors[i].size);
        if (vectors[i].size > 0) {
            assert_memory_equal(mm_buf_span(&out).data, vectors[i].bytes,
                                vectors[i].size);
        }
        mm_buf_fini(&out);
    }
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "A",        "AA",       "AAA",        "AAAAA",      "=",
        "====",     "A===",     "Zg=",        "Zg==Zg==",   "Zm9v\r\n",
        "Zm 9",     "Zm9\n",    "Z-==",       "Z_8=",       "Zh==",
        "Zm9=",     "Zg=A",     "=Zg=",       "\xc3\xa4==", "Zm9vZg===",
        "Zm9vA===", "Zm9v====", "Z\x80\x80=",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct mm_buf out;
        mm_buf_init(&out, 64);
        mm_buf_append_cstr(&out, "kept");
        assert_int_equal(mm_base64_decode(&out, mm_span_cstr(texts[i])),
                         MAILMOD_ERROR_SYNTAX);
        assert_string_equal(mm_buf_cstr(&out), "kept");
        mm_buf_fini(&out);
    }
}

static void test_all_octets(void **state)
{
    unsigned char bytes[256];
    (void)state;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (unsigned char)i;
    }
    for (size_t size = 0; size <= 256; size++) {
        struct mm_buf text;
        struct mm_buf back;
        mm_buf_init(&text, 344);
        mm_buf_init(&back, size);
        assert_int_equal(mm_base64_encode(&text, bytes, size), MAILMOD_OK);
        assert_int_equal(mm_base64_decode(&back, mm_buf_span(&text)),
                         MAILMOD_OK);
        assert_true(mm_span_equal(mm_buf_span(&back),
                                  mm_span((const char *)bytes, size)));
        mm_buf_fini(&text);
        mm_buf_fini(&back);
    }
}

static void test_caps(void **state)
{
    struct mm_buf out;
    (void)state;
    mm_buf_init(&out, 3);
    assert_int_equal(mm_base64_encode(&out, "f", 1), MAILMOD_ERROR_LIMIT);
    assert_int_equal(mm_base64_decode(&out, mm_span_cstr("Zm9vYg==")),
                     MAILMOD_ERROR_LIMIT);
    assert_int_equal(mm_buf_size(&out), 0);
    mm_mem_set_fault(1, 1);
    mm_buf_clear(&out);
    assert_int_equal(mm_base64_decode(&out, mm_span_cstr("Zm9v")),
                     MAILMOD_ERROR_MEMORY);
    mm_mem_set_fault(0, 0);
    mm_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_all_octets),
        cmocka_unit_test(test_caps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
