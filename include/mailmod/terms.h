/* terms.h - words that the interface and the inside share.
 *
 * mailmod.h includes it. The numbers are part of the binary interface and
 * never change. */
#ifndef MAILMOD_TERMS_H
#define MAILMOD_TERMS_H

#include <stddef.h>
#include <stdint.h>

/* How far a message is on its way out. */
enum mailmod_progress {
    MAILMOD_FINDING_HOST = 1, /* names are looked up */
    MAILMOD_CONNECTING,
    MAILMOD_IN_DIALOG, /* greeting to RCPT */
    MAILMOD_SENDING,   /* octets of the text go out: `sent` grows */
    MAILMOD_DONE       /* once and last: every recipient has its outcome */
};

/* What is known of a message in a mailbox. Bits. */
enum mailmod_mail_flags {
    MAILMOD_MAIL_8BIT = 1,     /* the text has octets above 127 */
    MAILMOD_MAIL_SMTPUTF8 = 2, /* it came by SMTPUTF8 (RFC 6531) */
    MAILMOD_MAIL_REPORT = 4,   /* a report of ours */
    /* As the Maildir says in which it lies, or said from which it was imported,
     * or the mbox; of other mail none is known. */
    MAILMOD_MAIL_SEEN = 8,
    MAILMOD_MAIL_ANSWERED = 16,
    MAILMOD_MAIL_FLAGGED = 32,
    MAILMOD_MAIL_DRAFT = 64,
    MAILMOD_MAIL_TRASHED = 128, /* to be deleted, and still there */
    MAILMOD_MAIL_PASSED = 256   /* sent on to somebody; an mbox cannot say it */
};

/* What an operator does to waiting mail. */
enum mailmod_queue_action {
    MAILMOD_QUEUE_HOLD,
    MAILMOD_QUEUE_RELEASE,
    MAILMOD_QUEUE_FLUSH, /* try now */
    MAILMOD_QUEUE_DELETE /* without a report to the sender */
};

/* Why mail is kept that has left the queue. */
enum mailmod_kept_kind {
    MAILMOD_KEPT_SENT = 1, /* another host has taken it: archive.sent_days */
    MAILMOD_KEPT_DEAD = 2  /* nobody could be told that it failed:
                              archive.dead_letter_days */
};

enum mailmod_queue_state {
    MAILMOD_QUEUE_ANY,
    MAILMOD_QUEUE_WAITING,
    MAILMOD_QUEUE_TRIED, /* waiting, after a failed attempt */
    MAILMOD_QUEUE_HELD
};

struct mailmod_queue_filter { /* which recipients; zero: all */
    size_t size;              /* sizeof(struct mailmod_queue_filter) */
    const char *message;
    const char *sender;    /* an address, "@domain", or "" for the null path */
    const char *recipient; /* an address, or "@domain" */
    const char *domain;    /* of the recipient or of the destination */
    enum mailmod_queue_state state;
    uint64_t age_min_ms; /* arrived at least so long ago */
};
struct mailmod_queue_entry { /* one recipient of one queued message */
    size_t size;
    const char *message; /* queue identifier */
    const char *reverse_path;
    const char *recipient;
    const char *destination;
    const char *last_reply;
    uint64_t message_size;
    int64_t arrival_ms, next_attempt_ms, expires_ms; /* since 1970, UTC */
    unsigned attempts;
    int is_held;
    const char *reason; /* why it waits although its time has come; or "" */
    /* The host that may have it already: it got the whole message, and the
     * connection ended before its answer. "": none. */
    const char *unsure_host;
};
struct mailmod_queue_destination { /* all that waits for one */
    size_t size;
    const char *destination;
    uint64_t recipients, held;
    int64_t oldest_arrival_ms, next_attempt_ms; /* 0: all are held */
    const char *last_reply;                     /* the latest that is known */
};

/* Moments at which the instance asks the host. Bits of a mask. */
enum mailmod_moment {
    MAILMOD_SMTP_CONNECT = 1,  /* before the greeting */
    MAILMOD_SMTP_MESSAGE = 2,  /* envelope complete, before 354 */
    MAILMOD_POP3_LOGIN = 4,    /* name and password known, before the check */
    MAILMOD_POP3_RETRIEVE = 8, /* RETR and TOP, before the message goes out */
    MAILMOD_POP3_DELETE = 16,  /* DELE and DELI, before they do it */
    /* MAIL, which is answered at once: a refusal is said to each RCPT of the
     * message but postmaster's (RFC 5321 4.5.1), which waits for the host. */
    MAILMOD_SMTP_MAIL = 32,
    MAILMOD_SMTP_RCPT = 64,  /* each RCPT, before the recipient is looked up */
    MAILMOD_SMTP_AUTH = 128, /* name and password known, before the check */
    /* A bearer token (RFC 7628), of SMTP and of POP3, which the host alone can
     * judge: MAILMOD_TAKEN lets the user in, MAILMOD_ACCEPT refuses. The
     * mechanisms OAUTHBEARER and XOAUTH2 are offered, under TLS, while the host
     * is asked here. */
    MAILMOD_LOGIN_TOKEN = 256,
    /* A login by the client's certificate (RFC 4422 A, EXTERNAL), on a
     * submission service, which the host alone can judge: MAILMOD_TAKEN lets
     * the user in, MAILMOD_ACCEPT refuses. While the host is asked here,
     * clients are asked for a certificate under TLS, and those who show one are
     * offered EXTERNAL. */
    MAILMOD_LOGIN_CERTIFICATE = 512,
    MAILMOD_ALL_MOMENTS = 1023
};

/* What became of mail for one recipient. Bits of a mask. */
enum mailmod_event_kind {
    MAILMOD_EVENT_DELIVERED = 1, /* in a mailbox here, or the next host's */
    /* Given up for good; the sender gets a report, if it wants one. */
    MAILMOD_EVENT_BOUNCED = 2,
    MAILMOD_EVENT_DEFERRED = 4, /* an attempt failed, for now */
    MAILMOD_EVENT_EXPIRED = 8,  /* given up, its time in the queue is over */
    MAILMOD_EVENT_REMOVED = 16, /* an operator took it out of the queue */
    /* Of a visit to a mailbox elsewhere (fetch.h): it begins; a message came,
     * and is on disk; one stays there; it is over. */
    MAILMOD_EVENT_FETCH_BEGUN = 32,
    MAILMOD_EVENT_FETCHED = 64,
    MAILMOD_EVENT_FETCH_LEFT = 128,
    MAILMOD_EVENT_FETCH_ENDED = 256,
    MAILMOD_ALL_EVENTS = 511
};

/* What a session of a server does, or what is done to it. Bits of a mask. */
enum mailmod_session_kind {
    MAILMOD_SESSION_OPENED = 1,
    MAILMOD_SESSION_COMMAND = 2, /* a line came; secrets are hidden */
    MAILMOD_SESSION_REPLY = 4,   /* a line of a reply was said */
    MAILMOD_SESSION_REFUSED = 8, /* a 4xx, a 5xx or a -ERR was said, whole */
    MAILMOD_SESSION_TLS = 16,    /* a handshake succeeded */
    MAILMOD_SESSION_LOGIN = 32,
    MAILMOD_SESSION_LOGIN_REFUSED = 64,
    MAILMOD_SESSION_CLOSED = 128,
    /* A connection over a limit, or from where none are taken: no session. */
    MAILMOD_SESSION_TURNED_AWAY = 256,
    MAILMOD_ALL_SESSION_KINDS = 511
};

/* What is wrong with a field, or not as RFC 5321 4.4 has it. The rest of the
 * field is read all the same. */
enum mailmod_received_fault {
    MAILMOD_RECEIVED_NO_BY = 1 << 0,
    MAILMOD_RECEIVED_NO_DATE = 1 << 1,
    MAILMOD_RECEIVED_BAD_DATE = 1 << 2, /* none that a calendar has */
    MAILMOD_RECEIVED_NO_SEMICOLON = 1 << 3,
    MAILMOD_RECEIVED_ORDER = 1 << 4,    /* of the clauses */
    MAILMOD_RECEIVED_TWICE = 1 << 5,    /* a clause; the first one counts */
    MAILMOD_RECEIVED_NO_VALUE = 1 << 6, /* behind a clause's name */
    MAILMOD_RECEIVED_WORDS = 1 << 7,    /* that belong to no clause */
    MAILMOD_RECEIVED_OPEN = 1
                            << 8, /* a comment, quote or bracket, to the end */
    MAILMOD_RECEIVED_OCTETS = 1 << 9, /* that no header may have: "?" */
    MAILMOD_RECEIVED_CUT = 1 << 10    /* what is behind 16 KiB */
};

#endif
