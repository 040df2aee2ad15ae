/* provider.c - the calls of provider.h, checked and handed to the provider.
 *
 * Owns the claim on a mailbox, from before the provider opens it until after it
 * closed it. Promises: one opening at a time; a provider sees indexes of the
 * listing alone, and a verb that it has not is an error and no call. Thread: as
 * provider.h says. */
#include "mailbox/provider.h"

#include "mailbox/unique_ids.h"

bool mm_mailbox_is_unique_id(struct mm_span text)
{
    bool is_good =
        text.size > 0 && text.size < MM_UNIQUE_ID_MAX && !mm_span_is(text, "_");

    for (size_t i = 0; is_good && i < text.size; i++) {
        is_good = text.data[i] >= 33 && text.data[i] <= 126;
    }
    return is_good;
}

void mm_mailbox_init(struct mm_mailbox *mailbox,
                     const struct mm_mailbox_provider *provider,
                     const struct mm_mailbox_owner *owner)
{
    mailbox->verbs = provider->verbs;
    mailbox->store = provider->store;
    mailbox->mailbox_id = owner->mailbox_id;
}

enum mailmod_error mm_mailbox_open(struct mm_mailbox_provider *provider,
                                   const struct mm_mailbox_owner *owner,
                                   struct mm_mailbox **mailbox_out)
{
    *mailbox_out = NULL;
    enum mailmod_error error =
        mm_store_lock_mailbox(provider->store, owner->mailbox_id);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = provider->verbs->open(provider, owner, mailbox_out);
    if (error != MAILMOD_OK) {
        mm_store_unlock_mailbox(provider->store, owner->mailbox_id);
    }
    return error;
}

void mm_mailbox_close(struct mm_mailbox **mailbox_in)
{
    struct mm_mailbox *mailbox = *mailbox_in;

    *mailbox_in = NULL;
    if (mailbox == NULL) {
        return;
    }
    struct mm_store *store = mailbox->store;
    uint64_t mailbox_id = mailbox->mailbox_id;
    mm_unique_ids_free(&mailbox->ids);
    mailbox->verbs->close(mailbox);
    if (store != NULL) {
        mm_store_unlock_mailbox(store, mailbox_id);
    }
}

bool mm_mailbox_can(const struct mm_mailbox *mailbox,
                    enum mm_mailbox_capability capability)
{
    return (mailbox->verbs->capabilities & capability) != 0;
}

size_t mm_mailbox_count(const struct mm_mailbox *mailbox)
{
    return mailbox->count;
}

size_t mm_mailbox_known(const struct mm_mailbox *mailbox)
{
    return mailbox->count + mailbox->late_count;
}

bool mm_mailbox_is_read_only(const struct mm_mailbox *mailbox)
{
    return mailbox->is_read_only;
}

/* The table grows with what is known. */
static enum mailmod_error find_known(struct mm_mailbox *mailbox,
                                     struct mm_span unique_id,
                                     size_t *index_out)
{
    if (mailbox->ids != NULL &&
        mm_unique_ids_count(mailbox->ids) != mm_mailbox_known(mailbox)) {
        mm_unique_ids_free(&mailbox->ids);
    }
    enum mailmod_error error = mailbox->ids == NULL
                                   ? mm_unique_ids_new(&mailbox->ids, mailbox)
                                   : MAILMOD_OK;
    return error == MAILMOD_OK
               ? mm_unique_ids_find(mailbox->ids, mailbox, unique_id, index_out)
               : error;
}

enum mailmod_error mm_mailbox_find(struct mm_mailbox *mailbox,
                                   struct mm_span unique_id, size_t *index_out)
{
    size_t known = mm_mailbox_known(mailbox);
    enum mailmod_error error = find_known(mailbox, unique_id, index_out);

    if (error != MAILMOD_ERROR_NOT_FOUND || mailbox->verbs->find == NULL) {
        return error;
    }
    error = mailbox->verbs->find(mailbox, unique_id);
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_mailbox_known(mailbox) > known
               ? find_known(mailbox, unique_id, index_out)
               : MAILMOD_ERROR_NOT_FOUND;
}

void mm_mailbox_seek(struct mm_mailbox *mailbox, const char *unique_id,
                     size_t *index_out, struct mm_mailbox_question *question)
{
    struct mm_span text = mm_span_cstr(unique_id);
    enum mailmod_error error = mm_mailbox_find(mailbox, text, index_out);

    if (error == MAILMOD_ERROR_NOT_FOUND && mailbox->verbs->seek != NULL &&
        mm_mailbox_is_unique_id(text)) {
        mailbox->verbs->seek(mailbox, unique_id, index_out, question);
        return;
    }
    question->done(question, error);
}

uint64_t mm_mailbox_size(const struct mm_mailbox *mailbox, size_t index)
{
    return index < mm_mailbox_known(mailbox)
               ? mailbox->verbs->size(mailbox, index)
               : 0;
}

void mm_mailbox_unique_id(const struct mm_mailbox *mailbox, size_t index,
                          char text_out[MM_UNIQUE_ID_MAX])
{
    text_out[0] = '\0';
    if (index < mm_mailbox_known(mailbox)) {
        mailbox->verbs->unique_id(mailbox, index, text_out);
    }
}

enum mailmod_error mm_mailbox_read(struct mm_mailbox *mailbox, size_t index,
                                   unsigned number, struct mm_buf *out,
                                   uint64_t *size_out)
{
    if (index >= mm_mailbox_known(mailbox)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return mailbox->verbs->read(mailbox, index, number, out, size_out);
}

void mm_mailbox_ask(struct mm_mailbox *mailbox, size_t index, unsigned number,
                    struct mm_buf *out, uint64_t *size_out,
                    struct mm_mailbox_question *question)
{
    if (!mm_mailbox_can(mailbox, MM_MAILBOX_ANSWERS_LATER)) {
        question->done(question,
                       mm_mailbox_read(mailbox, index, number, out, size_out));
    } else if (index >= mm_mailbox_known(mailbox)) {
        question->done(question, MAILMOD_ERROR_ARGUMENT);
    } else {
        mailbox->verbs->ask(mailbox, index, number, out, size_out, question);
    }
}

void mm_mailbox_read_end(struct mm_mailbox *mailbox)
{
    if (mailbox->verbs->read_end != NULL) {
        mailbox->verbs->read_end(mailbox);
    }
}

void mm_mailbox_authenticate(struct mm_mailbox *mailbox, const char *password,
                             struct mm_mailbox_question *question)
{
    mailbox->verbs->authenticate(mailbox, password, question);
}

void mm_mailbox_list(struct mm_mailbox *mailbox,
                     struct mm_mailbox_question *question)
{
    mailbox->verbs->list(mailbox, question);
}

void mm_mailbox_unlist(struct mm_mailbox *mailbox)
{
    mm_unique_ids_free(&mailbox->ids);
    mailbox->verbs->unlist(mailbox);
}

enum mailmod_error mm_mailbox_detail(struct mm_mailbox *mailbox, size_t index,
                                     struct mm_mailbox_detail *detail_out)
{
    *detail_out = (struct mm_mailbox_detail){.received_ms = 0};
    if (index >= mm_mailbox_known(mailbox)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return mailbox->verbs->detail != NULL
               ? mailbox->verbs->detail(mailbox, index, detail_out)
               : MAILMOD_OK;
}

/* What is wrong with it. Rising indexes: the last one is the largest. */
static enum mailmod_error check_change(const struct mm_mailbox *mailbox,
                                       const size_t *indexes, size_t count)
{
    if (count == 0) {
        return MAILMOD_OK;
    }
    if (indexes[count - 1] >= mm_mailbox_known(mailbox)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return mailbox->is_read_only ? MAILMOD_ERROR_ACCESS : MAILMOD_OK;
}

enum mailmod_error mm_mailbox_mark_seen(struct mm_mailbox *mailbox,
                                        const size_t *indexes, size_t count)
{
    enum mailmod_error error = mm_mailbox_can(mailbox, MM_MAILBOX_MARKS_SEEN)
                                   ? check_change(mailbox, indexes, count)
                                   : MAILMOD_ERROR_STATE;

    return error == MAILMOD_OK && count > 0
               ? mailbox->verbs->mark_seen(mailbox, indexes, count)
               : error;
}

void mm_mailbox_remove_list(struct mm_mailbox *mailbox,
                            struct mm_mailbox_removal *removal)
{
    enum mailmod_error error =
        check_change(mailbox, removal->indexes, removal->count);

    if (error != MAILMOD_OK) {
        removal->done(removal, error);
        return;
    }
    mailbox->verbs->remove_list(mailbox, removal);
}

void mm_mailbox_remove_now(struct mm_mailbox *mailbox,
                           struct mm_mailbox_removal *removal)
{
    enum mailmod_error error =
        mm_mailbox_can(mailbox, MM_MAILBOX_REMOVES_NOW)
            ? check_change(mailbox, removal->indexes, removal->count)
            : MAILMOD_ERROR_STATE;

    if (error != MAILMOD_OK) {
        removal->done(removal, error);
        return;
    }
    mailbox->verbs->remove_now(mailbox, removal);
}
