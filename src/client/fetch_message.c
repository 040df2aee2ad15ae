/* fetch_message.c - one fetched message on its way into the store.
 *
 * Owns its deposit and its hashes. Promises: the message and the row that says
 * so come by one transaction, and only then is the server told to delete it;
 * what is refused here stays there, and nobody is sent a report, for the
 * envelope's sender is the null path; a message that has gone round too often
 * is not taken. Thread: loop. RFC 5321 4.4, 6.3; RFC 1939 7. */
#include "client/fetch_internal.h"

#include "base/limits.h"
#include "wire/msg/message.h"

#include <string.h>

static void on_room(void *context)
{
    struct mm_fetch_session *session = context;
    session->incoming.waits = false;
    mm_fetch_go_on(session);
}

/* It stays there, and is not read again at once. */
static void leave_item(struct mm_fetch_session *session,
                       struct mm_fetch_item *item, const char *why)
{
    const struct mm_fetch_session_options *options = &session->options;
    item->state = MM_FETCH_LEFT;
    session->result.left++;
    options->leave(options->context, item->key);
    struct mm_news news = {.kind = MAILMOD_EVENT_FETCH_LEFT, .reply = why};
    mm_fetch_tell(session, &news);
    MM_LOG(options->log, MM_LOG_WARNING, "fetch",
           "a message stays at its server",
           MM_TEXT("account", session->account.name), MM_TEXT("reason", why),
           MM_NUMBER("number", (int64_t)item->number));
}

static void forget(struct mm_fetch_session *session)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    mm_deposit_abandon(&incoming->deposit);
    mm_fetch_envelope_drop(session);
    incoming->item = NULL;
    incoming->waits = false;
    session->in_flight--;
}

void mm_fetch_message_leave(struct mm_fetch_session *session, const char *why)
{
    leave_item(session, session->incoming.item, why);
    forget(session);
}

void mm_fetch_message_drop(struct mm_fetch_session *session)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    mm_deposit_abandon(&incoming->deposit);
    mm_fetch_envelope_drop(session);
    mm_sha256_drop(&incoming->hash);
    mm_sha256_drop(&incoming->header);
    incoming->item = NULL;
    incoming->waits = false;
}

static void on_finished(void *context, enum mailmod_error error)
{
    struct mm_fetch_session *session = context;
    struct mm_fetch_item *item = session->incoming.item;
    session->incoming.waits = false;
    if (error == MAILMOD_OK) {
        session->result.fetched++;
        struct mm_news news = {.kind = MAILMOD_EVENT_FETCHED,
                               .message_id =
                                   mm_deposit_id(session->incoming.deposit),
                               .reply = ""};
        mm_fetch_tell(session, &news);
        mm_fetch_plan_took(&session->plan, item,
                           mm_loop_wall_ms(session->options.loop));
        mm_fetch_decided(session, item);
    } else if (error == MAILMOD_ERROR_NOT_FOUND) {
        leave_item(session, item,
                   mm_deposit_met_full(session->incoming.deposit)
                       ? "the mailbox here is full"
                       : "the mailbox here is gone");
    } else {
        mm_fetch_fail(session, error, "a message cannot be kept: %s",
                      mm_error_text(error));
    }
    forget(session);
    mm_fetch_go_on(session);
}

static enum mailmod_error open_deposit(struct mm_fetch_session *session)
{
    const struct mm_deposit_options options = {
        .post = session->options.post,
        .loop = session->options.loop,
        .config = session->options.config,
        .edits = MM_HEADER_DROPS_RETURN_PATH,
        .on_room = on_room,
        .on_finished = on_finished,
        .context = session};
    const struct mm_envelope envelope = {
        .reverse_path = "", /* never a report to who may be forged */
        .arrival_ms = mm_loop_wall_ms(session->options.loop),
        .session = session->account.name,
        .peer = session->account.host,
        .user = session->account.user};
    return mm_deposit_new(&session->incoming.deposit, &options, &envelope);
}

bool mm_fetch_message_begin(struct mm_fetch_session *session,
                            struct mm_fetch_item *item, bool is_top)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    incoming->item = item;
    incoming->is_top = is_top;
    incoming->header_state = 2; /* an empty line may be the first */
    incoming->octets = 0;
    incoming->has_8bit = false;
    mm_fetch_envelope_open(session);
    enum mailmod_error error = mm_sha256_begin(&incoming->header);
    if (error == MAILMOD_OK) {
        error = mm_sha256_begin(&incoming->hash);
    }
    if (error == MAILMOD_OK && !is_top) {
        error = open_deposit(session);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "a message cannot be begun: %s",
                      mm_error_text(error));
    }
    return error == MAILMOD_OK;
}

/* How many of the octets are of the header, its empty line included. */
static size_t header_part(struct mm_fetch_incoming *incoming,
                          struct mm_span octets)
{
    size_t at = 0;
    while (at < octets.size && incoming->header_state < 4) {
        char c = octets.data[at++];
        bool is_next = c == (incoming->header_state % 2 == 0 ? '\r' : '\n');
        incoming->header_state = is_next     ? incoming->header_state + 1
                                 : c == '\r' ? 1
                                             : 0;
    }
    return at;
}

static bool add_hashes(struct mm_fetch_session *session, struct mm_span octets)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    size_t size = header_part(incoming, octets);
    enum mailmod_error error =
        mm_sha256_add(&incoming->header, mm_span(octets.data, size));
    if (error == MAILMOD_OK) {
        error = mm_sha256_add(&incoming->hash, octets);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "a message cannot be hashed: %s",
                      mm_error_text(error));
    }
    incoming->octets += octets.size;
    incoming->has_8bit = incoming->has_8bit || mm_span_has_8bit(octets);
    return error == MAILMOD_OK;
}

size_t mm_fetch_message_octets(struct mm_fetch_session *session,
                               struct mm_span octets)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    size_t used = octets.size;
    if (!incoming->is_top) {
        enum mailmod_error error =
            mm_deposit_write(incoming->deposit, octets, &used);
        if (error != MAILMOD_OK) {
            mm_fetch_fail(session, error, "a message cannot be kept: %s",
                          mm_error_text(error));
            return 0;
        }
        incoming->waits = used < octets.size;
        error = mm_fetch_envelope_add(session, mm_span(octets.data, used));
        if (error != MAILMOD_OK) {
            mm_fetch_fail(session, error, "a header cannot be read: %s",
                          mm_error_text(error));
            return 0;
        }
    }
    if (!add_hashes(session, mm_span(octets.data, used))) {
        return 0;
    }
    if (incoming->octets > session->account.size_max) {
        leave_item(session, incoming->item, "larger than the server said");
        mm_fetch_fail(session, MAILMOD_ERROR_TOO_LARGE,
                      "a message is larger than the server said");
        return 0;
    }
    return used;
}

/* RFC 5321 4.4: the trace is in front of all. */
static enum mailmod_error stamp(struct mm_fetch_session *session)
{
    struct mm_deposit *deposit = session->incoming.deposit;
    const struct mm_received received = {
        .protocol = "POP3",
        .helo_name = mm_span_cstr(session->account.host),
        .peer = *mm_conn_peer(session->conn),
        .host_name = session->options.config->host_name,
        .identifier = mm_deposit_identifier(deposit),
        .recipient = mm_deposit_recipient_count(deposit) == 1
                         ? mm_deposit_first_path(deposit)
                         : NULL,
        .time_ms = mm_loop_wall_ms(session->options.loop)};
    return mm_received_write(mm_deposit_fields(deposit), &received);
}

void mm_fetch_message_deposit(struct mm_fetch_session *session)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    struct mm_store_seen seen = {.size = incoming->item->size,
                                 .seen_ms =
                                     mm_loop_wall_ms(session->options.loop)};
    memcpy(seen.key, incoming->item->key, sizeof seen.key);
    memcpy(seen.hash, incoming->item->hash, sizeof seen.hash);
    const struct mm_deposit_origin origin = {
        .account = session->account.name,
        .seen = &seen,
        .keeps_unique_id = session->account.keeps_unique_ids,
        .sets_aside = session->account.sets_aside};
    enum mailmod_error error = stamp(session);
    if (error == MAILMOD_OK) {
        error = mm_deposit_set_origin(incoming->deposit, &origin);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "a message cannot be kept: %s",
                      mm_error_text(error));
        return;
    }
    incoming->waits = true;
    mm_deposit_finish(incoming->deposit, incoming->has_8bit);
}

/* The item has no key yet: its header is its name. */
static bool look(struct mm_fetch_session *session)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    uint8_t header[MM_SHA256_SIZE];
    enum mailmod_error error = mm_sha256_end(&incoming->header, header);
    if (error == MAILMOD_OK) {
        error = mm_fetch_plan_look(&session->plan, incoming->item, header);
    }
    if (error != MAILMOD_OK) {
        mm_fetch_fail(session, error, "a message cannot be named: %s",
                      mm_error_text(error));
    }
    return error == MAILMOD_OK;
}

static void end_top(struct mm_fetch_session *session)
{
    struct mm_fetch_item *item = session->incoming.item;
    if (!look(session)) {
        return;
    }
    forget(session);
    mm_fetch_decided(session, item);
}

void mm_fetch_message_end(struct mm_fetch_session *session)
{
    struct mm_fetch_incoming *incoming = &session->incoming;
    struct mm_fetch_item *item = incoming->item;
    if (incoming->is_top) {
        end_top(session);
        return;
    }
    if (item->state == MM_FETCH_LOOK && !look(session)) {
        return;
    }
    if (mm_sha256_end(&incoming->hash, item->hash) != MAILMOD_OK) {
        mm_fetch_fail(session, MAILMOD_ERROR_SYSTEM,
                      "a message cannot be hashed");
        return;
    }
    if (item->state == MM_FETCH_SEEN ||
        mm_fetch_plan_recognize(&session->plan, item)) {
        forget(session);
        mm_fetch_decided(session, item);
    } else {
        mm_fetch_envelope_use(session);
    }
}
