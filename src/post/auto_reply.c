/* auto_reply.c - what an automatic reply is, and who got it.
 *
 * Owns nothing. A reply's row has the days in its number, and in its value a
 * line "FROM UNTIL" in milliseconds, a line with the subject, and the text. A
 * note's row has the time in its number; the one with the key "count", which is
 * no address, counts the others, so that there is a bound. Promises: a sender
 * is noted in the transaction that the reply goes by, and asked for in it, so
 * that two messages that come together get one reply. Thread: see auto_reply.h.
 * RFC 3834 2. */
#include "post/auto_reply.h"

#include "base/limits.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "post/aliases.h"

#include <string.h>

#define COUNT_KEY "count"

enum mailmod_error mm_auto_reply_record(const char *name,
                                        const struct mm_auto_reply *reply,
                                        struct mm_buf *value,
                                        struct mm_store_record *record_out)
{
    *record_out = (struct mm_store_record){.kind = MM_RECORD_AUTO_REPLY,
                                           .key = MM_AUTO_REPLY_KEY,
                                           .number = reply->days};
    enum mailmod_error error =
        mm_alias_name_canonical(mm_span_cstr(name), record_out->name);

    if (error == MAILMOD_OK &&
        strlen(record_out->name) > MM_AUTO_REPLY_NAME_MAX) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    (void)mm_buf_appendf(value, "%lld %lld\n%s\n", (long long)reply->from_ms,
                         (long long)reply->until_ms, reply->subject);
    (void)mm_buf_append_span(value, reply->text);
    record_out->value = mm_buf_span(value);
    return error == MAILMOD_OK ? mm_buf_error(value) : error;
}

static bool take_time(struct mm_span *line, int64_t *time_out)
{
    struct mm_span word;
    uint64_t value = 0;

    (void)mm_span_cut(*line, ' ', &word, line);
    bool is_good = mm_span_to_u64(word, &value) && value <= INT64_MAX;
    *time_out = (int64_t)value;
    return is_good;
}

bool mm_auto_reply_of(const struct mm_store_record *record,
                      struct mm_auto_reply *reply_out)
{
    struct mm_span times;
    struct mm_span subject;

    memset(reply_out, 0, sizeof *reply_out);
    reply_out->days = (unsigned)record->number;
    return mm_span_cut(record->value, '\n', &times, &reply_out->text) &&
           take_time(&times, &reply_out->from_ms) &&
           take_time(&times, &reply_out->until_ms) &&
           mm_span_cut(reply_out->text, '\n', &subject, &reply_out->text) &&
           mm_span_copy(subject, reply_out->subject, sizeof reply_out->subject);
}

bool mm_auto_reply_is_on(const struct mm_auto_reply *reply, int64_t now_ms)
{
    return now_ms >= reply->from_ms &&
           (reply->until_ms == 0 || now_ms < reply->until_ms);
}

struct finding {
    struct mm_auto_reply *reply;
    struct mm_buf *text; /* NULL: not wanted */
    enum mailmod_error error;
};

static void on_found(void *context, const struct mm_store_record *record)
{
    struct finding *finding = context;

    finding->error = mm_auto_reply_of(record, finding->reply)
                         ? MAILMOD_OK
                         : MAILMOD_ERROR_STORAGE_DAMAGED;
    if (finding->error == MAILMOD_OK && finding->text != NULL) {
        finding->error =
            mm_buf_append_span(finding->text, finding->reply->text);
        finding->reply->text = mm_buf_span(finding->text);
    }
}

enum mailmod_error mm_auto_reply_find(struct mm_store *store, const char *name,
                                      struct mm_auto_reply *reply_out,
                                      struct mm_buf *text_out)
{
    struct finding finding = {.reply = reply_out, .text = text_out};
    enum mailmod_error error =
        mm_store_find_record(store, MM_RECORD_AUTO_REPLY, name,
                             MM_AUTO_REPLY_KEY, on_found, &finding);

    return error == MAILMOD_OK ? finding.error : error;
}

/* The user gets no mail, and answers none. Of a forward nothing is known yet.
 */
static bool is_refused(const struct mm_resolve *resolve,
                       const struct mm_resolve_item *item)
{
    const struct mm_target *last =
        resolve->target_count > 0 ? &resolve->targets[resolve->target_count - 1]
                                  : NULL;

    return last != NULL && last->kind >= MM_TARGET_FAILED &&
           (last->path == item->address->text ||
            last->kind >= MM_TARGET_REFUSED);
}

void mm_auto_reply_mark(struct mm_resolve *resolve,
                        struct mm_resolve_item *item, const char *name,
                        uint64_t mailbox_id)
{
    struct mm_auto_reply reply;

    if (resolve->is_report || resolve->is_for_owner ||
        !mm_aliases_have_auto_replies(resolve->post) ||
        is_refused(resolve, item) || strlen(name) > MM_AUTO_REPLY_NAME_MAX) {
        return;
    }
    /* One that cannot be looked up now is looked up by the consumer. */
    enum mailmod_error error =
        mm_auto_reply_find(resolve->post->store, name, &reply, NULL);
    item->has_auto_reply = error != MAILMOD_ERROR_NOT_FOUND &&
                           (error != MAILMOD_OK ||
                            mm_auto_reply_is_on(&reply, mm_clock_wall_ms()));
    item->mailbox_id = mailbox_id;
    (void)mm_span_copy(mm_span_cstr(name), item->user, sizeof item->user);
}

void mm_auto_reply_add_marked(struct mm_resolve *resolve)
{
    MM_LIST_EACH(node, &resolve->looked)
    {
        struct mm_resolve_item *item =
            MM_LIST_OBJECT(node, struct mm_resolve_item, node);
        struct mm_target target = {.kind = MM_TARGET_REPLY,
                                   .mailbox_id = item->mailbox_id,
                                   .mailbox_name = item->user};

        if (item->has_auto_reply && resolve->target_count > 0) {
            mm_resolve_fill(resolve, item, &target);
            target.notify = MM_DSN_NOTIFY_NEVER;
            mm_resolve_add(resolve, &target);
        }
    }
}

/* ---- who was replied to ---- */

static void key_of(const char *sender, char key_out[MM_STORE_REVERSE_PATH_MAX])
{
    char folded[MM_STORE_USER_MAX];
    bool is_name =
        mm_user_name_canonical(mm_span_cstr(sender), folded) == MAILMOD_OK;

    (void)mm_span_copy(mm_span_cstr(is_name ? folded : sender), key_out,
                       MM_STORE_REVERSE_PATH_MAX);
}

static enum mailmod_error count_of(struct mm_store_transaction *transaction,
                                   const char *name,
                                   struct mm_store_record *count_out)
{
    enum mailmod_error error = mm_store_record_of(
        transaction, MM_RECORD_REPLIED, name, COUNT_KEY, count_out);

    if (error != MAILMOD_ERROR_NOT_FOUND) {
        return error;
    }
    *count_out =
        (struct mm_store_record){.kind = MM_RECORD_REPLIED, .key = COUNT_KEY};
    (void)mm_span_copy(mm_span_cstr(name), count_out->name,
                       sizeof count_out->name);
    return MAILMOD_OK;
}

static enum mailmod_error add_count(struct mm_store_transaction *transaction,
                                    const char *name, int64_t more)
{
    struct mm_store_record count;
    enum mailmod_error error = count_of(transaction, name, &count);

    count.number += more;
    return error == MAILMOD_OK ? mm_store_keep_record(transaction, &count)
                               : error;
}

enum mailmod_error mm_auto_reply_note(struct mm_store_transaction *transaction,
                                      const char *name, const char *sender,
                                      int64_t now_ms, int64_t period_ms)
{
    char key[MM_STORE_REVERSE_PATH_MAX];
    struct mm_store_record note;

    key_of(sender, key);
    enum mailmod_error error =
        mm_store_record_of(transaction, MM_RECORD_REPLIED, name, key, &note);
    /* A time that is still to come is a clock's that was wrong. */
    if (error == MAILMOD_OK && note.number <= now_ms &&
        now_ms - note.number < period_ms) {
        return MAILMOD_ERROR_EXISTS;
    }
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        note = (struct mm_store_record){.kind = MM_RECORD_REPLIED};
        (void)mm_span_copy(mm_span_cstr(name), note.name, sizeof note.name);
        memcpy(note.key, key, sizeof note.key);
        error = add_count(transaction, name, 1);
    }
    note.number = now_ms;
    return error == MAILMOD_OK ? mm_store_keep_record(transaction, &note)
                               : error;
}

static bool on_note(void *context, const struct mm_store_record *record)
{
    struct mm_auto_reply_page *page = context;

    if (page->count == MM_AUTO_REPLY_PAGE) {
        return false;
    }
    if (strcmp(record->key, COUNT_KEY) != 0) {
        memcpy(page->items[page->count].sender, record->key,
               sizeof page->items[0].sender);
        page->items[page->count++].replied_ms = record->number;
    }
    return true;
}

enum mailmod_error mm_auto_reply_read_page(struct mm_store *store,
                                           const char *name,
                                           struct mm_auto_reply_page *page_out)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint8_t dice[2] = {0};
    char after[3] = "";
    enum mailmod_error error = mm_random(dice, sizeof dice);

    page_out->count = 0;
    for (size_t i = 0; i < 2; i++) {
        after[i] = letters[dice[i] % (sizeof letters - 1)];
    }
    if (error == MAILMOD_OK) {
        error = mm_store_each_record(store, MM_RECORD_REPLIED, name, after,
                                     true, on_note, page_out);
    }
    return error == MAILMOD_OK && page_out->count == 0
               ? mm_store_each_record(store, MM_RECORD_REPLIED, name, "", true,
                                      on_note, page_out)
               : error;
}

/* One that was made anew since the page was read stays. */
static enum mailmod_error drop_note(struct mm_store_transaction *transaction,
                                    const char *name, const char *sender,
                                    int64_t replied_ms)
{
    struct mm_store_record note;
    enum mailmod_error error =
        mm_store_record_of(transaction, MM_RECORD_REPLIED, name, sender, &note);

    if (error != MAILMOD_OK || note.number != replied_ms) {
        return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    error = mm_store_drop_record(transaction, MM_RECORD_REPLIED, name, sender);
    return error == MAILMOD_OK ? add_count(transaction, name, -1) : error;
}

enum mailmod_error mm_auto_reply_sweep(struct mm_store_transaction *transaction,
                                       const char *name,
                                       const struct mm_auto_reply_page *page,
                                       int64_t now_ms, int64_t period_ms)
{
    struct mm_store_record count;
    const char *oldest = NULL;
    int64_t oldest_ms = INT64_MAX;
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < page->count; i++) {
        int64_t replied_ms = page->items[i].replied_ms;

        if (now_ms - replied_ms >= period_ms) {
            error =
                drop_note(transaction, name, page->items[i].sender, replied_ms);
        } else if (replied_ms < oldest_ms) {
            oldest = page->items[i].sender;
            oldest_ms = replied_ms;
        }
    }
    if (error == MAILMOD_OK) {
        error = count_of(transaction, name, &count);
    }
    return error == MAILMOD_OK && oldest != NULL &&
                   count.number > MM_LIMIT_REPLIED
               ? drop_note(transaction, name, oldest, oldest_ms)
               : error;
}
