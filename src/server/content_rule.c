/* content_rule.c - rules about the content of mail: a line each.
 *
 * Owns a rule's text and what it was parsed to. Promises: a line that is no
 * rule is told with its reason, never taken for another one; what a rule wants
 * changed can be carried out, and its text can be said in a reply.
 * Thread: any. RFC 5321 4.2 (the text of a reply). */
#include "server/content_rule.h"

#include "base/expression.h"
#include "base/mem.h"

#include <string.h>

enum { LINE_MAX = 4000, REPLY_TEXT_MAX = 400 };

enum argument { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST };

struct action {
    const char *name;
    enum argument argument;
    bool ends;
    struct mm_reply reply;      /* code 0: none */
    enum mm_change_kind change; /* where `changes` */
    bool changes;
};

static const struct action actions[] = {
    {"accept", ARGUMENT_NONE, true, {0, NULL, NULL}, MM_CHANGE_DISCARD, false},
    {"refuse",
     ARGUMENT_MAY,
     true,
     {550, "5.7.1", "This message is not taken"},
     MM_CHANGE_DISCARD,
     false},
    {"defer",
     ARGUMENT_MAY,
     true,
     {451, "4.7.1", "This message is not taken now, try again later"},
     MM_CHANGE_DISCARD,
     false},
    {"discard", ARGUMENT_NONE, true, {0, NULL, NULL}, MM_CHANGE_DISCARD, true},
    {"quarantine",
     ARGUMENT_MAY,
     false,
     {0, NULL, NULL},
     MM_CHANGE_QUARANTINE,
     true},
    {"field", ARGUMENT_MUST, false, {0, NULL, NULL}, MM_CHANGE_ADD_FIELD, true},
    {"folder", ARGUMENT_MUST, false, {0, NULL, NULL}, MM_CHANGE_FOLDER, true},
    {"redirect",
     ARGUMENT_MUST,
     false,
     {0, NULL, NULL},
     MM_CHANGE_REDIRECT,
     true},
};

static const struct mm_expression_names names = {
    .variables = {[MM_CONTENT_SIZE] = "$size",
                  [MM_CONTENT_SENDER] = "$sender",
                  [MM_CONTENT_HELLO] = "$hello",
                  [MM_CONTENT_PEER] = "$peer",
                  [MM_CONTENT_USER] = "$user",
                  [MM_CONTENT_RECIPIENT] = "$recipient",
                  [MM_CONTENT_RECIPIENTS] = "$recipients",
                  [MM_CONTENT_HEADER] = "$header:",
                  [MM_CONTENT_COUNT] = "$count:",
                  [MM_CONTENT_TEXT] = "$text",
                  [MM_CONTENT_BODY] = "$body"},
    .count = MM_CONTENT_VARIABLES};

struct mm_content_rule {
    const struct action *action;
    struct mm_expression *expression; /* NULL: of every message */
    struct mm_reply reply;
    struct mm_changes changes;
    char *argument;
    char text[];
};

static enum mailmod_error refuse(struct mm_buf *mistake, const char *words)
{
    (void)mm_buf_append_cstr(mistake, words);
    return MAILMOD_ERROR_SYNTAX;
}

/* ---- a line ---- */

/* The next word, or what stands between quotation marks. */
static enum mailmod_error take_argument(struct mm_span *rest,
                                        struct mm_span *argument_out,
                                        struct mm_buf *mistake)
{
    char first = rest->data[0];

    if (first != '"' && first != '\'') {
        (void)mm_span_cut(*rest, ' ', argument_out, rest);
        return MAILMOD_OK;
    }
    return mm_span_cut(mm_span_from(*rest, 1), first, argument_out, rest)
               ? MAILMOD_OK
               : refuse(mistake, "has a quotation mark that is not closed");
}

static bool is_if(struct mm_span rest)
{
    return mm_span_is_nocase(rest, "if") ||
           mm_span_starts_nocase(rest, "if ") ||
           mm_span_starts_nocase(rest, "if\t");
}

/* "Name: value" into two texts. */
static enum mailmod_error read_field(struct mm_content_rule *rule,
                                     struct mm_change *change,
                                     struct mm_buf *mistake)
{
    char *colon = strchr(rule->argument, ':');

    if (colon == NULL) {
        return refuse(mistake, "lacks a : between the name of its field and "
                               "the value");
    }
    *colon = '\0';
    change->name = rule->argument;
    change->value = colon + 1 + strspn(colon + 1, " \t");
    return MAILMOD_OK;
}

static enum mailmod_error read_change(struct mm_content_rule *rule,
                                      struct mm_buf *mistake)
{
    struct mm_change change = {.kind = rule->action->change,
                               .value = rule->argument};
    enum mailmod_error error = MAILMOD_OK;

    if (change.kind == MM_CHANGE_QUARANTINE) {
        change.name = "content";
        change.value = rule->argument != NULL ? rule->argument : "by a rule";
    } else if (change.kind == MM_CHANGE_ADD_FIELD) {
        error = read_field(rule, &change, mistake);
    }
    if (error == MAILMOD_OK) {
        error = mm_changes_add(&rule->changes, &change);
    }
    return error == MAILMOD_ERROR_ARGUMENT
               ? refuse(mistake, "has an argument that its action cannot take")
               : error;
}

static enum mailmod_error read_reply(struct mm_content_rule *rule,
                                     struct mm_buf *mistake)
{
    size_t size = rule->argument != NULL ? strlen(rule->argument) : 0;

    rule->reply = rule->action->reply;
    for (size_t i = 0; i < size; i++) {
        if (!mm_ascii_is_printable((unsigned char)rule->argument[i])) {
            return refuse(mistake, "has a reply with letters that are not "
                                   "ASCII");
        }
    }
    if (size > REPLY_TEXT_MAX) {
        return refuse(mistake, "has a reply of more than 400 letters");
    }
    rule->reply.text = size > 0 ? rule->argument : rule->reply.text;
    return MAILMOD_OK;
}

static enum mailmod_error read_argument(struct mm_content_rule *rule,
                                        struct mm_span *rest,
                                        struct mm_buf *mistake)
{
    struct mm_span argument = mm_span("", 0);
    bool is_there = rest->size > 0 && !is_if(*rest);

    if (is_there && rule->action->argument == ARGUMENT_NONE) {
        return refuse(mistake, "has something between its action and \"if\"");
    }
    if (!is_there && rule->action->argument == ARGUMENT_MUST) {
        return refuse(mistake, "lacks an argument behind its action");
    }
    if (is_there) {
        enum mailmod_error error = take_argument(rest, &argument, mistake);
        if (error != MAILMOD_OK) {
            return error;
        }
        rule->argument = mm_memdup0(argument.data, argument.size);
        if (rule->argument == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        *rest = mm_span_trim(*rest);
    }
    return rule->action->changes           ? read_change(rule, mistake)
           : rule->action->reply.code != 0 ? read_reply(rule, mistake)
                                           : MAILMOD_OK;
}

static enum mailmod_error parse(struct mm_content_rule *rule,
                                struct mm_span text, struct mm_buf *mistake)
{
    size_t size = 0;

    while (size < text.size && strchr(" \t", text.data[size]) == NULL) {
        size++;
    }
    struct mm_span word = mm_span(text.data, size);
    text = mm_span_trim(mm_span_from(text, size));
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (mm_span_is_nocase(word, actions[i].name)) {
            rule->action = &actions[i];
        }
    }
    if (rule->action == NULL) {
        return refuse(mistake, "begins with no action: there are accept, "
                               "refuse, defer, discard, quarantine, field, "
                               "folder and redirect");
    }
    enum mailmod_error error = read_argument(rule, &text, mistake);
    if (error != MAILMOD_OK || text.size == 0) {
        return error;
    }
    return is_if(text)
               ? mm_expression_new(&rule->expression,
                                   mm_span_trim(mm_span_from(text, 2)), &names,
                                   mistake)
               : refuse(mistake, "lacks \"if\" ahead of its expression");
}

enum mailmod_error mm_content_rule_parse(struct mm_content_rule **out,
                                         struct mm_span line,
                                         struct mm_buf *mistake)
{
    struct mm_span text = mm_span_trim(line);

    *out = NULL;
    if (text.size == 0 || text.data[0] == '#') {
        return MAILMOD_OK;
    }
    if (text.size > LINE_MAX || memchr(text.data, '\0', text.size) != NULL) {
        return refuse(mistake, "is too long, or has a NUL");
    }
    struct mm_content_rule *rule = mm_alloc(sizeof *rule + text.size + 1);
    if (rule == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_changes_init(&rule->changes);
    memcpy(rule->text, text.data, text.size);
    enum mailmod_error error = parse(rule, text, mistake);
    if (error != MAILMOD_OK) {
        mm_content_rule_free(&rule);
        return error == MAILMOD_ERROR_LIMIT
                   ? refuse(mistake, "has a pattern that is too large")
                   : error;
    }
    *out = rule;
    return MAILMOD_OK;
}

void mm_content_rule_free(struct mm_content_rule **rule_in)
{
    struct mm_content_rule *rule = *rule_in;

    *rule_in = NULL;
    if (rule != NULL) {
        mm_changes_clear(&rule->changes);
        mm_expression_free(&rule->expression);
        mm_free(rule->argument);
        mm_free(rule);
    }
}

/* ---- asking ---- */

size_t mm_content_rule_cost(const struct mm_content_rule *rule)
{
    return rule->expression != NULL ? mm_expression_cost(rule->expression) : 1;
}

enum mailmod_error mm_content_rule_ask(const struct mm_content_rule *rule,
                                       struct mm_content_view *view,
                                       bool *is_meant_out)
{
    *is_meant_out = rule->expression == NULL ||
                    mm_expression_is_true_for(rule->expression,
                                              mm_content_view_value, view);
    return mm_content_view_error(view);
}

bool mm_content_rule_ends(const struct mm_content_rule *rule)
{
    return rule->action->ends;
}

const struct mm_reply *mm_content_rule_reply(const struct mm_content_rule *rule)
{
    return rule->reply.code != 0 ? &rule->reply : NULL;
}

const struct mm_changes *
mm_content_rule_changes(const struct mm_content_rule *rule)
{
    return &rule->changes;
}

const char *mm_content_rule_text(const struct mm_content_rule *rule)
{
    return rule->text;
}
