/* held.c - the text of a message that is never stored, in memory.
 *
 * Owns the pieces of a text (NOW, RELAY) until its last attempt is over. The
 * header is edited as the post office edits it, so a recipient elsewhere gets
 * what a mailbox here gets. Promises: piece 0 has the whole of what was added.
 *
 * Thread: the writer's until the message is sent, then read on workers. */
#include "api/message/message.h"

#include "base/limits.h"
#include "base/mem.h"

/* Of the first piece, the message's own. */
#define FIRST_MAX (MM_LIMIT_CHUNK - MM_LIMIT_FIELDS)

void mm_message_held_init(struct mm_message_held *held, unsigned edits)
{
    *held = (struct mm_message_held){.piece_count = 1};
    mm_header_edit_init(&held->edit, edits);
    mm_buf_init(&held->first, FIRST_MAX);
    mm_buf_init(&held->filling, MM_LIMIT_CHUNK);
}

void mm_message_held_fini(struct mm_message_held *held)
{
    for (size_t i = 0; i < held->capacity; i++) {
        mm_free((char *)held->pieces[i].data);
    }
    mm_free(held->pieces);
    held->pieces = NULL;
    held->piece_count = 0;
    held->capacity = 0;
    mm_buf_fini(&held->first);
    mm_buf_fini(&held->filling);
}

static enum mailmod_error set_piece(struct mm_message_held *held,
                                    unsigned number, struct mm_span data)
{
    if (number >= held->capacity) {
        size_t capacity = 2 * (size_t)number + 2;
        struct mm_span *pieces =
            mm_realloc(held->pieces, capacity * sizeof *pieces);

        if (pieces == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        for (size_t i = held->capacity; i < capacity; i++) {
            pieces[i] = (struct mm_span){.data = NULL}; /* not made yet */
        }
        held->pieces = pieces;
        held->capacity = capacity;
    }
    char *copy = mm_memdup0(data.data, data.size);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    held->pieces[number] = mm_span(copy, data.size);
    return MAILMOD_OK;
}

/* The last piece becomes one of the others. */
static enum mailmod_error close_filling(struct mm_message_held *held)
{
    enum mailmod_error error =
        set_piece(held, held->piece_count, mm_buf_span(&held->filling));

    held->piece_count += error == MAILMOD_OK ? 1 : 0;
    mm_buf_clear(&held->filling);
    return error;
}

static enum mailmod_error put(struct mm_message_held *held, struct mm_span data)
{
    enum mailmod_error error = MAILMOD_OK;

    held->size += data.size;
    while (error == MAILMOD_OK && data.size > 0) {
        struct mm_buf *piece =
            held->is_first_full ? &held->filling : &held->first;
        size_t room = mm_buf_room(piece);
        size_t size = data.size < room ? data.size : room;

        if (room > 0) {
            error = mm_buf_append(piece, data.data, size);
            data = mm_span_from(data, size);
        } else if (!held->is_first_full) {
            held->is_first_full = true;
        } else {
            error = close_filling(held);
        }
    }
    return error;
}

enum mailmod_error mm_message_held_write(struct mm_message_held *held,
                                         struct mm_span data)
{
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && data.size > 0) {
        size_t used = 0;

        error = put(held, mm_header_edit_next(&held->edit, data, &used));
        data = mm_span_from(data, used);
    }
    return error;
}

enum mailmod_error
mm_message_held_finish(struct mm_message_held *held,
                       const struct mm_header_missing *missing)
{
    enum mailmod_error error = put(held, mm_header_edit_end(&held->edit));
    struct mm_buf fields;

    mm_buf_init(&fields, MM_LIMIT_CHUNK);
    if (error == MAILMOD_OK) {
        error = mm_header_edit_write_missing(&held->edit, &fields, missing);
    }
    held->size += mm_buf_size(&fields);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(&fields, mm_buf_span(&held->first));
    }
    if (error == MAILMOD_OK) {
        error = set_piece(held, 0, mm_buf_span(&fields));
    }
    if (error == MAILMOD_OK && mm_buf_size(&held->filling) > 0) {
        error = close_filling(held);
    }
    mm_buf_fini(&fields);
    mm_buf_release(&held->first);
    mm_buf_release(&held->filling);
    return error;
}
