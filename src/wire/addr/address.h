/* thread: any
 * address.h - mailboxes and paths: RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3.
 *
 * An address is kept in one canonical text: the local part as a dot-string
 * where it can be one, else as a quoted string with the least quoting; the
 * domain in lower case, or a literal in brackets. The local part keeps its
 * case (RFC 5321 2.4), but "postmaster" has none (4.5.1) and becomes lower.
 * The null reverse-path (text "") and the bare "Postmaster" (text
 * "postmaster") are values of their own. A parsed address holds no CR, LF or
 * NUL, ever. Its text is at most MM_LIMIT_PATH less the angle brackets. */
#ifndef MM_WIRE_ADDR_ADDRESS_H
#define MM_WIRE_ADDR_ADDRESS_H

#include "base/error.h"
#include "base/limits.h"
#include "base/netaddr.h"
#include "base/span.h"
#include "wire/lenient.h"

/* Local part quoted and escaped at its worst, "@", domain, NUL. */
#define MM_ADDRESS_TEXT_MAX                                                    \
    (2 * MM_LIMIT_LOCAL_PART + 2 + 1 + MM_LIMIT_DOMAIN + 1)

enum mm_domain_form {
    MM_DOMAIN_NONE,    /* "Postmaster" and the null path */
    MM_DOMAIN_NAME,    /* labels; U-labels kept as UTF-8 */
    MM_DOMAIN_ADDRESS, /* [192.0.2.1], [IPv6:2001:db8::1] */
    MM_DOMAIN_GENERAL  /* [tag:content]: parsed, never deliverable */
};

struct mm_address {
    char text[MM_ADDRESS_TEXT_MAX]; /* canonical, without angle brackets */
    char local_part[MM_LIMIT_LOCAL_PART + 1]; /* unquoted octets */
    char domain[MM_LIMIT_DOMAIN + 1]; /* lower case; literals with brackets */
    enum mm_domain_form domain_form;
    struct mm_netaddr literal; /* MM_DOMAIN_ADDRESS */
    bool is_null;              /* the null reverse-path */
    bool needs_smtputf8;       /* an octet above 127 somewhere */
};

/* "<...>" as MAIL and RCPT have it, at the start of `text`; `rest_out` is what
 * follows the closing bracket. A source route is taken and dropped (4.1.1.3,
 * appendix C). 8-bit is SYNTAX without `allow_utf8`, and with it must be UTF-8.
 * TOO_LARGE for a part past its limit. `is_reverse` allows "<>", a forward
 * path allows "<Postmaster>". */
MM_CHECK enum mailmod_error mm_path_parse(struct mm_span text, bool is_reverse,
                                          bool allow_utf8,
                                          struct mm_address *address_out,
                                          struct mm_span *rest_out);
/* The same with MM_LENIENT_NO_BRACKETS, _DOTS and _UNDERSCORES bits. */
MM_CHECK enum mailmod_error
mm_path_parse_lenient(struct mm_span text, bool is_reverse, bool allow_utf8,
                      unsigned leniencies, struct mm_address *address_out,
                      struct mm_span *rest_out);
/* A bare mailbox, or one in angle brackets, the whole of `text`; "" and "<>"
 * are the null path when `is_reverse`. For the API, configuration, and paths
 * that were taken before: underscores in the domain are let through. */
MM_CHECK enum mailmod_error mm_address_parse(struct mm_span text,
                                             bool is_reverse, bool allow_utf8,
                                             struct mm_address *address_out);
/* The same of a forward path with UTF-8, where a name without "@" is one in
 * `domain`. */
MM_CHECK enum mailmod_error mm_address_parse_in(const char *text,
                                                const char *domain,
                                                struct mm_address *address_out);
/* A local part's octets with the least quoting, and a NUL; how many that are
 * without it: at most 2 * MM_LIMIT_LOCAL_PART + 2. */
size_t mm_local_part_write(const char *local_part, char *text_out);
/* RFC 5321 4.1.2 Domain: letters, digits, hyphens, dots (and, with the flag,
 * UTF-8); lower-cased into `domain_out`. One trailing dot is not allowed. */
bool mm_domain_parse(struct mm_span text, bool allow_utf8,
                     char domain_out[MM_LIMIT_DOMAIN + 1]);
/* A whole name with a dot, as RFC 5321 4.1.1.1 wants it from a host; NULL is
 * none. */
bool mm_domain_parse_host_name(const char *name,
                               char domain_out[MM_LIMIT_DOMAIN + 1]);
/* The same, with underscores as letters. */
bool mm_domain_parse_lenient(struct mm_span text, bool allow_utf8,
                             char domain_out[MM_LIMIT_DOMAIN + 1]);
/* RFC 5321 4.1.3 address-literal, brackets and all: gives its form, ADDRESS
 * or GENERAL, its canonical text and, for ADDRESS, the address. */
bool mm_domain_literal_parse(struct mm_span text, enum mm_domain_form *form_out,
                             char domain_out[MM_LIMIT_DOMAIN + 1],
                             struct mm_netaddr *address_out);
/* "[192.0.2.1]" or "[IPv6:...]" of an address (RFC 5321 4.1.3). */
void mm_domain_literal(const struct mm_netaddr *address,
                       char text_out[MM_NETADDR_TEXT_MAX]);

#endif
