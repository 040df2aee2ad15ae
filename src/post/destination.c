/* destination.c - the names of the queue's destinations.
 *
 * Owns nothing. Promises: one name for one place, as the store has it, so that
 * the queue counts its connections and its back-off once. Thread: any. */
#include "post/destination.h"

void mm_destination_name(const char *relay_host, const char *domain,
                         char text_out[MM_STORE_DESTINATION_MAX])
{
    bool has_relay = relay_host != NULL && relay_host[0] != '\0';

    mm_store_destination(has_relay ? relay_host : domain, text_out);
}

void mm_destination_of(const struct mm_config *config, const char *domain,
                       char text_out[MM_STORE_DESTINATION_MAX])
{
    mm_destination_name(config->smarthost.host, domain, text_out);
}
