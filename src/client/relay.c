/* relay.c - the relay of a route.
 *
 * Pure; owns nothing. Thread: any. */
#include "client/relay.h"

void mm_relay_of_route(const struct mm_config_route *route,
                       struct mm_relay *relay_out)
{
    bool has_relay = route->relay_count > 0;
    *relay_out =
        (struct mm_relay){.host = has_relay ? route->relays[0].host : NULL,
                          .port = route->relays[0].port,
                          .others = &route->relays[1],
                          .other_count = has_relay ? route->relay_count - 1 : 0,
                          .tls = route->tls,
                          .verifies = route->verifies,
                          .user = route->user,
                          .password = route->password,
                          .proxy = &route->proxy};
}

/* The row behind all others. */
void mm_relay_smarthost(const struct mm_config *config,
                        struct mm_relay *relay_out)
{
    mm_relay_of_route(&config->routes[config->route_count - 1], relay_out);
}

bool mm_relay_is_set(const struct mm_relay *relay)
{
    return relay->host != NULL && relay->host[0] != '\0';
}
