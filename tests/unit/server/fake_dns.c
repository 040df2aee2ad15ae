/* fake_dns.c - names on virtual time: what a test says is answered after its
 * delay, all else does not exist. Thread: the test's. */
#include "fake_world.h"

enum { NAMES_MAX = 16 };

struct name {
    char name[256];
    enum mailmod_error error;
    struct mm_netaddr address;
    uint64_t delay_ms;
    const char *text;
};

static struct {
    struct name names[NAMES_MAX];
    size_t count;
    unsigned open;
    unsigned resolvers;
    unsigned asked;
} dns;

struct mm_resolver {
    struct mm_loop *loop;
};

struct mm_query {
    struct mm_timer timer;
    const struct name *name;
    mm_on_addresses on_addresses; /* or the next */
    mm_on_text on_text;
    mm_on_records on_records;
    mm_on_mx on_mx;
    void *context;
};

void fake_dns_say(const char *name, enum mailmod_error error,
                  const char *address, uint64_t delay_ms)
{
    struct name *said = &dns.names[dns.count++];

    assert_true(dns.count <= NAMES_MAX);
    memset(said, 0, sizeof *said);
    (void)mm_span_copy(mm_span_cstr(name), said->name, sizeof said->name);
    said->error = error;
    said->delay_ms = delay_ms;
    assert_true(address == NULL ||
                mm_netaddr_parse_ip(mm_span_cstr(address), &said->address));
}

void fake_dns_say_text(const char *text)
{
    dns.names[dns.count - 1].text = text;
}

void fake_dns_forget(void)
{
    assert_int_equal(dns.open, 0);
    assert_int_equal(dns.resolvers, 0);
    memset(&dns, 0, sizeof dns);
}

unsigned fake_dns_asked(void)
{
    return dns.asked;
}

enum mailmod_error mm_resolver_new(struct mm_resolver **resolver_out,
                                   struct mm_loop *loop,
                                   const struct mm_resolver_options *options)
{
    struct mm_resolver *resolver = mm_alloc(sizeof *resolver);

    (void)options;
    if (resolver == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    resolver->loop = loop;
    dns.resolvers++;
    *resolver_out = resolver;
    return MAILMOD_OK;
}

void mm_resolver_free(struct mm_resolver **resolver)
{
    dns.resolvers -= *resolver != NULL ? 1 : 0;
    mm_free(*resolver);
    *resolver = NULL;
}

static void free_query(struct mm_query *query)
{
    mm_timer_close(&query->timer);
    mm_free(query);
    dns.open--;
}

/* The name's text has its hosts. */
static void tell_mx(const struct name *name, mm_on_mx on_mx, void *context)
{
    struct mm_mx records[8];
    struct mm_span rest =
        mm_span_cstr(name != NULL && name->text != NULL ? name->text : "");
    size_t count = 0;

    while (rest.size > 0) {
        struct mm_span host;
        struct mm_span behind;

        if (!mm_span_cut(rest, ' ', &host, &behind)) {
            host = rest;
            behind.size = 0;
        }
        rest = behind;
        assert_true(count < 8);
        assert_true(mm_span_copy(host, records[count].host,
                                 sizeof records[count].host));
        records[count].preference = (unsigned)count;
        count++;
    }
    on_mx(context,
          name == NULL                ? MAILMOD_ERROR_DNS_NO_NAME
          : name->error != MAILMOD_OK ? name->error
          : count == 0                ? MAILMOD_ERROR_DNS_NO_DATA
                                      : MAILMOD_OK,
          records, count);
}

static void on_time(struct mm_timer *timer)
{
    struct mm_query *query = MM_LIST_OBJECT(timer, struct mm_query, timer);
    const struct name *name = query->name;
    mm_on_addresses on_addresses = query->on_addresses;
    mm_on_text on_text = query->on_text;
    mm_on_records on_records = query->on_records;
    mm_on_mx on_mx = query->on_mx;
    void *context = query->context;
    bool is_ok = name != NULL && name->error == MAILMOD_OK;

    free_query(query);
    if (on_mx != NULL) {
        tell_mx(name, on_mx, context);
        return;
    }
    if (on_records != NULL) {
        on_records(context,
                   name != NULL ? name->error : MAILMOD_ERROR_DNS_NO_NAME,
                   mm_span("", 0), false);
        return;
    }
    if (on_text != NULL) {
        on_text(
            context,
            name != NULL && name->text != NULL ? MAILMOD_OK
                                               : MAILMOD_ERROR_DNS_NO_DATA,
            mm_span_cstr(name != NULL && name->text != NULL ? name->text : ""));
        return;
    }
    on_addresses(context,
                 name != NULL ? name->error : MAILMOD_ERROR_DNS_NO_NAME,
                 is_ok ? &name->address : NULL, is_ok ? 1 : 0);
}

static enum mailmod_error new_query(struct mm_resolver *resolver,
                                    const char *host,
                                    struct mm_query **query_out)
{
    struct mm_query *query = mm_alloc(sizeof *query);

    if (query == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < dns.count; i++) {
        if (strcmp(dns.names[i].name, host) == 0) {
            query->name = &dns.names[i];
        }
    }
    dns.open++;
    assert_int_equal(mm_timer_open(&query->timer, resolver->loop, on_time),
                     MAILMOD_OK);
    mm_timer_set(&query->timer,
                 query->name != NULL ? query->name->delay_ms : 1);
    *query_out = query;
    return MAILMOD_OK;
}

enum mailmod_error mm_resolve_addresses(struct mm_resolver *resolver,
                                        const char *host,
                                        enum mm_netaddr_family family,
                                        mm_on_addresses on_addresses,
                                        void *context,
                                        struct mm_query **query_out)
{
    enum mailmod_error error = new_query(resolver, host, query_out);

    assert_int_equal(family, MM_NETADDR_V4);
    if (error == MAILMOD_OK) {
        (*query_out)->on_addresses = on_addresses;
        (*query_out)->context = context;
        dns.asked++;
    }
    return error;
}

enum mailmod_error mm_resolve_mx(struct mm_resolver *resolver,
                                 const char *domain, mm_on_mx on_mx,
                                 void *context, struct mm_query **query_out)
{
    enum mailmod_error error = new_query(resolver, domain, query_out);

    if (error == MAILMOD_OK) {
        (*query_out)->on_mx = on_mx;
        (*query_out)->context = context;
        dns.asked++;
    }
    return error;
}

enum mailmod_error mm_resolve_records(struct mm_resolver *resolver,
                                      const char *name, unsigned type,
                                      mm_on_records on_records, void *context,
                                      struct mm_query **query_out)
{
    enum mailmod_error error = new_query(resolver, name, query_out);

    (void)type;
    if (error == MAILMOD_OK) {
        (*query_out)->on_records = on_records;
        (*query_out)->context = context;
    }
    return error;
}

enum mailmod_error mm_resolve_text(struct mm_resolver *resolver,
                                   const char *name, mm_on_text on_text,
                                   void *context, struct mm_query **query_out)
{
    enum mailmod_error error = new_query(resolver, name, query_out);

    if (error == MAILMOD_OK) {
        (*query_out)->on_text = on_text;
        (*query_out)->context = context;
    }
    return error;
}
void mm_query_cancel(struct mm_query **query)
{
    if (*query != NULL) {
        free_query(*query);
        *query = NULL;
    }
}
