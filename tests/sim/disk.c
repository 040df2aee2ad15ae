/* disk.c - the store of each machine: the one in memory, stepped by events, and
 * wrapped so that it is slow, fails, forgets to say that it did, or loses its
 * power.
 *
 * The linker leads mm_store_open and mm_store_submit here (--wrap). What the
 * library asks of the store later goes straight to it. Thread: the run's. */
#include "disk.h"

#include "base/mem.h"
#include "ledger.h"
#include "store/ops.h"

enum { MEND_MS = 1000, ROUNDS_MAX = 4 };

/* A job of the library's, with whoever tells it what came of it. */
struct shim {
    struct mm_store_job job;
    struct mm_store_job *inner;
    struct sim_machine *machine;
};

/* A login costs a run as much as an hour of mail otherwise. */
enum mailmod_error __wrap_mm_pbkdf2_sha256(struct mm_span password,
                                           struct mm_span salt,
                                           unsigned iterations,
                                           uint8_t key_out[MM_SHA256_SIZE])
{
    return __real_mm_pbkdf2_sha256(
        password, salt, iterations < ROUNDS_MAX ? iterations : ROUNDS_MAX,
        key_out);
}

static int64_t tell_time(void *context)
{
    (void)context;
    return sim_wall_ms();
}

enum mailmod_error __wrap_mm_store_open(struct mm_store **store_out,
                                        const struct mm_store_options *options,
                                        struct mm_buf *reason_out)
{
    struct sim_machine *machine = sim_machine_starting();
    (void)reason_out;
    if (machine == NULL) {
        sim_fail("a store is opened that no machine has");
        return MAILMOD_ERROR_STATE;
    }
    const struct mm_memory_options memory = {.disk = machine->disk,
                                             .is_stepped = true,
                                             .wall_ms = tell_time,
                                             .log = options->log};
    enum mailmod_error error = mm_memory_open(store_out, &memory);
    machine->store = error == MAILMOD_OK ? *store_out : NULL;
    return error;
}

void __wrap_mm_store_close(struct mm_store **store)
{
    struct sim_machine *machine = sim_machine_of_store(*store);
    if (machine != NULL) {
        machine->store = NULL;
    }
    __real_mm_store_close(store);
}

static void arm_faults(struct sim_machine *machine)
{
    struct mm_memory_disk *disk = machine->disk;
    machine->forgets = false;
    if (machine->commits_to_power > 0 && --machine->commits_to_power == 0) {
        machine->loses_power = true;
        mm_memory_fail(disk,
                       sim_chance(500) ? MM_MEMORY_FAULT_POWER
                                       : MM_MEMORY_FAULT_POWER_AFTER,
                       1, MAILMOD_ERROR_STORAGE);
        return;
    }
    if (sim_fault(SIM_FAULT_DISK, 4)) {
        mm_memory_fail(disk, MM_MEMORY_FAULT_COMMIT, 1,
                       sim_chance(500) ? MAILMOD_ERROR_STORAGE
                                       : MAILMOD_ERROR_STORAGE_FULL);
    } else if (sim_fault(SIM_FAULT_DISK, 4)) {
        mm_memory_fail(disk, MM_MEMORY_FAULT_WRITE, sim_between(1, 4),
                       MAILMOD_ERROR_STORAGE);
    } else if (machine->forgets_left > 0 && sim_fault(SIM_FAULT_FORGET, 3)) {
        machine->forgets_left--;
        machine->forgets = true;
    }
}

static void step(void *context)
{
    struct sim_machine *machine = context;
    machine->is_stepping = false;
    if (machine->store == NULL) {
        return;
    }
    arm_faults(machine);
    (void)mm_memory_step(machine->store);
    machine->forgets = false;
    if (machine->loses_power) {
        machine->loses_power = false;
        /* With nothing to commit it is still to come: not to the next life. */
        mm_memory_fail(machine->disk, MM_MEMORY_FAULT_POWER, 0, MAILMOD_OK);
        mm_memory_fail(machine->disk, MM_MEMORY_FAULT_POWER_AFTER, 0,
                       MAILMOD_OK);
        sim_machine_dies(machine);
        return;
    }
    if (!mm_store_is_writable(machine->store)) {
        sim_disk_tend(machine, MEND_MS);
    }
}

void sim_disk_tend(struct sim_machine *machine, uint64_t wait_ms)
{
    if (!machine->is_stepping) {
        machine->is_stepping = true;
        sim_after(wait_ms, step, machine);
    }
}

static enum mailmod_error run_inner(struct mm_store_job *job,
                                    struct mm_store_transaction *transaction)
{
    struct shim *shim = MM_LIST_OBJECT(job, struct shim, job);
    return shim->inner->run(shim->inner, transaction);
}

static void inner_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct shim *shim = MM_LIST_OBJECT(job, struct shim, job);
    struct mm_store_job *inner = shim->inner;
    if (error == MAILMOD_OK && shim->machine->forgets) {
        sim_trace("n%u forgets the answer of a commit", shim->machine->number);
        sim_ledger_allow_all("the answer of a commit was forgotten");
        error = MAILMOD_ERROR_STORAGE;
    }
    mm_free(shim);
    inner->done(inner, error);
}

void __wrap_mm_store_submit(struct mm_store *store, struct mm_store_job *job)
{
    struct sim_machine *machine = sim_machine_of_store(store);
    struct shim *shim = mm_alloc(sizeof *shim);
    if (machine == NULL || shim == NULL) {
        sim_fail("a job for a store that no machine has");
        return;
    }
    shim->job.run = run_inner;
    shim->job.done = inner_done;
    shim->inner = job;
    shim->machine = machine;
    __real_mm_store_submit(store, &shim->job);
    sim_disk_tend(machine, sim_fault(SIM_FAULT_DISK, 20) ? sim_below(4000)
                                                         : sim_between(1, 6));
}
