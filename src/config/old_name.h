/* thread: any
 * old_name.h - the settings of the original engine by their names there, and
 * what became of each: one of our keys, a part of one, a thing that cannot be
 * switched, or nothing. */
#ifndef MM_CONFIG_OLD_NAME_H
#define MM_CONFIG_OLD_NAME_H

#include "config/config.h"

enum mm_config_old_kind {
    MM_CONFIG_OLD_SAME,      /* the key by another name */
    MM_CONFIG_OLD_PORT,      /* of the addresses of a listener */
    MM_CONFIG_OLD_BIND,      /* the address of a listener */
    MM_CONFIG_OLD_IPV6,      /* a flag: the listener on IPv6 as well */
    MM_CONFIG_OLD_CLOSED,    /* a flag: no listener */
    MM_CONFIG_OLD_V4,        /* the IPv4 part of a list of networks */
    MM_CONFIG_OLD_V6,        /* the IPv6 part */
    MM_CONFIG_OLD_TLS_MAY,   /* a flag of a choice of TLS */
    MM_CONFIG_OLD_TLS_MUST,  /* another one */
    MM_CONFIG_OLD_SMARTHOST, /* its host, by that engine's manners */
    MM_CONFIG_OLD_DETAIL,    /* a flag: the log level debug */
    MM_CONFIG_OLD_SILENT,    /* a flag: the log level error */
    MM_CONFIG_OLD_ALWAYS,    /* a flag that is always set */
    MM_CONFIG_OLD_NEVER,     /* a flag that is never set */
    MM_CONFIG_OLD_GONE_FLAG, /* not supported; unset is all right */
    MM_CONFIG_OLD_GONE       /* not supported */
};

struct mm_config_old_name {
    const char *name;
    enum mm_config_old_kind kind;
    const char *key;   /* what it changes, or NULL */
    const char *words; /* for docs/config.md; for what is not supported, why */
};
const struct mm_config_old_name *mm_config_old_names(size_t *count_out);

/* A name as somebody wrote it: "nosmtptls" is smtptls with a "no". */
struct mm_config_old {
    const struct mm_config_old_name *row;
    bool is_off; /* with "no" in front */
};
bool mm_config_find_old(const char *name, struct mm_config_old *old_out);

/* What the text of its value is like: BOOL, INT or the like, in the row of a
 * key; its `type` and `form` alone count. */
const struct mm_config_key *mm_config_old_type(const struct mm_config_old *old);
/* Settings change as a whole or not at all. ARGUMENT with words (may be NULL).
 */
MM_CHECK enum mailmod_error mm_config_old_set(const struct mm_config_old *old,
                                              struct mm_span text,
                                              struct mm_config *config,
                                              struct mm_buf *mistake_out);
/* In a form that _set reads: "1", "2525", "192.0.2.0/24". UNKNOWN_NAME for what
 * is not supported. */
MM_CHECK enum mailmod_error mm_config_old_get(const struct mm_config_old *old,
                                              const struct mm_config *config,
                                              struct mm_buf *out);
/* ARGUMENT when it is none. */
MM_CHECK enum mailmod_error
mm_config_old_number(const struct mm_config_old *old,
                     const struct mm_config *config, uint64_t *value_out);

#endif
