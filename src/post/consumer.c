/* consumer.c - the table of those who take mail by a function.
 *
 * Owns the list; the consumers are their modules'. Promises: a name that is
 * registered begins no destination of another kind: domains have no colon, an
 * IPv6 address has hexadecimal digits alone before one, a literal begins with a
 * bracket.
 * Thread: registered before the threads run; read by the outbound's first loop.
 */
#include "post/consumer.h"

#include "post/destination.h"

#include <stdio.h>
#include <string.h>

/* A hundred years. */
#define HELD_MS (INT64_C(36525) * 24 * 3600 * 1000)

static bool is_name(const char *name)
{
    bool has_letter = false;

    for (const char *at = name; *at != '\0'; at++) {
        bool is_letter = *at >= 'a' && *at <= 'z';

        if (!is_letter && *at != '-' && !mm_ascii_is_digit(*at)) {
            return false;
        }
        has_letter = has_letter || (is_letter && *at > 'f');
    }
    return has_letter;
}

static struct mm_consumer *find(const struct mm_post *post, struct mm_span name)
{
    const struct mm_list *head = &post->consumers;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        struct mm_consumer *consumer =
            MM_LIST_OBJECT(node, struct mm_consumer, node);

        if (mm_span_is(name, consumer->name)) {
            return consumer;
        }
    }
    return NULL;
}

enum mailmod_error mm_consumer_register(struct mm_post *post,
                                        struct mm_consumer *consumer)
{
    if (!is_name(consumer->name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (find(post, mm_span_cstr(consumer->name)) != NULL) {
        return MAILMOD_ERROR_EXISTS;
    }
    mm_list_append(&post->consumers, &consumer->node);
    return MAILMOD_OK;
}

struct mm_consumer *mm_consumer_of(const struct mm_post *post,
                                   const char *destination)
{
    struct mm_span name;
    struct mm_span rest;

    return mm_destination_is_local(destination) &&
                   mm_span_cut(mm_span_cstr(destination), ':', &name, &rest)
               ? find(post, name)
               : NULL;
}

void mm_consumption_done(struct mm_consumption *work)
{
    work->done(work);
}

void mm_consumption_set(struct mq_outcome *outcome, enum mailmod_error error,
                        const char *status, const char *text)
{
    outcome->verdict = status[0] == '5' ? MQ_FAILED : MQ_DEFERRED;
    outcome->error = error;
    (void)snprintf(outcome->status, sizeof outcome->status, "%s", status);
    (void)snprintf(outcome->reply, sizeof outcome->reply, "%s", text);
}

void mm_consumption_set_all(struct mm_consumption *work,
                            enum mailmod_error error, const char *status)
{
    for (size_t i = 0; i < work->batch->recipient_count; i++) {
        mm_consumption_set(&work->outcomes[i], error, status,
                           mm_error_text(error));
    }
}

void mm_consumer_hold(struct mm_store_recipient *row, const char *words)
{
    row->state = MM_RECIPIENT_HELD;
    row->expires_ms = row->next_attempt_ms + HELD_MS;
    (void)mm_span_copy(mm_span_cstr(words), row->last_reply,
                       sizeof row->last_reply);
}
