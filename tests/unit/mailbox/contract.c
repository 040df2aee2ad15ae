/* contract.c - see contract.h. Thread: the test's; the contenders' own. */
#include "contract.h"

#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "mailbox/unique_ids.h"
#include "platform/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

int contract_begin(void **state)
{
    *state = contract_kind.begin();
    return *state == NULL;
}

int contract_end(void **state)
{
    contract_kind.end(*state);
    return 0;
}

struct asking {
    struct mm_mailbox_question question;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    unsigned answers;
    enum mailmod_error error;
};

static void on_answered(struct mm_mailbox_question *question,
                        enum mailmod_error error)
{
    struct asking *asking = MM_LIST_OBJECT(question, struct asking, question);

    mm_mutex_lock(asking->mutex);
    asking->error = error;
    asking->answers++;
    mm_condition_signal(asking->condition);
    mm_mutex_unlock(asking->mutex);
}

static void asking_init(struct asking *asking)
{
    *asking = (struct asking){.question.done = on_answered};
    assert_int_equal(mm_mutex_new(&asking->mutex), MAILMOD_OK);
    assert_int_equal(mm_condition_new(&asking->condition), MAILMOD_OK);
}

static enum mailmod_error await(struct asking *asking)
{
    mm_mutex_lock(asking->mutex);
    while (asking->answers == 0) {
        mm_condition_wait(asking->condition, asking->mutex);
    }
    mm_mutex_unlock(asking->mutex);
    assert_int_equal(asking->answers, 1);
    asking->answers = 0;
    return asking->error;
}

static void asking_fini(struct asking *asking)
{
    mm_condition_free(&asking->condition);
    mm_mutex_free(&asking->mutex);
}

static enum mailmod_error visit(void *world, const char *user,
                                struct mm_mailbox **mailbox_out,
                                struct asking *asking)
{
    const struct mm_mailbox_visits visits = contract_kind.visits(world);
    const struct mm_mailbox_door door = {"pop3", 110};
    const struct mm_mailbox_client client = {.user = user, .given_name = user};
    enum mailmod_error error =
        visits.visit(visits.context, &door, &client, mailbox_out);

    if (error == MAILMOD_OK) {
        mm_mailbox_authenticate(*mailbox_out, "secret", &asking->question);
        error = await(asking);
    }
    if (error == MAILMOD_OK) {
        mm_mailbox_list(*mailbox_out, &asking->question);
        error = await(asking);
    }
    if (error != MAILMOD_OK) {
        mm_mailbox_close(mailbox_out);
    }
    return error;
}

static enum mailmod_error try_open_with(void *world, const char *user,
                                        struct mm_mailbox **mailbox_out,
                                        struct asking *asking)
{
    if (contract_kind.visits != NULL) {
        return visit(world, user, mailbox_out, asking);
    }
    struct mm_mailbox_owner owner = contract_kind.owner(world, user);
    return mm_mailbox_open(contract_kind.provider(world), &owner, mailbox_out);
}

static enum mailmod_error try_open(void *world, const char *user,
                                   struct mm_mailbox **mailbox_out)
{
    struct asking asking;

    asking_init(&asking);
    enum mailmod_error error = try_open_with(world, user, mailbox_out, &asking);
    asking_fini(&asking);
    return error;
}

static void wait_free(void *world, const char *user)
{
    if (contract_kind.wait_free != NULL) {
        contract_kind.wait_free(world, user);
    }
}

static enum mailmod_error read_with(struct mm_mailbox *mailbox, size_t index,
                                    unsigned number, struct mm_buf *out,
                                    uint64_t *size_out, struct asking *asking)
{
    mm_mailbox_ask(mailbox, index, number, out, size_out, &asking->question);
    return await(asking);
}

static enum mailmod_error read_piece(struct mm_mailbox *mailbox, size_t index,
                                     unsigned number, struct mm_buf *out,
                                     uint64_t *size_out)
{
    struct asking asking;

    asking_init(&asking);
    enum mailmod_error error =
        read_with(mailbox, index, number, out, size_out, &asking);
    asking_fini(&asking);
    return error;
}

struct mm_mailbox *contract_open(void *world, const char *user)
{
    struct mm_mailbox *mailbox = NULL;

    wait_free(world, user);
    assert_int_equal(try_open(world, user, &mailbox), MAILMOD_OK);
    return mailbox;
}

void contract_put(void *world, const char *user, const char *body)
{
    contract_kind.put(world, user, body, strlen(body));
}

void contract_read(struct mm_mailbox *mailbox, size_t index,
                   struct mm_buf *whole)
{
    struct mm_buf piece;
    unsigned number = 0;
    uint64_t size = 0;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    while (error == MAILMOD_OK) {
        error = read_piece(mailbox, index, number++, &piece, &size);
        if (error == MAILMOD_OK) {
            (void)mm_buf_append_span(whole, mm_buf_span(&piece));
        }
    }
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&piece);
    assert_int_equal(mm_buf_size(whole), mm_mailbox_size(mailbox, index));
    if (size != MM_MAILBOX_SIZE_UNKNOWN) {
        assert_int_equal(mm_buf_size(whole), size);
    }
    mm_mailbox_read_end(mailbox);
}

struct waiting {
    struct mm_mailbox_removal removal;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    unsigned answers;
    enum mailmod_error error;
};

static void on_removed(struct mm_mailbox_removal *removal,
                       enum mailmod_error error)
{
    struct waiting *waiting = MM_LIST_OBJECT(removal, struct waiting, removal);

    mm_mutex_lock(waiting->mutex);
    waiting->error = error;
    waiting->answers++;
    mm_condition_signal(waiting->condition);
    mm_mutex_unlock(waiting->mutex);
}

enum mailmod_error contract_remove(struct mm_mailbox *mailbox,
                                   const size_t *indexes, size_t count,
                                   bool is_now)
{
    struct waiting waiting = {
        .removal = {.indexes = indexes, .count = count, .done = on_removed}};

    assert_int_equal(mm_mutex_new(&waiting.mutex), MAILMOD_OK);
    assert_int_equal(mm_condition_new(&waiting.condition), MAILMOD_OK);
    if (is_now) {
        mm_mailbox_remove_now(mailbox, &waiting.removal);
    } else {
        mm_mailbox_remove_list(mailbox, &waiting.removal);
    }
    mm_mutex_lock(waiting.mutex);
    while (waiting.answers == 0) {
        mm_condition_wait(waiting.condition, waiting.mutex);
    }
    mm_mutex_unlock(waiting.mutex);
    assert_int_equal(waiting.answers, 1);
    mm_condition_free(&waiting.condition);
    mm_mutex_free(&waiting.mutex);
    return waiting.error;
}

/* RFC 1939 4: an exclusive-access lock for the session. */
void contract_one_session(void **state)
{
    struct mm_mailbox *second = NULL;
    struct mm_mailbox *first = contract_open(*state, "alice");
    struct mm_mailbox *other = contract_open(*state, "bob");

    assert_int_equal(try_open(*state, "alice", &second), MAILMOD_ERROR_BUSY);
    assert_null(second);
    mm_mailbox_close(&first);
    assert_null(first);
    mm_mailbox_close(&first);
    second = contract_open(*state, "alice");
    mm_mailbox_close(&second);
    mm_mailbox_close(&other);
}

void contract_empty(void **state)
{
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    struct mm_buf out;
    uint64_t size = 0;
    char id[MM_UNIQUE_ID_MAX] = "x";
    size_t index = 0;

    mm_buf_init(&out, 2 * MM_LIMIT_CHUNK);
    assert_int_equal(mm_mailbox_count(mailbox), 0);
    assert_int_equal(mm_mailbox_size(mailbox, 0), 0);
    mm_mailbox_unique_id(mailbox, 0, id);
    assert_string_equal(id, "");
    assert_int_equal(read_piece(mailbox, 0, 0, &out, &size),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(contract_remove(mailbox, &index, 1, false),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(contract_remove(mailbox, &index, 0, false), MAILMOD_OK);
    mm_buf_fini(&out);
    mm_mailbox_close(&mailbox);
}

/* Lines of 78 octets with their ends, cut to whole ones. */
static size_t fill(char *body, size_t size)
{
    size_t used = 0;

    for (size_t at = 0; at + 78 <= size; at += 78) {
        memset(body + at, 'a' + (int)(at / 78 % 26), 76);
        body[at + 76] = '\r';
        body[at + 77] = '\n';
        used = at + 78;
    }
    return used;
}

void contract_served_octets(void **state)
{
    static const size_t sizes[] = {
        0, 100, MM_LIMIT_CHUNK, 2 * MM_LIMIT_CHUNK + 300, 5 * MM_LIMIT_CHUNK};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    size_t used[COUNT];
    size_t head_size = strlen(contract_kind.head);
    char *body = malloc(sizes[COUNT - 1]);

    assert_non_null(body);
    for (size_t i = 0; i < COUNT; i++) {
        used[i] = fill(body, sizes[i]);
        contract_kind.put(*state, "alice", body, used[i]);
    }
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        struct mm_buf whole;

        mm_buf_init(&whole, 8 * MM_LIMIT_CHUNK);
        contract_read(mailbox, i, &whole);
        struct mm_span octets = mm_buf_span(&whole);
        assert_int_equal(octets.size, head_size + used[i]);
        assert_memory_equal(octets.data, contract_kind.head, head_size);
        assert_memory_equal(octets.data + head_size, body, used[i]);
        mm_buf_fini(&whole);
    }
    mm_mailbox_close(&mailbox);
    free(body);
}

/* RFC 1939 7: 1 to 70 characters from 33 to 126. */
static void check_unique_id(const char *text)
{
    size_t length = strlen(text);

    assert_true(length >= 1 && length <= 70);
    for (size_t i = 0; i < length; i++) {
        assert_true(text[i] >= 33 && text[i] <= 126);
    }
}

/* The same in every session, another for each message, never given again. */
void contract_unique_ids(void **state)
{
    char ids[4][MM_UNIQUE_ID_MAX];
    static const size_t second = 1;

    for (int i = 0; i < 2; i++) {
        contract_put(*state, "alice", "Subject: same\r\n\r\nbody\r\n");
    }
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    mm_mailbox_unique_id(mailbox, 0, ids[0]);
    mm_mailbox_unique_id(mailbox, 1, ids[1]);
    assert_int_equal(contract_remove(mailbox, &second, 1, false), MAILMOD_OK);
    mm_mailbox_close(&mailbox);
    contract_put(*state, "alice", "Subject: same\r\n\r\nbody\r\n");
    mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 2);
    mm_mailbox_unique_id(mailbox, 0, ids[2]);
    mm_mailbox_unique_id(mailbox, 1, ids[3]);
    mm_mailbox_close(&mailbox);
    for (int i = 0; i < 4; i++) {
        check_unique_id(ids[i]);
    }
    assert_string_equal(ids[0], ids[2]);
    assert_string_not_equal(ids[0], ids[1]);
    assert_string_not_equal(ids[3], ids[0]);
    assert_string_not_equal(ids[3], ids[1]);
}

static void expect_body(struct mm_mailbox *mailbox, size_t index,
                        const char *body)
{
    struct mm_buf whole;

    mm_buf_init(&whole, 2 * MM_LIMIT_CHUNK);
    contract_read(mailbox, index, &whole);
    struct mm_span octets =
        mm_span_from(mm_buf_span(&whole), strlen(contract_kind.head));
    assert_true(mm_span_is(octets, body));
    mm_buf_fini(&whole);
}

/* The listing stays as it was while mail comes. */
void contract_snapshot(void **state)
{
    contract_put(*state, "alice", "one\r\n");
    contract_put(*state, "alice", "two\r\n");
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    contract_put(*state, "alice", "late\r\n");
    contract_put(*state, "bob", "other\r\n");
    assert_int_equal(mm_mailbox_count(mailbox), 2);
    expect_body(mailbox, 1, "two\r\n");
    expect_body(mailbox, 0, "one\r\n");
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 3);
    expect_body(mailbox, 2, "late\r\n");
    mm_mailbox_close(&mailbox);
}

static enum mailmod_error seek(struct mm_mailbox *mailbox,
                               const char *unique_id, size_t *index_out)
{
    struct asking asking;

    asking_init(&asking);
    mm_mailbox_seek(mailbox, unique_id, index_out, &asking.question);
    enum mailmod_error error = await(&asking);
    asking_fini(&asking);
    return error;
}

static void expect_found(struct mm_mailbox *mailbox, const char *unique_id,
                         size_t index)
{
    size_t found = SIZE_MAX;

    assert_int_equal(seek(mailbox, unique_id, &found), MAILMOD_OK);
    assert_int_equal(found, index);
}

/* By unique-id; what came later stands behind the listing, which stays. */
void contract_find(void **state)
{
    char ids[3][MM_UNIQUE_ID_MAX];
    size_t found = 0;
    const size_t late = 2;

    contract_put(*state, "alice", "one\r\n");
    contract_put(*state, "alice", "two\r\n");
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    contract_put(*state, "alice", "late\r\n");
    struct mm_listing_memory memory = {.count = 0};
    assert_int_equal(mm_listing_memory_take(&memory, mailbox), MAILMOD_OK);
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_true(mm_listing_memory_has_news(&memory, mailbox));
    assert_int_equal(mm_listing_memory_take(&memory, mailbox), MAILMOD_OK);
    assert_false(mm_listing_memory_has_news(&memory, mailbox));
    for (size_t i = 0; i < 3; i++) {
        mm_mailbox_unique_id(mailbox, i, ids[i]);
        expect_found(mailbox, ids[i], i);
    }
    assert_int_equal(contract_remove(mailbox, &late, 1, true), MAILMOD_OK);
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_false(mm_listing_memory_has_news(&memory, mailbox));
    mm_listing_memory_fini(&memory);
    assert_int_equal(mm_mailbox_find(mailbox, mm_span_cstr(ids[2]), &found),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_mailbox_find(mailbox, mm_span_cstr("made-up"), &found),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_mailbox_known(mailbox), 2);
    mm_mailbox_close(&mailbox);
}

/* Of alice's last message; past the lock of the session that has her mailbox.
 */
static void last_id(void *world, char id_out[MM_UNIQUE_ID_MAX])
{
    if (contract_kind.last_id != NULL) {
        contract_kind.last_id(world, id_out);
        return;
    }
    struct mm_mailbox_provider *provider = contract_kind.provider(world);
    struct mm_mailbox_owner owner = contract_kind.owner(world, "alice");
    struct mm_mailbox *mailbox = NULL;

    assert_int_equal(provider->verbs->open(provider, &owner, &mailbox),
                     MAILMOD_OK);
    mm_mailbox_unique_id(mailbox, mm_mailbox_count(mailbox) - 1, id_out);
    /* In brackets, for the Windows tests have a macro of the name. */
    (provider->verbs->close)(mailbox);
}

/* A search without memory finds nothing, and changes nothing. */
void contract_find_allocations(void **state)
{
    if (contract_kind.visits != NULL) {
        skip(); /* the host's threads would take the fault */
    }
    char id[MM_UNIQUE_ID_MAX];
    unsigned long number = 0;
    bool is_met = true;

    contract_put(*state, "alice", "one\r\n");
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    contract_put(*state, "alice", "late\r\n");
    last_id(*state, id);
    while (is_met) {
        size_t found = 0;

        (void)mm_mem_set_fault(++number, 0);
        enum mailmod_error error =
            mm_mailbox_find(mailbox, mm_span_cstr(id), &found);
        is_met = mm_mem_set_fault(0, 0) >= number;
        assert_int_equal(error, is_met ? MAILMOD_ERROR_MEMORY : MAILMOD_OK);
        assert_true(is_met || found == 1);
        assert_int_equal(mm_mailbox_count(mailbox), 1);
        expect_body(mailbox, 0, "one\r\n");
    }
    assert_true(number > 1);
    mm_mailbox_close(&mailbox);
}

/* A message that came after the opening is read and removed like any. */
void contract_find_late(void **state)
{
    char id[MM_UNIQUE_ID_MAX];
    const size_t late = 1;

    contract_put(*state, "alice", "one\r\n");
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    contract_put(*state, "alice", "late\r\n");
    last_id(*state, id);
    expect_found(mailbox, id, late);
    expect_found(mailbox, id, late); /* not twice */
    size_t found;
    assert_int_equal(seek(mailbox, "no-such-id", &found),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(seek(mailbox, "two words", &found),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_mailbox_count(mailbox), 1);
    assert_int_equal(mm_mailbox_known(mailbox), 2);
    expect_body(mailbox, late, "late\r\n");
    assert_int_equal(contract_remove(mailbox, &late, 1, false), MAILMOD_OK);
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 1);
    mm_mailbox_close(&mailbox);
}

/* Nothing is removed where nothing may be. */
void contract_read_only(void **state)
{
    const size_t first = 0;

    contract_put(*state, "alice", "one\r\n");
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    mailbox->is_read_only = true;
    assert_int_equal(contract_remove(mailbox, &first, 1, false),
                     MAILMOD_ERROR_ACCESS);
    assert_int_equal(contract_remove(mailbox, &first, 1, true),
                     MAILMOD_ERROR_ACCESS);
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 1);
    mm_mailbox_close(&mailbox);
}

/* What is removed is what the session says, whatever came meanwhile. */
void contract_removal(void **state)
{
    static const size_t indexes[] = {0, 3};

    contract_put(*state, "alice", "zero\r\n");
    contract_put(*state, "alice", "one\r\n");
    contract_put(*state, "alice", "two\r\n");
    contract_put(*state, "alice", "three\r\n");
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    contract_put(*state, "alice", "late\r\n");
    assert_int_equal(contract_remove(mailbox, indexes, 2, false), MAILMOD_OK);
    assert_int_equal(mm_mailbox_count(mailbox), 4);
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 3);
    expect_body(mailbox, 0, "one\r\n");
    expect_body(mailbox, 1, "two\r\n");
    expect_body(mailbox, 2, "late\r\n");
    mm_mailbox_close(&mailbox);
}

/* Nothing more is said: the line drops. */
void contract_remove_now(void **state)
{
    static const size_t first = 0;
    struct mm_mailbox *mailbox = NULL;

    contract_put(*state, "alice", "zero\r\n");
    contract_put(*state, "alice", "one\r\n");
    mailbox = contract_open(*state, "alice");
    if (!mm_mailbox_can(mailbox, MM_MAILBOX_REMOVES_NOW)) {
        assert_int_equal(contract_remove(mailbox, &first, 1, true),
                         MAILMOD_ERROR_STATE);
        mm_mailbox_close(&mailbox);
        return;
    }
    assert_int_equal(contract_remove(mailbox, &first, 1, true), MAILMOD_OK);
    assert_int_equal(contract_remove(mailbox, &first, 1, true), MAILMOD_OK);
    assert_int_equal(mm_mailbox_count(mailbox), 2);
    expect_body(mailbox, 1, "one\r\n");
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 1);
    expect_body(mailbox, 0, "one\r\n");
    mm_mailbox_close(&mailbox);
}

/* Others may remove; what they took counts as removed, the rest is served. */
void contract_taken_away(void **state)
{
    static const size_t indexes[] = {0, 1};
    struct mm_buf out;
    uint64_t size = 0;

    contract_put(*state, "alice", "zero\r\n");
    contract_put(*state, "alice", "one\r\n");
    struct mm_mailbox *mailbox = contract_open(*state, "alice");
    contract_kind.take_away(*state);
    mm_buf_init(&out, 2 * MM_LIMIT_CHUNK);
    assert_int_equal(read_piece(mailbox, 0, 0, &out, &size),
                     contract_kind.taken);
    mm_buf_fini(&out);
    expect_body(mailbox, 1, "one\r\n");
    assert_int_equal(contract_remove(mailbox, indexes, 2, false), MAILMOD_OK);
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(*state, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 0);
    mm_mailbox_close(&mailbox);
}

/* An opening that fails leaves no claim. */
void contract_allocations(void **state)
{
    unsigned long number = 0;
    bool is_met = true;

    contract_put(*state, "alice", "body\r\n");
    while (is_met) {
        struct mm_mailbox *mailbox = NULL;
        struct mm_buf out;
        uint64_t size = 0;
        struct asking asking;

        asking_init(&asking);
        mm_buf_init(&out, 2 * MM_LIMIT_CHUNK);
        wait_free(*state, "alice");
        (void)mm_mem_set_fault(++number, 0);
        enum mailmod_error error =
            try_open_with(*state, "alice", &mailbox, &asking);
        if (error == MAILMOD_OK) {
            error = read_with(mailbox, 0, 0, &out, &size, &asking);
        }
        is_met = mm_mem_set_fault(0, 0) >= number;
        assert_int_equal(error, is_met ? MAILMOD_ERROR_MEMORY : MAILMOD_OK);
        asking_fini(&asking);
        mm_mailbox_close(&mailbox);
        mm_buf_fini(&out);
        mailbox = contract_open(*state, "alice");
        mm_mailbox_close(&mailbox);
    }
    assert_true(number > 3);
}

struct contender {
    void *world;
    struct mm_thread *thread;
    atomic_int *inside;
    unsigned opened;
    unsigned broken;
};

static void contend(void *context)
{
    struct contender *contender = context;

    for (int i = 0; i < 300; i++) {
        struct mm_mailbox *mailbox = NULL;
        enum mailmod_error error =
            try_open(contender->world, "alice", &mailbox);

        if (error == MAILMOD_OK) {
            contender->opened++;
            contender->broken += atomic_fetch_add(contender->inside, 1) != 0;
            atomic_fetch_sub(contender->inside, 1);
            mm_mailbox_close(&mailbox);
        } else {
            /* LIMIT: a host's threads have as much to do as they may. */
            contender->broken +=
                error != MAILMOD_ERROR_BUSY && error != MAILMOD_ERROR_LIMIT;
        }
    }
}

void contract_many_threads(void **state)
{
    struct contender contenders[6];
    atomic_int inside = 0;
    unsigned opened = 0;
    unsigned broken = 0;

    for (int i = 0; i < 6; i++) {
        contenders[i] = (struct contender){*state, NULL, &inside, 0, 0};
        assert_int_equal(mm_thread_start(&contenders[i].thread, "contender",
                                         contend, &contenders[i]),
                         MAILMOD_OK);
    }
    for (int i = 0; i < 6; i++) {
        mm_thread_join(&contenders[i].thread);
        broken += contenders[i].broken;
        opened += contenders[i].opened;
    }
    assert_int_equal(broken, 0);
    assert_true(opened > 0);
}
