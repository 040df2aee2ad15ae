/* kept.c - mailmodctl kept: sent mail and dead letters that the store keeps.
 *
 * A line a recipient, with the words of its end below. Texts come from peers
 * and are made harmless for a terminal. */
#include "control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    const struct control *control;
    uint64_t count;
};

static void on_kept(void *context, const struct mailmod_kept *kept)
{
    struct listing *listing = context;

    if (listing->count == 0) {
        const char *zone = listing->control->has_local_time ? "" : " (UTC)";
        char since[24];
        snprintf(since, sizeof since, "KEPT%s", zone);
        printf("%-20s %9s %-14s %5s %s\n", "ID", "SIZE", since, "TRIES",
               "SENDER -> RECIPIENT");
    }
    listing->count++;
    printf("%-20s %9" PRIu64 " ", kept->message, kept->message_size);
    control_print_time(listing->control, kept->kept_ms);
    printf("%5u <", kept->attempts);
    control_print_text(kept->reverse_path);
    printf("> -> <");
    control_print_text(kept->recipient);
    printf(">\n    ");
    control_print_text(kept->destination);
    printf(": ");
    control_print_text(kept->last_reply);
    printf("\n");
}

static int list(struct control *control, enum mailmod_kept_kind kind,
                const char *message)
{
    struct listing listing = {control, 0};
    enum mailmod_error error =
        mailmod_kept_list(control->instance, kind, message, on_kept, &listing);

    if (error != MAILMOD_OK) {
        return control_failure("kept", error);
    }
    if (listing.count == 0) {
        puts("nothing is kept");
    } else {
        printf("%" PRIu64 " recipient%s\n", listing.count,
               listing.count == 1 ? "" : "s");
    }
    return EXIT_SUCCESS;
}

static int act(struct control *control, enum mailmod_kept_kind kind,
               enum mailmod_queue_action action, const char *message)
{
    size_t count = 0;
    enum mailmod_error error = mailmod_kept_act(
        control->instance, kind, strcmp(message, "all") == 0 ? NULL : message,
        action, &count);

    if (error != MAILMOD_OK) {
        return control_failure("kept", error);
    }
    printf("%zu recipient%s %s\n", count, count == 1 ? "" : "s",
           action == MAILMOD_QUEUE_RELEASE ? "queued again" : "deleted");
    return EXIT_SUCCESS;
}

static int take_kind(const char *word, enum mailmod_kept_kind *kind_out)
{
    *kind_out =
        strcmp(word, "sent") == 0 ? MAILMOD_KEPT_SENT : MAILMOD_KEPT_DEAD;
    return strcmp(word, "sent") == 0 || strcmp(word, "dead") == 0;
}

int control_kept(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    const char *message = control->word_count == 3 ? control->words[2] : NULL;
    enum mailmod_kept_kind kind;

    if (control->word_count == 2 && strcmp(word, "show") == 0) {
        return control_show(control, control->words[1]);
    }
    if (control->word_count >= 2 && control->word_count <= 3 &&
        take_kind(control->words[1], &kind)) {
        if (strcmp(word, "list") == 0) {
            return list(control, kind, message);
        }
        if (strcmp(word, "release") == 0 && message != NULL) {
            return act(control, kind, MAILMOD_QUEUE_RELEASE, message);
        }
        if (strcmp(word, "delete") == 0 && message != NULL) {
            return act(control, kind, MAILMOD_QUEUE_DELETE, message);
        }
    }
    return control_usage("kept list sent|dead [ID], kept show ID, or kept "
                         "release|delete sent|dead ID|all");
}
