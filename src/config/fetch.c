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

/* As it is written. */
static bool read_host(struct mm_span value, void *host_out, size_t size)
{
    struct mm_host host;
    return mm_host_parse(value, &host) && mm_span_copy(value, host_out, size);
}

static bool read_interval(struct mm_span value, void *ms_out, size_t size)
{
    uint64_t *interval_ms = ms_out;
    (void)size;
    return mm_config_parse_duration(value, interval_ms) &&
           (*interval_ms == 0 || *interval_ms >= MINUTE) &&
           *interval_ms <= 30 * DAY;
}

static bool read_keep(struct mm_span value, void *record, size_t size)
{
    struct mm_config_fetch *account = record;
    (void)size;
    (void)value;
    account->policy = MM_CONFIG_FETCH_KEEP;
    return true;
}

static bool read_delete(struct mm_span value, void *record, size_t size)
{
    struct mm_config_fetch *account = record;
    (void)size;
    (void)value;
    account->policy = MM_CONFIG_FETCH_DELETE;
    return true;
}

static bool read_delete_after(struct mm_span value, void *record, size_t size)
{
    struct mm_config_fetch *account = record;
    (void)size;
    account->policy = MM_CONFIG_FETCH_DELETE_AFTER;
    return mm_config_parse_duration(value, &account->delete_after_ms) &&
           account->delete_after_ms > 0 &&
           account->delete_after_ms <= 3650 * DAY;
}

static bool read_size_max(struct mm_span value, void *octets_out, size_t size)
{
    uint64_t *octets = octets_out;
    (void)size;
    return mm_config_parse_size(value, octets) && *octets > 0 &&
           *octets <= UINT64_C(1) << 40;
}

static bool read_timeout(struct mm_span value, void *ms_out, size_t size)
{
    uint64_t *timeout_ms = ms_out;
    (void)size;
    return mm_config_parse_duration(value, timeout_ms) && *timeout_ms >= 100 &&
           *timeout_ms <= 60 * MINUTE;
}

/* RFC 5322 2.2: printable octets without a colon. */
static bool read_multidrop(struct mm_span value, void *name_out, size_t size)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] <= ' ' || value.data[i] > 126 ||
            value.data[i] == ':') {
            return false;
        }
    }
    return value.size > 0 && mm_span_copy(value, name_out, size);
}

static bool read_refused(struct mm_span value, void *flag_out, size_t size)
{
    bool *sets_aside = flag_out;
    (void)size;
    *sets_aside = mm_span_is(value, "aside");
    return *sets_aside || mm_span_is(value, "leave");
}

#define AT(member) MM_CONFIG_AT(struct mm_config_fetch, member)
#define AT_WHOLE MM_CONFIG_AT_WHOLE(struct mm_config_fetch)

/* keep, delete and delete_after exclude each other. */
enum { KEEP = 1 };
static const struct mm_config_word rows[] = {
    {"name", false, true, mm_config_read_name, AT(name),
     "letters, digits, and - _ . alone", 0},
    {"keep", true, false, read_keep, AT_WHOLE, "", KEEP},
    {"delete", true, false, read_delete, AT_WHOLE, "", KEEP},
    {"delete_after", false, false, read_delete_after, AT_WHOLE,
     "a time, up to 3650d", KEEP},
    {"host", false, true, read_host, AT(host), "a host's name or address", 0},
    {"port", false, false, mm_config_read_port, AT(port),
     "a number from 1 to 65535", 0},
    {"tls", false, false, mm_config_read_tls, AT(tls),
     "off, may, must or implicit", 0},
    {"verify", false, false, mm_config_read_flag, AT(verifies), "yes or no", 0},
    {"user", false, true, mm_config_read_text, AT(user),
     "a name of up to 255 octets", 0},
    {"to", false, true, mm_config_read_text, AT(to),
     "a user here or an address", 0},
    {"interval", false, false, read_interval, AT(interval_ms),
     "0, or a time from 1m to 30d", 0},
    {"size_max", false, false, read_size_max, AT(size_max), "a size", 0},
    {"timeout", false, false, read_timeout, AT(timeout_ms),
     "a time from 100ms to 1h", 0},
    {"multidrop", false, false, read_multidrop, AT(multidrop),
     "the name of a header field", 0},
    {"refused", false, false, read_refused, AT(sets_aside), "leave or aside",
     0},
    {"keep_uidl", true, false, mm_config_read_set, AT(keeps_unique_ids), "", 0},
    {"proxy", false, false, mm_config_read_proxy, AT(proxy),
     "default, none, or socks5://user:password@host:port (or socks4a, http)",
     0},
    {"token", true, false, mm_config_read_set, AT(has_token), "", 0},
    {"password", false, false, mm_config_read_text, AT(password),
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
    struct mm_span line;
    return mm_config_next_line(rest, &line) &&
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
    struct mm_span line;
    enum mailmod_error error =
        names != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
    while (error == MAILMOD_OK && mm_config_next_line(&text, &line)) {
        error = mm_config_fetch_parse(line, &account, mistake_out);
        if (error == MAILMOD_OK) {
            error = add_name(names, account.name, mistake_out);
        }
    }
    mm_secret_clear(&account, sizeof account);
    mm_free(names);
    return error;
}
