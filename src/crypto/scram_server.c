/* scram_server.c - SCRAM-SHA-256, the side that holds the verifier.
 *
 * Owns the text of the exchange so far (AuthMessage) and a copy of the
 * verifier, wiped at fini. Promises that each step is taken once: a message
 * that fails ends the exchange, so a proof cannot be tried twice against one
 * nonce and a recorded one never fits another. Nothing tells a wrong
 * password from an unknown user, given a decoy for the latter.
 * Thread: any, one at a time. RFC 5802 sections 3, 5, 6, 7; RFC 7677. */
#include "base/base64.h"
#include "base/mem.h"
#include "crypto/scram.h"
#include "crypto/scram_form.h"
#include "crypto/scram_keys.h"

#include <string.h>

/* What the client may send of a nonce: the field less ours and the NUL. */
enum { CLIENT_NONCE_MAX = 128 };

void mm_scram_server_init(struct mm_scram_server *server)
{
    memset(server, 0, sizeof *server);
    mm_buf_init(&server->messages, 4 * MM_SCRAM_MESSAGE_MAX);
}

void mm_scram_server_fini(struct mm_scram_server *server)
{
    mm_buf_fini(&server->messages);
    if (server->further != NULL) {
        mm_secret_clear(server->further,
                        server->further_count * sizeof *server->further);
        mm_free(server->further);
    }
    mm_secret_clear(server, sizeof *server);
    mm_scram_server_init(server);
}

/* gs2-header = gs2-cbind-flag "," [ authzid ] ","
 * "y" (the client could bind, and thinks that we cannot) is true of us. */
static bool take_gs2_header(struct mm_span *text, struct mm_span *header_out,
                            struct mm_span *authzid_out)
{
    struct mm_span whole = *text;
    struct mm_span flag;
    struct mm_span authzid;
    if (!mm_span_cut(*text, ',', &flag, text) ||
        !(mm_span_is(flag, "n") || mm_span_is(flag, "y")) ||
        !mm_span_cut(*text, ',', &authzid, text)) {
        return false;
    }
    if (authzid.size > 0 && !mm_scram_take(&authzid, 'a', authzid_out)) {
        return false;
    }
    *header_out = mm_span(whole.data, whole.size - text->size);
    return true;
}

static enum mailmod_error keep_nonce(struct mm_scram_server *server,
                                     struct mm_span client_nonce,
                                     const uint8_t random[18])
{
    if (!mm_scram_is_nonce(client_nonce)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (client_nonce.size > CLIENT_NONCE_MAX) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    struct mm_buf nonce;
    mm_buf_init(&nonce, sizeof server->nonce - 1);
    mm_buf_append_span(&nonce, client_nonce);
    (void)mm_scram_append_nonce(&nonce, random);
    enum mailmod_error error = mm_buf_error(&nonce);
    if (error == MAILMOD_OK && !mm_span_copy(mm_buf_span(&nonce), server->nonce,
                                             sizeof server->nonce)) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    mm_buf_fini(&nonce);
    return error;
}

static enum mailmod_error read_first(struct mm_scram_server *server,
                                     struct mm_span message,
                                     const uint8_t random[18],
                                     char *user_name_out, size_t size)
{
    struct mm_span authzid = {NULL, 0};
    struct mm_span header;
    if (!take_gs2_header(&message, &header, &authzid)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (!mm_span_copy(header, server->gs2_header, sizeof server->gs2_header)) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    struct mm_span bare = message;
    struct mm_span user_name;
    struct mm_span nonce;
    /* An "m=" in front would be an extension that we must know: RFC 5802
     * 5.1; the order alone refuses it. */
    if (!mm_scram_take(&message, 'n', &user_name) ||
        !mm_scram_take(&message, 'r', &nonce) ||
        !mm_scram_are_extensions(message)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        mm_scram_decode_name(user_name, user_name_out, size);
    server->authzid[0] = '\0';
    if (error == MAILMOD_OK && authzid.size > 0) {
        error = mm_scram_decode_name(authzid, server->authzid,
                                     sizeof server->authzid);
    }
    if (error == MAILMOD_OK) {
        error = keep_nonce(server, nonce, random);
    }
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(&server->messages, bare);
    }
    return error;
}

enum mailmod_error mm_scram_server_first(struct mm_scram_server *server,
                                         struct mm_span message,
                                         const uint8_t random[18],
                                         char *user_name_out,
                                         size_t user_name_size)
{
    if (server->step != MM_SCRAM_START) {
        return MAILMOD_ERROR_STATE;
    }
    server->step = MM_SCRAM_OVER;
    if (message.size > MM_SCRAM_MESSAGE_MAX) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    enum mailmod_error error =
        read_first(server, message, random, user_name_out, user_name_size);
    if (error == MAILMOD_OK) {
        server->step = MM_SCRAM_FIRST;
    }
    return error;
}

enum mailmod_error
mm_scram_server_challenge(struct mm_scram_server *server,
                          const struct mm_scram_verifier *verifier,
                          struct mm_buf *message_out)
{
    if (server->step != MM_SCRAM_FIRST) {
        return MAILMOD_ERROR_STATE;
    }
    server->step = MM_SCRAM_OVER;
    struct mm_buf message;
    mm_buf_init(&message, MM_SCRAM_MESSAGE_MAX);
    mm_buf_append_cstr(&message, "r=");
    mm_buf_append_cstr(&message, server->nonce);
    mm_buf_append_cstr(&message, ",s=");
    mm_base64_encode(&message, verifier->salt, sizeof verifier->salt);
    mm_buf_append_cstr(&message, ",i=");
    mm_buf_append_u64(&message, verifier->iterations);
    enum mailmod_error error = mm_buf_error(&message);
    if (error == MAILMOD_OK) {
        mm_buf_append_char(&server->messages, ',');
        mm_buf_append_span(&server->messages, mm_buf_span(&message));
        error = mm_buf_error(&server->messages);
    }
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(message_out, mm_buf_span(&message));
    }
    if (error == MAILMOD_OK) {
        server->verifier = *verifier;
        server->step = MM_SCRAM_CHALLENGED;
    }
    mm_buf_fini(&message);
    return error;
}

enum mailmod_error
mm_scram_server_further(struct mm_scram_server *server,
                        const struct mm_scram_further *further, size_t count)
{
    if (server->step == MM_SCRAM_OVER || server->further != NULL) {
        return MAILMOD_ERROR_STATE;
    }
    if (count > MM_SCRAM_FURTHER_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    if (count == 0) {
        return MAILMOD_OK;
    }
    server->further = mm_alloc_array(count, sizeof *further);
    if (server->further == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(server->further, further, count * sizeof *further);
    server->further_count = count;
    return MAILMOD_OK;
}

/* ClientKey := ClientProof XOR HMAC(StoredKey, AuthMessage); the proof is
 * right when H(ClientKey) is StoredKey. */
static enum mailmod_error try_proof(const struct mm_scram_server *server,
                                    const uint8_t wanted[MM_SHA256_SIZE],
                                    const uint8_t proof[MM_SHA256_SIZE])
{
    uint8_t client_key[MM_SHA256_SIZE];
    enum mailmod_error error =
        mm_scram_hmac(wanted, mm_buf_span(&server->messages), client_key);
    uint8_t stored_key[MM_SHA256_SIZE];
    if (error == MAILMOD_OK) {
        mm_scram_xor(client_key, proof);
        error = mm_sha256(mm_scram_key_span(client_key), stored_key);
    }
    mm_secret_clear(client_key, sizeof client_key);
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_constant_time_equal(mm_scram_key_span(stored_key),
                                  mm_scram_key_span(wanted))
               ? MAILMOD_OK
               : MAILMOD_ERROR_AUTHENTICATION;
}

/* Against each secret, all of them, whichever it is of. */
static enum mailmod_error check_proof(struct mm_scram_server *server,
                                      const uint8_t proof[MM_SHA256_SIZE])
{
    enum mailmod_error error =
        try_proof(server, server->verifier.stored_key, proof);

    server->which = error == MAILMOD_OK ? 0 : -1;
    for (size_t i = 0; i < server->further_count; i++) {
        enum mailmod_error other =
            try_proof(server, server->further[i].stored_key, proof);

        if (other == MAILMOD_OK) {
            server->which = (int)i + 1;
        } else if (other != MAILMOD_ERROR_AUTHENTICATION) {
            return other;
        }
    }
    return server->which >= 0 ? MAILMOD_OK : error;
}

static enum mailmod_error append_signature(struct mm_scram_server *server,
                                           struct mm_buf *message_out)
{
    uint8_t signature[MM_SHA256_SIZE];
    const uint8_t *key = server->which == 0
                             ? server->verifier.server_key
                             : server->further[server->which - 1].server_key;
    enum mailmod_error error =
        mm_scram_hmac(key, mm_buf_span(&server->messages), signature);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf message;
    mm_buf_init(&message, MM_SCRAM_MESSAGE_MAX);
    mm_buf_append_cstr(&message, "v=");
    mm_base64_encode(&message, signature, sizeof signature);
    error = mm_buf_error(&message);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(message_out, mm_buf_span(&message));
    }
    mm_buf_fini(&message);
    return error;
}

/* client-final-message = channel-binding "," nonce ["," extensions] "," proof;
 * the proof is last, so it is cut off at the last comma. */
static enum mailmod_error read_final(struct mm_scram_server *server,
                                     struct mm_span message,
                                     uint8_t proof_out[MM_SHA256_SIZE])
{
    size_t header_size = strlen(server->gs2_header);
    size_t cut = message.size;
    while (cut > 0 && message.data[cut - 1] != ',') {
        cut--;
    }
    if (cut == 0) {
        return MAILMOD_ERROR_SYNTAX;
    }
    struct mm_span last = mm_span_from(message, cut);
    struct mm_span rest = mm_span(message.data, cut - 1);
    struct mm_span without_proof = rest;
    struct mm_span binding;
    struct mm_span nonce;
    struct mm_span proof;
    if (!mm_scram_take(&last, 'p', &proof) ||
        !mm_scram_take(&rest, 'c', &binding) ||
        !mm_scram_take(&rest, 'r', &nonce) || !mm_scram_are_extensions(rest) ||
        !mm_scram_decode_exact(proof, proof_out, MM_SHA256_SIZE)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    char header[sizeof server->gs2_header];
    /* RFC 5802 6: the header must come back as it was sent, or someone has
     * changed it on the way. */
    if (!mm_scram_decode_exact(binding, (uint8_t *)header, header_size) ||
        memcmp(header, server->gs2_header, header_size) != 0 ||
        !mm_span_is(nonce, server->nonce)) {
        return MAILMOD_ERROR_AUTHENTICATION;
    }
    mm_buf_append_char(&server->messages, ',');
    mm_buf_append_span(&server->messages, without_proof);
    return mm_buf_error(&server->messages);
}

enum mailmod_error mm_scram_server_final(struct mm_scram_server *server,
                                         struct mm_span message,
                                         struct mm_buf *message_out)
{
    if (server->step != MM_SCRAM_CHALLENGED) {
        return MAILMOD_ERROR_STATE;
    }
    server->step = MM_SCRAM_OVER;
    if (message.size > MM_SCRAM_MESSAGE_MAX) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    uint8_t proof[MM_SHA256_SIZE];
    enum mailmod_error error = read_final(server, message, proof);
    if (error == MAILMOD_OK) {
        error = check_proof(server, proof);
    }
    if (error == MAILMOD_OK) {
        error = append_signature(server, message_out);
    }
    return error;
}
