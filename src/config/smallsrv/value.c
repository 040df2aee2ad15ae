/* value.c - settings by the names of the original engine: set and get.
 *
 * What a name says is a part of one of our keys, so each conversion reads the
 * key's present value, changes its part and hands the whole to the key's own
 * parser: no rule of a key is stated here. Promises that a value that is
 * refused changes nothing.
 * Thread: any (the builder's owner). */
#include "config/smallsrv/change.h"

#include "base/log.h"
#include "config/list.h"
#include "config/mistake.h"
#include "config/value.h"

#include <string.h>

enum { NETWORKS_TEXT_MAX = 1024 * 1024 };

const void *mm_smallsrv_field(const struct mm_config_key *key,
                              const struct mm_config *config)
{
    return (const char *)config + key->offset;
}

static enum mailmod_error put(const struct mm_smallsrv_change *change,
                              const char *name, const char *text)
{
    return mm_config_value_parse(mm_config_find_key(name), mm_span_cstr(text),
                                 change->config, change->mistake);
}

/* ---- networks: one list for both families ---- */

static bool is_family(const struct mm_netrange *range,
                      enum mm_smallsrv_kind kind)
{
    return range->address.family ==
           (kind == MM_SMALLSRV_V4 ? MM_NETADDR_V4 : MM_NETADDR_V6);
}

/* Those of the list that are, or are not, of the row's family. */
static enum mailmod_error append_networks(struct mm_buf *text,
                                          const struct mm_range_list *list,
                                          enum mm_smallsrv_kind kind,
                                          bool is_wanted)
{
    for (size_t i = 0; i < list->count; i++) {
        char item[MM_NETADDR_TEXT_MAX];
        if (is_family(&list->items[i], kind) == is_wanted) {
            mm_netaddr_format_ip(&list->items[i].address, item);
            (void)mm_buf_appendf(text, "%s%s/%u",
                                 mm_buf_size(text) == 0 ? "" : ", ", item,
                                 list->items[i].prefix);
        }
    }
    return mm_buf_error(text);
}

static enum mailmod_error check_family(const struct mm_smallsrv_change *change,
                                       const struct mm_range_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!is_family(&list->items[i], change->row->kind)) {
            return mm_config_refuse(
                change->mistake, "must have networks of %s alone",
                change->row->kind == MM_SMALLSRV_V4 ? "IPv4" : "IPv6");
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error set_networks(const struct mm_smallsrv_change *change)
{
    const struct mm_range_list *now =
        mm_smallsrv_field(change->key, change->config);
    struct mm_range_list part = {NULL, 0};
    struct mm_buf text;
    mm_buf_init(&text, NETWORKS_TEXT_MAX);
    enum mailmod_error error =
        mm_config_list_parse(change->key, change->text, &part, change->mistake);
    if (error == MAILMOD_OK) {
        error = check_family(change, &part);
    }
    if (error == MAILMOD_OK) {
        error = append_networks(&text, &part, change->row->kind, true);
    }
    if (error == MAILMOD_OK) {
        error = append_networks(&text, now, change->row->kind, false);
    }
    if (error == MAILMOD_OK) {
        error = mm_config_value_parse(change->key, mm_buf_span(&text),
                                      change->config, change->mistake);
    }
    mm_config_list_fini(change->key, &part);
    mm_buf_fini(&text);
    return error;
}

/* ---- flags that are a part of something ---- */

static enum mailmod_error set_tls_may(const struct mm_smallsrv_change *change)
{
    if (!change->is_on) {
        return put(change, "delivery.tls", "off");
    }
    return change->config->delivery.tls == MM_CONFIG_TLS_OFF
               ? put(change, "delivery.tls", "may")
               : MAILMOD_OK;
}

static enum mailmod_error set_tls_must(const struct mm_smallsrv_change *change)
{
    enum mm_config_tls_policy relay = change->config->smarthost.tls;
    if (!change->is_on) {
        return change->config->delivery.tls == MM_CONFIG_TLS_MUST
                   ? put(change, "delivery.tls", "may")
                   : MAILMOD_OK;
    }
    enum mailmod_error error = put(change, "delivery.tls", "must");
    if (error == MAILMOD_OK &&
        (relay == MM_CONFIG_TLS_OFF || relay == MM_CONFIG_TLS_MAY)) {
        error = put(change, "smarthost.tls", "must");
    }
    return error;
}

/* There a relay is talked to at port 25 without AUTH. What was set to be
 * stricter stays so. */
static enum mailmod_error set_smarthost(const struct mm_smallsrv_change *change)
{
    const struct mm_config *config = change->config;
    bool is_plain = config->smarthost.port == 587 &&
                    config->smarthost.tls == MM_CONFIG_TLS_MUST &&
                    config->smarthost.user[0] == '\0';
    enum mailmod_error error = mm_config_value_parse(
        change->key, change->text, change->config, change->mistake);
    if (error != MAILMOD_OK || !is_plain || config->smarthost.host[0] == '\0') {
        return error;
    }
    error = put(change, "smarthost.port", "25");
    if (error == MAILMOD_OK && config->delivery.tls != MM_CONFIG_TLS_MUST) {
        error = put(change, "smarthost.tls", "may");
    }
    return error;
}

/* "100" are 100 KiB. */
static enum mailmod_error set_kib(const struct mm_smallsrv_change *change)
{
    struct mm_buf text;
    uint64_t number;
    if (!mm_span_to_u64(change->text, &number)) {
        return mm_config_refuse(change->mistake, "must be a number");
    }
    mm_buf_init(&text, 64);
    (void)mm_buf_append_u64(&text, number);
    enum mailmod_error error = mm_buf_append_char(&text, 'K');
    if (error == MAILMOD_OK) {
        error = mm_config_value_parse(change->key, mm_buf_span(&text),
                                      change->config, change->mistake);
    }
    mm_buf_fini(&text);
    return error;
}

static enum mailmod_error set_no_window(const struct mm_smallsrv_change *change)
{
    static const char *const limits[] = {"rates.address_octets_max",
                                         "rates.network_octets_max",
                                         "rates.total_octets_max"};
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; error == MAILMOD_OK && i < 3; i++) {
        error = put(change, limits[i], "0");
    }
    return error;
}

/* There it was about 35 minutes. */
static enum mailmod_error set_pop_ip(const struct mm_smallsrv_change *change)
{
    bool is_set = change->config->smtp.pop_before_smtp_ms != 0;
    return is_set == change->is_on
               ? MAILMOD_OK
               : put(change, change->key->name, change->is_on ? "35m" : "0s");
}

/* There the file has this name. */
static enum mailmod_error set_forward(const struct mm_smallsrv_change *change)
{
    bool is_set = change->config->local.forward_file[0] != '\0';
    return is_set == change->is_on
               ? MAILMOD_OK
               : put(change, change->key->name, change->is_on ? "forward" : "");
}

/* There a proxy is one of HTTP. */
static enum mailmod_error set_proxy(const struct mm_smallsrv_change *change)
{
    enum mailmod_error error = mm_config_value_parse(
        change->key, change->text, change->config, change->mistake);
    return error == MAILMOD_OK &&
                   change->config->proxy.kind == MM_CONFIG_PROXY_SOCKS5 &&
                   change->config->proxy.host[0] != '\0'
               ? put(change, "proxy.kind", "http")
               : error;
}

static enum mailmod_error set_login(const struct mm_smallsrv_change *change)
{
    struct mm_span user;
    struct mm_span password;
    (void)mm_span_cut(change->text, ':', &user, &password);
    if (user.size > MM_LIMIT_USER_NAME ||
        !mm_config_form_has(MM_CONFIG_FORM_ANY, user)) {
        return mm_config_refuse(change->mistake, "must be user:password");
    }
    enum mailmod_error error = mm_config_value_parse(
        change->key, password, change->config, change->mistake);
    return error == MAILMOD_OK
               ? mm_config_value_parse(mm_config_find_key("proxy.user"), user,
                                       change->config, change->mistake)
               : error;
}

static enum mailmod_error set_check_mx(const struct mm_smallsrv_change *change)
{
    bool is_set =
        change->config->checks.sender_domain == MM_CONFIG_CHECK_REFUSE;
    return is_set == change->is_on ? MAILMOD_OK
                                   : put(change, change->key->name,
                                         change->is_on ? "refuse" : "off");
}

static enum mailmod_error set_level(const struct mm_smallsrv_change *change)
{
    int level = change->config->log_level;
    bool is_detail = change->row->kind == MM_SMALLSRV_DETAIL;
    bool is_set = is_detail ? level >= MM_LOG_DEBUG : level == MM_LOG_ERROR;
    if (is_set == change->is_on) {
        return MAILMOD_OK;
    }
    return put(change, "general.log_level",
               !change->is_on ? "info" : (is_detail ? "debug" : "error"));
}

/* ---- all of them ---- */

static bool is_text(enum mm_smallsrv_kind kind)
{
    return kind == MM_SMALLSRV_SAME || kind == MM_SMALLSRV_PORT ||
           kind == MM_SMALLSRV_BIND || kind == MM_SMALLSRV_V4 ||
           kind == MM_SMALLSRV_V6 || kind == MM_SMALLSRV_SMARTHOST ||
           kind == MM_SMALLSRV_PROXY || kind == MM_SMALLSRV_LOGIN ||
           kind == MM_SMALLSRV_USER || kind == MM_SMALLSRV_KIB ||
           kind == MM_SMALLSRV_WINDOW || kind == MM_SMALLSRV_GONE;
}

const struct mm_config_key *
mm_smallsrv_type_of(const struct mm_config_alias *alias)
{
    const struct mm_smallsrv_name *row = mm_smallsrv_row(alias);
    static const struct mm_config_key flag = {.type = MM_CONFIG_BOOL};
    static const struct mm_config_key number = {.type = MM_CONFIG_INT};
    static const struct mm_config_key text = {.type = MM_CONFIG_TEXT};
    if (alias->is_off || !is_text(row->kind)) {
        return &flag;
    }
    switch (row->kind) {
    case MM_SMALLSRV_PORT:
    case MM_SMALLSRV_KIB:
        return &number;
    case MM_SMALLSRV_WINDOW:
    case MM_SMALLSRV_SAME:
    case MM_SMALLSRV_V4:
    case MM_SMALLSRV_V6:
        return mm_config_find_key(row->key);
    default:
        return &text;
    }
}

static enum mailmod_error refuse_gone(const struct mm_smallsrv_change *change)
{
    return mm_config_refuse(change->mistake, "not supported by mailmod; %s",
                            change->row->words);
}

static enum mailmod_error set_fixed(const struct mm_smallsrv_change *change,
                                    bool is_on)
{
    return change->is_on == is_on
               ? MAILMOD_OK
               : mm_config_refuse(change->mistake, "cannot be switched %s: %s",
                                  is_on ? "off" : "on", change->row->words);
}

static enum mailmod_error set_flag(const struct mm_smallsrv_change *change)
{
    switch (change->row->kind) {
    case MM_SMALLSRV_SAME:
        return put(change, change->key->name, change->is_on ? "true" : "false");
    case MM_SMALLSRV_IPV6:
        return mm_smallsrv_set_ipv6(change);
    case MM_SMALLSRV_CLOSED:
        return mm_smallsrv_set_closed(change);
    case MM_SMALLSRV_TLS_MAY:
        return set_tls_may(change);
    case MM_SMALLSRV_TLS_MUST:
        return set_tls_must(change);
    case MM_SMALLSRV_DETAIL:
    case MM_SMALLSRV_SILENT:
        return set_level(change);
    case MM_SMALLSRV_POP_IP:
        return set_pop_ip(change);
    case MM_SMALLSRV_FORWARD:
        return set_forward(change);
    case MM_SMALLSRV_CHECK_MX:
        return set_check_mx(change);
    case MM_SMALLSRV_ALWAYS:
        return set_fixed(change, true);
    case MM_SMALLSRV_NEVER:
        return set_fixed(change, false);
    default:
        return change->is_on ? refuse_gone(change) : MAILMOD_OK;
    }
}

/* "nosmtp_bind", "nosmtpproxy", "noantivirus": a text that is none. */
static enum mailmod_error set_none(const struct mm_smallsrv_change *change)
{
    if (change->is_on) {
        return change->row->kind == MM_SMALLSRV_GONE
                   ? refuse_gone(change)
                   : mm_config_refuse(change->mistake, "set %s instead",
                                      change->row->name);
    }
    switch (change->row->kind) {
    case MM_SMALLSRV_BIND:
        return mm_smallsrv_set_bind(change); /* its text is empty */
    case MM_SMALLSRV_SMARTHOST:
    case MM_SMALLSRV_PROXY:
        return put(change, change->key->name, "");
    case MM_SMALLSRV_KIB:
        return put(change, change->key->name, "0");
    case MM_SMALLSRV_WINDOW:
        return set_no_window(change);
    case MM_SMALLSRV_LOGIN:
        return set_login(change); /* its text is empty */
    default:
        return MAILMOD_OK;
    }
}

static enum mailmod_error set_text(const struct mm_smallsrv_change *change)
{
    switch (change->row->kind) {
    case MM_SMALLSRV_KIB:
        return set_kib(change);
    case MM_SMALLSRV_WINDOW:
    case MM_SMALLSRV_SAME:
        return mm_config_value_parse(change->key, change->text, change->config,
                                     change->mistake);
    case MM_SMALLSRV_PORT:
        return mm_smallsrv_set_port(change);
    case MM_SMALLSRV_BIND:
        return mm_smallsrv_set_bind(change);
    case MM_SMALLSRV_V4:
    case MM_SMALLSRV_V6:
        return set_networks(change);
    case MM_SMALLSRV_SMARTHOST:
        return set_smarthost(change);
    case MM_SMALLSRV_PROXY:
        return set_proxy(change);
    case MM_SMALLSRV_LOGIN:
        return set_login(change);
    case MM_SMALLSRV_USER:
        return mm_smallsrv_add_user(change);
    default:
        return refuse_gone(change);
    }
}

enum mailmod_error mm_smallsrv_set(const struct mm_config_alias *alias,
                                   struct mm_span text,
                                   struct mm_config *config,
                                   struct mm_buf *mistake_out)
{
    const struct mm_smallsrv_name *row = mm_smallsrv_row(alias);
    struct mm_smallsrv_change change = {
        .row = row,
        .key = row->key != NULL ? mm_config_find_key(row->key) : NULL,
        .text = text,
        .config = config,
        .mistake = mistake_out};
    bool is_flag = alias->is_off || !is_text(row->kind);
    if (!is_flag) {
        change.text = row->kind == MM_SMALLSRV_SAME ? text : mm_span_trim(text);
        return set_text(&change);
    }
    change.text = mm_span(NULL, 0);
    if (!mm_config_parse_flag(mm_span_trim(text), &change.is_on)) {
        return row->kind == MM_SMALLSRV_GONE_FLAG
                   ? refuse_gone(&change)
                   : mm_config_refuse(mistake_out, "must be true or false");
    }
    change.is_on = change.is_on != alias->is_off;
    return is_text(row->kind) && row->kind != MM_SMALLSRV_SAME
               ? set_none(&change)
               : set_flag(&change);
}

/* A flag's value; of a text's name, whether it is there. */
static bool is_set(const struct mm_smallsrv_name *row,
                   const struct mm_config *config)
{
    const struct mm_config_key *key =
        row->key != NULL ? mm_config_find_key(row->key) : NULL;
    const struct mm_netaddr *address;
    switch (row->kind) {
    case MM_SMALLSRV_SAME:
        return *(const bool *)mm_smallsrv_field(key, config);
    case MM_SMALLSRV_BIND:
        address = mm_smallsrv_main_address(key, config);
        return address != NULL && !mm_netaddr_is_any(address);
    case MM_SMALLSRV_IPV6:
        return mm_smallsrv_has_ipv6(key, config);
    case MM_SMALLSRV_CLOSED:
        return mm_smallsrv_main_address(key, config) == NULL;
    case MM_SMALLSRV_TLS_MAY:
        return config->delivery.tls != MM_CONFIG_TLS_OFF;
    case MM_SMALLSRV_TLS_MUST:
        return config->delivery.tls == MM_CONFIG_TLS_MUST;
    case MM_SMALLSRV_SMARTHOST:
        return config->smarthost.host[0] != '\0';
    case MM_SMALLSRV_PROXY:
        return config->proxy.host[0] != '\0';
    case MM_SMALLSRV_LOGIN:
        return config->proxy.user[0] != '\0';
    case MM_SMALLSRV_DETAIL:
        return config->log_level >= MM_LOG_DEBUG;
    case MM_SMALLSRV_SILENT:
        return config->log_level == MM_LOG_ERROR;
    case MM_SMALLSRV_CHECK_MX:
        return config->checks.sender_domain == MM_CONFIG_CHECK_REFUSE;
    case MM_SMALLSRV_POP_IP:
        return config->smtp.pop_before_smtp_ms != 0;
    case MM_SMALLSRV_FORWARD:
        return config->local.forward_file[0] != '\0';
    case MM_SMALLSRV_KIB:
        return *(const uint64_t *)mm_smallsrv_field(key, config) != 0;
    case MM_SMALLSRV_WINDOW:
        return true;
    default:
        return row->kind == MM_SMALLSRV_ALWAYS;
    }
}

enum mailmod_error mm_smallsrv_number(const struct mm_config_alias *alias,
                                      const struct mm_config *config,
                                      uint64_t *value_out)
{
    const struct mm_smallsrv_name *row = mm_smallsrv_row(alias);
    if (alias->is_off || !is_text(row->kind)) {
        *value_out = is_set(row, config) != alias->is_off;
        return MAILMOD_OK;
    }
    if (row->kind == MM_SMALLSRV_PORT) {
        const struct mm_netaddr *address =
            mm_smallsrv_main_address(mm_config_find_key(row->key), config);
        *value_out = address == NULL ? 0 : address->port;
        return MAILMOD_OK;
    }
    if (row->kind == MM_SMALLSRV_GONE) {
        return MAILMOD_ERROR_UNKNOWN_NAME;
    }
    enum mailmod_error error =
        mm_config_value_number(mm_config_find_key(row->key), config, value_out);
    *value_out /= row->kind == MM_SMALLSRV_KIB ? 1024 : 1;
    return error;
}

static enum mailmod_error get_bind(const struct mm_config_key *key,
                                   const struct mm_config *config,
                                   struct mm_buf *out)
{
    const struct mm_netaddr *address = mm_smallsrv_main_address(key, config);
    if (address == NULL || mm_netaddr_is_any(address)) {
        return MAILMOD_OK;
    }
    char text[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format_ip(address, text);
    return mm_buf_append_cstr(out, text);
}

enum mailmod_error mm_smallsrv_get(const struct mm_config_alias *alias,
                                   const struct mm_config *config,
                                   struct mm_buf *out)
{
    const struct mm_smallsrv_name *row = mm_smallsrv_row(alias);
    const struct mm_config_key *key =
        row->key != NULL ? mm_config_find_key(row->key) : NULL;
    uint64_t number = 0;
    if (!alias->is_off && row->kind == MM_SMALLSRV_BIND) {
        return get_bind(key, config, out);
    }
    if (row->kind == MM_SMALLSRV_V4 || row->kind == MM_SMALLSRV_V6) {
        return append_networks(out, mm_smallsrv_field(key, config), row->kind,
                               true);
    }
    if (row->kind == MM_SMALLSRV_USER ||
        (row->kind == MM_SMALLSRV_LOGIN && !alias->is_off)) {
        return mm_config_get(config, row->key, out);
    }
    if (!alias->is_off &&
        (row->kind == MM_SMALLSRV_SAME || row->kind == MM_SMALLSRV_WINDOW ||
         row->kind == MM_SMALLSRV_PROXY ||
         row->kind == MM_SMALLSRV_SMARTHOST)) {
        return mm_config_value_show(key, config, out);
    }
    enum mailmod_error error = mm_smallsrv_number(alias, config, &number);
    return error == MAILMOD_OK ? mm_buf_append_u64(out, number) : error;
}
