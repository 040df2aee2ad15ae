/* alias.c - mailmodctl alias and mailmodctl forward: whom addresses stand for,
 * and where users' mail is sent on to.
 *
 * Prints a line a target. */
#include "control.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    enum mailmod_alias_kind kind;
    int count;
};

static void on_alias(void *context, const struct mailmod_alias *alias)
{
    struct list *list = context;

    ++list->count;
    control_print_text(alias->name);
    printf(": ");
    control_print_text(list->kind == MAILMOD_FORWARD &&
                               strcmp(alias->target, MAILMOD_FORWARD_KEEP) == 0
                           ? "keep"
                           : alias->target);
    puts(alias->visibility == MAILMOD_ALIAS_HIDDEN  ? " (hidden)"
         : alias->visibility == MAILMOD_ALIAS_SHOWN ? " (shown)"
                                                    : "");
}

static int list_all(struct control *control, enum mailmod_alias_kind kind,
                    const char *what)
{
    struct list list = {kind, 0};
    enum mailmod_error error = mailmod_alias_list(
        control->instance, kind,
        control->word_count > 1 ? control->words[1] : NULL, on_alias, &list);

    if (error != MAILMOD_OK) {
        return control_failure(what, error);
    }
    if (list.count == 0) {
        puts("there is none");
    }
    return EXIT_SUCCESS;
}

/* The word "keep" is a forward's copy in the mailbox. */
static const char *target_of(enum mailmod_alias_kind kind, const char *word)
{
    return kind == MAILMOD_FORWARD && strcmp(word, "keep") == 0
               ? MAILMOD_FORWARD_KEEP
               : word;
}

static int change(struct control *control, enum mailmod_alias_kind kind,
                  const char *what)
{
    int is_add = strcmp(control->words[0], "add") == 0;
    const char *name = control->words[1];
    enum mailmod_error error = MAILMOD_OK;

    for (int i = 2; error == MAILMOD_OK && i < control->word_count; i++) {
        const char *target = target_of(kind, control->words[i]);

        error =
            is_add
                ? mailmod_alias_add(control->instance, kind, name, target)
                : mailmod_alias_remove(control->instance, kind, name, target);
    }
    if (control->word_count == 2) {
        error = mailmod_alias_remove(control->instance, kind, name, NULL);
    }
    return error == MAILMOD_OK ? EXIT_SUCCESS : control_failure(what, error);
}

/* "hide NAME", "show NAME", "unmark NAME". False: it is none of these. */
static bool mark_of(const char *word, enum mailmod_alias_visibility *mark_out)
{
    *mark_out = strcmp(word, "hide") == 0   ? MAILMOD_ALIAS_HIDDEN
                : strcmp(word, "show") == 0 ? MAILMOD_ALIAS_SHOWN
                                            : MAILMOD_ALIAS_AS_SET;
    return *mark_out != MAILMOD_ALIAS_AS_SET || strcmp(word, "unmark") == 0;
}

static int run(struct control *control, enum mailmod_alias_kind kind,
               const char *what, const char *usage)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    enum mailmod_alias_visibility mark;

    if (strcmp(word, "list") == 0 && control->word_count <= 2) {
        return list_all(control, kind, what);
    }
    if ((strcmp(word, "add") == 0 && control->word_count >= 3) ||
        (strcmp(word, "remove") == 0 && control->word_count >= 2)) {
        return change(control, kind, what);
    }
    if (mark_of(word, &mark) && control->word_count == 2) {
        enum mailmod_error error = mailmod_alias_set_visibility(
            control->instance, kind, control->words[1], mark);

        return error == MAILMOD_OK ? EXIT_SUCCESS
                                   : control_failure(what, error);
    }
    return control_usage(usage);
}

int control_alias(struct control *control)
{
    return run(control, MAILMOD_ALIAS, "alias",
               "alias list [NAME], alias add NAME TARGET..., alias remove NAME "
               "[TARGET...], or alias hide|show|unmark NAME");
}

int control_forward(struct control *control)
{
    return run(control, MAILMOD_FORWARD, "forward",
               "forward list [USER], forward add USER ADDRESS|keep..., forward "
               "remove USER [ADDRESS|keep...], or forward hide|show|unmark "
               "USER");
}
