/* test_token_login.c - smarthosts that want a token (R23): asked of who gives
 * it, one new one after a 535, the outcome with the mechanism; S23. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define RELAY "192.0.2.1:587"
/* Of the user "user" and the tokens "old" and "new". */
#define BEARER_OLD "bixhPXVzZXIsAWF1dGg9QmVhcmVyIG9sZAEB"
#define BEARER_NEW "bixhPXVzZXIsAWF1dGg9QmVhcmVyIG5ldwEB"
#define XOAUTH2_OLD "dXNlcj11c2VyAWF1dGg9QmVhcmVyIG9sZAEB"
#define XOAUTH2_NEW "dXNlcj11c2VyAWF1dGg9QmVhcmVyIG5ldwEB"
#define WHY "334 eyJzdGF0dXMiOiI0MDEifQ==\r\n" /* {"status":"401"} */

static const struct {
    const char *name;
    const char *setting; /* beside the others */
    struct fake_host host;
    struct rig_tokens tokens;
    unsigned taken, connections;
    unsigned asked, renewed;
    const char *row;
    const char *said;
    const char *unsaid; /* never */
} rows[] = {
    {"taken at once",
     NULL,
     {.extensions = "STARTTLS|AUTH PLAIN XOAUTH2 OAUTHBEARER",
      .rules = {{"AUTH OAUTHBEARER " BEARER_OLD, "235 ok\r\n", 0, 0, 0}}},
     {.first = "old"},
     1,
     1,
     1,
     0,
     "gone",
     "AUTH OAUTHBEARER " BEARER_OLD "\nMAIL",
     "AUTH PLAIN"},
    {"XOAUTH2 where the host has no better",
     NULL,
     {.extensions = "STARTTLS|AUTH LOGIN XOAUTH2",
      .rules = {{"AUTH XOAUTH2 " XOAUTH2_OLD, "235 ok\r\n", 0, 0, 0}}},
     {.first = "old"},
     1,
     1,
     1,
     0,
     "gone",
     "AUTH XOAUTH2 " XOAUTH2_OLD "\nMAIL",
     "AUTH LOGIN"},
    {"the mechanism that is set",
     "smarthost.mechanisms=xoauth2, plain",
     {.extensions = "STARTTLS|AUTH XOAUTH2 OAUTHBEARER",
      .rules = {{"AUTH XOAUTH2", "235 ok\r\n", 0, 0, 0}}},
     {.first = "old"},
     1,
     1,
     1,
     0,
     "gone",
     "AUTH XOAUTH2 " XOAUTH2_OLD "\nMAIL",
     "AUTH OAUTHBEARER"},
    {"one too old, then the new one",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2 OAUTHBEARER",
      .rules = {{"AUTH OAUTHBEARER " BEARER_OLD, WHY, 0, 0, 0},
                {"AQ==", "535 5.7.8 expired\r\n", 0, 0, 0},
                {"AUTH OAUTHBEARER " BEARER_NEW, "235 ok\r\n", 0, 0, 0}}},
     {.first = "old", .next = "new"},
     1,
     1,
     2,
     1,
     "gone",
     BEARER_OLD "\nAQ==\nAUTH OAUTHBEARER " BEARER_NEW "\nMAIL",
     "AUTH XOAUTH2"},
    {"XOAUTH2's empty answer",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2",
      .rules = {{"", "220 host\r\n", 0, 1, 0},
                {"AUTH XOAUTH2 " XOAUTH2_OLD, WHY, 0, 0, 0},
                {"", "535-5.7.8 expired\r\n535 5.7.8 a\r\n", 0, 0, 0},
                {"AUTH XOAUTH2 " XOAUTH2_NEW, "235 ok\r\n", 0, 0, 0}}},
     {.first = "old", .next = "new"},
     1,
     1,
     2,
     1,
     "gone",
     XOAUTH2_OLD "\n\nAUTH XOAUTH2 " XOAUTH2_NEW "\nMAIL",
     "AUTH OAUTHBEARER"},
    {"the new one is refused, too: nothing else is tried",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2 OAUTHBEARER PLAIN",
      .rules = {{"AUTH", "535 5.7.8 no\r\n", 0, 0, 0}}},
     {.first = "old", .next = "new"},
     0,
     1,
     2,
     1,
     "535 5.7.8 no (to AUTH OAUTHBEARER)",
     BEARER_OLD "\nAUTH OAUTHBEARER " BEARER_NEW "\nQUIT",
     "AUTH XOAUTH2"},
    {"a host that breaks off behind its 535",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2",
      .rules = {{"AUTH XOAUTH2 " XOAUTH2_OLD, "535 5.7.8 no\r\n",
                 FAKE_REPLY_AND_CLOSE, 0, 0},
                {"AUTH XOAUTH2 " XOAUTH2_NEW, "235 ok\r\n", 0, 0, 0}}},
     {.first = "old", .next = "new"},
     1,
     2,
     3, /* the second of them came too late */
     2,
     "gone",
     XOAUTH2_NEW "\nMAIL",
     NULL},
    {"one that always does",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2",
      .rules = {{"AUTH", "535 5.7.8 no\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}}},
     {.first = "old", .next = "new"},
     0,
     2,
     3,
     2,
     "535 5.7.8 no (to AUTH XOAUTH2)",
     NULL,
     "MAIL"},
    {"only the mechanism was refused",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2 OAUTHBEARER",
      .rules = {{"AUTH OAUTHBEARER", "504 5.5.4 what\r\n", 0, 1, 0},
                {"AUTH XOAUTH2", "235 ok\r\n", 0, 0, 0}}},
     {.first = "old", .next = "new"},
     0,
     1,
     2,
     0,
     "504 5.5.4 what (to AUTH OAUTHBEARER)",
     "AUTH OAUTHBEARER",
     "PLAIN"},
    {"not now",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2",
      .rules = {{"AUTH", "454 4.7.0 later\r\n", 0, 0, 0}}},
     {.first = "old", .next = "new"},
     0,
     1,
     1,
     0,
     "454 4.7.0 later (to AUTH XOAUTH2)",
     "QUIT",
     "MAIL"},
    {"no token in clear",
     "smarthost.tls=may",
     {.extensions = "AUTH XOAUTH2"},
     {.first = "old"},
     0,
     1,
     0,
     0,
     "a password or token goes under TLS alone; the host offers AUTH XOAUTH2",
     "QUIT",
     "AUTH"},
    {"a host without",
     NULL,
     {.extensions = "STARTTLS|AUTH PLAIN LOGIN"},
     {.first = "old"},
     0,
     1,
     0,
     0,
     "no mechanism that takes a token; the host offers AUTH PLAIN LOGIN",
     "QUIT",
     "AUTH"},
    {"none of the mechanisms that are set",
     "smarthost.mechanisms=oauthbearer",
     {.extensions = "STARTTLS|AUTH XOAUTH2"},
     {.first = "old"},
     0,
     1,
     0,
     0,
     "none of the mechanisms that are set; the host offers AUTH XOAUTH2",
     "QUIT",
     "AUTH"},
    {"no token is given",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2"},
     {.error = MAILMOD_ERROR_AUTHENTICATION},
     0,
     1,
     1,
     0,
     "AUTH XOAUTH2: no token to log in with: ",
     NULL,
     "AUTH"},
    {"no token comes",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2"},
     {.is_silent = true},
     0,
     1,
     1,
     0,
     "AUTH XOAUTH2: no token came in time",
     NULL,
     "AUTH"},
    {"the host goes while one is asked for",
     NULL,
     {.extensions = "STARTTLS|AUTH XOAUTH2",
      .rules = {{"STARTTLS", "220 go\r\n", 0, 0, 0},
                {"EHLO", "250-x\r\n250-STARTTLS\r\n250 AUTH XOAUTH2\r\n", 0, 1,
                 0},
                {"EHLO", "250-x\r\n250 AUTH XOAUTH2\r\n", FAKE_REPLY_AND_CLOSE,
                 0, 0}}},
     {.is_silent = true},
     0,
     1,
     1,
     0,
     "relay.example.net: ",
     NULL,
     "AUTH"},
};

static void check(size_t i, struct rig *rig, const struct rig_tokens *tokens)
{
    const char *row = rig_row(rig, "a@x.net");
    if (strstr(row, rows[i].row) == NULL ||
        fake_taken(RELAY) != rows[i].taken ||
        fake_connections(RELAY) != rows[i].connections ||
        tokens->asked != rows[i].asked || tokens->renewed != rows[i].renewed) {
        fail_msg("%s: %s, %u connections, %u and %u tokens\n%s", rows[i].name,
                 row, fake_connections(RELAY), tokens->asked, tokens->renewed,
                 fake_said(NULL));
    }
    if ((rows[i].said != NULL &&
         strstr(fake_said(NULL), rows[i].said) == NULL) ||
        (rows[i].unsaid != NULL &&
         strstr(fake_said(NULL), rows[i].unsaid) != NULL)) {
        fail_msg("%s:\n%s", rows[i].name, fake_said(NULL));
    }
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *settings[] = {"smarthost.host=relay.example.net",
                                  "smarthost.port=587",
                                  "smarthost.tls=must",
                                  "smarthost.verifies=false",
                                  "smarthost.user=user",
                                  "smarthost.token=true",
                                  "delivery.command_timeout=20s",
                                  rows[i].setting,
                                  NULL};
        struct rig rig;
        struct rig_tokens tokens = rows[i].tokens;
        struct fake_host host = rows[i].host;
        host.address = RELAY;
        rig_set_tokens(&tokens);
        rig_open(&rig, settings);
        fake_dns_addresses("relay.example.net", "192.0.2.1");
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        check(i, &rig, &tokens);
        if (tokens.asked > 0) {
            assert_int_equal(tokens.use, MM_TOKEN_FOR_SMTP);
            assert_string_equal(tokens.account, "");
        }
        assert_null(strstr(fake_log_text(), BEARER_OLD)); /* attack 52 */
        assert_null(strstr(fake_log_text(), XOAUTH2_NEW));
        assert_null(strstr(fake_log_text(), "Bearer"));
        rig_close(&rig);
        rig_set_tokens(NULL);
    }
}

/* A route's own login, by its name; two addresses hear it once an attempt. */
static void test_route(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "delivery.routes=name=cloud to=x.net relay=relay.example.net "
        "verify=no user=user token mechanisms=XOAUTH2",
        NULL};
    struct rig rig;
    struct rig_tokens tokens = {.first = "old", .next = "new"};
    rig_set_tokens(&tokens);
    rig_open(&rig, settings);
    fake_dns_addresses("relay.example.net", "192.0.2.1, 192.0.2.2");
    for (int i = 0; i < 2; i++) {
        struct fake_host host = {
            .address = i == 0 ? RELAY : "192.0.2.2:587",
            .extensions = "STARTTLS|AUTH XOAUTH2 OAUTHBEARER",
            .rules = {{"AUTH", "535 5.7.8 no\r\n", 0, 0, 0}}};
        fake_add_host(&host);
    }
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_string_equal(tokens.account, "cloud");
    assert_int_equal(tokens.asked, 2);
    assert_int_equal(rig_count_text(fake_said(NULL), "AUTH XOAUTH2"), 2);
    assert_null(strstr(fake_said(NULL), "OAUTHBEARER"));
    rig_close(&rig);
    rig_set_tokens(NULL);
}

/* Nobody was set to give tokens: the mail waits, and is told why. */
static void test_nobody(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "smarthost.host=192.0.2.1", "smarthost.verifies=false",
        "smarthost.user=user", "smarthost.token=true", NULL};
    struct rig rig;
    struct fake_host host = {.address = RELAY,
                             .extensions = "STARTTLS|AUTH OAUTHBEARER"};
    rig_open(&rig, settings);
    fake_add_host(&host);
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_non_null(strstr(rig_row(&rig, "a@x.net"),
                           "AUTH OAUTHBEARER: nobody gives tokens here"));
    rig_close(&rig);
}

/* Cut while a token is asked for: the question is taken back. */
static void test_cut(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "smarthost.host=192.0.2.1", "smarthost.verifies=false",
        "smarthost.user=user", "smarthost.token=true", NULL};
    struct rig rig;
    struct rig_tokens tokens = {.is_silent = true};
    struct fake_host host = {.address = RELAY,
                             .extensions = "STARTTLS|AUTH OAUTHBEARER"};
    rig_set_tokens(&tokens);
    rig_open(&rig, settings);
    fake_add_host(&host);
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(1000);
    assert_int_equal(tokens.asked, 1);
    rig_close(&rig);
    assert_int_equal(tokens.cancelled, 1);
    rig_set_tokens(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
