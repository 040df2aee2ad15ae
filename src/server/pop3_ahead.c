/* pop3_ahead.c - the messages that a POP3 client will ask for next.
 *
 * Owns their texts. Promises: a client that goes in order has twice as many
 * read ahead with each job, up to MM_LIMIT_AHEAD octets and MESSAGES_MAX, one
 * that jumps has none; a text is whole, was read by the provider's own way, its
 * checksum included, and is served once; what is older than MM_LIMIT_AHEAD_MS
 * is read anew, so that what somebody else removed is not served for long; all
 * sessions together hold MM_LIMIT_AHEAD_ALL, and beyond it nobody reads ahead.
 * Thread: as pop3_ahead.h says. */
#include "server/pop3_ahead.h"

#include "base/limits.h"
#include "base/mem.h"

enum { MESSAGES_MAX = 16 };

void mm_pop3_ahead_drop(struct mm_pop3_ahead *ahead)
{
    if (ahead->messages == NULL) {
        return;
    }
    for (size_t i = ahead->first; i < ahead->count; i++) {
        mm_buf_fini(&ahead->messages[i].text);
    }
    mm_free(ahead->messages);
    ahead->messages = NULL;
    ahead->first = 0;
    ahead->count = 0;
    mm_budget_give(ahead->memory, MM_LIMIT_AHEAD);
}

void mm_pop3_ahead_end(struct mm_pop3_ahead *ahead)
{
    mm_pop3_ahead_drop(ahead);
    ahead->expected = 0;
    ahead->want = 0;
}

bool mm_pop3_ahead_take(struct mm_pop3_ahead *ahead, size_t index,
                        uint64_t now_ms, struct mm_buf *text)
{
    if (ahead->messages == NULL) {
        return false;
    }
    if (now_ms - ahead->read_ms >= MM_LIMIT_AHEAD_MS) {
        mm_pop3_ahead_drop(ahead);
        ahead->want /= 2; /* a slow client */
        return false;
    }
    size_t at = ahead->first;
    while (at < ahead->count && ahead->messages[at].index < index) {
        at++;
    }
    if (at == ahead->count || ahead->messages[at].index != index) {
        return false;
    }
    for (; ahead->first < at; ahead->first++) { /* passed over */
        mm_buf_fini(&ahead->messages[ahead->first].text);
    }
    mm_buf_fini(text);
    *text = ahead->messages[at].text;
    ahead->first++;
    ahead->expected = index + 1;
    if (ahead->first == ahead->count) {
        mm_pop3_ahead_drop(ahead);
    }
    return true;
}

/* Those between, if any, are marked as deleted. */
static bool is_in_order(const struct mm_pop3_ahead *ahead,
                        const struct mm_pop3_marks *marks, size_t index)
{
    size_t at = ahead->expected;

    while (at < index && at < marks->known &&
           mm_pop3_marks_is_hidden(marks, at)) {
        at++;
    }
    return at == index;
}

static bool take_place(struct mm_pop3_ahead *ahead)
{
    if (!mm_budget_take(ahead->memory, MM_LIMIT_AHEAD, 0)) {
        return false;
    }
    ahead->messages = mm_alloc_array(MESSAGES_MAX, sizeof *ahead->messages);
    if (ahead->messages == NULL) {
        mm_budget_give(ahead->memory, MM_LIMIT_AHEAD);
    }
    return ahead->messages != NULL;
}

void mm_pop3_ahead_plan(struct mm_pop3_ahead *ahead,
                        const struct mm_pop3_marks *marks, size_t index,
                        uint64_t now_ms)
{
    unsigned want = is_in_order(ahead, marks, index)
                        ? (ahead->want == 0 ? 1 : 2 * ahead->want)
                        : 0;

    mm_pop3_ahead_drop(ahead);
    ahead->want = want < MESSAGES_MAX ? want : MESSAGES_MAX;
    ahead->expected = index + 1;
    ahead->read_ms = now_ms;
    if (want > 0 && !take_place(ahead)) {
        ahead->want = 0;
    }
}

/* False: it is none that can be read ahead, or too large for what is left. */
static bool read_one(struct mm_mailbox *mailbox, size_t index, uint64_t room,
                     struct mm_buf *text)
{
    uint64_t size = 0;
    enum mailmod_error error =
        mm_buf_leave_front(text, 0, (size_t)mm_mailbox_size(mailbox, index));

    if (error == MAILMOD_OK) {
        error = mm_mailbox_read(mailbox, index, 0, text, &size);
        mm_mailbox_read_end(mailbox);
    }
    return error == MAILMOD_OK && size == mm_buf_size(text) && size <= room;
}

void mm_pop3_ahead_read(struct mm_pop3_ahead *ahead, struct mm_mailbox *mailbox,
                        const struct mm_pop3_marks *marks, size_t index)
{
    uint64_t room = MM_LIMIT_AHEAD;
    bool goes_on = ahead->messages != NULL;

    for (size_t i = index + 1;
         goes_on && ahead->count < ahead->want && i < mm_mailbox_count(mailbox);
         i++) {
        uint64_t size = mm_mailbox_size(mailbox, i);

        if (mm_pop3_marks_is_hidden(marks, i)) {
            continue;
        }
        struct mm_buf text;
        mm_buf_init(&text, 2 * MM_LIMIT_CHUNK);
        goes_on = size <= room && read_one(mailbox, i, room, &text);
        if (goes_on) {
            room -= mm_buf_size(&text);
            ahead->messages[ahead->count++] =
                (struct mm_pop3_ahead_message){i, text};
        } else {
            mm_buf_fini(&text);
        }
    }
    if (ahead->count == 0) {
        mm_pop3_ahead_drop(ahead);
    }
}
