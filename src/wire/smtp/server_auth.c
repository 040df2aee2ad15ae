/* server_auth.c - AUTH: the frame around a SASL exchange.
 *
 * Promises: a mechanism that is offered under TLS alone is refused in clear
 * before anything of its credentials is given out; what was decoded is wiped
 * when the event is answered. The exchange itself is the session's.
 * Thread: the caller's. RFC 4954 4, 6; RFC 4422 3. */
#include "base/base64.h"
#include "wire/sasl/sasl.h"
#include "wire/smtp/server_internal.h"

static unsigned usable_mechanisms(const struct mm_smtpd *smtpd)
{
    return smtpd->is_tls ? smtpd->options.mechanisms_tls
                         : smtpd->options.mechanisms_clear;
}

void mm_smtpd_set_mechanisms_tls(struct mm_smtpd *smtpd, unsigned mechanisms)
{
    smtpd->options.mechanisms_tls = mechanisms;
}

unsigned mm_smtpd_mechanisms(const struct mm_smtpd *smtpd)
{
    /* RFC 4954 3: after a login no other is possible, so none is offered. */
    return smtpd->is_authenticated ? 0 : usable_mechanisms(smtpd);
}

/* RFC 4954 4:  "AUTH" SP mechanism [SP initial-response] */
const struct mm_reply *mm_smtpd_check_auth(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    if (smtpd->is_authenticated) {
        return mm_reply_get(MM_REPLY_ALREADY_AUTHENTICATED);
    }
    unsigned usable = usable_mechanisms(smtpd);
    unsigned later = smtpd->is_tls ? 0 : smtpd->options.mechanisms_tls;
    if (usable == 0 && later == 0) {
        return mm_reply_get(MM_REPLY_NOT_IMPLEMENTED);
    }
    struct mm_span name;
    struct mm_span initial;
    bool has_initial = mm_span_cut(argument, ' ', &name, &initial);
    if (name.size == 0) {
        return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    unsigned mechanism = mm_sasl_find(name);
    if ((mechanism & usable) == 0) {
        return mm_reply_get((mechanism & later) != 0
                                ? MM_REPLY_AUTH_NEEDS_TLS
                                : MM_REPLY_MECHANISM_UNKNOWN);
    }
    request->mechanism = (enum mm_sasl_mechanism)mechanism;
    request->has_initial = has_initial;
    request->initial = has_initial ? mm_span_trim(initial) : mm_span(NULL, 0);
    return NULL;
}

static enum mailmod_error decode(struct mm_smtpd *smtpd, struct mm_span text)
{
    mm_buf_clear(&smtpd->secret);
    return mm_base64_decode(&smtpd->secret, text);
}

static void say_undecoded(struct mm_smtpd *smtpd, enum mailmod_error error)
{
    mm_smtpd_say_id(smtpd, error == MAILMOD_ERROR_MEMORY
                               ? MM_REPLY_AUTH_TEMPORARY
                               : MM_REPLY_BAD_BASE64);
    mm_smtpd_wipe_secrets(smtpd);
}

void mm_smtpd_do_auth(struct mm_smtpd *smtpd)
{
    struct mm_smtpd_request *request = &smtpd->request;
    enum mailmod_error error = MAILMOD_OK;
    mm_buf_clear(&smtpd->secret);
    /* RFC 4954 4: "=" is an initial response of no octets. */
    if (request->has_initial && !mm_span_is(request->initial, "=")) {
        error = request->initial.size > 0 ? decode(smtpd, request->initial)
                                          : MAILMOD_ERROR_SYNTAX;
    }
    if (error != MAILMOD_OK) {
        say_undecoded(smtpd, error);
        return;
    }
    smtpd->info = (struct mm_smtpd_info){
        .mechanism = request->mechanism,
        .has_data = request->has_initial,
        .data = mm_buf_span(&smtpd->secret),
    };
    mm_smtpd_raise(smtpd, MM_SMTPD_AUTH);
}

void mm_smtpd_auth_line(struct mm_smtpd *smtpd, struct mm_span text,
                        const struct mm_reply *refusal)
{
    enum mailmod_error error = MAILMOD_OK;
    if (refusal == NULL && mm_span_is(text, "*")) {
        refusal = mm_reply_get(MM_REPLY_AUTH_CANCELLED);
    }
    if (refusal == NULL) {
        error = decode(smtpd, text);
    }
    if (refusal != NULL || error != MAILMOD_OK) {
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_READY);
        if (refusal != NULL) {
            mm_smtpd_say(smtpd, refusal);
            mm_smtpd_wipe_secrets(smtpd);
        } else {
            say_undecoded(smtpd, error);
        }
        return;
    }
    smtpd->info = (struct mm_smtpd_info){
        .mechanism = smtpd->request.mechanism,
        .has_data = true,
        .data = mm_buf_span(&smtpd->secret),
    };
    mm_smtpd_raise(smtpd, MM_SMTPD_AUTH_DATA);
}

void mm_smtpd_wipe_secrets(struct mm_smtpd *smtpd)
{
    mm_buf_wipe(&smtpd->secret);
    mm_line_wipe(&smtpd->line);
}

void mm_smtpd_settle_auth(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    mm_smtpd_wipe_secrets(smtpd);
    mm_smtpd_set_state(smtpd, MM_SMTPD_AT_READY);
    if (mm_smtpd_is_accepted(reply)) {
        smtpd->is_authenticated = true;
    }
    mm_smtpd_say(smtpd, reply);
}

enum mailmod_error mm_smtpd_challenge(struct mm_smtpd *smtpd,
                                      struct mm_span data)
{
    if (smtpd->pending != MM_SMTPD_AUTH &&
        smtpd->pending != MM_SMTPD_AUTH_DATA) {
        return MAILMOD_ERROR_STATE;
    }
    struct mm_buf text;
    mm_buf_init(&text, MM_LIMIT_SMTP_AUTH_LINE);
    enum mailmod_error error = mm_base64_encode(&text, data.data, data.size);
    const char *words = error == MAILMOD_OK ? mm_buf_cstr(&text) : NULL;
    if (words == NULL) {
        error = error == MAILMOD_OK ? MAILMOD_ERROR_MEMORY : error;
        mm_buf_fini(&text);
        return error;
    }
    mm_smtpd_wipe_secrets(smtpd);
    smtpd->error = MAILMOD_OK;
    smtpd->pending = MM_SMTPD_NEED_INPUT;
    mm_smtpd_set_state(smtpd, MM_SMTPD_AT_AUTH);
    mm_smtpd_say_bare(smtpd, &(struct mm_reply){334, NULL, words});
    mm_buf_fini(&text);
    return smtpd->error;
}
