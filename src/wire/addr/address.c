/* address.c - mailboxes and paths.
 *
 * Owns the grammar left of the "@" and around the mailbox. Promises: linear
 * time, no memory; whatever is accepted reads back to the same value from its
 * canonical text; nothing that could end a line or a C string gets in. Shell
 * and path characters that the grammar allows in a local part ("|", "/", "$")
 * are kept: who makes a file name or an argument of one must encode it.
 *
 * Any thread. RFC 5321 4.1.2, 4.1.1.3 and appendix C (source routes), 4.5.1
 * (postmaster), 4.5.3.1 (sizes); RFC 6531 3.3 (UTF-8); RFC 5322 4.4 (obsolete
 * local parts, which are taken and collapsed into one quoted string). */
#include "wire/addr/address.h"

#include <stdio.h>
#include <string.h>

/* RFC 5321 4.5.3.1.3 counts the path's angle brackets. */
#define TEXT_MAX (MM_LIMIT_PATH - 2)

struct cursor {
    const char *at;
    const char *end;
    bool allow_utf8;
    unsigned leniencies;
};

static bool is_lenient(const struct cursor *cursor, enum mm_leniency leniency)
{
    return (cursor->leniencies & (unsigned)leniency) != 0;
}

static bool is_at(const struct cursor *cursor, char c)
{
    return cursor->at < cursor->end && *cursor->at == c;
}

static bool take(struct cursor *cursor, char c)
{
    if (!is_at(cursor, c)) {
        return false;
    }
    cursor->at++;
    return true;
}

/* atext = ALPHA / DIGIT / "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" /
 *         "-" / "/" / "=" / "?" / "^" / "_" / "`" / "{" / "|" / "}" / "~" /
 *         UTF8-non-ascii                            RFC 5322 3.2.3, 6531 3.3 */
static bool is_atext(char c)
{
    return (unsigned char)c >= 0x80 || mm_ascii_is_alnum((unsigned char)c) ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

struct local_part {
    char *text;
    size_t size;
    bool is_too_large;
};

static void add_octet(struct local_part *part, char c)
{
    if (part->size == MM_LIMIT_LOCAL_PART) {
        part->is_too_large = true;
        return;
    }
    part->text[part->size++] = c;
}

/* Atom = 1*atext; with the leniency none where a dot is odd. */
static bool parse_atom(struct cursor *cursor, struct local_part *part)
{
    const char *first = cursor->at;
    while (cursor->at < cursor->end && is_atext(*cursor->at)) {
        add_octet(part, *cursor->at++);
    }
    return cursor->at > first ||
           (is_lenient(cursor, MM_LENIENT_DOTS) &&
            (is_at(cursor, '.') || (is_at(cursor, '@') && part->size > 0)));
}

/* Quoted-string   = DQUOTE *QcontentSMTP DQUOTE
 * QcontentSMTP    = qtextSMTP / quoted-pairSMTP
 * quoted-pairSMTP = %d92 %d32-126
 * qtextSMTP       = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii */
static bool parse_quoted(struct cursor *cursor, struct local_part *part)
{
    if (!take(cursor, '"')) {
        return false;
    }
    while (cursor->at < cursor->end && *cursor->at != '"') {
        bool is_pair = take(cursor, '\\');
        if (cursor->at == cursor->end) {
            return false;
        }
        unsigned char c = (unsigned char)*cursor->at++;
        if (!mm_ascii_is_printable(c) && (is_pair || c < 0x80)) {
            return false;
        }
        add_octet(part, (char)c);
    }
    return take(cursor, '"');
}

/* Local-part = Dot-string / Quoted-string
 * and RFC 5322 4.4:  obs-local-part = word *("." word) */
static enum mailmod_error parse_local_part(struct cursor *cursor,
                                           struct mm_address *address)
{
    struct local_part part = {address->local_part, 0, false};
    bool is_good = true;
    do {
        is_good = is_at(cursor, '"') ? parse_quoted(cursor, &part)
                                     : parse_atom(cursor, &part);
        if (is_good && is_at(cursor, '.')) {
            add_octet(&part, '.');
        }
    } while (is_good && take(cursor, '.'));
    address->local_part[part.size] = '\0';
    if (!is_good) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (part.is_too_large) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    if (mm_cstr_equal_nocase(address->local_part, "postmaster")) {
        mm_ascii_lower_cstr(address->local_part);
    }
    return MAILMOD_OK;
}

/* Where a domain must end, whatever is in it. In a literal a ">" may stand
 * (dcontent), but no "]". */
static struct mm_span take_domain(struct cursor *cursor)
{
    const char *first = cursor->at;
    const char *stops = is_at(cursor, '[') ? "]" : ">,: ";
    while (cursor->at < cursor->end && strchr(stops, *cursor->at) == NULL) {
        cursor->at++;
    }
    if (*stops == ']') {
        take(cursor, ']');
    }
    return mm_span(first, (size_t)(cursor->at - first));
}

/* Mailbox = Local-part "@" ( Domain / address-literal ), behind the "@" */
static enum mailmod_error parse_domain(struct cursor *cursor,
                                       struct mm_address *address)
{
    struct mm_span text = take_domain(cursor);
    if (text.size > MM_LIMIT_DOMAIN) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    if (text.size > 0 && text.data[0] == '[') {
        return mm_domain_literal_parse(text, &address->domain_form,
                                       address->domain, &address->literal)
                   ? MAILMOD_OK
                   : MAILMOD_ERROR_SYNTAX;
    }
    bool is_good =
        is_lenient(cursor, MM_LENIENT_UNDERSCORES)
            ? mm_domain_parse_lenient(text, cursor->allow_utf8, address->domain)
            : mm_domain_parse(text, cursor->allow_utf8, address->domain);
    if (!is_good) {
        return MAILMOD_ERROR_SYNTAX;
    }
    address->domain_form = MM_DOMAIN_NAME;
    return MAILMOD_OK;
}

/* Dot-string = Atom *("."  Atom) */
static bool is_dot_string(const char *text)
{
    bool after_dot = true;
    for (; *text != '\0'; text++) {
        if (*text == '.' ? after_dot : !is_atext(*text)) {
            return false;
        }
        after_dot = *text == '.';
    }
    return !after_dot;
}

size_t mm_local_part_write(const char *local_part, char *text)
{
    size_t size = 0;
    bool is_plain = is_dot_string(local_part);
    if (!is_plain) {
        text[size++] = '"';
    }
    for (const char *c = local_part; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            text[size++] = '\\';
        }
        text[size++] = *c;
    }
    if (!is_plain) {
        text[size++] = '"';
    }
    text[size] = '\0';
    return size;
}

static enum mailmod_error write_text(struct mm_address *address)
{
    size_t size = mm_local_part_write(address->local_part, address->text);
    if (address->domain_form != MM_DOMAIN_NONE) {
        size_t domain_size = strlen(address->domain);
        address->text[size++] = '@';
        memcpy(address->text + size, address->domain, domain_size + 1);
        size += domain_size;
    }
    address->needs_smtputf8 = mm_span_has_8bit(mm_span(address->text, size));
    return size <= TEXT_MAX ? MAILMOD_OK : MAILMOD_ERROR_TOO_LARGE;
}

/* Mailbox, or "Postmaster" without a domain where `allow_postmaster`. */
static enum mailmod_error parse_mailbox(struct cursor *cursor,
                                        bool allow_postmaster,
                                        struct mm_address *address)
{
    enum mailmod_error error = parse_local_part(cursor, address);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (take(cursor, '@')) {
        error = parse_domain(cursor, address);
    } else if (!allow_postmaster ||
               strcmp(address->local_part, "postmaster") != 0) {
        error = MAILMOD_ERROR_SYNTAX;
    }
    return error == MAILMOD_OK ? write_text(address) : error;
}

/* A-d-l = At-domain *( "," At-domain ) ; At-domain = "@" Domain
 * RFC 5321 4.1.1.3 and appendix C: taken, checked and dropped. */
static bool skip_route(struct cursor *cursor)
{
    if (!is_at(cursor, '@')) {
        return true;
    }
    do {
        char domain[MM_LIMIT_DOMAIN + 1];
        if (!take(cursor, '@') ||
            !mm_domain_parse(take_domain(cursor), cursor->allow_utf8, domain)) {
            return false;
        }
    } while (take(cursor, ','));
    return take(cursor, ':');
}

/* Path = "<" [ A-d-l ":" ] Mailbox ">", Reverse-path also "<>" */
static enum mailmod_error parse_path(struct cursor *cursor, bool is_reverse,
                                     struct mm_address *address)
{
    if (!take(cursor, '<')) {
        return is_lenient(cursor, MM_LENIENT_NO_BRACKETS)
                   ? parse_mailbox(cursor, !is_reverse, address)
                   : MAILMOD_ERROR_SYNTAX;
    }
    if (is_reverse && take(cursor, '>')) {
        address->is_null = true;
        return MAILMOD_OK;
    }
    bool has_route = is_at(cursor, '@');
    if (!skip_route(cursor)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        parse_mailbox(cursor, !is_reverse && !has_route, address);
    if (error == MAILMOD_OK && !take(cursor, '>')) {
        error = MAILMOD_ERROR_SYNTAX;
    }
    return error;
}

/* 8-bit octets only with the flag, and then as UTF-8 (RFC 6531 3.3) that can
 * be shown and stand in a header. */
static bool has_good_octets(const struct cursor *from, const char *end)
{
    struct mm_span text = mm_span(from->at, (size_t)(end - from->at));
    return !mm_span_has_8bit(text) ||
           (from->allow_utf8 && mm_span_is_printable_utf8(text));
}

enum mailmod_error mm_path_parse_lenient(struct mm_span text, bool is_reverse,
                                         bool allow_utf8, unsigned leniencies,
                                         struct mm_address *address_out,
                                         struct mm_span *rest_out)
{
    struct cursor begin = {text.data, text.data, allow_utf8, leniencies};
    *address_out = (struct mm_address){.is_null = false};
    *rest_out = mm_span(NULL, 0);
    if (text.size == 0) {
        return MAILMOD_ERROR_SYNTAX;
    }
    begin.end = text.data + text.size;
    struct cursor cursor = begin;
    enum mailmod_error error = parse_path(&cursor, is_reverse, address_out);
    if (error == MAILMOD_OK && !has_good_octets(&begin, cursor.at)) {
        error = MAILMOD_ERROR_SYNTAX;
    }
    if (error != MAILMOD_OK) {
        *address_out = (struct mm_address){.is_null = false};
        return error;
    }
    *rest_out = mm_span(cursor.at, (size_t)(cursor.end - cursor.at));
    return MAILMOD_OK;
}

enum mailmod_error mm_path_parse(struct mm_span text, bool is_reverse,
                                 bool allow_utf8,
                                 struct mm_address *address_out,
                                 struct mm_span *rest_out)
{
    return mm_path_parse_lenient(text, is_reverse, allow_utf8, 0, address_out,
                                 rest_out);
}

enum mailmod_error mm_address_parse(struct mm_span text, bool is_reverse,
                                    bool allow_utf8,
                                    struct mm_address *address_out)
{
    enum mailmod_error error = MAILMOD_OK;
    *address_out = (struct mm_address){.is_null = false};
    if (text.size == 0) {
        address_out->is_null = is_reverse;
        return is_reverse ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX;
    }
    struct cursor begin = {text.data, text.data + text.size, allow_utf8,
                           MM_LENIENT_UNDERSCORES};
    struct cursor cursor = begin;
    if (is_at(&cursor, '<')) {
        error = parse_path(&cursor, is_reverse, address_out);
    } else {
        error = parse_mailbox(&cursor, !is_reverse, address_out);
    }
    if (error == MAILMOD_OK &&
        (cursor.at != cursor.end || !has_good_octets(&begin, cursor.end))) {
        error = MAILMOD_ERROR_SYNTAX;
    }
    if (error != MAILMOD_OK) {
        *address_out = (struct mm_address){.is_null = false};
    }
    return error;
}

enum mailmod_error mm_address_parse_in(const char *text, const char *domain,
                                       struct mm_address *address_out)
{
    char whole[2 * MM_LIMIT_PATH + 1];

    if (strchr(text, '@') != NULL) {
        return mm_address_parse(mm_span_cstr(text), false, true, address_out);
    }
    int size = snprintf(whole, sizeof whole, "%s@%s", text, domain);
    if (size < 0 || (size_t)size >= sizeof whole) {
        *address_out = (struct mm_address){.is_null = false};
        return MAILMOD_ERROR_TOO_LARGE;
    }
    return mm_address_parse(mm_span_cstr(whole), false, true, address_out);
}
