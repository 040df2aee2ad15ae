/* user.c - mailmodctl user: who has a mailbox and with what password.
 *
 * A password comes from the terminal, asked twice without echo, or as one line
 * of standard input; never from the command line, which every user of the
 * system can read. It is wiped before the command ends. */
#include "control.h"

#include <inttypes.h>
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

struct mailbox { /* of the one user who is looked for */
    const char *name;
    int is_found;
    uint64_t messages;
    uint64_t octets;
};

/* Names are kept in small letters. */
static int is_name(const char *given, const char *kept)
{
    while (*given != '\0' &&
           (*given >= 'A' && *given <= 'Z' ? *given + 32 : *given) == *kept) {
        given++;
        kept++;
    }
    return *given == *kept;
}

static void on_mailbox(void *context, const struct mailmod_user *user)
{
    struct mailbox *mailbox = context;
    if (is_name(mailbox->name, user->name)) {
        mailbox->is_found = 1;
        mailbox->messages = user->messages;
        mailbox->octets = user->octets;
    }
}

static int remove_user(struct control *control)
{
    struct mailbox mailbox = {.name = control->words[1]};
    enum mailmod_error error =
        mailmod_user_list(control->instance, on_mailbox, &mailbox);
    if (error == MAILMOD_OK && !control->is_sure && mailbox.messages > 0) {
        fprintf(stderr,
                "mailmodctl: user del: the mailbox of %s has %" PRIu64
                " message%s (%" PRIu64 " octets), which would be lost; say "
                "--yes, or disable the user instead\n",
                mailbox.name, mailbox.messages,
                mailbox.messages == 1 ? "" : "s", mailbox.octets);
        return EXIT_FAILURE;
    }
    if (error == MAILMOD_OK && !control->is_sure && !mailbox.is_found) {
        fprintf(stderr,
                "mailmodctl: user del: user list has no user %s (with --yes "
                "its name may be spelt in another way)\n",
                mailbox.name);
        return EXIT_FAILURE;
    }
    if (error == MAILMOD_OK) {
        error = mailmod_user_remove(control->instance, control->words[1]);
    }
    if (error != MAILMOD_OK) {
        return control_failure("user del", error);
    }
    printf("%" PRIu64 " message%s went with the user\n", mailbox.messages,
           mailbox.messages == 1 ? "" : "s");
    return EXIT_SUCCESS;
}

static int set_disabled(struct control *control, int is_disabled)
{
    enum mailmod_error error = mailmod_user_set_disabled(
        control->instance, control->words[1], is_disabled);
    return error == MAILMOD_OK
               ? EXIT_SUCCESS
               : control_failure(is_disabled ? "user disable" : "user enable",
                                 error);
}

static int rename_user(struct control *control)
{
    enum mailmod_error error = mailmod_user_rename(
        control->instance, control->words[1], control->words[2]);
    return error == MAILMOD_OK ? EXIT_SUCCESS
                               : control_failure("user rename", error);
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
    if (strcmp(word, "rename") == 0 && control->word_count == 3) {
        return rename_user(control);
    }
    if (control->word_count != 2) {
        return control_usage("user add|passwd|del|disable|enable NAME, user "
                             "rename NAME NEW, or user list");
    }
    if (strcmp(word, "disable") == 0 || strcmp(word, "enable") == 0) {
        return set_disabled(control, word[0] == 'd');
    }
    if (strcmp(word, "add") == 0) {
        return add(control);
    }
    if (strcmp(word, "passwd") == 0) {
        control->user_flags = choose_flags(control);
        return control_with_password(control, set_password, "user passwd");
    }
    if (strcmp(word, "del") == 0) {
        return remove_user(control);
    }
    return control_usage("user add|passwd|del|disable|enable NAME, user rename "
                         "NAME NEW, or user list");
}
