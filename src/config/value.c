/* value.c - one value of the configuration: parse, format, give back.
 *
 * Owns the texts inside a struct mm_config; list.c has the lists. Promises that
 * a failed parse changes nothing, that what format writes parse reads to the
 * same value, and that words about a mistake never hold a secret nor more than
 * a few printable octets of what was given. Thread: any (the builder's owner).
 */
#include "config/value.h"
#include "base/mem.h"
#include "config/list.h"
#include "config/milter.h"
#include "config/mistake.h"
#include "config/routes.h"
#include "dnsbl/dnsbl.h"

#include <string.h>

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

static enum mailmod_error parse_bool(const struct parse *p)
{
    bool value;
    if (!mm_config_parse_flag(p->text, &value)) {
        return mm_config_refuse(p->mistake, "must be true or false, not \"%s\"",
                                mm_config_echo(p->text).text);
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
    enum mailmod_error error = mm_config_refuse(
        p->mistake, "%s, not \"%s\"", text == NULL ? "is out of range" : text,
        mm_config_echo(p->text).text);
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
        return mm_config_refuse(p->mistake, "must have from %u to %u octets",
                                (unsigned)p->key->minimum,
                                (unsigned)p->key->maximum);
    }
    if (p->key->form == MM_CONFIG_FORM_FETCH) {
        enum mailmod_error error = mm_config_fetch_check(p->text, p->mistake);
        if (error != MAILMOD_OK) {
            return error;
        }
    } else if (p->key->form == MM_CONFIG_FORM_MILTERS) {
        enum mailmod_error error = mm_config_milters_check(p->text, p->mistake);
        if (error != MAILMOD_OK) {
            return error;
        }
    } else if (p->key->form == MM_CONFIG_FORM_ROUTES) {
        enum mailmod_error error = mm_config_routes_check(p->text, p->mistake);
        if (error != MAILMOD_OK) {
            return error;
        }
    } else if (p->text.size > 0 && !mm_config_form_has(p->key->form, p->text)) {
        if (is_secret || p->key->form == MM_CONFIG_FORM_ANY) {
            return mm_config_refuse(p->mistake, "must be %s",
                                    mm_config_form_text(p->key->form));
        }
        return mm_config_refuse(p->mistake, "must be %s, not \"%s\"",
                                mm_config_form_text(p->key->form),
                                mm_config_echo(p->text).text);
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
        return mm_config_refuse(p->mistake, "must be one character or empty");
    }
    unsigned char c = p->text.size == 0 ? 0 : (unsigned char)p->text.data[0];
    if (c != 0 && (!mm_ascii_is_printable(c) || mm_ascii_is_alnum(c) ||
                   strchr(" @\"\\<>(),:;[].", c) != NULL)) {
        return mm_config_refuse(p->mistake, "must be a sign such as + - or _");
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
    return mm_config_refuse(p->mistake, "must be one of %s, not \"%s\"",
                            p->key->choices, mm_config_echo(p->text).text);
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
    return mm_config_list_parse(key, p.text, p.field, mistake_out);
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
    return mm_config_list_format(key, field, out);
}

static enum mailmod_error show_zones(const struct mm_string_list *zones,
                                     struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; i < zones->count && error == MAILMOD_OK; i++) {
        if (i > 0) {
            error = mm_buf_append_cstr(out, ", ");
        }
        if (error == MAILMOD_OK) {
            error = dnsbl_zone_mask(mm_span_cstr(zones->items[i]), out);
        }
    }
    return error;
}

enum mailmod_error mm_config_value_show(const struct mm_config_key *key,
                                        const struct mm_config *config,
                                        struct mm_buf *out)
{
    if (key->type == MM_CONFIG_SECRET) {
        /* Nothing about it, not even its length; but whether there is one. */
        bool is_set = mm_config_value_text(key, config)[0] != '\0';
        return mm_buf_append_cstr(out, is_set ? "********" : "");
    }
    if (key->form == MM_CONFIG_FORM_ZONE) {
        return show_zones(field_in(key, config), out);
    }
    return mm_config_value_format(key, config, out);
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

const char *mm_config_value_text(const struct mm_config_key *key,
                                 const struct mm_config *config)
{
    return *(char *const *)field_in(key, config);
}

void mm_config_value_set_number(const struct mm_config_key *key,
                                struct mm_config *config, uint64_t value)
{
    void *field = field_of(key, config);
    if (key->type == MM_CONFIG_INT) {
        *(unsigned *)field = (unsigned)value;
    } else {
        *(uint64_t *)field = value;
    }
}

void mm_config_value_fini(const struct mm_config_key *key,
                          struct mm_config *config)
{
    void *field = field_of(key, config);
    switch (key->type) {
    case MM_CONFIG_TEXT:
    case MM_CONFIG_SECRET:
        text_fini(field, key->type == MM_CONFIG_SECRET);
        break;
    case MM_CONFIG_TEXT_LIST:
    case MM_CONFIG_ADDRESS_LIST:
    case MM_CONFIG_RANGE_LIST:
    case MM_CONFIG_STEP_LIST:
        mm_config_list_fini(key, field);
        break;
    default:
        break;
    }
}
