/* thread: any
 * mistake.h - words about a value that was refused. */
#ifndef MM_CONFIG_MISTAKE_H
#define MM_CONFIG_MISTAKE_H

#include "base/buf.h"

/* ARGUMENT; the words go to `mistake_out`, which may be NULL. */
enum mailmod_error mm_config_refuse(struct mm_buf *mistake_out,
                                    const char *format, ...) MM_PRINTF(2, 3);

/* At most this much of a value is repeated in the words about it. */
struct mm_config_echo {
    char text[48];
};
struct mm_config_echo mm_config_echo(struct mm_span text);

#endif
