/* send.c - mailmod_client_send: a session that the caller waits for.
 *
 * Owns, while it runs, what is sent: rows of messages and recipients, and room
 * for each outcome. Promises:
 * every recipient of the send has an outcome when it returns, also when memory
 * is short; a stop of the instance ends it; nothing of it is used by the loop
 * any more when it returns.
 * Thread: the host's. */
#include "api/client/sending.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/relay_tls.h"

#include "base/mem.h"
#include "client/outcome.h"
#include "platform/clock.h"

#include <string.h>

#define WORDS_MAX 1024
#define REASON_MAX 4096

/* ---- the text -------------------------------------------------------------
 */

static enum mailmod_error read_chunk(void *context, uint64_t message_id,
                                     unsigned number, struct mm_buf *out)
{
    struct mm_sending *sending = context;
    enum mailmod_error error = MAILMOD_OK;

    while (sending->items[sending->reading].message->id != message_id) {
        sending->reading = (sending->reading + 1) % sending->item_count;
    }
    mailmod_client_message *message = sending->items[sending->reading].message;
    mm_buf_clear(out);
    if (number == 0) {
        error = mm_client_text_rewind(message);
    } else if (number != message->text.next_chunk) {
        error = MAILMOD_ERROR_STATE;
    }
    message->text.next_chunk = number + 1;
    if (error == MAILMOD_OK) {
        error = mm_client_text_read(message, out);
    }
    if (error == MAILMOD_OK) {
        mm_sending_show_text(sending, mm_buf_span(out));
    }
    return error;
}

/* ---- what is sent -------------------------------------------------------- */

static size_t count_open(const mailmod_client_message *message)
{
    size_t count = 0;

    for (const struct mm_list *node = message->recipients.next;
         node != &message->recipients; node = node->next) {
        count += !MM_LIST_OBJECT(node, struct mailmod_client_recipient, node)
                      ->status.is_final;
    }
    return count;
}

static void fill_recipient(struct mm_store_recipient *row, size_t number,
                           const mailmod_client_recipient *recipient)
{
    row->number = (unsigned)number;
    row->notify = recipient->notify;
    (void)mm_span_copy(mm_span_cstr(recipient->path), row->path,
                       sizeof row->path);
    (void)mm_span_copy(mm_span_cstr(recipient->original_recipient),
                       row->original_recipient, sizeof row->original_recipient);
}

static void fill_message(struct mm_store_message *row,
                         const mailmod_client_message *message)
{
    row->id = message->id;
    row->arrival_ms = message->now_ms;
    row->is_smtputf8 = row->is_smtputf8 || message->needs_smtputf8;
    row->dsn_return = message->dsn_return;
    (void)mm_span_copy(mm_span_cstr(message->reverse_path), row->reverse_path,
                       sizeof row->reverse_path);
    (void)mm_span_copy(mm_span_cstr(message->envelope_id), row->envelope_id,
                       sizeof row->envelope_id);
}

/* The instance is locked. */
static enum mailmod_error add_item(struct mm_sending *sending,
                                   mailmod_client_message *message,
                                   size_t count)
{
    const struct mailmod *instance = sending->client->instance;
    struct mm_sending_item *item = &sending->items[sending->item_count];
    struct mm_submission_message *row =
        &sending->submission.messages[sending->item_count];

    item->message = message;
    item->recipients = mm_alloc_array(count, sizeof(void *));
    item->outcomes = mm_alloc_array(count, sizeof *item->outcomes);
    row->recipients = mm_alloc_array(count, sizeof *row->recipients);
    sending->item_count++;
    if (item->recipients == NULL || item->outcomes == NULL ||
        row->recipients == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    message->id = mm_store_new_message_id(instance->store);
    message->now_ms = mm_clock_wall_ms();
    mm_message_id_format(message->id, message->identifier);
    row->requires_all = sending->client->requires_all;
    row->by = message->by;
    row->is_binary = message->text.is_binary;
    MM_LIST_EACH(node, &message->recipients)
    {
        mailmod_client_recipient *recipient =
            MM_LIST_OBJECT(node, struct mailmod_client_recipient, node);

        if (!recipient->status.is_final) {
            size_t at = row->recipient_count++;
            item->recipients[at] = recipient;
            row->message.is_smtputf8 =
                row->message.is_smtputf8 || recipient->needs_smtputf8;
            fill_recipient(&row->recipients[at], at, recipient);
        }
    }
    fill_message(&row->message, message);
    return MAILMOD_OK;
}

/* The instance is locked. */
static enum mailmod_error collect(struct mm_sending *sending)
{
    mailmod_client *client = sending->client;
    enum mailmod_error error = MAILMOD_OK;

    sending->items =
        mm_alloc_array(client->message_count + 1, sizeof *sending->items);
    sending->submission.messages = mm_alloc_array(
        client->message_count + 1, sizeof *sending->submission.messages);
    if (sending->items == NULL || sending->submission.messages == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    MM_LIST_EACH(node, &client->messages)
    {
        mailmod_client_message *message =
            MM_LIST_OBJECT(node, struct mailmod_client_message, node);
        size_t count = count_open(message);

        if (error == MAILMOD_OK && count > 0 && message->text.read == NULL) {
            error = mm_fail(MAILMOD_ERROR_STATE, "a message has no text");
        } else if (error == MAILMOD_OK && count > 0) {
            error = add_item(sending, message, count);
            if (error != MAILMOD_OK) {
                (void)mm_fail(error, "out of memory");
            }
        }
    }
    if (error == MAILMOD_OK) {
        error = mm_sending_add_etrns(sending);
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "out of memory");
        }
    }
    if (error == MAILMOD_OK && sending->item_count == 0 &&
        sending->submission.etrn.recipient_count == 0) {
        error = mm_fail(MAILMOD_ERROR_NOT_FOUND,
                        "no recipient is left to send anything to");
    }
    return error;
}

/* Of the host, where nothing was set. */
static enum mailmod_error ask_login(struct mm_sending *sending)
{
    mailmod_client *client = sending->client;
    struct mailmod_client_login login = {.size = sizeof login,
                                         .server = client->servers[0].host};

    if (client->on_login == NULL || client->user != NULL ||
        client->server_count == 0) {
        return MAILMOD_OK;
    }
    mm_client_enter_callback();
    client->on_login(client->login_context.value, &login);
    mm_client_leave_callback();
    sending->has_asked = true;
    return mm_client_use_login(client, login.user, login.password);
}

static bool has_certificate(const mailmod_client *client)
{
    return client->certificate_file != NULL &&
           client->certificate_file[0] != '\0';
}

/* With the servers' ports, and how they are talked to. */
static enum mailmod_error fill_relay(struct mm_sending *sending)
{
    const mailmod_client *client = sending->client;
    struct mm_relay *relay = &sending->submission.relay;

    if (client->server_count == 0) {
        return mm_fail(MAILMOD_ERROR_STATE, "no server is set");
    }
    for (size_t i = 0; i < client->server_count; i++) {
        struct mm_config_relay *server = &sending->servers[i];

        *server = client->servers[i];
        if (server->port == 0) {
            server->port = client->tls == MAILMOD_RELAY_TLS_IMPLICIT
                               ? MM_PORT_SUBMISSIONS
                               : MM_PORT_SUBMISSION;
        }
        if (client->tls == MAILMOD_RELAY_TLS_DEFAULT &&
            (server->port == MM_PORT_SUBMISSIONS) !=
                (sending->servers[0].port == MM_PORT_SUBMISSIONS)) {
            return mm_fail(MAILMOD_ERROR_STATE,
                           "servers: port 465 beside another one needs to be "
                           "told how TLS is begun");
        }
    }
    *relay = (struct mm_relay){.host = sending->servers[0].host,
                               .port = sending->servers[0].port,
                               .others = &sending->servers[1],
                               .other_count = client->server_count - 1,
                               .has_srv = client->has_srv,
                               .user = client->user,
                               .password = client->password,
                               .mechanisms = client->mechanisms};
    mm_relay_set_tls(relay, client->tls);
    if (has_certificate(client) && client->user != NULL &&
        client->password[0] == '\0') {
        relay->mechanisms = MM_SASL_EXTERNAL;
    }
    return MAILMOD_OK;
}

/* ---- the settings that it goes by ---------------------------------------- */

static void use_times(const mailmod_client *client, struct mm_config *config)
{
    uint64_t *const places[MM_CLIENT_TIMES][4] = {
        [MAILMOD_CLIENT_CONNECT] = {&config->delivery.connect_ms},
        [MAILMOD_CLIENT_GREETING] = {&config->delivery.greeting_ms},
        [MAILMOD_CLIENT_ENVELOPE] = {&config->delivery.command_ms,
                                     &config->delivery.mail_ms,
                                     &config->delivery.rcpt_ms},
        [MAILMOD_CLIENT_DATA] = {&config->delivery.data_ms},
        [MAILMOD_CLIENT_TRANSFER] = {&config->delivery.body_ms},
        [MAILMOD_CLIENT_END] = {&config->delivery.end_ms},
        [MAILMOD_CLIENT_TLS] = {&config->delivery.tls_ms}};

    for (size_t i = 0; i < MM_CLIENT_TIMES; i++) {
        for (size_t k = 0;
             client->times_ms[i] != 0 && k < 4 && places[i][k] != NULL; k++) {
            *places[i][k] = client->times_ms[i];
        }
    }
}

static enum mailmod_error use_text(char **place, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return MAILMOD_OK;
    }
    char *own = mm_strdup(text);
    if (own == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_free(*place);
    *place = own;
    return MAILMOD_OK;
}

/* A copy of what runs, with what the client has of its own. */
static enum mailmod_error make_config(const struct mm_sending *sending,
                                      struct mm_config **config_out)
{
    const mailmod_client *client = sending->client;
    struct mm_config_builder *builder = NULL;
    enum mailmod_error error = mm_config_builder_from(&builder, sending->base);

    *config_out = NULL;
    if (error == MAILMOD_OK) {
        error = mm_config_draft(builder, config_out);
        mm_config_builder_free(&builder);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_config *config = *config_out;
    use_times(client, config);
    error = use_text(&config->host_name, client->host_name);
    if (error == MAILMOD_OK) {
        error = use_text(&config->delivery.ehlo_name, client->host_name);
    }
    if (error == MAILMOD_OK) {
        error =
            use_text(&config->smarthost.authority_file, client->authority_file);
    }
    if (error != MAILMOD_OK) {
        mm_config_unref(config_out);
    }
    return error;
}

/* Those of the last send, where nothing has changed. */
static enum mailmod_error prepare_settings(struct mm_sending *sending)
{
    mailmod_client *client = sending->client;
    struct mm_config *config = NULL;
    struct mm_buf reason;

    if (client->settings != NULL && client->base == sending->base) {
        return MAILMOD_OK;
    }
    mm_client_forget_settings(client);
    mm_buf_init(&reason, REASON_MAX);
    enum mailmod_error error = make_config(sending, &config);
    if (error == MAILMOD_OK) {
        const struct mm_peer_tls_options own = {
            .authority_file = config->smarthost.authority_file,
            .certificate_file = client->certificate_file,
            .key_file = client->key_file};
        error = mm_outbound_settings_new_own(&client->settings, config, &own,
                                             &reason);
    }
    if (error == MAILMOD_OK) {
        client->base = mm_config_ref(sending->base);
    } else {
        (void)mm_fail_buf(error, &reason);
    }
    mm_config_unref(&config);
    mm_buf_fini(&reason);
    return error;
}

/* ---- the whole ----------------------------------------------------------- */

/* All of the item end so, without a host's word. */
static void end_item(struct mm_sending *sending, size_t at,
                     const struct mq_outcome *outcome)
{
    const struct mm_submission_message *row = &sending->submission.messages[at];

    for (size_t i = 0; i < row->recipient_count; i++) {
        sending->items[at].outcomes[i] = *outcome;
    }
}

/* The texts are read for their sizes; those that can be sent stand in front
 * afterwards, `ready` of them. */
static size_t measure(struct mm_sending *sending)
{
    size_t ready = 0;

    for (size_t i = 0; i < sending->item_count; i++) {
        struct mm_sending_item item = sending->items[i];
        struct mm_submission_message row = sending->submission.messages[i];
        struct mq_outcome outcome;

        (void)mm_span_copy(
            mm_span_cstr(sending->client->settings->config->host_name),
            item.message->host_name, sizeof item.message->host_name);
        mm_client_status_clear(&item.message->reverse_path_status);
        mm_client_status_clear(&item.message->transfer_status);
        for (size_t k = 0; k < row.recipient_count; k++) {
            mm_client_status_clear(&item.recipients[k]->status);
        }
        enum mailmod_error error = mm_client_text_measure(item.message);
        row.message.size = item.message->text.size;
        row.message.is_8bit = item.message->text.is_8bit;
        sending->submission.messages[i] = row;
        if (error != MAILMOD_OK) {
            mm_outcome_set(&outcome, error, "4.3.0", "",
                           error == MAILMOD_ERROR_CANCELLED
                               ? "the text cannot be read"
                               : mm_error_text(error));
            end_item(sending, i, &outcome);
            continue;
        }
        sending->items[i] = sending->items[ready];
        sending->submission.messages[i] = sending->submission.messages[ready];
        sending->items[ready] = item;
        sending->submission.messages[ready++] = row;
    }
    return ready;
}

/* With the instance locked no stop can come between the look and the work. */
static enum mailmod_error start(struct mm_sending *sending)
{
    mailmod_client *client = sending->client;
    enum mailmod_error error = mm_instance_lock_running(client->instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    client->is_gone = false;
    mm_outbound_submit(client->instance->outbound, &sending->submission);
    mm_instance_unlock(client->instance);
    return MAILMOD_OK;
}

/* What every recipient's status says in the end. */
static void apply_outcomes(struct mm_sending *sending)
{
    for (size_t i = 0; i < sending->item_count; i++) {
        const struct mm_sending_item *item = &sending->items[i];
        const struct mm_submission_message *row =
            &sending->submission.messages[i];
        struct mm_client_status *transfer = &item->message->transfer_status;

        for (size_t k = 0; k < row->recipient_count; k++) {
            const struct mq_outcome *outcome = &item->outcomes[k];

            mm_client_status_set(&item->recipients[k]->status, outcome);
            if (transfer->outcome == MAILMOD_PENDING &&
                outcome->verdict != MQ_DELIVERED) {
                mm_client_status_set(transfer, outcome);
            }
        }
    }
}

/* Of the first who was not delivered, in the order of what is asked. */
static enum mailmod_error verdict(const struct mm_sending *sending)
{
    enum mailmod_error error = mm_sending_etrn_verdict(sending);

    if (error != MAILMOD_OK) {
        return error;
    }
    for (size_t i = 0; i < sending->item_count; i++) {
        const struct mm_submission_message *row =
            &sending->submission.messages[i];

        for (size_t k = 0; k < row->recipient_count; k++) {
            const mailmod_client_recipient *recipient =
                sending->items[i].recipients[k];

            if (recipient->status.outcome != MAILMOD_DELIVERED) {
                return mm_client_status_fail(&recipient->status,
                                             recipient->path);
            }
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error look_at_instance(struct mm_sending *sending)
{
    mailmod_client *client = sending->client;
    enum mailmod_error error = mm_instance_lock_running(client->instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    sending->base = mm_config_ref(client->instance->config);
    error = collect(sending);
    mm_instance_unlock(client->instance);
    return error;
}

static enum mailmod_error run(struct mm_sending *sending)
{
    mailmod_client *client = sending->client;
    struct mm_submission *submission = &sending->submission;
    enum mailmod_error error = ask_login(sending);

    if (error == MAILMOD_OK) {
        error = fill_relay(sending);
    }
    if (error == MAILMOD_OK) {
        error = look_at_instance(sending);
    }
    if (error == MAILMOD_OK) {
        error = prepare_settings(sending);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    size_t ready = measure(sending);
    submission->settings = client->settings;
    submission->message_count = ready;
    submission->read_chunk = read_chunk;
    mm_sending_listen(sending);
    if (ready > 0 || submission->etrn.recipient_count > 0) {
        error = start(sending);
        if (error != MAILMOD_OK) {
            return error;
        }
        mm_sending_wait(sending);
    }
    apply_outcomes(sending);
    mm_sending_apply_etrns(sending);
    return verdict(sending);
}

static void free_sending(struct mm_sending *sending)
{
    for (size_t i = 0; i < sending->item_count; i++) {
        mm_free(sending->items[i].recipients);
        mm_free(sending->items[i].outcomes);
        mm_free(sending->submission.messages[i].recipients);
    }
    mm_sending_free_etrns(sending);
    mm_sending_drop_news(sending->client);
    if (sending->has_asked) {
        mm_client_forget_login(sending->client);
    }
    mm_free(sending->items);
    mm_free(sending->submission.messages);
    mm_config_unref(&sending->base);
    mm_free(sending);
}

enum mailmod_error mailmod_client_send(mailmod_client *client)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_CLIENT, client);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (mm_client_is_callback() || atomic_exchange(&client->is_sending, true)) {
        mm_handle_let(client);
        return mm_fail(MAILMOD_ERROR_STATE,
                       "not in a callback, nor while the client sends");
    }
    struct mm_sending *sending = mm_alloc(sizeof *sending);
    if (sending == NULL) {
        error = mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    } else {
        sending->client = client;
        error = run(sending);
        free_sending(sending);
    }
    atomic_store(&client->is_sending, false);
    mm_handle_let(client);
    return error;
}
