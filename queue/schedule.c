/* schedule.c - when to try again: growing, jittered steps.
 *
 * Pure: the caller gives the options, the number of failures and the random
 * number. Promises that a wait is never shorter than a second, that it lies
 * within the step's jitter, and that a due time that no schedule could have
 * set is seen for what it is: the work of a clock that was set back.
 * Thread: any. RFC 5321 4.5.4.1 (retry interval at least 30 minutes "in
 * general", sooner at first because of greylisting and short outages). */
#include "queue/internal.h"

#include "base/limits.h"

enum { JITTER_PERCENT_MAX = 90, WAIT_MIN_MS = 1000 };

static uint64_t step_ms(const struct mq_options *options, size_t step)
{
    return (uint64_t)options->steps_s[step] * 1000;
}

static uint64_t jitter_ms(const struct mq_options *options, uint64_t wait_ms)
{
    unsigned percent = options->jitter_percent;
    if (percent > JITTER_PERCENT_MAX) {
        percent = JITTER_PERCENT_MAX;
    }
    return wait_ms / 100 * percent;
}

static uint64_t jittered_ms(const struct mq_options *options, uint64_t wait_ms,
                            uint64_t random)
{
    uint64_t jitter = jitter_ms(options, wait_ms);
    return wait_ms - jitter + random % (2 * jitter + 1);
}

uint64_t mq_wait_ms(const struct mq_options *options, unsigned attempts,
                    uint64_t random)
{
    size_t step = attempts > 0 ? attempts - 1 : 0;
    if (step >= options->step_count) {
        step = options->step_count - 1;
    }
    uint64_t wait_ms = jittered_ms(options, step_ms(options, step), random);
    return wait_ms < WAIT_MIN_MS ? WAIT_MIN_MS : wait_ms;
}

uint64_t mq_unsure_wait_ms(const struct mq_options *options, uint64_t random)
{
    return jittered_ms(options, options->unsure_wait_ms, random);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t mq_longest_wait_ms(const struct mq_options *options)
{
    uint64_t unsure_ms = options->unsure_wait_ms;
    uint64_t longest_ms = longer(MM_LIMIT_ASKED_WAIT_MS, /* a host may ask it */
                                 unsure_ms + jitter_ms(options, unsure_ms));
    for (size_t i = 0; i < options->step_count; i++) {
        uint64_t wait_ms = step_ms(options, i);
        longest_ms = longer(longest_ms, wait_ms + jitter_ms(options, wait_ms));
    }
    return longest_ms;
}

bool mq_is_due(int64_t due_ms, int64_t now_ms, uint64_t longest_wait_ms)
{
    return due_ms <= now_ms ||
           (uint64_t)(due_ms - now_ms) > longest_wait_ms + MQ_CLOCK_SLACK_MS;
}
