/* power.c - see power.h.
 *
 * The work is done once; then two processes share the images by their hashes,
 * so that each distinct one is opened once for what was acknowledged by then. A
 * failed assertion ends the process, and so the program.
 * Thread: the test's. */
#include "power.h"

#include "fault_vfs.h"
#include "tests/unit/remove_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, SET_SIZE = 1 << 17, ORDERS = 3 };

/* Hashes; 0 is none. */
struct set {
    uint64_t *slots;
    size_t count;
};

static bool set_add(struct set *set, uint64_t hash)
{
    size_t at = (size_t)hash % SET_SIZE;

    hash = hash != 0 ? hash : 1;
    while (set->slots[at] != 0 && set->slots[at] != hash) {
        at = (at + 1) % SET_SIZE;
    }
    if (set->slots[at] == hash) {
        return false;
    }
    assert_true(set->count < SET_SIZE / 2);
    set->slots[at] = hash;
    set->count++;
    return true;
}

struct power_item *power_put(struct power *power, enum power_kind kind,
                             uint64_t id, uint64_t size)
{
    struct power_item *item = &power->items[power->count++];

    assert_true(power->count <= POWER_ITEMS);
    *item = (struct power_item){.kind = kind,
                                .id = id,
                                .mailbox_id = power->alice,
                                .size = size,
                                .put_step = SIZE_MAX,
                                .drop_begin = SIZE_MAX,
                                .drop_step = SIZE_MAX};
    return item;
}

void power_check_items(struct power *power, size_t step,
                       bool (*is_there)(struct power *power,
                                        const struct power_item *item))
{
    size_t there[POWER_GROUPS] = {0};
    size_t gone[POWER_GROUPS] = {0};

    for (size_t i = 0; i < power->count; i++) {
        const struct power_item *item = &power->items[i];
        bool is = is_there(power, item);

        if (!is && item->put_step <= step && item->drop_begin > step) {
            fail_msg("step %zu: item %zu was acknowledged and is gone", step,
                     i);
        }
        if (is && item->drop_step <= step) {
            fail_msg("step %zu: item %zu was taken away and is back", step, i);
        }
        there[item->group] += is && item->put_step <= step;
        gone[item->group] += !is && item->put_step <= step;
    }
    for (size_t i = 1; i < POWER_GROUPS; i++) {
        if (there[i] > 0 && gone[i] > 0) {
            fail_msg("step %zu: %zu of %zu were taken away", step, gone[i],
                     there[i] + gone[i]);
        }
    }
}

/* How much was promised by then: an image is looked at anew when it is more. */
static uint64_t promised(const struct power *power, size_t step)
{
    uint64_t count = 0;

    for (size_t i = 0; i < power->count; i++) {
        const struct power_item *item = &power->items[i];

        count += (item->put_step <= step) + (item->drop_begin <= step) +
                 (item->drop_step <= step);
    }
    return count;
}

struct run {
    const struct power_scenario *scenario;
    struct power *power;
    unsigned worker;
    int result; /* where its counts are written */
    struct set images;
    struct set checks;
};

/* What was there before the cut of the log's index means nothing. */
static void leave_index(const struct power *power)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/mailmod.db", power->after.folder);
    if (access(path, F_OK) != 0) {
        return;
    }
    snprintf(path, sizeof path, "%s/mailmod.db-shm", power->after.folder);
    file = fopen(path, "wb");
    assert_non_null(file);
    for (unsigned i = 0; i < 32768; i++) {
        (void)putc((int)(i * 2654435761u >> 13 & 0xff), file);
    }
    fclose(file);
}

static void try_cut(struct run *run, const struct disk_cut *cut)
{
    struct power *power = run->power;
    struct disk_image *image = disk_image_new(cut);
    uint64_t hash = disk_image_hash(image);

    if (hash % WORKERS == run->worker) {
        (void)set_add(&run->images, hash);
        if (set_add(&run->checks, hash + promised(power, cut->step) *
                                             UINT64_C(0x9E3779B97F4A7C15))) {
            remove_tree(power->after_root);
            assert_int_equal(mkdir(power->after_root, 0700), 0);
            assert_true(disk_image_save(image, power->after_root));
            if (hash >> 32 & 1) {
                leave_index(power);
            }
            run->scenario->check(power, cut->step);
        }
    }
    disk_image_free(image);
}

/* All, nothing, some in sectors of two sizes, each of the last changes alone or
 * missing, and the last write torn. */
static void try_step(struct run *run, size_t step)
{
    struct disk_cut cut = {.step = step};
    size_t count = disk_unsettled(step);

    try_cut(run, &cut);
    if (count == 0) {
        return;
    }
    cut.survival = DISK_ALL;
    try_cut(run, &cut);
    cut.survival = DISK_TORN_HEAD;
    try_cut(run, &cut);
    cut.survival = DISK_TORN_TAIL;
    try_cut(run, &cut);
    for (unsigned i = 0; i < 2 * ORDERS; i++) {
        cut.survival = DISK_SOME;
        cut.seed = step * 31 + i;
        cut.sector = i % 2 == 0 ? 512 : 4096;
        try_cut(run, &cut);
    }
    cut.sector = 512;
    for (size_t i = 0; i < ORDERS && i < count; i++) {
        cut.which = i == 0 ? count - 1 : (step * 7 + i * 13) % count;
        cut.survival = DISK_ONLY;
        try_cut(run, &cut);
        cut.which = i == 0 ? 0 : cut.which;
        cut.survival = DISK_ALL_BUT;
        try_cut(run, &cut);
    }
}

static void make_root(char root[40])
{
    /* In memory, where there is such a place: nothing here needs a disk. */
    strcpy(root, access("/dev/shm", W_OK) == 0 ? "/dev/shm/mailmod-power-XXXXXX"
                                               : "/tmp/mailmod-power-XXXXXX");
    assert_non_null(mkdtemp(root));
}

static void look_at_images(void **state)
{
    struct run *run = *state;
    size_t steps = disk_steps();
    size_t counts[2];
    size_t every = MAILMOD_CUT_STRIDE *
                   (run->scenario->every > 0 ? run->scenario->every : 1);

    run->images.slots = calloc(SET_SIZE, sizeof *run->images.slots);
    run->checks.slots = calloc(SET_SIZE, sizeof *run->checks.slots);
    for (size_t step = 0; step <= steps; step++) {
        if (step == steps || step % every == 0) {
            try_step(run, step);
        }
    }
    counts[0] = run->images.count;
    counts[1] = run->checks.count;
    free(run->images.slots);
    free(run->checks.slots);
    assert_int_equal(write(run->result, counts, sizeof counts), sizeof counts);
}

/* In its process; a test of its own, so that what fails is told. */
static int run_worker(struct run *run)
{
    const struct CMUnitTest test[] = {
        {run->scenario->name, look_at_images, NULL, NULL, run}};

    make_root(run->power->after_root);
    snprintf(run->power->after.folder, sizeof run->power->after.folder,
             "%s/data", run->power->after_root);
    cmocka_set_test_filter(NULL); /* it is of the tests around this one */
    int failed =
        _cmocka_run_group_tests(run->scenario->name, test, 1, NULL, NULL);
    remove_tree(run->power->after_root);
    fflush(NULL);
    return failed;
}

static void share_out(const struct power_scenario *scenario,
                      struct power *power, size_t counts_out[2])
{
    pid_t workers[WORKERS];
    int results[2];
    size_t counts[2];

    assert_int_equal(pipe(results), 0);
    fflush(NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        assert_true(workers[i] >= 0);
        if (workers[i] == 0) {
            struct run run = {scenario,   power,     i,
                              results[1], {NULL, 0}, {NULL, 0}};

            _exit(run_worker(&run));
        }
    }
    bool is_good = true;
    for (unsigned i = 0; i < WORKERS; i++) {
        int status = -1;

        is_good = waitpid(workers[i], &status, 0) == workers[i] &&
                  WIFEXITED(status) && WEXITSTATUS(status) == 0 && is_good;
    }
    if (!is_good) {
        fail_msg("%s: an image is not as it must be", scenario->name);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(read(results[0], counts, sizeof counts),
                         sizeof counts);
        counts_out[0] += counts[0];
        counts_out[1] += counts[1];
    }
    close(results[0]);
    close(results[1]);
}

size_t power_run(const struct power_scenario *scenario)
{
    struct power *power = calloc(1, sizeof *power);
    size_t counts[2] = {0, 0};

    assert_non_null(power);
    fault_install();
    fault_set_powersafe(scenario->is_powersafe);
    make_root(power->work_root);
    snprintf(power->disk.folder, sizeof power->disk.folder, "%s/data",
             power->work_root);
    if (scenario->prepare != NULL) {
        scenario->prepare(power);
    }
    disk_begin(power->work_root);
    scenario->work(power);
    size_t steps = disk_steps();
    share_out(scenario, power, counts);
    print_message("%s: %zu steps, %zu images, %zu openings\n", scenario->name,
                  steps, counts[0], counts[1]);
    if (scenario->end != NULL) {
        scenario->end(power);
    }
    remove_tree(power->work_root);
    fault_remove();
    free(power);
    return counts[0];
}
