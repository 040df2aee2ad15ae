/* smtp_sender_hosts.c - whether the peer is a mail host of the sender's domain.
 *
 * Owns what was found for the present sender, from the first recipient that
 * greylisting would put off until the next sender or the end of the session.
 * Promises: HOSTS_MAX mail hosts at most are looked up, one after the other, in
 * the peer's own family; a name server that is away makes it no, and the mail
 * comes again. A domain without MX records is its own host (RFC 5321 5.1); the
 * null path and a literal have none.
 * Thread: the session's loop. */
#include "server/smtp_session.h"

#include "base/mem.h"
#include "server/server_internal.h"

#include <string.h>

#define HOSTS_MAX 5

struct mm_smtp_sender_hosts {
    struct mm_query *query;
    bool is_known; /* all was looked up */
    bool has_peer;
    size_t count;
    size_t next; /* host to be looked up */
    char names[HOSTS_MAX][256];
};

static void look_up_next(struct mm_smtp_session *smtp);

static void end(struct mm_smtp_session *smtp, bool has_peer)
{
    struct mm_smtp_sender_hosts *hosts = smtp->sender_hosts;

    hosts->is_known = true;
    hosts->has_peer = has_peer;
}

static void on_addresses(void *context, enum mailmod_error error,
                         const struct mm_netaddr *addresses, size_t count)
{
    struct mm_smtp_session *smtp = context;
    struct mm_span peer = mm_netaddr_limit_key(&smtp->base.peer);
    bool has_peer = false;

    smtp->sender_hosts->query = NULL;
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        has_peer = has_peer ||
                   mm_span_equal(mm_netaddr_limit_key(&addresses[i]), peer);
    }
    if (has_peer) {
        end(smtp, true);
    } else {
        look_up_next(smtp);
    }
    if (smtp->sender_hosts->is_known) {
        mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
    }
}

/* What can be no name is passed over. */
static void look_up_next(struct mm_smtp_session *smtp)
{
    struct mm_smtp_sender_hosts *hosts = smtp->sender_hosts;

    while (hosts->query == NULL && hosts->next < hosts->count) {
        if (mm_resolve_addresses(smtp->base.server_loop->resolver,
                                 hosts->names[hosts->next++],
                                 smtp->base.peer.family, on_addresses, smtp,
                                 &hosts->query) != MAILMOD_OK) {
            hosts->query = NULL;
        }
    }
    if (hosts->query == NULL) {
        end(smtp, false);
    }
}

static void add(struct mm_smtp_sender_hosts *hosts, const char *name)
{
    if (name[0] != '\0' && hosts->count < HOSTS_MAX &&
        mm_span_copy(mm_span_cstr(name), hosts->names[hosts->count],
                     sizeof hosts->names[0])) {
        hosts->count++;
    }
}

static const char *domain_of(const struct mm_smtp_session *smtp)
{
    const char *at = strrchr(mm_deposit_reverse_path(smtp->deposit), '@');

    return at != NULL && at[1] != '[' ? at + 1 : "";
}

static void on_mx(void *context, enum mailmod_error error,
                  const struct mm_mx *records, size_t count)
{
    struct mm_smtp_session *smtp = context;

    smtp->sender_hosts->query = NULL;
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        add(smtp->sender_hosts, records[i].host);
    }
    if (error == MAILMOD_ERROR_DNS_NO_DATA) {
        add(smtp->sender_hosts, domain_of(smtp));
    }
    look_up_next(smtp);
    if (smtp->sender_hosts->is_known) {
        mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
    }
}

bool mm_smtp_sender_hosts_ask(struct mm_smtp_session *smtp)
{
    if (smtp->sender_hosts != NULL) {
        return smtp->sender_hosts->is_known;
    }
    const char *domain = domain_of(smtp);
    if (domain[0] == '\0') {
        return true;
    }
    struct mm_smtp_sender_hosts *hosts = mm_alloc(sizeof *hosts);
    smtp->sender_hosts = hosts;
    if (hosts == NULL) {
        return true; /* the mail comes again */
    }
    if (mm_resolve_mx(smtp->base.server_loop->resolver, domain, on_mx, smtp,
                      &hosts->query) != MAILMOD_OK) {
        hosts->query = NULL;
        hosts->is_known = true;
    }
    return hosts->is_known;
}

bool mm_smtp_sender_hosts_have_peer(const struct mm_smtp_session *smtp)
{
    return smtp->sender_hosts != NULL && smtp->sender_hosts->has_peer;
}

void mm_smtp_sender_hosts_forget(struct mm_smtp_session *smtp)
{
    if (smtp->sender_hosts != NULL) {
        mm_query_cancel(&smtp->sender_hosts->query);
        mm_free(smtp->sender_hosts);
        smtp->sender_hosts = NULL;
    }
}
