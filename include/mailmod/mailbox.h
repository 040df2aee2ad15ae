/* mailbox.h - mail in the host's own hands: mailboxes, and readings of texts.
 *
 * mailmod.h includes it, and says what holds for threads, ownership and
 * errors. */
#ifndef MAILMOD_MAILBOX_H
#define MAILMOD_MAILBOX_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- mailboxes: for the host itself ----------------------------------------
 */

/* A mailbox that the host has open, of a running instance, with services or
 * without. As for a POP3 session, the listing is that of the opening, and
 * nobody else opens it meanwhile (RFC 1939 4): POP3 clients get [IN-USE]. When
 * the instance has ended, its calls get STOPPED. Any thread. */
typedef struct mailmod_mailbox mailmod_mailbox;

/* By the user's name. BUSY when a session, or the host, has it open: at once,
 * without waiting. NOT_FOUND (no such user), ARGUMENT, STATE unless running,
 * MEMORY, the store's errors. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_open(mailmod *instance, const char *user,
                     mailmod_mailbox **mailbox_out);

struct mailmod_mailbox_entry { /* one message */
    size_t size;               /* of this structure as the library filled it */
    const char *unique_id;     /* as UIDL shows it (RFC 1939 7) */
    uint64_t octets;           /* as it is read, Return-Path included */
    int64_t received_ms;       /* since 1970, UTC; 0: not known */
    unsigned flags;            /* mailmod_mail_flags bits */
};
typedef void (*mailmod_on_mailbox_entry)(
    void *context, const struct mailmod_mailbox_entry *entry);
/* In the order of POP3's numbers, without what was deleted; the callbacks come
 * on the calling thread. They may read and delete. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_list(mailmod_mailbox *mailbox,
                     mailmod_on_mailbox_entry on_entry, void *context);
/* The message's octets, piece by piece, with CRLF and a Return-Path field in
 * front (RFC 5321 4.4). The callbacks come on the calling thread. One reading
 * at a time in a mailbox: BUSY. NOT_FOUND: not in the listing; CANCELLED:
 * somebody took it away meanwhile; STORAGE_DAMAGED: it is not whole. */
MAILMOD_API enum mailmod_error mailmod_mailbox_read(mailmod_mailbox *mailbox,
                                                    const char *unique_id,
                                                    mailmod_on_octets on_octets,
                                                    void *context);
/* Deletes all of them or, on an error, none. OK: they are gone for good, on
 * disk. NOT_FOUND when one is not in the listing, or was deleted. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_delete(mailmod_mailbox *mailbox, const char *const *unique_ids,
                       size_t count);
/* Opens it for others, and nulls the handle. A reading is cancelled, and its
 * last callback waited for. STATE in a callback of a mailbox or a reading;
 * HANDLE for a pointer to none; NULL or a pointer to NULL does nothing. */
MAILMOD_API enum mailmod_error mailmod_mailbox_close(mailmod_mailbox **mailbox);

/* ---- mailboxes: into files, and out of them --------------------------------
 */

enum mailmod_mailbox_form {
    MAILMOD_MAILBOX_MAILDIR = 1, /* a folder with cur, new and tmp */
    MAILMOD_MAILBOX_MBOX = 2     /* a file (RFC 4155), quoted as mboxrd */
};
/* Mail from files into the user's mailbox, on a running or a stopped system; a
 * message is in it for good once it is counted. A copy that was broken off, or
 * is made again from the same file or folder, goes on where it was: what was
 * taken over before is skipped. Unique-ids are kept where the source tells them
 * (dovecot-uidlist, else the file's name), so are the times, the reverse paths
 * and the marks of readers (MAILMOD_MAIL_SEEN and its like; an mbox has them in
 * Status and X-Status). No quota is looked at. The files stay as they are. The
 * counts may be NULL. NOT_FOUND (user or path), SYNTAX (no mbox), STATE (the
 * user's mailbox is a Maildir), ACCESS, STORAGE..., ARGUMENT, MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_import(mailmod *instance, const char *user,
                       enum mailmod_mailbox_form form, const char *path,
                       uint64_t *copied_out, uint64_t *skipped_out);
/* The mailbox into files; it stays as it is. A Maildir is made where there is
 * none, may be used by others meanwhile, and gets what it does not have. Marks
 * of readers go with the messages, but for MAILMOD_MAIL_PASSED into an mbox. An
 * mbox is a new file, there as a whole or not at all: EXISTS. BUSY: a session
 * of this process has the mailbox open. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_export(mailmod *instance, const char *user,
                       enum mailmod_mailbox_form form, const char *path,
                       uint64_t *copied_out, uint64_t *skipped_out);

/* ---- mailboxes: deleted mail
 * -------------------------------------------------
 */

/* With pop3.keep_deleted_days what POP3 sessions delete from a mailbox of the
 * store stays there for a time, seen by no client and counted by no quota. */
struct mailmod_deleted_message {
    size_t size;           /* of this structure as the library filled it */
    const char *unique_id; /* as UIDL showed it; of an imported message the one
                              that it would have had without */
    uint64_t octets;       /* as it was read */
    const char *reverse_path; /* who sent it; "" the null path */
    int64_t received_ms;      /* since 1970, UTC; so is the next */
    int64_t deleted_ms;
};
typedef void (*mailmod_on_deleted_message)(
    void *context, const struct mailmod_deleted_message *message);
/* Deleted mail of a user, in the order in which it came; on a running or a
 * stopped system. What a session has just deleted may take some seconds to be
 * among it, where it was a lot. The callback must not call the instance.
 * NOT_FOUND (no such user), MEMORY, the store's errors. */
MAILMOD_API enum mailmod_error
mailmod_deleted_list(mailmod *instance, const char *user,
                     mailmod_on_deleted_message on_message, void *context);
/* Back into the mailbox, as new mail with a unique-id of its own, so that every
 * client fetches it; no quota is looked at. `unique_id` NULL: all. `count_out`
 * (may be NULL): how many are back, on an error, too. NOT_FOUND: no such user,
 * or no such message. */
MAILMOD_API enum mailmod_error mailmod_deleted_restore(mailmod *instance,
                                                       const char *user,
                                                       const char *unique_id,
                                                       size_t *count_out);

/* ---- readings: a text without a thread --------------------------------------
 */

/* A text that comes piece by piece, to a callback, and holds no thread in
 * between. Of a message in a mailbox or in the queue, or of one that is coming
 * in (MAILMOD_SMTP_MESSAGE, answered MAILMOD_LATER). Lives until its last
 * callback has returned. */
typedef struct mailmod_reading mailmod_reading;

struct mailmod_piece {
    size_t size;        /* of this structure as the library filled it */
    const char *octets; /* until the callback returns */
    size_t count;       /* 0 in the last one */
    int is_last;        /* no further callback comes for this reading */
    /* In the last one: MAILMOD_OK, the text is whole; else why it is not. */
    enum mailmod_error error;
};
enum mailmod_reading_answer {
    MAILMOD_READING_NEXT, /* the next piece, when it is there */
    MAILMOD_READING_LATER /* not before mailmod_reading_resume */
};
/* On a thread of the instance, one at a time for each reading, in order.
 * Exactly one is the last. The answer to that one does not matter. */
typedef enum mailmod_reading_answer (*mailmod_on_piece)(
    void *context, mailmod_reading *reading, const struct mailmod_piece *piece);

/* MAILMOD_SMTP_MESSAGE: the body as it arrives, dots unstuffed; 354 is sent.
 * Instead of mailmod_request_read, once. Last errors: CLOSED, the session
 * ended; STATE, the request was answered before the end. All of these may have
 * STOPPED (the instance ended), CANCELLED, MEMORY. They return STATE, MEMORY,
 * STOPPED, LIMIT (65536 readings); no callback comes then. `reading_out` may
 * be NULL; it is filled before the first callback. */
MAILMOD_API enum mailmod_error
mailmod_request_read_pieces(mailmod_request *request, mailmod_on_piece on_piece,
                            void *context, mailmod_reading **reading_out);
/* As mailmod_mailbox_read, whose errors it returns or tells last. */
MAILMOD_API enum mailmod_error
mailmod_mailbox_read_pieces(mailmod_mailbox *mailbox, const char *unique_id,
                            mailmod_on_piece on_piece, void *context,
                            mailmod_reading **reading_out);
/* As mailmod_queue_read, of a running instance. Last error CANCELLED, too: the
 * message left the queue meanwhile. */
MAILMOD_API enum mailmod_error
mailmod_queue_read_pieces(mailmod *instance, const char *message,
                          mailmod_on_piece on_piece, void *context,
                          mailmod_reading **reading_out);
/* After MAILMOD_READING_LATER, also before that answer was given. From any
 * thread. HANDLE when the last callback was. */
MAILMOD_API enum mailmod_error mailmod_reading_resume(mailmod_reading *reading);
/* The next callback is the last one, with CANCELLED, unless that was on its way
 * already. Returns at once; from any thread, also in a callback. */
MAILMOD_API enum mailmod_error mailmod_reading_cancel(mailmod_reading *reading);

#ifdef __cplusplus
}
#endif

#endif
