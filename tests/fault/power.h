/* thread: the test's
 * power.h - a power cut at each step of some work: what was acknowledged until
 * then is noted as items, all images that the disk may hold are made, and the
 * real code opens each of them. */
#ifndef TESTS_FAULT_POWER_H
#define TESTS_FAULT_POWER_H

#include "fixture.h"

#include "disk.h"

enum power_kind { POWER_ENTRY, POWER_RECIPIENT, POWER_SEEN, POWER_FILE };

/* Something that was put, and perhaps taken away: at a cut between the answer
 * to the one and the beginning of the other it is there, whole; behind the
 * answer to the other it is not; at any other cut it is there whole or not. */
struct power_item {
    enum power_kind kind;
    uint64_t id;
    uint64_t mailbox_id;
    uint64_t size;
    bool is_alone;     /* when the entry is gone the message is gone */
    unsigned group;    /* of those that are taken away together; 0: none */
    size_t put_step;   /* SIZE_MAX: it was not acknowledged */
    size_t drop_begin; /* SIZE_MAX: nobody takes it away */
    size_t drop_step;
};

enum { POWER_ITEMS = 256, POWER_GROUPS = 4 };

struct power {
    struct fixture disk;  /* where the work is done */
    struct fixture after; /* an image of it */
    char work_root[40];
    char after_root[40];
    uint64_t alice;
    uint64_t bob;
    struct power_item items[POWER_ITEMS];
    size_t count;
    void *own; /* the scenario's */
};

struct power_scenario {
    const char *name;
    bool is_powersafe;
    size_t every; /* only each so many steps; 0: each step */
    void (*prepare)(struct power *power); /* before the disk remembers; NULL */
    void (*work)(struct power *power);
    /* Looks at the image in after_root, which was cut at `step`. */
    void (*check)(struct power *power, size_t step);
    void (*end)(struct power *power); /* NULL */
};

struct power_item *power_put(struct power *power, enum power_kind kind,
                             uint64_t id, uint64_t size);
void power_was_put(struct power_item *item, size_t step);
/* Each item against what the image has; `is_there` looks, and fails the test
 * when the item is there in part. */
void power_check_items(struct power *power, size_t step,
                       bool (*is_there)(struct power *power,
                                        const struct power_item *item));
/* How many distinct images of a scenario were as they must be; the test fails
 * when one is not. */
size_t power_run(const struct power_scenario *scenario);

#endif
