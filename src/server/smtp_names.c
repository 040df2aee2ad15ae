/* smtp_names.c - whether the names that a peer brings lead anywhere.
 *
 * Owns a session's questions to the DNS: the sender's domain (MX, A or AAAA),
 * and a name for the peer's address. Promises: each is asked when a setting
 * wants to know, at RCPT, once a sender and once a session; only a DNS that
 * says no makes it no, for a name server that is away says nothing.
 * Thread: the session's loop. RFC 5321 5.1, RFC 7372 3.3. */
#include "server/smtp_session.h"

#include "dnsbl/dnsbl.h"
#include "server/server_internal.h"

#include <string.h>

enum { TYPE_A = 1, TYPE_PTR = 12, TYPE_MX = 15, TYPE_AAAA = 28 };

/* The bit of a check in `warned`. */
enum check { CHECK_HELO, CHECK_SENDER, CHECK_REVERSE, CHECKS };

static const unsigned sender_types[] = {TYPE_MX, TYPE_A, TYPE_AAAA};
#define SENDER_TYPES (sizeof sender_types / sizeof sender_types[0])

static enum mm_name_state state_of(enum mailmod_error error)
{
    return error == MAILMOD_OK ? MM_NAME_GOOD
           : error == MAILMOD_ERROR_DNS_NO_NAME ||
                   error == MAILMOD_ERROR_DNS_NO_DATA
               ? MM_NAME_BAD
               : MM_NAME_UNSURE;
}

static void on_sender(void *context, enum mailmod_error error,
                      struct mm_span answer, bool is_authenticated)
{
    struct mm_smtp_session *smtp = context;
    struct mm_smtp_names *names = &smtp->names;

    (void)answer;
    (void)is_authenticated;
    names->sender_query = NULL;
    names->sender = state_of(error);
    if (names->sender == MM_NAME_BAD && ++names->sender_step < SENDER_TYPES) {
        names->sender = MM_NAME_UNASKED; /* the next type */
    }
    mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
}

/* UNASKED: the answer comes. */
static enum mm_name_state ask_sender(struct mm_smtp_session *smtp)
{
    struct mm_smtp_names *names = &smtp->names;
    const char *path = mm_deposit_reverse_path(smtp->deposit);
    const char *at = strrchr(path, '@');

    if (names->sender != MM_NAME_UNASKED || names->sender_query != NULL) {
        return names->sender;
    }
    /* The null path has no domain, a literal no records. */
    if (at == NULL || at[1] == '[' ||
        mm_resolve_records(smtp->base.server_loop->resolver, at + 1,
                           sender_types[names->sender_step], on_sender, smtp,
                           &names->sender_query) != MAILMOD_OK) {
        names->sender_query = NULL;
        names->sender = MM_NAME_UNSURE;
    }
    return names->sender;
}

static void on_reverse(void *context, enum mailmod_error error,
                       struct mm_span answer, bool is_authenticated)
{
    struct mm_smtp_session *smtp = context;

    (void)answer;
    (void)is_authenticated;
    smtp->names.reverse_query = NULL;
    smtp->names.reverse = state_of(error);
    mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
}

/* RFC 1035 3.5, RFC 3596 2.5: the name is made as a block list's. */
static enum mm_name_state ask_reverse(struct mm_smtp_session *smtp)
{
    struct mm_smtp_names *names = &smtp->names;
    const struct mm_netaddr *peer = &smtp->base.peer;
    char name[DNSBL_NAME_MAX];

    if (names->reverse != MM_NAME_UNASKED || names->reverse_query != NULL) {
        return names->reverse;
    }
    const char *zone =
        peer->family == MM_NETADDR_V4 ? "in-addr.arpa" : "ip6.arpa";
    if (dnsbl_query_name(peer, zone, name) != MAILMOD_OK ||
        mm_resolve_records(smtp->base.server_loop->resolver, name, TYPE_PTR,
                           on_reverse, smtp,
                           &names->reverse_query) != MAILMOD_OK) {
        names->reverse_query = NULL;
        names->reverse = MM_NAME_UNSURE;
    }
    return names->reverse;
}

static enum mm_name_state ask_helo(struct mm_smtp_session *smtp)
{
    if (!mm_smtp_knows_helo(smtp)) {
        return MM_NAME_UNASKED;
    }
    return smtp->lists.is_helo_unsure  ? MM_NAME_UNSURE
           : smtp->lists.is_helo_peers ? MM_NAME_GOOD
                                       : MM_NAME_BAD;
}

void mm_smtp_names_forget_sender(struct mm_smtp_session *smtp)
{
    mm_query_cancel(&smtp->names.sender_query);
    smtp->names.sender = MM_NAME_UNASKED;
    smtp->names.sender_step = 0;
    smtp->names.warned &= ~(1u << CHECK_SENDER);
}

void mm_smtp_names_end(struct mm_smtp_session *smtp)
{
    mm_query_cancel(&smtp->names.sender_query);
    mm_query_cancel(&smtp->names.reverse_query);
}

/* A warning is given once, however many recipients there are. */
static const struct mm_reply *judge(struct mm_smtp_session *smtp,
                                    enum check row, enum mm_config_check check,
                                    const struct mm_reply *refusal)
{
    if (check == MM_CONFIG_CHECK_REFUSE) {
        return refusal;
    }
    if ((smtp->names.warned & 1u << row) != 0) {
        return NULL;
    }
    smtp->names.warned |= 1u << row;
    MM_LOG(mm_smtp_log(smtp), MM_LOG_WARNING, "smtp", "a name leads nowhere",
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("peer", smtp->base.peer_text),
           MM_TEXT("helo", smtp->helo_name),
           MM_TEXT("sender", mm_deposit_reverse_path(smtp->deposit)),
           MM_TEXT("reason", refusal->text));
    return NULL;
}

bool mm_smtp_names_ask(struct mm_smtp_session *smtp,
                       const struct mm_reply **refusal_out)
{
    static const struct mm_reply refusals[] = {
        {550, "5.7.1", "Your HELO name does not lead to your address"},
        {550, "5.1.8", "The sender's domain has no mail host"},
        {550, "5.7.25", "Your address has no name in the DNS"}};
    const struct mm_config *config = mm_session_config(&smtp->base);
    const struct {
        enum mm_config_check check;
        enum mm_name_state (*ask)(struct mm_smtp_session *smtp);
    } rows[CHECKS] = {
        [CHECK_HELO] = {config->checks.helo, ask_helo},
        [CHECK_SENDER] = {config->checks.sender_domain, ask_sender},
        [CHECK_REVERSE] = {config->checks.reverse_dns, ask_reverse}};

    *refusal_out = NULL;
    for (int i = 0; *refusal_out == NULL && i < CHECKS; i++) {
        if (rows[i].check == MM_CONFIG_CHECK_OFF) {
            continue;
        }
        enum mm_name_state state = rows[i].ask(smtp);
        if (state == MM_NAME_UNASKED) {
            return false;
        }
        if (state == MM_NAME_BAD) {
            *refusal_out =
                judge(smtp, (enum check)i, rows[i].check, &refusals[i]);
        }
    }
    return true;
}
