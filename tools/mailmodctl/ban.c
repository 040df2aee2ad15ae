/* ban.c - mailmodctl ban: networks whose logins are refused.
 *
 * A line a ban, by address; what is changed counts for a running daemon within
 * some seconds. */
#include "control.h"

#include <stdlib.h>
#include <string.h>

struct listing {
    const struct control *control;
    int count;
};

static void on_ban(void *context, const struct mailmod_ban *ban)
{
    struct listing *listing = context;

    if (listing->count++ == 0) {
        const char *zone = listing->control->has_local_time ? "" : " (UTC)";
        char since[24];
        char until[24];
        snprintf(since, sizeof since, "SINCE%s", zone);
        snprintf(until, sizeof until, "UNTIL%s", zone);
        printf("%-24s %-14s %-14s %s\n", "NETWORK", since, until, "FAILURES");
    }
    printf("%-24s ", ban->address);
    control_print_time(listing->control, ban->since_ms);
    control_print_time(listing->control, ban->until_ms);
    if (ban->failures > 0) {
        printf("%u\n", ban->failures);
    } else {
        puts("an operator");
    }
}

static int list(struct control *control)
{
    struct listing listing = {control, 0};
    enum mailmod_error error =
        mailmod_ban_list(control->instance, on_ban, &listing);

    if (error != MAILMOD_OK) {
        return control_failure("ban list", error);
    }
    if (listing.count == 0) {
        puts("nobody is banned");
    }
    return EXIT_SUCCESS;
}

static int add(struct control *control)
{
    uint64_t time_ms = 0;

    if (control->word_count == 3) {
        time_ms = control_read_time_ms(control->words[2]);
        if (time_ms == 0) {
            return control_usage("a time is such as 30m, 2h or 1d");
        }
    }
    enum mailmod_error error =
        mailmod_ban_add(control->instance, control->words[1], time_ms);
    if (error != MAILMOD_OK) {
        return control_failure("ban add", error);
    }
    puts("banned");
    return EXIT_SUCCESS;
}

int control_ban(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";

    if (control->word_count == 1 && strcmp(word, "list") == 0) {
        return list(control);
    }
    if (strcmp(word, "add") == 0 && control->word_count >= 2 &&
        control->word_count <= 3) {
        return add(control);
    }
    if (strcmp(word, "lift") == 0 && control->word_count == 2) {
        enum mailmod_error error =
            mailmod_ban_lift(control->instance, control->words[1]);
        if (error != MAILMOD_OK) {
            return control_failure("ban lift", error);
        }
        puts("lifted");
        return EXIT_SUCCESS;
    }
    return control_usage("ban list, ban add ADDRESS [TIME], or ban lift "
                         "ADDRESS");
}
