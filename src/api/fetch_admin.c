/* fetch_admin.c - mail from mailboxes elsewhere, under an operator's hands.
 *
 * Owns nothing. Promises: a wish is a row of the store, committed when the call
 * returns, so that a tool beside the daemon needs no way to talk to it.
 * Thread: any but a loop's. */
#include "api/fetch.h"

#include "base/mem.h"

#include <string.h>

/* Of an account, described: more than its texts can be. */
#define WORDS_MAX 4096

struct listing {
    const struct mm_config *config;
    mailmod_on_fetch_account on_account;
    void *context;
    enum mailmod_error error;
    bool is_seen[MM_CONFIG_FETCH_ACCOUNTS_MAX]; /* by place in the settings */
};

void mm_fetch_account_of(const struct mm_store_fetch *fetch,
                         struct mailmod_fetch_account *account_out)
{
    *account_out = (struct mailmod_fetch_account){
        .size = sizeof *account_out,
        .name = fetch->name,
        .source = fetch->source,
        .result = fetch->result,
        .begun_ms = fetch->begun_ms,
        .ended_ms = fetch->ended_ms,
        .listed = fetch->listed,
        .octets = fetch->octets,
        .fresh = fetch->fresh,
        .fetched = fetch->fetched,
        .deleted = fetch->deleted,
        .left = fetch->left,
        .failures = fetch->failures,
        .is_configured = 1,
        .is_wished = fetch->wish != MM_STORE_FETCH_NO_WISH,
        .settings = ""};
}

/* The place of the account in the settings, with what it is; the count when it
 * has none. The caller wipes it. */
static size_t place_of(const struct mm_config *config, const char *name,
                       struct mm_config_fetch *account_out)
{
    struct mm_span rest = mm_span_cstr(config->fetch.accounts);
    size_t place = 0;
    bool is_found = false;
    while (!is_found && mm_config_next_fetch(&rest, account_out)) {
        is_found = strcmp(account_out->name, name) == 0;
        place += !is_found;
    }
    return is_found ? place : MM_CONFIG_FETCH_ACCOUNTS_MAX;
}

static bool has_account(const struct mm_config *config, const char *name)
{
    struct mm_config_fetch account;
    size_t place = place_of(config, name, &account);
    mm_secret_clear(&account, sizeof account);
    return place < MM_CONFIG_FETCH_ACCOUNTS_MAX;
}

/* `settings` NULL: it is not configured. */
static enum mailmod_error tell(const struct listing *listing,
                               const struct mm_store_fetch *fetch,
                               const struct mm_config_fetch *settings)
{
    struct mm_buf words;
    mm_buf_init(&words, WORDS_MAX);
    enum mailmod_error error =
        settings != NULL
            ? mm_config_fetch_describe(
                  settings, listing->config->fetch.timeout_ms, &words)
            : MAILMOD_OK;
    const char *text = mm_buf_cstr(&words);
    if (error == MAILMOD_OK && text == NULL) {
        error = MAILMOD_ERROR_MEMORY;
    }
    struct mailmod_fetch_account account;
    mm_fetch_account_of(fetch, &account);
    account.is_configured = settings != NULL;
    account.settings = text;
    if (error == MAILMOD_OK) {
        listing->on_account(listing->context, &account);
    }
    mm_buf_fini(&words);
    return error;
}

static bool on_fetch(void *context, const struct mm_store_fetch *fetch)
{
    struct listing *listing = context;
    struct mm_config_fetch account;
    size_t place = place_of(listing->config, fetch->name, &account);
    bool is_configured = place < MM_CONFIG_FETCH_ACCOUNTS_MAX;
    if (is_configured) {
        listing->is_seen[place] = true;
    }
    listing->error = tell(listing, fetch, is_configured ? &account : NULL);
    mm_secret_clear(&account, sizeof account);
    return listing->error == MAILMOD_OK;
}

static enum mailmod_error tell_new(const struct listing *listing)
{
    struct mm_span rest = mm_span_cstr(listing->config->fetch.accounts);
    struct mm_config_fetch account;
    enum mailmod_error error = listing->error;
    for (size_t i = 0;
         error == MAILMOD_OK && mm_config_next_fetch(&rest, &account); i++) {
        struct mm_store_fetch fetch = {.listed = 0};
        memcpy(fetch.name, account.name, sizeof fetch.name);
        if (!listing->is_seen[i]) {
            error = tell(listing, &fetch, &account);
        }
    }
    mm_secret_clear(&account, sizeof account);
    return error;
}

enum mailmod_error mailmod_fetch_list(mailmod *instance,
                                      mailmod_on_fetch_account on_account,
                                      void *context)
{
    struct listing listing = {.on_account = on_account, .context = context};
    struct mm_admin admin;
    enum mailmod_error error =
        on_account != NULL
            ? mm_admin_begin(&admin, instance, false)
            : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
    if (error != MAILMOD_OK) {
        return error;
    }
    listing.config = admin.config;
    error = mm_store_each_fetch(admin.store, on_fetch, &listing);
    if (error == MAILMOD_OK) {
        error = tell_new(&listing);
    }
    mm_admin_end(&admin);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "the accounts: %s", mm_error_text(error));
}

struct act {
    struct mm_store_job job;
    const struct mm_config *config;
    const char *name; /* NULL: all */
    enum mailmod_fetch_action action;
};

static enum mailmod_error act_on(const struct act *act,
                                 struct mm_store_transaction *transaction,
                                 const char *name)
{
    return act->action == MAILMOD_FETCH_FORGET
               ? mm_store_forget_fetch(transaction, name)
               : mm_store_wish_fetch(transaction, name,
                                     act->action == MAILMOD_FETCH_RUN
                                         ? MM_STORE_FETCH_RUN
                                         : MM_STORE_FETCH_CHECK);
}

static enum mailmod_error run_act(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    const struct act *act = MM_LIST_OBJECT(job, struct act, job);
    if (act->name != NULL) {
        return act_on(act, transaction, act->name);
    }
    struct mm_span rest = mm_span_cstr(act->config->fetch.accounts);
    struct mm_config_fetch account;
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && mm_config_next_fetch(&rest, &account)) {
        error = act_on(act, transaction, account.name);
    }
    mm_secret_clear(&account, sizeof account);
    return error;
}

static enum mailmod_error check(const struct act *act)
{
    if (act->action < MAILMOD_FETCH_RUN || act->action > MAILMOD_FETCH_FORGET) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "there is no such action");
    }
    if (act->name == NULL || act->action == MAILMOD_FETCH_FORGET ||
        has_account(act->config, act->name)) {
        return MAILMOD_OK;
    }
    return mm_fail(MAILMOD_ERROR_NOT_FOUND,
                   "%s: fetch.accounts has no such account", act->name);
}

enum mailmod_error mailmod_fetch_act(mailmod *instance, const char *name,
                                     enum mailmod_fetch_action action)
{
    struct act act = {.job.run = run_act, .name = name, .action = action};
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        return error;
    }
    act.config = admin.config;
    error = check(&act);
    if (error == MAILMOD_OK) {
        error = mm_store_run(admin.store, &act.job);
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "%s: %s", name != NULL ? name : "the accounts",
                          mm_error_text(error));
        }
    }
    mm_admin_end(&admin);
    return error;
}
