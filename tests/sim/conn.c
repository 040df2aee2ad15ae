/* conn.c - io.h's verbs of a connection, and TLS as a marker, over net.c's
 * ends. Certificates are names alone. Thread: the run's. */
#include "net.h"

#include "base/mem.h"

#include <limits.h>
#include <stdio.h>

struct mm_certificates {
    unsigned references;
};
struct mm_tls {
    unsigned references;
};

void mm_conn_set_handler(struct mm_conn *conn,
                         const struct mm_conn_handler *handler, void *context)
{
    conn->end->handler = handler;
    conn->end->context = context;
    sim_end_wake(conn->end);
}

enum mailmod_error mm_conn_write(struct mm_conn *conn, const char *bytes,
                                 size_t size)
{
    struct end *end = conn->end;
    if (end->is_closing || end->is_ending) {
        return MAILMOD_ERROR_STATE;
    }
    if (mm_buf_size(&end->out) == 0) {
        end->moved_ms = sim_now_ms();
    }
    enum mailmod_error error = mm_buf_append(&end->out, bytes, size);
    if (error != MAILMOD_OK || mm_buf_size(&end->out) > MM_LIMIT_OUTPUT / 4) {
        end->was_full = true;
    }
    if (error != MAILMOD_OK) {
        end->out.error = MAILMOD_OK; /* all or nothing, and it goes on */
        error = MAILMOD_ERROR_LIMIT;
    }
    sim_end_wake(end);
    return error;
}

size_t mm_conn_write_room(const struct mm_conn *conn)
{
    return mm_buf_room(&conn->end->out);
}

void mm_conn_resume(struct mm_conn *conn)
{
    conn->end->is_stalled = false;
    sim_end_wake(conn->end);
}

void mm_conn_close(struct mm_conn *conn)
{
    struct end *end = conn->end;
    if (end->is_opening) {
        sim_end_finish(end, MAILMOD_OK);
        return;
    }
    end->is_closing = true;
    sim_end_wake(end);
}

void mm_conn_abort(struct mm_conn *conn)
{
    struct end *end = conn->end;
    if (!end->is_ending) {
        mm_buf_clear(&end->out);
        if (!end->is_opening) {
            sim_end_send(end, CHUNK_RESET);
        }
        sim_end_finish(end, MAILMOD_OK);
    }
}

void mm_conn_forget(struct mm_conn *conn)
{
    static const struct mm_conn_handler nobody = {.on_closed = NULL};
    conn->end->handler = &nobody;
    mm_conn_abort(conn);
}

void mm_conn_set_write_timeout(struct mm_conn *conn, uint64_t timeout_ms)
{
    conn->end->write_timeout_ms = timeout_ms;
}

enum mailmod_error mm_conn_start_tls_server(struct mm_conn *conn,
                                            struct mm_tls *tls,
                                            uint64_t timeout_ms)
{
    struct end *end = conn->end;
    if (tls == NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    end->tls = TLS_WAITS;
    sim_end_limit_hello(end, timeout_ms);
    sim_end_hear_hello(end);
    sim_end_wake(end);
    return MAILMOD_OK;
}

enum mailmod_error mm_conn_start_implicit_tls(struct mm_conn *conn,
                                              struct mm_tls *tls,
                                              uint64_t timeout_ms)
{
    conn->end->is_implicit = true;
    return mm_conn_start_tls_server(conn, tls, timeout_ms);
}

enum mailmod_error mm_conn_start_tls_client(struct mm_conn *conn,
                                            struct mm_tls *tls,
                                            const char *name, bool verifies,
                                            uint64_t timeout_ms)
{
    struct end *end = conn->end;
    (void)tls;
    (void)name;
    end->tls = TLS_ASKED;
    end->verifies = verifies;
    sim_end_send(end, CHUNK_HELLO);
    sim_end_limit_hello(end, timeout_ms);
    return MAILMOD_OK;
}

void mm_conn_ask_certificate(struct mm_conn *conn)
{
    (void)conn;
}

enum mailmod_error
mm_conn_peer_certificate(const struct mm_conn *conn,
                         struct mm_peer_certificate *certificate_out)
{
    (void)conn;
    (void)certificate_out;
    return MAILMOD_ERROR_NOT_FOUND;
}

bool mm_conn_has_certificate(const struct mm_conn *conn)
{
    (void)conn;
    return false;
}

bool mm_conn_is_tls(const struct mm_conn *conn)
{
    return conn->end->tls == TLS_ON;
}

const char *mm_conn_tls_text(const struct mm_conn *conn)
{
    return mm_conn_is_tls(conn) ? "TLSv1.3 SIMULATED" : "";
}

const char *mm_conn_failure(const struct mm_conn *conn)
{
    (void)conn;
    return "";
}

const struct mm_netaddr *mm_conn_peer(const struct mm_conn *conn)
{
    return &conn->end->remote;
}

const struct mm_netaddr *mm_conn_local(const struct mm_conn *conn)
{
    return &conn->end->local;
}

struct mm_loop *mm_conn_loop(const struct mm_conn *conn)
{
    return conn->end->loop;
}

intptr_t mm_conn_socket(const struct mm_conn *conn)
{
    (void)conn;
    return -1;
}

enum mailmod_error
mm_certificates_new(struct mm_certificates **certificates_out,
                    const struct mm_certificate_files *files, size_t count,
                    const char *pass_phrase, struct mm_buf *reason_out)
{
    (void)files;
    (void)count;
    (void)pass_phrase;
    (void)reason_out;
    *certificates_out = mm_alloc(sizeof **certificates_out);
    if (*certificates_out == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (*certificates_out)->references = 1;
    return MAILMOD_OK;
}

struct mm_certificates *
mm_certificates_ref(struct mm_certificates *certificates)
{
    certificates->references++;
    return certificates;
}

void mm_certificates_unref(struct mm_certificates **certificates)
{
    if (*certificates != NULL && --(*certificates)->references == 0) {
        mm_free(*certificates);
    }
    *certificates = NULL;
}

bool mm_certificates_facts(const struct mm_certificates *certificates,
                           size_t index, struct mm_certificate_facts *facts_out)
{
    if (certificates == NULL || index > 0) {
        return false;
    }
    facts_out->file = "simulated";
    facts_out->key_file = "simulated";
    facts_out->days_left = INT_MAX;
    return true;
}

static enum mailmod_error new_tls(struct mm_tls **tls_out)
{
    *tls_out = mm_alloc(sizeof **tls_out);
    if (*tls_out == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (*tls_out)->references = 1;
    return MAILMOD_OK;
}

enum mailmod_error
mm_tls_server_new(struct mm_tls **tls_out,
                  const struct mm_tls_server_options *options,
                  struct mm_buf *reason_out)
{
    (void)options;
    (void)reason_out;
    return new_tls(tls_out);
}

enum mailmod_error
mm_tls_client_new(struct mm_tls **tls_out,
                  const struct mm_tls_client_options *options,
                  struct mm_buf *reason_out)
{
    (void)options;
    (void)reason_out;
    return new_tls(tls_out);
}

struct mm_tls *mm_tls_ref(struct mm_tls *tls)
{
    tls->references++;
    return tls;
}

void mm_tls_unref(struct mm_tls **tls)
{
    if (*tls != NULL && --(*tls)->references == 0) {
        mm_free(*tls);
    }
    *tls = NULL;
}

enum mailmod_error mm_tls_self_signed(const char *host_name,
                                      enum mm_tls_key kind,
                                      struct mm_buf *certificate_out,
                                      struct mm_buf *key_out)
{
    (void)host_name;
    (void)kind;
    (void)certificate_out;
    (void)key_out;
    return MAILMOD_ERROR_UNSUPPORTED;
}

void mm_tls_thread_end(void)
{
}

struct mm_conn *sim_dial(const char *source, const char *address,
                         const struct mm_conn_handler *handler, void *context)
{
    struct mm_dial_options options = {.timeout_ms = 30000};
    struct mm_conn *conn = NULL;
    if (!mm_netaddr_parse(mm_span_cstr(address), &options.address) ||
        !mm_netaddr_parse_ip(mm_span_cstr(source), &options.source) ||
        mm_dial(sim_world_loop(), &options, handler, context, &conn) !=
            MAILMOD_OK) {
        sim_fail("no connection from %s to %s", source, address);
    }
    return conn;
}

struct mm_listener *sim_listen(const char *address,
                               mm_on_connection on_connection, void *context)
{
    struct mm_listener *listener = NULL;
    struct mm_loop *loop = sim_world_loop();
    struct mm_netaddr parsed;
    if (!mm_netaddr_parse(mm_span_cstr(address), &parsed) ||
        mm_listener_open(&listener, &loop, 1, &parsed, on_connection, context,
                         NULL) != MAILMOD_OK) {
        sim_fail("no listener at %s", address);
    }
    return listener;
}
