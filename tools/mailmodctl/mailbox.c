/* mailbox.c - mailmodctl mailbox: mail out of files, and into files.
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

int control_mailbox(struct control *control)
{
    const char *word = control->word_count == 4 ? control->words[0] : "";
    int is_import = strcmp(word, "import") == 0;
    uint64_t copied = 0;
    uint64_t skipped = 0;

    if (!is_import && strcmp(word, "export") != 0) {
        return control_usage("mailbox import|export NAME maildir|mbox PATH");
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
