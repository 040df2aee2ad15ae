/* queue.c - mailmodctl queue: what waits to leave, and what to do about it.
 *
 * Lists a line a recipient, because each has a state of its own, with the last
 * reply below, in 120 columns where the addresses let it; or a line a
 * destination. Texts come from peers and are made harmless for a terminal; the
 * message itself is given octet for octet when the output is no terminal. */
#include "control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS 120
#define HEAD_COLUMNS 74 /* before the addresses */

struct listing {
    const struct control *control;
    uint64_t count; /* recipients */
};

void control_print_time(const struct control *control, int64_t unix_ms)
{
    char text[32] = "-";
    time_t seconds = (time_t)(unix_ms / 1000);
    /* The one buffer of both will do: this program has one thread. */
    const struct tm *parts =
        control->has_local_time ? localtime(&seconds) : gmtime(&seconds);
    if (parts != NULL && unix_ms > 0) {
        strftime(text, sizeof text, "%m-%d %H:%M:%S", parts);
    }
    printf("%-14s ", text);
}

static const char *text_or(const char *text, const char *other)
{
    return text == NULL || text[0] == '\0' ? other : text;
}

/* A long text is cut between words where the line is full. */
static void print_wrapped(const char *head, const char *text)
{
    char word[512];
    size_t column = 4 + strlen(head);
    printf("    %s", head);
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (size > 0 && column + size > COLUMNS && column > 8) {
            printf("\n        ");
            column = 8;
        }
        size += strspn(text + size, " ");
        size = size < sizeof word ? size : sizeof word - 1;
        memcpy(word, text, size);
        word[size] = '\0';
        control_print_text(word);
        column += size;
        text += size;
    }
    putchar('\n');
}

/* Who said it stands once. */
static void print_reply(const char *destination, const char *reply)
{
    char head[300] = "";
    size_t size = strlen(destination);
    if (strncmp(reply, destination, size) != 0 || reply[size] != ':') {
        snprintf(head, sizeof head, "%s: ", destination);
    }
    print_wrapped(head, reply);
}

static void print_addresses(const struct mailmod_queue_entry *entry)
{
    const char *sender = text_or(entry->reverse_path, "");
    const char *recipient = text_or(entry->recipient, "");
    if (HEAD_COLUMNS + strlen(sender) + strlen(recipient) + 8 > COLUMNS) {
        printf("\n    ");
    }
    putchar('<');
    control_print_text(sender);
    printf("> -> <");
    control_print_text(recipient);
    printf(">\n");
}

static void on_entry(void *context, const struct mailmod_queue_entry *entry)
{
    struct listing *listing = context;
    const char *state = entry->is_held ? "held" : "waits";
    if (listing->count == 0) {
        const char *zone = listing->control->has_local_time ? "" : " (UTC)";
        char next[24];
        char arrived[24];
        snprintf(arrived, sizeof arrived, "ARRIVED%s", zone);
        snprintf(next, sizeof next, "NEXT TRY%s", zone);
        printf("%-20s %9s %-14s %-14s %5s %-5s %s\n", "ID", "SIZE", arrived,
               next, "TRIES", "STATE", "SENDER -> RECIPIENT");
    }
    listing->count++;
    printf("%-20s %9" PRIu64 " ", entry->message, entry->message_size);
    control_print_time(listing->control, entry->arrival_ms);
    control_print_time(listing->control,
                       entry->is_held ? 0 : entry->next_attempt_ms);
    printf("%5u %-5s ", entry->attempts, state);
    print_addresses(entry);
    const char *reply = text_or(entry->last_reply, "");
    const char *reason = text_or(entry->reason, "");
    if (reply[0] != '\0') {
        print_reply(text_or(entry->destination, "?"), reply);
    }
    if (reason[0] != '\0' && strcmp(reason, reply) != 0) {
        print_wrapped("waits: ", reason);
    }
    if (text_or(entry->unsure_host, "")[0] != '\0') {
        print_wrapped("unsure, may be there already: ", entry->unsure_host);
    }
}

static void on_destination(void *context,
                           const struct mailmod_queue_destination *sum)
{
    struct listing *listing = context;
    if (listing->count == 0) {
        const char *zone = listing->control->has_local_time ? "" : " (UTC)";
        char next[24];
        snprintf(next, sizeof next, "NEXT TRY%s", zone);
        printf("%10s %10s %-14s %-14s %s\n", "RECIPIENTS", "HELD", "OLDEST",
               next, "DESTINATION");
    }
    listing->count += sum->recipients;
    printf("%10" PRIu64 " %10" PRIu64 " ", sum->recipients, sum->held);
    control_print_time(listing->control, sum->oldest_arrival_ms);
    control_print_time(listing->control, sum->next_attempt_ms);
    control_print_text(sum->destination);
    putchar('\n');
    if (text_or(sum->last_reply, "")[0] != '\0') {
        print_wrapped("", sum->last_reply);
    }
}

uint64_t control_read_time_ms(const char *text)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (end != text && end[0] == units[i].unit && end[1] == '\0' &&
            number < 1000000) {
            return number * units[i].seconds * 1000;
        }
    }
    return 0;
}

/* Not 0: it was said what is wrong. */
static int take_filter(const struct control *control, const char *message,
                       struct mailmod_queue_filter *filter_out)
{
    static const char *const states[] = {"", "waiting", "tried", "held"};
    const struct control_filter *said = &control->filter;
    *filter_out = (struct mailmod_queue_filter){.size = sizeof *filter_out,
                                                .message = message,
                                                .sender = said->sender,
                                                .recipient = said->recipient,
                                                .domain = said->domain};
    for (size_t i = 1; i < sizeof states / sizeof states[0]; i++) {
        if (said->state != NULL && strcmp(said->state, states[i]) == 0) {
            filter_out->state = (enum mailmod_queue_state)i;
        }
    }
    if (said->state != NULL && filter_out->state == MAILMOD_QUEUE_ANY) {
        return control_usage("--state is waiting, tried or held");
    }
    if (said->older != NULL) {
        filter_out->age_min_ms = control_read_time_ms(said->older);
        if (filter_out->age_min_ms == 0) {
            return control_usage("--older is a time such as 30m, 2h or 1d");
        }
    }
    return 0;
}

static int has_filter(const struct control *control)
{
    const struct control_filter *said = &control->filter;
    return said->domain != NULL || said->sender != NULL ||
           said->recipient != NULL || said->state != NULL ||
           said->older != NULL;
}

static int list(struct control *control, const char *message, int sums_up)
{
    struct listing listing = {control, 0};
    struct mailmod_queue_filter filter;
    int code = take_filter(control, message, &filter);
    if (code != 0) {
        return code;
    }
    enum mailmod_error error =
        sums_up ? mailmod_queue_summary(control->instance, &filter,
                                        on_destination, &listing)
                : mailmod_queue_find(control->instance, &filter, on_entry,
                                     &listing);
    if (error != MAILMOD_OK) {
        return control_failure(sums_up ? "queue summary" : "queue list", error);
    }
    if (listing.count == 0) {
        puts(has_filter(control) ? "nobody of that kind is in the queue"
                                 : "the queue is empty");
    } else {
        printf("%" PRIu64 " recipient%s\n", listing.count,
               listing.count == 1 ? "" : "s");
    }
    return EXIT_SUCCESS;
}

/* One octet at a time keeps no state but what the terminal must not see. */
static void on_octets(void *context, const char *octets, size_t size)
{
    const int *is_terminal = context;
    if (!*is_terminal) {
        (void)fwrite(octets, 1, size, stdout);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)octets[i];
        if (c == '\n' || c == '\t' || (c >= 32 && c < 127)) {
            putchar(c);
        } else if (c != '\r') {
            putchar('?');
        }
    }
}

int control_show(struct control *control, const char *message)
{
    int is_terminal = terminal_is_output();
    enum mailmod_error error =
        mailmod_queue_read(control->instance, message, on_octets, &is_terminal);
    return error == MAILMOD_OK ? EXIT_SUCCESS : control_failure("show", error);
}

static int show(struct control *control, const char *message)
{
    if (terminal_is_output()) {
        int code = list(control, message, 0);
        if (code != EXIT_SUCCESS) {
            return code;
        }
        putchar('\n');
    }
    return control_show(control, message);
}

static const struct action {
    const char *name;
    enum mailmod_queue_action action;
    const char *done;
} actions[] = {
    {"hold", MAILMOD_QUEUE_HOLD, "held"},
    {"release", MAILMOD_QUEUE_RELEASE, "released"},
    {"flush", MAILMOD_QUEUE_FLUSH, "due now"},
    {"delete", MAILMOD_QUEUE_DELETE, "deleted"},
};

static int act(struct control *control, const struct action *action,
               const char *message)
{
    size_t count = 0;
    struct mailmod_queue_filter filter;
    int code = take_filter(control, message, &filter);
    if (code != 0) {
        return code;
    }
    /* One message, or all, is promised as a whole. */
    enum mailmod_error error =
        has_filter(control) ? mailmod_queue_act_on(control->instance, &filter,
                                                   action->action, &count)
                            : mailmod_queue_act(control->instance, message,
                                                action->action, &count);
    if (error != MAILMOD_OK) {
        return control_failure("queue", error);
    }
    printf("%zu recipient%s %s\n", count, count == 1 ? "" : "s", action->done);
    return EXIT_SUCCESS;
}

int control_queue(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    const char *message = control->word_count == 2 ? control->words[1] : NULL;
    if (control->word_count > 2) {
        return control_usage("queue list|summary|show|flush|hold|release|"
                             "delete");
    }
    if (strcmp(word, "list") == 0) {
        return list(control, message, 0);
    }
    if (strcmp(word, "summary") == 0 && message == NULL) {
        return list(control, NULL, 1);
    }
    /* All are named so, but for a flush. */
    if (message == NULL && !has_filter(control) && strcmp(word, "flush") != 0) {
        return control_usage("queue list|summary, or queue "
                             "show|flush|hold|release|delete ID");
    }
    if (strcmp(word, "show") == 0 && message != NULL) {
        return show(control, message);
    }
    if (message != NULL && strcmp(message, "all") == 0) {
        message = NULL;
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(word, actions[i].name) == 0) {
            return act(control, &actions[i], message);
        }
    }
    return control_usage("queue list|summary|show|flush|hold|release|delete");
}
