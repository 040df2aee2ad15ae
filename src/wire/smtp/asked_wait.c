/* asked_wait.c - "greylisted, please try again in 5 minutes".
 *
 * Pure. Promises: a time is taken only from a text that speaks of coming again,
 * and only where a number has a unit (or is 00:05:00), so that addresses,
 * codes and counts are none; the first one counts; there is a bound.
 * Any thread. RFC 6647 2.1 (greylisting). */
#include "wire/smtp/asked_wait.h"

#include "base/limits.h"

#define SECOND_MS UINT64_C(1000)
#define DIGITS_MAX 6

static const struct {
    const char *name;
    bool is_letter; /* right behind its number alone */
    uint64_t ms;
} units[] = {
    {"s", true, SECOND_MS},
    {"sec", false, SECOND_MS},
    {"secs", false, SECOND_MS},
    {"second", false, SECOND_MS},
    {"seconds", false, SECOND_MS},
    {"m", true, 60 * SECOND_MS},
    {"min", false, 60 * SECOND_MS},
    {"mins", false, 60 * SECOND_MS},
    {"minute", false, 60 * SECOND_MS},
    {"minutes", false, 60 * SECOND_MS},
    {"h", true, 3600 * SECOND_MS},
    {"hour", false, 3600 * SECOND_MS},
    {"hours", false, 3600 * SECOND_MS},
};

static bool has_word(struct mm_span text, const char *word)
{
    for (size_t i = 0; i < text.size; i++) {
        if (mm_span_starts_nocase(mm_span_from(text, i), word)) {
            return true;
        }
    }
    return false;
}

static bool speaks_of_again(struct mm_span text)
{
    static const char *const words[] = {"greylist", "graylist", "grey-list",
                                        "again",    "retry",    "come back",
                                        "wait",     "delayed"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (has_word(text, words[i])) {
            return true;
        }
    }
    return false;
}

/* The digits in front; false: none, or too many. */
static bool take_number(struct mm_span *text, uint64_t *value_out)
{
    size_t size = 0;
    while (size < text->size && mm_ascii_is_digit(text->data[size])) {
        size++;
    }
    bool is_good = size > 0 && size <= DIGITS_MAX &&
                   mm_span_to_u64(mm_span(text->data, size), value_out);
    *text = mm_span_from(*text, size);
    return is_good;
}

/* Nothing that makes another thing of it follows. */
static bool is_end(struct mm_span text)
{
    return text.size == 0 || (!mm_ascii_is_alnum(text.data[0]) &&
                              text.data[0] != ':' && text.data[0] != '/');
}

/* "00:05:00" */
static uint64_t read_clock(struct mm_span text, uint64_t hours)
{
    uint64_t minutes = 0;
    uint64_t seconds = 0;
    text = mm_span_from(text, 1);
    if (!take_number(&text, &minutes) || text.size == 0 ||
        text.data[0] != ':') {
        return 0;
    }
    text = mm_span_from(text, 1);
    if (!take_number(&text, &seconds) || !is_end(text) || minutes > 59 ||
        seconds > 59) {
        return 0;
    }
    return (hours * 3600 + minutes * 60 + seconds) * SECOND_MS;
}

/* "300 seconds", "5 min", "300s" */
static uint64_t read_unit(struct mm_span text, uint64_t number)
{
    bool has_blank = text.size > 0 && text.data[0] == ' ';
    text = mm_span_from(text, has_blank ? 1 : 0);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct mm_span name = mm_span_cstr(units[i].name);
        if (mm_span_starts_nocase(text, units[i].name) &&
            is_end(mm_span_from(text, name.size)) &&
            !(has_blank && units[i].is_letter)) {
            return number * units[i].ms;
        }
    }
    return 0;
}

/* A number begins here, and is not the rest of an address or a word. */
static bool is_begin(struct mm_span text, size_t at)
{
    if (!mm_ascii_is_digit(text.data[at])) {
        return false;
    }
    char before = at > 0 ? text.data[at - 1] : ' ';
    return !mm_ascii_is_alnum(before) && before != '.' && before != ':' &&
           before != '-' && before != '/' && before != '#';
}

uint64_t mm_asked_wait_ms(struct mm_span text)
{
    if (!speaks_of_again(text)) {
        return 0;
    }
    for (size_t i = 0; i < text.size; i++) {
        struct mm_span rest = mm_span_from(text, i);
        uint64_t number = 0;
        if (!is_begin(text, i) || !take_number(&rest, &number)) {
            continue;
        }
        uint64_t wait_ms = rest.size > 0 && rest.data[0] == ':'
                               ? read_clock(rest, number)
                               : read_unit(rest, number);
        if (wait_ms > 0) {
            return wait_ms < MM_LIMIT_ASKED_WAIT_MS ? wait_ms
                                                    : MM_LIMIT_ASKED_WAIT_MS;
        }
    }
    return 0;
}
