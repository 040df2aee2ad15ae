/* client.c - who hands mail in: one sender a message, who says one command at a
 * time, hears what becomes of each recipient, and comes again as a mail server
 * does when he was put off, or never heard the end.
 *
 * Thread: the run's. */
#include "client.h"

#include "base/mem.h"
#include "host.h"
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES_MAX = 40, REPLY_MS = 660000, LINE_MAX = 1000 };

enum stage { GREETING, EHLO, MAIL, RCPT, DATA, END, QUIT };

struct sender {
    struct sim_message *message;
    struct mm_list node;
    char server[32];
    char source[16];
    unsigned wanted;  /* recipients that are still to be handed in, as bits */
    unsigned taken;   /* of them in this transaction */
    unsigned current; /* whose RCPT waits for its reply */
    unsigned tries;
    size_t size; /* of the body */
    enum stage stage;
    struct mm_conn *conn;
    struct mm_timer timer;
    char line[LINE_MAX];
    size_t line_size;
};

static struct mm_list senders = {&senders, &senders};

static void come(void *context);

/* All that he could do is done, or he has given up. */
static void end_sender(struct sender *sender)
{
    sender->message->is_over = true;
}

static void come_again(struct sender *sender)
{
    if (sender->wanted == 0 || ++sender->tries >= TRIES_MAX) {
        end_sender(sender);
        return;
    }
    sim_after(sim_between(60000, 900000), come, sender);
}

static void hang_up(struct sender *sender)
{
    mm_timer_cancel(&sender->timer);
    mm_conn_close(sender->conn);
}

static void say(struct sender *sender, const char *text)
{
    if (mm_conn_write(sender->conn, text, strlen(text)) != MAILMOD_OK) {
        sim_fail("a sender's command has no room");
    }
    mm_timer_set(&sender->timer, REPLY_MS);
}

static void say_rcpt(struct sender *sender)
{
    char text[128];
    while (sender->current < sender->message->recipient_count &&
           (sender->wanted >> sender->current & 1u) == 0) {
        sender->current++;
    }
    if (sender->current < sender->message->recipient_count) {
        (void)snprintf(text, sizeof text, "RCPT TO:<%s>\r\n",
                       sender->message->recipients[sender->current].address);
        sender->stage = RCPT;
        say(sender, text);
    } else if (sender->taken == 0) {
        sender->stage = QUIT;
        say(sender, "QUIT\r\n");
    } else {
        sender->stage = DATA;
        say(sender, "DATA\r\n");
    }
}

static void say_text(struct sender *sender)
{
    char text[600];
    (void)snprintf(text, sizeof text,
                   "From: <someone@x1.test>\r\nSubject: message %u\r\n"
                   "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                   "Message-ID: <%u@x1.test>\r\n" SIM_MARK "%08x\r\n\r\n",
                   sender->message->token, sender->message->token,
                   sender->message->token);
    say(sender, text);
    for (size_t left = sender->size; left > 0;) {
        char line[80];
        size_t size = left < 70 ? left : 70;
        memset(line, 'a' + (int)(left % 20), size);
        memcpy(line + size, "\r\n", 3);
        say(sender, line);
        left -= size;
    }
    sender->stage = END;
    say(sender, ".\r\n");
}

static void on_rcpt_reply(struct sender *sender, unsigned code)
{
    unsigned bit = 1u << sender->current;
    if (code / 100 == 2) {
        sender->taken |= bit;
    } else if (code / 100 == 5) {
        sender->wanted &= ~bit;
        sender->message->recipients[sender->current].is_refused = true;
    }
    sender->current++;
    say_rcpt(sender);
}

static void on_end_reply(struct sender *sender, unsigned code)
{
    if (code / 100 == 2) {
        sim_ledger_accepted(sender->message->token, sender->taken);
        sender->wanted &= ~sender->taken;
    } else if (code / 100 == 5) {
        sim_trace("message %u is refused at its end: %u",
                  sender->message->token, code);
        sender->wanted &= ~sender->taken;
    }
    sender->taken = 0;
    sender->stage = QUIT;
    say(sender, "QUIT\r\n");
}

static void on_reply(struct sender *sender, unsigned code)
{
    char text[128];
    bool is_good = code / 100 == 2 || code == 354;
    bool is_single = sender->stage == GREETING || sender->stage == EHLO ||
                     sender->stage == MAIL || sender->stage == DATA;
    if (is_single && !is_good) {
        hang_up(sender);
        return;
    }
    switch (sender->stage) {
    case GREETING:
        sender->stage = EHLO;
        say(sender, "EHLO client.test\r\n");
        break;
    case EHLO:
        sender->stage = MAIL;
        (void)snprintf(text, sizeof text, "MAIL FROM:<%s>\r\n",
                       sender->message->sender);
        say(sender, text);
        break;
    case MAIL:
        sender->current = 0;
        say_rcpt(sender);
        break;
    case RCPT:
        on_rcpt_reply(sender, code);
        break;
    case DATA:
        say_text(sender);
        break;
    case END:
        on_end_reply(sender, code);
        break;
    case QUIT:
        hang_up(sender);
        break;
    }
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct sender *sender = context;
    (void)conn;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (sender->line_size + 1 < LINE_MAX) {
                sender->line[sender->line_size++] = bytes[i];
            }
            continue;
        }
        sender->line[sender->line_size] = '\0';
        bool is_last = sender->line_size >= 4 && sender->line[3] == ' ';
        sender->line_size = 0;
        if (is_last) {
            on_reply(sender, (unsigned)strtoul(sender->line, NULL, 10));
        }
    }
    return size;
}

static void on_open(void *context, struct mm_conn *conn)
{
    struct sender *sender = context;
    (void)conn;
    mm_timer_set(&sender->timer, REPLY_MS);
}

static void ignore(void *context, struct mm_conn *conn)
{
    (void)context;
    (void)conn;
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct sender *sender = context;
    (void)conn;
    (void)reason;
    sender->conn = NULL;
    mm_timer_cancel(&sender->timer);
    if (sender->stage == END) {
        sim_ledger_allow(sender->message->token,
                         "its sender did not hear the end");
    }
    come_again(sender);
}

/* RFC 5321 4.5.3.2.6: he waits ten minutes for the end, and comes again. */
static void on_time(struct mm_timer *timer)
{
    struct sender *sender = MM_LIST_OBJECT(timer, struct sender, timer);
    mm_conn_abort(sender->conn);
}

static const struct mm_conn_handler handler = {.on_open = on_open,
                                               .on_input = on_input,
                                               .on_drained = ignore,
                                               .on_tls = ignore,
                                               .on_closed = on_closed};

static void come(void *context)
{
    struct sender *sender = context;
    sender->stage = GREETING;
    sender->line_size = 0;
    sender->taken = 0;
    sender->conn = sim_dial(sender->source, sender->server, &handler, sender);
}

/* Some of the mail comes in a minute, much of it to one host. */
static bool is_in_burst(uint64_t at_ms)
{
    uint64_t burst_ms = (uint64_t)sim_options.hours * SIM_HOUR_MS / 2;
    return at_ms >= burst_ms && at_ms < burst_ms + SIM_MINUTE_MS;
}

static void name_outside(char *out, unsigned token, uint64_t at_ms)
{
    static const char *const kinds[] = {"bob", "bob", "bob",  "bob",
                                        "bob", "bad", "temp", "slow"};
    const char *kind = (sim_options.faults & SIM_FAULT_HOSTS) != 0
                           ? kinds[sim_below(8)]
                           : "bob";
    (void)snprintf(out, SIM_ADDRESS_MAX, "%s-%u-%u@x%u.test", kind, token,
                   (unsigned)(at_ms / SIM_MINUTE_MS),
                   is_in_burst(at_ms) && sim_chance(700)
                       ? 1
                       : (unsigned)sim_below(sim_host_count()));
}

static void name_inside(char *out, unsigned machine)
{
    unsigned user = (unsigned)sim_below(SIM_USERS + 1);
    /* Who is fetched for is read under one name. */
    if (user == SIM_USERS) {
        (void)snprintf(out, SIM_ADDRESS_MAX, "pop@%s",
                       sim_machine(machine)->domain);
    } else {
        (void)snprintf(out, SIM_ADDRESS_MAX, "u%u@%s", user,
                       sim_machine(machine)->domain);
    }
}

static bool is_named(const struct sim_message *message, const char *address)
{
    for (unsigned i = 0; i < message->recipient_count; i++) {
        if (strcmp(message->recipients[i].address, address) == 0) {
            return true;
        }
    }
    return false;
}

/* A mailbox that is fetched lies with another user's: not both in one. */
static bool is_double(const struct sim_message *message, const char *address)
{
    bool has_pop = false;
    bool has_u0 = false;
    for (unsigned i = 0; i < message->recipient_count; i++) {
        has_pop = has_pop || message->recipients[i].address[0] == 'p';
        has_u0 =
            has_u0 || strncmp(message->recipients[i].address, "u0", 2) == 0;
    }
    return (has_pop && strncmp(address, "u0", 2) == 0) ||
           (has_u0 && address[0] == 'p');
}

static void name_recipients(struct sim_message *message, unsigned machine,
                            bool is_inbound, uint64_t at_ms)
{
    unsigned wanted = (unsigned)sim_between(1, SIM_RECIPIENTS_MAX);
    for (unsigned i = 0; i < wanted; i++) {
        char address[SIM_ADDRESS_MAX];
        if (is_inbound) {
            name_inside(address, machine);
        } else if (sim_chance(600)) {
            name_outside(address, message->token, at_ms);
        } else {
            name_inside(address, (unsigned)sim_below(sim_machine_count()));
        }
        if (!is_named(message, address) && !is_double(message, address)) {
            (void)snprintf(
                message->recipients[message->recipient_count++].address,
                SIM_ADDRESS_MAX, "%s", address);
        }
    }
}

static void name_sender(struct sim_message *message, unsigned machine)
{
    if (sim_chance(100)) {
        message->sender[0] = '\0';
    } else if (sim_chance(500)) {
        (void)snprintf(message->sender, sizeof message->sender, "u%u@%s",
                       (unsigned)sim_below(SIM_USERS),
                       sim_machine(machine)->domain);
    } else {
        (void)snprintf(message->sender, sizeof message->sender,
                       "%s-0-0@x%u.test", sim_chance(200) ? "bad" : "ann",
                       (unsigned)sim_below(sim_host_count()));
    }
}

static void send_one(unsigned token)
{
    struct sim_message *message = sim_ledger_message(token);
    struct sender *sender = mm_alloc(sizeof *sender);
    unsigned machine = (unsigned)sim_below(sim_machine_count());
    uint64_t at_ms = sim_below((uint64_t)sim_options.hours * SIM_HOUR_MS);
    bool is_inbound = sim_chance(400);
    if (sim_chance(400)) {
        at_ms = (uint64_t)sim_options.hours * SIM_HOUR_MS / 2 +
                sim_below(SIM_MINUTE_MS);
    }
    if (sender == NULL || mm_timer_open(&sender->timer, sim_world_loop(),
                                        on_time) != MAILMOD_OK) {
        sim_fail("no memory for a sender");
    }
    sender->message = message;
    name_sender(message, machine);
    name_recipients(message, machine, is_inbound, at_ms);
    sender->wanted = (1u << message->recipient_count) - 1;
    sender->size = sim_below(sim_chance(30) ? 110000 : 2000);
    (void)snprintf(sender->source, sizeof sender->source, "10.9.0.%u",
                   (unsigned)sim_between(1, 200));
    (void)snprintf(sender->server, sizeof sender->server, "%s:%u",
                   sim_machine(machine)->address, is_inbound ? 25u : 587u);
    mm_list_append(&senders, &sender->node);
    sim_after(at_ms, come, sender);
}

void sim_clients_begin(void)
{
    for (unsigned i = 1; i <= sim_options.messages; i++) {
        send_one(i);
    }
}

void sim_clients_end(void)
{
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&senders)) != NULL) {
        struct sender *sender = MM_LIST_OBJECT(node, struct sender, node);
        mm_timer_close(&sender->timer);
        mm_free(sender);
    }
}
