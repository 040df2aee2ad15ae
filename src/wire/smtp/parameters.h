/* thread: any
 * parameters.h - the parameters of MAIL and RCPT, read and written by the same
 * two tables: RFC 5321 4.1.2; RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531
 * (SMTPUTF8), RFC 3461 4 and RFC 6533 3 (RET, ENVID, NOTIFY, ORCPT), RFC 4954
 * 5 (AUTH). */
#ifndef MM_WIRE_SMTP_PARAMETERS_H
#define MM_WIRE_SMTP_PARAMETERS_H

#include "base/buf.h"
#include "base/dsn.h"
#include "wire/smtp/reply.h"

struct mm_mail_parameters {
    uint64_t size;  /* SIZE=, 0 when not given; UINT64_MAX: more than any */
    bool is_8bit;   /* BODY=8BITMIME */
    bool is_binary; /* BODY=BINARYMIME (RFC 3030 3) */
    bool is_smtputf8;
    enum mm_dsn_return dsn_return;
    char envelope_id[MM_DSN_ENVELOPE_ID_MAX + 1]; /* xtext decoded; "" none */
};

struct mm_rcpt_parameters {
    unsigned notify; /* mm_dsn_notify bits */
    /* "rfc822;user@example.com", "utf-8;...", decoded; "" none */
    char original_recipient[MM_DSN_ORIGINAL_RECIPIENT_MAX + 1];
};

/* One esmtp-param, whatever its keyword. */
struct mm_parameter {
    struct mm_span keyword;
    struct mm_span value; /* not decoded */
    bool has_value;
};
/* Takes one, and the blanks before it, off the front of "*( SP esmtp-param )".
 * False: what is there has not the form of one. */
bool mm_parameter_cut(struct mm_span *text, struct mm_parameter *parameter_out);

/* *( SP esmtp-param ), all that follows the path: NULL, or the reply that
 * refuses it. */
const struct mm_reply *
mm_mail_parameters_parse(struct mm_span text,
                         struct mm_mail_parameters *mail_out);
const struct mm_reply *
mm_rcpt_parameters_parse(struct mm_span text,
                         struct mm_rcpt_parameters *rcpt_out);
/* Each with a blank before it; in ASCII. What is not set is not written. */
void mm_mail_parameters_write(struct mm_buf *out,
                              const struct mm_mail_parameters *mail);
void mm_rcpt_parameters_write(struct mm_buf *out,
                              const struct mm_rcpt_parameters *rcpt);

#endif
