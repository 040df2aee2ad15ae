/* test_login.c - attacks 14, 15, 20, 47, 52, 64: TLS policies and what a
 * smarthost's login may and may not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define FIRST "192.0.2.1:25"

static const struct {
    const char *name;
    const char *setting;
    struct fake_host host;
    unsigned taken;
    unsigned connections;
    const char *row;
    const char *said; /* in order: EHLO, STARTTLS ... */
} tls_rows[] = {
    {"may, offered",
     "delivery.tls=may",
     {.extensions = "STARTTLS"},
     1,
     1,
     "gone",
     "STARTTLS\nEHLO here.example.org\nMAIL"},
    {"may, not offered",
     "delivery.tls=may",
     {.extensions = ""},
     1,
     1,
     "gone",
     "EHLO here.example.org\nMAIL"},
    {"may, handshake fails: again in clear",
     "delivery.tls=may",
     {.extensions = "STARTTLS", .fails_tls = true},
     1,
     2,
     "gone",
     "STARTTLS\nEHLO here.example.org\nMAIL"},
    {"may, STARTTLS refused",
     "delivery.tls=may",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "454 4.7.0 no\r\n", 0, 0, 0}}},
     1,
     1,
     "gone",
     "STARTTLS\nMAIL"},
    {"off",
     "delivery.tls=off",
     {.extensions = "STARTTLS"},
     1,
     1,
     "gone",
     "EHLO here.example.org\nMAIL"},
    {"must, not offered",
     "delivery.tls=must",
     {.extensions = ""},
     0,
     1,
     "mx.x.net: ",
     NULL},
    {"must, refused",
     "delivery.tls=must",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "454 4.7.0 no\r\n", 0, 0, 0}}},
     0,
     1,
     "454 4.7.0 no",
     NULL},
    {"must, handshake fails",
     "delivery.tls=must",
     {.extensions = "STARTTLS", .fails_tls = true},
     0,
     1,
     "TLS handshake: bad record",
     NULL},
    /* S05: RFC 7435, whatever goes wrong before TLS stands */
    {"may, STARTTLS never answered",
     "delivery.tls=may",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "", FAKE_SILENCE, 0, 0}}},
     1,
     2,
     "gone",
     "STARTTLS\nEHLO here.example.org\nMAIL"},
    {"may, hangs up at STARTTLS",
     "delivery.tls=may",
     {.extensions = "STARTTLS", .rules = {{"STARTTLS", "", FAKE_CLOSE, 0, 0}}},
     1,
     2,
     "gone",
     "STARTTLS\nEHLO here.example.org\nMAIL"},
    {"may, 421 to STARTTLS",
     "delivery.tls=may",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "421 no\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}}},
     1,
     2,
     "gone",
     "STARTTLS\nEHLO here.example.org\nMAIL"},
    {"may, odd reply to STARTTLS",
     "delivery.tls=may",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "250 what\r\n", 0, 0, 0}}},
     1,
     2,
     "gone",
     "EHLO here.example.org\nMAIL"},
    {"may, talks before TLS",
     "delivery.tls=may",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "220 go\r\n250 ok\r\n", 0, 0, 0}}},
     1,
     2,
     "gone",
     "STARTTLS\nEHLO here.example.org\nMAIL"},
    {"must, STARTTLS never answered",
     "delivery.tls=must",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "", FAKE_SILENCE, 0, 0}}},
     0,
     1,
     "mx.x.net: ",
     NULL},
    {"must, talks before TLS",
     "delivery.tls=must",
     {.extensions = "STARTTLS",
      .rules = {{"STARTTLS", "220 go\r\n250 ok\r\n", 0, 0, 0}}},
     0,
     1,
     "mx.x.net: ",
     NULL},
};

static void test_tls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tls_rows / sizeof tls_rows[0]; i++) {
        const char *settings[] = {tls_rows[i].setting, NULL};
        struct rig rig;
        struct fake_host host = tls_rows[i].host;
        host.address = FIRST;
        rig_open(&rig, settings);
        fake_dns_mx("x.net", "10 mx.x.net");
        fake_dns_addresses("mx.x.net", "192.0.2.1");
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(4 * MINUTE_MS);
        if (strstr(rig_row(&rig, "a@x.net"), tls_rows[i].row) == NULL ||
            fake_taken(FIRST) != tls_rows[i].taken ||
            fake_connections(FIRST) != tls_rows[i].connections) {
            fail_msg("%s: %s, %u taken, %u connections\n%s", tls_rows[i].name,
                     rig_row(&rig, "a@x.net"), fake_taken(FIRST),
                     fake_connections(FIRST), fake_said(NULL));
        }
        if (tls_rows[i].said != NULL &&
            strstr(fake_said(NULL), tls_rows[i].said) == NULL) {
            fail_msg("%s: %s", tls_rows[i].name, fake_said(NULL));
        }
        if (tls_rows[i].taken == 0) {
            assert_null(strstr(fake_said(NULL), "MAIL"));
        }
        rig_close(&rig);
    }
}

/* "user" and "secret" in the mechanisms' forms. */
#define PLAIN_WORDS "AHVzZXIAc2VjcmV0"

static const struct {
    const char *name;
    const char *tls;
    struct fake_host host;
    unsigned taken;
    const char *row;
    const char *said;
    const char *unsaid;
} login_rows[] = {
    {"plain under TLS",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH PLAIN LOGIN",
      .rules = {{"AUTH PLAIN", "235 2.7.0 ok\r\n", 0, 0, 0}}},
     1,
     "gone",
     "AUTH PLAIN " PLAIN_WORDS,
     "AUTH LOGIN"},
    {"implicit TLS",
     "smarthost.tls=implicit",
     {.extensions = "AUTH PLAIN",
      .rules = {{"AUTH PLAIN", "235 2.7.0 ok\r\n", 0, 0, 0}}},
     1,
     "gone",
     "AUTH PLAIN " PLAIN_WORDS,
     "STARTTLS"},
    {"login after plain was refused",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH PLAIN LOGIN",
      .rules = {{"AUTH PLAIN", "504 5.5.4 not this\r\n", 0, 0, 0},
                {"AUTH LOGIN", "334 VXNlcm5hbWU6\r\n", 0, 0, 0},
                {"dXNlcg==", "334 UGFzc3dvcmQ6\r\n", 0, 0, 0},
                {"c2VjcmV0", "235 2.7.0 ok\r\n", 0, 0, 0}}},
     1,
     "gone",
     "AUTH LOGIN\ndXNlcg==\nc2VjcmV0\nMAIL",
     NULL},
    /* S23: the password goes by no other mechanism, and to no other address */
    {"refused for good",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH PLAIN LOGIN",
      .rules = {{"AUTH PLAIN", "535 5.7.8 wrong\r\n", 0, 0, 0}}},
     0,
     "535 5.7.8 wrong",
     PLAIN_WORDS "\nQUIT",
     "AUTH LOGIN"},
    {"SCRAM refused, PLAIN is there",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH SCRAM-SHA-256 PLAIN LOGIN",
      .rules = {{"AUTH SCRAM-SHA-256", "535 5.7.8 wrong\r\n", 0, 0, 0}}},
     0,
     "535 5.7.8 wrong",
     NULL,
     "AUTH PLAIN"},
    {"SCRAM is not known there, PLAIN is",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH SCRAM-SHA-256 PLAIN",
      .rules = {{"AUTH SCRAM-SHA-256", "504 5.5.4 no\r\n", 0, 0, 0},
                {"AUTH PLAIN", "235 2.7.0 ok\r\n", 0, 0, 0}}},
     1,
     "gone",
     "AUTH PLAIN " PLAIN_WORDS,
     NULL},
    {"refused for now",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH PLAIN",
      .rules = {{"AUTH PLAIN", "454 4.7.0 later\r\n", 0, 0, 0}}},
     0,
     "454 4.7.0 later",
     NULL,
     "MAIL"},
    {"no AUTH offered",
     "smarthost.tls=must",
     {.extensions = "STARTTLS"},
     0,
     "relay.example.net: the host offers no AUTH", /* S13 */
     "EHLO here.example.org\nQUIT",
     "MAIL"},
    {"only unknown mechanisms",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH GSSAPI NTLM"},
     0,
     "no mechanism that is known here; the host offers AUTH GSSAPI NTLM",
     "EHLO here.example.org\nQUIT",
     "AUTH"},
    {"only mechanisms for a token",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH XOAUTH2 NTLM"},
     0,
     "no mechanism that takes a password; the host offers AUTH XOAUTH2 NTLM",
     "EHLO here.example.org\nQUIT",
     "AUTH"},
    /* attack 64: never in clear, whatever is offered there */
    {"login offered before TLS only",
     "smarthost.tls=may",
     {.extensions = "AUTH PLAIN LOGIN"},
     0,
     "a password or token goes under TLS alone; the host offers AUTH PLAIN "
     "LOGIN",
     NULL,
     "AUTH"},
    {"in clear by the operator's word",
     "smarthost.tls=off",
     {.extensions = "AUTH PLAIN",
      .rules = {{"AUTH PLAIN", "235 2.7.0 ok\r\n", 0, 0, 0}}},
     1,
     "gone",
     "AUTH PLAIN " PLAIN_WORDS,
     NULL},
    {"in clear what shows no password comes first",
     "smarthost.tls=off",
     {.extensions = "AUTH PLAIN CRAM-MD5",
      .rules = {{"AUTH CRAM-MD5", "334 PDFAaG9zdD4=\r\n", 0, 0, 0},
                {"dXNlciAwNGIwYjJiNjEyM2ZhNTIxNjM4MGM5NTcyZmIwYTg5ZQ==",
                 "235 2.7.0 ok\r\n", 0, 0, 0}}},
     1,
     "gone",
     "AUTH CRAM-MD5\n",
     "AUTH PLAIN"},
    /* attack 47: a server that proves nothing */
    {"SCRAM without proof",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH SCRAM-SHA-256",
      .rules = {{"AUTH SCRAM-SHA-256", "235 2.7.0 ok\r\n", 0, 0, 0}}},
     0,
     "did not prove",
     NULL,
     "MAIL"},
    {"SCRAM with a foreign nonce",
     "smarthost.tls=must",
     {.extensions = "STARTTLS|AUTH SCRAM-SHA-256",
      .rules = {{"AUTH SCRAM-SHA-256",
                 "334 cj1hYmMscz1XVEl6TkRVMk56ZzVNREV5TXpRMSxpPTQwOTY="
                 "\r\n",
                 0, 0, 0},
                {"*", "501 5.7.0 cancelled\r\n", 0, 0, 0}}},
     0,
     "relay.example.net: ",
     NULL,
     "MAIL"},
};

static void test_smarthost_login(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof login_rows / sizeof login_rows[0]; i++) {
        const char *settings[] = {"smarthost.host=relay.example.net",
                                  "smarthost.port=587",
                                  "smarthost.user=user",
                                  "smarthost.password=secret",
                                  "smarthost.verifies=false",
                                  login_rows[i].tls,
                                  NULL};
        struct rig rig;
        struct fake_host host = login_rows[i].host;
        host.address = "192.0.2.1:587";
        rig_open(&rig, settings);
        fake_dns_addresses("relay.example.net", "192.0.2.1");
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        if (strstr(rig_row(&rig, "a@x.net"), login_rows[i].row) == NULL ||
            fake_taken("192.0.2.1:587") != login_rows[i].taken) {
            fail_msg("%s: %s\n%s", login_rows[i].name, rig_row(&rig, "a@x.net"),
                     fake_said(NULL));
        }
        if ((login_rows[i].said != NULL &&
             strstr(fake_said(NULL), login_rows[i].said) == NULL) ||
            (login_rows[i].unsaid != NULL &&
             strstr(fake_said(NULL), login_rows[i].unsaid) != NULL)) {
            fail_msg("%s:\n%s", login_rows[i].name, fake_said(NULL));
        }
        assert_null(strstr(fake_log_text(), "secret")); /* attack 52 */
        assert_null(strstr(fake_log_text(), PLAIN_WORDS));
        rig_close(&rig);
    }
}

/* Attack 20 and 14: a name that cannot be verified is a reason of its own. */
static void test_smarthost_certificate(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "smarthost.host=relay.example.net", "smarthost.port=587",
        "smarthost.tls=must", "smarthost.verifies=true", NULL};
    struct rig rig;
    struct fake_host host = {.address = "192.0.2.1:587",
                             .extensions = "STARTTLS"};
    rig_open(&rig, settings);
    fake_dns_addresses("relay.example.net", "192.0.2.1");
    fake_add_host(&host);
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_non_null(strstr(rig_row(&rig, "a@x.net"),
                           "TLS handshake: self-signed certificate"));
    assert_null(strstr(fake_said(NULL), "MAIL"));
    rig_close(&rig);
}

/* S19: a certificate that fails costs the proof, not the protection; and a
 * login goes over nothing less than what was asked for. */
static void test_S19_unverified_before_clear(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        const char *password;
        bool fails_tls;
        unsigned taken, connections;
        const char *text;
    } rows[] = {
        {"smarthost.user=", "smarthost.password=", false, 1, 2,
         "tls=\"TLSv1.3 unverified\""},
        {"smarthost.user=", "smarthost.password=", true, 1, 3, "tls=none"},
        {"smarthost.user=u", "smarthost.password=p", false, 0, 1,
         "self-signed certificate"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *settings[] = {"smarthost.host=relay.example.net",
                                  "smarthost.port=587",
                                  "smarthost.tls=may",
                                  "smarthost.verifies=true",
                                  rows[i].user,
                                  rows[i].password,
                                  NULL};
        struct rig rig;
        struct fake_host host = {.address = "192.0.2.1:587",
                                 .extensions = "STARTTLS|AUTH PLAIN",
                                 .fails_tls = rows[i].fails_tls};
        rig_open(&rig, settings);
        fake_dns_addresses("relay.example.net", "192.0.2.1");
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        if (fake_taken(host.address) != rows[i].taken ||
            fake_connections(host.address) != rows[i].connections ||
            strstr(fake_log_text(), rows[i].text) == NULL) {
            fail_msg("%zu: %u taken, %u connections\n%s", i,
                     fake_taken(host.address), fake_connections(host.address),
                     fake_log_text());
        }
        if (rows[i].taken == 0) {
            assert_null(strstr(fake_said(NULL), "AUTH"));
        }
        rig_close(&rig);
    }
}

/* S23: a relay with two addresses hears a wrong password once an attempt. */
static void test_S23_one_try_an_attempt(void **state)
{
    (void)state;
    static const char *const settings[] = {"smarthost.host=relay.example.net",
                                           "smarthost.port=587",
                                           "smarthost.tls=must",
                                           "smarthost.verifies=false",
                                           "smarthost.user=user",
                                           "smarthost.password=secret",
                                           NULL};
    struct rig rig;
    rig_open(&rig, settings);
    fake_dns_addresses("relay.example.net", "192.0.2.1, 192.0.2.2");
    for (int i = 0; i < 2; i++) {
        struct fake_host host = {
            .address = i == 0 ? "192.0.2.1:587" : "192.0.2.2:587",
            .extensions = "STARTTLS|AUTH PLAIN",
            .rules = {{"AUTH", "535 5.7.8 wrong\r\n", 0, 0, 0}}};
        fake_add_host(&host);
    }
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_int_equal(rig_count_text(fake_said(NULL), "AUTH PLAIN"), 1);
    rig_close(&rig);
}

/* RFC 4422 A: by the certificate; the name is the operator's to say or leave.
 * A host that wants something else gets nothing else. */
static void test_external(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *reply;
        const char *said;
        unsigned taken;
    } rows[] = {
        {"mechanisms=EXTERNAL", "235 ok\r\n", "AUTH EXTERNAL =\nMAIL", 1},
        {"mechanisms=EXTERNAL user=user", "235 ok\r\n",
         "AUTH EXTERNAL dXNlcg==\nMAIL", 1},
        {"mechanisms=PLAIN,EXTERNAL user=user password=secret",
         "535 5.7.8 no\r\n", "AUTH EXTERNAL dXNlcg==\nQUIT", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char route[300];
        snprintf(route, sizeof route,
                 "delivery.routes=name=a to=x.net relay=192.0.2.1 verify=no "
                 "certificate=own.pem %s",
                 rows[i].words);
        const char *settings[] = {route, NULL};
        struct rig rig;
        struct fake_host host = {
            .address = "192.0.2.1:587",
            .extensions = "STARTTLS|AUTH PLAIN EXTERNAL",
            .rules = {{"AUTH EXTERNAL", rows[i].reply, 0, 0, 0}}};
        rig_open(&rig, settings);
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        assert_int_equal(fake_taken(host.address), rows[i].taken);
        if (strstr(fake_said(NULL), rows[i].said) == NULL) {
            fail_msg("%zu: %s", i, fake_said(NULL));
        }
        assert_null(strstr(fake_said(NULL), "AUTH PLAIN"));
        rig_close(&rig);
    }
}

/* A row without relays says how MX hosts are talked to. */
static void test_mx_policy(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *extensions;
        const char *row;
        const char *unsaid;
    } rows[] = {
        {"tls=must", "STARTTLS", "gone", NULL},
        {"tls=must", "", "TLS", "MAIL"},
        {"tls=must verify=yes", "STARTTLS", "self-signed certificate", "MAIL"},
        {"tls=off", "STARTTLS", "gone", "STARTTLS"},
        {"", "STARTTLS", "gone", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char route[300];
        snprintf(route, sizeof route, "delivery.routes=name=a to=x.net %s",
                 rows[i].words);
        const char *settings[] = {route, NULL};
        struct rig rig;
        struct fake_host host = {.address = FIRST,
                                 .extensions = rows[i].extensions};
        rig_open(&rig, settings);
        fake_dns_addresses("x.net", "192.0.2.1");
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        const char *row = rig_row(&rig, "a@x.net");
        if (strstr(row, rows[i].row) == NULL ||
            (rows[i].unsaid != NULL &&
             strstr(fake_said(NULL), rows[i].unsaid) != NULL)) {
            fail_msg("%zu: %s\n%s", i, row, fake_said(NULL));
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_smarthost_login),
        cmocka_unit_test(test_smarthost_certificate),
        cmocka_unit_test(test_S19_unverified_before_clear),
        cmocka_unit_test(test_S23_one_try_an_attempt),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_mx_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
