/* open_mailbox.c - mailboxes that the host has open: list, read, delete.
 *
 * Owns each open mailbox with the marks of what was deleted. Promises: the lock
 * of RFC 1939 4 is held from open to close, or to the end of the instance; one
 * call of the provider at a time; OK to a deletion means on disk; a callback of
 * the host runs with no lock held.
 *
 * Law of a mailbox: open -> (the instance ended: `inner` is NULL) -> closed.
 * Lock order: the table's is never held while a mailbox's is taken.
 * Thread: any that may wait. RFC 1939 4, 6, 7. */
#include "api/open_mailbox.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/reading.h"
#include "base/mem.h"
#include "post/mailboxes.h"

#include <string.h>

struct mm_open_mailboxes {
    struct mm_mutex *mutex; /* the table's: all below */
    struct mm_condition *changed;
    unsigned references;
    struct mm_post *post;         /* NULL once it ended */
    struct mm_readings *readings; /* fixed, a reference */
    size_t working;               /* calls that use it */
    struct mm_list all;
};

struct mailmod_mailbox {
    struct mm_list node; /* the table's lock */
    struct mm_open_mailboxes *mailboxes;
    struct mm_mutex *mutex;   /* one call of the provider; all below */
    struct mm_mailbox *inner; /* NULL once the instance ended */
    uint8_t *deleted;         /* a bit an entry */
    bool is_reading;
    struct mm_condition *has_read;
    mailmod_reading *reading; /* that has it; set before its first callback */
};

static _Thread_local unsigned callback_depth;

bool mm_open_mailboxes_is_callback(void)
{
    return callback_depth > 0;
}

enum mailmod_error
mm_open_mailboxes_new(struct mm_open_mailboxes **mailboxes_out,
                      struct mm_post *post, struct mm_readings *readings)
{
    struct mm_open_mailboxes *mailboxes = mm_alloc(sizeof *mailboxes);

    *mailboxes_out = mailboxes;
    if (mailboxes == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mailboxes->references = 1;
    mailboxes->post = post;
    mm_list_init(&mailboxes->all);
    enum mailmod_error error = mm_mutex_new(&mailboxes->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&mailboxes->changed);
    }
    if (error != MAILMOD_OK) {
        mm_mutex_free(&mailboxes->mutex);
        mm_free(mailboxes);
        *mailboxes_out = NULL;
        return error;
    }
    mailboxes->readings = mm_readings_ref(readings);
    return MAILMOD_OK;
}

void mm_open_mailboxes_unref(struct mm_open_mailboxes **mailboxes_in)
{
    struct mm_open_mailboxes *mailboxes = *mailboxes_in;

    *mailboxes_in = NULL;
    if (mailboxes == NULL) {
        return;
    }
    mm_mutex_lock(mailboxes->mutex);
    bool is_last = --mailboxes->references == 0;
    mm_mutex_unlock(mailboxes->mutex);
    if (is_last) {
        mm_readings_unref(&mailboxes->readings);
        mm_condition_free(&mailboxes->changed);
        mm_mutex_free(&mailboxes->mutex);
        mm_free(mailboxes);
    }
}

/* The store stays until leave(). STOPPED. */
static enum mailmod_error enter(struct mm_open_mailboxes *mailboxes)
{
    mm_mutex_lock(mailboxes->mutex);
    bool is_open = mailboxes->post != NULL;
    mailboxes->working += is_open ? 1 : 0;
    mm_mutex_unlock(mailboxes->mutex);
    return is_open ? MAILMOD_OK
                   : mm_fail(MAILMOD_ERROR_STOPPED, "the instance has ended");
}

static void leave(struct mm_open_mailboxes *mailboxes)
{
    mm_mutex_lock(mailboxes->mutex);
    if (--mailboxes->working == 0) {
        mm_condition_broadcast(mailboxes->changed);
    }
    mm_mutex_unlock(mailboxes->mutex);
}

void mm_open_mailboxes_end(struct mm_open_mailboxes *mailboxes)
{
    if (mailboxes == NULL) {
        return;
    }
    mm_mutex_lock(mailboxes->mutex);
    mailboxes->post = NULL;
    while (mailboxes->working > 0) {
        mm_condition_wait(mailboxes->changed, mailboxes->mutex);
    }
    MM_LIST_EACH(node, &mailboxes->all)
    {
        mm_mailbox_close(&MM_LIST_OBJECT(node, mailmod_mailbox, node)->inner);
    }
    mm_mutex_unlock(mailboxes->mutex);
}

static void free_mailbox(mailmod_mailbox *mailbox)
{
    mm_mailbox_close(&mailbox->inner);
    mm_condition_free(&mailbox->has_read);
    mm_mutex_free(&mailbox->mutex);
    mm_free(mailbox->deleted);
    mm_open_mailboxes_unref(&mailbox->mailboxes);
    mm_free(mailbox);
}

static enum mailmod_error find_and_open(struct mm_post *post,
                                        const struct mm_config *config,
                                        const char *name,
                                        struct mm_mailbox **inner_out)
{
    struct mm_store_user user;
    enum mailmod_error error = mm_store_find_user(post->store, name, &user);

    if (error == MAILMOD_ERROR_NOT_FOUND) {
        error = MAILMOD_ERROR_UNKNOWN_NAME; /* not what else is missing */
    }
    if (error == MAILMOD_OK) {
        error = mm_mailboxes_open(post, config, user.name, user.mailbox_id,
                                  inner_out);
    }
    mm_secret_clear(&user, sizeof user);
    return error;
}

/* Entered. */
static enum mailmod_error new_mailbox(struct mm_open_mailboxes *mailboxes,
                                      const struct mm_config *config,
                                      const char *user,
                                      mailmod_mailbox **mailbox_out)
{
    mailmod_mailbox *mailbox = mm_alloc(sizeof *mailbox);

    if (mailbox == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_list_init(&mailbox->node);
    enum mailmod_error error = mm_mutex_new(&mailbox->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&mailbox->has_read);
    }
    if (error == MAILMOD_OK) {
        error = find_and_open(mailboxes->post, config, user, &mailbox->inner);
    }
    if (error == MAILMOD_OK) {
        mailbox->deleted = mm_alloc(mm_mailbox_count(mailbox->inner) / 8 + 1);
        error = mailbox->deleted != NULL
                    ? mm_handle_add(MM_HANDLE_MAILBOX, mailbox)
                    : MAILMOD_ERROR_MEMORY;
    }
    if (error != MAILMOD_OK) {
        free_mailbox(mailbox);
        return error;
    }
    mm_mutex_lock(mailboxes->mutex);
    mailboxes->references++;
    mailbox->mailboxes = mailboxes;
    mm_list_append(&mailboxes->all, &mailbox->node);
    mm_mutex_unlock(mailboxes->mutex);
    *mailbox_out = mailbox;
    return MAILMOD_OK;
}

static enum mailmod_error fail_open(const char *user, enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_ERROR_UNKNOWN_NAME:
        return mm_fail(MAILMOD_ERROR_NOT_FOUND,
                       "mailbox of %s: there is no such user", user);
    case MAILMOD_ERROR_BUSY:
        return mm_fail(error,
                       "mailbox of %s: another session has this mailbox open",
                       user);
    default:
        return mm_fail(error, "mailbox of %s: %s", user, mm_error_text(error));
    }
}

/* References to the table and to the configuration. STATE unless it runs. */
static enum mailmod_error take_table(mailmod *instance,
                                     struct mm_open_mailboxes **mailboxes_out,
                                     struct mm_config **config_out)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_open_mailboxes *mailboxes = instance->open_mailboxes;
    if (mailboxes == NULL) {
        error = mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
    } else {
        mm_mutex_lock(mailboxes->mutex);
        mailboxes->references++;
        mm_mutex_unlock(mailboxes->mutex);
        *config_out = mm_config_ref(instance->config);
    }
    mm_instance_unlock(instance);
    *mailboxes_out = mailboxes;
    return error;
}

enum mailmod_error mailmod_mailbox_open(mailmod *instance, const char *user,
                                        mailmod_mailbox **mailbox_out)
{
    struct mm_open_mailboxes *mailboxes = NULL;
    struct mm_config *config = NULL;

    if (user == NULL || mailbox_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL");
    }
    *mailbox_out = NULL;
    enum mailmod_error error = take_table(instance, &mailboxes, &config);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = enter(mailboxes);
    if (error == MAILMOD_OK) {
        error = new_mailbox(mailboxes, config, user, mailbox_out);
        leave(mailboxes);
        error = error == MAILMOD_OK ? MAILMOD_OK : fail_open(user, error);
    }
    mm_config_unref(&config);
    mm_open_mailboxes_unref(&mailboxes);
    return error;
}

/* What every call begins and ends with. */
static enum mailmod_error begin(mailmod_mailbox *mailbox)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_MAILBOX, mailbox);

    if (error == MAILMOD_OK) {
        error = enter(mailbox->mailboxes);
        if (error != MAILMOD_OK) {
            mm_handle_let(mailbox);
        }
    }
    return error;
}

static void end(mailmod_mailbox *mailbox)
{
    leave(mailbox->mailboxes);
    mm_handle_let(mailbox);
}

/* Locked. */
static bool is_deleted(const mailmod_mailbox *mailbox, size_t index)
{
    return (mailbox->deleted[index / 8] & (1u << (index % 8))) != 0;
}

/* Locked. Of what is not deleted. */
static bool find(const mailmod_mailbox *mailbox, const char *unique_id,
                 size_t *index_out)
{
    char text[MM_UNIQUE_ID_MAX];

    for (size_t i = 0; i < mm_mailbox_count(mailbox->inner); i++) {
        mm_mailbox_unique_id(mailbox->inner, i, text);
        if (strcmp(text, unique_id) == 0) {
            *index_out = i;
            return !is_deleted(mailbox, i);
        }
    }
    return false;
}

static enum mailmod_error show(mailmod_mailbox *mailbox, size_t index,
                               mailmod_on_mailbox_entry on_entry, void *context)
{
    char unique_id[MM_UNIQUE_ID_MAX];
    struct mailmod_mailbox_entry entry = {.size = sizeof entry,
                                          .unique_id = unique_id};
    struct mm_mailbox_detail detail;

    mm_mutex_lock(mailbox->mutex);
    bool is_here = !is_deleted(mailbox, index);
    mm_mailbox_unique_id(mailbox->inner, index, unique_id);
    entry.octets = mm_mailbox_size(mailbox->inner, index);
    enum mailmod_error error =
        is_here ? mm_mailbox_detail(mailbox->inner, index, &detail)
                : MAILMOD_ERROR_CANCELLED;
    mm_mutex_unlock(mailbox->mutex);
    if (error != MAILMOD_OK) {
        /* What somebody took away meanwhile is not listed. */
        return error == MAILMOD_ERROR_CANCELLED ? MAILMOD_OK : error;
    }
    entry.received_ms = detail.received_ms;
    entry.flags = detail.flags;
    callback_depth++;
    on_entry(context, &entry);
    callback_depth--;
    return MAILMOD_OK;
}

enum mailmod_error mailmod_mailbox_list(mailmod_mailbox *mailbox,
                                        mailmod_on_mailbox_entry on_entry,
                                        void *context)
{
    if (on_entry == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
    }
    enum mailmod_error error = begin(mailbox);
    if (error != MAILMOD_OK) {
        return error;
    }
    size_t count = mm_mailbox_count(mailbox->inner);
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        error = show(mailbox, i, on_entry, context);
    }
    end(mailbox);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "the listing: %s", mm_error_text(error));
}

/* OK: the mailbox's one reading is the caller's. */
static enum mailmod_error begin_reading(mailmod_mailbox *mailbox,
                                        const char *unique_id,
                                        size_t *index_out)
{
    enum mailmod_error error = MAILMOD_OK;

    mm_mutex_lock(mailbox->mutex);
    if (mailbox->is_reading) {
        error = mm_fail(MAILMOD_ERROR_BUSY,
                        "another message of this mailbox is being read");
    } else if (!find(mailbox, unique_id, index_out)) {
        error =
            mm_fail(MAILMOD_ERROR_NOT_FOUND, "%s: no such message", unique_id);
    }
    mailbox->is_reading = mailbox->is_reading || error == MAILMOD_OK;
    mm_mutex_unlock(mailbox->mutex);
    return error;
}

static void end_reading(mailmod_mailbox *mailbox)
{
    mm_mutex_lock(mailbox->mutex);
    mailbox->is_reading = false;
    mailbox->reading = NULL;
    mm_condition_broadcast(mailbox->has_read);
    mm_mutex_unlock(mailbox->mutex);
}

struct mailbox_text {
    struct mm_text_source source;
    mailmod_mailbox *mailbox; /* is_reading keeps it */
    size_t index;
    unsigned number; /* of the next piece */
};

static enum mailmod_error next_piece(struct mm_text_source *source,
                                     struct mm_buf *out)
{
    struct mailbox_text *text =
        MM_LIST_OBJECT(source, struct mailbox_text, source);
    uint64_t size;

    mm_mutex_lock(text->mailbox->mutex);
    enum mailmod_error error = mm_mailbox_read(
        text->mailbox->inner, text->index, text->number++, out, &size);
    mm_mutex_unlock(text->mailbox->mutex);
    return error;
}

static void end_text(struct mm_text_source *source)
{
    struct mailbox_text *text =
        MM_LIST_OBJECT(source, struct mailbox_text, source);

    end_reading(text->mailbox);
    mm_free(text);
}

enum mailmod_error mailmod_mailbox_read(mailmod_mailbox *mailbox,
                                        const char *unique_id,
                                        mailmod_on_octets on_octets,
                                        void *context)
{
    struct mailbox_text text = {.source.next = next_piece, .mailbox = mailbox};

    if (unique_id == NULL || on_octets == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL");
    }
    enum mailmod_error error = begin(mailbox);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = begin_reading(mailbox, unique_id, &text.index);
    if (error == MAILMOD_OK) {
        callback_depth++;
        error = mm_text_read_all(&text.source, on_octets, context);
        callback_depth--;
        if (error != MAILMOD_OK) {
            (void)mm_fail_text(error, unique_id);
        }
        end_reading(mailbox);
    }
    end(mailbox);
    return error;
}

/* With the table's lock of readings. */
static void begun(struct mm_text_source *source, mailmod_reading *reading)
{
    MM_LIST_OBJECT(source, struct mailbox_text, source)->mailbox->reading =
        reading;
}

static enum mailmod_error begin_pieces(mailmod_mailbox *mailbox,
                                       const char *unique_id,
                                       mailmod_on_piece on_piece, void *context,
                                       mailmod_reading **reading_out)
{
    struct mailbox_text *text = mm_alloc(sizeof *text);

    if (text == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    text->source = (struct mm_text_source){
        .next = next_piece, .end = end_text, .begun = begun};
    text->mailbox = mailbox;
    enum mailmod_error error = begin_reading(mailbox, unique_id, &text->index);
    if (error == MAILMOD_OK) {
        error = mm_reading_begin(mailbox->mailboxes->readings, &text->source,
                                 on_piece, context, reading_out);
        if (error != MAILMOD_OK) {
            end_reading(mailbox);
        }
    }
    if (error != MAILMOD_OK) {
        mm_free(text);
    }
    return error;
}

enum mailmod_error mailmod_mailbox_read_pieces(mailmod_mailbox *mailbox,
                                               const char *unique_id,
                                               mailmod_on_piece on_piece,
                                               void *context,
                                               mailmod_reading **reading_out)
{
    if (unique_id == NULL || on_piece == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL");
    }
    enum mailmod_error error = begin(mailbox);
    if (error == MAILMOD_OK) {
        error =
            begin_pieces(mailbox, unique_id, on_piece, context, reading_out);
        end(mailbox);
    }
    return error;
}

struct removal {
    struct mm_mailbox_removal base;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    bool is_done;
    enum mailmod_error error;
};

/* thread: the provider's */
static void on_removed(struct mm_mailbox_removal *base,
                       enum mailmod_error error)
{
    struct removal *removal = MM_LIST_OBJECT(base, struct removal, base);

    mm_mutex_lock(removal->mutex);
    removal->error = error;
    removal->is_done = true;
    mm_condition_signal(removal->condition);
    mm_mutex_unlock(removal->mutex);
}

/* Locked: the mailbox's next call waits for it. */
static enum mailmod_error remove_listed(mailmod_mailbox *mailbox,
                                        const size_t *indexes, size_t count)
{
    struct removal removal = {
        .base = {.indexes = indexes, .count = count, .done = on_removed}};
    enum mailmod_error error = mm_mutex_new(&removal.mutex);

    if (error == MAILMOD_OK) {
        error = mm_condition_new(&removal.condition);
    }
    if (error == MAILMOD_OK) {
        if (mm_mailbox_can(mailbox->inner, MM_MAILBOX_REMOVES_NOW)) {
            mm_mailbox_remove_now(mailbox->inner, &removal.base);
        } else {
            mm_mailbox_remove_list(mailbox->inner, &removal.base);
        }
        mm_mutex_lock(removal.mutex);
        while (!removal.is_done) {
            mm_condition_wait(removal.condition, removal.mutex);
        }
        mm_mutex_unlock(removal.mutex);
        error = removal.error;
    }
    mm_condition_free(&removal.condition);
    mm_mutex_free(&removal.mutex);
    return error;
}

/* Locked. Marks what is named, each once; then the marks become indexes that
 * rise. */
static enum mailmod_error choose(const mailmod_mailbox *mailbox,
                                 const char *const *unique_ids, size_t count,
                                 uint8_t *marks)
{
    for (size_t i = 0; i < count; i++) {
        size_t index = 0;

        if (unique_ids[i] == NULL || !find(mailbox, unique_ids[i], &index)) {
            return mm_fail(MAILMOD_ERROR_NOT_FOUND, "%s: no such message",
                           unique_ids[i] != NULL ? unique_ids[i] : "NULL");
        }
        marks[index / 8] |= (uint8_t)(1u << (index % 8));
    }
    return MAILMOD_OK;
}

/* Locked. */
static enum mailmod_error remove_marked(mailmod_mailbox *mailbox,
                                        const uint8_t *marks)
{
    size_t all = mm_mailbox_count(mailbox->inner);
    size_t *indexes = mm_alloc_array(all + 1, sizeof *indexes);
    size_t count = 0;

    if (indexes == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < all; i++) {
        if ((marks[i / 8] & (1u << (i % 8))) != 0) {
            indexes[count++] = i;
        }
    }
    enum mailmod_error error = remove_listed(mailbox, indexes, count);
    for (size_t i = 0; error == MAILMOD_OK && i < all / 8 + 1; i++) {
        mailbox->deleted[i] |= marks[i];
    }
    mm_free(indexes);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "nothing was deleted: %s",
                                         mm_error_text(error));
}

enum mailmod_error mailmod_mailbox_delete(mailmod_mailbox *mailbox,
                                          const char *const *unique_ids,
                                          size_t count)
{
    if (unique_ids == NULL && count > 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "unique_ids is NULL");
    }
    enum mailmod_error error = begin(mailbox);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_mutex_lock(mailbox->mutex);
    uint8_t *marks = mm_alloc(mm_mailbox_count(mailbox->inner) / 8 + 1);
    error = marks != NULL ? choose(mailbox, unique_ids, count, marks)
                          : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    if (error == MAILMOD_OK && count > 0) {
        error = remove_marked(mailbox, marks);
    }
    mm_mutex_unlock(mailbox->mutex);
    mm_free(marks);
    end(mailbox);
    return error;
}

/* Nobody begins one any more. */
static void await_reading(mailmod_mailbox *mailbox)
{
    mm_mutex_lock(mailbox->mutex);
    while (mailbox->is_reading) {
        /* With the lock: until end_reading the handle is this reading's. */
        (void)mailmod_reading_cancel(mailbox->reading);
        mm_condition_wait(mailbox->has_read, mailbox->mutex);
    }
    mm_mutex_unlock(mailbox->mutex);
}

enum mailmod_error mailmod_mailbox_close(mailmod_mailbox **mailbox_in)
{
    if (mailbox_in == NULL || *mailbox_in == NULL) {
        return MAILMOD_OK;
    }
    mailmod_mailbox *mailbox = *mailbox_in;
    if (callback_depth > 0 || mm_reading_is_callback()) {
        return mm_fail(MAILMOD_ERROR_STATE,
                       "not in a callback of a mailbox or a reading");
    }
    enum mailmod_error error = mm_handle_remove(MM_HANDLE_MAILBOX, mailbox, 0);
    if (error != MAILMOD_OK) {
        return error;
    }
    *mailbox_in = NULL;
    await_reading(mailbox);
    mm_mutex_lock(mailbox->mailboxes->mutex);
    mm_list_remove(&mailbox->node);
    mm_mailbox_close(&mailbox->inner); /* with the table's lock: not while it
                                          is ended */
    mm_mutex_unlock(mailbox->mailboxes->mutex);
    free_mailbox(mailbox);
    return MAILMOD_OK;
}
