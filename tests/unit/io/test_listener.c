/* test_listener.c - accepting on several loops, closing, few descriptors. */
#include "helpers.h"

#include <sys/resource.h>

#define LOOPS 3
#define CLIENTS 40
#define FEW_DESCRIPTORS 64

struct crowd {
    pthread_mutex_t lock;
    int opened;
    int closed;
};

static size_t crowd_on_input(void *context, struct mm_conn *conn,
                             const char *bytes, size_t size)
{
    (void)context;
    assert_int_equal(mm_conn_write(conn, bytes, size), MAILMOD_OK);
    return size;
}

static void crowd_on_closed(void *context, struct mm_conn *conn,
                            enum mailmod_error reason)
{
    struct crowd *crowd = context;
    (void)conn;
    (void)reason;
    pthread_mutex_lock(&crowd->lock);
    crowd->closed++;
    pthread_mutex_unlock(&crowd->lock);
}

static const struct mm_conn_handler crowd_handler = {
    .on_input = crowd_on_input,
    .on_closed = crowd_on_closed,
};

static void crowd_on_connection(void *context, struct mm_conn *conn)
{
    struct crowd *crowd = context;
    assert_true(mm_loop_is_current(mm_conn_loop(conn)));
    mm_conn_set_handler(conn, &crowd_handler, crowd);
    pthread_mutex_lock(&crowd->lock);
    crowd->opened++;
    pthread_mutex_unlock(&crowd->lock);
}

static int crowd_get(struct crowd *crowd, const int *value)
{
    pthread_mutex_lock(&crowd->lock);
    int copy = *value;
    pthread_mutex_unlock(&crowd->lock);
    return copy;
}

static void test_several_loops(void **state)
{
    (void)state;
    struct crowd crowd = {PTHREAD_MUTEX_INITIALIZER, 0, 0};
    struct mm_loop *loops[LOOPS];
    struct mm_listener *listener;
    struct mm_netaddr address = loopback(0);
    int fds[CLIENTS];
    for (int i = 0; i < LOOPS; i++) {
        loops[i] = loop_begin();
    }
    assert_int_equal(mm_listener_open(&listener, loops, LOOPS, &address,
                                      crowd_on_connection, &crowd, NULL),
                     MAILMOD_OK);
    uint16_t port = mm_listener_address(listener)->port;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = peer_connect(port);
        peer_send(fds[i], "ping");
    }
    for (int i = 0; i < CLIENTS; i++) {
        peer_expect(fds[i], "ping");
    }
    mm_listener_close(&listener);
    assert_null(listener);
    /* What was accepted lives on; nothing new is. */
    peer_send(fds[0], "still");
    peer_expect(fds[0], "still");
    for (int i = 0; i < CLIENTS; i++) {
        close(fds[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        loop_end(&loops[i]);
    }
    assert_int_equal(crowd.opened, CLIENTS);
    assert_int_equal(crowd.closed, CLIENTS);
}

static void test_in_use(void **state)
{
    (void)state;
    struct server server;
    struct mm_listener *second;
    server_begin(&server);
    struct mm_netaddr address = loopback(server_port(&server));
    assert_int_equal(mm_listener_open(&second, &server.loop, 1, &address,
                                      server_on_connection, &server, NULL),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_null(second);
    server_end(&server);
}

/* Opened and closed on loops that do not run yet, or run no more. */
static void test_loops_at_rest(void **state)
{
    (void)state;
    struct crowd crowd = {PTHREAD_MUTEX_INITIALIZER, 0, 0};
    struct mm_loop *loop;
    struct mm_listener *listener;
    struct mm_netaddr address = loopback(0);
    assert_int_equal(mm_loop_new(&loop, NULL), MAILMOD_OK);
    assert_int_equal(mm_listener_open(&listener, &loop, 1, &address,
                                      crowd_on_connection, &crowd, NULL),
                     MAILMOD_OK);
    mm_listener_close(&listener);
    assert_int_equal(mm_listener_open(&listener, &loop, 1, &address,
                                      crowd_on_connection, &crowd, NULL),
                     MAILMOD_OK);
    /* The backlog takes it before the loop runs. */
    int fd = peer_connect(mm_listener_address(listener)->port);
    peer_send(fd, "early");
    assert_int_equal(mm_loop_start(loop), MAILMOD_OK);
    peer_expect(fd, "early");
    mm_loop_stop(loop);
    mm_listener_close(&listener);
    assert_int_equal(mm_listener_open(&listener, &loop, 1, &address,
                                      crowd_on_connection, &crowd, NULL),
                     MAILMOD_OK);
    mm_listener_close(&listener);
    mm_loop_free(&loop);
    close(fd);
    assert_int_equal(crowd.closed, 1);
}

static void no_handler(void *context, struct mm_conn *conn)
{
    (void)conn;
    set_flag(context);
}

static void test_no_handler(void **state)
{
    (void)state;
    bool was_called = false;
    struct mm_loop *loop = loop_begin();
    struct mm_listener *listener;
    struct mm_netaddr address = loopback(0);
    assert_int_equal(mm_listener_open(&listener, &loop, 1, &address, no_handler,
                                      &was_called, NULL),
                     MAILMOD_OK);
    int fd = peer_connect(mm_listener_address(listener)->port);
    peer_expect_end(fd);
    wait_flag(&was_called);
    close(fd);
    mm_listener_close(&listener);
    loop_end(&loop);
}

/* Attack 105: more peers than descriptors: none is dropped, all are served
 * in the end. */
static void test_few_descriptors(void **state)
{
    (void)state;
    enum { PEERS = FEW_DESCRIPTORS };
    struct crowd crowd = {PTHREAD_MUTEX_INITIALIZER, 0, 0};
    struct rlimit before;
    int fds[PEERS];
    struct mm_loop *loop = loop_begin();
    struct mm_listener *listener;
    struct mm_netaddr address = loopback(0);
    assert_int_equal(mm_listener_open(&listener, &loop, 1, &address,
                                      crowd_on_connection, &crowd, NULL),
                     MAILMOD_OK);
    /* The peers live in this process too: they take their descriptors ahead
     * and connect when the rest is scarce. */
    for (int i = 0; i < PEERS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
        struct timeval wait = {WAIT_SECONDS, 0};
        setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = before;
    few.rlim_cur = (rlim_t)fds[PEERS - 1] + 11;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    in4.sin_port = htons(mm_listener_address(listener)->port);
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(connect(fds[i], (struct sockaddr *)&in4, sizeof in4),
                         0);
        peer_send(fds[i], "ping");
    }
    struct timespec begun;
    struct timespec ended;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    sleep_ms(1200);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    assert_true(crowd_get(&crowd, &crowd.opened) <= 11);
    assert_int_equal(crowd_get(&crowd, &crowd.closed), 0);
    /* It does not spin: a second of waiting costs next to no time. */
    assert_true((ended.tv_sec - begun.tv_sec) * 1000000000L +
                    (ended.tv_nsec - begun.tv_nsec) <
                500000000L);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < PEERS; i++) {
        peer_expect(fds[i], "ping");
        close(fds[i]);
    }
    mm_listener_close(&listener);
    loop_end(&loop);
    assert_int_equal(crowd.opened, PEERS);
    assert_int_equal(crowd.closed, PEERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_loops),
        cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_loops_at_rest),
        cmocka_unit_test(test_no_handler),
        cmocka_unit_test(test_few_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
