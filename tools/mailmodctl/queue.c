/* queue.c - mailmodctl queue: what waits to leave, and what to do about it.
 *
 * Lists a line a recipient, because each has a state of its own, with the last
 * reply below. Texts come from peers and are made harmless for a terminal; the
 * message itself is given octet for octet when the output is no terminal. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void print_time(int64_t unix_ms)
{
    char text[32] = "-";
    time_t seconds = (time_t)(unix_ms / 1000);
    /* gmtime's one buffer will do: this program has one thread. */
    const struct tm *parts = unix_ms > 0 ? gmtime(&seconds) : NULL;
    if (parts != NULL) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", parts);
    }
    printf("%-19s ", text);
}

static const char *text_or(const char *text, const char *other)
{
    return text == NULL || text[0] == '\0' ? other : text;
}

static void on_entry(void *context, const struct mailmod_queue_entry *entry)
{
    size_t *count = context;
    if (*count == 0) {
        printf("%-20s %9s %-19s %-19s %5s %-5s %s\n", "ID", "SIZE",
               "ARRIVED (UTC)", "NEXT TRY (UTC)", "TRIES", "STATE",
               "SENDER -> RECIPIENT");
    }
    (*count)++;
    printf("%-20s %9llu ", entry->message,
           (unsigned long long)entry->message_size);
    print_time(entry->arrival_ms);
    print_time(entry->next_attempt_ms);
    printf("%5u %-5s <", entry->attempts, entry->is_held ? "held" : "waits");
    control_print_text(text_or(entry->reverse_path, ""));
    printf("> -> <");
    control_print_text(text_or(entry->recipient, ""));
    printf(">\n");
    if (text_or(entry->last_reply, "")[0] != '\0') {
        printf("    ");
        control_print_text(text_or(entry->destination, "?"));
        printf(": ");
        control_print_text(entry->last_reply);
        putchar('\n');
    }
}

static int list(struct control *control, const char *message)
{
    size_t count = 0;
    enum mailmod_error error =
        mailmod_queue_list(control->instance, message, on_entry, &count);
    if (error != MAILMOD_OK) {
        return control_failure("queue list", error);
    }
    if (count == 0) {
        puts("the queue is empty");
    } else {
        printf("%zu recipient%s\n", count, count == 1 ? "" : "s");
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

static int show(struct control *control, const char *message)
{
    int is_terminal = terminal_is_output();
    if (is_terminal) {
        int code = list(control, message);
        if (code != EXIT_SUCCESS) {
            return code;
        }
        putchar('\n');
    }
    enum mailmod_error error =
        mailmod_queue_read(control->instance, message, on_octets, &is_terminal);
    return error == MAILMOD_OK ? EXIT_SUCCESS
                               : control_failure("queue show", error);
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
    int is_all = strcmp(message, "all") == 0;
    enum mailmod_error error = mailmod_queue_act(
        control->instance, is_all ? NULL : message, action->action, &count);
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
    if (control->word_count == 1 && strcmp(word, "list") == 0) {
        return list(control, NULL);
    }
    if (control->word_count == 1 && strcmp(word, "flush") == 0) {
        message = "all";
    }
    if (message == NULL) {
        return control_usage("queue list, or queue "
                             "show|flush|hold|release|delete ID");
    }
    if (strcmp(word, "show") == 0) {
        return show(control, message);
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(word, actions[i].name) == 0) {
            return act(control, &actions[i], message);
        }
    }
    return control_usage("queue list|show|flush|hold|release|delete");
}
