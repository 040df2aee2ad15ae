/* status.c - what came of messages and recipients, in libESMTP's structure.
 *
 * Promises: no status is NULL but for an argument that is; a text ends with a
 * line feed, as programs print it. What was not said by a server has a code of
 * 0 and mailmod's words. Thread: the session's. */
#include "esmtp/esmtp.h"

#include <stdio.h>
#include <string.h>

static const char *read_part(const char *text, int *number_out)
{
    *number_out = 0;
    while (*text >= '0' && *text <= '9' && *number_out < 1000) {
        *number_out = *number_out * 10 + (*text++ - '0');
    }
    return *text == '.' ? text + 1 : text;
}

void mm_esmtp_status_fill(struct mm_esmtp_status *status,
                          const struct mailmod_result *result)
{
    smtp_status_t *out = &status->status;

    *out = (smtp_status_t){.code = result->code};
    if (result->code == 0 && result->outcome == MAILMOD_PENDING) {
        return;
    }
    /* One octet is for the line feed. */
    int size =
        snprintf(status->text, sizeof status->text - 1, "%s", result->text);
    if (size < 0) {
        status->text[0] = '\0';
    }
    size_t used = strlen(status->text);
    if (used == 0 || status->text[used - 1] != '\n') {
        memcpy(status->text + used, "\n", 2);
    }
    out->text = status->text;
    const char *rest = read_part(result->enhanced, &out->enh_class);
    rest = read_part(rest, &out->enh_subject);
    (void)read_part(rest, &out->enh_detail);
}

const smtp_status_t *smtp_message_transfer_status(smtp_message_t message)
{
    struct mailmod_result result = {.size = sizeof result};

    if (message == NULL) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    if (mm_esmtp_result(
            mailmod_client_transfer_status(message->inner, &result))) {
        mm_esmtp_status_fill(&message->transfer_status, &result);
    }
    return &message->transfer_status.status;
}

const smtp_status_t *smtp_reverse_path_status(smtp_message_t message)
{
    struct mailmod_result result = {.size = sizeof result};

    if (message == NULL) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    if (mm_esmtp_result(
            mailmod_client_reverse_path_status(message->inner, &result))) {
        mm_esmtp_status_fill(&message->reverse_path_status, &result);
    }
    return &message->reverse_path_status.status;
}

const smtp_status_t *smtp_recipient_status(smtp_recipient_t recipient)
{
    struct mailmod_result result = {.size = sizeof result};

    if (recipient == NULL) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    if (mm_esmtp_result(
            mailmod_client_recipient_status(recipient->inner, &result))) {
        mm_esmtp_status_fill(&recipient->status, &result);
    }
    return &recipient->status.status;
}

int smtp_recipient_check_complete(smtp_recipient_t recipient)
{
    struct mailmod_result result = {.size = sizeof result};

    if (recipient == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    return mm_esmtp_result(
               mailmod_client_recipient_status(recipient->inner, &result)) &&
           result.is_final;
}

int smtp_message_reset_status(smtp_message_t message)
{
    return message != NULL
               ? mm_esmtp_result(mailmod_client_message_reset(message->inner))
               : mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
}

int smtp_recipient_reset_status(smtp_recipient_t recipient)
{
    return recipient != NULL ? mm_esmtp_result(mailmod_client_recipient_reset(
                                   recipient->inner))
                             : mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
}
