/* header.c - header fields that the host sets for a client's message.
 *
 * Owns nothing: the rules and the set are wire/msg's. Promises: what cannot go
 * out is refused where it is set, in words that name the field.
 * Thread: the host's, one at a time. RFC 5322 3.6. */
#include "api/client/client.h"

#include "api/handles.h"
#include "api/instance.h"

#include "base/datetime.h"

#define SHOWN_MAX 80

_Static_assert((int)MAILMOD_HEADER_OVERRIDE == (int)MM_HEADER_OVERRIDES &&
                   (int)MAILMOD_HEADER_PROHIBIT == (int)MM_HEADER_PROHIBITS,
               "the public bits are those of header_rules.h");

static enum mailmod_error fail_mistake(enum mm_header_mistake mistake,
                                       const char *name)
{
    static const struct {
        enum mailmod_error error;
        const char *words;
    } table[] = {
        [MM_HEADER_SET_NAME] = {MAILMOD_ERROR_ARGUMENT,
                                "a name is 1 to 76 printable ASCII characters "
                                "without blanks and colon"},
        [MM_HEADER_SET_KEPT] = {MAILMOD_ERROR_ARGUMENT,
                                "the text alone has such fields"},
        [MM_HEADER_SET_NEVER] = {MAILMOD_ERROR_ARGUMENT,
                                 "such a field does not go out"},
        [MM_HEADER_SET_REQUIRED] = {MAILMOD_ERROR_ARGUMENT,
                                    "no message is without it"},
        [MM_HEADER_SET_KIND] = {MAILMOD_ERROR_ARGUMENT,
                                "it takes no mailboxes"},
        [MM_HEADER_SET_TWICE] = {MAILMOD_ERROR_EXISTS,
                                 "it has one mailbox, and is set"},
        [MM_HEADER_SET_VALUE] = {MAILMOD_ERROR_ARGUMENT,
                                 "the value is not UTF-8, has line ends or "
                                 "other controls, or is no mailbox"},
        [MM_HEADER_SET_ADDRESS] = {MAILMOD_ERROR_ARGUMENT,
                                   "an address in it has other letters than "
                                   "ASCII"},
        [MM_HEADER_SET_LONG] = {MAILMOD_ERROR_ARGUMENT,
                                "a word of it is longer than a line may be, "
                                "or it is longer than 64 KiB"},
        [MM_HEADER_SET_FULL] = {MAILMOD_ERROR_LIMIT,
                                "so many fields are set already"},
        [MM_HEADER_SET_MEMORY] = {MAILMOD_ERROR_MEMORY, "out of memory"}};

    return mistake == MM_HEADER_SET_OK
               ? MAILMOD_OK
               : mm_fail(table[mistake].error, "%.*s: %s", SHOWN_MAX, name,
                         table[mistake].words);
}

static enum mailmod_error begin(mailmod_client_message *message,
                                const char *name, const void *value,
                                const char *what)
{
    enum mailmod_error error = mm_client_message_begin(message);

    if (error == MAILMOD_OK && (name == NULL || value == NULL)) {
        mm_handle_let(message);
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: NULL",
                        name == NULL ? "name" : what);
    }
    return error;
}

enum mailmod_error
mailmod_client_message_set_header(mailmod_client_message *message,
                                  const char *name, const char *value)
{
    enum mailmod_error error = begin(message, name, value, "value");

    if (error != MAILMOD_OK) {
        return error;
    }
    error =
        fail_mistake(mm_header_set_text(&message->header, name, value), name);
    mm_handle_let(message);
    return error;
}

enum mailmod_error
mailmod_client_message_add_mailbox(mailmod_client_message *message,
                                   const char *name, const char *phrase,
                                   const char *mailbox)
{
    bool names_recipients = phrase == NULL && mailbox == NULL;
    enum mailmod_error error =
        begin(message, name, names_recipients ? "" : (const void *)mailbox,
              "mailbox");

    if (error != MAILMOD_OK) {
        return error;
    }
    error = fail_mistake(
        names_recipients ? mm_header_set_name_recipients(&message->header, name)
                         : mm_header_set_add_mailbox(&message->header, name,
                                                     phrase, mailbox),
        name);
    mm_handle_let(message);
    return error;
}

enum mailmod_error
mailmod_client_message_set_date(mailmod_client_message *message,
                                int64_t time_ms, int zone_minutes)
{
    struct mm_buf text;
    enum mailmod_error error = mm_client_message_begin(message);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_buf_init(&text, 64);
    error = mm_datetime_rfc5322_in(&text, time_ms, zone_minutes);
    const char *value = error == MAILMOD_OK ? mm_buf_cstr(&text) : NULL;
    if (error != MAILMOD_OK) {
        error = mm_fail(error, "zone_minutes: %d is no zone", zone_minutes);
    } else if (value == NULL) {
        error = mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    } else {
        error = fail_mistake(
            mm_header_set_text(&message->header, "Date", value), "Date");
    }
    mm_buf_fini(&text);
    mm_handle_let(message);
    return error;
}

enum mailmod_error mailmod_client_message_set_header_option(
    mailmod_client_message *message, const char *name,
    enum mailmod_header_option option, int is_on)
{
    enum mailmod_error error = begin(message, name, "", "");

    if (error != MAILMOD_OK) {
        return error;
    }
    if (option != MAILMOD_HEADER_OVERRIDE &&
        option != MAILMOD_HEADER_PROHIBIT) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "option: %d is no such value",
                        (int)option);
    } else {
        error = fail_mistake(mm_header_set_option(&message->header, name,
                                                  (enum mm_header_option)option,
                                                  is_on != 0),
                             name);
    }
    mm_handle_let(message);
    return error;
}
