/* mail_hosts.c - mailmod_mail_host_find: the mail hosts of a domain.
 *
 * Owns the search while the caller waits. The question is put on the loop of
 * what goes out, with the name servers of the settings that run; the answers
 * are handed out on the caller's thread with no lock held, so that the callback
 * may call the instance, and even free it. Promises: a stop of the instance
 * ends the wait.
 * Thread: any but a loop. RFC 5321 5.1, RFC 7505. */
#include "api/instance.h"

#include "base/mem.h"
#include "client/mail_hosts.h"

#include <string.h>

struct wait {
    struct mm_host_search search;
    struct mm_mutex *mutex;
    struct mm_condition *has_ended;
    bool is_over; /* mutex */
};

static void on_done(struct mm_host_search *search)
{
    struct wait *wait = MM_LIST_OBJECT(search, struct wait, search);

    /* Under the mutex: the waiter frees it all as soon as it knows. */
    mm_mutex_lock(wait->mutex);
    wait->is_over = true;
    mm_condition_signal(wait->has_ended);
    mm_mutex_unlock(wait->mutex);
}

static void wait_free(struct wait *wait)
{
    mm_condition_free(&wait->has_ended);
    mm_mutex_free(&wait->mutex);
    mm_free(wait);
}

static enum mailmod_error wait_new(struct wait **wait_out, struct mm_span name)
{
    struct wait *wait = mm_alloc(sizeof *wait);

    if (wait == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (void)mm_span_copy(name, wait->search.domain, sizeof wait->search.domain);
    mm_ascii_lower_cstr(wait->search.domain);
    wait->search.on_done = on_done;
    enum mailmod_error error = mm_mutex_new(&wait->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&wait->has_ended);
    }
    if (error != MAILMOD_OK) {
        wait_free(wait);
        return error;
    }
    *wait_out = wait;
    return MAILMOD_OK;
}

/* The name to ask for: without its final dot, if it has one. */
static enum mailmod_error check_domain(const char *domain,
                                       struct mm_span *name_out)
{
    struct mm_span name = mm_span_cstr(domain);

    if (name.size > 1 && domain[name.size - 1] == '.') {
        name.size--;
    }
    *name_out = name;
    if (mm_span_has_8bit(name)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "a domain beyond ASCII is asked for by its A-labels "
                       "(xn--...)");
    }
    struct mm_netaddr address;
    char text[MM_LIMIT_DOMAIN + 1];
    if (mm_netaddr_parse_ip(name, &address) ||
        !mm_domain_parse(name, false, text)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%.*s: not a domain name",
                       (int)(name.size < 80 ? name.size : 80), name.data);
    }
    return MAILMOD_OK;
}

/* With the mutex held no stop can come between the look and the search. */
static enum mailmod_error put_search(mailmod *instance, struct wait *wait)
{
    enum mailmod_error error = mm_instance_lock_running(instance);

    if (error == MAILMOD_OK) {
        mm_outbound_find_hosts(instance->outbound, &wait->search);
        mm_instance_unlock(instance);
    }
    return error;
}

static void wait_end(mailmod *instance, struct wait *wait)
{
    mm_mutex_lock(wait->mutex);
    while (!wait->is_over) {
        mm_turning_wait(&instance->turning, wait->has_ended, wait->mutex);
    }
    mm_mutex_unlock(wait->mutex);
}

static void tell_host(const struct mm_mail_host *found,
                      mailmod_on_mail_host on_host, void *context)
{
    const char *addresses[MM_LIMIT_HOST_ADDRESSES];
    struct mailmod_mail_host host = {.size = sizeof host,
                                     .name = found->name,
                                     .preference = found->preference,
                                     .addresses = addresses,
                                     .address_count = found->addresses.count};

    char texts[MM_LIMIT_HOST_ADDRESSES][MM_NETADDR_TEXT_MAX];
    for (size_t i = 0; i < found->addresses.count; i++) {
        mm_netaddr_format_ip(&found->addresses.items[i], texts[i]);
        addresses[i] = texts[i];
    }
    on_host(context, &host);
}

static enum mailmod_error tell(const struct mm_host_search *search,
                               mailmod_on_mail_host on_host, void *context)
{
    enum mailmod_error error = search->error;

    if (error == MAILMOD_ERROR_SYNTAX) {
        error = MAILMOD_ERROR_ARGUMENT;
    } else if (error == MAILMOD_ERROR_CANCELLED) {
        error = MAILMOD_ERROR_STOPPED;
    }
    if (error != MAILMOD_OK) {
        return mm_fail(error, "%s: %s", search->domain, mm_error_text(error));
    }
    for (size_t i = 0; i < search->host_count; i++) {
        tell_host(&search->hosts[i], on_host, context);
    }
    return MAILMOD_OK;
}

static enum mailmod_error find(mailmod *instance, struct mm_span name,
                               mailmod_on_mail_host on_host, void *context)
{
    struct wait *wait = NULL;
    enum mailmod_error error = wait_new(&wait, name);

    if (error != MAILMOD_OK) {
        return mm_fail(error, "%s", mm_error_text(error));
    }
    error = put_search(instance, wait);
    if (error == MAILMOD_OK) {
        wait_end(instance, wait);
        error = tell(&wait->search, on_host, context);
    }
    wait_free(wait);
    return error;
}

enum mailmod_error mailmod_mail_host_find(mailmod *instance, const char *domain,
                                          mailmod_on_mail_host on_host,
                                          void *context)
{
    if (instance == NULL || domain == NULL || on_host == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL");
    }
    struct mm_span name;
    enum mailmod_error error = check_domain(domain, &name);
    return error == MAILMOD_OK ? find(instance, name, on_host, context) : error;
}
