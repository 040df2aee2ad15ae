/* judge.c - asks a table of judges.
 *
 * Owns what a session's judges have found so far, the effects included.
 * Promises: judges are asked in the order of the table, each once for what it
 * judges; the first refusal is the reply; no judge that begins before RCPT
 * holds up a greeting or a MAIL unless it acts at once.
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

void mm_finding_add(struct mm_finding *finding, struct mm_effect effect)
{
    if (finding->effect_count < MM_LIMIT_EFFECTS) {
        finding->effects[finding->effect_count++] = effect;
    }
}

/* What a judge wanted on the message. */
static void forget_fields(struct mm_judging *judging, size_t index)
{
    size_t count = 0;

    for (size_t i = 0; i < judging->field_count; i++) {
        if (judging->fields[i].by != index) {
            judging->fields[count++] = judging->fields[i];
        }
    }
    judging->field_count = count;
}

/* Its newest answer counts: a judge of recipients gives one for each. */
static void collect(struct mm_judging *judging, size_t index,
                    const struct mm_finding *finding)
{
    forget_fields(judging, index);
    for (size_t i = 0; i < finding->effect_count; i++) {
        const struct mm_effect *effect = &finding->effects[i];

        switch (effect->kind) {
        case MM_EFFECT_FIELD:
            if (judging->field_count < MM_LIMIT_EFFECTS) {
                judging->fields[judging->field_count++] =
                    (struct mm_judging_field){effect->write, index};
            }
            break;
        case MM_EFFECT_DELAY:
            if (effect->delay_ms > judging->delay_ms) {
                judging->delay_ms = effect->delay_ms;
            }
            break;
        }
    }
}

static enum mm_judgement ask(struct mm_judging *judging, size_t index,
                             struct mm_finding *finding)
{
    finding->effect_count = 0;
    enum mm_judgement judgement =
        judging->table[index].ask(judging->subject, finding);
    if (judgement != MM_JUDGE_LATER) {
        collect(judging, index, finding);
    }
    return judgement;
}

void mm_judging_begin(struct mm_judging *judging, enum mm_stage stage)
{
    judging->next = 0;
    for (size_t i = 0; i < judging->count; i++) {
        if (judging->table[i].stage >= stage) {
            judging->passed &= ~(1u << i);
            forget_fields(judging, i);
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
    if ((judging->passed & (1u << index)) != 0 || judging->kept != NULL) {
        return MM_JUDGE_PASS;
    }
    enum mm_judgement judgement = ask(judging, index, finding);
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
        return judge->stage == stage ? ask(judging, index, finding)
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
    if (judging->next == 0) {
        judging->delay_ms = 0;
    }
    for (; judging->next < judging->count; judging->next++) {
        const struct mm_judge *judge = &judging->table[judging->next];
        if (judge->stage != stage &&
            (judge->acts_at_once || stage != MM_STAGE_RCPT)) {
            continue; /* most of them: each message pays for this look */
        }
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

enum mailmod_error mm_judging_write_fields(const struct mm_judging *judging,
                                           struct mm_buf *out)
{
    for (size_t i = 0; i < judging->field_count; i++) {
        judging->fields[i].write(judging->subject, out);
    }
    return mm_buf_error(out);
}
