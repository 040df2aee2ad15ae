/* thread: any (the owner's)
 * builder.h - the builder from inside, for load.c, which works on a copy. */
#ifndef MM_CONFIG_BUILDER_H
#define MM_CONFIG_BUILDER_H

#include "config/config.h"

#define MM_CONFIG_KEYS_MAX 256

struct mm_config_builder {
    struct mm_config config; /* every text and list is there, "" or empty */
    bool (*is_exposed)(const char *file); /* NULL: nobody asks */
    /* By row of the schema: has somebody set it, and where ("file:line: ",
     * NULL when not by a file)? */
    bool is_set[MM_CONFIG_KEYS_MAX];
    char *places[MM_CONFIG_KEYS_MAX];
};

bool mm_config_is_set(const struct mm_config_builder *builder,
                      const struct mm_config_key *key);
/* After a set: the key's place is a line of a file. */
MM_CHECK enum mailmod_error
mm_config_set_place(struct mm_config_builder *builder,
                    const struct mm_config_key *key, const char *file,
                    size_t line);

/* Another builder with the same settings and places. */
MM_CHECK enum mailmod_error
mm_config_builder_copy(struct mm_config_builder **copy_out,
                       const struct mm_config_builder *builder);
/* Changes the settings of two builders with each other; cannot fail. */
void mm_config_builder_swap(struct mm_config_builder *a,
                            struct mm_config_builder *b);

#endif
