/* tls_pump.c - one TLS session over a connection's own buffers.
 *
 * OpenSSL reads and writes through a BIO of ours: its read side takes from the
 * octets that just arrived (lent by the loop) after those kept from before;
 * its write side appends to the connection's bounded output. So the bound of
 * the output is the back-pressure, and an idle session holds no buffer.
 * The BIO never reports an end: that the socket ended in the middle of the
 * session is the pump's to notice, not an error for OpenSSL to invent words
 * for. The error queue is emptied ahead of every call, and its first reason
 * becomes the connection's failure text.
 * RFC 8446, RFC 3207, RFC 6125 (names). Thread: the loop's; an SSL object is
 * never touched elsewhere. */
#include "io/conn_internal.h"
#include "io/tls_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "platform/idn.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Arrived cipher text of at most one read, and what the read after a
 * handshake in the same turn may add. */
#define CIPHER_MAX (2 * MM_LOOP_LENT_SIZE)
#define CLIENT_NAMES_TEXT_MAX 256
/* Of a client's certificate; OpenSSL takes a chain of 100 KiB at most. */
#define PEM_MAX (160 * 1024)

struct mm_tls_session {
    SSL *ssl; /* NULL: a server's, before its peer's first octets */
    struct mm_tls *tls;
    struct mm_buf cipher;  /* arrived, not yet taken by OpenSSL */
    struct mm_buf pending; /* clear text that OpenSSL did not take yet */
    bool is_established;
    bool has_failed;
    char text[96];
};

static int bio_read(BIO *bio, char *out, int size)
{
    struct mm_conn *conn = BIO_get_data(bio);
    struct mm_buf *kept = &conn->tls->cipher;
    struct mm_span from =
        mm_buf_size(kept) > 0 ? mm_buf_span(kept) : conn->arrived;
    BIO_clear_retry_flags(bio);
    if (from.size == 0 || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = from.size < (size_t)size ? from.size : (size_t)size;
    memcpy(out, from.data, count);
    if (mm_buf_size(kept) > 0) {
        mm_buf_consume(kept, count);
        if (mm_buf_size(kept) == 0) {
            mm_buf_release(kept);
        }
    } else {
        conn->arrived = mm_span_from(from, count);
    }
    return (int)count;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct mm_conn *conn = BIO_get_data(bio);
    size_t owed = mm_buf_size(&conn->output) + mm_buf_size(&conn->sending);
    size_t size_max = conn->output.size_max;
    size_t room = owed < size_max ? size_max - owed : 0;
    BIO_clear_retry_flags(bio);
    if (size <= 0) {
        return 0;
    }
    if (room == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    size_t count = room < (size_t)size ? room : (size_t)size;
    if (mm_buf_append(&conn->output, bytes, count) != MAILMOD_OK) {
        return -1; /* without retry: fatal to the session */
    }
    return (int)count;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_new(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *mm_tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "connection");
    if (method != NULL && (BIO_meth_set_read(method, bio_read) != 1 ||
                           BIO_meth_set_write(method, bio_write) != 1 ||
                           BIO_meth_set_ctrl(method, bio_control) != 1 ||
                           BIO_meth_set_create(method, bio_new) != 1)) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

static int connection_index(SSL *ssl, struct mm_conn **conn_out)
{
    *conn_out = SSL_get_app_data(ssl);
    return *conn_out != NULL;
}

static void list_names(X509 *certificate, struct mm_buf *out)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    bool is_first = true;
    for (int i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS) {
            continue;
        }
        const ASN1_STRING *string = name->d.dNSName;
        const unsigned char *bytes = ASN1_STRING_get0_data(string);
        int length = ASN1_STRING_length(string);
        (void)mm_buf_append_cstr(out, is_first ? "it names " : ", ");
        is_first = false;
        for (int k = 0; k < length && mm_buf_room(out) > 0; k++) {
            char c = mm_ascii_is_printable(bytes[k]) ? (char)bytes[k] : '?';
            (void)mm_buf_append_char(out, c);
        }
    }
    if (is_first) {
        (void)mm_buf_append_cstr(out, "it names no host");
    }
    GENERAL_NAMES_free(names);
}

/* Called for each fault of the chain; explains the first one. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mm_conn *conn;
    if (is_good == 1 || ssl == NULL || !connection_index(ssl, &conn)) {
        return is_good;
    }
    int code = X509_STORE_CTX_get_error(store);
    struct mm_buf text;
    mm_buf_init(&text, CLIENT_NAMES_TEXT_MAX);
    (void)mm_buf_append_cstr(&text, X509_verify_cert_error_string(code));
    if (code == X509_V_ERR_HOSTNAME_MISMATCH ||
        code == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        (void)mm_buf_append_cstr(&text, ": ");
        list_names(X509_STORE_CTX_get_current_cert(store), &text);
    }
    mm_conn_explain(conn, "certificate", mm_buf_cstr(&text));
    mm_buf_fini(&text);
    return is_good;
}

/* SHA-256 of the certificate, and of its public key. */
static bool take_digests(X509 *certificate,
                         uint8_t digests_out[2][MM_TLS_PIN_SIZE])
{
    unsigned size = MM_TLS_PIN_SIZE;
    unsigned char *der = NULL;
    int der_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool is_good =
        X509_digest(certificate, EVP_sha256(), digests_out[0], &size) == 1 &&
        der_size > 0 &&
        EVP_Digest(der, (size_t)der_size, digests_out[1], &size, EVP_sha256(),
                   NULL) == 1;
    OPENSSL_free(der);
    return is_good;
}

static bool is_pinned(const struct mm_tls *tls,
                      uint8_t digests[2][MM_TLS_PIN_SIZE])
{
    for (size_t i = 0; i < tls->pin_count; i++) {
        if (memcmp(tls->pins[i], digests[0], MM_TLS_PIN_SIZE) == 0 ||
            memcmp(tls->pins[i], digests[1], MM_TLS_PIN_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/* Instead of OpenSSL's look at the chain. */
int mm_tls_on_pinned(X509_STORE_CTX *store, void *context)
{
    const struct mm_tls *tls = context;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    uint8_t digests[2][MM_TLS_PIN_SIZE];
    struct mm_conn *conn;
    struct mm_buf text;
    bool is_known = certificate != NULL && take_digests(certificate, digests);
    if (is_known && is_pinned(tls, digests)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    mm_buf_init(&text, CLIENT_NAMES_TEXT_MAX);
    (void)mm_buf_append_cstr(&text, "it is not the one that is pinned");
    for (size_t i = 0; is_known && i < MM_TLS_PIN_SIZE; i++) {
        (void)mm_buf_appendf(&text, "%s%02x", i == 0 ? ", its SHA-256 is " : "",
                             digests[0][i]);
    }
    if (ssl != NULL && connection_index(ssl, &conn)) {
        mm_conn_explain(conn, "certificate", mm_buf_cstr(&text));
    }
    mm_buf_fini(&text);
    return 0;
}

static bool expect_peer(SSL *ssl, const char *name, bool verifies)
{
    struct mm_span span = mm_span_cstr(name);
    struct mm_netaddr literal;
    bool is_literal = mm_netaddr_parse_ip(span, &literal);
    /* RFC 6066 3: without the final dot, and never a literal address. */
    if (span.size > 0 && span.data[span.size - 1] == '.') {
        span.size--;
    }
    /* In A-labels (RFC 6125 6.4.2); what has none stays as it is. */
    char host[MM_LIMIT_DOMAIN + 1];
    if (mm_idn_to_ascii(span, host) != MAILMOD_OK &&
        !mm_span_copy(span, host, sizeof host)) {
        return false;
    }
    bool has_host = host[0] != '\0' && !is_literal;
    if (has_host && SSL_set_tlsext_host_name(ssl, host) != 1) {
        return false;
    }
    if (!verifies) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
    /* RFC 6125 6.4.3 and 6.4.4: whole labels, and no common name. */
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_literal) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    /* An empty name would switch the check off. */
    return has_host && SSL_set1_host(ssl, host) == 1;
}

static bool attach_bio(struct mm_tls_session *session, struct mm_conn *conn)
{
    session->ssl = SSL_new(session->tls->context);
    BIO *bio = BIO_new(session->tls->method);
    if (session->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, conn);
    SSL_set_bio(session->ssl, bio, bio);
    return SSL_set_app_data(session->ssl, conn) == 1;
}

/* Of a client: the handshake proves that it has the key, and no more. */
static int take_any(int is_good, X509_STORE_CTX *store)
{
    (void)is_good;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static enum mailmod_error begin_client(struct mm_tls_session *session,
                                       struct mm_conn *conn, const char *name,
                                       bool verifies)
{
    if (!attach_bio(session, conn)) {
        return MAILMOD_ERROR_MEMORY;
    }
    SSL_set_connect_state(session->ssl);
    return expect_peer(session->ssl, name, verifies) ? MAILMOD_OK
                                                     : MAILMOD_ERROR_ARGUMENT;
}

/* A server's session costs OpenSSL's memory from its peer's first octets on:
 * who connects and says nothing has a small one. */
static bool begin_server(struct mm_tls_session *session, struct mm_conn *conn)
{
    if (!attach_bio(session, conn)) {
        return false;
    }
    SSL_set_accept_state(session->ssl);
    if (conn->asks_certificate) {
        SSL_set_verify(session->ssl, SSL_VERIFY_PEER, take_any);
    }
    return true;
}

enum mailmod_error mm_tls_session_new(struct mm_conn *conn, struct mm_tls *tls,
                                      const char *name, bool verifies)
{
    if (tls->is_server != (name == NULL)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    ERR_clear_error();
    struct mm_tls_session *session = mm_alloc(sizeof *session);
    if (session == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    session->tls = mm_tls_ref(tls);
    mm_buf_init(&session->cipher, CIPHER_MAX);
    mm_buf_init(&session->pending, MM_LIMIT_OUTPUT);
    enum mailmod_error error = MAILMOD_OK;
    if (!tls->is_server) {
        error = begin_client(session, conn, name, verifies);
    }
    if (error != MAILMOD_OK) {
        ERR_clear_error();
        mm_tls_session_free(&session);
        return error;
    }
    conn->tls = session;
    return MAILMOD_OK;
}

void mm_tls_session_free(struct mm_tls_session **session_in)
{
    struct mm_tls_session *session = *session_in;
    if (session == NULL) {
        return;
    }
    SSL_free(session->ssl);
    mm_secret_clear(session->pending.data, session->pending.capacity);
    mm_buf_fini(&session->cipher);
    mm_buf_fini(&session->pending);
    mm_tls_unref(&session->tls);
    mm_free(session);
    *session_in = NULL;
}

/* A text in the certificate, which may be anything: printable ASCII alone. */
static bool copy_name(const unsigned char *text, int size, char name_out[256])
{
    for (int i = 0; i < size; i++) {
        if (!mm_ascii_is_printable(text[i])) {
            return false;
        }
    }
    return size > 0 && mm_span_copy(mm_span((const char *)text, (size_t)size),
                                    name_out, 256);
}

static void find_name(X509 *certificate, char name_out[256])
{
    STACK_OF(OPENSSL_STRING) *addresses = X509_get1_email(certificate);
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const char *address = sk_OPENSSL_STRING_num(addresses) > 0
                              ? sk_OPENSSL_STRING_value(addresses, 0)
                              : NULL;

    name_out[0] = '\0';
    if ((address == NULL || !copy_name((const unsigned char *)address,
                                       (int)strlen(address), name_out)) &&
        at >= 0) {
        const ASN1_STRING *text =
            X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));

        (void)copy_name(ASN1_STRING_get0_data(text), ASN1_STRING_length(text),
                        name_out);
    }
    X509_email_free(addresses);
}

static bool write_pem(X509 *certificate, struct mm_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool is_good = bio != NULL && PEM_write_bio_X509(bio, certificate) == 1;
    long size = is_good ? BIO_get_mem_data(bio, &text) : 0;

    is_good = size > 0 && mm_buf_append(out, text, (size_t)size) == MAILMOD_OK;
    BIO_free(bio);
    return is_good;
}

enum mailmod_error
mm_tls_session_certificate(const struct mm_tls_session *session,
                           struct mm_peer_certificate *certificate_out)
{
    X509 *certificate = SSL_get1_peer_certificate(session->ssl);
    uint8_t digests[2][MM_TLS_PIN_SIZE];

    mm_buf_init(&certificate_out->pem, PEM_MAX);
    if (certificate == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    bool is_good = take_digests(certificate, digests) &&
                   write_pem(certificate, &certificate_out->pem);
    for (size_t i = 0; is_good && i < MM_TLS_PIN_SIZE; i++) {
        (void)snprintf(certificate_out->fingerprint + 2 * i, 3, "%02x",
                       digests[0][i]);
    }
    find_name(certificate, certificate_out->name);
    X509_free(certificate);
    ERR_clear_error();
    if (!is_good) {
        mm_buf_fini(&certificate_out->pem);
    }
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

bool mm_tls_session_has_certificate(const struct mm_tls_session *session)
{
    return SSL_get0_peer_certificate(session->ssl) != NULL;
}

bool mm_tls_is_established(const struct mm_tls_session *session)
{
    return session->is_established;
}

const char *mm_tls_session_text(const struct mm_tls_session *session)
{
    return session->text;
}

enum mailmod_error mm_tls_keep(struct mm_tls_session *session,
                               struct mm_span cipher)
{
    return mm_buf_append_span(&session->cipher, cipher);
}

bool mm_tls_has_kept(const struct mm_tls_session *session)
{
    return mm_buf_size(&session->cipher) > 0;
}

size_t mm_tls_pending(const struct mm_tls_session *session)
{
    return session->has_failed ? 0 : mm_buf_size(&session->pending);
}

/* The session is over; the alert that OpenSSL left in the output goes out. */
static enum mm_tls_step fail(struct mm_conn *conn, const char *what)
{
    struct mm_tls_session *session = conn->tls;
    struct mm_buf reason;
    mm_buf_init(&reason, CLIENT_NAMES_TEXT_MAX);
    bool is_untrusted =
        !session->is_established && !session->tls->is_server &&
        (SSL_get_verify_mode(session->ssl) & SSL_VERIFY_PEER) != 0 &&
        SSL_get_verify_result(session->ssl) != X509_V_OK;
    mm_tls_take_reason(&reason);
    mm_conn_explain(conn, what, mm_buf_cstr(&reason));
    mm_buf_fini(&reason);
    session->has_failed = true;
    mm_conn_begin_close(conn, is_untrusted ? MAILMOD_ERROR_TLS_CERTIFICATE
                                           : MAILMOD_ERROR_TLS);
    return MM_TLS_FAILED;
}

static void describe(struct mm_tls_session *session)
{
    struct mm_buf text;
    mm_buf_init(&text, sizeof session->text - 1);
    (void)mm_buf_append_cstr(&text, SSL_get_version(session->ssl));
    (void)mm_buf_append_char(&text, ' ');
    (void)mm_buf_append_cstr(&text, SSL_get_cipher_name(session->ssl));
    (void)mm_span_copy(mm_buf_span(&text), session->text, sizeof session->text);
    mm_buf_fini(&text);
}

enum mm_tls_step mm_tls_shake_hands(struct mm_conn *conn)
{
    struct mm_tls_session *session = conn->tls;
    if (session->ssl == NULL && conn->arrived.size == 0 &&
        !mm_tls_has_kept(session)) {
        return MM_TLS_WAIT;
    }
    ERR_clear_error();
    if (session->ssl == NULL && !begin_server(session, conn)) {
        return fail(conn, "TLS handshake");
    }
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        session->is_established = true;
        describe(session);
        mm_tls_write_pending(conn);
        return MM_TLS_DONE;
    }
    int code = SSL_get_error(session->ssl, result);
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
        return MM_TLS_WAIT;
    }
    return fail(conn, "TLS handshake");
}

enum mm_tls_step mm_tls_read(struct mm_conn *conn, struct mm_span *clear_out)
{
    struct mm_tls_session *session = conn->tls;
    if (session->has_failed) {
        return MM_TLS_FAILED;
    }
    char *plain = conn->loop->plain;
    ERR_clear_error();
    int count = SSL_read(session->ssl, plain, MM_LOOP_PLAIN_SIZE);
    if (count > 0) {
        *clear_out = mm_span(plain, (size_t)count);
        return MM_TLS_DONE;
    }
    switch (SSL_get_error(session->ssl, count)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return MM_TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return MM_TLS_ENDED;
    default:
        return fail(conn, "TLS");
    }
}

/* Gives OpenSSL what it takes; the count of octets taken. */
static size_t encrypt(struct mm_conn *conn, const char *bytes, size_t size)
{
    struct mm_tls_session *session = conn->tls;
    size_t taken = 0;
    while (taken < size && !session->has_failed) {
        size_t rest = size - taken;
        int count = rest > INT_MAX ? INT_MAX : (int)rest;
        ERR_clear_error();
        int result = SSL_write(session->ssl, bytes + taken, count);
        if (result > 0) {
            taken += (size_t)result;
            continue;
        }
        int code = SSL_get_error(session->ssl, result);
        if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE) {
            (void)fail(conn, "TLS");
        }
        break;
    }
    return taken;
}

enum mailmod_error mm_tls_write(struct mm_conn *conn, const char *bytes,
                                size_t size)
{
    struct mm_tls_session *session = conn->tls;
    size_t taken = 0;
    if (session->is_established && mm_buf_size(&session->pending) == 0) {
        taken = encrypt(conn, bytes, size);
    }
    if (session->has_failed) {
        return MAILMOD_ERROR_STATE;
    }
    enum mailmod_error error =
        mm_buf_append(&session->pending, bytes + taken, size - taken);
    if (error != MAILMOD_OK && taken > 0) {
        (void)fail(conn, "TLS"); /* a part is on its way: all or nothing */
    }
    return error;
}

void mm_tls_write_pending(struct mm_conn *conn)
{
    struct mm_tls_session *session = conn->tls;
    struct mm_span span = mm_buf_span(&session->pending);
    if (!session->is_established || session->has_failed || span.size == 0) {
        return;
    }
    mm_buf_consume(&session->pending, encrypt(conn, span.data, span.size));
    if (mm_buf_size(&session->pending) == 0) {
        mm_buf_wipe(&session->pending);
    }
}

void mm_tls_notify_close(struct mm_conn *conn)
{
    struct mm_tls_session *session = conn->tls;
    if (session->is_established && !session->has_failed) {
        ERR_clear_error();
        (void)SSL_shutdown(session->ssl);
        ERR_clear_error();
        session->has_failed = true; /* nothing may be written after it */
    }
}
