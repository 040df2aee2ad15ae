/* thread: any
 * services.h - the registry of services: what a host, a configuration, a
 * listener and a session call them and need to know of them. A row is all that
 * a service of a known protocol takes: its key, its listeners, its place in
 * the public API and in the documentation come from here. */
#ifndef MM_CONFIG_SERVICES_H
#define MM_CONFIG_SERVICES_H

#include "base/span.h"

enum mm_protocol { MM_PROTOCOL_SMTP, MM_PROTOCOL_POP3 };

/* ROW(identifier, name, protocol, is for submission, TLS from the first octet,
 *     default of NAME.listen, its help, title of the group NAME)
 * RFC 5321, RFC 6409 (submission), RFC 1939, RFC 8314 (implicit TLS). */
#define MM_SERVICES(ROW)                                                       \
    ROW(SMTP, "smtp", SMTP, false, false, "127.0.0.1:2525",                    \
        "Where mail from other systems comes in: for local domains only, no "  \
        "relay. The port of the world is 25. Empty: the service is off.",      \
        "Mail in: the smtp service, and what all SMTP services share.")        \
    ROW(SUBMISSION, "submission", SMTP, true, false, "127.0.0.1:2587",         \
        "Where users hand in mail after STARTTLS and AUTH (RFC 6409). The "    \
        "usual port is 587. Empty: off.",                                      \
        "Mail in from users, with STARTTLS.")                                  \
    ROW(SUBMISSIONS, "submissions", SMTP, true, true, "127.0.0.1:2465",        \
        "The same with TLS from the first octet (RFC 8314). The usual port "   \
        "is 465. Empty: off.",                                                 \
        "Mail in from users, with TLS from the first octet.")                  \
    ROW(POP3, "pop3", POP3, false, false, "127.0.0.1:2110",                    \
        "Where POP3 is served, with STLS. The usual port is 110. Empty: off.", \
        "Mailboxes, and what both POP3 services share.")                       \
    ROW(POP3S, "pop3s", POP3, false, true, "127.0.0.1:2995",                   \
        "POP3 with TLS from the first octet (RFC 8314). The usual port is "    \
        "995. Empty: off.",                                                    \
        "Mailboxes with TLS from the first octet.")

#define MM_SERVICE_ID(id, ...) MM_SERVICE_##id,
enum mm_service { MM_SERVICES(MM_SERVICE_ID) MM_SERVICE_COUNT };
#undef MM_SERVICE_ID

struct mm_service_row {
    const char *name;
    const char *listen_key; /* of the configuration */
    const char *title;      /* of its group of settings */
    enum mm_protocol protocol;
    bool is_submission;    /* from users, who log in */
    bool has_implicit_tls; /* TLS from the first octet */
};

const struct mm_service_row *mm_service_row(enum mm_service service);
const char *mm_service_name(enum mm_service service);
bool mm_service_has_implicit_tls(enum mm_service service);
/* COUNT for a name that is none. */
enum mm_service mm_service_find(const char *name);

#endif
