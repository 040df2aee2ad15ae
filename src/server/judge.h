/* thread: loop (the session's)
 * judge.h - who decides about mail, by stage, in the order of one table.
 *
 * A judge is asked at its stage and passes, refuses with a reply, or answers
 * later. One that acts at once is waited for and speaks at its stage; the
 * others begin there, hold nobody up, and have their say at RCPT, so that the
 * recipient counts: postmaster hears everybody (RFC 5321 4.5.1). */
#ifndef MM_SERVER_JUDGE_H
#define MM_SERVER_JUDGE_H

#include "server/wait.h"
#include "wire/smtp/reply.h"

enum mm_stage {
    MM_STAGE_CONNECT,
    MM_STAGE_HELO,
    MM_STAGE_MAIL,
    MM_STAGE_RCPT,
    MM_STAGE_DATA,
    MM_STAGE_END
};

enum mm_judgement { MM_JUDGE_PASS, MM_JUDGE_REPLY, MM_JUDGE_LATER };

struct mm_finding {
    const struct mm_reply
        *reply;            /* REPLY; lives as long as its judge's facts */
    enum mm_wait_for wait; /* LATER: until this is over */
};

struct mm_judge {
    const char *name;
    enum mm_stage stage;
    bool acts_at_once;
    enum mm_judgement (*ask)(void *subject, struct mm_finding *finding_out);
};

#define MM_JUDGES_MAX 32

/* One session's way through a table. */
struct mm_judging {
    const struct mm_judge *table;
    size_t count;
    void *subject;
    size_t next;     /* the judge that answers later; 0: from the first */
    unsigned passed; /* a bit a judge that begins before RCPT */
    const struct mm_reply *kept; /* the first refusal of such a one */
    size_t kept_by;
};

void mm_judging_init(struct mm_judging *judging, const struct mm_judge *table,
                     size_t count, void *subject);
/* The stage begins anew (a hello, a message): what was found from it on is
 * forgotten. */
void mm_judging_begin(struct mm_judging *judging, enum mm_stage stage);
/* To be called again for the same event when the wait is over. */
enum mm_judgement mm_judging_ask(struct mm_judging *judging,
                                 enum mm_stage stage, bool is_postmaster,
                                 struct mm_finding *finding_out);

#endif
