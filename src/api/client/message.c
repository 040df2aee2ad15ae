/* message.c - the messages of a client and their recipients.
 *
 * Owns them. Promises: a handle that ended is never touched again; the
 * contexts of what ends are released once, the recipients' before the
 * message's; what cannot stand on the wire is refused where it is given.
 * Thread: the host's, one at a time. RFC 5321 4.1.2, RFC 2852 4, RFC
 * 3461. */
#include "api/client/client.h"

#include "api/handles.h"
#include "api/instance.h"

#include "base/mem.h"
#include "wire/addr/address.h"

#define SHOWN_MAX 200

static void dispose_recipient(mailmod_client_recipient *recipient)
{
    if (mm_handle_remove(MM_HANDLE_CLIENT_RECIPIENT, recipient, 0) !=
        MAILMOD_OK) {
        return; /* another call ends it */
    }
    mm_list_remove(&recipient->node);
    mm_context_release(&recipient->context);
    mm_free(recipient);
}

static void free_message(mailmod_client_message *message)
{
    MM_LIST_EACH(node, &message->recipients)
    {
        dispose_recipient(
            MM_LIST_OBJECT(node, struct mailmod_client_recipient, node));
    }
    mm_client_text_fini(&message->text);
    mm_header_set_fini(&message->header);
    mm_list_remove(&message->node);
    mm_context_release(&message->context);
    mm_free(message);
}

void mm_client_message_dispose(mailmod_client_message *message)
{
    if (mm_handle_remove(MM_HANDLE_CLIENT_MESSAGE, message, 0) == MAILMOD_OK) {
        free_message(message);
    }
}

static enum mailmod_error add_message(mailmod_client *client,
                                      mailmod_client_message **message_out)
{
    if (client->message_count == MM_CLIENT_MESSAGES_MAX) {
        return mm_fail(MAILMOD_ERROR_LIMIT, "the client has %d messages",
                       MM_CLIENT_MESSAGES_MAX);
    }
    mailmod_client_message *message = mm_alloc(sizeof *message);
    enum mailmod_error error =
        message != NULL ? mm_handle_add(MM_HANDLE_CLIENT_MESSAGE, message)
                        : MAILMOD_ERROR_MEMORY;
    if (error != MAILMOD_OK) {
        mm_free(message);
        return mm_fail(error, "%s", mm_error_text(error));
    }
    message->client = client;
    mm_list_init(&message->recipients);
    mm_list_init(&message->node);
    mm_list_append(&client->messages, &message->node);
    client->message_count++;
    *message_out = message;
    return MAILMOD_OK;
}

enum mailmod_error
mailmod_client_message_add(mailmod_client *client,
                           mailmod_client_message **message_out)
{
    if (message_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "message_out: NULL");
    }
    *message_out = NULL;
    enum mailmod_error error = mm_client_begin(client);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = add_message(client, message_out);
    mm_handle_let(client);
    return error;
}

enum mailmod_error
mailmod_client_message_remove(mailmod_client_message **message_in)
{
    if (message_in == NULL || *message_in == NULL) {
        return MAILMOD_OK;
    }
    mailmod_client_message *message = *message_in;
    enum mailmod_error error = mm_client_message_begin(message);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_handle_remove(MM_HANDLE_CLIENT_MESSAGE, message, 1);
    if (error != MAILMOD_OK) {
        mm_handle_let(message);
        return error;
    }
    *message_in = NULL;
    message->client->message_count--;
    free_message(message);
    return MAILMOD_OK;
}

mailmod_client_message *
mailmod_client_message_next(mailmod_client *client,
                            mailmod_client_message *message)
{
    const struct mm_list *next = NULL;

    if (mm_handle_hold(MM_HANDLE_CLIENT, client) != MAILMOD_OK) {
        return NULL;
    }
    if (message == NULL) {
        next = client->messages.next;
    } else if (mm_handle_hold(MM_HANDLE_CLIENT_MESSAGE, message) ==
               MAILMOD_OK) {
        next = message->client == client ? message->node.next : NULL;
        mm_handle_let(message);
    }
    mm_handle_let(client);
    return next != NULL && next != &client->messages
               ? MM_LIST_OBJECT(next, struct mailmod_client_message, node)
               : NULL;
}

enum mailmod_error
mailmod_client_message_set_context(mailmod_client_message *message,
                                   void *context, mailmod_on_release on_release)
{
    enum mailmod_error error =
        mm_handle_hold(MM_HANDLE_CLIENT_MESSAGE, message);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_context former = mm_context_take(&message->context);
    message->context = (struct mm_context){context, on_release};
    mm_handle_let(message);
    mm_context_release(&former);
    return MAILMOD_OK;
}

void *mailmod_client_message_context(mailmod_client_message *message)
{
    if (mm_handle_hold(MM_HANDLE_CLIENT_MESSAGE, message) != MAILMOD_OK) {
        return NULL;
    }
    void *context = message->context.value;
    mm_handle_let(message);
    return context;
}

static enum mailmod_error parse_mailbox(const char *field, const char *mailbox,
                                        bool allows_null,
                                        struct mm_address *address_out)
{
    struct mm_span text = mm_span_trim(mm_span_cstr(mailbox));

    if (mm_address_parse(text, allows_null, true, address_out) == MAILMOD_OK) {
        return MAILMOD_OK;
    }
    return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: \"%.*s\" is no mail address",
                   field, (int)(text.size < SHOWN_MAX ? text.size : SHOWN_MAX),
                   text.data != NULL ? text.data : "");
}

enum mailmod_error
mailmod_client_message_set_reverse_path(mailmod_client_message *message,
                                        const char *mailbox)
{
    struct mm_address address;
    enum mailmod_error error = mm_client_message_begin(message);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = parse_mailbox("mailbox", mailbox, true, &address);
    if (error == MAILMOD_OK) {
        (void)mm_span_copy(mm_span_cstr(address.text), message->reverse_path,
                           sizeof message->reverse_path);
        message->needs_smtputf8 = address.needs_smtputf8;
    }
    mm_handle_let(message);
    return error;
}

enum mailmod_error
mailmod_client_message_set_dsn(mailmod_client_message *message,
                               enum mailmod_dsn_return dsn_return,
                               const char *envelope_id)
{
    enum mm_dsn_return own = MM_DSN_RETURN_UNSET;
    enum mailmod_error error = mm_client_message_begin(message);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_message_check_return(dsn_return, &own);
    if (error == MAILMOD_OK && envelope_id != NULL) {
        error = mm_message_check_envelope_id(envelope_id);
    }
    if (error == MAILMOD_OK) {
        message->dsn_return = own;
        (void)mm_span_copy(mm_span_cstr(envelope_id), message->envelope_id,
                           sizeof message->envelope_id);
    }
    mm_handle_let(message);
    return error;
}

/* 0 is no time to deliver in, and below it none that a sender would mean. */
static enum mailmod_error check_deliver_by(enum mailmod_deliver_by mode,
                                           int64_t seconds)
{
    if (mode != MAILMOD_DELIVER_BY_OFF && mode != MAILMOD_DELIVER_BY_NOTIFY &&
        mode != MAILMOD_DELIVER_BY_RETURN) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "mode: %d is no mailmod_deliver_by", (int)mode);
    }
    if (mode != MAILMOD_DELIVER_BY_OFF &&
        (seconds < 1 || seconds > MM_DELIVER_BY_SECONDS_MAX)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "seconds: %lld is not from 1 to %d", (long long)seconds,
                       MM_DELIVER_BY_SECONDS_MAX);
    }
    return MAILMOD_OK;
}

enum mailmod_error
mailmod_client_message_set_deliver_by(mailmod_client_message *message,
                                      enum mailmod_deliver_by mode,
                                      int64_t seconds, int is_traced)
{
    enum mailmod_error error = mm_client_message_begin(message);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = check_deliver_by(mode, seconds);
    if (error == MAILMOD_OK) {
        message->by =
            (struct mm_deliver_by){.mode = (enum mm_deliver_by_mode)mode,
                                   .seconds = seconds,
                                   .is_traced = is_traced != 0};
    }
    mm_handle_let(message);
    return error;
}

/* ---- recipients ---------------------------------------------------------- */

static enum mailmod_error add_recipient(mailmod_client_message *message,
                                        const struct mm_address *address,
                                        mailmod_client_recipient **out)
{
    if (message->recipient_count == MM_CLIENT_RECIPIENTS_MAX) {
        return mm_fail(MAILMOD_ERROR_LIMIT, "the message has %d recipients",
                       MM_CLIENT_RECIPIENTS_MAX);
    }
    mailmod_client_recipient *recipient = mm_alloc(sizeof *recipient);
    enum mailmod_error error =
        recipient != NULL ? mm_handle_add(MM_HANDLE_CLIENT_RECIPIENT, recipient)
                          : MAILMOD_ERROR_MEMORY;
    if (error != MAILMOD_OK) {
        mm_free(recipient);
        return mm_fail(error, "%s", mm_error_text(error));
    }
    recipient->message = message;
    (void)mm_span_copy(mm_span_cstr(address->text), recipient->path,
                       sizeof recipient->path);
    recipient->needs_smtputf8 = address->needs_smtputf8;
    mm_list_init(&recipient->node);
    mm_list_append(&message->recipients, &recipient->node);
    message->recipient_count++;
    *out = recipient;
    return MAILMOD_OK;
}

enum mailmod_error
mailmod_client_recipient_add(mailmod_client_message *message,
                             const char *mailbox,
                             mailmod_client_recipient **recipient_out)
{
    struct mm_address address;
    mailmod_client_recipient *recipient = NULL;
    enum mailmod_error error = mm_client_message_begin(message);

    if (error == MAILMOD_OK) {
        error = parse_mailbox("mailbox", mailbox, false, &address);
        if (error == MAILMOD_OK) {
            error = add_recipient(message, &address, &recipient);
        }
        mm_handle_let(message);
    }
    if (recipient_out != NULL) {
        *recipient_out = recipient;
    }
    return error;
}

mailmod_client_recipient *
mailmod_client_recipient_next(mailmod_client_message *message,
                              mailmod_client_recipient *recipient)
{
    const struct mm_list *next = NULL;

    if (mm_handle_hold(MM_HANDLE_CLIENT_MESSAGE, message) != MAILMOD_OK) {
        return NULL;
    }
    if (recipient == NULL) {
        next = message->recipients.next;
    } else if (mm_handle_hold(MM_HANDLE_CLIENT_RECIPIENT, recipient) ==
               MAILMOD_OK) {
        next = recipient->message == message ? recipient->node.next : NULL;
        mm_handle_let(recipient);
    }
    mm_handle_let(message);
    return next != NULL && next != &message->recipients
               ? MM_LIST_OBJECT(next, struct mailmod_client_recipient, node)
               : NULL;
}

const char *
mailmod_client_recipient_mailbox(mailmod_client_recipient *recipient)
{
    if (mm_handle_hold(MM_HANDLE_CLIENT_RECIPIENT, recipient) != MAILMOD_OK) {
        return NULL;
    }
    mm_handle_let(recipient);
    return recipient->path;
}

enum mailmod_error
mailmod_client_recipient_set_context(mailmod_client_recipient *recipient,
                                     void *context,
                                     mailmod_on_release on_release)
{
    enum mailmod_error error =
        mm_handle_hold(MM_HANDLE_CLIENT_RECIPIENT, recipient);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_context former = mm_context_take(&recipient->context);
    recipient->context = (struct mm_context){context, on_release};
    mm_handle_let(recipient);
    mm_context_release(&former);
    return MAILMOD_OK;
}

void *mailmod_client_recipient_context(mailmod_client_recipient *recipient)
{
    if (mm_handle_hold(MM_HANDLE_CLIENT_RECIPIENT, recipient) != MAILMOD_OK) {
        return NULL;
    }
    void *context = recipient->context.value;
    mm_handle_let(recipient);
    return context;
}

enum mailmod_error
mailmod_client_recipient_set_dsn(mailmod_client_recipient *recipient,
                                 unsigned notify,
                                 const char *original_recipient)
{
    enum mailmod_error error = mm_client_recipient_begin(recipient);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_message_check_notify("notify", notify);
    if (error == MAILMOD_OK && original_recipient != NULL) {
        error = mm_message_check_original(original_recipient);
    }
    if (error == MAILMOD_OK) {
        recipient->notify = notify;
        (void)mm_span_copy(mm_span_cstr(original_recipient),
                           recipient->original_recipient,
                           sizeof recipient->original_recipient);
    }
    mm_handle_let(recipient);
    return error;
}
