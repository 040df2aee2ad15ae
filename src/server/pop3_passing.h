/* thread: loop (the session's)
 * pop3_passing.h - a POP3 session whose mailbox another server has: the login
 * there, and then octets both ways. For pop3_*.c alone. */
#ifndef MM_SERVER_POP3_PASSING_H
#define MM_SERVER_POP3_PASSING_H

#include "post/backend.h"
#include "server/session.h"

/* Zeroed: this session's mailbox is here. */
struct mm_pop3_passing {
    struct mm_session *session;
    struct mm_backend_question question;
    bool is_chosen;          /* the login is the other server's */
    struct mm_conn *conn;    /* logged in there; NULL: not, or gone */
    struct mm_buf to_client; /* cap MM_LIMIT_OUTPUT */
    uint64_t progress;       /* octets, and what the engine had */
    bool is_stalled;         /* input was left with `conn` */
};

/* Another server's user? Then the login is asked for there, or *verdict_out
 * says why not. */
bool mm_pop3_passing_check(struct mm_pop3_passing *passing,
                           struct mm_session *session, struct mm_auth *auth,
                           enum mm_auth_verdict *verdict_out);
/* After the client was told that it is logged in: `said` is what it is owed,
 * `heard` what it has sent behind the login. */
void mm_pop3_passing_begin(struct mm_pop3_passing *passing, struct mm_span said,
                           struct mm_span heard);
/* The client is gone. */
void mm_pop3_passing_detach(struct mm_pop3_passing *passing);
void mm_pop3_passing_fini(struct mm_pop3_passing *passing);

extern const struct mm_session_protocol mm_pop3_passing_protocol;

#endif
