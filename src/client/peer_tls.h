/* thread: any
 * peer_tls.h - the TLS contexts towards hosts that we dial: one of each kind,
 * as a configuration of one moment has them. */
#ifndef MM_CLIENT_PEER_TLS_H
#define MM_CLIENT_PEER_TLS_H

#include "io/io.h"

/* Zeroed: there are none. */
struct mm_peer_tls {
    struct mm_tls *verifying; /* looks at the certificate */
    /* Does not (RFC 7435: an active attacker could strip STARTTLS as well). */
    struct mm_tls *opportunistic;
};

/* What both have in common; zeroed: the system's authorities, and no more. */
struct mm_peer_tls_options {
    const char *authority_file;              /* NULL or "": the system's */
    const char *certificate_file, *key_file; /* NULL or "": none */
    const uint8_t (*pins)[MM_TLS_PIN_SIZE];
    size_t pin_count;
    const char *about; /* what an error's words begin with; NULL: nothing */
};
/* CONFIG with the reason, and then there are none. */
MM_CHECK enum mailmod_error
mm_peer_tls_open(struct mm_peer_tls *tls_out,
                 const struct mm_peer_tls_options *options,
                 struct mm_buf *reason_out);
/* A reference on each. */
struct mm_peer_tls mm_peer_tls_ref(const struct mm_peer_tls *tls);
void mm_peer_tls_unref(struct mm_peer_tls *tls);
struct mm_tls *mm_peer_tls_get(const struct mm_peer_tls *tls, bool verifies);

#endif
