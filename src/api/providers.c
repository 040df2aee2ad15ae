/* providers.c - mailbox providers of the host's: added, found and taken away.
 *
 * Owns the list, and each provider by references: the list's and one for each
 * login. Promises: a provider's context is released once, when it is in no list
 * and no login has it, and with no lock held; the most particular provider is
 * found, whatever the order they came in.
 * Thread: any. RFC 2449 6.9 (the name that is shown). */
#include "api/providers.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"
#include "base/mem.h"
#include "config/services.h"

#include <string.h>

#define PROVIDERS_MAX 64

enum mailmod_error mm_providers_new(struct mm_providers **providers_out,
                                    const struct mm_log *log)
{
    struct mm_providers *providers = mm_alloc(sizeof *providers);

    *providers_out = providers;
    if (providers == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    providers->log = log;
    mm_list_init(&providers->all);
    enum mailmod_error error = mm_mutex_new(&providers->mutex);
    if (error != MAILMOD_OK) {
        mm_free(providers);
        *providers_out = NULL;
    }
    return error;
}

void mm_provider_unref(struct mm_host_provider **provider_in)
{
    struct mm_host_provider *provider = *provider_in;

    *provider_in = NULL;
    if (provider == NULL) {
        return;
    }
    mm_mutex_lock(provider->providers->mutex);
    bool is_last = --provider->references == 0;
    mm_mutex_unlock(provider->providers->mutex);
    if (is_last) {
        mm_context_release(&provider->context);
        mm_free(provider);
    }
}

void mm_providers_free(struct mm_providers **providers_in)
{
    struct mm_providers *providers = *providers_in;
    struct mm_list *node;

    *providers_in = NULL;
    if (providers == NULL) {
        return;
    }
    while ((node = mm_list_take_first(&providers->all)) != NULL) {
        struct mm_host_provider *provider =
            MM_LIST_OBJECT(node, struct mm_host_provider, node);

        mm_provider_unref(&provider);
    }
    mm_mutex_free(&providers->mutex);
    mm_free(providers);
}

void mm_providers_use_threads(struct mm_providers *providers,
                              struct mm_host_threads *threads)
{
    mm_mutex_lock(providers->mutex);
    providers->threads = threads;
    mm_mutex_unlock(providers->mutex);
}

/* By its listener. */
static bool stands_at(const struct mm_host_provider *provider,
                      const struct mm_mailbox_door *door)
{
    return (provider->service[0] == '\0' ||
            strcmp(provider->service, door->service) == 0) &&
           (provider->given.port == 0 ||
            (unsigned)provider->given.port == door->port);
}

/* The more particular, the higher: mailmod/provider.h. */
static int rank_of(const struct mm_host_provider *provider)
{
    return (provider->domain[0] != '\0' ? 4 : 0) +
           (provider->given.port != 0 ? 2 : 0) +
           (provider->service[0] != '\0' ? 1 : 0);
}

static bool is_in_domain(const char *name, const char *domain)
{
    const char *at = strrchr(name, '@');

    return at != NULL && mm_span_is_nocase(mm_span_cstr(at + 1), domain);
}

/* By the name that was given, too: a local domain is not in the other one. */
static bool has_user(const struct mm_host_provider *provider,
                     const struct mm_mailbox_client *client)
{
    return provider->domain[0] == '\0' ||
           is_in_domain(client->user, provider->domain) ||
           is_in_domain(client->given_name, provider->domain);
}

/* A client NULL: among those who have all that come in there. Locked. */
static struct mm_host_provider *find(struct mm_providers *providers,
                                     const struct mm_mailbox_door *door,
                                     const struct mm_mailbox_client *client)
{
    struct mm_host_provider *found = NULL;

    MM_LIST_EACH(node, &providers->all)
    {
        struct mm_host_provider *provider =
            MM_LIST_OBJECT(node, struct mm_host_provider, node);
        bool is_meant = client != NULL ? has_user(provider, client)
                                       : provider->domain[0] == '\0';

        if (is_meant && stands_at(provider, door) &&
            (found == NULL || rank_of(provider) > rank_of(found))) {
            found = provider;
        }
    }
    return found;
}

static void describe(void *context, const struct mm_mailbox_door *door,
                     struct mm_mailbox_sign *sign_out)
{
    struct mm_providers *providers = context;

    mm_mutex_lock(providers->mutex);
    MM_LIST_EACH(node, &providers->all)
    {
        sign_out->needs_password |= stands_at(
            MM_LIST_OBJECT(node, struct mm_host_provider, node), door);
    }
    const struct mm_host_provider *provider = find(providers, door, NULL);
    if (provider != NULL) {
        memcpy(sign_out->name, provider->name, sizeof sign_out->name);
    }
    mm_mutex_unlock(providers->mutex);
}

static enum mailmod_error visit(void *context,
                                const struct mm_mailbox_door *door,
                                const struct mm_mailbox_client *client,
                                struct mm_mailbox **mailbox_out)
{
    struct mm_providers *providers = context;

    mm_mutex_lock(providers->mutex);
    struct mm_host_provider *provider = find(providers, door, client);
    if (provider != NULL) {
        provider->references++;
    }
    mm_mutex_unlock(providers->mutex);
    if (provider == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    enum mailmod_error error =
        mm_host_mailbox_new(provider, client, mailbox_out);
    if (error != MAILMOD_OK) {
        mm_provider_unref(&provider);
    }
    return error;
}

struct mm_mailbox_visits mm_providers_visits(struct mm_providers *providers)
{
    return (struct mm_mailbox_visits){
        .describe = describe, .visit = visit, .context = providers};
}

static bool is_name(const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;
    bool is_good = length > 0 && length < MM_MAILBOX_NAME_MAX;

    for (size_t i = 0; is_good && i < length; i++) {
        is_good = name[i] >= ' ' && name[i] <= '~' && name[i] != '<' &&
                  name[i] != '>';
    }
    return is_good;
}

/* The place of one, as the host names it: copies and checks. */
static enum mailmod_error take_place(struct mm_host_provider *provider,
                                     const char *domain, const char *service,
                                     int port)
{
    const char *name = service != NULL ? service : "";

    if (!mm_span_copy(mm_span_cstr(domain != NULL ? domain : ""),
                      provider->domain, sizeof provider->domain) ||
        strchr(provider->domain, '@') != NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "domain: none can be like that");
    }
    enum mm_service found = mm_service_find(name);
    if (name[0] != '\0' &&
        (found == MM_SERVICE_COUNT ||
         mm_service_row(found)->protocol != MM_PROTOCOL_POP3)) {
        return mm_fail(MAILMOD_ERROR_UNKNOWN_NAME,
                       "service: %s is none that serves POP3", name);
    }
    if (!mm_span_copy(mm_span_cstr(name), provider->service,
                      sizeof provider->service) ||
        port < 0 || port > 65535) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "port: %d", port);
    }
    provider->given.port = port;
    return MAILMOD_OK;
}

static enum mailmod_error
take_given(struct mm_host_provider *provider,
           const struct mailmod_mailbox_provider *given)
{
    enum mailmod_error error =
        mm_sized_take(&provider->given, sizeof provider->given, given,
                      MM_MAILBOX_PROVIDER_SIZE_1, "the provider");

    if (error != MAILMOD_OK) {
        return error;
    }
    given = &provider->given;
    if (!is_name(given->name)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "name: 1 to 63 printable ASCII characters");
    }
    memcpy(provider->name, given->name, strlen(given->name) + 1);
    if (given->authenticate == NULL || given->list == NULL ||
        given->read == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "authenticate, list and read are required");
    }
    return take_place(provider, given->domain, given->service, given->port);
}

/* The one of that place. Locked. */
static struct mm_host_provider *find_same(struct mm_providers *providers,
                                          const struct mm_host_provider *like)
{
    MM_LIST_EACH(node, &providers->all)
    {
        struct mm_host_provider *provider =
            MM_LIST_OBJECT(node, struct mm_host_provider, node);

        if (provider->given.port == like->given.port &&
            strcmp(provider->service, like->service) == 0 &&
            mm_span_is_nocase(mm_span_cstr(provider->domain), like->domain)) {
            return provider;
        }
    }
    return NULL;
}

static enum mailmod_error append(struct mm_providers *providers,
                                 struct mm_host_provider *provider)
{
    enum mailmod_error error = MAILMOD_OK;

    mm_mutex_lock(providers->mutex);
    if (find_same(providers, provider) != NULL) {
        error = mm_fail(MAILMOD_ERROR_EXISTS, "there is a provider there");
    } else if (providers->count >= PROVIDERS_MAX) {
        error = mm_fail(MAILMOD_ERROR_LIMIT, "there are %d providers",
                        PROVIDERS_MAX);
    } else {
        mm_list_append(&providers->all, &provider->node);
        providers->count++;
        /* A call that fails has not taken it. */
        provider->context = (struct mm_context){provider->given.context,
                                                provider->given.on_release};
    }
    mm_mutex_unlock(providers->mutex);
    return error;
}

enum mailmod_error
mailmod_mailbox_provider_add(mailmod *instance,
                             const struct mailmod_mailbox_provider *given)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_host_provider *provider = mm_alloc(sizeof *provider);
    if (provider == NULL) {
        error = mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    } else {
        provider->providers = instance->providers;
        provider->references = 1;
        mm_list_init(&provider->mailboxes);
        error = take_given(provider, given);
    }
    if (error == MAILMOD_OK) {
        error = append(instance->providers, provider);
    }
    if (error != MAILMOD_OK) {
        mm_free(provider);
    }
    mm_handle_let(instance);
    return error;
}

enum mailmod_error mailmod_mailbox_provider_remove(mailmod *instance,
                                                   const char *domain,
                                                   const char *service,
                                                   int port)
{
    struct mm_host_provider like = {.references = 0};
    struct mm_host_provider *provider = NULL;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = take_place(&like, domain, service, port);
    if (error == MAILMOD_OK) {
        struct mm_providers *providers = instance->providers;

        mm_mutex_lock(providers->mutex);
        provider = find_same(providers, &like);
        if (provider != NULL) {
            mm_list_remove(&provider->node);
            providers->count--;
        }
        mm_mutex_unlock(providers->mutex);
        if (provider == NULL) {
            error =
                mm_fail(MAILMOD_ERROR_NOT_FOUND, "there is no provider there");
        }
    }
    mm_provider_unref(&provider);
    mm_handle_let(instance);
    return error;
}
