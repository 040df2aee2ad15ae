/* test_mechanisms.c - the one table of mechanisms, on POP3 and on submission:
 * what is offered when, LOGIN, CRAM-MD5 and tokens to their ends. The test is
 * the host that judges tokens. Thread: the test's. */
#include "base/base64.h"
#include "crypto/crypto.h"
#include "rig.h"

#define PEER "198.51.100.7:4000"
#define BEARER                                                                 \
    "n,a=alice,\x01host=mail.test\x01"                                         \
    "auth=Bearer good.token~1==\x01\x01"
#define XOAUTH2                                                                \
    "user=alice\x01"                                                           \
    "auth=bearer good.token~1==\x01\x01"

struct host {
    struct rig rig;
    struct fake_peer peer;
    struct mm_hooks hooks;
    enum mm_verdict verdict; /* about the good token */
    unsigned asked;
};

/* Judges at once, as a host's thread does later. */
static enum mailmod_error ask(void *context, struct mm_request *request)
{
    struct host *host = context;
    const struct mm_request_facts *facts = mm_request_facts(request);

    host->asked++;
    assert_int_equal(facts->moment, MAILMOD_LOGIN_TOKEN);
    assert_string_equal(facts->user, "alice");
    assert_null(facts->password);
    bool is_good = strcmp(facts->token, "good.token~1==") == 0;
    return mm_request_settle(request,
                             is_good ? host->verdict : MM_VERDICT_REJECT);
}

static struct host *open_host(const char *const *settings, bool has_host)
{
    struct host *host = mm_alloc(sizeof *host);

    assert_non_null(host);
    host->verdict = MM_VERDICT_TAKEN;
    host->hooks = (struct mm_hooks){
        .moments = MAILMOD_LOGIN_TOKEN, .ask = ask, .context = host};
    rig_open(&host->rig, settings, has_host ? &host->hooks : NULL);
    return host;
}

static void close_host(struct host *host)
{
    fake_hang_up(&host->peer);
    rig_close(&host->rig);
    fake_forget_peer(&host->peer);
    mm_free(host);
}

static void begin_talk(struct host *host, unsigned port)
{
    fake_hang_up(&host->peer);
    fake_run(5);
    fake_forget_peer(&host->peer);
    fake_connect(&host->peer, port, PEER);
    fake_run(5);
    (void)fake_heard(&host->peer);
    if (port == PORT_SUBMISSION || port == PORT_SUBMISSIONS) {
        rig_expect(&host->peer, "EHLO c\r\n", "250");
    }
}

/* The mechanisms that are told: "SASL ..." or "AUTH ...". */
static void expect_offer(struct host *host, unsigned port, const char *names)
{
    bool is_pop3 = port == PORT_POP3 || port == PORT_POP3S;
    char line[128];

    begin_talk(host, port);
    const char *heard =
        fake_talk(&host->peer, is_pop3 ? "CAPA\r\n" : "EHLO c\r\n");
    snprintf(line, sizeof line, "%s%s\r\n", is_pop3 ? "SASL" : "AUTH", names);
    if (strstr(heard, line) == NULL) {
        fail_msg("%u: %s has no %s", port, heard, line);
    }
}

static const char *const clear[] = {
    "pop3.allows_clear_login=true", "smtp.allows_clear_auth=true",
    "local.cram_md5=true", "logins.delay_max=0s", NULL};
static const char *const plain[] = {"pop3.allows_clear_login=true",
                                    "smtp.allows_clear_auth=true",
                                    "logins.delay_max=0s", NULL};
static const unsigned both[] = {PORT_POP3, PORT_SUBMISSION};
static const unsigned both_tls[] = {PORT_POP3S, PORT_SUBMISSIONS};

static void test_offers(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct host *host = open_host(plain, false);
        expect_offer(host, both[i], " SCRAM-SHA-256 PLAIN LOGIN");
        expect_offer(host, both_tls[i], " SCRAM-SHA-256 PLAIN LOGIN");
        close_host(host);
        host = open_host(clear, true);
        expect_offer(host, both[i], " SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN");
        expect_offer(host, both_tls[i],
                     " SCRAM-SHA-256 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN");
        /* Nobody keeps a password that CRAM-MD5 could use. */
        rig_remove_user(host->rig.store, "alice");
        rig_remove_user(host->rig.store, "bob");
        rig_add_user(host->rig.store, "dora", false);
        fake_run(60000);
        begin_talk(host, both[i]); /* has it looked at */
        expect_offer(host, both[i], " SCRAM-SHA-256 PLAIN LOGIN");
        close_host(host);
    }
}

/* What a mechanism that is not offered says, whoever asks. */
static void test_what_is_not_offered(void **state)
{
    struct host *host = open_host(plain, true);

    (void)state;
    begin_talk(host, PORT_POP3);
    rig_expect(&host->peer, "AUTH CRAM-MD5\r\n", "-ERR No such mechanism.");
    rig_expect(&host->peer, "AUTH XOAUTH2\r\n", "-ERR A login needs TLS");
    begin_talk(host, PORT_SUBMISSION);
    rig_expect(&host->peer, "AUTH CRAM-MD5\r\n", "504 5.5.4");
    rig_expect(&host->peer, "AUTH OAUTHBEARER\r\n", "538");
    close_host(host);
}

static void say_base64(struct host *host, const char *before, const char *text,
                       size_t size)
{
    struct mm_buf line;

    mm_buf_init(&line, 20000);
    (void)mm_buf_append_cstr(&line, before);
    (void)mm_base64_encode(&line, text, size);
    (void)mm_buf_append_cstr(&line, "\r\n");
    fake_say(&host->peer, mm_buf_cstr(&line));
    mm_buf_fini(&line);
    fake_run(5000);
}

static void expect_begins(struct host *host, const char *reply)
{
    const char *heard = fake_heard(&host->peer);

    if (strncmp(heard, reply, strlen(reply)) != 0) {
        fail_msg("%s, not %s", heard, reply);
    }
}

static const char *yes(unsigned port)
{
    return port == PORT_POP3 || port == PORT_POP3S ? "+OK" : "235 2.7.0";
}

static const char *no(unsigned port)
{
    return port == PORT_POP3 || port == PORT_POP3S ? "-ERR [AUTH]" : "535";
}

static enum mailmod_error ask_certificate(void *context,
                                          struct mm_request *request)
{
    struct host *host = context;
    const struct mm_request_facts *facts = mm_request_facts(request);

    host->asked++;
    assert_int_equal(facts->moment, MAILMOD_LOGIN_CERTIFICATE);
    assert_null(facts->password);
    assert_string_equal(facts->certificate, "PEM");
    assert_string_equal(facts->fingerprint, "00ff");
    bool is_alice = strcmp(facts->user, "alice") == 0;
    return mm_request_settle(request,
                             is_alice ? host->verdict : MM_VERDICT_ACCEPT);
}

static void show_certificate(struct host *host, unsigned port,
                             const char *certificate)
{
    fake_hang_up(&host->peer);
    fake_run(5);
    fake_forget_peer(&host->peer);
    fake_connect(&host->peer, port, PEER);
    host->peer.certificate = certificate;
    fake_run(5);
    (void)fake_heard(&host->peer);
}

/* Submission alone asks for certificates, and offers EXTERNAL to who has one;
 * the host alone lets in. */
static void test_external(void **state)
{
    struct host *host = mm_alloc(sizeof *host);

    (void)state;
    assert_non_null(host);
    host->verdict = MM_VERDICT_TAKEN;
    host->hooks = (struct mm_hooks){.moments = MAILMOD_LOGIN_CERTIFICATE,
                                    .ask = ask_certificate,
                                    .context = host};
    rig_open(&host->rig, plain, &host->hooks);
    show_certificate(host, PORT_SUBMISSIONS, NULL);
    assert_true(host->peer.is_asked_for_certificate);
    assert_null(strstr(fake_talk(&host->peer, "EHLO c\r\n"), "EXTERNAL"));
    rig_expect(&host->peer, "AUTH EXTERNAL =\r\n", "504");
    show_certificate(host, PORT_POP3S, "alice");
    assert_false(host->peer.is_asked_for_certificate);
    show_certificate(host, PORT_SUBMISSIONS, "alice");
    assert_non_null(strstr(fake_talk(&host->peer, "EHLO c\r\n"), "EXTERNAL"));
    say_base64(host, "AUTH EXTERNAL ", "bob", 3);
    expect_begins(host, "535");
    say_base64(host, "AUTH EXTERNAL ", "a\0b", 3);
    expect_begins(host, "501");
    assert_int_equal(host->asked, 1);
    rig_expect(&host->peer, "AUTH EXTERNAL =\r\n", "235");
    assert_int_equal(host->asked, 2);
    show_certificate(host, PORT_SUBMISSIONS, "");
    (void)fake_talk(&host->peer, "EHLO c\r\n");
    rig_expect(&host->peer, "AUTH EXTERNAL =\r\n", "535");
    assert_int_equal(host->asked, 2);
    close_host(host);
}

/* "Username:" and "Password:", with an initial response or without. */
static void test_login(void **state)
{
    struct host *host = open_host(plain, false);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bool is_pop3 = both[i] == PORT_POP3;
        begin_talk(host, both[i]);
        rig_expect(&host->peer, "AUTH LOGIN\r\n",
                   is_pop3 ? "+ VXNlcm5hbWU6" : "334 VXNlcm5hbWU6");
        say_base64(host, "", "alice", 5);
        expect_begins(host, is_pop3 ? "+ UGFzc3dvcmQ6" : "334 UGFzc3dvcmQ6");
        say_base64(host, "", "wrong", 5);
        expect_begins(host, no(both[i]));
        say_base64(host, "AUTH LOGIN ", "alice", 5);
        expect_begins(host, is_pop3 ? "+ UGFzc3dvcmQ6" : "334 UGFzc3dvcmQ6");
        say_base64(host, "", "secret-alice", 12);
        expect_begins(host, yes(both[i]));
    }
    close_host(host);
}

/* Begins CRAM-MD5 and answers the challenge as `user` with `password`. */
static void cram(struct host *host, const char *user, const char *password)
{
    struct mm_buf stamp;
    uint8_t digest[MM_MD5_SIZE];
    char answer[256];

    mm_buf_init(&stamp, 1000);
    const char *heard = fake_talk(&host->peer, "AUTH CRAM-MD5\r\n");
    const char *text = heard + strcspn(heard, " ") + 1;
    assert_int_equal(
        mm_base64_decode(&stamp, mm_span(text, strcspn(text, "\r"))),
        MAILMOD_OK);
    assert_int_equal(mm_buf_cstr(&stamp)[0], '<');
    assert_int_equal(
        mm_hmac_md5(mm_span_cstr(password), mm_buf_span(&stamp), digest),
        MAILMOD_OK);
    int size = snprintf(answer, sizeof answer, "%s ", user);
    mm_hex(digest, sizeof digest, answer + size);
    mm_buf_fini(&stamp);
    say_base64(host, "", answer, strlen(answer));
}

static void test_cram_md5(void **state)
{
    struct host *host = open_host(clear, false);

    (void)state;
    rig_add_user(host->rig.store, "dora", false);
    for (size_t i = 0; i < 2; i++) {
        begin_talk(host, both[i]);
        cram(host, "alice", "secret-bob");
        expect_begins(host, no(both[i]));
        cram(host, "nobody", "-");
        expect_begins(host, no(both[i]));
        begin_talk(host, both[i]);
        cram(host, "dora", "-"); /* keeps none */
        expect_begins(host, no(both[i]));
        cram(host, "Alice@example.org", "secret-alice");
        expect_begins(host, yes(both[i]));
    }
    close_host(host);
}

/* RFC 2195: the server begins; a digest has 32 digits. The proof of one
 * challenge is none for the next. */
static void test_cram_md5_form(void **state)
{
    struct host *host = open_host(clear, false);
    char first[200];

    (void)state;
    begin_talk(host, PORT_POP3);
    rig_expect(&host->peer, "AUTH CRAM-MD5 YWxpY2U=\r\n", "-ERR not the form");
    snprintf(first, sizeof first, "%s",
             fake_talk(&host->peer, "AUTH CRAM-MD5\r\n"));
    rig_expect(&host->peer, "YWxpY2U=\r\n", "-ERR not the form");
    assert_string_not_equal(fake_talk(&host->peer, "AUTH CRAM-MD5\r\n"), first);
    rig_expect(&host->peer, "*\r\n", "-ERR Login cancelled.");
    close_host(host);
}

/* RFC 7628 3.2.3: a refusal is told by a challenge; whatever the client answers
 * ends the login. */
static void test_tokens(void **state)
{
    static const struct {
        const char *name;
        const char *good;
        size_t size;
        const char *error;
    } rows[] = {{"OAUTHBEARER", BEARER, sizeof BEARER - 1,
                 "{\"status\":\"invalid_token\"}"},
                {"XOAUTH2", XOAUTH2, sizeof XOAUTH2 - 1,
                 "{\"status\":\"401\",\"schemes\":\"bearer\"}"}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct host *host = open_host(plain, true);
        unsigned port = both_tls[i % 2];
        bool is_pop3 = port == PORT_POP3S;
        char line[64];
        snprintf(line, sizeof line, "AUTH %s ", rows[i / 2].name);

        begin_talk(host, port);
        host->verdict = MM_VERDICT_ACCEPT; /* nobody else can judge it */
        say_base64(host, line, rows[i / 2].good, rows[i / 2].size);
        struct mm_buf error;
        mm_buf_init(&error, 1000);
        (void)mm_buf_append_cstr(&error, is_pop3 ? "+ " : "334 ");
        (void)mm_base64_encode(&error, rows[i / 2].error,
                               strlen(rows[i / 2].error));
        expect_begins(host, mm_buf_cstr(&error));
        mm_buf_fini(&error);
        rig_expect(&host->peer, "AQ==\r\n", no(port));
        host->verdict = MM_VERDICT_REJECT_FOR_NOW;
        say_base64(host, line, rows[i / 2].good, rows[i / 2].size);
        expect_begins(host, is_pop3 ? "-ERR [SYS/TEMP]" : "454");
        host->verdict = MM_VERDICT_TAKEN;
        snprintf(line, sizeof line, "AUTH %s\r\n", rows[i / 2].name);
        rig_expect(&host->peer, line, is_pop3 ? "+ \r\n" : "334 \r\n");
        say_base64(host, "", rows[i / 2].good, rows[i / 2].size);
        expect_begins(host, yes(port));
        assert_int_equal(host->asked, 3);
        close_host(host);
    }
}

/* A password behind a token that was refused is answered as any. */
static void test_after_a_token(void **state)
{
    struct host *host = open_host(plain, true);

    (void)state;
    begin_talk(host, PORT_POP3S);
    host->verdict = MM_VERDICT_REJECT;
    say_base64(host, "AUTH XOAUTH2 ", XOAUTH2, sizeof XOAUTH2 - 1);
    expect_begins(host, "+ ");
    rig_expect(&host->peer, "*\r\n", "-ERR Login cancelled.");
    rig_expect(&host->peer, "XLOG alice wrong\r\n", "-ERR [AUTH]");
    rig_expect(&host->peer, "XLOG alice secret-alice\r\n", "+OK");
    close_host(host);
}

static void test_token_forms(void **state)
{
    static const char *const bad[] = {"",
                                      "n,a=alice,",
                                      "n,,\x01"
                                      "auth=Bearer t\x01\x01",
                                      "n,a=,\x01"
                                      "auth=Bearer t\x01\x01",
                                      "p=x,a=alice,\x01"
                                      "auth=Bearer t\x01\x01",
                                      "n,a=alice,\x01"
                                      "auth=Bearer \x01\x01",
                                      "n,a=alice,\x01"
                                      "auth=Bearer a b\x01\x01",
                                      "n,a=alice,\x01"
                                      "auth=Basic t\x01\x01",
                                      "n,a=alice,\x01"
                                      "auth=Bearer t\x01",
                                      "n,a=alice,\x01"
                                      "auth=Bearer t\x01\x01x",
                                      "n,a=al=ice,\x01"
                                      "auth=Bearer t\x01\x01",
                                      "n,a=alice,x\x01"
                                      "auth=Bearer t\x01\x01"};
    struct host *host = open_host(plain, true);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin_talk(host, PORT_POP3S);
        if (bad[i][0] == '\0') {
            fake_say(&host->peer, "AUTH OAUTHBEARER =\r\n");
            fake_run(5);
        } else {
            say_base64(host, "AUTH OAUTHBEARER ", bad[i], strlen(bad[i]));
        }
        expect_begins(host, "-ERR not the form");
    }
    assert_int_equal(host->asked, 0);
    close_host(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_what_is_not_offered),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_cram_md5),
        cmocka_unit_test(test_cram_md5_form),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_after_a_token),
        cmocka_unit_test(test_token_forms),
    };

    return cmocka_run_group_tests_name("server/mechanisms", tests, NULL, NULL);
}
