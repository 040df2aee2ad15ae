/* thread: any (the test's)
 * fixture.h - a store to test: on disk in a folder of its own, or in memory;
 * both answer the same tests. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/store.h"

struct fixture {
    bool is_sqlite;
    char folder[64];
    struct mm_store *store;
};

/* For cmocka's groups: the state is a struct fixture. */
int fixture_disk(void **state);
int fixture_memory(void **state);
int fixture_end(void **state);
/* Every test of a table, on each of the two. */
#define ON_DISK(test)                                                          \
    {                                                                          \
#test " (disk)", test, fixture_disk, fixture_end, NULL                 \
    }
#define ON_BOTH(test)                                                          \
    ON_DISK(test),                                                             \
    {                                                                          \
#test " (memory)", test, fixture_memory, fixture_end, NULL             \
    }

enum mailmod_error fixture_open_as(struct fixture *fixture,
                                   enum mm_store_mode mode,
                                   struct mm_store **store_out,
                                   struct mm_buf *reason_out);
/* Closes and opens again; on disk alone. */
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
enum mailmod_error fixture_remove(struct mm_store *store, uint64_t mailbox_id,
                                  uint64_t unique_number);
/* No complaint of the integrity check. */
void fixture_verify(struct mm_store *store);

#endif
