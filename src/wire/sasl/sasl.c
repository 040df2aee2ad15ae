/* sasl.c - the encodings of SASL mechanisms.
 *
 * Owns the table of mechanisms, strongest first. Promises: a PLAIN message is
 * only ever split, never copied, so no second copy of a password comes to be
 * here; what is given out holds no NUL and is UTF-8.
 *
 * Any thread. RFC 4422 3.1 (names), RFC 4616 2 (PLAIN). */
#include "wire/sasl/sasl.h"

#include "base/limits.h"

#include <string.h>

struct mechanism {
    enum mm_sasl_mechanism bit;
    const char *name;
};

/* Strongest first: what proves the password without showing it, then what
 * shows it in one step, then in two. */
static const struct mechanism mechanisms_known[] = {
    {MM_SASL_SCRAM_SHA_256, "SCRAM-SHA-256"},
    {MM_SASL_CRAM_MD5, "CRAM-MD5"},
    {MM_SASL_PLAIN, "PLAIN"},
    {MM_SASL_LOGIN, "LOGIN"},
};
#define MECHANISM_COUNT (sizeof mechanisms_known / sizeof mechanisms_known[0])

const char *mm_sasl_name(enum mm_sasl_mechanism mechanism)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (mechanisms_known[i].bit == mechanism) {
            return mechanisms_known[i].name;
        }
    }
    return "";
}

unsigned mm_sasl_find(struct mm_span name)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (mm_span_is_nocase(name, mechanisms_known[i].name)) {
            return mechanisms_known[i].bit;
        }
    }
    return 0;
}

enum mailmod_error mm_sasl_write_names(struct mm_buf *out, unsigned mechanisms)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if ((mechanisms & (unsigned)mechanisms_known[i].bit) == 0) {
            continue;
        }
        enum mailmod_error error = mm_buf_append_char(out, ' ');
        if (error == MAILMOD_OK) {
            error = mm_buf_append_cstr(out, mechanisms_known[i].name);
        }
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

/* RFC 4616 2:  message = [authzid] UTF8NUL authcid UTF8NUL passwd
 *              authcid = 1*SAFE ; authzid = 1*SAFE ; passwd = 1*SAFE */
enum mailmod_error mm_sasl_plain_parse(struct mm_span message,
                                       struct mm_span *authzid_out,
                                       struct mm_span *authcid_out,
                                       struct mm_span *password_out)
{
    *authzid_out = mm_span(NULL, 0);
    *authcid_out = mm_span(NULL, 0);
    *password_out = mm_span(NULL, 0);
    struct mm_span authzid;
    struct mm_span authcid;
    struct mm_span password;
    struct mm_span rest;
    if (!mm_span_cut(message, '\0', &authzid, &rest) ||
        !mm_span_cut(rest, '\0', &authcid, &password)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    bool is_sized = authzid.size <= MM_LIMIT_USER_NAME && authcid.size > 0 &&
                    authcid.size <= MM_LIMIT_USER_NAME && password.size > 0 &&
                    password.size <= MM_LIMIT_PASSWORD;
    if (!is_sized || memchr(password.data, '\0', password.size) != NULL ||
        !mm_span_is_utf8(message)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    *authzid_out = authzid;
    *authcid_out = authcid;
    *password_out = password;
    return MAILMOD_OK;
}

enum mailmod_error mm_sasl_plain_write(struct mm_buf *out, const char *user,
                                       struct mm_span password)
{
    struct mm_span name = mm_span_cstr(user);
    if (name.size == 0 || name.size > MM_LIMIT_USER_NAME ||
        password.size == 0 || password.size > MM_LIMIT_PASSWORD ||
        memchr(password.data, '\0', password.size) != NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    size_t size = name.size + password.size + 2;
    char *at = mm_buf_reserve(out, size); /* one block: no copy stays behind */
    if (at == NULL) {
        return mm_buf_error(out);
    }
    /* No authzid: RFC 4616 2 derives it from the authcid. */
    at[0] = '\0';
    memcpy(at + 1, name.data, name.size);
    at[1 + name.size] = '\0';
    memcpy(at + 2 + name.size, password.data, password.size);
    mm_buf_added(out, size);
    return MAILMOD_OK;
}
