/* thread: any
 * check.h - what no single key can show. */
#ifndef MM_CONFIG_CHECK_H
#define MM_CONFIG_CHECK_H

#include "config/config.h"

/* CONFIG and one mistake a line "file:line: key: what is wrong", without a
 * place where the key was not set by a file; `builder` knows the places. */
MM_CHECK enum mailmod_error
mm_config_check(const struct mm_config_builder *builder,
                const struct mm_config *config, struct mm_buf *mistakes_out);

#endif
