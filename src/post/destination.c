/* destination.c - the names of the queue's destinations.
 *
 * Owns nothing. Promises: one name for one place, as the store has it, so that
 * the queue counts its connections and its back-off once. Thread: any. */
#include "post/destination.h"

#include <stdio.h>
#include <string.h>

void mm_destination_name(const char *relay_host, const char *domain,
                         char text_out[MM_STORE_DESTINATION_MAX])
{
    bool has_relay = relay_host != NULL && relay_host[0] != '\0';

    const char *text = has_relay ? relay_host : domain;
    if (text[0] != '[' && strchr(text, ':') != NULL) {
        /* An IPv6 address as a relay's host may stand bare. */
        (void)snprintf(text_out, MM_STORE_DESTINATION_MAX, "[%s]", text);
        mm_ascii_lower_cstr(text_out);
    } else {
        mm_store_destination(text, text_out);
    }
}

void mm_destination_of(const struct mm_config *config, const char *domain,
                       char text_out[MM_STORE_DESTINATION_MAX])
{
    mm_destination_name(config->smarthost.host, domain, text_out);
}

enum mailmod_error mm_destination_local(const char *consumer, const char *name,
                                        char text_out[MM_STORE_DESTINATION_MAX])
{
    int size =
        snprintf(text_out, MM_STORE_DESTINATION_MAX, "%s:%s", consumer, name);

    return size >= 0 && size < MM_STORE_DESTINATION_MAX ? MAILMOD_OK
                                                        : MAILMOD_ERROR_LIMIT;
}

bool mm_destination_is_local(const char *destination)
{
    return destination[0] != '[' && strchr(destination, ':') != NULL;
}
