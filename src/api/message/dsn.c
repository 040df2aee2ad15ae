/* dsn.c - what a host program wants to be told about deliveries.
 *
 * Owns nothing; fills a message that is new. Promises: a wish that no host
 * could be asked for is an error whose words name the field; texts are what a
 * peer may write in ENVID and ORCPT, no more.
 *
 * Thread: any. RFC 3461 4.1 (NOTIFY), 4.2 (ORCPT), 4.3 (RET), 4.4 (ENVID). */
#include "api/instance.h"
#include "api/message/message.h"

#include "base/mem.h"

_Static_assert((int)MAILMOD_DSN_NEVER == (int)MM_DSN_NOTIFY_NEVER &&
                   (int)MAILMOD_DSN_SUCCESS == (int)MM_DSN_NOTIFY_SUCCESS &&
                   (int)MAILMOD_DSN_FAILURE == (int)MM_DSN_NOTIFY_FAILURE &&
                   (int)MAILMOD_DSN_DELAY == (int)MM_DSN_NOTIFY_DELAY,
               "the public bits are those of base/dsn.h");

#define NOTIFY_ALL                                                             \
    ((unsigned)(MAILMOD_DSN_NEVER | MAILMOD_DSN_SUCCESS |                      \
                MAILMOD_DSN_FAILURE | MAILMOD_DSN_DELAY))

enum mailmod_error mm_message_check_notify(const char *field, unsigned notify)
{
    if ((notify & ~NOTIFY_ALL) != 0 ||
        ((notify & MAILMOD_DSN_NEVER) != 0 && notify != MAILMOD_DSN_NEVER)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "%s: %u is not MAILMOD_DSN_NEVER or bits of the others",
                       field, notify);
    }
    return MAILMOD_OK;
}

static bool is_visible(struct mm_span text, size_t size_max)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 127) {
            return false;
        }
    }
    return text.size > 0 && text.size <= size_max;
}

enum mailmod_error mm_message_check_original(const char *text)
{
    struct mm_span type;
    struct mm_span address = mm_span(NULL, 0);

    if (!is_visible(mm_span_cstr(text), MM_DSN_ORIGINAL_RECIPIENT_MAX) ||
        !mm_span_cut(mm_span_cstr(text), ';', &type, &address) ||
        type.size == 0 || address.size == 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "dsn_original_recipient: it is not \"type;address\", "
                       "printable and of at most %d characters",
                       MM_DSN_ORIGINAL_RECIPIENT_MAX);
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_message_check_return(enum mailmod_dsn_return given,
                                           enum mm_dsn_return *return_out)
{
    static const enum mm_dsn_return returns[] = {
        [MAILMOD_DSN_RETURN_DEFAULT] = MM_DSN_RETURN_UNSET,
        [MAILMOD_DSN_RETURN_FULL] = MM_DSN_RETURN_FULL,
        [MAILMOD_DSN_RETURN_HEADERS] = MM_DSN_RETURN_HEADERS};

    if ((unsigned)given > MAILMOD_DSN_RETURN_HEADERS) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "dsn_return: %d is no such value", (int)given);
    }
    *return_out = returns[given];
    return MAILMOD_OK;
}

enum mailmod_error mm_message_check_envelope_id(const char *text)
{
    return is_visible(mm_span_cstr(text), MM_DSN_ENVELOPE_ID_MAX)
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT,
                         "dsn_envelope_id: it is not 1 to %d printable "
                         "characters without blanks",
                         MM_DSN_ENVELOPE_ID_MAX);
}

enum mailmod_error mm_message_take_dsn(mailmod_message *message,
                                       const struct mailmod_envelope *envelope)
{
    const char *id = envelope->dsn_envelope_id;
    enum mailmod_error error =
        mm_message_check_return(envelope->dsn_return, &message->dsn_return);

    if (error == MAILMOD_OK && id != NULL) {
        error = mm_message_check_envelope_id(id);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    (void)mm_span_copy(mm_span_cstr(id), message->envelope_id,
                       sizeof message->envelope_id);
    error = mm_message_check_notify("dsn_notify", envelope->dsn_notify);
    for (size_t i = 0; i < message->recipients.count; i++) {
        struct mm_message_recipient *recipient = &message->recipients.items[i];

        if (recipient->notify == 0) {
            recipient->notify = envelope->dsn_notify;
        }
    }
    return error;
}
