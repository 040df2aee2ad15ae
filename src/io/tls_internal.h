/* thread: any (immutable after its birth; the count is atomic)
 * tls_internal.h - the inside of a TLS context, for tls.c and tls_pump.c. */
#ifndef MM_IO_TLS_INTERNAL_H
#define MM_IO_TLS_INTERNAL_H

#include "io/io.h"

#include <openssl/ssl.h>

#include <stdatomic.h>

struct mm_tls {
    SSL_CTX *context;
    BIO_METHOD *method; /* the BIO over a connection's buffers */
    atomic_uint references;
    bool is_server;
};

/* tls_pump.c: the method table of that BIO; NULL when out of memory. */
BIO_METHOD *mm_tls_bio_method(void);
/* Appends the first of OpenSSL's queued reasons, then empties the queue. */
void mm_tls_take_reason(struct mm_buf *out);

#endif
