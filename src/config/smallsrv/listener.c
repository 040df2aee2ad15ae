/* listener.c - a listener by the names of the original engine.
 *
 * There a service had one address, one port and a flag for IPv6; here it has a
 * list of addresses with ports. Each name changes its part of the list.
 * Promises that a listener which nobody has configured begins as that engine's
 * would, on all of IPv4 at port 25 or 110, and that a port alone never widens
 * the addresses that somebody chose.
 * Thread: any (the builder's owner). */
#include "config/smallsrv/change.h"

#include "config/mistake.h"
#include "config/value.h"

#include <string.h>

enum { LISTEN_MAX = 64 };

struct addresses {
    struct mm_netaddr items[LISTEN_MAX + 1];
    size_t count;
};

static struct mm_netaddr any_address(bool is_v6, uint16_t port)
{
    static const uint8_t zeros[16];
    return is_v6 ? mm_netaddr_v6(zeros, port) : mm_netaddr_v4(zeros, port);
}

static uint16_t usual_port(const struct mm_config_key *key)
{
    return strcmp(key->name, "pop3.listen") == 0 ? 110 : 25;
}

/* Is it what it is without any configuration? */
static enum mailmod_error
look_for_default(const struct mm_smallsrv_change *change, bool *is_default_out)
{
    struct mm_buf text;
    mm_buf_init(&text, LISTEN_MAX * (MM_NETADDR_TEXT_MAX + 2));
    enum mailmod_error error =
        mm_config_value_format(change->key, change->config, &text);
    *is_default_out = mm_span_is(mm_buf_span(&text), change->key->default_text);
    mm_buf_fini(&text);
    return error;
}

/* One at least. */
static enum mailmod_error
take_addresses(const struct mm_smallsrv_change *change, struct addresses *out)
{
    const struct mm_address_list *list =
        mm_smallsrv_field(change->key, change->config);
    bool is_default;
    enum mailmod_error error = look_for_default(change, &is_default);
    out->count = 0;
    if (is_default || list->count == 0) {
        out->items[out->count++] = any_address(false, usual_port(change->key));
        return error;
    }
    for (size_t i = 0; i < list->count && i < LISTEN_MAX; i++) {
        out->items[out->count++] = list->items[i];
    }
    return error;
}

static bool is_there_before(const struct addresses *addresses, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (addresses->items[i].port == addresses->items[at].port &&
            mm_netaddr_equal_ip(&addresses->items[i], &addresses->items[at])) {
            return true;
        }
    }
    return false;
}

static enum mailmod_error put_addresses(const struct mm_smallsrv_change *change,
                                        const struct addresses *addresses)
{
    struct mm_buf text;
    mm_buf_init(&text, (LISTEN_MAX + 1) * (MM_NETADDR_TEXT_MAX + 2));
    for (size_t i = 0; i < addresses->count; i++) {
        if (is_there_before(addresses, i)) {
            continue;
        }
        char item[MM_NETADDR_TEXT_MAX];
        mm_netaddr_format(&addresses->items[i], item);
        (void)mm_buf_append_cstr(&text, i == 0 ? "" : ", ");
        (void)mm_buf_append_cstr(&text, item);
    }
    enum mailmod_error error = mm_buf_error(&text);
    if (error == MAILMOD_OK) {
        error = mm_config_value_parse(change->key, mm_buf_span(&text),
                                      change->config, change->mistake);
    }
    mm_buf_fini(&text);
    return error;
}

enum mailmod_error mm_smallsrv_set_port(const struct mm_smallsrv_change *change)
{
    uint64_t port;
    if (!mm_span_to_u64(change->text, &port) || port > 65535) {
        return mm_config_refuse(change->mistake,
                                "must be a port from 0 to 65535");
    }
    struct addresses addresses;
    enum mailmod_error error = take_addresses(change, &addresses);
    for (size_t i = 0; i < addresses.count; i++) {
        addresses.items[i].port = (uint16_t)port;
    }
    return error == MAILMOD_OK ? put_addresses(change, &addresses) : error;
}

/* An IPv4 address takes the place of those, an IPv6 one that of all. */
static enum mailmod_error bind_to(const struct mm_smallsrv_change *change,
                                  struct mm_netaddr address)
{
    struct addresses now;
    enum mailmod_error error = take_addresses(change, &now);
    address.port = now.items[0].port;
    struct addresses next;
    next.items[0] = address;
    next.count = 1;
    for (size_t i = 0; i < now.count; i++) {
        if (address.family == MM_NETADDR_V4 &&
            now.items[i].family == MM_NETADDR_V6) {
            next.items[next.count++] = now.items[i];
        }
    }
    return error == MAILMOD_OK ? put_addresses(change, &next) : error;
}

enum mailmod_error mm_smallsrv_set_bind(const struct mm_smallsrv_change *change)
{
    struct mm_netaddr address = any_address(false, 0);
    if (change->text.size > 0 && !mm_netaddr_parse_ip(change->text, &address)) {
        return mm_config_refuse(change->mistake,
                                "must be an address such as 192.0.2.1");
    }
    return bind_to(change, address);
}

enum mailmod_error mm_smallsrv_set_ipv6(const struct mm_smallsrv_change *change)
{
    struct addresses next = {.count = 0};
    bool has_v6 = false;
    struct addresses now;
    enum mailmod_error error = take_addresses(change, &now);
    for (size_t i = 0; i < now.count; i++) {
        bool is_v6 = now.items[i].family == MM_NETADDR_V6;
        has_v6 = has_v6 || is_v6;
        if (!is_v6 || change->is_on) {
            next.items[next.count++] = now.items[i];
        }
    }
    if (error == MAILMOD_OK && change->is_on == has_v6) {
        return MAILMOD_OK;
    }
    if (change->is_on) {
        next.items[next.count++] = any_address(true, now.items[0].port);
    }
    return error == MAILMOD_OK ? put_addresses(change, &next) : error;
}

enum mailmod_error
mm_smallsrv_set_closed(const struct mm_smallsrv_change *change)
{
    const struct mm_address_list *list =
        mm_smallsrv_field(change->key, change->config);
    if (change->is_on) {
        return mm_config_value_parse(change->key, mm_span(NULL, 0),
                                     change->config, change->mistake);
    }
    return list->count > 0
               ? MAILMOD_OK
               : mm_config_refuse(change->mistake,
                                  "the service is off; set %s to open it",
                                  change->key->name);
}

const struct mm_netaddr *
mm_smallsrv_main_address(const struct mm_config_key *key,
                         const struct mm_config *config)
{
    const struct mm_address_list *list = mm_smallsrv_field(key, config);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].family == MM_NETADDR_V4) {
            return &list->items[i];
        }
    }
    return list->count > 0 ? &list->items[0] : NULL;
}

bool mm_smallsrv_has_ipv6(const struct mm_config_key *key,
                          const struct mm_config *config)
{
    const struct mm_address_list *list = mm_smallsrv_field(key, config);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].family == MM_NETADDR_V6) {
            return true;
        }
    }
    return false;
}
