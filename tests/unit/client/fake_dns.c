/* fake_dns.c - a name server without a network. Thread: the test's. */
#include "fake_world.h"

static struct name *find_name(const char *text, bool makes)
{
    for (size_t i = 0; i < world.name_count; i++) {
        if (mm_cstr_equal_nocase(world.names[i].name, text)) {
            return &world.names[i];
        }
    }
    if (!makes) {
        return NULL;
    }
    assert_true(world.name_count < NAMES_MAX);
    struct name *name = &world.names[world.name_count++];
    memset(name, 0, sizeof *name);
    strcpy(name->name, text);
    return name;
}

void fake_dns_mx(const char *text, const char *records)
{
    struct name *name = find_name(text, true);
    struct mm_span rest = mm_span_cstr(records);
    name->record_count = 0;
    while (rest.size > 0) {
        struct mm_span record;
        struct mm_span preference;
        struct mm_span host;
        uint64_t number = 0;
        if (!mm_span_cut(rest, ',', &record, &rest)) {
            rest = mm_span(NULL, 0);
        }
        assert_true(mm_span_cut(mm_span_trim(record), ' ', &preference, &host));
        assert_true(mm_span_to_u64(preference, &number));
        assert_true(name->record_count < 64);
        struct mm_mx *mx = &name->records[name->record_count++];
        mx->preference = (unsigned)number;
        if (mm_span_is(host, ".")) {
            host.size = 0;
        }
        assert_true(mm_span_copy(host, mx->host, sizeof mx->host));
    }
}

void fake_dns_srv(const char *text, unsigned priority, unsigned weight,
                  unsigned port, const char *host)
{
    struct name *name = find_name(text, true);
    assert_true(name->service_count < 8);
    struct mm_srv_record *srv = &name->services[name->service_count++];
    srv->priority = priority;
    srv->weight = weight;
    srv->port = (uint16_t)port;
    strcpy(srv->host, host);
}

void fake_dns_addresses(const char *text, const char *addresses)
{
    struct name *name = find_name(text, true);
    struct mm_span rest = mm_span_cstr(addresses);
    name->v4_count = 0;
    name->v6_count = 0;
    while (rest.size > 0) {
        struct mm_span item;
        struct mm_netaddr address;
        if (!mm_span_cut(rest, ',', &item, &rest)) {
            rest = mm_span(NULL, 0);
        }
        assert_true(mm_netaddr_parse_ip(mm_span_trim(item), &address));
        if (address.family == MM_NETADDR_V4) {
            name->v4[name->v4_count++] = address;
        } else {
            name->v6[name->v6_count++] = address;
        }
    }
}

void fake_dns_error(const char *text, char type, enum mailmod_error error)
{
    struct name *name = find_name(text, true);
    if (type == 'M' || type == 0) {
        name->mx_error = error;
    }
    if (type == '4' || type == 0) {
        name->v4_error = error;
    }
    if (type == '6' || type == 0) {
        name->v6_error = error;
    }
}

void fake_dns_silence(const char *text)
{
    fake_dns_error(text, 0, MAILMOD_ERROR_TIMEOUT);
    find_name(text, true)->silence_ms = 20000;
}

unsigned fake_dns_questions(void)
{
    return world.questions;
}

enum mailmod_error mm_resolver_new(struct mm_resolver **resolver_out,
                                   struct mm_loop *loop,
                                   const struct mm_resolver_options *options)
{
    (void)loop;
    (void)options;
    *resolver_out = &world.resolver;
    return MAILMOD_OK;
}

void mm_resolver_free(struct mm_resolver **resolver)
{
    *resolver = NULL;
}

static struct mm_query *ask(const char *name, char type, void *context)
{
    bool may_fail = fake_pause_faults();
    struct mm_query *query = mm_alloc(sizeof *query);
    assert_non_null(query);
    fake_resume_faults(may_fail);
    strcpy(query->name, name);
    query->type = type;
    query->context = context;
    world.questions++;
    const struct name *known = find_name(name, false);
    uint64_t silence_ms = known != NULL ? known->silence_ms : 0;
    fake_add_event(EVENT_ANSWER, NULL, LATENCY_MS + silence_ms)->query = query;
    return query;
}

enum mailmod_error mm_resolve_mx(struct mm_resolver *resolver,
                                 const char *domain, mm_on_mx on_mx,
                                 void *context, struct mm_query **query_out)
{
    (void)resolver;
    *query_out = ask(domain, 'M', context);
    (*query_out)->on_mx = on_mx;
    return MAILMOD_OK;
}

enum mailmod_error mm_resolve_srv(struct mm_resolver *resolver,
                                  const char *name, mm_on_srv on_srv,
                                  void *context, struct mm_query **query_out)
{
    (void)resolver;
    *query_out = ask(name, 'S', context);
    (*query_out)->on_srv = on_srv;
    return MAILMOD_OK;
}

enum mailmod_error mm_resolve_addresses(struct mm_resolver *resolver,
                                        const char *host,
                                        enum mm_netaddr_family family,
                                        mm_on_addresses on_addresses,
                                        void *context,
                                        struct mm_query **query_out)
{
    (void)resolver;
    *query_out = ask(host, family == MM_NETADDR_V4 ? '4' : '6', context);
    (*query_out)->on_addresses = on_addresses;
    return MAILMOD_OK;
}

/* What only the hosts file knows begins with "hosts-". */
enum mailmod_error mm_resolve_host(struct mm_resolver *resolver,
                                   const char *host,
                                   enum mm_netaddr_family family,
                                   mm_on_addresses on_addresses, void *context,
                                   struct mm_query **query_out)
{
    (void)resolver;
    *query_out = ask(host, family == MM_NETADDR_V4 ? '4' : '6', context);
    (*query_out)->on_addresses = on_addresses;
    (*query_out)->has_hosts = true;
    return MAILMOD_OK;
}

void mm_query_cancel(struct mm_query **query)
{
    (*query)->is_cancelled = true;
    *query = NULL;
}

static void answer_addresses(const struct mm_query *query,
                             const struct mm_netaddr *addresses, size_t count,
                             enum mailmod_error error)
{
    if (error == MAILMOD_OK && count == 0) {
        error = MAILMOD_ERROR_DNS_NO_DATA;
    }
    fake_resume_faults(true);
    query->on_addresses(query->context, error, addresses,
                        error == MAILMOD_OK ? count : 0);
    fake_pause_faults();
}

static void answer_services(const struct mm_query *query,
                            const struct name *name)
{
    enum mailmod_error error = name->mx_error;
    if (error == MAILMOD_OK && name->service_count == 0) {
        error = MAILMOD_ERROR_DNS_NO_DATA;
    }
    fake_resume_faults(true);
    query->on_srv(query->context, error, name->services,
                  error == MAILMOD_OK ? name->service_count : 0);
    fake_pause_faults();
}

void fake_answer(const struct mm_query *query)
{
    static struct name unknown = {.mx_error = MAILMOD_ERROR_DNS_NO_NAME,
                                  .v4_error = MAILMOD_ERROR_DNS_NO_NAME,
                                  .v6_error = MAILMOD_ERROR_DNS_NO_NAME};
    if (query->is_cancelled) {
        return;
    }
    const struct name *name = find_name(query->name, false);
    bool is_hosts = strncmp(query->name, "hosts-", 6) == 0;
    name = name != NULL && (query->has_hosts || !is_hosts) ? name : &unknown;
    if (query->type == '4') {
        answer_addresses(query, name->v4, name->v4_count, name->v4_error);
    } else if (query->type == '6') {
        answer_addresses(query, name->v6, name->v6_count, name->v6_error);
    } else if (query->type == 'S') {
        answer_services(query, name);
    } else {
        enum mailmod_error error = name->mx_error;
        if (error == MAILMOD_OK && name->record_count == 0) {
            error = MAILMOD_ERROR_DNS_NO_DATA;
        }
        fake_resume_faults(true);
        query->on_mx(query->context, error, name->records,
                     error == MAILMOD_OK ? name->record_count : 0);
        fake_pause_faults();
    }
}
