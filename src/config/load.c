/* load.c - a file onto a builder, in libconfig's syntax or the original
 * engine's.
 *
 * Every mistake is found in one pass and told with file, line and key; an
 * unknown key and a value of the wrong type are mistakes, and so is a key that
 * is set twice, under two names too. A value is never repeated when its key is
 * a secret, and a file that sets one must be its owner's alone where the
 * builder has a guard. The builder changes only when all is well: the file is
 * read onto a copy.
 * Thread: the builder's owner. */
#include "config/load.h"

#include "base/mem.h"
#include "config/old_name.h"

#define MISTAKES_MAX 50

void mm_config_load_note(struct mm_config_load *load, size_t line,
                         const char *name, const char *words)
{
    load->mistake_count++;
    if (load->mistakes == NULL || load->mistake_count > MISTAKES_MAX) {
        return;
    }
    if (load->mistake_count == MISTAKES_MAX) {
        (void)mm_buf_append_cstr(load->mistakes, "there are more mistakes\n");
        return;
    }
    const char *file;
    size_t file_line;
    mm_config_source_locate(&load->source, line, &file, &file_line);
    (void)mm_buf_appendf(load->mistakes, "%s:%zu: %s%s%s\n", file, file_line,
                         name, name[0] == '\0' ? "" : ": ", words);
}

int mm_config_load_turn(const char *name)
{
    struct mm_config_old old;
    if (!mm_config_find_old(name, &old)) {
        return 2;
    }
    return old.row->kind == MM_CONFIG_OLD_CLOSED ? 1 : 0;
}

/* Several old names may each say a part of one key. */
static bool is_first(struct mm_config_load *load, const char *name)
{
    const struct mm_config_key *key = mm_config_find_key(name);
    struct mm_config_old old;
    bool is_old = mm_config_find_old(name, &old);
    bool is_part = is_old && old.row->kind != MM_CONFIG_OLD_SAME;
    bool is_first = true;
    size_t count;
    if (is_old) {
        bool *is_set = &load->is_old_set[old.row - mm_config_old_names(&count)];
        is_first = !*is_set;
        *is_set = true;
    }
    if (key != NULL) {
        size_t row = (size_t)(key - mm_config_keys(&count));
        is_first = is_first && !load->is_set[row] &&
                   (is_part || !load->is_partly[row]);
        load->is_set[row] = load->is_set[row] || !is_part;
        load->is_partly[row] = load->is_partly[row] || is_part;
    }
    return is_first;
}

bool mm_config_load_may_set(struct mm_config_load *load, size_t line,
                            const char *name)
{
    struct mm_config_old old;
    if (mm_config_find_old(name, &old) && !old.is_off &&
        old.row->kind == MM_CONFIG_OLD_GONE) {
        /* Whatever its value is, and whatever its type. */
        mm_config_load_set(load, line, name, "");
        return false;
    }
    if (mm_config_find_key(name) == NULL && !mm_config_find_old(name, &old)) {
        mm_config_load_note(load, line, name, "there is no such key");
        return false;
    }
    if (!is_first(load, name)) {
        mm_config_load_note(load, line, name, "is set for a second time");
        return false;
    }
    return true;
}

/* Who may read the file that the secret stands in? */
static void check_exposure(struct mm_config_load *load, size_t line,
                           const char *name)
{
    const char *file;
    size_t file_line;
    mm_config_source_locate(&load->source, line, &file, &file_line);
    if (load->is_exposed != NULL && load->is_exposed(file)) {
        mm_config_load_note(
            load, line, name,
            "others than the owner can read this file (chmod 600)");
    }
}

void mm_config_load_set(struct mm_config_load *load, size_t line,
                        const char *name, const char *value)
{
    const struct mm_config_key *key = mm_config_find_key(name);
    struct mm_buf words;
    mm_buf_init(&words, 1024);
    enum mailmod_error error =
        mm_config_set(load->builder, name, value, &words);
    const char *told = mm_buf_cstr(&words);
    if (error == MAILMOD_ERROR_MEMORY || told == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
    } else if (error != MAILMOD_OK) {
        mm_config_load_note(load, line, name, told);
    } else if (key != NULL && key->type == MM_CONFIG_SECRET &&
               value[0] != '\0') {
        check_exposure(load, line, name);
    }
    mm_buf_fini(&words);
}

static void read_source(struct mm_config_load *load, const char *file)
{
    struct mm_buf mistake;
    mm_buf_init(&mistake, 16384);
    enum mailmod_error error =
        mm_config_source_read(&load->source, file, &mistake);
    if (error == MAILMOD_OK) {
        if (load->source.is_old) {
            mm_config_load_old(load);
        } else {
            mm_config_load_libconfig(load);
        }
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
    struct mm_config_load *load = mm_alloc(sizeof *load);
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
