/* fetch_envelope.c - who gets a fetched message that is whole.
 *
 * Owns the fields that its header is looked for, and the question to the post
 * office. Promises: a header gives mail to addresses of ours alone, so that
 * nothing is relayed by it; where it names none, `to` gets it; nothing goes to
 * an address elsewhere where it has been already; what is refused here stays at
 * its server or is set aside, as the account says, and nobody is sent a report.
 *
 * Law: begin -> (ask the post office for one address after another) -> either
 * mm_fetch_message_deposit, or the message is left, or the visit fails.
 * Thread: loop. RFC 5321 4.4, 6.3 (loops), 7.7 (relaying); RFC 5322 3.4. */
#include "client/fetch_internal.h"

#include "base/limits.h"
#include "wire/msg/message.h"

#include <stdio.h>
#include <string.h>

static const struct mm_reply too_many = {550, "5.5.3",
                                         "too many addresses here"};

static void use_next(struct mm_fetch_session *session);

void mm_fetch_envelope_open(struct mm_fetch_session *session)
{
    struct mm_fetch_envelope *envelope = &session->envelope;
    mm_field_reader_init(&envelope->drop, session->account.multidrop,
                         MM_LIMIT_FETCH_FIELDS);
    mm_field_reader_init(&envelope->delivered, "Delivered-To",
                         MM_LIMIT_FETCH_FIELDS);
    mm_field_reader_init(&envelope->received, "Received",
                         MM_LIMIT_FETCH_FIELDS);
    envelope->values = mm_span(NULL, 0);
    envelope->value = mm_span(NULL, 0);
    envelope->here = 0;
    envelope->is_refused = false;
}

void mm_fetch_envelope_drop(struct mm_fetch_session *session)
{
    struct mm_fetch_envelope *envelope = &session->envelope;
    mm_resolve_cancel(&envelope->resolve);
    mm_field_reader_fini(&envelope->drop);
    mm_field_reader_fini(&envelope->delivered);
    mm_field_reader_fini(&envelope->received);
}

static enum mailmod_error
each_reader(struct mm_fetch_envelope *envelope, struct mm_span octets,
            enum mailmod_error (*act)(struct mm_field_reader *reader,
                                      struct mm_span octets))
{
    enum mailmod_error error = act(&envelope->delivered, octets);
    if (error == MAILMOD_OK) {
        error = act(&envelope->received, octets);
    }
    return error == MAILMOD_OK && envelope->drop.name[0] != '\0'
               ? act(&envelope->drop, octets)
               : error;
}

enum mailmod_error mm_fetch_envelope_add(struct mm_fetch_session *session,
                                         struct mm_span octets)
{
    return each_reader(&session->envelope, octets, mm_field_reader_add);
}

static enum mailmod_error end_reader(struct mm_field_reader *reader,
                                     struct mm_span octets)
{
    (void)octets;
    return mm_field_reader_end(reader);
}

/* ---- loops ---- */

static bool was_delivered_to(struct mm_fetch_session *session, const char *path)
{
    struct mm_span values = mm_buf_span(&session->envelope.delivered.values);
    struct mm_span value;
    struct mm_span text;
    while (mm_field_next(&values, &value)) {
        while (mm_field_next_address(&value, &text)) {
            struct mm_address *address = &session->envelope.other;
            if (mm_address_parse(text, false, true, address) == MAILMOD_OK &&
                strcmp(address->text, path) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* By our own stamp: see mm_received_write. */
static bool was_fetched_for(struct mm_fetch_session *session, const char *path)
{
    char by[MM_LIMIT_DOMAIN + 20];
    char recipient[MM_ADDRESS_TEXT_MAX + 10];
    const char *at = mm_buf_cstr(&session->envelope.received.values);
    (void)snprintf(by, sizeof by, "by %s with POP3 id ",
                   session->options.config->host_name);
    (void)snprintf(recipient, sizeof recipient, "for <%s>", path);
    while (at != NULL && (at = strstr(at, by)) != NULL) {
        const char *end = strchr(at, '\n');
        const char *found = strstr(at, recipient);
        if (found != NULL && (end == NULL || found < end)) {
            return true;
        }
        at = end;
    }
    return false;
}

/* RFC 5321 6.3: it has gone round. */
static bool is_loop(const struct mm_fetch_session *session)
{
    unsigned most = session->options.config->smtp.received_max;
    return session->envelope.received.count > most ||
           session->envelope.delivered.count > most;
}

/* ---- what comes of an address ---- */

/* It does not come to `path`, for this reason. */
static void refuse(struct mm_fetch_session *session, const char *path,
                   const char *words)
{
    struct mm_fetch_envelope *envelope = &session->envelope;
    if (session->account.sets_aside) {
        enum mailmod_error error = mm_deposit_add_aside(
            session->incoming.deposit, session->account.name, path, words);
        if (error != MAILMOD_OK) {
            mm_fetch_fail(session, error, "a message cannot be set aside: %s",
                          mm_error_text(error));
        }
        return;
    }
    if (!envelope->is_refused) {
        envelope->is_refused = true;
        /* Cut where it is longer. */
        if (snprintf(envelope->refusal, sizeof envelope->refusal, "%s: %s",
                     path, words) < 0) {
            envelope->refusal[0] = '\0';
        }
    }
}

static void add(struct mm_fetch_session *session,
                const struct mm_target *target)
{
    if (target->kind == MM_TARGET_REMOTE &&
        (was_delivered_to(session, target->path) ||
         was_fetched_for(session, target->path))) {
        refuse(session, target->path, "it has been there: a loop");
        return;
    }
    if (target->kind == MM_TARGET_FAILED) {
        refuse(session, target->path, target->reply->text);
        return;
    }
    if (target->kind == MM_TARGET_EXPANDED || target->kind == MM_TARGET_REPLY) {
        return; /* its reverse-path is null */
    }
    enum mailmod_error error =
        mm_deposit_add(session->incoming.deposit, target);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "a message cannot be kept: %s",
                      mm_error_text(error));
    }
}

static void add_all(struct mm_fetch_session *session,
                    const struct mm_resolve *resolve)
{
    for (size_t i = 0; i < resolve->target_count; i++) {
        add(session, &resolve->targets[i]);
    }
}

/* For whom the account is. */
static void use_to(struct mm_fetch_session *session)
{
    if (session->refusal != NULL) {
        refuse(session, session->to.text, session->refusal->text);
    } else {
        add_all(session, &session->resolve);
    }
}

static void take_answer(struct mm_fetch_session *session)
{
    struct mm_fetch_envelope *envelope = &session->envelope;
    struct mm_resolve *resolve = &envelope->resolve;
    const struct mm_target *first = &resolve->targets[0];
    bool is_nobody = first->kind == MM_TARGET_REFUSED &&
                     first->reply == mm_reply_get(MM_REPLY_NO_SUCH_USER);
    if (first->kind == MM_TARGET_FOR_NOW) {
        mm_fetch_fail(session, first->error, "%s gets no mail now: %s",
                      envelope->address.text, mm_error_text(first->error));
    } else if (resolve->is_local && !is_nobody) {
        envelope->here++;
        if (envelope->here > MM_LIMIT_FETCH_RECIPIENTS) {
            refuse(session, envelope->address.text, too_many.text);
            envelope->value = mm_span(NULL, 0);
        } else if (first->kind == MM_TARGET_REFUSED) {
            refuse(session, envelope->address.text, first->reply->text);
        } else {
            add_all(session, resolve);
        }
    }
    mm_resolve_cancel(resolve);
}

/* ---- one address after another ---- */

static void on_resolved(struct mm_resolve *resolve)
{
    struct mm_fetch_session *session = resolve->context;
    session->incoming.waits = false;
    take_answer(session);
    use_next(session);
    mm_fetch_go_on(session);
}

/* False: the answer comes later. */
static bool look_up(struct mm_fetch_session *session, struct mm_span text)
{
    struct mm_fetch_envelope *envelope = &session->envelope;
    if (mm_address_parse(text, false, true, &envelope->address) != MAILMOD_OK) {
        return true;
    }
    envelope->resolve = (struct mm_resolve){.post = session->options.post,
                                            .config = session->options.config,
                                            .address = &envelope->address,
                                            .size = session->incoming.octets,
                                            .loop = session->options.loop,
                                            .done = on_resolved,
                                            .context = session};
    if (mm_resolve_ask(&envelope->resolve) != MM_ANSWERED) {
        session->incoming.waits = true;
        return false;
    }
    take_answer(session);
    return true;
}

static void finish(struct mm_fetch_session *session)
{
    const struct mm_fetch_envelope *envelope = &session->envelope;
    if (session->is_failed) {
        return;
    }
    if (envelope->is_refused) {
        mm_fetch_message_leave(session, envelope->refusal);
    } else {
        mm_fetch_message_deposit(session);
    }
}

/* The first field that names somebody here counts, with all whom it names. */
static void use_next(struct mm_fetch_session *session)
{
    struct mm_fetch_envelope *envelope = &session->envelope;
    struct mm_span text;
    while (!session->is_failed) {
        if (mm_field_next_address(&envelope->value, &text)) {
            if (!look_up(session, text)) {
                return;
            }
        } else if (envelope->here > 0 ||
                   !mm_field_next(&envelope->values, &envelope->value)) {
            break;
        }
    }
    if (!session->is_failed && envelope->here == 0) {
        use_to(session);
    }
    finish(session);
}

void mm_fetch_envelope_use(struct mm_fetch_session *session)
{
    struct mm_fetch_envelope *envelope = &session->envelope;
    enum mailmod_error error =
        each_reader(envelope, mm_span(NULL, 0), end_reader);
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "a header cannot be read: %s",
                      mm_error_text(error));
        return;
    }
    if (is_loop(session)) {
        refuse(session, session->to.text, "it has gone round: a loop");
        finish(session);
        return;
    }
    envelope->values = mm_buf_span(&envelope->drop.values);
    use_next(session);
}
