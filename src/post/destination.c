/* destination.c - the names of the queue's destinations.
 *
 * Owns nothing. Promises: one name for one place, as the store has it, so that
 * the queue counts its connections and its back-off once. Thread: any. */
#include "post/destination.h"

#include "base/host.h"
#include "config/routes.h"

#include <stdio.h>
#include <string.h>

void mm_destination_name(const char *relay_host, const char *domain,
                         char text_out[MM_STORE_DESTINATION_MAX])
{
    struct mm_host host;
    if (relay_host == NULL || relay_host[0] == '\0') {
        mm_destination_canonical(domain, text_out);
    } else if (!mm_host_parse(mm_span_cstr(relay_host), &host)) {
        mm_destination_canonical(relay_host, text_out);
    } else if (host.address.family == MM_NETADDR_V6) {
        /* However it was written; a bare colon is a consumer's. */
        (void)snprintf(text_out, MM_STORE_DESTINATION_MAX, "[%s]", host.text);
    } else {
        mm_destination_canonical(host.text, text_out);
    }
}

void mm_destination_of(const struct mm_config *config, const char *domain,
                       char text_out[MM_STORE_DESTINATION_MAX])
{
    mm_destination_name(mm_config_has_routes(config) ? NULL
                                                     : config->smarthost.host,
                        domain, text_out);
}

void mm_destination_common(const struct mm_config *config,
                           char text_out[MM_STORE_DESTINATION_MAX])
{
    text_out[0] = '\0';
    if (!mm_config_has_routes(config) && config->smarthost.host[0] != '\0') {
        mm_destination_of(config, "", text_out);
    }
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
