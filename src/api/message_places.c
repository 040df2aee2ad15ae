/* message_places.c - which recipients of a message are here, and what of them.
 *
 * Owns nothing. Promises: what is local is what the server takes as local, but
 * for address literals, which name the host by a connection that there is not;
 * nobody of that name is FAILED as the server would have said it.
 *
 * Thread: any; the look-ups are reads by key. RFC 5321 4.1.3, RFC 3463 3.2. */
#include "api/message.h"

#include "server/directory.h"

enum mailmod_error mm_message_find_places(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    for (size_t i = 0; i < message->recipients.count; i++) {
        struct mm_message_recipient *recipient = &message->recipients.items[i];
        struct mm_address address;
        enum mailmod_error error = mm_address_parse(
            mm_span_cstr(recipient->path), false, true, &address);

        if (error == MAILMOD_OK &&
            mm_directory_is_local(message->config, &address, NULL)) {
            error = mm_directory_find(messages->store, message->config,
                                      &address, &recipient->mailbox_id);
            recipient->place = error == MAILMOD_ERROR_NOT_FOUND
                                   ? MM_PLACE_NOBODY
                                   : MM_PLACE_HERE;
        }
        if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
            return error;
        }
    }
    return MAILMOD_OK;
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
