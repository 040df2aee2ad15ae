/* sasl.c - the encodings of SASL mechanisms.
 *
 * Promises: a PLAIN message is only ever split, never copied, so no second copy
 * of a password comes to be here; what is given out holds no NUL and is UTF-8.
 *
 * Any thread. RFC 4616 2 (PLAIN), RFC 7628 3.1
 * (OAUTHBEARER), RFC 5801 4 (its header), RFC 6750 2.1 (tokens). */
#include "wire/sasl/sasl.h"

#include "base/limits.h"

#include <string.h>

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

/* RFC 5801 4: "=2C" and "=3D" stand for comma and equals sign. */
static bool read_saslname(struct mm_span text, struct mm_buf *user_out)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        struct mm_span code = mm_span_from(text, i);
        if (c == '=' && mm_span_starts_nocase(code, "=2C")) {
            c = ',';
            i += 2;
        } else if (c == '=' && mm_span_starts_nocase(code, "=3D")) {
            i += 2;
        } else if (c == '=' || c == ',') {
            return false;
        }
        (void)mm_buf_append_char(user_out, c);
    }
    return true;
}

/* RFC 6750 2.1:  b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" /
 * "/" ) *"=" */
bool mm_sasl_is_token(struct mm_span text)
{
    size_t size = text.size;
    while (size > 0 && text.data[size - 1] == '=') {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        char c = text.data[i];
        if (c == '\0' || (!mm_ascii_is_alnum((unsigned char)c) &&
                          strchr("-._~+/", c) == NULL)) {
            return false;
        }
    }
    return size > 0;
}

/* Key and value pairs, each ended by \x01, and one more behind the last. */
static bool read_pairs(struct mm_span text, struct mm_span *token_out)
{
    static const char scheme[] = "auth=Bearer ";
    struct mm_span pair;
    bool is_ended = mm_span_cut(text, '\x01', &pair, &text);
    *token_out = mm_span(NULL, 0);
    while (is_ended && pair.size > 0) {
        if (mm_span_starts_nocase(pair, scheme)) {
            *token_out = mm_span_trim(mm_span_from(pair, sizeof scheme - 1));
        }
        is_ended = mm_span_cut(text, '\x01', &pair, &text);
    }
    return is_ended && text.size == 0 && mm_sasl_is_token(*token_out);
}

/* RFC 7628 3.1: the header "n,a=user,", without a channel to bind to. */
static bool read_oauthbearer(struct mm_span message, struct mm_buf *user_out,
                             struct mm_span *pairs_out)
{
    struct mm_span flag;
    struct mm_span header;
    struct mm_span name;
    struct mm_span rest;
    return mm_span_cut(message, '\x01', &header, pairs_out) &&
           mm_span_cut(header, ',', &flag, &rest) &&
           (mm_span_is(flag, "n") || mm_span_is(flag, "y")) &&
           mm_span_cut(rest, ',', &name, &rest) && rest.size == 0 &&
           mm_span_starts_nocase(name, "a=") &&
           read_saslname(mm_span_from(name, 2), user_out);
}

static bool read_xoauth2(struct mm_span message, struct mm_buf *user_out,
                         struct mm_span *pairs_out)
{
    struct mm_span name;
    if (!mm_span_cut(message, '\x01', &name, pairs_out) ||
        !mm_span_starts_nocase(name, "user=")) {
        return false;
    }
    (void)mm_buf_append_span(user_out, mm_span_from(name, 5));
    return true;
}

enum mailmod_error mm_sasl_bearer_parse(enum mm_sasl_mechanism mechanism,
                                        struct mm_span message,
                                        struct mm_buf *user_out,
                                        struct mm_span *token_out)
{
    struct mm_span pairs;
    mm_buf_clear(user_out);
    *token_out = mm_span(NULL, 0);
    bool is_read = mechanism == MM_SASL_OAUTHBEARER
                       ? read_oauthbearer(message, user_out, &pairs)
                       : read_xoauth2(message, user_out, &pairs);
    struct mm_span user = mm_buf_span(user_out);
    if (mm_buf_error(user_out) == MAILMOD_ERROR_MEMORY) {
        return MAILMOD_ERROR_MEMORY;
    }
    bool is_good = is_read && mm_buf_error(user_out) == MAILMOD_OK &&
                   user.size > 0 && user.size <= MM_LIMIT_USER_NAME &&
                   memchr(user.data, '\0', user.size) == NULL &&
                   mm_span_is_utf8(user) && read_pairs(pairs, token_out);
    if (!is_good) {
        *token_out = mm_span(NULL, 0);
    }
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX;
}

const char *mm_sasl_bearer_error(enum mm_sasl_mechanism mechanism)
{
    return mechanism == MM_SASL_OAUTHBEARER
               ? "{\"status\":\"invalid_token\"}"
               : "{\"status\":\"401\",\"schemes\":\"bearer\"}";
}

/* RFC 5801 4: "," and "=" of a name stand as "=2C" and "=3D". */
static void write_saslname(struct mm_buf *out, const char *user)
{
    for (; *user != '\0'; user++) {
        if (*user == ',') {
            (void)mm_buf_append_cstr(out, "=2C");
        } else if (*user == '=') {
            (void)mm_buf_append_cstr(out, "=3D");
        } else {
            (void)mm_buf_append_char(out, *user);
        }
    }
}

enum mailmod_error mm_sasl_bearer_write(struct mm_buf *out,
                                        enum mm_sasl_mechanism mechanism,
                                        const char *user, struct mm_span token)
{
    if (mechanism == MM_SASL_OAUTHBEARER) {
        (void)mm_buf_append_cstr(out, "n,a=");
        write_saslname(out, user);
        (void)mm_buf_append_char(out, ',');
    } else {
        (void)mm_buf_append_cstr(out, "user=");
        (void)mm_buf_append_cstr(out, user);
    }
    (void)mm_buf_append_cstr(out, "\x01"
                                  "auth=Bearer ");
    (void)mm_buf_append_span(out, token);
    (void)mm_buf_append_cstr(out, "\x01\x01");
    return mm_buf_error(out);
}

struct mm_span mm_sasl_bearer_reply(enum mm_sasl_mechanism mechanism)
{
    return mechanism == MM_SASL_OAUTHBEARER ? mm_span("\x01", 1)
                                            : mm_span(NULL, 0);
}
