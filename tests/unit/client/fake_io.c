/* fake_io.c - see fake_io.h. Thread: the test's; mm_loop_post from any. */
#include "fake_io.h"

#include "base/limits.h"
#include "base/mem.h"
#include "platform/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HOSTS_MAX = 32, NAMES_MAX = 64, TEXT_MAX = 1 << 22, LATENCY_MS = 1 };

/* Events of one millisecond keep the order of their making. */
#define TICKS (UINT64_C(1) << 24)

struct mm_loop {
    int unused;
};
struct mm_workers {
    int unused;
};
struct mm_resolver {
    int unused;
};
struct mm_tls {
    int unused;
};

enum event_kind {
    EVENT_OPEN,
    EVENT_INPUT,
    EVENT_TLS,
    EVENT_CLOSED,
    EVENT_DRAINED,
    EVENT_ANSWER
};

struct event {
    struct mm_heap_node node;
    uint64_t order;
    enum event_kind kind;
    struct mm_conn *conn;
    struct mm_query *query;
    enum mailmod_error reason;
    char *bytes;
};

enum peer_state { PEER_COMMAND, PEER_BODY, PEER_AUTH, PEER_DEAF };

struct host {
    struct fake_host host;
    struct mm_netaddr address;
    unsigned used[8];
    unsigned connections;
    unsigned taken;
    struct mm_buf said;
};

struct mm_conn {
    struct mm_list node;
    const struct mm_conn_handler *handler;
    void *context;
    struct mm_netaddr peer;
    struct host *host;
    bool is_open;
    bool is_closing; /* EVENT_CLOSED is on its way */
    bool is_left;    /* the client closed: it hears no more */
    bool is_tls;
    struct mm_buf in;  /* to the client, not taken yet */
    struct mm_buf out; /* from the client, not read by the peer yet */
    enum peer_state state;
    uint64_t said_at_ms;
    unsigned accepted_rcpt;
    const char *failure;
};

struct name {
    char name[256];
    struct mm_mx records[64];
    size_t record_count;
    struct mm_netaddr v4[16], v6[16];
    size_t v4_count, v6_count;
    enum mailmod_error mx_error, v4_error, v6_error;
};

struct mm_query {
    bool is_cancelled;
    char type;
    char name[256];
    mm_on_mx on_mx;
    mm_on_addresses on_addresses;
    void *context;
};

static struct world {
    struct mm_store *store;
    struct mm_loop loop;
    struct mm_workers workers;
    struct mm_resolver resolver;
    struct mm_tls tls;
    struct mm_log log;
    struct mm_buf log_text;
    uint64_t now_ms;
    int64_t wall_shift_ms;
    uint64_t order;
    struct mm_mutex *lock;
    struct mm_list tasks; /* lock */
    struct mm_list jobs;
    bool is_workers_full;
    struct mm_heap timers;
    struct mm_heap events;
    struct mm_list conns;
    struct host hosts[HOSTS_MAX];
    size_t host_count;
    struct name names[NAMES_MAX];
    size_t name_count;
    unsigned questions;
    struct mm_buf said;
    struct mm_buf body;
} world;

/* ---- life ------------------------------------------------------------- */

static void on_log(void *context, enum mm_log_level level,
                   const char *component, const char *text,
                   const struct mm_log_field *fields, size_t count)
{
    struct mm_buf line;
    (void)context;
    (void)level;
    mm_buf_init(&line, 65536);
    mm_log_render(&line, component, text, fields, count);
    mm_mutex_lock(world.lock);
    mm_buf_append_span(&world.log_text, mm_buf_span(&line));
    mm_buf_append_char(&world.log_text, '\n');
    mm_mutex_unlock(world.lock);
    mm_buf_fini(&line);
}

void fake_open(struct mm_store *store)
{
    memset(&world, 0, sizeof world);
    world.store = store;
    world.now_ms = 1000;
    assert_int_equal(mm_mutex_new(&world.lock), MAILMOD_OK);
    mm_list_init(&world.tasks);
    mm_list_init(&world.jobs);
    mm_list_init(&world.conns);
    mm_heap_init(&world.timers, 100000);
    mm_heap_init(&world.events, 100000);
    mm_buf_init(&world.said, TEXT_MAX);
    mm_buf_init(&world.body, TEXT_MAX);
    mm_buf_init(&world.log_text, TEXT_MAX);
    world.log.sink = on_log;
    atomic_init(&world.log.level, MM_LOG_DEBUG);
}

static void free_event(struct event *event)
{
    mm_heap_remove(&world.events, &event->node);
    mm_free(event->query);
    mm_free(event->bytes);
    mm_free(event);
}

static void free_conn(struct mm_conn *conn)
{
    mm_list_remove(&conn->node);
    mm_buf_fini(&conn->in);
    mm_buf_fini(&conn->out);
    mm_free(conn);
}

void fake_close(void)
{
    struct mm_heap_node *node = NULL;
    while ((node = mm_heap_first(&world.events)) != NULL) {
        free_event(MM_LIST_OBJECT(node, struct event, node));
    }
    MM_LIST_EACH(item, &world.conns)
    {
        free_conn(MM_LIST_OBJECT(item, struct mm_conn, node));
    }
    fake_remove_hosts();
    mm_heap_fini(&world.timers);
    mm_heap_fini(&world.events);
    mm_buf_fini(&world.said);
    mm_buf_fini(&world.body);
    mm_buf_fini(&world.log_text);
    mm_mutex_free(&world.lock);
}

struct mm_loop *fake_loop(void)
{
    return &world.loop;
}

struct mm_workers *fake_workers(void)
{
    return &world.workers;
}

const struct mm_log *fake_log(void)
{
    return &world.log;
}

const char *fake_log_text(void)
{
    return mm_buf_cstr(&world.log_text);
}

uint64_t fake_now_ms(void)
{
    return world.now_ms;
}

void fake_shift_wall(int64_t by_ms)
{
    world.wall_shift_ms += by_ms;
}

void fake_set_workers_full(bool is_full)
{
    world.is_workers_full = is_full;
}

/* ---- events ------------------------------------------------------------ */

static struct event *add_event(enum event_kind kind, struct mm_conn *conn,
                               uint64_t after_ms)
{
    struct event *event = mm_alloc(sizeof *event);
    assert_non_null(event);
    event->kind = kind;
    event->conn = conn;
    /* Those of one time come in the order of their making. */
    uint64_t key = (world.now_ms + after_ms) * TICKS + (world.order++ % TICKS);
    assert_int_equal(mm_heap_add(&world.events, &event->node, key), MAILMOD_OK);
    return event;
}

static void drop_events(const struct mm_conn *conn)
{
    for (size_t i = 0; i < world.events.count;) {
        struct event *event =
            MM_LIST_OBJECT(world.events.nodes[i], struct event, node);
        if (event->conn == conn && event->kind != EVENT_ANSWER) {
            free_event(event);
            i = 0;
        } else {
            i++;
        }
    }
}

static void end_conn(struct mm_conn *conn, enum mailmod_error reason,
                     uint64_t after_ms)
{
    if (conn->is_closing) {
        return;
    }
    conn->is_closing = true;
    add_event(EVENT_CLOSED, conn, after_ms)->reason = reason;
}

/* ---- loop, timers, workers ------------------------------------------------
 */

void mm_loop_post(struct mm_loop *loop, struct mm_task *task)
{
    (void)loop;
    mm_mutex_lock(world.lock);
    mm_list_append(&world.tasks, &task->node);
    mm_mutex_unlock(world.lock);
}

bool mm_loop_is_current(const struct mm_loop *loop)
{
    (void)loop;
    return true;
}

uint64_t mm_loop_now_ms(const struct mm_loop *loop)
{
    (void)loop;
    return world.now_ms;
}

int64_t mm_loop_wall_ms(const struct mm_loop *loop)
{
    (void)loop;
    return FAKE_WALL_MS + (int64_t)world.now_ms + world.wall_shift_ms;
}

enum mailmod_error mm_timer_open(struct mm_timer *timer, struct mm_loop *loop,
                                 void (*on_expired)(struct mm_timer *))
{
    memset(timer, 0, sizeof *timer);
    timer->loop = loop;
    timer->on_expired = on_expired;
    return MAILMOD_OK;
}

void mm_timer_set(struct mm_timer *timer, uint64_t after_ms)
{
    assert_non_null(timer->on_expired);
    assert_int_equal(
        mm_heap_add(&world.timers, &timer->node, world.now_ms + after_ms),
        MAILMOD_OK);
}

void mm_timer_cancel(struct mm_timer *timer)
{
    mm_heap_remove(&world.timers, &timer->node);
}

bool mm_timer_is_set(const struct mm_timer *timer)
{
    return timer->node.place != 0;
}

void mm_timer_close(struct mm_timer *timer)
{
    mm_timer_cancel(timer);
}

enum mailmod_error mm_workers_submit(struct mm_workers *workers,
                                     struct mm_job *job)
{
    (void)workers;
    if (world.is_workers_full) {
        return MAILMOD_ERROR_LIMIT;
    }
    mm_list_append(&world.jobs, &job->node);
    return MAILMOD_OK;
}

/* ---- TLS
 * --------------------------------------------------------------------- */

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

struct mm_tls *mm_tls_ref(struct mm_tls *tls)
{
    return tls;
}

void mm_tls_unref(struct mm_tls **tls)
{
    *tls = NULL;
}

/* ---- connections: the client's side
 * -------------------------------------------- */

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
        add_event(EVENT_DRAINED, conn, LATENCY_MS);
    }
    return error;
}

size_t mm_conn_write_room(const struct mm_conn *conn)
{
    return mm_buf_room(&conn->out);
}

void mm_conn_pause(struct mm_conn *conn)
{
    (void)conn;
}

static void offer_input(struct mm_conn *conn)
{
    struct mm_span input = mm_buf_span(&conn->in);
    if (input.size > 0 && !conn->is_left) {
        size_t used = conn->handler->on_input(conn->context, conn, input.data,
                                              input.size);
        assert_true(used <= input.size);
        mm_buf_consume(&conn->in, used);
    }
}

void mm_conn_resume(struct mm_conn *conn)
{
    if (mm_buf_size(&conn->in) > 0) {
        add_event(EVENT_INPUT, conn, 0);
    }
}

void mm_conn_close(struct mm_conn *conn)
{
    if (!conn->is_closing) {
        peer_read(conn);
    }
    conn->is_left = true;
    end_conn(conn, MAILMOD_OK, LATENCY_MS);
}

void mm_conn_abort(struct mm_conn *conn)
{
    drop_events(conn);
    conn->is_left = true;
    conn->is_closing = false;
    end_conn(conn, MAILMOD_OK, 0);
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
    if (conn->host->host.fails_tls || verifies) {
        conn->failure = verifies ? "self-signed certificate" : "bad record";
        end_conn(conn,
                 verifies ? MAILMOD_ERROR_TLS_CERTIFICATE : MAILMOD_ERROR_TLS,
                 LATENCY_MS);
    } else {
        add_event(EVENT_TLS, conn, LATENCY_MS);
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
    struct mm_conn *conn = mm_alloc(sizeof *conn);
    assert_non_null(conn);
    conn->handler = handler;
    conn->context = context;
    conn->peer = options->address;
    conn->host = find_host(&options->address);
    mm_buf_init(&conn->in, TEXT_MAX);
    mm_buf_init(&conn->out, MM_LIMIT_OUTPUT);
    mm_list_append(&world.conns, &conn->node);
    if (conn->host == NULL || conn->host->host.manner == FAKE_REFUSES) {
        end_conn(conn, MAILMOD_ERROR_REFUSED, LATENCY_MS);
    } else if (conn->host->host.manner == FAKE_HANGS) {
        end_conn(conn, MAILMOD_ERROR_TIMEOUT, options->timeout_ms);
    } else {
        add_event(EVENT_OPEN, conn, LATENCY_MS);
    }
    if (conn->host != NULL) {
        conn->host->connections++;
    }
    *conn_out = conn;
    return MAILMOD_OK;
}

/* ---- connections: the peer's side
 * ------------------------------------------------- */

static void peer_say(struct mm_conn *conn, const char *text, uint64_t delay_ms)
{
    uint64_t at_ms = world.now_ms + LATENCY_MS + delay_ms;
    if (at_ms < conn->said_at_ms) {
        at_ms = conn->said_at_ms; /* replies do not overtake each other */
    }
    conn->said_at_ms = at_ms;
    struct event *event = add_event(EVENT_INPUT, conn, at_ms - world.now_ms);
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
    struct fake_rule *rule = find_rule(conn->host, line);
    int code = rule != NULL ? act_by_rule(conn, rule) : 250;
    if (strncmp(line, "MAIL", 4) == 0) {
        conn->accepted_rcpt = 0;
    }
    if (strncmp(line, "RCPT", 4) == 0 && code / 100 == 2) {
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
    struct fake_rule *rule = find_rule(conn->host, ".");
    int code = rule != NULL ? act_by_rule(conn, rule) : 250;
    if (rule == NULL) {
        peer_say(conn, "250 taken\r\n", 0);
    }
    conn->host->taken += code / 100 == 2;
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

static void greet(struct mm_conn *conn)
{
    struct fake_rule *rule = find_rule(conn->host, "");
    if (rule != NULL) {
        act_by_rule(conn, rule);
    } else {
        peer_say(conn, "220 host ready\r\n", 0);
    }
}

/* ---- names
 * --------------------------------------------------------------------- */

static struct name *find_name(const char *text, bool makes)
{
    for (size_t i = 0; i < world.name_count; i++) {
        if (mm_cstr_equal_nocase(world.names[i].name, text)) {
            return &world.names[i];
        }
    }
    if (!makes) {
        return NULL;
    }
    assert_true(world.name_count < NAMES_MAX);
    struct name *name = &world.names[world.name_count++];
    memset(name, 0, sizeof *name);
    strcpy(name->name, text);
    return name;
}

void fake_dns_mx(const char *text, const char *records)
{
    struct name *name = find_name(text, true);
    struct mm_span rest = mm_span_cstr(records);
    name->record_count = 0;
    while (rest.size > 0) {
        struct mm_span record;
        struct mm_span preference;
        struct mm_span host;
        uint64_t number = 0;
        if (!mm_span_cut(rest, ',', &record, &rest)) {
            rest = mm_span(NULL, 0);
        }
        assert_true(mm_span_cut(mm_span_trim(record), ' ', &preference, &host));
        assert_true(mm_span_to_u64(preference, &number));
        assert_true(name->record_count < 64);
        struct mm_mx *mx = &name->records[name->record_count++];
        mx->preference = (unsigned)number;
        if (mm_span_is(host, ".")) {
            host.size = 0;
        }
        assert_true(mm_span_copy(host, mx->host, sizeof mx->host));
    }
}

void fake_dns_addresses(const char *text, const char *addresses)
{
    struct name *name = find_name(text, true);
    struct mm_span rest = mm_span_cstr(addresses);
    name->v4_count = 0;
    name->v6_count = 0;
    while (rest.size > 0) {
        struct mm_span item;
        struct mm_netaddr address;
        if (!mm_span_cut(rest, ',', &item, &rest)) {
            rest = mm_span(NULL, 0);
        }
        assert_true(mm_netaddr_parse_ip(mm_span_trim(item), &address));
        if (address.family == MM_NETADDR_V4) {
            name->v4[name->v4_count++] = address;
        } else {
            name->v6[name->v6_count++] = address;
        }
    }
}

void fake_dns_error(const char *text, char type, enum mailmod_error error)
{
    struct name *name = find_name(text, true);
    if (type == 'M' || type == 0) {
        name->mx_error = error;
    }
    if (type == '4' || type == 0) {
        name->v4_error = error;
    }
    if (type == '6' || type == 0) {
        name->v6_error = error;
    }
}

unsigned fake_dns_questions(void)
{
    return world.questions;
}

enum mailmod_error mm_resolver_new(struct mm_resolver **resolver_out,
                                   struct mm_loop *loop,
                                   const struct mm_resolver_options *options)
{
    (void)loop;
    (void)options;
    *resolver_out = &world.resolver;
    return MAILMOD_OK;
}

void mm_resolver_free(struct mm_resolver **resolver)
{
    *resolver = NULL;
}

static struct mm_query *ask(const char *name, char type, void *context)
{
    struct mm_query *query = mm_alloc(sizeof *query);
    assert_non_null(query);
    strcpy(query->name, name);
    query->type = type;
    query->context = context;
    world.questions++;
    add_event(EVENT_ANSWER, NULL, LATENCY_MS)->query = query;
    return query;
}

enum mailmod_error mm_resolve_mx(struct mm_resolver *resolver,
                                 const char *domain, mm_on_mx on_mx,
                                 void *context, struct mm_query **query_out)
{
    (void)resolver;
    *query_out = ask(domain, 'M', context);
    (*query_out)->on_mx = on_mx;
    return MAILMOD_OK;
}

enum mailmod_error mm_resolve_addresses(struct mm_resolver *resolver,
                                        const char *host,
                                        enum mm_netaddr_family family,
                                        mm_on_addresses on_addresses,
                                        void *context,
                                        struct mm_query **query_out)
{
    (void)resolver;
    *query_out = ask(host, family == MM_NETADDR_V4 ? '4' : '6', context);
    (*query_out)->on_addresses = on_addresses;
    return MAILMOD_OK;
}

void mm_query_cancel(struct mm_query **query)
{
    (*query)->is_cancelled = true;
    *query = NULL;
}

static void answer_addresses(const struct mm_query *query,
                             const struct mm_netaddr *addresses, size_t count,
                             enum mailmod_error error)
{
    if (error == MAILMOD_OK && count == 0) {
        error = MAILMOD_ERROR_DNS_NO_DATA;
    }
    query->on_addresses(query->context, error, addresses,
                        error == MAILMOD_OK ? count : 0);
}

static void answer(const struct mm_query *query)
{
    static struct name unknown = {.mx_error = MAILMOD_ERROR_DNS_NO_NAME,
                                  .v4_error = MAILMOD_ERROR_DNS_NO_NAME,
                                  .v6_error = MAILMOD_ERROR_DNS_NO_NAME};
    if (query->is_cancelled) {
        return;
    }
    const struct name *name = find_name(query->name, false);
    name = name != NULL ? name : &unknown;
    if (query->type == '4') {
        answer_addresses(query, name->v4, name->v4_count, name->v4_error);
    } else if (query->type == '6') {
        answer_addresses(query, name->v6, name->v6_count, name->v6_error);
    } else {
        enum mailmod_error error = name->mx_error;
        if (error == MAILMOD_OK && name->record_count == 0) {
            error = MAILMOD_ERROR_DNS_NO_DATA;
        }
        query->on_mx(query->context, error, name->records,
                     error == MAILMOD_OK ? name->record_count : 0);
    }
}

/* ---- the run
 * -------------------------------------------------------------------- */

static void run_event(struct event *event)
{
    struct mm_conn *conn = event->conn;
    switch (event->kind) {
    case EVENT_OPEN:
        conn->is_open = true;
        greet(conn);
        conn->handler->on_open(conn->context, conn);
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
        conn->handler->on_tls(conn->context, conn);
        break;
    case EVENT_DRAINED:
        peer_read(conn);
        if (!conn->is_left) {
            conn->handler->on_drained(conn->context, conn);
        }
        break;
    case EVENT_CLOSED:
        conn->handler->on_closed(conn->context, conn, event->reason);
        drop_events(conn);
        free_conn(conn);
        break;
    case EVENT_ANSWER:
        answer(event->query);
        break;
    }
}

/* A copy runs, so that whatever it does to the heap does not touch it. */
static void run_first_event(void)
{
    struct event *event =
        MM_LIST_OBJECT(mm_heap_first(&world.events), struct event, node);
    struct event copy = *event;
    mm_heap_remove(&world.events, &event->node);
    mm_free(event);
    copy.node.place = 0;
    run_event(&copy);
    mm_free(copy.bytes);
    mm_free(copy.query);
}

static struct mm_task *take_task(void)
{
    mm_mutex_lock(world.lock);
    struct mm_list *node = mm_list_take_first(&world.tasks);
    mm_mutex_unlock(world.lock);
    return node == NULL ? NULL : MM_LIST_OBJECT(node, struct mm_task, node);
}

static bool run_tasks_and_jobs(void)
{
    bool has_any = false;
    struct mm_task *task = NULL;
    while ((task = take_task()) != NULL) {
        task->run(task);
        has_any = true;
    }
    struct mm_list *node = mm_list_take_first(&world.jobs);
    if (node != NULL) {
        struct mm_job *job = MM_LIST_OBJECT(node, struct mm_job, node);
        job->run(job);
        job->done(job);
        has_any = true;
    }
    return has_any;
}

static enum mailmod_error run_nothing(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    (void)job;
    (void)t;
    return MAILMOD_OK;
}

static bool wait_for_store(void)
{
    struct mm_store_job job = {.run = run_nothing};
    if (world.store != NULL) {
        /* Refused or not: what was submitted before has been told. */
        enum mailmod_error error = mm_store_run(world.store, &job);
        assert_true(error <= MAILMOD_OK);
    }
    mm_mutex_lock(world.lock);
    bool has_any = !mm_list_is_empty(&world.tasks);
    mm_mutex_unlock(world.lock);
    return has_any;
}

static uint64_t next_time(void)
{
    uint64_t next_ms = UINT64_MAX;
    struct mm_heap_node *node = mm_heap_first(&world.timers);
    if (node != NULL) {
        next_ms = node->key;
    }
    node = mm_heap_first(&world.events);
    if (node != NULL && node->key / TICKS < next_ms) {
        next_ms = node->key / TICKS;
    }
    return next_ms;
}

void fake_run(uint64_t for_ms)
{
    uint64_t end_ms = world.now_ms + for_ms;
    for (;;) {
        if (run_tasks_and_jobs() || wait_for_store()) {
            continue;
        }
        uint64_t next_ms = next_time();
        if (next_ms > end_ms) {
            world.now_ms = end_ms;
            return;
        }
        world.now_ms = next_ms > world.now_ms ? next_ms : world.now_ms;
        struct mm_heap_node *node = mm_heap_first(&world.events);
        if (node != NULL && node->key / TICKS <= world.now_ms) {
            run_first_event();
            continue;
        }
        node = mm_heap_first(&world.timers);
        if (node != NULL && node->key <= world.now_ms) {
            struct mm_timer *timer =
                MM_LIST_OBJECT(node, struct mm_timer, node);
            mm_heap_remove(&world.timers, node);
            timer->on_expired(timer);
        }
    }
}

/* ---- hosts
 * ----------------------------------------------------------------------- */

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
