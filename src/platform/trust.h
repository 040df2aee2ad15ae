/* thread: any
 * trust.h - the authorities that the system trusts to name servers. */
#ifndef MM_PLATFORM_TRUST_H
#define MM_PLATFORM_TRUST_H

#include "base/error.h"
#include "base/span.h"

/* Each authority's certificate, DER, valid during the call. Calls nobody
 * where they are files that OpenSSL finds by itself. */
MM_CHECK enum mailmod_error
mm_trust_each(void (*on_certificate)(void *context, struct mm_span der),
              void *context);

#endif
