/* data.c - the program's own pointers at sessions, messages and recipients,
 * and the older functions for them, which release nothing.
 *
 * Thread: the session's. */
#define LIBESMTP_ENABLE_DEPRECATED_SYMBOLS
#include "esmtp/esmtp.h"

void smtp_set_application_data_release(smtp_session_t session, void *data,
                                       void (*release)(void *))
{
    if (session != NULL) {
        mm_esmtp_data_set(&session->data, data, release);
    }
}

void smtp_message_set_application_data_release(smtp_message_t message,
                                               void *data,
                                               void (*release)(void *))
{
    if (message != NULL) {
        mm_esmtp_data_set(&message->data, data, release);
    }
}

void smtp_recipient_set_application_data_release(smtp_recipient_t recipient,
                                                 void *data,
                                                 void (*release)(void *))
{
    if (recipient != NULL) {
        mm_esmtp_data_set(&recipient->data, data, release);
    }
}

void *smtp_get_application_data(smtp_session_t session)
{
    return session != NULL ? session->data.value : NULL;
}

void *smtp_message_get_application_data(smtp_message_t message)
{
    return message != NULL ? message->data.value : NULL;
}

void *smtp_recipient_get_application_data(smtp_recipient_t recipient)
{
    return recipient != NULL ? recipient->data.value : NULL;
}

void *smtp_set_application_data(smtp_session_t session, void *data)
{
    return session != NULL ? mm_esmtp_data_exchange(&session->data, data)
                           : NULL;
}

void *smtp_message_set_application_data(smtp_message_t message, void *data)
{
    return message != NULL ? mm_esmtp_data_exchange(&message->data, data)
                           : NULL;
}

void *smtp_recipient_set_application_data(smtp_recipient_t recipient,
                                          void *data)
{
    return recipient != NULL ? mm_esmtp_data_exchange(&recipient->data, data)
                             : NULL;
}
