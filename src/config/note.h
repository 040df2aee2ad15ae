/* thread: any
 * note.h - what there is to say about a file: mistakes, which refuse it, and
 * warnings, which do not. */
#ifndef MM_CONFIG_NOTE_H
#define MM_CONFIG_NOTE_H

#include "config/source.h"

enum mm_config_note_kind { MM_CONFIG_MISTAKE, MM_CONFIG_WARNING };

struct mm_config_note {
    enum mm_config_note_kind kind;
    size_t line; /* of the whole text; 0: of the file as such */
    char *words; /* "key: what is wrong" */
};

struct mm_config_notes {
    struct mm_config_note *items;
    size_t count;
    size_t counts[2]; /* by kind; those that were too many too */
    bool is_out_of_memory;
};

void mm_config_notes_fini(struct mm_config_notes *notes);
/* `name` may be empty. */
void mm_config_notes_add(struct mm_config_notes *notes,
                         enum mm_config_note_kind kind, size_t line,
                         const char *name, const char *words);
/* All of the kind, in the order of their lines: "file:line: key: words". */
MM_CHECK enum mailmod_error mm_config_notes_write(
    struct mm_config_notes *notes, enum mm_config_note_kind kind,
    const struct mm_config_source *source, struct mm_buf *out);

#endif
