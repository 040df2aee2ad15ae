/* thread: any (a snapshot never changes)
 * config.h - the configuration as one immutable, reference-counted snapshot.
 *
 * schema.c holds the one table: dotted key, type, range, default, unit, what it
 * means; smallsrv/ the names that the original engine had for them. From that
 * table come parsing, checking, get and set by name, and docs/config.md. A
 * builder is filled from a file and by single settings; mm_config_build checks
 * it as a whole and freezes it. */
#ifndef MM_CONFIG_CONFIG_H
#define MM_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/mechanism.h"
#include "base/netaddr.h"
#include "config/services.h"

#define MM_CONFIG_FETCH_NAME_MAX 64
#define MM_CONFIG_FETCH_ACCOUNTS_MAX 256
#define MM_CONFIG_FETCH_FIELD_MAX 64

struct mm_string_list {
    char **items;
    size_t count;
};
struct mm_address_list { /* "127.0.0.1:2525, [::1]:2525" */
    struct mm_netaddr *items;
    size_t count;
};
struct mm_step_list { /* seconds: "5m, 10m" */
    unsigned *items;
    size_t count;
};
struct mm_range_list { /* "127.0.0.0/8, ::1" */
    struct mm_netrange *items;
    size_t count;
};

enum mm_config_secure_delete {
    MM_CONFIG_SECURE_DELETE_OFF,
    MM_CONFIG_SECURE_DELETE_FAST,
    MM_CONFIG_SECURE_DELETE_ON
};

enum mm_config_disabled_mail {
    MM_CONFIG_DISABLED_MAIL_REFUSE,
    MM_CONFIG_DISABLED_MAIL_KEEP
};

enum mm_config_bare_newline {
    MM_CONFIG_BARE_NEWLINE_REJECT,
    MM_CONFIG_BARE_NEWLINE_NORMALIZE
};
enum mm_config_tls_policy {
    MM_CONFIG_TLS_OFF,
    MM_CONFIG_TLS_MAY,
    MM_CONFIG_TLS_MUST,
    MM_CONFIG_TLS_IMPLICIT
};
enum mm_config_eight_bit { /* for a host without 8BITMIME */
                           MM_CONFIG_EIGHT_BIT_ENCODE,
                           MM_CONFIG_EIGHT_BIT_AS_IS,
                           MM_CONFIG_EIGHT_BIT_REPORT
};
/* Which addresses of a mail host are tried, and which before the others. */
enum mm_config_addresses {
    MM_CONFIG_ADDRESSES_DEFAULT, /* of a route: as delivery.* says */
    MM_CONFIG_ADDRESSES_ANY,     /* IPv6 and IPv4 in turn */
    MM_CONFIG_ADDRESSES_V4,      /* these alone */
    MM_CONFIG_ADDRESSES_V6,
    MM_CONFIG_ADDRESSES_V4_FIRST, /* all of these before the others */
    MM_CONFIG_ADDRESSES_V6_FIRST
};
enum mm_config_prefers { /* where both are used */
                         MM_CONFIG_PREFERS_ANY,
                         MM_CONFIG_PREFERS_V4,
                         MM_CONFIG_PREFERS_V6
};
enum mm_config_long_lines {
    MM_CONFIG_LONG_LINES_AS_IS,
    MM_CONFIG_LONG_LINES_ENCODE
};
enum mm_config_waits { /* does a send call wait for the outcome? */
                       MM_CONFIG_WAITS_CALLBACK, /* when there is no progress
                                                    callback */
                       MM_CONFIG_WAITS_ALWAYS,
                       MM_CONFIG_WAITS_NEVER
};
enum mm_config_proxy_kind {
    MM_CONFIG_PROXY_SOCKS5,
    MM_CONFIG_PROXY_SOCKS4A,
    MM_CONFIG_PROXY_HTTP
};
/* Which proxy, in a place that may name one. */
enum mm_config_proxy_choice {
    MM_CONFIG_PROXY_DEFAULT, /* that of proxy.*, but to proxy.bypass */
    MM_CONFIG_PROXY_NONE,    /* never one */
    MM_CONFIG_PROXY_OWN      /* this one, whatever proxy.bypass says */
};

struct mm_config_proxy {
    enum mm_config_proxy_choice choice;
    enum mm_config_proxy_kind kind; /* from here on: of OWN alone */
    char host[MM_LIMIT_DOMAIN + 1];
    unsigned port;
    char user[MM_LIMIT_USER_NAME + 1]; /* "": no login */
    char password[MM_LIMIT_PASSWORD + 1];
};

enum mm_config_dnsbl_action { MM_CONFIG_DNSBL_REFUSE, MM_CONFIG_DNSBL_TAG };

enum mm_config_greylisting { /* whose mail is put off at first */
                             MM_CONFIG_GREYLISTING_OFF,
                             MM_CONFIG_GREYLISTING_LISTED, /* on the grey list
                                                            */
                             MM_CONFIG_GREYLISTING_ALL
};

enum mm_config_spam { /* what known spam gets */
                      MM_CONFIG_SPAM_OFF,
                      MM_CONFIG_SPAM_TAG,
                      MM_CONFIG_SPAM_REFUSE
};

enum mm_config_check {
    MM_CONFIG_CHECK_OFF,
    MM_CONFIG_CHECK_WARN,
    MM_CONFIG_CHECK_REFUSE
};

/* Whose mail is counted. */
enum mm_config_rate_scope {
    MM_CONFIG_RATE_ADDRESS, /* IPv4 address, IPv6 /64 */
    MM_CONFIG_RATE_NETWORK, /* IPv4 /24, IPv6 /48 */
    MM_CONFIG_RATE_USER,
    MM_CONFIG_RATE_SENDER,
    MM_CONFIG_RATE_TOTAL,
    MM_CONFIG_RATE_COUNT
};
/* Of messages that a setting may name. */
#define MM_CONFIG_COUNT_MAX 1000000
struct mm_config_rate {
    unsigned messages_max;
    unsigned recipients_max;
    uint64_t octets_max;
};

/* general.data_folder: there is none, and nothing is kept. */
#define MM_CONFIG_IN_MEMORY "memory:"

struct mm_config {
    /* general */
    char *host_name; /* "": the system's; resolved at build to a name */
    char *data_folder;
    char *run_as_user; /* daemon: "" stays what it is */
    int log_level;     /* enum mm_log_level */
    unsigned loops;    /* 0: one a processor */
    unsigned workers;
    uint64_t drain_ms; /* on stop: time for open sessions */
    uint64_t free_space_min;
    enum mm_config_secure_delete secure_delete;
    struct mm_range_list proxy_from; /* peers that send a PROXY header */
    uint64_t proxy_ms;

    struct {                    /* TLS for all listeners */
        char *certificate_file; /* "": none, unless self_signed */
        char *key_file;
        char *more_certificates; /* lines "certificate" or "certificate;key" */
        char *pass_phrase;       /* of those files; secret */
        bool self_signed; /* make one in data_folder when there is none */
        bool allows_tls_1_2;
    } tls;

    struct {                           /* domains and users here */
        struct mm_string_list domains; /* lower case; the host's name too */
        char *catch_all;               /* user; "" none */
        char *users;                   /* lines "name:password"; secret */
        char *postmaster;              /* user who gets its mail; "": a
                                          mailbox of that name */
        char plus_separator[2];        /* "+"; "" off */
        uint64_t quota;                /* octets a mailbox; 0 any */
        enum mm_config_disabled_mail disabled_mail;
        struct mm_string_list maildirs; /* "who:folder": maildir.h */
        struct mm_string_list alias_files;
        struct mm_string_list homes; /* "who:folder": maildir.h */
        char *forward_file;          /* of a home; "": none is read */
        char *copy_incoming_to;      /* user or address; "" none */
        char *copy_outgoing_to;
        bool plus_folders;
        bool cram_md5;
        unsigned maillist_bounces_max;
        uint64_t maillist_size_max;
        char *srs_domain;          /* "": off */
        bool hides_targets;        /* of aliases and forwards, from senders */
        bool replies_to_named;     /* automatically, where To or Cc names us */
        bool keeps_apop_passwords; /* default of mailmodctl user add */
    } local;

    struct mm_address_list listen[MM_SERVICE_COUNT];

    struct { /* all SMTP services */
        uint64_t message_size_max;
        uint64_t line_size_max;
        unsigned recipients_max;
        unsigned connections_max;
        unsigned connections_per_address_max;
        unsigned connections_per_network_max;       /* 0: any */
        struct mm_range_list deny_from, allow_from; /* who may connect */
        uint64_t greeting_delay_ms;  /* port 25 waits before the greeting */
        uint64_t pop_before_smtp_ms; /* a POP3 login lets relay; 0: not */
        unsigned quick_refusals;     /* recipients that are refused at once */
        uint64_t refusal_delay_ms;   /* ... and each one after that */
        unsigned errors_max;
        unsigned refused_recipients_max;
        unsigned empty_commands_max;
        unsigned messages_per_connection_max;
        unsigned received_max; /* loop guard */
        enum mm_config_bare_newline bare_newline;
        bool allows_clear_auth;
        uint64_t greeting_ms, command_ms, data_ms, tls_ms, write_ms;
        uint64_t session_ms;             /* longest life of a session */
        struct mm_range_list etrn_from;  /* may start the queue for a domain */
        struct mm_range_list relay_from; /* may submit without AUTH: empty by
                                            default */
        struct mm_range_list
            lenient_from;            /* SMTP with faults: wire/lenient.h */
        unsigned login_failures_max; /* a session */
        bool sender_must_match;      /* submission: sender is the login's */
        bool edits_submitted;        /* submission: Date, Message-ID, Bcc */
    } smtp;

    struct {
        unsigned connections_max;
        unsigned connections_per_address_max;
        unsigned connections_per_network_max;       /* 0: any */
        struct mm_range_list deny_from, allow_from; /* who may connect */
        unsigned errors_max;
        bool allows_clear_login;
        bool apop;
        /* pop3svc's extensions. */
        bool uid_param, deli, sleep, qaut, xlog, multi_line_ind, core, refr;
        struct mm_range_list lenient_from; /* old versions of TLS */
        struct mm_string_list backends;    /* "who=host:port": backend.h */
        enum mm_config_tls_policy backend_tls;
        char *backend_authority_file;
        uint64_t backend_timeout_ms;
        struct mm_string_list read_only_users;
        uint64_t login_delay_ms; /* 0: none */
        unsigned expire_days;    /* 0: for ever */
        bool expires_retrieved;
        bool marks_seen;
        unsigned keep_deleted_days; /* 0: what is deleted is gone */
        uint64_t idle_ms;           /* RFC 1939 3: at least 10 minutes */
        uint64_t sleep_ms;
        uint64_t tls_ms, write_ms;
        unsigned login_failures_max;
    } pop3;

    struct {                   /* logins of all services */
        unsigned failures_max; /* of a network, until it is banned; 0: any */
        uint64_t failures_window_ms;
        uint64_t ban_ms;
        uint64_t delay_max_ms; /* of the answer to a failed one; 0: none */
        struct mm_range_list exempt; /* loopback is, too */
        unsigned checks_max;         /* of passwords at a time */
        uint64_t cache_ms;           /* of logins that were proved; 0: none */
        unsigned iterations;         /* of new verifiers */
    } logins;

    struct { /* lists of peers and senders */
        char *white_file, *black_file, *grey_file;
        struct mm_string_list white_zones;
        struct mm_string_list black_senders;
        bool per_user;
        enum mm_config_dnsbl_action action;
        char *refusal_text;
    } lists;

    struct {
        enum mm_config_greylisting mode;
        uint64_t delay_ms, window_ms, memory_ms;
        struct mm_range_list exempt;
        bool exempts_mx;
    } greylisting;
    struct {                /* what is kept of mail that has left the queue */
        unsigned sent_days; /* 0: nothing */
        unsigned dead_letter_days; /* 0: nothing */
    } archive;

    struct { /* of names that peers bring */
        enum mm_config_check helo, sender_domain, reverse_dns;
        struct mm_range_list exempt;
    } checks;

    struct {           /* filters of mail: milter.h */
        char *filters; /* lines: mm_config_next_milter */
        struct mm_range_list exempt;
        bool exempts_logins;
    } milters;
    struct {
        char *rules_file;
        uint64_t text_max;
        struct mm_range_list exempt;
        bool exempts_logins;
        const char *command;
        const char *exit_codes;
        uint64_t command_timeout_ms;
        int commands_max;
        uint64_t command_size_max;
        int command_away; /* enum mm_config_away */
    } content;

    struct { /* addresses that nobody has */
        struct mm_string_list addresses;
        uint64_t time_ms;
        char *zone_file, *zone_name;
    } traps;

    struct { /* bodies of refused spam */
        enum mm_config_spam memory;
        uint64_t time_ms;
        struct mm_range_list exempt;
    } spam;

    struct { /* mail of a window of time; 0: any */
        uint64_t window_ms;
        struct mm_config_rate per[MM_CONFIG_RATE_COUNT];
        struct mm_range_list exempt;
    } rates;

    struct { /* DNS block lists */
        struct mm_string_list zones;
        struct mm_range_list exempt;
        unsigned threshold;
        uint64_t timeout_ms, cache_ms;
        bool self_test;
        enum mm_config_dnsbl_action action;
    } dnsbl;

    struct {               /* messages of the host program */
        bool adds_headers; /* Date, Message-ID, From: RFC 6409 8 */
        enum mm_config_waits waits;
    } sending;

    struct {
        uint64_t lifetime_ms;
        uint64_t warn_after_ms;
        struct mm_step_list steps;
        unsigned jitter_percent;
        unsigned attempts_max;
        unsigned destination_max;
        unsigned host_max;
        unsigned recipients_max;
        unsigned messages_max; /* to one destination in a window; 0: any */
        uint64_t window_ms;
        bool holds; /* accept and keep, deliver nothing */
    } queue;

    struct {           /* out */
        unsigned port; /* of MX hosts: 25, other only in tests */
        enum mm_config_tls_policy tls; /* off, may, must */
        enum mm_config_eight_bit eight_bit;
        enum mm_config_long_lines long_lines;
        bool chunks; /* BDAT where it is offered */
        bool uses_ipv6, uses_ipv4;
        enum mm_config_prefers prefers;
        uint64_t connect_ms, greeting_ms, command_ms, mail_ms, rcpt_ms, data_ms,
            body_ms, end_ms, tls_ms, idle_ms;
        uint64_t unsure_wait_ms; /* at least, when nobody knows if it came */
        struct mm_address_list source;        /* at most one of each family */
        char *ehlo_name;                      /* "": host_name */
        unsigned messages_per_connection_max; /* 0: any */
        struct mm_range_list refuses; /* networks that no mail goes to */
        char *routes;                 /* lines: routes.h; secret */
    } delivery;

    struct {
        char *host;    /* "": direct delivery */
        bool uses_srv; /* the host is a domain: RFC 6186 */
        unsigned port;
        enum mm_config_tls_policy tls;
        bool verifies;
        char *authority_file;
        char *user;
        char *password;      /* secret: never printed */
        bool has_token;      /* instead of a password */
        char *token_command; /* of mailmodd, which runs it; of routes too */
        char *mechanisms;    /* "": those that fit */
        char *certificate_file, *key_file;
        char *fingerprints; /* routes.h */
    } smarthost;

    struct { /* for all that goes out: proxy.h */
        enum mm_config_proxy_kind kind;
        char *host;    /* "": none */
        unsigned port; /* 0: the kind's */
        char *user;
        char *password; /* secret */
        struct mm_string_list bypass;
        uint64_t timeout_ms; /* of each step */
    } proxy;
    /* Made of other settings by build. */
    struct mm_config_proxy *default_proxy; /* proxy.h; NULL: none */
    struct mm_config_route *routes;        /* routes.h */
    size_t route_count;

    struct {                 /* mail fetched from mailboxes elsewhere */
        char *accounts;      /* lines: mm_config_next_fetch; secret */
        char *token_command; /* of mailmodd, which runs it */
        unsigned parallel;
        uint64_t timeout_ms;
        char *authority_file;
    } fetch;

    struct {
        char *servers; /* "": the system's */
        uint64_t timeout_ms;
        unsigned tries;
        bool validates;
        bool through_proxy; /* by TCP, over proxy.* */
    } dns;
};

enum mm_config_type {
    MM_CONFIG_BOOL,
    MM_CONFIG_INT,      /* unsigned */
    MM_CONFIG_SIZE,     /* octets; "10M", "64 KiB" */
    MM_CONFIG_DURATION, /* kept in ms; "30s", "5m", "24h", number: seconds */
    MM_CONFIG_TEXT,
    MM_CONFIG_SECRET, /* text that is never printed */
    MM_CONFIG_CHOICE,
    MM_CONFIG_TEXT_LIST,
    MM_CONFIG_ADDRESS_LIST,
    MM_CONFIG_RANGE_LIST,
    MM_CONFIG_STEP_LIST, /* durations */
    MM_CONFIG_LETTER     /* one character, or none */
};

/* What the text of a key must look like beyond its type. */
enum mm_config_form {
    MM_CONFIG_FORM_ANY,       /* printable, UTF-8 */
    MM_CONFIG_FORM_HOST,      /* a host name, "" none */
    MM_CONFIG_FORM_RELAY,     /* as mm_host_parse takes it */
    MM_CONFIG_FORM_DOMAIN,    /* a domain, UTF-8 allowed, or "[192.0.2.1]" */
    MM_CONFIG_FORM_ZONE,      /* a block list: dnsbl_zone_parse */
    MM_CONFIG_FORM_BACKEND,   /* "who=host:port": backend.h */
    MM_CONFIG_FORM_MAILDIR,   /* "who:folder": maildir.h */
    MM_CONFIG_FORM_FILE_NAME, /* one component: maildir.h */
    MM_CONFIG_FORM_FILE,      /* of a list: its case is kept */
    MM_CONFIG_FORM_USER,      /* of this system: no blanks, at-sign or none */
    MM_CONFIG_FORM_ACCOUNT,   /* of the operating system: no blanks */
    MM_CONFIG_FORM_SERVERS,   /* addresses, ports optional */
    MM_CONFIG_FORM_USERS,     /* lines "name:password" */
    MM_CONFIG_FORM_CERTIFICATES, /* lines "file" or "file;file" */
    MM_CONFIG_FORM_NO_PORT,      /* address list: without ports */
    MM_CONFIG_FORM_BYPASS,       /* a network, an address, or a domain */
    MM_CONFIG_FORM_MILTERS,      /* lines: milter.h */
    MM_CONFIG_FORM_EXIT_CODES,   /* "77=refuse 75=defer" */
    MM_CONFIG_FORM_ROUTES,       /* lines: routes.h */
    MM_CONFIG_FORM_MECHANISMS,   /* SASL: base/mechanism.h */
    MM_CONFIG_FORM_FINGERPRINTS, /* SHA-256: routes.h */
    MM_CONFIG_FORM_FETCH         /* lines as mm_config_fetch_parse takes them */
};

struct mm_config_key {
    const char *name; /* "smtp.message_size_max" */
    enum mm_config_type type;
    const char *default_text;
    uint64_t minimum, maximum; /* value; ms; octets of a text; items of a list
                                */
    const char *choices;       /* "reject normalize" */
    const char *help;          /* one or two sentences, for docs/config.md */
    size_t offset;             /* in struct mm_config */
    enum mm_config_form form;
};
const struct mm_config_key *mm_config_keys(size_t *count_out);
const struct mm_config_key *mm_config_find_key(const char *name); /* any name */
/* The key that a name which is none was probably meant to be; NULL: who knows.
 */
const char *mm_config_suggest(const char *name);
/* Appends that it is no key, and which one may be meant. */
void mm_config_say_unknown(const char *name, struct mm_buf *out);

struct mm_config_builder;
MM_CHECK enum mailmod_error
mm_config_builder_new(struct mm_config_builder **builder_out); /* defaults */
/* A copy of a snapshot's settings, to change some. */
MM_CHECK enum mailmod_error
mm_config_builder_from(struct mm_config_builder **builder_out,
                       const struct mm_config *config);
/* A file that sets a secret must be its owner's alone: `is_exposed` tells that
 * others can read it (config itself knows no file modes), and then the load is
 * refused. NULL, the default: nobody asks. */
void mm_config_builder_set_guard(struct mm_config_builder *builder,
                                 bool (*is_exposed)(const char *file));
void mm_config_builder_free(struct mm_config_builder **builder);
/* Reads a whole file (either syntax); every mistake is one line
 * "file:line: key: what is wrong" in `mistakes_out`; CONFIG when any, NOT_FOUND
 * or ACCESS when the file cannot be read. The builder keeps its former values
 * then. What a file of the original engine sets
 * that is not supported is a line in `warnings_out`. Both may be NULL. */
MM_CHECK enum mailmod_error mm_config_load(struct mm_config_builder *builder,
                                           const char *file,
                                           struct mm_buf *mistakes_out,
                                           struct mm_buf *warnings_out);
/* UNKNOWN_NAME, or ARGUMENT with words in `mistake_out` (may be NULL). Words
 * with an OK are a warning. */
MM_CHECK enum mailmod_error mm_config_set(struct mm_config_builder *builder,
                                          const char *name, const char *value,
                                          struct mm_buf *mistake_out);
/* Where a key was set: "file:line: ", or "" when not by a file. */
const char *mm_config_place(const struct mm_config_builder *builder,
                            const char *name);
/* A copy as mm_config_build makes it, unchecked: to see what else is wrong. */
MM_CHECK enum mailmod_error mm_config_draft(struct mm_config_builder *builder,
                                            struct mm_config **config_out);
/* Checks what no single key can show (services with TLS need a certificate,
 * ranges that depend on each other) and freezes a copy, in which what nobody
 * has set fits what it depends on; the builder stays
 * usable. An empty general.host_name stays empty: who knows the system sets it
 * before (config knows no OS). CONFIG, one mistake a line. */
MM_CHECK enum mailmod_error mm_config_build(struct mm_config_builder *builder,
                                            struct mm_config **config_out,
                                            struct mm_buf *mistakes_out);
/* The builder's present settings, unchecked; they live and change with it. */
const struct mm_config *mm_config_peek(const struct mm_config_builder *builder);
struct mm_config *mm_config_ref(struct mm_config *config);
void mm_config_unref(struct mm_config **config);
/* A value as text, in the form that mm_config_set reads. Secrets read as
 * "********". UNKNOWN_NAME. */
MM_CHECK enum mailmod_error mm_config_get(const struct mm_config *config,
                                          const char *name,
                                          struct mm_buf *value_out);
/* Numbers, sizes, flags (0, 1); durations in seconds. ARGUMENT for texts. */
MM_CHECK enum mailmod_error mm_config_get_number(const struct mm_config *config,
                                                 const char *name,
                                                 int64_t *value_out);
/* The next of local.users; `rest` begins as its text. */
bool mm_config_next_user(struct mm_span *rest, struct mm_span *name_out,
                         struct mm_span *password_out);
/* The next of tls.more_certificates; the key is empty when it is in the same
 * file. */
bool mm_config_next_certificate(struct mm_span *rest,
                                struct mm_span *certificate_out,
                                struct mm_span *key_out);
/* smtp.lenient_from or pop3.lenient_from. */
const struct mm_range_list *
mm_config_lenient_from(const struct mm_config *config, enum mm_service service);
/* What becomes of a message at its server once it is ours. */
enum mm_config_fetch_policy {
    MM_CONFIG_FETCH_KEEP,
    MM_CONFIG_FETCH_DELETE,
    MM_CONFIG_FETCH_DELETE_AFTER
};
/* A mailbox elsewhere. */
struct mm_config_fetch {
    char name[MM_CONFIG_FETCH_NAME_MAX];
    char host[MM_LIMIT_DOMAIN + 1];
    unsigned port;
    enum mm_config_tls_policy tls;
    bool verifies; /* the certificate */
    char user[MM_LIMIT_USER_NAME + 1];
    char password[MM_LIMIT_PASSWORD + 1];
    char to[MM_LIMIT_PATH]; /* a user here, or an address */
    uint64_t interval_ms;   /* 0: only when asked */
    enum mm_config_fetch_policy policy;
    uint64_t delete_after_ms;
    uint64_t size_max;   /* larger ones stay there */
    uint64_t timeout_ms; /* 0: fetch.timeout */
    /* The field whose addresses here get a message; `to` where it has none. "":
     * all is for `to`. */
    char multidrop[MM_CONFIG_FETCH_FIELD_MAX];
    bool sets_aside; /* what is refused here; else it stays there */
    bool keeps_unique_ids;
    bool has_token; /* instead of a password: it is asked for at each login */
    struct mm_config_proxy proxy;
};
/* One line of fetch.accounts. ARGUMENT with words that show no value in
 * `mistake_out` (may be NULL). */
MM_CHECK enum mailmod_error
mm_config_fetch_parse(struct mm_span line, struct mm_config_fetch *account_out,
                      struct mm_buf *mistake_out);
/* All its settings as words of a line, those that were left out too, but for
 * its name, its password and its proxy's login. `timeout_ms`: the standard one.
 */
MM_CHECK enum mailmod_error
mm_config_fetch_describe(const struct mm_config_fetch *account,
                         uint64_t timeout_ms, struct mm_buf *out);
/* All lines, and that no name is there twice. */
MM_CHECK enum mailmod_error mm_config_fetch_check(struct mm_span text,
                                                  struct mm_buf *mistake_out);
/* The next of fetch.accounts; `rest` begins as its text. The caller wipes it:
 * it has the password. */
bool mm_config_next_fetch(struct mm_span *rest,
                          struct mm_config_fetch *account_out);
/* In either form, U-labels or A-labels, on either side. */
bool mm_config_is_local_domain(const struct mm_config *config,
                               const char *domain);
bool mm_range_list_has(const struct mm_range_list *ranges,
                       const struct mm_netaddr *address);

#endif
