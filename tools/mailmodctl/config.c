/* config.c - mailmodctl config and store: settings proved and shown, the
 * store verified.
 *
 * Secrets are asterisks already when they come here. */
#include "control.h"
#include "identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 65536

/* What the daemon's user cannot read is a mistake, though root could. */
static enum mailmod_error become_user(struct control *control)
{
    static char user[VALUE_MAX];
    enum mailmod_error error = mailmod_config_get(
        control->instance, "general.run_as_user", user, sizeof user);
    char words[512];
    if (error == MAILMOD_OK && user[0] != '\0' && identity_can_change() &&
        identity_become(user, words, sizeof words) != 0) {
        fprintf(stderr, "mailmodctl: general.run_as_user: %s\n", words);
        return MAILMOD_ERROR_CONFIG;
    }
    return error;
}

static int check(struct control *control)
{
    enum mailmod_error error = become_user(control);
    if (error != MAILMOD_OK) {
        return EXIT_CONFIG;
    }
    error = mailmod_config_check(control->instance);
    if (error != MAILMOD_OK) {
        (void)control_failure("configuration", error);
        return EXIT_CONFIG;
    }
    printf("%s is good\n", control->config_file == NULL
                               ? "the embedded configuration"
                               : control->config_file);
    return EXIT_SUCCESS;
}

static void on_setting(void *context, const struct mailmod_setting *setting)
{
    const char *usual = setting->default_value;

    (void)context;
    printf("%-36s ", setting->name);
    control_print_text(setting->value);
    if (strcmp(setting->value, usual) != 0) {
        printf("   (default: %s)", usual[0] == '\0' ? "empty" : usual);
    }
    putchar('\n');
}

static int get(struct control *control, const char *name)
{
    static char value[VALUE_MAX];
    enum mailmod_error error =
        mailmod_config_get(control->instance, name, value, sizeof value);
    if (error != MAILMOD_OK) {
        return control_failure("config get", error);
    }
    control_print_text(value);
    putchar('\n');
    return EXIT_SUCCESS;
}

int control_config(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    if (strcmp(word, "check") == 0 && control->word_count == 1) {
        return check(control);
    }
    if (strcmp(word, "show") == 0 && control->word_count == 1) {
        enum mailmod_error error =
            mailmod_config_list(control->instance, on_setting, NULL);
        return error == MAILMOD_OK ? EXIT_SUCCESS
                                   : control_failure("config show", error);
    }
    if (strcmp(word, "get") == 0 && control->word_count == 2) {
        return get(control, control->words[1]);
    }
    return control_usage("config check, config show or config get KEY");
}

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    (void)context;
    if (all > 0) {
        fprintf(stderr, "\r%3u %%", (unsigned)(done * 100 / all));
    }
}

int control_backup(struct control *control)
{
    if (control->word_count != 1) {
        return control_usage("backup FILE");
    }
    enum mailmod_error error = mailmod_store_backup(
        control->instance, control->words[0], on_progress, NULL);
    fputs("\n", stderr);
    if (error != MAILMOD_OK) {
        return control_failure("backup", error);
    }
    puts("the copy is whole and sound; it holds all mail and the passwords' "
         "verifiers");
    return EXIT_SUCCESS;
}

int control_restore(struct control *control)
{
    if (control->word_count != 1) {
        return control_usage("restore FILE");
    }
    enum mailmod_error error = mailmod_store_restore(
        control->instance, control->words[0], on_progress, NULL);
    fputs("\n", stderr);
    if (error != MAILMOD_OK) {
        return control_failure("restore", error);
    }
    puts("restored; set queue.holds = true before the start, look through the "
         "queue: what was delivered since the backup waits in it again");
    return EXIT_SUCCESS;
}

static void on_repaired(void *context, const char *line)
{
    (void)context;
    control_print_text(line);
    putchar('\n');
}

static int repair(struct control *control)
{
    enum mailmod_error error =
        mailmod_store_repair(control->instance, on_repaired, NULL);
    return error == MAILMOD_OK ? EXIT_SUCCESS
                               : control_failure("store repair", error);
}

int control_store(struct control *control)
{
    const char *word = control->word_count == 1 ? control->words[0] : "";
    if (strcmp(word, "repair") == 0) {
        return repair(control);
    }
    if (strcmp(word, "verify") != 0) {
        return control_usage("store verify|repair");
    }
    enum mailmod_error error = mailmod_store_verify(control->instance);
    if (error != MAILMOD_OK) {
        return control_failure("store verify", error);
    }
    puts("the store is sound");
    return EXIT_SUCCESS;
}
