/* machine.c - machines: each has an address, a domain, a disk that outlives it,
 * and an instance of the library that is started, loses its power and is
 * started again.
 *
 * A machine that lost its power still has an instance until it is taken down;
 * nothing of what it says goes out meanwhile, and its store keeps nothing.
 * Thread: the run's. */
#include "sim.h"

#include "look.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { DOWN_MIN_MS = 60000, DOWN_MAX_MS = 2400000, AGAIN_MS = 60000 };

static struct {
    struct sim_machine machines[SIM_MACHINES_MAX];
    unsigned count;
    struct sim_machine *starting;
    bool is_over;
} world;

struct sim_machine *sim_machine(unsigned number)
{
    return &world.machines[number];
}

unsigned sim_machine_count(void)
{
    return world.count;
}

struct sim_machine *sim_machine_starting(void)
{
    return world.starting;
}

struct sim_machine *sim_machine_of_store(const struct mm_store *store)
{
    for (unsigned i = 0; i < world.count; i++) {
        if (store != NULL && world.machines[i].store == store) {
            return &world.machines[i];
        }
    }
    return world.starting;
}

bool sim_machines_are_up(void)
{
    for (unsigned i = 0; i < world.count; i++) {
        if (world.machines[i].store == NULL || world.machines[i].is_dead) {
            return false;
        }
    }
    return true;
}

static void on_log(void *context, enum mailmod_log_level level,
                   const char *line)
{
    const struct sim_machine *machine = context;
    (void)level;
    sim_trace("n%u%s %s", machine->number, machine->is_dead ? " (dead)" : "",
              line);
}

static void set(struct sim_machine *machine, const char *name,
                const char *value)
{
    if (mailmod_config_set(machine->instance, name, value) != MAILMOD_OK) {
        sim_fail("%s = %s: %s", name, value, mailmod_last_error_text());
    }
}

static void set_listeners(struct sim_machine *machine)
{
    static const struct {
        const char *name;
        unsigned port;
    } services[] = {
        {"smtp.listen", 25}, {"submission.listen", 587}, {"pop3.listen", 110}};
    char text[64];
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        (void)snprintf(text, sizeof text, "%s:%u", machine->address,
                       services[i].port);
        set(machine, services[i].name, text);
    }
    set(machine, "submissions.listen", "");
    set(machine, "pop3s.listen", "");
}

/* Times with which a run is over in hours; those of a whole day are the
 * library's own. */
static void set_times(struct sim_machine *machine)
{
    if (!sim_options.is_day) {
        set(machine, "queue.lifetime", "3h");
        set(machine, "queue.warn_after", "30m");
        set(machine, "queue.steps", "2m, 4m, 8m, 16m, 30m");
    }
    set(machine, "queue.host_max", "4");
    set(machine, "queue.destination_max", "3");
}

static void set_ways(struct sim_machine *machine)
{
    char text[160];
    if (machine->smarthost != UINT_MAX) {
        set(machine, "smarthost.host",
            sim_machine(machine->smarthost)->address);
        set(machine, "smarthost.tls", "may");
    }
    if (machine->fetches_from != UINT_MAX) {
        (void)snprintf(text, sizeof text,
                       "name=f host=%s user=pop to=u0 tls=off interval=3m "
                       "delete password=secret",
                       sim_machine(machine->fetches_from)->address);
        set(machine, "fetch.accounts", text);
    }
}

static void configure(struct sim_machine *machine)
{
    char text[64];
    (void)mailmod_log_set_callback(machine->instance, on_log, machine);
    set(machine, "general.data_folder", "memory:");
    (void)snprintf(text, sizeof text, "mx.%s", machine->domain);
    set(machine, "general.host_name", text);
    set(machine, "general.loops", machine->number % 2 == 0 ? "1" : "2");
    set(machine, "general.free_space_min", "0");
    set(machine, "tls.certificate_file", "simulated");
    set(machine, "tls.key_file", "simulated");
    set(machine, "local.domains", machine->domain);
    set(machine, "local.users", "u0:secret\nu1:secret\npop:secret");
    set(machine, "smtp.relay_from", "10.9.0.0/16, 10.0.0.0/16");
    set(machine, "smtp.connections_per_address_max", "1000");
    set(machine, "pop3.allows_clear_login", "true");
    set(machine, "logins.failures_max", "0");
    set_listeners(machine);
    set_times(machine);
    set_ways(machine);
}

static void start(void *context)
{
    struct sim_machine *machine = context;
    struct sim_machine *before = world.starting;
    if (world.is_over) {
        return;
    }
    machine->is_dead = false;
    if (mailmod_new(&machine->instance) != MAILMOD_OK) {
        sim_fail("no instance: %s", mailmod_last_error_text());
    }
    world.starting = machine;
    configure(machine);
    enum mailmod_error error = mailmod_start(machine->instance);
    if (error == MAILMOD_OK) {
        sim_trace("n%u is up", machine->number);
        sim_disk_tend(machine, 1);
    } else {
        sim_trace("n%u does not start: %s", machine->number,
                  mailmod_last_error_text());
        (void)mailmod_free(&machine->instance);
        sim_after(AGAIN_MS, start, machine);
    }
    world.starting = before;
}

static void take_down(struct sim_machine *machine)
{
    if (machine->instance != NULL) {
        (void)mailmod_stop(machine->instance);
        (void)mailmod_drain(machine->instance, 0);
        (void)mailmod_free(&machine->instance);
    }
}

static void bury(void *context)
{
    struct sim_machine *machine = context;
    take_down(machine);
    sim_after(sim_between(DOWN_MIN_MS, DOWN_MAX_MS), start, machine);
}

void sim_machine_dies(struct sim_machine *machine)
{
    if (machine->is_dead || machine->store == NULL) {
        return;
    }
    sim_trace("n%u loses its power", machine->number);
    machine->disturbed_ms = sim_wall_ms();
    sim_look_at_dying(machine);
    machine->is_dead = true;
    sim_net_machine_died(machine);
    sim_after(0, bury, machine);
}

static void bring_power_cut(void *context)
{
    struct sim_machine *machine = context;
    machine->commits_to_power = sim_between(1, 30);
}

static void begin_machine(struct sim_machine *machine, unsigned number)
{
    char host[48];
    memset(machine, 0, sizeof *machine);
    machine->number = number;
    machine->forgets_left = 1;
    machine->smarthost = UINT_MAX;
    machine->fetches_from = UINT_MAX;
    (void)snprintf(machine->address, sizeof machine->address, "10.0.%u.1",
                   number);
    (void)snprintf(machine->domain, sizeof machine->domain, "n%u.test", number);
    (void)snprintf(host, sizeof host, "mx.%s", machine->domain);
    sim_name_add(machine->domain, host, machine->address, 10);
    if (mm_memory_disk_new(&machine->disk, sim_below(UINT64_MAX) | 1) !=
        MAILMOD_OK) {
        sim_fail("no memory for a disk");
    }
}

void sim_machines_begin(void)
{
    memset(&world, 0, sizeof world);
    world.count = sim_options.machines > 0 ? sim_options.machines
                                           : (unsigned)sim_between(1, 3);
    for (unsigned i = 0; i < world.count; i++) {
        begin_machine(&world.machines[i], i);
    }
    if (world.count > 1 && sim_chance(500)) {
        world.machines[1].smarthost = 0;
    }
    if (world.count > 1 && sim_chance(700)) {
        world.machines[0].fetches_from = 1;
    }
    for (unsigned i = 0; i < world.count; i++) {
        start(&world.machines[i]);
        uint64_t traffic_ms = (uint64_t)sim_options.hours * SIM_HOUR_MS;
        for (unsigned cut = 0; cut < 3; cut++) {
            if (sim_fault(SIM_FAULT_POWER, 400)) {
                sim_after(sim_below(traffic_ms * 2), bring_power_cut,
                          &world.machines[i]);
            }
        }
    }
}

void sim_machines_end(void)
{
    world.is_over = true;
    for (unsigned i = 0; i < world.count; i++) {
        take_down(&world.machines[i]);
        mm_memory_disk_free(&world.machines[i].disk);
    }
}
