/* wire.h - mail's protocols as values: addresses, requests, replies, and whole
 * conversations without a socket, a clock or a thread.
 *
 * To be included beside mailmod.h, which says what holds for errors. No
 * instance has to run, and none has to be there.
 *
 * Ownership: a structure that the host lends belongs to the host, holds its
 * texts itself and may be copied. Set its `size` before it is lent. */
#ifndef MAILMOD_WIRE_H
#define MAILMOD_WIRE_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a text is read. Bits. */
enum mailmod_wire_flag {
    MAILMOD_WIRE_REVERSE = 1, /* a reverse-path: "<>" is one, and "Postmaster"
                                 without a domain is none */
    MAILMOD_WIRE_UTF8 = 2,    /* octets above 127, as UTF-8 (RFC 6531 3.3) */
    MAILMOD_WIRE_PATH = 4,    /* the angle brackets of MAIL and RCPT must be
                                 there, and no domain has an underscore */
    MAILMOD_WIRE_BARE_LF = 8  /* a line may end with LF alone */
};

/* ---- domains, mailboxes and paths ----------------------------------------

 * RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3. */

enum mailmod_domain_form {
    MAILMOD_DOMAIN_NONE,    /* "Postmaster" and the null path have none */
    MAILMOD_DOMAIN_NAME,    /* labels with dots between, or one label */
    MAILMOD_DOMAIN_ADDRESS, /* [192.0.2.1], [IPv6:2001:db8::1] */
    MAILMOD_DOMAIN_GENERAL  /* [tag:content]: no host can be found by it */
};

struct mailmod_domain {
    size_t size; /* sizeof (struct mailmod_domain) */
    enum mailmod_domain_form form;
    int family;      /* of ADDRESS: 4 or 6; else 0. ::ffff:192.0.2.1 is 4. */
    char text[256];  /* as it was given */
    char lower[256]; /* in the one form that equals it: two domains are the same
                        when these are */
    unsigned char octets[16]; /* of ADDRESS, in network order */
};
/* The whole of `text` is one domain or literal. SYNTAX; ARGUMENT. Any thread;
 * likewise all that reads and writes values. */
MAILMOD_API enum mailmod_error
mailmod_domain_parse(const char *text, size_t size, unsigned flags,
                     struct mailmod_domain *domain_out);

enum mailmod_address_kind {
    MAILMOD_ADDRESS_MAILBOX,
    MAILMOD_ADDRESS_NULL,      /* the null reverse-path, "<>" */
    MAILMOD_ADDRESS_POSTMASTER /* without a domain (RFC 5321 4.5.1) */
};

struct mailmod_address {
    size_t size; /* sizeof (struct mailmod_address) */
    enum mailmod_address_kind kind;
    enum mailmod_domain_form domain_form;
    int family;         /* as in struct mailmod_domain */
    int needs_smtputf8; /* an octet above 127 is in it */
    /* In one form, without angle brackets and route: the local part with the
     * least quoting, "postmaster" and the domain in lower case. "": null. */
    char text[776];
    char local_part[264]; /* its octets, without quotes */
    char domain[256];     /* as it was given */
    char route[1024];     /* "@one.example,@two.example"; "": none */
    unsigned char octets[16];
};
/* The whole of `text` is one mailbox or path, with or without angle brackets.
 * Local parts of several words (RFC 5322 4.4) become one quoted string. A
 * source route (RFC 5321 appendix C) is kept, for whoever wants to see it; who
 * delivers mail passes it over. SYNTAX; TOO_LARGE: a part is past its limit;
 * ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_address_parse(const char *text, size_t size, unsigned flags,
                      struct mailmod_address *address_out);
/* Of a local part's octets, which are quoted as need be, and a domain. With no
 * domain (NULL or ""): "postmaster", or with MAILMOD_WIRE_REVERSE and no local
 * part the null path. As mailmod_address_parse. */
MAILMOD_API enum mailmod_error
mailmod_address_make(const char *local_part, const char *domain, unsigned flags,
                     struct mailmod_address *address_out);
/* The path "<@one.example:user@Domain.example>" with a NUL, of `route`,
 * `local_part` and `domain`. 2048 octets are enough for any. ARGUMENT: it
 * would not read back as it is. TOO_LARGE: `size` is too small. */
MAILMOD_API enum mailmod_error
mailmod_address_write(const struct mailmod_address *address, char *path_out,
                      size_t size);

/* ---- one SMTP request ----------------------------------------------------

 * RFC 5321 4.1.1; RFC 3030 2 (BDAT), 3207 4, 4954 4, 1985 5.2. */

enum mailmod_smtp_verb {
    MAILMOD_VERB_OTHER, /* `word` and `argument` */
    MAILMOD_VERB_HELO,  /* `argument`: one word */
    MAILMOD_VERB_EHLO,
    MAILMOD_VERB_MAIL, /* `path`, `parameters` */
    MAILMOD_VERB_RCPT,
    MAILMOD_VERB_DATA,
    MAILMOD_VERB_BDAT, /* `chunk_size`, `is_last` */
    MAILMOD_VERB_RSET,
    MAILMOD_VERB_VRFY, /* `argument`; likewise EXPN */
    MAILMOD_VERB_EXPN,
    MAILMOD_VERB_HELP, /* `argument`, or none; likewise NOOP */
    MAILMOD_VERB_NOOP,
    MAILMOD_VERB_QUIT,
    MAILMOD_VERB_STARTTLS,
    MAILMOD_VERB_AUTH, /* `argument`: the mechanism, and what is behind it */
    MAILMOD_VERB_ETRN
};

struct mailmod_smtp_request {
    size_t size; /* sizeof (struct mailmod_smtp_request) */
    enum mailmod_smtp_verb verb;
    int is_last;
    uint64_t chunk_size;
    char word[64]; /* the verb in capitals */
    char argument[2048];
    char path[2048];       /* as it was given, with angle brackets */
    char parameters[2048]; /* "SIZE=100 BODY=8BITMIME"; "": none */
};
/* One line, with its CRLF or without. A verb that is none of these is OTHER.
 * SYNTAX; TOO_LARGE: above 2046 octets; ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_smtp_request_parse(const char *line, size_t size, unsigned flags,
                           struct mailmod_smtp_request *request_out);
/* The line with its CRLF and a NUL. `word` counts for OTHER alone. 2049 octets
 * are enough for any. ARGUMENT: it would not read back as it is. TOO_LARGE:
 * `size` is too small. */
MAILMOD_API enum mailmod_error
mailmod_smtp_request_write(const struct mailmod_smtp_request *request,
                           char *line_out, size_t size);
/* The value of a parameter of MAIL or RCPT, as it was said, with a NUL; "" for
 * one without a value. NOT_FOUND; TOO_LARGE: `size` is too small; ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_smtp_request_parameter(const struct mailmod_smtp_request *request,
                               const char *keyword, char *value_out,
                               size_t size);

/* ---- one SMTP reply ------------------------------------------------------

 * RFC 5321 4.2. */

enum mailmod_smtp_reply_kind {
    MAILMOD_REPLY_UNKNOWN, /* a code that is none of SMTP's, such as 666 */
    MAILMOD_REPLY_POSITIVE = 2,
    MAILMOD_REPLY_INTERMEDIATE = 3,
    MAILMOD_REPLY_TRANSIENT = 4,
    MAILMOD_REPLY_PERMANENT = 5
};
struct mailmod_smtp_reply {
    size_t size; /* sizeof (struct mailmod_smtp_reply) */
    int code;
    enum mailmod_smtp_reply_kind kind; /* when written: nothing */
    unsigned line_count;               /* likewise */
    char enhanced[12]; /* "5.1.1", that the text begins with (RFC 2034 4), or
                          ""; likewise */
    char text[16392];  /* all lines, with '\n' between them */
};
/* The first whole reply in `octets`; `used_out` is how many of them it has. 0
 * and OK: it is not whole yet. Control characters, and octets above 127 that
 * are no UTF-8, become "?"; of a line above 2048 octets, and of all above
 * 16384, the rest is cut. PROTOCOL: this is no reply; LIMIT: of more than 128
 * lines or 24576 octets; ARGUMENT, MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_smtp_reply_parse(const char *octets, size_t size,
                         struct mailmod_smtp_reply *reply_out,
                         size_t *used_out);
/* All its lines with their CRLF, of `code` and `text`, in one call of
 * `on_octets`. ARGUMENT: it would not read back as it is (octets that are no
 * printable ASCII, a line above 494 octets, a code that is none of SMTP's);
 * MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_smtp_reply_write(const struct mailmod_smtp_reply *reply,
                         mailmod_on_octets on_octets, void *context);

#ifdef __cplusplus
}
#endif

#endif
