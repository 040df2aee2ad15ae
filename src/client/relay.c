/* relay.c - the relay of a route.
 *
 * Owns the texts of a copy. Thread: any. */
#include "client/relay.h"

#include "base/mem.h"

#include <string.h>

void mm_relay_of_route(const struct mm_config_route *route,
                       struct mm_relay *relay_out)
{
    bool has_relay = route->relay_count > 0;
    *relay_out =
        (struct mm_relay){.host = has_relay ? route->relays[0].host : NULL,
                          .port = route->relays[0].port,
                          .others = &route->relays[1],
                          .other_count = has_relay ? route->relay_count - 1 : 0,
                          .has_srv = has_relay && route->has_srv,
                          .tls = route->tls,
                          .verifies = route->verifies,
                          .user = route->user,
                          .password = route->password,
                          .has_token = route->has_token,
                          .account = route->name,
                          .mechanisms = route->mechanisms,
                          .route = route,
                          .proxy = &route->proxy};
}

/* The row behind all others. */
void mm_relay_smarthost(const struct mm_config *config,
                        struct mm_relay *relay_out)
{
    mm_relay_of_route(&config->routes[config->route_count - 1], relay_out);
}

/* The texts of a relay, one by one; they are lent as constants. */
static void copy_text(const char **text, bool *fails)
{
    if (*text != NULL) {
        *text = mm_strdup(*text);
        *fails = *fails || *text == NULL;
    }
}

static void free_text(const char **text)
{
    if (*text != NULL) {
        mm_secret_clear((char *)*text, strlen(*text));
        mm_free((char *)*text);
        *text = NULL;
    }
}

enum mailmod_error mm_relay_copy(struct mm_relay *relay_out,
                                 const struct mm_relay *from)
{
    bool fails = false;
    *relay_out = *from;
    copy_text(&relay_out->host, &fails);
    copy_text(&relay_out->user, &fails);
    copy_text(&relay_out->password, &fails);
    copy_text(&relay_out->account, &fails);
    if (fails) {
        mm_relay_copy_free(relay_out);
        return MAILMOD_ERROR_MEMORY;
    }
    return MAILMOD_OK;
}

void mm_relay_copy_free(struct mm_relay *relay)
{
    free_text(&relay->host);
    free_text(&relay->user);
    free_text(&relay->password);
    free_text(&relay->account);
}

bool mm_relay_is_set(const struct mm_relay *relay)
{
    return relay->host != NULL && relay->host[0] != '\0';
}

bool mm_relay_sets_tls(const struct mm_relay *relay)
{
    return mm_relay_is_set(relay) ||
           (relay->route != NULL && relay->route->sets_tls);
}

unsigned mm_relay_mechanisms(const struct mm_relay *relay)
{
    bool has_user =
        mm_relay_is_set(relay) && relay->user != NULL && relay->user[0] != '\0';
    bool has_secret = relay->has_token ||
                      (relay->password != NULL && relay->password[0] != '\0');
    unsigned external = mm_relay_is_set(relay)
                            ? relay->mechanisms & (unsigned)MM_SASL_EXTERNAL
                            : 0;
    return has_user && (has_secret || external == 0)
               ? mm_config_login_mechanisms(relay->mechanisms, relay->has_token)
               : external;
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool is_own_way(const struct mm_config_route *route)
{
    return route != NULL &&
           (mm_config_route_has_tls(route) || mm_config_route_has_face(route));
}

/* Rows with files, a source or a name of their own are each their own way. */
static bool has_same_row(const struct mm_relay *a, const struct mm_relay *b)
{
    return a->route == b->route ||
           (!is_own_way(a->route) && !is_own_way(b->route));
}

bool mm_relay_is_like(const struct mm_relay *a, const struct mm_relay *b)
{
    return a->tls == b->tls && a->verifies == b->verifies &&
           is_same_text(a->user, b->user) &&
           is_same_text(a->password, b->password) &&
           a->has_token == b->has_token &&
           (!a->has_token || is_same_text(a->account, b->account)) &&
           a->mechanisms == b->mechanisms && has_same_row(a, b);
}
