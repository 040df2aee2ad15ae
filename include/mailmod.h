/* mailmod.h - an all-in-one mail system in one library.
 *
 * An instance receives mail by SMTP, keeps it on disk before it says 250,
 * serves it by POP3, and sends mail out through MX hosts or a smarthost from a
 * queue that retries for 24 hours.
 *
 * Life of an instance: mailmod_new, settings, mailmod_start, ... and then
 * mailmod_stop (no new work), mailmod_drain (finish or cancel by a deadline),
 * mailmod_free (join the threads, give back the memory). Several instances may
 * live in one process; they share nothing.
 *
 * Threads: an instance starts threads of its own, with all signals blocked.
 * Every function here may be called from any thread unless it says otherwise.
 * An instance must be made after fork(), not before.
 *
 * Ownership: what is passed in is copied before the call returns; what a
 * callback is given lives until the callback returns; texts that a function
 * returns live as long as it says.
 *
 * Errors: every function that can fail returns an enum mailmod_error, 0 being
 * success (mailmod/error.h); mailmod_last_error_text() has the words for the
 * calling thread. A handle that is NULL gives ARGUMENT, one that is finished or
 * was never ours gives HANDLE. No function prints, exits, aborts, installs a
 * signal handler or changes the process in any other way.
 *
 * Versions: from 1.0 on the ABI only grows; before, a minor version may change
 * it and has a SONAME of its own (docs/abi.md). Structures that the host fills
 * begin with their size, so that they can grow too. */
#ifndef MAILMOD_H
#define MAILMOD_H

#include <stddef.h>
#include <stdint.h>

#include "mailmod/error.h"
#include "mailmod/terms.h"

#if defined(_WIN32)
#ifdef MAILMOD_BUILD
#define MAILMOD_API __declspec(dllexport)
#else
#define MAILMOD_API
#endif
#elif defined(__GNUC__)
#define MAILMOD_API __attribute__((visibility("default")))
#else
#define MAILMOD_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header, as text and as a number for #if: major * 1000000
 * + minor * 1000 + patch. */
#define MAILMOD_VERSION "0.2.0"
#define MAILMOD_VERSION_NUMBER 2000

/* The version of the library that is loaded, such as "0.2.0"; static. */
MAILMOD_API const char *mailmod_version(void);
/* The same as a number, to compare with MAILMOD_VERSION_NUMBER. */
MAILMOD_API int mailmod_version_number(void);
/* The general text of an error; static, never NULL. */
MAILMOD_API const char *mailmod_error_text(enum mailmod_error error);
/* The words for the last error of a call on this thread: which file, which
 * key, which address. Lives until the next failing call on this thread. */
MAILMOD_API const char *mailmod_last_error_text(void);

/* ---- memory ------------------------------------------------------------ */

/* Libraries below that can take the host's memory too; bits. */
enum mailmod_memory {
    MAILMOD_MEMORY_OPENSSL = 1,
    MAILMOD_MEMORY_SQLITE = 2,
    MAILMOD_MEMORY_LIBUV = 4,
    MAILMOD_MEMORY_CARES = 8
};
/* Functions as the C library's, for sizes above 0. They are called from any
 * thread, several at once, until the process ends or the library is unloaded,
 * and must not call the library. Memory is aligned for any object. NULL: there
 * is none, and the call that needed it fails with MEMORY; nothing is lost. */
typedef void *(*mailmod_allocate)(void *context, size_t size);
/* `memory` is never NULL; with the result NULL it stays as it is. */
typedef void *(*mailmod_resize)(void *context, void *memory, size_t size);
/* `memory` is never NULL. */
typedef void (*mailmod_give_back)(void *context, void *memory);
struct mailmod_allocator {
    size_t size; /* sizeof (struct mailmod_allocator) */
    mailmod_allocate allocate;
    mailmod_resize resize;
    mailmod_give_back release;
    void *context;
    /* mailmod_memory bits; 0: the library's own memory alone. These libraries
     * have one allocator in a process: the host's own use of them gets it too.
     * They keep some memory until the process ends, and this library must stay
     * loaded until then. Before their first use: libuv and c-ares do not notice
     * when it is too late. Not covered: stacks of threads, libidn2, and what
     * the C library takes for itself. */
    size_t covers;
};
/* Where memory comes from. Once, before any other call of the library but for
 * versions and the texts of errors, and with no other at the same time. When
 * every instance, message and request is finished, all is given back. ARGUMENT;
 * STATE when the library, or one that is to be covered, has memory already: the
 * words say which, and the C library's stays in use. */
MAILMOD_API enum mailmod_error
mailmod_allocator_set(const struct mailmod_allocator *allocator);
/* Lets SQLite do without the count of its memory, in all of this process. The
 * count is a lock that each of its allocations takes, whatever the thread:
 * receiving costs some per cent less without. For a program that neither asks
 * for that count nor limits it (sqlite3_memory_used, sqlite3_status,
 * sqlite3_soft_heap_limit64 and the like); mailmodd is one. Before SQLite's
 * first use, and with no other call at the same time. STATE: SQLite is in use
 * already, and nothing changes. */
MAILMOD_API enum mailmod_error mailmod_sqlite_stop_counting(void);

/* Told once for a `context` that the host gave: no callback has it any more and
 * none will. The place that takes the context says on which thread. It holds
 * nothing of the library's and may call it, but for what may not be called on
 * that thread. A call that fails has not taken the context. */
typedef void (*mailmod_on_release)(void *context);

/* ---- instances ------------------------------------------------------- */

typedef struct mailmod mailmod;

/* A new instance with the default configuration; nothing is opened yet.
 * MEMORY. */
MAILMOD_API enum mailmod_error mailmod_new(mailmod **instance_out);

/* Stops if need be, joins every thread, frees, and nulls the handle; messages
 * that are open keep their results. NULL or a pointer to NULL does nothing.
 * HANDLE for a pointer to none; STATE in a callback of the instance. */
MAILMOD_API enum mailmod_error mailmod_free(mailmod **instance);

/* A pointer of the host's own for the instance. A former one is released in
 * this call, the last one at the end of mailmod_free, on the calling thread.
 * `on_release` may be NULL. */
MAILMOD_API enum mailmod_error
mailmod_instance_set_context(mailmod *instance, void *context,
                             mailmod_on_release on_release);
/* NULL without one, and for a handle that is none. */
MAILMOD_API void *mailmod_instance_context(mailmod *instance);

/* Reads a configuration file (mailmod's syntax or the original engine's, see
 * docs/config.md) over the present settings. NOT_FOUND and ACCESS, of the file
 * itself. CONFIG: the mistakes, one a line with file, line and key, are the
 * last error's text. Nothing was changed then.
 * A running instance goes on with what it has until mailmod_reload. What a file
 * of the original engine sets and mailmod has not is a warning in the log. */
MAILMOD_API enum mailmod_error mailmod_config_load(mailmod *instance,
                                                   const char *file);
/* Sets one key, by its dotted name or an old name of the original engine, from
 * text. UNKNOWN_NAME, ARGUMENT. Takes effect at start or mailmod_reload. */
MAILMOD_API enum mailmod_error
mailmod_config_set(mailmod *instance, const char *name, const char *value);
/* The value of a key as text, copied into `value_out` with a NUL. LIMIT when
 * it does not fit, UNKNOWN_NAME. Secrets read as asterisks. */
MAILMOD_API enum mailmod_error mailmod_config_get(mailmod *instance,
                                                  const char *name,
                                                  char *value_out, size_t size);
/* All settings back to their defaults, as after mailmod_new: before a file is
 * loaded anew, so that what is no longer in it does not stay. A running
 * instance goes on with what it has until mailmod_reload. MEMORY, and nothing
 * was changed. */
MAILMOD_API enum mailmod_error mailmod_config_reset(mailmod *instance);
struct mailmod_setting {
    size_t size;       /* of this structure as the library filled it */
    const char *name;  /* "smtp.listen" */
    const char *value; /* the present one; secrets as asterisks */
    const char *default_value;
    const char *help; /* what it means */
};
typedef void (*mailmod_on_setting)(void *context,
                                   const struct mailmod_setting *setting);
/* Every key, in the order of docs/config.md; the callback must not call the
 * instance. MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_config_list(mailmod *instance, mailmod_on_setting on_setting,
                    void *context);
/* Checks the settings as a whole without starting. CONFIG. */
MAILMOD_API enum mailmod_error mailmod_config_check(mailmod *instance);
/* Brings a running instance to the present settings, as a whole or not at all:
 * on an error the former ones stay in force. Certificates are read anew.
 * Listeners, the data folder and thread counts change only with a restart;
 * a changed value of those is CONFIG. */
MAILMOD_API enum mailmod_error mailmod_reload(mailmod *instance);

/* Opens the store, binds the listeners, starts the threads. On an error nothing
 * is left behind and the call may be repeated. */
MAILMOD_API enum mailmod_error mailmod_start(mailmod *instance);
/* mailmod_start in two steps for a daemon that binds as root: `open` makes the
 * data folder and binds the listeners, then the caller drops its rights, then
 * mailmod_start does the rest. */
MAILMOD_API enum mailmod_error mailmod_listeners_open(mailmod *instance);
/* No new connections and no new attempts of the queue's; sessions are told 421
 * when they are between two commands; messages that were handed in to be sent
 * at once still are. Returns at once. */
MAILMOD_API enum mailmod_error mailmod_stop(mailmod *instance);
/* After stop: waits until all sessions and deliveries ended, at most
 * `deadline_ms`, then cuts what is left; what was acknowledged is on disk, what
 * was not sent stays queued. Joins the threads: the instance can be started
 * again. TIMEOUT tells that something was cut. Not from a callback. */
MAILMOD_API enum mailmod_error mailmod_drain(mailmod *instance,
                                             uint64_t deadline_ms);

/* The name by which the system greets and is greeted, copied with a NUL:
 * general.host_name, or where that is empty the machine's own. Of a running
 * instance the one in use. LIMIT when it does not fit, MEMORY. */
MAILMOD_API enum mailmod_error mailmod_host_name(mailmod *instance,
                                                 char *name_out, size_t size);
/* The names of the services, by index from 0; NULL after the last: "smtp",
 * "submission", "submissions", "pop3", "pop3s". */
MAILMOD_API const char *mailmod_service_name(size_t index);
/* The port that a service is bound to, its first listener; 0 when it is not
 * open. */
MAILMOD_API int mailmod_service_port(mailmod *instance, const char *service);
/* All its addresses, "127.0.0.1:2525,[::1]:2525", or "". UNKNOWN_NAME, LIMIT.
 */
MAILMOD_API enum mailmod_error mailmod_service_addresses(mailmod *instance,
                                                         const char *service,
                                                         char *text_out,
                                                         size_t size);

/* ---- log --------------------------------------------------------------- */

enum mailmod_log_level {
    MAILMOD_LOG_ERROR,
    MAILMOD_LOG_WARNING,
    MAILMOD_LOG_INFO,
    MAILMOD_LOG_DEBUG,
    MAILMOD_LOG_WIRE
};
/* One line, without line end, "component: text key=value ...". Called from any
 * thread of the instance, also concurrently; must not call the library. */
typedef void (*mailmod_on_log)(void *context, enum mailmod_log_level level,
                               const char *line);
/* Before start. NULL: silent, the default. */
MAILMOD_API enum mailmod_error mailmod_log_set_callback(mailmod *instance,
                                                        mailmod_on_log on_log,
                                                        void *context);

/* ---- services: opened and closed at run time ----------------------------- */

/* By default mailmod_start opens every configured listener. With `waits` it
 * opens none, and mailmod_service_start opens them one by one. Before start. */
MAILMOD_API enum mailmod_error mailmod_services_set_wait(mailmod *instance,
                                                         int waits);
/* Opens "smtp", "submission", "submissions", "pop3" or "pop3s" on its
 * configured addresses: with `port` 0 on their ports, above 0 on that port,
 * below 0 on any free one, told by mailmod_service_port. All addresses or none.
 * STATE unless running, EXISTS when it is open, UNKNOWN_NAME, CONFIG when no
 * address is configured, ARGUMENT for a port above 65535, ADDRESS_IN_USE,
 * ACCESS. */
MAILMOD_API enum mailmod_error
mailmod_service_start(mailmod *instance, const char *service, int port);
/* Closes its listeners; its sessions are told 421 or [SYS/TEMP] when they are
 * between two commands. Returns at once; it may be started again. NOT_FOUND
 * when it is not open, STATE, UNKNOWN_NAME. */
MAILMOD_API enum mailmod_error mailmod_service_stop(mailmod *instance,
                                                    const char *service);

/* ---- sending ------------------------------------------------------------- */

/* One message on its way out: its text while it is written, its outcome
 * afterwards. A handle belongs to one thread at a time until it is sent. */
typedef struct mailmod_message mailmod_message;

enum mailmod_send_mode {
    /* On disk, then tried until it is delivered or 24 hours are over
     * (queue.lifetime); the sender gets a report of what failed. */
    MAILMOD_SEND_QUEUE,
    /* Straight to the MX hosts, even where a smarthost is configured; one
     * attempt, never queued. Recipients who are local get it in their
     * mailboxes. Of a text above 120 KiB a part lies in the data folder; it is
     * removed when the attempt is over, after a crash at the next start. */
    MAILMOD_SEND_NOW,
    /* To relay_host, whoever the recipients are; one attempt, never queued. The
     * text as of NOW. */
    MAILMOD_SEND_RELAY
};

/* How a relay is talked to. */
enum mailmod_relay_tls {
    /* Port 465: TLS from the first octet. Else without a user STARTTLS where it
     * is offered, with a user as MAILMOD_RELAY_TLS_MUST. */
    MAILMOD_RELAY_TLS_DEFAULT,
    MAILMOD_RELAY_TLS_OFF,  /* in clear, a password too */
    MAILMOD_RELAY_TLS_MUST, /* STARTTLS with a certificate that is verified */
    MAILMOD_RELAY_TLS_IMPLICIT /* from the first octet (RFC 8314), verified */
};

struct mailmod_progress_report {
    size_t size; /* of this structure as the library filled it */
    mailmod_message *message;
    /* Of the recipient who is furthest. It never falls within an attempt; a
     * further attempt of the queue's begins anew. */
    enum mailmod_progress progress;
    /* Octets of the text with its line ends as CRLF that went out, at most
     * those of the text. It never falls. */
    uint64_t sent;
};
/* From a thread of the instance, in order, one at a time for each message. In
 * MAILMOD_DONE the results can be read. */
typedef void (*mailmod_on_progress)(
    void *context, const struct mailmod_progress_report *report);

/* What the sender wants to be told of, bits (RFC 3461 4.1); 0: failures and
 * delays, as the hosts on the way see fit. */
enum mailmod_dsn_notify {
    MAILMOD_DSN_NEVER = 1, /* alone */
    MAILMOD_DSN_SUCCESS = 2,
    MAILMOD_DSN_FAILURE = 4,
    MAILMOD_DSN_DELAY = 8
};
/* What of the message comes back in a report of failure (RFC 3461 4.3). */
enum mailmod_dsn_return {
    MAILMOD_DSN_RETURN_DEFAULT, /* the header */
    MAILMOD_DSN_RETURN_FULL,
    MAILMOD_DSN_RETURN_HEADERS
};

struct mailmod_recipient { /* zero what is not used */
    size_t size;           /* sizeof (struct mailmod_recipient) */
    const char *address;   /* with or without angle brackets */
    unsigned dsn_notify;   /* mailmod_dsn_notify bits; 0: the envelope's */
    /* "rfc822;bob@example.org": the address as the sender wrote it, for the
     * reports (RFC 3461 4.2); NULL: none. */
    const char *dsn_original_recipient;
};

struct mailmod_header_field { /* zero what is not used */
    size_t size;              /* sizeof (struct mailmod_header_field) */
    const char *name;         /* "X-Order", without the colon; ASCII */
    const char *value;        /* UTF-8, unfolded, without line ends */
};

struct mailmod_envelope { /* zero what is not used */
    size_t size;          /* sizeof (struct mailmod_envelope) */
    enum mailmod_send_mode mode;
    const char *reverse_path; /* NULL, "" or "<>": the null path */
    /* Addresses with or without angle brackets, split by commas, semicolons or
     * blanks; at least one, at most smtp.recipients_max. The same address twice
     * is one recipient. NULL: recipient_list has them. */
    const char *recipients;
    mailmod_on_progress on_progress; /* NULL: none */
    void *context;
    /* MAILMOD_SEND_RELAY. The configured smarthost, when it is named without a
     * user, is talked to as configured. */
    const char *relay_host; /* a name or an address */
    int relay_port;         /* 1 to 65535; 0: 25, 465 with TLS_IMPLICIT */
    const char *relay_user; /* NULL: no AUTH */
    const char *relay_password;
    enum mailmod_relay_tls relay_tls;
    /* Instead of `recipients`, one by one; the first of the same address
     * counts. Results have their order. */
    const struct mailmod_recipient *recipient_list;
    size_t recipient_count;
    /* Reports of delivery, to the reverse path: asked of the hosts that offer
     * DSN, and kept by mailmod for mailboxes here and for its own queue. */
    unsigned dsn_notify; /* mailmod_dsn_notify bits, of every recipient */
    enum mailmod_dsn_return dsn_return;
    /* Comes back in each report: 1 to 100 printable characters without blanks
     * (RFC 3461 4.4); NULL: none. */
    const char *dsn_envelope_id;
    /* Releases `context`: in mailmod_message_free, on its thread; where that is
     * called by a progress callback of the message, after the callback, on its
     * thread. A message whose handle nobody took (mailmod_message_submit) is
     * freed after MAILMOD_DONE, on that callback's thread or in the call if it
     * is still at it; without on_progress in the call. NULL: nobody is told. */
    mailmod_on_release on_release;
    /* Header fields in front of the text's own, in this order; nothing is taken
     * out of the text for them. Each is written as one field, folded, words of
     * other letters than ASCII encoded (RFC 2047), at most 64 KiB. Date, From
     * and Message-ID are not added beside one of these. ARGUMENT for what is no
     * field, for Return-Path and for Bcc. A text that begins with an empty line
     * has no other header. */
    const struct mailmod_header_field *header_list;
    size_t header_count;
    /* Not NULL: relay_user logs in with a token, which the callback of
     * mailmod_token_set_callback gives (mailmod/fetch.h); it is told this text,
     * of at most 63 octets, as `account`. relay_password is not used then. */
    const char *relay_token_account;
};

/* A new message for a running instance. ARGUMENT (the words say which field),
 * LIMIT (recipients, header fields), STATE, MEMORY, the errors of
 * mailmod_message_write (header fields). */
MAILMOD_API enum mailmod_error
mailmod_message_new(mailmod *instance, const struct mailmod_envelope *envelope,
                    mailmod_message **message_out);
/* Adds to the text: header, empty line, body. Any pieces; a bare LF or CR goes
 * out as CRLF, a last line gets its CRLF, dots are stuffed where the protocol
 * asks. Memory holds 256 KiB at most. TOO_LARGE past smtp.message_size_max,
 * STATE after send, the store's errors: from then on the message cannot be
 * sent. */
MAILMOD_API enum mailmod_error mailmod_message_write(mailmod_message *message,
                                                     const void *octets,
                                                     size_t size);
/* Not 0: where the relay refuses one recipient nobody gets the message: no text
 * is sent, and those who were taken are DEFERRED with CANCELLED. ARGUMENT: its
 * mode is not RELAY, for several hosts cannot be asked together; STATE after
 * send. */
MAILMOD_API enum mailmod_error
mailmod_message_require_all(mailmod_message *message, int requires_all);
/* The text is whole. QUEUE: on disk when this returns OK; it does not wait for
 * the delivery. NOW and RELAY: with on_progress it returns at once; without it
 * waits for the outcome and returns OK when every recipient was delivered, else
 * the error of the first who was not: REFUSED when a host said no, DNS...,
 * UNREACHABLE and so on. The setting sending.waits changes what waits. STATE
 * when it was sent already. Not without on_progress in a callback. */
MAILMOD_API enum mailmod_error mailmod_message_send(mailmod_message *message);
/* Waits until the message is DONE and its callback has returned (QUEUE: until
 * it is delivered or given up). TIMEOUT; STOPPED when the instance stopped
 * first (QUEUE: it stays queued); STATE before send or in a callback. */
MAILMOD_API enum mailmod_error mailmod_message_wait(mailmod_message *message,
                                                    uint64_t timeout_ms);
/* The queue identifier, as in Received and logs; lives as long as `message`.
 * NULL for a handle that is none. */
MAILMOD_API const char *mailmod_message_identifier(mailmod_message *message);
/* The envelope's `context`, of a stream of mailmod/srv.h its callback_param;
 * NULL for a handle that is none. */
MAILMOD_API void *mailmod_message_context(mailmod_message *message);

enum mailmod_outcome {
    MAILMOD_PENDING,   /* no attempt is over yet */
    MAILMOD_DELIVERED, /* the next host, or the mailbox, took it */
    MAILMOD_DEFERRED,  /* not now; QUEUE: it will be tried again */
    MAILMOD_FAILED     /* for good */
};
struct mailmod_result { /* of one recipient */
    size_t size;        /* sizeof (struct mailmod_result) */
    const char *recipient;
    enum mailmod_outcome outcome;
    int code;             /* SMTP reply code; 0 without one */
    const char *enhanced; /* "5.1.1" (RFC 3463), never NULL */
    const char *text;     /* the reply's, or our own words; never NULL */
    const char *host;     /* who said it, or "" */
    /* The cause as it happened: TIMEOUT, TLS_CERTIFICATE, REFUSED (a host said
     * no) and so on; MAILMOD_OK when delivered, or pending. */
    enum mailmod_error error;
    int is_final; /* nothing more becomes of it */
};
/* Recipient `index` from 0, in the order given; NOT_FOUND past the last. The
 * texts live until the next call for `message` on this thread, or its end. */
MAILMOD_API enum mailmod_error
mailmod_message_result(mailmod_message *message, size_t index,
                       struct mailmod_result *result_out);
/* Gives the handle back and nulls it. A QUEUE message that was sent stays
 * queued; one that was not sent is forgotten; a NOW or RELAY message in work is
 * finished without the host. No progress comes after it returned. Allowed in a
 * progress callback of the message. HANDLE for a pointer to none; NULL or a
 * pointer to NULL does nothing. */
MAILMOD_API enum mailmod_error mailmod_message_free(mailmod_message **message);

/* In one call, from memory: new, write, send. `message_out` may be NULL; it is
 * given only on success. */
MAILMOD_API enum mailmod_error mailmod_message_submit(
    mailmod *instance, const struct mailmod_envelope *envelope,
    const void *text, size_t size, mailmod_message **message_out);
/* The same from a reader: fills the buffer, returns octets, 0 at the end,
 * (size_t)-1 to give up (CANCELLED). */
typedef size_t (*mailmod_reader)(void *context, void *buffer, size_t size);
MAILMOD_API enum mailmod_error mailmod_message_submit_reader(
    mailmod *instance, const struct mailmod_envelope *envelope,
    mailmod_reader reader, void *reader_context, mailmod_message **message_out);
/* A mailmod_reader whose context is a FILE * of the C library that the library
 * itself uses; on Windows a host with another one gives its own reader. */
MAILMOD_API size_t mailmod_file_read(void *file, void *buffer, size_t size);

/* ---- mail hosts of a domain ---------------------------------------------- */

struct mailmod_mail_host {
    size_t size; /* of this structure as the library filled it */
    const char *name;
    unsigned preference;
    const char *const *addresses; /* IPv4 and IPv6 as text */
    size_t address_count;
};
typedef void (*mailmod_on_mail_host)(void *context,
                                     const struct mailmod_mail_host *host);
/* The MX hosts by preference, equal ones in the name server's order (RFC 5321
 * 5.1); without MX records the domain itself with preference 0. Waits for the
 * name server; the callbacks come on the calling thread. STATE unless running,
 * ARGUMENT, DNS_NO_NAME, DNS_NO_DATA (no mail host at all), DNS_NULL_MX (RFC
 * 7505), DNS_SERVFAIL, DNS_REFUSED, DNS, TIMEOUT; STOPPED when the instance
 * stops meanwhile. */
MAILMOD_API enum mailmod_error
mailmod_mail_host_find(mailmod *instance, const char *domain,
                       mailmod_on_mail_host on_host, void *context);

/* ---- requests: the host has its say -------------------------------------- */

/* One question; lives until it is answered. */
typedef struct mailmod_request mailmod_request;

enum mailmod_verdict {
    MAILMOD_ACCEPT,         /* go on as without the host */
    MAILMOD_REJECT,         /* 5xx, -ERR */
    MAILMOD_REJECT_FOR_NOW, /* 4xx, -ERR [SYS/TEMP] */
    MAILMOD_TAKEN, /* the host has dealt with it: a message is answered 250 and
                      not stored; a login is vouched for; what was written with
                      mailmod_request_write is the reply or the message; a
                      deletion is the host's affair */
    MAILMOD_LATER  /* not yet: mailmod_request_answer comes, from any thread */
};
/* On a thread of its own for each open question, so that a slow host holds up
 * its own session alone. */
typedef enum mailmod_verdict (*mailmod_on_request)(void *context,
                                                   mailmod_request *request);
/* `moments`: for which to ask. NULL: never. At any time; a question that is
 * open goes to the callback that there was when it was asked. `context` is
 * released when another callback was set, or the instance freed, and the last
 * question that had it is over: on the thread that did the last of these.
 * `on_release` may be NULL. MEMORY, and nothing was changed. */
MAILMOD_API enum mailmod_error
mailmod_request_set_callback(mailmod *instance, unsigned moments,
                             mailmod_on_request on_request, void *context,
                             mailmod_on_release on_release);
/* A pointer of the host's own for one question, as long as that lives: from its
 * callback to whoever answers it. A former one is released in this call; the
 * last one when the question is answered and its callback has returned, on the
 * thread that did the last of these: the callback's, or in
 * mailmod_request_answer. `on_release` may be NULL. */
MAILMOD_API enum mailmod_error
mailmod_request_set_context(mailmod_request *request, void *context,
                            mailmod_on_release on_release);
/* NULL without one, and for a handle that is none. */
MAILMOD_API void *mailmod_request_context(const mailmod_request *request);
/* Settles a question that was answered MAILMOD_LATER. `code` 400 to 599 is the
 * SMTP reply code of a rejection (0: 550 or 451; 554
 * or 421 at MAILMOD_SMTP_CONNECT, RFC 5321 3.1), `text` its words (NULL: ours).
 * STATE when it is settled already. */
MAILMOD_API enum mailmod_error
mailmod_request_answer(mailmod_request *request, enum mailmod_verdict verdict,
                       int code, const char *text);
/* The reply of the verdict that the callback is about to return. */
MAILMOD_API enum mailmod_error
mailmod_request_set_reply(mailmod_request *request, int code, const char *text);

MAILMOD_API enum mailmod_moment
mailmod_request_moment(const mailmod_request *request);
/* Texts live as long as the request. NULL where the moment has none: `user`
 * and `password` without a login or with a mechanism that does not show it
 * (APOP, SCRAM). */
MAILMOD_API const char *mailmod_request_user(const mailmod_request *request);
MAILMOD_API const char *
mailmod_request_password(const mailmod_request *request);
/* The bearer token of MAILMOD_LOGIN_TOKEN; NULL at every other moment. */
MAILMOD_API const char *mailmod_request_token(const mailmod_request *request);
/* Of MAILMOD_LOGIN_CERTIFICATE; NULL at every other moment. The certificate
 * that the client showed, in PEM without its chain, and its SHA-256 in 64
 * lower-case hexadecimal digits. The client has its key; nothing else of it was
 * checked, neither who signed it nor its time. mailmod_request_user is the name
 * that the client wants to be, or where it gave none, the certificate's first
 * mail address, or its common name. */
MAILMOD_API const char *
mailmod_request_certificate(const mailmod_request *request);
MAILMOD_API const char *
mailmod_request_fingerprint(const mailmod_request *request);
MAILMOD_API const char *
mailmod_request_reverse_path(const mailmod_request *request);
MAILMOD_API const char *
mailmod_request_recipient(const mailmod_request *request, size_t index);
/* The queue identifier (SMTP) or the unique-id (POP3) of the message. */
MAILMOD_API const char *mailmod_request_message(const mailmod_request *request);
/* The message-number (POP3); 0 where the moment has none. */
MAILMOD_API uint64_t mailmod_request_number(const mailmod_request *request);
/* The connection's number, in every moment: unique in the instance. Log lines
 * have it as session=, in 16 hexadecimal digits. */
MAILMOD_API uint64_t mailmod_request_connection(const mailmod_request *request);
MAILMOD_API int mailmod_request_is_tls(const mailmod_request *request);
MAILMOD_API const char *mailmod_request_peer(const mailmod_request *request);
/* Copies the peer's sockaddr_in or sockaddr_in6 and returns its length; the
 * negated length when `size` is too small. */
MAILMOD_API int mailmod_request_address(const mailmod_request *request,
                                        void *address_out, int size);
/* The session's socket for inspection, -1 without one. Never read, write or
 * close it. */
MAILMOD_API intptr_t mailmod_request_socket(const mailmod_request *request);
/* MAILMOD_SMTP_MESSAGE: the body as it arrives, dots unstuffed; the first call
 * sends 354. Waits for the peer. Octets read, 0 at the end (`error_out` OK) or
 * on an error. What was read is stored all the same if the verdict accepts. */
MAILMOD_API size_t mailmod_request_read(mailmod_request *request, void *buffer,
                                        size_t size,
                                        enum mailmod_error *error_out);
/* For MAILMOD_TAKEN: the reply that the peer gets (SMTP: "250 2.6.0 thanks"),
 * or in MAILMOD_POP3_RETRIEVE the message itself. */
MAILMOD_API enum mailmod_error mailmod_request_write(mailmod_request *request,
                                                     const void *octets,
                                                     size_t size);

/* ---- events: what became of mail ------------------------------------------
 */

struct mailmod_fetch_account; /* fetch.h */

struct mailmod_event { /* of one recipient of one message, or of a visit */
    size_t size;       /* of this structure as the library filled it */
    enum mailmod_event_kind kind;
    /* The connection that the mail came in by, when it went into a mailbox at
     * once, or went out by; log lines have it as session=. 0: there was none.
     */
    uint64_t connection;
    const char *message; /* queue identifier, as in Received and logs */
    const char *reverse_path;
    const char *recipient;
    enum mailmod_error error; /* MAILMOD_OK when delivered; else the cause */
    int code;                 /* SMTP reply code; 0 without one */
    const char *enhanced;     /* "5.1.1" (RFC 3463) */
    const char *text;         /* the reply's, or our own words */
    const char *host;         /* the mail host that said it, or "" */
    unsigned attempts;        /* so far, with this one */
    /* Of the FETCH kinds: the account, and its visit so far. Of those, message
     * is "" but for FETCHED; error and text say why it stays there, or why the
     * visit failed; recipient and reverse_path are "". Else NULL. */
    const struct mailmod_fetch_account *fetch;
};
/* On a thread of the instance, one event at a time, in the order in which they
 * came true. */
typedef void (*mailmod_on_event)(void *context,
                                 const struct mailmod_event *event);
/* `kinds`: mailmod_event_kind bits. Each event is told once, after what it
 * tells is on disk (of mail that goes out at once: after the host's reply); to
 * the callback that there was then. mailmod_drain and mailmod_free wait until
 * all are told; what a process that is killed did not tell is not told again.
 * None is left out for a slow callback: past 16 MiB of events that wait, SMTP
 * answers MAIL with 451 and the queue begins no attempt. Reports of our own
 * are no events. NULL: nobody is told from now on. At any time. `on_release`
 * may be NULL. ARGUMENT, MEMORY, and nothing was changed. */
MAILMOD_API enum mailmod_error
mailmod_event_set_callback(mailmod *instance, unsigned kinds,
                           mailmod_on_event on_event, void *context,
                           mailmod_on_release on_release);

/* ---- administration: on a running or a stopped system ------------------- */

/* These act on the data folder of the present settings, whether an instance in
 * this or another process runs on it or not. */

#define MAILMOD_USER_KEEP_PASSWORD 1u /* recoverable, so that APOP works */
#define MAILMOD_USER_DISABLED 2u      /* told by mailmod_user_list */
/* Of a mailbox: what local.quota says, or no limit at all. */
#define MAILMOD_QUOTA_DEFAULT 0
#define MAILMOD_QUOTA_UNLIMITED UINT64_MAX

/* EXISTS, ARGUMENT (name or password not allowed), and the store's errors.
 * `password` is wiped from the library's memory before it returns. */
MAILMOD_API enum mailmod_error mailmod_user_add(mailmod *instance,
                                                const char *name,
                                                const char *password,
                                                unsigned flags);
MAILMOD_API enum mailmod_error mailmod_user_set_password(mailmod *instance,
                                                         const char *name,
                                                         const char *password,
                                                         unsigned flags);
/* The mailbox goes with the user. NOT_FOUND. */
MAILMOD_API enum mailmod_error mailmod_user_remove(mailmod *instance,
                                                   const char *name);
/* Another name for the same mailbox. NOT_FOUND, EXISTS, ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_user_rename(mailmod *instance, const char *name, const char *new_name);
struct mailmod_user {
    size_t size; /* of this structure as the library filled it */
    const char *name;
    unsigned flags;
    unsigned secrets; /* further passwords */
    uint64_t quota;   /* octets, or one of the two words above */
    uint64_t octets;  /* that are in the mailbox */
    uint64_t messages;
};
typedef void (*mailmod_on_user)(void *context, const struct mailmod_user *user);
MAILMOD_API enum mailmod_error
mailmod_user_list(mailmod *instance, mailmod_on_user on_user, void *context);
/* Octets that the mailbox may hold. NOT_FOUND. */
MAILMOD_API enum mailmod_error
mailmod_user_set_quota(mailmod *instance, const char *name, uint64_t octets);
/* A disabled user cannot log in, sessions end within a second, and mail is
 * refused or kept as local.disabled_mail says. NOT_FOUND. */
MAILMOD_API enum mailmod_error
mailmod_user_set_disabled(mailmod *instance, const char *name, int is_disabled);
/* A further password under a name of its own (1 to 63 octets); setting the main
 * one ends them. EXISTS, LIMIT (16), NOT_FOUND (the user), BUSY (the main one
 * was set in the same moment), ARGUMENT. */
MAILMOD_API enum mailmod_error mailmod_user_secret_add(mailmod *instance,
                                                       const char *name,
                                                       const char *label,
                                                       const char *password);
/* NOT_FOUND: the user, or a password of that name. */
MAILMOD_API enum mailmod_error mailmod_user_secret_remove(mailmod *instance,
                                                          const char *name,
                                                          const char *label);
/* `created_ms`: since 1970, UTC. */
typedef void (*mailmod_on_secret)(void *context, const char *label,
                                  int64_t created_ms);
MAILMOD_API enum mailmod_error
mailmod_user_secret_list(mailmod *instance, const char *name,
                         mailmod_on_secret on_secret, void *context);

typedef void (*mailmod_on_queue_entry)(void *context,
                                       const struct mailmod_queue_entry *entry);
/* `message` NULL: all. */
MAILMOD_API enum mailmod_error
mailmod_queue_list(mailmod *instance, const char *message,
                   mailmod_on_queue_entry on_entry, void *context);
/* The octets of a message in the queue, or kept: piece by piece. NOT_FOUND. */
typedef void (*mailmod_on_octets)(void *context, const char *octets,
                                  size_t size);
MAILMOD_API enum mailmod_error mailmod_queue_read(mailmod *instance,
                                                  const char *message,
                                                  mailmod_on_octets on_octets,
                                                  void *context);
/* Of one recipient of the message `message`, an identifier. */
typedef void (*mailmod_on_result)(void *context, const char *message,
                                  const struct mailmod_result *result);
/* A message for the queue of the data folder, from an instance that does not
 * run: a tool's beside the daemon, or before it starts. OK: it is on disk for
 * everybody who is not refused; the daemon, or the next one, sends it.
 * `envelope` is of mode QUEUE, without on_progress. `on_result` (may be NULL)
 * is called for each recipient before the call returns OK. `reader` is called
 * with the store open; neither of them calls anything of the instance. STATE
 * when the instance runs, NOT_FOUND without a store, else as
 * mailmod_message_submit_reader. */
MAILMOD_API enum mailmod_error
mailmod_queue_put(mailmod *instance, const struct mailmod_envelope *envelope,
                  mailmod_reader reader, void *reader_context,
                  mailmod_on_result on_result, void *context);
/* `message` NULL: all. `count_out` (may be NULL): recipients that it met. */
MAILMOD_API enum mailmod_error
mailmod_queue_act(mailmod *instance, const char *message,
                  enum mailmod_queue_action action, size_t *count_out);
/* Those of the filter (NULL: all), oldest message first. */
MAILMOD_API enum mailmod_error
mailmod_queue_find(mailmod *instance, const struct mailmod_queue_filter *filter,
                   mailmod_on_queue_entry on_entry, void *context);
/* Acts on them, in steps that are durable one by one: on an error `count_out`
 * (may be NULL) were done. A deletion is told to no message of this process. */
MAILMOD_API enum mailmod_error
mailmod_queue_act_on(mailmod *instance,
                     const struct mailmod_queue_filter *filter,
                     enum mailmod_queue_action action, size_t *count_out);
typedef void (*mailmod_on_queue_destination)(
    void *context, const struct mailmod_queue_destination *destination);
/* Where the queue's mail wants to go, the most recipients first. */
MAILMOD_API enum mailmod_error mailmod_queue_summary(
    mailmod *instance, const struct mailmod_queue_filter *filter,
    mailmod_on_queue_destination on_destination, void *context);
/* Integrity check of the store; STORAGE_DAMAGED with the words in the last
 * error's text. */
MAILMOD_API enum mailmod_error mailmod_store_verify(mailmod *instance);
/* How far a copy is. */
typedef void (*mailmod_on_copied)(void *context, uint64_t done, uint64_t all);
/* A copy of one state of the store as one new file that its owner alone can
 * read, verified; mail goes on meanwhile. It holds all mail and the verifiers
 * of passwords. EXISTS when the file is there. `progress` may be NULL. */
MAILMOD_API enum mailmod_error mailmod_store_backup(mailmod *instance,
                                                    const char *file,
                                                    mailmod_on_copied progress,
                                                    void *context);
/* Verifies such a copy and makes the store of it, in a data folder without one;
 * BUSY while anybody runs there. Set queue.holds before the next start: what
 * was delivered since the copy waits in it again. */
MAILMOD_API enum mailmod_error mailmod_store_restore(mailmod *instance,
                                                     const char *file,
                                                     mailmod_on_copied progress,
                                                     void *context);
/* What a repair found and did, a line each; the last one says where the damaged
 * files are kept, or that there was nothing to do. */
typedef void (*mailmod_on_repaired)(void *context, const char *line);
/* Makes a damaged store serviceable, with all that can be read of it. BUSY
 * while anybody runs on the folder, STORAGE_FULL, STORAGE_VERSION; when nothing
 * can be read, STORAGE_DAMAGED. On an error the store is as it was. */
MAILMOD_API enum mailmod_error mailmod_store_repair(mailmod *instance,
                                                    mailmod_on_repaired on_line,
                                                    void *context);

#ifdef __cplusplus
}
#endif

#include "mailmod/changes.h"
#include "mailmod/fetch.h"
#include "mailmod/kept.h"
#include "mailmod/loop.h"
#include "mailmod/mailbox.h"
#include "mailmod/names.h"
#include "mailmod/peers.h"
#include "mailmod/provider.h"
#include "mailmod/session.h"

#endif
