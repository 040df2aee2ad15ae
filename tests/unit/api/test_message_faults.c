/* test_message_faults.c - sending while memory is short, each allocation once.
 *
 * A whole instance runs; an allocation of the n-th number fails wherever it is
 * made, on the calling thread or any other. Whatever fails, a call ends with an
 * error or a result, DONE comes once, and the mailbox has what was accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/instance.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/outbound.h"
#include "platform/clock.h"
#include "post/post.h"
#include "tests/unit/remove_tree.h"

#include <stdio.h>
#include <unistd.h>

#define FAULTS_MAX 400
#define WAIT_MS 60000
#define LARGE 150000 /* a piece of it lies in the store */

static char text[LARGE] = "Subject: x\n\nbody\n";
static size_t text_size = sizeof "Subject: x\n\nbody\n" - 1;
static char folder[] = "message-faults-XXXXXX";

static const char *const settings[][2] = {
    {"general.data_folder", folder},
    {"general.host_name", "mail.test"},
    {"general.loops", "1"},
    {"local.domains", "mail.test"},
    {"smtp.listen", ""},
    {"submission.listen", ""},
    {"submissions.listen", ""},
    {"pop3.listen", "127.0.0.1:0"},
    {"pop3s.listen", ""},
    {"queue.holds", "true"},
    {"dns.servers", "127.0.0.1:9"},
    {"dns.tries", "1"},
};

static mailmod *begin(void)
{
    mailmod *mail;

    assert_int_equal(mailmod_new(&mail), MAILMOD_OK);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        assert_int_equal(
            mailmod_config_set(mail, settings[i][0], settings[i][1]),
            MAILMOD_OK);
    }
    assert_int_equal(mailmod_start(mail), MAILMOD_OK);
    return mail;
}

static void end(mailmod *mail)
{
    assert_int_equal(mailmod_stop(mail), MAILMOD_OK);
    assert_int_equal(mailmod_drain(mail, WAIT_MS), MAILMOD_OK);
    assert_int_equal(mailmod_free(&mail), MAILMOD_OK);
}

static size_t mail_of(const mailmod *mail)
{
    struct mm_store_user user;
    struct mm_store_entry *entries = NULL;
    size_t count = 0;

    assert_int_equal(mm_store_find_user(mail->store, "postmaster", &user),
                     MAILMOD_OK);
    assert_int_equal(
        mm_store_list_entries(mail->store, user.mailbox_id, &entries, &count),
        MAILMOD_OK);
    mm_free(entries);
    return count;
}

/* When its last attempt gave it back. */
static void check_nothing_left(const mailmod *mail, const char *identifier)
{
    struct mm_buf chunk;
    uint64_t id = 0;

    assert_true(mm_message_id_parse(mm_span_cstr(identifier), &id));
    while (mm_outbound_busy(mail->outbound) > 0 ||
           mm_post_busy(mail->post) > 0) {
        mm_clock_sleep_ms(1);
    }
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    assert_int_equal(mm_store_read_chunk(mail->store, id, 1, &chunk),
                     MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&chunk);
}

static void count_done(void *context,
                       const struct mailmod_progress_report *report)
{
    if (report->progress == MAILMOD_DONE) {
        atomic_fetch_add((atomic_uint *)context, 1);
    }
}

/* One message with the n-th allocation failing. */
static bool try(mailmod *mail, struct mailmod_envelope *envelope,
                unsigned long n, bool is_local)
{
    atomic_uint done = 0;
    size_t before = mail_of(mail);
    mailmod_message *message = NULL;
    enum mailmod_error error;

    envelope->context = &done;
    mm_mem_set_fault(n, 0);
    error = mailmod_message_submit(mail, envelope, text, text_size, &message);
    if (error == MAILMOD_OK && is_local) {
        error = mailmod_message_wait(message, WAIT_MS);
        assert_int_equal(error, MAILMOD_OK);
    }
    mm_mem_set_fault(0, 0);
    if (error != MAILMOD_OK) {
        assert_null(message);
        if (mail_of(mail) != before) {
            fail_msg("allocation %lu: %s, and it is there: %s", n,
                     mm_error_name(error), mailmod_last_error_text());
        }
        return false;
    }
    if (envelope->mode != MAILMOD_SEND_QUEUE) {
        assert_int_equal(mailmod_message_wait(message, WAIT_MS), MAILMOD_OK);
    }
    if (is_local) {
        struct mailmod_result result = {.size = sizeof result};

        assert_int_equal(mailmod_message_result(message, 0, &result),
                         MAILMOD_OK);
        assert_int_equal(mail_of(mail) - before,
                         result.outcome == MAILMOD_DELIVERED ? 1 : 0);
    }
    if (envelope->on_progress != NULL &&
        (is_local || envelope->mode != MAILMOD_SEND_QUEUE)) {
        assert_int_equal(atomic_load(&done), 1);
    }
    if (envelope->mode == MAILMOD_SEND_RELAY) {
        check_nothing_left(mail, mailmod_message_identifier(message));
    }
    assert_int_equal(mailmod_message_free(&message), MAILMOD_OK);
    return true;
}

/* Of the allocations every `step`-th fails. */
static void each_fault(struct mailmod_envelope *envelope, bool is_local,
                       unsigned long step)
{
    mailmod *mail = begin();
    unsigned failures = 0;

    for (unsigned long n = 1; n <= FAULTS_MAX; n += step) {
        failures += try(mail, envelope, n, is_local) ? 0 : 1;
    }
    assert_in_range(failures, step == 1 ? 5 : 1, FAULTS_MAX - 100);
    end(mail);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_tree(folder);
    return 0;
}

static void into_the_mailbox(void **state)
{
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_QUEUE,
                                        .reverse_path = "me@mail.test",
                                        .recipients = "postmaster@mail.test",
                                        .on_progress = count_done};

    (void)state;
    each_fault(&envelope, true, 1);
    envelope.mode = MAILMOD_SEND_NOW;
    each_fault(&envelope, true, 1);
}

static void into_the_queue(void **state)
{
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_QUEUE,
                                        .recipients = "a@b.test c@d.test",
                                        .on_progress = count_done};

    (void)state;
    each_fault(&envelope, false, 1);
}

/* Port 9 of loopback: nobody listens. */
static void to_a_relay(void **state)
{
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_RELAY,
                                        .recipients = "a@b.test c@d.test",
                                        .on_progress = count_done,
                                        .relay_host = "127.0.0.1",
                                        .relay_port = 9,
                                        .relay_tls = MAILMOD_RELAY_TLS_OFF};

    (void)state;
    each_fault(&envelope, false, 1);
}

/* S17: pieces in the store, for the mailbox and for the attempts apart; and
 * header fields. */
static void large_ones(void **state)
{
    const struct mailmod_header_field field = {
        .size = sizeof field, .name = "X-Order", .value = "\xc3\xa4 17"};
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_NOW,
                                        .recipients =
                                            "postmaster@mail.test a@b.test",
                                        .on_progress = count_done,
                                        .header_list = &field,
                                        .header_count = 1,
                                        .relay_host = "127.0.0.1",
                                        .relay_port = 9,
                                        .relay_tls = MAILMOD_RELAY_TLS_OFF};

    (void)state;
    memset(text + text_size, 'x', sizeof text - text_size);
    text_size = sizeof text;
    each_fault(&envelope, true, 15);
    envelope.mode = MAILMOD_SEND_RELAY;
    envelope.recipients = "a@b.test";
    each_fault(&envelope, false, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(into_the_mailbox),
        cmocka_unit_test(into_the_queue),
        cmocka_unit_test(to_a_relay),
        cmocka_unit_test(large_ones),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
