/* test_memory.c - attack 104: the n-th allocation fails, for all n, from the
 * claim to the settlement and its report. Nothing crashes or leaks, nobody is
 * told the wrong thing, and no message is lost: the accepted one is with the
 * host, and the sender knows of the refused one, or the row still waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rig.h"

#define DIRECT "192.0.2.1:25"
#define RELAY "192.0.2.1:587"
#define NUMBER_MAX 20000

struct scene {
    const char *name;
    const char *const *settings;
    struct fake_host host;
    const char *reverse_path;
    const char *body;
};

static void make_zone(void)
{
    fake_dns_mx("x.net", "10 mx.x.net");
    fake_dns_addresses("mx.x.net", "192.0.2.1, 2001:db8::1");
    fake_dns_addresses("relay.example.net", "192.0.2.1");
}

static bool is_settled(struct rig *rig)
{
    return strcmp(rig_row(rig, "a@x.net"), "gone") == 0 &&
           strcmp(rig_row(rig, "c@x.net"), "gone") == 0;
}

static void check_delivered(struct rig *rig, const struct scene *scene,
                            unsigned long number)
{
    unsigned taken = fake_taken(scene->host.address);
    /* Twice: a connection that failed us between the dot and its answer. */
    if (taken < 1 || taken > 2 || !is_settled(rig)) {
        fail_msg("%s %lu: taken %u, %s\n%s\n%s", scene->name, number, taken,
                 rig_row(rig, "a@x.net"), fake_said(NULL), fake_log_text());
    }
}

static void check_bounced(struct rig *rig, const struct scene *scene,
                          unsigned long number)
{
    char *report = rig_take_report(rig, scene->reverse_path);
    bool is_gone = strcmp(rig_row(rig, "c@x.net"), "gone") == 0;
    if (is_gone != (report != NULL) ||
        (report != NULL && strstr(report, "550 5.1.1 nobody") == NULL)) {
        fail_msg("%s %lu: report %s, %s\n%s", scene->name, number,
                 report != NULL ? report : "none", rig_row(rig, "c@x.net"),
                 fake_log_text());
    }
    if (report != NULL) {
        assert_null(strstr(report, "a@x.net"));
    }
    mm_free(report);
}

/* True while the fault is met. */
static bool run_scene(const struct scene *scene, unsigned long number)
{
    struct rig rig;
    rig_open(&rig, scene->settings);
    make_zone();
    fake_add_host(&scene->host);
    struct rig_message message = {.reverse_path = scene->reverse_path,
                                  .recipients = "a@x.net, c@x.net",
                                  .body = scene->body,
                                  .dsn_return = 1};
    rig_send(&rig, &message);
    fake_fail_allocation(number);
    fake_run(5000);
    bool is_met = fake_has_failed_allocation();
    fake_fail_allocation(0);
    for (unsigned i = 0; i < 48 && !is_settled(&rig); i++) {
        fake_run(5 * MINUTE_MS);
    }
    check_delivered(&rig, scene, number);
    check_bounced(&rig, scene, number);
    rig_close(&rig);
    return is_met;
}

static void run_all(const struct scene *scene)
{
    unsigned long number = 1;
    assert_false(run_scene(scene, 0));
    while (run_scene(scene, number)) {
        number++;
        assert_true(number < NUMBER_MAX);
    }
    assert_true(number > 50);
}

#define REFUSES_C                                                              \
    {                                                                          \
        "RCPT TO:<c", "550 5.1.1 nobody\r\n", 0, 0, 0                          \
    }

static void test_direct(void **state)
{
    (void)state;
    static const struct scene scene = {
        .name = "direct",
        .host = {.address = DIRECT,
                 .extensions = "PIPELINING|SIZE 100000|STARTTLS|DSN",
                 .rules = {REFUSES_C}},
        .reverse_path = SENDER,
    };
    run_all(&scene);
}

/* One step at a time, and the report goes into a mailbox. */
static void test_local_sender(void **state)
{
    (void)state;
    static const struct scene scene = {
        .name = "local sender",
        .host = {.address = DIRECT, .rules = {REFUSES_C}},
        .reverse_path = "bob@example.org",
        .body = "Subject: x\r\n\r\n.\r\nbare\n",
    };
    run_all(&scene);
}

static void test_smarthost(void **state)
{
    (void)state;
    static const char *const settings[] = {"smarthost.host=relay.example.net",
                                           "smarthost.port=587",
                                           "smarthost.user=user",
                                           "smarthost.password=secret",
                                           "smarthost.tls=must",
                                           "smarthost.verifies=false",
                                           NULL};
    static const struct scene scene = {
        .name = "smarthost",
        .settings = settings,
        .host = {.address = RELAY,
                 .extensions = "PIPELINING|STARTTLS|AUTH PLAIN LOGIN",
                 .rules = {REFUSES_C,
                           {"AUTH PLAIN", "504 5.5.4 no\r\n", 0, 0, 0},
                           {"AUTH LOGIN", "334 VXNlcm5hbWU6\r\n", 0, 0, 0},
                           {"dXNlcg==", "334 UGFzc3dvcmQ6\r\n", 0, 0, 0},
                           {"c2VjcmV0", "235 2.7.0 ok\r\n", 0, 0, 0}}},
        .reverse_path = "bob@example.org",
    };
    run_all(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_local_sender),
        cmocka_unit_test(test_smarthost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
