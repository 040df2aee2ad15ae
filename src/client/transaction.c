/* transaction.c - one message over a connection: envelope, replies, body.
 *
 * Owns nothing of its own; it works on a delivery's batch. Promises: a reply
 * settles just the recipients that it speaks of; those whom the host asks to
 * come in another transaction (452) come in one, on the same connection; those
 * whom it puts off (4xx) go to the next host in the same attempt, as long as
 * MM_LIMIT_REFUSING_HOSTS allows; what the host announced of its limits (RFC
 * 9422) is kept; SMTPUTF8 is said for what goes in this very
 * transaction; the body is read on a worker, one chunk at a time, and goes out
 * as fast as the peer takes it; a message that cannot be read whole is never
 * ended. Thread: loop. RFC 5321 3.3, 4.2.1 (reply classes), 4.5.3.1.10, 5.1
 * ("until a delivery attempt succeeds"); RFC 1870 6.1; RFC 1985;
 * RFC 2852
 * 4.1; RFC 3461 5.2; RFC 6531 3.2. */
#include "client/delivery_internal.h"

#include "base/siphash.h"

#include <string.h>

static bool is_8bit(const char *path)
{
    return mm_span_has_8bit(mm_span_cstr(path));
}

static bool offers_utf8(const struct mm_delivery *delivery)
{
    return mm_smtpc_extensions(delivery->engine)->has_smtputf8;
}

/* RFC 6531 3.2: without the extension one such path fails, for itself. */
static void refuse_path(struct mm_delivery *delivery, size_t i)
{
    mm_outcome_set(&delivery->outcomes[i], MAILMOD_ERROR_UNSUPPORTED, "5.6.7",
                   delivery->hop.host,
                   "the address needs SMTPUTF8, which the host does not "
                   "offer");
    delivery->progress[i] = MM_PROGRESS_FINAL;
}

static bool is_open(const struct mm_delivery *delivery, size_t i)
{
    return delivery->progress[i] == MM_PROGRESS_OPEN ||
           delivery->progress[i] == MM_PROGRESS_FULL;
}

/* RFC 9422 4: who finds no room in this transaction comes in the next one. Who
 * must get it together with all others is not led past the host's refusal. */
static size_t envelope_max(const struct mm_delivery *delivery)
{
    uint64_t told = mm_smtpc_extensions(delivery->engine)->rcpt_max;
    size_t all = delivery->batch->recipient_count;
    return told > 0 && told < all && !delivery->batch->requires_all
               ? (size_t)told
               : all;
}

static uint64_t hash_domain(const struct mm_delivery *delivery,
                            const char *path)
{
    char domain[MM_LIMIT_PATH + 1] = "";
    uint64_t keys[2];
    const char *at = strrchr(path, '@');
    (void)mm_span_copy(mm_span_cstr(at != NULL ? at + 1 : ""), domain,
                       sizeof domain);
    mm_ascii_lower_cstr(domain);
    memcpy(keys, delivery->options.secret, sizeof keys);
    return mm_siphash(mm_span_cstr(domain), keys[0], keys[1]);
}

/* RFC 9422, RCPTDOMAINMAX: the domain is among those of this session, or has
 * room there. We keep to fewer than told where it is very many. */
static bool has_room_for(const struct mm_delivery *delivery, uint64_t hash)
{
    uint64_t told = mm_smtpc_extensions(delivery->engine)->rcpt_domain_max;
    if (told == 0 || delivery->batch->requires_all) {
        return true;
    }
    for (unsigned i = 0; i < delivery->domain_count; i++) {
        if (delivery->domains[i] == hash) {
            return true;
        }
    }
    return delivery->domain_count < told &&
           delivery->domain_count < MM_LIMIT_SESSION_DOMAINS;
}

static bool note_domain(struct mm_delivery *delivery, const char *path)
{
    uint64_t hash = hash_domain(delivery, path);
    if (!has_room_for(delivery, hash)) {
        return false;
    }
    bool is_known = false;
    for (unsigned i = 0; i < delivery->domain_count && !is_known; i++) {
        is_known = delivery->domains[i] == hash;
    }
    if (!is_known && delivery->domain_count < MM_LIMIT_SESSION_DOMAINS) {
        delivery->domains[delivery->domain_count++] = hash;
    }
    return true;
}

/* None of those who are left may go over this connection. */
static bool has_no_room(const struct mm_delivery *delivery)
{
    const struct mq_batch *batch = delivery->batch;
    bool has_open = false;
    for (size_t i = 0; batch != NULL && i < batch->recipient_count; i++) {
        if (is_open(delivery, i)) {
            has_open = true;
            if (has_room_for(
                    delivery,
                    hash_domain(delivery, batch->recipients[i].path))) {
                return false;
            }
        }
    }
    return has_open;
}

static void write_envelope(struct mm_delivery *delivery)
{
    size_t count = 0;
    size_t most = envelope_max(delivery);
    for (size_t i = 0; i < delivery->batch->recipient_count && count < most;
         i++) {
        const struct mm_store_recipient *recipient =
            &delivery->batch->recipients[i];
        if (!is_open(delivery, i)) {
            continue;
        }
        if (is_8bit(recipient->path) && !offers_utf8(delivery)) {
            refuse_path(delivery, i);
            continue;
        }
        if (!note_domain(delivery, recipient->path)) {
            continue;
        }
        delivery->progress[i] = MM_PROGRESS_OPEN;
        delivery->envelope_index[count] = i;
        delivery->envelope[count++] = (struct mm_smtpc_recipient){
            .path = recipient->path,
            .notify = recipient->notify,
            .original_recipient = recipient->original_recipient};
    }
    delivery->envelope_count = count;
}

/* What the host's announcements forbid, or our own words do. */
static void refuse_message(struct mm_delivery *delivery,
                           enum mailmod_error error)
{
    const char *status = "4.3.0";
    const char *text = mm_error_text(error);
    if (error == MAILMOD_ERROR_TOO_LARGE) {
        status = "5.3.4";
        text = "the message is larger than the host takes";
    } else if (error == MAILMOD_ERROR_UNKNOWN_NAME) {
        status = "5.6.7";
        text = "the message needs SMTPUTF8, which the host does not offer";
        error = MAILMOD_ERROR_UNSUPPORTED;
    } else if (error == MAILMOD_ERROR_UNSUPPORTED) {
        status = "5.6.3";
        text = "the message has octets above 127, and the host does not offer "
               "8BITMIME";
    } else if (error == MAILMOD_ERROR_LIMIT) {
        status = "4.5.3"; /* RFC 9422 4; all or nothing needs one transaction */
        text = "not sent: the host takes fewer recipients at once";
    } else if (error == MAILMOD_ERROR_ARGUMENT) {
        status = "5.6.0";
        text = "the envelope cannot be written on the wire";
    }
    struct mq_outcome outcome;
    mm_outcome_set(&outcome, error, status, delivery->hop.host, text);
    mm_delivery_conclude(delivery, &outcome);
}

/* The header of a message that was said to need SMTPUTF8: the sender may have
 * said so for another recipient's sake. */
void mm_transaction_judge_header(struct mm_delivery *delivery)
{
    struct mm_span text = mm_buf_span(&delivery->chunk);
    size_t size = 0;
    while (size + 3 < text.size &&
           memcmp(text.data + size, "\r\n\r\n", 4) != 0) {
        size++;
    }
    bool has_end = size + 3 < text.size;
    delivery->header =
        mm_span_has_8bit(mm_span(text.data, has_end ? size : text.size))
            ? MM_HEADER_8BIT
            : MM_HEADER_ASCII;
}

static bool needs_utf8(const struct mm_delivery *delivery)
{
    bool needs = is_8bit(delivery->batch->message.reverse_path) ||
                 delivery->header == MM_HEADER_8BIT;
    for (size_t i = 0; i < delivery->envelope_count && !needs; i++) {
        needs = is_8bit(delivery->envelope[i].path);
    }
    return needs;
}

/* RFC 6152 3: an 8-bit message to a host that takes 7 bits. */
static bool needs_7bit(const struct mm_delivery *delivery)
{
    const struct mm_store_message *stored = &delivery->batch->message;
    return stored->is_8bit && !delivery->batch->is_binary &&
           !needs_utf8(delivery) &&
           !mm_smtpc_extensions(delivery->engine)->has_8bitmime;
}

/* All or nothing, and somebody cannot get it: for those of whom nobody spoke
 * for good it is not over. */
static bool is_spoilt(const struct mm_delivery *delivery)
{
    for (size_t i = 0;
         delivery->batch->requires_all && i < delivery->batch->recipient_count;
         i++) {
        if (delivery->progress[i] == MM_PROGRESS_FINAL) {
            return true;
        }
    }
    return false;
}

static void refuse_rest(struct mm_delivery *delivery)
{
    for (size_t i = 0; i < delivery->batch->recipient_count; i++) {
        if (delivery->progress[i] != MM_PROGRESS_FINAL) {
            mm_outcome_set(&delivery->outcomes[i], MAILMOD_ERROR_CANCELLED,
                           "4.5.0", "",
                           "not sent: another recipient was refused");
            delivery->progress[i] = MM_PROGRESS_FINAL;
        }
    }
}

/* All or nothing: somebody was refused. Where it was for now, another host is
 * asked for all of them. */
static void end_all_or_nothing(struct mm_delivery *delivery)
{
    if (is_spoilt(delivery)) {
        refuse_rest(delivery);
        return;
    }
    for (size_t i = 0; i < delivery->batch->recipient_count; i++) {
        if (delivery->progress[i] != MM_PROGRESS_PUT_OFF) {
            mm_outcome_set(&delivery->outcomes[i], MAILMOD_ERROR_CANCELLED,
                           "4.5.0", "",
                           "not sent: another recipient was refused");
        }
        delivery->progress[i] = MM_PROGRESS_PUT_OFF;
    }
}

static bool is_returned(const struct mm_delivery *delivery)
{
    return delivery->batch->by.mode == MM_DELIVER_BY_RETURN;
}

/* RFC 2852 4.1: of the time since it was given; below 0: it is over. */
static int64_t seconds_left(const struct mm_delivery *delivery)
{
    int64_t gone_ms = mm_loop_wall_ms(delivery->options.loop) -
                      delivery->batch->message.arrival_ms;
    return delivery->batch->by.seconds - (gone_ms > 0 ? gone_ms / 1000 : 0);
}

/* RFC 2852 4: that the host takes for what is to be returned. */
static int64_t least_seconds(const struct mm_delivery *delivery)
{
    uint64_t told = mm_smtpc_extensions(delivery->engine)->deliver_by_min;
    return told > MM_DELIVER_BY_SECONDS_MAX ? MM_DELIVER_BY_SECONDS_MAX
           : told > 0                       ? (int64_t)told
                                            : 1;
}

/* What the host is told: no less than it takes, where the owner wants it sent
 * all the same. */
static struct mm_deliver_by deliver_by(const struct mm_delivery *delivery)
{
    struct mm_deliver_by by = delivery->batch->by;
    int64_t least = is_returned(delivery) ? least_seconds(delivery)
                                          : -MM_DELIVER_BY_SECONDS_MAX;
    by.seconds = seconds_left(delivery);
    if (by.seconds < least) {
        by.seconds = least;
    }
    return by;
}

static void send_message(struct mm_delivery *delivery)
{
    const struct mm_store_message *stored = &delivery->batch->message;
    write_envelope(delivery);
    if (is_spoilt(delivery)) {
        refuse_rest(delivery);
        return;
    }
    if (delivery->envelope_count == 0) {
        return;
    }
    if (delivery->batch->requires_all &&
        delivery->envelope_count < delivery->batch->recipient_count) {
        refuse_message(delivery, MAILMOD_ERROR_LIMIT);
        return;
    }
    enum mm_config_eight_bit policy = delivery->config->delivery.eight_bit;
    bool is_7bit = needs_7bit(delivery);
    bool encodes = (is_7bit && policy == MM_CONFIG_EIGHT_BIT_ENCODE) ||
                   delivery->lines == MM_LINES_LONG;
    if (is_7bit && policy == MM_CONFIG_EIGHT_BIT_REPORT) {
        refuse_message(delivery, MAILMOD_ERROR_UNSUPPORTED);
        return;
    }
    enum mailmod_error error = mm_body_begin(delivery, encodes);
    if (error != MAILMOD_OK) {
        mm_delivery_break_batch(delivery, error, "4.3.0", mm_error_text(error));
        return;
    }
    struct mm_smtpc_message message = {
        .reverse_path = stored->reverse_path,
        /* Encoded it will be another. */
        .size = encodes ? 0 : stored->size + mm_body_fields_size(delivery),
        .is_8bit = stored->is_8bit,
        .is_binary = delivery->batch->is_binary,
        .is_smtputf8 = needs_utf8(delivery),
        .dsn_return = (enum mm_dsn_return)stored->dsn_return,
        .by = deliver_by(delivery),
        .envelope_id = stored->envelope_id,
        .recipients = delivery->envelope,
        .recipient_count = delivery->envelope_count,
        .requires_all = delivery->batch->requires_all,
        .waits_for_replies = delivery->is_reused,
        .tells_mail = delivery->options.handler->on_reply != NULL};
    error = mm_smtpc_send(delivery->engine, &message);
    if (error != MAILMOD_OK) {
        refuse_message(delivery, error);
    }
}

/* What of the message must be read before it can be begun. */
static enum mm_delivery_work work_before(const struct mm_delivery *delivery)
{
    if (delivery->batch->message.is_smtputf8 &&
        delivery->header == MM_HEADER_UNKNOWN) {
        return MM_WORK_HEADER;
    }
    return !delivery->batch->is_binary &&
                   delivery->config->delivery.long_lines ==
                       MM_CONFIG_LONG_LINES_ENCODE &&
                   delivery->lines == MM_LINES_UNKNOWN
               ? MM_WORK_LINES
               : MM_WORK_NONE;
}

static bool wants_dsn(const struct mq_batch *batch)
{
    bool wants = batch->message.dsn_return != MM_DSN_RETURN_UNSET ||
                 batch->message.envelope_id[0] != '\0';
    for (size_t i = 0; i < batch->recipient_count && !wants; i++) {
        wants = batch->recipients[i].notify != 0 ||
                batch->recipients[i].original_recipient[0] != '\0';
    }
    return wants;
}

/* RFC 3030 3: by BDAT alone. */
static bool takes_binary(const struct mm_delivery *delivery)
{
    const struct mm_smtpc_extensions *offered =
        mm_smtpc_extensions(delivery->engine);
    return offered->has_binarymime && offered->has_chunking &&
           mm_delivery_may_chunk(delivery);
}

static unsigned missing_of(const struct mm_delivery *delivery)
{
    unsigned missing = 0;
    if (mm_delivery_tls_policy(delivery) == MM_CONFIG_TLS_MAY &&
        !mm_conn_is_tls(delivery->conn)) {
        missing |= MM_MISSING_STARTTLS;
    }
    if (needs_7bit(delivery)) {
        missing |= MM_MISSING_8BITMIME;
    }
    if (!mm_smtpc_extensions(delivery->engine)->has_dsn &&
        wants_dsn(delivery->batch)) {
        missing |= MM_MISSING_DSN;
    }
    if (!mm_smtpc_extensions(delivery->engine)->has_deliver_by &&
        delivery->batch->by.mode != MM_DELIVER_BY_UNSET) {
        missing |= MM_MISSING_DELIVERBY;
    }
    if (delivery->batch->is_binary && !takes_binary(delivery)) {
        missing |= MM_MISSING_BINARYMIME;
    }
    return missing;
}

/* The owner does not want it sent like this. */
static void refuse_forbidden(struct mm_delivery *delivery)
{
    struct mq_outcome outcome;
    if ((delivery->asked.missing & MM_MISSING_BINARYMIME) != 0) {
        mm_outcome_set(&outcome, MAILMOD_ERROR_UNSUPPORTED, "5.6.3",
                       delivery->hop.host,
                       "the message is binary, and the host does not offer "
                       "BINARYMIME and CHUNKING");
    } else if (delivery->asked.kind == MM_QUESTION_EXPIRED) {
        mm_outcome_set(&outcome, MAILMOD_ERROR_TIMEOUT, "5.4.7",
                       delivery->hop.host,
                       "not sent: the host would need more time than is left");
    } else {
        mm_outcome_set(
            &outcome, MAILMOD_ERROR_UNSUPPORTED, "4.3.3", delivery->hop.host,
            "not sent: the host does not offer what the sender wants");
    }
    mm_delivery_conclude(delivery, &outcome);
}

/* What the owner has a say in, once for a message at a host. */
static bool find_question(struct mm_delivery *delivery)
{
    delivery->asked = (struct mm_delivery_question){.words = ""};
    if (!delivery->is_missing_asked) {
        delivery->asked.kind = MM_QUESTION_MISSING;
        delivery->asked.missing = missing_of(delivery);
        delivery->is_missing_asked = true;
        if (delivery->asked.missing != 0) {
            return true;
        }
    }
    if (!delivery->is_time_asked) {
        delivery->asked.kind = MM_QUESTION_EXPIRED;
        delivery->asked.seconds =
            least_seconds(delivery) - seconds_left(delivery);
        delivery->is_time_asked = true;
        return is_returned(delivery) &&
               mm_smtpc_extensions(delivery->engine)->has_deliver_by &&
               delivery->asked.seconds > 0;
    }
    return false;
}

/* RFC 2852 4.1.4: what is to be returned goes to no host that cannot, unless
 * its owner says so; and when its time is over, nowhere. What is binary is
 * changed for nobody. */
void mm_transaction_take_answer(struct mm_delivery *delivery)
{
    bool is_must = delivery->asked.kind == MM_QUESTION_EXPIRED ||
                   ((delivery->asked.missing & MM_MISSING_DELIVERBY) != 0 &&
                    is_returned(delivery));
    delivery->is_forbidden =
        delivery->answer == MM_ANSWER_STOP ||
        (delivery->asked.missing & MM_MISSING_BINARYMIME) != 0 ||
        (delivery->answer == MM_ANSWER_AS_SET && is_must);
}

/* False: something of it is being read, or its owner asked, first. */
static bool begin_message(struct mm_delivery *delivery)
{
    enum mm_delivery_work work = work_before(delivery);
    while (work == MM_WORK_NONE && !delivery->is_forbidden &&
           find_question(delivery)) {
        delivery->answer = MM_ANSWER_AS_SET;
        if (delivery->options.ask != NULL) {
            work = MM_WORK_ASK;
        } else {
            mm_transaction_take_answer(delivery);
        }
    }
    if (work == MM_WORK_NONE) {
        if (delivery->is_forbidden) {
            refuse_forbidden(delivery);
        } else {
            send_message(delivery);
        }
        return true;
    }
    delivery->chunk_number = 0;
    mm_buf_clear(&delivery->chunk);
    enum mailmod_error error = mm_delivery_start_work(delivery, work);
    if (error != MAILMOD_OK) {
        mm_delivery_break_batch(delivery, error, "4.3.2",
                                "too busy to read the message");
    }
    return false;
}

/* The next name that has no answer. */
static void ask_etrn(struct mm_delivery *delivery)
{
    size_t i = 0;
    while (i + 1 < delivery->batch->recipient_count && !is_open(delivery, i)) {
        i++;
    }
    delivery->envelope_index[0] = i;
    enum mailmod_error error =
        mm_smtpc_etrn(delivery->engine, delivery->batch->recipients[i].path);
    struct mq_outcome outcome;
    if (error == MAILMOD_ERROR_UNSUPPORTED) {
        mm_outcome_set(&outcome, error, "5.3.3", delivery->hop.host,
                       "the host does not offer ETRN");
        mm_delivery_conclude(delivery, &outcome);
    } else if (error != MAILMOD_OK) {
        refuse_message(delivery, error);
    }
}

/* What a host says of a name is its last word: another one has other mail. */
bool mm_transaction_on_etrn_reply(struct mm_delivery *delivery,
                                  const struct mm_smtpc_info *info)
{
    size_t i = delivery->envelope_index[0];
    delivery->has_answer = true;
    mm_transaction_take_reply(delivery, i, info->reply);
    delivery->progress[i] = MM_PROGRESS_FINAL;
    return true;
}

static size_t open_count(const struct mm_delivery *delivery)
{
    return mm_delivery_count(delivery, MM_PROGRESS_OPEN) +
           mm_delivery_count(delivery, MM_PROGRESS_FULL);
}

/* The words of the first whom the host put off, for the log. */
static void note_refusal(struct mm_delivery *delivery)
{
    for (size_t i = 0; i < delivery->batch->recipient_count; i++) {
        if (delivery->progress[i] == MM_PROGRESS_PUT_OFF) {
            delivery->failure = delivery->outcomes[i];
            delivery->has_failure = true;
            return;
        }
    }
}

enum mm_delivery_after mm_transaction_after(struct mm_delivery *delivery)
{
    if (open_count(delivery) > 0 ||
        (delivery->is_session_over &&
         mm_delivery_count(delivery, MM_PROGRESS_PUT_OFF) > 0)) {
        return MM_AFTER_RESTART;
    }
    if (mm_delivery_count(delivery, MM_PROGRESS_PUT_OFF) == 0 ||
        ++delivery->refusing_hosts >= MM_LIMIT_REFUSING_HOSTS ||
        !mm_route_has_next(delivery->route)) {
        return MM_AFTER_GONE;
    }
    mm_route_leave_host(delivery->route);
    note_refusal(delivery);
    return MM_AFTER_NEXT_HOP;
}

/* RFC 9422 4: the host takes no further message over this connection; or the
 * operator wants no more over one. */
static bool is_used_up(const struct mm_delivery *delivery)
{
    uint64_t told = mm_smtpc_extensions(delivery->engine)->mail_max;
    unsigned wanted = mm_config_connection_messages_for(
        delivery->config, delivery->options.relay.route);
    return (told > 0 && delivery->transactions >= told) ||
           (wanted > 0 && delivery->transactions >= wanted) ||
           has_no_room(delivery);
}

bool mm_transaction_on_need_message(struct mm_delivery *delivery)
{
    if (delivery->work != MM_WORK_NONE) {
        return false; /* a chunk of the message that was just refused */
    }
    if (delivery->batch != NULL && open_count(delivery) > 0 &&
        (delivery->batch->is_etrn || !is_used_up(delivery))) {
        if (delivery->batch->is_etrn) {
            ask_etrn(delivery);
            return true;
        }
        return begin_message(delivery);
    }
    if (delivery->batch != NULL && !delivery->is_decided) {
        delivery->after = mm_transaction_after(delivery);
        delivery->is_decided = delivery->after != MM_AFTER_GONE;
    }
    if (delivery->is_decided) {
        mm_smtpc_quit(delivery->engine);
        return true;
    }
    mm_delivery_hand_back(delivery);
    if (delivery->stage == MM_DELIVERY_GONE) {
        return false; /* the host cut us from inside */
    }
    delivery->quits = delivery->quits || is_used_up(delivery);
    if (delivery->quits) {
        mm_smtpc_quit(delivery->engine);
        return true;
    }
    delivery->stage = MM_DELIVERY_IDLE;
    return false;
}

/* A limit of this session, not of the message: 4.4.5 says so, and so does any
 * refusal for now of what a new connection begins with. */
static void note_session_limit(struct mm_delivery *delivery,
                               const struct mm_reply_in *reply, bool is_mail)
{
    if (delivery->transactions > 0 && reply->code / 100 == 4 &&
        (is_mail || reply->code == 421 ||
         strcmp(reply->enhanced, "4.4.5") == 0)) {
        delivery->is_session_over = true;
    }
}

void mm_transaction_take_reply(struct mm_delivery *delivery, size_t i,
                               const struct mm_reply_in *reply)
{
    struct mq_outcome *outcome = &delivery->outcomes[i];
    mm_outcome_from_reply(outcome, delivery->hop.host, reply);
    memcpy(outcome->tls, delivery->tls_text, sizeof outcome->tls);
    outcome->connection = delivery->number;
    delivery->progress[i] = outcome->verdict == MQ_DEFERRED
                                ? MM_PROGRESS_PUT_OFF
                                : MM_PROGRESS_FINAL;
    note_session_limit(delivery, reply, false);
}

/* RFC 5321 4.5.3.1.10: 452 asks for another transaction. 552 was once said for
 * it, and means a full mailbox more often: unless the enhanced code says "too
 * many recipients", or it says nothing and others were taken before. */
static bool is_too_many(const struct mm_delivery *delivery,
                        const struct mm_reply_in *reply)
{
    const char *enhanced = reply->enhanced;
    if (reply->code == 452 ||
        (enhanced[0] != '\0' && strcmp(enhanced + 1, ".5.3") == 0)) {
        return true;
    }
    return reply->code == 552 && enhanced[0] == '\0' &&
           mm_delivery_count(delivery, MM_PROGRESS_ACCEPTED) > 0;
}

bool mm_transaction_on_mail_reply(struct mm_delivery *delivery,
                                  const struct mm_smtpc_info *info)
{
    mm_delivery_tell_reply(delivery, MM_DELIVERY_MAIL_REPLY, 0, info->reply);
    if (info->reply->code >= 400) {
        delivery->has_answer = true;
        note_session_limit(delivery, info->reply, true);
    }
    return true; /* a refusal: MESSAGE_DONE comes with the same reply */
}

bool mm_transaction_on_rcpt_reply(struct mm_delivery *delivery,
                                  const struct mm_smtpc_info *info)
{
    size_t i = delivery->envelope_index[info->recipient];
    delivery->has_answer = true;
    mm_delivery_tell_reply(delivery, MM_DELIVERY_RCPT_REPLY, i, info->reply);
    if (info->reply->code / 100 == 2) {
        delivery->progress[i] = MM_PROGRESS_ACCEPTED;
        return true;
    }
    bool is_full =
        !delivery->batch->requires_all && is_too_many(delivery, info->reply);
    mm_transaction_take_reply(delivery, i, info->reply);
    if (is_full) {
        delivery->progress[i] = MM_PROGRESS_FULL;
        delivery->outcomes[i].verdict = MQ_DEFERRED;
        delivery->outcomes[i].status[0] = '4';
    }
    return true;
}

/* BDAT was offered and is not known: the message goes to the same host again,
 * by DATA. RFC 3030 2 knows no such host. */
static bool begin_without_chunks(struct mm_delivery *delivery)
{
    mm_delivery_pause_chunks(delivery);
    MM_LOG(delivery->options.log, MM_LOG_INFO, "delivery",
           "the host offers CHUNKING and refuses BDAT",
           MM_TEXT("destination", delivery->destination),
           MM_TEXT("host", delivery->hop.host));
    delivery->after = MM_AFTER_AGAIN;
    delivery->is_decided = true;
    return true;
}

bool mm_transaction_on_message_done(struct mm_delivery *delivery,
                                    const struct mm_smtpc_info *info)
{
    if (info->error == MAILMOD_ERROR_UNSUPPORTED) {
        return begin_without_chunks(delivery);
    }
    size_t accepted = mm_delivery_count(delivery, MM_PROGRESS_ACCEPTED);
    delivery->has_answer = true;
    delivery->transactions++;
    if (delivery->batch->requires_all && accepted > 0 &&
        accepted < delivery->envelope_count) {
        end_all_or_nothing(delivery);
        return true;
    }
    if (accepted > 0) {
        mm_delivery_tell_reply(delivery, MM_DELIVERY_DATA_REPLY, 0,
                               info->reply);
    }
    for (size_t i = 0; i < delivery->envelope_count; i++) {
        size_t at = delivery->envelope_index[i];
        if (delivery->progress[at] == MM_PROGRESS_ACCEPTED ||
            delivery->progress[at] == MM_PROGRESS_OPEN) {
            mm_transaction_take_reply(delivery, at, info->reply);
            /* RFC 3461 5.2.2: who was given NOTIFY reports the success. */
            delivery->outcomes[at].relayed_dsn =
                mm_smtpc_extensions(delivery->engine)->has_dsn;
        } else if (delivery->progress[at] == MM_PROGRESS_FULL &&
                   accepted == 0) {
            delivery->progress[at] = MM_PROGRESS_PUT_OFF;
        }
    }
    return true;
}
