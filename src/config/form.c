/* form.c - what the texts of the configuration must look like.
 *
 * The host name goes into the greeting, HELO and every Received field, so it
 * must be one there (RFC 5321 4.1.2, RFC 1123 2.1). No text of any key may
 * hold a control character: many of them end up in a protocol line or a log
 * line. What is not ASCII must be UTF-8 (RFC 3629).
 * Thread: any. */
#include "base/host.h"
#include "base/limits.h"
#include "base/mem.h"
#include "config/backend.h"
#include "config/maildir.h"
#include "config/milter.h"
#include "config/proxy.h"
#include "config/routes.h"
#include "config/value.h"
#include "config/words.h"
#include "dnsbl/dnsbl.h"
#include "platform/idn.h"

#include <string.h>

bool mm_config_next_item(struct mm_span *rest, struct mm_span *item_out)
{
    size_t start = 0;
    if (rest->size == 0) { /* perhaps without an address to count from */
        *item_out = *rest;
        return false;
    }
    while (start < rest->size &&
           (rest->data[start] == ',' || rest->data[start] == ' ' ||
            rest->data[start] == '\t')) {
        start++;
    }
    size_t end = start;
    while (end < rest->size && rest->data[end] != ',' &&
           rest->data[end] != ' ' && rest->data[end] != '\t') {
        end++;
    }
    *item_out = mm_span(rest->data + start, end - start);
    *rest = mm_span_from(*rest, end);
    return item_out->size > 0;
}

static bool is_plain(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 32 || c == 127) {
            return false;
        }
    }
    return mm_span_is_utf8(text);
}

/* U-labels (RFC 6531) are looked at as the A-labels that they stand for. */
static bool is_domain(struct mm_span text)
{
    char ascii[MM_LIMIT_DOMAIN + 1];
    if (mm_span_has_8bit(text)) {
        if (mm_idn_to_ascii(text, ascii) != MAILMOD_OK) {
            return false;
        }
        text = mm_span_cstr(ascii);
    }
    return mm_host_is_name(text, false);
}

/* RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
static bool is_literal(struct mm_span text)
{
    if (text.size < 3 || text.data[0] != '[' ||
        text.data[text.size - 1] != ']') {
        return false;
    }
    struct mm_span inner = mm_span(text.data + 1, text.size - 2);
    if (mm_span_starts_nocase(inner, "IPv6:")) {
        inner = mm_span_from(inner, 5);
    }
    struct mm_netaddr address;
    return mm_netaddr_parse_ip(inner, &address);
}

static bool is_account(struct mm_span text)
{
    return memchr(text.data, ' ', text.size) == NULL &&
           text.size <= MM_LIMIT_USER_NAME;
}

/* A user's name is a local part, or a whole address. */
static bool is_user(struct mm_span text)
{
    struct mm_span local;
    struct mm_span domain;
    if (!mm_span_cut(text, '@', &local, &domain)) {
        return is_account(text);
    }
    return local.size > 0 && domain.size > 0 && is_account(text) &&
           memchr(domain.data, '@', domain.size) == NULL;
}

static bool is_block_list(struct mm_span text)
{
    struct dnsbl_zone zone;
    bool is_good = dnsbl_zone_parse(text, &zone) == MAILMOD_OK;
    mm_secret_clear(&zone, sizeof zone);
    return is_good;
}

static bool is_servers(struct mm_span text)
{
    struct mm_span item;
    struct mm_netaddr address;
    while (mm_config_next_item(&text, &item)) {
        if (!mm_netaddr_parse_ip(item, &address) &&
            !mm_netaddr_parse(item, &address)) {
            return false;
        }
    }
    return true;
}

bool mm_config_next_user(struct mm_span *rest, struct mm_span *name_out,
                         struct mm_span *password_out)
{
    struct mm_span line;
    if (rest->size == 0) {
        return false;
    }
    (void)mm_span_cut(*rest, '\n', &line, rest);
    (void)mm_span_cut(line, ':', name_out, password_out);
    return true;
}

/* A name, with a domain or without, and a password or none. */
static bool is_users(struct mm_span text)
{
    struct mm_span name;
    struct mm_span password;
    while (mm_config_next_user(&text, &name, &password)) {
        struct mm_span domain;
        bool has_domain = mm_span_cut(name, '@', &name, &domain);
        if (name.size == 0 || !is_user(name) || !is_plain(name) ||
            (has_domain &&
             !mm_config_form_has(MM_CONFIG_FORM_DOMAIN, domain)) ||
            password.size > MM_LIMIT_PASSWORD || !is_plain(password)) {
            return false;
        }
    }
    return true;
}

/* "77=refuse 75=defer": numbers from 0 to 255; the first of two counts. */
static bool is_exit_codes(struct mm_span text)
{
    static const char *const meanings[] = {"accept", "refuse",     "defer",
                                           "mark",   "quarantine", "discard"};
    while (text.size > 0) {
        struct mm_span word;
        struct mm_span number;
        struct mm_span meaning;
        uint64_t code;
        bool is_known = false;
        (void)mm_span_cut(text, ' ', &word, &text);
        text = mm_span_trim(text);
        if (!mm_span_cut(word, '=', &number, &meaning) ||
            !mm_span_to_u64(number, &code) || code > 255) {
            return false;
        }
        for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
            is_known = is_known || mm_span_is(meaning, meanings[i]);
        }
        if (!is_known) {
            return false;
        }
    }
    return true;
}

bool mm_config_next_certificate(struct mm_span *rest,
                                struct mm_span *certificate_out,
                                struct mm_span *key_out)
{
    struct mm_span line;
    if (rest->size == 0) {
        return false;
    }
    (void)mm_span_cut(*rest, '\n', &line, rest);
    (void)mm_span_cut(line, ';', certificate_out, key_out);
    return true;
}

static bool is_certificates(struct mm_span text)
{
    struct mm_span certificate;
    struct mm_span key;
    while (mm_config_next_certificate(&text, &certificate, &key)) {
        if (certificate.size == 0 || !is_plain(certificate) || !is_plain(key)) {
            return false;
        }
    }
    return true;
}

bool mm_config_form_has_lines(enum mm_config_form form)
{
    return form == MM_CONFIG_FORM_USERS || form == MM_CONFIG_FORM_FETCH ||
           form == MM_CONFIG_FORM_ROUTES || form == MM_CONFIG_FORM_MILTERS ||
           form == MM_CONFIG_FORM_CERTIFICATES;
}

bool mm_config_form_has(enum mm_config_form form, struct mm_span text)
{
    if (!mm_config_form_has_lines(form) && !is_plain(text)) {
        return false;
    }
    switch (form) {
    case MM_CONFIG_FORM_HOST:
        return mm_host_is_name(text, false);
    case MM_CONFIG_FORM_DOMAIN:
        return is_domain(text) || is_literal(text);
    case MM_CONFIG_FORM_ZONE:
        return is_block_list(text);
    case MM_CONFIG_FORM_RELAY:
        return mm_host_parse(text, &(struct mm_host){.is_address = false});
    case MM_CONFIG_FORM_BYPASS:
        return mm_config_is_bypass(text);
    case MM_CONFIG_FORM_BACKEND:
        return mm_config_is_backend(text);
    case MM_CONFIG_FORM_MAILDIR:
        return mm_config_is_maildir(text);
    case MM_CONFIG_FORM_FILE_NAME:
        return mm_config_is_file_name(text);
    case MM_CONFIG_FORM_USER:
        return is_user(text);
    case MM_CONFIG_FORM_ACCOUNT:
        return is_account(text);
    case MM_CONFIG_FORM_SERVERS:
        return is_servers(text);
    case MM_CONFIG_FORM_USERS:
        return is_users(text);
    case MM_CONFIG_FORM_CERTIFICATES:
        return is_certificates(text);
    case MM_CONFIG_FORM_FETCH:
        return mm_config_fetch_check(text, NULL) == MAILMOD_OK;
    case MM_CONFIG_FORM_MILTERS:
        return mm_config_milters_check(text, NULL) == MAILMOD_OK;
    case MM_CONFIG_FORM_EXIT_CODES:
        return is_exit_codes(text);
    case MM_CONFIG_FORM_ROUTES:
        return mm_config_routes_check(text, NULL) == MAILMOD_OK;
    case MM_CONFIG_FORM_FINGERPRINTS:
        return mm_config_read_pins(text, &(struct mm_config_pins){.count = 0},
                                   0);
    case MM_CONFIG_FORM_MECHANISMS:
        return mm_sasl_read_names(text, &(unsigned){0});
    case MM_CONFIG_FORM_ANY:
    case MM_CONFIG_FORM_FILE:
    case MM_CONFIG_FORM_NO_PORT:
        break;
    }
    return true;
}

const char *mm_config_form_text(enum mm_config_form form)
{
    switch (form) {
    case MM_CONFIG_FORM_HOST:
        return "a host name";
    case MM_CONFIG_FORM_DOMAIN:
        return "a domain or an address in brackets";
    case MM_CONFIG_FORM_ZONE:
        return "a block list, [label:]zone[=codes][*weight]";
    case MM_CONFIG_FORM_RELAY:
        return "a host's name or address";
    case MM_CONFIG_FORM_BYPASS:
        return "a network, an address or a domain";
    case MM_CONFIG_FORM_BACKEND:
        return "who=host or who=host:port, with *, @domain or a user before "
               "the equals sign";
    case MM_CONFIG_FORM_MAILDIR:
        return "who:/folder, with *, @domain or a user before the colon, and "
               "%u, %n or %d in the folder";
    case MM_CONFIG_FORM_FILE_NAME:
        return "the name of a file, without its folder";
    case MM_CONFIG_FORM_USER:
        return "a user's name, with a domain after @ or none";
    case MM_CONFIG_FORM_ACCOUNT:
        return "the name of a user of the operating system";
    case MM_CONFIG_FORM_SERVERS:
        return "addresses with or without ports";
    case MM_CONFIG_FORM_USERS:
        return "name:password, one a line, without blanks in the name";
    case MM_CONFIG_FORM_CERTIFICATES:
        return "a certificate's file, or it and its key's with a semicolon "
               "between, one a line";
    case MM_CONFIG_FORM_NO_PORT:
        return "addresses without ports";
    case MM_CONFIG_FORM_FETCH:
        return "accounts, one a line";
    case MM_CONFIG_FORM_MILTERS:
        return "filters, one a line";
    case MM_CONFIG_FORM_EXIT_CODES:
        return "numbers up to 255, each with = and accept, refuse, defer, "
               "mark, quarantine or discard, and blanks between them";
    case MM_CONFIG_FORM_ROUTES:
        return "routes, one a line";
    case MM_CONFIG_FORM_MECHANISMS:
        return MM_CONFIG_MECHANISMS_TEXT;
    case MM_CONFIG_FORM_FINGERPRINTS:
        return MM_CONFIG_PINS_TEXT;
    case MM_CONFIG_FORM_ANY:
    case MM_CONFIG_FORM_FILE:
        break;
    }
    return "UTF-8 text without control characters";
}
