/* list.c - mailmodctl list: rules of the white, black and grey list.
 *
 * The rules are the store's; those of files are edited as files. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const lists[] = {[MAILMOD_LIST_WHITE] = "white",
                                    [MAILMOD_LIST_BLACK] = "black",
                                    [MAILMOD_LIST_GREY] = "grey"};

static void on_rule(void *context, const struct mailmod_list_rule *rule)
{
    int *count = context;

    ++*count;
    printf("%-5s  ", lists[rule->list]);
    if (rule->user != NULL) {
        printf("user ");
        control_print_text(rule->user);
        printf("  ");
    }
    control_print_text(rule->text);
    printf("\n");
}

static int show(struct control *control)
{
    int count = 0;
    enum mailmod_error error =
        mailmod_list_each(control->instance, on_rule, &count);

    if (error != MAILMOD_OK) {
        return control_failure("list show", error);
    }
    if (count == 0) {
        puts("the store has no rules");
    }
    return EXIT_SUCCESS;
}

/* "add white RULE", "add white RULE USER" */
static int change(struct control *control, int is_removal)
{
    const char *user = control->word_count == 4 ? control->words[3] : NULL;

    for (int i = 0; i < (int)(sizeof lists / sizeof lists[0]); i++) {
        if (strcmp(control->words[1], lists[i]) != 0) {
            continue;
        }
        enum mailmod_error error =
            is_removal
                ? mailmod_list_remove(control->instance, (enum mailmod_list)i,
                                      user, control->words[2])
                : mailmod_list_add(control->instance, (enum mailmod_list)i,
                                   user, control->words[2]);
        if (error != MAILMOD_OK) {
            return control_failure("list", error);
        }
        puts(is_removal ? "removed" : "added");
        return EXIT_SUCCESS;
    }
    return control_usage("the lists are white, black and grey");
}

int control_list(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    int is_removal = strcmp(word, "del") == 0;

    if (control->word_count == 1 && strcmp(word, "show") == 0) {
        return show(control);
    }
    if ((is_removal || strcmp(word, "add") == 0) && control->word_count >= 3 &&
        control->word_count <= 4) {
        return change(control, is_removal);
    }
    return control_usage(
        "list show, or list add|del white|black|grey RULE [USER]");
}
