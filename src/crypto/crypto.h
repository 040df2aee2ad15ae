/* thread: any
 * crypto.h - hashes, keyed hashes and comparisons: thin, over libcrypto. */
#ifndef MM_CRYPTO_CRYPTO_H
#define MM_CRYPTO_CRYPTO_H

#include "base/error.h"
#include "base/span.h"

#define MM_MD5_SIZE 16
#define MM_SHA256_SIZE 32

/* Before the first use of OpenSSL by this library, and any number of times:
 * lets a host end its process while our threads still work. MEMORY. */
MM_CHECK enum mailmod_error mm_crypto_prepare(void);
/* From now on OpenSSL takes memory from base/mem.h, for whoever in this process
 * uses it. STATE when it has memory already. */
MM_CHECK enum mailmod_error mm_crypto_use_memory(void);
MM_CHECK enum mailmod_error mm_md5(struct mm_span data,
                                   uint8_t digest_out[MM_MD5_SIZE]);
MM_CHECK enum mailmod_error mm_sha256(struct mm_span data,
                                      uint8_t digest_out[MM_SHA256_SIZE]);
MM_CHECK enum mailmod_error mm_hmac_sha256(struct mm_span key,
                                           struct mm_span data,
                                           uint8_t digest_out[MM_SHA256_SIZE]);
/* RFC 2104, for CRAM-MD5 alone (RFC 2195). */
MM_CHECK enum mailmod_error mm_hmac_md5(struct mm_span key, struct mm_span data,
                                        uint8_t digest_out[MM_MD5_SIZE]);
/* SHA-256 of octets that come in pieces. All zero holds nothing; begin again
 * forgets what was added; drop gives the memory back. */
struct mm_sha256_stream {
    void *context;
};
MM_CHECK enum mailmod_error mm_sha256_begin(struct mm_sha256_stream *stream);
MM_CHECK enum mailmod_error mm_sha256_add(struct mm_sha256_stream *stream,
                                          struct mm_span data);
MM_CHECK enum mailmod_error mm_sha256_end(struct mm_sha256_stream *stream,
                                          uint8_t digest_out[MM_SHA256_SIZE]);
void mm_sha256_drop(struct mm_sha256_stream *stream);
MM_CHECK enum mailmod_error mm_pbkdf2_sha256(struct mm_span password,
                                             struct mm_span salt,
                                             unsigned iterations,
                                             uint8_t key_out[MM_SHA256_SIZE]);
/* Time depends on the sizes alone. */
bool mm_constant_time_equal(struct mm_span a, struct mm_span b);
void mm_hex(const uint8_t *bytes, size_t size, char *text_out); /* 2n + 1 */
#define MM_NUMBER_TEXT_MAX 17
/* A connection's number, as log lines have it. */
void mm_hex_number(uint64_t number, char text_out[MM_NUMBER_TEXT_MAX]);

#endif
