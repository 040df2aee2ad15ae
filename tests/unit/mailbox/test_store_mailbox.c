/* test_store_mailbox.c - the store's mailboxes as a provider: the contract, and
 * what is theirs: Return-Path, unique-ids of imported mail, damage. */
#include "contract.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mailbox/store_mailbox.h"

#include <stdlib.h>
#include <string.h>

struct world {
    struct mm_store *store;
    struct mm_mailbox_provider mailboxes;
    uint64_t alice;
    uint64_t bob;
};

struct work {
    struct mm_store_job job;
    struct mm_store_user user;
    struct mm_store_message message;
    uint64_t mailbox_id;
    const char *body;
    size_t size;
    size_t lie; /* octets that the listing tells too many */
    const char *uidl;
    const char *delivered_to;
    const char *original_to;
    unsigned marks;
    uint64_t number; /* to remove */
};

static enum mailmod_error run_user(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    return mm_store_add_user(t, &MM_LIST_OBJECT(job, struct work, job)->user);
}

static uint64_t add_user(struct mm_store *store, const char *name)
{
    struct work work = {.job.run = run_user};

    strcpy(work.user.name, name);
    assert_int_equal(mm_store_run(store, &work.job), MAILMOD_OK);
    return work.user.mailbox_id;
}

static enum mailmod_error run_message(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);
    struct mm_store_entry_detail detail = {.uidl = ""};
    uint64_t id = work->message.id;
    enum mailmod_error error = MAILMOD_OK;

    for (size_t at = 0; error == MAILMOD_OK && at < work->size;
         at += MM_LIMIT_CHUNK) {
        size_t rest = work->size - at;

        error = mm_store_put_chunk(
            t, id, (unsigned)(at / MM_LIMIT_CHUNK),
            mm_span(work->body + at,
                    rest < MM_LIMIT_CHUNK ? rest : MM_LIMIT_CHUNK));
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &work->message);
    }
    if (work->uidl != NULL) {
        strcpy(detail.uidl, work->uidl);
    }
    if (work->delivered_to != NULL) {
        strcpy(detail.delivered_to, work->delivered_to);
        strcpy(detail.original_to, work->original_to);
    }
    detail.marks = work->marks;
    bool has_detail =
        work->uidl != NULL || work->delivered_to != NULL || work->marks != 0;
    return error == MAILMOD_OK
               ? mm_store_put_entry_with(
                     t, work->mailbox_id, id,
                     work->size + work->lie +
                         mm_mailbox_fields_size(work->message.reverse_path,
                                                detail.delivered_to,
                                                detail.original_to),
                     has_detail ? &detail : NULL)
               : error;
}

static void put_work(struct world *world, struct work *work,
                     const char *reverse_path)
{
    work->job.run = run_message;
    work->message.id = mm_store_new_message_id(world->store);
    work->message.size = work->size;
    strcpy(work->message.reverse_path, reverse_path);
    assert_int_equal(mm_store_run(world->store, &work->job), MAILMOD_OK);
}

static uint64_t mailbox_of(const struct world *world, const char *user)
{
    return strcmp(user, "alice") == 0 ? world->alice : world->bob;
}

static void put(void *context, const char *user, const char *body, size_t size)
{
    struct work work = {
        .mailbox_id = mailbox_of(context, user), .body = body, .size = size};

    put_work(context, &work, "a@example.org");
}

static void *begin(void)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    assert_int_equal(mm_store_open_memory(&world->store, NULL), MAILMOD_OK);
    mm_store_mailboxes_init(&world->mailboxes, world->store);
    world->alice = add_user(world->store, "alice");
    world->bob = add_user(world->store, "bob");
    return world;
}

static void end(void *context)
{
    struct world *world = context;

    mm_store_close(&world->store);
    free(world);
}

static struct mm_mailbox_provider *provider(void *world)
{
    return &((struct world *)world)->mailboxes;
}

static struct mm_mailbox_owner owner(void *world, const char *user)
{
    return (struct mm_mailbox_owner){.user = user,
                                     .mailbox_id = mailbox_of(world, user),
                                     .base = "",
                                     .below = ""};
}

static enum mailmod_error run_removal(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);

    return mm_store_remove_entries(t, work->mailbox_id, &work->number, 1);
}

/* As a tool does. */
static void take_away(void *context)
{
    struct world *world = context;
    struct mm_store_entry *entries = NULL;
    size_t count = 0;

    assert_int_equal(
        mm_store_list_entries(world->store, world->alice, &entries, &count),
        MAILMOD_OK);
    struct work work = {.job.run = run_removal,
                        .mailbox_id = world->alice,
                        .number = entries[0].unique_number};
    mm_free(entries);
    assert_int_equal(mm_store_run(world->store, &work.job), MAILMOD_OK);
}

const struct contract_kind contract_kind = {
    .head = "Return-Path: <a@example.org>\r\n",
    .begin = begin,
    .end = end,
    .provider = provider,
    .taken = MAILMOD_ERROR_CANCELLED,
    .owner = owner,
    .put = put,
    .take_away = take_away,
};

/* An opening that fails leaves no lock. */
static void test_no_mailbox(void **state)
{
    static const struct mm_mailbox_owner nobody = {
        .user = "nobody", .mailbox_id = 4711, .base = "", .below = ""};
    struct mm_mailbox *mailbox = NULL;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(mm_mailbox_open(provider(*state), &nobody, &mailbox),
                         MAILMOD_ERROR_NOT_FOUND);
        assert_null(mailbox);
    }
}

static void test_return_paths(void **state)
{
    static const struct {
        const char *reverse_path;
        const char *field;
    } rows[] = {{"", "Return-Path: <>\r\n"},
                {"\"q q\"@x.net", "Return-Path: <\"q q\"@x.net>\r\n"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = *state;
        struct work work = {
            .mailbox_id = world->alice, .body = "x\r\n", .size = 3};
        struct mm_buf whole;

        put_work(world, &work, rows[i].reverse_path);
        struct mm_mailbox *mailbox = contract_open(world, "alice");
        mm_buf_init(&whole, 1000);
        contract_read(mailbox, i, &whole);
        size_t size = strlen(rows[i].field);
        assert_int_equal(mm_buf_size(&whole), size + 3);
        assert_memory_equal(mm_buf_span(&whole).data, rows[i].field, size);
        mm_buf_fini(&whole);
        mm_mailbox_close(&mailbox);
    }
}

/* The longest Return-Path and a full chunk fit one piece's buffer. */
static void test_longest_return_path(void **state)
{
    static char path[MM_STORE_REVERSE_PATH_MAX];
    static char body[MM_LIMIT_CHUNK];
    struct world *world = *state;
    struct work work = {
        .mailbox_id = world->alice, .body = body, .size = sizeof body};
    struct mm_buf whole;

    memset(path, 'p', sizeof path - 1);
    memset(body, 'b', sizeof body);
    put_work(world, &work, path);
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    mm_buf_init(&whole, 2 * MM_LIMIT_CHUNK);
    contract_read(mailbox, 0, &whole);
    mm_buf_fini(&whole);
    mm_mailbox_close(&mailbox);
}

/* What was fetched or imported keeps the text that its readers know. */
static void test_imported_unique_ids(void **state)
{
    static const char *const texts[] = {NULL, "old-7", "two words", "!~"};
    struct world *world = *state;
    char id[MM_UNIQUE_ID_MAX];

    for (size_t i = 0; i < 4; i++) {
        struct work work = {.mailbox_id = world->alice,
                            .body = "x\r\n",
                            .size = 3,
                            .uidl = texts[i]};

        put_work(world, &work, "");
    }
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    for (size_t i = 0; i < 4; i++) {
        mm_mailbox_unique_id(mailbox, i, id);
        if (i % 2 == 1) {
            assert_string_equal(id, texts[i]);
        } else {
            assert_int_equal(strlen(id), 21); /* tag and number */
        }
    }
    mm_mailbox_close(&mailbox);
}

/* What readers had said where it was imported from. */
static void test_imported_marks(void **state)
{
    static const unsigned marks[] = {0, MAILMOD_MAIL_SEEN,
                                     MAILMOD_MAIL_PASSED | MAILMOD_MAIL_DRAFT,
                                     MM_MAIL_MARKS};
    struct world *world = *state;

    for (size_t i = 0; i < 4; i++) {
        struct work work = {.mailbox_id = world->alice,
                            .body = "x\r\n",
                            .size = 3,
                            .marks = marks[i]};

        put_work(world, &work, "");
    }
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    for (size_t i = 0; i < 4; i++) {
        struct mm_mailbox_detail detail;

        assert_int_equal(mm_mailbox_detail(mailbox, i, &detail), MAILMOD_OK);
        assert_int_equal(detail.flags, marks[i]);
        assert_int_equal(mm_mailbox_size(mailbox, i),
                         3 + strlen("Return-Path: <>\r\n"));
    }
    /* Nobody else reads it: there is nothing to tell. */
    assert_int_equal(mm_mailbox_mark_seen(mailbox, NULL, 0),
                     MAILMOD_ERROR_STATE);
    mm_mailbox_close(&mailbox);
}

/* Its chunks end before its size does: not served as a shorter message. */
static void test_lost_end(void **state)
{
    struct world *world = *state;
    struct mm_buf out;
    uint64_t size = 0;

    for (size_t i = 0; i < 2; i++) {
        struct work work = {.mailbox_id = world->alice,
                            .body = "body\r\n",
                            .size = 6,
                            .lie = i}; /* one octet short is enough */

        put_work(world, &work, "");
    }
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    mm_buf_init(&out, MM_LIMIT_CHUNK + 512);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(mm_mailbox_read(mailbox, i, 0, &out, &size),
                         MAILMOD_OK);
        assert_int_equal(mm_mailbox_read(mailbox, i, 1, &out, &size),
                         i == 0 ? MAILMOD_ERROR_NOT_FOUND
                                : MAILMOD_ERROR_STORAGE_DAMAGED);
    }
    mm_buf_fini(&out);
    mm_mailbox_close(&mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CONTRACT_TESTS,
                                       CONTRACT_EACH(test_no_mailbox),
                                       CONTRACT_EACH(test_return_paths),
                                       CONTRACT_EACH(test_longest_return_path),
                                       CONTRACT_EACH(test_imported_unique_ids),
                                       CONTRACT_EACH(test_imported_marks),
                                       CONTRACT_EACH(test_lost_end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
