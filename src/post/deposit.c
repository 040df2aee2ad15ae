/* deposit.c - one message on its way into the store: its life and its text.
 *
 * Owns: the envelope, the first piece, one piece that fills and at most one
 * that is on its way to the writer. On a loop each has MM_LIMIT_TEXT_OWN octets
 * and asks for more; where the memory of all messages is taken, pieces are so
 * small. Promises: on_finished with OK comes only
 * after the transaction with message, recipients and entries is on disk;
 * whatever ends it before leaves nothing behind (pieces are dropped by a job of
 * their own, or by the sweep at the next start); the peer's octets never stand
 * inside a field of ours.
 *
 * Law of the object: it belongs to its depositor until finish is answered or it
 * is abandoned; an abandoned one lives on, unseen, until the writer gave its
 * job back, and frees itself then. One store job at a time.
 * Thread: the depositor's. RFC 5321 4.1.1.4, 6.1; RFC 3030 2. */
#include "post/deposit_internal.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

/* Each piece keeps room for the CRLF that a last line may lack. */
#define END_ROOM 2
/* Of the first piece, the message's own. */
#define FIRST_MAX (MM_LIMIT_CHUNK - MM_LIMIT_FIELDS)
/* Left in front of it for our fields, so that a usual message is not moved. */
#define FIELDS_USUAL 600
/* What it may have without asking, with them. */
#define FIRST_OWN (MM_LIMIT_TEXT_OWN - FIELDS_USUAL)

static enum mailmod_error run_call(struct mm_call *call,
                                   struct mm_store_transaction *transaction);
static void call_done(struct mm_call *call, enum mailmod_error error);
static void come_home(struct mm_call *call, enum mailmod_error error);

static void take_envelope(struct mm_deposit *deposit,
                          const struct mm_envelope *envelope)
{
    struct mm_store_message *message = &deposit->message;

    message->id = envelope->id != 0
                      ? envelope->id
                      : mm_store_new_message_id(deposit->options.post->store);
    mm_message_id_format(message->id, deposit->identifier);
    (void)mm_span_copy(mm_span_cstr(envelope->reverse_path),
                       message->reverse_path, sizeof message->reverse_path);
    message->arrival_ms = envelope->arrival_ms;
    message->is_smtputf8 = envelope->is_smtputf8;
    message->is_report = envelope->is_report;
    message->dsn_return = envelope->dsn_return;
    (void)mm_span_copy(mm_span_cstr(envelope->envelope_id),
                       message->envelope_id, sizeof message->envelope_id);
    (void)mm_span_copy(mm_span_cstr(envelope->session), deposit->session,
                       sizeof deposit->session);
    deposit->connection = envelope->connection;
    (void)mm_span_copy(mm_span_cstr(envelope->peer), deposit->peer,
                       sizeof deposit->peer);
    (void)mm_span_copy(mm_span_cstr(envelope->user), deposit->user,
                       sizeof deposit->user);
}

/* The first piece's size at most. */
static size_t first_max(const struct mm_deposit *deposit)
{
    return FIRST_MAX -
           (deposit->options.may_change ? MM_LIMIT_CHANGES_OCTETS : 0);
}

/* What another piece has without asking. */
static size_t piece_own(const struct mm_deposit *deposit)
{
    return deposit->is_bounded ? MM_LIMIT_TEXT_OWN : MM_LIMIT_CHUNK;
}

enum mailmod_error mm_deposit_new(struct mm_deposit **deposit_out,
                                  const struct mm_deposit_options *options,
                                  const struct mm_envelope *envelope)
{
    struct mm_deposit *deposit = mm_alloc(sizeof *deposit);

    *deposit_out = deposit;
    if (deposit == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    deposit->options = *options;
    deposit->options.config = mm_config_ref(options->config);
    if (options->loop != NULL) {
        atomic_fetch_add(&options->post->busy, 1);
    }
    take_envelope(deposit, envelope);
    mm_list_init(&deposit->recipients);
    mm_header_edit_init(&deposit->edit, options->edits);
    mm_buf_init(&deposit->fields, MM_LIMIT_CHUNK);
    mm_changes_init(&deposit->changes);
    deposit->is_bounded = options->loop != NULL;
    mm_buf_init(&deposit->first,
                deposit->is_bounded ? FIRST_OWN : first_max(deposit));
    mm_buf_init(&deposit->filling, piece_own(deposit));
    mm_buf_init(&deposit->writing, piece_own(deposit));
    deposit->piece_number = 1;
    deposit->call.store = options->post->store;
    deposit->call.loop = options->loop;
    deposit->call.run = run_call;
    deposit->call.done = call_done;
    deposit->call.come_home = come_home;
    return MAILMOD_OK;
}

static void free_deposit(struct mm_deposit *deposit)
{
    struct mm_post *post =
        deposit->options.loop != NULL ? deposit->options.post : NULL;

    mm_deposit_forget_change(deposit);
    mm_deposit_forget_copy(deposit);
    mm_deposit_forget_sender(deposit);
    mm_changes_clear(&deposit->changes);
    mm_deposit_free_recipients(deposit);
    mm_buf_fini(&deposit->fields);
    mm_buf_fini(&deposit->first);
    mm_buf_fini(&deposit->filling);
    mm_buf_fini(&deposit->writing);
    mm_budget_give(&deposit->options.post->texts, deposit->taken);
    mm_free(deposit->fetched);
    mm_config_unref(&deposit->options.config);
    mm_free(deposit);
    if (post != NULL) {
        atomic_fetch_sub(&post->busy, 1);
    }
}

static void submit(struct mm_deposit *deposit, enum mm_deposit_work work)
{
    deposit->work = work;
    mm_call_submit(&deposit->call);
}

/* Frees an abandoned message that the writer does not hold; what it stored is
 * dropped first. */
static void clear_away(struct mm_deposit *deposit)
{
    if (deposit->has_stored && deposit->joined == NULL) {
        deposit->has_stored = false;
        submit(deposit, MM_DEPOSIT_DROP);
        return;
    }
    free_deposit(deposit);
}

void mm_deposit_abandon(struct mm_deposit **deposit_in)
{
    struct mm_deposit *deposit = *deposit_in;

    *deposit_in = NULL;
    if (deposit != NULL && !mm_call_abandon(&deposit->call)) {
        mm_deposit_forget_change(deposit);
        mm_deposit_forget_copy(deposit);
        mm_deposit_forget_sender(deposit);
        clear_away(deposit);
    }
}

void mm_deposit_abandon_on(struct mm_deposit **deposit_in, struct mm_loop *loop)
{
    struct mm_deposit *deposit = *deposit_in;

    deposit->options.loop = loop;
    deposit->call.loop = loop;
    atomic_fetch_add(&deposit->options.post->busy, 1);
    mm_deposit_abandon(deposit_in);
}

enum mailmod_error mm_deposit_set_origin(struct mm_deposit *deposit,
                                         const struct mm_deposit_origin *origin)
{
    if (deposit->fetched == NULL) {
        deposit->fetched = mm_alloc(sizeof *deposit->fetched);
    }
    if (deposit->fetched == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (void)mm_span_copy(mm_span_cstr(origin->account), deposit->fetched->account,
                       sizeof deposit->fetched->account);
    deposit->fetched->row = *origin->seen;
    deposit->fetched->keeps_unique_id = origin->keeps_unique_id;
    deposit->fetched->sets_aside = origin->sets_aside;
    deposit->message.keeps_failed = true;
    return MAILMOD_OK;
}

void mm_deposit_set_marks(struct mm_deposit *deposit, unsigned marks)
{
    deposit->fetched->marks = marks & MM_MAIL_MARKS;
}

uint64_t mm_deposit_id(const struct mm_deposit *deposit)
{
    return deposit->message.id;
}

const char *mm_deposit_identifier(const struct mm_deposit *deposit)
{
    return deposit->identifier;
}

const char *mm_deposit_reverse_path(const struct mm_deposit *deposit)
{
    return deposit->message.reverse_path;
}

bool mm_deposit_is_smtputf8(const struct mm_deposit *deposit)
{
    return deposit->message.is_smtputf8;
}

unsigned mm_deposit_received_count(const struct mm_deposit *deposit)
{
    return deposit->edit.received_count;
}

uint64_t mm_deposit_size(const struct mm_deposit *deposit)
{
    return deposit->message.size;
}

void mm_deposit_end_fields(struct mm_deposit *deposit)
{
    mm_header_edit_end_fields(&deposit->edit);
}

struct mm_buf *mm_deposit_fields(struct mm_deposit *deposit)
{
    if (deposit->fields.data == NULL) {
        (void)mm_buf_reserve(&deposit->fields, FIELDS_USUAL);
    }
    return &deposit->fields;
}

struct mm_changes *mm_deposit_changes(struct mm_deposit *deposit)
{
    return &deposit->changes;
}

void mm_deposit_arrived(struct mm_deposit *deposit, int64_t now_ms)
{
    deposit->message.arrival_ms = now_ms;
}

void mm_deposit_join(struct mm_deposit *deposit,
                     struct mm_store_transaction *transaction)
{
    deposit->joined = transaction;
}

/* The full piece becomes the one that is written; the written one is empty. */
static void send_piece(struct mm_deposit *deposit)
{
    struct mm_buf full = deposit->filling;

    deposit->filling = deposit->writing;
    deposit->writing = full;
    deposit->has_stored = true;
    if (deposit->joined == NULL) {
        submit(deposit, MM_DEPOSIT_PIECE);
        return;
    }
    deposit->error = mm_store_put_chunk(deposit->joined, deposit->message.id,
                                        deposit->piece_number++,
                                        mm_buf_span(&deposit->writing));
    mm_buf_clear(&deposit->writing);
}

static struct mm_buf *present_piece(struct mm_deposit *deposit)
{
    return deposit->is_first_full ? &deposit->filling : &deposit->first;
}

static void leave_front(struct mm_buf *first, size_t size)
{
    size_t size_max = first->size_max;

    first->size_max = MM_LIMIT_TEXT_OWN;
    (void)mm_buf_leave_front(first, FIELDS_USUAL, size);
    first->size_max = size_max;
}

/* Octets that have room. */
static void put(struct mm_deposit *deposit, struct mm_span data)
{
    if (data.size == 0 || deposit->error != MAILMOD_OK) {
        return;
    }
    if (deposit->first.data == NULL) {
        leave_front(&deposit->first, FIRST_OWN);
    }
    struct mm_buf *piece = present_piece(deposit);
    if (piece->data == NULL) {
        /* At once: many that grow leave holes between them. */
        (void)mm_buf_reserve(piece, piece->size_max);
    }
    deposit->error = mm_buf_append_span(piece, data);
    deposit->message.size += data.size;
    deposit->last[0] =
        data.size > 1 ? data.data[data.size - 2] : deposit->last[1];
    deposit->last[1] = data.data[data.size - 1];
}

/* The present piece may have its whole size, if there is memory for it. */
static bool enlarge(struct mm_deposit *deposit)
{
    struct mm_buf *piece = present_piece(deposit);
    size_t size_max =
        deposit->is_first_full ? MM_LIMIT_CHUNK : first_max(deposit);
    size_t reserve = deposit->is_header_over ? MM_LIMIT_TEXTS / 4 : 0;

    if (piece->size_max >= size_max ||
        !mm_budget_take(&deposit->options.post->texts, MM_LIMIT_CHUNK,
                        reserve)) {
        return false;
    }
    deposit->taken += MM_LIMIT_CHUNK;
    piece->size_max = size_max;
    return true;
}

/* A written piece's memory is for others. */
static void give_back(struct mm_deposit *deposit, struct mm_buf *piece)
{
    if (piece->size_max > piece_own(deposit)) {
        mm_budget_give(&deposit->options.post->texts, MM_LIMIT_CHUNK);
        deposit->taken -= MM_LIMIT_CHUNK;
    }
    mm_buf_fini(piece);
    mm_buf_init(piece, piece_own(deposit));
}

/* A large message keeps its header alone until the end: the memory behind it,
 * and what is in it, become the next piece. */
static void leave_header(struct mm_deposit *deposit)
{
    struct mm_buf *first = &deposit->first;
    struct mm_buf rest = *first;
    size_t size = deposit->header_size + END_ROOM; /* and the empty line */

    if (!deposit->is_bounded || !deposit->is_header_over || size > FIRST_OWN ||
        mm_buf_size(first) < size) {
        return;
    }
    mm_buf_init(first, FIRST_OWN);
    leave_front(first, size);
    deposit->error = mm_buf_append(first, mm_buf_span(&rest).data, size);
    mm_buf_consume(&rest, size);
    rest.size_max =
        rest.size_max > FIRST_OWN ? MM_LIMIT_CHUNK : MM_LIMIT_TEXT_OWN;
    mm_buf_fini(&deposit->filling);
    deposit->filling = rest;
}

/* The first piece has what it can have. A header that judges may change stays
 * in memory, so it must wait where there is none. */
static void end_first(struct mm_deposit *deposit)
{
    deposit->is_first_full = true;
    if (!deposit->is_header_over && deposit->options.may_change &&
        deposit->first.size_max < first_max(deposit)) {
        deposit->error = MAILMOD_ERROR_MEMORY;
    } else {
        leave_header(deposit);
    }
}

/* Where memory is short a message has one piece, not one that is written and
 * one that fills meanwhile. */
static bool must_wait(const struct mm_deposit *deposit)
{
    return deposit->is_bounded && deposit->is_first_full &&
           deposit->work == MM_DEPOSIT_PIECE &&
           mm_buf_size(&deposit->filling) == 0 &&
           mm_budget_is_short(&deposit->options.post->texts);
}

/* Makes room for `wanted` octets; false: on_room comes, or it failed. */
static bool make_room(struct mm_deposit *deposit, size_t wanted)
{
    while (deposit->error == MAILMOD_OK && !must_wait(deposit)) {
        if (mm_buf_room(present_piece(deposit)) >= wanted + END_ROOM) {
            return true;
        }
        if (enlarge(deposit)) {
            continue;
        }
        if (!deposit->is_first_full) {
            end_first(deposit);
        } else if (deposit->work == MM_DEPOSIT_IDLE) {
            send_piece(deposit);
        } else {
            break;
        }
    }
    deposit->wants_room = deposit->error == MAILMOD_OK;
    return false;
}

/* The header may have just ended: with what is in the first piece. */
static void note_header(struct mm_deposit *deposit)
{
    if (deposit->edit.is_done && !deposit->is_header_over) {
        deposit->is_header_over = true;
        deposit->has_header = !deposit->is_first_full;
        deposit->header_size = mm_buf_size(&deposit->first);
    }
}

enum mailmod_error mm_deposit_write(struct mm_deposit *deposit,
                                    struct mm_span data, size_t *used_out)
{
    size_t total = data.size;

    while (deposit->error == MAILMOD_OK && data.size > 0) {
        size_t used = 0;

        /* In the header an undecided line may come out at once. */
        if (!make_room(deposit,
                       deposit->edit.is_done ? 1 : MM_HEADER_KEPT_MAX)) {
            break;
        }
        size_t room = mm_buf_room(present_piece(deposit)) - END_ROOM;
        size_t size = data.size < room ? data.size : room;
        struct mm_span kept = mm_header_edit_next(
            &deposit->edit, mm_span(data.data, size), &used);
        note_header(deposit);
        deposit->message.is_8bit |=
            deposit->has_new_body && mm_span_has_8bit(kept);
        put(deposit, kept);
        data = mm_span_from(data, used);
    }
    *used_out = total - data.size;
    return deposit->error;
}

/* The header is over, with or without a body. */
static void end_header(struct mm_deposit *deposit)
{
    struct mm_span kept = mm_header_edit_end(&deposit->edit);

    note_header(deposit);
    put(deposit, kept);
    if (!deposit->is_header_over) {
        deposit->edit.is_done = true;
        if (mm_buf_size(present_piece(deposit)) > 0 &&
            deposit->last[1] != '\n') {
            put(deposit, mm_span("\r\n", END_ROOM));
        }
        note_header(deposit);
    }
}

/* Nothing of the message was promised to anybody, so what is in the store of it
 * may go before the new body is there. */
enum mailmod_error mm_deposit_begin_body(struct mm_deposit *deposit)
{
    if (deposit->work != MM_DEPOSIT_IDLE) {
        deposit->wants_room = true;
        return MAILMOD_ERROR_BUSY;
    }
    end_header(deposit);
    if (deposit->error == MAILMOD_OK && !deposit->has_header) {
        deposit->error = MAILMOD_ERROR_TOO_LARGE;
    }
    if (deposit->error != MAILMOD_OK) {
        return deposit->error;
    }
    if (deposit->has_stored) {
        deposit->wants_room = true;
        submit(deposit, MM_DEPOSIT_EMPTYING);
        return MAILMOD_ERROR_BUSY;
    }
    mm_buf_clear(&deposit->filling);
    deposit->first.end = deposit->first.start + deposit->header_size;
    deposit->message.size = deposit->header_size;
    deposit->is_first_full = false;
    deposit->has_new_body = true;
    put(deposit, mm_span("\r\n", END_ROOM));
    return deposit->error;
}

/* A text by BDAT need not end with CRLF (RFC 3030 2), but every message that is
 * served or sent does: it is stored so, and its size is true. */
static void end_text(struct mm_deposit *deposit)
{
    struct mm_span kept = mm_header_edit_end(&deposit->edit);

    note_header(deposit);
    put(deposit, kept);
    if (deposit->error == MAILMOD_OK &&
        (deposit->last[0] != '\r' || deposit->last[1] != '\n')) {
        put(deposit, mm_span("\r\n", END_ROOM));
    }
    if (!deposit->is_header_over) { /* there is no body */
        bool is_empty = deposit->message.size == END_ROOM;
        deposit->edit.is_done = true;
        note_header(deposit);
        deposit->header_size = is_empty ? 0 : deposit->header_size;
    }
}

/* The first piece: our fields, those that are missing, the message's own. */
static void make_first(struct mm_deposit *deposit)
{
    struct mm_buf *fields = &deposit->fields;

    if (deposit->error == MAILMOD_OK) {
        deposit->error = mm_deposit_change_text(deposit);
    }
    const struct mm_header_missing missing = {
        .host_name = deposit->options.config->host_name,
        .identifier = deposit->identifier,
        .reverse_path = deposit->message.reverse_path,
        .now_ms = deposit->message.arrival_ms};

    if (deposit->error == MAILMOD_OK) {
        deposit->error =
            mm_header_edit_write_missing(&deposit->edit, fields, &missing);
    }
    if (deposit->error == MAILMOD_OK) {
        deposit->message.size += mm_buf_size(fields);
        deposit->first.size_max = MM_LIMIT_CHUNK;
        deposit->error = mm_buf_prepend(&deposit->first, mm_buf_span(fields));
        if (deposit->error == MAILMOD_ERROR_LIMIT) {
            deposit->error = MAILMOD_ERROR_TOO_LARGE;
        }
    }
    mm_buf_fini(fields);
    *fields = deposit->first;
    mm_buf_init(&deposit->first, FIRST_MAX); /* empty from here on */
}

enum mailmod_error mm_deposit_end_text(struct mm_deposit *deposit,
                                       bool has_8bit)
{
    if (!deposit->is_ended) {
        deposit->is_ended = true;
        deposit->message.is_8bit |= has_8bit;
        end_text(deposit);
        mm_deposit_end_loops(deposit);
        make_first(deposit);
    }
    return deposit->error;
}

enum mailmod_error mm_deposit_read(const struct mm_deposit *deposit,
                                   unsigned number, struct mm_buf *out)
{
    if (number == 0) {
        return mm_buf_append_span(out, mm_buf_span(&deposit->fields));
    }
    if (number < deposit->piece_number) {
        return mm_store_read_chunk(deposit->options.post->store,
                                   deposit->message.id, number, out);
    }
    return number == deposit->piece_number && mm_buf_size(&deposit->filling) > 0
               ? mm_buf_append_span(out, mm_buf_span(&deposit->filling))
               : MAILMOD_ERROR_NOT_FOUND;
}

static void use_sender(struct mm_deposit *deposit)
{
    mm_deposit_note_sender(deposit);
    submit(deposit, MM_DEPOSIT_END);
}

static void on_sender(struct mm_resolve *resolve)
{
    use_sender(resolve->context);
}

static void begin_end(struct mm_deposit *deposit);

static void on_change(struct mm_resolve *resolve)
{
    struct mm_deposit *deposit = resolve->context;

    mm_deposit_note_change(deposit);
    begin_end(deposit);
}

static void on_copy(struct mm_resolve *resolve)
{
    struct mm_deposit *deposit = resolve->context;

    mm_deposit_note_copy(deposit);
    begin_end(deposit);
}

/* The last transaction; before it, what judges want changed, who gets a copy of
 * all mail, and the sender who must be told something. */
static void begin_end(struct mm_deposit *deposit)
{
    enum mm_answer answer = MM_ANSWERED;

    while (mm_deposit_ask_change(deposit, on_change, &answer)) {
        if (answer == MM_PENDING) {
            deposit->work = MM_DEPOSIT_CHANGING;
            return;
        }
        mm_deposit_note_change(deposit);
    }
    if (deposit->error == MAILMOD_OK && deposit->changes.count > 0 &&
        mm_deposit_is_discarded(deposit)) {
        submit(deposit, MM_DEPOSIT_DISCARD);
        return;
    }
    while (mm_deposit_ask_copy(deposit, on_copy, &answer)) {
        if (answer == MM_PENDING) {
            deposit->work = MM_DEPOSIT_COPYING;
            return;
        }
        mm_deposit_note_copy(deposit);
    }
    if (deposit->error == MAILMOD_OK && mm_deposit_wants_sender(deposit)) {
        deposit->work = MM_DEPOSIT_ASKING;
        if (mm_deposit_ask_sender(deposit, on_sender) == MM_ANSWERED) {
            use_sender(deposit);
        }
        return;
    }
    submit(deposit, MM_DEPOSIT_END);
}

void mm_deposit_finish(struct mm_deposit *deposit, bool has_8bit)
{
    (void)mm_deposit_end_text(deposit, has_8bit);
    deposit->wants_end = true;
    if (deposit->work == MM_DEPOSIT_IDLE) {
        begin_end(deposit);
    }
}

enum mailmod_error mm_deposit_put(struct mm_deposit *deposit, bool has_8bit)
{
    (void)mm_deposit_end_text(deposit, has_8bit);
    return mm_deposit_put_all(deposit, deposit->joined);
}

static enum mailmod_error run_call(struct mm_call *call,
                                   struct mm_store_transaction *transaction)
{
    struct mm_deposit *deposit = MM_LIST_OBJECT(call, struct mm_deposit, call);

    switch (deposit->work) {
    case MM_DEPOSIT_PIECE:
        return mm_store_put_chunk(transaction, deposit->message.id,
                                  deposit->piece_number,
                                  mm_buf_span(&deposit->writing));
    case MM_DEPOSIT_END:
        return mm_deposit_put_all(deposit, transaction);
    case MM_DEPOSIT_EMPTYING:
    case MM_DEPOSIT_DISCARD:
    case MM_DEPOSIT_DROP:
        return mm_store_drop_chunks(transaction, deposit->message.id);
    case MM_DEPOSIT_CHANGING:
    case MM_DEPOSIT_COPYING:
    case MM_DEPOSIT_ASKING:
    case MM_DEPOSIT_IDLE:
        break;
    }
    return MAILMOD_ERROR_STATE;
}

static void settle_piece(struct mm_deposit *deposit, enum mailmod_error error)
{
    if (mm_budget_is_short(&deposit->options.post->texts)) {
        give_back(deposit, &deposit->writing);
    }
    mm_buf_clear(&deposit->writing);
    deposit->piece_number++;
    if (error != MAILMOD_OK) {
        deposit->error = error;
    }
    if (deposit->wants_end && deposit->error == MAILMOD_OK) {
        begin_end(deposit);
    } else if (deposit->wants_end) {
        deposit->options.on_finished(deposit->options.context, deposit->error);
    } else if (deposit->wants_room) {
        deposit->wants_room = false;
        deposit->options.on_room(deposit->options.context);
    }
}

static void call_done(struct mm_call *call, enum mailmod_error error)
{
    struct mm_deposit *deposit = MM_LIST_OBJECT(call, struct mm_deposit, call);
    enum mm_deposit_work work = deposit->work;

    deposit->work = MM_DEPOSIT_IDLE;
    if (work == MM_DEPOSIT_PIECE) {
        settle_piece(deposit, error);
        return;
    }
    if (work == MM_DEPOSIT_EMPTYING) {
        deposit->has_stored = error != MAILMOD_OK;
        deposit->piece_number = 1;
        deposit->error = error;
        deposit->wants_room = false;
        deposit->options.on_room(deposit->options.context);
        return;
    }
    if (work == MM_DEPOSIT_DISCARD && error == MAILMOD_OK) {
        deposit->has_stored = false;
        mm_deposit_tell_discarded(deposit);
        deposit->options.on_finished(deposit->options.context, error);
        return;
    }
    if (error == MAILMOD_ERROR_STATE && mm_deposit_wants_sender(deposit)) {
        begin_end(deposit); /* once: he is asked for then */
        return;
    }
    if (error == MAILMOD_OK) {
        mm_deposit_tell_kept(deposit);
    }
    deposit->options.on_finished(deposit->options.context, error);
}

/* Abandoned while its last transaction ran, it is kept all the same: the client
 * may take it for accepted. */
static void come_home(struct mm_call *call, enum mailmod_error error)
{
    struct mm_deposit *deposit = MM_LIST_OBJECT(call, struct mm_deposit, call);
    enum mm_deposit_work work = deposit->work;

    deposit->work = MM_DEPOSIT_IDLE;
    if (work == MM_DEPOSIT_END && error == MAILMOD_OK) {
        mm_deposit_tell_kept(deposit);
    }
    if (work == MM_DEPOSIT_DROP) {
        free_deposit(deposit);
    } else {
        clear_away(deposit);
    }
}
