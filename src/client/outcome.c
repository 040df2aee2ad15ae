/* outcome.c - what is remembered of an attempt for one recipient.
 *
 * Pure. The texts of replies were cleaned by the reply parser: no control
 * characters; here the lines are joined by blanks and cut to the field, never
 * inside a UTF-8 character.
 * Thread: any. RFC 3463 (status codes), RFC 3464 2.3.4. */
#include "client/outcome.h"

#include "crypto/crypto.h"
#include "wire/smtp/asked_wait.h"

#include <stdio.h>
#include <string.h>

static void copy_text(char *out, size_t size, const char *text)
{
    if (snprintf(out, size, "%s", text) < 0) {
        out[0] = '\0';
    }
}

/* Drops the octets of a UTF-8 character that the end of the field cut. */
static void trim_cut_utf8(char *text)
{
    size_t size = strlen(text);
    size_t tail = 0;
    while (tail < 3 && tail < size &&
           ((unsigned char)text[size - 1 - tail] & 0xc0) == 0x80) {
        tail++;
    }
    if (tail >= size || !mm_span_is_utf8(mm_span(text, size - tail - 1))) {
        return;
    }
    if (!mm_span_is_utf8(mm_span(text, size))) {
        text[size - tail - 1] = '\0';
    }
}

static void copy_reply(struct mq_outcome *outcome,
                       const struct mm_reply_in *reply)
{
    struct mm_span text = mm_buf_span(&reply->text);
    size_t used = (size_t)snprintf(outcome->reply, sizeof outcome->reply, "%d",
                                   reply->code);
    if (text.size > 0) {
        outcome->reply[used++] = ' ';
    }
    for (size_t i = 0; i < text.size && used + 1 < sizeof outcome->reply; i++) {
        outcome->reply[used++] = text.data[i] == '\n' ? ' ' : text.data[i];
    }
    outcome->reply[used] = '\0';
    outcome->is_reply = true;
    trim_cut_utf8(outcome->reply);
}

void mm_outcome_set(struct mq_outcome *outcome, enum mailmod_error error,
                    const char *status, const char *host, const char *text)
{
    memset(outcome, 0, sizeof *outcome);
    outcome->error = error;
    outcome->verdict = status[0] == '5' ? MQ_FAILED : MQ_DEFERRED;
    copy_text(outcome->status, sizeof outcome->status, status);
    copy_text(outcome->host, sizeof outcome->host, host);
    copy_text(outcome->reply, sizeof outcome->reply, text);
}

const struct mq_outcome *mm_outcome_of(const struct mq_outcome *outcomes,
                                       size_t index, struct mq_outcome *untried)
{
    if (outcomes != NULL) {
        return &outcomes[index];
    }
    mm_outcome_set(untried, MAILMOD_ERROR_STOPPED, "4.3.2", "",
                   "the attempt was broken off");
    return untried;
}

void mm_outcome_from_reply(struct mq_outcome *outcome, const char *host,
                           const struct mm_reply_in *reply)
{
    memset(outcome, 0, sizeof *outcome);
    int class = reply->code / 100;
    outcome->verdict = class == 2   ? MQ_DELIVERED
                       : class == 5 ? MQ_FAILED
                                    : MQ_DEFERRED;
    outcome->error = class == 2 ? MAILMOD_OK : MAILMOD_ERROR_REFUSED;
    copy_text(outcome->host, sizeof outcome->host, host);
    copy_reply(outcome, reply);
    if (outcome->verdict == MQ_DEFERRED) {
        outcome->wait_ms = mm_asked_wait_ms(mm_buf_span(&reply->text));
    }
    if (reply->enhanced[0] - '0' == class) {
        copy_text(outcome->status, sizeof outcome->status, reply->enhanced);
    } else {
        snprintf(outcome->status, sizeof outcome->status, "%c.0.0",
                 class == 2 ? '2' : (class == 5 ? '5' : '4'));
    }
}

void mm_outcome_from_refusal(struct mq_outcome *outcome, const char *host,
                             const struct mm_reply_in *reply,
                             const char *status)
{
    mm_outcome_from_reply(outcome, host, reply);
    outcome->error = MAILMOD_ERROR_REFUSED;
    if (outcome->verdict != MQ_DEFERRED) {
        copy_text(outcome->status, sizeof outcome->status, status);
        outcome->verdict = MQ_DEFERRED;
    }
    outcome->is_destination_down = true;
}

/* Zero where the clock was set back since. */
static int64_t delay_ms(const struct mm_store_message *message, int64_t now_ms)
{
    return now_ms > message->arrival_ms ? now_ms - message->arrival_ms : 0;
}

void mm_outcome_log(const struct mm_log *log, const char *what,
                    const struct mm_store_message *message,
                    const struct mm_store_recipient *recipient,
                    const struct mq_outcome *outcome, int64_t now_ms,
                    unsigned attempts)
{
    char identifier[MM_MESSAGE_ID_TEXT_MAX];
    char session[MM_NUMBER_TEXT_MAX] = "";

    mm_message_id_format(message->id, identifier);
    if (outcome->connection != 0) {
        mm_hex_number(outcome->connection, session);
    }
    MM_LOG(log, MM_LOG_INFO, "delivery", what, MM_TEXT("session", session),
           MM_TEXT("message", identifier),
           MM_TEXT("recipient", recipient->path),
           MM_TEXT("destination", recipient->destination),
           MM_TEXT("host", outcome->host), MM_TEXT("dsn", outcome->status),
           MM_TEXT("tls", outcome->tls), MM_TEXT("reply", outcome->reply),
           MM_TEXT("cause", mm_error_name(outcome->error)),
           MM_NUMBER("delay_ms", delay_ms(message, now_ms)),
           MM_NUMBER("attempts", attempts));
}
