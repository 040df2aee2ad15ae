/* login.c - the host's calls that log in at a server.
 *
 * Owns a copy of the name and the secret while an exchange is under way.
 * Promises: both are wiped when it is over; a server that should have shown
 * that it knows the password, and did not, is told as one that has not.
 * Thread: any, one at a time; SCRAM's work is done in the call that takes the
 * challenge. RFC 4954, 5034, 5802 5. */
#include "api/wire/login.h"

#include "api/handles.h"
#include "api/instance.h"

#include "base/mem.h"
#include "platform/random.h"

#include <string.h>

void mm_wire_login_init(struct mm_wire_login *login, struct mm_login_wire over)
{
    login->over = over;
    mm_login_init(&login->login);
}

void mm_wire_login_fini(struct mm_wire_login *login)
{
    mm_login_fini(&login->login);
    mm_secret_clear(login->user, sizeof login->user);
    mm_secret_clear(login->password, sizeof login->password);
}

void mm_wire_login_offer(struct mm_wire_login *login, unsigned mechanisms)
{
    struct mm_buf names;

    mm_buf_init(&names, sizeof login->names - 1);
    login->mechanisms = mechanisms;
    (void)mm_sasl_write_names(&names, mechanisms);
    (void)mm_span_copy(mm_span_trim(mm_buf_span(&names)), login->names,
                       sizeof login->names);
    mm_buf_fini(&names);
}

enum mailmod_error mm_wire_login_answer(struct mm_wire_login *login,
                                        struct mm_span challenge)
{
    bool needs_work;
    enum mailmod_error error = mm_login_challenge(
        &login->login, challenge, login->user, login->password, &needs_work);
    if (error == MAILMOD_OK && needs_work) {
        mm_login_work(&login->login, login->password);
        error = mm_login_finish(&login->login);
    }
    return error;
}

bool mm_wire_login_end(struct mm_wire_login *login)
{
    bool is_proven = !login->is_ours || mm_login_is_proven(&login->login);
    login->is_ours = false;
    mm_wire_login_fini(login);
    mm_login_init(&login->login);
    return is_proven;
}

static enum mailmod_error hold(mailmod_wire *wire,
                               struct mm_wire_login **login_out)
{
    enum mailmod_error error = mm_wire_hold(wire, NULL);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (wire->protocol->login == NULL) {
        mm_wire_let(wire);
        return mm_fail(MAILMOD_ERROR_HANDLE,
                       "the conversation has no login of this side");
    }
    *login_out = wire->protocol->login(wire);
    return MAILMOD_OK;
}

static enum mailmod_error begin(struct mm_wire_login *login,
                                unsigned mechanisms, const char *user,
                                const char *secret)
{
    uint8_t nonce[18];
    if (user == NULL || secret == NULL || user[0] == '\0' ||
        secret[0] == '\0' ||
        !mm_span_copy(mm_span_cstr(user), login->user, sizeof login->user) ||
        !mm_span_copy(mm_span_cstr(secret), login->password,
                      sizeof login->password)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if ((mechanisms & login->mechanisms) == 0 && login->plain != NULL &&
        mechanisms == MM_SASL_PASSWORD) {
        return login->plain(login->over.engine, user, secret);
    }
    enum mailmod_error error = mm_random(nonce, sizeof nonce);
    if (error == MAILMOD_OK) {
        login->is_ours = true;
        error = mm_login_begin(&login->login, login->over,
                               mechanisms & login->mechanisms, login->user,
                               login->password, nonce);
    }
    return error;
}

static enum mailmod_error log_in(mailmod_wire *wire, unsigned mechanisms,
                                 const char *user, const char *secret)
{
    struct mm_wire_login *login = NULL;
    enum mailmod_error error = hold(wire, &login);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = begin(login, mechanisms, user, secret);
    if (error != MAILMOD_OK) {
        (void)mm_wire_login_end(login);
    }
    if (error == MAILMOD_ERROR_AUTHENTICATION) {
        mm_wire_let(wire);
        return mm_fail(error, "the server offers no mechanism for this");
    }
    return mm_wire_end(wire, error);
}

enum mailmod_error mailmod_wire_login(mailmod_wire *wire, const char *user,
                                      const char *password)
{
    return log_in(wire, MM_SASL_PASSWORD, user, password);
}

enum mailmod_error mailmod_wire_login_token(mailmod_wire *wire,
                                            const char *user, const char *token)
{
    return log_in(wire, MM_SASL_BEARER, user, token);
}

enum mailmod_error mailmod_wire_auth(mailmod_wire *wire, const char *mechanism,
                                     const void *initial, size_t size)
{
    struct mm_wire_login *login = NULL;
    enum mailmod_error error = hold(wire, &login);
    if (error != MAILMOD_OK) {
        return error;
    }
    unsigned bit = mm_sasl_find(mm_span_cstr(mechanism));
    error = bit != 0
                ? login->over.auth(login->over.engine,
                                   (enum mm_sasl_mechanism)bit, initial != NULL,
                                   mm_span(initial, initial != NULL ? size : 0))
                : MAILMOD_ERROR_ARGUMENT;
    return mm_wire_end(wire, error);
}

enum mailmod_error mailmod_wire_auth_respond(mailmod_wire *wire,
                                             const void *octets, size_t size)
{
    struct mm_wire_login *login = NULL;
    enum mailmod_error error = hold(wire, &login);
    return error == MAILMOD_OK
               ? mm_wire_end(wire,
                             login->over.response(
                                 login->over.engine,
                                 mm_span(octets, octets != NULL ? size : 0)))
               : error;
}

enum mailmod_error mailmod_wire_auth_cancel(mailmod_wire *wire)
{
    struct mm_wire_login *login = NULL;
    enum mailmod_error error = hold(wire, &login);
    return error == MAILMOD_OK
               ? mm_wire_end(wire, login->over.cancel(login->over.engine))
               : error;
}
