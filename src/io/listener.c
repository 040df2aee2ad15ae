/* listener.c - a listening address, accepted on every loop given.
 *
 * Owns the listening socket and one acceptor a loop, each with a descriptor of
 * its own of that socket (where the system has one completion port a socket,
 * one acceptor on the first loop). An acceptor lives on its loop; open and
 * close are posted there, and close waits until the last one is shut.
 * A short descriptor supply: after every accept one more descriptor is tried
 * for. When there is none, the connection just accepted is left with libuv,
 * which accepts no further one meanwhile, and is taken a second later. So the
 * others wait in the system's backlog; libuv's own answer, accepting and
 * closing them all, is not reached.
 * Thread: open, address and close any but a loop's; the rest the loops'. */
#include "io/conn_internal.h"

#include "base/mem.h"
#include "platform/net.h"

#define BACKLOG 1024
#define PAUSE_MS 1000
#define COMPONENT "listener"

struct acceptor {
    struct mm_resident resident;
    struct mm_listener *listener;
    struct mm_loop *loop;
    struct mm_task open_task;
    struct mm_task close_task;
    struct mm_timer pause_timer;
    uv_tcp_t tcp;
    bool has_timer;
    bool has_handle; /* open or being closed */
    bool has_one;    /* libuv holds an accepted connection */
    bool is_ending;
    bool is_over; /* counted as closed */
};

struct mm_listener {
    struct acceptor *acceptors;
    size_t count;
    mm_socket socket;
    bool is_shared; /* an acceptor has its own descriptor */
    struct mm_netaddr address;
    mm_on_connection on_connection;
    void *context;
    const struct mm_log *log;
    struct mm_mutex *lock; /* guards holders */
    struct mm_condition *is_left;
    size_t holders; /* acceptors not yet closed, tasks not yet run */
};

static void start_accepting(struct acceptor *acceptor);

static void log_error(const struct acceptor *acceptor, const char *text,
                      enum mailmod_error error)
{
    char address[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format(&acceptor->listener->address, address);
    MM_LOG(acceptor->listener->log, MM_LOG_WARNING, COMPONENT, text,
           MM_TEXT("address", address), MM_TEXT("error", mm_error_name(error)));
}

static void hold(struct mm_listener *listener)
{
    mm_mutex_lock(listener->lock);
    listener->holders++;
    mm_mutex_unlock(listener->lock);
}

/* The last release may be followed at once by the end of the listener. */
static void release(struct mm_listener *listener)
{
    mm_mutex_lock(listener->lock);
    listener->holders--;
    mm_condition_signal(listener->is_left);
    mm_mutex_unlock(listener->lock);
}

static void report_closed(struct acceptor *acceptor)
{
    struct mm_listener *listener = acceptor->listener;
    if (acceptor->is_over) {
        return;
    }
    acceptor->is_over = true;
    mm_list_remove(&acceptor->resident.node);
    if (acceptor->has_timer) {
        mm_timer_close(&acceptor->pause_timer);
    }
    release(listener);
}

static void pause_accepting(struct acceptor *acceptor, const char *text,
                            enum mailmod_error error)
{
    log_error(acceptor, text, error);
    mm_timer_set(&acceptor->pause_timer, PAUSE_MS);
}

static enum mailmod_error try_one_descriptor(struct acceptor *acceptor)
{
    if (!acceptor->listener->is_shared) {
        return MAILMOD_OK;
    }
    mm_socket spare;
    enum mailmod_error error = mm_net_share(acceptor->listener->socket, &spare);
    if (error == MAILMOD_OK) {
        mm_net_close(spare);
    }
    return error;
}

static enum mailmod_error accept_one(struct acceptor *acceptor)
{
    enum mailmod_error error = try_one_descriptor(acceptor);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_conn *conn;
    error = mm_conn_new(&conn, acceptor->loop);
    if (error != MAILMOD_OK) {
        return error;
    }
    /* libuv starts accepting again inside uv_accept. */
    acceptor->has_one = false;
    int status =
        uv_accept((uv_stream_t *)&acceptor->tcp, (uv_stream_t *)&conn->tcp);
    if (status != 0) {
        mm_conn_end_uv(conn, status, "accept");
        return MAILMOD_OK;
    }
    mm_conn_opened(conn);
    conn->is_pumping = true;
    acceptor->listener->on_connection(acceptor->listener->context, conn);
    conn->is_pumping = false;
    if (conn->handler == NULL) {
        mm_conn_abort(conn);
    }
    mm_conn_kick(conn);
    return MAILMOD_OK;
}

static void on_acceptor_closed(uv_handle_t *handle)
{
    struct acceptor *acceptor = handle->data;
    mm_loop_note_callback(acceptor->loop);
    acceptor->has_handle = false;
    if (acceptor->is_ending) {
        report_closed(acceptor);
    }
}

static void on_incoming(uv_stream_t *stream, int status)
{
    struct acceptor *acceptor = stream->data;
    mm_loop_note_callback(acceptor->loop);
    if (acceptor->is_ending) {
        return;
    }
    if (status != 0) {
        /* libuv would call again at once and for ever: the handle is closed
         * and opened anew after the pause. */
        pause_accepting(acceptor, "cannot accept, trying again in a second",
                        mm_error_from_uv(status));
        if (acceptor->listener->is_shared &&
            !uv_is_closing((uv_handle_t *)&acceptor->tcp)) {
            uv_close((uv_handle_t *)&acceptor->tcp, on_acceptor_closed);
        }
        return;
    }
    acceptor->has_one = true;
    enum mailmod_error error = accept_one(acceptor);
    if (error != MAILMOD_OK) {
        pause_accepting(acceptor, "accepting pauses for a second", error);
    }
}

static void on_pause_over(struct mm_timer *timer)
{
    struct acceptor *acceptor =
        MM_LIST_OBJECT(timer, struct acceptor, pause_timer);
    if (acceptor->is_ending) {
        return;
    }
    if (!acceptor->has_handle) {
        start_accepting(acceptor);
        return;
    }
    enum mailmod_error error =
        acceptor->has_one ? accept_one(acceptor) : MAILMOD_OK;
    if (error != MAILMOD_OK) {
        mm_timer_set(&acceptor->pause_timer, PAUSE_MS);
    }
}

static enum mailmod_error open_handle(struct acceptor *acceptor)
{
    struct mm_listener *listener = acceptor->listener;
    mm_socket socket = listener->socket;
    if (socket == MM_SOCKET_NONE) {
        return MAILMOD_ERROR_STATE;
    }
    if (listener->is_shared) {
        enum mailmod_error error = mm_net_share(listener->socket, &socket);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    int status = uv_tcp_init(&acceptor->loop->uv, &acceptor->tcp);
    if (status != 0) {
        if (listener->is_shared) {
            mm_net_close(socket);
        }
        return mm_error_from_uv(status);
    }
    acceptor->tcp.data = acceptor;
    acceptor->has_handle = true;
    acceptor->has_one = false;
    status = uv_tcp_open(&acceptor->tcp, (uv_os_sock_t)socket);
    if (status != 0) {
        if (listener->is_shared) {
            mm_net_close(socket);
        }
    } else {
        if (!listener->is_shared) {
            listener->socket = MM_SOCKET_NONE; /* libuv's from here on */
        }
        status = uv_listen((uv_stream_t *)&acceptor->tcp, BACKLOG, on_incoming);
    }
    if (status != 0) {
        uv_close((uv_handle_t *)&acceptor->tcp, on_acceptor_closed);
    }
    return mm_error_from_uv(status);
}

static void start_accepting(struct acceptor *acceptor)
{
    enum mailmod_error error = open_handle(acceptor);
    if (error != MAILMOD_OK) {
        pause_accepting(acceptor, "cannot listen, trying again in a second",
                        error);
    }
}

static void end_acceptor(struct acceptor *acceptor)
{
    if (acceptor->is_ending) {
        return;
    }
    acceptor->is_ending = true;
    if (!acceptor->has_handle) {
        report_closed(acceptor);
    } else if (!uv_is_closing((uv_handle_t *)&acceptor->tcp)) {
        uv_close((uv_handle_t *)&acceptor->tcp, on_acceptor_closed);
    }
}

static void on_stop(struct mm_resident *resident)
{
    end_acceptor(MM_LIST_OBJECT(resident, struct acceptor, resident));
}

static void run_close(struct mm_task *task)
{
    struct acceptor *acceptor =
        MM_LIST_OBJECT(task, struct acceptor, close_task);
    struct mm_listener *listener = acceptor->listener;
    end_acceptor(acceptor);
    release(listener);
}

static void run_open(struct mm_task *task)
{
    struct acceptor *acceptor =
        MM_LIST_OBJECT(task, struct acceptor, open_task);
    enum mailmod_error error =
        mm_timer_open(&acceptor->pause_timer, acceptor->loop, on_pause_over);
    acceptor->has_timer = error == MAILMOD_OK;
    if (error == MAILMOD_OK) {
        error = mm_loop_admit(acceptor->loop, &acceptor->resident);
    }
    if (error != MAILMOD_OK) {
        /* STOPPED: a start that failed elsewhere is told there. */
        if (error != MAILMOD_ERROR_STOPPED) {
            log_error(acceptor, "cannot listen on this loop", error);
        }
        end_acceptor(acceptor);
        return;
    }
    start_accepting(acceptor);
}

static void init_acceptor(struct mm_listener *listener, size_t index,
                          struct mm_loop *loop)
{
    struct acceptor *acceptor = &listener->acceptors[index];
    acceptor->listener = listener;
    acceptor->loop = loop;
    acceptor->open_task.run = run_open;
    acceptor->close_task.run = run_close;
    acceptor->resident.on_stop = on_stop;
    mm_list_init(&acceptor->resident.node);
    mm_list_init(&acceptor->open_task.node);
    mm_list_init(&acceptor->close_task.node);
}

static void free_listener(struct mm_listener *listener)
{
    if (listener->socket != MM_SOCKET_NONE) {
        mm_net_end(listener->socket);
        mm_net_close(listener->socket);
    }
    mm_condition_free(&listener->is_left);
    mm_mutex_free(&listener->lock);
    mm_free(listener->acceptors);
    mm_free(listener);
}

static enum mailmod_error open_parts(struct mm_listener *listener,
                                     const struct mm_netaddr *address,
                                     size_t loop_count)
{
    listener->acceptors =
        mm_alloc_array(loop_count, sizeof *listener->acceptors);
    if (listener->acceptors == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_mutex_new(&listener->lock);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&listener->is_left);
    }
    if (error == MAILMOD_OK) {
        error = mm_net_listen(address, BACKLOG, &listener->socket,
                              &listener->address);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_socket spare;
    error = mm_net_share(listener->socket, &spare);
    if (error == MAILMOD_OK) {
        mm_net_close(spare);
    }
    listener->is_shared = error != MAILMOD_ERROR_STATE;
    listener->count = listener->is_shared ? loop_count : 1;
    return listener->is_shared ? error : MAILMOD_OK;
}

enum mailmod_error mm_listener_open(struct mm_listener **listener_out,
                                    struct mm_loop *const *loops,
                                    size_t loop_count,
                                    const struct mm_netaddr *address,
                                    mm_on_connection on_connection,
                                    void *context, const struct mm_log *log)
{
    *listener_out = NULL;
    if (loop_count == 0 || on_connection == NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_listener *listener = mm_alloc(sizeof *listener);
    if (listener == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    listener->socket = MM_SOCKET_NONE;
    listener->is_shared = true;
    listener->on_connection = on_connection;
    listener->context = context;
    listener->log = log;
    enum mailmod_error error = open_parts(listener, address, loop_count);
    if (error != MAILMOD_OK) {
        free_listener(listener);
        return error;
    }
    listener->holders = listener->count;
    for (size_t i = 0; i < listener->count; i++) {
        struct acceptor *acceptor = &listener->acceptors[i];
        init_acceptor(listener, i, loops[i]);
        if (!mm_loop_try_post(loops[i], &acceptor->open_task)) {
            release(listener);
        }
    }
    *listener_out = listener;
    return MAILMOD_OK;
}

const struct mm_netaddr *mm_listener_address(const struct mm_listener *listener)
{
    return &listener->address;
}

void mm_listener_close(struct mm_listener **listener_in)
{
    struct mm_listener *listener = *listener_in;
    if (listener == NULL) {
        return;
    }
    for (size_t i = 0; i < listener->count; i++) {
        struct acceptor *acceptor = &listener->acceptors[i];
        hold(listener);
        if (mm_loop_take_back(acceptor->loop, &acceptor->open_task)) {
            release(listener); /* the acceptor's own */
            release(listener);
        } else if (!mm_loop_try_post(acceptor->loop, &acceptor->close_task)) {
            release(listener); /* stopped, and so closed already */
        }
    }
    mm_mutex_lock(listener->lock);
    while (listener->holders > 0) {
        mm_loop_wait(listener->acceptors[0].loop, listener->is_left,
                     listener->lock);
    }
    mm_mutex_unlock(listener->lock);
    free_listener(listener);
    *listener_in = NULL;
}
