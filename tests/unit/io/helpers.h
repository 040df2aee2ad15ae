/* helpers.h - what the tests of io/ share: waiting for a loop, recording what
 * a connection told, and plain blocking sockets as the peer. */
#ifndef TESTS_UNIT_IO_HELPERS_H
#define TESTS_UNIT_IO_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define WAIT_SECONDS 20

#if defined(__SANITIZE_THREAD__)
/* The system's libuv closes descriptors by the bare system call, which the
 * sanitizer does not see: the next user of the number looks like a race. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libuv.so\n";
}
#endif

static pthread_mutex_t test_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t test_changed = PTHREAD_COND_INITIALIZER;

static UNUSED void set_flag(bool *flag)
{
    pthread_mutex_lock(&test_lock);
    *flag = true;
    pthread_cond_broadcast(&test_changed);
    pthread_mutex_unlock(&test_lock);
}

static UNUSED bool get_flag(const bool *flag)
{
    pthread_mutex_lock(&test_lock);
    bool value = *flag;
    pthread_mutex_unlock(&test_lock);
    return value;
}

static UNUSED bool wait_flag_for(const bool *flag, unsigned wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&test_lock);
    int status = 0;
    while (!*flag && status == 0) {
        status = pthread_cond_timedwait(&test_changed, &test_lock, &until);
    }
    bool value = *flag;
    pthread_mutex_unlock(&test_lock);
    return value;
}

static UNUSED void wait_flag(const bool *flag)
{
    assert_true(wait_flag_for(flag, WAIT_SECONDS * 1000));
}

static UNUSED void sleep_ms(unsigned wait_ms)
{
    struct timespec wait = {wait_ms / 1000, (long)(wait_ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}

struct call {
    struct mm_task task;
    void (*run)(void *context);
    void *context;
    bool is_done;
};

static UNUSED void run_call(struct mm_task *task)
{
    struct call *call = MM_LIST_OBJECT(task, struct call, task);
    call->run(call->context);
    set_flag(&call->is_done);
}

/* Runs a function on the loop's thread and waits for it. */
static UNUSED void on_loop(struct mm_loop *loop, void (*run)(void *),
                           void *context)
{
    struct call call = {.run = run, .context = context};
    call.task.run = run_call;
    mm_loop_post(loop, &call.task);
    wait_flag(&call.is_done);
}

static UNUSED struct mm_loop *loop_begin(void)
{
    struct mm_loop *loop;
    assert_int_equal(mm_loop_new(&loop, NULL), MAILMOD_OK);
    assert_int_equal(mm_loop_start(loop), MAILMOD_OK);
    return loop;
}

static UNUSED void loop_end(struct mm_loop **loop)
{
    mm_loop_stop(*loop);
    mm_loop_free(loop);
    assert_null(*loop);
}

struct side {
    struct mm_conn *conn;
    bool is_open;
    bool is_tls;
    bool has_end;
    bool has_input;
    bool is_closed;
    bool is_inside; /* a call into the connection is under way */
    int closed_count;
    int drained_count;
    enum mailmod_error reason;
    char failure[600];
    char tls_text[128];
    struct mm_buf input;
    size_t received;
    size_t sent;
    void *data;
    void (*opened)(struct side *side);
    size_t (*took)(struct side *side, const char *bytes, size_t size);
    void (*drained)(struct side *side);
    void (*secured)(struct side *side);
    void (*ended)(struct side *side);
};

static UNUSED void side_init(struct side *side)
{
    memset(side, 0, sizeof *side);
    mm_buf_init(&side->input, 1 << 20);
}

static UNUSED void side_fini(struct side *side)
{
    mm_buf_fini(&side->input);
}

static void side_on_open(void *context, struct mm_conn *conn)
{
    struct side *side = context;
    side->conn = conn;
    if (side->opened != NULL) {
        side->opened(side);
    }
    set_flag(&side->is_open);
}

static size_t side_on_input(void *context, struct mm_conn *conn,
                            const char *bytes, size_t size)
{
    struct side *side = context;
    (void)conn;
    size_t taken = size;
    if (side->took != NULL) {
        taken = side->took(side, bytes, size);
    } else {
        assert_int_equal(mm_buf_append(&side->input, bytes, size), MAILMOD_OK);
    }
    side->received += taken;
    set_flag(&side->has_input);
    return taken;
}

static void side_on_drained(void *context, struct mm_conn *conn)
{
    struct side *side = context;
    (void)conn;
    side->drained_count++;
    if (side->drained != NULL) {
        side->drained(side);
    }
}

static void side_on_tls(void *context, struct mm_conn *conn)
{
    struct side *side = context;
    snprintf(side->tls_text, sizeof side->tls_text, "%s",
             mm_conn_tls_text(conn));
    assert_true(mm_conn_is_tls(conn));
    if (side->secured != NULL) {
        side->secured(side);
    }
    set_flag(&side->is_tls);
}

static void side_on_end(void *context, struct mm_conn *conn)
{
    struct side *side = context;
    (void)conn;
    if (side->ended != NULL) {
        side->ended(side);
    }
    set_flag(&side->has_end);
}

static void side_on_closed(void *context, struct mm_conn *conn,
                           enum mailmod_error reason)
{
    struct side *side = context;
    assert_false(side->is_inside);
    side->closed_count++;
    side->reason = reason;
    snprintf(side->failure, sizeof side->failure, "%s", mm_conn_failure(conn));
    side->conn = NULL;
    set_flag(&side->is_closed);
}

static UNUSED const struct mm_conn_handler side_handler = {
    .on_open = side_on_open,
    .on_input = side_on_input,
    .on_drained = side_on_drained,
    .on_tls = side_on_tls,
    .on_end = side_on_end,
    .on_closed = side_on_closed,
};

/* The same without on_end. */
static UNUSED const struct mm_conn_handler endless_handler = {
    .on_open = side_on_open,
    .on_input = side_on_input,
    .on_drained = side_on_drained,
    .on_tls = side_on_tls,
    .on_closed = side_on_closed,
};

struct server {
    struct mm_loop *loop;
    struct mm_listener *listener;
    const struct mm_conn_handler *handler;
    struct side side; /* of the connection that came last */
};

static void server_on_connection(void *context, struct mm_conn *conn)
{
    struct server *server = context;
    mm_conn_set_handler(conn, server->handler, &server->side);
    side_on_open(&server->side, conn);
}

static UNUSED struct mm_netaddr loopback(uint16_t port)
{
    static const uint8_t bytes[4] = {127, 0, 0, 1};
    return mm_netaddr_v4(bytes, port);
}

static UNUSED void run_nothing(void *context)
{
    (void)context;
}

/* When this returns the server's loop listens. Until then it may take the
 * number of a descriptor that another loop has just closed; libuv closes
 * behind the thread sanitizer's back, which would call that a race. */
static UNUSED void server_begin(struct server *server)
{
    memset(server, 0, sizeof *server);
    side_init(&server->side);
    server->handler = &side_handler;
    server->loop = loop_begin();
    struct mm_netaddr address = loopback(0);
    assert_int_equal(mm_listener_open(&server->listener, &server->loop, 1,
                                      &address, server_on_connection, server,
                                      NULL),
                     MAILMOD_OK);
    assert_int_not_equal(mm_listener_address(server->listener)->port, 0);
    on_loop(server->loop, run_nothing, NULL);
}

static UNUSED void server_end(struct server *server)
{
    mm_listener_close(&server->listener);
    loop_end(&server->loop);
    side_fini(&server->side);
}

static UNUSED uint16_t server_port(const struct server *server)
{
    return mm_listener_address(server->listener)->port;
}

struct dialling {
    struct mm_loop *loop;
    struct side *side;
    uint16_t port;
    enum mailmod_error error;
};

static void run_dial(void *context)
{
    struct dialling *dialling = context;
    struct mm_dial_options options = {0};
    options.address = loopback(dialling->port);
    options.timeout_ms = 10000;
    dialling->error = mm_dial(dialling->loop, &options, &side_handler,
                              dialling->side, &dialling->side->conn);
}

static UNUSED void dial(struct mm_loop *loop, struct side *side, uint16_t port)
{
    struct dialling dialling = {loop, side, port, MAILMOD_OK};
    on_loop(loop, run_dial, &dialling);
    assert_int_equal(dialling.error, MAILMOD_OK);
}

static UNUSED int peer_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval wait = {WAIT_SECONDS, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    in4.sin_port = htons(port);
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&in4, sizeof in4), 0);
    return fd;
}

static UNUSED void peer_send(int fd, const char *text)
{
    size_t size = strlen(text);
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Reads until the end (0), an error (-1) or `size`; the octets read. */
static UNUSED ssize_t peer_read(int fd, char *out, size_t size, int *end_out)
{
    size_t at = 0;
    ssize_t count = 1;
    while (at < size && count > 0) {
        count = recv(fd, out + at, size - at, 0);
        at += count > 0 ? (size_t)count : 0;
    }
    if (end_out != NULL) {
        *end_out = (int)count;
    }
    return (ssize_t)at;
}

static UNUSED void peer_expect(int fd, const char *text)
{
    char bytes[256];
    size_t size = strlen(text);
    assert_int_equal(peer_read(fd, bytes, size, NULL), (ssize_t)size);
    assert_memory_equal(bytes, text, size);
}

static UNUSED void peer_expect_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* A server's context with this certificate; `key` NULL: in the same file. */
static UNUSED enum mailmod_error
server_tls_new(struct mm_tls **tls_out, const char *certificate,
               const char *key, const char *service, enum mm_tls_oldest oldest,
               struct mm_buf *reason_out)
{
    struct mm_certificate_files files = {mm_span_cstr(certificate),
                                         mm_span_cstr(key)};
    struct mm_certificates *certificates;
    *tls_out = NULL;
    enum mailmod_error error =
        mm_certificates_new(&certificates, &files, 1, NULL, reason_out);
    if (error == MAILMOD_OK) {
        struct mm_tls_server_options options = {certificates, service, oldest};
        error = mm_tls_server_new(tls_out, &options, reason_out);
    }
    mm_certificates_unref(&certificates);
    return error;
}

/* A socket pair of ours that listens without accepting: for refusals. */
static UNUSED uint16_t unused_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in4, sizeof in4), 0);
    socklen_t length = sizeof in4;
    getsockname(fd, (struct sockaddr *)&in4, &length);
    close(fd);
    return ntohs(in4.sin_port);
}

#endif
