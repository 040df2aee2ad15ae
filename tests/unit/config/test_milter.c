/* test_milter.c - the lines of milters.filters. */
#include "config/milter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void filters_are_read(void **state)
{
    struct mm_span text = mm_span_cstr(
        "name=rspamd at=127.0.0.1:11332\n\n"
        " name=c at=unix:/run/c.sock away=accept timeout=2s end_timeout=1m "
        "size_max=10M\nname=six at=[::1]:1 away=reject");
    struct mm_config_milter milter;

    (void)state;
    assert_int_equal(mm_config_milters_check(text, NULL), MAILMOD_OK);
    assert_true(mm_config_next_milter(&text, &milter));
    assert_string_equal(milter.name, "rspamd");
    assert_int_equal(milter.address.port, 11332);
    assert_string_equal(milter.path, "");
    assert_int_equal(milter.away, MM_CONFIG_AWAY_TEMPFAIL);
    assert_int_equal(milter.timeout_ms, 30000);
    assert_int_equal(milter.end_timeout_ms, 300000);
    assert_int_equal(milter.size_max, 0);
    assert_true(mm_config_next_milter(&text, &milter));
    assert_string_equal(milter.path, "/run/c.sock");
    assert_int_equal(milter.address.family, MM_NETADDR_NONE);
    assert_int_equal(milter.away, MM_CONFIG_AWAY_ACCEPT);
    assert_int_equal(milter.timeout_ms, 2000);
    assert_int_equal(milter.end_timeout_ms, 60000);
    assert_int_equal(milter.size_max, 10 * 1024 * 1024);
    assert_true(mm_config_next_milter(&text, &milter));
    assert_int_equal(milter.away, MM_CONFIG_AWAY_REJECT);
    assert_int_equal(milter.address.family, MM_NETADDR_V6);
    assert_false(mm_config_next_milter(&text, &milter));
}

static void mistakes_are_told(void **state)
{
    static const char *const lines[] = {
        "at=127.0.0.1:1",
        "name=a",
        "name=a at=localhost:1",
        "name=a at=127.0.0.1",
        "name=a at=127.0.0.1:0",
        "name=a at=*:1",
        "name=a at=unix:run",
        "name=a at=unix:",
        "name=a b at=127.0.0.1:1",
        "name=a/b at=127.0.0.1:1",
        "name=a at=127.0.0.1:1 away=maybe",
        "name=a at=127.0.0.1:1 timeout=1ms",
        "name=a at=127.0.0.1:1 timeout=2h",
        "name=a at=127.0.0.1:1 size_max=x",
        "name=a at=127.0.0.1:1\nname=a at=127.0.0.1:2",
        "name=12345678901234567890123456789012x at=127.0.0.1:1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct mm_buf words;

        mm_buf_init(&words, 512);
        print_message("%s\n", lines[i]);
        assert_int_equal(
            mm_config_milters_check(mm_span_cstr(lines[i]), &words),
            MAILMOD_ERROR_ARGUMENT);
        assert_true(mm_buf_size(&words) > 0);
        mm_buf_fini(&words);
    }
}

static void there_are_not_too_many(void **state)
{
    struct mm_buf text;

    (void)state;
    mm_buf_init(&text, 4096);
    for (unsigned i = 0; i <= MM_CONFIG_MILTERS_MAX; i++) {
        assert_int_equal(mm_config_milters_check(mm_buf_span(&text), NULL),
                         MAILMOD_OK);
        (void)mm_buf_appendf(&text, "name=f%u at=127.0.0.1:1\n", i);
    }
    assert_int_equal(mm_config_milters_check(mm_buf_span(&text), NULL),
                     MAILMOD_ERROR_ARGUMENT);
    mm_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_are_read),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(there_are_not_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
