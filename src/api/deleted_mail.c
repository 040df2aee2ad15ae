/* deleted_mail.c - deleted mail that the store keeps: listed, and restored.
 *
 * Promises: read in pages, restored in small jobs that are on disk one by one;
 * what is restored while it is listed is told once. Thread: any but a loop's.
 */
#include "api/instance.h"

#include "base/mem.h"
#include "mailbox/store_mailbox.h"

#include <string.h>

#define PAGE 64

struct trash {
    struct mm_admin admin;
    uint64_t mailbox_id;
    uint32_t tag;
    uint64_t after; /* the last number that was read */
    struct mm_store_deleted page[PAGE];
    size_t count;
};

static enum mailmod_error find_mailbox(struct trash *trash, const char *user)
{
    struct mm_store_user found;
    enum mailmod_error error =
        mm_store_find_user(trash->admin.store, user, &found);

    if (error == MAILMOD_OK) {
        trash->mailbox_id = found.mailbox_id;
        error = mm_store_mailbox_tag(trash->admin.store, trash->mailbox_id,
                                     &trash->tag);
    }
    mm_secret_clear(&found, sizeof found);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s: %s", user,
                                         error == MAILMOD_ERROR_NOT_FOUND
                                             ? "there is no such user"
                                             : mm_error_text(error));
}

/* mm_admin_end when it is OK. */
static enum mailmod_error open_trash(struct trash **trash_out,
                                     mailmod *instance, const char *user)
{
    struct trash *trash = mm_alloc(sizeof *trash);

    *trash_out = NULL;
    if (user == NULL || trash == NULL) {
        mm_free(trash);
        return user == NULL ? mm_fail(MAILMOD_ERROR_ARGUMENT, "user is NULL")
                            : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    enum mailmod_error error = mm_admin_begin(&trash->admin, instance, false);
    if (error != MAILMOD_OK) {
        mm_free(trash);
        return error;
    }
    error = find_mailbox(trash, user);
    if (error != MAILMOD_OK) {
        mm_admin_end(&trash->admin);
        mm_free(trash);
        return error;
    }
    *trash_out = trash;
    return MAILMOD_OK;
}

static void close_trash(struct trash *trash)
{
    mm_admin_end(&trash->admin);
    mm_free(trash);
}

static enum mailmod_error read_page(struct trash *trash)
{
    enum mailmod_error error =
        mm_store_list_deleted(trash->admin.store, trash->mailbox_id,
                              trash->after, trash->page, PAGE, &trash->count);

    if (error == MAILMOD_OK && trash->count > 0) {
        trash->after = trash->page[trash->count - 1].entry.unique_number;
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "the deleted mail: %s", mm_error_text(error));
}

/* One that goes while it is read is left out. */
static enum mailmod_error tell(struct trash *trash,
                               const struct mm_store_deleted *kept,
                               mailmod_on_deleted_message on_message,
                               void *context)
{
    struct mm_store_message message;
    char unique_id[MM_UNIQUE_ID_MAX];
    enum mailmod_error error = mm_store_find_message(
        trash->admin.store, kept->entry.message_id, &message);

    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    mm_store_unique_id(trash->tag, kept->entry.unique_number, unique_id);
    const struct mailmod_deleted_message shown = {
        .size = sizeof shown,
        .unique_id = unique_id,
        .octets = kept->entry.size,
        .reverse_path = message.reverse_path,
        .received_ms = message.arrival_ms,
        .deleted_ms = kept->deleted_ms};
    on_message(context, &shown);
    return MAILMOD_OK;
}

enum mailmod_error mailmod_deleted_list(mailmod *instance, const char *user,
                                        mailmod_on_deleted_message on_message,
                                        void *context)
{
    struct trash *trash;

    if (on_message == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
    }
    enum mailmod_error error = open_trash(&trash, instance, user);
    if (error != MAILMOD_OK) {
        return error;
    }
    do {
        error = read_page(trash);
        for (size_t i = 0; error == MAILMOD_OK && i < trash->count; i++) {
            error = tell(trash, &trash->page[i], on_message, context);
        }
    } while (error == MAILMOD_OK && trash->count == PAGE);
    close_trash(trash);
    return error;
}

struct restoring {
    struct mm_store_job job;
    uint64_t mailbox_id;
    uint64_t numbers[PAGE];
    size_t count;
    size_t restored;
};

/* What went meanwhile is not there to be restored. */
static enum mailmod_error run(struct mm_store_job *job,
                              struct mm_store_transaction *transaction)
{
    struct restoring *restoring = MM_LIST_OBJECT(job, struct restoring, job);
    enum mailmod_error error = MAILMOD_OK;

    restoring->restored = 0;
    for (size_t i = 0; error == MAILMOD_OK && i < restoring->count; i++) {
        error = mm_store_restore_deleted(transaction, restoring->mailbox_id,
                                         restoring->numbers[i]);
        restoring->restored += error == MAILMOD_OK ? 1 : 0;
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error;
}

static void choose(const struct trash *trash, const char *unique_id,
                   struct restoring *restoring)
{
    restoring->count = 0;
    for (size_t i = 0; i < trash->count; i++) {
        uint64_t number = trash->page[i].entry.unique_number;
        char text[MM_UNIQUE_ID_MAX];

        mm_store_unique_id(trash->tag, number, text);
        if (unique_id == NULL || strcmp(unique_id, text) == 0) {
            restoring->numbers[restoring->count++] = number;
        }
    }
}

static enum mailmod_error restore_page(struct trash *trash,
                                       const char *unique_id, size_t *count)
{
    struct restoring restoring = {.job.run = run,
                                  .mailbox_id = trash->mailbox_id};

    choose(trash, unique_id, &restoring);
    if (restoring.count == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_store_run(trash->admin.store, &restoring.job);
    *count += error == MAILMOD_OK ? restoring.restored : 0;
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "restoring: %s", mm_error_text(error));
}

enum mailmod_error mailmod_deleted_restore(mailmod *instance, const char *user,
                                           const char *unique_id,
                                           size_t *count_out)
{
    struct trash *trash;
    size_t count = 0;
    enum mailmod_error error = open_trash(&trash, instance, user);

    if (error == MAILMOD_OK) {
        do {
            error = read_page(trash);
            error = error == MAILMOD_OK ? restore_page(trash, unique_id, &count)
                                        : error;
        } while (error == MAILMOD_OK && trash->count == PAGE);
        close_trash(trash);
    }
    if (count_out != NULL) {
        *count_out = count;
    }
    return error == MAILMOD_OK && count == 0 && unique_id != NULL
               ? mm_fail(MAILMOD_ERROR_NOT_FOUND,
                         "there is no deleted mail with that unique-id")
               : error;
}
