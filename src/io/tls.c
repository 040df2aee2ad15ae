/* tls.c - TLS contexts: versions, ciphers, trust.
 *
 * Owns one SSL_CTX per context; immutable once made, shared by reference
 * count, replaced whole on reload. Promises TLS 1.2 as the lowest version
 * (RFC 8996) but where TLS 1.0 is asked for; no renegotiation, no compression,
 * no server-side session memory; each server context has ticket keys and a
 * session context of its own, so that a ticket of one service is worth nothing
 * at another.
 * OpenSSL's process-wide clean-up belongs to the host where libcrypto is a
 * shared library, and is not touched here.
 * RFC 8446, RFC 9325, RFC 7301 (ALPN). Thread: any; the loading of files
 * blocks. */
#include "io/tls_internal.h"

#include "base/mem.h"
#include "platform/fs.h"
#include "platform/trust.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <string.h>

/* RFC 9325 4.2: forward secrecy only; CBC stays for old peers, which would
 * else send in clear. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL"
/* Old devices: RSA without forward secrecy, SHA-1 in TLS 1.0's handshake. */
#define CIPHERS_OLD "DEFAULT:!aNULL:!eNULL:@SECLEVEL=0"
/* Opportunistic: any encryption is better than none (RFC 7435 3). */
#define CIPHERS_ANY "ALL:COMPLEMENTOFDEFAULT:!eNULL:@SECLEVEL=0"

void mm_tls_take_reason(struct mm_buf *out)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    char text[256];
    if (reason == NULL) {
        /* The system's errors have their words in the whole text alone, at
         * its end: "error:80000002:system library::No such file". */
        ERR_error_string_n(code, text, sizeof text);
        reason = strrchr(text, ':');
        reason = reason != NULL && reason[1] != '\0' ? reason + 1 : text;
    }
    if (out != NULL) {
        (void)mm_buf_append_cstr(out, code == 0 ? "no reason given" : reason);
    }
    ERR_clear_error();
}

enum mailmod_error mm_tls_refuse(struct mm_buf *reason_out, const char *what,
                                 const char *name)
{
    if (reason_out != NULL) {
        (void)mm_buf_appendf(reason_out, "%s %s: ", what, name);
    }
    mm_tls_take_reason(reason_out);
    return MAILMOD_ERROR_CONFIG;
}

static enum mailmod_error tls_new(struct mm_tls **tls_out,
                                  const SSL_METHOD *method, bool is_server)
{
    *tls_out = NULL;
    ERR_clear_error();
    struct mm_tls *tls = mm_alloc(sizeof *tls);
    if (tls == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    atomic_init(&tls->references, 1);
    tls->is_server = is_server;
    tls->method = mm_tls_bio_method();
    tls->context = SSL_CTX_new(method);
    if (tls->method == NULL || tls->context == NULL) {
        ERR_clear_error();
        mm_tls_unref(&tls);
        return MAILMOD_ERROR_MEMORY;
    }
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION |
                                          SSL_OP_NO_COMPRESSION |
                                          SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    *tls_out = tls;
    return MAILMOD_OK;
}

/* RFC 7301 3.2: a client that names protocols and not ours is not for us: a
 * browser sent here by a third party (the ALPACA attack). No registered name
 * exists for SMTP; "smtp" is what clients that send one use. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *offered, unsigned size, void *context)
{
    static const char pop3[] = "pop3";
    static const char smtp[] = "smtp";
    (void)ssl;
    const char *wanted = context != NULL ? pop3 : smtp;
    for (unsigned at = 0; at < size; at += offered[at] + 1u) {
        struct mm_span name =
            mm_span((const char *)offered + at + 1, offered[at]);
        if (offered[at] < size - at && mm_span_is(name, wanted)) {
            *out = offered + at + 1;
            *out_size = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_service(struct mm_tls *tls, const char *service)
{
    unsigned size = 0;
    bool is_pop3 = mm_span_starts_nocase(mm_span_cstr(service), "pop");
    SSL_CTX_set_alpn_select_cb(tls->context, on_alpn, is_pop3 ? tls : NULL);
    unsigned char digest[EVP_MAX_MD_SIZE];
    return EVP_Digest(service, strlen(service), digest, &size, EVP_sha256(),
                      NULL) == 1 &&
           SSL_CTX_set_session_id_context(tls->context, digest, size) == 1;
}

/* Only of a regular file OpenSSL's reading has an end. */
bool mm_tls_is_readable_kind(struct mm_buf *reason_out, const char *what,
                             const char *name)
{
    if (mm_fs_is_file(name) || !mm_fs_exists(name)) {
        return true;
    }
    if (reason_out != NULL) {
        (void)mm_buf_appendf(reason_out, "%s %s: this is no regular file", what,
                             name);
    }
    return false;
}

/* Called in each handshake before a certificate is chosen. */
static int on_certificate(SSL *ssl, void *context)
{
    return mm_certificates_use_named(context, ssl) ? 1 : 0;
}

static enum mailmod_error use_certificates(struct mm_tls *tls,
                                           struct mm_buf *reason_out)
{
    const char *file = "";
    if (!mm_certificates_use_default(tls->certificates, tls->context, &file)) {
        return mm_tls_refuse(reason_out, "certificate file", file);
    }
    SSL_CTX_set_cert_cb(tls->context, on_certificate, tls->certificates);
    return MAILMOD_OK;
}

static bool set_versions(struct mm_tls *tls, enum mm_tls_oldest oldest)
{
    static const struct {
        int version;
        const char *ciphers;
    } rows[] = {
        [MM_TLS_OLDEST_1_2] = {TLS1_2_VERSION, CIPHERS},
        [MM_TLS_OLDEST_1_3] = {TLS1_3_VERSION, CIPHERS},
        [MM_TLS_OLDEST_1_0] = {TLS1_VERSION, CIPHERS_OLD},
    };
    return SSL_CTX_set_min_proto_version(tls->context, rows[oldest].version) ==
               1 &&
           SSL_CTX_set_cipher_list(tls->context, rows[oldest].ciphers) == 1;
}

enum mailmod_error
mm_tls_server_new(struct mm_tls **tls_out,
                  const struct mm_tls_server_options *options,
                  struct mm_buf *reason_out)
{
    *tls_out = NULL;
    if (options->certificates == NULL || options->service == NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_tls *tls;
    enum mailmod_error error = tls_new(&tls, TLS_server_method(), true);
    if (error != MAILMOD_OK) {
        return error;
    }
    tls->certificates = mm_certificates_ref(options->certificates);
    if (!set_versions(tls, options->oldest) ||
        !set_service(tls, options->service)) {
        error = mm_tls_refuse(reason_out, "TLS settings of", options->service);
    } else {
        error = use_certificates(tls, reason_out);
    }
    if (error != MAILMOD_OK) {
        mm_tls_unref(&tls);
        return error;
    }
    *tls_out = tls;
    return MAILMOD_OK;
}

/* One that cannot be read is not trusted; the others are. */
static void add_authority(void *context, struct mm_span der)
{
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
    if (certificate != NULL) {
        (void)X509_STORE_add_cert(context, certificate);
        X509_free(certificate);
    }
}

static enum mailmod_error load_trust(struct mm_tls *tls, const char *file,
                                     struct mm_buf *reason_out)
{
    if (file == NULL) {
        if (SSL_CTX_set_default_verify_paths(tls->context) != 1) {
            return mm_tls_refuse(reason_out, "trust store of", "the system");
        }
        enum mailmod_error error =
            mm_trust_each(add_authority, SSL_CTX_get_cert_store(tls->context));
        ERR_clear_error(); /* an absent store is no error until it is used */
        return error;
    }
    if (!mm_tls_is_readable_kind(reason_out, "authority file", file)) {
        return MAILMOD_ERROR_CONFIG;
    }
    char *path;
    enum mailmod_error error = mm_fs_long_path(file, &path);
    if (error == MAILMOD_OK &&
        SSL_CTX_load_verify_file(tls->context, path) != 1) {
        error = mm_tls_refuse(reason_out, "authority file", file);
    }
    mm_free(path);
    return error;
}

static enum mailmod_error use_own(struct mm_tls *tls,
                                  const struct mm_tls_client_options *options,
                                  struct mm_buf *reason_out)
{
    const char *file = "";
    if (options->certificates != NULL) {
        tls->certificates = mm_certificates_ref(options->certificates);
        if (!mm_certificates_use_default(tls->certificates, tls->context,
                                         &file)) {
            return mm_tls_refuse(reason_out, "certificate file", file);
        }
    }
    if (options->pin_count > 0) {
        tls->pin_count = options->pin_count < MM_TLS_PINS_MAX
                             ? options->pin_count
                             : MM_TLS_PINS_MAX;
        memcpy(tls->pins, options->pins, tls->pin_count * MM_TLS_PIN_SIZE);
        SSL_CTX_set_cert_verify_callback(tls->context, mm_tls_on_pinned, tls);
    }
    return MAILMOD_OK;
}

enum mailmod_error
mm_tls_client_new(struct mm_tls **tls_out,
                  const struct mm_tls_client_options *options,
                  struct mm_buf *reason_out)
{
    *tls_out = NULL;
    struct mm_tls *tls;
    enum mailmod_error error = tls_new(&tls, TLS_client_method(), false);
    if (error != MAILMOD_OK) {
        return error;
    }
    const char *ciphers = options->allows_old ? CIPHERS_ANY : CIPHERS;
    if (SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(tls->context, ciphers) != 1) {
        error = mm_tls_refuse(reason_out, "TLS settings of", "the client");
    } else if (options->authority_file != NULL || !options->allows_old) {
        error = load_trust(tls, options->authority_file, reason_out);
    }
    if (error == MAILMOD_OK) {
        error = use_own(tls, options, reason_out);
    }
    if (error != MAILMOD_OK) {
        mm_tls_unref(&tls);
        return error;
    }
    *tls_out = tls;
    return MAILMOD_OK;
}

struct mm_tls *mm_tls_ref(struct mm_tls *tls)
{
    if (tls != NULL) {
        atomic_fetch_add_explicit(&tls->references, 1, memory_order_relaxed);
    }
    return tls;
}

void mm_tls_unref(struct mm_tls **tls_in)
{
    struct mm_tls *tls = *tls_in;
    *tls_in = NULL;
    if (tls == NULL || atomic_fetch_sub(&tls->references, 1) != 1) {
        return;
    }
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    mm_certificates_unref(&tls->certificates);
    mm_free(tls);
}

void mm_tls_thread_end(void)
{
    OPENSSL_thread_stop();
}
