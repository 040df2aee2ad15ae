/* status.c - what came of a message, part by part, as the host is told it.
 *
 * Owns nothing; fills statuses of handles. Promises: a code and texts are of
 * one reply, or our own words with the code 0; what is final stays until it is
 * reset.
 * Thread: the host's, one at a time. RFC 3463. */
#include "api/client/client.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

static void use_words(struct mm_client_status *status,
                      const struct mq_outcome *outcome)
{
    mm_message_words_split(&status->words, outcome->host, outcome->status,
                           outcome->reply);
    status->words.error = outcome->error;
}

void mm_client_status_note(struct mm_client_status *status,
                           const struct mq_outcome *said)
{
    use_words(status, said);
}

void mm_client_status_set(struct mm_client_status *status,
                          const struct mq_outcome *outcome)
{
    bool is_delivered = outcome->verdict == MQ_DELIVERED;

    if (!is_delivered || status->words.code == 0) {
        use_words(status, outcome);
    }
    status->outcome = is_delivered                    ? MAILMOD_DELIVERED
                      : outcome->verdict == MQ_FAILED ? MAILMOD_FAILED
                                                      : MAILMOD_DEFERRED;
    status->is_final = outcome->verdict != MQ_DEFERRED;
}

void mm_client_status_clear(struct mm_client_status *status)
{
    *status = (struct mm_client_status){.outcome = MAILMOD_PENDING};
}

void mm_client_status_give(const struct mm_client_status *status,
                           const char *recipient,
                           struct mailmod_result *result_out)
{
    const struct mailmod_result result = {.size = sizeof result,
                                          .recipient = recipient,
                                          .outcome = status->outcome,
                                          .code = status->words.code,
                                          .enhanced = status->words.enhanced,
                                          .text = status->words.text,
                                          .host = status->words.host,
                                          .error = status->words.error,
                                          .is_final = status->is_final};

    mm_sized_give(result_out, &result, sizeof result);
}

enum mailmod_error mm_client_status_fail(const struct mm_client_status *status,
                                         const char *who)
{
    const struct mm_message_words *words = &status->words;

    return mm_fail(words->error, "%s: %s%s%s %s", who, words->host,
                   words->host[0] != '\0' ? ": " : "", words->enhanced,
                   words->text);
}

static enum mailmod_error give_part(mailmod_client_message *message,
                                    bool is_transfer,
                                    struct mailmod_result *result_out)
{
    enum mailmod_error error =
        mm_sized_check(result_out, MM_RESULT_SIZE_1, "result_out");

    if (error == MAILMOD_OK) {
        error = mm_handle_hold(MM_HANDLE_CLIENT_MESSAGE, message);
    }
    if (error == MAILMOD_OK) {
        mm_client_status_give(is_transfer ? &message->transfer_status
                                          : &message->reverse_path_status,
                              "", result_out);
        mm_handle_let(message);
    }
    return error;
}

enum mailmod_error
mailmod_client_reverse_path_status(mailmod_client_message *message,
                                   struct mailmod_result *result_out)
{
    return give_part(message, false, result_out);
}

enum mailmod_error
mailmod_client_transfer_status(mailmod_client_message *message,
                               struct mailmod_result *result_out)
{
    return give_part(message, true, result_out);
}

enum mailmod_error
mailmod_client_recipient_status(mailmod_client_recipient *recipient,
                                struct mailmod_result *result_out)
{
    enum mailmod_error error =
        mm_sized_check(result_out, MM_RESULT_SIZE_1, "result_out");

    if (error == MAILMOD_OK) {
        error = mm_handle_hold(MM_HANDLE_CLIENT_RECIPIENT, recipient);
    }
    if (error == MAILMOD_OK) {
        mm_client_status_give(&recipient->status, recipient->path, result_out);
        mm_handle_let(recipient);
    }
    return error;
}

enum mailmod_error
mailmod_client_recipient_reset(mailmod_client_recipient *recipient)
{
    enum mailmod_error error = mm_client_recipient_begin(recipient);

    if (error == MAILMOD_OK) {
        mm_client_status_clear(&recipient->status);
        mm_handle_let(recipient);
    }
    return error;
}

enum mailmod_error mailmod_client_message_reset(mailmod_client_message *message)
{
    enum mailmod_error error = mm_client_message_begin(message);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_client_status_clear(&message->reverse_path_status);
    mm_client_status_clear(&message->transfer_status);
    MM_LIST_EACH(node, &message->recipients)
    {
        mm_client_status_clear(
            &MM_LIST_OBJECT(node, struct mailmod_client_recipient, node)
                 ->status);
    }
    mm_handle_let(message);
    return MAILMOD_OK;
}
