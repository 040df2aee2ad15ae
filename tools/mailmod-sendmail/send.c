/* send.c - one message from standard input into the queue.
 *
 * Owns the message and its recipients. Promises: 0 means that the message is
 * on disk for every recipient; a recipient who is nobody here is named, with
 * the reply that a server would give, and the others have the message all the
 * same; whoever is not trusted and names another sender is named in the header,
 * as sendmail does it. */
#include "message.h"
#include "sendmail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define NAME_MAX_SIZE 600

struct sending {
    const struct sendmail *sendmail;
    struct message message;
    char sender[SENDMAIL_ADDRESS_MAX]; /* "": the null path */
    char login[SENDMAIL_ADDRESS_MAX];  /* the caller's own address */
    struct addresses words;            /* recipients of the command line */
    struct mailmod_recipient *recipients;
    size_t recipient_count;
    struct mailmod_header_field fields[2];
    size_t field_count;
    char from[NAME_MAX_SIZE + SENDMAIL_ADDRESS_MAX + 8];
    char warning[2 * SENDMAIL_ADDRESS_MAX + 400];
    int code;
};

/* 50M and the like, powers of 1024; 0: none. */
static size_t size_max_of(mailmod *instance)
{
    static const char units[] = "KMGT";
    char text[64];
    char *end;

    if (mailmod_config_get(instance, "smtp.message_size_max", text,
                           sizeof text) != MAILMOD_OK) {
        return 0;
    }
    unsigned long long size = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    size = unit != NULL ? size << (10 * (unit - units + 1)) : size;
    return size < (size_t)-1 / 4 ? (size_t)size : 0;
}

static int take_message(struct sending *sending)
{
    const struct sendmail *sendmail = sending->sendmail;
    const struct message_options options = {
        .domain = sendmail->domain,
        .takes_recipients = sendmail->options->takes_recipients,
        .ignores_dots = sendmail->options->ignores_dots,
        .size_max = size_max_of(sendmail->instance)};

    switch (message_take(&sending->message, stdin, &options)) {
    case MESSAGE_OK:
        return EX_OK;
    case MESSAGE_MEMORY:
        return sendmail_trouble(EX_OSERR, "out of memory");
    case MESSAGE_INPUT:
        return sendmail_trouble(EX_IOERR, strerror(errno));
    case MESSAGE_TOO_LARGE:
        break;
    }
    return sendmail_trouble(EX_DATAERR, "the message is larger than "
                                        "smtp.message_size_max");
}

/* -f: one address, in any of the forms of a header, or none. */
static int take_sender(struct sending *sending)
{
    const struct sendmail *sendmail = sending->sendmail;
    const char *text = sendmail->options->sender;
    struct addresses found = {.count = 0};

    snprintf(sending->login, sizeof sending->login, "%s@%s",
             sendmail->caller->name, sendmail->domain);
    if (text == NULL) {
        memcpy(sending->sender, sending->login, sizeof sending->login);
        return EX_OK;
    }
    if (addresses_read(text, strlen(text), sendmail->domain, NULL, &found) !=
        0) {
        return sendmail_trouble(EX_OSERR, "out of memory");
    }
    int code = EX_OK;
    if (found.count > 1 || found.texts.size > sizeof sending->sender) {
        code = sendmail_trouble(EX_DATAERR, "-f is one address");
    } else if (found.count == 1) {
        memcpy(sending->sender, found.texts.octets, found.texts.size);
    }
    text_free(&found.texts);
    return code;
}

static void add_recipients(struct sending *sending,
                           const struct addresses *addresses)
{
    const char *at = addresses->texts.octets;

    for (size_t i = 0; i < addresses->count; i++) {
        sending->recipients[sending->recipient_count] =
            (struct mailmod_recipient){.size = sizeof(struct mailmod_recipient),
                                       .address = at};
        sending->recipient_count++;
        at += strlen(at) + 1;
    }
}

static int take_recipients(struct sending *sending)
{
    const struct options *options = sending->sendmail->options;

    for (int i = 0; i < options->word_count; i++) {
        const char *word = options->words[i];
        if (addresses_read(word, strlen(word), sending->sendmail->domain, NULL,
                           &sending->words) != 0) {
            return sendmail_trouble(EX_OSERR, "out of memory");
        }
    }
    size_t count = sending->words.count + sending->message.recipients.count;
    if (count == 0) {
        return sendmail_trouble(EX_USAGE, options->takes_recipients
                                              ? "the message names no recipient"
                                              : "no recipient is named");
    }
    sending->recipients = calloc(count, sizeof *sending->recipients);
    if (sending->recipients == NULL) {
        return sendmail_trouble(EX_OSERR, "out of memory");
    }
    add_recipients(sending, &sending->words);
    add_recipients(sending, &sending->message.recipients);
    return EX_OK;
}

/* A full name as a phrase (RFC 5322 3.2.5). Other letters than ASCII are
 * encoded by the library, as words; inside quotation marks they could not be:
 * there what would need the marks becomes a blank. */
static void write_phrase(char *out, size_t size, const char *name)
{
    static const char specials[] = "()<>[]:;@\\,.\"";
    int is_ascii = 1;
    size_t at = 0;

    for (const char *c = name; *c != '\0'; c++) {
        is_ascii = is_ascii && (unsigned char)*c < 128;
    }
    int quotes = is_ascii && name[strcspn(name, specials)] != '\0';
    if (quotes) {
        out[at++] = '"';
    }
    for (const char *c = name; *c != '\0' && at + 4 < size; c++) {
        int is_control = (unsigned char)*c < 32 || *c == 127;
        int is_special = strchr(specials, *c) != NULL;
        if (quotes && (*c == '"' || *c == '\\')) {
            out[at++] = '\\';
        }
        out[at++] = is_control || (is_special && !quotes) ? ' ' : *c;
    }
    if (quotes) {
        out[at++] = '"';
    }
    out[at] = '\0';
}

static void add_field(struct sending *sending, const char *name,
                      const char *value)
{
    sending->fields[sending->field_count] = (struct mailmod_header_field){
        .size = sizeof(struct mailmod_header_field),
        .name = name,
        .value = value};
    sending->field_count++;
}

/* From with the full name, where the message has none; and who it was that
 * named another sender. */
static void take_fields(struct sending *sending)
{
    const struct sendmail *sendmail = sending->sendmail;
    const struct caller *caller = sendmail->caller;
    const char *name = sendmail->options->full_name != NULL
                           ? sendmail->options->full_name
                           : caller->full_name;
    const char *address =
        sending->sender[0] != '\0' ? sending->sender : sending->login;
    char phrase[NAME_MAX_SIZE];

    if (!sending->message.has_from) {
        write_phrase(phrase, sizeof phrase, name);
        snprintf(sending->from, sizeof sending->from,
                 phrase[0] != '\0' ? "%s <%s>" : "%s%s", phrase, address);
        add_field(sending, "From", sending->from);
    }
    if (!caller->is_trusted && sendmail->options->sender != NULL &&
        strcmp(sending->sender, sending->login) != 0) {
        snprintf(sending->warning, sizeof sending->warning,
                 "%s: %s set sender to <%s> using -f", sendmail->domain,
                 caller->name, sending->sender);
        add_field(sending, "X-Authentication-Warning", sending->warning);
    }
}

/* What a server would have said at RCPT. */
static void on_result(void *context, const char *message,
                      const struct mailmod_result *result)
{
    struct sending *sending = context;

    if (sending->sendmail->options->is_verbose) {
        printf("%s: <%s> %s\n", message, result->recipient,
               result->outcome == MAILMOD_DELIVERED ? "delivered"
               : result->outcome == MAILMOD_FAILED  ? "refused"
                                                    : "queued");
    }
    if (result->outcome == MAILMOD_FAILED) {
        fprintf(stderr, "mailmod-sendmail: <%s>: %d %s %s\n", result->recipient,
                result->code, result->enhanced, result->text);
        sending->code = strncmp(result->enhanced, "5.1.", 4) == 0
                            ? EX_NOUSER
                            : EX_UNAVAILABLE;
    }
}

static int put(struct sending *sending)
{
    const struct sendmail *sendmail = sending->sendmail;
    const struct options *options = sendmail->options;
    const struct mailmod_envelope envelope = {
        .size = sizeof envelope,
        .mode = MAILMOD_SEND_QUEUE,
        .reverse_path = sending->sender,
        .recipient_list = sending->recipients,
        .recipient_count = sending->recipient_count,
        .dsn_notify = options->notify,
        .dsn_return = (enum mailmod_dsn_return)options->returns,
        .dsn_envelope_id = options->envelope_id,
        .header_list = sending->fields,
        .header_count = sending->field_count};

    enum mailmod_error error =
        mailmod_queue_put(sendmail->instance, &envelope, message_read,
                          &sending->message, on_result, sending);
    return error == MAILMOD_OK ? sending->code
                               : sendmail_failure("not sent", error);
}

/* One a process. */
static struct sending sending;

int sendmail_read(const struct sendmail *sendmail)
{
    sending.sendmail = sendmail;
    int code = take_sender(&sending);
    if (code == EX_OK) {
        code = take_message(&sending);
    }
    return code == EX_OK ? take_recipients(&sending) : code;
}

int sendmail_send(const struct sendmail *sendmail)
{
    sending.sendmail = sendmail;
    take_fields(&sending);
    int code = put(&sending);
    message_free(&sending.message);
    text_free(&sending.words.texts);
    free(sending.recipients);
    return code;
}
