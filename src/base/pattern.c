/* pattern.c - regular expressions without backtracking.
 *
 * A pattern becomes a program of few instructions, all states of which are
 * followed at once, an octet of the text at a time (Thompson 1968). Owns the
 * program. Promises that neither a pattern nor a text can make a match take
 * longer than their lengths multiplied, or nest deeper than DEPTH_MAX; jumps
 * are relative, so that a piece of program can be moved and repeated.
 * Thread: any. */
#include "base/pattern.h"

#include "base/mem.h"

#include <string.h>

enum { STEPS_MAX = 2000, DEPTH_MAX = 32, REPEAT_MAX = 255 };

enum step_kind { STEP_OCTETS, STEP_SPLIT, STEP_JUMP, STEP_BEGIN, STEP_END };

struct step {
    enum step_kind kind;
    int to, other;      /* relative: JUMP goes to `to`, SPLIT to both */
    uint8_t octets[32]; /* OCTETS: a bit each */
};

struct mm_pattern {
    struct step *steps; /* behind the last one it has matched */
    size_t count;
    size_t capacity;
};

struct parser {
    struct mm_pattern *pattern;
    struct mm_span rest;
    bool ignores_case;
    unsigned depth;
    struct mm_buf *mistake;
};

static enum mailmod_error refuse(const struct parser *p, const char *words)
{
    if (p->mistake != NULL) {
        (void)mm_buf_append_cstr(p->mistake, words);
    }
    return MAILMOD_ERROR_SYNTAX;
}

/* Room for one more step at `at`; what is behind moves. */
static enum mailmod_error insert(const struct parser *p, size_t at,
                                 struct step step)
{
    struct mm_pattern *pattern = p->pattern;

    if (pattern->count >= STEPS_MAX) {
        (void)refuse(p, "is too large");
        return MAILMOD_ERROR_LIMIT;
    }
    struct step *steps = mm_array_grow(pattern->steps, pattern->count,
                                       &pattern->capacity, sizeof *steps);
    if (steps == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    pattern->steps = steps;
    memmove(&steps[at + 1], &steps[at], (pattern->count - at) * sizeof *steps);
    steps[at] = step;
    pattern->count++;
    return MAILMOD_OK;
}

static enum mailmod_error append(const struct parser *p, struct step step)
{
    return insert(p, p->pattern->count, step);
}

static bool take(struct parser *p, char c)
{
    bool is_there = p->rest.size > 0 && p->rest.data[0] == c;

    if (is_there) {
        p->rest = mm_span_from(p->rest, 1);
    }
    return is_there;
}

static void add_octet(const struct parser *p, struct step *step, int c)
{
    step->octets[c / 8] |= (uint8_t)(1u << (c % 8));
    if (p->ignores_case) {
        int other =
            mm_ascii_lower(c) != c ? mm_ascii_lower(c) : mm_ascii_upper(c);
        step->octets[other / 8] |= (uint8_t)(1u << (other % 8));
    }
}

static int digit_of(char c)
{
    int value = mm_ascii_hex_value((unsigned char)c);

    return value >= 0 ? value : 99;
}

/* Up to `digits` digits of the base. */
static int take_number(struct parser *p, int base, unsigned digits)
{
    int number = 0;

    for (unsigned i = 0;
         i < digits && p->rest.size > 0 && digit_of(p->rest.data[0]) < base;
         i++) {
        number = number * base + digit_of(p->rest.data[0]);
        p->rest = mm_span_from(p->rest, 1);
    }
    return number & 255;
}

/* One octet, written out or behind "\"; -1: the text ends. */
static int take_octet(struct parser *p)
{
    if (p->rest.size == 0) {
        return -1;
    }
    unsigned char c = (unsigned char)p->rest.data[0];
    p->rest = mm_span_from(p->rest, 1);
    if (c != '\\') {
        return c;
    }
    if (p->rest.size == 0) {
        return -1;
    }
    c = (unsigned char)p->rest.data[0];
    if (mm_ascii_is_digit(c)) {
        return c == '0' ? take_number(p, 8, 4) : take_number(p, 10, 3);
    }
    p->rest = mm_span_from(p->rest, 1);
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'x':
        return take_number(p, 16, 2);
    case 'o':
        return take_number(p, 8, 3);
    default:
        return c;
    }
}

/* Behind "[". */
static enum mailmod_error parse_set(struct parser *p)
{
    struct step step = {.kind = STEP_OCTETS};
    bool is_not = take(p, '^');
    bool is_first = true;

    while (is_first || !take(p, ']')) {
        int from = take_octet(p);
        int to = from;
        is_first = false;
        if (p->rest.size > 1 && p->rest.data[0] == '-' &&
            p->rest.data[1] != ']') {
            (void)take(p, '-');
            to = take_octet(p);
        }
        if (from < 0 || to < from) {
            return refuse(p, "has a [ that is not closed, or a wrong range");
        }
        for (int c = from; c <= to; c++) {
            add_octet(p, &step, c);
        }
    }
    for (size_t i = 0; is_not && i < sizeof step.octets; i++) {
        step.octets[i] = (uint8_t)~step.octets[i];
    }
    return append(p, step);
}

static enum mailmod_error parse_any(const struct parser *p)
{
    struct step step = {.kind = STEP_OCTETS};

    memset(step.octets, 0xff, sizeof step.octets);
    step.octets['\n' / 8] &= (uint8_t) ~(1u << ('\n' % 8));
    return append(p, step);
}

static enum mailmod_error parse_choice(struct parser *p);

static enum mailmod_error parse_group(struct parser *p)
{
    if (++p->depth > DEPTH_MAX) {
        return refuse(p, "nests too deep");
    }
    enum mailmod_error error = parse_choice(p);
    p->depth--;
    if (error == MAILMOD_OK && !take(p, ')')) {
        error = refuse(p, "has a ( that is not closed");
    }
    return error;
}

static enum mailmod_error parse_atom(struct parser *p)
{
    if (take(p, '(')) {
        return parse_group(p);
    }
    if (take(p, '[')) {
        return parse_set(p);
    }
    if (take(p, '.')) {
        return parse_any(p);
    }
    if (take(p, '^')) {
        return append(p, (struct step){.kind = STEP_BEGIN});
    }
    if (take(p, '$')) {
        return append(p, (struct step){.kind = STEP_END});
    }
    if (memchr("*+?{", p->rest.data[0], 4) != NULL) {
        return refuse(p, "repeats nothing");
    }
    struct step step = {.kind = STEP_OCTETS};
    int c = take_octet(p);
    if (c < 0) {
        return refuse(p, "ends with a \\");
    }
    add_octet(p, &step, c);
    return append(p, step);
}

/* "{n}", "{n,}", "{n,m}" behind the "{"; `max_out` -1: without end. */
static enum mailmod_error parse_counts(struct parser *p, int *min_out,
                                       int *max_out)
{
    struct mm_span inside;
    struct mm_span first;
    struct mm_span last;
    uint64_t min;
    uint64_t max = 0;

    bool is_closed = mm_span_cut(p->rest, '}', &inside, &p->rest);
    bool has_comma = mm_span_cut(inside, ',', &first, &last);
    if (!is_closed || !mm_span_to_u64(first, &min) || min > REPEAT_MAX ||
        (has_comma && last.size > 0 &&
         (!mm_span_to_u64(last, &max) || max > REPEAT_MAX || max < min))) {
        return refuse(p, "has wrong counts in {}");
    }
    *min_out = (int)min;
    *max_out = !has_comma ? (int)min : last.size == 0 ? -1 : (int)max;
    return MAILMOD_OK;
}

static enum mailmod_error copy(const struct parser *p, size_t from, size_t size)
{
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < size; i++) {
        error = append(p, p->pattern->steps[from + i]);
    }
    return error;
}

/* The last `size` steps: "so often or not at all", or also without end. */
static enum mailmod_error make_optional(const struct parser *p, size_t size,
                                        bool is_endless)
{
    int length = (int)size;
    enum mailmod_error error = insert(
        p, p->pattern->count - size,
        (struct step){
            .kind = STEP_SPLIT, .to = 1, .other = length + 1 + is_endless});

    return error == MAILMOD_OK && is_endless
               ? append(p,
                        (struct step){.kind = STEP_JUMP, .to = -(length + 1)})
               : error;
}

/* The steps from `from` on are the atom. */
static enum mailmod_error repeat(const struct parser *p, size_t from, int min,
                                 int max)
{
    size_t size = p->pattern->count - from;
    enum mailmod_error error = MAILMOD_OK;

    if (min == 0 && max == 0) {
        p->pattern->count = from;
        return MAILMOD_OK;
    }
    for (int i = 1; error == MAILMOD_OK && i < min; i++) {
        error = copy(p, from, size);
    }
    int more = max < 0 ? 1 : max - min;
    for (int i = 0; error == MAILMOD_OK && i < more; i++) {
        /* of {0,...} the atom itself is the first of them */
        error =
            min > 0 || i > 0 ? copy(p, from + (min == 0), size) : MAILMOD_OK;
        if (error == MAILMOD_OK) {
            error = make_optional(p, size, max < 0);
        }
    }
    return error;
}

static enum mailmod_error parse_repeated(struct parser *p)
{
    size_t from = p->pattern->count;
    enum mailmod_error error = parse_atom(p);
    int min = 1;
    int max = 1;

    if (error != MAILMOD_OK) {
        return error;
    }
    if (take(p, '*')) {
        min = 0;
        max = -1;
    } else if (take(p, '+')) {
        max = -1;
    } else if (take(p, '?')) {
        min = 0;
    } else if (take(p, '{')) {
        error = parse_counts(p, &min, &max);
    } else {
        return MAILMOD_OK;
    }
    (void)take(p, '?'); /* how much is taken does not matter here */
    return error == MAILMOD_OK ? repeat(p, from, min, max) : error;
}

static enum mailmod_error parse_sequence(struct parser *p)
{
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && p->rest.size > 0 && p->rest.data[0] != '|' &&
           p->rest.data[0] != ')') {
        error = parse_repeated(p);
    }
    return error;
}

static enum mailmod_error parse_choice(struct parser *p)
{
    size_t from = p->pattern->count;
    enum mailmod_error error = parse_sequence(p);

    while (error == MAILMOD_OK && take(p, '|')) {
        int length = (int)(p->pattern->count - from);
        error = insert(
            p, from,
            (struct step){.kind = STEP_SPLIT, .to = 1, .other = length + 2});
        size_t jump = p->pattern->count;
        if (error == MAILMOD_OK) {
            error = append(p, (struct step){.kind = STEP_JUMP});
        }
        if (error == MAILMOD_OK) {
            error = parse_sequence(p);
        }
        if (error == MAILMOD_OK) {
            p->pattern->steps[jump].to = (int)(p->pattern->count - jump);
        }
    }
    return error;
}

enum mailmod_error mm_pattern_new(struct mm_pattern **pattern_out,
                                  struct mm_span text, bool ignores_case,
                                  struct mm_buf *mistake_out)
{
    struct mm_pattern *pattern = mm_alloc(sizeof *pattern);
    struct parser parser = {.pattern = pattern,
                            .rest = text,
                            .ignores_case = ignores_case,
                            .mistake = mistake_out};

    *pattern_out = NULL;
    if (pattern == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = parse_choice(&parser);
    if (error == MAILMOD_OK && parser.rest.size > 0) {
        error = refuse(&parser, "has a ) too many");
    }
    if (error != MAILMOD_OK) {
        mm_pattern_free(&pattern);
        return error;
    }
    *pattern_out = pattern;
    return MAILMOD_OK;
}

size_t mm_pattern_steps(const struct mm_pattern *pattern)
{
    return pattern->count;
}

void mm_pattern_free(struct mm_pattern **pattern)
{
    if (*pattern != NULL) {
        mm_free((*pattern)->steps);
        mm_free(*pattern);
        *pattern = NULL;
    }
}

/* The states at one place of the text. */
struct states {
    size_t *list;
    size_t count;
    size_t *stamp; /* of each step: the place, plus 1, at which it was added */
    size_t *stack;
};

/* Adds a state and what it leads to without an octet; true: it has matched. */
static bool add_state(const struct mm_pattern *pattern, struct states *states,
                      size_t state, struct mm_span text, size_t at)
{
    size_t depth = 0;

    states->stack[depth++] = state;
    while (depth > 0) {
        size_t now = states->stack[--depth];
        if (now == pattern->count) {
            return true;
        }
        if (states->stamp[now] == at + 1) {
            continue;
        }
        states->stamp[now] = at + 1;
        const struct step *step = &pattern->steps[now];
        bool is_begin = at == 0 || text.data[at - 1] == '\n';
        bool is_end =
            at == text.size || text.data[at] == '\n' || text.data[at] == '\r';
        switch (step->kind) {
        case STEP_OCTETS:
            states->list[states->count++] = now;
            break;
        case STEP_SPLIT:
            states->stack[depth++] = now + (size_t)step->other;
            states->stack[depth++] = now + (size_t)step->to;
            break;
        case STEP_JUMP:
            states->stack[depth++] = now + (size_t)step->to;
            break;
        case STEP_BEGIN:
        case STEP_END:
            if (step->kind == STEP_BEGIN ? is_begin : is_end) {
                states->stack[depth++] = now + 1;
            }
            break;
        }
    }
    return false;
}

static bool run(const struct mm_pattern *pattern, struct mm_span text,
                struct states *states, size_t *next_list)
{
    for (size_t at = 0; at <= text.size; at++) {
        /* it may begin at each place */
        if (add_state(pattern, states, 0, text, at)) {
            return true;
        }
        if (at == text.size) {
            break;
        }
        unsigned char c = (unsigned char)text.data[at];
        struct states next = *states;
        next.list = next_list;
        next.count = 0;
        for (size_t i = 0; i < states->count; i++) {
            size_t state = states->list[i];
            if ((pattern->steps[state].octets[c / 8] >> (c % 8) & 1) != 0 &&
                add_state(pattern, &next, state + 1, text, at + 1)) {
                return true;
            }
        }
        next_list = states->list;
        *states = next;
    }
    return false;
}

bool mm_pattern_matches(const struct mm_pattern *pattern, struct mm_span text)
{
    size_t count = pattern->count + 1;
    /* both lists, the stamps, and a stack: each step puts two on it at most */
    size_t *memory = mm_alloc_array(count, 5 * sizeof *memory);

    if (memory == NULL) {
        return false;
    }
    struct states states = {.list = memory,
                            .stamp = memory + 2 * count,
                            .stack = memory + 3 * count};
    bool matches = run(pattern, text, &states, memory + count);
    mm_free(memory);
    return matches;
}
