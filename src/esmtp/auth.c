/* auth.c - who the program is: libESMTP's contexts of authentication.
 *
 * Owns a context: a callback and what it allows. A session takes a name and a
 * password from it, and mailmod chooses the mechanism; after an answer of 535
 * no other mechanism gets the same password. Beside that, a program may run the
 * simple mechanisms itself (RFC 4616, RFC 4422 A).
 * Promises: no secret stays in memory that is given back.
 * Thread: one at a time for each context. */
#include "esmtp/esmtp.h"

#include <stdio.h>
#include <string.h>

/* Of what shows no password to the server. */
#define PROVING "SCRAM-SHA-256, CRAM-MD5"

struct auth_context {
    unsigned flags;
    int min_ssf;
    auth_interact_t interact;
    void *interact_arg;
    char *external_id;
    const struct mechanism *mechanism; /* NULL: none was set */
    int step;
    char answer[MM_ESMTP_TEXT_MAX];
};

struct mechanism {
    const char *name;
    unsigned flag; /* that must be allowed */
    /* The next answer and its length; -1: there is none. */
    int (*answer)(auth_context_t context, bool has_challenge);
};

void auth_client_init(void)
{
}

void auth_client_exit(void)
{
}

auth_context_t auth_create_context(void)
{
    return mm_esmtp_alloc(sizeof(struct auth_context));
}

static void wipe(char *octets, size_t size)
{
    volatile char *at = octets;

    while (size > 0) {
        at[--size] = '\0';
    }
}

int auth_destroy_context(auth_context_t context)
{
    if (context == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    wipe(context->answer, sizeof context->answer);
    mm_esmtp_free(context->external_id);
    mm_esmtp_free(context);
    return 1;
}

int auth_set_mechanism_flags(auth_context_t context, unsigned set,
                             unsigned clear)
{
    if (context == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    context->flags = (context->flags | set) & ~clear;
    return 1;
}

int auth_set_mechanism_ssf(auth_context_t context, int min_ssf)
{
    if (context == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    context->min_ssf = min_ssf;
    return 1;
}

int auth_set_interact_cb(auth_context_t context, auth_interact_t interact,
                         void *arg)
{
    if (context == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    context->interact = interact;
    context->interact_arg = arg;
    return 1;
}

int auth_client_enabled(auth_context_t context)
{
    return context != NULL && context->interact != NULL;
}

int auth_set_external_id(auth_context_t context, const char *identity)
{
    if (context == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    if (!mm_esmtp_replace(&context->external_id, identity)) {
        return 0;
    }
    context->flags = identity != NULL
                         ? context->flags | AUTH_PLUGIN_EXTERNAL
                         : context->flags & ~(unsigned)AUTH_PLUGIN_EXTERNAL;
    return 1;
}

/* ---- for a session ------------------------------------------------------- */

/* False: the program gives none. */
static bool ask(const struct auth_context *context, char *result[2])
{
    unsigned shown =
        (context->flags & AUTH_PLUGIN_PLAIN) != 0 ? AUTH_CLEARTEXT : 0u;
    const struct auth_client_request requests[2] = {
        {"user", AUTH_USER | shown, "User Name", 0},
        {"passphrase", AUTH_PASS | shown, "Pass Phrase", 0}};

    result[0] = NULL;
    result[1] = NULL;
    return context->interact != NULL &&
           context->interact(requests, result, 2, context->interact_arg) &&
           result[0] != NULL && result[1] != NULL;
}

void mm_esmtp_on_login(void *arg, struct mailmod_client_login *login)
{
    smtp_session_t session = arg;
    const struct auth_context *context = session->auth;
    char *result[2];

    if (context == NULL || session->leaves_login_out) {
        return;
    }
    if (context->external_id != NULL && session->has_certificate) {
        login->user = context->external_id;
    } else if (ask(context, result)) {
        login->user = result[0];
        login->password = result[1];
    }
    session->has_login = login->user != NULL && login->user[0] != '\0';
}

const char *mm_esmtp_auth_mechanisms(const struct auth_context *context)
{
    return context == NULL || (context->flags & AUTH_PLUGIN_PLAIN) != 0
               ? ""
               : PROVING;
}

bool mm_esmtp_auth_needs_tls(const struct auth_context *context)
{
    return context != NULL && context->min_ssf > 0;
}

/* ---- for a program that talks itself ------------------------------------- */

static int answer_plain(auth_context_t context, bool has_challenge)
{
    char *result[2];

    (void)has_challenge;
    if (!ask(context, result)) {
        return -1;
    }
    size_t user = strlen(result[0]);
    size_t password = strlen(result[1]);
    if (user > sizeof context->answer - 2 ||
        password > sizeof context->answer - 2 - user) {
        return -1;
    }
    context->answer[0] = '\0';
    memcpy(context->answer + 1, result[0], user + 1);
    memcpy(context->answer + 2 + user, result[1], password);
    return (int)(2 + user + password);
}

/* The name, then the password. */
static int answer_login(auth_context_t context, bool has_challenge)
{
    char *result[2];

    if (!has_challenge || context->step > 2 || !ask(context, result)) {
        return -1;
    }
    int size = snprintf(context->answer, sizeof context->answer, "%s",
                        result[context->step - 1]);
    return size >= 0 && (size_t)size < sizeof context->answer ? size : -1;
}

static int answer_external(auth_context_t context, bool has_challenge)
{
    (void)has_challenge;
    int size =
        snprintf(context->answer, sizeof context->answer, "%s",
                 context->external_id != NULL ? context->external_id : "");
    return size >= 0 && (size_t)size < sizeof context->answer ? size : -1;
}

static const struct mechanism mechanisms[] = {
    {"PLAIN", AUTH_PLUGIN_PLAIN, answer_plain},
    {"LOGIN", AUTH_PLUGIN_PLAIN, answer_login},
    {"EXTERNAL", AUTH_PLUGIN_EXTERNAL, answer_external},
};

int auth_set_mechanism(auth_context_t context, const char *name)
{
    if (context == NULL || name == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    context->mechanism = NULL;
    context->step = 0;
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (mm_esmtp_is_name(name, mechanisms[i].name) &&
            (context->flags & mechanisms[i].flag) != 0 &&
            context->min_ssf <= 0) {
            context->mechanism = &mechanisms[i];
        }
    }
    return context->mechanism != NULL
               ? 1
               : mm_esmtp_fail(SMTP_ERR_EXTENSION_NOT_AVAILABLE,
                               "the mechanism is not here, or not allowed");
}

const char *auth_mechanism_name(auth_context_t context)
{
    return context != NULL && context->mechanism != NULL
               ? context->mechanism->name
               : NULL;
}

const char *auth_response(auth_context_t context, const char *challenge,
                          int *len)
{
    if (context == NULL || context->mechanism == NULL || len == NULL) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    context->step = challenge == NULL ? 0 : context->step + 1;
    int size = context->mechanism->answer(context, challenge != NULL);
    *len = size >= 0 ? size : 0;
    return size >= 0 ? context->answer : NULL;
}

int auth_get_ssf(auth_context_t context)
{
    return context != NULL && context->mechanism != NULL ? 0 : -1;
}

/* Its type has no const, and the octets stay the caller's. */
static void hand_on(char **dstbuf, int *dstlen, const char *srcbuf, int srclen)
{
    memcpy(dstbuf, &srcbuf, sizeof srcbuf);
    *dstlen = srclen;
}

void auth_encode(char **dstbuf, int *dstlen, const char *srcbuf, int srclen,
                 void *arg)
{
    (void)arg;
    hand_on(dstbuf, dstlen, srcbuf, srclen);
}

void auth_decode(char **dstbuf, int *dstlen, const char *srcbuf, int srclen,
                 void *arg)
{
    (void)arg;
    hand_on(dstbuf, dstlen, srcbuf, srclen);
}
