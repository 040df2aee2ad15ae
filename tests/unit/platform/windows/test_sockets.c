/* test_sockets.c - sockets that listen on Windows, on loopback alone.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/net.h"
#include "platform/windows/system.h"

#include <string.h>

static struct mm_netaddr address_of(const char *text)
{
    struct mm_netaddr address;
    assert_true(mm_netaddr_parse(mm_span_cstr(text), &address));
    return address;
}

static SOCKET dial(const struct mm_netaddr *address)
{
    struct sockaddr_storage storage;
    int length = mm_net_to_sockaddr(address, &storage);
    SOCKET handle = WSASocketW(storage.ss_family, SOCK_STREAM, 0, NULL, 0, 0);
    assert_true(handle != INVALID_SOCKET);
    assert_int_equal(connect(handle, (struct sockaddr *)&storage, length), 0);
    return handle;
}

static void test_listen(void **state)
{
    struct mm_netaddr asked = address_of("127.0.0.1:0");
    struct mm_netaddr bound;
    struct mm_netaddr again;
    mm_socket listener;
    mm_socket second = MM_SOCKET_NONE;
    DWORD flags = 1;
    (void)state;
    assert_int_equal(mm_net_listen(&asked, 10, &listener, &bound), MAILMOD_OK);
    assert_true(bound.port != 0);
    assert_true(mm_netaddr_equal_ip(&asked, &bound));
    assert_true(GetHandleInformation((HANDLE)(uintptr_t)listener, &flags));
    assert_int_equal(flags & HANDLE_FLAG_INHERIT, 0);
    /* It does not wait. */
    assert_true(accept((SOCKET)listener, NULL, NULL) == INVALID_SOCKET);
    assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
    assert_int_equal(mm_net_listen(&bound, 10, &second, &again),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_true(second == MM_SOCKET_NONE);

    /* A connection that we close first must not keep the port of a restart. */
    SOCKET client = dial(&bound);
    Sleep(50);
    SOCKET peer = accept((SOCKET)listener, NULL, NULL);
    assert_true(peer != INVALID_SOCKET);
    closesocket(peer);
    char byte;
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    closesocket(client);
    mm_net_close(listener);
    assert_int_equal(mm_net_listen(&bound, 10, &listener, &again), MAILMOD_OK);
    assert_int_equal(again.port, bound.port);
    mm_net_close(listener);
}

/* Another process that asks for reuse must not get the port. */
static void test_no_theft(void **state)
{
    struct mm_netaddr asked = address_of("127.0.0.1:0");
    struct mm_netaddr bound;
    struct sockaddr_storage storage;
    mm_socket listener;
    BOOL on = TRUE;
    (void)state;
    assert_int_equal(mm_net_listen(&asked, 10, &listener, &bound), MAILMOD_OK);
    SOCKET thief = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, 0);
    assert_int_equal(setsockopt(thief, SOL_SOCKET, SO_REUSEADDR,
                                (const char *)&on, sizeof on),
                     0);
    int length = mm_net_to_sockaddr(&bound, &storage);
    assert_int_not_equal(bind(thief, (const struct sockaddr *)&storage, length),
                         0);
    closesocket(thief);
    mm_net_close(listener);
}

static void test_share(void **state)
{
    struct mm_netaddr asked = address_of("127.0.0.1:0");
    struct mm_netaddr bound;
    mm_socket listener;
    mm_socket shared = MM_SOCKET_NONE;
    (void)state;
    assert_int_equal(mm_net_listen(&asked, 10, &listener, &bound), MAILMOD_OK);
    /* One completion port a socket. */
    assert_int_equal(mm_net_share(listener, &shared), MAILMOD_ERROR_STATE);
    assert_true(shared == MM_SOCKET_NONE);
    mm_net_close(listener);
    mm_net_close(MM_SOCKET_NONE);
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
        assert_true(mm_net_to_sockaddr(&address, &storage) > 0);
        struct mm_netaddr back = mm_net_from_sockaddr(&storage);
        mm_netaddr_format(&back, text);
        assert_string_equal(text, texts[i]);
    }
    memset(&storage, 0, sizeof storage);
    struct mm_netaddr address = mm_net_from_sockaddr(&storage);
    assert_int_equal(address.family, MM_NETADDR_NONE);
    assert_int_equal(mm_net_to_sockaddr(&address, &storage), 0);
}

static void test_host_name(void **state)
{
    char name[256];
    char small[1];
    (void)state;
    assert_int_equal(mm_net_host_name(name, sizeof name), MAILMOD_OK);
    assert_true(name[0] != '\0');
    assert_int_equal(mm_net_host_name(small, sizeof small),
                     MAILMOD_ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen),   cmocka_unit_test(test_no_theft),
        cmocka_unit_test(test_share),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sockaddr), cmocka_unit_test(test_host_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
