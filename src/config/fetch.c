/* fetch.c - the accounts of fetch.accounts: one line of settings each.
 *
 * A line is words (words.h); password is the last. Owns nothing. Promises: each
 * account has a name of its own, and a description shows no login.
 * Thread: any. */
#include "base/host.h"
#include "base/mem.h"
#include "config/mistake.h"
#include "config/proxy.h"
#include "config/value.h"
#include "config/words.h"

#include <string.h>

#define MINUTE UINT64_C(60000)
#define DAY (24 * 60 * MINUTE)
#define PORT 110     /* RFC 1939 3 */
#define PORT_TLS 995 /* RFC 8314 7.1 */

static bool read_name(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_read_name(value, account->name, sizeof account->name);
}

static bool read_host(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    struct mm_host host;
    return mm_host_parse(value, &host) &&
           mm_span_copy(value, account->host, sizeof account->host);
}

static bool read_port(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_read_port(value, &account->port);
}

static bool read_tls(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_read_tls(value, &account->tls);
}

static bool read_verify(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_parse_flag(value, &account->verifies);
}

static bool read_user(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_read_text(value, account->user, sizeof account->user);
}

static bool read_to(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_read_text(value, account->to, sizeof account->to);
}

static bool read_interval(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_parse_duration(value, &account->interval_ms) &&
           (account->interval_ms == 0 || account->interval_ms >= MINUTE) &&
           account->interval_ms <= 30 * DAY;
}

static bool read_keep(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    (void)value;
    account->policy = MM_CONFIG_FETCH_KEEP;
    return true;
}

static bool read_delete(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    (void)value;
    account->policy = MM_CONFIG_FETCH_DELETE;
    return true;
}

static bool read_delete_after(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    account->policy = MM_CONFIG_FETCH_DELETE_AFTER;
    return mm_config_parse_duration(value, &account->delete_after_ms) &&
           account->delete_after_ms > 0 &&
           account->delete_after_ms <= 3650 * DAY;
}

static bool read_size_max(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_parse_size(value, &account->size_max) &&
           account->size_max > 0 && account->size_max <= UINT64_C(1) << 40;
}

static bool read_timeout(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_parse_duration(value, &account->timeout_ms) &&
           account->timeout_ms >= 100 && account->timeout_ms <= 60 * MINUTE;
}

/* RFC 5322 2.2: printable octets without a colon. */
static bool read_multidrop(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] <= ' ' || value.data[i] > 126 ||
            value.data[i] == ':') {
            return false;
        }
    }
    return value.size > 0 &&
           mm_span_copy(value, account->multidrop, sizeof account->multidrop);
}

static bool read_refused(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    account->sets_aside = mm_span_is(value, "aside");
    return account->sets_aside || mm_span_is(value, "leave");
}

static bool read_token(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    (void)value;
    account->has_token = true;
    return true;
}

static bool read_keep_uidl(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    (void)value;
    account->keeps_unique_ids = true;
    return true;
}

static bool read_proxy(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_proxy_parse(value, &account->proxy);
}

static bool read_password(void *record, struct mm_span value)
{
    struct mm_config_fetch *account = record;
    return mm_config_read_text(value, account->password,
                               sizeof account->password);
}

/* keep, delete and delete_after exclude each other. */
enum { KEEP = 1 };
static const struct mm_config_word rows[] = {
    {"name", false, true, read_name, "letters, digits, and - _ . alone", 0},
    {"keep", true, false, read_keep, "", KEEP},
    {"delete", true, false, read_delete, "", KEEP},
    {"delete_after", false, false, read_delete_after, "a time, up to 3650d",
     KEEP},
    {"host", false, true, read_host, "a host's name or address", 0},
    {"port", false, false, read_port, "a number from 1 to 65535", 0},
    {"tls", false, false, read_tls, "off, may, must or implicit", 0},
    {"verify", false, false, read_verify, "yes or no", 0},
    {"user", false, true, read_user, "a name of up to 255 octets", 0},
    {"to", false, true, read_to, "a user here or an address", 0},
    {"interval", false, false, read_interval, "0, or a time from 1m to 30d", 0},
    {"size_max", false, false, read_size_max, "a size", 0},
    {"timeout", false, false, read_timeout, "a time from 100ms to 1h", 0},
    {"multidrop", false, false, read_multidrop, "the name of a header field",
     0},
    {"refused", false, false, read_refused, "leave or aside", 0},
    {"keep_uidl", true, false, read_keep_uidl, "", 0},
    {"proxy", false, false, read_proxy,
     "default, none, or socks5://user:password@host:port (or socks4a, http)",
     0},
    {"token", true, false, read_token, "", 0},
    {"password", false, false, read_password,
     "text of up to 512 octets without control characters", 0},
};
static const struct mm_config_words words = {rows, sizeof rows / sizeof rows[0],
                                             "an account"};

enum mailmod_error mm_config_fetch_parse(struct mm_span line,
                                         struct mm_config_fetch *account_out,
                                         struct mm_buf *mistake_out)
{
    *account_out = (struct mm_config_fetch){.tls = MM_CONFIG_TLS_MUST,
                                            .verifies = true,
                                            .interval_ms = 5 * MINUTE,
                                            .size_max = 50 * 1024 * 1024};
    enum mailmod_error error =
        mm_config_words_read(&words, line, account_out, mistake_out);
    if (error == MAILMOD_OK &&
        account_out->has_token == (account_out->password[0] != '\0')) {
        error = mm_config_refuse(mistake_out,
                                 account_out->has_token
                                     ? "an account has a password, or a token"
                                     : "password is missing in an account");
    }
    if (account_out->port == 0) {
        account_out->port =
            account_out->tls == MM_CONFIG_TLS_IMPLICIT ? PORT_TLS : PORT;
    }
    return error;
}

static void describe_policy(const struct mm_config_fetch *account,
                            struct mm_buf *out)
{
    switch (account->policy) {
    case MM_CONFIG_FETCH_KEEP:
        (void)mm_buf_append_cstr(out, " keep");
        break;
    case MM_CONFIG_FETCH_DELETE:
        (void)mm_buf_append_cstr(out, " delete");
        break;
    case MM_CONFIG_FETCH_DELETE_AFTER:
        (void)mm_buf_append_cstr(out, " delete_after=");
        (void)mm_config_format_duration(out, account->delete_after_ms);
        break;
    }
}

enum mailmod_error
mm_config_fetch_describe(const struct mm_config_fetch *account,
                         uint64_t timeout_ms, struct mm_buf *out)
{
    (void)mm_buf_appendf(out, "host=%s port=%u tls=%s", account->host,
                         account->port, mm_config_tls_name(account->tls));
    (void)mm_buf_append_cstr(out, account->verifies ? "" : " verify=no");
    (void)mm_buf_appendf(out, " user=%s to=%s", account->user, account->to);
    if (account->multidrop[0] != '\0') {
        (void)mm_buf_appendf(out, " multidrop=%s", account->multidrop);
    }
    describe_policy(account, out);
    (void)mm_buf_append_cstr(out, " interval=");
    (void)mm_config_format_duration(out, account->interval_ms);
    (void)mm_buf_append_cstr(out, " size_max=");
    (void)mm_config_format_size(out, account->size_max);
    (void)mm_buf_append_cstr(out, " timeout=");
    (void)mm_config_format_duration(
        out, account->timeout_ms != 0 ? account->timeout_ms : timeout_ms);
    (void)mm_buf_appendf(out, " refused=%s",
                         account->sets_aside ? "aside" : "leave");
    (void)mm_buf_append_cstr(out,
                             account->keeps_unique_ids ? " keep_uidl" : "");
    (void)mm_buf_append_cstr(out, account->has_token ? " token" : "");
    mm_config_proxy_describe(&account->proxy, out);
    return mm_buf_error(out);
}

bool mm_config_next_fetch(struct mm_span *rest,
                          struct mm_config_fetch *account_out)
{
    struct mm_span line = mm_span(NULL, 0);
    while (rest->size > 0 && line.size == 0) {
        (void)mm_span_cut(*rest, '\n', &line, rest);
        line = mm_span_trim(line);
    }
    return line.size > 0 &&
           mm_config_fetch_parse(line, account_out, NULL) == MAILMOD_OK;
}

struct names {
    char items[MM_CONFIG_FETCH_ACCOUNTS_MAX][MM_CONFIG_FETCH_NAME_MAX];
    size_t count;
};

static enum mailmod_error add_name(struct names *names, const char *name,
                                   struct mm_buf *mistake)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0) {
            return mm_config_refuse(mistake, "the name %s is there twice",
                                    name);
        }
    }
    if (names->count == MM_CONFIG_FETCH_ACCOUNTS_MAX) {
        return mm_config_refuse(mistake, "there are more than %u accounts",
                                (unsigned)MM_CONFIG_FETCH_ACCOUNTS_MAX);
    }
    memcpy(names->items[names->count], name, sizeof names->items[0]);
    names->count++;
    return MAILMOD_OK;
}

enum mailmod_error mm_config_fetch_check(struct mm_span text,
                                         struct mm_buf *mistake_out)
{
    struct names *names = mm_alloc(sizeof *names);
    struct mm_config_fetch account;
    enum mailmod_error error =
        names != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
    while (error == MAILMOD_OK && text.size > 0) {
        struct mm_span line;
        (void)mm_span_cut(text, '\n', &line, &text);
        if (mm_span_trim(line).size > 0) {
            error = mm_config_fetch_parse(line, &account, mistake_out);
            if (error == MAILMOD_OK) {
                error = add_name(names, account.name, mistake_out);
            }
        }
    }
    mm_secret_clear(&account, sizeof account);
    mm_free(names);
    return error;
}
