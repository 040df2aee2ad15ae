/* test_proxy.c - proxies named by URLs, and who goes past the one of the
 * settings. */
#include "config/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *host;
    unsigned port;
    const char *user;
    const char *password;
    enum mm_config_proxy_kind kind;
} urls[] = {
    {"socks5://proxy.example", "proxy.example", 1080, "", "",
     MM_CONFIG_PROXY_SOCKS5},
    {"SOCKS5H://Proxy.Example:9050/", "proxy.example", 9050, "", "",
     MM_CONFIG_PROXY_SOCKS5},
    {"socks4a://joe@192.0.2.7", "192.0.2.7", 1080, "joe", "",
     MM_CONFIG_PROXY_SOCKS4A},
    {"http://joe:se%3acret%40%25@proxy.example", "proxy.example", 3128, "joe",
     "se:cret@%", MM_CONFIG_PROXY_HTTP},
    {"http://joe:a@b:c@[2001:db8::7]:80", "2001:db8::7", 80, "joe", "a@b:c",
     MM_CONFIG_PROXY_HTTP},
    {"http://2001:db8::7", "2001:db8::7", 3128, "", "", MM_CONFIG_PROXY_HTTP},
    {"socks5://joe%20doe:@proxy1", "proxy1", 1080, "joe doe", "",
     MM_CONFIG_PROXY_SOCKS5},
};

static void test_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct mm_config_proxy proxy;
        assert_true(mm_config_proxy_parse(mm_span_cstr(urls[i].text), &proxy));
        assert_int_equal(proxy.choice, MM_CONFIG_PROXY_OWN);
        assert_int_equal(proxy.kind, urls[i].kind);
        assert_string_equal(proxy.host, urls[i].host);
        assert_int_equal(proxy.port, urls[i].port);
        assert_string_equal(proxy.user, urls[i].user);
        assert_string_equal(proxy.password, urls[i].password);
    }
}

static void test_words(void **state)
{
    struct mm_config_proxy proxy;
    (void)state;
    assert_true(mm_config_proxy_parse(mm_span_cstr("none"), &proxy));
    assert_int_equal(proxy.choice, MM_CONFIG_PROXY_NONE);
    assert_true(mm_config_proxy_parse(mm_span_cstr("Default"), &proxy));
    assert_int_equal(proxy.choice, MM_CONFIG_PROXY_DEFAULT);
}

static void test_bad_urls(void **state)
{
    static const char *const bad[] = {"",
                                      "proxy.example",
                                      "proxy.example:1080",
                                      "socks5:proxy.example",
                                      "socks5:/proxy.example",
                                      "socks4://proxy.example",
                                      "https://proxy.example",
                                      "socks5://",
                                      "socks5://:pass@proxy.example",
                                      "socks5://proxy.example:0",
                                      "socks5://proxy.example:65536",
                                      "socks5://proxy example",
                                      "socks5://a:b%zz@proxy.example",
                                      "socks5://a:b%4@proxy.example",
                                      "socks5://a:b%0d@proxy.example",
                                      "socks5://a:b%ff@proxy.example",
                                      "socks5://proxy.example/way",
                                      "socks4a://joe:cret@proxy.example",
                                      "http://j%3aoe:cret@proxy.example"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mm_config_proxy proxy;
        if (mm_config_proxy_parse(mm_span_cstr(bad[i]), &proxy)) {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

static struct mm_config *build(const char *bypass)
{
    struct mm_config_builder *builder = NULL;
    struct mm_config *config = NULL;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    assert_int_equal(mm_config_set(builder, "proxy.host", "192.0.2.1", NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_config_set(builder, "proxy.bypass", bypass, NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_config_build(builder, &config, NULL), MAILMOD_OK);
    mm_config_builder_free(&builder);
    return config;
}

static void test_bypass(void **state)
{
    static const struct {
        const char *host;
        const char *address; /* NULL: not known */
        bool is_past;
    } rows[] = {
        {"example.com", NULL, true},
        {"mx.Example.com", "198.51.100.1", true},
        {"notexample.com", NULL, false},
        {"com", NULL, false},
        {"a.sub.example", NULL, true},
        {"sub.example", NULL, true},
        {"mx.example", "10.1.2.3", true},
        {"mx.example", "11.1.2.3", false},
        {"mx.example", NULL, false},
        {"", "2001:db8:1::9", true},
        {"", "2001:db8:2::9", false},
        {"", "192.0.2.9", true},
        {"mx.xn--bcher-kva.example", NULL, true},
        {"mx.bcher.example", NULL, false},
    };
    struct mm_config *config = build("example.com, 10.0.0.0/8, *.sub.example, "
                                     "2001:db8:1::/48, .other.example, "
                                     "192.0.2.9, .b\xc3\xbc"
                                     "cher.example");
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_endpoint endpoint = {.host = rows[i].host};
        if (rows[i].address != NULL) {
            assert_true(mm_netaddr_parse_ip(mm_span_cstr(rows[i].address),
                                            &endpoint.address));
        }
        const struct mm_config_proxy *proxy =
            mm_config_proxy_for(config, NULL, &endpoint);
        assert_int_equal(proxy == NULL, rows[i].is_past);
        if (proxy != NULL) {
            assert_string_equal(proxy->host, "192.0.2.1");
            assert_int_equal(proxy->port, 1080);
        }
    }
    mm_config_unref(&config);
}

/* What a place names itself counts before the list; none is none. */
static void test_own(void **state)
{
    struct mm_config *config = build("example.com");
    struct mm_config_proxy own;
    const struct mm_endpoint past = {.host = "example.com"};
    const struct mm_endpoint other = {.host = "mx.example"};
    (void)state;
    assert_true(
        mm_config_proxy_parse(mm_span_cstr("http://proxy.example"), &own));
    assert_ptr_equal(mm_config_proxy_for(config, &own, &past), &own);
    assert_true(mm_config_proxy_parse(mm_span_cstr("none"), &own));
    assert_null(mm_config_proxy_for(config, &own, &other));
    assert_true(mm_config_proxy_parse(mm_span_cstr("default"), &own));
    assert_null(mm_config_proxy_for(config, &own, &past));
    assert_non_null(mm_config_proxy_for(config, &own, &other));
    mm_config_unref(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),     cmocka_unit_test(test_words),
        cmocka_unit_test(test_bad_urls), cmocka_unit_test(test_bypass),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
