/* thread: any
 * destination.h - how the queue names where a recipient's mail goes: the relay
 * that takes all, the recipient's own domain, its address literal, or a part of
 * this system ("list:announce", consumer.h). A colon outside of brackets is the
 * last kind's alone. */
#ifndef MM_POST_DESTINATION_H
#define MM_POST_DESTINATION_H

#include "config/config.h"
#include "store/store.h"

/* To the relay `host`, or with NULL or "" to the domain's (or address
 * literal's) own hosts. */
void mm_destination_name(const char *relay_host, const char *domain,
                         char text_out[MM_STORE_DESTINATION_MAX]);
/* As the configuration has it: the smarthost's name when there is one for all;
 * with a table of routes the domain's, whatever its way is. */
void mm_destination_of(const struct mm_config *config, const char *domain,
                       char text_out[MM_STORE_DESTINATION_MAX]);
/* The one destination of all mail, or "". */
void mm_destination_common(const struct mm_config *config,
                           char text_out[MM_STORE_DESTINATION_MAX]);
/* "consumer:name". LIMIT when it is too long. */
MM_CHECK enum mailmod_error
mm_destination_local(const char *consumer, const char *name,
                     char text_out[MM_STORE_DESTINATION_MAX]);
/* Nobody dials it. */
bool mm_destination_is_local(const char *destination);

#endif
