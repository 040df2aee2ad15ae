/* smtp_load.c - senders that deliver as fast as a server takes it.
 *
 *   smtp_load [OPTIONS] HOST PORT RECIPIENT SENDERS MESSAGES OCTETS
 *
 *   -m FORM     commands: each command waits for its reply; group: the envelope
 *               in one piece (RFC 2920); bdat: the envelope and the message, by
 *               BDAT, in one piece (RFC 3030). Without it commands.
 *   -k COUNT    messages over one connection, which QUIT ends; without it 500
 *   -r RATE     messages a second of all senders together; without it as fast
 *               as the server takes them
 *   -s SECONDS  no message begins after so long
 *   -d COUNT    a "%" in RECIPIENT is one of COUNT texts, the next one for each
 *               recipient, that make addresses of 127.%: 1.0.0, 1.0.1, ...
 *   -n COUNT    recipients of one message; without it 1
 *
 * Each sender is a thread with one connection and delivers its messages one
 * after the other; a connection that the server ends with 421 is opened anew.
 * Prints one line of JSON: messages, seconds, messages a second, and the time
 * from the final dot to the 250, whose clock starts when the last octet has
 * left. Ends with 1 when a message was refused.
 * Thread: the senders', each its own peer. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MESSAGES_MAX 10000000ul
#define OCTETS_MAX (64ul << 20)
#define RECIPIENTS_MAX 1000ul
#define ADDRESSES_MAX (1ul << 20)
#define ADDRESSES_FIRST (1ul << 16)
#define SECONDS_MAX 86400ul

enum form { FORM_COMMANDS, FORM_GROUP, FORM_BDAT };

/* The same for all senders, not written once they run. */
struct plan {
    const char *host;
    const char *port;
    const char *recipient;
    char *body;
    size_t body_size; /* with the final dot, but for BDAT */
    size_t each;
    size_t senders;
    enum form form;
    size_t connection_max; /* messages over one connection */
    size_t rate;           /* 0: any */
    size_t seconds;        /* 0: any */
    size_t addresses;      /* what "%" counts to; 0: no "%" */
    size_t recipients;     /* of one message */
    double start_ms;
};

struct sender {
    const struct plan *plan;
    pthread_t thread;
    size_t number;
    size_t named; /* recipients so far */
    size_t done;
    size_t failed;
    double *waits_ms;
    double sent_ms; /* when the last octet had left */
    char *group;    /* room for an envelope, and for a message by BDAT */
    struct load_peer peer;
};

/* A message of about `octets`: a header, lines of text, the final dot. */
static int make_body(struct plan *plan, size_t octets)
{
    static const char head[] =
        "From: <load@client.test>\r\nTo: <load@client.test>\r\n"
        "Subject: load\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
        "Message-ID: <load@client.test>\r\n\r\n";
    static const char line[] = "The quick brown fox jumps over the lazy dog, "
                               "then over the next lazy dog.\r\n";
    size_t used = sizeof head - 1;

    plan->body = malloc(octets + sizeof head + sizeof line + 3);
    if (plan->body == NULL) {
        return -1;
    }
    memcpy(plan->body, head, used);
    while (used + sizeof line - 1 <= octets) {
        memcpy(plan->body + used, line, sizeof line - 1);
        used += sizeof line - 1;
    }
    memcpy(plan->body + used, ".\r\n", 3);
    plan->body_size = plan->form == FORM_BDAT ? used : used + 3;
    return 0;
}

static int greet(struct sender *sender)
{
    const struct plan *plan = sender->plan;

    if (load_connect(&sender->peer, plan->host, plan->port) != 0) {
        return -1;
    }
    if (load_reply(&sender->peer) != 220 ||
        load_ask(&sender->peer, "EHLO client.test\r\n") != 250) {
        load_close(&sender->peer);
        return -1;
    }
    return 0;
}

/* RCPT with the next recipient; its size. */
static size_t name_recipient(struct sender *sender, char *out, size_t size)
{
    const struct plan *plan = sender->plan;
    const char *mark = strchr(plan->recipient, '%');
    size_t number = sender->named++ * plan->senders + sender->number;
    int used;

    if (mark == NULL || plan->addresses == 0) {
        used = snprintf(out, size, "RCPT TO:<%s>\r\n", plan->recipient);
    } else {
        number = number % plan->addresses + ADDRESSES_FIRST;
        used =
            snprintf(out, size, "RCPT TO:<%.*s%zu.%zu.%zu%s>\r\n",
                     (int)(mark - plan->recipient), plan->recipient,
                     number >> 16, number >> 8 & 255, number & 255, mark + 1);
    }
    return used > 0 && (size_t)used < size ? (size_t)used : 0;
}

static int send_commands(struct sender *sender)
{
    struct load_peer *peer = &sender->peer;
    char text[512];

    if (load_ask(peer, "MAIL FROM:<load@client.test>\r\n") != 250) {
        return -1;
    }
    for (size_t i = 0; i < sender->plan->recipients; i++) {
        (void)name_recipient(sender, text, sizeof text);
        if (load_ask(peer, text) != 250) {
            return -1;
        }
    }
    return load_ask(peer, "DATA\r\n") == 354 ? 0 : -1;
}

/* The envelope in one piece, and by BDAT the message in the same one. */
static int send_group(struct sender *sender)
{
    const struct plan *plan = sender->plan;
    struct load_peer *peer = &sender->peer;
    char *text = sender->group;
    size_t size = (size_t)sprintf(text, "MAIL FROM:<load@client.test>\r\n");
    int result;

    for (size_t i = 0; i < plan->recipients; i++) {
        size += name_recipient(sender, text + size, 512);
    }
    if (plan->form == FORM_GROUP) {
        size += (size_t)sprintf(text + size, "DATA\r\n");
    } else {
        size +=
            (size_t)sprintf(text + size, "BDAT %zu LAST\r\n", plan->body_size);
        memcpy(text + size, plan->body, plan->body_size);
        size += plan->body_size;
    }
    result = load_send(peer, text, size);
    sender->sent_ms = load_now_ms();
    for (size_t i = 0; result == 0 && i < plan->recipients + 1; i++) {
        result = load_reply(peer) == 250 ? 0 : -1;
    }
    if (result == 0 && plan->form == FORM_GROUP) {
        result = load_reply(peer) == 354 ? 0 : -1;
    }
    return result;
}

static int deliver(struct sender *sender)
{
    const struct plan *plan = sender->plan;
    int result = plan->form == FORM_COMMANDS ? send_commands(sender)
                                             : send_group(sender);

    if (result == 0 && plan->form != FORM_BDAT) {
        result = load_send(&sender->peer, plan->body, plan->body_size);
        sender->sent_ms = load_now_ms();
    }
    if (result != 0 || load_reply(&sender->peer) != 250) {
        return -1;
    }
    sender->waits_ms[sender->done] = load_now_ms() - sender->sent_ms;
    return 0;
}

/* Waits for the sender's next turn; 0 when its time is over. */
static int is_due(const struct sender *sender, size_t number)
{
    const struct plan *plan = sender->plan;
    double after_ms = load_now_ms() - plan->start_ms;

    if (plan->rate > 0) {
        size_t turn = number * plan->senders + sender->number;
        double wait_ms = (double)turn * 1e3 / (double)plan->rate - after_ms;

        if (wait_ms > 0) {
            struct timespec wait = {
                .tv_sec = (time_t)(wait_ms / 1e3),
                .tv_nsec =
                    (long)((wait_ms - 1e3 * (double)(time_t)(wait_ms / 1e3)) *
                           1e6)};
            (void)nanosleep(&wait, NULL);
            after_ms += wait_ms;
        }
    }
    return plan->seconds == 0 || after_ms < (double)plan->seconds * 1e3;
}

static void *run_sender(void *argument)
{
    struct sender *sender = argument;
    size_t used = 0;

    sender->peer.socket = -1;
    while (sender->done < sender->plan->each && sender->failed < 3 &&
           is_due(sender, sender->done)) {
        if (sender->peer.socket < 0 && greet(sender) != 0) {
            sender->failed++;
            continue;
        }
        if (deliver(sender) != 0) {
            sender->failed++;
            load_close(&sender->peer);
            used = 0;
            continue;
        }
        sender->done++;
        used++;
        if (used == sender->plan->connection_max) {
            (void)load_ask(&sender->peer, "QUIT\r\n");
            load_close(&sender->peer);
            used = 0;
        }
    }
    if (sender->peer.socket >= 0) {
        (void)load_ask(&sender->peer, "QUIT\r\n");
        load_close(&sender->peer);
    }
    return NULL;
}

static int report(const struct sender *senders, size_t count, double ms)
{
    size_t done = 0;
    size_t failed = 0;
    double *waits = NULL;

    for (size_t i = 0; i < count; i++) {
        done += senders[i].done;
        failed += senders[i].failed;
    }
    waits = calloc(done + 1, sizeof *waits);
    if (waits == NULL) {
        return 1;
    }
    done = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(waits + done, senders[i].waits_ms,
               senders[i].done * sizeof *waits);
        done += senders[i].done;
    }
    (void)printf(
        "{\"messages\": %zu, \"failed\": %zu, \"seconds\": %.3f, "
        "\"rate\": %.1f, \"median_ms\": %.3f, \"p99_ms\": %.3f, "
        "\"p999_ms\": %.3f, \"max_ms\": %.3f}\n",
        done, failed, ms / 1e3, (double)done / (ms / 1e3),
        load_quantile(waits, done, 0.5), load_quantile(waits, done, 0.99),
        load_quantile(waits, done, 0.999), load_quantile(waits, done, 1));
    free(waits);
    return failed > 0 ? 1 : 0;
}

static void usage(void)
{
    (void)fprintf(stderr, "usage: smtp_load [-m commands|group|bdat] "
                          "[-k COUNT] [-r RATE] [-s SECONDS] [-d COUNT] "
                          "[-n COUNT]\n"
                          "           HOST PORT RECIPIENT SENDERS MESSAGES "
                          "OCTETS\n");
    exit(2);
}

static enum form read_form(const char *word)
{
    static const char *const names[] = {"commands", "group", "bdat"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(word, names[i]) == 0) {
            return (enum form)i;
        }
    }
    usage();
    return FORM_COMMANDS;
}

static void read_options(struct plan *plan, int count, char **words)
{
    int option;

    while ((option = getopt(count, words, "m:k:r:s:d:n:")) != -1) {
        switch (option) {
        case 'm':
            plan->form = read_form(optarg);
            break;
        case 'k':
            plan->connection_max = load_number(optarg, MESSAGES_MAX);
            break;
        case 'r':
            plan->rate = load_number(optarg, MESSAGES_MAX);
            break;
        case 's':
            plan->seconds = load_number(optarg, SECONDS_MAX);
            break;
        case 'd':
            plan->addresses = load_number(optarg, ADDRESSES_MAX);
            break;
        case 'n':
            plan->recipients = load_number(optarg, RECIPIENTS_MAX);
            break;
        default:
            usage();
        }
    }
    if (count - optind != 6 || plan->recipients == 0) {
        usage();
    }
}

static int start_sender(struct sender *sender, const struct plan *plan,
                        size_t number)
{
    sender->plan = plan;
    sender->number = number;
    sender->waits_ms = calloc(plan->each + 1, sizeof(double));
    sender->group = malloc(plan->recipients * 512 + plan->body_size + 1024);
    return sender->waits_ms == NULL || sender->group == NULL
               ? -1
               : pthread_create(&sender->thread, NULL, run_sender, sender);
}

int main(int count, char **words)
{
    struct plan plan = {.connection_max = 500, .recipients = 1};
    struct sender *senders;

    read_options(&plan, count, words);
    words += optind;
    plan.host = words[0];
    plan.port = words[1];
    plan.recipient = words[2];
    plan.senders = load_number(words[3], LOAD_THREADS_MAX);
    if (plan.senders == 0) {
        usage();
    }
    plan.each = load_number(words[4], MESSAGES_MAX) / plan.senders;
    senders = calloc(plan.senders, sizeof *senders);
    if (senders == NULL ||
        make_body(&plan, load_number(words[5], OCTETS_MAX))) {
        return 1;
    }
    plan.start_ms = load_now_ms();
    for (size_t i = 0; i < plan.senders; i++) {
        if (start_sender(senders + i, &plan, i) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < plan.senders; i++) {
        (void)pthread_join(senders[i].thread, NULL);
    }
    int code = report(senders, plan.senders, load_now_ms() - plan.start_ms);
    for (size_t i = 0; i < plan.senders; i++) {
        free(senders[i].waits_ms);
        free(senders[i].group);
    }
    free(senders);
    free(plan.body);
    return code;
}
