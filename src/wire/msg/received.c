/* received.c - builds the trace field Received.
 *
 * Pure: the caller supplies time and identities. Never trusts peer text: a
 * HELO name stands behind "from" only when it is a domain or an address
 * literal, else the peer's address stands there and the name in a comment; a
 * recipient that the header's character set cannot hold is left out. Every line
 * is below 998 octets whatever the caller gives, as each part has its limit.
 *
 * Any thread. RFC 5321 4.4 (the order of clauses is its grammar's), RFC 3848
 * and RFC 6531 4.3 (the with-words), RFC 5322 3.6.7. */
#include "wire/msg/message.h"

#include "base/datetime.h"
#include "wire/addr/address.h"

#include <string.h>

/* Fit for a header: no control character, and 8-bit only as UTF-8 and only
 * where the message is an internationalized one. */
static bool is_clean(const char *text, bool allow_utf8)
{
    struct mm_span span = mm_span_cstr(text);
    return mm_span_is_printable_utf8(span) &&
           (allow_utf8 || !mm_span_has_8bit(span));
}

/* The name of our own side: one word, no blank, no bracket games. */
static bool is_word(const char *text, size_t size_max)
{
    return text != NULL && text[0] != '\0' && strlen(text) <= size_max &&
           is_clean(text, false) && strpbrk(text, " ()<>;\"\\") == NULL;
}

/* The name as the grammar has it: a dot behind the last label says no more. */
static bool parse_helo(const struct mm_received *received, char *name_out)
{
    struct mm_span name = received->helo_name;
    enum mm_domain_form form;
    struct mm_netaddr address;
    if (name.size > 1 && name.data[name.size - 1] == '.') {
        name.size--;
    }
    return mm_domain_parse(name, received->is_smtputf8, name_out) ||
           mm_domain_literal_parse(name, &form, name_out, &address);
}

/* From-domain     = "FROM" FWS Extended-Domain
 * Extended-Domain = Domain /
 *                   ( Domain FWS "(" TCP-info ")" ) /
 *                   ( address-literal FWS "(" TCP-info ")" )
 * TCP-info        = address-literal / ( Domain FWS address-literal )
 * `name` is NULL where HELO gave none that the grammar has. */
static void write_from(struct mm_buf *out, const struct mm_received *received,
                       const char *name)
{
    char literal[MM_NETADDR_TEXT_MAX];
    bool has_peer = received->peer.family != MM_NETADDR_NONE;
    if (name == NULL && !has_peer) {
        return; /* handed in by the host itself */
    }
    mm_domain_literal(&received->peer, literal);
    mm_buf_append_cstr(out, "from ");
    mm_buf_append_cstr(out, name != NULL ? name : literal);
    if (has_peer) {
        mm_buf_append_cstr(out, " (");
        mm_buf_append_cstr(out, literal);
        mm_buf_append_cstr(out, ")");
    }
    mm_buf_append_cstr(out, "\r\n\t");
}

/* A name that is no domain, in the comment that may stand before the ";"; what
 * could end the comment, or be misread as the clauses behind it, is "?". */
static void write_odd_name(struct mm_buf *out,
                           const struct mm_received *received)
{
    struct mm_span odd = received->helo_name;
    if (odd.size == 0) {
        return;
    }
    mm_buf_append_cstr(out, "\r\n\t(helo ");
    for (size_t i = 0; i < odd.size && i < MM_LIMIT_DOMAIN; i++) {
        char c = odd.data[i];
        bool is_kept = mm_ascii_is_alnum((unsigned char)c) ||
                       (c != '\0' && strchr("!#$%&'*+-./:=[]^_~", c) != NULL);
        mm_buf_append_char(out, is_kept ? c : '?');
    }
    mm_buf_append_char(out, ')');
}

/* RFC 3848 registers the S and A forms with ESMTP alone; TLS and AUTH are
 * extensions, so they say ESMTP even where HELO was said. RFC 6531 4.3 has
 * the UTF8SMTP forms. */
static void write_with(struct mm_buf *out, const struct mm_received *received)
{
    if (received->protocol != NULL) {
        mm_buf_append_cstr(out, received->protocol);
        return;
    }
    bool is_extended =
        received->is_extended || received->is_tls || received->is_authenticated;
    const char *word = is_extended ? "ESMTP" : "SMTP";
    mm_buf_append_cstr(out, received->is_smtputf8 ? "UTF8SMTP" : word);
    mm_buf_append_cstr(out, received->is_tls ? "S" : "");
    mm_buf_append_cstr(out, received->is_authenticated ? "A" : "");
}

/* Stamp    = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
 * Opt-info = [Via] [With] [ID] [For] [Additional-Registered-Clauses] */
enum mailmod_error mm_received_write(struct mm_buf *out,
                                     const struct mm_received *received)
{
    const char *recipient = received->recipient;
    char name[MM_LIMIT_DOMAIN + 1];
    if (!is_word(received->host_name, MM_LIMIT_DOMAIN) ||
        !is_word(received->identifier, 128)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    mm_buf_append_cstr(out, "Received: ");
    bool has_name = parse_helo(received, name);
    write_from(out, received, has_name ? name : NULL);
    mm_buf_append_cstr(out, "by ");
    mm_buf_append_cstr(out, received->host_name);
    mm_buf_append_cstr(out, " with ");
    write_with(out, received);
    mm_buf_append_cstr(out, " id ");
    mm_buf_append_cstr(out, received->identifier);
    if (recipient != NULL && recipient[0] != '\0' &&
        strlen(recipient) < MM_ADDRESS_TEXT_MAX &&
        is_clean(recipient, received->is_smtputf8)) {
        mm_buf_append_cstr(out, "\r\n\tfor <");
        mm_buf_append_cstr(out, recipient);
        mm_buf_append_cstr(out, ">");
    }
    if (!has_name) {
        write_odd_name(out, received);
    }
    mm_buf_append_cstr(out, ";\r\n\t");
    mm_datetime_rfc5322(out, received->time_ms);
    mm_buf_append_cstr(out, "\r\n");
    return mm_buf_error(out);
}

/* Return-path-line = "Return-Path:" FWS Reverse-path <CRLF> */
