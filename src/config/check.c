/* check.c - the configuration as a whole: settings that must fit together.
 *
 * Each rule is one line of words that begins with the key to change; the place
 * where it was set is put in front. All rules are tried, so that an operator
 * sees every mistake at once. Thread: any. */
#include "config/check.h"

#include "config/builder.h"
#include "config/dependent.h"
#include "config/proxy.h"
#include "config/routes.h"

#include <string.h>

#define WORDS_MAX 512
#define NAME_MAX_SIZE 64

struct check {
    const struct mm_config_builder *builder;
    const struct mm_config *config;
    struct mm_buf *mistakes;
    bool is_bad;
};

/* Of the key that the words begin with; when that was not set by a file, of the
 * next one in them that was, which is why the first is wanted. */
static const char *place_of(const struct check *check, const char *words)
{
    const char *place = "";
    while (*words != '\0' && place[0] == '\0') {
        char name[NAME_MAX_SIZE];
        size_t size = strcspn(words, ":, ");
        if (mm_span_copy(mm_span(words, size), name, sizeof name)) {
            place = mm_config_place(check->builder, name);
        }
        words += size;
        words += strspn(words, ":, ");
    }
    return place;
}

/* `key` is the key to change, or NULL where the words begin with it. */
static void demand_of(struct check *check, bool is_good, const char *key,
                      const char *words)
{
    if (is_good) {
        return;
    }
    check->is_bad = true;
    if (check->mistakes != NULL) {
        (void)mm_buf_appendf(check->mistakes, "%s%s%s%s\n",
                             place_of(check, key != NULL ? key : words),
                             key != NULL ? key : "", key != NULL ? ": " : "",
                             words);
    }
}

static void demand(struct check *check, bool is_good, const char *words)
{
    demand_of(check, is_good, NULL, words);
}

static void check_tls(struct check *check)
{
    const struct mm_config *c = check->config;
    bool has_certificate = c->tls.certificate_file[0] != '\0';
    bool has_key = c->tls.key_file[0] != '\0';
    demand(check, !has_certificate || has_key,
           "tls.key_file: is missing, tls.certificate_file is set");
    demand(check, !has_key || has_certificate,
           "tls.certificate_file: is missing, tls.key_file is set");
    /* Which is kept in the data folder. */
    bool has_own =
        c->tls.self_signed && strncmp(c->data_folder, MM_CONFIG_IN_MEMORY,
                                      strlen(MM_CONFIG_IN_MEMORY)) != 0;
    bool has_tls = has_certificate || has_own;
    demand(check, has_tls || c->tls.more_certificates[0] == '\0',
           "tls.certificate_file: is missing, tls.more_certificates is set");
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        const struct mm_service_row *service =
            mm_service_row((enum mm_service)i);
        bool needs_tls = service->has_implicit_tls && c->listen[i].count > 0;
        demand_of(check, has_tls || !needs_tls, service->listen_key,
                  "needs a certificate (tls.certificate_file, or "
                  "tls.self_signed and a data folder)");
    }
}

static void check_dependents(struct check *check)
{
    size_t count;
    const struct mm_config_dependent *rows = mm_config_dependents(&count);
    for (size_t i = 0; i < count; i++) {
        if (mm_config_dependent_fits(&rows[i], check->config)) {
            continue;
        }
        struct mm_buf words;
        mm_buf_init(&words, WORDS_MAX);
        bool has_words = mm_config_dependent_words(&rows[i], check->config,
                                                   &words) == MAILMOD_OK;
        const char *text = has_words ? mm_buf_cstr(&words) : NULL;
        demand(check, false, text != NULL ? text : rows[i].name);
        mm_buf_fini(&words);
    }
}

static void check_smarthost(struct check *check)
{
    const struct mm_config *c = check->config;
    bool has_user = c->smarthost.user[0] != '\0';
    bool has_password = c->smarthost.password[0] != '\0';
    bool has_token = c->smarthost.has_token;
    bool has_certificate = c->smarthost.certificate_file[0] != '\0';
    struct mm_netaddr address;
    bool is_address =
        mm_netaddr_parse_ip(mm_span_cstr(c->smarthost.host), &address);
    unsigned mechanisms;
    (void)mm_sasl_read_names(mm_span_cstr(c->smarthost.mechanisms),
                             &mechanisms);
    bool is_external = (mechanisms & (unsigned)MM_SASL_EXTERNAL) != 0;
    demand(check, !has_user || has_password || has_token || is_external,
           "smarthost.password: is missing, smarthost.user is set");
    demand(check, has_user || !has_password,
           "smarthost.user: is missing, smarthost.password is set");
    demand(check, has_user || !has_token,
           "smarthost.user: is missing, smarthost.token is set");
    demand(check, !has_password || !has_token,
           "smarthost.password: is set, smarthost.token too");
    demand(check, mm_config_login_mechanisms(mechanisms, has_token) != 0,
           has_token ? "smarthost.mechanisms: has none for a token"
                     : "smarthost.mechanisms: has none for a password");
    demand(check, !c->smarthost.uses_srv || !is_address,
           "smarthost.host: is an address, smarthost.uses_srv is set");
    demand(check, !has_user || c->smarthost.host[0] != '\0',
           "smarthost.host: is missing, smarthost.user is set");
    demand(check, has_certificate || c->smarthost.key_file[0] == '\0',
           "smarthost.certificate_file: is missing, smarthost.key_file is set");
    demand(check, has_certificate || !is_external,
           "smarthost.certificate_file: is missing, smarthost.mechanisms has "
           "EXTERNAL");
    demand(check, !is_external || c->smarthost.tls != MM_CONFIG_TLS_OFF,
           "smarthost.tls: is off, smarthost.mechanisms has EXTERNAL");
    demand(check,
           c->smarthost.fingerprints[0] == '\0' ||
               (c->smarthost.verifies && c->smarthost.tls != MM_CONFIG_TLS_OFF),
           "smarthost.fingerprints: are set, and smarthost.verifies or "
           "smarthost.tls is off");
}

static void check_outgoing(struct check *check)
{
    const struct mm_config *c = check->config;
    const struct mm_address_list *source = &c->delivery.source;
    demand(check, c->delivery.uses_ipv4 || c->delivery.uses_ipv6,
           "delivery.uses_ipv4: is off, and delivery.uses_ipv6 too");
    demand(check,
           source->count < 2 ||
               source->items[0].family != source->items[1].family,
           "delivery.source: has two addresses of one family");
}

static void check_local(struct check *check)
{
    const char *domain = check->config->local.srs_domain;
    demand(check,
           domain[0] == '\0' ||
               mm_config_is_local_domain(check->config, domain),
           "local.srs_domain: is not in local.domains, nothing would come "
           "back");
}

static void check_proxy(struct check *check)
{
    const struct mm_config *c = check->config;
    bool has_user = c->proxy.user[0] != '\0';
    demand(check, has_user || c->proxy.password[0] == '\0',
           "proxy.user: is missing, proxy.password is set");
    demand(check, !has_user || c->proxy.host[0] != '\0',
           "proxy.host: is missing, proxy.user is set");
    struct mm_host host = {.is_address = false};
    bool is_address =
        mm_host_parse(mm_span_cstr(c->proxy.host), &host) && host.is_address;
    demand(check, !c->dns.through_proxy || c->proxy.host[0] != '\0',
           "dns.through_proxy: is set, and proxy.host is missing");
    demand(check,
           !c->dns.through_proxy || c->proxy.host[0] == '\0' || is_address,
           "proxy.host: must be an address where dns.through_proxy is set");
    demand(check, !c->dns.through_proxy || c->dns.servers[0] != '\0',
           "dns.servers: is missing, dns.through_proxy is set");
    const char *fault =
        mm_config_proxy_fault(c->proxy.kind, mm_span_cstr(c->proxy.user),
                              mm_span_cstr(c->proxy.password));
    demand_of(check, fault == NULL, "proxy.password",
              fault != NULL ? fault : "");
}

static bool is_shared(const struct mm_address_list *a,
                      const struct mm_address_list *b)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            /* Port 0 is any free one, another each time. */
            if (a->items[i].port != 0 && a->items[i].port == b->items[j].port &&
                mm_netaddr_equal_ip(&a->items[i], &b->items[j])) {
                return true;
            }
        }
    }
    return false;
}

static void check_listeners(struct check *check)
{
    const struct mm_config *c = check->config;
    for (int i = 1; i < MM_SERVICE_COUNT; i++) {
        bool has_clash = false;
        for (int j = 0; j < i; j++) {
            has_clash = has_clash || is_shared(&c->listen[i], &c->listen[j]);
        }
        demand_of(check, !has_clash,
                  mm_service_row((enum mm_service)i)->listen_key,
                  "has an address of another service");
    }
}

enum mailmod_error mm_config_check(const struct mm_config_builder *builder,
                                   const struct mm_config *config,
                                   struct mm_buf *mistakes_out)
{
    struct check check = {builder, config, mistakes_out, false};
    check_tls(&check);
    check_dependents(&check);
    check_outgoing(&check);
    check_smarthost(&check);
    check_local(&check);
    check_proxy(&check);
    check_listeners(&check);
    return check.is_bad ? MAILMOD_ERROR_CONFIG : MAILMOD_OK;
}
