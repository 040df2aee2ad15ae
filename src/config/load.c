/* load.c - a file in libconfig's syntax onto a builder.
 *
 * Groups become the parts of dotted names: smtp: { recipients_max = 100; } is
 * smtp.recipients_max. Every mistake is found in one pass and told with file,
 * line and key; an unknown key and a value of the wrong type are mistakes, and
 * so is a key that is set twice under two names. A value is never repeated
 * when its key is a secret, and a file that sets one must be its owner's alone
 * where the builder has a guard. The builder changes only when all is well: the
 * file is read onto a copy.
 * Thread: the builder's owner. */
#include "base/mem.h"
#include "config/alias.h"
#include "config/builder.h"
#include "config/source.h"

#include <libconfig.h>

#define NAME_MAX_SIZE 128
#define VALUE_MAX_SIZE (256 * 1024)
#define KEYS_MAX 256
#define MISTAKES_MAX 50

struct load {
    struct mm_config_builder *builder; /* the copy */
    struct mm_config_source source;
    bool (*is_exposed)(const char *file);
    struct mm_buf *mistakes;
    unsigned mistake_count;
    bool is_set[KEYS_MAX];    /* by row of the schema */
    enum mailmod_error error; /* MEMORY: go no further */
};

static void note(struct load *load, size_t line, const char *name,
                 const char *words)
{
    const char *file;
    size_t file_line;
    load->mistake_count++;
    if (load->mistakes == NULL || load->mistake_count > MISTAKES_MAX) {
        return;
    }
    if (load->mistake_count == MISTAKES_MAX) {
        (void)mm_buf_append_cstr(load->mistakes, "there are more mistakes\n");
        return;
    }
    mm_config_source_locate(&load->source, line, &file, &file_line);
    (void)mm_buf_appendf(load->mistakes, "%s:%zu: %s%s%s\n", file, file_line,
                         name, name[0] == '\0' ? "" : ": ", words);
}

static void note_setting(struct load *load, const config_setting_t *setting,
                         const char *name, const char *words)
{
    note(load, config_setting_source_line(setting), name, words);
}

static bool is_list(const struct mm_config_key *key)
{
    switch (key->type) {
    case MM_CONFIG_TEXT_LIST:
    case MM_CONFIG_ADDRESS_LIST:
    case MM_CONFIG_RANGE_LIST:
    case MM_CONFIG_STEP_LIST:
        return true;
    case MM_CONFIG_TEXT:
        return key->form == MM_CONFIG_FORM_SERVERS;
    default:
        return false;
    }
}

/* Which of libconfig's types a single value of the key may have. */
static bool takes_integer(const struct mm_config_key *key)
{
    return key->type == MM_CONFIG_INT || key->type == MM_CONFIG_SIZE ||
           key->type == MM_CONFIG_DURATION || key->type == MM_CONFIG_STEP_LIST;
}

static bool takes_text(const struct mm_config_key *key)
{
    return key->type != MM_CONFIG_INT && key->type != MM_CONFIG_BOOL;
}

static const char *wanted(const struct mm_config_key *key)
{
    if (is_list(key)) {
        return "must be a text or a list of texts";
    }
    switch (key->type) {
    case MM_CONFIG_BOOL:
        return "must be true or false, without quotes";
    case MM_CONFIG_INT:
        return "must be a number, without quotes";
    case MM_CONFIG_SIZE:
        return "must be a number of octets or a text such as \"50M\"";
    case MM_CONFIG_DURATION:
        return "must be a number of seconds or a text such as \"5m\"";
    default:
        return "must be a text in quotes";
    }
}

/* One libconfig value as text; ARGUMENT when it has the wrong type. */
static enum mailmod_error scalar_text(const struct mm_config_key *key,
                                      const config_setting_t *setting,
                                      struct mm_buf *text)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        if (!takes_text(key)) {
            return MAILMOD_ERROR_ARGUMENT;
        }
        return mm_buf_append_cstr(text, config_setting_get_string(setting));
    case CONFIG_TYPE_INT:
        if (!takes_integer(key)) {
            return MAILMOD_ERROR_ARGUMENT;
        }
        return mm_buf_appendf(text, "%d", config_setting_get_int(setting));
    case CONFIG_TYPE_INT64:
        if (!takes_integer(key)) {
            return MAILMOD_ERROR_ARGUMENT;
        }
        return mm_buf_appendf(text, "%lld", config_setting_get_int64(setting));
    case CONFIG_TYPE_BOOL:
        if (key->type != MM_CONFIG_BOOL) {
            return MAILMOD_ERROR_ARGUMENT;
        }
        return mm_buf_append_cstr(
            text, config_setting_get_bool(setting) ? "true" : "false");
    default:
        return MAILMOD_ERROR_ARGUMENT;
    }
}

static enum mailmod_error list_text(const struct mm_config_key *key,
                                    const config_setting_t *setting,
                                    struct mm_buf *text)
{
    int count = config_setting_length(setting);
    enum mailmod_error error = MAILMOD_OK;
    for (int i = 0; i < count && error == MAILMOD_OK; i++) {
        if (i > 0) {
            error = mm_buf_append_cstr(text, ", ");
        }
        if (error == MAILMOD_OK) {
            error = scalar_text(
                key, config_setting_get_elem(setting, (unsigned)i), text);
        }
    }
    return error;
}

static enum mailmod_error value_text(const struct mm_config_key *key,
                                     const config_setting_t *setting,
                                     struct mm_buf *text)
{
    if (config_setting_is_array(setting) || config_setting_is_list(setting)) {
        return is_list(key) ? list_text(key, setting, text)
                            : MAILMOD_ERROR_ARGUMENT;
    }
    return scalar_text(key, setting, text);
}

/* The row whose type the value must have: an alias's own, else the key's. */
static const struct mm_config_key *type_row(const char *name,
                                            const struct mm_config_key *key)
{
    static const struct mm_config_key port = {.type = MM_CONFIG_INT};
    static const struct mm_config_key flag = {.type = MM_CONFIG_BOOL};
    const struct mm_config_alias *alias = mm_config_find_alias(name);
    if (alias == NULL) {
        return key;
    }
    return alias->kind == MM_CONFIG_ALIAS_PORT ? &port : &flag;
}

/* Who may read the file that the secret stands in? */
static void check_exposure(struct load *load, const config_setting_t *setting,
                           const char *name)
{
    const char *file;
    size_t line;
    mm_config_source_locate(&load->source, config_setting_source_line(setting),
                            &file, &line);
    if (load->is_exposed != NULL && load->is_exposed(file)) {
        note_setting(load, setting, name,
                     "others than the owner can read this file (chmod 600)");
    }
}

static void set_value(struct load *load, const config_setting_t *setting,
                      const char *name, const struct mm_config_key *key)
{
    struct mm_buf text;
    struct mm_buf words;
    const struct mm_config_key *row = type_row(name, key);
    mm_buf_init(&text, VALUE_MAX_SIZE);
    mm_buf_init(&words, 1024);
    enum mailmod_error error = value_text(row, setting, &text);
    if (error == MAILMOD_ERROR_ARGUMENT) {
        (void)mm_buf_append_cstr(&words, wanted(row));
    } else if (error == MAILMOD_ERROR_LIMIT) {
        (void)mm_buf_append_cstr(&words, "is too long");
    }
    const char *value = mm_buf_cstr(&text);
    if (error == MAILMOD_OK && value != NULL) {
        error = mm_config_set(load->builder, name, value, &words);
    }
    const char *told = mm_buf_cstr(&words);
    if (error == MAILMOD_ERROR_MEMORY || value == NULL || told == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
    } else if (error != MAILMOD_OK) {
        note_setting(load, setting, name, told);
    } else if (key->type == MM_CONFIG_SECRET && value[0] != '\0') {
        check_exposure(load, setting, name);
    }
    if (text.data != NULL) {
        mm_secret_clear(text.data, text.capacity);
    }
    mm_buf_fini(&text);
    mm_buf_fini(&words);
}

static void visit_value(struct load *load, const config_setting_t *setting,
                        const char *name)
{
    size_t count;
    const struct mm_config_key *key = mm_config_find_key(name);
    if (key == NULL) {
        note_setting(load, setting, name, "there is no such key");
        return;
    }
    size_t row = (size_t)(key - mm_config_keys(&count));
    if (row < KEYS_MAX && load->is_set[row]) {
        note_setting(load, setting, name, "is set for a second time");
        return;
    }
    if (row < KEYS_MAX) {
        load->is_set[row] = true;
    }
    set_value(load, setting, name, key);
}

/* A group of settings, "" being the file itself; groups hold values only, so
 * that nothing nests deeper than a dotted name. */
static void visit_group(struct load *load, const config_setting_t *group,
                        const char *prefix)
{
    int count = config_setting_length(group);
    for (int i = 0; i < count && load->error == MAILMOD_OK; i++) {
        const config_setting_t *setting =
            config_setting_get_elem(group, (unsigned)i);
        struct mm_buf name;
        mm_buf_init(&name, NAME_MAX_SIZE);
        (void)mm_buf_append_cstr(&name, prefix);
        (void)mm_buf_append_cstr(&name, prefix[0] == '\0' ? "" : ".");
        (void)mm_buf_append_cstr(&name, config_setting_name(setting));
        const char *text = mm_buf_cstr(&name);
        if (mm_buf_error(&name) == MAILMOD_ERROR_LIMIT) {
            note_setting(load, setting, "", "the name is too long");
        } else if (text == NULL || mm_buf_error(&name) != MAILMOD_OK) {
            load->error = MAILMOD_ERROR_MEMORY;
        } else if (!config_setting_is_group(setting)) {
            visit_value(load, setting, text);
        } else if (prefix[0] == '\0') {
            visit_group(load, setting, text);
        } else {
            note_setting(load, setting, text, "there is no such group");
        }
        mm_buf_fini(&name);
    }
}

static void parse(struct load *load)
{
    config_t config;
    const char *text = mm_buf_cstr(&load->source.text);
    if (text == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
        return;
    }
    config_init(&config);
    if (config_read_string(&config, text) == CONFIG_TRUE) {
        visit_group(load, config_root_setting(&config), "");
    } else {
        int line = config_error_line(&config);
        note(load, line < 1 ? 1 : (size_t)line, "", config_error_text(&config));
    }
    config_destroy(&config);
}

static void read_source(struct load *load, const char *file)
{
    struct mm_buf mistake;
    mm_buf_init(&mistake, 16384);
    enum mailmod_error error =
        mm_config_source_read(&load->source, file, &mistake);
    if (error == MAILMOD_OK) {
        parse(load);
    } else if (error == MAILMOD_ERROR_CONFIG) {
        load->mistake_count++;
        if (load->mistakes != NULL) {
            (void)mm_buf_append_span(load->mistakes, mm_buf_span(&mistake));
            (void)mm_buf_append_char(load->mistakes, '\n');
        }
    } else {
        load->error = error;
    }
    mm_buf_fini(&mistake);
}

enum mailmod_error mm_config_load(struct mm_config_builder *builder,
                                  const char *file, struct mm_buf *mistakes_out)
{
    struct load *load = mm_alloc(sizeof *load);
    if (load == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    load->mistakes = mistakes_out;
    load->is_exposed = builder->is_exposed;
    mm_config_source_init(&load->source);
    load->error = mm_config_builder_from(&load->builder, &builder->config);
    if (load->error == MAILMOD_OK) {
        read_source(load, file);
    }
    enum mailmod_error error = load->error;
    if (error == MAILMOD_OK && load->mistake_count > 0) {
        error = MAILMOD_ERROR_CONFIG;
    }
    if (error == MAILMOD_OK) {
        mm_config_builder_swap(builder, load->builder);
    }
    mm_config_source_fini(&load->source);
    mm_config_builder_free(&load->builder);
    mm_free(load);
    return error;
}
