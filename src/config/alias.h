/* thread: any
 * alias.h - old names that need a conversion, such as a port for a listener.
 */
#ifndef MM_CONFIG_ALIAS_H
#define MM_CONFIG_ALIAS_H

#include "config/config.h"

enum mm_config_alias_kind {
    MM_CONFIG_ALIAS_PORT, /* a port number; the listener on all of IPv4 */
    MM_CONFIG_ALIAS_MAY,  /* a flag: may or off */
    MM_CONFIG_ALIAS_MUST  /* a flag: must or may */
};

struct mm_config_alias {
    const char *name;
    const char *key;
    enum mm_config_alias_kind kind;
};

const struct mm_config_alias *mm_config_find_alias(const char *name);
const struct mm_config_alias *mm_config_aliases(size_t *count_out);
/* The key's text for the alias's; ARGUMENT with words. */
MM_CHECK enum mailmod_error
mm_config_alias_convert(const struct mm_config_alias *alias,
                        struct mm_span text, struct mm_buf *text_out,
                        struct mm_buf *mistake_out);
/* The alias's value in a snapshot, a port or a flag. */
uint64_t mm_config_alias_number(const struct mm_config_alias *alias,
                                const struct mm_config *config);

#endif
