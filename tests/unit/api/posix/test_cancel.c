/* test_cancel.c - a host that cancels its threads in the middle of our calls
 * (E05): the call comes to its end, and later calls find nothing locked. */
#include "../srv_rig.h"

#include "platform/thread.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_bool is_inside;
static atomic_bool is_back;

/* A host that takes connections and says nothing. */
static int listen_silently(int *port_out)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port_out = ntohs(address.sin_port);
    return fd;
}

/* Waits for an outcome that a silent host never gives. */
static void *send_and_wait(void *context)
{
    ServerStream stream = SRVInitSendMsgSMTP(
        "x@x.test", "y@y.test", "127.0.0.1", *(int *)context, NULL, NULL);
    assert_non_null(stream);
    assert_true(SRVSend(stream, "Subject: x\r\n\r\nx\r\n", 17) >= 0);
    atomic_store(&is_inside, true);
    (void)SRVEndOfMsg(stream);
    atomic_store(&is_back, true);
    pthread_testcancel();
    return NULL;
}

static void test_E05_cancelled_in_a_call(void **state)
{
    pthread_t thread;
    void *result;
    int port;
    int silent = listen_silently(&port);

    (void)state;
    assert_int_equal(SRVStart(), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_and_wait, &port), 0);
    while (!atomic_load(&is_inside)) {
        sched_yield();
    }
    usleep(50000); /* most likely it waits by now; it passes either way */
    assert_int_equal(pthread_cancel(thread), 0);
    assert_int_equal(SRVSetConfigParam("smtp.recipients_max", "7"), 0);
    assert_int_equal(SRVShutdown(), 0);
    close(silent);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_true(atomic_load(&is_back));
    assert_int_equal(GetConfigParamInt("smtp.recipients_max"), 100);
}

/* The state of the host's thread is as it was before the call. */
static void test_state_is_given_back(void **state)
{
    int before;

    (void)state;
    assert_int_equal(SRVStart(), 0);
    (void)SRVSetConfigParam("smtp.recipients_max", "8");
    assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before), 0);
    assert_int_equal(before, PTHREAD_CANCEL_ENABLE);
    assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before),
                     0);
    (void)SRVSetConfigParam("smtp.recipients_max", "9");
    assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before), 0);
    assert_int_equal(before, PTHREAD_CANCEL_DISABLE);
    mm_cancel_allow(); /* one too many is none */
    mm_cancel_defer();
    mm_cancel_defer();
    mm_cancel_allow();
    assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before),
                     0);
    assert_int_equal(before, PTHREAD_CANCEL_DISABLE);
    mm_cancel_allow();
    assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before), 0);
    assert_int_equal(before, PTHREAD_CANCEL_ENABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_E05_cancelled_in_a_call,
                                        srv_rig_open, srv_rig_close),
        cmocka_unit_test_setup_teardown(test_state_is_given_back, srv_rig_open,
                                        srv_rig_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
