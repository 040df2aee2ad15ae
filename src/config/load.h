/* thread: any (the builder's owner)
 * load.h - a file on its way onto a builder, for the syntaxes. */
#ifndef MM_CONFIG_LOAD_H
#define MM_CONFIG_LOAD_H

#include "config/builder.h"
#include "config/note.h"
#include "config/source.h"

/* More than fifty times what the schema has; each is looked up. */
enum { MM_CONFIG_LOAD_SETTINGS_MAX = 10000 };
enum { MM_CONFIG_LOAD_ROWS_MAX = 512 };

/* How a value is written; of a list, how its items are. 0: the syntax has one
 * way for all. */
enum {
    MM_CONFIG_AS_TEXT = 1,   /* "text" */
    MM_CONFIG_AS_NUMBER = 2, /* 10 */
    MM_CONFIG_AS_FLAG = 4,   /* true */
    MM_CONFIG_AS_OTHER = 8,  /* 1.5, a list in a list */
    MM_CONFIG_AS_LIST = 16   /* [ ], ( ) */
};

struct mm_config_setting {
    size_t line; /* of the whole text */
    unsigned form;
    char *name;  /* dotted */
    char *value; /* as mm_config_set takes it; may be a secret */
};

struct mm_config_load {
    struct mm_config_builder *builder; /* the copy */
    struct mm_config_source source;
    struct mm_config_notes notes;
    struct mm_config_setting *settings;
    size_t setting_count;
    size_t setting_capacity;
    bool (*is_exposed)(const char *file);
    bool is_set[MM_CONFIG_LOAD_ROWS_MAX];     /* by row of the schema: whole */
    bool is_partly[MM_CONFIG_LOAD_ROWS_MAX];  /* by another name */
    bool is_old_set[MM_CONFIG_LOAD_ROWS_MAX]; /* by row of those names */
    bool is_full;                             /* there were too many settings */
    enum mailmod_error error;                 /* MEMORY: go no further */
};

/* A mistake. */
void mm_config_load_note(struct mm_config_load *load, size_t line,
                         const char *name, const char *words);
/* Nothing more need be read. */
bool mm_config_load_is_over(const struct mm_config_load *load);
/* One setting that was read; it is judged when all are. */
void mm_config_load_add(struct mm_config_load *load, size_t line,
                        struct mm_span name, unsigned form,
                        struct mm_span value);

/* syntax.c: what load->source.text holds in our own syntax. */
void mm_config_load_text(struct mm_config_load *load);

#endif
