/* smtp_lists.c - what the lists of peers and senders say of a recipient's mail.
 *
 * Owns a session's questions to the DNS that rules bring up: whether the HELO
 * name leads to the peer, and whether the zones of a list have it. Promises:
 * white beats black, black beats grey; the common list of a kind is asked
 * before the user's; nothing is asked of the DNS that no rule wants to know; a
 * question that fails answers no.
 * Thread: the session's loop. */
#include "server/smtp_session.h"

#include "base/datetime.h"
#include "post/directory.h"
#include "server/server_internal.h"
#include "wire/msg/header_edit.h"

void mm_smtp_lists_begin(struct mm_smtp_session *smtp)
{
    if (smtp->base.service == MM_SERVICE_SMTP) {
        smtp->lists.rules = mm_lists_use(&smtp->base.server->lists,
                                         mm_loop_now_ms(smtp->base.loop));
    }
}

void mm_smtp_lists_end(struct mm_smtp_session *smtp)
{
    mm_query_cancel(&smtp->lists.helo_query);
    for (int list = 0; list < MM_RULE_LISTS; list++) {
        mm_blocklist_free(&smtp->lists.zones[list]);
    }
    mm_rules_unref(&smtp->lists.rules);
}

/* ---- the HELO name ---- */

void mm_smtp_lists_forget_helo(struct mm_smtp_session *smtp)
{
    mm_query_cancel(&smtp->lists.helo_query);
    smtp->lists.is_helo_known = false;
    smtp->lists.is_helo_peers = false;
    smtp->lists.is_helo_unsure = false;
}

static void on_addresses(void *context, enum mailmod_error error,
                         const struct mm_netaddr *addresses, size_t count)
{
    struct mm_smtp_session *smtp = context;

    smtp->lists.helo_query = NULL;
    smtp->lists.is_helo_known = true;
    smtp->lists.is_helo_unsure = error != MAILMOD_OK &&
                                 error != MAILMOD_ERROR_DNS_NO_NAME &&
                                 error != MAILMOD_ERROR_DNS_NO_DATA;
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        smtp->lists.is_helo_peers |=
            mm_netaddr_equal_ip(&addresses[i], &smtp->base.peer);
    }
    mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
}

/* False: the answer comes. A literal is compared at once. */
bool mm_smtp_knows_helo(struct mm_smtp_session *smtp)
{
    struct mm_session *session = &smtp->base;
    struct mm_smtp_lists *lists = &smtp->lists;

    if (lists->is_helo_known || lists->helo_query != NULL) {
        return lists->is_helo_known;
    }
    if (session->peer_origin == MM_PEER_HIDDEN ||
        mm_resolve_addresses(session->server_loop->resolver, smtp->helo_name,
                             session->peer.family, on_addresses, smtp,
                             &lists->helo_query) != MAILMOD_OK) {
        lists->helo_query = NULL;
        lists->is_helo_known = true;
    }
    return lists->is_helo_known;
}

/* ---- rules ---- */

/* "From SENDER (HELO [IP]) DATE For RECIPIENT", as the original engine had it.
 */
static enum mailmod_error write_control(const struct mm_smtp_session *smtp,
                                        const struct mm_rule_facts *facts,
                                        struct mm_buf *out)
{
    (void)mm_buf_appendf(out, "From %s (%s [%s]) ", facts->sender, facts->helo,
                         facts->peer_text);
    (void)mm_datetime_rfc5322(out, mm_loop_wall_ms(smtp->base.loop));
    (void)mm_buf_appendf(out, " For %s", smtp->info->path->text);
    return mm_buf_error(out);
}

static void on_zones(void *context)
{
    struct mm_smtp_session *smtp = context;

    mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
}

/* Of a list's zones; they are asked once a session. */
static enum mm_rule_answer ask_zones(struct mm_smtp_session *smtp,
                                     enum mm_rule_list list,
                                     const char **text_out)
{
    struct mm_smtp_lists *lists = &smtp->lists;
    const struct mm_zone_source source = {lists->rules, list};

    if (mm_rules_zones(lists->rules, list)->count == 0 ||
        smtp->base.peer_origin == MM_PEER_HIDDEN) {
        return MM_RULE_NO;
    }
    if (lists->zones[list] == NULL) {
        lists->zones[list] = mm_blocklist_new(
            smtp->base.server_loop, smtp->base.settings->config, &source,
            &smtp->base.peer, on_zones, smtp);
    }
    if (!mm_blocklist_is_done(lists->zones[list])) {
        return MM_RULE_WANTS_HELO; /* here: that must be waited for */
    }
    *text_out = mm_blocklist_zone(lists->zones[list]);
    return *text_out != NULL ? MM_RULE_YES : MM_RULE_NO;
}

/* Whose rules count beside the common ones; 0: nobody's. */
static uint64_t owner_of(const struct mm_smtp_session *smtp)
{
    struct mm_store_addressee user;

    return mm_rules_have_users(smtp->lists.rules) &&
                   mm_smtp_is_local(smtp, smtp->info->path) &&
                   mm_directory_find(smtp->base.server->store,
                                     mm_session_config(&smtp->base),
                                     smtp->info->path, &user) == MAILMOD_OK
               ? user.mailbox_id
               : 0;
}

static enum mm_rule_answer ask_rules(const struct mm_rules *rules,
                                     enum mm_rule_list list, uint64_t owner,
                                     const struct mm_rule_facts *facts,
                                     const char **text_out)
{
    enum mm_rule_answer answer = mm_rules_ask(rules, list, 0, facts, text_out);

    return answer == MM_RULE_NO && owner != 0
               ? mm_rules_ask(rules, list, owner, facts, text_out)
               : answer;
}

static enum mm_rule_answer helo_is_peers(const struct mm_smtp_lists *lists)
{
    return !lists->is_helo_known  ? MM_RULE_WANTS_HELO
           : lists->is_helo_peers ? MM_RULE_YES
                                  : MM_RULE_NO;
}

static enum mm_rule_answer ask_list(struct mm_smtp_session *smtp,
                                    enum mm_rule_list list, uint64_t owner,
                                    struct mm_rule_facts *facts,
                                    const char **text_out)
{
    const struct mm_rules *rules = smtp->lists.rules;
    enum mm_rule_answer answer = ask_rules(rules, list, owner, facts, text_out);

    if (answer == MM_RULE_WANTS_HELO && mm_smtp_knows_helo(smtp)) {
        facts->helo_is_peers = helo_is_peers(&smtp->lists);
        answer = ask_rules(rules, list, owner, facts, text_out);
    }
    return answer != MM_RULE_NO ? answer : ask_zones(smtp, list, text_out);
}

static void log_match(const struct mm_smtp_session *smtp,
                      enum mm_rule_list list, const char *rule)
{
    MM_LOG(mm_smtp_log(smtp), MM_LOG_INFO, "smtp", "on a list",
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("peer", smtp->base.peer_text),
           MM_TEXT("list", mm_rule_list_name(list)), MM_TEXT("rule", rule),
           MM_TEXT("sender", mm_deposit_reverse_path(smtp->deposit)),
           MM_TEXT("recipient", smtp->info->path->text));
}

/* False: something must be waited for. */
static bool find_list(struct mm_smtp_session *smtp, struct mm_rule_facts *facts)
{
    uint64_t owner = owner_of(smtp);
    const char *rule = "";

    for (int list = 0; list < MM_RULE_LISTS; list++) {
        switch (ask_list(smtp, (enum mm_rule_list)list, owner, facts, &rule)) {
        case MM_RULE_YES:
            log_match(smtp, (enum mm_rule_list)list, rule);
            smtp->lists.found = list;
            return true;
        case MM_RULE_WANTS_HELO:
            return false;
        case MM_RULE_NO:
            break;
        }
    }
    return true;
}

bool mm_smtp_lists_ask(struct mm_smtp_session *smtp)
{
    char peer[MM_NETADDR_TEXT_MAX];
    struct mm_buf control;
    bool is_hidden = smtp->base.peer_origin == MM_PEER_HIDDEN;

    mm_netaddr_format_ip(&smtp->base.peer, peer);
    struct mm_rule_facts facts = {.peer = is_hidden ? NULL : &smtp->base.peer,
                                  .peer_text = is_hidden ? "" : peer,
                                  .helo = smtp->helo_name,
                                  .sender =
                                      mm_deposit_reverse_path(smtp->deposit),
                                  .helo_is_peers = helo_is_peers(&smtp->lists)};
    mm_buf_init(&control, 2 * MM_LIMIT_REPLY_LINE);
    bool is_known = true;
    if (write_control(smtp, &facts, &control) == MAILMOD_OK) {
        facts.control = mm_buf_cstr(&control);
        is_known = find_list(smtp, &facts);
    }
    mm_buf_fini(&control);
    return is_known;
}

bool mm_smtp_may_be_greylisted(const struct mm_smtp_session *smtp)
{
    const struct mm_session *session = &smtp->base;
    const struct mm_config *config = mm_session_config(session);
    bool is_meant =
        config->greylisting.mode == MM_CONFIG_GREYLISTING_ALL
            ? smtp->lists.found != MM_RULE_WHITE
            : config->greylisting.mode == MM_CONFIG_GREYLISTING_LISTED &&
                  smtp->lists.found == MM_RULE_GREY;

    return is_meant && session->service == MM_SERVICE_SMTP &&
           session->peer_origin != MM_PEER_HIDDEN &&
           !mm_session_is_from(session, &config->greylisting.exempt) &&
           !mm_directory_is_postmaster(smtp->info->path);
}

bool mm_smtp_is_greylisted(const struct mm_smtp_session *smtp)
{
    const struct mm_session *session = &smtp->base;

    return mm_smtp_may_be_greylisted(smtp) &&
           !mm_smtp_sender_hosts_have_peer(smtp) &&
           !mm_greylist_lets_in(
               &session->server->greylist, mm_session_config(session),
               &session->peer, mm_deposit_reverse_path(smtp->deposit),
               smtp->info->path->text, mm_loop_wall_ms(session->loop));
}
