/* thread: any
 * destination.h - how the queue names where a recipient's mail goes: the relay
 * that takes all, the recipient's own domain, or its address literal. */
#ifndef MM_POST_DESTINATION_H
#define MM_POST_DESTINATION_H

#include "config/config.h"
#include "store/store.h"

/* To the relay `host`, or with NULL or "" to the domain's (or address
 * literal's) own hosts. */
void mm_destination_name(const char *relay_host, const char *domain,
                         char text_out[MM_STORE_DESTINATION_MAX]);
/* As the configuration has it: the smarthost's name when there is one. */
void mm_destination_of(const struct mm_config *config, const char *domain,
                       char text_out[MM_STORE_DESTINATION_MAX]);

#endif
