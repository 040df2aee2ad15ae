/* thread: any, one at a time for each session
 * esmtp.h - what a session, a message and a recipient of libESMTP's are here.
 *
 * Each is a client, a client's message or a client's recipient of
 * mailmod/client.h with what a program for libESMTP expects besides. A session
 * has an instance of its own, which keeps its store in memory, has no services
 * and runs while smtp_start_session does: no thread is left when that returns,
 * so that a program may fork before and after it. */
#ifndef MM_ESMTP_ESMTP_H
#define MM_ESMTP_ESMTP_H

#include "esmtp/include/auth-client.h"
#include "esmtp/include/libesmtp.h"

#include "mailmod.h"
#include "mailmod/client.h"

#include <stdbool.h>

#define MM_ESMTP_TEXT_MAX 1024
#define MM_ESMTP_PATH_MAX 4096
#define MM_ESMTP_TIMES 5

struct mm_esmtp_data { /* the program's own pointer */
    void *value;
    void (*release)(void *);
};

struct mm_esmtp_status {
    smtp_status_t status;
    char text[MM_ESMTP_TEXT_MAX];
};

struct mm_esmtp_spool; /* a text that was read */

struct smtp_recipient {
    smtp_message_t message;
    smtp_recipient_t next;
    mailmod_client_recipient *inner;
    char *mailbox; /* as the program wrote it */
    unsigned notify;
    char *original; /* "rfc822;address", or NULL */
    struct mm_esmtp_data data;
    struct mm_esmtp_status status;
};

struct smtp_message {
    smtp_session_t session;
    smtp_message_t next;
    mailmod_client_message *inner;
    smtp_recipient_t first, last;
    char *reverse_path; /* as the program wrote it; never NULL */
    smtp_messagecb_t callback;
    void *callback_arg;
    void *callback_context; /* the callback's; from malloc */
    struct mm_esmtp_spool *spool;
    enum mailmod_dsn_return dsn_return;
    char *envelope_id; /* or NULL */
    enum e8bitmime_body body;
    uint64_t told; /* octets, by SMTP_EV_MESSAGEDATA */
    struct mm_esmtp_data data;
    struct mm_esmtp_status reverse_path_status, transfer_status;
};

/* What the lines of a connection have shown so far. */
struct mm_esmtp_watch {
    bool is_connected;   /* a line was received */
    bool has_talked;     /* in this session, over any connection */
    bool is_leaving;     /* QUIT was said */
    bool is_in_starttls; /* so that a 220 is no greeting */
    bool is_greeted_on;  /* a greeting has more lines */
    bool offers_auth;
    bool has_stopped;   /* the program did not want to go on */
    bool is_in_header;  /* of a text that is read */
    bool is_line_begun; /* and not at the beginning of a line */
};

struct smtp_session {
    mailmod *instance;
    mailmod_client *client;
    smtp_message_t first, last;
    smtp_etrn_node_t first_node;
    char *host;       /* the first server's, or NULL */
    bool is_implicit; /* its port is that of TLS */
    enum starttls_option tls;
    auth_context_t auth;
    bool leaves_login_out; /* this time: the server offers no AUTH */
    bool has_login;        /* the program gave one */
    bool has_certificate;  /* of the client */
    smtp_eventcb_t event;
    void *event_arg;
    smtp_monitorcb_t monitor;
    void *monitor_arg;
    bool shows_headers;
    bool is_running;
    struct mm_esmtp_watch watch;
    struct mm_esmtp_data data;
};

/* ---- memory.c ------------------------------------------------------------ */

/* Zeroed. NULL: out of memory, and smtp_errno says so. */
void *mm_esmtp_alloc(size_t size);
/* From malloc too. */
void mm_esmtp_free(void *memory);
/* NULL for NULL, and when there is no memory. */
char *mm_esmtp_copy(const char *text);
/* Puts a copy in the place of `*place`. NULL: nothing is there then. False: no
 * memory. */
bool mm_esmtp_replace(char **place, const char *text);
void mm_esmtp_data_set(struct mm_esmtp_data *data, void *value,
                       void (*release)(void *));

/* The former pointer is the caller's again, and is not released. */
void *mm_esmtp_data_exchange(struct mm_esmtp_data *data, void *value);

/* ---- error.c ------------------------------------------------------------- */

/* All return 0, for `return`. */
int mm_esmtp_fail(int error, const char *words);
/* What a call of mailmod's said; OK: 1. */
int mm_esmtp_result(enum mailmod_error error);
/* The same, in any case of letters. */
bool mm_esmtp_is_name(const char *text, const char *name);

/* ---- message.c ----------------------------------------------------------- */

/* With its recipients; not what it is in mailmod. */
void mm_esmtp_message_free(smtp_message_t message);

/* ---- text.c -------------------------------------------------------------- */

/* Reads the message's text from its callback, once. 0: smtp_errno. */
int mm_esmtp_spool_fill(smtp_message_t message);
void mm_esmtp_spool_free(smtp_message_t message);
/* Of struct mailmod_client_content; the context is the message. */
size_t mm_esmtp_spool_read(void *message, void *buffer, size_t size);
int mm_esmtp_spool_rewind(void *message);

/* ---- status.c ------------------------------------------------------------ */

void mm_esmtp_status_fill(struct mm_esmtp_status *status,
                          const struct mailmod_result *result);

/* ---- etrn.c -------------------------------------------------------------- */

void mm_esmtp_etrn_free(smtp_session_t session);
/* What the server said of each node, by events. */
void mm_esmtp_etrn_tell(smtp_session_t session);

/* ---- watch.c ------------------------------------------------------------- */

/* The three callbacks of a client; the context is the session. */
enum mailmod_client_decision
mm_esmtp_on_event(void *session, const struct mailmod_client_event *event);
void mm_esmtp_on_line(void *session, const struct mailmod_client_line *line);
/* An event without anything behind it. */
void mm_esmtp_say(smtp_session_t session, int event);
/* The connection is over, if there was one. */
void mm_esmtp_watch_end(smtp_session_t session);

/* ---- auth.c -------------------------------------------------------------- */

void mm_esmtp_on_login(void *session, struct mailmod_client_login *login);
/* The mechanisms of mailmod_client_set_mechanisms that the context allows. */
const char *mm_esmtp_auth_mechanisms(const struct auth_context *context);
bool mm_esmtp_auth_needs_tls(const struct auth_context *context);

/* ---- files.c ------------------------------------------------------------- */

/* The user's file in the folder of libESMTP's files, for this host or for all:
 * "ca.pem". "" when there is none that can be read. */
void mm_esmtp_file(const char *host, const char *name,
                   char path_out[MM_ESMTP_PATH_MAX]);

#endif
