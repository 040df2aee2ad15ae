/* thread: loop of the question, except where said
 * pop3_backends.h - logs users in at other POP3 servers, for post/backend.h. */
#ifndef MM_CLIENT_POP3_BACKENDS_H
#define MM_CLIENT_POP3_BACKENDS_H

#include "client/peer_tls.h"
#include "post/backend.h"

struct mm_pop3_backends;

/* thread: any, before the loops run. CONFIG with the reason. */
MM_CHECK enum mailmod_error
mm_pop3_backends_new(struct mm_pop3_backends **backends_out,
                     const struct mm_log *log, const struct mm_config *config,
                     struct mm_buf *reason_out);
/* When no question is open. thread: any */
void mm_pop3_backends_free(struct mm_pop3_backends **backends);
/* What a configuration's authorities come to; none where nobody is passed on.
 * CONFIG with the reason. thread: any */
MM_CHECK enum mailmod_error
mm_pop3_backends_open_tls(const struct mm_config *config,
                          struct mm_peer_tls *tls_out,
                          struct mm_buf *reason_out);
/* Questions from now on go by these; takes them over. thread: any */
void mm_pop3_backends_use(struct mm_pop3_backends *backends,
                          struct mm_peer_tls *tls);
struct mm_backend_door mm_pop3_backends_door(struct mm_pop3_backends *backends);

#endif
