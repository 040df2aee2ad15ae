/* peer_tls.c - the TLS contexts towards hosts that we dial.
 *
 * Owns a reference on each. Promises: both or none.
 * Thread: any. RFC 7435. */
#include "client/peer_tls.h"

enum mailmod_error mm_peer_tls_open(struct mm_peer_tls *tls_out,
                                    const char *authority_file,
                                    struct mm_buf *reason_out)
{
    const struct mm_tls_client_options verifying = {
        .authority_file = authority_file[0] != '\0' ? authority_file : NULL};
    const struct mm_tls_client_options opportunistic = {.allows_old = true};
    *tls_out = (struct mm_peer_tls){.verifying = NULL};
    enum mailmod_error error =
        mm_tls_client_new(&tls_out->verifying, &verifying, reason_out);
    if (error == MAILMOD_OK) {
        error = mm_tls_client_new(&tls_out->opportunistic, &opportunistic,
                                  reason_out);
    }
    if (error != MAILMOD_OK) {
        mm_peer_tls_unref(tls_out);
    }
    return error;
}

struct mm_peer_tls mm_peer_tls_ref(const struct mm_peer_tls *tls)
{
    return (struct mm_peer_tls){.verifying = mm_tls_ref(tls->verifying),
                                .opportunistic =
                                    mm_tls_ref(tls->opportunistic)};
}

void mm_peer_tls_unref(struct mm_peer_tls *tls)
{
    mm_tls_unref(&tls->verifying);
    mm_tls_unref(&tls->opportunistic);
}

struct mm_tls *mm_peer_tls_get(const struct mm_peer_tls *tls, bool verifies)
{
    return verifies ? tls->verifying : tls->opportunistic;
}
