/* test_net.c - sockets that listen, on loopback alone. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mm_netaddr address_of(const char *text)
{
    struct mm_netaddr address;
    assert_true(mm_netaddr_parse(mm_span_cstr(text), &address));
    return address;
}

static int dial(const struct mm_netaddr *address)
{
    struct sockaddr_storage storage;
    int length = mm_net_to_sockaddr(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        connect(fd, (struct sockaddr *)&storage, (socklen_t)length), 0);
    return fd;
}

static void test_listen(void **state)
{
    struct mm_netaddr asked = address_of("127.0.0.1:0");
    struct mm_netaddr bound;
    struct mm_netaddr again;
    mm_socket listener;
    mm_socket second = MM_SOCKET_NONE;
    (void)state;
    assert_int_equal(mm_net_listen(&asked, 10, &listener, &bound), MAILMOD_OK);
    assert_true(bound.port != 0);
    assert_true(mm_netaddr_equal_ip(&asked, &bound));
    int fd = (int)listener;
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(accept(fd, NULL, NULL), -1); /* and does not wait */
    assert_int_equal(mm_net_listen(&bound, 10, &second, &again),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_true(second == MM_SOCKET_NONE);

    /* A connection that we close first stays in TIME_WAIT on the port; a
     * restart must not wait for it. */
    int client = dial(&bound);
    int peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    close(peer);
    char byte;
    assert_int_equal(read(client, &byte, 1), 0);
    close(client);
    mm_net_close(listener);
    assert_int_equal(mm_net_listen(&bound, 10, &listener, &again), MAILMOD_OK);
    assert_int_equal(again.port, bound.port);
    mm_net_close(listener);
}

static void test_share(void **state)
{
    struct mm_netaddr asked = address_of("127.0.0.1:0");
    struct mm_netaddr bound;
    mm_socket listener;
    mm_socket shared;
    (void)state;
    assert_int_equal(mm_net_listen(&asked, 10, &listener, &bound), MAILMOD_OK);
    assert_int_equal(mm_net_share(listener, &shared), MAILMOD_OK);
    assert_true(shared != listener);
    assert_true((fcntl((int)shared, F_GETFD) & FD_CLOEXEC) != 0);
    mm_net_close(listener);
    int client = dial(&bound);
    int peer = accept((int)shared, NULL, NULL);
    assert_true(peer >= 0);
    close(peer);
    close(client);
    mm_net_close(shared);
    assert_int_equal(mm_net_share(MM_SOCKET_NONE, &shared),
                     MAILMOD_ERROR_SYSTEM);
    mm_net_close(MM_SOCKET_NONE);
}

static void test_v6_only(void **state)
{
    struct mm_netaddr asked = address_of("[::1]:0");
    struct mm_netaddr bound;
    mm_socket listener;
    int is_only = 0;
    socklen_t size = sizeof is_only;
    (void)state;
    enum mailmod_error error = mm_net_listen(&asked, 10, &listener, &bound);
    if (error == MAILMOD_ERROR_ARGUMENT) {
        skip(); /* a machine without IPv6 */
    }
    assert_int_equal(error, MAILMOD_OK);
    assert_int_equal(
        getsockopt((int)listener, IPPROTO_IPV6, IPV6_V6ONLY, &is_only, &size),
        0);
    assert_int_equal(is_only, 1);
    assert_int_equal(bound.family, MM_NETADDR_V6);
    int client = dial(&bound);
    close(client);
    mm_net_close(listener);
}

static void test_refused(void **state)
{
    struct mm_netaddr none;
    struct mm_netaddr bound;
    struct mm_netaddr loopback = address_of("127.0.0.1:0");
    struct mm_netaddr foreign = address_of("192.0.2.1:0");
    mm_socket listener = MM_SOCKET_NONE;
    (void)state;
    memset(&none, 0, sizeof none);
    assert_int_equal(mm_net_listen(&none, 10, &listener, &bound),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_net_listen(&loopback, 0, &listener, &bound),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_net_listen(&foreign, 10, &listener, &bound),
                     MAILMOD_ERROR_ADDRESS_UNAVAILABLE);
    assert_true(listener == MM_SOCKET_NONE);
}

static void test_sockaddr(void **state)
{
    static const char *const texts[] = {
        "192.0.2.1:25", "0.0.0.0:0", "[2001:db8::1]:65535", "[fe80::1%3]:110"};
    struct sockaddr_storage storage;
    char text[MM_NETADDR_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct mm_netaddr address = address_of(texts[i]);
        int length = mm_net_to_sockaddr(&address, &storage);
        assert_int_equal(length, address.family == MM_NETADDR_V4
                                     ? sizeof(struct sockaddr_in)
                                     : sizeof(struct sockaddr_in6));
        struct mm_netaddr back = mm_net_from_sockaddr(&storage);
        mm_netaddr_format(&back, text);
        assert_string_equal(text, texts[i]);
    }
    /* What a dual-stack socket would say of an IPv4 peer. */
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
    mapped.sin6_port = htons(25);
    memcpy(&mapped.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
    memset(&storage, 0, sizeof storage);
    memcpy(&storage, &mapped, sizeof mapped);
    struct mm_netaddr address = mm_net_from_sockaddr(&storage);
    mm_netaddr_format(&address, text);
    assert_string_equal(text, "192.0.2.1:25");
    memset(&storage, 0, sizeof storage);
    address = mm_net_from_sockaddr(&storage);
    assert_int_equal(address.family, MM_NETADDR_NONE);
    assert_int_equal(mm_net_to_sockaddr(&address, &storage), 0);
}

static void test_host_name(void **state)
{
    char expected[256];
    char name[256];
    char small[1];
    (void)state;
    assert_int_equal(gethostname(expected, sizeof expected), 0);
    assert_int_equal(mm_net_host_name(name, sizeof name), MAILMOD_OK);
    assert_string_equal(name, expected);
    assert_int_equal(mm_net_host_name(small, sizeof small),
                     MAILMOD_ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen),   cmocka_unit_test(test_share),
        cmocka_unit_test(test_v6_only),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sockaddr), cmocka_unit_test(test_host_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
