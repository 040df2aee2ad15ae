/* thread: loop (the session's)
 * judge.h - who decides about mail, by stage, in the order of one table.
 *
 * A judge is asked at its stage and passes, refuses with a reply, or answers
 * later. With its answer come effects: a field for the message, a delay. One
 * that acts at once is waited for and speaks at its stage; the others begin
 * there, hold nobody up, and have their say at RCPT, so that the recipient
 * counts: postmaster hears everybody (RFC 5321 4.5.1). */
#ifndef MM_SERVER_JUDGE_H
#define MM_SERVER_JUDGE_H

#include "base/buf.h"
#include "base/limits.h"
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

enum mm_effect_kind {
    MM_EFFECT_FIELD, /* the message gets a field */
    MM_EFFECT_DELAY  /* the refusal of this recipient is held back */
};

struct mm_effect {
    enum mm_effect_kind kind;
    /* FIELD: appends it, whole, with its CRLF; an error is the buffer's */
    void (*write)(const void *subject, struct mm_buf *out);
    unsigned delay_ms; /* DELAY */
};

struct mm_finding {
    const struct mm_reply
        *reply;            /* REPLY; lives as long as its judge's facts */
    enum mm_wait_for wait; /* LATER: until this is over */
    struct mm_effect effects[MM_LIMIT_EFFECTS]; /* PASS and REPLY */
    size_t effect_count;
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
    struct mm_judging_field {
        void (*write)(const void *subject, struct mm_buf *out);
        size_t by; /* the judge */
    } fields[MM_LIMIT_EFFECTS];
    size_t field_count;
    unsigned delay_ms; /* the longest for the event that was asked about last */
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
/* The fields that the judges want on the message, in the order found. */
enum mailmod_error mm_judging_write_fields(const struct mm_judging *judging,
                                           struct mm_buf *out);
/* For judges. What is above MM_LIMIT_EFFECTS is left out. */
void mm_finding_add(struct mm_finding *finding, struct mm_effect effect);

#endif
