/* thread: loop (the session's)
 * pop3_session.h - one POP3 session, shared by its three files:
 * pop3_session.c (events, jobs, the protocol's table), pop3_login.c and
 * pop3_messages.c (listing, retrieval, deletion). */
#ifndef MM_SERVER_POP3_SESSION_H
#define MM_SERVER_POP3_SESSION_H

#include "mailbox/provider.h"
#include "server/logins.h"
#include "server/session.h"
#include "wire/pop3/server.h"

enum mm_pop3_work {
    MM_POP3_WORK_NONE,
    MM_POP3_WORK_OPEN,
    MM_POP3_WORK_READ,
    MM_POP3_WORK_UPDATE
};

struct mm_pop3_session {
    struct mm_session base;
    struct mm_pop3d *engine;
    struct mm_logins logins;
    struct mm_mailbox *mailbox;
    uint8_t *deleted; /* one bit an entry */
    size_t deleted_count;
    uint64_t deleted_octets;
    uint64_t octets; /* of the whole listing */

    size_t row; /* inside LIST and UIDL */
    bool is_uidl;
    size_t reading;  /* index of the message inside RETR and TOP */
    bool is_opening; /* the first piece decides between +OK and -ERR */
    unsigned piece_number;
    uint64_t read_size;   /* of the message, in all pieces */
    uint64_t read_octets; /* ... and in those so far */
    size_t piece_used;
    struct mm_buf piece;

    struct mm_timer lock_timer; /* the mailbox is another session's */
    unsigned lock_tries;        /* that were made for it */
    bool is_served_by_host;     /* the message going out is the host's */
    enum mm_pop3_work work;     /* a job is out */
    struct mm_job job;
    unsigned work_parts; /* of it, that are not back */
    struct mm_task removal_task;
    struct mm_mailbox_removal removal;
    size_t *removed; /* its indexes */
    enum mailmod_error work_error;
};

struct mm_pop3_session *mm_pop3_session(struct mm_session *session);
const struct mm_log *mm_pop3_log(const struct mm_pop3_session *pop3);
void mm_pop3_answer(struct mm_pop3_session *pop3,
                    const struct mm_pop3_reply *reply);
void mm_pop3_answer_error(struct mm_pop3_session *pop3, const char *code,
                          const char *text);
/* The pending event waits for the job. False: the workers have no room. */
bool mm_pop3_submit_job(struct mm_pop3_session *pop3, enum mm_pop3_work work);

/* pop3_login.c: false when the event is not one of a login. */
bool mm_pop3_login_event(struct mm_pop3_session *pop3,
                         enum mm_pop3d_event event,
                         const struct mm_pop3d_info *info);
/* A mailbox was opened, or not. */
void mm_pop3_open_done(struct mm_pop3_session *pop3);
void mm_pop3_lock_expired(struct mm_timer *timer);
extern const struct mm_login_words mm_pop3_login_words;

/* pop3_messages.c: those that give octets return false when the output is full
 * or a job is out. */
void mm_pop3_stat(struct mm_pop3_session *pop3);
void mm_pop3_list(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info, bool is_uidl);
bool mm_pop3_give_rows(struct mm_pop3_session *pop3);
void mm_pop3_retr(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info);
bool mm_pop3_give_body(struct mm_pop3_session *pop3);
void mm_pop3_dele(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info);
void mm_pop3_rset(struct mm_pop3_session *pop3);
void mm_pop3_update(struct mm_pop3_session *pop3);
void mm_pop3_read_done(struct mm_pop3_session *pop3);
void mm_pop3_update_done(struct mm_pop3_session *pop3);

#endif
