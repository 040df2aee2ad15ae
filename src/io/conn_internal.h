/* thread: loop
 * conn_internal.h - the inside of a connection and of its TLS session, for
 * conn.c, conn_pump.c, tls_pump.c, dial.c and listener.c alone. */
#ifndef MM_IO_CONN_INTERNAL_H
#define MM_IO_CONN_INTERNAL_H

#include "base/buf.h"
#include "base/limits.h"
#include "io/loop_internal.h"

/* What TLS may add to a full output: record headers and tags, handshake
 * messages, alerts. */
#define MM_CONN_OUTPUT_SLACK 32768
/* on_drained comes when no more than this is owed. */
#define MM_CONN_OUTPUT_LOW (MM_LIMIT_OUTPUT / 4)

/* CONNECTING -> OPEN -> CLOSING -> GONE; every one may go to GONE at once.
 * In CLOSING only our output and FIN still move, and the handler hears no more
 * than on_closed; in GONE libuv's handle is being closed. Only mm_conn_end
 * enters GONE and only mm_conn_begin_close enters CLOSING. */
enum mm_conn_phase {
    MM_CONN_CONNECTING,
    MM_CONN_OPEN,
    MM_CONN_CLOSING,
    MM_CONN_GONE
};

struct mm_tls_session;

struct mm_conn {
    struct mm_resident resident;
    struct mm_loop *loop;
    struct mm_task kick; /* pump soon, from outside any call of the owner's */
    const struct mm_conn_handler *handler;
    void *context;
    uv_tcp_t tcp;
    union { /* one at a time: connect, then writes, then the shutdown */
        uv_connect_t connect;
        uv_write_t write;
        uv_shutdown_t shutdown;
    } request;
    struct mm_timer setup_timer; /* connect, TLS handshake */
    struct mm_timer write_timer; /* the send in flight; the closing */
    uint64_t write_timeout_ms;
    struct mm_span arrived; /* lent by the loop for one callback */
    struct mm_buf input;    /* clear octets that the handler did not take */
    struct mm_buf output;   /* owed to the socket */
    struct mm_buf sending;  /* owned by the write in flight */
    struct mm_buf failure;
    struct mm_tls_session *tls; /* NULL: in clear */
    struct mm_netaddr peer;
    struct mm_netaddr local;
    enum mm_conn_phase phase;
    enum mailmod_error reason;
    bool is_kicked;
    bool opens_soon; /* a local socket: it stands already */
    bool is_pumping;
    bool is_offering; /* inside on_input */
    bool is_resumed;  /* resumed inside on_input */
    bool is_paused;
    bool is_reading;
    bool is_sending;
    bool is_above;    /* owes an on_drained */
    bool has_raw_end; /* FIN of the socket */
    bool has_end;     /* end of the peer's octets: FIN or close_notify */
    bool is_end_told;
    bool is_talking;       /* the peer sent what nobody will take */
    bool is_shut;          /* FIN is asked for */
    bool is_lingering;     /* FIN is out; waiting for the peer's */
    bool is_implicit_tls;  /* nothing of the conversation is in clear */
    bool asks_certificate; /* of the peer, who is a client */
    bool is_deaf;          /* the peer takes no octets any more */
};

/* An empty connection whose handle is ready; the places of its timers are
 * reserved, it is the loop's resident. */
MM_CHECK enum mailmod_error mm_conn_new(struct mm_conn **conn_out,
                                        struct mm_loop *loop);
/* Opens, and tells the owner so. */
void mm_conn_open_now(struct mm_conn *conn);
/* Reads the socket's names, switches Nagle off, opens. */
void mm_conn_opened(struct mm_conn *conn);
/* Closes the handle; on_closed follows from the loop. `detail` may be NULL;
 * the first explanation stays. */
void mm_conn_end(struct mm_conn *conn, enum mailmod_error reason,
                 const char *what, const char *detail);
void mm_conn_end_uv(struct mm_conn *conn, int status, const char *what);
void mm_conn_explain(struct mm_conn *conn, const char *what,
                     const char *detail);
/* What is owed goes out first, then FIN; on_closed gets `reason`. */
void mm_conn_begin_close(struct mm_conn *conn, enum mailmod_error reason);
void mm_conn_kick(struct mm_conn *conn);
/* All octets owed: in buffers, in flight, before encryption. */
size_t mm_conn_owed(const struct mm_conn *conn);

/* Moves everything that can move, both ways. */
void mm_conn_pump(struct mm_conn *conn);
/* Starts or stops reading as the state asks for. */
void mm_conn_watch(struct mm_conn *conn);

enum mm_tls_step { MM_TLS_DONE, MM_TLS_WAIT, MM_TLS_ENDED, MM_TLS_FAILED };

MM_CHECK enum mailmod_error mm_tls_session_new(struct mm_conn *conn,
                                               struct mm_tls *tls,
                                               const char *name, bool verifies);
MM_CHECK enum mailmod_error
mm_tls_session_certificate(const struct mm_tls_session *session,
                           struct mm_peer_certificate *certificate_out);
bool mm_tls_session_has_certificate(const struct mm_tls_session *session);
void mm_tls_session_free(struct mm_tls_session **session);
bool mm_tls_is_established(const struct mm_tls_session *session);
const char *mm_tls_session_text(const struct mm_tls_session *session);
/* Cipher text that arrived and was not taken is kept for later. */
MM_CHECK enum mailmod_error mm_tls_keep(struct mm_tls_session *session,
                                        struct mm_span cipher);
bool mm_tls_has_kept(const struct mm_tls_session *session);
size_t mm_tls_pending(const struct mm_tls_session *session);
/* FAILED has closed the connection with its reason. */
enum mm_tls_step mm_tls_shake_hands(struct mm_conn *conn);
enum mm_tls_step mm_tls_read(struct mm_conn *conn, struct mm_span *clear_out);
/* Encrypts into the output, or keeps until the handshake is done. */
MM_CHECK enum mailmod_error mm_tls_write(struct mm_conn *conn,
                                         const char *bytes, size_t size);
void mm_tls_write_pending(struct mm_conn *conn);
void mm_tls_notify_close(struct mm_conn *conn);

#endif
