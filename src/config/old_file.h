/* thread: any
 * old_file.h - the original engine's syntax of a file: what tells it from
 * libconfig's, and its lines. */
#ifndef MM_CONFIG_OLD_FILE_H
#define MM_CONFIG_OLD_FILE_H

#include "base/span.h"

/* Is a file with this text in that syntax? Its first line that is neither empty
 * nor a comment decides: a name alone, name=value without a semicolon outside
 * of quotes and with no bracket at the value's start, a line user=..., or @file
 * is the original engine's; anything else is libconfig's. */
bool mm_config_is_old(struct mm_span text);
/* A line "@file", quoted or not; the name may be empty. */
bool mm_config_old_include(struct mm_span line, struct mm_span *name_out);

enum mm_config_old_form {
    MM_CONFIG_OLD_EMPTY, /* or a comment */
    MM_CONFIG_OLD_WORD,  /* a name alone, or "name=value" */
    MM_CONFIG_OLD_OPEN,  /* a quote is not closed */
    MM_CONFIG_OLD_WRONG  /* none of these */
};
struct mm_config_old_line {
    struct mm_span name;
    struct mm_span value; /* without quotes; "true" for a name alone */
    bool has_value;       /* not a name alone */
};
enum mm_config_old_form mm_config_old_read(struct mm_span line,
                                           struct mm_config_old_line *line_out);

#endif
