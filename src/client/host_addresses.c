/* host_addresses.c - the addresses of one host, of both families.
 *
 * Owns the two questions while they are open. Promises that both families are
 * heard before the answer is told, that one family's failure takes nothing from
 * the other, and that no more than MM_LIMIT_HOST_ADDRESSES are kept.
 * Thread: loop. RFC 5321 5.1, RFC 6724. */
#include "client/host_addresses.h"

static void add(struct mm_host_addresses *addresses, int family, size_t i)
{
    const struct mm_host_family *from = &addresses->families[family];
    if (i < from->count && addresses->count < MM_LIMIT_HOST_ADDRESSES &&
        !mm_netaddr_is_any(&from->items[i])) {
        addresses->items[addresses->count++] = from->items[i];
    }
}

/* One of each in turn, IPv6 first; or all of one before the others. */
static void merge(struct mm_host_addresses *addresses)
{
    bool is_v4_first = addresses->prefers == MM_CONFIG_PREFERS_V4;
    bool is_in_turn = addresses->prefers == MM_CONFIG_PREFERS_ANY;
    int first = is_v4_first ? MM_HOST_V4 : MM_HOST_V6;
    int second = is_v4_first ? MM_HOST_V6 : MM_HOST_V4;
    addresses->count = 0;
    for (size_t i = 0; i < MM_LIMIT_HOST_ADDRESSES; i++) {
        add(addresses, first, i);
        if (is_in_turn) {
            add(addresses, second, i);
        }
    }
    for (size_t i = 0; i < MM_LIMIT_HOST_ADDRESSES && !is_in_turn; i++) {
        add(addresses, second, i);
    }
}

static void on_family(void *context, enum mailmod_error error,
                      const struct mm_netaddr *items, size_t count)
{
    struct mm_host_family *family = context;
    struct mm_host_addresses *addresses = family->owner;
    family->query = NULL;
    family->error = error;
    for (size_t i = 0; error == MAILMOD_OK && i < count &&
                       family->count < MM_LIMIT_HOST_ADDRESSES;
         i++) {
        family->items[family->count++] = items[i];
    }
    addresses->pending--;
    if (addresses->pending == 0) {
        merge(addresses);
        addresses->on_answer(addresses);
    }
}

static void ask_family(struct mm_host_addresses *addresses, int index,
                       const struct mm_host_question *question)
{
    struct mm_host_family *family = &addresses->families[index];
    enum mm_netaddr_family kind =
        index == MM_HOST_V6 ? MM_NETADDR_V6 : MM_NETADDR_V4;
    family->error =
        question->is_chosen
            ? mm_resolve_host(question->resolver, question->host, kind,
                              on_family, family, &family->query)
            : mm_resolve_addresses(question->resolver, question->host, kind,
                                   on_family, family, &family->query);
    if (family->error == MAILMOD_OK) {
        addresses->pending++;
    }
}

static void forget(struct mm_host_addresses *addresses)
{
    addresses->count = 0;
    for (int f = 0; f < MM_HOST_FAMILIES; f++) {
        addresses->families[f].owner = addresses;
        addresses->families[f].count = 0;
        addresses->families[f].error = MAILMOD_OK;
    }
}

bool mm_host_addresses_ask(struct mm_host_addresses *addresses,
                           const struct mm_host_question *question)
{
    forget(addresses);
    addresses->prefers = question->prefers;
    if (question->wants_v6) {
        ask_family(addresses, MM_HOST_V6, question);
    }
    if (question->wants_v4) {
        ask_family(addresses, MM_HOST_V4, question);
    }
    return addresses->pending > 0;
}

void mm_host_addresses_set(struct mm_host_addresses *addresses,
                           const struct mm_netaddr *address)
{
    int f = address->family == MM_NETADDR_V6 ? MM_HOST_V6 : MM_HOST_V4;
    forget(addresses);
    addresses->families[f].items[0] = *address;
    addresses->families[f].count = 1;
    merge(addresses);
}

void mm_host_addresses_cancel(struct mm_host_addresses *addresses)
{
    for (int f = 0; f < MM_HOST_FAMILIES; f++) {
        if (addresses->families[f].query != NULL) {
            mm_query_cancel(&addresses->families[f].query);
        }
    }
    addresses->pending = 0;
}
