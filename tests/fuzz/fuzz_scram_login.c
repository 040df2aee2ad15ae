/* fuzz_scram_login.c - a login by SCRAM between our client and our server, with
 * the name, the password and the stored keys of the data, and messages that are
 * changed on their way.
 *
 * With nothing changed it logs in, by the right one of the stored secrets, and
 * both sides know each other; with another password, other stored keys, or a
 * changed message neither believes the other. A verifier answers PLAIN as it
 * answers SCRAM. Rounds are few where the exchange allows it. */
#include "crypto/scram.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { NAME_MAX_SIZE = 300, FURTHER = 2 };

static const uint8_t nonces[2][18] = {{1, 2, 3}, {4, 5, 6}};

struct login {
    char name[NAME_MAX_SIZE];
    struct mm_span password;
    struct mm_scram_verifier verifier;
    struct mm_scram_further further[FURTHER];
    int which;       /* the secret that fits; -1: none */
    uint8_t changed; /* message, from 1; 0: none */
    size_t at;
    uint8_t by;
};

/* True: it was changed. */
static bool change(const struct login *login, uint8_t message,
                   struct mm_buf *text)
{
    if (login->changed != message || mm_buf_size(text) == 0) {
        return false;
    }
    size_t at = login->at % mm_buf_size(text);
    char *octet = text->data + text->start + at;
    char before = *octet;
    *octet = (char)(before ^ (char)(login->by | 1));
    return true;
}

static void exchange(const struct login *login)
{
    struct mm_scram_client client;
    struct mm_scram_server server;
    struct mm_buf message;
    struct mm_buf answer;
    char name[NAME_MAX_SIZE];
    bool is_changed;

    mm_scram_client_init(&client);
    mm_scram_server_init(&server);
    mm_buf_init(&message, 8192);
    mm_buf_init(&answer, 8192);
    if (mm_scram_client_first(&client, login->name, nonces[0], &message) !=
        MAILMOD_OK) {
        goto done;
    }
    is_changed = change(login, 1, &message);
    enum mailmod_error error = mm_scram_server_first(
        &server, mm_buf_span(&message), nonces[1], name, sizeof name);
    FUZZ_CHECK(is_changed || error != MAILMOD_OK ||
               strcmp(name, login->name) == 0);
    if (error != MAILMOD_OK) {
        FUZZ_CHECK(is_changed || strlen(login->name) > 255);
        goto done;
    }
    FUZZ_CHECK(mm_scram_server_challenge(&server, &login->verifier, &answer) ==
               MAILMOD_OK);
    FUZZ_CHECK(mm_scram_server_further(&server, login->further, FURTHER) ==
               MAILMOD_OK);
    is_changed = change(login, 2, &answer) || is_changed;
    mm_buf_clear(&message);
    if (mm_scram_client_final(&client, mm_buf_span(&answer), login->password,
                              &message) != MAILMOD_OK) {
        FUZZ_CHECK(is_changed);
        goto done;
    }
    is_changed = change(login, 3, &message) || is_changed;
    mm_buf_clear(&answer);
    error = mm_scram_server_final(&server, mm_buf_span(&message), &answer);
    FUZZ_CHECK((error == MAILMOD_OK) == (!is_changed && login->which >= 0));
    if (error != MAILMOD_OK) {
        goto done;
    }
    FUZZ_CHECK(server.which == login->which);
    is_changed = change(login, 4, &answer);
    FUZZ_CHECK((mm_scram_client_check(&client, mm_buf_span(&answer)) ==
                MAILMOD_OK) == !is_changed);
done:
    mm_scram_client_fini(&client);
    mm_scram_server_fini(&server);
    mm_buf_fini(&message);
    mm_buf_fini(&answer);
}

/* The verifier of the password, and keys of the data: where they are put says
 * which secret fits. */
static bool make_keys(struct login *login, uint8_t place, struct mm_span keys)
{
    static const uint8_t salt[MM_SCRAM_SALT_SIZE] = {9, 8, 7};
    struct mm_scram_verifier *verifier = &login->verifier;

    if (mm_scram_verifier_make(verifier, login->password, salt,
                               MM_SCRAM_ITERATIONS) != MAILMOD_OK) {
        return false;
    }
    for (size_t i = 0; i < FURTHER; i++) {
        memset(&login->further[i], 0x55 + (int)i, sizeof login->further[i]);
        memcpy(login->further[i].stored_key, keys.data,
               keys.size < MM_SHA256_SIZE ? keys.size : MM_SHA256_SIZE);
    }
    login->which = place % 4 == 3 ? -1 : place % 4;
    if (login->which != 0) {
        struct mm_scram_further right;
        memcpy(right.stored_key, verifier->stored_key, MM_SHA256_SIZE);
        memcpy(right.server_key, verifier->server_key, MM_SHA256_SIZE);
        verifier->stored_key[place % MM_SHA256_SIZE] ^= 1;
        if (login->which > 0) {
            login->further[login->which - 1] = right;
        }
    }
    return true;
}

static void check_plain(const struct login *login)
{
    int which;

    FUZZ_CHECK(mm_scram_verifier_check_any(&login->verifier, login->further,
                                           FURTHER, login->password,
                                           &which) == MAILMOD_OK);
    FUZZ_CHECK(which == login->which);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span rest = mm_span((const char *)data, size);
    struct login login = {.changed = fuzz_octet(&rest) % 5};
    struct mm_span name;

    login.at = fuzz_octet(&rest);
    login.by = fuzz_octet(&rest);
    uint8_t place = fuzz_octet(&rest);
    (void)mm_span_cut(rest, '\n', &name, &rest);
    (void)mm_span_cut(rest, '\n', &login.password, &rest);
    if (!mm_span_copy(name, login.name, sizeof login.name) ||
        !make_keys(&login, place, rest)) {
        return 0;
    }
    if (login.changed == 0) {
        check_plain(&login);
    }
    exchange(&login);
    return 0;
}
