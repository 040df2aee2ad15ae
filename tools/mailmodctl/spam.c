/* spam.c - mailmodctl spam: the remembered bodies of refused spam.
 *
 * A line a body, by its hash, and how many there are; what is forgotten is
 * judged anew when it comes again. */
#include "control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    const struct control *control;
    uint64_t count;
};

static void on_spam(void *context, const struct mailmod_spam *spam)
{
    struct listing *listing = context;

    if (listing->count++ == 0) {
        const char *zone = listing->control->has_local_time ? "" : " (UTC)";
        char last[24];
        char until[24];
        snprintf(last, sizeof last, "LAST%s", zone);
        snprintf(until, sizeof until, "UNTIL%s", zone);
        printf("%-64s %-14s %-14s %s\n", "BODY", last, until, "REFUSALS");
    }
    printf("%s ", spam->body);
    control_print_time(listing->control, spam->last_ms);
    control_print_time(listing->control, spam->until_ms);
    printf("%" PRIu64 "\n", spam->refusals);
}

static int list(struct control *control)
{
    struct listing listing = {control, 0};
    enum mailmod_error error =
        mailmod_spam_list(control->instance, on_spam, &listing);

    if (error != MAILMOD_OK) {
        return control_failure("spam list", error);
    }
    if (listing.count == 0) {
        puts("no body is remembered");
    } else {
        printf("remembered: %" PRIu64 "\n", listing.count);
    }
    return EXIT_SUCCESS;
}

static int clear(struct control *control)
{
    uint64_t count = 0;
    enum mailmod_error error = mailmod_spam_clear(control->instance, &count);

    if (error != MAILMOD_OK) {
        return control_failure("spam clear", error);
    }
    printf("forgotten: %" PRIu64 "\n", count);
    return EXIT_SUCCESS;
}

int control_spam(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";

    if (control->word_count == 1 && strcmp(word, "list") == 0) {
        return list(control);
    }
    if (control->word_count == 1 && strcmp(word, "clear") == 0) {
        return clear(control);
    }
    if (strcmp(word, "forget") == 0 && control->word_count == 2) {
        enum mailmod_error error =
            mailmod_spam_forget(control->instance, control->words[1]);
        if (error != MAILMOD_OK) {
            return control_failure("spam forget", error);
        }
        puts("forgotten");
        return EXIT_SUCCESS;
    }
    return control_usage("spam list, spam forget BODY, or spam clear");
}
