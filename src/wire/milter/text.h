/* thread: any
 * text.h - a message in the steps of a filter: its fields, the end of them, the
 * body in pieces. It streams past in any pieces. */
#ifndef MM_WIRE_MILTER_TEXT_H
#define MM_WIRE_MILTER_TEXT_H

#include "wire/milter/client.h"

enum mm_milter_item {
    MM_MILTER_ITEM_NONE, /* more octets, or the end */
    MM_MILTER_ITEM_FIELD,
    MM_MILTER_ITEM_FIELDS_END,
    MM_MILTER_ITEM_BODY
};

/* Lives in its owner's object; the fields are text.c's. */
struct mm_milter_text {
    struct mm_buf line; /* the field so far */
    int state;
    bool is_given; /* the owner has the field */
    bool is_cut;   /* it is larger than MM_MILTER_FIELD_MAX: the rest is not
                      shown */
};

void mm_milter_text_init(struct mm_milter_text *text);
void mm_milter_text_fini(struct mm_milter_text *text);
/* The next item from the front of `data`, which it leaves; with `is_end` there
 * is no more data. Name, value (folded with LF alone, without the line's end;
 * with the blank behind the colon) and body live until the next call. MEMORY by
 * `error_out`. */
enum mm_milter_item mm_milter_text_next(struct mm_milter_text *text,
                                        struct mm_span *data, bool is_end,
                                        const char **name_out,
                                        struct mm_span *value_out,
                                        enum mailmod_error *error_out);

#endif
