/* value.c - one value of the configuration: parse, format, give back.
 *
 * Owns the texts and lists inside a struct mm_config. Promises that a failed
 * parse changes nothing, that what format writes parse reads to the same
 * value, and that words about a mistake never hold a secret nor more than a
 * few printable octets of what was given.
 * Thread: any (the builder's owner). */
#include "config/value.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEP_MS_MAX (UINT64_C(24) * 3600 * 1000)

/* A list that grows; what it holds is moved into the configuration. */
struct items {
    void *memory;
    size_t count;
    size_t capacity;
};

struct parse {
    const struct mm_config_key *key;
    struct mm_span text;
    void *field;
    struct mm_buf *mistake;
};

static void *field_of(const struct mm_config_key *key, struct mm_config *config)
{
    return (char *)config + key->offset;
}

static const void *field_in(const struct mm_config_key *key,
                            const struct mm_config *config)
{
    return (const char *)config + key->offset;
}

/* queue.steps is a pointer and the count behind it, as every list is. */
_Static_assert(offsetof(struct mm_config, queue.step_count) -
                       offsetof(struct mm_config, queue.steps_s) ==
                   offsetof(struct mm_string_list, count),
               "the steps lie like a list");

static enum mailmod_error refuse(const struct parse *p, const char *format, ...)
    MM_PRINTF(2, 3);

static enum mailmod_error refuse(const struct parse *p, const char *format, ...)
{
    char words[256];
    va_list arguments;
    if (p->mistake == NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    /* Without room for the words the error alone must do. */
    (void)mm_buf_append_cstr(p->mistake, words);
    return MAILMOD_ERROR_ARGUMENT;
}

/* At most this much of a value is repeated in the words about it. */
struct echo {
    char text[48];
};

static struct echo echo_of(struct mm_span text)
{
    struct echo echo;
    size_t size = 0;
    while (size < text.size && size + 4 < sizeof echo.text) {
        unsigned char c = (unsigned char)text.data[size];
        echo.text[size] = mm_ascii_is_printable(c) ? (char)c : '?';
        size++;
    }
    snprintf(echo.text + size, sizeof echo.text - size, "%s",
             size < text.size ? "..." : "");
    return echo;
}

static enum mailmod_error parse_bool(const struct parse *p)
{
    bool value;
    if (!mm_config_parse_flag(p->text, &value)) {
        return refuse(p, "must be true or false, not \"%s\"",
                      echo_of(p->text).text);
    }
    *(bool *)p->field = value;
    return MAILMOD_OK;
}

static enum mailmod_error refuse_range(const struct parse *p)
{
    struct mm_buf words;
    mm_buf_init(&words, 128);
    (void)mm_buf_append_cstr(&words, "must be from ");
    const uint64_t ends[2] = {p->key->minimum, p->key->maximum};
    for (int i = 0; i < 2; i++) {
        if (p->key->type == MM_CONFIG_SIZE) {
            (void)mm_config_format_size(&words, ends[i]);
        } else if (p->key->type == MM_CONFIG_DURATION) {
            (void)mm_config_format_duration(&words, ends[i]);
        } else {
            (void)mm_buf_append_u64(&words, ends[i]);
        }
        (void)mm_buf_append_cstr(&words, i == 0 ? " to " : "");
    }
    const char *text = mm_buf_cstr(&words);
    enum mailmod_error error =
        refuse(p, "%s, not \"%s\"", text == NULL ? "is out of range" : text,
               echo_of(p->text).text);
    mm_buf_fini(&words);
    return error;
}

static bool is_in_range(const struct parse *p, uint64_t value)
{
    return value >= p->key->minimum && value <= p->key->maximum;
}

static enum mailmod_error parse_int(const struct parse *p)
{
    uint64_t value;
    if (!mm_span_to_u64(p->text, &value) || !is_in_range(p, value) ||
        value > UINT32_MAX) {
        return refuse_range(p);
    }
    *(unsigned *)p->field = (unsigned)value;
    return MAILMOD_OK;
}

static enum mailmod_error parse_size(const struct parse *p)
{
    uint64_t value;
    if (!mm_config_parse_size(p->text, &value) || !is_in_range(p, value)) {
        return refuse_range(p);
    }
    *(uint64_t *)p->field = value;
    return MAILMOD_OK;
}

static enum mailmod_error parse_duration(const struct parse *p)
{
    uint64_t value;
    if (!mm_config_parse_duration(p->text, &value) || !is_in_range(p, value)) {
        return refuse_range(p);
    }
    *(uint64_t *)p->field = value;
    return MAILMOD_OK;
}

static void text_fini(char **text, bool is_secret)
{
    if (*text != NULL && is_secret) {
        mm_secret_clear(*text, strlen(*text));
    }
    mm_free(*text);
    *text = NULL;
}

static enum mailmod_error parse_text(const struct parse *p)
{
    bool is_secret = p->key->type == MM_CONFIG_SECRET;
    if (p->text.size < p->key->minimum || p->text.size > p->key->maximum) {
        return refuse(p, "must have from %u to %u octets",
                      (unsigned)p->key->minimum, (unsigned)p->key->maximum);
    }
    if (p->text.size > 0 && !mm_config_form_has(p->key->form, p->text)) {
        if (is_secret || p->key->form == MM_CONFIG_FORM_ANY) {
            return refuse(p, "must be %s", mm_config_form_text(p->key->form));
        }
        return refuse(p, "must be %s, not \"%s\"",
                      mm_config_form_text(p->key->form), echo_of(p->text).text);
    }
    char *copy = mm_memdup0(p->text.data, p->text.size);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    text_fini(p->field, is_secret);
    *(char **)p->field = copy;
    return MAILMOD_OK;
}

/* A printable ASCII character that cannot be mistaken in an address. */
static enum mailmod_error parse_letter(const struct parse *p)
{
    char *field = p->field;
    if (p->text.size > 1) {
        return refuse(p, "must be one character or empty");
    }
    unsigned char c = p->text.size == 0 ? 0 : (unsigned char)p->text.data[0];
    if (c != 0 && (!mm_ascii_is_printable(c) || mm_ascii_is_alnum(c) ||
                   strchr(" @\"\\<>(),:;[].", c) != NULL)) {
        return refuse(p, "must be a sign such as + - or _");
    }
    field[0] = (char)c;
    field[1] = '\0';
    return MAILMOD_OK;
}

static enum mailmod_error parse_choice(const struct parse *p)
{
    struct mm_span rest = mm_span_cstr(p->key->choices);
    struct mm_span choice;
    for (int i = 0; mm_config_next_item(&rest, &choice); i++) {
        if (mm_span_equal_nocase(p->text, choice)) {
            *(int *)p->field = i;
            return MAILMOD_OK;
        }
    }
    return refuse(p, "must be one of %s, not \"%s\"", p->key->choices,
                  echo_of(p->text).text);
}

/* A zeroed place for one more item; NULL when out of memory. */
static void *items_add(struct items *items, size_t size)
{
    if (items->count == items->capacity) {
        size_t capacity = items->capacity == 0 ? 4 : items->capacity * 2;
        void *memory = mm_realloc(items->memory, capacity * size);
        if (memory == NULL) {
            return NULL;
        }
        items->memory = memory;
        items->capacity = capacity;
    }
    void *item = (char *)items->memory + items->count * size;
    memset(item, 0, size);
    items->count++;
    return item;
}

static enum mailmod_error add_text(const struct parse *p, struct mm_span item,
                                   struct items *items)
{
    if (!mm_config_form_has(p->key->form, item)) {
        return refuse(p, "\"%s\" is not %s", echo_of(item).text,
                      mm_config_form_text(p->key->form));
    }
    char **place = items_add(items, sizeof *place);
    if (place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *place = mm_memdup0(item.data, item.size);
    if (*place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    /* Domains are compared without case (RFC 5321 2.4). */
    mm_ascii_lower_cstr(*place);
    return MAILMOD_OK;
}

static bool has_address(const struct items *items,
                        const struct mm_netaddr *address)
{
    const struct mm_netaddr *all = items->memory;
    for (size_t i = 0; i < items->count; i++) {
        if (address->port != 0 && all[i].port == address->port &&
            mm_netaddr_equal_ip(&all[i], address)) {
            return true;
        }
    }
    return false;
}

static enum mailmod_error add_address(const struct parse *p,
                                      struct mm_span item, struct items *items)
{
    struct mm_netaddr address;
    bool has_port = p->key->form != MM_CONFIG_FORM_NO_PORT;
    if (has_port ? !mm_netaddr_parse(item, &address)
                 : !mm_netaddr_parse_ip(item, &address)) {
        return refuse(
            p, "\"%s\" is not an address such as %s", echo_of(item).text,
            has_port ? "127.0.0.1:25 or [::1]:25" : "192.0.2.1 or 2001:db8::1");
    }
    if (has_address(items, &address)) {
        return refuse(p, "\"%s\" is there twice", echo_of(item).text);
    }
    struct mm_netaddr *place = items_add(items, sizeof *place);
    if (place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *place = address;
    return MAILMOD_OK;
}

static enum mailmod_error add_range(const struct parse *p, struct mm_span item,
                                    struct items *items)
{
    struct mm_netrange range;
    if (!mm_netrange_parse(item, &range)) {
        return refuse(p, "\"%s\" is not a network such as 192.0.2.0/24",
                      echo_of(item).text);
    }
    struct mm_netrange *place = items_add(items, sizeof *place);
    if (place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *place = range;
    return MAILMOD_OK;
}

static enum mailmod_error add_step(const struct parse *p, struct mm_span item,
                                   struct items *items)
{
    uint64_t ms;
    if (!mm_config_parse_duration(item, &ms) || ms < 1000 || ms > STEP_MS_MAX ||
        ms % 1000 != 0) {
        return refuse(p, "\"%s\" is not a time from 1s to 24h",
                      echo_of(item).text);
    }
    unsigned *place = items_add(items, sizeof *place);
    if (place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *place = (unsigned)(ms / 1000);
    return MAILMOD_OK;
}

static enum mailmod_error add_item(const struct parse *p, struct mm_span item,
                                   struct items *items)
{
    switch (p->key->type) {
    case MM_CONFIG_TEXT_LIST:
        return add_text(p, item, items);
    case MM_CONFIG_ADDRESS_LIST:
        return add_address(p, item, items);
    case MM_CONFIG_RANGE_LIST:
        return add_range(p, item, items);
    default:
        return add_step(p, item, items);
    }
}

static void items_free(enum mm_config_type type, void *memory, size_t count)
{
    if (type == MM_CONFIG_TEXT_LIST) {
        char **texts = memory;
        for (size_t i = 0; i < count; i++) {
            mm_free(texts[i]);
        }
    }
    mm_free(memory);
}

/* Every list is a pointer with a count behind it, whatever it points to; the
 * pointer is copied as bytes because its type differs from list to list. */
static void list_take(void *field, void **memory_out, size_t *count_out)
{
    memcpy(memory_out, field, sizeof *memory_out);
    memcpy(count_out, (char *)field + offsetof(struct mm_string_list, count),
           sizeof *count_out);
}

static void list_put(void *field, void *memory, size_t count)
{
    memcpy(field, &memory, sizeof memory);
    memcpy((char *)field + offsetof(struct mm_string_list, count), &count,
           sizeof count);
}

static enum mailmod_error parse_list(const struct parse *p)
{
    struct items items = {NULL, 0, 0};
    struct mm_span rest = p->text;
    struct mm_span item;
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && mm_config_next_item(&rest, &item)) {
        if (items.count >= p->key->maximum) {
            error =
                refuse(p, "has more than %u items", (unsigned)p->key->maximum);
        } else {
            error = add_item(p, item, &items);
        }
    }
    if (error == MAILMOD_OK && items.count < p->key->minimum) {
        error = refuse(p, "must have an item at least");
    }
    if (error != MAILMOD_OK) {
        items_free(p->key->type, items.memory, items.count);
        return error;
    }
    void *old;
    size_t old_count;
    list_take(p->field, &old, &old_count);
    items_free(p->key->type, old, old_count);
    list_put(p->field, items.memory, items.count);
    return MAILMOD_OK;
}

enum mailmod_error mm_config_value_parse(const struct mm_config_key *key,
                                         struct mm_span text,
                                         struct mm_config *config,
                                         struct mm_buf *mistake_out)
{
    struct parse p = {key, text, field_of(key, config), mistake_out};
    if (key->type != MM_CONFIG_SECRET) {
        p.text = mm_span_trim(text);
    }
    switch (key->type) {
    case MM_CONFIG_BOOL:
        return parse_bool(&p);
    case MM_CONFIG_INT:
        return parse_int(&p);
    case MM_CONFIG_SIZE:
        return parse_size(&p);
    case MM_CONFIG_DURATION:
        return parse_duration(&p);
    case MM_CONFIG_TEXT:
    case MM_CONFIG_SECRET:
        return parse_text(&p);
    case MM_CONFIG_LETTER:
        return parse_letter(&p);
    case MM_CONFIG_CHOICE:
        return parse_choice(&p);
    case MM_CONFIG_TEXT_LIST:
    case MM_CONFIG_ADDRESS_LIST:
    case MM_CONFIG_RANGE_LIST:
    case MM_CONFIG_STEP_LIST:
        break;
    }
    return parse_list(&p);
}

static enum mailmod_error format_item(const struct mm_config_key *key,
                                      const void *memory, size_t i,
                                      struct mm_buf *out)
{
    char text[MM_NETADDR_TEXT_MAX];
    const struct mm_netaddr *addresses = memory;
    const struct mm_netrange *ranges = memory;
    char *const *texts = memory;
    const unsigned *steps = memory;
    switch (key->type) {
    case MM_CONFIG_TEXT_LIST:
        return mm_buf_append_cstr(out, texts[i]);
    case MM_CONFIG_ADDRESS_LIST:
        if (key->form == MM_CONFIG_FORM_NO_PORT) {
            mm_netaddr_format_ip(&addresses[i], text);
        } else {
            mm_netaddr_format(&addresses[i], text);
        }
        return mm_buf_append_cstr(out, text);
    case MM_CONFIG_RANGE_LIST:
        mm_netaddr_format_ip(&ranges[i].address, text);
        return mm_buf_appendf(out, "%s/%u", text, ranges[i].prefix);
    default:
        return mm_config_format_duration(out, (uint64_t)steps[i] * 1000);
    }
}

static enum mailmod_error format_list(const struct mm_config_key *key,
                                      const void *field, struct mm_buf *out)
{
    const void *memory;
    size_t count;
    enum mailmod_error error = MAILMOD_OK;
    memcpy(&memory, field, sizeof memory);
    memcpy(&count, (const char *)field + offsetof(struct mm_string_list, count),
           sizeof count);
    for (size_t i = 0; i < count && error == MAILMOD_OK; i++) {
        if (i > 0) {
            error = mm_buf_append_cstr(out, ", ");
        }
        if (error == MAILMOD_OK) {
            error = format_item(key, memory, i, out);
        }
    }
    return error;
}

static enum mailmod_error format_choice(const struct mm_config_key *key,
                                        int chosen, struct mm_buf *out)
{
    struct mm_span rest = mm_span_cstr(key->choices);
    struct mm_span choice;
    for (int i = 0; mm_config_next_item(&rest, &choice); i++) {
        if (i == chosen) {
            return mm_buf_append_span(out, choice);
        }
    }
    return MAILMOD_ERROR_ARGUMENT;
}

enum mailmod_error mm_config_value_format(const struct mm_config_key *key,
                                          const struct mm_config *config,
                                          struct mm_buf *out)
{
    const void *field = field_in(key, config);
    switch (key->type) {
    case MM_CONFIG_BOOL:
        return mm_buf_append_cstr(out, *(const bool *)field ? "true" : "false");
    case MM_CONFIG_INT:
        return mm_buf_append_u64(out, *(const unsigned *)field);
    case MM_CONFIG_SIZE:
        return mm_config_format_size(out, *(const uint64_t *)field);
    case MM_CONFIG_DURATION:
        return mm_config_format_duration(out, *(const uint64_t *)field);
    case MM_CONFIG_TEXT:
    case MM_CONFIG_SECRET:
        return mm_buf_append_cstr(out, *(char *const *)field);
    case MM_CONFIG_LETTER:
        return mm_buf_append_cstr(out, field);
    case MM_CONFIG_CHOICE:
        return format_choice(key, *(const int *)field, out);
    case MM_CONFIG_TEXT_LIST:
    case MM_CONFIG_ADDRESS_LIST:
    case MM_CONFIG_RANGE_LIST:
    case MM_CONFIG_STEP_LIST:
        break;
    }
    return format_list(key, field, out);
}

enum mailmod_error mm_config_value_number(const struct mm_config_key *key,
                                          const struct mm_config *config,
                                          uint64_t *value_out)
{
    const void *field = field_in(key, config);
    switch (key->type) {
    case MM_CONFIG_BOOL:
        *value_out = *(const bool *)field ? 1 : 0;
        return MAILMOD_OK;
    case MM_CONFIG_INT:
        *value_out = *(const unsigned *)field;
        return MAILMOD_OK;
    case MM_CONFIG_SIZE:
    case MM_CONFIG_DURATION:
        *value_out = *(const uint64_t *)field;
        return MAILMOD_OK;
    default:
        return MAILMOD_ERROR_ARGUMENT;
    }
}

void mm_config_value_fini(const struct mm_config_key *key,
                          struct mm_config *config)
{
    void *field = field_of(key, config);
    void *memory;
    size_t count;
    switch (key->type) {
    case MM_CONFIG_TEXT:
    case MM_CONFIG_SECRET:
        text_fini(field, key->type == MM_CONFIG_SECRET);
        break;
    case MM_CONFIG_TEXT_LIST:
    case MM_CONFIG_ADDRESS_LIST:
    case MM_CONFIG_RANGE_LIST:
    case MM_CONFIG_STEP_LIST:
        list_take(field, &memory, &count);
        items_free(key->type, memory, count);
        list_put(field, NULL, 0);
        break;
    default:
        break;
    }
}
