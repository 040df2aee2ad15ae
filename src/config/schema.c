/* schema.c - the one table of settings: names, types, ranges, defaults.
 *
 * Parsing, checking, get and set by name, docs/config.md and mailmod.cfg are
 * all made from it; a default or a range is stated nowhere else. The defaults
 * are what a daemon without any file runs with: loopback alone, ports that
 * need no privilege, TLS with a certificate of its own making. The names of the
 * original engine are in smallsrv/name.c. A row without a minimum has 0.
 *
 * The rows stand in four parts (settings_*.inc), for a page each; it is one
 * array all the same, and a row's place in it is the value's.
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
/* What the system is. */
#include "config/settings_general.inc"
/* What it offers. */
#include "config/settings_servers.inc"
/* Who may. */
#include "config/settings_judges.inc"
/* What goes out. */
#include "config/settings_sending.inc"
};

const struct mm_config_key *mm_config_keys(size_t *count_out)
{
    *count_out = sizeof keys / sizeof keys[0];
    return keys;
}
