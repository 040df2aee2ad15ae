/* policy.c - relaying and senders, each rule in one function.
 *
 * Owns nothing. Promises: the service `smtp` (port 25) takes mail for
 * local domains alone and relays for nobody, whoever it is and however the
 * address is written; only the canonical domain of a parsed address counts, so
 * "%", "!" and source routes open nothing (RFC 5321 3.6, 7.1; RFC 6409 3.3).
 * Thread: any. */
#include "server/policy.h"

#include "config/routes.h"
#include "post/resolve.h"

static const struct mm_reply not_yours = {550, "5.7.1",
                                          "sender address is not the login's"};
static const struct mm_reply no_such_form = {
    550, "5.1.3", "no mail is delivered to such a literal"};

static const struct mm_reply no_such_network = {
    550, "5.7.1", "no mail goes to that address from here"};

bool mm_policy_may_relay(const struct mm_policy_facts *facts)
{
    if (!mm_service_row(facts->service)->is_submission) {
        return false;
    }
    return facts->user != NULL || facts->is_relay_client;
}

bool mm_policy_asks_about_sender(const struct mm_policy_facts *facts)
{
    return facts->user != NULL && facts->config->smtp.sender_must_match;
}

const struct mm_reply *
mm_policy_check_sender(const struct mm_policy_facts *facts,
                       const struct mm_address *reverse_path)
{
    if (mm_policy_asks_about_sender(facts) &&
        !mm_resolve_owns(facts->post, facts->config, facts->user,
                         reverse_path)) {
        return &not_yours;
    }
    return NULL;
}

/* An address that we would dial ourselves, where nobody but this machine may
 * reach; with a relay it is that one's to judge. */
static bool is_refused(const struct mm_config *config,
                       const struct mm_address *forward_path)
{
    bool has_relay =
        mm_config_route_for(config, forward_path->domain, NULL)->relay_count >
        0;
    return !has_relay && forward_path->domain_form == MM_DOMAIN_ADDRESS &&
           mm_range_list_has(&config->delivery.refuses, &forward_path->literal);
}

const struct mm_reply *
mm_policy_check_remote(const struct mm_policy_facts *facts,
                       const struct mm_address *forward_path)
{
    if (!mm_policy_may_relay(facts)) {
        return mm_reply_get(MM_REPLY_RELAY_DENIED);
    }
    if (forward_path->domain_form == MM_DOMAIN_GENERAL) {
        return &no_such_form;
    }
    return is_refused(facts->config, forward_path) ? &no_such_network : NULL;
}
