/* sim.h - the simulator's own door: virtual time, numbers from a seed, machines
 * and their network, names and disks.
 *
 * One run is one seed. Everything runs on one thread: what waits (a condition,
 * a sleep) runs what is due meanwhile. The library is linked as it is; io.h,
 * thread.h, clock.h and random.h are implemented here, and the doors of the
 * store are wrapped by the linker. Thread: the run's. */
#ifndef MM_SIM_SIM_H
#define MM_SIM_SIM_H

#include "base/buf.h"
#include "base/heap.h"
#include "io/io.h"
#include "mailmod.h"
#include "store/memory/memory.h"

/* 2026-01-01 00:00 UTC. */
#define SIM_BEGIN_WALL_MS 1767225600000
#define SIM_MINUTE_MS 60000u
#define SIM_HOUR_MS 3600000u

/* What may go wrong: bits of sim_options.faults. */
enum sim_fault {
    SIM_FAULT_NET = 1,     /* lines that break, stall or are slow */
    SIM_FAULT_NAMES = 2,   /* name servers that fail or are slow */
    SIM_FAULT_HOSTS = 4,   /* hosts that greylist, hang, cut, refuse, lie */
    SIM_FAULT_DISK = 8,    /* slow disks, commits that fail */
    SIM_FAULT_FORGET = 16, /* commits that are kept and told as failed */
    SIM_FAULT_POWER = 32,  /* machines that lose their power */
    SIM_FAULT_TLS = 64,    /* handshakes that fail */
    SIM_FAULTS_ALL = 127
};

struct sim_options {
    uint64_t seed;
    unsigned messages;
    unsigned faults;
    unsigned machines; /* 0: by the seed */
    unsigned hours;    /* of traffic */
    bool is_day;       /* the library's own times instead of shorter ones */
    bool shows_trace;
};
extern struct sim_options sim_options;

/* ---- time.c: time, events, numbers, the trace ---- */

void sim_time_begin(uint64_t seed);
void sim_time_end(void);
uint64_t sim_now_ms(void);
int64_t sim_wall_ms(void);
/* Once, so much later; events of one time run in the order of their making. */
void sim_after(uint64_t wait_ms, void (*run)(void *context), void *context);
/* Runs the next event, moving the clock; false: there is none. */
bool sim_step(void);
void sim_run_until(uint64_t at_ms);
struct mm_heap *sim_timers(void); /* of all loops */
uint64_t sim_timer_key(uint64_t at_ms);

uint64_t sim_below(uint64_t limit); /* 0 to limit - 1 */
uint64_t sim_between(uint64_t least, uint64_t most);
bool sim_chance(unsigned per_mille);
/* The same where a fault of this kind is wanted; else false. */
bool sim_fault(enum sim_fault kind, unsigned per_mille);

#if defined(__GNUC__)
#define SIM_FORMAT(at) __attribute__((format(printf, at, at + 1)))
#else
#define SIM_FORMAT(at)
#endif
/* A line of the trace, which is hashed, and shown when it is asked for. */
void sim_trace(const char *format, ...) SIM_FORMAT(1);
uint64_t sim_trace_hash(void);
/* An invariant does not hold: says so with the seed, and ends the run. */
void sim_broken(const char *format, ...) SIM_FORMAT(1);
/* The simulator itself is used wrongly, or has met what it does not play. */
void sim_fail(const char *format, ...) SIM_FORMAT(1);

/* ---- machine.c: machines, each with an instance of the library ---- */

#define SIM_MACHINES_MAX 4
#define SIM_USERS 2

struct sim_machine {
    unsigned number;   /* from 0 */
    char address[24];  /* 10.0.N.1 */
    char domain[32];   /* nN.test */
    mailmod *instance; /* NULL: it is down */
    struct mm_memory_disk *disk;
    struct mm_store *store; /* NULL: not open */
    bool is_dead;           /* its power went: nothing goes out any more */
    bool is_stepping;
    uint64_t commits_to_power; /* 0: no power cut is near */
    bool loses_power;          /* with the commit that is being made */
    bool forgets; /* the commit that is being made is told as failed */
    unsigned forgets_left;
    int64_t disturbed_ms;  /* when its disk or power last failed */
    unsigned fetches_from; /* whose mailbox "pop"; UINT_MAX nobody's */
    unsigned smarthost;    /* UINT_MAX: none */
};
struct sim_machine *sim_machine(unsigned number);
unsigned sim_machine_count(void);
/* Whose instance is being started, or has made the loop. */
struct sim_machine *sim_machine_starting(void);
struct sim_machine *sim_machine_of_store(const struct mm_store *store);
void sim_machines_begin(void);
void sim_machines_end(void);
bool sim_machines_are_up(void);
/* The power went: called by disk.c, or by chance. */
void sim_machine_dies(struct sim_machine *machine);

/* ---- loop.c ---- */

/* A loop of the world outside, for scripted hosts and clients. */
struct mm_loop *sim_world_loop(void);
struct sim_machine *sim_loop_machine(const struct mm_loop *loop);
void sim_loops_end(void);

/* ---- net.c ---- */

/* A connection of the world outside: mm_dial with a source. */
struct mm_conn *sim_dial(const char *source, const char *address,
                         const struct mm_conn_handler *handler, void *context);
struct mm_listener *sim_listen(const char *address,
                               mm_on_connection on_connection, void *context);
void sim_net_machine_died(const struct sim_machine *machine);
void sim_net_end(void);
/* Its connections hear STOPPED. */
void sim_net_loop_stops(struct mm_loop *loop);

/* The field by which a message is known everywhere: eight hexadecimal digits
 * behind it. */
#define SIM_MARK "X-Sim: "

/* ---- names.c ---- */

void sim_name_add(const char *domain, const char *host, const char *address,
                  unsigned preference);
void sim_names_end(void);

/* ---- disk.c ---- */

/* Jobs that wait are run so much later. */
void sim_disk_tend(struct sim_machine *machine, uint64_t wait_ms);

#endif
