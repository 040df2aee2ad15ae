/* queue.c - mailq and -q: the queue as sendmail shows it, and a run of it.
 *
 * Owns nothing. Texts of peers move no cursor. The message's line stands once,
 * its recipients below, each with what was last heard of it. */
#include "sendmail.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

struct listing {
    char message[64]; /* whose lines are printed */
    uint64_t octets;
    size_t messages;
};

static void print_text(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';
         at++) {
        int is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
        putchar(*at < 32 || *at == 127 || is_c1 ? '?' : *at);
        at += is_c1;
    }
}

static void begin_message(struct listing *listing,
                          const struct mailmod_queue_entry *entry)
{
    time_t seconds = (time_t)(entry->arrival_ms / 1000);
    const struct tm *parts = localtime(&seconds);
    char when[64] = "";

    if (listing->messages == 0) {
        puts("-Queue ID---------- --Size-- ----Arrival Time---- "
             "-Sender/Recipient-------");
    }
    snprintf(listing->message, sizeof listing->message, "%s", entry->message);
    listing->messages++;
    listing->octets += entry->message_size;
    if (parts != NULL) {
        strftime(when, sizeof when, "%a %b %d %H:%M:%S", parts);
    }
    printf("%-19s %8" PRIu64 " %-20s ", entry->message, entry->message_size,
           when);
    print_text(entry->reverse_path[0] != '\0' ? entry->reverse_path
                                              : "MAILER-DAEMON");
    putchar('\n');
}

static void on_entry(void *context, const struct mailmod_queue_entry *entry)
{
    struct listing *listing = context;
    const char *reply = entry->last_reply != NULL ? entry->last_reply : "";

    if (strcmp(listing->message, entry->message) != 0) {
        if (listing->messages > 0) {
            putchar('\n');
        }
        begin_message(listing, entry);
    }
    if (reply[0] != '\0') {
        printf("    (");
        print_text(reply);
        puts(")");
    }
    printf("%50s", entry->is_held ? "(held) " : "");
    print_text(entry->recipient);
    putchar('\n');
}

int sendmail_list_queue(const struct sendmail *sendmail)
{
    struct listing listing = {.messages = 0};
    enum mailmod_error error =
        mailmod_queue_list(sendmail->instance, NULL, on_entry, &listing);

    if (error != MAILMOD_OK) {
        return sendmail_failure("the queue", error);
    }
    if (listing.messages == 0) {
        puts("Mail queue is empty");
    } else {
        printf("\n-- %" PRIu64 " Kbytes in %zu Request%s.\n",
               (listing.octets + 1023) / 1024, listing.messages,
               listing.messages == 1 ? "" : "s");
    }
    return EX_OK;
}

int sendmail_run_queue(const struct sendmail *sendmail)
{
    const struct options *options = sendmail->options;
    const struct mailmod_queue_filter filter = {.size = sizeof filter,
                                                .message = options->message,
                                                .domain = options->domain,
                                                .sender =
                                                    options->queue_sender};
    size_t count = 0;
    int has_filter = options->domain != NULL || options->queue_sender != NULL;

    enum mailmod_error error =
        has_filter ? mailmod_queue_act_on(sendmail->instance, &filter,
                                          MAILMOD_QUEUE_FLUSH, &count)
                   : mailmod_queue_act(sendmail->instance, options->message,
                                       MAILMOD_QUEUE_FLUSH, &count);
    if (error != MAILMOD_OK) {
        return sendmail_failure("the queue", error);
    }
    if (options->is_verbose) {
        printf("%zu recipient%s due now\n", count, count == 1 ? "" : "s");
    }
    return EX_OK;
}
