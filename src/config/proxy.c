/* proxy.c - which proxy a connection goes out through.
 *
 * A proxy's login stands in the URL that names it, so such texts are secrets,
 * and nobody is shown one. Owns the proxy of the settings, once a snapshot is
 * made. Promises: what proxy.bypass names never goes to the proxy of proxy.*,
 * and everything else never goes past it.
 * RFC 3986 3.2 (authority), RFC 1929, RFC 7617. Thread: any. */
#include "config/proxy.h"

#include "base/mem.h"
#include "config/value.h"
#include "platform/idn.h"

#include <string.h>

#define PORT_SOCKS 1080
#define PORT_HTTP 3128

#define SOCKS5_LOGIN_MAX 255 /* RFC 1929 2 */

static unsigned standard_port(enum mm_config_proxy_kind kind)
{
    return kind == MM_CONFIG_PROXY_HTTP ? PORT_HTTP : PORT_SOCKS;
}

const char *mm_config_proxy_fault(enum mm_config_proxy_kind kind,
                                  struct mm_span user, struct mm_span password)
{
    switch (kind) {
    case MM_CONFIG_PROXY_SOCKS5:
        return password.size > SOCKS5_LOGIN_MAX
                   ? "is longer than the 255 octets that SOCKS5 has room for"
                   : NULL;
    case MM_CONFIG_PROXY_SOCKS4A:
        return password.size > 0 ? "is set, and SOCKS4a has none" : NULL;
    case MM_CONFIG_PROXY_HTTP:
        break;
    }
    return memchr(user.data, ':', user.size) != NULL
               ? "is for a user with a colon, which HTTP cannot tell (RFC 7617)"
               : NULL;
}

/* ---- URLs ---- */

/* RFC 3986 2.1. */
static bool decode(struct mm_span text, char *out, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            bool has_two = i + 2 < text.size;
            int high = has_two
                           ? mm_ascii_hex_value((unsigned char)text.data[i + 1])
                           : -1;
            int low = has_two
                          ? mm_ascii_hex_value((unsigned char)text.data[i + 2])
                          : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (count + 1 >= size || (unsigned char)c < 32 || c == 127) {
            return false;
        }
        out[count++] = c;
    }
    out[count] = '\0';
    return mm_span_is_utf8(mm_span(out, count));
}

/* The first of a kind is the one that is shown. */
static const struct {
    const char *name;
    enum mm_config_proxy_kind kind;
} schemes[] = {{"socks5", MM_CONFIG_PROXY_SOCKS5},
               {"socks5h", MM_CONFIG_PROXY_SOCKS5}, /* curl's name for it */
               {"socks4a", MM_CONFIG_PROXY_SOCKS4A},
               {"http", MM_CONFIG_PROXY_HTTP}};

void mm_config_proxy_describe(const struct mm_config_proxy *proxy,
                              struct mm_buf *out)
{
    size_t row = 0;
    if (proxy->choice == MM_CONFIG_PROXY_NONE) {
        (void)mm_buf_append_cstr(out, " proxy=none");
    }
    if (proxy->choice != MM_CONFIG_PROXY_OWN) {
        return;
    }
    while (schemes[row].kind != proxy->kind) {
        row++;
    }
    bool is_v6 = strchr(proxy->host, ':') != NULL;
    (void)mm_buf_appendf(out, " proxy=%s://%s%s%s:%u", schemes[row].name,
                         is_v6 ? "[" : "", proxy->host, is_v6 ? "]" : "",
                         proxy->port);
}

static bool read_scheme(struct mm_span scheme, enum mm_config_proxy_kind *kind)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (mm_span_is_nocase(scheme, schemes[i].name)) {
            *kind = schemes[i].kind;
            return true;
        }
    }
    return false;
}

/* The last at-sign: a password may have one as it is. */
static bool read_login(struct mm_span *rest, struct mm_config_proxy *proxy)
{
    size_t at = rest->size;
    while (at > 0 && rest->data[at - 1] != '@') {
        at--;
    }
    if (at == 0) {
        return true;
    }
    struct mm_span user;
    struct mm_span password;
    (void)mm_span_cut(mm_span(rest->data, at - 1), ':', &user, &password);
    *rest = mm_span_from(*rest, at);
    return user.size > 0 && decode(user, proxy->user, sizeof proxy->user) &&
           decode(password, proxy->password, sizeof proxy->password);
}

static bool read_place(struct mm_span text, struct mm_config_proxy *proxy)
{
    struct mm_host host;
    if (!mm_host_parse_port(text, &host, &proxy->port)) {
        return false;
    }
    proxy->port = proxy->port != 0 ? proxy->port : standard_port(proxy->kind);
    return mm_span_copy(mm_span_cstr(host.text), proxy->host,
                        sizeof proxy->host);
}

bool mm_config_proxy_parse(struct mm_span text,
                           struct mm_config_proxy *proxy_out)
{
    static const char mark[] = "://";
    *proxy_out = (struct mm_config_proxy){.choice = MM_CONFIG_PROXY_DEFAULT};
    if (mm_span_is_nocase(text, "default")) {
        return true;
    }
    if (mm_span_is_nocase(text, "none")) {
        proxy_out->choice = MM_CONFIG_PROXY_NONE;
        return true;
    }
    struct mm_span scheme;
    struct mm_span rest;
    if (!mm_span_cut(text, ':', &scheme, &rest) || rest.size < 2 ||
        memcmp(rest.data, mark + 1, 2) != 0) {
        return false;
    }
    rest = mm_span_from(rest, 2);
    if (rest.size > 0 && rest.data[rest.size - 1] == '/') {
        rest.size--;
    }
    proxy_out->choice = MM_CONFIG_PROXY_OWN;
    return read_scheme(scheme, &proxy_out->kind) &&
           read_login(&rest, proxy_out) && read_place(rest, proxy_out) &&
           mm_config_proxy_fault(proxy_out->kind, mm_span_cstr(proxy_out->user),
                                 mm_span_cstr(proxy_out->password)) == NULL;
}

/* ---- who goes past it ---- */

static struct mm_span domain_of(struct mm_span item)
{
    if (item.size > 1 && item.data[0] == '*' && item.data[1] == '.') {
        item = mm_span_from(item, 1);
    }
    return item.size > 0 && item.data[0] == '.' ? mm_span_from(item, 1) : item;
}

bool mm_config_is_bypass(struct mm_span item)
{
    struct mm_netrange range;
    return mm_netrange_parse(item, &range) ||
           mm_config_form_has(MM_CONFIG_FORM_DOMAIN, domain_of(item));
}

/* The item's domain, or one below it. A host comes in A-labels. */
static bool fits_domain(struct mm_span host, struct mm_span item)
{
    char ascii[MM_LIMIT_DOMAIN + 1];
    struct mm_span domain = domain_of(item);
    if (mm_idn_to_ascii(domain, ascii) == MAILMOD_OK) {
        domain = mm_span_cstr(ascii);
    }
    return mm_host_is_within(host, domain);
}

static bool is_bypassed(const struct mm_config *config,
                        const struct mm_endpoint *target)
{
    const struct mm_string_list *list = &config->proxy.bypass;
    struct mm_span host = mm_span_cstr(target->host);
    for (size_t i = 0; i < list->count; i++) {
        struct mm_span item = mm_span_cstr(list->items[i]);
        struct mm_netrange range;
        bool is_hit = mm_netrange_parse(item, &range)
                          ? target->address.family != MM_NETADDR_NONE &&
                                mm_netrange_has(&range, &target->address)
                          : fits_domain(host, item);
        if (is_hit) {
            return true;
        }
    }
    return false;
}

const struct mm_config_proxy *
mm_config_proxy_for(const struct mm_config *config,
                    const struct mm_config_proxy *own,
                    const struct mm_endpoint *target)
{
    if (own != NULL && own->choice != MM_CONFIG_PROXY_DEFAULT) {
        return own->choice == MM_CONFIG_PROXY_OWN ? own : NULL;
    }
    return config->default_proxy == NULL || is_bypassed(config, target)
               ? NULL
               : config->default_proxy;
}

/* ---- the one of the settings ---- */

enum mailmod_error mm_config_proxy_make(struct mm_config *config)
{
    struct mm_host host;
    if (config->proxy.host[0] == '\0') {
        return MAILMOD_OK;
    }
    struct mm_config_proxy *proxy = mm_alloc(sizeof *proxy);
    if (proxy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    proxy->choice = MM_CONFIG_PROXY_OWN;
    proxy->kind = config->proxy.kind;
    proxy->port = config->proxy.port != 0 ? config->proxy.port
                                          : standard_port(config->proxy.kind);
    /* The schema holds each to its field's size and form. */
    (void)mm_host_parse(mm_span_cstr(config->proxy.host), &host);
    (void)mm_span_copy(mm_span_cstr(host.text), proxy->host,
                       sizeof proxy->host);
    (void)mm_span_copy(mm_span_cstr(config->proxy.user), proxy->user,
                       sizeof proxy->user);
    (void)mm_span_copy(mm_span_cstr(config->proxy.password), proxy->password,
                       sizeof proxy->password);
    config->default_proxy = proxy;
    return MAILMOD_OK;
}

void mm_config_proxy_drop(struct mm_config *config)
{
    if (config->default_proxy != NULL) {
        mm_secret_clear(config->default_proxy, sizeof *config->default_proxy);
        mm_free(config->default_proxy);
        config->default_proxy = NULL;
    }
}
