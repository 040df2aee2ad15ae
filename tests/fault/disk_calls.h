/* thread: any
 * disk_calls.h - the system calls of the library's own files, which the linker
 * leads here (-Wl,--wrap): each is told to disk.h, and fails when it is told
 * to. SQLite's calls go by fault_vfs.c. */
#ifndef TESTS_FAULT_DISK_CALLS_H
#define TESTS_FAULT_DISK_CALLS_H

#include <stdbool.h>

enum disk_call {
    DISK_CALL_NONE,
    DISK_CALL_OPEN, /* of what is there */
    DISK_CALL_MAKE, /* of a file, by open and mkostemp */
    DISK_CALL_MAKE_FOLDER,
    DISK_CALL_READ,
    DISK_CALL_WRITE,
    DISK_CALL_SYNC, /* and what it should have settled is lost for good */
    DISK_CALL_LINK,
    DISK_CALL_RENAME,
    DISK_CALL_UNLINK,
    DISK_CALL_STAT, /* stat, fstat and access */
    DISK_CALL_COUNT
};

/* The call with this number of the kind (1 is the next) on a path below
 * `root` fails with `number_of_error`, and with `is_for_good` all later ones;
 * 0: a write is short, and the next one goes on. */
void disk_calls_fail(const char *root, enum disk_call call, unsigned number,
                     int number_of_error, bool is_for_good);
/* Calls since then that could have failed so. */
unsigned disk_calls_made(void);

#endif
