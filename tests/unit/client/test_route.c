/* test_route.c - attacks 68, 69, 70, 72: which hosts, in which order, and what
 * the absence of any means. */
#include "client/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_io.h"
#include "settings.h"

struct walk {
    struct mm_route *route;
    char hops[2048]; /* "mx1/192.0.2.1 mx2/..." */
    char last_tls_name[256];
    unsigned last_port;
    unsigned count;
    unsigned dead_ends;
    struct mq_outcome dead_end;
};

static void on_hop(void *context, const struct mm_route_hop *hop,
                   const struct mq_outcome *dead_end)
{
    struct walk *walk = context;
    if (hop == NULL) {
        walk->dead_end = *dead_end;
        walk->dead_ends++;
        return;
    }
    char address[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format_ip(&hop->address, address);
    size_t used = strlen(walk->hops);
    snprintf(walk->hops + used, sizeof walk->hops - used, "%s%s/%s",
             used > 0 ? " " : "", hop->host, address);
    walk->count++;
    walk->last_port = hop->address.port;
    memcpy(walk->last_tls_name, hop->tls_name, sizeof walk->last_tls_name);
    mm_route_next(walk->route);
}

static void walk_by(struct walk *walk, const char *destination,
                    const struct mm_config *config, uint64_t seed,
                    const char *first_host)
{
    struct mm_resolver *resolver = NULL;
    struct mm_resolver_options resolver_options = {.servers = ""};
    assert_int_equal(mm_resolver_new(&resolver, fake_loop(), &resolver_options),
                     MAILMOD_OK);
    memset(walk, 0, sizeof *walk);
    struct mm_route_options options = {.resolver = resolver,
                                       .config = config,
                                       .destination = destination,
                                       .first_host = first_host,
                                       .seed = seed,
                                       .on_hop = on_hop,
                                       .context = walk};
    mm_relay_of_route(mm_config_route_for(config, destination, NULL),
                      &options.relay);
    assert_int_equal(mm_route_new(&walk->route, &options), MAILMOD_OK);
    mm_route_next(walk->route);
    fake_run(10000);
    assert_int_equal(walk->dead_ends, 1);
    mm_route_next(walk->route); /* nothing comes after a dead end */
    fake_run(10000);
    assert_int_equal(walk->dead_ends, 1);
    mm_route_free(&walk->route);
    mm_resolver_free(&resolver);
}

static void walk_to(struct walk *walk, const char *destination,
                    const struct mm_config *config, uint64_t seed)
{
    walk_by(walk, destination, config, seed, NULL);
}

static void make_zone(void)
{
    fake_dns_mx("order.net", "20 b.net, 10 a.net, 30 c.net");
    fake_dns_addresses("a.net", "192.0.2.1");
    fake_dns_addresses("b.net", "192.0.2.2");
    fake_dns_addresses("c.net", "192.0.2.3");
    fake_dns_mx("dual.net", "10 dual-host.net");
    fake_dns_addresses("dual-host.net",
                       "192.0.2.1, 192.0.2.2, 2001:db8::1, 2001:db8::2, "
                       "2001:db8::3");
    fake_dns_mx("null.net", "0 .");
    fake_dns_mx("null-too.net", "0 ., 10 a.net");
    fake_dns_addresses("implicit.net", "192.0.2.9, 2001:db8::9");
    fake_dns_error("servfail.net", 0, MAILMOD_ERROR_DNS_SERVFAIL);
    fake_dns_error("silent.net", 0, MAILMOD_ERROR_TIMEOUT);
    fake_dns_mx("empty.net", "10 no-address.net, 20 a.net");
    fake_dns_addresses("no-address.net", "");
    fake_dns_mx("nothing.net", "10 no-address.net, 20 unknown.net");
    fake_dns_mx("half.net", "10 no-address.net, 20 servfail-host.net");
    fake_dns_error("servfail-host.net", 0, MAILMOD_ERROR_DNS_SERVFAIL);
    fake_dns_mx("half-too.net", "10 servfail-host.net, 20 a.net");
    fake_dns_addresses("bare.net", "");
    fake_dns_mx("self.net",
                "10 a.net, 20 Here.Example.ORG, 20 b.net, 30 c.net");
    fake_dns_mx("self-best.net", "10 here.example.org, 20 a.net");
    fake_dns_mx("self-equal.net", "10 a.net, 10 here.example.org");
    fake_dns_mx("self-address.net", "10 a.net, 20 alias.net, 30 b.net");
    fake_dns_addresses("alias.net", "127.0.0.1");
    fake_dns_mx("self-only.net", "10 alias.net");
    fake_dns_addresses("here.example.org", "192.0.2.77");
    fake_dns_mx("ip.net", "10 192.0.2.5, 20 a.net");
    fake_dns_mx("ip-only.net", "10 192.0.2.5");
    fake_dns_mx("any.net", "10 any-host.net, 20 a.net");
    fake_dns_addresses("any-host.net", "0.0.0.0");
    fake_dns_mx("private.net", "10 private-host.net");
    fake_dns_addresses("private-host.net", "10.1.2.3, 127.0.0.5");
    fake_dns_mx("v6.net", "10 v6-host.net");
    fake_dns_addresses("v6-host.net", "2001:db8::6");
    fake_dns_mx("v6-fails.net", "10 v6-fails-host.net");
    fake_dns_addresses("v6-fails-host.net", "192.0.2.4");
    fake_dns_error("v6-fails-host.net", '6', MAILMOD_ERROR_DNS);
    fake_dns_addresses("relay.example.net", "192.0.2.50");
    fake_dns_addresses("hosts-relay", "192.0.2.51");
    fake_dns_addresses("xn--bcher-kva.example", "192.0.2.52");
    fake_dns_error("relay-fails.example.net", 0, MAILMOD_ERROR_DNS);
}

struct row {
    const char *destination;
    const char *hops;
    enum mq_verdict verdict; /* of the dead end, where no hop was */
    const char *status;
};

static void check_row(const struct row *row, const struct mm_config *config)
{
    struct walk walk;
    walk_to(&walk, row->destination, config, 1);
    if (strcmp(walk.hops, row->hops) != 0) {
        fail_msg("%s: %s", row->destination, walk.hops);
    }
    if (row->hops[0] == '\0') {
        assert_int_equal(walk.dead_end.verdict, row->verdict);
        assert_string_equal(walk.dead_end.status, row->status);
        assert_int_equal(walk.dead_end.is_destination_down,
                         row->verdict == MQ_DEFERRED);
        assert_true(strlen(walk.dead_end.reply) > 0);
        /* O16: who says it stands beside it already. */
        assert_null(strstr(walk.dead_end.reply, row->destination));
    }
}

static void check_rows(const struct row *rows, size_t count,
                       const char *const *settings)
{
    struct mm_config *config = test_config(settings);
    fake_open(NULL);
    make_zone();
    for (size_t i = 0; i < count; i++) {
        check_row(&rows[i], config);
    }
    fake_close();
    mm_config_unref(&config);
}

static void test_direct(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"order.net", "a.net/192.0.2.1 b.net/192.0.2.2 c.net/192.0.2.3", 0, ""},
        {"dual.net",
         "dual-host.net/2001:db8::1 dual-host.net/192.0.2.1 "
         "dual-host.net/2001:db8::2 dual-host.net/192.0.2.2 "
         "dual-host.net/2001:db8::3",
         0, ""},
        {"null.net", "", MQ_FAILED, "5.1.10"},
        {"null-too.net", "a.net/192.0.2.1", 0, ""},
        {"implicit.net", "implicit.net/2001:db8::9 implicit.net/192.0.2.9", 0,
         ""},
        {"unknown.net", "", MQ_FAILED, "5.1.2"},
        {"bare.net", "", MQ_FAILED, "5.1.2"},
        {"servfail.net", "", MQ_DEFERRED, "4.4.3"},
        {"silent.net", "", MQ_DEFERRED, "4.4.3"},
        {"empty.net", "a.net/192.0.2.1", 0, ""},
        {"nothing.net", "", MQ_FAILED, "5.4.4"},
        {"half.net", "", MQ_DEFERRED, "4.4.3"},
        {"half-too.net", "a.net/192.0.2.1", 0, ""},
        {"self.net", "a.net/192.0.2.1", 0, ""},
        {"self-best.net", "", MQ_FAILED, "5.4.6"},
        {"self-equal.net", "", MQ_FAILED, "5.4.6"},
        {"self-address.net", "a.net/192.0.2.1", 0, ""},
        {"self-only.net", "", MQ_FAILED, "5.4.6"},
        {"here.example.org", "", MQ_FAILED, "5.4.6"},
        {"ip.net", "a.net/192.0.2.1", 0, ""},
        {"ip-only.net", "", MQ_FAILED, "5.4.4"},
        {"any.net", "a.net/192.0.2.1", 0, ""},
        {"private.net", "private-host.net/10.1.2.3", 0, ""}, /* D15 */
        {"[127.0.0.5]", "", MQ_FAILED, "5.7.1"},
        {"[169.254.169.254]", "", MQ_FAILED, "5.7.1"},
        {"[IPv6:::1]", "", MQ_FAILED, "5.7.1"},
        {"[IPv6:fe80::1]", "", MQ_FAILED, "5.7.1"},
        {"[IPv6:::ffff:127.0.0.5]", "", MQ_FAILED, "5.7.1"},
        {"v6.net", "v6-host.net/2001:db8::6", 0, ""},
        {"v6-fails.net", "v6-fails-host.net/192.0.2.4", 0, ""},
        {"[192.0.2.8]", "192.0.2.8/192.0.2.8", 0, ""},
        {"[IPv6:2001:db8::8]", "2001:db8::8/2001:db8::8", 0, ""},
        {"[ipv6:2001:db8::8]", "2001:db8::8/2001:db8::8", 0, ""},
        {"[127.0.0.1]", "", MQ_FAILED, "5.4.6"},
        {"[tag:content]", "", MQ_FAILED, "5.1.2"},
        {"[300.1.1.1]", "", MQ_FAILED, "5.1.2"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], NULL);
}

/* D15: the operator says which; what he named as the relay may be there. */
static void test_D15_refused_networks(void **state)
{
    (void)state;
    static const char *const others[] = {"delivery.refuses=10.0.0.0/8", NULL};
    static const struct row rows[] = {
        {"private.net", "private-host.net/127.0.0.5", 0, ""},
        {"[127.0.0.5]", "127.0.0.5/127.0.0.5", 0, ""},
        {"[10.1.2.3]", "", MQ_FAILED, "5.7.1"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], others);
    static const char *const all[] = {
        "delivery.refuses=10.0.0.0/8, 127.0.0.0/8", NULL};
    static const struct row none[] = {
        {"private.net", "", MQ_FAILED, "5.7.1"},
    };
    check_rows(none, 1, all);
    static const char *const relay[] = {"smarthost.host=127.0.0.5", NULL};
    static const struct row by_relay[] = {
        {"private.net", "127.0.0.5/127.0.0.5", 0, ""},
    };
    check_rows(by_relay, 1, relay);
}

static void test_without_ipv6(void **state)
{
    (void)state;
    static const char *const settings[] = {"delivery.uses_ipv6=false", NULL};
    static const struct row rows[] = {
        {"dual.net", "dual-host.net/192.0.2.1 dual-host.net/192.0.2.2", 0, ""},
        /* Ours is the switch: its mail waits. */
        {"v6.net", "", MQ_DEFERRED, "4.4.3"},
        {"[IPv6:2001:db8::8]", "", MQ_DEFERRED, "4.4.3"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], settings);
}

/* All of one family before the other, or it alone, as the row or the settings
 * say; a host by its address that may not be used leaves its mail waiting. */
static void test_families(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "delivery.prefers=ipv4", "delivery.uses_ipv6=true",
        "delivery.routes=name=a to=implicit.net addresses=any\n"
        "name=b to=v6.net source=192.0.2.1\n"
        "name=c to=c.test relay=dual-host.net addresses=ipv6_first\n"
        "name=d to=d.test relay=192.0.2.8,[2001:db8::8] addresses=ipv6\n"
        "name=e to=e.test relay=192.0.2.8 addresses=ipv6",
        NULL};
    static const struct row rows[] = {
        {"dual.net",
         "dual-host.net/192.0.2.1 dual-host.net/192.0.2.2 "
         "dual-host.net/2001:db8::1 dual-host.net/2001:db8::2 "
         "dual-host.net/2001:db8::3",
         0, ""},
        {"implicit.net", "implicit.net/2001:db8::9 implicit.net/192.0.2.9", 0,
         ""},
        {"v6.net", "", MQ_DEFERRED, "4.4.3"},
        {"c.test",
         "dual-host.net/2001:db8::1 dual-host.net/2001:db8::2 "
         "dual-host.net/2001:db8::3 dual-host.net/192.0.2.1 "
         "dual-host.net/192.0.2.2",
         0, ""},
        {"d.test", "2001:db8::8/2001:db8::8", 0, ""},
        {"e.test", "", MQ_DEFERRED, "4.4.3"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], settings);
}

/* A relay by SRV records: hosts, ports and whose name is proved; whatever is
 * wrong with them, mail waits, and the words say the name that was asked. */
static void test_services(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "smarthost.host=corp.test", "smarthost.uses_srv=true",
        "delivery.routes=name=i to=i.test relay=srv:corp.test tls=implicit\n"
        "name=e to=e.test relay=srv:else.test\n"
        "name=n to=n.test relay=srv:none.test\n"
        "name=f to=f.test relay=srv:fails.test\n"
        "name=o to=o.test relay=srv:off.test\n"
        "name=l to=l.test relay=srv:local.test",
        NULL};
    static const struct {
        const char *destination, *hops, *tls_name;
        unsigned port;
        const char *words;
    } rows[] = {
        {"any.test", "a.corp.test/192.0.2.61 b.corp.test/192.0.2.62",
         "b.corp.test", 2525, NULL},
        {"i.test", "a.corp.test/192.0.2.61", "a.corp.test", 465, NULL},
        {"e.test", "a.corp.test/192.0.2.61", "else.test", 587, NULL},
        {"n.test", "", "", 0, "_submission._tcp.none.test"},
        {"f.test", "", "", 0, "_submission._tcp.fails.test"},
        {"o.test", "", "", 0, "not offered"},
        {"l.test", "", "", 0, "no mail goes to"},
    };
    struct mm_config *config = test_config(settings);
    fake_open(NULL);
    fake_dns_srv("_submission._tcp.corp.test", 1, 0, 587, "a.corp.test");
    fake_dns_srv("_submission._tcp.corp.test", 2, 0, 2525, "b.corp.test");
    fake_dns_srv("_submissions._tcp.corp.test", 1, 0, 465, "a.corp.test");
    fake_dns_srv("_submission._tcp.else.test", 1, 0, 587, "a.corp.test");
    fake_dns_srv("_submission._tcp.off.test", 0, 0, 0, "");
    fake_dns_srv("_submission._tcp.local.test", 0, 0, 587, "local.test");
    fake_dns_error("_submission._tcp.fails.test", 0,
                   MAILMOD_ERROR_DNS_SERVFAIL);
    fake_dns_addresses("a.corp.test", "192.0.2.61");
    fake_dns_addresses("b.corp.test", "192.0.2.62");
    fake_dns_addresses("local.test", "127.0.0.1");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct walk walk;
        walk_to(&walk, rows[i].destination, config, 1);
        assert_string_equal(walk.hops, rows[i].hops);
        assert_string_equal(walk.last_tls_name, rows[i].tls_name);
        assert_int_equal(walk.last_port, rows[i].port);
        if (rows[i].words != NULL) {
            assert_int_equal(walk.dead_end.verdict, MQ_DEFERRED);
            assert_non_null(strstr(walk.dead_end.reply, rows[i].words));
        }
    }
    fake_close();
    mm_config_unref(&config);
}

/* Attack 70: whatever is wrong with the smarthost's name, mail waits. */
static void test_smarthost(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        const char *hops;
    } rows[] = {
        {"smarthost.host=relay.example.net", "relay.example.net/192.0.2.50"},
        /* S10: in the hosts file alone */
        {"smarthost.host=hosts-relay", "hosts-relay/192.0.2.51"},
        /* S07: by its A-labels, which a certificate has */
        {"smarthost.host=B\u00fccher.example",
         "xn--bcher-kva.example/192.0.2.52"},
        {"smarthost.host=here.example.org", "here.example.org/192.0.2.77"},
        {"smarthost.host=unknown.example.net", ""},
        {"smarthost.host=relay-fails.example.net", ""},
        {"smarthost.host=null.net", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *settings[] = {rows[i].setting, "smarthost.port=587", NULL};
        struct mm_config *config = test_config(settings);
        struct walk walk;
        fake_open(NULL);
        make_zone();
        walk_to(&walk, "order.net", config, 1);
        assert_string_equal(walk.hops, rows[i].hops);
        if (rows[i].hops[0] == '\0') {
            assert_int_equal(walk.dead_end.verdict, MQ_DEFERRED);
            assert_string_equal(walk.dead_end.status, "4.4.3");
        }
        fake_close();
        mm_config_unref(&config);
    }
}

/* Who may have the mail is asked before all others, if he is still a host. */
static void test_unsure_host_first(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        const char *destination;
        const char *first;
        const char *hops;
    } rows[] = {
        {NULL, "order.net", "",
         "a.net/192.0.2.1 b.net/192.0.2.2 c.net/192.0.2.3"},
        {NULL, "order.net", "C.net",
         "c.net/192.0.2.3 a.net/192.0.2.1 b.net/192.0.2.2"},
        {NULL, "order.net", "a.net",
         "a.net/192.0.2.1 b.net/192.0.2.2 c.net/192.0.2.3"},
        {NULL, "order.net", "gone.net",
         "a.net/192.0.2.1 b.net/192.0.2.2 c.net/192.0.2.3"},
        /* From our own place on the list ends, for him too. */
        {NULL, "self.net", "c.net", "a.net/192.0.2.1"},
        {"delivery.routes=name=a to=* relay=a.net:25,b.net:25 tls=off",
         "order.net", "b.net", "b.net/192.0.2.2 a.net/192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *settings[] = {rows[i].setting, NULL};
        struct mm_config *config = test_config(settings);
        struct walk walk;
        fake_open(NULL);
        make_zone();
        walk_by(&walk, rows[i].destination, config, 1, rows[i].first);
        assert_string_equal(walk.hops, rows[i].hops);
        assert_int_equal(walk.last_port, 25);
        fake_close();
        mm_config_unref(&config);
    }
}

/* Attack 68: equal preferences are spread, the order of others is kept. */
static void test_spread(void **state)
{
    (void)state;
    struct mm_config *config = test_config(NULL);
    unsigned first[4] = {0};
    fake_open(NULL);
    make_zone();
    fake_dns_mx("equal.net", "10 a.net, 10 b.net, 10 c.net, 20 d.net");
    fake_dns_addresses("d.net", "192.0.2.4");
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct walk walk;
        walk_to(&walk, "equal.net", config, seed * 7919);
        assert_int_equal(walk.count, 4);
        first[walk.hops[0] - 'a']++;
        assert_non_null(strstr(walk.hops, " d.net/192.0.2.4"));
    }
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(first[i], 880, 1120);
    }
    assert_int_equal(first[3], 0);
    fake_close();
    mm_config_unref(&config);
}

/* Attack 68: of very many hosts the best are kept. */
static void test_many_hosts(void **state)
{
    (void)state;
    struct mm_config *config = test_config(NULL);
    char records[4096] = "";
    fake_open(NULL);
    for (unsigned i = 0; i < 60; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s%u h%u.net", i > 0 ? ", " : "", 100 - i,
                 i);
        strcat(records, text);
    }
    fake_dns_mx("many.net", records);
    for (unsigned i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%u.net", i);
        fake_dns_addresses(name, "192.0.2.1");
    }
    struct walk walk;
    walk_to(&walk, "many.net", config, 1);
    assert_int_equal(walk.count, 32);
    assert_memory_equal(walk.hops, "h59.net/", 8);
    fake_close();
    mm_config_unref(&config);
}

/* Attack 71: a route that ends while its queries are open. */
static void test_freed_while_asking(void **state)
{
    (void)state;
    struct mm_config *config = test_config(NULL);
    struct walk walk;
    memset(&walk, 0, sizeof walk);
    fake_open(NULL);
    make_zone();
    for (uint64_t run_ms = 0; run_ms < 3; run_ms++) {
        struct mm_route_options options = {.config = config,
                                           .destination = "order.net",
                                           .on_hop = on_hop,
                                           .context = &walk};
        struct mm_route *route = NULL;
        assert_int_equal(mm_route_new(&route, &options), MAILMOD_OK);
        mm_route_next(route);
        fake_run(run_ms > 1 ? 1 : 0);
        mm_route_free(&route);
        fake_run(10000);
        assert_int_equal(walk.count, 0);
    }
    fake_close();
    mm_config_unref(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_D15_refused_networks),
        cmocka_unit_test(test_without_ipv6),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_smarthost),
        cmocka_unit_test(test_unsure_host_first),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_many_hosts),
        cmocka_unit_test(test_freed_while_asking)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
