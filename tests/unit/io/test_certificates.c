/* test_certificates.c - which certificate a client gets: by the name that it
 * asks for and the keys that it knows; and from which files they come. */
#include "io/io.h"
#include "io/tls_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The subject's common name tells a test which one it got. */
struct made {
    const char *label;
    const char *names; /* as OpenSSL's configuration writes them, or NULL */
    bool is_rsa;
};

static char place[64];
static char files[16][96];

static X509 *make(const struct made *made, EVP_PKEY **key_out)
{
    EVP_PKEY *key = made->is_rsa ? EVP_RSA_gen(2048u) : EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)made->label, -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    if (made->names != NULL) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, made->names);
        assert_non_null(extension);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    *key_out = key;
    return certificate;
}

enum form { FORM_PEM, FORM_LOCKED_PEM, FORM_PKCS12, FORM_LOCKED_PKCS12 };

/* Certificate and key in one file. */
static void write_one(const char *path, const struct made *made, enum form form)
{
    EVP_PKEY *key;
    X509 *certificate = make(made, &key);
    bool is_locked = form == FORM_LOCKED_PEM || form == FORM_LOCKED_PKCS12;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (form == FORM_PEM || form == FORM_LOCKED_PEM) {
        PEM_write_X509(file, certificate);
        PEM_write_PrivateKey(file, key, is_locked ? EVP_aes_128_cbc() : NULL,
                             (const unsigned char *)"opens", is_locked ? 5 : 0,
                             NULL, NULL);
    } else {
        PKCS12 *store = PKCS12_create(is_locked ? "opens" : "", "mail", key,
                                      certificate, NULL, 0, 0, 0, 0, 0);
        assert_non_null(store);
        i2d_PKCS12_fp(file, store);
        PKCS12_free(store);
    }
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static struct mm_tls *open_server(const struct made *made, size_t count)
{
    struct mm_certificate_files named[16];
    struct mm_certificates *certificates;
    struct mm_tls *tls;
    for (size_t i = 0; i < count; i++) {
        write_one(files[i], &made[i], FORM_PEM);
        named[i] = (struct mm_certificate_files){mm_span_cstr(files[i]),
                                                 mm_span_cstr("")};
    }
    assert_int_equal(
        mm_certificates_new(&certificates, named, count, NULL, NULL),
        MAILMOD_OK);
    struct mm_tls_server_options options = {certificates, "smtp",
                                            MM_TLS_OLDEST_1_2};
    assert_int_equal(mm_tls_server_new(&tls, &options, NULL), MAILMOD_OK);
    mm_certificates_unref(&certificates);
    return tls;
}

/* The label of the certificate that a client gets; "" when there is none. */
static const char *ask(struct mm_tls *tls, const char *host, bool knows_rsa)
{
    static char label[64];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, knows_rsa ? "aRSA" : "aECDSA");
    SSL *client = SSL_new(context);
    SSL *server = SSL_new(tls->context);
    BIO *to_client;
    BIO *to_server;
    assert_int_equal(BIO_new_bio_pair(&to_client, 0, &to_server, 0), 1);
    SSL_set_bio(client, to_server, to_server);
    SSL_set_bio(server, to_client, to_client);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    if (host != NULL) {
        assert_int_equal(SSL_set_tlsext_host_name(client, host), 1);
    }
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(client);
        (void)SSL_do_handshake(server);
    }
    label[0] = '\0';
    X509 *got = SSL_get0_peer_certificate(client);
    if (SSL_is_init_finished(client) && got != NULL) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(got), NID_commonName,
                                  label, sizeof label);
    }
    ERR_clear_error();
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(context);
    return label;
}

static void test_by_name(void **state)
{
    static const struct made made[] = {
        {"first", "DNS:mail.example", false},
        {"first-rsa", "DNS:MAIL.example", true},
        {"second", "DNS:mail.other.example,DNS:*.other.example", false},
        {"second-rsa", "DNS:mail.other.example", true},
        {"common.example", NULL, false},
        {"stranger-rsa", "DNS:third.example", true},
    };
    static const struct {
        const char *host;
        const char *label;
        const char *rsa;
    } rows[] = {
        {NULL, "first", "first-rsa"},
        {"mail.example", "first", "first-rsa"},
        {"Mail.Other.EXAMPLE", "second", "second-rsa"},
        {"mail.other.example.", "second", "second-rsa"},
        {"pop.other.example", "second", ""},
        {"a.b.other.example", "first", "first-rsa"},
        {"other.example", "first", "first-rsa"},
        {".other.example", "first", "first-rsa"},
        {"common.example", "common.example", ""},
        {"third.example", "", "stranger-rsa"},
        {"first", "first", "first-rsa"}, /* a common name beside others */
        {"nobody.example", "first", "first-rsa"},
        {"mail.example\\", "first", "first-rsa"}, /* attack 19 */
        {"....", "first", "first-rsa"},
        {"*.other.example", "second", ""},
    };
    (void)state;
    struct mm_tls *tls = open_server(made, sizeof made / sizeof made[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(ask(tls, rows[i].host, false), rows[i].label);
        assert_string_equal(ask(tls, rows[i].host, true), rows[i].rsa);
    }
    char longest[256];
    memset(longest, 'a', 255);
    longest[255] = '\0';
    assert_string_equal(ask(tls, longest, false), "first");
    mm_tls_unref(&tls);
}

/* An RSA certificate of another name is not for those who name nobody. */
static void test_default_is_one_host(void **state)
{
    static const struct made made[] = {
        {"first", "DNS:mail.example", false},
        {"stranger-rsa", "DNS:third.example", true},
    };
    (void)state;
    struct mm_tls *tls = open_server(made, 2);
    assert_string_equal(ask(tls, NULL, false), "first");
    assert_string_equal(ask(tls, NULL, true), "");
    mm_tls_unref(&tls);
}

static void test_forms(void **state)
{
    static const struct made made = {"one", "DNS:mail.example", false};
    static const struct {
        enum form form;
        const char *pass_phrase;
        bool is_taken;
    } rows[] = {
        {FORM_PEM, NULL, true},
        {FORM_PEM, "other", true},
        {FORM_LOCKED_PEM, NULL, false},
        {FORM_LOCKED_PEM, "", false},
        {FORM_LOCKED_PEM, "other", false},
        {FORM_LOCKED_PEM, "opens", true},
        {FORM_PKCS12, NULL, true},
        {FORM_PKCS12, "", true},
        {FORM_LOCKED_PKCS12, "", false},
        {FORM_LOCKED_PKCS12, "other", false},
        {FORM_LOCKED_PKCS12, "opens", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_certificate_files file = {mm_span_cstr(files[0]),
                                            mm_span_cstr("")};
        struct mm_certificates *certificates;
        struct mm_certificate_facts facts;
        struct mm_buf reason;
        mm_buf_init(&reason, 1024);
        write_one(files[0], &made, rows[i].form);
        assert_int_equal(mm_certificates_new(&certificates, &file, 1,
                                             rows[i].pass_phrase, &reason),
                         rows[i].is_taken ? MAILMOD_OK : MAILMOD_ERROR_CONFIG);
        assert_int_equal(mm_certificates_facts(certificates, 0, &facts),
                         rows[i].is_taken);
        assert_false(mm_certificates_facts(certificates, 1, &facts));
        assert_int_equal(mm_buf_size(&reason) == 0, rows[i].is_taken);
        if (rows[i].is_taken) {
            assert_string_equal(facts.key_file, files[0]);
            assert_true(facts.days_left == 0 || facts.days_left == 1);
        }
        mm_certificates_unref(&certificates);
        mm_buf_fini(&reason);
    }
}

/* Of the second one it is told that it is not the first. */
static void test_bad_second(void **state)
{
    static const struct made made = {"one", "DNS:mail.example", false};
    struct mm_certificate_files both[] = {
        {mm_span_cstr(files[0]), mm_span_cstr("")},
        {mm_span_cstr(files[1]), mm_span_cstr("")}};
    struct mm_certificates *certificates;
    struct mm_buf reason;
    (void)state;
    mm_buf_init(&reason, 1024);
    write_one(files[0], &made, FORM_PEM);
    FILE *file = fopen(files[1], "wb");
    fputs("\x30 nothing", file);
    fclose(file);
    assert_int_equal(mm_certificates_new(&certificates, both, 2, NULL, &reason),
                     MAILMOD_ERROR_CONFIG);
    assert_null(certificates);
    assert_true(mm_span_starts_nocase(mm_buf_span(&reason), MM_MORE_CERTIFICATES
                                      "certificate file "));
    mm_buf_fini(&reason);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(place, "/tmp/mailmod-certificates-XXXXXX");
    if (mkdtemp(place) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(files[i], sizeof files[i], "%s/%zu", place, i);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)remove(files[i]);
    }
    return rmdir(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_default_is_one_host),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_bad_second),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
