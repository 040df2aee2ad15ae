/* fetch.c - mailmodctl fetch: mailboxes elsewhere, and when they are visited.
 *
 * Lists a line an account; what the daemon is to do is left in the store for
 * it. Texts come from peers and are made harmless for a terminal. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void on_account(void *context,
                       const struct mailmod_fetch_account *account)
{
    int *count = context;
    char text[32] = "never";
    time_t seconds = (time_t)(account->ended_ms / 1000);
    const struct tm *parts = account->ended_ms > 0 ? gmtime(&seconds) : NULL;
    if (parts != NULL) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", parts);
    }
    if (*count == 0) {
        printf("%-20s %-19s %7s %7s %7s %7s %7s %5s %s\n", "ACCOUNT",
               "LAST VISIT (UTC)", "THERE", "NEW", "FETCHED", "DELETED", "LEFT",
               "FAILS", "RESULT");
    }
    ++*count;
    printf("%-20s %-19s %7llu %7llu %7llu %7llu %7llu %5u ", account->name,
           text, (unsigned long long)account->listed,
           (unsigned long long)account->fresh,
           (unsigned long long)account->fetched,
           (unsigned long long)account->deleted,
           (unsigned long long)account->left, account->failures);
    control_print_text(account->result);
    printf("%s%s\n", account->is_wished ? " (to be visited)" : "",
           account->is_configured ? "" : " (not in the settings)");
    if (account->is_configured) {
        printf("    ");
        control_print_text(account->settings);
        printf("\n");
    }
}

static int list(struct control *control)
{
    int count = 0;
    enum mailmod_error error =
        mailmod_fetch_list(control->instance, on_account, &count);
    if (error != MAILMOD_OK) {
        return control_failure("fetch list", error);
    }
    if (count == 0) {
        puts("there are no accounts");
    }
    return EXIT_SUCCESS;
}

static const struct action {
    const char *name;
    enum mailmod_fetch_action action;
    const char *done;
} actions[] = {
    {"run", MAILMOD_FETCH_RUN, "the daemon fetches now"},
    {"check", MAILMOD_FETCH_CHECK, "the daemon counts now"},
    {"forget", MAILMOD_FETCH_FORGET, "forgotten: all that lies there is new"},
};

int control_fetch(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    if (control->word_count == 1 && strcmp(word, "list") == 0) {
        return list(control);
    }
    for (size_t i = 0;
         control->word_count == 2 && i < sizeof actions / sizeof actions[0];
         i++) {
        if (strcmp(word, actions[i].name) == 0) {
            const char *name = control->words[1];
            enum mailmod_error error = mailmod_fetch_act(
                control->instance, strcmp(name, "all") == 0 ? NULL : name,
                actions[i].action);
            if (error != MAILMOD_OK) {
                return control_failure("fetch", error);
            }
            puts(actions[i].done);
            return EXIT_SUCCESS;
        }
    }
    return control_usage("fetch list, or fetch run|check|forget NAME|all");
}
