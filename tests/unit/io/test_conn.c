/* test_conn.c - octets in clear: whole, slow, half closed, cut. */
#include "helpers.h"

#include <signal.h>

#define FLOOD (10u * 1024 * 1024)

static char pattern_at(size_t at)
{
    return (char)((at * 31 + at / 251) & 0xff);
}

static size_t echo_took(struct side *side, const char *bytes, size_t size)
{
    size_t room = mm_conn_write_room(side->conn);
    size_t count = size < room ? size : room;
    assert_int_equal(mm_conn_write(side->conn, bytes, count), MAILMOD_OK);
    if (count < size) {
        assert_int_equal(mm_conn_write(side->conn, bytes, room + 1),
                         MAILMOD_ERROR_LIMIT);
    }
    return count;
}

static void echo_drained(struct side *side)
{
    mm_conn_resume(side->conn);
}

static void echo_ended(struct side *side)
{
    mm_conn_close(side->conn);
}

static void flood_more(struct side *side)
{
    char bytes[5000];
    while (side->sent < FLOOD) {
        size_t count = sizeof bytes;
        if (count > FLOOD - side->sent) {
            count = FLOOD - side->sent;
        }
        if (mm_conn_write_room(side->conn) < count) {
            return;
        }
        for (size_t i = 0; i < count; i++) {
            bytes[i] = pattern_at(side->sent + i);
        }
        assert_int_equal(mm_conn_write(side->conn, bytes, count), MAILMOD_OK);
        side->sent += count;
    }
}

static size_t flood_took(struct side *side, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != pattern_at(side->received + i)) {
            fail_msg("octet %zu differs", side->received + i);
        }
    }
    if (side->received + size == FLOOD) {
        mm_conn_close(side->conn);
    }
    return size;
}

static void test_echo_flood(void **state)
{
    (void)state;
    struct server server;
    struct side client;
    server_begin(&server);
    server.side.took = echo_took;
    server.side.drained = echo_drained;
    server.side.ended = echo_ended;
    side_init(&client);
    client.opened = flood_more;
    client.drained = flood_more;
    client.took = flood_took;
    struct mm_loop *loop = loop_begin();
    dial(loop, &client, server_port(&server));
    wait_flag(&client.is_closed);
    wait_flag(&server.side.is_closed);
    loop_end(&loop);
    server_end(&server);
    assert_int_equal(client.received, FLOOD);
    assert_int_equal(server.side.received, FLOOD);
    assert_int_equal(client.reason, MAILMOD_OK);
    assert_int_equal(server.side.reason, MAILMOD_OK);
    assert_true(client.drained_count > 0);
    side_fini(&client);
}

static void say_bye(struct side *side)
{
    assert_int_equal(mm_conn_write(side->conn, "bye", 3), MAILMOD_OK);
    mm_conn_close(side->conn);
    assert_int_equal(mm_conn_write(side->conn, "x", 1), MAILMOD_ERROR_STATE);
}

static void test_half_close(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    server.side.ended = say_bye;
    int fd = peer_connect(server_port(&server));
    peer_send(fd, "hello");
    shutdown(fd, SHUT_WR);
    peer_expect(fd, "bye");
    peer_expect_end(fd);
    wait_flag(&server.side.is_closed);
    close(fd);
    assert_int_equal(server.side.reason, MAILMOD_OK);
    assert_true(mm_span_is(mm_buf_span(&server.side.input), "hello"));
    server_end(&server);
    assert_int_equal(server.side.closed_count, 1);
}

static void test_end_without_handler(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    server.handler = &endless_handler;
    int fd = peer_connect(server_port(&server));
    peer_send(fd, "hello");
    shutdown(fd, SHUT_WR);
    wait_flag(&server.side.is_closed);
    peer_expect_end(fd);
    close(fd);
    assert_int_equal(server.side.reason, MAILMOD_ERROR_CLOSED);
    assert_string_not_equal(server.side.failure, "");
    assert_int_equal(server.side.received, 5);
    server_end(&server);
}

static void reset_peer(int fd)
{
    struct linger linger = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static void write_one(void *context)
{
    struct side *side = context;
    if (side->conn != NULL) {
        enum mailmod_error error = mm_conn_write(side->conn, "x", 1);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_STATE);
    }
}

/* A reset is one segment that nobody sends again. Where it was lost, the next
 * octet is answered by another one. */
static void test_reset(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    int fd = peer_connect(server_port(&server));
    wait_flag(&server.side.is_open);
    reset_peer(fd);
    for (int i = 0;
         i < WAIT_SECONDS && !wait_flag_for(&server.side.is_closed, 1000);
         i++) {
        on_loop(server.loop, write_one, &server.side);
    }
    wait_flag(&server.side.is_closed);
    assert_int_equal(server.side.reason, MAILMOD_ERROR_CLOSED);
    server_end(&server);
}

/* The host has not ignored SIGPIPE: a write to a closed peer must not end
 * the process. */
static void test_sigpipe(void **state)
{
    (void)state;
    struct server server;
    signal(SIGPIPE, SIG_DFL);
    server_begin(&server);
    int fd = peer_connect(server_port(&server));
    wait_flag(&server.side.is_open);
    close(fd);
    wait_flag(&server.side.has_end);
    for (int i = 0; i < 3; i++) {
        on_loop(server.loop, write_one, &server.side);
        sleep_ms(50);
    }
    wait_flag(&server.side.is_closed);
    assert_int_equal(server.side.reason, MAILMOD_ERROR_CLOSED);
    server_end(&server);
}

static void fill_up(struct side *side)
{
    static const char bytes[8192];
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK) {
        error = mm_conn_write(side->conn, bytes, sizeof bytes);
    }
    assert_int_equal(error, MAILMOD_ERROR_LIMIT);
}

static void fill_slowly(struct side *side)
{
    mm_conn_set_write_timeout(side->conn, 300);
    fill_up(side);
}

static void test_write_timeout(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    server.side.opened = fill_slowly;
    server.side.drained = fill_up;
    int fd = peer_connect(server_port(&server));
    wait_flag(&server.side.is_closed);
    close(fd);
    assert_int_equal(server.side.reason, MAILMOD_ERROR_TIMEOUT);
    server_end(&server);
    assert_int_equal(server.side.closed_count, 1);
}

static void fill_patiently(struct side *side)
{
    mm_conn_set_write_timeout(side->conn, 3000);
    fill_up(side);
}

struct progress {
    const struct side *side;
    int drained_count;
};

static void look_at_progress(void *context)
{
    struct progress *progress = context;
    progress->drained_count = progress->side->drained_count;
}

/* Until the system takes no more of what the side writes. */
static void wait_until_stuck(struct server *server)
{
    struct progress progress = {.side = &server->side};
    int before;
    do {
        before = progress.drained_count;
        sleep_ms(300);
        on_loop(server->loop, look_at_progress, &progress);
    } while (progress.drained_count != before);
}

static void do_close(void *context)
{
    mm_conn_close(((struct side *)context)->conn);
}

static void test_close_is_bounded(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    server.side.opened = fill_patiently;
    server.side.drained = fill_up;
    int fd = peer_connect(server_port(&server));
    wait_flag(&server.side.is_open);
    wait_until_stuck(&server);
    on_loop(server.loop, do_close, &server.side);
    assert_false(get_flag(&server.side.is_closed));
    wait_flag(&server.side.is_closed);
    close(fd);
    assert_int_equal(server.side.reason, MAILMOD_ERROR_TIMEOUT);
    server_end(&server);
}

struct nibbler {
    struct mm_task task;
    struct side *side;
};

static void run_nibble(struct mm_task *task)
{
    struct nibbler *nibbler = MM_LIST_OBJECT(task, struct nibbler, task);
    if (nibbler->side->conn != NULL) {
        mm_conn_resume(nibbler->side->conn);
    }
}

static size_t nibble(struct side *side, const char *bytes, size_t size)
{
    struct nibbler *nibbler = side->data;
    assert_true(size > 0);
    if (side->received % 2 == 0) {
        mm_conn_resume(side->conn); /* inside on_input counts too */
    } else {
        mm_loop_post(mm_conn_loop(side->conn), &nibbler->task);
    }
    assert_int_equal(mm_buf_append(&side->input, bytes, 1), MAILMOD_OK);
    if (bytes[0] == '.') {
        assert_int_equal(mm_conn_write(side->conn, "ok", 2), MAILMOD_OK);
        mm_conn_close(side->conn);
    }
    return 1;
}

static void test_nibbling(void **state)
{
    (void)state;
    static const char text[] = "one octet at a time, none twice, none lost.";
    struct server server;
    struct nibbler nibbler = {.task.run = run_nibble};
    server_begin(&server);
    nibbler.side = &server.side;
    server.side.data = &nibbler;
    server.side.took = nibble;
    int fd = peer_connect(server_port(&server));
    peer_send(fd, text);
    peer_expect(fd, "ok");
    peer_expect_end(fd);
    wait_flag(&server.side.is_closed);
    assert_true(mm_span_is(mm_buf_span(&server.side.input), text));
    close(fd);
    server_end(&server);
}

static size_t take_nothing(struct side *side, const char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    side->sent++; /* counts the offers */
    return 0;
}

static void take_again(void *context)
{
    struct side *side = context;
    assert_int_equal(side->sent, 1);
    side->took = NULL;
    mm_conn_resume(side->conn);
}

static void test_pause(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    server.side.took = take_nothing;
    int fd = peer_connect(server_port(&server));
    peer_send(fd, "held");
    wait_flag(&server.side.has_input);
    peer_send(fd, "more");
    assert_false(wait_flag_for(&server.side.has_end, 100));
    on_loop(server.loop, take_again, &server.side);
    close(fd);
    wait_flag(&server.side.has_end);
    assert_true(mm_span_is(mm_buf_span(&server.side.input), "heldmore"));
    server_end(&server);
}

static void write_much_and_close(struct side *side)
{
    char bytes[100000];
    memset(bytes, 'a', sizeof bytes);
    assert_int_equal(mm_conn_write(side->conn, bytes, sizeof bytes),
                     MAILMOD_OK);
    mm_conn_close(side->conn);
    mm_conn_close(side->conn);
}

static void test_close_flushes(void **state)
{
    (void)state;
    static char bytes[100001];
    struct server server;
    int end = -2;
    server_begin(&server);
    server.side.opened = write_much_and_close;
    int fd = peer_connect(server_port(&server));
    assert_int_equal(peer_read(fd, bytes, sizeof bytes, &end), 100000);
    assert_int_equal(end, 0);
    close(fd);
    wait_flag(&server.side.is_closed);
    assert_int_equal(server.side.reason, MAILMOD_OK);
    server_end(&server);
}

static size_t refuse_took(struct side *side, const char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    assert_int_equal(mm_conn_write(side->conn, "554 no", 6), MAILMOD_OK);
    mm_conn_close(side->conn);
    return 0;
}

/* The peer sends on after our last words and must still get to read them. */
static void test_last_words(void **state)
{
    (void)state;
    static char bytes[400000];
    struct server server;
    server_begin(&server);
    server.side.took = refuse_took;
    int fd = peer_connect(server_port(&server));
    assert_int_equal(send(fd, bytes, sizeof bytes, MSG_NOSIGNAL),
                     (ssize_t)sizeof bytes);
    sleep_ms(100);
    peer_expect(fd, "554 no");
    peer_expect_end(fd);
    assert_false(get_flag(&server.side.is_closed));
    close(fd);
    wait_flag(&server.side.is_closed);
    assert_int_equal(server.side.reason, MAILMOD_OK);
    server_end(&server);
}

static size_t abort_took(struct side *side, const char *bytes, size_t size)
{
    (void)bytes;
    side->is_inside = true;
    mm_conn_abort(side->conn);
    mm_conn_abort(side->conn);
    mm_conn_close(side->conn);
    assert_int_equal(mm_conn_write(side->conn, "x", 1), MAILMOD_ERROR_STATE);
    mm_conn_resume(side->conn);
    side->is_inside = false;
    return size;
}

static void test_abort_inside(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    server.side.took = abort_took;
    int fd = peer_connect(server_port(&server));
    peer_send(fd, "x");
    wait_flag(&server.side.is_closed);
    close(fd);
    server_end(&server);
    assert_int_equal(server.side.closed_count, 1);
    assert_int_equal(server.side.reason, MAILMOD_OK);
}

static void test_loop_stop_closes(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    int fd = peer_connect(server_port(&server));
    wait_flag(&server.side.is_open);
    mm_loop_stop(server.loop);
    assert_true(server.side.is_closed);
    assert_int_equal(server.side.reason, MAILMOD_ERROR_STOPPED);
    close(fd);
    server_end(&server);
    assert_int_equal(server.side.closed_count, 1);
}

static void check_names(void *context)
{
    const struct side *side = context;
    assert_true(mm_netaddr_is_loopback(mm_conn_peer(side->conn)));
    assert_int_not_equal(mm_conn_peer(side->conn)->port, 0);
    assert_true(mm_netaddr_is_loopback(mm_conn_local(side->conn)));
    assert_true(mm_conn_socket(side->conn) >= 0);
    assert_false(mm_conn_is_tls(side->conn));
    assert_string_equal(mm_conn_tls_text(side->conn), "");
    assert_string_equal(mm_conn_failure(side->conn), "");
}

static void test_names(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    int fd = peer_connect(server_port(&server));
    wait_flag(&server.side.is_open);
    on_loop(server.loop, check_names, &server.side);
    close(fd);
    server_end(&server);
}

static size_t tolerant_echo(struct side *side, const char *bytes, size_t size)
{
    if (mm_conn_write(side->conn, bytes, size) != MAILMOD_OK) {
        mm_conn_abort(side->conn);
    }
    return size;
}

static void do_nothing(void *context)
{
    (void)context;
}

/* Whichever allocation fails: that one connection may end, nothing else. */
static void test_out_of_memory(void **state)
{
    (void)state;
    struct server server;
    server_begin(&server);
    server.side.took = tolerant_echo;
    on_loop(server.loop, do_nothing, NULL); /* it listens by now */
    for (unsigned long number = 1; number <= 6; number++) {
        char bytes[4];
        int fd = peer_connect(server_port(&server));
        mm_mem_set_fault(number, 0);
        peer_send(fd, "ping");
        ssize_t size = peer_read(fd, bytes, sizeof bytes, NULL);
        mm_mem_set_fault(0, 0);
        assert_true(size == 0 || size == 4);
        close(fd);
    }
    int fd = peer_connect(server_port(&server));
    peer_send(fd, "ping");
    peer_expect(fd, "ping");
    close(fd);
    server_end(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_flood),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_end_without_handler),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_sigpipe),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_close_is_bounded),
        cmocka_unit_test(test_nibbling),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_close_flushes),
        cmocka_unit_test(test_last_words),
        cmocka_unit_test(test_abort_inside),
        cmocka_unit_test(test_loop_stop_closes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
