/* content_view.c - a message as rules about content see it.
 *
 * Owns what was made of the message. Promises: header and bodies are read once,
 * a field once for each name that rules have; what all of it takes is bounded
 * by the octets that are there and by the rules. Field values are unfolded and
 * without encoded words; fields that filters want added, set or taken away are
 * as they want them.
 * Thread: the owner's. RFC 5322 2.2.3; RFC 2047. */
#include "server/content_view.h"

#include "base/limits.h"
#include "base/mem.h"
#include "wire/msg/field.h"
#include "wire/msg/header_change.h"
#include "wire/msg/header_rules.h"
#include "wire/msg/plain_text.h"

#include <stdio.h>

struct field {
    struct field *next;
    struct mm_buf values;
    unsigned count;
    char count_text[24];
    char name[];
};

struct mm_content_view {
    const struct mm_content_facts *facts;
    enum mailmod_error error;
    struct mm_span body;
    struct mm_buf header; /* with the changes */
    struct mm_buf text;
    bool has_text;
    struct field *fields;
    char size[24];
    char recipient_count[24];
};

/* ---- the header ---- */

static enum mailmod_error change_header(struct mm_content_view *view,
                                        const struct mm_change *change)
{
    struct mm_header_change wanted;
    struct mm_buf changed;

    if (!mm_change_header(change, &wanted)) {
        return MAILMOD_OK;
    }
    mm_buf_init(&changed, mm_buf_size(&view->header) + MM_LIMIT_CHANGES_OCTETS);
    enum mailmod_error error =
        mm_header_change_apply(mm_buf_span(&view->header), &wanted, &changed);
    if (error != MAILMOD_OK) {
        mm_buf_fini(&changed);
        return error;
    }
    mm_buf_fini(&view->header);
    view->header = changed;
    return MAILMOD_OK;
}

static enum mailmod_error read_header(struct mm_content_view *view)
{
    const struct mm_changes *changes = view->facts->changes;
    struct mm_span text = view->facts->text;
    struct mm_header_scan scan = {.at = 0};

    (void)mm_header_scan(&scan, text, true);
    view->body = mm_span_from(text, scan.body_at);
    enum mailmod_error error =
        mm_buf_append(&view->header, text.data, scan.size);
    for (const struct mm_list *node = changes != NULL ? changes->items.next
                                                      : NULL;
         error == MAILMOD_OK && node != NULL && node != &changes->items;
         node = node->next) {
        error = change_header(
            view,
            &MM_LIST_OBJECT(node, const struct mm_change_item, node)->change);
    }
    return error;
}

/* RFC 5322 2.2.3: without the line ends in it. */
static enum mailmod_error add_value(struct field *field, struct mm_span folded)
{
    struct mm_buf value;

    mm_buf_init(&value, folded.size);
    for (size_t i = 0; i < folded.size; i++) {
        if (folded.data[i] != '\r' && folded.data[i] != '\n') {
            (void)mm_buf_append_char(&value, folded.data[i]);
        }
    }
    if (field->count > 0) {
        (void)mm_buf_append_char(&field->values, '\n');
    }
    enum mailmod_error error = mm_buf_error(&value);
    if (error == MAILMOD_OK) {
        error = mm_plain_text_value(mm_buf_span(&value), &field->values);
    }
    mm_buf_fini(&value);
    return error;
}

static enum mailmod_error read_field(const struct mm_content_view *view,
                                     struct field *field)
{
    struct mm_span rest = mm_buf_span(&view->header);
    enum mailmod_error error = MAILMOD_OK;
    struct mm_span one;

    while (error == MAILMOD_OK && mm_header_next(&rest, &one)) {
        if (mm_header_is(one, field->name)) {
            error = add_value(field, mm_header_value(one));
            field->count++;
        }
    }
    (void)snprintf(field->count_text, sizeof field->count_text, "%u",
                   field->count);
    return error;
}

/* NULL without memory. */
static struct field *find_field(struct mm_content_view *view, const char *name)
{
    struct field *field = view->fields;

    while (field != NULL && !mm_cstr_equal_nocase(field->name, name)) {
        field = field->next;
    }
    if (field != NULL) {
        return field;
    }
    struct mm_span text = mm_span_cstr(name);
    field = mm_alloc(sizeof *field + text.size + 1);
    if (field == NULL) {
        return NULL;
    }
    (void)mm_span_copy(text, field->name, text.size + 1);
    mm_buf_init(&field->values, mm_buf_size(&view->header) + 2);
    field->next = view->fields;
    view->fields = field;
    return read_field(view, field) == MAILMOD_OK ? field : NULL;
}

/* ---- variables ---- */

static struct mm_span text_of(struct mm_content_view *view)
{
    if (!view->has_text) {
        enum mailmod_error error =
            mm_plain_text_body(view->facts->text, &view->text);
        view->has_text = true;
        view->error = error != MAILMOD_OK ? error : view->error;
    }
    return mm_buf_span(&view->text);
}

static struct mm_span field_of(struct mm_content_view *view, bool is_count,
                               const char *name)
{
    const struct field *field = find_field(view, name);

    if (field == NULL) {
        view->error = MAILMOD_ERROR_MEMORY;
        return mm_span("", 0);
    }
    return is_count ? mm_span_cstr(field->count_text)
                    : mm_buf_span(&field->values);
}

struct mm_span mm_content_view_value(void *context, size_t variable,
                                     const char *argument)
{
    struct mm_content_view *view = context;
    const struct mm_content_facts *facts = view->facts;

    switch ((enum mm_content_variable)variable) {
    case MM_CONTENT_SIZE:
        return mm_span_cstr(view->size);
    case MM_CONTENT_SENDER:
        return mm_span_cstr(facts->sender);
    case MM_CONTENT_HELLO:
        return mm_span_cstr(facts->hello);
    case MM_CONTENT_PEER:
        return mm_span_cstr(facts->peer);
    case MM_CONTENT_USER:
        return mm_span_cstr(facts->user);
    case MM_CONTENT_RECIPIENT:
        return facts->recipients;
    case MM_CONTENT_RECIPIENTS:
        return mm_span_cstr(view->recipient_count);
    case MM_CONTENT_HEADER:
    case MM_CONTENT_COUNT:
        return field_of(view, variable == MM_CONTENT_COUNT, argument);
    case MM_CONTENT_TEXT:
        return text_of(view);
    case MM_CONTENT_BODY:
        return view->body;
    case MM_CONTENT_VARIABLES:
        break;
    }
    return mm_span("", 0);
}

enum mailmod_error mm_content_view_error(const struct mm_content_view *view)
{
    return view->error;
}

enum mailmod_error mm_content_view_new(struct mm_content_view **view_out,
                                       const struct mm_content_facts *facts)
{
    struct mm_content_view *view = mm_alloc(sizeof *view);

    *view_out = NULL;
    if (view == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    view->facts = facts;
    mm_buf_init(&view->header, facts->text.size);
    mm_buf_init(&view->text, facts->text.size);
    (void)snprintf(view->size, sizeof view->size, "%llu",
                   (unsigned long long)facts->size);
    (void)snprintf(view->recipient_count, sizeof view->recipient_count, "%zu",
                   facts->recipient_count);
    enum mailmod_error error = read_header(view);
    if (error != MAILMOD_OK) {
        mm_content_view_free(&view);
        return error;
    }
    *view_out = view;
    return MAILMOD_OK;
}

void mm_content_view_free(struct mm_content_view **view_in)
{
    struct mm_content_view *view = *view_in;

    *view_in = NULL;
    if (view == NULL) {
        return;
    }
    while (view->fields != NULL) {
        struct field *next = view->fields->next;
        mm_buf_fini(&view->fields->values);
        mm_free(view->fields);
        view->fields = next;
    }
    mm_buf_fini(&view->header);
    mm_buf_fini(&view->text);
    mm_free(view);
}
