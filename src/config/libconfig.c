/* libconfig.c - a text in libconfig's syntax onto a builder.
 *
 * Groups become the parts of dotted names: smtp: { recipients_max = 100; } is
 * smtp.recipients_max. A value of the wrong type is a mistake even where its
 * text would do.
 * Thread: the builder's owner. */
#include "config/load.h"
#include "config/old_name.h"

#include "base/mem.h"

#include <libconfig.h>

#define NAME_MAX_SIZE 128
#define VALUE_MAX_SIZE (256 * 1024)

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

static void note_setting(struct mm_config_load *load,
                         const config_setting_t *setting, const char *name,
                         const char *words)
{
    mm_config_load_note(load, config_setting_source_line(setting), name, words);
}

static void visit_value(struct mm_config_load *load,
                        const config_setting_t *setting, const char *name)
{
    unsigned line = config_setting_source_line(setting);
    if (!mm_config_load_may_set(load, line, name)) {
        return;
    }
    struct mm_config_old old;
    const struct mm_config_key *row = mm_config_find_old(name, &old)
                                          ? mm_config_old_type(&old)
                                          : mm_config_find_key(name);
    struct mm_buf text;
    mm_buf_init(&text, VALUE_MAX_SIZE);
    enum mailmod_error error = value_text(row, setting, &text);
    const char *value = mm_buf_cstr(&text);
    if (error == MAILMOD_ERROR_ARGUMENT) {
        mm_config_load_note(load, line, name, wanted(row));
    } else if (error == MAILMOD_ERROR_LIMIT) {
        mm_config_load_note(load, line, name, "is too long");
    } else if (error != MAILMOD_OK || value == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
    } else {
        mm_config_load_set(load, line, name, value);
    }
    if (text.data != NULL) {
        mm_secret_clear(text.data, text.capacity);
    }
    mm_buf_fini(&text);
}

static void visit_group(struct mm_config_load *load,
                        const config_setting_t *group, const char *prefix);

/* One setting of a group, or a group of the file's, in its turn. */
static void visit(struct mm_config_load *load, const config_setting_t *setting,
                  const char *prefix, int turn)
{
    struct mm_buf name;
    mm_buf_init(&name, NAME_MAX_SIZE);
    (void)mm_buf_append_cstr(&name, prefix);
    (void)mm_buf_append_cstr(&name, prefix[0] == '\0' ? "" : ".");
    (void)mm_buf_append_cstr(&name, config_setting_name(setting));
    const char *text = mm_buf_cstr(&name);
    bool is_now = turn == MM_CONFIG_LOAD_TURNS - 1;
    if (mm_buf_error(&name) == MAILMOD_ERROR_LIMIT) {
        if (is_now) {
            note_setting(load, setting, "", "the name is too long");
        }
    } else if (text == NULL || mm_buf_error(&name) != MAILMOD_OK) {
        load->error = MAILMOD_ERROR_MEMORY;
    } else if (!config_setting_is_group(setting)) {
        if (mm_config_load_turn(text) == turn) {
            visit_value(load, setting, text);
        }
    } else if (is_now && prefix[0] == '\0') {
        visit_group(load, setting, text);
    } else if (is_now) {
        note_setting(load, setting, text, "there is no such group");
    }
    mm_buf_fini(&name);
}

/* A group of settings, "" being the file itself; groups hold values only, so
 * that nothing nests deeper than a dotted name. */
static void visit_group(struct mm_config_load *load,
                        const config_setting_t *group, const char *prefix)
{
    int count = config_setting_length(group);
    int first = prefix[0] == '\0' ? 0 : MM_CONFIG_LOAD_TURNS - 1;
    for (int turn = first; turn < MM_CONFIG_LOAD_TURNS; turn++) {
        for (int i = 0; i < count && load->error == MAILMOD_OK; i++) {
            visit(load, config_setting_get_elem(group, (unsigned)i), prefix,
                  turn);
        }
    }
}

void mm_config_load_libconfig(struct mm_config_load *load)
{
    const char *text = mm_buf_cstr(&load->source.text);
    if (text == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
        return;
    }
    config_t config;
    config_init(&config);
    if (config_read_string(&config, text) == CONFIG_TRUE) {
        visit_group(load, config_root_setting(&config), "");
    } else {
        int line = config_error_line(&config);
        mm_config_load_note(load, line < 1 ? 1 : (size_t)line, "",
                            config_error_text(&config));
    }
    config_destroy(&config);
}
