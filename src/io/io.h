/* thread: loop, except where a function says any
 * io.h - the contract of all that touches the world: clock, timers, listen,
 * connect, bytes, TLS, names, jobs.
 *
 * The files of this folder implement it on libuv, OpenSSL and c-ares; the
 * simulator implements it on virtual time. Nothing above this layer sees
 * those libraries. A connection, timer or query lives and dies on one loop;
 * callbacks come on that loop's thread; nothing here blocks. */
#ifndef MM_IO_IO_H
#define MM_IO_IO_H

#include "base/budget.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/netaddr.h"

struct mm_loop;
struct mm_condition;
struct mm_mutex;

/* A piece of work for a loop; lives in its owner's object. */
struct mm_task {
    struct mm_list node;
    void (*run)(struct mm_task *task);
};

MM_CHECK enum mailmod_error mm_loop_new(struct mm_loop **loop_out,
                                        const struct mm_log *log);
/* Before it starts: reads of its connections are small (MM_LIMIT_TEXT_OWN)
 * while that memory is short, for what is read may have to wait. */
void mm_loop_watch_memory(struct mm_loop *loop, const struct mm_budget *budget);
/* Starts the loop's own thread. */
MM_CHECK enum mailmod_error mm_loop_start(struct mm_loop *loop);
/* Instead: it has no thread, and runs on whichever thread turns it. */
MM_CHECK enum mailmod_error mm_loop_start_turned(struct mm_loop *loop);
/* thread: any, and so are those below. One turn of such a loop: runs all that
 * is ready, and waits for it at most `wait_ms`. BUSY: another thread turns it;
 * STATE: it does not run, or has its own thread. */
MM_CHECK enum mailmod_error mm_loop_turn(struct mm_loop *loop,
                                         uint64_t wait_ms);
/* Until when the next turn has nothing to do: until the descriptor is readable
 * (-1: the system gives none) or so many ms have passed (-1: for ever). As
 * mm_loop_turn. */
MM_CHECK enum mailmod_error
mm_loop_next(struct mm_loop *loop, int *descriptor_out, int64_t *wait_ms_out);
/* As mm_condition_wait, which may end early: a loop without a thread is turned
 * meanwhile. `loop` may be NULL. */
void mm_loop_wait(struct mm_loop *loop, struct mm_condition *condition,
                  struct mm_mutex *mutex);
/* thread: any but the loop's. Runs what is posted, closes what is left open
 * (every connection gets its on_closed, STOPPED), joins the thread; a loop
 * without one does so here, behind a turn that is under way. A task posted
 * after that is dropped and not touched. */
void mm_loop_stop(struct mm_loop *loop);
void mm_loop_free(struct mm_loop **loop); /* after stop */
/* thread: any. Runs the task once on the loop; in order of posting; never
 * fails. A task may be posted again only after it ran. */
void mm_loop_post(struct mm_loop *loop, struct mm_task *task);
bool mm_loop_is_current(const struct mm_loop *loop); /* thread: any */
uint64_t mm_loop_now_ms(const struct mm_loop *loop); /* monotonic */
int64_t mm_loop_wall_ms(const struct mm_loop *loop); /* since 1970, UTC */

/* A timer lives in its owner's object; setting never fails once it has been
 * opened, cancelling is at once. on_expired runs once a setting. */
struct mm_timer {
    struct mm_heap_node node;
    struct mm_loop *loop;
    void (*on_expired)(struct mm_timer *timer);
};
/* Reserves the timer's place in the loop; MEMORY or LIMIT. */
MM_CHECK enum mailmod_error
mm_timer_open(struct mm_timer *timer, struct mm_loop *loop,
              void (*on_expired)(struct mm_timer *));
void mm_timer_set(struct mm_timer *timer, uint64_t after_ms); /* replaces */
void mm_timer_cancel(struct mm_timer *timer);
bool mm_timer_is_set(const struct mm_timer *timer);
void mm_timer_close(struct mm_timer *timer); /* gives the place back */

/* An immutable, reference-counted set of TLS settings. thread: any. */
struct mm_tls;

/* The certificates of a server with their keys, read once. thread: any. */
struct mm_certificates;
struct mm_certificate_files {
    struct mm_span certificate; /* PEM with its chain, or PKCS#12 */
    struct mm_span key;         /* PEM or PKCS#12; empty: in the same file */
};
struct mm_certificate_facts {
    const char *file; /* live as long as the certificates */
    const char *key_file;
    int days_left; /* below zero: it is over; INT_MAX: it does not say */
};
/* How the reason begins when it is not about the first of them. */
#define MM_MORE_CERTIFICATES "more certificates: "
/* The first is for clients that name no host, or none that is here. The pass
 * phrase is for all of the files that have one; it may be NULL. CONFIG with the
 * reason in `reason_out` (cap it, may be NULL). */
MM_CHECK enum mailmod_error
mm_certificates_new(struct mm_certificates **certificates_out,
                    const struct mm_certificate_files *files, size_t count,
                    const char *pass_phrase, struct mm_buf *reason_out);
struct mm_certificates *mm_certificates_ref(struct mm_certificates *);
void mm_certificates_unref(struct mm_certificates **certificates);
/* False behind the last, or when there are none (NULL). */
bool mm_certificates_facts(const struct mm_certificates *certificates,
                           size_t index,
                           struct mm_certificate_facts *facts_out);

enum mm_tls_oldest { MM_TLS_OLDEST_1_2, MM_TLS_OLDEST_1_3, MM_TLS_OLDEST_1_0 };
struct mm_tls_server_options {
    struct mm_certificates *certificates; /* a reference is taken */
    const char *service;       /* session tickets never cross services */
    enum mm_tls_oldest oldest; /* 1.0: with weak ciphers too (RFC 8996 forbids
                                  it: for old devices of named networks) */
};
#define MM_TLS_PIN_SIZE 32
#define MM_TLS_PINS_MAX 8
struct mm_tls_client_options {
    const char *authority_file; /* PEM; NULL: the system's store, or none at
                                   all with allows_old */
    bool allows_old;            /* opportunistic: down to TLS 1.2 either way;
                                   any cipher, no verification */
    /* Ours, for a server that asks for one: the first; NULL: none. A reference
     * is taken. */
    struct mm_certificates *certificates;
    /* SHA-256 of certificates, or of their public keys (SubjectPublicKeyInfo):
     * where there are any, verifying means that the server's is one of them,
     * and neither authority nor name nor time counts. Copied. */
    const uint8_t (*pins)[MM_TLS_PIN_SIZE];
    size_t pin_count;
};
/* CONFIG with the reason in `reason_out` (cap it, may be NULL). */
MM_CHECK enum mailmod_error
mm_tls_server_new(struct mm_tls **tls_out,
                  const struct mm_tls_server_options *options,
                  struct mm_buf *reason_out);
MM_CHECK enum mailmod_error
mm_tls_client_new(struct mm_tls **tls_out,
                  const struct mm_tls_client_options *options,
                  struct mm_buf *reason_out);
struct mm_tls *mm_tls_ref(struct mm_tls *tls);
void mm_tls_unref(struct mm_tls **tls);
enum mm_tls_key { MM_TLS_KEY_P256, MM_TLS_KEY_RSA };
/* Writes a self-signed certificate and its key for `host_name`, valid ten
 * years, into one PEM text each. thread: worker. */
MM_CHECK enum mailmod_error mm_tls_self_signed(const char *host_name,
                                               enum mm_tls_key kind,
                                               struct mm_buf *certificate_out,
                                               struct mm_buf *key_out);
/* thread: any, after the last use in the process of this library: gives back
 * what OpenSSL keeps for the calling thread. */
void mm_tls_thread_end(void);

struct mm_conn;

struct mm_conn_handler {
    /* An outgoing connection stands (implicit TLS: after the handshake). */
    void (*on_open)(void *context, struct mm_conn *conn);
    /* Octets from the peer; returns how many were taken. Taking less stops
     * reading until mm_conn_resume(), which offers the rest again. */
    size_t (*on_input)(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size);
    /* The output fell below its low mark (a quarter of MM_LIMIT_OUTPUT) after
     * it had been above, or after a write was refused with LIMIT. */
    void (*on_drained)(void *context, struct mm_conn *conn);
    /* A handshake begun by mm_conn_start_tls is done. */
    void (*on_tls)(void *context, struct mm_conn *conn);
    /* The peer sent FIN, or close_notify, or FIN without one under TLS (after
     * all input was taken); may be NULL: then the connection closes with
     * CLOSED. Output can still be written. */
    void (*on_end)(void *context, struct mm_conn *conn);
    /* Exactly once and last, in any way that the connection ended: OK after
     * our own close, else the reason. `conn` is gone when it returns. Never
     * called from inside another call into this connection. */
    void (*on_closed)(void *context, struct mm_conn *conn,
                      enum mailmod_error reason);
};

void mm_conn_set_handler(struct mm_conn *conn,
                         const struct mm_conn_handler *handler, void *context);
/* All or nothing; LIMIT when the bounded output (MM_LIMIT_OUTPUT) has no room
 * for it: a peer that does not read. STATE after close. */
MM_CHECK enum mailmod_error mm_conn_write(struct mm_conn *conn,
                                          const char *bytes, size_t size);
size_t mm_conn_write_room(const struct mm_conn *conn);
void mm_conn_resume(struct mm_conn *conn); /* offers what is left, reads on */
/* Sends what is owed, then TLS close_notify and FIN, and closes; bounded by
 * the write time-out. */
void mm_conn_close(struct mm_conn *conn);
/* Closes at once and drops what is owed (RST is allowed). */
void mm_conn_abort(struct mm_conn *conn);
/* The same at any moment, and nobody hears of it any more. */
void mm_conn_forget(struct mm_conn *conn);
/* Each send must move on within this time, else TIMEOUT; default 300 s. */
void mm_conn_set_write_timeout(struct mm_conn *conn, uint64_t timeout_ms);

/* Server side: the output so far is flushed in clear first, input that is
 * already here is an error (PROTOCOL: RFC 3207 injection). `name`, client
 * side: SNI, and the name that the certificate must have when `verifies`
 * (a DNS name or an IP literal). The handshake has its own time-out. */
MM_CHECK enum mailmod_error mm_conn_start_tls_server(struct mm_conn *conn,
                                                     struct mm_tls *tls,
                                                     uint64_t timeout_ms);
/* The same for a service that is TLS from the first octet: what has arrived and
 * was not taken (behind a proxy's header) is the handshake's. */
MM_CHECK enum mailmod_error mm_conn_start_implicit_tls(struct mm_conn *conn,
                                                       struct mm_tls *tls,
                                                       uint64_t timeout_ms);
MM_CHECK enum mailmod_error
mm_conn_start_tls_client(struct mm_conn *conn, struct mm_tls *tls,
                         const char *name, bool verifies, uint64_t timeout_ms);
/* Server side, before the handshake: the peer is asked for a certificate. It
 * may have none, and whatever it shows is taken: who it is, is for others to
 * say. */
void mm_conn_ask_certificate(struct mm_conn *conn);
struct mm_peer_certificate {
    struct mm_buf pem;    /* the peer's own, without its chain */
    char fingerprint[65]; /* SHA-256 of the certificate, in hexadecimal */
    char name[256]; /* its first mail address, else its common name; "" none */
};
/* What it showed; NOT_FOUND, MEMORY. mm_buf_fini the PEM. */
MM_CHECK enum mailmod_error
mm_conn_peer_certificate(const struct mm_conn *conn,
                         struct mm_peer_certificate *certificate_out);
bool mm_conn_has_certificate(const struct mm_conn *conn);
bool mm_conn_is_tls(const struct mm_conn *conn);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384", or "". */
const char *mm_conn_tls_text(const struct mm_conn *conn);
/* What went wrong in words (certificate reasons, system texts), or "". */
const char *mm_conn_failure(const struct mm_conn *conn);
const struct mm_netaddr *mm_conn_peer(const struct mm_conn *conn);
const struct mm_netaddr *mm_conn_local(const struct mm_conn *conn);
struct mm_loop *mm_conn_loop(const struct mm_conn *conn);
/* The system's socket for inspection; -1 when there is none. */
intptr_t mm_conn_socket(const struct mm_conn *conn);

struct mm_listener;

/* A new incoming connection on one of the loops: set a handler, or abort it.
 * The context is shared by the loops' threads. */
typedef void (*mm_on_connection)(void *context, struct mm_conn *conn);

/* thread: any. Binds at once (errors come here); accepts on every loop given
 * (one where the system cannot share) once they run. A short descriptor supply
 * pauses accepting for a second and logs; it neither spins nor fails. */
MM_CHECK enum mailmod_error mm_listener_open(
    struct mm_listener **listener_out, struct mm_loop *const *loops,
    size_t loop_count, const struct mm_netaddr *address,
    mm_on_connection on_connection, void *context, const struct mm_log *log);
const struct mm_netaddr *
mm_listener_address(const struct mm_listener *listener);
/* thread: any but a loop's. No on_connection after it returned. */
void mm_listener_close(struct mm_listener **listener);

struct mm_dial_options {
    struct mm_netaddr address;
    /* NULL, or instead of the address a socket in the file system; it lives
     * until mm_dial returns. */
    const char *local_path;
    struct mm_netaddr source; /* family NONE: the system's choice */
    uint64_t timeout_ms;      /* to the end of connect */
};
/* on_open or on_closed follows, never from inside this call. */
MM_CHECK enum mailmod_error mm_dial(struct mm_loop *loop,
                                    const struct mm_dial_options *options,
                                    const struct mm_conn_handler *handler,
                                    void *context, struct mm_conn **conn_out);

struct mm_resolver;
struct mm_query;

/* How a resolver reaches its servers where its own sockets may not: over
 * connections that somebody else opens, through a proxy say, by TCP. */
struct mm_resolver_way {
    /* One of handler->on_open and on_failed follows, never from inside the
     * call, until `dial_out` is stopped. */
    enum mailmod_error (*start)(void *context, struct mm_loop *loop,
                                const struct mm_netaddr *server,
                                const struct mm_conn_handler *handler,
                                void (*on_failed)(void *owner,
                                                  enum mailmod_error error),
                                void *owner, void **dial_out);
    void (*stop)(void **dial); /* after its end too; NULL is harmless */
    void *(*ref)(void *context);
    void (*unref)(void **context);
    void *context;
};
/* Copied; of the way's context a reference is taken. The system's servers are
 * followed: a change of its list is seen within seconds, at the next question.
 */
struct mm_resolver_options {
    const char *servers; /* "192.0.2.1:53, [2001:db8::1]"; "": the system's */
    uint64_t timeout_ms; /* of one try at one server */
    unsigned tries;      /* with each server; no longer waits than the first */
    bool validates;      /* the servers do, and nobody is between (RFC 4035) */
    const char *servers_file;          /* NULL: the system's resolv.conf */
    const char *hosts_file;            /* NULL: the system's */
    const struct mm_resolver_way *way; /* NULL: sockets; else by `servers` */
};
struct mm_mx {
    unsigned preference;
    char host[256]; /* lower case, no final dot; "" is the null MX (RFC 7505) */
};
struct mm_srv_record { /* RFC 2782 */
    unsigned priority, weight;
    uint16_t port;
    char host[256]; /* as of mm_mx; "": the service is not offered there */
};
/* All results: error OK with count > 0; DNS_NO_NAME; DNS_NO_DATA; else
 * temporary: DNS, TIMEOUT, CANCELLED. What is passed lives until it returns. */
typedef void (*mm_on_mx)(void *context, enum mailmod_error error,
                         const struct mm_mx *records, size_t count);
/* By priority; equal ones as they came. */
typedef void (*mm_on_srv)(void *context, enum mailmod_error error,
                          const struct mm_srv_record *records, size_t count);
typedef void (*mm_on_addresses)(void *context, enum mailmod_error error,
                                const struct mm_netaddr *addresses,
                                size_t count);
typedef void (*mm_on_text)(void *context, enum mailmod_error error,
                           struct mm_span text);
/* The answer's octets, its header first; empty but with OK and DNS_NO_DATA.
 * `is_authenticated`: it, or that there is none, was validated by servers that
 * are named as doing so. */
typedef void (*mm_on_records)(void *context, enum mailmod_error error,
                              struct mm_span answer, bool is_authenticated);

/* Belongs to one loop. Callbacks come from the loop, never from inside a call
 * here, not even from cancel or free. SYNTAX for a bad list of servers, and
 * from the look-ups for what can be no name. */
MM_CHECK enum mailmod_error
mm_resolver_new(struct mm_resolver **resolver_out, struct mm_loop *loop,
                const struct mm_resolver_options *options);
/* thread: any. For the next questions; those that are open finish as they
 * began. */
MM_CHECK enum mailmod_error
mm_resolver_set_options(struct mm_resolver *resolver,
                        const struct mm_resolver_options *options);
/* Open queries are dropped without a callback; their pointers are dead. */
void mm_resolver_free(struct mm_resolver **resolver);
MM_CHECK enum mailmod_error mm_resolve_mx(struct mm_resolver *resolver,
                                          const char *domain, mm_on_mx on_mx,
                                          void *context,
                                          struct mm_query **query_out);
/* `name` as "_submission._tcp.example.org". */
MM_CHECK enum mailmod_error mm_resolve_srv(struct mm_resolver *resolver,
                                           const char *name, mm_on_srv on_srv,
                                           void *context,
                                           struct mm_query **query_out);
/* One family a query; CNAMEs are followed by the resolver. */
MM_CHECK enum mailmod_error mm_resolve_addresses(struct mm_resolver *resolver,
                                                 const char *host,
                                                 enum mm_netaddr_family family,
                                                 mm_on_addresses on_addresses,
                                                 void *context,
                                                 struct mm_query **query_out);
/* The same of a host that the operator named (a smarthost, a relay): the hosts
 * file knows it before the DNS does. It is read at once. */
MM_CHECK enum mailmod_error
mm_resolve_host(struct mm_resolver *resolver, const char *host,
                enum mm_netaddr_family family, mm_on_addresses on_addresses,
                void *context, struct mm_query **query_out);
/* The records of any type, for who reads them himself. */
MM_CHECK enum mailmod_error mm_resolve_records(struct mm_resolver *resolver,
                                               const char *name, unsigned type,
                                               mm_on_records on_records,
                                               void *context,
                                               struct mm_query **query_out);
MM_CHECK enum mailmod_error mm_resolve_text(struct mm_resolver *resolver,
                                            const char *name,
                                            mm_on_text on_text, void *context,
                                            struct mm_query **query_out);
/* No callback after this. The pointer is dead once the callback was called;
 * inside it, cancel is harmless. */
void mm_query_cancel(struct mm_query **query);

struct mm_workers;

/* Lives in its owner's object; `run` on a worker thread, then `done` on the
 * loop (NULL loop: `done` on the worker). */
struct mm_job {
    struct mm_list node;
    struct mm_task task;
    struct mm_loop *loop;
    void (*run)(struct mm_job *job);
    void (*done)(struct mm_job *job);
};
MM_CHECK enum mailmod_error mm_workers_new(struct mm_workers **workers_out,
                                           unsigned count, size_t queue_max);
/* thread: any. LIMIT when the queue is full: answer "later" to the peer. */
MM_CHECK enum mailmod_error mm_workers_submit(struct mm_workers *workers,
                                              struct mm_job *job);
/* Runs what is queued, then joins. Before the loops stop. */
void mm_workers_free(struct mm_workers **workers);

#endif
