/* user.c - mailmodctl user: who has a mailbox and with what password.
 *
 * A password comes from the terminal, asked twice without echo, or as one line
 * of standard input; never from the command line, which every user of the
 * system can read. It is wiped before the command ends. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Through volatile: a plain memset before the end may be dropped. */
static void wipe(char *text, size_t size)
{
    volatile char *at = text;
    while (size > 0) {
        *at = '\0';
        at++;
        size--;
    }
}

static int read_line(char *password, size_t size)
{
    if (fgets(password, (int)size, stdin) == NULL) {
        fprintf(stderr, "mailmodctl: there is no password on standard input\n");
        return -1;
    }
    size_t length = strcspn(password, "\r\n");
    if (password[length] == '\0' && length + 1 == size) {
        fprintf(stderr, "mailmodctl: a password has 512 octets at most\n");
        return -1;
    }
    password[length] = '\0';
    return 0;
}

static int ask_twice(char *password, size_t size)
{
    char again[PASSWORD_MAX_SIZE];
    if (terminal_read_password("Password: ", password, size) != 0 ||
        terminal_read_password("The same again: ", again, sizeof again) != 0) {
        fprintf(stderr, "mailmodctl: no password was given; without a "
                        "terminal use --password-stdin\n");
        return -1;
    }
    int differs = strcmp(password, again) != 0;
    wipe(again, sizeof again);
    if (differs) {
        fprintf(stderr, "mailmodctl: the two passwords differ\n");
        return -1;
    }
    return 0;
}

static int keeps_password(struct control *control)
{
    char value[16];
    return control->keeps_password ||
           (mailmod_config_get(control->instance, "local.keeps_apop_passwords",
                               value, sizeof value) == MAILMOD_OK &&
            strcmp(value, "true") == 0);
}

/* Of the main password that is set. */
static unsigned choose_flags(struct control *control)
{
    if (!keeps_password(control)) {
        return 0;
    }
    fprintf(stderr, "mailmodctl: the password is kept recoverable, so that "
                    "APOP works: whoever can\n"
                    "read the data folder can read the password.\n");
    return MAILMOD_USER_KEEP_PASSWORD;
}

int control_with_password(struct control *control, control_set_password set,
                          const char *head)
{
    char password[PASSWORD_MAX_SIZE] = "";
    int result = control->reads_password ? read_line(password, sizeof password)
                                         : ask_twice(password, sizeof password);
    int code = EXIT_FAILURE;
    if (result == 0) {
        enum mailmod_error error = set(control, password);
        code =
            error == MAILMOD_OK ? EXIT_SUCCESS : control_failure(head, error);
    }
    wipe(password, sizeof password);
    return code;
}

static enum mailmod_error add_user(struct control *control,
                                   const char *password)
{
    return mailmod_user_add(control->instance, control->words[1], password,
                            control->user_flags);
}

static enum mailmod_error set_password(struct control *control,
                                       const char *password)
{
    return mailmod_user_set_password(control->instance, control->words[1],
                                     password, control->user_flags);
}

static void on_user(void *context, const struct mailmod_user *user)
{
    size_t *count = context;
    if (*count == 0) {
        printf("%-32s %8s %13s %13s  %s\n", "NAME", "MESSAGES", "OCTETS",
               "QUOTA", "PASSWORD");
    }
    (*count)++;
    control_print_text(user->name);
    int width = 32 - (int)strlen(user->name);
    printf("%*s ", width > 0 ? width : 0, "");
    control_print_use(user);
    printf("  %s", user->flags & MAILMOD_USER_KEEP_PASSWORD
                       ? "recoverable (APOP)"
                       : "verifier");
    if (user->secrets > 0) {
        printf(", %u more", user->secrets);
    }
    puts(user->flags & MAILMOD_USER_DISABLED ? ", disabled" : "");
}

static int list(struct control *control)
{
    size_t count = 0;
    enum mailmod_error error =
        mailmod_user_list(control->instance, on_user, &count);
    if (error != MAILMOD_OK) {
        return control_failure("user list", error);
    }
    if (count == 0) {
        puts("there are no users");
    }
    return EXIT_SUCCESS;
}

static void ignore_user(void *context, const struct mailmod_user *user)
{
    (void)context;
    (void)user;
}

/* A mistyped folder must not become a new store that nobody reads. */
static int add(struct control *control)
{
    enum mailmod_error error =
        mailmod_user_list(control->instance, ignore_user, NULL);
    if (error == MAILMOD_ERROR_NOT_FOUND && control->may_create) {
        fprintf(stderr, "mailmodctl: a new store is made in %s\n",
                control_folder(control));
    } else if (error != MAILMOD_OK) {
        int code = control_failure("user add", error);
        if (error == MAILMOD_ERROR_NOT_FOUND) {
            fprintf(stderr, "mailmodctl: -c FILE or --data FOLDER names "
                            "another; --create makes one there\n");
        }
        return code;
    }
    control->user_flags = choose_flags(control);
    return control_with_password(control, add_user, "user add");
}

int control_user(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    if (control_is_account(control)) {
        return control_account(control);
    }
    if (strcmp(word, "list") == 0 && control->word_count == 1) {
        return list(control);
    }
    if (control->word_count != 2) {
        return control_usage("user add|passwd|del NAME, or user list");
    }
    if (strcmp(word, "add") == 0) {
        return add(control);
    }
    if (strcmp(word, "passwd") == 0) {
        control->user_flags = choose_flags(control);
        return control_with_password(control, set_password, "user passwd");
    }
    if (strcmp(word, "del") == 0) {
        enum mailmod_error error =
            mailmod_user_remove(control->instance, control->words[1]);
        return error == MAILMOD_OK ? EXIT_SUCCESS
                                   : control_failure("user del", error);
    }
    return control_usage("user add|passwd|del NAME, or user list");
}
