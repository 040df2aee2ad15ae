/* server_command.c - the verb table, and how a line becomes a command.
 *
 * The table is the only statement of which verb may come when. Promises: a
 * flawed line is refused and never read as a command; what is refused changes
 * nothing but the count of errors.
 * Thread: the caller's. RFC 5321 4.1.1, 4.1.4, 4.5.1; RFC 3207 4. */
#include "wire/smtp/request.h"
#include "wire/smtp/server_internal.h"

enum {
    IS_EMPTY = 1 << 0, /* does nothing for a mail: counted in a row */
    HAS_NO_ARGUMENT = 1 << 1,
    NEEDS_TLS = 1 << 2,   /* 530 before TLS where it is required */
    ALLOWS_8BIT = 1 << 3, /* RFC 6531, or the check looks itself */
    HAS_OCTETS = 1 << 4   /* octets follow even when it is refused */
};

#define BIT(state) (1u << MM_SMTPD_AT_##state)
#define READY BIT(READY)
#define OPEN (BIT(MAIL) | BIT(RCPT) | BIT(BDAT))
#define GREETED (BIT(HELLO) | READY | OPEN)
#define EVER (BIT(REFUSED) | GREETED)

struct verb {
    const char *name;
    unsigned states; /* that it is allowed in */
    unsigned flags;
    mm_smtpd_check *check;
    mm_smtpd_act *act;
};

static const struct verb verbs[] = {
    {"HELO", GREETED, IS_EMPTY | ALLOWS_8BIT, mm_smtpd_check_helo,
     mm_smtpd_do_hello},
    {"EHLO", GREETED, IS_EMPTY | ALLOWS_8BIT, mm_smtpd_check_ehlo,
     mm_smtpd_do_hello},
    {"STARTTLS", READY, HAS_NO_ARGUMENT, mm_smtpd_check_starttls,
     mm_smtpd_do_starttls},
    {"AUTH", READY, 0, mm_smtpd_check_auth, mm_smtpd_do_auth},
    {"MAIL", READY, NEEDS_TLS | ALLOWS_8BIT, mm_smtpd_check_mail,
     mm_smtpd_do_mail},
    {"RCPT", BIT(MAIL) | BIT(RCPT), NEEDS_TLS | ALLOWS_8BIT,
     mm_smtpd_check_rcpt, mm_smtpd_do_rcpt},
    {"DATA", BIT(MAIL) | BIT(RCPT), NEEDS_TLS | HAS_NO_ARGUMENT,
     mm_smtpd_check_data, mm_smtpd_do_data},
    {"BDAT", OPEN, NEEDS_TLS | HAS_OCTETS, mm_smtpd_check_bdat,
     mm_smtpd_do_bdat},
    {"RSET", GREETED, IS_EMPTY | HAS_NO_ARGUMENT, mm_smtpd_check_nothing,
     mm_smtpd_do_rset},
    {"NOOP", GREETED, IS_EMPTY | ALLOWS_8BIT, mm_smtpd_check_noop,
     mm_smtpd_do_noop},
    {"VRFY", GREETED, IS_EMPTY | NEEDS_TLS | ALLOWS_8BIT, mm_smtpd_check_vrfy,
     mm_smtpd_do_vrfy},
    {"HELP", GREETED, IS_EMPTY, mm_smtpd_check_nothing, mm_smtpd_do_help},
    {"ETRN", READY, IS_EMPTY | NEEDS_TLS, mm_smtpd_check_etrn,
     mm_smtpd_do_etrn},
    {"QUIT", EVER, HAS_NO_ARGUMENT, mm_smtpd_check_nothing, mm_smtpd_do_quit},
    /* Known and not offered: RFC 5321 4.2.4, appendix F.6. */
    {"EXPN", GREETED, ALLOWS_8BIT, mm_smtpd_check_not_implemented, NULL},
    {"SEND", GREETED, 0, mm_smtpd_check_not_implemented, NULL},
    {"SOML", GREETED, 0, mm_smtpd_check_not_implemented, NULL},
    {"SAML", GREETED, 0, mm_smtpd_check_not_implemented, NULL},
    {"TURN", GREETED, 0, mm_smtpd_check_not_implemented, NULL},
};

/* All of the owner's. */
static const struct verb own_verb = {"", GREETED, 0, mm_smtpd_check_own,
                                     mm_smtpd_do_own};

static const struct verb *find_verb(struct mm_span name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (mm_span_is_nocase(name, verbs[i].name)) {
            return &verbs[i];
        }
    }
    return NULL;
}

bool mm_smtpd_may_add_verb(struct mm_span name)
{
    return mm_request_is_word(name) && find_verb(name) == NULL;
}

/* What stands in the verb's way before its own check, or NULL. */
static const struct mm_reply *check_verb(const struct mm_smtpd *smtpd,
                                         const struct verb *verb,
                                         struct mm_span argument)
{
    if ((verb->states & (1u << smtpd->state)) == 0) {
        return mm_reply_get(smtpd->state == MM_SMTPD_AT_HELLO
                                ? MM_REPLY_HELLO_FIRST
                                : MM_REPLY_BAD_SEQUENCE);
    }
    if ((verb->flags & NEEDS_TLS) != 0 && smtpd->options.requires_tls &&
        !smtpd->is_tls) {
        return mm_reply_get(MM_REPLY_TLS_REQUIRED);
    }
    if ((verb->flags & HAS_NO_ARGUMENT) != 0 && argument.size > 0) {
        return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    if ((verb->flags & ALLOWS_8BIT) == 0 && mm_span_has_8bit(argument)) {
        return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    return NULL;
}

static void count_empty(struct mm_smtpd *smtpd, const struct verb *verb)
{
    if ((verb->flags & IS_EMPTY) == 0) {
        smtpd->empty_count = 0;
        return;
    }
    smtpd->empty_count++;
    if (smtpd->options.empty_commands_max > 0 &&
        smtpd->empty_count > smtpd->options.empty_commands_max) {
        mm_smtpd_break(smtpd, MM_REPLY_TOO_MANY_EMPTY,
                       "too many empty commands");
    }
}

static void run_command(struct mm_smtpd *smtpd, struct mm_span text)
{
    struct mm_span name;
    struct mm_span argument;
    if (!mm_span_cut(text, ' ', &name, &argument)) {
        argument = mm_span(NULL, 0);
    }
    argument = mm_span_trim(argument);
    const struct verb *verb = find_verb(name);
    smtpd->request.own_verb = mm_smtpd_find_own(smtpd, name);
    if (verb == NULL && smtpd->request.own_verb != NULL) {
        verb = &own_verb;
    }
    if (verb == NULL) {
        mm_smtpd_say_id(smtpd, smtpd->state == MM_SMTPD_AT_REFUSED
                                   ? MM_REPLY_BAD_SEQUENCE
                                   : MM_REPLY_UNKNOWN_COMMAND);
        return;
    }
    const struct mm_reply *refusal = check_verb(smtpd, verb, argument);
    if (refusal == NULL) {
        refusal = verb->check(smtpd, argument, &smtpd->request);
    }
    if (refusal != NULL) {
        if ((verb->flags & HAS_OCTETS) != 0) {
            mm_smtpd_refuse_bdat(smtpd, argument, refusal);
        } else if (verb->check == mm_smtpd_check_rcpt &&
                   smtpd->has_transaction) {
            mm_smtpd_refuse_rcpt(smtpd, refusal);
        } else {
            mm_smtpd_say(smtpd, refusal);
        }
        return;
    }
    count_empty(smtpd, verb);
    if (smtpd->state != MM_SMTPD_AT_CLOSED) {
        verb->act(smtpd);
    }
}

/* RFC 5321 2.3.8: CR and LF only together; a line that breaks this has an end
 * that another reader may see elsewhere, so it is no command at all. */
static const struct mm_reply *check_line(struct mm_line line)
{
    if ((line.flaws & MM_LINE_TOO_LONG) != 0) {
        return mm_reply_get(MM_REPLY_LINE_TOO_LONG);
    }
    if ((line.flaws & MM_LINE_BARE) != 0) {
        return mm_reply_get(MM_REPLY_BARE_NEWLINE_COMMAND);
    }
    if ((line.flaws & MM_LINE_NUL) != 0) {
        return mm_reply_get(MM_REPLY_SYNTAX);
    }
    return NULL;
}

bool mm_smtpd_step_line(struct mm_smtpd *smtpd)
{
    size_t used;
    struct mm_line line;
    enum mm_line_result result =
        mm_line_read(&smtpd->line, mm_buf_span(&smtpd->input), &used, &line);
    mm_smtpd_consume(smtpd, used);
    if (result == MM_LINE_NO_MEMORY) {
        mm_smtpd_break(smtpd, MM_REPLY_SHUTTING_DOWN, "out of memory");
        return false;
    }
    if (result == MM_LINE_MORE) {
        return false;
    }
    smtpd->progress++;
    mm_tap_command(smtpd->options.tap, MM_TAP_RECEIVED, line.text,
                   smtpd->state == MM_SMTPD_AT_AUTH);
    const struct mm_reply *refusal = check_line(line);
    if (smtpd->state == MM_SMTPD_AT_AUTH) {
        mm_smtpd_auth_line(smtpd, line.text, refusal);
    } else if (refusal != NULL) {
        mm_smtpd_say(smtpd, refusal);
    } else {
        run_command(smtpd, line.text);
    }
    return true;
}
