/* thread: any
 * alias_text.h - the form of /etc/aliases: "name: target, target"; of
 * ours are ":hidden:" and ":shown:" among the targets. */
#ifndef MM_POST_ALIAS_TEXT_H
#define MM_POST_ALIAS_TEXT_H

#include "base/span.h"

/* What is left of a file. All zero but `rest` before the first call. */
struct mm_alias_text {
    struct mm_span rest;
    unsigned line;   /* of what was given last */
    unsigned passed; /* lines of it behind its first */
};
struct mm_alias_entry {
    struct mm_span name;    /* without quotes; empty: the line is no alias */
    struct mm_span targets; /* mm_alias_target_next goes through them */
};
/* False at the end. */
bool mm_alias_text_next(struct mm_alias_text *text,
                        struct mm_alias_entry *entry_out);

enum mm_alias_target_kind {
    MM_ALIAS_ADDRESS, /* or the name of an alias or a user */
    MM_ALIAS_INCLUDE, /* a file with targets */
    MM_ALIAS_FOREIGN, /* a command or a file: nothing of it is done here */
    MM_ALIAS_HIDDEN,  /* no target: senders are not told of any */
    MM_ALIAS_SHOWN    /* no target: they are */
};
struct mm_alias_target {
    enum mm_alias_target_kind kind;
    struct mm_span text; /* without quotes, or the path of an INCLUDE */
};
/* False at the end. Empty items are passed over. */
bool mm_alias_target_next(struct mm_span *rest,
                          struct mm_alias_target *target_out);

#endif
