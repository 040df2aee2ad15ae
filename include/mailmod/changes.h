/* changes.h - what the host has changed in a message and its envelope, when it
 * is asked about them.
 *
 * mailmod.h includes this file, and says what holds for requests, threads,
 * ownership and errors. */
#ifndef MAILMOD_CHANGES_H
#define MAILMOD_CHANGES_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the host wants changed: at MAILMOD_SMTP_RCPT and MAILMOD_SMTP_MESSAGE,
 * before the answer, which must be MAILMOD_ACCEPT. Carried out in this order
 * when the message is whole; nothing becomes of it when the message is refused.
 * Texts are copied. Each call: ARGUMENT for what can be none (a value that
 * would end its field, no address, a folder with other signs than letters,
 * digits, - _ =), LIMIT past 256 changes or 16384 octets of them in a message,
 * STATE when the request is answered or at another moment, MEMORY.
 *
 * A field: behind the message's own; with `place` fields of its own above it;
 * or another value for the `number`th field of that name, from 1 (NULL: the
 * field goes). A value may be folded (RFC 5322 2.2.3). A message whose header
 * is larger than some 40 KB can only get fields; else it is refused with 552.
 */
MAILMOD_API enum mailmod_error
mailmod_request_add_field(mailmod_request *request, const char *name,
                          const char *value);
MAILMOD_API enum mailmod_error
mailmod_request_insert_field(mailmod_request *request, unsigned place,
                             const char *name, const char *value);
MAILMOD_API enum mailmod_error
mailmod_request_change_field(mailmod_request *request, const char *name,
                             unsigned number, const char *value);
/* One more, who asks for no report; nobody sees it in the header. */
MAILMOD_API enum mailmod_error
mailmod_request_add_recipient(mailmod_request *request, const char *address);
/* One less, named as the sender did; the sender is told nothing. When none is
 * left the message is answered 250 and not kept. */
MAILMOD_API enum mailmod_error
mailmod_request_remove_recipient(mailmod_request *request,
                                 const char *recipient);
/* `address` gets the mail of `recipient` (named as the sender did; NULL: of all
 * or, at MAILMOD_SMTP_RCPT, of the one in question, which need not be known
 * here then). NOTIFY and ORCPT of the recipient hold on (RFC 3461 5.2.7). An
 * address that nobody has is an error in the log, and the mail goes to the
 * recipient. */
MAILMOD_API enum mailmod_error
mailmod_request_redirect(mailmod_request *request, const char *recipient,
                         const char *address);
/* The message is kept aside and nobody gets it: a held row of the queue for
 * each recipient, with `reason` as its last reply, until mailmod_queue_act (or
 * mailmodctl queue) releases or deletes it. The sender gets 250 and is told
 * nothing. A copy of all mail and folders are left out. */
MAILMOD_API enum mailmod_error
mailmod_request_quarantine(mailmod_request *request, const char *reason);
/* The mail of `recipient` (as for redirect) comes into that folder of his
 * mailbox, as if it had been sent to user+folder: it needs
 * local.plus_separator, and local.plus_folders to be seen apart. A folder of a
 * Maildir is made where it is missing, with local.plus_folders alone. */
MAILMOD_API enum mailmod_error
mailmod_request_set_folder(mailmod_request *request, const char *recipient,
                           const char *folder);
/* At MAILMOD_SMTP_RCPT: our reply is held back so long, whatever it is; LIMIT
 * past 60000. */
MAILMOD_API enum mailmod_error
mailmod_request_set_delay(mailmod_request *request, unsigned milliseconds);

#ifdef __cplusplus
}
#endif

#endif
