/* header.c - header fields that a program sets beside the text of a message.
 *
 * What follows a field's name is of a type that the name decides, in one table
 * (libESMTP's). Which fields may be set, and what goes out where the text has
 * them too, is decided by mailmod/client.h. Bcc is taken and never goes out.
 * Thread: the session's. RFC 5322 3.6. */
#include "esmtp/esmtp.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#define VALUE_MAX 65536

enum kind { TEXT, DATE, MAILBOX, HIDDEN };

static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {
    {"Date", DATE},      {"From", MAILBOX},
    {"Sender", MAILBOX}, {"Reply-To", MAILBOX},
    {"To", MAILBOX},     {"Cc", MAILBOX},
    {"Bcc", HIDDEN},     {"Disposition-Notification-To", MAILBOX},
};

static enum kind kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (mm_esmtp_is_name(name, kinds[i].name)) {
            return kinds[i].kind;
        }
    }
    return TEXT;
}

/* Without one: the present time, as it is made anyway. */
static int set_date(smtp_message_t message, const time_t *value)
{
    return value == NULL ? 1
                         : mm_esmtp_result(mailmod_client_message_set_date(
                               message->inner, (int64_t)*value * 1000, 0));
}

/* From without a mailbox is the reverse-path, which is made anyway; a receipt
 * goes to the reverse-path too. */
static int set_mailbox(smtp_message_t message, const char *name,
                       const char *phrase, const char *mailbox)
{
    if (mailbox == NULL && mm_esmtp_is_name(name, "From")) {
        return 1;
    }
    if (mailbox == NULL &&
        mm_esmtp_is_name(name, "Disposition-Notification-To")) {
        mailbox = message->reverse_path;
    }
    return mm_esmtp_result(mailmod_client_message_add_mailbox(
        message->inner, name, phrase, mailbox));
}

/* Lines that a program has folded become one: it is folded anew. */
static void unfold(char *text)
{
    char *out = text;

    for (const char *in = text; *in != '\0'; in++) {
        bool is_fold =
            (*in == '\r' && in[1] == '\n' && (in[2] == ' ' || in[2] == '\t')) ||
            (*in == '\n' && (in[1] == ' ' || in[1] == '\t'));
        if (!is_fold) {
            *out++ = *in;
        } else if (*in == '\r') {
            in++;
        }
    }
    *out = '\0';
}

/* A Message-Id without a value is made anyway. */
static int set_text(smtp_message_t message, const char *name, const char *value)
{
    if (value == NULL) {
        return mm_esmtp_is_name(name, "Message-Id")
                   ? 1
                   : mm_esmtp_fail(SMTP_ERR_INVAL, "the field has no value");
    }
    if (strlen(value) > VALUE_MAX) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, "the value is too long");
    }
    char *unfolded = mm_esmtp_copy(value);
    if (unfolded == NULL) {
        return 0;
    }
    unfold(unfolded);
    int is_set = mm_esmtp_result(
        mailmod_client_message_set_header(message->inner, name, unfolded));
    mm_esmtp_free(unfolded);
    return is_set;
}

static int set(smtp_message_t message, const char *name, va_list values)
{
    switch (kind_of(name)) {
    case DATE:
        return set_date(message, va_arg(values, const time_t *));
    case MAILBOX: {
        const char *phrase = va_arg(values, const char *);
        const char *mailbox = va_arg(values, const char *);
        return set_mailbox(message, name, phrase, mailbox);
    }
    case HIDDEN:
        return 1;
    case TEXT:
        break;
    }
    return set_text(message, name, va_arg(values, const char *));
}

int smtp_set_header(smtp_message_t message, const char *header, ...)
{
    va_list values;

    if (message == NULL || header == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    va_start(values, header);
    int is_set = set(message, header, values);
    va_end(values);
    return is_set;
}

int smtp_set_header_option(smtp_message_t message, const char *header,
                           enum header_option option, ...)
{
    va_list values;

    if (message == NULL || header == NULL || (unsigned)option > Hdr_PROHIBIT) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    va_start(values, option);
    int is_on = va_arg(values, int);
    va_end(values);
    if (kind_of(header) == HIDDEN) {
        return 1;
    }
    return mm_esmtp_result(mailmod_client_message_set_header_option(
        message->inner, header,
        option == Hdr_OVERRIDE ? MAILMOD_HEADER_OVERRIDE
                               : MAILMOD_HEADER_PROHIBIT,
        is_on));
}

int smtp_set_resent_headers(smtp_message_t message, int onoff)
{
    return message != NULL && !onoff ? 1 : mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
}
