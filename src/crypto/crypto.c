/* crypto.c - hashes, keyed hashes and comparisons over libcrypto.
 *
 * Owns nothing: every call is one shot of OpenSSL 3's EVP layer; a stream's
 * context is its owner's. Promises MEMORY or SYSTEM when libcrypto fails (MD5
 * does not exist under some providers) with its error queue of this thread
 * left empty, because the TLS code reads that queue after its own calls.
 * Thread: any. RFC 1321, RFC 2104, FIPS 180-4, RFC 8018 section 5.2. */
#include "crypto/crypto.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

static enum mailmod_error fail(void)
{
    unsigned long number = ERR_peek_last_error();
    ERR_clear_error();
    return ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE
               ? MAILMOD_ERROR_MEMORY
               : MAILMOD_ERROR_SYSTEM;
}

/* By default OpenSSL takes its tables down at exit(): a host that returns from
 * main without mailmod_free would crash in whatever thread of ours is in a
 * handshake just then. The tables go with the process anyway. */
enum mailmod_error mm_crypto_prepare(void)
{
    return OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) == 1
               ? MAILMOD_OK
               : MAILMOD_ERROR_MEMORY;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return mm_realloc(NULL, size);
}

static void *resize(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return mm_realloc(memory, size);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    mm_free(memory);
}

enum mailmod_error mm_crypto_use_memory(void)
{
    return CRYPTO_set_mem_functions(allocate, resize, release) == 1
               ? MAILMOD_OK
               : MAILMOD_ERROR_STATE;
}

/* libcrypto takes a NULL key as "no key set", so that empty is not NULL. */
static const void *bytes_of(struct mm_span span)
{
    return span.data == NULL ? "" : span.data;
}

static enum mailmod_error digest(const char *name, struct mm_span data,
                                 uint8_t *digest_out)
{
    if (EVP_Q_digest(NULL, name, NULL, bytes_of(data), data.size, digest_out,
                     NULL) != 1) {
        return fail();
    }
    return MAILMOD_OK;
}

static enum mailmod_error hmac(const char *name, struct mm_span key,
                               struct mm_span data, uint8_t *digest_out,
                               size_t size)
{
    size_t written = 0;
    if (EVP_Q_mac(NULL, "HMAC", NULL, name, NULL, bytes_of(key), key.size,
                  bytes_of(data), data.size, digest_out, size,
                  &written) == NULL ||
        written != size) {
        return fail();
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_md5(struct mm_span data, uint8_t digest_out[MM_MD5_SIZE])
{
    return digest("MD5", data, digest_out);
}

enum mailmod_error mm_sha256(struct mm_span data,
                             uint8_t digest_out[MM_SHA256_SIZE])
{
    return digest("SHA256", data, digest_out);
}

enum mailmod_error mm_hmac_sha256(struct mm_span key, struct mm_span data,
                                  uint8_t digest_out[MM_SHA256_SIZE])
{
    return hmac("SHA256", key, data, digest_out, MM_SHA256_SIZE);
}

enum mailmod_error mm_hmac_md5(struct mm_span key, struct mm_span data,
                               uint8_t digest_out[MM_MD5_SIZE])
{
    return hmac("MD5", key, data, digest_out, MM_MD5_SIZE);
}

enum mailmod_error mm_sha256_begin(struct mm_sha256_stream *stream)
{
    if (stream->context == NULL) {
        stream->context = EVP_MD_CTX_new();
    }
    if (stream->context == NULL ||
        EVP_DigestInit_ex(stream->context, EVP_sha256(), NULL) != 1) {
        return fail();
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_sha256_add(struct mm_sha256_stream *stream,
                                 struct mm_span data)
{
    return EVP_DigestUpdate(stream->context, bytes_of(data), data.size) == 1
               ? MAILMOD_OK
               : fail();
}

enum mailmod_error mm_sha256_end(struct mm_sha256_stream *stream,
                                 uint8_t digest_out[MM_SHA256_SIZE])
{
    return EVP_DigestFinal_ex(stream->context, digest_out, NULL) == 1
               ? MAILMOD_OK
               : fail();
}

void mm_sha256_drop(struct mm_sha256_stream *stream)
{
    EVP_MD_CTX_free(stream->context);
    stream->context = NULL;
}

enum mailmod_error mm_pbkdf2_sha256(struct mm_span password,
                                    struct mm_span salt, unsigned iterations,
                                    uint8_t key_out[MM_SHA256_SIZE])
{
    if (password.size > INT_MAX || salt.size > INT_MAX || iterations == 0 ||
        iterations > INT_MAX) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (PKCS5_PBKDF2_HMAC(bytes_of(password), (int)password.size,
                          bytes_of(salt), (int)salt.size, (int)iterations,
                          EVP_sha256(), MM_SHA256_SIZE, key_out) != 1) {
        return fail();
    }
    return MAILMOD_OK;
}

bool mm_constant_time_equal(struct mm_span a, struct mm_span b)
{
    return a.size == b.size &&
           CRYPTO_memcmp(bytes_of(a), bytes_of(b), a.size) == 0;
}

void mm_hex(const uint8_t *bytes, size_t size, char *text_out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text_out[2 * i] = digits[bytes[i] >> 4];
        text_out[2 * i + 1] = digits[bytes[i] & 15];
    }
    text_out[2 * size] = '\0';
}

void mm_hex_number(uint64_t number, char text_out[MM_NUMBER_TEXT_MAX])
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(number >> (56 - 8 * i));
    }
    mm_hex(bytes, sizeof bytes, text_out);
}
