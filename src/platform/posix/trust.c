/* trust.c - on POSIX the authorities are files.
 *
 * The distribution tells its OpenSSL where they are, and the operator may by
 * SSL_CERT_FILE and SSL_CERT_DIR: nothing is to be added to that.
 * Thread: any. */
#include "platform/trust.h"

enum mailmod_error mm_trust_each(void (*on_certificate)(void *context,
                                                        struct mm_span der),
                                 void *context)
{
    (void)on_certificate;
    (void)context;
    return MAILMOD_OK;
}
