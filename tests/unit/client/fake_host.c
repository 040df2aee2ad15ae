/* fake_host.c - connections on virtual time and the hosts behind them, which
 * follow a script. Thread: the test's. */
#include "fake_world.h"

void fake_free_conn(struct mm_conn *conn)
{
    mm_list_remove(&conn->node);
    mm_buf_fini(&conn->in);
    mm_buf_fini(&conn->out);
    mm_free(conn);
}

static void end_conn(struct mm_conn *conn, enum mailmod_error reason,
                     uint64_t after_ms)
{
    if (conn->is_closing) {
        return;
    }
    conn->is_closing = true;
    fake_add_event(EVENT_CLOSED, conn, after_ms)->reason = reason;
}

enum mailmod_error
mm_tls_client_new(struct mm_tls **tls_out,
                  const struct mm_tls_client_options *options,
                  struct mm_buf *reason_out)
{
    if (options->authority_file != NULL) {
        if (reason_out != NULL) {
            mm_buf_append_cstr(reason_out, options->authority_file);
        }
        return MAILMOD_ERROR_CONFIG; /* there are no files in this world */
    }
    *tls_out = &world.tls;
    return MAILMOD_OK;
}

/* All files are there, but for "missing.pem". */
enum mailmod_error
mm_certificates_new(struct mm_certificates **certificates_out,
                    const struct mm_certificate_files *files, size_t count,
                    const char *pass_phrase, struct mm_buf *reason_out)
{
    static int certificate;
    (void)count;
    (void)pass_phrase;
    *certificates_out = (struct mm_certificates *)&certificate;
    if (mm_span_is(files[0].certificate, "missing.pem")) {
        *certificates_out = NULL;
        (void)mm_buf_append_cstr(reason_out, "certificate file missing.pem");
        return MAILMOD_ERROR_CONFIG;
    }
    return MAILMOD_OK;
}

void mm_certificates_unref(struct mm_certificates **certificates)
{
    *certificates = NULL;
}

struct mm_tls *mm_tls_ref(struct mm_tls *tls)
{
    return tls;
}

void mm_tls_unref(struct mm_tls **tls)
{
    *tls = NULL;
}

void mm_conn_set_handler(struct mm_conn *conn,
                         const struct mm_conn_handler *handler, void *context)
{
    conn->handler = handler;
    conn->context = context;
}

static void peer_read(struct mm_conn *conn);

enum mailmod_error mm_conn_write(struct mm_conn *conn, const char *bytes,
                                 size_t size)
{
    if (conn->is_left || !conn->is_open) {
        return MAILMOD_ERROR_STATE;
    }
    enum mailmod_error error = mm_buf_append(&conn->out, bytes, size);
    if (error == MAILMOD_OK && !conn->is_closing) {
        /* The peer reads it a little later. */
        fake_add_event(EVENT_DRAINED, conn, LATENCY_MS);
    }
    return error;
}

size_t mm_conn_write_room(const struct mm_conn *conn)
{
    return mm_buf_room(&conn->out);
}

static void offer_input(struct mm_conn *conn)
{
    struct mm_span input = mm_buf_span(&conn->in);
    if (input.size > 0 && !conn->is_left) {
        fake_resume_faults(true);
        size_t used = conn->handler->on_input(conn->context, conn, input.data,
                                              input.size);
        fake_pause_faults();
        assert_true(used <= input.size);
        mm_buf_consume(&conn->in, used);
    }
}

void mm_conn_resume(struct mm_conn *conn)
{
    if (mm_buf_size(&conn->in) > 0) {
        fake_add_event(EVENT_INPUT, conn, 0);
    }
}

void mm_conn_close(struct mm_conn *conn)
{
    bool may_fail = fake_pause_faults();
    if (!conn->is_closing) {
        peer_read(conn);
    }
    fake_resume_faults(may_fail);
    conn->is_left = true;
    end_conn(conn, MAILMOD_OK, LATENCY_MS);
}

void mm_conn_abort(struct mm_conn *conn)
{
    fake_drop_events(conn);
    conn->is_left = true;
    conn->is_closing = false;
    end_conn(conn, MAILMOD_OK, 0);
}

static void nobody_closed(void *context, struct mm_conn *conn,
                          enum mailmod_error reason)
{
    (void)context;
    (void)conn;
    (void)reason;
}

void mm_conn_forget(struct mm_conn *conn)
{
    static const struct mm_conn_handler nobody = {.on_closed = nobody_closed};
    conn->handler = &nobody;
    mm_conn_abort(conn);
}

void mm_conn_set_write_timeout(struct mm_conn *conn, uint64_t timeout_ms)
{
    (void)conn;
    (void)timeout_ms;
}

enum mailmod_error mm_conn_start_tls_client(struct mm_conn *conn,
                                            struct mm_tls *tls,
                                            const char *name, bool verifies,
                                            uint64_t timeout_ms)
{
    (void)name;
    (void)timeout_ms;
    assert_non_null(tls);
    if (verifies || conn->host->host.fails_tls) {
        conn->failure = verifies ? "self-signed certificate" : "bad record";
        end_conn(conn,
                 verifies ? MAILMOD_ERROR_TLS_CERTIFICATE : MAILMOD_ERROR_TLS,
                 LATENCY_MS);
    } else {
        fake_add_event(EVENT_TLS, conn, LATENCY_MS);
    }
    return MAILMOD_OK;
}

bool mm_conn_is_tls(const struct mm_conn *conn)
{
    return conn->is_tls;
}

const char *mm_conn_tls_text(const struct mm_conn *conn)
{
    return conn->is_tls ? "TLSv1.3 FAKE" : "";
}

const char *mm_conn_failure(const struct mm_conn *conn)
{
    return conn->failure != NULL ? conn->failure : "";
}

const struct mm_netaddr *mm_conn_peer(const struct mm_conn *conn)
{
    return &conn->peer;
}

const struct mm_netaddr *mm_conn_local(const struct mm_conn *conn)
{
    static struct mm_netaddr local;
    assert_true(conn->is_open);
    assert_true(mm_netaddr_parse(mm_span_cstr("192.0.2.99:40000"), &local));
    return &local;
}

static struct host *find_host(const struct mm_netaddr *address)
{
    for (size_t i = 0; i < world.host_count; i++) {
        if (world.hosts[i].address.port == address->port &&
            mm_netaddr_equal_ip(&world.hosts[i].address, address)) {
            return &world.hosts[i];
        }
    }
    return NULL;
}

enum mailmod_error mm_dial(struct mm_loop *loop,
                           const struct mm_dial_options *options,
                           const struct mm_conn_handler *handler, void *context,
                           struct mm_conn **conn_out)
{
    (void)loop;
    bool may_fail = fake_pause_faults();
    struct mm_conn *conn = mm_alloc(sizeof *conn);
    assert_non_null(conn);
    fake_resume_faults(may_fail);
    conn->handler = handler;
    conn->context = context;
    conn->peer = options->address;
    conn->host = find_host(&options->address);
    mm_buf_init(&conn->in, TEXT_MAX);
    mm_buf_init(&conn->out, MM_LIMIT_OUTPUT);
    mm_list_append(&world.conns, &conn->node);
    if (conn->host == NULL || conn->host->host.manner == FAKE_REFUSES) {
        end_conn(conn, MAILMOD_ERROR_CONNECTION_REFUSED, LATENCY_MS);
    } else if (conn->host->host.manner == FAKE_HANGS) {
        end_conn(conn, MAILMOD_ERROR_TIMEOUT, options->timeout_ms);
    } else {
        fake_add_event(EVENT_OPEN, conn, LATENCY_MS);
    }
    if (conn->host != NULL) {
        conn->host->connections++;
    }
    *conn_out = conn;
    return MAILMOD_OK;
}

static void peer_say(struct mm_conn *conn, const char *text, uint64_t delay_ms)
{
    uint64_t at_ms = world.now_ms + LATENCY_MS + delay_ms;
    if (at_ms < conn->said_at_ms) {
        at_ms = conn->said_at_ms; /* replies do not overtake each other */
    }
    conn->said_at_ms = at_ms;
    struct event *event =
        fake_add_event(EVENT_INPUT, conn, at_ms - world.now_ms);
    event->bytes = mm_strdup(text);
    assert_non_null(event->bytes);
}

static struct fake_rule *find_rule(struct host *host, const char *command)
{
    for (size_t i = 0; i < 8 && host->host.rules[i].command != NULL; i++) {
        struct fake_rule *rule = &host->host.rules[i];
        bool fits =
            rule->command[0] == '\0'
                ? command[0] == '\0'
                : strncmp(command, rule->command, strlen(rule->command)) == 0;
        if (fits && (rule->times == 0 || host->used[i] < rule->times)) {
            host->used[i]++;
            return rule;
        }
    }
    return NULL;
}

/* The rule of a connection that has carried enough comes first. */
static struct fake_rule *rule_for(struct mm_conn *conn, const char *command)
{
    struct host *host = conn->host;
    const struct fake_rule *limit = host->session_rule;
    if (limit != NULL && conn->taken >= host->session_max &&
        strncmp(command, limit->command, strlen(limit->command)) == 0) {
        return (struct fake_rule *)limit;
    }
    return find_rule(host, command);
}

static int act_by_rule(struct mm_conn *conn, const struct fake_rule *rule)
{
    if (rule->deed == FAKE_SILENCE) {
        conn->state = PEER_DEAF;
        return 0;
    }
    if (rule->deed == FAKE_CLOSE) {
        end_conn(conn, MAILMOD_ERROR_CLOSED, LATENCY_MS);
        return 0;
    }
    peer_say(conn, rule->reply, rule->delay_ms);
    if (rule->deed == FAKE_REPLY_AND_CLOSE) {
        end_conn(conn, MAILMOD_ERROR_CLOSED, LATENCY_MS + 1 + rule->delay_ms);
    }
    return atoi(rule->reply);
}

static void say_ehlo(struct mm_conn *conn)
{
    struct mm_buf text;
    const char *rest = conn->host->host.extensions;
    mm_buf_init(&text, 65536);
    mm_buf_append_cstr(&text, "250-host\r\n");
    while (rest != NULL && rest[0] != '\0') {
        size_t size = strcspn(rest, "|");
        bool is_tls = strncmp(rest, "STARTTLS", 8) == 0;
        if (!is_tls || !conn->is_tls) {
            mm_buf_append_cstr(&text, "250-");
            mm_buf_append(&text, rest, size);
            mm_buf_append_cstr(&text, "\r\n");
        }
        rest += size + (rest[size] == '|');
    }
    mm_buf_append_cstr(&text, "250 HELP\r\n");
    peer_say(conn, mm_buf_cstr(&text), 0);
    mm_buf_fini(&text);
}

static void note_said(struct mm_conn *conn, const char *line)
{
    mm_buf_append_cstr(&world.said, line);
    mm_buf_append_char(&world.said, '\n');
    mm_buf_append_cstr(&conn->host->said, line);
    mm_buf_append_char(&conn->host->said, '\n');
}

static void answer_command(struct mm_conn *conn, const char *line)
{
    struct fake_rule *rule = rule_for(conn, line);
    int code = rule != NULL ? act_by_rule(conn, rule) : 250;
    if (strncmp(line, "MAIL", 4) == 0) {
        conn->accepted_rcpt = 0;
        conn->is_mail_refused = code / 100 != 2;
    }
    if (strncmp(line, "RCPT", 4) == 0 && code / 100 == 2 &&
        !conn->is_mail_refused) {
        conn->accepted_rcpt++;
    }
    if (strncmp(line, "DATA", 4) == 0 && rule != NULL && code == 354) {
        conn->state = PEER_BODY;
    }
    if (rule != NULL) {
        return;
    }
    if (strncmp(line, "EHLO", 4) == 0) {
        say_ehlo(conn);
    } else if (strncmp(line, "DATA", 4) == 0) {
        bool may = conn->accepted_rcpt > 0;
        peer_say(conn, may ? "354 go on\r\n" : "554 no recipients\r\n", 0);
        conn->state = may ? PEER_BODY : PEER_COMMAND;
        mm_buf_clear(&world.body);
    } else if (strncmp(line, "RCPT", 4) == 0 && conn->is_mail_refused) {
        peer_say(conn, "503 MAIL first\r\n", 0);
    } else if (strncmp(line, "STARTTLS", 8) == 0) {
        peer_say(conn, "220 go on\r\n", 0);
    } else if (strncmp(line, "QUIT", 4) == 0) {
        peer_say(conn, "221 bye\r\n", 0);
        end_conn(conn, MAILMOD_ERROR_CLOSED, LATENCY_MS + 1);
    } else {
        peer_say(conn, "250 ok\r\n", 0);
    }
}

static void answer_body(struct mm_conn *conn, const char *line)
{
    if (strcmp(line, ".") != 0) {
        mm_buf_append_cstr(&world.body, line[0] == '.' ? line + 1 : line);
        mm_buf_append_cstr(&world.body, "\r\n");
        struct fake_rule *cut = find_rule(conn->host, "*");
        if (cut != NULL) {
            act_by_rule(conn, cut);
        }
        return;
    }
    conn->state = PEER_COMMAND;
    struct fake_rule *rule = rule_for(conn, ".");
    int code = rule != NULL ? act_by_rule(conn, rule) : 250;
    if (rule == NULL) {
        peer_say(conn, "250 taken\r\n", 0);
    }
    conn->host->taken += code / 100 == 2;
    conn->taken += code / 100 == 2;
}

/* Takes what the client wrote, line by line. */
static void peer_read(struct mm_conn *conn)
{
    for (;;) {
        struct mm_span out = mm_buf_span(&conn->out);
        const char *end =
            out.size > 0 ? memchr(out.data, '\n', out.size) : NULL;
        if (end == NULL || conn->is_closing || conn->state == PEER_DEAF) {
            return;
        }
        size_t size = (size_t)(end - out.data);
        assert_true(size > 0 && end[-1] == '\r'); /* attack 5 */
        char *line = mm_memdup0(out.data, size - 1);
        assert_non_null(line);
        mm_buf_consume(&conn->out, size + 1);
        if (conn->state == PEER_BODY) {
            answer_body(conn, line);
        } else {
            note_said(conn, line);
            answer_command(conn, line);
        }
        mm_free(line);
    }
}

static bool is_over_max(const struct mm_conn *conn)
{
    unsigned count = 0;
    MM_LIST_EACH(node, &world.conns)
    {
        struct mm_conn *other = MM_LIST_OBJECT(node, struct mm_conn, node);
        count += other->host == conn->host && other->is_open;
    }
    return conn->host->host.open_max != 0 && count > conn->host->host.open_max;
}

static void greet(struct mm_conn *conn)
{
    if (is_over_max(conn)) {
        peer_say(conn, "421 4.7.0 too many connections\r\n", 0);
        end_conn(conn, MAILMOD_ERROR_CLOSED, LATENCY_MS + 1);
        return;
    }
    struct fake_rule *rule = find_rule(conn->host, "");
    if (rule != NULL) {
        act_by_rule(conn, rule);
    } else {
        peer_say(conn, "220 host ready\r\n", 0);
    }
}

void fake_run_conn_event(const struct event *event)
{
    struct mm_conn *conn = event->conn;
    switch (event->kind) {
    case EVENT_OPEN:
        conn->is_open = true;
        greet(conn);
        fake_resume_faults(true);
        conn->handler->on_open(conn->context, conn);
        fake_pause_faults();
        break;
    case EVENT_INPUT:
        if (event->bytes != NULL) {
            mm_buf_append_cstr(&conn->in, event->bytes);
        }
        if (conn->is_open) {
            offer_input(conn);
        }
        break;
    case EVENT_TLS:
        conn->is_tls = true;
        conn->state = PEER_COMMAND;
        fake_resume_faults(true);
        conn->handler->on_tls(conn->context, conn);
        fake_pause_faults();
        break;
    case EVENT_DRAINED:
        peer_read(conn);
        if (!conn->is_left && conn->handler->on_drained != NULL) {
            fake_resume_faults(true);
            conn->handler->on_drained(conn->context, conn);
            fake_pause_faults();
        }
        break;
    case EVENT_CLOSED:
        fake_resume_faults(true);
        conn->handler->on_closed(conn->context, conn, event->reason);
        fake_pause_faults();
        fake_drop_events(conn);
        fake_free_conn(conn);
        break;
    case EVENT_ANSWER:
        break;
    }
}

void fake_add_host(const struct fake_host *host)
{
    assert_true(world.host_count < HOSTS_MAX);
    struct host *added = &world.hosts[world.host_count++];
    memset(added, 0, sizeof *added);
    added->host = *host;
    mm_buf_init(&added->said, TEXT_MAX);
    assert_true(mm_netaddr_parse(mm_span_cstr(host->address), &added->address));
}

void fake_remove_hosts(void)
{
    for (size_t i = 0; i < world.host_count; i++) {
        mm_buf_fini(&world.hosts[i].said);
    }
    world.host_count = 0;
}

static struct host *host_at(const char *address)
{
    struct mm_netaddr parsed;
    assert_true(mm_netaddr_parse(mm_span_cstr(address), &parsed));
    struct host *host = find_host(&parsed);
    assert_non_null(host);
    return host;
}

const char *fake_said(const char *address)
{
    return mm_buf_cstr(address != NULL ? &host_at(address)->said : &world.said);
}

void fake_forget(void)
{
    mm_buf_clear(&world.said);
    mm_buf_clear(&world.log_text);
    for (size_t i = 0; i < world.host_count; i++) {
        mm_buf_clear(&world.hosts[i].said);
        world.hosts[i].connections = 0;
        world.hosts[i].taken = 0;
    }
}

void fake_limit_session(const char *address, unsigned count,
                        const struct fake_rule *rule)
{
    struct host *host = host_at(address);
    host->session_max = count;
    host->session_rule = rule;
}

unsigned fake_connections(const char *address)
{
    unsigned count = 0;
    for (size_t i = 0; i < world.host_count && address == NULL; i++) {
        count += world.hosts[i].connections;
    }
    return address != NULL ? host_at(address)->connections : count;
}

unsigned fake_open_connections(void)
{
    unsigned count = 0;
    MM_LIST_EACH(node, &world.conns)
    {
        (void)node;
        count++;
    }
    return count;
}

unsigned fake_taken(const char *address)
{
    return host_at(address)->taken;
}

const char *fake_body(void)
{
    return mm_buf_cstr(&world.body);
}

void fake_drop_connections(void)
{
    MM_LIST_EACH(node, &world.conns)
    {
        end_conn(MM_LIST_OBJECT(node, struct mm_conn, node),
                 MAILMOD_ERROR_CLOSED, 0);
    }
}
