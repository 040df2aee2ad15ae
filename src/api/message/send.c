/* send.c - writing a message, sending it, waiting for it.
 *
 * Owns: the law of mailmod_message.state up to SENT, and which calls may wait.
 * Promises: one call at a time writes or sends; what fails is an error now and
 * in every later call, and nothing of it is left in the store; a call that
 * would wait for a callback of the instance from inside of one is STATE and
 * changes nothing.
 *
 * Thread: any but the instance's loops. */
#include "api/message/message.h"

#include "api/handles.h"
#include "api/instance.h"

#define WORDS_MAX 1024

/* Locked. */
static bool waits_for_outcome(const mailmod_message *message)
{
    if (message->mode == MAILMOD_SEND_QUEUE) {
        return false;
    }
    switch (message->config->sending.waits) {
    case MM_CONFIG_WAITS_ALWAYS:
        return true;
    case MM_CONFIG_WAITS_NEVER:
        return false;
    case MM_CONFIG_WAITS_CALLBACK:
        break;
    }
    return message->on_progress == NULL;
}

/* The handle is held and the writer's part is the caller's, until end().
 * `waits_out` not NULL: it is to be sent. */
static enum mailmod_error begin(mailmod_message *message, bool *waits_out)
{
    struct mm_messages *messages = message->messages;
    bool waits = false;
    enum mailmod_error error = MAILMOD_OK;

    mm_mutex_lock(messages->mutex);
    if (waits_out != NULL) {
        waits = waits_for_outcome(message);
        *waits_out = waits;
    }
    if (message->state != MM_MESSAGE_WRITING) {
        error = mm_fail(MAILMOD_ERROR_STATE, "%s: it was sent already",
                        message->identifier);
    } else if (message->error != MAILMOD_OK) {
        error = mm_fail(message->error, "%s: it cannot be sent any more: %s",
                        message->identifier, mm_error_text(message->error));
    } else if (message->is_busy) {
        error = mm_fail(MAILMOD_ERROR_STATE, "%s: another call is at it",
                        message->identifier);
    } else if (mm_messages_enter(messages) != MAILMOD_OK) {
        error = mm_fail(MAILMOD_ERROR_STOPPED, "%s: the instance stopped",
                        message->identifier);
    } else if (waits && mm_messages_is_callback(messages)) {
        mm_messages_leave(messages);
        error = mm_fail(MAILMOD_ERROR_STATE,
                        "%s: in a callback no call waits for the outcome",
                        message->identifier);
    } else {
        message->is_busy = true;
    }
    mm_mutex_unlock(messages->mutex);
    return error;
}

static enum mailmod_error end(mailmod_message *message,
                              enum mailmod_error error)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    message->is_busy = false;
    message->error = error;
    mm_messages_leave(messages);
    mm_mutex_unlock(messages->mutex);
    if (error == MAILMOD_ERROR_TOO_LARGE) {
        return mm_fail(error, "%s: it is larger than smtp.message_size_max",
                       message->identifier);
    }
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s: %s", message->identifier,
                                         mm_error_text(error));
}

enum mailmod_error mailmod_message_write(mailmod_message *message,
                                         const void *octets, size_t size)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_MESSAGE, message);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (octets == NULL && size > 0) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "octets: NULL");
    } else {
        error = begin(message, NULL);
        if (error == MAILMOD_OK) {
            error = end(message, mm_message_text_write(&message->text,
                                                       mm_span(octets, size)));
        }
    }
    mm_handle_let(message);
    return error;
}

enum mailmod_error mailmod_message_require_all(mailmod_message *message,
                                               int requires_all)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_MESSAGE, message);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (message->mode != MAILMOD_SEND_RELAY) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "%s: only a relay is asked for all or nothing",
                        message->identifier);
    } else {
        error = begin(message, NULL);
        if (error == MAILMOD_OK) {
            message->requires_all = requires_all != 0;
            error = end(message, MAILMOD_OK);
        }
    }
    mm_handle_let(message);
    return error;
}

enum mailmod_error mm_message_depart(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    enum mailmod_error error = mm_message_remember(message);
    if (error == MAILMOD_OK) {
        message->state = MM_MESSAGE_SENT;
        message->open_count = message->recipients.count;
        message->untried_count = message->recipients.count;
    }
    mm_mutex_unlock(messages->mutex);
    return error;
}

/* A reload since the message was made: routes are by the present settings. */
static void renew_config(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;
    struct mm_config *former = message->config;

    mm_mutex_lock(messages->mutex);
    message->config = mm_config_ref(messages->config);
    mm_mutex_unlock(messages->mutex);
    mm_config_unref(&former);
}

static enum mailmod_error fail_waiting(const mailmod_message *message,
                                       enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_ERROR_HANDLE:
        return mm_fail(error, "the message was given back meanwhile");
    case MAILMOD_ERROR_STOPPED:
        return mm_fail(error, "%s: the instance stopped first",
                       message->identifier);
    default:
        return mm_fail(error, "%s: it is not delivered yet",
                       message->identifier);
    }
}

static enum mailmod_error await_outcome(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;
    struct mm_buf words;

    mm_buf_init(&words, WORDS_MAX);
    mm_mutex_lock(messages->mutex);
    enum mailmod_error error = mm_message_await(message, UINT64_MAX);
    if (error != MAILMOD_OK) {
        (void)fail_waiting(message, error);
    } else {
        error = mm_message_verdict(message, &words);
        if (error != MAILMOD_OK) {
            (void)mm_fail_buf(error, &words);
        }
    }
    mm_mutex_unlock(messages->mutex);
    mm_buf_fini(&words);
    return error;
}

/* Its identifier is that of the queue's lines about it. */
static void log_sent(const mailmod_message *message, enum mailmod_error error)
{
    static const char *const modes[] = {[MAILMOD_SEND_QUEUE] = "queue",
                                        [MAILMOD_SEND_NOW] = "now",
                                        [MAILMOD_SEND_RELAY] = "relay"};
    const struct mm_log *log = message->messages->log;

    if (error != MAILMOD_OK) {
        MM_LOG(log, MM_LOG_ERROR, "sending", "message not sent",
               MM_TEXT("message", message->identifier),
               MM_TEXT("error", mm_error_name(error)));
        return;
    }
    MM_LOG(log, MM_LOG_INFO, "sending", "message accepted",
           MM_TEXT("message", message->identifier),
           MM_TEXT("mode", modes[message->mode]),
           MM_TEXT("from", message->reverse_path),
           MM_NUMBER("recipients", (int64_t)message->recipients.count),
           MM_NUMBER("size", (int64_t)message->size));
}

static enum mailmod_error send_held(mailmod_message *message)
{
    bool waits = false;
    enum mailmod_error error = begin(message, &waits);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_message_text_finish(&message->text);
    renew_config(message);
    if (error == MAILMOD_OK) {
        error = message->mode == MAILMOD_SEND_QUEUE
                    ? mm_message_send_queued(message)
                    : mm_message_send_direct(message);
    }
    log_sent(message, error);
    error = end(message, error);
    return error == MAILMOD_OK && waits ? await_outcome(message) : error;
}

enum mailmod_error mailmod_message_send(mailmod_message *message)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_MESSAGE, message);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = send_held(message);
    mm_handle_let(message);
    return error;
}

static enum mailmod_error wait_for(mailmod_message *message,
                                   uint64_t timeout_ms)
{
    struct mm_messages *messages = message->messages;

    /* Busy: it is not certain yet that it gets away. */
    if (message->state == MM_MESSAGE_WRITING || message->is_busy) {
        return mm_fail(MAILMOD_ERROR_STATE, "%s: it was not sent",
                       message->identifier);
    }
    if (mm_messages_is_callback(messages)) {
        return mm_fail(MAILMOD_ERROR_STATE,
                       "%s: in a callback no call waits for the outcome",
                       message->identifier);
    }
    enum mailmod_error error = mm_message_await(message, timeout_ms);
    return error == MAILMOD_OK ? MAILMOD_OK : fail_waiting(message, error);
}

enum mailmod_error mailmod_message_wait(mailmod_message *message,
                                        uint64_t timeout_ms)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_MESSAGE, message);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_mutex_lock(message->messages->mutex);
    error = wait_for(message, timeout_ms);
    mm_mutex_unlock(message->messages->mutex);
    mm_handle_let(message);
    return error;
}
