/* test_power_files.c - a power cut at each step of what is done with files
 * outside the store: deliveries to a Maildir and what QUIT removes there, and
 * the making of a certificate. The promises are test_power.c's (attack 78).
 * Thread: the test's. */
#include "disk_calls.h"
#include "power.h"

#include "api/instance.h"
#include "base/limits.h"
#include "mailbox/maildir.h"
#include "platform/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a Maildir ---- */

static void prepare_folder(struct power *power)
{
    assert_int_equal(mkdir(power->disk.folder, 0700), 0);
}

static void text_of(const struct power_item *item, struct mm_buf *out)
{
    assert_int_equal(mm_buf_appendf(out, "Subject: %llu.\r\n\r\n",
                                    (unsigned long long)item->id),
                     MAILMOD_OK);
    while (mm_buf_size(out) < item->size) {
        assert_int_equal(
            mm_buf_appendf(out, "line %0400zu\r\n", mm_buf_size(out)),
            MAILMOD_OK);
    }
}

static void deliver_to_maildir(struct power *power, uint64_t size)
{
    struct mm_maildir_place place = {.base = power->disk.folder,
                                     .below = "alice/Maildir"};
    struct power_item *item = power_put(power, POWER_FILE, power->count, size);
    struct mm_maildir_delivery *delivery = NULL;
    struct mm_buf text;
    char name[64];

    mm_buf_init(&text, 1 << 20);
    text_of(item, &text);
    snprintf(name, sizeof name, "%u.M1R0.mail.test", 1000 + (unsigned)item->id);
    assert_int_equal(mm_maildir_delivery_new(&delivery, &place, name),
                     MAILMOD_OK);
    for (struct mm_span rest = mm_buf_span(&text); rest.size > 0;) {
        size_t part = rest.size < 5000 ? rest.size : 5000;

        assert_int_equal(
            mm_maildir_delivery_write(delivery, mm_span(rest.data, part)),
            MAILMOD_OK);
        rest = mm_span_from(rest, part);
    }
    assert_int_equal(mm_maildir_delivery_finish(delivery), MAILMOD_OK);
    item->put_step = disk_steps();
    mm_maildir_delivery_free(&delivery);
    mm_buf_fini(&text);
}

/* Reads the message; the item that it is. */
static struct power_item *item_of(struct power *power,
                                  struct mm_mailbox *mailbox, size_t index)
{
    struct mm_buf piece;
    struct mm_buf whole;
    struct mm_buf expected;
    uint64_t size = 0;
    unsigned long long id = POWER_ITEMS;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    mm_buf_init(&whole, 1 << 20);
    mm_buf_init(&expected, 1 << 20);
    for (unsigned number = 0; error == MAILMOD_OK; number++) {
        error = mm_mailbox_read(mailbox, index, number, &piece, &size);
        if (error == MAILMOD_OK) {
            assert_int_equal(mm_buf_append_span(&whole, mm_buf_span(&piece)),
                             MAILMOD_OK);
        }
    }
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(sscanf(mm_buf_cstr(&whole), "Subject: %llu.", &id), 1);
    assert_true(id < power->count);
    text_of(&power->items[id], &expected);
    assert_string_equal(mm_buf_cstr(&whole), mm_buf_cstr(&expected));
    mm_buf_fini(&piece);
    mm_buf_fini(&whole);
    mm_buf_fini(&expected);
    return &power->items[id];
}

static struct mm_mailbox *open_maildir(struct mm_mailbox_provider *maildirs,
                                       const char *folder)
{
    struct mm_mailbox_owner owner = {.user = "alice",
                                     .mailbox_id = 1,
                                     .base = folder,
                                     .below = "alice/Maildir"};
    struct mm_mailbox *mailbox = NULL;

    assert_int_equal(mm_mailbox_open(maildirs, &owner, &mailbox), MAILMOD_OK);
    return mailbox;
}

static void on_removed(struct mm_mailbox_removal *removal,
                       enum mailmod_error error)
{
    assert_int_equal(error, MAILMOD_OK);
    removal->keep_ms = -1;
}

/* The first ones of the listing go at QUIT, as one. */
static void quit_maildir(struct power *power,
                         struct mm_mailbox_provider *maildirs, size_t count,
                         unsigned group)
{
    static const size_t indexes[] = {0, 1, 2, 3, 4};
    struct mm_mailbox_removal removal = {
        .indexes = indexes, .count = count, .done = on_removed};
    struct mm_mailbox *mailbox = open_maildir(maildirs, power->disk.folder);

    for (size_t i = 0; i < count; i++) {
        struct power_item *item = item_of(power, mailbox, i);

        item->group = group;
        item->drop_begin = disk_steps();
    }
    assert_int_equal(mm_mailbox_mark_seen(mailbox, indexes, count + 1),
                     MAILMOD_OK);
    mm_mailbox_remove_list(mailbox, &removal);
    assert_int_equal(removal.keep_ms, -1); /* a Maildir answers at once */
    for (size_t i = 0; i < power->count; i++) {
        if (power->items[i].drop_begin != SIZE_MAX &&
            power->items[i].drop_step == SIZE_MAX) {
            power->items[i].drop_step = disk_steps();
        }
    }
    mm_mailbox_close(&mailbox);
}

static void work_of_maildir(struct power *power)
{
    static const uint64_t sizes[] = {20, 9000, 1, 20000, 3000, 40, 12000};
    struct mm_mailbox_provider maildirs;
    struct mm_store *store = NULL;

    assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    mm_maildirs_init(&maildirs, store);
    for (size_t i = 0; i < 7; i++) {
        deliver_to_maildir(power, sizes[i]);
    }
    quit_maildir(power, &maildirs, 1, 1);
    deliver_to_maildir(power, 500);
    quit_maildir(power, &maildirs, 4, 2);
    deliver_to_maildir(power, 600);
    quit_maildir(power, &maildirs, 2, 3);
    mm_store_close(&store);
}

static void work_of_plain_maildir(struct power *power)
{
    disk_calls_fail(power->disk.folder, DISK_CALL_RENAME, 1, EINVAL, true);
    work_of_maildir(power);
    assert_true(disk_calls_made() > 10);
    disk_calls_fail("", DISK_CALL_NONE, 0, 0, false);
}

/* Which of the items are there. */
static bool is_in_maildir(struct power *power, const struct power_item *item)
{
    return ((bool *)power->own)[item - power->items];
}

static void check_maildir(struct power *power, size_t step)
{
    static struct mm_store *store; /* which sessions there are; for all cuts */
    struct mm_mailbox_provider maildirs;
    bool is_there[POWER_ITEMS] = {false};

    if (store == NULL) {
        assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    }
    mm_maildirs_init(&maildirs, store);
    struct mm_mailbox *mailbox = open_maildir(&maildirs, power->after.folder);
    for (size_t i = 0; i < mm_mailbox_count(mailbox); i++) {
        struct power_item *item = item_of(power, mailbox, i);

        assert_false(is_there[item - power->items]);
        is_there[item - power->items] = true;
    }
    mm_mailbox_close(&mailbox);
    power->own = is_there;
    power_check_items(power, step, is_in_maildir);
    power->own = NULL;
}

/* ---- the certificate ---- */

enum { KINDS = 2, GENERATIONS = 3 };
static const char *const certificates[KINDS] = {"self-signed",
                                                "self-signed-rsa"};

struct generations {
    struct mm_buf texts[GENERATIONS][KINDS][2];
    size_t made_step[GENERATIONS];
    size_t broken_step[GENERATIONS]; /* the operator takes a file away */
};

static enum mailmod_error read_part(const char *folder, size_t kind, bool key,
                                    struct mm_buf *out)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s.%s", folder, certificates[kind],
             key ? "key" : "crt");
    return mm_fs_read(path, out);
}

static void settle_certificate(struct power *power, size_t generation)
{
    struct generations *all = power->own;
    struct mm_config *config = calloc(1, sizeof *config);

    config->data_folder = power->disk.folder;
    config->host_name = (char *)"mail.test";
    config->tls.self_signed = true;
    config->tls.certificate_file = mm_strdup("");
    config->tls.key_file = mm_strdup("");
    config->tls.more_certificates = mm_strdup("");
    assert_int_equal(mm_settle_certificate(config), MAILMOD_OK);
    all->made_step[generation] = disk_steps();
    all->broken_step[generation] = SIZE_MAX;
    mm_free(config->tls.certificate_file);
    mm_free(config->tls.key_file);
    mm_free(config->tls.more_certificates);
    free(config);
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (int key = 0; key < 2; key++) {
            struct mm_buf *text = &all->texts[generation][kind][key];

            mm_buf_init(text, 8192);
            assert_int_equal(
                read_part(power->disk.folder, kind, key != 0, text),
                MAILMOD_OK);
        }
    }
}

/* An operator removes one of the two files; both are made anew. */
static void remove_part(struct power *power, size_t generation,
                        const char *name)
{
    char path[128];

    ((struct generations *)power->own)->broken_step[generation] = disk_steps();
    snprintf(path, sizeof path, "%s/%s", power->disk.folder, name);
    assert_int_equal(unlink(path), 0);
}

static void work_of_certificate(struct power *power)
{
    power->own = calloc(1, sizeof(struct generations));
    settle_certificate(power, 0);
    remove_part(power, 0, "self-signed.key");
    settle_certificate(power, 1);
    remove_part(power, 1, "self-signed-rsa.crt");
    settle_certificate(power, 2);
}

/* A certificate beside a key is one with that key: else nobody would make them
 * anew, and the next start would fail. */
static void check_certificate(struct power *power, size_t step)
{
    struct generations *all = power->own;

    for (size_t kind = 0; kind < KINDS; kind++) {
        struct mm_buf parts[2];
        bool is_pair = false;

        mm_buf_init(&parts[0], 8192);
        mm_buf_init(&parts[1], 8192);
        bool has_both =
            read_part(power->after.folder, kind, false, &parts[0]) ==
                MAILMOD_OK &&
            read_part(power->after.folder, kind, true, &parts[1]) == MAILMOD_OK;
        for (size_t i = 0; has_both && i < GENERATIONS; i++) {
            is_pair =
                is_pair || (strcmp(mm_buf_cstr(&parts[0]),
                                   mm_buf_cstr(&all->texts[i][kind][0])) == 0 &&
                            strcmp(mm_buf_cstr(&parts[1]),
                                   mm_buf_cstr(&all->texts[i][kind][1])) == 0);
        }
        if (has_both && !is_pair) {
            fail_msg("step %zu: a certificate beside another's key", step);
        }
        for (size_t i = 0; i < GENERATIONS; i++) {
            if (all->made_step[i] <= step && all->broken_step[i] > step) {
                assert_true(has_both);
            }
        }
        mm_buf_fini(&parts[0]);
        mm_buf_fini(&parts[1]);
    }
}

static void end_certificate(struct power *power)
{
    struct generations *all = power->own;

    for (size_t i = 0; i < GENERATIONS; i++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            mm_buf_fini(&all->texts[i][kind][0]);
            mm_buf_fini(&all->texts[i][kind][1]);
        }
    }
    free(all);
}

/* ---- all ---- */

static void run(const char *name, struct power_scenario scenario)
{
    scenario.name = name;
    assert_true(power_run(&scenario) > 30 / MAILMOD_CUT_STRIDE);
}

static void test_maildir(void **state)
{
    (void)state;
    run("Maildir", (struct power_scenario){.prepare = prepare_folder,
                                           .work = work_of_maildir,
                                           .check = check_maildir});
}

/* On a file system without a rename that never replaces. */
static void test_maildir_by_links(void **state)
{
    (void)state;
    run("Maildir, by links",
        (struct power_scenario){.prepare = prepare_folder,
                                .work = work_of_plain_maildir,
                                .check = check_maildir});
}

static void test_certificate(void **state)
{
    (void)state;
    run("certificate", (struct power_scenario){.prepare = prepare_folder,
                                               .work = work_of_certificate,
                                               .check = check_certificate,
                                               .end = end_certificate});
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_maildir),
                                       cmocka_unit_test(test_maildir_by_links),
                                       cmocka_unit_test(test_certificate)};

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]); /* one of them, by name */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
