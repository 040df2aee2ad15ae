/* thread: any
 * mechanism.h - the SASL mechanisms that all layers name, and their names
 * (RFC 4422 3.1). What they say is wire/sasl. */
#ifndef MM_BASE_MECHANISM_H
#define MM_BASE_MECHANISM_H

#include "base/buf.h"

enum mm_sasl_mechanism {
    MM_SASL_PLAIN = 1 << 0, /* RFC 4616 */
    MM_SASL_LOGIN = 1 << 1,
    MM_SASL_SCRAM_SHA_256 = 1 << 2, /* RFC 7677 */
    MM_SASL_CRAM_MD5 = 1 << 3,      /* RFC 2195 */
    MM_SASL_OAUTHBEARER = 1 << 4,   /* RFC 7628 */
    MM_SASL_XOAUTH2 = 1 << 5,
    MM_SASL_EXTERNAL = 1 << 6, /* RFC 4422 A: by the certificate of TLS */
    MM_SASL_LAST = MM_SASL_EXTERNAL
};

/* Those that show a token instead of a password, and those that show or prove
 * a password. */
#define MM_SASL_BEARER ((unsigned)MM_SASL_OAUTHBEARER | MM_SASL_XOAUTH2)
#define MM_SASL_PASSWORD                                                       \
    ((unsigned)MM_SASL_SCRAM_SHA_256 | MM_SASL_CRAM_MD5 | MM_SASL_PLAIN |      \
     MM_SASL_LOGIN)

const char *mm_sasl_name(enum mm_sasl_mechanism mechanism);
/* 0 when unknown; any case. */
unsigned mm_sasl_find(struct mm_span name);
/* The bits of names with blanks or commas between; false where one is not
 * known, or none is there. */
bool mm_sasl_read_names(struct mm_span text, unsigned *mechanisms_out);
/* " SCRAM-SHA-256 PLAIN LOGIN": each with a blank before, strongest first. */
enum mailmod_error mm_sasl_write_names(struct mm_buf *out, unsigned mechanisms);

#endif
