/* maildir.c - a Maildir opened for one session.
 *
 * Owns: the listing as it was at the opening (the names), the folders, the file
 * that is being read. Promises: messages in the
 * order of their delivery, each once, though other programs move them from new
 * to cur and rename them for their flags at the same time; a unique-id is the
 * file's name without flags, as other servers of Maildirs have it, or a hash of
 * what can be none (RFC 1939 7). Of flags and names nothing is changed but that
 * what a client has retrieved is marked as seen. A message with the flag "T"
 * (trashed) is one as the others, as Dovecot's POP3 has it.
 *
 * Sizes. The size as served stands in the name (",W=") where the delivering
 * program put it; another file is read once at the opening to be counted. What
 * a name says is held against the file before the message is served.
 * Thread: as provider.h says. */
#include "mailbox/maildir.h"

#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "mailbox/maildir_flags.h"
#include "mailbox/maildir_folders.h"
#include "mailbox/maildir_text.h"

#include <stdlib.h>
#include <string.h>

/* Half of it may become line ends. */
#define READ_SIZE ((size_t)16384)

struct entry {
    char *name;
    bool is_new;
    bool is_counted; /* the size is the file's, and no word of its name */
    uint64_t size;
};

struct maildir_mailbox {
    struct mm_mailbox base;
    struct mm_maildir folders;
    struct entry *entries;
    size_t capacity;
    enum mailmod_error error; /* of the listing */
    bool lists_new;
    /* The message that is being read. */
    struct mm_file *file;
    size_t read_index;
    unsigned read_next;
    uint64_t read_size;
    struct mm_maildir_text text;
    bool is_at_end;
};

static struct maildir_mailbox *cast(struct mm_mailbox *mailbox)
{
    return MM_LIST_OBJECT(mailbox, struct maildir_mailbox, base);
}

static const struct entry *entry_of(const struct mm_mailbox *mailbox,
                                    size_t index)
{
    return &MM_LIST_OBJECT(mailbox, const struct maildir_mailbox, base)
                ->entries[index];
}

static bool add_entry(void *context, const char *name)
{
    struct maildir_mailbox *box = context;

    if (name[0] == '.' || box->base.count == MM_LIMIT_MAILBOX_ENTRIES) {
        return name[0] == '.';
    }
    struct entry *entries = mm_array_grow(box->entries, box->base.count,
                                          &box->capacity, sizeof *entries);
    box->entries = entries != NULL ? entries : box->entries;
    char *copy = entries != NULL ? mm_strdup(name) : NULL;
    if (copy == NULL) {
        box->error = MAILMOD_ERROR_MEMORY;
        return false;
    }
    box->entries[box->base.count++] =
        (struct entry){.name = copy, .is_new = box->lists_new};
    return true;
}

/* The seconds that a name begins with: the time of the delivery. */
static uint64_t seconds_of(const char *name)
{
    uint64_t seconds = 0;
    size_t size = strspn(name, "0123456789");

    (void)mm_span_to_u64_capped(mm_span(name, size), &seconds);
    return seconds;
}

/* By the delivery, then by name; of two with one name that in cur first. */
static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    uint64_t a_seconds = seconds_of(a->name);
    uint64_t b_seconds = seconds_of(b->name);
    struct mm_span a_unique = mm_maildir_unique(a->name);
    struct mm_span b_unique = mm_maildir_unique(b->name);

    if (a_seconds != b_seconds) {
        return a_seconds < b_seconds ? -1 : 1;
    }
    int order = mm_maildir_compare(&a_unique, &b_unique);
    return order != 0 ? order : a->is_new - b->is_new;
}

/* Drops the entry at `index` for one that keeps its place in the order. */
static void keep_entries(struct maildir_mailbox *box,
                         bool (*keeps)(struct maildir_mailbox *box, size_t kept,
                                       struct entry *entry))
{
    size_t kept = 0;

    for (size_t i = 0; i < box->base.count; i++) {
        if (box->error == MAILMOD_OK && !keeps(box, kept, &box->entries[i])) {
            mm_free(box->entries[i].name);
        } else {
            box->entries[kept++] = box->entries[i];
        }
    }
    box->base.count = kept;
}

/* One that was moved while the listing was read stands there twice. */
static bool is_first_of_name(struct maildir_mailbox *box, size_t kept,
                             struct entry *entry)
{
    return kept == 0 ||
           !mm_span_equal(mm_maildir_unique(box->entries[kept - 1].name),
                          mm_maildir_unique(entry->name));
}

/* ",W=1234" in the name: octets with CRLF line ends. */
static bool read_size_of_name(const char *name, uint64_t *size_out)
{
    struct mm_span rest = mm_maildir_unique(name);
    struct mm_span part;
    bool goes_on = mm_span_cut(rest, ',', &part, &rest);

    while (goes_on) {
        goes_on = mm_span_cut(rest, ',', &part, &rest);
        if (part.size > 2 && part.data[0] == 'W' && part.data[1] == '=') {
            return mm_span_to_u64(mm_span_from(part, 2), size_out) &&
                   *size_out <= INT64_MAX;
        }
    }
    return false;
}

/* The file, wherever it went meanwhile. NOT_FOUND: it was removed. */
static enum mailmod_error open_file(struct maildir_mailbox *box,
                                    struct entry *entry,
                                    struct mm_file **file_out)
{
    struct mm_folder *folder =
        entry->is_new ? box->folders.new : box->folders.cur;
    char name[MM_MAILDIR_NAME_MAX];
    enum mailmod_error error = mm_file_open_in(file_out, folder, entry->name);

    if (error != MAILMOD_ERROR_NOT_FOUND) {
        return error;
    }
    error = mm_maildir_find(&box->folders, mm_maildir_unique(entry->name),
                            &folder, name);
    return error == MAILMOD_OK ? mm_file_open_in(file_out, folder, name)
                               : error;
}

static enum mailmod_error count_file(struct mm_file *file, uint64_t *size_out)
{
    struct mm_maildir_text text = {.size = 0};
    enum mailmod_error error = MAILMOD_OK;
    size_t used = 1;

    while (error == MAILMOD_OK && used > 0) {
        char piece[READ_SIZE];

        error = mm_file_read(file, piece, sizeof piece, &used);
        if (error == MAILMOD_OK) {
            error = mm_maildir_text_serve(&text, mm_span(piece, used), NULL);
        }
    }
    if (error == MAILMOD_OK) {
        error = mm_maildir_text_end(&text, NULL);
    }
    *size_out = text.size;
    return error;
}

/* False: it is gone, or no message (a folder, a link, not for us to read). */
static bool has_size(struct maildir_mailbox *box, size_t kept,
                     struct entry *entry)
{
    struct mm_file *file = NULL;

    (void)kept;
    if (read_size_of_name(entry->name, &entry->size)) {
        return true;
    }
    enum mailmod_error error = open_file(box, entry, &file);
    if (error == MAILMOD_ERROR_NOT_FOUND || error == MAILMOD_ERROR_ACCESS) {
        return false;
    }
    if (error == MAILMOD_OK) {
        error = count_file(file, &entry->size);
    }
    mm_file_close(&file);
    entry->is_counted = true;
    box->error = error;
    return true;
}

/* new before cur: what is moved meanwhile is met twice, and never missed. */
static enum mailmod_error read_listing(struct maildir_mailbox *box)
{
    box->lists_new = true;
    enum mailmod_error error = mm_folder_each(box->folders.new, add_entry, box);
    box->lists_new = false;
    if (error == MAILMOD_OK && box->error == MAILMOD_OK) {
        error = mm_folder_each(box->folders.cur, add_entry, box);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    if (box->base.count > 1) {
        qsort(box->entries, box->base.count, sizeof *box->entries,
              compare_entries);
    }
    keep_entries(box, is_first_of_name);
    keep_entries(box, has_size);
    return box->error;
}

static void close_mailbox(struct mm_mailbox *mailbox)
{
    struct maildir_mailbox *box = cast(mailbox);

    mm_file_close(&box->file);
    mm_maildir_close(&box->folders);
    for (size_t i = 0; i < mm_mailbox_known(mailbox); i++) {
        mm_free(box->entries[i].name);
    }
    mm_free(box->entries);
    mm_free(box);
}

static uint64_t size_of(const struct mm_mailbox *mailbox, size_t index)
{
    return entry_of(mailbox, index)->size;
}

/* What can be no unique-id is hashed; ":" or ";" stands in no name before the
 * flags, so none of these is another message's name. */
static void unique_id(const struct mm_mailbox *mailbox, size_t index,
                      char text_out[MM_UNIQUE_ID_MAX])
{
    struct mm_span unique = mm_maildir_unique(entry_of(mailbox, index)->name);

    if (mm_mailbox_is_unique_id(unique) &&
        mm_span_copy(unique, text_out, MM_UNIQUE_ID_MAX)) {
        return;
    }
    const uint64_t hashes[] = {mm_siphash(unique, 1, 2),
                               mm_siphash(unique, 3, 4)};
    char *end = text_out;
    *end++ = mm_folder_flag_mark;
    for (size_t i = 0; i < 32; i++) {
        unsigned shift = 60 - 4 * (unsigned)(i % 16);
        *end++ = "0123456789abcdef"[(hashes[i / 16] >> shift) & 15];
    }
    *end = '\0';
}

/* A file that came later, by its name; one whose name was hashed is not found
 * before the next opening. */
static enum mailmod_error find_late(struct mm_mailbox *mailbox,
                                    struct mm_span unique_id)
{
    struct maildir_mailbox *box = cast(mailbox);
    struct mm_folder *folder = NULL;
    char name[MM_MAILDIR_NAME_MAX];
    size_t known = mm_mailbox_known(mailbox);
    enum mailmod_error error =
        box->folders.cur != NULL
            ? mm_maildir_find(&box->folders, unique_id, &folder, name)
            : MAILMOD_ERROR_NOT_FOUND;

    if (error != MAILMOD_OK || name[0] == '.') {
        return error == MAILMOD_OK ? MAILMOD_ERROR_NOT_FOUND : error;
    }
    struct entry entry = {.name = mm_strdup(name),
                          .is_new = folder == box->folders.new};
    struct entry *entries = entry.name != NULL
                                ? mm_array_grow(box->entries, known,
                                                &box->capacity, sizeof *entries)
                                : NULL;
    bool is_there = entries != NULL && has_size(box, known, &entry);
    box->entries = entries != NULL ? entries : box->entries;
    error = entries == NULL ? MAILMOD_ERROR_MEMORY : box->error;
    if (error != MAILMOD_OK || !is_there) {
        box->error = MAILMOD_OK;
        mm_free(entry.name);
        return error != MAILMOD_OK ? error : MAILMOD_ERROR_NOT_FOUND;
    }
    box->entries[known] = entry;
    mailbox->late_count++;
    return MAILMOD_OK;
}

/* What the name said is held against the file. */
static enum mailmod_error settle_size(struct maildir_mailbox *box,
                                      struct entry *entry)
{
    box->read_size = entry->size;
    if (entry->is_counted) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = count_file(box->file, &box->read_size);
    return error == MAILMOD_OK ? mm_file_rewind(box->file) : error;
}

static enum mailmod_error begin_message(struct maildir_mailbox *box,
                                        size_t index)
{
    struct entry *entry = &box->entries[index];

    mm_file_close(&box->file);
    box->read_index = index;
    box->read_next = 0;
    box->text = (struct mm_maildir_text){.size = 0};
    box->is_at_end = false;
    enum mailmod_error error = open_file(box, entry, &box->file);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return MAILMOD_ERROR_CANCELLED;
    }
    if (error == MAILMOD_OK) {
        error = settle_size(box, entry);
    }
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_ERROR_STORAGE : error;
}

/* Pieces of some size, or the last one with what the text lacks. */
static enum mailmod_error read_text(struct maildir_mailbox *box,
                                    struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && !box->is_at_end &&
           mm_buf_size(out) < MM_LIMIT_CHUNK) {
        char piece[READ_SIZE];
        size_t used = 0;

        error = mm_file_read(box->file, piece, sizeof piece, &used);
        if (error == MAILMOD_OK && used > 0) {
            error =
                mm_maildir_text_serve(&box->text, mm_span(piece, used), out);
        } else if (error == MAILMOD_OK) {
            box->is_at_end = true;
            error = mm_maildir_text_end(&box->text, out);
        }
    }
    return error;
}

static enum mailmod_error read_piece(struct mm_mailbox *mailbox, size_t index,
                                     unsigned number, struct mm_buf *out,
                                     uint64_t *size_out)
{
    struct maildir_mailbox *box = cast(mailbox);
    enum mailmod_error error =
        number == 0 ? begin_message(box, index) : MAILMOD_OK;

    mm_buf_clear(out);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (index != box->read_index || number != box->read_next ||
        box->file == NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (number == 0) {
        *size_out = box->read_size;
    }
    box->read_next++;
    bool was_at_end = box->is_at_end && number > 0;
    error = read_text(box, out);
    if (error == MAILMOD_OK && was_at_end) {
        return box->text.size == box->read_size ? MAILMOD_ERROR_NOT_FOUND
                                                : MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    return error;
}

static enum mailmod_error detail_of(struct mm_mailbox *mailbox, size_t index,
                                    struct mm_mailbox_detail *detail_out)
{
    uint64_t seconds = seconds_of(entry_of(mailbox, index)->name);

    if (seconds < INT64_MAX / 1000) {
        detail_out->received_ms = (int64_t)seconds * 1000;
    }
    detail_out->flags = mm_maildir_flags(entry_of(mailbox, index)->name);
    return MAILMOD_OK;
}

/* Sorted; mm_free it. NULL: no memory. */
static struct mm_span *uniques_of(const struct maildir_mailbox *box,
                                  const size_t *indexes, size_t count)
{
    struct mm_span *uniques = mm_alloc_array(count + 1, sizeof *uniques);

    for (size_t i = 0; uniques != NULL && i < count; i++) {
        uniques[i] = mm_maildir_unique(box->entries[indexes[i]].name);
    }
    if (uniques != NULL) {
        qsort(uniques, count, sizeof *uniques, mm_maildir_compare);
    }
    return uniques;
}

static enum mailmod_error mark_seen(struct mm_mailbox *mailbox,
                                    const size_t *indexes, size_t count)
{
    struct maildir_mailbox *box = cast(mailbox);
    struct mm_span *uniques = uniques_of(box, indexes, count);

    mm_file_close(&box->file); /* Windows moves no open file */
    enum mailmod_error error =
        uniques != NULL ? mm_maildir_mark_seen(&box->folders, uniques, count)
                        : MAILMOD_ERROR_MEMORY;

    mm_free(uniques);
    return error;
}

static void remove_messages(struct mm_mailbox *mailbox,
                            struct mm_mailbox_removal *removal)
{
    struct maildir_mailbox *box = cast(mailbox);
    struct mm_span *uniques = uniques_of(box, removal->indexes, removal->count);
    enum mailmod_error error =
        uniques == NULL ? MAILMOD_ERROR_MEMORY
        : removal->count > 0
            ? mm_maildir_remove_all(&box->folders, uniques, removal->count)
            : MAILMOD_OK;

    mm_free(uniques);
    removal->done(removal, error);
}

/* Where no Maildir is yet, or no folder, no mail has come. */
static enum mailmod_error fill(struct maildir_mailbox *box,
                               const struct mm_mailbox_owner *owner)
{
    const struct mm_maildir_place place = {
        .base = owner->base, .below = owner->below, .folder = owner->folder};
    enum mailmod_error error = mm_maildir_open(&box->folders, &place, false);

    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return MAILMOD_OK;
    }
    if (error == MAILMOD_OK) {
        error = mm_maildir_finish_removal(&box->folders);
    }
    return error == MAILMOD_OK ? read_listing(box) : error;
}

static enum mailmod_error open_mailbox(struct mm_mailbox_provider *provider,
                                       const struct mm_mailbox_owner *owner,
                                       struct mm_mailbox **mailbox_out)
{
    struct maildir_mailbox *box = mm_alloc(sizeof *box);

    if (box == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_mailbox_init(&box->base, provider, owner);
    enum mailmod_error error = fill(box, owner);
    if (error != MAILMOD_OK) {
        close_mailbox(&box->base);
        return error;
    }
    *mailbox_out = &box->base;
    return MAILMOD_OK;
}

static const struct mm_mailbox_verbs verbs = {
    .capabilities = MM_MAILBOX_REMOVES_NOW | MM_MAILBOX_MARKS_SEEN,
    .open = open_mailbox,
    .size = size_of,
    .unique_id = unique_id,
    .find = find_late,
    .read = read_piece,
    .detail = detail_of,
    .mark_seen = mark_seen,
    .remove_list = remove_messages,
    .remove_now = remove_messages,
    .close = close_mailbox,
};

void mm_maildirs_init(struct mm_mailbox_provider *maildirs,
                      struct mm_store *store)
{
    maildirs->verbs = &verbs;
    maildirs->store = store;
}
