/* thread: any
 * relay_tls.h - how a relay that the host names is talked to. */
#ifndef MM_API_RELAY_TLS_H
#define MM_API_RELAY_TLS_H

#include "mailmod.h"

#include "client/relay.h"

#define MM_PORT_SUBMISSIONS 465 /* RFC 8314 3.3 */
#define MM_PORT_SUBMISSION 587  /* RFC 6409 3.1 */

/* Sets `tls` and `verifies` by the wish, the relay's port and its user. */
void mm_relay_set_tls(struct mm_relay *relay, enum mailmod_relay_tls wish);

#endif
