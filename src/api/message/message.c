/* message.c - life of a message of the host's: made, asked, given back.
 *
 * Owns the object. Promises: the handle is alive from mailmod_message_new to
 * mailmod_message_free, whatever becomes of the instance; a text that was given
 * out lives as long as the object; when the handle is given back no callback
 * comes any more, a waiting call is woken, and what was not sent is forgotten.
 *
 * Thread: any, as the public header says. */
#include "api/message/message.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"
#include "base/mem.h"
#include "platform/clock.h"

#include <string.h>

static void free_message(mailmod_message *message)
{
    mm_message_recipients_fini(&message->recipients);
    mm_message_relay_fini(&message->relay);
    mm_config_unref(&message->config);
    mm_condition_free(&message->changed);
    mm_messages_unref(&message->messages);
    mm_free(message);
}

void mm_message_unref(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    bool is_last = --message->references == 0;
    if (is_last) {
        mm_message_forget(message);
        mm_list_remove(&message->node);
    }
    mm_mutex_unlock(messages->mutex);
    if (is_last) {
        free_message(message);
    }
}

static struct mm_span key_of(const mailmod_message *message)
{
    return mm_span((const char *)&message->id, sizeof message->id);
}

enum mailmod_error mm_message_remember(mailmod_message *message)
{
    return mm_map_put(&message->messages->map, key_of(message), message);
}

void mm_message_forget(mailmod_message *message)
{
    (void)mm_map_remove(&message->messages->map, key_of(message));
}

static enum mailmod_error put(void *context, struct mm_span data)
{
    mailmod_message *message = context;

    return mm_message_deposit_write(message->deposit, data);
}

static enum mailmod_error begin_text(mailmod_message *message,
                                     const struct mailmod_envelope *envelope)
{
    const struct mm_config *config = message->config;
    const struct mm_message_text_options options = {
        .size_max = config->smtp.message_size_max,
        .put = put,
        .context = message};

    message->arrival_ms = mm_clock_wall_ms();
    mm_message_text_init(&message->text, &options);
    enum mailmod_error error = mm_message_begin_deposit(message);
    if (error != MAILMOD_OK) {
        return mm_fail(error, "a message: %s", mm_error_text(error));
    }
    return mm_message_write_fields(message, envelope);
}

/* The message takes a reference on the table and on its configuration. */
static enum mailmod_error join(mailmod_message *message,
                               struct mm_messages *messages)
{
    mm_mutex_lock(messages->mutex);
    bool is_open = messages->is_open;
    if (is_open) {
        messages->references++;
        message->messages = messages;
        message->config = mm_config_ref(messages->config);
        message->id = mm_store_new_message_id(messages->store);
        mm_list_append(&messages->all, &message->node);
    }
    mm_mutex_unlock(messages->mutex);
    return is_open
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
}

enum mailmod_error mm_message_make(mailmod_message **message_out,
                                   struct mm_messages *messages,
                                   const struct mailmod_envelope *envelope)
{
    mailmod_message *message = mm_alloc(sizeof *message);

    if (message == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    message->references = 1;
    mm_list_init(&message->node);
    mm_list_init(&message->waiting_node);
    enum mailmod_error error = join(message, messages);
    if (error != MAILMOD_OK) {
        mm_free(message);
        return error;
    }
    mm_message_id_format(message->id, message->identifier);
    error = mm_message_take_envelope(message, envelope);
    if (error == MAILMOD_OK &&
        mm_condition_new(&message->changed) != MAILMOD_OK) {
        error = mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    if (error == MAILMOD_OK) {
        error = begin_text(message, envelope);
    }
    if (error == MAILMOD_OK) {
        error = mm_handle_add(MM_HANDLE_MESSAGE, message);
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "a handle: %s", mm_error_text(error));
        }
    }
    if (error != MAILMOD_OK) {
        mm_message_drop(message);
        mm_message_unref(message);
        return error;
    }
    *message_out = message;
    return MAILMOD_OK;
}

/* A reference on the table of an instance that runs. */
static enum mailmod_error find_table(struct mailmod *instance,
                                     struct mm_messages **messages_out)
{
    enum mailmod_error error = mm_instance_lock(instance);

    *messages_out = NULL;
    if (error != MAILMOD_OK) {
        return error;
    }
    if (instance->messages != NULL && instance->state == MM_INSTANCE_RUNNING) {
        *messages_out = instance->messages;
        mm_mutex_lock(instance->messages->mutex);
        instance->messages->references++;
        mm_mutex_unlock(instance->messages->mutex);
    }
    mm_instance_unlock(instance);
    return *messages_out != NULL
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
}

static enum mailmod_error make(mailmod_message **message_out,
                               struct mailmod *instance,
                               const struct mailmod_envelope *envelope)
{
    struct mm_messages *messages;
    enum mailmod_error error = find_table(instance, &messages);

    if (error == MAILMOD_OK) {
        error = mm_message_make(message_out, messages, envelope);
    }
    mm_messages_unref(&messages);
    return error;
}

enum mailmod_error mailmod_message_new(mailmod *instance,
                                       const struct mailmod_envelope *envelope,
                                       mailmod_message **message_out)
{
    if (message_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "message_out is NULL");
    }
    *message_out = NULL;
    struct mailmod_envelope known;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_sized_take(&known, sizeof known, envelope, MM_ENVELOPE_SIZE_1,
                          "envelope");
    if (error == MAILMOD_OK) {
        error = make(message_out, instance, &known);
    }
    mm_handle_let(instance);
    return error;
}

const char *mailmod_message_identifier(mailmod_message *message)
{
    if (mm_handle_hold(MM_HANDLE_MESSAGE, message) != MAILMOD_OK) {
        return NULL;
    }
    mm_handle_let(message);
    return message->identifier;
}

void *mailmod_message_context(mailmod_message *message)
{
    if (mm_handle_hold(MM_HANDLE_MESSAGE, message) != MAILMOD_OK) {
        return NULL;
    }
    void *context = message->shown_context;
    mm_handle_let(message);
    return context;
}

void mm_message_show_context(mailmod_message *message, void *context)
{
    message->shown_context = context;
}

void mm_message_keep_context(mailmod_message *message)
{
    mm_mutex_lock(message->messages->mutex);
    (void)mm_context_take(&message->release);
    mm_mutex_unlock(message->messages->mutex);
}

static void copy_result(struct mm_message_recipient *recipient,
                        struct mailmod_result *result_out)
{
    const struct mm_message_words *words = recipient->words;

    recipient->was_read = true;
    const struct mailmod_result known = {.size = sizeof known,
                                         .recipient = recipient->path,
                                         .outcome = recipient->outcome,
                                         .code = words->code,
                                         .enhanced = words->enhanced,
                                         .text = words->text,
                                         .host = words->host,
                                         .error = recipient->error,
                                         .is_final = recipient->is_final};
    mm_sized_give(result_out, &known, sizeof known);
}

enum mailmod_error mailmod_message_result(mailmod_message *message,
                                          size_t index,
                                          struct mailmod_result *result_out)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_MESSAGE, message);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_sized_check(result_out, MM_RESULT_SIZE_1, "result_out");
    if (error == MAILMOD_OK && index >= message->recipients.count) {
        error = mm_fail(MAILMOD_ERROR_NOT_FOUND, "recipient %zu of %zu", index,
                        message->recipients.count);
    }
    if (error == MAILMOD_OK) {
        mm_mutex_lock(message->messages->mutex);
        copy_result(&message->recipients.items[index], result_out);
        mm_mutex_unlock(message->messages->mutex);
    }
    mm_handle_let(message);
    return error;
}

/* The caller holds the handle; from here on nobody is told anything. */
static void hush(mailmod_message *message)
{
    mm_mutex_lock(message->messages->mutex);
    message->is_freed = true;
    message->event_count = 0;
    mm_condition_broadcast(message->changed);
    mm_mutex_unlock(message->messages->mutex);
}

enum mailmod_error mailmod_message_free(mailmod_message **message_in)
{
    if (message_in == NULL || *message_in == NULL) {
        return MAILMOD_OK;
    }
    mailmod_message *message = *message_in;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_MESSAGE, message);
    if (error != MAILMOD_OK) {
        return error;
    }
    hush(message);
    error = mm_handle_remove(MM_HANDLE_MESSAGE, message, 1);
    if (error != MAILMOD_OK) {
        mm_handle_let(message); /* another call is at it */
        return error;
    }
    *message_in = NULL;
    struct mm_context owed = {.value = NULL};
    mm_mutex_lock(message->messages->mutex);
    if (mm_message_await_callback(message)) {
        message->releases_later = true;
    } else {
        owed = mm_context_take(&message->release);
    }
    mm_message_forget(message);
    mm_mutex_unlock(message->messages->mutex);
    mm_message_drop(message);
    mm_message_unref(message);
    mm_context_release(&owed);
    return MAILMOD_OK;
}
