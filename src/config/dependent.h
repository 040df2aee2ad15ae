/* thread: any (the builder's owner)
 * dependent.h - settings that must fit another one. */
#ifndef MM_CONFIG_DEPENDENT_H
#define MM_CONFIG_DEPENDENT_H

#include "config/builder.h"

struct mm_config_dependent {
    const char *name;
    const char *limit; /* the key whose value this one must not be above */
    bool is_below;     /* nor equal to: half of it is what follows from it */
};
const struct mm_config_dependent *mm_config_dependents(size_t *count_out);

bool mm_config_dependent_fits(const struct mm_config_dependent *dependent,
                              const struct mm_config *config);
/* Of one that does not fit: "key: what is wrong; what to do". */
MM_CHECK enum mailmod_error
mm_config_dependent_words(const struct mm_config_dependent *dependent,
                          const struct mm_config *config,
                          struct mm_buf *words_out);
/* In `config`, a copy of the builder's: settings that nobody has set are made
 * to fit those they depend on. */
void mm_config_follow(const struct mm_config_builder *builder,
                      struct mm_config *config);

#endif
