/* thread: any (the test's)
 * arrival.h - a post office with two mailboxes and one message that comes in,
 * for the tests of deposits. */
#ifndef MM_TEST_POST_ARRIVAL_H
#define MM_TEST_POST_ARRIVAL_H

#include "people.h"
#include "post/deposit.h"

struct arrival {
    struct mm_store *store;
    struct mm_post *post;
    struct mm_config *config;
    struct mm_deposit_options options;
    struct mm_deposit *deposit;
    uint64_t alice, bob;
    unsigned rooms, finished, wakes;
    enum mailmod_error error;
};

struct arrival_rows {
    struct mm_store_recipient items[8];
    struct mm_store_message message;
    size_t count;
};

/* No header and no line's end. */
extern char arrival_big[200000];

int arrival_begin(void **state);
int arrival_end(void **state);
enum mailmod_error arrival_try_start(struct arrival *a, const char *path);
void arrival_start(struct arrival *a, const char *path);
enum mailmod_error arrival_try_mailbox(struct arrival *a, uint64_t mailbox_id);
void arrival_add_mailbox(struct arrival *a, uint64_t mailbox_id);
enum mailmod_error arrival_try_remote(struct arrival *a, const char *path,
                                      const char *destination);
void arrival_add_remote(struct arrival *a, const char *path,
                        const char *destination);
void arrival_write_all(struct arrival *a, struct mm_span data, size_t step);
void arrival_finish(struct arrival *a);
void arrival_read_whole(struct arrival *a, uint64_t mailbox_id,
                        struct mm_buf *text, uint64_t *size_out);
size_t arrival_entries(struct arrival *a, uint64_t mailbox_id);
void arrival_list(struct arrival *a, struct arrival_rows *rows);
bool arrival_has_chunk(struct arrival *a, uint64_t id, unsigned number);

#endif
