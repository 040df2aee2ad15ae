/* thread: any (the owner's)
 * changes.h - what judges want changed in a message and its envelope: one
 * bounded list, which the host's answers and milters fill and the deposit
 * carries out at its end, in the order of the list (deposit_changes.c). */
#ifndef MM_POST_CHANGES_H
#define MM_POST_CHANGES_H

#include "base/error.h"
#include "base/list.h"
#include "wire/msg/header_change.h"

enum mm_change_kind {
    MM_CHANGE_ADD_FIELD,        /* name, value: behind the message's own */
    MM_CHANGE_INSERT_FIELD,     /* ... with `number` of its fields above */
    MM_CHANGE_SET_FIELD,        /* the `number`th of that name; "": goes */
    MM_CHANGE_SENDER,           /* value: the reverse-path */
    MM_CHANGE_ADD_RECIPIENT,    /* value: address; number: MM_DSN_NOTIFY_ */
    MM_CHANGE_REMOVE_RECIPIENT, /* name: as the sender wrote it */
    MM_CHANGE_REDIRECT,         /* name: the same, "" all; value: to whom */
    MM_CHANGE_FOLDER,           /* name: the same, "" all; value: folder */
    MM_CHANGE_QUARANTINE,       /* name: by whom; value: why */
    MM_CHANGE_DISCARD           /* taken from all recipients */
};

struct mm_change {
    enum mm_change_kind kind;
    unsigned number;
    const char *name;
    const char *value;
};

struct mm_change_item {
    struct mm_list node;
    struct mm_change change;
    char texts[];
};

struct mm_changes {
    struct mm_list items; /* struct mm_change_item */
    size_t count;
    size_t octets; /* of all texts */
};

void mm_changes_init(struct mm_changes *changes);
void mm_changes_clear(struct mm_changes *changes);
/* Copies it to the end. ARGUMENT: it can be none (a value that would end its
 * field, no address, no folder's name); LIMIT: MM_LIMIT_CHANGES,
 * MM_LIMIT_CHANGES_OCTETS; MEMORY. NULL texts are "". */
MM_CHECK enum mailmod_error mm_changes_add(struct mm_changes *changes,
                                           const struct mm_change *change);
/* All of `from`, copied. With a recipient a folder for everybody is his alone,
 * and he is not redirected: that was done. */
MM_CHECK enum mailmod_error mm_changes_add_all(struct mm_changes *changes,
                                               const struct mm_changes *from,
                                               const char *recipient);
/* The last address that is to have the recipient's mail; NULL: none is. */
const char *mm_changes_redirect(const struct mm_changes *changes,
                                const char *recipient);
/* The last one of the kind; NULL: there is none. */
const struct mm_change *mm_changes_find(const struct mm_changes *changes,
                                        enum mm_change_kind kind);
/* False: it is none in the header. The texts are the change's. */
bool mm_change_header(const struct mm_change *change,
                      struct mm_header_change *out);

#endif
