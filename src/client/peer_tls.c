/* peer_tls.c - the TLS contexts towards hosts that we dial.
 *
 * Owns a reference on each. Promises: both or none.
 * Thread: any. RFC 7435. */
#include "client/peer_tls.h"

#define REASON_MAX 8192

static enum mailmod_error open_both(struct mm_peer_tls *tls_out,
                                    const struct mm_peer_tls_options *options,
                                    struct mm_certificates *certificates,
                                    struct mm_buf *reason_out)
{
    const char *authorities = options->authority_file;
    const struct mm_tls_client_options verifying = {
        .authority_file =
            authorities != NULL && authorities[0] != '\0' ? authorities : NULL,
        .certificates = certificates,
        .pins = options->pins,
        .pin_count = options->pin_count};
    const struct mm_tls_client_options opportunistic = {
        .allows_old = true, .certificates = certificates};
    enum mailmod_error error =
        mm_tls_client_new(&tls_out->verifying, &verifying, reason_out);
    return error == MAILMOD_OK ? mm_tls_client_new(&tls_out->opportunistic,
                                                   &opportunistic, reason_out)
                               : error;
}

static enum mailmod_error open_all(struct mm_peer_tls *tls_out,
                                   const struct mm_peer_tls_options *options,
                                   struct mm_buf *reason_out)
{
    struct mm_certificates *certificates = NULL;
    struct mm_certificate_files files = {mm_span(NULL, 0), mm_span(NULL, 0)};
    enum mailmod_error error = MAILMOD_OK;
    *tls_out = (struct mm_peer_tls){.verifying = NULL};
    if (options->certificate_file != NULL &&
        options->certificate_file[0] != '\0') {
        files.certificate = mm_span_cstr(options->certificate_file);
        files.key = mm_span_cstr(options->key_file);
        error = mm_certificates_new(&certificates, &files, 1, NULL, reason_out);
    }
    if (error == MAILMOD_OK) {
        error = open_both(tls_out, options, certificates, reason_out);
    }
    if (error != MAILMOD_OK) {
        mm_peer_tls_unref(tls_out);
    }
    mm_certificates_unref(&certificates);
    return error;
}

enum mailmod_error mm_peer_tls_open(struct mm_peer_tls *tls_out,
                                    const struct mm_peer_tls_options *options,
                                    struct mm_buf *reason_out)
{
    struct mm_buf reason;

    mm_buf_init(&reason, REASON_MAX);
    enum mailmod_error error = open_all(tls_out, options, &reason);
    if (error != MAILMOD_OK && reason_out != NULL) {
        const char *about = options->about;

        (void)mm_buf_appendf(reason_out, "%s%s", about != NULL ? about : "",
                             about != NULL ? ": " : "");
        (void)mm_buf_append_span(reason_out, mm_buf_span(&reason));
    }
    mm_buf_fini(&reason);
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
