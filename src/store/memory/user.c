/* user.c - users, their mailboxes and secrets in memory.
 *
 * Promises as sqlite/write_user.c does: a user and its mailbox come and go
 * together, and a mailbox draws a new tag (RFC 1939 7).
 * Thread: the writer's verbs on the writer; the others on any. */
#include "base/mem.h"
#include "base/splitmix.h"
#include "platform/random.h"
#include "store/memory/internal.h"

#include <string.h>

static struct mm_user_row *find(struct mm_memory_disk *disk, const char *name)
{
    struct mm_user_row key = {.user.mailbox_id = 0};
    if (!mm_span_copy(mm_span_cstr(name), key.user.name,
                      sizeof key.user.name)) {
        return NULL;
    }
    struct mm_row *row = mm_table_find(disk, MM_TABLE_USER, &key.row);
    return row != NULL ? MM_ROW(struct mm_user_row, row) : NULL;
}

static enum mailmod_error draw_tag(struct mm_memory_disk *disk,
                                   uint32_t *tag_out)
{
    if (disk->seed == 0) {
        return mm_random(tag_out, sizeof *tag_out);
    }
    *tag_out = (uint32_t)mm_splitmix_next(&disk->seed);
    return MAILMOD_OK;
}

static enum mailmod_error make_mailbox(struct mm_memory *store,
                                       uint64_t *mailbox_id_out)
{
    uint32_t tag;
    enum mailmod_error error = draw_tag(store->disk, &tag);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_mailbox_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_mailbox_row *mailbox = MM_ROW(struct mm_mailbox_row, row);
    mailbox->id = ++store->disk->last_mailbox_id;
    mailbox->tag = tag;
    mailbox->next_number = 1;
    *mailbox_id_out = mailbox->id;
    return mm_row_add(store, MM_TABLE_MAILBOX, row);
}

enum mailmod_error mm_memory_add_user(struct mm_store_transaction *base,
                                      struct mm_store_user *user)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    if (find(store->disk, user->name) != NULL) {
        return MAILMOD_ERROR_EXISTS;
    }
    error = make_mailbox(store, &user->mailbox_id);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_user_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    MM_ROW(struct mm_user_row, row)->user = *user;
    return mm_row_add(store, MM_TABLE_USER, row);
}

/* The first secret of the mailbox behind `label`. */
static struct mm_secret_row *secret_behind(struct mm_memory_disk *disk,
                                           uint64_t mailbox_id,
                                           const char *label)
{
    struct mm_secret_row key = {.mailbox_id = mailbox_id};
    (void)mm_span_copy(mm_span_cstr(label), key.secret.label,
                       sizeof key.secret.label);
    struct mm_row *row = label[0] == '\0'
                             ? mm_table_from(disk, MM_TABLE_SECRET, &key.row)
                             : mm_table_behind(disk, MM_TABLE_SECRET, &key.row);
    if (row == NULL) {
        return NULL;
    }
    struct mm_secret_row *secret = MM_ROW(struct mm_secret_row, row);
    return secret->mailbox_id == mailbox_id ? secret : NULL;
}

static enum mailmod_error drop_secrets(struct mm_memory *store,
                                       uint64_t mailbox_id)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_secret_row *secret;
    while (error == MAILMOD_OK &&
           (secret = secret_behind(store->disk, mailbox_id, "")) != NULL) {
        error = mm_row_remove(store, MM_TABLE_SECRET, &secret->row);
    }
    return error;
}

static bool has_same_salt(const struct mm_store_user *a,
                          const struct mm_store_user *b)
{
    return a->iterations == b->iterations &&
           memcmp(a->salt, b->salt, sizeof a->salt) == 0;
}

enum mailmod_error mm_memory_change_user(struct mm_store_transaction *base,
                                         const struct mm_store_user *user)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_user_row *old = find(store->disk, user->name);
    if (old == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    uint64_t mailbox_id = old->user.mailbox_id;
    if (!has_same_salt(&old->user, user)) {
        error = drop_secrets(store, mailbox_id);
    }
    struct mm_row *row =
        error == MAILMOD_OK ? mm_row_new(sizeof(struct mm_user_row)) : NULL;
    if (row == NULL) {
        return error != MAILMOD_OK ? error : MAILMOD_ERROR_MEMORY;
    }
    struct mm_user_row *changed = MM_ROW(struct mm_user_row, row);
    changed->user = *user;
    changed->user.mailbox_id = mailbox_id;
    store->disk->user_changes++;
    return mm_row_change(store, MM_TABLE_USER, &old->row, row);
}

static enum mailmod_error drop_mailbox(struct mm_memory *store, uint64_t id)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_entry_row *entry;
    while (error == MAILMOD_OK &&
           (entry = mm_entry_row_from(store->disk, id, 0)) != NULL &&
           entry->mailbox_id == id) {
        error = mm_memory_take_entry(store, entry, 0);
    }
    if (error == MAILMOD_OK) {
        error = mm_memory_drop_deleted_of(store, id);
    }
    struct mm_mailbox_row *mailbox = mm_find_mailbox_row(store->disk, id);
    return error == MAILMOD_OK && mailbox != NULL
               ? mm_row_remove(store, MM_TABLE_MAILBOX, &mailbox->row)
               : error;
}

enum mailmod_error mm_memory_rename_user(struct mm_store_transaction *base,
                                         const char *name, const char *new_name)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_user_row *old = find(store->disk, name);
    if (find(store->disk, new_name) != NULL) {
        return MAILMOD_ERROR_EXISTS;
    }
    if (old == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_user_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_store_user *user = &MM_ROW(struct mm_user_row, row)->user;
    *user = old->user;
    (void)mm_span_copy(mm_span_cstr(new_name), user->name, sizeof user->name);
    store->disk->user_changes++;
    error = mm_row_add(store, MM_TABLE_USER, row);
    return error == MAILMOD_OK ? mm_row_remove(store, MM_TABLE_USER, &old->row)
                               : error;
}

enum mailmod_error mm_memory_remove_user(struct mm_store_transaction *base,
                                         const char *name)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_user_row *row = find(store->disk, name);
    if (row == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    uint64_t mailbox_id = row->user.mailbox_id;
    store->disk->user_changes++;
    error = mm_row_remove(store, MM_TABLE_USER, &row->row);
    if (error == MAILMOD_OK) {
        error = drop_secrets(store, mailbox_id);
    }
    if (error == MAILMOD_OK) {
        error = mm_memory_drop_rules(store, mailbox_id);
    }
    return error == MAILMOD_OK ? drop_mailbox(store, mailbox_id) : error;
}

enum mailmod_error
mm_memory_put_secret(struct mm_store_transaction *base, uint64_t mailbox_id,
                     const struct mm_store_secret_key *secret)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    size_t count = 0;
    if (store == NULL) {
        return error;
    }
    for (struct mm_secret_row *at = secret_behind(store->disk, mailbox_id, "");
         at != NULL;
         at = secret_behind(store->disk, mailbox_id, at->secret.label)) {
        count++;
    }
    if (count >= MM_STORE_SECRETS_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_secret_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    MM_ROW(struct mm_secret_row, row)->mailbox_id = mailbox_id;
    MM_ROW(struct mm_secret_row, row)->secret = *secret;
    return mm_row_add(store, MM_TABLE_SECRET, row);
}

enum mailmod_error mm_memory_remove_secret(struct mm_store_transaction *base,
                                           uint64_t mailbox_id,
                                           const char *label)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    struct mm_secret_row key = {.mailbox_id = mailbox_id};
    if (store == NULL) {
        return error;
    }
    if (!mm_span_copy(mm_span_cstr(label), key.secret.label,
                      sizeof key.secret.label)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_row *row = mm_table_find(store->disk, MM_TABLE_SECRET, &key.row);
    return row != NULL ? mm_row_remove(store, MM_TABLE_SECRET, row)
                       : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_memory_list_secrets(
    struct mm_store *base, uint64_t mailbox_id,
    struct mm_store_secret_key secrets_out[MM_STORE_SECRETS_MAX],
    size_t *count_out)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    for (struct mm_secret_row *at = secret_behind(disk, mailbox_id, "");
         at != NULL && *count_out < MM_STORE_SECRETS_MAX;
         at = secret_behind(disk, mailbox_id, at->secret.label)) {
        secrets_out[(*count_out)++] = at->secret;
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_find_user(struct mm_store *base, const char *name,
                                       struct mm_store_user *user_out)
{
    struct mm_user_row *row = find(mm_memory_read(base), name);
    if (row != NULL) {
        *user_out = row->user;
    }
    mm_memory_read_end(base);
    return row != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error
mm_memory_find_addressee(struct mm_store *base, const char *const *names,
                         size_t count, struct mm_store_addressee *addressee_out)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_user_row *row = NULL;
    for (size_t i = 0; i < count && row == NULL; i++) {
        row = find(disk, names[i]);
    }
    if (row != NULL) {
        memcpy(addressee_out->name, row->user.name, sizeof row->user.name);
        addressee_out->mailbox_id = row->user.mailbox_id;
        addressee_out->is_disabled = row->user.is_disabled;
        addressee_out->quota = row->user.quota;
    }
    mm_memory_read_end(base);
    return row != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_memory_each_user(
    struct mm_store *base, const char *after_name,
    bool (*visit)(void *context, const struct mm_store_user *user),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_user_row key = {.user.mailbox_id = 0};
    (void)mm_span_copy(mm_span_cstr(after_name), key.user.name,
                       sizeof key.user.name);
    struct mm_row *row = mm_table_behind(disk, MM_TABLE_USER, &key.row);
    while (row != NULL &&
           visit(context, &MM_ROW(struct mm_user_row, row)->user)) {
        row = mm_table_behind(disk, MM_TABLE_USER, row);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_user_changes(struct mm_store *base,
                                          uint64_t *count_out)
{
    *count_out = mm_memory_read(base)->user_changes;
    mm_memory_read_end(base);
    return MAILMOD_OK;
}
