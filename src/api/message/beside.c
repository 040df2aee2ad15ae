/* beside.c - a message for the queue of a data folder, from a process in which
 * no instance runs: a tool beside the daemon, or before it starts.
 *
 * Owns, for its call, the store as a tool has it, a post office and a table of
 * messages over it. Promises: the message is the same as any other of a host's
 * (one envelope, one deposit, one transaction); OK means that it is on disk,
 * and the daemon that runs on the folder, or the next one, sees it; what fails
 * leaves nothing behind.
 *
 * Thread: any but a loop's. */
#include "api/instance.h"
#include "api/message/message.h"
#include "api/sized.h"

#include "post/aliases.h"
#include "queue/queue.h"

#define WORDS_MAX 4096

static enum mailmod_error open_post(struct mm_post **post_out,
                                    const struct mm_admin *admin)
{
    const struct mm_post_options options = {.log = &admin->instance->log};
    struct mm_buf reason;

    enum mailmod_error error = mm_post_new(post_out, &options);
    if (error != MAILMOD_OK) {
        return mm_fail(error, "out of memory");
    }
    mm_post_attach(*post_out, admin->store, NULL);
    mm_buf_init(&reason, WORDS_MAX);
    error = mm_aliases_load(*post_out, admin->config, &reason);
    if (error != MAILMOD_OK) {
        (void)mm_fail_setting(admin->instance, error, &reason);
        mm_post_free(post_out);
    }
    mm_buf_fini(&reason);
    return error;
}

static void tell_results(mailmod_message *message, mailmod_on_result on_result,
                         void *context)
{
    struct mailmod_result result = {.size = sizeof result};

    for (size_t i = 0; i < message->recipients.count; i++) {
        if (mailmod_message_result(message, i, &result) == MAILMOD_OK) {
            on_result(context, message->identifier, &result);
        }
    }
}

static enum mailmod_error put(struct mm_messages *messages,
                              const struct mailmod_envelope *envelope,
                              mailmod_reader reader, void *reader_context,
                              mailmod_on_result on_result, void *context)
{
    mailmod_message *message = NULL;
    enum mailmod_error error = mm_message_make(&message, messages, envelope);

    if (error == MAILMOD_OK) {
        error =
            mm_message_submit_all(message, reader, reader_context, &message);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    if (on_result != NULL) {
        tell_results(message, on_result, context);
    }
    return mailmod_message_free(&message);
}

/* The store is open. */
static enum mailmod_error put_in(const struct mm_admin *admin,
                                 const struct mailmod_envelope *envelope,
                                 mailmod_reader reader, void *reader_context,
                                 mailmod_on_result on_result, void *context)
{
    struct mm_messages_options options = {.store = admin->store,
                                          .config = admin->config,
                                          .log = &admin->instance->log};
    struct mm_messages *messages = NULL;
    enum mailmod_error error = open_post(&options.post, admin);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_messages_new(&messages, &options);
    if (error != MAILMOD_OK) {
        (void)mm_fail(error, "out of memory");
    } else {
        mm_messages_open(messages, NULL, NULL);
        error =
            put(messages, envelope, reader, reader_context, on_result, context);
        mm_messages_close(messages);
        mm_messages_unref(&messages);
    }
    if (error == MAILMOD_OK && mq_announce(admin->store) != MAILMOD_OK) {
        /* It is on disk all the same, and found within the minute. */
        MM_LOG(&admin->instance->log, MM_LOG_WARNING, "sending",
               "the daemon is not told of new mail",
               MM_TEXT("folder", admin->config->data_folder));
    }
    mm_post_free(&options.post);
    return error;
}

static enum mailmod_error check(const struct mailmod_envelope *envelope,
                                mailmod_reader reader)
{
    if (reader == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "reader is NULL");
    }
    if (envelope->mode != MAILMOD_SEND_QUEUE) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "mode: the queue alone, no instance runs");
    }
    return envelope->on_progress == NULL
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT,
                         "on_progress: whoever sends it is another process");
}

enum mailmod_error mailmod_queue_put(mailmod *instance,
                                     const struct mailmod_envelope *envelope,
                                     mailmod_reader reader,
                                     void *reader_context,
                                     mailmod_on_result on_result, void *context)
{
    struct mailmod_envelope known;
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_sized_take(&known, sizeof known, envelope, MM_ENVELOPE_SIZE_1,
                          "envelope");
    if (error == MAILMOD_OK && !admin.is_own) {
        error = mm_fail(MAILMOD_ERROR_STATE,
                        "the instance runs: mailmod_message_new");
    }
    if (error == MAILMOD_OK) {
        error = check(&known, reader);
    }
    if (error == MAILMOD_OK) {
        error =
            put_in(&admin, &known, reader, reader_context, on_result, context);
    }
    mm_admin_end(&admin);
    return error;
}
