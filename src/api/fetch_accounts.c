/* fetch_accounts.c - accounts that the host sets while the instance lives.
 *
 * Owns nothing: they are lines of the setting fetch.accounts, so there is one
 * form of them and one way by which they come into effect. Promises: a change
 * is checked whole before anything is changed, and no word about a mistake
 * shows a password.
 * Thread: any. */
#include "api/fetch.h"

#include "base/mem.h"
#include "config/words.h"

#include <string.h>

#define MISTAKE_MAX 1024
/* As the setting may be: schema.c. */
#define ACCOUNTS_MAX ((size_t)256 * 1024)

struct edit {
    const char *name;    /* of the account */
    struct mm_span line; /* empty: it goes */
    bool is_found;
};

static enum mailmod_error add_line(struct mm_buf *out, struct mm_span line)
{
    if (line.size > 0 && mm_buf_size(out) > 0) {
        (void)mm_buf_append_char(out, '\n');
    }
    return mm_buf_append_span(out, line);
}

static enum mailmod_error copy_line(struct edit *edit, struct mm_span line,
                                    struct mm_buf *out)
{
    struct mm_config_fetch account;
    enum mailmod_error error = mm_config_fetch_parse(line, &account, NULL);
    bool is_it = error == MAILMOD_OK && strcmp(account.name, edit->name) == 0;
    mm_secret_clear(&account, sizeof account);
    if (is_it) {
        line = edit->is_found ? mm_span(NULL, 0) : edit->line;
        edit->is_found = true;
    }
    return add_line(out, line);
}

/* The setting with the account in the place of the one of its name. */
static enum mailmod_error edit_accounts(const struct mm_config *present,
                                        void *context, struct mm_buf *value_out)
{
    struct edit *edit = context;
    struct mm_span rest = mm_span_cstr(present->fetch.accounts);
    enum mailmod_error error = MAILMOD_OK;
    struct mm_span line;
    while (error == MAILMOD_OK && mm_config_next_line(&rest, &line)) {
        error = copy_line(edit, line, value_out);
    }
    if (error == MAILMOD_OK && !edit->is_found && edit->line.size == 0) {
        return mm_fail(MAILMOD_ERROR_NOT_FOUND,
                       "%.80s: fetch.accounts has no such account", edit->name);
    }
    if (error == MAILMOD_OK && !edit->is_found) {
        error = add_line(value_out, edit->line);
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "fetch.accounts: %s", mm_error_text(error));
}

static enum mailmod_error change(mailmod *instance, struct edit *edit)
{
    const struct mm_settings_change wanted = {.name = "fetch.accounts",
                                              .edit = edit_accounts,
                                              .context = edit,
                                              .size_max = ACCOUNTS_MAX};
    return mm_instance_change(instance, &wanted);
}

enum mailmod_error mailmod_fetch_set(mailmod *instance, const char *account)
{
    struct mm_config_fetch parsed;
    struct mm_buf mistake;
    if (account == NULL || strchr(account, '\n') != NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, account == NULL
                                                   ? "the account is NULL"
                                                   : "an account is one line");
    }
    mm_buf_init(&mistake, MISTAKE_MAX);
    enum mailmod_error error =
        mm_config_fetch_parse(mm_span_cstr(account), &parsed, &mistake);
    struct edit edit = {.name = parsed.name,
                        .line = mm_span_trim(mm_span_cstr(account))};
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &mistake);
    } else {
        error = change(instance, &edit);
    }
    mm_buf_fini(&mistake);
    mm_secret_clear(&parsed, sizeof parsed);
    return error;
}

enum mailmod_error mailmod_fetch_remove(mailmod *instance, const char *name)
{
    struct edit edit = {.name = name};
    return name != NULL ? change(instance, &edit)
                        : mm_fail(MAILMOD_ERROR_ARGUMENT, "the name is NULL");
}
