/* schema.c - the one table of settings: names, types, ranges, defaults.
 *
 * Parsing, checking, get and set by name, docs/config.md and mailmod.cfg are
 * all made from it; a default or a range is stated nowhere else. The defaults
 * are what a daemon without any file runs with: loopback alone, ports that
 * need no privilege, TLS with a certificate of its own making. The names of the
 * original engine are in name.c. A row without a minimum has 0.
 *
 * The table is longer than a file should be because it is one table; each row
 * stands alone.
 * Thread: any. Timeouts: RFC 5321 4.5.3.2, RFC 1939 3. */
#include "base/limits.h"
#include "config/config.h"
#include "config/routes.h"

#define AT(field) offsetof(struct mm_config, field)
#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* NAME.listen of a service; they stand before the other keys of its group. */
#define LISTEN_KEY(id, service, protocol, submission, tls, standard, words,    \
                   title)                                                      \
    {.name = service ".listen",                                                \
     .type = MM_CONFIG_ADDRESS_LIST,                                           \
     .default_text = (standard),                                               \
     .maximum = 64,                                                            \
     .help = (words),                                                          \
     .offset = AT(listen[MM_SERVICE_##id])},

/* An extension of a protocol that is on or off. */
#define EXTENSION(key, field, standard, words)                                 \
    {                                                                          \
        .name = (key), .type = MM_CONFIG_BOOL, .default_text = (standard),     \
        .help = (words), .offset = AT(field)                                   \
    }

/* A list of networks that is empty at first. */
#define NETWORKS(key, field, words)                                            \
    {                                                                          \
        .name = (key), .type = MM_CONFIG_RANGE_LIST, .default_text = "",       \
        .maximum = 1000, .help = (words), .offset = AT(field)                  \
    }

/* The three limits of one scope in a window of time. */
#define RATE(scope, id, whose)                                                 \
    {.name = "rates." scope "_messages_max",                                   \
     .type = MM_CONFIG_INT,                                                    \
     .default_text = "0",                                                      \
     .maximum = 1000000000,                                                    \
     .help = "Messages of " whose " in a window. 0: any.",                     \
     .offset = AT(rates.per[MM_CONFIG_RATE_##id].messages_max)},               \
        {.name = "rates." scope "_recipients_max",                             \
         .type = MM_CONFIG_INT,                                                \
         .default_text = "0",                                                  \
         .maximum = 1000000000,                                                \
         .help = "Recipients of " whose " in a window. 0: any.",               \
         .offset = AT(rates.per[MM_CONFIG_RATE_##id].recipients_max)},         \
        {.name = "rates." scope "_octets_max",                                 \
         .type = MM_CONFIG_SIZE,                                               \
         .default_text = "0",                                                  \
         .maximum = (UINT64_C(1) << 50),                                       \
         .help = "Octets of the messages of " whose " in a window. 0: any.",   \
         .offset = AT(rates.per[MM_CONFIG_RATE_##id].octets_max)},

/* How many sessions the networks of one customer may have, and who may have
 * one at all. */
#define CONNECTIONS(service, field, refusal)                                   \
    {.name = service ".connections_per_network_max",                           \
     .type = MM_CONFIG_INT,                                                    \
     .default_text = "0",                                                      \
     .maximum = 100000,                                                        \
     .help = "Open connections of a service from one IPv4 /24 or one IPv6 "    \
             "/48" refusal ". 0: any.",                                        \
     .offset = AT(field.connections_per_network_max)},                         \
        NETWORKS(service ".deny_from", field.deny_from,                        \
                 "Networks that may not connect, such as 192.0.2.0/24 or "     \
                 "192.0.2.1-192.0.2.9: they are told to come later" refusal    \
                 " and the connection ends. It is looked at before "           \
                 "allow_from. Empty: none."),                                  \
        NETWORKS(service ".allow_from", field.allow_from,                      \
                 "The only networks that may connect. Empty: all but those "   \
                 "of deny_from."),

/* A file of rules. */
#define LIST_FILE(list, words)                                                 \
    {                                                                          \
        .name = "lists." #list "_file", .type = MM_CONFIG_TEXT,                \
        .default_text = "", .maximum = 4096, .help = words,                    \
        .offset = AT(lists.list##_file)                                        \
    }

/* A check of a name. */
#define CHECK(what, words)                                                     \
    {.name = "checks." #what,                                                  \
     .type = MM_CONFIG_CHOICE,                                                 \
     .default_text = "off",                                                    \
     .choices = "off warn refuse",                                             \
     .help =                                                                   \
         words ". warn: a line in the log. The service smtp asks at RCPT; "    \
               "a DNS that does not answer is no reason.",                     \
     .offset = AT(checks.what)},

static const struct mm_config_key keys[] = {
    {.name = "general.host_name",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_DOMAIN,
     .form = MM_CONFIG_FORM_HOST,
     .help = "The name of this system in greetings, EHLO, Received fields "
             "and reports; a domain of its own mail too. Empty: the "
             "operating system's name.",
     .offset = AT(host_name)},
    {.name = "general.data_folder",
     .type = MM_CONFIG_TEXT,
     .default_text = "mailmod-data",
     .minimum = 1,
     .maximum = 4096,
     .help = "The folder of the store: messages, queue, users, the "
             "self-signed certificate. A relative name counts from the working "
             "directory.",
     .offset = AT(data_folder)},
    {.name = "general.run_as_user",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_USER_NAME,
     .form = MM_CONFIG_FORM_ACCOUNT,
     .help = "The system user that mailmodd becomes once its listeners are "
             "bound, when it was started as root. Empty: it stays what it "
             "is.",
     .offset = AT(run_as_user)},
    {.name = "general.log_level",
     .type = MM_CONFIG_CHOICE,
     .default_text = "info",
     .choices = "error warning info debug wire",
     .help = "How much is logged. wire shows each protocol line with the "
             "secrets masked.",
     .offset = AT(log_level)},
    {.name = "general.loops",
     .type = MM_CONFIG_INT,
     .default_text = "0",
     .maximum = 256,
     .help = "Event loop threads. 0: one a processor.",
     .offset = AT(loops)},
    {.name = "general.workers",
     .type = MM_CONFIG_INT,
     .default_text = "8",
     .minimum = 1,
     .maximum = 256,
     .help = "Threads for what blocks: reads of the store and password "
             "hashes. Callbacks of the host program have threads of their "
             "own.",
     .offset = AT(workers)},
    {.name = "general.drain",
     .type = MM_CONFIG_DURATION,
     .default_text = "30s",
     .maximum = HOUR,
     .help = "How long open sessions and deliveries may go on after a stop "
             "before they are cut.",
     .offset = AT(drain_ms)},
    {.name = "general.free_space_min",
     .type = MM_CONFIG_SIZE,
     .default_text = "64M",
     .maximum = (UINT64_C(1) << 50),
     .help = "With less room than this in the data folder mail is put off "
             "with 452 4.3.1.",
     .offset = AT(free_space_min)},
    {.name = "general.secure_delete",
     .type = MM_CONFIG_CHOICE,
     .default_text = "off",
     .choices = "off fast on",
     .help = "Whether removed mail is written over with zeros in the file. on "
             "writes as much as is removed and needs that room on the disk; "
             "fast where it costs nothing.",
     .offset = AT(secure_delete)},
    NETWORKS("general.proxy_from", proxy_from,
             "Networks of proxies in front of all services, such as HAProxy: "
             "each of their connections must begin with a PROXY header "
             "(version 1 or 2), and the client that it tells counts as the "
             "peer. Where it tells none (LOCAL, UNKNOWN), or tells a loopback "
             "or proxy address, no network setting gives the connection any "
             "leave. From all others such a header is refused. Empty: none."),
    {.name = "general.proxy_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5s",
     .minimum = 100,
     .maximum = MINUTE,
     .help = "The time that a proxy has for its header.",
     .offset = AT(proxy_ms)},
    {.name = "tls.certificate_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "File with the certificate of all listeners and its chain, PEM "
             "or PKCS#12. Read anew at a reload.",
     .offset = AT(tls.certificate_file)},
    {.name = "tls.key_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "File with the key of the certificate, PEM or PKCS#12; it may be "
             "the same.",
     .offset = AT(tls.key_file)},
    {.name = "tls.more_certificates",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 256 * 1024,
     .form = MM_CONFIG_FORM_CERTIFICATES,
     .help = "More certificates: a list of texts \"certificate\" or "
             "\"certificate;key\", files as above; without a key it is in the "
             "certificate's file. A client that names a host "
             "(SNI) gets those that are for it, one of each kind of key; all "
             "others get the first one, and beside it one of another kind for "
             "the same name, such as RSA for old clients.",
     .offset = AT(tls.more_certificates)},
    {.name = "tls.pass_phrase",
     .type = MM_CONFIG_SECRET,
     .default_text = "",
     .maximum = MM_LIMIT_PASSWORD,
     .help = "The pass phrase of those of the files that have one. A file that "
             "sets it must be readable by its owner alone.",
     .offset = AT(tls.pass_phrase)},
    {.name = "tls.self_signed",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Make a self-signed certificate in the data folder when no "
             "certificate file is set, and one with an RSA key beside it.",
     .offset = AT(tls.self_signed)},
    {.name = "tls.allows_tls_1_2",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help =
         "Accept TLS 1.2 beside TLS 1.3. Older versions are spoken with the "
         "networks of smtp.lenient_from and pop3.lenient_from alone (RFC "
         "8996).",
     .offset = AT(tls.allows_tls_1_2)},
    {.name = "local.domains",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "localhost",
     .maximum = 1000,
     .form = MM_CONFIG_FORM_DOMAIN,
     .help = "The domains whose mail is kept here, in their own letters or as "
             "A-labels (xn--...). The host name is always one of them.",
     .offset = AT(local.domains)},
    {.name = "local.catch_all",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_USER_NAME,
     .form = MM_CONFIG_FORM_USER,
     .help = "The user who gets the mail for unknown users. Empty: it is "
             "refused with 550 5.1.1. A user of one domain is written with it.",
     .offset = AT(local.catch_all)},
    {.name = "local.users",
     .type = MM_CONFIG_SECRET,
     .default_text = "",
     .maximum = 256 * 1024,
     .form = MM_CONFIG_FORM_USERS,
     .help =
         "Users of this file: a list of texts \"name:password\". At a start "
         "and a reload those that are missing are added to the store, and "
         "a password that is another one there is set; a user that is no "
         "longer listed stays. Without a password nobody can log in.",
     .offset = AT(local.users)},
    {.name = "local.postmaster",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_USER_NAME,
     .form = MM_CONFIG_FORM_USER,
     .help = "The user who gets the mail for postmaster, which is always "
             "accepted (RFC 5321 4.5.1). A user of one domain is written with "
             "it. Empty, or while there is no such user: a mailbox called "
             "postmaster.",
     .offset = AT(local.postmaster)},
    {.name = "local.plus_separator",
     .type = MM_CONFIG_LETTER,
     .default_text = "+",
     .maximum = 1,
     .help = "What separates a detail that a user may add to the name: with "
             "+ the mail for user+anything goes to user. Empty: off.",
     .offset = AT(local.plus_separator)},
    {.name = "local.plus_folders",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help =
         "The mail for user+name is in a folder of its own: POP3 shows it to "
         "the login user/name, and not to the login user. Of mailboxes in "
         "the store.",
     .offset = AT(local.plus_folders)},
    {.name = "local.quota",
     .type = MM_CONFIG_SIZE,
     .default_text = "0",
     .minimum = 0,
     .maximum = (UINT64_C(1) << 50),
     .help = "What a mailbox may hold; mail beyond it is put off with 452 "
             "4.2.2. 0: any. A user may have another one (mailmodctl user "
             "quota). For postmaster and for reports of this system there is "
             "a reserve behind it: a tenth, 1M at least.",
     .offset = AT(local.quota)},
    {.name = "local.disabled_mail",
     .type = MM_CONFIG_CHOICE,
     .default_text = "refuse",
     .choices = "refuse keep",
     .help = "What mail for a disabled user gets: refuse says 550 5.2.1, keep "
             "puts it in the mailbox. Mail for postmaster is always kept.",
     .offset = AT(local.disabled_mail)},
    {.name = "local.maildirs",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .minimum = 0,
     .maximum = 1000,
     .form = MM_CONFIG_FORM_MAILDIR,
     .help =
         "Users whose mailbox is a Maildir and not in the store: who:folder, "
         "where who is a user, @domain for the users of that domain alone, "
         "or * for all; the narrowest counts. In the folder %u is the "
         "user's name, %n its part before the at-sign, %d its domain, as in "
         "*:/home/%u/Maildir. who: alone is the store's mailbox.",
     .offset = AT(local.maildirs)},
    {.name = "local.alias_files",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .maximum = 100,
     .help = "Files of aliases in the form of /etc/aliases (name: address, "
             "address), beside those of mailmodctl alias; read anew when they "
             "change. Commands and files as targets are left out with a "
             "warning.",
     .offset = AT(local.alias_files)},
    {.name = "local.copy_incoming_to",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_USER_NAME,
     .form = MM_CONFIG_FORM_USER,
     .help = "A user or an address that gets a copy of each message that "
             "somebody here gets; reports of this system are left out. Empty: "
             "none.",
     .offset = AT(local.copy_incoming_to)},
    {.name = "local.copy_outgoing_to",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_USER_NAME,
     .form = MM_CONFIG_FORM_USER,
     .help = "The same for each message that somebody elsewhere gets from "
             "here.",
     .offset = AT(local.copy_outgoing_to)},
    {.name = "local.maillist_bounces_max",
     .type = MM_CONFIG_INT,
     .default_text = "3",
     .minimum = 1,
     .maximum = 1000,
     .help = "How many messages to a member of a mailing list may come back "
             "before the list sends no more there (mailmodctl maillist).",
     .offset = AT(local.maillist_bounces_max)},
    {.name = "local.maillist_size_max",
     .type = MM_CONFIG_SIZE,
     .default_text = "1M",
     .minimum = 4096,
     .maximum = (UINT64_C(1) << 30),
     .help = "The largest message that a mailing list passes on.",
     .offset = AT(local.maillist_size_max)},
    {.name = "local.srs_domain",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_DOMAIN,
     .form = MM_CONFIG_FORM_HOST,
     .help = "What an alias or a forward sends elsewhere gets a reverse-path "
             "of this domain (SRS), so that SPF does not refuse it; reports "
             "come back by it. One of local.domains; empty: the path stays.",
     .offset = AT(local.srs_domain)},
    {.name = "local.hides_targets",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Reports and automatic replies about what an alias or a forward "
             "leads to name the address that was written to, and neither the "
             "target, nor its host, nor what that host said (RFC 3461 5.2.7).",
     .offset = AT(local.hides_targets)},
    {.name = "local.replies_to_named",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Automatic replies (mailmodctl reply) answer only messages whose "
             "To or Cc names an address of the user or alias (RFC 3834 2). "
             "False: also what came by Bcc or by an unmarked list.",
     .offset = AT(local.replies_to_named)},
    {.name = "local.keeps_apop_passwords",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Keep the passwords of new users recoverable, which APOP (RFC "
             "1939 7) and CRAM-MD5 need, instead of SCRAM verifiers alone.",
     .offset = AT(local.keeps_apop_passwords)},
    {.name = "local.cram_md5",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Offer CRAM-MD5 (RFC 2195) on POP3 and on the submission services "
             "while a user's password is kept recoverable.",
     .offset = AT(local.cram_md5)},
    MM_SERVICES(LISTEN_KEY){
        .name = "smtp.message_size_max",
        .type = MM_CONFIG_SIZE,
        .default_text = "50M",
        .minimum = 4096,
        .maximum = (UINT64_C(1) << 40),
        .help = "The largest message; announced with SIZE (RFC 1870), refused "
                "with 552 5.3.4.",
        .offset = AT(smtp.message_size_max)},
    {.name = "smtp.line_size_max",
     .type = MM_CONFIG_SIZE,
     .default_text = "1G",
     .minimum = 998,
     .maximum = (UINT64_C(1) << 40),
     .help = "The longest line of a message, without its CRLF; a longer one "
             "is refused with 500 5.5.6. RFC 5321 4.5.3.1.6 wants 998 at "
             "least; programs send more, and lines are kept as they are.",
     .offset = AT(smtp.line_size_max)},
    {.name = "smtp.recipients_max",
     .type = MM_CONFIG_INT,
     .default_text = "100",
     .minimum = 1,
     .maximum = 100000,
     .help = "Recipients of one message; more get 452 4.5.3. RFC 5321 "
             "4.5.3.1.8 wants at least 100.",
     .offset = AT(smtp.recipients_max)},
    {.name = "smtp.connections_max",
     .type = MM_CONFIG_INT,
     .default_text = "1000",
     .minimum = 1,
     .maximum = 100000,
     .help = "Open connections of each SMTP service; more get 421 4.3.2. From "
             "three quarters on a client that has said nothing is dropped "
             "after 10 seconds.",
     .offset = AT(smtp.connections_max)},
    {.name = "smtp.connections_per_address_max",
     .type = MM_CONFIG_INT,
     .default_text = "50",
     .minimum = 1,
     .maximum = 100000,
     .help = "Open connections of a service from one IPv4 address or one IPv6 "
             "/64; more get 421 4.7.0.",
     .offset = AT(smtp.connections_per_address_max)},
    CONNECTIONS("smtp", smtp, ", which get 421 4.7.0"){
        .name = "smtp.greeting_delay",
        .type = MM_CONFIG_DURATION,
        .default_text = "0s",
        .maximum = MINUTE,
        .help = "How long the smtp service waits before its greeting. A peer "
                "that speaks first, which RFC 5321 4.3.1 forbids and programs "
                "that send spam do, gets 554 5.5.1. Networks of "
                "smtp.lenient_from are not tested. 0: no test.",
        .offset = AT(smtp.greeting_delay_ms)},
    {.name = "smtp.quick_refusals",
     .type = MM_CONFIG_INT,
     .default_text = "20",
     .maximum = 100000,
     .help = "Recipients of a session that are refused at once. From then on "
             "each refusal comes smtp.refusal_delay late.",
     .offset = AT(smtp.quick_refusals)},
    {.name = "smtp.refusal_delay",
     .type = MM_CONFIG_DURATION,
     .default_text = "1s",
     .maximum = 5 * MINUTE,
     .help = "How long a refused recipient is held back (a tarpit), for peers "
             "that guess addresses or are listed. 0: not.",
     .offset = AT(smtp.refusal_delay_ms)},
    {.name = "smtp.pop_before_smtp",
     .type = MM_CONFIG_DURATION,
     .default_text = "0s",
     .maximum = DAY,
     .help = "For mail programs without AUTH: how long after a POP3 login its "
             "IPv4 address or IPv6 /64 may send to the world through the "
             "submission services, as by smtp.relay_from. Everybody behind "
             "that address then may. 0: never.",
     .offset = AT(smtp.pop_before_smtp_ms)},
    {.name = "smtp.errors_max",
     .type = MM_CONFIG_INT,
     .default_text = "20",
     .minimum = 1,
     .maximum = 10000,
     .help = "Refused commands since the last message after which a session is "
             "closed with 421. Refused recipients are counted apart.",
     .offset = AT(smtp.errors_max)},
    {.name = "smtp.refused_recipients_max",
     .type = MM_CONFIG_INT,
     .default_text = "1000",
     .minimum = 1,
     .maximum = 100000,
     .help = "Refused recipients since the last message after which a session "
             "is closed with 421. smtp.quick_refusals says from which on each "
             "comes late.",
     .offset = AT(smtp.refused_recipients_max)},
    {.name = "smtp.empty_commands_max",
     .type = MM_CONFIG_INT,
     .default_text = "1000",
     .minimum = 10,
     .maximum = 1000000,
     .help = "NOOP, RSET, VRFY, HELP, HELO and EHLO in a row after which a "
             "session is closed with 421. A client may keep its connection "
             "alive with them.",
     .offset = AT(smtp.empty_commands_max)},
    {.name = "smtp.messages_per_connection_max",
     .type = MM_CONFIG_INT,
     .default_text = "1000",
     .minimum = 1,
     .maximum = 1000000,
     .help = "Messages after which a session is closed with 421; the client "
             "comes again.",
     .offset = AT(smtp.messages_per_connection_max)},
    {.name = "smtp.received_max",
     .type = MM_CONFIG_INT,
     .default_text = "100",
     .minimum = 10,
     .maximum = 10000,
     .help = "Received fields that a message may have; with more it counts "
             "as looping, 554 5.4.6. RFC 5321 6.3 wants at least 100.",
     .offset = AT(smtp.received_max)},
    {.name = "smtp.bare_newline",
     .type = MM_CONFIG_CHOICE,
     .default_text = "reject",
     .choices = "reject normalize",
     .help = "What a CR or LF gets that is not part of a CRLF: reject "
             "refuses the message (RFC 5321 2.3.8), normalize makes it a "
             "CRLF. Neither ever ends a message.",
     .offset = AT(smtp.bare_newline)},
    {.name = "smtp.allows_clear_auth",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Offer AUTH on connections without TLS too. Passwords can then "
             "be read on the way.",
     .offset = AT(smtp.allows_clear_auth)},
    {.name = "smtp.greeting_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5m",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "From the connection to the client's first command.",
     .offset = AT(smtp.greeting_ms)},
    {.name = "smtp.command_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5m",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "The wait for each whole command (RFC 5321 4.5.3.2.7); octets "
             "that trickle do not extend it.",
     .offset = AT(smtp.command_ms)},
    {.name = "smtp.data_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "3m",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "The wait for the next piece of a message (RFC 5321 4.5.3.2.5).",
     .offset = AT(smtp.data_ms)},
    {.name = "smtp.tls_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "1m",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "The time for a TLS handshake.",
     .offset = AT(smtp.tls_ms)},
    {.name = "smtp.write_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "1m",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "The time in which a client must take a reply.",
     .offset = AT(smtp.write_ms)},
    {.name = "smtp.session_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "4h",
     .minimum = SECOND,
     .maximum = (7 * DAY),
     .help = "The longest life of a session.",
     .offset = AT(smtp.session_ms)},
    NETWORKS("smtp.relay_from", smtp.relay_from,
             "Networks that may send to the world through the submission "
             "services without AUTH, such as 192.0.2.0/24 or "
             "192.0.2.1-192.0.2.9. Empty: none."),
    NETWORKS("smtp.etrn_from", smtp.etrn_from,
             "Networks of hosts that are connected now and then, such as "
             "192.0.2.0/24: by ETRN (RFC 1985) they have the mail tried at "
             "once that waits here for a domain. Empty: ETRN is not offered."),
    NETWORKS("smtp.lenient_from", smtp.lenient_from,
             "Networks of old devices and scripts, such as 192.0.2.0/24, from "
             "which SMTP is taken with faults: paths without angle brackets, "
             "odd dots before the at-sign, underscores in domains, HELO with "
             "any name or none, lines and the final dot ended by LF alone; "
             "TLS 1.0 and 1.1 with weak ciphers. "
             "Never networks of mail servers: messages could be smuggled "
             "through them. It gives no leave to relay. Empty: none."),
    {.name = "smtp.login_failures_max",
     .type = MM_CONFIG_INT,
     .default_text = "3",
     .minimum = 1,
     .maximum = 1000,
     .help = "Failed AUTH commands after which a session is closed.",
     .offset = AT(smtp.login_failures_max)},
    {.name = "smtp.sender_must_match",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "A submitted message's sender must be an address whose mail comes "
             "to the user who logged in, or the null path; else 550 5.7.1.",
     .offset = AT(smtp.sender_must_match)},
    {.name = "smtp.edits_submitted",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "On the services submission and submissions, add the Date and "
             "Message-ID fields that a message lacks, and take its Bcc fields "
             "out (RFC 6409 8).",
     .offset = AT(smtp.edits_submitted)},
    {.name = "pop3.connections_max",
     .type = MM_CONFIG_INT,
     .default_text = "1000",
     .minimum = 1,
     .maximum = 100000,
     .help = "Open connections of each POP3 service. From three quarters on "
             "a client that has said nothing is dropped after 10 seconds.",
     .offset = AT(pop3.connections_max)},
    {.name = "pop3.connections_per_address_max",
     .type = MM_CONFIG_INT,
     .default_text = "50",
     .minimum = 1,
     .maximum = 100000,
     .help = "Open connections of a service from one IPv4 address or one IPv6 "
             "/64.",
     .offset = AT(pop3.connections_per_address_max)},
    CONNECTIONS("pop3", pop3, ""){
        .name = "pop3.errors_max",
        .type = MM_CONFIG_INT,
        .default_text = "10",
        .minimum = 1,
        .maximum = 10000,
        .help = "Refused commands and failed logins after which a session is "
                "closed. What a logged-in client asks of messages that are not "
                "there is no error.",
        .offset = AT(pop3.errors_max)},
    {.name = "pop3.allows_clear_login",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Accept USER, PASS and AUTH without TLS. Passwords can then be "
             "read on the way.",
     .offset = AT(pop3.allows_clear_login)},
    {.name = "pop3.apop",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Offer APOP (RFC 1939 7) where it can work: when a user's "
             "password is kept recoverable, or a host decides about logins.",
     .offset = AT(pop3.apop)},
    EXTENSION("pop3.uid_param", pop3.uid_param, "true",
              "Take a unique-id (UID:...) where a command takes a message's "
              "number, and tell UID-PARAM: an extension of pop3svc."),
    EXTENSION("pop3.deli", pop3.deli, "true",
              "Offer DELI, which deletes a message at once and for good: an "
              "extension of pop3svc."),
    EXTENSION("pop3.sleep", pop3.sleep, "true",
              "Offer SLEE and WAKE, by which a client stays connected and "
              "lists its mailbox anew, under both names of the capability "
              "(SLEE-WAKE, SLEEPING): an extension of pop3svc."),
    EXTENSION("pop3.qaut", pop3.qaut, "true",
              "Offer QAUT, which is QUIT without the end of the connection: an "
              "extension of pop3svc."),
    EXTENSION("pop3.xlog", pop3.xlog, "true",
              "Offer XLOG, a login in one command, where USER and PASS are "
              "offered: an extension of pop3svc."),
    EXTENSION("pop3.multi_line_ind", pop3.multi_line_ind, "false",
              "End the first line of a reply of several with a blank and an "
              "underscore, and tell MULTI-LINE-IND: an extension of pop3svc."),
    EXTENSION("pop3.core", pop3.core, "false",
              "Offer CORE, which is SLEE and WAKE in one command: an older "
              "extension of pop3svc."),
    EXTENSION("pop3.refr", pop3.refr, "false",
              "Offer REFR, the first name of CORE."),
    {.name = "pop3.backends",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .maximum = 1000,
     .form = MM_CONFIG_FORM_BACKEND,
     .help =
         "Users whose mailbox another POP3 server has: who=host or "
         "who=host:port, where who is a user, @domain or * for all; the "
         "narrowest counts, and who= alone is a mailbox of this system. The "
         "login goes there with the name as the client gave it.",
     .offset = AT(pop3.backends)},
    {.name = "pop3.backend_tls",
     .type = MM_CONFIG_CHOICE,
     .default_text = "must",
     .choices = "off may must implicit",
     .help = "TLS to the servers of pop3.backends: off, may, must (STLS), "
             "implicit (from the first octet). With must and implicit the "
             "certificate must be trusted and be for the host's name.",
     .offset = AT(pop3.backend_tls)},
    {.name = "pop3.backend_authority_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "PEM file with the authorities to trust for pop3.backends. Empty: "
             "the system's.",
     .offset = AT(pop3.backend_authority_file)},
    {.name = "pop3.backend_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "30s",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "The wait for each step of a login at a server of pop3.backends.",
     .offset = AT(pop3.backend_timeout_ms)},
    {.name = "pop3.read_only_users",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .maximum = 1000,
     .form = MM_CONFIG_FORM_USER,
     .help = "Users whose mail can be read and not deleted: DELE and DELI get "
             "[READ-ONLY], and retention takes nothing.",
     .offset = AT(pop3.read_only_users)},
    {.name = "pop3.login_delay",
     .type = MM_CONFIG_DURATION,
     .default_text = "0s",
     .maximum = DAY,
     .help = "The time that a user must leave between two logins (RFC 2449 "
             "6.5): CAPA tells LOGIN-DELAY, and who comes sooner gets "
             "[LOGIN-DELAY]. WAKE is no login. 0: none.",
     .offset = AT(pop3.login_delay_ms)},
    {.name = "pop3.expire_days",
     .type = MM_CONFIG_INT,
     .default_text = "0",
     .maximum = 36500,
     .help = "Messages older than so many days are deleted when a session of "
             "theirs ends with QUIT, SLEE, CORE or QAUT, with those that the "
             "client marked; CAPA tells EXPIRE (RFC 2449 6.7). 0: mail is "
             "kept for ever, EXPIRE NEVER.",
     .offset = AT(pop3.expire_days)},
    {.name = "pop3.expires_retrieved",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Messages that RETR gave whole are deleted when that session ends "
             "with QUIT, SLEE, CORE or QAUT; CAPA tells EXPIRE 0 (RFC 2449 "
             "6.7).",
     .offset = AT(pop3.expires_retrieved)},
    {.name = "pop3.keep_deleted_days",
     .type = MM_CONFIG_INT,
     .default_text = "0",
     .maximum = 3650,
     .help = "What sessions delete from a mailbox of the store stays so many "
             "days for an operator: mailmodctl mailbox deleted, mailmodctl "
             "mailbox restore. No client sees it, no quota counts it; it goes "
             "earlier when the volume is down to general.free_space_min. 0: "
             "what is deleted is gone.",
     .offset = AT(pop3.keep_deleted_days)},
    NETWORKS("pop3.lenient_from", pop3.lenient_from,
             "Networks of old mail programs, such as 192.0.2.0/24, which may "
             "speak TLS 1.0 and 1.1 with weak ciphers. Empty: none."),
    {.name = "pop3.idle_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "10m",
     .minimum = SECOND,
     .maximum = DAY,
     .help = "The wait for the next command. RFC 1939 3 wants at least 10 "
             "minutes.",
     .offset = AT(pop3.idle_ms)},
    {.name = "pop3.sleep_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "1h",
     .minimum = SECOND,
     .maximum = 7 * DAY,
     .help = "The wait for the next command of a session that sleeps (SLEE). "
             "NOOP begins it anew.",
     .offset = AT(pop3.sleep_ms)},
    {.name = "pop3.tls_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "1m",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "The time for a TLS handshake.",
     .offset = AT(pop3.tls_ms)},
    {.name = "pop3.write_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "2m",
     .minimum = SECOND,
     .maximum = HOUR,
     .help = "The time in which a client must take what it asked for, a "
             "piece at a time.",
     .offset = AT(pop3.write_ms)},
    {.name = "pop3.login_failures_max",
     .type = MM_CONFIG_INT,
     .default_text = "3",
     .minimum = 1,
     .maximum = 1000,
     .help = "Failed logins after which a session is closed.",
     .offset = AT(pop3.login_failures_max)},
    {.name = "logins.failures_max",
     .type = MM_CONFIG_INT,
     .default_text = "10",
     .maximum = 1000000,
     .help = "Failed logins of one network (an IPv4 address or an IPv6 /64), "
             "by SMTP and POP3 together, after which it is banned: each of "
             "its logins then gets the answer of a wrong password, and no "
             "password is looked at. 0: never.",
     .offset = AT(logins.failures_max)},
    {.name = "logins.failures_window",
     .type = MM_CONFIG_DURATION,
     .default_text = "30m",
     .minimum = SECOND,
     .maximum = (30 * DAY),
     .help = "The time in which so many must fail.",
     .offset = AT(logins.failures_window_ms)},
    {.name = "logins.ban_time",
     .type = MM_CONFIG_DURATION,
     .default_text = "1h",
     .maximum = (365 * DAY),
     .help = "How long a network is banned after its last try. With 0 no ban "
             "counts but an operator's (mailmodctl ban).",
     .offset = AT(logins.ban_ms)},
    {.name = "logins.delay_max",
     .type = MM_CONFIG_DURATION,
     .default_text = "8s",
     .maximum = MINUTE,
     .help = "The answer to a failed login of a network comes half a second "
             "late, to the next one a second, and so on up to this. 0: at "
             "once.",
     .offset = AT(logins.delay_max_ms)},
    NETWORKS("logins.exempt", logins.exempt,
             "Networks that are neither delayed nor banned. This machine never "
             "is, unless a proxy tells its address."),
    {.name = "logins.checks_max",
     .type = MM_CONFIG_INT,
     .default_text = "4",
     .minimum = 1,
     .maximum = 256,
     .help = "Passwords that are checked at a time; never more than "
             "general.workers, and fewer leave workers to those that are "
             "logged in. Networks take turns, and those that logged in within "
             "a day do not wait behind strangers. Unless it is set, it is at "
             "most general.workers.",
     .offset = AT(logins.checks_max)},
    LIST_FILE(white,
              "A file with the rules of those that are let in: no block list, "
              "black list, grey list or check of names refuses them, but they "
              "gain nothing else. One rule a line, see docs/operations.md, "
              "Lists; it is read anew when it changes. Rules of the store "
              "(mailmodctl list) count beside it. Empty: none."),
    LIST_FILE(black, "The same for those that are refused. White beats black, "
                     "black beats grey."),
    LIST_FILE(grey, "The same for those that are greylisted."),
    {.name = "lists.white_zones",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .maximum = MM_LIMIT_DNSBL_ZONES,
     .form = MM_CONFIG_FORM_ZONE,
     .help = "White lists of the DNS, such as list.dnswl.org, written as those "
             "of dnsbl.zones: a peer that one of them has is on the white "
             "list.",
     .offset = AT(lists.white_zones)},
    {.name = "lists.black_senders",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .maximum = 1000,
     .help = "Senders who are refused: addresses, or *@domain; each is a rule "
             "of the black list.",
     .offset = AT(lists.black_senders)},
    {.name = "lists.per_user",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Rules that the store has of a user count for that user's mail.",
     .offset = AT(lists.per_user)},
    {.name = "lists.action",
     .type = MM_CONFIG_CHOICE,
     .default_text = "refuse",
     .choices = "refuse tag",
     .help = "What who is on the black list gets. refuse: 550 5.7.1 at RCPT. "
             "tag: the message gets a field \"X-Blocklist: black list\".",
     .offset = AT(lists.action)},
    {.name = "lists.refusal_text",
     .type = MM_CONFIG_TEXT,
     .default_text = "Mail from you is not taken here",
     .minimum = 1,
     .maximum = 200,
     .help = "The text of that refusal; it may name a page.",
     .offset = AT(lists.refusal_text)},
    {.name = "greylisting.mode",
     .type = MM_CONFIG_CHOICE,
     .default_text = "off",
     .choices = "off listed all",
     .help =
         "Whose mail is put off once with 451 4.7.1 at RCPT, on the service "
         "smtp: of peers and senders on the grey list (listed), or of all "
         "that are not on the white list. A mail server comes again by "
         "itself, and then its network (IPv4 /24, IPv6 /64) is known. Users "
         "who submit are never put off.",
     .offset = AT(greylisting.mode)},
    {.name = "greylisting.delay",
     .type = MM_CONFIG_DURATION,
     .default_text = "1m",
     .minimum = SECOND,
     .maximum = DAY,
     .help = "How much later the same sender must try the same recipient again "
             "from the same network.",
     .offset = AT(greylisting.delay_ms)},
    {.name = "greylisting.window",
     .type = MM_CONFIG_DURATION,
     .default_text = "48h",
     .minimum = MINUTE,
     .maximum = (30 * DAY),
     .help = "How long a first attempt is remembered.",
     .offset = AT(greylisting.window_ms)},
    {.name = "greylisting.memory",
     .type = MM_CONFIG_DURATION,
     .default_text = "840h",
     .minimum = HOUR,
     .maximum = (365 * DAY),
     .help = "How long a network that came again passes at once, from its last "
             "mail on.",
     .offset = AT(greylisting.memory_ms)},
    NETWORKS("greylisting.exempt", greylisting.exempt,
             "Networks that are never put off."),
    {.name = "greylisting.exempts_mx",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "A peer whose address is one of the first five mail hosts (MX) of "
             "the sender's domain is not put off. Mail hosts that receive are "
             "often those that send; the DNS is asked about senders of "
             "networks that are not known.",
     .offset = AT(greylisting.exempts_mx)},
    CHECK(helo,
          "Whether the HELO name leads to the peer's address. Many mail "
          "servers say another name: better warn than refuse (550 "
          "5.7.1)") CHECK(sender_domain,
                          "Whether the sender's domain has an MX, A or AAAA "
                          "record, so that a reply could be sent (550 5.1.8)")
        CHECK(reverse_dns,
              "Whether the peer's address has a name in the DNS (550 "
              "5.7.25)") NETWORKS("checks.exempt", checks.exempt,
                                  "Networks whose names are not looked up."),
    {.name = "milters.filters",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 8192,
     .form = MM_CONFIG_FORM_MILTERS,
     .help =
         "Filters of mail, such as Rspamd, that are asked by the milter "
         "protocol, in this order: a list of texts such as \"name=rspamd "
         "at=127.0.0.1:11332 away=accept\". name and at (an address with its "
         "port, or unix: and the path of a socket) must be there. away says "
         "what mail gets while the filter cannot be asked: tempfail (451, the "
         "standard), accept or reject (550). timeout, 30s, is the time to "
         "connect and that of each step, end_timeout, 5m, that of the end of "
         "a message. A message larger than size_max (0, any) is not shown to "
         "the end, and passes.",
     .offset = AT(milters.filters)},
    NETWORKS("milters.exempt", milters.exempt,
             "Networks whose mail no filter is asked about."),
    {.name = "milters.exempts_logins",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Whether no filter is asked about the mail of who is logged in.",
     .offset = AT(milters.exempts_logins)},
    {.name = "traps.addresses",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .maximum = 1000,
     .help =
         "Addresses that nobody has and no page shows to people, such as "
         "trap@example.org. A peer of the service smtp that names one at "
         "RCPT hears 550 5.1.1, and its IPv4 address or IPv6 /64 is refused "
         "with 421 4.7.1 at the connection for traps.time; not if the white "
         "list has it. A restart forgets nobody.",
     .offset = AT(traps.addresses)},
    {.name = "traps.time",
     .type = MM_CONFIG_DURATION,
     .default_text = "24h",
     .minimum = MINUTE,
     .maximum = (365 * DAY),
     .help = "How long such a peer is refused.",
     .offset = AT(traps.time_ms)},
    {.name = "traps.zone_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "A file that always has those peers as a zone, written as a whole "
             "for a name server that publishes it as a block list (RFC 5782). "
             "Empty: none.",
     .offset = AT(traps.zone_file)},
    {.name = "traps.zone_name",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_DOMAIN,
     .form = MM_CONFIG_FORM_HOST,
     .help = "The zone's name: the file is a master file for nsd and others. "
             "Empty: it has the lines of rbldnsd's generic data.",
     .offset = AT(traps.zone_name)},
    {.name = "spam.memory",
     .type = MM_CONFIG_CHOICE,
     .default_text = "off",
     .choices = "off tag refuse",
     .help = "What a message to the service smtp gets whose body was refused "
             "as spam before: a field \"X-Blocklist: known spam\", or 550 "
             "5.7.1 at its end. Such are messages that a filter or the host "
             "program refuses with 5.7.1, or that are for one of "
             "traps.addresses, too. Bodies have 256 octets or more, without "
             "white space.",
     .offset = AT(spam.memory)},
    {.name = "spam.time",
     .type = MM_CONFIG_DURATION,
     .default_text = "72h",
     .minimum = MINUTE,
     .maximum = (90 * DAY),
     .help = "How long a body is remembered from its last refusal as spam on.",
     .offset = AT(spam.time_ms)},
    {.name = "spam.exempt",
     .type = MM_CONFIG_RANGE_LIST,
     .default_text = "127.0.0.0/8, ::1/128",
     .maximum = 1000,
     .help = "Networks whose mail is not judged so, nor remembered.",
     .offset = AT(spam.exempt)},
    {.name = "rates.window",
     .type = MM_CONFIG_DURATION,
     .default_text = "1h",
     .minimum = SECOND,
     .maximum = (30 * DAY),
     .help = "The time whose mail the limits of this group count; it begins "
             "with the first message. A message counts at MAIL, a recipient at "
             "RCPT, octets when they have come. What is above a limit is put "
             "off: recipients, and all of a user or a sender, with 450 4.7.1; "
             "messages and octets of an address, a network or all with 421 "
             "4.7.0 and the end of the session.",
     .offset = AT(rates.window_ms)},
    RATE("address", ADDRESS, "one IPv4 address or one IPv6 /64")
        RATE("network", NETWORK, "one IPv4 /24 or one IPv6 /48")
            RATE("user", USER, "one user who logged in")
                RATE("sender", SENDER, "one sender's address; null is none")
                    RATE("total", TOTAL, "all together")
                        NETWORKS("rates.exempt", rates.exempt,
                                 "Networks whose mail is not counted."),
    {.name = "dnsbl.zones",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "",
     .maximum = MM_LIMIT_DNSBL_ZONES,
     .form = MM_CONFIG_FORM_ZONE,
     .help = "Block lists that the smtp service asks about each peer (RFC "
             "5782): zen.spamhaus.org, or whole [label:]zone[=codes][*weight] "
             "such as paid:KEY.zen.example=127.0.0.2-11;127.0.0.20*2. The "
             "label stands for the zone in replies, in the log and in what is "
             "shown of this setting (without one: the zone less its first "
             "label, where it has three), the codes are those that count, and "
             "a weight below 0 speaks for the peer. The submission services "
             "ask nobody.",
     .offset = AT(dnsbl.zones)},
    {.name = "dnsbl.threshold",
     .type = MM_CONFIG_INT,
     .default_text = "1",
     .minimum = 1,
     .maximum = 1000,
     .help = "The sum of the weights of the lists that have a peer from which "
             "on it is listed. A list without a weight weighs 1.",
     .offset = AT(dnsbl.threshold)},
    {.name = "dnsbl.action",
     .type = MM_CONFIG_CHOICE,
     .default_text = "refuse",
     .choices = "refuse tag",
     .help =
         "What a peer that is listed gets. refuse: 550 5.7.1 at RCPT, and "
         "it reaches postmaster alone. tag: it is let in, and its mail gets "
         "a field \"X-Blocklist: LABEL, LABEL\" with the lists that have "
         "it; the same field of others than dnsbl.exempt is taken out.",
     .offset = AT(dnsbl.action)},
    {.name = "dnsbl.self_test",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Each list is asked about itself (RFC 5782 5), first and every "
             "hour: one that has not 127.0.0.2, or has 127.0.0.1, or does not "
             "answer, is off until it passes. False for lists of your own "
             "without such entries.",
     .offset = AT(dnsbl.self_test)},
    {.name = "dnsbl.cache",
     .type = MM_CONFIG_DURATION,
     .default_text = "5m",
     .maximum = HOUR,
     .help = "How long a list's answer is known without asking again. 0: not "
             "at all.",
     .offset = AT(dnsbl.cache_ms)},
    NETWORKS("dnsbl.exempt", dnsbl.exempt,
             "Networks that no block list is asked about."),
    {.name = "dnsbl.timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5s",
     .minimum = 100,
     .maximum = MINUTE,
     .help = "How long a recipient waits for the lists. One that has not "
             "answered by then lists nobody.",
     .offset = AT(dnsbl.timeout_ms)},
    {.name = "sending.adds_headers",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Add the Date, Message-ID and From fields that a message of the "
             "host program lacks (RFC 6409 8).",
     .offset = AT(sending.adds_headers)},
    {.name = "sending.waits",
     .type = MM_CONFIG_CHOICE,
     .default_text = "callback",
     .choices = "callback always never",
     .help = "Does the call that ends an immediate or a relayed message wait "
             "for the outcome? callback: only when the message has no "
             "progress callback.",
     .offset = AT(sending.waits)},
    {.name = "queue.lifetime",
     .type = MM_CONFIG_DURATION,
     .default_text = "24h",
     .minimum = MINUTE,
     .maximum = (30 * DAY),
     .help = "How long delivery is tried before the sender gets the mail "
             "back.",
     .offset = AT(queue.lifetime_ms)},
    {.name = "queue.warn_after",
     .type = MM_CONFIG_DURATION,
     .default_text = "4h",
     .maximum = (30 * DAY),
     .help = "After this time the sender gets one notice of the delay. 0: "
             "never. Unless it is set, it is at most half of queue.lifetime.",
     .offset = AT(queue.warn_after_ms)},
    {.name = "queue.steps",
     .type = MM_CONFIG_STEP_LIST,
     .default_text = "5m, 10m, 20m, 40m, 1h, 2h",
     .minimum = 1,
     .maximum = 64,
     .help = "The waits after the first, second, ... failed attempt; the "
             "last one repeats. Each from 1s to 24h, in whole seconds.",
     .offset = AT(queue.steps)},
    {.name = "queue.jitter",
     .type = MM_CONFIG_INT,
     .default_text = "10",
     .maximum = 50,
     .help = "Each wait is changed by up to this many per cent, so that mail "
             "that failed together is not tried together.",
     .offset = AT(queue.jitter_percent)},
    {.name = "queue.attempts_max",
     .type = MM_CONFIG_INT,
     .default_text = "100",
     .minimum = 1,
     .maximum = 10000,
     .help = "Deliveries at a time, in all.",
     .offset = AT(queue.attempts_max)},
    {.name = "queue.destination_max",
     .type = MM_CONFIG_INT,
     .default_text = "5",
     .minimum = 1,
     .maximum = 1000,
     .help = "Deliveries at a time to one destination.",
     .offset = AT(queue.destination_max)},
    {.name = "queue.host_max",
     .type = MM_CONFIG_INT,
     .default_text = "10",
     .minimum = 1,
     .maximum = 1000,
     .help = "Connections at a time to one mail host, whatever the number of "
             "its domains. Less where the host shows to take less; never "
             "below queue.destination_max.",
     .offset = AT(queue.host_max)},
    {.name = "queue.recipients_max",
     .type = MM_CONFIG_INT,
     .default_text = "100",
     .minimum = 1,
     .maximum = 1000,
     .help = "Recipients in one transaction (RFC 5321 4.5.3.1.8).",
     .offset = AT(queue.recipients_max)},
    {.name = "queue.holds",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Accept mail and keep it, deliver nothing.",
     .offset = AT(queue.holds)},
    {.name = "archive.sent_days",
     .type = MM_CONFIG_INT,
     .default_text = "0",
     .maximum = 3650,
     .help = "For so many days a copy is kept in the store of what another "
             "host has taken from the queue, one for each recipient: "
             "mailmodctl kept. What a host program sends at once was never "
             "in the queue. 0: nothing, and what was kept goes.",
     .offset = AT(archive.sent_days)},
    {.name = "archive.dead_letter_days",
     .type = MM_CONFIG_INT,
     .default_text = "14",
     .maximum = 3650,
     .help = "For so many days mail is kept in the store that could not be "
             "delivered and of which nobody could be told: with the null "
             "path as its sender, as reports have it, or of a sender who is "
             "gone: mailmodctl kept. 0: it goes, with a line in the log.",
     .offset = AT(archive.dead_letter_days)},
    {.name = "delivery.port",
     .type = MM_CONFIG_INT,
     .default_text = "25",
     .minimum = 1,
     .maximum = 65535,
     .help = "The port of MX hosts. Anything but 25 is for tests.",
     .offset = AT(delivery.port)},
    {.name = "delivery.tls",
     .type = MM_CONFIG_CHOICE,
     .default_text = "may",
     .choices = "off may must",
     .help = "TLS to MX hosts: off, may (STARTTLS where it is offered, RFC "
             "7435), must (or the mail waits).",
     .offset = AT(delivery.tls)},
    {.name = "delivery.eight_bit",
     .type = MM_CONFIG_CHOICE,
     .default_text = "encode",
     .choices = "encode as_is report",
     .help =
         "A message with octets above 127 for a host without 8BITMIME (RFC "
         "6152 3): encode makes its bodies quoted-printable, but goes as it "
         "is where others signed it; as_is sends it as it is; report sends "
         "it back to its sender (5.6.3).",
     .offset = AT(delivery.eight_bit)},
    {.name = "delivery.long_lines",
     .type = MM_CONFIG_CHOICE,
     .default_text = "as_is",
     .choices = "as_is encode",
     .help = "A message with lines of more than 998 octets (RFC 5322 2.1.1), "
             "which strict hosts refuse: as_is sends it as it is; encode makes "
             "its bodies quoted-printable, but for what others signed, and "
             "reads each message once more to find out.",
     .offset = AT(delivery.long_lines)},
    {.name = "delivery.chunks",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Send messages by BDAT where the host offers CHUNKING (RFC 3030): "
             "one trip less for each. A host that fails at it gets DATA.",
     .offset = AT(delivery.chunks)},
    {.name = "delivery.uses_ipv6",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Use IPv6 addresses of mail hosts.",
     .offset = AT(delivery.uses_ipv6)},
    {.name = "delivery.uses_ipv4",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Use IPv4 addresses of mail hosts.",
     .offset = AT(delivery.uses_ipv4)},
    {.name = "delivery.connect_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "30s",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The time for a connection to one address.",
     .offset = AT(delivery.connect_ms)},
    {.name = "delivery.greeting_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for the 220 greeting (RFC 5321 4.5.3.2.1).",
     .offset = AT(delivery.greeting_ms)},
    {.name = "delivery.command_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for the answer to EHLO, AUTH, RSET and QUIT.",
     .offset = AT(delivery.command_ms)},
    {.name = "delivery.mail_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for the answer to MAIL (RFC 5321 4.5.3.2.2).",
     .offset = AT(delivery.mail_ms)},
    {.name = "delivery.rcpt_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "5m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for the answer to RCPT (RFC 5321 4.5.3.2.3).",
     .offset = AT(delivery.rcpt_ms)},
    {.name = "delivery.data_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "2m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for the 354 after DATA (RFC 5321 4.5.3.2.4).",
     .offset = AT(delivery.data_ms)},
    {.name = "delivery.body_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "3m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The time in which a host must take one piece of the message "
             "(RFC 5321 4.5.3.2.5).",
     .offset = AT(delivery.body_ms)},
    {.name = "delivery.end_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "10m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for the answer to the final dot (RFC 5321 4.5.3.2.6).",
     .offset = AT(delivery.end_ms)},
    {.name = "delivery.tls_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "1m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The time for a TLS handshake.",
     .offset = AT(delivery.tls_ms)},
    {.name = "delivery.idle_timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "10s",
     .maximum = HOUR,
     .help = "How long a connection without mail is kept for the next "
             "message.",
     .offset = AT(delivery.idle_ms)},
    {.name = "delivery.source",
     .type = MM_CONFIG_ADDRESS_LIST,
     .default_text = "",
     .maximum = 2,
     .form = MM_CONFIG_FORM_NO_PORT,
     .help = "The addresses that deliveries come from, at most one of IPv4 "
             "and one of IPv6. Empty: the system chooses.",
     .offset = AT(delivery.source)},
    {.name = "delivery.refuses",
     .type = MM_CONFIG_RANGE_LIST,
     .default_text = "127.0.0.0/8, 169.254.0.0/16, ::1/128, fe80::/10",
     .maximum = 1000,
     .help = "Networks that no mail goes to, whatever names a domain's hosts "
             "have there: a submitter must not reach what only this machine "
             "does. An address literal in one of them is refused at RCPT, a "
             "host there is passed over. The smarthost may be anywhere.",
     .offset = AT(delivery.refuses)},
    {.name = "delivery.routes",
     .type = MM_CONFIG_SECRET,
     .default_text = "",
     .maximum = 256 * 1024,
     .form = MM_CONFIG_FORM_ROUTES,
     .help =
         "Ways out for some of the mail: a list of texts such as \"name=bank "
         "to=bank.example,*.bank.example relay=mx1.example.net,"
         "mx2.example.net:25 user=joe password=secret\". The first that fits "
         "counts; mail that none fits goes as smarthost.host says. to has "
         "domains of recipients, *.domain for all below one; from has "
         "senders, addresses or @domains; with both, both must fit. relay has "
         "up to 8 hosts, tried in their order; none, the standard, are the MX "
         "hosts of the domain. tls, verify, authorities, fingerprints, "
         "certificate, key, mechanisms, user and password (the last, it takes "
         "the rest), or the word token instead of a password, are for these "
         "hosts, as in smarthost; the port is 587, or 465 where tls is "
         "implicit. Where tls, verify or fingerprints is set in a row without "
         "relay, tls, verify, authorities, fingerprints, certificate and key "
         "are for the MX hosts. proxy is default (that of "
         "proxy.host), none, or one of its own, such as "
         "socks5://user:password@proxy.example.com:1080.",
     .offset = AT(delivery.routes)},
    {.name = "smarthost.host",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_DOMAIN,
     .form = MM_CONFIG_FORM_RELAY,
     .help = "The relay that takes all outgoing mail: a name or an address. "
             "Empty: mail goes to the MX hosts of its domains.",
     .offset = AT(smarthost.host)},
    {.name = "smarthost.port",
     .type = MM_CONFIG_INT,
     .default_text = "587",
     .minimum = 1,
     .maximum = 65535,
     .help = "Its port.",
     .offset = AT(smarthost.port)},
    {.name = "smarthost.tls",
     .type = MM_CONFIG_CHOICE,
     .default_text = "must",
     .choices = "off may must implicit",
     .help = "TLS to it: off, may, must (STARTTLS), implicit (from the first "
             "octet).",
     .offset = AT(smarthost.tls)},
    {.name = "smarthost.verifies",
     .type = MM_CONFIG_BOOL,
     .default_text = "true",
     .help = "Its certificate must be trusted and be for its name (RFC "
             "9525).",
     .offset = AT(smarthost.verifies)},
    {.name = "smarthost.authority_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "PEM file with the authorities to trust, also for the relay of a "
             "message of the host program. Empty: the system's.",
     .offset = AT(smarthost.authority_file)},
    {.name = "smarthost.user",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_USER_NAME,
     .help = "The user name for AUTH. Empty: no AUTH.",
     .offset = AT(smarthost.user)},
    {.name = "smarthost.token",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "Log in with a token instead of a password, by OAUTHBEARER or "
             "XOAUTH2: of the host program's callback, or of "
             "smarthost.token_command.",
     .offset = AT(smarthost.has_token)},
    {.name = "smarthost.token_command",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "Program and its arguments, with blanks between, that mailmodd "
             "runs for a token of smarthost.token, and of a route with the "
             "word token. It is told the route's name (empty: smarthost), "
             "user, host, port and refresh (1: the last one was refused) in "
             "MAILMOD_ACCOUNT, MAILMOD_USER and so on, and prints the token. "
             "The library runs no program: a host sets a callback.",
     .offset = AT(smarthost.token_command)},
    {.name = "smarthost.mechanisms",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 255,
     .form = MM_CONFIG_FORM_MECHANISMS,
     .help = "The mechanisms that a login may use, such as \"SCRAM-SHA-256, "
             "PLAIN\", whatever else the host offers; the strongest is tried "
             "first. Empty: all that fit a password, or a token. EXTERNAL, "
             "which must be named, logs in by smarthost.certificate_file, with "
             "a user or without.",
     .offset = AT(smarthost.mechanisms)},
    {.name = "smarthost.certificate_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_CONFIG_PATH_MAX - 1,
     .help = "PEM or PKCS#12 file with our certificate, for a smarthost that "
             "asks for one. Empty: none.",
     .offset = AT(smarthost.certificate_file)},
    {.name = "smarthost.key_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_CONFIG_PATH_MAX - 1,
     .help = "Its key. Empty: in the same file. It must have no pass phrase.",
     .offset = AT(smarthost.key_file)},
    {.name = "smarthost.fingerprints",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_CONFIG_PINS_MAX * 3 * MM_CONFIG_PIN_SIZE,
     .form = MM_CONFIG_FORM_FINGERPRINTS,
     .help = "SHA-256 of the smarthost's certificate or of its public key, 64 "
             "hexadecimal digits with colons or without; several have commas "
             "between. Its certificate must be one of them then, and neither "
             "authority nor name nor time counts.",
     .offset = AT(smarthost.fingerprints)},
    {.name = "smarthost.password",
     .type = MM_CONFIG_SECRET,
     .default_text = "",
     .maximum = MM_LIMIT_PASSWORD,
     .help = "Its password. A file that sets it must be readable by its "
             "owner alone, or it is refused.",
     .offset = AT(smarthost.password)},
    {.name = "proxy.kind",
     .type = MM_CONFIG_CHOICE,
     .default_text = "socks5",
     .choices = "socks5 socks4a http",
     .help = "What it speaks: SOCKS5 (RFC 1928), SOCKS4a, or HTTP with CONNECT "
             "(RFC 9110 9.3.6).",
     .offset = AT(proxy.kind)},
    {.name = "proxy.host",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_DOMAIN,
     .form = MM_CONFIG_FORM_RELAY,
     .help = "The proxy that every connection goes out through: to MX hosts, "
             "to the smarthost, to mailboxes elsewhere. It is never passed by, "
             "but for proxy.bypass. Hosts that a setting names are looked up "
             "by the proxy. Empty: none.",
     .offset = AT(proxy.host)},
    {.name = "proxy.port",
     .type = MM_CONFIG_INT,
     .default_text = "0",
     .maximum = 65535,
     .help = "Its port. 0: 1080, for http 3128.",
     .offset = AT(proxy.port)},
    {.name = "proxy.user",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = MM_LIMIT_USER_NAME,
     .help = "The user to log in as: RFC 1929, or Basic (RFC 7617). Empty: "
             "none.",
     .offset = AT(proxy.user)},
    {.name = "proxy.password",
     .type = MM_CONFIG_SECRET,
     .default_text = "",
     .maximum = MM_LIMIT_PASSWORD,
     .help = "The user's password; socks4a has none. A file that sets it must "
             "be readable by its owner alone.",
     .offset = AT(proxy.password)},
    {.name = "proxy.bypass",
     .type = MM_CONFIG_TEXT_LIST,
     .default_text = "localhost, 127.0.0.0/8, ::1/128",
     .maximum = 1000,
     .form = MM_CONFIG_FORM_BYPASS,
     .help = "Hosts that are reached without the proxy: networks, addresses, "
             "and domains with all below them. A network counts where the "
             "address is known: for MX hosts, and for hosts that are given by "
             "it.",
     .offset = AT(proxy.bypass)},
    {.name = "proxy.timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "1m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for the connection to the proxy, and for each of its "
             "answers; the last one comes when it has reached the host.",
     .offset = AT(proxy.timeout_ms)},
    {.name = "fetch.accounts",
     .type = MM_CONFIG_SECRET,
     .default_text = "",
     .maximum = 256 * 1024,
     .form = MM_CONFIG_FORM_FETCH,
     .help =
         "Mailboxes elsewhere that mail is fetched from by POP3: a list of "
         "texts such as \"name=work host=pop.example.com user=joe to=joe "
         "delete password=secret\". name, host, user, to (a user here, or an "
         "address) and password, which is the last and takes the rest, must be "
         "there. tls is must (STLS, the standard), implicit, may or off; port "
         "is 110, or 995 where tls is implicit; verify=no takes any "
         "certificate. interval is 5m, and 0 fetches only when asked. What was "
         "fetched stays there (keep, the standard), is deleted (delete) or is "
         "after a time (delete_after=7d). Larger messages than size_max, 50M, "
         "stay there. timeout is fetch.timeout. multidrop=Delivered-To (or "
         "X-Original-To, or another field) gives a message to the addresses "
         "here that the first such field names, and to the user of to where "
         "none does. refused=aside keeps what is refused here in the queue, "
         "held; refused=leave, the standard, leaves it there. keep_uidl gives "
         "it the unique-id here that it has there, for a mailbox that moves. "
         "proxy is default (that of proxy.host), none, or one of its own, "
         "such as socks5://user:password@proxy.example.com:1080. The word "
         "token instead of a password logs in by OAUTHBEARER or XOAUTH2, with "
         "a token of the host program's, or of fetch.token_command.",
     .offset = AT(fetch.accounts)},
    {.name = "fetch.token_command",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "Program and its arguments, with blanks between, that mailmodd "
             "runs for a token of an account with the word token. It is told "
             "account, user, host, port and refresh (1: the last one was "
             "refused) in MAILMOD_ACCOUNT and so on, and prints the token. "
             "The library runs no program: a host sets a callback.",
     .offset = AT(fetch.token_command)},
    {.name = "fetch.parallel",
     .type = MM_CONFIG_INT,
     .default_text = "4",
     .minimum = 1,
     .maximum = 64,
     .help = "How many accounts are fetched from at a time.",
     .offset = AT(fetch.parallel)},
    {.name = "fetch.timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "2m",
     .minimum = 100,
     .maximum = HOUR,
     .help = "The wait for a connection, for the handshake, and for each "
             "reply or piece of a message.",
     .offset = AT(fetch.timeout_ms)},
    {.name = "fetch.authority_file",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 4096,
     .help = "PEM file with the authorities to trust. Empty: the system's.",
     .offset = AT(fetch.authority_file)},
    {.name = "dns.servers",
     .type = MM_CONFIG_TEXT,
     .default_text = "",
     .maximum = 1024,
     .form = MM_CONFIG_FORM_SERVERS,
     .help = "The name servers to ask, such as 192.0.2.53, 192.0.2.54:5353, "
             "[2001:db8::53]:53. Empty: the system's, whose changes are "
             "followed.",
     .offset = AT(dns.servers)},
    {.name = "dns.timeout",
     .type = MM_CONFIG_DURATION,
     .default_text = "3s",
     .minimum = 100,
     .maximum = MINUTE,
     .help = "The wait for an answer before the question is put again.",
     .offset = AT(dns.timeout_ms)},
    {.name = "dns.tries",
     .type = MM_CONFIG_INT,
     .default_text = "3",
     .minimum = 1,
     .maximum = 10,
     .help = "How often a question is put to each server.",
     .offset = AT(dns.tries)},
    {.name = "dns.validates",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help = "The servers validate by DNSSEC and the way to them is safe (this "
             "machine, or a network that is trusted): what they call "
             "authenticated is believed.",
     .offset = AT(dns.validates)},
    {.name = "dns.through_proxy",
     .type = MM_CONFIG_BOOL,
     .default_text = "false",
     .help =
         "Ask the name servers through the proxy (proxy.host, which must be "
         "an address then), by TCP: all questions, those about block lists "
         "too. The servers must be named in dns.servers; those that "
         "proxy.bypass names are asked straight.",
     .offset = AT(dns.through_proxy)},
};

const struct mm_config_key *mm_config_keys(size_t *count_out)
{
    *count_out = sizeof keys / sizeof keys[0];
    return keys;
}
