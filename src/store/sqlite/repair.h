/* thread: worker
 * repair.h - the two halves of a repair: repair.c reads the damaged database
 * into a new one and puts it in place; repair_rules.c puts the new one's rows
 * in order again and says what is lost. */
#ifndef MM_STORE_SQLITE_REPAIR_H
#define MM_STORE_SQLITE_REPAIR_H

#include "store/sqlite/internal.h"

struct mm_repair {
    mm_store_on_line on_line;
    void *context;
    struct mm_connection to; /* the new database */
};

/* One line to whoever asked. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void mm_repair_say(const struct mm_repair *repair, const char *format, ...);
/* In the transaction that is open. */
MM_CHECK enum mailmod_error mm_repair_rules(const struct mm_repair *repair);

#endif
