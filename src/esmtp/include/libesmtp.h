/* thread: any, one at a time for each session
 * libesmtp.h - the functions of libESMTP, over mailmod's client.
 *
 * Part of libmailmod-esmtp (docs/esmtp.md), for programs that are written for
 * libESMTP: names, values, prototypes and structures are that library's, so
 * that they compile unchanged, and those that are compiled already run. What
 * differs stands in docs/esmtp.md.
 *
 * Unless said otherwise a function returns 0 when it fails, else something
 * else; one that makes an object returns NULL when it fails; smtp_errno says
 * why. What is passed in is copied, but for the arguments of callbacks.
 * Messages, recipients and nodes belong to their session and end with it. */
#ifndef _libesmtp_h
#define _libesmtp_h

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct smtp_session *smtp_session_t;
typedef struct smtp_message *smtp_message_t;
typedef struct smtp_recipient *smtp_recipient_t;
typedef struct smtp_etrn_node *smtp_etrn_node_t;

struct auth_context; /* auth-client.h */
struct ssl_ctx_st;   /* OpenSSL's SSL_CTX */

/* ---- the session --------------------------------------------------------- */

enum { Ver_VERSION, Ver_SO_VERSION, Ver_LT_VERSION };
/* The version of libESMTP whose functions these are, as text. 0 when it does
 * not fit with its NUL. */
int smtp_version(void *buf, size_t len, int what);

smtp_session_t smtp_create_session(void);
/* With all that belongs to it. Always 1, but for NULL and in a callback. */
int smtp_destroy_session(smtp_session_t session);
/* "host:service", or several with commas between, which are tried in their
 * order. The service is a number, "smtp", "submission", "submissions" or
 * "smtps"; without one it is 587. An IPv6 address stands in brackets. With 465
 * TLS is begun at once. */
int smtp_set_server(smtp_session_t session, const char *hostport);
/* The first host as it was set; NULL without one. */
const char *smtp_get_server_name(smtp_session_t session);
/* In EHLO: a whole domain name. NULL: the system's. */
int smtp_set_hostname(smtp_session_t session, const char *hostname);
/* Sends each message to its recipients who are not complete. Not 0: a server
 * talked to us; what it said of messages and recipients is in their statuses.
 * 0: nothing was sent. */
int smtp_start_session(smtp_session_t session);
/* Not 0: a message goes to all of its recipients or to none. */
int smtp_option_require_all_recipients(smtp_session_t session, int state);
/* NULL: no login. */
int smtp_auth_set_context(smtp_session_t session, struct auth_context *context);

enum rfc2822_timeouts {
    Timeout_GREETING,
    Timeout_ENVELOPE,
    Timeout_DATA,
    Timeout_TRANSFER,
    Timeout_DATA2
};
/* Added to `which`: a value below RFC 5321's is taken. */
#define Timeout_OVERRIDE_RFC2822_MINIMUM 0x1000
/* In milliseconds, at least 1000. Returns what was set, 0 when it fails. */
long smtp_set_timeout(smtp_session_t session, int which, long value);

/* ---- messages and recipients --------------------------------------------- */

typedef void (*smtp_enumerate_messagecb_t)(smtp_message_t message, void *arg);
typedef void (*smtp_enumerate_recipientcb_t)(smtp_recipient_t recipient,
                                             const char *mailbox, void *arg);

smtp_message_t smtp_add_message(smtp_session_t session);
int smtp_enumerate_messages(smtp_session_t session,
                            smtp_enumerate_messagecb_t cb, void *arg);
/* NULL or "": the null path. */
int smtp_set_reverse_path(smtp_message_t message, const char *mailbox);
smtp_recipient_t smtp_add_recipient(smtp_message_t message,
                                    const char *mailbox);
int smtp_enumerate_recipients(smtp_message_t message,
                              smtp_enumerate_recipientcb_t cb, void *arg);

/* `len` NULL: back to the beginning, the result is not used. Else the next
 * octets of the text, `*len` of them, which live until the next call; 0: the
 * end. `*ctx` is the callback's own, NULL at first; the library gives it to
 * free() when the message ends. A session asks for the beginning once, and then
 * reads once. */
typedef const char *(*smtp_messagecb_t)(void **ctx, int *len, void *arg);
int smtp_set_messagecb(smtp_message_t message, smtp_messagecb_t cb, void *arg);
const char *_smtp_message_fp_cb(void **ctx, int *len, void *arg);
const char *_smtp_message_str_cb(void **ctx, int *len, void *arg);
/* A FILE *, or a text that ends with a NUL and outlives the session. */
#define smtp_set_message_fp(message, fp)                                       \
    smtp_set_messagecb((message), _smtp_message_fp_cb, (fp))
#define smtp_set_message_str(message, str)                                     \
    smtp_set_messagecb((message), _smtp_message_str_cb, (str))

/* ---- header fields ------------------------------------------------------- */

/* Behind the name: Date a const time_t *; From, Sender, To, Cc, Bcc, Reply-To
 * and Disposition-Notification-To a phrase and a mailbox; any other a text. */
int smtp_set_header(smtp_message_t message, const char *header, ...);
enum header_option { Hdr_OVERRIDE, Hdr_PROHIBIT };
/* Behind the option: an int, on or off. */
int smtp_set_header_option(smtp_message_t message, const char *header,
                           enum header_option option, ...);
/* Off is all that there is. */
int smtp_set_resent_headers(smtp_message_t message, int onoff);

/* ---- while it happens ---------------------------------------------------- */

/* Behind the number and `arg` come what the comments name. */
enum {
    SMTP_EV_CONNECT,
    SMTP_EV_MAILSTATUS,  /* const char *mailbox, smtp_message_t */
    SMTP_EV_RCPTSTATUS,  /* const char *mailbox, smtp_recipient_t */
    SMTP_EV_MESSAGEDATA, /* smtp_message_t, int octets */
    SMTP_EV_MESSAGESENT, /* smtp_message_t */
    SMTP_EV_DISCONNECT,
    SMTP_EV_SYNTAXWARNING,

    SMTP_EV_ETRNSTATUS = 1000, /* int option, const char *domain */

    SMTP_EV_EXTNA_DSN = 2000, /* int *quit */
    SMTP_EV_EXTNA_8BITMIME,
    SMTP_EV_EXTNA_STARTTLS,
    SMTP_EV_EXTNA_ETRN,
    SMTP_EV_EXTNA_CHUNKING,
    SMTP_EV_EXTNA_BINARYMIME,

    SMTP_EV_DELIVERBY_EXPIRED = 3000, /* long seconds, int *adjust */

    SMTP_EV_WEAK_CIPHER = 3100,
    SMTP_EV_STARTTLS_OK,
    SMTP_EV_INVALID_PEER_CERTIFICATE, /* long, int *ok, SSL * (NULL) */
    SMTP_EV_NO_PEER_CERTIFICATE,
    SMTP_EV_WRONG_PEER_CERTIFICATE,
    SMTP_EV_NO_CLIENT_CERTIFICATE,
    SMTP_EV_UNUSABLE_CLIENT_CERTIFICATE,
    SMTP_EV_UNUSABLE_CA_LIST
};
typedef void (*smtp_eventcb_t)(smtp_session_t session, int event_no, void *arg,
                               ...);
int smtp_set_eventcb(smtp_session_t session, smtp_eventcb_t cb, void *arg);

#define SMTP_CB_READING 0
#define SMTP_CB_WRITING 1
#define SMTP_CB_HEADERS 2
/* Lines with their line ends; the rest of a line that has a secret is left
 * out. `headers`: the headers of messages as they go out, too. */
typedef void (*smtp_monitorcb_t)(const char *buf, int buflen, int writing,
                                 void *arg);
int smtp_set_monitorcb(smtp_session_t session, smtp_monitorcb_t cb, void *arg,
                       int headers);

/* ---- what came of it ----------------------------------------------------- */

struct smtp_status {
    int code;      /* of the reply; 0: there was none */
    char *text;    /* of the reply, or why there was none; ends with "\n" */
    int enh_class; /* RFC 3463, 0.0.0: none */
    int enh_subject;
    int enh_detail;
};
typedef struct smtp_status smtp_status_t;

/* They live until the next session, the reset or the end of what was asked, and
 * are filled anew by each call. */
const smtp_status_t *smtp_message_transfer_status(smtp_message_t message);
const smtp_status_t *smtp_reverse_path_status(smtp_message_t message);
const smtp_status_t *smtp_recipient_status(smtp_recipient_t recipient);
/* Not 0: it has the message, or was refused for good. */
int smtp_recipient_check_complete(smtp_recipient_t recipient);
/* Forgets what came of it, so that it is sent again. */
int smtp_message_reset_status(smtp_message_t message);
int smtp_recipient_reset_status(smtp_recipient_t recipient);

/* The last error on this thread; below 0: an errno of the system's. */
int smtp_errno(void);
/* Its words, cut where they do not fit; `buf`. */
char *smtp_strerror(int error, char buf[], size_t buflen);

#define SMTP_ERR_NOTHING_TO_DO 2
#define SMTP_ERR_DROPPED_CONNECTION 3
#define SMTP_ERR_INVALID_RESPONSE_SYNTAX 4
#define SMTP_ERR_STATUS_MISMATCH 5
#define SMTP_ERR_INVALID_RESPONSE_STATUS 6
#define SMTP_ERR_INVAL 7
#define SMTP_ERR_EXTENSION_NOT_AVAILABLE 8
#define SMTP_ERR_EAI_ADDRFAMILY 9
#define SMTP_ERR_EAI_NODATA 10
#define SMTP_ERR_EAI_FAIL 11
#define SMTP_ERR_EAI_AGAIN 12
#define SMTP_ERR_EAI_MEMORY 13
#define SMTP_ERR_EAI_FAMILY 14
#define SMTP_ERR_EAI_BADFLAGS 15
#define SMTP_ERR_EAI_NONAME 16
#define SMTP_ERR_EAI_SERVICE 17
#define SMTP_ERR_EAI_SOCKTYPE 18
#define SMTP_ERR_UNTERMINATED_RESPONSE 19
#define SMTP_ERR_CLIENT_ERROR 20
/* Older names. */
#define SMTP_ERR_HOST_NOT_FOUND SMTP_ERR_EAI_ADDRFAMILY
#define SMTP_ERR_NO_ADDRESS SMTP_ERR_EAI_NODATA
#define SMTP_ERR_NO_RECOVERY SMTP_ERR_EAI_FAIL
#define SMTP_ERR_TRY_AGAIN SMTP_ERR_EAI_AGAIN

/* ---- pointers of the program's own --------------------------------------- */

/* `release` (or NULL) gets the pointer when another one is set, or its owner
 * ends. */
void smtp_set_application_data_release(smtp_session_t session, void *data,
                                       void (*release)(void *));
void smtp_message_set_application_data_release(smtp_message_t message,
                                               void *data,
                                               void (*release)(void *));
void smtp_recipient_set_application_data_release(smtp_recipient_t recipient,
                                                 void *data,
                                                 void (*release)(void *));
void smtp_etrn_set_application_data_release(smtp_etrn_node_t node, void *data,
                                            void (*release)(void *));
void *smtp_get_application_data(smtp_session_t session);
void *smtp_message_get_application_data(smtp_message_t message);
void *smtp_recipient_get_application_data(smtp_recipient_t recipient);
void *smtp_etrn_get_application_data(smtp_etrn_node_t node);
#ifdef LIBESMTP_ENABLE_DEPRECATED_SYMBOLS
/* They return the former pointer, which is not released. */
void *smtp_set_application_data(smtp_session_t session, void *data);
void *smtp_message_set_application_data(smtp_message_t message, void *data);
void *smtp_recipient_set_application_data(smtp_recipient_t recipient,
                                          void *data);
void *smtp_etrn_set_application_data(smtp_etrn_node_t node, void *data);
#endif

/* ---- extensions of SMTP -------------------------------------------------- */

/* Reports of delivery, RFC 3461. */
enum ret_flags { Ret_NOTSET, Ret_FULL, Ret_HDRS };
int smtp_dsn_set_ret(smtp_message_t message, enum ret_flags flags);
int smtp_dsn_set_envid(smtp_message_t message, const char *envid);
enum notify_flags {
    Notify_NOTSET,
    Notify_NEVER = -1,
    Notify_SUCCESS = 1,
    Notify_FAILURE = 2,
    Notify_DELAY = 4
};
int smtp_dsn_set_notify(smtp_recipient_t recipient, enum notify_flags flags);
/* "rfc822" and an address; NULL and NULL: none. */
int smtp_dsn_set_orcpt(smtp_recipient_t recipient, const char *address_type,
                       const char *address);

/* RFC 1870. The size that is told is counted, not this one. */
int smtp_size_set_estimate(smtp_message_t message, unsigned long size);

/* RFC 6152. */
enum e8bitmime_body {
    E8bitmime_NOTSET,
    E8bitmime_7BIT,
    E8bitmime_8BITMIME,
    E8bitmime_BINARYMIME
};
int smtp_8bitmime_set_body(smtp_message_t message, enum e8bitmime_body body);

/* RFC 2852: seconds from each session on, 1 to 999999999. */
enum by_mode { By_NOTSET, By_NOTIFY, By_RETURN };
int smtp_deliverby_set_mode(smtp_message_t message, long time,
                            enum by_mode mode, int trace);

/* RFC 3207. A new session has DISABLED. */
enum starttls_option { Starttls_DISABLED, Starttls_ENABLED, Starttls_REQUIRED };
int smtp_starttls_enable(smtp_session_t session, enum starttls_option how);
/* Files are set instead (docs/esmtp.md): 0, EXTENSION_NOT_AVAILABLE. */
int smtp_starttls_set_ctx(smtp_session_t session, struct ssl_ctx_st *ctx);
struct ssl_ctx_st *smtp_starttls_get_ctx(smtp_session_t session);
typedef int (*smtp_starttls_passwordcb_t)(char *buf, int buflen, int rwflag,
                                          void *arg);
/* Is taken, and never called: a key with a password is not used. */
int smtp_starttls_set_password_cb(smtp_starttls_passwordcb_t cb, void *arg);

/* RFC 1985: the server is asked to send what waits for `node`, before the
 * messages. `option`: 0; '@', with the domains below it; '#', a queue. */
smtp_etrn_node_t smtp_etrn_add_node(smtp_session_t session, int option,
                                    const char *node);
typedef void (*smtp_etrn_enumerate_nodecb_t)(smtp_etrn_node_t node, int option,
                                             const char *domain, void *arg);
int smtp_etrn_enumerate_nodes(smtp_session_t session,
                              smtp_etrn_enumerate_nodecb_t cb, void *arg);
const smtp_status_t *smtp_etrn_node_status(smtp_etrn_node_t node);

#ifdef __cplusplus
}
#endif

#endif
