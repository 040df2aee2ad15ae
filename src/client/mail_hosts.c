/* mail_hosts.c - all hosts that take a domain's mail, with their addresses.
 *
 * Owns the questions of a search while they are open. The MX records first,
 * then the addresses of all hosts at once, so that a slow name server costs
 * its time-out twice and not once a host. Promises one result a search: the
 * name servers' word, or STOPPED when the instance stops first.
 *
 * Law: posted -> MX question -> addresses -> done; a stop leads from anywhere
 * to done.
 * Thread: the first loop, except mm_outbound_find_hosts. RFC 5321 5.1
 * (preference, the implicit MX), RFC 7505 (null MX). */
#include "client/mail_hosts.h"

#include "client/mx.h"
#include "client/outbound_internal.h"

#include <string.h>

static void finish(struct mm_host_search *search, enum mailmod_error error)
{
    struct mm_branch *branch = search->branch;
    if (search->mx_query != NULL) {
        mm_query_cancel(&search->mx_query);
    }
    for (size_t i = 0; i < search->host_count; i++) {
        mm_host_addresses_cancel(&search->hosts[i].addresses);
    }
    if (error != MAILMOD_OK) {
        search->host_count = 0;
    }
    search->error = error;
    mm_list_remove(&search->node);
    search->on_done(search);
    /* Last: with the last one the outbound itself may go. */
    atomic_fetch_sub(&branch->outbound->busy, 1);
}

/* Of a domain that is its own mail host: what its addresses' answers say. */
static enum mailmod_error implicit_error(const struct mm_mail_host *host)
{
    for (int f = 0; f < MM_HOST_FAMILIES; f++) {
        enum mailmod_error error = host->addresses.families[f].error;
        if (error != MAILMOD_OK && error != MAILMOD_ERROR_DNS_NO_NAME &&
            error != MAILMOD_ERROR_DNS_NO_DATA) {
            return error;
        }
    }
    return MAILMOD_ERROR_DNS_NO_DATA;
}

static void end_when_answered(struct mm_host_search *search)
{
    if (search->pending > 0) {
        return;
    }
    bool is_bare = search->is_implicit && search->hosts[0].addresses.count == 0;
    finish(search, is_bare ? implicit_error(&search->hosts[0]) : MAILMOD_OK);
}

static void on_answer(struct mm_host_addresses *addresses)
{
    struct mm_host_search *search =
        MM_LIST_OBJECT(addresses, struct mm_mail_host, addresses)->search;
    search->pending--;
    end_when_answered(search);
}

/* The hosts no longer move: their questions point into them. */
static void ask_addresses(struct mm_host_search *search)
{
    for (size_t i = 0; i < search->host_count; i++) {
        struct mm_mail_host *host = &search->hosts[i];
        const struct mm_host_question question = {.resolver =
                                                      search->branch->resolver,
                                                  .host = host->name,
                                                  .wants_v6 = true,
                                                  .wants_v4 = true};
        host->search = search;
        host->addresses.on_answer = on_answer;
        if (mm_host_addresses_ask(&host->addresses, &question)) {
            search->pending++;
        }
    }
    end_when_answered(search);
}

static void take_list(struct mm_host_search *search,
                      const struct mm_mx_list *list)
{
    search->is_implicit = list->is_implicit;
    search->host_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct mm_mail_host *host = &search->hosts[i];
        memset(host, 0, sizeof *host);
        memcpy(host->name, list->hosts[i].name, sizeof host->name);
        host->preference = list->hosts[i].preference;
    }
}

static void on_mx(void *context, enum mailmod_error error,
                  const struct mm_mx *records, size_t count)
{
    struct mm_host_search *search = context;
    search->mx_query = NULL;
    struct mm_mx_list list;
    const struct mm_mx_answer answer = {.domain = search->domain,
                                        .error = error,
                                        .records = records,
                                        .count = count};
    error = mm_mx_list_read(&list, &answer, NULL);
    if (error == MAILMOD_OK && list.count == 0) {
        error = MAILMOD_ERROR_DNS_NO_DATA;
    }
    if (error != MAILMOD_OK) {
        finish(search, error);
        return;
    }
    take_list(search, &list);
    ask_addresses(search);
}

static void run_search(struct mm_task *task)
{
    struct mm_host_search *search =
        MM_LIST_OBJECT(task, struct mm_host_search, task);
    struct mm_branch *branch = search->branch;
    mm_list_append(&branch->searches, &search->node);
    if (mm_outbound_is_stopped(branch->outbound)) {
        finish(search, MAILMOD_ERROR_STOPPED);
        return;
    }
    enum mailmod_error error =
        mm_resolve_mx(search->branch->resolver, search->domain, on_mx, search,
                      &search->mx_query);
    if (error != MAILMOD_OK) {
        finish(search, error);
    }
}

void mm_outbound_find_hosts(struct mm_outbound *outbound,
                            struct mm_host_search *search)
{
    search->branch = &outbound->branches[0];
    mm_list_init(&search->node);
    search->task.run = run_search;
    atomic_fetch_add(&outbound->busy, 1);
    mm_loop_post(search->branch->loop, &search->task);
}

void mm_host_search_stop_all(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->searches)
    {
        finish(MM_LIST_OBJECT(node, struct mm_host_search, node),
               MAILMOD_ERROR_STOPPED);
    }
}
