/* thread: any (immutable after its birth; the count is atomic)
 * tls_internal.h - the inside of a TLS context, for tls.c and tls_pump.c. */
#ifndef MM_IO_TLS_INTERNAL_H
#define MM_IO_TLS_INTERNAL_H

#include "io/io.h"

#include <openssl/ssl.h>

#include <stdatomic.h>

struct mm_tls {
    SSL_CTX *context;
    struct mm_certificates *certificates;           /* a reference */
    uint8_t pins[MM_TLS_PINS_MAX][MM_TLS_PIN_SIZE]; /* a client's */
    size_t pin_count;
    BIO_METHOD *method; /* the BIO over a connection's buffers */
    atomic_uint references;
    bool is_server;
};

/* tls_pump.c: looks whether a server's certificate is one of the pins. */
int mm_tls_on_pinned(X509_STORE_CTX *store, void *tls);
/* tls_pump.c: the method table of that BIO; NULL when out of memory. */
BIO_METHOD *mm_tls_bio_method(void);
/* Appends the first of OpenSSL's queued reasons, then empties the queue. */
void mm_tls_take_reason(struct mm_buf *out);
/* CONFIG, with "WHAT NAME: " and OpenSSL's reason. */
enum mailmod_error mm_tls_refuse(struct mm_buf *reason_out, const char *what,
                                 const char *name);
/* False, with the same beginning, for what is there and no regular file. */
bool mm_tls_is_readable_kind(struct mm_buf *reason_out, const char *what,
                             const char *name);

/* certificates.c: those of clients that name no host that is here. False: one
 * of them, in that file, cannot be used. */
bool mm_certificates_use_default(const struct mm_certificates *certificates,
                                 SSL_CTX *context, const char **file_out);
/* thread: the connection's. Those of the host that the client names; false:
 * out of memory. */
bool mm_certificates_use_named(const struct mm_certificates *certificates,
                               SSL *ssl);

#endif
