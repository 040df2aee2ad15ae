/* submit.c - a whole message in one call, from memory or a reader.
 *
 * Owns nothing beyond its call. Promises: what fails leaves nothing behind; a
 * message whose handle nobody wants is given back by itself, after DONE when
 * there is a callback to be told.
 *
 * Thread: any but the instance's loops. */
#include "api/message/message.h"

#include "api/handles.h"
#include "api/instance.h"
#include "base/limits.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 2048

/* An error, with its words kept over the giving back. */
static enum mailmod_error give_up(mailmod_message *message,
                                  enum mailmod_error error)
{
    char words[WORDS_MAX];

    (void)snprintf(words, sizeof words, "%s", mailmod_last_error_text());
    mm_message_keep_context(message);
    (void)mailmod_message_free(&message);
    return mm_fail(error, "%s", words);
}

/* Nobody will give the handle back. The caller has a reference, so that the
 * pointer is no other message's even if the callback has freed it. */
static void leave(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    bool is_over = message->on_progress == NULL || message->is_told;
    message->frees_itself = !is_over;
    mm_mutex_unlock(messages->mutex);
    if (is_over) {
        mailmod_message *handle = message;

        (void)mailmod_message_free(&handle);
    }
}

static enum mailmod_error send_whole(mailmod_message *message,
                                     mailmod_message **message_out)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    message->references++;
    mm_mutex_unlock(messages->mutex);
    enum mailmod_error error = mailmod_message_send(message);
    if (error != MAILMOD_OK) {
        (void)give_up(message, error);
    } else if (message_out != NULL) {
        *message_out = message;
    } else {
        leave(message);
    }
    mm_message_unref(message);
    return error;
}

enum mailmod_error mailmod_message_submit(
    mailmod *instance, const struct mailmod_envelope *envelope,
    const void *text, size_t size, mailmod_message **message_out)
{
    if (message_out != NULL) {
        *message_out = NULL;
    }
    if (text == NULL && size > 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "text is NULL");
    }
    mailmod_message *message;
    enum mailmod_error error =
        mailmod_message_new(instance, envelope, &message);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mailmod_message_write(message, text, size);
    return error == MAILMOD_OK ? send_whole(message, message_out)
                               : give_up(message, error);
}

static enum mailmod_error copy_all(mailmod_message *message,
                                   mailmod_reader reader, void *context,
                                   char *buffer)
{
    for (;;) {
        size_t size = reader(context, buffer, MM_LIMIT_CHUNK);

        if (size == 0) {
            return MAILMOD_OK;
        }
        if (size == (size_t)-1) {
            return mm_fail(MAILMOD_ERROR_CANCELLED, "the reader gave up");
        }
        if (size > MM_LIMIT_CHUNK) {
            return mm_fail(MAILMOD_ERROR_ARGUMENT,
                           "the reader says that it filled %zu octets of %d",
                           size, MM_LIMIT_CHUNK);
        }
        enum mailmod_error error = mailmod_message_write(message, buffer, size);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
}

enum mailmod_error mm_message_submit_all(mailmod_message *message,
                                         mailmod_reader reader, void *context,
                                         mailmod_message **message_out)
{
    char *buffer = mm_alloc(MM_LIMIT_CHUNK);
    enum mailmod_error error =
        buffer != NULL ? copy_all(message, reader, context, buffer)
                       : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");

    mm_free(buffer);
    return error == MAILMOD_OK ? send_whole(message, message_out)
                               : give_up(message, error);
}

enum mailmod_error mailmod_message_submit_reader(
    mailmod *instance, const struct mailmod_envelope *envelope,
    mailmod_reader reader, void *reader_context, mailmod_message **message_out)
{
    if (message_out != NULL) {
        *message_out = NULL;
    }
    if (reader == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "reader is NULL");
    }
    mailmod_message *message;
    enum mailmod_error error =
        mailmod_message_new(instance, envelope, &message);
    return error == MAILMOD_OK
               ? mm_message_submit_all(message, reader, reader_context,
                                       message_out)
               : error;
}

size_t mailmod_file_read(void *file, void *buffer, size_t size)
{
    if (file == NULL || buffer == NULL) {
        return (size_t)-1;
    }
    size_t got = fread(buffer, 1, size, file);
    return got == 0 && ferror((FILE *)file) ? (size_t)-1 : got;
}
