/* thread: loop (the server's first)
 * deleted_mail.h - what POP3 deleted goes when its days are over. */
#ifndef MM_SERVER_DELETED_MAIL_H
#define MM_SERVER_DELETED_MAIL_H

#include "base/error.h"

struct mm_deleted_mail;
struct mm_server;

/* Before the loop runs. */
MM_CHECK enum mailmod_error
mm_deleted_mail_new(struct mm_deleted_mail **deleted_out,
                    struct mm_server *server);
/* From now on there is a store. Before the loop runs. */
void mm_deleted_mail_attach(struct mm_deleted_mail *deleted);
/* After the loop stopped; a job of the store may still be out. */
void mm_deleted_mail_free(struct mm_deleted_mail **deleted);

#endif
