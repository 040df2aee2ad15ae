/* store_mailbox.c - the store's own mailboxes, opened for one session each.
 *
 * Owns: the listing as it was at the opening (24 octets an entry), and behind
 * it what came later and was asked for. Promises:
 * numbers, sizes and unique-ids do not move while it is open. A unique-id is
 * the text that the message was imported with, or the mailbox's tag and the
 * entry's number in hexadecimal, never reused. A removal is one transaction of
 * the store.
 *
 * The Return-Path field (RFC 5321 4.4) and those that tell for whom the copy
 * was meant are made when a message is served; the stored body is the queue's
 * and every mailbox's.
 * Thread: as provider.h says; a removal is answered on the store's writer. */
#include "mailbox/store_mailbox.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mailbox/plus_folder.h"

#include <string.h>

struct entry {
    uint64_t unique_number;
    uint64_t has_address : 1; /* the entry tells for whom it was meant */
    uint64_t marks : 9;       /* MM_MAIL_MARKS */
    uint64_t size : 54;
    uint64_t message_id;
};

struct store_mailbox {
    struct mm_mailbox base;
    uint32_t tag;
    struct entry *entries; /* the listing, and late messages behind it */
    char **uidls;          /* of imported messages; NULL: there are none */
    size_t uidl_count;     /* places there */
    uint64_t last_number;  /* that was looked at, ours or not */
    struct mm_plus_folder folder;
    /* The message that is being read piece by piece. */
    size_t read_index;
    unsigned read_next; /* the piece that continues it */
    uint64_t read_octets;
    /* The removal that is out. */
    struct mm_store_job job;
    struct mm_mailbox_removal *removal;
    uint64_t *numbers;
};

static struct store_mailbox *cast(struct mm_mailbox *mailbox)
{
    return MM_LIST_OBJECT(mailbox, struct store_mailbox, base);
}

static const struct store_mailbox *look(const struct mm_mailbox *mailbox)
{
    return MM_LIST_OBJECT(mailbox, const struct store_mailbox, base);
}

static char *write_hex(char *out, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    return out + digits;
}

/* It could be the one of an entry of ours, now or later. */
static bool is_ours(const struct store_mailbox *box, const char *text)
{
    char own[MM_UNIQUE_ID_MAX];
    char *end = write_hex(own, box->tag, 8);

    return strncmp(text, own, (size_t)(end - own)) == 0 && text[8] == '.';
}

/* A place for each message that is known. */
static enum mailmod_error grow_uidls(struct store_mailbox *box)
{
    size_t known = mm_mailbox_known(&box->base);
    char **grown = mm_alloc_array(known, sizeof *grown);

    if (grown == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (box->uidl_count > 0) {
        memcpy(grown, box->uidls, box->uidl_count * sizeof *grown);
    }
    mm_free(box->uidls);
    box->uidls = grown;
    box->uidl_count = known;
    return MAILMOD_OK;
}

/* What the message was called where it came from. */
static enum mailmod_error keep_uidl(struct store_mailbox *box, size_t index)
{
    struct mm_store_entry_detail detail;
    enum mailmod_error error =
        mm_store_find_entry(box->base.store, box->base.mailbox_id,
                            box->entries[index].unique_number, &detail);

    if (error == MAILMOD_ERROR_NOT_FOUND ||
        (error == MAILMOD_OK &&
         (!mm_mailbox_is_unique_id(mm_span_cstr(detail.uidl)) ||
          is_ours(box, detail.uidl)))) {
        return MAILMOD_OK; /* gone meanwhile, or without a text that can be one
                            */
    }
    if (error == MAILMOD_OK && index >= box->uidl_count) {
        error = grow_uidls(box);
    }
    if (error == MAILMOD_OK) {
        box->uidls[index] = mm_strdup(detail.uidl);
        error = box->uidls[index] == NULL ? MAILMOD_ERROR_MEMORY : MAILMOD_OK;
    }
    return error;
}

/* `first` are there already, `entries` come behind them; both are counted as
 * known. */
static enum mailmod_error take_entries(struct store_mailbox *box, size_t first,
                                       const struct mm_store_entry *entries)
{
    enum mailmod_error error = MAILMOD_OK;
    size_t known = mm_mailbox_known(&box->base);
    struct entry *grown = mm_alloc_array(known, sizeof *grown);

    if (grown == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (first > 0) {
        memcpy(grown, box->entries, first * sizeof *grown);
    }
    mm_free(box->entries);
    box->entries = grown;
    for (size_t i = 0; i < known - first; i++) {
        grown[first + i] = (struct entry){
            entries[i].unique_number,
            (entries[i].flags & MM_ENTRY_HAS_ADDRESS) != 0 ? 1u : 0u,
            (entries[i].flags >> MM_ENTRY_MARKS_SHIFT) & MM_MAIL_MARKS,
            entries[i].size & (UINT64_MAX >> 10), entries[i].message_id};
    }
    for (size_t i = 0; error == MAILMOD_OK && i < known - first; i++) {
        if ((entries[i].flags & MM_ENTRY_HAS_DETAIL) != 0) {
            error = keep_uidl(box, first + i);
        }
    }
    return error;
}

/* What came to the user's own address keeps no other one. */
static enum mailmod_error is_in_folder(const struct store_mailbox *box,
                                       const struct mm_store_entry *entry,
                                       bool *is_out)
{
    struct mm_store_entry_detail detail = {.delivered_to = ""};
    enum mailmod_error error =
        (entry->flags & (MM_ENTRY_HAS_DETAIL | MM_ENTRY_HAS_ADDRESS)) != 0
            ? mm_store_find_entry(box->base.store, box->base.mailbox_id,
                                  entry->unique_number, &detail)
            : MAILMOD_OK;

    *is_out = error == MAILMOD_OK &&
              mm_plus_folder_has(&box->folder, detail.delivered_to);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error; /* gone */
}

/* Leaves the entries that are in the folder. */
static enum mailmod_error sift(struct store_mailbox *box,
                               struct mm_store_entry *entries, size_t *count)
{
    enum mailmod_error error = MAILMOD_OK;
    size_t kept = 0;

    if (*count > 0) {
        box->last_number = entries[*count - 1].unique_number;
    }
    for (size_t i = 0; box->folder.is_on && error == MAILMOD_OK && i < *count;
         i++) {
        bool is_in = false;

        error = is_in_folder(box, &entries[i], &is_in);
        if (is_in) {
            entries[kept++] = entries[i];
        }
    }
    *count = box->folder.is_on ? kept : *count;
    return error;
}

static enum mailmod_error read_listing(struct store_mailbox *box)
{
    struct mm_store_entry *entries = NULL;
    size_t count = 0;
    enum mailmod_error error =
        mm_store_mailbox_tag(box->base.store, box->base.mailbox_id, &box->tag);

    if (error == MAILMOD_OK) {
        error = mm_store_list_entries(box->base.store, box->base.mailbox_id,
                                      &entries, &count);
    }
    if (error == MAILMOD_OK) {
        error = sift(box, entries, &count);
    }
    if (error == MAILMOD_OK && count > 0) {
        box->base.count = count;
        error = take_entries(box, 0, entries);
    }
    mm_free(entries);
    return error;
}

/* All that came since: numbers rise. */
static enum mailmod_error find_late(struct mm_mailbox *mailbox,
                                    struct mm_span unique_id)
{
    struct store_mailbox *box = cast(mailbox);
    size_t known = mm_mailbox_known(mailbox);
    struct mm_store_entry *entries = NULL;
    size_t count = 0;

    (void)unique_id;
    enum mailmod_error error =
        mm_store_list_entries_after(mailbox->store, mailbox->mailbox_id,
                                    box->last_number, &entries, &count);
    if (error == MAILMOD_OK) {
        error = sift(box, entries, &count);
    }
    if (error == MAILMOD_OK && count > 0) {
        mailbox->late_count += count;
        error = take_entries(box, known, entries);
        if (error != MAILMOD_OK) {
            mailbox->late_count -= count;
        }
    }
    mm_free(entries);
    return error;
}

static void close_mailbox(struct mm_mailbox *mailbox)
{
    struct store_mailbox *box = cast(mailbox);

    for (size_t i = 0; i < box->uidl_count; i++) {
        mm_free(box->uidls[i]);
    }
    mm_free(box->uidls);
    mm_free(box->entries);
    mm_free(box->numbers);
    mm_free(box);
}

static uint64_t size_of(const struct mm_mailbox *mailbox, size_t index)
{
    return look(mailbox)->entries[index].size;
}

void mm_store_unique_id(uint32_t tag, uint64_t number,
                        char text_out[MM_UNIQUE_ID_MAX])
{
    char *end = write_hex(text_out, tag, 8);

    *end++ = '.';
    end = write_hex(end, number, 12);
    *end = '\0';
}

static void unique_id(const struct mm_mailbox *mailbox, size_t index,
                      char text_out[MM_UNIQUE_ID_MAX])
{
    const struct store_mailbox *box = look(mailbox);

    if (index < box->uidl_count && box->uidls[index] != NULL &&
        mm_span_copy(mm_span_cstr(box->uidls[index]), text_out,
                     MM_UNIQUE_ID_MAX)) {
        return;
    }
    mm_store_unique_id(box->tag, box->entries[index].unique_number, text_out);
}

static void put_field(struct mm_buf *out, const char *begin, const char *text,
                      const char *end)
{
    (void)mm_buf_append_cstr(out, begin);
    (void)mm_buf_append_cstr(out, text);
    (void)mm_buf_append_cstr(out, end);
}

enum mailmod_error mm_mailbox_fields_write(struct mm_buf *out,
                                           const char *reverse_path,
                                           const char *delivered_to,
                                           const char *original_to)
{
    put_field(out, "Return-Path: <", reverse_path, ">\r\n");
    if (original_to[0] != '\0') {
        put_field(out, "X-Original-To: ", original_to, "\r\n");
    }
    if (delivered_to[0] != '\0') {
        put_field(out, "Delivered-To: ", delivered_to, "\r\n");
    }
    return mm_buf_error(out);
}

static size_t field_size(const char *text, size_t name_size)
{
    return text[0] != '\0' ? name_size + strlen(text) + 2 : 0;
}

size_t mm_mailbox_fields_size(const char *reverse_path,
                              const char *delivered_to, const char *original_to)
{
    return sizeof "Return-Path: <>" - 1 + strlen(reverse_path) + 2 +
           field_size(original_to, sizeof "X-Original-To: " - 1) +
           field_size(delivered_to, sizeof "Delivered-To: " - 1);
}

static enum mailmod_error write_fields(struct store_mailbox *box,
                                       const struct entry *entry,
                                       struct mm_buf *out)
{
    struct mm_store_message message;
    struct mm_store_entry_detail detail = {.notify = 0};
    enum mailmod_error error =
        mm_store_find_message(box->base.store, entry->message_id, &message);

    mm_buf_clear(out);
    if (error == MAILMOD_OK && entry->has_address) {
        error = mm_store_find_entry(box->base.store, box->base.mailbox_id,
                                    entry->unique_number, &detail);
    }
    return error == MAILMOD_OK
               ? mm_mailbox_fields_write(
                     out,
                     detail.has_reverse_path ? detail.reverse_path
                                             : message.reverse_path,
                     detail.delivered_to, detail.original_to)
               : error;
}

/* Piece 0 is the fields and the first chunk together: a small message is one
 * read. A message without any chunk is the fields alone. */
static enum mailmod_error read_first(struct store_mailbox *box,
                                     const struct entry *entry,
                                     struct mm_buf *out)
{
    enum mailmod_error error = write_fields(box, entry, out);

    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_ERROR_STORAGE_DAMAGED
                                                : error;
    }
    struct mm_buf chunk;
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    error = mm_store_read_chunk(box->base.store, entry->message_id, 0, &chunk);
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
static enum mailmod_error count_piece(struct store_mailbox *box, size_t index,
                                      unsigned number, size_t size,
                                      enum mailmod_error error)
{
    if (number == 0) {
        box->read_index = index;
        box->read_next = 0;
        box->read_octets = 0;
    }
    if (index != box->read_index || number != box->read_next) {
        return error;
    }
    if (error == MAILMOD_OK) {
        box->read_next++;
        box->read_octets += size;
    } else if (error == MAILMOD_ERROR_NOT_FOUND &&
               box->read_octets < box->entries[index].size) {
        error = MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    return error;
}

/* What is no more is not damaged: the user was removed, or a tool took the
 * message away. */
static enum mailmod_error name_loss(const struct store_mailbox *box,
                                    size_t index)
{
    struct mm_store_entry_detail detail;
    uint32_t tag;

    if (mm_store_mailbox_tag(box->base.store, box->base.mailbox_id, &tag) ==
        MAILMOD_ERROR_NOT_FOUND) {
        return MAILMOD_ERROR_STOPPED;
    }
    return mm_store_find_entry(box->base.store, box->base.mailbox_id,
                               box->entries[index].unique_number,
                               &detail) == MAILMOD_ERROR_NOT_FOUND
               ? MAILMOD_ERROR_CANCELLED
               : MAILMOD_ERROR_STORAGE_DAMAGED;
}

static enum mailmod_error read_piece(struct mm_mailbox *mailbox, size_t index,
                                     unsigned number, struct mm_buf *out,
                                     uint64_t *size_out)
{
    struct store_mailbox *box = cast(mailbox);
    const struct entry *entry = &box->entries[index];
    enum mailmod_error error =
        number == 0 ? read_first(box, entry, out)
                    : mm_store_read_chunk(box->base.store, entry->message_id,
                                          number, out);

    if (number == 0) {
        *size_out = entry->size;
    }
    error = count_piece(box, index, number, mm_buf_size(out), error);
    return error == MAILMOD_ERROR_STORAGE_DAMAGED ? name_loss(box, index)
                                                  : error;
}

static enum mailmod_error detail_of(struct mm_mailbox *mailbox, size_t index,
                                    struct mm_mailbox_detail *detail_out)
{
    struct store_mailbox *box = cast(mailbox);
    struct mm_store_message message;
    enum mailmod_error error = mm_store_find_message(
        box->base.store, box->entries[index].message_id, &message);

    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_NOT_FOUND ? name_loss(box, index) : error;
    }
    detail_out->received_ms = message.arrival_ms;
    detail_out->flags = (message.is_8bit ? MAILMOD_MAIL_8BIT : 0u) |
                        (message.is_smtputf8 ? MAILMOD_MAIL_SMTPUTF8 : 0u) |
                        (message.is_report ? MAILMOD_MAIL_REPORT : 0u) |
                        box->entries[index].marks;
    return MAILMOD_OK;
}

static enum mailmod_error run_removal(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    struct store_mailbox *box = MM_LIST_OBJECT(job, struct store_mailbox, job);

    const struct mm_mailbox_removal *removal = box->removal;

    return removal->keep_ms > 0
               ? mm_store_keep_entries(transaction, box->base.mailbox_id,
                                       box->numbers, removal->count,
                                       removal->keep_ms)
               : mm_store_remove_entries(transaction, box->base.mailbox_id,
                                         box->numbers, removal->count);
}

/* The mailbox may be closed, and freed, as soon as `done` was told. */
static void removal_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct store_mailbox *box = MM_LIST_OBJECT(job, struct store_mailbox, job);
    struct mm_mailbox_removal *removal = box->removal;

    mm_free(box->numbers);
    box->numbers = NULL;
    box->removal = NULL;
    removal->done(removal, error);
}

static void remove_messages(struct mm_mailbox *mailbox,
                            struct mm_mailbox_removal *removal)
{
    struct store_mailbox *box = cast(mailbox);

    box->numbers = mm_alloc_array(removal->count + 1, sizeof *box->numbers);
    if (box->numbers == NULL) {
        removal->done(removal, MAILMOD_ERROR_MEMORY);
        return;
    }
    for (size_t i = 0; i < removal->count; i++) {
        box->numbers[i] = box->entries[removal->indexes[i]].unique_number;
    }
    box->removal = removal;
    box->job.run = run_removal;
    box->job.done = removal_done;
    mm_store_submit(box->base.store, &box->job);
}

static enum mailmod_error open_mailbox(struct mm_mailbox_provider *provider,
                                       const struct mm_mailbox_owner *owner,
                                       struct mm_mailbox **mailbox_out)
{
    struct store_mailbox *box = mm_alloc(sizeof *box);

    if (box == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_mailbox_init(&box->base, provider, owner);
    enum mailmod_error error = mm_plus_folder_init(&box->folder, owner);
    if (error == MAILMOD_OK) {
        error = read_listing(box);
    }
    if (error != MAILMOD_OK) {
        close_mailbox(&box->base);
        return error;
    }
    *mailbox_out = &box->base;
    return MAILMOD_OK;
}

static const struct mm_mailbox_verbs verbs = {
    .capabilities = MM_MAILBOX_REMOVES_NOW,
    .open = open_mailbox,
    .size = size_of,
    .unique_id = unique_id,
    .find = find_late,
    .read = read_piece,
    .detail = detail_of,
    .remove_list = remove_messages,
    .remove_now = remove_messages,
    .close = close_mailbox,
};

void mm_store_mailboxes_init(struct mm_mailbox_provider *mailboxes,
                             struct mm_store *store)
{
    mailboxes->verbs = &verbs;
    mailboxes->store = store;
}
