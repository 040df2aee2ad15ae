/* thread: loop (the session's)
 * pop3_session.h - one POP3 session, shared by its files: pop3_session.c
 * (events, jobs, the protocol's table), pop3_login.c (logins, openings),
 * pop3_messages.c (listing, retrieval, marks) and pop3_update.c (removals, and
 * what comes after them: the end, sleep, a new listing, a new login). */
#ifndef MM_SERVER_POP3_SESSION_H
#define MM_SERVER_POP3_SESSION_H

#include "mailbox/unique_ids.h"
#include "server/logins.h"
#include "server/pop3_ahead.h"
#include "server/pop3_marks.h"
#include "server/pop3_passing.h"
#include "server/session.h"
#include "wire/pop3/server.h"

enum mm_pop3_work {
    MM_POP3_WORK_NONE,
    MM_POP3_WORK_CHECK, /* a login, by a provider of mailboxes */
    MM_POP3_WORK_OPEN,
    MM_POP3_WORK_FIND,
    MM_POP3_WORK_READ,
    MM_POP3_WORK_REMOVE_NOW,
    MM_POP3_WORK_UPDATE
};

/* What a mailbox is opened for. */
enum mm_pop3_opening { MM_POP3_FOR_LOGIN, MM_POP3_FOR_WAKE, MM_POP3_FOR_CORE };

struct mm_pop3_session {
    struct mm_session base;
    struct mm_pop3d *engine;
    struct mm_logins logins;
    struct mm_mailbox *mailbox;
    struct mm_pop3_passing passing; /* another server has the mailbox */
    struct mm_pop3_marks marks;
    uint64_t octets; /* of the whole listing */
    enum mm_pop3_opening opening_for;
    enum mm_pop3d_event ending; /* of this listing: UPDATE, SLEE, CORE, QAUT */
    int64_t ended_ms;           /* since 1970, UTC */
    struct mm_listing_memory memory; /* asleep: what was listed */
    bool has_news;                   /* since then */

    /* The unique-id of the pending event. */
    char sought[MM_UNIQUE_ID_MAX];
    bool is_sought; /* the search is over: */
    enum mailmod_error sought_error;
    size_t sought_index;

    size_t row; /* inside LIST and UIDL */
    bool is_uidl;
    size_t reading; /* index of the message inside RETR, TOP and DELI */
    bool is_top;
    bool is_opening; /* the first piece decides between +OK and -ERR */
    unsigned piece_number;
    uint64_t read_size;   /* of the message, in all pieces */
    uint64_t read_octets; /* ... and in those so far */
    size_t piece_used;
    struct mm_buf piece;
    struct mm_pop3_ahead ahead;
    struct mm_timer idle_timer; /* gives back the memory of both */

    struct mm_timer lock_timer; /* the mailbox is another session's */
    unsigned lock_tries;        /* that were made for it */
    bool is_served_by_host;     /* the message going out is the host's */
    enum mm_pop3_work work;     /* a job is out */
    struct mm_job job;
    unsigned work_parts;        /* of it, that are not back */
    struct mm_task answer_task; /* of a provider */
    struct mm_mailbox_removal removal;
    size_t *removed; /* its indexes */
    size_t removed_count;
    enum mailmod_error seen_error; /* of marking what was retrieved */
    struct mm_mailbox_question question;
    struct mm_mailbox_sign sign; /* what clients are told of providers here */
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
/* By which listener it came in. */
struct mm_mailbox_door mm_pop3_door(const struct mm_pop3_session *pop3);
/* Of a provider that has users of its own, and answers later. */
bool mm_pop3_is_visit(const struct mm_pop3_session *pop3);
/* A question without a worker: `work` is out. */
struct mm_mailbox_question *mm_pop3_begin_question(struct mm_pop3_session *pop3,
                                                   enum mm_pop3_work work);
/* What a provider said to `error`, its last one, or `reply`: into `reply`. True
 * when the session has to end. */
bool mm_pop3_take_refusal(const struct mm_pop3_session *pop3,
                          enum mailmod_error error,
                          struct mm_pop3_reply *reply);
/* Answers so, with [SYS/TEMP] and `text` where it has said nothing. */
void mm_pop3_answer_refusal(struct mm_pop3_session *pop3, const char *text);

/* The event was answered: what was sought for it is of the past. */
void mm_pop3_settled(struct mm_pop3_session *pop3);

/* pop3_login.c: false when the event is not one of a login. */
bool mm_pop3_login_event(struct mm_pop3_session *pop3,
                         enum mm_pop3d_event event,
                         const struct mm_pop3d_info *info);
void mm_pop3_open(struct mm_pop3_session *pop3, enum mm_pop3_opening opening);
/* thread: worker */
enum mailmod_error mm_pop3_run_open(struct mm_pop3_session *pop3);
/* A provider has checked a login. */
void mm_pop3_check_done(struct mm_pop3_session *pop3);
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
void mm_pop3_deli(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info);
void mm_pop3_rset(struct mm_pop3_session *pop3);
void mm_pop3_find_done(struct mm_pop3_session *pop3);
void mm_pop3_read_done(struct mm_pop3_session *pop3);
void mm_pop3_remove_now_done(struct mm_pop3_session *pop3);

/* pop3_update.c: UPDATE, SLEE, CORE or QAUT is the pending event. */
void mm_pop3_update(struct mm_pop3_session *pop3, enum mm_pop3d_event event);
/* thread: worker. False: `work_error` says why nothing will be removed. */
bool mm_pop3_run_update(struct mm_pop3_session *pop3);
void mm_pop3_update_done(struct mm_pop3_session *pop3);
/* `words` and how many messages were deleted, where some were. */
void mm_pop3_write_deleted(const struct mm_pop3_session *pop3,
                           const char *words, char *text_out, size_t size);
/* A mailbox and its marks are given back. */
void mm_pop3_let_go(struct mm_pop3_session *pop3);

#endif
