/* thread: the host's that uses the client, one at a time; `queue` any
 * client.h - clients of submission servers: the handles of mailmod/client.h.
 *
 * A client is a value of one thread: settings, messages, recipients and what
 * came of them are touched by that thread alone. While it sends, the loop that
 * does the work puts jobs and news into the client's queue, under its mutex,
 * and the thread that waits takes them out. */
#ifndef MM_API_CLIENT_CLIENT_H
#define MM_API_CLIENT_CLIENT_H

#include "mailmod/client.h"

#include "api/context.h"
#include "api/message/message.h"
#include "base/list.h"
#include "client/submission.h"
#include "wire/msg/header_rules.h"

#include <stdatomic.h>

/* Of one client; of one message. */
#define MM_CLIENT_MESSAGES_MAX 10000
#define MM_CLIENT_RECIPIENTS_MAX 10000
#define MM_CLIENT_ETRNS_MAX 1000
/* A name with an option and a NUL. */
#define MM_CLIENT_ETRN_MAX (MM_LIMIT_DOMAIN + 2)
#define MM_CLIENT_TIMES (MAILMOD_CLIENT_TLS + 1)

/* What came of a part of a message. */
struct mm_client_status {
    enum mailmod_outcome outcome;
    bool is_final;
    struct mm_message_words words;
};

/* A text that is read from its beginning on, as often as need be: line ends
 * mended, its header as the rules have it. */
struct mm_client_text {
    mailmod_reader read; /* NULL: there is no text */
    int (*rewind)(void *context);
    struct mm_context context;
    struct mm_message_text lines;
    struct mm_buf mended;
    struct mm_buf head; /* what goes out in front of the body */
    struct mm_header_scan scan;
    bool is_binary; /* no line end is mended */
    bool is_in_header;
    bool is_over; /* the reader has no more */
    unsigned next_chunk;
    /* as the last reading to the end found it */
    uint64_t size;
    bool is_8bit;
};

struct mailmod_client_recipient {
    struct mm_list node;
    mailmod_client_message *message;
    struct mm_context context;
    char path[MM_STORE_REVERSE_PATH_MAX];
    bool needs_smtputf8;
    unsigned notify;
    char original_recipient[MM_DSN_ORIGINAL_RECIPIENT_MAX + 1];
    struct mm_client_status status;
};

struct mailmod_client_message {
    struct mm_list node;
    mailmod_client *client;
    struct mm_context context;
    struct mm_list recipients;
    size_t recipient_count;
    char reverse_path[MM_STORE_REVERSE_PATH_MAX];
    bool needs_smtputf8;
    enum mm_dsn_return dsn_return;
    char envelope_id[MM_DSN_ENVELOPE_ID_MAX + 1];
    struct mm_deliver_by by;
    struct mm_header_set header;
    struct mm_client_text text;
    struct mm_client_status reverse_path_status;
    struct mm_client_status transfer_status;
    /* while it is sent */
    uint64_t id;
    char identifier[MM_MESSAGE_ID_TEXT_MAX];
    int64_t now_ms;
    char host_name[MM_LIMIT_DOMAIN + 1];
};

struct mm_client_etrn { /* a name whose mail the server is asked for */
    struct mm_list node;
    char name[MM_CLIENT_ETRN_MAX];
    struct mm_client_status status;
};

struct mailmod_client {
    mailmod *instance;
    struct mm_context context;
    struct mm_list messages;
    size_t message_count;
    struct mm_list etrns;
    size_t etrn_count;
    atomic_bool is_sending;

    struct mm_config_relay servers[MM_CONFIG_RELAYS_MAX]; /* port 0: none set */
    size_t server_count;
    bool has_srv; /* the only one is a domain, whose SRV records name them */
    char *user;
    char *password;      /* secret */
    unsigned mechanisms; /* that a login may use; 0: those that fit */
    enum mailmod_relay_tls tls;
    char *authority_file;   /* "": as set */
    char *certificate_file; /* "" or NULL: none */
    char *key_file;
    char host_name[MM_LIMIT_DOMAIN + 1]; /* "": as set */
    uint64_t times_ms[MM_CLIENT_TIMES];  /* 0: as set */
    bool requires_all;
    mailmod_on_client_login on_login; /* NULL: none, as the next two */
    mailmod_on_client_event on_event;
    mailmod_on_client_line on_line;
    bool shows_text;
    struct mm_context login_context;
    struct mm_context event_context;
    struct mm_context line_context;

    /* What the last send was made with; NULL, or of settings since changed. */
    struct mm_config *base;
    struct mm_outbound_settings *settings;

    /* The queue of what is to be done on the waiting thread. */
    struct mm_mutex *mutex;
    struct mm_condition *has_work;
    struct mm_list jobs; /* struct mm_job */
    struct mm_list news; /* of news.c */
    size_t line_octets;  /* that wait in it */
    uint64_t left_out;   /* lines */
    bool is_gone;        /* the submission is */
};

/* ---- client.c ------------------------------------------------------------ */

/* The handle is held until mm_handle_let; nothing of it is being sent. */
MM_CHECK enum mailmod_error mm_client_begin(mailmod_client *client);
MM_CHECK enum mailmod_error
mm_client_message_begin(mailmod_client_message *message);
MM_CHECK enum mailmod_error
mm_client_recipient_begin(mailmod_client_recipient *recipient);
/* A call of the host's by mailmod_client_send, from its first to its last line
 * of the host's. */
void mm_client_enter_callback(void);
void mm_client_leave_callback(void);
/* The calling thread is in such a call. */
bool mm_client_is_callback(void);
/* What was made of the former settings is to be made anew. */
void mm_client_forget_settings(mailmod_client *client);

/* ARGUMENT with words, MEMORY; without a user there is no login then. */
MM_CHECK enum mailmod_error mm_client_use_login(mailmod_client *client,
                                                const char *user,
                                                const char *password);
void mm_client_forget_login(mailmod_client *client); /* wipes */

/* ---- message.c ----------------------------------------------------------- */

/* All of it, without its handle, which is gone. */
void mm_client_message_dispose(mailmod_client_message *message);

/* ---- etrn.c -------------------------------------------------------------- */

void mm_client_etrn_dispose(mailmod_client *client); /* all of them */

/* ---- text.c -------------------------------------------------------------- */

void mm_client_text_fini(struct mm_client_text *text);
/* To its beginning. thread: the one that sends, as all below. */
MM_CHECK enum mailmod_error
mm_client_text_rewind(mailmod_client_message *message);
/* The next octets, at most MM_LIMIT_CHUNK; NOT_FOUND past the end. */
MM_CHECK enum mailmod_error mm_client_text_read(mailmod_client_message *message,
                                                struct mm_buf *out);
/* Reads it all, for `size` and `is_8bit`. */
MM_CHECK enum mailmod_error
mm_client_text_measure(mailmod_client_message *message);

/* ---- status.c ------------------------------------------------------------ */

void mm_client_status_set(struct mm_client_status *status,
                          const struct mq_outcome *outcome);
/* A reply of a host to one part, which may not be the last word. */
void mm_client_status_note(struct mm_client_status *status,
                           const struct mq_outcome *said);
/* Nothing was said. */
void mm_client_status_clear(struct mm_client_status *status);
/* As the host asks for it; `recipient` is lent. */
void mm_client_status_give(const struct mm_client_status *status,
                           const char *recipient,
                           struct mailmod_result *result_out);
/* The error of what did not come to its end, with its words. */
MM_CHECK enum mailmod_error
mm_client_status_fail(const struct mm_client_status *status, const char *who);

#endif
