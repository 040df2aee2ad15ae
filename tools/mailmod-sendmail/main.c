/* main.c - mailmod-sendmail: what other programs call /usr/sbin/sendmail.
 *
 * A host program on the public header, which puts messages into the queue of
 * the daemon's data folder, whether the daemon runs or not. Whose rights it has
 * is settled here: those of root become the folder's owner's; those that the
 * program's file lends are given back before a configuration of the caller's
 * is read. */
#include "sendmail.h"

#include "arguments.h"
#include "identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define FOLDER_MAX_SIZE 4200

static char data_folder[FOLDER_MAX_SIZE];

int sendmail_trouble(int code, const char *words)
{
    fprintf(stderr, "mailmod-sendmail: %s\n", words);
    return code;
}

/* What another try may mend is EX_TEMPFAIL. */
static int code_of(enum mailmod_error error)
{
    static const struct {
        enum mailmod_error error;
        int code;
    } codes[] = {{MAILMOD_ERROR_ARGUMENT, EX_DATAERR},
                 {MAILMOD_ERROR_LIMIT, EX_DATAERR},
                 {MAILMOD_ERROR_TOO_LARGE, EX_DATAERR},
                 {MAILMOD_ERROR_MEMORY, EX_OSERR},
                 {MAILMOD_ERROR_SYSTEM, EX_OSERR},
                 {MAILMOD_ERROR_DESCRIPTORS, EX_OSERR},
                 {MAILMOD_ERROR_ACCESS, EX_NOPERM},
                 {MAILMOD_ERROR_NOT_FOUND, EX_CONFIG},
                 {MAILMOD_ERROR_CONFIG, EX_CONFIG},
                 {MAILMOD_ERROR_UNKNOWN_NAME, EX_CONFIG},
                 {MAILMOD_ERROR_STORAGE_VERSION, EX_CONFIG},
                 {MAILMOD_ERROR_STORAGE_DAMAGED, EX_IOERR},
                 {MAILMOD_ERROR_BUSY, EX_TEMPFAIL},
                 {MAILMOD_ERROR_TIMEOUT, EX_TEMPFAIL},
                 {MAILMOD_ERROR_STORAGE, EX_TEMPFAIL},
                 {MAILMOD_ERROR_STORAGE_FULL, EX_TEMPFAIL}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].error == error) {
            return codes[i].code;
        }
    }
    return EX_SOFTWARE;
}

int sendmail_failure(const char *head, enum mailmod_error error)
{
    const char *words = mailmod_last_error_text();
    char owner[128];

    words = words[0] != '\0' ? words : mailmod_error_text(error);
    size_t size = strlen(words);
    fprintf(stderr, "mailmod-sendmail: %s: %s%s", head, words,
            size > 0 && words[size - 1] == '\n' ? "" : "\n");
    if (error == MAILMOD_ERROR_ACCESS && data_folder[0] != '\0' &&
        identity_is_other(data_folder, owner, sizeof owner)) {
        fprintf(stderr,
                "mailmod-sendmail: the data folder %s belongs to %s: see "
                "docs/sendmail.md, who may send\n",
                data_folder, owner);
    }
    return code_of(error);
}

/* Where the environment may name one it was not emptied. */
static const char *installed_config(void)
{
    static const char installed[] = "/etc/mailmod/mailmod.cfg";
    const char *named = getenv("MAILMOD_CONFIG");

    return named != NULL && named[0] != '\0' ? named : installed;
}

static int configure(struct sendmail *sendmail)
{
    const char *file = sendmail->options->config_file != NULL
                           ? sendmail->options->config_file
                           : installed_config();

    enum mailmod_error error = mailmod_new(&sendmail->instance);
    if (error != MAILMOD_OK) {
        return sendmail_failure("start", error);
    }
    error = mailmod_config_load(sendmail->instance, file);
    if (error != MAILMOD_OK) {
        (void)sendmail_failure("configuration", error);
        return error == MAILMOD_ERROR_ACCESS ? EX_NOPERM : EX_CONFIG;
    }
    error = mailmod_config_get(sendmail->instance, "general.data_folder",
                               data_folder, sizeof data_folder);
    if (error == MAILMOD_OK) {
        error = mailmod_host_name(sendmail->instance, sendmail->domain,
                                  sizeof sendmail->domain);
    }
    return error == MAILMOD_OK ? EX_OK
                               : sendmail_failure("configuration", error);
}

static int take_rights(const struct caller *caller)
{
    char words[512] = "";

    if (caller_keep_off(caller) != 0) {
        return sendmail_trouble(EX_OSERR, "the system refused to leave the "
                                          "caller's identity");
    }
    return identity_become_owner(data_folder, words, sizeof words) == 0
               ? EX_OK
               : sendmail_trouble(EX_OSERR, words);
}

static int run(struct sendmail *sendmail, struct caller *caller)
{
    static int (*const tasks[])(const struct sendmail *sendmail) = {
        [OPTIONS_SEND] = sendmail_send,
        [OPTIONS_LIST_QUEUE] = sendmail_list_queue,
        [OPTIONS_RUN_QUEUE] = sendmail_run_queue};

    int code = configure(sendmail);
    /* While it may still be interrupted, and before anything is held. */
    if (code == EX_OK && sendmail->options->task == OPTIONS_SEND) {
        code = sendmail_read(sendmail);
    }
    if (code == EX_OK) {
        caller_trust(caller, data_folder);
        code = take_rights(caller);
    }
    if (code == EX_OK) {
        code = tasks[sendmail->options->task](sendmail);
    }
    if (sendmail->instance != NULL) {
        (void)mailmod_free(&sendmail->instance);
    }
    return fflush(stdout) != 0 && code == EX_OK ? EX_IOERR : code;
}

/* A configuration of the caller's own is read with the caller's own rights. */
static int settle_caller(struct caller *caller, const struct options *options)
{
    caller_find(caller);
    if (caller->has_lent_rights && options->config_file != NULL) {
        caller->has_lent_rights = 0;
        return caller_give_back();
    }
    return caller_guard(caller);
}

int main(int argc, char **argv)
{
    struct options options;
    struct caller caller;

    if (arguments_open_standard_files() != 0) {
        return EX_OSERR;
    }
    umask(077);
    options_parse(&options, argc, argv);
    switch (options.task) {
    case OPTIONS_WRONG:
        return EX_USAGE;
    case OPTIONS_NOTHING:
        return EX_OK;
    case OPTIONS_HELP:
        options_print_help();
        return EX_OK;
    case OPTIONS_VERSION:
        printf("mailmod-sendmail %s\n", mailmod_version());
        return EX_OK;
    default:
        break;
    }
    if (settle_caller(&caller, &options) != 0) {
        return sendmail_trouble(EX_OSERR, "the system refused to settle whose "
                                          "rights these are");
    }
    struct sendmail sendmail = {.options = &options, .caller = &caller};
    return run(&sendmail, &caller);
}
