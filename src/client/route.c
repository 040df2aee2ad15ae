/* route.c - relay, literal or MX: which hosts, in which order, and which
 * addresses of each.
 *
 * Owns the list of hosts of one attempt and the queries in work. Promises that
 * the order is the one of RFC 5321 5.1 (preference; equal ones in random order;
 * all addresses of a host before the next), that mail never goes to a host
 * that is ourselves or less preferred than ourselves, nor into a network that
 * the operator refuses (delivery.refuses), unless he named the relay there; and
 * that a name server's silence never makes a permanent failure. A relay that is
 * a domain has the hosts of its SRV records, which nobody named: they are
 * refused as MX hosts are, and must prove whose they are. A relay behind
 * a proxy is looked up there; MX hosts are looked up here all the same, for it
 * is their addresses that may be refused or be ours.
 *
 * Law: BEGIN -> FINDING (MX query) -> HOSTS; HOSTS takes a host, resolves both
 * families, hands out its addresses, takes the next; then DEAD_END. What a
 * literal or a relay is goes from BEGIN to HOSTS at once.
 * Thread: loop. RFC 5321 5.1, RFC 7505 (null MX), RFC 2782 and 6186 (SRV). */
#include "client/route.h"

#include "base/host.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/host_addresses.h"
#include "client/mx.h"
#include "client/outcome.h"
#include "client/services.h"
#include "wire/addr/address.h"

#include <stdio.h>
#include <string.h>

enum route_state { BEGIN, FINDING, HOSTS, DEAD_END };
enum route_kind { KIND_DOMAIN, KIND_LITERAL, KIND_RELAY };

struct mm_route {
    struct mm_route_options options;
    char destination[MM_STORE_DESTINATION_MAX];
    char first_host[MM_STORE_HOST_MAX];
    enum route_kind kind;
    enum route_state state;
    uint64_t random;
    struct mm_query *mx_query; /* or that of SRV records */
    bool has_refused;          /* a host is in delivery.refuses */
    bool has_self;             /* we stand in the list */
    unsigned self_preference;
    struct mm_mx_list list;
    uint16_t ports[MM_LIMIT_MX_HOSTS]; /* of a service, by preference */
    char service_domain[MM_STORE_DESTINATION_MAX]; /* in A-labels */
    size_t host_next;
    struct mm_host_addresses addresses; /* of the host that was taken last */
    size_t address_next;
    bool is_temporary; /* some host's addresses are not known now */
    char why[128];     /* the last look-up that failed */
    enum mailmod_error why_error;
};

static void take_host(struct mm_route *route);

static void end_at(struct mm_route *route, enum mailmod_error error,
                   const char *status, const char *text)
{
    route->state = DEAD_END;
    struct mq_outcome outcome;
    mm_outcome_set(&outcome, error, status, "", text);
    outcome.is_destination_down = outcome.verdict == MQ_DEFERRED;
    route->options.on_hop(route->options.context, NULL, &outcome);
}

/* A time that is over is that of the name servers here. */
static const char *dns_words(enum mailmod_error error)
{
    return error == MAILMOD_ERROR_TIMEOUT ? "no name server answered in time"
                                          : mm_error_text(error);
}

/* No host is left. What a name server did not answer is never permanent; a
 * relay's faults are the operator's and never the message's. */
static void end_without_hosts(struct mm_route *route)
{
    if (route->kind == KIND_RELAY && route->has_refused) {
        end_at(route, MAILMOD_ERROR_REFUSED, "4.7.1",
               "its hosts are in a network that no mail goes to from here");
    } else if (route->is_temporary || route->kind == KIND_RELAY) {
        end_at(route,
               route->why_error != MAILMOD_OK ? route->why_error
                                              : MAILMOD_ERROR_CONFIG,
               "4.4.3",
               route->why[0] != '\0' ? route->why : "no host to send to");
    } else if (route->has_refused) {
        end_at(route, MAILMOD_ERROR_REFUSED, "5.7.1",
               "its mail hosts are in a network that no mail goes to from "
               "here");
    } else if (route->has_self) {
        end_at(route, MAILMOD_ERROR_DNS, "5.4.6",
               "mail for it loops back to this host");
    } else if (route->list.is_implicit) {
        end_at(route,
               route->why_error != MAILMOD_OK ? route->why_error
                                              : MAILMOD_ERROR_DNS_NO_DATA,
               "5.1.2", "the domain has no mail host");
    } else {
        end_at(route, MAILMOD_ERROR_DNS_NO_DATA, "5.4.4",
               "none of its mail hosts has an address");
    }
}

static bool is_own_name(const struct mm_route *route, const char *name)
{
    const char *own = route->options.config->host_name;
    return own != NULL && own[0] != '\0' && mm_cstr_equal_nocase(own, name);
}

/* One of the addresses that we listen on for mail; a wildcard says nothing. */
static bool is_own_address(const struct mm_route *route,
                           const struct mm_netaddr *address)
{
    const struct mm_address_list *own =
        &route->options.config->listen[MM_SERVICE_SMTP];
    for (size_t i = 0; i < own->count; i++) {
        if (own->items[i].port == address->port &&
            mm_netaddr_equal_ip(&own->items[i], address)) {
            return true;
        }
    }
    return false;
}

/* RFC 5321 5.1: "records with preference equal or greater are discarded". */
static void drop_from(struct mm_route *route, unsigned preference)
{
    while (route->list.count > 0 &&
           route->list.hosts[route->list.count - 1].preference >= preference) {
        route->list.count--;
    }
}

static void note_self(struct mm_route *route, unsigned preference)
{
    if (!route->has_self || preference < route->self_preference) {
        route->self_preference = preference;
    }
    route->has_self = true;
}

/* We stand in the list by name: from our place on it ends. */
static void drop_self(struct mm_route *route)
{
    for (size_t i = 0; i < route->list.count; i++) {
        if (is_own_name(route, route->list.hosts[i].name)) {
            note_self(route, route->list.hosts[i].preference);
        }
    }
    if (route->has_self) {
        drop_from(route, route->self_preference);
    }
}

static void end_without_answer(struct mm_route *route, enum mailmod_error error)
{
    char words[160];
    snprintf(words, sizeof words, "its mail hosts are not known: %s",
             dns_words(error));
    end_at(route, error, "4.4.3", words);
}

static void on_mx(void *context, enum mailmod_error error,
                  const struct mm_mx *records, size_t count)
{
    struct mm_route *route = context;
    route->mx_query = NULL;
    route->state = HOSTS;
    const struct mm_mx_answer answer = {.domain = route->destination,
                                        .error = error,
                                        .records = records,
                                        .count = count};
    error = mm_mx_list_read(&route->list, &answer, &route->random);
    switch (error) {
    case MAILMOD_OK:
        drop_self(route);
        take_host(route);
        break;
    case MAILMOD_ERROR_DNS_NULL_MX:
        end_at(route, MAILMOD_ERROR_DNS_NULL_MX, "5.1.10",
               "the domain accepts no mail (null MX)");
        break;
    case MAILMOD_ERROR_DNS_NO_NAME:
        end_at(route, error, "5.1.2", "the domain does not exist");
        break;
    default:
        end_without_answer(route, error);
        break;
    }
}

static uint16_t port_of(const struct mm_route *route)
{
    const struct mm_relay *relay = &route->options.relay;
    if (route->kind != KIND_RELAY) {
        return (uint16_t)route->options.config->delivery.port;
    }
    /* A relay's preference is its place in the row. */
    unsigned place = route->list.hosts[route->host_next - 1].preference;
    if (relay->has_srv) {
        return route->ports[place];
    }
    return (uint16_t)(place == 0 ? relay->port : relay->others[place - 1].port);
}

/* A host that turns out to be us ends the list as its name would have. The
 * relay may be anything that the operator says. */
static bool leads_to_self(struct mm_route *route, const struct mm_mx_host *host)
{
    if (route->kind == KIND_RELAY) {
        return false;
    }
    for (size_t i = 0; i < route->addresses.count; i++) {
        struct mm_netaddr address = route->addresses.items[i];
        address.port = port_of(route);
        if (is_own_address(route, &address)) {
            note_self(route, host->preference);
            drop_from(route, host->preference);
            return true;
        }
    }
    return false;
}

/* The operator named the host himself, and no record did. */
static bool is_named(const struct mm_route *route)
{
    return route->kind == KIND_RELAY && !route->options.relay.has_srv;
}

/* What the operator keeps us from: not by an MX record, not by a literal. What
 * he named himself he may have anywhere. */
static void drop_refused(struct mm_route *route)
{
    const struct mm_range_list *refuses =
        &route->options.config->delivery.refuses;
    struct mm_host_addresses *addresses = &route->addresses;
    size_t count = 0;
    for (size_t i = 0; i < addresses->count && !is_named(route); i++) {
        if (mm_range_list_has(refuses, &addresses->items[i])) {
            route->has_refused = true;
        } else {
            addresses->items[count++] = addresses->items[i];
        }
    }
    if (!is_named(route)) {
        addresses->count = count;
    }
}

struct mm_endpoint mm_route_hop_endpoint(const struct mm_route_hop *hop)
{
    return (struct mm_endpoint){.host = hop->host, .address = hop->address};
}

/* What an unproved SRV record says must not be who gets the login: a host
 * elsewhere must prove that it is the domain's (RFC 6186 6). */
static void write_tls_name(const struct mm_route *route,
                           struct mm_route_hop *hop)
{
    bool is_elsewhere = route->kind == KIND_RELAY &&
                        route->options.relay.has_srv &&
                        !mm_service_is_of(hop->host, route->service_domain);
    const char *name = is_elsewhere ? route->service_domain : hop->host;
    (void)mm_span_copy(mm_span_cstr(name), hop->tls_name, sizeof hop->tls_name);
}

/* `address` NULL: as the proxy finds it. */
static struct mm_route_hop hop_to(const struct mm_route *route,
                                  const struct mm_netaddr *address)
{
    struct mm_route_hop hop = {.proxy = NULL};
    if (address != NULL) {
        hop.address = *address;
    }
    hop.address.port = port_of(route);
    memcpy(hop.host, route->list.hosts[route->host_next - 1].name,
           sizeof hop.host);
    write_tls_name(route, &hop);
    const struct mm_endpoint target = mm_route_hop_endpoint(&hop);
    hop.proxy = mm_config_proxy_for(route->options.config,
                                    route->options.relay.proxy, &target);
    return hop;
}

static void hand_out(struct mm_route *route)
{
    struct mm_route_hop hop =
        hop_to(route, &route->addresses.items[route->address_next++]);
    route->options.on_hop(route->options.context, &hop, NULL);
}

/* A relay that its proxy looks up: one hop, whatever addresses it has. */
static bool hand_out_by_name(struct mm_route *route)
{
    if (!is_named(route)) {
        return false;
    }
    struct mm_route_hop hop = hop_to(route, NULL);
    if (hop.proxy == NULL) {
        return false;
    }
    route->addresses.count = 0;
    route->address_next = 0;
    route->options.on_hop(route->options.context, &hop, NULL);
    return true;
}

/* What may be otherwise tomorrow is told rather than what will not. */
static void note_failure(struct mm_route *route, enum mailmod_error error)
{
    bool is_temporary = error != MAILMOD_ERROR_DNS_NO_NAME &&
                        error != MAILMOD_ERROR_DNS_NO_DATA;
    if (route->is_temporary && !is_temporary && route->why[0] != '\0') {
        return;
    }
    route->is_temporary = route->is_temporary || is_temporary;
    route->why_error = error;
    if (snprintf(route->why, sizeof route->why, "no address of %.60s: %.60s",
                 route->list.hosts[route->host_next - 1].name,
                 dns_words(error)) < 0) {
        route->why[0] = '\0';
    }
}

static struct mm_config_families families_of(const struct mm_route *route)
{
    return mm_config_families_for(route->options.config,
                                  route->options.relay.route);
}

static void note_failures(struct mm_route *route)
{
    struct mm_config_families families = families_of(route);
    for (int f = 0; f < MM_HOST_FAMILIES; f++) {
        enum mailmod_error error = route->addresses.families[f].error;
        if (error != MAILMOD_OK) {
            note_failure(route, error);
        }
        /* It may have addresses of the family that is switched off here. */
        if (error == MAILMOD_ERROR_DNS_NO_DATA &&
            !(families.v6 && families.v4)) {
            route->is_temporary = true;
        }
    }
}

static void use_addresses(struct mm_route *route)
{
    note_failures(route);
    route->address_next = 0;
    if (leads_to_self(route, &route->list.hosts[route->host_next - 1])) {
        route->addresses.count = 0;
    }
    drop_refused(route);
    if (route->addresses.count > 0) {
        hand_out(route);
    } else {
        take_host(route);
    }
}

static void on_addresses(struct mm_host_addresses *addresses)
{
    use_addresses(MM_LIST_OBJECT(addresses, struct mm_route, addresses));
}

/* A host given by its address: a literal, or a relay's setting. */
static bool take_ip(struct mm_route *route, const char *name)
{
    struct mm_config_families families = families_of(route);
    struct mm_netaddr address;
    if (route->kind == KIND_DOMAIN ||
        !mm_netaddr_parse_ip(mm_span_cstr(name), &address)) {
        return false;
    }
    mm_host_addresses_set(&route->addresses, &address);
    if (!(address.family == MM_NETADDR_V6 ? families.v6 : families.v4)) {
        route->addresses.count = 0;
        note_failure(route, MAILMOD_ERROR_UNREACHABLE);
    }
    return true;
}

/* Who may have the mail already is asked before it goes to somebody else. */
static void put_first(struct mm_route *route)
{
    struct mm_mx_list *list = &route->list;
    size_t at = 0;
    while (at < list->count &&
           !mm_cstr_equal_nocase(list->hosts[at].name, route->first_host)) {
        at++;
    }
    if (at < list->count) {
        struct mm_mx_host host = list->hosts[at];
        memmove(&list->hosts[1], &list->hosts[0], at * sizeof host);
        list->hosts[0] = host;
    }
}

static void take_host(struct mm_route *route)
{
    if (route->host_next == 0 && route->first_host[0] != '\0') {
        put_first(route);
    }
    if (route->host_next >= route->list.count) {
        end_without_hosts(route);
        return;
    }
    const char *name = route->list.hosts[route->host_next++].name;
    if (take_ip(route, name)) {
        use_addresses(route);
        return;
    }
    if (hand_out_by_name(route)) {
        return;
    }
    struct mm_config_families families = families_of(route);
    const struct mm_host_question question = {.resolver =
                                                  route->options.resolver,
                                              .host = name,
                                              .wants_v6 = families.v6,
                                              .wants_v4 = families.v4,
                                              .prefers = families.prefers,
                                              .is_chosen = is_named(route)};
    if (!mm_host_addresses_ask(&route->addresses, &question)) {
        use_addresses(route);
    }
}

/* The address inside "[...]" of RFC 5321 4.1.3. */
static bool read_literal(const char *destination, struct mm_netaddr *out)
{
    char text[MM_STORE_DESTINATION_MAX + 16];
    struct mm_address address;
    if (snprintf(text, sizeof text, "postmaster@%s", destination) < 0 ||
        mm_address_parse(mm_span_cstr(text), false, false, &address) !=
            MAILMOD_OK ||
        address.domain_form != MM_DOMAIN_ADDRESS) {
        return false;
    }
    *out = address.literal;
    return true;
}

/* By its A-labels: the name is SNI's and the certificate's too. */
static void add_relay(struct mm_route *route, const char *text, unsigned place)
{
    struct mm_host host;
    char name[MM_STORE_DESTINATION_MAX];
    if (mm_host_parse(mm_span_cstr(text), &host)) {
        mm_destination_canonical(host.text, name);
        mm_mx_list_add(&route->list, name, place, 0);
    }
}

static const char *service_of(const struct mm_route *route)
{
    return route->options.relay.tls == MM_CONFIG_TLS_IMPLICIT ? "_submissions"
                                                              : "_submission";
}

/* The operator's: mail waits, whatever is wrong with it. */
static void end_without_service(struct mm_route *route,
                                enum mailmod_error error, const char *why)
{
    char words[400];
    if (snprintf(words, sizeof words, "SRV records %s._tcp.%.200s: %.100s",
                 service_of(route), route->service_domain, why) < 0) {
        words[0] = '\0';
    }
    end_at(route, error, "4.4.3", words);
}

static void on_srv(void *context, enum mailmod_error error,
                   const struct mm_srv_record *records, size_t count)
{
    struct mm_route *route = context;
    struct mm_srv_record hosts[MM_LIMIT_MX_HOSTS];
    route->mx_query = NULL;
    route->state = HOSTS;
    if (error != MAILMOD_OK) {
        end_without_service(route, error, dns_words(error));
        return;
    }
    count = mm_services_order(records, count, hosts, &route->random);
    if (count == 0) {
        end_without_service(route, MAILMOD_ERROR_DNS_NO_DATA,
                            "the service is not offered");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        route->ports[i] = hosts[i].port;
        mm_mx_list_add(&route->list, hosts[i].host, (unsigned)i, 0);
    }
    take_host(route);
}

static void find_service(struct mm_route *route)
{
    char name[320];
    route->state = FINDING;
    mm_destination_canonical(route->options.relay.host, route->service_domain);
    if (snprintf(name, sizeof name, "%s._tcp.%s", service_of(route),
                 route->service_domain) < 0) {
        name[0] = '\0';
    }
    enum mailmod_error error = mm_resolve_srv(route->options.resolver, name,
                                              on_srv, route, &route->mx_query);
    if (error != MAILMOD_OK) {
        end_without_service(route, error, mm_error_text(error));
    }
}

static void begin(struct mm_route *route)
{
    const struct mm_relay *relay = &route->options.relay;
    route->state = HOSTS;
    if (mm_relay_is_set(relay)) {
        route->kind = KIND_RELAY;
        if (relay->has_srv) {
            find_service(route);
            return;
        }
        add_relay(route, relay->host, 0);
        for (size_t i = 0; i < relay->other_count; i++) {
            add_relay(route, relay->others[i].host, (unsigned)i + 1);
        }
        take_host(route);
        return;
    }
    struct mm_netaddr literal;
    if (route->destination[0] == '[') {
        route->kind = KIND_LITERAL;
        if (!read_literal(route->destination, &literal)) {
            end_at(route, MAILMOD_ERROR_SYNTAX, "5.1.2",
                   "not an address that mail can go to");
            return;
        }
        char text[MM_NETADDR_TEXT_MAX];
        mm_netaddr_format_ip(&literal, text);
        mm_mx_list_add(&route->list, text, 0, 0);
        take_host(route);
        return;
    }
    route->state = FINDING;
    enum mailmod_error error =
        mm_resolve_mx(route->options.resolver, route->destination, on_mx, route,
                      &route->mx_query);
    if (error == MAILMOD_ERROR_SYNTAX) {
        end_at(route, error, "5.1.2",
               "the domain is no name that the DNS can have");
    } else if (error != MAILMOD_OK) {
        end_at(route, error, "4.4.3", "its mail hosts cannot be asked for now");
    }
}

void mm_route_next(struct mm_route *route)
{
    if (route->state == BEGIN) {
        begin(route);
    } else if (route->state == HOSTS &&
               route->address_next < route->addresses.count) {
        hand_out(route);
    } else if (route->state == HOSTS) {
        take_host(route);
    }
}

bool mm_route_has_next(const struct mm_route *route)
{
    return route->state == HOSTS &&
           (route->address_next < route->addresses.count ||
            route->host_next < route->list.count);
}

void mm_route_leave_host(struct mm_route *route)
{
    if (route->host_next < route->list.count) {
        route->address_next = route->addresses.count;
    }
}

enum mailmod_error mm_route_new(struct mm_route **route_out,
                                const struct mm_route_options *options)
{
    struct mm_route *route = mm_alloc(sizeof *route);
    if (route == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    route->options = *options;
    route->random = options->seed;
    route->addresses.on_answer = on_addresses;
    route->options.destination = route->destination;
    route->options.first_host = route->first_host;
    if (!mm_span_copy(mm_span_cstr(options->destination), route->destination,
                      sizeof route->destination) ||
        !mm_span_copy(mm_span_cstr(options->first_host), route->first_host,
                      sizeof route->first_host)) {
        mm_free(route);
        return MAILMOD_ERROR_TOO_LARGE;
    }
    *route_out = route;
    return MAILMOD_OK;
}

void mm_route_free(struct mm_route **route)
{
    if (*route == NULL) {
        return;
    }
    mm_host_addresses_cancel(&(*route)->addresses);
    if ((*route)->mx_query != NULL) {
        mm_query_cancel(&(*route)->mx_query);
    }
    mm_free(*route);
    *route = NULL;
}
