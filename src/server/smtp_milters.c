/* smtp_milters.c - the filters of mail that an SMTP session asks.
 *
 * Owns the session's connections to them, kept from its first message to its
 * end. Promises: filters are asked in the order of the settings, each next one
 * when the one before let pass; each sees the message as it came, and their
 * changes are carried out in that order; a body that a filter gives takes the
 * place of the message's before the message is stored.
 * A refusal of HELO or MAIL is said at RCPT (judge.h), that of a recipient
 * after his address was found good, that of the message at its end.
 * Thread: the session's loop. RFC 5321 4.5.1. */
#include "server/smtp_session.h"

#include "base/mem.h"
#include "server/milter_link.h"
#include "server/server_internal.h"

#include <stdio.h>
#include <string.h>

struct mm_smtp_milters {
    bool is_on; /* for the present message */
    size_t count;
    struct mm_milter_link links[MM_CONFIG_MILTERS_MAX];
    char client_name[MM_NETADDR_TEXT_MAX + 2];
    char reverse_path[MM_STORE_REVERSE_PATH_MAX];
    char parameters[64];
    bool has_data; /* all have the present piece of the body */
};

static void on_news(void *context)
{
    struct mm_smtp_session *smtp = context;

    mm_session_wait_over(&smtp->base, MM_WAIT_HOST);
}

void mm_smtp_milters_end(struct mm_smtp_session *smtp)
{
    struct mm_smtp_milters *milters = smtp->milters;

    smtp->milters = NULL;
    for (size_t i = 0; milters != NULL && i < milters->count; i++) {
        mm_milter_link_close(&milters->links[i]);
    }
    mm_free(milters);
}

static enum mailmod_error begin(struct mm_smtp_session *smtp)
{
    struct mm_smtp_milters *milters = mm_alloc(sizeof *milters);
    struct mm_span rest =
        mm_span_cstr(mm_session_config(&smtp->base)->milters.filters);
    struct mm_config_milter settings;
    enum mailmod_error error = MAILMOD_OK;

    smtp->milters = milters;
    if (milters == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    char peer[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format_ip(&smtp->base.peer, peer);
    if (snprintf(milters->client_name, sizeof milters->client_name, "[%s]",
                 peer) < 0) {
        milters->client_name[0] = '\0';
    }
    while (error == MAILMOD_OK && milters->count < MM_CONFIG_MILTERS_MAX &&
           mm_config_next_milter(&rest, &settings)) {
        struct mm_milter_link *link = &milters->links[milters->count++];

        link->settings = settings;
        link->loop = smtp->base.loop;
        link->log = mm_smtp_log(smtp);
        link->on_news = on_news;
        link->context = smtp;
        error = mm_milter_link_open(link);
    }
    return error;
}

static bool is_asked(const struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);

    return config->milters.filters[0] != '\0' &&
           !(smtp->is_logged_in && config->milters.exempts_logins) &&
           !mm_session_is_from(&smtp->base, &config->milters.exempt);
}

bool mm_smtp_milters_may_change(const struct mm_smtp_session *smtp)
{
    return is_asked(smtp);
}

/* The message's facts that are known at MAIL alone. */
static void note_sender(struct mm_smtp_milters *milters,
                        const struct mm_smtpd_info *info)
{
    struct mm_buf text;

    mm_buf_init(&text, sizeof milters->parameters - 1);
    if (info->mail->size != 0) {
        (void)mm_buf_append_cstr(&text, "SIZE=");
        (void)mm_buf_append_u64(&text, info->mail->size);
    }
    if (info->mail->is_smtputf8) {
        (void)mm_buf_append_cstr(&text, " SMTPUTF8");
    }
    (void)mm_span_copy(mm_buf_span(&text), milters->parameters,
                       sizeof milters->parameters);
    (void)mm_span_copy(mm_span_cstr(info->path->text), milters->reverse_path,
                       sizeof milters->reverse_path);
    mm_buf_fini(&text);
}

static struct mm_milter_facts facts_of(const struct mm_smtp_session *smtp)
{
    const struct mm_smtp_milters *milters = smtp->milters;

    return (struct mm_milter_facts){
        .session = smtp->base.identifier,
        .host_name = mm_session_config(&smtp->base)->host_name,
        .client_name = milters->client_name,
        .client = &smtp->base.peer,
        .service = mm_service_name(smtp->base.service),
        .helo = smtp->helo_name,
        .tls = mm_session_is_tls(&smtp->base)
                   ? mm_conn_tls_text(smtp->base.conn)
                   : "",
        .user = smtp->is_logged_in ? smtp->user : NULL,
        .reverse_path = milters->reverse_path,
        .parameters = milters->parameters,
        .recipient = smtp->info->path != NULL ? smtp->info->path->text : NULL,
        .message = smtp->deposit != NULL ? mm_deposit_identifier(smtp->deposit)
                                         : NULL};
}

static enum mm_judgement finish(enum mm_milter_word word,
                                const struct mm_milter_link *link,
                                struct mm_finding *finding)
{
    if (word == MM_MILTER_WAIT) {
        finding->wait = MM_WAIT_HOST;
        return MM_JUDGE_LATER;
    }
    if (word == MM_MILTER_REFUSE) {
        finding->reply = mm_milter_link_reply(link);
        return MM_JUDGE_REPLY;
    }
    return MM_JUDGE_PASS;
}

/* Begun at MAIL, said at RCPT. */
enum mm_judgement mm_smtp_milters_judge_sender(void *subject,
                                               struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;

    if (smtp->deposit == NULL) { /* it is MAIL */
        bool is_on = is_asked(smtp);
        if (is_on && smtp->milters == NULL && begin(smtp) != MAILMOD_OK) {
            mm_smtp_milters_end(smtp);
            finding->reply = mm_reply_get(MM_REPLY_LOCAL_ERROR);
            return MM_JUDGE_REPLY;
        }
        if (smtp->milters != NULL) {
            smtp->milters->is_on = is_on;
            note_sender(smtp->milters, smtp->info);
        }
    }
    struct mm_smtp_milters *milters = smtp->milters;
    if (milters == NULL || !milters->is_on) {
        return MM_JUDGE_PASS;
    }
    const struct mm_milter_facts facts = facts_of(smtp);
    for (size_t i = 0; i < milters->count; i++) {
        enum mm_milter_word word =
            mm_milter_link_mail(&milters->links[i], &facts);

        if (word == MM_MILTER_WAIT || word == MM_MILTER_REFUSE) {
            return finish(word, &milters->links[i], finding);
        }
    }
    return MM_JUDGE_PASS;
}

bool mm_smtp_milters_rcpt(struct mm_smtp_session *smtp,
                          const struct mm_reply **refusal_out)
{
    struct mm_smtp_milters *milters = smtp->milters;

    *refusal_out = NULL;
    if (milters == NULL || !milters->is_on) {
        return true;
    }
    const struct mm_milter_facts facts = facts_of(smtp);
    for (size_t i = 0; i < milters->count && *refusal_out == NULL; i++) {
        switch (mm_milter_link_rcpt(&milters->links[i], &facts)) {
        case MM_MILTER_WAIT:
            return false;
        case MM_MILTER_REFUSE:
            *refusal_out = mm_milter_link_reply(&milters->links[i]);
            break;
        case MM_MILTER_PASS:
        case MM_MILTER_DROP:
            break;
        }
    }
    return true;
}

void mm_smtp_milters_rcpt_over(struct mm_smtp_session *smtp)
{
    struct mm_smtp_milters *milters = smtp->milters;

    for (size_t i = 0; milters != NULL && i < milters->count; i++) {
        mm_milter_link_rcpt_over(&milters->links[i]);
    }
}

bool mm_smtp_milters_data(struct mm_smtp_session *smtp, struct mm_span data)
{
    struct mm_smtp_milters *milters = smtp->milters;
    bool is_taken = true;

    if (milters == NULL || !milters->is_on || milters->has_data) {
        return true;
    }
    const struct mm_milter_facts facts = facts_of(smtp);
    for (size_t i = 0; i < milters->count; i++) {
        struct mm_milter_link *link = &milters->links[i];

        link->has_piece =
            link->has_piece || mm_milter_link_data(link, &facts, data);
        is_taken = is_taken && link->has_piece;
    }
    milters->has_data = is_taken;
    return is_taken;
}

void mm_smtp_milters_data_over(struct mm_smtp_session *smtp)
{
    struct mm_smtp_milters *milters = smtp->milters;

    for (size_t i = 0; milters != NULL && i < milters->count; i++) {
        milters->links[i].has_piece = false;
    }
    if (milters != NULL) {
        milters->has_data = false;
    }
}

/* The filter's body into the deposit. BUSY: there is no room now. */
static enum mailmod_error put_body(struct mm_smtp_session *smtp,
                                   struct mm_milter_link *link)
{
    enum mailmod_error error = MAILMOD_OK;

    if (!link->has_body) {
        return MAILMOD_OK;
    }
    if (!link->is_body_begun) {
        error = mm_deposit_begin_body(smtp->deposit);
        link->is_body_begun = error == MAILMOD_OK;
    }
    struct mm_span rest =
        mm_span_from(mm_buf_span(&link->body), link->body_used);
    size_t used = 0;
    if (error == MAILMOD_OK && rest.size > 0) {
        error = mm_deposit_write(smtp->deposit, rest, &used);
        link->body_used += used;
    }
    return error == MAILMOD_OK && used < rest.size ? MAILMOD_ERROR_BUSY : error;
}

/* What the filter wants, once. */
static enum mailmod_error carry_out(struct mm_smtp_session *smtp,
                                    struct mm_milter_link *link, bool drops)
{
    struct mm_changes *changes = mm_deposit_changes(smtp->deposit);
    const struct mm_change discard = {.kind = MM_CHANGE_DISCARD};

    if (link->is_carried_out) {
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        drops ? mm_changes_add(changes, &discard) : put_body(smtp, link);
    if (error == MAILMOD_OK && !drops) {
        error = mm_changes_add_all(changes, &link->changes, NULL);
    }
    link->is_carried_out = error == MAILMOD_OK;
    return error;
}

enum mm_judgement mm_smtp_milters_judge_message(void *subject,
                                                struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_smtp_milters *milters = smtp->milters;

    if (milters == NULL || !milters->is_on) {
        return MM_JUDGE_PASS;
    }
    const struct mm_milter_facts facts = facts_of(smtp);
    for (size_t i = 0; i < milters->count; i++) {
        struct mm_milter_link *link = &milters->links[i];
        enum mm_milter_word word = mm_milter_link_end(link, &facts);

        if (word == MM_MILTER_WAIT || word == MM_MILTER_REFUSE) {
            return finish(word, link, finding);
        }
        enum mailmod_error error =
            carry_out(smtp, link, word == MM_MILTER_DROP);
        if (error == MAILMOD_ERROR_BUSY) {
            finding->wait = MM_WAIT_ROOM;
            return MM_JUDGE_LATER;
        }
        if (error != MAILMOD_OK) {
            finding->reply = mm_reply_get(error == MAILMOD_ERROR_TOO_LARGE
                                              ? MM_REPLY_HEADER_TOO_LARGE
                                              : MM_REPLY_LOCAL_ERROR);
            return MM_JUDGE_REPLY;
        }
    }
    return MM_JUDGE_PASS;
}

void mm_smtp_milters_forget_message(struct mm_smtp_session *smtp)
{
    struct mm_smtp_milters *milters = smtp->milters;

    mm_smtp_milters_data_over(smtp);
    for (size_t i = 0; milters != NULL && i < milters->count; i++) {
        mm_milter_link_forget_message(&milters->links[i]);
    }
}

void mm_smtp_milters_forget_helo(struct mm_smtp_session *smtp)
{
    struct mm_smtp_milters *milters = smtp->milters;

    for (size_t i = 0; milters != NULL && i < milters->count; i++) {
        mm_milter_link_forget_helo(&milters->links[i]);
    }
}
