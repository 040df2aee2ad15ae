/* thread: any
 * buf.h - the one growable byte buffer; its cap is declared at birth.
 *
 * Bytes are appended at the end and consumed from the front. The live bytes
 * are buf->data[buf->start .. buf->end). Growth past `size_max` live bytes is
 * MAILMOD_ERROR_LIMIT and changes nothing. A buffer holds no heap memory
 * until the first append; mm_buf_clear keeps it, mm_buf_fini gives it back.
 * After a failed append inside a chain of appends `error` stays set, so that
 * a builder may check once at its end with mm_buf_error(). */
#ifndef MM_BASE_BUF_H
#define MM_BASE_BUF_H

#include "base/error.h"
#include "base/span.h"

struct mm_buf {
    char *data;
    size_t start;
    size_t end;
    size_t capacity;
    size_t size_max;
    enum mailmod_error error;
};

void mm_buf_init(struct mm_buf *buf, size_t size_max);
void mm_buf_fini(struct mm_buf *buf);
void mm_buf_clear(struct mm_buf *buf);   /* empties, forgets `error` */
void mm_buf_release(struct mm_buf *buf); /* empties and frees the memory */
/* The same, and what was in the memory, a password perhaps, is overwritten. */
void mm_buf_wipe(struct mm_buf *buf);
size_t mm_buf_size(const struct mm_buf *buf);
size_t mm_buf_room(const struct mm_buf *buf);
struct mm_span mm_buf_span(const struct mm_buf *buf);
enum mailmod_error mm_buf_error(const struct mm_buf *buf);

enum mailmod_error mm_buf_append(struct mm_buf *buf, const void *bytes,
                                 size_t size);
enum mailmod_error mm_buf_append_span(struct mm_buf *buf, struct mm_span span);
enum mailmod_error mm_buf_append_cstr(struct mm_buf *buf, const char *text);
enum mailmod_error mm_buf_append_char(struct mm_buf *buf, char c);
enum mailmod_error mm_buf_append_u64(struct mm_buf *buf, uint64_t value);
enum mailmod_error mm_buf_appendf(struct mm_buf *buf, const char *format, ...)
    MM_PRINTF(2, 3);
/* Room for `size` more bytes; the caller writes them and then says how many
 * with mm_buf_added(). NULL on error. */
char *mm_buf_reserve(struct mm_buf *buf, size_t size);
void mm_buf_added(struct mm_buf *buf, size_t size);
/* An empty buffer gets memory for `size` octets with room for `front` more
 * before them, so that mm_buf_prepend need not move them. */
enum mailmod_error mm_buf_leave_front(struct mm_buf *buf, size_t front,
                                      size_t size);
/* In front of the live octets. */
enum mailmod_error mm_buf_prepend(struct mm_buf *buf, struct mm_span span);
void mm_buf_consume(struct mm_buf *buf, size_t size);
/* The bytes as a NUL-terminated text owned by the buffer; NULL on error. */
const char *mm_buf_cstr(struct mm_buf *buf);

#endif
