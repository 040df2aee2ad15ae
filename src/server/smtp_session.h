/* thread: loop (the session's)
 * smtp_session.h - one SMTP session, shared by its files: smtp_session.c
 * (logins, events, the protocol's table), smtp_judges.c (who decides) and
 * smtp_transaction.c (MAIL to the end of data). */
#ifndef MM_SERVER_SMTP_SESSION_H
#define MM_SERVER_SMTP_SESSION_H

#include "crypto/crypto.h"
#include "post/deposit.h"
#include "post/resolve.h"
#include "server/blocklist.h"
#include "server/judge.h"
#include "server/logins.h"
#include "server/policy.h"
#include "server/session.h"
#include "wire/smtp/server.h"

/* Address, zone and reason: within a reply line (RFC 5321 4.5.3.1.5). */
#define MM_BLOCKED_TEXT_MAX 490

/* Of the session, for smtp_lists.c. */
struct mm_smtp_lists {
    struct mm_rules *rules; /* those that it began with; NULL: none */
    struct mm_blocklist *zones[MM_RULE_LISTS]; /* NULL: not asked */
    struct mm_query *helo_query;
    bool is_helo_known; /* whether the HELO name leads to the peer */
    bool is_helo_peers;
    bool is_helo_unsure; /* the DNS did not say */
    int found; /* of the pending RCPT: its list; MM_RULE_LISTS: on none */
};

enum mm_name_state {
    MM_NAME_UNASKED,
    MM_NAME_GOOD,
    MM_NAME_BAD,   /* the DNS says that there is none */
    MM_NAME_UNSURE /* it says nothing */
};

/* Of the session, for smtp_names.c. */
struct mm_smtp_names {
    struct mm_query *sender_query, *reverse_query;
    enum mm_name_state sender, reverse;
    size_t sender_step; /* of the types that are asked for */
    unsigned warned;    /* bits of checks: smtp_names.c */
};

/* May the login send as the pending MAIL says? For smtp_judges.c, where the
 * store waits. */
struct mm_sender_check {
    struct mm_job job;
    struct mm_smtp_session *smtp; /* which stays until the job is back */
    struct mm_policy_facts facts;
    struct mm_address reverse_path;
    const struct mm_reply *refusal; /* once it is back; NULL: it may */
};

/* Of the message, for smtp_spam.c; all zero while nothing is hashed. */
struct mm_smtp_spam {
    struct mm_sha256_stream hash;
    bool is_on;      /* the body is hashed */
    bool is_in_body; /* behind the header's empty line */
    bool has_line;   /* an octet of this line of the header came */
    uint64_t size;   /* of what was hashed */
    bool is_hashed;  /* `key` is made */
    bool is_judged;
    bool is_known; /* was refused before, or is for a trap, too */
    bool has_trap; /* of RCPT */
    bool has_postmaster, has_others, is_white;
    char key[2 * MM_SHA256_SIZE + 1]; /* "": none */
};

struct mm_smtp_milters; /* smtp_milters.c's */
struct mm_smtp_content; /* smtp_content.c's */
struct mm_etrn;

struct mm_smtp_session {
    struct mm_session base;
    struct mm_smtpd *engine;
    struct mm_logins *logins; /* NULL before the first AUTH */
    bool is_logged_in;
    char user[MM_STORE_USER_MAX];
    char helo_name[MM_LIMIT_DOMAIN + 1];
    bool is_extended;
    struct mm_question sender;  /* to the host, at MAIL; until the next one */
    struct mm_question message; /* prepared at MAIL, asked at DATA */
    struct mm_deposit *deposit;
    struct mm_resolve resolve;     /* of the pending RCPT */
    struct mm_address *redirected; /* ... by the host; NULL: it is not */
    uint64_t told_size;            /* SIZE of the pending message; 0: none */
    bool is_resolving;             /* it was asked */
    bool is_resolved;              /* ... and answered */
    bool is_with_milters;          /* ... and filters are asked */
    size_t body_used;              /* of the pending BODY event: stored */
    size_t body_offered;           /* and given to the host */
    enum mailmod_error body_error;
    bool host_reads; /* the body goes to the host, too */
    unsigned message_count;
    unsigned refused_count;               /* recipients, by us */
    const struct mm_reply *delayed_reply; /* to the pending RCPT */
    bool has_held_greeting;               /* early talkers had their time */
    uint64_t octets;                      /* of the message so far */
    struct mm_judging judging;
    const struct mm_smtpd_info *info; /* of the event that is handled now */
    struct mm_blocklist *blocklist;   /* NULL: nobody is asked */
    struct mm_smtp_lists lists;
    struct mm_smtp_names names;
    struct mm_smtp_sender_hosts *sender_hosts; /* NULL: not asked about */
    struct mm_sender_check *sender_check; /* of the pending MAIL; NULL: none */
    struct mm_smtp_milters *milters;      /* NULL: none was asked */
    struct mm_smtp_content *content;      /* of the message; NULL: no rules */
    struct mm_smtp_spam spam;
    struct mm_etrn *etrn; /* of the pending ETRN; NULL: none */
    char blocked_text[MM_BLOCKED_TEXT_MAX];
    struct mm_reply blocked_reply;
    bool is_receiving; /* a body was let in and is not done with */
};

struct mm_smtp_session *mm_smtp_session(struct mm_session *session);
const struct mm_log *mm_smtp_log(const struct mm_smtp_session *smtp);
struct mm_policy_facts mm_smtp_facts(const struct mm_smtp_session *smtp);
void mm_smtp_answer(struct mm_smtp_session *smtp, const struct mm_reply *reply);
void mm_smtp_answer_id(struct mm_smtp_session *smtp, enum mm_reply_id id);

/* smtp_lists.c: the rules, for the whole session; a new HELO name. */
void mm_smtp_lists_begin(struct mm_smtp_session *smtp);
void mm_smtp_lists_end(struct mm_smtp_session *smtp);
void mm_smtp_lists_forget_helo(struct mm_smtp_session *smtp);
/* Whether it is known if the HELO name leads to the peer. False: it is asked,
 * and MM_WAIT_NAMES ends with the answer. */
bool mm_smtp_knows_helo(struct mm_smtp_session *smtp);
/* Where there are rules: puts the list that has the pending RCPT's mail, by the
 * order white, black, grey, into lists.found, which is none before. False:
 * MM_WAIT_NAMES ends with the answer. */
bool mm_smtp_lists_ask(struct mm_smtp_session *smtp);
/* Would greylisting look at the pending RCPT? */
bool mm_smtp_may_be_greylisted(const struct mm_smtp_session *smtp);
/* Is the pending RCPT, whose recipient would be taken, to come again? */
bool mm_smtp_is_greylisted(const struct mm_smtp_session *smtp);

/* smtp_names.c: the checks of names for the pending RCPT; NULL: they pass.
 * False: MM_WAIT_NAMES ends with the answer. */
bool mm_smtp_names_ask(struct mm_smtp_session *smtp,
                       const struct mm_reply **refusal_out);
void mm_smtp_names_forget_sender(struct mm_smtp_session *smtp);
void mm_smtp_names_end(struct mm_smtp_session *smtp);

/* smtp_milters.c. Judges of MAIL and END. */
enum mm_judgement mm_smtp_milters_judge_sender(void *subject,
                                               struct mm_finding *finding);
enum mm_judgement mm_smtp_milters_judge_message(void *subject,
                                                struct mm_finding *finding);
/* About the pending RCPT, whose recipient would be taken; NULL: they let it
 * pass. False: MM_WAIT_HOST ends with the answer. */
bool mm_smtp_milters_rcpt(struct mm_smtp_session *smtp,
                          const struct mm_reply **refusal_out);
void mm_smtp_milters_rcpt_over(struct mm_smtp_session *smtp);
/* A piece of the body; false: MM_WAIT_HOST ends when there is room. */
bool mm_smtp_milters_data(struct mm_smtp_session *smtp, struct mm_span data);
void mm_smtp_milters_data_over(struct mm_smtp_session *smtp);
void mm_smtp_milters_forget_message(struct mm_smtp_session *smtp);
void mm_smtp_milters_forget_helo(struct mm_smtp_session *smtp);
bool mm_smtp_milters_may_change(const struct mm_smtp_session *smtp);
void mm_smtp_milters_end(struct mm_smtp_session *smtp);
/* smtp_etrn.c: answers the event, or leaves it pending with MM_WAIT_JOB. */
void mm_smtp_etrn(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info);

/* smtp_sender_hosts.c: is the peer a mail host of the sender's domain? False:
 * MM_WAIT_NAMES ends with the answer. */
bool mm_smtp_sender_hosts_ask(struct mm_smtp_session *smtp);
bool mm_smtp_sender_hosts_have_peer(const struct mm_smtp_session *smtp);
void mm_smtp_sender_hosts_forget(struct mm_smtp_session *smtp);

/* smtp_spam.c: a message begins; a piece of it; it was refused at its end. */
void mm_smtp_spam_begin(struct mm_smtp_session *smtp);
void mm_smtp_spam_body(struct mm_smtp_session *smtp, struct mm_span data);
void mm_smtp_spam_refused(struct mm_smtp_session *smtp,
                          const struct mm_reply *reply);
void mm_smtp_spam_forget(struct mm_smtp_session *smtp);
/* Judges of RCPT and END. */
enum mm_judgement mm_smtp_spam_hears_recipient(void *subject,
                                               struct mm_finding *finding);
enum mm_judgement mm_smtp_spam_judges_message(void *subject,
                                              struct mm_finding *finding);

/* smtp_content.c: a message begins (MEMORY); a recipient of it was taken, a
 * piece came. A judge of END. */
MM_CHECK enum mailmod_error mm_smtp_content_begin(struct mm_smtp_session *smtp);
void mm_smtp_content_recipient(struct mm_smtp_session *smtp, const char *path);
void mm_smtp_content_body(struct mm_smtp_session *smtp, struct mm_span data);
void mm_smtp_content_forget(struct mm_smtp_session *smtp);
bool mm_smtp_content_may_change(const struct mm_smtp_session *smtp);
enum mm_judgement mm_smtp_content_judges_message(void *subject,
                                                 struct mm_finding *finding);

/* smtp_judges.c */
void mm_smtp_judges_init(struct mm_smtp_session *smtp);
/* The judges' word about the pending event: NULL when they let it pass, else
 * their reply. False: a wait has begun, and the event is looked at again. */
bool mm_smtp_judge(struct mm_smtp_session *smtp, enum mm_stage stage,
                   const struct mm_reply **refusal_out);

bool mm_smtp_is_local(const struct mm_smtp_session *smtp,
                      const struct mm_address *path);
void mm_smtp_drop_message(struct mm_smtp_session *smtp);
void mm_smtp_mail(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info);
/* Each answers the event, or leaves it pending with a wait. */
void mm_smtp_rcpt(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info);
void mm_smtp_data(struct mm_smtp_session *smtp);
void mm_smtp_body(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info);
void mm_smtp_end(struct mm_smtp_session *smtp,
                 const struct mm_smtpd_info *info);
/* Whose mail it is, for rates. */
struct mm_rate_subject mm_smtp_rate_subject(const struct mm_smtp_session *smtp);
/* Is its mail counted? */
bool mm_smtp_is_rated(const struct mm_smtp_session *smtp);
/* The host began to read before it gave its verdict. */
void mm_smtp_wants_body(struct mm_session *session);

#endif
