/* test_dial.c - outgoing connections: refused, unreachable, too slow. */
#include "helpers.h"

struct attempt {
    struct mm_loop *loop;
    struct mm_dial_options options;
    struct side side;
    enum mailmod_error error;
};

static void run_attempt(void *context)
{
    struct attempt *attempt = context;
    attempt->error = mm_dial(attempt->loop, &attempt->options, &side_handler,
                             &attempt->side, &attempt->side.conn);
    /* Nothing was told from inside. */
    assert_false(get_flag(&attempt->side.is_open));
    assert_false(get_flag(&attempt->side.is_closed));
}

static void attempt_begin(struct attempt *attempt, uint16_t port)
{
    memset(attempt, 0, sizeof *attempt);
    side_init(&attempt->side);
    attempt->loop = loop_begin();
    attempt->options.address = loopback(port);
    attempt->options.timeout_ms = 5000;
}

static void attempt_end(struct attempt *attempt)
{
    loop_end(&attempt->loop);
    side_fini(&attempt->side);
}

static void test_refused(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_begin(&attempt, unused_port());
    on_loop(attempt.loop, run_attempt, &attempt);
    assert_int_equal(attempt.error, MAILMOD_OK);
    wait_flag(&attempt.side.is_closed);
    assert_int_equal(attempt.side.reason, MAILMOD_ERROR_CONNECTION_REFUSED);
    assert_non_null(strstr(attempt.side.failure, "refused"));
    assert_false(attempt.side.is_open);
    attempt_end(&attempt);
    assert_int_equal(attempt.side.closed_count, 1);
}

/* A full backlog swallows the SYN, as a dead host does. */
static void test_timeout(void **state)
{
    (void)state;
    struct attempt attempt;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    socklen_t length = sizeof in4;
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in4, sizeof in4), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in4, &length), 0);
    int filler = peer_connect(ntohs(in4.sin_port));
    attempt_begin(&attempt, ntohs(in4.sin_port));
    attempt.options.timeout_ms = 200;
    on_loop(attempt.loop, run_attempt, &attempt);
    wait_flag(&attempt.side.is_closed);
    assert_int_equal(attempt.side.reason, MAILMOD_ERROR_TIMEOUT);
    attempt_end(&attempt);
    close(filler);
    close(fd);
}

static void test_source(void **state)
{
    (void)state;
    static const uint8_t other[4] = {127, 0, 0, 9};
    static const uint8_t foreign[4] = {192, 0, 2, 1};
    struct server server;
    struct attempt attempt;
    server_begin(&server);
    attempt_begin(&attempt, server_port(&server));
    attempt.options.source = mm_netaddr_v4(other, 0);
    on_loop(attempt.loop, run_attempt, &attempt);
    wait_flag(&attempt.side.is_open);
    wait_flag(&server.side.is_open);
    attempt_end(&attempt);
    wait_flag(&server.side.has_end);
    server_end(&server);

    attempt_begin(&attempt, 9);
    attempt.options.source = mm_netaddr_v4(foreign, 0);
    on_loop(attempt.loop, run_attempt, &attempt);
    assert_int_equal(attempt.error, MAILMOD_OK);
    wait_flag(&attempt.side.is_closed);
    assert_int_equal(attempt.side.reason, MAILMOD_ERROR_UNREACHABLE);
    assert_string_equal(
        attempt.side.failure,
        "connect: the source address 192.0.2.1 is not on this machine");
    attempt_end(&attempt);
}

static void test_arguments(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_begin(&attempt, 0);
    on_loop(attempt.loop, run_attempt, &attempt);
    assert_int_equal(attempt.error, MAILMOD_ERROR_ARGUMENT);
    assert_null(attempt.side.conn);
    attempt_end(&attempt);
}

static void run_abort(void *context)
{
    struct attempt *attempt = context;
    run_attempt(attempt);
    mm_conn_close(attempt->side.conn);
}

static void test_close_while_connecting(void **state)
{
    (void)state;
    struct server server;
    struct attempt attempt;
    server_begin(&server);
    attempt_begin(&attempt, server_port(&server));
    on_loop(attempt.loop, run_abort, &attempt);
    wait_flag(&attempt.side.is_closed);
    assert_int_equal(attempt.side.reason, MAILMOD_OK);
    assert_false(attempt.side.is_open);
    attempt_end(&attempt);
    assert_int_equal(attempt.side.closed_count, 1);
    server_end(&server);
}

static void test_stop_while_connecting(void **state)
{
    (void)state;
    struct server server;
    struct attempt attempt;
    server_begin(&server);
    attempt_begin(&attempt, server_port(&server));
    on_loop(attempt.loop, run_attempt, &attempt);
    mm_loop_stop(attempt.loop);
    assert_int_equal(attempt.side.closed_count, 1);
    assert_int_equal(attempt.side.reason, MAILMOD_ERROR_STOPPED);
    attempt_end(&attempt);
    server_end(&server);
}

static void run_starved(void *context)
{
    struct attempt *attempt = context;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    for (unsigned long number = 1; error != MAILMOD_OK; number++) {
        mm_mem_set_fault(number, 0);
        error = mm_dial(attempt->loop, &attempt->options, &side_handler,
                        &attempt->side, &attempt->side.conn);
        mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_begin(&attempt, unused_port());
    on_loop(attempt.loop, run_starved, &attempt);
    wait_flag(&attempt.side.is_closed);
    attempt_end(&attempt);
    assert_int_equal(attempt.side.closed_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_close_while_connecting),
        cmocka_unit_test(test_stop_while_connecting),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
