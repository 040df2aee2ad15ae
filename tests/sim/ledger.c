/* ledger.c - what was handed in, and what became of each recipient.
 *
 * Owns the invariants (docs/reliability.md, Simulator): who was accepted is
 * delivered, reported or waiting at each look; nothing comes twice unless an
 * end was not heard; one failure and one notice of a delay at most from each
 * machine; no report about a report or about the null path; a host that says
 * "later" is asked again by the table of retries. Thread: the run's. */
#include "ledger.h"

#include "base/mem.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_END_SLACK_MS = 60000 };

static struct {
    struct sim_message *messages;
    unsigned count;
} ledger;

void sim_ledger_begin(unsigned messages)
{
    ledger.messages = mm_alloc_array(messages + 1, sizeof *ledger.messages);
    ledger.count = messages;
    if (ledger.messages == NULL) {
        sim_fail("no memory for the ledger");
    }
    for (unsigned i = 1; i <= messages; i++) {
        ledger.messages[i].token = i;
    }
}

void sim_ledger_end(void)
{
    mm_free(ledger.messages);
    ledger.messages = NULL;
}

struct sim_message *sim_ledger_message(unsigned token)
{
    return token > 0 && token <= ledger.count ? &ledger.messages[token] : NULL;
}

struct sim_recipient *sim_ledger_recipient(struct sim_message *message,
                                           const char *address)
{
    for (unsigned i = 0; i < message->recipient_count; i++) {
        if (strcmp(message->recipients[i].address, address) == 0) {
            return &message->recipients[i];
        }
    }
    return NULL;
}

void sim_ledger_allow(unsigned token, const char *why)
{
    struct sim_message *message = sim_ledger_message(token);
    if (message != NULL) {
        message->allowed++;
        sim_trace("message %u may come again: %s", token, why);
    }
}

void sim_ledger_allow_all(const char *why)
{
    for (unsigned i = 1; i <= ledger.count; i++) {
        if (ledger.messages[i].recipient_count > 0 &&
            !ledger.messages[i].is_done) {
            sim_ledger_allow(i, why);
        }
    }
}

void sim_ledger_accepted(unsigned token, unsigned recipients)
{
    struct sim_message *message = sim_ledger_message(token);
    for (unsigned i = 0; i < message->recipient_count; i++) {
        if ((recipients >> i & 1u) != 0) {
            message->recipients[i].is_accepted = true;
        }
    }
    sim_trace("message %u is accepted", token);
}

unsigned sim_ledger_token(const char *text, size_t size)
{
    size_t mark = strlen(SIM_MARK);
    for (size_t i = 0; i + mark + 8 <= size; i++) {
        if (text[i] == 'X' && strncmp(text + i, SIM_MARK, mark) == 0) {
            return (unsigned)strtoul(text + i + mark, NULL, 16);
        }
    }
    return 0;
}

static void check_copies(const struct sim_message *message,
                         const struct sim_recipient *recipient)
{
    unsigned most = 1 + message->allowed;
    if (recipient->deliveries > most) {
        sim_broken("message %u came %u times to %s, and %u at most may",
                   message->token, recipient->deliveries, recipient->address,
                   most);
    }
    if (recipient->failures > most) {
        sim_broken("%u reports that message %u failed for %s, %u at most may",
                   recipient->failures, message->token, recipient->address,
                   most);
    }
    if (recipient->deliveries > 0 && recipient->failures > 0 &&
        message->allowed == 0) {
        sim_broken("message %u came to %s and was reported as failed",
                   message->token, recipient->address);
    }
}

static void note_report(void *context, struct sim_message *message,
                        struct sim_recipient *recipient,
                        const struct sim_report_line *line)
{
    (void)context;
    if (line->is_failed) {
        recipient->failures++;
    } else if (line->is_delayed && line->machine < SIM_MACHINES_MAX &&
               ++recipient->delays[line->machine] > 1 + message->allowed) {
        sim_broken("%u notices that message %u is late for %s",
                   recipient->delays[line->machine], message->token,
                   recipient->address);
    }
    check_copies(message, recipient);
}

void sim_ledger_arrived(const char *text, size_t size, const char *address)
{
    if (sim_report_is(text, size)) {
        sim_trace("a report about message %u arrives at %s",
                  sim_ledger_token(text, size), address);
        sim_report_read(text, size, note_report, NULL);
        return;
    }
    struct sim_message *message =
        sim_ledger_message(sim_ledger_token(text, size));
    if (message == NULL) {
        sim_trace("mail without a mark arrives at %s", address);
        return;
    }
    struct sim_recipient *recipient = sim_ledger_recipient(message, address);
    if (recipient == NULL) {
        sim_broken("message %u arrives at %s, who is none of its recipients",
                   message->token, address);
        return;
    }
    recipient->deliveries++;
    sim_trace("message %u arrives at %s", message->token, address);
    check_copies(message, recipient);
}

static uint64_t step_ms(unsigned refusals)
{
    static const unsigned day[] = {5, 10, 20, 40, 60, 120};
    static const unsigned hours[] = {2, 4, 8, 16, 30};
    const unsigned *steps = sim_options.is_day ? day : hours;
    unsigned count = sim_options.is_day ? 6 : 5;
    unsigned at = refusals < count ? refusals : count - 1;
    return (uint64_t)steps[at] * SIM_MINUTE_MS;
}

/* docs/config.md, queue.steps and queue.jitter: 10 per cent. */
static void check_wait(const struct sim_message *message,
                       const struct sim_recipient *recipient, unsigned machine,
                       uint64_t waited_ms)
{
    uint64_t step = step_ms(recipient->refusals[machine] - 1);
    /* docs/config.md, queue.lifetime: the last attempt is made at its end. */
    int64_t end_ms = recipient->first_refused_ms[machine] +
                     (int64_t)(sim_options.is_day ? 24 : 3) * SIM_HOUR_MS;
    bool is_last = sim_wall_ms() >= end_ms - SIM_END_SLACK_MS;
    uint64_t least = is_last ? 0 : step / 10 * 9;
    uint64_t most = step / 10 * 11 + 90000;
    if (waited_ms < least || waited_ms > most) {
        sim_broken("message %u was tried again for %s after %llu s, and the "
                   "table says %llu s",
                   message->token, recipient->address,
                   (unsigned long long)(waited_ms / 1000),
                   (unsigned long long)(step / 1000));
    }
}

void sim_ledger_refused(const char *address, unsigned token, unsigned machine)
{
    struct sim_message *message = sim_ledger_message(token);
    struct sim_recipient *recipient =
        message != NULL ? sim_ledger_recipient(message, address) : NULL;
    if (recipient == NULL || machine >= SIM_MACHINES_MAX ||
        message->allowed > 0) {
        return;
    }
    int64_t before_ms = recipient->refused_ms[machine];
    bool is_calm = before_ms > sim_machine(machine)->disturbed_ms;
    if (before_ms != 0 && is_calm) {
        check_wait(message, recipient, machine,
                   (uint64_t)(sim_wall_ms() - before_ms));
    }
    if (recipient->refusals[machine] == 0) {
        recipient->first_refused_ms[machine] = sim_wall_ms();
    }
    recipient->refused_ms[machine] = sim_wall_ms();
    recipient->refusals[machine]++;
}

static bool is_done(const struct sim_recipient *recipient)
{
    return !recipient->is_accepted || recipient->deliveries > 0 ||
           recipient->failures > 0 || recipient->is_kept;
}

static void each_recipient(void (*visit)(const struct sim_message *message,
                                         struct sim_recipient *recipient))
{
    for (unsigned i = 1; i <= ledger.count; i++) {
        struct sim_message *message = &ledger.messages[i];
        for (unsigned k = 0; !message->is_done && k < message->recipient_count;
             k++) {
            visit(message, &message->recipients[k]);
        }
    }
}

static void forget_seen(const struct sim_message *message,
                        struct sim_recipient *recipient)
{
    (void)message;
    recipient->is_seen = false;
}

void sim_ledger_forget_seen(void)
{
    each_recipient(forget_seen);
}

static void check_seen(const struct sim_message *message,
                       struct sim_recipient *recipient)
{
    if (!recipient->is_seen && !is_done(recipient)) {
        sim_broken("message %u is lost for %s: neither delivered, nor "
                   "reported, nor waiting",
                   message->token, recipient->address);
    }
}

void sim_ledger_check_seen(void)
{
    each_recipient(check_seen);
}

bool sim_ledger_is_done(void)
{
    bool are_done = true;
    for (unsigned i = 1; i <= ledger.count; i++) {
        struct sim_message *message = &ledger.messages[i];
        message->is_done = message->is_over;
        for (unsigned k = 0; k < message->recipient_count; k++) {
            message->is_done =
                message->is_done && is_done(&message->recipients[k]);
        }
        are_done = are_done && message->is_done;
    }
    return are_done;
}

void sim_ledger_count(unsigned *delivered_out, unsigned *reported_out,
                      unsigned *twice_out)
{
    *delivered_out = *reported_out = *twice_out = 0;
    for (unsigned i = 1; i <= ledger.count; i++) {
        const struct sim_message *message = &ledger.messages[i];
        for (unsigned k = 0; k < message->recipient_count; k++) {
            const struct sim_recipient *recipient = &message->recipients[k];
            *delivered_out += recipient->deliveries > 0;
            *reported_out += recipient->failures > 0;
            *twice_out += recipient->deliveries > 1;
        }
    }
}

void sim_ledger_show_open(void)
{
    for (unsigned i = 1; i <= ledger.count; i++) {
        const struct sim_message *message = &ledger.messages[i];
        for (unsigned k = 0; k < message->recipient_count; k++) {
            const struct sim_recipient *recipient = &message->recipients[k];
            if (!is_done(recipient) || !message->is_over) {
                printf("message %u to %s is open%s\n", i, recipient->address,
                       message->is_over ? "" : ", and its sender at it");
            }
        }
    }
}
