/* test_tls_names.c - the names in TLS: what a certificate may be called and
 * who may vouch for it (attack 20, each refusal with its own reason), and what
 * a client may call the server in SNI (attack 19). RFC 6125 6.4, RFC 6066 3. */
#include "helpers.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define TLS_MS 10000
#define BYTES(text) (text), sizeof(text) - 1

static char folder[] = "/tmp/mailmod-names-XXXXXX";
static char chain_file[64];
static char key_file[64];
static char authority_file[64];

struct names {
    EVP_PKEY *authority_key;
    X509 *authority;
    EVP_PKEY *key;
};

static struct names made;

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* A certificate as yet without names and signature. */
static X509 *begin_certificate(const char *common, int common_size,
                               EVP_PKEY *key, long begin_s, long end_s)
{
    static long serial;
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), begin_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), end_s);
    X509_NAME_add_entry_by_NID(
        X509_get_subject_name(certificate), NID_commonName, V_ASN1_UTF8STRING,
        (const unsigned char *)common, common_size, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_set_pubkey(certificate, key);
    return certificate;
}

static void write_certificate(const char *path, X509 *certificate)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
}

/* A DNS name as octets, so that a NUL may stand in it. */
static void add_octets(X509 *certificate, const char *name, size_t size)
{
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    GENERAL_NAME *item = GENERAL_NAME_new();
    ASN1_STRING *value = (ASN1_STRING *)ASN1_IA5STRING_new();
    assert_int_equal(ASN1_STRING_set(value, name, (int)size), 1);
    GENERAL_NAME_set0_value(item, GEN_DNS, value);
    assert_true(sk_GENERAL_NAME_push(list, item) > 0);
    assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list,
                                       0, X509V3_ADD_DEFAULT),
                     1);
    GENERAL_NAMES_free(list);
}

enum signer { KNOWN, UNKNOWN, ITSELF };

struct row {
    const char *names; /* as OpenSSL's configuration writes them, or NULL */
    const char *octets;
    size_t octets_size;
    const char *asked;
    const char *reason; /* NULL: taken */
    const char *common; /* NULL: "mail" */
    size_t common_size;
    long begin_s;
    long end_s;
    enum signer signer;
    const char *usage;
};

static void make_certificate(const struct row *row)
{
    long end_s = row->end_s != 0 ? row->end_s : 1000;
    long begin_s = row->begin_s != 0 ? row->begin_s : -1000;
    X509 *certificate =
        row->common != NULL
            ? begin_certificate(row->common, (int)row->common_size, made.key,
                                begin_s, end_s)
            : begin_certificate("mail", 4, made.key, begin_s, end_s);
    if (row->names != NULL) {
        add_extension(certificate, NID_subject_alt_name, row->names);
    }
    if (row->octets != NULL) {
        add_octets(certificate, row->octets, row->octets_size);
    }
    if (row->usage != NULL) {
        add_extension(certificate, NID_ext_key_usage, row->usage);
    }
    EVP_PKEY *signer = made.key;
    EVP_PKEY *stranger = NULL;
    if (row->signer == KNOWN) {
        signer = made.authority_key;
        X509_set_issuer_name(certificate,
                             X509_get_subject_name(made.authority));
    } else if (row->signer == UNKNOWN) {
        X509_NAME *name = X509_NAME_new();
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const unsigned char *)"Stranger", -1, -1,
                                   0);
        X509_set_issuer_name(certificate, name);
        X509_NAME_free(name);
        stranger = EVP_EC_gen("P-256");
        signer = stranger;
    }
    assert_true(X509_sign(certificate, signer, EVP_sha256()) > 0);
    write_certificate(chain_file, certificate);
    X509_free(certificate);
    EVP_PKEY_free(stranger);
}

struct meeting {
    struct mm_tls *server_tls;
    struct mm_tls *client_tls;
    const char *name;
};

static struct meeting meeting;

static void server_opened(struct side *side)
{
    assert_int_equal(
        mm_conn_start_tls_server(side->conn, meeting.server_tls, TLS_MS),
        MAILMOD_OK);
}

static void client_opened(struct side *side)
{
    assert_int_equal(mm_conn_start_tls_client(side->conn, meeting.client_tls,
                                              meeting.name, true, TLS_MS),
                     MAILMOD_OK);
}

static void client_secured(struct side *side)
{
    mm_conn_close(side->conn);
}

/* What the client pins: nothing, the server's certificate, its key, another. */
enum pinned { PINS_NOTHING, PINS_CERTIFICATE, PINS_KEY, PINS_ANOTHER };
static enum pinned pinned;

static void make_pins(uint8_t pins_out[2][MM_TLS_PIN_SIZE])
{
    unsigned size;
    unsigned char *der = NULL;
    FILE *file = fopen(chain_file, "rb");
    assert_non_null(file);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    assert_non_null(certificate);
    fclose(file);
    memset(pins_out, 7, 2 * sizeof pins_out[0]);
    if (pinned == PINS_CERTIFICATE) {
        assert_int_equal(
            X509_digest(certificate, EVP_sha256(), pins_out[1], &size), 1);
    } else if (pinned == PINS_KEY) {
        int der_size = i2d_PUBKEY(X509_get0_pubkey(certificate), &der);
        assert_true(der_size > 0);
        assert_int_equal(EVP_Digest(der, (size_t)der_size, pins_out[1], &size,
                                    EVP_sha256(), NULL),
                         1);
        OPENSSL_free(der);
    }
    X509_free(certificate);
}

static void open_contexts(void)
{
    uint8_t pins[2][MM_TLS_PIN_SIZE];
    struct mm_tls_client_options client = {.authority_file = authority_file};
    if (pinned != PINS_NOTHING) {
        make_pins(pins);
        client.pins = (const uint8_t(*)[MM_TLS_PIN_SIZE])pins;
        client.pin_count = 2;
    }
    assert_int_equal(server_tls_new(&meeting.server_tls, chain_file, key_file,
                                    "smtp", MM_TLS_OLDEST_1_2, NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_tls_client_new(&meeting.client_tls, &client, NULL),
                     MAILMOD_OK);
}

static void close_contexts(void)
{
    mm_tls_unref(&meeting.server_tls);
    mm_tls_unref(&meeting.client_tls);
}

static void check_row(const struct row *row, size_t number)
{
    struct server server;
    struct side client;
    make_certificate(row);
    open_contexts();
    meeting.name = row->asked;
    server_begin(&server);
    server.handler = &endless_handler;
    server.side.opened = server_opened;
    side_init(&client);
    client.opened = client_opened;
    client.secured = client_secured;
    struct mm_loop *loop = loop_begin();
    dial(loop, &client, server_port(&server));
    wait_flag(&client.is_closed);
    wait_flag(&server.side.is_closed);
    loop_end(&loop);
    server_end(&server);
    enum mailmod_error wanted =
        row->reason == NULL ? MAILMOD_OK : MAILMOD_ERROR_TLS_CERTIFICATE;
    if (client.reason != wanted || client.is_tls != (row->reason == NULL) ||
        (row->reason != NULL && strstr(client.failure, row->reason) == NULL)) {
        fail_msg("%zu %s: %d %s", number, row->asked, client.reason,
                 client.failure);
    }
    side_fini(&client);
    close_contexts();
}

#define MISMATCH "hostname mismatch: it names "

static const struct row rows[] = {
    /* what is right */
    {.names = "DNS:mail.example.org", .asked = "mail.example.org"},
    {.names = "DNS:MAIL.Example.ORG", .asked = "mail.example.org"},
    {.names = "DNS:mail.example.org", .asked = "mail.example.org."},
    {.names = "DNS:a.example,DNS:b.example", .asked = "b.example"},
    {.names = "DNS:*.example.org", .asked = "mail.example.org"},
    {.names = "DNS:xn--bcher-kva.example",
     .asked = "b\xc3\xbc"
              "cher.example"},
    {.names = "IP:127.0.0.1", .asked = "127.0.0.1"},
    {.names = "IP:::1", .asked = "::1"},
    /* wrong names */
    {.names = "DNS:b.example",
     .asked = "a.example",
     .reason = MISMATCH "b.example"},
    {.names = "DNS:b.example,DNS:c.example",
     .asked = "a.example",
     .reason = MISMATCH "b.example, c.example"},
    {.names = "DNS:example.org",
     .asked = "mail.example.org",
     .reason = MISMATCH "example.org"},
    {.names = "DNS:mail.example.org.evil.example",
     .asked = "mail.example.org",
     .reason = MISMATCH "mail.example.org.evil.example"},
    {.names = "email:a@mail.example.org,URI:https://mail.example.org/",
     .asked = "mail.example.org",
     .reason = "it names no host"},
    /* NUL in a name: what stands before it is not the name */
    {.octets = "a.example\0.evil.example",
     .octets_size = 23,
     .asked = "a.example",
     .reason = MISMATCH "a.example?.evil.example"},
    {.octets = "a.example\0",
     .octets_size = 10,
     .asked = "a.example",
     .reason = MISMATCH "a.example?"},
    {.octets = "a.example\r\n250 ok\x1b[2J",
     .octets_size = 21,
     .asked = "b.example",
     .reason = MISMATCH "a.example??250 ok?[2J"},
    /* wildcards: one whole label, the first, below a domain */
    {.names = "DNS:*.example.org",
     .asked = "a.b.example.org",
     .reason = MISMATCH "*.example.org"},
    {.names = "DNS:*.*.example.org",
     .asked = "a.b.example.org",
     .reason = MISMATCH "*.*.example.org"},
    {.names = "DNS:*.example.org",
     .asked = "example.org",
     .reason = MISMATCH "*.example.org"},
    {.names = "DNS:a.*.org", .asked = "a.example.org", .reason = MISMATCH},
    {.names = "DNS:m*.example.org",
     .asked = "mail.example.org",
     .reason = MISMATCH},
    {.names = "DNS:*.org", .asked = "example.org", .reason = MISMATCH},
    {.names = "DNS:*", .asked = "localhost", .reason = MISMATCH},
    /* addresses are no names, names are no addresses */
    {.names = "DNS:127.0.0.1",
     .asked = "127.0.0.1",
     .reason = "IP address mismatch"},
    {.names = "IP:127.0.0.2",
     .asked = "127.0.0.1",
     .reason = "IP address mismatch"},
    {.names = "IP:127.0.0.1",
     .asked = "localhost",
     .reason = "hostname mismatch: it names no host"},
    /* no subject alternative name: the common name is none (RFC 6125 6.4.4) */
    {.asked = "mail.example.org",
     .common = "mail.example.org",
     .common_size = 16,
     .reason = "hostname mismatch: it names no host"},
    {.asked = "127.0.0.1",
     .common = "127.0.0.1",
     .common_size = 9,
     .reason = "IP address mismatch"},
    {.asked = "a.example",
     .common = "a.example\0.evil",
     .common_size = 15,
     .reason = "hostname mismatch: it names no host"},
    /* time and trust */
    {.names = "DNS:a.example",
     .asked = "a.example",
     .begin_s = -2000,
     .end_s = -1000,
     .reason = "certificate has expired"},
    {.names = "DNS:a.example",
     .asked = "a.example",
     .begin_s = 1000,
     .end_s = 2000,
     .reason = "certificate is not yet valid"},
    {.names = "DNS:a.example",
     .asked = "a.example",
     .signer = UNKNOWN,
     .reason = "unable to get local issuer certificate"},
    {.names = "DNS:a.example",
     .asked = "a.example",
     .signer = ITSELF,
     .reason = "self-signed certificate"},
    {.names = "DNS:a.example",
     .asked = "a.example",
     .usage = "clientAuth",
     .reason = "unsuitable certificate purpose"},
};

static void test_certificates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_row(&rows[i], i);
    }
}

/* Where there are pins they decide alone: not the name, the signer, the time.
 */
static void test_pins(void **state)
{
    (void)state;
    static const struct {
        enum pinned pinned;
        struct row row;
    } cases[] = {
        {PINS_CERTIFICATE, {.names = "DNS:a.test", .asked = "a.test"}},
        {PINS_KEY, {.names = "DNS:a.test", .asked = "a.test"}},
        {PINS_CERTIFICATE,
         {.names = "DNS:a.test", .asked = "b.test", .signer = UNKNOWN}},
        {PINS_KEY,
         {.names = "DNS:a.test", .asked = "127.0.0.1", .end_s = -500}},
        {PINS_ANOTHER,
         {.names = "DNS:a.test",
          .asked = "a.test",
          .reason = "it is not the one that is pinned, its SHA-256 is "}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinned = cases[i].pinned;
        check_row(&cases[i].row, i);
    }
    pinned = PINS_NOTHING;
}

static unsigned read16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put16(struct mm_buf *out, size_t value)
{
    char bytes[2] = {(char)(value >> 8 & 255), (char)(value & 255)};
    assert_int_equal(mm_buf_append(out, bytes, 2), MAILMOD_OK);
}

/* A first message of OpenSSL's, without a name. */
static size_t make_hello(char *out, size_t size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *sent = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), sent);
    assert_int_equal(SSL_connect(ssl), -1);
    ERR_clear_error();
    int count = BIO_read(sent, out, (int)size);
    assert_true(count > 100 && (size_t)count < size);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return (size_t)count;
}

/* RFC 8446 4.1.2: record 5, handshake 4, version 2, random 32, then the
 * session's name, ciphers and compressions with their lengths: where the
 * extensions' length stands. */
static size_t find_extensions(const unsigned char *hello)
{
    size_t at = 5 + 4 + 2 + 32;
    at += 1u + hello[at];
    at += 2u + read16(hello + at);
    return at + 1u + hello[at];
}

/* The same message with an SNI of these octets, whose length is told as
 * `told`, in as many records as it needs. */
static void write_hello(struct mm_buf *out, struct mm_span name, size_t told)
{
    char hello[2048];
    struct mm_buf body;
    size_t size = make_hello(hello, sizeof hello);
    size_t at = find_extensions((const unsigned char *)hello);
    mm_buf_init(&body, 200000);
    assert_int_equal(mm_buf_append(&body, hello + 9, at - 9), MAILMOD_OK);
    put16(&body, size - at - 2 + 9 + name.size);
    put16(&body, 0); /* server_name */
    put16(&body, told + 5);
    put16(&body, told + 3);
    assert_int_equal(mm_buf_append_char(&body, '\0'), MAILMOD_OK);
    put16(&body, told);
    mm_buf_append_span(&body, name);
    assert_int_equal(mm_buf_append(&body, hello + at + 2, size - at - 2),
                     MAILMOD_OK);
    struct mm_buf message;
    mm_buf_init(&message, 200000);
    assert_int_equal(mm_buf_append(&message, "\1", 2), MAILMOD_OK);
    put16(&message, mm_buf_size(&body));
    mm_buf_append_span(&message, mm_buf_span(&body));
    struct mm_span rest = mm_buf_span(&message);
    while (rest.size > 0) {
        size_t piece = rest.size < 16384 ? rest.size : 16384;
        assert_int_equal(mm_buf_append(out, "\x16\x03\x01", 3), MAILMOD_OK);
        put16(out, piece);
        assert_int_equal(mm_buf_append(out, rest.data, piece), MAILMOD_OK);
        rest = mm_span_from(rest, piece);
    }
    mm_buf_fini(&message);
    mm_buf_fini(&body);
}

/* The type of the record that answers: 22 goes on, 21 is an alert; -1 for a
 * bare end. */
static int say_hello(uint16_t port, struct mm_span name, size_t told)
{
    struct mm_buf bytes;
    unsigned char first = 0;
    mm_buf_init(&bytes, 400000);
    write_hello(&bytes, name, told);
    int fd = peer_connect(port);
    struct mm_span span = mm_buf_span(&bytes);
    assert_int_equal(send(fd, span.data, span.size, MSG_NOSIGNAL),
                     (ssize_t)span.size);
    ssize_t count = recv(fd, &first, 1, 0);
    close(fd);
    mm_buf_fini(&bytes);
    return count == 1 ? first : -1;
}

enum { ALERT = 21, GOES_ON = 22 };

/* Attack 19: the name is never looked at, so only its form can be wrong. */
static void test_server_names(void **state)
{
    (void)state;
    static char octets[60000];
    static const struct {
        const char *name;
        size_t size;
        size_t told;
        int answer;
    } table[] = {
        {BYTES("mail.example.org"), 16, GOES_ON},
        {"", 0, 0, GOES_ON},
        {BYTES("a"), 1, GOES_ON},
        {NULL, 255, 255, GOES_ON},
        {NULL, 256, 256, ALERT},
        {NULL, 16000, 16000, ALERT},
        {NULL, 60000, 60000, ALERT},
        {NULL, 60000, 65535, ALERT}, /* more than there is */
        {NULL, 20, 65530, ALERT},
        {NULL, 20, 19, ALERT},
        {NULL, 20, 0, ALERT},
        {BYTES("mail.example.org\\"), 17, GOES_ON},
        {BYTES("."), 1, GOES_ON},
        {BYTES("..............."), 15, GOES_ON},
        {BYTES("mail\0.example"), 13, ALERT},
        {BYTES("mail\r\n.example"), 14, GOES_ON},
        {BYTES("\xff\xfe"), 2, GOES_ON},
    };
    struct server server;
    const struct row good = {.names = "DNS:mail.example.org"};
    make_certificate(&good);
    open_contexts();
    server_begin(&server);
    server.side.opened = server_opened;
    memset(octets, 'x', sizeof octets);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *name = table[i].name != NULL ? table[i].name : octets;
        int answer = say_hello(server_port(&server),
                               mm_span(name, table[i].size), table[i].told);
        if (answer != table[i].answer) {
            fail_msg("%zu: %d", i, answer);
        }
    }
    /* The server lives. */
    assert_int_equal(
        say_hello(server_port(&server), mm_span("a.example", 9), 9), GOES_ON);
    server_end(&server);
    close_contexts();
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(chain_file, sizeof chain_file, "%s/chain", folder);
    snprintf(key_file, sizeof key_file, "%s/key", folder);
    snprintf(authority_file, sizeof authority_file, "%s/authority", folder);
    made.authority_key = EVP_EC_gen("P-256");
    made.key = EVP_EC_gen("P-256");
    made.authority =
        begin_certificate("Test CA", 7, made.authority_key, -5000, 50000);
    add_extension(made.authority, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(made.authority, made.authority_key, EVP_sha256());
    write_certificate(authority_file, made.authority);
    FILE *file = fopen(key_file, "wb");
    if (file == NULL ||
        PEM_write_PrivateKey(file, made.key, NULL, NULL, 0, NULL, NULL) != 1) {
        return -1;
    }
    return fclose(file);
}

static int tear_down(void **state)
{
    (void)state;
    X509_free(made.authority);
    EVP_PKEY_free(made.authority_key);
    EVP_PKEY_free(made.key);
    unlink(chain_file);
    unlink(key_file);
    unlink(authority_file);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_server_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
