/* client.h - a client of a submission server: several messages in one session,
 * over one connection, sent while the caller waits.
 *
 * To be included beside mailmod.h, which says what holds for errors, and which
 * has the other ways to send (mailmod_message_new): those keep mail on disk, or
 * find each domain's own hosts. A client here keeps nothing on disk, and reads
 * each message from where the program has it.
 *
 * A client (mailmod_client) has servers, a login and times; its messages
 * (mailmod_client_message) have a reverse-path, a text and header fields; their
 * recipients (mailmod_client_recipient) have an address. mailmod_client_send
 * sends what is not done yet. What came of it is asked of messages and
 * recipients, and a further send takes only what is left.
 *
 * Threads: a client with all that belongs to it is for one thread at a time.
 * Several clients may send at once. mailmod_client_send makes every callback on
 * the thread that called it, with no lock held. While it runs, from callbacks,
 * statuses and contexts may be read; every call that changes something of the
 * client is STATE, and so are mailmod_drain and mailmod_free of the instance.
 *
 * Ownership: messages belong to their client, recipients to their message, and
 * end with it. What is passed in is copied before the call returns, but for a
 * mailmod_client_content, which is read while it is sent. The instance must
 * run when something is sent; the client outlives it otherwise. */
#ifndef MAILMOD_CLIENT_H
#define MAILMOD_CLIENT_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mailmod_client mailmod_client;
typedef struct mailmod_client_message mailmod_client_message;
typedef struct mailmod_client_recipient mailmod_client_recipient;

/* ---- the client ---------------------------------------------------------- */

/* ARGUMENT, HANDLE, MEMORY, LIMIT (handles in the process). */
MAILMOD_API enum mailmod_error mailmod_client_new(mailmod *instance,
                                                  mailmod_client **client_out);
/* With its messages and recipients; their contexts are released in this call.
 * Nulls the handle; NULL or a pointer to NULL does nothing. HANDLE; STATE while
 * it sends. */
MAILMOD_API enum mailmod_error mailmod_client_free(mailmod_client **client);
/* A pointer of the host's own. A former one is released in this call.
 * `on_release` may be NULL. */
MAILMOD_API enum mailmod_error
mailmod_client_set_context(mailmod_client *client, void *context,
                           mailmod_on_release on_release);
/* NULL without one, and for a handle that is none; likewise below. */
MAILMOD_API void *mailmod_client_context(mailmod_client *client);

/* "mail.example.org", or up to 8 with commas between, each a name or an address
 * with ":port" behind it or without: "mail.example.org:25, [2001:db8::1]". They
 * are tried in this order, each at all its addresses, until one talks to us;
 * the next one is asked for those whom one puts off (4xx). Without a port it
 * is 587, or 465 with MAILMOD_RELAY_TLS_IMPLICIT. Or "srv:example.org": the
 * servers and ports that SRV records name of the service _submission of this
 * domain, or _submissions with MAILMOD_RELAY_TLS_IMPLICIT (RFC 6186); one that
 * is not below the domain must have a certificate for the domain. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_set_servers(mailmod_client *client, const char *servers);
/* NULL or "": no login. The strongest mechanism that the server offers is used.
 * The password is wiped when it is no longer needed. ARGUMENT: it is missing
 * and there is no certificate (mailmod_client_set_certificate), or one is too
 * long. */
MAILMOD_API enum mailmod_error mailmod_client_set_login(mailmod_client *client,
                                                        const char *user,
                                                        const char *password);
/* The mechanisms that a login may use, as in smarthost.mechanisms:
 * "SCRAM-SHA-256, CRAM-MD5". NULL or "": all that fit. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_set_mechanisms(mailmod_client *client, const char *mechanisms);
/* As of a relay in mailmod.h. DEFAULT with a port 465 is IMPLICIT, for all
 * servers alike. `authority_file`: PEM, whose certificates a server's must come
 * from; NULL or "": the setting smarthost.authority_file, or the system's. It
 * is read when something is sent. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_set_tls(mailmod_client *client, enum mailmod_relay_tls tls,
                       const char *authority_file);
/* The client's own certificate, for servers that ask for one: PEM with its
 * chain, or PKCS#12; `key_file` NULL or "": in the same file. NULL or "": none.
 * With it a login may have no password: then it is EXTERNAL (RFC 4422 A), under
 * TLS alone. They are read when something is sent. ARGUMENT. */
MAILMOD_API enum mailmod_error mailmod_client_set_certificate(
    mailmod_client *client, const char *certificate_file, const char *key_file);
/* In EHLO: a whole domain name. NULL or "": the setting delivery.ehlo_name, or
 * general.host_name. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_set_host_name(mailmod_client *client, const char *name);

/* How long to wait (RFC 5321 4.5.3.2). What is not set is the setting
 * delivery.*_timeout. */
enum mailmod_client_time {
    MAILMOD_CLIENT_CONNECT,  /* for a connection to one address */
    MAILMOD_CLIENT_GREETING, /* for the first 220 */
    MAILMOD_CLIENT_ENVELOPE, /* for the reply to EHLO, AUTH, RSET, MAIL, RCPT */
    MAILMOD_CLIENT_DATA,     /* for the 354 */
    MAILMOD_CLIENT_TRANSFER, /* until the server takes a piece of the text */
    MAILMOD_CLIENT_END,      /* for the reply to the end of the text */
    MAILMOD_CLIENT_TLS       /* for the handshake */
};
/* 100 to 3 600 000 milliseconds; 0: the setting again. A time that is over ends
 * the connection with TIMEOUT; that of MAILMOD_CLIENT_END with UNSURE, for the
 * server may have taken the message. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_set_timeout(mailmod_client *client,
                           enum mailmod_client_time which, uint64_t timeout_ms);
/* Not 0: where a server refuses one recipient of a message, nobody gets it: no
 * text is sent, and those who were taken are DEFERRED with CANCELLED. */
MAILMOD_API enum mailmod_error
mailmod_client_require_all(mailmod_client *client, int requires_all);

/* Asked once for a send without a login of mailmod_client_set_login, before the
 * first connection; the answer counts for this send alone, and is wiped. */
struct mailmod_client_login {
    size_t size;        /* of this structure as the library filled it */
    const char *server; /* the first one, as it was set */
    /* The host's answer; both are copied when the callback returns. NULL: no
     * login. */
    const char *user;
    const char *password;
};
typedef void (*mailmod_on_client_login)(void *context,
                                        struct mailmod_client_login *login);
/* NULL: nobody is asked. A former context is released in this call, the last
 * one with the client; likewise below. */
MAILMOD_API enum mailmod_error
mailmod_client_set_login_callback(mailmod_client *client,
                                  mailmod_on_client_login on_login,
                                  void *context, mailmod_on_release on_release);

/* Mail that waits at the server for a host that is connected now and then (RFC
 * 1985): each mailmod_client_send asks it, before the messages, to send what
 * waits for these names, unless it gave its final answer before. "example.org";
 * "@example.org" with the domains below it; "#queue" a queue that the server
 * names. ARGUMENT, LIMIT (1000), MEMORY. */
MAILMOD_API enum mailmod_error mailmod_client_etrn_add(mailmod_client *client,
                                                       const char *name);
/* What was said to the name at this place, from 0 on in the order in which they
 * were added; `recipient` is the name. DELIVERED: 250 to 253, that it was
 * begun, or that nothing waits. DEFERRED: 458 (for now), 459 (not for us).
 * FAILED with UNSUPPORTED: the server does not offer ETRN. NOT_FOUND past the
 * last; ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_etrn_status(mailmod_client *client, size_t index,
                           struct mailmod_result *result_out);
/* All names go, with their statuses. */
MAILMOD_API enum mailmod_error
mailmod_client_etrn_clear(mailmod_client *client);

/* Sends each message to its recipients who are not final, in the order in which
 * messages were added, over one connection; waits until all is over. A message
 * that fails does not hold up the next. Each text is read once before, for its
 * size and its letters, and again at each attempt. OK when every one of these
 * recipients was delivered; else the error of the first who was not. Their
 * statuses say the rest. STATE: the instance does not run, no server is set, a
 * message has no text, or this is a callback of a client. NOT_FOUND: nobody is
 * left, and nothing to ask for. CONFIG: the authority file. STOPPED, MEMORY,
 * HANDLE. */
MAILMOD_API enum mailmod_error mailmod_client_send(mailmod_client *client);

/* ---- messages ------------------------------------------------------------ */

/* Without a reverse-path, text or recipients. HANDLE, STATE, MEMORY, LIMIT. */
MAILMOD_API enum mailmod_error
mailmod_client_message_add(mailmod_client *client,
                           mailmod_client_message **message_out);
/* Ends it as mailmod_client_free does. HANDLE, STATE. */
MAILMOD_API enum mailmod_error
mailmod_client_message_remove(mailmod_client_message **message);
/* The client's next message behind `message`, the first one for NULL; NULL
 * behind the last, and for a handle that is none. */
MAILMOD_API mailmod_client_message *
mailmod_client_message_next(mailmod_client *client,
                            mailmod_client_message *message);
MAILMOD_API enum mailmod_error
mailmod_client_message_set_context(mailmod_client_message *message,
                                   void *context,
                                   mailmod_on_release on_release);
MAILMOD_API void *
mailmod_client_message_context(mailmod_client_message *message);
/* With or without angle brackets; NULL, "" or "<>": the null path, as it is
 * without this call. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_message_set_reverse_path(mailmod_client_message *message,
                                        const char *mailbox);
/* Reports of delivery, as in mailmod_envelope; `envelope_id` may be NULL.
 * ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_message_set_dsn(mailmod_client_message *message,
                               enum mailmod_dsn_return dsn_return,
                               const char *envelope_id);

/* By when a message is to be delivered (RFC 2852). */
enum mailmod_deliver_by {
    MAILMOD_DELIVER_BY_OFF,    /* no time */
    MAILMOD_DELIVER_BY_NOTIFY, /* past it the sender is told, and it goes on */
    MAILMOD_DELIVER_BY_RETURN  /* past it the message comes back */
};
/* `seconds` from each mailmod_client_send on: 1 to 999 999 999. `is_traced`,
 * not 0: servers that pass it on report that, too. Reports go to the
 * reverse-path. It counts where the server offers DELIVERBY: else NOTIFY goes
 * without, and RETURN does not go (MAILMOD_CLIENT_MISSING). Where the server
 * wants more time than is left, RETURN does not go either
 * (MAILMOD_CLIENT_EXPIRED). ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_message_set_deliver_by(mailmod_client_message *message,
                                      enum mailmod_deliver_by mode,
                                      int64_t seconds, int is_traced);

/* Where the text of a message comes from: header, empty line, body. Line ends
 * may be CRLF, LF or CR. */
struct mailmod_client_content {
    size_t size;         /* sizeof (struct mailmod_client_content) */
    mailmod_reader read; /* from mailmod.h; (size_t)-1: CANCELLED */
    /* Back to the beginning: before the first octet is read, too. 0: it cannot
     * be, and the message is not sent. */
    int (*rewind)(void *context);
    void *context;
    mailmod_on_release on_release; /* of `context`; may be NULL */
};
/* Both are called by mailmod_client_send alone. Memory holds 1 MiB of header
 * and 256 KiB of the text at most. The context is released when another text is
 * set, or the message ends. Every reading must give the same octets: a text
 * that changed between is not sent as half of itself (STORAGE_DAMAGED).
 * ARGUMENT, MEMORY. */
MAILMOD_API enum mailmod_error mailmod_client_message_set_content(
    mailmod_client_message *message,
    const struct mailmod_client_content *content);
/* A copy of the whole. */
MAILMOD_API enum mailmod_error
mailmod_client_message_set_text(mailmod_client_message *message,
                                const void *octets, size_t size);
/* Not 0: the text has binary parts (Content-Transfer-Encoding: binary), whose
 * octets arrive as they are, bare CR, LF and NUL too: no line end of the text
 * is mended, and each line of its header must end with CRLF (else SYNTAX). It
 * goes by BDAT with BODY=BINARYMIME, and only to a server that offers both
 * (MAILMOD_CLIENT_MISSING): else its recipients are FAILED with UNSUPPORTED. */
MAILMOD_API enum mailmod_error
mailmod_client_message_set_binary(mailmod_client_message *message,
                                  int is_binary);
/* For a content whose `read` is mailmod_file_read: the file's beginning. A pipe
 * has none. */
MAILMOD_API int mailmod_file_rewind(void *file);

/* ---- header fields -------------------------------------------------------

 * The text's own fields go out in their order, octet by octet, and win over
 * those that are set here. But Bcc, Resent-Bcc, Return-Path, Original-Recipient
 * and Resent-Reply-To never go out; of Date, From, Sender, Reply-To, To, Cc,
 * Subject, Message-ID, In-Reply-To, References and Disposition-Notification-To
 * the first one alone does. What is set and not there comes behind the text's
 * fields. Date (the present time), From (the reverse-path) and Message-ID are
 * made where they are missing (RFC 6409 8). A text whose first line is no field
 * has no header.
 *
 * Fields of MIME (Content-..., MIME-...), Resent-... and Received are the
 * text's alone: they pass as they are, and every call for one is ARGUMENT, as
 * it is for those that never go out. Names are compared in any case of letters.
 * A value that is set is folded, and its other letters than ASCII are encoded
 * (RFC 2047). All of these: ARGUMENT (the words say what), LIMIT, MEMORY. */

/* The whole value, UTF-8, unfolded; instead of a former one. */
MAILMOD_API enum mailmod_error
mailmod_client_message_set_header(mailmod_client_message *message,
                                  const char *name, const char *value);
/* One mailbox more in From, To, Cc or Reply-To; the mailbox of Sender or
 * Disposition-Notification-To. `phrase`: a name for people, quoted as need be;
 * NULL or "": none. With both NULL, To and the other lists name the message's
 * recipients. EXISTS: a second one where only one may be. */
MAILMOD_API enum mailmod_error
mailmod_client_message_add_mailbox(mailmod_client_message *message,
                                   const char *name, const char *phrase,
                                   const char *mailbox);
/* Date: milliseconds since 1970, UTC, on the clocks of a zone that is so many
 * minutes before UTC. */
MAILMOD_API enum mailmod_error
mailmod_client_message_set_date(mailmod_client_message *message,
                                int64_t time_ms, int zone_minutes);
enum mailmod_header_option {
    MAILMOD_HEADER_OVERRIDE = 1, /* what is set here stands in the place of the
                                    text's own */
    MAILMOD_HEADER_PROHIBIT = 2  /* none goes out; not of Date and From */
};
/* One of them on or off. */
MAILMOD_API enum mailmod_error mailmod_client_message_set_header_option(
    mailmod_client_message *message, const char *name,
    enum mailmod_header_option option, int is_on);

/* ---- recipients ---------------------------------------------------------- */

/* An address with or without angle brackets; the same one may be there twice.
 * ARGUMENT, STATE, MEMORY, LIMIT. `recipient_out` may be NULL. */
MAILMOD_API enum mailmod_error
mailmod_client_recipient_add(mailmod_client_message *message,
                             const char *mailbox,
                             mailmod_client_recipient **recipient_out);
/* As mailmod_client_message_next. */
MAILMOD_API mailmod_client_recipient *
mailmod_client_recipient_next(mailmod_client_message *message,
                              mailmod_client_recipient *recipient);
/* Its address, without angle brackets; until its message ends. NULL. */
MAILMOD_API const char *
mailmod_client_recipient_mailbox(mailmod_client_recipient *recipient);
MAILMOD_API enum mailmod_error
mailmod_client_recipient_set_context(mailmod_client_recipient *recipient,
                                     void *context,
                                     mailmod_on_release on_release);
MAILMOD_API void *
mailmod_client_recipient_context(mailmod_client_recipient *recipient);
/* As in mailmod_recipient: mailmod_dsn_notify bits, and "rfc822;address" or
 * NULL. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_client_recipient_set_dsn(mailmod_client_recipient *recipient,
                                 unsigned notify,
                                 const char *original_recipient);

/* ---- what came of it ----------------------------------------------------- */

/* Texts of the results live until the next send, reset or end of what was
 * asked. PENDING and a code of 0: nothing was said yet. HANDLE, ARGUMENT. */

/* The reply to MAIL; `recipient` is "", DELIVERED: it was taken. */
MAILMOD_API enum mailmod_error
mailmod_client_reverse_path_status(mailmod_client_message *message,
                                   struct mailmod_result *result_out);
/* The reply to the text, or to DATA; else why none was sent. `recipient` is "".
 * With several servers, of the last one. */
MAILMOD_API enum mailmod_error
mailmod_client_transfer_status(mailmod_client_message *message,
                               struct mailmod_result *result_out);
/* The outcome. Code and texts are of the reply to RCPT; where that took the
 * recipient and it failed later, of what failed. `is_final`: DELIVERED, or
 * FAILED for good (5xx); no further send takes it. */
MAILMOD_API enum mailmod_error
mailmod_client_recipient_status(mailmod_client_recipient *recipient,
                                struct mailmod_result *result_out);
/* Forgets what came of it: it will be sent again, though it was delivered. */
MAILMOD_API enum mailmod_error
mailmod_client_recipient_reset(mailmod_client_recipient *recipient);
/* The same with all its recipients. */
MAILMOD_API enum mailmod_error
mailmod_client_message_reset(mailmod_client_message *message);

/* ---- while it happens ---------------------------------------------------- */

enum mailmod_client_event_kind {
    /* How far the message is: `progress` and, with SENDING, `octets` of its
     * text that went out. When the host is slow the latest alone is told. */
    MAILMOD_CLIENT_PROGRESS,
    MAILMOD_CLIENT_REVERSE_PATH, /* the reply to MAIL */
    MAILMOD_CLIENT_RECIPIENT,    /* the reply to RCPT */
    MAILMOD_CLIENT_TRANSFERRED,  /* the reply to the text */
    /* A server does not offer what the message would use: `missing`. AS_SET is
     * to go on: in clear where TLS is no must, with the text encoded as
     * delivery.eight_bit says, and without reports; but what is to be returned
     * at its time does not go without DELIVERBY, unless with GO_ON. STOP: the
     * message is not sent there, its recipients are DEFERRED with UNSUPPORTED.
     */
    MAILMOD_CLIENT_MISSING,
    /* The certificate of a server is not to be trusted: `text` says why. AS_SET
     * and STOP are to leave it. GO_ON: another connection is made, whose
     * certificate is not looked at; a login goes over it, too. */
    MAILMOD_CLIENT_CERTIFICATE,
    /* A message that is to be returned when its time is over has less time
     * left than the server takes: `seconds` too few. AS_SET and STOP: it is not
     * sent, its recipients are FAILED with TIMEOUT. GO_ON: it gets the time
     * that the server wants. */
    MAILMOD_CLIENT_EXPIRED
};
/* Of `missing`, bits. */
enum mailmod_client_extension {
    MAILMOD_CLIENT_STARTTLS = 1,
    MAILMOD_CLIENT_8BITMIME = 2,
    MAILMOD_CLIENT_DSN = 4,
    MAILMOD_CLIENT_DELIVERBY = 8,
    MAILMOD_CLIENT_BINARYMIME = 16 /* with CHUNKING; nobody may go on without */
};
enum mailmod_client_decision {
    MAILMOD_CLIENT_AS_SET,
    MAILMOD_CLIENT_GO_ON,
    MAILMOD_CLIENT_STOP
};
struct mailmod_client_event {
    size_t size; /* of this structure as the library filled it */
    mailmod_client_message *message;
    mailmod_client_recipient *recipient; /* RECIPIENT; else NULL */
    enum mailmod_client_event_kind kind;
    enum mailmod_progress progress; /* PROGRESS; else 0 */
    uint64_t octets;
    unsigned missing; /* MISSING; else 0 */
    const char *host; /* the server; "" in PROGRESS */
    const char *text; /* CERTIFICATE; else "" */
    int64_t seconds;  /* EXPIRED; else 0 */
};
/* The decision counts for MISSING, CERTIFICATE and EXPIRED. The server waits
 * meanwhile, as long as it likes to. The statuses have the reply already. */
typedef enum mailmod_client_decision (*mailmod_on_client_event)(
    void *context, const struct mailmod_client_event *event);
MAILMOD_API enum mailmod_error
mailmod_client_set_event_callback(mailmod_client *client,
                                  mailmod_on_client_event on_event,
                                  void *context, mailmod_on_release on_release);

enum mailmod_client_way {
    MAILMOD_CLIENT_RECEIVED,
    MAILMOD_CLIENT_SENT,
    MAILMOD_CLIENT_TEXT /* what of the text goes out, before dots are stuffed;
                           pieces, not lines */
};
struct mailmod_client_line {
    size_t size;        /* of this structure as the library filled it */
    const char *octets; /* without a line end, but for TEXT */
    size_t count;
    enum mailmod_client_way way;
    int is_masked; /* more stood behind it: a secret */
    /* Lines before this one that are not told, for 1 MiB of them waited. */
    uint64_t left_out;
};
typedef void (*mailmod_on_client_line)(void *context,
                                       const struct mailmod_client_line *line);
/* Each command and each line of a reply, in their order. Passwords and tokens
 * are masked. `shows_text`: the messages' texts too, at each reading. */
MAILMOD_API enum mailmod_error
mailmod_client_set_monitor(mailmod_client *client,
                           mailmod_on_client_line on_line, int shows_text,
                           void *context, mailmod_on_release on_release);

#ifdef __cplusplus
}
#endif

#endif
