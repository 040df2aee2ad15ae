/* test_handover.c - mail for a part of this system: taken, put off and taken,
 * failed, cut; nobody there; a change of routes. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/outcome.h"
#include "post/consumer.h"
#include "post/destination.h"
#include "rig.h"

static struct {
    struct mm_consumer consumer;
    struct mm_consumption *work; /* in hand */
    unsigned taken, puts, settled, cancelled;
} list;

static void take(struct mm_consumer *consumer, struct mm_consumption *work)
{
    assert_ptr_equal(consumer, &list.consumer);
    assert_null(list.work);
    list.work = work;
    list.taken++;
}

static void cancel(struct mm_consumer *consumer, struct mm_consumption *work)
{
    assert_ptr_equal(consumer, &list.consumer);
    assert_ptr_equal(work, list.work);
    list.work = NULL;
    list.cancelled++;
}

static void open_with(struct rig *rig, const char *const *settings)
{
    memset(&list, 0, sizeof list);
    list.consumer =
        (struct mm_consumer){.name = "list", .take = take, .cancel = cancel};
    rig_open(rig, settings);
    assert_int_equal(mm_consumer_register(rig->post, &list.consumer),
                     MAILMOD_OK);
}

static void send_to_list(struct rig *rig, const char *recipients,
                         unsigned notify)
{
    const struct rig_message message = {.recipients = recipients,
                                        .destination = "list:announce",
                                        .notify = notify};

    rig_send(rig, &message);
    mm_outbound_wake(rig->outbound);
    fake_run(2000);
}

static enum mailmod_error put(struct mm_consumption *work,
                              struct mm_store_transaction *transaction)
{
    assert_non_null(work->context);
    assert_non_null(transaction);
    list.puts++;
    return MAILMOD_OK;
}

static void settled(struct mm_consumption *work)
{
    assert_non_null(work->context);
    list.settled++;
}

static void answer(struct mm_consumption *work)
{
    list.work = NULL;
    work->put = put;
    work->settled = settled;
    work->context = &list;
    mm_consumption_done(work);
    fake_run(1000);
}

/* Nobody is dialled; its part is in the transaction that settles. */
static void test_taken(void **state)
{
    struct rig rig;

    (void)state;
    open_with(&rig, NULL);
    send_to_list(&rig, "a@here.test, b@here.test", 0);
    assert_int_equal(list.taken, 1);
    assert_int_equal(list.work->batch->recipient_count, 2);
    assert_string_equal(list.work->batch->destination, "list:announce");
    assert_true(mm_outbound_busy(rig.outbound) > 0);
    assert_int_equal(rig_count(&rig), 2);
    answer(list.work);
    assert_int_equal(rig_count(&rig), 0);
    assert_int_equal(list.puts, 1);
    assert_int_equal(list.settled, 1);
    assert_int_equal(mm_outbound_busy(rig.outbound), 0);
    assert_int_equal(fake_open_connections(), 0);
    assert_non_null(strstr(rig.told, "outcome a@here.test 0"));
    rig_close(&rig);
}

static void test_deferred_then_taken(void **state)
{
    struct rig rig;

    (void)state;
    open_with(&rig, NULL);
    send_to_list(&rig, "a@here.test, b@here.test", 0);
    mm_outcome_set(&list.work->outcomes[1], MAILMOD_ERROR_REFUSED, "4.2.2", "",
                   "not now");
    answer(list.work);
    assert_int_equal(rig_count(&rig), 1);
    assert_string_equal(rig_row(&rig, "b@here.test"), "not now");
    fake_run(HOUR_MS);
    assert_int_equal(list.taken, 2);
    assert_int_equal(list.work->batch->recipient_count, 1);
    answer(list.work);
    assert_int_equal(rig_count(&rig), 0);
    assert_int_equal(list.settled, 2);
    rig_close(&rig);
}

static void test_failed(void **state)
{
    struct rig rig;

    (void)state;
    open_with(&rig, NULL);
    send_to_list(&rig, "a@here.test", 0);
    mm_outcome_set(&list.work->outcomes[0], MAILMOD_ERROR_REFUSED, "5.7.1", "",
                   "members only");
    answer(list.work);
    char *report = rig_take_report(&rig, SENDER);
    assert_non_null(report);
    assert_non_null(strstr(report, "Final-Recipient: rfc822; a@here.test"));
    assert_non_null(strstr(report, "Action: failed\r\nStatus: 5.7.1"));
    assert_non_null(strstr(report, "members only"));
    mm_free(report);
    rig_close(&rig);
}

/* Cut while the consumer has it: it forgets, the recipients stay queued. */
static void test_cut(void **state)
{
    struct rig rig;

    (void)state;
    open_with(&rig, NULL);
    send_to_list(&rig, "a@here.test", 0);
    assert_non_null(list.work);
    mm_outbound_cut(rig.outbound);
    fake_run(1000);
    assert_int_equal(list.cancelled, 1);
    assert_int_equal(list.settled, 0);
    assert_int_equal(mm_outbound_busy(rig.outbound), 0);
    assert_int_equal(rig_count(&rig), 1);
    rig_close(&rig);
}

/* A consumer that is not there may come back. */
static void test_nobody_there(void **state)
{
    struct rig rig;
    const struct rig_message message = {.recipients = "a@here.test",
                                        .destination = "provider:x"};

    (void)state;
    open_with(&rig, NULL);
    rig_send(&rig, &message);
    mm_outbound_wake(rig.outbound);
    fake_run(2000);
    assert_int_equal(list.taken, 0);
    assert_int_equal(rig_count(&rig), 1);
    assert_non_null(strstr(rig_row(&rig, "a@here.test"), "is off"));
    rig_close(&rig);
}

/* A change of the smarthost, both ways, leads no mail away from a consumer. */
static void test_routes(void **state)
{
    static const char *const holds[] = {"queue.holds=true", NULL};
    static const char *const relay[] = {"queue.holds=true",
                                        "smarthost.host=relay.example", NULL};
    struct rig rig;

    (void)state;
    open_with(&rig, holds);
    send_to_list(&rig, "a@here.test", 0);
    for (int i = 0; i < 2; i++) {
        struct mm_config *config = test_config(i == 0 ? relay : holds);

        assert_int_equal(rig_reload(&rig, config, NULL), MAILMOD_OK);
        mm_config_unref(&config);
        fake_run(1000);
        assert_string_equal(rig_recipient(&rig, "a@here.test").destination,
                            "list:announce");
    }
    rig_close(&rig);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        enum mailmod_error error;
    } rows[] = {
        {"list", MAILMOD_ERROR_EXISTS},    {"provider", MAILMOD_OK},
        {"auto-reply2", MAILMOD_OK},       {"fe80", MAILMOD_ERROR_ARGUMENT},
        {"2001", MAILMOD_ERROR_ARGUMENT},  {"", MAILMOD_ERROR_ARGUMENT},
        {"a.x", MAILMOD_ERROR_ARGUMENT},   {"List", MAILMOD_ERROR_ARGUMENT},
        {"li:st", MAILMOD_ERROR_ARGUMENT}, {"[list", MAILMOD_ERROR_ARGUMENT}};
    static struct mm_consumer consumers[sizeof rows / sizeof rows[0]];
    struct rig rig;
    char text[MM_STORE_DESTINATION_MAX];

    (void)state;
    open_with(&rig, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        consumers[i] = list.consumer;
        consumers[i].name = rows[i].name;
        assert_int_equal(mm_consumer_register(rig.post, &consumers[i]),
                         rows[i].error);
    }
    assert_int_equal(mm_destination_local("list", "a", text), MAILMOD_OK);
    assert_string_equal(text, "list:a");
    assert_ptr_equal(mm_consumer_of(rig.post, text), &list.consumer);
    assert_null(mm_consumer_of(rig.post, "list"));
    assert_null(mm_consumer_of(rig.post, "[IPv6:2001:db8::1]"));
    mm_destination_name("FE80::1", "x.net", text);
    assert_string_equal(text, "[fe80::1]");
    assert_false(mm_destination_is_local(text));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_deferred_then_taken),
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_names),
    };

    int failures = cmocka_run_group_tests_name("one loop", tests, NULL, NULL);
    rig_set_loops(4);
    return failures +
           cmocka_run_group_tests_name("four loops", tests, NULL, NULL);
}
