/* test_srv_memory.c - the SRV* calls when memory runs out at each place in
 * turn: an error or a success, nothing lost, nothing half done, and everything
 * works again afterwards. Thread: the test's; a fault may hit any thread of the
 * instance's, which must stand it, too. */
#include "srv_rig.h"

#include "base/mem.h"

#include <stdbool.h>

/* More allocations than any of the sequences makes. */
enum { ROUNDS = 400 };

/* The n-th allocation fails in `run`; false when there are fewer. */
static bool run_with_fault(unsigned long n, void (*run)(void))
{
    unsigned long made;

    (void)mm_mem_set_fault(n, 0);
    run();
    made = mm_mem_set_fault(0, 0);
    return made >= n;
}

static void expect_error_or(bool went_well)
{
    if (went_well) {
        assert_int_equal(SRVLastError(), MAILMOD_OK);
    } else {
        assert_int_not_equal(SRVLastError(), MAILMOD_OK);
    }
}

static void make_and_set(void)
{
    expect_error_or(SRVSetConfigParam("local.domains", "b.test") == 0);
    expect_error_or(GetConfigParamStr("local.domains") != NULL);
    (void)GetConfigParamInt("smtp_port");
    SetConfigParamInt("smtp.recipients_max", 9);
    assert_int_equal(SRVShutdown(), 0);
}

static void test_instance(void **state)
{
    unsigned long n = 1;

    (void)state;
    assert_int_equal(SRVShutdown(), 0); /* the rig's */
    while (run_with_fault(n, make_and_set)) {
        n++;
    }
    assert_true(n > 20);
}

static void send_one(void)
{
    struct mailmod_result result = {.size = sizeof result};
    ServerStream stream = SRVInitSendMsgBackground(
        "me@x.test", "you@y.test, two@y.test", NULL, NULL);

    expect_error_or(stream != NULL);
    if (stream == NULL) {
        return;
    }
    expect_error_or(SRVprintf(stream, "Subject: %d\n\n%0*d\n", 1, 5000, 2) > 0);
    SRVEndOfMsg(stream);
    /* Kept, sent or not. */
    assert_int_equal(SRVGetResult(NULL, 1, &result), 0);
    assert_string_equal(result.recipient, "two@y.test");
    assert_int_equal(SRVSend(stream, "x", 1), 0);
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_HANDLE);
}

static int done;

static void on_state(ServerStream *stream, void *usr_par, int state, int sent)
{
    (void)stream;
    (void)usr_par;
    (void)sent;
    done += state == STATE_SMTP_DONE;
}

/* What cannot be sent has its DONE before SRVEndOfMsg returns. */
static void send_with_callback(void)
{
    ServerStream stream =
        SRVInitSendMsgBackground("me@x.test", "you@y.test", on_state, NULL);

    done = 0;
    expect_error_or(stream != NULL);
    if (stream == NULL) {
        return;
    }
    (void)SRVSend(stream, "x\r\n", 3);
    SRVEndOfMsg(stream);
    assert_int_equal(done, SRVLastError() != MAILMOD_OK);
}

static void test_sending(void **state)
{
    unsigned long n;

    (void)state;
    assert_int_equal(SRVStart(), 0);
    for (n = 1; n < ROUNDS; n++) {
        if (!run_with_fault(n, send_one) &&
            !run_with_fault(n, send_with_callback)) {
            break;
        }
    }
    assert_in_range(n, 20, ROUNDS - 1);
    send_one();
    assert_int_equal(SRVLastError(), MAILMOD_ERROR_HANDLE);
}

static void serve(void)
{
    expect_error_or(SetSMTPServer(NULL, -1, ALL_ACTIONS) == 0);
    expect_error_or(SetPOP3Server(NULL, -1, ALL_ACTIONS) == 0);
    if (SRVGetPort("smtp") != 0) {
        assert_int_equal(SRVStopSMTPServer(), 0);
    }
    if (SRVGetPort("pop3") != 0) {
        assert_int_equal(SRVStopPOP3Server(), 0);
    }
}

static void test_serving(void **state)
{
    unsigned long n = 1;

    (void)state;
    assert_int_equal(SRVStart(), 0);
    while (n < ROUNDS && run_with_fault(n, serve)) {
        n++;
    }
    assert_in_range(n, 10, ROUNDS - 1);
    assert_int_equal(SetSMTPServer(NULL, -1, ALL_ACTIONS), 0);
}

/* A start that fails can be called again. */
static void start_over(void)
{
    (void)SRVStart();
}

static void test_start(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < ROUNDS; n += 13) {
        (void)run_with_fault(n, start_over);
        if (SRVStart() != 0) {
            fail_msg("%lu: %s", n, SRVLastErrorText());
        }
        assert_int_equal(srv_rig_close(state), 0);
        assert_int_equal(srv_rig_open(state), 0);
    }
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, srv_rig_open, srv_rig_close)
    const struct CMUnitTest tests[] = {
        TEST(test_instance),
        TEST(test_sending),
        TEST(test_serving),
        TEST(test_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
