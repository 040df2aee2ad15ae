/* thread: any
 * list.h - the values that are lists; `field` is where the list lies. */
#ifndef MM_CONFIG_LIST_H
#define MM_CONFIG_LIST_H

#include "config/config.h"

/* ARGUMENT with words in `mistake_out` (may be NULL), MEMORY. */
MM_CHECK enum mailmod_error
mm_config_list_parse(const struct mm_config_key *key, struct mm_span text,
                     void *field, struct mm_buf *mistake_out);
MM_CHECK enum mailmod_error
mm_config_list_format(const struct mm_config_key *key, const void *field,
                      struct mm_buf *out);
void mm_config_list_fini(const struct mm_config_key *key, void *field);

#endif
