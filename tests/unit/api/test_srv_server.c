/* test_srv_server.c - ports of the two servers: the configured one, any free
 * one, one that is taken, another one. On 127.0.0.1 alone. Thread: the test's.
 */
#include "srv_rig.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port that somebody else has, and its socket; or one that was free. */
static int take_port(int *socket_out)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    *socket_out = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(
        bind(*socket_out, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(*socket_out, 1), 0);
    assert_int_equal(
        getsockname(*socket_out, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static int free_port(void)
{
    int taken;
    int port = take_port(&taken);

    close(taken);
    return port;
}

static int answers(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    int is_there;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    is_there = connect(peer, (struct sockaddr *)&address, sizeof address) == 0;
    close(peer);
    return is_there;
}

static void test_open_and_stop(void **state)
{
    int port;

    (void)state;
    assert_int_equal(SRVGetPort("smtp"), 0);
    assert_int_equal(SRVStopSMTPServer(), MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(SetSMTPServer(NULL, 0, ALL_ACTIONS), 0);
    port = SRVGetPort("smtp");
    assert_true(port > 0);
    assert_true(answers(port));
    assert_int_equal(SRVGetPort("pop3"), 0); /* each by itself */
    assert_int_equal(SRVGetPort("submission"), 0);
    assert_int_equal(SetPOP3Server(NULL, -1, ALL_ACTIONS), 0);
    assert_true(answers(SRVGetPort("pop3")));
    assert_int_equal(SRVStopSMTPServer(), 0);
    assert_int_equal(SRVGetPort("smtp"), 0);
    assert_false(answers(port));
    assert_int_equal(SRVStopSMTPServer(), MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(SetSMTPServer(NULL, port, ALL_ACTIONS), 0);
    assert_int_equal(SRVGetPort("smtp"), port);
    assert_int_equal(SRVStopPOP3Server(), 0);
}

static void test_bad_ports(void **state)
{
    int taken;
    int port = take_port(&taken);

    (void)state;
    assert_int_equal(SetSMTPServer(NULL, 65536, ALL_ACTIONS),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SetPOP3Server(NULL, port, ALL_ACTIONS),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_int_equal(SRVGetPort("pop3"), 0);
    close(taken);
    assert_int_equal(SetPOP3Server(NULL, port, ALL_ACTIONS), 0);
    assert_int_equal(SRVGetPort("pop3"), port);
    assert_int_equal(SRVGetPort(NULL), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(SRVGetPort("no service"), 0);
}

static void test_second_call(void **state)
{
    int first = free_port();
    int taken;
    int port;

    (void)state;
    assert_int_equal(SetSMTPServer(NULL, first, ALL_ACTIONS), 0);
    assert_int_equal(SetSMTPServer(NULL, first, 0), 0); /* the same */
    assert_int_equal(SRVGetPort("smtp"), first);
    assert_int_equal(SetSMTPServer(NULL, -1, ALL_ACTIONS), 0);
    port = SRVGetPort("smtp");
    assert_int_not_equal(port, first);
    assert_false(answers(first));
    assert_true(answers(port));
    assert_int_equal(SetSMTPServer(NULL, -1, ALL_ACTIONS), 0);
    assert_int_equal(SRVGetPort("smtp"), port); /* any is that, too */
    first = take_port(&taken);
    assert_int_equal(SetSMTPServer(NULL, first, ALL_ACTIONS),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_int_equal(SRVGetPort("smtp"), port); /* as before */
    assert_true(answers(port));
    close(taken);
}

/* What smtp.listen says now is what 0 means now. */
static void test_configured_port(void **state)
{
    int port = free_port();

    (void)state;
    SetConfigParamInt("smtp_port", port);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(SetSMTPServer(NULL, 0, ALL_ACTIONS), 0);
    assert_int_equal(SRVGetPort("smtp"), port);
    assert_int_equal(SetSMTPServer(NULL, 0, ALL_ACTIONS), 0);
    port = free_port();
    SetConfigParamInt("smtp_port", port);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_not_equal(SRVGetPort("smtp"), port); /* at the next opening */
    assert_int_equal(SetSMTPServer(NULL, 0, ALL_ACTIONS), 0);
    assert_int_equal(SRVGetPort("smtp"), port);
}

/* Set when other calls have started the instance, but the server is closed. */
static void test_port_set_while_running(void **state)
{
    int port = free_port();

    (void)state;
    assert_int_equal(SRVStart(), 0);
    SetConfigParamInt("pop_port", port);
    assert_int_equal(SRVLastError(), MAILMOD_OK);
    assert_int_equal(SetPOP3Server(NULL, 0, ALL_ACTIONS), 0);
    assert_int_equal(SRVGetPort("pop3"), port);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, srv_rig_open, srv_rig_close)
    const struct CMUnitTest tests[] = {
        TEST(test_open_and_stop),
        TEST(test_bad_ports),
        TEST(test_second_call),
        TEST(test_configured_port),
        TEST(test_port_set_while_running),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
