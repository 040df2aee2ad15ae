/* outcome.c - what came of each recipient, in words and as an error.
 *
 * Owns nothing; fills the recipients of a message. Promises: an outcome that is
 * final stays; its cause is the attempt's own and never guessed from a code;
 * texts that the host may have read are never written again; an outcome is
 * never lost for want of memory (then its texts are, and the error and the
 * outcome are true). Replies were cleaned of control characters by the parser
 * of replies.
 *
 * Thread: any, locked. RFC 3463 (codes), RFC 2034 4. */
#include "api/message/message.h"

#include "base/mem.h"

#include <string.h>

/* Words that the host does not hold: the present ones, or new ones. NULL
 * without memory. */
static struct mm_message_words *
writable_words(struct mm_message_recipient *recipient)
{
    struct mm_message_words *words = recipient->words;

    if (recipient->was_read) {
        words = mm_alloc(sizeof *words);
        if (words == NULL) {
            return NULL;
        }
        words->former = recipient->words;
        recipient->words = words;
        recipient->was_read = false;
    }
    return words;
}

static void use_words(struct mm_message_recipient *recipient,
                      const struct mm_message_words *words)
{
    struct mm_message_words *own = writable_words(recipient);

    if (own != NULL) {
        own->error = words->error;
        own->code = words->code;
        memcpy(own->enhanced, words->enhanced, sizeof own->enhanced);
        memcpy(own->host, words->host, sizeof own->host);
        memcpy(own->text, words->text, sizeof own->text);
    }
}

static bool is_same(const struct mm_message_words *a,
                    const struct mm_message_words *b)
{
    return a->error == b->error && a->code == b->code &&
           strcmp(a->enhanced, b->enhanced) == 0 &&
           strcmp(a->host, b->host) == 0 && strcmp(a->text, b->text) == 0;
}

static void settle(mailmod_message *message, size_t index,
                   enum mailmod_outcome outcome,
                   const struct mm_message_words *words, bool is_final)
{
    struct mm_message_recipient *recipient = &message->recipients.items[index];

    if (recipient->is_final) {
        return;
    }
    if (!is_same(recipient->words, words)) {
        use_words(recipient, words);
    }
    recipient->outcome = outcome;
    recipient->error = words->error;
    if (!recipient->was_tried) {
        recipient->was_tried = true;
        message->untried_count -= message->untried_count > 0 ? 1 : 0;
    }
    if (is_final) {
        recipient->is_final = true;
        message->open_count -= message->open_count > 0 ? 1 : 0;
    }
}

void mm_message_note_own(mailmod_message *message, size_t index,
                         enum mailmod_outcome outcome,
                         const struct mm_message_words *words)
{
    settle(message, index, outcome, words, true);
}

/* "550 " in front of the rest; 0: our own words. */
static int take_code(struct mm_span *reply)
{
    uint64_t code;

    if (reply->size < 3 || (reply->size > 3 && reply->data[3] != ' ') ||
        !mm_span_to_u64(mm_span(reply->data, 3), &code) || code < 200 ||
        code > 599) {
        return 0;
    }
    *reply = mm_span_trim(mm_span_from(*reply, 3));
    return (int)code;
}

/* class "." subject "." detail, RFC 3463 2: in front of the reply's text. */
static void skip_enhanced(struct mm_span *reply)
{
    size_t at = 0;
    unsigned dots = 0;

    while (at < reply->size && (mm_ascii_is_digit(reply->data[at]) ||
                                (reply->data[at] == '.' && at > 0))) {
        dots += reply->data[at] == '.' ? 1 : 0;
        at++;
    }
    if (dots == 2 && (at == reply->size || reply->data[at] == ' ')) {
        *reply = mm_span_trim(mm_span_from(*reply, at));
    }
}

void mm_message_words_split(struct mm_message_words *words_out,
                            const char *host, const char *status,
                            const char *text)
{
    struct mm_span reply = mm_span_cstr(text);

    *words_out = (struct mm_message_words){.code = 0};
    if (host[0] != '\0') {
        words_out->code = take_code(&reply);
    }
    if (words_out->code != 0) {
        skip_enhanced(&reply);
    }
    (void)mm_span_copy(mm_span_cstr(status), words_out->enhanced,
                       sizeof words_out->enhanced);
    (void)mm_span_copy(mm_span_cstr(host), words_out->host,
                       sizeof words_out->host);
    (void)mm_span_copy(reply, words_out->text, sizeof words_out->text);
}

void mm_message_note(mailmod_message *message, size_t index,
                     const struct mq_outcome *outcome, bool is_final)
{
    enum mailmod_outcome what = MAILMOD_DEFERRED;

    struct mm_message_words words;
    mm_message_words_split(&words, outcome->host, outcome->status,
                           outcome->reply);
    words.error = outcome->error;
    if (outcome->verdict == MQ_DELIVERED) {
        what = MAILMOD_DELIVERED;
        /* RFC 3463 2: the class of success, where the host gave no code. */
        if (words.enhanced[0] == '\0') {
            memcpy(words.enhanced, "2.0.0", sizeof "2.0.0");
        }
    } else if (outcome->verdict == MQ_FAILED ||
               (is_final && message->mode == MAILMOD_SEND_QUEUE)) {
        what = MAILMOD_FAILED; /* the queue gives up only for good */
    }
    settle(message, index, what, &words, is_final);
}

enum mailmod_error mm_message_verdict(const mailmod_message *message,
                                      struct mm_buf *words_out)
{
    for (size_t i = 0; i < message->recipients.count; i++) {
        const struct mm_message_recipient *recipient =
            &message->recipients.items[i];
        const struct mm_message_words *words = recipient->words;

        if (recipient->outcome == MAILMOD_DELIVERED) {
            continue;
        }
        (void)mm_buf_appendf(words_out, "%s: ", recipient->path);
        if (words->host[0] != '\0') {
            (void)mm_buf_appendf(words_out, "%s: ", words->host);
        }
        if (words->code != 0) {
            (void)mm_buf_appendf(words_out, "%d ", words->code);
        }
        (void)mm_buf_appendf(words_out, "%s %s", words->enhanced, words->text);
        return recipient->error;
    }
    return MAILMOD_OK;
}
