/* thread: any
 * scram_keys.h - SCRAM's arithmetic, for scram's own files alone. */
#ifndef MM_CRYPTO_SCRAM_KEYS_H
#define MM_CRYPTO_SCRAM_KEYS_H

#include "crypto/scram.h"

/* SaltedPassword := Hi(password, salt, i), then ClientKey, StoredKey and
 * ServerKey of it. Secret all but the last two: the caller wipes. */
struct mm_scram_keys {
    uint8_t client_key[MM_SHA256_SIZE];
    uint8_t stored_key[MM_SHA256_SIZE];
    uint8_t server_key[MM_SHA256_SIZE];
};
MM_CHECK enum mailmod_error mm_scram_derive(struct mm_scram_keys *keys_out,
                                            struct mm_span password,
                                            struct mm_span salt,
                                            uint32_t iterations);
/* The same of the password as SASLprep makes it (RFC 5802 2.2, Normalize).
 * `differs_out`: that was another text. What the profile prohibits is taken as
 * it is: the other side has set the password, or 0.1 has. */
MM_CHECK enum mailmod_error
mm_scram_derive_prepared(struct mm_scram_keys *keys_out,
                         struct mm_span password, struct mm_span salt,
                         uint32_t iterations, bool *differs_out);
/* HMAC with one of the 32-octet keys. */
MM_CHECK enum mailmod_error mm_scram_hmac(const uint8_t key[MM_SHA256_SIZE],
                                          struct mm_span data,
                                          uint8_t digest_out[MM_SHA256_SIZE]);
/* a := a XOR b: between ClientKey, ClientSignature and ClientProof. */
void mm_scram_xor(uint8_t a[MM_SHA256_SIZE], const uint8_t b[MM_SHA256_SIZE]);
struct mm_span mm_scram_key_span(const uint8_t key[MM_SHA256_SIZE]);

#endif
