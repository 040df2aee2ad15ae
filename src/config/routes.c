/* routes.c - the one table of ways out.
 *
 * A row is a line of words (words.h), with passwords, so the text is a secret.
 * Owns the rows of a snapshot. Promises: the first row that fits counts, and
 * one always does; a domain is compared as the DNS has it, in A-labels; words
 * about a mistake show no value.
 * Thread: any. RFC 5321 5.1 (what a row without relays leaves to MX records).
 */
#include "config/routes.h"

#include "base/host.h"
#include "base/mem.h"
#include "config/mistake.h"
#include "config/proxy.h"
#include "config/value.h"
#include "config/words.h"
#include "platform/idn.h"

#include <string.h>

#define FILE_TEXT "a file's name, without blanks"
#define PORT 587     /* RFC 6409 3.1 */
#define PORT_TLS 465 /* RFC 8314 7.3 */

/* ---- patterns ---- */

/* "*.example.com" and ".example.com" are what is below it. */
static bool split_domain(struct mm_span pattern, struct mm_span *domain_out)
{
    bool is_below = false;
    if (pattern.size > 2 && pattern.data[0] == '*' && pattern.data[1] == '.') {
        pattern = mm_span_from(pattern, 1);
    }
    if (pattern.size > 1 && pattern.data[0] == '.') {
        pattern = mm_span_from(pattern, 1);
        is_below = true;
    }
    *domain_out = pattern;
    return is_below;
}

static bool is_domain_pattern(struct mm_span pattern)
{
    struct mm_span domain;
    (void)split_domain(pattern, &domain);
    return mm_span_is(pattern, "*") ||
           mm_config_form_has(MM_CONFIG_FORM_DOMAIN, domain);
}

static bool is_sender_pattern(struct mm_span pattern)
{
    struct mm_span local;
    struct mm_span domain;
    return mm_span_is(pattern, "*") ||
           (mm_span_cut(pattern, '@', &local, &domain) &&
            is_domain_pattern(domain));
}

/* What is written without an A-label has the one that it stands for. */
static bool append_pattern(struct mm_buf *out, struct mm_span pattern)
{
    char ascii[MM_LIMIT_DOMAIN + 1];
    struct mm_span domain;
    size_t at = pattern.size;
    while (at > 0 && pattern.data[at - 1] != '@') {
        at--;
    }
    bool is_below = split_domain(mm_span_from(pattern, at), &domain);
    if (mm_idn_to_ascii(domain, ascii) == MAILMOD_OK) {
        domain = mm_span_cstr(ascii);
    }
    (void)mm_buf_append_cstr(out, mm_buf_size(out) > 0 ? "," : "");
    (void)mm_buf_append_span(out, mm_span(pattern.data, at));
    (void)mm_buf_append_cstr(out, is_below ? "." : "");
    return mm_buf_append_span(out, domain) == MAILMOD_OK &&
           mm_buf_error(out) == MAILMOD_OK;
}

static bool read_patterns(struct mm_span value,
                          bool (*is_pattern)(struct mm_span pattern),
                          char text_out[MM_CONFIG_PATTERNS_MAX])
{
    struct mm_buf out;
    bool has_more = true;
    bool is_good = value.size > 0;
    mm_buf_init(&out, MM_CONFIG_PATTERNS_MAX - 1);
    while (is_good && has_more) {
        struct mm_span pattern;
        has_more = mm_span_cut(value, ',', &pattern, &value);
        is_good = is_pattern(pattern) && append_pattern(&out, pattern);
    }
    is_good = is_good &&
              mm_span_copy(mm_buf_span(&out), text_out, MM_CONFIG_PATTERNS_MAX);
    mm_buf_fini(&out);
    return is_good;
}

/* The mail that a way is looked for. */
struct mail {
    struct mm_span domain;
    bool has_sender; /* with an at-sign: none is a report's */
    struct mm_span sender_local;
    struct mm_span sender_domain;
    char ascii[MM_LIMIT_DOMAIN + 1]; /* of the sender's domain */
};

static void mail_init(struct mail *mail, const char *domain, const char *sender)
{
    struct mm_span text = mm_span_cstr(sender);
    size_t at = text.size;
    while (at > 0 && text.data[at - 1] != '@') {
        at--;
    }
    mail->domain = mm_span_cstr(domain);
    mail->has_sender = at > 0;
    mail->sender_local = mm_span(text.data, at > 0 ? at - 1 : 0);
    mail->sender_domain = mm_span_from(text, at);
    if (mail->has_sender &&
        mm_idn_to_ascii(mail->sender_domain, mail->ascii) == MAILMOD_OK) {
        mail->sender_domain = mm_span_cstr(mail->ascii);
    }
}

static bool is_domain(struct mm_span pattern, struct mm_span domain)
{
    if (mm_span_is(pattern, "*")) {
        return true;
    }
    if (pattern.data[0] != '.') {
        return mm_span_equal_nocase(pattern, domain);
    }
    return domain.size > pattern.size &&
           mm_span_equal_nocase(
               mm_span_from(domain, domain.size - pattern.size), pattern);
}

static bool fits_domain(struct mm_span pattern, const struct mail *mail)
{
    return is_domain(pattern, mail->domain);
}

static bool fits_sender(struct mm_span pattern, const struct mail *mail)
{
    struct mm_span local;
    struct mm_span domain;
    return mm_span_is(pattern, "*") ||
           (mail->has_sender && mm_span_cut(pattern, '@', &local, &domain) &&
            (local.size == 0 ||
             mm_span_equal_nocase(local, mail->sender_local)) &&
            is_domain(domain, mail->sender_domain));
}

static bool fits_any(const char *patterns, const struct mail *mail,
                     bool (*fits)(struct mm_span pattern,
                                  const struct mail *mail))
{
    struct mm_span rest = mm_span_cstr(patterns);
    bool has_more = rest.size > 0;
    bool is_hit = !has_more;
    while (has_more && !is_hit) {
        struct mm_span pattern;
        has_more = mm_span_cut(rest, ',', &pattern, &rest);
        is_hit = fits(pattern, mail);
    }
    return is_hit;
}

/* ---- rows ---- */

static bool read_to(struct mm_span value, void *patterns_out, size_t size)
{
    (void)size;
    return read_patterns(value, is_domain_pattern, patterns_out);
}

static bool read_from(struct mm_span value, void *patterns_out, size_t size)
{
    (void)size;
    return read_patterns(value, is_sender_pattern, patterns_out);
}

static bool read_relay(struct mm_span item, struct mm_config_relay *relay)
{
    struct mm_host host;
    return mm_host_parse_port(item, &host, &relay->port) &&
           mm_span_copy(mm_span_cstr(host.text), relay->host,
                        sizeof relay->host);
}

static bool read_relays(struct mm_span value, void *record, size_t size)
{
    struct mm_config_route *route = record;
    bool has_more = true;
    (void)size;
    if (mm_span_is(value, "none")) {
        return true;
    }
    if (mm_span_starts_nocase(value, MM_CONFIG_SRV)) {
        route->has_srv = true;
        value = mm_span_from(value, strlen(MM_CONFIG_SRV));
    }
    while (has_more) {
        struct mm_span item;
        has_more = mm_span_cut(value, ',', &item, &value);
        if (route->relay_count == MM_CONFIG_RELAYS_MAX ||
            !read_relay(item, &route->relays[route->relay_count])) {
            return false;
        }
        route->relay_count++;
    }
    return true;
}

/* Of a row without relays they are for the MX hosts, where they are set. */
static bool read_tls(struct mm_span value, void *record, size_t size)
{
    struct mm_config_route *route = record;
    route->sets_tls = true;
    return mm_config_read_tls(value, &route->tls, size);
}

static bool read_verify(struct mm_span value, void *record, size_t size)
{
    struct mm_config_route *route = record;
    route->sets_tls = true;
    route->sets_verify = true;
    return mm_config_read_flag(value, &route->verifies, size);
}

static bool read_pin(struct mm_span text, uint8_t pin_out[MM_CONFIG_PIN_SIZE])
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        int digit = mm_ascii_hex_value(text.data[i]);
        if (text.data[i] == ':') {
            continue;
        }
        if (digit < 0 || count == 2 * MM_CONFIG_PIN_SIZE) {
            return false;
        }
        uint8_t *octet = &pin_out[count++ / 2];
        *octet = (uint8_t)((*octet << 4) | digit);
    }
    return count == 2 * MM_CONFIG_PIN_SIZE;
}

bool mm_config_read_pins(struct mm_span value, void *pins_out, size_t size)
{
    struct mm_config_pins *pins = pins_out;
    struct mm_span item;
    (void)size;
    while (mm_config_next_item(&value, &item)) {
        if (pins->count == MM_CONFIG_PINS_MAX ||
            !read_pin(item, pins->digests[pins->count])) {
            return false;
        }
        pins->count++;
    }
    return pins->count > 0;
}

static bool read_sources(struct mm_span value, void *record, size_t size)
{
    struct mm_config_route *route = record;
    bool has_more = true;
    (void)size;
    while (has_more) {
        struct mm_span item;
        struct mm_netaddr address;
        has_more = mm_span_cut(value, ',', &item, &value);
        if (route->source_count == 2 || !mm_netaddr_parse_ip(item, &address) ||
            mm_netaddr_is_any(&address) ||
            (route->source_count == 1 &&
             address.family == route->sources[0].family)) {
            return false;
        }
        route->sources[route->source_count++] = address;
    }
    return true;
}

static bool read_ehlo_name(struct mm_span value, void *name_out, size_t size)
{
    return value.size > 0 && mm_config_form_has(MM_CONFIG_FORM_HOST, value) &&
           mm_span_copy(value, name_out, size);
}

static bool read_addresses(struct mm_span value, void *addresses_out,
                           size_t size)
{
    static const char *const names[] = {
        [MM_CONFIG_ADDRESSES_ANY] = "any",
        [MM_CONFIG_ADDRESSES_V4] = "ipv4",
        [MM_CONFIG_ADDRESSES_V6] = "ipv6",
        [MM_CONFIG_ADDRESSES_V4_FIRST] = "ipv4_first",
        [MM_CONFIG_ADDRESSES_V6_FIRST] = "ipv6_first"};
    enum mm_config_addresses *addresses = addresses_out;
    (void)size;
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++) {
        if (mm_span_is(value, names[i])) {
            *addresses = (enum mm_config_addresses)i;
            return true;
        }
    }
    return false;
}

#define COUNT_TEXT "a number from 1 to 1000000"

static bool read_count(struct mm_span value, void *count_out, size_t size)
{
    unsigned *count = count_out;
    uint64_t number = 0;
    (void)size;
    if (!mm_span_to_u64(value, &number) || number < 1 ||
        number > MM_CONFIG_COUNT_MAX) {
        return false;
    }
    *count = (unsigned)number;
    return true;
}

static bool read_window(struct mm_span value, void *window_out, size_t size)
{
    uint64_t *window_ms = window_out;
    (void)size;
    return mm_config_parse_duration(value, window_ms) &&
           *window_ms >= MM_CONFIG_WINDOW_MIN_MS &&
           *window_ms <= MM_CONFIG_WINDOW_MAX_MS;
}

#define AT(member) MM_CONFIG_AT(struct mm_config_route, member)

static const struct mm_config_word rows[] = {
    {"name", false, true, mm_config_read_name, AT(name),
     "letters, digits, and - _ . alone", 0},
    {"to", false, false, read_to, AT(to),
     "domains with commas between, *.domain for all below one, or *", 0},
    {"from", false, false, read_from, AT(from),
     "addresses or @domains with commas between, or *", 0},
    {"relay", false, false, read_relays,
     MM_CONFIG_AT_WHOLE(struct mm_config_route),
     "up to 8 hosts with commas between, each with :port or without, or none, "
     "or srv: and a domain",
     0},
    {"tls", false, false, read_tls, MM_CONFIG_AT_WHOLE(struct mm_config_route),
     "off, may, must or implicit", 0},
    {"verify", false, false, read_verify,
     MM_CONFIG_AT_WHOLE(struct mm_config_route), "yes or no", 0},
    {"authorities", false, false, mm_config_read_text, AT(authority_file),
     FILE_TEXT, 0},
    {"fingerprints", false, false, mm_config_read_pins, AT(pins),
     MM_CONFIG_PINS_TEXT, 0},
    {"certificate", false, false, mm_config_read_text, AT(certificate_file),
     FILE_TEXT, 0},
    {"key", false, false, mm_config_read_text, AT(key_file), FILE_TEXT, 0},
    {"user", false, false, mm_config_read_text, AT(user),
     "a name of up to 255 octets", 0},
    {"proxy", false, false, mm_config_read_proxy, AT(proxy),
     "default, none, or socks5://user:password@host:port (or socks4a, http)",
     0},
    {"mechanisms", false, false, mm_config_read_mechanisms, AT(mechanisms),
     MM_CONFIG_MECHANISMS_TEXT, 0},
    {"source", false, false, read_sources,
     MM_CONFIG_AT_WHOLE(struct mm_config_route),
     "an address of IPv4, one of IPv6, or both with a comma between", 0},
    {"ehlo", false, false, read_ehlo_name, AT(ehlo_name), "a host's name", 0},
    {"addresses", false, false, read_addresses, AT(addresses),
     "any, ipv4, ipv6, ipv4_first or ipv6_first", 0},
    {"messages_per_connection", false, false, read_count,
     AT(messages_per_connection_max), COUNT_TEXT, 0},
    {"connections", false, false, read_count, AT(connections_max), COUNT_TEXT,
     0},
    {"messages", false, false, read_count, AT(messages_max), COUNT_TEXT, 0},
    {"window", false, false, read_window, AT(window_ms), "a time, 1s to 24h",
     0},
    {"token", true, false, mm_config_read_set, AT(has_token), "", 0},
    {"password", false, false, mm_config_read_text, AT(password),
     "text of up to 512 octets without control characters", 0},
};
static const struct mm_config_words words = {rows, sizeof rows / sizeof rows[0],
                                             "a route"};

static enum mailmod_error check_tls(const struct mm_config_route *route,
                                    struct mm_buf *mistake_out)
{
    bool has_certificate = route->certificate_file[0] != '\0';
    bool is_external = (route->mechanisms & (unsigned)MM_SASL_EXTERNAL) != 0;
    if (route->relay_count == 0 && route->tls == MM_CONFIG_TLS_IMPLICIT) {
        return mm_config_refuse(
            mistake_out, "tls of a route without relay must be off, may or "
                         "must");
    }
    if (route->key_file[0] != '\0' && !has_certificate) {
        return mm_config_refuse(mistake_out,
                                "certificate is missing in a route with a key");
    }
    if (is_external && (!has_certificate || route->relay_count == 0 ||
                        route->tls == MM_CONFIG_TLS_OFF)) {
        return mm_config_refuse(
            mistake_out, "a route with EXTERNAL needs a relay, a certificate, "
                         "and TLS");
    }
    if (route->pins.count > 0 &&
        (!route->verifies || route->tls == MM_CONFIG_TLS_OFF)) {
        return mm_config_refuse(
            mistake_out, "a route with fingerprints needs TLS, and verify");
    }
    return MAILMOD_OK;
}

/* What comes from the proxy's address has none of ours; and to addresses
 * without a source nothing could go as it was meant. */
static enum mailmod_error check_face(const struct mm_config_route *route,
                                     struct mm_buf *mistake_out)
{
    bool is_v6 = route->sources[0].family == MM_NETADDR_V6;
    if (route->window_ms > 0 && route->messages_max == 0) {
        return mm_config_refuse(mistake_out,
                                "messages is missing in a route with a window");
    }
    if (route->source_count > 0 && route->proxy.choice == MM_CONFIG_PROXY_OWN) {
        return mm_config_refuse(mistake_out,
                                "a route has a source, or a proxy");
    }
    if (route->source_count == 1 &&
        route->addresses ==
            (is_v6 ? MM_CONFIG_ADDRESSES_V4 : MM_CONFIG_ADDRESSES_V6)) {
        return mm_config_refuse(mistake_out,
                                "a route's addresses are of the one kind, its "
                                "source is of the other");
    }
    return MAILMOD_OK;
}

static enum mailmod_error check_row(const struct mm_config_route *route,
                                    struct mm_buf *mistake_out)
{
    bool has_user = route->user[0] != '\0';
    bool has_password = route->password[0] != '\0';
    if (route->to[0] == '\0' && route->from[0] == '\0') {
        return mm_config_refuse(mistake_out,
                                "to or from is missing in a route");
    }
    if (has_password && route->has_token) {
        return mm_config_refuse(mistake_out,
                                "a route has a password, or a token");
    }
    bool is_external = (route->mechanisms & (unsigned)MM_SASL_EXTERNAL) != 0;
    bool has_secret = has_password || route->has_token;
    if (has_user != has_secret && !(has_user && is_external)) {
        return mm_config_refuse(mistake_out, "%s is missing in a route",
                                has_user ? "password" : "user");
    }
    if (mm_config_login_mechanisms(route->mechanisms, route->has_token) == 0) {
        return mm_config_refuse(mistake_out,
                                "mechanisms of a route has none for a %s",
                                route->has_token ? "token" : "password");
    }
    if (has_user && route->relay_count == 0) {
        return mm_config_refuse(mistake_out,
                                "relay is missing in a route with a user");
    }
    enum mailmod_error error = check_face(route, mistake_out);
    return error == MAILMOD_OK ? check_tls(route, mistake_out) : error;
}

static bool is_srv_good(const struct mm_config_route *route)
{
    struct mm_netaddr address;
    return !route->has_srv ||
           (route->relay_count == 1 && route->relays[0].port == 0 &&
            !mm_netaddr_parse_ip(mm_span_cstr(route->relays[0].host),
                                 &address));
}

static enum mailmod_error read_row(struct mm_span line,
                                   struct mm_config_route *route_out,
                                   struct mm_buf *mistake_out)
{
    memset(route_out, 0, sizeof *route_out);
    route_out->tls = MM_CONFIG_TLS_MUST;
    route_out->verifies = true;
    enum mailmod_error error =
        mm_config_words_read(&words, line, route_out, mistake_out);
    if (route_out->relay_count == 0) {
        bool has_pins = route_out->pins.count > 0;
        route_out->sets_tls = route_out->sets_tls || has_pins;
        route_out->verifies =
            (route_out->sets_verify && route_out->verifies) || has_pins;
    }
    if (error == MAILMOD_OK && !is_srv_good(route_out)) {
        return mm_config_refuse(mistake_out,
                                "relay=srv: needs one domain, without a port");
    }
    for (size_t i = 0; i < route_out->relay_count; i++) {
        struct mm_config_relay *relay = &route_out->relays[i];
        bool is_implicit = route_out->tls == MM_CONFIG_TLS_IMPLICIT;
        relay->port = relay->port != 0 ? relay->port
                      : is_implicit    ? PORT_TLS
                                       : PORT;
    }
    return error == MAILMOD_OK ? check_row(route_out, mistake_out) : error;
}

/* ---- the table ---- */

struct table {
    struct mm_config_route *rows;
    size_t count;
};

static void table_fini(struct table *table)
{
    if (table->rows != NULL) {
        mm_secret_clear(table->rows, table->count * sizeof *table->rows);
    }
    mm_free(table->rows);
    *table = (struct table){.rows = NULL};
}

static enum mailmod_error add_row(struct table *table, struct mm_span line,
                                  struct mm_buf *mistake_out)
{
    struct mm_config_route *route = &table->rows[table->count];
    enum mailmod_error error = read_row(line, route, mistake_out);
    for (size_t i = 0; error == MAILMOD_OK && i < table->count; i++) {
        if (strcmp(table->rows[i].name, route->name) == 0) {
            error = mm_config_refuse(mistake_out, "the name %s is there twice",
                                     route->name);
        }
    }
    table->count++;
    return error;
}

/* With room for one more. */
static enum mailmod_error read_table(struct mm_span text, struct table *table,
                                     struct mm_buf *mistake_out)
{
    struct mm_span line;
    struct mm_span rest = text;
    size_t count = 0;
    while (mm_config_next_line(&rest, &line)) {
        count++;
    }
    if (count > MM_CONFIG_ROUTES_MAX) {
        return mm_config_refuse(mistake_out, "there are more than %u routes",
                                (unsigned)MM_CONFIG_ROUTES_MAX);
    }
    table->rows = mm_alloc_array(count + 1, sizeof *table->rows);
    if (table->rows == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && mm_config_next_line(&text, &line)) {
        error = add_row(table, line, mistake_out);
    }
    return error;
}

enum mailmod_error mm_config_routes_check(struct mm_span text,
                                          struct mm_buf *mistake_out)
{
    struct table table = {.rows = NULL};
    enum mailmod_error error = read_table(text, &table, mistake_out);
    table_fini(&table);
    return error;
}

/* The settings smarthost.*; each fits, for the schema holds it to its size. */
static void add_smarthost(const struct mm_config *config, struct table *table)
{
    struct mm_config_route *route = &table->rows[table->count++];
    struct mm_host host;
    memset(route, 0, sizeof *route);
    route->tls = config->smarthost.tls;
    route->verifies = config->smarthost.verifies;
    (void)mm_span_copy(mm_span_cstr(config->smarthost.user), route->user,
                       sizeof route->user);
    (void)mm_span_copy(mm_span_cstr(config->smarthost.password),
                       route->password, sizeof route->password);
    route->has_token = config->smarthost.has_token;
    route->has_srv = config->smarthost.uses_srv;
    (void)mm_span_copy(mm_span_cstr(config->smarthost.certificate_file),
                       route->certificate_file, sizeof route->certificate_file);
    (void)mm_span_copy(mm_span_cstr(config->smarthost.key_file),
                       route->key_file, sizeof route->key_file);
    (void)mm_config_read_pins(mm_span_cstr(config->smarthost.fingerprints),
                              &route->pins, 0);
    (void)mm_sasl_read_names(mm_span_cstr(config->smarthost.mechanisms),
                             &route->mechanisms);
    if (mm_host_parse(mm_span_cstr(config->smarthost.host), &host)) {
        (void)mm_span_copy(mm_span_cstr(host.text), route->relays[0].host,
                           sizeof route->relays[0].host);
        route->relays[0].port = config->smarthost.port;
        route->relay_count = 1;
    }
}

enum mailmod_error mm_config_routes_make(struct mm_config *config)
{
    struct table table = {.rows = NULL};
    enum mailmod_error error =
        read_table(mm_span_cstr(config->delivery.routes), &table, NULL);
    if (error != MAILMOD_OK) {
        table_fini(&table);
        return error;
    }
    add_smarthost(config, &table);
    config->routes = table.rows;
    config->route_count = table.count;
    return MAILMOD_OK;
}

void mm_config_routes_drop(struct mm_config *config)
{
    struct table table = {.rows = config->routes, .count = config->route_count};
    table_fini(&table);
    config->routes = NULL;
    config->route_count = 0;
}

const struct mm_config_route *
mm_config_route_for(const struct mm_config *config, const char *domain,
                    const char *sender)
{
    size_t last = config->route_count - 1;
    struct mail mail;
    if (last > 0) {
        mail_init(&mail, domain, sender != NULL ? sender : "");
    }
    for (size_t i = 0; i < last; i++) {
        const struct mm_config_route *route = &config->routes[i];
        bool is_from = sender != NULL
                           ? fits_any(route->from, &mail, fits_sender)
                           : route->from[0] == '\0';
        if (is_from && fits_any(route->to, &mail, fits_domain)) {
            return route;
        }
    }
    return &config->routes[last];
}

bool mm_config_has_routes(const struct mm_config *config)
{
    return config->route_count > 1;
}

bool mm_config_routes_by_sender(const struct mm_config *config)
{
    for (size_t i = 0; i < config->route_count; i++) {
        if (config->routes[i].from[0] != '\0') {
            return true;
        }
    }
    return false;
}

unsigned mm_config_login_mechanisms(unsigned named, bool has_token)
{
    unsigned fitting = has_token ? MM_SASL_BEARER : MM_SASL_PASSWORD;
    fitting |= named & (unsigned)MM_SASL_EXTERNAL;
    return named != 0 ? named & fitting : fitting;
}

bool mm_config_route_has_tls(const struct mm_config_route *route)
{
    return route->authority_file[0] != '\0' ||
           route->certificate_file[0] != '\0' || route->pins.count > 0;
}

bool mm_config_route_has_face(const struct mm_config_route *route)
{
    return route->source_count > 0 || route->ehlo_name[0] != '\0';
}

/* A row with a source of one family has no other addresses, unless it says so:
 * they would be reached from an address that was not chosen. */
static enum mm_config_addresses
addresses_of(const struct mm_config_route *route)
{
    if (route == NULL || route->addresses != MM_CONFIG_ADDRESSES_DEFAULT ||
        route->source_count != 1) {
        return route != NULL ? route->addresses : MM_CONFIG_ADDRESSES_DEFAULT;
    }
    return route->sources[0].family == MM_NETADDR_V6 ? MM_CONFIG_ADDRESSES_V6
                                                     : MM_CONFIG_ADDRESSES_V4;
}

struct mm_config_families
mm_config_families_for(const struct mm_config *config,
                       const struct mm_config_route *route)
{
    static const struct mm_config_families named[] = {
        [MM_CONFIG_ADDRESSES_ANY] = {true, true, MM_CONFIG_PREFERS_ANY},
        [MM_CONFIG_ADDRESSES_V4] = {false, true, MM_CONFIG_PREFERS_ANY},
        [MM_CONFIG_ADDRESSES_V6] = {true, false, MM_CONFIG_PREFERS_ANY},
        [MM_CONFIG_ADDRESSES_V4_FIRST] = {true, true, MM_CONFIG_PREFERS_V4},
        [MM_CONFIG_ADDRESSES_V6_FIRST] = {true, true, MM_CONFIG_PREFERS_V6}};
    enum mm_config_addresses addresses = addresses_of(route);
    if (addresses != MM_CONFIG_ADDRESSES_DEFAULT) {
        return named[addresses];
    }
    return (struct mm_config_families){.v6 = config->delivery.uses_ipv6,
                                       .v4 = config->delivery.uses_ipv4,
                                       .prefers = config->delivery.prefers};
}

static struct mm_netaddr find_source(const struct mm_netaddr *items,
                                     size_t count,
                                     enum mm_netaddr_family family)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].family == family) {
            return items[i];
        }
    }
    return (struct mm_netaddr){.family = MM_NETADDR_NONE};
}

struct mm_netaddr mm_config_source_for(const struct mm_config *config,
                                       const struct mm_config_route *route,
                                       enum mm_netaddr_family family)
{
    return route != NULL && route->source_count > 0
               ? find_source(route->sources, route->source_count, family)
               : find_source(config->delivery.source.items,
                             config->delivery.source.count, family);
}

const char *mm_config_ehlo_name_for(const struct mm_config *config,
                                    const struct mm_config_route *route)
{
    if (route != NULL && route->ehlo_name[0] != '\0') {
        return route->ehlo_name;
    }
    return config->delivery.ehlo_name[0] != '\0' ? config->delivery.ehlo_name
                                                 : config->host_name;
}

unsigned mm_config_connection_messages_for(const struct mm_config *config,
                                           const struct mm_config_route *route)
{
    return route != NULL && route->messages_per_connection_max > 0
               ? route->messages_per_connection_max
               : config->delivery.messages_per_connection_max;
}

unsigned mm_config_connections_for(const struct mm_config *config,
                                   const struct mm_config_route *route)
{
    unsigned by_host = config->queue.host_max;
    unsigned by_destination = config->queue.destination_max;
    if (route != NULL && route->connections_max > 0) {
        return route->connections_max;
    }
    return by_host > by_destination ? by_host : by_destination;
}

struct mm_config_pace mm_config_pace_for(const struct mm_config *config,
                                         const struct mm_config_route *route)
{
    bool has_own = route != NULL && route->messages_max > 0;
    return (struct mm_config_pace){
        .messages_max =
            has_own ? route->messages_max : config->queue.messages_max,
        .window_ms = has_own && route->window_ms > 0 ? route->window_ms
                                                     : config->queue.window_ms};
}
