/* test_mail_hosts.c - the hosts that take a domain's mail, all at once. */
#include "client/mail_hosts.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

struct find {
    struct mm_host_search search;
    unsigned done;
    char text[8192]; /* "10 a.net 192.0.2.1, 20 b.net" */
};

static void add(struct find *find, const char *text)
{
    size_t used = strlen(find->text);
    snprintf(find->text + used, sizeof find->text - used, "%s", text);
}

static void on_done(struct mm_host_search *search)
{
    struct find *find = MM_LIST_OBJECT(search, struct find, search);
    find->done++;
    for (size_t i = 0; i < search->host_count; i++) {
        const struct mm_mail_host *host = &search->hosts[i];
        char number[16];
        snprintf(number, sizeof number, "%u ", host->preference);
        add(find, i == 0 ? "" : ", ");
        add(find, number);
        add(find, host->name);
        for (size_t j = 0; j < host->addresses.count; j++) {
            char address[MM_NETADDR_TEXT_MAX];
            mm_netaddr_format_ip(&host->addresses.items[j], address);
            add(find, " ");
            add(find, address);
        }
    }
}

static struct find *begin(struct rig *rig, const char *domain)
{
    struct find *find = mm_alloc(sizeof *find);
    assert_non_null(find);
    assert_true(mm_span_copy(mm_span_cstr(domain), find->search.domain,
                             sizeof find->search.domain));
    find->search.on_done = on_done;
    mm_outbound_find_hosts(rig->outbound, &find->search);
    return find;
}

static void make_zone(void)
{
    fake_dns_mx("order.net", "20 b.net, 10 a.net, 20 a2.net, 10 none.net");
    fake_dns_addresses("a.net", "192.0.2.1, 2001:db8::1, 192.0.2.11");
    fake_dns_addresses("a2.net", "192.0.2.2");
    fake_dns_addresses("b.net", "192.0.2.3, 0.0.0.0");
    fake_dns_mx("null.net", "0 .");
    fake_dns_mx("null-too.net", "0 ., 10 a2.net");
    fake_dns_addresses("implicit.net", "192.0.2.9, 2001:db8::9");
    fake_dns_addresses("bare.net", "");
    fake_dns_addresses("half-bare.net", "");
    fake_dns_error("half-bare.net", '6', MAILMOD_ERROR_TIMEOUT);
    fake_dns_mx("ip-only.net", "10 192.0.2.5");
    fake_dns_error("servfail.net", 0, MAILMOD_ERROR_DNS);
    fake_dns_error("silent.net", 'M', MAILMOD_ERROR_TIMEOUT);
    fake_dns_mx("half.net", "10 half-host.net");
    fake_dns_addresses("half-host.net", "192.0.2.7");
    fake_dns_error("half-host.net", '6', MAILMOD_ERROR_DNS);
    fake_dns_mx("own.net", "10 here.example.org");
    fake_dns_addresses("here.example.org", "127.0.0.1");
}

static void test_results(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        enum mailmod_error error;
        const char *hosts;
    } rows[] = {
        {"order.net", MAILMOD_OK,
         "10 a.net 2001:db8::1 192.0.2.1 192.0.2.11, 10 none.net, "
         "20 b.net 192.0.2.3, 20 a2.net 192.0.2.2"},
        {"null.net", MAILMOD_ERROR_DNS_NULL_MX, ""},
        {"null-too.net", MAILMOD_OK, "10 a2.net 192.0.2.2"},
        {"implicit.net", MAILMOD_OK, "0 implicit.net 2001:db8::9 192.0.2.9"},
        {"unknown.net", MAILMOD_ERROR_DNS_NO_NAME, ""},
        {"bare.net", MAILMOD_ERROR_DNS_NO_DATA, ""},
        {"half-bare.net", MAILMOD_ERROR_TIMEOUT, ""},
        {"ip-only.net", MAILMOD_ERROR_DNS_NO_DATA, ""},
        {"servfail.net", MAILMOD_ERROR_DNS, ""},
        {"silent.net", MAILMOD_ERROR_TIMEOUT, ""},
        {"half.net", MAILMOD_OK, "10 half-host.net 192.0.2.7"},
        /* Ourselves too: it is a question about the domain, not a route. */
        {"own.net", MAILMOD_OK, "10 here.example.org 127.0.0.1"},
    };
    static const char *const settings[] = {"delivery.uses_ipv6=false", NULL};
    struct rig rig;
    rig_open(&rig, settings);
    make_zone();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct find *find = begin(&rig, rows[i].domain);
        assert_int_equal(find->done, 0);
        fake_run(1000);
        assert_int_equal(find->done, 1);
        if (find->search.error != rows[i].error ||
            strcmp(find->text, rows[i].hosts) != 0) {
            fail_msg("%s: %d %s", rows[i].domain, find->search.error,
                     find->text);
        }
        mm_free(find);
    }
    assert_int_equal(mm_outbound_busy(rig.outbound), 0);
    rig_close(&rig);
}

/* The best of too many, in the server's order. */
static void test_many_hosts(void **state)
{
    (void)state;
    char records[4096] = "";
    char name[32];
    struct rig rig;
    rig_open(&rig, NULL);
    for (int i = 0; i < 60; i++) {
        size_t used = strlen(records);
        snprintf(records + used, sizeof records - used, "%s%d h%d.net",
                 i > 0 ? ", " : "", i < 20 ? 30 : 10, i);
    }
    fake_dns_mx("many.net", records);
    struct find *find = begin(&rig, "many.net");
    fake_run(1000);
    assert_int_equal(find->search.error, MAILMOD_OK);
    assert_int_equal(find->search.host_count, MM_LIMIT_MX_HOSTS);
    for (int i = 0; i < MM_LIMIT_MX_HOSTS; i++) {
        snprintf(name, sizeof name, "h%d.net", i + 20);
        assert_string_equal(find->search.hosts[i].name, name);
    }
    mm_free(find);
    rig_close(&rig);
}

/* At each of its two questions, and before the first. */
static void test_stop(void **state)
{
    (void)state;
    for (uint64_t run_ms = 0; run_ms < 3; run_ms++) {
        struct rig rig;
        rig_open(&rig, NULL);
        make_zone();
        struct find *find = begin(&rig, "order.net");
        if (run_ms > 0) {
            fake_run(run_ms - 1);
        }
        assert_int_equal(mm_outbound_busy(rig.outbound), 1);
        mm_outbound_stop(rig.outbound);
        fake_run(0);
        assert_int_equal(find->done, 1);
        assert_int_equal(find->search.error, MAILMOD_ERROR_STOPPED);
        assert_int_equal(find->search.host_count, 0);
        assert_int_equal(mm_outbound_busy(rig.outbound), 0);
        fake_run(1000); /* answers that nobody waits for */
        assert_int_equal(find->done, 1);
        mm_free(find);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_many_hosts),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
