/* spam.c - the remembered bodies of refused spam, under an operator's hands.
 *
 * Owns nothing. Promises: what was forgotten is committed when the call
 * returns, and the next message with such a body is judged anew; a long list is
 * cleared in short transactions, so that mail goes on beside it.
 * Thread: any but a loop's. */
#include "api/instance.h"

#include "base/mem.h"
#include "platform/clock.h"

#include <string.h>

/* Rows that one transaction removes. */
#define CLEAR_ROWS 500

struct removal {
    struct mm_store_job job;
    size_t count;
    size_t removed;
    char keys[CLEAR_ROWS][MM_STORE_SIGHTING_KEY_MAX];
};

struct listing {
    mailmod_on_spam on_spam;
    void *context;
    int64_t now_ms;
};

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    const struct listing *listing = context;
    const struct mailmod_spam told = {.size = sizeof told,
                                      .body = sighting->key,
                                      .first_ms = sighting->first_ms,
                                      .last_ms = sighting->last_ms,
                                      .until_ms = sighting->until_ms,
                                      .refusals = sighting->count};

    if (sighting->until_ms > listing->now_ms) {
        listing->on_spam(listing->context, &told);
    }
    return true;
}

enum mailmod_error mailmod_spam_list(mailmod *instance, mailmod_on_spam on_spam,
                                     void *context)
{
    struct listing listing = {on_spam, context, mm_clock_wall_ms()};

    return on_spam != NULL
               ? mm_admin_each_sighting(instance, MM_SIGHTING_SPAM, on_sighting,
                                        &listing)
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
}

/* Those that somebody else removed meanwhile are gone, too. */
static enum mailmod_error run(struct mm_store_job *job,
                              struct mm_store_transaction *transaction)
{
    struct removal *removal = MM_LIST_OBJECT(job, struct removal, job);
    enum mailmod_error error = MAILMOD_OK;

    removal->removed = 0;
    for (size_t i = 0; error == MAILMOD_OK && i < removal->count; i++) {
        error = mm_store_remove_sighting(transaction, MM_SIGHTING_SPAM,
                                         removal->keys[i]);
        removal->removed += error == MAILMOD_OK;
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error;
}

/* As smtp_spam.c writes it: SHA-256 in lower case. */
static bool take_key(const char *body, char key_out[MM_STORE_SIGHTING_KEY_MAX])
{
    struct mm_span text = mm_span_cstr(body != NULL ? body : "");
    bool is_hash = text.size == 64;

    for (size_t i = 0; is_hash && i < text.size; i++) {
        is_hash = strchr("0123456789abcdefABCDEF", text.data[i]) != NULL;
    }
    if (is_hash) {
        (void)mm_span_copy(text, key_out, MM_STORE_SIGHTING_KEY_MAX);
        mm_ascii_lower_cstr(key_out);
    }
    return is_hash;
}

enum mailmod_error mailmod_spam_forget(mailmod *instance, const char *body)
{
    struct removal removal = {.job = {.run = run}, .count = 1};
    struct mm_store *store;

    if (!take_key(body, removal.keys[0])) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "%s: no body: 64 digits of a SHA-256",
                       body != NULL ? body : "NULL");
    }
    enum mailmod_error error = mm_admin_run(instance, &removal.job, &store);
    if (error == MAILMOD_OK && removal.removed == 0) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    return error == MAILMOD_OK || store == NULL
               ? error
               : mm_fail(error, "%s: %s", body, mm_error_text(error));
}

static bool on_row(void *context, const struct mm_store_sighting *sighting)
{
    struct removal *removal = context;

    memcpy(removal->keys[removal->count++], sighting->key,
           sizeof sighting->key);
    return removal->count < CLEAR_ROWS;
}

static enum mailmod_error clear(struct mm_store *store, struct removal *removal,
                                uint64_t *count)
{
    enum mailmod_error error;

    do {
        removal->count = 0;
        error =
            mm_store_each_sighting(store, MM_SIGHTING_SPAM, on_row, removal);
        if (error == MAILMOD_OK && removal->count > 0) {
            error = mm_store_run(store, &removal->job);
            *count += error == MAILMOD_OK ? removal->removed : 0;
        }
    } while (error == MAILMOD_OK && removal->count == CLEAR_ROWS);
    return error;
}

enum mailmod_error mailmod_spam_clear(mailmod *instance, uint64_t *count_out)
{
    struct mm_admin admin;
    uint64_t count = 0;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct removal *removal = mm_alloc(sizeof *removal);
    if (removal != NULL) {
        removal->job.run = run;
        error = clear(admin.store, removal, &count);
    } else {
        error = MAILMOD_ERROR_MEMORY;
    }
    mm_free(removal);
    mm_admin_end(&admin);
    if (count_out != NULL) {
        *count_out = count;
    }
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
