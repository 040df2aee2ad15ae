/* backend.c - from a user's name to the POP3 server that has the mailbox.
 *
 * Owns nothing. Promises: an item that was taken leads to a host and a port
 * (110, or 995 with TLS from the first octet), or here. Thread: any. */
#include "config/backend.h"

#include "base/limits.h"
#include "config/maildir.h"

bool mm_config_is_backend(struct mm_span item)
{
    struct mm_config_backend backend;
    struct mm_span who;
    struct mm_span host;

    return mm_span_cut(item, '=', &who, &host) && who.size > 0 &&
           who.size <= MM_LIMIT_USER_NAME &&
           (host.size == 0 ||
            mm_host_parse_port(host, &backend.host, &backend.port));
}

enum mailmod_error mm_config_find_backend(const struct mm_config *config,
                                          const char *user,
                                          const char *given_name,
                                          struct mm_config_backend *backend_out)
{
    const struct mm_string_list *items = &config->pop3.backends;
    struct mm_span found = mm_span(NULL, 0);
    int best = 0;

    for (size_t i = 0; i < items->count; i++) {
        struct mm_span who;
        struct mm_span host;
        (void)mm_span_cut(mm_span_cstr(items->items[i]), '=', &who, &host);
        int by_user = mm_config_rank_who(who, user);
        int by_given = mm_config_rank_who(who, given_name);
        int rank = by_user > by_given ? by_user : by_given;
        if (rank > best) {
            best = rank;
            found = host;
        }
    }
    if (found.size == 0 ||
        !mm_host_parse_port(found, &backend_out->host, &backend_out->port)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    if (backend_out->port == 0) {
        bool is_implicit = config->pop3.backend_tls == MM_CONFIG_TLS_IMPLICIT;
        backend_out->port = is_implicit ? 995 : 110;
    }
    return MAILMOD_OK;
}
