/* net.c - io.h's listeners, connections and dialling on virtual time.
 *
 * A connection has two ends. What an end writes lies in its bounded output
 * until an event sends it, as far as the other end's window allows; it arrives
 * in order, after the line's latency. A line may break (both ends hear a reset)
 * or fall silent after so many octets. TLS is a marker in the stream: nothing
 * is ciphered, the order of what happens is the same.
 *
 * What the library holds (mm_conn) is freed when on_closed has returned, so
 * that a sanitizer finds who touches it later; the end lives until no event
 * names it. Thread: the run's. */
#include "net.h"

#include "base/mem.h"
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 65536, WRITE_TIMEOUT_MS = 300000, MARK_SIZE = 15 };

static struct mm_list ends = {&ends, &ends};
static struct mm_list listeners = {&listeners, &listeners};

static void arrive(void *context);
static void flush(void *context);
static void pump(void *context);
static void send_chunk(struct end *end, enum chunk_kind kind, const char *bytes,
                       size_t size);

static void hold(struct end *end, uint64_t wait_ms, void (*run)(void *context))
{
    end->references++;
    sim_after(wait_ms, run, end);
}

static void let(struct end *end)
{
    if (--end->references > 0) {
        return;
    }
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&end->inbox)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct chunk, node));
    }
    mm_buf_fini(&end->in);
    mm_buf_fini(&end->out);
    mm_list_remove(&end->node);
    struct end *peer = end->peer;
    mm_free(end);
    if (peer != NULL) {
        let(peer);
    }
}

static bool is_open(const struct end *end)
{
    return end->conn != NULL && !end->is_ending;
}

/* The other end may come twice with what it had begun. */
static void note_broken(struct end *end)
{
    struct end *client = end->is_client ? end : end->peer;
    if (client != NULL && client->last_token != 0) {
        sim_ledger_allow(client->last_token, "its connection broke");
    }
}

static void end_is_over(void *context)
{
    struct end *end = context;
    struct mm_conn *conn = end->conn;
    if (conn != NULL) {
        if (end->handler != NULL && end->handler->on_closed != NULL) {
            end->handler->on_closed(end->context, conn, end->reason);
        }
        end->conn = NULL;
        mm_free(conn);
        struct end *peer = end->peer;
        end->peer = NULL;
        if (peer != NULL) {
            let(peer);
        }
        let(end); /* the connection's own */
    }
    let(end);
}

void sim_end_finish(struct end *end, enum mailmod_error reason)
{
    if (!is_open(end)) {
        return;
    }
    if (reason != MAILMOD_OK && reason != MAILMOD_ERROR_STOPPED &&
        reason != MAILMOD_ERROR_CLOSED && !end->is_opening) {
        note_broken(end);
    }
    if (reason != MAILMOD_OK && !end->is_opening) {
        send_chunk(end, CHUNK_RESET, NULL, 0);
    }
    end->is_ending = true;
    end->reason = reason;
    hold(end, 0, end_is_over);
}

/* The lines to the hosts of 10.1.0.0/24 have no faults of their own. */
static bool is_steady(const struct end *end)
{
    const struct mm_netaddr *host = end->is_client ? &end->remote : &end->local;
    return host->bytes[1] == 1 && host->bytes[2] == 0;
}

static void send_chunk(struct end *end, enum chunk_kind kind, const char *bytes,
                       size_t size)
{
    struct end *peer = end->peer;
    if (peer == NULL || end->is_mute || peer->is_mute || end->is_silent) {
        return;
    }
    struct chunk *chunk = mm_alloc(sizeof *chunk + size);
    if (chunk == NULL) {
        sim_fail("no memory for a chunk");
    }
    chunk->kind = kind;
    chunk->size = size;
    if (size > 0) {
        memcpy(chunk->bytes, bytes, size);
    }
    uint64_t at_ms = sim_now_ms() + end->latency_ms;
    if (!is_steady(end) && sim_fault(SIM_FAULT_NET, 2)) {
        at_ms += sim_below(20000);
    }
    peer->last_at_ms = at_ms > peer->last_at_ms ? at_ms : peer->last_at_ms;
    chunk->at_ms = peer->last_at_ms;
    peer->in_flight += size;
    mm_list_append(&peer->inbox, &chunk->node);
    hold(peer, peer->last_at_ms - sim_now_ms(), arrive);
}

/* The line breaks: both ends hear it. */
static void break_line(struct end *end)
{
    struct end *peer = end->peer;
    note_broken(end);
    if (peer != NULL) {
        mm_buf_clear(&peer->out);
        send_chunk(peer, CHUNK_RESET, NULL, 0);
    }
    send_chunk(end, CHUNK_RESET, NULL, 0);
    end->is_silent = true;
    if (peer != NULL) {
        peer->is_silent = true;
    }
}

static void fall_silent(struct end *end)
{
    note_broken(end);
    end->is_silent = true;
    if (end->peer != NULL) {
        end->peer->is_silent = true;
    }
}

/* Which message goes by: the last mark in what was written. */
static void look_for_mark(struct end *end, const char *bytes, size_t size)
{
    char text[WINDOW + MARK_SIZE + 1];
    size_t kept = end->tail_size;
    memcpy(text, end->tail, kept);
    memcpy(text + kept, bytes, size);
    size += kept;
    text[size] = '\0';
    for (size_t i = 0; i + MARK_SIZE <= size; i++) {
        if (text[i] == 'X' && strncmp(text + i, SIM_MARK, 7) == 0) {
            end->last_token = (unsigned)strtoul(text + i + 7, NULL, 16);
        }
    }
    end->tail_size = size < MARK_SIZE - 1 ? size : MARK_SIZE - 1;
    memcpy(end->tail, text + size - end->tail_size, end->tail_size);
}

static void send_some(struct end *end)
{
    struct end *peer = end->peer;
    size_t size = mm_buf_size(&end->out);
    size_t used = peer != NULL ? mm_buf_size(&peer->in) + peer->in_flight : 0;
    size_t room = used < WINDOW ? WINDOW - used : 0;
    if (peer == NULL || peer->conn == NULL || end->is_mute) {
        room = WINDOW; /* into the void */
    }
    size = size < room ? size : room;
    bool breaks = size > 0 && size >= end->octets_left;
    size = breaks ? (size_t)end->octets_left : size;
    if (size > 0) {
        const char *bytes = mm_buf_span(&end->out).data;
        if (end->is_client) {
            look_for_mark(end, bytes, size);
        }
        send_chunk(end, CHUNK_DATA, bytes, size);
        mm_buf_consume(&end->out, size);
        end->octets_left -= size;
        end->moved_ms = sim_now_ms();
    }
    if (breaks) {
        end->octets_left = UINT64_MAX;
        if (sim_chance(500)) {
            break_line(end);
        } else {
            fall_silent(end);
        }
    }
}

static void watch_write(void *context)
{
    struct end *end = context;
    end->is_watched = false;
    if (is_open(end) && mm_buf_size(&end->out) > 0) {
        uint64_t late_ms = sim_now_ms() - end->moved_ms;
        if (late_ms >= end->write_timeout_ms) {
            sim_end_finish(end, MAILMOD_ERROR_TIMEOUT);
        } else {
            end->is_watched = true;
            hold(end, end->write_timeout_ms - late_ms, watch_write);
        }
    }
    let(end);
}

static void flush_now(struct end *end)
{
    if (!is_open(end) || end->is_opening) {
        return;
    }
    send_some(end);
    size_t left = mm_buf_size(&end->out);
    if (left > 0 && !end->is_watched) {
        end->is_watched = true;
        hold(end, end->write_timeout_ms, watch_write);
    }
    if (left == 0 && end->is_closing) {
        send_chunk(end, CHUNK_FIN, NULL, 0);
        sim_end_finish(end, MAILMOD_OK);
    } else if (end->was_full && left <= MM_LIMIT_OUTPUT / 4 &&
               !end->is_closing) {
        end->was_full = false;
        end->handler->on_drained(end->context, end->conn);
    }
}

static void flush(void *context)
{
    struct end *end = context;
    end->is_flush_due = false;
    flush_now(end);
    let(end);
}

static void make_flush_due(struct end *end)
{
    if (!end->is_flush_due && is_open(end)) {
        end->is_flush_due = true;
        hold(end, 0, flush);
    }
}

static void make_pump_due(struct end *end)
{
    if (!end->is_pump_due && is_open(end)) {
        end->is_pump_due = true;
        hold(end, 0, pump);
    }
}

static bool may_read(const struct end *end)
{
    return is_open(end) && !end->is_closing && !end->is_opening &&
           !end->is_stalled && end->handler != NULL &&
           (end->tls == TLS_OFF || end->tls == TLS_ON);
}

static void offer_input(struct end *end)
{
    while (may_read(end) && mm_buf_size(&end->in) > 0) {
        struct mm_span input = mm_buf_span(&end->in);
        size_t used = end->handler->on_input(end->context, end->conn,
                                             input.data, input.size);
        end->is_stalled = used < input.size;
        mm_buf_consume(&end->in, used);
        if (end->tls == TLS_WAITS && !end->is_implicit &&
            mm_buf_size(&end->in) > 0) {
            sim_end_finish(end, MAILMOD_ERROR_PROTOCOL); /* RFC 3207 */
        }
        if (end->peer != NULL) {
            make_flush_due(end->peer);
        }
    }
}

static void pump(void *context)
{
    struct end *end = context;
    end->is_pump_due = false;
    offer_input(end);
    if (may_read(end) && end->has_fin && mm_buf_size(&end->in) == 0 &&
        mm_list_is_empty(&end->inbox) && !end->has_told_fin) {
        end->has_told_fin = true;
        if (end->handler->on_end != NULL) {
            end->handler->on_end(end->context, end->conn);
        } else {
            sim_end_finish(end, MAILMOD_ERROR_CLOSED);
        }
    }
    let(end);
}

static void tls_stands(struct end *end)
{
    end->tls = TLS_ON;
    if (end->handler->on_tls != NULL) {
        end->handler->on_tls(end->context, end->conn);
    }
    make_pump_due(end);
}

static void answer_hello(struct end *end)
{
    if (!is_steady(end) && sim_fault(SIM_FAULT_TLS, 60)) {
        send_chunk(end, CHUNK_RESET, NULL, 0);
        sim_end_finish(end, MAILMOD_ERROR_TLS);
        return;
    }
    send_chunk(end, CHUNK_HELLO_DONE, NULL, 0);
    tls_stands(end);
}

static void take_hello(struct end *end)
{
    if (end->tls == TLS_WAITS) {
        answer_hello(end);
    } else {
        end->has_hello = true;
    }
}

/* The hosts of every second network have a certificate that is trusted. */
static void finish_hello(struct end *end)
{
    if (end->verifies && end->remote.bytes[2] % 2 != 0) {
        sim_end_finish(end, MAILMOD_ERROR_TLS_CERTIFICATE);
    } else {
        tls_stands(end);
    }
}

static void take_chunk(struct end *end, const struct chunk *chunk)
{
    switch (chunk->kind) {
    case CHUNK_OPENED:
        end->is_opening = false;
        end->handler->on_open(end->context, end->conn);
        make_flush_due(end);
        break;
    case CHUNK_DATA:
        if (mm_buf_append(&end->in, chunk->bytes, chunk->size) != MAILMOD_OK) {
            sim_fail("more than a window arrives");
        }
        break;
    case CHUNK_HELLO:
        take_hello(end);
        break;
    case CHUNK_HELLO_DONE:
        if (end->tls == TLS_ASKED) {
            finish_hello(end);
        }
        break;
    case CHUNK_FIN:
        end->has_fin = true;
        break;
    case CHUNK_RESET:
        sim_end_finish(end, end->is_opening ? MAILMOD_ERROR_CONNECTION_REFUSED
                                            : MAILMOD_ERROR_NETWORK);
        break;
    }
    make_pump_due(end);
}

static void arrive(void *context)
{
    struct end *end = context;
    struct mm_list *node = mm_list_first(&end->inbox);
    while (node != NULL) {
        struct chunk *chunk = MM_LIST_OBJECT(node, struct chunk, node);
        if (chunk->at_ms > sim_now_ms()) {
            break;
        }
        mm_list_remove(node);
        end->in_flight -= chunk->size;
        if (is_open(end) && !end->is_mute) {
            take_chunk(end, chunk);
        }
        mm_free(chunk);
        node = mm_list_first(&end->inbox);
    }
    let(end);
}

static struct end *new_end(struct mm_loop *loop)
{
    struct end *end = mm_alloc(sizeof *end);
    struct mm_conn *conn = mm_alloc(sizeof *conn);
    if (end == NULL || conn == NULL) {
        sim_fail("no memory for a connection");
    }
    conn->end = end;
    end->conn = conn;
    end->loop = loop;
    end->references = 1;
    end->octets_left = UINT64_MAX;
    end->write_timeout_ms = WRITE_TIMEOUT_MS;
    mm_list_init(&end->inbox);
    mm_buf_init(&end->in, 4 * WINDOW);
    mm_buf_init(&end->out, MM_LIMIT_OUTPUT);
    mm_list_append(&ends, &end->node);
    return end;
}

static void set_line(struct end *client, struct end *server)
{
    client->latency_ms = (unsigned)sim_between(1, 40);
    server->latency_ms = client->latency_ms;
    struct end *faulty = sim_chance(500) ? client : server;
    bool is_pop3 = server->local.port == 110;
    if (!is_steady(client) && sim_fault(SIM_FAULT_NET, is_pop3 ? 150 : 60)) {
        /* A POP3 client says so little that it breaks among its commands. */
        uint64_t most = sim_chance(500) ? 400 : 6000;
        faulty->octets_left =
            1 + sim_below(is_pop3 && faulty == client ? 150 : most);
    }
    client->peer = server;
    server->references++;
    server->peer = client;
    client->references++;
}

static struct mm_listener *find_listener(const struct mm_netaddr *address)
{
    MM_LIST_EACH(node, &listeners)
    {
        struct mm_listener *listener =
            MM_LIST_OBJECT(node, struct mm_listener, node);
        if (listener->address.port == address->port &&
            mm_netaddr_equal_ip(&listener->address, address)) {
            return listener;
        }
    }
    return NULL;
}

static void time_is_over(void *context)
{
    struct end *end = context;
    if (end->is_opening) {
        sim_end_finish(end, MAILMOD_ERROR_TIMEOUT);
    }
    let(end);
}

static void reach(void *context)
{
    struct end *end = context;
    struct mm_listener *listener = find_listener(&end->remote);
    if (!is_open(end) || end->is_mute) {
        let(end);
        return;
    }
    if (listener == NULL || (!is_steady(end) && sim_fault(SIM_FAULT_NET, 20))) {
        sim_end_finish(end, listener == NULL ? MAILMOD_ERROR_CONNECTION_REFUSED
                                             : MAILMOD_ERROR_UNREACHABLE);
        let(end);
        return;
    }
    struct end *server =
        new_end(listener->loops[listener->next++ % listener->loop_count]);
    server->local = listener->address;
    server->remote = end->local;
    set_line(end, server);
    send_chunk(server, CHUNK_OPENED, NULL, 0);
    listener->on_connection(listener->context, server->conn);
    make_flush_due(server);
    make_pump_due(server);
    let(end);
}

enum mailmod_error mm_dial(struct mm_loop *loop,
                           const struct mm_dial_options *options,
                           const struct mm_conn_handler *handler, void *context,
                           struct mm_conn **conn_out)
{
    const struct sim_machine *machine = sim_loop_machine(loop);
    struct end *end = new_end(loop);
    end->is_client = true;
    end->is_opening = true;
    end->handler = handler;
    end->context = context;
    end->remote = options->address;
    end->local = options->source;
    end->is_mute = machine != NULL && machine->is_dead;
    if (end->local.family == MM_NETADDR_NONE && machine != NULL) {
        (void)mm_netaddr_parse_ip(mm_span_cstr(machine->address), &end->local);
    }
    end->local.port = (uint16_t)sim_between(20000, 60000);
    hold(end, sim_between(1, 40), reach);
    hold(end, options->timeout_ms, time_is_over);
    *conn_out = end->conn;
    return MAILMOD_OK;
}

enum mailmod_error mm_listener_open(struct mm_listener **listener_out,
                                    struct mm_loop *const *loops,
                                    size_t loop_count,
                                    const struct mm_netaddr *address,
                                    mm_on_connection on_connection,
                                    void *context, const struct mm_log *log)
{
    (void)log;
    if (find_listener(address) != NULL) {
        return MAILMOD_ERROR_ADDRESS_IN_USE;
    }
    struct mm_listener *listener = mm_alloc(sizeof *listener);
    if (listener == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    listener->address = *address;
    listener->loop_count =
        loop_count < SIM_LOOPS_MAX ? loop_count : SIM_LOOPS_MAX;
    memcpy(listener->loops, loops,
           listener->loop_count * sizeof listener->loops[0]);
    listener->on_connection = on_connection;
    listener->context = context;
    mm_list_append(&listeners, &listener->node);
    *listener_out = listener;
    return MAILMOD_OK;
}

const struct mm_netaddr *mm_listener_address(const struct mm_listener *listener)
{
    return &listener->address;
}

void mm_listener_close(struct mm_listener **listener)
{
    if (*listener != NULL) {
        mm_list_remove(&(*listener)->node);
        mm_free(*listener);
        *listener = NULL;
    }
}

void sim_end_send(struct end *end, enum chunk_kind kind)
{
    send_some(end);
    send_chunk(end, kind, NULL, 0);
}

void sim_end_answer_hello(struct end *end)
{
    answer_hello(end);
}

void sim_end_wake(struct end *end)
{
    make_flush_due(end);
    make_pump_due(end);
}

static void tls_time_is_over(void *context)
{
    struct end *end = context;
    if (end->tls == TLS_WAITS || end->tls == TLS_ASKED) {
        sim_end_finish(end, MAILMOD_ERROR_TIMEOUT);
    }
    let(end);
}

void sim_end_limit_hello(struct end *end, uint64_t timeout_ms)
{
    hold(end, timeout_ms, tls_time_is_over);
}

static void hear_hello(void *context)
{
    struct end *end = context;
    if (is_open(end) && end->tls == TLS_WAITS && end->has_hello) {
        end->has_hello = false;
        answer_hello(end);
    }
    let(end);
}

void sim_end_hear_hello(struct end *end)
{
    hold(end, 0, hear_hello);
}

void sim_net_machine_died(const struct sim_machine *machine)
{
    bool is_silent = sim_chance(500);
    MM_LIST_EACH(node, &ends)
    {
        struct end *end = MM_LIST_OBJECT(node, struct end, node);
        if (sim_loop_machine(end->loop) == machine && end->conn != NULL) {
            note_broken(end);
            if (!is_silent) {
                send_chunk(end, CHUNK_RESET, NULL, 0);
            }
            end->is_mute = true;
        }
    }
}

void sim_net_loop_stops(struct mm_loop *loop)
{
    MM_LIST_EACH(node, &ends)
    {
        struct end *end = MM_LIST_OBJECT(node, struct end, node);
        if (end->loop != loop || end->conn == NULL) {
            continue;
        }
        if (!end->is_ending) {
            send_chunk(end, CHUNK_RESET, NULL, 0);
            end->is_ending = true;
            end->reason = MAILMOD_ERROR_STOPPED;
        }
        end->references += 2; /* this look's, and that of the end's end */
        end_is_over(end);
        node_next = node->next;
        let(end);
    }
}

void sim_net_end(void)
{
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&ends)) != NULL) {
        struct end *end = MM_LIST_OBJECT(node, struct end, node);
        struct mm_list *chunk = NULL;
        while ((chunk = mm_list_take_first(&end->inbox)) != NULL) {
            mm_free(MM_LIST_OBJECT(chunk, struct chunk, node));
        }
        mm_buf_fini(&end->in);
        mm_buf_fini(&end->out);
        mm_free(end->conn);
        mm_free(end);
    }
    while ((node = mm_list_take_first(&listeners)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct mm_listener, node));
    }
}
