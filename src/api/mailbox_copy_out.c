/* mailbox_copy_out.c - a mailbox into a Maildir or an mbox; the two calls.
 *
 * Owns the file that is written. Promises: an mbox is there as a whole or not
 * at all; a message that an earlier copy put into the Maildir is not put there
 * again, wherever the owner's programs have moved it and whatever its flags are
 * by now; the marks of readers go with each message, as far as the target can
 * say them; memory is that of a piece and of the names.
 * Thread: any that may wait. RFC 4155. */
#include "api/mailbox_copy.h"

#include "api/instance.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "config/maildir.h"
#include "mailbox/maildir.h"
#include "platform/folder.h"
#include "post/mailboxes.h"
#include "wire/msg/mbox.h"
#include "wire/msg/mbox_status.h"

#include <stdio.h>
#include <string.h>

/* Takes the pieces of one message. */
struct taker {
    enum mailmod_error (*take)(struct taker *taker, struct mm_span text);
    struct mm_maildir_delivery *delivery;
    struct mm_file *file;
    struct mm_mbox_writer writer;
    struct mm_mbox_status status;
    struct mm_buf plain; /* without the fields of others' marks */
    struct mm_buf out;
};

static enum mailmod_error into_maildir(struct taker *taker, struct mm_span text)
{
    return mm_maildir_delivery_write(taker->delivery, text);
}

static enum mailmod_error put_in_mbox(struct taker *taker, struct mm_span text)
{
    mm_buf_clear(&taker->out);
    enum mailmod_error error = mm_mbox_write(&taker->writer, text, &taker->out);
    return error == MAILMOD_OK
               ? mm_file_write(taker->file, mm_buf_span(&taker->out))
               : error;
}

static enum mailmod_error into_mbox(struct taker *taker, struct mm_span text)
{
    mm_buf_clear(&taker->plain);
    enum mailmod_error error =
        mm_mbox_status_take(&taker->status, text, &taker->plain);
    return error == MAILMOD_OK ? put_in_mbox(taker, mm_buf_span(&taker->plain))
                               : error;
}

/* Pieces from number 1 on; the first one is in `piece`. */
static enum mailmod_error copy_pieces(struct mm_mailbox *from, size_t index,
                                      struct mm_buf *piece, struct taker *taker)
{
    enum mailmod_error error = MAILMOD_OK;
    uint64_t size = 0;

    for (unsigned number = 1; error == MAILMOD_OK; number++) {
        error = taker->take(taker, mm_buf_span(piece));
        if (error == MAILMOD_OK) {
            error = mm_mailbox_read(from, index, number, piece, &size);
        }
    }
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

/* ---- a Maildir ---- */

/* The same at each copy: the time of the arrival, and the unique-id. */
static void make_name(const char *unique_id, int64_t received_ms, char *name,
                      size_t size)
{
    uint64_t hash = mm_siphash(mm_span_cstr(unique_id), 0, 0);

    (void)snprintf(name, size, "%lld.U%016llx.mailmod",
                   (long long)(received_ms / 1000), (unsigned long long)hash);
}

/* What lies there, by the names up to their sizes. */
static enum mailmod_error note_names(struct mm_mailbox_copy *copy,
                                     const char *base, const char *below)
{
    const struct mm_mailbox_owner owner = {.user = copy->user,
                                           .mailbox_id = copy->mailbox_id,
                                           .base = base,
                                           .below = below};
    struct mm_mailbox *there = NULL;
    enum mailmod_error error =
        mm_mailbox_open(&copy->post->maildirs, &owner, &there);

    for (size_t i = 0; error == MAILMOD_OK && i < mm_mailbox_count(there);
         i++) {
        char name[MM_UNIQUE_ID_MAX];
        struct mm_span head;
        struct mm_span rest;

        mm_mailbox_unique_id(there, i, name);
        (void)mm_span_cut(mm_span_cstr(name), ',', &head, &rest);
        error = mm_map_put(&copy->seen, head, copy);
    }
    mm_mailbox_close(&there);
    return error;
}

static enum mailmod_error put_file(struct mm_mailbox *from, size_t index,
                                   unsigned marks,
                                   const struct mm_maildir_place *place,
                                   const char *name)
{
    struct taker taker = {.take = into_maildir};
    struct mm_buf piece;
    uint64_t size = 0;

    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    enum mailmod_error error = mm_mailbox_read(from, index, 0, &piece, &size);
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_new(&taker.delivery, place, name);
    }
    if (error == MAILMOD_OK) {
        error = copy_pieces(from, index, &piece, &taker);
    }
    if (error == MAILMOD_OK) {
        mm_maildir_delivery_set_marks(taker.delivery, marks);
        error = mm_maildir_delivery_finish(taker.delivery);
    }
    mm_maildir_delivery_free(&taker.delivery);
    mm_buf_fini(&piece);
    return error;
}

static enum mailmod_error export_maildir(struct mm_mailbox_copy *copy,
                                         struct mm_mailbox *from,
                                         const char *base, const char *below)
{
    const struct mm_maildir_place place = {.base = base, .below = below};
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < mm_mailbox_count(from); i++) {
        struct mm_mailbox_detail detail;
        char unique_id[MM_UNIQUE_ID_MAX];
        char name[80];

        mm_mailbox_unique_id(from, i, unique_id);
        error = mm_mailbox_detail(from, i, &detail);
        make_name(unique_id, detail.received_ms, name, sizeof name);
        if (error == MAILMOD_OK &&
            mm_map_get(&copy->seen, mm_span_cstr(name)) != NULL) {
            copy->skipped++;
            continue;
        }
        if (error == MAILMOD_OK) {
            error = put_file(from, i, detail.flags, &place, name);
        }
        if (error == MAILMOD_ERROR_CANCELLED) {
            error = MAILMOD_OK; /* its owner removed it meanwhile */
        } else {
            copy->copied += error == MAILMOD_OK ? 1 : 0;
        }
    }
    return error;
}

/* ---- an mbox ---- */

static enum mailmod_error put_marks(struct taker *taker, unsigned marks)
{
    taker->status = (struct mm_mbox_status){.marks = 0};
    mm_buf_clear(&taker->plain);
    enum mailmod_error error = mm_mbox_status_write(marks, &taker->plain);
    return error == MAILMOD_OK ? put_in_mbox(taker, mm_buf_span(&taker->plain))
                               : error;
}

static enum mailmod_error put_end(struct taker *taker)
{
    mm_buf_clear(&taker->plain);
    enum mailmod_error error =
        mm_mbox_status_end(&taker->status, &taker->plain);
    if (error == MAILMOD_OK) {
        error = put_in_mbox(taker, mm_buf_span(&taker->plain));
    }
    mm_buf_clear(&taker->out);
    if (error == MAILMOD_OK) {
        error = mm_mbox_write_end(&taker->writer, &taker->out);
    }
    return error == MAILMOD_OK
               ? mm_file_write(taker->file, mm_buf_span(&taker->out))
               : error;
}

static enum mailmod_error put_message(struct mm_mailbox *from, size_t index,
                                      struct taker *taker)
{
    struct mm_mailbox_detail detail;
    struct mm_buf piece;
    uint64_t size = 0;

    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    mm_buf_clear(&taker->out);
    enum mailmod_error error = mm_mailbox_read(from, index, 0, &piece, &size);
    if (error == MAILMOD_OK) {
        error = mm_mailbox_detail(from, index, &detail);
    }
    if (error == MAILMOD_OK) {
        error = mm_mbox_write_from(&taker->out,
                                   mm_mailbox_return_path(mm_buf_span(&piece)),
                                   detail.received_ms);
    }
    if (error == MAILMOD_OK) {
        error = mm_file_write(taker->file, mm_buf_span(&taker->out));
    }
    if (error == MAILMOD_OK) {
        error = put_marks(taker, detail.flags);
    }
    if (error == MAILMOD_OK) {
        error = copy_pieces(from, index, &piece, taker);
    }
    mm_buf_fini(&piece);
    return error == MAILMOD_OK ? put_end(taker) : error;
}

static enum mailmod_error write_mbox(struct mm_mailbox_copy *copy,
                                     struct mm_mailbox *from,
                                     struct mm_file *file)
{
    struct taker taker = {.take = into_mbox, .file = file};
    enum mailmod_error error = MAILMOD_OK;

    mm_mbox_writer_init(&taker.writer);
    mm_buf_init(&taker.out, 4 * MM_LIMIT_CHUNK + 2 * MM_MBOX_LINE_MAX);
    mm_buf_init(&taker.plain, 2 * MM_LIMIT_CHUNK + sizeof taker.status.line);
    for (size_t i = 0; error == MAILMOD_OK && i < mm_mailbox_count(from); i++) {
        error = put_message(from, i, &taker);
        copy->copied += error == MAILMOD_OK ? 1 : 0;
    }
    mm_buf_fini(&taker.plain);
    mm_buf_fini(&taker.out);
    mm_mbox_writer_fini(&taker.writer);
    return error == MAILMOD_OK ? mm_file_sync(file) : error;
}

/* Under a name of its own until it is whole. */
static enum mailmod_error export_mbox(struct mm_mailbox_copy *copy,
                                      struct mm_mailbox *from, const char *path)
{
    struct mm_folder *folder = NULL;
    struct mm_file *file = NULL;
    char part[256];
    const char *name;
    enum mailmod_error error = mm_mailbox_copy_folder(path, &folder, &name);

    if (error == MAILMOD_OK &&
        snprintf(part, sizeof part, "%s.part", name) >= (int)sizeof part) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error == MAILMOD_OK) {
        (void)mm_folder_remove(folder, part); /* of a copy that was killed */
        error = mm_file_make_in(&file, folder, part);
    }
    if (error == MAILMOD_OK) {
        error = write_mbox(copy, from, file);
        mm_file_close(&file);
        if (error == MAILMOD_OK) {
            error = mm_folder_move(folder, part, folder, name);
        }
        if (error == MAILMOD_OK) {
            error = mm_folder_sync(folder);
        } else {
            (void)mm_folder_remove(folder, part);
        }
    }
    mm_folder_close(&folder);
    return error;
}

enum mailmod_error mm_mailbox_copy_out(struct mm_mailbox_copy *copy,
                                       bool is_mbox, const char *path)
{
    struct mm_mailbox *from = NULL;
    char *base = NULL;
    const char *below = NULL;
    enum mailmod_error error = mm_mailbox_copy_split(path, &base, &below);

    mm_map_init(&copy->seen, MM_LIMIT_MAILBOX_ENTRIES, 1);
    if (error == MAILMOD_OK && !is_mbox) {
        error = note_names(copy, base, below);
    }
    if (error == MAILMOD_OK) {
        error = mm_mailboxes_open(copy->post, copy->config, copy->user,
                                  copy->mailbox_id, &from);
    }
    if (error == MAILMOD_OK) {
        error = is_mbox ? export_mbox(copy, from, path)
                        : export_maildir(copy, from, base, below);
    }
    mm_mailbox_close(&from);
    mm_map_fini(&copy->seen);
    mm_free(base);
    return error;
}

/* ---- the calls ---- */

static enum mailmod_error check_arguments(const char *user,
                                          enum mailmod_mailbox_form form,
                                          const char *path)
{
    if (user == NULL || path == NULL || path[0] == '\0') {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a text is NULL, or no path");
    }
    return form == MAILMOD_MAILBOX_MAILDIR || form == MAILMOD_MAILBOX_MBOX
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "form: %d", (int)form);
}

/* Mail that a consumer fills from outside is not put into the store. */
static enum mailmod_error check_target(const struct mm_mailbox_copy *copy)
{
    char destination[MM_STORE_DESTINATION_MAX];
    enum mailmod_error error =
        mm_mailboxes_destination(copy->config, copy->user, destination);

    return error == MAILMOD_ERROR_NOT_FOUND
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_STATE,
                         "%s has a Maildir (local.maildirs): copy the files",
                         copy->user);
}

static enum mailmod_error run(struct mm_admin *admin, bool is_import,
                              const char *user, bool is_mbox, const char *path,
                              uint64_t *copied_out, uint64_t *skipped_out)
{
    const struct mm_post_options options = {.log = &admin->instance->log};
    struct mm_mailbox_copy copy = {.config = admin->config};
    struct mm_store_user found;
    enum mailmod_error error = mm_post_new(&copy.post, &options);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_post_attach(copy.post, admin->store, NULL);
    error = mm_store_find_user(admin->store, user, &found);
    copy.user = found.name;
    copy.mailbox_id = found.mailbox_id;
    if (error == MAILMOD_OK && is_import) {
        error = check_target(&copy);
    }
    if (error == MAILMOD_OK) {
        error = is_import ? mm_mailbox_copy_in(&copy, is_mbox, path)
                          : mm_mailbox_copy_out(&copy, is_mbox, path);
    }
    *copied_out = copy.copied;
    *skipped_out = copy.skipped;
    mm_secret_clear(&found, sizeof found);
    mm_post_free(&copy.post);
    return error;
}

static enum mailmod_error copy_mail(mailmod *instance, bool is_import,
                                    const char *user,
                                    enum mailmod_mailbox_form form,
                                    const char *path, uint64_t *copied_out,
                                    uint64_t *skipped_out)
{
    struct mm_admin admin;
    uint64_t none;
    enum mailmod_error error = check_arguments(user, form, path);

    if (error != MAILMOD_OK) {
        return error;
    }
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    char *place = mm_memdup0(path, length);
    error = place == NULL ? mm_fail(MAILMOD_ERROR_MEMORY, "out of memory")
                          : mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        mm_free(place);
        return error;
    }
    error = run(&admin, is_import, user, form == MAILMOD_MAILBOX_MBOX, place,
                copied_out != NULL ? copied_out : &none,
                skipped_out != NULL ? skipped_out : &none);
    mm_admin_end(&admin);
    mm_free(place);
    return error == MAILMOD_OK || error == MAILMOD_ERROR_STATE
               ? error
               : mm_fail(error, "mailbox of %s, %s: %s", user, path,
                         error == MAILMOD_ERROR_SYNTAX ? "that is no mbox"
                                                       : mm_error_text(error));
}

enum mailmod_error mailmod_mailbox_import(mailmod *instance, const char *user,
                                          enum mailmod_mailbox_form form,
                                          const char *path,
                                          uint64_t *copied_out,
                                          uint64_t *skipped_out)
{
    return copy_mail(instance, true, user, form, path, copied_out, skipped_out);
}

enum mailmod_error mailmod_mailbox_export(mailmod *instance, const char *user,
                                          enum mailmod_mailbox_form form,
                                          const char *path,
                                          uint64_t *copied_out,
                                          uint64_t *skipped_out)
{
    return copy_mail(instance, false, user, form, path, copied_out,
                     skipped_out);
}
