/* mailbox.c - the store's own mailboxes, opened for one POP3 session each.
 *
 * Owns: the listing as it was at the opening (24 octets an entry), and the
 * claim on the mailbox. Promises: one session a mailbox; numbers, sizes and
 * unique-ids do not move while it is open; a unique-id is the mailbox's tag and
 * the entry's number in hexadecimal, never reused, 1 to 70 characters.
 *
 * The Return-Path field (RFC 5321 4.4) is made when a message is served; the
 * stored body is the queue's and every mailbox's.
 * Thread: worker for what reads the store; the locks are any thread's. */
#include "mailbox/mailbox.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "platform/random.h"
#include "platform/thread.h"

#include <string.h>

#define OPEN_MAX 100000

struct mm_mailbox_locks {
    struct mm_mutex *mutex;
    struct mm_map open; /* mailbox id -> anything */
};

struct mm_mailbox {
    struct mm_store *store;
    struct mm_mailbox_locks *locks;
    uint64_t mailbox_id;
    uint32_t tag;
    struct mm_mailbox_entry *entries;
    size_t count;
    /* The message that is being read piece by piece. */
    size_t read_index;
    unsigned read_next; /* the piece that continues it */
    uint64_t read_octets;
};

enum mailmod_error mm_mailbox_locks_new(struct mm_mailbox_locks **locks_out)
{
    struct mm_mailbox_locks *locks = mm_alloc(sizeof *locks);
    uint64_t seed = 0;

    *locks_out = NULL;
    if (locks == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_random(&seed, sizeof seed);
    mm_map_init(&locks->open, OPEN_MAX, seed);
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&locks->mutex);
    }
    if (error != MAILMOD_OK) {
        mm_mailbox_locks_free(&locks);
        return error;
    }
    *locks_out = locks;
    return MAILMOD_OK;
}

void mm_mailbox_locks_free(struct mm_mailbox_locks **locks_in)
{
    struct mm_mailbox_locks *locks = *locks_in;

    *locks_in = NULL;
    if (locks != NULL) {
        mm_map_fini(&locks->open);
        mm_mutex_free(&locks->mutex);
        mm_free(locks);
    }
}

static struct mm_span key_of(const uint64_t *mailbox_id)
{
    return mm_span((const char *)mailbox_id, sizeof *mailbox_id);
}

static enum mailmod_error claim(struct mm_mailbox_locks *locks,
                                uint64_t mailbox_id)
{
    enum mailmod_error error = MAILMOD_ERROR_BUSY;

    mm_mutex_lock(locks->mutex);
    if (mm_map_get(&locks->open, key_of(&mailbox_id)) == NULL) {
        error = mm_map_put(&locks->open, key_of(&mailbox_id), locks);
    }
    mm_mutex_unlock(locks->mutex);
    return error;
}

static void unclaim(struct mm_mailbox_locks *locks, uint64_t mailbox_id)
{
    mm_mutex_lock(locks->mutex);
    (void)mm_map_remove(&locks->open, key_of(&mailbox_id));
    mm_mutex_unlock(locks->mutex);
}

static enum mailmod_error read_listing(struct mm_mailbox *mailbox)
{
    struct mm_store_entry *entries = NULL;
    enum mailmod_error error = mm_store_mailbox_tag(
        mailbox->store, mailbox->mailbox_id, &mailbox->tag);

    if (error == MAILMOD_OK) {
        error = mm_store_list_entries(mailbox->store, mailbox->mailbox_id,
                                      &entries, &mailbox->count);
    }
    if (error == MAILMOD_OK && mailbox->count > 0) {
        mailbox->entries =
            mm_alloc_array(mailbox->count, sizeof *mailbox->entries);
        if (mailbox->entries == NULL) {
            error = MAILMOD_ERROR_MEMORY;
        }
    }
    for (size_t i = 0; error == MAILMOD_OK && i < mailbox->count; i++) {
        mailbox->entries[i] = (struct mm_mailbox_entry){
            entries[i].unique_number, entries[i].size, entries[i].message_id};
    }
    mm_free(entries);
    return error;
}

enum mailmod_error mm_mailbox_open(struct mm_mailbox **mailbox_out,
                                   struct mm_store *store,
                                   struct mm_mailbox_locks *locks,
                                   uint64_t mailbox_id)
{
    enum mailmod_error error = claim(locks, mailbox_id);

    *mailbox_out = NULL;
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_mailbox *mailbox = mm_alloc(sizeof *mailbox);
    if (mailbox == NULL) {
        unclaim(locks, mailbox_id);
        return MAILMOD_ERROR_MEMORY;
    }
    mailbox->store = store;
    mailbox->locks = locks;
    mailbox->mailbox_id = mailbox_id;
    error = read_listing(mailbox);
    if (error != MAILMOD_OK) {
        mm_mailbox_close(&mailbox);
        return error;
    }
    *mailbox_out = mailbox;
    return MAILMOD_OK;
}

void mm_mailbox_close(struct mm_mailbox **mailbox_in)
{
    struct mm_mailbox *mailbox = *mailbox_in;

    *mailbox_in = NULL;
    if (mailbox != NULL) {
        unclaim(mailbox->locks, mailbox->mailbox_id);
        mm_free(mailbox->entries);
        mm_free(mailbox);
    }
}

size_t mm_mailbox_count(const struct mm_mailbox *mailbox)
{
    return mailbox->count;
}

const struct mm_mailbox_entry *
mm_mailbox_entry(const struct mm_mailbox *mailbox, size_t index)
{
    return index < mailbox->count ? &mailbox->entries[index] : NULL;
}

static char *write_hex(char *out, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    return out + digits;
}

void mm_mailbox_unique_id(const struct mm_mailbox *mailbox, size_t index,
                          char text_out[MM_UNIQUE_ID_MAX])
{
    char *end = write_hex(text_out, mailbox->tag, 8);

    *end++ = '.';
    end = write_hex(end, mailbox->entries[index].unique_number, 12);
    *end = '\0';
}

static const char return_path_begin[] = "Return-Path: <";
static const char return_path_end[] = ">\r\n";

size_t mm_mailbox_return_path_size(const char *reverse_path)
{
    return sizeof return_path_begin - 1 + strlen(reverse_path) +
           sizeof return_path_end - 1;
}

static enum mailmod_error write_return_path(struct mm_mailbox *mailbox,
                                            uint64_t message_id,
                                            struct mm_buf *out)
{
    struct mm_store_message message;
    enum mailmod_error error =
        mm_store_find_message(mailbox->store, message_id, &message);

    mm_buf_clear(out);
    if (error != MAILMOD_OK) {
        return error;
    }
    (void)mm_buf_append_cstr(out, return_path_begin);
    (void)mm_buf_append_cstr(out, message.reverse_path);
    (void)mm_buf_append_cstr(out, return_path_end);
    return mm_buf_error(out);
}

/* Piece 0 is the field and the first chunk together: a small message is one
 * read. A message without any chunk is the field alone. */
static enum mailmod_error read_first(struct mm_mailbox *mailbox,
                                     uint64_t message_id, struct mm_buf *out)
{
    enum mailmod_error error = write_return_path(mailbox, message_id, out);

    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_ERROR_STORAGE_DAMAGED
                                                : error;
    }
    struct mm_buf chunk;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    error = mm_store_read_chunk(mailbox->store, message_id, 0, &chunk);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(out, mm_buf_span(&chunk));
    } else if (error == MAILMOD_ERROR_NOT_FOUND) {
        error = MAILMOD_OK;
    }
    mm_buf_fini(&chunk);
    return error;
}

/* Counts what is served: a message that lost its end is damaged, and not a
 * shorter one. Pieces out of turn (TOP's are in turn) are not counted. */
static enum mailmod_error count_piece(struct mm_mailbox *mailbox, size_t index,
                                      unsigned number, size_t size,
                                      enum mailmod_error error)
{
    if (number == 0) {
        mailbox->read_index = index;
        mailbox->read_next = 0;
        mailbox->read_octets = 0;
    }
    if (index != mailbox->read_index || number != mailbox->read_next) {
        return error;
    }
    if (error == MAILMOD_OK) {
        mailbox->read_next++;
        mailbox->read_octets += size;
    } else if (error == MAILMOD_ERROR_NOT_FOUND &&
               mailbox->read_octets < mailbox->entries[index].size) {
        error = MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    return error;
}

enum mailmod_error mm_mailbox_read(struct mm_mailbox *mailbox, size_t index,
                                   unsigned number, struct mm_buf *out)
{
    if (index >= mailbox->count) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    uint64_t message_id = mailbox->entries[index].message_id;
    enum mailmod_error error =
        number == 0
            ? read_first(mailbox, message_id, out)
            : mm_store_read_chunk(mailbox->store, message_id, number, out);
    return count_piece(mailbox, index, number, mm_buf_size(out), error);
}

static enum mailmod_error run_removal(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    struct mm_mailbox_removal *removal =
        MM_LIST_OBJECT(job, struct mm_mailbox_removal, job);

    return mm_store_remove_entries(transaction, removal->mailbox_id,
                                   removal->unique_numbers, removal->count);
}

static void removal_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct mm_mailbox_removal *removal =
        MM_LIST_OBJECT(job, struct mm_mailbox_removal, job);

    removal->done(removal, error);
}

void mm_mailbox_remove(struct mm_mailbox *mailbox,
                       struct mm_mailbox_removal *removal)
{
    removal->mailbox_id = mailbox->mailbox_id;
    removal->job.run = run_removal;
    removal->job.done = removal_done;
    mm_store_submit(mailbox->store, &removal->job);
}
