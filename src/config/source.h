/* thread: any (the caller's)
 * source.h - the text of a configuration file with its includes put in.
 *
 * The first significant line of the file decides in which dialect it is
 * written, for it and its includes. */
#ifndef MM_CONFIG_SOURCE_H
#define MM_CONFIG_SOURCE_H

#include "base/buf.h"

#define MM_CONFIG_SOURCE_MAX (1024 * 1024) /* octets in all */
#define MM_CONFIG_SOURCE_FILES_MAX 64
#define MM_CONFIG_SOURCE_DEPTH_MAX 8 /* includes in includes */

struct mm_config_dialect;
struct mm_config_notes;

struct mm_config_source_piece { /* where a run of lines came from */
    size_t line;                /* of the whole text, from 1 */
    size_t file;                /* index of its name */
    size_t file_line;
};

struct mm_config_source {
    struct mm_buf text;
    const struct mm_config_dialect *dialect; /* NULL: our own syntax */
    char *files[MM_CONFIG_SOURCE_FILES_MAX];
    size_t file_count;
    struct mm_config_source_piece *pieces;
    size_t piece_count;
    size_t lines;              /* begun so far */
    enum mailmod_error unread; /* of the first file: why it cannot be read */
    bool is_full;
};

void mm_config_source_init(struct mm_config_source *source);
void mm_config_source_fini(struct mm_config_source *source);
/* What is wrong is in `notes`. MEMORY. */
MM_CHECK enum mailmod_error
mm_config_source_read(struct mm_config_source *source, const char *file,
                      struct mm_config_notes *notes);
/* Where a line of the whole text came from; line 0 is the file as such. */
void mm_config_source_locate(const struct mm_config_source *source, size_t line,
                             const char **file_out, size_t *file_line_out);

#endif
