/* thread: any
 * file.h - the original engine's syntax of a file. */
#ifndef MM_CONFIG_SMALLSRV_FILE_H
#define MM_CONFIG_SMALLSRV_FILE_H

#include "config/load.h"

/* Its first line that is neither empty nor a comment decides: a name alone,
 * name=value without a semicolon outside of quotes and with no bracket at the
 * value's start, a line user=..., or @file is the original engine's; anything
 * else is ours. */
bool mm_smallsrv_is_written_in(struct mm_span text);
/* A line "@file", quoted or not; the name may be empty. */
bool mm_smallsrv_find_include(struct mm_span line, struct mm_span *name_out);
void mm_smallsrv_read(struct mm_config_load *load);

#endif
