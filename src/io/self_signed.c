/* self_signed.c - the self-signed certificate of a server that has no other.
 *
 * Makes a key, P-256 or (for old clients) RSA, and a certificate for one host
 * name or address, valid from a day ago (clocks differ) for ten years, as PEM
 * texts. Opportunistic peers take it; those that verify need a real one. RFC
 * 5280. Thread: worker. */
#include "io/tls_internal.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <string.h>

#define RSA_BITS 2048u
#define DAY_SECONDS (24 * 60 * 60)
#define VALID_DAYS 3653 /* ten years with their leap days */
/* RFC 5280 A.1, ub-common-name-length. */
#define COMMON_NAME_MAX 64

static bool is_name(const char *host_name)
{
    size_t length = strlen(host_name);
    for (size_t i = 0; i < length; i++) {
        char c = host_name[i];
        if (!mm_ascii_is_alnum((unsigned char)c) && c != '-' && c != '.' &&
            c != '_') {
            return false;
        }
    }
    return length > 0 && length <= 253;
}

static bool set_serial(X509 *certificate)
{
    /* RFC 5280 4.1.2.2: positive and unique: 126 random bits. */
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40);
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool is_set =
        number != NULL &&
        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return is_set;
}

static bool set_subject(X509 *certificate, const char *host_name)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    const char *common =
        strlen(host_name) <= COMMON_NAME_MAX ? host_name : "mail";
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)common, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

static GENERAL_NAME *general_name(const char *host_name)
{
    struct mm_netaddr address;
    bool is_ip = mm_netaddr_parse_ip(mm_span_cstr(host_name), &address);
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = is_ip ? (ASN1_STRING *)ASN1_OCTET_STRING_new()
                               : (ASN1_STRING *)ASN1_IA5STRING_new();
    int size = address.family == MM_NETADDR_V4 ? 4 : 16;
    const void *bytes = is_ip ? (const void *)address.bytes : host_name;
    if (name == NULL || value == NULL ||
        ASN1_STRING_set(value, bytes, is_ip ? size : -1) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, is_ip ? GEN_IPADD : GEN_DNS, value);
    return name;
}

static bool add_alternative_name(X509 *certificate, const char *host_name)
{
    bool is_added = false;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = general_name(host_name);
    if (names != NULL && name != NULL &&
        sk_GENERAL_NAME_push(names, name) > 0) {
        name = NULL;
        is_added = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names,
                                     0, X509V3_ADD_DEFAULT) == 1;
    }
    GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);
    return is_added;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added =
        extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *host_name)
{
    /* RFC 5246 7.4.2: a key exchange without forward secrecy enciphers. */
    bool is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_SECONDS) !=
               NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), VALID_DAYS, 0,
                            NULL) != NULL &&
           set_subject(certificate, host_name) &&
           X509_set_pubkey(certificate, key) == 1 &&
           add_alternative_name(certificate, host_name) &&
           add_extension(certificate, NID_basic_constraints,
                         "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage,
                         is_rsa ? "critical,digitalSignature,keyEncipherment"
                                : "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static enum mailmod_error take_text(BIO *from, struct mm_buf *out)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(from, &bytes);
    if (size <= 0) {
        return MAILMOD_ERROR_MEMORY;
    }
    return mm_buf_append(out, bytes, (size_t)size);
}

static enum mailmod_error write_out(X509 *certificate, EVP_PKEY *key,
                                    struct mm_buf *certificate_out,
                                    struct mm_buf *key_out)
{
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    BIO *public_text = BIO_new(BIO_s_mem());
    BIO *secret_text = BIO_new(BIO_s_secmem());
    if (public_text != NULL && secret_text != NULL &&
        PEM_write_bio_X509(public_text, certificate) == 1 &&
        PEM_write_bio_PrivateKey(secret_text, key, NULL, NULL, 0, NULL, NULL) ==
            1) {
        error = take_text(public_text, certificate_out);
        if (error == MAILMOD_OK) {
            error = take_text(secret_text, key_out);
        }
    }
    BIO_free(public_text);
    BIO_free(secret_text);
    return error;
}

enum mailmod_error mm_tls_self_signed(const char *host_name,
                                      enum mm_tls_key kind,
                                      struct mm_buf *certificate_out,
                                      struct mm_buf *key_out)
{
    struct mm_netaddr address;
    if (host_name == NULL ||
        (!is_name(host_name) &&
         !mm_netaddr_parse_ip(mm_span_cstr(host_name), &address))) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    ERR_clear_error();
    enum mailmod_error error = MAILMOD_ERROR_TLS;
    EVP_PKEY *key =
        kind == MM_TLS_KEY_RSA ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    if (key != NULL && certificate != NULL &&
        fill(certificate, key, host_name)) {
        error = write_out(certificate, key, certificate_out, key_out);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return error;
}
