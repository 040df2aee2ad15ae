/* name.c - every name of the original engine's settings, in one table.
 *
 * docs/config.md lists them from here, a setting by an old name is made or
 * refused from here; value.c has the conversions. The order is that of a
 * reader: what is ours under another name, what is a part of ours, what is
 * fixed, what there is not.
 * Thread: any. */
#include "config/smallsrv/name.h"

#include <string.h>

#define SAME MM_SMALLSRV_SAME
#define GONE MM_SMALLSRV_GONE
#define GONE_FLAG MM_SMALLSRV_GONE_FLAG

#define CONNECTS                                                               \
    "smtp.allow_from, smtp.deny_from, pop3.allow_from and pop3.deny_from are " \
    "set one by one"
#define SPAM "the text of mail is not judged by expressions or programs"
#define WEB "there is no web mail"
#define SPEED "connections are not throttled"
#define ACCOUNTS                                                               \
    "users are in the store (mailmodctl user add) or in local.users"
#define LOG                                                                    \
    "the log goes to standard error or to the host program, whose "            \
    "affair the files are"

static const struct mm_smallsrv_name names[] = {
    {"smtp_name", SAME, "general.host_name", NULL},
    {"smtp_out", SAME, "general.data_folder",
     "the queue lies in the data folder"},
    {"smtp_max", SAME, "smtp.connections_max", NULL},
    {"smtp_msg_limit", SAME, "smtp.message_size_max", NULL},
    {"smtp_authsame", SAME, "smtp.sender_must_match", NULL},
    {"smtp_dns", SAME, "dns.servers", NULL},
    {"dnsbl", SAME, "dnsbl.zones", NULL},
    {"smtpchktls", SAME, "smarthost.verifies", NULL},
    {"tls_cafile", SAME, "smarthost.authority_file", NULL},
    {"tls_cert_file", SAME, "tls.certificate_file", NULL},
    {"tls_key_file", SAME, "tls.key_file", NULL},
    {"upproxy_port", SAME, "proxy.port", NULL},
    {"nouphosts", SAME, "proxy.bypass", NULL},
    {"pop3_max", SAME, "pop3.connections_max", NULL},
    {"pop_timeout", SAME, "pop3.idle_timeout",
     "SMTP has a time of its own, `smtp.command_timeout`"},

    {"smtp_port", MM_SMALLSRV_PORT, "smtp.listen",
     "the port, on the addresses that are set; on all of IPv4 while the "
     "listener has its default"},
    {"smtp_bind", MM_SMALLSRV_BIND, "smtp.listen",
     "the address, with the port that is set, else 25; `nosmtp_bind`: all of "
     "IPv4"},
    {"smtpipv6", MM_SMALLSRV_IPV6, "smtp.listen",
     "all of IPv6 too, at the port that is set, else 25"},
    {"nosmtp_max", MM_SMALLSRV_CLOSED, "smtp.listen", "the service is off"},
    {"pop_port", MM_SMALLSRV_PORT, "pop3.listen", "as `smtp_port`"},
    {"pop_bind", MM_SMALLSRV_BIND, "pop3.listen",
     "as `smtp_bind`, with 110; `nopop_bind`: all of IPv4"},
    {"popipv6", MM_SMALLSRV_IPV6, "pop3.listen", "as `smtpipv6`, with 110"},
    {"nopop3_max", MM_SMALLSRV_CLOSED, "pop3.listen", "the service is off"},
    {"smtp_range", MM_SMALLSRV_V4, "smtp.relay_from",
     "the IPv4 networks of it; `192.0.2.1-192.0.2.9` is a range too"},
    {"smtp6_range", MM_SMALLSRV_V6, "smtp.relay_from",
     "the IPv6 networks of it"},
    {"smtp_deny", MM_SMALLSRV_V4, "smtp.deny_from", "as `smtp_range`"},
    {"smtp6_deny", MM_SMALLSRV_V6, "smtp.deny_from", "as `smtp6_range`"},
    {"pop_range", MM_SMALLSRV_V4, "pop3.allow_from", "as `smtp_range`"},
    {"pop6_range", MM_SMALLSRV_V6, "pop3.allow_from", "as `smtp6_range`"},
    {"pop_deny", MM_SMALLSRV_V4, "pop3.deny_from", "as `smtp_range`"},
    {"pop6_deny", MM_SMALLSRV_V6, "pop3.deny_from", "as `smtp6_range`"},
    {"smtp_pop_ip", MM_SMALLSRV_POP_IP, "smtp.pop_before_smtp",
     "set: `35m`, where it was `0s`; unset: `0s`"},
    {"smtp_ltime", MM_SMALLSRV_WINDOW, "rates.window",
     "in seconds; `nosmtp_ltime`: the three limits below are 0"},
    {"smtp_ip_limit", MM_SMALLSRV_KIB, "rates.address_octets_max", "in KiB"},
    {"smtp_net_limit", MM_SMALLSRV_KIB, "rates.network_octets_max",
     "in KiB; the network is an IPv4 /24 or an IPv6 /48, there it was a /16"},
    {"smtp_limit", MM_SMALLSRV_KIB, "rates.total_octets_max", "in KiB"},
    {"sent_time", SAME, "archive.sent_days",
     "in days; it alone keeps copies of sent mail, `smtp_sent` does not"},
    {"mxignbl", SAME, "greylisting.exempts_mx",
     "greylisting alone; the lists do not ask for MX hosts"},
    {"fake", SAME, "traps.addresses", NULL},
    {"spam_time", SAME, "traps.time", NULL},
    {"goodlist", SAME, "lists.white_file", NULL},
    {"badlist", SAME, "lists.black_file", NULL},
    {"graylist", SAME, "lists.grey_file", NULL},
    {"chklists", SAME, "lists.per_user",
     "the rules of users are in the store, not in files of theirs"},
    {"msgspam", SAME, "lists.refusal_text", NULL},
    {"blacklist", SAME, "lists.black_senders", NULL},
    {"checkmx", MM_SMALLSRV_CHECK_MX, "checks.sender_domain",
     "set: `refuse`; unset: `off`, where it was `refuse`"},
    {"smtptls", MM_SMALLSRV_TLS_MAY, "delivery.tls",
     "set: `may`, where it was `off`; unset: `off`"},
    {"smtponlytls", MM_SMALLSRV_TLS_MUST, "delivery.tls",
     "set: `must`, and `smarthost.tls` where it was `off` or `may`; unset: "
     "`may`, where it was `must`"},
    {"smtpproxy", MM_SMALLSRV_SMARTHOST, "smarthost.host",
     "with port 25 and TLS where it is offered, as long as `smarthost.port`, "
     "`.tls` and `.user` have their defaults and `smtponlytls` is not set; "
     "`nosmtpproxy`: none"},
    {"upproxy", MM_SMALLSRV_PROXY, "proxy.host",
     "with `proxy.kind` http, as long as that has its default"},
    {"up_user", MM_SMALLSRV_LOGIN, "proxy.password",
     "`user:password`: `proxy.user` too"},
    {"user", MM_SMALLSRV_USER, "local.users",
     "`name;password;home;flags`, one more each time; a user without the "
     "flags P and S is left out, a password that is a hash must be set anew; "
     "a home that is a whole path without blanks is one of `local.homes`"},
    {"forward", MM_SMALLSRV_FORWARD, "local.forward_file",
     "set: `forward`, where there was none; unset: none"},
    {"detail", MM_SMALLSRV_DETAIL, "general.log_level",
     "set: `debug`; unset: `info`, where it was more"},
    {"nolog", MM_SMALLSRV_SILENT, "general.log_level",
     "set: `error`; unset: `info`, where it was `error`"},

    {"delpwd", MM_SMALLSRV_ALWAYS, NULL, "no password is ever logged"},
    {"smtp_any", MM_SMALLSRV_ALWAYS, NULL,
     "whoever relays without a login may use any sender"},
    {"smtp_nobreak", MM_SMALLSRV_ALWAYS, NULL,
     "what is too large is read to its end, within bounds"},
    {"smtp_nomx", MM_SMALLSRV_ALWAYS, NULL,
     "a domain without MX records is its own mail host (RFC 5321 5.1)"},
    {"smtp_tls", MM_SMALLSRV_ALWAYS, NULL,
     "STARTTLS and STLS are offered wherever there is a certificate "
     "(tls.certificate_file, tls.self_signed)"},
    {"uncheckip", MM_SMALLSRV_ALWAYS, NULL,
     "senders of local domains are taken from any address"},
    {"ever_upproxy", MM_SMALLSRV_ALWAYS, NULL,
     "where there is a proxy, everything but proxy.bypass goes through it"},
    {"nocheckback", MM_SMALLSRV_NEVER, NULL,
     "a sender always has a domain (RFC 5321 4.1.2)"},

    {"sysuser", GONE_FLAG, NULL, ACCOUNTS},
    {"grp_pop", GONE, NULL, ACCOUNTS},
    {"grp_smtp", GONE, NULL, ACCOUNTS},
    {"cryptpwd", GONE_FLAG, NULL,
     "passwords are kept as SCRAM verifiers (local.keeps_apop_passwords)"},
    {"md5pwd", GONE_FLAG, NULL,
     "passwords are kept as SCRAM verifiers (local.keeps_apop_passwords)"},
    {"vhalias", GONE_FLAG, NULL, "name the domains in local.domains"},
    {"fwdrun", GONE_FLAG, NULL,
     "commands of forward files are left out: no programs are run"},
    {"pop3_proxy", GONE_FLAG, NULL, "name the servers in pop3.backends"},
    {"smtp_conform", GONE_FLAG, NULL,
     "a sender asks for reports with NOTIFY (RFC 3461)"},
    {"smtp_err", GONE, NULL,
     "mail that fails goes back to its sender in a report; of whom nobody can "
     "be told is kept in the store (archive.dead_letter_days)"},
    {"time_btw", GONE, NULL,
     "queue.attempts_max and queue.destination_max bound what goes out"},

    {"ip_range", GONE, NULL, CONNECTS},
    {"ip_deny", GONE, NULL, CONNECTS},
    {"from_same_host", GONE, NULL,
     "smtp.connections_per_address_max and pop3.connections_per_address_max "
     "are set one by one"},
    {"pop_speed", GONE, NULL, SPEED},
    {"pop_spdusr", GONE, NULL, SPEED},
    {"nolimitus", GONE_FLAG, NULL, "name the networks in rates.exempt"},

    {"dns_bld", GONE, NULL,
     "no DNS server is here; traps.zone_file is for one"},
    {"antispam", GONE, NULL, SPAM},
    {"spamfltr", GONE, NULL, SPAM},
    {"antivirus", GONE, NULL, SPAM},
    {"run_timeout", GONE, NULL, SPAM},

    {"smtp_sent", GONE, NULL,
     "copies of sent mail are in the store (archive.sent_days)"},
    {"tls_capath", GONE, NULL,
     "authorities are in one file (smarthost.authority_file)"},
    {"tls_priority", GONE, NULL,
     "tls.allows_tls_1_2 is all there is to choose"},
    {"tls_lib", GONE, NULL, "the TLS library is linked"},
    {"log", GONE, NULL, LOG},
    {"logday", GONE_FLAG, NULL, LOG},
    {"limitlog", GONE, NULL, LOG},
    {"seplog", GONE_FLAG, NULL, LOG},
    {"wmail", GONE_FLAG, NULL, WEB},
    {"wmailsent", GONE, NULL, WEB},
    {"wmailtrash", GONE, NULL, WEB},
    {"wmail_utf", GONE_FLAG, NULL, WEB},
    {"tls_wmail", GONE_FLAG, NULL, WEB},
};

const struct mm_smallsrv_name *mm_smallsrv_names(size_t *count_out)
{
    *count_out = sizeof names / sizeof names[0];
    return names;
}

const struct mm_smallsrv_name *
mm_smallsrv_row(const struct mm_config_alias *alias)
{
    return &names[alias->row];
}

static bool find(const char *name, size_t *row_out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, name) == 0) {
            *row_out = i;
            return true;
        }
    }
    return false;
}

static bool can_be_off(const struct mm_smallsrv_name *row)
{
    switch (row->kind) {
    case MM_SMALLSRV_SAME:
        return mm_config_find_key(row->key)->type == MM_CONFIG_BOOL;
    case MM_SMALLSRV_USER:
    case MM_SMALLSRV_PORT:
    case MM_SMALLSRV_V4:
    case MM_SMALLSRV_V6:
    case MM_SMALLSRV_CLOSED:
    case MM_SMALLSRV_SILENT:
    case MM_SMALLSRV_NEVER:
        return false;
    default:
        return true;
    }
}

static void describe(const struct mm_smallsrv_name *row,
                     struct mm_config_alias *alias)
{
    bool is_gone =
        row->kind == MM_SMALLSRV_GONE || row->kind == MM_SMALLSRV_GONE_FLAG;
    alias->key = row->key;
    alias->is_part = row->kind != MM_SMALLSRV_SAME;
    alias->is_late = row->kind == MM_SMALLSRV_CLOSED;
    alias->is_repeated = row->kind == MM_SMALLSRV_USER;
    alias->unsupported = is_gone ? row->words : NULL;
}

bool mm_smallsrv_find(const char *name, struct mm_config_alias *alias_out)
{
    alias_out->is_off = false;
    bool is_found = find(name, &alias_out->row);
    if (!is_found && strncmp(name, "no", 2) == 0) {
        alias_out->is_off = true;
        is_found = find(name + 2, &alias_out->row) &&
                   can_be_off(&names[alias_out->row]);
    }
    if (is_found) {
        describe(&names[alias_out->row], alias_out);
    }
    return is_found;
}
