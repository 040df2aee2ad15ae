/* test_resolver.c - look-ups against a name server in this process. */
#include "nameserver.h"
#include "straight_way.h"

#include "base/limits.h"
#include "platform/net.h"

/* ---- asking
 * ------------------------------------------------------------------ */

struct lookup {
    struct mm_query *query;
    const char *name;
    enum mm_netaddr_family family;
    enum mailmod_error begun;
    enum mailmod_error error;
    struct mm_mx hosts[MM_LIMIT_MX_HOSTS];
    struct mm_netaddr addresses[MM_LIMIT_HOST_ADDRESSES];
    size_t count;
    char text[256];
    int told;
    bool is_inside;
    bool is_done;
    bool frees_resolver;
    bool is_authenticated;
};

static struct nameserver nameserver;
static struct mm_loop *loop;
static struct mm_resolver *resolver;

static void finish(struct lookup *lookup, enum mailmod_error error,
                   size_t count)
{
    assert_false(lookup->is_inside);
    assert_true(mm_loop_is_current(loop));
    lookup->error = error;
    lookup->count = count;
    lookup->told++;
    mm_query_cancel(&lookup->query); /* harmless on the one being told */
    if (lookup->frees_resolver) {
        mm_resolver_free(&resolver);
    }
    set_flag(&lookup->is_done);
}

static void on_mx(void *context, enum mailmod_error error,
                  const struct mm_mx *records, size_t count)
{
    struct lookup *lookup = context;
    assert_true(count <= MM_LIMIT_MX_HOSTS);
    if (count > 0) {
        memcpy(lookup->hosts, records, count * sizeof *records);
    }
    finish(lookup, error, count);
}

static void on_addresses(void *context, enum mailmod_error error,
                         const struct mm_netaddr *addresses, size_t count)
{
    struct lookup *lookup = context;
    assert_true(count <= MM_LIMIT_HOST_ADDRESSES);
    if (count > 0) {
        memcpy(lookup->addresses, addresses, count * sizeof *addresses);
    }
    finish(lookup, error, count);
}

static void on_text(void *context, enum mailmod_error error,
                    struct mm_span text)
{
    struct lookup *lookup = context;
    assert_true(mm_span_copy(text, lookup->text, sizeof lookup->text));
    finish(lookup, error, text.size > 0 ? 1 : 0);
}

static void run_mx(void *context)
{
    struct lookup *lookup = context;
    lookup->is_inside = true;
    lookup->begun =
        mm_resolve_mx(resolver, lookup->name, on_mx, lookup, &lookup->query);
    lookup->is_inside = false;
}

static void run_addresses(void *context)
{
    struct lookup *lookup = context;
    lookup->is_inside = true;
    lookup->begun = mm_resolve_addresses(resolver, lookup->name, lookup->family,
                                         on_addresses, lookup, &lookup->query);
    lookup->is_inside = false;
}

static void on_records(void *context, enum mailmod_error error,
                       struct mm_span answer, bool is_authenticated)
{
    struct lookup *lookup = context;
    lookup->is_authenticated = is_authenticated;
    finish(lookup, error, answer.size);
}

static void run_records(void *context)
{
    struct lookup *lookup = context;
    lookup->is_inside = true;
    lookup->begun = mm_resolve_records(resolver, lookup->name, TYPE_TXT,
                                       on_records, lookup, &lookup->query);
    lookup->is_inside = false;
}

static void run_host(void *context)
{
    struct lookup *lookup = context;
    lookup->is_inside = true;
    lookup->begun = mm_resolve_host(resolver, lookup->name, lookup->family,
                                    on_addresses, lookup, &lookup->query);
    lookup->is_inside = false;
}

static void run_text(void *context)
{
    struct lookup *lookup = context;
    lookup->is_inside = true;
    lookup->begun = mm_resolve_text(resolver, lookup->name, on_text, lookup,
                                    &lookup->query);
    lookup->is_inside = false;
}

static void ask(struct lookup *lookup, void (*run)(void *), const char *name)
{
    memset(lookup, 0, sizeof *lookup);
    lookup->name = name;
    lookup->family = MM_NETADDR_V4;
    on_loop(loop, run, lookup);
    assert_int_equal(lookup->begun, MAILMOD_OK);
    wait_flag(&lookup->is_done);
    assert_int_equal(lookup->told, 1);
}

static void run_new(void *context)
{
    char servers[64];
    snprintf(servers, sizeof servers, " 127.0.0.1:%u ", nameserver.port);
    struct mm_resolver_options options = {.servers = servers,
                                          .timeout_ms = 500,
                                          .tries = 2,
                                          .way = by_way.is_used ? &way : NULL};
    *(enum mailmod_error *)context = mm_resolver_new(&resolver, loop, &options);
}

static void run_free(void *context)
{
    (void)context;
    mm_resolver_free(&resolver);
}

static int set_up(void **state)
{
    (void)state;
    enum mailmod_error error;
    nameserver_begin(&nameserver);
    loop = loop_begin();
    on_loop(loop, run_new, &error);
    return error == MAILMOD_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    if (loop != NULL) {
        on_loop(loop, run_free, NULL);
        loop_end(&loop);
    }
    nameserver_end(&nameserver);
    return 0;
}

static int set_up_by_way(void **state)
{
    memset(&by_way, 0, sizeof by_way);
    by_way.is_used = true;
    return set_up(state);
}

/* Nothing is left of it. */
static int tear_down_by_way(void **state)
{
    int result = tear_down(state);
    bool is_clean = by_way.references == 0 && by_way.started == by_way.stopped;
    by_way.is_used = false;
    return is_clean ? result : -1;
}

/* ---- tests
 * --------------------------------------------------------------------- */

static void test_mx(void **state)
{
    (void)state;
    struct lookup lookup;
    ask(&lookup, run_mx, "ok.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_int_equal(lookup.count, 2);
    assert_string_equal(lookup.hosts[0].host, "mx.example");
    assert_int_equal(lookup.hosts[0].preference, 10);
    assert_string_equal(lookup.hosts[1].host, "two.example");
    ask(&lookup, run_mx, "nullmx.example.");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_int_equal(lookup.count, 1);
    assert_string_equal(lookup.hosts[0].host, "");
    ask(&lookup, run_mx, "badmx.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_int_equal(lookup.count, 2);
    assert_string_equal(lookup.hosts[0].host, "mx.example");
    /* Truncated over UDP, 100 records over TCP: the best ones stay. */
    ask(&lookup, run_mx, "many.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_int_equal(lookup.count, MM_LIMIT_MX_HOSTS);
    assert_int_equal(lookup.hosts[0].preference, 1);
    assert_int_equal(lookup.hosts[MM_LIMIT_MX_HOSTS - 1].preference,
                     MM_LIMIT_MX_HOSTS);
}

static void test_faults(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum mailmod_error error;
    } table[] = {
        {"nx.example", MAILMOD_ERROR_DNS_NO_NAME},
        {"nodata.example", MAILMOD_ERROR_DNS_NO_DATA},
        {"servfail.example", MAILMOD_ERROR_DNS_SERVFAIL},
        {"refused.example", MAILMOD_ERROR_DNS_REFUSED},
        {"formerr.example", MAILMOD_ERROR_DNS},
        {"silent.example", MAILMOD_ERROR_TIMEOUT},
        {"question.example", MAILMOD_ERROR_TIMEOUT},
        {"garbage.example", MAILMOD_ERROR_DNS},
    };
    static const struct {
        const char *name;
        enum mailmod_error error;
    } mx_table[] = {
        {"loop.example", MAILMOD_ERROR_DNS},
        {"short.example", MAILMOD_ERROR_DNS},
        {"allbad.example", MAILMOD_ERROR_DNS},
    };
    struct lookup lookup;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ask(&lookup, run_mx, table[i].name);
        if (lookup.error != table[i].error || lookup.count != 0) {
            fail_msg("MX of %s: %d", table[i].name, lookup.error);
        }
        ask(&lookup, run_addresses, table[i].name);
        if (lookup.error != table[i].error || lookup.count != 0) {
            fail_msg("A of %s: %d", table[i].name, lookup.error);
        }
    }
    for (size_t i = 0; i < sizeof mx_table / sizeof mx_table[0]; i++) {
        ask(&lookup, run_mx, mx_table[i].name);
        if (lookup.error != mx_table[i].error || lookup.count != 0) {
            fail_msg("MX of %s: %d", mx_table[i].name, lookup.error);
        }
    }
}

static void expect_address(const struct lookup *lookup, size_t count,
                           const char *text)
{
    char first[MM_NETADDR_TEXT_MAX];
    assert_int_equal(lookup->error, MAILMOD_OK);
    assert_int_equal(lookup->count, count);
    mm_netaddr_format_ip(&lookup->addresses[0], first);
    assert_string_equal(first, text);
}

static void run_v6(void *context)
{
    ((struct lookup *)context)->family = MM_NETADDR_V6;
    run_addresses(context);
}

static void test_addresses(void **state)
{
    (void)state;
    struct lookup lookup;
    ask(&lookup, run_addresses, "ok.example");
    expect_address(&lookup, 2, "192.0.2.1");
    ask(&lookup, run_v6, "ok.example");
    expect_address(&lookup, 1, "2001:db8::7");
    ask(&lookup, run_addresses, "cname.example");
    expect_address(&lookup, 1, "192.0.2.77");
    ask(&lookup, run_addresses, "crowd.example");
    expect_address(&lookup, MM_LIMIT_HOST_ADDRESSES, "192.0.2.1");
    ask(&lookup, run_addresses, "wrongid.example");
    expect_address(&lookup, 2, "192.0.2.1");
    char second[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format_ip(&lookup.addresses[1], second);
    assert_string_equal(second, "192.0.2.2"); /* not the forged one */
}

static void test_known_addresses(void **state)
{
    (void)state;
    struct lookup lookup;
    ask(&lookup, run_addresses, "LOCALHOST.");
    expect_address(&lookup, 1, "127.0.0.1");
    ask(&lookup, run_v6, "mail.localhost");
    expect_address(&lookup, 1, "::1");
    ask(&lookup, run_addresses, "192.0.2.99");
    expect_address(&lookup, 1, "192.0.2.99");
    ask(&lookup, run_v6, "192.0.2.99");
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS_NO_DATA);
}

static void test_text(void **state)
{
    (void)state;
    struct lookup lookup;
    ask(&lookup, run_text, "2.0.0.127.list.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_string_equal(lookup.text, "hello world\n");
    ask(&lookup, run_text, "nx.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS_NO_NAME);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        ".",
        "a..b",
        ".a",
        "a b",
        "a\\.b",
        "a\nb",
        "\xc3\xbc..example",
        "0123456789012345678901234567890123456789012345678901234567890123.a"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct lookup lookup = {.name = names[i], .family = MM_NETADDR_V4};
        on_loop(loop, run_mx, &lookup);
        assert_int_equal(lookup.begun, MAILMOD_ERROR_SYNTAX);
        on_loop(loop, run_addresses, &lookup);
        assert_int_equal(lookup.begun, MAILMOD_ERROR_SYNTAX);
        on_loop(loop, run_text, &lookup);
        assert_int_equal(lookup.begun, MAILMOD_ERROR_SYNTAX);
        assert_null(lookup.query);
    }
}

#define MANY 200

static struct lookup many[MANY];

static void run_many(void *context)
{
    static const char *const names[] = {"ok.example", "silent.example",
                                        "servfail.example", "localhost"};
    (void)context;
    memset(many, 0, sizeof many);
    for (size_t i = 0; i < MANY; i++) {
        many[i].name = names[i % 4];
        many[i].family = MM_NETADDR_V4;
        run_addresses(&many[i]);
        assert_int_equal(many[i].begun, MAILMOD_OK);
    }
}

static void run_many_and_cancel(void *context)
{
    run_many(context);
    for (size_t i = 0; i < MANY; i += 2) {
        mm_query_cancel(&many[i].query);
        assert_null(many[i].query);
    }
}

static void test_cancel(void **state)
{
    (void)state;
    on_loop(loop, run_many_and_cancel, NULL);
    for (size_t i = 1; i < MANY; i += 2) {
        wait_flag(&many[i].is_done);
    }
    struct lookup lookup;
    ask(&lookup, run_addresses, "silent.example"); /* as long as the others */
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(many[i].told, (int)(i % 2));
    }
}

static void run_many_and_free(void *context)
{
    run_many(context);
    mm_resolver_free(&resolver);
}

static void check_none_told(void)
{
    sleep_ms(100);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(many[i].told, 0);
    }
}

static void test_free_with_open_queries(void **state)
{
    (void)state;
    enum mailmod_error error;
    on_loop(loop, run_many_and_free, NULL);
    check_none_told();
    on_loop(loop, run_new, &error);
    assert_int_equal(error, MAILMOD_OK);
    on_loop(loop, run_many, NULL);
    sleep_ms(50); /* some are answered, some are not */
    on_loop(loop, run_free, NULL);
    on_loop(loop, run_new, &error);
    assert_int_equal(error, MAILMOD_OK);
}

static void run_freeing(void *context)
{
    run_many(context);
    many[0].frees_resolver = true;
}

static void test_free_in_callback(void **state)
{
    (void)state;
    enum mailmod_error error;
    on_loop(loop, run_freeing, NULL);
    wait_flag(&many[0].is_done);
    on_loop(loop, run_new, &error);
    assert_int_equal(error, MAILMOD_OK);
}

static void run_bad_servers(void *context)
{
    static const char *const texts[] = {"nonsense", "192.0.2.1:53,,",
                                        "1.2.3.4:", "[192.0.2.1]:53 x",
                                        "[1.2.3.4]"};
    (void)context;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct mm_resolver *other;
        struct mm_resolver_options options = {
            .servers = texts[i], .timeout_ms = 100, .tries = 1};
        assert_int_equal(mm_resolver_new(&other, loop, &options),
                         MAILMOD_ERROR_SYNTAX);
        assert_null(other);
    }
    static const char *const good[] = {"", "192.0.2.1", "192.0.2.1:53, ::1",
                                       "[2001:db8::1], [::1]:5353"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct mm_resolver *other;
        struct mm_resolver_options options = {
            .servers = good[i], .timeout_ms = 100, .tries = 1};
        assert_int_equal(mm_resolver_new(&other, loop, &options), MAILMOD_OK);
        mm_resolver_free(&other);
    }
}

static void set_options(const char *servers, bool validates,
                        const char *servers_file, const char *hosts_file)
{
    struct mm_resolver_options options = {.servers = servers,
                                          .timeout_ms = 500,
                                          .tries = 2,
                                          .validates = validates,
                                          .servers_file = servers_file,
                                          .hosts_file = hosts_file};
    assert_int_equal(mm_resolver_set_options(resolver, &options), MAILMOD_OK);
}

static const char *own_servers(void)
{
    static char servers[64];
    snprintf(servers, sizeof servers, "127.0.0.1:%u", nameserver.port);
    return servers;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* R21: AD is asked for, and believed of servers that are named alone. */
static void test_records(void **state)
{
    struct lookup lookup;
    (void)state;
    set_options(own_servers(), false, NULL, NULL);
    ask(&lookup, run_records, "signed.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_true(lookup.count > 12);
    assert_false(lookup.is_authenticated);
    set_options(own_servers(), true, NULL, NULL);
    ask(&lookup, run_mx, "ok.example"); /* the options come with a question */
    ask(&lookup, run_records, "signed.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_true(lookup.is_authenticated);
    ask(&lookup, run_records, "ok.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_false(lookup.is_authenticated);
    ask(&lookup, run_records, "nx.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS_NO_NAME);
    ask(&lookup, run_records, "servfail.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS_SERVFAIL);
    ask(&lookup, run_records, "silent.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_TIMEOUT);
    set_options(own_servers(), false, NULL, NULL);
}

/* S07: a name of other letters goes out by its A-label. */
static void test_S07_a_labels(void **state)
{
    struct lookup lookup;
    (void)state;
    ask(&lookup, run_mx,
        "b\xc3\xbc"
        "cher.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    assert_int_equal(lookup.count, 2);
}

/* S28: as many questions as the options say, and no wait grows. */
static void test_S28_dead_server(void **state)
{
    struct lookup lookup;
    (void)state;
    set_options(own_servers(), false, NULL, NULL);
    unsigned before = atomic_load(&silences);
    ask(&lookup, run_mx, "silent.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_TIMEOUT);
    assert_int_equal(atomic_load(&silences) - before, 2);
}

/* S10: the hosts file, for hosts that the operator named. */
static void test_S10_hosts_file(void **state)
{
    static const char path[] = "test_resolver_hosts";
    struct lookup lookup;
    (void)state;
    write_file(path, "# 192.0.2.9 relay.example\n"
                     "nonsense relay.example\r\n"
                     "192.0.2.33\tother Relay.example. # 1\r\n"
                     "2001:db8::33 relay.example\n"
                     "192.0.2.34 relay.example\n"
                     "192.0.2.35 only4.example");
    set_options(own_servers(), false, NULL, path);
    ask(&lookup, run_mx, "ok.example"); /* the options come with a question */
    ask(&lookup, run_host, "relay.EXAMPLE");
    expect_address(&lookup, 2, "192.0.2.33");
    memset(&lookup, 0, sizeof lookup);
    ask(&lookup, run_host, "only4.example");
    expect_address(&lookup, 1, "192.0.2.35");
    /* not half here and half in the DNS */
    lookup = (struct lookup){.name = "only4.example", .family = MM_NETADDR_V6};
    on_loop(loop, run_host, &lookup);
    wait_flag(&lookup.is_done);
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS_NO_DATA);
    /* the DNS for what the file does not know, and for all others */
    ask(&lookup, run_host, "ok.example");
    expect_address(&lookup, 2, "192.0.2.1");
    ask(&lookup, run_addresses, "relay.example");
    expect_address(&lookup, 2, "192.0.2.1");
    assert_int_equal(remove(path), 0);
    ask(&lookup, run_host, "relay.example");
    expect_address(&lookup, 2, "192.0.2.1");
    set_options(own_servers(), false, NULL, NULL);
}

/* S09: the list of servers changes under a running program. A line of it has
 * no port, so a server must stand on 53: who may not open that skips. */
static void test_S09_servers_followed(void **state)
{
    static const char path[] = "test_resolver_servers";
    static struct nameserver other;
    struct lookup lookup;
    struct lookup open;
    (void)state;
    if (mm_net_servers_stamp("no such file") != 0) {
        skip(); /* the system has no such file, and c-ares reads none */
    }
    if (!nameserver_try(&other, "127.0.0.83", 53)) {
        skip();
    }
    write_file(path, "nameserver 127.0.0.84\n");
    set_options("", false, path, NULL);
    ask(&lookup, run_mx, "ok.example");
    assert_int_not_equal(lookup.error, MAILMOD_OK);
    write_file(path, "nameserver 127.0.0.83\n");
    for (int i = 0; i < 200 && lookup.error != MAILMOD_OK; i++) {
        sleep_ms(50);
        ask(&lookup, run_mx, "ok.example");
    }
    assert_int_equal(lookup.error, MAILMOD_OK);
    /* What is open finishes where it began. */
    open = (struct lookup){.name = "silent.example"};
    on_loop(loop, run_mx, &open);
    set_options(own_servers(), false, NULL, NULL);
    ask(&lookup, run_mx, "ok.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    wait_flag(&open.is_done);
    assert_int_equal(open.error, MAILMOD_ERROR_TIMEOUT);
    assert_int_equal(remove(path), 0);
    nameserver_end(&other);
}

static void test_servers(void **state)
{
    (void)state;
    on_loop(loop, run_bad_servers, NULL);
}

/* Last: it stops the loop. */
static void test_stop_with_open_queries(void **state)
{
    (void)state;
    on_loop(loop, run_many, NULL);
    mm_loop_stop(loop);
    int told = 0;
    for (size_t i = 0; i < MANY; i++) {
        assert_true(many[i].told == 1);
        told += many[i].error == MAILMOD_ERROR_CANCELLED;
    }
    assert_true(told > 0);
    struct lookup late = {.name = "ok.example"};
    run_mx(&late);
    assert_int_equal(late.begun, MAILMOD_ERROR_STOPPED);
    mm_resolver_free(&resolver);
    mm_loop_free(&loop);
}

/* What closes without a word, what nobody opens: an error, and later on all is
 * well again. */
static void test_broken_way(void **state)
{
    struct lookup lookup;
    (void)state;
    ask(&lookup, run_mx, "silent.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_CLOSED);
    by_way.is_broken = true;
    ask(&lookup, run_mx, "ok.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_PROXY);
    by_way.is_broken = false;
    ask(&lookup, run_mx, "ok.example");
    assert_int_equal(lookup.error, MAILMOD_OK);
    ask(&lookup, run_mx, "nx.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS_NO_NAME);
    ask(&lookup, run_mx, "servfail.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS_SERVFAIL);
    ask(&lookup, run_mx, "garbage.example");
    assert_int_equal(lookup.error, MAILMOD_ERROR_DNS);
}

/* The system's servers are not asked for: a way needs names of its own. */
static void run_without_servers(void *context)
{
    struct mm_resolver *none = NULL;
    const struct mm_resolver_options options = {.servers = "", .way = &way};
    *(enum mailmod_error *)context = mm_resolver_new(&none, loop, &options);
    assert_null(none);
}

static void test_way_without_servers(void **state)
{
    enum mailmod_error error;
    (void)state;
    on_loop(loop, run_without_servers, &error);
    assert_int_equal(error, MAILMOD_ERROR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mx),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_known_addresses),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_free_with_open_queries),
        cmocka_unit_test(test_free_in_callback),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_S07_a_labels),
        cmocka_unit_test(test_S28_dead_server),
        cmocka_unit_test(test_S10_hosts_file),
        cmocka_unit_test(test_S09_servers_followed),
        cmocka_unit_test(test_stop_with_open_queries),
    };
    const struct CMUnitTest by_way_tests[] = {
        cmocka_unit_test(test_mx),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_broken_way),
        cmocka_unit_test(test_way_without_servers),
        cmocka_unit_test(test_free_with_open_queries),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_S07_a_labels),
        cmocka_unit_test(test_stop_with_open_queries),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    return failed + cmocka_run_group_tests(by_way_tests, set_up_by_way,
                                           tear_down_by_way);
}
