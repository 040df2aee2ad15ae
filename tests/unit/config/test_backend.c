/* test_backend.c - pop3.backends: what an item may be, and whose it is. One
 * thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/backend.h"

#include <string.h>

static void test_forms(void **state)
{
    static const struct {
        const char *item;
        bool is_good;
    } rows[] = {
        {"*=pop.example.net", true},
        {"@a.example=pop.example.net:995", true},
        {"alice=192.0.2.1:110", true},
        {"alice=[2001:db8::1]:110", true},
        {"alice=2001:db8::1", true},
        {"alice=", true},
        {"=pop.example.net", false},
        {"alice", false},
        {"alice=pop.example.net:", false},
        {"alice=pop.example.net:0", false},
        {"alice=pop.example.net:65536", false},
        {"alice=:110", false},
        {"alice=pop..net", false},
        {"alice=pop.net/x", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (mm_config_is_backend(mm_span_cstr(rows[i].item)) !=
            rows[i].is_good) {
            fail_msg("%s", rows[i].item);
        }
    }
}

static void test_the_narrowest(void **state)
{
    static char texts[4][64] = {"*=all.example", "@a.example=a.example:1110",
                                "alice@a.example=[2001:db8::1]:1995", "bob="};
    char *items[] = {texts[0], texts[1], texts[2], texts[3]};
    static const struct {
        const char *user;
        const char *given;
        const char *host; /* NULL: here */
        unsigned port;
    } rows[] = {
        {"alice@a.example", "alice@a.example", "2001:db8::1", 1995},
        {"carol@a.example", "Carol@A.example", "a.example", 1110},
        /* a local domain was cut off */
        {"carol", "carol@a.example", "a.example", 1110},
        {"carol", "carol", "all.example", 110},
        {"bob", "bob", NULL, 0},
    };
    struct mm_config config = {.pop3.backends = {items, 4},
                               .pop3.backend_tls = MM_CONFIG_TLS_MUST};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_config_backend backend;
        enum mailmod_error error = mm_config_find_backend(
            &config, rows[i].user, rows[i].given, &backend);
        assert_int_equal(error, rows[i].host != NULL ? MAILMOD_OK
                                                     : MAILMOD_ERROR_NOT_FOUND);
        if (rows[i].host != NULL) {
            assert_string_equal(backend.host.text, rows[i].host);
            assert_int_equal(backend.port, rows[i].port);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_the_narrowest),
    };

    return cmocka_run_group_tests_name("config/backend", tests, NULL, NULL);
}
