/* thread: any (the builder's owner)
 * load.h - a file on its way onto a builder, for the two syntaxes. */
#ifndef MM_CONFIG_LOAD_H
#define MM_CONFIG_LOAD_H

#include "config/builder.h"
#include "config/source.h"

enum {
    MM_CONFIG_LOAD_KEYS_MAX = 256,
    MM_CONFIG_LOAD_OLD_MAX = 128,
    /* Values are set in this many turns, see mm_config_load_turn. */
    MM_CONFIG_LOAD_TURNS = 3
};

struct mm_config_load {
    struct mm_config_builder *builder; /* the copy */
    struct mm_config_source source;
    bool (*is_exposed)(const char *file);
    struct mm_buf *mistakes;
    unsigned mistake_count;
    bool is_set[MM_CONFIG_LOAD_KEYS_MAX];    /* whole, by row of the schema */
    bool is_partly[MM_CONFIG_LOAD_KEYS_MAX]; /* by an old name */
    bool is_old_set[MM_CONFIG_LOAD_OLD_MAX]; /* by row of the old names */
    enum mailmod_error error;                /* MEMORY: go no further */
};

/* "file:line: name: words" */
void mm_config_load_note(struct mm_config_load *load, size_t line,
                         const char *name, const char *words);
/* In which turn a name is set, so that a file means the same in any order: old
 * names (0), those that close a listener (1), our own keys (2). */
int mm_config_load_turn(const char *name);
/* Is there such a name, and is it set for the first time? Notes it if not. */
bool mm_config_load_may_set(struct mm_config_load *load, size_t line,
                            const char *name);
/* After mm_config_load_may_set; notes what is wrong with the value. */
void mm_config_load_set(struct mm_config_load *load, size_t line,
                        const char *name, const char *value);

/* libconfig.c: what source.text holds. */
void mm_config_load_libconfig(struct mm_config_load *load);
/* old_file.c: the same in the original engine's syntax. */
void mm_config_load_old(struct mm_config_load *load);

#endif
