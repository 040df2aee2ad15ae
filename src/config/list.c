/* list.c - the values that are lists: of texts, addresses, networks, times.
 *
 * Each type of list has its own structure in the configuration, which two
 * functions here read and write. Owns the items while it reads them; a failed
 * parse gives them back and leaves the former list. Thread: any (the builder's
 * owner). */
#include "config/list.h"
#include "base/mem.h"
#include "config/mistake.h"
#include "config/value.h"

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

/* A zeroed place for one more item; NULL when out of memory. */
static void *items_add(struct items *items, size_t size)
{
    void *memory =
        mm_array_grow(items->memory, items->count, &items->capacity, size);
    if (memory == NULL) {
        return NULL;
    }
    items->memory = memory;
    void *item = (char *)items->memory + items->count * size;
    memset(item, 0, size);
    items->count++;
    return item;
}

static enum mailmod_error add_text(const struct parse *p, struct mm_span item,
                                   struct items *items)
{
    if (!mm_config_form_has(p->key->form, item)) {
        if (p->key->form == MM_CONFIG_FORM_ZONE) { /* it may hold a key */
            return mm_config_refuse(p->mistake, "has an item that is not %s",
                                    mm_config_form_text(p->key->form));
        }
        return mm_config_refuse(p->mistake, "\"%s\" is not %s",
                                mm_config_echo(item).text,
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
    /* Domains are compared without case (RFC 5321 2.4); folders and files are
     * not. */
    if (p->key->form != MM_CONFIG_FORM_MAILDIR &&
        p->key->form != MM_CONFIG_FORM_FILE) {
        mm_ascii_lower_cstr(*place);
    }
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
    bool has_port = p->key->form != MM_CONFIG_FORM_NO_PORT;
    struct mm_netaddr address;
    if (has_port ? !mm_netaddr_parse(item, &address)
                 : !mm_netaddr_parse_ip(item, &address)) {
        return mm_config_refuse(
            p->mistake, "\"%s\" is not an address such as %s",
            mm_config_echo(item).text,
            has_port ? "127.0.0.1:25 or [::1]:25" : "192.0.2.1 or 2001:db8::1");
    }
    if (has_address(items, &address)) {
        return mm_config_refuse(p->mistake, "\"%s\" is there twice",
                                mm_config_echo(item).text);
    }
    struct mm_netaddr *place = items_add(items, sizeof *place);
    if (place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *place = address;
    return MAILMOD_OK;
}

static enum mailmod_error add_network(const struct parse *p,
                                      const struct mm_netrange *range,
                                      struct items *items)
{
    if (items->count >= p->key->maximum) {
        return mm_config_refuse(p->mistake, "has more than %u items",
                                (unsigned)p->key->maximum);
    }
    struct mm_netrange *place = items_add(items, sizeof *place);
    if (place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *place = *range;
    return MAILMOD_OK;
}

static bool is_bit_set(const uint8_t *bytes, unsigned bit)
{
    return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

/* The last address of the network. */
static void end_of(const struct mm_netrange *range, unsigned bits,
                   uint8_t bytes_out[16])
{
    memcpy(bytes_out, range->address.bytes, 16);
    for (unsigned bit = range->prefix; bit < bits; bit++) {
        bytes_out[bit / 8] |= (uint8_t)(1u << (7 - bit % 8));
    }
}

/* The address after; false after the last of all. */
static bool step_up(uint8_t *bytes, unsigned bits)
{
    for (unsigned i = bits / 8; i > 0; i--) {
        bytes[i - 1]++;
        if (bytes[i - 1] != 0) {
            return true;
        }
    }
    return false;
}

/* "a-b" as the fewest networks: from each first address the largest that
 * begins there and does not reach past the last. */
static enum mailmod_error add_from_to(const struct parse *p,
                                      struct mm_netaddr first,
                                      const struct mm_netaddr *last,
                                      struct items *items)
{
    unsigned bits = first.family == MM_NETADDR_V4 ? 32 : 128;
    enum mailmod_error error = MAILMOD_OK;
    bool has_more = true;
    while (error == MAILMOD_OK && has_more &&
           memcmp(first.bytes, last->bytes, bits / 8) <= 0) {
        struct mm_netrange range = {first, bits};
        bool fits = true;
        uint8_t end[16];
        while (fits && range.prefix > 0 &&
               !is_bit_set(first.bytes, range.prefix - 1)) {
            range.prefix--;
            end_of(&range, bits, end);
            fits = memcmp(end, last->bytes, bits / 8) <= 0;
            range.prefix += fits ? 0 : 1;
        }
        end_of(&range, bits, end);
        error = add_network(p, &range, items);
        memcpy(first.bytes, end, 16);
        has_more = step_up(first.bytes, bits);
    }
    return error;
}

static enum mailmod_error add_range(const struct parse *p, struct mm_span item,
                                    struct items *items)
{
    struct mm_netrange range;
    if (mm_netrange_parse(item, &range)) {
        return add_network(p, &range, items);
    }
    struct mm_netaddr ends[2];
    struct mm_span first;
    struct mm_span last;
    if (mm_span_cut(item, '-', &first, &last) &&
        mm_netaddr_parse_ip(first, &ends[0]) &&
        mm_netaddr_parse_ip(last, &ends[1]) &&
        ends[0].family == ends[1].family && ends[0].scope == 0 &&
        ends[1].scope == 0 && memcmp(ends[0].bytes, ends[1].bytes, 16) <= 0) {
        return add_from_to(p, ends[0], &ends[1], items);
    }
    return mm_config_refuse(p->mistake,
                            "\"%s\" is not a network such as 192.0.2.0/24 or "
                            "192.0.2.1-192.0.2.9",
                            mm_config_echo(item).text);
}

static enum mailmod_error add_step(const struct parse *p, struct mm_span item,
                                   struct items *items)
{
    uint64_t ms;
    if (!mm_config_parse_duration(item, &ms) || ms < 1000 || ms > STEP_MS_MAX ||
        ms % 1000 != 0) {
        return mm_config_refuse(p->mistake,
                                "\"%s\" is not a time from 1s to 24h",
                                mm_config_echo(item).text);
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

/* The list of the field, by its type. */
static struct items list_of(const struct mm_config_key *key, const void *field)
{
    const struct mm_string_list *texts = field;
    const struct mm_address_list *addresses = field;
    const struct mm_range_list *ranges = field;
    const struct mm_step_list *steps = field;
    switch (key->type) {
    case MM_CONFIG_TEXT_LIST:
        return (struct items){texts->items, texts->count, texts->count};
    case MM_CONFIG_ADDRESS_LIST:
        return (struct items){addresses->items, addresses->count,
                              addresses->count};
    case MM_CONFIG_RANGE_LIST:
        return (struct items){ranges->items, ranges->count, ranges->count};
    default:
        return (struct items){steps->items, steps->count, steps->count};
    }
}

static void put_list(const struct mm_config_key *key, void *field,
                     const struct items *items)
{
    switch (key->type) {
    case MM_CONFIG_TEXT_LIST:
        *(struct mm_string_list *)field =
            (struct mm_string_list){items->memory, items->count};
        break;
    case MM_CONFIG_ADDRESS_LIST:
        *(struct mm_address_list *)field =
            (struct mm_address_list){items->memory, items->count};
        break;
    case MM_CONFIG_RANGE_LIST:
        *(struct mm_range_list *)field =
            (struct mm_range_list){items->memory, items->count};
        break;
    default:
        *(struct mm_step_list *)field =
            (struct mm_step_list){items->memory, items->count};
        break;
    }
}

enum mailmod_error mm_config_list_parse(const struct mm_config_key *key,
                                        struct mm_span text, void *field,
                                        struct mm_buf *mistake_out)
{
    const struct parse list = {key, text, field, mistake_out};
    const struct parse *p = &list;
    struct items items = {NULL, 0, 0};
    struct mm_span rest = p->text;
    enum mailmod_error error = MAILMOD_OK;
    struct mm_span item;
    while (error == MAILMOD_OK && mm_config_next_item(&rest, &item)) {
        if (items.count >= p->key->maximum) {
            error = mm_config_refuse(p->mistake, "has more than %u items",
                                     (unsigned)p->key->maximum);
        } else {
            error = add_item(p, item, &items);
        }
    }
    if (error == MAILMOD_OK && items.count < p->key->minimum) {
        error = mm_config_refuse(p->mistake, "must have an item at least");
    }
    if (error != MAILMOD_OK) {
        items_free(p->key->type, items.memory, items.count);
        return error;
    }
    struct items former = list_of(key, field);
    items_free(key->type, former.memory, former.count);
    put_list(key, field, &items);
    return MAILMOD_OK;
}

static enum mailmod_error format_item(const struct mm_config_key *key,
                                      const void *memory, size_t i,
                                      struct mm_buf *out)
{
    const struct mm_netaddr *addresses = memory;
    const struct mm_netrange *ranges = memory;
    char *const *texts = memory;
    const unsigned *steps = memory;
    char text[MM_NETADDR_TEXT_MAX];
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

enum mailmod_error mm_config_list_format(const struct mm_config_key *key,
                                         const void *field, struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;
    const struct items items = list_of(key, field);
    for (size_t i = 0; i < items.count && error == MAILMOD_OK; i++) {
        if (i > 0) {
            error = mm_buf_append_cstr(out, ", ");
        }
        if (error == MAILMOD_OK) {
            error = format_item(key, items.memory, i, out);
        }
    }
    return error;
}

void mm_config_list_fini(const struct mm_config_key *key, void *field)
{
    static const struct items none = {NULL, 0, 0};
    struct items items = list_of(key, field);
    items_free(key->type, items.memory, items.count);
    put_list(key, field, &none);
}
