/* client_hello.c - the greeting, EHLO, HELO, STARTTLS.
 *
 * Promises: where TLS must be, nothing but EHLO and STARTTLS is said in
 * clear, whatever the server offers or leaves out; what it offered in clear
 * is forgotten under TLS; octets behind the 220 that told TLS to begin are
 * never read as replies.
 * Thread: the caller's. RFC 5321 3.1, 3.2, 4.1.1.1; RFC 3207 4, 4.2, 5. */
#include "wire/sasl/sasl.h"
#include "wire/smtp/client_internal.h"

enum mm_smtpc_event mm_smtpc_take_greeting(struct mm_smtpc *smtpc,
                                           const struct mm_reply_in *reply,
                                           struct mm_smtpc_info *info)
{
    (void)info;
    if (reply->code / 100 != 2) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_REFUSED, true);
    } else if (reply->code != 220) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_PROTOCOL, true);
    } else {
        mm_smtpc_do(smtpc, MM_SMTPC_STEP_EHLO);
    }
    return MM_SMTPC_NEED_INPUT;
}

static unsigned read_mechanisms(struct mm_span names)
{
    unsigned mechanisms = 0;
    while (names.size > 0) {
        struct mm_span rest = mm_span(NULL, 0);
        struct mm_span name;
        if (!mm_span_cut(names, ' ', &name, &rest)) {
            rest = mm_span(NULL, 0);
        }
        mechanisms |= mm_sasl_find(name);
        names = rest;
    }
    return mechanisms;
}

static void read_auth(struct mm_smtpc_extensions *offered, struct mm_span names)
{
    offered->mechanisms |= read_mechanisms(names);
    if (!mm_span_copy(names, offered->auth, sizeof offered->auth)) {
        (void)mm_span_copy(mm_span(names.data, sizeof offered->auth - 1),
                           offered->auth, sizeof offered->auth);
    }
}

static void read_size(struct mm_smtpc_extensions *offered, struct mm_span value)
{
    uint64_t size = 0;
    /* RFC 1870 4: no number, or 0, is no limit; nor is one past 2^64. */
    (void)mm_span_to_u64(mm_span_trim(value), &size);
    offered->has_size = true;
    offered->size_max = size;
}

/* RFC 2852 4:  deliverby-param = min-by-time *( ',' extension-token ); without
 * a number there is no minimum. */
static void read_deliver_by(struct mm_smtpc_extensions *offered,
                            struct mm_span value)
{
    struct mm_span rest;
    struct mm_span number;
    uint64_t seconds = 0;
    (void)mm_span_cut(value, ',', &number, &rest);
    if (!mm_span_to_u64(mm_span_trim(number), &seconds)) {
        seconds = 0;
    }
    offered->has_deliver_by = true;
    offered->deliver_by_min = seconds;
}

/* RFC 9422 3.1:  limit-name [ "=" limit-value ], with blanks between; what is
 * not known, or is no number, is passed over. */
static void read_limits(struct mm_smtpc_extensions *offered,
                        struct mm_span items)
{
    bool has_more = items.size > 0;
    while (has_more) {
        struct mm_span item;
        struct mm_span name;
        struct mm_span text;
        uint64_t value = 0;
        has_more = mm_span_cut(items, ' ', &item, &items);
        if (!mm_span_cut(item, '=', &name, &text) ||
            !mm_span_to_u64(text, &value)) {
            continue;
        }
        if (mm_span_is_nocase(name, "RCPTMAX")) {
            offered->rcpt_max = value;
        } else if (mm_span_is_nocase(name, "MAILMAX")) {
            offered->mail_max = value;
        } else if (mm_span_is_nocase(name, "RCPTDOMAINMAX")) {
            offered->rcpt_domain_max = value;
        }
    }
}

/* RFC 5321 4.1.1.1:  ehlo-line = ehlo-keyword *( SP ehlo-param ) */
static void read_keyword(struct mm_smtpc_extensions *offered,
                         struct mm_span line)
{
    struct mm_span keyword;
    struct mm_span value;
    if (!mm_span_cut(line, ' ', &keyword, &value)) {
        value = mm_span(NULL, 0);
    }
    struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"PIPELINING", &offered->has_pipelining},
        {"8BITMIME", &offered->has_8bitmime},
        {"STARTTLS", &offered->has_starttls},
        {"SMTPUTF8", &offered->has_smtputf8},
        {"DSN", &offered->has_dsn},
        {"ENHANCEDSTATUSCODES", &offered->has_enhanced},
        {"CHUNKING", &offered->has_chunking},
        {"BINARYMIME", &offered->has_binarymime},
        {"ETRN", &offered->has_etrn},
        {"XUSR", &offered->has_xusr},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (mm_span_is_nocase(keyword, flags[i].name)) {
            *flags[i].flag = true;
            return;
        }
    }
    if (mm_span_is_nocase(keyword, "SIZE")) {
        read_size(offered, value);
    } else if (mm_span_is_nocase(keyword, "AUTH")) {
        read_auth(offered, value);
    } else if (mm_span_is_nocase(keyword, "LIMITS")) {
        read_limits(offered, value);
    } else if (mm_span_is_nocase(keyword, "DELIVERBY")) {
        read_deliver_by(offered, value);
    } else if (mm_span_starts_nocase(line, "AUTH=")) {
        /* A spelling from before RFC 2554, which servers still add. */
        read_auth(offered, mm_span_from(line, 5));
    }
}

static void read_extensions(struct mm_smtpc *smtpc,
                            const struct mm_reply_in *reply)
{
    struct mm_span rest = mm_span(NULL, 0);
    smtpc->extensions = (struct mm_smtpc_extensions){.has_esmtp = true};
    mm_buf_clear(&smtpc->hello);
    if (smtpc->keeps_hello &&
        mm_buf_append_span(&smtpc->hello, mm_buf_span(&reply->text)) !=
            MAILMOD_OK) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_MEMORY, false);
        return;
    }
    struct mm_span line;
    /* The first line names the server. */
    bool has_more = mm_span_cut(mm_buf_span(&reply->text), '\n', &line, &rest);
    while (has_more) {
        struct mm_span tail = mm_span(NULL, 0);
        has_more = mm_span_cut(rest, '\n', &line, &tail);
        read_keyword(&smtpc->extensions, line);
        rest = tail;
    }
}

enum mm_smtpc_event mm_smtpc_take_ehlo(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    (void)info;
    switch (reply->code) {
    case 250:
        read_extensions(smtpc, reply);
        if (smtpc->state != MM_SMTPC_AT_FAILED) {
            mm_smtpc_go_on(smtpc);
        }
        break;
    case 500:
    case 501:
    case 502:
    case 504: /* RFC 5321 3.2: a server that knows HELO alone */
        if (smtpc->tls == MM_SMTPC_TLS_MUST && !smtpc->is_tls) {
            mm_smtpc_part(smtpc, MAILMOD_ERROR_TLS_UNAVAILABLE, true);
        } else {
            mm_smtpc_do(smtpc, MM_SMTPC_STEP_HELO);
        }
        break;
    default:
        mm_smtpc_part(smtpc,
                      reply->code < 400 ? MAILMOD_ERROR_PROTOCOL
                                        : MAILMOD_ERROR_REFUSED,
                      true);
        break;
    }
    return MM_SMTPC_NEED_INPUT;
}

enum mm_smtpc_event mm_smtpc_take_helo(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    (void)info;
    smtpc->extensions = (struct mm_smtpc_extensions){0};
    if (reply->code == 250) {
        mm_smtpc_go_on(smtpc);
    } else {
        mm_smtpc_part(smtpc,
                      reply->code < 400 ? MAILMOD_ERROR_PROTOCOL
                                        : MAILMOD_ERROR_REFUSED,
                      true);
    }
    return MM_SMTPC_NEED_INPUT;
}

static void begin_idle(struct mm_smtpc *smtpc)
{
    if (smtpc->is_submission && smtpc->extensions.has_xusr) {
        smtpc->is_submission = false;
        mm_smtpc_do(smtpc, MM_SMTPC_STEP_XUSR);
        return;
    }
    smtpc->state = MM_SMTPC_AT_IDLE;
}

/* A refusal means nothing: the mail is the same. */
enum mm_smtpc_event mm_smtpc_take_xusr(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    (void)info;
    if (!mm_smtpc_is_out_of_step(smtpc, reply)) {
        mm_smtpc_go_on(smtpc);
    }
    return MM_SMTPC_NEED_INPUT;
}

void mm_smtpc_go_on(struct mm_smtpc *smtpc)
{
    if (smtpc->tls != MM_SMTPC_TLS_OFF && !smtpc->is_tls &&
        !smtpc->is_tls_refused && smtpc->extensions.has_starttls) {
        mm_smtpc_do(smtpc, MM_SMTPC_STEP_STARTTLS);
        return;
    }
    if (smtpc->tls == MM_SMTPC_TLS_MUST && !smtpc->is_tls) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_TLS_UNAVAILABLE, false);
        return;
    }
    mm_smtpc_clear_steps(smtpc);
    if (smtpc->mechanisms == 0 || smtpc->is_authenticated) {
        begin_idle(smtpc);
        return;
    }
    smtpc->state = MM_SMTPC_AT_AUTH;
    if (mm_smtpc_mechanisms(smtpc) == 0) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_AUTHENTICATION, false);
    }
}

enum mm_smtpc_event mm_smtpc_take_starttls(struct mm_smtpc *smtpc,
                                           const struct mm_reply_in *reply,
                                           struct mm_smtpc_info *info)
{
    (void)info;
    if (reply->code == 220) {
        mm_smtpc_clear_steps(smtpc);
        smtpc->state = MM_SMTPC_AT_TLS;
    } else if (reply->code < 400) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_PROTOCOL, true);
    } else if (smtpc->tls == MM_SMTPC_TLS_MUST) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_TLS_UNAVAILABLE, true);
    } else {
        smtpc->is_tls_refused = true;
        mm_smtpc_go_on(smtpc);
    }
    return MM_SMTPC_NEED_INPUT;
}

enum mailmod_error mm_smtpc_tls_begun(struct mm_smtpc *smtpc)
{
    if (smtpc->state != MM_SMTPC_AT_TLS) {
        return MAILMOD_ERROR_STATE;
    }
    if (mm_buf_size(&smtpc->input) > 0) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_PROTOCOL, false);
        return MAILMOD_ERROR_PROTOCOL;
    }
    smtpc->is_tls = true;
    smtpc->extensions = (struct mm_smtpc_extensions){0};
    mm_buf_clear(&smtpc->hello);
    mm_smtpc_do(smtpc, MM_SMTPC_STEP_EHLO);
    return smtpc->state == MM_SMTPC_AT_FAILED ? smtpc->error : MAILMOD_OK;
}
