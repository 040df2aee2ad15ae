/* thread: any
 * request.h - one SMTP request as a value: a command line taken apart.
 * RFC 5321 4.1.1; RFC 3030 2, RFC 3207 4, RFC 4954 4, RFC 1985 5.2. The server
 * engine has its own verbs (server_command.c), which need its state; the forms
 * that both read stand here. */
#ifndef MM_WIRE_SMTP_REQUEST_H
#define MM_WIRE_SMTP_REQUEST_H

#include "base/error.h"
#include "wire/addr/address.h"

enum mm_request_verb {
    MM_REQUEST_OTHER,
    MM_REQUEST_HELO,
    MM_REQUEST_EHLO,
    MM_REQUEST_MAIL,
    MM_REQUEST_RCPT,
    MM_REQUEST_DATA,
    MM_REQUEST_BDAT,
    MM_REQUEST_RSET,
    MM_REQUEST_VRFY,
    MM_REQUEST_EXPN,
    MM_REQUEST_HELP,
    MM_REQUEST_NOOP,
    MM_REQUEST_QUIT,
    MM_REQUEST_STARTTLS,
    MM_REQUEST_AUTH,
    MM_REQUEST_ETRN,
    MM_REQUEST_COUNT
};

/* Spans point into the line. */
struct mm_request {
    enum mm_request_verb verb;
    struct mm_span word;       /* the verb as it was said */
    struct mm_span argument;   /* not of MAIL, RCPT, BDAT */
    struct mm_span path;       /* with its brackets */
    struct mm_span parameters; /* trimmed, each of the right form */
    uint64_t chunk_size;
    bool is_last;
};

/* A line without its end. SYNTAX; TOO_LARGE: above MM_LIMIT_SMTP_COMMAND. */
MM_CHECK enum mailmod_error mm_request_parse(struct mm_span line,
                                             bool allow_utf8,
                                             struct mm_request *request_out);
/* "MAIL"; "" of OTHER. */
const char *mm_request_name(enum mm_request_verb verb);
/* A word that may be a verb: letters, digits and hyphens. */
bool mm_request_is_word(struct mm_span text);

/* Cuts "FROM:" or "TO:" and blanks off the front; false when not there. */
bool mm_request_cut_prefix(struct mm_span *argument, const char *prefix);
/* RFC 3030 2; false: there is no size. The size is given even when the rest is
 * wrong. */
bool mm_request_parse_chunk(struct mm_span argument, uint64_t *size_out,
                            bool *is_last_out, bool *is_good_out);

#endif
