/* thread: any
 * relay.h - the host that mail goes to instead of its domain's, if there is
 * one. */
#ifndef MM_CLIENT_RELAY_H
#define MM_CLIENT_RELAY_H

#include "config/routes.h"

/* The host that all goes to instead of the recipients' own; host NULL or "":
 * there is none. Texts and rows outlive its use. */
struct mm_relay {
    const char *host;
    unsigned port;
    const struct mm_config_relay *others; /* tried behind it, in their order */
    size_t other_count;
    bool has_srv; /* the host is a domain: its SRV records name the hosts */
    enum mm_config_tls_policy tls;
    bool verifies;    /* the certificate */
    const char *user; /* NULL or "": no AUTH; in clear only with tls OFF */
    const char *password;
    bool has_token;      /* instead of a password: it is asked for */
    const char *account; /* as who gives tokens knows it; NULL or "": none */
    unsigned mechanisms; /* that may be used; 0: those that fit */
    /* The row that it is of; NULL: none. Its TLS is for MX hosts too, where it
     * sets one and has no relay. */
    const struct mm_config_route *route;
    /* Of the way, with a relay or without; NULL: the default. */
    const struct mm_config_proxy *proxy;
};
/* As a row of the table has it. */
void mm_relay_of_route(const struct mm_config_route *route,
                       struct mm_relay *relay_out);
/* The configured smarthost; its texts are the configuration's. */
void mm_relay_smarthost(const struct mm_config *config,
                        struct mm_relay *relay_out);
bool mm_relay_is_set(const struct mm_relay *relay);
/* tls and verifies are said of the hosts that mail goes to. */
bool mm_relay_sets_tls(const struct mm_relay *relay);
/* With texts of its own, for who outlives those of `from`; `others`, route and
 * proxy stay lent. */
MM_CHECK enum mailmod_error mm_relay_copy(struct mm_relay *relay_out,
                                          const struct mm_relay *from);
void mm_relay_copy_free(struct mm_relay *relay); /* wipes the password */
/* Those that a login may use; 0: there is none. */
unsigned mm_relay_mechanisms(const struct mm_relay *relay);
/* One connection may serve both: the same TLS, login, source and name. */
bool mm_relay_is_like(const struct mm_relay *a, const struct mm_relay *b);

#endif
