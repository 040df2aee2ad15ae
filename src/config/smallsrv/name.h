/* thread: any
 * name.h - the settings of the original engine by their names there, and what
 * became of each: one of our keys, a part of one, a thing that cannot be
 * switched, or nothing. */
#ifndef MM_CONFIG_SMALLSRV_NAME_H
#define MM_CONFIG_SMALLSRV_NAME_H

#include "config/dialect.h"

enum mm_smallsrv_kind {
    MM_SMALLSRV_SAME,      /* the key by another name */
    MM_SMALLSRV_PORT,      /* of the addresses of a listener */
    MM_SMALLSRV_BIND,      /* the address of a listener */
    MM_SMALLSRV_IPV6,      /* a flag: the listener on IPv6 as well */
    MM_SMALLSRV_CLOSED,    /* a flag: no listener */
    MM_SMALLSRV_V4,        /* the IPv4 part of a list of networks */
    MM_SMALLSRV_V6,        /* the IPv6 part */
    MM_SMALLSRV_TLS_MAY,   /* a flag of a choice of TLS */
    MM_SMALLSRV_TLS_MUST,  /* another one */
    MM_SMALLSRV_SMARTHOST, /* its host, by that engine's manners */
    MM_SMALLSRV_PROXY,     /* the host of an HTTP proxy */
    MM_SMALLSRV_LOGIN,     /* its user and password in one text */
    MM_SMALLSRV_USER,      /* one more user */
    MM_SMALLSRV_KIB,       /* a size in KiB */
    MM_SMALLSRV_WINDOW,    /* the time of the limits that are such sizes */
    MM_SMALLSRV_CHECK_MX,  /* a flag: the check of senders' domains */
    MM_SMALLSRV_POP_IP,    /* a flag: a time that is not 0 */
    MM_SMALLSRV_FORWARD,   /* a flag: the name of the forward file */
    MM_SMALLSRV_DETAIL,    /* a flag: the log level debug */
    MM_SMALLSRV_SILENT,    /* a flag: the log level error */
    MM_SMALLSRV_ALWAYS,    /* a flag that is always set */
    MM_SMALLSRV_NEVER,     /* a flag that is never set */
    MM_SMALLSRV_GONE_FLAG, /* not supported; unset is all right */
    MM_SMALLSRV_GONE       /* not supported */
};

struct mm_smallsrv_name {
    const char *name;
    enum mm_smallsrv_kind kind;
    const char *key;   /* what it changes, or NULL */
    const char *words; /* for docs/config.md; for what is not supported, why */
};
const struct mm_smallsrv_name *mm_smallsrv_names(size_t *count_out);
const struct mm_smallsrv_name *
mm_smallsrv_row(const struct mm_config_alias *alias);

/* name.c and value.c: see dialect.h. */
bool mm_smallsrv_find(const char *name, struct mm_config_alias *alias_out);
const struct mm_config_key *
mm_smallsrv_type_of(const struct mm_config_alias *alias);
MM_CHECK enum mailmod_error mm_smallsrv_set(const struct mm_config_alias *alias,
                                            struct mm_span text,
                                            struct mm_config *config,
                                            struct mm_buf *mistake_out);
MM_CHECK enum mailmod_error mm_smallsrv_get(const struct mm_config_alias *alias,
                                            const struct mm_config *config,
                                            struct mm_buf *out);
MM_CHECK enum mailmod_error
mm_smallsrv_number(const struct mm_config_alias *alias,
                   const struct mm_config *config, uint64_t *value_out);

#endif
