/* scram_client.c - SCRAM-SHA-256, the side that knows the password.
 *
 * Owns the text of the exchange so far (AuthMessage) and the signature that
 * the server must show. Promises never to send a proof for a challenge that
 * does not continue our own nonce, for fewer rounds than RFC 7677 section 4
 * allows (a false server would have an easy guess) or for more than
 * MM_SCRAM_ITERATIONS_MAX (it would have our processor); and to believe the
 * server only after its signature.
 * Thread: any, one at a time; mm_scram_client_final on a worker.
 * RFC 5802 sections 3, 5, 7; RFC 7677. */
#include "base/base64.h"
#include "base/mem.h"
#include "crypto/scram.h"
#include "crypto/scram_form.h"
#include "crypto/scram_keys.h"

#include <string.h>

enum {
    SALT_MAX = 1024 /* others use 12 to 64 octets */
};

struct challenge {
    struct mm_span nonce;
    struct mm_buf salt;
    uint32_t iterations;
};

void mm_scram_client_init(struct mm_scram_client *client)
{
    memset(client, 0, sizeof *client);
    mm_buf_init(&client->messages, 4 * MM_SCRAM_MESSAGE_MAX);
}

void mm_scram_client_fini(struct mm_scram_client *client)
{
    mm_buf_fini(&client->messages);
    mm_secret_clear(client, sizeof *client);
    mm_scram_client_init(client);
}

static enum mailmod_error make_nonce(struct mm_scram_client *client,
                                     const uint8_t random[18])
{
    struct mm_buf nonce;
    mm_buf_init(&nonce, sizeof client->nonce - 1);
    enum mailmod_error error = mm_scram_append_nonce(&nonce, random);
    if (error == MAILMOD_OK && !mm_span_copy(mm_buf_span(&nonce), client->nonce,
                                             sizeof client->nonce)) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    mm_buf_fini(&nonce);
    return error;
}

enum mailmod_error mm_scram_client_first(struct mm_scram_client *client,
                                         const char *user_name,
                                         const uint8_t random[18],
                                         struct mm_buf *message_out)
{
    struct mm_span name = mm_span_cstr(user_name);
    if (client->step != MM_SCRAM_START) {
        return MAILMOD_ERROR_STATE;
    }
    if (!mm_scram_is_credential(name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    client->step = MM_SCRAM_OVER;
    enum mailmod_error error = make_nonce(client, random);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf *bare = &client->messages;
    mm_buf_append_cstr(bare, "n=");
    (void)mm_scram_encode_name(bare, name);
    mm_buf_append_cstr(bare, ",r=");
    mm_buf_append_cstr(bare, client->nonce);
    error = mm_buf_error(bare);
    if (error == MAILMOD_OK && mm_buf_size(bare) > MM_SCRAM_MESSAGE_MAX - 3) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    if (error == MAILMOD_OK) {
        error = mm_buf_append_cstr(message_out, "n,,");
    }
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(message_out, mm_buf_span(bare));
    }
    if (error == MAILMOD_OK) {
        client->step = MM_SCRAM_FIRST;
    }
    return error;
}

/* posit-number = %x31-39 *DIGIT */
static enum mailmod_error read_iterations(struct mm_span text,
                                          uint32_t *iterations_out)
{
    uint64_t value;
    if (text.data[0] == '0' || !mm_span_to_u64(text, &value)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (value < MM_SCRAM_ITERATIONS || value > MM_SCRAM_ITERATIONS_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    *iterations_out = (uint32_t)value;
    return MAILMOD_OK;
}

/* server-first-message = [reserved-mext ","] nonce "," salt ","
 *                        iteration-count ["," extensions] */
static enum mailmod_error read_challenge(const struct mm_scram_client *client,
                                         struct mm_span message,
                                         struct challenge *challenge)
{
    size_t own = strlen(client->nonce);
    struct mm_span salt;
    struct mm_span iterations;
    if (!mm_scram_take(&message, 'r', &challenge->nonce) ||
        !mm_scram_is_nonce(challenge->nonce) ||
        !mm_scram_take(&message, 's', &salt) ||
        !mm_scram_take(&message, 'i', &iterations) ||
        !mm_scram_are_extensions(message)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    /* RFC 5802 5.1: ours first, and something of the server's after it. */
    if (challenge->nonce.size <= own ||
        memcmp(challenge->nonce.data, client->nonce, own) != 0) {
        return MAILMOD_ERROR_AUTHENTICATION;
    }
    enum mailmod_error error = mm_base64_decode(&challenge->salt, salt);
    if (error == MAILMOD_OK) {
        error = read_iterations(iterations, &challenge->iterations);
    }
    return error;
}

/* AuthMessage gets server-first and client-final-without-proof; `final` the
 * latter. "biws" is the base64 of "n,,". */
static enum mailmod_error complete_messages(struct mm_scram_client *client,
                                            struct mm_span server_first,
                                            struct mm_span nonce,
                                            struct mm_buf *final)
{
    mm_buf_append_cstr(final, "c=biws,r=");
    mm_buf_append_span(final, nonce);
    enum mailmod_error error = mm_buf_error(final);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_buf_append_char(&client->messages, ',');
    mm_buf_append_span(&client->messages, server_first);
    mm_buf_append_char(&client->messages, ',');
    mm_buf_append_span(&client->messages, mm_buf_span(final));
    return mm_buf_error(&client->messages);
}

/* ClientProof := ClientKey XOR HMAC(StoredKey, AuthMessage); and what the
 * server will have to show: HMAC(ServerKey, AuthMessage). */
static enum mailmod_error make_proof(struct mm_scram_client *client,
                                     const struct challenge *challenge,
                                     struct mm_span password,
                                     uint8_t proof_out[MM_SHA256_SIZE])
{
    struct mm_span messages = mm_buf_span(&client->messages);
    struct mm_scram_keys keys;
    bool differs;
    enum mailmod_error error =
        mm_scram_derive_prepared(&keys, password, mm_buf_span(&challenge->salt),
                                 challenge->iterations, &differs);
    if (error == MAILMOD_OK) {
        error = mm_scram_hmac(keys.stored_key, messages, proof_out);
    }
    if (error == MAILMOD_OK) {
        mm_scram_xor(proof_out, keys.client_key);
        error =
            mm_scram_hmac(keys.server_key, messages, client->server_signature);
    }
    mm_secret_clear(&keys, sizeof keys);
    return error;
}

static enum mailmod_error answer(struct mm_scram_client *client,
                                 struct mm_span server_first,
                                 struct mm_span password, struct mm_buf *final)
{
    struct challenge challenge;
    mm_buf_init(&challenge.salt, SALT_MAX);
    enum mailmod_error error = read_challenge(client, server_first, &challenge);
    if (error == MAILMOD_OK) {
        error = complete_messages(client, server_first, challenge.nonce, final);
    }
    uint8_t proof[MM_SHA256_SIZE];
    if (error == MAILMOD_OK) {
        error = make_proof(client, &challenge, password, proof);
    }
    if (error == MAILMOD_OK) {
        mm_buf_append_cstr(final, ",p=");
        mm_base64_encode(final, proof, sizeof proof);
        error = mm_buf_error(final);
    }
    mm_buf_fini(&challenge.salt);
    return error;
}

enum mailmod_error mm_scram_client_final(struct mm_scram_client *client,
                                         struct mm_span challenge,
                                         struct mm_span password,
                                         struct mm_buf *message_out)
{
    if (client->step != MM_SCRAM_FIRST) {
        return MAILMOD_ERROR_STATE;
    }
    if (!mm_scram_is_credential(password)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    client->step = MM_SCRAM_OVER;
    if (challenge.size > MM_SCRAM_MESSAGE_MAX) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    struct mm_buf final;
    mm_buf_init(&final, 2 * MM_SCRAM_MESSAGE_MAX);
    enum mailmod_error error = answer(client, challenge, password, &final);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(message_out, mm_buf_span(&final));
    }
    if (error == MAILMOD_OK) {
        client->step = MM_SCRAM_CHALLENGED;
    }
    mm_buf_fini(&final);
    return error;
}

enum mailmod_error mm_scram_client_check(struct mm_scram_client *client,
                                         struct mm_span message)
{
    if (client->step != MM_SCRAM_CHALLENGED) {
        return MAILMOD_ERROR_STATE;
    }
    client->step = MM_SCRAM_OVER;
    uint8_t signature[MM_SHA256_SIZE];
    struct mm_span value;
    /* "e=...", the server's error, is a refusal like any other here. */
    if (!mm_scram_take(&message, 'v', &value) ||
        !mm_scram_are_extensions(message) ||
        !mm_scram_decode_exact(value, signature, sizeof signature) ||
        !mm_constant_time_equal(mm_scram_key_span(signature),
                                mm_scram_key_span(client->server_signature))) {
        return MAILMOD_ERROR_AUTHENTICATION;
    }
    return MAILMOD_OK;
}
