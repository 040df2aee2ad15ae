/* envelope.c - what a host program writes on the envelope.
 *
 * Owns nothing; fills a message that is new. Promises: every mistake is an
 * error whose words name the field and the text in question; addresses are in
 * canonical form and each one is there once; a relay's password is wiped when
 * it is given back.
 *
 * Thread: any. RFC 5321 4.1.2 (addresses), 2.4 (case), RFC 6531 3.3. */
#include "api/instance.h"
#include "api/message/message.h"
#include "api/relay_tls.h"
#include "api/sized.h"

#include "base/host.h"
#include "base/mem.h"
#include "platform/random.h"
#include "wire/addr/address.h"

#include <string.h>

#define SHOWN_MAX 200
#define PORT_SMTP 25

static bool is_separator(char c)
{
    return c == ',' || c == ';' || c == ' ' || c == '\t' || c == '\r' ||
           c == '\n';
}

/* The next address: separators count neither inside quotes nor inside angle
 * brackets (a source route has commas). Empty: there is none. */
static struct mm_span next_address(const char **text)
{
    const char *at = *text;
    bool is_quoted = false;
    bool is_bracketed = false;

    while (is_separator(*at)) {
        at++;
    }
    const char *begin = at;
    while (*at != '\0' && (is_quoted || is_bracketed || !is_separator(*at))) {
        if (*at == '"') {
            is_quoted = !is_quoted;
        } else if (is_quoted && *at == '\\' && at[1] != '\0') {
            at++;
        } else if (!is_quoted && (*at == '<' || *at == '>')) {
            is_bracketed = *at == '<';
        }
        at++;
    }
    *text = at;
    return mm_span(begin, (size_t)(at - begin));
}

static enum mailmod_error fail_address(const char *field, struct mm_span text)
{
    int size = (int)(text.size < SHOWN_MAX ? text.size : SHOWN_MAX);

    return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: \"%.*s\" is no mail address",
                   field, size, text.data);
}

/* Once each: `seen` has the canonical texts. */
static enum mailmod_error
add_recipient(struct mm_message_recipients *recipients, struct mm_map *seen,
              const struct mm_address *address)
{
    struct mm_span key = mm_span_cstr(address->text);
    size_t count = recipients->count;

    if (mm_map_get(seen, key) != NULL) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_map_put(seen, key, recipients);
    if (error != MAILMOD_OK) {
        return error;
    }
    if ((count & (count + 1)) == 0) { /* 0, 1, 3, 7: room up to the next */
        struct mm_message_recipient *items = mm_realloc(
            recipients->items, (2 * count + 1) * sizeof *recipients->items);

        if (items == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        recipients->items = items;
    }
    struct mm_message_recipient *recipient = &recipients->items[count];
    *recipient = (struct mm_message_recipient){
        .path = mm_strdup(address->text),
        .words = mm_alloc(sizeof *recipient->words)};
    recipients->count++;
    recipients->needs_smtputf8 =
        recipients->needs_smtputf8 || address->needs_smtputf8;
    return recipient->path != NULL && recipient->words != NULL
               ? MAILMOD_OK
               : MAILMOD_ERROR_MEMORY;
}

static enum mailmod_error
parse_recipient(struct mm_message_recipients *recipients, struct mm_map *seen,
                struct mm_span word)
{
    struct mm_address address;

    if (mm_address_parse(word, false, true, &address) != MAILMOD_OK) {
        return fail_address("recipients", word);
    }
    enum mailmod_error error = add_recipient(recipients, seen, &address);
    if (error == MAILMOD_ERROR_LIMIT) {
        return mm_fail(error,
                       "recipients: more than %zu "
                       "(smtp.recipients_max) with %s",
                       recipients->count, address.text);
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "recipients: %s", mm_error_text(error));
}

static enum mailmod_error parse_all(struct mm_message_recipients *recipients,
                                    struct mm_map *seen, const char *text)
{
    for (;;) {
        struct mm_span word = next_address(&text);

        if (word.size == 0) {
            return MAILMOD_OK;
        }
        enum mailmod_error error = parse_recipient(recipients, seen, word);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
}

static enum mailmod_error take_wishes(struct mm_message_recipient *recipient,
                                      const struct mailmod_recipient *wished)
{
    enum mailmod_error error = mm_message_check_notify(
        "recipient_list: dsn_notify", wished->dsn_notify);

    recipient->notify = wished->dsn_notify;
    if (error != MAILMOD_OK || wished->dsn_original_recipient == NULL) {
        return error;
    }
    error = mm_message_check_original(wished->dsn_original_recipient);
    if (error == MAILMOD_OK) {
        recipient->original_recipient =
            mm_strdup(wished->dsn_original_recipient);
        error = recipient->original_recipient != NULL
                    ? MAILMOD_OK
                    : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    return error;
}

static enum mailmod_error take_one(struct mm_message_recipients *recipients,
                                   struct mm_map *seen,
                                   const struct mailmod_recipient *wished)
{
    size_t count = recipients->count;

    if (wished->address == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "recipient_list: number %zu has no address", count);
    }
    enum mailmod_error error = parse_recipient(
        recipients, seen, mm_span_trim(mm_span_cstr(wished->address)));
    return error == MAILMOD_OK && recipients->count > count
               ? take_wishes(&recipients->items[count], wished)
               : error;
}

static enum mailmod_error take_all(struct mm_message_recipients *recipients,
                                   struct mm_map *seen,
                                   const struct mailmod_recipient *list,
                                   size_t list_count)
{
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < list_count; i++) {
        struct mailmod_recipient wished;

        error = mm_sized_take_at(&wished, sizeof wished, list, i,
                                 MM_RECIPIENT_SIZE_1, "recipient_list");
        if (error == MAILMOD_OK) {
            error = take_one(recipients, seen, &wished);
        }
    }
    return error;
}

/* From `text`, or with NULL from `list`. */
static enum mailmod_error
fill_recipients(struct mm_message_recipients *recipients_out, const char *text,
                const struct mailmod_recipient *list, size_t list_count,
                size_t count_max)
{
    uint64_t seed = 0;
    enum mailmod_error error = mm_random(&seed, sizeof seed);

    *recipients_out = (struct mm_message_recipients){.items = NULL};
    if (error != MAILMOD_OK) {
        return mm_fail(error, "no random numbers: %s", mm_error_text(error));
    }
    struct mm_map seen;
    mm_map_init(&seen, count_max, seed);
    error = text != NULL ? parse_all(recipients_out, &seen, text)
                         : take_all(recipients_out, &seen, list, list_count);
    mm_map_fini(&seen);
    if (error == MAILMOD_OK && recipients_out->count == 0) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "recipients: there is none");
    }
    if (error != MAILMOD_OK) {
        mm_message_recipients_fini(recipients_out);
    }
    return error;
}

enum mailmod_error
mm_message_recipients_parse(struct mm_message_recipients *recipients_out,
                            const char *text, size_t count_max)
{
    return fill_recipients(recipients_out, text, NULL, 0, count_max);
}

void mm_message_recipients_fini(struct mm_message_recipients *recipients)
{
    for (size_t i = 0; i < recipients->count; i++) {
        struct mm_message_words *words = recipients->items[i].words;

        while (words != NULL) {
            struct mm_message_words *former = words->former;

            mm_free(words);
            words = former;
        }
        mm_free(recipients->items[i].original_recipient);
        mm_free(recipients->items[i].path);
    }
    mm_free(recipients->items);
    *recipients = (struct mm_message_recipients){.items = NULL};
}

static enum mailmod_error check_relay(const struct mailmod_envelope *envelope)
{
    if (envelope->relay_host == NULL || envelope->relay_host[0] == '\0') {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "relay_host: there is none");
    }
    if (envelope->relay_port < 0 || envelope->relay_port > 65535) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "relay_port: %d is no port",
                       envelope->relay_port);
    }
    if ((unsigned)envelope->relay_tls > MAILMOD_RELAY_TLS_IMPLICIT) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "relay_tls: %d is no such value",
                       (int)envelope->relay_tls);
    }
    if (envelope->relay_user == NULL || envelope->relay_user[0] == '\0') {
        return envelope->relay_token_account == NULL
                   ? MAILMOD_OK
                   : mm_fail(MAILMOD_ERROR_ARGUMENT,
                             "relay_user: a token is nobody's without it");
    }
    if (strlen(envelope->relay_user) > MM_LIMIT_USER_NAME) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "relay_user: it is too long");
    }
    if (envelope->relay_token_account != NULL) {
        return strlen(envelope->relay_token_account) < MM_STORE_FETCH_NAME_MAX
                   ? MAILMOD_OK
                   : mm_fail(MAILMOD_ERROR_ARGUMENT,
                             "relay_token_account: it is too long");
    }
    if (envelope->relay_password == NULL ||
        strlen(envelope->relay_password) > MM_LIMIT_PASSWORD) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "relay_password: it is missing or too long");
    }
    return MAILMOD_OK;
}

static enum mailmod_error take_relay(struct mm_message_relay *relay,
                                     const struct mailmod_envelope *envelope)
{
    bool has_user =
        envelope->relay_user != NULL && envelope->relay_user[0] != '\0';
    enum mailmod_error error = check_relay(envelope);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_host host;
    if (!mm_host_parse(mm_span_cstr(envelope->relay_host), &host)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "relay_host: \"%.*s\" is neither a name nor an address",
                       SHOWN_MAX, envelope->relay_host);
    }
    relay->host = mm_strdup(host.text);
    relay->user = mm_strdup(has_user ? envelope->relay_user : "");
    bool has_token = envelope->relay_token_account != NULL;
    relay->token_account =
        has_token ? mm_strdup(envelope->relay_token_account) : NULL;
    relay->password =
        mm_strdup(has_user && !has_token ? envelope->relay_password : "");
    bool is_implicit = envelope->relay_tls == MAILMOD_RELAY_TLS_IMPLICIT;
    relay->port = envelope->relay_port != 0 ? (unsigned)envelope->relay_port
                  : is_implicit             ? MM_PORT_SUBMISSIONS
                                            : PORT_SMTP;
    relay->tls = envelope->relay_tls;
    return relay->host != NULL && relay->user != NULL &&
                   relay->password != NULL &&
                   has_token == (relay->token_account != NULL)
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
}

void mm_message_relay_fini(struct mm_message_relay *relay)
{
    if (relay->password != NULL) {
        mm_secret_clear(relay->password, strlen(relay->password));
    }
    mm_free(relay->password);
    mm_free(relay->token_account);
    mm_free(relay->user);
    mm_free(relay->host);
    *relay = (struct mm_message_relay){.host = NULL};
}

static bool is_smarthost(const struct mm_message_relay *relay,
                         const struct mm_config *config)
{
    struct mm_host host;
    return relay->user[0] == '\0' && config->smarthost.host[0] != '\0' &&
           relay->port == config->smarthost.port &&
           mm_host_parse(mm_span_cstr(config->smarthost.host), &host) &&
           strcmp(relay->host, host.text) == 0;
}

void mm_message_relay(const mailmod_message *message,
                      struct mm_relay *relay_out)
{
    const struct mm_message_relay *relay = &message->relay;

    *relay_out = (struct mm_relay){.host = NULL};
    if (relay->host == NULL) {
        return; /* the recipients' own hosts */
    }
    if (is_smarthost(relay, message->config)) {
        mm_relay_smarthost(message->config, relay_out);
        return;
    }
    relay_out->host = relay->host;
    relay_out->port = relay->port;
    relay_out->user = relay->user;
    relay_out->password = relay->password;
    relay_out->has_token = relay->token_account != NULL;
    relay_out->account = relay->token_account;
    mm_relay_set_tls(relay_out, relay->tls);
}

static enum mailmod_error take_reverse_path(mailmod_message *message,
                                            const char *text)
{
    struct mm_span span = mm_span_trim(mm_span_cstr(text));
    struct mm_address address;

    if (mm_address_parse(span, true, true, &address) != MAILMOD_OK) {
        return fail_address("reverse_path", span);
    }
    (void)mm_span_copy(mm_span_cstr(address.text), message->reverse_path,
                       sizeof message->reverse_path);
    message->is_smtputf8 = address.needs_smtputf8;
    return MAILMOD_OK;
}

static enum mailmod_error
check_envelope(const struct mailmod_envelope *envelope)
{
    if ((unsigned)envelope->mode > MAILMOD_SEND_RELAY) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "mode: %d is no such value",
                       (int)envelope->mode);
    }
    if ((envelope->recipients == NULL) == (envelope->recipient_list == NULL)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       envelope->recipients == NULL
                           ? "recipients: NULL"
                           : "recipients and recipient_list: one of both");
    }
    return MAILMOD_OK;
}

enum mailmod_error
mm_message_take_envelope(mailmod_message *message,
                         const struct mailmod_envelope *envelope)
{
    enum mailmod_error error = check_envelope(envelope);

    if (error != MAILMOD_OK) {
        return error;
    }
    message->mode = envelope->mode;
    message->on_progress = envelope->on_progress;
    message->context = envelope->context;
    message->shown_context = envelope->context;
    message->release =
        (struct mm_context){envelope->context, envelope->on_release};
    error = take_reverse_path(message, envelope->reverse_path);
    if (error == MAILMOD_OK) {
        error =
            fill_recipients(&message->recipients, envelope->recipients,
                            envelope->recipient_list, envelope->recipient_count,
                            message->config->smtp.recipients_max);
    }
    if (error == MAILMOD_OK) {
        error = mm_message_take_dsn(message, envelope);
    }
    if (error == MAILMOD_OK && envelope->mode == MAILMOD_SEND_RELAY) {
        error = take_relay(&message->relay, envelope);
    }
    message->is_smtputf8 =
        message->is_smtputf8 || message->recipients.needs_smtputf8;
    return error;
}
