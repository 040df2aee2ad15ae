/* domain.c - domain names and address literals of mail addresses.
 *
 * Owns the grammar right of the "@". Promises: what is accepted is given out
 * in one canonical text, in which two names for the same thing are the same
 * octets; it has no octet outside letters, digits, hyphens, dots, UTF-8 and,
 * in a literal, printable ASCII without blanks and brackets.
 *
 * Any thread. RFC 5321 4.1.2 (Domain), 4.1.3 (address-literal), RFC 1035
 * 2.3.4 (labels), RFC 6531 3.3 (U-labels). U-labels are not checked against
 * IDNA: that is done where a name is looked up. */
#include "wire/addr/address.h"

#include <stdio.h>
#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 2.3.4; a U-label's A-label is not known */

/* sub-domain = Let-dig [Ldh-str] / U-label
 * Ldh-str    = *( ALPHA / DIGIT / "-" ) Let-dig */
static bool is_label(struct mm_span label, bool allow_utf8,
                     bool allow_underscore)
{
    bool has_8bit = false;
    for (size_t i = 0; i < label.size; i++) {
        unsigned char c = (unsigned char)label.data[i];
        has_8bit = has_8bit || c >= 0x80;
        bool is_letter = c >= 0x80 || c == '-' || mm_ascii_is_alnum(c) ||
                         (c == '_' && allow_underscore);
        if (!is_letter) {
            return false;
        }
    }
    return label.size > 0 && label.data[0] != '-' &&
           label.data[label.size - 1] != '-' &&
           (has_8bit ? allow_utf8 : label.size <= LABEL_MAX);
}

/* Domain = sub-domain *("." sub-domain) */
static bool parse_domain(struct mm_span text, bool allow_utf8,
                         bool allow_underscore,
                         char domain_out[MM_LIMIT_DOMAIN + 1])
{
    struct mm_span rest = text;
    bool has_more = true;
    domain_out[0] = '\0';
    if (text.size > MM_LIMIT_DOMAIN || !mm_span_is_printable_utf8(text)) {
        return false;
    }
    while (has_more) {
        struct mm_span label;
        has_more = mm_span_cut(rest, '.', &label, &rest);
        if (!is_label(label, allow_utf8, allow_underscore)) {
            return false;
        }
    }
    if (!mm_span_copy(text, domain_out, MM_LIMIT_DOMAIN + 1)) {
        return false;
    }
    mm_ascii_lower_cstr(domain_out);
    return true;
}

bool mm_domain_parse(struct mm_span text, bool allow_utf8,
                     char domain_out[MM_LIMIT_DOMAIN + 1])
{
    return parse_domain(text, allow_utf8, false, domain_out);
}

bool mm_domain_parse_lenient(struct mm_span text, bool allow_utf8,
                             char domain_out[MM_LIMIT_DOMAIN + 1])
{
    return parse_domain(text, allow_utf8, true, domain_out);
}

/* IPv4-address-literal = Snum 3("."  Snum)
 * IPv6-address-literal = "IPv6:" IPv6-addr
 * A zone ("%1") is no part of either. */
static bool parse_ip(struct mm_span content, struct mm_netaddr *address_out)
{
    static const char tag[] = "IPv6:";
    bool has_tag = mm_span_starts_nocase(content, tag);
    if (has_tag) {
        content = mm_span_from(content, sizeof tag - 1);
    }
    if (content.size == 0 || memchr(content.data, '%', content.size) != NULL) {
        return false;
    }
    bool has_colon = memchr(content.data, ':', content.size) != NULL;
    return has_colon == has_tag && mm_netaddr_parse_ip(content, address_out);
}

/* General-address-literal = Standardized-tag ":" 1*dcontent
 * Standardized-tag        = Ldh-str
 * dcontent                = %d33-90 / %d94-126 */
static bool is_general(struct mm_span content)
{
    struct mm_span tag;
    struct mm_span rest;
    if (!mm_span_cut(content, ':', &tag, &rest) || tag.size == 0 ||
        rest.size == 0 || tag.data[tag.size - 1] == '-' ||
        mm_span_is_nocase(tag, "IPv6")) {
        return false;
    }
    for (size_t i = 0; i < tag.size; i++) {
        int c = (unsigned char)tag.data[i];
        if (c != '-' && !mm_ascii_is_alnum(c)) {
            return false;
        }
    }
    for (size_t i = 0; i < rest.size; i++) {
        int c = (unsigned char)rest.data[i];
        if (c < 33 || c > 126 || (c > 90 && c < 94)) {
            return false;
        }
    }
    return true;
}

/* address-literal = "[" ( IPv4-address-literal / IPv6-address-literal /
 *                         General-address-literal ) "]" */
bool mm_domain_literal_parse(struct mm_span text, enum mm_domain_form *form_out,
                             char domain_out[MM_LIMIT_DOMAIN + 1],
                             struct mm_netaddr *address_out)
{
    *form_out = MM_DOMAIN_NONE;
    *address_out = (struct mm_netaddr){.family = MM_NETADDR_NONE};
    domain_out[0] = '\0';
    if (text.size < 3 || text.size > MM_LIMIT_DOMAIN || text.data[0] != '[' ||
        text.data[text.size - 1] != ']') {
        return false;
    }
    struct mm_span content = mm_span(text.data + 1, text.size - 2);
    if (parse_ip(content, address_out)) {
        mm_domain_literal(address_out, domain_out);
        *form_out = MM_DOMAIN_ADDRESS;
        return true;
    }
    if (!is_general(content) ||
        !mm_span_copy(text, domain_out, MM_LIMIT_DOMAIN + 1)) {
        return false;
    }
    /* The tag has no case; of the content nothing is known. */
    for (char *c = domain_out; *c != ':'; c++) {
        *c = (char)mm_ascii_lower((unsigned char)*c);
    }
    *form_out = MM_DOMAIN_GENERAL;
    return true;
}

void mm_domain_literal(const struct mm_netaddr *address,
                       char text_out[MM_NETADDR_TEXT_MAX])
{
    struct mm_netaddr plain = *address;
    plain.scope = 0; /* RFC 5321 4.1.3 has no zone */
    char ip[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format_ip(&plain, ip);
    snprintf(text_out, MM_NETADDR_TEXT_MAX, "[%s%.60s]",
             plain.family == MM_NETADDR_V6 ? "IPv6:" : "", ip);
}

bool mm_domain_parse_host_name(const char *name,
                               char domain_out[MM_LIMIT_DOMAIN + 1])
{
    return name != NULL && strchr(name, '.') != NULL &&
           mm_domain_parse(mm_span_cstr(name), false, domain_out);
}
