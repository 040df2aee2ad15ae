/* config.c - the builder and the frozen snapshot.
 *
 * Owns the memory of both. A snapshot is a copy of the builder's values with a
 * reference count in front; nothing changes it, so any thread may read it as
 * long as it holds a reference. Copies are made through the text form of each
 * value: one way in and one way out, which the round-trip test holds exact.
 * Thread: a builder is its owner's, a snapshot anybody's. */
#include "config/config.h"
#include "base/limits.h"
#include "base/mem.h"
#include "config/builder.h"
#include "config/check.h"
#include "config/dependent.h"
#include "config/proxy.h"
#include "config/routes.h"
#include "config/smallsrv/smallsrv.h"
#include "config/value.h"
#include "platform/idn.h"

#include <stdatomic.h>
#include <string.h>

/* No value is longer as text: 1000 domains or networks. */
#define VALUE_TEXT_MAX (1024 * 1024)
#define PLACE_MAX 4400 /* a file's name, and a line */

struct snapshot {
    struct mm_config config; /* first: a config is its snapshot */
    atomic_uint references;
};

static const struct mm_config_key *find_own(const char *name)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

const struct mm_config_key *mm_config_find_key(const char *name)
{
    const struct mm_config_key *key = find_own(name);
    struct mm_config_alias alias;
    if (key == NULL && mm_smallsrv()->find(name, &alias) && alias.key != NULL) {
        key = find_own(alias.key);
    }
    return key;
}

static void values_fini(struct mm_config *config)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        mm_config_value_fini(&keys[i], config);
    }
}

static enum mailmod_error copy_value(const struct mm_config_key *key,
                                     const struct mm_config *from,
                                     struct mm_config *to)
{
    struct mm_buf text;
    mm_buf_init(&text, VALUE_TEXT_MAX);
    if (key->type == MM_CONFIG_SECRET &&
        mm_buf_reserve(&text, strlen(mm_config_value_text(key, from)) + 1) ==
            NULL) {
        /* One block from the start: growing would leave a copy behind. */
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_config_value_format(key, from, &text);
    if (error == MAILMOD_OK) {
        error = mm_config_value_parse(key, mm_buf_span(&text), to, NULL);
    }
    mm_buf_wipe(&text);
    return error;
}

/* Into a zeroed configuration; on an error what came so far is given back. */
static enum mailmod_error copy_values(const struct mm_config *from,
                                      struct mm_config *to)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        enum mailmod_error error = copy_value(&keys[i], from, to);
        if (error != MAILMOD_OK) {
            values_fini(to);
            return error;
        }
    }
    return MAILMOD_OK;
}

/* What is made of values and not set by itself. */
static void snapshot_free(struct snapshot *snapshot)
{
    mm_config_proxy_drop(&snapshot->config);
    mm_config_routes_drop(&snapshot->config);
    values_fini(&snapshot->config);
    mm_free(snapshot);
}

static enum mailmod_error set_defaults(struct mm_config *config)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        enum mailmod_error error = mm_config_value_parse(
            &keys[i], mm_span_cstr(keys[i].default_text), config, NULL);
        if (error != MAILMOD_OK) {
            values_fini(config);
            return error;
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error builder_new(struct mm_config_builder **builder_out,
                                      const struct mm_config *from)
{
    struct mm_config_builder *builder = mm_alloc(sizeof *builder);
    *builder_out = NULL;
    if (builder == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = from == NULL
                                   ? set_defaults(&builder->config)
                                   : copy_values(from, &builder->config);
    if (error != MAILMOD_OK) {
        mm_free(builder);
        return error;
    }
    *builder_out = builder;
    return MAILMOD_OK;
}

enum mailmod_error mm_config_builder_new(struct mm_config_builder **builder_out)
{
    return builder_new(builder_out, NULL);
}

enum mailmod_error
mm_config_builder_from(struct mm_config_builder **builder_out,
                       const struct mm_config *config)
{
    return builder_new(builder_out, config);
}

void mm_config_builder_set_guard(struct mm_config_builder *builder,
                                 bool (*is_exposed)(const char *file))
{
    builder->is_exposed = is_exposed;
}

static size_t row_of(const struct mm_config_key *key)
{
    size_t count;
    return (size_t)(key - mm_config_keys(&count));
}

bool mm_config_is_set(const struct mm_config_builder *builder,
                      const struct mm_config_key *key)
{
    return builder->is_set[row_of(key)];
}

enum mailmod_error mm_config_set_place(struct mm_config_builder *builder,
                                       const struct mm_config_key *key,
                                       const char *file, size_t line)
{
    struct mm_buf text;
    mm_buf_init(&text, PLACE_MAX);
    enum mailmod_error error = mm_buf_appendf(&text, "%s:%zu: ", file, line);
    struct mm_span words = mm_buf_span(&text);
    char *place =
        error == MAILMOD_OK ? mm_memdup0(words.data, words.size) : NULL;
    mm_buf_fini(&text);
    if (place == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_free(builder->places[row_of(key)]);
    builder->places[row_of(key)] = place;
    return MAILMOD_OK;
}

const char *mm_config_place(const struct mm_config_builder *builder,
                            const char *name)
{
    const struct mm_config_key *key = mm_config_find_key(name);
    const char *place = key != NULL ? builder->places[row_of(key)] : NULL;
    return place != NULL ? place : "";
}

enum mailmod_error
mm_config_builder_copy(struct mm_config_builder **copy_out,
                       const struct mm_config_builder *builder)
{
    enum mailmod_error error = builder_new(copy_out, &builder->config);
    for (size_t i = 0; error == MAILMOD_OK && i < MM_CONFIG_KEYS_MAX; i++) {
        (*copy_out)->is_set[i] = builder->is_set[i];
        if (builder->places[i] != NULL) {
            (*copy_out)->places[i] = mm_strdup(builder->places[i]);
            error = (*copy_out)->places[i] != NULL ? MAILMOD_OK
                                                   : MAILMOD_ERROR_MEMORY;
        }
    }
    if (error != MAILMOD_OK) {
        mm_config_builder_free(copy_out);
    }
    return error;
}

void mm_config_builder_free(struct mm_config_builder **builder)
{
    if (*builder != NULL) {
        values_fini(&(*builder)->config);
        for (size_t i = 0; i < MM_CONFIG_KEYS_MAX; i++) {
            mm_free((*builder)->places[i]);
        }
        mm_free(*builder);
        *builder = NULL;
    }
}

void mm_config_builder_swap(struct mm_config_builder *a,
                            struct mm_config_builder *b)
{
    struct mm_config_builder former = *a;
    *a = *b;
    *b = former;
    /* Whom to ask is the builder's, not the settings'. */
    b->is_exposed = a->is_exposed;
    a->is_exposed = former.is_exposed;
}

static enum mailmod_error set_value(struct mm_config_builder *builder,
                                    const char *name, const char *value,
                                    struct mm_buf *mistake_out)
{
    const struct mm_config_key *key = find_own(name);
    if (key != NULL) {
        return mm_config_value_parse(key, mm_span_cstr(value), &builder->config,
                                     mistake_out);
    }
    struct mm_config_alias alias;
    if (mm_smallsrv()->find(name, &alias)) {
        return mm_smallsrv()->set(&alias, mm_span_cstr(value), &builder->config,
                                  mistake_out);
    }
    if (mistake_out != NULL) {
        mm_config_say_unknown(name, mistake_out);
    }
    return MAILMOD_ERROR_UNKNOWN_NAME;
}

enum mailmod_error mm_config_set(struct mm_config_builder *builder,
                                 const char *name, const char *value,
                                 struct mm_buf *mistake_out)
{
    enum mailmod_error error = set_value(builder, name, value, mistake_out);
    const struct mm_config_key *key = mm_config_find_key(name);
    if (error == MAILMOD_OK && key != NULL) {
        builder->is_set[row_of(key)] = true;
        mm_free(builder->places[row_of(key)]);
        builder->places[row_of(key)] = NULL;
    }
    return error;
}

const struct mm_config *mm_config_peek(const struct mm_config_builder *builder)
{
    return &builder->config;
}

enum mailmod_error mm_config_draft(struct mm_config_builder *builder,
                                   struct mm_config **config_out)
{
    *config_out = NULL;
    struct snapshot *snapshot = mm_alloc(sizeof *snapshot);
    if (snapshot == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = copy_values(&builder->config, &snapshot->config);
    if (error != MAILMOD_OK) {
        mm_free(snapshot);
        return error;
    }
    mm_config_follow(builder, &snapshot->config);
    error = mm_config_proxy_make(&snapshot->config);
    if (error == MAILMOD_OK) {
        error = mm_config_routes_make(&snapshot->config);
    }
    if (error != MAILMOD_OK) {
        snapshot_free(snapshot);
        return error;
    }
    atomic_init(&snapshot->references, 1);
    *config_out = &snapshot->config;
    return MAILMOD_OK;
}

enum mailmod_error mm_config_build(struct mm_config_builder *builder,
                                   struct mm_config **config_out,
                                   struct mm_buf *mistakes_out)
{
    enum mailmod_error error = mm_config_draft(builder, config_out);
    if (error == MAILMOD_OK) {
        error = mm_config_check(builder, *config_out, mistakes_out);
    }
    if (error != MAILMOD_OK) {
        mm_config_unref(config_out);
    }
    return error;
}

struct mm_config *mm_config_ref(struct mm_config *config)
{
    struct snapshot *snapshot = (struct snapshot *)(void *)config;
    if (snapshot != NULL) {
        atomic_fetch_add_explicit(&snapshot->references, 1,
                                  memory_order_relaxed);
    }
    return config;
}

void mm_config_unref(struct mm_config **config)
{
    struct snapshot *snapshot = (struct snapshot *)(void *)*config;
    *config = NULL;
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->references, 1,
                                  memory_order_acq_rel) == 1) {
        snapshot_free(snapshot);
    }
}

enum mailmod_error mm_config_get(const struct mm_config *config,
                                 const char *name, struct mm_buf *value_out)
{
    const struct mm_config_key *key = find_own(name);
    struct mm_config_alias alias;
    if (key == NULL) {
        return mm_smallsrv()->find(name, &alias)
                   ? mm_smallsrv()->get(&alias, config, value_out)
                   : MAILMOD_ERROR_UNKNOWN_NAME;
    }
    return mm_config_value_show(key, config, value_out);
}

enum mailmod_error mm_config_get_number(const struct mm_config *config,
                                        const char *name, int64_t *value_out)
{
    const struct mm_config_key *key = find_own(name);
    struct mm_config_alias alias = {.row = 0};
    if (key == NULL && !mm_smallsrv()->find(name, &alias)) {
        return MAILMOD_ERROR_UNKNOWN_NAME;
    }
    uint64_t value;
    enum mailmod_error error =
        key != NULL ? mm_config_value_number(key, config, &value)
                    : mm_smallsrv()->number(&alias, config, &value);
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_config_key *type =
        key != NULL ? key : mm_smallsrv()->type_of(&alias);
    if (type->type == MM_CONFIG_DURATION) {
        /* Upwards: half a second must not read as "no time". */
        value = value / 1000 + (value % 1000 != 0);
    }
    /* Every maximum of the schema is far below 2^63. */
    *value_out = (int64_t)value;
    return MAILMOD_OK;
}

const struct mm_range_list *
mm_config_lenient_from(const struct mm_config *config, enum mm_service service)
{
    return mm_service_row(service)->protocol == MM_PROTOCOL_POP3
               ? &config->pop3.lenient_from
               : &config->smtp.lenient_from;
}

bool mm_range_list_has(const struct mm_range_list *ranges,
                       const struct mm_netaddr *address)
{
    for (size_t i = 0; i < ranges->count; i++) {
        if (mm_netrange_has(&ranges->items[i], address)) {
            return true;
        }
    }
    return false;
}

bool mm_config_is_local_domain(const struct mm_config *config,
                               const char *domain)
{
    if (config->host_name[0] != '\0' &&
        mm_idn_is_same(config->host_name, domain)) {
        return true;
    }
    for (size_t i = 0; i < config->local.domains.count; i++) {
        if (mm_idn_is_same(config->local.domains.items[i], domain)) {
            return true;
        }
    }
    return false;
}
