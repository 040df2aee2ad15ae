/* thread: any (the builder's owner)
 * dialect.h - another way to write a configuration: a syntax of files, and
 * names for our settings. */
#ifndef MM_CONFIG_DIALECT_H
#define MM_CONFIG_DIALECT_H

#include "config/config.h"

struct mm_config_load;

/* What became of a name of the dialect, as somebody wrote it. */
struct mm_config_alias {
    size_t row;       /* in the dialect's table of names */
    bool is_off;      /* with "no" in front, which switches it off */
    const char *key;  /* ours that it changes, or NULL */
    bool is_part;     /* it says a part of the key, or of several */
    bool is_late;     /* counts after the names that are not */
    bool is_repeated; /* each time it says one more */
    /* Why there is no such thing here, or NULL. Switched off it is no
     * mistake. */
    const char *unsupported;
};

struct mm_config_dialect {
    /* The syntax: is a file with this text in it? Is the line an include (the
     * name may be empty)? All settings of load->source, to
     * mm_config_load_add. */
    bool (*is_written_in)(struct mm_span text);
    bool (*find_include)(struct mm_span line, struct mm_span *name_out);
    void (*read)(struct mm_config_load *load);

    bool (*find)(const char *name, struct mm_config_alias *alias_out);
    /* What the text of its value is like: BOOL, INT or the like, in the row of
     * a key; its `type` and `form` alone count. */
    const struct mm_config_key *(*type_of)(const struct mm_config_alias *alias);
    /* Settings change as a whole or not at all. ARGUMENT with words (may be
     * NULL), MEMORY. Words with an OK are a warning. */
    enum mailmod_error (*set)(const struct mm_config_alias *alias,
                              struct mm_span text, struct mm_config *config,
                              struct mm_buf *mistake_out);
    /* In a form that `set` reads: "1", "2525", "192.0.2.0/24". UNKNOWN_NAME for
     * what is not supported. */
    enum mailmod_error (*get)(const struct mm_config_alias *alias,
                              const struct mm_config *config,
                              struct mm_buf *out);
    /* ARGUMENT when it is none. */
    enum mailmod_error (*number)(const struct mm_config_alias *alias,
                                 const struct mm_config *config,
                                 uint64_t *value_out);
};

#endif
