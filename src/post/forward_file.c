/* forward_file.c - the lines of a forward file, run on one message.
 *
 * Owns, for the time of a run, the line in hand and the blocks that it stands
 * in. Promises: each line is read once, and one that is left out is told
 * whether its block's turn it is or not; a block with a condition that cannot
 * be told is left out whole, so that nothing is removed by its #else; files
 * outside of the mailbox are never written.
 * Thread: any. */
#include "post/forward_file.h"

#include "base/expression.h"
#include "base/limits.h"
#include "mailbox/plus_folder.h"
#include "wire/addr/address.h"

#include <stdio.h>
#include <string.h>

enum { BLOCKS_MAX = 32, CAUSE_MAX = 400 };
enum variable { SIZE_KB, TEXT, BODY, ERROR_LEVEL, VARIABLES };

static const struct mm_expression_names names = {
    .variables = {[SIZE_KB] = "$size_kb",
                  [TEXT] = "$text",
                  [BODY] = "$body",
                  [ERROR_LEVEL] = "$errorlevel"},
    .count = VARIABLES,
    .has_in_text = true,
    .in_text = TEXT};

struct block {
    bool is_turn;    /* of the branch in hand */
    bool had_turn;   /* of a branch, or of none: the block is left out */
    bool has_else;   /* no branch comes behind it */
    bool is_outer;   /* the turn of what the block stands in */
    unsigned number; /* of its #if */
};

struct run {
    const struct mm_forward_message *message;
    struct mm_span values[VARIABLES];
    char size_kb[24];
    struct block blocks[BLOCKS_MAX];
    size_t depth;
    size_t skipped; /* blocks in one too many */
    size_t cost;    /* of the conditions so far: octets of a text take so many
                       steps */
    unsigned line;
};

static void warn(const struct run *run, const char *cause)
{
    run->message->warn(run->message->context, run->line, cause);
}

static bool is_turn(const struct run *run)
{
    return run->skipped == 0 &&
           (run->depth == 0 || run->blocks[run->depth - 1].is_turn);
}

/* ---- blocks ---- */

/* The file's conditions together have a bound, whether their turn comes or not.
 * OK: this one may be asked. */
static enum mailmod_error add_cost(struct run *run,
                                   const struct mm_expression *expression,
                                   struct mm_buf *cause)
{
    run->cost += mm_expression_cost(expression);
    if (run->cost <= MM_LIMIT_FORWARD_COST) {
        return MAILMOD_OK;
    }
    (void)mm_buf_append_cstr(
        cause, "makes those of the file cost too much for each message");
    return MAILMOD_ERROR_LIMIT;
}

/* Not known, with a warning: nobody can tell. */
static enum mailmod_error tell(struct run *run, struct mm_span text,
                               bool *is_known_out, bool *is_true_out)
{
    struct mm_expression *expression = NULL;
    struct mm_buf cause;

    mm_buf_init(&cause, CAUSE_MAX);
    (void)mm_buf_append_cstr(
        &cause, "the block is left out up to its #endif, for its condition ");
    enum mailmod_error error =
        mm_expression_new(&expression, text, &names, &cause);
    if (error == MAILMOD_OK) {
        error = add_cost(run, expression, &cause);
    }
    *is_known_out = error == MAILMOD_OK;
    *is_true_out = error == MAILMOD_OK && is_turn(run) &&
                   mm_expression_is_true(expression, run->values);
    if (error != MAILMOD_OK && error != MAILMOD_ERROR_MEMORY) {
        warn(run, mm_buf_error(&cause) == MAILMOD_OK ? mm_buf_cstr(&cause)
                                                     : "the condition is none");
        error = MAILMOD_OK;
    }
    mm_expression_free(&expression);
    mm_buf_fini(&cause);
    return error;
}

static enum mailmod_error begin_block(struct run *run, struct mm_span condition)
{
    bool is_known;
    bool is_true;
    bool is_outer = is_turn(run);

    if (run->depth == BLOCKS_MAX) {
        warn(run, "it is left out: blocks nest too deep");
        run->skipped++;
        return MAILMOD_OK;
    }
    enum mailmod_error error = tell(run, condition, &is_known, &is_true);
    run->blocks[run->depth++] = (struct block){.is_turn = is_true,
                                               .had_turn = is_true || !is_known,
                                               .is_outer = is_outer,
                                               .number = run->line};
    return error;
}

/* NULL with a warning: there is no block, or no branch may come. */
static struct block *branch_of(struct run *run)
{
    struct block *block = run->depth > 0 ? &run->blocks[run->depth - 1] : NULL;

    if (block == NULL || block->has_else) {
        warn(run, "there is no #if that it belongs to");
        return NULL;
    }
    block->is_turn = false;
    return block;
}

static enum mailmod_error next_branch(struct run *run, struct mm_span condition)
{
    bool is_known;
    bool is_true;
    struct block *block = run->skipped == 0 ? branch_of(run) : NULL;

    if (block == NULL) {
        return MAILMOD_OK;
    }
    /* Asked with the turn that it would have. */
    block->is_turn = block->is_outer && !block->had_turn;
    enum mailmod_error error = tell(run, condition, &is_known, &is_true);
    block->is_turn = is_true;
    block->had_turn = block->had_turn || is_true || !is_known;
    return error;
}

static void begin_else(struct run *run)
{
    struct block *block = run->skipped == 0 ? branch_of(run) : NULL;

    if (block != NULL) {
        block->is_turn = block->is_outer && !block->had_turn;
        block->has_else = true;
    }
}

static void end_block(struct run *run)
{
    if (run->skipped > 0) {
        run->skipped--;
    } else if (run->depth > 0) {
        run->depth--;
    } else {
        warn(run, "there is no #if that it ends");
    }
}

/* ---- acts ---- */

static enum mailmod_error act(const struct run *run, enum mm_forward_act act,
                              struct mm_span text)
{
    return is_turn(run) ? run->message->act(run->message->context, act, text)
                        : MAILMOD_OK;
}

static bool is_address(struct mm_span text)
{
    struct mm_address address;

    return memchr(text.data, '@', text.size) != NULL &&
           mm_address_parse(text, false, true, &address) == MAILMOD_OK;
}

/* The last part of a path. */
static struct mm_span last_of(struct mm_span path)
{
    size_t at = path.size;

    while (at > 0 && strchr("/\\", path.data[at - 1]) == NULL) {
        at--;
    }
    return mm_span_from(path, at);
}

/* #mv and #cp. "mbox/spam" and "/home/alice/mbox/spam" are a folder of the
 * original engine's mailbox. */
static enum mailmod_error put(const struct run *run, struct mm_span place,
                              bool is_moved)
{
    enum mm_forward_act kind = MM_FORWARD_TO;
    struct mm_span target = place;

    if (!is_address(place)) {
        kind = MM_FORWARD_FOLDER;
        target = last_of(place);
        if (!mm_plus_folder_is_name(target)) {
            warn(run, "it is left out: it names no folder and no address");
            return MAILMOD_OK;
        }
        struct mm_span parent = last_of(mm_span(
            place.data, place.size - target.size - (target.size < place.size)));
        if (parent.size > 0 && !mm_span_is_nocase(parent, "mbox")) {
            warn(run,
                 "files outside of the mailbox are not written: the "
                 "message goes into the mailbox's folder of the last name");
        }
    }
    enum mailmod_error error = act(run, kind, target);
    return error == MAILMOD_OK && is_moved
               ? act(run, MM_FORWARD_REMOVE, mm_span(NULL, 0))
               : error;
}

static enum mailmod_error send(const struct run *run, struct mm_span line)
{
    enum mailmod_error error = MAILMOD_OK;

    if (memchr(line.data, '$', line.size) != NULL) {
        warn(run, "it is left out: variables are not put into lines");
        return MAILMOD_OK;
    }
    while (error == MAILMOD_OK && line.size > 0) {
        size_t size = 0;

        while (size < line.size && strchr(" \t,", line.data[size]) == NULL) {
            size++;
        }
        struct mm_span address = mm_span(line.data, size);
        line = mm_span_from(line, size + (size < line.size));
        if (size > 0 && is_address(address)) {
            error = act(run, MM_FORWARD_TO, address);
        } else if (size > 0) {
            warn(run, "a part is left out that is no address");
        }
    }
    return error;
}

/* ---- lines ---- */

/* "#mv WHERE": the word and the rest; a comment has no word of ours. */
static bool takes(struct mm_span line, const char *word, struct mm_span *rest)
{
    size_t size = strlen(word);

    *rest =
        mm_span_trim(mm_span_from(line, size < line.size ? size : line.size));
    return mm_span_starts_nocase(line, word) &&
           (line.size == size || strchr(" \t", line.data[size]) != NULL);
}

static enum mailmod_error take_line(struct run *run, struct mm_span line)
{
    struct mm_span rest;

    if (line.size == 0) {
        return MAILMOD_OK;
    }
    if (line.data[0] == '!') {
        warn(run, "it is left out: commands are not run");
        return MAILMOD_OK;
    }
    if (line.data[0] != '#') {
        return send(run, line);
    }
    if (takes(line, "#if", &rest)) {
        return begin_block(run, rest);
    }
    if (takes(line, "#elif", &rest)) {
        return next_branch(run, rest);
    }
    if (takes(line, "#mv", &rest)) {
        return put(run, rest, true);
    }
    if (takes(line, "#cp", &rest)) {
        return put(run, rest, false);
    }
    if (takes(line, "#rm", &rest)) {
        return act(run, MM_FORWARD_REMOVE, rest);
    }
    if (takes(line, "#else", &rest)) {
        begin_else(run);
    } else if (takes(line, "#endif", &rest)) {
        end_block(run);
    }
    return MAILMOD_OK;
}

/* One line of the file, without its end. */
static struct mm_span next_line(struct mm_span *rest)
{
    struct mm_span line;

    (void)mm_span_cut(*rest, '\n', &line, rest);
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    return line;
}

static bool goes_on(struct mm_span line)
{
    return line.size > 1 && line.data[line.size - 1] == '\\' &&
           strchr(" \t", line.data[line.size - 2]) != NULL;
}

/* The lines that are joined, in `joined`; `count_out` of them. */
static enum mailmod_error
next_joined(struct mm_span *rest, struct mm_buf *joined, unsigned *count_out)
{
    struct mm_span line = next_line(rest);

    mm_buf_clear(joined);
    *count_out = 1;
    while (goes_on(line) && rest->size > 0) {
        (void)mm_buf_append_span(joined, mm_span(line.data, line.size - 1));
        line = next_line(rest);
        ++*count_out;
    }
    return mm_buf_append_span(joined, line);
}

static struct mm_span body_of(struct mm_span text)
{
    for (size_t i = 0; i + 4 <= text.size; i++) {
        if (memcmp(text.data + i, "\r\n\r\n", 4) == 0) {
            return mm_span_from(text, i + 4);
        }
    }
    return mm_span(NULL, 0);
}

enum mailmod_error mm_forward_file_run(struct mm_span file,
                                       const struct mm_forward_message *message)
{
    struct run run = {.message = message};
    struct mm_buf joined;
    enum mailmod_error error = MAILMOD_OK;
    unsigned next = 1;
    unsigned count = 0;

    (void)snprintf(run.size_kb, sizeof run.size_kb, "%llu",
                   (unsigned long long)(message->size / 1024 +
                                        (message->size % 1024 != 0)));
    run.values[SIZE_KB] = mm_span_cstr(run.size_kb);
    run.values[TEXT] = message->text;
    run.values[BODY] = body_of(message->text);
    run.values[ERROR_LEVEL] = mm_span_cstr("0");
    mm_buf_init(&joined, MM_LIMIT_FORWARD_FILE);
    while (error == MAILMOD_OK && file.size > 0) {
        run.line = next;
        error = next_joined(&file, &joined, &count);
        next += count;
        error = error == MAILMOD_OK
                    ? take_line(&run, mm_span_trim(mm_buf_span(&joined)))
                    : error;
    }
    while (error == MAILMOD_OK && run.depth > 0) {
        run.line = run.blocks[--run.depth].number;
        warn(&run, "its #endif is missing: the block goes to the file's end");
    }
    mm_buf_fini(&joined);
    return error;
}
