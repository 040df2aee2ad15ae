/* fuzz_scram.c - any octets as the messages of a SCRAM client and server. No
 * sequence of them logs in without the key, and none harms. The client's
 * answer to a challenge is left out: it derives a key, which is slow. */
#include "crypto/scram.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_server(struct mm_span first, struct mm_span final)
{
    static const uint8_t nonce[18] = {1, 2, 3};
    static const struct mm_scram_verifier verifier = {
        .iterations = MM_SCRAM_ITERATIONS, .stored_key = {7}};
    struct mm_scram_server server;
    struct mm_buf out;
    char name[64];
    mm_scram_server_init(&server);
    mm_buf_init(&out, 4096);
    if (mm_scram_server_first(&server, first, nonce, name, sizeof name) ==
        MAILMOD_OK) {
        FUZZ_CHECK(strlen(name) < sizeof name);
        if (mm_scram_server_challenge(&server, &verifier, &out) == MAILMOD_OK) {
            mm_buf_clear(&out);
            FUZZ_CHECK(mm_scram_server_final(&server, final, &out) !=
                       MAILMOD_OK);
        }
    }
    mm_scram_server_fini(&server);
    mm_buf_fini(&out);
}

static void check_client(struct mm_span message)
{
    static const uint8_t nonce[18] = {1, 2, 3};
    struct mm_scram_client client;
    struct mm_buf out;
    mm_scram_client_init(&client);
    mm_buf_init(&out, 4096);
    FUZZ_CHECK(mm_scram_client_first(&client, "user", nonce, &out) ==
               MAILMOD_OK);
    memset(client.server_signature, 9, sizeof client.server_signature);
    FUZZ_CHECK(mm_scram_client_check(&client, message) != MAILMOD_OK);
    mm_scram_client_fini(&client);
    mm_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span first;
    struct mm_span final;
    mm_span_cut(mm_span((const char *)data, size), '\n', &first, &final);
    check_server(first, final);
    check_client(final);
    return 0;
}
