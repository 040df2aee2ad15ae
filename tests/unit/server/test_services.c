/* test_services.c - services that open and close, and moments that change,
 * while sessions are there. Thread: the test's. */
#include "rig.h"

#define PEER "198.51.100.7:4000"
#define FREE_PORT FAKE_PORT_FIRST

struct place {
    struct rig rig;
    struct mm_buf reason;
    struct mm_request *asked;
    unsigned questions;
};

static enum mailmod_error ask(void *context, struct mm_request *request)
{
    struct place *place = context;

    place->questions++;
    place->asked = request;
    return MAILMOD_OK;
}

static int begin_with(void **state, const char *const *settings)
{
    struct place *place = mm_alloc(sizeof *place);
    const struct mm_hooks hooks = {.ask = ask, .context = place};

    assert_non_null(place);
    rig_open(&place->rig, settings, &hooks);
    mm_buf_init(&place->reason, 1000);
    *state = place;
    return 0;
}

static int begin(void **state)
{
    static const char *const settings[] = {"pop3.allows_clear_login=true",
                                           "submission.listen=", NULL};

    return begin_with(state, settings);
}

static int begin_with_two(void **state)
{
    static const char *const settings[] = {
        "smtp.listen=127.0.0.1:25, [::1]:25, 127.0.0.1:26", NULL};

    return begin_with(state, settings);
}

static int end(void **state)
{
    struct place *place = *state;

    rig_close(&place->rig);
    mm_buf_fini(&place->reason);
    mm_free(place);
    return 0;
}

static enum mailmod_error start(struct place *place, enum mm_service service,
                                int port)
{
    mm_buf_clear(&place->reason);
    return mm_server_open_service(place->rig.server, service, port,
                                  &place->reason);
}

static enum mailmod_error stop(struct place *place, enum mm_service service)
{
    return mm_server_close_service(place->rig.server, service);
}

static void leave(struct fake_peer *peer)
{
    fake_hang_up(peer);
    fake_run(100);
    fake_forget_peer(peer);
}

static void test_opens_and_closes_one(void **state)
{
    struct place *place = *state;
    struct mm_server *server = place->rig.server;
    struct fake_peer peer = {0};

    assert_int_equal(start(place, MM_SERVICE_SMTP, 0), MAILMOD_ERROR_EXISTS);
    assert_string_equal(mm_buf_cstr(&place->reason),
                        "smtp: it is open already");
    assert_int_equal(stop(place, MM_SERVICE_SMTP), MAILMOD_OK);
    assert_int_equal(stop(place, MM_SERVICE_SMTP), MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_server_port(server, MM_SERVICE_SMTP), 0);
    assert_int_equal(mm_server_port(server, MM_SERVICE_POP3), PORT_POP3);
    assert_int_equal(start(place, MM_SERVICE_SMTP, 2500), MAILMOD_OK);
    assert_int_equal(mm_server_port(server, MM_SERVICE_SMTP), 2500);
    fake_connect(&peer, 2500, PEER);
    rig_expect(&peer, "NOOP\r\n", "220");
    assert_int_equal(stop(place, MM_SERVICE_SMTP), MAILMOD_OK);
    assert_int_equal(start(place, MM_SERVICE_SMTP, 0), MAILMOD_OK);
    assert_int_equal(mm_server_port(server, MM_SERVICE_SMTP), PORT_SMTP);
    leave(&peer);
}

static void test_needs_an_address(void **state)
{
    struct place *place = *state;

    assert_int_equal(start(place, MM_SERVICE_SUBMISSION, 0),
                     MAILMOD_ERROR_CONFIG);
    assert_string_equal(mm_buf_cstr(&place->reason),
                        "submission.listen: no address is configured");
    assert_int_equal(start(place, MM_SERVICE_SUBMISSION, 587),
                     MAILMOD_ERROR_CONFIG);
}

/* A port that is taken is named, and nothing changes. */
static void test_says_which_address_is_taken(void **state)
{
    struct place *place = *state;
    unsigned count = fake_listener_count();

    assert_int_equal(stop(place, MM_SERVICE_SMTP), MAILMOD_OK);
    assert_int_equal(start(place, MM_SERVICE_SMTP, PORT_POP3),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_non_null(strstr(mm_buf_cstr(&place->reason),
                           "smtp: cannot listen on 127.0.0.1:110: "));
    assert_int_equal(mm_server_port(place->rig.server, MM_SERVICE_SMTP), 0);
    assert_int_equal(fake_listener_count(), count - 1);
    assert_int_equal(start(place, MM_SERVICE_SMTP, 0), MAILMOD_OK);
}

static struct mm_listener *occupy(struct rig *rig, const char *address)
{
    struct mm_listener *listener = NULL;
    struct mm_netaddr parsed;

    assert_true(mm_netaddr_parse(mm_span_cstr(address), &parsed));
    assert_int_equal(
        mm_listener_open(&listener, &rig->loop, 1, &parsed, NULL, NULL, NULL),
        MAILMOD_OK);
    return listener;
}

/* Three addresses, two of them the same but for their ports. */
static void test_gives_all_addresses_one_port(void **state)
{
    struct place *place = *state;
    struct mm_server *server = place->rig.server;
    unsigned count = fake_listener_count();
    struct mm_listener *other = occupy(&place->rig, "[::1]:40000");

    assert_int_equal(stop(place, MM_SERVICE_SMTP), MAILMOD_OK);
    assert_int_equal(start(place, MM_SERVICE_SMTP, FREE_PORT),
                     MAILMOD_ERROR_ADDRESS_IN_USE);
    assert_int_equal(fake_listener_count(), count - 3 + 1);
    assert_int_equal(start(place, MM_SERVICE_SMTP, -1), MAILMOD_OK);
    assert_int_equal(mm_server_port(server, MM_SERVICE_SMTP), FREE_PORT + 1);
    assert_int_equal(fake_listener_count(), count - 3 + 1 + 2);
    assert_non_null(strstr(fake_log_text(), "address=[::1]:40001"));
    mm_listener_close(&other);
}

/* Its sessions are told, those of others are not, and new ones may come while
 * a former one still ends. */
static void test_ends_the_sessions_of_a_service(void **state)
{
    struct place *place = *state;
    struct fake_peer idle = {0};
    struct fake_peer busy = {0};
    struct fake_peer reader = {0};
    struct fake_peer next = {0};

    fake_connect(&idle, PORT_SMTP, PEER);
    fake_connect(&busy, PORT_SMTP, PEER);
    fake_connect(&reader, PORT_POP3, PEER);
    rig_expect(&idle, "EHLO c\r\n", "220");
    rig_expect(
        &busy,
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n",
        "220");
    rig_expect(&reader, "USER alice\r\n", "+OK");
    assert_int_equal(stop(place, MM_SERVICE_SMTP), MAILMOD_OK);
    assert_int_equal(start(place, MM_SERVICE_SMTP, 0), MAILMOD_OK);
    fake_connect(&next, PORT_SMTP, PEER);
    fake_run(10);
    assert_non_null(strstr(fake_heard(&idle), "421 4.3.2"));
    assert_true(idle.is_closed);
    assert_false(busy.is_closed || reader.is_closed || next.is_closed);
    rig_expect(&reader, "PASS secret-alice\r\n", "+OK");
    rig_expect(&next, "EHLO c\r\n", "220");
    rig_expect(&busy, "x\r\n.\r\n", "250 2.6.0");
    fake_run(100);
    assert_true(busy.is_closed);
    rig_expect(&next, "NOOP\r\n", "250");
    assert_int_equal(stop(place, MM_SERVICE_POP3), MAILMOD_OK);
    fake_run(10);
    assert_false(next.is_closed);
    leave(&idle);
    leave(&busy);
    leave(&reader);
    leave(&next);
}

static void test_stops_after_a_service_was_stopped(void **state)
{
    struct place *place = *state;
    struct fake_peer peer = {0};

    fake_connect(&peer, PORT_POP3, PEER);
    rig_expect(&peer, "", "+OK");
    assert_int_equal(stop(place, MM_SERVICE_SMTP), MAILMOD_OK);
    mm_server_stop(place->rig.server);
    fake_run(10);
    assert_non_null(strstr(fake_heard(&peer), "-ERR [SYS/TEMP]"));
    assert_true(peer.is_closed);
    leave(&peer);
}

/* A message whose MAIL came first goes on without the host; one that was begun
 * with it is put, and an open question stays open. */
static void test_moments_change(void **state)
{
    struct place *place = *state;
    struct mm_server *server = place->rig.server;
    struct fake_peer peer = {0};

    fake_connect(&peer, PORT_SMTP, PEER);
    rig_expect(&peer, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n",
               "220");
    mm_server_set_moments(server, MAILMOD_SMTP_MESSAGE);
    rig_expect(&peer, "DATA\r\n", "354");
    rig_expect(&peer, "x\r\n.\r\n", "250 2.6.0");
    assert_int_equal(place->questions, 0);
    rig_expect(&peer, "MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n", "250");
    mm_server_set_moments(server, 0);
    rig_expect(&peer, "DATA\r\n", "");
    assert_int_equal(place->questions, 1);
    fake_run(100);
    assert_int_equal(place->questions, 1);
    assert_int_equal(mm_request_settle(place->asked, MM_VERDICT_REJECT),
                     MAILMOD_OK);
    rig_expect(&peer, "", "550");
    rig_expect(&peer, "MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
               "250");
    assert_int_equal(place->questions, 1);
    leave(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens_and_closes_one, begin, end),
        cmocka_unit_test_setup_teardown(test_needs_an_address, begin, end),
        cmocka_unit_test_setup_teardown(test_says_which_address_is_taken, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_gives_all_addresses_one_port,
                                        begin_with_two, end),
        cmocka_unit_test_setup_teardown(test_ends_the_sessions_of_a_service,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_stops_after_a_service_was_stopped,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_moments_change, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
