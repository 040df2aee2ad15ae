/* maildirs.c - queued mail into Maildirs.
 *
 * Owns nothing past a call. Promises: the outcome "delivered" is said after the
 * file is on disk; what fails is put off and tried again by the queue's steps,
 * with the folder's trouble in the words; only a user that is no more is final;
 * a batch that is cancelled goes on to its end, for a second delivery of the
 * same message has the same name. A folder that a judge named is made where it
 * is missing; one that the address of a sender names gets mail where it is
 * there.
 * Thread: the outbound's loop; `run` on a worker. */
#include "post/maildirs.h"

#include "base/limits.h"
#include "base/mem.h"
#include "config/maildir.h"
#include "mailbox/maildir.h"
#include "mailbox/plus_folder.h"
#include "mailbox/store_mailbox.h"
#include "post/consumer_work.h"

#include <stdio.h>
#include <string.h>

/* RFC 3463 3.3, 3.4: what the sender and the operator read. */
static void put_off(struct mq_outcome *outcome, enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_OK:
        break;
    case MAILMOD_ERROR_STORAGE_FULL:
        mm_consumption_set(outcome, error, "4.2.2", "the mailbox has no room");
        break;
    case MAILMOD_ERROR_ACCESS:
        mm_consumption_set(
            outcome, error, "4.2.0",
            "the Maildir cannot be used: permission denied, or a link "
            "is in its place");
        break;
    case MAILMOD_ERROR_NOT_FOUND:
        mm_consumption_set(
            outcome, error, "4.2.0",
            "the folder in which the Maildir should lie is missing");
        break;
    default:
        mm_consumption_set(outcome, error, "4.2.0", mm_error_text(error));
        break;
    }
}

/* The message's own for ever: the same when it is tried again. */
static void make_name(const struct mm_consumer_work *work,
                      const struct mm_store_recipient *recipient, char *out,
                      size_t size)
{
    char id[MM_MESSAGE_ID_TEXT_MAX];
    char host[40];
    size_t at = 0;

    mm_message_id_format(work->message.id, id);
    for (const char *c = work->config->host_name;
         *c != '\0' && at + 1 < sizeof host; c++) {
        host[at++] = mm_ascii_is_alnum(*c) || *c == '.' ? *c : '-';
    }
    host[at] = '\0';
    (void)snprintf(out, size, "%lld.M%sR%u.%s",
                   (long long)(work->message.arrival_ms / 1000), id,
                   recipient->number, host);
}

static enum mailmod_error write_fields(const struct mm_consumer_work *work,
                                       const struct mm_store_recipient *r,
                                       struct mm_maildir_delivery *delivery)
{
    struct mm_buf fields;

    mm_buf_init(&fields, 4 * MM_STORE_REVERSE_PATH_MAX);
    enum mailmod_error error = mm_mailbox_fields_write(
        &fields,
        r->has_reverse_path ? r->reverse_path : work->message.reverse_path,
        r->path, r->original_to);
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_write(delivery, mm_buf_span(&fields));
    }
    mm_buf_fini(&fields);
    return error;
}

static enum mailmod_error write_body(const struct mm_consumer_work *work,
                                     struct mm_maildir_delivery *delivery)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf chunk;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (unsigned i = 0; error == MAILMOD_OK; i++) {
        error =
            mm_store_read_chunk(work->post->store, work->message.id, i, &chunk);
        if (error == MAILMOD_OK) {
            error = mm_maildir_delivery_write(delivery, mm_buf_span(&chunk));
        } else if (error == MAILMOD_ERROR_NOT_FOUND) {
            mm_buf_fini(&chunk);
            return MAILMOD_OK;
        }
    }
    mm_buf_fini(&chunk);
    return error;
}

/* Whose Maildir: the destination "maildir:USER", or "maildir:USER:FOLDER"; no
 * user's name has a colon. */
struct owner {
    char user[MM_STORE_DESTINATION_MAX];
    char folder[MM_STORE_DESTINATION_MAX]; /* that a judge named; "": none */
    struct mm_config_maildir maildir;
};

static void name_owner(const struct mm_consumer_work *work,
                       struct owner *owner_out)
{
    struct mm_span user;
    struct mm_span folder;

    (void)mm_span_cut(mm_span_cstr(work->rest), ':', &user, &folder);
    (void)mm_span_copy(user, owner_out->user, sizeof owner_out->user);
    (void)mm_span_copy(folder, owner_out->folder, sizeof owner_out->folder);
}

/* The folder that the address of a recipient names; "": none. */
static enum mailmod_error
name_folder(const struct mm_consumer_work *work, const struct owner *owner,
            const struct mm_store_recipient *recipient, char *out, size_t size)
{
    const struct mm_mailbox_owner of = {
        .user = owner->user,
        .folder = "",
        .separator = work->config->local.plus_separator[0]};
    struct mm_plus_folder folder;
    enum mailmod_error error = mm_plus_folder_init(&folder, &of);

    out[0] = '\0';
    if (error == MAILMOD_OK) {
        (void)mm_span_copy(mm_plus_folder_named(&folder, recipient->path), out,
                           size);
    }
    return error;
}

static enum mailmod_error deliver(const struct mm_consumer_work *work,
                                  const struct owner *owner,
                                  const struct mm_store_recipient *recipient)
{
    struct mm_maildir_delivery *delivery = NULL;
    bool has_folders = work->config->local.plus_folders;
    char named[MM_STORE_REVERSE_PATH_MAX] = "";
    struct mm_maildir_place place = {.base = owner->maildir.base,
                                     .below = owner->maildir.below};
    char name[101];
    enum mailmod_error error = MAILMOD_OK;

    if (has_folders && owner->folder[0] != '\0') {
        place.folder = owner->folder;
        place.makes_folder = true;
    } else if (has_folders) {
        error = name_folder(work, owner, recipient, named, sizeof named);
        place.folder = named;
    }
    make_name(work, recipient, name, sizeof name);
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_new(&delivery, &place, name);
    }
    if (error == MAILMOD_OK) {
        error = write_fields(work, recipient, delivery);
    }
    if (error == MAILMOD_OK) {
        error = write_body(work, delivery);
    }
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_finish(delivery);
    }
    mm_maildir_delivery_free(&delivery);
    return error;
}

/* Whether the user is there, and where; sets all outcomes when not. */
static bool find_owner(struct mm_consumer_work *work, struct owner *owner)
{
    struct mm_store_user user;

    name_owner(work, owner);
    enum mailmod_error error =
        mm_store_find_user(work->post->store, owner->user, &user);

    mm_secret_clear(&user, sizeof user);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        mm_consumer_work_set_all(work, error, "5.1.1", "no such user here");
        return false;
    }
    if (error == MAILMOD_OK) {
        error =
            mm_config_find_maildir(work->config, owner->user, &owner->maildir);
    }
    if (error != MAILMOD_OK) {
        mm_consumer_work_set_all(
            work, error, "4.3.5",
            "local.maildirs names no folder for this user any more");
    }
    return error == MAILMOD_OK;
}

static void run(struct mm_consumer_work *work)
{
    struct owner owner;

    if (find_owner(work, &owner)) {
        for (size_t i = 0; i < work->count; i++) {
            put_off(&work->outcomes[i],
                    deliver(work, &owner, &work->recipients[i]));
        }
    }
}

static const struct mm_consumer_verbs verbs = {
    .size = sizeof(struct mm_consumer_work),
    .run = run,
    .no_room = mm_consumer_work_too_busy};

enum mailmod_error mm_maildirs_consumer_new(struct mm_consumer **consumer_out,
                                            struct mm_post *post)
{
    struct mm_consumer *consumer = mm_alloc(sizeof *consumer);

    *consumer_out = consumer;
    if (consumer == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *consumer = mm_consumer_of_work(MM_MAILDIR_CONSUMER, post, &verbs);
    return mm_consumer_register(post, consumer);
}
