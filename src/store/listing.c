/* listing.c - the long listings of every store: read in pages, from a key on.
 *
 * Promises: a listing goes on behind the last row that was seen, however many
 * rows were removed or came meanwhile: a row that is there all the time is seen
 * once. No page skips over rows that were seen, so the last page costs what the
 * first one did, and none keeps a state of the store alive for long.
 * Thread: any; listings belong on a worker. */
#include "base/mem.h"
#include "store/ops.h"

#include <string.h>

#define PAGE_ROWS 256
/* Of a mailbox: the first page; each further one is as large as all before. */
#define FIRST_ENTRIES 64

/* One page: what the visitor said, and how far it came. */
struct page {
    size_t rows;
    bool is_stopped; /* by the visitor */
    void *context;
};

static bool has_more(const struct page *page)
{
    return !page->is_stopped && page->rows == PAGE_ROWS;
}

static bool count_row(struct page *page, bool goes_on)
{
    page->is_stopped = !goes_on;
    page->rows++;
    return goes_on && page->rows < PAGE_ROWS;
}

/* Users are copied out first: who lists them asks for more of each. */
#define PAGE_USERS 64

struct user_page {
    struct mm_store_user users[PAGE_USERS];
    size_t count;
};

static bool keep_user(void *context, const struct mm_store_user *user)
{
    struct user_page *page = context;

    page->users[page->count++] = *user;
    return page->count < PAGE_USERS;
}

static enum mailmod_error
visit_users(struct mm_store *store, struct user_page *page,
            bool (*visit)(void *context, const struct mm_store_user *user),
            void *context)
{
    char after[MM_STORE_USER_MAX] = "";
    enum mailmod_error error;
    bool goes_on = true;

    do {
        page->count = 0;
        error = store->ops->each_user(store, after, keep_user, page);
        for (size_t i = 0; error == MAILMOD_OK && goes_on && i < page->count;
             i++) {
            memcpy(after, page->users[i].name, sizeof after);
            goes_on = visit(context, &page->users[i]);
        }
    } while (error == MAILMOD_OK && goes_on && page->count == PAGE_USERS);
    return error;
}

enum mailmod_error mm_store_each_user(
    struct mm_store *store,
    bool (*visit)(void *context, const struct mm_store_user *user),
    void *context)
{
    struct user_page *page = mm_alloc(sizeof *page);

    if (page == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = visit_users(store, page, visit, context);
    mm_secret_clear(page, sizeof *page);
    mm_free(page);
    return error;
}

struct seen_page {
    struct page page;
    bool (*visit)(void *context, const struct mm_store_seen *seen);
    char last[MM_STORE_SEEN_KEY_MAX];
};

static bool on_seen(void *context, const struct mm_store_seen *seen)
{
    struct seen_page *all = context;

    memcpy(all->last, seen->key, sizeof all->last);
    return count_row(&all->page, all->visit(all->page.context, seen));
}

enum mailmod_error mm_store_each_seen(
    struct mm_store *store, const char *account,
    bool (*visit)(void *context, const struct mm_store_seen *seen),
    void *context)
{
    struct seen_page all = {.visit = visit};
    enum mailmod_error error;

    do {
        char after[MM_STORE_SEEN_KEY_MAX];
        memcpy(after, all.last, sizeof after);
        all.page = (struct page){.context = context};
        error = store->ops->each_seen(store, account, after, on_seen, &all);
    } while (error == MAILMOD_OK && has_more(&all.page));
    return error;
}

struct record_page {
    struct page page;
    bool (*visit)(void *context, const struct mm_store_record *record);
    char name[MM_STORE_REVERSE_PATH_MAX];
    char key[MM_STORE_REVERSE_PATH_MAX];
};

static bool on_record(void *context, const struct mm_store_record *record)
{
    struct record_page *all = context;

    memcpy(all->name, record->name, sizeof all->name);
    memcpy(all->key, record->key, sizeof all->key);
    return count_row(&all->page, all->visit(all->page.context, record));
}

enum mailmod_error mm_store_each_record(
    struct mm_store *store, enum mm_store_record_kind kind, const char *name,
    const char *after_key, bool is_one_name,
    bool (*visit)(void *context, const struct mm_store_record *record),
    void *context)
{
    struct record_page all = {.visit = visit};
    enum mailmod_error error;

    if (!mm_span_copy(mm_span_cstr(name), all.name, sizeof all.name) ||
        !mm_span_copy(mm_span_cstr(after_key), all.key, sizeof all.key)) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    do {
        char after_name[MM_STORE_REVERSE_PATH_MAX];
        char after[MM_STORE_REVERSE_PATH_MAX];
        memcpy(after_name, all.name, sizeof after_name);
        memcpy(after, all.key, sizeof after);
        all.page = (struct page){.context = context};
        error = store->ops->each_record(store, kind, after_name, after,
                                        is_one_name, on_record, &all);
    } while (error == MAILMOD_OK && has_more(&all.page));
    return error;
}

struct rule_page {
    struct page page;
    bool (*visit)(void *context, const struct mm_store_rule *rule);
    struct mm_store_rule last;
};

static bool on_rule(void *context, const struct mm_store_rule *rule)
{
    struct rule_page *all = context;

    all->last = *rule;
    return count_row(&all->page, all->visit(all->page.context, rule));
}

enum mailmod_error mm_store_each_rule(
    struct mm_store *store,
    bool (*visit)(void *context, const struct mm_store_rule *rule),
    void *context)
{
    struct rule_page all = {.visit = visit};
    enum mailmod_error error;

    do {
        struct mm_store_rule after = all.last;
        all.page = (struct page){.context = context};
        error = store->ops->each_rule(store, &after, on_rule, &all);
    } while (error == MAILMOD_OK && has_more(&all.page));
    return error;
}

struct sighting_page {
    struct page page;
    bool (*visit)(void *context, const struct mm_store_sighting *sighting);
    char last[MM_STORE_SIGHTING_KEY_MAX];
};

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    struct sighting_page *all = context;

    memcpy(all->last, sighting->key, sizeof all->last);
    return count_row(&all->page, all->visit(all->page.context, sighting));
}

enum mailmod_error mm_store_each_sighting(
    struct mm_store *store, enum mm_sighting_kind kind,
    bool (*visit)(void *context, const struct mm_store_sighting *sighting),
    void *context)
{
    struct sighting_page all = {.visit = visit};
    enum mailmod_error error;

    do {
        char after[MM_STORE_SIGHTING_KEY_MAX];
        memcpy(after, all.last, sizeof after);
        all.page = (struct page){.context = context};
        error =
            store->ops->each_sighting(store, kind, after, on_sighting, &all);
    } while (error == MAILMOD_OK && has_more(&all.page));
    return error;
}

struct due_page {
    struct page page;
    bool (*visit)(void *context, const struct mm_store_recipient *recipient);
    struct mm_due_key last;
};

static bool on_due(void *context, const struct mm_store_recipient *recipient)
{
    struct due_page *due = context;

    due->last = (struct mm_due_key){recipient->next_attempt_ms,
                                    recipient->message_id, recipient->number};
    return count_row(&due->page, due->visit(due->page.context, recipient));
}

enum mailmod_error mm_store_list_due(
    struct mm_store *store, const char *destination, int64_t now_ms,
    bool (*visit)(void *context, const struct mm_store_recipient *recipient),
    void *context)
{
    struct due_page due = {.visit = visit, .last = {INT64_MIN, 0, -1}};
    enum mailmod_error error;

    do {
        struct mm_due_key after = due.last;
        due.page = (struct page){.context = context};
        error = store->ops->list_due(store, destination, now_ms, &after, on_due,
                                     &due);
    } while (error == MAILMOD_OK && has_more(&due.page));
    return error;
}

struct recipient_page {
    struct page page;
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_recipient *recipient);
    struct mm_due_key last;
};

static bool on_recipient(void *context, const struct mm_store_message *message,
                         const struct mm_store_recipient *recipient)
{
    struct recipient_page *rows = context;

    rows->last =
        (struct mm_due_key){0, recipient->message_id, recipient->number};
    return count_row(&rows->page,
                     rows->visit(rows->page.context, message, recipient));
}

enum mailmod_error mm_store_each_recipient(
    struct mm_store *store, uint64_t message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_recipient *recipient),
    void *context)
{
    struct recipient_page rows = {.visit = visit, .last = {0, message_id, -1}};
    uint64_t last_id = message_id != 0 ? message_id : INT64_MAX;
    enum mailmod_error error;

    do {
        struct mm_due_key after = rows.last;
        rows.page = (struct page){.context = context};
        error = store->ops->each_recipient(store, &after, last_id, on_recipient,
                                           &rows);
    } while (error == MAILMOD_OK && has_more(&rows.page));
    return error;
}

struct kept_page {
    struct page page;
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_kept *kept);
    struct mm_due_key last;
};

static bool on_kept(void *context, const struct mm_store_message *message,
                    const struct mm_store_kept *kept)
{
    struct kept_page *rows = context;

    rows->last = (struct mm_due_key){0, kept->recipient.message_id,
                                     kept->recipient.number};
    return count_row(&rows->page,
                     rows->visit(rows->page.context, message, kept));
}

enum mailmod_error mm_store_each_kept(
    struct mm_store *store, enum mailmod_kept_kind kind, uint64_t message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_kept *kept),
    void *context)
{
    struct kept_page rows = {.visit = visit, .last = {0, message_id, -1}};
    uint64_t last_id = message_id != 0 ? message_id : INT64_MAX;
    enum mailmod_error error;

    do {
        struct mm_due_key after = rows.last;
        rows.page = (struct page){.context = context};
        error =
            store->ops->each_kept(store, kind, &after, last_id, on_kept, &rows);
    } while (error == MAILMOD_OK && has_more(&rows.page));
    return error;
}

enum mailmod_error mm_store_list_entries(struct mm_store *store,
                                         uint64_t mailbox_id,
                                         struct mm_store_entry **entries_out,
                                         size_t *count_out)
{
    return mm_store_list_entries_after(store, mailbox_id, 0, entries_out,
                                       count_out);
}

enum mailmod_error mm_store_list_entries_after(
    struct mm_store *store, uint64_t mailbox_id, uint64_t after_number,
    struct mm_store_entry **entries_out, size_t *count_out)
{
    struct mm_store_entry *entries = NULL;
    size_t count = 0;
    size_t capacity = 0;
    size_t added;
    enum mailmod_error error;

    *entries_out = NULL;
    *count_out = 0;
    do {
        capacity = capacity == 0 ? FIRST_ENTRIES : 2 * capacity;
        struct mm_store_entry *grown =
            mm_realloc(entries, capacity * sizeof *entries);
        if (grown == NULL) {
            mm_free(entries);
            return MAILMOD_ERROR_MEMORY;
        }
        entries = grown;
        added = 0;
        error = store->ops->list_entries(
            store, mailbox_id,
            count > 0 ? entries[count - 1].unique_number : after_number,
            entries + count, capacity - count, &added);
        count += added;
    } while (error == MAILMOD_OK && count == capacity &&
             count < MM_LIMIT_MAILBOX_ENTRIES);
    if (error != MAILMOD_OK || count == 0) {
        mm_free(entries);
        return error;
    }
    *entries_out = entries;
    *count_out = count;
    return MAILMOD_OK;
}
