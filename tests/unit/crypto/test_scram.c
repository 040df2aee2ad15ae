/* test_scram.c - SCRAM-SHA-256: RFC 7677's exchange, both of our sides against
 * each other, and what peers do wrong. To run the RFC's exchange, whose nonces
 * are no base64 of 18 octets, the nonce and the text so far are put into the
 * (open) structs after the first step. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/mem.h"
#include "crypto/scram.h"
#include "crypto/scram_keys.h"

#include <string.h>

#define RFC_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_CHALLENGE "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define RFC_FINAL                                                              \
    "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SIGNATURE "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static const uint8_t octets[18] = {1,  2,  3,  4,  5,  6,  7,  8,  9,
                                   10, 11, 12, 13, 14, 15, 16, 17, 18};
static const uint8_t other_octets[18] = {9, 9, 9, 9, 9, 9, 9, 9, 9,
                                         9, 9, 9, 9, 9, 9, 9, 9, 9};
static const uint8_t salt[MM_SCRAM_SALT_SIZE] = "0123456789abcde";

/* One exchange with everything that is said in it. */
struct exchange {
    struct mm_scram_client client;
    struct mm_scram_server server;
    struct mm_buf first;
    struct mm_buf challenge;
    struct mm_buf final;
    struct mm_buf signature;
    char user_name[256];
};

static void open_exchange(struct exchange *x)
{
    memset(x, 0, sizeof *x);
    mm_scram_client_init(&x->client);
    mm_scram_server_init(&x->server);
    mm_buf_init(&x->first, 4096);
    mm_buf_init(&x->challenge, 4096);
    mm_buf_init(&x->final, 4096);
    mm_buf_init(&x->signature, 4096);
}

static void close_exchange(struct exchange *x)
{
    mm_scram_client_fini(&x->client);
    mm_scram_server_fini(&x->server);
    mm_buf_fini(&x->first);
    mm_buf_fini(&x->challenge);
    mm_buf_fini(&x->final);
    mm_buf_fini(&x->signature);
}

/* Up to the client's proof; the first error. */
static enum mailmod_error run_to_final(struct exchange *x,
                                       const struct mm_scram_verifier *verifier,
                                       const char *user_name,
                                       const char *password)
{
    enum mailmod_error error =
        mm_scram_client_first(&x->client, user_name, octets, &x->first);
    if (error == MAILMOD_OK) {
        error = mm_scram_server_first(&x->server, mm_buf_span(&x->first),
                                      other_octets, x->user_name,
                                      sizeof x->user_name);
    }
    if (error == MAILMOD_OK) {
        error = mm_scram_server_challenge(&x->server, verifier, &x->challenge);
    }
    if (error == MAILMOD_OK) {
        error = mm_scram_client_final(&x->client, mm_buf_span(&x->challenge),
                                      mm_span_cstr(password), &x->final);
    }
    return error;
}

static enum mailmod_error run(struct exchange *x,
                              const struct mm_scram_verifier *verifier,
                              const char *user_name, const char *password)
{
    enum mailmod_error error = run_to_final(x, verifier, user_name, password);
    if (error == MAILMOD_OK) {
        error = mm_scram_server_final(&x->server, mm_buf_span(&x->final),
                                      &x->signature);
    }
    if (error == MAILMOD_OK) {
        error = mm_scram_client_check(&x->client, mm_buf_span(&x->signature));
    }
    return error;
}

static struct mm_scram_verifier verifier_of(const char *password)
{
    struct mm_scram_verifier verifier;
    assert_int_equal(mm_scram_verifier_make(&verifier, mm_span_cstr(password),
                                            salt, MM_SCRAM_ITERATIONS),
                     MAILMOD_OK);
    return verifier;
}

static void test_rfc7677_client(void **state)
{
    struct exchange x;
    (void)state;
    open_exchange(&x);
    assert_int_equal(mm_scram_client_first(&x.client, "user", octets, &x.first),
                     MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&x.first),
                        "n,,n=user,r=AQIDBAUGBwgJCgsMDQ4PEBES");
    strcpy(x.client.nonce, "rOprNGfwEbeRWgbNEkqO");
    mm_buf_clear(&x.client.messages);
    mm_buf_append_cstr(&x.client.messages, "n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_int_equal(mm_scram_client_final(&x.client,
                                           mm_span_cstr(RFC_CHALLENGE),
                                           mm_span_cstr("pencil"), &x.final),
                     MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&x.final), RFC_FINAL);
    assert_int_equal(
        mm_scram_client_check(&x.client, mm_span_cstr(RFC_SIGNATURE)),
        MAILMOD_OK);
    close_exchange(&x);
}

static void test_rfc7677_server(void **state)
{
    struct exchange x;
    struct mm_scram_verifier verifier;
    struct mm_buf rfc_salt;
    (void)state;
    open_exchange(&x);
    mm_buf_init(&rfc_salt, MM_SCRAM_SALT_SIZE);
    assert_int_equal(
        mm_base64_decode(&rfc_salt, mm_span_cstr("W22ZaJ0SNY7soEsUEjb6gQ==")),
        MAILMOD_OK);
    assert_int_equal(mm_scram_verifier_make(
                         &verifier, mm_span_cstr("pencil"),
                         (const uint8_t *)mm_buf_span(&rfc_salt).data, 4096),
                     MAILMOD_OK);
    mm_buf_fini(&rfc_salt);
    assert_int_equal(
        mm_scram_server_first(&x.server,
                              mm_span_cstr("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
                              octets, x.user_name, sizeof x.user_name),
        MAILMOD_OK);
    assert_string_equal(x.user_name, "user");
    strcpy(x.server.nonce, RFC_NONCE);
    assert_int_equal(
        mm_scram_server_challenge(&x.server, &verifier, &x.challenge),
        MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&x.challenge), RFC_CHALLENGE);
    assert_int_equal(
        mm_scram_server_final(&x.server, mm_span_cstr(RFC_FINAL), &x.signature),
        MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&x.signature), RFC_SIGNATURE);
    close_exchange(&x);
}

static const struct {
    const char *user_name;
    const char *password;
    const char *tried;
    enum mailmod_error error;
} exchanges[] = {
    {"user", "pencil", "pencil", MAILMOD_OK},
    {"a,b=c", "p,w=d", "p,w=d", MAILMOD_OK},
    {"=2C", "x", "x", MAILMOD_OK},
    {"j\xc3\xb6rg@example.org", "gr\xc3\xbcn", "gr\xc3\xbcn", MAILMOD_OK},
    /* prepared on both sides (RFC 4013): composed and not, full width */
    {"user", "gr\xc3\xbcn", "gru\xcc\x88n", MAILMOD_OK},
    {"user", "\xef\xbc\xa1\xc2\xa0x", "A x", MAILMOD_OK},
    {"user", "pencil", "Pencil", MAILMOD_ERROR_AUTHENTICATION},
    {"user", "pencil", "penci", MAILMOD_ERROR_AUTHENTICATION},
    {"user", "pencil", "pencil ", MAILMOD_ERROR_AUTHENTICATION},
    {"user", "pencil", "", MAILMOD_ERROR_ARGUMENT},
    {"user", "pencil", "pen\ncil", MAILMOD_ERROR_ARGUMENT},
    {"user", "pencil", "pen\xc2\x85", MAILMOD_ERROR_ARGUMENT},
    {"user", "pencil", "pen\xff", MAILMOD_ERROR_ARGUMENT},
    {"", "pencil", "pencil", MAILMOD_ERROR_ARGUMENT},
    {"us\ter", "pencil", "pencil", MAILMOD_ERROR_ARGUMENT},
    {"us\x7f", "pencil", "pencil", MAILMOD_ERROR_ARGUMENT},
};

static void test_exchanges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++) {
        struct mm_scram_verifier verifier = verifier_of(exchanges[i].password);
        struct exchange x;
        open_exchange(&x);
        assert_int_equal(
            run(&x, &verifier, exchanges[i].user_name, exchanges[i].tried),
            exchanges[i].error);
        if (exchanges[i].error == MAILMOD_OK) {
            assert_string_equal(x.user_name, exchanges[i].user_name);
        }
        close_exchange(&x);
    }
}

static void test_decoy(void **state)
{
    static const uint8_t secret[MM_SHA256_SIZE] = {1};
    static const uint8_t other_secret[MM_SHA256_SIZE] = {2};
    struct mm_scram_verifier a;
    struct mm_scram_verifier b;
    struct exchange x;
    (void)state;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    assert_int_equal(mm_scram_verifier_decoy(&a, mm_span_cstr("nobody"), secret,
                                             MM_SCRAM_ITERATIONS),
                     MAILMOD_OK);
    assert_int_equal(mm_scram_verifier_decoy(&b, mm_span_cstr("nobody"), secret,
                                             MM_SCRAM_ITERATIONS),
                     MAILMOD_OK);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(a.iterations, MM_SCRAM_ITERATIONS);
    assert_int_equal(mm_scram_verifier_decoy(&b, mm_span_cstr("nobod"), secret,
                                             MM_SCRAM_ITERATIONS),
                     MAILMOD_OK);
    assert_memory_not_equal(a.salt, b.salt, sizeof a.salt);
    assert_int_equal(mm_scram_verifier_decoy(&b, mm_span_cstr("nobody"),
                                             other_secret, MM_SCRAM_ITERATIONS),
                     MAILMOD_OK);
    assert_memory_not_equal(a.salt, b.salt, sizeof a.salt);
    open_exchange(&x);
    assert_int_equal(run(&x, &a, "nobody", "pencil"),
                     MAILMOD_ERROR_AUTHENTICATION);
    close_exchange(&x);
}

/* What 0.1 kept is of the password as it was typed. */
static void test_unprepared_verifier(void **state)
{
    static const char typed[] = "gru\xcc\x88n";
    struct mm_scram_verifier verifier = verifier_of("x");
    struct mm_scram_keys keys;
    bool matches = false;
    (void)state;
    assert_int_equal(mm_scram_derive(&keys, mm_span_cstr(typed),
                                     mm_span((const char *)verifier.salt,
                                             sizeof verifier.salt),
                                     verifier.iterations),
                     MAILMOD_OK);
    memcpy(verifier.stored_key, keys.stored_key, sizeof keys.stored_key);
    assert_int_equal(
        mm_scram_verifier_check(&verifier, mm_span_cstr(typed), &matches),
        MAILMOD_OK);
    assert_true(matches);
    assert_int_equal(mm_scram_verifier_check(
                         &verifier, mm_span_cstr("gru\xcc\x88m"), &matches),
                     MAILMOD_OK);
    assert_false(matches);
}

static void test_verifier(void **state)
{
    static const char *const wrong[] = {"Pencil", "pencils", "", "pen\ncil",
                                        "\xff"};
    struct mm_scram_verifier verifier = verifier_of("pencil");
    bool matches = false;
    (void)state;
    assert_int_equal(
        mm_scram_verifier_check(&verifier, mm_span_cstr("pencil"), &matches),
        MAILMOD_OK);
    assert_true(matches);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        matches = true;
        assert_int_equal(mm_scram_verifier_check(
                             &verifier, mm_span_cstr(wrong[i]), &matches),
                         MAILMOD_OK);
        assert_false(matches);
    }
    verifier.iterations = UINT32_MAX;
    assert_int_equal(
        mm_scram_verifier_check(&verifier, mm_span_cstr("pencil"), &matches),
        MAILMOD_ERROR_LIMIT);
    assert_int_equal(
        mm_scram_verifier_make(&verifier, mm_span_cstr(""), salt, 4096),
        MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(
        mm_scram_verifier_make(&verifier, mm_span_cstr("x"), salt, 0),
        MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(
        mm_scram_verifier_make(&verifier, mm_span_cstr("x"), salt, UINT32_MAX),
        MAILMOD_ERROR_ARGUMENT);
}

static const struct {
    const char *message;
    enum mailmod_error error;
    const char *user_name;
} firsts[] = {
    {"n,,n=user,r=abc", MAILMOD_OK, "user"},
    {"y,,n=user,r=abc", MAILMOD_OK, "user"},
    {"n,a=user,n=user,r=abc", MAILMOD_OK, "user"},
    {"n,,n=a=2Cb=3Dc,r=abc", MAILMOD_OK, "a,b=c"},
    {"n,a=a=2Cb,n=a=2Cb,r=abc", MAILMOD_OK, "a,b"},
    {"n,,n=user,r=abc,x=extension", MAILMOD_OK, "user"},
    {"n,,n=user,r=a=b", MAILMOD_OK, "user"},
    {"n,a=other,n=user,r=abc", MAILMOD_OK, "user"},
    {"p=tls-unique,,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,m=must,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"x,,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"N,,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {",,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,user,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,a=,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,n=user,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,r=abc,n=user", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=us=er,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user=,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user=2,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=a=2cb,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=a\tb,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=\xff,r=abc", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=a b", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=\xc3\xa4", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=abc,", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=abc,x", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=abc,x=", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=abc,1=x", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,n=user,r=abc,,x=y", MAILMOD_ERROR_SYNTAX, NULL},
    {"", MAILMOD_ERROR_SYNTAX, NULL},
    {"n", MAILMOD_ERROR_SYNTAX, NULL},
    {"n,,", MAILMOD_ERROR_SYNTAX, NULL},
};

static void test_client_firsts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct exchange x;
        open_exchange(&x);
        assert_int_equal(
            mm_scram_server_first(&x.server, mm_span_cstr(firsts[i].message),
                                  octets, x.user_name, sizeof x.user_name),
            firsts[i].error);
        if (firsts[i].user_name != NULL) {
            assert_string_equal(x.user_name, firsts[i].user_name);
        }
        close_exchange(&x);
    }
}

static void test_too_large(void **state)
{
    static const struct {
        const char *head;
        size_t filler;
        enum mailmod_error error;
    } rows[] = {
        {"n,,n=user,r=", 128, MAILMOD_OK},
        {"n,,n=user,r=", 129, MAILMOD_ERROR_TOO_LARGE},
        {"n,,n=user,r=", 5000, MAILMOD_ERROR_TOO_LARGE},
        {"n,,r=x,n=", 256, MAILMOD_ERROR_SYNTAX},
        {"n,a=", 600, MAILMOD_ERROR_SYNTAX},
    };
    char text[6000];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exchange x;
        size_t head = strlen(rows[i].head);
        memcpy(text, rows[i].head, head);
        memset(text + head, 'x', rows[i].filler);
        open_exchange(&x);
        assert_int_equal(mm_scram_server_first(
                             &x.server, mm_span(text, head + rows[i].filler),
                             octets, x.user_name, sizeof x.user_name),
                         rows[i].error);
        close_exchange(&x);
    }
    /* A name that the caller has no room for. */
    struct exchange x;
    char small[4];
    open_exchange(&x);
    assert_int_equal(mm_scram_server_first(&x.server,
                                           mm_span_cstr("n,,n=user,r=abc"),
                                           octets, small, sizeof small),
                     MAILMOD_ERROR_TOO_LARGE);
    close_exchange(&x);
}

#define OURS "AQIDBAUGBwgJCgsMDQ4PEBES"
#define SALT "MDEyMzQ1Njc4OWFiY2RlAA=="

static const struct {
    const char *message;
    enum mailmod_error error;
} challenges[] = {
    {"r=" OURS "x,s=" SALT ",i=4096", MAILMOD_OK},
    {"r=" OURS "x,s=" SALT ",i=4096,x=y", MAILMOD_OK},
    {"r=" OURS "x,s=" SALT ",i=1", MAILMOD_ERROR_LIMIT},
    {"r=" OURS "x,s=" SALT ",i=4095", MAILMOD_ERROR_LIMIT},
    {"r=" OURS "x,s=" SALT ",i=200001", MAILMOD_ERROR_LIMIT},
    {"r=" OURS "x,s=" SALT ",i=2147483648", MAILMOD_ERROR_LIMIT},
    {"r=" OURS "x,s=" SALT ",i=4294971392", MAILMOD_ERROR_LIMIT},
    {"r=" OURS "x,s=" SALT ",i=99999999999999999999999", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=" SALT ",i=0", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=" SALT ",i=04096", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=" SALT ",i=-4096", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=" SALT ",i=4096 ", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=" SALT ",i=", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS ",s=" SALT ",i=4096", MAILMOD_ERROR_AUTHENTICATION},
    {"r=AQIDBAUGBwgJCgsMDQ4PEBEx,s=" SALT ",i=4096",
     MAILMOD_ERROR_AUTHENTICATION},
    {"r=BQIDBAUGBwgJCgsMDQ4PEBESx,s=" SALT ",i=4096",
     MAILMOD_ERROR_AUTHENTICATION},
    {"r=x" OURS ",s=" SALT ",i=4096", MAILMOD_ERROR_AUTHENTICATION},
    {"r=" OURS "x y,s=" SALT ",i=4096", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=!!!!,i=4096", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=,i=4096", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,i=4096,s=" SALT, MAILMOD_ERROR_SYNTAX},
    {"m=must,r=" OURS "x,s=" SALT ",i=4096", MAILMOD_ERROR_SYNTAX},
    {"r=" OURS "x,s=" SALT ",i=4096,", MAILMOD_ERROR_SYNTAX},
    {"e=other-error", MAILMOD_ERROR_SYNTAX},
    {"", MAILMOD_ERROR_SYNTAX},
};

/* Nothing of the password leaves after a bad challenge, and a good one is
 * not taken after it. */
static void test_challenges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof challenges / sizeof challenges[0]; i++) {
        struct exchange x;
        open_exchange(&x);
        assert_int_equal(
            mm_scram_client_first(&x.client, "u", octets, &x.first),
            MAILMOD_OK);
        assert_int_equal(mm_scram_client_final(
                             &x.client, mm_span_cstr(challenges[i].message),
                             mm_span_cstr("pencil"), &x.final),
                         challenges[i].error);
        if (challenges[i].error != MAILMOD_OK) {
            assert_int_equal(mm_buf_size(&x.final), 0);
        }
        assert_int_equal(mm_scram_client_final(
                             &x.client, mm_span_cstr(challenges[0].message),
                             mm_span_cstr("pencil"), &x.final),
                         MAILMOD_ERROR_STATE);
        close_exchange(&x);
    }
}

/* A proof taken from one exchange, into another with a fresh server nonce. */
static void test_replay(void **state)
{
    struct mm_scram_verifier verifier = verifier_of("pencil");
    struct exchange old;
    struct exchange fresh;
    (void)state;
    open_exchange(&old);
    open_exchange(&fresh);
    assert_int_equal(run(&old, &verifier, "user", "pencil"), MAILMOD_OK);
    assert_int_equal(mm_scram_server_first(&fresh.server,
                                           mm_buf_span(&old.first), octets,
                                           fresh.user_name, 256),
                     MAILMOD_OK);
    assert_int_equal(
        mm_scram_server_challenge(&fresh.server, &verifier, &fresh.challenge),
        MAILMOD_OK);
    assert_int_equal(mm_scram_server_final(&fresh.server,
                                           mm_buf_span(&old.final),
                                           &fresh.signature),
                     MAILMOD_ERROR_AUTHENTICATION);
    /* And a second time into the exchange that it was made for. */
    assert_int_equal(mm_scram_server_final(&old.server, mm_buf_span(&old.final),
                                           &old.signature),
                     MAILMOD_ERROR_STATE);
    close_exchange(&old);
    close_exchange(&fresh);
}

/* The old proof under the new nonce: the signature covers the nonce. */
static void test_changed_nonce(void **state)
{
    struct mm_scram_verifier verifier = verifier_of("pencil");
    struct exchange x;
    struct mm_buf forged;
    (void)state;
    open_exchange(&x);
    mm_buf_init(&forged, 4096);
    assert_int_equal(run_to_final(&x, &verifier, "user", "pencil"), MAILMOD_OK);
    mm_buf_append_cstr(&forged, "c=biws,r=");
    mm_buf_append_cstr(&forged, x.server.nonce);
    mm_buf_append_cstr(&forged, "x");
    const char *proof = strstr(mm_buf_cstr(&x.final), ",p=");
    mm_buf_append_cstr(&forged, proof);
    assert_int_equal(
        mm_scram_server_final(&x.server, mm_buf_span(&forged), &x.signature),
        MAILMOD_ERROR_AUTHENTICATION);
    /* The right one is too late: one try a nonce. */
    assert_int_equal(
        mm_scram_server_final(&x.server, mm_buf_span(&x.final), &x.signature),
        MAILMOD_ERROR_STATE);
    mm_buf_fini(&forged);
    close_exchange(&x);
}

/* A "y" on the way made an "n" shows in c=: RFC 5802 section 6. */
static void test_changed_header(void **state)
{
    struct mm_scram_verifier verifier = verifier_of("pencil");
    struct exchange x;
    (void)state;
    open_exchange(&x);
    assert_int_equal(mm_scram_client_first(&x.client, "user", octets, &x.first),
                     MAILMOD_OK);
    x.first.data[x.first.start] = 'y';
    assert_int_equal(mm_scram_server_first(&x.server, mm_buf_span(&x.first),
                                           other_octets, x.user_name, 256),
                     MAILMOD_OK);
    assert_int_equal(
        mm_scram_server_challenge(&x.server, &verifier, &x.challenge),
        MAILMOD_OK);
    assert_int_equal(mm_scram_client_final(&x.client, mm_buf_span(&x.challenge),
                                           mm_span_cstr("pencil"), &x.final),
                     MAILMOD_OK);
    assert_int_equal(
        mm_scram_server_final(&x.server, mm_buf_span(&x.final), &x.signature),
        MAILMOD_ERROR_AUTHENTICATION);
    close_exchange(&x);
}

/* A server after its challenge, made once and copied for each try. */
static void refuse_final(const struct exchange *model, struct mm_span final)
{
    struct mm_scram_server server;
    struct mm_buf out;
    mm_scram_server_init(&server);
    mm_buf_init(&out, 4096);
    mm_buf_append_span(&server.messages, mm_buf_span(&model->server.messages));
    memcpy(server.nonce, model->server.nonce, sizeof server.nonce);
    memcpy(server.gs2_header, model->server.gs2_header,
           sizeof server.gs2_header);
    server.verifier = model->server.verifier;
    server.step = model->server.step;
    enum mailmod_error error = mm_scram_server_final(&server, final, &out);
    assert_true(error == MAILMOD_ERROR_SYNTAX ||
                error == MAILMOD_ERROR_AUTHENTICATION);
    assert_int_equal(mm_buf_size(&out), 0);
    mm_scram_server_fini(&server);
    mm_buf_fini(&out);
}

static void test_final_cut_and_changed(void **state)
{
    struct mm_scram_verifier verifier = verifier_of("pencil");
    struct exchange x;
    (void)state;
    open_exchange(&x);
    assert_int_equal(run_to_final(&x, &verifier, "user", "pencil"), MAILMOD_OK);
    struct mm_span final = mm_buf_span(&x.final);
    for (size_t size = 0; size < final.size; size++) {
        refuse_final(&x, mm_span(final.data, size));
    }
    for (size_t at = 0; at < final.size; at++) {
        static const char changes[] = {1, 2, 0x20, (char)0x80, 0};
        char kept = x.final.data[x.final.start + at];
        for (size_t i = 0; i < sizeof changes; i++) {
            char changed = changes[i] == 0 ? ',' : (char)(kept ^ changes[i]);
            if (changed != kept) {
                x.final.data[x.final.start + at] = changed;
                refuse_final(&x, final);
            }
        }
        x.final.data[x.final.start + at] = kept;
    }
    assert_int_equal(mm_scram_server_final(&x.server, final, &x.signature),
                     MAILMOD_OK);
    close_exchange(&x);
}

/* A first message that was cut may still be one (of a shorter name or nonce);
 * then the client does not know its nonce again. */
static void test_first_cut(void **state)
{
    struct mm_scram_verifier verifier = verifier_of("pencil");
    (void)state;
    for (size_t size = 0; size < strlen("n,,n=user,r=" OURS); size++) {
        struct exchange x;
        open_exchange(&x);
        assert_int_equal(
            mm_scram_client_first(&x.client, "user", octets, &x.first),
            MAILMOD_OK);
        enum mailmod_error error = mm_scram_server_first(
            &x.server, mm_span(mm_buf_span(&x.first).data, size), other_octets,
            x.user_name, sizeof x.user_name);
        if (error == MAILMOD_OK) {
            assert_int_equal(
                mm_scram_server_challenge(&x.server, &verifier, &x.challenge),
                MAILMOD_OK);
            error = mm_scram_client_final(&x.client, mm_buf_span(&x.challenge),
                                          mm_span_cstr("pencil"), &x.final);
            assert_int_equal(error, MAILMOD_ERROR_AUTHENTICATION);
        } else {
            assert_int_equal(error, MAILMOD_ERROR_SYNTAX);
        }
        close_exchange(&x);
    }
}

static void test_challenge_cut(void **state)
{
    const char *text = challenges[0].message;
    (void)state;
    for (size_t size = 0; size < strlen(text); size++) {
        struct exchange x;
        open_exchange(&x);
        assert_int_equal(
            mm_scram_client_first(&x.client, "u", octets, &x.first),
            MAILMOD_OK);
        assert_int_not_equal(
            mm_scram_client_final(&x.client, mm_span(text, size),
                                  mm_span_cstr("pencil"), &x.final),
            MAILMOD_OK);
        assert_int_equal(mm_buf_size(&x.final), 0);
        close_exchange(&x);
    }
}

/* What stands in a client that has sent its proof, for one check each. */
static void refuse_signature(struct mm_span message)
{
    struct mm_scram_client client;
    mm_scram_client_init(&client);
    client.step = MM_SCRAM_CHALLENGED;
    memset(client.server_signature, 7, sizeof client.server_signature);
    assert_int_equal(mm_scram_client_check(&client, message),
                     MAILMOD_ERROR_AUTHENTICATION);
    assert_int_equal(mm_scram_client_check(&client, message),
                     MAILMOD_ERROR_STATE);
    mm_scram_client_fini(&client);
}

static void test_signatures(void **state)
{
    static const char right[] =
        "v=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    static const char *const wrong[] = {
        "e=invalid-proof",
        "v=",
        "v=BwcH",
        "v=CAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
        "x=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
        "v=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=,",
        "v=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH",
        "v=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwd=",
    };
    struct mm_scram_client client;
    (void)state;
    for (size_t size = 0; size < sizeof right - 1; size++) {
        refuse_signature(mm_span(right, size));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        refuse_signature(mm_span_cstr(wrong[i]));
    }
    mm_scram_client_init(&client);
    client.step = MM_SCRAM_CHALLENGED;
    memset(client.server_signature, 7, sizeof client.server_signature);
    assert_int_equal(mm_scram_client_check(&client, mm_span_cstr(right)),
                     MAILMOD_OK);
    mm_scram_client_fini(&client);
}

static void test_out_of_turn(void **state)
{
    struct mm_scram_verifier verifier = verifier_of("pencil");
    struct exchange x;
    (void)state;
    open_exchange(&x);
    struct mm_span text = mm_span_cstr("n,,n=user,r=abc");
    assert_int_equal(
        mm_scram_server_challenge(&x.server, &verifier, &x.challenge),
        MAILMOD_ERROR_STATE);
    assert_int_equal(mm_scram_server_final(&x.server, text, &x.signature),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_scram_client_final(&x.client, text, text, &x.final),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_scram_client_check(&x.client, text),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_scram_server_first(&x.server, text, octets, x.user_name,
                                           sizeof x.user_name),
                     MAILMOD_OK);
    assert_int_equal(mm_scram_server_first(&x.server, text, octets, x.user_name,
                                           sizeof x.user_name),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mm_scram_server_final(&x.server, text, &x.signature),
                     MAILMOD_ERROR_STATE);
    close_exchange(&x);
}

/* Each allocation of a whole exchange fails once. */
static void test_out_of_memory(void **state)
{
    struct mm_scram_verifier verifier = verifier_of("pencil");
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    unsigned long number = 0;
    (void)state;
    while (error != MAILMOD_OK) {
        struct exchange x;
        number++;
        open_exchange(&x);
        mm_mem_set_fault(number, 0);
        error = run(&x, &verifier, "user", "pencil");
        mm_mem_set_fault(0, 0);
        close_exchange(&x);
        assert_true(number < 100);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY ||
                    error == MAILMOD_ERROR_SYNTAX ||
                    error == MAILMOD_ERROR_AUTHENTICATION);
    }
    assert_true(number > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7677_client),
        cmocka_unit_test(test_rfc7677_server),
        cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_decoy),
        cmocka_unit_test(test_unprepared_verifier),
        cmocka_unit_test(test_verifier),
        cmocka_unit_test(test_client_firsts),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_challenges),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_changed_nonce),
        cmocka_unit_test(test_changed_header),
        cmocka_unit_test(test_final_cut_and_changed),
        cmocka_unit_test(test_first_cut),
        cmocka_unit_test(test_challenge_cut),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_out_of_turn),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
