/* fetch.c - the accounts of fetch.accounts: one line of settings each.
 *
 * A line is words "setting=value" with blanks between; password is the last
 * and takes the rest of the line, so that it may have blanks. Owns nothing.
 * Promises: words about a mistake name the setting and show no value, for the
 * line has a password.
 * Thread: any. */
#include "base/host.h"
#include "base/mem.h"
#include "config/mistake.h"
#include "config/proxy.h"
#include "config/value.h"

#include <string.h>

#define MINUTE UINT64_C(60000)
#define DAY (24 * 60 * MINUTE)
#define PORT 110     /* RFC 1939 3 */
#define PORT_TLS 995 /* RFC 8314 7.1 */

struct field {
    const char *name;
    bool is_flag; /* without a value */
    bool is_wanted;
    bool (*read)(struct mm_config_fetch *account, struct mm_span value);
    const char *form;
    unsigned same; /* number of a former row that it excludes; 0: none */
};

static bool read_name(struct mm_config_fetch *account, struct mm_span value)
{
    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        if (!mm_ascii_is_alnum(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return value.size > 0 &&
           mm_span_copy(value, account->name, sizeof account->name);
}

static bool read_host(struct mm_config_fetch *account, struct mm_span value)
{
    struct mm_host host;
    return mm_host_parse(value, &host) &&
           mm_span_copy(value, account->host, sizeof account->host);
}

static bool read_port(struct mm_config_fetch *account, struct mm_span value)
{
    uint64_t port;
    if (!mm_span_to_u64(value, &port) || port == 0 || port > 65535) {
        return false;
    }
    account->port = (unsigned)port;
    return true;
}

static const char *const tls_names[] = {[MM_CONFIG_TLS_OFF] = "off",
                                        [MM_CONFIG_TLS_MAY] = "may",
                                        [MM_CONFIG_TLS_MUST] = "must",
                                        [MM_CONFIG_TLS_IMPLICIT] = "implicit"};

static bool read_tls(struct mm_config_fetch *account, struct mm_span value)
{
    for (unsigned i = 0; i < sizeof tls_names / sizeof tls_names[0]; i++) {
        if (mm_span_is(value, tls_names[i])) {
            account->tls = (enum mm_config_tls_policy)i;
            return true;
        }
    }
    return false;
}

static bool read_verify(struct mm_config_fetch *account, struct mm_span value)
{
    return mm_config_parse_flag(value, &account->verifies);
}

static bool read_user(struct mm_config_fetch *account, struct mm_span value)
{
    return value.size > 0 && mm_config_form_has(MM_CONFIG_FORM_ANY, value) &&
           mm_span_copy(value, account->user, sizeof account->user);
}

static bool read_to(struct mm_config_fetch *account, struct mm_span value)
{
    return value.size > 0 && mm_config_form_has(MM_CONFIG_FORM_ANY, value) &&
           mm_span_copy(value, account->to, sizeof account->to);
}

static bool read_interval(struct mm_config_fetch *account, struct mm_span value)
{
    return mm_config_parse_duration(value, &account->interval_ms) &&
           (account->interval_ms == 0 || account->interval_ms >= MINUTE) &&
           account->interval_ms <= 30 * DAY;
}

static bool read_keep(struct mm_config_fetch *account, struct mm_span value)
{
    (void)value;
    account->policy = MM_CONFIG_FETCH_KEEP;
    return true;
}

static bool read_delete(struct mm_config_fetch *account, struct mm_span value)
{
    (void)value;
    account->policy = MM_CONFIG_FETCH_DELETE;
    return true;
}

static bool read_delete_after(struct mm_config_fetch *account,
                              struct mm_span value)
{
    account->policy = MM_CONFIG_FETCH_DELETE_AFTER;
    return mm_config_parse_duration(value, &account->delete_after_ms) &&
           account->delete_after_ms > 0 &&
           account->delete_after_ms <= 3650 * DAY;
}

static bool read_size_max(struct mm_config_fetch *account, struct mm_span value)
{
    return mm_config_parse_size(value, &account->size_max) &&
           account->size_max > 0 && account->size_max <= UINT64_C(1) << 40;
}

static bool read_timeout(struct mm_config_fetch *account, struct mm_span value)
{
    return mm_config_parse_duration(value, &account->timeout_ms) &&
           account->timeout_ms >= 100 && account->timeout_ms <= 60 * MINUTE;
}

/* RFC 5322 2.2: printable octets without a colon. */
static bool read_multidrop(struct mm_config_fetch *account,
                           struct mm_span value)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] <= ' ' || value.data[i] > 126 ||
            value.data[i] == ':') {
            return false;
        }
    }
    return value.size > 0 &&
           mm_span_copy(value, account->multidrop, sizeof account->multidrop);
}

static bool read_refused(struct mm_config_fetch *account, struct mm_span value)
{
    account->sets_aside = mm_span_is(value, "aside");
    return account->sets_aside || mm_span_is(value, "leave");
}

static bool read_keep_uidl(struct mm_config_fetch *account,
                           struct mm_span value)
{
    (void)value;
    account->keeps_unique_ids = true;
    return true;
}

static bool read_proxy(struct mm_config_fetch *account, struct mm_span value)
{
    return mm_config_proxy_parse(value, &account->proxy);
}

static bool read_password(struct mm_config_fetch *account, struct mm_span value)
{
    return value.size > 0 && mm_config_form_has(MM_CONFIG_FORM_ANY, value) &&
           mm_span_copy(value, account->password, sizeof account->password);
}

/* keep, delete and delete_after exclude each other. */
enum { KEEP = 1 };
static const struct field fields[] = {
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
    {"password", false, true, read_password,
     "text of up to 512 octets without control characters", 0},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static const struct field *find(struct mm_span name, bool is_flag)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (mm_span_is(name, fields[i].name) && fields[i].is_flag == is_flag) {
            return &fields[i];
        }
    }
    return NULL;
}

struct parse {
    struct mm_config_fetch *account;
    struct mm_buf *mistake;
    bool is_set[FIELD_COUNT];
};

static enum mailmod_error take(struct parse *p, struct mm_span name,
                               bool is_flag, struct mm_span value)
{
    const struct field *field = find(name, is_flag);
    if (field == NULL) {
        return mm_config_refuse(p->mistake,
                                "an account has a word that is no setting");
    }
    size_t row = (size_t)(field - fields);
    size_t place = field->same != 0 ? field->same : row;
    if (p->is_set[place]) {
        return mm_config_refuse(p->mistake, "%s is there twice in an account",
                                field->name);
    }
    p->is_set[place] = true;
    if (!field->read(p->account, value)) {
        return mm_config_refuse(p->mistake, "%s of an account must be %s",
                                field->name, field->form);
    }
    return MAILMOD_OK;
}

static enum mailmod_error take_words(struct parse *p, struct mm_span line)
{
    enum mailmod_error error = MAILMOD_OK;
    line = mm_span_trim(line);
    while (error == MAILMOD_OK && line.size > 0) {
        struct mm_span word;
        struct mm_span rest;
        struct mm_span name;
        struct mm_span value;
        (void)mm_span_cut(line, ' ', &word, &rest);
        bool is_flag = !mm_span_cut(word, '=', &name, &value);
        if (mm_span_is(name, "password") && !is_flag) {
            value = mm_span(value.data,
                            (size_t)(line.data + line.size - value.data));
            rest = mm_span(NULL, 0);
        }
        error = take(p, name, is_flag, value);
        line = mm_span_trim(rest);
    }
    return error;
}

enum mailmod_error mm_config_fetch_parse(struct mm_span line,
                                         struct mm_config_fetch *account_out,
                                         struct mm_buf *mistake_out)
{
    struct parse p = {.account = account_out, .mistake = mistake_out};
    *account_out = (struct mm_config_fetch){.tls = MM_CONFIG_TLS_MUST,
                                            .verifies = true,
                                            .interval_ms = 5 * MINUTE,
                                            .size_max = 50 * 1024 * 1024};
    enum mailmod_error error = take_words(&p, line);
    for (size_t i = 0; error == MAILMOD_OK && i < FIELD_COUNT; i++) {
        if (fields[i].is_wanted && !p.is_set[i]) {
            error = mm_config_refuse(mistake_out, "%s is missing in an account",
                                     fields[i].name);
        }
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

/* Without its login. */
static void describe_proxy(const struct mm_config_proxy *proxy,
                           struct mm_buf *out)
{
    static const char *const kinds[] = {[MM_CONFIG_PROXY_SOCKS5] = "socks5",
                                        [MM_CONFIG_PROXY_SOCKS4A] = "socks4a",
                                        [MM_CONFIG_PROXY_HTTP] = "http"};
    if (proxy->choice == MM_CONFIG_PROXY_NONE) {
        (void)mm_buf_append_cstr(out, " proxy=none");
    } else if (proxy->choice == MM_CONFIG_PROXY_OWN) {
        (void)mm_buf_appendf(out, " proxy=%s://%s:%u", kinds[proxy->kind],
                             proxy->host, proxy->port);
    }
}

enum mailmod_error
mm_config_fetch_describe(const struct mm_config_fetch *account,
                         uint64_t timeout_ms, struct mm_buf *out)
{
    (void)mm_buf_appendf(out, "host=%s port=%u tls=%s", account->host,
                         account->port, tls_names[account->tls]);
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
    describe_proxy(&account->proxy, out);
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
