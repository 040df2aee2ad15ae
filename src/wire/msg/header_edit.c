/* header_edit.c - leaves fields out of a header while it streams past.
 *
 * Owns the beginning of one line, until it is known what line it is. Promises:
 * the same result however the message is cut; time linear in the octets, the
 * values of fields by memchr; nothing of a body is looked at.
 *
 * Any thread, one message at a time. RFC 5322 2.2 (fields), 2.2.3 (folding),
 * 3.6 (which are a must), 4.5 (blanks before the colon); RFC 5321 4.4
 * (Return-Path); RFC 6409 8. A line "From ..." in front, as mailbox files have
 * it, becomes a field, as in Postfix. */
#include "wire/msg/header_edit.h"

#include "base/datetime.h"

#include <string.h>

/* Law: LINE -> NAME -> BLANK -> FIELD -> LINE, once a field; LINE -> FIELD for
 * a continuation; LINE -> CR -> done for the empty line; from LINE, CR, NAME
 * and BLANK to done when the line is no field. */
enum state {
    STATE_LINE,  /* a line begins; nothing is held */
    STATE_CR,    /* held: a CR */
    STATE_NAME,  /* held: octets of a name */
    STATE_BLANK, /* held: a name and blanks */
    STATE_FIELD  /* to the line's end, as keeps_field says */
};

/* Room before a held line for what may be put there. */
static const char mailbox_line[] = "X-Mailbox-Line: ";

void mm_header_edit_init(struct mm_header_edit *edit, unsigned edits)
{
    /* `held` need not be cleared. */
    memset(edit, 0, offsetof(struct mm_header_edit, held));
    edit->edits = edits;
    edit->state = STATE_LINE;
    edit->message_id[0] = '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void hold(struct mm_header_edit *edit, char c)
{
    edit->held[edit->held_size++] = c;
}

static struct mm_span give_held(struct mm_header_edit *edit)
{
    struct mm_span held = mm_span(edit->held, edit->held_size);

    edit->held_size = 0;
    return held;
}

static struct mm_span give_with(struct mm_header_edit *edit, const char *before)
{
    size_t size = strlen(before);

    memmove(edit->held + size, edit->held, edit->held_size);
    memcpy(edit->held, before, size);
    edit->held_size += size;
    return give_held(edit);
}

/* *">" "From " in front of all, as mailbox files begin a message. */
static bool is_mailbox_line(const struct mm_header_edit *edit)
{
    struct mm_span held = mm_span_trim(mm_span(edit->held, edit->held_size));

    while (held.size > 0 && held.data[0] == '>') {
        held = mm_span_from(held, 1);
    }
    return edit->state == STATE_BLANK && !edit->has_field &&
           mm_span_is(held, "From");
}

/* What is held is no field: the body begins with it. */
static struct mm_span begin_body(struct mm_header_edit *edit)
{
    edit->is_done = true;
    return give_with(edit, "\r\n");
}

static bool stays(const struct mm_header_edit *edit, struct mm_span name)
{
    if ((edit->edits & MM_HEADER_DROPS_RETURN_PATH) != 0 &&
        mm_span_is_nocase(name, "Return-Path")) {
        return false;
    }
    if ((edit->edits & MM_HEADER_DROPS_BLOCKLIST) != 0 &&
        mm_span_is_nocase(name, MM_HEADER_BLOCKLIST)) {
        return false;
    }
    return (edit->edits & MM_HEADER_DROPS_BCC) == 0 ||
           (!mm_span_is_nocase(name, "Bcc") &&
            !mm_span_is_nocase(name, "Resent-Bcc"));
}

static void keep_address(struct mm_header_edit *edit, char c)
{
    if (edit->delivered_to_size < sizeof edit->delivered_to) {
        edit->delivered_to[edit->delivered_to_size++] = c;
    }
}

bool mm_header_was_delivered_to(const struct mm_header_edit *edit,
                                const char *address)
{
    struct mm_span rest = mm_span(edit->delivered_to, edit->delivered_to_size);
    struct mm_span line;

    while (rest.size > 0) {
        (void)mm_span_cut(rest, '\n', &line, &rest);
        if (line.size > 0 && mm_span_is_nocase(line, address)) {
            return true;
        }
    }
    return false;
}

/* The colon has come. */
static struct mm_span begin_field(struct mm_header_edit *edit)
{
    struct mm_span name = mm_span_trim(mm_span(edit->held, edit->held_size));

    edit->state = STATE_FIELD;
    edit->has_field = true;
    edit->keeps_field = stays(edit, name);
    edit->copies_id = false;
    edit->copies_to = mm_span_is_nocase(name, "Delivered-To");
    if (edit->copies_to) {
        keep_address(edit, '\n');
    } else if (mm_span_is_nocase(name, "Received")) {
        edit->received_count += edit->received_count < UINT32_MAX ? 1 : 0;
    } else if (mm_span_is_nocase(name, "Date")) {
        edit->has_date = true;
    } else if (mm_span_is_nocase(name, "From")) {
        edit->has_from = true;
    } else if (mm_span_is_nocase(name, "Message-ID")) {
        edit->copies_id = !edit->has_message_id;
        edit->has_message_id = true;
    }
    hold(edit, ':');
    if (!edit->keeps_field) {
        edit->held_size = 0;
    }
    return give_held(edit);
}

/* A line begins with `c`. */
static struct mm_span begin_line(struct mm_header_edit *edit, char c,
                                 size_t *used)
{
    bool is_first = !edit->has_line;

    edit->has_line = true;
    if (c == '\r' || (c > ' ' && c < 127 && c != ':')) {
        hold(edit, c);
        edit->state = c == '\r' ? STATE_CR : STATE_NAME;
    } else if (c == '\n') {
        edit->is_done = true; /* the empty line, by its LF alone */
        hold(edit, '\n');
        return give_held(edit);
    } else if (is_blank(c) && !is_first && edit->has_field) {
        edit->state = STATE_FIELD;
        *used = 0; /* it is the field's */
    } else {
        *used = 0; /* a blank without a field, or no name */
        return begin_body(edit);
    }
    return mm_span(NULL, 0);
}

static struct mm_span take_name(struct mm_header_edit *edit, char c,
                                size_t *used)
{
    bool is_name = edit->state == STATE_NAME && c > ' ' && c < 127;

    if (c == ':') {
        return begin_field(edit);
    }
    if (edit->held_size < MM_HEADER_NAME_MAX && (is_name || is_blank(c))) {
        hold(edit, c);
        edit->state = is_name ? STATE_NAME : STATE_BLANK;
        return mm_span(NULL, 0);
    }
    *used = 0;
    if (is_mailbox_line(edit)) {
        edit->state = STATE_FIELD;
        edit->has_field = true;
        edit->keeps_field = true;
        edit->copies_id = false;
        edit->copies_to = false;
        return give_with(edit, mailbox_line);
    }
    return begin_body(edit);
}

/* Printable octets of the field's value, blanks left out. */
static void copy_value(struct mm_header_edit *edit, struct mm_span value)
{
    for (size_t i = 0; edit->copies_to && i < value.size; i++) {
        if ((unsigned char)value.data[i] > ' ' && value.data[i] != 127) {
            keep_address(edit, value.data[i]);
        }
    }
    for (size_t i = 0; edit->copies_id && i < value.size; i++) {
        if (edit->message_id_size + 1 < sizeof edit->message_id &&
            value.data[i] > ' ' && value.data[i] < 127) {
            edit->message_id[edit->message_id_size++] = value.data[i];
            edit->message_id[edit->message_id_size] = '\0';
        }
    }
}

/* Up to and with the line's end. */
static struct mm_span take_field(struct mm_header_edit *edit,
                                 struct mm_span data, size_t *used)
{
    const char *lf = memchr(data.data, '\n', data.size);

    if (lf != NULL) {
        data.size = (size_t)(lf - data.data) + 1;
        edit->state = STATE_LINE;
    }
    *used = data.size;
    copy_value(edit, data);
    return edit->keeps_field ? data : mm_span(NULL, 0);
}

/* One octet or one line; the kept octets. */
static struct mm_span take(struct mm_header_edit *edit, struct mm_span data,
                           size_t *used)
{
    *used = 1;
    switch ((enum state)edit->state) {
    case STATE_LINE:
        return begin_line(edit, data.data[0], used);
    case STATE_NAME:
    case STATE_BLANK:
        return take_name(edit, data.data[0], used);
    case STATE_FIELD:
        return take_field(edit, data, used);
    case STATE_CR:
        break;
    }
    if (data.data[0] == '\n') {
        edit->is_done = true;
        hold(edit, '\n');
        return give_held(edit);
    }
    *used = 0; /* a CR alone is no line's end */
    return begin_body(edit);
}

struct mm_span mm_header_edit_next(struct mm_header_edit *edit,
                                   struct mm_span data, size_t *used_out)
{
    struct mm_span kept = mm_span(NULL, 0);

    *used_out = 0;
    if (edit->is_done) {
        *used_out = data.size;
        return data;
    }
    while (kept.size == 0 && data.size > 0) {
        size_t used = 0;

        kept = take(edit, data, &used);
        data = mm_span_from(data, used);
        *used_out += used;
    }
    return kept;
}

void mm_header_edit_end_fields(struct mm_header_edit *edit)
{
    edit->has_field = false;
}

struct mm_span mm_header_edit_end(struct mm_header_edit *edit)
{
    if (edit->is_done || edit->held_size == 0) {
        return mm_span(NULL, 0);
    }
    return begin_body(edit);
}

enum mailmod_error
mm_header_edit_write_missing(struct mm_header_edit *edit, struct mm_buf *out,
                             const struct mm_header_missing *missing)
{
    if ((edit->edits & MM_HEADER_ADDS_DATE) != 0 && !edit->has_date) {
        (void)mm_buf_append_cstr(out, "Date: ");
        (void)mm_datetime_rfc5322(out, missing->now_ms);
        (void)mm_buf_append_cstr(out, "\r\n");
    }
    if ((edit->edits & MM_HEADER_ADDS_FROM) != 0 && !edit->has_from &&
        missing->reverse_path[0] != '\0') {
        (void)mm_buf_appendf(out, "From: <%s>\r\n", missing->reverse_path);
    }
    if ((edit->edits & MM_HEADER_ADDS_MESSAGE_ID) != 0 &&
        !edit->has_message_id) {
        struct mm_buf id;

        (void)mm_buf_appendf(out, "Message-ID: <%s@%s>\r\n",
                             missing->identifier, missing->host_name);
        mm_buf_init(&id, sizeof edit->message_id - 1);
        if (mm_buf_appendf(&id, "<%s@%s>", missing->identifier,
                           missing->host_name) == MAILMOD_OK) {
            (void)mm_span_copy(mm_buf_span(&id), edit->message_id,
                               sizeof edit->message_id);
        }
        mm_buf_fini(&id);
    }
    return mm_buf_error(out);
}
