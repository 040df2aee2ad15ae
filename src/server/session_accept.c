/* session_accept.c - a new connection: counted and given a session, or sent
 * away.
 *
 * Owns nothing. Promises: a connection over a maximum costs one line and no
 * session; what a proxy tells of a client gives no rights that only the proxy
 * or this machine has; while a service is crowded, those of its peers that have
 * said nothing get less time, whenever they came. Thread: the connection's
 * loop. RFC 5321 3.8, 4.5.3.2. */
#include "server/server_internal.h"

#include "base/mem.h"
#include "wire/smtp/reply.h"

/* How often those that are silent already are looked at. */
#define HURRY_EVERY_MS 1000

/* A refused connection gets this long to take its one line. */
#define REFUSAL_WRITE_MS 5000

/* A refused connection reads nothing and belongs to nobody. */
static size_t drop_input(void *context, struct mm_conn *conn, const char *bytes,
                         size_t size)
{
    (void)context;
    (void)conn;
    (void)bytes;
    return size;
}

static void forget_conn(void *context, struct mm_conn *conn,
                        enum mailmod_error reason)
{
    (void)context;
    (void)conn;
    (void)reason;
}

static const struct mm_conn_handler refusal_handler = {
    .on_input = drop_input,
    .on_closed = forget_conn,
};

/* A connection over the limit: one line where the protocol allows it (not
 * before an implicit handshake), then the end. */
void mm_session_refuse(enum mm_service service, struct mm_conn *conn,
                       enum mm_reply_id reply)
{
    struct mm_buf line;

    mm_buf_init(&line, MM_LIMIT_REPLY_LINE);
    mm_conn_set_handler(conn, &refusal_handler, NULL);
    mm_conn_set_write_timeout(conn, REFUSAL_WRITE_MS);
    if (mm_service_has_implicit_tls(service)) {
        mm_conn_abort(conn);
    } else {
        mm_session_protocol_of(service)->write_refusal(&line, reply);
        if (mm_conn_write(conn, mm_buf_span(&line).data, mm_buf_size(&line)) ==
            MAILMOD_OK) {
            mm_conn_close(conn);
        } else {
            mm_conn_abort(conn);
        }
    }
    mm_buf_fini(&line);
}

const struct mm_session_protocol *
mm_session_protocol_of(enum mm_service service)
{
    static const struct mm_session_protocol *const protocols[] = {
        [MM_PROTOCOL_SMTP] = &mm_smtp_session_protocol,
        [MM_PROTOCOL_POP3] = &mm_pop3_session_protocol};

    return protocols[mm_service_row(service)->protocol];
}

/* A proxy that tells an address of its own, or of this machine, may have been
 * talked into it: such a client has no rights of a network. */
static enum mm_peer_origin origin_of(const struct mm_session *session,
                                     const struct mm_proxy_header *header)
{
    const struct mm_config *config = mm_session_config(session);

    if (header == NULL) {
        return MM_PEER_DIRECT;
    }
    if (header->peer.family == MM_NETADDR_NONE) {
        return MM_PEER_HIDDEN;
    }
    return mm_netaddr_is_loopback(&header->peer) ||
                   mm_range_list_has(&config->proxy_from, &header->peer)
               ? MM_PEER_POWERLESS
               : MM_PEER_DIRECT;
}

static const struct mm_netaddr *peer_of(const struct mm_conn *conn,
                                        const struct mm_proxy_header *header)
{
    return header != NULL && header->peer.family != MM_NETADDR_NONE
               ? &header->peer
               : mm_conn_peer(conn);
}

/* Why a connection gets no session. */
enum refusal { REFUSED_DENIED = MM_LIMITS_FULL_NETWORK + 1, REFUSED_TRAPPED };

static const struct {
    enum mm_reply_id reply;
    const char *words; /* for the log */
} refusals[] = {
    [MM_LIMITS_FULL] = {MM_REPLY_TOO_MANY_CONNECTIONS,
                        "connection refused: too many in all"},
    [MM_LIMITS_FULL_ADDRESS] = {MM_REPLY_TOO_MANY_OF_ADDRESS,
                                "connection refused: too many of its address"},
    [MM_LIMITS_FULL_NETWORK] = {MM_REPLY_TOO_MANY_OF_NETWORK,
                                "connection refused: too many of its network"},
    [REFUSED_DENIED] = {MM_REPLY_NO_SERVICE,
                        "connection refused: its network may not connect"},
    [REFUSED_TRAPPED] = {MM_REPLY_NO_SERVICE,
                         "connection refused: it wrote to a trap"},
};

/* deny_from is looked at first. A peer that its proxy hides is in no network.
 */
static bool is_denied(const struct mm_session *session)
{
    const struct mm_session_limits limits =
        session->protocol->limits(mm_session_config(session));

    return (session->peer_origin != MM_PEER_HIDDEN &&
            mm_range_list_has(limits.deny_from, &session->peer)) ||
           (limits.allow_from->count > 0 &&
            !mm_session_is_from(session, limits.allow_from));
}

static bool is_trapped(const struct mm_session *session)
{
    return session->service == MM_SERVICE_SMTP &&
           session->peer_origin != MM_PEER_HIDDEN &&
           mm_traps_has(&session->server->traps, &session->peer,
                        mm_loop_wall_ms(session->loop));
}

static void free_refused(struct mm_session *session)
{
    if (session->settings != NULL) {
        mm_server_leave(session);
        mm_settings_unref(&session->settings);
    }
    mm_free(session);
}

/* NULL: why stands in `refusal_out`. */
static struct mm_session *new_session(struct mm_server *server,
                                      enum mm_service service,
                                      struct mm_conn *conn,
                                      const struct mm_proxy_header *header,
                                      size_t *refusal_out)
{
    const struct mm_session_protocol *protocol =
        mm_session_protocol_of(service);
    struct mm_session *session = mm_alloc(protocol->size);

    *refusal_out = MM_LIMITS_FULL;
    if (session == NULL) {
        return NULL;
    }
    session->protocol = protocol;
    session->server = server;
    session->service = service;
    session->conn = conn;
    session->loop = mm_conn_loop(conn);
    session->peer = *peer_of(conn, header);
    mm_netaddr_format(&session->peer, session->peer_text);
    mm_list_init(&session->node);
    *refusal_out = mm_server_enter(session);
    if (*refusal_out == MM_LIMITS_IN) {
        session->peer_origin = origin_of(session, header);
        *refusal_out = is_denied(session)    ? REFUSED_DENIED
                       : is_trapped(session) ? REFUSED_TRAPPED
                                             : MM_LIMITS_IN;
    }
    if (*refusal_out != MM_LIMITS_IN) {
        free_refused(session);
        return NULL;
    }
    return session;
}

static void refuse(struct mm_server *server, enum mm_service service,
                   struct mm_conn *conn, const struct mm_netaddr *peer,
                   size_t refusal)
{
    char peer_text[MM_NETADDR_TEXT_MAX];

    mm_netaddr_format(peer, peer_text);
    MM_LOG(server->options.log, MM_LOG_WARNING, mm_service_name(service),
           refusals[refusal].words, MM_TEXT("peer", peer_text));
    mm_observe_turned_away(server, service, peer_text, refusals[refusal].words,
                           mm_loop_wall_ms(mm_conn_loop(conn)));
    mm_session_refuse(service, conn, refusals[refusal].reply);
}

/* Silent sessions that came before the crowd get its deadline, too. */
static void hurry_silent(struct mm_session *newcomer)
{
    struct mm_server_loop *server_loop = newcomer->server_loop;
    uint64_t now_ms = mm_loop_now_ms(newcomer->loop);

    if (!atomic_load(&newcomer->server->is_crowded[newcomer->service]) ||
        now_ms - server_loop->hurried_ms < HURRY_EVERY_MS) {
        return;
    }
    server_loop->hurried_ms = now_ms;
    MM_LIST_EACH(node, &server_loop->sessions)
    {
        struct mm_session *session =
            MM_LIST_OBJECT(node, struct mm_session, node);

        if (session != newcomer && session->conn != NULL &&
            !session->is_ending) {
            mm_session_set_deadline(session);
        }
    }
}

void mm_session_accept(struct mm_server *server, enum mm_service service,
                       struct mm_conn *conn,
                       const struct mm_proxy_header *header)
{
    size_t refusal;
    struct mm_session *session =
        new_session(server, service, conn, header, &refusal);

    if (session == NULL) {
        refuse(server, service, conn, peer_of(conn, header), refusal);
        return;
    }
    session->server_loop = mm_server_loop(server, session->loop);
    mm_list_append(&session->server_loop->sessions, &session->node);
    hurry_silent(session);
    mm_observe(session, MAILMOD_SESSION_OPENED, NULL, NULL, MAILMOD_OK);
    if (mm_session_open(session) != MAILMOD_OK) {
        mm_observe(session, MAILMOD_SESSION_CLOSED, NULL, "there is no memory",
                   MAILMOD_ERROR_MEMORY);
        mm_session_free(session);
        mm_session_refuse(service, conn, MM_REPLY_TOO_MANY_CONNECTIONS);
        return;
    }
    MM_LOG(server->options.log, MM_LOG_DEBUG, session->protocol->component,
           "session opened", MM_TEXT("session", session->identifier),
           MM_TEXT("service", mm_service_name(service)),
           MM_TEXT("peer", session->peer_text));
    mm_session_begin(session);
}
