/* direct.c - messages of the host's that go out at once.
 *
 * Owns: what the outbound works with, until it gives it back. Promises: those
 * who are here have it in their mailboxes, on disk, before the first host is
 * called; the text of the attempts is a deposit that is never finished, so what
 * memory does not hold lies in the store, and is gone with the last attempt or
 * by the next start; it and a relay's password are given back then, whatever
 * becomes of the handle.
 *
 * Thread: any but the instance's loops; on_gone on one of them,
 * read_chunk on a worker. */
#include "api/message/message.h"

#include "base/mem.h"
#include "post/destination.h"

struct departure {
    struct mm_unstored direct;
    struct mm_deposit *text;
    mailmod_message *message; /* a reference */
};

static enum mailmod_error read_chunk(void *context, unsigned number,
                                     struct mm_buf *out)
{
    const struct departure *departure = context;

    return mm_deposit_read(departure->text, number, out);
}

static void free_departure(struct departure *departure)
{
    mm_free(departure->direct.recipients);
    mm_free(departure);
}

static void on_gone(struct mm_unstored *direct, struct mm_loop *loop)
{
    struct departure *departure =
        MM_LIST_OBJECT(direct, struct departure, direct);
    mailmod_message *message = departure->message;

    mm_deposit_abandon_on(&departure->text, loop);
    mm_message_relay_fini(&message->relay);
    free_departure(departure);
    mm_message_unref(message);
}

static enum mailmod_error fill_recipients(struct departure *departure)
{
    const mailmod_message *message = departure->message;
    struct mm_unstored *direct = &departure->direct;

    for (size_t i = 0; i < message->recipients.count; i++) {
        const struct mm_message_recipient *recipient =
            &message->recipients.items[i];
        struct mm_store_recipient *row =
            &direct->recipients[direct->recipient_count];

        if (recipient->place != MM_PLACE_REMOTE) {
            continue;
        }
        struct mm_address address;
        enum mailmod_error error = mm_address_parse(
            mm_span_cstr(recipient->path), false, true, &address);
        if (error != MAILMOD_OK) {
            return error;
        }
        row->message_id = message->id;
        (void)mm_span_copy(mm_span_cstr(recipient->path), row->path,
                           sizeof row->path);
        mm_destination_name(direct->relay.host, address.domain,
                            row->destination);
        row->notify = recipient->notify;
        if (recipient->original_recipient != NULL) {
            (void)mm_span_copy(mm_span_cstr(recipient->original_recipient),
                               row->original_recipient,
                               sizeof row->original_recipient);
        }
        direct->recipient_count++;
    }
    return MAILMOD_OK;
}

static void fill_message(struct departure *departure)
{
    const mailmod_message *message = departure->message;
    struct mm_store_message *row = &departure->direct.message;

    row->id = message->id;
    row->arrival_ms = message->arrival_ms;
    row->size = message->size;
    row->is_8bit = message->text.is_8bit;
    row->is_smtputf8 = message->is_smtputf8;
    row->dsn_return = (int)message->dsn_return;
    (void)mm_span_copy(mm_span_cstr(message->envelope_id), row->envelope_id,
                       sizeof row->envelope_id);
    (void)mm_span_copy(mm_span_cstr(message->reverse_path), row->reverse_path,
                       sizeof row->reverse_path);
}

/* NULL with OK: nobody is elsewhere. */
static enum mailmod_error new_departure(struct departure **departure_out,
                                        mailmod_message *message)
{
    size_t count = mm_message_count_at(message, MM_PLACE_REMOTE);
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    *departure_out = NULL;
    if (count == 0) {
        return MAILMOD_OK;
    }
    struct departure *departure = mm_alloc(sizeof *departure);
    if (departure == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    departure->message = message;
    departure->direct.read_chunk = read_chunk;
    departure->direct.context = departure;
    departure->direct.on_gone = on_gone;
    departure->direct.requires_all = message->requires_all;
    mm_message_relay(message, &departure->direct.relay);
    fill_message(departure);
    departure->direct.recipients =
        mm_alloc_array(count, sizeof *departure->direct.recipients);
    if (departure->direct.recipients != NULL) {
        error = fill_recipients(departure);
    }
    if (error != MAILMOD_OK) {
        free_departure(departure);
        return error;
    }
    *departure_out = departure;
    return MAILMOD_OK;
}

static enum mailmod_error close_text(mailmod_message *message)
{
    enum mailmod_error error =
        mm_deposit_end_text(message->deposit, message->text.is_8bit);

    message->size = mm_deposit_size(message->deposit);
    return error;
}

/* Who reads the message here may delete it: then the attempts have a text of
 * their own. */
static enum mailmod_error take_text(mailmod_message *message,
                                    struct departure *departure)
{
    if (mm_deposit_recipient_count(message->deposit) > 0) {
        return mm_message_copy_text(message, &departure->text);
    }
    departure->text = message->deposit;
    message->deposit = NULL;
    return MAILMOD_OK;
}

/* Its own attempt: a store that fails is the outcome of those here alone. */
static void deliver_here(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;
    enum mailmod_error error = message->deposit != NULL
                                   ? mm_message_finish_deposit(message)
                                   : MAILMOD_OK;

    mm_mutex_lock(messages->mutex);
    mm_message_note_places(
        message, error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error);
    mm_mutex_unlock(messages->mutex);
}

/* What mm_message_send_direct does before anything can be seen of it. */
static enum mailmod_error prepare(mailmod_message *message,
                                  struct departure **departure_out)
{
    enum mailmod_error error = close_text(message);

    if (error == MAILMOD_OK && message->mode == MAILMOD_SEND_NOW) {
        error = mm_message_find_places(message);
    }
    if (error == MAILMOD_OK) {
        error = new_departure(departure_out, message);
    }
    if (error == MAILMOD_OK && *departure_out != NULL) {
        error = take_text(message, *departure_out);
    }
    return error == MAILMOD_OK ? mm_message_depart(message) : error;
}

enum mailmod_error mm_message_send_direct(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;
    struct departure *departure = NULL;
    enum mailmod_error error = prepare(message, &departure);

    if (error != MAILMOD_OK) {
        mm_deposit_abandon(&message->deposit);
        if (departure != NULL) {
            mm_deposit_abandon(&departure->text);
            free_departure(departure);
        }
        return error;
    }
    deliver_here(message);
    if (departure == NULL) {
        return MAILMOD_OK;
    }
    mm_mutex_lock(messages->mutex);
    message->references++;
    mm_mutex_unlock(messages->mutex);
    mm_outbound_send(messages->outbound, &departure->direct);
    return MAILMOD_OK;
}
