/* thread: any (the owner's)
 * builder.h - the builder from inside, for load.c, which works on a copy. */
#ifndef MM_CONFIG_BUILDER_H
#define MM_CONFIG_BUILDER_H

#include "config/config.h"

struct mm_config_builder {
    struct mm_config config; /* every text and list is there, "" or empty */
    bool (*is_exposed)(const char *file); /* NULL: nobody asks */
};

/* Changes the settings of two builders with each other; cannot fail. */
void mm_config_builder_swap(struct mm_config_builder *a,
                            struct mm_config_builder *b);

#endif
