/* maillist_post.c - what comes to a list's addresses: posts, requests, reports.
 *
 * Owns what is to be done with each batch, from its taking until it is settled
 * or cancelled. Promises: what a message does (a copy for the members, a member
 * more or less, a bounce that is counted, an answer) is in the transaction that
 * settles it, so a kill loses nothing and repeats nothing; nothing automatic is
 * answered or passed on, and nothing that the list passed on before; what is
 * not done is told to the sender, or, where he must not be told, in the log.
 *
 * A post that waits for a moderator is a held row of the queue: released, by
 * the owner's signed answer or by an operator, it is passed on. Thread: the
 * outbound's first loop; `run` a worker; `put` the store's writer. RFC 3834 2,
 * RFC 3461 5.2.7.1. */
#include "base/limits.h"
#include "base/mem.h"
#include "platform/clock.h"
#include "post/consumer_work.h"
#include "post/deposit.h"
#include "post/destination.h"
#include "post/maillist_text.h"

#include <string.h>

/* Numbers of rows that are held are behind those that were posted. */
#define HELD_NUMBER (1u << 27)

enum action {
    ACTION_NONE, /* the outcome is all */
    ACTION_EXPAND,
    ACTION_HOLD,
    ACTION_JOIN,
    ACTION_LEAVE,
    ACTION_BOUNCE,
    ACTION_ASK, /* for a confirmation */
    ACTION_APPROVE,
    ACTION_REJECT,
    ACTION_TO_OWNER
};

/* What is to be done with one recipient of the batch. */
struct step {
    enum action action;
    enum mm_maillist_command command;
    char member[MM_STORE_REVERSE_PATH_MAX];
    char token[MM_LIMIT_LOCAL_PART + 1];
    char reject[MM_LIMIT_LOCAL_PART + 1]; /* of a post that is held */
    /* The row that a moderator decides about. */
    uint64_t held_id;
    unsigned held_number;
    bool is_there; /* it was, when he did */
    /* Whom an answer goes to, or the owner's mail. */
    struct mm_resolve resolve;
    struct mm_address address;
};

struct work {
    struct mm_consumer_work base;
    struct mm_maillist list;
    struct mm_maillist_facts facts;
    struct mm_maillist_waiting waiting; /* for the digest */
    struct mm_buf text;                 /* its first piece */
    struct step *steps;                 /* of the recipients */
};

struct mm_maillists {
    struct mm_consumer post;
    struct mm_consumer approved;
    struct mm_consumer send;
    struct mm_consumer digest;
    struct mm_consumer digest_send;
};

static void log_post(const struct work *work, const char *text,
                     const char *member)
{
    char id[MM_MESSAGE_ID_TEXT_MAX];

    mm_message_id_format(work->base.message.id, id);
    MM_LOG(work->base.post->log, MM_LOG_INFO, "maillist", text,
           MM_TEXT("list", work->list.name), MM_TEXT("message", id),
           MM_TEXT("from", work->base.message.reverse_path),
           MM_TEXT("member", member));
}

/* ---- on the worker: what is to be done ---- */

static void refuse(struct work *work, size_t index, const char *status,
                   const char *text)
{
    mm_consumption_set(&work->base.outcomes[index], MAILMOD_ERROR_REFUSED,
                       status, text);
    log_post(work, text, "");
}

/* A moderator let it pass. */
static bool is_approved(const struct work *work)
{
    return strcmp(work->base.consumer->name, MM_MAILLIST_APPROVED) == 0;
}

/* By the path back, and by the author. */
static bool is_member(const struct work *work, bool wants_moderator)
{
    const char *const addresses[] = {work->base.message.reverse_path,
                                     work->facts.from};

    for (size_t i = 0; i < 2; i++) {
        struct mm_maillist_member member;

        if (addresses[i][0] == '\0') {
            continue;
        }
        if (wants_moderator &&
            mm_cstr_equal_nocase(addresses[i], work->list.owner)) {
            return true;
        }
        if (mm_maillist_find_member(work->base.post->store, work->list.name,
                                    addresses[i], &member) == MAILMOD_OK &&
            (member.is_moderator || !wants_moderator)) {
            return true;
        }
    }
    return false;
}

/* Whom to write to; NOT_FOUND: nobody. */
static enum mailmod_error find_target(struct work *work, struct step *step,
                                      const char *path)
{
    if (mm_address_parse(mm_span_cstr(path), false, true, &step->address) !=
        MAILMOD_OK) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    step->resolve.post = work->base.post;
    step->resolve.config = work->base.config;
    step->resolve.address = &step->address;
    step->resolve.notify = MM_DSN_NOTIFY_NEVER;
    (void)mm_resolve_ask(&step->resolve); /* no loop: never PENDING */
    const struct mm_target *first = &step->resolve.targets[0];
    return first->kind == MM_TARGET_REFUSED   ? MAILMOD_ERROR_NOT_FOUND
           : first->kind == MM_TARGET_FOR_NOW ? first->error
                                              : MAILMOD_OK;
}

static void decide_post(struct work *work, size_t index)
{
    struct step *step = &work->steps[index];

    if (work->facts.is_ours) {
        refuse(work, index, "5.4.6", "this list passed the message on before");
    } else if (work->facts.is_automatic ||
               work->base.message.reverse_path[0] == '\0') {
        refuse(work, index, "5.7.1", "automatic mail is no post to this list");
    } else if (work->base.message.size >
               work->base.config->local.maillist_size_max) {
        refuse(work, index, "5.3.4", "the message is too large for this list");
    } else if (is_approved(work) || work->list.rule == MM_MAILLIST_OPEN) {
        step->action = ACTION_EXPAND;
    } else if (work->list.rule == MM_MAILLIST_MODERATED) {
        step->action = is_member(work, true) ? ACTION_EXPAND : ACTION_HOLD;
        step->command = MM_MAILLIST_POST;
        if (step->action == ACTION_HOLD &&
            find_target(work, step, work->list.owner) != MAILMOD_OK) {
            mm_resolve_cancel(&step->resolve); /* the queue shows it */
        }
    } else if (is_member(work, false)) {
        step->action = ACTION_EXPAND;
    } else {
        refuse(work, index, "5.7.1", "only members may post to this list");
    }
}

static void put_off(struct work *work, size_t index, enum mailmod_error error)
{
    mm_consumption_set(&work->base.outcomes[index], error, "4.3.0",
                       mm_error_text(error));
}

static void decide_request(struct work *work, size_t index,
                           enum mm_maillist_command command)
{
    struct step *step = &work->steps[index];
    const char *sender = work->base.message.reverse_path;

    if (sender[0] == '\0' || work->facts.is_automatic) {
        log_post(work, "automatic request dropped", "");
        return;
    }
    if (work->list.is_closed && command == MM_MAILLIST_SUBSCRIBE) {
        refuse(work, index, "5.7.1", "the owner alone adds members here");
        return;
    }
    step->command = command;
    (void)mm_span_copy(mm_span_cstr(sender), step->member, sizeof step->member);
    enum mailmod_error error =
        mm_maillist_token(work->base.post->store, &work->list, command, sender,
                          mm_clock_wall_ms(), step->token);
    if (error == MAILMOD_OK) {
        error = find_target(work, step, sender);
    }
    if (error == MAILMOD_OK) {
        step->action = ACTION_ASK;
    } else if (error == MAILMOD_ERROR_MEMORY ||
               error == MAILMOD_ERROR_STORAGE) {
        put_off(work, index, error);
    } else {
        refuse(work, index, "5.1.7", "no answer can be sent to this address");
    }
}

static void decide_confirm(struct work *work, size_t index, const char *token)
{
    struct step *step = &work->steps[index];

    if (work->facts.is_automatic ||
        work->base.message.reverse_path[0] == '\0') {
        log_post(work, "automatic answer dropped", "");
    } else if (!mm_maillist_read_token(work->base.post->store, &work->list,
                                       token, mm_clock_wall_ms(),
                                       &step->command, step->member)) {
        refuse(work, index, "5.7.1",
               "that confirms nothing, or no longer: ask anew");
    } else if (step->command == MM_MAILLIST_APPROVE ||
               step->command == MM_MAILLIST_REJECT) {
        if (mm_maillist_read_held(step->member, &step->held_id,
                                  &step->held_number)) {
            step->action = step->command == MM_MAILLIST_APPROVE ? ACTION_APPROVE
                                                                : ACTION_REJECT;
        }
    } else {
        step->action =
            step->command == MM_MAILLIST_SUBSCRIBE ? ACTION_JOIN : ACTION_LEAVE;
        /* Without an answer when nobody gets it. */
        if (find_target(work, step, step->member) != MAILMOD_OK) {
            mm_resolve_cancel(&step->resolve);
        }
    }
}

/* A report alone counts: not what a member's program answers by itself. */
static void decide_bounce(struct work *work, size_t index, const char *argument)
{
    struct step *step = &work->steps[index];

    if (mm_maillist_read_verp(work->base.post->store, &work->list, argument,
                              step->member) &&
        work->base.message.reverse_path[0] == '\0' && work->facts.is_report) {
        step->action = ACTION_BOUNCE;
    } else {
        log_post(work, "no report of a failure: dropped", step->member);
        step->member[0] = '\0';
    }
}

static void decide_owner(struct work *work, size_t index)
{
    struct step *step = &work->steps[index];
    enum mailmod_error error = work->list.owner[0] == '\0'
                                   ? MAILMOD_ERROR_NOT_FOUND
                                   : find_target(work, step, work->list.owner);

    if (error == MAILMOD_OK) {
        step->action = ACTION_TO_OWNER;
    } else if (error == MAILMOD_ERROR_NOT_FOUND) {
        refuse(work, index, "5.1.1", "the list has no owner who gets mail");
    } else {
        put_off(work, index, error);
    }
}

static void decide(struct work *work, size_t index)
{
    struct mm_address address;
    struct mm_maillist list;
    enum mm_maillist_command command;
    char argument[MM_LIMIT_LOCAL_PART + 1];

    if (mm_address_parse(mm_span_cstr(work->base.recipients[index].path), false,
                         true, &address) != MAILMOD_OK ||
        mm_maillist_address(work->base.post->store, &address, &list, &command,
                            argument) != MAILMOD_OK) {
        refuse(work, index, "5.1.1", "there is no such list any more");
        return;
    }
    switch (command) {
    case MM_MAILLIST_POST:
        decide_post(work, index);
        break;
    case MM_MAILLIST_SUBSCRIBE:
    case MM_MAILLIST_UNSUBSCRIBE:
        decide_request(work, index, command);
        break;
    case MM_MAILLIST_CONFIRM:
        decide_confirm(work, index, argument);
        break;
    case MM_MAILLIST_OWNER:
        decide_owner(work, index);
        break;
    case MM_MAILLIST_BOUNCES:
        decide_bounce(work, index, argument);
        break;
    case MM_MAILLIST_APPROVE: /* no address has these */
    case MM_MAILLIST_REJECT:
        break;
    }
}

static void run(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);
    enum mailmod_error error =
        mm_maillist_find(work->base.post->store, work->list.name, &work->list);

    if (error == MAILMOD_OK) {
        error = mm_store_read_chunk(work->base.post->store,
                                    work->base.message.id, 0, &work->text);
    } else if (error == MAILMOD_ERROR_NOT_FOUND) {
        for (size_t i = 0; i < work->base.count; i++) {
            refuse(work, i, "5.1.1", "there is no such list any more");
        }
        return;
    }
    if (error == MAILMOD_OK && work->list.digest_hours > 0) {
        error = mm_maillist_read_waiting(work->base.post->store, &work->list,
                                         &work->waiting);
    }
    mm_maillist_read_facts(&work->list, mm_buf_span(&work->text), &work->facts);
    for (size_t i = 0; i < work->base.count; i++) {
        if (error == MAILMOD_OK) {
            decide(work, i);
        } else {
            put_off(work, i, error);
        }
    }
}

/* ---- on the writer: it is done ---- */

/* A message of the list's own on its way into the store. */
struct draft {
    struct mm_deposit *deposit;
    uint64_t id; /* 0: a new one */
    uint64_t octets;
    bool has_8bit;
};

static enum mailmod_error begin(struct work *work, const char *reverse_path,
                                struct mm_store_transaction *t,
                                struct draft *draft)
{
    const struct mm_deposit_options options = {.post = work->base.post,
                                               .config = work->base.config};
    const struct mm_envelope envelope = {.id = draft->id,
                                         .reverse_path = reverse_path,
                                         .arrival_ms = mm_clock_wall_ms(),
                                         .is_smtputf8 =
                                             work->base.message.is_smtputf8,
                                         .session = "maillist",
                                         .user = work->list.name};
    enum mailmod_error error =
        mm_deposit_new(&draft->deposit, &options, &envelope);

    if (error == MAILMOD_OK) {
        mm_deposit_join(draft->deposit, t);
    }
    return error;
}

static enum mailmod_error write_octets(struct draft *draft, struct mm_span data)
{
    size_t used = 0;

    draft->has_8bit = draft->has_8bit || mm_span_has_8bit(data);
    draft->octets += data.size;
    return mm_deposit_write(draft->deposit, data, &used);
}

static enum mailmod_error end(struct draft *draft, enum mailmod_error error)
{
    if (error == MAILMOD_OK) {
        error = mm_deposit_put(draft->deposit, draft->has_8bit);
    }
    mm_deposit_abandon(&draft->deposit);
    return error;
}

static enum mailmod_error write_copy(struct work *work, struct draft *draft)
{
    struct mm_buf buf;
    struct mm_span rest = mm_span(NULL, 0);

    mm_buf_init(&buf, 2 * MM_LIMIT_CHUNK);
    enum mailmod_error error = mm_maillist_write_header(
        &buf, &work->list, mm_buf_span(&work->text), &rest);
    if (error == MAILMOD_OK) {
        error = write_octets(draft, mm_buf_span(&buf));
    }
    if (error == MAILMOD_OK) {
        error = write_octets(draft, rest);
    }
    for (unsigned i = 1; error == MAILMOD_OK; i++) {
        error = mm_store_read_chunk(work->base.post->store,
                                    work->base.message.id, i, &buf);
        if (error == MAILMOD_OK) {
            error = write_octets(draft, mm_buf_span(&buf));
        }
    }
    mm_buf_fini(&buf);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

/* One copy for all members, with one row that goes through them. */
static enum mailmod_error put_post(struct work *work,
                                   struct mm_store_transaction *t)
{
    char bounces[MM_STORE_REVERSE_PATH_MAX];
    char destination[MM_STORE_DESTINATION_MAX];
    struct draft draft = {.id =
                              mm_store_new_message_id(work->base.post->store)};
    const struct mm_target target = {.kind = MM_TARGET_LOCAL,
                                     .path = work->list.name,
                                     .destination = destination,
                                     .notify = MM_DSN_NOTIFY_NEVER};
    enum mailmod_error error =
        mm_maillist_write(&work->list, "bounces", NULL, bounces);

    if (error == MAILMOD_OK) {
        error = mm_destination_local(MM_MAILLIST_SEND, work->list.name,
                                     destination);
    }
    if (error == MAILMOD_OK) {
        error = begin(work, bounces, t, &draft);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_deposit_add(draft.deposit, &target);
    error = end(&draft, error == MAILMOD_OK ? write_copy(work, &draft) : error);
    return error == MAILMOD_OK && work->list.digest_hours > 0
               ? mm_maillist_put_waiting(t, work->base.config, &work->list,
                                         &work->waiting, draft.id, draft.octets,
                                         mm_clock_wall_ms())
               : error;
}

static enum mailmod_error write_text(struct work *work, const struct step *step,
                                     const char *token, const char *identifier,
                                     struct mm_buf *text)
{
    char held[MM_MESSAGE_ID_TEXT_MAX];
    const struct mm_maillist_notice notice = {.identifier = held,
                                              .approve = step->token,
                                              .reject = step->reject,
                                              .text = mm_buf_span(&work->text)};

    mm_message_id_format(work->base.message.id, held);
    return step->command == MM_MAILLIST_POST
               ? mm_maillist_write_notice(text, &work->list, &notice,
                                          mm_clock_wall_ms(), identifier)
               : mm_maillist_write_answer(text, &work->list, step->command,
                                          step->member, token,
                                          mm_clock_wall_ms(), identifier);
}

static enum mailmod_error put_answer(struct work *work, struct step *step,
                                     const char *token,
                                     struct mm_store_transaction *t)
{
    struct draft draft = {.deposit = NULL};
    struct mm_buf text;

    if (step->resolve.target_count == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = begin(work, "", t, &draft);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_buf_init(&text, 2 * MM_LIMIT_CHUNK);
    error = mm_deposit_add_all(draft.deposit, step->resolve.targets,
                               step->resolve.target_count);
    if (error == MAILMOD_OK) {
        error = write_text(work, step, token,
                           mm_deposit_identifier(draft.deposit), &text);
    }
    if (error == MAILMOD_OK) {
        error = write_octets(&draft, mm_buf_span(&text));
    }
    mm_buf_fini(&text);
    error = end(&draft, error);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

/* What the owner answers with. */
static enum mailmod_error make_tokens(struct work *work, struct step *step,
                                      unsigned number)
{
    char held[MM_STORE_REVERSE_PATH_MAX];
    int64_t now_ms = mm_clock_wall_ms();

    mm_maillist_write_held(work->base.message.id, number, held);
    enum mailmod_error error =
        mm_maillist_token(work->base.post->store, &work->list,
                          MM_MAILLIST_APPROVE, held, now_ms, step->token);
    return error == MAILMOD_OK
               ? mm_maillist_token(work->base.post->store, &work->list,
                                   MM_MAILLIST_REJECT, held, now_ms,
                                   step->reject)
               : error;
}

/* What an operator has decided meanwhile stays. */
static enum mailmod_error put_decision(struct step *step,
                                       struct mm_store_transaction *t)
{
    size_t count = 0;
    enum mailmod_error error = mm_store_act_on_one(
        t, step->held_id, step->held_number,
        step->action == ACTION_APPROVE ? MAILMOD_QUEUE_RELEASE
                                       : MAILMOD_QUEUE_DELETE,
        mm_clock_wall_ms(), &count);

    step->is_there = count > 0;
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mailmod_error put_held(struct work *work, size_t index,
                                   struct mm_store_transaction *t)
{
    struct mm_store_recipient row = work->base.recipients[index];
    enum mailmod_error error = mm_destination_local(
        MM_MAILLIST_APPROVED, work->list.name, row.destination);

    row.number = HELD_NUMBER + row.number;
    row.attempts = 0;
    row.notify = MM_DSN_NOTIFY_NEVER;
    row.read_attempt_ms = 0;
    mm_consumer_hold(&row, "waits for a moderator: release or delete it");
    if (error == MAILMOD_OK) {
        error = mm_store_put_recipient(t, &row);
    }
    if (error == MAILMOD_OK) {
        error = make_tokens(work, &work->steps[index], row.number);
    }
    return error == MAILMOD_OK ? put_answer(work, &work->steps[index], NULL, t)
                               : error;
}

static enum mailmod_error put_member(struct work *work, struct step *step,
                                     struct mm_store_transaction *t)
{
    struct mm_maillist_member member = {.bounces = 0};
    struct mm_store_record record;

    memcpy(member.address, step->member, sizeof member.address);
    enum mailmod_error error =
        mm_maillist_member_record(work->list.name, &member, &record);
    if (error == MAILMOD_OK && step->action == ACTION_JOIN) {
        error = mm_store_keep_record(t, &record);
    } else if (error == MAILMOD_OK) {
        error = mm_store_drop_record(t, record.kind, record.name, record.key);
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error == MAILMOD_OK ? put_answer(work, step, NULL, t) : error;
}

/* The message as it is, to the owner: rows beside the settled one. */
static enum mailmod_error put_to_owner(struct work *work, struct step *step,
                                       struct mm_store_transaction *t)
{
    struct draft draft = {.deposit = NULL};
    struct mm_buf buf;
    enum mailmod_error error =
        begin(work, work->base.message.reverse_path, t, &draft);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_buf_init(&buf, MM_LIMIT_CHUNK);
    error = mm_deposit_add_all(draft.deposit, step->resolve.targets,
                               step->resolve.target_count);
    for (unsigned i = 0; error == MAILMOD_OK; i++) {
        error = mm_store_read_chunk(work->base.post->store,
                                    work->base.message.id, i, &buf);
        if (error == MAILMOD_OK) {
            error = write_octets(&draft, mm_buf_span(&buf));
        }
    }
    mm_buf_fini(&buf);
    return end(&draft, error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error);
}

static enum mailmod_error put_step(struct work *work, size_t index,
                                   struct mm_store_transaction *t)
{
    struct step *step = &work->steps[index];

    switch (step->action) {
    case ACTION_NONE:
        break;
    case ACTION_EXPAND:
        return put_post(work, t);
    case ACTION_HOLD:
        return put_held(work, index, t);
    case ACTION_JOIN:
    case ACTION_LEAVE:
        return put_member(work, step, t);
    case ACTION_BOUNCE:
        return mm_maillist_bounced(
            t, work->base.post->log, work->list.name, step->member,
            work->base.config->local.maillist_bounces_max);
    case ACTION_ASK:
        return put_answer(work, step, step->token, t);
    case ACTION_APPROVE:
    case ACTION_REJECT:
        return put_decision(step, t);
    case ACTION_TO_OWNER:
        return put_to_owner(work, step, t);
    }
    return MAILMOD_OK;
}

static enum mailmod_error put(struct mm_consumption *consumption,
                              struct mm_store_transaction *t)
{
    struct work *work = MM_LIST_OBJECT(consumption->context, struct work, base);
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < work->base.count; i++) {
        error = put_step(work, i, t);
    }
    return error;
}

static void settled(struct mm_consumer_work *base)
{
    static const char *const texts[] = {[ACTION_EXPAND] = "posted",
                                        [ACTION_HOLD] = "waits for a moderator",
                                        [ACTION_JOIN] = "member joined",
                                        [ACTION_LEAVE] = "member left",
                                        [ACTION_BOUNCE] = "bounce counted",
                                        [ACTION_APPROVE] = "a moderator let a "
                                                           "post pass",
                                        [ACTION_REJECT] = "a moderator dropped "
                                                          "a post",
                                        [ACTION_ASK] = "confirmation asked for",
                                        [ACTION_TO_OWNER] =
                                            "sent to the owner"};
    const struct work *work = MM_LIST_OBJECT(base, struct work, base);

    for (size_t i = 0; i < work->base.count; i++) {
        const struct step *step = &work->steps[i];
        bool decides =
            step->action == ACTION_APPROVE || step->action == ACTION_REJECT;

        if (decides && !step->is_there) {
            log_post(work, "the post is decided about already", step->member);
        } else if (step->action != ACTION_NONE) {
            log_post(work, texts[step->action], step->member);
        }
    }
}

/* ---- on the loop ---- */

static bool begin_work(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    mm_buf_init(&work->text, MM_LIMIT_CHUNK);
    work->steps = mm_alloc_array(base->count, sizeof *work->steps);
    return work->steps != NULL &&
           mm_span_copy(mm_span_cstr(base->rest), work->list.name,
                        sizeof work->list.name);
}

static void end_work(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    for (size_t i = 0; work->steps != NULL && i < base->count; i++) {
        mm_resolve_cancel(&work->steps[i].resolve);
    }
    mm_buf_fini(&work->text);
    mm_free(work->steps);
}

static const struct mm_consumer_verbs verbs = {.size = sizeof(struct work),
                                               .begin = begin_work,
                                               .run = run,
                                               .put = put,
                                               .settled = settled,
                                               .end = end_work};

enum mailmod_error mm_maillists_new(struct mm_maillists **lists_out,
                                    struct mm_post *post)
{
    struct mm_maillists *lists = mm_alloc(sizeof *lists);

    *lists_out = lists;
    if (lists == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    lists->post = mm_consumer_of_work(MM_MAILLIST_CONSUMER, post, &verbs);
    lists->approved = mm_consumer_of_work(MM_MAILLIST_APPROVED, post, &verbs);
    mm_maillist_send_consumer(&lists->send, post, false);
    mm_maillist_send_consumer(&lists->digest_send, post, true);
    mm_maillist_digest_consumer(&lists->digest, post);
    enum mailmod_error error = mm_consumer_register(post, &lists->post);
    if (error == MAILMOD_OK) {
        error = mm_consumer_register(post, &lists->approved);
    }
    if (error == MAILMOD_OK) {
        error = mm_consumer_register(post, &lists->send);
    }
    if (error == MAILMOD_OK) {
        error = mm_consumer_register(post, &lists->digest);
    }
    return error == MAILMOD_OK ? mm_consumer_register(post, &lists->digest_send)
                               : error;
}

void mm_maillists_free(struct mm_maillists **lists)
{
    mm_free(*lists);
    *lists = NULL;
}
