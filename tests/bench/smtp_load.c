/* smtp_load.c - senders that deliver as fast as a server takes it.
 *
 *   smtp_load HOST PORT RECIPIENT SENDERS MESSAGES OCTETS PIPELINING(0|1)
 *
 * Each sender is a thread with one connection and delivers its messages one
 * after the other; a connection that the server ends with 421 or for which the
 * sender has delivered 500 messages is opened anew. With PIPELINING the
 * envelope goes in one piece (RFC 2920), without it each command waits for its
 * reply. Prints one line of JSON: messages, seconds, messages a second, and
 * the time from the final dot to the 250, whose clock starts when the last
 * octet has left. Ends with 1 when a message was refused.
 * Thread: the senders', each its own peer. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_A_CONNECTION 500
#define MESSAGES_MAX 10000000ul
#define OCTETS_MAX (64ul << 20)

/* The same for all senders, not written once they run. */
struct plan {
    const char *host;
    const char *port;
    const char *recipient;
    char *body;
    size_t body_size;
    size_t each;
    int is_pipelined;
};

struct sender {
    const struct plan *plan;
    pthread_t thread;
    size_t done;
    size_t failed;
    double *waits_ms;
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
    plan->body_size = used + 3;
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

static int send_envelope(struct sender *sender)
{
    struct load_peer *peer = &sender->peer;
    char text[512];
    int size;

    if (!sender->plan->is_pipelined) {
        (void)snprintf(text, sizeof text, "RCPT TO:<%s>\r\n",
                       sender->plan->recipient);
        return load_ask(peer, "MAIL FROM:<load@client.test>\r\n") == 250 &&
                       load_ask(peer, text) == 250 &&
                       load_ask(peer, "DATA\r\n") == 354
                   ? 0
                   : -1;
    }
    size = snprintf(text, sizeof text,
                    "MAIL FROM:<load@client.test>\r\nRCPT TO:<%s>\r\nDATA\r\n",
                    sender->plan->recipient);
    if (load_send(peer, text, (size_t)size) != 0) {
        return -1;
    }
    return load_reply(peer) == 250 && load_reply(peer) == 250 &&
                   load_reply(peer) == 354
               ? 0
               : -1;
}

static int deliver(struct sender *sender)
{
    const struct plan *plan = sender->plan;
    double start;

    if (send_envelope(sender) != 0 ||
        load_send(&sender->peer, plan->body, plan->body_size) != 0) {
        return -1;
    }
    start = load_now_ms();
    if (load_reply(&sender->peer) != 250) {
        return -1;
    }
    sender->waits_ms[sender->done] = load_now_ms() - start;
    return 0;
}

static void *run_sender(void *argument)
{
    struct sender *sender = argument;
    size_t used = 0;

    sender->peer.socket = -1;
    while (sender->done < sender->plan->each && sender->failed < 3) {
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
        if (used == MESSAGES_A_CONNECTION) {
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
    (void)printf("{\"messages\": %zu, \"failed\": %zu, \"seconds\": %.3f, "
                 "\"rate\": %.1f, \"median_ms\": %.3f, \"p99_ms\": %.3f, "
                 "\"max_ms\": %.3f}\n",
                 done, failed, ms / 1e3, (double)done / (ms / 1e3),
                 load_quantile(waits, done, 0.5),
                 load_quantile(waits, done, 0.99),
                 load_quantile(waits, done, 1));
    free(waits);
    return failed > 0 ? 1 : 0;
}

int main(int count, char **words)
{
    struct plan plan = {0};
    struct sender *senders;
    size_t threads;
    double start;
    int code = 1;

    if (count != 8) {
        (void)fprintf(stderr, "usage: smtp_load HOST PORT RECIPIENT SENDERS "
                              "MESSAGES OCTETS PIPELINING\n");
        return 2;
    }
    plan.host = words[1];
    plan.port = words[2];
    plan.recipient = words[3];
    threads = load_number(words[4], LOAD_THREADS_MAX);
    plan.each = load_number(words[5], MESSAGES_MAX) / (threads ? threads : 1);
    plan.is_pipelined = load_number(words[7], 1) == 1;
    senders = calloc(threads, sizeof *senders);
    if (senders == NULL ||
        make_body(&plan, load_number(words[6], OCTETS_MAX))) {
        return 1;
    }
    start = load_now_ms();
    for (size_t i = 0; i < threads; i++) {
        senders[i].plan = &plan;
        senders[i].waits_ms = calloc(plan.each + 1, sizeof(double));
        if (senders[i].waits_ms == NULL ||
            pthread_create(&senders[i].thread, NULL, run_sender, senders + i)) {
            return 1;
        }
    }
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(senders[i].thread, NULL);
    }
    code = report(senders, threads, load_now_ms() - start);
    for (size_t i = 0; i < threads; i++) {
        free(senders[i].waits_ms);
    }
    free(senders);
    free(plan.body);
    return code;
}
