/* buf.c - the growable byte buffer with a declared cap.
 *
 * Owns one block of heap memory, grown by doubling up to the cap and one
 * octet (the NUL of mm_buf_cstr). Promises that a failed append leaves the
 * live bytes as they were and is remembered in `error`; an append after a
 * failed one is tried on its own merits, so a buffer used as a queue goes on
 * when its reader has made room. The first error is the one that stays.
 * Bytes given to an append must not lie in the buffer itself.
 * Thread: any (the owner's). */
#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CAPACITY_FIRST = 128 };

void mm_buf_init(struct mm_buf *buf, size_t size_max)
{
    memset(buf, 0, sizeof *buf);
    /* One less than all of memory, so that the NUL never overflows. */
    buf->size_max = size_max > SIZE_MAX / 2 ? SIZE_MAX / 2 : size_max;
}

void mm_buf_fini(struct mm_buf *buf)
{
    size_t size_max = buf->size_max;
    mm_free(buf->data);
    mm_buf_init(buf, size_max);
}

void mm_buf_clear(struct mm_buf *buf)
{
    buf->start = 0;
    buf->end = 0;
    buf->error = MAILMOD_OK;
}

void mm_buf_release(struct mm_buf *buf)
{
    mm_buf_fini(buf);
}

void mm_buf_wipe(struct mm_buf *buf)
{
    mm_secret_clear(buf->data, buf->data != NULL ? buf->capacity : 0);
    mm_buf_release(buf);
}

size_t mm_buf_size(const struct mm_buf *buf)
{
    return buf->end - buf->start;
}

size_t mm_buf_room(const struct mm_buf *buf)
{
    return buf->size_max - mm_buf_size(buf);
}

struct mm_span mm_buf_span(const struct mm_buf *buf)
{
    if (buf->data == NULL) {
        return mm_span(NULL, 0);
    }
    return buf->data == NULL
               ? mm_span(NULL, 0)
               : mm_span(buf->data + buf->start, mm_buf_size(buf));
}

enum mailmod_error mm_buf_error(const struct mm_buf *buf)
{
    return buf->error;
}

static enum mailmod_error fail(struct mm_buf *buf, enum mailmod_error error)
{
    if (buf->error == MAILMOD_OK) {
        buf->error = error;
    }
    return error;
}

static void compact(struct mm_buf *buf)
{
    if (buf->start == 0) {
        return;
    }
    size_t size = mm_buf_size(buf);
    memmove(buf->data, buf->data + buf->start, size);
    buf->start = 0;
    buf->end = size;
}

static enum mailmod_error grow(struct mm_buf *buf, size_t needed)
{
    size_t capacity_max = buf->size_max + 1;
    size_t capacity =
        buf->capacity < CAPACITY_FIRST ? CAPACITY_FIRST : buf->capacity;
    while (capacity < needed && capacity <= capacity_max / 2) {
        capacity *= 2;
    }
    if (capacity < needed || capacity > capacity_max) {
        capacity = capacity_max;
    }
    char *data = mm_realloc(buf->data, capacity);
    if (data == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    buf->data = data;
    buf->capacity = capacity;
    return MAILMOD_OK;
}

/* Room for `size` octets after `end`, the cap not being asked. */
static enum mailmod_error make_room(struct mm_buf *buf, size_t size)
{
    if (buf->capacity - buf->end >= size) {
        return MAILMOD_OK;
    }
    size_t needed = mm_buf_size(buf) + size;
    /* Moving at most half of the memory keeps a queue that is consumed in
     * small pieces from being moved whole at every append. */
    if (needed <= buf->capacity &&
        (needed <= buf->capacity / 2 || buf->capacity > buf->size_max)) {
        compact(buf);
        return MAILMOD_OK;
    }
    compact(buf);
    return grow(buf, needed);
}

char *mm_buf_reserve(struct mm_buf *buf, size_t size)
{
    if (size > mm_buf_room(buf)) {
        fail(buf, MAILMOD_ERROR_LIMIT);
        return NULL;
    }
    /* Room for at least one octet, so that the result is never NULL. */
    enum mailmod_error error = make_room(buf, size == 0 ? 1 : size);
    if (error != MAILMOD_OK) {
        fail(buf, error);
        return NULL;
    }
    return buf->data + buf->end;
}

void mm_buf_added(struct mm_buf *buf, size_t size)
{
    size_t room = buf->capacity - buf->end;
    buf->end += size < room ? size : room;
}

enum mailmod_error mm_buf_leave_front(struct mm_buf *buf, size_t front,
                                      size_t size)
{
    mm_buf_clear(buf);
    if (mm_buf_reserve(buf, front + size) == NULL) {
        return buf->error;
    }
    buf->start = front;
    buf->end = front;
    return MAILMOD_OK;
}

enum mailmod_error mm_buf_prepend(struct mm_buf *buf, struct mm_span span)
{
    size_t size = mm_buf_size(buf);

    if (span.size > mm_buf_room(buf)) {
        return fail(buf, MAILMOD_ERROR_LIMIT);
    }
    if (span.size > buf->start) {
        enum mailmod_error error = make_room(buf, span.size);
        if (error != MAILMOD_OK) {
            return fail(buf, error);
        }
        memmove(buf->data + buf->start + span.size, buf->data + buf->start,
                size);
        buf->start += span.size;
        buf->end += span.size;
    }
    if (span.size > 0) {
        buf->start -= span.size;
        memcpy(buf->data + buf->start, span.data, span.size);
    }
    return MAILMOD_OK;
}

void mm_buf_consume(struct mm_buf *buf, size_t size)
{
    if (size >= mm_buf_size(buf)) {
        buf->start = 0;
        buf->end = 0;
        return;
    }
    buf->start += size;
}

enum mailmod_error mm_buf_append(struct mm_buf *buf, const void *bytes,
                                 size_t size)
{
    if (size == 0) {
        return MAILMOD_OK;
    }
    if (size > mm_buf_room(buf)) {
        return fail(buf, MAILMOD_ERROR_LIMIT);
    }
    enum mailmod_error error = make_room(buf, size);
    if (error != MAILMOD_OK) {
        return fail(buf, error);
    }
    memcpy(buf->data + buf->end, bytes, size);
    buf->end += size;
    return MAILMOD_OK;
}

enum mailmod_error mm_buf_append_span(struct mm_buf *buf, struct mm_span span)
{
    return mm_buf_append(buf, span.data, span.size);
}

enum mailmod_error mm_buf_append_cstr(struct mm_buf *buf, const char *text)
{
    return mm_buf_append_span(buf, mm_span_cstr(text));
}

enum mailmod_error mm_buf_append_char(struct mm_buf *buf, char c)
{
    return mm_buf_append(buf, &c, 1);
}

enum mailmod_error mm_buf_append_u64(struct mm_buf *buf, uint64_t value)
{
    char digits[20]; /* 2^64 - 1 has twenty */
    size_t at = sizeof digits;
    do {
        at--;
        digits[at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return mm_buf_append(buf, digits + at, sizeof digits - at);
}

enum mailmod_error mm_buf_appendf(struct mm_buf *buf, const char *format, ...)
{
    va_list arguments;
    size_t free_size = buf->capacity - buf->end;
    va_start(arguments, format);
    int length = vsnprintf(free_size > 0 ? buf->data + buf->end : NULL,
                           free_size, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return fail(buf, MAILMOD_ERROR_ARGUMENT);
    }
    size_t size = (size_t)length;
    if (size > mm_buf_room(buf)) {
        return fail(buf, MAILMOD_ERROR_LIMIT);
    }
    if (size < free_size) {
        buf->end += size;
        return MAILMOD_OK;
    }
    enum mailmod_error error = make_room(buf, size + 1);
    if (error != MAILMOD_OK) {
        return fail(buf, error);
    }
    va_start(arguments, format);
    length = vsnprintf(buf->data + buf->end, size + 1, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length != size) {
        return fail(buf, MAILMOD_ERROR_ARGUMENT);
    }
    buf->end += size;
    return MAILMOD_OK;
}

const char *mm_buf_cstr(struct mm_buf *buf)
{
    enum mailmod_error error = make_room(buf, 1);
    if (error != MAILMOD_OK) {
        fail(buf, error);
        return NULL;
    }
    buf->data[buf->end] = '\0';
    return buf->data + buf->start;
}
