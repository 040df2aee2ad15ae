/* test_auth.c - one login attempt, every mechanism and every verdict; attacks
 * 44 to 47 as far as they reach beyond the engine's base64. Thread: the test's.
 */
#include "attempt.h"
#include "crypto/scram.h"

/* The same where the host may have been asked, who answers in his own time. */
static enum mm_auth_verdict late(struct attempt *a,
                                 enum mm_auth_verdict verdict)
{
    return verdict == MM_AUTH_WAIT && a->auth.is_busy
               ? attempt_settle(a, verdict)
               : verdict;
}

static struct mm_span text_of(const struct attempt *a)
{
    return mm_buf_span(&a->auth.challenge);
}

static void test_password(void **state)
{
    struct attempt *a = *state;
    static const struct {
        const char *user, *password;
        enum mm_auth_verdict verdict;
        const char *name;
    } rows[] = {
        {"alice", "secret-alice", MM_AUTH_OK, "alice"},
        {"ALICE", "secret-alice", MM_AUTH_OK, "alice"},
        {"alice@example.org", "secret-alice", MM_AUTH_OK, "alice"},
        {"Alice@Example.ORG", "secret-alice", MM_AUTH_OK, "alice"},
        {"alice@example.net", "secret-alice", MM_AUTH_REFUSED, NULL},
        {"carol@example.org", "secret-carol@example.org", MM_AUTH_OK,
         "carol@example.org"},
        {"carol", "secret-carol@example.org", MM_AUTH_REFUSED, NULL},
        {"alice", "Secret-alice", MM_AUTH_REFUSED, NULL},
        {"alice", "secret-alic", MM_AUTH_REFUSED, NULL},
        {"alice", "secret-alicee", MM_AUTH_REFUSED, NULL},
        {"alice", "", MM_AUTH_REFUSED, NULL},
        {"alice", "\x01", MM_AUTH_REFUSED, NULL},
        {"alice", "\xff\xfe", MM_AUTH_REFUSED, NULL},
        {"nobody", "secret-nobody", MM_AUTH_REFUSED, NULL},
        {"nobody", "", MM_AUTH_REFUSED, NULL},
        {"", "secret-alice", MM_AUTH_REFUSED, NULL},
        {"alice'--", "secret-alice", MM_AUTH_REFUSED, NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum mm_auth_verdict verdict = attempt_settle(
            a, mm_auth_password(&a->auth, mm_span_cstr(rows[i].user),
                                mm_span_cstr(rows[i].password)));

        if (verdict != rows[i].verdict) {
            fail_msg("%s/%s: %d", rows[i].user, rows[i].password, verdict);
        }
        assert_true(attempt_is_wiped(a));
        if (rows[i].name != NULL) {
            assert_string_equal(a->auth.user_name, rows[i].name);
            assert_int_not_equal(a->auth.mailbox_id, 0);
        }
    }
}

static void test_long_credentials(void **state)
{
    struct attempt *a = *state;
    static char text[2000];

    memset(text, 'x', sizeof text);
    assert_int_equal(
        attempt_settle(a, mm_auth_password(&a->auth, mm_span(text, 255),
                                           mm_span(text, 512))),
        MM_AUTH_REFUSED);
    assert_int_equal(
        mm_auth_password(&a->auth, mm_span(text, 256), mm_span(text, 5)),
        MM_AUTH_REFUSED);
    assert_int_equal(
        mm_auth_password(&a->auth, mm_span_cstr("alice"), mm_span(text, 513)),
        MM_AUTH_REFUSED);
    assert_int_equal(
        mm_auth_password(&a->auth, mm_span("al\0ice", 6), mm_span(text, 5)),
        MM_AUTH_REFUSED);
}

/* Attack 45. */
static void test_plain(void **state)
{
    struct attempt *a = *state;
#define ROW(text, verdict)                                                     \
    {                                                                          \
        text, sizeof(text) - 1, verdict                                        \
    }
    static const struct {
        const char *text;
        size_t size;
        enum mm_auth_verdict verdict;
    } rows[] = {
        ROW("\0alice\0secret-alice", MM_AUTH_OK),
        ROW("alice\0alice\0secret-alice", MM_AUTH_OK),
        ROW("bob\0alice\0secret-alice", MM_AUTH_REFUSED),
        /* F10: another form of the same name. */
        ROW("ALICE\0alice\0secret-alice", MM_AUTH_OK),
        ROW("alice\0Alice@example.org\0secret-alice", MM_AUTH_OK),
        ROW("alice@EXAMPLE.org\0alice\0secret-alice", MM_AUTH_OK),
        ROW("alice@example.net\0alice\0secret-alice", MM_AUTH_REFUSED),
        ROW("carol\0carol@example.org\0secret-carol@example.org",
            MM_AUTH_REFUSED),
        ROW("\0alice\0secret-bob", MM_AUTH_REFUSED),
        ROW("\0nobody\0secret-alice", MM_AUTH_REFUSED),
        ROW("", MM_AUTH_SYNTAX),
        ROW("alice", MM_AUTH_SYNTAX),
        ROW("alice\0secret-alice", MM_AUTH_SYNTAX),
        ROW("\0alice\0secret-alice\0", MM_AUTH_SYNTAX),
        ROW("\0alice\0secret-alice\0x", MM_AUTH_SYNTAX),
        ROW("\0\0", MM_AUTH_SYNTAX),
        ROW("\0\0secret-alice", MM_AUTH_SYNTAX),
        ROW("\0alice\0", MM_AUTH_SYNTAX),
        ROW("\0al\xffice\0secret-alice", MM_AUTH_SYNTAX),
    };
#undef ROW

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span text = mm_span(rows[i].text, rows[i].size);

        if (attempt_settle(a, mm_auth_begin(&a->auth, MM_SASL_PLAIN, true,
                                            text)) != rows[i].verdict) {
            fail_msg("row %zu", i);
        }
        /* The same without an initial response. */
        assert_int_equal(
            mm_auth_begin(&a->auth, MM_SASL_PLAIN, false, mm_span(NULL, 0)),
            MM_AUTH_CHALLENGE);
        assert_int_equal(text_of(a).size, 0);
        if (attempt_settle(a, mm_auth_continue(&a->auth, text)) !=
            rows[i].verdict) {
            fail_msg("row %zu, continued", i);
        }
    }
}

static void test_login(void **state)
{
    struct attempt *a = *state;

    assert_int_equal(
        mm_auth_begin(&a->auth, MM_SASL_LOGIN, false, mm_span(NULL, 0)),
        MM_AUTH_CHALLENGE);
    assert_true(mm_span_is(text_of(a), "Username:"));
    assert_int_equal(mm_auth_continue(&a->auth, mm_span_cstr("alice")),
                     MM_AUTH_CHALLENGE);
    assert_true(mm_span_is(text_of(a), "Password:"));
    assert_int_equal(
        attempt_settle(
            a, mm_auth_continue(&a->auth, mm_span_cstr("secret-alice"))),
        MM_AUTH_OK);
    /* With the name at once, and wrong; then an empty name. */
    assert_int_equal(
        mm_auth_begin(&a->auth, MM_SASL_LOGIN, true, mm_span_cstr("nobody")),
        MM_AUTH_CHALLENGE);
    assert_int_equal(
        attempt_settle(a, mm_auth_continue(&a->auth, mm_span_cstr("x"))),
        MM_AUTH_REFUSED);
    assert_int_equal(
        mm_auth_begin(&a->auth, MM_SASL_LOGIN, true, mm_span_cstr("")),
        MM_AUTH_SYNTAX);
}

/* Attack 46: broken off after each step, again and again. */
static void test_broken_off(void **state)
{
    struct attempt *a = *state;

    for (unsigned i = 0; i < 100000; i++) {
        (void)mm_auth_begin(&a->auth, MM_SASL_LOGIN, i % 2 == 0,
                            mm_span_cstr("alice"));
        (void)mm_auth_begin(&a->auth, MM_SASL_PLAIN, false, mm_span(NULL, 0));
        if (i % 100 == 0) {
            (void)attempt_settle(
                a, mm_auth_begin(&a->auth, MM_SASL_SCRAM_SHA_256, true,
                                 mm_span_cstr("n,,n=alice,r=abcdef")));
        }
    }
    assert_int_equal(
        attempt_settle(a, mm_auth_password(&a->auth, mm_span_cstr("alice"),
                                           mm_span_cstr("secret-alice"))),
        MM_AUTH_OK);
}

struct scram {
    struct mm_scram_client client;
    struct mm_buf message;
};

static enum mm_auth_verdict scram_begin(struct attempt *a, struct scram *s,
                                        const char *user)
{
    static const uint8_t random[18] = "an-unguessable-one";

    mm_scram_client_init(&s->client);
    mm_buf_init(&s->message, 4096);
    assert_int_equal(
        mm_scram_client_first(&s->client, user, random, &s->message),
        MAILMOD_OK);
    return late(a, mm_auth_begin(&a->auth, MM_SASL_SCRAM_SHA_256, true,
                                 mm_buf_span(&s->message)));
}

static void scram_reply(struct attempt *a, struct scram *s,
                        const char *password)
{
    mm_buf_clear(&s->message);
    assert_int_equal(mm_scram_client_final(&s->client, text_of(a),
                                           mm_span_cstr(password), &s->message),
                     MAILMOD_OK);
}

static void scram_end(struct scram *s)
{
    mm_scram_client_fini(&s->client);
    mm_buf_fini(&s->message);
}

static void test_F10_scram_acts_for_itself(void **state)
{
    struct attempt *a = *state;
    static const struct {
        const char *message;
        enum mm_auth_verdict verdict;
    } rows[] = {
        {"n,a=alice,n=alice,r=abcdef", MM_AUTH_CHALLENGE},
        {"n,a=alice,n=ALICE@example.org,r=abcdef", MM_AUTH_CHALLENGE},
        {"n,a=Alice@example.org,n=alice,r=abcdef", MM_AUTH_CHALLENGE},
        {"n,a=bob,n=alice,r=abcdef", MM_AUTH_REFUSED},
        {"n,a=alice@example.net,n=alice,r=abcdef", MM_AUTH_REFUSED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            late(a, mm_auth_begin(&a->auth, MM_SASL_SCRAM_SHA_256, true,
                                  mm_span_cstr(rows[i].message))),
            rows[i].verdict);
    }
}

/* The last verdict; with OK the server's signature was right, too. */
static enum mm_auth_verdict by_scram(struct attempt *a, const char *user,
                                     const char *password)
{
    struct scram s;

    assert_int_equal(scram_begin(a, &s, user), MM_AUTH_CHALLENGE);
    scram_reply(a, &s, password);
    enum mm_auth_verdict verdict =
        late(a, mm_auth_continue(&a->auth, mm_buf_span(&s.message)));
    if (verdict == MM_AUTH_CHALLENGE) {
        assert_int_equal(mm_scram_client_check(&s.client, text_of(a)),
                         MAILMOD_OK);
        verdict = late(a, mm_auth_continue(&a->auth, mm_span(NULL, 0)));
    }
    scram_end(&s);
    return verdict;
}

/* What a wrong password gets, after the same steps. */
static void test_disabled_user(void **state)
{
    struct attempt *a = *state;

    rig_change_user(a->store, "alice", true, 0);
    assert_int_equal(attempt_by_password(a, "alice", "secret-alice"),
                     MM_AUTH_REFUSED);
    assert_true(a->auth.is_disabled);
    assert_int_equal(by_scram(a, "alice", "secret-alice"), MM_AUTH_REFUSED);
    assert_true(a->auth.is_disabled);
    assert_int_equal(by_scram(a, "alice", "wrong"), MM_AUTH_REFUSED);
    assert_int_equal(attempt_by_password(a, "bob", "wrong"), MM_AUTH_REFUSED);
    assert_false(a->auth.is_disabled);
    rig_change_user(a->store, "alice", false, 0);
    assert_int_equal(attempt_by_password(a, "alice", "secret-alice"),
                     MM_AUTH_OK);
    assert_int_equal(by_scram(a, "alice", "secret-alice"), MM_AUTH_OK);
    assert_false(a->auth.is_disabled);
}

/* A host that vouches opens no door that the operator has shut. */
static void test_disabled_user_is_vouched_for(void **state)
{
    struct attempt *a = *state;

    rig_change_user(a->store, "alice", true, 0);
    a->auth.on_ask = attempt_on_ask;
    a->asks = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            mm_auth_password(&a->auth, mm_span_cstr(i == 0 ? "alice" : "bob"),
                             mm_span_cstr("x")),
            MM_AUTH_WAIT);
        assert_int_equal(
            attempt_settle(a, mm_auth_decide(&a->auth, MM_AUTH_VOUCH)),
            i == 0 ? MM_AUTH_REFUSED : MM_AUTH_OK);
    }
}

/* Passwords of applications: each lets in, by every way but APOP. */
static void test_several_secrets(void **state)
{
    struct attempt *a = *state;
    char label[16];
    char password[16];

    for (int i = 0; i < MM_STORE_SECRETS_MAX; i++) {
        snprintf(label, sizeof label, "device-%02d", i);
        snprintf(password, sizeof password, "app-%02d", i);
        rig_put_secret(a->store, "alice", label, password);
    }
    for (int i = 0; i < MM_STORE_SECRETS_MAX; i += 5) {
        snprintf(label, sizeof label, "device-%02d", i);
        snprintf(password, sizeof password, "app-%02d", i);
        assert_int_equal(attempt_by_password(a, "alice", password), MM_AUTH_OK);
        assert_string_equal(a->auth.secret, label);
        assert_int_equal(by_scram(a, "alice", password), MM_AUTH_OK);
        assert_string_equal(a->auth.secret, label);
    }
    assert_int_equal(attempt_by_password(a, "alice", "secret-alice"),
                     MM_AUTH_OK);
    assert_string_equal(a->auth.secret, "");
    assert_int_equal(by_scram(a, "alice", "secret-alice"), MM_AUTH_OK);
    assert_string_equal(a->auth.secret, "");
    assert_int_equal(attempt_by_password(a, "bob", "app-00"), MM_AUTH_REFUSED);
    rig_remove_secret(a->store, "alice", "device-05");
    assert_int_equal(attempt_by_password(a, "alice", "app-05"),
                     MM_AUTH_REFUSED);
    assert_int_equal(by_scram(a, "alice", "app-05"), MM_AUTH_REFUSED);
}

/* For the log: another name than the one that is looked for may be anybody's.
 */
static void test_O15_name_as_given(void **state)
{
    struct attempt *a = *state;

    (void)attempt_settle(a, mm_auth_password(&a->auth,
                                             mm_span_cstr("NoSuch@example.org"),
                                             mm_span_cstr("x")));
    assert_string_equal(a->auth.user_name, "nosuch");
    assert_string_equal(a->auth.given_name, "NoSuch@example.org");
}

static void test_scram(void **state)
{
    struct attempt *a = *state;
    struct scram s;

    assert_int_equal(scram_begin(a, &s, "ALICE@example.org"),
                     MM_AUTH_CHALLENGE);
    assert_string_equal(a->auth.user_name, "alice");
    scram_reply(a, &s, "secret-alice");
    assert_int_equal(
        late(a, mm_auth_continue(&a->auth, mm_buf_span(&s.message))),
        MM_AUTH_CHALLENGE);
    assert_int_equal(mm_scram_client_check(&s.client, text_of(a)), MAILMOD_OK);
    assert_int_equal(late(a, mm_auth_continue(&a->auth, mm_span("", 0))),
                     MM_AUTH_OK);
    assert_int_not_equal(a->auth.mailbox_id, 0);
    scram_end(&s);
}

/* After a refusal nothing that follows can end in OK, whatever an engine lets
 * through. */
static void test_scram_refused(void **state)
{
    struct attempt *a = *state;
    static const char *const users[] = {"alice", "nobody"};

    for (size_t i = 0; i < 2; i++) {
        struct scram s;

        assert_int_equal(scram_begin(a, &s, users[i]), MM_AUTH_CHALLENGE);
        scram_reply(a, &s, "wrong");
        assert_int_equal(
            late(a, mm_auth_continue(&a->auth, mm_buf_span(&s.message))),
            MM_AUTH_REFUSED);
        assert_int_not_equal(
            late(a, mm_auth_continue(&a->auth, mm_span("", 0))), MM_AUTH_OK);
        assert_int_not_equal(
            late(a, mm_auth_continue(&a->auth, mm_span("", 0))), MM_AUTH_OK);
        scram_end(&s);
    }
}

/* Attack 47: another nonce, and a proof of an earlier exchange. */
static void test_scram_forged(void **state)
{
    struct attempt *a = *state;
    struct scram first;
    struct scram second;
    struct mm_buf forged;
    char *nonce;

    mm_buf_init(&forged, 4096);
    assert_int_equal(scram_begin(a, &first, "alice"), MM_AUTH_CHALLENGE);
    scram_reply(a, &first, "secret-alice");
    assert_int_equal(scram_begin(a, &second, "alice"), MM_AUTH_CHALLENGE);
    assert_int_equal(
        late(a, mm_auth_continue(&a->auth, mm_buf_span(&first.message))),
        MM_AUTH_REFUSED);
    scram_end(&second);
    assert_int_equal(scram_begin(a, &second, "alice"), MM_AUTH_CHALLENGE);
    scram_reply(a, &second, "secret-alice");
    assert_int_equal(mm_buf_append_span(&forged, mm_buf_span(&second.message)),
                     MAILMOD_OK);
    nonce = strstr(forged.data + forged.start, "r=");
    assert_non_null(nonce);
    nonce[4] ^= 1;
    assert_int_equal(late(a, mm_auth_continue(&a->auth, mm_buf_span(&forged))),
                     MM_AUTH_REFUSED);
    mm_buf_fini(&forged);
    scram_end(&first);
    scram_end(&second);
}

static void test_scram_syntax(void **state)
{
    struct attempt *a = *state;
    static const char *const texts[] = {"",
                                        "n,,",
                                        "n,,n=alice",
                                        "p=tls-unique,,n=a,r=x",
                                        "x,,n=a,r=b",
                                        "n,,n=,r=abc",
                                        "n,,m=x,n=a,r=bcd",
                                        "n,,n=al=ice,r=abc"};
    struct scram s;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (late(a, mm_auth_begin(&a->auth, MM_SASL_SCRAM_SHA_256, true,
                                  mm_span_cstr(texts[i]))) != MM_AUTH_SYNTAX) {
            fail_msg("%s", texts[i]);
        }
    }
    assert_int_equal(scram_begin(a, &s, "alice"), MM_AUTH_CHALLENGE);
    assert_int_equal(
        late(a, mm_auth_continue(&a->auth, mm_span_cstr("nonsense"))),
        MM_AUTH_SYNTAX);
    assert_int_not_equal(late(a, mm_auth_continue(&a->auth, mm_span("", 0))),
                         MM_AUTH_OK);
    scram_end(&s);
}

/* Attack 49: a stranger's salt is the same each time and looks like anybody's.
 */
static void test_scram_decoy(void **state)
{
    struct attempt *a = *state;
    char salts[2][64];

    for (size_t i = 0; i < 2; i++) {
        struct scram s;
        const char *salt;

        assert_int_equal(scram_begin(a, &s, "nobody"), MM_AUTH_CHALLENGE);
        salt = strstr(mm_buf_cstr(&a->auth.challenge), ",s=");
        assert_non_null(salt);
        snprintf(salts[i], sizeof salts[i], "%s", salt);
        assert_non_null(strstr(salts[i], ",i=4096"));
        scram_end(&s);
    }
    assert_string_equal(salts[0], salts[1]);
}

static enum mm_auth_verdict apop(struct attempt *a, const char *user,
                                 const char *stamp, const char *text)
{
    uint8_t digest[MM_MD5_SIZE];

    assert_int_equal(mm_md5(mm_span_cstr(text), digest), MAILMOD_OK);
    return attempt_settle(
        a, mm_auth_apop(&a->auth, mm_span_cstr(user), mm_span_cstr(stamp),
                        mm_span((const char *)digest, MM_MD5_SIZE)));
}

static void test_disabled_user_by_apop(void **state)
{
    struct attempt *a = *state;

    rig_change_user(a->store, "alice", true, 0);
    assert_int_equal(apop(a, "alice", "<1@mx>", "<1@mx>secret-alice"),
                     MM_AUTH_REFUSED);
    assert_true(a->auth.is_disabled);
}

static void test_apop(void **state)
{
    struct attempt *a = *state;

    assert_int_equal(apop(a, "alice", "<1@mx>", "<1@mx>secret-alice"),
                     MM_AUTH_OK);
    assert_int_equal(apop(a, "alice", "<2@mx>", "<1@mx>secret-alice"),
                     MM_AUTH_REFUSED);
    assert_int_equal(apop(a, "alice", "<1@mx>", "<1@mx>"), MM_AUTH_REFUSED);
    /* bob's password is not kept; nor is "-" the password of anybody. */
    assert_int_equal(apop(a, "bob", "<1@mx>", "<1@mx>secret-bob"),
                     MM_AUTH_REFUSED);
    assert_int_equal(apop(a, "bob", "<1@mx>", "<1@mx>-"), MM_AUTH_REFUSED);
    assert_int_equal(apop(a, "nobody", "<1@mx>", "<1@mx>-"), MM_AUTH_REFUSED);
    assert_int_equal(mm_auth_apop(&a->auth, mm_span_cstr("alice"),
                                  mm_span_cstr("<1@mx>"), mm_span("x", 1)),
                     MM_AUTH_REFUSED);
    /* The next login by password is not taken for APOP. */
    assert_int_equal(
        attempt_settle(a, mm_auth_password(&a->auth, mm_span_cstr("alice"),
                                           mm_span_cstr("secret-alice"))),
        MM_AUTH_OK);
}

static void test_our_fault(void **state)
{
    struct attempt *a = *state;
    struct mm_span alice = mm_span_cstr("alice");
    struct mm_span secret = mm_span_cstr("secret-alice");

    fake_set_workers_full(true);
    assert_int_equal(mm_auth_password(&a->auth, alice, secret),
                     MM_AUTH_TEMPORARY);
    assert_true(attempt_is_wiped(a));
    fake_set_workers_full(false);
    assert_int_equal(
        attempt_settle(a, mm_auth_password(&a->auth, alice, secret)),
        MM_AUTH_OK);
}

static void test_host_decides(void **state)
{
    struct attempt *a = *state;
    struct mm_span newcomer = mm_span_cstr("dave");
    struct mm_store_user user;

    a->auth.on_ask = attempt_on_ask;
    a->asks = true;
    assert_int_equal(mm_auth_password(&a->auth, mm_span_cstr("Alice"),
                                      mm_span_cstr("secret-alice")),
                     MM_AUTH_WAIT);
    assert_string_equal(a->seen_user, "alice");
    assert_string_equal(a->seen_password, "secret-alice");
    assert_int_equal(attempt_settle(a, mm_auth_decide(&a->auth, MM_AUTH_CHECK)),
                     MM_AUTH_OK);
    assert_int_equal(
        mm_auth_password(&a->auth, newcomer, mm_span_cstr("anything")),
        MM_AUTH_WAIT);
    assert_int_equal(
        attempt_settle(a, mm_auth_decide(&a->auth, MM_AUTH_REFUSE)),
        MM_AUTH_REFUSED);
    assert_true(attempt_is_wiped(a));
    assert_int_equal(
        mm_auth_password(&a->auth, newcomer, mm_span_cstr("anything")),
        MM_AUTH_WAIT);
    assert_int_equal(attempt_settle(a, mm_auth_decide(&a->auth, MM_AUTH_VOUCH)),
                     MM_AUTH_OK);
    assert_true(attempt_is_wiped(a));
    assert_int_equal(mm_store_find_user(a->store, "dave", &user), MAILMOD_OK);
    assert_int_equal(user.mailbox_id, a->auth.mailbox_id);
    /* Vouched once is not vouched for ever. */
    a->asks = false;
    assert_int_equal(
        attempt_settle(
            a, mm_auth_password(&a->auth, newcomer, mm_span_cstr("anything"))),
        MM_AUTH_REFUSED);
    assert_string_equal(a->seen_user, "dave");
}

/* It is a secret that nobody needs any more. */
static void test_refused_token_is_forgotten(void **state)
{
    static const char message[] = "n,a=alice,\x01"
                                  "auth=Bearer abc\x01\x01";
    struct attempt *a = *state;

    a->auth.on_ask = attempt_on_ask;
    a->asks = true;
    assert_int_equal(mm_auth_begin(&a->auth, MM_SASL_OAUTHBEARER, true,
                                   mm_span(message, sizeof message - 1)),
                     MM_AUTH_WAIT);
    assert_string_equal(mm_auth_token_text(&a->auth), "abc");
    assert_int_equal(mm_auth_decide(&a->auth, MM_AUTH_REFUSE), MM_AUTH_REFUSED);
    assert_int_equal(mm_buf_size(&a->auth.token), 0);
}

/* In SCRAM nobody can vouch: both sides prove themselves. */
static void test_host_and_scram(void **state)
{
    struct attempt *a = *state;
    struct scram s;

    a->auth.on_ask = attempt_on_ask;
    a->asks = true;
    assert_int_equal(scram_begin(a, &s, "nobody"), MM_AUTH_WAIT);
    assert_string_equal(a->seen_password, "(none)");
    assert_int_equal(late(a, mm_auth_decide(&a->auth, MM_AUTH_VOUCH)),
                     MM_AUTH_CHALLENGE);
    scram_reply(a, &s, "x");
    assert_int_equal(
        late(a, mm_auth_continue(&a->auth, mm_buf_span(&s.message))),
        MM_AUTH_REFUSED);
    scram_end(&s);
}

static void test_unknown_mechanism(void **state)
{
    struct attempt *a = *state;

    assert_int_equal(late(a, mm_auth_begin(&a->auth, MM_SASL_CRAM_MD5, true,
                                           mm_span_cstr("x"))),
                     MM_AUTH_SYNTAX);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, attempt_begin, attempt_end),         \
    {                                                                          \
#name " (late)", name, attempt_begin_late, attempt_end, NULL           \
    }
    const struct CMUnitTest tests[] = {
        TEST(test_password),
        TEST(test_long_credentials),
        TEST(test_plain),
        TEST(test_login),
        TEST(test_broken_off),
        TEST(test_F10_scram_acts_for_itself),
        TEST(test_O15_name_as_given),
        TEST(test_scram),
        TEST(test_scram_refused),
        TEST(test_scram_forged),
        TEST(test_scram_syntax),
        TEST(test_scram_decoy),
        TEST(test_apop),
        TEST(test_disabled_user),
        TEST(test_disabled_user_by_apop),
        TEST(test_disabled_user_is_vouched_for),
        TEST(test_several_secrets),
        TEST(test_our_fault),
        TEST(test_host_decides),
        TEST(test_refused_token_is_forgotten),
        TEST(test_host_and_scram),
        TEST(test_unknown_mechanism),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
