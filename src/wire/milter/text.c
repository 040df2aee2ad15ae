/* text.c - a message in the steps of a filter.
 *
 * Owns one field. Promises: the same items however the message is cut, but for
 * where the body is; what is no field begins the body, as in
 * wire/msg/header_edit; one field costs MM_MILTER_FIELD_MAX octets at most.
 * Any thread. RFC 5322 2.2, 2.2.3. */
#include "wire/milter/text.h"

#include <string.h>

/* Law: FIELDS -> BREAK -> BODY; BREAK says the end of the fields, and what was
 * no field is the first of the body. */
enum state { STATE_FIELDS, STATE_BREAK, STATE_BODY };

void mm_milter_text_init(struct mm_milter_text *text)
{
    *text = (struct mm_milter_text){.state = STATE_FIELDS};
    mm_buf_init(&text->line, MM_MILTER_FIELD_MAX + 2);
}

void mm_milter_text_fini(struct mm_milter_text *text)
{
    mm_buf_fini(&text->line);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether a line is over, and by what comes the field with it. */
static bool is_at_line(const struct mm_milter_text *text)
{
    struct mm_span line = mm_buf_span(&text->line);

    return line.size == 0 || line.data[line.size - 1] == '\n';
}

/* Up to and with the line's end; CR before LF goes. */
static enum mailmod_error keep(struct mm_milter_text *text,
                               struct mm_span *data)
{
    const char *lf = memchr(data->data, '\n', data->size);
    size_t size = lf != NULL ? (size_t)(lf - data->data) + 1 : data->size;
    size_t room = MM_MILTER_FIELD_MAX - mm_buf_size(&text->line);
    size_t kept = lf != NULL ? size - 1 : size;
    enum mailmod_error error =
        mm_buf_append(&text->line, data->data, kept < room ? kept : room);

    text->is_cut = text->is_cut || kept > room;
    *data = mm_span_from(*data, size);
    if (lf != NULL && error == MAILMOD_OK) {
        struct mm_span line = mm_buf_span(&text->line);

        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            text->line.end--;
        }
        error = mm_buf_append_char(&text->line, '\n');
    }
    return error;
}

/* "Name:" or "Name :", then the value. */
static bool split(struct mm_milter_text *text, const char **name_out,
                  struct mm_span *value_out)
{
    struct mm_span line = mm_buf_span(&text->line);
    struct mm_span name;
    struct mm_span value;
    size_t size = 0;

    if (!mm_span_cut(line, ':', &name, &value)) {
        return false;
    }
    while (size < name.size && name.data[size] > ' ' && name.data[size] < 127) {
        size++;
    }
    if (size == 0 || mm_span_trim(mm_span_from(name, size)).size > 0) {
        return false;
    }
    /* The octet behind the name is a blank or the colon. */
    text->line.data[text->line.start + size] = '\0';
    *name_out = name.data;
    while (value.size > 0 && value.data[value.size - 1] == '\n') {
        value.size--;
    }
    *value_out = value;
    return true;
}

static enum mm_milter_item take_field(struct mm_milter_text *text,
                                      struct mm_span *data, bool is_end,
                                      const char **name_out,
                                      struct mm_span *value_out,
                                      enum mailmod_error *error_out)
{
    while (*error_out == MAILMOD_OK) {
        bool has_field = mm_buf_size(&text->line) > 0;

        if (data->size == 0 && !is_end) {
            return MM_MILTER_ITEM_NONE;
        }
        if (data->size == 0 && !has_field) {
            text->state = STATE_BODY;
            return MM_MILTER_ITEM_FIELDS_END;
        }
        if (data->size > 0 &&
            (!has_field || !is_at_line(text) || is_blank(data->data[0]))) {
            *error_out = keep(text, data);
            continue;
        }
        if (mm_buf_size(&text->line) == 1) { /* the empty line */
            mm_buf_clear(&text->line);
            text->state = STATE_BODY;
            return MM_MILTER_ITEM_FIELDS_END;
        }
        if (split(text, name_out, value_out)) {
            return MM_MILTER_ITEM_FIELD;
        }
        text->state = STATE_BREAK;
        return MM_MILTER_ITEM_FIELDS_END;
    }
    return MM_MILTER_ITEM_NONE;
}

static enum mm_milter_item take_body(struct mm_span *data,
                                     struct mm_span *value_out)
{
    size_t size =
        data->size < MM_MILTER_DATA_MAX ? data->size : MM_MILTER_DATA_MAX;

    if (size == 0) {
        return MM_MILTER_ITEM_NONE;
    }
    *value_out = mm_span(data->data, size);
    *data = mm_span_from(*data, size);
    return MM_MILTER_ITEM_BODY;
}

enum mm_milter_item mm_milter_text_next(struct mm_milter_text *text,
                                        struct mm_span *data, bool is_end,
                                        const char **name_out,
                                        struct mm_span *value_out,
                                        enum mailmod_error *error_out)
{
    *error_out = MAILMOD_OK;
    *name_out = "";
    *value_out = mm_span("", 0);
    if (text->is_given) {
        text->is_given = false;
        mm_buf_clear(&text->line);
    }
    switch ((enum state)text->state) {
    case STATE_FIELDS: {
        enum mm_milter_item item =
            take_field(text, data, is_end, name_out, value_out, error_out);

        text->is_given = item == MM_MILTER_ITEM_FIELD;
        return item;
    }
    case STATE_BREAK:
        text->state = STATE_BODY;
        text->is_given = true;
        if (is_at_line(text)) { /* its line end was made a field's */
            text->line.end--;
            *error_out = mm_buf_append(&text->line, "\r\n", 2);
        }
        *value_out = mm_buf_span(&text->line);
        return MM_MILTER_ITEM_BODY;
    case STATE_BODY:
        break;
    }
    return take_body(data, value_out);
}
