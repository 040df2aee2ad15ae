/* etrn.c - names whose mail a client asks its server for.
 *
 * Owns them. Promises: what is no name never stands on the wire; each has a
 * status of its own, which only a send changes; a name that has its final
 * answer is not asked again.
 * Thread: the host's, one at a time; the functions of a send the one that
 * sends. RFC 1985 5. */
#include "api/client/sending.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "wire/addr/address.h"

#define SHOWN_MAX 200

void mm_client_etrn_dispose(mailmod_client *client)
{
    struct mm_list *node;

    while ((node = mm_list_take_first(&client->etrns)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct mm_client_etrn, node));
    }
    client->etrn_count = 0;
}

/* RFC 1985 5.2:  [option] node-name; option "@" the name and those below it,
 * "#" a queue, which has a name of the server's own. */
static bool read_name(struct mm_span text, char name_out[MM_CLIENT_ETRN_MAX])
{
    size_t options = text.size > 0 && text.data[0] == '@' ? 1 : 0;

    if (text.size > 1 && text.data[0] == '#') {
        for (size_t i = 1; i < text.size; i++) {
            if (text.data[i] == ' ' ||
                !mm_ascii_is_printable((unsigned char)text.data[i])) {
                return false;
            }
        }
        return mm_span_copy(text, name_out, MM_CLIENT_ETRN_MAX);
    }
    name_out[0] = '@';
    return mm_domain_parse(mm_span_from(text, options), false,
                           name_out + options);
}

static enum mailmod_error add(mailmod_client *client, const char *name)
{
    struct mm_span text = mm_span_trim(mm_span_cstr(name));

    if (client->etrn_count == MM_CLIENT_ETRNS_MAX) {
        return mm_fail(MAILMOD_ERROR_LIMIT, "the client has %d names",
                       MM_CLIENT_ETRNS_MAX);
    }
    struct mm_client_etrn *etrn = mm_alloc(sizeof *etrn);
    if (etrn == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    if (!read_name(text, etrn->name)) {
        mm_free(etrn);
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "name: \"%.*s\" is none",
                       (int)(text.size < SHOWN_MAX ? text.size : SHOWN_MAX),
                       text.data != NULL ? text.data : "");
    }
    mm_list_init(&etrn->node);
    mm_list_append(&client->etrns, &etrn->node);
    client->etrn_count++;
    return MAILMOD_OK;
}

enum mailmod_error mailmod_client_etrn_add(mailmod_client *client,
                                           const char *name)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error == MAILMOD_OK) {
        error = add(client, name);
        mm_handle_let(client);
    }
    return error;
}

enum mailmod_error mailmod_client_etrn_clear(mailmod_client *client)
{
    enum mailmod_error error = mm_client_begin(client);

    if (error == MAILMOD_OK) {
        mm_client_etrn_dispose(client);
        mm_handle_let(client);
    }
    return error;
}

static struct mm_client_etrn *find(const mailmod_client *client, size_t index)
{
    const struct mm_list *node = client->etrns.next;

    while (node != &client->etrns && index > 0) {
        node = node->next;
        index--;
    }
    return node != &client->etrns
               ? MM_LIST_OBJECT(node, struct mm_client_etrn, node)
               : NULL;
}

enum mailmod_error mailmod_client_etrn_status(mailmod_client *client,
                                              size_t index,
                                              struct mailmod_result *result_out)
{
    enum mailmod_error error =
        mm_sized_check(result_out, MM_RESULT_SIZE_1, "result_out");

    if (error == MAILMOD_OK) {
        error = mm_handle_hold(MM_HANDLE_CLIENT, client);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_client_etrn *etrn = find(client, index);
    if (etrn != NULL) {
        mm_client_status_give(&etrn->status, etrn->name, result_out);
    } else {
        error =
            mm_fail(MAILMOD_ERROR_NOT_FOUND, "index: there is no such name");
    }
    mm_handle_let(client);
    return error;
}

/* ---- a send -------------------------------------------------------------- */

enum mailmod_error mm_sending_add_etrns(struct mm_sending *sending)
{
    const mailmod_client *client = sending->client;
    struct mm_submission_message *rows = &sending->submission.etrn;
    size_t count = client->etrn_count;

    if (count == 0) {
        return MAILMOD_OK;
    }
    sending->etrns = mm_alloc_array(count, sizeof(void *));
    sending->etrn_outcomes =
        mm_alloc_array(count, sizeof *sending->etrn_outcomes);
    rows->recipients = mm_alloc_array(count, sizeof *rows->recipients);
    if (sending->etrns == NULL || sending->etrn_outcomes == NULL ||
        rows->recipients == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct mm_client_etrn *etrn = find(client, i);

        if (!etrn->status.is_final) {
            size_t at = rows->recipient_count++;
            sending->etrns[at] = etrn;
            mm_client_status_clear(&etrn->status);
            rows->recipients[at].number = (unsigned)at;
            (void)mm_span_copy(mm_span_cstr(etrn->name),
                               rows->recipients[at].path,
                               sizeof rows->recipients[at].path);
        }
    }
    return MAILMOD_OK;
}

void mm_sending_apply_etrns(struct mm_sending *sending)
{
    for (size_t i = 0; i < sending->submission.etrn.recipient_count; i++) {
        mm_client_status_set(&sending->etrns[i]->status,
                             &sending->etrn_outcomes[i]);
    }
}

enum mailmod_error mm_sending_etrn_verdict(const struct mm_sending *sending)
{
    for (size_t i = 0; i < sending->submission.etrn.recipient_count; i++) {
        const struct mm_client_status *status = &sending->etrns[i]->status;

        if (status->outcome != MAILMOD_DELIVERED) {
            return mm_client_status_fail(status, sending->etrns[i]->name);
        }
    }
    return MAILMOD_OK;
}

void mm_sending_free_etrns(struct mm_sending *sending)
{
    mm_free(sending->etrns);
    mm_free(sending->etrn_outcomes);
    mm_free(sending->submission.etrn.recipients);
}
