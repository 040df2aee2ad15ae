/* parameters.c - the parameters of MAIL and RCPT.
 *
 *     esmtp-param   = esmtp-keyword ["=" esmtp-value]
 *     esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *     esmtp-value   = 1*(%d33-60 / %d62-126)
 *
 * Owns the two tables: a row reads a parameter and writes it. Promises: each
 * keyword at most once; what is read holds no control character; what is
 * written is ASCII and reads back to the same values.
 * Thread: any. RFC 5321 4.1.2, 4.1.1.11; RFC 6531 3.3 widens the value by
 * UTF-8. */
#include "wire/smtp/parameters.h"

#include "wire/msg/message.h"

#include <string.h>

#define VALUE_MAX MM_LIMIT_SMTP_COMMAND

/* A row of a table. `take` reads a value into the parameters: SYNTAX, MEMORY.
 * `write` writes "=value", or nothing when there is none. */
struct parameter {
    const char *keyword;
    bool has_value;
    enum mailmod_error (*take)(void *parameters, struct mm_span value);
    bool (*is_set)(const void *parameters);
    void (*write)(struct mm_buf *out, const void *parameters);
};

static enum mailmod_error good_if(bool is_good)
{
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX;
}

/* Decoded text, with a NUL: SYNTAX when it is none or too long. */
static enum mailmod_error
take_text(enum mailmod_error (*decode)(struct mm_buf *out, struct mm_span text),
          struct mm_span value, char *text_out, size_t size)
{
    struct mm_buf text;
    mm_buf_init(&text, VALUE_MAX);
    enum mailmod_error error = decode(&text, value);
    if (error == MAILMOD_OK &&
        !mm_span_copy(mm_buf_span(&text), text_out, size)) {
        error = MAILMOD_ERROR_SYNTAX;
    }
    mm_buf_fini(&text);
    return error;
}

/* RFC 1870 4:  size-value ::= 1*20DIGIT. A number that is larger than any is
 * no wrong number: it is too large. */
static enum mailmod_error take_size(void *parameters, struct mm_span value)
{
    struct mm_mail_parameters *mail = parameters;
    return good_if(mm_span_to_u64_capped(value, &mail->size) &&
                   (value.size <= 20 || mail->size == UINT64_MAX));
}

static bool has_size(const void *parameters)
{
    return ((const struct mm_mail_parameters *)parameters)->size > 0;
}

static void write_size(struct mm_buf *out, const void *parameters)
{
    mm_buf_append_char(out, '=');
    mm_buf_append_u64(out,
                      ((const struct mm_mail_parameters *)parameters)->size);
}

/* RFC 6152 2, RFC 3030 3 */
static enum mailmod_error take_body(void *parameters, struct mm_span value)
{
    struct mm_mail_parameters *mail = parameters;
    mail->is_8bit = mm_span_is_nocase(value, "8BITMIME");
    mail->is_binary = mm_span_is_nocase(value, "BINARYMIME");
    return good_if(mail->is_8bit || mail->is_binary ||
                   mm_span_is_nocase(value, "7BIT"));
}

static bool has_body(const void *parameters)
{
    const struct mm_mail_parameters *mail = parameters;
    return mail->is_8bit || mail->is_binary;
}

static void write_body(struct mm_buf *out, const void *parameters)
{
    const struct mm_mail_parameters *mail = parameters;
    mm_buf_append_cstr(out, mail->is_binary ? "=BINARYMIME" : "=8BITMIME");
}

static enum mailmod_error take_smtputf8(void *parameters, struct mm_span value)
{
    (void)value; /* has_value is false: there is none */
    ((struct mm_mail_parameters *)parameters)->is_smtputf8 = true;
    return MAILMOD_OK;
}

static bool has_smtputf8(const void *parameters)
{
    return ((const struct mm_mail_parameters *)parameters)->is_smtputf8;
}

static void write_nothing(struct mm_buf *out, const void *parameters)
{
    (void)out;
    (void)parameters;
}

/* A word and its bit or value. */
struct word {
    const char *word;
    unsigned value;
};

/* RFC 3461 4.3:  ret-value = "FULL" / "HDRS" */
static const struct word returns[] = {
    {"FULL", MM_DSN_RETURN_FULL},
    {"HDRS", MM_DSN_RETURN_HEADERS},
    {NULL, 0},
};

/* RFC 3461 4.1 */
static const struct word notifies[] = {
    {"NEVER", MM_DSN_NOTIFY_NEVER},
    {"SUCCESS", MM_DSN_NOTIFY_SUCCESS},
    {"FAILURE", MM_DSN_NOTIFY_FAILURE},
    {"DELAY", MM_DSN_NOTIFY_DELAY},
    {NULL, 0},
};

static unsigned find_word(const struct word *words, struct mm_span text)
{
    while (words->word != NULL && !mm_span_is_nocase(text, words->word)) {
        words++;
    }
    return words->value; /* 0: none of them */
}

static enum mailmod_error take_ret(void *parameters, struct mm_span value)
{
    struct mm_mail_parameters *mail = parameters;
    mail->dsn_return = (enum mm_dsn_return)find_word(returns, value);
    return good_if(mail->dsn_return != MM_DSN_RETURN_UNSET);
}

static bool has_ret(const void *parameters)
{
    const struct mm_mail_parameters *mail = parameters;
    return mail->dsn_return != MM_DSN_RETURN_UNSET;
}

static void write_ret(struct mm_buf *out, const void *parameters)
{
    const struct mm_mail_parameters *mail = parameters;
    mm_buf_append_cstr(out, mail->dsn_return == MM_DSN_RETURN_FULL ? "=FULL"
                                                                   : "=HDRS");
}

/* RFC 3461 4.4: printable, at most 100 octets, before they are encoded. */
static enum mailmod_error take_envid(void *parameters, struct mm_span value)
{
    struct mm_mail_parameters *mail = parameters;
    return take_text(mm_xtext_decode, value, mail->envelope_id,
                     sizeof mail->envelope_id);
}

static bool has_envid(const void *parameters)
{
    const struct mm_mail_parameters *mail = parameters;
    return mail->envelope_id[0] != '\0';
}

static void write_envid(struct mm_buf *out, const void *parameters)
{
    const struct mm_mail_parameters *mail = parameters;
    mm_buf_append_char(out, '=');
    (void)mm_xtext_encode(out, mm_span_cstr(mail->envelope_id));
}

/* RFC 4954 5: checked and then ignored; whom we trust is not the client's to
 * say. */
static enum mailmod_error take_auth(void *parameters, struct mm_span value)
{
    char mailbox[VALUE_MAX];
    (void)parameters;
    return take_text(mm_xtext_decode, value, mailbox, sizeof mailbox);
}

static bool is_never(const void *parameters)
{
    (void)parameters;
    return false;
}

static const struct parameter mail_parameters[] = {
    {"SIZE", true, take_size, has_size, write_size},
    {"BODY", true, take_body, has_body, write_body},
    {"SMTPUTF8", false, take_smtputf8, has_smtputf8, write_nothing},
    {"RET", true, take_ret, has_ret, write_ret},
    {"ENVID", true, take_envid, has_envid, write_envid},
    {"AUTH", true, take_auth, is_never, write_nothing},
};

/* RFC 3461 4.1:  "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" ) */
static enum mailmod_error take_notify(void *parameters, struct mm_span value)
{
    struct mm_rcpt_parameters *rcpt = parameters;
    bool has_more = true;
    while (has_more) {
        struct mm_span word;
        struct mm_span rest = mm_span(NULL, 0);
        has_more = mm_span_cut(value, ',', &word, &rest);
        unsigned bit = find_word(notifies, word);
        if (bit == 0) {
            return MAILMOD_ERROR_SYNTAX;
        }
        rcpt->notify |= bit;
        value = rest;
    }
    return good_if((rcpt->notify & MM_DSN_NOTIFY_NEVER) == 0 ||
                   rcpt->notify == MM_DSN_NOTIFY_NEVER);
}

static bool has_notify(const void *parameters)
{
    return ((const struct mm_rcpt_parameters *)parameters)->notify != 0;
}

static void write_notify(struct mm_buf *out, const void *parameters)
{
    const struct mm_rcpt_parameters *rcpt = parameters;
    char before = '=';
    for (const struct word *w = notifies; w->word != NULL; w++) {
        if ((rcpt->notify & w->value) != 0) {
            mm_buf_append_char(out, before);
            mm_buf_append_cstr(out, w->word);
            before = ',';
        }
    }
}

/* addr-type = atom */
static bool is_type(struct mm_span type)
{
    for (size_t i = 0; i < type.size; i++) {
        int c = (unsigned char)type.data[i];
        if (!mm_ascii_is_alnum(c) && c != '-') {
            return false;
        }
    }
    return type.size > 0 && type.size <= 40;
}

/* RFC 3461 4.2:  original-recipient-address = addr-type ";" xtext
 * RFC 6533 3:    utf-8-type-addr = "utf-8;" utf-8-enc-addr */
static enum mailmod_error take_orcpt(void *parameters, struct mm_span value)
{
    struct mm_rcpt_parameters *rcpt = parameters;
    struct mm_span type;
    struct mm_span address;
    if (!mm_span_cut(value, ';', &type, &address) || !is_type(type) ||
        address.size == 0) {
        return MAILMOD_ERROR_SYNTAX;
    }
    char *text = rcpt->original_recipient;
    memcpy(text, type.data, type.size);
    text[type.size] = ';';
    size_t used = type.size + 1;
    return take_text(mm_span_is_nocase(type, "utf-8") ? mm_utf8_xtext_decode
                                                      : mm_xtext_decode,
                     address, text + used,
                     sizeof rcpt->original_recipient - used);
}

static bool has_orcpt(const void *parameters)
{
    const struct mm_rcpt_parameters *rcpt = parameters;
    return strchr(rcpt->original_recipient, ';') != NULL;
}

static void write_orcpt(struct mm_buf *out, const void *parameters)
{
    const struct mm_rcpt_parameters *rcpt = parameters;
    struct mm_span type;
    struct mm_span address;
    (void)mm_span_cut(mm_span_cstr(rcpt->original_recipient), ';', &type,
                      &address);
    mm_buf_append_char(out, '=');
    mm_buf_append_span(out, type);
    mm_buf_append_char(out, ';');
    (void)(mm_span_is_nocase(type, "utf-8") ? mm_utf8_xtext_encode(out, address)
                                            : mm_xtext_encode(out, address));
}

static const struct parameter rcpt_parameters[] = {
    {"NOTIFY", true, take_notify, has_notify, write_notify},
    {"ORCPT", true, take_orcpt, has_orcpt, write_orcpt},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool is_keyword(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.data[i];
        if (!mm_ascii_is_alnum(c) && (c != '-' || i == 0)) {
            return false;
        }
    }
    return text.size > 0;
}

static bool is_value(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.data[i];
        if (c <= 32 || c == '=' || c == 127) {
            return false;
        }
    }
    return text.size > 0 && mm_span_is_utf8(text);
}

bool mm_parameter_cut(struct mm_span *text, struct mm_parameter *parameter_out)
{
    struct mm_span one;
    if (text->size == 0 || text->data[0] != ' ') {
        return false;
    }
    *text = mm_span_trim(*text);
    size_t size = text->size;
    (void)mm_span_cut(*text, ' ', &one, text);
    /* The blank before the next one stays. */
    *text = mm_span(one.data + one.size, size - one.size);
    parameter_out->value = mm_span(NULL, 0);
    parameter_out->has_value =
        mm_span_cut(one, '=', &parameter_out->keyword, &parameter_out->value);
    return is_keyword(parameter_out->keyword) &&
           (!parameter_out->has_value || is_value(parameter_out->value));
}

/* One parameter; `seen` has a bit a row. */
static const struct mm_reply *take(const struct parameter *table, size_t count,
                                   const struct mm_parameter *given,
                                   unsigned *seen, void *parameters)
{
    for (size_t i = 0; i < count; i++) {
        if (!mm_span_is_nocase(given->keyword, table[i].keyword)) {
            continue;
        }
        if ((*seen & (1U << i)) != 0 ||
            given->has_value != table[i].has_value) {
            return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
        }
        *seen |= 1U << i;
        enum mailmod_error error = table[i].take(parameters, given->value);
        return error == MAILMOD_OK ? NULL
                                   : mm_reply_get(error == MAILMOD_ERROR_MEMORY
                                                      ? MM_REPLY_LOCAL_ERROR
                                                      : MM_REPLY_BAD_ARGUMENTS);
    }
    return mm_reply_get(MM_REPLY_BAD_PARAMETER);
}

static const struct mm_reply *parse(const struct parameter *table, size_t count,
                                    struct mm_span text, void *parameters)
{
    const struct mm_reply *refusal = NULL;
    unsigned seen = 0;
    while (text.size > 0 && text.data[text.size - 1] == ' ') {
        text.size--;
    }
    while (refusal == NULL && text.size > 0) {
        struct mm_parameter given;
        refusal = mm_parameter_cut(&text, &given)
                      ? take(table, count, &given, &seen, parameters)
                      : mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    return refusal;
}

const struct mm_reply *
mm_mail_parameters_parse(struct mm_span text,
                         struct mm_mail_parameters *mail_out)
{
    *mail_out = (struct mm_mail_parameters){.size = 0};
    return parse(mail_parameters, COUNT(mail_parameters), text, mail_out);
}

const struct mm_reply *
mm_rcpt_parameters_parse(struct mm_span text,
                         struct mm_rcpt_parameters *rcpt_out)
{
    *rcpt_out = (struct mm_rcpt_parameters){.notify = 0};
    return parse(rcpt_parameters, COUNT(rcpt_parameters), text, rcpt_out);
}

static void write(struct mm_buf *out, const struct parameter *table,
                  size_t count, const void *parameters)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].is_set(parameters)) {
            mm_buf_append_char(out, ' ');
            mm_buf_append_cstr(out, table[i].keyword);
            table[i].write(out, parameters);
        }
    }
}

void mm_mail_parameters_write(struct mm_buf *out,
                              const struct mm_mail_parameters *mail)
{
    write(out, mail_parameters, COUNT(mail_parameters), mail);
}

void mm_rcpt_parameters_write(struct mm_buf *out,
                              const struct mm_rcpt_parameters *rcpt)
{
    write(out, rcpt_parameters, COUNT(rcpt_parameters), rcpt);
}
