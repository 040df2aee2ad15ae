/* thread: any
 * fault_vfs.h - a file system for SQLite that fails when it is told to, and
 * that tells disk.h every write and sync, so that a power cut can be played at
 * each of them.
 *
 * It lies over the system's own one and becomes the default, so a store is
 * opened on it as on any disk. One world a process. */
#ifndef TESTS_FAULT_FAULT_VFS_H
#define TESTS_FAULT_FAULT_VFS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_WRITE,       /* EIO, nothing written */
    FAULT_WRITE_SHORT, /* half of it is written, then EIO */
    FAULT_WRITE_FULL,  /* ENOSPC */
    FAULT_SYNC,        /* EIO: what was written is lost or not */
    /* EIO of the database alone, and what was written to it since its last
     * sync is gone, whatever later syncs say: so do some systems. */
    FAULT_SYNC_DATABASE,
    FAULT_TRUNCATE,
    FAULT_INDEX_FULL /* ENOSPC while the log's index (-shm) grows */
};

void fault_install(void);
void fault_remove(void);

/* The call with this number of the kind fails (1 is the next), and with
 * `is_sticky` all later ones. */
void fault_set(enum fault_kind kind, unsigned number, bool is_sticky);
/* Whether the disk says, as the systems' own do, that a write which the power
 * cuts short leaves the octets beside it alone. It always does; SQLite fills up
 * sectors where it is not told. */
void fault_set_powersafe(bool is_powersafe);
bool fault_happened(void);
/* Calls since the last fault_set that could have failed so. */
unsigned fault_calls(void);

#endif
