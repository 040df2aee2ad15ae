/* maildir_delivery.c - one message on its way into a Maildir.
 *
 * Owns the folders and the file in tmp. Promises: a reader sees a whole message
 * or none, for it comes into new by its name alone, after it was synced; after
 * OK it is there whatever happens to this machine. A delivery that is tried
 * again after a crash has the same name, and is there once; unless a reader has
 * moved it to cur meanwhile, which no look would tell from one that was removed
 * on purpose. Thread: worker. */
#include "mailbox/maildir.h"

#include "base/mem.h"
#include "mailbox/maildir_flags.h"
#include "mailbox/maildir_folders.h"
#include "mailbox/maildir_text.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_SIZE 101

struct mm_maildir_delivery {
    struct mm_maildir folders;
    struct mm_file *file; /* NULL: finished */
    char name[NAME_MAX_SIZE];
    uint64_t size;               /* of the file */
    struct mm_maildir_text text; /* of what will be served */
    bool has_cr;                 /* one that is held back */
    unsigned marks;
};

static bool is_name(const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < size; i++) {
        if (!mm_ascii_is_alnum(name[i]) && name[i] != '.' && name[i] != '-') {
            return false;
        }
    }
    return size > 0 && size < NAME_MAX_SIZE && name[0] != '.';
}

/* What a try before this one left in tmp goes. */
static enum mailmod_error make_file(struct mm_maildir_delivery *delivery)
{
    struct mm_folder *tmp = delivery->folders.tmp;
    enum mailmod_error error =
        mm_file_make_in(&delivery->file, tmp, delivery->name);

    if (error == MAILMOD_ERROR_EXISTS) {
        error = mm_folder_remove(tmp, delivery->name);
        if (error == MAILMOD_OK) {
            error = mm_file_make_in(&delivery->file, tmp, delivery->name);
        }
    }
    return error;
}

enum mailmod_error
mm_maildir_delivery_new(struct mm_maildir_delivery **delivery_out,
                        const struct mm_maildir_place *place, const char *name)
{
    *delivery_out = NULL;
    if (!is_name(name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_maildir_delivery *delivery = mm_alloc(sizeof *delivery);
    if (delivery == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(delivery->name, name, strlen(name) + 1);
    enum mailmod_error error = mm_maildir_open(&delivery->folders, place, true);
    if (error == MAILMOD_OK) {
        error = make_file(delivery);
    }
    if (error != MAILMOD_OK) {
        mm_maildir_delivery_free(&delivery);
    }
    *delivery_out = delivery;
    return error;
}

static enum mailmod_error put(struct mm_maildir_delivery *delivery,
                              struct mm_span data)
{
    enum mailmod_error error = mm_file_write(delivery->file, data);

    delivery->size += data.size;
    return error == MAILMOD_OK
               ? mm_maildir_text_serve(&delivery->text, data, NULL)
               : error;
}

/* A CR is written when what follows it is no LF. */
static enum mailmod_error put_held(struct mm_maildir_delivery *delivery,
                                   struct mm_span rest)
{
    if (!delivery->has_cr || rest.size == 0) {
        return MAILMOD_OK;
    }
    delivery->has_cr = false;
    return rest.data[0] != '\n' ? put(delivery, mm_span("\r", 1)) : MAILMOD_OK;
}

enum mailmod_error
mm_maildir_delivery_write(struct mm_maildir_delivery *delivery,
                          struct mm_span data)
{
    enum mailmod_error error = put_held(delivery, data);

    while (error == MAILMOD_OK && data.size > 0) {
        const char *end = memchr(data.data, '\r', data.size);
        size_t size = end != NULL ? (size_t)(end - data.data) : data.size;

        if (size > 0) {
            error = put(delivery, mm_span(data.data, size));
        }
        delivery->has_cr = end != NULL;
        data = mm_span_from(data, size + (end != NULL ? 1 : 0));
        if (error == MAILMOD_OK) {
            error = put_held(delivery, data);
        }
    }
    return error;
}

static enum mailmod_error move_in(struct mm_maildir_delivery *delivery)
{
    char name[MM_MAILDIR_NAME_MAX];
    char flags[3 + MM_MAILDIR_FLAGS_MAX] = "";
    struct mm_folder *folder = delivery->folders.new;

    if (delivery->marks != 0) {
        folder = delivery->folders.cur;
        flags[0] = mm_folder_flag_mark;
        flags[1] = '2';
        flags[2] = ',';
        mm_maildir_flags_write(delivery->marks, flags + 3);
    }
    (void)snprintf(name, sizeof name, "%s,S=%llu,W=%llu%s", delivery->name,
                   (unsigned long long)delivery->size,
                   (unsigned long long)delivery->text.size, flags);
    enum mailmod_error error =
        mm_folder_move(delivery->folders.tmp, delivery->name, folder, name);
    if (error == MAILMOD_ERROR_EXISTS) {
        error = mm_folder_remove(delivery->folders.tmp, delivery->name);
    }
    return error == MAILMOD_OK ? mm_folder_sync(folder) : error;
}

void mm_maildir_delivery_set_marks(struct mm_maildir_delivery *delivery,
                                   unsigned marks)
{
    delivery->marks = marks & MM_MAIL_MARKS;
}

enum mailmod_error
mm_maildir_delivery_finish(struct mm_maildir_delivery *delivery)
{
    enum mailmod_error error = MAILMOD_OK;

    if (delivery->has_cr) {
        delivery->has_cr = false;
        error = put(delivery, mm_span("\r", 1));
    }
    if (error == MAILMOD_OK) {
        error = mm_maildir_text_end(&delivery->text, NULL);
    }
    if (error == MAILMOD_OK) {
        error = mm_file_sync(delivery->file);
    }
    if (error == MAILMOD_OK) {
        error = move_in(delivery);
    }
    if (error == MAILMOD_OK) {
        mm_file_close(&delivery->file);
    }
    return error;
}

void mm_maildir_delivery_free(struct mm_maildir_delivery **delivery_in)
{
    struct mm_maildir_delivery *delivery = *delivery_in;

    *delivery_in = NULL;
    if (delivery == NULL) {
        return;
    }
    if (delivery->file != NULL) {
        mm_file_close(&delivery->file);
        (void)mm_folder_remove(delivery->folders.tmp, delivery->name);
    }
    mm_maildir_close(&delivery->folders);
    mm_free(delivery);
}
