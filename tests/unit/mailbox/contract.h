/* thread: any (the test's)
 * contract.h - what every mailbox provider must do, as tests over a kind.
 *
 * A kind makes a world with the users alice and bob, and puts mail there as
 * whoever delivers does. The tests see the provider's contract alone. */
#ifndef MM_TEST_MAILBOX_CONTRACT_H
#define MM_TEST_MAILBOX_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailbox/provider.h"

#include <stdbool.h>

struct contract_kind {
    /* What it serves before the body that was put. */
    const char *head;
    void *(*begin)(void);
    void (*end)(void *world);
    struct mm_mailbox_provider *(*provider)(void *world);
    struct mm_mailbox_owner (*owner)(void *world, const char *user);
    /* Of a kind that answers later: who is visited, instead of the two above,
     * and the wait until a mailbox that was closed is free again. */
    struct mm_mailbox_visits (*visits)(void *world);
    void (*wait_free)(void *world, const char *user);
    /* What a reading of a message gets that somebody took away. */
    enum mailmod_error taken;
    /* A message of whole lines that end with CRLF. */
    void (*put)(void *world, const char *user, const char *body, size_t size);
    /* The unique-id of alice's last message; NULL: a provider that tells it to
     * a second opening. */
    void (*last_id)(void *world, char id_out[MM_UNIQUE_ID_MAX]);
    /* Somebody else removes alice's first message. */
    void (*take_away)(void *world);
};

/* Each test program has one. */
extern const struct contract_kind contract_kind;

int contract_begin(void **state);
int contract_end(void **state);
struct mm_mailbox *contract_open(void *world, const char *user);
void contract_put(void *world, const char *user, const char *body);
/* All pieces together; their octets are what the listing says. */
void contract_read(struct mm_mailbox *mailbox, size_t index,
                   struct mm_buf *whole);
/* Waits for the answer. */
enum mailmod_error contract_remove(struct mm_mailbox *mailbox,
                                   const size_t *indexes, size_t count,
                                   bool is_now);

void contract_one_session(void **state);
void contract_empty(void **state);
void contract_served_octets(void **state);
void contract_unique_ids(void **state);
void contract_snapshot(void **state);
void contract_find(void **state);
void contract_find_late(void **state);
void contract_find_allocations(void **state);
void contract_read_only(void **state);
void contract_removal(void **state);
void contract_remove_now(void **state);
void contract_taken_away(void **state);
void contract_allocations(void **state);
void contract_many_threads(void **state);

#define CONTRACT_EACH(test)                                                    \
    cmocka_unit_test_setup_teardown(test, contract_begin, contract_end)
#define CONTRACT_TESTS                                                         \
    CONTRACT_EACH(contract_one_session), CONTRACT_EACH(contract_empty),        \
        CONTRACT_EACH(contract_served_octets),                                 \
        CONTRACT_EACH(contract_unique_ids), CONTRACT_EACH(contract_snapshot),  \
        CONTRACT_EACH(contract_find), CONTRACT_EACH(contract_find_late),       \
        CONTRACT_EACH(contract_find_allocations),                              \
        CONTRACT_EACH(contract_read_only), CONTRACT_EACH(contract_removal),    \
        CONTRACT_EACH(contract_remove_now),                                    \
        CONTRACT_EACH(contract_taken_away),                                    \
        CONTRACT_EACH(contract_allocations),                                   \
        CONTRACT_EACH(contract_many_threads)

#endif
