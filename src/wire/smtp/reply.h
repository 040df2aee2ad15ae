/* thread: any
 * reply.h - one SMTP reply as a value, its builder and its parser:
 * RFC 5321 4.2, RFC 2034 4 and RFC 3463 for the enhanced code. */
#ifndef MM_WIRE_SMTP_REPLY_H
#define MM_WIRE_SMTP_REPLY_H

#include "base/buf.h"
#include "base/limits.h"

/* A reply to send. `text` may have several lines, split by '\n'; NULL uses
 * the code's standard text. `enhanced` is "2.1.0" or NULL for none. */
struct mm_reply {
    int code;
    const char *enhanced;
    const char *text;
};

/* Every text that the server says stands in reply.c, in this order's table:
 * a name, a code, an enhanced code, a text. */
enum mm_reply_id {
    MM_REPLY_OK,                    /* 250 2.0.0 */
    MM_REPLY_SENDER_OK,             /* 250 2.1.0 */
    MM_REPLY_RECIPIENT_OK,          /* 250 2.1.5 */
    MM_REPLY_MESSAGE_ACCEPTED,      /* 250 2.6.0 */
    MM_REPLY_START_INPUT,           /* 354 */
    MM_REPLY_START_TLS,             /* 220 2.0.0 */
    MM_REPLY_BYE,                   /* 221 2.0.0 */
    MM_REPLY_AUTH_OK,               /* 235 2.7.0 */
    MM_REPLY_VRFY_UNSURE,           /* 252 2.5.0 */
    MM_REPLY_ETRN_STARTED,          /* 250 2.0.0 */
    MM_REPLY_ETRN_NOTHING,          /* 251 2.0.0 */
    MM_REPLY_ETRN_FAILED,           /* 458 4.3.0 */
    MM_REPLY_HELP,                  /* 214 2.0.0 */
    MM_REPLY_SHUTTING_DOWN,         /* 421 4.3.2 */
    MM_REPLY_TIMEOUT,               /* 421 4.4.2 */
    MM_REPLY_TOO_MANY_CONNECTIONS,  /* 421 4.3.2 */
    MM_REPLY_TOO_MANY_OF_ADDRESS,   /* 421 4.7.0 */
    MM_REPLY_TOO_MANY_OF_NETWORK,   /* 421 4.7.0 */
    MM_REPLY_NO_SERVICE,            /* 421 4.7.1 */
    MM_REPLY_TOO_MANY_ERRORS,       /* 421 4.7.0 */
    MM_REPLY_TOO_MANY_EMPTY,        /* 421 4.7.0 */
    MM_REPLY_TOO_MANY_REFUSED,      /* 421 4.7.0 */
    MM_REPLY_USER_DISABLED,         /* 421 4.7.0 */
    MM_REPLY_LOCAL_ERROR,           /* 451 4.3.0 */
    MM_REPLY_NOT_NOW,               /* 451 4.3.2 */
    MM_REPLY_GREYLISTED,            /* 451 4.7.1 */
    MM_REPLY_FILTER_REFUSES,        /* 550 5.7.1 */
    MM_REPLY_FILTER_DEFERS,         /* 451 4.7.1 */
    MM_REPLY_FILTER_AWAY,           /* 451 4.3.2 */
    MM_REPLY_FILTER_GONE,           /* 550 5.3.2 */
    MM_REPLY_KNOWN_SPAM,            /* 550 5.7.1 */
    MM_REPLY_HEADER_TOO_LARGE,      /* 552 5.3.4 */
    MM_REPLY_STORAGE_FULL,          /* 452 4.3.1 */
    MM_REPLY_MAILBOX_FULL,          /* 452 4.2.2 */
    MM_REPLY_TOO_MANY_RECIPIENTS,   /* 452 4.5.3 */
    MM_REPLY_TOO_MANY_MESSAGES,     /* 421 4.7.0 */
    MM_REPLY_TLS_UNAVAILABLE,       /* 454 4.7.0 */
    MM_REPLY_AUTH_TEMPORARY,        /* 454 4.7.0 */
    MM_REPLY_LINE_TOO_LONG,         /* 500 5.5.6 */
    MM_REPLY_BARE_NEWLINE_COMMAND,  /* 500 5.5.2 */
    MM_REPLY_UNKNOWN_COMMAND,       /* 500 5.5.1 */
    MM_REPLY_SYNTAX,                /* 501 5.5.2 */
    MM_REPLY_BAD_ARGUMENTS,         /* 501 5.5.4 */
    MM_REPLY_BAD_SENDER,            /* 501 5.1.7 */
    MM_REPLY_BAD_RECIPIENT,         /* 501 5.1.3 */
    MM_REPLY_AUTH_CANCELLED,        /* 501 5.7.0 */
    MM_REPLY_BAD_BASE64,            /* 501 5.5.2 */
    MM_REPLY_NOT_IMPLEMENTED,       /* 502 5.5.1 */
    MM_REPLY_BAD_SEQUENCE,          /* 503 5.5.1 */
    MM_REPLY_HELLO_FIRST,           /* 503 5.5.1 */
    MM_REPLY_ALREADY_TLS,           /* 503 5.5.1 */
    MM_REPLY_ALREADY_AUTHENTICATED, /* 503 5.5.1 */
    MM_REPLY_MECHANISM_UNKNOWN,     /* 504 5.5.4 */
    MM_REPLY_TLS_REQUIRED,          /* 530 5.7.0 */
    MM_REPLY_AUTH_REQUIRED,         /* 530 5.7.0 */
    MM_REPLY_AUTH_FAILED,           /* 535 5.7.8 */
    MM_REPLY_AUTH_NEEDS_TLS,        /* 538 5.7.11 */
    MM_REPLY_NO_SUCH_USER,          /* 550 5.1.1 */
    MM_REPLY_MAILBOX_DISABLED,      /* 550 5.2.1 */
    MM_REPLY_RELAY_DENIED,          /* 550 5.7.1 */
    MM_REPLY_BARE_NEWLINE,          /* 550 5.6.11 */
    MM_REPLY_LOOP,                  /* 554 5.4.6 */
    MM_REPLY_TOO_LARGE,             /* 552 5.3.4 */
    MM_REPLY_NEEDS_SMTPUTF8,        /* 553 5.6.7 */
    MM_REPLY_NO_RECIPIENTS,         /* 554 5.5.1 */
    MM_REPLY_NOT_CONVERTED,         /* 554 5.6.3 */
    MM_REPLY_EARLY_TALKER,          /* 554 5.5.1 */
    MM_REPLY_TRANSACTION_FAILED,    /* 554 5.0.0 */
    MM_REPLY_BAD_PARAMETER,         /* 555 5.5.4 */
    MM_REPLY_COUNT
};

const struct mm_reply *mm_reply_get(enum mm_reply_id id);

/* Writes the reply's lines; with `with_enhanced` the enhanced code leads each.
 * CR, other control characters and (without SMTPUTF8, so always) 8-bit octets
 * in the text become '?', so that nobody's text can forge a line. A text
 * line past RFC 5321's 512 octets goes on in another line of the reply. All of
 * the reply is written or, with an error, nothing. An enhanced code that is
 * not of the code's class is left out (RFC 2034 4). */
enum mailmod_error mm_reply_write(struct mm_buf *out,
                                  const struct mm_reply *reply,
                                  bool with_enhanced);

/* A reply that was received. The text lines have been joined by '\n' and
 * cleaned of control characters; 8-bit octets became '?' unless UTF-8. An
 * enhanced code stays in the text as it came. */
struct mm_reply_in {
    int code;          /* 200..599 */
    char enhanced[12]; /* "" when absent or not of the code's class */
    unsigned line_count;
    struct mm_buf text; /* cap MM_LIMIT_REPLY */
};

/* Incremental: RFC 5321 4.2.1. Accepts LF alone as a line end, a last line
 * without blank ("354"), not a changed code. Texts past MM_LIMIT_REPLY_LINE and
 * MM_LIMIT_REPLY are cut; too many lines and MM_LIMIT_REPLY_WHOLE are errors.
 */
struct mm_reply_parser {
    struct mm_reply_in reply;
    struct mm_buf line;
    size_t size; /* of the reply as it came */
    bool is_complete;
    bool takes_any_code; /* three digits, whatever they are; set after init */
};
void mm_reply_parser_init(struct mm_reply_parser *parser);
void mm_reply_parser_fini(struct mm_reply_parser *parser);
void mm_reply_parser_reset(struct mm_reply_parser *parser);
/* Takes up to the end of one reply; PROTOCOL or LIMIT when broken. */
MM_CHECK enum mailmod_error mm_reply_parser_feed(struct mm_reply_parser *parser,
                                                 const char *bytes, size_t size,
                                                 size_t *used_out);

#endif
