/* provider.h - mailboxes that the host supplies to POP3.
 *
 * mailmod.h includes it, and says what holds for threads, ownership and
 * errors. The library speaks POP3; the host says who may log in, what there is
 * to read, and what becomes of what was deleted. */
#ifndef MAILMOD_PROVIDER_H
#define MAILMOD_PROVIDER_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One call to a provider. Lives until it is answered and its callback has
 * returned, whichever comes last. */
typedef struct mailmod_mailbox_call mailmod_mailbox_call;

enum mailmod_mailbox_answer {
    MAILMOD_MAILBOX_OK,
    /* -ERR; with mailmod_mailbox_call_set_error the host's own words. */
    MAILMOD_MAILBOX_REFUSED,
    /* The provider cannot do that: -ERR, and the connection goes on. */
    MAILMOD_MAILBOX_UNSUPPORTED,
    /* -ERR [SYS/TEMP] (RFC 3206 4), and the connection ends; so does any value
     * that is none of these. */
    MAILMOD_MAILBOX_FAILED,
    MAILMOD_MAILBOX_LATER /* mailmod_mailbox_call_answer, from any thread */
};
/* On a thread of the instance that may stand still; one call at a time for each
 * login. */
typedef enum mailmod_mailbox_answer (*mailmod_on_mailbox_call)(
    void *context, mailmod_mailbox_call *call);

struct mailmod_mailbox_provider { /* zero what is not used */
    size_t size;                  /* sizeof (struct mailmod_mailbox_provider) */
    /* Shown in the greeting and by CAPA (IMPLEMENTATION, RFC 2449 6.9) where
     * all users are the provider's: 1 to 63 printable ASCII characters but
     * angle brackets. */
    const char *name;
    /* Whose mailboxes: of all who log in there, or NULL, 0: anywhere. Those of
     * a domain go before those of a service, these before those of all. */
    const char *domain;  /* users whose name ends in @domain */
    const char *service; /* "pop3" or "pop3s" */
    int port;            /* of the listener */
    /* Name and password. OK: this is the user. REFUSED: -ERR [AUTH], counted as
     * a failed login unless the host's own code says that it is another cause.
     * Required. */
    mailmod_on_mailbox_call authenticate;
    /* mailmod_mailbox_call_add for each message. Once a login, never while
     * another login of the same user is open (RFC 1939 4). Required. */
    mailmod_on_mailbox_call list;
    /* mailmod_mailbox_call_set_octets: for messages that `list` gave as
     * MAILMOD_MAILBOX_OCTETS_UNKNOWN. NULL: none is. */
    mailmod_on_mailbox_call message_size;
    /* The next piece of a message, from mailmod_mailbox_call_offset on, by
     * mailmod_mailbox_call_write or mailmod_mailbox_call_write_line; nothing
     * written: it is over. Required. */
    mailmod_on_mailbox_call read;
    /* No further piece of that message is wanted: it is over, TOP has its
     * lines, or the connection broke. Once after each first piece that was OK.
     * The answer does not matter. NULL: nobody is told. */
    mailmod_on_mailbox_call read_end;
    /* All of the messages or none, at QUIT (RFC 1939 6). OK: none of them is
     * there at the next login. NULL: the mailboxes are read-only. */
    mailmod_on_mailbox_call remove;
    /* The last call of a login, for each `authenticate`, whatever its answer
     * was: the tag is the host's to give back. The answer does not matter.
     * NULL: nobody is told. */
    mailmod_on_mailbox_call close;
    void *context;
    /* Releases `context`, when the provider was taken away, or the instance is
     * freed, and its last login has closed; on the thread that did the last of
     * these. NULL: nobody is told. */
    mailmod_on_release on_release;
    /* A message that `list` did not give, asked for by its unique-id
     * (UID-PARAM, pop3.uid_param), as clients do with mail that came since. OK:
     * the user has it; mailmod_mailbox_call_set_octets says its size, or
     * message_size is asked. It can be read and deleted then, and stands in no
     * list of that login. REFUSED: there is none, or it is another user's: -ERR
     * [UID/NOT-FOUND], or the host's own words. Never with a unique-id that was
     * found before. NULL: only what `list` gave is found. */
    mailmod_on_mailbox_call find;
};
#define MAILMOD_MAILBOX_OCTETS_UNKNOWN UINT64_MAX

/* At any time; from the next connection on. Where a provider's users may log
 * in, APOP and mechanisms that show no password are not offered.
 * MAILMOD_POP3_LOGIN is not asked about its users, who need not be mailmod's.
 * ARGUMENT (the words say which field), EXISTS (one for the same domain,
 * service and port), UNKNOWN_NAME (the service), LIMIT (64), MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_provider_add(mailmod *instance,
                             const struct mailmod_mailbox_provider *provider);
/* By its place. Logins that are open stay until they end. NOT_FOUND. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_provider_remove(mailmod *instance, const char *domain,
                                const char *service, int port);

/* ---- what a callback may ask and do with its call -------------------------
 */

/* The user: in `authenticate` as the client gave it, later the same. NULL for a
 * handle that is none, as all texts here; they live as long as the call. */
MAILMOD_API const char *
mailmod_mailbox_call_user(const mailmod_mailbox_call *call);
/* NULL but in `authenticate`; wiped when that is answered. */
MAILMOD_API const char *
mailmod_mailbox_call_password(const mailmod_mailbox_call *call);
/* The client's address as text, and as mailmod_request_address. */
MAILMOD_API const char *
mailmod_mailbox_call_peer(const mailmod_mailbox_call *call);
MAILMOD_API int mailmod_mailbox_call_address(const mailmod_mailbox_call *call,
                                             void *address_out, int size);
/* As mailmod_request_connection. */
MAILMOD_API uint64_t
mailmod_mailbox_call_connection(const mailmod_mailbox_call *call);
MAILMOD_API int mailmod_mailbox_call_is_tls(const mailmod_mailbox_call *call);
/* A pointer of the host's own for the login: from `authenticate`, which finds
 * it NULL, to `close`. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_set_tag(mailmod_mailbox_call *call, void *tag);
MAILMOD_API void *mailmod_mailbox_call_tag(const mailmod_mailbox_call *call);
/* The message of `find`, `message_size`, `read` and `read_end` (index 0), those
 * of `remove` by index from 0; NULL past the last. */
MAILMOD_API const char *
mailmod_mailbox_call_unique_id(const mailmod_mailbox_call *call, size_t index);
/* Octets that `read` was given of this message so far; 0: its first piece. */
MAILMOD_API uint64_t
mailmod_mailbox_call_offset(const mailmod_mailbox_call *call);

/* In `list`, in the order of POP3's numbers: a unique-id of 1 to 70 octets from
 * 0x21 to 0x7E but "_" alone (RFC 1939 7), another for each message; and the
 * octets of the message with its line ends as CRLF. STATE outside of `list`,
 * ARGUMENT, LIMIT (1000000 messages), MEMORY; a listing with a mistake is none,
 * and answers FAILED. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_add(mailmod_mailbox_call *call, const char *unique_id,
                         uint64_t octets);
/* In `message_size` and `find`. STATE elsewhere. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_set_octets(mailmod_mailbox_call *call, uint64_t octets);
/* In `authenticate` and `list`: DELE is refused. STATE elsewhere. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_set_read_only(mailmod_mailbox_call *call);
/* In `read`: octets of the message; a bare LF or CR goes out as CRLF, and dots
 * are stuffed. At most 64 KiB in all in one call: LIMIT, and nothing of it is
 * written. STATE elsewhere. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_write(mailmod_mailbox_call *call, const void *octets,
                           size_t size);
/* The same of one line without its end, which is added. The offset counts the
 * line and two octets. ARGUMENT when a line end is in it. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_write_line(mailmod_mailbox_call *call, const char *line);
/* What REFUSED says: a response code without brackets (RFC 2449 8; at most 31
 * letters, digits, slashes and hyphens; NULL: none) and words of at most 199
 * octets; `is_critical` ends the connection. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_set_error(mailmod_mailbox_call *call, const char *code,
                               const char *text, int is_critical);
/* Settles a call that was answered MAILMOD_MAILBOX_LATER, also before that
 * answer was given. STATE when it is settled already; ARGUMENT for LATER. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_call_answer(mailmod_mailbox_call *call,
                            enum mailmod_mailbox_answer answer);

#ifdef __cplusplus
}
#endif

#endif
