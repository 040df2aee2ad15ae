/* thread: any
 * milter.h - milters.filters: filters of mail that are asked by the milter
 * protocol, a line each. */
#ifndef MM_CONFIG_MILTER_H
#define MM_CONFIG_MILTER_H

#include "config/config.h"

#define MM_CONFIG_MILTERS_MAX 8
#define MM_CONFIG_MILTER_NAME_MAX 33
/* struct sockaddr_un has room for 108 octets with the NUL. */
#define MM_CONFIG_MILTER_PATH_MAX 108

/* What becomes of mail while the filter cannot be asked. */
enum mm_config_away {
    MM_CONFIG_AWAY_TEMPFAIL,
    MM_CONFIG_AWAY_ACCEPT,
    MM_CONFIG_AWAY_REJECT
};

struct mm_config_milter {
    char name[MM_CONFIG_MILTER_NAME_MAX];
    struct mm_netaddr address; /* family NONE: `path` */
    char path[MM_CONFIG_MILTER_PATH_MAX];
    enum mm_config_away away;
    uint64_t timeout_ms;     /* to connect, and of each step */
    uint64_t end_timeout_ms; /* of the end of the message, and of progress */
    uint64_t size_max;       /* larger messages it is not asked about; 0: any */
};

/* "name=rspamd at=127.0.0.1:11332 away=accept". ARGUMENT with words in
 * `mistake_out`, which may be NULL. */
MM_CHECK enum mailmod_error
mm_config_milter_parse(struct mm_span line, struct mm_config_milter *milter_out,
                       struct mm_buf *mistake_out);
/* The next of milters.filters; `rest` begins as its text. */
bool mm_config_next_milter(struct mm_span *rest,
                           struct mm_config_milter *milter_out);
/* All lines; each name once, MM_CONFIG_MILTERS_MAX at most. */
MM_CHECK enum mailmod_error mm_config_milters_check(struct mm_span text,
                                                    struct mm_buf *mistake_out);

#endif
