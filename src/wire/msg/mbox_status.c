/* mbox_status.c - the marks of a message in an mbox.
 *
 * Owns the table of letters, and the beginning of one line. Promises: the
 * fields of a header that goes by are taken out and understood, however it is
 * cut, with the lines that continue them; everything else passes as it is. What
 * a sender wrote into fields of these names is nobody's mark: the same function
 * takes it out of a message on its way into an mbox.
 *
 * Status says R, read, and O, seen in a listing, which we write with R alone;
 * X-Status says A, answered, F, flagged, D, to be deleted, and T, a draft.
 * Thread: the owner's. As mutt, Dovecot and Python's mailbox have them. */
#include "wire/msg/mbox_status.h"

#include <string.h>

static const struct {
    const char *field;
    char letter;
    unsigned mark;
} letters[] = {{"Status:", 'R', MAILMOD_MAIL_SEEN},
               {"X-Status:", 'A', MAILMOD_MAIL_ANSWERED},
               {"X-Status:", 'F', MAILMOD_MAIL_FLAGGED},
               {"X-Status:", 'D', MAILMOD_MAIL_TRASHED},
               {"X-Status:", 'T', MAILMOD_MAIL_DRAFT}};
enum { COUNT = sizeof letters / sizeof letters[0] };

/* Is it one of the fields? Takes what it says. */
static bool take_field(struct mm_mbox_status *status, struct mm_span line)
{
    bool is_one = false;

    for (size_t i = 0; i < COUNT; i++) {
        if (mm_span_starts_nocase(line, letters[i].field)) {
            struct mm_span value = mm_span_from(line, strlen(letters[i].field));
            bool has_letter =
                memchr(value.data, letters[i].letter, value.size) != NULL;

            status->marks |= has_letter ? letters[i].mark : 0;
            is_one = true;
        }
    }
    return is_one;
}

/* `line` is one as a whole, or its first octets, which are enough to tell. */
static enum mailmod_error judge(struct mm_mbox_status *status,
                                struct mm_buf *out)
{
    struct mm_span line = mm_span(status->line, status->held);
    bool is_blank = mm_span_is(line, "\r\n") || mm_span_is(line, "\n");
    bool goes_on =
        line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t');

    status->held = 0;
    status->is_over = is_blank;
    status->drops = goes_on ? status->drops : take_field(status, line);
    return status->drops ? MAILMOD_OK : mm_buf_append_span(out, line);
}

/* A part of one line of the header. */
static enum mailmod_error take_part(struct mm_mbox_status *status,
                                    struct mm_span part, struct mm_buf *out)
{
    size_t room = sizeof status->line - status->held;
    size_t size = part.size < room ? part.size : room;
    bool has_end = part.size > 0 && part.data[part.size - 1] == '\n';
    enum mailmod_error error = MAILMOD_OK;

    if (!status->is_inside) {
        memcpy(status->line + status->held, part.data, size);
        status->held += size;
        part = mm_span_from(part, size);
        if (!has_end && status->held < sizeof status->line) {
            return MAILMOD_OK;
        }
        error = judge(status, out);
    }
    return error == MAILMOD_OK && !status->drops ? mm_buf_append_span(out, part)
                                                 : error;
}

enum mailmod_error mm_mbox_status_take(struct mm_mbox_status *status,
                                       struct mm_span text, struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && text.size > 0 && !status->is_over) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end != NULL ? (size_t)(end - text.data) + 1 : text.size;

        error = take_part(status, mm_span(text.data, size), out);
        status->is_inside = end == NULL && status->held == 0;
        text = mm_span_from(text, size);
    }
    return error == MAILMOD_OK ? mm_buf_append_span(out, text) : error;
}

enum mailmod_error mm_mbox_status_end(struct mm_mbox_status *status,
                                      struct mm_buf *out)
{
    return status->held > 0 ? judge(status, out) : MAILMOD_OK;
}

enum mailmod_error mm_mbox_status_write(unsigned marks, struct mm_buf *out)
{
    const char *field = "";

    for (size_t i = 0; i < COUNT; i++) {
        if ((marks & letters[i].mark) == 0) {
            continue;
        }
        if (strcmp(field, letters[i].field) != 0) {
            (void)mm_buf_append_cstr(out, field[0] != '\0' ? "\r\n" : "");
            field = letters[i].field;
            (void)mm_buf_append_cstr(out, field);
            (void)mm_buf_append_char(out, ' ');
        }
        (void)mm_buf_append_char(out, letters[i].letter);
        if (letters[i].mark == MAILMOD_MAIL_SEEN) {
            (void)mm_buf_append_char(out, 'O');
        }
    }
    if (field[0] != '\0') {
        (void)mm_buf_append_cstr(out, "\r\n");
    }
    return mm_buf_error(out);
}
