/* mx.c - reads answers to MX questions.
 *
 * Pure. Promises the order of RFC 5321 5.1 (preference; equal ones in random
 * order where the caller spreads load), that a name which is no domain name is
 * no host, and that one record more never costs a better one its place.
 * Thread: any. RFC 5321 5.1 (preference, the implicit MX), RFC 7505 (null MX).
 */
#include "client/mx.h"

#include "base/splitmix.h"

#include <string.h>

/* RFC 7505 3: one record, the root: the domain accepts no mail. */
static bool is_null(const struct mm_mx *records, size_t count)
{
    return count == 1 && records[0].host[0] == '\0';
}

/* RFC 5321 5.1: the name in an MX record is a domain name, never an address. */
static bool is_usable(const struct mm_mx *record)
{
    struct mm_netaddr address;
    return record->host[0] != '\0' &&
           !mm_netaddr_parse_ip(mm_span_cstr(record->host), &address);
}

static bool is_before(const struct mm_mx_host *a, const struct mm_mx_host *b)
{
    return a->preference != b->preference ? a->preference < b->preference
                                          : a->order < b->order;
}

void mm_mx_list_add(struct mm_mx_list *list, const char *name,
                    unsigned preference, uint64_t order)
{
    struct mm_mx_host host = {.preference = preference, .order = order};
    if (!mm_span_copy(mm_span_cstr(name), host.name, sizeof host.name)) {
        return;
    }
    size_t at = list->count;
    if (at == MM_LIMIT_MX_HOSTS) {
        if (!is_before(&host, &list->hosts[at - 1])) {
            return;
        }
        at--;
    } else {
        list->count++;
    }
    for (; at > 0 && is_before(&host, &list->hosts[at - 1]); at--) {
        list->hosts[at] = list->hosts[at - 1];
    }
    list->hosts[at] = host;
}

enum mailmod_error mm_mx_list_read(struct mm_mx_list *list_out,
                                   const struct mm_mx_answer *answer,
                                   uint64_t *random)
{
    memset(list_out, 0, sizeof *list_out);
    if (answer->error == MAILMOD_ERROR_DNS_NO_DATA) {
        /* RFC 5321 5.1: the implicit MX, the domain itself at preference 0. */
        list_out->is_implicit = true;
        mm_mx_list_add(list_out, answer->domain, 0, 0);
        return MAILMOD_OK;
    }
    if (answer->error != MAILMOD_OK) {
        return answer->error;
    }
    if (is_null(answer->records, answer->count)) {
        return MAILMOD_ERROR_DNS_NULL_MX;
    }
    for (size_t i = 0; i < answer->count; i++) {
        if (is_usable(&answer->records[i])) {
            mm_mx_list_add(list_out, answer->records[i].host,
                           answer->records[i].preference,
                           random != NULL ? mm_splitmix_next(random) : i);
        }
    }
    return MAILMOD_OK;
}
