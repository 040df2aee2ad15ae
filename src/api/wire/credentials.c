/* credentials.c - what a client of the host's server shows to log in.
 *
 * Owns nothing: the conversation has it. Promises: a name and a password have
 * no NUL and fit, or they are none; what is forgotten is wiped.
 * Thread: any, one at a time. RFC 4616. */
#include "api/wire/credentials.h"

#include "base/mem.h"

static bool keep_user(struct mm_wire_credentials *credentials,
                      struct mm_span user)
{
    credentials->has_user =
        mm_span_copy(user, credentials->user, sizeof credentials->user);
    return credentials->has_user && user.size > 0;
}

static bool keep_password(struct mm_wire_credentials *credentials,
                          struct mm_span password)
{
    credentials->is_whole = mm_span_copy(password, credentials->password,
                                         sizeof credentials->password);
    return credentials->is_whole;
}

bool mm_wire_credentials_set(struct mm_wire_credentials *credentials,
                             struct mm_span user, struct mm_span password)
{
    return keep_user(credentials, user) && keep_password(credentials, password);
}

/* Nobody logs in for somebody else here. */
static bool take_plain(struct mm_wire_credentials *credentials,
                       struct mm_span message)
{
    struct mm_span authorized;
    struct mm_span user;
    struct mm_span password;
    return mm_sasl_plain_parse(message, &authorized, &user, &password) ==
               MAILMOD_OK &&
           (authorized.size == 0 || mm_span_equal(authorized, user)) &&
           mm_wire_credentials_set(credentials, user, password);
}

bool mm_wire_credentials_take(struct mm_wire_credentials *credentials,
                              enum mm_sasl_mechanism mechanism, bool has_data,
                              struct mm_span data, const char **prompt_out)
{
    *prompt_out = "";
    if (mechanism == MM_SASL_PLAIN) {
        return !has_data || take_plain(credentials, data);
    }
    if (!has_data) {
        *prompt_out = "Username:";
        return true;
    }
    if (!credentials->has_user) {
        *prompt_out = "Password:";
        return keep_user(credentials, data);
    }
    return keep_password(credentials, data);
}

void mm_wire_credentials_forget(struct mm_wire_credentials *credentials)
{
    mm_secret_clear(credentials->user, sizeof credentials->user);
    mm_secret_clear(credentials->password, sizeof credentials->password);
    credentials->has_user = false;
    credentials->is_whole = false;
}
