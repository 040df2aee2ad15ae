/* test_routes.c - the table of ways out: which row is whose, and what is no
 * row. */
#include "config/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* `settings`: names and values in turn, NULL at the end. */
static struct mm_config *build_with(const char *routes,
                                    const char *const *settings)
{
    struct mm_config_builder *builder = NULL;
    struct mm_config *config = NULL;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    assert_int_equal(mm_config_set(builder, "delivery.routes", routes, NULL),
                     MAILMOD_OK);
    assert_int_equal(
        mm_config_set(builder, "smarthost.host", "Smart.Example.", NULL),
        MAILMOD_OK);
    for (size_t i = 0; settings[i] != NULL; i += 2) {
        assert_int_equal(
            mm_config_set(builder, settings[i], settings[i + 1], NULL),
            MAILMOD_OK);
    }
    assert_int_equal(mm_config_build(builder, &config, NULL), MAILMOD_OK);
    mm_config_builder_free(&builder);
    return config;
}

static struct mm_config *build(const char *routes)
{
    static const char *const none[] = {NULL};
    return build_with(routes, none);
}

static const char table[] =
    "name=one to=one.example,*.two.example relay=r1.example,r2.example:25,"
    "[2001:db8::7]:2525,192.0.2.7 tls=may verify=no\n"
    "name=boss from=boss@corp.example to=* relay=vip.example tls=implicit "
    "user=joe proxy=socks5://u:p@192.0.2.1 password=a b =c\n"
    "name=corp from=@corp.example,@*.sub.example relay=corp.example\n"
    "name=cloud to=cloud.example relay=cloud.example user=u token "
    "mechanisms=xoauth2,plain\n"
    "name=keyed to=keyed.example relay=keyed.example authorities=ca.pem "
    "certificate=own.pem key=own.key mechanisms=external "
    "fingerprints="
    "abababababababababababababababababababababababababababababababab,0F:0F:0F:"
    "0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:0F:"
    "0F:0F:0F:0F:0F\n"
    "name=direct to=direct.example tls=must\n"
    "name=proved to=proved.example verify=yes\n"
    "name=pinned to=pinned.example "
    "fingerprints="
    "abababababababababababababababababababababababababababababababab\n"
    "name=faced to=faced.example source=192.0.2.9,2001:db8::9 "
    "ehlo=out.example addresses=ipv6_first messages_per_connection=20 "
    "connections=2 messages=30 window=10m\n"
    "name=narrow to=narrow.example source=2001:db8::9\n"
    "name=wide to=wide.example source=192.0.2.9 addresses=any\n"
    "\n"
    "  name=idn to=b\xc3\xbc"
    "cher.example relay=none proxy=none\n";

static void test_rows(void **state)
{
    static const struct {
        const char *domain;
        const char *sender;
        const char *name;
    } cases[] = {
        {"one.example", "boss@corp.example", "one"},
        {"ONE.example", "", "one"},
        {"two.example", "a@b.example", ""},
        {"x.two.example", NULL, "one"},
        {"x.y.two.example", NULL, "one"},
        {"xtwo.example", NULL, ""},
        {"far.example", "Boss@CORP.example", "boss"},
        {"far.example", "other@corp.example", "corp"},
        {"far.example", "x@a.sub.example", "corp"},
        {"far.example", "x@sub.example", ""},
        {"far.example", "", ""},
        {"far.example", NULL, ""},
        {"xn--bcher-kva.example", "", "idn"},
        {"[192.0.2.1]", NULL, ""},
        {"cloud.example", NULL, "cloud"},
    };
    struct mm_config *config = build(table);
    (void)state;
    assert_true(mm_config_has_routes(config));
    assert_true(mm_config_routes_by_sender(config));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct mm_config_route *route =
            mm_config_route_for(config, cases[i].domain, cases[i].sender);
        if (strcmp(route->name, cases[i].name) != 0) {
            fail_msg("%s: %s", cases[i].domain, route->name);
        }
    }
    mm_config_unref(&config);
}

static void test_columns(void **state)
{
    struct mm_config *config = build(table);
    const struct mm_config_route *route =
        mm_config_route_for(config, "one.example", "");
    (void)state;
    assert_int_equal(route->relay_count, 4);
    assert_string_equal(route->relays[0].host, "r1.example");
    assert_int_equal(route->relays[0].port, 587);
    assert_string_equal(route->relays[1].host, "r2.example");
    assert_int_equal(route->relays[1].port, 25);
    assert_string_equal(route->relays[2].host, "2001:db8::7");
    assert_int_equal(route->relays[2].port, 2525);
    assert_string_equal(route->relays[3].host, "192.0.2.7");
    assert_int_equal(route->tls, MM_CONFIG_TLS_MAY);
    assert_false(route->verifies);
    assert_int_equal(route->proxy.choice, MM_CONFIG_PROXY_DEFAULT);
    route = mm_config_route_for(config, "x.example", "boss@corp.example");
    assert_int_equal(route->relays[0].port, 465);
    assert_string_equal(route->user, "joe");
    assert_string_equal(route->password, "a b =c");
    assert_int_equal(route->proxy.choice, MM_CONFIG_PROXY_OWN);
    assert_string_equal(route->proxy.host, "192.0.2.1");
    assert_false(route->has_token);
    assert_int_equal(mm_config_login_mechanisms(route->mechanisms, false),
                     MM_SASL_PASSWORD);
    route = mm_config_route_for(config, "cloud.example", "");
    assert_true(route->has_token);
    assert_int_equal(route->mechanisms, MM_SASL_XOAUTH2 | MM_SASL_PLAIN);
    assert_int_equal(mm_config_login_mechanisms(route->mechanisms, true),
                     MM_SASL_XOAUTH2);
    assert_false(mm_config_route_has_tls(route));
    route = mm_config_route_for(config, "keyed.example", "");
    assert_string_equal(route->authority_file, "ca.pem");
    assert_string_equal(route->certificate_file, "own.pem");
    assert_string_equal(route->key_file, "own.key");
    assert_int_equal(route->mechanisms, MM_SASL_EXTERNAL);
    assert_int_equal(route->pins.count, 2);
    assert_int_equal(route->pins.digests[0][31], 0xab);
    assert_int_equal(route->pins.digests[1][0], 0x0f);
    assert_true(mm_config_route_has_tls(route));
    /* Without a relay they are for the MX hosts, where one is set. */
    route = mm_config_route_for(config, "direct.example", "");
    assert_true(route->sets_tls && !route->verifies);
    assert_int_equal(route->tls, MM_CONFIG_TLS_MUST);
    route = mm_config_route_for(config, "proved.example", "");
    assert_true(route->sets_tls && route->verifies);
    route = mm_config_route_for(config, "pinned.example", "");
    assert_true(route->sets_tls && route->verifies);
    assert_false(
        mm_config_route_for(config, "xn--bcher-kva.example", "")->sets_tls);
    /* The settings smarthost.* are the last row. */
    route = mm_config_route_for(config, "x.example", "");
    assert_string_equal(route->relays[0].host, "smart.example");
    assert_int_equal(route->relays[0].port, 587);
    assert_int_equal(route->tls, MM_CONFIG_TLS_MUST);
    mm_config_unref(&config);
    config = build("");
    assert_false(mm_config_has_routes(config));
    assert_string_equal(mm_config_route_for(config, "x", NULL)->relays[0].host,
                        "smart.example");
    mm_config_unref(&config);
}

static void check_source(const struct mm_config *config,
                         const struct mm_config_route *route,
                         enum mm_netaddr_family family, const char *wanted)
{
    struct mm_netaddr source = mm_config_source_for(config, route, family);
    char text[MM_NETADDR_TEXT_MAX] = "";
    if (source.family != MM_NETADDR_NONE) {
        mm_netaddr_format_ip(&source, text);
    }
    assert_string_equal(text, wanted);
}

static void check_families(const struct mm_config *config,
                           const struct mm_config_route *route, bool v6,
                           bool v4, enum mm_config_prefers prefers)
{
    struct mm_config_families families = mm_config_families_for(config, route);
    assert_int_equal(families.v6, v6);
    assert_int_equal(families.v4, v4);
    assert_int_equal(families.prefers, prefers);
}

/* From where, by which name and to which addresses; what a row does not say is
 * as for all. */
static void test_faces(void **state)
{
    static const char *const settings[] = {
        "delivery.source",
        "192.0.2.1",
        "delivery.ehlo_name",
        "common.example",
        "general.host_name",
        "host.example",
        "delivery.uses_ipv6",
        "no",
        "delivery.prefers",
        "ipv4",
        "delivery.messages_per_connection_max",
        "7",
        NULL};
    struct mm_config *plain = build(table);
    struct mm_config *config = build_with(table, settings);
    const struct mm_config_route *route =
        mm_config_route_for(config, "faced.example", "");
    (void)state;
    check_source(config, route, MM_NETADDR_V4, "192.0.2.9");
    check_source(config, route, MM_NETADDR_V6, "2001:db8::9");
    assert_string_equal(mm_config_ehlo_name_for(config, route), "out.example");
    assert_true(mm_config_route_has_face(route));
    assert_int_equal(mm_config_connection_messages_for(config, route), 20);
    assert_int_equal(mm_config_connections_for(config, route), 2);
    assert_int_equal(mm_config_pace_for(config, route).messages_max, 30);
    assert_int_equal(mm_config_pace_for(config, route).window_ms, 600000);
    check_families(config, route, true, true, MM_CONFIG_PREFERS_V6);
    route = mm_config_route_for(config, "narrow.example", "");
    check_source(config, route, MM_NETADDR_V4, "");
    check_families(config, route, true, false, MM_CONFIG_PREFERS_ANY);
    assert_string_equal(mm_config_ehlo_name_for(config, route),
                        "common.example");
    route = mm_config_route_for(config, "wide.example", "");
    check_families(config, route, true, true, MM_CONFIG_PREFERS_ANY);
    check_source(config, route, MM_NETADDR_V6, "");
    route = mm_config_route_for(config, "one.example", "");
    check_source(config, route, MM_NETADDR_V4, "192.0.2.1");
    check_source(config, NULL, MM_NETADDR_V4, "192.0.2.1");
    check_families(config, route, false, true, MM_CONFIG_PREFERS_V4);
    check_families(config, NULL, false, true, MM_CONFIG_PREFERS_V4);
    assert_false(mm_config_route_has_face(route));
    assert_int_equal(mm_config_connection_messages_for(config, route), 7);
    assert_int_equal(mm_config_connection_messages_for(config, NULL), 7);
    assert_int_equal(mm_config_connections_for(config, route), 10);
    assert_int_equal(mm_config_pace_for(config, route).messages_max, 0);
    assert_int_equal(mm_config_connection_messages_for(plain, NULL), 0);
    assert_string_equal(mm_config_ehlo_name_for(plain, NULL), plain->host_name);
    check_families(plain, NULL, true, true, MM_CONFIG_PREFERS_ANY);
    mm_config_unref(&config);
    mm_config_unref(&plain);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"to=a.example relay=b", "name is missing in a route"},
        {"name=a relay=b", "to or from is missing in a route"},
        {"name=a to=a..b relay=b", "to of a route must be domains"},
        {"name=a to=a@b relay=b", "to of a route must be domains"},
        {"name=a to= relay=b", "to of a route must be domains"},
        {"name=a from=corp.example relay=b", "from of a route must be"},
        {"name=a to=b relay=c:0", "relay of a route must be"},
        {"name=a to=b relay=a,b,c,d,e,f,g,h,i", "relay of a route must be"},
        {"name=a to=b relay=c,", "relay of a route must be"},
        {"name=a to=b tls=yes", "tls of a route must be"},
        {"name=a to=b relay=c user=u", "password is missing in a route"},
        {"name=a to=b relay=c password=cret", "user is missing in a route"},
        {"name=a to=b user=u password=cret", "relay is missing in a route"},
        {"name=a to=b relay=c token", "user is missing in a route"},
        {"name=a to=b relay=c key=k", "certificate is missing in a route"},
        {"name=a to=b relay=c mechanisms=EXTERNAL", "a route with EXTERNAL"},
        {"name=a to=b certificate=c mechanisms=EXTERNAL",
         "a route with EXTERNAL"},
        {"name=a to=b relay=c tls=off certificate=c mechanisms=EXTERNAL",
         "a route with EXTERNAL"},
        {"name=a to=b tls=implicit", "tls of a route without relay"},
        {"name=a to=b relay=c fingerprints=abc", "fingerprints of a route"},
        {"name=a to=b relay=c verify=no "
         "fingerprints="
         "abababababababababababababababababababababababababababababababab",
         "a route with fingerprints"},
        {"name=a to=b user=u token", "relay is missing in a route"},
        {"name=a to=b relay=c user=u token password=cret",
         "a route has a password, or a token"},
        {"name=a to=b relay=c mechanisms=PLAIN,cret", "mechanisms of a route"},
        {"name=a to=b relay=c user=u token mechanisms=PLAIN",
         "mechanisms of a route has none for a token"},
        {"name=a to=b relay=c mechanisms=XOAUTH2 user=u password=cret",
         "mechanisms of a route has none for a password"},
        {"name=a to=b proxy=x://u:cret@y", "proxy of a route must be"},
        {"name=a to=b source=192.0.2.1:25", "source of a route must be"},
        {"name=a to=b source=192.0.2.1,192.0.2.2", "source of a route must be"},
        {"name=a to=b source=192.0.2.1,::2,::3", "source of a route must be"},
        {"name=a to=b source=0.0.0.0", "source of a route must be"},
        {"name=a to=b source=", "source of a route must be"},
        {"name=a to=b source=192.0.2.1 addresses=ipv6", "a route's addresses"},
        {"name=a to=b source=::2 addresses=ipv4", "a route's addresses"},
        {"name=a to=b source=::2 proxy=http://p:1", "a route has a source, or"},
        {"name=a to=b ehlo=a_b..c", "ehlo of a route must be"},
        {"name=a to=b ehlo=", "ehlo of a route must be"},
        {"name=a to=b messages_per_connection=0", "messages_per_connection of"},
        {"name=a to=b messages_per_connection=9x",
         "messages_per_connection of"},
        {"name=a to=b connections=1000001", "connections of a route"},
        {"name=a to=b messages=", "messages of a route must be"},
        {"name=a to=b messages=1 window=25h", "window of a route must be"},
        {"name=a to=b messages=1 window=0", "window of a route must be"},
        {"name=a to=b window=1m", "messages is missing in a route with"},
        {"name=a to=b relay=srv:", "relay of a route must be"},
        {"name=a to=b relay=srv:c,d", "relay=srv: needs one domain"},
        {"name=a to=b relay=srv:c:25", "relay=srv: needs one domain"},
        {"name=a to=b relay=srv:192.0.2.1", "relay=srv: needs one domain"},
        {"name=a to=b addresses=ipv5", "addresses of a route must be"},
        {"name=a to=b to=c", "to is there twice in a route"},
        {"name=a to=b\nname=a to=c", "the name a is there twice"},
        {"name=a to=b cret=x", "a route has a word that is no setting"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mm_config_builder *builder = NULL;
        struct mm_buf words;
        mm_buf_init(&words, 1024);
        assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
        assert_int_equal(
            mm_config_set(builder, "delivery.routes", cases[i].text, &words),
            MAILMOD_ERROR_ARGUMENT);
        const char *text = mm_buf_cstr(&words);
        assert_non_null(text);
        if (strstr(text, cases[i].words) == NULL ||
            strstr(text, "cret") != NULL) {
            fail_msg("%s: %s", cases[i].text, text);
        }
        mm_buf_fini(&words);
        mm_config_builder_free(&builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_faces),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
