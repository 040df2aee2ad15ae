/* field.c - one field's values, taken out of a header while it streams past.
 *
 * Owns the values and the beginning of a line. Promises: the same result
 * however the message is cut; a value is whole or left out, so that no address
 * is ever a shortened one; the header ends where header_edit.h says that it
 * does; time linear in the octets.
 * Thread: any, one message at a time. RFC 5322 2.2, 2.2.3, 3.2.2 (comments),
 * 3.2.4 (quoted strings), 3.4 (address lists, groups). */
#include "wire/msg/field.h"

#include <string.h>

/* Law: LINE -> NAME -> VALUE or SKIP -> LINE; a continuation goes from LINE to
 * where its field was; VALUE is left at the next line that is none. */
enum state {
    STATE_LINE,       /* a line begins */
    STATE_VALUE_LINE, /* the same, and the value may go on */
    STATE_NAME,
    STATE_VALUE,
    STATE_SKIP
};

void mm_field_reader_init(struct mm_field_reader *reader, const char *name,
                          size_t size_max)
{
    *reader = (struct mm_field_reader){.name = name, .state = STATE_LINE};
    mm_buf_init(&reader->values, size_max);
}

void mm_field_reader_fini(struct mm_field_reader *reader)
{
    mm_buf_fini(&reader->values);
}

/* Without room the value is left out, and the reader goes on. */
static enum mailmod_error append(struct mm_field_reader *reader,
                                 struct mm_span text)
{
    struct mm_buf *values = &reader->values;
    if (mm_buf_room(values) < text.size) {
        values->end = values->start + reader->value_start;
        reader->state = STATE_SKIP;
        return MAILMOD_OK;
    }
    return mm_buf_append_span(values, text);
}

static enum mailmod_error end_value(struct mm_field_reader *reader)
{
    enum mailmod_error error = MAILMOD_OK;
    if (reader->state == STATE_VALUE || reader->state == STATE_VALUE_LINE) {
        error = append(reader, mm_span("\n", 1));
    }
    reader->state = STATE_LINE;
    return error;
}

static enum mailmod_error begin_line(struct mm_field_reader *reader, char c)
{
    bool is_first = !reader->has_line;
    bool goes_on = reader->state == STATE_VALUE_LINE;
    reader->has_line = true;
    if (c == ' ' || c == '\t') {
        reader->is_done = is_first; /* a blank line's or no header's */
        reader->state = goes_on ? STATE_VALUE : STATE_SKIP;
        return MAILMOD_OK;
    }
    enum mailmod_error error = end_value(reader);
    reader->is_done = c == '\r' || c == '\n';
    reader->state = STATE_NAME;
    reader->start_size = 0;
    return error;
}

/* The colon has come. */
static void begin_field(struct mm_field_reader *reader)
{
    struct mm_span name =
        mm_span_trim(mm_span(reader->start, reader->start_size));
    reader->state = STATE_SKIP;
    if (mm_span_is_nocase(name, reader->name)) {
        reader->state = STATE_VALUE;
        reader->value_start = mm_buf_size(&reader->values);
        reader->count += reader->count < UINT32_MAX;
    }
}

/* No colon before the line's end: the body, but for the line that mailbox
 * files put in front. */
static void end_start(struct mm_field_reader *reader)
{
    struct mm_span start = mm_span(reader->start, reader->start_size);
    while (start.size > 0 && start.data[0] == '>') {
        start = mm_span_from(start, 1);
    }
    reader->is_done = !mm_span_starts_nocase(start, "From ");
    reader->state = STATE_LINE;
}

static void take_name(struct mm_field_reader *reader, char c)
{
    if (c == ':') {
        begin_field(reader);
    } else if (c == '\n') {
        end_start(reader);
    } else if (reader->start_size < sizeof reader->start) {
        reader->start[reader->start_size++] = c;
    } else {
        reader->state = STATE_SKIP;
    }
}

/* Up to and with the line's end. */
static enum mailmod_error take_rest(struct mm_field_reader *reader,
                                    struct mm_span octets, size_t *used)
{
    const char *lf = memchr(octets.data, '\n', octets.size);
    struct mm_span text = octets;
    enum mailmod_error error = MAILMOD_OK;
    if (lf != NULL) {
        text.size = (size_t)(lf - octets.data);
        *used = text.size + 1;
    } else {
        *used = octets.size;
    }
    bool is_value = reader->state == STATE_VALUE;
    for (size_t i = 0; is_value && error == MAILMOD_OK && i < text.size; i++) {
        char c = text.data[i] == '\r' ? ' ' : text.data[i];
        error = append(reader, mm_span(&c, 1));
        is_value = reader->state == STATE_VALUE;
    }
    if (lf != NULL) {
        reader->state = is_value ? STATE_VALUE_LINE : STATE_LINE;
    }
    return error;
}

enum mailmod_error mm_field_reader_add(struct mm_field_reader *reader,
                                       struct mm_span octets)
{
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && octets.size > 0 && !reader->is_done) {
        size_t used = 1;
        switch ((enum state)reader->state) {
        case STATE_LINE:
        case STATE_VALUE_LINE:
            error = begin_line(reader, octets.data[0]);
            used = 0;
            break;
        case STATE_NAME:
            take_name(reader, octets.data[0]);
            break;
        case STATE_VALUE:
        case STATE_SKIP:
            error = take_rest(reader, octets, &used);
            break;
        }
        octets = mm_span_from(octets, used);
    }
    return error;
}

enum mailmod_error mm_field_reader_end(struct mm_field_reader *reader)
{
    enum mailmod_error error = reader->is_done ? MAILMOD_OK : end_value(reader);
    reader->is_done = true;
    return error;
}

bool mm_field_next(struct mm_span *rest, struct mm_span *value_out)
{
    if (rest->size == 0) {
        return false;
    }
    (void)mm_span_cut(*rest, '\n', value_out, rest);
    return true;
}

/* Where the present octet stands in an address list. */
struct place {
    bool is_quoted;
    bool is_literal;   /* in [] */
    bool is_bracketed; /* in <> */
    unsigned comments;
};

/* An octet that is text of the list, and no end of anything. */
static bool is_inside(struct place *place, char c)
{
    if (place->comments > 0) {
        place->comments += c == '(' ? 1u : 0u;
        place->comments -= c == ')' ? 1u : 0u;
        return true;
    }
    if (c == '"' && !place->is_literal) {
        place->is_quoted = !place->is_quoted;
        return true;
    }
    if (place->is_quoted) {
        return true;
    }
    if (c == '(' && !place->is_literal) {
        place->comments = 1;
        return true;
    }
    if (c == '[' || c == ']') {
        place->is_literal = c == '[';
    }
    return place->is_literal;
}

/* "joe@example.com (Joe)", "(Joe) joe@example.com" */
static struct mm_span without_comment(struct mm_span item)
{
    bool is_quoted = false;
    mm_span_skip_comments(&item);
    for (size_t i = 0; i < item.size; i++) {
        is_quoted = is_quoted != (item.data[i] == '"');
        if (item.data[i] == '(' && !is_quoted) {
            return mm_span_trim(mm_span(item.data, i));
        }
    }
    return item;
}

/* The next item of the list, empty perhaps; false when there is none. */
static bool next_item(struct mm_span *rest, struct mm_span *item_out)
{
    struct place place = {.comments = 0};
    struct mm_span text = *rest;
    size_t begin = 0;
    size_t i = 0;
    bool is_angle = false;
    *item_out = mm_span(NULL, 0);
    for (; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\\' && (place.is_quoted || place.comments > 0)) {
            i++; /* RFC 5322 3.2.1: what is quoted is text */
        } else if (is_inside(&place, c)) {
            continue;
        } else if (c == '<' && !is_angle) {
            place.is_bracketed = true;
            begin = i + 1;
        } else if (c == '>' && place.is_bracketed) {
            *item_out = mm_span(text.data + begin, i - begin);
            place.is_bracketed = false;
            is_angle = true;
        } else if (!place.is_bracketed && (c == ',' || c == ';')) {
            break;
        } else if (!place.is_bracketed && c == ':') {
            begin = i + 1; /* the name of a group */
        }
    }
    size_t end = i < text.size ? i : text.size;
    if (!is_angle) {
        *item_out = without_comment(mm_span(text.data + begin, end - begin));
    }
    *rest = mm_span_from(text, end < text.size ? end + 1 : end);
    return text.size > 0;
}

bool mm_field_next_address(struct mm_span *rest, struct mm_span *address_out)
{
    while (next_item(rest, address_out)) {
        *address_out = mm_span_trim(*address_out);
        if (address_out->size > 0) {
            return true;
        }
    }
    return false;
}

bool mm_header_next(struct mm_span *rest, struct mm_span *field_out)
{
    size_t at = 0;

    if (rest->size == 0 || rest->data[0] == '\r' || rest->data[0] == '\n') {
        return false;
    }
    do {
        const char *lf = memchr(rest->data + at, '\n', rest->size - at);
        at = lf != NULL ? (size_t)(lf - rest->data) + 1 : rest->size;
    } while (at < rest->size &&
             (rest->data[at] == ' ' || rest->data[at] == '\t'));
    *field_out = mm_span(rest->data, at);
    *rest = mm_span_from(*rest, at);
    return true;
}

bool mm_header_is(struct mm_span field, const char *name)
{
    struct mm_span head;
    struct mm_span value;

    return mm_span_cut(field, ':', &head, &value) &&
           mm_span_is_nocase(mm_span_trim(head), name);
}

struct mm_span mm_header_trim(struct mm_span text)
{
    while (text.size > 0 && (unsigned char)text.data[0] <= ' ') {
        text = mm_span_from(text, 1);
    }
    while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ') {
        text.size--;
    }
    return text;
}

struct mm_span mm_header_value(struct mm_span field)
{
    struct mm_span head;
    struct mm_span value = mm_span(NULL, 0);

    (void)mm_span_cut(field, ':', &head, &value);
    return mm_header_trim(value);
}
