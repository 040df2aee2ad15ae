/* thread: any
 * policy.h - who may send what to whom: decisions over a session's facts.
 * Each gives NULL for yes, or the reply that refuses. */
#ifndef MM_SERVER_POLICY_H
#define MM_SERVER_POLICY_H

#include "post/post.h"
#include "server/settings.h"
#include "wire/addr/address.h"
#include "wire/smtp/reply.h"

struct mm_policy_facts {
    struct mm_post *post; /* asked for senders alone */
    const struct mm_config *config;
    enum mm_service service;
    bool is_relay_client; /* its network is in smtp.relay_from */
    const char *user;     /* logged in; NULL: not */
};

/* Whether this peer may submit mail for other systems: it is logged in, or
 * its address is in smtp.relay_from; on the service `smtp` nobody may. */
bool mm_policy_may_relay(const struct mm_policy_facts *facts);
/* Whether the store is asked for that. */
bool mm_policy_asks_about_sender(const struct mm_policy_facts *facts);
const struct mm_reply *
mm_policy_check_sender(const struct mm_policy_facts *facts,
                       const struct mm_address *reverse_path);
/* For a forward-path that is not local. */
const struct mm_reply *
mm_policy_check_remote(const struct mm_policy_facts *facts,
                       const struct mm_address *forward_path);

#endif
