/* thread: any (the test's)
 * fixture.h - a store of any kind to test. The contract's suite (contract/)
 * runs over every row of fixture_kinds; what is SQLite's alone is run on it by
 * ON_DISK. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/memory/memory.h"

struct fixture;

/* One implementation. `open` is called after a close, too: a restart. */
struct fixture_kind {
    const char *name;
    void (*begin)(struct fixture *fixture);
    enum mailmod_error (*open)(struct fixture *fixture);
    void (*end)(struct fixture *fixture);
    /* Changes an octet of a piece of a body behind the store's back. */
    void (*damage)(struct fixture *fixture, uint64_t id, unsigned number);
};
extern const struct fixture_kind fixture_kinds[];
extern const size_t fixture_kind_count;

struct fixture {
    const struct fixture_kind *kind;
    char folder[64];             /* of a store on disk */
    struct mm_memory_disk *disk; /* of one in memory */
    struct mm_store *store;
};

/* For cmocka's groups: the state is a struct fixture. */
int fixture_disk(void **state);
int fixture_end(void **state);
/* Each test on each kind of store; the number of those that failed. */
struct fixture_test {
    const char *name;
    void (*run)(void **state);
};
#define FIXTURE_TEST(test)                                                     \
    {                                                                          \
#test, test                                                            \
    }
int fixture_run_contract(const struct fixture_test *tests, size_t count);
#define ON_DISK(test)                                                          \
    {                                                                          \
#test " (disk)", test, fixture_disk, fixture_end, NULL                 \
    }

enum mailmod_error fixture_open_as(struct fixture *fixture,
                                   enum mm_store_mode mode,
                                   struct mm_store **store_out,
                                   struct mm_buf *reason_out);
/* Closes and opens again. */
void fixture_reopen(struct fixture *fixture);
void fixture_remove_folder(const char *folder);
void fixture_path(const struct fixture *fixture, const char *name,
                  char path_out[128]);

/* Runs `work` as one job and returns what the job came to. */
typedef enum mailmod_error (*fixture_work)(struct mm_store_transaction *t,
                                           void *context);
enum mailmod_error fixture_run(struct mm_store *store, fixture_work work,
                               void *context);

/* A message of `size` octets, each told by its place and `id`. */
char fixture_octet(uint64_t id, uint64_t at);
enum mailmod_error fixture_put_body(struct mm_store_transaction *t, uint64_t id,
                                    uint64_t size);
enum mailmod_error fixture_put_row(struct mm_store_transaction *t, uint64_t id,
                                   uint64_t size);
/* Body, row and an entry in each of the mailboxes, in one job. */
/* The same without an assertion, for threads other than the test's; 0 when it
 * fails. */
uint64_t fixture_try_deliver(struct mm_store *store, uint64_t size,
                             const uint64_t *mailbox_ids, size_t count);
uint64_t fixture_deliver(struct mm_store *store, uint64_t size,
                         const uint64_t *mailbox_ids, size_t count);
/* The whole of it is there, octet by octet. */
void fixture_check_body(struct mm_store *store, uint64_t id, uint64_t size);
bool fixture_has_message(struct mm_store *store, uint64_t id);
bool fixture_has_chunk(struct mm_store *store, uint64_t id, unsigned number);

uint64_t fixture_add_user(struct mm_store *store, const char *name);
size_t fixture_count_entries(struct mm_store *store, uint64_t mailbox_id);
/* The unique number of a message's entry, which is there once at most; 0: it is
 * not. What the listing came to. */
enum mailmod_error fixture_find_entry(struct mm_store *store,
                                      uint64_t mailbox_id, uint64_t id,
                                      uint64_t *number_out);
enum mailmod_error fixture_remove(struct mm_store *store, uint64_t mailbox_id,
                                  uint64_t unique_number);
/* Lets another thread come on. */
void fixture_pause(void);
/* No complaint of the integrity check. */
void fixture_verify(struct mm_store *store);

#endif
