/* message_places.c - which recipients of a message are here, and what of them.
 *
 * Owns nothing. Promises: what is local is what the server takes as local, but
 * for address literals, which name the host by a connection that there is not;
 * nobody of that name is FAILED as the server would have said it.
 *
 * Thread: any; the look-ups are reads by key. RFC 5321 4.1.3, RFC 3463 3.2. */
#include "api/message.h"

#include "base/map.h"
#include "base/mem.h"
#include "platform/random.h"
#include "post/directory.h"

#include <string.h>

/* `seen`: mailboxes, and who was the first to have them. */
static enum mailmod_error note_first(mailmod_message *message, size_t index,
                                     struct mm_map *seen)
{
    struct mm_message_recipient *items = message->recipients.items;
    struct mm_span key = mm_span((const char *)&items[index].mailbox_id,
                                 sizeof items[index].mailbox_id);
    if (items[index].place == MM_PLACE_REMOTE) {
        /* With its NUL; no mailbox has such a number. */
        key = mm_span(items[index].path, strlen(items[index].path) + 1);
    }
    const struct mm_message_recipient *first = mm_map_get(seen, key);

    items[index].first = first != NULL ? (size_t)(first - items) : index;
    message->recipients.has_doubles =
        message->recipients.has_doubles || first != NULL;
    return first != NULL ? MAILMOD_OK : mm_map_put(seen, key, &items[index]);
}

static enum mailmod_error find_place(mailmod_message *message, size_t index,
                                     struct mm_map *seen)
{
    struct mm_message_recipient *recipient = &message->recipients.items[index];
    struct mm_address address;
    enum mailmod_error error =
        mm_address_parse(mm_span_cstr(recipient->path), false, true, &address);

    recipient->place = MM_PLACE_REMOTE;
    if (error != MAILMOD_OK) {
        return error;
    }
    if (!mm_directory_is_local(message->config, &address, NULL)) {
        /* Elsewhere the queue has one row for a path. */
        return message->mode == MAILMOD_SEND_QUEUE
                   ? note_first(message, index, seen)
                   : MAILMOD_OK;
    }
    char name[MM_STORE_USER_MAX];
    error = mm_directory_find(message->messages->store, message->config,
                              &address, &recipient->mailbox_id, name);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        recipient->place = MM_PLACE_NOBODY;
        return MAILMOD_OK;
    }
    recipient->place = MM_PLACE_HERE;
    if (error == MAILMOD_OK) {
        mm_free(recipient->mailbox_name);
        recipient->mailbox_name = mm_strdup(name);
        error =
            recipient->mailbox_name != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
    }
    return error == MAILMOD_OK ? note_first(message, index, seen) : error;
}

enum mailmod_error mm_message_find_places(mailmod_message *message)
{
    uint64_t seed = 0;
    enum mailmod_error error = mm_random(&seed, sizeof seed);

    struct mm_map seen;
    mm_map_init(&seen, message->recipients.count, seed);
    for (size_t i = 0; error == MAILMOD_OK && i < message->recipients.count;
         i++) {
        error = find_place(message, i, &seen);
    }
    mm_map_fini(&seen);
    return error;
}

size_t mm_message_count_at(const mailmod_message *message,
                           enum mm_message_place place)
{
    size_t count = 0;

    for (size_t i = 0; i < message->recipients.count; i++) {
        count += message->recipients.items[i].place == place ? 1 : 0;
    }
    return count;
}

/* Outcomes of those who are here: in the mailbox, or nobody. */
void mm_message_note_places(mailmod_message *message, enum mailmod_error error)
{
    static const struct mm_message_words delivered = {.enhanced = "2.1.5",
                                                      .text = "in the mailbox"};
    static const struct mm_message_words nobody = {
        .code = 550, .enhanced = "5.1.1", .text = "No such user here"};
    static const struct mm_message_words not_stored = {
        .enhanced = "4.3.0", .text = "the mailbox cannot be written"};

    for (size_t i = 0; i < message->recipients.count; i++) {
        struct mm_message_recipient *recipient = &message->recipients.items[i];

        if (recipient->place == MM_PLACE_NOBODY) {
            mm_message_note_own(message, i, MAILMOD_FAILED, &nobody);
        } else if (recipient->place == MM_PLACE_HERE && error == MAILMOD_OK) {
            mm_message_note_own(message, i, MAILMOD_DELIVERED, &delivered);
        } else if (recipient->place == MM_PLACE_HERE) {
            mm_message_note_own(message, i, MAILMOD_DEFERRED, &not_stored);
            recipient->error = error;
        }
    }
    mm_message_end_if_over(message);
}
