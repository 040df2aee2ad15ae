/* fields.c - header fields that a host gives beside the text.
 *
 * Owns nothing. Promises: they stand in front of the text's own header, in
 * their order, and count as part of the text; a field that cannot be written is
 * an error whose words name it; neither a value nor the text behind can end,
 * continue or make one.
 *
 * Thread: any. RFC 5322 2.2, RFC 2047. */
#include "api/instance.h"
#include "api/message/message.h"
#include "api/sized.h"

#include "base/limits.h"
#include "wire/msg/header_field.h"

#define SHOWN_MAX 80

static enum mailmod_error fail_field(const struct mailmod_header_field *field,
                                     enum mm_header_field_fault fault)
{
    static const char *const words[] = {
        [MM_HEADER_FIELD_NAME] = "a name is 1 to 76 printable ASCII characters "
                                 "without blanks and colon",
        [MM_HEADER_FIELD_VALUE] = "the value is not UTF-8, or has line ends or "
                                  "other controls",
        [MM_HEADER_FIELD_ADDRESS] = "an address in it has other letters than "
                                    "ASCII",
        [MM_HEADER_FIELD_LONG] = "a word of it is longer than a line may be"};

    if (fault == MM_HEADER_FIELD_ROOM) {
        return mm_fail(MAILMOD_ERROR_LIMIT,
                       "header_list: %.*s: it is longer than %d octets",
                       SHOWN_MAX, field->name, MM_LIMIT_CHUNK);
    }
    return mm_fail(MAILMOD_ERROR_ARGUMENT, "header_list: \"%.*s\": %s",
                   SHOWN_MAX, field->name, words[fault]);
}

/* The server writes the one, and nobody else may see the other. */
static enum mailmod_error check_name(const struct mailmod_header_field *field,
                                     size_t number)
{
    if (field->name == NULL || field->value == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "header_list: number %zu has no %s", number,
                       field->name == NULL ? "name" : "value");
    }
    if (mm_cstr_equal_nocase(field->name, "Return-Path") ||
        mm_cstr_equal_nocase(field->name, "Bcc")) {
        return mm_fail(
            MAILMOD_ERROR_ARGUMENT,
            "header_list: %s is not sent: the envelope has %s", field->name,
            mm_cstr_equal_nocase(field->name, "Bcc") ? "recipients"
                                                     : "reverse_path");
    }
    return MAILMOD_OK;
}

static enum mailmod_error write_field(mailmod_message *message,
                                      const struct mailmod_header_field *field)
{
    struct mm_buf line;

    mm_buf_init(&line, MM_LIMIT_CHUNK);
    enum mm_header_field_fault fault = mm_header_field_write(
        &line, mm_span_cstr(field->name), mm_span_cstr(field->value));
    enum mailmod_error error =
        fault != MM_HEADER_FIELD_OK ? fail_field(field, fault) : MAILMOD_OK;
    if (error == MAILMOD_OK) {
        error = mm_message_text_write(&message->text, mm_buf_span(&line));
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "header_list: %.*s: %s", SHOWN_MAX,
                          field->name, mm_error_text(error));
        }
    }
    mm_buf_fini(&line);
    return error;
}

enum mailmod_error
mm_message_write_fields(mailmod_message *message,
                        const struct mailmod_envelope *envelope)
{
    enum mailmod_error error = MAILMOD_OK;

    if (envelope->header_list == NULL && envelope->header_count > 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "header_list: NULL");
    }
    for (size_t i = 0; error == MAILMOD_OK && i < envelope->header_count; i++) {
        struct mailmod_header_field field;

        error = mm_sized_take_at(&field, sizeof field, envelope->header_list, i,
                                 MM_HEADER_FIELD_SIZE_1, "header_list");
        if (error == MAILMOD_OK) {
            error = check_name(&field, i);
        }
        if (error == MAILMOD_OK) {
            error = write_field(message, &field);
        }
    }
    if (error == MAILMOD_OK && envelope->header_count > 0) {
        mm_deposit_end_fields(message->deposit);
    }
    return error;
}
