/* etrn.c - mail that waits at the server for other names: ETRN (RFC 1985).
 *
 * Owns a session's nodes; each is a name of mailmod_client_etrn_add, by its
 * place. What the server said is told when the session is over, for mailmod
 * has it then. Thread: the session's. */
#define LIBESMTP_ENABLE_DEPRECATED_SYMBOLS
#include "esmtp/esmtp.h"

#include <stdio.h>

struct smtp_etrn_node {
    smtp_session_t session;
    smtp_etrn_node_t next;
    size_t index; /* of mailmod_client_etrn_status */
    int option;   /* '@', '#' or 0 */
    char *domain;
    struct mm_esmtp_data data;
    struct mm_esmtp_status status;
};

static void free_node(smtp_etrn_node_t node)
{
    mm_esmtp_data_set(&node->data, NULL, NULL);
    mm_esmtp_free(node->domain);
    mm_esmtp_free(node);
}

void mm_esmtp_etrn_free(smtp_session_t session)
{
    while (session->first_node != NULL) {
        smtp_etrn_node_t node = session->first_node;

        session->first_node = node->next;
        free_node(node);
    }
}

static int add_name(smtp_etrn_node_t node)
{
    char name[MM_ESMTP_TEXT_MAX];
    const char option[2] = {(char)node->option, '\0'};
    int size = snprintf(name, sizeof name, "%s%s", option, node->domain);

    if (size < 0 || (size_t)size >= sizeof name) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, "the name is too long");
    }
    return mm_esmtp_result(
        mailmod_client_etrn_add(node->session->client, name));
}

smtp_etrn_node_t smtp_etrn_add_node(smtp_session_t session, int option,
                                    const char *domain)
{
    if (session == NULL || domain == NULL ||
        (option != 0 && option != '@' && option != '#')) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    smtp_etrn_node_t node = mm_esmtp_alloc(sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    node->session = session;
    node->option = option;
    node->domain = mm_esmtp_copy(domain);
    if (node->domain == NULL || !add_name(node)) {
        free_node(node);
        return NULL;
    }
    smtp_etrn_node_t *end = &session->first_node;
    while (*end != NULL) {
        node->index++;
        end = &(*end)->next;
    }
    *end = node;
    return node;
}

int smtp_etrn_enumerate_nodes(smtp_session_t session,
                              smtp_etrn_enumerate_nodecb_t cb, void *arg)
{
    if (session == NULL || cb == NULL) {
        return mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
    }
    for (smtp_etrn_node_t node = session->first_node; node != NULL;
         node = node->next) {
        cb(node, node->option, node->domain, arg);
    }
    return 1;
}

const smtp_status_t *smtp_etrn_node_status(smtp_etrn_node_t node)
{
    struct mailmod_result result = {.size = sizeof result};

    if (node == NULL) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    if (mm_esmtp_result(mailmod_client_etrn_status(node->session->client,
                                                   node->index, &result))) {
        mm_esmtp_status_fill(&node->status, &result);
    }
    return &node->status.status;
}

void mm_esmtp_etrn_tell(smtp_session_t session)
{
    for (smtp_etrn_node_t node = session->first_node;
         node != NULL && session->event != NULL; node = node->next) {
        struct mailmod_result result = {.size = sizeof result};
        int quits = 0;

        (void)mailmod_client_etrn_status(session->client, node->index, &result);
        if (result.error == MAILMOD_ERROR_UNSUPPORTED) {
            session->event(session, SMTP_EV_EXTNA_ETRN, session->event_arg,
                           &quits);
            return;
        }
        if (result.code != 0) {
            session->event(session, SMTP_EV_ETRNSTATUS, session->event_arg,
                           node->option, node->domain);
        }
    }
}

/* ---- pointers of the program's own --------------------------------------- */

void smtp_etrn_set_application_data_release(smtp_etrn_node_t node, void *data,
                                            void (*release)(void *))
{
    if (node != NULL) {
        mm_esmtp_data_set(&node->data, data, release);
    }
}

void *smtp_etrn_get_application_data(smtp_etrn_node_t node)
{
    return node != NULL ? node->data.value : NULL;
}

void *smtp_etrn_set_application_data(smtp_etrn_node_t node, void *data)
{
    return node != NULL ? mm_esmtp_data_exchange(&node->data, data) : NULL;
}
