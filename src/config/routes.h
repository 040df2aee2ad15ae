/* thread: any
 * routes.h - the one table of ways out: for whose mail, to where, by which
 * relays, through which proxy. delivery.routes has its rows; behind them stands
 * the row of the settings smarthost.*, for everybody. */
#ifndef MM_CONFIG_ROUTES_H
#define MM_CONFIG_ROUTES_H

#include "config/config.h"

#define MM_CONFIG_ROUTE_NAME_MAX 64
#define MM_CONFIG_ROUTES_MAX 256
#define MM_CONFIG_RELAYS_MAX 8
/* In front of a domain whose SRV records name the hosts (RFC 6186). */
#define MM_CONFIG_SRV "srv:"
#define MM_CONFIG_PATTERNS_MAX 1024
#define MM_CONFIG_WINDOW_MIN_MS 1000
#define MM_CONFIG_WINDOW_MAX_MS (24 * 60 * 60 * 1000)

struct mm_config_relay {
    char host[MM_LIMIT_DOMAIN + 1];
    unsigned port;
};

/* SHA-256 of certificates or of their public keys. */
#define MM_CONFIG_PINS_MAX 8
#define MM_CONFIG_PIN_SIZE 32
struct mm_config_pins {
    uint8_t digests[MM_CONFIG_PINS_MAX][MM_CONFIG_PIN_SIZE];
    size_t count;
};
/* "ab:cd:...", with or without colons, with commas or blanks between; a word
 * of words.h. */
bool mm_config_read_pins(struct mm_span value, void *pins_out, size_t size);
#define MM_CONFIG_PINS_TEXT                                                    \
    "up to 8 SHA-256 fingerprints of 64 hexadecimal digits, with commas "      \
    "between"
#define MM_CONFIG_PATH_MAX 1024

struct mm_config_route {
    char name[MM_CONFIG_ROUTE_NAME_MAX]; /* "": the row of smarthost.* */
    /* Patterns with commas between, "" for any: domains of recipients, and
     * addresses or domains of senders. */
    char to[MM_CONFIG_PATTERNS_MAX];
    char from[MM_CONFIG_PATTERNS_MAX];
    struct mm_config_relay relays[MM_CONFIG_RELAYS_MAX]; /* in their order */
    size_t relay_count; /* 0: the MX hosts of the domain */
    /* The relay is a domain whose SRV records name the hosts (RFC 6186). */
    bool has_srv;
    enum mm_config_tls_policy tls; /* of the relays, as what follows */
    bool verifies;
    bool sets_tls; /* so that tls and verifies are for MX hosts, too */
    bool sets_verify;
    /* "": those of smarthost.authority_file; none. */
    char authority_file[MM_CONFIG_PATH_MAX];
    char certificate_file[MM_CONFIG_PATH_MAX];
    char key_file[MM_CONFIG_PATH_MAX]; /* "": in the same file */
    struct mm_config_pins pins;
    char user[MM_LIMIT_USER_NAME + 1];
    char password[MM_LIMIT_PASSWORD + 1];
    bool has_token;      /* instead of a password: asked for at each login */
    unsigned mechanisms; /* that may be used; 0: those that fit */
    struct mm_config_proxy proxy;
    /* Of straight connections, at most one of each family; none: those of
     * delivery.source. */
    struct mm_netaddr sources[2];
    size_t source_count;
    char ehlo_name[MM_LIMIT_DOMAIN + 1]; /* "": that of delivery.ehlo_name */
    enum mm_config_addresses addresses;
    /* Instead of the settings for all; 0: as these say. */
    unsigned messages_per_connection_max;
    unsigned connections_max; /* at a time, to one mail host */
    unsigned messages_max;    /* in a window */
    uint64_t window_ms;
};

/* Messages in a window of time; 0: any number. */
struct mm_config_pace {
    unsigned messages_max;
    uint64_t window_ms;
};

/* Which addresses of a host are tried. */
struct mm_config_families {
    bool v6, v4;
    enum mm_config_prefers prefers; /* where both are tried */
};

/* Each line of delivery.routes. ARGUMENT with words that show no value. */
MM_CHECK enum mailmod_error mm_config_routes_check(struct mm_span text,
                                                   struct mm_buf *mistake_out);
/* The first row that the mail fits: never NULL. `domain` as the queue's
 * destination has it; `sender` "" for reports, NULL where it is not known: rows
 * for senders are passed over then. */
const struct mm_config_route *
mm_config_route_for(const struct mm_config *config, const char *domain,
                    const char *sender);
/* The table has rows: all mail waits under its own domain then, for its way may
 * depend on it. */
bool mm_config_has_routes(const struct mm_config *config);
/* It has authorities, a certificate or fingerprints of its own. */
bool mm_config_route_has_tls(const struct mm_config_route *route);
/* It has a source or an EHLO name of its own, so that its connections are no
 * other row's. */
bool mm_config_route_has_face(const struct mm_config_route *route);
/* What holds for mail of this row; NULL: for mail that passes the table by. */
struct mm_config_families
mm_config_families_for(const struct mm_config *config,
                       const struct mm_config_route *route);
/* Where a connection to an address of this family comes from; family NONE: the
 * system chooses. */
struct mm_netaddr mm_config_source_for(const struct mm_config *config,
                                       const struct mm_config_route *route,
                                       enum mm_netaddr_family family);
const char *mm_config_ehlo_name_for(const struct mm_config *config,
                                    const struct mm_config_route *route);
/* 0: any number. */
unsigned mm_config_connection_messages_for(const struct mm_config *config,
                                           const struct mm_config_route *route);
/* Connections at a time to one mail host. */
unsigned mm_config_connections_for(const struct mm_config *config,
                                   const struct mm_config_route *route);
struct mm_config_pace mm_config_pace_for(const struct mm_config *config,
                                         const struct mm_config_route *route);
/* A row asks for the sender. */
bool mm_config_routes_by_sender(const struct mm_config *config);
/* The mechanisms that a login may use: of those named, or of all with 0, those
 * that show a token, or a password; and EXTERNAL where it is named. */
unsigned mm_config_login_mechanisms(unsigned named, bool has_token);

/* Made when a snapshot is. */
MM_CHECK enum mailmod_error mm_config_routes_make(struct mm_config *config);
void mm_config_routes_drop(struct mm_config *config);

#endif
