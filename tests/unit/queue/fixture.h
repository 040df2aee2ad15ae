/* fixture.h - a queue over a real store with a clock that the test sets. */
#ifndef MM_TEST_QUEUE_FIXTURE_H
#define MM_TEST_QUEUE_FIXTURE_H

#include "queue/queue.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define START_MS INT64_C(1800000000000)

struct fixture {
    bool is_sqlite;
    char folder[64];
    struct mm_store *store;
    struct mq_queue *queue;
    struct mq_options options;
    int64_t now_ms;
    /* of the last settlement */
    enum mq_report reports[16];
    struct mq_outcome ends[16];
    enum mailmod_error error;
    unsigned report_calls;
    enum mailmod_error report_error; /* what write_reports answers */
    bool keeps_sent, keeps_dead;     /* of the next settlements */
    bool tells_nobody;               /* write_reports finds nobody to tell */
};

void fixture_open(struct fixture *fixture, bool is_sqlite);
void fixture_close(struct fixture *fixture);
/* cmocka's set-up and teardown of a test, and the test over both stores. */
int fixture_open_memory(void **state);
int fixture_open_sqlite(void **state);
int fixture_teardown(void **state);
#define BOTH(test)                                                             \
    cmocka_unit_test_setup_teardown(test, fixture_open_memory,                 \
                                    fixture_teardown),                         \
        cmocka_unit_test_setup_teardown(test, fixture_open_sqlite,             \
                                        fixture_teardown)
/* The same store and options with new tables, as after a restart. */
void fixture_restart(struct fixture *fixture);
void fixture_set_options(struct fixture *fixture);

struct fixture_message {
    const char *reverse_path;
    bool is_report;
    bool keeps_failed;
    unsigned notify;
    unsigned recipient_count; /* 0: one */
};
extern const struct fixture_message fixture_plain;
/* One message for one destination; gives its id. */
uint64_t fixture_add(struct fixture *fixture, const char *destination,
                     const struct fixture_message *message);
/* `count` messages of one recipient, in one transaction. */
void fixture_add_many(struct fixture *fixture, const char *destination,
                      unsigned count);

/* Claims all that may be; the list is the test's to empty. */
void fixture_claim(struct fixture *fixture, struct mm_list *batches);
struct mq_batch *fixture_take(struct mm_list *batches);
/* One batch or NULL. */
struct mq_batch *fixture_claim_one(struct fixture *fixture);
/* Settles with one outcome for all (or an array) and releases. */
void fixture_settle_each(struct fixture *fixture, struct mq_batch *batch,
                         const struct mq_outcome *outcomes);
void fixture_settle(struct fixture *fixture, struct mq_batch *batch,
                    enum mq_verdict verdict, bool is_down);
struct mq_outcome fixture_outcome(enum mq_verdict verdict, bool is_down);
/* Rows of a message (0: all) in the store. */
size_t fixture_count(struct fixture *fixture, uint64_t id);
/* Rows of a kind that are kept. */
size_t fixture_count_kept(struct fixture *fixture, enum mailmod_kept_kind kind);
bool fixture_row(struct fixture *fixture, uint64_t id, unsigned number,
                 struct mm_store_recipient *row_out);
void fixture_act(struct fixture *fixture, uint64_t id,
                 enum mailmod_queue_action action);

#endif
