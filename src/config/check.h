/* thread: any
 * check.h - what no single key can show. */
#ifndef MM_CONFIG_CHECK_H
#define MM_CONFIG_CHECK_H

#include "config/config.h"

/* CONFIG and one mistake a line "key: what is wrong". */
MM_CHECK enum mailmod_error mm_config_check(const struct mm_config *config,
                                            struct mm_buf *mistakes_out);

#endif
