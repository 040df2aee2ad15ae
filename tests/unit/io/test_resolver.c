/* test_resolver.c - look-ups against a name server in this process.
 *
 * The server is a thread with one UDP and one TCP socket on 127.0.0.1; the
 * first label of the asked name says how it misbehaves. */
#include "helpers.h"

#include "base/limits.h"

#include <poll.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_MX = 15, TYPE_TXT = 16 };
enum { TYPE_AAAA = 28 };

struct nameserver {
    pthread_t thread;
    int udp;
    int tcp;
    int stop[2];
    uint16_t port;
};

struct packet {
    uint8_t bytes[8192];
    size_t size;
};

static void put16(struct packet *packet, unsigned value)
{
    packet->bytes[packet->size++] = (uint8_t)(value >> 8);
    packet->bytes[packet->size++] = (uint8_t)value;
}

static void put_bytes(struct packet *packet, const void *bytes, size_t size)
{
    memcpy(packet->bytes + packet->size, bytes, size);
    packet->size += size;
}

/* Record with the question's name as its owner. */
static void put_record(struct packet *packet, unsigned type, const void *data,
                       size_t size)
{
    put16(packet, 0xc00c);
    put16(packet, type);
    put16(packet, 1);
    put16(packet, 0);
    put16(packet, 60);
    put16(packet, (unsigned)size);
    put_bytes(packet, data, size);
    packet->bytes[7]++;
}

/* `host` as wire labels with their final NUL. */
static void put_mx(struct packet *packet, unsigned preference, const char *host,
                   size_t size)
{
    uint8_t data[300];
    data[0] = (uint8_t)(preference >> 8);
    data[1] = (uint8_t)preference;
    memcpy(data + 2, host, size);
    put_record(packet, TYPE_MX, data, size + 2);
}

static void answer_mx(struct packet *packet, const char *label, bool is_tcp)
{
    static const char good[] = "\x02mX\x07"
                               "EXAMPLE";
    static const char second[] = "\x03two\x07"
                                 "example";
    static const char space[] = "\x04"
                                "a b\x01\x07"
                                "example";
    if (strcmp(label, "nullmx") == 0) {
        put_mx(packet, 0, "", 1);
    } else if (strcmp(label, "badmx") == 0) {
        put_mx(packet, 5, space, sizeof space);
        put_mx(packet, 20, second, sizeof second);
        put_mx(packet, 10, good, sizeof good);
    } else if (strcmp(label, "allbad") == 0) {
        put_mx(packet, 5, space, sizeof space);
    } else if (strcmp(label, "loop") == 0) {
        uint8_t self[2] = {(uint8_t)(0xc0 | ((packet->size + 14) >> 8)),
                           (uint8_t)(packet->size + 14)};
        put_mx(packet, 5, (const char *)self, 2);
    } else if (strcmp(label, "short") == 0) {
        put_mx(packet, 5, good, sizeof good);
        packet->size -= 4;
    } else if (strcmp(label, "many") == 0) {
        if (!is_tcp) {
            packet->bytes[2] |= 2; /* TC */
            return;
        }
        for (unsigned i = 100; i > 0; i--) {
            put_mx(packet, i, good, sizeof good);
        }
    } else if (strcmp(label, "nodata") != 0) {
        put_mx(packet, 20, second, sizeof second);
        put_mx(packet, 10, good, sizeof good);
    }
}

static void answer_address(struct packet *packet, const char *label,
                           unsigned type)
{
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
    static const char real[] = "\x04real\x07"
                               "example";
    if (strcmp(label, "cname") == 0) {
        put_record(packet, TYPE_CNAME, real, sizeof real);
        size_t at = packet->size;
        put_bytes(packet, real, sizeof real);
        uint8_t rest[] = {0, TYPE_A, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 77};
        put_bytes(packet, rest, sizeof rest);
        packet->bytes[7]++;
        (void)at;
        return;
    }
    unsigned count = strcmp(label, "crowd") == 0 ? 28 : 2;
    for (unsigned i = 0; i < count; i++) {
        uint8_t v4[4] = {192, 0, 2, (uint8_t)(i + 1)};
        if (type == TYPE_A) {
            put_record(packet, TYPE_A, v4, 4);
        } else if (i == 0) {
            put_record(packet, TYPE_AAAA, v6, 16);
        }
    }
}

/* Builds the answer; false for silence. */
static bool answer(const uint8_t *query, size_t size, bool is_tcp,
                   struct packet *packet, char label[64])
{
    size_t length = size > 12 ? query[12] : 0;
    if (size < 18 || length > 63 || 13 + length > size) {
        return false;
    }
    memcpy(label, query + 13, length);
    label[length] = '\0';
    memset(packet->bytes, 0, 12);
    memcpy(packet->bytes, query, 2);
    packet->bytes[2] = 0x81;
    packet->bytes[3] = 0x80;
    packet->bytes[5] = 1;
    packet->size = 12;
    size_t end = 12;
    while (end < size && query[end] != 0) {
        end += query[end] + 1u;
    }
    put_bytes(packet, query + 12, end + 5 - 12);
    unsigned type = (unsigned)(query[end + 1] << 8 | query[end + 2]);
    if (strcmp(label, "silent") == 0) {
        return false;
    }
    if (strcmp(label, "nx") == 0) {
        packet->bytes[3] |= 3;
    } else if (strcmp(label, "servfail") == 0) {
        packet->bytes[3] |= 2;
    } else if (strcmp(label, "refused") == 0) {
        packet->bytes[3] |= 5;
    } else if (strcmp(label, "formerr") == 0) {
        packet->bytes[3] |= 1;
    } else if (strcmp(label, "garbage") == 0) {
        packet->bytes[7] = 200;
        memset(packet->bytes + packet->size, 0xff, 100);
        packet->size += 100;
    } else if (type == TYPE_MX) {
        answer_mx(packet, label, is_tcp);
    } else if (type == TYPE_TXT) {
        put_record(packet, TYPE_TXT, "\x05hello\x07 world\n", 14);
        put_record(packet, TYPE_TXT, "\x05other", 6);
    } else if (strcmp(label, "nodata") != 0) {
        answer_address(packet, label, type);
    }
    return true;
}

static void serve_udp(int fd)
{
    uint8_t query[1024];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    struct packet packet;
    char label[64];
    ssize_t size =
        recvfrom(fd, query, sizeof query, 0, (struct sockaddr *)&from, &length);
    if (size <= 0 || !answer(query, (size_t)size, false, &packet, label)) {
        return;
    }
    if (strcmp(label, "wrongid") == 0) {
        packet.bytes[0] ^= 0x55;
        packet.bytes[packet.size - 1] = 66;
        sendto(fd, packet.bytes, packet.size, 0, (struct sockaddr *)&from,
               length);
        packet.bytes[0] ^= 0x55;
        packet.bytes[packet.size - 1] = 2;
    }
    if (strcmp(label, "question") == 0) {
        packet.bytes[13] ^= 1; /* an answer to another question */
    }
    sendto(fd, packet.bytes, packet.size, 0, (struct sockaddr *)&from, length);
}

static void serve_tcp(int listener)
{
    uint8_t query[1024];
    struct packet packet;
    char label[64];
    int fd = accept(listener, NULL, NULL);
    ssize_t size = recv(fd, query, sizeof query, 0);
    if (size > 2 && answer(query + 2, (size_t)size - 2, true, &packet, label)) {
        uint8_t head[2] = {(uint8_t)(packet.size >> 8), (uint8_t)packet.size};
        (void)!send(fd, head, 2, MSG_NOSIGNAL);
        (void)!send(fd, packet.bytes, packet.size, MSG_NOSIGNAL);
    }
    close(fd);
}

static void *serve(void *context)
{
    struct nameserver *server = context;
    for (;;) {
        struct pollfd fds[3] = {{server->udp, POLLIN, 0},
                                {server->tcp, POLLIN, 0},
                                {server->stop[0], POLLIN, 0}};
        poll(fds, 3, -1);
        if (fds[2].revents != 0) {
            return NULL;
        }
        if (fds[0].revents != 0) {
            serve_udp(server->udp);
        }
        if (fds[1].revents != 0) {
            serve_tcp(server->tcp);
        }
    }
}

static void nameserver_begin(struct nameserver *server)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    socklen_t length = sizeof in4;
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int status = -1;
    while (status != 0) { /* until one port is free for both */
        server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        in4.sin_port = 0;
        status = bind(server->udp, (struct sockaddr *)&in4, sizeof in4);
        assert_int_equal(status, 0);
        getsockname(server->udp, (struct sockaddr *)&in4, &length);
        status = bind(server->tcp, (struct sockaddr *)&in4, sizeof in4);
        if (status != 0) {
            close(server->udp);
            close(server->tcp);
        }
    }
    assert_int_equal(listen(server->tcp, 16), 0);
    assert_int_equal(pipe(server->stop), 0);
    server->port = ntohs(in4.sin_port);
    pthread_create(&server->thread, NULL, serve, server);
}

static void nameserver_end(struct nameserver *server)
{
    assert_int_equal(write(server->stop[1], "x", 1), 1);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->stop[1]);
    close(server->udp);
    close(server->tcp);
}

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
    struct mm_resolver_options options = {servers, 150, 2};
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
        {"servfail.example", MAILMOD_ERROR_DNS},
        {"refused.example", MAILMOD_ERROR_DNS},
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
        struct mm_resolver_options options = {texts[i], 100, 1};
        assert_int_equal(mm_resolver_new(&other, loop, &options),
                         MAILMOD_ERROR_SYNTAX);
        assert_null(other);
    }
    static const char *const good[] = {"", "192.0.2.1", "192.0.2.1:53, ::1",
                                       "[2001:db8::1], [::1]:5353"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct mm_resolver *other;
        struct mm_resolver_options options = {good[i], 100, 1};
        assert_int_equal(mm_resolver_new(&other, loop, &options), MAILMOD_OK);
        mm_resolver_free(&other);
    }
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
        cmocka_unit_test(test_stop_with_open_queries),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
