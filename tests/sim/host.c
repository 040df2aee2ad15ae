/* host.c - scripted mail hosts of the world outside: they greylist, hang, cut
 * after the final dot, refuse some recipients, and lie.
 *
 * Each is a small SMTP server over io.h with a temper of its own. The first
 * one is steady: it does nothing wrong, and what it says of a recipient depends
 * on the recipient alone, so that the table of retries can be read off it.
 * A host knows best what it took: it tells the ledger, and says when a peer
 * could not hear the end. Thread: the run's. */
#include "host.h"

#include "base/mem.h"
#include "ledger.h"
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    TEXT_MAX = 1 << 20,
    LINE_MAX = 1100,
    DRAG_MS = 20000,
    GREY_MAX = 512,
    GREY_MS = 600000
};

struct host {
    unsigned number;
    struct mm_listener *listener;
    bool greylists, hangs, cuts, refuses, lies, has_bad_hours, drags;
    unsigned connections[SIM_MACHINES_MAX];
    struct {
        unsigned key;
        uint64_t until_ms;
    } grey[GREY_MAX];
};

struct session {
    struct host *host;
    struct mm_conn *conn;
    struct mm_timer timer; /* its greeting comes late */
    unsigned machine;      /* the peer's; SIM_MACHINES_MAX: none of them */
    bool is_mute;          /* it hangs: nothing is said any more */
    bool has_data, has_mail, is_bdat_last, is_broken;
    uint64_t bdat_left;
    char line[LINE_MAX];
    size_t line_size;
    struct mm_buf text;
    char recipients[100][SIM_ADDRESS_MAX];
    unsigned recipient_count;
};

static struct host hosts[SIM_HOSTS_MAX];
static unsigned host_count;

static void say(struct session *session, const char *text)
{
    if (!session->is_mute && session->conn != NULL &&
        mm_conn_write(session->conn, text, strlen(text)) != MAILMOD_OK) {
        mm_conn_abort(session->conn);
    }
}

static bool is_bad_hour(const struct host *host)
{
    return host->has_bad_hours && sim_now_ms() / SIM_HOUR_MS % 3 == 1;
}

static bool is_greylisted(struct host *host, const char *address)
{
    unsigned key = 2166136261u;
    for (const char *at = address; *at != '\0'; at++) {
        key = (key ^ (unsigned char)*at) * 16777619u;
    }
    size_t place = key % GREY_MAX;
    if (host->grey[place].key != key) {
        host->grey[place].key = key;
        host->grey[place].until_ms = sim_now_ms() + GREY_MS;
    }
    return sim_now_ms() < host->grey[place].until_ms;
}

static void reset(struct session *session)
{
    session->recipient_count = 0;
    session->has_mail = false;
    session->has_data = false;
    session->is_broken = false;
    mm_buf_clear(&session->text);
}

static bool get_path(const char *line, char *out, size_t size)
{
    const char *begin = strchr(line, '<');
    const char *end = begin != NULL ? strchr(begin, '>') : NULL;
    if (end == NULL || (size_t)(end - begin) > size) {
        return false;
    }
    memcpy(out, begin + 1, (size_t)(end - begin - 1));
    out[end - begin - 1] = '\0';
    return true;
}

/* "temp-17-3@x0.test": who is refused for now, in the message with mark 17. */
static bool refuse_by_name(struct session *session, const char *address)
{
    if (strncmp(address, "bad", 3) == 0) {
        say(session, "550 5.1.1 no such user\r\n");
        return true;
    }
    if (strncmp(address, "temp", 4) == 0 || strncmp(address, "slow", 4) == 0) {
        const char *mark = strchr(address, '-');
        const char *born = mark != NULL ? strchr(mark + 1, '-') : NULL;
        uint64_t born_min = born != NULL ? strtoull(born + 1, NULL, 10) : 0;
        bool is_over =
            *address == 's' && sim_now_ms() / SIM_MINUTE_MS > born_min + 45;
        if (is_over) {
            return false;
        }
        if (session->host->number == 0 && mark != NULL) {
            sim_ledger_refused(address, (unsigned)strtoul(mark + 1, NULL, 10),
                               session->machine);
        }
        say(session, "450 4.2.1 mailbox busy\r\n");
        return true;
    }
    return false;
}

static void on_rcpt(struct session *session, const char *line)
{
    char address[SIM_ADDRESS_MAX];
    struct host *host = session->host;
    if (!session->has_mail || !get_path(line, address, sizeof address)) {
        say(session, "501 5.5.2 what\r\n");
        return;
    }
    if (refuse_by_name(session, address)) {
        return;
    }
    if (host->greylists && is_greylisted(host, address)) {
        say(session, "451 4.7.1 come again later\r\n");
        return;
    }
    if (host->refuses && sim_chance(100)) {
        say(session, sim_chance(700) ? "452 4.2.2 over quota\r\n"
                                     : "550-5.7.1 we do not\r\n550 5.7.1 "
                                       "like you\r\n");
        return;
    }
    if (session->recipient_count == 100) {
        say(session, "452 4.5.3 too many\r\n");
        return;
    }
    (void)snprintf(session->recipients[session->recipient_count++],
                   SIM_ADDRESS_MAX, "%s", address);
    say(session, "250 2.1.5 ok\r\n");
}

static void take(struct session *session)
{
    struct mm_span text = mm_buf_span(&session->text);
    for (unsigned i = 0; i < session->recipient_count; i++) {
        sim_ledger_arrived(text.data, text.size, session->recipients[i]);
    }
}

static void allow(const struct session *session, const char *why)
{
    struct mm_span text = mm_buf_span(&session->text);
    sim_ledger_allow(sim_ledger_token(text.data, text.size), why);
}

/* The message is whole: what this host makes of it. */
static void on_message(struct session *session)
{
    struct host *host = session->host;
    if (host->lies && sim_chance(60)) {
        say(session, "554 5.6.0 this is no mail\r\n");
    } else if (host->lies && sim_chance(60)) {
        allow(session, "the host took it and said that it did not");
        take(session);
        say(session, "451 4.3.0 try again\r\n");
    } else if (host->lies && sim_chance(40)) {
        allow(session, "the host said something that is no reply");
        take(session);
        say(session, "thank you very much\r\n");
    } else if (host->cuts && sim_chance(80)) {
        bool is_taken = sim_chance(500);
        allow(session, "the host cut the line after the final dot");
        if (is_taken) {
            take(session);
        }
        mm_conn_abort(session->conn);
    } else if (host->hangs && sim_chance(40)) {
        bool is_taken = sim_chance(500);
        allow(session, "the host hangs after the final dot");
        if (is_taken) {
            take(session);
        }
        session->is_mute = true;
    } else {
        take(session);
        say(session, "250 2.0.0 taken\r\n");
    }
    reset(session);
}

static void on_ehlo(struct session *session, const char *line)
{
    char text[300];
    if (strncasecmp(line, "HELO", 4) == 0) {
        say(session, "250 hello\r\n");
        return;
    }
    (void)snprintf(text, sizeof text,
                   "250-mx.x%u.test\r\n%s%s%s250 ENHANCEDSTATUSCODES\r\n",
                   session->host->number,
                   session->host->number % 2 == 0 ? "250-PIPELINING\r\n" : "",
                   session->host->number % 3 == 0 ? "250-CHUNKING\r\n" : "",
                   session->host->number % 2 == 1 ? "250-8BITMIME\r\n" : "");
    say(session, text);
}

static void on_bdat(struct session *session, const char *line)
{
    session->bdat_left = strtoull(line + 5, NULL, 10);
    session->is_bdat_last =
        strstr(line, "LAST") != NULL || strstr(line, "last") != NULL;
    session->is_broken = session->recipient_count == 0;
}

static void on_mail(struct session *session)
{
    if (session->host->refuses && sim_chance(40)) {
        say(session, "451 4.3.0 not now\r\n");
        return;
    }
    reset(session);
    session->has_mail = true;
    say(session, "250 2.1.0 ok\r\n");
}

static void on_line(struct session *session, const char *line)
{
    if (session->host->hangs && sim_chance(6)) {
        session->is_mute = true;
    } else if (strncasecmp(line, "EHLO", 4) == 0 ||
               strncasecmp(line, "HELO", 4) == 0) {
        reset(session);
        on_ehlo(session, line);
    } else if (strncasecmp(line, "MAIL", 4) == 0) {
        on_mail(session);
    } else if (strncasecmp(line, "RCPT", 4) == 0) {
        on_rcpt(session, line);
    } else if (strncasecmp(line, "BDAT", 4) == 0) {
        on_bdat(session, line);
    } else if (strncasecmp(line, "DATA", 4) == 0) {
        session->has_data = session->recipient_count > 0;
        say(session,
            session->has_data ? "354 go on\r\n" : "554 5.5.1 nobody\r\n");
    } else if (strncasecmp(line, "RSET", 4) == 0) {
        reset(session);
        say(session, "250 2.0.0 ok\r\n");
    } else if (strncasecmp(line, "NOOP", 4) == 0) {
        say(session, "250 2.0.0 ok\r\n");
    } else if (strncasecmp(line, "QUIT", 4) == 0) {
        say(session, "221 2.0.0 bye\r\n");
        mm_conn_close(session->conn);
    } else {
        say(session, "500 5.5.1 what\r\n");
    }
}

static void on_data_line(struct session *session, const char *line, size_t size)
{
    if (size == 1 && *line == '.') {
        on_message(session);
        return;
    }
    size_t dot = size > 0 && *line == '.';
    (void)mm_buf_append(&session->text, line + dot, size - dot);
    (void)mm_buf_append_cstr(&session->text, "\r\n");
}

static size_t take_bdat(struct session *session, const char *bytes, size_t size)
{
    size_t used = size < session->bdat_left ? size : session->bdat_left;
    (void)mm_buf_append(&session->text, bytes, used);
    session->bdat_left -= used;
    if (session->bdat_left == 0) {
        if (session->is_broken) {
            say(session, "554 5.5.1 nobody\r\n");
            mm_buf_clear(&session->text);
        } else if (session->is_bdat_last) {
            session->is_bdat_last = false;
            on_message(session);
        } else {
            say(session, "250 2.0.0 more\r\n");
        }
        session->is_bdat_last = false;
    }
    return used;
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct session *session = context;
    (void)conn;
    for (size_t i = 0; i < size && !session->is_mute; i++) {
        if (session->bdat_left > 0) {
            i += take_bdat(session, bytes + i, size - i) - 1;
            continue;
        }
        char c = bytes[i];
        if (c != '\n' && session->line_size + 1 < LINE_MAX) {
            session->line[session->line_size++] = c;
        }
        if (c != '\n') {
            continue;
        }
        size_t length = session->line_size > 0 ? session->line_size - 1 : 0;
        session->line[length] = '\0';
        session->line_size = 0;
        if (session->has_data) {
            on_data_line(session, session->line, length);
        } else {
            on_line(session, session->line);
            if (session->bdat_left == 0 && session->is_bdat_last) {
                (void)take_bdat(session, "", 0);
            }
        }
    }
    return size;
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct session *session = context;
    (void)conn;
    (void)reason;
    if (session->machine < SIM_MACHINES_MAX) {
        session->host->connections[session->machine]--;
    }
    mm_timer_close(&session->timer);
    mm_buf_fini(&session->text);
    mm_free(session);
}

static void ignore(void *context, struct mm_conn *conn)
{
    (void)context;
    (void)conn;
}

static const struct mm_conn_handler handler = {.on_input = on_input,
                                               .on_drained = ignore,
                                               .on_tls = ignore,
                                               .on_closed = on_closed};

/* queue.host_max: connections at a time to one mail host. */
static void count(struct session *session)
{
    const struct mm_netaddr *peer = mm_conn_peer(session->conn);
    session->machine = peer->bytes[1] == 0 ? peer->bytes[2] : SIM_MACHINES_MAX;
    if (session->machine >= SIM_MACHINES_MAX) {
        return;
    }
    unsigned open = ++session->host->connections[session->machine];
    if (open > SIM_HOST_CONNECTIONS_MAX &&
        !sim_machine(session->machine)->is_dead &&
        sim_machine(session->machine)->disturbed_ms == 0 &&
        (sim_options.faults & SIM_FAULT_NET) == 0) {
        sim_broken("n%u has %u connections to the host of x%u.test",
                   session->machine, open, session->host->number);
    }
}

static void greet(struct mm_timer *timer)
{
    say(MM_LIST_OBJECT(timer, struct session, timer), "220 mx ESMTP\r\n");
}

static void on_connection(void *context, struct mm_conn *conn)
{
    struct session *session = mm_alloc(sizeof *session);
    if (session == NULL || mm_timer_open(&session->timer, mm_conn_loop(conn),
                                         greet) != MAILMOD_OK) {
        sim_fail("no memory for a session");
    }
    session->host = context;
    session->conn = conn;
    mm_buf_init(&session->text, TEXT_MAX);
    mm_conn_set_handler(conn, &handler, session);
    count(session);
    if (is_bad_hour(session->host)) {
        if (sim_chance(300)) {
            session->is_mute = true;
        } else {
            say(session, "421 4.3.2 come later\r\n");
            mm_conn_close(conn);
        }
        return;
    }
    if (session->host->drags) {
        mm_timer_set(&session->timer, DRAG_MS);
    } else {
        greet(&session->timer);
    }
}

void sim_hosts_begin(void)
{
    memset(hosts, 0, sizeof hosts);
    host_count = 2 + (unsigned)sim_below(SIM_HOSTS_MAX - 2);
    for (unsigned i = 0; i < host_count; i++) {
        char address[32];
        char domain[32];
        char name[48];
        struct host *host = &hosts[i];
        host->number = i;
        bool has_temper = i > 0;
        host->greylists = has_temper && sim_fault(SIM_FAULT_HOSTS, 400);
        host->hangs = has_temper && sim_fault(SIM_FAULT_HOSTS, 400);
        host->cuts = has_temper && sim_fault(SIM_FAULT_HOSTS, 400);
        host->refuses = has_temper && sim_fault(SIM_FAULT_HOSTS, 400);
        host->lies = has_temper && sim_fault(SIM_FAULT_HOSTS, 400);
        host->drags = i == 1 && sim_fault(SIM_FAULT_HOSTS, 700);
        host->has_bad_hours = has_temper && sim_fault(SIM_FAULT_HOSTS, 300);
        (void)snprintf(domain, sizeof domain, "x%u.test", i);
        (void)snprintf(name, sizeof name, "mx.x%u.test", i);
        (void)snprintf(address, sizeof address, "10.1.%u.1", i);
        sim_name_add(domain, name, address, 10);
        (void)snprintf(address, sizeof address, "10.1.%u.1:25", i);
        host->listener = sim_listen(address, on_connection, host);
    }
}

unsigned sim_host_count(void)
{
    return host_count;
}
