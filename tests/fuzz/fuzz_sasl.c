/* fuzz_sasl.c - any octets as base64, as a PLAIN message, as a bearer's, as a
 * mechanism.
 * Base64 that is taken is the one encoding of what it gives; the parts of a
 * PLAIN message lie inside it, one after another. */
#include "base/base64.h"
#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "wire/sasl/sasl.h"

#include <string.h>

static void check_plain(struct mm_span message)
{
    struct mm_span authzid;
    struct mm_span authcid;
    struct mm_span password;
    if (mm_sasl_plain_parse(message, &authzid, &authcid, &password) !=
        MAILMOD_OK) {
        FUZZ_CHECK(authcid.size == 0 && password.size == 0);
        return;
    }
    FUZZ_CHECK(authzid.size + authcid.size + password.size + 2 == message.size);
    FUZZ_CHECK(authcid.size > 0 && authcid.size <= MM_LIMIT_USER_NAME);
    FUZZ_CHECK(password.size > 0 && password.size <= MM_LIMIT_PASSWORD);
    FUZZ_CHECK(memchr(password.data, '\0', password.size) == NULL);
    char user[MM_LIMIT_USER_NAME + 1];
    struct mm_buf out;
    mm_buf_init(&out, 1024);
    FUZZ_CHECK(mm_span_copy(authcid, user, sizeof user));
    FUZZ_CHECK(mm_sasl_plain_write(&out, user, password) == MAILMOD_OK);
    FUZZ_CHECK(
        mm_span_equal(mm_buf_span(&out), mm_span_from(message, authzid.size)));
    mm_buf_fini(&out);
}

/* Whatever is taken has a user and a token, and the token lies inside. */
static void check_bearer(struct mm_span message)
{
    static const enum mm_sasl_mechanism mechanisms[] = {MM_SASL_OAUTHBEARER,
                                                        MM_SASL_XOAUTH2};
    for (size_t i = 0; i < 2; i++) {
        struct mm_buf user;
        struct mm_span token;
        mm_buf_init(&user, MM_LIMIT_USER_NAME);
        if (mm_sasl_bearer_parse(mechanisms[i], message, &user, &token) ==
            MAILMOD_OK) {
            FUZZ_CHECK(mm_buf_size(&user) > 0);
            FUZZ_CHECK(mm_span_is_utf8(mm_buf_span(&user)));
            FUZZ_CHECK(token.size > 0 && token.data > message.data &&
                       token.data + token.size + 2 <=
                           message.data + message.size);
            FUZZ_CHECK(memchr(token.data, '\x01', token.size) == NULL);
        } else {
            FUZZ_CHECK(token.size == 0);
        }
        mm_buf_fini(&user);
    }
}

static void check_base64(struct mm_span input)
{
    struct mm_buf out;
    struct mm_buf again;
    mm_buf_init(&out, 2 * input.size + 8);
    mm_buf_init(&again, 2 * input.size + 8);
    if (mm_base64_decode(&out, input) == MAILMOD_OK) {
        struct mm_span bytes = mm_buf_span(&out);
        FUZZ_CHECK(mm_base64_encode(&again, bytes.data, bytes.size) ==
                   MAILMOD_OK);
        FUZZ_CHECK(mm_span_equal(mm_buf_span(&again), input));
        check_plain(bytes);
    }
    mm_buf_clear(&out);
    mm_buf_clear(&again);
    FUZZ_CHECK(mm_base64_encode(&out, input.data, input.size) == MAILMOD_OK);
    FUZZ_CHECK(mm_base64_decode(&again, mm_buf_span(&out)) == MAILMOD_OK);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&again), input));
    mm_buf_fini(&out);
    mm_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    check_base64(input);
    check_plain(input);
    check_bearer(input);
    unsigned bit = mm_sasl_find(input);
    if (bit != 0) {
        const char *name = mm_sasl_name((enum mm_sasl_mechanism)bit);
        FUZZ_CHECK(mm_span_is_nocase(input, name));
    }
    return 0;
}
