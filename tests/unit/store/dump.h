/* thread: any (the test's)
 * dump.h - what a store holds as one text, read by version 0.1's tables or
 * through the store: an upgrade keeps the two equal. */
#ifndef TESTS_UNIT_STORE_DUMP_H
#define TESTS_UNIT_STORE_DUMP_H

#include "store/store.h"

/* The fixture's files, copied to `folder`; `which` is "stopped" or "killed". */
void dump_copy_fixture(const char *which, const char *folder);
/* Users, entries with unique-ids, bodies, queue: a line each. */
void dump_old(const char *path, struct mm_buf *out);
void dump_store(struct mm_store *store, struct mm_buf *out);

#endif
