/* certificates.c - the certificates and keys of a server, and which of them a
 * client gets.
 *
 * Owns them, with their chains and the names that they are for. Promises: all
 * files are read whole at the birth, PEM or PKCS#12 alike, and never again; the
 * first certificate, with one of each other kind of key that shares a name with
 * it, is for clients that name no host or one that is not here; a name gets the
 * certificates that have it, else those with a wildcard for it, one of each
 * kind of key. A file with a pass phrase needs the one that is given: nothing
 * may ask on the host's terminal.
 * RFC 6066 3 (SNI), RFC 6125 6.4.3 (wildcards), RFC 7292 (PKCS#12).
 * Thread: any; immutable after its birth. */
#include "io/tls_internal.h"

#include "base/mem.h"
#include "platform/fs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <string.h>

/* The names of one certificate, a line each. */
#define NAMES_MAX 65536
#define HOST_MAX 255 /* RFC 6066 3, RFC 1035 2.3.4 */
/* Kinds of keys that one client may be offered. */
#define KINDS_MAX 8

struct certificate {
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
    struct mm_buf names; /* in lower case, a LF behind each */
    char *file;
    char *key_file;
};

struct mm_certificates {
    atomic_uint references;
    size_t count;
    struct certificate items[];
};

/* What one file holds. */
struct bundle {
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
};

/* ---- files ---- */

static int on_pass_phrase(char *buffer, int size, int is_writing, void *context)
{
    const char *pass_phrase = context;
    (void)is_writing;
    size_t length = pass_phrase != NULL ? strlen(pass_phrase) : 0;
    if (length == 0 || length > (size_t)size) {
        return -1;
    }
    memcpy(buffer, pass_phrase, length);
    return (int)length;
}

static void bundle_fini(struct bundle *bundle)
{
    X509_free(bundle->leaf);
    EVP_PKEY_free(bundle->key);
    sk_X509_pop_free(bundle->chain, X509_free);
    *bundle = (struct bundle){0};
}

static void read_pem_certificates(BIO *file, struct bundle *bundle)
{
    bundle->leaf = PEM_read_bio_X509_AUX(file, NULL, on_pass_phrase, NULL);
    bundle->chain = sk_X509_new_null();
    X509 *next = bundle->leaf;
    while (next != NULL && bundle->chain != NULL) {
        next = PEM_read_bio_X509(file, NULL, on_pass_phrase, NULL);
        if (next != NULL && sk_X509_push(bundle->chain, next) <= 0) {
            X509_free(next);
            return;
        }
    }
    if (bundle->leaf != NULL) {
        ERR_clear_error(); /* the end of the file */
    }
}

static bool read_pkcs12(BIO *file, const char *pass_phrase,
                        struct bundle *bundle)
{
    PKCS12 *store = d2i_PKCS12_bio(file, NULL);
    bool is_read =
        store != NULL && PKCS12_parse(store, pass_phrase, &bundle->key,
                                      &bundle->leaf, &bundle->chain) == 1;
    PKCS12_free(store);
    return is_read;
}

/* A DER file begins with a SEQUENCE, which no PEM text does. */
static bool is_der(BIO *file)
{
    unsigned char first = 0;
    bool is_sequence = BIO_read(file, &first, 1) == 1 && first == 0x30;
    return BIO_seek(file, 0) == 0 && is_sequence;
}

static BIO *open_file(const char *name)
{
    char *path;
    if (mm_fs_long_path(name, &path) != MAILMOD_OK) {
        return NULL;
    }
    BIO *file = BIO_new_file(path, "rb");
    mm_free(path);
    return file;
}

/* Its key where `reads_key`, else its certificates. */
static bool read_bundle(BIO *file, bool reads_key, const char *pass_phrase,
                        struct bundle *bundle)
{
    if (is_der(file)) {
        (void)read_pkcs12(file, pass_phrase, bundle);
    } else if (reads_key) {
        bundle->key = PEM_read_bio_PrivateKey(file, NULL, on_pass_phrase,
                                              (void *)pass_phrase);
    } else {
        read_pem_certificates(file, bundle);
    }
    return reads_key ? bundle->key != NULL : bundle->leaf != NULL;
}

static enum mailmod_error read_file(const char *name, bool reads_key,
                                    const char *pass_phrase,
                                    struct bundle *bundle,
                                    struct mm_buf *reason_out)
{
    const char *what = reads_key ? "key file" : "certificate file";
    *bundle = (struct bundle){0};
    if (!mm_tls_is_readable_kind(reason_out, what, name)) {
        return MAILMOD_ERROR_CONFIG;
    }
    ERR_clear_error();
    BIO *file = open_file(name);
    enum mailmod_error error = MAILMOD_OK;
    if (file == NULL || !read_bundle(file, reads_key, pass_phrase, bundle)) {
        error = mm_tls_refuse(reason_out, what, name);
        bundle_fini(bundle);
    }
    BIO_free(file);
    ERR_clear_error();
    return error;
}

/* ---- names ---- */

static bool add_name(struct certificate *certificate, const ASN1_STRING *string)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(string);
    int size = ASN1_STRING_length(string);
    if (size <= 0 || size > HOST_MAX) {
        return true;
    }
    for (int i = 0; i < size; i++) {
        /* CVE-2009-2666: a NUL ends no name, and is in none. */
        if (!mm_ascii_is_printable(bytes[i])) {
            return true;
        }
    }
    char name[HOST_MAX + 1];
    memcpy(name, bytes, (size_t)size);
    name[size] = '\0';
    mm_ascii_lower_cstr(name);
    return mm_buf_appendf(&certificate->names, "%s\n", name) == MAILMOD_OK;
}

/* RFC 6125 6.4.4: the common name counts where there are no other names. */
static bool add_common_name(struct certificate *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate->leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    return at < 0 ||
           add_name(certificate,
                    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static bool note_names(struct certificate *certificate)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate->leaf, NID_subject_alt_name, NULL, NULL);
    bool is_noted = true;
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    for (int i = 0; is_noted && i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        is_noted =
            name->type != GEN_DNS || add_name(certificate, name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
    if (is_noted && mm_buf_size(&certificate->names) == 0) {
        is_noted = add_common_name(certificate);
    }
    ERR_clear_error();
    return is_noted;
}

static bool has_name(const struct certificate *certificate, struct mm_span host)
{
    struct mm_span rest = mm_buf_span(&certificate->names);
    struct mm_span name;
    while (mm_span_cut(rest, '\n', &name, &rest)) {
        if (mm_span_equal(name, host)) {
            return true;
        }
    }
    return false;
}

/* A wildcard stands for one whole label. */
static bool has_wildcard(const struct certificate *certificate,
                         struct mm_span host)
{
    char wildcard[HOST_MAX + 2];
    struct mm_span first;
    struct mm_span rest;
    if (!mm_span_cut(host, '.', &first, &rest) || first.size == 0 ||
        rest.size == 0) {
        return false;
    }
    wildcard[0] = '*';
    wildcard[1] = '.';
    memcpy(wildcard + 2, rest.data, rest.size);
    return has_name(certificate, mm_span(wildcard, 2 + rest.size));
}

/* ---- birth ---- */

static enum mailmod_error load(struct certificate *certificate,
                               const char *pass_phrase,
                               struct mm_buf *reason_out)
{
    struct bundle bundle;
    enum mailmod_error error =
        read_file(certificate->file, false, pass_phrase, &bundle, reason_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    certificate->leaf = bundle.leaf;
    certificate->chain = bundle.chain;
    EVP_PKEY_free(bundle.key);
    error = read_file(certificate->key_file, true, pass_phrase, &bundle,
                      reason_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    certificate->key = bundle.key;
    bundle.key = NULL;
    bundle_fini(&bundle);
    if (X509_check_private_key(certificate->leaf, certificate->key) != 1) {
        return mm_tls_refuse(reason_out, "the key does not fit the certificate",
                             certificate->key_file);
    }
    return note_names(certificate) ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

static void certificate_fini(struct certificate *certificate)
{
    X509_free(certificate->leaf);
    EVP_PKEY_free(certificate->key);
    sk_X509_pop_free(certificate->chain, X509_free);
    mm_buf_fini(&certificate->names);
    mm_free(certificate->file);
    mm_free(certificate->key_file);
}

static enum mailmod_error add(struct mm_certificates *certificates,
                              const struct mm_certificate_files *files,
                              const char *pass_phrase,
                              struct mm_buf *reason_out)
{
    struct certificate *certificate =
        &certificates->items[certificates->count++];
    mm_buf_init(&certificate->names, NAMES_MAX);
    struct mm_span key = files->key.size > 0 ? files->key : files->certificate;
    certificate->file =
        mm_memdup0(files->certificate.data, files->certificate.size);
    certificate->key_file = mm_memdup0(key.data, key.size);
    if (certificate->file == NULL || certificate->key_file == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    return load(certificate, pass_phrase, reason_out);
}

enum mailmod_error
mm_certificates_new(struct mm_certificates **certificates_out,
                    const struct mm_certificate_files *files, size_t count,
                    const char *pass_phrase, struct mm_buf *reason_out)
{
    *certificates_out = NULL;
    struct mm_certificates *certificates =
        mm_alloc(sizeof *certificates + count * sizeof *certificates->items);
    if (certificates == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    atomic_init(&certificates->references, 1);
    for (size_t i = 0; i < count; i++) {
        struct mm_buf reason;
        mm_buf_init(&reason, 8192);
        enum mailmod_error error =
            add(certificates, &files[i], pass_phrase, &reason);
        if (error != MAILMOD_OK && reason_out != NULL) {
            (void)mm_buf_append_cstr(reason_out,
                                     i > 0 ? MM_MORE_CERTIFICATES : "");
            (void)mm_buf_append_span(reason_out, mm_buf_span(&reason));
        }
        mm_buf_fini(&reason);
        if (error != MAILMOD_OK) {
            mm_certificates_unref(&certificates);
            return error;
        }
    }
    *certificates_out = certificates;
    return MAILMOD_OK;
}

struct mm_certificates *
mm_certificates_ref(struct mm_certificates *certificates)
{
    atomic_fetch_add_explicit(&certificates->references, 1,
                              memory_order_relaxed);
    return certificates;
}

void mm_certificates_unref(struct mm_certificates **certificates_in)
{
    struct mm_certificates *certificates = *certificates_in;
    *certificates_in = NULL;
    if (certificates == NULL ||
        atomic_fetch_sub(&certificates->references, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < certificates->count; i++) {
        certificate_fini(&certificates->items[i]);
    }
    mm_free(certificates);
}

bool mm_certificates_facts(const struct mm_certificates *certificates,
                           size_t index, struct mm_certificate_facts *facts_out)
{
    if (certificates == NULL || index >= certificates->count) {
        return false;
    }
    const struct certificate *certificate = &certificates->items[index];
    int days = 0;
    int seconds = 0;
    *facts_out = (struct mm_certificate_facts){
        .file = certificate->file, .key_file = certificate->key_file};
    bool has_end = ASN1_TIME_diff(&days, &seconds, NULL,
                                  X509_get0_notAfter(certificate->leaf)) == 1;
    facts_out->days_left = seconds < 0 ? days - 1 : days;
    if (!has_end) {
        facts_out->days_left = INT_MAX;
        ERR_clear_error();
    }
    return true;
}

/* ---- choice ---- */

/* The kinds of keys that are taken already. */
struct kinds {
    int ids[KINDS_MAX];
    size_t count;
};

static bool is_new_kind(struct kinds *kinds,
                        const struct certificate *certificate)
{
    int id = EVP_PKEY_get_base_id(certificate->key);
    for (size_t i = 0; i < kinds->count; i++) {
        if (kinds->ids[i] == id) {
            return false;
        }
    }
    if (kinds->count == KINDS_MAX) {
        return false;
    }
    kinds->ids[kinds->count++] = id;
    return true;
}

static bool shares_name(const struct certificate *a,
                        const struct certificate *b)
{
    struct mm_span rest = mm_buf_span(&a->names);
    struct mm_span name;
    while (mm_span_cut(rest, '\n', &name, &rest)) {
        if (has_name(b, name)) {
            return true;
        }
    }
    return mm_buf_size(&a->names) == 0 && mm_buf_size(&b->names) == 0;
}

bool mm_certificates_use_default(const struct mm_certificates *certificates,
                                 SSL_CTX *context, const char **file_out)
{
    struct kinds kinds = {0};
    for (size_t i = 0; i < certificates->count; i++) {
        const struct certificate *certificate = &certificates->items[i];
        *file_out = certificate->file;
        bool is_one =
            (i == 0 || shares_name(&certificates->items[0], certificate)) &&
            is_new_kind(&kinds, certificate);
        if (is_one && SSL_CTX_use_cert_and_key(context, certificate->leaf,
                                               certificate->key,
                                               certificate->chain, 1) != 1) {
            return false;
        }
    }
    return true;
}

/* Whether a certificate was found; `is_good` false: it could not be used. */
static bool use_for(const struct mm_certificates *certificates, SSL *ssl,
                    struct mm_span host,
                    bool (*is_for)(const struct certificate *, struct mm_span),
                    bool *is_good)
{
    struct kinds kinds = {0};
    bool has_one = false;
    for (size_t i = 0; *is_good && i < certificates->count; i++) {
        const struct certificate *certificate = &certificates->items[i];
        if (!is_for(certificate, host) || !is_new_kind(&kinds, certificate)) {
            continue;
        }
        if (!has_one) {
            SSL_certs_clear(ssl);
        }
        has_one = true;
        *is_good =
            SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key,
                                 certificate->chain, 1) == 1;
    }
    return has_one;
}

bool mm_certificates_use_named(const struct mm_certificates *certificates,
                               SSL *ssl)
{
    const char *wanted = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char host[HOST_MAX + 1];
    struct mm_span name = mm_span_cstr(wanted);
    if (name.size > 0 && name.data[name.size - 1] == '.') {
        name.size--;
    }
    if (name.size == 0 || !mm_span_copy(name, host, sizeof host)) {
        return true;
    }
    mm_ascii_lower_cstr(host);
    name = mm_span_cstr(host);
    bool is_good = true;
    if (!use_for(certificates, ssl, name, has_name, &is_good)) {
        (void)use_for(certificates, ssl, name, has_wildcard, &is_good);
    }
    return is_good;
}
