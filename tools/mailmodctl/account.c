/* account.c - mailmodctl user quota and user password: what a user may hold,
 * and the passwords of applications.
 *
 * A quota is a number with a unit, or a word; a password is asked for as the
 * main one is, and stands on no command line. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Digits and K, M, G or T; 0: it is no size. */
static uint64_t read_size(const char *text)
{
    static const char units[] = "KMGT";
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return 0;
    }
    uint64_t size = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    if (*end != '\0' && (unit == NULL || end[1] != '\0')) {
        return 0;
    }
    for (long i = unit != NULL ? unit - units : -1; i >= 0; i--) {
        if (size > UINT64_MAX / 1024) {
            return 0;
        }
        size *= 1024;
    }
    return size <= UINT64_C(1) << 50 ? size : 0;
}

static int set_quota(struct control *control)
{
    const char *text = control->words[2];
    uint64_t octets = read_size(text);
    if (strcmp(text, "default") == 0) {
        octets = MAILMOD_QUOTA_DEFAULT;
    } else if (strcmp(text, "none") == 0) {
        octets = MAILMOD_QUOTA_UNLIMITED;
    } else if (octets == 0) {
        return control_usage(
            "user quota NAME SIZE (500M, 2G), none or default");
    }
    enum mailmod_error error =
        mailmod_user_set_quota(control->instance, control->words[1], octets);
    return error == MAILMOD_OK ? EXIT_SUCCESS
                               : control_failure("user quota", error);
}

static enum mailmod_error add_password(struct control *control,
                                       const char *password)
{
    return mailmod_user_secret_add(control->instance, control->words[2],
                                   control->words[3], password);
}

static void on_secret(void *context, const char *label, int64_t created_ms)
{
    size_t *count = context;
    time_t seconds = (time_t)(created_ms / 1000);
    char day[32] = "";
    const struct tm *utc = gmtime(&seconds);
    if (utc != NULL) {
        (void)strftime(day, sizeof day, "%Y-%m-%d", utc);
    }
    (*count)++;
    printf("%s  ", day);
    control_print_text(label);
    putchar('\n');
}

static int list_passwords(struct control *control)
{
    size_t count = 0;
    enum mailmod_error error = mailmod_user_secret_list(
        control->instance, control->words[2], on_secret, &count);
    if (error == MAILMOD_OK && count == 0) {
        puts("there is the main password alone");
    }
    return error == MAILMOD_OK ? EXIT_SUCCESS
                               : control_failure("user password list", error);
}

static int remove_password(struct control *control)
{
    enum mailmod_error error = mailmod_user_secret_remove(
        control->instance, control->words[2], control->words[3]);
    return error == MAILMOD_OK ? EXIT_SUCCESS
                               : control_failure("user password remove", error);
}

static int change_password(struct control *control)
{
    const char *word = control->word_count > 1 ? control->words[1] : "";
    if (strcmp(word, "list") == 0 && control->word_count == 3) {
        return list_passwords(control);
    }
    if (strcmp(word, "remove") == 0 && control->word_count == 4) {
        return remove_password(control);
    }
    if (strcmp(word, "add") == 0 && control->word_count == 4) {
        return control_with_password(control, add_password,
                                     "user password add");
    }
    return control_usage("user password add|remove NAME LABEL, or user "
                         "password list NAME");
}

int control_account(struct control *control)
{
    if (strcmp(control->words[0], "password") == 0) {
        return change_password(control);
    }
    return control->word_count == 3
               ? set_quota(control)
               : control_usage("user quota NAME SIZE|none|default");
}

int control_is_account(const struct control *control)
{
    return control->word_count > 0 &&
           (strcmp(control->words[0], "password") == 0 ||
            strcmp(control->words[0], "quota") == 0);
}

void control_print_use(const struct mailmod_user *user)
{
    char quota[32] = "default";
    if (user->quota == MAILMOD_QUOTA_UNLIMITED) {
        (void)snprintf(quota, sizeof quota, "none");
    } else if (user->quota != MAILMOD_QUOTA_DEFAULT) {
        (void)snprintf(quota, sizeof quota, "%llu",
                       (unsigned long long)user->quota);
    }
    printf("%8llu %13llu %13s", (unsigned long long)user->messages,
           (unsigned long long)user->octets, quota);
}
