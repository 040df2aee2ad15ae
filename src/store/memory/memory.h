/* thread: any, except where a function says more
 * memory.h - the store that lives in memory: for tests and the simulator.
 *
 * Keeps the whole contract of store.h with structures of its own, and nothing
 * of it after the disk is freed. A disk is what outlives the store that is open
 * on it: closing a store and opening another one on its disk is a restart.
 *
 * With `is_stepped` there is no thread: all calls come from one thread, jobs
 * wait for mm_memory_step (or for mm_store_run, which steps), and with a seed
 * and a clock of the caller's two runs are equal to the octet.
 *
 * Faults are asked for by number: a write or a commit that fails, a volume
 * that is full, a power that goes. */
#ifndef MM_STORE_MEMORY_MEMORY_H
#define MM_STORE_MEMORY_MEMORY_H

#include "store/store.h"

struct mm_memory_disk;

/* `seed` 0: secrets and tags are the system's random octets. */
MM_CHECK enum mailmod_error mm_memory_disk_new(struct mm_memory_disk **disk_out,
                                               uint64_t seed);
/* When no store is open on it. */
void mm_memory_disk_free(struct mm_memory_disk **disk);

struct mm_memory_options {
    struct mm_memory_disk *disk; /* the caller's */
    bool is_stepped;
    /* Each job is run, taken back and run again: who cannot bear that is found
     * by any test. */
    bool reruns;
    int64_t (*wall_ms)(void *context); /* NULL: the system's */
    void *context;
    const struct mm_log *log;
};
/* BUSY while another store is open on the disk. */
MM_CHECK enum mailmod_error
mm_memory_open(struct mm_store **store_out,
               const struct mm_memory_options *options);
/* From now on as a store over a network: mm_store_waits. Before the store is
 * used by others. */
void mm_memory_answer_late(struct mm_store *store);
/* One transaction of a stepped store; false when no job waits. */
bool mm_memory_step(struct mm_store *store);

enum mm_memory_fault {
    /* A verb of a job: the transaction is taken back, and all run again. */
    MM_MEMORY_FAULT_WRITE,
    MM_MEMORY_FAULT_COMMIT, /* nothing of a transaction is kept */
    MM_MEMORY_FAULT_POWER,  /* nor is anything after it, until the restart */
    MM_MEMORY_FAULT_POWER_AFTER, /* kept, but nobody hears of it */
    MM_MEMORY_FAULT_COUNT
};
/* The `nth` one from now on fails with `error`, 1 is the next; 0: none. Before
 * the store is used by others. */
void mm_memory_fail(struct mm_memory_disk *disk, enum mm_memory_fault which,
                    uint64_t nth, enum mailmod_error error);
/* Room for that many octets of bodies. */
void mm_memory_set_room(struct mm_memory_disk *disk, uint64_t octets);
/* Changes one octet of a chunk; false when there is none. */
bool mm_memory_damage(struct mm_memory_disk *disk, uint64_t message_id,
                      unsigned number);

#endif
