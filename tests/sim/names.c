/* names.c - io.h's resolver on virtual time: a table of names, answered late,
 * or not at all. Thread: the run's. */
#include "sim.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 64, ANSWERS_MAX = 4 };

static struct {
    struct name {
        char domain[64];
        char host[64];
        struct mm_netaddr address;
        unsigned preference;
    } rows[NAMES_MAX];
    size_t count;
    struct mm_list resolvers;
} names = {.resolvers = {&names.resolvers, &names.resolvers}};

struct mm_resolver {
    struct mm_list node;
    struct mm_list queries;
};

enum query_kind { QUERY_MX, QUERY_ADDRESSES, QUERY_TEXT, QUERY_RECORDS };

struct mm_query {
    struct mm_list node;
    enum query_kind kind;
    char name[256];
    enum mm_netaddr_family family;
    mm_on_mx on_mx;
    mm_on_srv on_srv;
    mm_on_addresses on_addresses;
    mm_on_text on_text;
    mm_on_records on_records;
    void *context;
    bool is_cancelled;
};

void sim_name_add(const char *domain, const char *host, const char *address,
                  unsigned preference)
{
    struct name *row = &names.rows[names.count++];
    if (names.count > NAMES_MAX ||
        !mm_netaddr_parse_ip(mm_span_cstr(address), &row->address)) {
        sim_fail("the name %s has no room", domain);
    }
    (void)snprintf(row->domain, sizeof row->domain, "%s", domain);
    (void)snprintf(row->host, sizeof row->host, "%s", host);
    row->preference = preference;
}

static void answer_mx(struct mm_query *query)
{
    struct mm_mx records[ANSWERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < names.count && count < ANSWERS_MAX; i++) {
        if (strcmp(names.rows[i].domain, query->name) == 0) {
            records[count].preference = names.rows[i].preference;
            (void)snprintf(records[count].host, sizeof records[count].host,
                           "%s", names.rows[i].host);
            count++;
        }
    }
    query->on_mx(query->context,
                 count > 0 ? MAILMOD_OK : MAILMOD_ERROR_DNS_NO_NAME, records,
                 count);
}

static void answer_addresses(struct mm_query *query)
{
    struct mm_netaddr addresses[ANSWERS_MAX];
    size_t count = 0;
    bool is_there = false;
    for (size_t i = 0; i < names.count && count < ANSWERS_MAX; i++) {
        if (strcmp(names.rows[i].host, query->name) == 0) {
            is_there = true;
            if (query->family == MM_NETADDR_V4) {
                addresses[count++] = names.rows[i].address;
            }
        }
    }
    enum mailmod_error error =
        is_there ? MAILMOD_ERROR_DNS_NO_DATA : MAILMOD_ERROR_DNS_NO_NAME;
    query->on_addresses(query->context, count > 0 ? MAILMOD_OK : error,
                        addresses, count);
}

static void answer_error(struct mm_query *query, enum mailmod_error error)
{
    if (query->on_mx != NULL) {
        query->on_mx(query->context, error, NULL, 0);
    } else if (query->on_addresses != NULL) {
        query->on_addresses(query->context, error, NULL, 0);
    } else if (query->on_srv != NULL) {
        query->on_srv(query->context, error, NULL, 0);
    } else if (query->on_text != NULL) {
        query->on_text(query->context, error, mm_span("", 0));
    } else {
        query->on_records(query->context, error, mm_span("", 0), false);
    }
}

static bool is_steady(const char *name)
{
    return strstr(name, "x0.test") != NULL;
}

static void answer(void *context)
{
    struct mm_query *query = context;
    mm_list_remove(&query->node);
    if (query->is_cancelled) {
        mm_free(query);
        return;
    }
    if (!is_steady(query->name) && sim_fault(SIM_FAULT_NAMES, 40)) {
        answer_error(query, sim_chance(500) ? MAILMOD_ERROR_DNS_SERVFAIL
                                            : MAILMOD_ERROR_TIMEOUT);
    } else if (query->kind == QUERY_MX) {
        answer_mx(query);
    } else if (query->kind == QUERY_ADDRESSES) {
        answer_addresses(query);
    } else {
        answer_error(query, MAILMOD_ERROR_DNS_NO_NAME);
    }
    mm_free(query);
}

static enum mailmod_error ask(struct mm_resolver *resolver, const char *name,
                              enum query_kind kind, void *context,
                              struct mm_query **query_out)
{
    struct mm_query *query = mm_alloc(sizeof *query);
    if (query == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (void)snprintf(query->name, sizeof query->name, "%s", name);
    query->kind = kind;
    query->context = context;
    mm_list_append(&resolver->queries, &query->node);
    bool is_slow = !is_steady(name) && sim_fault(SIM_FAULT_NAMES, 50);
    sim_after(is_slow ? sim_below(9000) : sim_between(1, 60), answer, query);
    *query_out = query;
    return MAILMOD_OK;
}

enum mailmod_error mm_resolver_new(struct mm_resolver **resolver_out,
                                   struct mm_loop *loop,
                                   const struct mm_resolver_options *options)
{
    (void)loop;
    (void)options;
    struct mm_resolver *resolver = mm_alloc(sizeof *resolver);
    if (resolver == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_list_init(&resolver->queries);
    mm_list_append(&names.resolvers, &resolver->node);
    *resolver_out = resolver;
    return MAILMOD_OK;
}

enum mailmod_error
mm_resolver_set_options(struct mm_resolver *resolver,
                        const struct mm_resolver_options *options)
{
    (void)resolver;
    (void)options;
    return MAILMOD_OK;
}

/* Its events still name the queries. */
void mm_resolver_free(struct mm_resolver **resolver)
{
    struct mm_list *node = NULL;
    if (*resolver == NULL) {
        return;
    }
    while ((node = mm_list_take_first(&(*resolver)->queries)) != NULL) {
        struct mm_query *query = MM_LIST_OBJECT(node, struct mm_query, node);
        query->is_cancelled = true;
        mm_list_init(node);
    }
    mm_list_remove(&(*resolver)->node);
    mm_free(*resolver);
    *resolver = NULL;
}

enum mailmod_error mm_resolve_mx(struct mm_resolver *resolver,
                                 const char *domain, mm_on_mx on_mx,
                                 void *context, struct mm_query **query_out)
{
    enum mailmod_error error =
        ask(resolver, domain, QUERY_MX, context, query_out);
    if (error == MAILMOD_OK) {
        (*query_out)->on_mx = on_mx;
    }
    return error;
}

enum mailmod_error mm_resolve_srv(struct mm_resolver *resolver,
                                  const char *name, mm_on_srv on_srv,
                                  void *context, struct mm_query **query_out)
{
    enum mailmod_error error =
        ask(resolver, name, QUERY_RECORDS, context, query_out);
    if (error == MAILMOD_OK) {
        (*query_out)->on_srv = on_srv;
    }
    return error;
}

enum mailmod_error mm_resolve_addresses(struct mm_resolver *resolver,
                                        const char *host,
                                        enum mm_netaddr_family family,
                                        mm_on_addresses on_addresses,
                                        void *context,
                                        struct mm_query **query_out)
{
    enum mailmod_error error =
        ask(resolver, host, QUERY_ADDRESSES, context, query_out);
    if (error == MAILMOD_OK) {
        (*query_out)->on_addresses = on_addresses;
        (*query_out)->family = family;
    }
    return error;
}

enum mailmod_error mm_resolve_host(struct mm_resolver *resolver,
                                   const char *host,
                                   enum mm_netaddr_family family,
                                   mm_on_addresses on_addresses, void *context,
                                   struct mm_query **query_out)
{
    return mm_resolve_addresses(resolver, host, family, on_addresses, context,
                                query_out);
}

enum mailmod_error mm_resolve_records(struct mm_resolver *resolver,
                                      const char *name, unsigned type,
                                      mm_on_records on_records, void *context,
                                      struct mm_query **query_out)
{
    (void)type;
    enum mailmod_error error =
        ask(resolver, name, QUERY_RECORDS, context, query_out);
    if (error == MAILMOD_OK) {
        (*query_out)->on_records = on_records;
    }
    return error;
}

enum mailmod_error mm_resolve_text(struct mm_resolver *resolver,
                                   const char *name, mm_on_text on_text,
                                   void *context, struct mm_query **query_out)
{
    enum mailmod_error error =
        ask(resolver, name, QUERY_TEXT, context, query_out);
    if (error == MAILMOD_OK) {
        (*query_out)->on_text = on_text;
    }
    return error;
}

void mm_query_cancel(struct mm_query **query)
{
    if (*query != NULL) {
        (*query)->is_cancelled = true;
        *query = NULL;
    }
}

void sim_names_end(void)
{
    names.count = 0;
}
