/* thread: worker
 * salvage.h - the rows of a damaged database, read past SQLite.
 *
 * Page by page, so that a page that is damaged costs what stands in it and
 * nothing else: a page belongs to the table whose tree leads to it, or, where
 * the way there is damaged, to the one that the pointer map of the file says
 * (every store has one: auto_vacuum). What was committed to the log is read
 * with it. Nothing is written. */
#ifndef MM_STORE_SQLITE_SALVAGE_H
#define MM_STORE_SQLITE_SALVAGE_H

#include "store/sqlite/internal.h"

struct mm_salvage;

/* A value of a row; octets live as long as the call that is given it. */
struct mm_salvage_value {
    enum { MM_VALUE_NULL, MM_VALUE_NUMBER, MM_VALUE_TEXT, MM_VALUE_BLOB } kind;
    int64_t number;
    struct mm_span octets;
};
#define MM_SALVAGE_COLUMNS_MAX 24

/* False: nothing more is wanted. `row_id` counts in tables that have one. */
typedef bool (*mm_on_salvaged)(void *context, int64_t row_id,
                               const struct mm_salvage_value *values,
                               size_t count);

MM_CHECK enum mailmod_error mm_salvage_open(struct mm_salvage **salvage_out,
                                            const char *path);
void mm_salvage_close(struct mm_salvage **salvage);
/* From the header; 0: it cannot be read. */
uint32_t mm_salvage_version(const struct mm_salvage *salvage);
/* Tells which page is the root of a table, before its rows are read. False:
 * there is no such page. All tables are told before the first row is read. */
bool mm_salvage_add_root(struct mm_salvage *salvage, uint32_t root);
/* Every row that can be read of the table: those first that its tree leads to.
 * A row may come twice. */
MM_CHECK enum mailmod_error mm_salvage_rows(struct mm_salvage *salvage,
                                            uint32_t root, mm_on_salvaged visit,
                                            void *context);
/* Pages that belong to a table and cannot be read, and rows of readable pages
 * that cannot, so far. */
uint64_t mm_salvage_bad_pages(const struct mm_salvage *salvage);
uint64_t mm_salvage_bad_rows(const struct mm_salvage *salvage);

#endif
