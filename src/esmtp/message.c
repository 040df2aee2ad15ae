/* message.c - messages, recipients, and what goes with their envelopes.
 *
 * Each is one of mailmod/client.h, which checks what is set; an address that is
 * none is refused here, and not by the server. Promises: a text that the
 * program set comes back to it as it was. Thread: the session's. */
#include "esmtp/esmtp.h"

#include <stdio.h>
#include <string.h>

/* ---- messages ------------------------------------------------------------ */

static void free_recipient(smtp_recipient_t recipient)
{
    mm_esmtp_data_set(&recipient->data, NULL, NULL);
    mm_esmtp_free(recipient->mailbox);
    mm_esmtp_free(recipient->original);
    mm_esmtp_free(recipient);
}

void mm_esmtp_message_free(smtp_message_t message)
{
    while (message->first != NULL) {
        smtp_recipient_t recipient = message->first;

        message->first = recipient->next;
        free_recipient(recipient);
    }
    mm_esmtp_data_set(&message->data, NULL, NULL);
    mm_esmtp_spool_free(message);
    mm_esmtp_free(message->callback_context);
    mm_esmtp_free(message->reverse_path);
    mm_esmtp_free(message->envelope_id);
    mm_esmtp_free(message);
}

static int open_message(smtp_message_t message)
{
    const struct mailmod_client_content content = {.size = sizeof content,
                                                   .read = mm_esmtp_spool_read,
                                                   .rewind =
                                                       mm_esmtp_spool_rewind,
                                                   .context = message};

    message->reverse_path = mm_esmtp_copy("");
    if (message->reverse_path == NULL ||
        !mm_esmtp_result(mailmod_client_message_add(message->session->client,
                                                    &message->inner))) {
        return 0;
    }
    if (mm_esmtp_result(mailmod_client_message_set_context(message->inner,
                                                           message, NULL)) &&
        mm_esmtp_result(
            mailmod_client_message_set_content(message->inner, &content))) {
        return 1;
    }
    (void)mailmod_client_message_remove(&message->inner);
    return 0;
}

smtp_message_t smtp_add_message(smtp_session_t session)
{
    if (session == NULL) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    smtp_message_t message = mm_esmtp_alloc(sizeof *message);
    if (message == NULL) {
        return NULL;
    }
    message->session = session;
    if (!open_message(message)) {
        mm_esmtp_message_free(message);
        return NULL;
    }
    if (session->last != NULL) {
        session->last->next = message;
    } else {
        session->first = message;
    }
    session->last = message;
    return message;
}

int smtp_enumerate_messages(smtp_session_t session,
                            smtp_enumerate_messagecb_t cb, void *arg)
{
    if (session == NULL || cb == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    for (smtp_message_t message = session->first; message != NULL;
         message = message->next) {
        cb(message, arg);
    }
    return 1;
}

int smtp_set_reverse_path(smtp_message_t message, const char *mailbox)
{
    if (message == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    return mm_esmtp_result(mailmod_client_message_set_reverse_path(
               message->inner, mailbox)) &&
           mm_esmtp_replace(&message->reverse_path,
                            mailbox != NULL ? mailbox : "");
}

int smtp_set_messagecb(smtp_message_t message, smtp_messagecb_t cb, void *arg)
{
    if (message == NULL || cb == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (message->session->is_running) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, "the session runs");
    }
    mm_esmtp_free(message->callback_context);
    message->callback_context = NULL;
    message->callback = cb;
    message->callback_arg = arg;
    return 1;
}

/* ---- recipients ---------------------------------------------------------- */

smtp_recipient_t smtp_add_recipient(smtp_message_t message, const char *mailbox)
{
    if (message == NULL || mailbox == NULL) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    smtp_recipient_t recipient = mm_esmtp_alloc(sizeof *recipient);
    if (recipient == NULL) {
        return NULL;
    }
    recipient->message = message;
    recipient->mailbox = mm_esmtp_copy(mailbox);
    if (recipient->mailbox == NULL ||
        !mm_esmtp_result(mailmod_client_recipient_add(message->inner, mailbox,
                                                      &recipient->inner))) {
        free_recipient(recipient);
        return NULL;
    }
    (void)mailmod_client_recipient_set_context(recipient->inner, recipient,
                                               NULL);
    if (message->last != NULL) {
        message->last->next = recipient;
    } else {
        message->first = recipient;
    }
    message->last = recipient;
    return recipient;
}

int smtp_enumerate_recipients(smtp_message_t message,
                              smtp_enumerate_recipientcb_t cb, void *arg)
{
    if (message == NULL || cb == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    for (smtp_recipient_t recipient = message->first; recipient != NULL;
         recipient = recipient->next) {
        cb(recipient, recipient->mailbox, arg);
    }
    return 1;
}

/* ---- reports of delivery (RFC 3461) -------------------------------------- */

int smtp_dsn_set_ret(smtp_message_t message, enum ret_flags flags)
{
    static const enum mailmod_dsn_return ways[] = {
        [Ret_NOTSET] = MAILMOD_DSN_RETURN_DEFAULT,
        [Ret_FULL] = MAILMOD_DSN_RETURN_FULL,
        [Ret_HDRS] = MAILMOD_DSN_RETURN_HEADERS};

    if (message == NULL || (unsigned)flags > Ret_HDRS) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (!mm_esmtp_result(mailmod_client_message_set_dsn(
            message->inner, ways[flags], message->envelope_id))) {
        return 0;
    }
    message->dsn_return = ways[flags];
    return 1;
}

int smtp_dsn_set_envid(smtp_message_t message, const char *envid)
{
    if (message == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    return mm_esmtp_result(mailmod_client_message_set_dsn(
               message->inner, message->dsn_return, envid)) &&
           mm_esmtp_replace(&message->envelope_id, envid);
}

int smtp_dsn_set_notify(smtp_recipient_t recipient, enum notify_flags flags)
{
    unsigned notify = 0;

    if (recipient == NULL ||
        (flags != Notify_NEVER &&
         ((unsigned)flags &
          ~(unsigned)(Notify_SUCCESS | Notify_FAILURE | Notify_DELAY)) != 0)) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (flags == Notify_NEVER) {
        notify = MAILMOD_DSN_NEVER;
    } else {
        unsigned bits = (unsigned)flags;
        notify |= (bits & Notify_SUCCESS) != 0 ? MAILMOD_DSN_SUCCESS : 0u;
        notify |= (bits & Notify_FAILURE) != 0 ? MAILMOD_DSN_FAILURE : 0u;
        notify |= (bits & Notify_DELAY) != 0 ? MAILMOD_DSN_DELAY : 0u;
    }
    if (!mm_esmtp_result(mailmod_client_recipient_set_dsn(
            recipient->inner, notify, recipient->original))) {
        return 0;
    }
    recipient->notify = notify;
    return 1;
}

int smtp_dsn_set_orcpt(smtp_recipient_t recipient, const char *address_type,
                       const char *address)
{
    char text[MM_ESMTP_TEXT_MAX];
    const char *original = NULL;

    if (recipient == NULL || (address_type == NULL) != (address == NULL)) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (address != NULL) {
        int size = snprintf(text, sizeof text, "%s;%s", address_type, address);
        if (size < 0 || (size_t)size >= sizeof text) {
            return mm_esmtp_fail(SMTP_ERR_INVAL, "the address is too long");
        }
        original = text;
    }
    return mm_esmtp_result(mailmod_client_recipient_set_dsn(
               recipient->inner, recipient->notify, original)) &&
           mm_esmtp_replace(&recipient->original, original);
}

/* ---- other extensions ---------------------------------------------------- */

int smtp_size_set_estimate(smtp_message_t message, unsigned long size)
{
    (void)size;
    return message != NULL ? 1 : mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
}

int smtp_8bitmime_set_body(smtp_message_t message, enum e8bitmime_body body)
{
    if (message == NULL || (unsigned)body > E8bitmime_BINARYMIME) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (!mm_esmtp_result(mailmod_client_message_set_binary(
            message->inner, body == E8bitmime_BINARYMIME))) {
        return 0;
    }
    message->body = body;
    return 1;
}

int smtp_deliverby_set_mode(smtp_message_t message, long time,
                            enum by_mode mode, int trace)
{
    static const enum mailmod_deliver_by modes[] = {
        [By_NOTSET] = MAILMOD_DELIVER_BY_OFF,
        [By_NOTIFY] = MAILMOD_DELIVER_BY_NOTIFY,
        [By_RETURN] = MAILMOD_DELIVER_BY_RETURN};

    if (message == NULL || (unsigned)mode > By_RETURN) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    return mm_esmtp_result(mailmod_client_message_set_deliver_by(
        message->inner, modes[mode], mode == By_NOTSET ? 1 : time, trace));
}
