/* mailbox.c - mailmodctl mailbox: mail out of files, and into files; deleted
 * mail that is kept for a time.
 *
 * Tells how many messages were copied, and how many had been before. A copy
 * that was broken off goes on where it was when it is asked for again. */
#include "control.h"

#include <stdlib.h>
#include <string.h>

/* 0: none. */
static enum mailmod_mailbox_form form_of(const char *word)
{
    return strcmp(word, "maildir") == 0 ? MAILMOD_MAILBOX_MAILDIR
           : strcmp(word, "mbox") == 0  ? MAILMOD_MAILBOX_MBOX
                                        : (enum mailmod_mailbox_form)0;
}

struct list {
    const struct control *control;
    int count;
};

static void on_deleted(void *context,
                       const struct mailmod_deleted_message *message)
{
    struct list *list = context;

    if (list->count++ == 0) {
        printf("%-21s  %-14s  %-14s  %10s  %s\n", "UNIQUE-ID", "DELETED",
               "RECEIVED", "OCTETS", "FROM");
    }
    printf("%-21s  ", message->unique_id);
    control_print_time(list->control, message->deleted_ms);
    printf("  ");
    control_print_time(list->control, message->received_ms);
    printf("  %10llu  <", (unsigned long long)message->octets);
    control_print_text(message->reverse_path);
    printf(">\n");
}

static int list_deleted(struct control *control)
{
    struct list list = {control, 0};
    enum mailmod_error error = mailmod_deleted_list(
        control->instance, control->words[1], on_deleted, &list);

    if (error != MAILMOD_OK) {
        return control_failure("mailbox deleted", error);
    }
    if (list.count == 0) {
        puts("there is none");
    }
    return EXIT_SUCCESS;
}

static int restore(struct control *control)
{
    enum mailmod_error error = MAILMOD_OK;
    size_t restored = 0;

    for (int i = 2; error == MAILMOD_OK && i < control->word_count; i++) {
        int is_all = strcmp(control->words[i], "all") == 0;
        size_t count = 0;

        error =
            mailmod_deleted_restore(control->instance, control->words[1],
                                    is_all ? NULL : control->words[i], &count);
        restored += count;
    }
    printf("%zu restored\n", restored);
    return error == MAILMOD_OK ? EXIT_SUCCESS
                               : control_failure("mailbox restore", error);
}

static int copy(struct control *control)
{
    const char *word = control->word_count == 4 ? control->words[0] : "";
    int is_import = strcmp(word, "import") == 0;
    uint64_t copied = 0;
    uint64_t skipped = 0;

    if (!is_import && strcmp(word, "export") != 0) {
        return control_usage("mailbox import|export NAME maildir|mbox PATH, "
                             "mailbox deleted NAME, or mailbox restore NAME "
                             "UNIQUE-ID...|all");
    }
    enum mailmod_mailbox_form form = form_of(control->words[2]);
    if (form == 0) {
        return control_usage("the form is maildir or mbox");
    }
    enum mailmod_error error =
        is_import
            ? mailmod_mailbox_import(control->instance, control->words[1], form,
                                     control->words[3], &copied, &skipped)
            : mailmod_mailbox_export(control->instance, control->words[1], form,
                                     control->words[3], &copied, &skipped);
    printf("%llu copied, %llu were there\n", (unsigned long long)copied,
           (unsigned long long)skipped);
    return error == MAILMOD_OK ? EXIT_SUCCESS : control_failure(word, error);
}

int control_mailbox(struct control *control)
{
    const char *word = control->word_count > 1 ? control->words[0] : "";

    if (strcmp(word, "deleted") == 0 && control->word_count == 2) {
        return list_deleted(control);
    }
    if (strcmp(word, "restore") == 0 && control->word_count > 2) {
        return restore(control);
    }
    return copy(control);
}
