/* client_mailbox.c - the commands behind a login, their lists and messages.
 *
 * Promises: a list has at most MM_LIMIT_MAILBOX_ENTRIES rows; a unique id that
 * RFC 1939 does not allow is told as none; a message ends at CRLF "." CRLF and
 * nowhere else, and its octets wait here, bounded, until they are taken.
 * Thread: the caller's. RFC 1939 3, 5, 6, 7. */
#include "wire/pop3/client_internal.h"

static const char *const verbs[] = {
    [MM_POP3C_STAT] = "STAT", [MM_POP3C_LIST] = "LIST",
    [MM_POP3C_UIDL] = "UIDL", [MM_POP3C_RETR] = "RETR",
    [MM_POP3C_TOP] = "TOP",   [MM_POP3C_DELE] = "DELE",
    [MM_POP3C_NOOP] = "NOOP", [MM_POP3C_RSET] = "RSET",
    [MM_POP3C_OWN] = ""};

/* The verb has one, or may have. */
static bool has_number(enum mm_pop3c_verb verb)
{
    return verb != MM_POP3C_STAT && verb != MM_POP3C_NOOP &&
           verb != MM_POP3C_RSET && verb != MM_POP3C_OWN;
}

static bool is_of_all(enum mm_pop3c_verb verb)
{
    return verb == MM_POP3C_LIST || verb == MM_POP3C_UIDL;
}

static bool is_quitting(const struct mm_pop3c *pop3c)
{
    size_t last = (pop3c->first + pop3c->count - 1) % MM_POP3C_STEPS;
    return pop3c->count > 0 && pop3c->steps[last].kind == MM_POP3C_STEP_QUIT;
}

enum mailmod_error mm_pop3c_ask(struct mm_pop3c *pop3c, enum mm_pop3c_verb verb,
                                uint64_t number, uint64_t lines)
{
    if (!pop3c->is_logged_in || pop3c->state == MM_POP3C_AT_FAILED ||
        pop3c->state == MM_POP3C_AT_CLOSED || is_quitting(pop3c)) {
        return MAILMOD_ERROR_STATE;
    }
    if (number == 0 ? has_number(verb) && !is_of_all(verb)
                    : !has_number(verb)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (pop3c->count + 1 >= MM_POP3C_STEPS) { /* one stays for QUIT */
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_pop3c_step *step = mm_pop3c_push(pop3c, MM_POP3C_STEP_ASK);
    step->verb = verb;
    step->number = number;
    step->lines = lines;
    return MAILMOD_OK;
}

enum mailmod_error mm_pop3c_command(struct mm_pop3c *pop3c, const char *line)
{
    size_t size = 0;
    while (line != NULL && size < MM_LIMIT_POP3_COMMAND - 1 &&
           mm_ascii_is_printable((unsigned char)line[size])) {
        size++;
    }
    if (size == 0 || line[size] != '\0') {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (pop3c->command != NULL) {
        return MAILMOD_ERROR_LIMIT;
    }
    enum mailmod_error error = mm_pop3c_ask(pop3c, MM_POP3C_OWN, 0, 0);
    if (error == MAILMOD_OK) {
        pop3c->command = line;
    }
    return error;
}

bool mm_pop3c_is_commanding(const struct mm_pop3c *pop3c)
{
    return pop3c->command != NULL;
}

void mm_pop3c_write_ask(struct mm_pop3c *pop3c,
                        const struct mm_pop3c_step *step)
{
    struct mm_buf *out = &pop3c->output;
    mm_buf_append_cstr(out, step->verb == MM_POP3C_OWN ? pop3c->command
                                                       : verbs[step->verb]);
    if (step->number > 0) {
        mm_buf_append_char(out, ' ');
        mm_buf_append_u64(out, step->number);
    }
    if (step->verb == MM_POP3C_TOP) {
        mm_buf_append_char(out, ' ');
        mm_buf_append_u64(out, step->lines);
    }
}

/* Two words; false when there are not two. */
static bool read_two(struct mm_span text, struct mm_span *first_out,
                     struct mm_span *second_out)
{
    struct mm_span rest;
    if (!mm_span_cut(mm_span_trim(text), ' ', first_out, &rest)) {
        return false;
    }
    (void)mm_span_cut(mm_span_trim(rest), ' ', second_out, &rest);
    return first_out->size > 0 && second_out->size > 0;
}

/* RFC 1939 7: one to 70 octets, 0x21 to 0x7E; anything else is no unique id. */
static struct mm_span unique_id(struct mm_span word)
{
    bool is_good = word.size > 0 && word.size <= MM_POP3C_UNIQUE_ID_MAX;
    for (size_t i = 0; is_good && i < word.size; i++) {
        is_good = word.data[i] != ' ' &&
                  mm_ascii_is_printable((unsigned char)word.data[i]);
    }
    return is_good ? word : mm_span(NULL, 0);
}

/* A row of LIST or UIDL: RFC 1939 5, 7. A unique id with a blank in it is none:
 * it would be cut. */
static bool read_row(enum mm_pop3c_verb verb, struct mm_span text,
                     struct mm_pop3c_info *info)
{
    struct mm_span number;
    struct mm_span rest;
    text = mm_span_trim(text);
    if (!mm_span_cut(text, ' ', &number, &rest)) {
        rest = mm_span(NULL, 0);
    }
    if (!mm_span_to_u64(number, &info->number) || info->number == 0) {
        return false;
    }
    rest = mm_span_trim(rest);
    if (verb == MM_POP3C_UIDL) {
        info->data = unique_id(rest);
        return true;
    }
    struct mm_span size;
    (void)mm_span_cut(rest, ' ', &size, &rest);
    if (!mm_span_to_u64_capped(size, &info->size)) {
        info->size = 0; /* not told: the message will show it */
    }
    return true;
}

static bool read_figures(const struct mm_pop3c_step *step,
                         struct mm_pop3c_info *info)
{
    struct mm_span first;
    struct mm_span second;
    if (step->verb == MM_POP3C_STAT) {
        return read_two(info->reply->text, &first, &second) &&
               mm_span_to_u64_capped(first, &info->count) &&
               mm_span_to_u64_capped(second, &info->size);
    }
    if (is_of_all(step->verb) && step->number > 0) {
        return read_row(step->verb, info->reply->text, info) &&
               info->number == step->number;
    }
    return true;
}

static void describe(const struct mm_pop3c_step *step,
                     struct mm_pop3c_info *info)
{
    info->verb = step->verb;
    info->number = step->number;
}

enum mm_pop3c_event mm_pop3c_take_answer(struct mm_pop3c *pop3c,
                                         struct mm_pop3c_info *info)
{
    const struct mm_pop3c_step step = pop3c->steps[pop3c->first];
    describe(&step, info);
    if (step.verb == MM_POP3C_OWN) {
        pop3c->command = NULL;
    }
    if (!info->reply->is_ok) {
        mm_pop3c_answered(pop3c);
        return MM_POP3C_ANSWER;
    }
    if (!read_figures(&step, info)) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_PROTOCOL, true);
        return MM_POP3C_NEED_INPUT;
    }
    if (step.verb == MM_POP3C_RETR || step.verb == MM_POP3C_TOP) {
        mm_dot_reader_init(&pop3c->dot, true, true);
        pop3c->is_body_whole = false;
        pop3c->state = MM_POP3C_IN_BODY;
    } else if (is_of_all(step.verb) && step.number == 0) {
        pop3c->row_count = 0;
        pop3c->state = MM_POP3C_IN_ROWS;
    } else {
        mm_pop3c_answered(pop3c);
    }
    return MM_POP3C_ANSWER;
}

static enum mm_pop3c_event end(struct mm_pop3c *pop3c,
                               struct mm_pop3c_info *info)
{
    describe(&pop3c->steps[pop3c->first], info);
    mm_pop3c_answered(pop3c);
    pop3c->state = MM_POP3C_IN_TALKING;
    return MM_POP3C_END;
}

enum mm_pop3c_event mm_pop3c_read_row(struct mm_pop3c *pop3c,
                                      struct mm_pop3c_info *info)
{
    const struct mm_pop3c_step *step = &pop3c->steps[pop3c->first];
    struct mm_line line;
    if (!mm_pop3c_read_line(pop3c, &line)) {
        return MM_POP3C_NEED_INPUT;
    }
    if (mm_span_is(line.text, ".")) {
        return end(pop3c, info);
    }
    mm_tap_octets(pop3c->tap, MM_TAP_RECEIVED, line.text.size + 2);
    pop3c->row_count++;
    if (pop3c->row_count > MM_LIMIT_MAILBOX_ENTRIES) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_LIMIT, false);
        return MM_POP3C_NEED_INPUT;
    }
    describe(step, info);
    if (!read_row(step->verb, line.text, info)) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_PROTOCOL, false);
        return MM_POP3C_NEED_INPUT;
    }
    return MM_POP3C_ROW;
}

/* Moves what has room from the input into the body. A run is never longer
 * than the input it comes from and one line end. */
static bool fill_body(struct mm_pop3c *pop3c)
{
    for (;;) {
        size_t room = mm_buf_room(&pop3c->body);
        struct mm_span input = mm_buf_span(&pop3c->input);
        size_t used = 0;
        struct mm_span run;
        if (room <= 2 || input.size == 0) {
            return true;
        }
        input.size = input.size < room - 2 ? input.size : room - 2;
        enum mm_dot_result result =
            mm_dot_read(&pop3c->dot, input, &used, &run);
        if (mm_buf_append_span(&pop3c->body, run) != MAILMOD_OK) {
            return false;
        }
        mm_buf_consume(&pop3c->input, used);
        mm_tap_octets(pop3c->tap, MM_TAP_RECEIVED, used);
        if (result == MM_DOT_DONE) {
            pop3c->is_body_whole = true;
            return true;
        }
    }
}

enum mm_pop3c_event mm_pop3c_read_body(struct mm_pop3c *pop3c,
                                       struct mm_pop3c_info *info)
{
    if (!pop3c->is_body_whole && !fill_body(pop3c)) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_MEMORY, false);
        return MM_POP3C_NEED_INPUT;
    }
    if (mm_buf_size(&pop3c->body) > 0) {
        describe(&pop3c->steps[pop3c->first], info);
        info->data = mm_buf_span(&pop3c->body);
        return MM_POP3C_BODY;
    }
    return pop3c->is_body_whole ? end(pop3c, info) : MM_POP3C_NEED_INPUT;
}

void mm_pop3c_body_taken(struct mm_pop3c *pop3c, size_t size)
{
    mm_buf_consume(&pop3c->body, size);
}
