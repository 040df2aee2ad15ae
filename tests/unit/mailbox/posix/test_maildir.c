/* test_maildir.c - Maildirs as a provider: the contract, and what is theirs:
 * other programs at work, line ends, names, links, a removal that was broken
 * off, and the delivery. */
#include "../contract.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mailbox/maildir.h"
#include "mailbox/maildir_flags.h"
#include "mailbox/maildir_folders.h"
#include "tests/unit/remove_tree.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    char folder[64];
    struct mm_store *store;
    struct mm_mailbox_provider maildirs;
    unsigned number;
};

static void path_of(const struct world *world, const char *rest, char *out,
                    size_t size)
{
    assert_true(snprintf(out, size, "%s/%s", world->folder, rest) < (int)size);
}

static enum mailmod_error begin_delivery(struct mm_maildir_delivery **delivery,
                                         const char *base, const char *name)
{
    const struct mm_maildir_place place = {.base = base,
                                           .below = "alice/Maildir"};

    return mm_maildir_delivery_new(delivery, &place, name);
}

static void deliver_to(const struct mm_maildir_place *place, const char *name,
                       const char *body, size_t size)
{
    struct mm_maildir_delivery *delivery = NULL;

    assert_int_equal(mm_maildir_delivery_new(&delivery, place, name),
                     MAILMOD_OK);
    for (size_t at = 0; at < size; at += 1000) {
        size_t step = size - at < 1000 ? size - at : 1000;

        assert_int_equal(
            mm_maildir_delivery_write(delivery, mm_span(body + at, step)),
            MAILMOD_OK);
    }
    assert_int_equal(mm_maildir_delivery_finish(delivery), MAILMOD_OK);
    mm_maildir_delivery_free(&delivery);
    assert_null(delivery);
}

static void deliver_as(struct world *world, const char *user, const char *name,
                       const char *body, size_t size)
{
    char below[64];
    const struct mm_maildir_place place = {.base = world->folder,
                                           .below = below};

    snprintf(below, sizeof below, "%s/Maildir", user);
    deliver_to(&place, name, body, size);
}

static void put(void *context, const char *user, const char *body, size_t size)
{
    struct world *world = context;
    char name[64];

    snprintf(name, sizeof name, "%u.M1R0.mail.test", 1000 + world->number++);
    deliver_as(world, user, name, body, size);
}

static void *begin(void)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    strcpy(world->folder, "/tmp/mailmod-maildir-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(mm_store_open_memory(&world->store, NULL), MAILMOD_OK);
    mm_maildirs_init(&world->maildirs, world->store);
    return world;
}

static void end(void *context)
{
    struct world *world = context;

    mm_store_close(&world->store);
    remove_tree(world->folder);
    free(world);
}

static struct mm_mailbox_provider *provider(void *world)
{
    return &((struct world *)world)->maildirs;
}

static struct mm_mailbox_owner owner(void *world, const char *user)
{
    bool is_alice = strcmp(user, "alice") == 0;

    return (struct mm_mailbox_owner){.user = user,
                                     .mailbox_id = is_alice ? 1 : 2,
                                     .base = ((struct world *)world)->folder,
                                     .below = is_alice ? "alice/Maildir"
                                                       : "bob/Maildir"};
}

/* The name of the first file of a folder in alice's Maildir; NULL: none. */
static const char *first_in(const struct world *world, const char *sub,
                            char *name_out, size_t size)
{
    char path[256];
    char rest[64];
    const char *found = NULL;

    snprintf(rest, sizeof rest, "alice/Maildir/%s", sub);
    path_of(world, rest, path, sizeof path);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL;
         entry = readdir(folder)) {
        if (entry->d_name[0] != '.' &&
            (found == NULL || strcmp(entry->d_name, found) < 0)) {
            snprintf(name_out, size, "%s", entry->d_name);
            found = name_out;
        }
    }
    closedir(folder);
    return found;
}

static void take_away(void *context)
{
    char name[256];
    char path[600];
    char rest[300];

    assert_non_null(first_in(context, "new", name, sizeof name));
    snprintf(rest, sizeof rest, "alice/Maildir/new/%s", name);
    path_of(context, rest, path, sizeof path);
    assert_int_equal(unlink(path), 0);
}

const struct contract_kind contract_kind = {
    .head = "",
    .begin = begin,
    .end = end,
    .provider = provider,
    .taken = MAILMOD_ERROR_CANCELLED,
    .owner = owner,
    .put = put,
    .take_away = take_away,
};

/* As another program delivers. */
static void write_file(struct world *world, const char *rest, const char *text)
{
    char path[600];

    path_of(world, rest, path, sizeof path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static void move(struct world *world, const char *from, const char *to)
{
    char old_path[600];
    char new_path[600];

    path_of(world, from, old_path, sizeof old_path);
    path_of(world, to, new_path, sizeof new_path);
    assert_int_equal(rename(old_path, new_path), 0);
}

static void make_maildir(struct world *world)
{
    contract_put(world, "alice", "x\r\n");
    take_away(world);
}

static void expect(struct mm_mailbox *mailbox, size_t index, const char *text)
{
    struct mm_buf whole;

    mm_buf_init(&whole, 2 * MM_LIMIT_CHUNK);
    contract_read(mailbox, index, &whole);
    assert_true(mm_span_is(mm_buf_span(&whole), text));
    mm_buf_fini(&whole);
}

/* LF and CRLF alike; the end of a last line that has none; a CR alone stays. */
static void test_line_ends(void **state)
{
    static const struct {
        const char *file;
        const char *served;
    } rows[] = {{"a\nb\n", "a\r\nb\r\n"},
                {"a\r\nb\r\n", "a\r\nb\r\n"},
                {"a\nb", "a\r\nb\r\n"},
                {"a\rb\n", "a\rb\r\n"},
                {"a\n\n\r\n.\n", "a\r\n\r\n\r\n.\r\n"},
                {"a\r", "a\r\n"},
                {"", ""}};
    enum { COUNT = sizeof rows / sizeof rows[0] };
    struct world *world = *state;
    char name[64];

    make_maildir(world);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "alice/Maildir/new/20%zu.x", i);
        write_file(world, name, rows[i].file);
    }
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        expect(mailbox, i, rows[i].served);
    }
    mm_mailbox_close(&mailbox);
}

/* A mail reader moves new mail to cur and sets flags while we serve it. */
static void test_others_move(void **state)
{
    struct world *world = *state;
    static const size_t both[] = {0, 1};
    char before[MM_UNIQUE_ID_MAX];
    char after[MM_UNIQUE_ID_MAX];

    make_maildir(world);
    write_file(world, "alice/Maildir/new/301.a", "one\n");
    write_file(world, "alice/Maildir/cur/302.b:2,S", "two\n");
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 2);
    mm_mailbox_unique_id(mailbox, 0, before);
    assert_string_equal(before, "301.a");
    move(world, "alice/Maildir/new/301.a", "alice/Maildir/cur/301.a:2,");
    move(world, "alice/Maildir/cur/302.b:2,S", "alice/Maildir/cur/302.b:2,RS");
    expect(mailbox, 0, "one\r\n");
    expect(mailbox, 1, "two\r\n");
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(world, "alice");
    mm_mailbox_unique_id(mailbox, 0, after);
    assert_string_equal(before, after);
    move(world, "alice/Maildir/cur/301.a:2,", "alice/Maildir/cur/301.a:2,F");
    assert_int_equal(contract_remove(mailbox, both, 2, false), MAILMOD_OK);
    mm_mailbox_close(&mailbox);
    mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 0);
    mm_mailbox_close(&mailbox);
}

/* Letters as Maildirs have them, and what stands beside them. */
static void test_flags(void **state)
{
    static const struct {
        const char *name;
        unsigned flags;
        const char *seen; /* NULL: as it is */
    } rows[] = {
        {"1.a", 0, "1.a:2,S"},
        {"1.a:2,", 0, "1.a:2,S"},
        {"1.a,S=4,W=5:2,FRac", MAILMOD_MAIL_FLAGGED | MAILMOD_MAIL_ANSWERED,
         "1.a,S=4,W=5:2,FRSac"},
        {"1.a:2,T", MAILMOD_MAIL_TRASHED, "1.a:2,ST"},
        {"1.a:2,DFPRSTabz",
         MAILMOD_MAIL_DRAFT | MAILMOD_MAIL_FLAGGED | MAILMOD_MAIL_PASSED |
             MAILMOD_MAIL_ANSWERED | MAILMOD_MAIL_SEEN | MAILMOD_MAIL_TRASHED,
         NULL},
        {"1.a:2,R,S", MAILMOD_MAIL_ANSWERED, "1.a:2,RS,S"},
        {"1.a:1,S", 0, NULL},
        {"1.a:", 0, NULL},
    };
    char name[MM_MAILDIR_NAME_MAX];
    char letters[MM_MAILDIR_FLAGS_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mm_maildir_flags(rows[i].name), rows[i].flags);
        assert_int_equal(mm_maildir_flags_add_seen(rows[i].name, name),
                         rows[i].seen != NULL);
        if (rows[i].seen != NULL) {
            assert_string_equal(name, rows[i].seen);
        }
    }
    mm_maildir_flags_write(MM_MAIL_MARKS | MAILMOD_MAIL_8BIT, letters);
    assert_string_equal(letters, "DFPRST");
    /* No room for four octets more. */
    char full[MM_MAILDIR_NAME_MAX];
    memset(full, 'x', sizeof full);
    full[252] = '\0';
    assert_false(mm_maildir_flags_add_seen(full, name));
    full[251] = '\0';
    assert_true(mm_maildir_flags_add_seen(full, name));
    assert_int_equal(strlen(name), 255);
}

/* What was retrieved is marked, wherever others have moved it; all else stays
 * as it is, and what is gone is no error. */
static void test_marked_seen(void **state)
{
    struct world *world = *state;
    static const size_t seen[] = {0, 1, 2, 4};
    static const char *const wanted[] = {"311.a:2,S", "312.b:2,RSa",
                                         "313.c:2,FS", "314.d:2,"};
    struct mm_mailbox_detail detail;
    char path[600];
    char name[256];

    make_maildir(world);
    write_file(world, "alice/Maildir/new/311.a", "one\n");
    write_file(world, "alice/Maildir/cur/312.b:2,Ra", "two\n");
    write_file(world, "alice/Maildir/new/313.c", "three\n");
    write_file(world, "alice/Maildir/cur/314.d:2,", "four\n");
    write_file(world, "alice/Maildir/new/315.e", "five\n");
    write_file(world, "alice/Maildir/new/316.f", "six\n");
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_detail(mailbox, 1, &detail), MAILMOD_OK);
    assert_int_equal(detail.flags, MAILMOD_MAIL_ANSWERED);
    expect(mailbox, 0, "one\r\n");
    move(world, "alice/Maildir/new/313.c", "alice/Maildir/cur/313.c:2,F");
    path_of(world, "alice/Maildir/new/315.e", path, sizeof path);
    assert_int_equal(unlink(path), 0);
    mailbox->is_read_only = true;
    assert_int_equal(mm_mailbox_mark_seen(mailbox, seen, 4),
                     MAILMOD_ERROR_ACCESS);
    mailbox->is_read_only = false;
    assert_int_equal(mm_mailbox_mark_seen(mailbox, seen, 0), MAILMOD_OK);
    assert_int_equal(mm_mailbox_mark_seen(mailbox, seen, 4), MAILMOD_OK);
    assert_int_equal(mm_mailbox_mark_seen(mailbox, seen, 4), MAILMOD_OK);
    expect(mailbox, 0, "one\r\n");
    mm_mailbox_close(&mailbox);
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "alice/Maildir/cur/%s", wanted[i]);
        path_of(world, name, path, sizeof path);
        assert_int_equal(access(path, F_OK), 0);
    }
    assert_string_equal(first_in(world, "new", name, sizeof name), "316.f");
}

/* A size in the name that is not the file's. */
static void test_wrong_sizes(void **state)
{
    struct world *world = *state;

    make_maildir(world);
    write_file(world, "alice/Maildir/new/401.a,S=4,W=4000", "one\n");
    write_file(world, "alice/Maildir/new/402.b,W=x", "two\n");
    write_file(world, "alice/Maildir/new/403.c,W=1", "three\nfour\n");
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_size(mailbox, 0), 4000);
    assert_int_equal(mm_mailbox_size(mailbox, 1), 5);
    struct mm_buf out;
    uint64_t size = 0;
    mm_buf_init(&out, 2 * MM_LIMIT_CHUNK);
    assert_int_equal(mm_mailbox_read(mailbox, 0, 0, &out, &size), MAILMOD_OK);
    assert_int_equal(size, 5);
    assert_int_equal(mm_mailbox_read(mailbox, 0, 1, &out, &size),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_mailbox_read(mailbox, 2, 0, &out, &size), MAILMOD_OK);
    assert_int_equal(size, 13);
    mm_buf_fini(&out);
    mm_mailbox_close(&mailbox);
}

/* Names that can be no unique-id, and files that are no messages. */
static void test_odd_names(void **state)
{
    struct world *world = *state;
    char id[MM_UNIQUE_ID_MAX];
    char other[MM_UNIQUE_ID_MAX];
    char name[300];
    char path[600];

    make_maildir(world);
    write_file(world, "alice/Maildir/new/.hidden", "no\n");
    snprintf(name, sizeof name, "alice/Maildir/new/501.%0200d", 7);
    write_file(world, name, "long\n");
    snprintf(name, sizeof name, "alice/Maildir/new/501.%0200d", 8);
    write_file(world, name, "long\n");
    write_file(world, "alice/Maildir/new/502.two words", "blank\n");
    write_file(world, "alice/Maildir/new/_", "underscore\n");
    path_of(world, "alice/Maildir/new/503.folder", path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(world, "alice/Maildir/new/504.pipe", path, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 4);
    for (size_t i = 0; i < 4; i++) {
        mm_mailbox_unique_id(mailbox, i, id);
        assert_int_equal(strlen(id), 33);
        assert_null(strchr(id, ' '));
        if (i > 0) {
            assert_string_not_equal(id, other);
        }
        memcpy(other, id, sizeof id);
    }
    mm_mailbox_close(&mailbox);
}

/* The owner of a Maildir leads us into no other place. */
static void test_links(void **state)
{
    struct world *world = *state;
    char path[600];
    char target[600];
    struct mm_mailbox *mailbox = NULL;
    struct mm_maildir_delivery *delivery = NULL;
    struct mm_buf out;
    uint64_t size = 0;

    make_maildir(world);
    contract_put(world, "bob", "secret\r\n");
    path_of(world, "alice/Maildir/new/601.link,W=8", path, sizeof path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    path_of(world, "alice/Maildir/new/602.link", path, sizeof path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 1);
    mm_buf_init(&out, 2 * MM_LIMIT_CHUNK);
    assert_int_equal(mm_mailbox_read(mailbox, 0, 0, &out, &size),
                     MAILMOD_ERROR_ACCESS);
    mm_buf_fini(&out);
    mm_mailbox_close(&mailbox);
    /* A folder of it. */
    move(world, "alice/Maildir/cur", "alice/Maildir/old");
    path_of(world, "alice/Maildir/cur", path, sizeof path);
    path_of(world, "bob/Maildir/new", target, sizeof target);
    assert_int_equal(symlink(target, path), 0);
    struct mm_mailbox_owner alice = owner(world, "alice");
    assert_int_equal(mm_mailbox_open(provider(world), &alice, &mailbox),
                     MAILMOD_ERROR_ACCESS);
    assert_int_equal(begin_delivery(&delivery, world->folder, "1.x"),
                     MAILMOD_ERROR_ACCESS);
    /* And above it. */
    move(world, "alice", "real");
    path_of(world, "alice", path, sizeof path);
    assert_int_equal(symlink("real", path), 0);
    assert_int_equal(mm_mailbox_open(provider(world), &alice, &mailbox),
                     MAILMOD_ERROR_ACCESS);
}

/* A removal that was promised, and the process ended: at each step. */
static void test_removal_is_finished(void **state)
{
    for (int step = 0; step < 4; step++) {
        struct world *world = *state;

        make_maildir(world);
        write_file(world, "alice/Maildir/new/701.a", "one\n");
        write_file(world, "alice/Maildir/new/702.b", "two\n");
        write_file(world, "alice/Maildir/cur/703.c:2,S", "three\n");
        /* "701.a", "703.c": as the list has them. */
        char path[600];
        path_of(world,
                step == 0 ? "alice/Maildir/tmp/removal.1"
                          : "alice/Maildir/mailmod-removal",
                path, sizeof path);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fwrite("701.a\0"
               "703.c",
               1, 12, file);
        fclose(file);
        if (step == 2) {
            path_of(world, "alice/Maildir/new/701.a", path, sizeof path);
            assert_int_equal(unlink(path), 0);
        } else if (step == 3) {
            /* A reader moved one meanwhile. */
            move(world, "alice/Maildir/new/701.a",
                 "alice/Maildir/cur/701.a:2,");
        }
        struct mm_mailbox *mailbox = contract_open(world, "alice");
        assert_int_equal(mm_mailbox_count(mailbox), step == 0 ? 3 : 1);
        expect(mailbox, step == 0 ? 1 : 0, "two\r\n");
        mm_mailbox_close(&mailbox);
        path_of(world, "alice/Maildir/mailmod-removal", path, sizeof path);
        assert_int_not_equal(access(path, F_OK), 0);
        path_of(world, "alice", path, sizeof path);
        remove_tree(path);
    }
}

/* With what its readers have said it is no new mail. */
static void test_delivered_with_marks(void **state)
{
    struct world *world = *state;
    struct mm_maildir_delivery *delivery = NULL;
    char name[256];

    assert_int_equal(begin_delivery(&delivery, world->folder, "802.x"),
                     MAILMOD_OK);
    assert_int_equal(mm_maildir_delivery_write(delivery, mm_span("a\r\n", 3)),
                     MAILMOD_OK);
    mm_maildir_delivery_set_marks(delivery,
                                  MAILMOD_MAIL_SEEN | MAILMOD_MAIL_ANSWERED);
    assert_int_equal(mm_maildir_delivery_finish(delivery), MAILMOD_OK);
    mm_maildir_delivery_free(&delivery);
    assert_null(first_in(world, "new", name, sizeof name));
    assert_string_equal(first_in(world, "cur", name, sizeof name),
                        "802.x,S=2,W=3:2,RS");
}

static void make_folder(struct world *world, const char *rest)
{
    char path[600];

    path_of(world, rest, path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* By name: where mail for it goes, in a Maildir that has some folders and some
 * things that are none. What is written with "!" is made. */
static void test_folders(void **state)
{
    static const struct {
        const char *folder;
        const char *place; /* of alice's Maildir */
    } rows[] = {
        {"", "new"},
        {"Lists", "new"}, /* not there yet, and nobody makes it */
        {"!Lists", ".Lists/new"},
        {"LISTS", ".Lists/new"},
        {"!lists", ".Lists/new"},
        {"!a.b", ".a.b/new"},
        {"half", "new"},
        {"!half", ".half/new"},
        {"plain", "new"},
        {"link", "new"},
        {"..", "new"},
        {".", "new"},
        {"./Lists", "new"},
        {"../x", "new"},
        {"a/../../x", "new"},
        {"Lists:2,S", "new"},
        {"!gr\xc3\xbc\xc3\x9f", ".gr&APwA3w-/new"},
        {"gr\xc3\xbc\xc3\x9f", ".gr&APwA3w-/new"},
        {"GR&apwa3w-", "new"},
        {"!\xf0\x9f\x93\xac&co", ".&2D3c7A-&-co/new"},
        {"\xff", "new"},
    };
    enum { COUNT = sizeof rows / sizeof rows[0] };
    struct world *world = *state;
    char path[600];
    char name[256];

    make_maildir(world);
    make_folder(world, "alice/Maildir/.half");
    make_folder(world, "alice/Maildir/.half/cur");
    write_file(world, "alice/Maildir/.plain", "no folder\n");
    path_of(world, "alice/Maildir/.link", path, sizeof path);
    assert_int_equal(symlink("cur", path), 0);
    for (size_t i = 0; i < COUNT; i++) {
        bool makes = rows[i].folder[0] == '!';
        const struct mm_maildir_place place = {.base = world->folder,
                                               .below = "alice/Maildir",
                                               .folder = rows[i].folder +
                                                         (makes ? 1 : 0),
                                               .makes_folder = makes};

        snprintf(name, sizeof name, "%zu.x", 900 + i);
        deliver_to(&place, name, "x\r\n", 3);
        snprintf(name, sizeof name, "alice/Maildir/%s/%zu.x,S=2,W=3",
                 rows[i].place, 900 + i);
        path_of(world, name, path, sizeof path);
        print_message("%s\n", path);
        assert_int_equal(access(path, F_OK), 0);
    }
    path_of(world, "alice/Maildir/.Lists/maildirfolder", path, sizeof path);
    assert_int_equal(access(path, F_OK), 0);
    /* The name as it is goes before another one in case. */
    make_folder(world, "alice/Maildir/.lists");
    struct mm_mailbox_owner alice = owner(world, "alice");
    struct mm_mailbox *mailbox = NULL;
    static const struct {
        const char *folder;
        size_t count;
    } opened[] = {{"Lists", 3}, {"lists", 0}, {"nothing", 0}, {"a.b", 1}};
    for (size_t i = 0; i < 4; i++) {
        alice.folder = opened[i].folder;
        assert_int_equal(mm_mailbox_open(provider(world), &alice, &mailbox),
                         MAILMOD_OK);
        assert_int_equal(mm_mailbox_count(mailbox), opened[i].count);
        mm_mailbox_close(&mailbox);
    }
    alice.folder = "link";
    assert_int_equal(mm_mailbox_open(provider(world), &alice, &mailbox),
                     MAILMOD_ERROR_ACCESS);
}

/* The same message again, after a crash before it was settled. */
static void test_delivered_twice(void **state)
{
    struct world *world = *state;
    char path[600];

    for (int i = 0; i < 3; i++) {
        deliver_as(world, "alice", "801.MabcR0.mail.test", "x\r\ny\r\n", 6);
    }
    write_file(world, "alice/Maildir/tmp/801.MabcR1.mail.test", "half");
    deliver_as(world, "alice", "801.MabcR1.mail.test", "whole\r\n", 7);
    struct mm_mailbox *mailbox = contract_open(world, "alice");
    assert_int_equal(mm_mailbox_count(mailbox), 2);
    expect(mailbox, 0, "x\r\ny\r\n");
    expect(mailbox, 1, "whole\r\n");
    mm_mailbox_close(&mailbox);
    /* LF in the file, both sizes in its name, and nobody else's to read. */
    char name[256];
    struct stat status;
    assert_string_equal(first_in(world, "new", name, sizeof name),
                        "801.MabcR0.mail.test,S=4,W=6");
    assert_null(first_in(world, "tmp", name, sizeof name));
    path_of(world, "alice/Maildir/new/801.MabcR0.mail.test,S=4,W=6", path,
            sizeof path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 4);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_delivery_is_given_up(void **state)
{
    struct world *world = *state;
    struct mm_maildir_delivery *delivery = NULL;
    char name[256];
    static const char *const bad[] = {"", ".x", "a/b", "a:2,S", "a b", "../x"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(begin_delivery(&delivery, world->folder, bad[i]),
                         MAILMOD_ERROR_ARGUMENT);
        assert_null(delivery);
    }
    assert_int_equal(begin_delivery(&delivery, "/nowhere/at/all", "1.x"),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_null(delivery);
    assert_int_equal(begin_delivery(&delivery, world->folder, "1.x"),
                     MAILMOD_OK);
    assert_int_equal(mm_maildir_delivery_write(delivery, mm_span("a\r\n", 3)),
                     MAILMOD_OK);
    mm_maildir_delivery_free(&delivery);
    assert_null(first_in(world, "tmp", name, sizeof name));
    assert_null(first_in(world, "new", name, sizeof name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS,
        CONTRACT_EACH(test_line_ends),
        CONTRACT_EACH(test_others_move),
        cmocka_unit_test(test_flags),
        CONTRACT_EACH(test_marked_seen),
        CONTRACT_EACH(test_wrong_sizes),
        CONTRACT_EACH(test_odd_names),
        CONTRACT_EACH(test_links),
        CONTRACT_EACH(test_removal_is_finished),
        CONTRACT_EACH(test_folders),
        CONTRACT_EACH(test_delivered_with_marks),
        CONTRACT_EACH(test_delivered_twice),
        CONTRACT_EACH(test_delivery_is_given_up)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
