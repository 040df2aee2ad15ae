/* mechanisms.c - which SASL mechanisms a session offers.
 *
 * Owns the one table of them. Promises: what is offered can work: a mechanism
 * that needs the password itself, while a user keeps it and the operator wants
 * it; one that needs the host, while the host is asked. Whoever shows a
 * password by PLAIN may do so by LOGIN, on every service.
 * Thread: the session's loop. RFC 4422 A, RFC 4954 4, RFC 5034 3, RFC 7628 4
 * (tokens go under TLS alone). */
#include "server/mechanisms.h"

#include "server/server_internal.h"

enum need {
    NEEDS_NOTHING,
    NEEDS_KEPT_PASSWORD, /* and local.cram_md5 */
    NEEDS_TOKEN_HOST,
    NEEDS_CERTIFICATE_HOST /* and a client that showed one */
};

static const struct {
    enum mm_sasl_mechanism mechanism;
    enum need need;
    bool is_tls_only;
} table[] = {
    {MM_SASL_SCRAM_SHA_256, NEEDS_NOTHING, false},
    {MM_SASL_PLAIN, NEEDS_NOTHING, false},
    {MM_SASL_LOGIN, NEEDS_NOTHING, false},
    {MM_SASL_CRAM_MD5, NEEDS_KEPT_PASSWORD, false},
    {MM_SASL_OAUTHBEARER, NEEDS_TOKEN_HOST, true},
    {MM_SASL_XOAUTH2, NEEDS_TOKEN_HOST, true},
    {MM_SASL_EXTERNAL, NEEDS_CERTIFICATE_HOST, true},
};

static bool is_met(const struct mm_session *session, enum need need)
{
    switch (need) {
    case NEEDS_NOTHING:
        return true;
    case NEEDS_KEPT_PASSWORD:
        return mm_session_config(session)->local.cram_md5 &&
               mm_apop_is_usable(&session->server->apop,
                                 mm_loop_now_ms(session->loop));
    case NEEDS_TOKEN_HOST:
        return mm_session_is_hooked(session, MAILMOD_LOGIN_TOKEN);
    case NEEDS_CERTIFICATE_HOST:
        return mm_session_is_hooked(session, MAILMOD_LOGIN_CERTIFICATE) &&
               session->conn != NULL && mm_conn_has_certificate(session->conn);
    }
    return false;
}

unsigned mm_mechanisms_offered(const struct mm_session *session, bool is_tls)
{
    unsigned offered = 0;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if ((is_tls || !table[i].is_tls_only) &&
            is_met(session, table[i].need)) {
            offered |= (unsigned)table[i].mechanism;
        }
    }
    return offered;
}
