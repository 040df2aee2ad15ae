/* resolver.c - names to MX hosts, addresses, texts and whole answers.
 *
 * One a loop, for whoever asks on it. Owns the open questions and the channels
 * of c-ares that they are put on: the last one has the present servers, the
 * former ones only finish what they have. Which servers those are is looked at
 * before a question: options given since (from any thread), and the system's
 * own list, which laptops, containers and DHCP clients change under a running
 * program. A question without an answer is put again, as often as the options
 * say, to each server.
 * c-ares may call back inside a call into it; so its callback only copies and
 * checks the answer, and the owner hears of it from the loop. For the same
 * reason nothing here cancels inside c-ares: a cancelled question stays until
 * its answer or time-out comes and is dropped then; a channel is closed only in
 * tasks of the loop, in mm_resolver_free and when the loop stops, and these are
 * never inside a callback of c-ares.
 * With a way of the owner's (a proxy) all questions go by it, over TCP.
 * "localhost" (RFC 6761 6.3) and literal addresses are answered here; the hosts
 * file is read for mm_resolve_host alone. Thread: the loop's. */
#include "io/loop_internal.h"
#include "io/resolver_internal.h"

#include "base/mem.h"
#include "platform/idn.h"
#include "platform/net.h"

#include <string.h>

/* A page of ours never asks for so many at a time. */
#define QUERIES_MAX 100000
/* How old the look at the system's list of servers may be. */
#define LOOK_MS 2000
#define TRIES_MAX 10
#define TRIES 3 /* as dns.tries begins */

struct mm_query {
    struct mm_list node;          /* in the resolver's list */
    struct mm_resolver *resolver; /* NULL once that is gone */
    struct mm_task task;
    struct mm_dns_question question;
    char name[256];
    enum mm_dns_type type;
    mm_on_mx on_mx;
    mm_on_srv on_srv;
    mm_on_addresses on_addresses;
    mm_on_text on_text;
    mm_on_records on_records;
    void *context;
    struct mm_dns_result result;
    unsigned tries_left;
    bool is_answered; /* the task is with the loop */
    bool is_cancelled;
    bool is_telling; /* inside the owner's callback */
};

/* What is asked; a copy of the owner's options. */
struct settings {
    char *servers;
    char *servers_file;
    char *hosts_file;
    uint64_t timeout_ms;
    unsigned tries;
    bool validates;
    struct mm_resolver_way way; /* start NULL: none */
};

struct mm_resolver {
    struct mm_resident resident;
    struct mm_loop *loop;
    struct mm_list channels; /* the present one is the last */
    bool is_stopped;
    struct mm_list queries;
    size_t query_count;
    struct settings settings;
    bool is_stale;  /* the present channel has not the present settings */
    uint64_t stamp; /* of the system's list, when it was last looked at */
    uint64_t looked_ms;
    struct mm_mutex *lock; /* guards what follows */
    struct settings given;
    bool is_given;
};

static void settings_fini(struct settings *settings)
{
    mm_free(settings->servers);
    mm_free(settings->servers_file);
    mm_free(settings->hosts_file);
    if (settings->way.start != NULL) {
        settings->way.unref(&settings->way.context);
    }
    memset(settings, 0, sizeof *settings);
}

static bool copy_text(char **copy_out, const char *text)
{
    *copy_out = text != NULL ? mm_strdup(text) : NULL;
    return text == NULL || *copy_out != NULL;
}

static enum mailmod_error
settings_init(struct settings *settings,
              const struct mm_resolver_options *options)
{
    bool has_memory =
        copy_text(&settings->servers,
                  options->servers != NULL ? options->servers : "") &&
        copy_text(&settings->servers_file, options->servers_file) &&
        copy_text(&settings->hosts_file, options->hosts_file);
    settings->timeout_ms = options->timeout_ms;
    settings->tries = options->tries == 0          ? TRIES
                      : options->tries > TRIES_MAX ? TRIES_MAX
                                                   : options->tries;
    settings->validates = options->validates;
    if (options->way != NULL) {
        settings->way = *options->way;
        settings->way.context = options->way->ref(options->way->context);
    }
    return has_memory ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

/* The former channel, if any, stays for what it has. */
static enum mailmod_error open_channel(struct mm_resolver *resolver)
{
    const struct settings *settings = &resolver->settings;
    const struct mm_resolver_options options = {
        .servers = settings->servers,
        .servers_file = settings->servers_file,
        .timeout_ms = settings->timeout_ms,
        .way = settings->way.start != NULL ? &settings->way : NULL};
    struct mm_dns_channel *channel;
    enum mailmod_error error =
        mm_dns_channel_open(&channel, resolver->loop, &options);
    if (error == MAILMOD_OK) {
        mm_list_append(&resolver->channels, &channel->node);
    }
    return error;
}

static struct mm_dns_channel *present_channel(struct mm_resolver *resolver)
{
    return MM_LIST_OBJECT(resolver->channels.previous, struct mm_dns_channel,
                          node);
}

/* Former channels that have nothing to finish. */
static void close_idle(struct mm_resolver *resolver)
{
    struct mm_list *node = mm_list_first(&resolver->channels);
    while (node != NULL && node != resolver->channels.previous) {
        struct mm_list *next = node->next;
        struct mm_dns_channel *channel =
            MM_LIST_OBJECT(node, struct mm_dns_channel, node);
        if (channel->users == 0) {
            mm_dns_channel_close(&channel);
        }
        node = next;
    }
}

static bool take_given(struct mm_resolver *resolver)
{
    mm_mutex_lock(resolver->lock);
    bool is_given = resolver->is_given;
    if (is_given) {
        settings_fini(&resolver->settings);
        resolver->settings = resolver->given;
        memset(&resolver->given, 0, sizeof resolver->given);
        resolver->is_given = false;
    }
    mm_mutex_unlock(resolver->lock);
    return is_given;
}

/* A change that cannot be followed now (no memory, no descriptor) leaves the
 * present servers, and the next look finds it again. */
static void freshen(struct mm_resolver *resolver)
{
    bool is_changed = take_given(resolver) || resolver->is_stale;
    bool is_system = resolver->settings.servers[0] == '\0' &&
                     resolver->settings.way.start == NULL;
    uint64_t now_ms = mm_loop_now_ms(resolver->loop);
    uint64_t stamp = resolver->stamp;
    if (is_system && (is_changed || now_ms - resolver->looked_ms >= LOOK_MS)) {
        resolver->looked_ms = now_ms;
        stamp = mm_net_servers_stamp(resolver->settings.servers_file);
        is_changed = is_changed || stamp != resolver->stamp;
    }
    resolver->is_stale = is_changed && open_channel(resolver) != MAILMOD_OK;
    if (is_changed && !resolver->is_stale) {
        resolver->stamp = stamp;
    }
    close_idle(resolver);
}

static void query_free(struct mm_query *query)
{
    if (query->resolver != NULL) {
        query->resolver->query_count--;
    }
    mm_list_remove(&query->node);
    mm_list_remove(&query->task.node);
    mm_dns_result_fini(&query->result);
    mm_free(query);
}

static void tell_outcome(struct mm_query *query)
{
    const struct mm_dns_result *result = &query->result;
    if (query->question.is_whole) {
        query->on_records(query->context, result->error,
                          mm_buf_span(&result->text), result->is_authenticated);
        return;
    }
    switch (query->type) {
    case MM_DNS_MX:
        query->on_mx(query->context, result->error, result->hosts,
                     result->count);
        break;
    case MM_DNS_SRV:
        query->on_srv(query->context, result->error, result->services,
                      result->count);
        break;
    case MM_DNS_TXT:
        query->on_text(query->context, result->error,
                       mm_buf_span(&result->text));
        break;
    default:
        query->on_addresses(query->context, result->error, result->addresses,
                            result->count);
        break;
    }
}

static void ask(struct mm_query *query);

static bool is_to_be_put_again(const struct mm_query *query)
{
    return query->result.error == MAILMOD_ERROR_TIMEOUT &&
           query->tries_left > 0 && !query->is_cancelled &&
           query->resolver != NULL && !query->resolver->is_stopped;
}

static void on_told(struct mm_task *task)
{
    struct mm_query *query = MM_LIST_OBJECT(task, struct mm_query, task);
    if (is_to_be_put_again(query)) {
        query->is_answered = false;
        ask(query);
        return;
    }
    if (query->resolver != NULL) {
        close_idle(query->resolver);
        query->resolver->query_count--;
        query->resolver = NULL;
    }
    /* Out of the resolver's list: the owner may free the resolver now. */
    mm_list_remove(&query->node);
    if (!query->is_cancelled) {
        query->is_telling = true;
        tell_outcome(query);
    }
    query_free(query);
}

static void finish(struct mm_query *query)
{
    query->is_answered = true;
    query->task.run = on_told;
    mm_loop_soon(query->resolver->loop, &query->task);
}

static void on_answer(void *context, enum mailmod_error error,
                      const uint8_t *answer, size_t size)
{
    struct mm_query *query = context;
    query->result.error = error;
    if (error == MAILMOD_OK && !query->is_cancelled) {
        if (query->question.is_whole) {
            mm_dns_keep_answer(&query->result, answer, size);
            query->result.is_authenticated =
                query->result.is_authenticated &&
                query->resolver->settings.validates;
        } else {
            mm_dns_read_answer(&query->result, query->type, answer, size);
        }
    }
    finish(query);
}

/* The answer comes later in any case, its failure too. */
static void ask(struct mm_query *query)
{
    struct mm_resolver *resolver = query->resolver;
    freshen(resolver);
    query->tries_left--;
    enum mailmod_error error =
        mm_dns_channel_ask(present_channel(resolver), &query->question);
    if (error != MAILMOD_OK) {
        query->result.error = error;
        query->tries_left = 0;
        finish(query);
    }
}

static void close_channels(struct mm_resolver *resolver)
{
    resolver->is_stopped = true;
    struct mm_list *node = mm_list_first(&resolver->channels);
    while (node != NULL) {
        struct mm_dns_channel *channel =
            MM_LIST_OBJECT(node, struct mm_dns_channel, node);
        /* Every open query is answered CANCELLED in here. */
        mm_dns_channel_close(&channel);
        node = mm_list_first(&resolver->channels);
    }
}

static void on_stop(struct mm_resident *resident)
{
    close_channels(MM_LIST_OBJECT(resident, struct mm_resolver, resident));
}

enum mailmod_error mm_resolver_new(struct mm_resolver **resolver_out,
                                   struct mm_loop *loop,
                                   const struct mm_resolver_options *options)
{
    *resolver_out = NULL;
    struct mm_resolver *resolver = mm_alloc(sizeof *resolver);
    if (resolver == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    resolver->loop = loop;
    resolver->resident.on_stop = on_stop;
    mm_list_init(&resolver->resident.node);
    mm_list_init(&resolver->channels);
    mm_list_init(&resolver->queries);
    enum mailmod_error error = settings_init(&resolver->settings, options);
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&resolver->lock);
    }
    if (error == MAILMOD_OK) {
        resolver->stamp = mm_net_servers_stamp(options->servers_file);
        resolver->looked_ms = mm_loop_now_ms(loop);
        error = open_channel(resolver);
    }
    if (error == MAILMOD_OK) {
        error = mm_loop_admit(loop, &resolver->resident);
    }
    if (error != MAILMOD_OK) {
        mm_resolver_free(&resolver);
        return error;
    }
    *resolver_out = resolver;
    return MAILMOD_OK;
}

enum mailmod_error
mm_resolver_set_options(struct mm_resolver *resolver,
                        const struct mm_resolver_options *options)
{
    struct settings settings = {.servers = NULL};
    enum mailmod_error error = settings_init(&settings, options);
    if (error == MAILMOD_OK) {
        mm_mutex_lock(resolver->lock);
        settings_fini(&resolver->given);
        resolver->given = settings;
        resolver->is_given = true;
        mm_mutex_unlock(resolver->lock);
        return MAILMOD_OK;
    }
    settings_fini(&settings);
    return error;
}

void mm_resolver_free(struct mm_resolver **resolver_in)
{
    struct mm_resolver *resolver = *resolver_in;
    if (resolver == NULL) {
        return;
    }
    close_channels(resolver);
    struct mm_list *node = mm_list_first(&resolver->queries);
    while (node != NULL) {
        query_free(MM_LIST_OBJECT(node, struct mm_query, node));
        node = mm_list_first(&resolver->queries);
    }
    mm_list_remove(&resolver->resident.node);
    settings_fini(&resolver->settings);
    settings_fini(&resolver->given);
    mm_mutex_free(&resolver->lock);
    mm_free(resolver);
    *resolver_in = NULL;
}

/* With its name kept; SYNTAX when that can be none in the DNS. */
static enum mailmod_error query_new(struct mm_query **query_out,
                                    struct mm_resolver *resolver,
                                    const char *name, unsigned type,
                                    void *context)
{
    *query_out = NULL;
    if (resolver->is_stopped) {
        return MAILMOD_ERROR_STOPPED;
    }
    if (resolver->query_count >= QUERIES_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_query *query = mm_alloc(sizeof *query);
    if (query == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    query->resolver = resolver;
    query->type = (enum mm_dns_type)type;
    query->context = context;
    query->tries_left = resolver->settings.tries;
    memcpy(query->name, name, sizeof query->name);
    query->question = (struct mm_dns_question){.name = query->name,
                                               .type = type,
                                               .on_answer = on_answer,
                                               .context = query};
    mm_dns_result_init(&query->result);
    mm_list_init(&query->task.node);
    mm_list_init(&query->node);
    mm_list_append(&resolver->queries, &query->node);
    resolver->query_count++;
    *query_out = query;
    return MAILMOD_OK;
}

/* The name as the DNS has it: in A-labels, and one that can be asked for. */
static bool read_name(const char *text, char name_out[256])
{
    char ascii[MM_LIMIT_DOMAIN + 1];
    return mm_idn_to_ascii(mm_span_cstr(text), ascii) == MAILMOD_OK &&
           mm_dns_is_name(mm_span_cstr(ascii), name_out);
}

enum mailmod_error mm_resolve_mx(struct mm_resolver *resolver,
                                 const char *domain, mm_on_mx on_mx,
                                 void *context, struct mm_query **query_out)
{
    *query_out = NULL;
    char name[256];
    if (!read_name(domain, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        query_new(query_out, resolver, name, MM_DNS_MX, context);
    if (error == MAILMOD_OK) {
        (*query_out)->on_mx = on_mx;
        ask(*query_out);
    }
    return error;
}

enum mailmod_error mm_resolve_srv(struct mm_resolver *resolver,
                                  const char *name_in, mm_on_srv on_srv,
                                  void *context, struct mm_query **query_out)
{
    *query_out = NULL;
    char name[256];
    if (!read_name(name_in, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        query_new(query_out, resolver, name, MM_DNS_SRV, context);
    if (error == MAILMOD_OK) {
        (*query_out)->on_srv = on_srv;
        ask(*query_out);
    }
    return error;
}

enum mailmod_error mm_resolve_text(struct mm_resolver *resolver,
                                   const char *name_in, mm_on_text on_text,
                                   void *context, struct mm_query **query_out)
{
    *query_out = NULL;
    char name[256];
    if (!read_name(name_in, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        query_new(query_out, resolver, name, MM_DNS_TXT, context);
    if (error == MAILMOD_OK) {
        (*query_out)->on_text = on_text;
        ask(*query_out);
    }
    return error;
}

enum mailmod_error mm_resolve_records(struct mm_resolver *resolver,
                                      const char *name_in, unsigned type,
                                      mm_on_records on_records, void *context,
                                      struct mm_query **query_out)
{
    *query_out = NULL;
    char name[256];
    if (!read_name(name_in, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        query_new(query_out, resolver, name, type, context);
    if (error == MAILMOD_OK) {
        (*query_out)->question.is_whole = true;
        (*query_out)->on_records = on_records;
        ask(*query_out);
    }
    return error;
}

static enum mailmod_error answer_known(struct mm_query *query,
                                       const struct mm_netaddr *addresses,
                                       size_t count)
{
    struct mm_dns_result *result = &query->result;
    result->error = MAILMOD_ERROR_DNS_NO_DATA;
    if (count > 0) {
        result->addresses = mm_alloc_array(count, sizeof *addresses);
        if (result->addresses == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        memcpy(result->addresses, addresses, count * sizeof *addresses);
        result->count = count;
        result->error = MAILMOD_OK;
    }
    query->tries_left = 0;
    finish(query);
    return MAILMOD_OK;
}

static enum mailmod_error
ask_addresses(struct mm_resolver *resolver, const char *host,
              enum mm_netaddr_family family, const struct mm_dns_known *known,
              mm_on_addresses on_addresses, void *context,
              struct mm_query **query_out)
{
    char name[256] = "";
    if (!known->is_there && !read_name(host, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mm_dns_type type = family == MM_NETADDR_V4 ? MM_DNS_A : MM_DNS_AAAA;
    struct mm_query *query;
    enum mailmod_error error = query_new(&query, resolver, name, type, context);
    if (error != MAILMOD_OK) {
        return error;
    }
    query->on_addresses = on_addresses;
    if (known->is_there) {
        error = answer_known(query, known->addresses, known->count);
    } else {
        ask(query);
    }
    if (error != MAILMOD_OK) {
        query_free(query);
        return error;
    }
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
    struct mm_dns_known known;
    *query_out = NULL;
    if (family == MM_NETADDR_NONE) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    mm_dns_find_known(&known, host, family);
    return ask_addresses(resolver, host, family, &known, on_addresses, context,
                         query_out);
}

enum mailmod_error mm_resolve_host(struct mm_resolver *resolver,
                                   const char *host,
                                   enum mm_netaddr_family family,
                                   mm_on_addresses on_addresses, void *context,
                                   struct mm_query **query_out)
{
    struct mm_dns_known known;
    *query_out = NULL;
    if (family == MM_NETADDR_NONE) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    mm_dns_find_known(&known, host, family);
    char name[256];
    if (!known.is_there && read_name(host, name)) {
        mm_dns_read_hosts(&known, resolver->settings.hosts_file, name, family);
    }
    return ask_addresses(resolver, host, family, &known, on_addresses, context,
                         query_out);
}

void mm_query_cancel(struct mm_query **query_in)
{
    struct mm_query *query = *query_in;
    *query_in = NULL;
    if (query == NULL || query->is_telling) {
        return;
    }
    query->is_cancelled = true;
    if (query->is_answered) {
        query_free(query);
    }
}
