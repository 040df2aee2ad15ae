/* scram_keys.c - SCRAM's keys, and the verifiers that the store keeps.
 *
 * Owns nothing. Promises that what could be used in place of the password
 * (SaltedPassword, ClientKey) never leaves a function unwiped, and that a
 * verifier is checked in a time that does not depend on where it differs.
 * Thread: any; mm_scram_derive and its callers are slow: workers only.
 * RFC 5802 section 3 and 9; RFC 7677. */
#include "crypto/scram_keys.h"
#include "base/mem.h"
#include "base/unicode.h"
#include "crypto/scram_form.h"

#include <string.h>

struct mm_span mm_scram_key_span(const uint8_t key[MM_SHA256_SIZE])
{
    return mm_span((const char *)key, MM_SHA256_SIZE);
}

enum mailmod_error mm_scram_hmac(const uint8_t key[MM_SHA256_SIZE],
                                 struct mm_span data,
                                 uint8_t digest_out[MM_SHA256_SIZE])
{
    return mm_hmac_sha256(mm_scram_key_span(key), data, digest_out);
}

void mm_scram_xor(uint8_t a[MM_SHA256_SIZE], const uint8_t b[MM_SHA256_SIZE])
{
    for (size_t i = 0; i < MM_SHA256_SIZE; i++) {
        a[i] ^= b[i];
    }
}

enum mailmod_error mm_scram_derive(struct mm_scram_keys *keys_out,
                                   struct mm_span password, struct mm_span salt,
                                   uint32_t iterations)
{
    uint8_t salted[MM_SHA256_SIZE];
    enum mailmod_error error =
        mm_pbkdf2_sha256(password, salt, iterations, salted);
    if (error == MAILMOD_OK) {
        error = mm_scram_hmac(salted, mm_span_cstr("Client Key"),
                              keys_out->client_key);
    }
    if (error == MAILMOD_OK) {
        error = mm_sha256(mm_scram_key_span(keys_out->client_key),
                          keys_out->stored_key);
    }
    if (error == MAILMOD_OK) {
        error = mm_scram_hmac(salted, mm_span_cstr("Server Key"),
                              keys_out->server_key);
    }
    mm_secret_clear(salted, sizeof salted);
    return error;
}

enum mailmod_error mm_scram_derive_prepared(struct mm_scram_keys *keys_out,
                                            struct mm_span password,
                                            struct mm_span salt,
                                            uint32_t iterations,
                                            bool *differs_out)
{
    struct mm_buf text;
    mm_buf_init(&text, MM_UNICODE_RESULT_MAX);
    enum mailmod_error error = mm_saslprep(&text, password);
    if (error == MAILMOD_OK) {
        *differs_out = !mm_span_equal(mm_buf_span(&text), password);
        error = mm_scram_derive(keys_out, mm_buf_span(&text), salt, iterations);
    } else if (error != MAILMOD_ERROR_MEMORY) {
        *differs_out = false;
        error = mm_scram_derive(keys_out, password, salt, iterations);
    }
    mm_buf_wipe(&text);
    return error;
}

enum mailmod_error mm_scram_verifier_make(
    struct mm_scram_verifier *verifier_out, struct mm_span password,
    const uint8_t salt[MM_SCRAM_SALT_SIZE], uint32_t iterations)
{
    if (!mm_scram_is_credential(password) || iterations == 0 ||
        iterations > MM_SCRAM_ITERATIONS_MAX) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_scram_keys keys;
    bool differs;
    enum mailmod_error error = mm_scram_derive_prepared(
        &keys, password, mm_span((const char *)salt, MM_SCRAM_SALT_SIZE),
        iterations, &differs);
    if (error == MAILMOD_OK) {
        memcpy(verifier_out->salt, salt, MM_SCRAM_SALT_SIZE);
        verifier_out->iterations = iterations;
        memcpy(verifier_out->stored_key, keys.stored_key, MM_SHA256_SIZE);
        memcpy(verifier_out->server_key, keys.server_key, MM_SHA256_SIZE);
    }
    mm_secret_clear(&keys, sizeof keys);
    return error;
}

/* Which one has the key; all are compared. */
static int find_key(const struct mm_scram_verifier *verifier,
                    const struct mm_scram_further *further, size_t count,
                    const struct mm_scram_keys *keys)
{
    struct mm_span key = mm_scram_key_span(keys->stored_key);
    int which =
        mm_constant_time_equal(key, mm_scram_key_span(verifier->stored_key))
            ? 0
            : -1;

    for (size_t i = 0; i < count; i++) {
        if (mm_constant_time_equal(key,
                                   mm_scram_key_span(further[i].stored_key))) {
            which = (int)i + 1;
        }
    }
    return which;
}

enum mailmod_error
mm_scram_verifier_check(const struct mm_scram_verifier *verifier,
                        struct mm_span password, bool *matches_out)
{
    int which = -1;
    enum mailmod_error error =
        mm_scram_verifier_check_any(verifier, NULL, 0, password, &which);

    *matches_out = which == 0;
    return error;
}

enum mailmod_error
mm_scram_verifier_check_any(const struct mm_scram_verifier *verifier,
                            const struct mm_scram_further *further,
                            size_t count, struct mm_span password,
                            int *which_out)
{
    *which_out = -1;
    if (!mm_scram_is_credential(password)) {
        return MAILMOD_OK;
    }
    if (verifier->iterations == 0 ||
        verifier->iterations > MM_SCRAM_ITERATIONS_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_span salt =
        mm_span((const char *)verifier->salt, MM_SCRAM_SALT_SIZE);
    struct mm_scram_keys keys;
    bool differs = false;
    enum mailmod_error error = mm_scram_derive_prepared(
        &keys, password, salt, verifier->iterations, &differs);
    if (error == MAILMOD_OK) {
        *which_out = find_key(verifier, further, count, &keys);
    }
    /* Verifiers of 0.1 are of the password as it was typed. The work depends
     * on the password that was offered and on nothing of the user's. */
    if (error == MAILMOD_OK && differs) {
        error = mm_scram_derive(&keys, password, salt, verifier->iterations);
        int typed = error == MAILMOD_OK
                        ? find_key(verifier, further, count, &keys)
                        : -1;
        *which_out = *which_out >= 0 ? *which_out : typed;
    }
    mm_secret_clear(&keys, sizeof keys);
    return error;
}

enum mailmod_error mm_scram_verifier_decoy(
    struct mm_scram_verifier *verifier_out, struct mm_span user_name,
    const uint8_t secret[MM_SHA256_SIZE], uint32_t iterations)
{
    uint8_t seed[MM_SHA256_SIZE];
    enum mailmod_error error = mm_scram_hmac(secret, user_name, seed);
    uint8_t salt[MM_SHA256_SIZE];
    if (error == MAILMOD_OK) {
        error = mm_scram_hmac(seed, mm_span_cstr("salt"), salt);
    }
    if (error == MAILMOD_OK) {
        error = mm_scram_hmac(seed, mm_span_cstr("stored"),
                              verifier_out->stored_key);
    }
    if (error == MAILMOD_OK) {
        error = mm_scram_hmac(seed, mm_span_cstr("server"),
                              verifier_out->server_key);
    }
    if (error == MAILMOD_OK) {
        memcpy(verifier_out->salt, salt, MM_SCRAM_SALT_SIZE);
        verifier_out->iterations = iterations;
    }
    mm_secret_clear(seed, sizeof seed);
    return error;
}
