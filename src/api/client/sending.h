/* thread: the one that sends; where a function says so, the loop
 * sending.h - one call of mailmod_client_send: what it sends, and what it
 * hears of it. send.c prepares it and waits; news.c brings what the loop says
 * to the thread that waits. */
#ifndef MM_API_CLIENT_SENDING_H
#define MM_API_CLIENT_SENDING_H

#include "api/client/client.h"

/* Of lines that wait for a slow host: what comes then is counted. */
#define MM_CLIENT_LINES_MAX (1024 * 1024)

struct mm_sending_item { /* one message with those who are not done */
    mailmod_client_message *message;
    mailmod_client_recipient **recipients;
    struct mq_outcome *outcomes;
};

struct mm_sending {
    mailmod_client *client;
    struct mm_config *base; /* what runs */
    struct mm_config_relay servers[MM_CONFIG_RELAYS_MAX];
    struct mm_submission submission;
    struct mm_sending_item *items; /* as the submission's messages */
    size_t item_count;
    struct mm_client_etrn **etrns; /* as the rows of submission.etrn */
    struct mq_outcome *etrn_outcomes;
    size_t reading; /* the item whose text is read */
    bool has_asked; /* the host for a login: it is wiped at the end */
};

/* ---- etrn.c -------------------------------------------------------------- */

/* Those without a final answer become the submission's. MEMORY. */
MM_CHECK enum mailmod_error mm_sending_add_etrns(struct mm_sending *sending);
void mm_sending_apply_etrns(struct mm_sending *sending);
/* Of the first that was refused. */
MM_CHECK enum mailmod_error
mm_sending_etrn_verdict(const struct mm_sending *sending);
void mm_sending_free_etrns(struct mm_sending *sending);

/* ---- news.c -------------------------------------------------------------- */

/* The submission's functions that tell and ask. */
void mm_sending_listen(struct mm_sending *sending);
/* The item of a message that is sent. */
struct mm_sending_item *mm_sending_item_of(struct mm_sending *sending,
                                           uint64_t message_id);
/* Until the submission is gone: does what the loop asks for, in its order. */
void mm_sending_wait(struct mm_sending *sending);
/* Shows a piece of a text to the monitor. */
void mm_sending_show_text(const struct mm_sending *sending,
                          struct mm_span octets);
/* What nobody heard. */
void mm_sending_drop_news(mailmod_client *client);

#endif
