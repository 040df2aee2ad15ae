/* judge.c - asks a table of judges.
 *
 * Owns what a session's judges have found so far. Promises: judges are asked in
 * the order of the table, each once for what it judges; the first refusal is
 * the reply; no judge that begins before RCPT holds up a greeting or a MAIL
 * unless it acts at once.
 * Thread: the session's loop. RFC 5321 3.3, 4.5.1, 7.7. */
#include "server/judge.h"

#include <assert.h>

void mm_judging_init(struct mm_judging *judging, const struct mm_judge *table,
                     size_t count, void *subject)
{
    assert(count <= MM_JUDGES_MAX);
    *judging =
        (struct mm_judging){.table = table, .count = count, .subject = subject};
}

void mm_judging_begin(struct mm_judging *judging, enum mm_stage stage)
{
    judging->next = 0;
    for (size_t i = 0; i < judging->count; i++) {
        if (judging->table[i].stage >= stage) {
            judging->passed &= ~(1u << i);
            if (judging->kept_by == i) {
                judging->kept = NULL;
            }
        }
    }
}

static bool is_early(const struct mm_judge *judge)
{
    return !judge->acts_at_once && judge->stage < MM_STAGE_RCPT;
}

/* One that began before RCPT; asked until it has an answer. */
static enum mm_judgement ask_early(struct mm_judging *judging, size_t index,
                                   struct mm_finding *finding)
{
    const struct mm_judge *judge = &judging->table[index];

    if ((judging->passed & (1u << index)) != 0 || judging->kept != NULL) {
        return MM_JUDGE_PASS;
    }
    enum mm_judgement judgement = judge->ask(judging->subject, finding);
    if (judgement == MM_JUDGE_PASS) {
        judging->passed |= 1u << index;
    } else if (judgement == MM_JUDGE_REPLY) {
        judging->kept = finding->reply;
        judging->kept_by = index;
    }
    return judgement == MM_JUDGE_LATER ? MM_JUDGE_LATER : MM_JUDGE_PASS;
}

static enum mm_judgement ask_one(struct mm_judging *judging, size_t index,
                                 enum mm_stage stage, bool is_postmaster,
                                 struct mm_finding *finding)
{
    const struct mm_judge *judge = &judging->table[index];

    if (!is_early(judge)) {
        return judge->stage == stage ? judge->ask(judging->subject, finding)
                                     : MM_JUDGE_PASS;
    }
    if (stage < MM_STAGE_RCPT) {
        if (judge->stage == stage) {
            (void)ask_early(judging, index, finding); /* it may take its time */
        }
        return MM_JUDGE_PASS;
    }
    return stage == MM_STAGE_RCPT && !is_postmaster
               ? ask_early(judging, index, finding)
               : MM_JUDGE_PASS;
}

enum mm_judgement mm_judging_ask(struct mm_judging *judging,
                                 enum mm_stage stage, bool is_postmaster,
                                 struct mm_finding *finding_out)
{
    for (; judging->next < judging->count; judging->next++) {
        enum mm_judgement judgement =
            ask_one(judging, judging->next, stage, is_postmaster, finding_out);
        if (judgement == MM_JUDGE_PASS && stage == MM_STAGE_RCPT &&
            judging->kept != NULL && !is_postmaster) {
            finding_out->reply = judging->kept;
            judgement = MM_JUDGE_REPLY;
        }
        if (judgement == MM_JUDGE_LATER) {
            return judgement;
        }
        if (judgement == MM_JUDGE_REPLY) {
            judging->next = 0;
            return judgement;
        }
    }
    judging->next = 0;
    return MM_JUDGE_PASS;
}
