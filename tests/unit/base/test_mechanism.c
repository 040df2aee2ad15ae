/* test_mechanism.c - names of SASL mechanisms, read and written. RFC 4422 3.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mechanism.h"

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned bit;
    } rows[] = {
        {"PLAIN", MM_SASL_PLAIN},
        {"plain", MM_SASL_PLAIN},
        {"Login", MM_SASL_LOGIN},
        {"SCRAM-SHA-256", MM_SASL_SCRAM_SHA_256},
        {"scram-sha-256", MM_SASL_SCRAM_SHA_256},
        {"CRAM-MD5", MM_SASL_CRAM_MD5},
        {"", 0},
        {"PLAI", 0},
        {"PLAINX", 0},
        {"SCRAM-SHA-256-PLUS", 0},
        {"XOAUTH2", MM_SASL_XOAUTH2},
        {"oauthbearer", MM_SASL_OAUTHBEARER},
        {"OAUTHBEARER-PLUS", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned bit = mm_sasl_find(mm_span_cstr(rows[i].name));
        assert_int_equal(bit, rows[i].bit);
        if (bit != 0) {
            const char *name = mm_sasl_name((enum mm_sasl_mechanism)bit);
            assert_true(mm_cstr_equal_nocase(name, rows[i].name));
        }
    }
    assert_string_equal(mm_sasl_name((enum mm_sasl_mechanism)0), "");
}

static void list_of_names(void **state)
{
    (void)state;
    static const struct {
        unsigned bits;
        const char *expected;
    } rows[] = {
        {0, ""},
        {MM_SASL_PLAIN, " PLAIN"},
        {MM_SASL_PLAIN | MM_SASL_LOGIN, " PLAIN LOGIN"},
        {MM_SASL_PLAIN | MM_SASL_SCRAM_SHA_256, " SCRAM-SHA-256 PLAIN"},
        {15, " SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_buf out;
        mm_buf_init(&out, 100);
        assert_int_equal(mm_sasl_write_names(&out, rows[i].bits), MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&out), rows[i].expected);
        mm_buf_fini(&out);
    }
    struct mm_buf small;
    mm_buf_init(&small, 9);
    assert_int_equal(mm_sasl_write_names(&small, 3), MAILMOD_ERROR_LIMIT);
    mm_buf_fini(&small);
}

static void list_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        unsigned bits;
    } rows[] = {
        {"PLAIN", true, MM_SASL_PLAIN},
        {"plain,LOGIN", true, MM_SASL_PLAIN | MM_SASL_LOGIN},
        {" scram-sha-256 ,  XOAUTH2, ", true,
         MM_SASL_SCRAM_SHA_256 | MM_SASL_XOAUTH2},
        {"PLAIN PLAIN", true, MM_SASL_PLAIN},
        {"", false, 0},
        {" , ", false, 0},
        {"PLAIN,GSSAPI", false, MM_SASL_PLAIN},
        {"PLAIN;LOGIN", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned bits = 99;
        assert_int_equal(mm_sasl_read_names(mm_span_cstr(rows[i].text), &bits),
                         rows[i].is_good);
        assert_int_equal(bits, rows[i].bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(list_of_names),
        cmocka_unit_test(list_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
