/* thread: any, except where a function says loop
 * tokens.h - the host's callback that gives tokens, for client/token.h. */
#ifndef MM_API_TOKENS_H
#define MM_API_TOKENS_H

#include "api/context.h"
#include "api/host_threads.h"
#include "client/token.h"

struct mm_tokens; /* one an instance, as long as that lives */

MM_CHECK enum mailmod_error mm_tokens_new(struct mm_tokens **tokens_out);
/* After the host threads ended. Releases the host's context. */
void mm_tokens_free(struct mm_tokens **tokens);
/* From now on there are threads to ask on; NULL: no more. */
void mm_tokens_use(struct mm_tokens *tokens, struct mm_host_threads *threads);
struct mm_token_source mm_tokens_source(struct mm_tokens *tokens);

#endif
