/* server_hello.c - the greeting, HELO and EHLO.
 *
 * Promises: an extension is announced exactly when it is honoured in the
 * state the client is then in. The name that the client gives is taken as it
 * is when it cannot harm a log or a header (RFC 5321 4.1.4: mail is not to be
 * refused for it); the session judges it further.
 * Thread: the caller's. RFC 5321 3.1, 4.1.1.1, 4.1.4; RFC 1870 3; RFC 2034 4:
 * no enhanced code in the greeting and in the answers to HELO and EHLO. */
#include "wire/sasl/sasl.h"
#include "wire/smtp/server_internal.h"

#define GREETING_MAX 2048

void mm_smtpd_settle_connect(struct mm_smtpd *smtpd,
                             const struct mm_reply *reply)
{
    if (!mm_smtpd_is_accepted(reply)) {
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_REFUSED);
        mm_smtpd_say_bare(smtpd, reply);
        return;
    }
    /* RFC 5321 4.2: the host name is the first word. */
    struct mm_buf text;
    mm_buf_init(&text, GREETING_MAX);
    mm_buf_append_cstr(&text, smtpd->options.host_name);
    mm_buf_append_cstr(&text, " ESMTP");
    if (reply->code == 220 && reply->text != NULL) {
        mm_buf_append_char(&text, ' ');
        mm_buf_append_cstr(&text, reply->text);
    }
    const char *words = mm_buf_cstr(&text);
    if (words == NULL || mm_buf_error(&text) != MAILMOD_OK) {
        words = smtpd->options.host_name;
    }
    mm_smtpd_set_state(smtpd, MM_SMTPD_AT_HELLO);
    mm_smtpd_say_bare(smtpd, &(struct mm_reply){220, NULL, words});
    mm_buf_fini(&text);
}

static bool is_word(struct mm_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        int c = (unsigned char)name.data[i];
        if (c == ' ' || !mm_ascii_is_printable(c)) {
            return false;
        }
    }
    return name.size > 0 && name.size <= MM_LIMIT_DOMAIN;
}

/* With the leniency a name that is no word counts as none. */
static const struct mm_reply *check_name(const struct mm_smtpd *smtpd,
                                         struct mm_span argument,
                                         struct mm_smtpd_request *request)
{
    bool is_good = is_word(argument);
    if (!is_good && (smtpd->options.leniencies & MM_LENIENT_HELLO) == 0) {
        return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    request->name = is_good ? argument : mm_span(NULL, 0);
    return NULL;
}

const struct mm_reply *mm_smtpd_check_helo(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    request->is_extended = false;
    return check_name(smtpd, argument, request);
}

const struct mm_reply *mm_smtpd_check_ehlo(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    request->is_extended = true;
    return check_name(smtpd, argument, request);
}

void mm_smtpd_do_hello(struct mm_smtpd *smtpd)
{
    smtpd->info = (struct mm_smtpd_info){
        .name = smtpd->request.name,
        .is_extended = smtpd->request.is_extended,
    };
    /* RFC 5321 4.1.4: EHLO in mid-session clears like RSET. */
    mm_smtpd_abandon(smtpd);
    mm_smtpd_raise(smtpd, MM_SMTPD_HELO);
}

static void list_extensions(const struct mm_smtpd *smtpd, struct mm_buf *text)
{
    mm_buf_append_cstr(text, "\nPIPELINING\nSIZE");
    if (smtpd->options.message_size_max > 0) {
        mm_buf_append_char(text, ' ');
        mm_buf_append_u64(text, smtpd->options.message_size_max);
    }
    mm_buf_append_cstr(text, "\n8BITMIME\nENHANCEDSTATUSCODES");
    if (smtpd->options.has_starttls && !smtpd->is_tls) {
        mm_buf_append_cstr(text, "\nSTARTTLS");
    }
    unsigned mechanisms = mm_smtpd_mechanisms(smtpd);
    if (mechanisms != 0) {
        mm_buf_append_cstr(text, "\nAUTH");
        mm_sasl_write_names(text, mechanisms);
    }
    mm_buf_append_cstr(text, "\nSMTPUTF8\nDSN\nCHUNKING\nBINARYMIME");
    if (smtpd->options.has_etrn) {
        mm_buf_append_cstr(text, "\nETRN");
    }
    mm_smtpd_list_own(smtpd, text);
    mm_buf_append_cstr(text, "\nHELP");
}

void mm_smtpd_settle_hello(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    if (!mm_smtpd_is_accepted(reply)) {
        mm_smtpd_say(smtpd, reply);
        return;
    }
    struct mm_buf text;
    mm_buf_init(&text, GREETING_MAX);
    mm_buf_append_cstr(&text, smtpd->options.host_name);
    if (smtpd->request.is_extended) {
        list_extensions(smtpd, &text);
    }
    const char *lines = mm_buf_cstr(&text);
    if (lines == NULL || mm_buf_error(&text) != MAILMOD_OK) {
        mm_smtpd_say_id(smtpd, MM_REPLY_LOCAL_ERROR);
    } else {
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_READY);
        mm_smtpd_say_bare(smtpd, &(struct mm_reply){250, NULL, lines});
    }
    mm_buf_fini(&text);
}
