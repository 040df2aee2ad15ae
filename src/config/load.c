/* load.c - a file onto a builder, in our own syntax or the original engine's.
 *
 * A reader of the syntax hands over every setting, then they are judged here.
 * Every mistake is found in one pass and told with file, line and key; an
 * unknown key and a value of the wrong type are mistakes, and so is a key that
 * is set twice, under two names too. What the original engine had and there is
 * not here is a warning, so that its files load. A value is never repeated when
 * its key is a secret, and a file that sets one must be its owner's alone where
 * the builder has a guard. The builder changes only when all is well: the file
 * is read onto a copy.
 * Thread: the builder's owner. */
#include "config/load.h"

#include "base/mem.h"
#include "config/smallsrv/smallsrv.h"
#include "config/value.h"

#include <string.h>

/* Values are set in turns, so that a file means the same in any order: other
 * names for our keys, those of them that close a listener, our own keys. */
enum turn { ALIASES, LATE_ALIASES, KEYS, TURN_COUNT };

enum { WORDS_MAX = 1024 };

/* A setting and what its name means. */
struct named {
    const struct mm_config_setting *setting;
    const struct mm_config_key *key; /* NULL: it changes none */
    struct mm_config_alias alias;
    bool is_alias;
};

void mm_config_load_note(struct mm_config_load *load, size_t line,
                         const char *name, const char *words)
{
    mm_config_notes_add(&load->notes, MM_CONFIG_MISTAKE, line, name, words);
}

/* ---- the settings as they were read ---- */

static void free_setting(struct mm_config_setting *setting)
{
    if (setting->value != NULL) {
        mm_secret_clear(setting->value, strlen(setting->value));
    }
    mm_free(setting->value);
    mm_free(setting->name);
}

bool mm_config_load_is_over(const struct mm_config_load *load)
{
    return load->is_full || load->error != MAILMOD_OK;
}

void mm_config_load_add(struct mm_config_load *load, size_t line,
                        struct mm_span name, unsigned form,
                        struct mm_span value)
{
    if (load->setting_count == MM_CONFIG_LOAD_SETTINGS_MAX) {
        mm_config_load_note(load, line, "", "there are too many settings");
        load->is_full = true;
        return;
    }
    struct mm_config_setting *settings =
        mm_array_grow(load->settings, load->setting_count,
                      &load->setting_capacity, sizeof *settings);
    if (settings == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
        return;
    }
    load->settings = settings;
    struct mm_config_setting setting = {
        .line = line,
        .form = form,
        .name = mm_memdup0(name.data, name.size),
        .value = mm_memdup0(value.data, value.size)};
    if (setting.name == NULL || setting.value == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
        free_setting(&setting);
        return;
    }
    load->settings[load->setting_count++] = setting;
}

/* ---- how a value must be written ---- */

static bool is_list(const struct mm_config_key *key)
{
    switch (key->type) {
    case MM_CONFIG_TEXT_LIST:
    case MM_CONFIG_ADDRESS_LIST:
    case MM_CONFIG_RANGE_LIST:
    case MM_CONFIG_STEP_LIST:
        return true;
    default:
        return key->form == MM_CONFIG_FORM_SERVERS ||
               mm_config_form_has_lines(key->form);
    }
}

static unsigned forms_of(const struct mm_config_key *key)
{
    switch (key->type) {
    case MM_CONFIG_BOOL:
        return MM_CONFIG_AS_FLAG;
    case MM_CONFIG_INT:
        return MM_CONFIG_AS_NUMBER;
    case MM_CONFIG_SIZE:
    case MM_CONFIG_DURATION:
    case MM_CONFIG_STEP_LIST:
        return MM_CONFIG_AS_NUMBER | MM_CONFIG_AS_TEXT;
    default:
        return MM_CONFIG_AS_TEXT;
    }
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

static bool has_form(const struct named *named)
{
    const struct mm_config_key *type =
        named->is_alias ? mm_smallsrv()->type_of(&named->alias) : named->key;
    unsigned form = named->setting->form;
    unsigned allowed =
        forms_of(type) | (is_list(type) ? (unsigned)MM_CONFIG_AS_LIST : 0);
    return (form & ~allowed) == 0;
}

/* ---- judged, and set ---- */

static struct named name_of(const struct mm_config_setting *setting)
{
    struct named named = {.setting = setting,
                          .key = mm_config_find_key(setting->name)};
    named.is_alias = mm_smallsrv()->find(setting->name, &named.alias);
    return named;
}

static enum turn turn_of(const struct named *named)
{
    if (!named->is_alias) {
        return KEYS;
    }
    return named->alias.is_late ? LATE_ALIASES : ALIASES;
}

/* Several other names may each say a part of one key. */
static bool is_first(struct mm_config_load *load, const struct named *named)
{
    bool is_part = named->is_alias && named->alias.is_part;
    bool is_first = true;
    if (named->is_alias) {
        bool *is_set = &load->is_old_set[named->alias.row];
        is_first = !*is_set || named->alias.is_repeated;
        *is_set = true;
    }
    if (named->key != NULL) {
        size_t count;
        size_t row = (size_t)(named->key - mm_config_keys(&count));
        is_first = is_first && !load->is_set[row] &&
                   (is_part || !load->is_partly[row]);
        load->is_set[row] = load->is_set[row] || !is_part;
        load->is_partly[row] = load->is_partly[row] || is_part;
    }
    return is_first;
}

/* Who may read the file that the secret stands in? */
static void check_exposure(struct mm_config_load *load,
                           const struct named *named)
{
    const struct mm_config_setting *setting = named->setting;
    const char *file;
    size_t file_line;
    mm_config_source_locate(&load->source, setting->line, &file, &file_line);
    if (named->key->type == MM_CONFIG_SECRET && setting->value[0] != '\0' &&
        load->is_exposed != NULL && load->is_exposed(file)) {
        /* Files of the original engine are open more often than not. */
        mm_config_notes_add(
            &load->notes,
            named->is_alias ? MM_CONFIG_WARNING : MM_CONFIG_MISTAKE,
            setting->line, setting->name,
            "others than the owner can read this file (chmod 600)");
    }
}

static void note_place(struct mm_config_load *load, const struct named *named)
{
    const char *file;
    size_t file_line;
    mm_config_source_locate(&load->source, named->setting->line, &file,
                            &file_line);
    if (mm_config_set_place(load->builder, named->key, file, file_line) !=
        MAILMOD_OK) {
        load->error = MAILMOD_ERROR_MEMORY;
    }
}

static void set(struct mm_config_load *load, const struct named *named)
{
    const struct mm_config_setting *setting = named->setting;
    struct mm_buf words;
    mm_buf_init(&words, WORDS_MAX);
    enum mailmod_error error =
        mm_config_set(load->builder, setting->name, setting->value, &words);
    const char *told = mm_buf_cstr(&words);
    if (error == MAILMOD_ERROR_MEMORY || told == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
    } else if (error != MAILMOD_OK) {
        bool is_gone = named->is_alias && named->alias.unsupported != NULL;
        mm_config_notes_add(&load->notes,
                            is_gone ? MM_CONFIG_WARNING : MM_CONFIG_MISTAKE,
                            setting->line, setting->name, told);
    } else {
        if (told[0] != '\0') {
            mm_config_notes_add(&load->notes, MM_CONFIG_WARNING, setting->line,
                                setting->name, told);
        }
        if (named->key != NULL) {
            note_place(load, named);
            check_exposure(load, named);
        }
    }
    mm_buf_fini(&words);
}

static void note_unknown(struct mm_config_load *load,
                         const struct mm_config_setting *setting)
{
    if (load->source.dialect != NULL) {
        /* That engine is a web server, too, and more. */
        mm_config_notes_add(&load->notes, MM_CONFIG_WARNING, setting->line,
                            setting->name,
                            "not supported by mailmod; there is no such "
                            "setting of mail");
        return;
    }
    struct mm_buf words;
    mm_buf_init(&words, WORDS_MAX);
    mm_config_say_unknown(setting->name, &words);
    const char *text = mm_buf_cstr(&words);
    mm_config_load_note(load, setting->line, setting->name,
                        text != NULL ? text : "there is no such key");
    mm_buf_fini(&words);
}

static void judge(struct mm_config_load *load, const struct named *named)
{
    const struct mm_config_setting *setting = named->setting;
    if (named->key == NULL && !named->is_alias) {
        note_unknown(load, setting);
    } else if (named->is_alias && named->alias.unsupported != NULL) {
        /* Whatever its value is, how it is written, and how often. */
        set(load, named);
    } else if (!is_first(load, named)) {
        mm_config_load_note(load, setting->line, setting->name,
                            "is set for a second time");
    } else if (!has_form(named)) {
        mm_config_load_note(load, setting->line, setting->name,
                            wanted(named->is_alias
                                       ? mm_smallsrv()->type_of(&named->alias)
                                       : named->key));
    } else {
        set(load, named);
    }
}

static void judge_all(struct mm_config_load *load)
{
    for (int turn = 0; turn < TURN_COUNT; turn++) {
        for (size_t i = 0; i < load->setting_count && load->error == MAILMOD_OK;
             i++) {
            struct named named = name_of(&load->settings[i]);
            if (turn_of(&named) == (enum turn)turn) {
                judge(load, &named);
            }
        }
    }
}

static enum mailmod_error read_file(struct mm_config_load *load,
                                    const char *file)
{
    load->error = mm_config_source_read(&load->source, file, &load->notes);
    if (load->error == MAILMOD_OK && !load->source.is_full) {
        if (load->source.dialect != NULL) {
            load->source.dialect->read(load);
        } else {
            mm_config_load_text(load);
        }
    }
    if (load->error == MAILMOD_OK) {
        judge_all(load);
    }
    return load->error;
}

static enum mailmod_error finish(struct mm_config_load *load,
                                 struct mm_buf *mistakes_out,
                                 struct mm_buf *warnings_out)
{
    enum mailmod_error error = mm_config_notes_write(
        &load->notes, MM_CONFIG_MISTAKE, &load->source, mistakes_out);
    if (error == MAILMOD_OK) {
        error = mm_config_notes_write(&load->notes, MM_CONFIG_WARNING,
                                      &load->source, warnings_out);
    }
    if (error == MAILMOD_OK && load->source.unread != MAILMOD_OK) {
        return load->source.unread;
    }
    return error == MAILMOD_OK && load->notes.counts[MM_CONFIG_MISTAKE] > 0
               ? MAILMOD_ERROR_CONFIG
               : error;
}

static void free_load(struct mm_config_load *load)
{
    for (size_t i = 0; i < load->setting_count; i++) {
        free_setting(&load->settings[i]);
    }
    mm_free(load->settings);
    mm_config_notes_fini(&load->notes);
    mm_config_source_fini(&load->source);
    mm_config_builder_free(&load->builder);
    mm_free(load);
}

enum mailmod_error mm_config_load(struct mm_config_builder *builder,
                                  const char *file, struct mm_buf *mistakes_out,
                                  struct mm_buf *warnings_out)
{
    struct mm_config_load *load = mm_alloc(sizeof *load);
    if (load == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    load->is_exposed = builder->is_exposed;
    mm_config_source_init(&load->source);
    enum mailmod_error error = mm_config_builder_copy(&load->builder, builder);
    if (error == MAILMOD_OK) {
        error = read_file(load, file);
    }
    if (error == MAILMOD_OK) {
        error = finish(load, mistakes_out, warnings_out);
    }
    if (error == MAILMOD_OK) {
        mm_config_builder_swap(builder, load->builder);
    }
    free_load(load);
    return error;
}
