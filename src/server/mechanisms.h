/* thread: loop (the session's)
 * mechanisms.h - which SASL mechanisms a session offers, the same for SMTP and
 * POP3. */
#ifndef MM_SERVER_MECHANISMS_H
#define MM_SERVER_MECHANISMS_H

#include "server/session.h"

/* enum mm_sasl_mechanism bits: those that can work here now, under TLS or in
 * clear (where logins in clear are allowed at all). */
unsigned mm_mechanisms_offered(const struct mm_session *session, bool is_tls);

#endif
